"""Which nodes of a graph form columns: its spine, the towers that feed it, and what stands beside them.

In: a graph.  Out: `Towers`, or None for a graph that is not made of such.

The spine is walked back from the deepest output: at each node to where most of the model lies, within its own frame
first.  What it leaves out is walked back likewise: a way with a frame or with many nodes is a tower of its own, a short
one stands beside the node it feeds.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

from archviz.core.graph import Edge, Graph, NodeId, skips

SHORT = 3
"""Nodes that may stand beside what they feed."""


@dataclass
class Tower:
    """A column: its nodes in the order of the flow.

    feeders   node of the column → short ways that end in it, each in the order of the flow
    leavers   node of the column → short ways that begin at it
    """

    nodes: list[NodeId]
    feeders: dict[NodeId, list[list[NodeId]]] = field(default_factory=dict)
    leavers: dict[NodeId, list[list[NodeId]]] = field(default_factory=dict)

    def beside(self) -> Iterator[NodeId]:
        """What stands beside it."""
        for ways in (*self.feeders.values(), *self.leavers.values()):
            yield from chain.from_iterable(ways)


@dataclass(frozen=True)
class Towers:
    """The columns in the order in which they stand from left to right, the spine last.

    skips    edges that pass by what lies between two nodes of one column
    across   edges from the last node of one column to a node of another
    """

    columns: tuple[Tower, ...]
    skips: tuple[Edge, ...]
    across: tuple[Edge, ...]


def towers(graph: Graph, scope: Mapping[NodeId, Sequence[NodeId]]) -> Towers | None:
    """The columns of `graph`, of which `scope` says in which frames each node is drawn.

    None where an edge does not go along, past or between them.
    """
    depth = _depths(graph)
    ends = [node.id for node in graph.nodes if not graph.outflow[node.id]]
    if not ends:
        return None
    walk = _Walk(graph, scope, depth)
    columns = [Tower(walk.back(max(ends, key=lambda key: depth[key])))]
    for column in columns:        # grows while it is walked
        columns += walk.fed(column)
    home = {key: column for column in columns for key in column.nodes}
    for node in (node for node in graph.nodes if node.id not in walk.placed):
        sources = [edge.src for edge in graph.inflow[node.id]]
        if len(sources) != 1 or sources[0] not in home or graph.outflow[node.id]:
            return None
        walk.placed.add(node.id)
        home[sources[0]].leavers.setdefault(sources[0], []).append([node.id])
    return _sorted(graph, tuple(reversed(columns)))


def _sorted(graph: Graph, columns: tuple[Tower, ...]) -> Towers | None:
    """The edges by how they run."""
    rank = {key: (c, i) for c, column in enumerate(columns) for i, key in enumerate(column.nodes)}
    beside = {key for column in columns for key in column.beside()}
    passing, across = [], []
    for edge in (edge for edge in graph.flows if edge.src not in beside and edge.dst not in beside):
        (a, i), (b, j) = rank[edge.src], rank[edge.dst]
        if a == b and j > i + 1:
            passing.append(edge)
        elif a < b and i == len(columns[a].nodes) - 1:
            across.append(edge)
        elif a != b or j != i + 1:
            return None
    steps = {(edge.src, edge.dst) for edge in graph.edges}
    if not all(step in steps for column in columns for step in pairwise(column.nodes)):
        return None
    return Towers(columns, tuple(passing), tuple(across))


class _Walk:
    """Ways back through a graph, and the nodes they have taken."""

    def __init__(self, graph: Graph, scope: Mapping[NodeId, Sequence[NodeId]], depth: Mapping[NodeId, int]) -> None:
        self.graph, self.scope, self.depth = graph, scope, depth
        self.passing = skips(graph)
        self.placed: set[NodeId] = set()

    def back(self, end: NodeId) -> list[NodeId]:
        """From `end` to a source, or to what is taken already; in the order of the flow."""
        way, key = [end], end
        while edges := self.graph.inflow[key]:
            key = self._main(key, edges)
            if key in self.placed or key in way:
                break
            way.append(key)
        self.placed.update(way)
        return way[::-1]

    def fed(self, column: Tower) -> Iterator[Tower]:
        """Walk back what feeds `column`: the towers among it; short ways become its feeders."""
        for key in reversed(column.nodes):
            for edge in (edge for edge in self.graph.inflow[key] if edge.src not in self.placed):
                way = self.back(edge.src)
                if len(way) > SHORT or any(self.scope[k] != self.scope[key] for k in way):
                    yield Tower(way)
                else:
                    column.feeders.setdefault(key, []).append(way)

    def _main(self, key: NodeId, edges: Sequence[Edge]) -> NodeId:
        def rank(edge: Edge) -> tuple[bool, int, int]:
            near = sum(a == b for a, b in zip(self.scope[key], self.scope[edge.src], strict=False))
            return (edge.src, key) not in self.passing, near, self.depth[edge.src]

        best = max(map(rank, edges))
        equal = [edge for edge in edges if rank(edge) == best]
        # of three that are added the second keeps the middle
        return next((edge for edge in equal if 0 < edges.index(edge) < len(edges) - 1), equal[0]).src


def _depths(graph: Graph) -> dict[NodeId, int]:
    """How many nodes lie on the longest way to each."""
    depth: dict[NodeId, int] = {}
    for node in graph.nodes:
        depth[node.id] = 1 + max((depth.get(edge.src, 0) for edge in graph.inflow[node.id]), default=0)
    return depth
