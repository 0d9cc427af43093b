"""The sizes of what nodes give, as bands from top to bottom that all models of a figure share.

In: a graph of one model or of several.  Out: for each model its nodes in the order of the flow, each with its band.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import prod

from archviz.core.disjoint_union import model_of, models
from archviz.core.graph import Graph, Node, NodeId, TensorSpec

Extent = tuple[int, ...]
"""Height and width, or the number of tokens; () for what has neither."""


@dataclass(frozen=True)
class Bands:
    """What stands where, as far as it follows from the sizes.

    extents   of the bands, from top to bottom
    columns   model → its nodes in the order of the flow
    of        node → its band
    """

    extents: tuple[Extent, ...]
    columns: Mapping[NodeId, tuple[NodeId, ...]]
    of: Mapping[NodeId, int]


def bands(graph: Graph) -> Bands:
    """The bands of `graph`: runs of nodes that give one size; equal runs of different models are one band."""
    several = bool(models(graph))
    nodes: dict[NodeId, list[Node]] = {key: [] for key in models(graph)} or {"": []}
    for node in _ordered(graph):
        nodes[model_of(node) if several else ""].append(node)
    runs = {key: [(extent, [node.id for node in run]) for extent, run in groupby(own, _Running())]
            for key, own in nodes.items()}
    common: list[Extent] = []
    for own in runs.values():
        common = _merged(common, [extent for extent, _ in own])
    of: dict[NodeId, int] = {}
    for own in runs.values():
        at = -1
        for extent, ids in own:
            at = common.index(extent, at + 1)
            of.update(dict.fromkeys(ids, at))
    return Bands(tuple(common), {key: tuple(node.id for node in own) for key, own in nodes.items()}, of)


class _Running:
    """The extent of each node of a run; one that is not known is as the one before."""

    def __init__(self) -> None:
        self.last: Extent = ()

    def __call__(self, node: Node) -> Extent:
        if node.out and node.kind != "output":
            self.last = extent(node.out[0])
        return self.last


def extent(spec: TensorSpec) -> Extent:
    """The sizes along which positions lie: not the batch, not the channels; () where there is only one position."""
    if len(spec.axes) == len(spec.shape):
        sizes = tuple(size for axis, size in zip(spec.axes, spec.shape, strict=True) if axis not in "NCh")
    else:
        sizes = spec.shape[2:] if len(spec.shape) > 3 else spec.shape[1:-1]
    return sizes if prod(sizes) > 1 else ()


def _ordered(graph: Graph) -> list[Node]:
    """Each node after all that feed it, those on the longest way in the order of that way."""
    depth: dict[NodeId, int] = {}
    waiting = {node.id: len(graph.inflow[node.id]) for node in graph.nodes}
    ready = [node.id for node in graph.nodes if not waiting[node.id]]
    for key in ready:       # grows
        depth.setdefault(key, 0)
        for edge in graph.outflow[key]:
            depth[edge.dst] = max(depth.get(edge.dst, 0), depth[key] + 1)
            waiting[edge.dst] -= 1
            if not waiting[edge.dst]:
                ready.append(edge.dst)
    return sorted(graph.nodes, key=lambda node: (depth.get(node.id, len(depth)), node.index, node.id))


def _merged(ours: Sequence[Extent], theirs: Sequence[Extent]) -> list[Extent]:
    """The shortest sequence that holds both in their order; between what they share, larger extents stand first."""
    best = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for i in range(len(ours) - 1, -1, -1):
        for j in range(len(theirs) - 1, -1, -1):
            best[i][j] = best[i + 1][j + 1] + 1 if ours[i] == theirs[j] else max(best[i + 1][j], best[i][j + 1])
    found: list[Extent] = []
    i = j = 0
    while i < len(ours) and j < len(theirs):
        if ours[i] == theirs[j]:
            found.append(ours[i])
            i, j = i + 1, j + 1
            continue
        a, b = best[i + 1][j], best[i][j + 1]
        if a > b or a == b and prod(ours[i]) >= prod(theirs[j]):
            found.append(ours[i])
            i += 1
        else:
            found.append(theirs[j])
            j += 1
    return [*found, *ours[i:], *theirs[j:]]
