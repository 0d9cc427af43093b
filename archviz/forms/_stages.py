"""Which parts of a network a reader tells apart at first sight, and what they are called.

In: a graph, a style.  Out: `Stage`s, in order, each with the nodes it holds.  May import ir, style, text, naming,
labels.

The modules of the outermost level are the parts; one that holds nearly everything is opened.  What stands in none of
them is a part of its own.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archviz import text
from archviz.ir import Graph, Node, NodeId
from archviz.labels import looks
from archviz.naming import titles
from archviz.style import Style

WRAPPER = 0.7       # a module with this part of the operations is no part, but what the parts are in
FOLLOWING = frozenset({"norm", "act", "softmax", "dropout", "output"})
"""Kinds that are no part of their own, but belong to the operation before them."""


@dataclass(frozen=True)
class Stage:
    """A part of the network.

    Attributes
    ----------
    key : str
        The id of its module, or of its first node where that is in none; of several, of the first.
    nodes : tuple of str
        What it holds, in order.
    name, detail : str
        What it is called, and what it gives.
    cls : str
        The class of its module; empty for a node.
    count : int
        How many modules it is.
    """

    key: NodeId
    nodes: tuple[NodeId, ...]
    name: str
    detail: str = ""
    cls: str = ""
    count: int = 1


def stages(graph: Graph, style: Style, most: int) -> list[Stage]:
    """The parts of `graph`.  Where they are more than `most`, equal neighbours are taken together; where that is not
    enough, single operations have no name."""
    opened = _opened(graph)
    names, seen = titles(graph, style.titles), looks(graph, style)
    found: list[Stage] = []
    at: dict[NodeId, int] = {}
    owner: dict[NodeId, int] = {}
    for node in graph.nodes:
        key = next((scope for scope in node.scope if scope not in opened), node.id)
        if key in at and key in graph.modules:
            stage = found[at[key]]
            found[at[key]] = replace(stage, nodes=(*stage.nodes, node.id))
            owner[node.id] = at[key]
            continue
        before = [edge.src for edge in graph.incoming[node.id] if edge.role != "recurrent"]
        own = owner.get(before[0]) if len(before) == 1 and node.kind in FOLLOWING else None
        if own is not None and key not in graph.modules and (not found[own].cls or node.kind == "output"):
            found[own] = replace(found[own], nodes=(*found[own].nodes, node.id))
            owner[node.id] = own
            continue
        at[key] = owner[node.id] = len(found)
        if key in graph.modules:
            found.append(Stage(key, (node.id,), names[key], "", graph.modules[key].cls))
        else:
            lines = [line for line, _ in seen[node.id].lines] or [style.kinds[node.kind].name or node.op]
            found.append(Stage(key, (node.id,), ", ".join(lines[:1])))
    if len(found) > most:
        found = _joined(found)
    if len(found) > most:
        found = [stage if stage.cls else replace(stage, name="") for stage in found]
    return _detailed(graph, found)


def _opened(graph: Graph) -> set[NodeId]:
    """The modules that hold nearly all of what is around them."""
    opened: set[NodeId] = set()
    inside: Sequence[Node] = graph.nodes
    while inside:
        counts = Counter(next((scope for scope in node.scope if scope not in opened), "") for node in inside)
        counts.pop("", None)
        key, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
        if count < WRAPPER * len(inside):
            break
        opened.add(key)
        inside = [node for node in inside if key in node.scope]
    return opened


def _joined(found: Sequence[Stage]) -> list[Stage]:
    joined: list[Stage] = []
    for stage in found:
        last = joined[-1] if joined else None
        if last is not None and stage.cls and last.cls == stage.cls:
            name = last.name.rpartition(" ")[0] if last.name[-1:].isdigit() and last.count == 1 else last.name
            joined[-1] = replace(last, nodes=(*last.nodes, *stage.nodes), name=name, count=last.count + stage.count)
        else:
            joined.append(stage)
    return [replace(one, name=f"{one.name} ×{one.count}") if one.count > 1 else one for one in joined]


def _detailed(graph: Graph, found: Sequence[Stage]) -> list[Stage]:
    """Each with the shape of what it gives, where that is another than that of the one before."""
    told, before = list[Stage](), ""
    for stage in found:
        out = graph.by_id[stage.nodes[-1]].out
        shape = text.shape(out[0]) if out else ""
        tell = stage.name and shape != before and not stage.name.endswith(f" {shape}")
        told.append(replace(stage, detail=shape if tell else ""))
        before = shape or before
    return told
