"""Say of everything that is drawn of two models how it differs: after the other passes, which merge and fold.

In: an `archviz.union` after its passes.  Out: the same graph, where ``attrs["change"]`` of nodes and frames is
``added``, ``removed``, ``changed``, ``renamed`` or ``same``; ``attrs["was"]`` has old values where a layer has changed;
``attrs["times"]`` the old and the new number of a stack of equal blocks; ``attrs["within"]`` is set where only
something inside of a frame differs.  Ids, edges, parameters and FLOPs are kept.  Imports ir, style.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from archviz.ir import Graph, Module, Node, NodeId
from archviz.style import Style


def compared(graph: Graph, style: Style, **options: Any) -> Graph:
    """Mark nodes and frames."""
    times = _times(graph)
    nodes = tuple(replace(node, attrs=_of_node(node, times.get(node.id))) for node in graph.nodes)
    inside: dict[NodeId, set[str]] = {key: set() for key in graph.modules}
    for node in nodes:
        for frame in node.scope:
            inside[frame].add(str(node.attrs["change"]))
    blocks = _blocks(graph, times)
    counted = {frame for key, scope in _scopes(graph) if key in times for frame in scope}
    modules = {key: replace(module, attrs={**_of_module(module, inside[key], key in counted, times.get(key)),
                                           **({"blocks": blocks[key]} if key in blocks else {})})
               for key, module in graph.modules.items()}
    return replace(graph, nodes=nodes, modules=modules)


def quiet(graph: Graph) -> list[NodeId]:
    """The outermost frames of a graph that is marked in which nothing differs: those to draw closed."""
    inside: dict[NodeId, set[str]] = {key: set() for key in graph.modules}
    attrs = {key: one.attrs for items in (graph.by_id, graph.modules) for key, one in items.items()}
    for key, scope in _scopes(graph):
        for frame in scope:
            inside[frame].add("changed" if "times" in attrs[key] else str(attrs[key]["change"]))
    found = {key for key, changes in inside.items() if changes <= {"same"}}
    return [key for key in graph.modules if key in found and not found & set(graph.modules[key].scope)]


def _scopes(graph: Graph) -> list[tuple[NodeId, tuple[NodeId, ...]]]:
    """Every node and frame with the frames around it."""
    return [*((node.id, node.scope) for node in graph.nodes),
            *((key, module.scope) for key, module in graph.modules.items())]


def _leaves(node: Node) -> Iterator[Node]:
    if not node.inside:
        yield node
    for part in node.inside:
        yield from _leaves(part)


def _all(changes: Iterable[str]) -> str:
    """How a whole differs whose parts do so."""
    found = set(changes)
    if len(found) == 1:
        return found.pop()
    return "renamed" if found == {"renamed", "same"} else "changed"


def _of_node(node: Node, times: tuple[int, int] | None) -> dict[str, Any]:
    leaves = list(_leaves(node))
    own = node.attrs.get("change")
    change = _all(str(leaf.attrs.get("change", "same")) for leaf in leaves)
    if change == "same" and own is not None:
        change = str(own)           # of a frame around it that is not drawn
    attrs = {key: value for key, value in node.attrs.items() if key != "was"}
    was = [leaf for leaf in leaves if leaf.attrs.get("change") == "changed"]
    named = [leaf.attrs["was"]["name"] for leaf in leaves if "name" in leaf.attrs.get("was", {})]
    if named and leaves[0].attrs.get("change") in ("renamed", "changed"):
        attrs["told"] = [["", str(named[0]), leaves[0].id.partition("@")[0].rpartition(".")[2]]]
    if change == "changed" and was:
        attrs["was"] = was[0].attrs.get("was", {}) if was[0].id == leaves[0].id else {}
        attrs["told"] = [list(one) for one in dict.fromkeys(one for leaf in was for one in _told(leaf))]
    if times is not None:
        change, attrs["times"] = "changed", list(times)
    return {**attrs, "change": change}


def _told(leaf: Node) -> Iterator[tuple[str, str, str]]:
    """What has changed in one operation: name, old and new value; its inputs are seen."""
    for key, old in leaf.attrs.get("was", {}).items():
        if key == "op":
            yield "", str(old), leaf.op
        elif key == "name":
            yield "", str(old), leaf.id.partition("@")[0].rpartition(".")[2]
        elif key in leaf.attrs:
            yield key, _value(old), _value(leaf.attrs[key])


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        each = [_value(one) for one in value]
        return each[0] if len(set(each)) == 1 else "×".join(each)
    return {None: "none", True: "yes", False: "no"}[value] if value is None or isinstance(value, bool) else str(value)


def _of_module(module: Module, inside: set[str], counted: bool, times: tuple[int, int] | None) -> dict[str, Any]:
    attrs: dict[str, Any] = dict(module.attrs)
    if times is not None:
        return {**attrs, "change": "changed", "times": list(times)}
    if attrs.get("change") in ("changed", "renamed"):
        return attrs
    change = "changed" if counted else _all(inside or {"same"})
    attrs = {**attrs, "change": change}
    return {**attrs, "within": True} if change in ("changed", "renamed") else attrs


def _times(graph: Graph) -> dict[NodeId, tuple[int, int]]:
    """The old and the new number of what stands for a stack of equal blocks; the largest part of it, where the stack is
    drawn in several."""
    found: dict[NodeId, tuple[int, int]] = {}
    for stack in graph.attrs.get("stacks", ()):
        best = max(_parts(graph, stack), key=lambda part: part[1], default=None)
        if best is not None:
            key, many = best
            found[key] = max(many + stack["old"] - len(stack["new"]), 0), many
    return found


def _blocks(graph: Graph, times: Mapping[NodeId, tuple[int, int]]) -> dict[NodeId, list[int]]:
    """For each frame around blocks of one list the old and the new number of these, unless one of them says it all."""
    found: dict[NodeId, list[int]] = {}
    for path, op, old, new in graph.attrs.get("counts", ()):
        held = [module for module in graph.modules.values()
                if module.cls == op and module.path.rpartition(".")[0] == path and module.scope]
        frames = {module.scope[-1] for module in held}
        if len(held) > 1 and len(frames) == 1 and any(module.id in times for module in held):
            found[frames.pop()] = [old, new]
    return found


def _parts(graph: Graph, stack: Mapping[str, Any]) -> Iterator[tuple[NodeId, int]]:
    """What is drawn of a stack, and for how many of its blocks each stands."""
    blocks = set(stack["new"])
    for key, module in graph.modules.items():
        if held := len(blocks & {key, *module.copies}):
            yield key, held
    for node in graph.nodes:
        if held := len(blocks & set(node.members)):
            yield node.id, held
