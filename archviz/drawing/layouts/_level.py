"""One level of nesting: its items into layers, long edges into chains of bends, and an order within each layer.

In: the items of one frame and the nets among them.  Out: `Layered`.  The flow runs along v, across it is u; the caller
swaps the axes for figures that read from left to right.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from archviz.core.geometry import Spacing

Key = TypeVar("Key", bound=Hashable)

IN, OUT = "▸in", "▸out"  # no NodeId starts with these


@dataclass(slots=True)
class Item:
    """Something to place: a node, or the finished block of an inner frame.

    `ins` and `outs` give the offset from its left edge at which the net of a source enters or leaves, for a node once
    the order is known.
    """

    key: str
    width: float
    height: float
    index: int
    ins: dict[str, float] = field(default_factory=dict)
    outs: dict[str, float] = field(default_factory=dict)
    rigid: bool = False  # ports already fixed: an inner frame
    joint: bool = False
    label: tuple[float, float] = (0.0, 0.0)
    spans: bool = False  # a bar that reaches over all that enters it


@dataclass(frozen=True, slots=True)
class Net:
    """Everything one source feeds in this level: from an item (or the frame's border, IN) to items (or the border,
    OUT)."""

    source: str
    start: str
    targets: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Element:
    """What stands in a layer: an item, or the place where a net passes (a bend, a port)."""

    layer: int
    item: Item | None
    net: str  # the net that passes; "" for an item
    left: float  # room needed left and right of the reference point
    right: float
    order: float = 0.0
    u: float = 0.0  # of the reference: an item's left edge, a bend's line

    @property
    def bend(self) -> bool:
        return self.item is None


@dataclass(slots=True)
class Wire:
    """One hop of a net between neighbouring layers; `skip` when it only passes by."""

    net: str
    upper: Element
    lower: Element
    weight: float


@dataclass(slots=True)
class Layered:
    layers: list[list[Element]]  # the first holds the IN ports, the last the OUT ports
    wires: list[Wire]
    elements: dict[str, Element]  # by item key
    chains: dict[tuple[str, int], Element]  # (net, layer) → where the net passes that layer
    mains: dict[str, str]  # item key → the net that enters it straight on
    sides: dict[tuple[str, str], Element]  # (net, joint key) → the bend beside the joint it enters from the side
    loose: set[str]  # sources (and what only they feed) that moved towards their consumer
    branches: dict[str, int]  # net → how many of its targets begin a branch

    def beside(self, net: Net, target: str) -> bool:
        """Whether the net does not enter `target` straight on."""
        return target == OUT or self.mains.get(target) != net.source

    def joins(self, net: Net, target: str) -> bool:
        """Whether it enters a joint from the side."""
        item = self.elements[target].item
        return item is not None and item.joint and self.beside(net, target)

    def reach(self, net: Net, target: str) -> int:
        """The last layer that it passes on its way to `target`."""
        if target == OUT:
            return len(self.layers) - 1
        return self.elements[target].layer - (0 if self.joins(net, target) else 1)


def assign_layers(items: Mapping[str, Item], nets: Sequence[Net]) -> tuple[dict[str, int], set[str]]:
    """Longest path from the sources; a source that only one consumer waits for then moves towards it (`loose`,
    returned too)."""
    succ: dict[str, list[str]] = {key: [] for key in _in_order(items)}
    for net in nets:
        if net.start in items:
            succ[net.start] += [target for target in net.targets if target in items and target != net.start]
    done = in_order(succ, cyclic=True)     # among frames there may be cycles
    position = {key: i for i, key in enumerate(done)}
    layer = dict.fromkeys(succ, 0)
    for key in done:
        for target in succ[key]:
            if position[target] > position[key]:
                layer[target] = max(layer[target], layer[key] + 1)
    loose = _loose(nets, done, succ)
    moved: set[str] = set()
    for key in reversed(done):
        later = [layer[t] for t in succ[key] if position[t] > position[key]]
        if later and key in loose and min(later) - 1 > layer[key]:
            layer[key] = min(later) - 1
            moved.add(key)
    return layer, moved


def _in_order(items: Mapping[str, Item]) -> list[str]:
    """As the model has them."""
    return sorted(items, key=lambda key: (items[key].index, key))


def in_order(after: Mapping[Key, Sequence[Key]], cyclic: bool = False, deep: bool = False) -> list[Key]:
    """The keys, each after those that lead to it; `deep`: what a key has made possible comes next.

    A cycle, and what it leads to, is left out, or where that may be `cyclic`, broken at the first key that there is.
    """
    waiting = Counter(target for targets in after.values() for target in targets)
    ready = [key for key in after if not waiting[key]]
    done: dict[Key, None] = {}
    while ready or cyclic and len(done) < len(after):
        key = ready.pop(-1 if deep else 0) if ready else next(key for key in after if key not in done)
        done[key] = None
        for target in after[key]:
            waiting[target] -= 1
            if not waiting[target] and target not in done:
                ready.append(target)
    return list(done)


def _loose(nets: Sequence[Net], done: Sequence[str], succ: Mapping[str, Sequence[str]]) -> set[str]:
    """What hangs on nothing but what may move with it: sources, and what a source alone feeds that feeds no other."""
    feeds = {target for net in nets for target in net.targets}
    loose = {key for key in done if key not in feeds}
    exclusive = {target for key in loose if len(succ[key]) == 1 for target in succ[key]}
    for net in nets:
        if net.start == IN or len(set(net.targets)) > 1 or net.start not in loose:
            exclusive -= set(net.targets)
    return loose | exclusive


def build(items: Mapping[str, Item], nets: Sequence[Net], spacing: Spacing) -> Layered:
    """Elements, chains and wires for `items`, ordered to cross as little as the heuristics find."""
    layer, loose = assign_layers(items, nets)
    last = max(layer.values(), default=-1) + 1
    layers: list[list[Element]] = [[] for _ in range(last + 2)]  # layers[0] = IN, layers[k + 1] = layer k
    elements: dict[str, Element] = {}
    for key in _in_order(items):
        item = items[key]
        right = max(item.width, item.width / 2 + item.label[0] + 2 if item.label[0] else 0.0)
        elements[key] = Element(layer[key] + 1, item, "", 0.0, right)
        layers[layer[key] + 1].append(elements[key])
    mains = _mains(items, nets, _depths(items, nets, layer))
    layered = Layered(layers, [], elements, {}, mains, {}, loose, _branches(nets, items, mains))
    for net in nets:
        _chain(layered, net, spacing["lane"] / 2)
        _connect(layered, net)
    # what only passes through to something deeper keeps to the left, so that skips have the right to themselves
    through = {net.source for net in nets if net.start == IN and all(
        t == OUT or layer[t] > 0 and not items[t].joint for t in net.targets)}
    for row in layers:
        row.sort(key=lambda element: element.net not in through)
    _order(layered)
    return layered


def _chain(layered: Layered, net: Net, lane: float) -> None:
    """A bend of the net in every layer that it passes, each joined to the one above it."""
    above = layered.elements.get(net.start)
    first = above.layer if above else 0
    reach = max([first, *(layered.reach(net, target) for target in net.targets)])
    passes_by = all(layered.beside(net, target) for target in net.targets)
    for level in range(first if above is None else first + 1, reach + 1):
        bend = Element(level, None, net.source, lane, lane)
        layered.chains[net.source, level] = bend
        layered.layers[level].append(bend)
        if above is not None:
            weight = 40.0 if above.bend else 0.02 if passes_by else 0.3
            layered.wires.append(Wire(net.source, above, bend, weight))
        above = bend


def _connect(layered: Layered, net: Net) -> None:
    """The last hop to each of the net's items."""
    sides: set[int] = set()
    for target in (target for target in net.targets if target != OUT):
        element = layered.elements[target]
        at = element.layer
        # one bend stands beside one joint: a second joint of the same layer is entered from above
        if layered.joins(net, target) and at not in sides:
            sides.add(at)
            layered.sides[net.source, target] = bend = layered.chains[net.source, at]
            layered.wires.append(Wire(net.source, bend, element, 0.02))
            continue
        upper = layered.chains.get((net.source, at - 1)) or layered.elements[net.start]
        straight = layered.mains.get(target) == net.source
        layered.wires.append(Wire(net.source, upper, element, 2.0 if straight else 1.0))


def _branches(nets: Sequence[Net], items: Mapping[str, Item], mains: Mapping[str, str]) -> dict[str, int]:
    """How many ways each net forks into: targets that are more than the far end of a skip."""
    return {net.source: sum(t != OUT and not (items[t].joint and mains.get(t) != net.source) for t in net.targets)
            for net in nets}


def _depths(items: Mapping[str, Item], nets: Sequence[Net], layer: Mapping[str, int]) -> dict[str, int]:
    """Items on the longest way from a source to each item: how much of the model lies above it."""
    depth = dict.fromkeys(items, 1)
    for net in sorted((net for net in nets if net.start in items), key=lambda net: layer[net.start]):
        for target in net.targets:
            if target in items and layer[target] > layer[net.start]:
                depth[target] = max(depth[target], depth[net.start] + 1)
    return depth


def _mains(items: Mapping[str, Item], nets: Sequence[Net], depth: Mapping[str, int]) -> dict[str, str]:
    """Which net enters each item straight on: the one with most of the model behind it, none where three or more
    tie."""
    inputs: dict[str, list[tuple[int, int, str]]] = {key: [] for key in items}
    for net in nets:
        start = (-depth[net.start], items[net.start].index) if net.start in items else (0, -1)
        for target in net.targets:
            if target in items:
                inputs[target].append((*start, net.source))
    mains = {key: _main(items[key], sorted(entries)) for key, entries in inputs.items() if entries}
    return {key: main for key, main in mains.items() if main is not None}


def _main(item: Item, entries: Sequence[tuple[int, int, str]]) -> str | None:
    """Of what enters an item, deepest first, the net that does so straight on."""
    plain = not item.rigid and not item.joint
    tie = [entry for entry in entries if entry[0] == entries[0][0]]
    if len(entries) == 3 and len(tie) == 2 and plain:
        # two of three are as deep, queries and keys that are turned before they meet the values: all are equal
        return tie[1][2]
    if len(entries) > 3 and len(tie) == 1 and len({depth for depth, _, _ in entries[1:]}) == 1:
        return None     # equal branches and what weighs them
    equal = len(entries) == len(tie) and not item.rigid and (len(tie) > 2 or len(tie) == 2 and plain)
    return None if equal or item.spans else entries[0][2]


def _order(layered: Layered) -> None:
    """Barycentre sweeps from the order of the model; the order with the fewest crossings stays."""
    down, up = dict[int, list[Wire]](), dict[int, list[Wire]]()
    for wire in layered.wires:
        if wire.upper.layer != wire.lower.layer:
            down.setdefault(wire.lower.layer, []).append(wire)
            up.setdefault(wire.upper.layer, []).append(wire)
    for layer in layered.layers:
        _number(layer)
    if max((len(layer) for layer in layered.layers), default=0) < 2:
        return
    best = [list(layer) for layer in layered.layers]
    fewest = _crossings(layered.layers, down)
    for sweep in range(8):
        if fewest == 0 and sweep:
            break
        downward = sweep % 2 == 0
        for layer in (layer for layer in layered.layers[::1 if downward else -1] if len(layer) > 1):
            _sweep(layer, (down if downward else up).get(layer[0].layer, []), downward)
        count = _crossings(layered.layers, down)
        if count < fewest:
            fewest, best = count, [list(layer) for layer in layered.layers]
    for layer, kept in zip(layered.layers, best, strict=True):
        layer[:] = kept
        for (_, key), bend in layered.sides.items():
            if bend in layer:
                _draw_near(layer, layered.elements[key], bend)
        _number(layer)


def _number(layer: Sequence[Element]) -> None:
    for i, element in enumerate(layer):
        element.order = i


def _sweep(layer: list[Element], wires: Sequence[Wire], downward: bool) -> None:
    """Each element of a layer as near as it can be to the middle of what it is joined to in the layer before."""
    pull: dict[Element, list[float]] = {}
    for wire in wires:
        this, other = (wire.lower, wire.upper) if downward else (wire.upper, wire.lower)
        pull.setdefault(this, []).append(other.order + (_out(wire) if downward else _in(wire)))
    layer.sort(key=lambda e: (sum(p) / len(p) if (p := pull.get(e)) else e.order, e.bend, e.order))
    _number(layer)


def _in(wire: Wire) -> float:
    """Where along the item below the wire enters, from 0 to under 1; only the ports of a frame are known before
    placing."""
    item = wire.lower.item
    return 0.8 * item.ins.get(wire.net, 0.0) / item.width if item and item.rigid else 0.4


def _out(wire: Wire) -> float:
    item = wire.upper.item
    return 0.8 * item.outs.get(wire.net, 0.0) / item.width if item and item.rigid else 0.4


def _draw_near(layer: list[Element], joint: Element, bend: Element) -> None:
    """Nothing but bends may stand between a joint and the line that enters its side."""
    i, j = layer.index(joint), layer.index(bend)
    if not all(element.bend for element in layer[min(i, j) + 1:max(i, j)]):
        layer.remove(bend)
        layer.insert(layer.index(joint) + (j > i), bend)


def _crossings(layers: list[list[Element]], down: Mapping[int, list[Wire]]) -> int:
    """How often lines cross, but for layers between which too many run to count."""
    every = (sorted((wire.upper.order + _out(wire), wire.lower.order + _in(wire)) for wire in down.get(k, ()))
             for k in range(1, len(layers)))
    return sum(1 for ends in every if len(ends) < 200
               for i, (_, b) in enumerate(ends) for _, d in ends[i + 1:] if d < b)
