"""The block form: outlines tell the kind, glyphs their operation, and what is written stands where it belongs."""
from __future__ import annotations

import math
from dataclasses import replace

import pytest

from archviz.core.geometry import Layout, Place, Route
from archviz.core.graph import Graph, Module, Node, TensorSpec
from archviz.core.scene import Box, Circle, Group, Link, Mark, Path, Text
from archviz.drawing.forms import block
from archviz.drawing.labels import looks
from archviz.style.style import load_style
from tests.layouts import wired

STYLE = load_style("block")
S = STYLE.sizes
AT = Place(10, 20, 40, 12)


def layer(kind: str, op: str = "", key: str = "a", **more: object) -> Node:
    return Node(key, op=op or kind, kind=kind, **more)


def alone(node: Node) -> Graph:
    return Graph("one", (node,))


def drawn(node: Node, place: Place = AT, direction: str = "down") -> tuple[Mark, ...]:
    graph = alone(node)
    return block.node_mark(node, looks(graph, STYLE)[node.id], place, direction, STYLE).marks


def corners(mark: Mark) -> list[tuple[float, ...]]:
    assert isinstance(mark, Path)
    return [at for command, at in mark.commands if command in "ML"]


# ------------------------------------------------------------------------------------------------ outlines

def test_a_convolution_is_a_box_with_its_name_in_the_middle() -> None:
    box, words = drawn(layer("conv", "Conv2d", attrs={"kernel_size": [3, 3], "out_channels": 8}))
    assert box == Box(10, 20, 40, 12, "conv", min(S["corner"], 3))
    assert isinstance(words, Text) and (words.string, words.role, words.anchor) == ("3×3 conv, 8", "label", "middle")
    assert (words.x, words.y) == (30, pytest.approx(26 + 0.35 * STYLE.roles["label"].size))


def test_pooling_narrows_along_the_flow() -> None:
    slant = min(S["slant"], 4)
    for direction, ends in {
            "down": [(10, 20), (50, 20), (50 - slant, 32), (10 + slant, 32)],
            "right": [(10, 20), (50, 20 + 2), (50, 32 - 2), (10, 32)]}.items():
        assert corners(drawn(layer("pool", "MaxPool2d", attrs={"kernel_size": 2}), direction=direction)[0]) == ends
    widening = corners(drawn(layer("upsample", "Upsample"), direction="down")[0])
    assert widening == [(10 + slant, 20), (50 - slant, 20), (50, 32), (10, 32)]


@pytest.mark.parametrize(("kind", "turned"), [("add", False), ("mul", True)])
def test_a_sum_is_a_cross_in_a_circle_and_a_product_a_leaning_one(kind: str, turned: bool) -> None:
    circle, *arms = block.glyph(kind, Place(0, 0, 10, 10), kind, STYLE)
    assert circle == Circle(5, 5, 5, kind) and {arm.role for arm in arms} == {"glyph sign"}
    ends = [corners(arm) for arm in arms]
    level = [a[0] == b[0] or a[1] == b[1] for a, b in ends]
    assert level == [not turned] * 2
    assert all((a[0] + b[0], a[1] + b[1]) == pytest.approx((10, 10)) for a, b in ends)      # about the middle
    assert [math.dist(*both) for both in ends] == pytest.approx([5.8] * 2, abs=0.01)
    _, sign = block.glyph("cat", Place(0, 0, 10, 10), "cat", STYLE)
    assert isinstance(sign, Text) and (sign.string, sign.x) == ("C", 5)


def test_what_follows_in_a_box_is_a_stripe_at_its_foot_within_its_outline() -> None:
    node = layer("conv", "Conv2d", attrs={"fused": ["BatchNorm2d", "ReLU"], "fused_kinds": ["norm", "act"]})
    body, norm, act, rim, words = drawn(node, Place(10, 20, 40, 20))
    assert (norm.role, act.role) == ("norm band", "act band") and rim == Box(10, 20, 40, 20, "rim", S["corner"])
    tops = [min(at[1] for at in corners(mark)) for mark in (norm, act)]
    assert tops == pytest.approx([40 - 2 * S["band"], 40 - S["band"]])
    assert words.y < 40 - 2 * S["band"] and body == Box(10, 20, 40, 20, "conv", S["corner"])
    assert block.sizes(alone(node), STYLE)["a"].height == pytest.approx(
        block.sizes(alone(replace(node, attrs={})), STYLE)["a"].height + 2 * S["band"])


def test_copies_of_a_layer_lie_behind_it() -> None:
    boxes = [mark for mark in drawn(layer("conv", "Conv2d", repeat=3), Place(10, 20, 40, 20)) if isinstance(mark, Box)]
    step = S["stack"]
    assert [(box.x, box.y, box.height) for box in boxes] == [
        (10 + i * step, 20 + i * step, 20 - 2 * step) for i in (2, 1, 0)]


def test_a_bar_that_stands_is_read_from_below() -> None:
    graph = Graph("cat", (*(layer("input", key=key) for key in "abcd"), layer("cat", "cat", "z")), wired(
        "a z", "b z", "c z", "d z").edges)
    look = looks(graph, STYLE)["z"]
    assert look.bar and not look.glyph
    *_, words = block.node_mark(graph.by_id["z"], look, Place(0, 0, 10, 60), "right", STYLE).marks
    assert words.rotate == -90 and words.y == 30
    *_, level = block.node_mark(graph.by_id["z"], look, Place(0, 0, 60, 10), "down", STYLE).marks
    assert level.rotate == 0 and level.x == 30


# ------------------------------------------------------------------------------------------------ how big

def test_boxes_of_a_frame_that_are_nearly_as_wide_are_as_wide() -> None:
    words = {"a": "x" * 12, "b": "x" * 10, "c": "x", "d": "x" * 11}
    scopes = {"a": ("f",), "b": ("f",), "c": ("f",), "d": ()}
    nodes = tuple(layer("conv", "Conv2d", key, attrs={"label": words[key]}, scope=scopes[key], index=i)
                  for i, key in enumerate(words))
    sizes = block.sizes(Graph("g", nodes, (), {"f": Module("f")}), STYLE)
    assert sizes["a"].width == sizes["b"].width > sizes["d"].width > sizes["c"].width
    assert sizes["c"].width == S["min_box"]
    assert sizes["a"].width == pytest.approx(block.words_room([(words["a"], "label")], STYLE)[0] + 2 * S["box_x"])


def test_a_glyph_is_a_joint_and_a_frame_that_repeats_is_whole() -> None:
    graph = Graph("g", (layer("add", "add", scope=("f",)),), (), {"f": Module("f", "Block", "f", repeat=4)})
    assert block.sizes(graph, STYLE)["a"].joint and block.sizes(graph, STYLE)["a"].width == S["glyph"]
    frame = block.frames(graph, STYLE)["f"]
    assert frame.whole and frame.skirt == 2 * S["stack"] and frame.count > S["title_gap"] and frame.title > 0
    once = block.frames(replace(graph, modules={"f": Module("f", "Block", "f")}), STYLE)["f"]
    assert not once.whole and once.skirt == once.count == 0 and once.title == frame.title


# ------------------------------------------------------------------------------------------------ whole drawings

def laid(graph: Graph, *routes: Route, frames: dict[str, Place] | None = None) -> Layout:
    nodes = {node.id: Place(0, 30 * i, 40, 12) for i, node in enumerate(graph.nodes)}
    frames = frames or {}
    return Layout(nodes, frames, routes, 100, 200, {key: (p.x + 4, p.y + 8) for key, p in frames.items()})


def test_frames_lie_at_the_back_then_lines_the_main_one_on_top_then_boxes() -> None:
    graph = wired("a b c", "a c")
    graph = replace(graph, nodes=tuple(replace(node, scope=("f",)) for node in graph.nodes),
                    modules={"f": Module("f", "Block", "layers.f")})
    routes = (Route("a", "b", ((20, 12), (20, 30))), Route("b", "c", ((20, 42), (20, 60))),
              Route("a", "c", ((20, 12), (20, 20), (60, 20), (60, 66), (40, 66)), True))
    marks = block.draw(graph, laid(graph, *routes, frames={"f": Place(-5, -15, 90, 100)}), STYLE)
    groups = [mark for mark in marks if isinstance(mark, Group)]
    assert [group.edge or group.node for group in groups] == ["f", ("a", "c"), ("a", "b"), ("b", "c"), "a", "b", "c"]
    assert [group.marks[-1].string for group in groups[-3:]] == ["a", "b", "c"]
    outline, title = groups[0].marks
    assert outline == Box(-5, -15, 90, 100, "frame", S["corner"]) and (title.x, title.y) == (-1, -7)
    assert groups[0].title == "layers.f (Block)"
    links = {group.edge: group.marks[0] for group in groups if group.edge}
    assert isinstance(links["a", "c"], Link) and links["a", "c"].role == "edge skip"
    assert links["a", "b"] == Link(((20, 12), (20, 30)), "edge", S["bend"], True, S["arrow"])


def test_a_frame_that_stands_for_many_says_so_over_copies_of_itself() -> None:
    graph = replace(wired("a"), modules={"f": Module("f", "Block", "f", repeat=4)})
    graph = replace(graph, nodes=(replace(graph.nodes[0], scope=("f",), repeat=4),))
    frame = block.draw(graph, laid(graph, frames={"f": Place(0, 0, 60, 40)}), STYLE)[0]
    boxes = [mark for mark in frame.marks if isinstance(mark, Box)]
    assert [box.x for box in boxes] == [2 * S["stack"], S["stack"], 0]
    title, count = (mark for mark in frame.marks if isinstance(mark, Text))
    assert "4" in count.string and count.role == "frame count" and count.x > title.x and count.y == title.y


@pytest.mark.parametrize(("way", "end", "before", "anchor"), [
    ("down", (20, 30), (20, 12), "start"), ("right", (40, 6), (20, 6), "end"), ("up", (20, 30), (20, 60), "start")])
def test_the_shape_stands_beside_the_arrow_that_brings_it(way: str, end: tuple[float, float],
                                                         before: tuple[float, float], anchor: str) -> None:
    label = block._arrow_label("8×8", [before, end], way, STYLE)
    size, gap = STYLE.roles["shape"].size, S["label_gap"]
    at = {"down": (20 + gap, 30 - gap), "right": (40 - S["arrow"] - gap, 6 + 0.72 * size + gap),
          "up": (20 + gap, 30 + 0.72 * size + gap)}[way]
    assert (label.x, label.y) == pytest.approx(at) and (label.anchor, label.role) == (anchor, "shape")


def test_the_legend_names_each_kind_stripe_and_line_once() -> None:
    spec = TensorSpec((1, 8, 4, 4))
    kinds = {"a": "input", "b": "conv", "c": "conv", "d": "add"}
    graph = wired("a b c d", "b d")
    graph = replace(graph, nodes=tuple(replace(node, op=kinds[node.id], kind=kinds[node.id], out=(spec,), attrs={
        "fused_kinds": ["act"], "fused": ["ReLU"]} if node.id == "c" else {}) for node in graph.nodes))
    entries = dict(block.legend(graph, STYLE))
    assert list(entries) == [STYLE.kinds["conv"].name, STYLE.kinds["add"].name, STYLE.kinds["act"].name,
                             STYLE.captions["edge skip"]]
    assert entries[STYLE.kinds["conv"].name] == (Box(0, 0, S["swatch"], S["swatch_height"], "conv", min(
        S["corner"], S["swatch_height"] / 4)),)
    assert isinstance(entries[STYLE.kinds["add"].name][0], Circle)
    (line,) = entries[STYLE.captions["edge skip"]]
    assert isinstance(line, Link) and line.role == "edge skip"
