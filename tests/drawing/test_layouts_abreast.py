"""Columns abreast: each on one axis, skips on its outer side, feeders beside it, encoder and decoder side by side."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Graph, Module
from archviz.drawing.layouts._spine import towers
from archviz.drawing.layouts.abreast import abreast
from archviz.drawing.layouts.layered import layered
from tests.layouts import ROOM, check, holds, reordered, stacks, wired

BOX, SUM = Size(20, 10), Size(9, 9, joint=True)


def boxes(graph: Graph, *sums: str) -> dict[str, Size]:
    return {node.id: SUM if node.id in sums else BOX for node in graph.nodes}


def points(layout: Layout, src: str, dst: str) -> tuple[tuple[float, float], ...]:
    return next(route.points for route in layout.routes if (route.src, route.dst) == (src, dst))


def framed(graph: Graph, **scopes: str) -> Graph:
    """Each node named in the frame that it is the key of."""
    inside = {key: frame for frame, keys in scopes.items() for key in keys}
    nodes = tuple(replace(node, scope=(inside[node.id],) if node.id in inside else ()) for node in graph.nodes)
    return replace(graph, nodes=nodes, modules={frame: Module(frame) for frame in scopes})


def test_a_column_grows_from_below_and_its_skips_pass_at_its_side() -> None:
    graph = wired("a b c d", "a d")
    layout = abreast(graph, boxes(graph, "d"), {}, ROOM)
    assert layout.nodes == {"a": Place(0, 61, 20, 10), "b": Place(0, 39, 20, 10), "c": Place(0, 19, 20, 10),
                            "d": Place(5.5, 0, 9, 9)}
    assert (layout.width, layout.height, layout.direction) == (26, 71, "up")
    assert points(layout, "b", "c") == ((10, 39), (10, 29))
    # it taps the axis `turn` above a, runs `beside` what it passes, and enters the sum from that side
    assert points(layout, "a", "d") == ((10, 61), (10, 57), (26, 57), (26, 4.5), (14.5, 4.5))
    assert [(route.src, route.dst) for route in layout.routes if route.skip] == [("a", "d")]


def test_downwards_it_is_turned_over_and_to_the_right_it_is_layered() -> None:
    graph = wired("a b c d", "a d")
    up, down = (abreast(graph, boxes(graph, "d"), {}, ROOM, way) for way in ("up", "down"))
    assert {key: p.y for key, p in down.nodes.items()} == {key: 71 - p.bottom for key, p in up.nodes.items()}
    assert points(down, "a", "d") == tuple((x, 71 - y) for x, y in points(up, "a", "d")) and down.direction == "down"
    assert abreast(graph, boxes(graph, "d"), {}, ROOM, "right") == layered(graph, boxes(graph, "d"), {}, ROOM, "right")


def test_skips_that_overlap_have_lanes_of_their_own_the_short_ones_near() -> None:
    graph = wired("a b c d e f g", "a g", "b d", "d f")
    layout = abreast(graph, boxes(graph, "d", "f", "g"), {}, ROOM)
    axis = layout.nodes["a"].cx
    lanes = [max(x for x, _ in points(layout, *ends)) - axis for ends in (("b", "d"), ("d", "f"), ("a", "g"))]
    assert lanes == [10 + 6, 10 + 6, 10 + 6 + 5]


def test_sources_of_a_node_stand_on_both_sides_of_its_column() -> None:
    graph = wired("a b c d", "w c", "x c")
    layout = abreast(graph, boxes(graph), {}, ROOM)
    w, x, b = (layout.nodes[key] for key in "wxb")
    assert w.y == x.y == b.y and x.right + 8 == b.x and b.right + 8 == w.x      # across; level with the node before
    assert points(layout, "w", "c") == ((w.cx, w.y), (w.cx, 25), (layout.nodes["c"].right, 25))
    single = abreast(wired("a b c d", "w c"), boxes(graph), {}, ROOM)
    assert single.nodes["w"].cy == single.nodes["c"].cy and single.nodes["w"].right + 8 + 6 == single.nodes["c"].x
    assert points(single, "w", "c")[-1] == (single.nodes["c"].x, single.nodes["c"].cy)


def test_what_reads_a_node_and_goes_nowhere_stands_beside_the_column() -> None:
    graph = wired("a b c", "b w")
    layout = abreast(graph, boxes(graph), {}, ROOM)
    w, c = layout.nodes["w"], layout.nodes["c"]
    assert w.x == c.right + 8 and w.cy == c.cy
    assert points(layout, "b", "w")[-1] == (w.cx, w.bottom)


def test_an_encoder_stands_left_of_the_decoder_and_hands_over_through_the_gap() -> None:
    graph = wired("m n o p", "a b c d e f", "p d")
    graph = framed(graph, enc="mnop", dec="abcdef")
    frames = {"enc": Frame(0, 12, 9), "dec": Frame(0, 12, 9)}
    layout = abreast(graph, boxes(graph), frames, ROOM)
    enc, dec = layout.frames["enc"], layout.frames["dec"]
    # a count stands outside of its frame, at the outer side
    assert layout.direction == "up" and dec.x - enc.right == 24
    assert layout.titles["enc"][0] == enc.x - 4 - 12 and layout.titles["dec"][0] == dec.right + 4
    way, end = points(layout, "p", "d"), layout.nodes["d"]
    assert way[0] == (layout.nodes["p"].cx, layout.nodes["p"].y) and way[-1] == (end.x, end.cy)
    assert way[2][0] == way[3][0] == (enc.right + dec.x) / 2
    assert min(y for _, y in way) < enc.y       # over the top of the encoder
    assert all(holds(frame, layout.nodes[key]) for frame, keys in ((enc, "mnop"), (dec, "abcdef")) for key in keys)


def test_a_frame_lies_around_its_nodes_and_lanes_with_its_pad() -> None:
    graph = framed(wired("a b c d e", "b d"), f="bcd")
    layout = abreast(graph, boxes(graph, "d"), {"f": Frame(0, 0, 9)}, ROOM)
    frame, lane = layout.frames["f"], max(x for x, _ in points(layout, "b", "d"))
    assert frame.right == lane + 6 and frame.x == layout.nodes["b"].x - 6
    assert frame.y == layout.nodes["d"].y - 6
    assert layout.nodes["e"].bottom < frame.y < frame.bottom < layout.nodes["a"].y


def test_ports_are_branches_of_one_line_from_below() -> None:
    graph = wired("a b c")
    sizes = boxes(graph) | {"b": Size(40, 10, ports={"a": (8.0, 20.0, 32.0)})}
    layout = abreast(graph, sizes, {}, ROOM)
    b, ways = layout.nodes["b"], [route.points for route in layout.routes if route.dst == "b"]
    assert [way[-1] for way in ways] == [(b.x + 8, b.bottom), (b.x + 20, b.bottom), (b.x + 32, b.bottom)]
    assert {way[0] for way in ways} == {(layout.nodes["a"].cx, layout.nodes["a"].y)}
    assert {y for way in ways for _, y in way[1:-1]} == {b.bottom + 11}     # they branch `fork` below it


@pytest.mark.parametrize("ways", [("a b c d e", "b y z"), ("a b c x", "m n o x", "b o", "n c")])
def test_what_is_not_made_of_columns_is_layered(ways: tuple[str, ...]) -> None:
    graph = wired(*ways)
    assert abreast(graph, boxes(graph), {}, ROOM) == layered(graph, boxes(graph), {}, ROOM, "up")


def test_the_spine_leads_to_the_deepest_output_and_ways_with_many_nodes_are_towers() -> None:
    graph = wired("a b z", "b g c d e", "m n o p d", "w c")
    found = towers(graph, {node.id: () for node in graph.nodes})
    assert found is not None
    assert [column.nodes for column in found.columns] == [["m", "n", "o", "p"], ["a", "b", "g", "c", "d", "e"]]
    feeding = {key: ways for column in found.columns for key, ways in column.feeders.items()}
    leaving = {key: ways for column in found.columns for key, ways in column.leavers.items()}
    assert feeding == {"c": [["w"]]} and leaving == {"b": [["z"]]}
    assert [(edge.src, edge.dst) for edge in found.across] == [("p", "d")] and not found.skips


@settings(max_examples=25)
@given(stacks(), st.sampled_from(("up", "down")), st.sampled_from((math.inf, 60.0)))
def test_any_stack_is_a_column_that_keeps_the_laws(graph: Graph, way: str, limit: float) -> None:
    sizes = {node.id: SUM if node.kind == "add" else Size(14 + 6 * (node.index % 4), 8 + 3 * (node.index % 3))
             for node in graph.nodes}
    layout = abreast(graph, sizes, {}, ROOM, way, limit)
    check(graph, layout)
    assert layout == abreast(graph, reordered(sizes), {}, reordered(ROOM), way, limit)
    main = {round(p.cx, 6) for key, p in layout.nodes.items() if key.startswith("n")}
    assert len(main) == 1
