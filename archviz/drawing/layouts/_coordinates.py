"""Positions across the flow: chains stay straight, forks stay centred, nothing overlaps.

In: an ordered `Layered`.  Out: `u` of its elements.  Elements joined by a line that must be straight form one column
with one position; positions then minimise the weighted squared bends under the separation constraints (projection
after Dwyer, Marriott and Stuckey, "Fast node overlap removal", 2005, without its splitting step).
"""
from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import inf

from archviz.core.geometry import Spacing
from archviz.drawing.layouts._level import Element, Item, Layered, Wire, in_order


@dataclass(slots=True, eq=False)
class _Axis:
    """Elements that share one line; `offsets` of each from the column's position."""

    offsets: dict[Element, float] = field(default_factory=dict)
    position: float = 0.0
    weight: float = 1.0


_Apart = tuple[_Axis, _Axis, float]
"""How far at least the position of the second is right of the first one's."""


def place(layered: Layered, spacing: Spacing, evenly: bool = False) -> float:
    """Set `u` of every element so that the leftmost room starts at 0; returns the width used.

    `evenly` centres, at the end, what several lines leave or enter over exactly these, where there is room.
    """
    _ports(layered)
    for straight in (True, False):  # lines that contradict each other: every element stands alone, which always works
        columns, member = _columns(layered, straight)
        constraints = _constraints(layered, member, spacing)
        right_of: dict[_Axis, list[_Axis]] = {column: [] for column in columns}
        for left, right, _ in constraints:
            right_of[left].append(right)
        order = in_order(right_of, deep=True)
        if len(order) == len(columns):
            break
    pulls = _pulls(layered, columns, member)
    for round_ in range(10 if len(columns) > 1 else 1):
        wanted = {c: c.position for c in columns}
        for column in columns if round_ % 2 == 0 else columns[::-1]:
            if total := sum(w for _, _, w in pulls[column]):
                wanted[column] = sum((wanted[other] + shift) * w for other, shift, w in pulls[column]) / total
        _project(order, wanted, constraints)
    if evenly:
        wanted = {c: c.position for c in columns}
        for column in columns:
            if len(pulls[column]) > 2:
                shifts = [other.position + shift for other, shift, _ in pulls[column]]
                wanted[column] = sum(shifts) / len(shifts)
        _project(order, wanted, constraints)
    return _set(layered, member)


def _pulls(layered: Layered, columns: Iterable[_Axis],
           member: Mapping[Element, _Axis]) -> dict[_Axis, list[tuple[_Axis, float, float]]]:
    """What each column is drawn to: another one, at which shift from it, and how strongly."""
    pulls: dict[_Axis, list[tuple[_Axis, float, float]]] = {c: [] for c in columns}
    for wire in layered.wires:
        a, b = member[wire.upper], member[wire.lower]
        if a is not b:
            # a.position + shift == b.position makes the wire straight
            shift = (a.offsets[wire.upper] + out_port(wire)) - (b.offsets[wire.lower] + in_port(wire))
            pulls[a].append((b, -shift, wire.weight))
            pulls[b].append((a, shift, wire.weight))
    return pulls


def _set(layered: Layered, member: Mapping[Element, _Axis]) -> float:
    """Give every element the `u` of its column, so that the leftmost room starts at 0; the width used."""
    elements = [element for layer in layered.layers for element in layer]
    for element in elements:
        column = member[element]
        element.u = column.position + column.offsets[element]
    ports = (0, len(layered.layers) - 1)
    room = [(e.u, e.u) if e.bend and e.layer in ports else (e.u - e.left, e.u + e.right) for e in elements]
    low, high = min((a for a, _ in room), default=0.0), max((b for _, b in room), default=0.0)
    for element in elements:
        element.u -= low
    return high - low


def span(layered: Layered) -> dict[str, float]:
    """Make every bar as long as what it reaches over, from positions found before; its length and ports are then fixed.

    Returns the lengths.  `place` must run again, as others give way.
    """
    lengths: dict[str, float] = {}
    for element, item, wires in _spanning(layered):
        begun = {w.net: _begun(w, layered) for w in wires}
        ends = [(w.upper.u, w.upper.u + (w.upper.item.width if w.upper.item else 0.0)) for w in begun.values()]
        low, high = min(a for a, _ in ends), max(b for _, b in ends)
        lengths[item.key] = max(item.width, high - low)
        low -= (lengths[item.key] - (high - low)) / 2
        element.right = max(element.right, lengths[item.key])
        item.width, item.rigid = lengths[item.key], True
        item.ins.update({net: w.upper.u + out_port(w) - low for net, w in begun.items()})
    return lengths


def straighten(layered: Layered) -> None:
    """What enters a bar does so where it comes from, as far as the bar reaches."""
    for element, item, wires in _spanning(layered):
        for w in wires:
            item.ins[w.net] = min(max(w.upper.u + out_port(w) - element.u, 2.0), item.width - 2.0)


def _begun(wire: Wire, layered: Layered) -> Wire:
    """The first hop of the line that ends in `wire`."""
    above: Wire | None = wire
    while above and above.upper.bend:
        wire = above
        above = next((w for w in layered.wires if w.lower is wire.upper and w.upper.layer < w.lower.layer), None)
    return above or wire


def _spanning(layered: Layered) -> list[tuple[Element, Item, list[Wire]]]:
    """The bars, each with what enters it."""
    bars = [(e, e.item) for e in layered.elements.values() if e.item and e.item.spans]
    return [(e, item, wires) for e, item in bars if len(wires := [w for w in layered.wires if w.lower is e]) > 1]


def out_port(wire: Wire) -> float:
    item = wire.upper.item
    return 0.0 if item is None else item.outs.get(wire.net, item.width / 2)


def in_port(wire: Wire) -> float:
    item = wire.lower.item
    return 0.0 if item is None else item.ins.get(wire.net, item.width / 2)


def _ports(layered: Layered) -> None:
    """Where nets enter nodes: the main one in the middle, the others beside it in the order they come from."""
    entering: dict[Element, list[Wire]] = {}
    for wire in layered.wires:
        if wire.lower.item is not None and not wire.lower.item.rigid and wire.upper.layer != wire.lower.layer:
            entering.setdefault(wire.lower, []).append(wire)
    for wires in entering.values():
        item = wires[0].lower.item
        assert item is not None
        wires.sort(key=lambda wire: wire.upper.order)
        main = layered.mains.get(item.key)
        middle = next((i for i, wire in enumerate(wires) if wire.net == main), (len(wires) - 1) / 2)
        reach = max(middle, len(wires) - 1 - middle, 1)
        step = min(item.width * 0.4 / reach, 14.0) if main else item.width * 0.64 / max(len(wires) - 1, 1)
        for i, wire in enumerate(wires):
            item.ins[wire.net] = item.width / 2 + (i - middle) * step


def _columns(layered: Layered, straight: bool = True) -> tuple[list[_Axis], dict[Element, _Axis]]:
    """Join what must be straight: bends of one net, and a node with the one that continues it."""
    below = _straight(layered) if straight else {}
    above = {wire.lower for wire in below.values()}
    columns, member = list[_Axis](), dict[Element, _Axis]()
    for element in (element for layer in layered.layers for element in layer if element not in above):
        column = _Axis({element: 0.0})
        columns.append(column)
        at = element
        while wire := below.get(at):
            column.offsets[wire.lower] = column.offsets[at] + out_port(wire) - in_port(wire)
            at = wire.lower
        member.update(dict.fromkeys(column.offsets, column))
        column.weight = 0.05 + sum(not at.bend for at in column.offsets) ** 2
    return columns, member


def _straight(layered: Layered) -> dict[Element, Wire]:
    """The wires that must be straight, at most one below and one above each element, by the upper one."""
    below, above = dict[Element, Wire](), set[Element]()
    # bends first: long lines are straight before anything else is
    ranked = sorted((w for w in layered.wires if w.upper.layer != w.lower.layer),
                    key=lambda w: (not (w.upper.bend and w.upper.layer and w.lower.bend), -w.weight))
    direct = {wire.upper for wire in ranked if not wire.lower.bend}
    for wire in ranked:
        free = wire.upper not in below and wire.lower not in above
        if free and _continues(layered, wire, direct) and not _crosses(layered, wire, below):
            below[wire.upper] = wire
            above.add(wire.lower)
    return below


def _continues(layered: Layered, wire: Wire, direct: Container[Element]) -> bool:
    """Whether a wire goes on with what is above it; `direct` is what leads to an item at once."""
    if wire.upper.bend and wire.lower.bend and wire.upper.layer > 0:
        return True
    if layered.branches.get(wire.net, 0) > 2 and not _middle(layered, wire):
        return False
    if wire.lower.item is None:
        return wire.upper not in direct
    return layered.mains.get(wire.lower.item.key) == wire.net


def _middle(layered: Layered, wire: Wire) -> bool:
    """Does this line lead to the middle one of three nodes, which then stands below their source?"""
    lower = [w.lower for w in layered.wires if w.net == wire.net and w.upper is wire.upper]
    middle = sorted(lower, key=lambda element: element.order)[len(lower) // 2]
    return len(lower) == 3 and not any(element.bend for element in lower) and wire.lower is middle


def _crosses(layered: Layered, wire: Wire, below: Mapping[Element, Wire]) -> bool:
    """Would this line cross one that is already straight?"""
    return any((element.order - wire.upper.order) * (below[element].lower.order - wire.lower.order) < 0
               for element in layered.layers[wire.upper.layer] if element in below)


def _constraints(layered: Layered, member: Mapping[Element, _Axis], spacing: Spacing) -> list[_Apart]:
    """For neighbours in a layer."""
    tightest: dict[tuple[_Axis, _Axis], float] = {}
    for layer in layered.layers:
        for a, b in pairwise(layer):
            gap = spacing["across"] if not (a.bend or b.bend) else spacing["beside"] if not (a.bend and b.bend) else 0.0
            ca, cb = member[a], member[b]
            distance = a.right + gap + b.left + ca.offsets[a] - cb.offsets[b]
            if ca is not cb and tightest.get((ca, cb), -inf) < distance:
                tightest[ca, cb] = distance
    return [(left, right, distance) for (left, right), distance in tightest.items()]


def _project(order: list[_Axis], wanted: Mapping[_Axis, float], constraints: list[_Apart]) -> None:
    """Move columns as little as possible (weighted squares) so that every constraint holds."""
    into: dict[_Axis, list[tuple[_Axis, float]]] = {c: [] for c in order}
    for a, b, distance in constraints:
        into[b].append((a, distance))
    # clusters of columns held together by tight constraints
    cluster = {c: [c] for c in order}
    root = {c: c for c in order}
    offset = dict.fromkeys(order, 0.0)
    mass = {c: c.weight for c in order}
    moment = {c: c.weight * wanted[c] for c in order}

    def at(column: _Axis) -> float:
        r = root[column]
        return moment[r] / mass[r] + offset[column]

    for column in order:
        while True:
            r = root[column]
            worst, pair = 1e-7, None
            for c in cluster[r]:
                for a, distance in into[c]:
                    if root[a] != r and (gap := at(a) + distance - at(c)) > worst:
                        worst, pair = gap, (a, c, distance)
            if pair is None:
                break
            a, c, distance = pair
            ra = root[a]
            shift = offset[a] + distance - offset[c]  # added to every offset of this cluster
            moment[ra] += moment[r] - mass[r] * shift
            mass[ra] += mass[r]
            for c in cluster[r]:
                offset[c] += shift
                root[c] = ra
            cluster[ra] += cluster.pop(r)
    for column in order:
        column.position = at(column)
