"""The written caption: said from structure, for models nobody has told it about."""
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from archviz import draw
from archviz.core.graph import KINDS, Edge, Graph, Module, Node, TensorSpec
from archviz.core.text import clean
from archviz.figure.caption.describe import describe
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.passes.annotate import annotate
from archviz.style.style import load_style
from archviz.trace.ladder import Inputs, trace
from gallery import gpt, lenet, moe, resnet
from tests.zoo import CASES

TIMES = "×N marks N equal blocks in a row, of which one is drawn."
READING = "The colour of a box tells what kind of layer it is."

GALLERY = [
    (lenet.LeNet5, lenet.example_inputs,
     "LeNet5. A 32×32×1 image passes through three 5×5 convolutions with 6, 16 and 120 filters (the first and second "
     "followed by average pooling), and two linear layers with 84 and 10 outputs. It has 61.7K parameters and takes "
     f"417K multiply-accumulates. {READING}"),
    (resnet.resnet18, resnet.example_inputs,
     "ResNet. A 224×224×3 image passes through a 7×7 convolution with 64 filters, max pooling, four stages of two "
     "basic blocks each (two 3×3 convolutions) with 64, 128, 256 and 512 channels, global average pooling, and a "
     "linear layer with 1000 outputs. It has 11.7M parameters and takes 1.81G multiply-accumulates. "
     f"{READING} {TIMES}"),
    (resnet.resnet50, resnet.example_inputs,
     "ResNet. A 224×224×3 image passes through a 7×7 convolution with 64 filters, max pooling, four stages of 3, 4, 6 "
     "and 3 bottleneck blocks (1×1, 3×3 and 1×1 convolutions) with 256, 512, 1024 and 2048 channels, global average "
     "pooling, and a linear layer with 1000 outputs. It has 25.6M parameters and takes 4.09G multiply-accumulates. "
     f"{READING} {TIMES}"),
    (gpt.GPT, gpt.example_inputs,
     "GPT. A sequence of 128 tokens passes through two embeddings of width 768, 12 blocks of width 768 (12-head "
     "self-attention and a feed-forward network of width 3072), and a linear layer with 50257 outputs. It has 124M "
     "parameters (weights used more than once are counted once) and takes 16.1G multiply-accumulates. "
     f"{READING} {TIMES}"),
]

ZOO = {
    "unet": "UNet. A 512×512×1 image passes through four rounds of a double conv block (two 3×3 convolutions) with 64, "
            "128, 256 and 512 channels, and max pooling; a double conv block with 1024 channels; four rounds of a 2×2 "
            "transposed convolution with 512, 256, 128 and 64 filters, concatenation, and a double conv block with "
            "512, 256, 128 and 64 channels; and a 1×1 convolution with 2 filters.",
    "densenet": "DenseNet. A 224×224×3 image passes through a 7×7 convolution with 64 filters; max pooling; three "
                "rounds of a dense block of 6, 12 and 24 dense layers (concatenation, 1×1 convolution and 3×3 "
                "convolution), and a transition block (1×1 convolution and average pooling) with 128, 256 and 512 "
                "channels; a dense block of 16 dense layers with 32 channels each; global average pooling; and a "
                "linear layer with 1000 outputs.",
    "lstm": "LSTMClassifier. A sequence of 80 tokens passes through an embedding of width 256, a 2-layer LSTM with 256 "
            "units and a linear layer with 2 outputs.",
    "transformer": "Transformer. A 64×512 input passes through an encoder of six layers of width 512 (8-head attention "
                   "and a feed-forward network of width 2048). Together, its output and a 32×512 input pass through a "
                   "decoder of six layers of width 512 (two 8-head attention layers and a feed-forward network of "
                   "width 2048).",
    "mixtral": "MixtralForCausalLM. A sequence of 128 tokens passes through an embedding of width 4096, 32 decoder "
               "layers of width 4096 (32-head self-attention and a mixture of experts), and a linear layer with 32000 "
               "outputs.",
    "bert": "BertForMaskedLM. A sequence of 128 tokens passes through embeddings, 12 layers of width 768 (12-head "
            "self-attention and a feed-forward network of width 3072), and two linear layers with 768 and 30522 "
            "outputs.",
}


@pytest.mark.parametrize(("model", "inputs", "caption"), GALLERY, ids=["lenet", "resnet18", "resnet50", "gpt"])
def test_the_gallery(model: Callable[[], nn.Module], inputs: Callable[[], Tensor], caption: str) -> None:
    assert draw(model, inputs()).caption == caption


@pytest.mark.parametrize("name", ZOO)
def test_published_models(name: str) -> None:
    args, kwargs = CASES[name].inputs()
    caption = describe(annotate(trace(CASES[name].build, Inputs(args, kwargs)).graph, load_style("block")))
    assert caption.startswith(ZOO[name]), caption


def test_a_bare_layer() -> None:
    assert draw(nn.Linear(8, 2), torch.zeros(1, 8)).caption == (
        "Linear. An input of length 8 passes through a linear layer with 2 outputs. It has 18 parameters and takes 16 "
        f"multiply-accumulates. {READING}")


def test_more_parts_than_a_sentence_holds_are_counted_together() -> None:
    layers: list[nn.Module] = []
    for i in range(8):
        layers += [nn.Conv2d(3, 3, 3 if i % 2 else 5, padding=2), nn.MaxPool2d(2, 1)]
    caption = describe(trace(nn.Sequential(*layers), Inputs((torch.zeros(1, 3, 32, 32),))).graph)
    assert "through eight convolutions with 3 filters each (5×5, then 3×3, then" not in caption
    assert "eight convolutions" in caption and "each followed by max pooling" in caption


def part(**report: object) -> Graph:
    nodes = (Node("/in:x", (), "input", "input", out=(TensorSpec((1, 8)),)), Node("a", (), "Linear", "linear", index=1),
             Node("b", (), "Linear", "failed", index=2))
    return Graph("Net", nodes, (Edge("/in:x", "a"), Edge("a", "b")), attrs={"report": report})


def test_what_the_figure_cannot_show_is_said() -> None:
    assert describe(part(failed=["b", "RuntimeError: shapes differ"])).endswith(
        "Incomplete: b raised RuntimeError: shapes differ.")
    assert "made-up values" in describe(part(invented=True))
    assert "made-up values" not in describe(part())


@st.composite
def graphs(draw: st.DrawFn) -> Graph:
    """Any nodes of any kind in any nest of modules, with names from all of Unicode."""
    names = st.text(max_size=12)
    modules: dict[str, Module] = {}
    for i in range(draw(st.integers(0, 5))):
        outer = draw(st.sampled_from([(), *((*m.scope, m.id) for m in modules.values())]))
        modules[f"m{i}"] = Module(f"m{i}", draw(names), draw(names), outer)
    nodes = []
    for i in range(draw(st.integers(0, 12))):
        scope = draw(st.sampled_from([(), *((*m.scope, m.id) for m in modules.values())]))
        attrs = draw(st.dictionaries(
            st.sampled_from(["kernel_size", "groups", "in_channels", "num_heads", "num_layers", "output_size"]),
            st.one_of(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3)), max_size=3))
        out = draw(st.lists(st.builds(TensorSpec, st.lists(st.integers(0, 999), max_size=4).map(tuple),
                                      st.sampled_from(["float32", "int64"])), max_size=2))
        nodes.append(Node(f"n{i}", scope, draw(names), draw(st.sampled_from(KINDS)), attrs, tuple(out),
                          draw(st.integers(0, 10**12)), draw(st.integers(0, 10**15)), index=i))
    return Graph(draw(names), tuple(nodes), (), modules)


@given(graphs())
def test_any_graph_gives_one_line_of_plain_text(graph: Graph) -> None:
    caption = describe(graph, graph)
    assert caption == clean(caption)
    assert caption.endswith(".")
    assert describe(graph, graph) == caption


def figure(name: str = "Net_1 100%") -> Figure:
    nodes = (Node("/in:x", (), "input", "input", out=(TensorSpec((1, 3, 8, 8), axes="NCHW"),)),
             Node("conv", (), "Conv2d", "conv", {"kernel_size": [3, 3], "out_channels": 4}, index=1, params=112))
    return compile(Graph(name, nodes, (Edge("/in:x", "conv"),)))


def test_as_an_article_has_it() -> None:
    made = figure()
    assert made.captioned() == made.caption
    assert made.caption.startswith("Net_1 100%. An 8×8×3 image passes through a 3×3 convolution with 4 filters. It has")
    latex = made.captioned("latex")
    assert latex.startswith(r"\caption{Net\_1 100\%. An $8\times8\times3$ image")
    assert latex.endswith(r"}\label{fig:net-1-100}") and "\n" not in latex
    assert made.captioned("md").startswith(r"**Net\_1 100%.** An 8×8×3 image")
    assert made.captioned("alt") == made.alt == (
        "Diagram of the architecture of Net_1 100%. An 8×8×3 image passes through a 3×3 convolution with 4 filters.")


def test_what_sizes_mean_follows_the_style() -> None:
    graph = figure().graph
    assert "height and width on a logarithmic scale" in compile(graph, Options("cube")).caption
    scaled = compile(graph, Options("cube", settings={"options.space": "linear"})).caption
    assert "height and width to scale" in scaled
    assert "Circles are neurons" not in compile(graph, Options("block")).caption
    assert "Circles are neurons" in draw(nn.Linear(3, 2), torch.zeros(1, 3), style="node-link").caption


def test_branches_are_told_side_by_side_unless_they_are_none() -> None:
    class Branches(nn.Module):
        def __init__(self, skip: bool) -> None:
            super().__init__()
            self.a, self.b, self.c = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 6, 5, padding=2)
            self.d, self.skip = nn.MaxPool2d(3, 1, 1), skip

        def forward(self, x: Tensor) -> Tensor:
            b = self.b(x)
            return torch.cat([self.a(x), self.c(b), self.d(x), *([b] if self.skip else [])], 1)

    def said(skip: bool) -> str:
        return draw(Branches(skip), torch.zeros(1, 3, 8, 8)).caption

    assert said(False).startswith(
        "Branches. An 8×8×3 image passes through three parallel branches (a 1×1 convolution with 4 filters; a 3×3 "
        "convolution with 5 filters, then a 5×5 convolution with 6 filters; max pooling), whose outputs are "
        "concatenated. It has")
    assert "branches (" not in said(True)       # what is also read elsewhere is no branch of its own


def test_routers_streams_and_titles_are_told() -> None:
    mixture = draw(moe.MixtureOfExperts(16, 32), torch.zeros(4, 16), title="Mixture").caption
    # the experts read the tokens, as the router does, which only says which of them
    assert mixture.startswith("Mixture. A 4×16 input passes through nine parallel branches (a linear layer with 8 "
                              "outputs; eight expert blocks of width 16), whose outputs are combined.")
    assert "A router sends each token to two of eight experts." in mixture
    grouped = nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=2))
    captions = [draw(grouped, torch.zeros(1, 4, 8, 8), style="wire", streams=how).caption for how in ("none", "groups")]
    assert ["Its layers are divided into two streams." in one for one in captions] == [False, True]


def test_what_times_means_is_told_as_it_is_drawn_and_only_then() -> None:
    stack = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.LayerNorm(8)) for _ in range(6)))
    captions = {style: draw(stack, torch.zeros(1, 8), style=style).caption for style in ("block", "sublayers", "tower")}
    assert TIMES in captions["block"]
    assert TIMES.replace("×N", "N×") in captions["sublayers"]
    assert "marks N" not in captions["tower"]       # which draws every layer
