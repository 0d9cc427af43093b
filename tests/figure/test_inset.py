"""Insets: a block opened up beside the figure, tied to where it belongs, on the same page."""
from __future__ import annotations

import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz import draw
from archviz.apps.request import catalogue
from archviz.core import graph_json
from archviz.core import text as measure
from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.geometry import Layout, Place, Route
from archviz.core.graph import Edge, Graph, Node, base_edges
from archviz.core.scene import Box, Group, Mark, Text
from archviz.core.scene import Path as Outline
from archviz.figure import compile, stages
from archviz.figure.figure import Figure
from archviz.figure.insets.leaders import AROUND, HIT, Framed, Zoomed
from archviz.figure.options import Options
from archviz.trace.ladder import Inputs, trace
from tests.conftest import ROOT, Run
from tests.figure.test_fit import encoder
from tests.graphs import Builder, graphs
from tests.lint import LINTER, lint
from tests.zoo import CASES


@cache
def traced(name: str) -> Graph:
    args, kwargs = CASES[name].inputs()
    return trace(CASES[name].build, Inputs(args, kwargs)).graph


@cache
def gallery(name: str) -> Graph:
    return draw(f"{ROOT / 'gallery' / name}").graph


FIGURES = {
    "gpt": lambda: (gallery("gpt.py"), ("blocks.0",)),
    "bert": lambda: (traced("bert"), ("bert.encoder.layer.0",)),
    "vit": lambda: (traced("vit"), ("vit.layers.0",)),
    "resnet50": lambda: (gallery("resnet.py:resnet50"), ("Bottleneck",)),
    "transformer": lambda: (traced("transformer"), ("encoder.layers.0", "decoder.layers.0")),
    "unet": lambda: (traced("unet"), (next(iter(traced("unet").modules.values())).cls,)),
}
WIDTHS = ("page", "column")
each_figure = pytest.mark.parametrize("key", [f"{name}-{width}" for name in FIGURES for width in WIDTHS])


@cache
def figure(key: str) -> Figure:
    name, _, width = key.rpartition("-")
    graph, insets = FIGURES[name]()
    return compile.compile(graph, Options(width=width, inset=insets))


def groups(marks: tuple[Mark, ...], role: str) -> list[Group]:
    return [mark for mark in marks if isinstance(mark, Group) and mark.role == role]


def nodes(marks: tuple[Mark, ...]) -> list[str]:
    """The ids that groups carry, in order."""
    found: list[str] = []
    for mark in marks:
        if isinstance(mark, Group):
            found += [mark.node] if mark.node else []
            found += nodes(mark.marks)
    return found


def texts(marks: tuple[Mark, ...]) -> list[Text]:
    return [t for m in marks for t in (texts(m.marks) if isinstance(m, Group) else [m] if isinstance(m, Text) else [])]


def framed(fig: Figure) -> list[Box]:
    """The frames of the insets."""
    found = []
    for group in groups(fig.scene.marks, "inset"):
        assert isinstance(group.marks[0], Box) and group.marks[0].role == "inset"
        found.append(group.marks[0])
    return found


def drawn_at(fig: Figure, key: str) -> tuple[float, float, float, float]:
    """Where the box of the block stands in the scene: its layout's place, moved as all of the drawing is."""
    place = fig.layout.nodes[key]
    group = next(g for g in fig.scene.marks if isinstance(g, Group) and g.node == key)
    first = next(m for m in reversed(group.marks) if isinstance(m, Box))    # the front one of a stack
    return first.x, first.y, first.x + place.width, first.y + place.height


# ------------------------------------------------------------------------------------------------ laws

@each_figure
def test_every_node_stands_once_and_all_are_covered(key: str):
    fig = figure(key)
    shown = nodes(fig.scene.marks)
    assert len(shown) == len(set(shown))
    assert {node.id for node in fig.drawn.nodes} <= set(shown)
    assert not [node for node in nodes(fig.scene.marks) if node.startswith("/inset:")]
    assert "/inset:" not in fig.svg
    for block, inside in fig.drawing.insets:
        own = [node for node in inside.nodes if not node.id.startswith("/inset:")]
        assert {node.id for node in own} <= set(shown)
        assert sorted(m for node in own for m in node.members) == sorted(fig.drawn.by_id[block].members)
        assert sum(node.params for node in own) == fig.drawn.by_id[block].params
        assert len(own) > 1


@each_figure
def test_the_main_figure_still_holds_the_whole_trace(key: str):
    fig = figure(key)
    assert sorted(m for node in fig.drawn.nodes for m in node.members) == sorted(n.id for n in fig.graph.nodes)
    assert all(fig.drawn.by_id[block].kind == "module" for block, _ in fig.drawing.insets)


@each_figure
def test_page_and_type_are_kept(key: str):
    fig = figure(key)
    page = Options(width=key.rpartition("-")[2]).resolved().page
    assert fig.scene.width <= page.width + 0.02 and fig.scene.height <= page.max_height + 0.02
    assert min(fig.scene.sheet[text.role].size for text in texts(fig.scene.marks)) >= page.min_font


@each_figure
def test_insets_stand_clear_of_the_drawing_and_of_each_other(key: str):
    fig = figure(key)
    inner = framed(fig)
    x = min(drawn_at(fig, node.id)[0] - fig.layout.nodes[node.id].x for node in fig.drawn.nodes
            if node.id in dict(fig.drawing.insets))
    block = next(iter(dict(fig.drawing.insets)))
    y = drawn_at(fig, block)[1] - fig.layout.nodes[block].y
    main = Box(x, y, fig.layout.width, fig.layout.height, "")
    boxes = [main, *inner]
    for i, a in enumerate(boxes):
        for b in boxes[i + 1:]:
            assert a.x + a.width <= b.x + 0.01 or b.x + b.width <= a.x + 0.01 or \
                a.y + a.height <= b.y + 0.01 or b.y + b.height <= a.y + 0.01
    for group, frame in zip(groups(fig.scene.marks, "inset"), inner, strict=True):
        for text in texts(group.marks):
            paint = fig.scene.sheet[text.role]
            wide = measure.width(text.string, paint.size, paint.weight, paint.italic)
            left = text.x - {"start": 0.0, "middle": wide / 2, "end": wide}[text.anchor]
            assert frame.x <= left + 0.01 and left + wide <= frame.x + frame.width + 0.01, text.string


@each_figure
def test_zoom_lines_run_from_the_corners_of_the_block_to_those_of_the_frame(key: str):
    fig = figure(key)
    lines, frames = groups(fig.scene.marks, "zoom"), framed(fig)
    assert len(lines) == len(frames) == len(fig.drawing.insets)
    for (block, _), pair, frame in zip(fig.drawing.insets, lines, frames, strict=True):
        left, top, right, bottom = drawn_at(fig, block)
        corners = [(x, y) for x in (left, right) for y in (top, bottom)]
        ends = [(x, y) for x in (frame.x, frame.x + frame.width) for y in (frame.y, frame.y + frame.height)]
        assert len(pair.marks) == 2
        for line in pair.marks:
            assert isinstance(line, Outline)
            first, last = line.commands[0][1], line.commands[-1][1]
            assert min(abs(first[0] - x) + abs(first[1] - y) for x, y in corners) < 0.01
            assert min(abs(last[0] - x) + abs(last[1] - y) for x, y in ends) < 0.01


@pytest.fixture(scope="session")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    if not LINTER.exists():
        pytest.skip(f"no figure linter at {LINTER}")
    folder = tmp_path_factory.mktemp("insets")
    for name in FIGURES:
        for width in WIDTHS:
            figure(f"{name}-{width}").save(folder / f"{name}-{width}.svg")
    return lint(sorted(folder.glob("*.svg")))


@each_figure
def test_the_linter_finds_nothing(key: str, measured: dict[str, dict[str, object]]):
    assert not measured[f"{key}.svg"]["bad"], measured[f"{key}.svg"]["bad"]


@settings(max_examples=25)
@given(graphs(), st.integers(0, 99))
def test_any_module_can_be_an_inset(graph: Graph, pick: int) -> None:
    style = Options().resolved()
    modules = sorted(stages.passed(graph, style, Options().overrides).modules)
    if not modules:
        return
    key = modules[pick % len(modules)]
    try:
        fig = compile.compile(graph, Options(inset=(key,), expand=()))
    except DoesNotFit as error:
        assert error.hint
        return
    (block, inside), = fig.drawing.insets
    shown = nodes(fig.scene.marks)
    assert len(shown) == len(set(shown))
    own = [m for node in inside.nodes if not node.id.startswith("/inset:") for m in node.members]
    assert sorted(own) == sorted(fig.drawn.by_id[block].members)
    edges = {(edge.src, edge.dst) for edge in base_edges(fig.drawn)}
    edges |= {(e.src, e.dst) for node in fig.drawn.nodes for e in _wires(node)}
    for edge in base_edges(inside):
        if not edge.src.startswith("/inset:") and not edge.dst.startswith("/inset:"):
            assert (edge.src, edge.dst) in edges


def _wires(node: Node) -> list[Edge]:
    found = [part for wire in node.wires for part in wire.base]
    return found + [wire for inner in node.inside for wire in _wires(inner)]


# ------------------------------------------------------------------------------------------------ what is drawn

def words(fig: Figure) -> list[str]:
    return [text.string for text in texts(fig.scene.marks)]


def test_the_inset_is_titled_as_its_block_and_shows_it_once():
    fig = figure("gpt-page")
    group, = groups(fig.scene.marks, "inset")
    said = [text.string for text in texts(group.marks)]
    assert said[:2] == ["Block", "×12"] and {"masked attention", "12 heads"} <= set(said)
    assert "input" in said and "output" in said and "128×768" in said
    outside = [mark for mark in fig.scene.marks if mark is not group]
    assert "masked attention" not in [text.string for text in texts(outside)]
    assert not [word for word in said if "×12" in word and word != "×12"]      # nothing inside is repeated again


def test_what_enters_and_leaves_has_its_name():
    fig = figure("transformer-page")
    _, decoder = groups(fig.scene.marks, "inset")
    said = [text.string for text in texts(decoder.marks)]
    assert "from Encoder" in said and "tgt" in said


def test_what_leaves_is_what_the_block_gives_not_what_the_next_layer_makes_of_it():
    build = Builder("Net")
    x = build.input()
    with build.module("block", "Block"):
        x = build.op("Linear", build.op("LayerNorm", x), shape=(1, 8, 16), params=5)
    x = build.op("view", x, shape=(1, 4, 32))
    build.output(build.op("Linear", x, shape=(1, 4, 2), params=7, name="head"))
    fig = compile.compile(build.graph(), Options(inset=("block",)))
    group, = groups(fig.scene.marks, "inset")
    said = [text.string for text in texts(group.marks)]
    assert said.count("8×16") == 2 and "4×32" not in said


def test_one_legend_tells_of_both():
    fig = figure("resnet50-page")
    assert len(groups(fig.scene.marks, "legend")) == 1
    legend = [text.string for text in texts(groups(fig.scene.marks, "legend")[0].marks)]
    assert "sum" in legend and "linear" in legend and len(legend) == len(set(legend))


def test_blocks_like_the_one_in_the_inset_stay_closed():
    fig = figure("resnet50-page")
    assert not [n.id for n in fig.drawn.nodes if any(fig.drawn.modules[s].cls == "Bottleneck" for s in n.scope)]


def test_the_caption_mentions_it():
    assert "The inset shows one of the 12 blocks from inside." in figure("gpt-page").caption
    assert "The insets show " in figure("transformer-page").caption
    assert "inset" not in draw(encoder()).caption


def test_a_folded_copy_names_its_block():
    a, b = (compile.compile(encoder(), Options(inset=(f"layers.{i}",))) for i in (0, 7))
    assert a.svg == b.svg


def test_an_inset_may_be_inside_what_is_open():
    fig = compile.compile(encoder(), Options(inset=("layers.0.attention",)))
    assert [key for key, _ in fig.drawing.insets] == ["layers.0.attention"]
    assert fig.drawn.by_id["layers.0.attention"].kind == "module"


def test_the_same_bytes_twice():
    graph, insets = FIGURES["transformer"]()
    again = compile.compile(graph, Options(width="page", inset=insets))
    assert again.svg == figure("transformer-page").svg


def test_an_inset_in_another_style(tmp_path: Path):
    (tmp_path / "other.yaml").write_text("extends: block\nroles: {attention: {fill: '#00ffcc'}, conv: {fill: blue}}\n")
    plain = compile.compile(encoder(), Options(inset=("layers.0",)))
    fig = compile.compile(encoder(), Options(inset=(f"layers.0={tmp_path / 'other.yaml'}",)))
    assert fig.scene.sheet["other attention"].fill == "#00ffcc"
    assert fig.scene.sheet["attention"] == plain.scene.sheet["attention"]
    group, = groups(fig.scene.marks, "inset")
    assert "other attention" in {m.role for m in group.marks if isinstance(m, Group)}
    assert "other norm" not in fig.scene.sheet      # painted alike in both
    fig.render("pdf")


@pytest.mark.parametrize("style", [name for name in catalogue.catalogue()["styles"] if name != "block"])
def test_an_inset_in_every_style(style: str):
    for options in (Options(inset=(f"layers.0={style}",)), Options(inset=("layers.0=block",), style=style)):
        fig = compile.compile(encoder(), options)
        shown = nodes(fig.scene.marks)
        assert len(shown) == len(set(shown)) and fig.drawing.insets
        fig.render("svg")


# ------------------------------------------------------------------------------------------------ mistakes

def test_an_unknown_module_is_a_mistake_with_a_hint():
    with pytest.raises(ArchvizError, match="no module is called 'layer.0'") as error:
        compile.compile(encoder(), Options(inset=("layer.0",)))
    assert "did you mean layers.0" in error.value.hint


def test_an_unknown_style_is_told():
    with pytest.raises(ArchvizError, match="there is no style 'blok'"):
        compile.compile(encoder(), Options(inset=("layers.0=blok",)))


def test_a_block_inside_a_closed_one_cannot_be_pointed_at():
    with pytest.raises(ArchvizError, match="layers.0.attention is not seen") as error:
        compile.compile(encoder(), Options(inset=("layers.0.attention",), collapse=("layers.0",)))
    assert "--collapse" in error.value.hint


def test_no_room_is_told_with_what_to_do():
    with pytest.raises(DoesNotFit, match="with the inset of layers.0, ") as error:
        compile.compile(encoder(), Options(inset=("layers.0",), width="35mm", max_height="50mm"))
    assert "--width" in error.value.hint


# ------------------------------------------------------------------------------------------------ where the lines run

def zoomed(layout: Layout, side: str = "right", size: tuple[float, float] = (60.0, 80.0)) -> list[tuple[float, ...]]:
    frame = Framed("b", (Box(0, 0, *size, "inset"),), *size, Graph("g"))
    body = Zoomed((), side, (frame,))
    marks = body.marks(layout, {}, ())
    whole = body.size(layout, {})
    points = [p for m in marks if isinstance(m, Group) and m.role == "zoom" for line in m.marks
              if isinstance(line, Outline) for _, p in line.commands]
    assert all(-0.01 <= x <= whole[0] + 0.01 and -0.01 <= y <= whole[1] + 0.01 for x, y in points)
    return points


@pytest.mark.parametrize("side", ["right", "below"])
def test_a_free_way_is_straight(side: str):
    layout = Layout({"b": Place(0, 0, 40, 40)}, {}, (), 40.0, 40.0)
    assert len(zoomed(layout, side)) == 4


def test_a_box_beside_the_straight_way_makes_it_turn():
    layout = Layout({"b": Place(10, 100, 20, 10), "c": Place(0, 50, 80, 45), "d": Place(0, 115, 80, 45)}, {},
                    (), 80.0, 160.0)
    points = zoomed(layout, size=(60.0, 160.0))
    assert len(points) == 6 and points[1][0] == 80.0


def test_a_box_right_of_it_makes_it_go_around():
    layout = Layout({"b": Place(0, 40, 20, 20), "c": Place(40, 0, 20, 95)}, {}, (), 60.0, 100.0)
    points = zoomed(layout)
    assert len(points) == 8 and max(y for _, y in points) > 100.0 + AROUND


def test_where_no_way_is_free_the_same_outline_is_drawn_around_both():
    ring = {f"r{i}": place for i, place in enumerate((Place(0, 0, 60, 8), Place(0, 52, 60, 8), Place(0, 0, 8, 60),
                                                      Place(52, 0, 8, 60)))}
    layout = Layout({"b": Place(25, 25, 10, 10), **ring}, {}, (), 60.0, 60.0)
    frame = Framed("b", (Box(0, 0, 30, 30, "inset"),), 30.0, 30.0, Graph("g"))
    marks = Zoomed((), "right", (frame,)).marks(layout, {}, ())
    assert not groups(marks, "zoom") and Zoomed((), "right", (frame,)).cost(layout, {}) >= HIT
    outlines = [m for m in marks if isinstance(m, Box) and m.role == "zoom"]
    inner = [m for m in groups(marks, "inset")[0].marks if isinstance(m, Box) and m.role == "zoom"]
    assert len(outlines) == len(inner) == 1


def test_edges_in_the_way_cost_something():
    layout = Layout({"b": Place(0, 0, 40, 40)}, {}, (), 60.0, 40.0)
    crossed = replace(layout, routes=(Route("x", "y", ((50.0, -5.0), (50.0, 45.0))),))
    body = Zoomed((), "right", (Framed("b", (), 50.0, 40.0, Graph("g")),))
    assert body.cost(crossed, {}) > body.cost(layout, {})


# ------------------------------------------------------------------------------------------------ the command line

def test_the_command_line_draws_insets(run: Run, tmp_path: Path):
    (tmp_path / "graph.json").write_text(graph_json.to_json(encoder()), "utf-8")
    done = run("graph.json", "--inset", "layers.0", "--inset", "layers.0.mlp=block", "-o", "x.svg", "--caption")
    assert done.returncode == 2 and "layers.0.mlp is not seen" in done.stderr
    done = run("graph.json", "--inset", "layers.0.attention", "--inset", "layers.0.mlp", "-o", "x.svg", "--caption")
    assert done.returncode == 0, done.stderr
    assert "The insets show " in done.stdout
    root = ElementTree.fromstring((tmp_path / "x.svg").read_text("utf-8"))
    ids = [e.get("data-node") for e in root.iter() if e.get("data-node")]
    assert len(ids) == len(set(ids))
    assert len([e for e in root.iter() if e.get("class") and re.search(r"\bzoom\b", str(e.get("class")))]) >= 2
    bad = run("graph.json", "--inset", "layer.0", "-o", "y.svg")
    assert bad.returncode == 2 and "did you mean" in bad.stderr and not (tmp_path / "y.svg").exists()
