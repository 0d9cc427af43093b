"""A row of columns: a plain chain of nodes from left to right, all on one axis.

In: a graph, sizes, frames, spacing.  Out: `Layout`: one row where the form asks for no frames and the graph is a chain;
otherwise what `layered` gives.
"""
from __future__ import annotations

import math

from archviz.core.geometry import Frames, Layout, Place, Route, Sizes, Spacing
from archviz.core.graph import Graph, NodeId, is_chain
from archviz.drawing.layouts.layered import layered


def columns(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "down",
            limit: float = math.inf) -> Layout:
    """Lay a chain out in one row, whatever `direction` says; a row is never wrapped.

    The gap before a node is the width of its `Size.label`.
    """
    if frames or not is_chain(graph):
        return layered(graph, sizes, frames, spacing, direction, limit)
    height = max((size.height for size in sizes.values()), default=0.0)
    places: dict[NodeId, Place] = {}
    x = 0.0
    for node in graph.nodes:
        size = sizes[node.id]
        x += size.label[0] if places else 0.0
        places[node.id] = Place(x, (height - size.height) / 2, size.width, size.height)
        x += size.width
    routes = (Route(edge.src, edge.dst, ((places[edge.src].right, height / 2), (places[edge.dst].x, height / 2)))
              for edge in graph.flows)
    return Layout(places, {}, tuple(routes), x, height, direction="right")
