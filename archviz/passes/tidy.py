"""Keep the frames that tell a reader something, and dissolve the others.

In: a graph.  Out: the same nodes and edges with fewer modules: a module that holds a single node, one of two modules of
which the outer holds nothing but the inner, and the module that holds the whole model but its head.  Their ids leave
`Graph.modules` and every `Node.scope`; a ×N moves to what was inside.  Imports ir, style.
"""
from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import Any

from archviz.ir import Graph, Module, Node, NodeId
from archviz.style import Style

CONTAINERS = frozenset(("", "Sequential", "ModuleList", "ModuleDict", "Module"))
"""Classes whose name says nothing about the content."""

SHORT = 8       # things directly inside a container that is no more than plumbing


def tidy(graph: Graph, style: Style, **options: Any) -> Graph:
    """Dissolve the frames that say nothing.  Ids, parameters, FLOPs and edges stay as they are."""
    children: dict[NodeId, dict[NodeId, bool]] = defaultdict(dict)          # frame → child → whether it is a frame
    for node in graph.nodes:
        for above, frame in zip(("", *node.scope), node.scope, strict=False):
            children[above].setdefault(frame, True)
        children[node.scope[-1] if node.scope else ""][node.id] = False
    modules = dict(graph.modules)
    gone = {key for key in modules if key not in children}
    for frame in sorted(children, key=lambda key: -len(modules[key].scope) if key in modules else 1):
        if len(children[frame]) != 1 or frame not in modules:
            continue
        (child, is_frame), = children[frame].items()
        if not is_frame:
            gone.add(frame)
            _replace_child(children, modules, frame, child, False)
        elif _keeps_outer(modules[frame], modules[child]):
            gone.add(child)
            modules[frame] = _joined(modules[frame], modules[child])
            children[frame] = children[child]
        else:
            gone.add(frame)
            modules[child] = _joined(modules[child], modules[frame])
            _replace_child(children, modules, frame, child, True)
    gone |= _shells(children, modules, gone)
    gone |= {key for key in modules if key not in gone and _is_plumbing(key, children, modules)}
    if not gone:
        return graph
    kept = {key: replace(module, scope=_without(module.scope, gone)) for key, module in modules.items() if key not in gone}
    return replace(graph, nodes=tuple(_moved(node, gone) for node in graph.nodes), modules=kept)


def _is_plumbing(frame: NodeId, children: dict[NodeId, dict[NodeId, bool]], modules: dict[NodeId, Module]) -> bool:
    """A short unnamed container in the forward of a named class: the class is the block, the container a way to write it."""
    module = modules[frame]
    return (module.cls in CONTAINERS and module.repeat == 1 and len(children[frame]) <= SHORT and bool(module.scope)
            and modules[module.scope[-1]].cls not in CONTAINERS)


def _keeps_outer(outer: Module, inner: Module) -> bool:
    """Which of two names tells more: a class name more than a container, the repeated block more than the list around it."""
    if outer.cls in CONTAINERS or inner.cls in CONTAINERS:
        return outer.cls not in CONTAINERS
    return inner.repeat == 1


def _joined(kept: Module, gone: Module) -> Module:
    copies = kept.copies if len(kept.copies) >= len(gone.copies) else gone.copies
    return replace(kept, repeat=kept.repeat * gone.repeat, copies=copies, shared=kept.shared or gone.shared,
                   attrs={**gone.attrs, **kept.attrs})


def _replace_child(children: dict[NodeId, dict[NodeId, bool]], modules: dict[NodeId, Module], frame: NodeId, child: NodeId,
                   is_frame: bool) -> None:
    """Let `child` take the place of `frame` in what holds it."""
    for key in (*reversed(modules[frame].scope), ""):
        if frame in children.get(key, ()):
            children[key] = {(child if own == frame else own): (is_frame if own == frame else kind)
                             for own, kind in children[key].items()}
            return


def _shells(children: dict[NodeId, dict[NodeId, bool]], modules: dict[NodeId, Module], gone: set[NodeId]) -> set[NodeId]:
    """The frames that hold all other frames: the backbone beside its head, whose title is the model's own."""
    shells: set[NodeId] = set()
    inside = children[""]
    while True:
        frames = [child for child, is_frame in inside.items() if is_frame and child not in gone]
        if len(frames) != 1 or modules[frames[0]].repeat > 1 or not any(children[frames[0]].values()):
            return shells
        shells.add(frames[0])
        inside = children[frames[0]]


def _without(scope: tuple[NodeId, ...], gone: set[NodeId]) -> tuple[NodeId, ...]:
    return tuple(frame for frame in scope if frame not in gone)


def _moved(node: Node, gone: set[NodeId]) -> Node:
    return replace(node, scope=_without(node.scope, gone),
                   inside=tuple(_moved(part, gone) for part in node.inside))
