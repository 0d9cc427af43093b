"""A model that is run for what it does, asked for in words: what ``archviz explain`` and ``archviz record`` share.

In: answers of `archviz.apps.request.arguments`, files to write.  Out: `Wish`, the figure of the model that ran, `Done`.
"""
from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from archviz.apps.request import job
from archviz.core import files
from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.figure.figure import Figure
from archviz.figure.output import check_output
from archviz.insight.explain import NotFinite
from archviz.insight.inputs.images import SUFFIXES
from archviz.insight.inputs.memory import size_of
from archviz.insight.inputs.prepare import Ready, Step

NUMBERS = ".npz"


@dataclass(frozen=True)
class Wish:
    """What was asked, read and checked as far as it can be without the model.

    model       its target
    x           the images or texts, or nothing
    preparing   keyword arguments of `archviz.insight.inputs.prepare.prepare`
    budget      bytes
    drawing     the figure of the architecture
    """

    model: str
    x: Any
    preparing: Mapping[str, Any]
    budget: int | None
    drawing: job.Job


@dataclass(frozen=True)
class Done:
    """What came of it: the caption, what else is to be said, and what is wrong with the model if it computes no
    numbers."""

    caption: str
    remarks: tuple[str, ...]
    failed: str = ""


@dataclass(frozen=True)
class Wrong:
    """What a figure is marked with where a node computes no number; there are no other numbers to paint."""

    marks: Mapping[NodeId, str]
    scores: Mapping[NodeId, Any] = field(default_factory=dict)
    maps: Mapping[NodeId, Any] = field(default_factory=dict)
    flows: Mapping[tuple[NodeId, NodeId], Any] = field(default_factory=dict)
    signed: bool = False
    unit: str = ""
    title: str = "Numbers that are none"


def wish(o: argparse.Namespace) -> Wish:
    """What both commands ask for.  Raises `ArchvizError` for mistakes in it."""
    if Path(o.model).suffix == ".json":
        raise ArchvizError(f"{o.model} holds no weights, and what a model does is seen by running it",
                           "name the model's code: model.py")
    if o.image and o.text:
        raise ArchvizError("--image and --text are both given", "for a model of both, use Python: archviz.explain")
    images = [path for name in o.image for path in _images(Path(name))]
    names = getattr(o, "class_names", None)
    for what, path in [*(("image", path) for path in images), ("file", o.weights), ("file", names),
                       ("tokenizer", o.tokenizer)]:
        if path is not None and not Path(path).is_file():
            raise ArchvizError(f"there is no {what} {path}")
    preparing = {"args": tuple(o.arg), "specs": tuple(o.input), "weights": o.weights, "preprocess": o.normalize,
                 "tokenizer": o.tokenizer, "size": o.size, "class_names": names, "device": o.device, "dtype": o.dtype}
    o.input, o.arg = [], []     # what is drawn is the model that ran
    return Wish(o.model, images or list(o.text) or None, preparing, size_of(o.budget), job.asked(o))


def _images(path: Path) -> list[Path]:
    """The image at `path`, or those in the folder, by name."""
    if not path.is_dir():
        return [path]
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not found:
        raise ArchvizError(f"there is no image in the folder {path}")
    return found


def check(paths: Sequence[Path], engine: str, numeric: bool) -> None:
    """Raise `ArchvizError` for a file that cannot be written; `numeric`: an ``.npz`` can."""
    for path in paths:
        check_output(path, engine, (NUMBERS.removeprefix("."),) if numeric else ())


@contextlib.contextmanager
def hushed(noisy: bool) -> Iterator[None]:
    """What the model prints goes to stderr; its warnings are shown where `noisy`."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        if not noisy:
            warnings.simplefilter("ignore")
        yield


def drawn(asked: Wish, ready: Ready, step: Step) -> Figure:
    """The figure of the model that ran, for one sample, under the same ids."""
    from archviz.insight.inputs.samples import one_of

    inputs = one_of(ready.args, ready.kwargs)
    whole = replace(asked.drawing, inputs=("x",), held=ready.module, variables={"x": inputs})
    return whole.draw(step)


def how(o: argparse.Namespace) -> dict[str, Any]:
    """What backends are told."""
    given = {"dpi": o.dpi, "engine": o.engine, "standalone": o.standalone}
    return {key: value for key, value in given.items() if value}


def rendered(picture: Any, path: Path, told: Mapping[str, Any]) -> bytes:
    content: bytes = picture.render(path.suffix.removeprefix("."), **told)
    return content


def write(written: Mapping[Path, bytes]) -> None:
    """All files, once everything is drawn."""
    for path, content in written.items():
        try:
            files.write(path, content)
        except OSError as error:
            raise ArchvizError(f"cannot write {path}: {error.strerror}") from None


def marked(error: NotFinite, asked: Wish, ready: Ready, paths: Sequence[Path], told: Mapping[str, Any], step: Step,
           ) -> Done:
    """The figure of the architecture with the first node marked that computes no number, in place of what was asked.

    Raises `error` where there is nothing to draw it on.
    """
    from archviz.insight.overlay import overlay

    if error.node is None:
        raise error
    figure = overlay(drawn(asked, ready, step), Wrong({error.node: error.what}))
    step("write")
    paths = [path for path in paths if path.suffix != NUMBERS]
    write({path: rendered(figure, path, told) for path in paths})
    where = f"\n  {', '.join(map(str, paths))} shows where" if paths else ""
    return Done(figure.caption, (), f"{error}{where}")


def remarks(asked: Wish, ready: Ready) -> Iterator[str]:
    """What the user should know of the model and its input."""
    if asked.preparing["weights"] is None:
        yield "weights: as the model's code makes them; say --weights to load some"
    yield from ready.notes


def wrote(written: Collection[Path]) -> Iterator[str]:
    if written:
        yield f"wrote {', '.join(map(str, written))}"
