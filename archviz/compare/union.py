"""Two models as one graph: the new one, and of the old one what is gone, in its place.

In: `Twins`.  Out: a graph that passes and forms take as any other.

A node or a module that differs says so: ``attrs["change"]`` is how, ``attrs["was"]`` has the old ``op`` and the old
values of what has changed.  A stack of equal blocks of which there are more or fewer says nothing in its blocks, which
so are folded into one; ``attrs["stacks"]`` of the graph has how many there were.  Those of the old model that are one
block too many are left out.
"""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from archviz.compare.pairs import Stack, Twin, Twins, counts, leaves
from archviz.core.graph import Edge, Graph, Module, Node, NodeId

MARKS = ("change", "was", "pinned")
"""Attributes by which a node or a module says that it differs."""


def union(both: Twins) -> Graph:
    """The graph of both models."""
    return _Union(both).result()


@dataclass
class _Union:
    """One run of `union`.

    ids      of the old model: under which id a unit stands in the union
    nodes    in order
    """

    both: Twins
    ids: dict[NodeId, NodeId] = field(default_factory=dict)
    nodes: list[Node] = field(default_factory=list)
    modules: dict[NodeId, Module] = field(default_factory=dict)

    def result(self) -> Graph:
        one, other = self.both.one, self.both.other
        taken = {*other.by_id, *other.modules}
        for twin in self.both.root.all():
            if twin.old is not None:
                self.ids[twin.old.id] = twin.new.id if twin.new else _free(twin.old.id, taken)
        for inner in self.both.root.inner:
            self.add(inner, ())
        marks = self.marks_of_copies()
        nodes = tuple(replace(node, attrs=_marked(node.attrs, marks.get(node.id, {}))) for node in self.nodes)
        modules = {key: replace(module, attrs=_marked(module.attrs, marks.get(key, {})))
                   for key, module in self.modules.items()}
        attrs: dict[str, Any] = {
            **other.attrs, "compared": {"params": [one.params, other.params], "flops": [one.flops, other.flops]},
            "stacks": [self.told(stack) for stack in self.both.stacks],
            "counts": [list(astuple(count)) for count in counts(self.both)]}
        return Graph(other.name, nodes, self.edges(), modules, attrs)

    def add(self, twin: Twin, scope: tuple[NodeId, ...]) -> None:
        """Add a twin and all in it."""
        if twin.copy and twin.new is None:
            return
        unit = twin.either
        key = twin.new.id if twin.new else self.ids[unit.id]
        marks = {} if twin.copy else _own(twin)
        if isinstance(unit.what, Node):
            shared = unit.what.shared if twin.new else self.ids.get(unit.what.shared or "", None)
            self.nodes.append(replace(unit.what, id=key, scope=scope, members=(key,), index=len(self.nodes),
                                      attrs=_marked(unit.what.attrs, marks), shared=shared))
            return
        if twin.kind in ("added", "removed") and not twin.whole:
            marks = {}        # put around, or taken from around, layers that are in both
        if isinstance(unit.what, Module):
            copies = () if twin.new is None else unit.what.copies
            self.modules[key] = replace(unit.what, id=key, scope=scope, copies=copies,
                                        attrs=_marked(unit.what.attrs, marks))
        for one in twin.inner:
            self.add(one if not twin.copy else replace(one, copy=True), (*scope, key))

    def marks_of_copies(self) -> dict[NodeId, Mapping[str, Any]]:
        """What a block says that is new in a stack: as those that were there, so that it counts as one more."""
        attrs = {node.id: node.attrs for node in self.nodes} | {key: one.attrs for key, one in self.modules.items()}
        marks: dict[NodeId, Mapping[str, Any]] = {}
        for stack in self.both.stacks:
            blocks = [self.both.of_new[key] for key in stack.new]
            first = [block for block in blocks if block.old is not None][-1]      # the very first may have other inputs
            for block in blocks:
                if block.old is None:
                    for mine, other in zip(block.either.units(), first.either.units(), strict=True):
                        marks[mine.id] = {key: value for key, value in attrs[other.id].items() if key in MARKS}
        return marks

    def told(self, stack: Stack) -> dict[str, Any]:
        """What is said of a stack: its blocks in the new model, which of them were there, and how many are gone."""
        kept = [key for key in stack.new if self.both.of_new[key].old is not None]
        return {"new": list(stack.new), "kept": kept, "gone": len(stack.old) - len(kept)}

    def edges(self) -> tuple[Edge, ...]:
        """Those of the new model, and those of the old one from and to what is gone."""
        place = {node.id: node.index for node in self.nodes}
        gone = {one.old.id for one in leaves(self.both.root) if one.old is not None and one.new is None}
        kept = []
        for edge in self.both.one.edges:
            src, dst = self.ids[edge.src], self.ids[edge.dst]
            if {edge.src, edge.dst} & gone and src in place and dst in place and (
                    place[src] < place[dst] or edge.role == "recurrent"):
                kept.append(replace(edge, src=src, dst=dst))
        edges = [*self.both.other.edges, *kept]
        return tuple(sorted(edges, key=lambda edge: (place[edge.src], place[edge.dst])))


def _own(twin: Twin) -> dict[str, Any]:
    """What a unit says of its own change."""
    if twin.kind == "same":
        return {}
    old, new = twin.old, twin.new
    was = {detail.name: detail.old for detail in twin.details if detail.name not in ("class", "function")}
    if old and new and old.op != new.op:
        was["op" if old.leaf is not None else "class"] = old.op
    if old and new and twin.renamed and old.name != new.name:
        # without the places in lists at its end, in which copies differ: encoder of encoder.3
        was["name"] = re.sub(r"(\.?\d+)+$", "", old.name) or old.name
    pinned = {"pinned": True} if twin.old and twin.new else {}      # else what lies in it says the same
    return {"change": twin.kind, **({"was": was} if was else {}), **pinned}


def _marked(attrs: Mapping[str, Any], marks: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**attrs, **marks} if marks else attrs


def _free(key: NodeId, taken: set[NodeId]) -> NodeId:
    """An id that the new model has not: that of the old one, or this one marked."""
    while key in taken:
        key = f"{key}~"
    taken.add(key)
    return key
