"""The ring: discs clockwise in the order in which they run, none on another, lobes, labels around the rim."""
from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Graph, Module
from archviz.drawing.layouts.radial import radial
from tests.graphs import graphs
from tests.layouts import apart, framed, holds, placed, reordered, wired

ROOM = {"along": 4.0, "across": 2.0, "step": 0.1, "opening": 24.0, "span": 0.34, "rise": 1.2, "lobe": 1.2, "many": 0.5,
        "rim": 5.0, "label_gap": 7.0, "between": 2.0}


def discs(graph: Graph, label: tuple[float, float] = (0.0, 0.0)) -> dict[str, Size]:
    return {node.id: Size(6 + 3 * (node.index % 4), 6 + 3 * (node.index % 4), label=label) for node in graph.nodes}


def middle(layout: Layout) -> tuple[float, float]:
    return layout.frames[""].centre


def turns(layout: Layout) -> dict[str, float]:
    """How far around from the top each node stands, in degrees, clockwise."""
    x, y = middle(layout)
    return {key: math.degrees(math.atan2(p.cx - x, y - p.cy)) % 360 for key, p in layout.nodes.items()}


def far(layout: Layout, key: str) -> float:
    return math.dist(layout.nodes[key].centre, middle(layout))


def test_discs_stand_clockwise_on_one_ring_with_the_opening_at_the_top() -> None:
    graph = wired("a b c d e f")
    layout = radial(graph, dict.fromkeys("abcdef", Size(10, 10)), {}, ROOM)
    around = list(turns(layout).values())
    assert around == sorted(around)
    steps = [b - a for a, b in pairwise(around)]
    assert steps == pytest.approx([steps[0]] * 5)
    ring = [far(layout, key) for key in "abcdef"]
    assert ring == pytest.approx([ring[0]] * 6)
    for a, b in pairwise("abcdef"):
        assert math.dist(layout.nodes[a].centre, layout.nodes[b].centre) == pytest.approx(10 + 4, abs=1e-6)     # along
    # between the outer edges of the last disc and the first one the opening is free
    half = math.degrees(math.asin(5 / ring[0]))
    assert around[0] - half + 360 - around[-1] - half == pytest.approx(24, abs=0.01) and around[-1] + half < 360
    assert layout.frames[""].width == pytest.approx(2 * (ring[0] + 5 + 5)) and layout.direction == "around"


def test_a_line_runs_from_centre_to_centre() -> None:
    graph = wired("a b c d", "a d")
    layout = radial(graph, discs(graph), {}, ROOM)
    assert {(route.src, route.dst): (route.points, route.skip) for route in layout.routes} == {
        (a, b): ((layout.nodes[a].centre, layout.nodes[b].centre), (a, b) == ("a", "d"))
        for a, b in (("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"))}


def test_what_abuts_is_a_ring_around_the_same_centre_that_counts_for_the_room() -> None:
    graph = wired("a b c d e")
    plain = dict.fromkeys("abcde", Size(10, 10))
    layout = radial(graph, {**plain, "b": Size(20, 20, abuts="a")}, {}, ROOM)
    assert layout.nodes["a"].centre == pytest.approx(layout.nodes["b"].centre)
    assert math.dist(layout.nodes["b"].centre, layout.nodes["c"].centre) >= 10 + 5 + 4 - 1e-6


def test_what_a_connection_passes_by_rises_in_a_lobe() -> None:
    graph = wired("a b c d e f g h i j k l", "c g")
    layout = radial(graph, dict.fromkeys("abcdefghijkl", Size(10, 10)), {}, ROOM)
    ring = far(layout, "a")
    assert all(far(layout, key) == pytest.approx(ring) for key in "abcghijkl")
    assert far(layout, "e") > far(layout, "d") + 1 > ring + 2 and far(layout, "d") == pytest.approx(far(layout, "f"))
    flat = radial(graph, dict.fromkeys("abcdefghijkl", Size(10, 10)), {}, {**ROOM, "lobe": 0.0})
    assert all(far(flat, key) == pytest.approx(far(flat, "a")) for key in "bcdefghijkl")
    spanned = radial(graph, dict.fromkeys("abcdefghijkl", Size(10, 10)), {}, {**ROOM, "span": 0.2})
    assert all(far(spanned, key) == pytest.approx(far(spanned, "a")) for key in "bcdefghijkl")


def test_labels_stand_beside_what_they_name_off_the_rim_and_off_each_other() -> None:
    graph = wired("a b c d e f g h")
    layout = radial(graph, dict.fromkeys("abcdefgh", Size(8, 8, label=(30, 20))), {}, ROOM)
    x, y = middle(layout)
    radius = layout.frames[""].width / 2 + 7        # the rim, and the gap
    labels = {key: Place(*at, 30, 20) for key, at in layout.titles.items()}
    assert set(labels) == set("abcdefgh") and all(apart(a, b) for a, b in combinations(labels.values(), 2))
    for key, place in labels.items():
        near = x + min(max(0.0, place.x - x), place.right - x), y + min(max(0.0, place.y - y), place.bottom - y)
        nearest = math.dist((x, y), near)
        assert nearest >= radius - 1e-6, key
        assert (place.x > x) == (turns(layout)[key] < 180), key
    right, left = ([labels[key].y for key in side] for side in ("abcd", "hgfe"))
    for column in (right, left):
        assert column == sorted(column) and min(b - a for a, b in pairwise(column)) >= 20 + 2 - 1e-6     # between
    assert layout.width == pytest.approx(max(p.right for p in labels.values()) - min(p.x for p in labels.values()))


def test_a_frame_has_its_label_at_the_middle_of_what_is_in_it() -> None:
    graph = wired("a b c d e f g h")
    graph = replace(graph, nodes=tuple(replace(node, scope=("m",) if node.id in "bcd" else ()) for node in graph.nodes),
                    modules={"m": Module("m")})
    layout = radial(graph, dict.fromkeys("abcdefgh", Size(8, 8)), {"m": Frame(20, 0, 6)}, ROOM)
    label = Place(*layout.titles["m"], 20, 6)
    assert abs(label.cy - layout.nodes["c"].cy) < 5 and label.x > layout.frames[""].cx
    assert all(holds(layout.frames["m"], layout.nodes[key]) for key in "bcd")
    assert layout.frames["m"].width < layout.frames[""].width / 2


def test_neither_direction_nor_limit_changes_it() -> None:
    graph = wired("a b c")
    assert radial(graph, discs(graph), {}, ROOM, "up", 5.0) == radial(graph, discs(graph), {}, ROOM)


def test_nothing_is_only_the_rim() -> None:
    layout = radial(Graph("none"), {}, {}, ROOM)
    assert (layout.nodes, layout.width, layout.height) == ({}, 10, 10)


@settings(max_examples=20)
@given(graphs(size=15), st.sampled_from(((0.0, 0.0), (20.0, 6.0))))
def test_no_two_discs_of_any_graph_touch(graph: Graph, label: tuple[float, float]) -> None:
    sizes, frames = discs(graph, label), {key: frame for key, frame in framed(graph).items() if key in graph.content}
    layout = radial(graph, sizes, frames, ROOM)
    for a, b in combinations(layout.nodes.values(), 2):
        assert math.dist(a.centre, b.centre) >= (a.width + b.width) / 2 - 0.01
    around = list(turns(layout).values())
    assert around == sorted(around)
    assert all(holds(Place(0, 0, layout.width, layout.height), place) for place in layout.nodes.values())
    rooms = [Place(*at, *((frames[key].title, frames[key].bar) if key in frames else sizes[key].label))
             for key, at in layout.titles.items()]
    assert all(apart(a, b) for a, b in combinations(rooms, 2))
    assert placed(layout) == placed(radial(graph, reordered(sizes), frames, reordered(ROOM)))
