"""Where insets stand beside a drawing, and the lines from a block to its inset.

In: how the drawing is laid out, the insets in their frames.  Out: `Zoomed`, the body of a page that holds them all.

Everything is worked out for insets to the right; for insets below, x and y change places.  From the corners of the
block two lines run to the corners of the frame: straight where nothing is in their way, else first straight out of the
drawing, on its side or around it.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import dist

from archviz.core import text
from archviz.core.geometry import Layout, Place, Size, Sizes, bounds
from archviz.core.graph import Graph, NodeId
from archviz.core.scene import Box, Group, Mark, Paint, Point, Text, moved, walk
from archviz.drawing.forms._shapes import box, polyline
from archviz.drawing.sheet import Body, Entry

GAP = 26.0          # between the drawing and an inset, where the lines fan out
BETWEEN = 10.0      # between two insets
AROUND = 4.0        # between the drawing and a line around it, and between two such lines
OUTSIDE = 2.5       # between a box and the outline that stands for lines where there is no way for them
CLEAR = 1.0         # a line nearer to a box than this runs through it
HIT = 2000.0        # what a line through a box costs, in points of height
OUTLINED = 8.0      # an outline around a block and its labels
ENCLOSED = 14.0     # a box between the two lines
CROSSED = 12.0      # a line across an edge
LENGTH = 0.05       # a point of its length
ELBOW = (0.0, 6.0, 70.0)    # a straight way, one straight out of the drawing, one around it

Lines = tuple[tuple[Point, ...], tuple[Point, ...]]


@dataclass(frozen=True)
class Framed:
    """An inset, drawn in its frame from the origin: of which module, how large, and the graph that the figure's legend
    tells of; or, in another style, the entries it has itself, and the paints of its roles."""

    key: NodeId
    marks: tuple[Mark, ...]
    width: float
    height: float
    graph: Graph
    legend: tuple[Entry, ...] = ()
    sheet: Mapping[str, Paint] = field(default_factory=dict)


@dataclass(frozen=True)
class _Way:
    """Two lines from the corners of `block`, what they cost, and whether they run around the drawing."""

    price: float
    around: bool
    block: Place
    lines: Lines


@dataclass(frozen=True)
class Zoomed(Body):
    """A drawing with insets on one side, ``right`` or ``below``; `roles` say how large its text is."""

    side: str = "right"
    frames: tuple[Framed, ...] = ()
    roles: Mapping[str, Paint] = field(default_factory=dict)

    def taken(self) -> tuple[float, float]:
        wide, high = self._stack()
        return (wide + GAP, 0.0) if self.side == "right" else (0.0, high + GAP)

    def subject(self, graph: Graph) -> Graph:
        every = (graph, *(one.graph for one in self.frames))
        return replace(graph, nodes=tuple(node for one in every for node in one.nodes),
                       edges=tuple(edge for one in every for edge in one.edges),
                       modules={key: module for one in reversed(every) for key, module in one.modules.items()})

    def size(self, layout: Layout, sizes: Sizes) -> tuple[float, float]:
        return self._whole(layout, self._margin(layout, sizes))

    def _whole(self, layout: Layout, extra: float) -> tuple[float, float]:
        wide, high = self._stack()
        if self.side == "right":
            return layout.width + GAP + wide, max(layout.height + extra, high)
        return max(layout.width + extra, wide), layout.height + GAP + high

    def cost(self, layout: Layout, sizes: Sizes) -> float:
        if not self._seen(layout):
            return HIT
        return sum(way.price for way in self._lines(layout, sizes, self._margin(layout, sizes)))

    def marks(self, layout: Layout, sizes: Sizes, drawn: tuple[Mark, ...]) -> tuple[Mark, ...]:
        if not self._seen(layout):
            return drawn
        extra = self._margin(layout, sizes)
        dx, dy = self._origin(layout, extra)
        marks: list[Mark] = [moved(mark, dx, dy) for mark in drawn]
        words = list(_words(drawn, self.roles))
        places = self._places(layout, extra)
        for one, place, way in zip(self.frames, places, self._lines(layout, sizes, extra, words), strict=True):
            inside = tuple(moved(mark, place.x, place.y) for mark in one.marks)
            if way.price < HIT:
                lined: tuple[Mark, ...] = tuple(polyline(line, "zoom") for line in way.lines)
                plain = way.block == layout.nodes[one.key]
                marks.append(Group(lined if plain else (moved(_outline(way.block, 0.0), dx, dy), *lined), "zoom"))
            else:       # no way is free: the same outline around both says that they belong together
                front = layout.nodes[one.key]
                solid = _around(front, [_back(front, sizes.get(one.key))])
                marks.append(moved(_outline(solid, OUTSIDE - CLEAR), dx, dy))
                inside = (*inside, _outline(place, OUTSIDE))
            marks.append(Group(inside, "inset"))
        return tuple(marks)

    def _stack(self) -> tuple[float, float]:
        """Width and height of all insets: one above the other to the right, in a row below."""
        wide, high = [one.width for one in self.frames], [one.height for one in self.frames]
        between = BETWEEN * (len(self.frames) - 1)
        return (max(wide), sum(high) + between) if self.side == "right" else (sum(wide) + between, max(high))

    def _margin(self, layout: Layout, sizes: Sizes) -> float:
        """Room for lines around the drawing, where they have to go around it."""
        if not self._seen(layout):
            return 0.0
        return 6 * AROUND if any(way.around for way in self._lines(layout, sizes, None)) else 0.0

    def _seen(self, layout: Layout) -> bool:
        return all(one.key in layout.nodes for one in self.frames)

    def _origin(self, layout: Layout, extra: float) -> tuple[float, float]:
        """Where the drawing begins in the body: in the middle, across the side that the insets are on."""
        width, height = self._whole(layout, extra)
        if self.side == "right":
            return 0.0, (height - layout.height) / 2
        return (width - layout.width) / 2, 0.0

    def _places(self, layout: Layout, extra: float) -> list[Place]:
        """The frames, in the order of their blocks and as near to them as may be."""
        right = self.side == "right"
        (width, height), (dx, dy), (wide, high) = self._whole(layout, extra), self._origin(layout, extra), self._stack()
        blocks = [layout.nodes[one.key] for one in self.frames]
        middles = [dy + p.y + p.height / 2 if right else dx + p.x + p.width / 2 for p in blocks]
        room, length = (height, high) if right else (width, wide)
        at = min(max(sum(middles) / len(middles) - length / 2, 0.0), room - length)
        places: dict[int, Place] = {}
        for i in sorted(range(len(blocks)), key=lambda i: (middles[i], i)):
            one = self.frames[i]
            x, y = (layout.width + GAP, at) if right else (at, layout.height + GAP)
            places[i] = Place(x, y, one.width, one.height)
            at += (one.height if right else one.width) + BETWEEN
        return [places[i] for i in range(len(blocks))]

    def _lines(
        self, layout: Layout, sizes: Sizes, extra: float | None, words: Sequence[Place] = (),
    ) -> list[_Way]:
        """The best way for each inset, as the body counts.

        `extra` is the room left around the drawing, None where there may be as much as is needed; `words` are places
        of text that lines may not run through, besides the labels that `sizes` tell of.
        """
        dx, dy = self._origin(layout, extra or 0.0)
        frames = [p.moved(-dx, -dy) for p in self._places(layout, extra or 0.0)]
        labels = {key: [p.moved(place.x, place.y) for p in sizes[key].parts] if key in sizes else []
                  for key, place in layout.nodes.items()}
        every = [*words, *(label for beside in labels.values() for label in beside)]
        ways = []
        for one, frame in zip(self.frames, frames, strict=True):
            boxes = [p for key, front in layout.nodes.items() if key != one.key
                     for p in dict.fromkeys((front, _back(front, sizes.get(key))))]
            boxes += [p for p in frames if p is not frame]
            way = self._best(one.key, frame, layout, sizes, labels[one.key], boxes, every, extra)
            first, last = (tuple((x + dx, y + dy) for x, y in (_flipped(p, self.side) for p in line))
                           for line in way.lines)
            ways.append(replace(way, lines=(first, last)))
        return ways

    def _best(
        self, key: NodeId, frame: Place, layout: Layout, sizes: Sizes, labels: Sequence[Place], boxes: Sequence[Place],
        words: Sequence[Place], extra: float | None,
    ) -> _Way:
        """The best way from a block, or from the outline around it and its labels, to its inset."""
        place = layout.nodes[key]
        edges = [tuple(_flipped(point, self.side) for point in route.points) for route in layout.routes]
        whole = _around(place, [label for label in labels if not _holds(place, label)])
        ways = self._priced(place, _back(place, sizes.get(key)), layout, frame, boxes,
                            [p for p in words if not _holds(place, p)], edges, extra)
        if whole != place and not any(whole.meets(box) for box in boxes):
            outside = [p for p in words if not _holds(whole, p)]
            ways += self._priced(whole, whole, layout, frame, boxes, outside, edges, extra)
        return min(ways, key=lambda way: way.price)

    def _priced(
        self, block: Place, back: Place, layout: Layout, frame: Place, boxes: Sequence[Place], words: Sequence[Place],
        edges: Sequence[tuple[Point, ...]], extra: float | None,
    ) -> list[_Way]:
        """The ways from `block` to `frame` and what they cost, turned so that the frame is to the right.

        A solid is left to the right and upwards from the corners of its face in the `back`, else from its front.
        """
        boxes, words = ([_turned(p, self.side) for p in some] for some in (boxes, words))
        sides, extent = (block, block, back), (layout.height, layout.width)
        if self.side == "right":
            sides, extent = (back, back, block), (layout.width, layout.height)
        ways = _ways([_turned(p, self.side) for p in sides], *extent, _turned(frame, self.side))
        priced = []
        for i, (price, lines) in enumerate(ways):
            if i >= 2 and extra == 0.0:
                break
            price += HIT * sum(_through(line, box, CLEAR) for line in lines for box in boxes)
            price += HIT * sum(_through(line, box, 0.0) for line in lines for box in words)
            price += ENCLOSED * sum(_between(lines, box) for box in boxes)
            price += CROSSED * sum(_crossings(line, edge) for line in lines for edge in edges)
            price += LENGTH * sum(sum(dist(a, b) for a, b in pairwise(line)) for line in lines)
            priced.append(_Way(price + OUTLINED * (block not in layout.nodes.values()), i >= 2, block, lines))
        return priced


def _ways(sides: Sequence[Place], width: float, height: float, to: Place) -> Iterator[tuple[float, Lines]]:
    """The ways from a block in a drawing of this size to a frame right of it: (what its bends cost, the lines).

    `sides` are the rectangles whose corners are left to the right, upwards and downwards.
    """
    b, upper, lower = sides
    top, bottom = (to.x, to.y), (to.x, to.bottom)
    right, low = b.right, b.bottom
    yield ELBOW[0], (((right, b.y), top), ((right, low), bottom))
    yield ELBOW[1], (((right, b.y), (width, b.y), top), ((right, low), (width, low), bottom))
    one, two, right = AROUND, 2 * AROUND, upper.right
    yield ELBOW[2], (((upper.x, upper.y), (upper.x, -two), (width, -two), top),
                     ((right, upper.y), (right, -one), (width, -one), bottom))
    right, low = lower.right, lower.bottom
    yield ELBOW[2], (((right, low), (right, height + one), (width, height + one), top),
                     ((lower.x, low), (lower.x, height + two), (width, height + two), bottom))


def _back(place: Place, size: Size | None) -> Place:
    """The face in the back of a solid whose front is at `place`."""
    return place.moved(*size.back) if size else place


def _turned(place: Place, side: str) -> Place:
    return place if side == "right" else Place(place.y, place.x, place.height, place.width)


def _flipped(point: Point, side: str) -> Point:
    return point if side == "right" else (point[1], point[0])


def _between(lines: Lines, box: Place) -> bool:
    """Whether the middle of a box lies between the two lines, as if it belonged to what is shown."""
    x, y = box.centre
    outline = (*lines[0], *reversed(lines[1]))
    inside = False
    for (ax, ay), (bx, by) in zip(outline, (*outline[1:], outline[0]), strict=True):
        if (ay > y) != (by > y) and x < ax + (y - ay) / (by - ay) * (bx - ax):
            inside = not inside
    return inside


def _through(line: tuple[Point, ...], box: Place, clear: float) -> bool:
    low, high = (box.x - clear, box.y - clear), (box.right + clear, box.bottom + clear)
    return any(_clipped(a, b, low, high) for a, b in zip(line, line[1:], strict=False))


def _around(place: Place, labels: Sequence[Place]) -> Place:
    """`place` with its labels."""
    if not labels:
        return place
    left, top, right, bottom = bounds((place, *labels))
    return Place.between(left - CLEAR, top - CLEAR, right + CLEAR, bottom + CLEAR)


def _holds(box: Place, inner: Place) -> bool:
    x, y = inner.centre
    return box.x <= x <= box.right and box.y <= y <= box.bottom


def _words(marks: Iterable[Mark], roles: Mapping[str, Paint]) -> Iterator[Place]:
    """Where text stands: from the middle of its small letters to its baseline."""
    for mark in walk(marks):
        if not isinstance(mark, Text) or mark.role not in roles:
            continue
        paint = roles[mark.role]
        wide = text.width(mark.string, paint.size, paint.weight, paint.italic)
        left = {"start": 0.0, "middle": wide / 2, "end": wide}[mark.anchor]
        if mark.rotate:
            yield Place(mark.x - wide / 2, mark.y - wide / 2, wide, wide)
        else:
            yield Place(mark.x - left, mark.y - 0.75 * paint.size, wide, 0.75 * paint.size)


def _clipped(a: Point, b: Point, low: Point, high: Point) -> bool:
    """Whether a part of the line from `a` to `b` lies in the rectangle (Liang and Barsky, 1984)."""
    begin, end = 0.0, 1.0
    for i in (0, 1):
        step = b[i] - a[i]
        if abs(step) < 1e-9:
            if not low[i] < a[i] < high[i]:
                return False
            continue
        first, last = sorted(((low[i] - a[i]) / step, (high[i] - a[i]) / step))
        begin, end = max(begin, first), min(end, last)
    return begin < end


def _crossings(line: tuple[Point, ...], edge: tuple[Point, ...]) -> int:
    def side(a: Point, b: Point, c: Point) -> float:
        return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    return sum(side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0
               for a, b in zip(line, line[1:], strict=False) for c, d in zip(edge, edge[1:], strict=False))


def _outline(place: Place, outside: float) -> Box:
    return box(place.grown(outside), "zoom")
