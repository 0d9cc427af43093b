"""Nodes drawn as one, and taken apart again: what passes do to a graph, without losing an id or a number.

In: a graph, and which nodes belong together.  Out: a graph.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from archviz.core.graph import Edge, Graph, Node, NodeId, base_edges


def _order(edge: Edge) -> tuple[NodeId, NodeId, int]:
    return edge.src, edge.dst, edge.slot


def lift(
    nodes: Iterable[Node], base: Iterable[Edge],
) -> tuple[tuple[Node, ...], tuple[Edge, ...], dict[NodeId, list[Edge]]]:
    """Sort `nodes`, and join trace edges that share their drawn ends.

    Returns the nodes, the drawn edges, and per node the edges that fell inside it.  A joined edge is recurrent only
    where all its parts are.
    """
    ordered = tuple(sorted(nodes, key=lambda node: (node.index, node.id)))
    owner = {member: node.id for node in ordered for member in node.members}
    rank = {node.id: i for i, node in enumerate(ordered)}
    drawn: dict[tuple[NodeId, NodeId], list[Edge]] = {}
    inner: dict[NodeId, list[Edge]] = {}
    for edge in base:
        src, dst = owner[edge.src], owner[edge.dst]
        if src == dst:
            inner.setdefault(src, []).append(edge)
        else:
            drawn.setdefault((src, dst), []).append(edge)
    edges = []
    for (src, dst), parts in drawn.items():
        parts.sort(key=_order)
        first = next((edge for edge in parts if edge.role != "recurrent"), parts[0])
        if len(parts) == 1 and (first.src, first.dst) == (src, dst):
            edges.append(first)
        else:
            edges.append(Edge(src, dst, first.tensor, first.role, min(p.slot for p in parts), tuple(parts)))
    edges.sort(key=lambda edge: (rank[edge.src], rank[edge.dst]))
    return ordered, tuple(edges), inner


def merge(graph: Graph, groups: Sequence[tuple[Node, Sequence[NodeId]]]) -> Graph:
    """Replace each group of drawn nodes by one node.

    Parameters
    ----------
    graph : Graph
        What is drawn now.
    groups : sequence of (Node, sequence of str)
        A node that says how the group is drawn (id, scope, op, kind, attrs, out, repeat), and the ids it replaces.

    Returns
    -------
    Graph
        The same network.  Members, parameters, FLOPs, index, `inside` and `wires` of the fresh nodes are filled in.

    Raises
    ------
    ValueError
        Where two groups share a node, or one is empty.
    """
    taken: set[NodeId] = set()
    fresh: list[Node] = []
    for node, ids in groups:
        parts = sorted((graph.by_id[i] for i in ids), key=lambda n: (n.index, n.id))
        if taken & set(ids) or not parts:
            raise ValueError(f"groups overlap or are empty at {node.id!r}")
        taken.update(ids)
        fresh.append(replace(
            node, members=tuple(m for p in parts for m in p.members), index=parts[0].index,
            params=sum(p.params for p in parts), flops=sum(p.flops for p in parts), inside=tuple(parts), wires=()))
    kept = [node for node in graph.nodes if node.id not in taken]
    nodes, edges, inner = lift([*kept, *fresh], base_edges(graph))
    nodes = tuple(replace(node, wires=tuple(sorted(inner[node.id], key=_order)))
                  if node.id in inner else node for node in nodes)
    return replace(graph, nodes=nodes, edges=edges)


def subgraph(graph: Graph, ids: Iterable[NodeId]) -> Graph:
    """Some nodes of `graph`, and the edges among them."""
    kept = set(ids)
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.id in kept),
                   edges=tuple(edge for edge in graph.edges if {edge.src, edge.dst} <= kept))


def split(graph: Graph, ids: Iterable[NodeId]) -> Graph:
    """Undo `merge`.

    Parameters
    ----------
    graph : Graph
        What is drawn now.
    ids : iterable of str
        The nodes to open; one that replaced nothing stays as it is.

    Returns
    -------
    Graph
        The same network, with what these nodes replaced back in their place.
    """
    opened = set(ids)
    base = list(base_edges(graph))
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.id in opened and node.inside:
            nodes.extend(node.inside)
            base.extend(node.wires)
        else:
            nodes.append(node)
    ordered, edges, inner = lift(nodes, base)
    if inner:
        # A fresh part of the opened node was itself merged: its own wires are already inside it.
        raise ValueError(f"wires fell inside {sorted(inner)}")
    return replace(graph, nodes=ordered, edges=edges)
