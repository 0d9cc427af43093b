"""A drawing of what is inside one node, for the node-link form.

In: nothing.  Out: `Interior`.
"""
from __future__ import annotations

from dataclasses import dataclass

from archviz.core.scene import Mark


@dataclass(frozen=True)
class Interior:
    """Marks in a rectangle of `width` × `height` printed points, its top left corner at the origin.

    axis     how far down the line from the node before ends at the left border, and that to the next one begins
    through  whether both lines go on inside, without a head or a gap at the border
    """

    width: float
    height: float
    marks: tuple[Mark, ...]
    axis: float
    through: bool = False
