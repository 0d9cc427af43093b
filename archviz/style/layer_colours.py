"""Colours of single layers, with labels that stay legible on them.

In: a style and what is said of layers.  Out: the style with roles of their own.
"""
from __future__ import annotations

from dataclasses import replace

from archviz.core.errors import ArchvizError
from archviz.core.scene import Paint, mixed
from archviz.style.overrides import Overrides
from archviz.style.style import Style

CONTRAST = 4.5      # least contrast of a label on its box (WCAG 2, level AA)
TINT = 0.14         # part of a layer's own colour in the ground of its frame


def painted(style: Style, overrides: Overrides, themed: bool = False) -> Style:
    """`style` with a paint for each colour that `overrides` names: role ``color rrggbb``, and the same with ``frame``.

    Raises `ArchvizError`, with the line of the colour, where the style's labels could not be read on it; on a style
    that is `themed`, which a colour was not chosen for, it is the nearest one on which they can.
    """
    roles = dict(style.roles)
    for rule in overrides.rules:
        if "color" not in rule.changes:
            continue
        fill = f"#{rule.changes['color']}"
        ink = [style.roles[role].color for role in ("label", "label module", "sublabel") if role in style.roles]
        least = min((contrast(fill, color) for color in ink), default=CONTRAST)
        role = f"color {fill[1:]}"
        if least < CONTRAST and themed:
            fill = _toward(fill, ink[0])
        elif least < CONTRAST:
            raise ArchvizError(f"{rule.where}: labels cannot be read on {fill}: their contrast is {least:.1f}:1, and "
                               f"{CONTRAST}:1 is the least", f"{_toward(fill, ink[0])} could be read")
        edge = mixed(fill, ink[0] if ink else "#000000", 0.6)
        roles[role] = Paint(fill=fill, stroke=edge, stroke_width=0.7)
        ground = style.roles["frame inner"].fill or "#ffffff"
        roles[f"{role} frame"] = Paint(fill=mixed(fill, ground, TINT), stroke=edge, stroke_width=0.7)
    return replace(style, roles=roles)


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, ``#rrggbb``, as WCAG 2 defines it: from 1 to 21."""
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def _luminance(color: str) -> float:
    parts = [int(color[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _toward(fill: str, ink: str) -> str:
    """The colour nearest to `fill` on which `ink` can be read, mixed with white or black."""
    end = "#ffffff" if _luminance(ink) < 0.18 else "#000000"
    steps = (mixed(fill, end, 1 - i / 20) for i in range(21))
    return next(color for color in steps if contrast(color, ink) >= CONTRAST)
