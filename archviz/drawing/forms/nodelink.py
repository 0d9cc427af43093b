"""The node-link form: what is inside a layer, neuron by neuron; a box for what has no such drawing.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

A chain of layers is a row: a column of neurons or a grid of cells for what each layer gives, and a line for each weight
between them.  Any other graph is drawn as in the block form, with pictures in the place of the boxes that have one.
Which neurons of a wide layer are drawn depends on their number only: the first ones and the last ones.
"""
from __future__ import annotations

import math
import re
from dataclasses import replace
from itertools import pairwise

from archviz.core import text
from archviz.core.geometry import Frame, Layout, Place, Places, Size
from archviz.core.graph import Graph, NodeId
from archviz.core.regroup import subgraph
from archviz.core.scene import Box, Group, Link, Mark, Text, moved
from archviz.drawing.forms import Traits, _connections, _recurrent, block
from archviz.drawing.forms._latest import latest
from archviz.drawing.forms._row import Part, Row, lines, row
from archviz.drawing.forms._steps import Interior
from archviz.style.option import Option, one_of
from archviz.style.style import Style

WEIGHTS = 20_000
"""The largest layer whose values the form wants to be told."""


def _share(word: str) -> float:
    if word in ("all", "none"):
        return float(word == "all")
    match = re.fullmatch(r"top(\d+(?:\.\d+)?)%?", word)
    if match is None or not 0 < float(match[1]) <= 100:
        raise ValueError("is all, none, or the strongest as in top50%")
    return float(match[1]) / 100


def variants(style: Style) -> tuple[Style, ...]:
    """Neurons far apart to close together, then fewer of them, then boxes for the layers; with fewer and fewer steps of
    time; at last boxes for everything."""
    s = style.sizes
    room = ((1.35, 1.0, 1.0), (1.15, 1.0, 1.0), (1.0, 1.0, 1.0), (0.8, 0.85, 1.0), (0.65, 0.7, 1.0), (0.5, 0.6, 1.0),
            (0.4, 0.6, 0.8), (0.35, 0.6, 0.6))
    rows = [replace(style, sizes={**s, "dense": s["dense"] * apart, "local": s["local"] * apart,
                                  "map": s["map"] * side * many, "cell": s["cell"] * side,
                                  "cells": s["cells"] * cells, "neurons": max(s["neurons"] * many, 3.0)})
            for many, tried in ((1.0, room), (0.7, room[2::2]), (0.4, room[2::2])) for apart, side, cells in tried]
    boxes = replace(style, sizes={**s, "neurons": 0.0})
    all_steps, *fewer = _recurrent.shorter(style)
    return (*(replace(row, options=all_steps) for row in (*rows, boxes)),
            *(replace(row, options=options) for options in fewer for row in (rows[2], rows[5], rows[-1], boxes)),
            replace(style, sizes={**s, "neurons": -1.0}))


TRAITS = Traits(weights=WEIGHTS, variants=variants, options={
    "edges": Option(_share, "all", "which weights are drawn: all, none, or the strongest of each layer (top50%)"),
    "bias": Option(_recurrent.truth, "false", "draw a neuron that is always 1 for the biases"),
    "signals": Option(one_of("cells", "neurons"), "cells", "draw signals of one channel as cells or as neurons"),
    **_recurrent.OPTIONS,
})


@latest
def _content(graph: Graph, style: Style) -> tuple[dict[NodeId, Interior], Row | None]:
    """The nodes of `graph` that have a picture of their own, and the row it is drawn as, if it is."""
    pictures: dict[NodeId, Interior] = {}
    if style.sizes["neurons"] >= 0 or any("unrolled" in node.attrs for node in graph.nodes):
        pictures = {node.id: picture for node in graph.nodes
                    if node.kind == "recurrent" and (picture := _recurrent.picture(node, graph, style))}
    return pictures, row(graph, style, pictures) if style.sizes["neurons"] > 0 else None


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Room for each node: that of its neurons, its picture, or its box."""
    pictures, drawn = _content(graph, style)
    if drawn is not None:
        return drawn.sizes()
    boxes = block.sizes(graph, style)
    for key, picture in pictures.items():      # the line into a picture ends in the middle
        high = 2 * max(picture.axis, picture.height - picture.axis)
        boxes[key] = Size(picture.width, high, label=boxes[key].label)
    return boxes


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """Room for the frames, as in the block form; none for a row, which has no frames."""
    return {} if _content(graph, style)[1] is not None else {"": Frame(), **block.frames(graph, style)}


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """The row; or the block figure, with pictures in the place of boxes."""
    pictures, drawn = _content(graph, style)
    if drawn is not None:
        return _drawn(drawn, graph, layout, style)
    marks: list[Mark] = []
    for mark in block.draw(graph, layout, style):
        if isinstance(mark, Group) and mark.node in pictures and mark.role != "frame":
            place, picture = layout.nodes[mark.node], pictures[mark.node]
            inside = (moved(m, place.x, place.cy - picture.axis) for m in picture.marks)
            mark = replace(mark, marks=tuple(inside))
        elif isinstance(mark, Group) and mark.edge and mark.edge[1] in pictures and pictures[mark.edge[1]].through:
            mark = replace(mark, marks=tuple(replace(m, arrow=False) for m in mark.marks if isinstance(m, Link)))
        marks.append(mark)
    return tuple(marks)


def _drawn(drawn: Row, graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Lines first, so that neurons lie on them; the windows of convolutions on top of the cells."""
    cores = {part.node.id: Place(place.x + part.left, place.y + drawn.axis - part.axis, part.width, part.height)
             for part in drawn.parts for place in [layout.nodes[part.node.id]]}
    boxes = {mark.node: mark for mark in block.draw(graph, replace(layout, routes=(), nodes=cores), style)
             if isinstance(mark, Group)}
    below, above, nodes, fed = list[Mark](), list[Mark](), list[Mark](), list[Mark]()
    for a, b in pairwise(drawn.parts):
        marks, over = _link(a, b, cores, drawn, style)
        fed += over
        (above if b.link == "window" else below).append(Group(tuple(marks), "link", edge=(a.node.id, b.node.id)))
    for before, part in zip((None, *drawn.parts), drawn.parts, strict=False):
        key, core = part.node.id, cores[part.node.id]
        inner = part.units.marks if part.units else part.picture.marks if part.picture else None
        if inner is None:
            nodes.append(boxes[key])
            continue
        marks = [moved(mark, core.x, core.y) for mark in inner]
        marks += [moved(mark, core.cx, core.y - style.sizes["label_gap"]) for mark in part.head]
        if part.pill[0] and before is not None:
            marks += _pill(before, part, cores, style)
        marks += block.words_below(part.lines, core.cx, layout.nodes[key].y + drawn.labels, style)
        nodes.append(replace(boxes[key], marks=tuple(marks)))
    return (*below, *nodes, *above, *fed)


def _link(a: Part, b: Part, cores: Places, drawn: Row, style: Style) -> tuple[list[Mark], list[Mark]]:
    """What is drawn from `a` to `b`, and what of it lies on top of everything."""
    start, end = cores[a.node.id], cores[b.node.id]
    if a.units is not None and b.units is not None:
        src, dst = a.units.moved(start.x, start.y), b.units.moved(end.x, end.y)
        if b.link == "dense" and style.options["edges"] > 0:
            return _connections.bundle(lines(a, b, style), src, dst, drawn.largest), []
        if b.link == "window":
            return _connections.taps(b.windows, b.node, src, dst)
        if b.link == "one":
            return _connections.ones(src, dst, style.sizes["arrow"]), []
    gap = style.sizes["beside_arrow"]
    leaving, entering = (part.picture is not None and part.picture.through for part in (a, b))
    x0, y0 = start.right + (0.0 if leaving else gap), start.y + a.axis
    x1, y1 = end.x - (0.0 if entering else gap), end.y + b.axis
    points = ((x0, y0), (x1, y1)) if abs(y0 - y1) < 0.01 else (
        (x0, y0), ((x0 + x1) / 2, y0), ((x0 + x1) / 2, y1), (x1, y1))
    return [Link(points, "edge", style.sizes["bend"], not entering, style.sizes["arrow"])], []


def _pill(a: Part, b: Part, cores: Places, style: Style) -> list[Mark]:
    """What is applied on the way from `a` to `b`, in a small box above the lines between them."""
    size, (name, role) = style.roles["sublabel"].size, b.pill
    wide, high = text.width(name, size) + 6.0, size + 2.4
    left, right = cores[a.node.id], cores[b.node.id]
    x0, x1 = left.right, right.x
    x = (x0 + x1) / 2
    parts = (min(max((at - x0) / max(x1 - x0, 1.0), 0.0), 1.0) for at in (x - wide / 2, x + wide / 2))
    y = min(left.y + part * (right.y - left.y) for part in parts) - high - 1.0  # above what runs between the cores
    label = Text(x, y + high / 2 + 0.35 * size, name, "sublabel", "middle")
    return [Box(x - wide / 2, y, wide, high, role, high / 2), label]


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """What lines mean, and the kinds of what is drawn as a box."""
    (pictures, drawn), s = _content(graph, style), style.sizes
    if drawn is None:
        boxes = subgraph(graph, (node.id for node in graph.nodes if node.id not in pictures))
        return block.legend(boxes, style) + (_recurrent.legend(graph, style) if pictures else [])
    boxes = subgraph(graph, (part.node.id for part in drawn.parts if part.units is None and part.picture is None))
    entries = block.legend(boxes, style)
    middle = s["swatch_height"] / 2
    if drawn.largest:
        entries += _scale(drawn, style)
    if any(part.link == "window" and part.node.kind == "conv" for part in drawn.parts):
        lines_ = tuple(Link(((0.0, middle + d), (s["swatch"], middle + d)), f"shared {k}", 0.0, False)
                       for k, d in ((1, -2.2), (2, 0.0), (3, 2.2)))
        entries.append(("convolution: lines drawn alike share one weight", lines_))
    if any(part.link == "window" and part.node.kind != "conv" for part in drawn.parts):
        entries.append(("pooling window", (Link(((0.0, middle), (s["swatch"], middle)), "window", 0.0, False),)))
    return entries + _recurrent.legend(graph, style)


def _scale(drawn: Row, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """What width and colour of a line say: for each sign the weakest lines, middling and the strongest, and between
    which values these are."""
    share = style.options["edges"]
    least = min(_connections.level(value, drawn.largest) for value in drawn.weights)
    middle, wide = style.sizes["swatch_height"] / 2, style.sizes["swatch"]
    steps = sorted({least, (least + _connections.LEVELS) // 2, _connections.LEVELS})
    entries: list[tuple[str, tuple[Mark, ...]]] = []
    for name, sign in (("positive", 1), ("negative", -1)):
        strengths = [abs(value) for value in drawn.weights if (value < 0) == (sign < 0)]
        if strengths:
            swatch = tuple(Link(((0.0, middle + (k - 1) * 2.5), (wide, middle + (k - 1) * 2.5)),
                                _connections.role(sign, level), 0.0, False) for k, level in enumerate(steps))
            low, high = (_rounded(sign * value, drawn.largest) for value in (min(strengths), max(strengths)))
            entries.append((f"{name} weight, {low} … {high}", swatch))
    if share < 1:
        entries[-1] = (f"{entries[-1][0]} (the strongest {100 * share:g} % of each layer)", entries[-1][1])
    return entries


def _rounded(value: float, largest: float) -> str:
    """`value` to the second digit of the largest."""
    digits = max(1 - math.floor(math.log10(largest)), 0)
    written = f"{value:.{digits}f}".replace("-", "−")
    return "0" if float(f"{value:.{digits}f}") == 0 else written
