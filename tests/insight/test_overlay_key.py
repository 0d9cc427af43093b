"""What explains an overlay: the bar and entries below the figure or beside it, badges with their letters and words."""
from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from math import dist

import pytest

from archviz.core.scene import Box, Circle, Cuboid, Group, Scene, Text
from archviz.insight.overlay._bounds import Room
from archviz.insight.overlay._key import badges, key, letters, meaning
from archviz.insight.painting import colormap
from tests.pictures import MARGIN, STYLE, bars, every, said

ON = colormap.scale([-1.0, 1.0], STYLE.heat, True, unit="relevance")
ENTRIES = [("no value", (Box(0.0, 0.0, 12.0, 7.4, "heat none"),))]


def shown(scale: colormap.Scale | None = ON, entries: object = (), width: float = 200.0, height: float = 100.0,
          page: float | None = None) -> tuple[Scene, float, float]:
    style = STYLE if page is None else replace(STYLE, page=replace(STYLE.page, max_height=page))
    marks, wider, higher = key(Scene((), STYLE.roles, width, height), style, scale, entries)
    return Scene(marks, STYLE.roles, width + wider, height + higher), wider, higher


def test_the_bar_stands_in_the_middle_below_the_figure_and_the_page_grows() -> None:
    scene, wider, higher = shown()
    (bar,) = bars(scene)
    assert bar.width == 120 and bar.x + 60 == pytest.approx(100, abs=2) and wider == 0
    assert bar.y == pytest.approx(100 - MARGIN + STYLE.sizes["legend_gap"]) and higher > STYLE.sizes["legend_gap"]
    lowest = max(mark.y for mark in every(scene.marks) if isinstance(mark, Text))
    assert bar.y < lowest < scene.height - MARGIN and "relevance" in said(scene)


def test_entries_stand_above_the_bar_and_without_either_nothing_is_added() -> None:
    scene, _, higher = shown(entries=ENTRIES)
    (bar,) = bars(scene)
    swatch = next(mark for mark in every(scene.marks) if isinstance(mark, Box) and mark.role == "heat none")
    assert swatch.y + swatch.height < bar.y and higher > shown()[2] and "no value" in said(scene)
    alone, _, _ = shown(None, ENTRIES)
    assert not bars(alone) and said(alone) == ["no value"]
    assert shown(None)[0].marks == () and shown(None)[1:] == (0.0, 0.0)


def test_a_narrow_figure_has_a_shorter_bar() -> None:
    scene, _, _ = shown(width=80.0)
    assert bars(scene)[0].width == pytest.approx(80 - 2 * MARGIN - 2 * 8)


def test_where_the_page_may_not_be_higher_it_stands_at_the_right() -> None:
    scene, wider, higher = shown(entries=ENTRIES, height=150.0, page=160.0)
    assert higher == 0 and wider > 0
    assert min(mark.x for mark in every(scene.marks) if isinstance(mark, Box)) > 200 - MARGIN
    assert max(mark.y for mark in every(scene.marks) if isinstance(mark, Text)) <= 150 - MARGIN


# ------------------------------------------------------------------------------------------------ badges

def test_each_remark_has_a_letter_of_its_own() -> None:
    marks = {"a": ("dead 3/8", "saturated 5 %"), "b": ("drifting",), "c": ("dead 1/8", "dd")}
    assert letters(marks) == {"dead": "D", "saturated": "S", "drifting": "R", "dd": "1"}
    assert letters({"a": ("", "  ")}) == {}


@pytest.mark.parametrize(("marks", "words"), [
    ({"a": ("dead 33/64",)}, "dead: 33 of 64 units of this layer"),
    ({"a": ("dead 33/64",), "b": ("dead 47/64", "slow")}, "dead: 80 of 128 units of these layers"),
    ({"a": ("dead 30 %",)}, "dead: 30 % of the values"), ({"a": ("dead 30 %",), "b": ("dead 9%",)},
                                                          "dead: up to 30 % of the values"),
    ({"a": ("dead 30 %",), "b": ("dead 3/9",)}, "dead"), ({"a": ("dead",)}, "dead")])
def test_the_legend_says_how_much_a_badge_means(marks: dict[str, tuple[str, ...]], words: str) -> None:
    assert meaning("dead", marks) == words


def discs(group: Group) -> list[tuple[float, float]]:
    return [(mark.x, mark.y) for mark in group.marks if isinstance(mark, Circle)]


def test_badges_stand_at_the_corner_of_a_box_apart_from_each_other() -> None:
    letter, taken = {"dead": "D", "slow": "S"}, list[tuple[float, float]]()
    box = Group((Box(10, 20, 40, 12, "conv"),), "conv", "a")
    made = badges(box, Room(10, 20, 50, 32), ["dead 3/8", "slow", "dead 9/9"], letter, taken)
    assert discs(made)[0] == (10, 20) and len(discs(made)) == 2 == len(taken)
    assert [mark.string for mark in made.marks if isinstance(mark, Text)] == ["D", "S"]
    assert made.title == "dead 3/8; slow; dead 9/9"
    other = badges(box, Room(11, 20, 51, 32), ["dead"], letter, taken)
    assert all(dist(a, b) > 2 * 3.4 for a, b in combinations([*discs(made), *discs(other)], 2))


def test_the_badge_of_a_cuboid_is_on_its_top() -> None:
    cuboid = Cuboid(0, 0, (10, 0), (0, 30), (20, -12), "conv")
    made = badges(Group((cuboid,), "conv", "a"), Room(0, -12, 30, 30), ["dead"], {"dead": "D"}, [])
    assert discs(made) == [cuboid.at(0.5, 0, 0.75)]
