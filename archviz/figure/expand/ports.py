"""Where lines cross the border of a plate, so that it can be put in the place of a closed thing.

In: a layout of one frame, with lines that come from outside of it, and where these lines reach the closed thing.  Out:
the layout of the frame with a border around it on which the lines begin and end, and its `Port` for each of them.

Lines that reach the closed thing at one place on opposite sides do so on the border, too; others keep their order, and
at least their distance.  Where the frame has them elsewhere they run to their port between frame and border.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from archviz.core.geometry import Layout, Place, Route
from archviz.core.graph import NodeId
from archviz.core.scene import Point

OPPOSITE = {"top": "bottom", "bottom": "top", "left": "right", "right": "left"}
SAME = 0.01     # places nearer to each other than this are one


@dataclass(frozen=True, slots=True)
class Port:
    """Where a line crosses the border of a plate.

    side    ``top``, ``bottom``, ``left`` or ``right``
    at      how far along that side, from its left or upper end, at rest
    closed  the same on the border of the closed thing in whose place the plate is put
    src, dst    which line it is on the plate around it
    """

    side: str
    at: float
    closed: float
    src: NodeId
    dst: NodeId


@dataclass(frozen=True, slots=True)
class End:
    """A line that reaches a closed thing.

    stub    the id of the place outside of the frame that stands for the line
    src, dst    which line it is
    at      where it reaches the closed thing
    skip    whether it passes by what another way between its ends goes through
    """

    stub: NodeId
    src: NodeId
    dst: NodeId
    at: Point
    skip: bool


@dataclass(frozen=True, slots=True)
class _Line:
    """A line that crosses: where on the frame, where on the closed thing, and its points from the frame on."""

    route: Route
    crossing: tuple[str, float]
    closed: tuple[str, float]
    inside: tuple[Point, ...]


def bordered(
    laid: Layout, key: NodeId, ends: Sequence[End], place: Place, skirt: float, track: float,
    margin: Point = (0.0, 0.0),
) -> tuple[Layout, tuple[Port, ...]]:
    """`laid` without what is outside of its frame `key`, from the upper left corner of a border around that.

    In `laid`, each of `ends`, the lines that reach the closed thing at `place`, has a place outside of the frame.
    `skirt` is the room to the right of the frame and below it that the copies behind it take, `track` what is between
    two lines side by side, `margin` what the frame keeps at least from the border, to its sides and above and below.
    """
    frame = laid.frames[key]
    box = Place(frame.x, frame.y, frame.width + skirt, frame.height + skirt)
    lines = _lines(laid, ends, box, place)
    at, (before, after) = _ports({stub: crossing_lines[0] for stub, crossing_lines in lines.items()}, box, place, track)
    lanes, room = _lanes(lines, at, track)
    left, top = max(before[0], room["left"], margin[0]), max(before[1], room["top"], margin[1])
    ring = _Ring(left, top, box.width, box.height, left + box.width + max(after[0], room["right"], margin[0]),
                 top + box.height + max(after[1], room["bottom"], margin[1]))
    dx, dy = left - box.x, top - box.y
    ports, routes = [], []
    for end in ends:
        if end.stub not in lines:       # nothing on the plate has to do with it
            continue
        side, at_rest = lines[end.stub][0].closed
        spot = at[end.stub] + (left if _level(side) else top)
        ports.append(Port(side, spot, at_rest, end.src, end.dst))
        for line in lines[end.stub]:
            outside = ring.way(line.crossing, (side, spot), lanes[end.stub, line.crossing])
            points = _distinct((*outside, *((x + dx, y + dy) for x, y in line.inside)))
            points = points if line.route.src == end.stub else points[::-1]
            routes.append(replace(line.route, points=points, skip=end.skip or line.route.skip))
    crossing = {id(line.route) for crossing_lines in lines.values() for line in crossing_lines}
    inner = [route.moved(dx, dy) for route in laid.routes if id(route) not in crossing]
    return replace(laid.moved(dx, dy), routes=(*inner, *routes), width=ring.width, height=ring.height,
                   cuts=()), tuple(ports)


def _lines(laid: Layout, ends: Iterable[End], box: Place, place: Place) -> dict[NodeId, list[_Line]]:
    """The lines that cross, by the stub at which they end outside of the frame."""
    lines: dict[NodeId, list[_Line]] = {}
    for end in ends:
        for route in laid.routes:
            if end.stub in (route.src, route.dst):
                points = route.points if route.src == end.stub else tuple(reversed(route.points))
                lines.setdefault(end.stub, []).append(_line(route, points, box, _spot(place, end.at)))
    return lines


def _lanes(
    lines: Mapping[NodeId, Sequence[_Line]], at: Mapping[NodeId, float], track: float,
) -> tuple[dict[tuple[NodeId, tuple[str, float]], dict[str, float]], dict[str, float]]:
    """How far outside of each side every line runs that passes it, and how much room the lines beside a side take."""
    lanes: dict[tuple[NodeId, tuple[str, float]], dict[str, float]] = {}
    used = dict.fromkeys(OPPOSITE, 0)
    for stub, line in ((stub, line) for stub, crossing_lines in lines.items() for line in crossing_lines):
        if (stub, line.crossing) not in lanes:
            passed = lanes[stub, line.crossing] = {}
            for side in _passed(line, at[stub]):
                used[side] += 1
                passed[side] = used[side] * track
    return lanes, {side: (count + 0.5) * track if count else 0.0 for side, count in used.items()}


def _ports(
    lines: Mapping[NodeId, _Line], box: Place, place: Place, track: float,
) -> tuple[dict[NodeId, float], tuple[list[float], list[float]]]:
    """How far along the frame's sides the ports are, and the room that has to be left before and after the frame, to
    the right and downwards, so that they are as far from the corners as on the closed thing."""
    at: dict[NodeId, float] = {}
    before, after = [0.0, 0.0], [0.0, 0.0]
    for axis, level in enumerate((True, False)):
        at_rest = {stub: line.closed[1] for stub, line in lines.items() if _level(line.closed[0]) == level}
        if at_rest:
            length, whole = ((box.width, place.width), (box.height, place.height))[axis]
            at |= _spread(at_rest, {stub: _wished(lines[stub], box, track) for stub in at_rest})
            first, last = min(at_rest, key=lambda stub: at_rest[stub]), max(at_rest, key=lambda stub: at_rest[stub])
            before[axis] = max(at_rest[first] - at[first], 0.0)
            after[axis] = max(at[last] + whole - at_rest[last] - length, 0.0)
    return at, (before, after)


def side_of(place: Place, at: Point) -> str:
    """On which side of `place` a point of its border is."""
    x, y = at[0] - place.x, at[1] - place.y
    gaps = {"top": abs(y), "bottom": abs(y - place.height), "left": abs(x), "right": abs(x - place.width)}
    return min(gaps, key=lambda name: gaps[name])


def _spot(place: Place, at: Point) -> tuple[str, float]:
    """On which side of `place` a point of its border is, and how far along it."""
    side, x, y = side_of(place, at), at[0] - place.x, at[1] - place.y
    return side, min(max(x, 0.0), place.width) if side in ("top", "bottom") else min(max(y, 0.0), place.height)


def _line(route: Route, points: Sequence[Point], box: Place, closed: tuple[str, float]) -> _Line:
    """A line, by its points from outside: where it first crosses the border of `box`, and what it has from there on."""
    right, low = box.right, box.bottom
    for i, ((ax, ay), (bx, by)) in enumerate(zip(points, points[1:], strict=False)):
        within = box.x + SAME < bx < right - SAME and box.y + SAME < by < low - SAME
        if not within and not _passes((ax, ay), (bx, by), box):
            continue
        if abs(ax - bx) < SAME:
            y = box.y if ay < by else low
            return _Line(route, ("top" if ay < by else "bottom", ax - box.x), closed, ((ax, y), *points[i + 1:]))
        x = box.x if ax < bx else right
        return _Line(route, ("left" if ax < bx else "right", ay - box.y), closed, ((x, ay), *points[i + 1:]))
    raise ValueError("a line that does not enter")


def _passes(a: Point, b: Point, box: Place) -> bool:
    """Does the straight line from `a` to `b` run through `box`, and past its other side?"""
    (ax, ay), (bx, by) = a, b
    if abs(ax - bx) < SAME:
        return box.x < ax < box.right and min(ay, by) < box.cy < max(ay, by)
    return box.y < ay < box.bottom and min(ax, bx) < box.cx < max(ax, bx)


def _wished(line: _Line, box: Place, track: float) -> tuple[bool, float]:
    """Whether a line may be straight, and where on its side of the frame it would best have its port."""
    (side, spot), closed_side = line.crossing, line.closed[0]
    if side in (closed_side, OPPOSITE[closed_side]):
        return side == closed_side, spot
    across = box.width if closed_side in ("top", "bottom") else box.height
    return False, -track if side in ("top", "left") else across + track


def _spread(at_rest: Mapping[NodeId, float], wished: Mapping[NodeId, tuple[bool, float]]) -> dict[NodeId, float]:
    """Where the ports of two opposite sides are: as wished, in the order and at least at the distances of `at_rest`."""
    spots: dict[NodeId, float] = {}
    last: tuple[float, float] | None = None
    for name in sorted(at_rest, key=lambda name: (at_rest[name], not wished[name][0])):
        spot = wished[name][1]
        if last is not None:
            spot = last[1] if at_rest[name] - last[0] < SAME else max(spot, last[1] + at_rest[name] - last[0])
        spots[name], last = spot, (at_rest[name], spot)
    return spots


def _passed(line: _Line, at: float) -> tuple[str, ...]:
    """Along which sides of the frame a line runs from its port to where it crosses."""
    (side, spot), closed_side = line.crossing, line.closed[0]
    if side == closed_side:
        return () if abs(at - spot) < SAME else (side,)
    if OPPOSITE[side] == closed_side:
        return side, "left" if _level(side) else "top", closed_side
    return side, closed_side


@dataclass(frozen=True, slots=True)
class _Ring:
    """The room between a frame, which starts at (left, top) and is so wide and high, and the border of its plate."""

    left: float
    top: float
    wide: float
    high: float
    width: float
    height: float

    def way(self, crossing: tuple[str, float], port: tuple[str, float], lanes: Mapping[str, float]) -> Iterable[Point]:
        """From a port on the border to where the line crosses the frame, on `lanes`: side → how far outside of it."""
        (side, spot), (out, at) = crossing, port
        on = {"top": self.top, "bottom": self.top + self.high, "left": self.left, "right": self.left + self.wide}
        lane = {name: on[name] + (-far if name in ("top", "left") else far) for name, far in lanes.items()}
        here = spot + (self.left if _level(side) else self.top)
        yield {"top": (at, 0.0), "bottom": (at, self.height), "left": (0.0, at), "right": (self.width, at)}[out]
        # onto each lane in turn: the point where the line at hand meets it
        level, last = not _level(out), at
        for name in [*reversed([name for name in lanes if name != side]), *([side] if lanes else [])]:
            yield (lane[name], last) if level else (last, lane[name])
            level, last = not level, lane[name]
        if lanes:
            yield (here, last) if level else (last, here)
        yield (here, on[side]) if _level(side) else (on[side], here)


def _level(side: str) -> bool:
    """Whether a side lies: the upper or the lower one."""
    return side in ("top", "bottom")


def _distinct(points: Iterable[Point]) -> tuple[Point, ...]:
    """Without points that are where the one before is; a corner that turns nowhere stays, as the plate may bend there.
    """
    kept: list[Point] = []
    for x, y in points:
        if not kept or abs(kept[-1][0] - x) > SAME or abs(kept[-1][1] - y) > SAME:
            kept.append((x, y))
    return tuple(kept)
