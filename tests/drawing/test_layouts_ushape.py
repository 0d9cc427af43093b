"""The U of encoder-decoders: two arms, skips straight across, and what is no U is layered."""
from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.graph import Graph
from archviz.drawing.layouts.layered import layered
from archviz.drawing.layouts.ushape import ushape
from tests.graphs import Builder, graphs
from tests.layouts import SPACING, check, framed, reordered, sized


def unet(levels: int = 3) -> Graph:
    build = Builder()
    x, kept = build.input(shape=(1, 3, 64, 64)), []
    for i in range(levels):
        with build.module(f"down{i}", "DoubleConv"):
            x = build.op("Conv2d", x, shape=(1, 8, 64 >> i, 64 >> i))
            x = build.op("Conv2d", x, shape=(1, 8, 64 >> i, 64 >> i))
        kept.append(x)
        x = build.op("MaxPool2d", x, shape=(1, 8, 32 >> i, 32 >> i))
    x = build.op("Conv2d", x, shape=(1, 8, 64 >> levels, 64 >> levels))
    for i in reversed(range(levels)):
        x = build.op("Conv2d", x, shape=(1, 8, 64 >> i, 64 >> i), kind="upconv")
        x = build.op("cat", x, kept[i], shape=(1, 16, 64 >> i, 64 >> i))
        with build.module(f"up{i}", "DoubleConv"):
            x = build.op("Conv2d", x, shape=(1, 8, 64 >> i, 64 >> i))
    build.output(x)
    return build.graph()


def test_an_encoder_decoder_with_nested_skips_becomes_a_u_with_level_skips() -> None:
    graph = unet()
    layout = ushape(graph, sized(graph), framed(graph), SPACING)
    assert layout.direction == "around"
    check(graph, layout)
    across = [route for route in layout.routes if route.skip]
    assert len(across) == 3
    assert all(len(route.points) == 2 and route.points[0][1] == route.points[1][1] for route in across)
    first, last = layout.nodes["/in:x"], layout.nodes["/out:0"]
    assert first.x < last.x and last.y < layout.height / 2


def test_what_stands_lowest_in_a_u_is_between_its_arms() -> None:
    graph = unet()
    layout = ushape(graph, sized(graph), framed(graph), SPACING)
    across = [layout.nodes[key] for route in layout.routes if route.skip for key in (route.src, route.dst)]
    (low,) = [layout.nodes[node.id] for node in graph.nodes if node.out[0].shape[-1] == 8 and node.kind == "conv"]
    others = [place for place in layout.nodes.values() if place != low]
    assert low.y > max(place.y + place.height for place in others)
    assert min(p.x for p in across) < low.x and low.x + low.width < max(p.x + p.width for p in across)
    key = next(key for key, place in layout.nodes.items() if place == low)
    into = next(route.points for route in layout.routes if route.dst == key)
    out = next(route.points for route in layout.routes if route.src == key)
    assert into[-1] == (low.x, low.cy) and out[0] == (low.right, low.cy)       # from the left to the right


def test_the_innermost_skip_of_a_u_may_go_around_one_node() -> None:
    """As where each block of the way down is concatenated on the way up."""
    build = Builder()
    x, kept = build.input(shape=(1, 3, 64, 64)), []
    for _ in range(4):
        x = build.op("Conv2d", x, shape=(1, 8, 64, 64))
        kept.append(x)
    x = middle = build.op("Conv2d", x, shape=(1, 8, 64, 64))
    for skip in reversed(kept):
        x = build.op("Conv2d", build.op("cat", x, skip, shape=(1, 16, 64, 64)), shape=(1, 8, 64, 64))
    build.output(x)
    graph = build.graph()
    layout = ushape(graph, sized(graph), framed(graph), SPACING)
    check(graph, layout)
    across = [route for route in layout.routes if route.skip]
    assert layout.direction == "around" and len(across) == 4 and all(len(route.points) == 2 for route in across)
    assert layout.nodes[middle].y > max(layout.nodes[key].y for key in kept)


@settings(max_examples=100)
@given(graphs(), st.sampled_from((math.inf, 300.0)))
def test_what_is_no_u_is_layered(graph: Graph, limit: float) -> None:
    layout = ushape(graph, sized(graph), framed(graph), SPACING, "down", limit)
    check(graph, layout)
    if layout.direction != "around":
        assert layout == layered(graph, sized(graph), framed(graph), SPACING, "down", limit)


def test_a_u_that_is_too_high_or_does_not_run_down_is_layered() -> None:
    graph = unet()
    sizes, frames = sized(graph), framed(graph)
    layout = ushape(graph, sizes, frames, SPACING)
    limit = layout.height - 0.1
    assert ushape(graph, sizes, frames, SPACING, "down", layout.height) == layout
    assert ushape(graph, sizes, frames, SPACING, "down", limit) == layered(graph, sizes, frames, SPACING, "down", limit)
    for way in ("right", "up"):
        assert ushape(graph, sizes, frames, SPACING, way) == layered(graph, sizes, frames, SPACING, way)


@pytest.mark.parametrize("levels", [2, 3, 5])
def test_arms_stand_apart_and_skips_of_any_depth_are_level(levels: int) -> None:
    graph = unet(levels)
    layout = ushape(graph, sized(graph), framed(graph), SPACING)
    across = [route for route in layout.routes if route.skip]
    assert len(across) == levels and layout == ushape(graph, reordered(sized(graph)), reordered(framed(graph)), SPACING)
    for route in across:
        src, dst = layout.nodes[route.src], layout.nodes[route.dst]
        assert [at for point in route.points for at in point] == pytest.approx([src.right, dst.cy, dst.x, dst.cy])
        assert src.cy == pytest.approx(dst.cy)
    left, right = max(layout.frames[f"down{i}"].right for i in range(levels)), min(
        layout.frames[f"up{i}"].x for i in range(levels))
    assert right - left >= 2 * SPACING["gutter"]
    heights = [layout.nodes[route.src].y for route in across]
    assert len(set(heights)) == levels


def test_skips_that_are_not_nested_make_no_u() -> None:
    build = Builder()
    x = a = build.op("Conv2d", build.input(shape=(1, 3, 8, 8)), shape=(1, 8, 8, 8))
    b = x = build.op("Conv2d", x, shape=(1, 8, 8, 8))
    x = build.op("Conv2d", x, shape=(1, 8, 4, 4))
    x = build.op("cat", build.op("Conv2d", x, shape=(1, 8, 8, 8)), a, shape=(1, 8, 8, 8))
    build.output(build.op("cat", build.op("Conv2d", x, shape=(1, 8, 8, 8)), b, shape=(1, 8, 8, 8)))
    graph = build.graph()
    assert ushape(graph, sized(graph), {}, SPACING) == layered(graph, sized(graph), {}, SPACING)


def test_skips_that_begin_side_by_side_and_end_one_above_the_other_make_no_u() -> None:
    """They cannot all be level: what hangs in the air is no figure."""
    build = Builder()
    inputs = [build.input(name, shape=(1, 8)) for name in "pqrst"]

    def linear(value: str) -> str:
        return build.op("Linear", value, shape=(1, 8))

    def joined(one: str, other: str) -> str:
        return linear(build.op("cat", one, other, shape=(1, 16)))

    first = joined(linear(inputs[0]), linear(inputs[1]))
    r, s, t = map(linear, inputs[2:])
    build.output(joined(first, joined(r, joined(s, t))))
    graph = build.graph()
    layout = ushape(graph, sized(graph), framed(graph), SPACING)
    assert layout.direction != "around"
    check(graph, layout)
