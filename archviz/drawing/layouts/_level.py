"""One level of nesting: its items into layers, long edges into chains of bends, and an order within each layer.

In: the items of one frame and the nets among them.  Out: `Layered`.  The flow runs along v,
across it is u; the caller swaps the axes for figures that read from left to right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

IN, OUT = "▸in", "▸out"  # no NodeId starts with these


@dataclass(slots=True)
class Item:
    """Something to place: a node, or the finished block of an inner frame.

    ins and outs give the offset from its left edge at which the net of a source enters or leaves; for a node they are
    filled in once the order is known.
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


def assign_layers(items: Mapping[str, Item], nets: Sequence[Net]) -> tuple[dict[str, int], set[str]]:
    """Longest path from the sources; a source that only one consumer waits for then moves towards it (`loose`,
    returned too)."""
    order = sorted(items, key=lambda key: (items[key].index, key))
    succ: dict[str, list[str]] = {key: [] for key in order}
    waiting = dict.fromkeys(order, 0)
    for net in nets:
        for target in net.targets:
            if net.start in items and target in items and target != net.start:
                succ[net.start].append(target)
                waiting[target] += 1
    layer = dict.fromkeys(order, 0)
    ready = [key for key in order if not waiting[key]]
    done: list[str] = []
    placed: set[str] = set()
    while len(done) < len(order):
        if not ready:  # a cycle among frames: break it where the model comes first
            ready = [next(key for key in order if key not in placed)]
        key = ready.pop(0)
        if key in placed:
            continue
        placed.add(key)
        done.append(key)
        for target in succ[key]:
            if target in placed:
                continue
            layer[target] = max(layer[target], layer[key] + 1)
            waiting[target] -= 1
            if waiting[target] == 0:
                ready.append(target)
    position = {key: i for i, key in enumerate(done)}
    feeds = {target for net in nets for target in net.targets}
    loose = {key: key not in feeds for key in done}  # hangs on nothing but what may move with it
    exclusive = {target for key in done if loose[key] and len(succ[key]) == 1 for target in succ[key]}
    for net in nets:
        exclusive -= {
            t for t in net.targets if net.start == IN or len(set(net.targets)) > 1 or not loose.get(net.start, False)
        }
    for key in done:
        loose[key] = loose[key] or key in exclusive
    moved: set[str] = set()
    for key in reversed(done):
        later = [layer[t] for t in succ[key] if position[t] > position[key]]
        if later and loose[key] and min(later) - 1 > layer[key]:
            layer[key] = min(later) - 1
            moved.add(key)
    return layer, moved


def build(items: Mapping[str, Item], nets: Sequence[Net], spacing: Mapping[str, float]) -> Layered:
    """Elements, chains and wires for `items`, ordered to cross as little as the heuristics find."""
    layer, loose = assign_layers(items, nets)
    last = max(layer.values(), default=-1) + 1
    layers: list[list[Element]] = [[] for _ in range(last + 2)]  # layers[0] = IN, layers[k + 1] = layer k
    elements: dict[str, Element] = {}
    for key in sorted(items, key=lambda key: (items[key].index, key)):
        item = items[key]
        right = max(item.width, item.width / 2 + item.label[0] + 2 if item.label[0] else 0.0)
        elements[key] = Element(layer[key] + 1, item, "", 0.0, right)
        layers[layer[key] + 1].append(elements[key])
    depth = _depths(items, nets, layer)
    mains = _mains(items, nets, layer, depth)
    chains: dict[tuple[str, int], Element] = {}
    sides: dict[tuple[str, str], Element] = {}
    wires: list[Wire] = []
    lane = spacing["lane"] / 2
    for net in nets:
        first = 0 if net.start == IN else layer[net.start] + 1
        reach = first
        for target in net.targets:
            if target == OUT:
                reach = max(reach, last + 1)
            elif items[target].joint and mains.get(target) != net.source:
                reach = max(reach, layer[target] + 1)
            else:
                reach = max(reach, layer[target])
        above = elements[net.start] if net.start != IN else None
        passes_by = all(t == OUT or mains.get(t) != net.source for t in net.targets)
        for level in range(first if above is None else first + 1, reach + 1):
            bend = Element(level, None, net.source, lane, lane)
            chains[net.source, level] = bend
            layers[level].append(bend)
            if above is not None:
                wires.append(Wire(net.source, above, bend, 40.0 if above.bend else (0.02 if passes_by else 0.3)))
            above = bend
        beside: set[int] = set()
        for target in net.targets:
            if target == OUT:
                continue
            at = layer[target] + 1
            # one bend stands beside one joint: a second joint of the same layer is entered from above
            if items[target].joint and mains.get(target) != net.source and at not in beside:
                beside.add(at)
                sides[net.source, target] = chains[net.source, at]
                wires.append(Wire(net.source, chains[net.source, at], elements[target], 0.02))
                continue
            upper = chains.get((net.source, at - 1)) or elements[net.start]
            straight = mains.get(target) == net.source
            wires.append(Wire(net.source, upper, elements[target], 2.0 if straight else 1.0))
    # what only passes through on its way to something deeper keeps to the left, so that skips have the right to
    # themselves
    through = {
        net.source
        for net in nets
        if net.start == IN and all(t == OUT or layer[t] > 0 and not items[t].joint for t in net.targets)
    }
    for row in layers:
        row.sort(key=lambda element: element.net not in through)
    layered = Layered(layers, wires, elements, chains, mains, sides, loose, _branches(nets, items, mains))
    _order(layered)
    return layered


def _branches(nets: Sequence[Net], items: Mapping[str, Item], mains: Mapping[str, str]) -> dict[str, int]:
    """How many ways each net forks into: targets that are more than the far end of a skip."""
    return {
        net.source: sum(1 for t in net.targets if t != OUT and not (items[t].joint and mains.get(t) != net.source))
        for net in nets
    }


def _depths(items: Mapping[str, Item], nets: Sequence[Net], layer: Mapping[str, int]) -> dict[str, int]:
    """Items on the longest way from a source to each item: how much of the model lies above it."""
    depth = dict.fromkeys(items, 1)
    feeds = sorted(
        (
            (layer[net.start], net.start, t)
            for net in nets
            if net.start in items
            for t in net.targets
            if t in items and layer[t] > layer[net.start]
        ),
        key=lambda f: f[0],
    )
    for _, start, target in feeds:
        depth[target] = max(depth[target], depth[start] + 1)
    return depth


def _mains(
    items: Mapping[str, Item], nets: Sequence[Net], layer: Mapping[str, int], depth: Mapping[str, int]
) -> dict[str, str]:
    """Which net enters each item straight on: the one with most of the model behind it, none where three or more
    tie."""
    inputs: dict[str, list[tuple[int, int, str]]] = {key: [] for key in items}
    for net in nets:
        for target in net.targets:
            if target in items:
                start = depth[net.start] if net.start in items else 0
                inputs[target].append((-start, items[net.start].index if net.start in items else -1, net.source))
    mains = {}
    for key, entries in inputs.items():
        if not entries:
            continue
        entries.sort()
        tie = [e for e in entries if e[0] == entries[0][0]]
        if len(entries) == 3 and len(tie) == 2 and not items[key].rigid and not items[key].joint:
            # two of three are as deep, queries and keys that are turned before they meet the values: all are equal
            mains[key] = tie[1][2]
            continue
        if len(entries) > 3 and len(tie) == 1 and len({depth for depth, _, _ in entries[1:]}) == 1:
            continue  # equal branches and what weighs them
        if (
            len(entries) >= 2
            and len(tie) == len(entries)
            and not items[key].rigid
            and (len(tie) > 2 or not items[key].joint)
        ) or items[key].spans:
            continue
        mains[key] = entries[0][2]
    return mains


def _order(layered: Layered) -> None:
    """Barycentre sweeps from the order of the model; the order with the fewest crossings stays."""
    down: dict[int, list[Wire]] = {}
    up: dict[int, list[Wire]] = {}
    for wire in layered.wires:
        if wire.upper.layer != wire.lower.layer:
            down.setdefault(wire.lower.layer, []).append(wire)
            up.setdefault(wire.upper.layer, []).append(wire)
    for layer in layered.layers:
        for i, element in enumerate(layer):
            element.order = i
    wide = max((len(layer) for layer in layered.layers), default=0)
    if wide < 2:
        return
    best = [list(layer) for layer in layered.layers]
    fewest = _crossings(layered.layers, down)
    for sweep in range(8):
        if fewest == 0 and sweep:
            break
        downward = sweep % 2 == 0
        sequence = layered.layers if downward else layered.layers[::-1]
        for layer in sequence:
            if len(layer) < 2:
                continue
            table = (down if downward else up).get(layer[0].layer, [])
            pull: dict[int, list[float]] = {}
            for wire in table:
                this, other = (wire.lower, wire.upper) if downward else (wire.upper, wire.lower)
                pull.setdefault(id(this), []).append(other.order + (_out(wire) if downward else _in(wire)))
            keyed = [(sum(p) / len(p) if (p := pull.get(id(e))) else e.order, e.bend, e.order, e) for e in layer]
            keyed.sort(key=lambda entry: entry[:3])
            layer[:] = [entry[3] for entry in keyed]
            for i, element in enumerate(layer):
                element.order = i
        count = _crossings(layered.layers, down)
        if count < fewest:
            fewest, best = count, [list(layer) for layer in layered.layers]
    for layer, kept in zip(layered.layers, best, strict=True):
        layer[:] = kept
        for (_, key), bend in layered.sides.items():
            if bend in layer:
                _draw_near(layer, layered.elements[key], bend)
        for i, element in enumerate(layer):
            element.order = i


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
    between = layer[min(i, j) + 1 : max(i, j)]
    if any(not element.bend for element in between):
        layer.remove(bend)
        layer.insert(layer.index(joint) + (j > i), bend)


def _crossings(layers: list[list[Element]], down: Mapping[int, list[Wire]]) -> int:
    total = 0
    for k in range(1, len(layers)):
        ends = sorted((wire.upper.order + _out(wire), wire.lower.order + _in(wire)) for wire in down.get(k, ()))
        total += sum(1 for i, (_, b) in enumerate(ends) for _, d in ends[i + 1 :] if d < b) if len(ends) < 200 else 0
    return total
