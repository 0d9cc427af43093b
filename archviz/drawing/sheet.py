"""The page around a drawing: the heading above it, the legend below it, and the margins.

In: a style, the lines of the heading, the size and the marks of a body, the entries of its legend.  Out: how large the
whole figure is, and its `Scene`.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from archviz.core import text
from archviz.core.geometry import Layout, Sizes
from archviz.core.graph import Graph
from archviz.core.scene import Group, Mark, Scene, Text, moved, walk
from archviz.style.style import Style

Line = list[tuple[str, str]]
"""Words of the heading side by side: (string, role)."""

Entry = tuple[str, tuple[Mark, ...]]
"""One line of a legend: its name, and its swatch at the origin."""

BESIDE = 6.0        # between two words of the heading


@dataclass(frozen=True)
class Body:
    """What stands between heading and legend: here the drawing alone.  Another kind may add to it.

    entries   what the legend says besides what it says of the drawing
    """

    entries: tuple[Entry, ...] = ()

    def taken(self) -> tuple[float, float]:
        """Width and height of the page that are not the drawing's."""
        return 0.0, 0.0

    def size(self, layout: Layout, sizes: Sizes) -> tuple[float, float]:
        """Width and height with the drawing laid out so."""
        return layout.width, layout.height

    def marks(self, layout: Layout, sizes: Sizes, drawn: tuple[Mark, ...]) -> tuple[Mark, ...]:
        """Everything, from the origin."""
        return drawn

    def cost(self, layout: Layout, sizes: Sizes) -> float:
        """How badly what is added goes with the drawing laid out so, in points of height."""
        return 0.0

    def subject(self, graph: Graph) -> Graph:
        """All that the legend has to tell of, where `graph` is drawn."""
        return graph

    def legend(self, entries: Iterable[Entry]) -> list[Entry]:
        """The entries of the legend, the drawing's own first; each name stands once."""
        swatches: dict[str, tuple[Mark, ...]] = {}
        for name, swatch in (*entries, *self.entries):
            swatches.setdefault(name, swatch)
        return list(swatches.items())


ALONE = Body()


def heading(graph: Graph, style: Style, title: str) -> list[Line]:
    """The lines above the drawing: title and totals, side by side where the page is wide enough."""
    if not title:
        return []
    paint, room = style.roles["title"], style.page.width - 2 * style.sizes["margin"]
    name = (text.fit(title, paint.size, room, paint.weight), "title")
    costs = [(sums, "totals")] if (sums := totals(graph)) else []
    line = [name, *costs]
    return [line] if _wide(line, style) <= room else [[name], costs]


def totals(graph: Graph) -> str:
    """Parameters and multiply-accumulates of `graph` in words; nothing of what it has none of."""
    if "compared" in graph.attrs:       # of two models: old and new
        params, flops = (graph.attrs["compared"][key] for key in ("params", "flops"))
        sums = (_from_to(params), "parameters"), (_from_to([number / 2 for number in flops]), "MACs")
        return " · ".join(f"{numbers} {what}" for numbers, what in sums if numbers != "0")
    return costs(graph.params, graph.flops)


def costs(params: int, flops: int) -> str:
    parts = [f"{text.units(params)} parameters" if params else "", f"{text.units(flops / 2)} MACs" if flops else ""]
    return " · ".join(part for part in parts if part)


def _from_to(numbers: Sequence[float]) -> str:
    return " → ".join(dict.fromkeys(map(text.units, numbers)))


def _wide(line: Line, style: Style) -> float:
    roles = style.roles
    widths = (text.width(string, roles[role].size, roles[role].weight) for string, role in line)
    return sum(widths) + BESIDE * (len(line) - 1)


def heading_height(lines: Sequence[Line], style: Style) -> float:
    return sum(max(style.roles[role].size for _, role in line) * 1.35 for line in lines) + (4.0 if lines else 0.0)


def extent(width: float, height: float, lines: Sequence[Line], entries: Sequence[Entry],
           style: Style) -> tuple[float, float]:
    """Width and height of the whole figure around a body of this size."""
    margin = 2 * style.sizes["margin"]
    entries = [] if style.legend == "none" else entries
    if style.legend == "right":
        wide, high = _column(entries, style)
        return (max([width + wide, *(_wide(line, style) for line in lines)]) + margin,
                heading_height(lines, style) + max(height, high) + margin)
    width = max([width, *(_wide(line, style) for line in lines)])
    rows = _rows(entries, style, max(width, min(style.page.width - margin, 150.0)))
    width = max([width, *(w for w, _ in rows)])
    legend = len(rows) * style.sizes["legend_row"] + (style.sizes["legend_gap"] if rows else 0.0)
    return width + margin, heading_height(lines, style) + height + legend + margin


Rows = list[tuple[float, list[tuple[float, str, tuple[Mark, ...]]]]]
"""The rows of a legend: how wide each is, and its entries (x, name, swatch)."""


def _rows(entries: Sequence[Entry], style: Style, limit: float) -> Rows:
    """Entries in rows no wider than `limit`."""
    s, size = style.sizes, style.roles["legend"].size
    rows: Rows = []
    for name, swatch in entries:
        wide = s["swatch"] + 3.0 + text.width(name, size)
        x = rows[-1][0] + s["legend_between"] if rows else 0.0
        if not rows or x + wide > limit:
            rows.append((0.0, []))
            x = 0.0
        rows[-1] = (x + wide, [*rows[-1][1], (x, name, swatch)])
    return rows


def _column(entries: Sequence[Entry], style: Style) -> tuple[float, float]:
    """Width and height of a legend beside the drawing, with the gap between them."""
    widths = [style.sizes["legend_between"] + width for width, _ in _rows(entries, style, 0.0)]
    return max(widths, default=0.0), len(widths) * style.sizes["legend_row"]


def scene(marks: Sequence[Mark], width: float, height: float, lines: Sequence[Line], entries: Sequence[Entry],
          style: Style, title: str = "", description: str = "") -> Scene:
    """The figure: the body of `marks`, `width` × `height` from the origin, with heading and legend."""
    margin = style.sizes["margin"]
    entries = [] if style.legend == "none" else _seen(entries, marks)
    whole, tall = extent(width, height, lines, entries, style)
    placed: list[Mark] = []
    y = margin
    for line in lines:
        y += max(style.roles[role].size for _, role in line) * 1.35
        x = margin
        for string, role in line:
            placed.append(Text(x, y - style.roles[role].size * 0.3, string, role))
            x += _wide([(string, role)], style) + BESIDE
    top = margin + heading_height(lines, style)
    if style.legend == "right":
        wide, high = _column(entries, style)
        left, middle = (whole - width - wide) / 2, top + (tall - margin - top) / 2
        placed.extend(moved(mark, left, middle - height / 2) for mark in marks)
        start = left + width + style.sizes["legend_between"]
        swatches = _placed(_rows(entries, style, 0.0), style, middle - high / 2, lambda wide: start)
    else:
        placed.extend(moved(mark, (whole - width) / 2, top) for mark in marks)
        swatches = legend(entries, style, whole - 2 * margin, top + height + style.sizes["legend_gap"])
    if swatches:
        placed.append(Group(swatches, "legend"))
    return Scene(tuple(placed), dict(style.roles), whole, tall, title, description)


def _seen(entries: Sequence[Entry], marks: Sequence[Mark]) -> list[Entry]:
    """The entries without those of a layer's own colour that nothing is painted in: not every form paints all."""
    colours = {name: key for name, box in entries if len(box) == 1 and (key := _own(box[0]))}
    painted = {_own(mark) for mark in walk(marks)} if colours else set()
    return [entry for entry in entries if entry[0] not in colours or colours[entry[0]] in painted]


def _own(mark: Mark) -> str:
    """The colour of a layer's own that a mark is painted in: ``"color ffcc66"``."""
    word, _, rest = getattr(mark, "role", "").partition(" ")
    return f"{word} {rest.partition(' ')[0]}" if word == "color" else ""


def legend_height(entries: Sequence[Entry], style: Style, inner: float) -> float:
    """How high `legend` is."""
    return len(_rows(entries, style, inner + 0.01)) * style.sizes["legend_row"]


def legend(entries: Sequence[Entry], style: Style, inner: float, y: float) -> tuple[Mark, ...]:
    """The rows of a legend from `y` down, each in the middle between the margins, which are `inner` apart."""
    return _placed(_rows(entries, style, inner + 0.01), style, y,
                   lambda wide: style.sizes["margin"] + (inner - wide) / 2)


def _placed(rows: Rows, style: Style, y: float, left: Callable[[float], float]) -> tuple[Mark, ...]:
    """The entries of a legend from `y` down; `left` says where a row begins that is so wide."""
    s, marks = style.sizes, list[Mark]()
    for wide, row in rows:
        start = left(wide)
        for x, name, swatch in row:
            middle = y + s["legend_row"] / 2
            marks.extend(moved(mark, start + x, middle - s["swatch_height"] / 2) for mark in swatch)
            below = style.roles["legend"].size * 0.35
            marks.append(Text(start + x + s["swatch"] + 3.0, middle + below, name, "legend"))
        y += s["legend_row"]
    return tuple(marks)
