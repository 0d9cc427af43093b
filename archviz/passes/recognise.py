"""Say what a part is known as, where its structure tells: a gated feed-forward network, attention with grouped queries.

In: a graph after fuse, fold and tidy.  Out: the same nodes, edges and frames; ``attrs["gated"]`` of the frame around
gate ⊙ values (`GATES`: ``SwiGLU`` …), ``attrs["num_key_value_heads"]`` of an attention whose keys and values are
narrower than its queries.

What counts is which values meet and how wide they are; no name of a class, a module or a parameter does.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archviz.core.graph import Graph, Node
from archviz.style.style import Style

GATES = {"silu": "SwiGLU", "swish": "SwiGLU", "gelu": "GEGLU", "relu": "ReGLU", "sigmoid": "GLU"}
"""What a linear layer that multiplies another is called, by the activation on it (Shazeer, 2020)."""

BESIDE = frozenset(("linear", "act", "mul", "norm", "dropout"))
"""Kinds that a gated feed-forward network may hold."""


def recognise(graph: Graph, style: Style, **options: Any) -> Graph:
    """Add what is recognised.  Ids, parameters, FLOPs and edges stay as they are."""
    modules = dict(graph.modules)
    for frame, nodes in graph.content.items():
        if name := _gated(graph, nodes):
            modules[frame] = replace(modules[frame], attrs={**modules[frame].attrs, "gated": name})
    drawn = (_grouped(graph, node) if node.kind == "attention" else node for node in graph.nodes)
    return replace(graph, nodes=tuple(drawn), modules=modules)


def _gated(graph: Graph, nodes: Sequence[Node]) -> str:
    """The name of a frame that holds nothing but a gate, what it lets through, and perhaps a linear layer behind."""
    products = [node for node in nodes if node.kind == "mul"]
    if len(products) != 1 or not {node.kind for node in nodes} <= BESIDE:
        return ""
    operands = [graph.by_id[edge.src] for edge in graph.inflow[products[0].id]]
    if len(operands) != 2:
        return ""
    gates = [name for node in operands if (name := _gate(graph, node))]
    plain = [node for node in operands if node.kind == "linear" and not node.attrs.get("fused")]
    return gates[0] if len(gates) == len(plain) == 1 else ""


def _gate(graph: Graph, node: Node) -> str:
    """What the activation at the end of `node` makes of a linear layer before it, or nothing."""
    op = node.op
    if node.kind == "linear":
        op = (node.attrs.get("fused") or [""])[-1]
    elif node.kind != "act" or any(graph.by_id[edge.src].kind != "linear" for edge in graph.incoming[node.id]):
        return ""
    plain = op.lower().removesuffix("activation")
    return next((name for key, name in GATES.items() if plain.endswith(key)), "")


def _grouped(graph: Graph, node: Node) -> Node:
    """An attention that shares keys and values among queries, also where it copies them before it multiplies."""
    heads, width = node.attrs.get("num_heads"), node.attrs.get("head_dim")
    if not heads or not width or "num_key_value_heads" in node.attrs:
        return node
    operands = sorted(graph.inflow[node.id], key=lambda edge: edge.slot)
    projected = [_projection(graph, graph.by_id[edge.src]) for edge in operands]
    if len(projected) != 3 or projected[1] != projected[2] or projected[0] != heads * width:
        return node
    keys = projected[1]
    if not keys or keys >= projected[0] or keys % width:
        return node
    return replace(node, attrs={**node.attrs, "num_key_value_heads": keys // width})


def _projection(graph: Graph, node: Node) -> int:
    """How wide the linear layer is from which a value comes, by way of norms and embeddings of positions; or 0."""
    while node.kind in ("norm", "embedding", "dropout"):
        above = graph.inflow[node.id]
        if len(above) != 1:
            return 0
        node = graph.by_id[above[0].src]
    return int(node.out[0].shape[-1]) if node.kind == "linear" and node.out and node.out[0].shape else 0
