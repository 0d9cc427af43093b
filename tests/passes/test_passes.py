"""The passes: what each removes, joins or folds, and the laws that hold for any graph."""
from __future__ import annotations

import time
from dataclasses import replace
from functools import reduce
from itertools import cycle
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph, own_repeat
from archviz.core.plugins import find
from archviz.core.regroup import merge, split
from archviz.core.text import caption
from archviz.passes.annotate import annotate
from archviz.passes.collapse import WHOLE, collapse, collapsed, expand, select
from archviz.passes.fold import fold
from archviz.passes.fuse import fuse, parse
from archviz.passes.hide import hide
from archviz.passes.tidy import tidy
from archviz.style.style import load_style
from tests.graphs import STYLE, Builder, drawn, graphs, sources

PASSES = ("annotate", "hide", "fuse", "fold", "tidy")


def run(graph: Graph, *names: str) -> Graph:
    return reduce(lambda g, name: getattr(find("passes", name), name)(g, STYLE), names or PASSES, graph)


# ------------------------------------------------------------------------------------------------ laws

def check(before: Graph, after: Graph) -> None:
    """Ids partition, totals stay, edges join nodes, run forward unless recurrent, and are paths of the trace."""
    assert sorted(m for node in after.nodes for m in node.members) == sorted(node.id for node in before.nodes)
    assert (after.params, after.flops) == (before.params, before.flops)
    assert all(frame in after.modules for node in after.nodes for frame in node.scope)
    above: dict[str, set[str]] = {}
    for node in before.nodes:
        above[node.id] = {e.src for e in before.incoming[node.id]}.union(
            *(above[e.src] for e in before.incoming[node.id]))
    for edge in after.edges:
        assert edge.src != edge.dst
        goals = set(after.by_id[edge.dst].members)
        assert any(above[goal] & set(after.by_id[edge.src].members) for goal in goals), (edge.src, edge.dst)
    done: set[str] = set()
    waiting = {node.id: {e.src for e in after.incoming[node.id] if e.role != "recurrent"} for node in after.nodes}
    while ready := [key for key, needs in waiting.items() if needs <= done]:
        done.update(ready)
        for key in ready:
            del waiting[key]
    assert not waiting, f"a cycle through {sorted(waiting)}"


@given(graphs())
@settings(max_examples=150)
def test_every_pass_keeps_the_laws(graph):
    found = graph
    for name in PASSES:
        found = run(found, name)
        check(graph, found)


@given(graphs())
@settings(max_examples=60)
def test_two_runs_are_equal(graph):
    assert run(graph) == run(graph)


@given(graphs())
@settings(max_examples=60)
def test_an_input_and_the_outputs_stay(graph):
    kinds = [node.kind for node in run(graph, "hide").nodes]
    assert "input" in kinds and "output" in kinds


@given(graphs())
@settings(max_examples=60)
def test_only_what_is_visible_stays(graph):
    shown = run(graph, "hide")
    assert not {node.kind for node in shown.nodes} & set(STYLE.hide)
    lonely = [n.id for n in shown.nodes if not shown.incoming[n.id] and not shown.outgoing[n.id] and n.kind != "input"]
    was = {n.id for n in graph.nodes if not graph.incoming[n.id] and not graph.outgoing[n.id]}
    alone = {i for i in lonely if i not in was and shown.by_id[i].kind != "output" and graph.by_id[i].params == 0}
    assert not alone


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=100)
def test_expand_undoes_collapse_in_any_order(graph, random):
    graph = run(graph)
    keys = sorted(graph.modules)
    random.shuffle(keys)
    chosen = keys[:random.randint(0, len(keys))]
    steps = [graph]
    closed = graph
    for key in chosen:
        closed = collapse(closed, ids=[key])
        check_sums(graph, closed)
        steps.append(closed)
    assert closed == collapse(graph, ids=chosen)
    assert collapsed(closed) == {k for k in chosen if any(k in node.scope for node in graph.nodes)}
    opened = closed
    order = list(chosen)
    random.shuffle(order)
    for key in order:
        opened = expand(opened, ids=[key])
    assert opened == graph
    assert expand(closed, ids=chosen) == graph


def check_sums(before: Graph, after: Graph) -> None:
    assert (after.params, after.flops) == (before.params, before.flops)
    assert sorted(m for n in after.nodes for m in n.members) == sorted(m for n in before.nodes for m in n.members)


@given(graphs())
@settings(max_examples=60)
def test_folding_can_be_split(graph):
    before = run(graph, "hide", "fuse")
    after = fold(before, STYLE)
    back = split(after, [node.id for node in after.nodes if node.repeat > 1])
    check_sums(before, back)
    assert {n.id: n.members for n in back.nodes} == {n.id: n.members for n in before.nodes}


@given(graphs())
@settings(max_examples=60)
def test_repeats_count_copies(graph):
    for node in (after := run(graph)).nodes:
        frames = [after.modules[frame].repeat for frame in node.scope]
        assert node.repeat == own_repeat(after, node) * reduce(int.__mul__, frames, 1)


# ------------------------------------------------------------------------------------------------ hide

def test_views_are_bypassed_and_owned_by_their_producer():
    b = Builder()
    lin = b.op("Linear", b.input(), params=4)
    b.output(b.op("Linear", b.op("transpose", b.op("view", lin))))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "Linear"]
    assert shown.by_id[lin].members == (lin, "/view", "/transpose")
    assert [(e.src, e.dst) for e in shown.edges] == [("/in:x", lin), (lin, "/Linear@1"), ("/Linear@1", "/out:0")]


def test_masks_and_positions_vanish_into_what_they_feed():
    b = Builder()
    q = b.op("Linear", b.input())
    mask = b.op("lt", b.op("arange", dtype="int64"), b.op("arange", dtype="int64"), dtype="bool")
    masked = b.op("where", q, mask, kind="index")
    b.output(b.op("Linear", masked))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "Linear"]
    assert "/lt" in shown.by_id[q].members and "/arange" in shown.by_id[q].members


def test_an_attention_mask_is_no_input_but_ids_are():
    b = Builder()
    ids, mask = b.input("input_ids", (1, 8), "int64"), b.input("attention_mask", (1, 8), "int64")
    x = b.op("Embedding", ids, params=9)
    b.output(b.op("mul", x, b.op("view", mask, dtype="int64")))
    shown = hide(b.graph(), STYLE)
    assert [node.id for node in shown.nodes] == ["/in:input_ids", "/Embedding", "/out:0"]


def test_an_input_stays_even_if_nothing_needs_it():
    b = Builder()
    b.input("mask", (1, 8), "int64")
    b.output(b.op("Linear", b.op("parameter", params=2), params=1))
    assert "input" in {node.kind for node in hide(b.graph(), STYLE).nodes}


def test_residual_sums_and_gates_stay_but_scales_and_biases_go():
    b = Builder()
    x = b.input()
    f = b.op("Linear", x)
    scaled = b.op("mul", f, b.op("parameter", shape=(16,), params=16))          # LayerScale
    shifted = b.op("add", scaled, b.op("parameter", shape=(16,), params=16, name="beta"))       # a bias
    total = b.op("add", x, b.op("mul", shifted))                                # a residual, and a constant factor
    b.output(b.op("mul", total, b.op("sigmoid", b.op("Linear", total))))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "add", "Linear", "sigmoid", "mul"]
    assert shown.by_id["/Linear"].params == 32
    assert sources(shown, "mul") == ["add", "sigmoid"]


def test_a_learned_vector_that_is_added_is_drawn_unless_it_is_a_bias():
    b = Builder()
    x = b.op("Linear", b.input())
    marked = b.op("add", x, b.op("view", b.op("parameter", shape=(2, 16), name="modality"), shape=(16,)))
    b.output(b.op("add", marked, b.op("parameter", shape=(16,), name="head_bias")))
    assert drawn(hide(b.graph(), STYLE)) == ["Linear", "parameter", "add"]


def test_position_embeddings_and_class_tokens_are_sources():
    b = Builder()
    x = b.op("Linear", b.input())
    cls = b.op("parameter", shape=(1, 1, 16), params=16, name="cls_token")
    token = b.op("cat", b.op("view", cls, shape=(1, 1, 16)), x)
    table = b.op("Embedding", b.op("arange", dtype="int64"), params=128)
    b.output(b.op("Linear", b.op("add", token, table)))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "parameter", "cat", "Embedding", "add", "Linear"]
    assert shown.incoming["/Embedding"] == ()


def test_sines_added_to_data_are_an_encoding():
    b = Builder()
    x = b.op("Linear", b.input())
    with b.module("pos", "SinePositions"):
        table = b.op("sin", b.op("div", b.op("arange")))
    b.output(b.op("Linear", b.op("add", x, b.op("view", table))))
    shown = hide(b.graph(), STYLE)
    encoding = shown.by_id["pos/sin"]
    assert (encoding.op, encoding.kind, encoding.scope) == ("SinePositions", "embedding", ())
    assert set(encoding.members) == {"pos/sin", "pos/div", "pos/arange", "/view"}
    assert sources(shown, "add") == ["Linear", "SinePositions"]


def test_sums_of_several_terms_are_one():
    b = Builder()
    x = b.input()
    a, c, d = (b.op("Linear", x) for _ in range(3))
    b.output(b.op("add", b.op("add", a, c), d))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "Linear", "Linear", "add"]
    assert len(shown.incoming["/add@1"]) == 3


def test_what_is_stacked_and_summed_is_a_sum():
    b = Builder()
    x = b.input()
    stacked = b.op("stack", b.op("Linear", x), b.op("Conv2d", x), shape=(2, 1, 8, 16), kind="cat")
    b.output(b.op("Linear", b.op("sum", stacked, kind="reduce")))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "Conv2d", "add", "Linear"]
    assert shown.by_id["/stack"].kind == "add"


def test_dense_connections_are_one_running_concatenation():
    b = Builder()
    values = [b.input()]
    for _ in range(4):
        values.append(b.op("Conv2d", values[0] if len(values) == 1 else b.op("cat", *values, dim=1)))
    b.output(b.op("cat", *values, dim=1))
    shown = hide(b.graph(), STYLE)
    assert all(len(shown.incoming[node.id]) == 2 for node in shown.nodes if node.kind == "cat")
    assert sources(shown, "cat") == ["input", "Conv2d"]


def test_rotary_positions_are_a_node_at_queries_and_keys():
    b = Builder()
    x = b.input()
    q, k, v = (b.op("Linear", x, shape=(1, 4, 8, 16)) for _ in range(3))
    angle = b.op("arange", shape=(8, 16))
    cos, sin = b.op("cos", angle, kind="math", shape=(8, 16)), b.op("sin", angle, shape=(8, 16))

    def rotated(value: str) -> str:
        half = b.op("cat", b.op("neg", b.op("split", value), kind="math"), b.op("split", value))
        return b.op("add", b.op("mul", value, cos), b.op("mul", half, sin))

    b.output(b.op("Linear", b.op("scaled_dot_product_attention", rotated(q), rotated(k), v, shape=(1, 4, 8, 16))))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "Linear", "Linear", "rotary", "rotary", "scaled_dot_product_attention", "Linear"]
    assert sources(shown, "scaled_dot_product_attention") == ["Linear", "rotary", "rotary"]
    attention = next(node for node in shown.nodes if node.kind == "attention")
    assert attention.op == "scaled_dot_product_attention"


def test_eager_attention_is_one_node():
    b = Builder()
    x = b.input()
    q, k, v = (b.op("view", b.op("Linear", x), shape=(1, 4, 8, 16)) for _ in range(3))
    scores = b.op("matmul", q, b.op("transpose", k, shape=(1, 4, 16, 8)), shape=(1, 4, 8, 8), flops=3)
    mask = b.op("where", b.op("lt", b.op("arange")), kind="index", shape=(1, 1, 8, 8))
    bias = b.op("view", b.op("Embedding", b.op("arange"), params=6), shape=(1, 4, 8, 8))
    scores = b.op("add", b.op("add", b.op("mul", scores, shape=(1, 4, 8, 8)), mask, shape=(1, 4, 8, 8)), bias)
    weights = b.op("dropout", b.op("softmax", scores, shape=(1, 4, 8, 8)))
    b.output(b.op("Linear", b.op("matmul", weights, v, shape=(1, 4, 8, 16), flops=4)))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "Linear", "Linear", "attention", "Linear"]
    node = next(node for node in shown.nodes if node.kind == "attention")
    assert (node.attrs["num_heads"], node.attrs["head_dim"], node.flops, node.params) == (4, 16, 7, 6)
    assert sources(shown, "attention") == ["Linear"] * 3


@pytest.mark.parametrize(("ops", "kind"), [(("pow", "mean", "rsqrt", "mul"), "norm"), (("pow", "tanh", "mul"), "act")])
def test_norms_and_activations_written_by_hand_are_one_node(ops, kind):
    b = Builder()
    x = value = b.op("Linear", b.input())
    with b.module("n", "Handmade"):
        for op in ops[:-1]:
            value = b.op(op, value)
        b.op("mul", b.op(ops[-1], x, value), b.op("parameter", shape=(16,), params=16))
    b.output(b.op("Linear", b.nodes[-1].id))
    shown = hide(b.graph(), STYLE)
    node = next(node for node in shown.nodes if node.op == "Handmade")
    assert (node.kind, node.scope, node.params) == (kind, (), 16)
    assert drawn(shown) == ["Linear", "Handmade", "Linear"]


def test_a_value_times_its_sigmoid_is_an_activation_but_a_gated_half_is_not():
    b = Builder()
    x = b.op("Linear", b.input())
    b.output(b.op("Linear", b.op("mul", x, b.op("sigmoid", x))))
    assert drawn(hide(b.graph(), STYLE)) == ["Linear", "silu", "Linear"]
    b = Builder()
    halves = b.op("split", b.op("Linear", b.input()), outs=2)
    b.output(b.op("Linear", b.op("mul", b.op("sigmoid", halves), halves)))
    assert drawn(hide(b.graph(), STYLE)) == ["Linear", "sigmoid", "mul", "Linear"]


@pytest.mark.parametrize(("before", "after"), [
    ((1, 64, 7, 7), (1, 64)), ((1, 64, 7, 7), (1, 64, 1, 1)), ((1, 50, 64), (1, 64)), ((1, 50, 64), (1, 50, 1)),
    ((1, 50, 64), (1, 50))])
def test_means_over_the_image_the_tokens_or_the_channels_stay(before, after):
    b = Builder()
    x = b.op("Linear", b.input(), shape=before)
    b.output(b.op("Linear", b.op("mean", x, shape=after)))
    assert drawn(hide(b.graph(), STYLE)) == ["Linear", "mean", "Linear"]


def test_a_mean_that_only_centres_what_it_was_taken_of_is_not_drawn():
    b = Builder()
    x = b.op("Linear", b.input(), shape=(1, 50, 64))
    b.output(b.op("Linear", b.op("sub", x, b.op("mean", x, shape=(1, 50, 1)), kind="add")))
    assert drawn(hide(b.graph(), STYLE)) == ["Linear", "Linear"]


@pytest.mark.parametrize("op", ["mean", "sum", "amax", "var", "norm", "cosine_similarity"])
def test_each_reduction_has_its_name(op):
    b = Builder()
    x, y = b.op("Linear", b.input(), shape=(1, 64)), b.op("Linear", b.input(), shape=(1, 64))
    b.output(b.op("add", x, b.op(op, y, shape=(1, 1), kind="reduce")))
    assert op in drawn(hide(b.graph(), STYLE))


def test_a_maximum_over_points_stays():
    b = Builder()
    x = b.op("Conv2d", b.input(), shape=(2, 64, 100))
    b.output(b.op("Linear", b.op("max", x, shape=(2, 64), kind="reduce")))
    assert drawn(hide(annotate(b.graph(), STYLE), STYLE)) == ["Conv2d", "max", "Linear"]


def test_transforms_are_drawn_but_not_arithmetic():
    b = Builder()
    x = b.op("Linear", b.input())
    b.output(b.op("Linear", b.op("add", x, b.op("pow", b.op("fft_fftn", x, kind="math")))))
    assert drawn(hide(b.graph(), STYLE)) == ["Linear", "fft_fftn", "add", "Linear"]


def test_noise_scales_a_value():
    b = Builder()
    x = b.op("Linear", b.input())
    mean, spread = b.op("Linear", x), b.op("Linear", x)
    b.output(b.op("add", mean, b.op("mul", b.op("pow", spread), b.op("view", b.op("randn", kind="constant")))))
    shown = hide(b.graph(), STYLE)
    assert sources(shown, "mul") == ["Linear", "randn"] and sources(shown, "add") == ["Linear", "mul"]


def test_learned_queries_reach_attention_and_what_is_done_to_a_table_does_not_show():
    b = Builder()
    x = b.input()
    query = b.op("Linear", b.op("parameter", shape=(8, 16), params=128, name="latents"), params=1)
    scores = b.op("softmax", b.op("matmul", query, b.op("Linear", x)))
    y = b.op("matmul", scores, b.op("Linear", x))
    table = b.op("interpolate", b.op("parameter", shape=(1, 8, 16), params=128, name="table"), kind="upsample")
    b.output(b.op("Linear", b.op("add", y, table)))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["parameter", "Linear", "Linear", "Linear", "attention", "parameter", "add", "Linear"]
    assert sources(shown, "attention") == ["Linear"] * 3 and sources(shown, "add") == ["attention", "parameter"]


def test_embeddings_of_a_time_are_one_node():
    b = Builder()
    angle = b.op("mul", b.op("view", b.input("t", (1,), "int64")), b.op("arange"))
    waves = b.op("cat", b.op("sin", angle), b.op("cos", angle, kind="math"))
    b.output(b.op("Linear", waves, params=4))
    shown = hide(b.graph(), STYLE)
    assert [node.op for node in shown.nodes] == ["input", "sinusoidal", "Linear", "output"]
    assert sources(shown, "sinusoidal") == ["input"]


def test_messages_along_the_edges_of_a_graph():
    b = Builder()
    edges = b.input("edge_index", (2, 30), "int64")
    x = b.op("Linear", b.input())
    sent = b.op("getitem", x, b.op("view", edges, dtype="int64"), kind="index")
    b.output(b.op("index_add", b.op("zeros"), b.op("view", edges, dtype="int64"), sent, kind="index"))
    shown = hide(b.graph(), STYLE)
    assert drawn(shown) == ["Linear", "index_add"] and shown.nodes[-2].kind == "reduce"
    assert sources(shown, "index_add") == ["input", "Linear"]


def test_a_decoder_may_start_from_zeros():
    b = Builder()
    start, memory = b.op("zeros"), b.input()
    for i in range(3):
        with b.module(f"layer.{i}", "DecoderLayer"):
            b.op("add", start, b.op("Linear", start, params=1), b.op("Linear", memory, params=1))
            start = b.nodes[-1].id
    b.output(start)
    shown = run(b.graph(), "hide", "fold")
    assert [node.op for node in shown.nodes] == ["zeros", "input", "Linear", "Linear", "add", "output"]
    assert shown.modules["layer.0"].repeat == 3 and shown.by_id["/zeros"].kind == "buffer"


def test_a_side_output_stays_if_nothing_else_needs_what_makes_it():
    b = Builder()
    x = b.op("Linear", b.input())
    b.output(b.op("Linear", x, params=3), "encoder_hidden_states")
    b.output(x, "logits")
    assert len(hide(b.graph(), STYLE).nodes) == 5


def test_caches_are_no_outputs():
    b = Builder()
    x = b.op("Linear", b.input())
    b.output(b.op("view", x), "past_key_values.0")
    b.output(b.op("Linear", x), "logits")
    assert [node.id for node in hide(b.graph(), STYLE).nodes] == ["/in:x", "/Linear", "/Linear@1", "/out:logits"]


def test_a_router_says_how_many_it_chooses():
    b = Builder()
    x = b.op("Linear", b.input())
    chosen = b.op("topk", b.op("softmax", x), k=2)
    b.output(b.op("mul", chosen, b.op("Linear", x)))
    shown = hide(b.graph(), STYLE)
    assert shown.by_id["/softmax"].attrs["top_k"] == 2


# ------------------------------------------------------------------------------------------------ fuse

def chain(*ops: str) -> Graph:
    b = Builder()
    value = b.input()
    for op in ops:
        value = b.op(op, value, params=1)
    b.output(value)
    return b.graph()


def test_the_longest_rule_wins():
    shown = fuse(chain("Conv2d", "BatchNorm2d", "ReLU", "Conv2d", "BatchNorm2d", "Conv2d"), STYLE)
    assert drawn(shown) == ["Conv2d", "Conv2d", "Conv2d"]
    assert [node.attrs.get("fused") for node in shown.nodes[1:-1]] == [["BatchNorm2d", "ReLU"], ["BatchNorm2d"], None]
    assert shown.by_id["/Conv2d"].params == 3


def test_rules_name_kinds_ops_and_alternatives():
    style = SimpleNamespace(fuse=("Linear|conv > tanh",), hide=())
    assert drawn(fuse(chain("Conv2d", "tanh", "Linear", "tanh", "Linear", "ReLU"), style)) == [
        "Conv2d", "Linear", "Linear", "ReLU"]


def test_no_chain_across_a_fork_or_a_module():
    b = Builder()
    conv = b.op("Conv2d", b.input())
    b.output(b.op("add", conv, b.op("ReLU", conv)))
    assert drawn(fuse(b.graph(), STYLE)) == ["Conv2d", "ReLU", "add"]
    b = Builder()
    with b.module("m"):
        conv = b.op("Conv2d", b.input())
    b.output(b.op("ReLU", conv))
    assert drawn(fuse(b.graph(), STYLE)) == ["Conv2d", "ReLU"]


@pytest.mark.parametrize("rule", ["conv", "conv >", "> norm", "conv > 2nd", "", "conv | > act"])
def test_a_bad_rule_is_told(rule):
    with pytest.raises(ArchvizError, match="is not a fuse rule"):
        parse(rule)


# ------------------------------------------------------------------------------------------------ separable

DEPTHWISE = {"in_channels": 8, "out_channels": 8, "groups": 8, "kernel_size": [3, 3], "stride": [2, 2]}
POINTWISE = {"in_channels": 8, "out_channels": 16, "groups": 1, "kernel_size": [1, 1], "stride": [1, 1]}


@given(graphs())
@settings(max_examples=60)
def test_separable_keeps_the_laws(graph):
    """Of any graph in which every convolution, in turn, is depthwise or pointwise."""
    in_turn = cycle((DEPTHWISE, POINTWISE))
    graph = shown = replace(graph, nodes=tuple(
        replace(node, attrs=next(in_turn)) if node.kind == "conv" else node for node in graph.nodes))
    for name in ("annotate", "hide", "fuse", "separable", "fold", "tidy"):
        shown = run(shown, name)
        check(graph, shown)


def separated(*attrs: dict[str, Any], beside: bool = False) -> Graph:
    """Convolutions in modules of their own, each with a norm and a ReLU; `beside`: with a sum around the second."""
    b = Builder()
    value = b.input(shape=(1, 8, 16, 16))
    for number, values in enumerate(attrs):
        with b.module(f"block{number}"):
            before = value
            for op, more in (("Conv2d", values), ("BatchNorm2d", {}), ("ReLU", {})):
                value = b.op(op, value, shape=(1, values["out_channels"], 8, 8), params=1, **more)
    b.output(b.op("add", before, value) if beside else value)
    return run(b.graph(), "fuse", "separable")


def test_depthwise_and_pointwise_are_one_separable_convolution():
    shown = separated(POINTWISE, DEPTHWISE, POINTWISE, POINTWISE)
    assert drawn(shown) == ["Conv2d", "separable_conv2d", "Conv2d"] and list(shown.modules) == ["block0", "block3"]
    node = shown.nodes[2]
    assert caption(load_style("block").captions, node.op, node.attrs) == "3×3 separable conv, 16, /2"
    assert (node.params, len(node.members), node.out[0].shape[1]) == (6, 6, 16)
    assert node.attrs["fused_kinds"] == ["norm", "act"]


@pytest.mark.parametrize("second, beside", [({**POINTWISE, "stride": [2, 2]}, False), (DEPTHWISE, False),
                                            ({**POINTWISE, "kernel_size": [1, 3]}, False), (POINTWISE, True)])
def test_others_stay_two(second, beside):
    assert drawn(separated(DEPTHWISE, second, beside=beside))[:2] == ["Conv2d", "Conv2d"]


# ------------------------------------------------------------------------------------------------ fold

def blocks(count: int, project: bool = False, width: int = 16) -> Graph:
    b = Builder()
    x = b.op("Conv2d", b.input(), out_channels=width)
    for i in range(count):
        with b.module(f"layer.{i}"):
            y = b.op("Conv2d", x, params=2, out_channels=width)
            x = b.op("add", b.op("Conv2d", x, stride=2) if project and not i else x, y)
    b.output(b.op("Linear", x))
    return b.graph()


def test_equal_blocks_are_drawn_once():
    folded = fold(merge(blocks(12), ()), STYLE)
    assert drawn(folded) == ["Conv2d", "Conv2d", "add", "Linear"]
    frame = folded.modules["layer.0"]
    assert (frame.repeat, frame.shared, frame.copies[-1]) == (12, False, "layer.11")
    assert "layer.1" not in folded.modules
    node = folded.by_id["layer.0/Conv2d"]
    assert (node.repeat, node.params, len(node.members), own_repeat(folded, node)) == (12, 24, 12, 1)
    assert {(e.src, e.dst, e.role) for e in folded.edges if e.src == "layer.0/add"} == {
        ("layer.0/add", "layer.0/Conv2d", "recurrent"), ("layer.0/add", "/Linear", "data")}


def test_a_first_block_with_a_projection_stays_apart():
    folded = fold(merge(blocks(6, project=True), ()), STYLE)
    assert [folded.modules[key].repeat for key in ("layer.0", "layer.1")] == [1, 5]


def test_blocks_of_another_width_or_wiring_do_not_fold():
    b = Builder()
    x = b.input()
    for i, width in enumerate((16, 32, 64)):
        with b.module(f"layer.{i}"):
            x = b.op("Linear", b.op("Conv2d", x, out_channels=width))
    b.output(x)
    assert len(fold(merge(b.graph(), ()), STYLE).nodes) == 8
    b = Builder()
    taps, x = [], b.input()
    for i in range(3):
        with b.module(f"layer.{i}"):
            x = b.op("Linear", b.op("Conv2d", x))
        taps.append(b.op("Linear", x, out_features=i))      # each is used elsewhere: a pyramid
    b.output(b.op("cat", *taps))
    folded = fold(merge(b.graph(), ()), STYLE)
    assert all(folded.modules[f"layer.{i}"].repeat == 1 for i in range(3))


def test_nested_runs_and_runs_of_pairs():
    b = Builder()
    x = b.input()
    for i in range(2):
        with b.module(f"stage.{i}", "Stage"):
            for j in range(3):
                with b.module(f"stage.{i}.{j}"):
                    x = b.op("Linear", b.op("LayerNorm", x))
    for _ in range(3):
        x = b.op("ReLU", b.op("Conv2d", x))
    b.output(x)
    folded = fold(merge(b.graph(), ()), STYLE)
    assert drawn(folded) == ["LayerNorm", "Linear", "Conv2d", "ReLU"]
    assert (folded.modules["stage.0"].repeat, folded.modules["stage.0.0"].repeat) == (2, 3)
    assert folded.by_id["stage.0.0/Linear"].repeat == 6 and len(folded.modules["stage.0.0"].copies) == 6
    made = folded.by_id["/Conv2d"].scope
    assert len(made) == 1 and folded.modules[made[0]].repeat == 3 and folded.modules[made[0]].cls == ""


def test_single_equal_layers_and_parallel_branches():
    b = Builder()
    x = b.input()
    for _ in range(3):
        x = b.op("Conv2d", x, params=5)
    experts = []
    for i in range(4):
        with b.module(f"experts.{i}", "Expert"):
            experts.append(b.op("Linear", b.op("Linear", x)))
    b.output(b.op("cat", *experts))
    folded = fold(merge(b.graph(), ()), STYLE)
    assert (folded.by_id["/Conv2d"].repeat, folded.by_id["/Conv2d"].params) == (3, 15)
    assert folded.modules["experts.0"].repeat == 4
    assert not [edge for edge in folded.edges if edge.role == "recurrent"]


@pytest.mark.parametrize(("count", "drawn_once"), [(2, False), (3, False), (6, True)])
@pytest.mark.parametrize("join", ["add", "cat"])
def test_a_skip_past_an_equal_layer_is_seen(count, drawn_once, join):
    b = Builder()
    taps = [b.op("Conv2d", b.input())]
    for _ in range(count - 1):
        taps.append(b.op("Conv2d", taps[-1]))
    b.output(b.op(join, *taps))
    folded = fold(merge(b.graph(), ()), STYLE)
    assert [node.repeat for node in folded.nodes if node.op == "Conv2d"] == ([count] if drawn_once else [1] * count)


def test_queries_keys_and_values_stay_three():
    b = Builder()
    x = b.input()
    b.output(b.op("scaled_dot_product_attention", *(b.op("Linear", x) for _ in range(3))))
    assert drawn(fold(merge(b.graph(), ()), STYLE)) == ["Linear"] * 3 + ["scaled_dot_product_attention"]


def test_calls_of_one_module_share_its_weights():
    b = Builder()
    x, first = b.input(), None
    for _ in range(4):
        with b.module("block") as call:
            x = b.op("Linear", b.op("LayerNorm", x), params=0 if first else 7, shared=first)
            first = first or x
    b.output(x)
    folded = fold(merge(b.graph(), ()), STYLE)
    assert (folded.modules["block"].repeat, folded.modules["block"].shared) == (4, True)
    assert call == "block@3" and folded.params == 7


def test_a_loop_over_shared_layers_is_one_frame_that_says_so():
    b = Builder()
    x, seen = b.op("Conv2d", b.input()), False
    for _ in range(3):
        x = b.op("ReLU", b.op("Linear", x, params=0 if seen else 7, shared="/Linear" if seen else None))
        seen = True
    b.output(x)
    folded = fold(merge(b.graph(), ()), STYLE)
    frame = folded.modules[folded.by_id["/Linear"].scope[0]]
    assert (frame.cls, frame.repeat, frame.shared) == ("", 3, True)


def test_wider_and_wider_input_is_still_a_stack():
    b = Builder()
    values = [b.input()]
    for i in range(5):
        with b.module(f"dense.{i}", "DenseLayer"):
            joined = b.op("cat", *values, dim=1, shape=(1, 8 * len(values), 4, 4)) if i else values[0]
            values.append(b.op("Conv2d", joined, in_channels=8 * len(values), out_channels=8, shape=(1, 8, 4, 4)))
    b.output(b.op("cat", *values, dim=1))
    folded = fold(hide(b.graph(), STYLE), STYLE)
    assert folded.modules["dense.1"].repeat == 4
    assert "in_channels" not in folded.by_id["dense.1/Conv2d"].attrs


# ------------------------------------------------------------------------------------------------ tidy

def test_wrappers_and_containers_go():
    b = Builder()
    x = b.input()
    with b.module("model", "Backbone"):
        with b.module("model.embed", "Embed"):
            x = b.op("Conv2d", x)
        for i in range(2):
            with b.module(f"model.{i}"):
                with b.module(f"model.{i}.body", "Sequential"):
                    y = b.op("Conv2d", b.op("Conv2d", x), out_channels=i)
                x = b.op("add", x, y)
    b.output(b.op("Linear", x))
    tidied = tidy(merge(b.graph(), ()), STYLE)
    assert sorted(tidied.modules) == ["model.0", "model.1"]
    assert {node.scope for node in tidied.nodes} == {(), ("model.0",), ("model.1",)}


def test_the_end_of_a_branch_joins_its_block():
    b = Builder()
    x = b.input()
    for i in range(2):
        with b.module(f"layer.{i}"):
            y = b.op("Linear", x, out_features=i)
            with b.module(f"layer.{i}.output", "Output"):
                x = b.op("LayerNorm", b.op("add", b.op("Linear", y), x))
    b.output(x)
    assert sorted(tidy(merge(b.graph(), ()), STYLE).modules) == ["layer.0", "layer.1"]


def test_a_branch_that_begins_in_its_block_leaves_it_whole_whatever_else_comes_in():
    b = Builder()
    x, told = b.input(), b.input("told")
    x = b.op("add", x, b.op("Linear", x))
    with b.module("layer", "Layer"):
        x = b.op("Conv2d", x)
        x = b.op("add", x, b.op("Linear", x))
        with b.module("layer.attend", "Attend"):
            x = b.op("add", b.op("matmul", b.op("LayerNorm", x), told), x)
        x = b.op("Conv2d", x)
    b.output(b.op("Linear", x))
    assert "layer.attend" in tidy(merge(b.graph(), ()), STYLE).modules


def test_a_wrapper_of_a_stack_goes_unless_it_is_one_of_several():
    def stages(extra: bool, count: int = 2) -> Graph:
        b = Builder()
        x = b.op("Linear", b.input())
        for i in range(count):
            with b.module(f"stage.{i}", "Stage"):
                if extra and not i:
                    x = b.op("MaxPool2d", x)
                for j in range(3):
                    with b.module(f"stage.{i}.{j}"):
                        x = b.op("Linear", b.op("LayerNorm", x), out_features=i)
        b.output(x)
        return tidy(fold(merge(b.graph(), ()), STYLE), STYLE)

    assert sorted(stages(True).modules) == ["stage.0", "stage.0.0", "stage.1", "stage.1.0"]
    assert sorted(stages(False).modules) == ["stage.0", "stage.0.0", "stage.1", "stage.1.0"]
    assert sorted(stages(False, 1).modules) == ["stage.0.0"]


# ------------------------------------------------------------------------------------------------ collapse

def test_a_collapsed_module_says_what_it_holds():
    folded = fold(merge(blocks(12), ()), STYLE)
    box = collapse(folded, ids=["layer.0"]).by_id["layer.0"]
    assert (box.kind, box.op, box.repeat, box.params) == ("module", "Block", 12, 24)
    assert box.attrs["contains"] == {"add": 1, "conv": 1} and box.attrs["out_channels"] == 16
    assert box.out == folded.by_id["layer.0/add"].out


def test_the_whole_model_is_one_box_and_opens_again():
    g = run(blocks(3, project=True))
    one = collapse(g, ids=[WHOLE])
    assert drawn(one) == ["Net"] and expand(one, ids=[WHOLE]) == g


def test_modules_are_named_by_path_id_class_or_copy():
    g = fold(merge(blocks(12), ()), STYLE)
    assert select(g, ["layer.7"]) == select(g, ["Block"]) == select(g, ["layer.*"]) == ["layer.0"]
    with pytest.raises(ArchvizError, match="no module is called 'Blok'") as caught:
        select(g, ["Blok"])
    assert "did you mean Block" in caught.value.hint


# ------------------------------------------------------------------------------------------------ annotate

def test_receptive_fields_grow_with_kernels_and_strides():
    b = Builder()
    shape = (1, 3, 32, 32)
    x = b.op("Conv2d", b.input(shape=shape), shape=shape, kernel_size=[3, 3], stride=[1, 1])
    x = b.op("MaxPool2d", b.op("ReLU", x, shape=shape), shape=(1, 3, 16, 16), kernel_size=2, stride=2)
    x = b.op("Conv2d", x, shape=(1, 3, 16, 16), kernel_size=[3, 3], stride=[1, 1], dilation=[2, 2])
    b.op("Conv2d", b.op("mean", x, shape=shape), shape=shape, kernel_size=[3, 3])
    known = annotate(merge(b.graph(), ()), STYLE).by_id
    assert [known[key].attrs.get("receptive_field") for key in ("/Conv2d", "/MaxPool2d", "/Conv2d@1", "/Conv2d@2")] == [
        [3, 3], [4, 4], [12, 12], None]
    assert known["/MaxPool2d"].attrs["activations"] == 3 * 16 * 16
    assert known["/ReLU"].out[0].axes == "NCHW"


# ------------------------------------------------------------------------------------------------ speed

def test_two_thousand_nodes_pass_quickly():
    b = Builder()
    x = b.input()
    for i in range(200):
        with b.module(f"layer.{i}"):
            y = x
            for op in ("LayerNorm", "Linear", "view", "transpose", "dropout", "ReLU", "Linear", "view"):
                y = b.op(op, y, out_features=i // 50)
            x = b.op("add", x, y)
    b.output(x)
    graph = merge(b.graph(), ())
    started = time.process_time()
    folded = run(graph)
    assert time.process_time() - started < 5     # takes 0.2 s; the test is against a quadratic pass
    assert len(graph.nodes) > 1800 and len(folded.nodes) == 4 * 4 + 2


def test_a_weight_times_a_vector_is_a_linear_layer() -> None:
    b = Builder()
    x = b.input("x", (4,))
    b.output(b.op("matmul", b.op("parameter", shape=(8, 4), params=32), x, shape=(8,)))
    (node,) = (node for node in run(b.graph(), "annotate", "hide").nodes if node.kind == "linear")
    assert node.attrs["out_features"] == 8
