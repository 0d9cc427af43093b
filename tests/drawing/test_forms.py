"""What every form promises, asked directly: room for each node, each node and edge drawn once, where it was placed."""
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings

from archviz.core.geometry import Layout
from archviz.core.graph import Graph, Node, TensorSpec
from archviz.core.plugins import find
from archviz.core.scene import Box, Circle, Cuboid, Group, Image, Link, Mark, Path, Scene, Text, moved, walk
from archviz.drawing.forms._shapes import node_group
from archviz.style.style import Style, load_style
from tests.graphs import Builder
from tests.layouts import reordered, stacks

STYLES = ("block", "cube", "node-link", "planes", "radial", "sublayers", "tower", "wire")
LEFT_OUT = {"planes": {("/Linear", "/out:0")}, "tower": {("/Linear", "/out:0")},
            "wire": {("/Linear", "/out:0"), ("a->b<i>\x07", "/MaxPool2d")}}
"""Lines that a drawing says without: into a note, out of the figure."""
HOSTILE = "a->b<i>\x07"


@cache
def style(name: str) -> Style:
    return load_style(name)


def small() -> Graph:
    """What all forms draw: an image, convolutions that one passes by, a vector, names that are no names."""
    build = Builder("Small")
    x = build.input("image", (1, 3, 32, 32))
    x = y = build.op("Conv2d", x, shape=(1, 8, 32, 32), out_channels=8, kernel_size=[3, 3], params=224, name=HOSTILE)
    y = build.op("MaxPool2d", y, shape=(1, 8, 16, 16), kernel_size=2)
    y = build.op("Conv2d", y, shape=(1, 16, 16, 16), out_channels=16, kernel_size=[3, 3], params=1168)
    z = build.op("Conv2d", x, shape=(1, 16, 16, 16), out_channels=16, kernel_size=[1, 1], params=144)
    x = build.op("add", y, z, shape=(1, 16, 16, 16))
    x = build.op("mean", x, shape=(1, 16))
    build.output(build.op("Linear", x, shape=(1, 10), out_features=10, params=170))
    graph = build.graph()
    axes = {4: "NCHW", 2: "NC"}
    return replace(graph, nodes=tuple(replace(node, out=tuple(
        TensorSpec(one.shape, axes=axes[len(one.shape)]) for one in node.out)) for node in graph.nodes))


@cache
def drawn(name: str) -> tuple[Graph, Layout, tuple[Mark, ...]]:
    graph, form, one = small(), find("forms", style(name).form), style(name)
    layout = find("layouts", one.layout)
    placed = getattr(layout, one.layout)(graph, form.sizes(graph, one), form.frames(graph, one), one.sizes)
    return graph, placed, form.draw(graph, placed, one)


def named(marks: tuple[Mark, ...]) -> Counter[str]:
    return Counter(mark.node for mark in walk(marks) if isinstance(mark, Group) and mark.node and mark.role != "frame")


@pytest.mark.parametrize("name", STYLES)
def test_every_node_has_room_and_is_drawn_once(name: str) -> None:
    graph, _, marks = drawn(name)
    one = style(name)
    sizes = find("forms", one.form).sizes(graph, one)
    assert set(sizes) == {node.id for node in graph.nodes}
    assert all(size.width >= 0 and size.height >= 0 for size in sizes.values())
    assert named(marks) == Counter(node.id for node in graph.nodes)


@pytest.mark.parametrize("name", STYLES)
def test_every_line_is_drawn_in_the_group_of_its_edge(name: str) -> None:
    graph, layout, marks = drawn(name)
    edges = Counter(mark.edge for mark in walk(marks) if isinstance(mark, Group) and mark.edge)
    assert set(edges) == {(edge.src, edge.dst) for edge in graph.edges} - LEFT_OUT.get(name, set())
    assert set(edges.values()) == {1} and set(edges) <= {(route.src, route.dst) for route in layout.routes}


@pytest.mark.parametrize("name", STYLES)
def test_every_role_is_one_of_the_style_and_no_mark_holds_what_prints_badly(name: str) -> None:
    _, layout, marks = drawn(name)
    scene = Scene(marks, style(name).roles, layout.width, layout.height)
    assert scene.painted()      # raises for a role that has no look
    for mark in walk(marks):
        if isinstance(mark, Text):
            assert mark.string.isprintable() and mark.string
        if isinstance(mark, Group):
            assert "\x07" not in mark.title


def numbers(mark: Mark) -> tuple[list[object], list[float]]:
    """What a mark is, and all its numbers."""
    words, found = list[object](), list[float]()

    def take(value: object) -> None:
        if isinstance(value, tuple):
            for part in value:
                take(part)
        elif isinstance(value, float):
            found.append(value)
        else:
            words.append(value)

    assert isinstance(mark, (Box, Circle, Cuboid, Image, Link, Path, Text))
    words.append(type(mark).__name__)
    for name in mark.__slots__:
        take(getattr(mark, name))
    return words, found


@pytest.mark.parametrize("name", STYLES)
def test_what_the_layout_moves_moves_in_the_drawing(name: str) -> None:
    """Nothing is drawn at a place of its own: the same layout elsewhere is the same drawing there."""
    graph, layout, marks = drawn(name)
    dx, dy = 0.0 if name == "tower" else 32.0, 16.0     # the margin of towers is at the edge of the page
    there = find("forms", style(name).form).draw(graph, layout.moved(dx, dy), style(name))
    before = [moved(mark, dx, dy) for mark in marks]
    kept = [[numbers(mark) for mark in walk(some) if not isinstance(mark, Group) and mark.role != "band"]
            for some in (there, before)]        # a band ends where the page does
    # of lines that are as long the one or the other may come first
    seen, expected = (sorted(some, key=lambda one: (repr(one[0]), [round(v) for v in one[1]])) for some in kept)
    assert [words for words, _ in seen] == [words for words, _ in expected]
    assert [v for _, some in seen for v in some] == pytest.approx([v for _, some in expected for v in some])


@pytest.mark.parametrize("name", STYLES)
def test_the_same_is_drawn_the_same_whatever_the_order_of_what_has_none(name: str) -> None:
    graph, layout, marks = drawn(name)
    form, one = find("forms", style(name).form), style(name)
    again = replace(layout, nodes=reordered(layout.nodes))
    assert form.draw(replace(graph), again, one) == marks
    assert dict(form.sizes(replace(graph), one)) == dict(form.sizes(graph, one))


@pytest.mark.parametrize("name", STYLES)
def test_swatches_of_the_legend_stand_at_the_origin_in_roles_that_are_drawn(name: str) -> None:
    graph, _, _ = drawn(name)
    one = style(name)
    entries = find("forms", one.form).legend(graph, one)
    names = [word for word, _ in entries]
    assert len(set(names)) == len(names) and all(word and word.isprintable() for word in names)
    scene = Scene(tuple(mark for _, marks in entries for mark in marks), one.roles, 1, 1)
    assert len(scene.painted()) >= (1 if entries else 0)
    for _, marks in entries:
        for mark in walk(marks):
            if isinstance(mark, (Box, Circle)):
                assert -1 <= mark.x <= one.sizes["swatch"] + 1 and -1 <= mark.y <= 2 * one.sizes["swatch_height"]


@pytest.mark.parametrize("name", ["block", "cube", "node-link", "planes", "sublayers", "tower", "wire"])
@settings(max_examples=4)
@given(graph=stacks(longest=6))
def test_any_stack_is_drawn_once_node_by_node(name: str, graph: Graph) -> None:
    one, form = style(name), find("forms", style(name).form)
    sizes, frames = form.sizes(graph, one), form.frames(graph, one)
    layout = getattr(find("layouts", one.layout), one.layout)(graph, sizes, frames, one.sizes)
    marks = form.draw(graph, layout, one)
    assert named(marks) == Counter(node.id for node in graph.nodes)
    assert Scene(marks, one.roles, 1, 1).painted()


def test_a_node_tells_where_it_is_and_what_it_costs() -> None:
    group = node_group(Node("a.b\x07", op="Conv2d", kind="conv", params=1500), "conv", [])
    assert (group.node, group.role, group.title) == ("a.b\x07", "conv", "a.b (Conv2d), 1.5K parameters")
