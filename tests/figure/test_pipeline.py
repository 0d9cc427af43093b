"""From Python: `archviz.draw`, `Figure`, and what the pipeline promises about files, ids and bytes."""
from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import archviz
from archviz import ArchvizError, DoesNotFit, Figure, draw
from archviz.backends import svg
from archviz.core import graph_json
from archviz.core.graph import Edge, Graph, Node
from archviz.core.naming import named as model_name
from archviz.core.scene import POINTS_PER_MM
from archviz.figure import output
from archviz.figure.options import Options
from archviz.trace.ladder import Inputs
from gallery import gpt, lenet, resnet
from tests.conftest import ROOT


class Two(nn.Module):
    """Two inputs, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(4, 8), nn.Linear(6, 8)

    def forward(self, a: Tensor, b: Tensor) -> dict[str, Tensor]:
        return {"sum": self.left(a) + self.right(b)}


class Raises(nn.Module):
    """Raises in the middle."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(9, 8)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x))


HAND = Graph("Hand", (Node("/in:x", (), "input", "input"), Node("f", (), "Linear", "linear", index=1),
                      Node("/out:0", (), "output", "output", index=2)), (Edge("/in:x", "f"), Edge("f", "/out:0")))


def ids(figure: Figure) -> set[str]:
    return {e.get("data-node", "") for e in ElementTree.fromstring(figure.svg).iter() if e.get("data-node")}


# ------------------------------------------------------------------------------------------------ draw

def test_a_model_and_its_input() -> None:
    figure = draw(lenet.LeNet5(), torch.zeros(1, 1, 32, 32))
    assert figure.graph.name == "LeNet5"
    assert figure.graph.params == 61706
    assert figure.failed is None
    assert "/in:image" in ids(figure)


@pytest.mark.parametrize(
    "model", [lenet.LeNet5(), lenet.LeNet5, lambda: lenet.LeNet5(10)], ids=["instance", "class", "factory"])
@pytest.mark.parametrize("inputs", [
    torch.zeros(1, 1, 32, 32), (torch.zeros(1, 1, 32, 32),), {"image": torch.zeros(1, 1, 32, 32)}, "1x1x32x32",
    ["image=1x1x32x32"], lambda model: [Inputs((torch.zeros(1, 1, 32, 32),))],
], ids=["tensor", "tuple", "dict", "spec", "specs", "function"])
def test_the_ways_to_say_the_same(model: object, inputs: object) -> None:
    figure = draw(model, inputs, name="LeNet")
    assert figure.svg == draw(lenet.LeNet5(), torch.zeros(1, 1, 32, 32), name="LeNet").svg


def test_inputs_are_guessed_where_none_are_given() -> None:
    figure = draw(nn.Sequential(nn.Linear(12, 3)))
    assert figure.graph.by_id["/in:input"].out[0].shape == (1, 12)


def test_several_inputs_and_outputs_by_name() -> None:
    figure = draw(Two(), {"a": torch.zeros(1, 4), "b": torch.zeros(1, 6)})
    assert {"/in:a", "/in:b", "/out:sum"} <= ids(figure)


def test_a_target_and_a_graph_are_drawn_too(tmp_path: Path) -> None:
    figure = draw(f"{ROOT / 'gallery' / 'resnet.py'}:resnet18", width="column")
    assert figure.graph.name == "ResNet-18"
    figure.save(tmp_path / "graph.json")
    assert draw(tmp_path / "graph.json", width="column").svg == figure.svg
    assert draw(figure.graph, width="column").svg == figure.svg


def test_the_model_is_left_as_it_was() -> None:
    model = lenet.LeNet5()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    draw(model, torch.zeros(1, 1, 32, 32))
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.device.type == "cpu" and type(parameter) is nn.Parameter for parameter in model.parameters())


def test_a_model_that_raises_is_drawn_as_far_as_it_ran() -> None:
    with pytest.warns(UserWarning, match="second raised RuntimeError"):
        figure = draw(Raises(), torch.zeros(1, 4))
    assert figure.failed is not None
    assert figure.failed[0] == "second"
    assert {"first", "second"} <= ids(figure)
    assert "Incomplete" in figure.caption


# ------------------------------------------------------------------------------------------------ options

@pytest.mark.parametrize(("width", "points"), [
    ("column", 84 * POINTS_PER_MM), ("84mm", 84 * POINTS_PER_MM), (200, 200.0), ("3in", 3 * 72.27)])
def test_the_page_is_kept(width: str | float, points: float) -> None:
    figure = draw(gpt.GPT, gpt.example_inputs(), width=width)
    assert figure.scene.width <= points + 0.02
    assert figure.scene.height <= 230 * POINTS_PER_MM + 0.02


def test_options_that_cannot_be_are_refused() -> None:
    graph = draw(lenet.LeNet5, lenet.example_inputs()).graph
    wrong: list[tuple[dict[str, object], str]] = [
        ({"width": "wide"}, "wide"), ({"width": -3}, "-3"), ({"style": "blok"}, "did you mean block"),
        ({"direction": "sideways"}, "sideways"), ({"settings": {"sizes.nothing": "3"}}, "nothing")]
    for options, word in wrong:
        with pytest.raises(ArchvizError, match=word):
            draw(graph, **options)
    with pytest.raises(DoesNotFit):
        draw(graph, width="8mm")


def test_depth_and_direction() -> None:
    graph = draw(resnet.resnet18, resnet.example_inputs()).graph
    shallow, deep = (draw(graph, depth=depth, max_height="600mm", width="600mm") for depth in (1, 3))
    assert len(shallow.drawn.nodes) < len(deep.drawn.nodes)
    assert draw(graph, direction="right").layout.direction == "right"


def test_options_reach_the_style() -> None:
    style = Options(width="column", min_font="7pt", settings={"sizes.margin": "9"}).resolved()
    assert style.page.width == pytest.approx(84 * POINTS_PER_MM)
    assert min(paint.size for paint in style.roles.values()) >= 7
    assert style.sizes["margin"] == 9


# ------------------------------------------------------------------------------------------------ the figure

def test_what_a_notebook_shows() -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs(), title="What a notebook shows")
    uid = figure.scene.uid
    bundle = figure._repr_mimebundle_()
    assert list(bundle) == ["image/svg+xml", "application/pdf", "text/plain"]
    assert bundle["text/plain"] == figure.caption and bundle["application/pdf"] == figure.render("pdf")
    assert bundle["image/svg+xml"] == svg.embedded(figure.svg)
    # asked again, for another place on the page: other ids, the same picture
    for again in (figure._repr_svg_(), figure._repr_mimebundle_({"image/svg+xml"}, {"text/plain"})["image/svg+xml"]):
        other = ElementTree.fromstring(again).get("id", "")
        assert other.startswith(uid) and svg.renamed(str(again), uid) == svg.embedded(figure.svg)
        assert f'"{other}-' in str(again) and f'"{uid}-' not in str(again)
    assert other != ElementTree.fromstring(figure._repr_svg_()).get("id") != uid
    assert list(figure._repr_mimebundle_(exclude={"application/pdf"})) == ["image/svg+xml", "text/plain"]
    assert repr(figure) == "<archviz figure of LeNet5, 9 of 14 nodes>"


def test_a_figure_without_ground_is_shown_on_white_and_saved_without() -> None:
    bare = draw(lenet.LeNet5, lenet.example_inputs(), settings={"roles.background.fill": "none"})
    ground = ElementTree.fromstring(bare._repr_svg_()).find(".//*[@class='av-background']")
    assert ground is not None and ground.get("fill") == "#ffffff" and "background" not in bare.svg
    dark = draw(bare.graph, theme="dark")
    ground = ElementTree.fromstring(dark._repr_svg_()).find(".//*[@class='av-background']")
    assert ground is not None and ground.get("fill") == dark.scene.sheet["background"].fill != "#ffffff"


def test_the_caption_is_the_alternative_text() -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    root = ElementTree.fromstring(figure.svg)
    assert root.findtext("{http://www.w3.org/2000/svg}desc") == figure.caption
    assert figure.caption.startswith("LeNet5. A 32×32×1 image passes through")


def test_how_it_was_traced_is_in_the_file() -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    assert figure.scene.facts["generator"] == f"archviz {archviz.__version__}"
    assert figure.scene.facts["traced"] == "ghost"
    assert "archviz 0." in figure.svg


def test_two_figures_share_a_page() -> None:
    graph = draw(lenet.LeNet5, lenet.example_inputs()).graph
    one, same, other = draw(graph), draw(graph), draw(graph, title="Another")
    assert one.svg == same.svg
    own, others = ({e.get("id") for e in ElementTree.fromstring(f.svg).iter()} - {None} for f in (one, other))
    assert own
    assert not own & others


def test_an_address_in_a_note_does_not_make_the_bytes_differ() -> None:
    def figure(address: str) -> str:
        note = f"it could not be built (<Thing object at 0x{address}>)"
        return draw(replace(HAND, attrs={"report": {"rung": "real", "notes": [note]}})).svg

    assert figure("7f00aa") == figure("7f11bb")
    assert "Thing object" in figure("7f00aa")


def test_inner_values_as_json() -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    assert graph_json.from_json(figure.emit("graph")) == figure.drawn
    layout = json.loads(figure.emit("layout"))
    assert set(layout["nodes"]) == {node.id for node in figure.drawn.nodes}
    scene = json.loads(figure.emit("scene"))
    assert scene["width"] == pytest.approx(figure.scene.width, abs=1e-3)
    assert {mark["type"] for mark in scene["marks"]} >= {"Text", "Group"}


@given(st.sampled_from([
    ("resnet50", "ResNet", "ResNet-50"), ("ResNet50", "ResNet", "ResNet-50"), ("vgg_16", "VGG", "VGG-16"),
    ("build", "Net", "Net"), ("net2.py", "Net", "Net"), ("net", "Net", "Net"), ("netto", "Net", "Net"),
    ("", "Net", "Net"), ("vgg16", "Sequential", "vgg16"),
    ("models/vgg.py", "Sequential", "vgg"), ("", "Sequential", "Sequential")]))
def test_what_the_model_is_called(case: tuple[str, str, str]) -> None:
    named, cls, name = case
    assert model_name(named, cls) == name


# ------------------------------------------------------------------------------------------------ files

def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    path = tmp_path / "a.svg"
    path.write_text("old")
    figure.save(path)
    assert path.read_text("utf-8") == figure.svg
    monkeypatch.setattr(os, "replace", _full)
    with pytest.raises(ArchvizError, match="cannot write .*No space left"):
        output.save(draw(figure.graph, title="New"), [path])
    assert path.read_text("utf-8") == figure.svg
    assert os.listdir(tmp_path) == ["a.svg"]


def _full(*_: object) -> None:
    raise OSError(28, "No space left on device")


def test_a_link_stays_a_link_and_permissions_are_ordinary(tmp_path: Path) -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    real, link = tmp_path / "real.svg", tmp_path / "link.svg"
    real.write_text("old")
    link.symlink_to(real)
    figure.save(link)
    assert link.is_symlink()
    assert real.read_text("utf-8") == figure.svg
    before = os.umask(0o022)
    try:
        figure.save(tmp_path / "new.svg")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new.svg").stat().st_mode) == 0o644


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    pipe = tmp_path / "pipe.svg"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE)
    figure.save(pipe)
    assert reader.communicate(timeout=30)[0].decode() == figure.svg
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_options_go_to_the_backend_that_knows_them(tmp_path: Path) -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    figure.save(tmp_path / "a.svg", dpi=50)
    assert (tmp_path / "a.svg").read_text("utf-8") == figure.svg
    assert len(figure.render("png", dpi=50)) < len(figure.render("png", dpi=200))


def test_an_unknown_suffix_is_told_with_the_nearest(tmp_path: Path) -> None:
    figure = draw(lenet.LeNet5, lenet.example_inputs())
    with pytest.raises(ArchvizError, match="did you mean svg"):
        figure.save(tmp_path / "a.svgg")
    assert not list(tmp_path.iterdir())


# ------------------------------------------------------------------------------------------------ imports

def test_importing_archviz_is_light() -> None:
    code = ("import sys, archviz; assert archviz.__version__ and 'draw' in dir(archviz); "
            "print(sorted({'torch', 'yaml', 'svgwrite', 'archviz.figure.compile'} & set(sys.modules))); "
            "archviz.draw; print('torch' in sys.modules)")
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert told.stdout == "[]\nFalse\n"
    with pytest.raises(AttributeError, match="no attribute 'drawings'"):
        archviz.drawings  # noqa: B018


def test_a_graph_made_by_hand_is_drawn() -> None:
    assert ids(draw(HAND)) >= {"/in:x", "f", "/out:0"}
    assert draw(Graph("Empty")).caption == "Empty."
