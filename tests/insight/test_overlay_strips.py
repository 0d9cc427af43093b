"""Strips of maps beside boxes: in a column at the right, or beside each box, and never on anything else."""
from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from archviz.core.scene import Box, Circle, Group, Image, Link, Mark, Paint, Path, Scene
from archviz.insight.overlay._bounds import Room, rooms
from archviz.insight.overlay._strips import placed
from archviz.insight.painting import colormap, pixels
from archviz.insight.painting.pixels import Tile
from tests.pictures import STYLE

SHEET = {"conv": Paint(fill="#ffffff"), "edge": Paint(stroke_width=1.0), "strip": Paint(stroke="#000000")}


def tile(shape: tuple[int, int] = (8, 8)) -> Tile:
    return Tile(b"png", True, shape)


def box(key: str, x: float, y: float, width: float = 40.0, height: float = 12.0) -> Group:
    return Group((Box(x, y, width, height, "conv"),), "conv", key)


def images(group: Group) -> list[Image]:
    return [mark for mark in group.marks if isinstance(mark, Image)]


def scene(*marks: Mark, width: float = 120.0, height: float = 200.0) -> Scene:
    return Scene(marks, SHEET, width, height)


def check(plain: Scene, strips: list[Group], wide: float) -> None:
    """On the page, on nothing that is drawn, on no other strip; nor do the lines lead over anything."""
    drawn = [room for mark in plain.marks for room in rooms(mark, plain)]
    rims = [[room for mark in images(group) for room in rooms(mark, plain)] for group in strips]
    for some in rims:
        assert all(Room(0, 0, wide, plain.height).holds(room) and not any(room.meets(one) for one in drawn)
                   for room in some)
    leads = [room for group in strips for mark in group.marks if isinstance(mark, Path) for room in rooms(mark, plain)]
    assert not any(lead.meets(one, 0.1) for lead in leads for one in drawn)
    assert not any(a.meets(b) for one, other in combinations(rims, 2) for a in one for b in other)


def test_strips_stand_in_a_column_each_level_with_its_box() -> None:
    plain = scene(*(box(key, 10, 10 + 40 * i) for i, key in enumerate("abcd")))
    tiles = {key: [tile()] * 3 for key in "abcd"}
    strips, wide = placed(plain, tiles, 300.0)
    assert [group.title for group in strips] == list("abcd") and wide > 100
    for i, group in enumerate(strips):
        found = images(group)
        assert len(found) == 3 and len({one.width for one in found}) == 1 and found[0].width == 20
        assert found[0].y + found[0].height / 2 == 16 + 40 * i and found[0].x == 50 + 3     # the drawing ends at 50
        assert [b.x - a.x for a, b in zip(found, found[1:], strict=False)] == [21, 21]
        lead = group.marks[0]
        assert isinstance(lead, Path) and lead.commands == (("M", (51, 16 + 40 * i)), ("L", (52, 16 + 40 * i)))
    check(plain, strips, wide)


def test_so_many_tiles_stand_in_a_strip_as_the_page_has_room_for() -> None:
    plain = scene(*(box(key, 10, 10 + 40 * i) for i, key in enumerate("abc")), width=60.0)
    strips, wide = placed(plain, {key: [tile()] * 9 for key in "abc"}, 100.0)
    assert {len(images(group)) for group in strips} == {2} and wide == 100 - 100 + max(
        one.x + one.width for group in strips for one in images(group)) + 2
    four, _ = placed(plain, {key: [tile()] * 9 for key in "abc"}, 900.0)
    assert {len(images(group)) for group in four} == {4}        # and no more


def test_where_the_way_is_barred_strips_stand_beside_their_boxes() -> None:
    """Each row has three boxes: of a column only the last ones would have a free way."""
    plain = scene(*(box(f"{key}{i}", 10 + 90 * i, 30 + 60 * j) for j, key in enumerate("ab") for i in range(3)),
                  width=290.0)
    strips, wide = placed(plain, {group.node: [tile()] * 2 for group in plain.marks}, 290.0)
    assert wide == 290 and len(strips) == 6
    for group in strips:
        own = next(mark for mark in plain.marks if mark.node == group.title).marks[0]
        near = min(abs(one.x - own.x - own.width) for one in images(group)), min(
            abs(own.x - one.x - one.width) for one in images(group)), min(
            abs(own.y - one.y - one.height) for one in images(group)), min(
            abs(one.y - own.y - own.height) for one in images(group))
        assert min(near) == pytest.approx(2.6)
    check(plain, strips, wide)


def test_a_link_or_a_box_in_the_way_is_not_covered() -> None:
    bar = Group((Link(((5, 30), (115, 30)), "edge"),), "link", edge=("a", "b"))
    plain = scene(box("a", 30, 10), box("b", 30, 40), bar, Group((Circle(95, 16, 8, "conv"),), "conv", "c"))
    strips, wide = placed(plain, {"a": [tile()], "b": [tile()]}, 300.0)
    assert strips
    check(plain, strips, wide)


def test_a_single_one_stands_beside_its_box_larger() -> None:
    plain = scene(box("a", 10, 60))
    strips, wide = placed(plain, {"a": [tile()]}, 120.0)
    (group,) = strips
    assert images(group)[0].width > 20 and wide == 120
    check(plain, strips, wide)


def test_a_tile_keeps_its_shape_within_its_place() -> None:
    strips, _ = placed(scene(box("a", 10, 60)), {"a": [tile((4, 8))]}, 120.0)
    (one,) = images(strips[0])
    assert one.height == pytest.approx(one.width / 2)


def test_what_has_no_tiles_or_no_room_has_no_strip() -> None:
    assert placed(scene(box("a", 10, 10)), {"a": [], "b": [tile()]}, 120.0) == ([], 120.0)
    full = scene(box("a", 1, 1, 48, 18), width=50.0, height=20.0)
    assert placed(full, {"a": [tile()]}, 50.0) == ([], 50.0)


def test_a_strip_stays_in_the_frame_of_its_box_or_out_of_the_others() -> None:
    frame = Group((Box(5, 40, 52, 40, "conv"),), "frame", "f")
    plain = scene(frame, box("a", 10, 52), box("b", 10, 100), width=70.0)
    strips, _ = placed(plain, {"a": [tile()], "b": [tile()]}, 70.0)
    edges = Room(5, 40, 57, 80)
    for group in strips:
        for room in (room for one in images(group) for room in rooms(one, plain)):
            assert edges.holds(room) if group.title == "a" else not edges.meets(room)


# ------------------------------------------------------------------------------------------------ the tiles

def test_what_an_array_is_follows_from_its_axes() -> None:
    forms = [(np.zeros((4, 8, 8)), "NCHW", "map", (4, 8, 8)), (np.zeros((8, 8, 4)), "NHWC", "map", (4, 8, 8)),
             (np.zeros((5, 7)), "NLC", "table", (5, 7)), (np.zeros((7, 5)), "NCL", "table", (5, 7)),
             (np.zeros((1, 9)), "NC", "vector", (9,)), (np.zeros((3, 5, 7)), "NhLC", "table", (5, 7))]
    for array, axes, kind, shape in forms:
        form, values = pixels.shaped(array, axes)
        assert (form, values.shape) == (kind, shape), axes


def test_the_channels_that_vary_most_come_first_and_signed_ones_are_their_mean() -> None:
    values = np.stack([np.full((2, 2), 5.0), np.array([[0.0, 9.0], [0.0, 9.0]]), np.array([[0.0, 1.0], [0.0, 1.0]])])
    first, second = pixels.several(values, "NCHW", STYLE.heat, None, 2)
    maps = {**STYLE.heat, "unsigned": STYLE.heat.get("maps", STYLE.heat["unsigned"])}
    on = colormap.scale(values[[1, 2]], maps, False)
    for found, expected in ((first, values[1]), (second, values[2])):
        assert found.png == colormap.png(on.rgb(expected).repeat(80, 0).repeat(80, 1)) and found.shape == (2, 2)
    (mean,) = pixels.several(values, "NCHW", STYLE.heat, True, 2)
    on = colormap.scale(values.mean(0), STYLE.heat, True)
    assert mean.png == colormap.png(on.rgb(values.mean(0)).repeat(80, 0).repeat(80, 1))
    assert pixels.several(values[0], "NLC", STYLE.heat, True, 2) == []
