"""Which parts of a network a reader tells apart at first sight, and what they are called.

In: a graph, a style.  Out: `Stage`s, in order, each with the nodes it holds.

The modules of the outermost level are the parts; one that holds nearly everything is opened.  What stands in none of
them is a part of its own.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from archviz.core import text
from archviz.core.graph import Graph, Node, NodeId
from archviz.core.naming import titles
from archviz.drawing.labels import looks
from archviz.style.style import Style

WRAPPER = 0.7       # a module with this part of the operations is no part, but what the parts are in
FOLLOWING = frozenset({"norm", "act", "softmax", "dropout", "output"})
"""Kinds that are no part of their own, but belong to the operation before them."""


@dataclass(frozen=True)
class Stage:
    """A part of the network.

    Attributes
    ----------
    key : str
        The id of its module, or of its first node where that is in none.
    nodes : tuple of str
        What it holds, in order.
    name, detail : str
        What it is called, and what it gives; empty: not said.
    cls : str
        The class of its module; empty for a node.
    """

    key: NodeId
    nodes: tuple[NodeId, ...]
    name: str
    detail: str = ""
    cls: str = ""


def stages(graph: Graph, style: Style, most: int) -> list[Stage]:
    """The parts of `graph`.  Where they are more than `most`, single operations have no name; where that is not enough,
    numbered neighbours have one."""
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
        before = [edge.src for edge in graph.inflow[node.id]]
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
        found = [stage if stage.cls else replace(stage, name="") for stage in found]
    found = _detailed(graph, found)
    return _numbered(found) if sum(bool(stage.name) for stage in found) > most else found


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


def _numbered(found: Sequence[Stage]) -> list[Stage]:
    """Neighbours that are numbered have one name, which stands at the middle one: ``Block 1–12``."""
    runs: list[list[int]] = []
    for i, stage in enumerate(found):
        base, _, number = stage.name.rpartition(" ")
        last = found[runs[-1][-1]].name if runs else ""
        if number.isdigit() and last == f"{base} {int(number) - 1}":
            runs[-1].append(i)
        elif stage.name:
            runs.append([i])
    told = list(found)
    for run in runs:
        if len(run) > 1:
            name = f"{found[run[0]].name}–{found[run[-1]].name.rpartition(' ')[2]}"
            for i in run:
                told[i] = replace(found[i], name=name if i == run[len(run) // 2] else "", detail="")
    return told


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
