"""Draw equal neighbours once, with ×N: equal by structure and shapes, not by their names.

In: a graph.  Out: the graph in which each run of equal units is one unit; each drawn node's members hold the ids of all
copies, the frame (or the node) says ``repeat`` N, and an edge from one copy to the next is ``recurrent``.  Parameters
and FLOPs of the copies add up.

A unit is a node, a module call, or up to sixteen siblings in a row (these get a frame of their own, without a class).
Neighbours are equal when ops, kinds, hyper-parameters, tensors and the wiring inside are, and when they are wired alike
to the outside: in a chain, where each is fed by the one before as the first is fed from outside; or side by side, where
all have the same sources and meet in the same sums or concatenations.  Inner runs are folded before outer ones.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from heapq import heapify, heappop, heappush
from typing import Any

from archviz.core.graph import Edge, Graph, Module, Node, NodeId, TensorSpec, is_chain
from archviz.core.regroup import merge
from archviz.passes._marks import marks_of
from archviz.passes._runs import Copy, alike, skipped
from archviz.style.style import Style

PERIOD = 16
"""How many siblings may form one unit."""

INCIDENTAL = frozenset(("receptive_field", "activations", "p", "eps", "momentum", "training", "layer_idx",
                        "weights", "at"))
"""Attributes in which copies may differ."""

WIDTH_OF_INPUT = frozenset(("in_channels", "in_features", "num_features", "normalized_shape", "num_channels"))
"""Attributes that follow from the number of channels that come in."""


@dataclass(frozen=True)
class _Unit:
    """A node, a module call or a run, as a child of its module.

    nodes   the nodes that stand for it, in order, and `frames` the module calls
    every   all nodes it holds, with the copies of inner runs
    shape   equal for equal units, `loose` also for those whose input has other channels
    grows   whether a concatenation is inside: then a stack of such modules counts as equal though each has wider input
    """

    id: NodeId
    nodes: tuple[NodeId, ...]
    every: tuple[NodeId, ...]
    frames: tuple[NodeId, ...]
    shape: int
    loose: int
    grows: bool


def fold(graph: Graph, style: Style, **options: Any) -> Graph:
    """Fold every run of equal neighbours, inner ones first.  Keeps ids, parameters and FLOPs.

    A chain of at most ``style.sizes["unfolded"]`` nodes, its ends included, stays as it is: there a reader follows
    every layer.
    """
    if len(graph.nodes) <= style.sizes.get("unfolded", 0) and is_chain(graph):
        return graph
    return _Folder(graph).result()


class _Folder:
    """One run of `fold`: works on ids from the innermost modules out, and regroups once at the end."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.first: dict[NodeId, NodeId] = {}                   # node or frame → the one that stands for it
        self.repeat: dict[NodeId, int] = {}                     # node or frame → ×N
        self.copies: dict[NodeId, list[NodeId]] = {}            # frame → the frames it stands for
        self.made: dict[NodeId, NodeId] = {}                    # node or frame → the frame that was put around it
        self.back: set[tuple[NodeId, NodeId]] = set()           # edges from one copy to the next
        self.shapes: dict[Hashable, int] = {}

    def find(self, key: NodeId) -> NodeId:
        """What stands for a node or a frame so far."""
        while key in self.first:
            key = self.first[key]
        return key

    def units(self, frame: NodeId) -> list[_Unit]:
        """What lies directly in `frame`, folded."""
        return self._folded([self._of_module(child) if is_frame else self._of_node(self.graph.by_id[child])
                             for child, is_frame in self.graph.children[frame].items()])

    def _of_module(self, frame: NodeId) -> _Unit:
        inner = self.units(frame)
        module = self.graph.modules.get(frame)
        grows = any(unit.grows for unit in inner)
        marks = (*marks_of(module.attrs), module.attrs.get("change")) if module else ()
        key = ("module", module.cls if module else "", marks, frozenset(self._copy(inner).inside))
        loose = self._intern((*key, tuple(unit.loose for unit in inner)))
        shape = loose if grows else self._intern((*key, tuple(unit.shape for unit in inner)))
        frames = (frame, *(each for unit in inner for each in unit.frames))
        return _Unit(frame, _nodes(inner), _every(inner), frames, shape, loose, grows)

    def _of_node(self, node: Node) -> _Unit:
        attrs = sorted((key, repr(value)) for key, value in node.attrs.items() if key not in INCIDENTAL)
        # the ends of the network are never one of many
        key = ("node", node.op, node.kind, node.repeat, node.id if node.kind in ("input", "output", "failed") else "")
        shape = self._intern((*key, tuple(attrs), tuple((tensor.shape, tensor.dtype) for tensor in node.out)))
        fixed = node.kind in ("conv", "upconv", "linear")
        loose = self._intern((*key, tuple(item for item in attrs if item[0] not in WIDTH_OF_INPUT),
                              tuple(tensor.shape if fixed else _unchannelled(tensor) for tensor in node.out)))
        return _Unit(node.id, (node.id,), (node.id,), (), shape, loose, node.kind == "cat")

    def _intern(self, key: Hashable) -> int:
        return self.shapes.setdefault(key, len(self.shapes))

    def _copy(self, units: Sequence[_Unit]) -> Copy:
        """How these units together are wired."""
        copy = Copy({node: i for i, node in enumerate(_nodes(units))})
        for node in _every(units):
            here = copy.place[self.find(node)]
            for edge in self.graph.incoming[node]:
                src = self.find(edge.src)
                if (edge.src, edge.dst) not in self.back:
                    if src in copy.place:
                        copy.inside.add((copy.place[src], here, edge.slot))
                    else:
                        copy.incoming.add((src, here, edge.slot))
            for edge in self.graph.outgoing[node]:
                dst = self.find(edge.dst)
                if dst not in copy.place:
                    joins = self.graph.by_id[edge.dst].kind in ("add", "cat")
                    copy.outgoing.add((here, dst, 0 if joins else edge.slot))
                    copy.joins = copy.joins and joins
        return copy

    def _folded(self, units: list[_Unit]) -> list[_Unit]:
        """`units` with every run replaced by one unit; runs of runs too."""
        while runs := self._runs(units):
            units = self._replaced(units, runs)
        return units

    def _replaced(self, units: list[_Unit], runs: list[tuple[int, int, int]]) -> list[_Unit]:
        out: list[_Unit] = []
        position = 0
        for start, period, count in runs:
            out.extend(units[position:start])
            out.append(self._zip([units[start + i * period:start + (i + 1) * period] for i in range(count)]))
            position = start + period * count
        return [*out, *units[position:]]

    def _runs(self, units: list[_Unit]) -> list[tuple[int, int, int]]:
        """(start, period, count) of the runs to fold, left to right: the longest win, then those of shortest period."""
        waiting = _repetitions([unit.shape for unit in units])
        copies: dict[tuple[int, int], Copy] = {}
        taken = [False] * len(units)
        runs = []
        while waiting:
            covered, period, start = heappop(waiting)
            free = next((i for i in range(start, start - covered) if taken[i]), start - covered)
            count = self._equal(units, start, period, (free - start) // period, copies)
            if count < 2:
                continue
            if count * period < -covered:
                heappush(waiting, (-count * period, period, start))
            elif not skipped([copies[start + i * period, period] for i in range(count)]):
                runs.append((start, period, count))
                taken[start:start + count * period] = [True] * (count * period)
        return sorted(runs)

    def _equal(self, units: list[_Unit], start: int, period: int, count: int, copies: dict[tuple[int, int], Copy]
               ) -> int:
        """How many of `count` groups of units from `start` on are wired alike; `copies` keeps what was looked at."""
        for few in (2, count):      # two that are not alike end it, however many equal ones follow
            if count < 2:
                break
            for first in range(start, start + few * period, period):
                if (first, period) not in copies:
                    copies[first, period] = self._copy(units[first:first + period])
            count = alike([copies[start + i * period, period] for i in range(few)])
        return count

    def _zip(self, copies: list[list[_Unit]]) -> _Unit:
        """Let the first copy stand for all of them."""
        while len(copies[0]) > 1:
            runs = [self._runs(copy) for copy in copies]
            if not runs[0] or any(run != runs[0] for run in runs):
                break
            copies = [self._replaced(copy, runs[0]) for copy in copies]
        which = {node: i for i, copy in enumerate(copies) for node in _every(copy)}
        for node, i in which.items():
            self.back.update((edge.src, edge.dst) for edge in self.graph.outgoing[node] if which.get(edge.dst, i) != i)
        for first, *others in zip(*copies, strict=True):
            for unit in others:
                self._identify(first, unit)
        head = copies[0]
        key, frames = head[0].id, tuple(frame for unit in head for frame in unit.frames)
        if len(head) > 1:
            key = f"{head[0].id}+{head[-1].id}"
            self.made.update({unit.id: key for unit in head})
            frames = (key, *frames)
        self.repeat[key] = self.repeat.get(key, 1) * len(copies)
        return _Unit(key, _nodes(head), tuple(node for copy in copies for node in _every(copy)), frames,
                     self._intern(("run", len(copies), tuple(unit.shape for unit in head))),
                     self._intern(("run", len(copies), tuple(unit.loose for unit in head))),
                     any(unit.grows for unit in head))

    def _identify(self, unit: _Unit, other: _Unit) -> None:
        """Let `unit` stand for `other`."""
        self.first.update(zip(other.nodes, unit.nodes, strict=True))
        self.first.update(zip(other.frames, unit.frames, strict=True))
        for mine, copy in zip(unit.frames, other.frames, strict=True):
            self.copies.setdefault(mine, [mine]).extend(self.copies.get(copy, [copy]))

    def result(self) -> Graph:
        self.units("")
        if not self.repeat:
            return self.graph
        graph = self.graph
        groups: dict[NodeId, list[Node]] = defaultdict(list)
        for node in graph.nodes:
            groups[self.find(node.id)].append(node)
        folded = [(self._node(nodes), [node.id for node in nodes]) for nodes in groups.values()
                  if len(nodes) > 1 or self._scope(nodes[0].id, nodes[0].scope) != nodes[0].scope]
        edges = tuple(_recurrent(edge) if (edge.src, edge.dst) in self.back else edge for edge in graph.edges)
        modules = self._modules([node for node, _ in folded])
        return merge(replace(graph, edges=edges, modules=modules), folded)

    def _scope(self, key: NodeId, scope: tuple[NodeId, ...]) -> tuple[NodeId, ...]:
        """`scope` of a node or frame with the frames that folding made."""
        out: list[NodeId] = []
        for step in (*scope, key):
            around = [step]
            while around[-1] in self.made:
                around.append(self.made[around[-1]])
            out.extend(reversed(around))
        return tuple(out[:-1])

    def _node(self, copies: list[Node]) -> Node:
        """The node that stands for `copies`, with the attributes they share."""
        node = copies[0]
        attrs = {key: value for key, value in node.attrs.items() if all(c.attrs.get(key) == value for c in copies)}
        if len(copies) > 1 and all(copy.shared is not None for copy in copies[1:]):
            attrs["shared"] = True
        return replace(node, attrs=attrs, scope=self._scope(node.id, node.scope), out=copies[-1].out,
                       repeat=sum(copy.repeat for copy in copies))

    def _modules(self, folded: list[Node]) -> dict[NodeId, Module]:
        graph = self.graph
        modules = {}
        for key, module in graph.modules.items():
            if key not in self.first:
                copies = self.copies.get(key, [])
                paths = {graph.modules[copy].path for copy in copies if copy in graph.modules}
                modules[key] = replace(
                    module, scope=self._scope(key, module.scope), repeat=module.repeat * self.repeat.get(key, 1),
                    copies=tuple(copies) or module.copies,
                    shared=module.shared or (len(copies) > 1 and paths == {module.path}))
        for child, key in self.made.items():
            if key not in self.first and key not in modules:
                unit = graph.modules[child] if child in graph.modules else graph.by_id[child]
                scope = self._scope(child, unit.scope)
                weights = [node for node in folded if key in node.scope and (node.params or "shared" in node.attrs)]
                modules[key] = Module(key, scope=scope[:scope.index(key)], repeat=self.repeat.get(key, 1),
                                      copies=tuple(self.copies.get(key, [key])),
                                      shared=bool(weights) and all("shared" in node.attrs for node in weights))
        return modules


def _nodes(units: Sequence[_Unit]) -> tuple[NodeId, ...]:
    return tuple(node for unit in units for node in unit.nodes)


def _every(units: Sequence[_Unit]) -> tuple[NodeId, ...]:
    return tuple(node for unit in units for node in unit.every)


def _repetitions(shapes: Sequence[int]) -> list[tuple[int, int, int]]:
    """(-covered, period, start) of all runs of equal shapes, as a heap."""
    runs: list[tuple[int, int, int]] = []
    for period in range(1, min(PERIOD, len(shapes) // 2) + 1):
        equal = 0       # how many from here on equal the one a period later
        for start in reversed(range(len(shapes) - period)):
            equal = equal + 1 if shapes[start] == shapes[start + period] else 0
            if equal >= period:
                runs.append((-(equal // period + 1) * period, period, start))
    heapify(runs)
    return runs


def _unchannelled(tensor: TensorSpec) -> tuple[int, ...]:
    """The shape without the axis of the channels."""
    axis = tensor.axes.find("C") if "C" in tensor.axes else 1
    return tuple(size for i, size in enumerate(tensor.shape) if i != axis)


def _recurrent(edge: Edge) -> Edge:
    return replace(edge, role="recurrent", parts=tuple(replace(part, role="recurrent") for part in edge.parts))
