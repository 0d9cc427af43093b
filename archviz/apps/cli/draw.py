"""``archviz MODEL``: the figure of a model, or of several.

In: the answers of the command line.  Out: files, or the caption, what is drawn as JSON, names that can be asked for.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable

from archviz.apps.cli.run import Files, Outcome, rendered
from archviz.apps.request.arguments import command
from archviz.apps.request.catalogue import listing
from archviz.apps.request.job import Job, asked, failure, remarks
from archviz.core.errors import ArchvizError
from archviz.core.progress import Step

FILES = Files(unless=("caption", "emit"))


def prepare(o: argparse.Namespace, job: Job | None = None, files: Files = FILES) -> Callable[[Step], Outcome]:
    """`job` is what is asked for, where that is more than words can say."""
    if o.list is not None:
        names = listing(o.list)
        return lambda step: Outcome(printed=names)
    if o.model is None:
        raise ArchvizError("no model was named", "write archviz model.py, or archviz --help")
    outputs = files.of(o, o.model)
    drawing = job or asked(o)
    drawing.check()

    def work(step: Step) -> Outcome:
        figure = drawing.draw(step, noisy=o.verbose)
        step("write")
        written = rendered(figure, outputs, o, command=command(o))
        printed = [figure.captioned(o.caption)] if o.caption else []
        printed += [figure.emit(o.emit)] if o.emit else []
        return Outcome(written, "\n".join(printed), tuple(remarks(drawing, figure, o.verbose)), failure(figure),
                       code=1 if figure.failed else 0, size=(figure.scene.width, figure.scene.height), value=figure)

    return work
