"""Rectangles, lines and layouts: what they are asked for wherever something is placed."""
from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from archviz.core.geometry import Layout, Place, Point, Route, around, bounds, cleaned, united

LENGTHS = st.integers(0, 60).map(lambda n: n / 4)       # quarters add up exactly
STEPS = st.integers(-40, 40).map(lambda n: n / 4)
PLACES = st.builds(Place, STEPS, STEPS, LENGTHS, LENGTHS)
POINTS = st.tuples(STEPS, STEPS)
GRID = st.tuples(st.integers(0, 3), st.integers(0, 3))


@given(PLACES)
def test_edges_and_centre(place: Place) -> None:
    assert Place.between(place.x, place.y, place.right, place.bottom) == place
    assert place.centre == (place.cx, place.cy)
    assert place.cx - place.x == place.right - place.cx and place.cy - place.y == place.bottom - place.cy


@given(PLACES, PLACES, STEPS, STEPS)
def test_meeting_is_mutual_and_moves_along(a: Place, b: Place, dx: float, dy: float) -> None:
    assert a.meets(b) == b.meets(a) == a.moved(dx, dy).meets(b.moved(dx, dy))
    assert a.meets(b) or not a.holds(b) or 0.0 in (a.width, a.height, b.width, b.height)
    assert not a.meets(a.moved(a.width, 0.0)) and not a.meets(a.moved(0.0, a.height))       # an edge is nothing


@given(PLACES, st.integers(0, 8))
def test_grown_holds_what_it_was(place: Place, by: int) -> None:
    assert place.grown(by).holds(place)
    assert place.grown(by).centre == place.centre


@given(st.lists(PLACES, min_size=1))
def test_union_holds_all_and_no_more(places: list[Place]) -> None:
    whole = united(iter(places))
    assert all(whole.holds(place) for place in places)
    assert bounds(places) == (whole.x, whole.y, whole.right, whole.bottom) == bounds([whole])
    assert united([whole, places[0]]) == whole


@given(PLACES, POINTS, st.booleans(), STEPS)
def test_a_line_crosses_what_its_own_rectangle_meets(place: Place, a: Point, level: bool, by: float) -> None:
    b = (a[0] + by, a[1]) if level else (a[0], a[1] + by)
    assert place.crossed(a, b) == place.crossed(b, a)
    line = around([a, b]).grown(1 / 16)
    assert place.meets(line) or not place.crossed(a, b)


@given(st.lists(GRID).map(sorted), st.booleans())       # sorted: it never runs back on itself
def test_a_cleaned_line_runs_as_it_did(points: list[Point], slanted: bool) -> None:
    line = cleaned(points, slanted=slanted)
    assert cleaned(line, slanted=slanted) == line
    assert line[:1] == tuple(points[:1]) and line[-1:] == tuple(points[-1:]) and set(line) <= set(points)
    assert all(a != b for a, b in pairwise(line))
    for a, b, c in zip(line, line[1:], line[2:], strict=False):
        assert not (a[0] == b[0] == c[0] or a[1] == b[1] == c[1])


def test_what_is_near_is_the_same() -> None:
    bent = ((0.0, 0.0), (0.0, 5.0), (0.005, 9.0), (0.005, 9.005), (7.0, 9.0))
    assert cleaned(bent, 0.01) == ((0.0, 0.0), (0.005, 9.0), (7.0, 9.0))
    assert cleaned(bent) == bent
    assert cleaned(((0, 0), (1, 1), (2, 2)), slanted=True) == ((0, 0), (2, 2))
    assert len(cleaned(((0, 0), (1, 1), (2, 2)))) == 3


@given(PLACES, PLACES, POINTS, STEPS, STEPS)
def test_a_layout_moves_as_one(a: Place, b: Place, at: Point, dx: float, dy: float) -> None:
    one = Layout({"a": a}, {"f": b}, (Route("a", "a", (at, at)),), 9.0, 9.0, {"f": at}, "right", ((1, 2),))
    away = one.moved(dx, dy)
    assert away.nodes == {"a": a.moved(dx, dy)} and away.frames == {"f": b.moved(dx, dy)}
    assert away.routes == (one.routes[0].moved(dx, dy),) and away.titles["f"] == away.routes[0].points[0]
    assert (away.width, away.height, away.direction, away.cuts) == (9.0, 9.0, "right", ((1, 2),))
    assert away.moved(-dx, -dy) == one
    other = Layout({"b": b}, {}, (), 1.0, 1.0)
    assert one.joined(other).nodes == {"a": a, "b": b} and one.joined(other).routes == one.routes
