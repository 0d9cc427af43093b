"""Shapes that several forms draw: a box at its place, lines, a brace, words on a plain ground; and what groups them.

In: places, points, words, a style.  Out: marks.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archviz.core import text
from archviz.core.geometry import Frame, Place, Route
from archviz.core.graph import Edge, Node, NodeId
from archviz.core.scene import Box, Circle, Group, Link, Mark, Path, Point, Text, polygon
from archviz.style.style import Style

AROUND = 1.2  # points beside words on a plain ground


def node_group(node: Node, role: str, marks: Sequence[Mark]) -> Group:
    """The drawing of a node, which tells where it is in the model and what it costs."""
    costs = f", {text.units(node.params)} parameters" if node.params else ""
    return Group(tuple(marks), role, node.id, title=text.clean(f"{node.id} ({node.op}){costs}"))


def link_group(edge: Edge | Route, marks: Sequence[Mark]) -> Group:
    return Group(tuple(marks), "link", edge=(edge.src, edge.dst))


def box(place: Place, role: str, radius: float = 0.0) -> Box:
    return Box(place.x, place.y, place.width, place.height, role, radius)


def polyline(points: Sequence[Point], role: str) -> Path:
    """An open line through `points`."""
    return Path((("M", points[0]), *(("L", point) for point in points[1:])), role)


def three_dots(x: float, y: float, radius: float, step: Point, role: str) -> tuple[Circle, ...]:
    """Three dots in a row about (x, y), in the place of what is left out."""
    return tuple(Circle(x + k * step[0], y + k * step[1], radius, role) for k in (-1, 0, 1))


def rays(starts: Sequence[Point], end: Point) -> list[Mark]:
    """Lines along which something is projected to a point."""
    return [polyline((start, end), "ray") for start in starts]


def line_swatch(role: str, style: Style, head: str = "arrow", radius: float = 2.0) -> tuple[Mark, ...]:
    """An arrow in the legend, its head as long as the size `head` says."""
    s, middle = style.sizes, style.sizes["swatch_height"] / 2
    return (Link(((0.0, middle), (s["swatch"], middle)), role, radius, True, s[head]),)


def brace_frames(titles: Mapping[NodeId, str], style: Style) -> dict[NodeId, Frame]:
    """The room of braces with these titles below what they hold."""
    name, s = style.roles["name"], style.sizes
    return {key: Frame(text.width(title, name.size, name.weight), bar=s["brace"] + name.size * s["leading"] + 1.0)
            for key, title in titles.items()}


def brace(key: NodeId, title: str, place: Place, style: Style, role: str = "brace") -> Group:
    """A brace over the upper edge of `place`, and its title below."""
    high, y = style.sizes["brace"], place.y
    left, right, low = place.x + 1.0, place.right - 1.0, place.y + 0.6 * high
    label = Text(place.cx, y + high + style.roles["name"].size, title, "name", "middle")
    return Group((polyline(((left, y), (left, low), (right, low), (right, y)), role), label), "frame", key)


def grounded(label: Text, under: str, style: Style) -> tuple[Mark, ...]:
    """`label`, whose middle is its place, upright or turned by a quarter; where the role `under` is hatched, on a piece
    of it that is not.
    """
    if not style.roles[under].hatch:
        return (label,)
    paint = style.roles[label.role]
    wide = text.width(label.string, paint.size, paint.weight, paint.italic) + 2 * AROUND
    high = 1.05 * paint.size
    dx, dy, w, h = (0.35 * paint.size, 0.0, high, wide) if label.rotate else (0.0, 0.35 * paint.size, wide, high)
    return Box(label.x - dx - w / 2, label.y - dy - h / 2, w, h, f"{under} plain"), label


@dataclass(frozen=True)
class Funnel:
    """A box, its ends where data enters and leaves, and the way in which that flows."""

    place: Place
    first: float
    last: float
    way: str

    def at(self, part: float, side: float) -> Point:
        """The point so far through the box, and from its middle (0) to a side (±½)."""
        p, side = self.place, side * (self.first + part * (self.last - self.first)) / max(self.first, self.last)
        part = 1.0 - part if self.way in ("left", "rising", "up") else part
        return (p.x + part * p.width, p.cy + side * p.height) if self.way in ("right", "left") else \
            (p.cx + side * p.width, p.y + part * p.height)

    def slice(self, start: float, stop: float, role: str) -> Mark:
        return polygon([self.at(start, -0.5), self.at(stop, -0.5), self.at(stop, 0.5), self.at(start, 0.5)], role)

    def attached(self, x: float, y: float) -> Point:
        """Where a line ends that leads to (x, y) on the box's place: on a side, although that slants."""
        p = self.place
        part = (x - p.x) / p.width if self.way in ("right", "left") else (y - p.y) / p.height
        part = 1.0 - part if self.way in ("left", "rising", "up") else part
        (left, top), (right, bottom) = self.at(part, -0.5), self.at(part, 0.5)
        return min(max(x, left), right), min(max(y, top), bottom)
