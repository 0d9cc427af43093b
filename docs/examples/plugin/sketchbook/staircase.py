"""A layout: every node one step further to the right and down.  No line can run through a box."""
from archviz.ir import skips
from archviz.layouts import Layout, Place, Route

WRAPS = False       # there is one staircase, however long
COLUMN = 0.8        # where lines enter a node, as a part of its width; right of everything before it


def staircase(graph, sizes, frames, spacing, direction="down", limit=float("inf")):
    places, right, y = {}, 0.0, 0.0
    for node in graph.nodes:                        # in trace order: data flows down
        size = sizes[node.id]
        x = max(right + spacing["across"] - COLUMN * size.width, 0.0)
        places[node.id] = Place(x, y, size.width, size.height)
        right, y = x + size.width, y + size.height + spacing["along"] / 2
    passing = skips(graph)
    routes = []
    for edge in graph.edges:
        if edge.role != "recurrent":
            src, dst = places[edge.src], places[edge.dst]
            level, column = src.y + src.height / 2, dst.x + COLUMN * dst.width
            routes.append(Route(edge.src, edge.dst, ((src.x + src.width, level), (column, level), (column, dst.y)),
                                (edge.src, edge.dst) in passing))
    last = places[graph.nodes[-1].id]
    return Layout(places, {}, tuple(routes), last.x + last.width, last.y + last.height)
