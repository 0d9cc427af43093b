"""Letters with indices, set as in formulae: x_t, h_{t−1}, c₀.

In: base, lower and upper index.  Out: text marks, and how wide they print.  May import scene, style, text.
"""
from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from archviz import text
from archviz.scene import Mark, Text
from archviz.style import Style

BASE, LETTER, FIGURE = "symbol", "symbol index", "symbol number"
"""Roles: the letter, letters and other characters of its indices."""


@dataclass(frozen=True, slots=True)
class Symbol:
    """A letter with a lower and an upper index."""

    base: str
    lower: str = ""
    upper: str = ""


def width(symbol: Symbol, style: Style) -> float:
    """How wide `symbol` prints, in printed points."""
    base = style.roles[BASE]
    return text.width(symbol.base, base.size, base.weight, base.italic) + max(
        sum(_wide(run, role, style) for run, role in _runs(index)) for index in (symbol.lower, symbol.upper))


def marks(symbol: Symbol, x: float, y: float, style: Style) -> tuple[Mark, ...]:
    """`symbol` with its letter's baseline starting at (x, y).

    The letter ends and the index starts at the same point, so that they meet in whatever font they are set.
    """
    base = style.roles[BASE]
    x += text.width(symbol.base, base.size, base.weight, base.italic)
    made: list[Mark] = [Text(x, y, symbol.base, BASE, "end")]
    for index, shift in ((symbol.lower, 0.24 if not symbol.upper else 0.32), (symbol.upper, -0.42)):
        at = x
        for run, role in _runs(index):
            made.append(Text(at, y + shift * base.size, run, role))
            at += _wide(run, role, style)
    return tuple(made)


def centred(symbol: Symbol, x: float, y: float, style: Style) -> tuple[Mark, ...]:
    """`symbol` with its middle at (x, y)."""
    return marks(symbol, x - width(symbol, style) / 2, y + 0.28 * style.roles[BASE].size, style)


def _runs(index: str) -> list[tuple[str, str]]:
    return [("".join(run), LETTER if letters else FIGURE) for letters, run in groupby(index, str.isalpha)]


def _wide(run: str, role: str, style: Style) -> float:
    paint = style.roles[role]
    return text.width(run, paint.size, paint.weight, paint.italic)
