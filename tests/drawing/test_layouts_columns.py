"""The row of columns: a chain on one axis, the gap before each as wide as its label says; all else is layered."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Frame, Place, Size
from archviz.core.graph import Edge, Graph, Module
from archviz.drawing.layouts.columns import columns
from archviz.drawing.layouts.layered import layered
from tests.graphs import graphs
from tests.layouts import ROOM, SPACING, chain, check, framed, reordered, sized, wired

SIZES = {"a": Size(8, 30), "b": Size(10, 50, label=(22, 0)), "c": Size(8, 20, label=(12, 0))}


def test_columns_stand_on_one_axis_with_the_gaps_that_were_asked_for() -> None:
    layout = columns(wired("a b c"), SIZES, {}, ROOM)
    assert layout.nodes == {"a": Place(0, 10, 8, 30), "b": Place(30, 0, 10, 50), "c": Place(52, 15, 8, 20)}
    assert (layout.width, layout.height, layout.direction) == (60, 50, "right")
    assert [route.points for route in layout.routes] == [((8, 25), (30, 25)), ((40, 25), (52, 25))]
    assert not any(route.skip for route in layout.routes)


def test_nothing_stands_before_the_first_column() -> None:
    layout = columns(wired("a b c"), {**SIZES, "a": Size(8, 30, label=(40, 0))}, {}, ROOM)
    assert layout.nodes["a"].x == 0 and layout == columns(wired("a b c"), SIZES, {}, ROOM)


@pytest.mark.parametrize("way", ["down", "right", "up"])
@pytest.mark.parametrize("limit", [math.inf, 20.0])
def test_a_row_is_never_turned_nor_wrapped(way: str, limit: float) -> None:
    assert columns(wired("a b c"), SIZES, {}, ROOM, way, limit) == columns(wired("a b c"), SIZES, {}, ROOM)


def test_a_loop_is_no_way_on() -> None:
    graph = wired("a b c")
    looped = replace(graph, edges=(*graph.edges, Edge("b", "b", role="recurrent")))
    assert columns(looped, SIZES, {}, ROOM) == columns(graph, SIZES, {}, ROOM)


@pytest.mark.parametrize("ways", [("a b c", "a c"), ("a b", "c"), ("a c", "b c")])
def test_what_branches_is_layered(ways: tuple[str, ...]) -> None:
    graph = wired(*ways)
    assert columns(graph, SIZES, {}, ROOM, "down") == layered(graph, SIZES, {}, ROOM, "down")


def test_what_has_frames_is_layered() -> None:
    nodes = tuple(replace(node, scope=("f",)) for node in wired("a b c").nodes)
    graph, frames = replace(wired("a b c"), nodes=nodes, modules={"f": Module("f")}), {"f": Frame(10, 0, 9)}
    assert columns(graph, SIZES, frames, ROOM, "down") == layered(graph, SIZES, frames, ROOM, "down")


def test_an_empty_graph_has_no_size() -> None:
    layout = columns(Graph("none"), {}, {}, ROOM)
    assert (layout.width, layout.height, layout.nodes, layout.routes) == (0, 0, {}, ())


@settings(max_examples=25)
@given(st.one_of(graphs(size=8), st.integers(1, 9).map(chain)), st.sampled_from(("down", "right")))
def test_any_graph_keeps_the_laws_whatever_order_its_sizes_have(graph: Graph, way: str) -> None:
    sizes, frames = sized(graph), framed(graph)
    layout = columns(graph, sizes, frames, SPACING, way)
    check(graph, layout)
    assert layout == columns(graph, reordered(sizes), reordered(frames), SPACING, way)
