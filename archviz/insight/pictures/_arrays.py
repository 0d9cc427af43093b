"""What attributions say for themselves: which input a map lies over, on which scale, and the sentences of a caption.

In: attributions.  Out: arrays, scales, words.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from archviz.core.errors import ArchvizError
from archviz.insight.painting import colormap
from archviz.insight.painting.colormap import Scale
from archviz.style.style import Style

OBVIOUS = ("finite",)
"""Checks that a caption names only where they fail."""


def over_images(one: Any) -> tuple[Any, Any]:
    """The images (N, C, H, W) of the first input with a map over them, and the map (N, H, W).

    Raises `ArchvizError`.
    """
    for key, values in one.inputs.items():
        image = one.shown.get(key)
        if image is not None and np.ndim(image) == 4 and np.ndim(values) in (3, 4):
            values = np.asarray(values)
            return np.asarray(image), values.sum(1) if values.ndim == 4 else values
    raise ArchvizError(f"{one.title} has no map over an image", _what(one))


def over_tokens(one: Any) -> tuple[Any, Any]:
    """The token ids (N, L) of the first input with a map over them, None where they are not known, and the map (N, L).

    Raises `ArchvizError`.
    """
    for key, values in one.inputs.items():
        if np.ndim(values) == 2:
            ids = one.shown.get(key)
            return (np.asarray(ids) if ids is not None and np.ndim(ids) == 2 else None), np.asarray(values)
    raise ArchvizError(f"{one.title} has no map over tokens", _what(one))


def parts_by_node(one: Any, name: str, ndim: int) -> dict[str, Any]:
    """What the attribution's `extra` holds of one name: node id → array.  Raises `ArchvizError` where there is none."""
    found = {key.partition(":")[2]: np.asarray(value) for key, value in getattr(one, "extra", {}).items()
             if key.partition(":")[0] == name and np.ndim(value) == ndim}
    if not found:
        raise ArchvizError(f"{one.title} holds no {name} to draw", f"explain with the method {name}")
    return found


def short(ids: Sequence[str]) -> list[str]:
    """Ids without the parts that all of them share; a number alone is that of a layer."""
    split = [re.split(r"[./]", key) for key in ids]
    if len(ids) < 2 or len({len(parts) for parts in split}) > 1:
        return list(ids)
    differ = [i for i, parts in enumerate(zip(*split, strict=True)) if len(set(parts)) > 1]
    found = [".".join(parts[i] for i in differ) for parts in split]
    return [f"layer {name}" if name.isdecimal() else name for name in found]


def _what(one: Any) -> str:
    found = ", ".join(f"{key} {'×'.join(map(str, np.shape(value)))}" for key, value in one.inputs.items())
    return f"its maps over inputs: {found}" if found else "it has no maps over inputs"


def chosen(count: int, samples: Sequence[int] | None, most: int | None = None) -> list[int]:
    """Which samples to draw; where nobody said, the first of them, at most `most`.

    Raises `ArchvizError` for one that is not there.
    """
    found = list(range(count))[:most] if samples is None else list(samples)
    for i in found:
        if not -count <= i < count:
            raise ArchvizError(f"there is no sample {i}", f"there are {count}, counted from 0")
    return [i % count for i in found]


def scaled(one: Any, values: Any, style: Style, limit: float | str | None) -> Scale:
    """The scale of values of an attribution."""
    return colormap.scale(values, style.heat, one.signed, limit, one.unit)


def name(i: int, count: int, names: Sequence[str]) -> str:
    """What a sample is called; nothing where there is only one, and it has no name."""
    return names[i] if i < len(names) else f"input {i}" if count > 1 else ""


def sentences(shown: Sequence[Any], scales: Sequence[Scale] = (), of: str = "") -> Iterator[str]:
    """The caption: what is shown of which target, how it is scaled, what was checked, what is to be noted.

    `of` says of what it is where no target has to do with it.
    """
    titles = list(dict.fromkeys(one.title for one in shown))
    targets = list(dict.fromkeys(one.target for one in shown))
    yield f"{_listed(titles)} of {of}" if of else f"{_listed(titles)} for {_listed(targets)}"
    if not of and any(one.signed for one in shown):
        whose = "" if all(one.signed for one in shown) else "Where maps have a sign, "
        words = "values above zero speak for the target, those below zero against it"
        yield whose + (words if whose else words.capitalize())
    cut = max((on.clipped for on in scales), default=0.0)
    if cut:
        most = "at most " if len(scales) > 1 else ""
        yield f"The strongest values, {most}{colormap.percent(cut)} of all, have the colour of the bar's end"
    yield from told(shown)


def told(shown: Sequence[Any]) -> Iterator[str]:
    """What was checked of each map, and whether it holds; what is to be noted.

    A method has one sentence, and methods of which the same is said share it.
    """
    notes = [list(dict.fromkeys(one.notes)) for one in shown]
    common = [note for note in notes[0] if all(note in other for other in notes)] if notes else []
    titles = list(dict.fromkeys(one.title for one in shown))
    said: dict[tuple[str, ...], list[str]] = {}
    for title in titles:
        own = [one for one in shown if one.title == title]
        remarks = dict.fromkeys(note for one in own for note in one.notes if note not in common)
        said.setdefault((*_checked(own), *remarks), []).append(title)
    for facts, whose in said.items():
        if len(titles) == 1:
            yield from (_sentence(fact) for fact in facts)
        elif facts:
            yield f"{_listed(whose)}: {'; '.join(facts)}"
    yield from (_sentence(note) for note in common)


def of_all(drawn: int, count: int, samples: Sequence[int] | None) -> str:
    """That more samples are there than are drawn, if nobody chose."""
    return f"The first {drawn} of {count} inputs are shown" if samples is None and drawn < count else ""


def _checked(own: Sequence[Any]) -> Iterator[str]:
    """What was checked of one method's maps; of several targets, where it was worst."""
    by_name: dict[str, list[tuple[Any, Any]]] = {}
    for one in own:
        for check in one.checks:
            by_name.setdefault(check.name, []).append((check, one))
    for name, every in by_name.items():
        check, one = max(every, key=lambda pair: (not pair[0].kept, pair[0].error))
        if name in OBVIOUS and check.kept:
            continue
        where = f" for {one.target}, the worst of {len(every)}" if len({pair[0].said for pair in every}) > 1 else ""
        failed = "" if check.kept else f", which is more than {check.tolerance:g} off"
        yield f"{check.said}{where}{failed}"


def _sentence(fact: str) -> str:
    return fact[:1].upper() + fact[1:]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"
