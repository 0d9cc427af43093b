"""How an operation becomes many vertices, and which of them a line joins.

In: nodes with what they give.  Out: numbers of dots, their places, and pairs of them.

No chance is involved: dots stand in the spiral of a sunflower, and what is sampled follows the additive sequence of
Roberts (2018), which spreads any number of points evenly.
"""
from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

from archviz.core.graph import Edge, Graph, Node, NodeId
from archviz.core.scene import Point

GOLDEN = math.pi * (3 - math.sqrt(5))       # the angle between two seeds of a sunflower
PLASTIC = 1.32471795724474602596            # x³ = x + 1: the golden ratio of two dimensions
SAME = frozenset({"norm", "act", "softmax", "add", "mul", "pool", "dropout", "upsample", "cat", "math", "output",
                  "mask", "identity", "cast"})
"""Kinds that make each channel of what they give from the same channel of what they take."""


def channels(node: Node) -> int:
    """How many channels a node gives: heads × their features for attention, else features or maps."""
    if not node.out:
        return 1
    spec = node.out[0]
    if len(spec.axes) == len(spec.shape) and "C" in spec.axes:
        return max(spec.shape[spec.axes.index("C")], 1)
    if node.kind == "attention" and len(spec.shape) == 4:
        return max(spec.shape[1] * spec.shape[3], 1)
    if spec.dtype.startswith("int") or len(spec.shape) < 2:
        return 1
    return max(spec.shape[1] if len(spec.shape) == 4 else spec.shape[-1], 1)


def seeds(count: int, inner: float, area: float, turn: float) -> list[Point]:
    """`count` places around the origin, outside the radius `inner`, with `area` for each, in order of their angle."""
    places = [(math.sqrt(inner * inner + (i + 0.5) * area / math.pi), (i * GOLDEN + turn) % (2 * math.pi))
              for i in range(count)]
    places.sort(key=lambda place: ((place[1] - turn) % (2 * math.pi), place[0]))
    return [(rho * math.sin(angle), -rho * math.cos(angle)) for rho, angle in places]


def outer(count: int, inner: float, area: float) -> float:
    """The radius that `count` seeds outside of `inner` reach."""
    return math.sqrt(inner * inner + count * area / math.pi)


def pairs(graph: Graph, edge: Edge, counts: Mapping[NodeId, int], share: float) -> Iterator[tuple[int, int]]:
    """Which dots of ``edge.src`` are joined with which of ``edge.dst``.

    Channel by channel, where that is what the operation does: each once.  Else as many of all connections there are as
    `share` times the dots of the larger one, spread evenly; of grouped ones only those within a group.
    """
    src, dst = graph.by_id[edge.src], graph.by_id[edge.dst]
    here, there = counts[src.id], counts[dst.id]
    if dst.kind in SAME:
        start, end = _slice(graph, edge)
        for i in range(here):
            yield i, min(int((start + (end - start) * (i + 0.5) / here) * there), there - 1)
        return
    groups, parts = _groups(src, dst)
    done: set[tuple[int, int]] = set()
    for k in range(max(1, round(share * max(here, there)))):
        a, b = (0.5 + (k + 1) / PLASTIC) % 1.0, (0.5 + (k + 1) / PLASTIC ** 2) % 1.0
        group = int(b * groups)
        a = (int(a * parts) + (group + (a * parts) % 1.0) / groups) / parts
        pair = min(int(a * here), here - 1), min(int(b * there), there - 1)
        if pair not in done:
            done.add(pair)
            yield pair


def _slice(graph: Graph, edge: Edge) -> tuple[float, float]:
    """Which part of what a concatenation gives this operand is; of all others, the whole."""
    if graph.by_id[edge.dst].kind != "cat":
        return 0.0, 1.0
    operands = sorted((e for e in graph.incoming[edge.dst]), key=lambda e: (e.slot, e.src))
    sizes = [channels(graph.by_id[e.src]) for e in operands]
    at = operands.index(edge)
    return sum(sizes[:at]) / sum(sizes), sum(sizes[:at + 1]) / sum(sizes)


def _groups(src: Node, dst: Node) -> tuple[int, int]:
    """In how many groups channels stay among themselves, and how often what is taken holds all groups."""
    if dst.kind == "attention" and dst.out and len(dst.out[0].shape) == 4:
        whole = channels(dst)
        return dst.out[0].shape[1], max(channels(src) // whole, 1) if channels(src) % whole == 0 else 1
    groups = dst.attrs.get("groups", 1)
    return (groups if isinstance(groups, int) and groups > 0 else 1), 1


def dealt(items: Sequence[tuple[int, int]], hands: int) -> list[list[tuple[int, int]]]:
    """`items` in turn to so many hands, none of them empty."""
    return [hand for i in range(hands) if (hand := list(items[i::hands]))]
