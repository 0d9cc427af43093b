"""Layouts keep their promises on random graphs: nothing overlaps, lines are orthogonal and run through no box."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Edge, Graph, Module, Node, is_chain, skips
from archviz.drawing.layouts.layered import layered
from archviz.drawing.layouts.serpentine import serpentine
from archviz.drawing.layouts.ushape import ushape
from archviz.style.style import load_style
from tests.graphs import Builder, graphs

SPACING = load_style("block").sizes
WAYS = ("down", "right", "up")


def sized(graph: Graph) -> dict[str, Size]:
    """Boxes of several widths and heights, glyphs for joins."""
    return {
        node.id: Size(9, 9, joint=True)
        if node.kind in ("add", "mul") and len(graph.incoming[node.id]) < 4
        else Size(
            30 + 7 * (node.index % 5), 11 + 4 * (node.index % 3), label=(24, 6) if node.index % 4 == 0 else (0, 0)
        )
        for node in graph.nodes
    }


def framed(graph: Graph) -> dict[str, Frame]:
    return {key: Frame(10 + 3 * (len(key) % 9), 8 if len(key) % 2 else 0, 9) for key in graph.modules}


def lay(graph: Graph, way: str = "down", limit: float = math.inf) -> Layout:
    return layered(graph, sized(graph), framed(graph), SPACING, way, limit)


def apart(a: Place, b: Place) -> bool:
    return (
        a.x + a.width <= b.x + 0.01
        or b.x + b.width <= a.x + 0.01
        or a.y + a.height <= b.y + 0.01
        or b.y + b.height <= a.y + 0.01
    )


def holds(outer: Place, inner: Place) -> bool:
    return (
        outer.x <= inner.x + 0.01
        and inner.x + inner.width <= outer.x + outer.width + 0.01
        and outer.y <= inner.y + 0.01
        and inner.y + inner.height <= outer.y + outer.height + 0.01
    )


def on_border(place: Place, point: tuple[float, float]) -> bool:
    x, y = point
    across = (
        min(abs(x - place.x), abs(x - place.x - place.width)) < 0.02
        and place.y - 0.02 <= y <= place.y + place.height + 0.02
    )
    along = (
        min(abs(y - place.y), abs(y - place.y - place.height)) < 0.02
        and place.x - 0.02 <= x <= place.x + place.width + 0.02
    )
    return across or along


def through(place: Place, a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Does the stroke from a to b run through the inside of `place`?"""
    margin = 0.05
    return (
        min(a[0], b[0]) < place.x + place.width - margin
        and max(a[0], b[0]) > place.x + margin
        and min(a[1], b[1]) < place.y + place.height - margin
        and max(a[1], b[1]) > place.y + margin
    )


def check(graph: Graph, layout: Layout) -> None:
    assert set(layout.nodes) == {node.id for node in graph.nodes}
    places = list(layout.nodes.items())
    for i, (a, pa) in enumerate(places):
        assert 0 <= pa.x + 0.01 and pa.x + pa.width <= layout.width + 0.01, a
        assert 0 <= pa.y + 0.01 and pa.y + pa.height <= layout.height + 0.01, a
        for b, pb in places[i + 1 :]:
            assert apart(pa, pb), (a, b)
    for node in graph.nodes:
        for scope in node.scope:
            assert holds(layout.frames[scope], layout.nodes[node.id]), (scope, node.id)
        for key, frame in layout.frames.items():
            assert key in node.scope or apart(frame, layout.nodes[node.id]), (key, node.id)
    flows = {(edge.src, edge.dst) for edge in graph.edges if edge.role != "recurrent"}
    assert {(route.src, route.dst) for route in layout.routes} == flows
    for route in layout.routes:
        assert on_border(layout.nodes[route.src], route.points[0]), route
        assert on_border(layout.nodes[route.dst], route.points[-1]), route
        for a, b in zip(route.points, route.points[1:], strict=False):
            assert min(abs(a[0] - b[0]), abs(a[1] - b[1])) < 0.06, route
            for key, place in places:
                assert not through(place, a, b), (route, key)


@settings(max_examples=150)
@given(graphs(), st.sampled_from(WAYS), st.sampled_from((math.inf, 400.0, 150.0)))
def test_nothing_overlaps_and_no_line_runs_through_a_box(graph: Graph, way: str, limit: float) -> None:
    layout = lay(graph, way, limit)
    check(graph, layout)
    assert layout == lay(graph, way, limit)


def chain(length: int) -> Graph:
    nodes = tuple(Node(f"n{i}", (), "x", "conv", index=i) for i in range(length))
    return Graph("chain", nodes, tuple(Edge(f"n{i}", f"n{i + 1}") for i in range(length - 1)))


@pytest.mark.parametrize("way", WAYS)
def test_a_chain_is_one_straight_line(way: str) -> None:
    layout = lay(chain(12), way)
    assert all(len(route.points) == 2 for route in layout.routes)


@pytest.mark.parametrize("way", ["down", "right"])
def test_a_long_chain_wraps_into_columns_or_rows_of_at_most_the_limit(way: str) -> None:
    layout = lay(chain(40), way, 300.0)
    assert (layout.height if way == "down" else layout.width) <= 300.0
    assert len(layout.cuts) >= 2
    turning = [route for route in layout.routes if len(route.points) > 2]
    assert len(turning) == len(layout.cuts)
    check(chain(40), layout)


def residual() -> Graph:
    build = Builder()
    x = build.input()
    with build.module("block"):
        y = build.op("Conv2d", x)
        y = build.op("Conv2d", y)
        y = build.op("add", y, x)
    build.output(y)
    return build.graph()


def test_a_skip_leaves_the_main_path_straight_and_enters_the_sum_from_its_side() -> None:
    graph = residual()
    layout = lay(graph)
    main = {route.dst: route for route in layout.routes if not route.skip}
    assert all(len(route.points) == 2 for route in main.values())
    (skip,) = (route for route in layout.routes if route.skip)
    (x0, y0), (x1, y1) = skip.points[-2:]
    assert y0 == pytest.approx(y1) and x0 > x1
    assert skips(graph) == {(skip.src, skip.dst)}


def test_parallel_branches_stand_symmetrically_about_the_fork() -> None:
    build = Builder()
    x = build.op("Conv2d", build.input())
    branches = [build.op("Conv2d", x) for _ in range(4)]
    y = build.op("cat", *branches)
    build.output(y)
    graph = build.graph()
    same = {node.id: Size(40, 12) for node in graph.nodes}
    layout = layered(graph, same, {}, SPACING)
    middle = layout.nodes[x].x + 20
    offsets = sorted(layout.nodes[b].x + 20 - middle for b in branches)
    assert offsets[0] == pytest.approx(-offsets[3], abs=0.5) and offsets[1] == pytest.approx(-offsets[2], abs=0.5)


def test_a_whole_frame_is_never_cut() -> None:
    nodes = tuple(Node(f"n{i}", ("block",), "x", "conv", index=i) for i in range(20))
    graph = Graph("g", nodes, tuple(Edge(f"n{i}", f"n{i + 1}") for i in range(19)), {"block": Module("block")})
    cut = layered(graph, sized(graph), {"block": Frame()}, SPACING, "down", 200.0)
    whole = layered(graph, sized(graph), {"block": Frame(whole=True)}, SPACING, "down", 200.0)
    assert cut.cuts and not whole.cuts
    assert all(len(route.points) == 2 for route in whole.routes)


def test_a_frame_gives_its_title_room_beside_the_lines_that_enter() -> None:
    graph = residual()
    layout = layered(graph, sized(graph), {"block": Frame(60, 20, 9)}, SPACING)
    left, baseline = layout.titles["block"]
    frame = layout.frames["block"]
    assert frame.x < left and left + 84 <= frame.x + frame.width
    entering = [route for route in layout.routes if route.src.startswith("/in")]
    assert all(not left - 1 < route.points[0][0] < left + 84 for route in entering)


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
        assert layout == lay(graph, "down", limit)


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Layers one after the other, in modules within modules."""
    build = Builder()
    value = build.input("x")

    def layers(depth: int) -> None:
        nonlocal value
        for number in range(draw(st.integers(1, 4))):
            if depth and draw(st.booleans()):
                with build.module(f"{build.stack[-1] if build.stack else 'm'}.{number}"):
                    layers(depth - 1)
            else:
                value = build.op(draw(st.sampled_from(("Conv2d", "ReLU", "MaxPool2d"))), value)

    for _ in range(draw(st.integers(1, 4))):
        layers(2)
    build.output(value)
    return build.graph()


@settings(max_examples=80)
@given(chains(), st.sampled_from(WAYS), st.sampled_from((math.inf, 400.0, 150.0)))
def test_a_serpentine_runs_to_and_fro_and_leads_no_line_back(graph: Graph, way: str, limit: float) -> None:
    layout = serpentine(graph, sized(graph), framed(graph), SPACING, way, limit)
    kept = replace(graph, nodes=tuple(
        replace(node, scope=tuple(key for key in node.scope if key in layout.frames)) for node in graph.nodes))
    check(kept, layout)
    for route in layout.routes:
        (ax, ay), (bx, by) = route.points[0], route.points[-1]
        ahead = {"right": bx > ax, "left": bx < ax, "down": by > ay, "rising": by < ay, "up": by < ay}
        if layout.way(route.src) == layout.way(route.dst):
            assert len(route.points) == 2 and ahead[layout.way(route.dst)], route
        else:
            assert len(route.points) == 4, route


@settings(max_examples=20)
@given(graphs())
def test_what_is_no_chain_is_no_serpentine(graph: Graph) -> None:
    if not is_chain(graph):
        assert serpentine(graph, sized(graph), framed(graph), SPACING, "down", 150.0) == lay(graph, "down", 150.0)


def test_two_thousand_nodes_are_laid_out() -> None:
    nodes = [
        Node(f"n{i}", (f"m{i // 200}", f"b{i // 20}"), "x", "add" if i % 7 == 3 else "conv", index=i)
        for i in range(2000)
    ]
    edges = [Edge(f"n{i}", f"n{i + 1}") for i in range(1999)]
    edges += [Edge(f"n{i - 5}", f"n{i}", slot=1) for i in range(5, 2000) if i % 7 == 3]
    graph = Graph("big", tuple(nodes), tuple(edges), {s: Module(s) for node in nodes for s in node.scope})
    layout = lay(graph, "down", 700.0)
    assert len(layout.nodes) == 2000 and len(layout.routes) == len(edges)
