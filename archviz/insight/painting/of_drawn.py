"""Which of the numbers that a trace's ids carry belong to what is drawn: a cut's nodes and edges.

In: a drawn graph, numbers and words by trace id.  Out: one for each drawn node, or each drawn edge.

A drawn box gives what its last operation gives, so that this one's number is the box's: of ``conv > norm > act`` that
of the activation.  A closed module has the number of its own id, where there is one.  What stands for N copies has
their mean, and the last copy's map.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from archviz.core.graph import Graph, Node, NodeId, whole

T = TypeVar("T")
Array = NDArray[Any]


def of_sample(arrays: Mapping[T, Array], sample: int) -> dict[T, Array]:
    """What belongs to one sample, of arrays whose first axis is the samples."""
    return {key: np.asarray(array)[sample] for key, array in arrays.items()}


def scored(graphs: Iterable[Graph], scores: Mapping[NodeId, Any]) -> dict[NodeId, float]:
    """Drawn id → its number, of those that have one."""
    return _by_node(graphs, lambda graph, node: _value(
        graph, node, lambda key: float(scores[key]) if key in scores else None, lambda copies: float(np.mean(copies))))


def mapped(graphs: Iterable[Graph], maps: Mapping[NodeId, Array]) -> dict[NodeId, Array]:
    """Drawn id → its map, of those that have one."""
    def array(graph: Graph, node: Node) -> Array | None:
        value = _value(graph, node, maps.get, lambda copies: copies[-1])
        return None if value is None else _of_stream(node, value)

    return _by_node(graphs, array)


def _by_node(graphs: Iterable[Graph], get: Callable[[Graph, Node], T | None]) -> dict[NodeId, T]:
    """Drawn id → what there is of the node, of those of which there is something."""
    values: dict[NodeId, T] = {}
    for graph in graphs:
        for node in graph.nodes:
            if (value := get(graph, node)) is not None:
                values.setdefault(node.id, value)
    return values


def _of_stream(node: Node, value: Array) -> Array:
    """Of what a whole layer gives, with or without samples, the part that its node in one of several streams gives."""
    count, shape = int(node.attrs.get("streams", 1)), node.out[0].shape if node.out else ()
    before = len(shape) - value.ndim
    if count < 2 or before not in (0, 1):
        return value
    axes = [axis for axis in range(1 - before, value.ndim) if value.shape[axis] == count * shape[axis + before]]
    return np.split(value, count, axes[0])[int(node.attrs["stream"])] if axes else value


def marked(graphs: Iterable[Graph], marks: Mapping[NodeId, str]) -> dict[NodeId, tuple[str, ...]]:
    """Drawn id → what is said of it and of what is in it, each once."""
    return _by_node(graphs, lambda graph, node: tuple(dict.fromkeys(
        marks[key] for key in (node.id, *node.members, *map(whole, node.members)) if key in marks)) or None)


def flowing(graphs: Iterable[Graph], flows: Mapping[tuple[NodeId, NodeId], Any]) -> dict[tuple[NodeId, NodeId], float]:
    """Drawn edge → the sum of what runs from what its one end stands for to what its other end does;
    where it stands for those of N copies, their mean."""
    running: dict[tuple[NodeId, NodeId], float] = {}
    for graph in graphs:
        sums: dict[tuple[NodeId, NodeId], float] = {}
        for (src, dst), value in flows.items():
            ends = graph.owner.get(src, src), graph.owner.get(dst, dst)
            sums[ends] = sums.get(ends, 0.0) + float(value)
        for edge in graph.edges:
            if (edge.src, edge.dst) in sums:
                times = min(graph.by_id[edge.src].repeat, graph.by_id[edge.dst].repeat)
                running.setdefault((edge.src, edge.dst), sums[edge.src, edge.dst] / max(times, 1))
    return running


def averaged(graphs: Iterable[Graph], scores: Mapping[NodeId, float]) -> bool:
    """Whether any drawn number is the mean of several copies."""
    return any(node.repeat > 1 and node.id in scores for graph in graphs for node in graph.nodes)


def _value(graph: Graph, node: Node, get: Callable[[NodeId], T | None], join: Callable[[list[T]], T]) -> T | None:
    copies = len(node.inside) > 1 and node.repeat == sum(part.repeat for part in node.inside)
    if copies and node.kind != "module":
        values = list(_known(_value(graph, part, get, join) for part in node.inside))
        return join(values) if values else None
    module = graph.modules.get(node.id)
    own = list(_known(get(key) for key in (module.copies if module and module.copies else (node.id,))))
    if node.kind == "module" and own:
        return join(own)
    if not node.inside:     # its members are what is hidden behind it, too; a stream's part of a layer is the layer
        names = (node.id, *reversed(node.members))
        return next(_known(get(key) for key in (*names, *map(whole, names))), None)
    return next(_known(_value(graph, part, get, join) for part in reversed(node.inside)), None)


def _known(values: Iterable[T | None]) -> Iterator[T]:
    return (value for value in values if value is not None)
