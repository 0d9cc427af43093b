"""Where data is turned by angles that depend on nothing but positions: rotary embeddings, however they are written.

In: a `Flow`.  Out: for each rotation its source, its positions and the last of them.

x · cos + rotate(x) · sin, with the halves or the pairs of x exchanged, or one product of complex numbers: what they
have in common are products of one value with sines and cosines of constants, which meet again.
"""
from __future__ import annotations

from collections.abc import Iterable

from archviz.core.graph import Edge
from archviz.passes._values import DATA, WEIGHT, Flow, is_float

TURNED = frozenset("view index cast identity add mul math cat".split())
"""Kinds of which a rotation is written."""

JOINED = frozenset("add sub cat stack".split())
"""Functions in which its products meet."""


def rotated(flow: Flow) -> Iterable[tuple[int, frozenset[int], int]]:
    """(source, parts, last) of each rotation, in trace order."""
    waved, members = _turned(flow)
    for source, inside in members.items():
        ends = [i for i in inside if i in waved and (flow.nodes[i].op in JOINED or _complex(flow, i))]
        for last in ends:
            whole = not any(waved[last] < waved[other] for other in ends)
            first = not any(other < last and waved[other] == waved[last] for other in ends)
            if whole and first and (len(waved[last]) > 1 or _complex(flow, last)):
                yield source, _between(flow, source, last, set(inside)), last


def _turned(flow: Flow) -> tuple[dict[int, set[int]], dict[int, list[int]]]:
    """Per product with waves, and what follows of it, the products it is made of; and per source what lies between it
    and the end of its rotations."""
    root: list[int] = []
    waved: dict[int, set[int]] = {}
    members: dict[int, list[int]] = {}
    for i, node in enumerate(flow.nodes):
        data = [src for src, _ in flow.operands[i] if flow.bits[src] & DATA]
        roots = {root[src] for src in data}
        if len(roots) != 1 or node.kind not in TURNED or not flow.bits[i] & DATA:
            root.append(i)
            continue
        root.append(roots.pop())
        members.setdefault(root[i], []).append(i)
        products = set().union(*(waved.get(src, set()) for src in data))
        if node.op == "mul" and any(_angles(flow, src, edge) for src, edge in flow.operands[i]):
            products |= {i}
        if products:
            waved[i] = products
    return waved, members


def _angles(flow: Flow, src: int, edge: Edge) -> bool:
    """Whether this operand is a table of sines or cosines: constant, with a row for each position."""
    if flow.bits[src] & (DATA | WEIGHT) or edge.tensor is None:
        return False
    real = is_float(edge.tensor.dtype)
    return real and sum(size > 1 for size in edge.tensor.shape) >= 2


def _complex(flow: Flow, i: int) -> bool:
    """One product of complex numbers turns all pairs at once."""
    node = flow.nodes[i]
    return node.op == "mul" and bool(node.out) and node.out[0].dtype.startswith("complex")


def _between(flow: Flow, source: int, last: int, inside: set[int]) -> frozenset[int]:
    """What leads to `last` and nowhere else."""
    parts = {last}
    for i in sorted((i for i in inside if source < i < last), reverse=True):
        if flow.users[i] and all(user in parts for user in flow.users[i]):
            parts.add(i)
    return frozenset(parts)
