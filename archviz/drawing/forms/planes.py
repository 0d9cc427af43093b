"""The planes form: stacks of feature maps along the diagonal, as the first convolutional networks were drawn.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

A feature map is a plane, a vector a slanted bar.  Above each stands what it is and how large, below what is computed.
A convolution and a pooling look through a window on the map before, from which lines converge to the unit that sees it;
what sees all at once is drawn as the two lines around the bundle of its weights.  Colours tell data from operations.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archviz.core.conditioning import conditioning
from archviz.core.geometry import Frame, Layout, Place, Route, Size
from archviz.core.graph import Graph, Node, NodeId, is_chain
from archviz.core.scene import Box, Circle, Group, Link, Mark, Point, Text, polygon
from archviz.drawing.forms import Traits, block
from archviz.drawing.forms._lines import line_entries, line_role
from archviz.drawing.forms._shapes import box, brace, brace_frames, line_swatch, link_group, node_group, polyline, rays
from archviz.drawing.forms._stacks import Shape, Stacks, Words, stacks
from archviz.drawing.forms._volumes import law, scaled
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
    s = style.sizes
    return tuple(replace(style, sizes=scaled(s, SCALED, STEP**i) | {
        "words": min(float(words), s["words"]), "rows": max(float(rows), s["rows"]),
        "op_rows": max(float(low), s["op_rows"]), "op_label": s["op_label"] * room, "along": s["along"] * gaps,
        "beside": s["beside"] * gaps, "least_step": s["least_step"] * max(STEP**i, 0.6), "lean": s["lean"] * gaps,
        "reach": s["reach"] * gaps,
    }) for first, last, words, rows, low, room, gaps in TRIED for i in range(first, last + 1))


TRAITS = Traits(alike=True, variants=variants, options={
    "space": Option(law, "power 0.6", "law of heights and widths: log, linear, power 0.75"),
    "fields": Option(one_of("auto", "none"), "auto", "receptive fields of convolutions and poolings: auto or none"),
})


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """The rectangle around each stack or bar, and the places of its words."""
    drawn, sized = stacks(graph, style), {}
    for node in graph.nodes:
        parts = tuple(words.box for words in drawn.words(node.id))
        if node.id in drawn.glyphs:
            sized[node.id] = Size(style.sizes["glyph"], style.sizes["glyph"], joint=True)
        elif node.id in drawn.ends:
            sized[node.id] = Size(0.0, 0.0, abuts=drawn.ends[node.id])
        elif node.id in drawn.cards:
            sized[node.id] = Size(drawn.cards[node.id].box.width, drawn.cards[node.id].box.height)
        elif node.kind == "output":
            sized[node.id] = Size(0.0, 0.0, parts=parts)
        else:
            sized[node.id] = Size(drawn.shapes[node.id].width, drawn.shapes[node.id].height, parts=parts)
    return sized


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """The frames that a brace marks: what repeats."""
    return brace_frames(stacks(graph, style).braces, style)


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Stacks, then lines and receptive fields on them, then braces."""
    drawn = stacks(graph, style)
    below = _operations(graph, drawn, layout, style)
    marks: list[Mark] = [_node(node, drawn, layout.nodes[node.id], below, style) for node in graph.nodes]
    conditions = conditioning(graph)
    for route in sorted(layout.routes, key=lambda route: not route.skip):
        marks.append(link_group(route, _route(route, line_role(route, conditions), drawn, layout, style)))
    marks += [brace(key, title, layout.frames[key], style) for key, title in drawn.braces.items()]
    return tuple(marks)


def _node(node: Node, drawn: Stacks, place: Place, below: Mapping[NodeId, float], style: Style) -> Group:
    if node.id in drawn.glyphs:
        role = style.kinds[node.kind].role
        return node_group(node, role, block.glyph(node.kind, place, role, style))
    if node.id in drawn.cards:
        role, card = own_role(node.attrs, style) or "plane", drawn.cards[node.id]
        return node_group(node, role, [box(place, role), *_written(card, place.x + card.x, place.y, style)])
    role = drawn.roles.get(node.id, "port")
    inner = _body(drawn.shapes[node.id], place, role, style) if node.id in drawn.shapes else []
    for words in drawn.words(node.id):
        x = place.x + words.x
        inner += _written(words, below.get(node.id, x) if words is drawn.below.get(node.id) else x, place.y, style)
    return node_group(node, role, inner)


def _body(shape: Shape, place: Place, role: str, style: Style) -> list[Mark]:
    wide, high = shape.side
    if shape.kind == "bar":
        x, y = place.x, place.y
        return [polygon([(x, y), (x + wide, y), (x + wide + shape.lean, y + high), (x + shape.lean, y + high)], role)]
    return [*(Box(place.x + x, place.y + y, wide, high, role) for x, y in shape.at),
            *(Circle(place.x + a[0] + t * (b[0] - a[0]), place.y + a[1] + t * (b[1] - a[1]), style.sizes["dot"], "dots")
              for a, b in shape.dots for t in DOTS)]


def _written(one: Words, x: float, y: float, style: Style) -> list[Mark]:
    line = style.roles[one.role].size * style.sizes["leading"]
    return [Text(x, y + one.y + i * line, string, one.role, "middle") for i, string in enumerate(one.lines)]


def _operations(graph: Graph, drawn: Stacks, layout: Layout, style: Style) -> dict[NodeId, float]:
    """Where the words below a chain are centred: in the middle of the gap, as far as the words before leave room.

    The layout was told that they stand close to what they give; they only ever move away from it.
    """
    centres: dict[NodeId, float] = {}
    if not is_chain(graph):
        return centres
    ends: dict[float, float] = {}  # of each row
    for a, b in zip(graph.nodes, graph.nodes[1:], strict=False):
        if b.id not in drawn.below:
            continue
        one, (left, right) = drawn.below[b.id], (layout.nodes[a.id], layout.nodes[b.id])
        row, half = round(right.y + one.box.y, 1), one.box.width / 2
        middle = (left.right + right.x) / 2
        centres[b.id] = max(middle, ends.get(row, 0.0) + half)
        ends[row] = centres[b.id] + half + style.sizes["beside"]
    return centres


def _route(route: Route, role: str, drawn: Stacks, layout: Layout, style: Style) -> list[Mark]:
    """What leads from one node to another: a receptive field, a bundle, or an arrow."""
    src, dst = route.src, route.dst
    straight = len(route.points) == 2 and abs(route.points[0][1] - route.points[1][1]) < 0.01 and not route.skip
    if straight and src in drawn.shapes and dst in drawn.shapes:
        a, b = (_Placed(drawn.shapes[key], layout.nodes[key]) for key in (src, dst))
        if dst in drawn.whole:
            return [polyline(ends, "bundle") for ends in zip(a.right, b.left, strict=True)]
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


class _Placed:
    """A shape on the page."""

    def __init__(self, shape: Shape, place: Place) -> None:
        wide, high = shape.side
        far, near = (Place(place.x, place.y, wide, high).moved(*at) for at in (shape.at[0], shape.at[-1]))
        self.first, self.last, self.lean = far, near, shape.lean
        # how much of the plane behind is seen
        self.seen = min(shape.at[1][0] if len(shape.at) > 1 else wide, wide, 2 * high)
        # the upper and the lower end of the side that is turned to what follows, and to what came before
        self.right = (near.x + wide, near.y), (near.x + wide + shape.lean, near.y + high)
        self.left = (far.x, far.y), (far.x + shape.lean, far.y + high)
        self.middle = _between(*self.left), _between(*self.right)


def _field(dst: NodeId, src: NodeId, drawn: Stacks, a: _Placed, b: _Placed, style: Style) -> list[Mark]:
    """The window on the nearest plane, in proportion, and lines to the unit that sees it, on the plane behind."""
    (high, wide), seen, s, plane, target = drawn.kernels[dst], drawn.readings[src], style.sizes, a.last, b.first
    h = min(max(high / seen.height * plane.height, s["field"]), plane.height)
    w = min(max(wide / seen.width * plane.width, s["field"]), plane.width)
    x = plane.x + max(plane.width * (1 - s["field_edge"]) - w, 0.0)
    y = plane.y + (plane.height - h) * s["field_high"]
    aim = (target.x + b.lean * s["aim"] + b.seen / 2, target.y + target.height * s["aim"])
    return [Box(x, y, w, h, "kernel"), *rays([(x + w, y), (x + w, y + h)], aim), Circle(*aim, s["dot"], "unit")]


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """Nothing but lines of special kinds: all else is written where it stands."""
    return [(name, line_swatch(role, style)) for name, role in line_entries(graph, style)]
