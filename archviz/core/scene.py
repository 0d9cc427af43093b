"""The drawing, free of any output format: marks that carry roles, and one sheet that says how a role is painted.

In: marks made by a form.  Out: `Scene`.  Lengths are printed points (1/72.27 inch), y grows downwards.  Every backend
draws four core marks (Group, Path, Text, Image); `lower` turns the rich ones into these.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from archviz.core.geometry import Point as Point
from archviz.core.geometry import cleaned
from archviz.core.graph import NodeId
from archviz.core.paint import HATCHES as HATCHES
from archviz.core.paint import PARTS as PARTS
from archviz.core.paint import Paint as Paint
from archviz.core.paint import look
from archviz.core.paint import mixed as mixed

POINTS_PER_MM = 72.27 / 25.4

Command = tuple[str, tuple[float, ...]]
"""("M", (x, y)) · ("L", (x, y)) · ("C", (x1, y1, x2, y2, x, y)) · ("Z", ())"""


@dataclass(frozen=True, slots=True)
class Path:
    """An outline, filled and stroked as the role says.

    `commands` are ``("M", (x, y))``, ``("L", (x, y))``, ``("C", (x1, y1, x2, y2, x, y))`` and ``("Z", ())``.
    """

    commands: tuple[Command, ...]
    role: str


@dataclass(frozen=True, slots=True)
class Text:
    """One line of text; (x, y) is the baseline's start, middle or end (`anchor`).

    The role gives font size, weight and colour; `rotate` is in degrees clockwise about (x, y).
    """

    x: float
    y: float
    string: str
    role: str
    anchor: Literal["start", "middle", "end"] = "start"
    rotate: float = 0.0


@dataclass(frozen=True, slots=True)
class Image:
    """A picture on a rectangle or, seen askew, on a parallelogram, which it fills.

    Attributes
    ----------
    x, y : float
        The corner at which the picture has its top left pixel.
    width, height : float
        How far its upper edge goes to the right, and its left edge down.
    png : bytes
        A PNG file.
    role : str
        Of its paint only the opacity counts.
    rise, lean : float
        How far its upper edge goes down on the way, and its left edge to the right; 0 and 0: upright.
    cells : bool
        Whether each pixel is a cell with sharp edges, as of a feature map; else they are smoothed.
    """

    x: float
    y: float
    width: float
    height: float
    png: bytes
    role: str = "image"
    rise: float = 0.0
    lean: float = 0.0
    cells: bool = False

    @property
    def along(self) -> Point:
        """Its upper edge as a vector on the page."""
        return self.width, self.rise

    @property
    def down(self) -> Point:
        """Its left edge as a vector on the page."""
        return self.lean, self.height

    @property
    def corners(self) -> tuple[Point, Point, Point, Point]:
        """Top left, top right, bottom right, bottom left, as the picture has them."""
        (ax, ay), (bx, by) = self.along, self.down
        return ((self.x, self.y), (self.x + ax, self.y + ay), (self.x + ax + bx, self.y + ay + by),
                (self.x + bx, self.y + by))


@dataclass(frozen=True, slots=True)
class Group:
    """Marks that belong together.

    Attributes
    ----------
    marks : tuple of Mark
        What it holds, drawn in this order.
    role : str
        The class of the SVG group.
    node : str
        The NodeId they draw: ``data-node`` in SVG, the node's name in TikZ.
    title : str
        A tooltip.
    href : str
        Where a click on it leads.
    edge : (str, str), optional
        The ids at the ends of the edge they draw, instead of a node.
    """

    marks: tuple[Mark, ...]
    role: str = ""
    node: NodeId = ""
    title: str = ""
    href: str = ""
    edge: tuple[NodeId, NodeId] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """What a file calls them: the node's id, of an edge ``src->dst``.  To be read by people, not to be split."""
        return "->".join(self.edge) if self.edge else self.node


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle whose corners have the radius `radius`; (x, y) is the top left one."""

    x: float
    y: float
    width: float
    height: float
    role: str
    radius: float = 0.0


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle of radius `r` around (x, y)."""

    x: float
    y: float
    r: float
    role: str


@dataclass(frozen=True, slots=True)
class Link:
    """An orthogonal line through `points`, its corners rounded with `radius`.

    Where `arrow`, it ends in a head of length `head`, painted as ``role head``.
    """

    points: tuple[Point, ...]
    role: str
    radius: float = 2.0
    arrow: bool = True
    head: float = 3.2


@dataclass(frozen=True, slots=True)
class Cuboid:
    """A box in parallel projection: front, top and right side are seen.

    Attributes
    ----------
    x, y : float
        The corner of its front face at the top left; three edges start there.
    along, down, back : (float, float)
        These edges as vectors on the page: the thickness, along the flow; the height; into the depth.  In cabinet
        projection ``(t, 0)``, ``(0, h)`` and ``(d cos a, -d sin a)``.
    role : str
        Paints the front; ``role top`` and ``role side`` the other two faces.
    bands : tuple of (float, float, str)
        Parts of the thickness, from 0 to 1, in a role of their own.
    hidden : bool
        Whether the edges behind are dashed on the faces (``role hidden``).
    """

    x: float
    y: float
    along: Point
    down: Point
    back: Point
    role: str
    bands: tuple[tuple[float, float, str], ...] = ()
    hidden: bool = True

    def at(self, along: float, down: float, back: float) -> Point:
        """The point at the parts `along`, `down` and `back` (0 to 1) of the three edges.

        ``at(1, 0.5, 0.5)`` is the centre of the right side.
        """
        (ax, ay), (bx, by), (cx, cy) = self.along, self.down, self.back
        return (self.x + along * ax + down * bx + back * cx, self.y + along * ay + down * by + back * cy)


Core = Group | Path | Text | Image
Mark = Core | Box | Circle | Link | Cuboid


@dataclass(frozen=True)
class Scene:
    """A whole figure.

    Attributes
    ----------
    marks : tuple of Mark
        What is drawn, in this order.
    sheet : Mapping
        Role → `Paint`.
    width, height : float
        Size of the page, in printed points.
    title, description : str
        Name and alternative text.
    uid : str
        Prefix of every id, so that two figures share a page.
    facts : Mapping
        Metadata: how it was traced, the version, the options.
    """

    marks: tuple[Mark, ...]
    sheet: Mapping[str, Paint]
    width: float
    height: float
    title: str = ""
    description: str = ""
    uid: str = "av"
    facts: Mapping[str, str] = field(default_factory=dict)

    def paint(self, role: str) -> Paint:
        """How a role looks.

        Parameters
        ----------
        role : str
            One of the sheet, or one of these with a last word that derives its look.

        Returns
        -------
        Paint
            What the sheet says.  Where it does not: a ``head`` is filled as its line is stroked, a ``rim`` is the
            outline alone, a ``band`` looks as its kind; the ``top`` of a cuboid is a lighter shade of its front, its
            right ``side`` a fuller one and a ``deep`` band one fuller still, or its front under the veil that the
            roles ``top``, ``side`` and ``deep`` paint (a fill, as strong as it is opaque); ``hidden`` edges are thin
            and dashed, a ``grid`` is thin; ``plain`` ground, a ``neuron`` and a ``cell`` of a grid, whose edges are
            thin, have no hatch; a number (``weight 40``) makes a line that many percent as thick, and paler.

        Raises
        ------
        LookupError
            For any other role.
        """
        return look(self.sheet, role)

    def painted(self) -> dict[str, Paint]:
        """How each role looks that a mark has, sorted by name; what else the sheet holds does not show."""
        return {role: self.paint(role) for role in sorted(set(roles(lowered(self).marks)))}

    def strings(self) -> Iterator[str]:
        """What all its texts say."""
        return (mark.string for mark in walk(self.marks) if isinstance(mark, Text))


KAPPA = 0.5522847498    # control length of a quarter circle as one cubic curve


def walk(marks: Iterable[Mark]) -> Iterator[Mark]:
    """Each of `marks`, and after a group what is in it."""
    for mark in marks:
        yield mark
        if isinstance(mark, Group):
            yield from walk(mark.marks)


def roles(marks: Iterable[Mark]) -> Iterator[str]:
    """Of each of `marks`, and of what is in groups."""
    return (mark.role for mark in walk(marks) if not isinstance(mark, Group))


def changed(mark: Mark, change: Callable[[Mark], Mark]) -> Mark:
    """`mark` after `change`; where it is a group, all that it holds after it, too."""
    if isinstance(mark, Group):
        mark = replace(mark, marks=tuple(changed(inner, change) for inner in mark.marks))
    return change(mark)


def lower(mark: Mark) -> tuple[Core, ...]:
    """The core marks that draw `mark`: what a backend that knows no others draws."""
    match mark:
        case Group():
            return (replace(mark, marks=tuple(core for m in mark.marks for core in lower(m))),)
        case Box(x, y, w, h, role, radius):
            return (Path(_rounded(x, y, w, h, min(radius, w / 2, h / 2)), role),)
        case Circle(x, y, r, role):
            k = KAPPA * r
            return (Path((("M", (x + r, y)), ("C", (x + r, y + k, x + k, y + r, x, y + r)),
                          ("C", (x - k, y + r, x - r, y + k, x - r, y)), ("C", (x - r, y - k, x - k, y - r, x, y - r)),
                          ("C", (x + k, y - r, x + r, y - k, x + r, y)), ("Z", ())), role),)
        case Link():
            return _link(mark)
        case Cuboid():
            return _cuboid(mark)
        case _:
            return (mark,)


def lowered(scene: Scene) -> Scene:
    """The figure of `scene` in core marks only."""
    return replace(scene, marks=tuple(core for mark in scene.marks for core in lower(mark)))


def named(mark: Mark) -> Mark:
    """`mark` as it is written in a file: every group in it under its `name`."""
    return changed(mark, lambda one: replace(one, node=one.name, edge=None) if isinstance(one, Group) else one)


def moved(mark: Mark, dx: float, dy: float) -> Mark:
    """`mark`, `dx` points further to the right and `dy` further down; of a group, all that it holds moves."""
    match mark:
        case Group():
            return replace(mark, marks=tuple(moved(m, dx, dy) for m in mark.marks))
        case Path():
            return replace(mark, commands=tuple(
                (c, tuple(v + (dy if i % 2 else dx) for i, v in enumerate(values))) for c, values in mark.commands))
        case Link():
            return replace(mark, points=tuple((x + dx, y + dy) for x, y in mark.points))
        case Text() | Image() | Box() | Circle() | Cuboid():
            return replace(mark, x=mark.x + dx, y=mark.y + dy)


def polygon(points: Sequence[Point], role: str) -> Path:
    """A closed outline of straight lines through `points`, painted as `role`."""
    return Path((("M", points[0]), *(("L", point) for point in points[1:]), ("Z", ())), role)


def _cuboid(c: Cuboid) -> tuple[Core, ...]:
    parts = [(0.0, 1.0, c.role), *c.bands]
    faces = [
        polygon([c.at(a, 0, 0), c.at(b, 0, 0), c.at(b, 0, 1), c.at(a, 0, 1)], f"{role} top") for a, b, role in parts]
    last = next((role for _, b, role in reversed(parts) if b >= 1), c.role)
    faces += [polygon([c.at(1, 0, 0), c.at(1, 0, 1), c.at(1, 1, 1), c.at(1, 1, 0)], f"{last} side")]
    faces += [polygon([c.at(a, 0, 0), c.at(b, 0, 0), c.at(b, 1, 0), c.at(a, 1, 0)], role) for a, b, role in parts]
    if c.hidden:
        behind, above = c.at(0, 1, 1), c.at(0, 0, 1)
        share = min(max(-c.back[1] / c.down[1], 0.0), 1.0) if c.down[1] else 0.0
        edge = c.at(0, share, 1)        # up to here it is seen through the front, from here through the top
        lines = ((behind, c.at(0, 1, 0)), (behind, c.at(1, 1, 1)), (behind, edge), (edge, above))
        faces += [Path((("M", a), ("L", b)), f"{c.role} hidden") for a, b in lines if a != b]
    return tuple(faces)


def _rounded(x: float, y: float, w: float, h: float, r: float) -> tuple[Command, ...]:
    if r <= 0:
        return (("M", (x, y)), ("L", (x + w, y)), ("L", (x + w, y + h)), ("L", (x, y + h)), ("Z", ()))
    c = r * (1 - KAPPA)
    return (
        ("M", (x + r, y)), ("L", (x + w - r, y)), ("C", (x + w - c, y, x + w, y + c, x + w, y + r)),
        ("L", (x + w, y + h - r)), ("C", (x + w, y + h - c, x + w - c, y + h, x + w - r, y + h)),
        ("L", (x + r, y + h)), ("C", (x + c, y + h, x, y + h - c, x, y + h - r)),
        ("L", (x, y + r)), ("C", (x, y + c, x + c, y, x + r, y)), ("Z", ()))


def _link(link: Link) -> tuple[Core, ...]:
    points = cleaned(link.points, slanted=True)
    if len(points) < 2:
        return ()
    head: tuple[Core, ...] = ()
    if link.arrow:
        (ax, ay), (bx, by) = points[-2:]
        length = max(((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5, 1e-9)
        ux, uy = (bx - ax) / length, (by - ay) / length
        back = min(link.head, length)
        half = link.head * 0.42
        base = (bx - ux * back, by - uy * back)
        head = (Path((("M", (bx, by)), ("L", (base[0] - uy * half, base[1] + ux * half)),
                      ("L", (bx - ux * back * 0.8, by - uy * back * 0.8)),
                      ("L", (base[0] + uy * half, base[1] - ux * half)), ("Z", ())), f"{link.role} head"),)
        points = (*points[:-1], (bx - ux * back * 0.8, by - uy * back * 0.8))
    commands: list[Command] = [("M", points[0])]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        into, out = _toward(corner, before, link.radius), _toward(corner, after, link.radius)
        k = 1 - KAPPA
        c1 = (into[0] + (corner[0] - into[0]) * (1 - k), into[1] + (corner[1] - into[1]) * (1 - k))
        c2 = (out[0] + (corner[0] - out[0]) * (1 - k), out[1] + (corner[1] - out[1]) * (1 - k))
        commands += [("L", into), ("C", (*c1, *c2, *out))]
    commands.append(("L", points[-1]))
    return (Path(tuple(commands), link.role), *head)


def _toward(corner: Point, other: Point, radius: float) -> Point:
    """The point `radius` from `corner` towards `other`, at most half way."""
    dx, dy = other[0] - corner[0], other[1] - corner[1]
    length = max((dx * dx + dy * dy) ** 0.5, 1e-9)
    r = min(radius, length / 2)
    return (corner[0] + dx / length * r, corner[1] + dy / length * r)
