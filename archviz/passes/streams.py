"""Divide a network into the streams that its model runs side by side.

In: a trace graph; ``style.streams``.  Out: the same network in which every layer of a stream is a node of its own,
with ``attrs["stream"]`` (0 is the first) and ``attrs["streams"]`` (how many there are).

``groups``: convolutions in groups read only their part of the channels.  With the layer that feeds the first of them
the channels part, and they meet again in the last layer; in between, layer ``conv2`` is drawn as ``conv2#1``,
``conv2#2`` …, each with its part of the outputs, the parameters and the FLOPs.  A layer that mixes all channels reads
all streams.
``devices``: layers that run side by side on different devices.  ``auto``: devices, else a few groups, else one stream.

Each id of the trace is kept, or is divided into one part a stream; their parameters and FLOPs keep their sums.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import gcd
from typing import Any

from archviz.core.errors import ArchvizError
from archviz.core.graph import Edge, Graph, Node, NodeId, part, reached
from archviz.passes._devices import by_device
from archviz.style.style import Style

MOST = 8        # streams that a figure can show
FEW = 4         # and that one shows unasked: more groups than that are a way to save weights
LAYERS = frozenset(("conv", "upconv", "linear", "matmul", "attention", "recurrent", "embedding", "scan", "module"))
CHANNELWISE = frozenset(("act", "norm", "pool", "dropout", "identity", "cast", "add", "mul", "math", "upsample"))
"""Kinds that leave channels where they are."""

RESHAPES = frozenset(("flatten", "view", "reshape", "unflatten", "squeeze", "unsqueeze", "contiguous", "Flatten"))
"""Functions that keep the order of numbers, and so the channels of a stream together."""

WIDTHS = ("out_channels", "out_features", "num_features", "num_channels", "num_groups")
"""Attributes that count the channels which a node gives."""


def streams(graph: Graph, style: Style, **options: Any) -> Graph:
    """Divide `graph` as ``style.streams`` says.  Raises `ArchvizError` where that asks for what the model has not."""
    asked = style.streams
    if any("streams" in node.attrs for node in graph.nodes):
        return graph
    divided = by_device(graph) if asked in ("auto", "devices") else None
    if asked == "devices" and divided is None:
        raise ArchvizError(f"no layers of {graph.name} run side by side on different devices",
                           "say --streams groups for grouped convolutions, or --streams auto for whatever there is")
    if divided is None and asked in ("auto", "groups"):
        count = _count(graph, asked)
        divided = _Division(graph, count).result() if count > 1 else None
    return divided or graph


def _count(graph: Graph, asked: str) -> int:
    """How many streams the grouped convolutions of `graph` are; 1: there are none."""
    grouped = [node for node in graph.nodes if _groups(node, graph) > 1]
    count = gcd(*(_groups(node, graph) for node in grouped))
    if asked == "auto":
        return count if 1 < count <= FEW else 1
    if not grouped:
        raise ArchvizError(f"no convolution of {graph.name} reads its channels in groups",
                           "say --streams auto, which draws one stream where there is no more, or leave it out")
    if not 1 < count <= MOST:
        numbers = ", ".join(map(str, sorted({_groups(node, graph) for node in grouped})))
        raise ArchvizError(f"the convolutions of {graph.name} have {numbers} groups; a figure shows 2 to {MOST} "
                           "streams that all of them are made of",
                           "say --streams auto, which draws one stream instead, or leave it out")
    return count


def _groups(node: Node, graph: Graph) -> int:
    """The groups of a convolution, each of more than one channel; else 1."""
    groups = node.attrs.get("groups", 1)
    if node.kind not in ("conv", "upconv") or not isinstance(groups, int):
        return 1
    taken = next((e.tensor.shape for e in graph.incoming[node.id] if e.slot == 0 and e.tensor), (0, 0))
    channels = node.attrs.get("in_channels", taken[1] if len(taken) > 1 else 0)
    return groups if channels > groups else 1


class _Division:
    """Which nodes of `graph` are divided into `count` streams, along which axis of their tensor."""

    def __init__(self, graph: Graph, count: int) -> None:
        self.graph, self.count = graph, count
        self.axis: dict[NodeId, int] = {}
        grouped = {node.id for node in graph.nodes if _groups(node, graph) % count == 0}
        wanted = self._below(grouped) | self._above(grouped)
        for node in graph.nodes:
            axis = self._axis(node) if node.id in wanted else None
            if axis is not None and len(node.out) == 1 and axis < len(node.out[0].shape) \
                    and node.out[0].shape[axis] % count == 0:
                self.axis[node.id] = axis

    def _below(self, grouped: set[NodeId]) -> set[NodeId]:
        """What depends on a grouped layer, but for the last layers and what follows them."""
        graph = self.graph
        below = grouped | graph.descendants(grouped)
        layers = set()      # that have a layer after them
        for node in reversed(graph.nodes):
            users = [edge.dst for edge in graph.outgoing[node.id]]
            if any(user in layers or graph.by_id[user].kind in LAYERS for user in users):
                layers.add(node.id)
        last = {n.id for n in graph.nodes if n.id in below - grouped and n.kind in LAYERS and n.id not in layers}
        return below - last - graph.descendants(last)

    def _above(self, grouped: set[NodeId]) -> set[NodeId]:
        """The layers that feed a grouped one, and what stands between."""
        kinds = (*CHANNELWISE, "conv", "upconv")

        def above(key: NodeId) -> Iterable[NodeId]:
            sources = (edge.src for edge in self.graph.incoming[key] if self.graph.by_id[edge.src].kind in kinds)
            return sources if key in grouped or self.graph.by_id[key].kind in CHANNELWISE else ()

        return reached(grouped, above, grouped)

    def _axis(self, node: Node) -> int | None:
        """Along which axis `node` is divided, as far as the nodes before it are."""
        if not node.out:
            return None
        shape = node.out[0].shape
        if node.kind in ("conv", "upconv"):
            return 1 if len(shape) > 2 else None
        if node.kind == "linear":
            return len(shape) - 1 if len(shape) > 1 else None
        before = [self.graph.by_id[edge.src] for edge in self.graph.incoming[node.id] if edge.src in self.axis]
        axes = {self.axis[src.id] for src in before}
        return self._kept(node, axes.pop(), [src.out[0].shape for src in before]) if len(axes) == 1 else None

    def _kept(self, node: Node, axis: int, before: Sequence[tuple[int, ...]]) -> int | None:
        """`axis`, along which the operands of these shapes are divided, if `node` leaves it where it is."""
        shape = node.out[0].shape
        if node.kind in CHANNELWISE:
            return axis if all(len(one) == len(shape) and one[axis] == shape[axis] for one in before) else None
        reshapes = node.kind == "view" and node.op in RESHAPES and axis == 1 and len(shape) > 1 and len(before) == 1
        return 1 if reshapes and before[0][0] == shape[0] else None

    def result(self) -> Graph | None:
        """The graph of parts; None where fewer than two of its layers are divided."""
        if not any(self.graph.by_id[key].kind in ("conv", "upconv", "linear") for key in self.axis):
            return None
        nodes = [one for node in self.graph.nodes for one in self._parts(node)]
        return replace(self.graph, nodes=tuple(nodes), edges=tuple(self._edges(self.graph.edges)))

    def _parts(self, node: Node) -> Sequence[Node]:
        shared = node.shared
        if node.id not in self.axis:
            return [replace(node, shared=part(shared, 0))] if shared and shared in self.axis else [node]
        count, out = self.count, self._divided(node.out[0], node.id)
        attrs = {k: v // count if k in WIDTHS and isinstance(v, int) and v % count == 0 else v
                 for k, v in node.attrs.items()}
        if self._grouped(node):
            attrs["groups"] = node.attrs["groups"] // count
            if "in_channels" in attrs:
                attrs["in_channels"] //= count
        parts = []
        for k in range(count):
            parts.append(replace(
                node, id=part(node.id, k), members=(), attrs={**attrs, "stream": k, "streams": count}, out=(out,),
                params=_share(node.params, k, count), flops=_share(node.flops, k, count),
                shared=part(shared, k) if shared and shared in self.axis else shared))
        return parts

    def _grouped(self, node: Node) -> bool:
        groups = node.attrs.get("groups", 1)
        return node.kind in ("conv", "upconv") and isinstance(groups, int) and groups % self.count == 0

    def _edges(self, edges: Iterable[Edge]) -> Iterable[Edge]:
        """A part reads its own stream; a layer that mixes channels, and all that is not divided, reads every one."""
        for edge in edges:
            src, dst = edge.src in self.axis, edge.dst in self.axis
            tensor = self._divided(edge.tensor, edge.src)
            node = self.graph.by_id[edge.dst]
            mixes = node.kind in ("conv", "upconv", "linear") and not self._grouped(node)
            for i in range(self.count if src else 1):
                for k in range(self.count if dst else 1):
                    if src and dst and not mixes and i != k:
                        continue
                    yield replace(edge, src=part(edge.src, i) if src else edge.src,
                                  dst=part(edge.dst, k) if dst else edge.dst, tensor=tensor)

    def _divided(self, tensor: Any, key: NodeId) -> Any:
        """One stream's part of a tensor that the node `key` gave."""
        axis = self.axis.get(key)
        if axis is None or tensor is None:
            return tensor
        return replace(tensor, shape=(*tensor.shape[:axis], tensor.shape[axis] // self.count, *tensor.shape[axis + 1:]))


def _share(total: int, k: int, count: int) -> int:
    """Of parameters or FLOPs; the first stream has what does not divide."""
    return total // count + (total % count if k == 0 else 0)
