"""What a model did, asked for in words: ``archviz explain`` on the command line.

In: what `archviz.arguments.explained` read, and the files to write.  Out: those files, written all or none, and what is
to be said.  Imports arguments, attribution, errors, explainer, figure, files, job, picture, progress,
ready.
"""
from __future__ import annotations

import argparse
import ast
import contextlib
import io
import json
import sys
import warnings
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from archviz import files, job
from archviz.attribution import Attribution, Attributions
from archviz.errors import ArchvizError
from archviz.explainer import Asked, NotFinite, attributions, methods_of, size_of
from archviz.figure import Figure
from archviz.files import check_output
from archviz.files import is_ours as is_ours
from archviz.ir import NodeId
from archviz.picture import Picture
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


def asked(o: argparse.Namespace) -> Wish:
    """What the answers of `archviz.arguments.explained` ask for.  Raises `ArchvizError` for mistakes in them."""
    if Path(o.model).suffix == ".json":
        raise ArchvizError(f"{o.model} holds no weights, and what a model does is seen by running it",
                           "name the model: archviz explain model.py")
    if o.image and o.text:
        raise ArchvizError("--image and --text are both given", "for a model of both, use archviz.explain in Python")
    options = _options(o.option)
    methods = methods_of(o.method, {**options, **({"nodes": tuple(o.nodes)} if o.nodes else {})})
    for what, path in [*(("image", path) for path in o.image), ("file", o.weights), ("file", o.class_names),
                       ("tokenizer", o.tokenizer)]:
        if path is not None and not Path(path).is_file():
            raise ArchvizError(f"there is no {what} {path}")
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
            raise ArchvizError(f"cannot read --option {word!r}", "write key=value, as in --option ig.steps=200")
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
    for path in (*outputs, *overlays):
        numeric = path.suffix == NUMBERS and path in outputs
        check_output(path.with_suffix(".svg") if numeric else path, o.engine or "")
    if overlays and len(wish.methods) > 1:
        raise ArchvizError(f"an architecture shows one method, and {len(wish.methods)} were named",
                           f"run it for each: --method {next(iter(wish.methods))}")
    wish.drawing.check()
    how = {key: value for key, value in {"dpi": o.dpi, "engine": o.engine, "standalone": o.standalone}.items() if value}
    with progress(not o.quiet) as step, _hushed(o.verbose):
        ready = prepare(wish.model, wish.x, **wish.preparing, step=step)
        try:
            found = attributions(ready, wish.methods, wish.target, budget=wish.budget, position=wish.position,
                                 step=step)
        except NotFinite as error:
            return _marked(error, wish, ready, [path for path in (*outputs, *overlays) if path.suffix != NUMBERS], how,
                           step)
        if overlays and len(found) > 1:
            raise ArchvizError(f"an architecture shows one target, and {len(found)} were named", "say --target top1")
        shown = o.caption or any(path.suffix != NUMBERS for path in outputs)
        picture = pictured(wish, found, o) if shown else None
        painted = found[0].overlay(drawn(wish, ready, step)) if overlays else None
        step("write")
        written = {path: numbers(found) if path.suffix == NUMBERS else _bytes(picture, path, how) for path in outputs}
        written |= {path: _bytes(painted, path, how) for path in overlays}
        _write(written)
    caption = next((one.caption for one in (picture, painted) if one is not None), "")
    return Done(caption, tuple(_remarks(wish, ready, found, written, o.verbose)))


@contextlib.contextmanager
def _hushed(noisy: bool) -> Iterator[None]:
    """What the model prints goes to stderr; its warnings are shown where `noisy`."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        if not noisy:
            warnings.simplefilter("ignore")
        yield


def drawn(wish: Wish, ready: Ready, step: Step) -> Figure:
    """The figure of the model that ran, for one sample, under the same ids."""
    from archviz.samples import one_of

    inputs = one_of(ready.args, ready.kwargs)
    whole = replace(wish.drawing, inputs=("x",), held=ready.module, variables={"x": inputs})
    return whole.draw(step)


def pictured(wish: Wish, found: Attributions, o: argparse.Namespace) -> Picture:
    """The picture by itself."""
    looks = wish.drawing.options.settings
    if o.overlay:       # settings of that figure's style mean nothing here
        looks = {key: value for key, value in looks.items() if key.startswith("heat.")}
    named = {"names": [path.stem for path in wish.x]} if o.image and len(wish.x) > 1 else {}
    made: Picture = found.image(o.picture, width=o.width, theme=o.theme, settings=looks, **named)
    return made


def _bytes(picture: Any, path: Path, how: Mapping[str, Any]) -> bytes:
    content: bytes = picture.render(path.suffix.removeprefix("."), **how)
    return content


def _write(written: Mapping[Path, bytes]) -> None:
    for path, content in written.items():
        try:
            files.write(path, content)
        except OSError as error:
            raise ArchvizError(f"cannot write {path}: {error.strerror}") from None


def _marked(error: NotFinite, wish: Wish, ready: Ready, paths: Sequence[Path], how: Mapping[str, Any], step: Step,
            ) -> Done:
    """The figure of the architecture with the first node marked that computes no number, in place of what was asked.

    Raises `error` where there is nothing to draw it on.
    """
    from archviz.overlay import overlay

    if error.node is None:
        raise error
    figure = overlay(drawn(wish, ready, step), Wrong({error.node: error.what}))
    step("write")
    _write({path: _bytes(figure, path, how) for path in paths})
    drawn_there = f"\n  {', '.join(map(str, paths))} shows where" if paths else ""
    return Done(figure.caption, (), f"{error}{drawn_there}")


def _remarks(wish: Wish, ready: Ready, found: Sequence[Attribution], written: Collection[Path], verbose: bool,
             ) -> Iterator[str]:
    """What the user should know of how it came about."""
    if wish.preparing["weights"] is None:
        yield "weights: as the model's code makes them; say --weights to load some"
    yield from ready.notes
    for one in found:
        if verbose:
            yield from (f"{one.title}, {one.target}: {note}" for note in one.notes if note not in ready.notes)
        for check in one.checks:
            if verbose or not check.kept:
                yield f"{one.title}, {one.target}: {check.name}: {check.said}"
    if written:
        yield f"wrote {', '.join(map(str, written))}"


def numbers(found: Sequence[Attribution]) -> bytes:
    """The arrays of `found` as the bytes of an ``.npz``.

    Parameters
    ----------
    found : sequence of Attribution

    Returns
    -------
    bytes
        ``<method>/<number of its target>/<inputs, shown, maps, scores, flows or extra>/<id>`` → array (of a flow:
        ``<id> -> <id>``), ``…/output``, and as ``about`` what they are, in JSON.  The same for the same numbers.
    """
    arrays: dict[str, Any] = {}
    about = []
    count: dict[str, int] = {}
    for one in found:
        number = count[one.method] = count.get(one.method, -1) + 1
        key = f"{one.method}/{number}"
        arrays[f"{key}/output"] = one.output
        for part in ("inputs", "shown", "maps", "scores", "flows", "extra"):
            for name, array in getattr(one, part).items():
                arrays[f"{key}/{part}/{' -> '.join(name) if isinstance(name, tuple) else name}"] = array
        about.append({"key": key, "method": one.method, "title": one.title, "target": one.target, "signed": one.signed,
                      "unit": one.unit, "notes": one.notes,
                      "checks": [{"name": c.name, "error": float(c.error), "said": c.said} for c in one.checks]})
    arrays["about"] = np.array(json.dumps(about, ensure_ascii=False))
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()
