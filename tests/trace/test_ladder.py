"""The ladder of front ends: which rung is taken, what is given back, what a failure leaves, what the trace runs as."""
from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from archviz.trace.ladder import Inputs, NothingRan, trace
from tests.trace.test_trace import Codec, Direct, InPlace, Net, ids, run, sound, sources

# ------------------------------------------------------------------------------------------------------ values

class Routed(nn.Module):
    """Which expert runs depends on the values."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 2)
        self.experts = nn.ModuleList([nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.ReLU())])
        with torch.no_grad():
            self.gate.weight.zero_()
            self.gate.bias.copy_(torch.tensor([0.0, 1.0]))

    def forward(self, x: Tensor) -> Tensor:
        return self.experts[int(self.gate(x).argmax())](x)


def test_a_path_that_values_decide_is_taken_on_real_tensors() -> None:
    model = Routed()
    found = run(model, torch.ones(1, 4))
    assert found.report.rung == "real" and not found.report.invented
    assert "experts.1.0" in ids(found) and found.graph.by_id["experts.0"].attrs["unused"]
    sound(found, model)


def test_values_are_made_up_only_where_the_weights_do_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archviz.trace.ladder.free_memory", lambda: 0)
    found = run(Routed, torch.ones(1, 4))
    assert found.report.rung == "invented" and found.report.invented
    assert found.graph.attrs["report"]["invented"] is True
    assert any("made-up" in note for note in found.report.notes)


def test_a_model_on_the_meta_device_is_never_run_on_values_it_does_not_have() -> None:
    found = run(Routed().to("meta"), torch.ones(1, 4))
    assert found.report.rung == "invented" and found.report.invented


def test_what_fails_without_memory_for_the_weights_is_not_said_to_be_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archviz.trace.ladder.free_memory", lambda: 0)
    found = run(Net, torch.randn(1, 3))
    assert found.report.failed == ("layers.0.fc", found.graph.by_id["layers.0.fc"].attrs["error"])
    assert (found.report.rung, found.report.invented, found.report.notes) == ("ghost", False, ())


# ------------------------------------------------------------------------------------------------------ giving back

class Stateful(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.register_buffer("seen", torch.zeros(()))
        self.cache: dict[str, Tensor] = {}

    def forward(self, x: Tensor, fail: bool = False) -> Tensor:
        self.seen += 1
        self.last = x
        self.cache["h"] = h = self.norm(self.fc(x))
        if fail:
            raise ValueError("asked to")
        return torch.relu(h)


@pytest.mark.parametrize("fail", [False, True])
def test_an_instance_comes_back_as_it_was(fail: bool) -> None:
    model = Stateful().train()
    model.norm.eval()
    before = {name: (tensor, tensor.clone()) for name, tensor in [*model.named_parameters(), *model.named_buffers()]}
    held = {name: dict(vars(module)) for name, module in model.named_modules()}
    x = torch.randn(3, 4)
    state = torch.get_rng_state()
    found = run(model, x, fail=fail)
    assert (found.report.failed is not None) is fail
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        assert tensor is before[name][0] and torch.equal(tensor, before[name][1])
    assert held == {name: dict(vars(module)) for name, module in model.named_modules()}
    assert model.training and not model.norm.training and model.cache == {}
    assert torch.equal(state, torch.get_rng_state())
    assert model(x).shape == (3, 4)


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("build", [lambda: nn.LazyLinear(3), lambda: torch.jit.script(nn.Linear(4, 3))],
                         ids=["lazy", "scripted"])
def test_layers_that_keep_their_tensors_elsewhere_come_back_too(build: Callable[[], nn.Module]) -> None:
    layer = build()
    model = nn.Sequential(layer, nn.ReLU())
    cls, before = type(layer), dict(layer.named_parameters())
    found = run(model, torch.randn(2, 4))
    assert found.report.rung == "ghost" and found.graph.params == 15
    assert type(layer) is cls and dict(layer.named_parameters()).keys() == before.keys()
    if not isinstance(layer, nn.LazyLinear):
        assert all(not parameter.is_meta for parameter in layer.parameters())
    assert model(torch.randn(2, 4)).shape == (2, 3)


def test_a_model_that_asks_for_gradients_runs_with_values() -> None:
    class Force(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 1)

        def forward(self, x: Tensor) -> Tensor:
            with torch.enable_grad():
                x = x.detach().requires_grad_()
                return torch.autograd.grad(self.fc(x).sum(), x)[0]

    found = run(Force(), torch.randn(2, 4))
    assert found.report.rung == "real" and found.report.failed is None


def test_the_callers_tensors_are_not_written() -> None:
    class Writes(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.mul_(2)

    x = torch.ones(3)
    run(Writes(), x)
    assert torch.equal(x, torch.ones(3))


# ------------------------------------------------------------------------------------------------------ failure

class Fails(nn.Module):
    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where
        self.a, self.block = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 4))

    def forward(self, x: Tensor) -> Tensor:
        x = self.a(x)
        if self.where == "function":
            return x + torch.ones(3)
        if self.where == "python":
            raise KeyError("no such thing")
        return self.block(x)


@pytest.mark.parametrize(("where", "node", "op", "source"), [
    ("function", "/add", "add", "a"), ("python", "/failed", "KeyError", "a"), ("leaf", "block.1", "Linear", "block.0")])
def test_a_model_that_raises_gives_what_ran_and_marks_what_failed(where: str, node: str, op: str, source: str) -> None:
    found = run(Fails(where), torch.randn(1, 4))
    assert found.report.failed is not None and found.report.failed[0] == node
    last = found.graph.by_id[node]
    assert (last.kind, last.op) == ("failed", op) and last.attrs["error"]
    assert source in sources(found, node)
    assert found.module is None


def test_an_exception_that_the_model_catches_is_no_failure() -> None:
    class Catches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = Fails("leaf")

        def forward(self, x: Tensor) -> Tensor:
            try:
                return self.inner(x)
            except RuntimeError:
                return x.relu()

    found = run(Catches(), torch.randn(1, 4))
    assert found.report.failed is None and "/relu" in ids(found)


def test_the_first_guess_that_runs_wins() -> None:
    guesses = [Inputs((torch.randn(1, 3),), note="three"), Inputs((torch.randn(1, 4),), note="four")]
    found = trace(Net(), guesses)
    assert found.report.rung == "ghost" and "four" in found.report.notes


def test_guesses_that_do_not_run_are_listed() -> None:
    with pytest.raises(NothingRan) as caught:
        trace(Net, lambda model: [Inputs((torch.randn(1, 3),)), Inputs((torch.randn(5, 5),), note="the second")])
    assert "1x3" in str(caught.value) and "the second" in str(caught.value) and caught.value.exit_code == 2


# ------------------------------------------------------------------------------------------------------ flops, program

@pytest.mark.parametrize("model", [Net(), nn.LSTM(8, 8), nn.MultiheadAttention(8, 2)], ids=["net", "lstm", "attention"])
def test_flops_are_the_counters_total(model: nn.Module) -> None:
    args = (torch.empty(2, 4),) if isinstance(model, Net) else (torch.empty(3, 2, 8),) * (
        3 if isinstance(model, nn.MultiheadAttention) else 1)
    found = run(model, *args)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model.to("meta")(*[arg.to("meta") for arg in args])
    assert found.graph.flops == counter.get_total_flops() > 0


@pytest.mark.parametrize(("model", "args"), [
    (Net(), (torch.randn(2, 4),)), (InPlace().eval(), (torch.randn(2, 4),)), (Direct(), (torch.randn(2, 4),)),
    (Codec(), (torch.randn(2, 4),)), (nn.LSTM(4, 4, 2).eval(), (torch.randn(5, 1, 4),)),
    (nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten()).eval(), (torch.randn(1, 3, 5, 5),))])
def test_the_program_computes_what_the_model_computes(model: nn.Module, args: tuple[Tensor, ...]) -> None:
    found = run(model, *args)
    assert found.module is not None
    ours, theirs = found.module(*[arg.clone() for arg in args]), model(*[arg.clone() for arg in args])
    torch.testing.assert_close(ours, theirs)
    named = {node.meta["archviz"] for node in found.module.graph.nodes if "archviz" in node.meta}
    assert {node.id for node in found.graph.nodes if node.kind != "output"} <= named


# ------------------------------------------------------------------------------------------------------ symbolic

def test_without_any_input_the_model_is_traced_symbolically() -> None:
    class Half(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net, self.sign = Net(), Half()

        def forward(self, x: Tensor) -> Tensor:
            return self.sign(self.net(x)) + 1

    model = Both()
    found = trace(model, [])
    assert found.report.rung == "symbolic" and found.module is not None
    assert found.graph.by_id["sign"].kind == "opaque"
    assert found.graph.by_id["net.layers.0@1/add"].scope == ("net", "net.layers.0@1")
    assert found.graph.params == sum(p.numel() for p in model.parameters())
