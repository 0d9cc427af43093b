"""Outlines for TikZ: path commands → points joined by ``--``, their rounded corners as TikZ rounds them.

In: the commands of a `Path`.  Out: an option and the points.

A curve that is the arc of a corner is written as that corner with ``rounded corners``: TikZ rounds with the same cubic
curve, and a reader sees a box, not its Bézier controls.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from archviz.backends._tex_number import number, point
from archviz.core.scene import KAPPA, Command, Point

CLOSE = 0.004       # points that print as one


@dataclass(frozen=True)
class Drawn:
    """What follows ``\\path``: `options` begins with a comma, `points` is without the semicolon."""

    options: str
    points: str


@dataclass(frozen=True)
class _Vertex:
    at: Point
    radius: float = 0.0                             # of the corner here
    controls: tuple[Point, Point] | None = None     # of the curve that arrives here


def rounded(radius: float) -> str:
    """The option for corners of this radius."""
    return f", rounded corners={number(radius)}pt" if radius >= CLOSE else ""


def source(commands: Iterable[Command]) -> Drawn | None:
    """The path as TikZ source; None where there is nothing to draw."""
    subpaths = [(_vertices(start, segments, closed), closed) for start, segments, closed in _subpaths(commands)]
    subpaths = [(vertices, closed) for vertices, closed in subpaths if len(vertices) > 1]
    if not subpaths:
        return None
    inner = [v for vertices, closed in subpaths for v in (vertices if closed else vertices[1:-1])]
    radii = {number(v.radius) for v in inner}
    if len(radii) == 1 and not any(v.controls for vertices, _ in subpaths for v in vertices):
        lines = (" -- ".join([*(point(v.at) for v in vertices), *(["cycle"] if closed else [])])
                 for vertices, closed in subpaths)
        return Drawn(rounded(inner[0].radius), " ".join(lines))
    return Drawn("", " ".join(_mixed(vertices, closed) for vertices, closed in subpaths))


def _subpaths(commands: Iterable[Command]) -> Iterator[tuple[Point, list[tuple[Point, ...]], bool]]:
    """(start, segments, closed): a segment is its end, or two controls and its end."""
    start, segments = (0.0, 0.0), list[tuple[Point, ...]]()
    for letter, values in commands:
        match letter:
            case "M":
                if segments:
                    yield start, segments, False
                start, segments = (values[0], values[1]), []
            case "Z":
                yield start, segments, True
                segments = []
            case _:
                segments.append(tuple((values[i], values[i + 1]) for i in range(0, len(values), 2)))
    if segments:
        yield start, segments, False


def _vertices(start: Point, segments: list[tuple[Point, ...]], closed: bool, arcs: bool = True) -> list[_Vertex]:
    """Corners where straight lines meet, with their radius (where `arcs`); else the ends of lines and curves."""
    found, here = [_Vertex(start)], start
    for i, segment in enumerate(segments):
        *controls, end = segment
        if not controls:
            if not _near(here, end):
                found.append(_Vertex(end))
        elif all(_near(here, at) for at in segment):
            continue
        elif (arcs and (corner := _corner(here, segment))
              and _leaves(corner, end, segments[i + 1:], start if closed else None)):
            before = found[-1]
            if len(found) > 1 and before == _Vertex(here) and _straight(found[-2].at, here, corner):
                found.pop()
            found.append(_Vertex(corner, _radius(corner, here)))
        else:
            found.append(_Vertex(end, 0.0, (controls[0], controls[1])))
        here = end
    if not closed or len(found) < 3 or not _near(here, start):
        return found
    last = found[-1]
    if not last.radius:
        return found[:-1] if last == _Vertex(here) else found
    # TikZ closes a path in a straight line: a circle is no rounded square.
    if _distance(last.at, found[1].at) < last.radius + found[1].radius + CLOSE:
        return _vertices(start, segments, closed, arcs=False)
    return [last, *found[1:-1]]


def _radius(corner: Point, here: Point) -> float:
    """How far from the corner its rounding begins; along a level or upright line without a rounding error."""
    if corner[0] == here[0] or corner[1] == here[1]:
        return abs(corner[0] - here[0]) + abs(corner[1] - here[1])
    return _distance(corner, here)


def _corner(here: Point, segment: tuple[Point, ...]) -> Point | None:
    """The corner that this curve rounds off, if it is a quarter circle or the like."""
    c1, c2, end = segment
    corner = tuple(a + (c - a) / KAPPA for a, c in zip(here, c1, strict=True))
    other = tuple(a + (c - a) / KAPPA for a, c in zip(end, c2, strict=True))
    reach = _distance(corner, here)
    if reach < CLOSE or _distance(corner, other) > CLOSE or abs(_distance(corner, end) - reach) > CLOSE:
        return None
    return (corner[0], corner[1])


def _leaves(corner: Point, end: Point, after: list[tuple[Point, ...]], start: Point | None) -> bool:
    """Whether the line goes on straight away from the corner."""
    for segment in after:
        goal = segment[-1] if len(segment) == 1 else _corner(end, segment)
        if goal and not _near(goal, end):
            return _straight(corner, end, goal)
        if goal is None:
            return False
    return start is not None and _straight(corner, end, start)


def _mixed(vertices: list[_Vertex], closed: bool) -> str:
    """Round and sharp corners, lines and curves in one outline: each rounding in braces of its own."""
    if closed and vertices[0].radius:       # begin at a sharp corner, which needs no rounding when the path closes
        sharp = next((i for i, v in enumerate(vertices) if not v.radius and not v.controls), 0)
        vertices = vertices[sharp:] + vertices[:sharp]
    pieces = [point(vertices[0].at)]
    for radius, run in groupby(vertices[1:], lambda v: number(v.radius)):
        steps = " ".join(f".. controls {point(v.controls[0])} and {point(v.controls[1])} .. {point(v.at)}"
                         if v.controls else f"-- {point(v.at)}" for v in run)
        pieces.append(steps if radius == "0" else f"{{[rounded corners={radius}pt] {steps}}}")
    if not closed:
        return " ".join(pieces)
    if vertices[0].radius and pieces[-1].endswith("}"):     # all corners are round, that where it closes, too
        return " ".join(pieces).removesuffix("}") + " -- cycle}"
    return " ".join(pieces) + " -- cycle"


def _distance(a: Iterable[float], b: Iterable[float]) -> float:
    return float(sum((p - q) ** 2 for p, q in zip(a, b, strict=True)) ** 0.5)


def _near(a: Point, b: Point) -> bool:
    return _distance(a, b) < CLOSE


def _straight(a: Point, b: Point, c: Point) -> bool:
    """Whether the way from a over b to c has no turn at b."""
    u, v = (b[0] - a[0], b[1] - a[1]), (c[0] - b[0], c[1] - b[1])
    return abs(u[0] * v[1] - u[1] * v[0]) <= CLOSE * max(_distance(a, c), CLOSE) and u[0] * v[0] + u[1] * v[1] >= -1e-9
