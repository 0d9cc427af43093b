"""A row of columns: a plain chain of nodes from left to right, all on one axis.

In: a graph, sizes, frames, spacing.  Out: `Layout`: one row where the form asks no room for any frame and the graph is
a chain that is no longer than the page is wide; otherwise what `layered` gives.  May import ir and the other files of
this folder.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from archviz.ir import Graph, NodeId
from archviz.layouts import Frame, Layout, Place, Route, Size
from archviz.layouts.layered import layered


def columns(
    graph: Graph, sizes: Mapping[NodeId, Size], frames: Mapping[NodeId, Frame], spacing: Mapping[str, float],
    direction: str = "down", limit: float = math.inf,
) -> Layout:
    """Lay a chain out in one row, whatever `direction` says.

    The gap before a node is the width of its `Size.label`, but at least ``along``.
    """
    if frames:
        return layered(graph, sizes, frames, spacing, direction, limit)
    graph = replace(graph, nodes=tuple(replace(node, scope=()) for node in graph.nodes))
    if is_chain(graph):
        row = _row(graph, sizes, spacing)
        if row.width <= limit:
            return row
    return layered(graph, sizes, frames, spacing, "right", limit)


def is_chain(graph: Graph) -> bool:
    """Does each node feed the next one, and nothing else?"""
    flows = [(edge.src, edge.dst) for edge in graph.edges if edge.role != "recurrent"]
    ids = [node.id for node in graph.nodes]
    return flows == list(zip(ids, ids[1:], strict=False))


def gap(size: Size, spacing: Mapping[str, float]) -> float:
    """How far a node with this size stands from the one before."""
    return max(size.label[0], spacing["along"])


def _row(graph: Graph, sizes: Mapping[NodeId, Size], spacing: Mapping[str, float]) -> Layout:
    height = max((size.height for size in sizes.values()), default=0.0)
    places: dict[NodeId, Place] = {}
    x = 0.0
    for node in graph.nodes:
        size = sizes[node.id]
        x += gap(size, spacing) if places else 0.0
        places[node.id] = Place(x, (height - size.height) / 2, size.width, size.height)
        x += size.width
    routes = []
    for edge in graph.edges:
        if edge.role != "recurrent":
            src, dst = places[edge.src], places[edge.dst]
            routes.append(Route(edge.src, edge.dst, ((src.x + src.width, height / 2), (dst.x, height / 2))))
    return Layout(places, {}, tuple(routes), x, height, direction="right")
