"""Tiles in rows and columns: images and maps with titles above, labels beside them, and colour bars below.

In: pixels with their words.  Out: marks on a board, and their size.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from archviz.insight.painting import colorbar
from archviz.insight.painting.colormap import Pixels, Scale
from archviz.insight.pictures._board import LEADING, Board

GAP = 3.0           # between tiles, in printed points
BAR_GAP = 5.0       # above a colour bar
LEAST = 40.0        # narrowest tile before columns go on below
MOST = 122.0        # widest tile
SHORT = 2.2         # a label no wider than so many lines lies
SHARE = 0.84        # of a tile's width that the bar below it takes


@dataclass(frozen=True)
class Panel:
    """An image (H, W, 3); with `cells` its pixels are cells, with sharp edges.  `word` stands above it."""

    pixels: Pixels
    cells: bool = False
    word: str = ""


@dataclass(frozen=True)
class Key:
    """A colour bar below the columns from `first` to `last`; words at its `ends` instead of numbers."""

    scale: Scale
    first: int
    last: int
    ends: tuple[str, str] | None = None


@dataclass(frozen=True)
class Table:
    """What is in the rows, what stands above the columns and beside the rows, and the bars."""

    rows: Sequence[Sequence[Panel | None]]
    titles: Sequence[str] = ()
    labels: Sequence[str] = ()
    keys: Sequence[Key] = ()
    least: float = LEAST
    most: float = MOST
    gap: float = GAP


def most_rows(board: Board, shape: tuple[int, ...], each: int = 1) -> int:
    """How many inputs of this height and width, with `each` rows, the page shows in tiles that one can see."""
    return max(1, int((board.room[1] - 60.0) / (each * (LEAST * shape[-2] / shape[-1] + GAP))))


def place(board: Board, table: Table, x: float = 0.0, y: float = 0.0) -> tuple[float, float]:
    """Draw the table from (x, y) on, as large as the page lets it be, columns going on below; its width and height."""
    room, high = board.room
    columns = max((len(row) for row in table.rows), default=0)
    aside = _aside(board, table)
    blocks = ceil(columns / max(1, int((room - x - aside + table.gap) / (table.least + table.gap))))
    each = ceil(columns / max(blocks, 1))
    wide = min((room - x - aside + table.gap) / max(each, 1) - table.gap, table.most)
    for _ in range(40):     # as high as it gets with tiles so wide; narrower ones until the page takes it
        size = _drawn(Board(board.style, measures=True), table, 0.0, 0.0, wide, each, aside)
        if size[1] <= high - y or wide <= 6.0:
            break
        wide *= 0.95
    return _drawn(board, table, x, y, wide, each, aside)


def _drawn(board: Board, table: Table, x: float, y: float, wide: float, each: int, aside: float) -> tuple[float, float]:
    top, right = y, x
    columns = max((len(row) for row in table.rows), default=0)
    for first in range(0, columns, each):
        last = min(first + each, columns)
        if first:
            y += 2 * table.gap
        y = _titles(board, table, x + aside, y, wide, first, last)
        for row, label in zip(table.rows, [*table.labels, *[""] * len(table.rows)], strict=False):
            tiles = [tile for tile in row[first:last] if tile]
            high = max((wide * tile.pixels.shape[0] / tile.pixels.shape[1] for tile in tiles), default=0.0)
            words = board.size("note") * 1.2 if any(tile.word for tile in tiles) else 0.0
            for i, tile in enumerate(row[first:last]):
                if tile is not None:
                    left = x + aside + i * (wide + table.gap)
                    tall = wide * tile.pixels.shape[0] / tile.pixels.shape[1]
                    board.text(left + wide / 2, y + 0.85 * board.size("note"), board.fit(tile.word, "note", wide),
                               "note", "middle")
                    board.image(left, y + words + (high - tall) / 2, wide, tall, tile.pixels, tile.cells)
                    right = max(right, left + wide)
            if label:
                _label(board, table, label, x + aside - table.gap, y + words, high)
            y += words + high + table.gap
        y = _keys(board, table, x + aside, y - table.gap, wide, first, last)
    return right - x, y - top


def _titles(board: Board, table: Table, x: float, y: float, wide: float, first: int, last: int) -> float:
    """The titles above the columns, smaller where a word is wider than its column; where the tiles begin."""
    room = wide + 0.6 * table.gap
    longest = max((board.width(word, "heading") for title in table.titles for word in title.split()), default=0.0)
    role = "heading" if longest <= room else "note"
    size = board.size(role)
    titles = [board.lines(title, role, room, 3) for title in table.titles[first:last]]
    most = max(map(len, titles), default=0)
    for i, lines in enumerate(titles):
        for j, line in enumerate(lines):
            below = y + size * (0.85 + LEADING * (most - len(lines) + j))
            board.text(x + i * (wide + table.gap) + wide / 2, below, line, role, "middle")
    return y + LEADING * size * most + (1.6 if most else 0.0)


def _aside(board: Board, table: Table) -> float:
    """The room of the labels beside the rows: short ones lie, others stand, in two lines where they are long."""
    longest = max((board.width(label, "heading") for label in table.labels), default=0.0)
    if not longest:
        return 0.0
    line = LEADING * board.size("heading")
    return table.gap + (longest if longest <= SHORT * line else line if longest <= table.least else 2 * line)


def _label(board: Board, table: Table, label: str, right: float, y: float, high: float) -> None:
    """A label beside a row; one that stands is read from below, the last of its lines beside the tiles."""
    size = board.size("heading")
    if max(board.width(one, "heading") for one in table.labels) <= SHORT * LEADING * size:
        board.text(right, y + high / 2 + 0.35 * size, label, "heading", "end")
        return
    lines = board.lines(label, "heading", high, 1 if board.width(label, "heading") <= table.least else 2)
    for i, line in enumerate(lines):
        at = right - 0.25 * size - LEADING * size * (len(lines) - 1 - i)
        board.text(at, y + high / 2, line, "heading", "middle", -90.0)


def _keys(board: Board, table: Table, x: float, y: float, wide: float, first: int, last: int) -> float:
    """The bars below the columns; where they end."""
    bottom = y
    for key in table.keys:
        low, high = max(key.first, first), key.last
        if not first <= high < last:
            continue            # it stands where its last column is
        span = (high - low + 1) * (wide + table.gap) - table.gap
        length = SHARE * span if high == low else min(SHARE * span, 170.0)
        most = 5 if length > 90 else 3
        drawn = colorbar.flat(key.scale, length, board.style, most, key.ends)
        if drawn.width > span:          # words at its ends stand out
            length -= drawn.width - span
            drawn = colorbar.flat(key.scale, length, board.style, most, key.ends)
        left = x + (low - first) * (wide + table.gap) + (span - length) / 2
        board.bar(drawn, left, y + BAR_GAP)
        bottom = max(bottom, y + BAR_GAP + drawn.height)
    return bottom
