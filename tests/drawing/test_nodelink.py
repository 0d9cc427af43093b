"""The node-link form: lines are the connections there are, what is drawn of them is what was asked for."""
from __future__ import annotations

import json
import subprocess
import sys
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from archviz.backends import svg
from archviz.core import text
from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.graph import Graph
from archviz.core.graph_json import from_json, to_json
from archviz.core.scene import Box, Circle, Group, Link, Mark, Scene, Text, lowered
from archviz.core.scene import Path as Outline
from archviz.drawing.forms._units import shown
from archviz.figure import compile
from archviz.figure.draw import draw
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.trace.ladder import Inputs, trace
from tests.conftest import ROOT, Run
from tests.graphs import Builder, graphs
from tests.lint import LINTER, lint
from tests.zoo import CASES


def figure(model: Any, shape: tuple[int, ...] = (), **options: Any) -> Figure:
    options = {"style": "node-link", "title": "", **options}
    return draw(model, torch.zeros(shape) if shape else None, **options)


def flat(marks: tuple[Mark, ...]) -> list[Mark]:
    return [m for mark in marks for m in (flat(mark.marks) if isinstance(mark, Group) else [mark])]


def links(drawn: Figure) -> dict[tuple[str, str], list[Link]]:
    """The lines between each two nodes."""
    found = {}
    for mark in drawn.scene.marks:
        if isinstance(mark, Group) and mark.edge:
            found[mark.edge] = [line for line in flat(mark.marks) if isinstance(line, Link)]
    return found


def node(drawn: Figure, key: str) -> list[Mark]:
    return next(flat(mark.marks) for mark in drawn.scene.marks
                if isinstance(mark, Group) and mark.node == key and mark.role != "link")


def neurons(drawn: Figure, key: str) -> list[Circle]:
    return [mark for mark in node(drawn, key) if isinstance(mark, Circle) and mark.role.endswith("neuron")]


def cells(drawn: Figure, key: str) -> list[Box]:
    return [mark for mark in node(drawn, key) if isinstance(mark, Box) and mark.role.endswith("cell")]


def words(drawn: Figure) -> list[str]:
    return [mark.string for mark in flat(drawn.scene.marks) if isinstance(mark, Text)]


def mlp(*widths: int, **kwargs: Any) -> nn.Sequential:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for a, b in zip(widths, widths[1:], strict=False):
        layers += [nn.Linear(a, b, **kwargs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


# ------------------------------------------------------------------------------------------------ columns

def test_every_neuron_drawn_feeds_every_neuron_drawn_of_the_next_layer():
    drawn = figure(mlp(64, 5, 12, 3), (1, 64))
    assert {pair: len(lines) for pair, lines in links(drawn).items()} == {
        ("/in:input", "0"): 11 * 5, ("0", "2"): 5 * 12, ("2", "4"): 12 * 3, ("4", "/out:0"): 3}
    ends = {(round(c.x, 3), round(c.y, 3)) for c in neurons(drawn, "0")}
    for line in links(drawn)["0", "2"]:
        (x0, y0), (x1, y1) = line.points
        reach = 8.5 / 2
        length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
        start = (round(x0 - (x1 - x0) / length * reach, 3), round(y0 - (y1 - y0) / length * reach, 3))
        assert start in ends and not line.arrow


def test_a_wide_layer_shows_its_first_and_last_neurons_and_says_how_many_there_are():
    drawn = figure(mlp(64, 300, 10), (1, 64))
    assert len(neurons(drawn, "0")) == 11 and "linear, 300" in words(drawn)
    dots = [mark for mark in node(drawn, "0") if isinstance(mark, Circle) and mark.role == "dots"]
    assert len(dots) == 3
    names = words(drawn)
    subs = names[names.index("x") + 1:names.index("ŷ")]
    assert [word for word in subs if word.isdigit()][:11] == ["1", "2", "3", "4", "5", "6", "60", "61", "62", "63",
                                                              "64"]


@given(st.integers(1, 5000), st.integers(3, 40))
def test_what_is_shown_depends_on_the_number_alone(count, most):
    kept = shown(count, most)
    assert list(kept) == sorted(set(kept)) and kept[0] == 0 and kept[-1] == count - 1
    assert len(kept) == (count if count <= most else most - 1)
    assert kept == shown(count, most)


def test_activations_stand_over_the_gap_and_hidden_layers_are_numbered():
    drawn = figure(mlp(4, 5, 6, 2), (1, 4))
    said = words(drawn)
    assert said.count("ReLU") == 2 and said.count("h") == 2 and {"(1)", "(2)"} <= set(said)
    pill = next(mark for mark in node(drawn, "0") if isinstance(mark, Text) and mark.string == "ReLU")
    before, after = neurons(drawn, "/in:input")[0], neurons(drawn, "0")[0]
    assert before.x < pill.x < after.x and pill.y < before.y


def test_softmax_is_a_bar_that_all_go_through():
    drawn = figure(nn.Sequential(nn.Linear(4, 3), nn.Softmax(1)), (1, 4))
    bar = next(mark for mark in node(drawn, "1") if isinstance(mark, Box))
    assert bar.height > 2 * bar.width and "softmax" in words(drawn)
    assert [len(lines) for lines in links(drawn).values()] == [12, 3, 3]
    assert all(line.arrow for pair in (("0", "1"), ("1", "/out:0")) for line in links(drawn)[pair])


def test_the_bias_is_a_neuron_that_is_always_one():
    model = mlp(3, 4, 2)
    with_bias = links(figure(model, (1, 3), settings={"options.bias": "true"}))
    assert [len(lines) for lines in with_bias.values()] == [(3 + 1) * 4, (4 + 1) * 2, 2]
    without = figure(mlp(3, 4, 2, bias=False), (1, 3), settings={"options.bias": "true"})
    assert [len(lines) for lines in links(without).values()] == [12, 8, 2]


# ------------------------------------------------------------------------------------------------ weights

def weights(graph: Graph) -> dict[str, Any]:
    return {node.id: node.attrs["weights"] for node in graph.nodes if "weights" in node.attrs}


def test_width_and_colour_are_those_of_the_trained_weights():
    model = nn.Sequential(nn.Linear(2, 2, bias=False))
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -0.5], [0.1, -1.0]]))
    drawn = figure(model, (1, 2))
    x, y = neurons(drawn, "/in:input"), neurons(drawn, "0")
    roles = {(min((0, 1), key=lambda i: abs(x[i].y - line.points[0][1])),
              min((0, 1), key=lambda j: abs(y[j].y - line.points[1][1]))): line.role
             for line in links(drawn)["/in:input", "0"]}
    assert roles == {(0, 0): "weight positive 100", (1, 0): "weight negative 60", (0, 1): "weight positive 20",
                     (1, 1): "weight negative 100"}
    strong, weak = drawn.scene.paint("weight positive 100"), drawn.scene.paint("weight positive 20")
    assert strong.stroke_width > 4 * weak.stroke_width and strong.stroke != weak.stroke
    assert strong.stroke != drawn.scene.paint("weight negative 100").stroke
    said = words(drawn)
    assert "positive weight, 0.1 … 1.0" in said and "negative weight, −0.5 … −1.0" in said
    order = [line.role.rpartition(" ")[2] for line in links(drawn)["/in:input", "0"]]
    assert order == sorted(order, key=int), "strong lines lie on weak ones"


@pytest.mark.parametrize("share", [10, 50, 75])
def test_the_strongest_are_drawn_and_only_they(share):
    model = mlp(6, 7, 3)
    every, some = (links(figure(model, (1, 6), settings={"options.edges": edges})) for edges in ("all", f"top{share}%"))
    for pair, layer in ((("/in:input", "0"), model[0]), (("0", "2"), model[2])):
        count = -(-share * layer.weight.numel() // 100)
        assert len(some[pair]) == count
        kept = {line.points for line in some[pair]}
        assert kept < {line.points for line in every[pair]}
        # which lines these are, by where they end
        heights = sorted({line.points[1][1] for line in every[pair]})
        assert heights
        ranked = sorted(layer.weight.detach().abs().flatten().tolist(), reverse=True)
        weakest = max(1, -(-5 * ranked[count - 1] // max(w.abs().max().item() for w in (model[0].weight,
                                                                                         model[2].weight))))
        assert min(int(line.role.rpartition(" ")[2]) for line in some[pair]) == weakest * 20
    said = words(figure(model, (1, 6), settings={"options.edges": f"top{share}%"}))
    assert any(f"the strongest {share} %" in word for word in said)


def test_no_edges_leaves_one_arrow():
    drawn = links(figure(mlp(3, 4, 2), (1, 3), settings={"options.edges": "none"}))
    assert [len(lines) for lines in drawn.values()] == [1, 1, 2]


def test_values_are_those_of_an_instance_and_not_of_a_fresh_model():
    graph = trace(mlp(4, 3), Inputs((torch.zeros(1, 4),)), weights=100).graph
    held = weights(graph)["0"]
    assert held["weight"] == [[pytest.approx(v, rel=1e-4) for v in line] for line in mlp(4, 3)[0].weight.tolist()]
    assert len(held["bias"]) == 3
    assert not weights(trace(lambda: mlp(4, 3), Inputs((torch.zeros(1, 4),)), weights=100).graph)
    assert not weights(trace(mlp(4, 3), Inputs((torch.zeros(1, 4),))).graph), "only where asked for"
    larger = weights(trace(mlp(4, 3, 9), Inputs((torch.zeros(1, 4),)), weights=12).graph)
    assert set(larger) == {"0"}, "layers larger than that have none"


def test_values_of_a_function_call_are_those_of_its_parameters():
    class Bare(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor([[1.0, -2.0], [3.0, 0.5]]))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.linear(x, self.w)

    graph = trace(Bare(), Inputs((torch.zeros(1, 2),)), weights=100).graph
    assert list(weights(graph).values()) == [{"weight": [[1.0, -2.0], [3.0, 0.5]]}]


def test_a_weight_without_a_value_is_a_plain_line():
    model = nn.Linear(2, 2)
    with torch.no_grad():
        model.weight[0, 0] = float("nan")
    drawn = figure(nn.Sequential(model), (1, 2))
    assert {line.role for line in links(drawn)["/in:input", "0"]} == {"weight"}
    assert not any("weight," in word for word in words(drawn))


def test_weights_of_another_shape_in_a_file_are_not_believed():
    graph = trace(mlp(4, 3), Inputs((torch.zeros(1, 4),)), weights=100).graph
    raw = json.loads(to_json(graph))
    for part in raw["nodes"]:
        if "weights" in part["attrs"] if "attrs" in part else False:
            part["attrs"]["weights"] = {"weight": [["a", 1, 2, 3]] * 3, "bias": "x"}
    drawn = compile.compile(from_json(json.dumps(raw)), Options("node-link"))
    assert {line.role for line in links(drawn)["/in:input", "0"]} == {"weight"}


def test_a_saved_graph_is_drawn_the_same_without_torch(tmp_path):
    drawn = figure(mlp(8, 6, 3), (1, 8))
    drawn.save(tmp_path / "graph.json")
    drawn.save(tmp_path / "first.svg")
    code = ("import sys; sys.modules['torch'] = None\n"
            "from archviz import draw\n"
            "draw('graph.json', style='node-link', title='').save('second.svg')")
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env={"PYTHONPATH": str(ROOT)})
    assert (tmp_path / "second.svg").read_bytes() == (tmp_path / "first.svg").read_bytes()


def test_layers_that_differ_in_their_values_alone_still_fold():
    blocks = nn.Sequential(*(nn.Sequential(nn.LayerNorm(8), nn.Linear(8, 8), nn.GELU()) for _ in range(6)))
    drawn = figure(blocks, (1, 5, 8))
    assert any("×6" in word for word in words(drawn))


def test_equal_layers_of_a_short_chain_are_each_drawn_and_those_of_a_long_one_are_folded():
    short = figure(mlp(8, 12, 12, 12, 2), (1, 8))
    assert [len(neurons(short, str(key))) for key in (0, 2, 4)] == [12, 12, 12]
    assert all(line.role != "weight" for line in links(short)["0", "2"])
    assert any("×" in word for word in words(figure(mlp(8, *[12] * 14, 2), (1, 8))))


# ------------------------------------------------------------------------------------------------ windows

class Convolved(nn.Module):
    def __init__(self, *layers: nn.Module, features: int = 0) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.head = nn.Linear(features, 2) if features else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(x)
        return self.head(x.flatten(1)) if isinstance(self.head, nn.Linear) else x


def fed(layer: nn.Module, shape: tuple[int, ...], out: tuple[int, ...]) -> set[int]:
    """Which numbers of the input reach one number of the output, by PyTorch's own gradient."""
    x = torch.rand(1, *shape, requires_grad=True)
    torch.nn.init.ones_(layer.weight) if hasattr(layer, "weight") else None
    layer(x)[(0, *out)].backward()
    return {i for i, g in enumerate(x.grad.flatten().tolist()) if g}


@pytest.mark.parametrize("layer", [
    nn.Conv2d(1, 2, 3), nn.Conv2d(1, 1, 3, padding=1), nn.Conv2d(2, 2, 2, stride=2), nn.Conv2d(1, 1, 2, dilation=2),
    nn.Conv2d(2, 4, 3, groups=2), nn.AvgPool2d(2), nn.AvgPool2d(3, stride=2), nn.AdaptiveAvgPool2d(4)], ids=str)
def test_a_window_holds_what_feeds_the_cell(layer):
    channels = getattr(layer, "in_channels", 2)
    drawn = figure(Convolved(layer), (1, channels, 8, 8))
    key = "layers.0"
    src, dst = cells(drawn, "/in:x"), cells(drawn, key)
    size = layer(torch.zeros(1, channels, 8, 8)).shape[1:]
    assert len(src) == 64 * channels
    side = round(size[1] ** 0.5) if len(size) == 1 else size[1]
    ends: dict[tuple[float, float], list[Link]] = {}
    for line in links(drawn)["/in:x", key]:
        ends.setdefault(line.points[1], []).append(line)
    assert len(ends) in (1, 2)
    for end, lines in ends.items():
        out = next(i for i, c in enumerate(dst)
                   if abs(c.x - end[0]) < 1e-6 and abs(c.y + c.height / 2 - end[1]) < 1e-6)
        place = (out // side ** 2, out // side % side, out % side)
        starts = {next(i for i, c in enumerate(src) if abs(c.x + c.width / 2 - line.points[0][0]) < 1e-6
                       and abs(c.y + c.height / 2 - line.points[0][1]) < 1e-6) for line in lines}
        assert starts == fed(layer, (channels, 8, 8), place)


def test_one_colour_is_one_weight_at_both_places():
    drawn = figure(Convolved(nn.Conv2d(1, 1, 3)), (1, 1, 8, 8))
    lines = links(drawn)["/in:x", "layers.0"]
    ends = sorted({line.points[1] for line in lines})
    assert len(ends) == 2 and len(lines) == 18
    colours = []
    for end in ends:
        own = {line.points[0]: line.role for line in lines if line.points[1] == end}
        left, top = min(x for x, _ in own), min(y for _, y in own)
        colours.append({(round(x - left, 3), round(y - top, 3)): role for (x, y), role in own.items()})
    assert colours[0] == colours[1] and len(set(colours[0].values())) == 9
    tinted = [m.role for m in flat(drawn.scene.marks) if isinstance(m, Box) and m.role.startswith("shared")]
    assert sorted(tinted) == sorted(2 * [f"{role} head" for role in colours[0].values()])
    assert "convolution: lines drawn alike share one weight" in words(drawn)


def test_a_signal_of_one_channel_shows_every_window_and_its_linear_layer_every_line():
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.local, self.full = nn.Conv1d(1, 1, 3, padding=1), nn.Linear(8, 8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.full(self.local(x).flatten(1))

    drawn = links(figure(Both, (1, 1, 8)))
    local = drawn["/in:x", "local"]
    assert len(local) == 3 * 8 - 2 and len(drawn["local", "full"]) == 64
    slopes = {role: {round(line.points[1][1] - line.points[0][1], 3) for line in local if line.role == role}
              for role in {line.role for line in local}}
    assert len(slopes) == 3 and all(len(found) == 1 for found in slopes.values())


def test_a_large_map_is_cut_open_and_says_its_size():
    drawn = figure(Convolved(nn.Conv2d(1, 6, 5), nn.MaxPool2d(2)), (1, 1, 28, 28))
    assert len(cells(drawn, "/in:x")) == 64 and {"28×28×1", "24×24×6", "12×12×6"} <= set(words(drawn))
    assert sum(isinstance(m, Outline) and m.role == "cut" for m in node(drawn, "/in:x")) == 18


def test_a_flattened_map_feeds_the_column_from_every_cell():
    drawn = figure(Convolved(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), features=18), (1, 1, 8, 8))
    assert len(links(drawn)["layers.2", "head"]) == 18 * 2


# ------------------------------------------------------------------------------------------------ laws

def boxes(mark: Mark, scene: Scene) -> tuple[float, float, float, float]:
    match mark:
        case Box(x, y, w, h):
            return x, y, x + w, y + h
        case Circle(x, y, r):
            return x - r, y - r, x + r, y + r
        case Text(x, y, string, role, anchor, rotate):
            paint = scene.paint(role)
            wide = text.width(string, paint.size, paint.weight, paint.italic)
            if rotate:
                return x - 0.7 * paint.size, y - wide / 2, x, y + wide / 2
            left = {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            return x - left, y - 0.7 * paint.size, x - left + wide, y
    return 0, 0, 0, 0


def check(drawn: Figure) -> None:
    """What holds for every figure of this form."""
    scene = drawn.scene
    assert scene.width <= 174 * 72.27 / 25.4 + 0.02
    groups = [mark for mark in scene.marks if isinstance(mark, Group) and mark.node in drawn.drawn.by_id]
    assert sorted(mark.node for mark in groups) == sorted(node.id for node in drawn.drawn.nodes)
    shapes = [(mark.node, boxes(m, scene)) for mark in groups for m in flat(mark.marks)
              if isinstance(m, Box | Circle | Text)]
    for i, (a, (ax0, ay0, ax1, ay1)) in enumerate(shapes):
        assert ax0 > -0.02 and ay0 > -0.02 and ax1 < scene.width + 0.02 and ay1 < scene.height + 0.02, a
        for b, (bx0, by0, bx1, by1) in shapes[i + 1:]:
            assert a == b or min(ax1, bx1) - max(ax0, bx0) < 0.02 or min(ay1, by1) - max(ay0, by0) < 0.02, (a, b)
    assert min((scene.paint(m.role).size for m in flat(scene.marks) if isinstance(m, Text)), default=6) >= 6
    assert svg.render(scene) == svg.render(lowered(scene))


@settings(max_examples=20)
@given(graphs(), st.sampled_from(("84mm", "174mm")))
def test_any_graph_is_drawn_by_the_laws(graph, width):
    try:
        drawn = compile.compile(graph, Options("node-link", width=width))
    except DoesNotFit as error:
        assert error.hint
        return
    check(drawn)
    assert svg.render(drawn.scene) == svg.render(compile.compile(graph, Options("node-link", width=width))
                                                 .scene)


WIDTHS_OF_LAYERS = st.sampled_from((1, 2, 3, 7, 12, 13, 64, 1000))


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Networks of layers in a row, as `torch.nn` computes their shapes."""
    build = Builder()
    rank = draw(st.integers(0, 2))
    shape: tuple[int, ...] = (draw(WIDTHS_OF_LAYERS),) if rank == 0 else (
        draw(st.integers(1, 5)), *[draw(st.sampled_from((1, 2, 5, 8, 9, 11, 28)))] * rank)
    x = build.input("x", (1, *shape))
    for _ in range(draw(st.integers(1, 8))):
        what = draw(st.sampled_from(("conv", "conv", "pool", "act", "linear", "linear", "softmax", "norm", "mean")))
        rank = len(shape) - 1
        if what in ("conv", "pool") and rank:
            kernel, stride, pad = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.integers(0, 1))
            if kernel > shape[-1] + 2 * pad or pad > kernel // 2:
                continue
            size = (shape[-1] + 2 * pad - kernel) // stride + 1
            channels = draw(st.sampled_from((1, 2, 4, 16))) if what == "conv" else shape[0]
            shape = (channels, *[size] * rank)
            op = f"Conv{rank}d" if what == "conv" else f"MaxPool{rank}d"
            x = build.op(op, x, shape=(1, *shape), kind=what, kernel_size=[kernel] * rank, stride=stride, padding=pad,
                         out_channels=channels)
        elif what == "linear":
            count, wide = int(torch.tensor(shape).prod()), draw(WIDTHS_OF_LAYERS)
            shape = (wide,)
            values = {"weights": {"weight": [[(i * 7 + j * 3) % 11 - 5.0 for i in range(count)] for j in range(wide)],
                                  "bias": [0.5] * wide}} if count * wide < 800 and draw(st.booleans()) else {}
            x = build.op("Linear", x, shape=(1, wide), in_features=count, out_features=wide, params=9, **values)
        elif what == "mean" and rank:
            shape = shape[:1]
            x = build.op("mean", x, shape=(1, *shape))
        elif what in ("act", "softmax", "norm"):
            x = build.op({"act": "ReLU", "softmax": "softmax", "norm": "LayerNorm"}[what], x, shape=(1, *shape))
    build.output(x)
    return build.graph()


@settings(max_examples=30)
@given(chains(), st.sampled_from(("84mm", "174mm")), st.sampled_from(("all", "none", "top30%")), st.booleans())
def test_any_chain_of_layers_is_drawn_by_the_laws(graph, width, edges, bias):
    drawn = compile.compile(graph, Options(
        "node-link", settings={"options.edges": edges, "options.bias": str(bias).lower()}, width=width))
    check(drawn)


def test_a_low_page_shows_fewer_neurons():
    model = mlp(64, 16, 10)
    counts = [len(neurons(figure(model, (1, 64), max_height=height), "0")) for height in ("230mm", "60mm", "45mm")]
    assert counts[0] > counts[1] > counts[2] > 1


def test_a_row_that_is_too_long_for_the_page_is_boxes():
    deep = figure(mlp(*range(20, 60, 2)), (1, 20), width="84mm")
    assert not any(mark.role.endswith("neuron") for mark in flat(deep.scene.marks) if isinstance(mark, Circle))
    assert deep.scene.width <= 84 * 72.27 / 25.4 + 0.02


@pytest.mark.parametrize("key,value", [("edges", "top0%"), ("edges", "some"), ("edges", "top120%"), ("bias", "maybe")])
def test_an_option_that_means_nothing_is_a_mistake_that_is_told(key, value):
    with pytest.raises(ArchvizError, match=f"the option {key} is "):
        figure(mlp(2, 2), (1, 2), settings={f"options.{key}": value})


def test_edges_on_the_command_line(run: Run, tmp_path: Path):
    drawn = {}
    for edges in ("all", "none"):
        done = run(ROOT / "gallery" / "mlp.py", "--style", "node-link", "--edges", edges, "-o", f"{edges}.svg",
                   "--theme", "mono", "--quiet")
        assert done.returncode == 0, done.stderr
        drawn[edges] = (tmp_path / f"{edges}.svg").read_text()
    assert drawn["all"].count("<path") > 300 + drawn["none"].count("<path")
    assert "weight-negative-100" in drawn["all"] and "stroke-dasharray" in drawn["all"]
    wrong = run(ROOT / "gallery" / "smallcnn.py", "--edges", "all")
    assert wrong.returncode == 2 and "edges" in wrong.stderr


# ------------------------------------------------------------------------------------------------ figures

@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The gallery and some of the zoo at both widths, through the linter."""
    if not LINTER.is_file():
        pytest.skip(f"no figure linter at {LINTER}")
    folder, paths = tmp_path_factory.mktemp("figures"), []
    for width, name in product(("column", "page"), ("mlp", "smallcnn", "lenet", "resnet18", "transformer", "lstm")):
        source: Any = str(ROOT / "gallery" / f"{name}.py")
        if name in CASES:
            args, kwargs = CASES[name].inputs()
            source = trace(CASES[name].build, Inputs(args, kwargs)).graph
        paths.append(folder / f"{name}-{width}.svg")
        draw(source, style="node-link", width=width).save(paths[-1])
    return lint(paths)


def test_the_linter_finds_nothing(measured):
    assert len(measured) == 12
    assert {name: found["bad"] for name, found in measured.items() if found["bad"]} == {}


def test_the_gallery_is_drawn_neuron_by_neuron_in_one_column_too():
    for name in ("mlp", "smallcnn"):
        for width in ("column", "page"):
            drawn = draw(str(ROOT / "gallery" / f"{name}.py"), style="node-link", width=width)
            assert len(links(drawn)) == len(drawn.drawn.nodes) - 1
            assert neurons(drawn, drawn.drawn.nodes[-2 if name == "smallcnn" else -3].id)
