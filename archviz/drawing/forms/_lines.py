"""Lines between boxes: what kind each is, and those of one source that run together for a while, each drawn but once.

In: routes, a graph, a style.  Out: roles, what the legend says of them, and the points at which lines are drawn.
"""
from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from math import dist

from archviz.core.conditioning import conditioning
from archviz.core.geometry import Route
from archviz.core.graph import Graph, NodeId, skips
from archviz.style.style import Style

Point = tuple[float, float]


def line_role(route: Route, conditions: Collection[tuple[NodeId, NodeId]]) -> str:
    """How a line is painted; `conditions` are the edges that bring what the network is conditioned on."""
    if (route.src, route.dst) in conditions:
        return "edge conditioning"
    return "edge skip" if route.skip else "edge"


def line_entries(graph: Graph, style: Style) -> list[tuple[str, str]]:
    """(name, role) for each special kind of line that the legend explains."""
    conditions = conditioning(graph)
    kinds = (("edge skip", skips(graph) - conditions), ("edge conditioning", conditions))
    return [(style.captions[role], role) for role, lines in kinds if lines and style.captions.get(role)]


def branching(routes: Sequence[Route], bend: float) -> Iterator[tuple[Route, tuple[Point, ...]]]:
    """Lines without what they share with one of the same source, which would print darker: they branch off it."""
    def long(route: Route) -> list[float]:
        return [-dist(a, b) for a, b in zip(route.points, route.points[1:], strict=False)]

    drawn: dict[NodeId, list[tuple[Point, ...]]] = {}
    for route in sorted(routes, key=long):
        points, others = route.points, drawn.setdefault(route.src, [])
        shared = max((_shared(points, other) for other in others), default=0)
        others.append(points)
        if 0 < shared < len(points) - 1:
            before, turn = points[shared - 1], points[shared]
            # A corner takes half of a line that short, and nothing of one without length.
            back = min(2 * bend / max(dist(before, turn), bend), 1.0)
            start = (turn[0] + (before[0] - turn[0]) * back, turn[1] + (before[1] - turn[1]) * back)
            points = (start, *points[shared:])
        yield route, points


def _shared(points: tuple[Point, ...], other: tuple[Point, ...]) -> int:
    """The index of the first corner of `points` at which they turn off the line `other`; 0 where they never share."""
    same = next((i for i, (a, b) in enumerate(zip(points, other, strict=False)) if dist(a, b) > 0.01), 0)
    if not same:
        return 0
    before, turn, beyond = points[same - 1], points[same], other[same]
    on = abs(dist(before, turn) + dist(turn, beyond) - dist(before, beyond)) < 0.01
    return same if on else 0
