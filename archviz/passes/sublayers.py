"""Draw what papers on attention draw as one box as one: "Add & Norm", "Feed Forward", attention with its projections.

In: a graph without plumbing.  Out: the same network, in which these are single nodes:

- the sum that ends a residual branch, and the norm that alone reads it: op ``add_norm``, kind ``norm``;
- two linear layers with an activation between them that give back the width they began with: op ``feed_forward``, kind
  ``linear``, with the width in between as ``inner``, the activation's op as ``act``, and as ``called`` the name that
  papers have for it;
- the convolution that cuts an image into patches, each of which it reads once: op ``patches``, kind ``conv``;
- a module that holds nothing but one attention and linear layers around it: op ``attention``, kind ``attention``.

All by structure; what a module is called plays no part.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from archviz.core.graph import Edge, Graph, Node, NodeId, skips
from archviz.core.regroup import merge
from archviz.passes._marks import marks_of
from archviz.style.style import Style

SAID = ("masked", "num_heads", "num_key_value_heads")
"""What is said of the attention inside a module."""


def sublayers(graph: Graph, style: Style, **options: Any) -> Graph:
    """Merge what is one sublayer.  Keeps ids, parameters and FLOPs."""
    graph = merge(graph, _attentions(graph))
    graph = merge(graph, _feeds(graph))
    graph = replace(graph, nodes=tuple(_projection(graph, node) for node in graph.nodes))
    passing = skips(graph)
    return merge(graph, [merged for node in graph.nodes if (merged := _add_norm(graph, node, passing))])


def _add_norm(graph: Graph, node: Node, passing: set[tuple[NodeId, NodeId]]) -> tuple[Node, list[NodeId]] | None:
    after = _only_user(graph, node)
    residual = node.kind == "add" and any((edge.src, node.id) in passing for edge in graph.incoming[node.id])
    if not residual or after is None or after.kind != "norm" or after.scope != node.scope or _said(node, after):
        return None
    return replace(after, op="add_norm"), [node.id, after.id]


def _feeds(graph: Graph) -> list[tuple[Node, list[NodeId]]]:
    groups = []
    for node in graph.nodes:
        act = _only_user(graph, node) if node.kind == "linear" else None
        last = _only_user(graph, act) if act and act.kind == "act" and len(graph.incoming[act.id]) == 1 else None
        if act is None or last is None or last.kind != "linear" or _said(node, act, last):
            continue
        first, inner = node.attrs.get("in_features"), node.attrs.get("out_features")
        if first is None or inner is None or last.attrs.get("out_features") != first or not inner > first:
            continue
        ids = [node.id, act.id, last.id]
        scope = _around(graph, ids, node.scope)
        if node.scope == act.scope == last.scope:
            called = "MLP" if any("mlp" in f.rsplit(".", 1)[-1].lower() for f in node.scope[-1:]) else "Feed Forward"
            attrs = {"in_features": first, "out_features": first, "inner": inner, "act": act.op, "called": called}
            groups.append((replace(node, op="feed_forward", scope=scope, out=last.out, attrs=attrs), ids))
    return groups


def _projection(graph: Graph, node: Node) -> Node:
    kernel, before = node.attrs.get("kernel_size"), graph.incoming[node.id]
    whole = node.kind == "conv" and isinstance(kernel, list) and len(kernel) == 2 and min(kernel) > 1
    cuts = whole and kernel == node.attrs.get("stride") and not _said(node) and len(before) == 1
    return replace(node, op="patches") if cuts and graph.by_id[before[0].src].kind == "input" else node


def _attentions(graph: Graph) -> list[tuple[Node, list[NodeId]]]:
    """Modules of linear layers around one attention, innermost first taken."""
    groups: list[tuple[Node, list[NodeId]]] = []
    taken: set[NodeId] = set()
    for frame, nodes in sorted(graph.content.items(), key=lambda entry: len(entry[1])):
        inside = [node for node in nodes if node.kind == "attention"]
        ids = [node.id for node in nodes]
        if len(inside) != 1 or len(nodes) < 2 or taken & set(ids) or _said(*nodes):
            continue
        leaving = {edge.src for node in nodes for edge in graph.outgoing[node.id] if edge.dst not in ids}
        if any(node.kind not in ("attention", "linear") for node in nodes) or len(leaving) != 1:
            continue
        taken.update(ids)
        attrs = {key: inside[0].attrs[key] for key in SAID if key in inside[0].attrs}
        last = graph.by_id[leaving.pop()]
        scope = nodes[0].scope[:nodes[0].scope.index(frame)]
        groups.append((replace(inside[0], op="attention", scope=scope, out=last.out, attrs=attrs), ids))
    return groups


def _around(graph: Graph, ids: list[NodeId], scope: tuple[NodeId, ...]) -> tuple[NodeId, ...]:
    """The scope outside of those frames that hold nothing but `ids`."""
    while scope and len(graph.content[scope[-1]]) == len(ids):
        scope = scope[:-1]
    return scope


def _only_user(graph: Graph, node: Node) -> Node | None:
    leaving: tuple[Edge, ...] = graph.outgoing[node.id]
    return graph.by_id[leaving[0].dst] if len(leaving) == 1 else None


def _said(*nodes: Node) -> bool:
    """Whether the project file says something of one of them, which its own box must show."""
    return any(marks_of(node.attrs) for node in nodes)
