"""Where marks are: their rectangles on the page, and the outlines of cuboids.

In: marks, a sheet to measure words by.  Out: rectangles, points.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from archviz.core import text
from archviz.core.scene import Box, Circle, Cuboid, Group, Image, Link, Mark, Path, Point, Scene, Text


class Room(NamedTuple):
    """A rectangle on the page."""

    x0: float
    y0: float
    x1: float
    y1: float

    def meets(self, other: Room, apart: float = 0.0) -> bool:
        """Whether they come nearer to each other than `apart`."""
        return (self.x0 < other.x1 + apart and other.x0 < self.x1 + apart
                and self.y0 < other.y1 + apart and other.y0 < self.y1 + apart)

    def holds(self, other: Room, apart: float = 0.0) -> bool:
        """Whether `other` is inside, `apart` from the edges."""
        return (self.x0 + apart <= other.x0 and other.x1 <= self.x1 - apart
                and self.y0 + apart <= other.y0 and other.y1 <= self.y1 - apart)


def around(points: Iterable[Point]) -> Room:
    """The rectangle around points."""
    xs, ys = zip(*points, strict=True)
    return Room(min(xs), min(ys), max(xs), max(ys))


def rooms(mark: Mark, scene: Scene) -> Iterator[Room]:
    """What `mark` covers: one rectangle, or of a group and of a line one for each of its parts."""
    match mark:
        case Group(marks):
            for inner in marks:
                yield from rooms(inner, scene)
        case Box(x, y, w, h):
            yield Room(x, y, x + w, y + h)
        case Circle(x, y, r):
            yield Room(x - r, y - r, x + r, y + r)
        case Image():
            yield around(mark.corners)
        case Cuboid():
            yield around([mark.at(a, d, b) for a in (0, 1) for d in (0, 1) for b in (0, 1)])
        case Link(points):
            half = scene.paint(mark.role).stroke_width / 2
            for (ax, ay), (bx, by) in zip(points, points[1:], strict=False):
                yield Room(min(ax, bx) - half, min(ay, by) - half, max(ax, bx) + half, max(ay, by) + half)
        case Path(commands):
            every = [(n[i], n[i + 1]) for _, n in commands for i in range(0, len(n), 2)]
            if every:
                yield around(every)
        case Text():
            yield _words(mark, scene)


def _words(mark: Text, scene: Scene) -> Room:
    paint = scene.paint(mark.role)
    wide = text.width(mark.string, paint.size, paint.weight, paint.italic)
    left = mark.x - {"start": 0.0, "middle": wide / 2, "end": wide}[mark.anchor]
    if mark.rotate:     # about its start: the square that it cannot leave
        return Room(mark.x - wide, mark.y - wide, mark.x + wide, mark.y + wide)
    return Room(left, mark.y - 0.78 * paint.size, left + wide, mark.y + 0.24 * paint.size)


def body(group: Group, scene: Scene) -> Room | None:
    """The largest area that a node's group fills; None where it is words alone."""
    outlines = [room for mark in group.marks if isinstance(mark, (Box, Circle, Cuboid)) or (
        isinstance(mark, Path) and scene.paint(mark.role).fill) for room in rooms(mark, scene)]
    return max(outlines, key=lambda room: (room.x1 - room.x0) * (room.y1 - room.y0), default=None)


def inside(point: Point, corners: Iterable[Point]) -> bool:
    """Whether a point lies in a convex outline."""
    ring = list(corners)
    signs = {(bx - ax) * (point[1] - ay) > (by - ay) * (point[0] - ax)
             for (ax, ay), (bx, by) in zip(ring, [*ring[1:], *ring[:1]], strict=True)}
    return len(signs) == 1


def faces(c: Cuboid) -> tuple[tuple[Point, ...], ...]:
    """The outlines of the front, the top and the right side."""
    return ((c.at(0, 0, 0), c.at(1, 0, 0), c.at(1, 1, 0), c.at(0, 1, 0)),
            (c.at(0, 0, 0), c.at(1, 0, 0), c.at(1, 0, 1), c.at(0, 0, 1)),
            (c.at(1, 0, 0), c.at(1, 0, 1), c.at(1, 1, 1), c.at(1, 1, 0)))


def nodes(marks: Iterable[Mark]) -> Iterator[Group]:
    """The groups that draw a node, wherever they are."""
    for mark in marks:
        if isinstance(mark, Group) and mark.role != "legend":
            if mark.node and mark.role != "frame":
                yield mark
            yield from nodes(mark.marks)
