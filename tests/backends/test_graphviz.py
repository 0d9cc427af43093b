"""DOT: every program of Graphviz draws it without a word on stderr, and pydot reads back what was drawn, whatever the
names hold."""
from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from xml.etree import ElementTree

import pydot
import pytest
from hypothesis import given, settings

from archviz.core.graph import Graph
from archviz.core.text import clean
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from tests.backends.test_mermaid import residual
from tests.graphs import Builder, graphs
from tests.hostile import NAMES, hostile
from tests.lint import lint

SVG = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}title"


@pytest.fixture(scope="module", autouse=True)
def graphviz() -> None:
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed")


def laid_out(source: bytes, engine: str = "dot", to: str = "svg") -> bytes:
    """What a program makes of `source`, without a warning."""
    done = subprocess.run([engine, f"-T{to}"], input=source, capture_output=True, timeout=120)
    assert (done.returncode, done.stderr.decode()) == (0, "")
    return done.stdout


def named(quoted: str) -> str:
    return quoted[1:-1].replace('\\"', '"').replace("\\\\", "\\")


def nesting(graph: pydot.Graph, around: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(node, the clusters around it) for all nodes."""
    for node in graph.get_nodes():
        if node.get_name() not in ("node", "edge", "graph"):
            yield named(node.get_name()), around
    for inner in graph.get_subgraphs():
        yield from nesting(inner, (*around, named(inner.get_name()).removeprefix("cluster_")))


def edges(graph: pydot.Graph) -> Iterator[tuple[str, str]]:
    for edge in graph.get_edges():
        yield named(edge.get_source()), named(edge.get_destination())
    for inner in graph.get_subgraphs():
        yield from edges(inner)


# ------------------------------------------------------------------------------------------------ what is in the file

@settings(max_examples=30)
@given(graphs())
def test_what_is_drawn_is_what_is_read_back(graph: Graph):
    figure = compile(graph, Options())
    drawn = figure.drawn
    read = pydot.graph_from_dot_data(figure.render("dot").decode())[0]
    assert sorted(nesting(read)) == sorted((node.id, node.scope) for node in drawn.nodes)
    assert sorted(edges(read)) == sorted((edge.src, edge.dst) for edge in drawn.edges)


@settings(max_examples=15)
@given(graphs())
def test_dot_draws_any_graph_without_a_warning(graph: Graph):
    figure = compile(graph, Options())
    drawn = ElementTree.fromstring(laid_out(figure.render("dot")))
    kinds = [group.get("class") for group in drawn.iter(f"{SVG}g")]
    assert kinds.count("node") == len(figure.drawn.nodes)
    assert kinds.count("edge") == len(figure.drawn.edges)
    assert kinds.count("cluster") == len({key for node in figure.drawn.nodes for key in node.scope})


@pytest.mark.parametrize("engine", ["dot", "neato", "fdp", "sfdp", "twopi", "circo", "osage", "patchwork"])
def test_every_program_draws_it_without_a_warning(engine):
    assert b"3\xc3\x973 conv, 8" in laid_out(residual().render("dot"), engine)


@pytest.mark.parametrize("style", ["block", "cube", "planes", "tower", "wire", "sublayers", "node-link", "radial",
                                   "trapezoid"])
@pytest.mark.parametrize("theme", ["paper", "dark", "mono"])
def test_the_network_is_written_in_every_style_and_theme(style, theme):
    build = Builder()
    x = build.op("Linear", build.input(), params=8, out_features=16)
    build.output(build.op("ReLU", x))
    assert b"linear" in laid_out(compile(build.graph(), Options(style, theme=theme)).render("dot"))


@pytest.mark.parametrize("engine", ["dot", "fdp"])
def test_names_are_data(engine):
    figure = hostile(NAMES, direction="down")
    read = pydot.graph_from_dot_data(figure.render("dot").decode())[0]
    assert len(list(nesting(read))) == len(figure.drawn.nodes)
    root = ElementTree.fromstring(laid_out(figure.render("dot"), engine))
    words = ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]
    shown = [re.sub(r"\s+", " ", word.replace("\xa0", " ").replace("\u200b", "")).strip() for word in words]
    for name in NAMES:
        assert sum(name.shown in word for word in shown) >= 1 + name.framed, name
    tips = {re.sub(r"\s+", " ", one.get(LINK, "").replace("\u200b", "")) for one in root.iter(f"{SVG}a")}
    for node in figure.drawn.nodes:
        if node.kind == "linear" and len(node.id) < 1000:
            assert any(tip.startswith(clean(f"{node.id} (Linear)")) for tip in tips), node.id
    assert not list(root.iter(f"{SVG}script"))


def test_ids_that_differ_in_nothing_a_file_may_hold_stay_apart():
    build = Builder()
    x = build.op("Linear", build.input(), name="a\x00b", out_features=1)
    x = build.op("Linear", x, name="ab", out_features=2)
    x = build.op("Linear", x, name="a\x01b", out_features=3)
    build.output(x)
    read = pydot.graph_from_dot_data(compile(build.graph(), Options()).render("dot").decode())[0]
    assert {name for name, _ in nesting(read)} == {"/in:x", "ab", "ab (2)", "ab (3)", "/out:0"}
    assert len(set(edges(read))) == 4


def test_it_looks_like_the_figure():
    figure = residual()
    root = ElementTree.fromstring(laid_out(figure.render("dot")))
    sheet = figure.scene.sheet
    fills = {one.get("fill") for one in root.iter()}
    assert {sheet[role].fill for role in ("conv", "norm band", "act band", "frame", "pool")} <= fills
    strokes = [one.get("stroke") for one in root.iter(f"{SVG}path")]
    assert strokes.count(sheet["edge skip"].stroke) == 1
    words = {"".join(one.itertext()).strip() for one in root.iter(f"{SVG}text")}
    assert {"Net", "Body", "3×3 conv, 8", "convolution", "normalisation", "skip connection", "+"} <= words
    assert "Body" in {html.unescape(one.get(LINK, "")).split(" ")[-1].strip("()") for one in root.iter(f"{SVG}a")}


def test_the_same_figure_gives_the_same_bytes_and_says_who_wrote_it():
    assert residual().render("dot") == residual().render("dot")
    assert b"made by archviz" in residual().render("dot")[:200]


@pytest.mark.parametrize(("direction", "word"), [("down", "TB"), ("right", "LR"), ("up", "BT")])
def test_directions(direction, word):
    build = Builder()
    build.output(build.op("Linear", build.input()))
    figure = compile(build.graph(), Options("sublayers", direction=direction))
    assert f"rankdir={word};" in figure.render("dot").decode()


def drawn_well(figures: Sequence[Figure], folder) -> dict[str, dict]:
    for i, figure in enumerate(figures):
        (folder / f"{i}.svg").write_bytes(laid_out(figure.render("dot")))
    return lint(sorted(folder.glob("*.svg")))


def test_no_text_lies_on_another_or_spills_out(tmp_path):
    build = Builder()
    build.output(build.op("Linear", build.op("mean", build.op("Linear", build.input())), out_features=10))
    for name, row in drawn_well([residual(), compile(build.graph(), Options(direction="right"))], tmp_path).items():
        assert not {key: row["bad"][key] for key in ("text_text", "text_spill", "low_contrast", "min_pt")
                    if key in row["bad"]}, (name, row["bad"])
