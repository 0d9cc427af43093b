"""From a model to an SVG file: archviz, torchview and torchlens on the same models, in one run.

usage: python benchmarks/compile.py [--limit SECONDS] [--repeat N] [--write FILE] [model...]

The clock of a measurement starts when torch, and the library that defines the model, are imported and the model has
been built once, so that every lazy import is done; it covers importing the tool, building the model, tracing, layout
and writing the SVG.  Each measurement is a process of its own, forked from one that has nothing but torch and the model
loaded, so that memory is comparable and no tool's patches meet another's.  Memory is the peak above what that process
starts with; the `dot` that torchview and torchlens run is timed, its memory is not counted.

The peers get the cheapest way that works: first on the meta device without weights, then on real weights where those
fit.  torchview stops three levels deep unless told otherwise, so that it is measured twice: at that default, and down
to the layers, which is what the others trace.  archviz is called as a user calls it.
"""
from __future__ import annotations

import argparse
import compileall
import contextlib
import json
import os
import platform
import resource
import shutil
import signal
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import torch  # noqa: E402

from tests.zoo import CASES, Case  # noqa: E402

LARGEST = 6e9       # bytes of real weights that a measurement may build
PACKAGES = ("torch", "transformers", "archviz", "torchview", "torchlens")
MOST_MEMORY = 12e9  # bytes at which a measurement is stopped
LONG = 3.0          # seconds from which one run is enough


@dataclass(frozen=True)
class Result:
    """How a measurement ended: seconds and MiB above the start, or why there are none."""

    seconds: float = 0.0
    memory: float = 0.0
    peak: float = 0.0
    error: str = ""


# ---------------------------------------------------------------------------------------------- the tools

def archviz(case: Case, out: Path) -> None:
    from archviz import draw
    args, kwargs = case.inputs()
    draw(case.build, args or kwargs).save(out.with_suffix(".svg"))


def torchview(case: Case, out: Path, device: str, **detail: Any) -> None:
    from torchview import draw_graph
    with torch.device(device):
        model = case.build().eval()
    args, kwargs = case.inputs()
    drawn = draw_graph(model, input_data=args or kwargs, device=device, expand_nested=True, **detail)
    drawn.visual_graph.render(str(out), format="svg")


def torchlens(case: Case, out: Path, device: str) -> None:
    import torchlens as lens
    with torch.device(device):
        model = case.build().eval()
        args, kwargs = case.inputs()
    args, kwargs = tuple(a.to(device) for a in args), {key: value.to(device) for key, value in kwargs.items()}
    how = {"capture": lens.options.CaptureOptions(structure_only=True)} if device == "meta" else {}
    lens.trace(model, args, kwargs, save=None, **how).draw(
        vis_outpath=str(out), vis_save_only=True, vis_fileformat="svg")


TOOLS: dict[str, list[Callable[[Case, Path], None]]] = {
    "archviz": [archviz],
    "torchview": [partial(torchview, device="meta"), partial(torchview, device="cpu")],
    "torchview, all layers": [partial(torchview, device=device, depth=100) for device in ("meta", "cpu")],
    "torchlens": [partial(torchlens, device="meta"), partial(torchlens, device="cpu")],
}


# ---------------------------------------------------------------------------------------------- measuring

def measure(job: Callable[[], None], limit: float) -> Result:
    """Run `job` in a forked process; stop it after `limit` seconds or at `MOST_MEMORY`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        os.close(read)
        with os.fdopen(write, "w") as pipe:
            json.dump(_inside(job), pipe)
        os._exit(0)
    os.close(write)
    deadline = time.monotonic() + limit
    stopped = ""
    while not os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        if time.monotonic() > deadline:
            stopped = f"over {limit:.0f} s"
        elif _resident(child) > MOST_MEMORY:
            stopped = f"over {MOST_MEMORY / 1e9:.0f} GB"
        if stopped:
            break
        time.sleep(0.005)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)        # and the dot it may have started
    os.waitpid(child, 0)
    with os.fdopen(read) as pipe:
        told = pipe.read()
    if stopped or not told:
        return Result(error=stopped or "crashed")
    return Result(**json.loads(told))


def _inside(job: Callable[[], None]) -> dict[str, Any]:
    """In the forked process: what the job took, told as the fields of `Result`."""
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    warnings.simplefilter("ignore")
    before, start = _resident(os.getpid()), time.perf_counter()
    try:
        job()
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"}
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"seconds": seconds, "memory": max(0, peak - before) / 2**20, "peak": peak / 2**20}


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def best_of(tool: str, case: Case, folder: Path, weights: float, limit: float, repeat: int) -> Result:
    """The fastest of `repeat` runs (of one, where it is long), in the first of the tool's ways that gives a figure."""
    result = Result()
    out = folder / f"{tool}-{case.name}".replace(", ", "-").replace(" ", "-")
    for number, way in enumerate(TOOLS[tool]):
        if number and weights > LARGEST:
            return Result(error=f"{result.error}; real weights take {weights / 1e9:.0f} GB")
        runs: list[Result] = []
        for _ in range(repeat):
            runs.append(measure(partial(way, case, out), limit))
            if runs[-1].error or runs[-1].seconds > LONG:
                break
        good = [run for run in runs if not run.error]
        drawn = Path(f"{out}.svg")
        if good and drawn.exists() and drawn.stat().st_size:
            return min(good, key=lambda run: run.seconds)
        result = runs[-1] if not good else Result(error="no figure was written")
        if result.error.startswith("over"):     # with real weights it would take longer still
            break
    return result


# ---------------------------------------------------------------------------------------------- a layout by itself

def two_thousand(nodes: int = 2000, block: int = 10) -> float:
    """Seconds to lay out residual blocks of ten nodes in frames, `nodes` in all."""
    from archviz.core.geometry import Frame, Size
    from archviz.core.graph import Edge, Graph, Module, Node
    from archviz.drawing.layouts.layered import layered
    from archviz.style.style import load_style
    made = [Node(f"b{i // block}.n{i}", (f"b{i // block}",), "Conv2d", "conv", index=i) for i in range(nodes)]
    edges = [Edge(a.id, b.id) for a, b in zip(made, made[1:], strict=False)]
    edges += [Edge(made[i].id, made[i + block - 1].id, slot=1) for i in range(0, nodes - block, block)]
    modules = {f"b{i}": Module(f"b{i}", "Block", f"b{i}") for i in range(nodes // block)}
    graph = Graph("Synthetic", tuple(made), tuple(edges), modules)
    sizes = {node.id: Size(60.0, 14.0) for node in made}
    frames = {key: Frame(40.0, 0.0, 10.0) for key in modules}
    start = time.perf_counter()
    layered(graph, sizes, frames, load_style("block").sizes, "down", 20000.0)
    return time.perf_counter() - start


# ---------------------------------------------------------------------------------------------- the report

def warm(case: Case) -> float:
    """Build the model without memory, so that its library is imported; the bytes its weights would take."""
    with torch.device("meta"):
        model = case.build()
    return float(sum(p.numel() * p.element_size() for p in {id(p): p for p in model.parameters()}.values()))


def cell(result: Result, own: Result) -> str:
    """Seconds, memory, and for another tool how many times as long as archviz."""
    if result.error:
        return f"– ({reason(result.error)})"
    ratio = "" if result is own or own.error else f"**{result.seconds / own.seconds:.1f}×**, "
    return f"{ratio}{result.seconds:.2f} s, {result.memory:.0f} MiB"


def reason(error: str) -> str:
    """A failure in a few words, for a table."""
    return error.replace("|", "/") if len(error) <= 60 else f"{error[:57]}…"


def report(rows: dict[str, dict[str, Result]], layout: float) -> str:
    tools = list(TOOLS)
    lines = ["# From a model to an SVG file", "",
             *(line.strip() for line in (__doc__ or "").strip().splitlines()[4:]), "",
             f"{os.cpu_count()} cores, {platform.machine()}, CPU only; Python {platform.python_version()}; "
             + ", ".join(f"{name} {known(name)}" for name in PACKAGES)
             + f"; {time.strftime('%Y-%m-%d', time.gmtime())}.", "",
             f"| model | {' | '.join(tools)} |", "|---|" + "---|" * len(tools)]
    for name, results in rows.items():
        lines.append(f"| {name} | " + " | ".join(cell(results[tool], results["archviz"]) for tool in tools) + " |")
    drawn = {tool: [name for name in rows if not rows[name][tool].error] for tool in tools}
    lines += ["| **drawn** | " + " | ".join(f"**{len(drawn[tool])} of {len(rows)}**" for tool in tools) + " |", ""]
    for tool in tools[1:]:
        both = [name for name in drawn["archviz"] if name in drawn[tool]]
        faster = [name for name in both if rows[name]["archviz"].seconds < rows[name][tool].seconds]
        if both:
            ratio = statistics.median(rows[name][tool].seconds / rows[name]["archviz"].seconds for name in both)
            slower = sorted(set(both) - set(faster))
            lines.append(f"- archviz is faster than {tool} on {len(faster)} of the {len(both)} models both draw "
                         f"(median ratio {ratio:.1f})" + (f"; not on {', '.join(slower)}." if slower else "."))
    lines.append(f"- 2,000 nodes in 200 frames are laid out in {layout:.2f} s.")
    if "llama_70b" in rows and not (own := rows["llama_70b"]["archviz"]).error:
        lines.append(f"- The 70-billion-parameter Llama is drawn at a peak of {own.peak:.0f} MiB, "
                     "torch and transformers included.")
    return "\n".join(lines) + "\n"


def known(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        from archviz import __version__
        return __version__ if name == "archviz" else "missing"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", help="(default: the whole zoo)")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds until a tool is stopped (default: 60)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of which the fastest counts (default: 3)")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.models) - set(CASES)):
        parser.error(f"no model called {', '.join(unknown)}; known: {', '.join(CASES)}")
    if not shutil.which("dot"):
        parser.error("torchview and torchlens need Graphviz's dot")
    compileall.compile_dir(ROOT / "archviz", quiet=2)       # as the installer does for the others
    rows: dict[str, dict[str, Result]] = {}
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in options.models or CASES:
            weights = warm(CASES[name])
            found = rows[name] = {}
            for tool in TOOLS:
                found[tool] = best_of(tool, CASES[name], Path(folder), weights, options.limit, options.repeat)
                print(f"{name:14} {tool:22} {cell(found[tool], found['archviz'])}", file=sys.stderr, flush=True)
    text = report(rows, min(two_thousand() for _ in range(3)))
    print(text)
    if options.write:
        options.write.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
