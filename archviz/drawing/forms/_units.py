"""Numbers drawn one by one: a vector as a column of neurons, a feature map as grids of cells.

In: how many numbers, and a style.  Out: `Units`.

What is too large is elided: of a vector the first and the last numbers are drawn, three dots stand for those between;
of the channels likewise; of a large map the corner where it begins, its grid cut open on the sides where it goes on.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
    marks: list[Mark] = []
    at: dict[int, Point] = {}
    for k, index in enumerate(order):
        y = radius + k * pitch
        if index is None:
            marks.extend(three_dots(radius, y, 0.75, (0.0, pitch * 0.24), "dots"))
            continue
        at[index] = (radius, y)
        marks.append(_unit(radius, y, radius, role if index != BIAS else "bias", cells and index != BIAS))
        if index == BIAS:
            size = style.roles["bias sign"].size
            marks.append(Text(radius, y + 0.36 * size, "1", "bias sign", "middle"))
        elif letter:
            marks.extend(symbol(-3.0, y + 0.3 * style.roles["symbol"].size, letter, style,
                                sub=str(index + 1) if count > 1 else "", anchor="end"))
    return Units(2 * radius, 2 * radius + (len(order) - 1) * pitch, (count,), tuple(marks), at, radius, not cells)


def _unit(x: float, y: float, r: float, role: str, cell: bool) -> Mark:
    return Box(x - r, y - r, 2 * r, 2 * r, f"{role} cell") if cell else Circle(x, y, r, f"{role} neuron")


def grids(shape: tuple[int, int, int], role: str, style: Style) -> Units:
    """Feature maps of (channels, height, width), the channels one above the other."""
    channels, height, width = shape
    s = style.sizes
    if height * width == 1:
        return replace(column(channels, role, style, cells=True), shape=shape)
    side, rows, columns = s["cell"], _part(height, s["cells"]), _part(width, s["cells"])
    marks: list[Mark] = []
    at: dict[int, Point] = {}
    y = 0.0
    wide = side * (columns + (0.7 if columns < width else 0.0))
    high = side * (rows + (0.7 if rows < height else 0.0))
    for place, channel in enumerate(slots(shown(channels, round(s["channels"])))):
        y += s["channel_gap"] if place else 0.0
        if channel is None:
            marks.extend(three_dots(wide / 2, y + 3.5, 0.75, (0.0, 2.6), "dots"))
            y += 7.0
            continue
        marks.extend(_cut(y, side, rows, columns, rows < height, columns < width))
        for i in range(rows):
            for j in range(columns):
                marks.append(Box(j * side, y + i * side, side, side, f"{role} cell"))
                at[(channel * height + i) * width + j] = ((j + 0.5) * side, y + (i + 0.5) * side)
        y += high
    return Units(wide, y, shape, tuple(marks), at, side / 2, False)


def rows_of(shape: tuple[int, ...], style: Style) -> int:
    """How many rows of cells `grids` draws for a shape, one above the other."""
    channels, height, _ = shape
    grids = 1 if height == 1 else len(shown(channels, round(style.sizes["channels"])))
    return grids * _part(height, style.sizes["cells"])


def strips(shape: tuple[int, int], role: str, style: Style) -> Units:
    """Signals of (channels, length): each channel a column of cells, the channels side by side."""
    channels, length = shape
    if length == 1:
        return replace(column(channels, role, style, cells=True), shape=shape)
    s = style.sizes
    side, rows = s["strip_cell"], _part(length, s["strip_cells"])
    marks: list[Mark] = []
    at: dict[int, Point] = {}
    x = 0.0
    high = side * (rows + (0.7 if rows < length else 0.0))
    for place, channel in enumerate(slots(shown(channels, round(s["channels"])))):
        x += 0.35 * side if place else 0.0
        if channel is None:
            marks.extend(three_dots(x + 3.0, side * rows / 2, 0.75, (2.2, 0.0), "dots"))
            x += 6.0
            continue
        marks.extend(_moved_right(_cut(0.0, side, rows, 1, rows < length, False), x))
        for i in range(rows):
            marks.append(Box(x, i * side, side, side, f"{role} cell"))
            at[channel * length + i] = (x + side / 2, (i + 0.5) * side)
        x += side
    return Units(x, high, shape, tuple(marks), at, side / 2, False)


def _part(size: int, most: float) -> int:
    """How many cells along a side are drawn: all, or a part that is clearly a part."""
    return size if size <= most else max(round(most) - 2, 1)


def _cut(y: float, side: float, rows: int, columns: int, below: bool, right: bool) -> Iterable[Path]:
    """The lines of the grid, going on a little where the map does."""
    x1, y1 = columns * side, y + rows * side
    ends: list[tuple[Point, Point]] = []
    if right:
        ends += [((x1, y + i * side), (x1 + 0.7 * side, y + i * side)) for i in range(rows + 1)]
    if below:
        ends += [((j * side, y1), (j * side, y1 + 0.7 * side)) for j in range(columns + 1)]
    return [polyline(line, "cut") for line in ends]


def _moved_right(paths: Iterable[Path], dx: float) -> list[Path]:
    return [Path(tuple((c, (v[0] + dx, v[1])) for c, v in path.commands), path.role) for path in paths]
