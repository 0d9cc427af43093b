"""Numbers in files: short, in printed points."""
from __future__ import annotations

from archviz.core.scene import Point


def number(value: float, digits: int = 2) -> str:
    """At most two decimals (a hundredth of a point is four micrometres), no trailing zeros, no minus zero."""
    written = f"{value:.{digits}f}".rstrip("0").rstrip(".")
    return "0" if written in ("-0", "") else written


def point(at: Point) -> str:
    """A point in TikZ."""
    return f"({number(at[0])},{number(at[1])})"
