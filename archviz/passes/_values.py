"""What a value of the trace is made of: data, weights, indices or constants.

In: a trace graph.  Out: `Flow`, the graph by position in the trace, with what each value derives from.

A reader follows the data.  A mask, a table of positions, a size or a cache that was never filled is arithmetic on
constants, and what that arithmetic is called (``arange``, ``cumsum``, ``where``) does not matter: it is enough to know
that nothing but constants, or nothing but integer inputs, went into it.
"""
from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import reduce
from operator import or_

from archviz.core.graph import REAL, Edge, Graph, Node, NodeId, base_edges, reached

CONST, INDEX, WEIGHT, DATA, WAVE = 1, 2, 4, 8, 16
"""A value derives from: constants and sizes; integer or bool inputs; weights; float inputs, or weights that an input
looks up; sines and cosines of constants."""

MAKERS = frozenset(
    "zeros ones full empty arange eye linspace logspace zeros_like ones_like full_like empty_like new_zeros new_ones "
    "new_full new_empty rand randn randint rand_like randn_like randint_like numel size shape finfo dim".split())
"""Functions whose result holds nothing of their operands but a shape, a dtype or a device."""

COUNTERS = frozenset("cumsum argmax argmin nonzero eq ne lt le gt ge isin searchsorted bucketize".split())
"""Functions that make positions or masks out of integers."""

BLANKS = frozenset("zeros ones full zeros_like ones_like full_like new_zeros new_ones new_full".split())
"""Functions that make an empty state to start from."""

WAVES = frozenset(("sin", "cos"))
LOOKUPS = frozenset("embedding linear conv upconv matmul recurrent attention".split())
"""Kinds that turn indices and weights into data."""

NOISE = frozenset("randn rand randn_like rand_like normal".split())
"""Functions that draw noise: worth an arrow where it scales a value."""

BIAS = re.compile(r"bias|(?:^|[._/])(?:b|beta|shift|offset|centers?)$", re.I)
"""In the name of a learned vector: it is added as a bias is, and is part of the layer."""

WEIGHTED = frozenset("conv upconv linear embedding norm recurrent scan opaque failed module attention".split())
"""Kinds that hold weights of their own: a bare weight that flows into them belongs to them."""

Operand = tuple[int, Edge]
"""The position that a value comes from, and the edge by which it comes."""


@dataclass
class Flow:
    """A trace by position: `nodes` in trace order; per node its operands (position, edge) by slot, and its users.

    `bits` tells what each value derives from (`CONST` … `WAVE`, or-ed); `starts` are constants that data flows from.
    """

    nodes: list[Node]
    operands: list[list[Operand]]
    users: list[list[int]]
    bits: list[int]
    starts: set[int]


def flow(graph: Graph) -> Flow:
    """Read `graph`; its nodes must be in an order in which every edge points forward."""
    nodes = list(graph.nodes)
    place = {node.id: i for i, node in enumerate(nodes)}
    owner = graph.owner
    operands: list[list[Operand]] = [[] for _ in nodes]
    users: list[set[int]] = [set() for _ in nodes]
    for edge in base_edges(graph):
        src, dst = place[owner[edge.src]], place[owner[edge.dst]]
        if src < dst:
            operands[dst].append((src, edge))
            users[src].add(dst)
    for each in operands:
        each.sort(key=lambda operand: (operand[1].slot, operand[0]))
    bits = _derived(nodes, operands, set())
    starts = {start for i, node in enumerate(nodes) if (start := _start(nodes, operands, bits, i)) is not None}
    if starts:
        bits = _derived(nodes, operands, starts)
    return Flow(nodes, operands, [sorted(each) for each in users], bits, starts)


def _derived(nodes: list[Node], operands: list[list[Operand]], starts: set[int]) -> list[int]:
    bits: list[int] = []
    for i, node in enumerate(nodes):
        bits.append(DATA if i in starts else _bits(node, [bits[src] for src, _ in operands[i]]))
    return bits


def _start(nodes: list[Node], operands: list[list[Operand]], bits: list[int], i: int) -> int | None:
    """Where the blank state comes from that position `i` projects like data: the queries a decoder starts with."""
    if nodes[i].kind not in ("linear", "recurrent") or not operands[i]:
        return None
    src, edge = operands[i][0]
    while bits[src] == CONST and (edge.tensor is None or is_float(edge.tensor.dtype)):
        if nodes[src].op in BLANKS:
            return src
        if not operands[src]:
            return None
        src, edge = operands[src][0]
    return None


def origin(flow: Flow, i: int) -> int:
    """From `i` up through views and casts to the value itself."""
    while flow.nodes[i].kind in ("view", "cast", "index", "identity") and flow.operands[i]:
        i = flow.operands[i][0][0]
    return i


def hides_later(flow: Flow, i: int) -> bool:
    """Whether position `i` makes the mask which hides what comes later: a triangle of ones, or two ranges compared."""
    op, operands = flow.nodes[i].op, flow.operands[i]
    return op in ("triu", "tril", "triu_", "tril_") or op in ("lt", "le", "gt", "ge") and all(
        flow.nodes[origin(flow, source)].op == "arange" for source, _ in operands)


def told_of_attention(flow: Flow, parts: Collection[int], scope: tuple[NodeId, ...]) -> dict[str, bool]:
    """What the box of an attention, made of `parts`, is to say: ``masked``, where a flag or a mask keeps it from
    looking at what comes later; ``shifted``, where what it looks at was rolled in a module around it."""
    beside = reached(parts, lambda part: (
        source for source, _ in flow.operands[part] if not flow.bits[source] & (DATA | WEIGHT)), parts)
    masked = any(flow.nodes[part].attrs.get("is_causal") is True for part in parts)
    rolled = (node.scope for node, bits in zip(flow.nodes, flow.bits, strict=True) if node.op == "roll" and bits & DATA)
    shifted = any(home and scope[:len(home)] == home for home in rolled)
    found = {"masked": masked or any(hides_later(flow, source) for source in beside), "shifted": shifted}
    return {key: holds for key, holds in found.items() if holds}


def is_float(dtype: str) -> bool:
    """Whether a tensor of this dtype can carry activations."""
    return dtype.startswith(REAL)


def _bits(node: Node, operands: list[int]) -> int:
    if node.kind == "input":
        return DATA if not node.out or is_float(node.out[0].dtype) else INDEX
    if node.kind == "parameter":
        return WEIGHT
    bits = reduce(or_, operands, 0)
    if node.op in MAKERS:
        return CONST
    if node.kind in ("constant", "size"):
        return CONST | WAVE if node.op in WAVES or bits & WAVE else CONST
    unseen = not bits and node.kind in ("embedding", "opaque", "failed", "module")
    if node.params or node.shared is not None or unseen:
        bits |= WEIGHT
    if node.kind in LOOKUPS and bits & WEIGHT and bits & INDEX:
        bits |= DATA
    return bits if bits & (WEIGHT | DATA) else _of_constants(node, bits)


def _of_constants(node: Node, bits: int) -> int:
    """What is made of nothing but constants and indices: a mask and a position are constant, too."""
    if node.op in COUNTERS or (node.out and node.out[0].dtype == "bool"):
        return CONST
    return bits | WAVE if node.op in WAVES else bits or CONST
