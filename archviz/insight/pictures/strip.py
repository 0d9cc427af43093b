"""Hidden states over a text: the text coloured by what a unit holds at each character, and units × time as a strip.

In: attributions with ``extra["hidden:<node>"]``, (N, units, steps), and the words.  Out: a `Scene`.

After Karpathy, Johnson & Li (2015), figure 2: a cell that counts, that opens with a quote, that dies at a line's end.
"""
from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.scene import Box, Group, Scene, Text
from archviz.insight.painting import colorbar, colormap
from archviz.insight.painting.colormap import Scale
from archviz.insight.pictures._arrays import chosen, parts_by_node
from archviz.insight.pictures._board import Board
from archviz.insight.pictures._sentences import sentences
from archviz.insight.pictures._tokens import Piece, pieces, spelling, words_of
from archviz.style.style import Style

FORMS = ("text", "cells", "both")
LINE, CELL = 1.42, 0.74         # height of a line and least width of a character, as parts of the font size
WIDE = 0.16                     # beside a character that is wider
UNITS = 6                       # texts for so many units, if nobody says which
STRIP = 7.0                     # height of a unit's strip, in printed points
GAP = 7.0                       # between units, and above the bar
LENGTH = 130.0                  # of the colour bar
LAP = 0.3                       # so far a ground goes on below the next one, or the page would shine through between


def draw(shown: Sequence[Any], style: Style, *, words: Sequence[Any] = (), units: int | Sequence[int] | None = None,
         form: str = "text", nodes: str = "*", sample: int = 0, limit: float | str | None = None) -> Scene:
    """The text once for each unit, or one strip for each, time going to the right.

    Parameters
    ----------
    shown : sequence of Attribution
        The first of them has the states.
    words : sequence of str, or of sequences of str
        The characters or tokens.
    units : int or sequence of int, optional
        So many units, those whose state varies most; or these.
    form : str
        ``text``, ``cells`` (the strips), or ``both``.
    nodes : str
        A glob on the ids of the recurrent layers; the last of them is drawn.

    Raises
    ------
    ArchvizError
        Where there are no states, no such layer, unit or sample, and for another number of words than steps.
    """
    if form not in FORMS:
        raise ArchvizError(f"there is no form {form!r}", did_you_mean(form, FORMS))
    one, board = shown[0], Board(style)
    hidden = parts_by_node(one, "hidden", 3)
    layers = [node for node in hidden if fnmatchcase(node, nodes) or node == nodes]
    if not layers:
        raise ArchvizError(f"no recurrent layer is named {nodes}", did_you_mean(nodes, hidden))
    node = layers[-1]
    sample = chosen(len(hidden[node]), [sample])[0]
    states = np.asarray(hidden[node][sample], dtype=np.float64)
    numbers = [int(i) for i in one.extra.get(f"units:{node}", range(len(states)))]
    which = _units(states, numbers, units, form)
    spelt = words_of(one, words, sample, states.shape[1])
    tokens = spelling(spelt, sample, None, states.shape[1]) if len(spelt) else None
    on = colormap.scale(states[which], style.heat, one.signed, limit, one.unit)
    width = y = 0.0
    if form != "cells":
        for i in which:
            label = f"unit {numbers[i]}"
            board.text(0, y + 0.85 * board.size("heading"), label, "heading")
            y += 1.3 * board.size("heading")
            wide, y = _text(board, tokens or ["·"] * states.shape[1], states[i], on, y, f"{node}/{numbers[i]}")
            width, y = max(width, wide), y + GAP
    if form != "text":
        wide, y = _cells(board, [f"unit {numbers[i]}" for i in which], states[which], tokens, on, y)
        width, y = max(width, wide), y + GAP
    drawn = colorbar.flat(on, min(LENGTH, 0.7 * board.room[0]), style)
    board.bar(drawn, drawn.before, y)
    caption = [*sentences(shown[:1], [on], of=node), "Each colour is the state after that "
               + ("step" if tokens is None else "character" if all(len(token) == 1 for token in tokens) else "token")]
    return board.scene(max(width, drawn.width), y + drawn.height, f"{one.title}, {node}", caption)


def _units(states: Any, numbers: Sequence[int], units: int | Sequence[int] | None, form: str) -> list[int]:
    """The rows of the states to draw."""
    if units is None or isinstance(units, int):
        most = units if units is not None else UNITS if form == "text" else len(states)
        order = np.argsort(-states.var(1), kind="stable")[:most]
        return sorted(int(i) for i in order)
    for unit in units:
        if unit not in numbers:
            raise ArchvizError(f"there is no state of unit {unit}", f"there are {numbers[0]} … {numbers[-1]}")
    return [numbers.index(unit) for unit in units]


def _text(board: Board, tokens: Sequence[str], values: Any, on: Scale, top: float, key: str) -> tuple[float, float]:
    """The characters in lines, each on a ground in its colour, without gaps; how wide they are, and where they end."""
    size, room = board.size("on heat"), board.room[0]
    parts = pieces(tokens)
    x, y, right = 0.0, top, 0.0
    for i, piece in enumerate(parts):
        words = "" if piece.blank else piece.words
        space = 0.32 * size if piece.apart and len(words) > 1 else 0.0
        wide = min(max(CELL * size, board.width(words, "on heat") + WIDE * size) + space, room)
        ahead = wide + CELL * size * _rest(parts, i)
        if x + wide > room + 0.01 or (x and i and parts[i - 1].blank and ahead <= 0.5 * room < x + ahead - 0.5 * room):
            x, y = 0.0, y + LINE * size
        tint = board.tint(on, float(values[i]))
        lap = LAP if i + 1 < len(parts) and x + wide + LAP <= room else 0.0
        marks = (Box(x, y, wide + lap, LINE * size - 1.0, tint),
                 *((Text(x + wide / 2, y + (LINE * size - 1.0) / 2 + 0.35 * size, board.fit(words, "on heat", wide),
                         board.ink(tint), "middle"),) if words else ()))
        board.marks.append(Group(marks, "token", f"{key}/{i}", f"{piece.words}: {colormap.number(float(values[i]))}"))
        x += wide
        right = max(right, x)
        if piece.ends:
            x, y = 0.0, y + LINE * size
    return right, y + (LINE * size if x else 0.0) - 1.0


def _rest(parts: Sequence[Piece], i: int) -> int:
    """How many characters the word that begins at `i` still has."""
    last = i + 1
    while last < len(parts) and not parts[last].blank and not parts[last].apart:
        last += 1
    return last - i - 1


def _cells(board: Board, labels: Sequence[str], states: Any, tokens: Sequence[str] | None, on: Scale, top: float
           ) -> tuple[float, float]:
    """Units × time, one row for each unit, with the characters below where they have room."""
    size, room = board.size("note"), board.room[0]
    left = max(board.width(label, "note") for label in labels) + 3.0
    steps = states.shape[1]
    wide = min((room - left) / steps, 1.3 * size)
    tall = min(STRIP, (0.75 * board.room[1]) / len(states))
    named = tall >= 1.02 * size
    board.image(left, top, wide * steps, tall * len(states), on.rgb(states), cells=True)
    for i, label in enumerate(labels):
        if named or i in (0, len(labels) - 1):
            board.text(left - 2.0, top + (i + 0.5) * tall + 0.35 * size, label, "note", "end")
    bottom = top + tall * len(states)
    words = [piece.words for piece in pieces(tokens)] if tokens is not None else []
    if words and max(board.width(word, "note") for word in words) <= wide + 0.6:
        for i, word in enumerate(words):
            board.text(left + (i + 0.5) * wide, bottom + 1.05 * size, word.strip(), "note", "middle")
    else:
        step = next(s for p in range(9) for s in (10**p, 2 * 10**p, 5 * 10**p) if s * wide >= 3.2 * size)
        for i in range(0, steps, step):
            at = left + (i + 0.5) * wide
            board.line([(at, bottom), (at, bottom + 1.6)], "bar")
            board.text(at, bottom + 1.6 + 0.95 * size, str(i), "note", "middle")
    return left + wide * steps, bottom + 1.6 + 1.25 * size
