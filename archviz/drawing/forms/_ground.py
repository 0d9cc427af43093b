"""A plain ground under words that stand on a hatch.

In: a label and the role it stands on.  Out: marks.
"""

from __future__ import annotations

from archviz.core import text
from archviz.core.scene import Box, Mark, Text
from archviz.style.style import Style

AROUND = 1.2  # points beside the words


def grounded(label: Text, under: str, style: Style) -> tuple[Mark, ...]:
    """`label`, whose middle is its place, upright or turned by a quarter; where the role `under` is hatched, on a piece
    of it that is not.
    """
    if not style.roles[under].hatch:
        return (label,)
    paint = style.roles[label.role]
    wide = text.width(label.string, paint.size, paint.weight, paint.italic) + 2 * AROUND
    high = 1.05 * paint.size
    if label.rotate:
        return Box(label.x - 0.35 * paint.size - high / 2, label.y - wide / 2, high, wide, f"{under} plain"), label
    return Box(label.x - wide / 2, label.y - 0.35 * paint.size - high / 2, wide, high, f"{under} plain"), label
