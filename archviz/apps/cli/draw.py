"""``archviz MODEL``: the figure of a model, or of several.

In: the answers of the command line.  Out: files, or the caption, what is drawn as JSON, names that can be asked for.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from archviz.apps.cli.run import Files, Outcome, rendered
from archviz.apps.request.arguments import command
from archviz.apps.request.catalogue import listing
from archviz.apps.request.job import Job, asked, failure, remarks
from archviz.core.errors import ArchvizError
from archviz.core.progress import Step
from archviz.core.scene import Scene, Text, walk
from archviz.core.text import foreign

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
        said = (*remarks(drawing, figure, o.verbose), *_boxes(figure.scene, outputs))
        return Outcome(written, "\n".join(printed), said, failure(figure),
                       code=1 if figure.failed else 0, size=(figure.scene.width, figure.scene.height), value=figure)

    return work


def _boxes(scene: Scene, paths: Sequence[Path]) -> Iterator[str]:
    """What pictures that are set in the package's own fonts cannot show."""
    words = "".join(mark.string for mark in walk(scene.marks) if isinstance(mark, Text))
    if any(path.suffix in (".png", ".webp", ".pdf") for path in paths) and (letters := foreign(words)):
        yield f"PNG and PDF show boxes for {letters[:20]}, which their font lacks; SVG and HTML are set in the reader's"
