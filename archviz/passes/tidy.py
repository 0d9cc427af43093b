"""Keep the frames that tell a reader something, and dissolve the others.

In: a graph.  Out: the same nodes and edges with fewer modules.  These go: a module that holds a single node; one of two
modules of which the outer holds nothing but the inner, but for one of several stacks of blocks; a short unnamed
container in a named block; the few layers that end in the sum of a residual branch which began outside of them; and the
module that holds the whole model but its head.
Their ids leave `Graph.modules` and every `Node.scope`; a ×N moves to what was inside.  A frame of which the project
file says something stays, or what was said moves to the one node inside.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from archviz.core.graph import Graph, Module, Node, NodeId
from archviz.core.regroup import merge
from archviz.passes._marks import OWN, stays
from archviz.style.style import Style

CONTAINERS = frozenset(("", "Sequential", "ModuleList", "ModuleDict", "Module"))
"""Classes whose name says nothing about the content."""

SHORT = 8       # things directly inside a container that is no more than plumbing
TAIL = 4        # layers in a module that ends another one's residual branch
SHELL = 0.9     # share of all operations in a module that is the model but for its head

MOVED = (*OWN, "change")
"""Attributes of a frame that what is alone in it takes over."""


def tidy(graph: Graph, style: Style, **options: Any) -> Graph:
    """Dissolve the frames that say nothing.  Ids, parameters, FLOPs and edges stay as they are."""
    while (step := _step(graph)) is not graph:
        graph = step
    return _lone(graph) if style.options.get("lone") else graph


def _lone(graph: Graph) -> Graph:
    """A recurrent layer that is the whole model, with the inputs and outputs in it: x and h are in its picture."""
    layers = [node for node in graph.nodes if node.kind not in ("input", "output")]
    if len(layers) != 1 or layers[0].kind != "recurrent":
        return graph
    return merge(graph, [(layers[0], [node.id for node in graph.nodes])])


def _step(graph: Graph) -> Graph:
    """Dissolve what can be told by what lies in it now; never two frames of which one holds the other."""
    modules = dict(graph.modules)
    gone = {key for key in modules if key not in graph.children}
    touched: set[NodeId] = set()
    moved: dict[NodeId, dict[str, Any]] = {}
    for frame in sorted(filter(None, graph.children), key=lambda key: -len(modules[key].scope)):
        inner = graph.children[frame]
        drop = "" if touched & {frame, *inner, *modules[frame].scope[-1:]} else _dissolved(frame, graph)
        if not drop:
            continue
        gone.add(drop)
        touched.add(frame)
        heir = frame if drop != frame else next(iter(inner))
        if len(inner) == 1 and heir in modules:
            modules[heir] = _joined(modules[heir], modules[drop])
        elif len(inner) == 1:
            moved[heir] = {key: value for key, value in modules[drop].attrs.items() if key in MOVED}
    gone |= _shells(graph) if not touched else set()
    if not gone:
        return graph
    kept = {key: replace(module, scope=_without(module.scope, gone))
            for key, module in modules.items() if key not in gone}
    nodes = (replace(n, attrs={**moved[n.id], **n.attrs}) if moved.get(n.id) else n for n in graph.nodes)
    return replace(graph, nodes=tuple(_moved(node, gone) for node in nodes), modules=kept)


def _dissolved(frame: NodeId, graph: Graph) -> NodeId:
    """Which frame to dissolve: `frame`, the only one in it, or none ("")."""
    module, inner = graph.modules[frame], graph.children[frame]
    if len(inner) == 1:
        (child, is_frame), = inner.items()
        return _of_two(module, graph.modules[child], graph) if is_frame else frame
    if module.repeat > 1 or not module.scope or stays(module.attrs):
        return ""
    if module.cls in CONTAINERS and len(inner) <= SHORT and graph.modules[module.scope[-1]].cls not in CONTAINERS:
        return frame
    return frame if _ends_a_branch(graph, inner) else ""


def _of_two(outer: Module, inner: Module, graph: Graph) -> NodeId:
    """Which of two frames to dissolve, of which one holds nothing but the other; none ("") where both say something."""
    if stays(outer.attrs) or stays(inner.attrs):
        return "" if stays(outer.attrs) and stays(inner.attrs) else inner.id if stays(outer.attrs) else outer.id
    if outer.cls in CONTAINERS or inner.cls in CONTAINERS:
        return outer.id if outer.cls in CONTAINERS else inner.id
    if inner.repeat == 1:
        return inner.id
    # a stack of blocks, and the list around it, which says something where it is one of several
    peers = [key for key in graph.children[outer.scope[-1] if outer.scope else ""]
             if key in graph.modules and graph.modules[key].cls == outer.cls]
    return outer.id if len(peers) == 1 else ""


def _ends_a_branch(graph: Graph, inner: Mapping[NodeId, bool]) -> bool:
    """Whether the few layers in a frame get the branch and, at their sum, what it goes around."""
    if len(inner) > TAIL or any(inner.values()):
        return False
    outside = {(edge.src, key) for key in inner for edge in graph.inflow[key]
               if edge.src not in inner}
    at_sum = {src for src, key in outside if graph.by_id[key].kind == "add"}
    at_sum -= {src for src, key in outside if graph.by_id[key].kind != "add"}   # that branch begins inside
    return bool(at_sum) and len({src for src, _ in outside}) > 1


def _shells(graph: Graph) -> set[NodeId]:
    """The frame that holds (nearly) all of the model: the backbone beside its head, whose title is the model's own."""
    frames = [child for child, is_frame in graph.children[""].items() if is_frame]
    total = sum(len(node.members) for node in graph.nodes)
    for frame in frames:
        share = sum(len(node.members) for node in graph.content[frame]) / max(total, 1)
        plain = graph.modules[frame].repeat == 1 and not stays(graph.modules[frame].attrs)
        if plain and any(graph.children[frame].values()) and (len(frames) == 1 or share >= SHELL):
            return {frame}
    return set()


def _joined(kept: Module, gone: Module) -> Module:
    copies = kept.copies if len(kept.copies) >= len(gone.copies) else gone.copies
    return replace(kept, repeat=kept.repeat * gone.repeat, copies=copies, shared=kept.shared or gone.shared,
                   attrs={**gone.attrs, **kept.attrs})


def _without(scope: tuple[NodeId, ...], gone: set[NodeId]) -> tuple[NodeId, ...]:
    return tuple(frame for frame in scope if frame not in gone)


def _moved(node: Node, gone: set[NodeId]) -> Node:
    return replace(node, scope=_without(node.scope, gone), inside=tuple(_moved(part, gone) for part in node.inside))
