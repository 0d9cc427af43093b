"""The cube form: a cuboid per feature map, as the VGG figure has them, on one axis in one projection.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

Convolutions of one resolution abut; an activation is a darker band, a normalisation a thin line, pooling a slab on the
face; a vector is a rod.  Sizes stand where they change: channels below, height and width along the edges.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from archviz.core.conditioning import conditioning
from archviz.core.geometry import Frame, Layout, Place, Route, Size
from archviz.core.graph import KINDS, Graph, Node, NodeId
from archviz.core.scene import Cuboid, Group, Link, Mark, Point, polygon
from archviz.drawing.forms import Traits, block
from archviz.drawing.forms._blocks import volumes
from archviz.drawing.forms._lines import line_entries, line_role
from archviz.drawing.forms._painter import Solid, painters_order
from archviz.drawing.forms._shapes import box, brace, brace_frames, line_swatch, link_group, node_group, polyline, rays
from archviz.drawing.forms._volumes import SCALED, Volume, Volumes, law, projection, scaled
from archviz.drawing.labels import kind_of, own_frame, own_role, role_of
from archviz.style.option import Option, one_of
from archviz.style.style import Style

STEPS = 22  # sizes in which a figure is tried
STEP = 0.92  # each so much smaller than the one before
CLOSE = 0.7  # of the usual gaps, where nothing else fits


def variants(style: Style) -> tuple[Style, ...]:
    """The style with its volumes ever smaller; text keeps its size.  Each with the names in one row, then in two; last,
    close together, without kernels' sizes and without names that are wider than their volumes.
    """
    s = style.sizes
    smaller = [scaled(s, SCALED, STEP**i) for i in range(STEPS)]
    tried = [sizes | {"rows": rows} for sizes in smaller for rows in (1.0, 2.0)]
    tried.append(smaller[-1] | {"rows": 0.0, "along": s["along"] * CLOSE, "beside": s["beside"] * CLOSE})
    return tuple(replace(style, sizes=sizes) for sizes in tried)


TRAITS = Traits(opens=True, alike=True, variants=variants, options={
    "space": Option(law, "log", "law of heights and widths: log, linear, power 0.5"),
    "channels": Option(law, "power 0.55", "law of the thickness: log, linear, power 0.55"),
    "projection": Option(projection, "cabinet 45 0.42", "cabinet, angle and depth; or isometric"),
    "arrows": Option(one_of("plain", "operations"), "plain",
                     "plain; or operations: maps all alike, arrows coloured by what is done"),
    "kernels": Option(one_of("auto", "none"), "auto",
                      "kernels on the faces they slide over: auto (once a stage) or none"),
})


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """The front face of each node's volume, its edge into the depth, and the places of its labels."""
    p = volumes(graph, style)
    return {node.id: p.size(node.id) for node in graph.nodes}


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """The frames that a brace marks: what repeats, and what holds several blocks."""
    return brace_frames(volumes(graph, style).braces, style)


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Volumes from the farthest to the nearest, then kernels, lines and braces."""
    p, places = volumes(graph, style), layout.nodes
    nodes = [node for node in graph.nodes if node.id in p.volumes]
    order = painters_order([_solid(p, node.id, places[node.id]) for node in nodes], p.depth)
    marks: list[Mark] = [_volume(nodes[i], p, places[nodes[i].id], style) for i in order]
    for route in layout.routes:
        marks += _rays(p, layout, route, style)
    conditions = conditioning(graph)
    for route in sorted(layout.routes, key=lambda route: not route.skip):
        role, head = line_role(route, conditions), style.sizes["arrow"]
        if (route.src, route.dst) in p.arrows:
            role, head = p.arrows[route.src, route.dst][0], style.sizes["operation_head"]
        marks.append(link_group(route, [Link(route.points, role, style.sizes["bend"], True, head)]))
    marks += [_other(node, p, places[node.id], style) for node in graph.nodes if node.id in p.glyphs | p.ports.keys()]
    for key, title in p.braces.items():
        role = own_frame(graph.modules[key].attrs, style)
        marks.append(brace(key, title, layout.frames[key], style, f"{role} rim" if role else "brace"))
    return tuple(marks)


def _other(node: Node, p: Volumes, place: Place, style: Style) -> Group:
    """What is no volume: a glyph, the name of an output, or a box with words."""
    role, words = style.kinds[node.kind].role, p.written(node.id, place)
    if node.id in p.glyphs:
        return node_group(node, role, block.glyph(node.kind, place, role, style))
    if node.kind == "output":
        return node_group(node, "port", words)
    role = own_role(node.attrs, style) or role
    return node_group(node, role, (box(place, role), *words))


def _solid(p: Volumes, key: NodeId, place: Place) -> Solid:
    along, down, back = p.edges(key)
    deep = p.volumes[key].depth
    x, y = place.x + back[0] / 2, -(place.y + (down[1] + back[1]) / 2)
    return Solid((x, x + along[0]), (y - down[1] / 2, y + down[1] / 2), (-deep / 2, deep / 2))


def _volume(node: Node, p: Volumes, place: Place, style: Style) -> Group:
    key = node.id
    # its kind's, or where arrows tell what is done, that of a map
    role = own_role(node.attrs, style) or (p.paints.get(key, "map") if p.arrows else role_of(node, style))
    along, down, back = p.edges(key)
    copies = p.copies[key]
    each = (along[0] / copies, along[1] / copies)
    followed = any(key in block[:-1] for block in p.blocks)
    # where they would lie close to the edges that are seen, or what follows would cut them short, they are left out
    hidden = down[1] > style.sizes["see_through"] and along[0] > 0.3 * back[0] and copies == 1 and not followed
    hidden = hidden and not p.arrows  # where arrows are what matters, volumes are plain
    marks: list[Mark] = []
    for i in range(copies):
        x, y = place.x + i * each[0], place.y + i * each[1]
        cuboid = Cuboid(x, y, each, down, back, role, p.bands(key, role), hidden)
        marks.append(cuboid)
        if p.volumes[key].kind == "clip" and node.kind not in ("pool", "act", "norm"):
            marks += _lattice(cuboid, f"{role} grid", side=not followed and i == copies - 1)
    return node_group(node, role, (*marks, *p.written(key, place)))


def _lattice(c: Cuboid, role: str, side: bool) -> list[Mark]:
    """Lines that divide the faces: a volume of voxels, not a stack of maps."""
    thirds = (1 / 3, 2 / 3)
    lines = [(c.at(0, t, 0), c.at(1, t, 0)) for t in thirds] + [(c.at(1, 0, t), c.at(0, 0, t)) for t in thirds]
    lines += [(c.at(0.5, 1, 0), c.at(0.5, 0, 0)), (c.at(0.5, 0, 0), c.at(0.5, 0, 1))]
    if side:
        lines += [(c.at(1, t, 0), c.at(1, t, 1)) for t in thirds] + [(c.at(1, 1, t), c.at(1, 0, t)) for t in thirds]
    return [polyline(ends, role) for ends in lines]


def _rays(p: Volumes, layout: Layout, route: Route, style: Style) -> list[Mark]:
    """Where a map is flattened into a vector, a dashed frustum; where a stage begins, the kernel and where it looks."""
    a, b = p.volumes.get(route.src), p.volumes.get(route.dst)
    straight = len(route.points) == 2 and abs(route.points[0][1] - route.points[1][1]) <= 0.01
    if a is None or b is None or a.kind == "rod" or not straight or route.skip or p.arrows:
        return []
    source, target = (p.cuboid(key, layout.nodes[key]) for key in (route.src, route.dst))
    words = [label.box.moved(layout.nodes[key].x, layout.nodes[key].y)
             for key, labels in p.labels.items() for label in labels]
    if b.kind == "rod":
        return _frustum(source, target, words)
    kernel = p.kernels.get(route.dst) if style.options["kernels"] == "auto" else None
    return _kernel(a, kernel, source, target, words) if kernel and a.height >= style.sizes["kernel"] else []


def _frustum(source: Cuboid, target: Cuboid, words: Sequence[Place]) -> list[Mark]:
    """From the corners of a map to the upper edge of a rod, whose left side is turned away."""
    near, far = target.at(0, 0, 0.36), target.at(0, 0, 0.64)
    lines = [(source.at(1, v, w), end) for v in (0, 1) for w, end in ((0, near), (1, far))]
    return [] if _struck(words, lines) else [polyline(line, "ray") for line in lines]


def _kernel(volume: Volume, kernel: tuple[float, ...], source: Cuboid, target: Cuboid, words: Sequence[Place],
            ) -> list[Mark]:
    """The kernel on the face of `source`, and lines to what sees it."""
    if volume.height_of is None:
        return []
    high = max(min(kernel[0] / volume.height_of, 1.0), 3.0 / volume.height, 0.08)
    wide = max(min(kernel[-1] / (volume.depth_of or kernel[-1]), 1.0), 3.0 / max(volume.depth, 3.0), 0.08)
    if high > 0.6 or wide > 0.9:
        return []
    front = 0.5 - wide / 2
    for top in (0.2, 0.8 - high):  # above the arrow, or below it, where no label is in the way
        corners = [source.at(1, v, w) for v, w in (
            (top, front), (top, front + wide), (top + high, front + wide), (top + high, front))]
        share = (sum(y for _, y in corners) / len(corners) - target.y) / target.down[1]     # along its front edge
        at = target.at(0, min(max(share, 0.08), 0.9), 0)
        if not _struck(words, [(corner, at) for corner in corners[1:3]]):
            return [polygon(corners, "kernel"), *rays(corners[1:3], at)]
    return []


def _struck(words: Sequence[Place], lines: Sequence[tuple[Point, Point]]) -> bool:
    """Does one of the lines come near one of the words?"""
    steps = 24
    return any(word.x - 1 < start[0] + (end[0] - start[0]) * i / steps < word.right + 1
               and word.y - 1 < start[1] + (end[1] - start[1]) * i / steps < word.bottom + 1
               for word in words for start, end in lines for i in range(steps + 1))


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for every kind, band and special line in the figure; swatches stand at the origin."""
    p = volumes(graph, style)
    if p.arrows:
        arrows = {words: line_swatch(role, style, "operation_head") for role, words in dict(p.arrows.values()).items()}
        copied = [(style.captions["map copied"], _swatch("map copied", style))] if p.paints else []
        return [*arrows.items(), *copied]
    entries: dict[str, tuple[Mark, ...]] = {}
    bands: dict[str, str] = {}
    for kind in KINDS:
        nodes = [n for n in graph.nodes if kind_of(n) == kind and not own_role(n.attrs, style) and n.id not in p.ports]
        look = style.kinds.get(kind)
        if not nodes or not look or not look.name:
            continue
        entries.setdefault(look.name, block.glyph_swatch(kind, look.role, style) if nodes[0].id in p.glyphs else
                           _swatch(look.role, style, thick=0.3 if kind == "pool" else 0.62))
        for fused in (fused for node in nodes for fused in node.attrs.get("fused_kinds", ())):
            bands.setdefault(fused, look.role)
    for fused, role in bands.items():
        band = (0.35, 0.6, "norm band") if fused == "norm" else (0.5, 1.0, f"{role} deep")
        entries.setdefault(style.kinds[fused].name, _swatch(role, style, (band,)))
    for name, role in line_entries(graph, style) if any(p.glyphs) else ():
        entries[name] = line_swatch(role, style)
    return list(entries.items())


def _swatch(role: str, style: Style, bands: tuple[tuple[float, float, str], ...] = (), thick: float = 0.62,
            ) -> tuple[Mark, ...]:
    """A small cuboid."""
    wide, high = style.sizes["swatch"], style.sizes["swatch_height"]
    d = high * 0.38
    return (Cuboid(0.0, d, (wide * thick, 0.0), (0.0, high - d), (d, -d), role, bands, hidden=False),)
