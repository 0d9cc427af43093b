"""A model with some of its things opened in place: plates in the place of what they show.

In: plates, and which things are open.  Out: marks, and how large they are together.

A plate that holds open things is stretched to make room: everything on it moves as a whole by what has been put in
before it, to the right and downwards, so that nothing comes to overlap and lines stay level or upright.  The page that
archviz writes computes the same in the browser (backends/page/view.js), step by step: sums in the same order give the
same bytes.
"""
from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from archviz.core.geometry import Place
from archviz.core.graph import NodeId
from archviz.core.scene import Box, Circle, Cuboid, Group, Image, Link, Mark, Path, Point, Text, moved
from archviz.figure.expand.plates import STUB, Item, Plate, touches
from archviz.figure.expand.ports import Port

EPS = 1e-6      # room is put in just inside the border of what is opened; less than that is none

Steps = tuple[tuple[float, float], ...]
"""Where room is put in along an axis, and how much, in order."""

Knot = tuple[list[float], list[float]]
"""Places along an axis that are kept apart, and where they are on what is put there."""

Need = tuple[float, float, float]
"""Two places along an axis, and how far from each other they have to be."""


@dataclass(frozen=True)
class Stretched:
    """A plate with room for what is open on it.

    steps   the room that is put in, to the right and downwards
    width, height   its size with that
    open    what is open on it, stretched itself
    """

    plate: Plate
    steps: tuple[Steps, Steps]
    width: float
    height: float
    open: Mapping[NodeId, Stretched]

    def port(self, port: Port) -> Point:
        """Where one of its ports is, from its upper left corner."""
        if port.side in ("top", "bottom"):
            return port.at + shift(self.steps[0], port.at), 0.0 if port.side == "top" else self.height
        return 0.0 if port.side == "left" else self.width, port.at + shift(self.steps[1], port.at)


def view(plates: Mapping[NodeId, Plate], opened: Collection[NodeId]) -> tuple[tuple[Mark, ...], float, float]:
    """The drawing in which `opened` are open, with its width and height.

    What is open inside of a closed thing does not show.
    """
    whole = stretched(plates, "", frozenset(opened))
    return tuple(_drawn(whole, 0.0, 0.0)), whole.width, whole.height


def shift(steps: Steps, at: float) -> float:
    """How far something at `at` moves."""
    room = 0.0
    for where, more in steps:
        if where >= at:
            break
        room += more
    return room


def stretched(
    plates: Mapping[NodeId, Plate], key: NodeId, opened: frozenset[NodeId],
    needs: tuple[Sequence[Need], Sequence[Need]] = ((), ()),
) -> Stretched:
    """The plate `key` with room for what is open on it, and with its ports at least as far apart as `needs`."""
    plate = plates[key]
    items = [item for item in plate.items if item.what == "node" and item.node in opened and item.node in plates]
    inner = {item.node: stretched(plates, item.node, opened) for item in items}
    steps = tuple(_steps(_knots(items, inner, axis), needs[axis]) for axis in (0, 1))
    for item in items:       # lines that come in apart keep what is open wide enough
        wider = tuple(_wider(item, inner[item.node], steps, axis) for axis in (0, 1))
        if any(wider):
            inner[item.node] = stretched(plates, item.node, opened, (wider[0], wider[1]))
    width, height = plate.width + shift(steps[0], plate.width), plate.height + shift(steps[1], plate.height)
    return Stretched(plate, (steps[0], steps[1]), width, height, inner)


def _ends(inner: Stretched, axis: int) -> list[tuple[float, float, float]]:
    """Where lines reach a thing along an axis, in order: (on the closed one from its start, on the open one, on the
    open one at rest)."""
    sides = ("top", "bottom") if axis == 0 else ("left", "right")
    ports = {port.closed: port for port in inner.plate.ports if port.side in sides}
    return [(at_rest, inner.port(port)[axis], port.at) for at_rest, port in sorted(ports.items())]


def _knots(items: Sequence[Item], inner: Mapping[NodeId, Stretched], axis: int) -> list[Knot]:
    """Of each thing that is open: places that are to be kept apart, and where they are on what is put there."""
    knots = []
    for item in items:
        start, length = item.place.along(axis)
        one = inner[item.node]
        ends = _ends(one, axis)
        knots.append(([start, *(start + at_rest for at_rest, _, _ in ends), start + length],
                      [0.0, *(at for _, at, _ in ends), (one.width, one.height)[axis]]))
    return knots


def _steps(knots: Sequence[Knot], more_needs: Sequence[Need]) -> Steps:
    """The least room that keeps all places apart as far as they need to be: the longest path through them."""
    starts, ends = {old[0] for old, _ in knots}, {old[-1] for old, _ in knots}
    needs = [(a, b, d - c) for old, new in knots for (a, b), (c, d) in zip(pairwise(old), pairwise(new), strict=True)]
    before: dict[float, list[tuple[float, float]]] = {}
    for start, end, length in (*needs, *more_needs):
        before.setdefault(end, []).append((start, length))
    places = sorted(starts | ends | {at for start, end, _ in (*needs, *more_needs) for at in (start, end)})
    at = dict(zip(places[:1], places, strict=False))
    steps: list[tuple[float, float]] = []
    for last, place in pairwise(places):
        needed = [at[start] + length for start, length in before.get(place, ()) if start < place]
        at[place] = max(at[last] + (place - last), *needed) if needed else at[last] + (place - last)
        more = at[place] - at[last] - (place - last)
        if more > EPS:
            steps += _put(last, place, more, last in starts, place in ends)
    return tuple(steps)


def _put(a: float, b: float, more: float, starts: bool, ends: bool) -> list[tuple[float, float]]:
    """Where to put in `more` room between `a` and `b`: beside what lies between them, which stays as it is."""
    spots = [*([a + EPS] if starts else []), *([b - EPS] if ends else [])] or [(a + b) / 2]
    return [(at, more / len(spots)) for at in spots]


def _wider(item: Item, inner: Stretched, steps: Sequence[Steps], axis: int) -> list[Need]:
    """Ports of what is open that have to be further apart than they are, at rest, and how far."""
    start, _ = item.place.along(axis)
    ends, needs = _ends(inner, axis), []
    for (held_a, at_a, rest_a), (held_b, at_b, rest_b) in zip(ends, ends[1:], strict=False):
        a, b = start + held_a, start + held_b
        apart = b + shift(steps[axis], b) - (a + shift(steps[axis], a))
        if apart > at_b - at_a + EPS:
            needs.append((rest_a, rest_b, apart))
    return needs


def _drawn(one: Stretched, x: float, y: float) -> Iterator[Mark]:
    """The marks of a plate whose upper left corner is at (x, y)."""
    nodes = {item.node: item for item in one.plate.items if item.what == "node"}
    corners = {key: _corner(nodes[key].place, one, inner) for key, inner in one.open.items()}
    for item in one.plate.items:
        if item.node in one.open:
            dx, dy = corners[item.node]
            yield from _drawn(one.open[item.node], x + dx, y + dy)
        elif item.what == "node" and not item.spans:
            dx, dy = _moved(item.place, one.steps)
            yield from (moved(mark, x + dx, y + dy) for mark in item.marks)
        elif item.what == "link":
            ends = tuple(_end(one, nodes, corners, item, key) for key in (item.src, item.dst))
            goes_on = item.dst in one.open or item.dst.startswith(STUB)
            yield from (_mapped(mark, one.steps, x, y, ends, goes_on) for mark in item.marks)
        elif item.what != "ray" or not one.open:
            yield from (_mapped(mark, one.steps, x, y) for mark in item.marks)


def _moved(place: Place, steps: tuple[Steps, Steps]) -> Point:
    """How far what stands at `place` moves, as a whole: as its centre does."""
    return shift(steps[0], place.cx), shift(steps[1], place.cy)


def _corner(place: Place, one: Stretched, inner: Stretched) -> Point:
    """The upper left corner of what is put in the place of a thing: where lines run on straight, else in the middle."""
    corner = []
    for axis, sides in enumerate((("top", "bottom"), ("left", "right"))):
        (start, length), steps = place.along(axis), one.steps[axis]
        first = min((port for port in inner.plate.ports if port.side in sides), key=lambda p: p.closed, default=None)
        if first is not None:
            at = start + first.closed
            corner.append(at + shift(steps, at) - inner.port(first)[axis])
        else:
            end = start + length
            room = end + shift(steps, end) - (start + shift(steps, start))
            corner.append(start + shift(steps, start) + (room - (inner.width, inner.height)[axis]) / 2)
    return corner[0], corner[1]


End = tuple[str, Point, Item] | None
"""Where a line has to end that ends, at rest, at a thing: ``at`` a point of the plate, or moved ``by`` a vector."""


def _end(
    one: Stretched, nodes: Mapping[NodeId, Item], corners: Mapping[NodeId, Point], item: Item, key: NodeId,
) -> End:
    if key in one.open:
        inner, (dx, dy) = one.open[key], corners[key]
        for port in inner.plate.ports:
            if (port.src, port.dst) == (item.src, item.dst):
                px, py = inner.port(port)
                return "at", (dx + px, dy + py), nodes[key]
        return None
    return ("by", _moved(nodes[key].place, one.steps), nodes[key]) if key in nodes and not nodes[key].spans else None


def _mapped(
    mark: Mark, steps: tuple[Steps, Steps], x: float, y: float, ends: tuple[End, ...] = (None, None),
    goes_on: bool = False,
) -> Mark:
    """`mark` with every point where it belongs on the stretched plate, and the ends of a line at what it joins."""
    def to(point: Point) -> Point:
        return x + point[0] + shift(steps[0], point[0]), y + point[1] + shift(steps[1], point[1])

    match mark:
        case Group():
            inside = tuple(_mapped(inner, steps, x, y, ends, goes_on) for inner in mark.marks)
            return replace(mark, marks=_in_line(mark.marks, inside))
        case Link():
            points = _joined(mark.points, [to(point) for point in mark.points], x, y, ends)
            return replace(mark, points=tuple(points), arrow=mark.arrow and not goes_on)
        case Path():
            return replace(mark, commands=tuple(
                (c, tuple(v for i in range(0, len(values), 2) for v in to((values[i], values[i + 1]))))
                for c, values in mark.commands))
        case Box():
            (ax, ay), (bx, by) = to((mark.x, mark.y)), to((mark.x + mark.width, mark.y + mark.height))
            return replace(mark, x=ax, y=ay, width=bx - ax, height=by - ay)
        case Text() | Image() | Circle() | Cuboid():
            ax, ay = to((mark.x, mark.y))
            return replace(mark, x=ax, y=ay)


def _in_line(rest: Sequence[Mark], marks: tuple[Mark, ...]) -> tuple[Mark, ...]:
    """`marks` with all words as far from the first one as they are at `rest`."""
    first: tuple[Text, Text] | None = None
    lined: list[Mark] = []
    for was, mark in zip(rest, marks, strict=True):
        if isinstance(was, Text) and isinstance(mark, Text):
            first = first or (was, mark)
            mark = replace(mark, x=first[1].x + (was.x - first[0].x), y=first[1].y + (was.y - first[0].y))
        lined.append(mark)
    return tuple(lined)


def _joined(rest: Sequence[Point], points: list[Point], x: float, y: float, ends: tuple[End, ...]) -> list[Point]:
    """`points` of a line with its ends where they have to be, its parts still level or upright."""
    if len(points) < 2:
        return points
    for last, end in enumerate(ends):
        at, near = (-1, -2) if last else (0, 1)
        if end is None or not touches(end[2], rest[at]):
            continue
        how, (dx, dy), _ = end
        ex, ey = (x + dx, y + dy) if how == "at" else (x + rest[at][0] + dx, y + rest[at][1] + dy)
        upright = abs(rest[at][0] - rest[near][0]) < EPS
        nx, ny = points[near]
        away = abs(ex - nx) if upright else abs(ey - ny)
        points[at] = (ex, ey)
        if away < EPS:
            points[at] = (nx, ey) if upright else (ex, ny)
        elif len(points) > 2:
            points[near] = (ex, ny) if upright else (nx, ey)
        else:
            turn = [(ex, (ey + ny) / 2), (nx, (ey + ny) / 2)] if upright else [((ex + nx) / 2, ey), ((ex + nx) / 2, ny)]
            points[1:1] = reversed(turn) if last else turn
    return points
