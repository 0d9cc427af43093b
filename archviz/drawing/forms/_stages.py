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

    key             the id of its module, or of its first node where that is in none
    nodes           what it holds, in order
    name, detail    what it is called, and what it gives; empty: not said
    cls             the class of its module; empty for a node
    """

    key: NodeId
    nodes: tuple[NodeId, ...]
    name: str
    detail: str = ""
    cls: str = ""


def stages(graph: Graph, style: Style, most: int) -> list[Stage]:
    """The parts of `graph`.  Where they are more than `most`, single operations have no name; where that is not enough,
    numbered neighbours have one."""
    names, seen = titles(graph, style.titles), looks(graph, style)
    parts: list[Stage] = []
    for key, nodes in _parts(graph).items():
        if key in graph.modules:
            parts.append(Stage(key, nodes, names[key], "", graph.modules[key].cls))
        else:
            node, lines = graph.by_id[key], seen[key].lines
            parts.append(Stage(key, nodes, lines[0][0] if lines else style.kinds[node.kind].name or node.op))
    if len(parts) > most:
        parts = [part if part.cls else replace(part, name="") for part in parts]
    parts = _detailed(graph, parts)
    return _numbered(parts) if sum(bool(part.name) for part in parts) > most else parts


def _parts(graph: Graph) -> dict[NodeId, tuple[NodeId, ...]]:
    """The nodes of each part, by its module or else its first node."""
    opened, classes = _opened(graph), {key: module.cls for key, module in graph.modules.items()}
    parts: dict[NodeId, tuple[NodeId, ...]] = {}
    part_of: dict[NodeId, NodeId] = {}
    for node in graph.nodes:
        key = next((scope for scope in node.scope if scope not in opened), node.id)
        before = [edge.src for edge in graph.inflow[node.id]]
        if key not in graph.modules and len(before) == 1 and node.kind in FOLLOWING:
            part = part_of.get(before[0], key)
            key = part if not classes.get(part) or node.kind == "output" else key
        parts[key] = (*parts.get(key, ()), node.id)
        part_of[node.id] = key
    return parts


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


def _numbered(parts: Sequence[Stage]) -> list[Stage]:
    """Neighbours that are numbered have one name, which stands at the middle one: ``Block 1–12``."""
    runs: list[list[int]] = []
    for i, stage in enumerate(parts):
        base, _, number = stage.name.rpartition(" ")
        last = parts[runs[-1][-1]].name if runs else ""
        if number.isdigit() and last == f"{base} {int(number) - 1}":
            runs[-1].append(i)
        elif stage.name:
            runs.append([i])
    named = list(parts)
    for run in runs:
        if len(run) > 1:
            name = f"{parts[run[0]].name}–{parts[run[-1]].name.rpartition(' ')[2]}"
            for i in run:
                named[i] = replace(parts[i], name=name if i == run[len(run) // 2] else "", detail="")
    return named


def _detailed(graph: Graph, parts: Sequence[Stage]) -> list[Stage]:
    """Each with the shape of what it gives, where that is another than that of the one before."""
    detailed, before = list[Stage](), ""
    for stage in parts:
        out = graph.by_id[stage.nodes[-1]].out
        shape = text.shape(out[0]) if out else ""
        new = stage.name and shape != before and not stage.name.endswith(f" {shape}")
        detailed.append(replace(stage, detail=shape if new else ""))
        before = shape or before
    return detailed
