"""Streams side by side: each in a row of its own, one above the other, twins in one column.

In: a graph whose nodes say in which stream they are (``attrs["stream"]`` of ``attrs["streams"]``), the sizes of its
nodes, spacing.  Out: `Layout`; a node's place is its front face.

What is in no stream stands between the rows, in the middle.  A graph in which more than the streams branches is laid
out by `chain`.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

from archviz.core.geometry import Frames, Layout, Route, Sizes, Spacing
from archviz.core.graph import Graph, NodeId
from archviz.drawing.layouts import Traits
from archviz.drawing.layouts._blocks import Block, blocks_of, clearance
from archviz.drawing.layouts.chain import chain, finished

TRAITS = Traits(wraps=False)


def streams(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "right",
            limit: float = math.inf) -> Layout:
    """Lay `graph` out in rows.  spacing: along (between two outlines), beside (around labels), row (between rows)."""
    columns = _columns(graph)
    if columns is None or any(size.abuts for size in sizes.values()):
        return chain(graph, sizes, frames, spacing, direction, limit)
    blocks = {block.nodes[0]: block for block in blocks_of(graph, sizes, spacing)}
    _rows(graph, columns, blocks, spacing)
    placed: list[Block] = []
    for column in columns:
        here = [blocks[key] for key in column]
        solid = any(sizes[key].width for key in column)
        # a note stands beside what it is on, and lines that go far up or down need room not to be too steep
        wide = max(1.0, 1.5 * _crossed(graph, column) - 0.5) if solid else 0.0
        room = {**spacing, "along": spacing["along"] * wide}
        least = max((block.x + block.leave + room["along"] for block in placed), default=0.0)
        left = min(block.enter for block in here)
        x = max([least - left if placed else 0.0, *(clearance(one, block, room) for block in here for one in placed)])
        for block in here:
            block.x = x
        placed += here
    routes = []
    for edge in graph.flows:
        a, b = blocks[edge.src], blocks[edge.dst]
        start, end = (a.x + a.leave, a.y), (b.x + b.enter, b.y)
        turn = b.x + b.reach[0] - spacing["along"] / 3
        bent = () if abs(a.y - b.y) < 1e-6 else ((turn, start[1]), (turn, end[1]))
        routes.append(Route(edge.src, edge.dst, (start, *bent, end)))
    return finished(graph, list(blocks.values()), sizes, routes, frames, spacing)


def _columns(graph: Graph) -> list[list[NodeId]] | None:
    """The nodes by how far they are from the first; None where one holds two of a stream, or a link skips one."""
    far, columns = dict[NodeId, int](), list[list[NodeId]]()
    for node in graph.nodes:
        steps = {far.get(edge.src, -1) for edge in graph.inflow[node.id]}
        if len(steps) > 1 or -1 in steps:
            return None
        far[node.id] = steps.pop() + 1 if steps else 0
        columns += [[]] if far[node.id] == len(columns) else []
        columns[far[node.id]].append(node.id)
    for column in columns:
        rows = [graph.by_id[key].attrs.get("stream") for key in column]
        if len(set(rows)) < len(rows) or (None in rows and len(rows) > 1):
            return None
    return columns


def _crossed(graph: Graph, column: Sequence[NodeId]) -> float:
    """Over how many rows a line into `column` goes, at most."""
    count = max((int(node.attrs.get("streams", 1)) for node in graph.nodes), default=1)

    def row(key: NodeId) -> float:
        stream = graph.by_id[key].attrs.get("stream")
        return (count - 1) / 2 if stream is None else float(stream)

    return max((abs(row(edge.src) - row(key)) for key in column for edge in graph.incoming[key]), default=0.0)


def _rows(graph: Graph, columns: Sequence[Sequence[NodeId]], blocks: Mapping[NodeId, Block], spacing: Spacing) -> None:
    """Put each stream so far below the one before that no two of their volumes and labels meet."""
    count = max((int(node.attrs.get("streams", 1)) for node in graph.nodes), default=1)
    pitch = 0.0
    for column in columns:
        rows = sorted((int(graph.by_id[key].attrs["stream"]), key) for key in column if len(column) > 1)
        for (i, upper), (k, lower) in pairwise(rows):
            low, high = max(p.bottom for p in blocks[upper].places()), min(p.y for p in blocks[lower].places())
            pitch = max(pitch, (low - high + spacing["row"]) / (k - i))
    for key, block in blocks.items():
        row = graph.by_id[key].attrs.get("stream")
        block.y = 0.0 if row is None else (row - (count - 1) / 2) * pitch
