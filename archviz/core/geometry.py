"""Where things are on the page: sizes, places, frames, routes, layouts.  Lengths are printed points, y grows downwards.

In: numbers.  Out: frozen values.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from archviz.core.graph import NodeId

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle on the page.

    Attributes
    ----------
    x, y : float
        Its top left corner.
    width, height : float
        Its sides.
    """

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def between(cls, left: float, top: float, right: float, bottom: float) -> Place:
        """The rectangle with these edges."""
        return cls(left, top, right - left, bottom - top)

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def cx(self) -> float:
        return self.x + self.width / 2

    @property
    def cy(self) -> float:
        return self.y + self.height / 2

    @property
    def centre(self) -> Point:
        return self.x + self.width / 2, self.y + self.height / 2

    def along(self, axis: int) -> tuple[float, float]:
        """Where it begins, and how long it is, to the right (0) or downwards (1)."""
        return (self.y, self.height) if axis else (self.x, self.width)

    def moved(self, dx: float, dy: float) -> Place:
        """It, `dx` further to the right and `dy` further down."""
        return Place(self.x + dx, self.y + dy, self.width, self.height)

    def grown(self, by: float) -> Place:
        """It with `by` more on all sides."""
        return Place(self.x - by, self.y - by, self.width + 2 * by, self.height + 2 * by)

    def meets(self, other: Place) -> bool:
        """Whether they have more in common than an edge."""
        return (self.x < other.x + other.width and other.x < self.x + self.width
                and self.y < other.y + other.height and other.y < self.y + self.height)

    def holds(self, other: Place) -> bool:
        """Whether no part of `other` is outside of it."""
        return (self.x <= other.x and other.right <= self.right and self.y <= other.y and other.bottom <= self.bottom)

    def crossed(self, a: Point, b: Point, near: float = 0.01) -> bool:
        """Whether a level or upright line from `a` to `b` runs through it, or `near` along its left or upper edge."""
        (ax, ay), (bx, by) = a, b
        return (min(ax, bx) < self.x + self.width and self.x < max(ax, bx) + near
                and min(ay, by) < self.y + self.height and self.y < max(ay, by) + near)


def bounds(places: Iterable[Place]) -> tuple[float, float, float, float]:
    """The left, upper, right and lower edge of all of `places`, of which there is one at least."""
    every = list(places)
    return (min(p.x for p in every), min(p.y for p in every),
            max(p.x + p.width for p in every), max(p.y + p.height for p in every))


def united(places: Iterable[Place]) -> Place:
    """The rectangle around all of `places`, of which there is one at least."""
    return Place.between(*bounds(places))


def around(points: Iterable[Point]) -> Place:
    """The rectangle around points, of which there is one at least."""
    xs, ys = zip(*points, strict=True)
    return Place.between(min(xs), min(ys), max(xs), max(ys))


def cleaned(points: Iterable[Point], near: float = 1e-6, slanted: bool = False) -> tuple[Point, ...]:
    """A line without points that are where the one before is, and without corners that turn nowhere.

    Points are the same, and the parts of a line level or upright, to within `near`; where `slanted`, a corner on the
    way of a line that is neither goes too.
    """
    kept: list[Point] = []
    for x, y in points:
        if kept and abs(kept[-1][0] - x) <= near and abs(kept[-1][1] - y) <= near:
            continue
        if len(kept) > 1:
            (ax, ay), (bx, by) = kept[-2:]
            if (abs((bx - ax) * (y - ay) - (by - ay) * (x - ax)) <= near if slanted else
                    abs(bx - ax) <= near and abs(x - bx) <= near or abs(by - ay) <= near and abs(y - by) <= near):
                kept.pop()
        kept.append((x, y))
    return tuple(kept)


@dataclass(frozen=True, slots=True)
class Size:
    """How much room a node's drawing needs.

    Attributes
    ----------
    width, height : float
        Of its outline; of a box in parallel projection, of its front face.
    joint : bool
        True for a small glyph (⊕, ⊗, concat) that edges may enter from its sides.
    label : (float, float)
        Width and height kept free beside the arrow that enters the node (the shape of what flows in).
    back : (float, float)
        Of a box in parallel projection, the edge into the depth.
    rise : float
        How far its front face sinks over its width.
    abuts : str
        The node it stands against; empty: none.
    spans : bool
        True for a bar across the flow, at least `width` long and `height` thick, that reaches over all that enters it.
    parts : tuple of Place
        Where its labels are, relative to the top left corner of the front face.
    ports : Mapping
        Source → where its lines end along the side that the flow enters, where one edge stands for several operands.
    """

    width: float
    height: float
    joint: bool = False
    label: tuple[float, float] = (0.0, 0.0)
    back: tuple[float, float] = (0.0, 0.0)
    rise: float = 0.0
    abuts: NodeId = ""
    spans: bool = False
    parts: tuple[Place, ...] = ()
    ports: Mapping[NodeId, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame needs beside its content.

    Attributes
    ----------
    title, count : float
        Width of its title, and of its ×N with the space before it.
    bar : float
        Height of the row in which they stand.
    whole : bool
        True for one that is never cut into columns: a block that stands for many must be seen in one piece.
    skirt : float
        Room that the copies drawn behind it need along the flow.
    """

    title: float = 0.0
    count: float = 0.0
    bar: float = 0.0
    whole: bool = False
    skirt: float = 0.0


Sizes = Mapping[NodeId, Size]
Frames = Mapping[NodeId, Frame]
Places = Mapping[NodeId, Place]
Spacing = Mapping[str, float]
"""``style.sizes``, as a layout reads it."""


@dataclass(frozen=True, slots=True)
class Route:
    """How an edge runs.

    Attributes
    ----------
    src, dst : str
        The ids of the nodes at its ends.
    points : tuple of (float, float)
        Corners of an orthogonal line from the border of one to the border of the other.
    skip : bool
        Whether it passes by what another way between its ends goes through.
    """

    src: NodeId
    dst: NodeId
    points: tuple[Point, ...]
    skip: bool = False

    def moved(self, dx: float, dy: float) -> Route:
        """It, `dx` further to the right and `dy` further down."""
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


@dataclass(frozen=True)
class Layout:
    """Where every node and every frame stands, and how the edges run.

    Attributes
    ----------
    nodes, frames : Mapping
        NodeId → `Place`.
    routes : tuple of Route
        One for each edge that is drawn as a line.
    width, height : float
        Room that all of it takes, from the origin.
    titles : Mapping
        Frame → start of the baseline of its title.
    direction : str
        How the data flows in it: ``down``, ``right``, ``up`` or, in a U, ``around``.
    cuts : tuple of (int, int)
        Where a run was wrapped: how many frames deep, and how many lines turn back there.
    ways : Mapping
        NodeId → how the data flows where that is not as `direction` says: ``down``, ``right``, ``left`` or ``rising``,
        upwards in a figure in which it also goes down.
    """

    nodes: Mapping[NodeId, Place]
    frames: Mapping[NodeId, Place]
    routes: tuple[Route, ...]
    width: float
    height: float
    titles: Mapping[NodeId, Point] = field(default_factory=dict)
    direction: str = "down"
    cuts: tuple[tuple[int, int], ...] = ()
    ways: Mapping[NodeId, str] = field(default_factory=dict, repr=False)

    def way(self, node: NodeId) -> str:
        """How the data flows at `node`."""
        return self.ways.get(node, self.direction)

    def mapped(self, place: Callable[[Place], Place], point: Callable[[Point], Point]) -> Layout:
        """Every rectangle and every point elsewhere; the room is as it was."""
        return replace(
            self, nodes={key: place(p) for key, p in self.nodes.items()},
            frames={key: place(p) for key, p in self.frames.items()},
            routes=tuple(replace(route, points=tuple(map(point, route.points))) for route in self.routes),
            titles={key: point(at) for key, at in self.titles.items()})

    def moved(self, dx: float, dy: float) -> Layout:
        """All of it `dx` further to the right and `dy` further down; the room is as it was."""
        return self.mapped(lambda place: place.moved(dx, dy), lambda at: (at[0] + dx, at[1] + dy))

    def joined(self, other: Layout) -> Layout:
        """What stands in it and what stands in `other`; the room is as it was."""
        return replace(
            self, nodes={**self.nodes, **other.nodes}, frames={**self.frames, **other.frames},
            routes=(*self.routes, *other.routes), titles={**self.titles, **other.titles},
            ways={**self.ways, **other.ways})
