"""What a model did, asked for in words: ``archviz explain`` on the command line.

In: what `archviz.arguments.explained` read, and the files to write.  Out: those files, written all or none, and what is
to be said.  Imports arguments, attribution, errors, explain, files, job, pipeline, progress, ready.
"""
from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from archviz import files, job, pipeline
from archviz.attribution import Attribution, Attributions
from archviz.errors import ArchvizError
from archviz.explain import Asked, NotFinite, attributions, methods_of, size_of
from archviz.files import check_output
from archviz.files import is_ours as is_ours
from archviz.figure import Figure
from archviz.progress import progress
from archviz.ready import Ready, Step, prepare

NUMBERS = ".npz"


@dataclass(frozen=True)
class Wish:
    """What was asked, read and checked as far as it can be without the model.

    methods     by name, with their options
    x           the images or texts, or nothing
    preparing   keyword arguments of `archviz.ready.prepare`
    drawing     the figure of the architecture
    """

    model: str
    methods: Asked
    x: Any
    target: Any
    position: int
    budget: int | None
    preparing: Mapping[str, Any]
    drawing: job.Job


@dataclass(frozen=True)
class Done:
    """What came of it: the caption, what else is to be said, and what is wrong with the model if it computes no numbers."""

    caption: str
    remarks: tuple[str, ...]
    failed: str = ""


def asked(o: argparse.Namespace) -> Wish:
    """What the answers of `archviz.arguments.explained` ask for.  Raises `ArchvizError` for mistakes in them."""
    if Path(o.model).suffix == ".json":
        raise ArchvizError(f"{o.model} holds no weights, and what a model does is seen by running it",
                           "name the model: archviz explain model.py")
    if o.image and o.text:
        raise ArchvizError("--image and --text are both given", "for a model of both, use archviz.explain in Python")
    options = _options(o.option)
    methods = methods_of(o.method, {**options, **({"nodes": tuple(o.nodes)} if o.nodes else {})})
    for path in o.image:
        if not Path(path).is_file():
            raise ArchvizError(f"there is no image {path}")
    preparing = {"args": tuple(o.arg), "specs": tuple(o.input), "weights": o.weights, "preprocess": o.normalize,
                 "tokenizer": o.tokenizer, "size": o.size, "class_names": o.class_names, "device": o.device,
                 "dtype": o.dtype}
    o.input, o.arg = [], []     # what is drawn is the model that ran
    return Wish(o.model, methods, [Path(path) for path in o.image] or list(o.text) or None, o.target, o.position,
                size_of(o.budget), preparing, job.asked(o))


def _options(given: Sequence[str]) -> dict[str, Any]:
    """``ig.steps=200`` → ``{"ig": {"steps": 200}}``; values are Python literals, else words."""
    found: dict[str, Any] = {}
    for word in given:
        key, equals, value = word.partition("=")
        if not equals or not key.strip("."):
            raise ArchvizError(f"cannot read --option {word!r}", "write --option key=value, as in --option ig.steps=200")
        method, dot, name = key.partition(".")
        holder = found.setdefault(method, {}) if dot else found
        holder[name if dot else key] = _literal(value)
    return found


def _literal(word: str) -> Any:
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word


def carry_out(wish: Wish, o: argparse.Namespace, outputs: Sequence[Path], overlays: Sequence[Path]) -> Done:
    """Explain, draw and write, showing progress unless ``o.quiet``.

    Raises `ArchvizError`, before anything is computed for mistakes that can be seen then; nothing is half written.
    """
    for path in outputs:
        check_output(path.with_suffix(".svg") if path.suffix == NUMBERS else path, o.engine or "")
    for path in overlays:
        check_output(path, o.engine or "")
    if overlays and len(wish.methods) > 1:
        raise ArchvizError(f"an architecture shows one method, and {len(wish.methods)} were named",
                           f"run it for each: --method {next(iter(wish.methods))}")
    wish.drawing.check()
    how = {key: value for key, value in {"dpi": o.dpi, "engine": o.engine, "standalone": o.standalone}.items() if value}
    with progress(not o.quiet) as step, _hushed(o.verbose):
        ready = prepare(wish.model, wish.x, **wish.preparing, step=step)
        try:
            found = attributions(ready, wish.methods, wish.target, budget=wish.budget, position=wish.position, step=step)
        except NotFinite as error:
            return _marked(error, wish, ready, [*outputs, *overlays], how, step)
        picture = found.image() if o.caption or any(path.suffix != NUMBERS for path in outputs) else None
        figure = found[0].overlay(drawn(wish, ready, step)) if overlays else None
        step("write")
        written = {path: numbers(found) if path.suffix == NUMBERS else picture.render(path.suffix[1:], **how)
                   for path in outputs}
        if figure is not None:
            written |= {path: figure.render(path.suffix[1:], **how) for path in overlays}
        for path, content in written.items():
            files.write(path, content)
    return Done(picture.caption if picture else figure.caption if figure else "", tuple(_remarks(wish, ready, found, written)))
