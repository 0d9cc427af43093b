"""A model that is run for what it does, asked for in words: what ``archviz explain`` and ``archviz record`` share.

In: answers of `archviz.apps.request.arguments`.  Out: `Inference`, and the figure of the model that ran.
"""
from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from archviz.apps.request.job import Job, asked
from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.core.progress import Step
from archviz.figure.figure import Figure
from archviz.insight.explain import NotFinite
from archviz.insight.inputs.images import SUFFIXES
from archviz.insight.inputs.memory import size_of
from archviz.insight.inputs.prepare import Ready
from archviz.insight.overlay import overlay

NUMBERS = ".npz"


@dataclass(frozen=True)
class Inference:
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
    drawing: Job

    def drawn(self, ready: Ready, step: Step) -> Figure:
        """The figure of the model that ran, for one sample, under the same ids."""
        from archviz.insight.inputs.samples import one_of

        inputs = one_of(ready.args, ready.kwargs)
        whole = replace(self.drawing, inputs=("x",), held=ready.module, variables={"x": inputs})
        return whole.draw(step)

    def remarks(self, ready: Ready) -> Iterator[str]:
        """What the user should know of the model and its input."""
        if self.preparing["weights"] is None:
            yield "weights: as the model's code makes them; say --weights to load some"
        yield from ready.notes

    def marked(self, error: NotFinite, ready: Ready, step: Step) -> Any:
        """The figure of the architecture with the first node marked that computes no number.

        Raises `error` where there is nothing to draw it on.
        """
        if error.node is None:
            raise error
        return overlay(self.drawn(ready, step), _Wrong({error.node: error.what}))


@dataclass(frozen=True)
class _Wrong:
    """What a figure is marked with where a node computes no number; there are no other numbers to paint."""

    marks: Mapping[NodeId, str]
    scores: Mapping[NodeId, Any] = field(default_factory=dict)
    maps: Mapping[NodeId, Any] = field(default_factory=dict)
    flows: Mapping[tuple[NodeId, NodeId], Any] = field(default_factory=dict)
    signed: bool = False
    unit: str = ""
    title: str = "Numbers that are none"


def inference(o: argparse.Namespace) -> Inference:
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
    return Inference(o.model, images or list(o.text) or None, preparing, size_of(o.budget), asked(o))


def _images(path: Path) -> list[Path]:
    """The image at `path`, or those in the folder, by name."""
    if not path.is_dir():
        return [path]
    images = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not images:
        raise ArchvizError(f"there is no image in the folder {path}")
    return images
