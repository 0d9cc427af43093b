"""What a network is conditioned on: signals that come from beside its main path and are read again and again on it.

In: a graph.  Out: `Signal`s, and the edges by which they are read.

Told from structure alone.  A signal begins at inputs of its own; each way from it arrives, alone, where something comes
from the main path too; and what reads it once comes before what reads it again.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_

from archviz.core.graph import Graph, NodeId

Links = Mapping[NodeId, tuple[NodeId, ...]]

JOINS = frozenset(("add", "cat", "mul"))
LEAST = 3       # readers: two are the sublayer that begins and the sum that ends a residual connection


@dataclass(frozen=True)
class Signal:
    """Something a network is conditioned on.

    Attributes
    ----------
    source : str
        The node whose output is read by many.
    nodes : tuple of str
        This node and all it is made from, in trace order.
    edges : tuple of (str, str)
        The ways by which it, or what it is made from, enters the main path.
    """

    source: NodeId
    nodes: tuple[NodeId, ...]
    edges: tuple[tuple[NodeId, NodeId], ...]


def signals(graph: Graph) -> tuple[Signal, ...]:
    """What `graph` is conditioned on.

    Parameters
    ----------
    graph : Graph
        A trace, or a cut through one.

    Returns
    -------
    tuple of Signal
        Those with most readers first; none of a graph with a single input, for that is its main path.
    """
    inputs = [node.id for node in graph.nodes if node.kind == "input"]
    if len(inputs) < 2:
        return ()
    every = [(edge.src, edge.dst) for edge in graph.edges if edge.role != "recurrent"]
    data = {*inputs} | _reached(inputs, _links(graph, every))
    flows = [(src, dst) for src, dst in every if src in data]       # not what is the same whatever goes in
    after = _links(graph, flows)
    before = _links(graph, [(dst, src) for src, dst in flows])
    rank = {node.id: i for i, node in enumerate(graph.nodes)}
    made: dict[NodeId, int] = {}    # from which inputs, one bit for each
    for node in graph.nodes:
        own_bit = 1 << inputs.index(node.id) if node.kind == "input" else 0
        made[node.id] = reduce(or_, (made.get(key, 0) for key in before[node.id]), own_bit)
    every_bit = (1 << len(inputs)) - 1
    many = [node.id for node in graph.nodes if len(after[node.id]) > 1 and 0 < made[node.id] < every_bit]
    found: list[Signal] = []
    beside: set[NodeId] = set()     # all signals, and what is made from nothing else
    for source in sorted(many, key=lambda key: (-len(after[key]), rank[key])):
        own = {source} | _reached([source], before)
        if source in beside or all(key in own or key in beside for key in inputs):
            continue
        closed, joined = own | beside, False
        for node in graph.nodes:
            if node.id not in closed and before[node.id] and closed.issuperset(before[node.id]):
                closed.add(node.id)
                joined = joined or len(before[node.id]) > 1
        if joined:      # its ways meet before they arrive: it is the main path, or a part of that
            continue
        readers = {key for node in closed - beside for key in after[node] if key not in closed}
        # what is read by one layer, and then joins what that gave, goes around the layer
        joins = {key for key in readers if graph.by_id[key].kind in JOINS and key in after[source]}
        read = readers - joins or readers
        if len(readers) >= LEAST and read & _reached(read, after):
            edges = tuple((key, dst) for key in sorted(own, key=rank.__getitem__) for dst in after[key]
                          if dst not in own)
            found.append(Signal(source, tuple(sorted(own, key=rank.__getitem__)), edges))
            beside |= closed
    return tuple(found)


def conditioning(graph: Graph) -> frozenset[tuple[NodeId, NodeId]]:
    """The edges of `graph`, as (src, dst), by which it is told what it is conditioned on."""
    return frozenset(edge for signal in signals(graph) for edge in signal.edges)


def _links(graph: Graph, pairs: Iterable[tuple[NodeId, NodeId]]) -> Links:
    found: dict[NodeId, dict[NodeId, None]] = {node.id: {} for node in graph.nodes}
    for one, other in pairs:
        found[one][other] = None
    return {key: tuple(others) for key, others in found.items()}


def _reached(starts: Iterable[NodeId], links: Links) -> set[NodeId]:
    """All that is one or more links away."""
    seen: set[NodeId] = set()
    waiting = list(starts)
    while waiting:
        for key in links[waiting.pop()]:
            if key not in seen:
                seen.add(key)
                waiting.append(key)
    return seen
