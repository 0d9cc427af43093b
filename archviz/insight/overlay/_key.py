"""What an overlay adds below a figure: the colour bar, and entries for widths, badges and what has no number.

In: a scale, entries, the page so far.  Out: marks, and how much the page grows.
"""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import dist

from archviz.core import text
from archviz.core.scene import Circle, Cuboid, Group, Mark, Point, Scene, Text, moved
from archviz.drawing import sheet
from archviz.drawing.sheet import Entry
from archviz.insight.overlay._bounds import Room
from archviz.insight.painting import colorbar
from archviz.insight.painting.colormap import Scale
from archviz.style.style import Style

BAR = 120.0         # length of the colour bar, where the page is wide enough
SPILL = 8.0         # how far a number at its end may stand out
BESIDE = 96.0       # width of a column to the right of the figure
BADGE = 3.4         # radius of a badge


def key(scene: Scene, style: Style, scale: Scale | None, entries: Sequence[Entry]
        ) -> tuple[tuple[Mark, ...], float, float]:
    """The marks below the figure, or to its right where the page may only be wider; and how much the page grows."""
    margin, gap, limits = style.sizes["margin"], style.sizes["legend_gap"], style.page
    marks, wide, high = _block(style, scale, entries, scene.width - 2 * margin)
    if not marks:
        return (), 0.0, 0.0
    if scene.height + high > limits.max_height + 0.01:
        column, narrow, tall = _block(style, scale, entries, BESIDE)
        if scene.width + gap + narrow <= limits.width and tall <= scene.height - 2 * margin:
            dx, dy = scene.width - 2 * margin + gap, scene.height - margin - tall
            return tuple(moved(mark, dx, dy) for mark in column), gap + narrow, 0.0
    return (tuple(moved(mark, 0.0, scene.height - margin) for mark in marks),
            max(wide - scene.width + 2 * margin, 0.0), high)


def _block(style: Style, scale: Scale | None, entries: Sequence[Entry], inner: float
           ) -> tuple[list[Mark], float, float]:
    """Entries, and the colour bar below them, from the margin on: how wide and how high they are together."""
    marks: list[Mark] = []
    wide, high = inner, 0.0
    if entries:
        size = style.roles["legend"].size
        wide = max(wide, *(style.sizes["swatch"] + 3.0 + text.width(name, size) for name, _ in entries))
        marks += sheet.legend(entries, style, wide, 0.0)
        high = sheet.legend_height(entries, style, wide)
    if scale is not None:
        high += style.sizes["legend_gap"]
        drawn = colorbar.flat(scale, min(BAR, inner - 2 * SPILL), style)
        wide = max(wide, drawn.width)
        x = style.sizes["margin"] + (wide - drawn.width) / 2
        marks, high = [*marks, *(moved(mark, x, high) for mark in drawn.marks)], high + drawn.height
    return marks, wide, high


def letters(marks: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The first word of each remark → the letter on its badge: ``dead`` → D."""
    taken: dict[str, str] = {}
    for word in dict.fromkeys(remark.split()[0] for each in marks.values() for remark in each if remark.split()):
        candidates = [c for c in text.clean(word).upper() if c.isalnum()] + [str(i) for i in range(1, 10)]
        taken[word] = next(c for c in candidates if c not in taken.values())
    return taken


def meaning(word: str, marks: Mapping[str, Sequence[str]]) -> str:
    """What a badge says, for the legend: ``dead 33/64`` and ``dead 47/64`` → ``dead: 80 of 128 units of these layers``,
    ``saturated 30 %`` → ``saturated: up to 30 % of the values``; the word alone where remarks hold no such numbers."""
    remarks = {(node, remark.removeprefix(word).strip()) for node, every in marks.items() for remark in every
               if remark.split()[:1] == [word]}
    counts = [re.fullmatch(r"(\d+)/(\d+)", amount) for _, amount in remarks]
    parts = [re.fullmatch(r"(\d+)\s?%", amount) for _, amount in remarks]
    if all(counts):
        some, of = (sum(int(match[i]) for match in counts if match) for i in (1, 2))
        return f"{word}: {some} of {of} units of {'these layers' if len(remarks) > 1 else 'this layer'}"
    if all(parts):
        most = max(int(match[1]) for match in parts if match)
        return f"{word}: {'up to ' if len(remarks) > 1 else ''}{most} % of the values"
    return word


def badges(group: Group, room: Room, remarks: Sequence[str], letter: Mapping[str, str], taken: list[Point]) -> Group:
    """Discs at the upper left corner of a node, or on the top of its cuboid, one for each sort of remark; not where one
    of `taken` is, which gains their places."""
    solid = next((mark for mark in group.marks if isinstance(mark, Cuboid)), None)
    places = [solid.at(0.5, 0, w) for w in (0.75, 0.3, 1.0)] if solid else []
    places += [(room.x0 + i * 2.1 * BADGE, room.y0) for i in range(8)]
    marks: list[Mark] = []
    for word in dict.fromkeys(one.split()[0] for one in remarks if one.split()):
        at = next((p for p in places if all(dist(p, other) > 2 * BADGE for other in taken)), places[0])
        taken.append(at)
        marks += badge(*at, letter[word])
    return Group(tuple(marks), "mark", title="; ".join(remarks))


def badge(x: float, y: float, letter: str) -> list[Mark]:
    """A disc with a letter on it."""
    return [Circle(x, y, BADGE, "mark"), Text(x, y + 2.1, letter, "mark sign", "middle")]
