"""A chain of volumes from left to right: what abuts touches, what joins later runs in a row above or below, skip
connections run on tracks above.

In: a graph, the sizes of its nodes (boxes in parallel projection), spacing.  Out: `Layout`; a node's place is its front
face.

All volumes of a row are centred on one axis, so that arrows run straight from the centre of a face to the next one.
Neighbours come as close as their outlines and labels allow.  A graph that is no chain with branches is laid out by
`layered`.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from archviz.core.geometry import Frames, Layout, Place, Places, Point, Route, Size, Sizes, Spacing, around, bounds
from archviz.core.graph import Edge, Graph, NodeId
from archviz.drawing.layouts import Traits
from archviz.drawing.layouts._blocks import Block, blocks_of, clearance
from archviz.drawing.layouts._level import in_order
from archviz.drawing.layouts.layered import layered

TRAITS = Traits(wraps=False)  # there is one row; what is too long is for the form to draw smaller


def chain(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "right",
          limit: float = math.inf) -> Layout:
    """Lay `graph` out as a chain of volumes; `frames` are those to be marked by a brace below.

    spacing: along (between two outlines), beside (around labels), row (between rows), track (between skip lines), tuck
    (how far a volume may stand before the side of the one before it, 0 to 1).
    """
    blocks = blocks_of(graph, sizes, spacing)
    plan = _Rows(graph, blocks, sizes, spacing)
    if not plan.regular():
        return boxed(graph, blocks, sizes, frames, spacing,
                     lambda flat, boxes: layered(flat, boxes, {}, spacing, "right"))
    if direction != "down" or not plan.levels():
        return plan.layout(frames)
    return plan.around(frames) if plan.glyphs() else plan.stairs(frames)


@dataclass
class _Branch:
    """Blocks in a row of their own, from after block `start` to before block `end` of the spine (None: open)."""

    blocks: list[int]
    start: int | None
    end: int | None


@dataclass
class _Rows:
    graph: Graph
    blocks: list[Block]
    sizes: Sizes
    spacing: Spacing
    of: dict[NodeId, int] = field(default_factory=dict)
    spine: list[int] = field(default_factory=list)
    branches: list[_Branch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.of = {key: i for i, block in enumerate(self.blocks) for key in block.nodes}
        self.edges = [e for e in self.graph.flows if self.of[e.src] != self.of[e.dst]]
        self.after: dict[int, list[int]] = {i: [] for i in range(len(self.blocks))}
        self.before: dict[int, list[int]] = {i: [] for i in range(len(self.blocks))}
        for edge in self.edges:
            a, b = self.of[edge.src], self.of[edge.dst]
            if b not in self.after[a]:
                self.after[a].append(b)
                self.before[b].append(a)

    def regular(self) -> bool:
        """Is it a chain with branches that leave it and come back?  Finds both."""
        order = in_order(self.after)
        if not order or len(order) < len(self.blocks):
            return False
        self.spine = self._longest(order)
        rank = {block: i for i, block in enumerate(self.spine)}
        seen = set(self.spine)
        for i in order:
            if i in seen:
                continue
            row = self._run(i, rank)
            seen.update(row)
            into, out = self.before[row[0]], self.after[row[-1]]
            if len(into) > 1 or len(out) > 1 or any(j not in rank for j in (*into, *out)):
                return False
            start, end = (rank[j[0]] if j else None for j in (into, out))
            if start is not None and end is not None and end <= start:
                return False
            self.branches.append(_Branch(row, start, end))
        return True

    def _longest(self, order: Sequence[int]) -> list[int]:
        """The way through most nodes, of blocks each after those it depends on."""
        longest: dict[int, tuple[int, int]] = {}  # to the end: how many nodes, and the next block
        for i in reversed(order):
            best = max(self.after[i], key=lambda j: (longest[j][0], -j), default=-1)
            longest[i] = (len(self.blocks[i].nodes) + (longest[best][0] if best >= 0 else 0), best)
        way = [max((i for i in order if not self.before[i]), key=lambda i: (longest[i][0], -i))]
        while (following := longest[way[-1]][1]) >= 0:
            way.append(following)
        return way

    def _run(self, first: int, rank: Mapping[int, int]) -> list[int]:
        """The blocks from `first` on that follow each other alone, off the spine."""
        row = [first]
        while (after := self.after[row[-1]]) and len(after) == len(self.before[after[0]]) == 1 and after[0] not in rank:
            row.append(after[0])
        return row

    def layout(self, frames: Frames) -> Layout:
        placed: list[Block] = []
        for block in self.blocks if self.branches else ():
            block.room = _bars(self.graph, block, frames, self.spacing)
        for rank, i in enumerate(self.spine):
            for n, branch in enumerate(b for b in self.branches if b.end == rank):
                # names stand below volumes, so that only a glyph can be entered from there
                glyph = self.sizes[self.blocks[i].nodes[0]].joint
                self._row(branch, above=n % 2 == 0 or not glyph, placed=placed)
            self._push(self.blocks[i], placed, self._start(rank))
            placed.append(self.blocks[i])
        for n, branch in enumerate(b for b in self.branches if b.end is None):
            self._row(branch, above=n % 2 == 0, placed=placed)
        return finished(self.graph, self.blocks, self.sizes, self._routes(), frames, self.spacing, bool(self.branches))

    def _start(self, rank: int) -> float:
        """A block stands right of the branches that end in it, and its label right of where others turn off."""
        block, s = self.blocks[self.spine[rank]], self.spacing
        ends = [self.blocks[b.blocks[-1]].right + s["along"] for b in self.branches if b.end == rank]
        if len(ends) > 1 and rank:  # one of them comes from below, past the labels of the block before
            ends.append(self.blocks[self.spine[rank - 1]].right + s["beside"])
        if any(b.start == rank - 1 for b in self.branches) or rank and self._forks(rank - 1):
            left = min([block.enter, *(p.x for p in block.soft)])
            ends.append(self.blocks[self.spine[rank - 1]].right + s["along"] / 3 + 2 * s["beside"] + block.enter - left)
        return max(ends, default=-math.inf)

    def _forks(self, rank: int) -> bool:
        """Does a skip turn off right behind this block?  It does where the block is a glyph, whose top others enter."""
        block = self.blocks[self.spine[rank]]
        following = self.blocks[self.spine[rank + 1]].nodes[0] if rank + 1 < len(self.spine) else ""
        leaving = [e for e in self.edges if e.src == block.nodes[-1] and e.dst != following]
        return self.sizes[block.nodes[-1]].joint and any(self.of[e.dst] in self.spine for e in leaving)

    def _push(self, block: Block, placed: Iterable[Block], least: float = -math.inf) -> None:
        """As far left as outlines and labels allow."""
        x = least - block.enter if least > -math.inf else 0.0
        reach = self.spacing["along"] - block.reach[0]
        for other in sorted(placed, key=lambda other: -other.right):
            if other.right + reach > x:
                x = max(x, clearance(other, block, self.spacing))
        block.x = x

    def _row(self, branch: _Branch, above: bool, placed: list[Block]) -> None:
        """Put a branch above or below all that stands between its ends."""
        row = self._lined(branch)
        left, right = min(block.x + block.reach[0] for block in row), max(block.right for block in row)
        crowd = [p for block in placed for p in block.takes() if p.x < right and p.right > left]
        # the lines of branches to the same place run on in their rows
        beside = [self.blocks[i] for b in self.branches if b.end == branch.end and b is not branch for i in b.blocks]
        crowd += [p for block in beside if block in placed for p in block.takes()]
        crowd.append(Place(left, 0.0, right - left, 0.0))  # the arrow of the spine
        _, top, _, bottom = bounds(crowd)
        _, high, _, low = bounds(p for block in row for p in block.takes())
        for block in row:
            block.y = top - self.spacing["row"] - low if above else bottom + self.spacing["row"] - high
        placed += row

    def _lined(self, branch: _Branch) -> list[Block]:
        """The blocks of a branch side by side, after the one from which it leaves or just before what it joins."""
        row, least = [self.blocks[i] for i in branch.blocks], -math.inf
        if branch.start is not None:
            start = self.blocks[self.spine[branch.start]]
            least = start.right + self.spacing["along"] + row[0].enter - row[0].reach[0]
        for i, block in enumerate(row):
            self._push(block, row[:i], least if not i else -math.inf)
        if branch.start is None and branch.end:
            shift = self.blocks[self.spine[branch.end - 1]].right - row[-1].right
            for block in row:
                block.x += max(shift, 0.0)
        return row

    def levels(self) -> list[int] | None:
        """How many skips pass over each block of the spine, where they are nested like the levels of a U."""
        if self.branches:
            return None
        rank = {block: i for i, block in enumerate(self.spine)}
        hops = ((rank[self.of[e.src]], rank[self.of[e.dst]]) for e in self.edges)
        passing = sorted({(a, b) for a, b in hops if b > a + 1})
        nested = all(a < c and d < b for (a, b), (c, d) in pairwise(passing))
        ends = [self.blocks[self.spine[b]].nodes for _, b in passing]
        joined = all(self.sizes[first].joint for first, *_ in ends) or all(len(nodes) > 1 for nodes in ends)
        if len(passing) < 2 or not nested or not joined:
            return None
        return [sum(a < i < b for a, b in passing) for i in range(len(self.spine))]

    def glyphs(self) -> bool:
        """Do skips end in glyphs, and not at volumes?"""
        return any(self.sizes[block.nodes[0]].joint for block in self.blocks)

    def stairs(self, frames: Frames) -> Layout:
        """The U of volumes whose arrows all are straight."""
        levels, spine = self.levels() or [], [self.blocks[i] for i in self.spine]
        high, low = [0.0] * (max(levels) + 1), [0.0] * (max(levels) + 1)
        for block, level in zip(spine, levels, strict=True):
            _, upper, _, lower = bounds([*block.solid, *block.soft])
            high[level], low[level] = max(high[level], -upper), max(low[level], lower)
        axis = [0.0]
        for level in range(1, max(levels) + 1):
            axis.append(axis[-1] + low[level - 1] + self.spacing["drop"] + high[level])
        for i, (block, level) in enumerate(zip(spine, levels, strict=True)):
            block.y = axis[level]
            if not i or levels[i - 1] == level:
                self._push(block, spine[:i])
            else:       # the first of its level stands under or over what leads there
                leading = next(e for e in self.edges if e.src in spine[i - 1].nodes and e.dst in block.nodes)
                leave, enter = (self._bottom, self._top) if level > levels[i - 1] else (self._top, self._bottom)
                block.x += leave(leading.src)[0] - enter(leading.dst)[0]
        routes = [self._stair(edge) for edge in self.edges]
        return replace(finished(self.graph, self.blocks, self.sizes, routes, frames, self.spacing), direction="around")

    def _stair(self, edge: Edge) -> Route:
        """Straight from volume to volume: across on one level, down or up from one to another."""
        a, b = self.of[edge.src], self.of[edge.dst]
        first, last = self.blocks[a], self.blocks[b]
        if abs(first.y - last.y) < 1e-6:
            points = ((first.x + first.leave, first.y), (last.x + last.enter, last.y))
        elif first.y < last.y:
            points = (self._bottom(edge.src), self._top(edge.dst))
        else:
            points = (self._top(edge.src), self._bottom(edge.dst))
        return Route(edge.src, edge.dst, points, self.spine.index(b) > self.spine.index(a) + 1)

    def around(self, frames: Frames) -> Layout:
        """Down on the left, a level for each resolution, and up on the right."""
        levels, s = self.levels() or [], self.spacing
        spine = [self.blocks[i] for i in self.spine]
        above = [max(-p.y for block, at in zip(spine, levels, strict=True) if at == level for p in block.solid)
                 for level in range(max(levels) + 1)]
        axis = {0: 0.0}
        placed: list[Block] = []
        for i, (block, level) in enumerate(zip(spine, levels, strict=True)):
            before = spine[max(i - 1, 0)]
            if not i or levels[i - 1] == level:
                block.y = axis[level]
                self._push(block, placed)
                if i > 1 and levels[i - 2] > level:  # its labels clear of the line that leads up
                    line, low = self._bottom(before.nodes[0])[0], [p.x for p in block.soft if p.y > 0]
                    block.x = max(block.x, line + s["beside"] + 1.0 - min(low, default=0.0))
            elif level > levels[i - 1]:  # under the corner of the line that leads down to it
                offset = self._top(block.nodes[0], 0.25)[0] - block.x
                block.x = max(p.right for p in before.places()) + s["beside"] + 1.0 - offset
                if level not in axis:
                    reach = axis[level - 1] + s["glyph"] / 2 + s["along"] + above[level]
                    axis[level] = max(reach, self._below(block, placed))
            else:  # over the middle of what leads up to it
                block.x = self._top(before.nodes[-1])[0] - self.sizes[block.nodes[0]].width / 2
            block.y = axis[level]
            placed.append(block)
        done = finished(self.graph, self.blocks, self.sizes, self._routes(), frames, s)
        return replace(done, direction="around")

    def _below(self, block: Block, placed: Iterable[Block]) -> float:
        """How far down `block` must stand to be clear of everything."""
        pairs = ((p, q) for other in placed for p in other.places() for q in (*block.solid, *block.soft))
        meeting = ((p, q) for p, q in pairs if p.x < block.x + q.x + q.width and block.x + q.x < p.right)
        return max((p.bottom + self.spacing["beside"] - q.y for p, q in meeting), default=0.0)

    def _routes(self) -> list[Route]:
        rank = {block: i for i, block in enumerate(self.spine)}
        routes, late = [], []
        for edge in self.edges:
            a, b = self.of[edge.src], self.of[edge.dst]
            last = edge.src == self.blocks[a].nodes[-1]
            if a in rank and b in rank and (rank[b] != rank[a] + 1 or not last):
                late.append(edge)
            else:
                routes.append(Route(edge.src, edge.dst, self._straight(edge)))
        taken: list[Place] = [p for block in self.blocks for p in block.places()]
        taken += [around(route.points) for route in routes]
        for edge in sorted(late, key=lambda e: (rank[self.of[e.dst]] - rank[self.of[e.src]], rank[self.of[e.src]])):
            # a line that comes down from another level enters the same face nearer to the front
            here, source = self.of[edge.src], self.blocks[self.of[edge.src]]
            entered = any(self.blocks[self.of[e.src]].y < source.y for e in self.edges if self.of[e.dst] == here)
            start, end = self._top(edge.src, 0.8 if entered else 0.5), self._top(edge.dst)
            if self.sizes[edge.src].joint:
                start = (source.right + self.spacing["along"] / 3, source.y)
            y = min(p.y for p in taken if p.x <= end[0] + 2 and p.right >= start[0] - 2) - self.spacing["track"]
            points = (start, (start[0], y), (end[0], y), end)
            taken.append(Place(start[0], y, end[0] - start[0], 0.0))
            routes.append(Route(edge.src, edge.dst, points, skip=True))
        return routes

    def _straight(self, edge: Edge) -> tuple[Point, ...]:
        a, b = self.blocks[self.of[edge.src]], self.blocks[self.of[edge.dst]]
        start, end = (a.x + a.leave, a.y), (b.x + b.enter, b.y)
        if abs(a.y - b.y) < 1e-6:
            return (start, end)
        if self.of[edge.src] in self.spine and self.of[edge.dst] in self.spine:  # to another level of a U
            if b.y > a.y:
                top = self._top(edge.dst, 0.25)
                return (start, (top[0], start[1]), top)
            return (self._top(edge.src), self._bottom(edge.dst))
        if self.of[edge.dst] in self.spine:  # a branch comes back: from above or below
            top = self._top(edge.dst) if a.y < b.y else self._bottom(edge.dst)
            return (start, (top[0], start[1]), top)
        turn = a.right + self.spacing["along"] / 3
        return (start, (turn, start[1]), (turn, end[1]), end)

    def _top(self, key: NodeId, deep: float = 0.5) -> tuple[float, float]:
        """The middle of the upper face, `deep` of its depth from the front."""
        block, size = self.blocks[self.of[key]], self.sizes[key]
        x, y = block.at[key]
        return (block.x + x + size.width / 2 + deep * size.back[0], block.y + y + size.rise / 2 + deep * size.back[1])

    def _bottom(self, key: NodeId) -> tuple[float, float]:
        block, size = self.blocks[self.of[key]], self.sizes[key]
        x, y = block.at[key]
        return (block.x + x + size.width / 2, block.y + y + size.height + size.rise / 2)


def finished(graph: Graph, blocks: Sequence[Block], sizes: Sizes, routes: Sequence[Route], frames: Frames,
             spacing: Spacing, several: bool = False) -> Layout:
    """Everything moved so that it begins at the origin, with braces for the frames below it, or where there are
    `several` rows, below what is in each."""
    nodes = {key: Place(block.x + x, block.y + y, sizes[key].width, sizes[key].height)
             for block in blocks for key, (x, y) in block.at.items()}
    everything = [p for block in blocks for p in block.places()] + [_full(nodes[key], sizes[key]) for key in nodes]
    everything += [around(route.points) for route in routes]
    low = {key: bounds(everything)[3] + spacing["beside"] for key in nodes}
    if several:
        low = {key: block.low + spacing["beside"] / 2 for block in blocks for key in block.nodes}
    braces = _braces(graph, nodes, sizes, frames, low, blocks if several else (), routes if several else ())
    left, top, right, bottom = bounds([*everything, *braces.values()])
    return Layout(nodes, braces, tuple(routes), right - left, bottom - top, direction="right").moved(-left, -top)


def _bars(graph: Graph, block: Block, frames: Frames, spacing: Spacing) -> float:
    """The room that the braces take of the frames in which a block is."""
    bars = sum(frames[key].bar for key in graph.by_id[block.nodes[0]].scope if key in frames)
    return bars + spacing["beside"] if bars else 0.0


def _full(place: Place, size: Size) -> Place:
    """The rectangle around a whole volume."""
    up, down = min(0.0, size.back[1]) + min(0.0, size.rise), max(0.0, size.rise)
    return Place(place.x, place.y + up, place.width + size.back[0], place.height + down - up)


def _braces(graph: Graph, nodes: Places, sizes: Sizes, frames: Frames, low: Mapping[NodeId, float],
            blocks: Sequence[Block], routes: Sequence[Route]) -> dict[NodeId, Place]:
    """One brace below the nodes of each frame, of which `low` says how far down they reach, inner ones first, in as few
    rows as keep their titles apart; clear of `blocks`, with titles clear of `routes`, which may cross the brace."""
    braces: dict[NodeId, Place] = {}
    taken = [p for block in blocks for p in block.places()]
    lines = [around(ends).grown(1.0) for route in routes for ends in pairwise(route.points)]
    for key in sorted(frames, key=lambda k: (-len(graph.modules[k].scope), k)):
        inside = [n.id for n in graph.nodes if key in n.scope]
        if not inside:
            continue
        left = min(nodes[k].x + sizes[k].back[0] / 2 for k in inside)
        right = max(nodes[k].right + sizes[k].back[0] / 2 for k in inside)
        wide = frames[key].title + frames[key].count + 4.0
        room = max(wide, right - left)
        brace = Place((left + right) / 2 - room / 2, max(low[k] for k in inside), room, frames[key].bar)
        title = Place(brace.cx - wide / 2, brace.y, wide, brace.height)
        while any(brace.meets(other) for other in (*braces.values(), *taken)) or any(
                (title if line.height > line.width else brace).meets(line) for line in lines):
            brace, title = brace.moved(0.0, 1.0), title.moved(0.0, 1.0)
        braces[key] = brace
    return braces


def boxed(graph: Graph, blocks: Sequence[Block], sizes: Sizes, frames: Frames, spacing: Spacing,
          base: Callable[[Graph, Sizes], Layout]) -> Layout:
    """Each block a box around its outline and labels, symmetric about its axis, laid out by `base` to the right."""
    of = {key: block.nodes[0] for block in blocks for key in block.nodes}
    boxes: dict[NodeId, Size] = {}
    for block in blocks:
        left, top, right, bottom = bounds([*block.solid, *block.soft])
        bars, joint = _bars(graph, block, frames, spacing), sizes[block.nodes[0]].joint
        boxes[block.nodes[0]] = Size(right - left, 2 * max(-top, bottom + (0.0 if joint else bars)), joint)
    heads = [replace(n, scope=()) for n in graph.nodes if of[n.id] == n.id]
    edges = {(of[e.src], of[e.dst]): e for e in graph.edges if of[e.src] != of[e.dst]}
    flat = Graph(graph.name, tuple(heads), tuple(
        Edge(a, b, e.tensor, e.role, slot) for slot, ((a, b), e) in enumerate(edges.items())))
    result = base(flat, boxes)
    for block in blocks:
        place = result.nodes[block.nodes[0]]
        block.x, block.y = place.x - block.reach[0], place.y + boxes[block.nodes[0]].height / 2
    standing = {block.nodes[0]: block for block in blocks}
    routes = []
    for route in result.routes:
        edge = edges[route.src, route.dst]
        points = list(route.points)
        if not boxes[route.src].joint:
            points[:1] = _ended(points[0], standing[route.src], standing[route.src].leave)
        if not boxes[route.dst].joint:
            points[-1:] = _ended(points[-1], standing[route.dst], standing[route.dst].enter)[::-1]
        routes.append(Route(edge.src, edge.dst, tuple(points), route.skip))
    return finished(graph, blocks, sizes, routes, frames, spacing, several=True)


def _ended(point: Point, block: Block, reach: float) -> list[Point]:
    """The end of a line at the box around `block`, lengthened to its face, on its axis."""
    face = (block.x + reach, block.y)
    return [face] if abs(point[1] - block.y) < 0.5 else [face, (point[0], block.y), point]
