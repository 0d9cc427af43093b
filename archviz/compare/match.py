"""Which part of one model is which part of another: matched by structure, by name, and by what is around it.

In: two traces.  Out: `Matching`, pairs of operations and pairs of module calls.

From the whole models inwards: what lies in two matched modules is aligned as two sequences, so that what is alike is
matched and the order is kept (longest common subsequence, weighted by how alike two units are).  What was moved to
another module is then found among what is left: layers of equal structure whose neighbours are matched, too.  The same
two graphs give the same pairs in either order.
"""
from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from math import log2

from archviz.compare.tree import Numbers, Tree, Unit, function, tree, unnumbered
from archviz.core.graph import SOURCES, Graph, NodeId, reached

EXACT, SAME_OP, SAME_KIND, SAME_NAME = 1.0, 0.6, 0.35, 0.2
"""How alike two operations are: equal; of other hyper-parameters; as ReLU and GELU are; only called the same."""

NAMED, NUMBERED, CALLED = 0.25, 0.1, 0.05
"""What an equal name adds: one that was given, a place in a list, that of a function."""

ALIKE = 0.45        # the least similarity of two modules that are matched
MOST = 400_000      # pairs of units that are compared with each other; where there are more, equal ones come first

REPLACEABLE = frozenset(("conv", "upconv", "linear", "embedding", "norm", "act", "pool", "upsample", "attention",
                         "recurrent", "reduce", "dropout"))
"""Kinds of which one operation may take the place of another."""


@dataclass(frozen=True)
class Matching:
    """Pairs of ids, old and new: of operations, and of module calls."""

    nodes: Mapping[NodeId, NodeId]
    modules: Mapping[NodeId, NodeId]


def matched(old: Graph, new: Graph) -> Matching:
    """Match two traces."""
    numbers = Numbers()
    turned = _order(old) > _order(new)      # in one order, so that ties are broken alike in both directions
    one, other = (new, old) if turned else (old, new)
    matching = _Matcher(tree(one, numbers), tree(other, numbers)).result()
    if not turned:
        return matching
    return Matching({b: a for a, b in matching.nodes.items()}, {b: a for a, b in matching.modules.items()})


def _order(graph: Graph) -> tuple[int, str]:
    return len(graph.nodes), repr((graph.nodes, graph.edges))


class _Matcher:
    def __init__(self, one: Tree, other: Tree) -> None:
        self.one, self.other = one, other
        self.pairs: dict[NodeId, NodeId] = {"": ""}     # units of both kinds
        self.taken: set[NodeId] = {""}                  # of the other
        self.alike: dict[tuple[NodeId, NodeId], float] = {}

    def result(self) -> Matching:
        self.within(self.one.root, self.other.root)
        self.moved()
        nodes = {a: b for a, b in self.pairs.items() if a in self.one.graph.by_id}
        modules = {a: b for a, b in self.pairs.items() if a and a in self.one.graph.modules}
        return Matching(nodes, modules)

    def pair(self, a: NodeId, b: NodeId) -> None:
        self.pairs[a] = b
        self.taken.add(b)

    def within(self, a: Unit, b: Unit) -> None:
        """Match what lies in two matched modules."""
        for x, y in self.aligned(a.inner, b.inner):
            self.pair(x.id, y.id)
            if x.leaf is None:
                self.within(x, y)

    def aligned(self, one: Sequence[Unit], other: Sequence[Unit]) -> list[tuple[Unit, Unit]]:
        """Which unit of two sequences is which."""
        start, end = 0, 0
        least = min(len(one), len(other))
        while start < least and _same(one[start], other[start]):
            start += 1
        while end < least - start and _same(one[-1 - end], other[-1 - end]):
            end += 1
        first, last = one[start:len(one) - end], other[start:len(other) - end]
        if len(first) == len(last) and all(x.shape == y.shape for x, y in zip(first, last, strict=True)):
            middle = list(zip(first, last, strict=True))
        elif len(first) * len(last) > MOST:
            middle = self.anchored(first, last)
        else:
            middle = self.sequence(first, last)
        tail = list(zip(one[len(one) - end:], other[len(other) - end:], strict=True))
        return [*zip(one[:start], other[:start], strict=True), *middle, *tail]

    def anchored(self, one: Sequence[Unit], other: Sequence[Unit]) -> list[tuple[Unit, Unit]]:
        """The same of long sequences: first the units of one name and kind, and equal ones; then those between them."""
        pairs = _in_order([(unit.name, unit.op) for unit in one], [(unit.name, unit.op) for unit in other])
        if not pairs:
            pairs = _in_order([unit.shape for unit in one], [unit.shape for unit in other])
        aligned: list[tuple[Unit, Unit]] = []
        x = y = 0
        for i, j in (*pairs, (len(one), len(other))):
            if (i - x) * (j - y) <= MOST:
                aligned += self.sequence(one[x:i], other[y:j])
            aligned += [(one[i], other[j])] if i < len(one) else []
            x, y = i + 1, j + 1
        return aligned

    def sequence(self, one: Sequence[Unit], other: Sequence[Unit]) -> list[tuple[Unit, Unit]]:
        """The alignment of two sequences in which what is matched is most alike in sum."""
        rows, columns = len(one), len(other)
        if not rows or not columns:
            return []
        best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
        for i in reversed(range(rows)):
            here, below = best[i], best[i + 1]
            for j in reversed(range(columns)):
                score = self.similarity(one[i], other[j])
                here[j] = max(below[j], here[j + 1], score + below[j + 1] if score else 0.0)
        pairs, i, j = [], 0, 0
        while i < rows and j < columns:
            score = self.similarity(one[i], other[j])
            if score and best[i][j] <= score + best[i + 1][j + 1]:
                pairs.append((one[i], other[j]))
                i, j = i + 1, j + 1
            elif best[i][j] <= best[i + 1][j]:
                i += 1
            else:
                j += 1
        return pairs

    def similarity(self, a: Unit, b: Unit) -> float:
        """How alike two units are, 0 where they are not to be matched; a module counts for more than an operation."""
        key = (a.id, b.id)
        if key not in self.alike:
            if a.leaf is not None and b.leaf is not None:
                self.alike[key] = _operations(a, b)
            elif a.leaf is None and b.leaf is None:
                score = self.modules(a, b)
                self.alike[key] = score * (1 + 0.2 * log2(min(len(a.nodes), len(b.nodes)))) if score >= ALIKE else 0.0
            else:
                self.alike[key] = 0.0
        return self.alike[key]

    def modules(self, a: Unit, b: Unit) -> float:
        if a.shape == b.shape:
            return EXACT + _by_name(a, b)
        # of what is called the same, one may hold the other and more: a stack that grew
        least = a.op == b.op and a.name == b.name
        exact, loose = (_shared(x, y, least) for x, y in zip(self.one.bags[a.id], self.other.bags[b.id], strict=True))
        alike = a.op == b.op or (a.named and a.name == b.name)
        if loose < (0.3 if alike else 0.6):
            return 0.0
        return 0.15 + 0.35 * exact + 0.35 * loose + 0.1 * (a.op == b.op) + _by_name(a, b)

    def moved(self) -> None:
        """Match what is left: layers that have the same path; then equal ones in order, where their neighbours are
        matched; then the functions between these; and the modules that hold them."""
        paths = {unit.path: unit for unit in self.free(self.other) if unit.named}
        for unit in self.free(self.one):
            twin = paths.get(unit.path) if unit.named else None
            if twin is not None and twin.id not in self.taken and _operations(unit, twin):
                self.pair(unit.id, twin.id)
        for equal in (lambda unit: unit.shape, lambda unit: (unit.op, unit.name.rpartition(".")[2])):
            self.beside(equal)
        self.between()
        self.emptied()
        self.holders()

    def free(self, side: Tree) -> list[Unit]:
        """The operations of one side that are not matched yet, in order."""
        done = self.pairs.keys() if side is self.one else self.taken
        return [side.by_id[node.id] for node in side.graph.nodes if node.id not in done]

    def beside(self, key: Callable[[Unit], object]) -> None:
        """Match layers with weights that have equal keys, in order, if something beside them is matched alike."""
        one, other = ([unit for unit in self.free(side) if _weighs(unit)] for side in (self.one, self.other))
        pairs = _in_order([key(unit) for unit in one], [key(unit) for unit in other])
        wanted = {one[i].id: other[j].id for i, j in pairs}
        while True:
            targets = frozenset(wanted.values())
            kept = {a: b for a, b in wanted.items() if self.supported(a, b, wanted, targets)}
            if len(kept) == len(wanted):
                break
            wanted = kept
        for a, b in wanted.items():
            self.pair(a, b)

    def supported(self, a: NodeId, b: NodeId, wanted: Mapping[NodeId, NodeId], targets: Collection[NodeId]) -> bool:
        """Whether a weighted neighbour of `a`, past functions that are not matched, is matched to one of `b`."""
        for onward in (False, True):
            mine = self.near(self.one, a, onward, lambda key: key in self.pairs or key in wanted)
            theirs = self.near(self.other, b, onward, lambda key: key in self.taken or key in targets)
            if any(self.pairs.get(key, wanted.get(key)) in theirs for key in mine):
                return True
        return False

    def near(self, side: Tree, start: NodeId, onward: bool, ends_at: Callable[[NodeId], bool]) -> set[NodeId]:
        """The nearest operations after (or before) `start` that are `ends_at`, past others without weights."""
        edges = side.graph.outgoing if onward else side.graph.incoming

        def beyond(key: NodeId) -> Iterator[NodeId]:
            if key == start or not (ends_at(key) or _weighs(side.by_id[key])):
                yield from (edge.dst if onward else edge.src for edge in edges[key])

        return set(filter(ends_at, reached([start], beyond, {start})))

    def between(self) -> None:
        """Match equal functions that take from, or give to, what is matched."""
        grown = True
        while grown:
            grown = False
            for unit in self.free(self.one):
                if _weighs(unit):
                    continue
                for candidate in self.candidates(unit):
                    if candidate not in self.taken and self.other.shapes[candidate] == self.one.shapes[unit.id]:
                        self.pair(unit.id, candidate)
                        grown = True
                        break

    def candidates(self, unit: Unit) -> Iterator[NodeId]:
        """What stands in the other graph where `unit` stands in this one."""
        one, other = self.one.graph, self.other.graph
        for edge in one.incoming[unit.id]:
            if edge.src in self.pairs:
                yield from (e.dst for e in other.outgoing[self.pairs[edge.src]] if e.slot == edge.slot)
        for edge in one.outgoing[unit.id]:
            if edge.dst in self.pairs:
                yield from (e.src for e in other.incoming[self.pairs[edge.dst]] if e.slot == edge.slot)

    def emptied(self) -> None:
        """Part modules that were matched for what they hold, when nothing of it was."""
        kept = {(a, b) for node in self.one.graph.nodes if node.id in self.pairs
                for a in node.scope for b in self.other.graph.by_id[self.pairs[node.id]].scope}
        for a, b in [(a, b) for a, b in self.pairs.items() if a in self.one.graph.modules and (a, b) not in kept]:
            del self.pairs[a]
            self.taken.discard(b)

    def holders(self) -> None:
        """Match modules that are not matched yet by what they hold."""
        votes: Counter[tuple[NodeId, NodeId]] = Counter()
        for node in self.one.graph.nodes:
            twin = self.other.graph.by_id.get(self.pairs.get(node.id, ""))
            if twin is not None:
                votes.update((a, b) for a in node.scope if a not in self.pairs
                             for b in twin.scope if b not in self.taken)

        def share(pair: tuple[NodeId, NodeId]) -> float:
            return 2 * votes[pair] / (len(self.one.by_id[pair[0]].nodes) + len(self.other.by_id[pair[1]].nodes))

        for a, b in sorted(votes, key=lambda pair: (-share(pair), pair)):
            same = self.one.by_id[a].op == self.other.by_id[b].op
            if a not in self.pairs and b not in self.taken and share((a, b)) >= (0.6 if same else 0.8):
                self.pair(a, b)


def _in_order(one: Sequence[Hashable], other: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions of equal things in two sequences, in the order of both.  Where these are very many: of those that occur
    once in each."""
    counts = [Counter(side) for side in (one, other)]
    if sum(count * counts[1][key] for key, count in counts[0].items()) <= MOST:
        blocks = SequenceMatcher(None, one, other, False).get_matching_blocks()
        return [(block.a + i, block.b + i) for block in blocks for i in range(block.size)]
    at = {key: j for j, key in enumerate(other) if counts[1][key] == 1}
    pairs = [(i, at[key]) for i, key in enumerate(one) if counts[0][key] == 1 and key in at]
    ends: list[int] = []                # of the rising sequences of each length the smallest end …
    before: list[int] = []              # … and for each pair the length of the longest that it ends
    for _, j in pairs:
        place = bisect_left(ends, j)
        ends[place:place + 1] = [j]
        before.append(place)
    rising, length = list[tuple[int, int]](), len(ends) - 1
    for pair, place in reversed(list(zip(pairs, before, strict=True))):
        if place == length and (not rising or pair[1] < rising[-1][1]):
            rising.append(pair)
            length -= 1
    return rising[::-1]


def _same(a: Unit, b: Unit) -> bool:
    return a.shape == b.shape and a.name == b.name and a.op == b.op


def _weighs(unit: Unit) -> bool:
    return bool(unit.nodes[0].params) or unit.nodes[0].kind in SOURCES | {"output"}


def _by_name(a: Unit, b: Unit) -> float:
    if a.named and b.named:
        return NAMED if a.name == b.name else NUMBERED if unnumbered(a.name) == unnumbered(b.name) else 0.0
    return 0.0 if a.name != b.name else CALLED if "/" in a.id else NUMBERED


def _operations(a: Unit, b: Unit) -> float:
    """How alike two operations are."""
    one, other, ends = a.nodes[0], b.nodes[0], ("input", "output", "constant")     # the last: a layer that is not used
    if one.kind in ends or other.kind in ends:
        return EXACT + _by_name(a, b) if one.kind == other.kind else 0.0
    if a.shape == b.shape:
        return EXACT + _by_name(a, b)
    if function(one.op) == function(other.op):
        return SAME_OP + _by_name(a, b)
    if one.kind == other.kind and one.kind in REPLACEABLE:
        return SAME_KIND + _by_name(a, b)
    return SAME_NAME if a.named and b.named and a.name == b.name else 0.0


def _shared(one: Counter[int], other: Counter[int], least: bool) -> float:
    """How much of two bags, or of the one that holds the `least`, is in both: 1 for all of it, 0 for nothing."""
    sizes = sum(one.values()), sum(other.values())
    return 2 * sum((one & other).values()) / max(2 * min(sizes) if least else sum(sizes), 1)
