"""A drawing of what is inside one node, for the node-link form.

In: nothing.  Out: `Interior`.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archviz.core.scene import Mark, Point


@dataclass(frozen=True)
class Interior:
    """Marks in a rectangle of `width` × `height` printed points, its top left corner at the origin.

    enters   where the line from the node before ends: on the left border
    leaves   where the line to the next node begins: on the right border
    through  whether both lines go on inside, without a head or a gap at the border
    units    the numbers that are drawn one by one: position in the flattened tensor → the centre of its circle or cell;
             empty where lines end at the picture as a whole
    reach    how far a unit's border is from its centre, left and right
    """

    width: float
    height: float
    marks: tuple[Mark, ...]
    enters: Point
    leaves: Point
    through: bool = False
    units: Mapping[int, Point] = field(default_factory=dict)
    reach: float = 0.0
