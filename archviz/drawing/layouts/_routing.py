"""Orthogonal lines among boxes that stand already: through no box, label or title, and on no other line.

In: places, what is in the way besides, and edges.  Out: the corners of each line, or None where there is no way.

Lines run on a grid of the coordinates that matter (ports, and lanes beside every box), each found by A* as the
shortest with few bends and crossings.  Lines of one source may share their beginning.
"""
from __future__ import annotations

import heapq
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from archviz.core.geometry import Place, Places, Point, Spacing, cleaned
from archviz.core.graph import NodeId

Spot = tuple[int, int]
"""Where on the grid: the numbers of its x and its y."""
State = tuple[int, int, int]
"""A spot, and which way one came there."""
End = tuple[float, int, Point]
"""Where a line may begin or end: what that costs, at which side of the box, and the point there."""

SIDES = ((0, -1), (1, 0), (0, 1), (-1, 0))      # top, right, bottom, left: which way one leaves there
FLOWS = {"down": 2, "right": 1, "up": 0}         # direction → the side at which lines leave
BEND, CROSSING, TOUCHING = 9.0, 7.0, 30.0       # what they cost, in points of length
RIM, NEAR = 6.0, 2.0        # how much longer a line counts that is so near to the border of a frame
ARRIVED = 4         # for a way: on the box itself
FOREIGN, SHARED = 3.0, 0.5  # … or in a frame that it has no end in; or on one of the same source


@dataclass(frozen=True)
class Connection:
    """An edge to route: its ends, and at which sides of them it may begin and end, each with what that costs."""

    src: NodeId
    dst: NodeId
    leaves: Mapping[int, float]
    enters: Mapping[int, float]
    at: float | None = None     # where along that side it must end
    foreign: tuple[int, ...] = ()       # frames that neither of its ends is in


@dataclass
class Grid:
    """Where lines may run, what is in the way, and the lines so far."""

    boxes: Places
    walls: Sequence[Place]
    rims: Sequence[Place]
    clear: float
    lane: float
    out: float          # straight on from where a line begins, and before it ends
    into: float
    lax: bool = False   # lines may run along each other, where there is no other way
    xs: list[float] = field(default_factory=list)
    ys: list[float] = field(default_factory=list)
    shut: tuple[list[bytearray], list[bytearray]] = field(default_factory=lambda: ([], []))     # along x, along y
    dear: tuple[set[Spot], set[Spot]] = field(default_factory=lambda: (set(), set()))     # close along a rim
    inside: list[tuple[bytearray, bytearray]] = field(default_factory=list)       # frame → coordinates inside of it
    owners: tuple[dict[Spot, NodeId], dict[Spot, NodeId]] = field(default_factory=lambda: ({}, {}))
    through: tuple[dict[Spot, set[NodeId]], dict[Spot, set[NodeId]]] = field(default_factory=lambda: ({}, {}))
    corners: dict[Spot, set[NodeId]] = field(default_factory=dict)
    ports: dict[tuple[NodeId, int], list[tuple[float, NodeId]]] = field(default_factory=dict)

    def prepare(self, wires: Sequence[Connection], near: Mapping[NodeId, Sequence[NodeId]]) -> None:
        """Lay the grid for `wires`, and find which of its edges are free."""
        self.xs, self.ys = (_thinned(self._stops(axis, wires, near), self._lanes(axis)) for axis in (0, 1))
        self.shut = ([bytearray(len(self.xs)) for _ in self.ys], [bytearray(len(self.ys)) for _ in self.xs])
        for block in [*(place.grown(self.clear - 0.01) for place in self.boxes.values()), *self.walls]:
            inside_x, met_x = _reached(self.xs, block.x, block.right)
            inside_y, met_y = _reached(self.ys, block.y, block.bottom)
            for j in inside_y:
                self.shut[0][j][met_x] = b"\1" * (met_x.stop - met_x.start)
            for i in inside_x:
                self.shut[1][i][met_y] = b"\1" * (met_y.stop - met_y.start)
        for rim in self.rims:
            self.inside.append((bytearray(rim.x < x < rim.right for x in self.xs),
                                bytearray(rim.y < y < rim.bottom for y in self.ys)))
            for axis in (0, 1):
                self._line(rim, axis)

    def _stops(self, axis: int, wires: Sequence[Connection], near: Mapping[NodeId, Sequence[NodeId]]) -> set[float]:
        """Coordinates at which lines begin and end, and first turn."""
        exact = {wire.at for wire in wires if wire.at is not None and any(side % 2 == axis for side in wire.enters)}
        for key, place in self.boxes.items():
            low, size = place.along(axis)
            exact.update(self.spots(key, axis, near[key]))
            for step in (self.out, self.into):
                exact.update((low - step, low + size + step))
        return exact

    def _lanes(self, axis: int) -> set[float]:
        """Coordinates beside boxes, walls and rims."""
        beside = [(place.along(axis), self.into + n * self.lane) for place in self.boxes.values() for n in (1, 2)]
        beside += [(wall.along(axis), self.clear) for wall in self.walls]
        beside += [(rim.along(axis), step) for rim in self.rims for step in (self.clear, -self.clear)]
        return {at for (low, size), step in beside for at in (low - step, low + size + step)}

    def _line(self, rim: Place, axis: int) -> None:
        """Make it dear to run close along the sides of a frame that lie along `axis`."""
        coords, others = (self.xs, self.ys) if axis == 0 else (self.ys, self.xs)
        (low, size), (start, wide) = rim.along(axis), rim.along(1 - axis)
        close = [n for n, at in enumerate(others) if min(abs(at - start), abs(at - start - wide)) < NEAR]
        _, met = _reached(coords, low, low + size)
        self.dear[axis].update((n, m) if axis == 0 else (m, n) for n in range(met.start, met.stop) for m in close)

    def spots(self, key: NodeId, axis: int, near: Sequence[NodeId] = ()) -> list[float]:
        """Where lines may end along the sides of a box that lie along `axis`, its middle first."""
        low, size = self.boxes[key].along(axis)
        middle, room = low + size / 2, size / 2 - self.lane / 2
        level = (self.boxes[other].along(axis) for other in near)      # with a neighbour, where a line is straight
        spots = [middle, *(at + wide / 2 for at, wide in level)]
        spots += [middle + sign * k * self.lane for k in range(1, min(len(near), 6) + 1) for sign in (-1, 1)]
        return [at for at in dict.fromkeys(spots) if abs(at - middle) <= max(room, 0.0) + 1e-9]

    def route(self, wire: Connection, near: Mapping[NodeId, Sequence[NodeId]]) -> tuple[Point, ...] | None:
        """The best line for `wire`, which is then in the way of others."""
        starts = self._ends(wire.src, wire.leaves, wire.src, near, self.out)
        goals = self._ends(wire.dst, wire.enters, wire.src, near, self.into, wire.at)
        path = self._search(starts, goals, wire) if starts and goals else None
        if path is None:
            return None
        start, goal = starts[path[0]], goals[path[-1]]
        points = [start[2], *((self.xs[i], self.ys[j]) for i, j in path), goal[2]]
        self._take(path, start[1], goal[1], wire.src)
        for end, (_, side, at) in ((wire.src, start), (wire.dst, goal)):
            self.ports.setdefault((end, side), []).append((at[0] if side in (0, 2) else at[1], wire.src))
        return cleaned(points)

    def _ends(self, key: NodeId, sides: Mapping[int, float], net: NodeId, near: Mapping[NodeId, Sequence[NodeId]],
              stub: float, only: float | None = None) -> dict[Spot, End]:
        """Grid point just outside of the box → cost, side, and the point on the border."""
        place, ends = self.boxes[key], dict[Spot, End]()
        for side, cost in sides.items():
            axis = 0 if side in (0, 2) else 1
            low, size = place.along(axis)
            dx, dy = SIDES[side]
            for at in self.spots(key, axis, near[key]) if only is None else [only]:
                taken = self.ports.get((key, side), ())
                if not self.lax and any(other != net and abs(at - spot) < 0.8 * self.lane for spot, other in taken):
                    continue
                x = at if axis == 0 else place.x + (place.width if side == 1 else 0.0)
                y = at if axis == 1 else place.y + (place.height if side == 2 else 0.0)
                spot = _index(self.xs, x + dx * stub), _index(self.ys, y + dy * stub)
                straight = Place(min(x, x + dx * stub), min(y, y + dy * stub), abs(dx) * stub, abs(dy) * stub)
                if min(spot) < 0 or not self._open(key, straight):
                    continue
                total = cost + 0.6 * abs(at - low - size / 2)
                if spot not in ends or total < ends[spot][0]:
                    ends[spot] = (total, side, (x, y))
        return ends

    def _open(self, key: NodeId, stub: Place) -> bool:
        """Whether a line that begins at `key` may run there."""
        return not any(_meet(stub, wall) for wall in self.walls) and not any(
            _meet(stub, other) for k, other in self.boxes.items() if k != key)

    def _search(self, starts: Mapping[Spot, End], goals: Mapping[Spot, End], wire: Connection) -> list[Spot] | None:
        """The grid points of the cheapest way from one of `starts` to one of `goals`."""
        foreign, ahead = [self.inside[n] for n in wire.foreign], self._ahead(goals)
        best, came = dict[State, float](), dict[State, State | None]()
        queue: list[tuple[float, float, State]] = []
        for (i, j), (cost, side, _) in starts.items():
            state = (i, j, side)
            best[state], came[state] = cost, None
            heapq.heappush(queue, (cost + ahead(i, j), cost, state))
        done: set[State] = set()
        while queue:
            _, cost, state = heapq.heappop(queue)
            if state in done:
                continue
            done.add(state)
            if state[2] == ARRIVED:
                return _back(came, came[state])
            for total, after in self._onward(state, cost, goals, wire.src, foreign):
                if total < best.get(after, 1e18):
                    best[after], came[after] = total, state
                    heapq.heappush(queue, (total + ahead(after[0], after[1]), total, after))
        return None

    def _ahead(self, goals: Collection[Spot]) -> Callable[[int, int], float]:
        """How far it is at least from a grid point to the nearest of `goals`."""
        xs, ys = self.xs, self.ys
        gx, gy = [xs[i] for i, _ in goals], [ys[j] for _, j in goals]
        left, right, top, low = min(gx), max(gx), min(gy), max(gy)

        def ahead(i: int, j: int) -> float:
            x, y = xs[i], ys[j]
            return max(left - x, 0.0, x - right) + max(top - y, 0.0, y - low)

        return ahead

    def _onward(self, state: State, cost: float, goals: Mapping[Spot, End], net: NodeId,
                foreign: Sequence[tuple[bytearray, bytearray]]) -> Iterator[tuple[float, State]]:
        """What comes after `state`, and what it costs to be there."""
        i, j, way = state
        goal = goals.get((i, j))
        if goal is not None and way != goal[1]:
            yield cost + goal[0] + (0.0 if way == (goal[1] + 2) % 4 else BEND), (i, j, ARRIVED)
        on_corner = TOUCHING if self.corners.get((i, j), set()) - {net} else 0.0
        on_line = TOUCHING if any(self.through[k].get((i, j), set()) - {net} for k in (0, 1)) else 0.0
        for turn in range(4):
            if (turn + 2) % 4 == way:
                continue
            dx, dy = SIDES[turn]
            step = self._step(i, j, dx, dy, net)
            if step is None:
                continue
            if any(inside[0][i + dx] and inside[1][j + dy] for inside in foreign):
                step *= FOREIGN
            total = cost + step
            yield (total + BEND + on_corner + on_line if turn != way else total), (i + dx, j + dy, turn)

    def _step(self, i: int, j: int, dx: int, dy: int, net: NodeId) -> float | None:
        """What it costs to go on from a grid point to the next; None where something is in the way."""
        axis = 0 if dx else 1
        a, b = (min(i, i + dx), j) if dx else (i, min(j, j + dy))
        if a < 0 or b < 0 or (dx and a >= len(self.xs) - 1) or (dy and b >= len(self.ys) - 1):
            return None
        if self.shut[0][b][a] if dx else self.shut[1][a][b]:
            return None
        alone = self.owners[axis].get((a, b), net) == net
        if not alone and not self.lax:
            return None
        there = (i + dx, j + dy)
        cost = (self.xs[a + 1] - self.xs[a]) if dx else (self.ys[b + 1] - self.ys[b])
        if not alone:
            cost += TOUCHING
        if net in self.through[axis].get((i, j), ()) and net in self.through[axis].get((i + dx, j + dy), ()):
            return cost * SHARED
        if (a, b) in self.dear[axis]:
            cost *= RIM
        if self.through[1 - axis].get(there, set()) - {net}:
            cost += CROSSING
        if self.corners.get(there, set()) - {net}:
            cost += TOUCHING
        return cost

    def _take(self, path: Sequence[Spot], first: int, last: int, net: NodeId) -> None:
        """Note the line: nothing runs along it any more, and crossing it costs."""
        near = 0.7 * self.lane
        for (i, j), (k, m) in pairwise(path):
            axis = 0 if j == m else 1
            coords, others = (self.xs, self.ys) if axis == 0 else (self.ys, self.xs)
            a, b, line = (min(i, k), max(i, k), j) if axis == 0 else (min(j, m), max(j, m), i)
            low = next(n for n in range(len(coords)) if coords[n] > coords[a] - near)
            high = next((n for n in range(len(coords)) if coords[n] >= coords[b] + near), len(coords) - 1)
            for other in (n for n in range(len(others)) if abs(others[n] - others[line]) < near):
                for n in range(max(low - 1, 0), high):
                    spot = (n, other) if axis == 0 else (other, n)
                    if self.owners[axis].setdefault(spot, net) != net:
                        self.owners[axis][spot] = "\0"      # between two lines: nobody's
            for n in range(a, b + 1):
                spot = (n, line) if axis == 0 else (line, n)
                self.through[axis].setdefault(spot, set()).add(net)
        steps = (((b[0] > a[0]) - (b[0] < a[0]), (b[1] > a[1]) - (b[1] < a[1])) for a, b in pairwise(path))
        ways = [first, *map(SIDES.index, steps), (last + 2) % 4]
        for spot, before, after in zip(path, ways, ways[1:], strict=False):
            if before != after:
                self.corners.setdefault(spot, set()).add(net)


def routed(wires: Sequence[Connection], boxes: Places, walls: Sequence[Place], rims: Sequence[Place], spacing: Spacing,
           lax: bool = False) -> dict[tuple[NodeId, NodeId], tuple[Point, ...] | None]:
    """The corners of each of `wires` among `boxes`; `walls` are labels and titles, with the air that they need, `rims`
    frames, along whose border no line should run.  Where `lax`, a line that finds no other way runs along another."""
    clear = min(spacing["beside"] / 2, 3.0)
    grid = Grid(boxes, walls, rims, clear, min(spacing["lane"], 5.0), clear, spacing["arrow"] + 1.6)
    near: dict[NodeId, list[NodeId]] = {key: [] for key in boxes}
    for wire in wires:
        near[wire.src].append(wire.dst)
        near[wire.dst].append(wire.src)
    grid.prepare(wires, near)

    def far(wire: Connection) -> float:
        a, b = boxes[wire.src], boxes[wire.dst]
        return abs(a.cx - b.x - b.width / 2) + abs(a.cy - b.y - b.height / 2)

    lines: dict[tuple[NodeId, NodeId], tuple[Point, ...] | None] = {}
    for wire in sorted(wires, key=far):
        lines[wire.src, wire.dst] = grid.route(wire, near)
        if lines[wire.src, wire.dst] is None and not lax:       # it is tried again with more room
            return lines
    grid.lax = lax
    return {(wire.src, wire.dst): lines[wire.src, wire.dst] or (grid.route(wire, near) if lax else None)
            for wire in wires}


def _back(came: Mapping[State, State | None], state: State | None) -> list[Spot]:
    """The way that led to `state`, from its beginning."""
    path: list[Spot] = []
    while state is not None:
        path.append(state[:2])
        state = came[state]
    return path[::-1]


def _reached(coords: Sequence[float], low: float, high: float) -> tuple[range, slice]:
    """Which of `coords` lie between `low` and `high`, and which of the steps from one to the next reach in there."""
    first, last = bisect_right(coords, low), bisect_left(coords, high)
    begin = max(first - 1, 0)
    return range(first, last), slice(begin, max(begin, min(last, len(coords) - 1)))


def _meet(a: Place, b: Place) -> bool:
    return (a.x < b.right and b.x < a.right or a.x == b.x and b.width > 0) and (
        a.y < b.bottom and b.y < a.bottom or a.y == b.y and b.height > 0)


def _thinned(exact: Iterable[float], loose: Iterable[float]) -> list[float]:
    """All of `exact`, those of `loose` that are not close to one already there, and one around all."""
    ordered = sorted(exact)
    kept = [at for i, at in enumerate(ordered) if not i or at - ordered[i - 1] > 1e-6]
    for at in sorted(loose):
        i = bisect_left(kept, at)
        if all(abs(at - kept[n]) > 1.2 for n in (i - 1, i) if 0 <= n < len(kept)):
            kept.insert(i, at)
    return kept


def _index(values: Sequence[float], at: float) -> int:
    """Where `at` is among `values`; -1 where it is not."""
    i = bisect_left(values, at - 1e-6)
    return i if i < len(values) and abs(values[i] - at) < 2e-6 else -1
