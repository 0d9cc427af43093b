"""The recorder on published architectures: at full size without their weights, and small against a run with values."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from archviz.core.graph import TensorSpec
from archviz.trace.borrow import borrowed
from archviz.trace.flops import counted
from archviz.trace.hooks import quiet
from archviz.trace.ladder import Inputs, trace
from archviz.trace.recorder import record
from archviz.trace.to_graph import graph
from tests.trace.test_trace import run, sound, sources
from tests.zoo import CASES


@pytest.mark.parametrize("name", CASES)
def test_published_models_are_traced_without_compute_and_add_up(name: str) -> None:
    case = CASES[name]
    args, kwargs = case.inputs()
    found = run(case.build, *args, **kwargs)
    assert (found.report.rung, found.report.failed, found.report.invented) == ("ghost", None, False)
    assert found.model is not None
    sound(found, found.model)
    reached: set[str] = set()
    for node in found.graph.nodes:
        if node.kind == "input" or any(edge.src in reached for edge in found.graph.incoming[node.id]):
            reached.add(node.id)
    outputs = [node.id for node in found.graph.nodes if node.kind == "output"]
    assert outputs and set(outputs) <= reached
    assert found.graph.flops > 0
    assert not [node.id for node in found.graph.nodes if node.kind in ("opaque", "failed")]


def bert() -> nn.Module:
    from transformers import BertConfig, BertModel

    return BertModel(BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                vocab_size=50))


def llama() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM

    return LlamaForCausalLM(LlamaConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
        vocab_size=50))


def mixtral() -> nn.Module:
    from transformers import MixtralConfig, MixtralForCausalLM

    return MixtralForCausalLM(MixtralConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, intermediate_size=32,
        vocab_size=50, num_local_experts=4))


def mamba() -> nn.Module:
    from transformers import MambaConfig, MambaForCausalLM

    return MambaForCausalLM(MambaConfig(hidden_size=16, num_hidden_layers=1, vocab_size=50, state_size=4))


IDS = torch.arange(6).reshape(1, 6)
SMALL: dict[str, tuple[Callable[[], nn.Module], tuple[torch.Tensor, ...]]] = {
    "bert": (bert, (IDS,)), "llama": (llama, (IDS,)), "mixtral": (mixtral, (IDS,)), "mamba": (mamba, (IDS,)),
    "unet": (CASES["unet"].build, (torch.randn(1, 1, 32, 32),)),
    "densenet": (CASES["densenet"].build, (torch.randn(1, 3, 32, 32),)),
    "transformer": (CASES["transformer"].build, (torch.randn(1, 5, 512), torch.randn(1, 3, 512))),
}


@pytest.mark.parametrize("name", SMALL)
def test_what_is_seen_without_values_is_what_a_run_with_values_shows(name: str) -> None:
    build, args = SMALL[name]
    without = run(build, *args)
    model = build()
    with borrowed(model, ghosts=False), quiet():
        tape, error = record(model, args)
    assert error is None and without.report.rung == "ghost"
    real = graph(tape, without.graph.name, without.graph.attrs)
    assert without.graph == real


@pytest.mark.parametrize("name", ["bert", "llama", "mamba"])
def test_flops_of_published_models_are_the_counters_total(name: str) -> None:
    build, args = SMALL[name]
    model = build().eval()
    model.config.use_cache = False
    with counted() as counter, torch.no_grad():
        model(*args)
    assert run(build, *args).graph.flops == counter.get_total_flops() > 0


def test_attention_and_rotary_positions_are_one_operation_each() -> None:
    found = run(llama, IDS)
    names = [node.op for node in found.graph.nodes if node.scope[-1:] == ("model.layers.0.self_attn",)
             and node.kind not in ("view", "constant", "mask", "index")]
    assert names == ["Linear", "Linear", "Linear", "rotary", "scaled_dot_product_attention", "Linear"]
    attention = found.graph.by_id["model.layers.0.self_attn/scaled_dot_product_attention"]
    assert (attention.attrs["num_heads"], attention.attrs["head_dim"]) == (2, 8)


def test_bookkeeping_is_told_from_computation() -> None:
    found = run(CASES["gpt2"].build, **CASES["gpt2"].inputs()[1])
    hidden = {"view", "cast", "index", "size", "mask", "constant", "identity", "dropout"}
    first = [node.op for node in found.graph.nodes if node.kind not in hidden][:5]
    assert first == ["input", "Embedding", "Embedding", "add", "LayerNorm"]


def test_a_model_keeps_its_configuration() -> None:
    model = llama().eval()
    before = model(IDS).logits
    found = trace(model, Inputs((IDS,)))
    assert model.config.use_cache is True
    assert [node.id for node in found.graph.nodes if node.kind == "output"] == ["/out:logits"]
    torch.testing.assert_close(model(IDS).logits, before)
    assert found.module is not None
    torch.testing.assert_close(found.module(IDS)["logits"], before)


def test_seventy_billion_parameters_fit_on_a_laptop() -> None:
    program = """
import pathlib, re, resource
from archviz.trace.ladder import Inputs, trace
from tests.zoo import CASES
case = CASES["llama_70b"]
graph = trace(case.build, Inputs(*case.inputs())).graph
assert graph.params > 70e9
status = pathlib.Path("/proc/self/status")      # getrusage counts what the process that forked this one had
print(re.search(r"VmHWM:\\s*(\\d+)", status.read_text())[1] if status.exists()
      else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) * 1024 < 1.5 * 2**30


def test_a_plain_network_imports_neither_the_compiler_nor_sympy() -> None:
    program = """
import sys
import torch
before = set(sys.modules)
from archviz.trace.ladder import Inputs, trace
from tests.zoo import CASES
for name in ("unet", "densenet", "lstm", "transformer", "inception"):
    case = CASES[name]
    trace(case.build, Inputs(*case.inputs()))
print(sorted({"sympy", "torch._dynamo"} & (set(sys.modules) - before)))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_edges_say_which_operand_they_are() -> None:
    found = run(llama, IDS)
    assert [source.rpartition(".")[2] for source in sources(found, "model.layers.0.mlp/mul")] == ["act_fn", "up_proj"]
    edge: Any = found.graph.incoming["model.layers.0.mlp/mul"][0]
    assert edge.tensor == TensorSpec((1, 6, 32))
