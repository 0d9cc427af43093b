"""A chain folded into rows that run to and fro, as the ox turns with the plough: no line has to lead back.

In: a graph, sizes, frames, spacing.  Out: `Layout`: rows where data flows to the right, else columns.  Frames are drawn
where a row has room for each of their depth.  What is no chain is laid out by `layered`, volumes by `chain`.
"""
from __future__ import annotations

import math
from dataclasses import replace
from itertools import groupby, pairwise

from archviz.core.geometry import Frames, Layout, Place, Route, Size, Sizes, Spacing, cleaned
from archviz.core.graph import Graph, Node, NodeId, is_chain
from archviz.drawing.layouts.chain import chain
from archviz.drawing.layouts.layered import layered

WAYS = {"right": ("right", "left"), "down": ("down", "rising"), "up": ("rising", "down")}
LAID = {"left": "right", "rising": "up"}


def serpentine(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "down",
               limit: float = math.inf) -> Layout:
    """Lay a chain out in as few rows as the limit allows, and as short ones.  spacing: that of `layered`."""
    other, level = chain if "tuck" in spacing else layered, direction == "right"
    rows = _rows(graph, sizes, frames, spacing, level, limit) if other is layered and is_chain(graph) else []
    if len(rows) < 2:
        return other(graph, sizes, frames, spacing, direction, limit)
    parts = []
    for n, (before, row, after) in enumerate(zip([[], *rows], rows, [*rows[1:], []], strict=False)):
        points = {node.id: Size(0.0, 0.0) for node in (*before[-1:], *after[:1])}      # at its ends, where lines turn
        nodes = {k.id: replace(k, scope=()) if k.id in points else k for k in (*before[-1:], *row, *after[:1])}
        part = replace(graph, nodes=tuple(nodes.values()),
                       edges=tuple(edge for edge in graph.flows if edge.src in nodes and edge.dst in nodes))
        way = WAYS[direction][n % 2]
        laid = layered(part, {**sizes, **points}, frames, spacing, LAID.get(way, way))
        laid = replace(_mirrored(laid) if way == "left" else laid, ways={node.id: way for node in row})
        parts.append(replace(laid, nodes={node.id: laid.nodes[node.id] for node in row}))
    return _joined(parts, direction, spacing["gutter"])


def _rows(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, level: bool, limit: float) -> list[list[Node]]:
    """The nodes of each row, in the frames that are drawn; none where all have room in one."""
    def ends(nodes: list[Node]) -> dict[NodeId, tuple[float, float]]:
        laid = layered(replace(graph, nodes=tuple(nodes)), sizes, frames, spacing, "right" if level else "down")
        return {key: (p.x, p.right) if level else (p.y, p.bottom) for key, p in {**laid.nodes, **laid.frames}.items()}
    whole = ends([*graph.nodes])
    if max((end for _, end in whole.values()), default=0.0) <= limit:
        return []
    long = {len(graph.modules[key].scope) for key in graph.content
            if whole[key][1] - whole[key][0] > limit - 2 * spacing["along"]}
    drawn = {key for key in graph.content if len(graph.modules[key].scope) not in long}
    nodes = [replace(node, scope=tuple(key for key in node.scope if key in drawn)) for node in graph.nodes]
    whole = ends(nodes)
    units = [(whole[key][1], [*unit]) for key, unit in groupby(nodes, lambda node: [*node.scope, node.id][0])]
    reach = [0.0, *(end for end, _ in units)]
    best = [(0.0, 0)]       # of the first n units: least sum of squares of the room left, and where the last row begins
    for n in range(1, len(reach)):
        room = [limit - spacing["along"] - reach[n] + start for start in reach[:n]]
        best.append(min((best[m][0] + left ** 2, m) for m, left in enumerate(room) if left >= 0.0 or m == n - 1))
    cuts = [len(units)]
    while cuts[-1]:
        cuts.append(best[cuts[-1]][1])
    return [[node for _, unit in units[begin:end] for node in unit] for end, begin in pairwise(cuts)][::-1]


def _mirrored(row: Layout) -> Layout:
    """A row to the right as one to the left; titles stay at the left of their frames."""
    wide = row.width
    back = row.mapped(lambda p: Place(wide - p.right, p.y, p.width, p.height), lambda at: (wide - at[0], at[1]))
    titles = {key: (x - row.frames[key].x + back.frames[key].x, y) for key, (x, y) in row.titles.items()}
    return replace(back, titles=titles)


def _joined(parts: list[Layout], direction: str, gutter: float) -> Layout:
    """Rows below each other, or columns side by side; lines turn in a lane at either end."""
    level, edge, whole = direction == "right", 0.0, Layout({}, {}, (), 0.0, 0.0, direction=direction)
    length = max(part.width if level else part.height for part in parts)
    for part in parts:
        lane = length if {*part.ways.values()} <= {*LAID} else 0.0      # where its line comes from
        shift = lane and lane - (part.width if level else part.height)
        part = part.moved(*((shift, edge) if level else (edge, shift)))
        edge += (part.height if level else part.width) + gutter
        if whole.routes:
            last, first = whole.routes[-1], part.routes[0]
            turn = [(lane, y) if level else (x, lane) for x, y in (last.points[-1], first.points[0])]
            line = Route(last.src, last.dst, cleaned((*last.points[:-1], *turn, *first.points[1:])))
            whole, part = replace(whole, routes=whole.routes[:-1]), replace(part, routes=(line, *part.routes[1:]))
        whole = whole.joined(part)
    size = (length, edge - gutter) if level else (edge - gutter, length)
    return replace(whole, width=size[0], height=size[1], cuts=((0, 0),) * (len(parts) - 1))     # no line turns back
