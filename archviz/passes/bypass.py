"""A shortcut's projection becomes part of the sum it leads to: what is left of it is a line that passes layers by.

In: a graph.  Out: the same network; where a sum's operand comes through at most `LIGHT` nodes from where the other
operand's longer way begins, these nodes join the sum, whose ``attrs["through"]`` names their operations.  Parameters
and FLOPs keep their sums.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from archviz.core.graph import SUMS, Graph, Node, NodeId
from archviz.core.regroup import merge
from archviz.passes._marks import marks_of
from archviz.style.style import Style

LIGHT = 2
"""So many nodes on a way are a projection, as a convolution and a normalisation are; more are layers of their own."""


def bypass(graph: Graph, style: Style, **options: Any) -> Graph:
    """Draw projections of shortcuts as lines."""
    groups = []
    for node in graph.nodes:
        if node.kind in SUMS and (side := _side(graph, node)):
            attrs = {**node.attrs, "through": [graph.by_id[key].op for key in side]}
            groups.append((replace(node, attrs=attrs), [node.id, *side]))
    return merge(graph, groups) if groups else graph


def _side(graph: Graph, node: Node) -> list[NodeId]:
    """What lies on the shorter of the two ways into `node`, if they begin at one node and it is a projection."""
    entering = [edge.src for edge in graph.inflow[node.id]]
    if len(entering) != 2:
        return []
    short, long = sorted((_way(graph, key, node.repeat) for key in entering), key=len)
    side, origin = short[:-1], short[-1]
    begins = {edge.src for key in long for edge in graph.incoming[key]} | set(long)
    if not 0 < len(side) <= LIGHT or len(long) - 1 <= len(side) or origin not in begins or set(side) & set(long):
        return []
    return [] if any(marks_of(graph.by_id[key].attrs) for key in side) else side


def _way(graph: Graph, key: NodeId, repeat: int) -> list[NodeId]:
    """From `key` up: nodes with one operand that feed nothing else, and the node at which these end."""
    way = [key]
    while True:
        node = graph.by_id[way[-1]]
        entering = [edge.src for edge in graph.inflow[node.id]]
        if len(entering) != 1 or len(graph.outgoing[node.id]) != 1 or node.repeat != repeat:
            return way
        way.append(entering[0])
