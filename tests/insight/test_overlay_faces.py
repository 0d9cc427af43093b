"""Maps on cuboids: on the right side, where it is seen, under the outline; and where marks are on the page."""
from __future__ import annotations

import pytest

from archviz.core.scene import Box, Circle, Cuboid, Group, Image, Link, Paint, Path, Scene, Text
from archviz.insight.overlay import _bounds
from archviz.insight.overlay._bounds import Room, body, inside, nodes, rooms
from archviz.insight.overlay._faces import painted
from archviz.insight.painting.pixels import Tile

TILE = Tile(b"png", True, (8, 8))


def solid(key: str, x: float = 0.0, depth: float = 10.0, high: float = 30.0) -> Group:
    cuboid = Cuboid(x, 0, (6, 0), (0, high), (depth, -0.6 * depth), "conv")
    return Group((cuboid, Text(x, 50, key, "label")), "conv", key)


def image(group: Group) -> Image:
    (found,) = (mark for mark in group.marks if isinstance(mark, Image))
    return found


def test_a_map_fills_the_right_side_askew_below_its_outline() -> None:
    (done,), shown = painted([solid("a")], lambda key: TILE)
    assert shown == {"a"} and isinstance(done, Group)
    cuboid, picture, rim, words = done.marks
    assert isinstance(cuboid, Cuboid) and isinstance(picture, Image) and isinstance(words, Text)
    # its left edge is the front edge of the side
    assert picture.corners == (cuboid.at(1, 0, 0), cuboid.at(1, 0, 1), cuboid.at(1, 1, 1), cuboid.at(1, 1, 0))
    assert (picture.png, picture.cells) == (b"png", True)
    assert isinstance(rim, Path) and rim.role == "conv rim"
    assert [at for command, at in rim.commands if command != "Z"] == list(picture.corners)


def test_a_side_behind_later_volumes_has_none() -> None:
    block = [solid("a", 0), solid("b", 6), solid("c", 60)]      # the second stands against the first
    done, shown = painted(block, lambda key: TILE)
    assert shown == {"b", "c"} and done[0] == block[0]
    assert image(done[1]).x == 12


def test_only_what_has_a_map_and_a_side_large_enough_shows_one() -> None:
    assert painted([solid("a")], lambda key: None) == ((solid("a"),), set())
    assert painted([solid("a", depth=2.0)], lambda key: TILE)[1] == set()
    rod = Tile(b"png", True, (1, 8))
    assert painted([solid("a", depth=2.0)], lambda key: rod)[1] == {"a"}        # of a rod less is enough
    legend = Group((solid("a"),), "legend")
    assert painted([legend], lambda key: TILE) == ((legend,), set())


def test_of_several_cuboids_of_a_node_the_last_shows_it_within_groups() -> None:
    first, second = solid("a").marks[0], solid("a", 40).marks[0]
    outer = Group((Group((first, second), "conv", "a"),), "frame")
    (done,), _ = painted([outer], lambda key: TILE)
    assert isinstance(done, Group) and isinstance(done.marks[0], Group)
    assert [type(mark).__name__ for mark in done.marks[0].marks] == ["Cuboid", "Cuboid", "Image", "Path"]
    assert image(done.marks[0]).x == 46


# ------------------------------------------------------------------------------------------------ where marks are

SCENE = Scene((), {"label": Paint(size=10.0), "edge": Paint(stroke_width=2.0), "conv": Paint(fill="#ffffff"),
                   "line": Paint(stroke="#000000")}, 100, 100)


@pytest.mark.parametrize(("mark", "expected"), [
    (Box(1, 2, 3, 4, "conv"), [(1, 2, 4, 6)]), (Circle(5, 5, 2, "conv"), [(3, 3, 7, 7)]),
    (Image(0, 0, 4, 4, b"", rise=-2, lean=1), [(0, -2, 5, 4)]),
    (Cuboid(0, 0, (6, 0), (0, 30), (10, -5), "conv"), [(0, -5, 16, 30)]),
    (Link(((0, 0), (0, 9), (9, 9)), "edge"), [(-1, -1, 1, 10), (-1, 8, 10, 10)]),
    (Path((("M", (1, 1)), ("C", (2, 8, 3, 0, 4, 4)), ("Z", ())), "line"), [(1, 0, 4, 8)]),
    (Group((Box(1, 2, 3, 4, "conv"), Circle(5, 5, 2, "conv"))), [(1, 2, 4, 6), (3, 3, 7, 7)]),
    (Path((("Z", ()),), "line"), [])])
def test_a_mark_covers_its_rectangles(mark: object, expected: list[tuple[float, ...]]) -> None:
    assert [tuple(room) for room in rooms(mark, SCENE)] == expected


@pytest.mark.parametrize("anchor", ["start", "middle", "end"])
def test_words_cover_their_line(anchor: str) -> None:
    (room,) = rooms(Text(50, 20, "words", "label", anchor), SCENE)
    wide = room.x1 - room.x0
    assert 20 < wide < 40 and (room.y0, room.y1) == (pytest.approx(12.2), pytest.approx(22.4))
    assert {"start": room.x0, "middle": room.x0 + wide / 2, "end": room.x1}[anchor] == pytest.approx(50)
    (turned,) = rooms(Text(50, 20, "words", "label", rotate=30.0), SCENE)
    assert turned == pytest.approx((50 - wide, 20 - wide, 50 + wide, 20 + wide))


def test_rooms_meet_and_hold_with_a_distance() -> None:
    one, beside = Room(0, 0, 10, 10), Room(12, 0, 20, 10)
    assert not one.meets(beside) and one.meets(beside, 2.5) and not one.meets(Room(10, 0, 20, 10))
    assert one.holds(Room(2, 2, 8, 8), 2) and not one.holds(Room(2, 2, 8, 8), 2.5) and not one.holds(beside)


def test_the_body_of_a_node_is_its_largest_filled_area() -> None:
    line = Path((("M", (0, 0)), ("L", (90, 90))), "line")
    small, large = Box(0, 0, 5, 5, "conv"), Box(0, 0, 20, 8, "conv")
    assert body(Group((line, small, large)), SCENE) == (0, 0, 20, 8)
    assert body(Group((Text(0, 0, "words", "label"),)), SCENE) is None


def test_a_point_is_inside_a_convex_outline_or_not() -> None:
    ring = [(0, 0), (10, 0), (14, 8), (4, 8)]
    assert inside((7, 4), ring) and not inside((1, 7), ring) and not inside((13, 1), ring)
    front, top, side = _bounds.faces(Cuboid(0, 0, (6, 0), (0, 30), (10, -5), "conv"))
    assert inside((3, 15), front) and inside((8, -2), top) and inside((10, 10), side)


def test_nodes_are_found_wherever_they_are_but_in_the_legend() -> None:
    a, b = Group((), "conv", "a"), Group((), "conv", "b")
    legend, link = Group((Group((), "conv", "c"),), "legend"), Group((), "link", edge=("a", "b"))
    marks = (Group((a,), "frame", "f"), b, legend, link)
    assert [group.node for group in nodes(marks)] == ["a", "b"]
