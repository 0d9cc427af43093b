"""Numbers drawn one by one: a vector as a column of neurons, a feature map as grids of cells.

In: how many numbers, and a style.  Out: `Units`.

What is too large is elided: of a vector the first and the last numbers are drawn, three dots stand for those between;
of the channels likewise; of a large map the corner where it begins, its grid cut open on the sides where it goes on.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product

from archviz.core.scene import Box, Circle, Mark, Path, Point, Text
from archviz.drawing.forms._shapes import polyline, three_dots
from archviz.drawing.forms._symbols import symbol
from archviz.style.style import Style

BIAS = -1       # the number of the neuron that is always 1


@dataclass(frozen=True)
class Units:
    """Marks in a rectangle with its top left corner at the origin.

    shape   of the numbers it stands for: (n,), (channels, length) or (channels, height, width)
    at      the numbers that are drawn: position in the flattened tensor → centre
    reach   from a centre to its border
    round   circles rather than cells
    """

    width: float
    height: float
    shape: tuple[int, ...]
    marks: tuple[Mark, ...] = ()
    at: Mapping[int, Point] = field(default_factory=dict)
    reach: float = 0.0
    round: bool = True

    @property
    def count(self) -> int:
        """How many numbers there are, drawn or not."""
        return math.prod(self.shape)

    def moved(self, dx: float, dy: float) -> Units:
        """The numbers `dx` further to the right and `dy` further down, for the lines that join them."""
        return replace(self, at={index: (x + dx, y + dy) for index, (x, y) in self.at.items()})

    @property
    def side_by_side(self) -> bool:
        """Does no number stand behind another, seen from the side?"""
        return len({round(y, 3) for _, y in self.at.values()}) == len(self.at)


def shown(count: int, most: int) -> tuple[int, ...]:
    """Which of `count` are drawn where there is room for `most`: all, or the first and the last, one place left for
    dots."""
    if count <= most:
        return tuple(range(count))
    tail = (most - 1) // 2
    return (*range(most - 1 - tail), *range(count - tail, count))


def slots(indices: Sequence[int]) -> list[int | None]:
    """`indices` with None where some are left out."""
    order: list[int | None] = []
    for before, index in zip((None, *indices), indices, strict=False):
        if before is not None and index > before + 1:
            order.append(None)
        order.append(index)
    return order


def column(count: int, role: str, style: Style, letter: str = "", bias: bool = False, cells: bool = False) -> Units:
    """A vector; with a `letter`, each number is named to its left; with `bias`, a neuron that is always 1 on top."""
    s = style.sizes
    radius, pitch = s["neuron"] / 2, s["neuron_pitch"]
    order: list[int | None] = [*([BIAS] if bias else []), *slots(shown(count, round(s["neurons"])))]
    marks, at = list[Mark](), dict[int, Point]()
    for k, index in enumerate(order):
        y = radius + k * pitch
        if index is None:
            marks.extend(three_dots(radius, y, 0.75, (0.0, pitch * 0.24), "dots"))
            continue
        at[index] = (radius, y)
        marks.append(Box(0.0, y - radius, 2 * radius, 2 * radius, f"{role} cell") if cells and index != BIAS else
                     Circle(radius, y, radius, f"{role if index != BIAS else 'bias'} neuron"))
        if index == BIAS:
            size = style.roles["bias sign"].size
            marks.append(Text(radius, y + 0.36 * size, "1", "bias sign", "middle"))
        elif letter:
            marks.extend(symbol(-3.0, y + 0.3 * style.roles["symbol"].size, letter, style,
                                sub=str(index + 1) if count > 1 else "", anchor="end"))
    return Units(2 * radius, 2 * radius + (len(order) - 1) * pitch, (count,), tuple(marks), at, radius, not cells)


def grids(shape: tuple[int, int, int], role: str, style: Style) -> Units:
    """Feature maps of (channels, height, width), the channels one above the other."""
    s, (channels, height, width) = style.sizes, shape
    if height * width == 1:
        return replace(column(channels, role, style, cells=True), shape=shape)
    part = _part(height, s["cells"]), _part(width, s["cells"])
    return _maps(shape, part, s["cell"], s["channel_gap"], role, style)


def rows_of(shape: tuple[int, ...], style: Style) -> int:
    """How many rows of cells `grids` draws for a shape, one above the other."""
    channels, height, _ = shape
    grids = 1 if height == 1 else len(shown(channels, round(style.sizes["channels"])))
    return grids * _part(height, style.sizes["cells"])


def strips(shape: tuple[int, int], role: str, style: Style) -> Units:
    """Signals of (channels, length): each channel a column of cells, the channels side by side."""
    s, (channels, length) = style.sizes, shape
    if length == 1:
        return replace(column(channels, role, style, cells=True), shape=shape)
    side = s["strip_cell"]
    maps = _maps((*shape, 1), (_part(length, s["strip_cells"]), 1), side, 0.35 * side, role, style, across=True)
    return replace(maps, shape=shape)


def _maps(shape: tuple[int, int, int], part: tuple[int, int], side: float, gap: float, role: str, style: Style,
          across: bool = False) -> Units:
    """The first rows and columns, `part`, of each channel; channels below each other or `across`."""
    (channels, height, width), (rows, columns) = shape, part
    wide = side * (columns + (0.7 if columns < width else 0.0))
    high = side * (rows + (0.7 if rows < height else 0.0))
    marks, at, end = list[Mark](), dict[int, Point](), 0.0
    for place, channel in enumerate(slots(shown(channels, round(style.sizes["channels"])))):
        end += gap if place else 0.0
        x, y = (end, 0.0) if across else (0.0, end)
        if channel is None:
            marks += three_dots(x + 3.0, side * rows / 2, 0.75, (2.2, 0.0), "dots") if across else \
                three_dots(wide / 2, y + 3.5, 0.75, (0.0, 2.6), "dots")
            end += 6.0 if across else 7.0
            continue
        marks += _cut(x, y, side, rows, columns, rows < height, columns < width)
        for i, j in product(range(rows), range(columns)):
            marks.append(Box(x + j * side, y + i * side, side, side, f"{role} cell"))
            at[(channel * height + i) * width + j] = (x + (j + 0.5) * side, y + (i + 0.5) * side)
        end += wide if across else high
    return Units(end if across else wide, high if across else end, shape, tuple(marks), at, side / 2, False)


def _part(size: int, most: float) -> int:
    """How many cells along a side are drawn: all, or a part that is clearly a part."""
    return size if size <= most else max(round(most) - 2, 1)


def _cut(x: float, y: float, side: float, rows: int, columns: int, below: bool, right: bool) -> list[Path]:
    """The lines of the grid, going on a little where the map does."""
    x1, y1 = x + columns * side, y + rows * side
    lines: list[tuple[Point, Point]] = []
    if right:
        lines += [((x1, y + i * side), (x1 + 0.7 * side, y + i * side)) for i in range(rows + 1)]
    if below:
        lines += [((x + j * side, y1), (x + j * side, y1 + 0.7 * side)) for j in range(columns + 1)]
    return [polyline(line, "cut") for line in lines]
