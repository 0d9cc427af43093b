"""How a role looks: the paint that a sheet has for it, or one that follows from another role's.

In: a sheet, role → `Paint`, and a role.  Out: a `Paint`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from archviz.core.errors import NoLook

HATCHES = ("", "north east lines", "north west lines", "horizontal lines", "vertical lines", "crosshatch", "dots")
"""Patterns for printing without colour, by their names in TikZ."""


@dataclass(frozen=True, slots=True)
class Paint:
    """How a role looks.

    Attributes
    ----------
    fill, stroke : str or None
        Colours of the inside and of the outline, ``#rrggbb``; None: none.
    stroke_width : float
        Width of the outline, or of a line, in printed points.
    dash : tuple of float
        Lengths of dashes and gaps, in printed points; empty: solid.
    opacity : float
        From 0 to 1.
    color : str
        Colour of text, ``#rrggbb``.
    size : float
        Font size in printed points; no smaller than the page's ``min_font``.
    weight : str
        ``normal`` or ``bold``.
    italic : bool
        Whether text leans.
    hatch : str
        One of `HATCHES`: thin lines over the fill, under the stroke; empty: none.
    hatch_color : str or None
        Colour of these lines; None: that of the stroke.
    cap : str
        How a line ends: ``butt`` or ``round``; a round one without length is a dot.
    """

    fill: str | None = None
    stroke: str | None = None
    stroke_width: float = 0.6
    dash: tuple[float, ...] = ()
    opacity: float = 1.0
    color: str = "#000000"
    size: float = 7.0
    weight: Literal["normal", "bold"] = "normal"
    italic: bool = False
    hatch: str = ""
    hatch_color: str | None = None
    cap: Literal["butt", "round"] = "butt"


def look(sheet: Mapping[str, Paint], role: str) -> Paint:
    """How `role` looks on `sheet`, as `Scene.paint` says.  Raises `NoLook` for a role that has none."""
    plain = sheet.get(role)
    if plain is not None:
        return plain
    base, _, part = role.rpartition(" ")
    if not base or part not in PARTS and not part.isdecimal():
        raise NoLook(f"the style has no role {role!r}", "add it to the style's roles")
    paint = look(sheet, base)
    if part in DERIVED:
        return DERIVED[part](paint)
    if part in INK:         # one light, from above and in front
        veil = sheet.get(part)
        if veil is None or veil.fill is None:
            return replace(paint, fill=_inked(paint.fill, part), hatch_color=_inked(paint.hatch_color, part))
        return replace(paint, fill=_mixed(paint.fill, veil.fill, 1 - veil.opacity),
                       hatch_color=_mixed(paint.hatch_color, veil.fill, 1 - veil.opacity))
    share = min(int(part), 100) / 100       # so many percent as strong
    page = sheet.get("background", Paint(fill="#ffffff"))
    return replace(paint, stroke=_mixed(paint.stroke, page.fill, 0.25 + 0.75 * share),
                   stroke_width=share * paint.stroke_width)


DERIVED: Mapping[str, Callable[[Paint], Paint]] = {
    "head": lambda paint: replace(paint, fill=paint.stroke, stroke=None, dash=(), hatch=""),
    "rim": lambda paint: replace(paint, fill=None, hatch=""),
    "band": lambda paint: paint,
    "hidden": lambda paint: replace(
        paint, fill=None, hatch="", dash=(1.4, 1.2), stroke_width=0.6 * paint.stroke_width),
    "grid": lambda paint: replace(paint, fill=None, hatch="", stroke_width=0.5 * paint.stroke_width),
    "plain": lambda paint: replace(paint, stroke=None, hatch=""),
    "neuron": lambda paint: replace(paint, hatch=""),       # too small for one
    "cell": lambda paint: replace(paint, stroke_width=0.55 * paint.stroke_width, hatch=""),     # of many one sees edges
}
INK = {"top": (0.55, 1.0), "side": (1.4, 0.95), "deep": (1.5, 0.9)}
"""How much of its colour lies on a face, of what lies on the front, and the light it gets."""
PARTS = (*DERIVED, *INK)
"""What a role may end in without being in the sheet."""


def _inked(fill: str | None, part: str) -> str | None:
    """A lighter or a fuller shade of the same hue."""
    if fill is None:
        return None
    ink, light = INK[part]
    faces = (max(0.0, 255 - ink * (255 - int(fill[i:i + 2], 16))) * light for i in (1, 3, 5))
    return "#" + "".join(f"{round(face):02x}" for face in faces)


def mixed(one: str, other: str, part: float) -> str:
    """`part` of the colour `one` and the rest of `other`, all three ``#rrggbb``."""
    pairs = ((int(one[i:i + 2], 16), int(other[i:i + 2], 16)) for i in (1, 3, 5))
    return "#" + "".join(f"{round(part * a + (1 - part) * b):02x}" for a, b in pairs)


def _mixed(fill: str | None, other: str | None, part: float) -> str | None:
    """The two mixed; the one alone where there is no other."""
    return fill if fill is None or other is None else mixed(fill, other, part)
