"""The trapezoid form: ends that face each other are equally long, and lines end on sides that slant."""

from __future__ import annotations

import pytest

from archviz.core.graph import Graph
from archviz.core.scene import Group, Link
from archviz.drawing.forms import trapezoid
from archviz.figure.compile import compile
from archviz.figure.options import Options
from archviz.style.style import load_style
from tests.graphs import Builder

SIDES = (64, 32, 16, 8, 16, 32, 64)


def hourglass(skips: bool = False) -> Graph:
    """Strided convolutions, a flattened bottleneck between linear layers, transposed convolutions."""
    b = Builder()
    value, kept = b.input("x", (1, 3, 64, 64)), []
    for side in SIDES[1:4]:
        value = b.op("Conv2d", value, shape=(1, 8, side, side))
        kept.append(value)
    value = b.op("Linear", value, shape=(1, 4))
    value = b.op("Linear", value, shape=(1, 512))
    value = b.op("view", value, shape=(1, 8, 8, 8))
    for n, side in enumerate(SIDES[4:], 2):
        value = b.op("ConvTranspose2d", value, shape=(1, 8, side, side), kind="upconv")
        if skips and n < 4:
            value = b.op("add", value, kept[-n], shape=(1, 8, side, side))
    b.output(value)
    return b.graph()


@pytest.mark.parametrize("direction", ["down", "right"])
def test_ends_that_face_each_other_are_equally_long_and_follow_the_maps(direction: str) -> None:
    figure = compile(hourglass(), Options("trapezoid", direction=direction))
    ends = trapezoid._ends(figure.drawing.graph, load_style("trapezoid", {"direction": direction}))
    boxes = [node.id for node in figure.drawing.graph.nodes if node.id in ends]
    assert len(boxes) == 8
    for before, after in zip(boxes, boxes[1:], strict=False):
        assert ends[before][1] == pytest.approx(ends[after][0])
    given = [ends[key][1] for key in boxes]
    assert given[0] > given[1] > given[2] > given[3] < given[4] < given[5] < given[6] < given[7]
    assert (given[0] - given[1]) / (given[1] - given[2]) == pytest.approx(2.0), "in proportion"
    assert given[4] == pytest.approx(given[2]), "a vector that is read as a map is as large as that"


def test_lines_end_on_sides_that_slant() -> None:
    figure = compile(hourglass(skips=True), Options("trapezoid"))
    layout, style = figure.drawing.layout, figure.drawing.style
    assert layout.direction == "around"
    ends = trapezoid._ends(figure.drawing.graph, style)
    skip = next(route for route in layout.routes if route.skip)
    (x, y), place, (first, last) = skip.points[0], layout.nodes[skip.src], ends[skip.src]
    side = place.cx + (first + (last - first) * (y - place.y) / place.height) / 2
    assert x == pytest.approx(place.right) and side < x - 5
    group = next(mark for mark in trapezoid.draw(figure.drawing.graph, layout, style)
                 if isinstance(mark, Group) and mark.edge == (skip.src, skip.dst))
    line = group.marks[0]
    assert isinstance(line, Link) and line.points[0] == pytest.approx((side, y))
