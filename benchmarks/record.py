"""Recording side by side with its peers: how much longer a forward pass takes when the nodes are looked at.

``python -m benchmarks.record [-o benchmarks/record.md]`` prints a table: time ÷ plain forward pass.  archviz records
every node of the figure in float64 totals; forward hooks take each module's output and reduce it the plain way;
torchlens keeps what every operation gave.  All in one process, taking turns, but torchlens last, as it patches torch;
the fastest of several rounds each.  On a CPU the processor's time with one thread, so that other work on the machine
counts little; on a GPU the wall clock after synchronising.
"""
from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import archviz
from tests.zoo import CASES

Run = Callable[[], Any]


def plain(model: nn.Module, given: dict[str, Tensor]) -> Run:
    def run() -> None:
        with torch.inference_mode():
            model(**given)
    return run


def hooks(model: nn.Module, given: dict[str, Tensor]) -> Run:
    """What one writes by hand: mean and standard deviation of the output of each module that is a layer."""

    def run() -> dict[str, tuple[float, float]]:
        seen: dict[str, tuple[Tensor, Tensor]] = {}

        def keep(name: str) -> Callable[..., None]:
            def hook(module: nn.Module, args: Any, out: Any) -> None:
                if isinstance(out, Tensor):
                    seen[name] = out.mean(), out.std()
            return hook

        handles = [module.register_forward_hook(keep(name)) for name, module in model.named_modules()
                   if not any(module.children())]
        with torch.inference_mode():
            model(**given)
        for handle in handles:
            handle.remove()
        return {name: (mean.item(), std.item()) for name, (mean, std) in seen.items()}
    return run


def ours(*reduce: str) -> Callable[[nn.Module, dict[str, Tensor]], Run]:
    def made(model: nn.Module, given: dict[str, Tensor]) -> Run:
        return lambda: archviz.record(model, given, reduce=reduce)
    return made


def lens(model: nn.Module, given: dict[str, Tensor]) -> Run:
    import torchlens

    def run() -> None:
        with torch.no_grad():
            torchlens.trace(model, (), given)
    return run


WAYS: dict[str, Callable[[nn.Module, dict[str, Tensor]], Run]] = {
    "plain": plain, "archviz mean, std": ours("mean", "std"),
    "archviz mean, std, sparsity, saturation": ours("mean", "std", "sparsity", "saturation"),
    "archviz all but values": ours("mean", "std", "min", "max", "sparsity", "saturation", "histogram", "topk"),
    "archviz values": ours("values"), "hooks mean, std": hooks, "torchlens values": lens,
}
LAST = "torchlens values"     # it patches torch, which must not slow the others
MODELS = {"resnet18": 8, "vit": 4, "bert": 4}


def seconds(run: Run, device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        return time.perf_counter() - start
    start = time.process_time()
    run()
    return time.process_time() - start


def measured(name: str, batch: int, device: torch.device, rounds: int) -> str:
    case = CASES[name]
    torch.manual_seed(0)
    model = case.build().eval().to(device)
    given = {key: value.repeat(batch, *[1] * (value.dim() - 1)).to(device) for key, value in case.inputs()[1].items()}
    best: dict[str, float] = {}
    for ways in ([way for way in WAYS if way != LAST], [LAST]):
        for turn in range(rounds + 1):      # the first warms up
            for way in ways:
                taken = seconds(WAYS[way](model, given), device)
                best[way] = min(best.get(way, taken), taken) if turn else float("inf")
    base = best["plain"]
    cells = [f"{base * 1000:.1f} ms" if way == "plain" else f"**{best[way] / base:.2f}×**" for way in WAYS]
    return f"| {name}, {batch} samples | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("-o", "--output", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--models", nargs="*", default=list(MODELS), choices=list(MODELS))
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"one thread, {platform.machine()}, CPU only"
    lines = ["# Recording every node", "", (__doc__ or "").split("\n\n")[1].replace("\n", " ").strip(), "",
             f"{where}; torch {torch.__version__}; {time.strftime('%Y-%m-%d')}.", "",
             f"| model | {' | '.join(WAYS)} |", "|---" * (len(WAYS) + 1) + "|",
             *(measured(name, MODELS[name], device, options.rounds) for name in options.models), ""]
    print("\n".join(lines))
    if options.output:
        options.output.write_text("\n".join(lines), "utf-8")


if __name__ == "__main__":
    main()
