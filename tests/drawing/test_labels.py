"""What is written in a figure: labels as papers write them, shapes where they change, names a reader knows."""

from __future__ import annotations

import pytest

from archviz.core.graph import Edge, Graph, Module, Node, TensorSpec
from archviz.core.naming import titles, words
from archviz.drawing.labels import arrow_labels, looks
from archviz.style.style import load_style
from tests.graphs import Builder

STYLE = load_style("block")


def lines(build: Builder, key: str) -> list[str]:
    return [line for line, _ in looks(build.graph(), STYLE)[key].lines]


@pytest.mark.parametrize(
    ("op", "kind", "attrs", "expected"),
    [
        (
            "Conv2d",
            "conv",
            {"kernel_size": [3, 3], "out_channels": 64, "stride": [2, 2], "groups": 1},
            ["3×3 conv, 64, /2"],
        ),
        ("Conv2d", "conv", {"kernel_size": [1, 1], "out_channels": 64, "stride": [1, 1]}, ["1×1 conv, 64"]),
        ("Linear", "linear", {"out_features": 1000}, ["linear, 1000"]),
        ("LlamaRMSNorm", "norm", {}, ["RMSNorm"]),
        ("T5LayerNorm", "norm", {}, ["LN"]),
        ("GELUActivation", "act", {}, ["GELU"]),
        ("scaled_dot_product_attention", "attention", {"num_heads": 12}, ["attention, 12 heads"]),
        ("scaled_dot_product_attention", "attention", {"num_heads": 1}, ["attention"]),
        ("MyLayer", "opaque", {}, ["MyLayer"]),
    ],
)
def test_labels_read_as_papers_write_them(op, kind, attrs, expected):
    build = Builder()
    key = build.op(op, build.input(), kind=kind, **attrs)
    assert lines(build, key) == expected


def test_a_projection_is_named_after_its_attribute_and_an_embedding_after_what_it_embeds():
    build = Builder()
    x = build.input("ids", (1, 16), "int64")
    word = build.op("Embedding", x, name="word_embeddings", num_embeddings=9, embedding_dim=4)
    position = build.op("Embedding", name="wpe", num_embeddings=9, embedding_dim=4)
    query = build.op("Linear", word, name="attention.q_proj", out_features=4)
    build.op("Linear", word, name="attention.k_proj", out_features=4)
    value = build.op("Linear", word, name="critic.value", out_features=1)      # which no query asks for
    assert lines(build, word) == ["word embedding, 9×4"]
    assert lines(build, position) == ["position embedding, 9×4"]
    assert lines(build, query) == ["Q linear, 4"]
    assert lines(build, value) == ["linear, 1"]


def test_a_long_label_goes_on_in_a_second_line_and_a_very_long_one_is_shortened():
    build = Builder()
    x = build.input()
    long = build.op(
        "Conv2d", x, kernel_size=[11, 11], in_channels=4096, out_channels=4096, groups=4096, stride=[16, 16]
    )
    endless = build.op("x" * 400, x, kind="opaque")
    first, second = lines(build, long)
    assert first.endswith("depthwise conv") and second == "4096, /16"
    assert lines(build, endless)[0].endswith("…")


def test_names_from_a_model_are_one_line_of_plain_text():
    build = Builder()
    key = build.input("a\nb\u202e<&\"']]>\x00")
    assert lines(build, key)[0] == "a b<&\"']]>"


def test_the_shape_is_written_once_after_it_changed():
    build = Builder()
    x = build.input("x", (1, 3, 32, 32))
    a = build.op("Conv2d", x, shape=(1, 8, 32, 32))
    b = build.op("Conv2d", a, shape=(1, 8, 16, 16))
    c = build.op("Conv2d", b, shape=(1, 8, 16, 16))
    d = build.op("Conv2d", c, shape=(1, 8, 16, 16))
    build.output(d)
    graph = build.graph()
    named = Graph(
        graph.name,
        tuple(
            Node(
                n.id,
                n.scope,
                n.op,
                n.kind,
                n.attrs,
                tuple(TensorSpec(t.shape, t.dtype, "NCHW") for t in n.out),
                index=n.index,
            )
            for n in graph.nodes
        ),
        graph.edges,
    )
    assert arrow_labels(named) == {c: "16×16×8"}


def test_copies_are_counted_within_their_frame():
    modules = {"m": Module("m", "Block", "m", (), 6, ("m",))}
    nodes = (
        Node("m.a", ("m",), "Linear", "linear", {"out_features": 4}, repeat=12, index=0),
        Node("m.b", ("m",), "Linear", "linear", {"out_features": 4}, repeat=6, index=1),
    )
    seen = looks(Graph("g", nodes, (), modules), STYLE)
    assert seen["m.a"].lines[0][0] == "linear, 4 ×2" and seen["m.a"].stack
    assert seen["m.b"].lines[0][0] == "linear, 4" and not seen["m.b"].stack


@pytest.mark.parametrize(
    ("cls", "spelt"),
    [
        ("GPT2Block", ["GPT2", "Block"]),
        ("ResNetBottleNeckLayer", ["ResNet", "Bottle", "Neck", "Layer"]),
        ("ViTLayer", ["ViT", "Layer"]),
        ("MLP", ["MLP"]),
        ("T5LayerFF", ["T5", "Layer", "FF"]),
        ("snake_case", ["snake", "case"]),
    ],
)
def test_words_of_a_class_name(cls, spelt):
    assert words(cls) == spelt


def named(*modules: tuple[str, str], model: str = "Net") -> list[str]:
    return list(titles(Graph(model, modules={path: Module(path, cls, path) for path, cls in modules})).values())


def test_the_familys_name_is_left_out_of_its_parts():
    assert named(("h", "GPT2Block"), ("attn", "GPT2Attention"), ("mlp", "GPT2MLP"), model="GPT2LMHeadModel") == [
        "Block",
        "Attention",
        "MLP",
    ]
    assert named(("a", "CLIPMLP"), ("b", "CLIPAttention"), model="CLIPModel") == ["MLP", "Attention"]


def test_containers_are_named_after_their_attribute_and_twins_after_what_tells_them_apart():
    assert named(("features", "Sequential"), ("stages.2", "Sequential")) == ["Features", "Stage 3"]
    assert named(("encoder", "T5Stack"), ("decoder", "T5Stack")) == ["Encoder", "Decoder"]
    assert named(("stages.0", "Stage"), ("stages.1", "Stage")) == ["Stage 1", "Stage 2"]
    assert named(("down.0", "Level"), ("down.1", "Level"), ("middle", "Level"), ("up.0", "Level")) == [
        "Down 1", "Down 2", "Middle", "Up 1"]
    assert named(("conv1", "Block"), ("conv2", "Block")) == ["Block 1", "Block 2"]


def test_a_number_with_a_letter_that_the_model_gives_its_modules_is_theirs():
    assert named(("mix3a", "Mix"), ("mix3b", "Mix"), ("mix_4a", "Mix")) == ["Mix 3a", "Mix 3b", "Mix 4a"]
    assert named(("mix3a", "Mix"), ("other4a", "Mix")) == ["Mix 1", "Mix 2"]
    assert named(("mix3a", "Mix"), ("mix4", "Mix")) == ["Mix 1", "Mix 2"]


@pytest.mark.parametrize(
    ("op", "kind", "attrs", "after", "expected"),
    [
        ("mean", "reduce", {"dim": [-2, -1]}, (1, 8), "global avg pool"),
        ("AvgPool2d", "pool", {"kernel_size": 2560, "stride": 2560}, (1, 8, 1, 1), "global avg pool"),
        ("AvgPool2d", "pool", {"kernel_size": 2, "stride": 2}, (1, 8, 8, 8), "2×2 avg pool, /2"),
    ],
)
def test_a_mean_over_all_pixels_is_global_average_pooling_however_it_is_written(op, kind, attrs, after, expected):
    build = Builder()
    key = build.op(op, build.input("x", (1, 8, 16, 16)), kind=kind, shape=after, **attrs)
    graph = build.graph()
    seen = TensorSpec((1, 8, 16, 16), "float32", "NCHW")
    edges = tuple(Edge(e.src, e.dst, seen) for e in graph.edges)
    look = looks(Graph(graph.name, graph.nodes, edges), STYLE)[key]
    assert look.lines[0][0] == expected and look.kind == STYLE.kinds["pool"]


def test_a_glyph_stays_one_where_copies_feed_each_other():
    build = Builder()
    a, b = build.input("a"), build.input("b")
    key = build.op("add", a, b)
    graph = build.graph()
    again = tuple(Edge(key, key, role="recurrent", slot=i) for i in range(3))
    assert looks(Graph("g", graph.nodes, graph.edges + again), STYLE)[key].glyph


def test_activations_are_told_apart_where_a_figure_has_several():
    def bands(*ops: str) -> list[tuple[str, ...]]:
        build = Builder()
        x = build.input()
        for op in ops:
            x = build.op("Linear", x, fused=[op], fused_kinds=["act"], out_features=4)
        seen = looks(build.graph(), load_style("block"))
        return [(look.bands, dict(look.names)) for look in seen.values() if look.bands]

    assert bands("relu", "ReLU") == [(("act band",), {})] * 2      # one by two names
    assert bands("ReLU", "Hardswish", "Hardsigmoid") == [
        (("act band",), {"act band": "ReLU"}), (("gate band",), {"gate band": "h-swish"}),
        (("squash band",), {"squash band": "h-sigmoid"})]
