"""Two models as one tree: what is in both stands once, what is in one of them where it belongs.

In: two traces.  Out: `Twins`: pairs of units and what differs in each, and stacks of blocks that grew or shrank.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any

from archviz.compare.match import Matching, matched
from archviz.compare.tree import Numbers, Tree, Unit, function, settings, tree, unnumbered
from archviz.core import text
from archviz.core.graph import Graph, Node, NodeId


@dataclass(frozen=True)
class Property:
    """One thing that differs: its name, and its JSON value in the old and in the new model, None where it has none."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True, eq=False)
class Twin:
    """A unit of the old model, of the new one, or of both.

    inner     what lies in it, of either model, in order
    details   what differs in the unit itself, not in what lies in it
    renamed   whether it has another name, or another place
    copy      whether it is one block more, or less, of a stack that has equal ones in both models
    """

    old: Unit | None
    new: Unit | None
    inner: tuple[Twin, ...] = ()
    details: tuple[Property, ...] = ()
    renamed: bool = False
    copy: bool = False

    @property
    def either(self) -> Unit:
        """Its new unit, or else its old one."""
        unit = self.new or self.old
        assert unit is not None
        return unit

    @property
    def kind(self) -> str:
        """``added``, ``removed``, ``changed``, ``renamed`` or ``same``, of the unit itself."""
        if self.old is None or self.new is None:
            return "added" if self.old is None else "removed"
        return "changed" if self.details else "renamed" if self.renamed else "same"

    @property
    def whole(self) -> bool:
        """Whether all that lies in its unit is as it is: not so of a module put around layers that were there."""
        inside = list(leaves(self))
        return len(inside) == len(self.either.nodes) and all(one.kind == self.kind for one in inside)

    def all(self) -> Iterator[Twin]:
        """Itself and all that lies in it."""
        yield self
        for one in self.inner:
            yield from one.all()


@dataclass(frozen=True)
class Stack:
    """Equal blocks in a row, of which the new model has more or fewer: the ids of both."""

    op: str
    old: tuple[NodeId, ...]
    new: tuple[NodeId, ...]


@dataclass(frozen=True)
class Count:
    """How many blocks of one class there are in one place: ``layer1``, ``BasicBlock``, 2 → 3."""

    path: str
    op: str
    old: int
    new: int


@dataclass(frozen=True, eq=False)
class Twins:
    """Two models as one tree, from its `root`."""

    one: Graph
    other: Graph
    root: Twin
    stacks: tuple[Stack, ...] = ()

    @cached_property
    def of_new(self) -> dict[NodeId, Twin]:
        """By the id of the new unit."""
        return {twin.new.id: twin for twin in self.root.all() if twin.new is not None}


def join(old: Graph, new: Graph) -> Twins:
    """Put two traces side by side."""
    numbers = Numbers()
    return _Joiner(tree(old, numbers), tree(new, numbers), matched(old, new)).result()


class _Joiner:
    def __init__(self, one: Tree, other: Tree, matching: Matching) -> None:
        self.one, self.other = one, other
        self.to = {"": "", **matching.nodes, **matching.modules}
        self.back = {b: a for a, b in self.to.items()}
        self.stacks: list[Stack] = []
        self.copies: set[tuple[str, NodeId]] = set()

    def result(self) -> Twins:
        root = self.both(self.other.root)
        return Twins(self.one.graph, self.other.graph, root, tuple(self.stacks))

    def both(self, new: Unit) -> Twin:
        """The twin of a unit of the new model."""
        old = self.one.by_id.get(self.back[new.id]) if new.id in self.back else None
        if old is None:
            inner = tuple(self.both(one) for one in new.inner)
            return Twin(None, new, inner, copy=("new", new.id) in self.copies)
        self.stacks += self.counted(old, new)
        return Twin(old, new, self.inside(old, new), self.details(old, new), self.renamed(old, new))

    def inside(self, old: Unit, new: Unit) -> tuple[Twin, ...]:
        """What lies in either unit: in the order of the new one, what is gone after what it came after."""
        after: dict[NodeId, list[Unit]] = {}
        place, here = "", {one.id for one in new.inner}
        for one in old.inner:
            if one.id not in self.to:
                after.setdefault(place, []).append(one)
            elif self.to[one.id] in here:
                place = self.to[one.id]
        inside = [twin for one in after.get("", ()) for twin in self.gone(one)]
        for one in new.inner:
            inside.append(self.both(one))
            inside += [twin for lost in after.get(one.id, ()) for twin in self.gone(lost)]
        return tuple(inside)

    def gone(self, old: Unit) -> Iterator[Twin]:
        """What is left of a unit of the old model that has no twin, if anything is."""
        if old.id in self.to:
            return
        inner = tuple(twin for one in old.inner for twin in self.gone(one))
        if inner or old.leaf is not None:
            yield Twin(old, None, inner, copy=("old", old.id) in self.copies)

    def renamed(self, old: Unit, new: Unit) -> bool:
        if not old.id:
            return False
        if old.leaf is not None and old.leaf.kind in ("input", "output"):
            return unnumbered(old.name) != unnumbered(new.name)
        if old.leaf is None and old.shape == new.shape and old.op != new.op:
            return True
        if "/" in old.id:
            return False
        outer, around = self.one.outer[old.id], self.other.outer[new.id]
        if self.to.get(outer.id) == around.id:
            return unnumbered(old.name) != unnumbered(new.name)
        return old.path != new.path

    def details(self, old: Unit, new: Unit) -> tuple[Property, ...]:
        if old.what is None or new.what is None:
            return ()
        details = []
        if function(old.op) != function(new.op) if old.leaf is not None else old.op != new.op and (
                old.shape != new.shape):        # of modules of equal structure: only the name
            details.append(Property("class" if old.op[:1].isupper() else "function", old.op, new.op))
        before, after = settings(old.what), settings(new.what)
        if details and old.leaf is not None:      # of another operation only what both have
            both = before.keys() & after.keys()
            before, after = ({key: side[key] for key in side if key in both} for side in (before, after))
        details += [Property(key, before.get(key), after.get(key)) for key in dict.fromkeys((*before, *after))
                    if repr(before.get(key)) != repr(after.get(key))]
        if old.leaf is not None and new.leaf is not None:
            details += self.of_operation(old.leaf, new.leaf, bool(details))
        return tuple(details)

    def of_operation(self, old: Node, new: Node, differs: bool) -> Iterator[Property]:
        """What differs in two operations besides their hyper-parameters; `differs` if anything differs in these."""
        shapes = [[list(tensor.shape) for tensor in node.out] for node in (old, new)]
        if old.kind in ("input", "parameter") and shapes[0] != shapes[1]:
            yield Property("shape", *(shape[0] if len(shape) == 1 else shape for shape in shapes))
        elif old.params != new.params and not differs and old.shared == new.shared:
            yield Property("parameters", old.params, new.params)
        if self.to.get(old.shared or "", old.shared) != (new.shared or ""):
            yield Property("weights of", old.shared, new.shared)
        sources = Counter(self.to.get(edge.src) for edge in self.one.graph.incoming[old.id])
        targets = Counter(edge.src if edge.src in self.back else None for edge in self.other.graph.incoming[new.id])
        yield from self.of_inputs(sources, targets)

    def of_inputs(self, old: Counter[NodeId | None], new: Counter[NodeId | None]) -> Iterator[Property]:
        """What differs in the inputs of an operation: ids of the new model, None for what only one model has."""
        gone, fresh = old.pop(None, 0), new.pop(None, 0)
        lost, more = old - new, new - old
        # what was put between, or taken away from there, says itself what became of an input
        if sum(lost.values()) > fresh or sum(more.values()) > gone:
            yield Property("inputs", sorted(self.back[key] for key in lost if key), sorted(key for key in more if key))

    def counted(self, old: Unit, new: Unit) -> Iterator[Stack]:
        """The stacks in two matched modules of which one has more blocks than the other."""
        runs = {one.id: run for run in _runs(old.inner) for one in run}
        for run in _runs(new.inner):
            twin = next((self.back[one.id] for one in run if one.id in self.back), None)
            before = runs.get(twin, ()) if twin is not None else ()
            to = {self.to.get(one.id) for one in before} - {None}
            back = {self.back.get(one.id) for one in run} - {None}
            kept = to <= {one.id for one in run} and back <= {one.id for one in before}
            if before and kept and len(before) != len(run):
                self.copies |= {("old", one.id) for one in before} | {("new", one.id) for one in run}
                yield Stack(run[0].op, tuple(one.id for one in before), tuple(one.id for one in run))


def _runs(units: Sequence[Unit]) -> list[tuple[Unit, ...]]:
    """Neighbours of equal structure; of operations only those with weights."""
    runs = [tuple(run) for _, run in groupby(units, key=lambda unit: (unit.shape, unit.op))]
    return [run for run in runs if run[0].leaf is None or run[0].leaf.params]


def leaves(twin: Twin) -> Iterator[Twin]:
    """The operations in a twin, or itself."""
    return (one for one in twin.all() if one.either.leaf is not None)


def counts(both: Twins) -> Iterator[Count]:
    """Blocks of one class that lie in one list, all together, wherever their number is another."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for stack in both.stacks:
        numbers.setdefault(_listed(both.of_new[stack.new[0]]), [0, 0])
    for twin in both.root.all():
        key = _listed(twin)
        if key in numbers:
            numbers[key][0] += twin.old is not None
            numbers[key][1] += twin.new is not None
    yield from (Count(text.clean(path), op, *many) for (path, op), many in numbers.items() if many[0] != many[1])


def _listed(twin: Twin) -> tuple[str, str]:
    """In which list a block lies, and of which class it is."""
    return twin.either.path.rpartition(".")[0], twin.either.op
