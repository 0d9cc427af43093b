"""What a network is conditioned on: signals that come from beside its main path and are read again and again on it.

In: a graph.  Out: `Signal`s, and the edges by which they are read.

Told from structure alone.  A signal begins at inputs of its own; each way from it arrives, alone, where something comes
from the main path too; and what reads it once comes before what reads it again.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from archviz.core.graph import Graph, NodeId, reached

Links = Mapping[NodeId, tuple[NodeId, ...]]

JOINS = frozenset(("add", "cat", "mul"))
LEAST = 3       # readers: two are the sublayer that begins and the sum that ends a residual connection


@dataclass(frozen=True)
class Signal:
    """Something a network is conditioned on.

    source   the node whose output is read by many
    nodes    this node and all it is made from, in trace order
    edges    the ways, (src, dst), by which it, or what it is made from, enters the main path
    """

    source: NodeId
    nodes: tuple[NodeId, ...]
    edges: tuple[tuple[NodeId, NodeId], ...]


def signals(graph: Graph) -> tuple[Signal, ...]:
    """What `graph` is conditioned on, what most read first; nothing if it has a single input: that is its main path."""
    inputs = [node.id for node in graph.nodes if node.kind == "input"]
    if len(inputs) < 2:
        return ()
    data = {*inputs} | graph.descendants(inputs)        # not what is the same whatever goes in
    flows = [(edge.src, edge.dst) for edge in graph.flows if edge.src in data]
    after, before = _links(graph, flows), _links(graph, [(dst, src) for src, dst in flows])
    chosen: list[Signal] = []
    beside: set[NodeId] = set()     # all signals, and what is made from nothing else
    for source in _read_often(graph, inputs, after, before):
        origin = {source} | reached([source], before.__getitem__)
        closed = _closed(graph, origin | beside, before)
        if source in beside or origin | beside >= {*inputs} or closed is None:
            continue
        if _conditions(graph, source, closed, beside, after):
            nodes = tuple(node.id for node in graph.nodes if node.id in origin)
            edges = tuple((key, dst) for key in nodes for dst in after[key] if dst not in origin)
            chosen.append(Signal(source, nodes, edges))
            beside |= closed
    return tuple(chosen)


def _read_often(graph: Graph, inputs: Sequence[NodeId], after: Links, before: Links) -> list[NodeId]:
    """The nodes that several read and that are made from some of the inputs, not from all; most readers first."""
    made: dict[NodeId, set[NodeId]] = {}        # from which inputs
    for node in graph.nodes:
        made[node.id] = ({node.id} & {*inputs}).union(*(made.get(key, ()) for key in before[node.id]))
    often = [node.id for node in graph.nodes if len(after[node.id]) > 1 and 0 < len(made[node.id]) < len(inputs)]
    return sorted(often, key=lambda key: -len(after[key]))


def _closed(graph: Graph, origin: Collection[NodeId], before: Links) -> set[NodeId] | None:
    """`origin` and what is made from nothing else; None where ways from it meet before they arrive: then it is the main
    path, or a part of that."""
    closed = set(origin)
    for node in graph.nodes:
        if node.id not in closed and before[node.id] and closed.issuperset(before[node.id]):
            if len(before[node.id]) > 1:
                return None
            closed.add(node.id)
    return closed


def conditioning(graph: Graph) -> frozenset[tuple[NodeId, NodeId]]:
    """The edges of `graph`, as (src, dst), by which it is told what it is conditioned on."""
    return frozenset(edge for signal in signals(graph) for edge in signal.edges)


def _conditions(graph: Graph, source: NodeId, closed: set[NodeId], beside: set[NodeId], after: Links) -> bool:
    """Whether what leaves `closed` is read often enough, and again after it was read."""
    readers = {key for node in closed - beside for key in after[node] if key not in closed}
    # what is read by one layer, and then joins what that gave, goes around the layer
    joins = {key for key in readers if graph.by_id[key].kind in JOINS and key in after[source]}
    read = readers - joins or readers
    return len(readers) >= LEAST and bool(reached(read, after.__getitem__) & read)


def _links(graph: Graph, pairs: Iterable[tuple[NodeId, NodeId]]) -> Links:
    links: dict[NodeId, dict[NodeId, None]] = {node.id: {} for node in graph.nodes}
    for one, other in pairs:
        links[one][other] = None
    return {key: tuple(others) for key, others in links.items()}
