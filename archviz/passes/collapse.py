"""Draw modules as one box, and open them again; choose modules by depth or by name.

In: a graph and the ids of module calls.  Out: the graph in which each of them is one node of kind ``module``, or again
its content.  Which modules are collapsed is all there is to know: order does not matter, and `expand` undoes `collapse`
exactly, also inside a module that is collapsed itself.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from math import prod
from typing import Any

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import JOINTS, Graph, Module, Node, NodeId
from archviz.core.regroup import merge, split
from archviz.style.style import Style

WHOLE = "/model"
"""The id that stands for the whole model, all but its inputs and outputs: collapsed, it is the single-box figure."""

HINTS = ("num_heads", "head_dim", "out_channels", "out_features", "embed_dim", "hidden_size", "embedding_dim")
"""Hyper-parameters of the content that a caption of the whole may want."""

TOLD = ("masked", "shifted")
"""What it says of attention, where it is so of all that is inside."""


def collapse(graph: Graph, style: Style | None = None, *, ids: Iterable[NodeId] = (), **options: Any) -> Graph:
    """Draw each module of `ids` as one node.  Ids that are collapsed already, or hold nothing drawn, change nothing."""
    closed = collapsed(graph)
    wanted = {key for key in ids if key in graph.modules or key == WHOLE} - closed
    if not wanted:
        return graph
    return _redrawn(_opened(graph), closed | wanted)


def expand(graph: Graph, style: Style | None = None, *, ids: Iterable[NodeId] = (), **options: Any) -> Graph:
    """Undo `collapse` for the modules `ids`; the others stay as they are."""
    closed = collapsed(graph)
    left = closed - set(ids)
    return graph if left == closed else _redrawn(_opened(graph), left)


def collapsed(graph: Graph) -> set[NodeId]:
    """The modules that are drawn as one node, and those collapsed inside them."""
    closed: set[NodeId] = set()
    waiting = list(graph.nodes)
    while waiting:
        node = waiting.pop()
        if _is_collapsed(node):
            closed.add(node.id)
            waiting.extend(node.inside)
    return closed


def select(graph: Graph, patterns: Sequence[str]) -> list[NodeId]:
    """The modules that the globs `patterns` name by path, id or class name; a copy that was folded names its block.

    Raises `ArchvizError` for a pattern that names none.
    """
    names = {key: names_of(module) for key, module in graph.modules.items()}
    chosen: set[NodeId] = set()
    for pattern in patterns:
        hits = [key for key, each in names.items() if matches(pattern, each)]
        if not hits:
            every = {name for each in names.values() for name in each}
            single = next((node for node in graph.nodes if pattern in (node.id, node.op, *node.members)), None)
            if single is not None:
                recurrent = " (--style node-link opens recurrent cells)" * (single.kind == "recurrent")
                raise ArchvizError(f"{pattern!r} is a single layer, not a module of several{recurrent}",
                                   did_you_mean(pattern, every))
            raise ArchvizError(f"no module is called {pattern!r}, neither by path nor by class",
                               did_you_mean(pattern, every))
        chosen.update(hits)
    return [key for key in graph.modules if key in chosen]


def names_of(module: Module) -> set[str]:
    """What a module may be named by: its id or that of a copy, its path, its class."""
    return {module.id, module.cls, module.path, *module.copies} - {""}


def matches(pattern: str, names: Iterable[str]) -> bool:
    """Whether the glob `pattern` names something of which these are the names."""
    return any(fnmatchcase(name, pattern) for name in names)


def _is_collapsed(node: Node) -> bool:
    return node.kind == "module" and bool(node.inside) and (node.id == WHOLE or (
        any(node.id in part.scope for part in node.inside)
        and all(node.id in part.scope or part.kind in JOINTS for part in node.inside)))


def _opened(graph: Graph) -> Graph:
    """`graph` with nothing collapsed."""
    while now := [node.id for node in graph.nodes if _is_collapsed(node)]:
        graph = split(graph, now)
    return graph


def _redrawn(graph: Graph, ids: set[NodeId]) -> Graph:
    """`graph`, in which nothing is collapsed, with `ids` collapsed, and with them the joints in which nothing meets but
    what comes from one of them."""
    redrawn = _merged(graph, ids, {})
    joins = {node.id: edge.src for node in redrawn.nodes if node.kind in JOINTS and len(graph.incoming[node.id]) > 1
             for edge in redrawn.incoming[node.id] if len(redrawn.incoming[node.id]) == 1 and edge.src in ids
             and redrawn.by_id[edge.src].scope == node.scope}
    return _merged(graph, ids, joins) if joins else redrawn


def _merged(graph: Graph, ids: set[NodeId], joins: Mapping[NodeId, NodeId]) -> Graph:
    """`graph` with `ids` collapsed, inner ones first, so that outer ones hold them; each with its `joins`."""
    depths = {key: len(graph.modules[key].scope) for key in ids if key != WHOLE}
    for depth in sorted(set(depths.values()), reverse=True):
        inside: dict[NodeId, list[Node]] = {}
        for node in graph.nodes:
            home = node.scope[depth] if len(node.scope) > depth else joins.get(node.id, "")
            if depths.get(home) == depth:
                inside.setdefault(home, []).append(node)
        graph = merge(graph, [(_box(graph, key, nodes), [node.id for node in nodes]) for key, nodes in inside.items()])
    if WHOLE in ids:
        nodes = [node for node in graph.nodes if node.kind not in ("input", "output")]
        if nodes:
            graph = merge(graph, [(_box(graph, WHOLE, nodes), [node.id for node in nodes])])
    return graph


def _box(graph: Graph, key: NodeId, nodes: list[Node]) -> Node:
    """How the module `key` that holds `nodes` is drawn as one node."""
    module = graph.modules.get(key)
    inside = {node.id for node in nodes}
    leaving = [node for node in nodes if any(edge.dst not in inside for edge in graph.outgoing[node.id])] or nodes[-1:]
    copies = prod(graph.modules[frame].repeat for frame in (*module.scope, key)) if module else 1
    contains: Counter[str] = Counter()
    hints: dict[str, Any] = {}
    for node in nodes:
        for kind, count in node.attrs.get("contains", {node.kind: 1}).items():
            contains[kind] += count * max(node.repeat // copies, 1)
        hints.update({name: node.attrs[name] for name in HINTS if name in node.attrs})
    attentive = [node for node in nodes if "attention" in node.attrs.get("contains", (node.kind,))]
    hints.update({name: True for name in TOLD if attentive and all(node.attrs.get(name) for node in attentive)})
    facts = module.attrs if module else {key: graph.attrs[key] for key in ("class",) if key in graph.attrs}
    attrs = {**hints, **facts, "contains": dict(sorted(contains.items()))}
    return Node(key, module.scope if module else (), (module.cls if module else graph.name) or "Block", "module", attrs,
                tuple(tensor for node in leaving for tensor in node.out), repeat=copies)
