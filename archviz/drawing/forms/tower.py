"""The tower form: one thin box per layer, coloured by the size of what it gives, with shortcuts as curves beside them.

In: a graph of one model or of several, its layout, a style.  Out: sizes for the layout, and marks.

The size stands once in the margin, where a band of it begins.  A sum is a point at which a curve joins the flow; the
curve is dashed (role ``edge projected``) where the shape changes on the way, by a projection or without one.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archviz.core import text
from archviz.core.bands import Bands, Extent
from archviz.core.bands import bands as bands_of
from archviz.core.disjoint_union import model_of, models
from archviz.core.geometry import Frame, Layout, Place, Point, Route, Size
from archviz.core.graph import SUMS, Graph, Node, NodeId, skips
from archviz.core.scene import KAPPA, Box, Circle, Group, Link, Mark, Path, Text, polygon
from archviz.drawing.forms import Traits
from archviz.drawing.forms._latest import latest
from archviz.drawing.forms._shapes import box, grounded, line_swatch, link_group, node_group
from archviz.drawing.labels import Look, kind_of, looks, own_role
from archviz.drawing.sheet import costs
from archviz.style.style import Style

CLOSE = (1.6, 1.25, 1.0, 0.88)
"""How far rows may be apart, in parts of what the style says."""

WORKS = frozenset(("conv", "upconv", "linear", "attention", "recurrent", "embedding", "scan", "matmul", "module"))
"""Kinds that are coloured by the size of what they give."""


def variants(style: Style) -> tuple[Style, ...]:
    """Rows far apart to close together."""
    return tuple(replace(style, sizes={**style.sizes, "along": style.sizes["along"] * part}) for part in CLOSE)


TRAITS = Traits(variants=variants)


@latest
def _shown(graph: Graph, style: Style) -> tuple[Bands, Mapping[NodeId, Look]]:
    return bands_of(graph), looks(graph, style)


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Room for each node: boxes are all as wide as the longest label, sums are points, a lone output is an arrow."""
    s, (bands, seen) = style.sizes, _shown(graph, style)
    paint = style.roles["label"]
    words = {node.id: _words(node, seen[node.id], style) for node in graph.nodes}
    widest = max((text.width(word, paint.size, paint.weight) for word in words.values()), default=0.0)
    wide = max(widest + 2 * s["box_x"], s["min_box"])
    sized = {}
    for node in graph.nodes:
        if _joins(node, seen[node.id]):
            sized[node.id] = Size(s["glyph"], s["glyph"], joint=True)
        elif end := _ends(graph, node, bands):
            sized[node.id] = Size(0.0, s["along"], abuts=end)
        else:
            sized[node.id] = Size(wide, paint.size * s["leading"] + 2 * s["box_y"])
    for key, string in _margin(bands, style).items():
        size = style.roles["shape"].size
        sized[key] = replace(sized[key], label=(s["margin_pad"] + text.width(string, size), size))
    return sized


def _joins(node: Node, look: Look) -> bool:
    """Is it a sum, which is drawn as the point where lines meet?  Other joints are boxes, as their name tells more."""
    return look.glyph and kind_of(node) == "add"


def _words(node: Node, look: Look, style: Style) -> str:
    """A label in one line."""
    if look.glyph:
        return text.caption(style.captions, node.op, node.attrs)
    return ", ".join(line for line, _ in (look.lines if look.kind.shape != "text" else look.lines[:1]))


def _ends(graph: Graph, node: Node, bands: Bands) -> NodeId:
    """The layer that a model's only output comes from, where it is the last one; else nothing."""
    column = next(ids for ids in bands.columns.values() if node.id in ids)
    alone = sum(graph.by_id[key].kind == "output" for key in column) == 1
    feeding = [edge.src for edge in graph.incoming[node.id]]
    if node.kind != "output" or not alone or column[-2:-1] != tuple(feeding) or graph.by_id[feeding[0]].kind in SUMS:
        return ""
    return feeding[0]


def _margin(bands: Bands, style: Style) -> dict[NodeId, str]:
    """What stands in the margin, at the first node of each band; nothing where all sizes are the same."""
    if len(set(bands.extents)) < 2:
        return {}
    first: dict[int, NodeId] = {}
    for column in bands.columns.values():
        for key in column:
            first.setdefault(bands.of[key], key)
    words = {band: _sized(extent) for band, extent in enumerate(bands.extents) if band in first}
    return {first[band]: text.caption(style.captions, "extent", {"size": word}) if band == min(words) else word
            for band, word in words.items()}


def _sized(extent: Extent) -> str:
    """``224`` for a square, ``224×320``, ``1`` for what has no extent."""
    square = len(extent) > 1 and len(set(extent)) == 1
    return str(extent[0]) if square else "×".join(map(str, extent)) or "1"


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """Room for the title of each of several models: its name, and what it costs below it."""
    name, costs = style.roles["column title"], style.roles["column totals"]
    room = {}
    for key in models(graph):
        wide = max(text.width(_name(graph, key), name.size, name.weight), text.width(_costs(graph, key), costs.size))
        high = style.sizes["leading"] * (name.size + costs.size) + style.sizes["title_gap"]
        room[key] = Frame(wide, bar=high, skirt=name.size)
    return room


def _name(graph: Graph, key: NodeId) -> str:
    return text.clean(str(graph.modules[key].attrs["label"]))


def _costs(graph: Graph, key: NodeId) -> str:
    nodes = [node for node in graph.nodes if model_of(node) == key]
    return costs(sum(node.params for node in nodes), sum(node.flops for node in nodes))


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Bands at the back, then lines, then boxes, and what is written around them."""
    bands, seen = _shown(graph, style)
    marks = _ground(bands, layout, style)
    written = {key: text.width(_words(graph.by_id[key], look, style), style.roles["label"].size)
               for key, look in seen.items() if look.kind.shape == "text" and layout.nodes[key].width}
    flows = {route.src for route in layout.routes if len(route.points) == 2} | {
        edge.src for edge in graph.edges if not layout.nodes[edge.dst].width}
    marks += [link_group(route, _line(graph, route, style, route.src in flows, _reached(route, written, layout, style)))
              for route in sorted(layout.routes, key=lambda route: not route.skip)]
    marks += [_node(node, seen[node.id], bands, layout.nodes[node.id], style) for node in graph.nodes]
    for key, (x, y) in layout.titles.items():
        middle = x + frames(graph, style)[key].title / 2
        below = y + style.roles["column totals"].size * style.sizes["leading"]
        title = (Text(middle, y, _name(graph, key), "column title", "middle"),
                 Text(middle, below, _costs(graph, key), "column totals", "middle"))
        marks.append(Group(title, "frame", key))
    return tuple(marks)


def _ground(bands: Bands, layout: Layout, style: Style) -> list[Mark]:
    """Every second band shaded over the whole width, with its size in the margin."""
    s, words = style.sizes, _margin(bands, style)
    if not words:
        return []
    size = style.roles["shape"].size
    left = s["margin_pad"] + max(text.width(string, size) for string in words.values())
    if min(layout.nodes[key].x for key in words) < left:    # there is no margin in the layouts of others
        return [Text(place.cx + s["margin_pad"] / 2, place.y - 0.35 * size, string, "shape")
                for key, string in words.items() for place in [layout.nodes[key]]]
    rows = {band: [layout.nodes[key] for key in bands.of if bands.of[key] == band and layout.nodes[key].width]
            for band in range(len(bands.extents))}
    tops = [min(place.y for place in rows[band]) - s["along"] / 2 for band in sorted(rows)]
    every = zip(tops, [*tops[1:], layout.height], strict=True)
    return [*(Box(0.0, top, layout.width, bottom - top, "band", s["corner"]) for top, bottom in list(every)[::2]),
            *(Text(left, layout.nodes[key].cy + 0.35 * size, string, "shape", "end") for key, string in words.items())]


def _reached(route: Route, written: Mapping[NodeId, float], layout: Layout, style: Style) -> Point:
    """Where a line from the side ends: at the box, or at the words of what has none."""
    x, y = route.points[-1]
    if len(route.points) == 2 or route.dst not in written:
        return x, y
    return layout.nodes[route.dst].cx + written[route.dst] / 2 + style.sizes["box_x"], y


def _line(graph: Graph, route: Route, style: Style, flows: bool, end: Point) -> tuple[Mark, ...]:
    """A line down, or beside what it passes to `end`; from the line down where one `flows`, else from the box."""
    s = style.sizes
    if len(route.points) == 2:
        joins = graph.by_id[route.dst].kind == "add"
        return (Link(route.points, "edge", 0.0, not joins, s["arrow"]),)
    changes = _changes(graph.by_id[route.src], graph.by_id[route.dst])
    role = "edge" if not route.skip else "edge projected" if changes else "edge skip"
    if len(route.points) != len(("start", "leave", "edge", "down", "up", "back", "end")):     # of another layout
        return (Link(route.points, role, s.get("bend", 2.5), True, s["arrow"]),)
    start, leave, edge, (x, y0), (_, y1), back, _ = route.points
    high = min((y1 - y0) / 2, s["arc"])
    k = 1 - KAPPA
    out = (("M", leave),) if flows else (("M", start), ("L", leave))
    curve = Path((
        *out, ("L", edge), ("C", (x - k * (x - edge[0]), y0, x, y0 + k * high, x, y0 + high)),
        ("L", (x, y1 - high)), ("C", (x, y1 - k * high, x - k * (x - back[0]), y1, *back)),
        *((("L", (end[0] + 0.8 * s["arrow"], end[1])),) if back[0] - end[0] > s["arrow"] else ())), role)
    half = 0.42 * s["arrow"]
    head = polygon([end, (end[0] + s["arrow"], end[1] - half), (end[0] + 0.8 * s["arrow"], end[1]),
                    (end[0] + s["arrow"], end[1] + half)], f"{role} head")
    return curve, head


def _changes(src: Node, dst: Node) -> bool:
    """Whether what arrives on a shortcut has another shape than what left, or went through a layer."""
    shapes = [node.out[0].shape for node in (src, dst) if node.out]
    return bool(dst.attrs.get("through")) or (len(shapes) == 2 and shapes[0] != shapes[1] and dst.kind in SUMS)


def _node(node: Node, look: Look, bands: Bands, place: Place, style: Style) -> Group:
    s, role = style.sizes, _role(node, look, bands, style)
    x, y = place.centre
    if _joins(node, look):
        return node_group(node, role, [Circle(x, y, place.width / 2, role)])
    if not place.width:
        return node_group(node, role, [Link(((x, place.y), (x, place.bottom)), "edge", 0.0, True, s["arrow"])])
    outline = [box(place, role, s["corner"])] if look.kind.shape != "text" else []
    label = Text(x, y + 0.35 * style.roles["label"].size, _words(node, look, style), "label", "middle")
    return node_group(node, role, [*outline, *grounded(label, role, style)])


def _role(node: Node, look: Look, bands: Bands, style: Style) -> str:
    """The colour of its band for what computes there; that of its kind where nothing has an extent."""
    extent, order = bands.extents[bands.of[node.id]], [one for one in dict.fromkeys(bands.extents) if one]
    if own_role(node.attrs, style) or kind_of(node) in ("opaque", "failed"):
        return look.kind.role
    if _joins(node, look):
        return "join"
    if not order:
        return look.kind.role
    stages = sum(role.startswith("stage ") and role[6:].isdigit() for role in style.roles)
    return f"stage {order.index(extent) % stages + 1}" if extent and node.kind in WORKS and stages else "layer"


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """The two sorts of shortcuts, where there are any."""
    roles = {"edge projected" if _changes(graph.by_id[src], graph.by_id[dst]) else "edge skip"
             for src, dst in skips(graph)}
    return [(style.captions[role], line_swatch(role, style, radius=0.0))
            for role in ("edge skip", "edge projected") if role in roles]
