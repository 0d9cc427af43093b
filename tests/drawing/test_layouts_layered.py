"""The layered layout: layers along the flow, nothing overlaps, lines are orthogonal and run through no box."""
from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Frame, Layout, Size
from archviz.core.graph import Edge, Graph, Module, Node, skips
from archviz.drawing.layouts.layered import layered
from tests.graphs import Builder, graphs
from tests.layouts import SPACING, chain, check, framed, residual, sized

WAYS = ("down", "right", "up")


def lay(graph: Graph, way: str = "down", limit: float = math.inf) -> Layout:
    return layered(graph, sized(graph), framed(graph), SPACING, way, limit)


@settings(max_examples=150)
@given(graphs(), st.sampled_from(WAYS), st.sampled_from((math.inf, 400.0, 150.0)))
def test_nothing_overlaps_and_no_line_runs_through_a_box(graph: Graph, way: str, limit: float) -> None:
    layout = lay(graph, way, limit)
    check(graph, layout)
    assert layout == lay(graph, way, limit)


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
