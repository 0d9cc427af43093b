"""What a model does, painted on its figure: everything stays where it was, the right number is on the right box, and
what is painted can be read, in every form, theme and format."""
from __future__ import annotations

import io
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bs4 import BeautifulSoup
from PIL import Image as Picture

from archviz.core.errors import ArchvizError
from archviz.core.graph import Edge, Graph, Node, TensorSpec, skips
from archviz.core.scene import Box, Cuboid, Group, Image, Link, Mark, Scene, Text
from archviz.figure.draw import draw
from archviz.figure.figure import Figure
from archviz.insight.overlay import _bounds, overlay
from archviz.insight.painting import colormap
from archviz.insight.results.attribution import Attribution, Check
from archviz.insight.results.recording import Recording
from archviz.style.layer_colours import contrast
from tests import latex, lint
from tests.backends.test_tex import check_geometry
from tests.conftest import ROOT
from tests.pdf_ops import pages

FIGURES = {
    "block": ("resnet.py:resnet18", {}), "column": ("resnet.py:resnet18", {"width": "column"}),
    "mono": ("resnet.py:resnet18", {"theme": "mono", "width": "column"}), "dark": ("gpt.py", {"theme": "dark"}),
    "cube": ("vgg16.py", {"style": "cube"}), "cube mono": ("vgg16.py", {"style": "cube", "theme": "mono"}),
    "node-link": ("mlp.py", {"style": "node-link"}), "inset": ("resnet.py:resnet18", {"inset": "stages.3.1"}),
    "recurrent": ("lstm.py", {"style": "node-link"})}


@cache
def figure(name: str) -> Figure:
    model, options = FIGURES[name]
    return draw(ROOT / "gallery" / model, **options)


def numbers(drawn: Graph, signed: bool = True, samples: int = 1) -> Attribution:
    """Made-up scores, maps and flows for every node of a trace."""
    rng = np.random.default_rng(3)
    scores: dict[str, Any] = {}
    maps: dict[str, Any] = {}
    for node in drawn.nodes:
        scores[node.id] = rng.normal(0.4 if signed else 0, 0.6, samples) if signed else rng.gamma(2, 0.4, samples)
        shape = node.out[0].shape[1:] if node.out else ()
        if len(shape) == 3 and shape[1] > 1:
            maps[node.id] = rng.random((samples, min(shape[0], 5), *(min(n, 28) for n in shape[1:])))
        elif len(shape) == 1:
            maps[node.id] = rng.normal(size=(samples, *shape))
    flows = {(edge.src, edge.dst): rng.normal(0.5, 0.4, samples) for edge in drawn.edges}
    given = [node.id for node in drawn.nodes if node.kind == "input"]
    shown = {key: rng.random((samples, 3, 32, 32)) for key in given}
    return Attribution("lrp", "LRP", "class 3", np.ones(samples), {}, shown, maps, scores, flows, signed,
                       "relevance (logit)", (Check("conservation", 1e-6, "sums to 1.000 of the logit"),))


def groups(marks: Sequence[Mark]) -> Iterator[Group]:
    for mark in marks:
        if isinstance(mark, Group):
            yield mark
            yield from groups(mark.marks)


def of(drawn: Figure, *ids: str) -> Group:
    """The group of a node, or of the edge between two."""
    return next(group for group in groups(drawn.scene.marks) if (group.edge or (group.node,)) == ids)


def places(mark: Mark) -> Any:
    """Everything about a mark but its role, the size of an arrow head and its words' colour."""
    if isinstance(mark, Group):
        return (mark.node, mark.href, tuple(places(inner) for inner in mark.marks
                                            if not isinstance(inner, Image) and not mark.role == "legend"))
    if isinstance(mark, Link):
        return mark.points
    if isinstance(mark, Cuboid):
        return mark.x, mark.y, mark.along, mark.down, mark.back, mark.hidden
    return tuple(getattr(mark, name) for name in mark.__slots__ if name != "role")


def fills(drawn: Figure, node: str) -> set[str | None]:
    return {drawn.scene.paint(mark.role).fill for mark in of(drawn, node).marks
            if not isinstance(mark, (Group, Text)) and " heat " in mark.role}


# ------------------------------------------------------------------------------------------------ in register

@pytest.mark.parametrize("name", FIGURES)
def test_nothing_moves(name: str) -> None:
    """What the plain figure draws, the painted one draws at the same place; pictures and the key are added to it."""
    plain = figure(name)
    painted = numbers(plain.graph).overlay(plain)
    rims = {i for group in groups(painted.scene.marks) for i, (a, b) in enumerate(
        zip(group.marks, group.marks[1:], strict=False)) if isinstance(a, Image)}
    assert rims or name in ("dark", "node-link", "recurrent") or any(
        isinstance(mark, Image) for group in groups(painted.scene.marks) for mark in group.marks)
    old = [mark for mark in painted.scene.marks if not (isinstance(mark, Group) and mark.role == "trunk")]
    for before, after in zip(plain.scene.marks, old, strict=False):
        if isinstance(after, Group):    # on the face of a cuboid a picture, and the outline on top of it
            seen = list(after.marks)
            for i in [i for i, mark in enumerate(seen) if isinstance(mark, Image)][::-1]:
                del seen[i:i + 2]
            after = replace(after, marks=tuple(seen))
        assert places(before) == places(after)
    assert painted.layout == plain.layout and painted.drawn == plain.drawn
    assert painted.scene.width >= plain.scene.width and painted.scene.height >= plain.scene.height
    assert painted.scene.uid != plain.scene.uid
    blank = numbers(plain.graph).overlay(plain, blank=True)
    assert (blank.scene.width, blank.scene.height) == (painted.scene.width, painted.scene.height)
    assert blank.scene.marks == plain.scene.marks and blank.caption == plain.caption


def test_every_form_and_theme_is_without_fault(tmp_path: Path) -> None:
    files = []
    for i, name in enumerate(FIGURES):
        files.append(tmp_path / f"{name.replace(' ', '-')}.svg")
        numbers(figure(name).graph, signed=i % 2 == 0).overlay(figure(name)).save(files[-1])
        ids = [tag["id"] for tag in BeautifulSoup(files[-1].read_text("utf-8"), "html.parser").find_all(id=True)]
        assert len(ids) == len(set(ids))
    assert {name: row["bad"] for name, row in lint.lint(files).items() if row["bad"]} == {}


def test_the_same_numbers_are_the_same_bytes() -> None:
    plain = figure("block")
    assert [numbers(plain.graph).overlay(plain).svg for _ in range(2)].count(
        overlay(plain, numbers(plain.graph)).svg) == 2


# ------------------------------------------------------------------------------------------------ the right number

def test_a_box_has_the_colour_of_its_last_operation_and_a_stack_that_of_its_mean() -> None:
    plain = figure("block")
    what = numbers(plain.graph)
    painted = what.overlay(plain, maps=False, flows=False)
    drawn = {node.id: node for node in plain.drawn.nodes}
    fused = next(node for node in drawn.values() if node.attrs.get("fused") and node.repeat == 1)
    stack = next(node for node in drawn.values() if node.repeat == 2 and node.attrs.get("fused"))
    last = [part.inside[-1].id if part.inside else part.id for part in stack.inside]
    assert len(last) == 2
    numbers_of = {fused.id: what.scores[fused.members[-1]][0], stack.id: np.mean([what.scores[key][0] for key in last])}
    for node, value in numbers_of.items():
        assert colormap.number(value) in of(painted, node).title
    values = {node: float(of(painted, node).title.rsplit(": ", 1)[1].split()[0].replace("−", "-")) for node in drawn
              if "relevance" in of(painted, node).title}
    scale = colormap.scale(list(values.values()), plain.drawing.style.heat, True)
    for node, value in numbers_of.items():
        seen, wanted = (np.array([int(c[i:i + 2], 16) for i in (1, 3, 5)]) for c in (
            str(next(iter(fills(painted, node)))), scale.colour(value)))
        assert np.abs(seen - wanted).max() <= 4


def test_a_closed_module_has_its_own_number_where_there_is_one() -> None:
    plain = figure("block")
    what = numbers(plain.graph)
    closed = next(node for node in plain.drawn.nodes if node.kind == "module" and node.repeat == 1)
    own = replace(what, scores={**what.scores, closed.id: np.array([7.25])})
    assert "7.25 relevance" in of(own.overlay(plain), closed.id).title
    assert colormap.number(what.scores[closed.members[-1]][0]) in of(what.overlay(plain), closed.id).title


def test_what_has_no_number_says_so() -> None:
    plain = figure("block")
    what = numbers(plain.graph)
    some = {key: value for key, value in what.scores.items() if "stages.3" not in key}
    painted = replace(what, scores=some).overlay(plain)
    words = [mark.string for group in groups(painted.scene.marks) for mark in group.marks if isinstance(mark, Text)]
    assert "no value" in words
    assert "no value" not in [mark.string for group in groups(what.overlay(plain).scene.marks) for mark in group.marks
                              if isinstance(mark, Text)]


@pytest.mark.parametrize("name", ["block", "mono", "dark", "inset"])
@pytest.mark.parametrize("limit", [None, 0.3, 40.0])
def test_labels_can_be_read_on_every_colour(name: str, limit: float | None) -> None:
    plain = figure(name)
    painted = numbers(plain.graph).overlay(plain, limit=limit)
    seen = 0
    for group in groups(painted.scene.marks):
        grounds = [(mark, room) for mark in group.marks if not isinstance(mark, (Text, Group)) and " heat " in mark.role
                   for room in _bounds.rooms(mark, painted.scene)]
        for mark in group.marks:
            if isinstance(mark, Text) and grounds and group.role != "legend":
                under = [room for _, room in grounds if room.x0 < mark.x < room.x1 and room.y0 < mark.y < room.y1]
                if under:
                    fill = painted.scene.paint(grounds[0][0].role).fill
                    assert contrast(painted.scene.paint(mark.role).color, str(fill)) >= 4.5
                    seen += 1
    assert seen > 8


def test_a_neuron_has_its_own_colour() -> None:
    plain = figure("node-link")
    layer = next(node for node in plain.drawn.nodes if node.kind == "linear")
    size = plain.graph.by_id[layer.members[-1]].out[0].shape[-1]
    values = np.arange(float(size))[None]
    what = Recording({layer.members[-1]: {"values": values, "mean": np.array(values.mean()), "samples": np.array(1)}})
    painted = what.overlay(plain)
    scale = colormap.scale(values, plain.drawing.style.heat, False)
    dots = [mark for mark in of(painted, layer.id).marks if mark.role.endswith("neuron")]
    colours = [painted.scene.paint(mark.role).fill for mark in dots]
    assert len(dots) < size and "⋮" not in painted.svg
    half = next(i for i, mark in enumerate(of(painted, layer.id).marks) if mark.role == "dots")
    first = sum(mark in dots for mark in of(painted, layer.id).marks[:half])
    wanted = [*range(first), *range(size - len(dots) + first, size)]
    assert colours == [scale.colour(values[0, i]) for i in wanted]


# ------------------------------------------------------------------------------------------------ links

def test_a_link_is_as_wide_as_what_runs_along_it() -> None:
    plain = figure("block")
    what = numbers(plain.graph, signed=False)
    flows = {edge: np.array([0.0]) for edge in what.flows}
    drawn = [edge for edge in plain.drawn.edges if edge.role == "data" and len(edge.base) == 1][:4]
    for edge, value in zip(drawn, (1.0, 0.5, 0.25, -1.0), strict=True):
        flows[edge.base[0].src, edge.base[0].dst] = np.array([value])
    painted = replace(what, flows=flows).overlay(plain)

    def line(edge: Edge) -> Any:
        return painted.scene.paint(of(painted, edge.src, edge.dst).marks[0].role)

    widths = [line(edge).stroke_width for edge in drawn]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.06) and widths[0] == pytest.approx(4 * widths[2], abs=0.11)
    assert widths[3] == widths[0] and line(drawn[3]).dash and not line(drawn[0]).dash
    others = [edge for edge in plain.drawn.edges if edge not in drawn and edge.role != "recurrent"]
    assert max(line(edge).stroke_width for edge in others) < 0.4


def test_where_links_run_together_the_line_is_as_wide_as_all_of_them() -> None:
    plain = figure("block")
    what = numbers(plain.graph, signed=False)
    past = min(skips(plain.drawn))
    fork = past[0]
    parts = {edge: 1.0 if (edge.src, edge.dst) == past else 0.5 for edge in plain.drawn.edges if edge.src == fork}
    flows = {edge: np.array([0.0]) for edge in what.flows}
    for edge, value in parts.items():
        flows[edge.base[0].src, edge.base[0].dst] = np.array([value])
    largest = next(edge for edge in plain.drawn.edges if edge.src != fork and len(edge.base) == 1).base[0]
    flows[largest.src, largest.dst] = np.array([2.0])
    painted = replace(what, flows=flows).overlay(plain)
    trunk, = [mark for mark in painted.scene.marks if isinstance(mark, Group) and mark.role == "trunk"
              and mark.title.startswith(f"{fork}:")]
    assert trunk.title == f"{fork}: 1.5"
    link, skip = trunk.marks[0], of(painted, *past).marks[0]
    assert link.points[0] == skip.points[0] and not link.arrow
    assert painted.scene.paint(link.role).stroke_width == pytest.approx(
        1.5 * painted.scene.paint(skip.role).stroke_width, abs=0.06)
    bend = skip.points[1]
    assert abs(link.points[1][0] - bend[0]) + abs(link.points[1][1] - bend[1]) == pytest.approx(skip.radius, abs=1e-6)


# ------------------------------------------------------------------------------------------------ maps

def test_a_map_lies_on_the_right_face_of_its_cuboid_and_is_its_own() -> None:
    plain = figure("cube")
    what = numbers(plain.graph, signed=False)
    painted = what.overlay(plain)
    faced = {group.node: next((m for m in group.marks if isinstance(m, Image)), None)
             for group in groups(painted.scene.marks)}
    seen = {node: image for node, image in faced.items() if image is not None and node}
    pools = {node.id for node in plain.drawn.nodes if node.kind == "pool"}
    assert pools < seen.keys() and any(plain.drawn.by_id[node].kind == "input" for node in seen)
    for node, image in seen.items():
        cuboid = [mark for mark in of(painted, node).marks if isinstance(mark, Cuboid)][-1]
        assert image.corners[0] == cuboid.at(1, 0, 0)
        assert np.allclose(image.corners, [cuboid.at(1, 0, 0), cuboid.at(1, 0, 1), cuboid.at(1, 1, 1),
                                           cuboid.at(1, 1, 0)])
    pool = next(node for node in plain.drawn.nodes if node.kind == "pool")
    values = what.maps[pool.members[-1]][0].mean(axis=0)
    pixels = np.asarray(Picture.open(io.BytesIO(seen[pool.id].png)).convert("RGB"))
    times = len(pixels) // len(values)
    assert times > 3 and (pixels[times // 2::times, times // 2::times] == colormap.scale(
        values, plain.drawing.style.heat, False).rgb(values)).all()
    # what stands against the next volume shows no face
    assert not any(plain.drawn.by_id[node].kind == "conv" for node in seen)


def test_strips_stand_where_nothing_else_is() -> None:
    for name in ("block", "column", "inset"):
        plain = figure(name)
        painted = numbers(plain.graph).overlay(plain, flows=False)
        strips = [group for group in painted.scene.marks if isinstance(group, Group) and group.role == "maps"]
        assert len(strips) > 3
        rooms = [_bounds.around([c for m in strip.marks if isinstance(m, Image) for c in m.corners])
                 for strip in strips]
        others = [room for group in groups(plain.scene.marks) for mark in group.marks
                  if not isinstance(mark, Group) and not (isinstance(mark, Box) and group.role in ("frame", "inset"))
                  for room in _bounds.rooms(mark, plain.scene)]
        for i, room in enumerate(rooms):
            assert not any(room.meets(other) for other in (*others, *rooms[:i]))
            assert room.x0 > 0 and room.x1 < painted.scene.width <= plain.drawing.style.page.width + 0.01


@pytest.mark.parametrize("width", ["page", "column"])
def test_strips_stand_in_a_column_each_at_the_height_of_its_box(width: str) -> None:
    plain = draw(ROOT / "gallery" / "digits.py", width=width)
    what = numbers(plain.graph)
    painted = Recording({key: {"values": array, "mean": array.mean(), "samples": np.array(1)}
                         for key, array in what.maps.items() if key not in what.shown}).overlay(plain)
    strips = [group for group in painted.scene.marks if isinstance(group, Group) and group.role == "maps"]
    assert len(strips) == sum(node.kind in ("conv", "pool") and node.id.startswith("features")
                              for node in plain.drawn.nodes)
    left = {min(mark.x for mark in strip.marks if isinstance(mark, Image)) for strip in strips}
    assert len(left) == 1 and all(sum(isinstance(mark, Image) for mark in strip.marks) == 4 for strip in strips)
    for strip in strips:
        box, image = (_bounds.body(of(painted, strip.title), painted.scene),
                      next(mark for mark in strip.marks if isinstance(mark, Image)))
        assert box is not None and image.y + image.height / 2 == pytest.approx((box.y0 + box.y1) / 2)
    assert plain.scene.width < painted.scene.width <= plain.drawing.style.page.width + 0.01


def test_the_picture_that_went_in_is_seen_with_what_was_found_over_it() -> None:
    plain = figure("cube")
    what = numbers(plain.graph)
    key = next(iter(what.shown))
    seen = what.shown[key][0]

    def pixels(painted: Figure) -> np.ndarray:
        image = next(mark for mark in of(painted, key).marks if isinstance(mark, Image))
        return np.asarray(Picture.open(io.BytesIO(image.png)).convert("RGB")).astype(int)

    bright = np.rint(255 * (seen - seen.min()) / (seen.max() - seen.min())).astype(np.uint8)
    assert (pixels(what.overlay(plain)) == np.moveaxis(bright, 0, -1)).all()
    hot = np.zeros((32, 32))
    hot[8:, :16] = -1.0
    found = pixels(replace(what, inputs={key: hot[None]}).overlay(plain))
    assert np.ptp(found[:8], axis=-1).max() <= 2        # where nothing was found it is grey
    assert (found[8:, :16, 2] > found[8:, :16, 0]).all()        # and blue where something speaks against the target


# ------------------------------------------------------------------------------------------------ words

@dataclass(frozen=True)
class Remarks:
    """The least that can be painted."""

    marks: dict[str, str]
    scores: dict[str, Any] = field(default_factory=dict)
    maps: dict[str, Any] = field(default_factory=dict)
    flows: dict[tuple[str, str], Any] = field(default_factory=dict)
    signed: bool = False
    unit: str = ""
    title: str = "Activations"


def test_what_is_remarkable_has_a_badge_an_entry_and_a_sentence() -> None:
    plain = figure("block")
    first, second = [node for node in plain.drawn.nodes if node.attrs.get("fused")][:2]
    what = Remarks({first.members[-1]: "dead 12/64", second.members[-1]: "saturated 30 %"})
    painted = overlay(plain, what)
    badges = [group for group in painted.scene.marks if isinstance(group, Group) and group.role == "mark"]
    assert [group.title for group in badges] == ["dead 12/64", "saturated 30 %"]
    letters = [mark.string for group in badges for mark in group.marks if isinstance(mark, Text)]
    assert letters == ["D", "S"]
    key = painted.scene.marks[-1]
    assert isinstance(key, Group)
    said = {"dead: 12 of 64 units of this layer", "saturated: 30 % of the values", "D", "S"}
    assert said <= {mark.string for mark in key.marks if isinstance(mark, Text)}
    assert f"Dead: {first.members[-1]} (12/64)." in painted.caption and "dead 12/64" in of(painted, first.id).title
    assert [mark for group in groups(painted.scene.marks) for mark in group.marks if " heat " in mark.role] == []


def test_the_caption_says_what_colours_mean_for_which_target_and_how_far_they_can_be_trusted() -> None:
    plain = figure("block")
    painted = numbers(plain.graph).overlay(plain)
    added = painted.caption.removeprefix(plain.caption)
    assert added != painted.caption
    for said in ("LRP", "relevance (logit)", "class 3", "last operation", "their mean", "wider", "the mean",
                 "Checks: sums to 1.000 of the logit."):
        assert said in added
    assert painted.scene.description == painted.caption and painted.scene.facts["checks"]
    page = BeautifulSoup(painted.render("html").decode(), "html.parser")
    assert painted.caption in page.text and page.find("svg").find("image") is not None


def test_a_sample_and_a_figure_that_do_not_belong_are_told() -> None:
    plain = figure("block")
    with pytest.raises(ArchvizError, match="2 samples, and no number 2"):
        numbers(plain.graph, samples=2).overlay(plain, 2)
    first, second = (numbers(plain.graph, samples=2).overlay(plain, i) for i in (0, 1))
    assert first.svg != second.svg
    with pytest.raises(ArchvizError, match="no id of it is among"):
        replace(numbers(plain.graph), scores={"elsewhere": np.ones(1)}).overlay(plain, maps=False, flows=False)


def test_any_name_is_data() -> None:
    bad = '<script>"&\x00\u202e'
    node = Node(bad, op="Linear", kind="linear", out=(TensorSpec((1, 4)),))
    graph = Graph(bad, (Node("/in:x", kind="input", out=(TensorSpec((1, 4)),)), node), (Edge("/in:x", bad),))
    plain = draw(graph)
    what = replace(numbers(graph), title=bad, unit=bad, target=bad)
    painted = what.overlay(plain)
    for suffix in ("svg", "html"):
        assert "<script>" not in painted.render(suffix).decode()
    assert painted.render("pdf").startswith(b"%PDF")


# ------------------------------------------------------------------------------------------------ formats

def test_tikz_draws_what_the_svg_does(tmp_path: Path) -> None:
    many = [numbers(figure(name).graph).overlay(figure(name)) for name in ("block", "cube", "node-link")]
    done = latex.together([one.render("tex") for one in many], tmp_path)
    assert done.code == 0 and not done.complaints
    for one, page, size in zip(many, pages(done.pdf.read_bytes()), done.sizes(), strict=True):
        assert size == pytest.approx((one.scene.width, one.scene.height), abs=0.1)
        check_geometry(page, Scene(one.scene.marks, one.scene.sheet, one.scene.width, one.scene.height))
    listed = subprocess.run(["pdfimages", "-list", done.pdf], capture_output=True, text=True, check=True).stdout
    wanted = sum(isinstance(mark, Image) for one in many for group in groups(one.scene.marks) for mark in group.marks)
    assert listed.count("[inline]") == wanted > 10
