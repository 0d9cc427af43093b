"""Attention as matrices: how much each query (row) looks at each key (column), with the tokens on both axes.

In: attributions with ``extra["attention:<node>"]``, (N, heads, queries, keys), and the words.  Out: a `Scene`.

After Bahdanau, Cho & Bengio (2015), figure 3; several heads or layers stand side by side.
"""
from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import cos, radians, sin
from typing import Any, NamedTuple

import numpy as np

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.scene import Scene
from archviz.insight.painting import colorbar, colormap
from archviz.insight.painting.colormap import Scale
from archviz.insight.pictures._arrays import chosen, parts_by_node, short
from archviz.insight.pictures._board import LEADING, Board
from archviz.insight.pictures._sentences import sentences
from archviz.insight.pictures._tokens import named
from archviz.style.style import Style

LARGEST = 13.0      # side of a cell, in printed points …
BESIDE = 1.25       # … and of one of several matrices, as a part of the labels' size: so many of them share a row
GAP = 7.0           # between matrices
AXIS = 2.0          # between a label and its row or column
BAR_GAP = 7.0       # between the matrices and the colour bar
SLANT = 60.0        # of the labels above columns, where these are wide enough
SHARE = 0.3         # of the page that labels may take


class Axes(NamedTuple):
    """The labels of one matrix: beside its rows, above its columns; the room they take, and how far the last label
    stands out to the right."""

    rows: list[str]
    columns: list[str]
    left: float
    above: float
    right: float
    turned: float


def draw(shown: Sequence[Any], style: Style, *, words: Sequence[Any] = (), queries: Sequence[Any] = (),
         nodes: str | Sequence[str] = "*", heads: str | int | Sequence[int] | None = None, sample: int = 0,
         limit: float | str | None = None) -> Scene:
    """One matrix for each head of one layer; of several layers the mean over their heads, if no heads are named.

    Parameters
    ----------
    shown : sequence of Attribution
        The first of them has the weights.
    words : sequence of str, or of sequences of str
        The tokens that are looked at, as the tokenizer spells them.
    queries : sequence of str, or of sequences of str
        The tokens that look; by default the same, where there are as many.
    nodes : str or sequence of str
        Globs on the ids of the layers.
    heads : str, int or sequence of int, optional
        ``"mean"``, ``"all"``, or which.

    Raises
    ------
    ArchvizError
        Where there is no attention, no such layer, head or sample, and for another number of words than tokens.
    """
    one, board = shown[0], Board(style)
    attention = parts_by_node(one, "attention", 4)
    patterns = [nodes] if isinstance(nodes, str) else list(nodes)
    layers = [node for node in attention if any(fnmatchcase(node, p) or node == p for p in patterns)]
    if not layers:
        raise ArchvizError(f"no attention is named {', '.join(patterns)}", did_you_mean(patterns[0], attention))
    which = chosen(len(attention[layers[0]]), [sample])[0]
    titles, matrices = [], []
    for node, name in zip(layers, short(layers), strict=True):
        for title, matrix in _heads(attention[node][which], heads, len(layers) > 1):
            titles.append(", ".join(filter(None, (name if len(layers) > 1 else "", title))))
            matrices.append(matrix)
    if len({matrix.shape for matrix in matrices}) > 1:
        raise ArchvizError("these layers attend to texts of different lengths", "choose layers: nodes=…")
    rows, columns = matrices[0].shape
    keys = named(one, words, which, columns)
    asks = named(one, queries, which, rows) if len(queries) or rows != columns else keys
    padded = (rows, columns) != (len(asks), len(keys))
    matrices = [matrix[:len(asks), :len(keys)] for matrix in matrices]
    on = colormap.scale(matrices, style.heat, False, limit, one.unit or "attention")
    width, height = _place(board, matrices, titles, asks, keys, on)
    caption = [*sentences(shown[:1], [on], of=", ".join(layers)),
               "Rows are the tokens that look, columns those that are looked at"]
    if padded:
        caption.append("Padding is left out")
    if len(matrices) > 1 and len(layers) > 1 and heads is None:
        caption.append("Each matrix is the mean over the heads of a layer")
    return board.scene(width, height, f"{one.title}, {layers[0]}", caption)


def _heads(weights: Any, heads: str | int | Sequence[int] | None, several: bool) -> list[tuple[str, Any]]:
    """(title, matrix) of each head that is shown, of weights (heads, queries, keys)."""
    weights = np.asarray(weights, dtype=np.float64)
    if heads == "mean" or (heads is None and several) or len(weights) == 1:
        return [("", weights.mean(0))]
    if isinstance(heads, str) and heads != "all":
        raise ArchvizError(f"heads {heads!r}", 'say "mean", "all", or their numbers')
    wanted = range(len(weights)) if heads is None or isinstance(heads, str) else (
        [heads] if isinstance(heads, int) else heads)
    for head in wanted:
        if not 0 <= head < len(weights):
            raise ArchvizError(f"there is no head {head}", f"there are {len(weights)}, counted from 0")
    return [(f"head {head}", weights[head]) for head in wanted]


def _place(board: Board, matrices: Sequence[Any], titles: Sequence[str], asks: Sequence[str], keys: Sequence[str],
           on: Scale) -> tuple[float, float]:
    """The matrices in as many columns as make their cells largest; the bar to their right."""
    (room, high), (rows, columns) = board.room, matrices[0].shape
    beside = colorbar.upright(on, 60.0, board.style)
    head = LEADING * board.size("heading") + 1.0 if any(titles) else 0.0
    largest = LARGEST if len(matrices) == 1 else BESIDE * board.size("note")
    best: tuple[float, int, Axes] | None = None
    for across in range(len(matrices), 0, -1):
        down = -(-len(matrices) // across)
        cell = largest
        for _ in range(6):      # the labels that fit depend on the cells, and the cells on the room of the labels
            axes = _axes(board, asks, keys, cell)
            after = max(axes.right, BAR_GAP + beside.width)
            cell = min(largest, (room - axes.left - after - GAP * (across - 1)) / (across * columns),
                       (high - axes.above - (head + GAP) * down) / (down * rows))
        if best is None or cell > best[0] * 1.02:
            best = cell, across, axes
    assert best is not None
    cell, across, axes = best
    if cell <= 0.05:
        raise ArchvizError(f"{len(matrices)} matrices of {rows} × {columns} do not fit on the page", "choose heads")
    wide, tall = cell * columns, cell * rows
    for k, (matrix, title) in enumerate(zip(matrices, titles, strict=True)):
        x = axes.left + (k % across) * (wide + GAP)
        y = axes.above + head + (k // across) * (tall + head + GAP)
        # Where columns are labelled the title is above their labels, and only the first row has both.
        board.text(x + wide / 2, (head if k < across else y) - 0.3 * board.size("heading"),
                   board.fit(title, "heading", wide + GAP), "heading", "middle")
        board.image(x, y, wide, tall, on.rgb(matrix), cells=True)
        for i, word in enumerate(axes.rows if k % across == 0 else ()):
            board.text(x - AXIS, y + (i + 0.5) * cell + 0.35 * board.size("note"), word, "note", "end")
        if k < across:
            _columns(board, axes, x, y, cell)
    shown = min(across, len(matrices))
    right = axes.left + shown * (wide + GAP) - GAP
    down = -(-len(matrices) // across)
    bottom = axes.above + down * (tall + head + GAP) - GAP
    beside = colorbar.upright(on, min(max(tall, 40.0), 90.0), board.style)
    top = axes.above + head
    board.bar(beside, right + BAR_GAP, top + max(0.0, beside.above - axes.above))
    return (right + max(axes.right, BAR_GAP + beside.width), max(bottom, top + beside.height))


def _axes(board: Board, asks: Sequence[str], keys: Sequence[str], cell: float) -> Axes:
    """The labels for cells of this size; every so many tokens its number, where there is no room for words."""
    size, room = board.size("note"), SHARE * board.room[0]
    if cell < 1.02 * size:
        asks, keys = _numbers(len(asks), cell, size), _numbers(len(keys), cell, 1.9 * size)
    rows = [board.fit(word, "note", room) for word in asks]
    left = max((board.width(word, "note") for word in rows), default=0.0) + AXIS
    columns = [board.fit(word, "note", room) for word in keys]
    longest = max((board.width(word, "note") for word in columns), default=0.0)
    if longest <= 0.95 * cell or cell < 1.02 * size:
        return Axes(rows, columns, left, size + AXIS, 0.0, 0.0)
    if cell < 1.3 * size:
        return Axes(rows, columns, left, longest + AXIS, 0.0, 90.0)
    lean, rise = cos(radians(SLANT)), sin(radians(SLANT))
    ends = [(i + 0.6) * cell + board.width(word, "note") * lean for i, word in enumerate(columns)]
    return Axes(rows, columns, left, longest * rise + 0.8 * size * lean + AXIS, max(ends) - cell * len(columns), SLANT)


def _numbers(count: int, cell: float, apart: float) -> list[str]:
    """Numbers, from 0, so many tokens apart that they have room."""
    step = next(step for power in range(9) for step in (10**power, 2 * 10**power, 5 * 10**power)
                if step * cell >= apart)
    return [str(i) if i % step == 0 else "" for i in range(count)]


def _columns(board: Board, axes: Axes, x: float, y: float, cell: float) -> None:
    size = board.size("note")
    for i, word in enumerate(axes.columns):
        at = x + (i + 0.5) * cell
        if not axes.turned:
            board.text(at, y - AXIS - 0.2 * size, word, "note", "middle")
        else:
            aside = (0.35 if axes.turned == 90.0 else 0.1) * size
            board.text(at + aside, y - AXIS, word, "note", "start", -axes.turned)
