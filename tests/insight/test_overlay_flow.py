"""Widths of an overlay: a link as wide as what runs along it, trunks as wide as all, what is negative dashed."""
from __future__ import annotations

import pytest

from archviz.core.scene import Group, Link, Paint, Point, Scene, Text
from archviz.insight.overlay._flow import Widths
from archviz.insight.painting import colormap
from tests.pictures import STYLE

ON = colormap.scale([-1.0, 1.0], STYLE.heat, True)
SCENE = Scene((), {"edge": Paint(stroke="#333333", stroke_width=0.6), "edge skip": Paint(stroke="#333333")}, 100, 100)


def link(src: str, dst: str, *points: Point, role: str = "edge") -> Group:
    return Group((Link(points or ((0, 0), (0, 20)), role, 2.0, True, 3.2),), "link", edge=(src, dst))


def widths(**flows: float) -> Widths:
    return Widths(SCENE, ON, {(ends[0], ends[1]): value for ends, value in flows.items()})


def line(group: Group) -> Link:
    (found,) = (mark for mark in group.marks if isinstance(mark, Link))
    return found


def test_a_link_is_as_wide_as_its_share_of_the_largest_flow() -> None:
    made = widths(ab=2.0, bc=1.0, cd=0.001)
    found = [line(made.group(link(a, b))) for a, b in ("ab", "bc", "cd")]
    assert [made.sheet[one.role].stroke_width for one in found] == pytest.approx([1.7, 0.85, 0.35])     # the thinnest
    assert [one.head for one in found] == pytest.approx([4.4, 3.2, 3.2])       # no smaller than it was
    assert {made.sheet[one.role].stroke for one in found} == {"#333333"} and made.seen == {("a", "b"), ("b", "c"),
                                                                                         ("c", "d")}


def test_what_is_negative_is_dashed_in_the_colour_below_zero() -> None:
    made = widths(ab=-1.0, bc=2.0)
    paint = made.sheet[line(made.group(link("a", "b"))).role]
    assert (paint.stroke, paint.dash, paint.stroke_width) == (ON.colour(-1.0), (2.0, 1.3), pytest.approx(0.85))
    plain = Widths(SCENE, colormap.scale([1.0], STYLE.heat, False), {("a", "b"): -1.0})
    assert plain.sheet | {} == {} and plain.group(link("a", "b")) and set(plain.sheet) == {"edge against 34"}
    assert plain.sheet["edge against 34"].stroke == "#333333"


def test_what_is_no_single_line_with_a_flow_stays_as_it_is() -> None:
    made = widths(ab=1.0)
    several = Group((Link(((0, 0), (0, 9)), "edge"), Link(((1, 0), (1, 9)), "edge")), "link", edge=("a", "b"))
    for group in (link("b", "c"), several, link("a", "b", role="weight 40")):
        assert made.group(group) is group
    assert widths(ab=0.0).group(link("a", "b")) == link("a", "b") and not made.seen
    words = Group((Text(0, 0, "64", "label"), *link("a", "b").marks), "link", edge=("a", "b"))
    assert made.group(words).marks[0] == words.marks[0]


def trunks(made: Widths, *links: Group) -> dict[tuple[Point, ...], float]:
    """The lines over what links have in common, with their widths in points."""
    drawn = [made.group(one) for one in links]
    return {line(group).points: made.sheet[line(group).role].stroke_width for group in made.trunks(drawn)}


def test_where_links_leave_together_the_line_is_as_wide_as_all() -> None:
    made = widths(ab=1.0, ac=0.5)
    links = (link("a", "b", (0, 0), (0, 20)), link("a", "c", (0, 0), (0, 10), (30, 10)))
    # up to where the second one begins to bend, its radius before the corner
    assert trunks(made, *links) == {((0, 0), (0, 8)): pytest.approx(1.7)}
    assert [group.title for group in made.trunks([made.group(one) for one in links])] == ["a: 1.5"]
    opposite = widths(ab=1.0, ac=-0.75)
    assert trunks(opposite, *links) == {((0, 0), (0, 8)): pytest.approx(round(1.7 * 0.25 / 0.05) * 0.05)}


def test_a_trunk_branches_into_trunks() -> None:
    made = widths(ab=1.0, ac=0.5, ad=0.5)
    found = trunks(made, link("a", "b", (0, 0), (0, 40)), link("a", "c", (0, 0), (0, 20), (30, 20), (30, 40)),
                   link("a", "d", (0, 0), (0, 20), (60, 20), (60, 40)))
    assert set(found) == {((0, 0), (0, 18)), ((2, 20), (28, 20))}
    assert found[(2, 20), (28, 20)] == pytest.approx(1.7)       # a half and a half


def test_links_from_elsewhere_share_nothing() -> None:
    made = widths(ab=1.0, cb=1.0)
    assert trunks(made, link("a", "b", (0, 0), (0, 20)), link("c", "b", (5, 0), (5, 20))) == {}


def test_the_legend_has_a_round_flow_its_half_and_its_tenth() -> None:
    made = widths(ab=0.37, bc=-0.1)
    assert made.entries(12.0, 7.0) == []        # nothing was drawn
    large = widths(ab=0.77)
    large.group(link("a", "b"))
    assert [word for word, _ in large.entries(12.0, 7.0)] == ["flow 0.5", "0.25", "0.05"]
    made.group(link("a", "b"))
    assert [word for word, _ in made.entries(12.0, 7.0)] == ["flow 0.2", "0.1", "0.02"]
    made.group(link("b", "c"))
    entries = dict(made.entries(12.0, 7.0))
    assert list(entries) == ["flow 0.2", "0.1", "0.02", "negative flow"]
    (drawn,) = entries["flow 0.2"]
    assert isinstance(drawn, Link) and drawn.points == ((0, 3.5), (12, 3.5)) and not drawn.arrow
    assert made.sheet[drawn.role].stroke_width == pytest.approx(round(1.7 * 0.2 / 0.37 / 0.05) * 0.05)
