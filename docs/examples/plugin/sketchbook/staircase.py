"""A layout: every node one step further to the right and down.

No line can run through a box: lines run above and to the right of everything.
"""
from archviz.core.geometry import Layout, Place, Route
from archviz.core.graph import skips
from archviz.drawing.layouts import Traits

TRAITS = Traits(wraps=False)        # there is one staircase, however long
COLUMN = 0.8        # where lines enter a node: this part of its width


def staircase(graph, sizes, frames, spacing, direction="down", limit=float("inf")):
    places, right, y = {}, 0.0, 0.0
    for node in graph.nodes:        # in trace order: data flows down
        size = sizes[node.id]
        x = max(right + spacing["across"] - COLUMN * size.width, 0.0)
        places[node.id] = Place(x, y, size.width, size.height)
        right, y = x + size.width, y + size.height + spacing["along"] / 2
    passing = skips(graph)
    routes = tuple(
        route(edge, places[edge.src], places[edge.dst], (edge.src, edge.dst) in passing)
        for edge in graph.edges if edge.role != "recurrent")
    last = places[graph.nodes[-1].id]
    return Layout(places, {}, routes, last.right, last.bottom)


def route(edge, src, dst, skip):
    """To the right from the middle of a side, then down into the next node."""
    level, column = src.cy, dst.x + COLUMN * dst.width
    points = (src.right, level), (column, level), (column, dst.y)
    return Route(edge.src, edge.dst, points, skip)
