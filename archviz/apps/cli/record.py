"""``archviz record``: what goes on in a model while it runs.

In: the answers of the command line.  Out: the figure of the architecture with a statistic painted on it, a picture of
the activations, the numbers.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archviz.apps.cli.run import Files, Outcome, rendered
from archviz.apps.request.inference import NUMBERS, Inference, inference
from archviz.apps.request.job import hushed
from archviz.core.errors import ArchvizError
from archviz.core.progress import Step
from archviz.insight.inputs.prepare import Ready
from archviz.insight.inputs.prepare import prepare as prepared
from archviz.insight.results.recording import GRADIENT, Recording

SHOWN = 10      # findings that are said
DEFAULT = ("mean", "std", "sparsity", "saturation")
FILES = Files("-recorded", ("caption",), ("npz",))


def prepare(o: argparse.Namespace) -> Callable[[Step], Outcome]:
    outputs, asked = FILES.of(o, o.model), inference(o)
    asked.drawing.check()
    wanted = _wanted(o)

    def work(step: Step) -> Outcome:
        with hushed(o.verbose):
            ready = prepared(asked.model, asked.x, **asked.preparing, step=step)
            step("record")
            recording = _recorded(asked, wanted, ready, o)
            return _drawn(asked, recording, wanted, ready, outputs, o, step)

    return work


def _recorded(asked: Inference, wanted: Sequence[str], ready: Ready, o: argparse.Namespace) -> Recording:
    from archviz.insight.recorder.run import record
    from archviz.trace.modules import named_arguments

    nodes = [*o.nodes, "/in:*"] if o.nodes and o.picture == "layers" else o.nodes       # it begins with the input
    inputs = dict(named_arguments(ready.module, ready.args, ready.kwargs)) if ready.kwargs else ready.args
    return record(ready.module, inputs, nodes or "*", wanted, gradients=o.gradients, target=o.target,
                  budget=asked.budget, progress=False)


def _drawn(asked: Inference, recording: Recording, wanted: Sequence[str], ready: Ready, outputs: Sequence[Path],
           o: argparse.Namespace, step: Step) -> Outcome:
    drawn = [path for path in outputs if path.suffix != NUMBERS]
    painted: Any = None
    if (drawn or o.caption) and o.picture:
        painted = _pictured(o, asked, recording, ready, step)
    elif drawn or o.caption:
        numbers = [name for name in wanted if name not in ("values", "histogram", "topk", "per_channel")]
        shown = recording.by(f"{GRADIENT if o.gradients else ''}{numbers[0]}") if numbers else recording
        painted = shown.overlay(asked.drawn(ready, step))
    step("write")
    files = {path: recording.packed() for path in outputs if path.suffix == NUMBERS}
    files |= rendered(painted, drawn, o)
    findings = recording.findings
    more = [f"and {len(findings) - SHOWN} more of the kind"] if len(findings) > SHOWN else []
    return Outcome({path: files[path] for path in outputs}, painted.caption if o.caption else "",
                   (*asked.remarks(ready), *_remarks(o, recording), *findings[:SHOWN], *more))


def _wanted(o: argparse.Namespace) -> list[str]:
    """The statistics to record.  Raises `ArchvizError` where the picture has no use for them."""
    if not o.picture:
        for option, value in (("--channels", o.channels), ("--class-names", o.class_names)):
            if value is not None:
                raise ArchvizError(f"{option} is for a picture, and none was asked for", "say --picture layers")
    elif o.channels is not None and o.channels < 1:
        raise ArchvizError(f"--channels {o.channels}: no picture has so few", "give a number from 1 on")
    named = o.stat if o.stat is not None else "values" if o.picture else ",".join(DEFAULT)
    wanted = [name.strip() for name in named.split(",") if name.strip()]
    if not wanted:
        raise ArchvizError("no statistic was named", "say --stat mean, or leave it out")
    if o.picture and "values" not in wanted:
        raise ArchvizError(f"the picture {o.picture} shows values, which --stat {o.stat} does not keep",
                           f"say --stat {o.stat},values, or leave it out")
    return wanted


def _pictured(o: argparse.Namespace, asked: Inference, recording: Recording, ready: Ready, step: Step) -> Any:
    """The activations by themselves; with layers, those of the figure that the other options ask for."""
    looks = asked.drawing.options.settings
    if o.style:         # settings of the figure's style mean nothing to the picture
        looks = {key: value for key, value in looks.items() if key.startswith("heat.")}
    more: dict[str, Any] = {"channels": o.channels}
    if o.picture == "layers":
        more |= {"figure": asked.drawn(ready, step), "names": ready.classes, "images": ready.shown}
    return recording.image(o.picture, width=o.width, theme=o.theme, settings=looks, **more)


def _remarks(o: argparse.Namespace, recording: Recording) -> Iterator[str]:
    """What may be unexpected about what was recorded."""
    if o.picture and recording.samples > 1:
        yield f"the picture shows the first of {recording.samples} inputs"
    for node, values in recording.maps.items():
        if node.startswith("/in:") and values[0].size > 1 and not np.ptp(values[0]):
            yield (f"{node.removeprefix('/in:')} is {float(values.flat[0]):g} everywhere, so that maps show little; "
                   "say --image, or --input")
