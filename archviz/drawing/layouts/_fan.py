"""Signals that a U is conditioned on: they stand outside its arms, and fan out to all that read them.

In: a U, what it is conditioned on, sizes, frames, spacing.  Out: `Layout`.

The signal with the longest way of its own stands above the space between the arms and runs down it; any other stands
below the U and runs up both of its outer sides.  Readers are entered from the side.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from archviz.core.conditioning import Signal
from archviz.core.geometry import Frame, Frames, Layout, Place, Point, Route, Sizes, Spacing, cleaned
from archviz.core.graph import Graph, NodeId
from archviz.core.regroup import subgraph
from archviz.drawing.layouts.layered import layered

Points = tuple[Point, ...]

SPOTS = (0.5, 0.26, 0.74, 0.38, 0.62, 0.14, 0.86)   # parts of a box's side at which a line may end, the best ones first
NEAR = 3.0  # points; lines closer than this read as one


@dataclass(frozen=True, slots=True)
class Group:
    """A signal with all it is made from, laid out by itself; `axis` is where its lines leave."""

    signal: Signal
    layout: Layout
    axis: float

    @property
    def room(self) -> float:
        """How wide it is, as wide on the one side of the axis as on the other."""
        return 2 * max(self.axis, self.layout.width - self.axis)


def parted(graph: Graph, signals: Sequence[Signal]) -> tuple[Graph, Graph] | None:
    """`graph` without the signals, and these alone; None where they cannot be told apart: one leaves in two places,
    two are made from the same, or one begins in a frame of the others."""
    making = [key for signal in signals for key in signal.nodes]
    if len(making) > len(set(making)) or any(src != signal.source for signal in signals for src, _ in signal.edges):
        return None
    main, beside = subgraph(graph, {node.id for node in graph.nodes} - set(making)), subgraph(graph, making)
    shared = {key for node in main.nodes for key in node.scope} & {key for node in beside.nodes for key in node.scope}
    return None if shared else (main, beside)


def groups(graph: Graph, signals: Sequence[Signal], sizes: Sizes, frames: Frames, spacing: Spacing) -> list[Group]:
    """Each signal laid out: the first as it runs down, the others as they run up."""
    done = []
    for i, signal in enumerate(sorted(signals, key=lambda signal: -len(signal.nodes))):
        layout = layered(subgraph(graph, signal.nodes), sizes, frames, spacing, "up" if i else "down")
        done.append(Group(signal, layout, layout.nodes[signal.source].cx))
    return done


def fanned(u: Layout, signals: Sequence[Group], hall: float, roof: float, foot: Collection[NodeId], frames: Frames,
           spacing: Spacing) -> Layout | None:
    """The U with its signals, or None where one cannot reach all its readers.

    `hall` is the middle of the space between the arms, `roof` the height of its uppermost skip, `foot` what lies below
    the arms.
    """
    first, *others = signals
    fan = _Fan(u, foot, frames, spacing)
    fan.above(first, hall, min(roof, *(u.nodes[dst].y for _, dst in first.signal.edges)))
    left, right, bus = 0.0, u.width, fan.u.height
    at = hall - sum(group.layout.width for group in others) / 2 - (len(others) - 1) * spacing["across"] / 2
    for i, group in enumerate(others):
        bus += spacing["along"] if not i else spacing["track"]
        lane = spacing["aisle"] + i * spacing["lane"]
        fan.below(group, at, (-lane, hall, u.width + lane), bus, bus + spacing["along"])
        left, right = min(left, -lane), max(right, u.width + lane)
        at += group.layout.width + spacing["across"]
    if not fan.reached:
        return None
    return replace(fan.u.moved(-left, 0.0), width=right - left)


class _Fan:
    """A U that takes in one signal after the other; `reached` as long as each came to all its readers."""

    def __init__(self, u: Layout, foot: Collection[NodeId], frames: Frames, spacing: Spacing) -> None:
        self.u, self.foot, self.frames, self.s, self.reached = u, foot, frames, spacing, True
        self.floor = min((u.nodes[key].y for key in foot), default=0.0)
        self.floor = min([self.floor, *(p.y for p in u.frames.values() if p.bottom > self.floor)])

    def above(self, group: Group, hall: float, free: float) -> None:
        """`group` between the arms, above `free`, for which these move down if they must."""
        room = free - self.s["along"]
        down = max(group.layout.height - room, 0.0)
        top = min(place.y for place in self.u.nodes.values()) if not down else 0.0
        self.u = replace(self.u.moved(0.0, down), height=self.u.height + down)
        alone = group.layout.moved(hall - group.axis, min(top, room + down - group.layout.height))
        place = alone.nodes[group.signal.source]
        start, turn = (hall, place.bottom), self.floor + down - self.s["along"] / 2
        self._join(alone, group.signal, lambda reader: ((start,), hall), ((start, (hall, turn)), "down"))

    def below(self, group: Group, x: float, lanes: tuple[float, float, float], bus: float, top: float) -> None:
        """`group` under the U, up whose sides its lines run."""
        alone = group.layout.moved(x, top)
        place = alone.nodes[group.signal.source]
        start = (place.cx, place.y)
        left, hall, right = lanes

        def way(reader: Place) -> tuple[Points, float]:
            lane = left if reader.cx < hall else right
            return (start, (start[0], bus), (lane, bus)), lane

        self._join(alone, group.signal, way, ((start, (start[0], bus)), "up"))
        self.u = replace(self.u, height=max(self.u.height, top + alone.height))

    def _join(self, alone: Layout, signal: Signal, way: Callable[[Place], tuple[Points, float]],
              upright: tuple[Points, str]) -> None:
        """Take in what is laid out, and its lines: to the sides of readers, each turning off the lane that `way` says,
        and `upright` to those in the foot."""
        routes = []
        for src, dst in signal.edges:
            reader = self.u.nodes[dst]
            if dst in self.foot:
                before, run = upright
                level = before[-1][1]
                edge = reader.y if run == "down" else reader.bottom
                at = self._spot(src, dst, level, edge, before[-1][0])
                ends: Points = ((at or 0.0, level), (at or 0.0, edge))
            else:
                before, lane = way(reader)
                edge = reader.x if lane < reader.x else reader.right
                at = self._spot(src, dst, lane, edge)
                ends = ((lane, at or 0.0), (edge, at or 0.0))
            if at is None:
                self.reached = False
                return
            routes.append(Route(src, dst, cleaned((*before, *ends), near=0.0)))
        self.u = self.u.joined(replace(alone, routes=(*alone.routes, *routes)))

    def _spot(self, src: NodeId, dst: NodeId, lane: float, edge: float, best: float | None = None) -> float | None:
        """Where along the side of `dst`, or where `best` is given along its top or bottom, a line from `lane` may
        end."""
        axis, obstacles = 0 if best is None else 1, [place for key, place in self.u.nodes.items() if key != dst]
        obstacles += [self._title(key) for key in self.u.titles]
        low, high = min(lane, edge), max(lane, edge)
        beside = [a[1 - axis] for a, b in self._parallel(src, axis)
                  if min(a[axis], b[axis]) < high and low < max(a[axis], b[axis])]
        for at in _spots(self.u.nodes[dst], axis, best):
            a, b = ((at, low), (at, high)) if axis else ((low, at), (high, at))
            near = any(abs(other - at) < NEAR for other in beside)
            if not near and not any(place.crossed(a, b) for place in obstacles):
                return at
        return None

    def _parallel(self, src: NodeId, axis: int) -> Iterator[tuple[Point, Point]]:
        """The parts of lines from elsewhere than `src` that run along `axis`."""
        for route in self.u.routes:
            if route.src != src:
                yield from ((a, b) for a, b in pairwise(route.points) if abs(a[1 - axis] - b[1 - axis]) < 0.01)

    def _title(self, key: NodeId) -> Place:
        frame, (x, y) = self.frames.get(key, Frame()), self.u.titles[key]
        return Place(x, y - frame.bar, frame.title + frame.count, frame.bar + 1.0)


def _spots(reader: Place, axis: int, best: float | None) -> list[float]:
    """Where a line may end at the left or right of a box, or (`axis` 1) at its top or bottom, the best place first."""
    start, side = reader.along(1 - axis)
    spots = [start + part * side for part in (SPOTS[:1] if reader.height == reader.width else SPOTS)]
    return [best, *spots] if best is not None and start + NEAR < best < start + side - NEAR else spots
