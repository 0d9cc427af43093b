"""Names of quantities as mathematics sets them: x with an index, h with the number of its layer.

In: a letter, what stands below and above it, a place.  Out: marks.

The index is a text of its own, since an index inside one line of text would print below the smallest size of the page.
"""
from __future__ import annotations

from typing import Literal

from archviz.core import text
from archviz.core.scene import Text
from archviz.style.style import Style

LETTER, INDEX = "symbol", "symbol index"    # roles


def symbol(x: float, y: float, letter: str, style: Style, *, sub: str = "", sup: str = "",
           anchor: Literal["start", "middle", "end"] = "start") -> tuple[Text, ...]:
    """`letter` with its baseline at y, `sub` below and `sup` above to its right; (x, y) is its start, middle or end."""
    size = style.roles[LETTER].size
    if anchor != "start":
        x -= width(letter, style, sub=sub, sup=sup) * (0.5 if anchor == "middle" else 1.0)
    after = x + _letter(letter, style)
    marks = [Text(x, y, letter, LETTER)]
    below = y + (0.3 if sup else 0.24) * size
    if sub:
        marks.append(Text(after, below, sub, INDEX))
    if sup:     # clear of what is below it
        above = below - max(0.66 * size, 1.06 * style.roles[INDEX].size) if sub else y - 0.42 * size
        marks.append(Text(after, above, sup, INDEX))
    return tuple(marks)


def width(letter: str, style: Style, *, sub: str = "", sup: str = "") -> float:
    """How wide `symbol` prints, in printed points."""
    paint = style.roles[INDEX]
    return _letter(letter, style) + max(
        text.width(index, paint.size, paint.weight, paint.italic) if index else 0.0 for index in (sub, sup))


def _letter(letter: str, style: Style) -> float:
    paint = style.roles[LETTER]
    return text.width(letter, paint.size, paint.weight, paint.italic) + 0.1 * paint.size
