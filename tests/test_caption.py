"""The written caption: said from structure, for models nobody has told it about."""
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from archviz import draw
from archviz.caption import describe
from archviz.ir import KINDS, Edge, Graph, Module, Node, TensorSpec
from archviz.text import clean
from archviz.trace import Inputs, trace
from gallery import gpt, lenet, resnet
from tests.zoo import CASES

TIED = "Weights used more than once are counted once."
TIMES = "×N marks N equal blocks in a row, of which one is drawn."

GALLERY = [
    (lenet.LeNet5, lenet.example_inputs,
     "LeNet5: a 5×5 convolution, average pooling, a 5×5 convolution, average pooling, a 5×5 convolution and two linear "
     "layers. 61.7K parameters and 417K multiply-accumulates for a 32×32×1 input."),
    (resnet.resnet18, resnet.example_inputs,
     "ResNet: a 7×7 convolution, max pooling, four stages of 2 basic blocks each (two 3×3 convolutions), global "
     "average pooling and a linear layer. 11.7M parameters and 1.81G multiply-accumulates for a 224×224×3 input. "
     + TIMES),
    (resnet.resnet50, resnet.example_inputs,
     "ResNet: a 7×7 convolution, max pooling, four stages of 3, 4, 6 and 3 bottleneck blocks (1×1, 3×3 and 1×1 "
     "convolutions), global average pooling and a linear layer. 25.6M parameters and 4.09G multiply-accumulates for a "
     f"224×224×3 input. {TIMES}"),
    (gpt.GPT, gpt.example_inputs,
     "GPT: two embeddings, 12 blocks (self attention and MLP) and a linear layer. 124M parameters and 16.1G "
     f"multiply-accumulates for 128 tokens. {TIED} {TIMES}"),
]

ZOO = {
    "unet": "UNet: nine double conv blocks (two 3×3 convolutions), four max-pooling layers, four 2×2 transposed "
            "convolutions, four concatenations and a 1×1 convolution.",
    "densenet": "DenseNet: a 7×7 convolution, max pooling, four stages of 6, 12, 24 and 16 dense layers ("
                "concatenation, 1×1 convolution and 3×3 convolution), three transition blocks (1×1 convolution and "
                "average pooling), global average pooling and a linear layer.",
    "lstm": "LSTMClassifier: an embedding, a 2-layer LSTM and a linear layer.",
    "transformer": "Transformer: an encoder of six encoder layers (8-head attention and two linear layers) and a "
                   "decoder of six decoder layers (two 8-head attention layers and two linear layers).",
    "convnext": "ConvNextForImageClassification: a 4×4 convolution, four stages of 3, 3, 9 and 3 layers (7×7 depthwise "
                "convolution and two linear layers), mean over positions and a linear layer.",
    "whisper": "WhisperForConditionalGeneration: an encoder of 12 encoder layers (attention and two linear layers), a "
               "decoder of 12 decoder layers (two attention layers and two linear layers) and a linear layer.",
}


@pytest.mark.parametrize(("model", "inputs", "caption"), GALLERY, ids=["lenet", "resnet18", "resnet50", "gpt"])
def test_the_gallery(model: Callable[[], nn.Module], inputs: Callable[[], Tensor], caption: str) -> None:
    assert draw(model, inputs()).caption == caption


@pytest.mark.parametrize("name", ZOO)
def test_published_models(name: str) -> None:
    args, kwargs = CASES[name].inputs()
    caption = describe(trace(CASES[name].build, Inputs(args, kwargs)).graph)
    assert caption.startswith(f"{ZOO[name]} "), caption


def test_a_bare_layer() -> None:
    assert draw(nn.Linear(8, 2), torch.zeros(1, 8)).caption == \
        "Linear: a linear layer. 18 parameters and 16 multiply-accumulates for an input of length 8."


def test_more_parts_than_a_sentence_holds_are_counted_together() -> None:
    layers: list[nn.Module] = []
    for i in range(8):
        layers += [nn.Conv2d(3, 3, 3 if i % 2 else 5, padding=2), nn.MaxPool2d(2, 1)]
    caption = describe(trace(nn.Sequential(*layers), Inputs((torch.zeros(1, 3, 32, 32),))).graph)
    assert caption.startswith("Sequential: four 5×5 convolutions, eight max-pooling layers and four 3×3 convolutions.")


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
