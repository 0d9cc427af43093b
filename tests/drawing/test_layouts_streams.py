"""Streams side by side: a row for each, twins in one column, what is whole in the middle; all else is a chain."""
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Layout, Place, Size
from archviz.core.graph import Edge, Graph, Node
from archviz.drawing.layouts.chain import chain
from archviz.drawing.layouts.streams import streams
from tests.layouts import ROOM, check, reordered, wired


def rows(count: int, mixes: tuple[bool, ...]) -> Graph:
    """x, then a column of `count` nodes for each of `mixes`, each of which reads all of the column before where that is
    true, then y."""
    nodes, edges = [Node("x", attrs={"streams": count})], []
    before = ["x"]
    for k, mixed in enumerate(mixes):
        column = [f"{'abcdefgh'[k]}{i}" for i in range(count)]
        for i, key in enumerate(column):
            nodes.append(Node(key, index=len(nodes), attrs={"stream": i, "streams": count}))
            sources = before if mixed or len(before) == 1 else [before[i]]
            edges += [Edge(src, key, slot=slot) for slot, src in enumerate(sources)]
        before = column
    nodes.append(Node("y", index=len(nodes), attrs={"streams": count}))
    edges += [Edge(src, "y", slot=slot) for slot, src in enumerate(before)]
    return Graph("streams", tuple(nodes), tuple(edges))


def boxes(graph: Graph) -> dict[str, Size]:
    return {node.id: Size(20, 10) for node in graph.nodes}


def points(layout: Layout, src: str, dst: str) -> tuple[tuple[float, float], ...]:
    return next(route.points for route in layout.routes if (route.src, route.dst) == (src, dst))


def test_two_streams_are_two_rows_about_the_middle() -> None:
    graph = rows(2, (False, True))
    layout = streams(graph, boxes(graph), {}, ROOM)
    assert layout.nodes == {
        "x": Place(0, 8.5, 20, 10), "a0": Place(30, 0, 20, 10), "a1": Place(30, 17, 20, 10),      # row between the rows
        "b0": Place(60, 0, 20, 10), "b1": Place(60, 17, 20, 10), "y": Place(90, 8.5, 20, 10)}
    assert (layout.width, layout.height, layout.direction) == (110, 27, "right")
    assert points(layout, "a0", "b0") == ((50, 5), (60, 5)) and points(layout, "b1", "y")[0] == (80, 22)
    crossing = points(layout, "a0", "b1")
    assert crossing[0] == (50, 5) and crossing[-1] == (60, 22)
    assert crossing[1][0] == crossing[2][0] == pytest.approx(60 - 10 / 3)      # it turns just before its end


def test_labels_set_the_rows_apart() -> None:
    graph = rows(2, (False,))
    written = boxes(graph) | {"a0": Size(20, 10, parts=(Place(0, 12, 20, 8),))}
    layout = streams(graph, written, {}, ROOM)
    assert layout.nodes["a1"].y - layout.nodes["a0"].bottom == 2 + 8 + 7


def test_four_streams_stand_evenly_and_far_lines_have_more_room() -> None:
    graph = rows(4, (False, False, True))
    layout = streams(graph, boxes(graph), {}, ROOM)
    tops = [layout.nodes[f"b{i}"].y for i in range(4)]
    assert tops == [0, 17, 34, 51] and layout.nodes["x"].cy == layout.nodes["y"].cy == layout.height / 2
    assert {layout.nodes[f"b{i}"].x for i in range(4)} == {layout.nodes["b0"].x}
    gaps = [layout.nodes[b].x - layout.nodes[a].right for a, b in (("a0", "b0"), ("b0", "c0"))]
    assert gaps == [10, 10 * (1.5 * 3 - 0.5)]       # three rows up or down


@pytest.mark.parametrize("change", ["a second one of a stream", "a link that skips", "volumes that touch"])
def test_what_is_more_than_streams_is_a_chain(change: str) -> None:
    graph = rows(2, (False, False))
    sizes = boxes(graph)
    if change == "volumes that touch":
        sizes["b0"] = replace(sizes["b0"], abuts="a0")
    elif change == "a link that skips":
        graph = replace(graph, edges=(*graph.edges, Edge("x", "b0", slot=1)))
    else:
        nodes = tuple(replace(n, attrs={**n.attrs, "stream": 0}) if n.id == "b1" else n for n in graph.nodes)
        graph = replace(graph, nodes=nodes)
    assert streams(graph, sizes, {}, ROOM) == chain(graph, sizes, {}, ROOM)


def test_one_stream_is_a_row() -> None:
    graph = wired("a b c")
    assert streams(graph, boxes(graph), {}, ROOM) == chain(graph, boxes(graph), {}, ROOM)


@settings(max_examples=20)
@given(st.integers(2, 4), st.lists(st.booleans(), min_size=1, max_size=5).map(tuple), st.integers(0, 3))
def test_any_streams_keep_the_laws(count: int, mixes: tuple[bool, ...], label: int) -> None:
    graph = rows(count, mixes)
    sizes = {node.id: Size(8 + 5 * (node.index % 3), 12 + 6 * (node.index % 4), parts=(Place(0, 40, 20, 7),) * (
        node.index % 4 == label)) for node in graph.nodes}
    layout = streams(graph, sizes, {}, ROOM)
    check(graph, layout)
    assert layout == streams(graph, reordered(sizes), {}, reordered(ROOM))
    for k in range(len(mixes)):
        assert len({layout.nodes[f"{'abcdefgh'[k]}{i}"].x for i in range(count)}) == 1
