"""The block form with hexagons in the place of the boxes of convolutions."""
from dataclasses import replace

from archviz.core.scene import Box, Group, polygon
from archviz.drawing.forms import Traits, block
from archviz.style.option import Option

TRAITS = Traits(options={"point": Option(float, "4", "how far corners stand out, in printed points")})

sizes, frames = block.sizes, block.frames       # as large as boxes, and framed like them


def draw(graph, layout, style):
    out = style.options["point"]
    return tuple(hexagonal(mark, out) for mark in block.draw(graph, layout, style))


def legend(graph, style):
    out = style.options["point"]
    return [(name, tuple(hexagonal(mark, out) for mark in swatch))
            for name, swatch in block.legend(graph, style)]


def hexagonal(mark, out):
    if isinstance(mark, Group):
        return replace(mark, marks=tuple(hexagonal(inner, out) for inner in mark.marks))
    if not isinstance(mark, Box) or mark.role != "conv":
        return mark
    x, y, w, h = mark.x, mark.y, mark.width, mark.height
    out = min(out, w / 4)
    above = [(x, y + h / 2), (x + out, y), (x + w - out, y)]
    below = [(x + w, y + h / 2), (x + w - out, y + h), (x + out, y + h)]
    return polygon(above + below, "conv")
