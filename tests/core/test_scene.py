"""Lowering: rich marks become the four core marks, in the same place and the same paint."""
from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archviz.core.scene import (
    Box,
    Circle,
    Command,
    Group,
    Image,
    Link,
    Mark,
    Paint,
    Path,
    Scene,
    Text,
    lower,
    lowered,
    moved,
)

length = st.floats(0.1, 200)
place = st.floats(-100, 500)
points = st.lists(st.tuples(place, place), min_size=0, max_size=6).map(tuple)


def ends(commands: tuple[Command, ...]) -> list[tuple[float, float]]:
    """The points a path passes through."""
    return [numbers[-2:] for _, numbers in commands if numbers]  # type: ignore[misc]


def flat(path: Path) -> list[float]:
    return [number for point in ends(path.commands) for number in point]


def bounds(path: Path) -> tuple[float, float, float, float]:
    xs, ys = zip(*ends(path.commands), strict=True)
    return min(xs), min(ys), max(xs), max(ys)


@given(place, place, length, length, st.floats(0, 50))
def test_a_box_fills_its_rectangle(x: float, y: float, w: float, h: float, radius: float) -> None:
    (path,) = lower(Box(x, y, w, h, "conv", radius))
    assert isinstance(path, Path) and path.role == "conv"
    assert bounds(path) == pytest.approx((x, y, x + w, y + h))
    assert path.commands[0][0] == "M" and path.commands[-1] == ("Z", ())
    assert {letter for letter, _ in path.commands} <= set("MLCZ")


@given(place, place, length)
def test_a_circle_fills_its_square(x: float, y: float, r: float) -> None:
    (path,) = lower(Circle(x, y, r, "add"))
    assert isinstance(path, Path)
    assert bounds(path) == pytest.approx((x - r, y - r, x + r, y + r))


def test_a_link_ends_in_a_head_whose_tip_is_its_last_point() -> None:
    line, head = lower(Link(((0, 0), (0, 20), (30, 20)), "edge skip", radius=4, head=3))
    assert isinstance(line, Path) and isinstance(head, Path)
    assert (line.role, head.role) == ("edge skip", "edge skip head")
    assert flat(line) == pytest.approx([0, 0, 0, 16, 4, 20, 27.6, 20])
    assert line.commands[2][0] == "C" and ("Z", ()) not in line.commands
    assert ends(head.commands)[0] == (30, 20)
    assert bounds(head) == pytest.approx((27, 20 - 1.26, 30, 20 + 1.26))


def test_a_link_without_a_head_reaches_its_end() -> None:
    (line,) = lower(Link(((0, 0), (10, 0)), "edge", arrow=False))
    assert isinstance(line, Path) and line.commands == (("M", (0, 0)), ("L", (10, 0)))


def test_a_link_forgets_points_that_do_not_bend_it() -> None:
    straight = lower(Link(((0, 0), (0, 30)), "edge"))
    assert lower(Link(((0, 0), (0, 0), (0, 10), (0, 20), (0, 20), (0, 30)), "edge")) == straight
    assert lower(Link(((5, 5), (5, 5)), "edge")) == () and lower(Link((), "edge")) == ()


def test_close_corners_share_the_room_between_them() -> None:
    (line,) = lower(Link(((0, 0), (0, 10), (4, 10), (4, 20)), "edge", radius=5, arrow=False))
    assert isinstance(line, Path)
    assert flat(line) == pytest.approx([0, 0, 0, 5, 2, 10, 2, 10, 4, 15, 4, 20])


@given(points, st.floats(0, 20), st.booleans(), st.floats(0.5, 8))
def test_any_link_stays_within_its_corners(
        corners: tuple[tuple[float, float], ...], radius: float, arrow: bool, head: float) -> None:
    for path in lower(Link(corners, "edge", radius, arrow, head)):
        assert isinstance(path, Path)
        room = head if path.role.endswith("head") else 1e-6     # a head is wider than its line
        x0, y0, x1, y1 = bounds(path)
        assert min(x for x, _ in corners) - room <= x0 and x1 <= max(x for x, _ in corners) + room
        assert min(y for _, y in corners) - room <= y0 and y1 <= max(y for _, y in corners) + room


marks = st.recursive(
    st.one_of(
        st.builds(Box, place, place, length, length, st.just("conv"), st.floats(0, 9)),
        st.builds(Circle, place, place, length, st.just("add")),
        st.builds(Link, points, st.just("edge")),
        st.builds(Text, place, place, st.text(), st.just("label"), st.sampled_from(["start", "middle", "end"]), place),
        st.builds(Image, place, place, length, length, st.just(b"png"), st.just("image"), place, place, st.booleans())),
    lambda inner: st.builds(Group, st.lists(inner, max_size=4).map(tuple), st.just("conv"), st.text(max_size=5)),
    max_leaves=12)


@given(st.lists(marks, max_size=6).map(tuple))
def test_lowering_leaves_core_marks_and_nothing_to_lower(many: tuple[Mark, ...]) -> None:
    scene = Scene(many, {}, 100, 100)

    def core(mark: Mark) -> bool:
        return all(map(core, mark.marks)) if isinstance(mark, Group) else isinstance(mark, (Path, Text, Image))

    low = lowered(scene)
    assert all(map(core, low.marks))
    assert lowered(low) == low
    assert replace(low, marks=()) == replace(scene, marks=())


def test_a_picture_askew_has_its_corners_and_moves_whole() -> None:
    image = Image(10, 20, 30, 40, b"png", rise=-15, lean=5)
    assert image.corners == ((10, 20), (40, 5), (45, 45), (15, 60))
    there = moved(image, 3, -4)
    assert isinstance(there, Image) and there.corners == tuple((x + 3, y - 4) for x, y in image.corners)
    assert (there.along, there.down) == (image.along, image.down)


def test_a_role_is_painted_as_the_sheet_says_or_as_what_it_belongs_to() -> None:
    edge, conv = Paint(stroke="#123456", dash=(1, 2)), Paint(fill="#ffffff", stroke="#000000")
    scene = Scene((), {"edge": edge, "conv": conv, "conv band": edge}, 1, 1)
    assert scene.paint("edge") == edge
    assert scene.paint("edge head") == Paint(fill="#123456")
    assert scene.paint("conv rim") == Paint(stroke="#000000")
    assert scene.paint("conv band") == edge
    assert scene.paint("conv band head").fill == "#123456"
    assert scene.paint("conv top") == conv
    assert scene.paint("conv side").fill == "#f2f2f2"
    veiled = replace(scene, sheet={**scene.sheet, "side": Paint("#ff0000", opacity=0.5)})
    assert veiled.paint("conv side").fill == "#ff8080" and veiled.paint("conv top") == conv
    hatched = replace(scene, sheet={"conv": replace(conv, hatch="dots", hatch_color="#000000")})
    assert hatched.paint("conv top").hatch == "dots" and hatched.paint("conv top").hatch_color == "#737373"
    assert not any(hatched.paint(f"conv {part}").hatch for part in ("head", "rim", "hidden"))
    assert scene.paint("conv hidden").fill is None and scene.paint("conv hidden").dash
    for role in ("edgy", "head", "edgy head", "side", "edgy top", ""):
        with pytest.raises(LookupError, match=repr("edgy" if role.startswith("edgy ") else role)):
            scene.paint(role)
