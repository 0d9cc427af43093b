"""The chain of volumes: faces on one axis, what abuts touches, branches in rows, skips on tracks, a U by levels."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Graph, Module
from archviz.drawing.layouts._blocks import Block, blocks_of, clearance, outline
from archviz.drawing.layouts.chain import chain
from tests.layouts import ROOM, apart, check, flat, placed, reordered, stacks, wired

BOX, GLYPH = Size(20, 10), Size(9, 9, joint=True)
VOLUME = Size(12, 40, back=(8, -6))     # its side is 8 wide, and its back edge 6 higher


def boxes(graph: Graph, *glyphs: str) -> dict[str, Size]:
    return {node.id: GLYPH if node.id in glyphs else BOX for node in graph.nodes}


def points(layout: Layout, src: str, dst: str) -> tuple[tuple[float, float], ...]:
    return next(route.points for route in layout.routes if (route.src, route.dst) == (src, dst))


def test_volumes_stand_on_one_axis_as_far_apart_as_along_says() -> None:
    graph, sizes = wired("a b c"), {"a": VOLUME, "b": Size(4, 20, back=(8, -6)), "c": VOLUME}
    layout = chain(graph, sizes, {}, ROOM)
    # the centre of a volume's face lies half of its depth in and half of its rise up
    centres = {key: p.cy + sizes[key].back[1] / 2 for key, p in layout.nodes.items()}
    assert set(centres.values()) == {23} and layout.height == 46
    for a, b in ("ab", "bc"):
        (x0, y0), (x1, y1) = points(layout, a, b)
        assert y0 == y1 == 23 and x0 == layout.nodes[a].right + 4      # the centre of the right side
        assert layout.nodes[b].x - (layout.nodes[a].right + 8) == pytest.approx(10, abs=5)


def test_what_abuts_touches_and_needs_no_line() -> None:
    layout = chain(wired("a b c"), {"a": VOLUME, "b": replace(VOLUME, abuts="a"), "c": VOLUME}, {}, ROOM)
    assert layout.nodes["b"].x == layout.nodes["a"].right and layout.nodes["b"].y == layout.nodes["a"].y
    assert [(route.src, route.dst) for route in layout.routes] == [("b", "c")]


def test_a_sinking_face_moves_what_follows_it_down() -> None:
    sizes = {"a": Size(12, 40, rise=6.0), "b": Size(12, 40, abuts="a")}
    layout = chain(wired("a b"), sizes, {}, ROOM)
    assert layout.nodes["b"].y - layout.nodes["a"].y == 6


def test_labels_below_keep_clear_of_each_other() -> None:
    wide = replace(BOX, parts=(Place(-10, 12, 40, 8),))
    layout = chain(wired("a b"), {"a": wide, "b": wide}, {}, ROOM)
    assert layout.nodes["b"].x - 10 - (layout.nodes["a"].right + 10) == 6      # beside
    assert layout.height == 20


def test_a_skip_runs_on_a_track_above_all_that_it_passes() -> None:
    graph = wired("a b c d e", "a e", "b d")
    layout = chain(graph, {**boxes(graph, "d", "e"), "c": Size(20, 30)}, {}, ROOM)
    inner, outer = points(layout, "b", "d"), points(layout, "a", "e")
    top = layout.nodes["c"].y
    assert {y for _, y in inner[1:3]} == {top - 4} and {y for _, y in outer[1:3]} == {top - 8}      # a track each
    assert inner[0] == (layout.nodes["b"].cx, layout.nodes["b"].y)
    assert inner[-1] == (layout.nodes["d"].cx, layout.nodes["d"].y)
    assert {(route.src, route.dst) for route in layout.routes if route.skip} == {("a", "e"), ("b", "d")}
    check(graph, layout)


def test_a_branch_has_a_row_above_and_a_second_one_below() -> None:
    graph = wired("a b c d", "a x d", "a y d")
    layout = chain(graph, boxes(graph, "d"), {}, ROOM)
    above, row, below = layout.nodes["x"], layout.nodes["b"], layout.nodes["y"]
    assert above.bottom + 7 == row.y == layout.nodes["a"].y and row.bottom + 7 == below.y      # row
    assert above.x == below.x == layout.nodes["a"].right + 10
    d = layout.nodes["d"]
    assert points(layout, "x", "d")[-1] == (d.cx, d.y) and points(layout, "y", "d")[-1] == (d.cx, d.bottom)
    assert d.x >= above.right + 10
    check(graph, layout)


def test_a_source_stands_above_what_comes_before_its_reader() -> None:
    graph = wired("a b c", "w b")
    layout = chain(graph, boxes(graph), {}, ROOM)
    assert layout.nodes["w"] == Place(0, 0, 20, 10) and layout.nodes["a"] == Place(0, 17, 20, 10)
    assert points(layout, "w", "b") == ((20, 5), (40, 5), (40, 17))
    later = chain(wired("a b c", "w c"), boxes(graph), {}, ROOM)
    assert later.nodes["w"].right == later.nodes["b"].right


def test_nested_skips_into_glyphs_make_a_u_of_levels() -> None:
    graph = wired("a b c d e f g h i", "b h", "c g")
    layout = chain(graph, boxes(graph, "g", "h"), {}, ROOM, "down")
    rows = [{layout.nodes[key].cy for key in level} for level in ("abhi", "cg", "def")]
    assert [len(row) for row in rows] == [1, 1, 1] and rows[0] < rows[1] or max(rows[0]) < min(rows[1])
    assert max(rows[1]) < min(rows[2])
    assert layout.direction == "around"
    assert points(layout, "b", "c")[-1] == (layout.nodes["c"].cx, layout.nodes["c"].y)
    assert points(layout, "f", "g") == ((layout.nodes["f"].cx, layout.nodes["f"].y),
                                        (layout.nodes["g"].cx, layout.nodes["g"].bottom))
    assert layout.nodes["f"].cx == layout.nodes["g"].cx == layout.nodes["h"].cx
    assert chain(graph, boxes(graph, "g", "h"), {}, ROOM, "right").direction == "right"


def test_nested_skips_into_volumes_make_a_u_whose_lines_are_all_straight() -> None:
    graph = wired("a b c m n d e f o p", "b o", "c e")
    sizes = boxes(graph) | {"p": replace(BOX, abuts="o"), "f": replace(BOX, abuts="e")}
    layout = chain(graph, sizes, {}, ROOM, "down")
    assert layout.direction == "around" and all(len(route.points) == 2 for route in layout.routes)
    assert {layout.nodes[key].y for key in "abop"} == {0} and {layout.nodes[key].y for key in "cef"} == {26}   # drop
    assert {layout.nodes[key].y for key in "mnd"} == {52}
    assert points(layout, "b", "o") == ((50, 5), (110, 5)) and points(layout, "c", "m") == ((40, 36), (40, 52))
    assert points(layout, "d", "e") == ((100, 52), (100, 36))


def test_a_frame_is_a_brace_below_in_a_row_of_its_own_where_two_would_meet() -> None:
    graph = wired("a b c d")
    scopes = {"a": ("f",), "b": ("f",), "c": ("g",), "d": ()}
    graph = replace(graph, nodes=tuple(replace(n, scope=scopes[n.id]) for n in graph.nodes),
                    modules={"f": Module("f"), "g": Module("g")})
    layout = chain(graph, boxes(graph), {"f": Frame(10, 0, 9), "g": Frame(60, 0, 9)}, ROOM)
    f, g = layout.frames["f"], layout.frames["g"]
    assert (f.x, f.width, f.y) == (0, 50, 16) and g.cx == layout.nodes["c"].cx and g.width == 64
    assert apart(f, g) and g.y >= f.bottom
    assert layout.height == g.bottom


def test_what_is_no_chain_flows_to_the_right_in_layers() -> None:
    """Two ways from one branch to the other: there is no row in which it could stand."""
    graph = wired("a b c d", "a x d", "x y", "b y", "y d")
    written = replace(BOX, parts=(Place(0, 12, 20, 30),))
    layout = chain(graph, {**boxes(graph), "b": written, "x": written}, {}, ROOM)
    check(graph, layout)
    words = [Place(0, 12, 20, 30).moved(layout.nodes[key].x, layout.nodes[key].y) for key in "bx"]
    assert apart(*words) and all(apart(place, at) for place in layout.nodes.values() for at in words)
    assert points(layout, "a", "x")[-1] == (layout.nodes["x"].x, layout.nodes["x"].cy)     # on the axis, label or not
    order = [layout.nodes[key].x for key in ("a", "b", "y", "d")]
    assert order == sorted(set(order))


@settings(max_examples=30)
@given(stacks(sources=False), st.sampled_from(("right", "down")), st.sampled_from((math.inf, 100.0)))
def test_any_chain_with_skips_keeps_the_laws(graph: Graph, way: str, limit: float) -> None:
    sizes = {node.id: GLYPH if node.kind == "add" else Size(10 + 5 * (node.index % 3), 14 + 9 * (node.index % 4))
             for node in graph.nodes}
    layout = chain(graph, sizes, {}, ROOM, way, limit)
    assert layout == chain(graph, reordered(sizes), {}, reordered(ROOM), way, limit)
    if layout.direction == "right":     # a skip from a glyph turns off the line behind it
        behind = {key: ((p.right, p.cy),) for key, p in layout.nodes.items() if sizes[key].joint}
        routes = tuple(replace(route, points=behind.get(route.src, ()) * route.skip + route.points)
                       for route in layout.routes)
        check(graph, replace(layout, routes=routes))


@settings(max_examples=30)
@given(stacks())
def test_volumes_of_any_chain_keep_apart(graph: Graph) -> None:
    sizes = {node.id: GLYPH if node.kind == "add" else Size(3 + node.index % 3 * 8, 40 - 7 * (node.index % 4),
                                                            back=(6 + node.index % 2 * 5, -4))
             for node in graph.nodes}
    layout = chain(flat(graph), sizes, {}, ROOM)
    solid = {key: [q.moved(p.x, p.y) for q in outline(sizes[key])] for key, p in layout.nodes.items()}
    keys = list(solid)
    for i, a in enumerate(keys):
        for b in keys[i + 1:]:
            assert all(apart(p, q) for p in solid[a] for q in solid[b]), (a, b)
        assert all(-0.01 <= p.x and p.right <= layout.width + 0.01 and -0.01 <= p.y and p.bottom <= layout.height + 0.01
                   for p in solid[a]), a


# ------------------------------------------------------------------------------------------------ blocks

def test_an_outline_is_the_hexagon_of_a_volume_in_slices() -> None:
    assert outline(Size(12, 40)) == [Place(0, 0, 12, 40)]
    assert outline(Size(12, 40, rise=6.0)) == [Place(0, 0, 12, 46)]
    slices = outline(VOLUME)
    assert slices[0].x == 0 and slices[-1].right == pytest.approx(20)
    assert min(p.y for p in slices) == -6 and max(p.bottom for p in slices) == 40
    assert (slices[1].y, slices[4].bottom) == (-5, pytest.approx(39))      # each around all that is drawn of its part
    assert slices[-1].bottom < 40 and slices[0].y > -6      # the corners at the top left and the bottom right are free
    tucked = outline(VOLUME, 1.0)
    assert max(p.right for p in tucked) == pytest.approx(16)       # all behind the centre of its side may be covered


def test_blocks_are_runs_of_what_abuts() -> None:
    before = {"a": "", "b": "a", "c": "", "d": "c", "e": "d"}
    sizes = {key: replace(BOX, abuts=abuts) for key, abuts in before.items()}
    assert [block.nodes for block in blocks_of(wired("a b c d e"), sizes, ROOM)] == [("a", "b"), ("c", "d", "e")]
    first = blocks_of(wired("a b c d e"), sizes, ROOM)[0]
    assert (first.enter, first.leave, first.reach) == (0, 40, (0, 40))


def test_clearance_is_along_between_outlines_and_beside_around_labels() -> None:
    def block(*parts: Place, y: float = 0.0) -> Block:
        (made,) = blocks_of(wired("a"), {"a": replace(BOX, parts=parts)}, ROOM)
        made.y = y
        return made

    assert clearance(block(), block(), ROOM) == 20 + 10
    assert clearance(block(Place(0, 14, 35, 8)), block(), ROOM) == 30                      # its label is lower
    assert clearance(block(Place(0, 12, 35, 8)), block(Place(0, 12, 20, 8)), ROOM) == 35 + 6
    assert clearance(block(Place(20, 0, 25, 8)), block(), ROOM) == 45 + 6
    assert clearance(block(), block(y=100.0), ROOM) == -math.inf
    assert placed(chain(wired("a b"), {"a": BOX, "b": BOX}, {}, ROOM))["b"] == (30, 0)
