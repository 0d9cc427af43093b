"""Let a recurrent layer that is the whole model stand alone: x and h are in its picture already.

In: a graph; ``style.options["lone"]``.  Out: where that is true and all there is are inputs, one recurrent layer and
outputs, the graph of this one node, whose members are all of them; any other graph as it is.  Parameters and FLOPs are
kept.  Imports ir, style.
"""
from __future__ import annotations

from typing import Any

from archviz.ir import Graph, merge
from archviz.style import Style


def lone(graph: Graph, style: Style, **options: Any) -> Graph:
    """Merge the inputs and outputs of a single recurrent layer into it, if the style says so."""
    layers = [node for node in graph.nodes if node.kind not in ("input", "output")]
    if not style.options.get("lone") or len(layers) != 1 or layers[0].kind != "recurrent":
        return graph
    return merge(graph, [(layers[0], [node.id for node in graph.nodes])])
