"""What runs along the links, as their width.

In: a link's mark, the flow of its edge, the largest flow.  Out: the link in a role as wide, and the role's paint.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from archviz.core.graph import NodeId
from archviz.core.scene import Group, Link, Mark, Paint, Point, Scene
from archviz.insight.painting.colormap import Scale, number

WIDEST = 1.7        # points: two lines side by side, 4.5 apart, stay two, and words beside a line keep clear of it
THINNEST = 0.35
STEP = 0.05         # widths are told apart by so much
HEAD = 4.4          # the longest arrow head, where the largest flow arrives
AGAINST = (2.0, 1.3)        # dashes of what is negative

Line = tuple[Point, ...]


@dataclass
class Widths:
    """The roles and paints of links with a flow."""

    scene: Scene
    scale: Scale
    flows: Mapping[tuple[NodeId, NodeId], float]
    sheet: dict[str, Paint] = field(default_factory=dict)
    seen: set[tuple[NodeId, NodeId]] = field(default_factory=set)

    @property
    def largest(self) -> float:
        return max((abs(value) for value in self.flows.values()), default=0.0)

    def group(self, group: Group) -> Group:
        """The link's group, as wide as its flow."""
        lines = [mark for mark in group.marks if isinstance(mark, Link)]
        # Several lines are weights, or a window: they say something else.
        if group.edge is None or group.edge not in self.flows or not self.largest or len(lines) != 1 or (
                lines[0].role.split()[0] != "edge"):
            return group
        self.seen.add(group.edge)
        flow = self.flows[group.edge]
        wide = replace(lines[0], role=self.role(lines[0].role, flow),
                       head=max(lines[0].head, abs(flow) / self.largest * HEAD))
        return replace(group, marks=tuple(wide if mark is lines[0] else mark for mark in group.marks))

    def trunks(self, marks: Sequence[Mark]) -> list[Group]:
        """What lies over links that leave one node together, up to where they part: as wide as all of them."""
        leaving: dict[tuple[NodeId, Point], list[tuple[Link, float]]] = {}
        for group in marks:
            if isinstance(group, Group) and group.edge and group.edge in self.seen:
                link = next(mark for mark in group.marks if isinstance(mark, Link))
                key = group.edge[0], link.points[0]
                leaving.setdefault(key, []).append((link, self.flows[group.edge]))
        return [Group((Link(points, self.role("edge", total), radius, False),), "trunk",
                      title=f"{source}: {number(total)}")
                for (source, _), links in leaving.items() for points, radius, total in _shared(_ways(links))]

    def role(self, base: str, flow: float) -> str:
        """`base` in the width of this flow; in the colour of what is negative where it is."""
        steps = max(round(WIDEST * min(abs(flow) / self.largest, 1.0) / STEP), round(THINNEST / STEP))
        name = f"{base} flow {steps}" if flow >= 0 else f"{base} against {steps}"
        paint = self.scene.paint(base)
        if flow < 0:
            low = self.scale.colour(self.scale.low) if self.scale.signed else paint.stroke
            paint = replace(paint, stroke=low, dash=AGAINST)
        self.sheet[name] = replace(paint, stroke_width=steps * STEP)
        return name

    def entries(self, wide: float, high: float) -> list[tuple[str, tuple[Mark, ...]]]:
        """What the legend says of the widths: a round number, half of it and a tenth; and of what is negative."""
        def line(flow: float) -> tuple[Mark, ...]:
            return (Link(((0.0, high / 2), (wide, high / 2)), self.role("edge", flow), 0.0, False),)

        drawn = [self.flows[key] for key in sorted(self.seen)]
        if not drawn:
            return []
        top = _rounded(self.largest)
        entries = [(f"{'flow ' if not i else ''}{number(part * top)}", line(part * top))
                   for i, part in enumerate((1.0, 0.5, 0.1))]
        if min(drawn) < 0:
            entries.append(("negative flow", line(-0.5 * top)))
        return entries


def _rounded(value: float) -> float:
    """1, 2 or 5 times a power of ten, the largest such number that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return next(factor for factor in (5 * power, 2 * power, power) if factor <= value * (1 + 1e-9))


@dataclass(frozen=True)
class _Way:
    """A link's line, with a point wherever another one that leaves its node may part from it; what runs along it."""

    points: tuple[Point, ...]
    radius: float
    head: float
    flow: float


def _ways(links: Sequence[tuple[Link, float]]) -> list[_Way]:
    corners = sorted({point for link, _ in links for point in link.points})

    def cut(points: Sequence[Point]) -> Line:
        stops = [points[0]]
        for a, b in pairwise(points):
            on = [c for c in corners if abs(math.dist(a, c) + math.dist(c, b) - math.dist(a, b)) < 1e-6]
            stops += [c for c in sorted(on, key=lambda c: math.dist(a, c)) if c not in (a, b)] + [b]
        return tuple(stops)

    return [_Way(cut(link.points), link.radius, link.head, flow) for link, flow in links]


def _shared(ways: Sequence[_Way], begun: int = 0, after: float = 0.0) -> Iterator[tuple[Line, float, float]]:
    """The lines that two or more `ways` have in common: points, radius of their corners, the sum of the flows.

    All `ways` are the same up to point number `begun`; a line begins `after` beyond it.  It ends where the first of its
    ways leaves it, before the bend of that, or before its head.
    """
    if len(ways) < 2:
        return
    end = begun
    while True:
        goals: dict[Point | None, list[_Way]] = {}
        for way in ways:
            goals.setdefault(way.points[end + 1] if end + 1 < len(way.points) else None, []).append(way)
        if len(goals) > 1 or None in goals:
            break
        end += 1
    along = ways[0].points[begun:end + 1]
    came, at = ways[0].points[max(end - 1, 0)], ways[0].points[end]
    bends = {goal: goal is not None and not _straight(came, at, goal) for goal in goals}
    before = max(way.head if goal is None else way.radius * bends[goal] for goal, some in goals.items() for way in some)
    line = _shortened(along, after, before) if end > begun else ()
    if line:
        yield line, ways[0].radius, sum(way.flow for way in ways)
    for goal, some in goals.items():
        if goal is not None:
            yield from _shared(some, end, some[0].radius if bends[goal] else -before)


def _straight(a: Point, b: Point, c: Point) -> bool:
    return abs((b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])) < 1e-6


def _shortened(points: Sequence[Point], after: float, before: float) -> Line:
    """The line without so much at its ends (with more, where that is negative), and without points on its way."""
    line = [a for n, a in enumerate(points)
            if n in (0, len(points) - 1) or not _straight(points[n - 1], a, points[n + 1])]

    def moved(a: Point, b: Point, by: float) -> Point:
        part = by / math.dist(a, b)
        return a[0] + part * (b[0] - a[0]), a[1] + part * (b[1] - a[1])

    if len(line) == 2 and math.dist(*line) <= after + before:
        return ()
    return (moved(line[0], line[1], after), *line[1:-1], moved(line[-1], line[-2], before))
