"""A figure that ends at a layer, and blocks that are named by hand: `--cut` and `--append`."""
from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archviz import draw
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.passes.cut import cut
from archviz.trace.ladder import Inputs, trace
from tests.conftest import Run


class Two(nn.Module):
    """Two heads on one body; the second repeats the body's last layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.ReLU(), nn.Flatten())
        self.first = nn.Linear(8 * 4 * 4, 16)
        self.second = nn.Linear(8 * 4 * 4, 16, bias=False)
        self.second.weight = self.first.weight

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.body(x)
        return self.first(x).relu(), self.second(x)


@pytest.fixture(scope="module")
def graph() -> Graph:
    return trace(Two, Inputs((torch.zeros(1, 3, 8, 8),))).graph


BODY = (3 * 9 + 1) * 8 + (8 * 9 + 1) * 8


def figure(graph: Graph, end: str | None, *names: str, style: str = "block") -> Figure:
    return compile(graph, Options(style, cut=end, append=names))


def test_what_comes_after_the_layer_is_left_out_and_counts_nowhere(graph: Graph) -> None:
    short = cut(graph, ends="body.2")
    assert [node.id for node in short.nodes if node.kind == "conv"] == ["body.0", "body.2"]
    assert not {"first", "second", "body.3"} & {node.id for node in short.nodes}
    assert short.params == BODY
    assert short.flops == sum(node.flops for node in graph.nodes if node.kind == "conv")
    said = figure(graph, "body.2")
    assert f"{BODY} parameters" in said.caption
    assert said.graph is graph      # a saved graph is whole, and can be cut elsewhere


def test_a_module_is_kept_whole_and_other_branches_are_not(graph: Graph) -> None:
    assert cut(graph, ends="first").params == BODY + 128 * 16 + 16
    assert [n.id for n in cut(graph, ends="first").nodes][-2:] == ["first", "/out:0"]
    assert [n.op for n in cut(graph, ends="body").nodes][-2:] == ["Flatten", "output"]


def test_weights_shared_with_what_is_left_out_count_where_they_are_used_now(graph: Graph) -> None:
    short = cut(graph, ends="second")
    assert short.params == BODY + 128 * 16
    assert short.by_id["second"].shared is None


@pytest.mark.parametrize(("name", "last"), [
    ("body.*", "body.4"), ("Conv2d", "body.2"), ("ReLU", "body.3"), ("relu", "/relu"), ("body", "body.4")])
def test_how_a_layer_is_named(graph: Graph, name: str, last: str) -> None:
    assert cut(graph, ends=name).nodes[-2].id == last


def test_the_end_is_where_no_other_layer_of_that_name_follows(graph: Graph) -> None:
    short = cut(graph, ends="Conv2d", append=["SVM"])
    assert [edge.src for edge in short.edges if edge.dst == "/append:0"] == ["body.2"]


def test_a_list_of_layers_is_named_though_it_is_never_called() -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = nn.ModuleList(nn.Linear(4, 4) for _ in range(3))
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    short = cut(trace(Listed, Inputs((torch.zeros(1, 4),))).graph, ends="blocks")
    assert short.params == 3 * 20


@pytest.mark.parametrize(("name", "what"), [
    ("secnd", "did you mean second?"), ("nothing here", "known: "), ("/in:x", "leaves nothing")])
def test_a_cut_that_means_nothing(graph: Graph, name: str, what: str) -> None:
    with pytest.raises(ArchvizError, match="--cut") as caught:
        cut(graph, ends=name)
    assert what in f"{caught.value.message} {caught.value.hint}"


def test_a_block_needs_a_name(graph: Graph) -> None:
    with pytest.raises(ArchvizError, match="needs a name"):
        cut(graph, append=[" "])


@pytest.mark.parametrize("style", ["block", "cube", "node-link"])
def test_blocks_follow_the_end_in_a_row(graph: Graph, style: str) -> None:
    drawn = figure(graph, "first", "SVM <1>", "votes", style=style).drawn
    assert [(edge.src, edge.dst) for edge in drawn.edges][-2:] == [("first", "/append:0"), ("/append:0", "/append:1")]
    svg = figure(graph, "first", "SVM <1>", "votes", style=style).render("svg").decode()
    assert "SVM &lt;1&gt;" in svg and "votes" in svg and ">module<" not in svg


def test_blocks_take_all_that_a_model_gives(graph: Graph) -> None:
    whole = cut(graph, append=["loss"])
    assert {edge.src for edge in whole.edges if edge.dst == "/append:0"} == {"/relu", "second"}
    assert (whole.params, whole.flops) == (graph.params, graph.flops)
    assert not [node for node in whole.nodes if node.kind == "output"]
    assert cut(graph) is graph


def test_what_raised_after_the_cut_is_not_in_the_figure() -> None:
    class Broken(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(5, 4)

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(self.a(x)))

    with pytest.warns(UserWarning, match="c raised"):
        assert draw(Broken, torch.zeros(1, 4)).failed
    short = draw(Broken, torch.zeros(1, 4), cut="b", append="SVM")
    assert short.failed is None
    assert "Incomplete" not in short.caption


MODEL = "from torch import nn\nclass Net(nn.Sequential):\n    def __init__(self):\n        super().__init__(" \
    "nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))\n"


def test_on_the_command_line_and_in_the_project_file(tmp_path: Path, run: Run) -> None:
    net = ("net.py", "--input", "1x4")
    (tmp_path / "net.py").write_text(MODEL)
    done = run(*net, "--cut", "0", "--append", "SVM", "--append", "votes", "-o", "a.svg", "--caption")
    assert done.returncode == 0, done.stderr
    assert "40 parameters" in done.stdout
    assert "votes" in (tmp_path / "a.svg").read_text()
    (tmp_path / "archviz.yaml").write_text("cut: '0'\nappend: [SVM, votes]\n")
    assert run(*net, "-o", "b.svg").returncode == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    wrong = run(*net, "--cut", "00", "-o", "c.svg")
    assert wrong.returncode == 2 and "no layer is called '00'" in wrong.stderr
    assert not (tmp_path / "c.svg").exists()
