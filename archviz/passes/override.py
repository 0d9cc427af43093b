"""Do to single layers what their project file says: rename, recolour, hide, freeze, and draw siblings in one frame.

In: a trace graph and `Overrides`.  Out: the same nodes and edges.  Names, kinds, colours and ``frozen`` are attributes
that labels, titles and fold honour (`_marks.OWN`); ``hidden`` is one that the pass hide honours; a group is a module of
its own around the calls it names.  Nothing is merged and nothing is lost.

Runs before the passes of the style, so that a layer about which something is said is not folded into its neighbours.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any, TypeVar

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import Graph, Module, Node, NodeId, reached
from archviz.passes._marks import OWN
from archviz.passes.collapse import matches, names_of
from archviz.style.overrides import Bundle, Overrides
from archviz.style.style import Style

Item = TypeVar("Item", Node, Module)


def override(graph: Graph, style: Style, *, overrides: Overrides = Overrides(), **options: Any) -> Graph:
    """Apply `overrides`.  Keeps ids, edges, parameters and FLOPs.  Raises `ArchvizError`, saying where, for a pattern
    that names nothing, and for a group whose members are not siblings."""
    names = _names(graph)
    attrs: dict[NodeId, dict[str, Any]] = defaultdict(dict)
    for rule in overrides.rules:
        hits = _hits(rule.pattern, rule.where, names)
        for key in ("frozen", "hide"):      # hold for everything inside
            if key in rule.changes:
                for node in graph.nodes:
                    if node.id in hits or hits & set(node.scope):
                        attrs[node.id]["hidden" if key == "hide" else key] = rule.changes[key]
        if rule.changes.get("collapse"):    # the frame must be there to be collapsed
            for hit in hits & graph.modules.keys():
                attrs[hit]["pinned"] = True
        marks = {key: value for key, value in rule.changes.items() if key in OWN and key != "frozen"}
        for hit in _outermost(graph, hits) if marks else ():
            attrs[hit].update(marks)
    graph = replace(graph, nodes=tuple(_with(node, attrs) for node in graph.nodes),
                    modules={key: _with(module, attrs) for key, module in graph.modules.items()})
    return reduce(_framed, overrides.groups, graph)


def chosen(graph: Graph, overrides: Overrides, what: str) -> list[NodeId]:
    """The modules that the rules say to ``collapse`` or to ``expand``, as far as they are frames of `graph` still."""
    choice: dict[NodeId, bool] = {}
    names = {key: names_of(module) for key, module in graph.modules.items()}
    for rule in overrides.rules:
        if what in rule.changes:
            choice.update({key: rule.changes[what] for key, each in names.items() if matches(rule.pattern, each)})
    return [key for key in graph.modules if choice.get(key)]


def _with(item: Item, changes: Mapping[NodeId, Mapping[str, Any]]) -> Item:
    """`item` and what was said of it on top; what was said to be false is as if it had not been said."""
    marks = changes.get(item.id, {})
    attrs = {key: value for key, value in {**item.attrs, **marks}.items() if key not in marks or value is not False}
    return replace(item, attrs=attrs) if marks else item


def _names(graph: Graph) -> dict[NodeId, set[str]]:
    """What every call may be named by: its path, its id, its class or function."""
    names = {key: names_of(module) for key, module in graph.modules.items()}
    for node in graph.nodes:
        names[node.id] = {node.id, node.id.partition("@")[0], node.op} - {""}
    return names


def _hits(pattern: str, where: str, names: Mapping[NodeId, set[str]]) -> set[NodeId]:
    hits = {key for key, each in names.items() if matches(pattern, each)}
    if not hits:
        every = {name for each in names.values() for name in each}
        near = did_you_mean(pattern, every)
        raise ArchvizError(f"{where}: no layer is called {pattern!r}, neither by path nor by class",
                           near or "the paths are those of the model's named_modules()")
    return hits


def _outermost(graph: Graph, hits: set[NodeId]) -> set[NodeId]:
    """Of `hits` those that lie in no other: ``layer1.*`` names the blocks of a stage, not every layer inside too."""
    return {hit for hit in hits if not hits & set(graph.scopes[hit])}


def _framed(graph: Graph, bundle: Bundle) -> Graph:
    """`graph` with a frame around the members of `bundle`, and whatever lies on a way from one member to another."""
    names = _names(graph)
    hits = _outermost(graph, {hit for pattern in bundle.patterns for hit in _hits(pattern, bundle.where, names)})
    parents = {hit: graph.scopes[hit] for hit in sorted(hits)}
    outer = min(parents.values(), key=len)
    for hit, scope in parents.items():
        if scope != outer:
            other = next(key for key, around in parents.items() if around == outer)
            raise ArchvizError(
                f"{bundle.where}: the group {bundle.name!r} holds {_path(graph, other)} and {_path(graph, hit)}, of "
                f"which only the second lies in {_path(graph, scope[len(outer)])}" if scope[:len(outer)] == outer else
                f"{bundle.where}: the group {bundle.name!r} holds {_path(graph, other)} and {_path(graph, hit)}, which "
                "do not lie in the same module", "a group is drawn around siblings")
    level = len(outer)
    unit = {node.id: (*node.scope, node.id)[level] for node in graph.nodes if node.scope[:level] == outer}
    members = _closed(graph, unit, hits)
    key = f"/group:{bundle.name}"
    while key in graph.scopes:
        key += "'"

    def moved(scope: tuple[NodeId, ...], inner: NodeId) -> tuple[NodeId, ...]:
        inside = scope[:level] == outer and (*scope, inner)[level:level + 1] and (*scope, inner)[level] in members
        return (*outer, key, *scope[level:]) if inside else scope

    nodes = tuple(replace(node, scope=moved(node.scope, node.id)) for node in graph.nodes)
    modules = {k: replace(module, scope=moved(module.scope, k)) for k, module in graph.modules.items()}
    frame = Module(key, bundle.name, bundle.name, outer, attrs={"label": bundle.name})
    return replace(graph, nodes=nodes, modules={**modules, key: frame})


def _path(graph: Graph, key: NodeId) -> str:
    return graph.modules[key].path or key if key in graph.modules else key


def _closed(graph: Graph, unit: Mapping[NodeId, NodeId], hits: set[NodeId]) -> set[NodeId]:
    """The siblings `hits` and those on a way between two of them: collapsed, the group must not feed itself."""
    after: dict[NodeId, set[NodeId]] = defaultdict(set)
    before: dict[NodeId, set[NodeId]] = defaultdict(set)
    for edge in graph.edges:
        src, dst = unit.get(edge.src, edge.src), unit.get(edge.dst, edge.dst)
        after[src].add(dst)
        before[dst].add(src)
    below, above = reached(hits, after.__getitem__), reached(hits, before.__getitem__)
    return hits | (below & above & set(unit.values()))
