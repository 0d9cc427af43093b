"""Parts of the layered layout by themselves: tracks for lines that turn, cuts of a long run, layers and their order."""
from __future__ import annotations

import pytest

from archviz.drawing.layouts._field import FORBIDDEN, cut
from archviz.drawing.layouts._level import IN, OUT, Item, Net, assign_layers, build
from archviz.drawing.layouts._tracks import Span, pack
from tests.layouts import ROOM


@pytest.mark.parametrize(("spans", "tracks", "depth"), [
    ([], [], 0),
    ([(5.0, (5.0,)), (20.0, (20.02,))], [None, None], 0),                   # straight on
    ([(0.0, (10.0,)), (30.0, (40.0,))], [0, 0], 1),                         # clear of each other
    ([(0.0, (10.0,)), (11.0, (40.0,))], [1, 0], 2),                         # so near that they read as one
    ([(0.0, (10.0,)), (5.0, (20.0,))], [1, 0], 2),                          # the other way round they would cross twice
    ([(0.0, (10.0,)), (10.0, (20.0,))], [1, 0], 2),                         # … and run on each other
    ([(0.0, (20.0,)), (5.0, (10.0,)), (30.0, (40.0,))], [0, 1, 0], 2),
    ([(10.0, (0.0, 20.0)), (40.0, (40.0,))], [0, None], 1),                 # a fork
])
def test_lines_that_meet_turn_on_tracks_of_their_own(spans: list[Span], tracks: list[int | None], depth: int) -> None:
    assert pack(spans) == (tracks, depth)


@pytest.mark.parametrize(("ends", "limit", "bundles", "cuts"), [
    ([10.0, 20.0, 30.0, 40.0], 20.0, [1, 1, 1, 1], [1]),
    ([10.0, 20.0, 30.0, 40.0, 50.0, 60.0], 20.0, [1] * 6, [1, 3]),          # few runs, about equally long
    ([10.0, 20.0, 30.0, 40.0, 50.0, 60.0], 45.0, [1] * 6, [2]),
    ([10.0, 20.0, 30.0, 40.0, 50.0, 60.0], 45.0, [1, 1, 5, 1, 1, 1], [1]),  # where few lines are cut
    ([50.0, 60.0], 20.0, [1, 1], [0]),                                      # what is too long stands alone
    ([10.0, 20.0, 30.0], 15.0, [FORBIDDEN] * 3, []),
    ([10.0, 20.0], 100.0, [1, 1], []),
])
def test_a_run_is_cut_where_it_costs_least(ends: list[float], limit: float, bundles: list[int],
                                           cuts: list[int]) -> None:
    assert cut(ends, limit, bundles) == cuts


def items(*keys: str) -> dict[str, Item]:
    return {key: Item(key, 20.0, 10.0, i) for i, key in enumerate(keys)}


def nets(**targets: str) -> list[Net]:
    return [Net(key, key, tuple(some)) for key, some in targets.items()]


def test_layers_are_the_longest_ways_from_the_sources() -> None:
    layer, loose = assign_layers(items(*"abcd"), nets(a="bd", b="c", c="d"))
    assert layer == {"a": 0, "b": 1, "c": 2, "d": 3} and loose == set()


def test_what_only_one_waits_for_moves_down_to_it_with_what_feeds_it_alone() -> None:
    layer, moved = assign_layers(items(*"abcdwv"), nets(a="b", b="c", c="d", w="v", v="d"))
    assert (layer["w"], layer["v"], layer["d"]) == (1, 2, 3) and moved == {"w", "v"}
    layer, moved = assign_layers(items(*"abcdw"), nets(a="b", b="c", c="d", w="bd"))
    assert layer["w"] == 0 and moved == set()       # the first of its readers keeps it


def test_a_cycle_among_frames_is_broken_where_the_model_comes_first() -> None:
    layer, _ = assign_layers(items(*"abc"), nets(a="b", b="ac", c=""))
    assert layer["a"] < layer["b"] < layer["c"]


def test_lines_are_uncrossed_and_a_long_one_bends_in_every_layer() -> None:
    level = build(items(*"abcd"), nets(a="d", b="c", c="", d=""), ROOM)
    rows = [[element.item.key for element in row if element.item] for row in level.layers]
    assert rows[1:3] in ([["a", "b"], ["d", "c"]], [["b", "a"], ["c", "d"]])
    long = build(items(*"abcd"), [Net("a", "a", ("b", "d")), *nets(b="c", c="d")], ROOM)
    assert [key for key in long.chains if key[0] == "a"] == [("a", 2), ("a", 3)]
    through = build(items("a"), [Net("x", IN, ("a", OUT))], ROOM)
    assert [len(row) for row in through.layers] == [1, 2, 1]        # a port above, a bend beside the item, a port below
