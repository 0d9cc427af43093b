"""The tower form: thin boxes in the colour of their band, sizes in the margin, shortcuts as curves at the side."""
from __future__ import annotations

from dataclasses import replace

import pytest

from archviz.core.disjoint_union import united
from archviz.core.geometry import Layout, Place, Route
from archviz.core.graph import Graph, TensorSpec
from archviz.core.scene import Box, Circle, Group, Link, Mark, Path, Text
from archviz.drawing.forms import tower
from archviz.drawing.layouts.towers import towers
from archviz.style.style import load_style
from tests.layouts import wired

STYLE = load_style("tower")
S = STYLE.sizes


def network(sides: str = "88844", channels: tuple[int, ...] = (8, 8, 8, 16, 16)) -> Graph:
    """Convolutions a and b, their sum c, d of half the size, an output."""
    graph = wired("a b c d z", "a c")
    kinds = {"c": "add", "z": "output"}
    return replace(graph, nodes=tuple(replace(
        node, op=kinds.get(node.id, "Conv2d"), kind=kinds.get(node.id, "conv"), params=100,
        attrs={} if node.id in kinds else {"kernel_size": [3, 3], "out_channels": width},
        out=(TensorSpec((1, width, int(side), int(side)), axes="NCHW"),))
        for node, side, width in zip(graph.nodes, sides, channels, strict=True)))


def drawn(graph: Graph) -> tuple[Layout, tuple[Mark, ...]]:
    layout = towers(graph, tower.sizes(graph, STYLE), tower.frames(graph, STYLE), S)
    return layout, tower.draw(graph, layout, STYLE)


def groups(marks: tuple[Mark, ...]) -> dict[object, Group]:
    return {mark.edge or mark.node: mark for mark in marks if isinstance(mark, Group)}


def test_boxes_are_all_as_wide_sums_are_points_and_a_lone_output_is_an_arrow() -> None:
    sizes = tower.sizes(network(), STYLE)
    assert len({sizes[key].width for key in "abd"}) == 1 and sizes["a"].width >= S["min_box"]
    assert sizes["a"].height == STYLE.roles["label"].size * S["leading"] + 2 * S["box_y"]
    assert sizes["c"].joint and sizes["c"].width == S["glyph"]
    assert (sizes["z"].abuts, sizes["z"].width, sizes["z"].height) == ("d", 0, S["along"])
    layout, marks = drawn(network())
    (arrow,) = groups(marks)["z"].marks
    end = layout.nodes["z"]
    assert arrow == Link(((end.cx, end.y), (end.cx, end.bottom)), "edge", 0.0, True, S["arrow"])
    (point,) = groups(marks)["c"].marks
    assert point == Circle(*layout.nodes["c"].centre, S["glyph"] / 2, "join")


def test_a_box_has_the_colour_of_its_band_and_its_words_in_one_line() -> None:
    layout, marks = drawn(network())
    found = groups(marks)
    assert [found[key].role for key in "abd"] == ["stage 1", "stage 1", "stage 2"]
    outline, words = found["a"].marks
    at = layout.nodes["a"]
    assert outline == Box(at.x, at.y, at.width, at.height, "stage 1", S["corner"])
    assert words == Text(at.cx, at.cy + 0.35 * STYLE.roles["label"].size, "3×3 conv, 8", "label", "middle")


def test_every_second_band_is_shaded_and_its_size_stands_once_in_the_margin() -> None:
    layout, marks = drawn(network())
    bands = [mark for mark in marks if isinstance(mark, Box)]
    assert [(band.role, band.x, band.width) for band in bands] == [("band", 0, layout.width)]
    assert bands[0].y == layout.nodes["a"].y - S["along"] / 2
    assert bands[0].y + bands[0].height == pytest.approx(layout.nodes["d"].y - S["along"] / 2)
    margin = [mark for mark in marks if isinstance(mark, Text)]
    assert [text.string.split()[-1] for text in margin] == ["8", "4"] and margin[0].string != "8"      # says what it is
    assert margin[1].string == "4"
    assert all(text.anchor == "end" and text.x < layout.nodes["a"].x for text in margin)
    assert margin[1].y == pytest.approx(layout.nodes["d"].cy + 0.35 * STYLE.roles["shape"].size)


def test_where_all_sizes_are_the_same_there_is_no_margin() -> None:
    layout, marks = drawn(network("88888"))
    assert layout.nodes["a"].x == 0 and not [mark for mark in marks if not isinstance(mark, Group)]


@pytest.mark.parametrize(("channels", "role"), [
    ((8, 8, 8, 16, 16), "edge skip"), ((8, 16, 16, 16, 16), "edge projected")])
def test_a_shortcut_is_a_curve_dashed_where_the_shape_changes(channels: tuple[int, ...], role: str) -> None:
    layout, marks = drawn(network(channels=channels))
    curve, head = groups(marks)["a", "c"].marks
    assert isinstance(curve, Path) and (curve.role, head.role) == (role, f"{role} head")
    points = next(route.points for route in layout.routes if (route.src, route.dst) == ("a", "c"))
    assert curve.commands[0] == ("M", points[1]) and curve.commands[1] == ("L", points[2])
    assert [command for command, _ in curve.commands] == ["M", "L", "C", "L", "C", "L"]
    assert curve.commands[2][1][-2] == points[3][0]      # as far out as its lane
    assert head.commands[0] == ("M", points[-1]) and points[-1][0] == pytest.approx(layout.nodes["c"].right)
    assert (STYLE.captions[role],) == tuple(name for name, _ in tower.legend(network(channels=channels), STYLE))


def test_lines_into_a_sum_have_no_head_and_shortcuts_are_drawn_first() -> None:
    _, marks = drawn(network())
    found = groups(marks)
    assert [key for key in found if isinstance(key, tuple)][0] == ("a", "c")
    assert not found["b", "c"].marks[0].arrow and found["c", "d"].marks[0].arrow


def test_in_another_layout_a_shortcut_is_a_line_and_sizes_stand_at_the_boxes() -> None:
    graph = network()
    nodes = {node.id: Place(0, 30 * i, 40, 9) for i, node in enumerate(graph.nodes)}
    routes = (Route("a", "c", ((20, 9), (60, 9), (60, 64), (40, 64)), True),)
    marks = tower.draw(graph, Layout(nodes, {}, routes, 60, 160), STYLE)
    (line,) = groups(marks)["a", "c"].marks
    assert isinstance(line, Link) and line.points == routes[0].points and line.role == "edge skip"
    texts = [mark for mark in marks if isinstance(mark, Text)]
    assert [(text.x, text.anchor) for text in texts] == [(20 + S["margin_pad"] / 2, "start")] * 2


def test_models_side_by_side_have_their_names_and_costs_above() -> None:
    graph = united([network(), network()], ["one", "<two>"])
    frames = tower.frames(graph, STYLE)
    layout, marks = drawn(graph)
    for key, name in zip(graph.attrs["models"], ("one", "<two>"), strict=True):
        title, costs = groups(marks)[key].marks
        middle = layout.nodes[f"{key}.a"].cx
        assert (title.string, title.role, title.anchor) == (name, "column title", "middle")
        assert title.x == costs.x == pytest.approx(middle) and title.y < costs.y < layout.nodes[f"{key}.a"].y
        assert "500 parameters" in costs.string and frames[key].bar > costs.y - title.y


def test_variants_stand_ever_closer() -> None:
    gaps = [style.sizes["along"] / S["along"] for style in tower.TRAITS.variants(STYLE)]
    assert gaps == pytest.approx([1.6, 1.25, 1.0, 0.88])
