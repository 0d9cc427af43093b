"""The U of encoder-decoder networks: down on the left, up on the right, skips straight across.

In: a graph, sizes, frames, spacing.  Out: `Layout`: a U where skips are nested one inside the other, otherwise what
`layered` gives.

Both arms are laid out by `layered`; then room is added where an arm is shorter, until the two ends of every skip are
level.  What the network is conditioned on stands outside the arms.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from archviz.core.conditioning import signals
from archviz.core.geometry import Frames, Layout, Place, Places, Route, Sizes, Spacing
from archviz.core.graph import Edge, Graph, NodeId
from archviz.core.graph import skips as bypasses
from archviz.core.regroup import subgraph
from archviz.drawing.layouts._fan import Group, fanned, groups, parted
from archviz.drawing.layouts.layered import layered


def ushape(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "down",
           limit: float = math.inf) -> Layout:
    """Lay a graph with at least two nested skips out as a U (its direction is then "around"), any other as `layered`
    does.

    A U is not wrapped: where it is higher than `limit`, or a skip would run through a box, the answer is `layered`'s
    too.
    """
    u = _conditioned(graph, sizes, frames, spacing) if direction == "down" else None
    return u if u and u.height <= limit else layered(graph, sizes, frames, spacing, direction, limit)


def _conditioned(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing) -> Layout | None:
    """A U, with what it is conditioned on outside its arms."""
    conditions, alone, beside = signals(graph), graph, list[Group]()
    if conditions:
        parts = parted(graph, conditions)
        if parts is None or _arms(parts[0]) is None:
            return None
        alone, beside = parts[0], groups(parts[1], conditions, sizes, frames, spacing)
    return _u(alone, sizes, frames, spacing, beside, True) or _u(alone, sizes, frames, spacing, beside)


def _u(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, beside: Sequence[Group],
       footed: bool = False) -> Layout | None:
    """Two arms and what joins them below; `footed`, with what stands lowest between them."""
    arms = _arms(graph)
    if arms is None:
        return None
    left, skips, bottom = arms
    foot, enter = _foot(graph, left, skips, bottom) if footed else (frozenset(), bottom)
    if footed and not foot:
        return None
    down, up = (layered(subgraph(graph, half), sizes, frames, spacing, way)
                for half, way in ((left - foot, "down"), ({n.id for n in graph.nodes} - left, "up")))
    passing = bypasses(graph)
    a, b = _level(_aligned(down, graph, [edge.src for edge in skips]), up, skips)
    aside = [group.room + 2 * spacing["beside"] for group in beside[:1]]
    gap = max([spacing["gutter"] * 2 + 2 * spacing["across"], *aside])
    height = max(a.height, b.height)
    both = a.moved(0.0, height - a.height).joined(b.moved(a.width + gap, height - b.height))
    nodes, ends = both.nodes, [(edge.src, edge.dst) for edge in skips]
    if any(abs(nodes[src].cy - nodes[dst].cy) > 0.1 for src, dst in ends):     # two begin side by side, and end apart
        return None
    routes = (Route(src, dst, ((nodes[src].right, nodes[dst].cy), (nodes[dst].x, nodes[dst].cy)), (src, dst) in passing)
              for src, dst in ends)
    u = replace(both, routes=(*both.routes, *routes), width=b.width + a.width + gap, height=height, direction="around")
    base = layered(subgraph(graph, foot), sizes, frames, spacing, "right") if foot else None
    whole = _based(u, base, enter, bottom, spacing) if base else _joined(u, bottom, spacing)
    if whole is None or any(_crosses(route, whole.nodes) for route in whole.routes[len(a.routes) + len(b.routes):]):
        return None
    roof = min(nodes[edge.dst].y for edge in skips)
    return fanned(whole, beside, a.width + gap / 2, roof, foot, frames, spacing) if beside else whole


def _joined(u: Layout, bottom: Edge, spacing: Spacing) -> Layout:
    """The arms with a line from the foot of the one to the foot of the other."""
    low = u.height + spacing["along"]
    src, dst = u.nodes[bottom.src], u.nodes[bottom.dst]
    points = ((src.cx, src.bottom), (src.cx, low), (dst.cx, low), (dst.cx, dst.bottom))
    return replace(u, routes=(*u.routes, Route(bottom.src, bottom.dst, points)), height=low + 1.0)


def _based(u: Layout, base: Layout, enter: Edge, bottom: Edge, spacing: Spacing) -> Layout | None:
    """The arms with `base` below, from the left to the right; None where it is too wide to lie between them."""
    src, dst = u.nodes[enter.src], u.nodes[bottom.dst]
    x0, x1 = src.cx, dst.cx
    if base.width > x1 - x0 - 2 * spacing["along"]:
        return None
    base = base.moved((x0 + x1 - base.width) / 2, u.height + spacing["along"])
    first, last = base.nodes[enter.dst], base.nodes[bottom.src]
    into, out = first.cy, last.cy
    routes = (
        Route(enter.src, enter.dst, ((x0, src.bottom), (x0, into), (first.x, into))),
        Route(bottom.src, bottom.dst, ((last.right, out), (x1, out), (x1, dst.bottom))),
    )
    return replace(replace(u, routes=(*u.routes, *routes)).joined(base),
                   height=u.height + spacing["along"] + base.height + 1.0)


def _crosses(route: Route, nodes: Places) -> bool:
    """Does a line run through a box that is not at its ends?"""
    return any(place.crossed(a, b) for key, place in nodes.items() if key not in (route.src, route.dst)
               for a, b in pairwise(route.points))


def _foot(graph: Graph, left: set[NodeId], skips: list[Edge], bottom: Edge) -> tuple[frozenset[NodeId], Edge]:
    """What comes last of the left arm, after the innermost skip begins and it became smaller for the last time, if but
    one line leads to it; and that line."""
    order = [node.id for node in graph.nodes if node.id in left]
    after = order[order.index(skips[-1].src) + 1 :]
    shrunk = max((i for i, key in enumerate(after) if _scaled(graph, key) < 0), default=-1)
    foot = frozenset(after[shrunk + 1 :])
    entering = [e for e in graph.flows if e.dst in foot and e.src not in foot]
    inside = {key for node in graph.nodes if node.id in foot for key in node.scope}
    outside = {key for node in graph.nodes if node.id not in foot for key in node.scope}
    if len(entering) != 1 or inside & outside or bottom.src not in foot:
        return frozenset(), bottom
    return foot, entering[0]


def _arms(graph: Graph) -> tuple[set[NodeId], list[Edge], Edge] | None:
    """The nodes of the left arm, the skips from outermost to innermost, and the edge at the bottom."""
    rank = {node.id: i for i, node in enumerate(graph.nodes)}
    far, near = _returning(graph, rank)
    skips: list[Edge] = []
    for start in range(len(far)):  # the longest run of skips that lie one inside the other
        run = [far[start]]
        for edge in far[start + 1 :]:
            if _within(edge, run[-1], rank):
                run.append(edge)
        skips = max(skips, run, key=len)
    if len(skips) < 2:
        return None
    # the innermost may go around a single node, if it is joined as the others are
    joined = graph.by_id[skips[-1].dst].kind
    inmost = [edge for edge in near if graph.by_id[edge.dst].kind == joined and _within(edge, skips[-1], rank)]
    return (_halves(graph, rank, [*skips, inmost[0]]) if inmost else None) or _halves(graph, rank, skips)


def _within(edge: Edge, outer: Edge, rank: Mapping[NodeId, int]) -> bool:
    return rank[outer.src] < rank[edge.src] and rank[edge.dst] < rank[outer.dst]


def _returning(graph: Graph, rank: Mapping[NodeId, int]) -> tuple[list[Edge], list[Edge]]:
    """Of the two edges into a join the one from further back, in the order in which they leave: those that go around
    several nodes, and those around a single one."""
    far, near = list[Edge](), list[Edge]()
    joins = [graph.inflow[key] for key in dict.fromkeys(edge.dst for edge in graph.flows)]
    for edges in sorted(joins, key=lambda edges: min(rank[edge.src] for edge in edges)):
        if len(edges) != 2:
            continue
        edge = min(edges, key=lambda edge: rank[edge.src])
        src, dst = graph.by_id[edge.src], graph.by_id[edge.dst]
        around = max(rank[other.src] for other in edges) - rank[edge.src]
        if dst.scope[:1] == src.scope[:1] and src.scope or around < 1:
            continue
        (far if around > 1 else near).append(edge)
    return far, near


def _halves(graph: Graph, rank: Mapping[NodeId, int], skips: list[Edge]) -> tuple[set[NodeId], list[Edge], Edge] | None:
    """The arms whose only ties are `skips` and one edge at the bottom."""
    inner = skips[-1]
    between = [n for n in graph.nodes if rank[inner.src] < rank[n.id] <= rank[inner.dst]]
    finer = (n for n in between if n.kind in ("upconv", "upsample") or _scaled(graph, n.id) > 0)
    turn = next(finer, graph.by_id[inner.dst])
    # where what turns is also given away, the right arm begins with what gives it
    before = [n for n in between if rank[n.id] < rank[turn.id] and len(graph.outgoing[n.id]) > 1]
    for first in (turn, *reversed(before)):
        left = {node.id for node in graph.nodes if rank[node.id] < rank[first.id]}
        bottom = _tie(graph, left, skips)
        if bottom:
            return left, skips, bottom
    return None


def _tie(graph: Graph, left: set[NodeId], skips: list[Edge]) -> Edge | None:
    """What besides all of `skips` leads from the left nodes to the others, if it is one edge and no frame does."""
    across = [e for e in graph.flows if (e.src in left) != (e.dst in left)]
    ties = [e for e in across if e not in skips]
    frames = ({key for n in graph.nodes if (n.id in left) == inside for key in n.scope} for inside in (True, False))
    if len(ties) != 1 or ties[0].src not in left or len(across) != len(skips) + 1 or set.intersection(*frames):
        return None
    return ties[0]


def _scaled(graph: Graph, key: NodeId) -> int:
    """Is what this node gives finer than what it gets (1), or coarser (-1)?"""
    out = graph.by_id[key].out
    entering = [e.tensor for e in graph.incoming[key] if e.tensor]
    if not out or not entering or not len(out[0].shape) == len(entering[0].shape) >= 3:
        return 0
    after, before = out[0].shape[-1], entering[0].shape[-1]
    return (after > before) - (after < before)


def _level(a: Layout, b: Layout, skips: list[Edge]) -> tuple[Layout, Layout]:
    """Add room, from the bottom up, until both ends of every skip are equally far above the bottom."""
    for edge in reversed(skips):
        src, dst = a.nodes[edge.src], b.nodes[edge.dst]
        ya, yb = a.height - src.cy, b.height - dst.cy
        if ya < yb:
            a = _stretched(a, _below(a, src, [a.nodes[e.src] for e in skips]), yb - ya)
        elif yb < ya:
            inmost = edge is skips[-1]  # the room under the lowest skip belongs below everything
            b = _stretched(b, b.height if inmost else _below(b, dst, [b.nodes[e.dst] for e in skips]), ya - yb)
    return a, b


def _aligned(layout: Layout, graph: Graph, starts: list[NodeId]) -> Layout:
    """What stands beside the arm, as it feeds nothing but its skip, ends at one line, where there is room."""
    beside = [key for key in starts if len(graph.outgoing[key]) == len(graph.incoming[key]) == 1]
    ends = {key: layout.nodes[key].right for key in beside}
    nodes, routes = dict(layout.nodes), list(layout.routes)
    for key, end in ends.items():
        place, by = nodes[key], max(ends.values()) - end
        moved = place.moved(by, 0.0)
        fed = [i for i, route in enumerate(routes) if route.dst == key]
        row = (place.x, place.cy), (moved.right, place.cy)
        crowded = any(other.crossed(*row) for k, other in nodes.items() if k != key)
        if not by or crowded or graph.by_id[key].scope or len(fed) != 1 or len(routes[fed[0]].points) < 4:
            continue
        *first, (ax, ay), (bx, by_) = routes[fed[0]].points
        nodes[key], routes[fed[0]] = moved, replace(routes[fed[0]], points=(*first, (ax + by, ay), (bx + by, by_)))
    return replace(layout, nodes=nodes, routes=tuple(routes))


def _below(layout: Layout, place: Place, ends: list[Place]) -> float:
    """Where room may be added under `place`: under the outermost frame that holds no other end of a skip."""
    around = [f for f in layout.frames.values() if f.holds(place) and sum(f.holds(end) for end in ends) == 1]
    return max([place.bottom, *(f.bottom for f in around)])


def _stretched(layout: Layout, at: float, by: float) -> Layout:
    """Everything that ends above `at` stays, everything below moves down by `by`; what lies across grows."""

    def y(value: float) -> float:
        return value + by if value > at + 0.01 else value

    def place(p: Place) -> Place:
        return Place(p.x, y(p.y), p.width, y(p.bottom) - y(p.y))

    return replace(layout.mapped(place, lambda point: (point[0], y(point[1]))), height=layout.height + by)
