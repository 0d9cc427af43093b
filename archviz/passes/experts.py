"""Draw a few of many experts, with an ellipsis for the others, and say at the router how many there are.

In: a graph after hide and fuse, before fold.  Out: of equal branches side by side that one gate weighs and one sum
joins, the first two and the last, with ``attrs["nth"]``; the others are one node of kind ``ellipsis``, the products and
their sum one node.  The linear layer behind the gate, which scores them, has ``attrs["experts"]`` and, where only the
best are taken, ``attrs["active"]``.
Members, parameters and FLOPs are kept.

Experts are recognised by how they are wired: each branch is multiplied by what comes from the same place, and all
products meet in one sum.  Branches that no one weighs are left for fold, which draws one of them with ×N.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archviz.core.graph import Graph, Node, NodeId
from archviz.core.regroup import merge
from archviz.style.style import Style

FIRST, LAST = 2, 1
"""How many experts are drawn before the ellipsis, and after it."""


def experts(graph: Graph, style: Style, **options: Any) -> Graph:
    """Leave out the experts in the middle of every mixture."""
    for node in graph.nodes:
        if node.kind == "add":
            graph = _elided(graph, node)
    return graph


def _elided(graph: Graph, total: Node) -> Graph:
    products = sorted((graph.by_id[edge.src] for edge in graph.incoming[total.id]), key=lambda node: node.index)
    gate, ends = _weighed(graph, products)
    branches = [_branch(graph, end, len(total.scope)) for end in ends]
    if len({_signature(branch) for branch in branches}) != 1 or len({branch[0].id for branch in branches}) < len(ends):
        return graph
    hidden = [node for branch in branches[FIRST:-LAST] for node in branch]
    places = {node.id: {"nth": nth} for nth, branch in enumerate(branches, 1) for node in branch if node not in hidden}
    modules = dict(graph.modules)
    for key, place in places.items():
        for frame in graph.by_id[key].scope[len(total.scope):]:
            modules[frame] = replace(modules[frame], attrs={**modules[frame].attrs, **place})
    attrs = {**places, **_routed(graph, gate, len(branches))}
    graph = replace(graph, modules=modules, nodes=tuple(
        replace(node, attrs={**node.attrs, **attrs[node.id]}) if node.id in attrs else node for node in graph.nodes))
    dots = Node(hidden[0].id, total.scope, "ellipsis", "ellipsis", {"stands_for": len(branches) - FIRST - LAST},
                ends[0].out)
    weighted = replace(total, op="weighted_sum", kind="math")
    graph = merge(graph, [(dots, [node.id for node in hidden]),
                          (weighted, [*(node.id for node in products), total.id])])
    return replace(graph, modules={key: module for key, module in graph.modules.items() if key in graph.content})


def _weighed(graph: Graph, products: Sequence[Node]) -> tuple[NodeId, list[Node]]:
    """What weighs each of `products`, and what each of them weighs; nothing where there are few, or it is not one."""
    operands = [{edge.src for edge in graph.incoming[node.id]} for node in products if node.kind == "mul"]
    if not FIRST + 1 + LAST < len(operands) == len(products) or any(len(pair) != 2 for pair in operands):
        return "", []
    gates = set.intersection(*operands)
    if len(gates) != 1:
        return "", []
    return next(iter(gates)), [graph.by_id[next(iter(pair - gates))] for pair in operands]


def _branch(graph: Graph, end: Node, depth: int) -> list[Node]:
    """What belongs to the expert that ends with `end`: the outermost module that is its own, or the node alone."""
    if len(end.scope) <= depth:
        return [end]
    return [node for node in graph.nodes if end.scope[depth] in node.scope]


def _signature(branch: Sequence[Node]) -> tuple[Any, ...]:
    """Equal for experts that are built alike."""
    return tuple((node.op, node.kind, node.params, tuple(tensor.shape for tensor in node.out)) for node in branch)


def _routed(graph: Graph, gate: NodeId, count: int) -> dict[NodeId, dict[str, Any]]:
    """What to say of the linear layer that scores so many experts, before its scores become weights at `gate`."""
    node = graph.by_id[gate]
    active = node.attrs.get("top_k")
    while node.kind in ("softmax", "act", "norm", "math", "mul", "add") and graph.incoming[node.id]:
        node = graph.by_id[graph.incoming[node.id][0].src]
        active = node.attrs.get("top_k", active)
    if node.kind != "linear" or not node.out or node.out[0].shape[-1] != count:
        return {}
    return {node.id: {"experts": count, **({"active": active} if active else {})}}
