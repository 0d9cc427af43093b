"""The trapezoid form: encoders narrow and decoders widen, as an end of a box is as long as what passes there is large.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.  What enters is what the boxes before it gave:
ends that face each other are equally long.  All else is as in the block form.
"""
from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from archviz.core.geometry import Layout, Place, Point, Size
from archviz.core.graph import Graph, Node, NodeId, TensorSpec
from archviz.core.scene import Group, Mark
from archviz.drawing.forms import Traits, block
from archviz.drawing.forms._shapes import Funnel, node_group
from archviz.drawing.forms._volumes import law, scaled
from archviz.drawing.labels import Look, looks
from archviz.style.option import Option
from archviz.style.style import Style

TRAITS = Traits(
    opens=True, nests=True, options={"space": Option(law, "linear", "law of the ends: log, linear, power 0.5")},
    variants=lambda style: tuple(replace(style, sizes=scaled(style.sizes, ("tall", "wide"), n)) for n in (1, 0.8, 0.6)))
frames, legend, MAPS = block.frames, block.legend, ("conv", "upconv", "upsample")    # kinds that take channels first


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Boxes as high as their higher end, or as wide in a figure that leads down; slices stand for stripes."""
    sized, seen, s = block.sizes(graph, style), looks(graph, style), style.sizes
    for key, ends in _ends(graph, style).items():
        high, wide = max(ends) + 2 * s["stack"] * seen[key].stack, sized[key].width + s["band"] * len(seen[key].bands)
        new = (wide, high) if style.direction == "right" else (max(ends), sized[key].height)
        sized[key] = replace(sized[key], width=new[0], height=new[1])
    return sized


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """The figure of the block form, its boxes as trapezoids."""
    lines = [route for route in layout.routes if layout.direction == "around" and not route.skip]
    rising = {key for r in lines for key, (a, b) in ((r.src, r.points[:2]), (r.dst, r.points[-2:])) if b[1] < a[1]}
    seen, funnels = looks(graph, style), dict[NodeId, Funnel]()
    for key, ends in _ends(graph, style).items():
        p, copies = layout.nodes[key], 2 * style.sizes["stack"] * seen[key].stack
        place = Place(p.x, p.y, p.width, p.height - copies)
        funnels[key] = Funnel(place, *ends, "rising" if key in rising else layout.way(key))

    def mark(node: Node, look: Look, *rest: Any) -> Group:
        return _box(node, look, funnels[node.id], style) if node.id in funnels else block.node_mark(node, look, *rest)
    def end(key: NodeId, at: Point) -> Point:
        return funnels[key].attached(*at) if key in funnels else at

    routes = tuple(replace(r, points=(end(r.src, r.points[0]), *r.points[1:-1], end(r.dst, r.points[-1])))
                   for r in layout.routes)
    return block.draw(graph, replace(layout, routes=routes), style, mark)


def _box(node: Node, look: Look, funnel: Funnel, style: Style) -> Group:
    """A box with the copies behind it, and what is fused into it as slices where data leaves."""
    p, role, stack, band = funnel.place, look.kind.role, style.sizes["stack"], style.sizes["band"]
    band /= p.width if funnel.way in ("right", "left") else p.height
    rest = 1.0 - band * len(look.bands)
    copies = [(n * (-stack if funnel.way == "left" else stack), n * stack) for n in ((2, 1, 0) if look.stack else (0,))]
    marks = [replace(funnel, place=p.moved(*shift)).slice(0.0, 1.0, role) for shift in copies]
    marks += [funnel.slice(rest + n * band, rest + (n + 1) * band, one) for n, one in enumerate(look.bands)]
    marks += [funnel.slice(0.0, 1.0, "rim")] if look.bands else []
    return node_group(node, role, (*marks, *block.label_marks(look, *funnel.at(rest / 2, 0.0), style)))


def _ends(graph: Graph, style: Style) -> dict[NodeId, tuple[float, float]]:
    """How long the ends of boxes are where data enters and where it leaves: as a label, and more for what is larger."""
    seen, level, grows = looks(graph, style), style.direction == "right", style.options["space"]
    boxes = {key: size for key, size in block.sizes(graph, style).items()
             if not size.joint and not size.spans and seen[key].kind.shape not in ("text", "dots")}
    gives = {node.id: _side([*node.out[:1], *(replace(e.tensor, axes="NC" + "H" * (len(e.tensor.shape) - 2)) for e in
             graph.outflow[node.id] if e.tensor and graph.by_id[e.dst].kind in MAPS)]) for node in graph.nodes}
    takes = {key: max((gives[edge.src] for edge in graph.inflow[key]), default=gives[key]) for key in boxes}
    least = max((size.height if level else size.width for size in boxes.values()), default=0.0)
    most = max((grows(size) for key in boxes for size in (takes[key], gives[key])), default=0.0) or 1.0
    room = max(style.sizes["tall" if level else "wide"] - least, 0.0) / most
    return {key: (least + room * grows(takes[key]), least + room * grows(gives[key])) for key in boxes}


def _side(specs: list[TensorSpec]) -> float:
    """The side of a square of as many places as the first map or signal has, or else of a vector's features."""
    for spec in specs:
        axes = "DHWL" if "C" in spec.axes.partition("L")[0] else "DHW"
        if places := [size for size, axis in zip(spec.shape, spec.axes, strict=False) if axis in axes]:
            return math.sqrt(math.prod(places))
    return math.sqrt(specs[0].shape[-1]) if specs and specs[0].shape else 0.0
