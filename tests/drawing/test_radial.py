"""The radial style: every operation is there, no dot hides another, names stand in order around the rim."""
from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from archviz import draw
from archviz.core.errors import ArchvizError
from archviz.core.graph import Edge, Graph, Node, TensorSpec
from archviz.core.plugins import find
from archviz.core.scene import Group, Path, Point, Text
from archviz.core.text import width
from archviz.drawing.forms import radial
from archviz.drawing.forms._vertices import channels, pairs
from archviz.drawing.layouts.radial import _spread
from archviz.figure.figure import Figure
from archviz.style.style import load_style
from tests.conftest import ROOT

MODELS = {"resnet50": "resnet.py:resnet50", "gpt": "gpt.py", "unet": "unet.py", "lenet": "lenet.py"}


@cache
def figure(name: str, page: str = "140mm") -> Figure:
    return draw(str(ROOT / "gallery" / MODELS[name]), style="radial", width=page)


def dots(found: Figure) -> dict[str, list[Point]]:
    """Operation → where its dots are."""
    groups = {mark.node: mark for mark in found.scene.marks if isinstance(mark, Group) and mark.role == "dots"}
    return {node: [(v[0], v[1]) for path in group.marks if isinstance(path, Path) for c, v in path.commands if c == "M"]
            for node, group in groups.items()}


@pytest.mark.parametrize("name", MODELS)
def test_every_operation_is_there(name: str) -> None:
    found = figure(name)
    drawn = dots(found)
    assert set(drawn) == {node.id for node in found.drawn.nodes} and all(drawn.values())
    assert sorted(member for node in found.drawn.nodes for member in node.members) == sorted(
        node.id for node in found.graph.nodes)
    assert all(node.repeat == 1 and node.kind != "module" for node in found.drawn.nodes)
    links = {mark.edge for mark in found.scene.marks if isinstance(mark, Group) and mark.role == "link"}
    assert links == {(edge.src, edge.dst) for edge in found.drawn.edges}


def test_thousands_of_dots_and_more_of_them_for_more_channels() -> None:
    found = figure("resnet50")
    counts = {key: len(places) for key, places in dots(found).items()}
    assert sum(counts.values()) > 5000
    by_channels = sorted((channels(node), counts[node.id]) for node in found.drawn.nodes)
    assert [count for _, count in by_channels] == sorted(count for _, count in by_channels)


@pytest.mark.parametrize("name", MODELS)
def test_no_two_dots_coincide(name: str) -> None:
    found = figure(name)
    size = max(found.scene.paint(role).stroke_width for role in ("stage 1", "stage 1 ring"))
    cells: dict[tuple[int, int], list[Point]] = {}
    for x, y in (place for places in dots(found).values() for place in places):
        at = int(x), int(y)
        near = [p for i in (-1, 0, 1) for j in (-1, 0, 1) for p in cells.get((at[0] + i, at[1] + j), ())]
        assert all(math.dist(p, (x, y)) > 0.9 * size for p in near)
        cells.setdefault(at, []).append((x, y))


def rims(found: Figure) -> Iterator[tuple[float, float, float, float]]:
    """The room of each name at the rim."""
    for mark in found.scene.marks:
        if isinstance(mark, Text) and mark.role in ("name", "number"):
            paint = found.scene.paint(mark.role)
            wide = width(mark.string, paint.size, paint.weight)
            x = mark.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor] * wide
            yield x, mark.y - 0.75 * paint.size, x + wide, mark.y + 0.2 * paint.size


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("page", ["140mm", "column"])
def test_names_at_the_rim_stand_apart_and_off_the_dots(name: str, page: str) -> None:
    found = figure(name, page)
    rooms = list(rims(found))
    assert rooms and all(found.scene.paint(role).size >= 6 for role in ("name", "number"))
    for i, (ax, ay, bx, by) in enumerate(rooms):
        assert 0 <= ax and bx <= found.scene.width and 0 <= ay and by <= found.scene.height
        assert all(bx <= cx or dx <= ax or by <= cy or dy <= ay for cx, cy, dx, dy in rooms[:i])
        assert not any(ax < x < bx and ay < y < by for places in dots(found).values() for x, y in places)


def test_names_follow_each_other_clockwise() -> None:
    found = figure("gpt")
    ring = found.drawing.layout.frames[""]
    names = [mark for mark in found.scene.marks if isinstance(mark, Text) and mark.role == "name"]
    said = [mark.string for mark in names]
    blocks = [word for word in said if word.startswith("Block")]
    assert blocks == [f"Block {i + 1}" for i in range(12)]
    middle = found.scene.width / 2
    sides = [mark.anchor == "start" for mark in names]
    assert sides == sorted(sides, reverse=True), "the right side first, then the left"
    right, left = ([mark.y for mark in names if (mark.x > middle) is side] for side in (True, False))
    assert right == sorted(right) and left == sorted(left, reverse=True) and ring.width > 100


def test_numbered_neighbours_share_a_name_where_there_are_too_many() -> None:
    found = draw(str(ROOT / "gallery" / "gpt.py"), style="radial", settings={"sizes.labels": "8"})
    said = [mark.string for mark in found.scene.marks if isinstance(mark, Text) and mark.role == "name"]
    assert said == ["Block 1–12"]


@pytest.mark.parametrize("name", ["resnet50", "gpt"])
def test_the_same_bytes_twice_and_few_of_them(name: str) -> None:
    found = figure(name)
    again = draw(str(ROOT / "gallery" / MODELS[name]), style="radial", width="140mm")
    for suffix in ("svg", "tex"):
        written = _written(found, suffix)
        assert written == _written(again, suffix) and len(written) < 2_000_000


def _written(found: Figure, suffix: str) -> bytes:
    content: bytes = find("backends", suffix).render(found.scene)
    return content


def test_the_legend_says_what_dots_and_lines_are() -> None:
    found = figure("resnet50")
    graph, style = found.drawn, found.drawing.style
    said = [name for name, _ in radial.legend(graph, style)]
    most = max(len(places) for places in dots(found).values())
    assert f"2048 drawn as {most}" in said[0] and "sample" in said[-1]


# ------------------------------------------------------------------------------------------------ lines

def _pair(src: Node, dst: Node, here: int, there: int) -> list[tuple[int, int]]:
    edge = Edge(src.id, dst.id)
    return list(pairs(Graph("g", (src, dst), (edge,)), edge, {src.id: here, dst.id: there}, 2.0))


def _node(key: str, kind: str, many: int, **attrs: int) -> Node:
    return Node(key, op=kind, kind=kind, out=(TensorSpec((1, many, 8, 8), axes="NCHW"),), attrs=attrs)


def test_an_activation_joins_each_channel_with_its_own() -> None:
    assert _pair(_node("a", "conv", 9), _node("b", "act", 9), 9, 9) == [(i, i) for i in range(9)]


def test_a_convolution_joins_many_evenly_and_a_grouped_one_only_within_groups() -> None:
    free = _pair(_node("a", "conv", 64), _node("b", "conv", 64), 64, 64)
    assert len(free) == len(set(free)) > 100
    assert {a for a, _ in free} == {b for _, b in free} == set(range(64))
    bound = _pair(_node("a", "conv", 64), _node("b", "conv", 64, groups=4), 64, 64)
    assert bound and all(a // 16 == b // 16 for a, b in bound)
    assert any(a // 16 != b // 16 for a, b in free)


def test_a_concatenation_has_its_operands_side_by_side() -> None:
    one, two, both = _node("a", "conv", 10), _node("b", "conv", 30), _node("c", "cat", 40)
    edges = Edge("a", "c", slot=0), Edge("b", "c", slot=1)
    graph, counts = Graph("g", (one, two, both), edges), {"a": 10, "b": 30, "c": 40}
    first, second = ([b for _, b in pairs(graph, edge, counts, 2.0)] for edge in edges)
    assert first == list(range(10)) and second == list(range(10, 40))


# ------------------------------------------------------------------------------------------------ any network

class Odd(nn.Module):
    """Nothing a ring expects: two inputs, no axes that are known, a scalar out."""

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x * y).sum()


@pytest.mark.parametrize("model, inputs", [
    (nn.Linear(3, 2), torch.zeros(1, 3)), (Odd(), (torch.zeros(4), torch.zeros(4))), (nn.Identity(), torch.zeros(2, 2)),
    (nn.LSTM(4, 8), torch.zeros(3, 1, 4)),
    (nn.Sequential(*(nn.Linear(64, 64) for _ in range(120))), torch.zeros(1, 64)),
], ids=["one", "odd", "identity", "lstm", "long"])
def test_any_network_has_one(model: nn.Module, inputs: Tensor) -> None:
    found = draw(model, inputs, style="radial", width="column")
    assert all(dots(found).values()) and b"<svg" in _written(found, "svg")


def test_bad_laws_are_told() -> None:
    with pytest.raises(ArchvizError, match="vertices"):
        load_style("radial", {"options.vertices": "all"})


def test_labels_are_moved_as_little_as_can_be() -> None:
    assert _spread([0.0, 1.0, 30.0], [10.0, 10.0, 10.0]) == [-4.5, 5.5, 30.0]
