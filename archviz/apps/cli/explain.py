"""``archviz explain``: what a model did with one input.

In: the answers of the command line.  Out: the picture, the figure of the architecture with it painted on, the numbers.
"""
from __future__ import annotations

import argparse
import ast
import io
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archviz.apps.cli.run import Files, Outcome, check, rendered
from archviz.apps.request.inference import NUMBERS, Inference, inference
from archviz.apps.request.job import hushed
from archviz.core.errors import ArchvizError
from archviz.core.progress import Step
from archviz.insight.explain import NotFinite, attributions, methods_of
from archviz.insight.inputs.prepare import Ready
from archviz.insight.inputs.prepare import prepare as prepared
from archviz.insight.pictures._standalone import Picture, fitting
from archviz.insight.results.attribution import Attribution, Attributions

FILES = Files("-explained", ("overlay", "caption"), ("npz",))


def prepare(o: argparse.Namespace) -> Callable[[Step], Outcome]:
    outputs, overlays = FILES.of(o, o.model), list(dict.fromkeys(o.overlay))
    options = _options(o.option)
    methods = methods_of(o.method, {**options, **({"nodes": tuple(o.nodes)} if o.nodes else {})})
    asked = inference(o)
    check(overlays, o)
    if overlays and len(methods) > 1:
        raise ArchvizError(f"an architecture shows one method, and {len(methods)} were named",
                           f"run it for each: --method {next(iter(methods))}")
    asked.drawing.check()

    def work(step: Step) -> Outcome:
        with hushed(o.verbose):
            ready = prepared(asked.model, asked.x, **asked.preparing, step=step)
            try:
                maps = attributions(ready, methods, o.target, budget=asked.budget, position=o.position, step=step)
            except NotFinite as error:
                return not_finite(asked, error, ready, [*outputs, *overlays], o, step)
            return _drawn(asked, maps, ready, outputs, overlays, o, step)

    return work


def _drawn(asked: Inference, maps: Attributions, ready: Ready, outputs: Sequence[Path], overlays: Sequence[Path],
           o: argparse.Namespace, step: Step) -> Outcome:
    if overlays and len(maps) > 1:
        raise ArchvizError(f"an architecture shows one target, and {len(maps)} were named", "say --target top1")
    pictures = [path for path in outputs if path.suffix != NUMBERS]
    picture = pictured(asked, maps, o) if (o.caption or pictures) and (outputs or not overlays) else None
    painted = maps[0].overlay(asked.drawn(ready, step)) if overlays else None
    step("write")
    files = {path: numbers(maps) for path in outputs if path.suffix == NUMBERS}
    for drawing, paths in ((picture, pictures), (painted, overlays)):
        files |= {} if drawing is None else rendered(drawing, paths, o)
    caption = next((one.caption for one in (picture, painted) if one is not None), "")
    return Outcome({path: files[path] for path in (*outputs, *overlays)}, caption if o.caption else "",
                   tuple(_remarks(asked, ready, maps, bool(overlays), o.verbose)))


def not_finite(asked: Inference, error: NotFinite, ready: Ready, paths: Sequence[Path], o: argparse.Namespace,
               step: Step) -> Outcome:
    """Where the first node is marked that computes no number, in place of what was asked."""
    figure = asked.marked(error, ready, step)
    step("write")
    drawn = [path for path in paths if path.suffix != NUMBERS]
    where = f"\n  {', '.join(map(str, drawn))} shows where" if drawn else ""
    return Outcome(rendered(figure, drawn, o), figure.caption if o.caption else "", failed=f"{error}{where}", code=1,
                   listed=False)


def _options(written: Sequence[str]) -> dict[str, Any]:
    """``ig.steps=200`` → ``{"ig": {"steps": 200}}``; values are Python literals, else words."""
    options: dict[str, Any] = {}
    for word in written:
        key, equals, value = word.partition("=")
        if not equals or not key.strip("."):
            raise ArchvizError(f"cannot read --option {word!r}", "write key=value, as in --option ig.steps=200")
        method, dot, name = key.partition(".")
        holder = options.setdefault(method, {}) if dot else options
        holder[name if dot else key] = _literal(value)
    return options


def _literal(word: str) -> Any:
    if word.lower() in ("true", "false"):
        return word.lower() == "true"
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError):
        return word


def pictured(asked: Inference, maps: Attributions, o: argparse.Namespace) -> Picture:
    """The picture by itself."""
    looks = asked.drawing.options.settings
    if o.overlay:       # settings of that figure's style mean nothing here
        looks = {key: value for key, value in looks.items() if key.startswith("heat.")}
    kind = o.picture or fitting(maps)
    several = o.image and kind in ("heat", "grid") and len(asked.x) > 1
    named = {"names": [path.stem for path in asked.x]} if several else {}
    made: Picture = maps.image(kind, width=o.width, theme=o.theme, settings=looks, **named)
    return made


def _remarks(asked: Inference, ready: Ready, maps: Sequence[Attribution], overlaid: bool, verbose: bool,
             ) -> Iterator[str]:
    """What the user should know of how it came about."""
    yield from asked.remarks(ready)
    if overlaid and len(maps[0].output) > 1:
        yield f"the architecture shows the first of {len(maps[0].output)} inputs"
    for target in dict.fromkeys(one.target for one in maps if one.target):
        yield f"target: {target}"
    for one in maps:
        if verbose:
            yield from (f"{one.title}, {one.target}: {note}" for note in one.notes if note not in ready.notes)
        elif one.inputs and not any(values.any() for values in one.inputs.values()):
            yield f"{one.title}, {one.target}: the map is 0 everywhere"
        yield from (f"{one.title}, {one.target}: {each.name}: {each.said}"
                    for each in one.checks if verbose or not each.kept)


def numbers(maps: Sequence[Attribution]) -> bytes:
    """The arrays of `maps` as the bytes of an ``.npz``, the same for the same numbers.

    ``<method>/<number of its target>/<inputs, shown, maps, scores, flows or extra>/<id>`` → array (of a flow:
    ``<id> -> <id>``), ``…/output``, and as ``about`` what they are, in JSON.
    """
    arrays: dict[str, Any] = {}
    about = []
    count: dict[str, int] = {}
    for one in maps:
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
