"""Towers: a column for each model, what is equally large at equal height, lanes beside the columns."""
from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from hypothesis import given, settings

from archviz.core.disjoint_union import model_of, united
from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Graph, TensorSpec
from archviz.drawing.layouts.towers import aligns, towers
from tests.layouts import apart, on_border, reordered, stacks, wired

ROOM = {"along": 6.0, "apart": 20.0, "lane": 5.0, "margin_gap": 12.0, "margin_pad": 3.0}
BOX, SUM = Size(20, 10), Size(4, 4, joint=True)


def maps(graph: Graph, sides: str) -> Graph:
    """Its nodes give maps of these sides, sums are sums."""
    nodes = zip(graph.nodes, sides, strict=True)
    return replace(graph, nodes=tuple(replace(
        node, op="Conv2d", kind="add" if len(graph.incoming[node.id]) > 1 else "conv",
        out=(TensorSpec((1, 4, int(side), int(side)), axes="NCHW"),)) for node, side in nodes))


def boxes(graph: Graph) -> dict[str, Size]:
    return {node.id: SUM if node.kind == "add" else BOX for node in graph.nodes}


def points(layout: Layout, src: str, dst: str) -> tuple[tuple[float, float], ...]:
    return next(route.points for route in layout.routes if (route.src, route.dst) == (src, dst))


def test_rows_stand_one_below_the_other_and_a_sum_in_the_gap() -> None:
    graph = maps(wired("a b c d", "a c"), "8884")
    layout = towers(graph, boxes(graph), {}, ROOM)
    assert layout.nodes == {"a": Place(0, 0, 20, 10), "b": Place(0, 16, 20, 10), "c": Place(8, 25.5, 4, 4),
                            "d": Place(0, 32, 20, 10)}
    assert (layout.width, layout.height, layout.direction, layout.frames) == (25, 42, "down", {})
    assert points(layout, "a", "b") == ((10, 10), (10, 16))
    # beside the column on its lane, from the gap below the row that it leaves to the side of the sum
    assert points(layout, "a", "c") == ((10, 10), (10, 13), (20, 13), (25, 13), (25, 27.5), (20, 27.5), (12, 27.5))
    assert [(route.src, route.dst) for route in layout.routes if route.skip] == [("a", "c")]


def test_lines_that_overlap_have_lanes_of_their_own_the_short_ones_near() -> None:
    graph = maps(wired("a b c d e f", "a f", "b d", "d f"), "888888")
    layout = towers(graph, boxes(graph), {}, ROOM)
    lanes = {pair: max(x for x, _ in points(layout, *pair)) for pair in (("a", "f"), ("b", "d"), ("d", "f"))}
    assert lanes == {("b", "d"): 25, ("d", "f"): 25, ("a", "f"): 30} and layout.width == 30


def test_equal_sizes_of_two_models_stand_at_equal_height() -> None:
    one, two = maps(wired("a b c"), "842"), maps(wired("a b c d e"), "88842")
    graph = united([one, two], ["one", "two"])
    layout = towers(graph, boxes(graph), {}, ROOM)
    left, right = ({key.rpartition(".")[2]: p for key, p in layout.nodes.items() if model_of(graph.by_id[key]) == model}
                   for model in graph.attrs["models"])
    assert left["b"].y == right["d"].y == 3 * 16 and left["c"].y == right["e"].y and left["a"].y == right["a"].y == 0
    assert {p.x for p in left.values()} == {0} and {p.x for p in right.values()} == {40}        # apart


def test_titles_stand_over_the_middle_of_their_columns() -> None:
    graph = united([maps(wired("a b"), "84"), maps(wired("a b"), "84")], ["one", "two"])
    first, second = graph.attrs["models"]
    layout = towers(graph, boxes(graph), {first: Frame(50, 0, 9), second: Frame(10, 0, 9, skirt=2)}, ROOM)
    assert layout.titles == {first: (0, 0), second: (layout.nodes[f"{second}.a"].cx - 5, 2)}
    assert layout.nodes[f"{first}.a"] == Place(15, 9, 20, 10)
    assert layout.nodes[f"{second}.a"].x >= 50 + 20


def test_words_in_the_margin_have_room_at_its_left() -> None:
    graph = maps(wired("a b"), "84")
    layout = towers(graph, {"a": replace(BOX, label=(15, 5)), "b": BOX}, {}, ROOM)
    assert layout.nodes["a"].x == layout.nodes["b"].x == 15 + 12
    assert layout.width == 15 + 12 + 20 + 3


def test_what_abuts_hangs_below_its_row() -> None:
    graph = maps(wired("a b c"), "888")
    layout = towers(graph, {"a": BOX, "b": Size(16, 3, abuts="a"), "c": BOX}, {}, ROOM)
    assert layout.nodes["b"] == Place(2, 10, 16, 3) and layout.nodes["c"].y == 16
    assert [(route.src, route.dst) for route in layout.routes] == [("b", "c")]


def test_columns_say_all_of_a_chain_with_skips_and_not_of_branches() -> None:
    assert aligns(maps(wired("a b c d", "a c"), "8888"))
    branched = maps(wired("a b d", "a c d"), "8888")
    assert not aligns(branched)
    assert towers(branched, boxes(branched), {}, ROOM).cuts == ((0, 2),)     # a to c, and b to d, pass nothing by
    assert towers(maps(wired("a b"), "88"), {"a": BOX, "b": BOX}, {}, ROOM).cuts == ()


@settings(max_examples=20)
@given(stacks(sources=False), stacks(longest=4, sources=False))
def test_rows_of_any_two_models_keep_apart_and_lines_end_at_them(one: Graph, two: Graph) -> None:
    graph = united([one, two], ["one", "two"])
    sizes = boxes(graph)
    layout = towers(graph, sizes, {}, ROOM)
    rows = [place for key, place in layout.nodes.items() if not sizes[key].joint]
    assert all(apart(a, b) for a, b in combinations(rows, 2))
    for route in layout.routes:
        src, dst = layout.nodes[route.src], layout.nodes[route.dst]
        assert route.points[0] == (src.cx, src.bottom) and on_border(dst, route.points[-1])
        for (ax, ay), (bx, by) in zip(route.points, route.points[1:], strict=False):
            assert abs(ax - bx) < 1e-6 or abs(ay - by) < 1e-6
        assert len(route.points) == 2 or max(x for x, _ in route.points) >= dst.cx + 10     # beside the column
    assert {(route.src, route.dst) for route in layout.routes} == {(edge.src, edge.dst) for edge in graph.edges}
    assert layout == towers(graph, reordered(sizes), {}, reordered(ROOM))
