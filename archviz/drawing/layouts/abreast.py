"""Columns that grow from below: blocks one on the other, what passes by at their sides, encoder and decoder abreast.

In: a graph, sizes, frames, spacing.  Out: `Layout`; what is not made of columns is laid out by `layered`.

Each column stands on one axis.  Skips run on its outer side and enter from there; what feeds it stands beside it; the
column that another one reads hands its last value over through the gap between them.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations, pairwise

from archviz.core.geometry import Frames, Layout, Place, Places, Point, Route, Sizes, Spacing, bounds, cleaned
from archviz.core.graph import Edge, Graph, NodeId
from archviz.drawing.layouts import Traits
from archviz.drawing.layouts._spine import Tower, Towers, towers
from archviz.drawing.layouts._tracks import lanes
from archviz.drawing.layouts.layered import layered

TRAITS = Traits(wraps=False)
Points = tuple[Point, ...]


def abreast(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "up",
            limit: float = math.inf) -> Layout:
    """Lay `graph` out in columns, upwards or downwards; from left to right as `layered` does.

    spacing: besides that of `layered`: fork (from where a line branches to its arrow heads), column (between columns).
    """
    scope = {node.id: [key for key in node.scope if key in frames] for node in graph.nodes}
    columns = towers(graph, scope) if direction != "right" else None
    layout = _Abreast(graph, sizes, frames, scope, spacing, columns).layout() if columns else None
    if layout is None or not _clear(layout):
        return layered(graph, sizes, frames, spacing, direction, limit)
    return layout if direction == "up" else _down(layout)


def _clear(layout: Layout) -> bool:
    """Whether no box lies on another, and all lines run straight up or across, through none, from border to border."""
    return not any(a.meets(b) for a, b in combinations(layout.nodes.values(), 2)) and all(
        _runs_free(route, layout.nodes) for route in layout.routes)


def _runs_free(route: Route, nodes: Places) -> bool:
    if not (_borders(nodes[route.src], route.points[0]) and _borders(nodes[route.dst], route.points[-1])):
        return False
    others = [place for key, place in nodes.items() if key not in (route.src, route.dst)]
    return not any(abs(a[0] - b[0]) > 0.01 and abs(a[1] - b[1]) > 0.01 or any(p.crossed(a, b, 1e-9) for p in others)
                   for a, b in pairwise(route.points))


def _borders(p: Place, point: tuple[float, float]) -> bool:
    x, y = point[0] - p.x, point[1] - p.y
    inside = -0.01 <= x <= p.width + 0.01 and -0.01 <= y <= p.height + 0.01
    return inside and min(abs(x), abs(x - p.width), abs(y), abs(y - p.height)) <= 0.01


def _down(layout: Layout) -> Layout:
    high = layout.height
    return replace(layout.mapped(lambda p: replace(p, y=high - p.y - p.height), lambda at: (at[0], high - at[1])),
                   direction="down")


@dataclass
class _Stack:
    """A column placed around the axis x = 0, with y growing upwards from its foot.

    side   on which its skips run: -1 left, 1 right
    taps   node → height at which what passes by leaves the axis above it
    forks  node → heights at which lines below it branch to its ports, first that of the column's own line
    """

    tower: Tower
    side: int
    at: dict[NodeId, Place] = field(default_factory=dict)
    frames: dict[NodeId, Place] = field(default_factory=dict)
    taps: dict[NodeId, float] = field(default_factory=dict)
    forks: dict[NodeId, tuple[float, float]] = field(default_factory=dict)
    lanes: dict[tuple[NodeId, NodeId], float] = field(default_factory=dict)
    left: float = 0.0
    right: float = 0.0
    top: float = 0.0


class _Abreast:
    def __init__(self, graph: Graph, sizes: Sizes, frames: Frames, scope: Mapping[NodeId, list[NodeId]],
                 spacing: Spacing, towers: Towers) -> None:
        self.graph, self.sizes, self.frames, self.scope = graph, sizes, frames, scope
        self.s, self.towers = spacing, towers
        # What else reads a node than the next one turns off above it.
        beside = [way[0] for column in towers.columns for ways in column.feeders.values() for way in ways]
        self.leaves = {edge.src for edge in towers.skips} | {edge.src for key in beside for edge in graph.incoming[key]}

    def layout(self) -> Layout:
        columns = [self._column(one, -1 if i == 0 and len(self.towers.columns) > 1 else 1)
                   for i, one in enumerate(self.towers.columns)]
        height = max(column.top for column in columns)
        if self.towers.across:
            height = max(height, max(column.top for column in columns[:-1]) + self.s["along"])
        nodes, boxes, titles = dict[NodeId, Place](), dict[NodeId, Place](), dict[NodeId, Point]()
        x, axes, gaps = 0.0, list[float](), list[float]()
        for column in columns:
            axes.append(x - column.left)
            for places, into in ((column.at, nodes), (column.frames, boxes)):
                for key, p in places.items():
                    into[key] = Place(p.x + axes[-1], height - p.y - p.height, p.width, p.height)
            for key in column.frames:
                frame, gap = boxes[key], self.s["title_gap"]
                outer = frame.x - gap - self.frames[key].count if column.side < 0 else frame.right + gap
                titles[key] = (outer, frame.cy + 0.29 * self.frames[key].bar)
            x = axes[-1] + column.right + self.s["column"]
            gaps.append(x - self.s["column"] / 2)
        routes: list[Route] = []
        for column, axis in zip(columns, axes, strict=True):
            routes += (Route(edge.src, edge.dst, tuple((x + axis, height - y) for x, y in points), skip)
                       for edge, points, skip in self._lines(column))
        routes += self._across(columns, axes, gaps, height)
        return Layout(nodes, boxes, tuple(routes), x - self.s["column"], height, titles, "up")

    def _column(self, one: Tower, side: int) -> _Stack:
        column = _Stack(one, side)
        self._stack(column)
        self._beside(column)
        self._lanes(column)
        self._framed(column)
        left, _, right, column.top = bounds([*column.at.values(), *column.frames.values()])
        column.left, column.right = min([left, *column.lanes.values()]), max([right, *column.lanes.values()])
        for key, place in column.frames.items():
            count = self.frames[key].count + self.s["title_gap"] if self.frames[key].count else 0.0
            column.left = min(column.left, place.x - count * (side < 0))
            column.right = max(column.right, place.right + count * (side > 0))
        return column

    def _stack(self, column: _Stack) -> None:
        """The nodes of the column, each above the one before, with room for what branches off between them."""
        s, y, below, reach = self.s, 0.0, list[NodeId](), 0.0
        for i, key in enumerate(column.tower.nodes):
            size, inside = self.sizes[key], self.scope[key]
            if i:
                y = self._gap(column, column.tower.nodes[i - 1], key, below, y)
            ways = column.tower.feeders.get(key, ())
            more = max(self.sizes[ways[0][-1]].height / 2 - size.height / 2, 0.0) if len(ways) == 1 else 0.0
            y = max(y, reach + more + s["label_gap"]) if more else y
            column.at[key] = Place(-size.width / 2, y, size.width, size.height)
            y += size.height
            reach, below = y + more, inside

    def _gap(self, column: _Stack, before: NodeId, key: NodeId, below: list[NodeId], y: float) -> float:
        """Where `key` stands above `before`, which ends at `y` in the frames `below`; notes taps and forks."""
        s, size, inside = self.s, self.sizes[key], self.scope[key]
        same = sum(a == b for a, b in zip(below, inside, strict=False))
        closed, opened = len(below) - same, len(inside) - same
        y += s["pad"] * closed
        if closed or opened:
            y += s["along"] * (0.8 if before in self.leaves or size.ports else 0.6)
        y += s["pad"] * opened * 0.5
        leaves = before in self.leaves or before in column.tower.leavers
        if leaves:
            y += s["turn"]
            column.taps[before] = y
        if not size.ports:
            return y + s["along"] * (0.8 if closed or opened or leaves else 1.0)
        y += s["turn"] if leaves or not opened else 0.0
        column.forks[key] = (y, y + (s["track"] if len(size.ports) > 1 else 0.0))
        return column.forks[key][1] + s["fork"]

    def _beside(self, column: _Stack) -> None:
        """What feeds a node, in the order of its operands around the column's own; and what leaves the column."""
        one = column.tower
        alone = [self.sizes[key].width / 2 for key, ways in one.feeders.items() if [len(way) for way in ways] == [1]]
        for key, ways in one.feeders.items():
            if [len(way) for way in ways] == [1]:
                self._feeder(column, key, ways[0][0], max(alone))
            else:
                self._feeders(column, key, ways)
        for key, ways in one.leavers.items():
            above = column.at[one.nodes[one.nodes.index(key) + 1]] if key != one.nodes[-1] else None
            for i, way in enumerate(ways):
                size = self.sizes[way[0]]
                wide = (above.width if above else self.sizes[key].width) / 2 + self.s["across"]
                y = above.cy - size.height / 2 if above else column.at[key].y
                x = wide if (column.side if i % 2 == 0 else -column.side) > 0 else -wide - size.width
                column.at[way[0]] = Place(x, y, size.width, size.height)

    def _feeder(self, column: _Stack, key: NodeId, source: NodeId, widest: float) -> None:
        """The one node that feeds `key` from beside the column, level with it."""
        size, side = self.sizes[source], column.side if len(self.towers.columns) > 1 else -1
        reach = widest + self.s["across"] + self.s["beside"]
        y = column.at[key].y + (self.sizes[key].height - size.height) / 2
        column.at[source] = Place(reach if side > 0 else -reach - size.width, y, size.width, size.height)

    def _feeders(self, column: _Stack, key: NodeId, ways: Sequence[Sequence[NodeId]]) -> None:
        """Several ways that feed `key`, or a long one, each a column of its own that goes down from beside it."""
        nodes, gap = column.tower.nodes, self.s["across"]
        index = nodes.index(key)
        slots = {edge.src: edge.slot for edge in self.graph.incoming[key]}
        main = slots.get(nodes[index - 1], 0) if index else 0
        widest = max(self.sizes[k].width for k in nodes[max(index - 3, 0):index + 1])
        reached = {-1: widest / 2, 1: widest / 2}       # how far out there is something, left and right
        for way in ways:
            side = -1 if slots[way[-1]] < main else 1
            if reached[side] > reached[-side]:      # taken by one before
                side = -side
            wide = max(self.sizes[k].width for k in way)
            middle = side * (reached[side] + gap + wide / 2)
            reached[side] += gap + wide
            for step, k in enumerate(reversed(way), 1):
                level, size = column.at[nodes[max(index - step, 0)]], self.sizes[k]
                y = level.y + (level.height - size.height) / 2
                column.at[k] = Place(middle - size.width / 2, y, size.width, size.height)

    def _lanes(self, column: _Stack) -> None:
        """A lane for each skip: the shorter ones nearer to the column."""
        index = {key: i for i, key in enumerate(column.tower.nodes)}
        skips = [edge for edge in self.towers.skips if edge.src in index]
        skips.sort(key=lambda edge: index[edge.dst] - index[edge.src])
        spans = [(index[edge.src], index[edge.dst]) for edge in skips]
        for edge, (low, high), lane in zip(skips, spans, lanes(spans), strict=True):
            passed = max(self.sizes[key].width for key in column.tower.nodes[low + 1:high + 1])
            column.lanes[edge.src, edge.dst] = column.side * (passed / 2 + self.s["beside"] + lane * self.s["lane"])

    def _framed(self, column: _Stack) -> None:
        """A frame around its nodes, inner frames and lanes, the inner ones first."""
        depth = {frame: max(keys.index(frame) for keys in self.scope.values() if frame in keys)
                 for k in column.at for frame in self.scope[k]}
        for key in sorted(depth, key=lambda frame: -depth[frame]):
            inside = [k for k in column.at if key in self.scope[k]]
            inner = [column.frames[f] for f in column.frames if any(
                self.scope[k][:1 + self.scope[k].index(f)].count(key) for k in inside if f in self.scope[k])]
            lanes = [x for (_, dst), x in column.lanes.items() if dst in inside]
            left, top, right, bottom = bounds([*(column.at[k] for k in inside), *inner])
            pad = self.s["pad"]
            left, right = min([left, *lanes]) - pad, max([right, *lanes]) + pad
            left, right = min(left, -right) if not lanes else left, max(right, -left) if not lanes else right
            low = min([top, *self._branching(column, inside)])
            low -= pad * (0.5 if low < top else 1.0)
            column.frames[key] = Place(left, low, right - left, bottom + pad - low)

    @staticmethod
    def _branching(column: _Stack, inside: Sequence[NodeId]) -> list[float]:
        """Heights below the first of some nodes at which lines branch."""
        nodes = column.tower.nodes
        first = min(nodes.index(key) for key in inside if key in nodes)
        tap = column.taps.get(nodes[first - 1]) if first else None
        return [*column.forks.get(nodes[first], ()), *([] if tap is None else [tap])]

    def _lines(self, column: _Stack) -> Iterable[tuple[Edge, Points, bool]]:
        order = {key: i for i, key in enumerate(column.tower.nodes)}
        feeding = {key for ways in column.tower.feeders.values() for way in ways for key in way}
        for edge in self.graph.flows:
            if edge.src not in column.at or edge.dst not in column.at:
                continue
            src, dst = column.at[edge.src], column.at[edge.dst]
            x0, y0 = src.cx, src.bottom
            if edge.src in order and order.get(edge.dst) == order[edge.src] + 1:
                for x in self._ports(edge, dst):
                    bus = column.forks[edge.dst][0] if edge.dst in column.forks else y0
                    yield edge, cleaned(((x0, y0), (x0, bus), (x, bus), (x, dst.y)), near=0.0), False
            elif (edge.src, edge.dst) in column.lanes:
                lane, tap = column.lanes[edge.src, edge.dst], column.taps[edge.src]
                end = dst.x if column.side < 0 else dst.right
                yield edge, ((x0, y0), (x0, tap), (lane, tap), (lane, dst.cy), (end, dst.cy)), True
            elif edge.src in feeding:
                yield edge, _sideways(src, dst) if edge.dst in order else ((x0, y0), (x0, dst.y)), False
            else:
                tap = column.taps.get(edge.src, y0)
                yield edge, ((x0, y0), (x0, tap), (dst.cx, tap), (dst.cx, dst.y)), False

    def _ports(self, edge: Edge, dst: Place) -> list[float]:
        """Where a line into the foot of a node ends, from its axis."""
        ports = self.sizes[edge.dst].ports
        return [dst.x + x for x in ports[edge.src]] if edge.src in ports else [dst.cx]

    def _across(self, columns: list[_Stack], axes: list[float], gaps: list[float], height: float) -> Iterable[Route]:
        where = {key: i for i, column in enumerate(columns) for key in column.tower.nodes}
        for edge in self.towers.across:
            a, b = where[edge.src], where[edge.dst]
            src, dst = columns[a].at[edge.src], columns[b].at[edge.dst]
            x0, y0 = axes[a], src.bottom
            over, gap = columns[a].top + self.s["along"] * 0.8, gaps[b - 1]
            if edge.src in self.sizes[edge.dst].ports:
                bus = columns[b].forks[edge.dst][1]
                ends: list[Points] = [((gap, bus), (axes[b] + x, bus), (axes[b] + x, dst.y))
                                      for x in self._ports(edge, dst)]
            else:
                ends = [((gap, dst.cy), (axes[b] + dst.x, dst.cy))]
            for end in ends:
                points = ((x0, y0), (x0, over), (gap, over), *end)
                yield Route(edge.src, edge.dst, tuple((x, height - y) for x, y in points))


def _sideways(src: Place, dst: Place) -> Points:
    """From what stands beside a column to the side of one of its nodes."""
    right, level = src.cx > 0, dst.cy
    end = (dst.right if right else dst.x, level)
    if src.y <= level <= src.bottom:
        return (src.x if right else src.right, level), end
    return (src.cx, src.bottom if level > src.bottom else src.y), (src.cx, level), end
