"""A trace as a tree of what two models can have in common: module calls, and the operations in them.

In: graphs.  Out: `Tree`, whose units know by which number their structure goes; equal numbers are equal structures,
also in another tree of the same `Numbers`.
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from archviz.core.graph import SOURCES, Graph, Module, Node, NodeId

INCIDENTAL = frozenset(("class", "layer_idx", "receptive_field", "activations", "weights", "inplace", "training",
                        "public", "layer", "container"))
"""Attributes that say nothing of what a layer does."""

PLUMBING = frozenset(("view", "cast", "size", "mask", "constant", "identity"))
"""Kinds whose numbers follow from the sizes of the tensors."""


class Numbers(dict[Hashable, int]):
    """A number for each thing, the same for equal things."""

    def __missing__(self, thing: Hashable) -> int:
        return self.setdefault(thing, len(self))


@dataclass(frozen=True, eq=False)
class Unit:
    """A module call or a single operation.

    id        of the call or of the node
    what      the module or the node itself; None for the whole model
    path      the qualified path; of a function that is called, its id
    name      the path within the module around it
    shape     the number of its structure: operations, hyper-parameters, parameters, but no names
    op        the class, or the function
    inner     what lies directly in a module call, in order
    nodes     all operations inside, or itself
    """

    id: NodeId
    what: Module | Node | None
    path: str
    name: str
    shape: int
    op: str
    inner: tuple[Unit, ...] = ()
    nodes: tuple[Node, ...] = ()

    @property
    def leaf(self) -> Node | None:
        """The operation, if it is one."""
        return self.what if isinstance(self.what, Node) else None

    @cached_property
    def named(self) -> bool:
        """Whether its name was given to it, and is not only the one of a function or its place in a list."""
        return "/" not in self.id and not self.name.replace(".", "").isdigit()

    def units(self) -> Iterator[Unit]:
        """Itself and all units inside."""
        yield self
        for one in self.inner:
            yield from one.units()


@dataclass(frozen=True, eq=False)
class Tree:
    """A graph as units.

    root      the whole model
    by_id     every unit by its id; the root's is empty
    outer     the unit around each, by id
    shapes    the number of each operation, and `loose` that of what it is without its hyper-parameters
    """

    graph: Graph
    root: Unit
    shapes: Mapping[NodeId, int]
    loose: Mapping[NodeId, int]
    by_id: Mapping[NodeId, Unit] = field(default_factory=dict)
    outer: Mapping[NodeId, Unit] = field(default_factory=dict)

    @cached_property
    def bags(self) -> dict[NodeId, tuple[Counter[int], Counter[int]]]:
        """For each module call how many operations of each kind it holds: with their hyper-parameters, and without."""
        return {key: (Counter(self.shapes[node.id] for node in unit.nodes),
                      Counter(self.loose[node.id] for node in unit.nodes))
                for key, unit in self.by_id.items() if unit.leaf is None}


def tree(graph: Graph, numbers: Numbers) -> Tree:
    """The units of a trace."""
    shapes = {node.id: numbers["node", signature(node)] for node in graph.nodes}
    loose = {node.id: numbers["op", function(node.op), node.kind] for node in graph.nodes}
    def unit(key: NodeId, is_frame: bool, around: str) -> Unit:
        if not is_frame:
            node = graph.by_id[key]
            path = key.partition("@")[0]
            return Unit(key, node, path, _within(path, around), shapes[key], node.op, (), (node,))
        module = graph.modules[key]
        inner = tuple(unit(child, inside, module.path) for child, inside in graph.children[key].items())
        shape = numbers["module", tuple(one.shape for one in inner)]
        nodes = tuple(node for one in inner for node in one.nodes)
        return Unit(key, module, module.path, _within(module.path, around), shape, module.cls, inner, nodes)

    inner = tuple(unit(child, inside, "") for child, inside in graph.children[""].items())
    root = Unit("", None, "", "", -1, graph.name, inner, graph.nodes)
    every = {one.id: one for one in root.units()}
    outer = {child.id: one for one in every.values() for child in one.inner}
    return Tree(graph, root, shapes, loose, every, outer)


def _within(path: str, around: str) -> str:
    """``conv1`` of ``layer1.0.conv1`` in ``layer1.0``; of a function called there, ``add`` of ``layer1.0/add``."""
    if around and path.startswith((f"{around}.", f"{around}/")):
        return path[len(around) + 1:]
    return path.rpartition("/")[2] if "/" in path else path


def signature(node: Node) -> Hashable:
    """What an operation does, without its name and its place."""
    shape = tuple(tensor.shape for tensor in node.out) if node.kind in SOURCES else ()
    return (function(node.op), node.kind, tuple(sorted((key, repr(value)) for key, value in settings(node).items())),
            node.params, node.shared is None, shape)


def function(op: str) -> str:
    """What an operation is called, as a layer and as a function: ``relu`` of ``ReLU``."""
    return op.lower()


def settings(item: Node | Module) -> dict[str, Any]:
    """The hyper-parameters of an operation or a module."""
    if isinstance(item, Node) and item.kind in PLUMBING:
        return {}
    return {key: value for key, value in item.attrs.items() if key not in INCIDENTAL}


def unnumbered(name: str) -> str:
    """`name` without its numbers: equal for ``layers.3`` and ``layers.4``."""
    return re.sub(r"\d+", "#", name)
