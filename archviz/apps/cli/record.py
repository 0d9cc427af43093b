"""What went on in a model, asked for in words: ``archviz record`` on the command line.

In: what `archviz.apps.request.arguments.recorded` read, and the files to write.  Out: those files, written all or none,
and what is to be said.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archviz.apps.cli.run import NUMBERS, Done, Wish, check, drawn, how, hushed, remarks, rendered, wish, write, wrote
from archviz.core.errors import ArchvizError
from archviz.core.progress import progress
from archviz.insight.inputs.prepare import Ready, Step, prepare
from archviz.insight.results.recording import GRADIENT, Recording

SHOWN = 10      # findings that are said
DEFAULT = ("mean", "std", "sparsity", "saturation")


def carry_out(o: argparse.Namespace, outputs: Sequence[Path]) -> Done:
    """Record, draw and write, showing progress unless ``o.quiet``.

    Raises `ArchvizError`, before anything is computed for mistakes that can be seen then; nothing is half written.
    """
    run, told = wish(o), how(o)
    check(outputs, o.engine or "", numeric=True)
    run.drawing.check()
    wanted = _wanted(o)
    nodes = [*o.nodes, "/in:*"] if o.nodes and o.picture == "layers" else o.nodes       # it begins with the input
    with progress(not o.quiet) as step, hushed(o.verbose):
        ready = prepare(run.model, run.x, **run.preparing, step=step)
        step("record")
        from archviz.insight.recorder.run import record
        from archviz.trace.modules import named_arguments

        given = dict(named_arguments(ready.module, ready.args, ready.kwargs)) if ready.kwargs else ready.args
        found = record(ready.module, given, nodes or "*", wanted, gradients=o.gradients, target=o.target,
                       budget=run.budget, progress=False)
        numbers = [name for name in wanted if name not in ("values", "histogram", "topk", "per_channel")]
        painted: Any = None
        if o.picture and (o.caption or any(path.suffix != NUMBERS for path in outputs)):
            painted = _pictured(o, run, found, ready, step)
        elif o.caption or any(path.suffix != NUMBERS for path in outputs):
            shown = found.by(f"{GRADIENT if o.gradients else ''}{numbers[0]}") if numbers else found
            painted = shown.overlay(drawn(run, ready, step))
        step("write")
        write({path: found.packed() if path.suffix == NUMBERS else rendered(painted, path, told)
                    for path in outputs})
    findings = found.findings
    more = [f"and {len(findings) - SHOWN} more of the kind"] if len(findings) > SHOWN else []
    return Done(painted.caption if painted else "", (*remarks(run, ready), *_remarks(o, found), *findings[:SHOWN],
                                                     *more, *wrote(outputs)))


def _wanted(o: argparse.Namespace) -> list[str]:
    """The statistics to record.  Raises `ArchvizError` where the picture has no use for them."""
    if not o.picture:
        for option, given in (("--channels", o.channels), ("--class-names", o.class_names)):
            if given is not None:
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


def _pictured(o: argparse.Namespace, run: Wish, found: Recording, ready: Ready, step: Step) -> Any:
    """The activations by themselves; with layers, those of the figure that the other options ask for."""
    looks = run.drawing.options.settings
    if o.style:         # settings of the figure's style mean nothing to the picture
        looks = {key: value for key, value in looks.items() if key.startswith("heat.")}
    more: dict[str, Any] = {"channels": o.channels}
    if o.picture == "layers":
        more |= {"figure": drawn(run, ready, step), "names": ready.classes, "images": ready.shown}
    return found.image(o.picture, width=o.width, theme=o.theme, settings=looks, **more)


def _remarks(o: argparse.Namespace, found: Recording) -> Iterator[str]:
    """What may be unexpected about what was recorded."""
    if o.picture and found.samples > 1:
        yield f"the picture shows the first of {found.samples} inputs"
    for node, values in found.maps.items():
        if node.startswith("/in:") and values[0].size > 1 and not np.ptp(values[0]):
            yield (f"{node.removeprefix('/in:')} is {float(values.flat[0]):g} everywhere, so that maps show little; "
                   "say --image, or --input")
