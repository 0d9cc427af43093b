"""Say about each node what a caption may want: its receptive field, how many activations it gives, which axis is which.

In: a trace graph.  Out: the same graph with ``attrs["receptive_field"]`` (input samples per axis, on convolutions and
poolings), ``attrs["activations"]`` (numbers in its outputs), ``attrs["taken"]`` (the one step of a recurrent layer's
output that is taken by an index: the ``first`` or the ``last``), and `TensorSpec.axes` where they follow from the
layers.  Parameters are left as the trace counted them; FLOPs and activations are those of one sample, where layers tell
that all inputs are batches of one size.  Where they do not tell, a first axis that is longer than 1 is no batch, and
named X in all tensors.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any

from archviz.core.graph import Edge, Graph, Node, NodeId, TensorSpec
from archviz.style.style import Style

Field = tuple[tuple[float, ...], tuple[float, ...]]
"""Receptive field and step between neighbours, in input samples, per spatial axis."""

CHANNELS_FIRST = {3: "NCL", 4: "NCHW", 5: "NCDHW"}
CHANNELS_LAST = {2: "NC", 3: "NLC", 4: "NHWC", 5: "NDHWC"}
LOCAL = frozenset("norm act add mul cat dropout cast identity math softmax mask".split())
"""Kinds that leave axes where they are and look at no neighbours."""


def annotate(graph: Graph, style: Style, **options: Any) -> Graph:
    """Add receptive fields, activation counts and axes."""
    fields: dict[NodeId, Field | None] = {}
    axes: dict[NodeId, str] = {}
    nodes = []
    read_as = {node.id: _read_as(node, graph) for node in graph.nodes if node.kind == "input" and node.out}
    samples = _samples(graph, read_as)
    for node in graph.nodes:
        before = [edge for edge in graph.incoming[node.id] if edge.src in fields]
        field = _field(node, [fields[edge.src] for edge in before
                             if graph.by_id[edge.src].kind not in ("parameter", "constant")])
        fields[node.id] = field
        axes[node.id] = _axes(node, before, axes) or read_as.get(node.id, "")
        attrs = dict(node.attrs)
        if node.out:
            attrs["activations"] = sum(prod(tensor.shape) for tensor in node.out) // max(samples, 1)
        if node.kind == "linear" and node.out and node.out[0].shape:
            attrs.update(_widths(node, graph.incoming[node.id]))
        if field is not None and node.kind in ("conv", "pool"):
            attrs["receptive_field"] = [int(size) for size in field[0]]
        if node.kind == "recurrent" and (step := _taken(node, graph)):
            attrs["taken"] = step
        named = tuple(_named(tensor, axes[node.id], samples) for tensor in node.out)
        nodes.append(replace(node, attrs=attrs, out=named, flops=node.flops // max(samples, 1)))
    edges = tuple(edge if edge.tensor is None else replace(
        edge, tensor=_named(edge.tensor, axes.get(edge.src, ""), samples)) for edge in graph.edges)
    return replace(graph, nodes=tuple(nodes), edges=edges)


def _widths(node: Node, before: tuple[Edge, ...]) -> dict[str, int]:
    """What goes in and out of a product with a weight that does not say so itself, and how many experts share it."""
    shapes = {edge.slot: edge.tensor.shape for edge in before if edge.tensor is not None}
    widths = {"out_features": node.out[0].shape[-1]}
    if len(shapes.get(0, ())) > 1:
        widths["in_features"] = shapes[0][-1]
    if node.op == "grouped_mm" and len(shapes.get(1, ())) == 3:
        widths["num_experts"] = shapes[1][0]
    return {key: value for key, value in widths.items() if key not in node.attrs}


def _taken(node: Node, graph: Graph) -> str:
    """Which step of a sequence is taken by an index: the ``first`` or the ``last``; empty where none is, or several."""
    time = 1 if node.attrs.get("batch_first") else 0
    length = node.out[0].shape[time] if node.out and len(node.out[0].shape) == 3 else 0
    whole = [edge for edge in graph.outgoing[node.id] if node.out and edge.tensor == node.out[0]]   # not the last state
    indices = [graph.by_id[edge.dst].attrs.get("at") for edge in whole]
    steps = {at[time] for at in indices if isinstance(at, list) and len(at) > time and isinstance(at[time], int)}
    return {0: "first", -1: "last", length - 1: "last"}.get(steps.pop(), "") if len(steps) == 1 else ""


def _named(tensor: TensorSpec, axes: str, samples: int) -> TensorSpec:
    if tensor.axes or len(axes) != len(tensor.shape):
        return tensor
    rows = "N" in axes and not samples and tensor.shape[axes.index("N")] > 1
    return replace(tensor, axes=axes.replace("N", "X") if rows else axes)


def _samples(graph: Graph, axes: Mapping[NodeId, str]) -> int:
    """How many samples the inputs hold; 0 where that is not known: rows may be samples, tokens or nodes."""
    shapes = {key: graph.by_id[key].out[0].shape for key in axes}
    sizes = {shape[axes[key].index("N") if axes[key] else 0] for key, shape in shapes.items() if shape}
    if sizes == {1}:
        return 1
    return sizes.pop() if len(sizes) == 1 and any(axes.values()) else 0


def _axes(node: Node, before: list[Edge], axes: dict[NodeId, str]) -> str:
    if not node.out:
        return ""
    rank = len(node.out[0].shape)
    if node.out[0].axes:
        return node.out[0].axes
    if node.kind in ("conv", "upconv"):
        return CHANNELS_FIRST.get(rank, "")
    if node.kind in ("linear", "embedding"):
        return CHANNELS_LAST.get(rank, "")
    if node.kind in LOCAL or node.kind in ("pool", "upsample", "output") or node.op in ("pad", "contiguous", "clone"):
        return next((axes[e.src] for e in before if len(axes.get(e.src, "")) == rank), "")
    if node.kind in ("attention", "recurrent") and rank == 3:
        return "LNC" if node.attrs.get("batch_first") is False else "NLC"
    return ""


def _read_as(node: Node, graph: Graph) -> str:
    """The axes of an input, told from the first layer that reads it and has a batch, through what leaves axes alone."""
    rank, waiting, seen = len(node.out[0].shape), [node.id], {node.id}
    while waiting and len(seen) < 32:
        for edge in graph.outgoing[waiting.pop(0)]:
            reader = graph.by_id[edge.dst]
            if reader.kind in ("conv", "upconv"):
                return CHANNELS_FIRST.get(rank, "")
            if reader.kind == "embedding" and rank == 2:
                return "NL"
            if reader.kind in ("attention", "recurrent") and rank == 3 and "batch_first" in reader.attrs:
                return "NLC" if reader.attrs["batch_first"] else "LNC"
            if edge.dst not in seen and (reader.kind in LOCAL or reader.op == "pad"):
                seen.add(edge.dst)
                waiting.append(edge.dst)
    return ""


def _field(node: Node, before: list[Field | None]) -> Field | None:
    """What part of the input one output sees; None once it is all of it, or unknown."""
    if node.kind == "input":
        rank = len(node.out[0].shape) - 2 if node.out else 0
        return ((1.0,) * rank, (1.0,) * rank) if rank in (1, 2, 3) and "int" not in node.out[0].dtype else None
    fields = [field for field in before if field is not None]
    if not fields or len(fields) < len(before):
        return None
    size = tuple(max(sizes) for sizes in zip(*(field[0] for field in fields), strict=False))
    step = tuple(max(steps) for steps in zip(*(field[1] for field in fields), strict=False))
    if node.kind in LOCAL:
        return size, step
    return _widened(node, size, step) if node.kind in ("conv", "pool", "upconv", "upsample") else None


def _widened(node: Node, size: tuple[float, ...], step: tuple[float, ...]) -> Field | None:
    """The field of a window that is moved over values of that field."""
    window = node.attrs.get("kernel_size")
    kernel, stride, dilation = (_per_axis(value, len(size)) for value in (
        window, node.attrs.get("stride") or window, node.attrs.get("dilation", 1)))
    if kernel is None or stride is None or dilation is None:
        return None
    if node.kind == "upconv":
        step = tuple(s / f for s, f in zip(step, stride, strict=True))
        return tuple(s + (k - 1) * j for s, k, j in zip(size, kernel, step, strict=True)), step
    grown = tuple(s + (k - 1) * d * j for s, k, d, j in zip(size, kernel, dilation, step, strict=True))
    return grown, tuple(j * f for j, f in zip(step, stride, strict=True))


def _per_axis(value: Any, rank: int) -> tuple[float, ...] | None:
    if isinstance(value, int | float):
        return (float(value),) * rank
    if isinstance(value, list | tuple) and len(value) == rank and all(isinstance(v, int | float) for v in value):
        return tuple(float(v) for v in value)
    return None
