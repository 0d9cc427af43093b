"""What a model did, asked for in words: ``archviz explain`` on the command line.

In: what `archviz.apps.request.arguments.explained` read, and the files to write.  Out: those files, written all or
none, and what is to be said.
"""
from __future__ import annotations

import argparse
import ast
import io
import json
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from archviz.apps.cli import run as runs
from archviz.apps.cli.run import NUMBERS, Done
from archviz.core.errors import ArchvizError
from archviz.core.progress import progress
from archviz.insight.explain import Asked, NotFinite, attributions, methods_of
from archviz.insight.inputs.prepare import Ready, prepare
from archviz.insight.pictures._standalone import Picture, fitting
from archviz.insight.results.attribution import Attribution, Attributions


@dataclass(frozen=True)
class Wish:
    """What was asked: of which model, by which methods with which options, of which target."""

    run: runs.Wish
    methods: Asked
    target: Any
    position: int


def asked(o: argparse.Namespace) -> Wish:
    """What the answers of `archviz.apps.request.arguments.explained` ask for.  Raises `ArchvizError` for mistakes in
    them."""
    options = _options(o.option)
    methods = methods_of(o.method, {**options, **({"nodes": tuple(o.nodes)} if o.nodes else {})})
    return Wish(runs.wish(o), methods, o.target, o.position)


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
    run, told = wish.run, runs.how(o)
    runs.check(outputs, o.engine or "", numeric=True)
    runs.check(overlays, o.engine or "", numeric=False)
    if overlays and len(wish.methods) > 1:
        raise ArchvizError(f"an architecture shows one method, and {len(wish.methods)} were named",
                           f"run it for each: --method {next(iter(wish.methods))}")
    run.drawing.check()
    with progress(not o.quiet) as step, runs.hushed(o.verbose):
        ready = prepare(run.model, run.x, **run.preparing, step=step)
        try:
            found = attributions(ready, wish.methods, wish.target, budget=run.budget, position=wish.position, step=step)
        except NotFinite as error:
            return runs.marked(error, run, ready, [*outputs, *overlays], told, step)
        if overlays and len(found) > 1:
            raise ArchvizError(f"an architecture shows one target, and {len(found)} were named", "say --target top1")
        shown = o.caption or any(path.suffix != NUMBERS for path in outputs)
        picture = pictured(wish, found, o) if shown and (outputs or not overlays) else None
        painted = found[0].overlay(runs.drawn(run, ready, step)) if overlays else None
        step("write")
        written = {path: numbers(found) if path.suffix == NUMBERS else runs.rendered(picture, path, told)
                   for path in outputs}
        written |= {path: runs.rendered(painted, path, told) for path in overlays}
        runs.write(written)
    caption = next((one.caption for one in (picture, painted) if one is not None), "")
    return Done(caption, tuple(_remarks(wish, ready, found, written, bool(overlays), o.verbose)))


def pictured(wish: Wish, found: Attributions, o: argparse.Namespace) -> Picture:
    """The picture by itself."""
    looks = wish.run.drawing.options.settings
    if o.overlay:       # settings of that figure's style mean nothing here
        looks = {key: value for key, value in looks.items() if key.startswith("heat.")}
    kind = o.picture or fitting(found)
    several = o.image and kind in ("heat", "grid") and len(wish.run.x) > 1
    named = {"names": [path.stem for path in wish.run.x]} if several else {}
    made: Picture = found.image(kind, width=o.width, theme=o.theme, settings=looks, **named)
    return made


def _remarks(wish: Wish, ready: Ready, found: Sequence[Attribution], written: Collection[Path], overlaid: bool,
             verbose: bool) -> Iterator[str]:
    """What the user should know of how it came about."""
    yield from runs.remarks(wish.run, ready)
    if overlaid and len(found[0].output) > 1:
        yield f"the architecture shows the first of {len(found[0].output)} inputs"
    for target in dict.fromkeys(one.target for one in found if one.target):
        yield f"target: {target}"
    for one in found:
        if verbose:
            yield from (f"{one.title}, {one.target}: {note}" for note in one.notes if note not in ready.notes)
        elif one.inputs and not any(values.any() for values in one.inputs.values()):
            yield f"{one.title}, {one.target}: the map is 0 everywhere"
        for check in one.checks:
            if verbose or not check.kept:
                yield f"{one.title}, {one.target}: {check.name}: {check.said}"
    yield from runs.wrote(written)


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
