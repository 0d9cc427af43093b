"""Graphs as JSON text, and what makes a graph well formed.

In: a `Graph`, or text.  Out: text, or a `Graph`.
"""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from archviz.core.graph import KINDS, Edge, Graph, Module, Node, NodeId, TensorSpec

FORMAT, VERSION = "archviz-graph", 1


def to_json(graph: Graph, indent: int | None = 1) -> str:
    """`graph` as JSON text, the same bytes for equal graphs.  Settings that are at their default are left out.

    Parameters
    ----------
    graph : Graph
        A trace, or any cut through it.
    indent : int or None
        Spaces a level; None for one line, which is written much faster.

    Returns
    -------
    str
        What ``-o graph.json`` writes.

    Raises
    ------
    ValueError
        Where attributes are not JSON values; it names the node.
    """
    value = {
        "format": FORMAT, "version": VERSION, "name": graph.name,
        "nodes": [_plain(node) for node in graph.nodes],
        "edges": [_plain(edge) for edge in graph.edges],
        "modules": [_plain(module) for module in graph.modules.values()],
        "attrs": dict(graph.attrs),
    }
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, sort_keys=False, indent=indent) + "\n"
    except (TypeError, ValueError) as error:
        for key, attrs in ((item.id, item.attrs) for items in (graph.nodes, graph.modules.values()) for item in items):
            try:
                json.dumps(dict(attrs), allow_nan=False)
            except (TypeError, ValueError):
                raise ValueError(f"the attributes of {key!r} are not JSON values: {error}") from None
        raise ValueError(f"the graph cannot be written as JSON: {error}") from None


def from_json(text: str) -> Graph:
    """The graph that `to_json` wrote.

    Parameters
    ----------
    text : str
        A JSON document.

    Returns
    -------
    Graph
        Equal to the one that was written.

    Raises
    ------
    ValueError
        For anything else; it says where.
    """
    try:
        value = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"this is not JSON: {error}") from None
    if not isinstance(value, dict) or value.get("format") != FORMAT:
        raise ValueError(f'this is not a graph of archviz: it does not say "format": "{FORMAT}"')
    if value.get("version") != VERSION:
        raise ValueError(f"this graph is of format version {value.get('version')!r}; here version {VERSION} is read")
    extra = sorted(set(value) - {"format", "version", "name", "nodes", "edges", "modules", "attrs"})
    if extra:
        raise ValueError(f"unknown entries in the graph: {', '.join(extra)}")
    try:
        modules = [_read(Module, item, "module") for item in _items(value, "modules")]
        graph = Graph(
            _checked(value.get("name"), str, "the name"),
            tuple(_read(Node, item, "node") for item in _items(value, "nodes")),
            tuple(_read(Edge, item, "edge") for item in _items(value, "edges")),
            {module.id: module for module in modules}, _checked(value.get("attrs", {}), dict, "attrs"))
    except RecursionError:
        raise ValueError("the graph is nested too deeply") from None
    check(graph)
    _check_report(graph.attrs.get("report", {}))
    return graph


def _check_report(report: Any) -> None:
    """How a model was traced is told to the reader, so it has to be words."""
    for key, shape in _REPORT.items():
        if key in _checked(report, dict, "the report"):
            _value(shape, report[key], f"{key} of the report")
    if "failed" in report and len(report["failed"]) != 2:
        raise ValueError("failed of the report should be a node and an error")


def check(graph: Graph) -> None:
    """Check that ids are unique, edges end at nodes, and scopes name modules.

    Parameters
    ----------
    graph : Graph
        Also one that a pass of yours gave.

    Raises
    ------
    ValueError
        Where that is not so; it says where.
    """
    seen: set[NodeId] = set()
    for node in graph.nodes:
        if seen & set(node.members) or len(set(node.members)) < len(node.members):
            raise ValueError(f"an id of node {node.id!r} is used twice")
        seen.update(node.members)
        if node.kind not in KINDS:
            raise ValueError(f"node {node.id!r} is of unknown kind {node.kind!r}")
        if node.repeat < 1:
            raise ValueError(f"node {node.id!r} is repeated {node.repeat} times")
        for frame in node.scope:
            if frame not in graph.modules:
                raise ValueError(f"node {node.id!r} lies in {frame!r}, which is not among the modules")
    if len(graph.by_id) < len(graph.nodes):
        raise ValueError("two nodes have the same id")
    for edge in graph.edges:
        for end in (edge.src, edge.dst):
            if end not in graph.by_id:
                raise ValueError(f"an edge ends at {end!r}, which is not a node")
        for part in edge.parts:
            if graph.owner.get(part.src) != edge.src or graph.owner.get(part.dst) != edge.dst:
                raise ValueError(f"a part of the edge {edge.src!r} → {edge.dst!r} belongs elsewhere")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON value")


def _plain(value: Any) -> Any:
    """A frozen value as JSON, without what is at its default."""
    if isinstance(value, Node | Edge | Module | TensorSpec):
        out: dict[str, Any] = {}
        for part in fields(value):
            setting = getattr(value, part.name)
            default = part.default_factory() if part.default_factory is not MISSING else part.default
            if part.name == "members" and setting == (getattr(value, "id", None),):
                continue
            if setting != default:
                out[part.name] = _plain(setting)
        return out
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _items(value: dict[str, Any], name: str) -> list[Any]:
    return list(_checked(value.get(name, []), list, name))


def _checked(value: Any, kind: type, what: str) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise ValueError(f"{what} should be {_NAMES[kind]}, not {value!r:.60}")
    return value


_NAMES = {str: "text", int: "a number", list: "a list", dict: "a table", bool: "true or false"}


def _read(cls: Any, value: Any, what: str) -> Any:
    """An instance of the frozen class `cls` from its JSON."""
    _checked(value, dict, f"each {what}")
    shapes = _SHAPES[cls]
    name = f"{what} {value.get('id', value.get('src', ''))!r}"
    settings = {}
    for key, setting in value.items():
        if key not in shapes:
            raise ValueError(f"unknown entry {key!r} in {name}")
        settings[key] = _value(shapes[key], setting, f"{key} of {name}")
    missing = [part.name for part in fields(cls)
               if part.default is MISSING and part.default_factory is MISSING and part.name not in settings]
    if missing:
        raise ValueError(f"{name} has no {missing[0]}")
    return cls(**settings)


def _value(shape: Any, value: Any, what: str) -> Any:
    """`value` read as `shape`: a type, or (type,) for a tuple of them."""
    if isinstance(shape, tuple):
        return tuple(_value(shape[0], item, what) for item in _checked(value, list, what))
    if shape in _SHAPES:
        return _read(shape, value, what)
    return _checked(value, shape, what)


_SHAPES: dict[Any, dict[str, Any]] = {
    TensorSpec: {"shape": (int,), "dtype": str, "axes": str},
    Edge: {"src": str, "dst": str, "tensor": TensorSpec, "role": str, "slot": int, "parts": (Edge,)},
    Node: {"id": str, "scope": (str,), "op": str, "kind": str, "attrs": dict, "out": (TensorSpec,), "params": int,
           "flops": int, "members": (str,), "index": int, "repeat": int, "shared": str, "inside": (Node,),
           "wires": (Edge,)},
    Module: {"id": str, "cls": str, "path": str, "scope": (str,), "repeat": int, "copies": (str,), "shared": bool,
             "attrs": dict},
}
"""What each entry of the JSON holds: a type, or (type,) for a list of them."""

_REPORT = {"rung": str, "notes": (str,), "invented": bool, "failed": (str,)}


GRAPH = "json"      # the suffix that means the traced graph; every other one is a backend's
