"""Orthogonal lines among boxes that stand already: through no box, label or title, and on no other line.

In: places, what is in the way besides, and edges.  Out: the corners of each line, or None where there is no way.

Lines run on a grid of the coordinates that matter (ports, and lanes beside every box), each found by A* as the
shortest with few bends and crossings.  Lines of one source may share their beginning.
"""
from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from archviz.core.geometry import Place, Point, cleaned
from archviz.core.graph import NodeId

Spot = tuple[int, int]

SIDES = ((0, -1), (1, 0), (0, 1), (-1, 0))      # top, right, bottom, left: which way one leaves there
FLOWS = {"down": 2, "right": 1, "up": 0}         # direction → the side at which lines leave
BEND, CROSSING, TOUCHING = 9.0, 7.0, 30.0       # what they cost, in points of length
RIM, NEAR = 6.0, 2.0        # how much longer a line counts that is so near to the border of a frame
FOREIGN, SHARED = 3.0, 0.5  # … or in a frame that it has no end in; or on one of the same source


@dataclass(frozen=True)
class Wire:
    """An edge to route: its ends, and at which sides of them it may begin and end, each with what that costs."""

    src: NodeId
    dst: NodeId
    leaves: Mapping[int, float]
    enters: Mapping[int, float]
    at: float | None = None     # where along that side it must end
    foreign: tuple[int, ...] = ()       # frames that neither of its ends is in


@dataclass
class Field:
    """What is in the way, and the lines so far."""

    boxes: Mapping[NodeId, Place]
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
    held: list[tuple[bytearray, bytearray]] = field(default_factory=list)       # frame → coordinates inside of it
    owners: tuple[dict[Spot, NodeId], dict[Spot, NodeId]] = field(default_factory=lambda: ({}, {}))
    through: tuple[dict[Spot, set[NodeId]], dict[Spot, set[NodeId]]] = field(default_factory=lambda: ({}, {}))
    corners: dict[Spot, set[NodeId]] = field(default_factory=dict)
    ports: dict[tuple[NodeId, int], list[tuple[float, NodeId]]] = field(default_factory=dict)

    # -------------------------------------------------------------------------------------- the grid

    def prepare(self, wires: Sequence[Wire]) -> None:
        """Lay the grid for `wires`, and find which of its edges are free."""
        near: dict[NodeId, list[NodeId]] = {key: [] for key in self.boxes}
        for wire in wires:
            near[wire.src].append(wire.dst)
            near[wire.dst].append(wire.src)
        exact: tuple[set[float], set[float]] = (set(), set())
        loose: tuple[set[float], set[float]] = (set(), set())
        for key, place in self.boxes.items():
            for axis in (0, 1):
                exact[axis].update(self.spots(key, axis, near[key]))
                low, size = _span(place, axis)
                for step in (self.out, self.into):
                    exact[axis].update((low - step, low + size + step))
                for step in (self.into + self.lane, self.into + 2 * self.lane):
                    loose[axis].update((low - step, low + size + step))
        for wire in wires:
            for axis in (0, 1):
                if wire.at is not None and any(side % 2 == axis for side in wire.enters):
                    exact[axis].add(wire.at)
        for wall in self.walls:
            for axis in (0, 1):
                low, size = _span(wall, axis)
                loose[axis].update((low - self.clear, low + size + self.clear))
        for rim in self.rims:
            for axis in (0, 1):
                low, size = _span(rim, axis)
                loose[axis].update(edge + sign * self.clear for edge in (low, low + size) for sign in (-1, 1))
        self.xs, self.ys = (_thinned(exact[axis], loose[axis]) for axis in (0, 1))
        blocks = [place.grown(self.clear - 0.01) for place in self.boxes.values()] + list(self.walls)
        across, along = len(self.xs), len(self.ys)
        self.shut = ([bytearray(across) for _ in self.ys], [bytearray(along) for _ in self.xs])
        for block in blocks:
            inner_x = [i for i, x in enumerate(self.xs) if block.x < x < block.right]
            inner_y = [j for j, y in enumerate(self.ys) if block.y < y < block.bottom]
            met_x = [i for i, (a, b) in enumerate(zip(self.xs, self.xs[1:], strict=False))
                     if a < block.right and b > block.x]
            met_y = [j for j, (a, b) in enumerate(zip(self.ys, self.ys[1:], strict=False))
                     if a < block.bottom and b > block.y]
            for j in inner_y:
                for i in met_x:
                    self.shut[0][j][i] = 1
            for i in inner_x:
                for j in met_y:
                    self.shut[1][i][j] = 1

        for rim in self.rims:
            self.held.append((bytearray(rim.x < x < rim.right for x in self.xs),
                              bytearray(rim.y < y < rim.bottom for y in self.ys)))
            for axis in (0, 1):
                coords, others = (self.xs, self.ys) if axis == 0 else (self.ys, self.xs)
                (low, size), (start, wide) = _span(rim, axis), _span(rim, 1 - axis)
                close = [n for n, at in enumerate(others) if min(abs(at - start), abs(at - start - wide)) < NEAR]
                met = [n for n in range(len(coords) - 1) if coords[n] < low + size and coords[n + 1] > low]
                self.dear[axis].update((n, m) if axis == 0 else (m, n) for n in met for m in close)

    def spots(self, key: NodeId, axis: int, near: Iterable[NodeId] = ()) -> list[float]:
        """Where lines may end along the sides of a box that lie along `axis`, its middle first."""
        low, size = _span(self.boxes[key], axis)
        middle, room = low + size / 2, size / 2 - self.lane / 2
        found = [middle]
        for other in near:      # level with a neighbour, a line is straight
            at, wide = _span(self.boxes[other], axis)
            found.append(at + wide / 2)
        count = min(len(list(near)), 6)
        found += [middle + sign * k * self.lane for k in range(1, count + 1) for sign in (-1, 1)]
        return [at for at in dict.fromkeys(found) if abs(at - middle) <= max(room, 0.0) + 1e-9]

    # -------------------------------------------------------------------------------------- one line

    def route(self, wire: Wire, near: Mapping[NodeId, Sequence[NodeId]]) -> tuple[Point, ...] | None:
        """The best line for `wire`, which is then in the way of others."""
        starts = self._ends(wire.src, wire.leaves, wire.src, near, self.out)
        goals = self._ends(wire.dst, wire.enters, wire.src, near, self.into, wire.at)
        found = self._search(starts, goals, wire)
        if found is None:
            return None
        path, start, goal = found
        points = [starts[start][2], *((self.xs[i], self.ys[j]) for i, j in path), goals[goal][2]]
        self._take(path, starts[start][1], goals[goal][1], wire.src)
        for end, (_, side, at) in ((wire.src, starts[start]), (wire.dst, goals[goal])):
            self.ports.setdefault((end, side), []).append((at[0] if side in (0, 2) else at[1], wire.src))
        return cleaned(points)

    def _ends(
        self, key: NodeId, sides: Mapping[int, float], net: NodeId, near: Mapping[NodeId, Sequence[NodeId]],
        stub: float, only: float | None = None,
    ) -> dict[Spot, tuple[float, int, Point]]:
        """Grid point just outside of the box → cost, side, and the point on the border."""
        place, found = self.boxes[key], dict[Spot, tuple[float, int, Point]]()
        for side, cost in sides.items():
            axis = 0 if side in (0, 2) else 1
            low, size = _span(place, axis)
            dx, dy = SIDES[side]
            for at in self.spots(key, axis, near[key]) if only is None else [only]:
                taken = self.ports.get((key, side), ())
                if not self.lax and any(other != net and abs(at - spot) < 0.8 * self.lane for spot, other in taken):
                    continue
                x = at if axis == 0 else place.x + (place.width if side == 1 else 0.0)
                y = at if axis == 1 else place.y + (place.height if side == 2 else 0.0)
                spot = _index(self.xs, x + dx * stub), _index(self.ys, y + dy * stub)
                if spot[0] < 0 or spot[1] < 0:
                    continue
                straight = Place(min(x, x + dx * stub), min(y, y + dy * stub), abs(dx) * stub, abs(dy) * stub)
                if any(_meet(straight, wall) for wall in self.walls) or any(
                        _meet(straight, other) for k, other in self.boxes.items() if k != key):
                    continue
                total = cost + 0.6 * abs(at - low - size / 2)
                if spot not in found or total < found[spot][0]:
                    found[spot] = (total, side, (x, y))
        return found

    def _search(
        self, starts: Mapping[Spot, tuple[float, int, Point]], goals: Mapping[Spot, tuple[float, int, Point]],
        wire: Wire,
    ) -> tuple[list[Spot], Spot, Spot] | None:
        if not starts or not goals:
            return None
        xs, ys, net = self.xs, self.ys, wire.src
        foreign = [self.held[n] for n in wire.foreign]
        gx, gy = [xs[i] for i, _ in goals], [ys[j] for _, j in goals]
        left, right, top, low = min(gx), max(gx), min(gy), max(gy)

        def ahead(i: int, j: int) -> float:
            x, y = xs[i], ys[j]
            return max(left - x, 0.0, x - right) + max(top - y, 0.0, y - low)

        best: dict[tuple[int, int, int], float] = {}
        came: dict[tuple[int, int, int], tuple[int, int, int] | None] = {}
        queue: list[tuple[float, float, tuple[int, int, int]]] = []
        for (i, j), (cost, side, _) in starts.items():
            state = (i, j, side)
            best[state], came[state] = cost, None
            heapq.heappush(queue, (cost + ahead(i, j), cost, state))
        done: set[tuple[int, int, int]] = set()
        end: tuple[int, int, int] | None = None
        while queue:
            _, cost, state = heapq.heappop(queue)
            if state in done:
                continue
            done.add(state)
            i, j, way = state
            if way == 4:
                end = came[state]
                break
            goal = goals.get((i, j))
            if goal is not None:
                back = (goal[1] + 2) % 4
                if way != goal[1]:
                    total = cost + goal[0] + (0.0 if way == back else BEND)
                    last = (i, j, 4)
                    if total < best.get(last, 1e18):
                        best[last], came[last] = total, state
                        heapq.heappush(queue, (total, total, last))
            for turn in range(4):
                if (turn + 2) % 4 == way:
                    continue
                dx, dy = SIDES[turn]
                step = self._step(i, j, dx, dy, net)
                if step is None:
                    continue
                if any(inside[0][i + dx] and inside[1][j + dy] for inside in foreign):
                    step *= FOREIGN
                total = cost + step + (BEND if turn != way else 0.0)
                if turn != way and self.corners.get((i, j), set()) - {net}:
                    total += TOUCHING
                if turn != way and any(self.through[k].get((i, j), set()) - {net} for k in (0, 1)):
                    total += TOUCHING
                after = (i + dx, j + dy, turn)
                if total < best.get(after, 1e18):
                    best[after], came[after] = total, state
                    heapq.heappush(queue, (total + ahead(i + dx, j + dy), total, after))
        if end is None:
            return None
        path: list[Spot] = []
        state_: tuple[int, int, int] | None = end
        while state_ is not None:
            path.append(state_[:2])
            state_ = came[state_]
        path.reverse()
        return path, path[0], path[-1]

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
        for (i, j), (k, m) in zip(path, path[1:], strict=False):
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
        ways = [first, *(_way(a, b) for a, b in zip(path, path[1:], strict=False)), (last + 2) % 4]
        for spot, before, after in zip(path, ways, ways[1:], strict=False):
            if before != after:
                self.corners.setdefault(spot, set()).add(net)


def routed(
    wires: Sequence[Wire], boxes: Mapping[NodeId, Place], walls: Sequence[Place], rims: Sequence[Place],
    spacing: Mapping[str, float], lax: bool = False,
) -> dict[tuple[NodeId, NodeId], tuple[Point, ...] | None]:
    """The corners of each of `wires` among `boxes`; `walls` are labels and titles, with the air that they need, `rims`
    frames, along whose border no line should run.  Where `lax`, a line that
    finds no other way runs along another one."""
    clear = min(spacing["beside"] / 2, 3.0)
    ground = Field(boxes, walls, rims, clear, min(spacing["lane"], 5.0), clear, spacing["arrow"] + 1.6)
    near: dict[NodeId, list[NodeId]] = {key: [] for key in boxes}
    for wire in wires:
        near[wire.src].append(wire.dst)
        near[wire.dst].append(wire.src)
    ground.prepare(wires)

    def far(wire: Wire) -> float:
        a, b = boxes[wire.src], boxes[wire.dst]
        return abs(a.cx - b.x - b.width / 2) + abs(a.cy - b.y - b.height / 2)

    found: dict[tuple[NodeId, NodeId], tuple[Point, ...] | None] = {}
    for wire in sorted(wires, key=far):
        found[wire.src, wire.dst] = ground.route(wire, near)
        if found[wire.src, wire.dst] is None and not lax:       # it is tried again with more room
            return found
    ground.lax = lax
    return {(wire.src, wire.dst): found[wire.src, wire.dst] or (ground.route(wire, near) if lax else None)
            for wire in wires}


def _way(a: Spot, b: Spot) -> int:
    return SIDES.index(((b[0] > a[0]) - (b[0] < a[0]), (b[1] > a[1]) - (b[1] < a[1])))


def _span(place: Place, axis: int) -> tuple[float, float]:
    return (place.x, place.width) if axis == 0 else (place.y, place.height)


def _meet(a: Place, b: Place) -> bool:
    return (a.x < b.right and b.x < a.right or a.x == b.x and b.width > 0) and (
        a.y < b.bottom and b.y < a.bottom or a.y == b.y and b.height > 0)


def _thinned(exact: Iterable[float], loose: Iterable[float]) -> list[float]:
    """All of `exact`, those of `loose` that are not close to one already there, and one around all."""
    found = sorted(exact)
    kept = [at for i, at in enumerate(found) if not i or at - found[i - 1] > 1e-6]
    for at in sorted(loose):
        i = bisect_left(kept, at)
        if all(abs(at - kept[n]) > 1.2 for n in (i - 1, i) if 0 <= n < len(kept)):
            kept.insert(i, at)
    return kept


def _index(values: Sequence[float], at: float) -> int:
    """Where `at` is among `values`; -1 where it is not."""
    i = bisect_left(values, at - 1e-6)
    return i if i < len(values) and abs(values[i] - at) < 2e-6 else -1
