"""The planes form: as many planes as channels, words as in the graph, fields in proportion, nothing in the way."""
from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.backends import svg
from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.geometry import Place
from archviz.core.graph import Graph, TensorSpec
from archviz.core.scene import Box, Group, Link, Mark, Text, lowered
from archviz.core.scene import Path as Outline
from archviz.drawing.forms import planes
from archviz.drawing.forms._stacks import reading, stacks
from archviz.drawing.layouts.chain import chain
from archviz.figure import compile, draw, fit
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.style.style import load_style
from archviz.trace import read
from tests.conftest import ROOT
from tests.graphs import Builder, graphs
from tests.lint import lint

STYLE = load_style("planes")
GALLERY = ("lenet", "alexnet", "vgg16", "smallcnn", "c3d", "m5", "resnet:resnet18", "unet")
WIDTHS = {"column": "84mm", "page": "174mm"}


@cache
def traced(name: str) -> Graph:
    file, _, factory = name.partition(":")
    return read.read(f"{ROOT / 'gallery' / file}.py" + (f":{factory}" if factory else ""))


@cache
def figure(name: str, width: str = "page", theme: str = "", **options: str) -> Figure:
    chosen = {f"options.{key}": value for key, value in options.items()}
    return compile.compile(traced(name), Options("planes", settings=chosen, width=WIDTHS[width], theme=theme or None))


def flat(marks: tuple[Mark, ...]) -> list[Mark]:
    return [m for mark in marks for m in (flat(mark.marks) if isinstance(mark, Group) else [mark])]


def groups(drawn: Figure) -> dict[Any, Group]:
    return {mark.edge or mark.node: mark for mark in drawn.scene.marks if isinstance(mark, Group) and mark.name}


def stack(drawn: Figure, key: str) -> list[Box]:
    return [mark for mark in groups(drawn)[key].marks if isinstance(mark, Box)]


def words(drawn: Figure, key: str) -> list[str]:
    """What stands above a node, then what stands below it."""
    texts = [mark for mark in groups(drawn)[key].marks if isinstance(mark, Text)]
    return [mark.string for mark in sorted(texts, key=lambda mark: mark.y)]



# ------------------------------------------------------------------------------------------------ the classic

def test_the_first_figure_of_its_kind() -> None:
    drawn = figure("lenet")
    assert [len(stack(drawn, key)) for key in ("/in:image", "c1", "s2", "c3", "s4")] == [1, 6, 6, 16, 16]
    assert words(drawn, "/in:image") == ["Input", "32×32"]
    assert words(drawn, "c1") == ["C1: feature maps", "6@28×28", "5×5 convolution"]
    assert words(drawn, "s2") == ["S2: f. maps", "6@14×14", "2×2 subsampling"]
    assert words(drawn, "c3")[1:] == ["16@10×10", "5×5 convolution"] and words(drawn, "s4")[1] == "16@5×5"
    assert words(drawn, "c5") == ["C5: layer", "120", "full connection"], "its kernel covers all that is left"
    assert words(drawn, "f6") == ["F6: layer", "84", "full connection"]
    assert words(drawn, "output") == ["Output", "10", "full connection"]
    assert drawn.scene.width <= 174 / 25.4 * 72.27 + 0.02


def test_planes_go_down_along_the_diagonal_and_the_nearest_is_drawn_last() -> None:
    boxes = stack(figure("lenet"), "c3")
    steps = {(round(b.x - a.x, 6), round(b.y - a.y, 6)) for a, b in zip(boxes, boxes[1:], strict=False)}
    assert len(steps) == 1 and all(dx == dy > 1 for dx, dy in steps)
    assert len({(box.width, box.height) for box in boxes}) == 1


def test_bars_are_as_long_as_the_law_says_and_lean_alike() -> None:
    drawn = figure("lenet")
    outlines = [next(mark for mark in groups(drawn)[key].marks if isinstance(mark, Outline))
                for key in ("c5", "f6", "output")]
    corners = [[point for _, point in mark.commands if point] for mark in outlines]
    highs = [c[2][1] - c[1][1] for c in corners]
    assert highs[1] / highs[0] == pytest.approx((84 / 120) ** 0.5)
    assert highs == sorted(highs, reverse=True)
    assert len({round((c[2][0] - c[1][0]) / high, 6) for c, high in zip(corners, highs, strict=True)}) == 1


@pytest.mark.parametrize(("edge", "share"), [
    (("/in:image", "c1"), 5 / 32), (("c1", "s2"), 2 / 28), (("s2", "c3"), 5 / 14)])
def test_a_receptive_field_is_in_proportion_to_its_plane(edge: tuple[str, str], share: float) -> None:
    drawn = figure("lenet")
    source, target = edge
    near, far = stack(drawn, source)[-1], stack(drawn, target)[0]
    (field,) = [mark for mark in groups(drawn)[edge].marks if isinstance(mark, Box)]
    assert field.width / near.width == pytest.approx(share) == field.height / near.height
    assert near.x <= field.x and field.x + field.width <= near.x + near.width
    assert near.y <= field.y and field.y + field.height <= near.y + near.height
    rays = [mark for mark in groups(drawn)[edge].marks if isinstance(mark, Outline)]
    starts, ends = zip(*((ray.commands[0][1], ray.commands[-1][1]) for ray in rays), strict=True)
    right = field.x + field.width
    assert sorted(y for _, y in starts) == pytest.approx([field.y, field.y + field.height])
    assert {x for x, _ in starts} == {right} and len(set(ends)) == 1, "they converge"
    assert far.x <= ends[0][0] <= far.x + far.width and far.y <= ends[0][1] <= far.y + far.height


def test_receptive_fields_may_be_left_out() -> None:
    drawn = figure("lenet", fields="none")
    assert not any(isinstance(mark, Box) and mark.role == "kernel" for mark in flat(drawn.scene.marks))
    assert any(isinstance(mark, Link) for mark in groups(drawn)["c1", "s2"].marks)
    with pytest.raises(ArchvizError, match="must be auto or none"):
        load_style("planes", {"options.fields": "some"})


def test_what_one_unit_of_a_closed_module_sees() -> None:
    """Two convolutions of 3×3 and a pooling of 2×2 see 6×6, three see 8×8."""
    drawn = figure("vgg16")
    assert " ".join(words(drawn, "conv3")[2:]) == "3×3 convolution ×3 2×2 max pooling"
    seen = stacks(drawn.drawn, STYLE).kernels
    assert (seen["conv1"], seen["conv2"], seen["conv3"], seen["conv5"]) == ((6, 6), (6, 6), (8, 8), (8, 8))


# ------------------------------------------------------------------------------------------------ any network

@given(st.lists(st.tuples(st.integers(1, 600), st.integers(2, 64)), min_size=1, max_size=5))
@settings(max_examples=60)
def test_as_many_planes_as_channels_or_dots(layers: list[tuple[int, int]]) -> None:
    b = Builder()
    x = b.input("x", (1, 3, 64, 64))
    for channels, side in layers:
        x = b.op("Conv2d", x, shape=(1, channels, side, side), kernel_size=[3, 3])
    b.output(x)
    drawn = stacks(b.graph(), STYLE)
    most = max([3, *(channels for channels, _ in layers)])
    for key, shape in drawn.shapes.items():
        channels = drawn.readings[key].planes
        if channels <= STYLE.sizes["few"] or most <= STYLE.sizes["planes"]:
            assert len(shape.at) == channels and not shape.dots
        else:
            assert STYLE.sizes["ends"] <= len(shape.at) < channels and len(shape.dots) == 2
            (a, b_), _ = shape.dots
            gaps = [q[0] - p[0] for p, q in zip(shape.at, shape.at[1:], strict=False)]
            assert b_[0] - a[0] == pytest.approx(max(gaps)) and gaps.count(max(gaps)) == 1, "dots stand in the gap"


@given(st.integers(1, 2000), st.integers(1, 300), st.integers(2, 300))
def test_a_size_is_told_as_the_graph_has_it(channels: int, height: int, width: int) -> None:
    told = reading(TensorSpec((4, channels, height, width), axes="NCHW")).size
    assert told == (f"{channels}@" if channels > 1 else "") + f"{height}×{width}"
    assert reading(TensorSpec((4, channels), axes="NC")).size == str(channels)
    assert reading(TensorSpec((4, channels, 1, 1), axes="NCHW")).size == str(channels)
    assert reading(TensorSpec((1, width, channels), axes="NLC")).size == f"{width}×{channels}"


@pytest.mark.parametrize("name", ["lenet", "alexnet", "smallcnn"])
def test_every_number_stands_where_the_graph_has_it(name: str) -> None:
    drawn = figure(name)
    for node in drawn.drawn.nodes:
        if node.kind == "output":
            assert not words(drawn, node.id), "it is told at the layer that gives it"
            continue
        shape = node.out[0].shape[1:]
        spatial = "×".join(map(str, shape[1:]))
        told = str(shape[0]) if set(shape[1:]) <= {1} else f"{shape[0]}@{spatial}" if shape[0] > 1 else spatial
        assert told in words(drawn, node.id)
        if (size := node.attrs.get("kernel_size")) and node.id not in stacks(drawn.drawn, STYLE).whole:
            side = size[0] if isinstance(size, list) else size
            assert any(line.startswith(f"{side}×{side}") for line in words(drawn, node.id))


@given(graphs(), st.sampled_from((239.0, 495.0)))
@settings(max_examples=12)
def test_any_network_fits_its_page_and_every_node_stands_once(graph: Graph, width: float) -> None:
    try:
        drawn = compile.compile(graph, Options("planes", width=width))
    except DoesNotFit:
        assert width < 240
        return
    assert drawn.scene.width <= width + 0.02 and drawn.scene.height <= STYLE.page.max_height + 0.02
    seen = Counter(mark.node for mark in drawn.scene.marks if isinstance(mark, Group) and mark.node
                   and mark.role != "frame")
    assert seen == Counter(node.id for node in drawn.drawn.nodes)
    assert svg.render(drawn.scene) == svg.render(lowered(drawn.scene))
    assert all(drawn.scene.paint(mark.role).size >= STYLE.page.min_font
               for mark in flat(drawn.scene.marks) if isinstance(mark, Text))


@given(graphs(12), st.sampled_from((300.0, 600.0)))
@settings(max_examples=25)
def test_stacks_and_words_keep_clear_of_each_other(graph: Graph, width: float) -> None:
    drawn = compile.compile(graph, Options("planes", width=width))
    cut, layout = drawn.drawn, drawn.layout
    page = fit.tightened(load_style("planes", {"page.width": str(width)}))
    sizes = next(
        sizes for style in planes.variants(page) for sizes in [planes.sizes(cut, style)]
        if layout in [chain(cut, sizes, planes.frames(cut, style), style.sizes, way) for way in ("down", "right")])
    solid = [place for key, place in layout.nodes.items() if place.width > 0 and not sizes[key].joint]
    soft = [(key, Place(place.x + p.x, place.y + p.y, p.width, p.height))
            for key, place in layout.nodes.items() for p in sizes[key].parts]
    assert all(clear(p, q) for p, q in combinations(solid, 2))
    assert all(clear(p, q) for place in solid for p in [place] for _, q in soft)
    assert all(clear(p, q) for (_, p), (_, q) in combinations(soft, 2))


def clear(p: Place, q: Place, slack: float = 0.3) -> bool:
    return (p.x + p.width <= q.x + slack or q.x + q.width <= p.x + slack
            or p.y + p.height <= q.y + slack or q.y + q.height <= p.y + slack)


def test_a_network_that_is_no_chain_has_glyphs_and_skips() -> None:
    b = Builder()
    x = b.input("x", (1, 3, 32, 32))
    a = b.op("Conv2d", x, shape=(1, 8, 32, 32), kernel_size=[3, 3])
    c = b.op("Conv2d", a, shape=(1, 8, 32, 32), kernel_size=[5, 5])
    b.output(b.op("add", a, c, shape=(1, 8, 32, 32)))
    drawn = compile.compile(b.graph(), Options("planes", width="174mm"))
    assert any(isinstance(mark, Link) and mark.role == "edge skip" for mark in flat(drawn.scene.marks))
    assert "skip connection" in svg.render(drawn.scene).decode()


def test_a_block_named_by_hand_is_a_box_with_its_name() -> None:
    options = Options("planes", width="174mm", cut="f6", append=("SVM",))
    drawn = compile.compile(traced("lenet"), options)
    (key,) = [node.id for node in drawn.drawn.nodes if node.attrs.get("appended")]
    (card,) = stack(drawn, key)
    (name,) = [mark for mark in groups(drawn)[key].marks if isinstance(mark, Text)]
    assert name.string == "SVM" and card.x < name.x < card.x + card.width


# ------------------------------------------------------------------------------------------------ on the page

def test_figures_have_no_fault_a_linter_finds(tmp_path: Path) -> None:
    paths = []
    for name in GALLERY:
        for width in WIDTHS:
            for theme in ("", "mono", "dark")[:3 if name in GALLERY[:2] else 1]:
                paths.append(tmp_path / f"{name.partition(':')[0]}-{width}{theme}.svg")
                figure(name, width, theme).save(paths[-1])
    assert {name: row["bad"] for name, row in lint(paths).items() if row["bad"]} == {}


@pytest.mark.parametrize("name", ["lenet", "vgg16", "smallcnn"])
def test_a_column_has_room_for_every_layer(name: str) -> None:
    drawn = figure(name, "column")
    assert len(drawn.drawn.nodes) == len(figure(name).drawn.nodes) > 4


def test_without_colour_only_greys_are_left() -> None:
    drawn = figure("lenet", theme="mono").scene
    used = set(drawn.painted().values())
    colours = {c for paint in used for c in (paint.fill, paint.stroke, paint.color) if c}
    assert all(re.fullmatch(r"#(..)\1\1", colour) for colour in colours)
    plane, field = drawn.paint("plane"), drawn.paint("kernel")
    assert plane.fill != field.fill and not plane.hatch, "many hatched planes would be one grey"


def test_a_layer_with_a_colour_of_its_own_has_it() -> None:
    drawn = draw.draw(replace(traced("lenet")), style="planes", overrides={"layers": {"c1": {"color": "#ffcc66"}}})
    assert {drawn.scene.paint(box.role).fill for box in stack(drawn, "c1")} == {"#ffcc66"}
