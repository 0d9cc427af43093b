"""Draw chains that a reader takes for one layer as one box: ``conv > norm > act``.

In: a graph; ``style.fuse``, rules.  Out: the graph with each chain as one node: the first one's op, kind and attrs, the
last one's tensors, in ``attrs["fused"]`` the ops that follow and in ``attrs["fused_kinds"]`` their kinds.

A rule names two or more steps, separated by ``>``.  A step is a kind (``conv``) or an op (``relu``, ``BatchNorm2d``),
or several of these separated by ``|``.  A chain matches where every step but the last has one user, the next step,
every step but the first has one operand, and all lie in the same module.  Of the rules that match at a node the longest
counts.
"""
from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from archviz.core.errors import ArchvizError
from archviz.core.graph import KINDS, Graph, Node, NodeId
from archviz.core.regroup import merge
from archviz.passes._marks import one_layer
from archviz.style.style import Style

Rule = tuple[frozenset[str], ...]

_STEP = re.compile(r"[A-Za-z_]\w*")


def fuse(graph: Graph, style: Style, **options: Any) -> Graph:
    """Apply ``style.fuse``.  Raises `ArchvizError` for a rule that is not written as above."""
    rules = sorted((parse(rule) for rule in style.fuse), key=len, reverse=True)
    if not rules:
        return graph
    after = {node.id: _only_next(graph, node) for node in graph.nodes}
    groups: list[tuple[Node, list[NodeId]]] = []
    taken: set[NodeId] = set()
    for node in graph.nodes:
        chain = next((matching for rule in rules if (matching := _match(rule, node, after, taken))), None)
        if chain:
            taken.update(part.id for part in chain)
            attrs = {**node.attrs, "fused": _listed(chain[1:], "op", "fused"),
                     "fused_kinds": _listed(chain[1:], "kind", "fused_kinds")}
            groups.append((replace(node, attrs=attrs, out=chain[-1].out), [part.id for part in chain]))
    return merge(graph, groups)


def _listed(parts: list[Node], what: str, key: str) -> list[str]:
    """The op or kind of each part, and of what was fused into it before."""
    return [name for part in parts for name in (getattr(part, what), *part.attrs.get(key, ()))]


def parse(rule: str) -> Rule:
    """The steps of a rule, each a set of names.  Raises `ArchvizError` when it is not a rule."""
    steps = [[name.strip() for name in step.split("|")] for step in rule.split(">")]
    if len(steps) < 2 or not all(_STEP.fullmatch(name) for step in steps for name in step):
        raise ArchvizError(f"{rule!r} is not a fuse rule", "write it like 'conv > norm > act' or 'conv|linear > relu'; "
                           f"a step is an op or one of the kinds {', '.join(KINDS)}")
    return tuple(frozenset(step) for step in steps)


def _only_next(graph: Graph, node: Node) -> Node | None:
    """The node after this one, if the two form a chain within one module."""
    leaving = graph.outgoing[node.id]
    if len(leaving) != 1:
        return None
    after = graph.by_id[leaving[0].dst]
    chained = len(graph.incoming[after.id]) == 1 and after.scope == node.scope and after.repeat == node.repeat
    return after if chained and one_layer(node, after) else None


def _match(rule: Rule, node: Node, after: dict[NodeId, Node | None], taken: set[NodeId]) -> list[Node] | None:
    chain: list[Node] = []
    current: Node | None = node
    for step in rule:
        if current is None or current.id in taken or not step & {current.kind, current.op}:
            return None
        chain.append(current)
        current = after[current.id]
    return chain
