"""The recorder: what it names, what it counts, what it gives back.

Small models only, each made to break one rule; the published architectures are in test_trace_models.py.
"""
from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archviz.core import graph_json
from archviz.core.graph import TensorSpec
from archviz.trace.ladder import Inputs, Trace, trace


def run(model: Any, *args: Any, **kwargs: Any) -> Trace:
    return trace(model, Inputs(args, kwargs))


def ids(found: Trace) -> list[str]:
    return [node.id for node in found.graph.nodes]


def sources(found: Trace, node: str) -> list[str]:
    return [edge.src for edge in sorted(found.graph.incoming[node], key=lambda edge: edge.slot)]


def sound(found: Trace, model: nn.Module) -> None:
    """What holds of every trace that did not fail."""
    graph = found.graph
    graph_json.check(graph)
    assert not [name for name, count in Counter(ids(found)).items() if count > 1]
    assert graph.params == sum(p.numel() for p in model.parameters())
    rank = {name: i for i, name in enumerate(ids(found))}
    assert all(rank[edge.src] < rank[edge.dst] for edge in graph.edges)
    assert {scope for node in graph.nodes for scope in node.scope} == set(graph.modules)
    assert graph_json.from_json(graph_json.to_json(graph)) == graph


class Block(nn.Module):
    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.fc = nn.Linear(width, width)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.relu(self.fc(x)) + x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Block(), Block()])

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        return self.layers[0](x) * 2 + x.mean()


# ------------------------------------------------------------------------------------------------------ identity

def test_ids_follow_the_qualified_path_the_call_and_the_enclosing_call() -> None:
    model = Net()
    found = run(model, torch.randn(2, 4))
    sound(found, model)
    assert ids(found) == [
        "/in:x", "layers.0.fc", "layers.0.relu", "layers.0/add", "layers.0.relu@1", "layers.1.fc", "layers.1.relu",
        "layers.1/add", "layers.1.relu@1", "layers.0.fc@1", "layers.0.relu@2", "layers.0@1/add", "layers.0.relu@3",
        "/mul", "/mean", "/add", "/out:0"]
    node = found.graph.by_id["layers.0@1/add"]
    assert node.scope == ("layers.0@1",)
    assert found.graph.modules["layers.0@1"].path == "layers.0"
    assert sources(found, "layers.0@1/add") == ["layers.0.relu@2", "layers.1.relu@1"]


def test_weights_used_twice_count_once_and_name_their_first_use() -> None:
    model = Net()
    found = run(model, torch.randn(2, 4))
    assert found.graph.by_id["layers.0.fc"].params == 20
    assert found.graph.by_id["layers.0.fc@1"].params == 0
    assert found.graph.by_id["layers.0.fc@1"].shared == "layers.0.fc"


def test_a_model_that_is_one_layer_has_a_node() -> None:
    model = nn.Linear(3, 2)
    found = run(model, torch.randn(1, 3))
    sound(found, model)
    assert ids(found) == ["/in:input", "/Linear", "/out:0"]


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight
        self.never = nn.Linear(4, 4)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.embed(ids))


@pytest.mark.parametrize("build", [Tied, lambda: Tied()], ids=["class", "function"])
def test_tied_weights_stay_tied_without_memory_and_unused_ones_are_counted(build: Any) -> None:
    found = run(build, torch.ones(1, 3, dtype=torch.int64))
    assert found.report.rung == "ghost"
    sound(found, Tied())
    assert found.graph.by_id["head"].shared == "embed"
    unused = found.graph.by_id["never"]
    assert (unused.kind, unused.params, unused.attrs["unused"]) == ("constant", 20, True)


# ------------------------------------------------------------------------------------------------------ operations

class Direct(nn.Module):
    """Parameters, buffers and literals used by functions."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))
        self.register_buffer("table", torch.arange(4.0))
        self.plain = [nn.Linear(4, 4)]

    def forward(self, x: Tensor) -> Tensor:
        x = x * self.scale + self.table
        return self.plain[0](x) + torch.tensor([1.0, 2.0, 3.0, 4.0])


def test_parameters_buffers_and_modules_in_plain_lists() -> None:
    found = run(Direct(), torch.randn(2, 4))
    nodes = found.graph.by_id
    assert nodes["scale"].kind == "parameter" and nodes["scale"].params == 4
    assert nodes["table"].kind == "constant"
    assert nodes["plain.0"].params == 20
    assert sources(found, "/mul") == ["/in:x", "scale"]
    assert nodes["/mul"].kind == "mul" and nodes["/add"].kind == "math"


class InPlace(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.act, self.drop = nn.Linear(4, 4), nn.ReLU(inplace=True), nn.Dropout()

    def forward(self, x: Tensor) -> Tensor:
        h = self.fc(x)
        self.act(h)
        h += x
        h[:, 0] = 1.0
        kept = h
        h = self.drop(h)
        h[:, 1:].mul_(2)
        return h + kept


def test_what_was_written_in_place_is_read_afterwards() -> None:
    found = run(InPlace(), torch.randn(2, 4))
    assert sources(found, "/add") == ["act", "/in:x"]
    assert sources(found, "/setitem")[0] == "/add"
    assert sources(found, "drop") == ["/setitem"]
    assert sources(found, "/mul") == ["/getitem"]
    assert sources(found, "/add@1") == ["/mul", "/mul"]


def test_writes_are_seen_in_inference_mode_too() -> None:
    class Inference(InPlace):
        @torch.inference_mode()
        def forward(self, x: Tensor) -> Tensor:
            h = self.fc(x)
            h += x
            h[:, 0] = 1.0
            return h.relu_()

    found = run(Inference(), torch.randn(2, 4))
    assert ids(found) == ["/in:x", "fc", "/add", "/setitem", "/relu", "/out:0"]
    assert sources(found, "/relu") == ["/setitem"] and sources(found, "/setitem") == ["/add"]


class Spellings(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        y = (x + x) + torch.add(x, x) + x.add(x)
        y.add_(x)
        y += x
        return F.relu(y).relu() + torch.relu(y).relu_()


def test_one_name_for_one_operation_however_it_is_spelt() -> None:
    ops = Counter(node.op for node in run(Spellings(), torch.randn(2)).graph.nodes)
    assert ops == {"add": 8, "relu": 4, "input": 1, "output": 1}


def test_answers_about_tensors_are_no_nodes_and_bookkeeping_that_nobody_reads_is_left_out() -> None:
    class Sizes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            mask = torch.arange(x.shape[1], device=x.device) < 3
            if not mask.all() and x.dtype == torch.float32 and x.is_contiguous():
                x = x.reshape(x.size(0), -1)
            return x[:, mask]

    found = run(Sizes(), torch.randn(2, 4))
    assert {node.op for node in found.graph.nodes} == {"input", "arange", "lt", "reshape", "getitem", "output"} - (
        set() if "/reshape" in ids(found) else {"reshape"})
    assert {n.id: n.kind for n in found.graph.nodes}["/lt"] == "mask"
    assert found.graph.by_id["/out:0"].out[0].shape == (2, 3)


@dataclass
class Answer:
    logits: Tensor
    hidden: tuple[Tensor, ...]
    note: str = "x"


class Containers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(4, 4)

    def forward(self, batch: dict[str, Any], *, scale: Tensor) -> Answer:
        low, high = (self.fc(batch["x"]) * scale).chunk(2, dim=1)
        return Answer(high, (low, batch["more"][0]))


def test_containers_go_in_and_out() -> None:
    model = Containers()
    found = run(model, {"x": torch.randn(2, 4), "more": [torch.ones(1)]}, scale=torch.ones(()))
    sound(found, model)
    assert [n for n in ids(found) if n.startswith(("/in", "/out"))] == [
        "/in:batch.x", "/in:batch.more.0", "/in:scale", "/out:logits", "/out:hidden.0", "/out:hidden.1"]
    assert sources(found, "/out:hidden.1") == ["/in:batch.more.0"]
    assert found.graph.incoming["/out:logits"][0].tensor == TensorSpec((2, 2))


# ------------------------------------------------------------------------------------------------------ structure

def test_a_layer_with_hooks_of_its_own_is_one_node() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
    model[0].register_forward_pre_hook(lambda module, args: (args[0] + 1,))
    found = run(model, torch.randn(1, 4))
    assert ids(found) == ["/in:input", "0", "1", "/out:0"]


def test_a_model_that_calls_itself() -> None:
    class Again(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x: Tensor, depth: int = 1) -> Tensor:
            return self.fc(x) if depth == 0 else self(x, depth - 1) + x

    found = run(Again(), torch.randn(1, 4), depth=2)
    assert ids(found) == ["/in:x", "fc", "@1/add", "/add", "/out:0"]
    assert found.graph.by_id["@1/add"].scope == ("@1",)


class Codec(nn.Module):
    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def encode(self, x: Tensor) -> Tensor:
            return torch.tanh(self.fc(x)) * 3

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = Codec.Half(), Codec.Half()

    def forward(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.a.encode(self.b.encode(x)))


def test_a_method_other_than_forward_is_a_call_of_its_module() -> None:
    found = run(Codec(), torch.randn(1, 4))
    assert ids(found) == ["/in:x", "b.fc", "b/tanh", "b/mul", "a.fc", "a/tanh", "a/mul", "/sigmoid", "/out:0"]
    assert found.graph.by_id["b.fc"].scope == ("b",)
    assert set(found.graph.modules) == {"a", "b"}


def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    scores = q @ k.transpose(-2, -1) / 2.0
    return torch.softmax(scores, -1) @ v


def test_a_function_readers_take_for_one_operation_is_one_node() -> None:
    class Attention(nn.Module):
        def forward(self, q: Tensor, k: Tensor) -> Tensor:
            return scaled_dot_product_attention(q, k, k).relu()

    found = run(Attention(), torch.randn(1, 2, 5, 4), torch.randn(1, 2, 3, 4))
    assert ids(found) == ["/in:q", "/in:k", "/scaled_dot_product_attention", "/relu", "/out:0"]
    node = found.graph.by_id["/scaled_dot_product_attention"]
    assert (node.kind, node.out, node.attrs["num_heads"]) == ("attention", (TensorSpec((1, 2, 5, 4)),), 2)
    assert node.flops == 2 * 2 * (2 * 5 * 3 * 4)


@pytest.mark.parametrize(("layer", "kind", "inputs"), [
    (nn.MultiheadAttention(8, 2, batch_first=True), "attention", 3), (nn.LSTM(8, 8, 2), "recurrent", 1),
    (nn.GRU(8, 8), "recurrent", 1)])
def test_layers_that_readers_know_are_one_node_with_all_their_flops(layer: nn.Module, kind: str, inputs: int) -> None:
    x = torch.randn(2, 5, 8)
    found = run(layer, *[x] * inputs)
    sound(found, layer)
    [node] = [node for node in found.graph.nodes if node.kind == kind]
    assert node.flops > 0 and node.out[0].shape == (2, 5, 8)


def test_transformer_layers_show_their_insides() -> None:
    model = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2)
    found = run(model, torch.randn(1, 5, 8))
    sound(found, model)
    assert [n.kind for n in found.graph.nodes if n.scope == ("layers.1",) and n.kind != "dropout"] == [
        "attention", "add", "norm", "linear", "act", "linear", "add", "norm"]
