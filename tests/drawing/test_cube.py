"""The cube form: solids hide what is behind them, sizes follow their laws, labels keep clear, any network fits."""
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from archviz.backends import svg
from archviz.core import graph_json
from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.geometry import Place, Size
from archviz.core.graph import Graph, Node, TensorSpec
from archviz.core.scene import Cuboid, Group, Link, Mark, Scene, Text, lowered
from archviz.core.scene import Path as Outline
from archviz.drawing.forms import cube
from archviz.drawing.forms._blocks import volumes
from archviz.drawing.forms._painter import Solid, painters_order
from archviz.drawing.forms._volumes import Scale, law, projection
from archviz.drawing.layouts.chain import chain
from archviz.figure import compile, fit
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.style.style import load_style
from archviz.trace import read
from tests.conftest import ROOT, Run
from tests.graphs import Builder, graphs
from tests.lint import lint

GALLERY = ("vgg16", "alexnet", "resnet:resnet18", "unet", "c3d", "m5", "lenet")
WIDTHS = {"column": "84mm", "page": "174mm"}
STYLE = load_style("cube")


@cache
def traced(name: str) -> Graph:
    """A gallery model's graph, traced as a user does."""
    file, _, factory = name.partition(":")
    return read.read(f"{ROOT / 'gallery' / file}.py" + (f":{factory}" if factory else ""))


@cache
def figure(name: str, width: str = "page", **options: str) -> Figure:
    return compile.compile(traced(name), Options("cube", settings={f"options.{k}": v for k, v in options.items()},
                                                           width=WIDTHS[width]))


def flat(marks: tuple[Mark, ...]) -> list[Mark]:
    return [m for mark in marks for m in (flat(mark.marks) if isinstance(mark, Group) else [mark])]


def nodes(drawn: Figure) -> dict[str, Group]:
    groups = (mark for mark in drawn.scene.marks if isinstance(mark, Group))
    return {mark.node: mark for mark in groups if mark.role not in ("link", "frame")}


def cuboids(drawn: Figure, key: str) -> list[Cuboid]:
    return [mark for mark in flat(nodes(drawn)[key].marks) if isinstance(mark, Cuboid)]


def words(drawn: Figure) -> list[str]:
    return [mark.string for mark in flat(drawn.scene.marks) if isinstance(mark, Text)]


# ------------------------------------------------------------------------------------------------ what hides what

unit = st.floats(0, 10)
spans = st.tuples(unit, st.floats(0.5, 4)).map(lambda v: (v[0], v[0] + v[1]))
solids = st.lists(st.builds(Solid, spans, spans, spans), min_size=2, max_size=6)
BACK = (0.4, 0.3)


def apart(a: Solid, b: Solid) -> bool:
    return any(p[1] <= q[0] or q[1] <= p[0] for p, q in ((a.x, b.x), (a.y, b.y), (a.z, b.z)))


def depth(solid: Solid, u: float, v: float) -> float | None:
    """Where a line of sight through (u, v) on the page first meets `solid`: its z, or None."""
    (kx, ky), low, high = BACK, *solid.z
    for (a, b), k, at in ((solid.x, kx, u), (solid.y, ky, v)):
        low, high = max(low, (at - b) / k), min(high, (at - a) / k)     # x = u - k z must lie in a … b
    return low if low < high - 1e-9 else None


def hidden(boxes: list[Solid], u: float, v: float) -> list[tuple[int, int]]:
    """Pairs (far, near) that one line of sight meets."""
    met = sorted((z, i) for i, box in enumerate(boxes) if (z := depth(box, u, v)) is not None)
    return [(far, near) for (d, near), (e, far) in combinations(met, 2) if d < e]


@given(solids)
@settings(max_examples=100)
def test_the_nearest_solid_is_drawn_last(boxes: list[Solid]) -> None:
    """Seen through a grid of lines of sight, each of which meets the boxes in the order of their depth."""
    assume(all(apart(a, b) for a, b in combinations(boxes, 2)))
    order = painters_order(boxes, BACK)
    assert sorted(order) == list(range(len(boxes)))
    rank = {i: n for n, i in enumerate(order)}
    before = {pair for u in range(24) for v in range(24) for pair in hidden(boxes, u * 0.75 + 0.11, v * 0.75 + 0.13)}
    if not _circle(before):
        assert all(rank[far] < rank[near] for far, near in before)


def _circle(pairs: set[tuple[int, int]]) -> bool:
    """Do some hide each other in a circle?  Then no order can draw them."""
    pairs = set(pairs)
    while pairs:
        free = {i for i, _ in pairs} - {j for _, j in pairs}
        if not free:
            return True
        pairs = {(i, j) for i, j in pairs if i not in free}
    return False


def test_boxes_that_hide_each_other_in_a_circle_are_all_drawn() -> None:
    ring = [Solid((0, 4), (0, 1), (1, 2)), Solid((3, 4), (-2, 0), (0, 4)), Solid((0, 3), (-1, 0.5), (3, 4))]
    assert sorted(painters_order(ring)) == [0, 1, 2]


# ------------------------------------------------------------------------------------------------ how large

@given(st.sampled_from(("log", "linear", "power 0.55", "power 2")), st.integers(1, 5000), st.integers(1, 5000))
def test_a_law_grows_with_what_it_measures(written: str, a: int, b: int) -> None:
    rule = law(written)
    assert (rule(a) < rule(b)) is (a < b) and rule(0) == 0


@pytest.mark.parametrize("written", ["", "cubic", "power", "power 0", "power -1", "log 3", "power x"])
def test_a_law_that_is_none_is_refused_and_says_what_is_one(written: str) -> None:
    with pytest.raises(ValueError, match="power 0.55"):
        law(written)


@pytest.mark.parametrize("written", ["", "cabinet 90 0.5", "cabinet 45 0", "cabinet 45", "isometric 30", "flat"])
def test_a_projection_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="isometric"):
        projection(written)


def test_a_wrong_option_names_its_place() -> None:
    with pytest.raises(ArchvizError, match="the option space must be log, linear, or power"):
        load_style("cube", {"options.space": "cubic"})
    with pytest.raises(ArchvizError, match="unknown option 'spice'\n.*did you mean space"):
        load_style("cube", {"options.spice": "log"})


def test_faces_and_thickness_follow_their_own_laws() -> None:
    drawn = figure("vgg16")
    first, last = cuboids(drawn, "conv1.0")[0], cuboids(drawn, "conv5.0")[0]
    assert first.down[1] > last.down[1] and first.along[0] < last.along[0]
    assert last.along[0] / first.along[0] == pytest.approx((512 / 64) ** 0.55)
    channels = [cuboids(figure("vgg16", channels="linear"), key)[0].along[0] for key in ("conv1.0", "conv5.0")]
    assert channels[1] / channels[0] > 3 * (512 / 64) ** 0.55 / 2


@given(st.integers(1, 4096), st.integers(1, 600))
def test_a_vector_is_a_rod_that_never_dwarfs_the_figure(features: int, side: int) -> None:
    image, vector = TensorSpec((1, 3, 224, 224), axes="NCHW"), TensorSpec((1, features), axes="NC")
    scale = Scale([image, vector], STYLE)
    rod = scale.volume(vector)
    assert rod.kind == "rod" and rod.channels == features
    assert rod.depth <= STYLE.sizes["rod_length"] and rod.height == rod.thickness == STYLE.sizes["rod"]


def test_every_kind_of_tensor_has_a_solid_of_its_own() -> None:
    specs = {"map": ((1, 64, 56, 56), "NCHW"), "clip": ((1, 64, 8, 56, 56), "NCDHW"), "signal": ((1, 64, 400), "NCL"),
             "sheet": ((1, 128, 768), "NLC"), "rod": ((1, 10), "NC")}
    tensors = {kind: TensorSpec(shape, axes=axes) for kind, (shape, axes) in specs.items()}
    scale = Scale(tensors.values(), STYLE)
    assert {kind: scale.volume(spec).kind for kind, spec in tensors.items()} == {kind: kind for kind in specs}
    assert scale.volume(TensorSpec((1, 64, 1, 1), axes="NCHW")).kind == "rod"
    assert scale.volume(None).kind == scale.volume(TensorSpec(())).kind == "rod"
    sheet, signal = scale.volume(tensors["sheet"]), scale.volume(tensors["signal"])
    assert sheet.thickness < signal.thickness and sheet.depth > signal.depth


# ------------------------------------------------------------------------------------------------ what stands where

def test_convolutions_of_one_resolution_abut_and_pooling_is_a_slab_on_the_face() -> None:
    drawn = figure("vgg16")
    (a,), (b,), (pool,) = (cuboids(drawn, key) for key in ("conv2.0", "conv2.2", "conv2.4"))
    assert a.at(1, 0, 0) == pytest.approx(b.at(0, 0, 0))
    assert b.at(1, 0.5, 0.5) == pytest.approx(pool.at(0, 0.5, 0.5)), "centre on centre"
    assert pool.down[1] < b.down[1] and pool.along[0] < a.along[0]
    assert not any(mark.edge == ("conv2.0", "conv2.2") for mark in drawn.scene.marks if isinstance(mark, Group))


def test_copies_of_one_layer_are_drawn_one_by_one() -> None:
    assert len(cuboids(figure("vgg16"), "conv3.2")) == 2 and len(cuboids(figure("vgg16"), "conv5.0")) == 3


def test_an_activation_is_a_darker_band_and_a_normalisation_a_line() -> None:
    (stem,) = cuboids(figure("resnet:resnet18"), "stem.0")
    (line, band) = stem.bands
    assert (line[2], band[2]) == ("norm band", "conv deep") and line[1] == band[0] and band[1] == 1.0
    assert line[1] - line[0] < band[1] - band[0]


def test_numbers_stand_once_per_change() -> None:
    said = Counter(words(figure("vgg16")))
    assert said["64"] == said["128"] == said["256"] == 1 and said["512"] == 2      # of two resolutions
    assert said["3×3"] == 1 and said["224"] == 2 and said["14"] == 1       # height and width of the first
    assert {"Conv1", "Conv5", "fc6", "fc8"} <= set(said)
    assert {"11×11", "/4", "conv3–5"} <= set(words(figure("alexnet")))
    assert {"64@16", "256@8"} <= set(words(figure("c3d"))) or {"3@16"} <= set(words(figure("c3d")))


def test_arrows_run_from_the_centre_of_a_face_to_the_next_outline() -> None:
    drawn = figure("vgg16")
    links = {mark.edge: link for mark in drawn.scene.marks if isinstance(mark, Group) and mark.role == "link"
             for link in flat(mark.marks) if isinstance(link, Link)}
    (pool,), (next_,) = cuboids(drawn, "conv1.4"), cuboids(drawn, "conv2.0")
    start, end = links["conv1.4", "conv2.0"].points
    assert start == pytest.approx(pool.at(1, 0.5, 0.5))
    assert end[0] == pytest.approx(next_.x) and end[1] == pytest.approx(start[1])


def test_an_encoder_decoder_is_a_u() -> None:
    for width in WIDTHS:
        drawn = figure("unet", width)
        assert drawn.layout.direction == "around"
        rows = sorted({round(place.y + place.height / 2) for key, place in drawn.layout.nodes.items() if "cat" in key})
        assert len(rows) == 4
        skips = [route for route in drawn.layout.routes if route.skip]
        assert len(skips) == 4 and all(len(route.points) == 4 for route in skips)
    across = compile.compile(traced("unet"), Options("cube", direction="right", width="174mm"))
    assert across.layout.direction == "right"


def test_the_kernel_slides_over_the_face_before_its_stage() -> None:
    def kernels(drawn: Figure) -> int:
        return sum(isinstance(mark, Outline) and mark.role == "kernel" for mark in flat(drawn.scene.marks))

    assert kernels(figure("vgg16")) == 5 and kernels(figure("vgg16", kernels="none")) == 0


def test_what_is_flattened_into_a_vector_narrows_to_it_in_a_dashed_frustum() -> None:
    drawn = figure("vgg16")
    (pool,) = cuboids(drawn, "conv5.6")
    rays = [mark for mark in flat(drawn.scene.marks) if isinstance(mark, Outline) and mark.role == "ray"]
    starts = [mark.commands[0][1] for mark in rays]
    for corner in ((0, 0), (0, 1), (1, 0), (1, 1)):
        assert any(start == pytest.approx(pool.at(1, *corner)) for start in starts)
    assert STYLE.roles["ray"].dash


def test_in_isometric_projection_all_three_edges_slant_as_in_space() -> None:
    for key in ("conv1", "fc6"):
        (solid,) = cuboids(figure("alexnet", projection="isometric"), key)
        assert solid.along[1] / solid.along[0] == pytest.approx(3 ** -0.5)
        assert solid.back[1] / solid.back[0] == pytest.approx(-3 ** -0.5)


def test_a_network_without_convolutions_is_drawn_too() -> None:
    b = Builder()
    x = b.input("x", (1, 16))
    b.output(b.op("Linear", x, shape=(1, 4), params=68, flops=128))
    drawn = compile.compile(b.graph(), Options("cube"))
    assert set(nodes(drawn)) >= {"/in:x", "/Linear"}


# ------------------------------------------------------------------------------------------------ the laws

@given(graphs(), st.sampled_from((160.0, 239.0, 495.0)))
@settings(max_examples=25)
def test_any_network_fits_its_page_and_every_node_stands_once(graph: Graph, width: float) -> None:
    try:
        drawn = compile.compile(graph, Options("cube", width=width))
    except DoesNotFit:
        assert width < 200
        return
    assert drawn.scene.width <= width + 0.02 and drawn.scene.height <= STYLE.page.max_height + 0.02
    seen = Counter(mark.node for mark in drawn.scene.marks if isinstance(mark, Group) and mark.node
                   and mark.role != "frame")
    assert seen == Counter(node.id for node in drawn.drawn.nodes)
    members = [member for node in drawn.drawn.nodes for member in node.members]
    assert sorted(members) == sorted(node.id for node in graph.nodes)
    assert sum(node.params for node in drawn.drawn.nodes) == graph.params
    assert svg.render(drawn.scene) == svg.render(lowered(drawn.scene))
    assert all(drawn.scene.paint(mark.role).size >= STYLE.page.min_font
               for mark in flat(drawn.scene.marks) if isinstance(mark, Text))


@given(graphs(16), st.sampled_from((230.0, 330.0, 600.0)))
@settings(max_examples=25)
def test_volumes_of_one_row_do_not_overlap_and_labels_touch_nothing(graph: Graph, width: float) -> None:
    drawn = compile.compile(graph, Options("cube", width=width))
    cut, layout = drawn.drawn, drawn.layout
    page = fit.tightened(load_style("cube", {"page.width": str(width)}))
    style, sizes = next(
        (style, sizes) for style in cube.variants(page) for sizes in [cube.sizes(cut, style)]
        if layout in [chain(cut, sizes, cube.frames(cut, style), style.sizes, way) for way in ("down", "right")])
    abutting = volumes(cut, style).abutting
    boxes = {key: place for key, place in layout.nodes.items() if place.width > 0}
    for (a, p), (b, q) in combinations(boxes.items(), 2):
        if a not in abutting and b not in abutting:     # a slab lies on the face of what it abuts
            assert clear(p, q), (a, b)
    labels = [(key, Place(place.x + part.x, place.y + part.y, part.width, part.height))
              for key, place in layout.nodes.items() for part in sizes[key].parts]
    for (a, p), (b, q) in combinations(labels, 2):
        assert clear(p, q) or a == b, (a, b)
    for key, size in ((key, size) for key, size in sizes.items() if size.back[0]):
        place = layout.nodes[key]
        for a, label in labels:
            for u, v in ((0.5, 0.5), (0.25, 0.4), (0.75, 0.4), (0.25, 0.6), (0.75, 0.6)):
                x, y = label.x + u * label.width - place.x, label.y + v * label.height - place.y
                assert not covers(size, x, y), (a, key)


def covers(size: Size, x: float, y: float) -> bool:
    """Is (x, y) in the picture of a volume, measured from the corner of its front?"""
    (bx, by), w, h = size.back, size.width, size.height
    # the picture is what the front passes over on its way back
    return any(0 < x - t * bx < w and 0 < y - t * by < h for t in (i / 8 for i in range(9)))


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3)), min_size=2, max_size=5), st.integers(6, 9),
       st.sampled_from((300.0, 495.0)))
@settings(max_examples=12)
def test_a_u_has_a_level_for_each_resolution(stages: list[tuple[int, int]], log_side: int, width: float) -> None:
    b = Builder("U")

    def maps(level: int) -> tuple[int, ...]:
        return (1, 8 << level, 2 ** log_side >> level, 2 ** log_side >> level)

    x, skips = b.input("image", (1, 3, *maps(0)[2:])), []
    for level, (convs, _) in enumerate(stages):
        for _ in range(convs):
            x = b.op("Conv2d", x, shape=maps(level), kernel_size=[3, 3])
        skips.append(x)
        x = b.op("MaxPool2d", x, shape=maps(level + 1))
    x = b.op("Conv2d", x, shape=maps(len(stages)), kernel_size=[3, 3])
    for level, (_, convs) in reversed(list(enumerate(stages))):
        x = b.op("ConvTranspose2d", x, shape=maps(level), kind="upconv", kernel_size=[2, 2], stride=[2, 2])
        x = b.op("cat", skips[level], x, shape=maps(level))
        for _ in range(convs):
            x = b.op("Conv2d", x, shape=maps(level), kernel_size=[3, 3])
    b.output(x)
    drawn = compile.compile(replace(b.graph(), nodes=tuple(axed(node) for node in b.graph().nodes)), Options(
        "cube", width=width, max_height="400mm"))
    if drawn.layout.direction != "around":
        assert len(stages) > 2, "only what does not fit is laid out otherwise"
        return
    axes = [round(drawn.layout.nodes[node.id].y) for node in drawn.drawn.nodes if node.kind == "cat"]
    assert axes == sorted(axes, reverse=True) and len(set(axes)) == len(stages)
    style = drawn.drawn
    solid = [(key, place) for key, place in drawn.layout.nodes.items() if place.width > 0
             and style.by_id[key].kind not in ("pool", "conv")]
    for (a, p), (c, q) in combinations(solid, 2):
        assert clear(p, q), (a, c)


def axed(node: Node) -> Node:
    return replace(node, out=tuple(replace(t, axes="NCHW") for t in node.out))


def clear(p: Place, q: Place, slack: float = 0.3) -> bool:
    return (p.x + p.width <= q.x + slack or q.x + q.width <= p.x + slack
            or p.y + p.height <= q.y + slack or q.y + q.height <= p.y + slack)


def test_the_same_bytes_in_every_process(tmp_path: Path, run: Run) -> None:
    saved = tmp_path / "graph.json"
    saved.write_text(graph_json.to_json(traced("resnet:resnet18")), encoding="utf-8")
    run(saved, "--style", "cube", "-o", tmp_path / "x.svg", env={"PYTHONHASHSEED": "1"}).check_returncode()
    assert (tmp_path / "x.svg").read_bytes() == compile.compile(
        traced("resnet:resnet18"), Options("cube")).render("svg")


def test_figures_of_the_gallery_have_no_fault_a_linter_finds(tmp_path: Path) -> None:
    paths = []
    for name in GALLERY:
        for width in WIDTHS:
            paths.append(tmp_path / f"{name.partition(':')[0]}-{width}.svg")
            figure(name, width).save(paths[-1])
    assert {name: row["bad"] for name, row in lint(paths).items() if row["bad"]} == {}


def test_a_scene_of_cuboids_is_lowered_to_the_same_picture() -> None:
    scene = Scene((Cuboid(10, 20, (8, 0), (0, 30), (6, -6), "conv", ((0.5, 1.0, "conv deep"),)),), STYLE.roles, 60, 60)
    assert svg.render(scene) == svg.render(lowered(scene))
    roles = [mark.role for mark in lowered(scene).marks]
    assert {"conv", "conv top", "conv deep", "conv deep top", "conv deep side", "conv hidden"} == set(roles)
