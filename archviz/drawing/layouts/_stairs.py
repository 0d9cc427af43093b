"""A U of volumes that stand level by level: straight down at the left, straight across, straight up at the right.

In: the blocks of the U from its beginning to its end, how deep each stands, and where lines may begin and end.  Out:
the blocks placed, and the lines among them.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archviz.core.geometry import Route, bounds
from archviz.core.graph import Edge, NodeId
from archviz.drawing.layouts._blocks import Block

Spot = Callable[[NodeId], tuple[float, float]]


def stand(spine: Sequence[Block], levels: Sequence[int], edges: Sequence[Edge],
          push: Callable[[Block, Sequence[Block]], None], top: Spot, bottom: Spot, gap: float) -> None:
    """Place the blocks: those of one level on one axis, each first of a level under or over what leads there."""
    high, low = [0.0] * (max(levels) + 1), [0.0] * (max(levels) + 1)
    for block, level in zip(spine, levels, strict=True):
        _, upper, _, lower = bounds([*block.solid, *block.soft])
        high[level], low[level] = max(high[level], -upper), max(low[level], lower)
    axis = [0.0]
    for level in range(1, max(levels) + 1):
        axis.append(axis[-1] + low[level - 1] + gap + high[level])
    placed: list[Block] = []
    for i, (block, level) in enumerate(zip(spine, levels, strict=True)):
        block.y = axis[level]
        if not i or levels[i - 1] == level:
            push(block, placed)
        else:
            leading = next(e for e in edges if e.src in spine[i - 1].nodes and e.dst in block.nodes)
            leave, enter = (bottom, top) if level > levels[i - 1] else (top, bottom)
            block.x += leave(leading.src)[0] - enter(leading.dst)[0]
        placed.append(block)


def lines(edges: Sequence[Edge], of: Mapping[NodeId, Block], spine: Sequence[Block], top: Spot,
          bottom: Spot) -> list[Route]:
    """Straight from volume to volume."""
    rank = {id(block): i for i, block in enumerate(spine)}
    routes = []
    for edge in edges:
        a, b = of[edge.src], of[edge.dst]
        if abs(a.y - b.y) < 1e-6:
            points = ((a.x + a.leave, a.y), (b.x + b.enter, b.y))
        elif a.y < b.y:
            points = (bottom(edge.src), top(edge.dst))
        else:
            points = (top(edge.src), bottom(edge.dst))
        routes.append(Route(edge.src, edge.dst, points, rank[id(b)] > rank[id(a)] + 1))
    return routes
