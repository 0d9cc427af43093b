"""The planes form: stacks of feature maps along the diagonal, as the first convolutional networks were drawn.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

A feature map is a plane, a vector a slanted bar.  Above each stands what it is and how large, below what is computed.
A convolution and a pooling look through a window on the map before, from which lines converge to the unit that sees it;
what sees all at once is drawn as the two lines around the bundle of its weights.  Colours tell data from operations.
"""

from __future__ import annotations

from dataclasses import replace

from archviz.core import text
from archviz.core.conditioning import conditioning
from archviz.core.geometry import Frame, Layout, Place, Route, Size
from archviz.core.graph import Graph, Node, NodeId, is_chain
from archviz.core.scene import Box, Circle, Group, Link, Mark, Path, Point, Text, polygon
from archviz.drawing.forms import Traits, block
from archviz.drawing.forms._lines import line_entries, line_role
from archviz.drawing.forms._stacks import Shape, Stacks, Words, stacks
from archviz.drawing.forms._volumes import law
from archviz.drawing.labels import own_role
from archviz.style.option import Option, one_of
from archviz.style.style import Style

STEP = 0.93  # sizes in which a figure is tried, each so much smaller than the one before
SCALED = ("unit", "step", "length", "least_step", "elided", "bar", "shortest", "strip")
TRIED = (
    # steps from … to, words, rows of names and of operations, room for an operation, part of the usual gaps and leans
    (0, 5, 2, 1, 1, 1.0, 1.0),
    (1, 9, 1, 1, 1, 1.0, 1.0),
    (3, 11, 1, 1, 1, 0.84, 0.9),
    (3, 10, 1, 1, 1, 0.66, 0.9),
    (3, 11, 1, 2, 1, 0.62, 0.85),
    (5, 12, 0, 2, 1, 0.6, 0.7),
    (8, 21, 0, 2, 2, 0.6, 0.6),
)
DOTS = (0.22, 0.5, 0.78)  # where they stand between two planes


def variants(style: Style) -> tuple[Style, ...]:
    """The style with its planes ever smaller, then with fewer words, closer together and in two rows."""
    s, tried = style.sizes, []
    for first, last, said, rows, low, room, gaps in TRIED:
        for i in range(first, last + 1):
            scaled = {key: value * STEP**i if key in SCALED else value for key, value in s.items()}
            tried.append(scaled | {
                "words": min(float(said), s["words"]), "rows": max(float(rows), s["rows"]),
                "op_rows": max(float(low), s["op_rows"]),
                "op_label": s["op_label"] * room, "along": s["along"] * gaps, "beside": s["beside"] * gaps,
                "least_step": s["least_step"] * max(STEP**i, 0.6), "lean": s["lean"] * gaps,
                "reach": s["reach"] * gaps,
            })
    return tuple(replace(style, sizes=sizes) for sizes in tried)


TRAITS = Traits(alike=True, variants=variants, options={
    "space": Option(law, "power 0.6", "law of heights and widths: log, linear, power 0.75"),
    "fields": Option(one_of("auto", "none"), "auto", "receptive fields of convolutions and poolings: auto or none"),
})


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """The rectangle around each stack or bar, and the places of its words."""
    drawn = stacks(graph, style)
    found = {}
    for node in graph.nodes:
        parts = tuple(one.box for one in drawn.words(node.id))
        if node.id in drawn.glyphs:
            found[node.id] = Size(style.sizes["glyph"], style.sizes["glyph"], joint=True)
        elif node.id in drawn.ends:
            found[node.id] = Size(0.0, 0.0, abuts=drawn.ends[node.id])
        elif node.id in drawn.cards:
            found[node.id] = Size(drawn.cards[node.id].box.width, drawn.cards[node.id].box.height)
        elif node.kind == "output":
            found[node.id] = Size(0.0, 0.0, parts=parts)
        else:
            shape = drawn.shapes[node.id]
            found[node.id] = Size(shape.width, shape.height, parts=parts)
    return found


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """The frames that a brace marks: what repeats."""
    size, s = style.roles["name"].size, style.sizes
    return {
        key: Frame(text.width(title, size), bar=s["brace"] + size * s["leading"] + 1.0)
        for key, title in stacks(graph, style).braces.items()
    }


# ------------------------------------------------------------------------------------------------ drawing


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Stacks, then lines and receptive fields on them, then braces."""
    drawn = stacks(graph, style)
    marks: list[Mark] = []
    below = _operations(graph, drawn, layout, style)
    for node in graph.nodes:
        place = layout.nodes[node.id]
        if node.id in drawn.glyphs:
            role = style.kinds[node.kind].role
            marks.append(Group(block.glyph(node.kind, place, role, style), role, node.id, title=_tip(node)))
            continue
        if node.id in drawn.cards:
            role = own_role(node.attrs, style) or "plane"
            card = Box(place.x, place.y, place.width, place.height, role)
            inner = [card, *_written(drawn.cards[node.id], place.x + drawn.cards[node.id].x, place.y, style)]
            marks.append(Group(tuple(inner), role, node.id, title=_tip(node)))
            continue
        inner = list[Mark]()
        if node.id in drawn.shapes:
            inner += _body(drawn.shapes[node.id], place, drawn.roles[node.id], style)
        for one in drawn.words(node.id):
            inner += _written(one, below.get(node.id, place.x + one.x) if one is drawn.below.get(node.id)
                              else place.x + one.x, place.y, style)
        marks.append(Group(tuple(inner), drawn.roles.get(node.id, "port"), node.id, title=_tip(node)))
    told = conditioning(graph)
    for route in sorted(layout.routes, key=lambda route: not route.skip):
        lines = _route(route, line_role(route, told), drawn, layout, style)
        marks.append(Group(tuple(lines), "link", edge=(route.src, route.dst)))
    for key, title in drawn.braces.items():
        marks.append(_brace(key, title, layout.frames[key], style))
    return tuple(marks)


def _tip(node: Node) -> str:
    return text.clean(f"{node.id} ({node.op})" + (f", {text.units(node.params)} parameters" if node.params else ""))


def _body(shape: Shape, place: Place, role: str, style: Style) -> list[Mark]:
    wide, high = shape.side
    if shape.kind == "bar":
        x, y = place.x, place.y
        corners = [(x, y), (x + wide, y), (x + wide + shape.lean, y + high), (x + shape.lean, y + high)]
        return [polygon(corners, role)]
    marks: list[Mark] = [Box(place.x + x, place.y + y, wide, high, role) for x, y in shape.at]
    for a, b in shape.dots:
        marks += [
            Circle(place.x + a[0] + t * (b[0] - a[0]), place.y + a[1] + t * (b[1] - a[1]), style.sizes["dot"], "dots")
            for t in DOTS
        ]
    return marks


def _written(one: Words, x: float, y: float, style: Style) -> list[Mark]:
    line = style.roles[one.role].size * style.sizes["leading"]
    return [Text(x, y + one.y + i * line, string, one.role, "middle") for i, string in enumerate(one.lines)]


def _operations(graph: Graph, drawn: Stacks, layout: Layout, style: Style) -> dict[NodeId, float]:
    """Where the words below a chain are centred: in the middle of the gap, as far as the words before leave room.

    The layout was told that they stand close to what they give; they only ever move away from it.
    """
    found: dict[NodeId, float] = {}
    if not is_chain(graph):
        return found
    ends: dict[float, float] = {}  # of each row
    for a, b in zip(graph.nodes, graph.nodes[1:], strict=False):
        if b.id not in drawn.below:
            continue
        one, (left, right) = drawn.below[b.id], (layout.nodes[a.id], layout.nodes[b.id])
        row, half = round(right.y + one.box.y, 1), one.box.width / 2
        middle = (left.right + right.x) / 2
        found[b.id] = max(middle, ends.get(row, 0.0) + half)
        ends[row] = found[b.id] + half + style.sizes["beside"]
    return found


def _brace(key: NodeId, title: str, place: Place, style: Style) -> Group:
    high, y = style.sizes["brace"], place.y
    left, right, low = place.x + 1.0, place.right - 1.0, place.y + 0.6 * high
    line = Path((("M", (left, y)), ("L", (left, low)), ("L", (right, low)), ("L", (right, y))), "brace")
    label = Text(place.cx, y + high + style.roles["name"].size, title, "name", "middle")
    return Group((line, label), "frame", key)


# ------------------------------------------------------------------------------------------------ between two stacks


def _route(route: Route, role: str, drawn: Stacks, layout: Layout, style: Style) -> list[Mark]:
    """What leads from one node to another: a receptive field, a bundle, or an arrow."""
    src, dst = route.src, route.dst
    straight = len(route.points) == 2 and abs(route.points[0][1] - route.points[1][1]) < 0.01 and not route.skip
    if straight and src in drawn.shapes and dst in drawn.shapes:
        a, b = (_at(drawn.shapes[key], layout.nodes[key]) for key in (src, dst))
        if dst in drawn.whole:
            pairs = (a.right, b.left)
            return [Path((("M", p), ("L", q)), "bundle") for p, q in zip(*pairs, strict=True)]
        if dst in drawn.kernels and style.options["fields"] == "auto":
            return _field(dst, src, drawn, a, b, style)
        return [Link((a.middle[1], b.middle[0]), "edge", 0.0, True, style.sizes["arrow"])]
    points = list(route.points)
    if src in drawn.shapes and abs(points[0][1] - points[1][1]) < 0.01:  # from its outline, not from the room it takes
        points[0] = (_edges(drawn.shapes[src], layout.nodes[src], points[0][1])[1], points[0][1])
    if dst in drawn.shapes and abs(points[-1][1] - points[-2][1]) < 0.01:
        points[-1] = (_edges(drawn.shapes[dst], layout.nodes[dst], points[-1][1])[0], points[-1][1])
    return [Link(tuple(points), role, style.sizes["bend"], True, style.sizes["arrow"])]


def _edges(shape: Shape, place: Place, y: float) -> tuple[float, float]:
    """The left and the right end of a shape at the height y."""
    wide, high = shape.side
    if shape.kind == "bar":
        x = place.x + shape.lean * (y - place.y) / high
        return x, x + wide
    met = [x for x, top in shape.at if top <= y - place.y <= top + high] or [shape.at[0][0], shape.at[-1][0]]
    return place.x + min(met), place.x + max(met) + wide


def _between(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


class _at:
    """A shape on the page."""

    def __init__(self, shape: Shape, place: Place) -> None:
        wide, high = shape.side
        self.first = Place(place.x + shape.at[0][0], place.y + shape.at[0][1], wide, high)
        self.last = Place(place.x + shape.at[-1][0], place.y + shape.at[-1][1], wide, high)
        near, far = self.last, self.first
        self.lean = shape.lean
        # how much of the plane behind is seen
        self.seen = min(shape.at[1][0] if len(shape.at) > 1 else wide, wide, 2 * high)
        # the upper and the lower end of the side that is turned to what follows, and to what came before
        self.right: tuple[Point, Point] = (
            (near.x + wide, near.y), (near.x + wide + shape.lean, near.y + high))
        self.left: tuple[Point, Point] = ((far.x, far.y), (far.x + shape.lean, far.y + high))
        self.middle = _between(*self.left), _between(*self.right)


def _field(dst: NodeId, src: NodeId, drawn: Stacks, a: _at, b: _at, style: Style) -> list[Mark]:
    """The window on the nearest plane, in proportion, and lines to the unit that sees it, on the plane behind."""
    (high, wide), seen, s = drawn.kernels[dst], drawn.readings[src], style.sizes
    plane = a.last
    h = min(max(high / seen.height * plane.height, s["field"]), plane.height)
    w = min(max(wide / seen.width * plane.width, s["field"]), plane.width)
    x = plane.x + max(plane.width * (1 - s["field_edge"]) - w, 0.0)
    y = plane.y + (plane.height - h) * s["field_high"]
    target = b.first
    aim = (target.x + b.lean * s["aim"] + b.seen / 2, target.y + target.height * s["aim"])
    rays = [Path((("M", (x + w, corner)), ("L", aim)), "ray") for corner in (y, y + h)]
    return [Box(x, y, w, h, "kernel"), *rays, Circle(*aim, s["dot"], "unit")]


# ------------------------------------------------------------------------------------------------ legend


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """Nothing but lines of special kinds: all else is written where it stands."""
    s, middle = style.sizes, style.sizes["swatch_height"] / 2
    return [(name, (Link(((0.0, middle), (s["swatch"], middle)), role, head=s["arrow"]),))
            for name, role in line_entries(graph, style)]
