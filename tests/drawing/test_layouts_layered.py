"""The layered layout: layers along the flow, nothing overlaps, lines are orthogonal and run through no box."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Edge, Graph, Module, Node, skips
from archviz.drawing.layouts.layered import layered
from tests.graphs import Builder, graphs
from tests.layouts import ROOM, SPACING, chain, check, flat, framed, placed, reordered, residual, sized, wired

WAYS = ("down", "right", "up")


def lay(graph: Graph, way: str = "down", limit: float = math.inf) -> Layout:
    return layered(graph, sized(graph), framed(graph), SPACING, way, limit)


@settings(max_examples=150)
@given(graphs(), st.sampled_from(WAYS), st.sampled_from((math.inf, 400.0, 150.0)))
def test_nothing_overlaps_and_no_line_runs_through_a_box(graph: Graph, way: str, limit: float) -> None:
    layout = lay(graph, way, limit)
    check(graph, layout)
    assert layout == lay(graph, way, limit)


def turned(layout: Layout) -> Layout:
    """The image of it in the diagonal."""
    image = layout.mapped(lambda p: Place(p.y, p.x, p.height, p.width), lambda at: (at[1], at[0]))
    return replace(image, width=layout.height, height=layout.width, direction="right")


def upset(layout: Layout) -> Layout:
    """What is above is below."""
    high = layout.height
    image = layout.mapped(lambda p: replace(p, y=high - p.bottom), lambda at: (at[0], high - at[1]))
    return replace(image, direction="up")


@settings(max_examples=25)
@given(graphs(size=15), st.sampled_from((math.inf, 150.0)))
def test_the_three_directions_are_images_of_each_other(graph: Graph, limit: float) -> None:
    """Where nothing is written: words lie level, whichever way the flow runs."""
    square = {node.id: Size(*(8 + 3 * (node.index % 4),) * 2, joint=node.kind == "add") for node in graph.nodes}
    down, right, up = (layered(flat(graph), square, {}, SPACING, way, limit) for way in WAYS)
    assert right == turned(down)
    assert placed(up) == placed(upset(down)) and (up.width, up.height, up.cuts) == (down.width, down.height, down.cuts)
    for one, other in zip(up.routes, upset(down).routes, strict=True):
        assert [x for at in one.points for x in at] == pytest.approx([x for at in other.points for x in at])


@settings(max_examples=15)
@given(graphs(size=15), st.sampled_from(WAYS))
def test_the_order_of_what_has_none_changes_nothing(graph: Graph, way: str) -> None:
    again = replace(graph, modules=reordered(graph.modules))
    assert lay(graph, way) == layered(again, reordered(sized(graph)), reordered(framed(graph)), reordered(SPACING), way)


def test_a_chain_stands_where_sizes_and_gaps_say() -> None:
    graph, sizes = wired("a b c"), {"a": Size(20, 10), "b": Size(30, 16), "c": Size(20, 10)}
    layout = layered(graph, sizes, {}, ROOM)
    assert placed(layout) == {"a": (5, 0), "b": (0, 20), "c": (5, 46)} and (layout.width, layout.height) == (30, 56)
    assert [route.points for route in layout.routes] == [((15, 10), (15, 20)), ((15, 36), (15, 46))]
    across = layered(graph, sizes, {}, ROOM, "right")
    assert placed(across) == {"a": (0, 3), "b": (30, 0), "c": (70, 3)} and (across.width, across.height) == (90, 16)
    above = layered(graph, sizes, {}, ROOM, "up")
    assert placed(above) == {"a": (5, 46), "b": (0, 20), "c": (5, 0)}
    assert above.routes[0].points == ((15, 46), (15, 36))


def test_a_skip_has_a_lane_beside_the_boxes_and_turns_on_tracks() -> None:
    """It turns off `turn` below the first box, its lane runs `beside` and half a `lane` from those it passes, and into
    a plain box it goes from above, beside the main line."""
    boxes = dict.fromkeys("abcd", Size(20, 10))
    plain = layered(wired("a b c d", "a d"), boxes, {}, ROOM)
    assert placed(plain) == {"a": (0, 0), "b": (0, 24), "c": (0, 44), "d": (0, 68)}
    skip = next(route for route in plain.routes if route.skip)
    assert skip.points == ((10, 10), (10, 14), (28.5, 14), (28.5, 58), (18, 58), (18, 68))
    glyph = layered(wired("a b c d", "a d"), {**boxes, "d": Size(9, 9, joint=True)}, {}, ROOM)
    skip = next(route for route in glyph.routes if route.skip)
    assert [x for at in skip.points[-2:] for x in at] == pytest.approx([28.5, 68.5, 14.5, 68.5])


def test_a_frame_has_its_pad_its_title_and_its_skirt() -> None:
    graph = wired("a b c")
    graph = replace(graph, nodes=tuple(replace(node, scope=("f",) if node.id == "b" else ()) for node in graph.nodes),
                    modules={"f": Module("f")})
    boxes = dict.fromkeys("abc", Size(20, 10))
    plain, titled, skirted = (layered(graph, boxes, {"f": frame}, ROOM) for frame in (
        Frame(), Frame(24, 10, 9), Frame(24, 10, 9, skirt=3)))
    assert plain.frames["f"] == Place(0, 20, 32, 26.5) and plain.nodes["b"] == Place(6, 30.5, 20, 10)
    inside, outer = titled.nodes["b"], titled.frames["f"]
    assert inside.y - outer.y == 9 + 4.5 and outer.bottom - inside.bottom == 6.0    # the bar, or the pad; half a gap
    left, baseline = titled.titles["f"]
    assert left == outer.x + 6 and outer.y < baseline < outer.y + 9
    assert left + 34 + 3 <= inside.cx       # the line that enters runs beside the words
    assert skirted.frames == titled.frames and skirted.nodes["c"].y == titled.nodes["c"].y + 3


def test_a_label_keeps_room_beside_the_arrow_that_enters() -> None:
    boxes = dict.fromkeys("abcd", Size(20, 10))
    plain = layered(wired("a b d", "a c d"), boxes, {}, ROOM)
    written = layered(wired("a b d", "a c d"), {**boxes, "b": Size(20, 10, label=(30, 15))}, {}, ROOM)
    assert plain.nodes["c"].x - plain.nodes["b"].right == 8.0                       # across
    assert written.nodes["c"].x - written.nodes["b"].cx == 30 + 2 + 8.0
    assert written.nodes["b"].y - plain.nodes["b"].y == 15 + 1.5 - 10.0             # higher than the gap was
    right = layered(wired("a b"), {"a": Size(20, 10), "b": Size(20, 10, label=(30, 8))}, {}, ROOM, "right")
    assert right.nodes["b"].x - right.nodes["a"].right == 30 + 3 + 2 * 2 + 1.5      # along the arrow, before its head


def test_a_bar_reaches_over_all_that_enters_it() -> None:
    boxes = {**dict.fromkeys("abc", Size(20, 10)), "d": Size(20, 4, spans=True)}
    for way in WAYS:
        layout = layered(wired("a b d", "a c d"), boxes, {}, ROOM, way)
        bar, ends = layout.nodes["d"], [route.points[-1] for route in layout.routes if route.dst == "d"]
        b, c = layout.nodes["b"], layout.nodes["c"]
        if way == "right":
            assert (bar.width, bar.height) == (4, c.bottom - b.y) and sorted(y for _, y in ends) == [b.cy, c.cy]
        else:
            assert bar.height == 4 and bar.width == pytest.approx(48) and sorted(x for x, _ in ends) == [b.cx, c.cx]


def test_a_source_of_one_reader_moves_to_it() -> None:
    """What nothing leads to stands just before what reads it, not at the top."""
    layout = layered(wired("a b c d", "w d"), dict.fromkeys("abcdw", Size(20, 10)), {}, ROOM)
    assert layout.nodes["w"].y == layout.nodes["c"].y > layout.nodes["a"].y


def test_what_is_cut_turns_back_at_the_foot_and_goes_on_at_the_top() -> None:
    layout = layered(wired("a b c d e f g h"), dict.fromkeys("abcdefgh", Size(20, 10)), {}, ROOM, "down", 100.0)
    assert layout.cuts == ((0, 1),) and layout.height <= 100
    assert {p.x for key, p in layout.nodes.items() if key in "abcd"} == {0}
    assert {p.x for key, p in layout.nodes.items() if key in "efgh"} == {36}        # two gutters farther on
    (turn,) = (route for route in layout.routes if len(route.points) > 2)
    assert (turn.src, turn.dst) == ("d", "e")
    assert [x for x, _ in turn.points] == [10, 10, 28, 28, 46, 46]
    assert turn.points[1][1] == 84 and turn.points[3][1] == 1


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
