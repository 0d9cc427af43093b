"""The cube form: a cuboid per feature map, as the VGG figure has them, on one axis in one projection.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

Convolutions of one resolution abut; an activation is a darker band, a normalisation a thin line, pooling a slab on the
face; a vector is a rod.  Sizes stand where they change: channels below, height and width along the edges.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archviz.core import text
from archviz.core.conditioning import conditioning
from archviz.core.geometry import Frame, Layout, Place, Route, Size
from archviz.core.graph import KINDS, Graph, Node, NodeId
from archviz.core.scene import Box, Cuboid, Group, Link, Mark, Path, Point, Text, polygon
from archviz.drawing.forms import block
from archviz.drawing.forms._lines import line_entries, line_role
from archviz.drawing.forms._operations import entries as entries_of
from archviz.drawing.forms._painter import Solid, painters_order
from archviz.drawing.forms._plan import Label, Plan, plan
from archviz.drawing.forms._volumes import law, projection
from archviz.drawing.labels import kind_of, own_frame, own_role, role_of
from archviz.style.option import Option, one_of
from archviz.style.style import Style

OPENS = True
ALIKE = True  # modules of one class are all open or all closed
STEPS = 22  # sizes in which a figure is tried
STEP = 0.92  # each so much smaller than the one before
CLOSE = 0.7  # of the usual gaps, where nothing else fits
SCALED = ("unit", "channels", "rod_length", "rod", "slab", "strip", "sheet", "thickest")

OPTIONS: Mapping[str, Option] = {
    "space": Option(law, "log", "law of heights and widths: log, linear, power 0.5"),
    "channels": Option(law, "power 0.55", "law of the thickness: log, linear, power 0.55"),
    "projection": Option(projection, "cabinet 45 0.42", "cabinet, angle and depth; or isometric"),
    "arrows": Option(one_of("plain", "operations"), "plain",
                     "plain; or operations: maps all alike, arrows coloured by what is done"),
    "kernels": Option(one_of("auto", "none"), "auto",
                      "kernels on the faces they slide over: auto (once a stage) or none"),
}


def variants(style: Style) -> tuple[Style, ...]:
    """The style with its volumes ever smaller; text keeps its size.  Each with the names in one row, then in two; last,
    close together, without kernels' sizes and without names that are wider than their volumes.
    """
    s = style.sizes
    scaled = [{key: value * STEP**i if key in SCALED else value for key, value in s.items()} for i in range(STEPS)]
    tried = [sizes | {"rows": rows} for sizes in scaled for rows in (1.0, 2.0)]
    tried.append(scaled[-1] | {"rows": 0.0, "along": s["along"] * CLOSE, "beside": s["beside"] * CLOSE})
    return tuple(replace(style, sizes=sizes) for sizes in tried)


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """The front face of each node's volume, its edge into the depth, and the places of its labels."""
    drawn = plan(graph, style)
    found = {}
    for node in graph.nodes:
        labels = (*(label.box for label in drawn.labels.get(node.id, ())), *drawn.rooms.get(node.id, ()))
        if node.id in drawn.glyphs:
            found[node.id] = Size(style.sizes["glyph"], style.sizes["glyph"], joint=True)
        elif node.id in drawn.ports:
            wide, high = drawn.ports[node.id]
            found[node.id] = Size(wide, high, parts=labels, abuts=drawn.abutting.get(node.id, ""))
        else:
            along, down, back = drawn.edges(node.id)
            found[node.id] = Size(
                along[0], down[1], back=back, rise=along[1], abuts=drawn.abutting.get(node.id, ""), parts=labels
            )
    return found


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """The frames that a brace marks: what repeats, and what holds several blocks."""
    size, s = style.roles["name"].size, style.sizes
    return {
        key: Frame(text.width(title, size, "bold"), bar=s["brace"] + size * s["leading"] + 1.0)
        for key, title in plan(graph, style).braces.items()
    }


# ------------------------------------------------------------------------------------------------ drawing


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Volumes from the farthest to the nearest, then kernels, lines and braces."""
    drawn = plan(graph, style)
    solids, keys = [], []
    for node in graph.nodes:
        if node.id in drawn.volumes:
            solids.append(_solid(drawn, node.id, layout.nodes[node.id]))
            keys.append(node.id)
    marks: list[Mark] = [
        _volume(graph.by_id[keys[i]], drawn, layout.nodes[keys[i]], style) for i in painters_order(solids, drawn.depth)
    ]
    drawn_kernels: list[Mark] = []
    for route in layout.routes:
        drawn_kernels += _rays(graph, drawn, layout, route, style)
    marks += drawn_kernels
    told = conditioning(graph)
    for route in sorted(layout.routes, key=lambda route: not route.skip):
        role, head = line_role(route, told), style.sizes["arrow"]
        if (route.src, route.dst) in drawn.arrows:
            role, head = drawn.arrows[route.src, route.dst][0], style.sizes["operation_head"]
        link = Link(route.points, role, style.sizes["bend"], True, head)
        marks.append(Group((link,), "link", edge=(route.src, route.dst)))
    for node in graph.nodes:
        if node.id in drawn.glyphs:
            role = style.kinds[node.kind].role
            marks.append(
                Group(block.glyph(node.kind, layout.nodes[node.id], role, style), role, node.id, title=_tip(node))
            )
        elif node.id in drawn.ports:
            place = layout.nodes[node.id]
            words = _written(drawn.labels.get(node.id, ()), place)
            if node.kind == "output":
                marks.append(Group(words, "port", node.id, title=_tip(node)))
            else:
                role = own_role(node.attrs, style) or style.kinds[node.kind].role
                card = Box(place.x, place.y, place.width, place.height, role)
                marks.append(Group((card, *words), role, node.id, title=_tip(node)))
    for key, title in drawn.braces.items():
        own = own_frame(graph.modules[key].attrs, style)
        marks.append(_brace(key, title, layout.frames[key], style, f"{own} rim" if own else "brace"))
    return tuple(marks)


def _tip(node: Node) -> str:
    return text.clean(f"{node.id} ({node.op})" + (f", {text.units(node.params)} parameters" if node.params else ""))


def _solid(drawn: Plan, key: NodeId, place: Place) -> Solid:
    along, down, back = drawn.edges(key)
    deep = drawn.volumes[key].depth
    x, y = place.x + back[0] / 2, -(place.y + (down[1] + back[1]) / 2)
    return Solid((x, x + along[0]), (y - down[1] / 2, y + down[1] / 2), (-deep / 2, deep / 2))


def _volume(node: Node, drawn: Plan, place: Place, style: Style) -> Group:
    key, role = node.id, _role(node, drawn, style)
    along, down, back = drawn.edges(key)
    copies = drawn.copies[key]
    each = (along[0] / copies, along[1] / copies)
    followed = any(key in block[:-1] for block in drawn.blocks)
    # where they would lie close to the edges that are seen, or what follows would cut them short, they are left out
    hidden = down[1] > style.sizes["see_through"] and along[0] > 0.3 * back[0] and copies == 1 and not followed
    hidden = hidden and not drawn.arrows  # where arrows are what matters, volumes are plain
    marks: list[Mark] = []
    for i in range(copies):
        x, y = place.x + i * each[0], place.y + i * each[1]
        cuboid = Cuboid(x, y, each, down, back, role, drawn.bands(key, role), hidden)
        marks.append(cuboid)
        if drawn.volumes[key].kind == "clip" and node.kind not in ("pool", "act", "norm"):
            marks += _lattice(cuboid, f"{role} grid", side=not followed and i == copies - 1)
    marks += _written(drawn.labels.get(key, ()), place)
    return Group(tuple(marks), role, key, title=_tip(node))


def _role(node: Node, drawn: Plan, style: Style) -> str:
    """A volume's paint: its kind's, or where arrows tell what is done, that of a map."""
    own = own_role(node.attrs, style)
    return own or (drawn.paints.get(node.id, "map") if drawn.arrows else role_of(node, style))


def _lattice(c: Cuboid, role: str, side: bool) -> list[Mark]:
    """Lines that divide the faces: a volume of voxels, not a stack of maps."""
    thirds = (1 / 3, 2 / 3)
    lines = [(c.at(0, t, 0), c.at(1, t, 0)) for t in thirds] + [(c.at(1, 0, t), c.at(0, 0, t)) for t in thirds]
    lines += [(c.at(0.5, 1, 0), c.at(0.5, 0, 0)), (c.at(0.5, 0, 0), c.at(0.5, 0, 1))]
    if side:
        lines += [(c.at(1, t, 0), c.at(1, t, 1)) for t in thirds] + [(c.at(1, 1, t), c.at(1, 0, t)) for t in thirds]
    return [Path((("M", a), ("L", b)), role) for a, b in lines]


def _written(labels: Sequence[Label], place: Place) -> tuple[Text, ...]:
    return tuple(
        Text(place.x + label.x, place.y + label.y, label.string, label.role, label.anchor, label.rotate)
        for label in labels
    )


def _rays(graph: Graph, drawn: Plan, layout: Layout, route: Route, style: Style) -> list[Mark]:
    """Where a map is flattened into a vector, a dashed frustum; where a stage begins, the kernel and where it looks."""
    if route.skip or drawn.arrows or route.src not in drawn.volumes or route.dst not in drawn.volumes:
        return []
    a, b = drawn.volumes[route.src], drawn.volumes[route.dst]
    if len(route.points) != 2 or abs(route.points[0][1] - route.points[1][1]) > 0.01 or a.kind == "rod":
        return []
    source, target = _cuboid(drawn, route.src, layout), _cuboid(drawn, route.dst, layout)
    words = []
    for key, labels in drawn.labels.items():
        x, y = layout.nodes[key].x, layout.nodes[key].y
        words += [label.box.moved(x, y) for label in labels]
    if b.kind == "rod":
        # to the upper edge of the rod: its left side is turned away
        near, far = target.at(0, 0, 0.36), target.at(0, 0, 0.64)
        pairs = [(source.at(1, v, w), end) for v in (0, 1) for w, end in ((0, near), (1, far))]
        free = not any(_struck(word, start, end) for word in words for start, end in pairs)
        return [Path((("M", start), ("L", end)), "ray") for start, end in pairs] if free else []
    kernel = drawn.kernels.get(route.dst) if style.options["kernels"] == "auto" else None
    if kernel is None or a.height_of is None:
        return []
    if a.height < style.sizes["kernel"]:
        return []
    high = max(min(kernel[0] / a.height_of, 1.0), 3.0 / a.height, 0.08)
    wide = max(min(kernel[-1] / (a.depth_of or kernel[-1]), 1.0), 3.0 / max(a.depth, 3.0), 0.08)
    if high > 0.6 or wide > 0.9:
        return []
    front = 0.5 - wide / 2
    for top in (0.2, 0.8 - high):  # above the arrow, or below it, where no label is in the way
        corners = [
            source.at(1, v, w)
            for v, w in ((top, front), (top, front + wide), (top + high, front + wide), (top + high, front))
        ]
        at = target.at(0, min(max(_share(target, corners), 0.08), 0.9), 0)
        rays = [(corner, at) for corner in corners[1:3]]
        if not any(_struck(word, start, end) for word in words for start, end in rays):
            return [polygon(corners, "kernel"), *(Path((("M", start), ("L", end)), "ray") for start, end in rays)]
    return []


def _struck(word: Place, start: Point, end: Point) -> bool:
    """Does the line from `start` to `end` come near `word`?"""
    steps = 24
    return any(
        word.x - 1 < start[0] + (end[0] - start[0]) * i / steps < word.right + 1
        and word.y - 1 < start[1] + (end[1] - start[1]) * i / steps < word.bottom + 1
        for i in range(steps + 1)
    )


def _share(target: Cuboid, corners: Sequence[Point]) -> float:
    """Where along the front edge of `target` the middle of `corners` lies."""
    y = sum(p[1] for p in corners) / len(corners)
    return (y - target.y) / target.down[1]


def _cuboid(drawn: Plan, key: NodeId, layout: Layout) -> Cuboid:
    place = layout.nodes[key]
    return Cuboid(place.x, place.y, *drawn.edges(key), "")


def _brace(key: NodeId, title: str, place: Place, style: Style, role: str) -> Group:
    high, paint = style.sizes["brace"], style.roles["name"]
    left, right, y = place.x + 1.0, place.right - 1.0, place.y
    line = Path(
        (("M", (left, y)), ("L", (left, y + high * 0.6)), ("L", (right, y + high * 0.6)), ("L", (right, y))), role
    )
    label = Text(place.cx, y + high + paint.size, title, "name", "middle")
    return Group((line, label), "frame", key)


# ------------------------------------------------------------------------------------------------ legend


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for every kind, band and special line in the figure; swatches stand at the origin."""
    s, drawn = style.sizes, plan(graph, style)
    wide, high = s["swatch"], s["swatch_height"]
    entries: dict[str, tuple[Mark, ...]] = {}

    def solid(role: str, bands: tuple[tuple[float, float, str], ...] = (), thick: float = 0.62) -> tuple[Mark, ...]:
        d = high * 0.38
        return (Cuboid(0.0, d, (wide * thick, 0.0), (0.0, high - d), (d, -d), role, bands, hidden=False),)

    if drawn.arrows:
        for role, word in entries_of(drawn).items():
            line = Link(((0.0, high / 2), (wide, high / 2)), role, head=s["operation_head"])
            entries[word] = (line,)
        if drawn.paints:
            entries[style.captions["map copied"]] = solid("map copied")
        return list(entries.items())
    bands: dict[str, str] = {}
    for kind in KINDS:
        told = [n for n in graph.nodes if kind_of(n) == kind and not own_role(n.attrs, style)]
        of_kind = [n for n in told if n.id not in drawn.ports]
        if not of_kind or not style.kinds[kind].name:
            continue
        look = style.kinds[kind]
        if of_kind[0].id in drawn.glyphs:
            side = s["glyph"]
            place = Place((wide - side) / 2, (high - side) / 2, side, side)
            entries.setdefault(look.name, block.glyph(kind, place, look.role, style))
        else:
            entries.setdefault(look.name, solid(look.role, thick=0.3 if kind == "pool" else 0.62))
        for node in of_kind:
            for fused in node.attrs.get("fused_kinds", ()):
                bands.setdefault(fused, look.role)
    for fused, role in bands.items():
        name = style.kinds[fused].name
        if name not in entries:
            band = (0.35, 0.6, "norm band") if fused == "norm" else (0.5, 1.0, f"{role} deep")
            entries[name] = solid(role, (band,))
    for skipping, role in line_entries(graph, style) if any(drawn.glyphs) else ():
        entries[skipping] = (Link(((0.0, high / 2), (wide, high / 2)), role, head=s["arrow"]),)
    return list(entries.items())
