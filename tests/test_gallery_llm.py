"""What the figures of language models and recurrent networks must convey, and that it is told from structure."""
from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archviz
from archviz.core.graph import Graph, Node
from archviz.drawing.labels import looks
from archviz.figure import options, stages
from archviz.passes.collapse import collapse, expand
from archviz.style.overrides import Overrides
from archviz.style.style import load_style
from archviz.trace import read
from tests.conftest import ROOT
from tests.figures import FIGURES


@cache
def traced(model: str) -> Graph:
    return read.read(str(ROOT / "gallery" / f"{model}.py"))


@cache
def drawn(model: str, style: str = "block", **settings: str) -> Graph:
    """The graph after its passes, everything open."""
    named = {key.replace("_", "."): value for key, value in settings.items()}
    return stages.passed(traced(model), options.Options(style, settings=named).resolved(), Overrides())


def small(model: nn.Module, *inputs: Tensor) -> Graph:
    graph = archviz.draw(model, inputs=inputs).graph
    return stages.passed(graph, load_style("block"), Overrides())


def said(graph: Graph, node: Node) -> list[str]:
    return [line for line, _ in looks(graph, load_style("block"))[node.id].lines]


def words(name: str) -> str:
    return (FIGURES / f"{name}.svg").read_text("utf-8")


# ------------------------------------------------------------------------------------------------ Llama

def test_llama_says_what_it_is_known_for() -> None:
    graph = drawn("llama")
    (attention,) = [node for node in graph.nodes if node.kind == "attention"]
    assert attention.repeat == 32
    assert said(graph, attention) == ["masked grouped-query attention", "32 query, 8 key-value heads"]
    sources = [graph.by_id[edge.src] for edge in graph.incoming[attention.id]]
    assert sorted(node.op for node in sources) == ["Linear", "rotary", "rotary"]
    assert sum(node.op == "RMSNorm" for node in graph.nodes) == 3
    assert "Feed forward (SwiGLU)" in words("llama") and "×32" in words("llama")
    assert graph.params == 8_030_261_248        # as its card says: 8.03B


class Rotated(nn.Module):
    """Attention whose queries and keys are turned in one of the ways in which people write it."""

    def __init__(self, how: str, queries: int = 4, keys: int = 4) -> None:
        super().__init__()
        self.how, self.queries, self.keys = how, queries, keys
        self.a, self.b, self.c = (nn.Linear(32, 8 * heads) for heads in (queries, keys, keys))
        angles = torch.outer(torch.arange(6.0), 10000 ** (-torch.arange(0, 8, 2) / 8))
        self.register_buffer("turn", torch.polar(torch.ones_like(angles), angles))
        self.register_buffer("cos", torch.cat((angles, angles), -1).cos())
        self.register_buffer("sin", torch.cat((angles, angles), -1).sin())

    def turned(self, x: Tensor) -> Tensor:
        if self.how == "complex":
            pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], 4, 2))
            return torch.view_as_real(pairs * self.turn).flatten(-2)
        if self.how == "halves":
            first, second = x.chunk(2, -1)
            return x * self.cos + torch.cat((-second, first), -1) * self.sin
        even, odd = x[..., ::2], x[..., 1::2]
        cos, sin = self.turn.real, self.turn.imag
        return torch.stack((even * cos - odd * sin, even * sin + odd * cos), -1).flatten(-2)

    def forward(self, x: Tensor) -> Tensor:
        q = self.a(x).view(1, 6, self.queries, 8).transpose(1, 2)
        k, v = (part(x).view(1, 6, self.keys, 8).transpose(1, 2) for part in (self.b, self.c))
        q, k = self.turned(q), self.turned(k)
        k, v = (part.repeat_interleave(self.queries // self.keys, 1) for part in (k, v))
        return F.scaled_dot_product_attention(q, k, v)


@pytest.mark.parametrize("how", ["complex", "halves", "pairs"])
def test_a_rotary_embedding_is_seen_however_it_is_written(how: str) -> None:
    graph = small(Rotated(how), torch.zeros(1, 6, 32))
    assert [node.op for node in graph.nodes if node.kind not in ("input", "output")].count("rotary") == 2
    (attention,) = [node for node in graph.nodes if node.kind == "attention"]
    assert {graph.by_id[edge.src].op for edge in graph.incoming[attention.id]} == {"rotary", "Linear"}


@pytest.mark.parametrize(("keys", "label"), [
    (4, ["attention, 4 heads"]), (2, ["grouped-query attention", "4 query, 2 key-value heads"]),
    (1, ["multi-query attention", "4 query, 1 key-value heads"]),
])
def test_shared_keys_are_seen_also_where_they_are_copied(keys: int, label: list[str]) -> None:
    graph = small(Rotated("halves", keys=keys), torch.zeros(1, 6, 32))
    (attention,) = [node for node in graph.nodes if node.kind == "attention"]
    assert said(graph, attention) == label


class Gated(nn.Module):
    def __init__(self, act: Any) -> None:
        super().__init__()
        self.one, self.two, self.three = nn.Linear(8, 16), nn.Linear(8, 16), nn.Linear(16, 8)
        self.act = act

    def forward(self, x: Tensor) -> Tensor:
        return self.three(self.act(self.one(x)) * self.two(x))


@pytest.mark.parametrize(("act", "name"), [
    (F.silu, "SwiGLU"), (nn.GELU(), "GEGLU"), (F.relu, "ReGLU"), (torch.sigmoid, "GLU"), (torch.tanh, None),
])
def test_gates_are_named_by_their_activation(act: Any, name: str | None) -> None:
    graph = small(nn.Sequential(nn.Linear(8, 8), nn.ModuleDict({"x": Gated(act)})["x"], nn.Linear(8, 8)),
                  torch.zeros(1, 5, 8))
    assert [module.attrs.get("gated") for module in graph.modules.values()] == [name]


# ------------------------------------------------------------------------------------------------ experts

def test_a_few_of_many_experts_are_drawn() -> None:
    graph = drawn("moe")
    assert [m.attrs["nth"] for m in graph.modules.values()] == [1, 2, 8]
    (router,) = [node for node in graph.nodes if "experts" in node.attrs]
    assert " ".join(said(graph, router)) == "router, 8 experts, 2 active"
    (dots,) = [node for node in graph.nodes if node.kind == "ellipsis"]
    assert dots.attrs["stands_for"] == 5 and dots.params == 5 * 3 * 4096 * 14336
    (weighted,) = [node for node in graph.nodes if node.op == "weighted_sum"]
    assert len(graph.incoming[weighted.id]) == 5        # the weights, three experts and the dots
    text = words("moe")
    assert all(f"Expert {n}" in text for n in (1, 2, 8)) and "Expert 3" not in text


def test_nothing_is_lost_where_experts_are_left_out() -> None:
    graph = drawn("moe")
    whole = traced("moe")
    assert sorted(m for node in graph.nodes for m in node.members) == sorted(node.id for node in whole.nodes)
    assert (graph.params, graph.flops) == (whole.params, whole.flops)
    # each token sees two of eight experts, and the router
    assert whole.flops == 2 * 2048 * (2 * 3 * 4096 * 14336 + 8 * 4096)
    closed = collapse(graph, ids=graph.modules)
    assert expand(closed, ids=graph.modules) == graph


class Branches(nn.Module):
    """Equal branches that are added, weighed by no one."""

    def __init__(self) -> None:
        super().__init__()
        self.branches = nn.ModuleList(nn.Sequential(nn.Linear(8, 16), nn.Linear(16, 8)) for _ in range(6))

    def forward(self, x: Tensor) -> Tensor:
        return torch.stack([branch(x) for branch in self.branches]).sum(0)


def test_branches_without_a_router_are_no_experts() -> None:
    assert not [node for node in small(Branches(), torch.zeros(1, 8)).nodes if node.kind == "ellipsis"]


# ------------------------------------------------------------------------------------------------ in time

def test_a_lone_layer_is_folded_and_unrolled() -> None:
    graph = drawn("rnn", "node-link", options_lone="true")
    assert len(graph.nodes) == 1 and not graph.edges
    text = words("rnn")
    assert text.count(">RNN</text>") == 5 and ">=<" in text       # folded, three steps and the last


def test_only_a_lone_layer_stands_alone() -> None:
    assert len(drawn("lstm", "node-link", options_lone="true").nodes) == len(drawn("lstm", "node-link").nodes)
    assert len(drawn("rnn", "node-link").nodes) == 3


def test_the_cell_has_its_gates() -> None:
    text = words("lstm-cell")
    assert text.count(">σ<") == 3 and text.count(">tanh<") == 2


def test_a_wrong_option_says_so() -> None:
    with pytest.raises(archviz.ArchvizError, match="lone is true or false"):
        options.Options("node-link", settings={"options.lone": "yes"}).resolved()


def test_a_decoder_attends_to_the_source_at_every_step() -> None:
    graph = drawn("seq2seq")
    (cell,) = [node for node in graph.nodes if node.op == "GRUCell"]
    assert cell.repeat == 30 and graph.modules[cell.scope[0]].shared
    assert next(node for node in graph.nodes if node.op == "GRU").attrs["bidirectional"]
    (softmax,) = [node for node in graph.nodes if node.kind == "softmax"]
    assert softmax.out[0].shape == (1, 30, 1) and softmax.scope[0] == cell.scope[0]


def test_time_and_text_reach_every_level_of_a_diffusion_model() -> None:
    graph = drawn("diffusion")
    levels = [node for node in graph.nodes if node.kind == "attention"]
    told = {edge.dst for edge in graph.outgoing["/in:text"]}
    assert len(levels) == 7 and {node.id for node in levels} == told
    last = [node for node in graph.nodes if node.op == "Linear"][1]       # of the time's perceptron
    timed = [graph.by_id[edge.dst] for edge in graph.outgoing[last.id]]
    assert [node.op for node in timed] == ["Linear"] * 7
    assert all(graph.by_id[edge.dst].kind == "add" for node in timed for edge in graph.outgoing[node.id])
    assert sum(node.kind == "cat" for node in graph.nodes) == 3
