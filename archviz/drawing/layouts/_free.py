"""Layouts whose boxes Graphviz places, and whose lines then run among them.

In: a graph, sizes, frames, spacing, and the name of an engine.  Out: `Layout`.

Dot knows frames in frames.  For any other engine each frame is laid out by itself, from the inside out, and is then a
box of the frame around it.  Volumes that touch each other are one box; they flow to the right.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import combinations

from archviz.core.geometry import Frames, Layout, Place, Places, Point, Route, Size, Sizes, Spacing, bounds, united
from archviz.core.graph import Edge, Graph, NodeId, skips
from archviz.drawing.layouts._blocks import blocks_of
from archviz.drawing.layouts._graphviz import Sheet, placed
from archviz.drawing.layouts._routing import FLOWS, Connection, routed
from archviz.drawing.layouts.chain import boxed

ROOMS = (1.0, 1.6, 2.8)
"""How much farther apart everything is moved, until all lines find a way."""
USUAL = {"across": 11.0, "beside": 6.0, "turn": 4.0, "lane": 5.0, "pad": 6.0, "label_gap": 2.2, "arrow": 3.4}
"""What a style need not say that is made for another layout."""
MANY = 400          # lines beyond which none is looked for: no page is large enough to tell them apart


def free(engine: str, graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str,
         limit: float) -> Layout:
    """Lay `graph` out by `engine`.

    spacing: that of `layered`; for volumes, that of `chain`.
    """
    room = {**USUAL, **spacing}
    if "span" in spacing:
        return _discs(engine, graph, sizes, frames, room, direction)
    if "tuck" not in spacing:
        return _Free(engine, graph, sizes, frames, room, direction).layout(limit)

    return boxed(graph, blocks_of(graph, sizes, spacing), sizes, frames, spacing,
                 lambda flat, boxes: _Free(engine, flat, boxes, {}, room, "right").layout(limit))


@dataclass
class _Free:
    engine: str
    graph: Graph
    sizes: Sizes
    frames: Frames
    s: Spacing
    direction: str

    def __post_init__(self) -> None:
        self.flows = [e for e in self.graph.flows if self.sizes[e.dst].abuts != e.src]
        self.passing = skips(self.graph)
        self.scope = {node.id: tuple(key for key in node.scope if key in self.frames) for node in self.graph.nodes}
        self.modules = list(dict.fromkeys(key for scope in self.scope.values() for key in scope))
        self.around = {node.id: self._around(node.id) for node in self.graph.nodes}
        self.hung = {key: size.abuts for key, size in self.sizes.items() if size.abuts}

    def layout(self, limit: float) -> Layout:
        for room in ROOMS:
            nodes, boxes = self._placed(room)
            long = max((p.right if self.direction == "right" else p.bottom
                        for p in (*nodes.values(), *boxes.values())), default=0.0)
            titles = {key: self._title(key, nodes, boxes) for key in boxes}
            if long > 1.2 * limit + 60.0 or len(self.flows) > MANY:     # on no page: only its size is asked for
                return self._finished(nodes, boxes, titles, {})
            lines = self._lines(nodes, boxes, titles, room == ROOMS[-1])
            if all(lines.values()):
                break
        return self._finished(nodes, boxes, titles, {key: points for key, points in lines.items() if points})

    def _box(self, key: NodeId) -> tuple[float, float]:
        """Width and height of a node's outline; a bar lies across the flow."""
        size = self.sizes[key]
        return (size.height, size.width) if size.spans and self.direction == "right" else (size.width, size.height)

    def _around(self, key: NodeId) -> tuple[float, float, float, float]:
        """What a node takes besides its box, towards the left, the top, the right and the bottom: room for the label at
        the arrow that enters, as wide on the other side, so that arrows stay straight; and for what hangs below."""
        (wide, high), gap = self.sizes[key].label, self.s.get("label_gap", 0.0)
        width, height = self._box(key)
        left = right = ahead = behind = 0.0     # ahead: on the side that the flow enters
        if wide and self.direction == "right":
            left = wide + self.s["arrow"] + 2 * gap
            ahead = behind = max(high + 2 * gap - height / 2, 0.0)
        elif wide:
            left = right = max(wide + 2 * gap - width / 2, 0.0)
            ahead = high + gap
        if self.sizes[key].ports and self.direction != "right":
            ahead += self.s.get("fork", self.s["along"])
        top, bottom = (behind, ahead) if self.direction == "up" else (ahead, behind)
        return left, top, right, bottom + sum(size.height for size in self.sizes.values() if size.abuts == key)

    def _full(self, key: NodeId) -> tuple[float, float]:
        (width, height), (left, top, right, bottom) = self._box(key), self.around[key]
        return width + left + right, height + top + bottom

    def _head(self, key: str) -> tuple[float, float]:
        """Room for the title of a frame; twice as wide where lines enter there, which then have a half of it."""
        frame = self.frames[key]
        wide = frame.title + frame.count
        if not frame.bar or not wide:
            return 0.0, 0.0
        return wide * (1 if self.direction == "right" else 2) + self.s["pad"], frame.bar

    def _placed(self, room: float) -> tuple[dict[NodeId, Place], dict[str, Place]]:
        places = self._natively(room) if self.engine == "dot" else self._inside_out(room)
        left, top = (min((getattr(p, side) for p in places.values()), default=0.0) for side in ("x", "y"))
        nodes, boxes = dict[NodeId, Place](), dict[str, Place]()
        for key, place in ((key, at.moved(-left, -top)) for key, at in places.items()):
            if key.startswith("▣"):
                boxes[key[1:]] = place
            else:
                nodes[key] = Place(place.x + self.around[key][0], place.y + self.around[key][1], *self._box(key))
        for key, host in self.hung.items():
            above, size = nodes[host], self.sizes[key]
            left = above.x + (above.width - size.width) / 2
            nodes[key] = Place(left, above.bottom, size.width, size.height)
        return nodes, boxes

    def _natively(self, room: float) -> dict[str, Place]:
        boxes = {node.id: self._full(node.id) for node in self.graph.nodes if node.id not in self.hung}
        inside = {key: f"▣{self.scope[key][-1]}" for key in boxes if self.scope[key]}
        outer = {key: scope[i - 1] for scope in self.scope.values() for i, key in enumerate(scope) if i}
        inside |= {f"▣{key}": f"▣{around}" for key, around in outer.items()}
        skirt = max((frame.skirt for key, frame in self.frames.items() if key in self.modules), default=0.0)
        edges = tuple((e.src, e.dst, 1 if (e.src, e.dst) in self.passing else 8) for e in self.flows)
        sheet = Sheet(boxes, edges, inside, {f"▣{key}": self._head(key) for key in self.modules}, self.direction,
                      self.s["across"] * room, self.s["along"] * room, self.s["pad"] + self.s["lane"] / 2 + skirt)
        places = placed(self.engine, [sheet])[0]
        for key in self.modules:    # the copies behind a frame stand in the air that was kept around it
            places[f"▣{key}"] = places[f"▣{key}"].grown(-skirt)
        return places

    def _inside_out(self, room: float) -> dict[str, Place]:
        gap = (self.s["across"] + 2 * self.s["turn"]) * room
        deep = max((len(scope) for scope in self.scope.values()), default=0)
        full = {node.id: self._full(node.id) for node in self.graph.nodes if node.id not in self.hung}
        inner: dict[str, dict[str, Place]] = {}
        for level in range(deep, -1, -1):
            ids = [key for key in self.modules if self._depth(key) == level] if level else [""]
            sheets = [self._sheet(key, full, gap) for key in ids]
            for key, sheet, at in zip(ids, sheets, placed(self.engine, sheets), strict=True):
                content = _enlarged(_turned(at, sheet), sheet.boxes)
                inner[key] = content = {k: p.grown(-gap / 2) for k, p in content.items()}
                if key:
                    full[f"▣{key}"] = self._frame(key, content)
        places: dict[str, Place] = {}

        def settle(key: str, dx: float, dy: float) -> None:
            for k, p in inner[key].items():
                places[k] = p.moved(dx, dy)
                if k.startswith("▣"):
                    pad, bar, wide = self.s["pad"], self.frames[k[1:]].bar, full[k][0]
                    skirt = self.frames[k[1:]].skirt
                    left, top, right, _ = bounds(inner[k[1:]].values())
                    settle(k[1:], places[k].x + (wide - skirt - right + left) / 2 - left, places[k].y + bar + pad - top)
                    places[k] = replace(places[k], width=p.width - skirt, height=p.height - skirt)

        settle("", 0.0, 0.0)
        return places

    def _depth(self, key: str) -> int:
        return next(scope.index(key) + 1 for scope in self.scope.values() if key in scope)

    def _sheet(self, key: str, full: Mapping[str, tuple[float, float]], gap: float) -> Sheet:
        """What stands in one frame, inner ones as boxes, each with the air around it."""
        deep = self._depth(key) if key else 0
        of: dict[NodeId, str] = {}
        for node, scope in self.scope.items():
            if node not in self.hung and (not key or key in scope):
                of[node] = node if len(scope) == deep else f"▣{scope[deep]}"
        boxes = {k: (full[k][0] + gap, full[k][1] + gap) for k in dict.fromkeys(of.values())}
        edges = dict.fromkeys((of[e.src], of[e.dst], 1) for e in self.flows
                              if e.src in of and e.dst in of and of[e.src] != of[e.dst])
        return Sheet(boxes, tuple(edges), direction=self.direction)

    def _frame(self, key: str, content: Mapping[str, Place]) -> tuple[float, float]:
        inside, pad, frame = united(content.values()), self.s["pad"], self.frames[key]
        return (max(inside.width + 2 * pad, frame.title + frame.count + 2 * pad) + frame.skirt,
                inside.height + 2 * pad + frame.bar + frame.skirt)

    def _title(self, key: str, nodes: Places, boxes: Mapping[str, Place]) -> tuple[float, float]:
        """Where a title starts: at the left, or at the right where fewer lines would run through it."""
        place, frame, pad = boxes[key], self.frames[key], self.s["pad"]
        wide = frame.title + frame.count
        within = {end for end, scope in self.scope.items() if key in scope}
        crossing = [nodes[edge.src if edge.src in within else edge.dst].cx for edge in self.flows
                    if (edge.src in within) != (edge.dst in within)]
        spots = [place.x + pad, place.right - pad - wide] if self.direction != "right" else [place.x + pad]
        best = min(spots, key=lambda x: (sum(x - 3 < at < x + wide + 3 for at in crossing), spots.index(x)))
        return best, place.y + frame.bar * 0.78 + 1.0

    def _walls(self, nodes: Places, titles: Mapping[str, tuple[float, float]]) -> list[Place]:
        """Labels at arrows and titles of frames, with a little air."""
        gap, walls = self.s.get("label_gap", 0.0), []
        for key, place in nodes.items():
            wide, high = self.sizes[key].label
            if not wide:
                continue
            if self.direction == "right":
                x, y = place.x - self.s["arrow"] - gap - wide, place.cy + gap
            else:
                x, y = place.cx + gap, place.bottom + gap if self.direction == "up" else place.y - gap - high
            walls.append(Place(x - 1, y - 1, wide + 2, high + 2))
        for key, (x, base) in titles.items():
            frame = self.frames[key]
            if frame.title + frame.count:
                walls.append(Place(x - 2, base - 0.78 * frame.bar, frame.title + frame.count + 4, frame.bar))
        return walls

    def _lines(self, nodes: Places, boxes: Mapping[str, Place], titles: Mapping[str, tuple[float, float]],
               crowded: bool) -> dict[tuple[NodeId, NodeId], tuple[Point, ...] | None]:
        out = FLOWS[self.direction]
        back, sides, lax = (out + 2) % 4, ((out + 1) % 4, (out + 3) % 4), 10.0 if self.engine == "dot" else 3.0
        wires, entering = [], Counter(edge.dst for edge in self.flows)
        for edge in self.flows:
            joint, labelled = self.sizes[edge.dst].joint, entering[edge.dst] == 1 and self.sizes[edge.dst].label[0] > 0
            leaves = {out: 0.0, **dict.fromkeys(sides, lax)}
            enters = {back: 0.0} | ({} if labelled else dict.fromkeys(sides, 2.0 if joint else lax))
            if self.engine != "dot":
                leaves[back] = 2 * lax
                enters |= {} if labelled else {out: 2 * lax}
            if "tuck" in self.s:        # a volume has its two faces on the axis
                leaves, enters = {out: 0.0}, {back: 0.0} | (dict.fromkeys(sides, 2.0) if joint else {})
            # its label stands beside the middle
            at = nodes[edge.dst].centre[self.direction == "right"] if labelled else None
            if ports := self._ports(edge, nodes):
                enters, at = {back: 0.0}, sum(ports) / len(ports)
            inside = {*self.scope[edge.src], *self.scope[edge.dst]}
            foreign = tuple(n for n, key in enumerate(boxes) if key not in inside)
            wires.append(Connection(edge.src, edge.dst, leaves, enters, at, foreign))
        return routed(wires, {key: self._forked(key, place) for key, place in nodes.items()},
                      self._walls(nodes, titles), list(boxes.values()), self.s, crowded)

    def _ports(self, edge: Edge, nodes: Places) -> list[float]:
        """Where the lines of one edge end, if it stands for several operands or is told from others by its place."""
        ports = self.sizes[edge.dst].ports.get(edge.src, ()) if self.direction != "right" else ()
        return [nodes[edge.dst].x + x for x in ports]

    def _forked(self, key: NodeId, place: Place) -> Place:
        """A node with the room in which lines branch to its ports."""
        if not self.sizes[key].ports or self.direction == "right":
            return place
        fork = self.s.get("fork", self.s["along"])
        return Place(place.x, place.y - (0.0 if self.direction == "up" else fork), place.width, place.height + fork)

    def _branches(self, edge: Edge, points: tuple[Point, ...], nodes: Places) -> list[tuple[Point, ...]]:
        """The lines of an edge: one, or one to each port."""
        ports = self._ports(edge, nodes)
        if not ports:
            return [points]
        place, at = nodes[edge.dst], points[-1]
        end = place.bottom if self.direction == "up" else place.y
        turn = at[1] + (end - at[1]) * 0.15
        return [(*points[:-1], (at[0], end)) if abs(x - at[0]) < 1e-6 else
                (*points[:-1], (at[0], turn), (x, turn), (x, end)) for x in ports]

    def _finished(self, nodes: Places, boxes: Mapping[str, Place], titles: Mapping[str, tuple[float, float]],
                  lines: Mapping[tuple[NodeId, NodeId], tuple[Point, ...]]) -> Layout:
        """All of it, moved to the origin; a line that found no way goes straight."""
        routes = list[Route]()
        for edge in self.flows:
            a, b = nodes[edge.src], nodes[edge.dst]
            points = lines.get((edge.src, edge.dst)) or ((a.cx, a.bottom), (b.cx, b.y))
            routes += (Route(edge.src, edge.dst, way, (edge.src, edge.dst) in self.passing)
                       for way in self._branches(edge, points, nodes))
        stacks = [Place(p.x, p.y, p.width + self.frames[key].skirt, p.height + self.frames[key].skirt)
                  for key, p in boxes.items()]
        corners = [Place(x, y, 0.0, 0.0) for route in routes for x, y in route.points]
        every = [*nodes.values(), *stacks, *self._walls(nodes, titles), *corners]
        left, top, right, low = bounds(every) if every else (0.0, 0.0, 0.0, 0.0)
        return Layout(nodes, boxes, tuple(routes), right - left, low - top, titles, self.direction).moved(-left, -top)


def _discs(engine: str, graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str) -> Layout:
    """Discs with rings around them, each with its name beside it, and no routes: every dot has lines of its own."""
    core = {node.id: sizes[node.id].abuts or node.id for node in graph.nodes}
    ends = dict.fromkeys((core[e.src], core[e.dst]) for e in graph.flows if core[e.src] != core[e.dst])
    flat = Graph(graph.name, tuple(node for node in graph.nodes if core[node.id] == node.id),
                 tuple(Edge(src, dst) for src, dst in ends), graph.modules)
    wide = {key: max(sizes[k].width for k, other in core.items() if other == key) for key in core.values()}
    boxes = {key: _with_name(across, sizes[key].label, spacing["label_gap"], direction) for key, across in wide.items()}
    plan = _Free(engine, flat, boxes, {key: frame for key, frame in frames.items() if key}, spacing, direction)
    at, around = plan._placed(1.0)
    nodes = {}
    for node in graph.nodes:
        (x, y), size = at[core[node.id]].centre, sizes[node.id].width
        nodes[node.id] = Place(x - size / 2, y - size / 2, size, size)
    titles = {key: (place.x + spacing["pad"], place.y + 2.0) for key, place in around.items()}
    titles |= _names(at, sizes, direction)
    _, _, right, bottom = bounds([*at.values(), *around.values()]) if at else (0.0, 0.0, 0.0, 0.0)
    return Layout(nodes, around, (), right, bottom, titles, direction)


def _with_name(across: float, label: tuple[float, float], gap: float, direction: str) -> Size:
    """Room for a disc and its name on either side of it: above or below in a figure to the right, else beside it."""
    wide, high = label
    gap = gap if wide else 0.0
    if direction == "right":
        return Size(max(across, wide), across + 2 * (gap + high))
    return Size(across + 2 * (gap + wide), max(across, high))


def _names(at: Places, sizes: Sizes, direction: str) -> dict[NodeId, Point]:
    """Where the name of each disc stands: on the outer side, where fewer lines are."""
    names: dict[NodeId, Point] = {}
    axis = 1 if direction == "right" else 0
    mean = sum(place.centre[axis] for place in at.values()) / max(len(at), 1)
    for key, place in at.items():
        wide, high = sizes[key].label
        first = place.centre[axis] < mean - 0.5
        if wide and axis:
            names[key] = (place.x + (place.width - wide) / 2, place.y + (0.0 if first else place.height - high))
        elif wide:
            names[key] = (place.x + (0.0 if first else place.width - wide), place.y + (place.height - high) / 2)
    return names


def _turned(at: Mapping[str, Place], sheet: Sheet) -> dict[str, Place]:
    """The same arrangement, mirrored so that more edges lead the way that the flow goes."""
    across = sum(at[b].cx - at[a].x - at[a].width / 2 for a, b, _ in sheet.edges)
    along = sum(at[b].cy - at[a].y - at[a].height / 2 for a, b, _ in sheet.edges)
    over = along > 0 if sheet.direction == "up" else along < 0
    return {key: Place(-p.x - p.width if across < 0 else p.x, -p.y - p.height if over else p.y, p.width, p.height)
            for key, p in at.items()}


def _enlarged(at: Mapping[str, Place], sizes: Mapping[str, tuple[float, float]]) -> dict[str, Place]:
    """The same arrangement, as large as it takes for nothing to lie on anything else."""
    keys = list(at)
    middles = {key: at[key].centre for key in keys}
    for i, key in enumerate(keys):      # no two at one point, or no size would part them
        x, y = middles[key]
        if any(math.dist((x, y), middles[other]) < 0.01 for other in keys[:i]):
            middles[key] = (x + 0.1 * i, y + 0.1 * i)
    factor = max([1.0, *(
        min((sizes[a][n] + sizes[b][n]) / 2 / max(abs(middles[a][n] - middles[b][n]), 1e-9) for n in (0, 1))
        for a, b in combinations(keys, 2))])
    return {key: Place(x * factor - sizes[key][0] / 2, y * factor - sizes[key][1] / 2, *sizes[key])
            for key, (x, y) in middles.items()}
