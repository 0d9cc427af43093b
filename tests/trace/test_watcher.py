"""What looks on while others run a model: the ids are those of a trace, and nothing that runs is changed."""
from __future__ import annotations

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import archviz
from archviz.trace.ladder import Inputs, trace
from archviz.trace.recorder import record, watching
from archviz.trace.watcher import Watcher


class Block(nn.Module):
    """In-place, functional, repeated and residual calls."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)

    def forward(self, x, *, scale=1.0):
        y = self.relu(self.norm(self.conv(x)))
        y = F.relu(self.norm(self.conv(y)), True)
        y += x * scale
        return self.relu(y)


class Branch(nn.Module):
    """Values decide its path."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        return self.left(x).tanh() if x.sum() > 0 else self.right(x).sigmoid()


class Tapes(Watcher):
    keeps = False

    def __init__(self):
        self.tapes, self.ended, self.left_ = [], 0, []

    def begin(self, tape):
        self.tapes.append(tape)

    def left(self, module, output):
        self.left_.append(module)

    def end(self, result):
        self.ended += 1


def ids(tape):
    return [call.node for call in tape.calls if call.how != "constant"]


@pytest.mark.parametrize("keeps", [True, False])
@pytest.mark.parametrize(("model", "inputs"), [
    (Block(), (torch.randn(2, 3, 8, 8),)),
    (nn.Sequential(Block(), Block()), (torch.randn(2, 3, 8, 8),)),
    (Branch(), (torch.ones(2, 4),)), (Branch(), (-torch.ones(2, 4),)),
    (nn.Linear(3, 2), (torch.ones(1, 3),)),
    (nn.TransformerEncoderLayer(8, 2, batch_first=True), (torch.ones(1, 3, 8),)),
])
def test_a_watched_call_has_the_ids_of_a_trace(model, inputs, keeps):
    model.eval()
    watcher = Tapes()
    watcher.keeps = keeps
    with torch.no_grad(), watching(model, watcher):
        first = model(*inputs)
        model(*inputs)
    tape, error = record(model, inputs)
    assert error is None
    assert ids(watcher.tapes[0]) == ids(watcher.tapes[1]) == ids(tape)
    assert {call.node for call in trace(model, Inputs(inputs)).tape.calls} == {call.node for call in tape.calls}
    assert watcher.ended == 2
    assert torch.equal(first, model(*inputs))


def test_named_arguments_are_inputs_too():
    watcher = Tapes()
    with watching(model := Block(), watcher):
        model(x=torch.randn(1, 3, 4, 4), scale=torch.tensor(2.0))
    assert [call.id for call in watcher.tapes[0].calls if call.how == "input"] == ["/in:x", "/in:scale"]


def test_a_training_loop_computes_the_same_bits():
    def train(watched):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)),
                              nn.Dropout(), nn.Flatten(), nn.Linear(48, 2))
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        x, y = torch.randn(5, 3, 4, 4), torch.tensor([0, 1, 0, 1, 1])
        watcher = Tapes()
        with watching(model, watcher) if watched else torch.enable_grad():
            for _ in range(3):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
        return model, watcher

    plain, (seen, watcher) = train(False)[0], train(True)
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), seen.parameters(), strict=True))
    assert watcher.ended == 3 and "0" in watcher.left_
    assert not any("cross_entropy" in call.op for tape in watcher.tapes for call in tape.calls)


def test_nothing_is_kept_that_the_model_lets_go():
    alive = []

    class Looks(Tapes):
        def holds(self, ref, tensor):
            alive.append(weakref.ref(tensor))

    model = nn.Sequential(*[nn.Linear(4, 4) for _ in range(5)])
    with torch.no_grad(), watching(model, Looks()):
        result = model(torch.ones(1, 4))
        gc.collect()
        kept = [found() for found in alive if found() is not None]
        assert [tensor for tensor in kept if not isinstance(tensor, nn.Parameter)] == [result]


@pytest.mark.parametrize("write", [
    lambda x: x.relu_(), lambda x: F.relu(x, True), lambda x: F.relu(x, inplace=True), lambda x: x.__iadd__(1.0),
    lambda x: torch.neg(x, out=x), lambda x: x.__setitem__(0, 5.0), lambda x: F.dropout(x, 0.5, True, True),
])
def test_writes_are_told_before_they_happen(write):
    class Net(nn.Module):
        def forward(self, x):
            y = x + 1
            write(y)
            return y * 2

    told = []

    class Writes(Watcher):
        def write(self, tensor):
            told.append(tensor.clone())

    x = torch.tensor([-3.0, 1.0])
    with watching(net := Net(), Writes()):
        net(x)
    assert len(told) == 1 and torch.equal(told[0], x + 1)


def test_what_a_call_gave_may_be_replaced():
    class Zero(Watcher):
        def gave(self, call, output):
            return torch.zeros_like(output) if call.node in ("0", "/add") else output

    class Net(nn.Module):
        def forward(self, x):
            return (x + 1) * 3 + 2

    with watching(model := nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1)), Zero()):
        assert torch.equal(model(torch.ones(1, 2)), model[1](torch.zeros(1, 2)))
    with watching(net := Net(), Zero()):
        assert torch.equal(net(torch.ones(2)), torch.full((2,), 2.0))


def test_a_call_that_raises_leaves_nothing_behind():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.fail = nn.Sequential(nn.Linear(2, 2)), True

        def forward(self, x):
            x = self.inner(x)
            if self.fail:
                raise RuntimeError("no")
            return x

    model, watcher, fast = Fails(), Tapes(), torch.backends.mha.get_fastpath_enabled()
    with watching(model, watcher):
        with pytest.raises(RuntimeError, match="no"):
            model(torch.ones(1, 2))
        assert watcher.ended == 0
        model.fail = False
        model(torch.ones(1, 2))         # the next call is seen as if nothing had been
        nn.Linear(2, 2)(torch.ones(1, 2))
    assert watcher.ended == 1
    assert ids(watcher.tapes[1]) == ["/in:x", "inner.0", "/out:0"]
    assert torch.backends.mha.get_fastpath_enabled() == fast
    from torch.nn.modules import module
    assert not module._global_forward_hooks and not module._global_forward_pre_hooks


def test_a_graph_module_of_torch_fx_is_called_once():
    plain = nn.Sequential(nn.Linear(4, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 3)))
    inner = nn.Sequential(plain[0], torch.fx.symbolic_trace(plain[1]))
    x = torch.randn(2, 4)
    due = archviz.record(plain, x, reduce="values")
    for model in (torch.fx.symbolic_trace(plain), inner):
        found = archviz.record(model, x, reduce="values")
        assert {"0", "1.0", "1.1", "/out:0"} <= set(found) and not any("@" in node for node in found)
        for node in ("0", "1.0", "1.1"):
            assert (found[node].values == due[node].values).all()
        assert archviz.explain(model, x, method="lrp").checks[0].kept
