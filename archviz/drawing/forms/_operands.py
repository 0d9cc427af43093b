"""Which operands of an attention an edge brings: its queries, keys or values.

In: a graph, one of its nodes.  Out: letters for each source.
"""
from __future__ import annotations

from collections.abc import Iterator

from archviz.core.graph import Edge, Graph, Node, NodeId

LETTERS = "QKV"


def operands(graph: Graph, node: Node) -> dict[NodeId, str]:
    """Source → the letters of what it brings to the attention that `node` is, or holds with its projections."""
    ends = {member for leaf in node.leaves() if leaf.kind == "attention" for member in leaf.members}
    found: dict[NodeId, set[str]] = {}
    for edge in graph.inflow[node.id]:
        for part in edge.base:
            found.setdefault(edge.src, set()).update(_slots(part, list(_wires(node)), ends))
    return {source: "".join(sorted(letters, key=LETTERS.index)) for source, letters in found.items() if letters}


def _slots(part: Edge, wires: list[Edge], ends: set[NodeId]) -> set[str]:
    """Where what enters by `part` arrives at an attention."""
    waiting, seen, letters = [part], set[Edge](), set[str]()
    while waiting:
        edge = waiting.pop()
        if edge in seen:
            continue
        seen.add(edge)
        if edge.dst in ends:
            letters.update(LETTERS[edge.slot:edge.slot + 1])
        else:
            waiting += [wire for wire in wires if wire.src == edge.dst]
    return letters


def _wires(node: Node) -> Iterator[Edge]:
    yield from (base for wire in node.wires for base in wire.base)
    for part in node.inside:
        yield from _wires(part)
