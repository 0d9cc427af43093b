"""Layouts that Graphviz places, with a stand-in for it: where boxes, frames and titles go, how lines find their way."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.errors import ArchvizError
from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Graph, Module
from archviz.drawing.layouts import _free, _graphviz, graphviz
from archviz.drawing.layouts._graphviz import Sheet
from archviz.drawing.layouts._routing import Connection, routed
from tests.layouts import ROOM, apart, check, flat, holds, stacks, through, wired

BOX = Size(20, 10)
FLAT = {key: value for key, value in ROOM.items() if key != "tuck"}     # with it, boxes are volumes
Stand = Callable[[str, Sequence[Sheet]], list[dict[str, Place]]]


def boxes(graph: Graph) -> dict[str, Size]:
    return {node.id: BOX for node in graph.nodes}


def stacked(engine: str, sheets: Sequence[Sheet]) -> list[dict[str, Place]]:
    """An engine that puts the boxes of each sheet below each other, as far apart as the sheet says."""
    answers = []
    for sheet in sheets:
        y, places = 0.0, dict[str, Place]()
        for key, (width, height) in sheet.boxes.items():
            places[key] = Place(0, y, width, height)
            y += height + sheet.along
        answers.append(places)
    return answers


def gathered(engine: str, sheets: Sequence[Sheet]) -> list[dict[str, Place]]:
    """An engine that puts all boxes nearly into one place, as a force may."""
    return [{key: Place(float(i % 3), float(i // 3), *size) for i, (key, size) in enumerate(sheet.boxes.items())}
            for sheet in sheets]


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[Sheet]]]:
    """What the stand-in was asked for."""
    asked: list[tuple[str, list[Sheet]]] = []

    def placed(engine: str, sheets: Sequence[Sheet]) -> list[dict[str, Place]]:
        asked.append((engine, list(sheets)))
        return stacked(engine, sheets)

    monkeypatch.setattr(_free, "placed", placed)
    return asked


def framed() -> Graph:
    graph = wired("a b c d")
    scopes = {"b": ("f",), "c": ("f", "g")}
    return replace(graph, nodes=tuple(replace(node, scope=scopes.get(node.id, ())) for node in graph.nodes),
                   modules={"f": Module("f"), "g": Module("g", scope=("f",))})


# ------------------------------------------------------------------------------------------------ what is asked for

def test_each_layout_asks_the_engine_of_its_name(engine: list[tuple[str, list[Sheet]]]) -> None:
    for name in ("circo", "dot", "fdp", "neato", "osage", "patchwork", "sfdp", "twopi"):
        getattr(graphviz, name)(wired("a b"), boxes(wired("a b")), {}, FLAT)
    assert [asked for asked, _ in engine] == ["circo", "dot", "fdp", "neato", "osage", "patchwork", "sfdp", "twopi"]


def test_dot_is_told_of_frames_in_frames_and_that_skips_need_not_be_straight(
        engine: list[tuple[str, list[Sheet]]], monkeypatch: pytest.MonkeyPatch) -> None:
    graph = replace(framed(), edges=wired("a b c d", "a d").edges)
    with pytest.raises(KeyError, match="▣f"):       # the stand-in knows no clusters
        graphviz.dot(graph, boxes(graph), {"f": Frame(30, 6, 9), "g": Frame()}, FLAT, "right")
    ((name, (sheet,)),) = engine
    assert dict(sheet.boxes) == dict.fromkeys("abcd", (20, 10)) and sheet.direction == "right"
    assert dict(sheet.inside) == {"b": "▣f", "c": "▣g", "▣g": "▣f"}
    assert dict(sheet.clusters) == {"▣f": (36 + 6, 9), "▣g": (0, 0)}       # the title, and a pad
    assert sheet.edges == (("a", "b", 8), ("b", "c", 8), ("c", "d", 8), ("a", "d", 1))
    assert (sheet.along, sheet.apart) == (10, 8)


def test_other_engines_place_each_frame_by_itself_the_inner_ones_first(engine: list[tuple[str, list[Sheet]]]) -> None:
    layout = graphviz.neato(framed(), boxes(framed()), {"f": Frame(30, 6, 9), "g": Frame(0, 0, 9)}, FLAT)
    asked = [sheet for _, sheets in engine[:3] for sheet in sheets]
    assert [list(sheet.boxes) for sheet in asked] == [["c"], ["b", "▣g"], ["a", "▣f", "d"]]
    assert [[edge[:2] for edge in sheet.edges] for sheet in asked] == [[], [("b", "▣g")], [("a", "▣f"), ("▣f", "d")]]
    f, g = layout.frames["f"], layout.frames["g"]
    assert holds(g, layout.nodes["c"]) and holds(f, g) and holds(f, layout.nodes["b"])
    assert g.height == 10 + 2 * 6 + 9 and f.width >= 36 + 2 * 6         # a pad above and below, and the bar
    assert all(apart(f, layout.nodes[key]) for key in "ad")
    check(framed(), layout)


def test_the_source_for_graphviz_holds_numbers_only() -> None:
    sheet = Sheet({'evil"];': (72.27, 36.135), "b": (20, 10)}, (('evil"];', "b", 8),), {"b": "▣f"}, {"▣f": (30, 9)},
                  direction="right", apart=7.227, along=14.454, pad=6)
    source = sheet.source()
    assert "evil" not in source and "▣" not in source
    assert "rankdir=LR, nodesep=0.1000, ranksep=0.2000" in source and "n0 [width=1.0000, height=0.5000];" in source
    assert "n0 -> n1 [weight=8];" in source and source.index("subgraph cluster_0") < source.index("n1 [width")
    assert 'WIDTH="30" HEIGHT="9"' in source and "labelloc=t" in source
    up = replace(sheet, direction="up").source()
    assert "labelloc=b" in up and "rankdir=BT" in up


def test_an_answer_is_turned_over_and_begins_at_the_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    point = 72 / 72.27
    answer = {"objects": [{"name": "n0", "pos": f"{50 * point},{80 * point}"}, {"name": "strange", "pos": "0,0"},
                          {"name": "n1", "pos": f"{50 * point},{40 * point}!"},
                          {"name": "cluster_0", "bb": f"{30 * point},{30 * point},{70 * point},{50 * point}"}]}
    asked: list[int] = []
    monkeypatch.setattr(_graphviz, "_answers", lambda engine, sources: asked.append(len(sources)) or (answer,) * 2)
    sheet = Sheet({"a": (20, 10), "b": (30, 10)}, (("a", "b", 1),), {"b": "▣f"}, {"▣f": (0, 0)})
    alone = Sheet({"c": (7, 8)})        # for one box nobody is asked
    first, second = _graphviz.placed("dot", [sheet, alone])
    rounded = {key: tuple(round(v, 6) for v in (p.x, p.y, p.width, p.height)) for key, p in first.items()}
    assert rounded == {"a": (10, 0, 20, 10), "b": (5, 40, 30, 10), "▣f": (0, 35, 40, 20)}
    assert second == {"c": Place(0, 0, 7, 8)} and asked == [1]


def test_values_of_json_one_after_the_other_are_read_and_nothing_else() -> None:
    assert _graphviz._decoded('{"a": 1}\n{"a": 2} \n') == ({"a": 1}, {"a": 2})
    with pytest.raises(ArchvizError, match="not JSON"):
        _graphviz._decoded(json.dumps({"a": 1}) + " plain")


# ------------------------------------------------------------------------------------------------ what is made of it

def test_what_lies_on_each_other_is_enlarged_until_nothing_does() -> None:
    at = {"a": Place(0, 0, 20, 10), "b": Place(5, 0, 20, 10), "c": Place(0, 20, 20, 10)}
    larger = _free._enlarged(at, dict.fromkeys(at, (20.0, 10.0)))
    assert larger["b"].cx - larger["a"].cx == pytest.approx(20) and larger["c"].cy - larger["a"].cy == pytest.approx(80)
    same = {"a": Place(0, 0, 20, 10), "b": Place(0, 0, 20, 10)}
    assert apart(*_free._enlarged(same, dict.fromkeys(same, (20.0, 10.0))).values())


def test_an_arrangement_is_mirrored_so_that_more_edges_lead_along_the_flow() -> None:
    at = {"a": Place(30, 40, 10, 10), "b": Place(0, 0, 10, 10)}
    sheet = Sheet(dict.fromkeys("ab", (10, 10)), (("a", "b", 1),))
    down, up = (_free._turned(at, replace(sheet, direction=way)) for way in ("down", "up"))
    assert down["a"].y < down["b"].y and up["a"].y > up["b"].y
    assert down["a"].x < down["b"].x and up["a"].x < up["b"].x


@pytest.mark.parametrize("way", ["down", "right", "up"])
def test_a_label_has_room_before_its_box_and_no_line_runs_through_it(
        engine: list[tuple[str, list[Sheet]]], way: str) -> None:
    graph = wired("a b c", "a c")
    sizes = boxes(graph) | {"b": Size(20, 10, label=(24, 6))}
    layout = graphviz.neato(graph, sizes, {}, FLAT, way)
    b = layout.nodes["b"]
    label = (Place(b.x - 3 - 2 - 24, b.cy + 2, 24, 6) if way == "right" else
             Place(b.cx + 2, b.bottom + 2 if way == "up" else b.y - 2 - 6, 24, 6))
    room = engine[0][1][0].boxes["b"]       # with the air of 8 + 2 × 4 around it, and as wide on both sides of an arrow
    assert room == ((20 + 24 + 3 + 2 * 2 + 16, 10 + 2 * 5 + 16) if way == "right" else
                    (20 + 2 * 18 + 16, 10 + 6 + 2 + 16))
    if way != "right":
        a, c = layout.nodes["a"], layout.nodes["c"]
        above, below = (b.y - a.bottom, c.y - b.bottom) if way == "down" else (a.y - b.bottom, b.y - c.bottom)
        assert above - below == pytest.approx(8)
    assert holds(Place(0, 0, layout.width, layout.height), label)
    assert all(apart(label, place) for place in layout.nodes.values())
    assert not any(through(label, *ends) for route in layout.routes for ends in pairwise(route.points))


def test_what_hangs_below_a_box_is_centred_under_it(engine: list[tuple[str, list[Sheet]]]) -> None:
    graph = wired("a b c")
    layout = graphviz.neato(graph, boxes(graph) | {"b": Size(16, 3, abuts="a")}, {}, FLAT)
    a, b = layout.nodes["a"], layout.nodes["b"]
    assert (b.x, b.y) == (a.x + 2, a.bottom) and [(r.src, r.dst) for r in layout.routes] == [("b", "c")]


def test_ports_are_reached_from_one_line(engine: list[tuple[str, list[Sheet]]]) -> None:
    graph = wired("a b")
    layout = graphviz.neato(graph, boxes(graph) | {"b": Size(40, 10, ports={"a": (8.0, 20.0, 32.0)})}, {}, FLAT)
    b = layout.nodes["b"]
    assert [route.points[-1] for route in layout.routes] == [(b.x + x, b.y) for x in (8, 20, 32)]
    assert b.y - layout.nodes["a"].bottom >= 11       # fork


def test_a_title_stands_where_fewer_lines_enter(engine: list[tuple[str, list[Sheet]]]) -> None:
    graph = framed()
    free = _free._Free("neato", graph, boxes(graph), {"f": Frame(20, 0, 9)}, FLAT, "down")
    frame = {"f": Place(0, 0, 100, 40)}
    left, right = ({**dict.fromkeys("ad", Place(200, 0, 1, 1)), **dict.fromkeys("bc", Place(x, 20, 10, 10))}
                   for x in (70, 10))
    assert free._title("f", left, frame)[0] == 6 and free._title("f", right, frame)[0] == 100 - 6 - 20


def test_discs_have_no_routes_and_their_names_on_the_outer_side(engine: list[tuple[str, list[Sheet]]]) -> None:
    graph, room = wired("a b c"), {**FLAT, "span": 0.3}
    sizes = {"a": Size(10, 10, label=(30, 8)), "b": Size(16, 16, abuts="a"), "c": Size(10, 10)}
    layout = graphviz.neato(graph, sizes, {}, room)
    assert layout.routes == () and layout.nodes["a"].centre == layout.nodes["b"].centre
    assert engine[0][1][0].edges == (("a", "c", 1),)
    (x, y), a = layout.titles["a"], layout.nodes["b"]
    assert apart(Place(x, y, 30, 8), a) and y + 4 == a.cy
    right = graphviz.neato(graph, {**sizes, "c": Size(10, 10, label=(30, 8))}, {}, room, "right")
    assert right.titles["a"][1] + 8 < right.nodes["b"].y and right.titles["c"][1] > right.nodes["c"].bottom


def test_volumes_flow_to_the_right_as_boxes(engine: list[tuple[str, list[Sheet]]]) -> None:
    graph, volume = wired("a b c"), Size(12, 40, back=(8, -6))
    layout = graphviz.neato(graph, {"a": volume, "b": replace(volume, abuts="a"), "c": volume}, {}, {
        **FLAT, "tuck": 0.5}, "down")
    assert [list(sheet.boxes) for _, sheets in engine for sheet in sheets] == [["a", "c"]]
    assert layout.nodes["b"].x == layout.nodes["a"].right and layout.direction == "right"


@settings(max_examples=15)
@given(stacks(), st.sampled_from(("down", "right", "up")), st.sampled_from((stacked, gathered)))
def test_wherever_an_engine_puts_boxes_the_laws_are_kept(graph: Graph, way: str, stand: Stand) -> None:
    sizes = {node.id: Size(9, 9, joint=True) if node.kind == "add" else Size(14 + 6 * (node.index % 4), 10)
             for node in graph.nodes}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_free, "placed", stand)
        layout: Layout = graphviz.sfdp(flat(graph), sizes, {}, FLAT, way)
        assert layout == graphviz.sfdp(flat(graph), sizes, {}, FLAT, way)
    assert layout.direction == way
    check(graph, layout)


# ------------------------------------------------------------------------------------------------ lines among boxes

def lines(places: Mapping[str, Place], *ends: str, walls: Sequence[Place] = (), lax: bool = False
          ) -> dict[str, tuple[tuple[float, float], ...] | None]:
    """Routed downwards, from side to side where that costs less."""
    sides = {1: 10.0, 3: 10.0}
    wires = [Connection(a, b, {2: 0.0, **sides}, {0: 0.0, **sides}) for a, b in ends]
    return {a + b: points for (a, b), points in routed(wires, places, walls, (), FLAT, lax).items()}


def test_a_line_is_straight_where_nothing_is_in_its_way_and_goes_around_what_is() -> None:
    free = {"a": Place(0, 0, 20, 10), "b": Place(0, 60, 20, 10)}
    assert lines(free, "ab") == {"ab": ((10, 10), (10, 60))}
    blocked = {**free, "c": Place(-5, 30, 40, 10)}
    (way,) = lines(blocked, "ab").values()
    assert way is not None and len(way) > 2
    assert not any(through(blocked["c"].grown(1.0), *ends) for ends in pairwise(way))
    (walled,) = lines(free, "ab", walls=[Place(5, 30, 10, 10)]).values()
    assert walled is not None and not any(through(Place(5, 30, 10, 10), *ends) for ends in pairwise(walled))


def test_lines_of_two_sources_do_not_run_along_each_other() -> None:
    places = {key: Place(60 * (i % 2), 60 * (i // 2), 20, 10) for i, key in enumerate("abcd")}
    found = lines(places, "ad", "bc")
    for (ax, ay), (bx, by) in pairwise(found["ad"] or ()):
        for (cx, cy), (dx, dy) in pairwise(found["bc"] or ()):
            level = ay == by == cy == dy and max(min(ax, bx), min(cx, dx)) < min(max(ax, bx), max(cx, dx)) - 0.01
            upright = ax == bx == cx == dx and max(min(ay, by), min(cy, dy)) < min(max(ay, by), max(cy, dy)) - 0.01
            assert not level and not upright


def test_where_there_is_no_way_none_is_found() -> None:
    places = {"a": Place(0, 0, 20, 10), "b": Place(0, 60, 20, 10)}
    around = [Place(-8, 55, 36, 4), Place(-8, 72, 36, 4), Place(-8, 55, 4, 21), Place(24, 55, 4, 21)]
    assert lines(places, "ab", walls=around) == {"ab": None} == lines(places, "ab", walls=around, lax=True)


def test_lines_end_apart_on_one_side() -> None:
    places = {key: Place(40 * i, 0, 20, 10) for i, key in enumerate("abc")} | {"d": Place(20, 60, 60, 10)}
    found = lines(places, "ad", "bd", "cd")
    ends = [points[-1] for points in found.values() if points]
    assert len(ends) == 3 and all(abs(p[0] - q[0]) + abs(p[1] - q[1]) >= 3 for p, q in combinations(ends, 2))
