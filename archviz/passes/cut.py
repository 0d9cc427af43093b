"""End the figure at a layer, and write what follows by hand: a network as a feature extractor, whatever uses it.

In: a trace graph, the name of the layer that is the last (``ends``), and the names of blocks that come after the end
(``append``).  Out: what that layer is computed from, with the appended blocks in a row behind it; parameters and
operations are those of what is left.

Runs before everything else: it is the one pass that leaves something out, so what comes after it takes its result for
the model.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import Edge, Graph, Node, NodeId, TensorSpec
from archviz.passes.collapse import matches
from archviz.style.style import Style

OURS = "/append:"
"""How the ids of appended blocks begin: they are no nodes of the trace."""
EMPTY = frozenset({"input", "parameter", "constant", "identity", "size", "cast", "view"})
"""Kinds that are nothing by themselves: a figure of nothing else would be empty."""


def cut(graph: Graph, style: Style | None = None, *, ends: str = "", append: Sequence[str] = (), **options: Any
        ) -> Graph:
    """Leave out what comes after `ends`, and put the blocks `append` behind the last layer.

    Keeps ids; parameters and FLOPs are those of the nodes that stay.  Weights that one of them shares with a node that
    is left out count where they are used now.  Raises `ArchvizError` for a layer that is not there, for a cut that
    leaves nothing, and for a block without a name.
    """
    last = _ending(graph, ends) if ends else _last(graph)
    if ends:
        graph = _shortened(graph, last)
    return _continued(graph, last, append) if ends or append else graph


def _ending(graph: Graph, name: str) -> list[NodeId]:
    """The nodes of the layer that is called `name`: an id, else a glob on paths, classes and functions."""
    layer = [node.id for node in graph.nodes if name in (node.id, *node.scope)]
    if not layer:
        called = {node.id: _called(graph, node) for node in graph.nodes}
        # or something in the list of layers of that name, which is never called
        layer = [key for key, names in called.items() if matches(name, names) or matches(f"{name}.*", names)]
        if not layer:
            every = {each for names in called.values() for each in names if not each.startswith("/out")}
            raise ArchvizError(f"--cut: no layer is called {name!r}, neither by path nor by class",
                               did_you_mean(name, every) or "the paths are those of the model's named_modules()")
    return layer


def _called(graph: Graph, node: Node) -> set[str]:
    around = [graph.modules[key] for key in node.scope if key in graph.modules]
    names = {node.id, node.id.partition("@")[0], node.op} if node.kind != "output" else {node.id}
    return (names | {name for module in around for name in (module.id, module.path, module.cls)}) - {""}


def _last(graph: Graph) -> list[NodeId]:
    """What the model gives: the nodes that its outputs come from, or those that nothing follows."""
    outputs = {node.id for node in graph.nodes if node.kind == "output"}
    sources = dict.fromkeys(edge.src for edge in graph.edges if edge.dst in outputs)
    return list(sources) or [node.id for node in graph.nodes if not graph.outgoing[node.id]][-1:]


def _shortened(graph: Graph, last: Sequence[NodeId]) -> Graph:
    """What the nodes `last` are computed from, and they themselves."""
    kept = {*last, *graph.ancestors(last)}
    nodes = _counted([node for node in graph.nodes if node.id in kept and node.kind != "output"], graph)
    if all(node.kind in EMPTY for node in nodes):
        raise ArchvizError(f"--cut {last[-1]} leaves nothing to draw: no layer comes before it",
                           "name the last layer that shall be seen")
    edges = tuple(edge for edge in graph.edges if {edge.src, edge.dst} <= kept)
    used = {frame for node in nodes for frame in node.scope}
    modules = {key: module for key, module in graph.modules.items() if key in used}
    report = dict(graph.attrs.get("report") or {})
    if report.get("failed") and all(node.kind != "failed" for node in nodes):
        del report["failed"]        # what raised is not in this figure
    attrs = {**graph.attrs, "report": report} if "report" in graph.attrs else graph.attrs
    return replace(graph, nodes=nodes, edges=edges, modules=modules, attrs=attrs)


def _counted(nodes: Sequence[Node], graph: Graph) -> tuple[Node, ...]:
    """`nodes`, each with the parameters that it is now the first to use."""
    kept = {node.id for node in nodes}
    heirs: dict[NodeId, NodeId] = {}
    counted = []
    for node in nodes:
        owner = node.shared
        if owner is None or owner in kept:
            counted.append(node)
        elif owner in heirs:
            counted.append(replace(node, shared=heirs[owner]))
        else:
            heirs[owner] = node.id
            params = int(node.attrs.get("reused", graph.by_id[owner].params if owner in graph.by_id else 0))
            counted.append(replace(node, params=node.params + params, shared=None))
    return tuple(counted)


def _continued(graph: Graph, last: Sequence[NodeId], names: Sequence[str]) -> Graph:
    """`graph` with the blocks `names` in a row after the nodes `last`, or with an output there if there is no name."""
    inner = graph.ancestors(last)
    ends = [graph.by_id[key] for key in last if key not in inner]
    index = max(node.index for node in graph.nodes) + 1
    tensors = [node.out[0] if node.out else None for node in ends]
    if not names:
        out = Node("/out:0", (), "output", "output", out=tuple(tensor for tensor in tensors if tensor), index=index)
        edges = [Edge(node.id, out.id, tensor, slot=slot)
                 for slot, (node, tensor) in enumerate(zip(ends, tensors, strict=True))]
        return replace(graph, nodes=(*graph.nodes, out), edges=(*graph.edges, *edges))
    outputs = {node.id for node in graph.nodes if node.kind == "output"}
    nodes = [node for node in graph.nodes if node.id not in outputs]
    edges = [edge for edge in graph.edges if edge.dst not in outputs]
    before: list[tuple[NodeId, TensorSpec | None]] = [(n.id, t) for n, t in zip(ends, tensors, strict=True)]
    for i, name in enumerate(names):
        label = " ".join(name.split())
        if not label:
            raise ArchvizError("--append: a block needs a name", 'write --append "SVM"')
        block = Node(f"{OURS}{i}", (), label, "module", {"label": label, "appended": True}, index=index + i)
        edges += [Edge(src, block.id, tensor, slot=slot) for slot, (src, tensor) in enumerate(before)]
        nodes.append(block)
        before = [(block.id, None)]
    return replace(graph, nodes=tuple(nodes), edges=tuple(edges))
