"""The wire form: unfilled volumes, kernels in proportion inside them, lines along which they project."""
from __future__ import annotations

from dataclasses import replace

import pytest

from archviz.core import text
from archviz.core.geometry import Layout
from archviz.core.graph import Graph, TensorSpec
from archviz.core.scene import Cuboid, Group, Link, Mark, Path, Text
from archviz.drawing.forms import wire
from archviz.drawing.layouts.streams import streams
from archviz.style.style import load_style
from tests.layouts import wired

STYLE = load_style("wire")
S = STYLE.sizes
KINDS = {"x": "input", "a": "conv", "p": "pool", "b": "conv", "l": "linear", "m": "linear", "z": "output"}
SHAPES = {"x": (1, 3, 32, 32), "a": (1, 16, 32, 32), "p": (1, 16, 16, 16), "b": (1, 32, 8, 8), "l": (1, 64),
          "m": (1, 10), "z": (1, 10)}
OPS = {"conv": "Conv2d", "pool": "MaxPool2d", "linear": "Linear"}
KERNELS = {"a": {"kernel_size": [5, 3]}, "b": {"kernel_size": [3, 3], "stride": [2, 2]}, "p": {"kernel_size": 2}}


def network() -> Graph:
    graph = wired("x a p b l m z")
    return replace(graph, nodes=tuple(replace(
        node, op=OPS.get(KINDS[node.id], KINDS[node.id]), kind=KINDS[node.id], attrs=KERNELS.get(node.id, {}),
        out=(TensorSpec(SHAPES[node.id], axes="NCHW" if len(SHAPES[node.id]) == 4 else "NC"),))
        for node in graph.nodes))


def drawn(graph: Graph) -> tuple[Layout, dict[object, tuple[Mark, ...]]]:
    layout = streams(graph, wire.sizes(graph, STYLE), {}, S)
    return layout, {mark.edge or mark.node: mark.marks for mark in wire.draw(graph, layout, STYLE)
                    if isinstance(mark, Group)}


def solid(marks: tuple[Mark, ...]) -> Cuboid:
    (found,) = (mark for mark in marks if isinstance(mark, Cuboid))
    return found


def words(marks: tuple[Mark, ...]) -> list[str]:
    return [mark.string for mark in marks if isinstance(mark, Text)]


def test_volumes_stand_where_the_layout_says_without_fill() -> None:
    layout, found = drawn(network())
    sizes = wire.sizes(network(), STYLE)
    for key in "xablm":
        cuboid, place = solid(found[key]), layout.nodes[key]
        assert (cuboid.x, cuboid.y, cuboid.along[0], cuboid.down[1]) == (place.x, place.y, place.width, place.height)
        assert cuboid.back == sizes[key].back and not cuboid.hidden
        assert STYLE.roles[cuboid.role].fill is None
    heights = [layout.nodes[key].height for key in "xab"]
    assert heights[0] == heights[1] > heights[2]


def test_vectors_stand_upright_as_long_as_they_have_features() -> None:
    layout, found = drawn(network())
    assert layout.nodes["l"].height > layout.nodes["m"].height > layout.nodes["m"].width
    assert abs(solid(found["l"]).back[1]) < layout.nodes["l"].height / 2


def test_sizes_stand_where_they_are_new_and_channels_below_each_volume() -> None:
    _, found = drawn(network())
    assert words(found["x"]) == ["32", "32", "3"] and words(found["a"]) == ["16"]
    assert words(found["b"])[:3] == ["8", "8", "32"] and words(found["m"])[0] == "10"


def test_what_only_rescales_is_a_note_without_a_volume_and_so_is_a_stride() -> None:
    layout, found = drawn(network())
    assert layout.nodes["p"].width == layout.nodes["p"].height == 0
    assert [type(mark) for mark in found["p"]] == [Text] * len(found["p"]) and found["p"]
    assert all(mark.role == "note" for mark in found["p"])
    assert ("a", "p") not in found and ("m", "z") not in found      # no line into a note, nor out of the figure
    assert [word for word in words(found["b"]) if word not in ("8", "32")] == [
        text.caption(STYLE.captions, "stride", {"stride": "2"})]


def test_a_kernel_is_in_proportion_to_the_volume_it_reads_and_projects_to_a_point_of_the_next() -> None:
    _, found = drawn(network())
    volume, after = solid(found["x"]), solid(found["a"])
    kernel, *rest = found["x", "a"]
    assert isinstance(kernel, Cuboid) and kernel.role == "kernel"
    assert kernel.down[1] / volume.down[1] == pytest.approx(5 / 32)
    assert kernel.back[0] / volume.back[0] == pytest.approx(3 / 32)
    assert kernel.along == volume.along      # as deep as all channels
    lines = [mark for mark in rest if isinstance(mark, Path)]
    assert len(lines) == 4 and {line.role for line in lines} == {"ray"}
    ends = {line.commands[-1][1] for line in lines}
    assert len(ends) == 1
    (x, y), corner = ends.pop(), {line.commands[0][1] for line in lines}
    assert corner == {kernel.at(1, v, w) for v in (0, 1) for w in (0, 1)}
    left, top, right, low = (*after.at(0, 0, 0), after.at(0, 0, 1)[0], after.at(0, 1, 0)[1])
    assert left <= x <= right and top - abs(after.back[1]) <= y <= low
    assert words(tuple(rest)) == ["5", "3"]


def test_after_a_note_a_kernel_is_measured_on_what_the_note_left() -> None:
    _, found = drawn(network())
    kernel = found["p", "b"][0]
    assert isinstance(kernel, Cuboid)
    assert kernel.down[1] / solid(found["a"]).down[1] == pytest.approx(3 / 16)       # pooling halved it


def test_a_dense_layer_reads_all_of_its_input() -> None:
    _, found = drawn(network())
    rays, before, after = found["l", "m"], solid(found["l"]), solid(found["m"])
    assert [mark.role for mark in rays] == ["ray", "ray"]
    starts, ends = zip(*((line.commands[0][1], line.commands[1][1]) for line in rays), strict=True)
    assert [at for start in starts for at in start] == pytest.approx([
        at for part in (0.06, 0.94) for at in before.at(1, part, 0.5)])
    assert set(ends) == {after.at(0, 0.5, 0.5)}


def test_a_sum_has_arrows() -> None:
    graph = wired("x a s", "x s")
    kinds = {"x": "input", "a": "conv", "s": "add"}
    graph = replace(graph, nodes=tuple(replace(
        node, op=OPS.get(kinds[node.id], kinds[node.id]), kind=kinds[node.id], attrs=KERNELS.get(node.id, {}),
        out=(TensorSpec((1, 3, 32, 32), axes="NCHW"),)) for node in graph.nodes))
    _, found = drawn(graph)
    assert all(isinstance(mark, Link) and mark.arrow for ends in (("a", "s"), ("x", "s")) for mark in found[ends])


def test_a_small_kernel_is_never_too_small_to_be_seen_nor_as_large_as_all() -> None:
    assert wire._share(1, 1000, 60.0, 3.0) == 3.0 / 60 and wire._share(3, 10, 60.0, 3.0) == 0.3
    assert wire._share(10, 10, 60.0, 3.0) == 0.9


def test_there_is_no_legend_and_no_frame() -> None:
    assert wire.legend(network(), STYLE) == [] and wire.frames(network(), STYLE) == {}
