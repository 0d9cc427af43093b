"""Which operands of an attention an edge brings: its queries, keys or values.

In: a graph, one of its nodes.  Out: letters for each source.
"""
from __future__ import annotations

from collections.abc import Iterator

from archviz.core.graph import Edge, Graph, Node, NodeId, reached

LETTERS = "QKV"


def operands(graph: Graph, node: Node) -> dict[NodeId, str]:
    """Source → the letters of what it brings to the attention that `node` is, or holds with its projections."""
    ends = {member for leaf in node.leaves() if leaf.kind == "attention" for member in leaf.members}
    wires = list(_wires(node))

    def after(edge: Edge) -> list[Edge]:
        return [wire for wire in wires if wire.src == edge.dst] if edge.dst not in ends else []

    letters: dict[NodeId, set[str]] = {}
    for entering in graph.inflow[node.id]:
        ways = {*entering.base, *reached(entering.base, after)}
        slots = {letter for edge in ways if edge.dst in ends for letter in LETTERS[edge.slot:edge.slot + 1]}
        letters.setdefault(entering.src, set()).update(slots)
    return {source: "".join(sorted(slots, key=LETTERS.index)) for source, slots in letters.items() if slots}


def _wires(node: Node) -> Iterator[Edge]:
    yield from (base for wire in node.wires for base in wire.base)
    for part in node.inside:
        yield from _wires(part)
