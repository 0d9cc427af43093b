"""When neighbours are wired alike, so that one of them can stand for all.

In: how each copy of a unit is wired (`Copy`).  Out: how many of them, from the first, form a run.
"""
from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from archviz.core.graph import NodeId

GATHERED = 4
"""From so many on, equal units whose results are all added up or concatenated are drawn as one of N."""


@dataclass
class Copy:
    """The wiring of one copy: `place` numbers its nodes; `inside` holds (place, place, slot), `incoming` (source,
    place, slot), `outgoing` (place, target, slot); `joins` tells that all it feeds are sums and concatenations."""

    place: dict[NodeId, int]
    inside: set[tuple[int, int, int]] = field(default_factory=set)
    incoming: set[tuple[NodeId, int, int]] = field(default_factory=set)
    outgoing: set[tuple[int, NodeId, int]] = field(default_factory=set)
    joins: bool = True


def alike(copies: Sequence[Copy]) -> int:
    """The length of the longest run that starts at the first copy: as a chain or side by side; 1 when there is none."""
    same = next((i for i, copy in enumerate(copies) if copy.inside != copies[0].inside), len(copies))
    return max(_chain(copies[:same]), _parallel(copies[:same]))


def skipped(copies: Sequence[Copy]) -> bool:
    """Whether ×N would hide a skip connection: what a copy gives the next one also leads past it to a sum or a
    concatenation, and they are too few to be read as all gathered there."""
    exits = {src for src, _, _ in _step(copies[0], copies[1])[0]}
    past = {place for place, target, _ in copies[0].outgoing if target not in copies[1].place}
    return len(copies) < GATHERED and bool(exits & past)


def _parallel(copies: Sequence[Copy]) -> int:
    """Equal branches: the same sources, and the same sums or concatenations they meet in."""
    head = copies[0]
    if not head.incoming or not head.outgoing or not head.joins:
        return 1
    return next((i for i, copy in enumerate(copies)
                 if copy.incoming != head.incoming or copy.outgoing != head.outgoing), len(copies))


def _chain(copies: Sequence[Copy]) -> int:
    """Each copy is fed by the one before, the first by something outside; other sources are the same for all.

    The last one may feed what it likes from the places that feed the next copy in the others.
    """
    if len(copies) < 2:
        return 1
    steps = [_step(before, copy) for before, copy in zip(copies, copies[1:], strict=False)]
    passed, common = steps[0]
    if not passed or not _fits(copies[0], passed, common):
        return 1
    count = 1 + next((i for i, step in enumerate(steps) if step != steps[0]), len(steps))
    exits = {place for place, _, _ in passed}
    aside = [{out for out in copy.outgoing if out[1] not in after.place}
             for copy, after in zip(copies, copies[1:], strict=False)]
    count = min(count, 1 + next((i for i, outs in enumerate(aside) if outs != aside[0]), len(aside)))
    while count > 1:
        last = copies[count - 1].outgoing
        if aside[0] <= last and all(out in aside[0] or out[0] in exits for out in last):
            break
        count -= 1
    return count


def _step(before: Copy, copy: Copy) -> tuple[frozenset[tuple[int, int, int]], frozenset[tuple[NodeId, int, int]]]:
    """What `copy` gets from the copy before it, and what it gets from elsewhere."""
    passed = frozenset((before.place[src], place, slot) for src, place, slot in copy.incoming if src in before.place)
    return passed, frozenset(entry for entry in copy.incoming if entry[0] not in before.place)


def _fits(head: Copy, passed: frozenset[tuple[int, int, int]], common: frozenset[tuple[NodeId, int, int]]) -> bool:
    """Whether the first copy is fed from outside as the others are fed by the copy before."""
    if not common <= head.incoming:
        return False
    rest = head.incoming - common
    if {(place, slot) for _, place, slot in rest} != {(place, slot) for _, place, slot in passed}:
        return False
    sources: dict[tuple[int, int], set[NodeId]] = defaultdict(set)
    for src, place, slot in rest:
        sources[place, slot].add(src)
    fed: dict[int, list[set[NodeId]]] = defaultdict(list)
    for out, place, slot in passed:
        fed[out].append(sources[place, slot])
    return all(set.intersection(*origins) for origins in fed.values())
