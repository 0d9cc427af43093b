"""Several models as one graph, whose ids stay unique: each model is a module around all of its own.

In: graphs, and a title for each.  Out: one graph; for a node of it, its model.

A model's key stands in front of its ids: ``features.0`` of the first becomes ``VGG-19.features.0``, its input
``VGG-19/in:image``.  Which keys there are is said in ``attrs["models"]``.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archviz.core.graph import Edge, Graph, Module, Node, NodeId


def models(graph: Graph) -> tuple[NodeId, ...]:
    """The keys of the models of which `graph` is put together; none where it is one model's own."""
    return tuple(graph.attrs.get("models", ()))


def model_of(node: Node) -> NodeId:
    """The key of the model that `node` belongs to, in a graph of several."""
    return node.scope[0] if node.scope else node.id


def keys(names: Sequence[str]) -> tuple[NodeId, ...]:
    """A key for each name: no two alike, and none with a sign that means something in an id."""
    taken: list[NodeId] = []
    for name in names:
        plain = re.sub(r"[^\w-]+", "-", name).strip("-") or "model"
        number = 1 + sum(re.fullmatch(rf"{re.escape(plain)}(?:-no\d+)?", key) is not None for key in taken)
        taken.append(plain if number == 1 else f"{plain}-no{number}")
    return tuple(taken)


def united(graphs: Sequence[Graph], titles: Sequence[str]) -> Graph:
    """One graph of all nodes of `graphs`, each in a module of its model, which is titled as `titles` say."""
    prefixes = keys([graph.name for graph in graphs])
    nodes: list[Node] = []
    edges: list[Edge] = []
    modules: dict[NodeId, Module] = {}
    for key, name, graph in zip(prefixes, titles, graphs, strict=True):
        first = max((node.index for node in nodes), default=-1) + 1
        known = {"class": graph.attrs["class"]} if "class" in graph.attrs else {}
        modules[key] = Module(key, graph.name, graph.name, attrs={**known, "label": name})
        modules.update({prefixed(key, one): _module(key, module) for one, module in graph.modules.items()})
        nodes += [_node(key, node, first) for node in graph.nodes]
        edges += [_edge(key, edge) for edge in graph.edges]
    attrs: dict[str, Any] = {"models": list(prefixes)}
    if report := _report(prefixes, graphs):
        attrs["report"] = report
    return Graph(" | ".join(titles), tuple(nodes), tuple(edges), modules, attrs)


def prefixed(key: NodeId, inner: NodeId) -> NodeId:
    """An id of the model `key`, unique among several models."""
    return f"{key}{inner}" if inner.startswith("/") else f"{key}.{inner}"


def _module(key: NodeId, module: Module) -> Module:
    return replace(module, id=prefixed(key, module.id), scope=_scope(key, module.scope),
                   copies=tuple(prefixed(key, copy) for copy in module.copies))


def _scope(key: NodeId, scope: Sequence[NodeId]) -> tuple[NodeId, ...]:
    return key, *(prefixed(key, frame) for frame in scope)


def _node(key: NodeId, node: Node, first: int) -> Node:
    return replace(
        node, id=prefixed(key, node.id), scope=_scope(key, node.scope),
        members=tuple(prefixed(key, one) for one in node.members), index=first + node.index,
        shared=None if node.shared is None else prefixed(key, node.shared),
        inside=tuple(_node(key, one, first) for one in node.inside), wires=tuple(_edge(key, one) for one in node.wires))


def _edge(key: NodeId, edge: Edge) -> Edge:
    return replace(edge, src=prefixed(key, edge.src), dst=prefixed(key, edge.dst),
                   parts=tuple(_edge(key, part) for part in edge.parts))


def _report(prefixes: Sequence[NodeId], graphs: Sequence[Graph]) -> dict[str, Any]:
    """What was said of how each model was traced."""
    reports = [graph.attrs.get("report") or {} for graph in graphs]
    facts: dict[str, Any] = {}
    if rungs := list(dict.fromkeys(report["rung"] for report in reports if report.get("rung"))):
        facts["rung"] = ", ".join(rungs)
    if notes := list(dict.fromkeys(note for report in reports for note in report.get("notes", ()))):
        facts["notes"] = notes
    if any(report.get("invented") for report in reports):
        facts["invented"] = True
    for key, report in zip(prefixes, reports, strict=True):
        if report.get("failed") and "failed" not in facts:
            where, error = report["failed"]
            facts["failed"] = [prefixed(key, where), error]
            facts.update({name: report[name] for name in ("raised",) if name in report})
    return facts
