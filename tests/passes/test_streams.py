"""Streams: layers divided as the model computes them, accounted for, and drawn side by side."""
from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archviz.core import graph_json
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph, whole
from archviz.core.scene import Group, Link
from archviz.figure import draw
from archviz.passes.streams import streams
from archviz.style.style import load_style
from archviz.trace import read
from archviz.trace.ladder import Inputs, trace
from tests.conftest import ROOT, Run
from tests.lint import lint

ALEXNET = ROOT / "gallery" / "alexnet.py"
AUTO, GROUPS, DEVICES = (load_style("block", {"streams": how}) for how in ("auto", "groups", "devices"))


def traced(model: Any, *shape: int) -> Graph:
    return trace(model, Inputs((torch.zeros(*shape),))).graph


def stack(groups: list[int], width: int, extras: list[str]) -> nn.Sequential:
    """Convolutions with `groups`, each followed by what stands in `extras`, then dense layers."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
    for count, extra in zip(groups, extras, strict=True):
        layers.append(nn.Conv2d(width, width, 3, padding=1, groups=count))
        layers += {"act": [nn.ReLU()], "norm": [nn.BatchNorm2d(width), nn.ReLU()],
                   "none": [], "drop": [nn.Dropout(), nn.LeakyReLU()]}[extra]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(width * 4, 8), nn.ReLU(),
                         nn.Linear(8, 5)).eval()


def check_accounts(graph: Graph, divided: Graph) -> None:
    """Parameters and FLOPs keep their sums, every id is whole or in one part a stream, edges are those of the trace."""
    assert (divided.params, divided.flops) == (graph.params, graph.flops)
    members = [member for node in divided.nodes for member in node.members]
    assert len(set(members)) == len(members)
    parts = Counter(whole(member) for member in members)
    count = max(node.attrs.get("streams", 1) for node in divided.nodes)
    assert set(parts) == set(graph.by_id) and set(parts.values()) <= {1, count}
    assert {(whole(e.src), whole(e.dst)) for e in divided.edges} == {(e.src, e.dst) for e in graph.edges}
    for node in divided.nodes:
        if "stream" in node.attrs:
            size = [n for n, own in zip(graph.by_id[whole(node.id)].out[0].shape, node.out[0].shape, strict=True)
                    if n != own]
            assert len(size) == 1 and all(e.tensor == node.out[0] for e in divided.outgoing[node.id])


@settings(max_examples=12)
@given(st.data())
def test_parts_add_up_and_lines_cross_only_where_the_model_mixes(data: st.DataObject) -> None:
    count = data.draw(st.sampled_from([2, 4]))
    groups = data.draw(st.lists(st.sampled_from([1, count]), min_size=1, max_size=3).filter(lambda g: max(g) > 1))
    extras = data.draw(st.lists(st.sampled_from(["act", "norm", "none", "drop"]), min_size=len(groups),
                                max_size=len(groups)))
    model = stack(groups, 16, extras)
    graph = traced(model, 1, 3, 6, 6)
    divided = streams(graph, GROUPS)
    check_accounts(graph, divided)
    assert {n.attrs["streams"] for n in divided.nodes if "streams" in n.attrs} == {count}

    # what runs tells which part of one layer any part of the next depends on
    values: dict[str, Tensor] = {}
    for name, module in model.named_children():
        module.register_forward_hook(lambda _, taken, given, name=name: values.__setitem__(name, given))
    model(torch.randn(2, 3, 6, 6))
    names = [name for name, m in model.named_children() if isinstance(m, (nn.Conv2d, nn.ReLU, nn.BatchNorm2d))]
    drawn = {(e.src, e.dst) for e in divided.edges}
    for a, b in zip(names, names[1:], strict=False):
        if int(b) != int(a) + 1 or not {f"{a}#1", f"{b}#1"} <= divided.by_id.keys():
            continue
        for k, wanted in enumerate(values[b].chunk(count, 1)):
            slope, = torch.autograd.grad(wanted.square().sum(), values[a], retain_graph=True)
            for i, own in enumerate(slope.chunk(count, 1)):
                assert ((f"{a}#{i + 1}", f"{b}#{k + 1}") in drawn) is bool(own.abs().sum() > 0), (a, i, b, k)


def test_streams_begin_where_the_channels_part_and_end_in_the_last_layer() -> None:
    found = streams(read.read(str(ALEXNET)), AUTO)
    kept = [node.id for node in found.nodes if "stream" not in node.attrs]
    assert kept == ["/in:image", "fc8", "/softmax", "/out:0"]
    shapes = {node.id: node.out[0].shape[1] for node in found.nodes}
    assert [shapes[f"{key}#2"] for key in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7")] == [
        48, 128, 192, 192, 128, 2048, 2048]
    crossing = {whole(e.dst) for e in found.edges if "stream" in found.by_id[e.dst].attrs
                and found.by_id[e.src].attrs.get("stream", found.by_id[e.dst].attrs["stream"])
                != found.by_id[e.dst].attrs["stream"]}
    assert crossing == {"conv3", "fc6", "fc7"}
    assert streams(found, GROUPS) is found


class Residual(nn.Module):
    """Groups inside a residual block, a shuffle of channels, and two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 1, groups=2), nn.Conv2d(8, 8, 1)
        self.c, self.head, self.side = nn.Conv2d(8, 8, 1, groups=2), nn.Linear(8, 3), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stem(x)
        x = x + self.b(self.a(x).relu())
        x = self.c(x.view(1, 2, 4, 6, 6).transpose(1, 2).reshape(1, 8, 6, 6)).mean((2, 3))
        return self.head(x), self.side(x)


def test_what_mixes_channels_in_the_middle_is_whole() -> None:
    graph = traced(Residual(), 1, 3, 6, 6)
    found = streams(graph, GROUPS)
    check_accounts(graph, found)
    at = {node.id: node.attrs.get("stream") for node in found.nodes}
    assert at["/add#1"] == 0 and at["c#2"] == 1 and at["head"] is None and at["/transpose"] is None
    entering = {(e.src, e.dst) for e in found.edges}
    assert {("/reshape", "c#1"), ("/reshape", "c#2")} <= entering        # each part reads the shuffled channels


@pytest.mark.parametrize("model", [
    nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3)),
    nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 8, 1)),
    nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 8, 3, groups=4)),
    nn.Sequential(nn.Linear(4, 4)),
])
def test_without_groups_there_is_one_stream(model: nn.Sequential) -> None:
    graph = traced(model, 1, 4) if isinstance(model[0], nn.Linear) else traced(model, 1, 3, 8, 8)
    assert streams(graph, AUTO) is graph
    with pytest.raises(ArchvizError, match="no convolution of .* reads its channels in groups"):
        streams(graph, GROUPS)
    with pytest.raises(ArchvizError, match="run side by side on different devices"):
        streams(graph, DEVICES)


@pytest.mark.parametrize(("counts", "said"), [((32,), "have 32 groups"), ((2, 3), "have 2, 3 groups")])
def test_more_groups_than_a_figure_shows(counts: tuple[int, ...], said: str) -> None:
    graph = traced(nn.Sequential(nn.Conv2d(3, 192, 1), *(nn.Conv2d(192, 192, 1, groups=n) for n in counts)), 1, 3, 4, 4)
    assert streams(graph, AUTO) is graph
    with pytest.raises(ArchvizError, match=said):
        streams(graph, GROUPS)


# ------------------------------------------------------------------------------------------------ devices

class Halves(nn.Module):
    """Two branches on two devices, which exchange what they have in the middle."""

    def __init__(self, devices: tuple[str, str] = ("cuda:0", "cuda:1")) -> None:
        super().__init__()
        self.devices = devices
        self.first = nn.ModuleList(nn.Conv2d(3, 4, 3).to(where) for where in devices)
        self.second = nn.ModuleList(nn.Conv2d(8, 4, 3).to(where) for where in devices)
        self.head = nn.Linear(8, 5).to(devices[1])

    def forward(self, x: Tensor) -> Tensor:
        a, b = (layer(x.to(where)).relu() for layer, where in zip(self.first, self.devices, strict=True))
        both = [torch.cat([a.to(where), b.to(where)], 1) for where in self.devices]
        a, b = (layer(taken) for layer, taken in zip(self.second, both, strict=True))
        return self.head(torch.cat([a.amax((2, 3)), b.amax((2, 3))], 1))


def test_streams_are_where_the_model_puts_its_layers() -> None:
    graph = traced(Halves, 1, 3, 8, 8)      # on devices that this machine need not have
    found = streams(graph, DEVICES)
    assert streams(graph, AUTO) == found
    assert (found.params, found.flops) == (graph.params, graph.flops)
    assert sorted(m for n in found.nodes for m in n.members) == sorted(n.id for n in graph.nodes)
    at = {node.id: node.attrs.get("stream") for node in found.nodes}
    assert [at[key] for key in ("first.0", "first.1", "second.0", "second.1", "head")] == [0, 1, 0, 1, None]
    assert {(e.src, e.dst) for e in found.edges if e.dst.startswith("second")} == {
        (src, f"second.{k}") for src in ("/relu", "/relu@1") for k in (0, 1)}


def test_weights_without_values_are_on_no_device_of_their_own() -> None:
    with torch.device("meta"):
        large = nn.Linear(4, 4)
    graph = traced(nn.Sequential(nn.Linear(4, 4), large, nn.Linear(4, 4)), 1, 4)
    assert not any("device" in node.attrs for node in graph.nodes)


def test_layers_one_after_another_are_no_streams() -> None:
    class Pipeline(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 4).cuda(0), nn.Linear(4, 4).to("cuda:1")

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x.cuda(0)).to("cuda:1"))

    graph = traced(Pipeline, 1, 4)
    assert [node.attrs.get("device") for node in graph.nodes if node.kind == "linear"] == ["cuda:0", "cuda:1"]
    assert streams(graph, AUTO) is graph


# ------------------------------------------------------------------------------------------------ figures

def words(svg: str) -> Counter[str]:
    return Counter(re.findall(r"<text[^>]*>([^<]+)</text>", svg))


def test_the_figure_of_two_streams(tmp_path: Path) -> None:
    figure = draw.draw(str(ALEXNET), style="wire")
    layout, drawn = figure.drawing.layout, figure.drawn

    def middle(key: str) -> float:
        return layout.nodes[key].y + layout.nodes[key].height / 2

    for key in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"):
        assert layout.nodes[f"{key}#1"].x == pytest.approx(layout.nodes[f"{key}#2"].x)
        assert middle(f"{key}#2") - middle(f"{key}#1") == pytest.approx(middle("fc7#2") - middle("fc7#1"))
    assert middle("fc8") == pytest.approx((middle("fc7#1") + middle("fc7#2")) / 2, abs=2)
    figure.save(tmp_path / "two.svg")
    said = words((tmp_path / "two.svg").read_text("utf-8"))
    assert {word: said[word] for word in ("48", "128", "192", "2048", "1000", "Stride of 4", "dense", "Max")} == {
        "48": 2, "128": 4, "192": 4, "2048": 4, "1000": 1, "Stride of 4": 1, "dense": 3, "Max": 3}
    assert said["11"] == 4 and said["5"] == 4 and all(
        figure.scene.paint(role).fill is None for role in ("conv", "linear", "input", "kernel"))
    assert figure.graph.params == drawn.params


def test_four_streams_stand_in_four_rows(tmp_path: Path) -> None:
    model = nn.Sequential(*stack([4, 4, 4], 96, ["act", "norm", "act"])[:-4], nn.Flatten(), nn.Linear(96 * 4, 1000))
    figure = draw.draw(model, torch.zeros(1, 3, 32, 32), style="wire")
    rows = [figure.drawing.layout.nodes[f"1#{k}"].y for k in (1, 2, 3, 4)]
    steps = [b - a for a, b in zip(rows, rows[1:], strict=False)]
    assert min(steps) > figure.drawing.layout.nodes["1#1"].height and max(steps) - min(steps) < 0.01
    figure.save(tmp_path / "four.svg")
    # where four streams read four others, lines cross everything: what may not is text
    assert not lint([tmp_path / "four.svg"])["four.svg"]["bad"].keys() - {"edge_text"}


def test_one_stream_is_drawn_as_one_row(tmp_path: Path) -> None:
    figure = draw.draw(str(ROOT / "gallery" / "vgg16.py"), style="wire")
    assert sum(node.kind == "conv" for node in figure.drawn.nodes) == 13
    assert len({round(route.points[-1][1], 3) for route in figure.drawing.layout.routes}) == 1


def test_a_saved_graph_has_the_same_streams() -> None:
    graph = traced(Halves, 1, 3, 8, 8)
    again = graph_json.from_json(graph_json.to_json(graph))
    assert streams(again, DEVICES) == streams(graph, DEVICES)


# ------------------------------------------------------------------------------------------------ asking for them

def test_streams_on_the_command_line_and_in_a_project_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(graph_json.to_json(read.read(str(ALEXNET))), "utf-8")
    assert run("graph.json", "--streams", "groups", "-o", "a.svg").returncode == 0
    assert 'data-node="conv4#2"' in (tmp_path / "a.svg").read_text("utf-8")
    (tmp_path / "archviz.yaml").write_text("streams: auto\n", "utf-8")
    assert run("graph.json", "-o", "b.svg").returncode == 0
    assert words((tmp_path / "a.svg").read_text("utf-8")) == words((tmp_path / "b.svg").read_text("utf-8"))
    graph = read.read(str(ALEXNET))
    assert draw.draw(graph, streams="auto").drawn.by_id.keys() >= {"conv4#1", "conv4#2"}
    assert "conv4" in draw.draw(graph).drawn.by_id


@pytest.mark.parametrize(("given_", "said"), [
    (["--streams", "sideways"], "invalid choice: 'sideways'"),
    (["--set", "streams=sideways"], "unknown streams 'sideways'"),
    (["--streams", "devices"], "no layers of AlexNet run side by side on different devices"),
])
def test_a_mistake_in_streams_is_said_in_one_line(given_: list[str], said: str, run: Run, tmp_path: Path) -> None:
    saved = tmp_path / "graph.json"
    saved.write_text(graph_json.to_json(read.read(str(ALEXNET))), "utf-8")
    done = run(saved, *given_, "-o", "x.svg", "--quiet")
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) <= 2, done.stderr
    assert list(tmp_path.iterdir()) == [saved]


def test_a_line_goes_on_behind_a_sum() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 8, 3)

        def forward(self, x: Tensor) -> Tensor:
            a = self.a(x)
            return self.c(torch.relu(a + self.b(a)))

    figure = draw.draw(Residual(), torch.zeros(1, 3, 32, 32), style="wire")
    groups = [mark for mark in figure.scene.marks if isinstance(mark, Group)]
    into = next(mark for group in groups if "relu" in group.node for mark in group.marks)
    on = next(group.marks[0] for group in groups if group.role == "link" and "relu" in group.edge[0])
    assert isinstance(into, Link) and isinstance(on, Link) and not into.arrow and into.points[-1] == on.points[0]
