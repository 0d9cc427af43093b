"""What went on in a model, asked for in words: ``archviz record`` on the command line.

In: what `archviz.arguments.recorded` read, and the files to write.  Out: those files, written all or none, and what is
to be said.  Imports errors, progress, ready, recording, runs; recorder inside its functions.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from archviz import runs
from archviz.errors import ArchvizError
from archviz.progress import progress
from archviz.ready import prepare
from archviz.recording import GRADIENT
from archviz.runs import NUMBERS, Done

SHOWN = 10      # findings that are said


def carry_out(o: argparse.Namespace, outputs: Sequence[Path]) -> Done:
    """Record, draw and write, showing progress unless ``o.quiet``.

    Raises `ArchvizError`, before anything is computed for mistakes that can be seen then; nothing is half written.
    """
    run, told = runs.wish(o), runs.how(o)
    runs.check(outputs, o.engine or "", numeric=True)
    run.drawing.check()
    wanted = [name.strip() for name in o.stat.split(",") if name.strip()]
    if not wanted:
        raise ArchvizError("no statistic was named", "say --stat mean, or leave it out")
    with progress(not o.quiet) as step, runs.hushed(o.verbose):
        ready = prepare(run.model, run.x, **run.preparing, step=step)
        step("record")
        from archviz.recorder.record import record
        from archviz.trace.model import named_arguments

        given = dict(named_arguments(ready.module, ready.args, ready.kwargs)) if ready.kwargs else ready.args
        found = record(ready.module, given, o.nodes or "*", wanted, gradients=o.gradients, target=o.target,
                       budget=run.budget, progress=False)
        numbers = [name for name in wanted if name not in ("values", "histogram", "topk", "per_channel")]
        painted = None
        if o.caption or any(path.suffix != NUMBERS for path in outputs):
            shown = found.by(f"{GRADIENT if o.gradients else ''}{numbers[0]}") if numbers else found
            painted = shown.overlay(runs.drawn(run, ready, step))
        step("write")
        runs.write({path: found.packed() if path.suffix == NUMBERS else runs.rendered(painted, path, told)
                    for path in outputs})
    findings = found.findings
    more = [f"and {len(findings) - SHOWN} more of the kind"] if len(findings) > SHOWN else []
    return Done(painted.caption if painted else "", (*runs.remarks(run, ready), *findings[:SHOWN], *more,
                                                     *runs.wrote(outputs)))
