"""Which parts of a model follow which: strands of parts in a row, from where paths meet or part to where they do again.

In: parts, the traced graph and the one that is drawn.  Out: `Strand`s in trace order.

What passes parts by (a skip connection) makes no strand, nor does what is read without an input (a position).
"""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from heapq import heapify, heappop, heappush

from archviz.core.graph import SOURCES, Edge, Graph, Node, NodeId
from archviz.figure.caption.parts import Part, leaf
from archviz.figure.caption.phrases import number, phrases

MEETING = {"add": "sum", "sub": "difference", "mul": "product", "cat": "concatenation"}
"""Operations in which values meet, and what a reader calls the result."""
QUIET = frozenset(("norm", "act", "dropout", "view", "identity", "cast", "index", "size"))
"""Kinds that may stand before and after that, without a word."""
VERBS = {"sum": "added", "product": "multiplied", "concatenation": "concatenated"}


@dataclass(frozen=True)
class Strand:
    """Parts in a row.

    begins   the inputs with which it begins
    parts    what it goes through
    ends     the outputs with which it ends
    before   places of the strands that it reads, in the list of them all
    meeting  what becomes of these before its first part: ``sum``; nothing where that is not one plain operation
    """

    begins: tuple[Node, ...] = ()
    parts: tuple[Part, ...] = ()
    ends: tuple[Node, ...] = ()
    before: tuple[int, ...] = ()
    meeting: str = ""


def module_path(part: Part) -> str:
    """Where the module of `part` stands in the model, whichever of its calls this is; empty if nothing is learned."""
    path = part.path.partition("@")[0]
    learned = any(node.params or node.shared for node in part.nodes)
    return path if learned and "/" not in path and not part.whole else ""


def _whole_numbers(edge: Edge) -> bool:
    return edge.tensor is not None and "int" in edge.tensor.dtype


class _Flow:
    """Which part reads which: items are inputs, parts and outputs, in trace order."""

    def __init__(self, parts: Sequence[Part], graph: Graph, inputs: Sequence[Node], outputs: Sequence[Node]) -> None:
        self.graph = graph
        self.items: dict[NodeId, Node | Part] = {node.id: node for node in inputs}
        self.items |= {part.id: part for part in parts} | {node.id: node for node in outputs}
        scopes = {part.id for part in parts}
        self.owner = {node.id: scope for node in graph.nodes for scope in node.scope if scope in scopes}
        self.owner |= {node.id: part.id for part in parts for node in part.nodes}
        self.owner = {key: item for key, item in self.owner.items() if graph.by_id[key].kind not in SOURCES}
        self.owner |= {node.id: node.id for node in (*inputs, *outputs)}
        self.before: dict[NodeId, set[NodeId]] = {key: set() for key in self.items}
        self.reads: dict[NodeId, set[NodeId]] = {}      # also on shorter ways
        self.origin: dict[NodeId, frozenset[NodeId]] = {}
        for node in graph.nodes:
            live = [edge for edge in graph.incoming[node.id] if self.origin.get(edge.src)]
            if any(not _whole_numbers(edge) for edge in live):      # beside others these say where to look, as a router
                live = [edge for edge in live if not _whole_numbers(edge) or graph.by_id[edge.src].kind == "input"]
            sources = frozenset[NodeId]().union(*(self.origin[edge.src] for edge in live))
            item = self.owner.get(node.id)
            if item is not None:
                self.before[item] |= sources - {item}
            self.origin[node.id] = sources if item is None else frozenset({item})

    def reduced(self) -> bool:
        """Leave out what reaches an item on a longer way as well.  False where parts take turns."""
        keys, sorter = list(self.items), TopologicalSorter(self.before)
        at = {key: i for i, key in enumerate(keys)}
        try:
            sorter.prepare()
        except CycleError:
            return False
        ready = [at[key] for key in sorter.get_ready()]
        heapify(ready)
        above: dict[NodeId, set[NodeId]] = {}
        self.reads |= {key: set(sources) for key, sources in self.before.items() if key not in self.reads}
        while ready:
            key = keys[heappop(ready)]
            far = set[NodeId]().union(*(above[src] for src in self.before[key]))
            above[key] = far | self.before[key]
            self.before[key] -= far
            sorter.done(key)
            for after in sorter.get_ready():
                heappush(ready, at[after])
        self.items = {key: self.items[key] for key in above}
        return True

    def after(self) -> dict[NodeId, list[NodeId]]:
        found: dict[NodeId, list[NodeId]] = {key: [] for key in self.items}
        for key, sources in self.before.items():
            for src in sources:
                found[src].append(key)
        return found

    def without_meetings(self) -> None:
        """Leave out concatenations of several: what becomes of them goes on from there."""
        for key, item in list(self.items.items()):
            if isinstance(item, Part) and item.kinds == ("cat",) and not item.whole and len(self.before[key]) > 1:
                sources = self.before.pop(key)
                del self.items[key], self.owner[item.nodes[0].id]
                for reads in self.before.values():
                    if key in reads:
                        reads.discard(key)
                        reads |= sources
                self.origin = {one: origin - {key} | sources if key in origin else origin
                               for one, origin in self.origin.items()}

    def own(self, key: NodeId, nodes: Sequence[Node]) -> None:
        """Note that `nodes` belong to the item `key`."""
        self.owner |= {node.id: key for node in nodes}
        self.origin |= {node.id: frozenset({key}) for node in nodes}

    def meeting(self, key: NodeId) -> str:
        """What becomes of all that `key` reads before it does, where it is one plain operation."""
        first, every = self.items[key], self.before[key]
        if isinstance(first, Part) and first.kinds == ("cat",) and not first.whole:
            return MEETING["cat"]
        starts = [node for node, owner in self.owner.items() if owner == key]
        rows = [edge.src for start in starts for edge in self.graph.incoming[start] if self.owner.get(edge.src) != key]
        seen, met = set(starts), set[str]()
        if not all(self.origin[row] & every in (every, set()) for row in rows):
            return ""       # one of them also goes there by itself
        while rows:
            node = self.graph.by_id[rows.pop()]
            live = {self.origin[edge.src] & every for edge in self.graph.incoming[node.id]} - {frozenset()}
            if node.id in seen or node.id in self.owner or not live:
                continue
            seen.add(node.id)
            rows += [edge.src for edge in self.graph.incoming[node.id]]
            if len(live) > 1:
                met.add(MEETING.get(node.op.rstrip("_"), ""))
            elif node.kind not in QUIET:
                return ""
        return met.pop() if len(met) == 1 else ""


def strands(parts: Sequence[Part], graph: Graph, inputs: Sequence[Node], outputs: Sequence[Node]) -> list[Strand]:
    """The strands of `parts` between `inputs` and `outputs`; none where parts of them take turns."""
    flow = _Flow(parts, graph, inputs, outputs)
    _embedded(flow)
    if not flow.reduced():
        return []
    while _folded(flow):
        pass
    flow.without_meetings()
    flow.reduced()
    after, of, found = flow.after(), dict[NodeId, int](), list[Strand]()
    for key, item in flow.items.items():
        before = flow.before[key]
        last = next(iter(before)) if len(before) == 1 else None
        if last is not None and after[last] == [key]:
            i = of[last]
            found[i] = _longer(found[i], item)
        else:
            i = len(found)
            reads = tuple(sorted({of[src] for src in before}))
            found.append(_longer(Strand(before=reads, meeting=flow.meeting(key) if len(reads) > 1 else ""), item))
        of[key] = i
    return found


def _longer(strand: Strand, item: Node | Part) -> Strand:
    if isinstance(item, Part):
        return replace(strand, parts=(*strand.parts, item))
    return replace(strand, begins=(item,)) if item.kind == "input" else replace(strand, ends=(*strand.ends, item))


def _embedded(flow: _Flow) -> None:
    """Make one part of embeddings that are read together, of tokens and of their places."""
    after = flow.after()
    embedding = [item for item in flow.items.values() if isinstance(item, Part) and _embeds(item)]
    for i, part in enumerate(embedding):
        first = next((one for one in embedding[:i] if one.id in flow.items and _together(one.id, part.id, flow, after)),
                     None)
        if first is not None:
            one = flow.items[first.id]
            assert isinstance(one, Part)
            nodes = (*one.nodes, *part.nodes)
            flow.items[first.id] = replace(first, one=phrases([*map(leaf, nodes)])[0], whole=True, nodes=nodes)
            flow.before[first.id] |= flow.before.pop(part.id)
            del flow.items[part.id]
            for sources in flow.before.values():
                sources.discard(part.id)
            flow.own(first.id, nodes)


def _together(a: NodeId, b: NodeId, flow: _Flow, after: Mapping[NodeId, list[NodeId]]) -> bool:
    """Whether they go the same ways, and have at most one thing looked up."""
    return set(after[a]) == set(after[b]) and (
        flow.before[a] == flow.before[b] or not flow.before[a] or not flow.before[b])


def _embeds(part: Part) -> bool:
    return set(part.kinds) == {"embedding"} and not part.inside


def _folded(flow: _Flow) -> bool:
    """Make one part of branches that lie side by side between a fork and the part in which they end."""
    after = flow.after()
    calls = Counter(module_path(item) for item in flow.items.values() if isinstance(item, Part))
    for end, sources in flow.before.items():
        ways = [_way(src, flow.before, after) for src in flow.items if src in sources]
        forks = {fork for fork, _ in ways}
        inner = {key for _, way in ways for key in way[:-1]}
        plain = all(isinstance(flow.items[key], Part) for _, way in ways for key in way)
        if not plain or len(ways) < 2 or len(forks) > 1 or not all(way for _, way in ways) or (
                inner & flow.reads.get(end, set())):
            continue
        fork, = forks
        branches = [[item for key in way if isinstance(item := flow.items[key], Part)] for _, way in ways]
        if all(calls[path] == 1 for branch in branches for part in branch if (path := module_path(part))):
            _fold(flow, end, fork, branches)
            return True
    return False


def _way(end: NodeId, before: Mapping[NodeId, set[NodeId]], after: Mapping[NodeId, list[NodeId]],
         ) -> tuple[NodeId | None, list[NodeId]]:
    """From `end` back to where others turn off as well: that item, and the items behind it."""
    way: list[NodeId] = []
    while len(after[end]) == 1 and len(before[end]) == 1:
        way.insert(0, end)
        end, = before[end]
    return end, way


def _fold(flow: _Flow, end: NodeId, fork: NodeId | None, branches: list[list[Part]]) -> None:
    meeting, last = flow.meeting(end), flow.items[end]
    inside = [part for branch in branches for part in branch]
    # of single parts, equal ones together
    single = len(inside) == len(branches) and any(part.inside for part in inside)
    ways = phrases(inside) if single else [", then ".join(phrases(branch)) for branch in branches]
    words = "; ".join(re.sub(r" \([^()]*\)", "", way) for way in ways)
    many = re.sub(r"^\S+", r"\g<0> parallel", ways[0]) if single and len(ways) == 1 else (
        f"{number(len(branches))} parallel branches ({words})")
    one = f"{many}, whose outputs are {VERBS.get(meeting, 'combined')}"
    takes = isinstance(last, Part) and last.kinds == ("cat",) and not last.whole
    first = last if takes and isinstance(last, Part) else inside[0]
    whole = replace(first, one=one, whole=True, inside=(), size=sum(part.size for part in inside),
                    nodes=tuple(node for part in inside for node in part.nodes) + (first.nodes if takes else ()))
    gone = {part.id for part in inside}
    items: dict[NodeId, Node | Part] = {}
    for key, item in flow.items.items():
        if key == end:
            items[whole.id] = whole
        if key not in gone and not (takes and key == end):
            items[key] = item
    flow.items = items
    flow.before = {key: sources for key, sources in flow.before.items() if key in items}
    flow.before[whole.id] = {fork} if fork is not None else set()
    if not takes:
        flow.before[end] = {whole.id}
    flow.own(whole.id, whole.nodes)
