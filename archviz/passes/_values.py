"""What a value of the trace is made of: data, weights, indices or constants.

In: a trace graph.  Out: `Flow`, the graph by position in the trace, with what each value derives from.  Imports ir.

A reader follows the data.  A mask, a table of positions, a size or a cache that was never filled is arithmetic on
constants, and what that arithmetic is called (``arange``, ``cumsum``, ``where``) does not matter: it is enough to know
that nothing but constants, or nothing but integer inputs, went into it.
"""
from __future__ import annotations

from dataclasses import dataclass

from archviz.ir import Edge, Graph, Node, base_edges

CONST, INDEX, WEIGHT, DATA = 1, 2, 4, 8
"""A value derives from: constants and sizes; integer or bool inputs; weights; float inputs, or weights looked up by an input."""

MAKERS = frozenset(
    "zeros ones full empty arange eye linspace logspace zeros_like ones_like full_like empty_like new_zeros new_ones new_full "
    "new_empty rand randn randint rand_like randn_like randint_like numel size shape finfo dim".split())
"""Functions whose result holds nothing of their operands but a shape, a dtype or a device."""

COUNTERS = frozenset("cumsum argmax argmin nonzero eq ne lt le gt ge isin searchsorted bucketize".split())
"""Functions that make positions or masks out of integers."""

LOOKUPS = frozenset("embedding linear conv upconv matmul recurrent attention".split())
"""Kinds that turn indices and weights into data."""

WEIGHTED = frozenset("conv upconv linear embedding norm recurrent scan opaque failed module attention".split())
"""Kinds that hold weights of their own: a bare weight that flows into them belongs to them."""


@dataclass
class Flow:
    """A trace by position: `nodes` in trace order; per node its operands (position, edge) by slot, and its users.

    `bits` tells what each value derives from (`CONST` … `DATA`, or-ed).
    """

    nodes: list[Node]
    operands: list[list[tuple[int, Edge]]]
    users: list[list[int]]
    bits: list[int]


def flow(graph: Graph) -> Flow:
    """Read `graph`; its nodes must be in an order in which every edge points forward."""
    nodes = list(graph.nodes)
    place = {node.id: i for i, node in enumerate(nodes)}
    owner = graph.owner
    operands: list[list[tuple[int, Edge]]] = [[] for _ in nodes]
    users: list[list[int]] = [[] for _ in nodes]
    for edge in base_edges(graph):
        src, dst = place[owner[edge.src]], place[owner[edge.dst]]
        if src < dst:
            operands[dst].append((src, edge))
            users[src].append(dst)
    bits: list[int] = []
    for i, node in enumerate(nodes):
        operands[i].sort(key=lambda operand: (operand[1].slot, operand[0]))
        bits.append(_bits(node, [(bits[src], edge) for src, edge in operands[i]]))
    for found in users:
        found[:] = sorted(set(found))
    return Flow(nodes, operands, users, bits)


def is_float(dtype: str) -> bool:
    """Whether a tensor of this dtype can carry activations."""
    return dtype.startswith(("float", "bfloat", "complex", "double", "half"))


def _bits(node: Node, operands: list[tuple[int, Edge]]) -> int:
    if node.kind == "input":
        return DATA if not node.out or is_float(node.out[0].dtype) else INDEX
    if node.kind == "parameter":
        return WEIGHT
    if node.kind == "constant" or node.kind == "size" or node.op in MAKERS:
        return CONST
    bits = 0
    for one, _ in operands:
        bits |= one
    if node.params or node.shared is not None or (node.kind in ("embedding", "opaque", "failed", "module") and not bits):
        bits |= WEIGHT
    if node.kind in LOOKUPS and bits & WEIGHT and bits & INDEX:
        bits |= DATA
    if not bits & (WEIGHT | DATA) and (node.op in COUNTERS or (node.out and node.out[0].dtype == "bool")):
        return CONST
    return bits or CONST
