"""The gallery: the seconds and the memory of every figure in ``gallery/figures``, each command a process of its own.

usage: python benchmarks/gallery.py [--write FILE] [figure...]

What is measured is what a reader does: ``archviz …`` as it stands in the file, in a new process, with the imports of
Python and torch, the trace, the layout and all files that the command writes.  Memory is the process's peak.
"""
from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.figures import FIGURES, commands, outputs  # noqa: E402


@dataclass(frozen=True)
class Cost:
    """Seconds, peak MiB, KiB of what was written."""

    seconds: float
    memory: float
    size: float


def cost(path: Path, folder: Path) -> Cost:
    """Of all commands of a figure.  Raises `SystemExit` where one fails."""
    seconds = memory = 0.0
    for _, *words in commands(path):
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "archviz", *words, "--quiet"], cwd=folder,
                                   env={**os.environ, "PYTHONPATH": str(ROOT)})
        _, status, used = os.wait4(process.pid, 0)
        seconds += time.perf_counter() - start
        memory = max(memory, used.ru_maxrss / 2**10)
        if status:
            raise SystemExit(f"{path.name}: archviz {' '.join(words)} failed")
    return Cost(seconds, memory, sum((folder / name).stat().st_size for name in outputs(path)) / 2**10)


def main(arguments: Sequence[str] | None = None) -> int:
    files = {path.stem: path for path in sorted(FIGURES.glob("*.sh"))}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="figure", help=f"(default: all: {', '.join(files)})")
    parser.add_argument("--write", type=Path, help="also write the table to this file")
    options = parser.parse_args(arguments)
    if unknown := sorted(set(options.names) - set(files)):
        parser.error(f"no figure called {', '.join(unknown)}; known: {', '.join(files)}")
    lines = ["# The gallery", "", *(line.strip() for line in (__doc__ or "").strip().splitlines()[4:]), "",
             f"{os.cpu_count()} cores, {platform.machine()}; Python {platform.python_version()}; "
             f"torch {version('torch')}; {time.strftime('%Y-%m-%d', time.gmtime())}.", "",
             "| figure | seconds | peak MiB | KiB written |", "|---|---|---|---|"]
    found: list[Cost] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.symlink(ROOT / "gallery", folder / "gallery")
        for figure in options.names or files:
            found.append(one := cost(files[figure], folder))
            lines.append(f"| {figure} | {one.seconds:.1f} | {one.memory:.0f} | {one.size:.0f} |")
            print(lines[-1], file=sys.stderr, flush=True)
    lines += ["", f"All {len(found)}, one after the other: {sum(one.seconds for one in found):.0f} s, "
                  f"at most {max(one.memory for one in found):.0f} MiB."]
    report = "\n".join(lines) + "\n"
    print(report)
    if options.write:
        options.write.write_text(report, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
