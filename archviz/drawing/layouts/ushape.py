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

from archviz.core.conditioning import signals
from archviz.core.geometry import Frame, Layout, Place, Route, Size
from archviz.core.graph import Edge, Graph, NodeId
from archviz.core.graph import skips as bypasses
from archviz.drawing.layouts._fan import Group, apart, fanned, groups, hits, moved, part
from archviz.drawing.layouts.layered import layered


def ushape(
    graph: Graph,
    sizes: Mapping[NodeId, Size],
    frames: Mapping[NodeId, Frame],
    spacing: Mapping[str, float],
    direction: str = "down",
    limit: float = math.inf,
) -> Layout:
    """Lay a graph with at least two nested skips out as a U (its direction is then "around"), any other as `layered`
    does.

    A U is not wrapped: where it is higher than `limit`, or a skip would run through a box, the answer is `layered`'s
    too.
    """
    u = _conditioned(graph, sizes, frames, spacing) if direction == "down" else None
    return u if u and u.height <= limit else layered(graph, sizes, frames, spacing, direction, limit)


def _conditioned(
    graph: Graph, sizes: Mapping[NodeId, Size], frames: Mapping[NodeId, Frame], spacing: Mapping[str, float]
) -> Layout | None:
    """A U, with what it is conditioned on outside its arms."""
    found = signals(graph)
    if not found:
        return _u(graph, sizes, frames, spacing, (), True) or _u(graph, sizes, frames, spacing, ())
    parts = apart(graph, found)
    if parts is None or _arms(parts[0]) is None:
        return None
    beside = groups(parts[1], found, sizes, frames, spacing)
    return _u(parts[0], sizes, frames, spacing, beside, True) or _u(parts[0], sizes, frames, spacing, beside)


def _u(
    graph: Graph,
    sizes: Mapping[NodeId, Size],
    frames: Mapping[NodeId, Frame],
    spacing: Mapping[str, float],
    beside: Sequence[Group],
    footed: bool = False,
) -> Layout | None:
    """Two arms and what joins them below; `footed`, with what stands lowest between them."""
    found = _arms(graph)
    if found is None:
        return None
    left, skips, bottom = found
    foot, enter = _foot(graph, left, skips, bottom) if footed else (frozenset(), bottom)
    if footed and not foot:
        return None
    arms = [
        layered(part(graph, half), sizes, frames, spacing, way)
        for half, way in ((left - foot, "down"), ({n.id for n in graph.nodes} - left, "up"))
    ]
    passing = bypasses(graph)
    a, b = _level(_aligned(arms[0], graph, [edge.src for edge in skips]), arms[1], skips)
    aside = [group.room + 2 * spacing["beside"] for group in beside[:1]]
    gap = max([spacing["gutter"] * 2 + 2 * spacing["across"], *aside])
    height = max(a.height, b.height)
    a, b = moved(a, 0.0, height - a.height), moved(b, a.width + gap, height - b.height)
    nodes = {**a.nodes, **b.nodes}
    routes = [*a.routes, *b.routes]
    for edge in skips:
        src, dst = nodes[edge.src], nodes[edge.dst]
        y = dst.cy
        line = ((src.right, y), (dst.x, y))
        routes.append(Route(edge.src, edge.dst, line, (edge.src, edge.dst) in passing))
    u = Layout(nodes, {**a.frames, **b.frames}, tuple(routes), b.width + a.width + gap, height,
               {**a.titles, **b.titles}, "around")
    base = layered(part(graph, foot), sizes, frames, spacing, "right") if foot else None
    whole = _based(u, base, enter, bottom, spacing) if base else _joined(u, bottom, spacing)
    if whole is None or any(_crosses(route, whole.nodes) for route in whole.routes[len(a.routes) + len(b.routes):]):
        return None
    roof = min(nodes[edge.dst].y for edge in skips)
    return fanned(whole, beside, a.width + gap / 2, roof, foot, frames, spacing) if beside else whole


def _joined(u: Layout, bottom: Edge, spacing: Mapping[str, float]) -> Layout:
    """The arms with a line from the foot of the one to the foot of the other."""
    low = u.height + spacing["along"]
    src, dst = u.nodes[bottom.src], u.nodes[bottom.dst]
    x0, x1 = src.cx, dst.cx
    points = ((x0, src.bottom), (x0, low), (x1, low), (x1, dst.bottom))
    return replace(u, routes=(*u.routes, Route(bottom.src, bottom.dst, points)), height=low + 1.0)


def _based(u: Layout, base: Layout, enter: Edge, bottom: Edge, spacing: Mapping[str, float]) -> Layout | None:
    """The arms with `base` below, from the left to the right; None where it is too wide to lie between them."""
    src, dst = u.nodes[enter.src], u.nodes[bottom.dst]
    x0, x1 = src.cx, dst.cx
    if base.width > x1 - x0 - 2 * spacing["along"]:
        return None
    base = moved(base, (x0 + x1 - base.width) / 2, u.height + spacing["along"])
    first, last = base.nodes[enter.dst], base.nodes[bottom.src]
    into, out = first.cy, last.cy
    routes = (
        Route(enter.src, enter.dst, ((x0, src.bottom), (x0, into), (first.x, into))),
        Route(bottom.src, bottom.dst, ((last.right, out), (x1, out), (x1, dst.bottom))),
    )
    return replace(
        u,
        nodes={**u.nodes, **base.nodes},
        frames={**u.frames, **base.frames},
        routes=(*u.routes, *routes, *base.routes),
        titles={**u.titles, **base.titles},
        height=u.height + spacing["along"] + base.height + 1.0,
    )


def _crosses(route: Route, nodes: Mapping[NodeId, Place]) -> bool:
    """Does a line run through a box that is not at its ends?"""
    lines = list(zip(route.points, route.points[1:], strict=False))
    return any(hits(line, place) for key, place in nodes.items() if key not in (route.src, route.dst) for line in lines)


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
    fed: dict[NodeId, list[Edge]] = {}
    for edge in graph.flows:
        fed.setdefault(edge.dst, []).append(edge)
    # of the edges into a join, the one from furthest back is the skip
    chosen = [min(edges, key=lambda e: rank[e.src]) for edges in fed.values() if len(edges) == 2]
    chosen = [
        e
        for e in chosen
        if graph.by_id[e.dst].scope[:1] != graph.by_id[e.src].scope[:1] or not graph.by_id[e.src].scope
    ]
    chosen.sort(key=lambda e: rank[e.src])
    around = {e.dst: max(rank[o.src] for o in fed[e.dst]) - rank[e.src] for e in chosen}  # how far back it comes from
    best: list[Edge] = []
    far = [e for e in chosen if around[e.dst] > 1]
    for start in range(len(far)):  # the longest run of skips that lie one inside the other
        run = [far[start]]
        for edge in far[start + 1 :]:
            if rank[edge.src] > rank[run[-1].src] and rank[edge.dst] < rank[run[-1].dst]:
                run.append(edge)
        best = max(best, run, key=len)
    if len(best) < 2:
        return None
    # the innermost may go around a single node, if it is joined as the others are
    last, joined = best[-1], graph.by_id[best[-1].dst].kind
    inmost = [
        e
        for e in chosen
        if around[e.dst] == 1 and graph.by_id[e.dst].kind == joined
        and rank[last.src] < rank[e.src] and rank[e.dst] < rank[last.dst]
    ]
    return (_halves(graph, rank, [*best, inmost[0]]) if inmost else None) or _halves(graph, rank, best)


def _halves(
    graph: Graph, rank: Mapping[NodeId, int], skips: list[Edge]
) -> tuple[set[NodeId], list[Edge], Edge] | None:
    """The arms whose only ties are `skips` and one edge at the bottom."""
    inner = skips[-1]
    between = [n for n in graph.nodes if rank[inner.src] < rank[n.id] <= rank[inner.dst]]
    finer = (n for n in between if n.kind in ("upconv", "upsample") or _scaled(graph, n.id) > 0)
    turn = next(finer, graph.by_id[inner.dst])
    # where what turns is also given away, the right arm begins with what gives it
    before = [n for n in between if rank[n.id] < rank[turn.id] and len(graph.outgoing[n.id]) > 1]
    for first in (turn, *reversed(before)):
        left = {node.id for node in graph.nodes if rank[node.id] < rank[first.id]}
        across = [e for e in graph.flows if (e.src in left) != (e.dst in left)]
        bottom = [e for e in across if e not in skips]
        split = {s for n in graph.nodes if n.id in left for s in n.scope} & {
            s for n in graph.nodes if n.id not in left for s in n.scope
        }
        if len(bottom) == 1 and bottom[0].src in left and not split and len(across) == len(skips) + 1:
            return left, skips, bottom[0]
    return None


def _scaled(graph: Graph, key: NodeId) -> int:
    """Is what this node gives finer than what it gets (1), or coarser (-1)?"""
    out = graph.by_id[key].out
    entering = [e.tensor for e in graph.incoming[key] if e.tensor]
    if not out or not entering or not len(out[0].shape) == len(entering[0].shape) >= 3:
        return 0
    given, taken = out[0].shape[-1], entering[0].shape[-1]
    return (given > taken) - (given < taken)


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
        moved = replace(place, x=place.x + by)
        fed = [i for i, route in enumerate(routes) if route.dst == key]
        middle = ((place.x, place.cy), (moved.right, place.cy))
        crowded = any(hits(middle, other) for k, other in nodes.items() if k != key)
        if not by or crowded or graph.by_id[key].scope or len(fed) != 1 or len(routes[fed[0]].points) < 4:
            continue
        *first, (ax, ay), (bx, by_) = routes[fed[0]].points
        nodes[key], routes[fed[0]] = moved, replace(routes[fed[0]], points=(*first, (ax + by, ay), (bx + by, by_)))
    return replace(layout, nodes=nodes, routes=tuple(routes))


def _below(layout: Layout, place: Place, ends: list[Place]) -> float:
    """Where room may be added under `place`: under the outermost frame that holds no other end of a skip."""
    around = [f for f in layout.frames.values() if _within(place, f) and sum(_within(end, f) for end in ends) == 1]
    return max([place.bottom, *(f.bottom for f in around)])


def _within(place: Place, frame: Place) -> bool:
    return (
        frame.x <= place.x
        and place.right <= frame.right
        and frame.y <= place.y
        and place.bottom <= frame.bottom
    )


def _stretched(layout: Layout, at: float, by: float) -> Layout:
    """Everything that ends above `at` stays, everything below moves down by `by`; what lies across grows."""

    def y(value: float) -> float:
        return value + by if value > at + 0.01 else value

    def place(p: Place) -> Place:
        return Place(p.x, y(p.y), p.width, y(p.bottom) - y(p.y))

    return replace(
        layout,
        nodes={k: place(p) for k, p in layout.nodes.items()},
        frames={k: place(p) for k, p in layout.frames.items()},
        routes=tuple(replace(r, points=tuple((px, y(py)) for px, py in r.points)) for r in layout.routes),
        titles={k: (tx, y(ty)) for k, (tx, ty) in layout.titles.items()},
        height=layout.height + by,
    )
