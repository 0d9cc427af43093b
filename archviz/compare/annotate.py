"""Say of everything that is drawn of two models how it differs: after the other passes, which merge and fold.

In: an `archviz.compare.union` after its passes.  Out: the same graph, where ``attrs["change"]`` of nodes and frames is
``added``, ``removed``, ``changed``, ``renamed`` or ``same``; ``attrs["was"]`` has old values where a layer has changed;
``attrs["times"]`` the old and the new number of a stack of equal blocks; ``attrs["within"]`` is set where only
something inside of a frame differs.  Ids, edges, parameters and FLOPs are kept.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from archviz.core.graph import SOURCES, Graph, Module, Node, NodeId

GATHERED = 3        # so many neighbours that are the same are drawn as one box


def mark(graph: Graph) -> Graph:
    """Mark nodes and frames."""
    times, fresh = _times(graph)
    nodes = tuple(replace(node, attrs=_of_node(node, times.get(node.id), bool(fresh & {*node.scope, node.id})))
                  for node in graph.nodes)
    inside: dict[NodeId, set[str]] = {key: set() for key in graph.modules}
    for node in nodes:
        for frame in node.scope:
            inside[frame].add(str(node.attrs["change"]))
    blocks = _blocks(graph, times)
    counted = {frame for key in times for frame in graph.scopes[key]}
    modules = {}
    for key, module in graph.modules.items():
        attrs = _of_module(module, inside[key], key in counted, times.get(key))
        if fresh & {*module.scope, key}:
            attrs = _without(attrs, "was", "within") | {"change": "added"}
        modules[key] = replace(module, attrs={**attrs, **({"blocks": blocks[key]} if key in blocks else {})})
    return _gathered(replace(graph, nodes=nodes, modules=modules))


def quiet(graph: Graph) -> list[NodeId]:
    """The outermost frames of a graph that is marked in which nothing differs: those to draw closed."""
    inside: dict[NodeId, set[str]] = {key: set() for key in graph.modules}
    attrs = {key: one.attrs for items in (graph.by_id, graph.modules) for key, one in items.items()}
    for key, scope in graph.scopes.items():
        for frame in scope:
            inside[frame].add("changed" if "times" in attrs[key] else str(attrs[key]["change"]))
    return _outermost(graph, {key: "same" if changes <= {"same"} else "" for key, changes in inside.items()})


def _outermost(graph: Graph, changes: Mapping[NodeId, str]) -> list[NodeId]:
    """The frames that are the same, and in no other that is."""
    same = {key for key in graph.modules if changes[key] == "same"}
    return [key for key in graph.modules if key in same and not same & set(graph.modules[key].scope)]


def _gathered(graph: Graph) -> Graph:
    """The graph with a frame of its own around each longer run of neighbours that are the same, but for those next to
    what differs: closed, it is one box."""
    changes = {key: str(one.attrs["change"]) for items in (graph.by_id, graph.modules) for key, one in items.items()}
    changes.update(dict.fromkeys((key for key, module in graph.modules.items() if "times" in module.attrs), "changed"))
    closed = set(_outermost(graph, changes))
    frames = {f"/same:{run[0]}": run for frame, units in graph.children.items() if frame not in closed
              for run in _runs(graph, tuple(units), changes)}
    put = {one: key for key, run in frames.items() for one in run}

    def moved(scope: tuple[NodeId, ...], inner: NodeId) -> tuple[NodeId, ...]:
        return tuple(frame for one in (*scope, inner) for frame in ((put[one], one) if one in put else (one,)))[:-1]

    modules = {key: replace(module, scope=moved(module.scope, key)) for key, module in graph.modules.items()}
    for key, run in frames.items():
        layers = all(one in graph.by_id for one in run)
        label = f"{len(run)} unchanged {'layers' if layers else 'parts'}"
        scope = moved(graph.scopes[run[0]], run[0])[:-1]
        modules[key] = Module(key, scope=scope, attrs={"change": "same", "label": label})
    return replace(graph, modules=modules, nodes=tuple(replace(n, scope=moved(n.scope, n.id)) for n in graph.nodes))


def _runs(graph: Graph, units: Sequence[NodeId], changes: Mapping[NodeId, str]) -> Iterator[tuple[NodeId, ...]]:
    """Neighbours that are the same, without one at either end that is next to something else; only chains."""
    same: list[NodeId] = []
    for one in (*units, ""):
        ends = one in graph.by_id and graph.by_id[one].kind in SOURCES | {"output"}
        if one and changes[one] == "same" and not ends:
            same.append(one)
            continue
        run = tuple(same[1:-1])
        same = []
        if len(run) >= GATHERED and _chained(graph, run):
            yield run


def _chained(graph: Graph, run: Sequence[NodeId]) -> bool:
    """Whether data enters at the first of them only, and leaves at the last."""
    place = {one: i for i, one in enumerate(run)}
    at = {node.id: next((place[one] for one in (*node.scope, node.id) if one in place), None) for node in graph.nodes}
    ways = [(at[edge.src], at[edge.dst]) for edge in graph.edges if at[edge.src] != at[edge.dst]]
    return all((src is not None or dst == 0) and (dst is not None or src == len(run) - 1) for src, dst in ways
               if (src, dst) != (None, None))


def _all(changes: Iterable[str]) -> str:
    """How a whole differs whose parts do so."""
    kinds = set(changes)
    if len(kinds) == 1:
        return kinds.pop()
    return "renamed" if kinds == {"renamed", "same"} else "changed"


def _of_node(node: Node, times: tuple[int, int] | None, fresh: bool) -> dict[str, Any]:
    if fresh:
        return _without(node.attrs, "was") | {"change": "added"}
    leaves = list(node.leaves())
    mark = node.attrs.get("change")
    change = _all(str(leaf.attrs.get("change", "same")) for leaf in leaves)
    if change == "same" and mark is not None:
        change = str(mark)           # of a frame around it that is not drawn
    attrs = _without(node.attrs, "was")
    was = [leaf for leaf in leaves if leaf.attrs.get("change") == "changed"]
    named = [leaf.attrs["was"]["name"] for leaf in leaves if "name" in leaf.attrs.get("was", {})]
    if named and leaves[0].attrs.get("change") in ("renamed", "changed"):
        attrs["told"] = [["", str(named[0]), _called(leaves[0])]]
    if change == "changed" and was:
        attrs["was"] = was[0].attrs.get("was", {}) if was[0].id == leaves[0].id else {}
        attrs["told"] = [list(one) for one in dict.fromkeys(one for leaf in was for one in _told(leaf))]
    if times is not None:
        change, attrs["times"] = "changed", list(times)
    return {**attrs, "change": change}


def _without(attrs: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in attrs.items() if key not in names}


def _told(leaf: Node) -> Iterator[tuple[str, str, str]]:
    """What has changed in one operation: name, old and new value; its inputs are seen."""
    for key, old in leaf.attrs.get("was", {}).items():
        if key == "op":
            yield "", str(old), leaf.op
        elif key == "name":
            yield "", str(old), _called(leaf)
        elif key in leaf.attrs:
            yield key, _value(old), _value(leaf.attrs[key])


def _called(leaf: Node) -> str:
    """Its name, with that of the list it is in: ``head``, ``stem.0``."""
    parts = leaf.id.partition("@")[0].split(".")
    return ".".join(parts[-2:]) if parts[-1].isdecimal() else parts[-1]


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


def _times(graph: Graph) -> tuple[dict[NodeId, tuple[int, int]], set[NodeId]]:
    """The old and the new number of what stands for blocks of a stack, and what stands only for blocks that are new."""
    counts: dict[NodeId, tuple[int, int]] = {}
    fresh: set[NodeId] = set()
    for stack in graph.attrs.get("stacks", ()):
        kept = {key: len(blocks & set(stack["kept"])) for key, blocks in _parts(graph, stack)}
        most = max(kept, key=lambda key: kept[key], default="")
        for key, blocks in _parts(graph, stack):
            old = kept[key] + (stack["gone"] if key == most else 0)
            if not old:
                fresh.add(key)
            elif old != len(blocks):
                counts[key] = old, len(blocks)
    return counts, fresh


def _blocks(graph: Graph, times: Mapping[NodeId, tuple[int, int]]) -> dict[NodeId, list[int]]:
    """For each frame around blocks of one list the old and the new number of these, unless one of them says it all."""
    numbers: dict[NodeId, list[int]] = {}
    for path, op, old, new in graph.attrs.get("counts", ()):
        blocks = [module for module in graph.modules.values()
                  if module.cls == op and module.path.rpartition(".")[0] == path and module.scope]
        frames = {module.scope[-1] for module in blocks}
        if len(blocks) > 1 and len(frames) == 1 and any(module.id in times for module in blocks):
            numbers[frames.pop()] = [old, new]
    return numbers


def _parts(graph: Graph, stack: Mapping[str, Any]) -> Iterator[tuple[NodeId, set[NodeId]]]:
    """What is drawn of a stack, and the blocks that each stands for."""
    blocks = set(stack["new"])
    for key, module in graph.modules.items():
        if stood_for := blocks & {key, *module.copies}:
            yield key, stood_for
    for node in graph.nodes:
        if stood_for := blocks & set(node.members):
            yield node.id, stood_for
