"""Branches that lie side by side and are concatenated, as one part of a caption: ``four parallel branches (…)``.

In: a graph and the parts of it.  Out: the parts, each group of branches in one.  Imports ir, parts, phrases.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archviz.ir import Graph, NodeId
from archviz.parts import Part
from archviz.phrases import number, phrases

LEAST = 3       # branches; of two, one is a skip connection or a second input


def gathered(parts: Sequence[Part], graph: Graph) -> tuple[Part, ...]:
    """`parts` with what lies side by side between a fork and a concatenation told as branches of one part."""
    for join in parts:
        branches = _branches(join, parts, graph)
        if branches:
            inside = [part for branch in branches for part in branch]
            told = "; ".join(", then ".join(phrases(branch)) for branch in branches)
            one = f"{number(len(branches))} parallel branches ({told}), whose outputs are concatenated"
            whole = replace(join, one=one, said=True, size=sum(part.size for part in inside))
            return gathered([whole if part is join else part for part in parts if part not in inside], graph)
    return tuple(parts)


def _branches(join: Part, parts: Sequence[Part], graph: Graph) -> list[list[Part]]:
    """What each branch that ends in `join` holds; nothing where these are no branches of one fork."""
    if join.said or join.inside or join.kinds != ("cat",):
        return []
    ways = [_way(edge.src, graph) for edge in graph.incoming[join.nodes[0].id]]
    if len(ways) < LEAST or len({fork for fork, _ in ways}) > 1:
        return []
    found = [[part for part in parts if {node.id for node in part.nodes} <= nodes] for _, nodes in ways]
    told = {node.id for branch in found for part in branch for node in part.nodes}
    whole = all(not {node.id for node in part.nodes} & nodes or {node.id for node in part.nodes} <= told
                for part in parts for _, nodes in ways)
    return found if whole and all(found) else []


def _way(end: NodeId, graph: Graph) -> tuple[NodeId, frozenset[NodeId]]:
    """From `end` back to where others turn off as well: that node, and the nodes before it."""
    nodes: set[NodeId] = set()
    while len(graph.outgoing[end]) == 1 and len(graph.incoming[end]) == 1:
        nodes.add(end)
        end = graph.incoming[end][0].src
    return end, frozenset(nodes)
