"""Recording: the ids are a trace's, the numbers those of slow and plain ways to get them, the model is as before."""
from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import archviz
from archviz.core.errors import ArchvizError
from archviz.insight.recorder.reducer import reductions
from archviz.insight.recorder.statistics import REDUCTIONS, Seen
from archviz.trace.ladder import Inputs, trace
from tests.zoo import LSTMClassifier

ALL = tuple(REDUCTIONS)


class Block(nn.Module):
    """In-place, functional, repeated and residual calls."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.relu = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.relu(self.norm(self.conv(x)))
        y = F.relu(self.norm(self.conv(y)), True)
        y = F.dropout(y + x, 0.5, self.training, True)
        y += 1.0
        return self.relu(y)


class Branch(nn.Module):
    """Values decide its path."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, x):
        return self.left(x).tanh() if x.sum() > 0 else self.right(x).sigmoid()


def net():
    torch.manual_seed(0)
    return nn.Sequential(Block(), Block(), nn.Flatten(), nn.Linear(48, 5))


def images(n=6):
    return torch.randn(n, 3, 4, 4, generator=torch.Generator().manual_seed(1))


def tiny_bert():
    from transformers import BertConfig, BertForMaskedLM
    return BertForMaskedLM(BertConfig(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                                      vocab_size=50))


def tiny_resnet():
    from transformers import ResNetConfig, ResNetForImageClassification
    return ResNetForImageClassification(ResNetConfig(layer_type="basic", embedding_size=8, hidden_sizes=[8, 16],
                                                     depths=[1, 1], num_labels=5))


MODELS = {
    "block": (net, images),
    "left": (Branch, lambda: torch.ones(2, 4)), "right": (Branch, lambda: -torch.ones(2, 4)),
    "encoder": (lambda: nn.TransformerEncoderLayer(8, 2, batch_first=True), lambda: torch.randn(2, 3, 8)),
    "lstm": (lambda: LSTMClassifier(20, 8), lambda: torch.randint(20, (2, 7))),
    "bert": (tiny_bert, lambda: {"input_ids": torch.randint(50, (2, 7)),
                                 "attention_mask": torch.ones(2, 7, dtype=torch.int64)}),
    "resnet": (tiny_resnet, lambda: {"pixel_values": torch.randn(2, 3, 32, 32)}),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("gradients", [False, True])
def test_every_node_of_the_figure_is_recorded(name, gradients):
    build, inputs = MODELS[name]
    model, given_ = build(), inputs()
    recording = archviz.record(model, given_, reduce=("mean", "values"), gradients=gradients)
    made = Inputs(kwargs=given_) if isinstance(given_, dict) else Inputs((given_,))
    graph = trace(model, made).graph
    drawn = {node.id: node for node in graph.nodes if node.kind not in ("parameter", "constant")}
    ran = {call.node for call in trace(model, made).tape.calls}
    assert set(drawn) <= set(recording) <= ran | set(graph.modules)
    for node, one in drawn.items():
        if one.out and one.out[0].shape[:1] == (2,) and node != "/sum":
            assert recording[node].values.shape == one.out[0].shape
    if gradients:
        assert any("gradient.mean" in recording[node] for node in drawn)


def test_values_are_what_hooks_see():
    model, x = net().eval(), images()
    seen = {}
    hooks = []
    for name, module in model.named_modules():
        def keep(module, args, out, name=name):
            seen.setdefault(name, out.clone())
        hooks.append(module.register_forward_hook(keep))
    with torch.no_grad():
        model(x)
    for hook in hooks:
        hook.remove()
    recording = archviz.record(model, x, reduce=ALL)
    for name, due in seen.items():
        if not name:
            continue
        found, due = recording[name], due.double().numpy()
        assert np.array_equal(found.values, due.astype(np.float32))
        assert found.mean == pytest.approx(due.mean(), abs=1e-6)
        assert found.std == pytest.approx(due.std(), abs=1e-6)
        assert (found.min, found.max) == (due.min(), due.max())
        assert found.sparsity == pytest.approx((due == 0).mean())
        assert found.norm == pytest.approx(np.sqrt((due ** 2).sum() / len(x)), rel=1e-5)
        others = tuple(axis for axis in range(due.ndim) if axis != 1)
        assert found.per_channel == pytest.approx(due.mean(others), abs=1e-6)
        assert found.active == pytest.approx((due != 0).mean(others))
        assert found.histogram.sum() == due.size
        counts, _ = np.histogram(due.astype(np.float32), found.edges)
        assert np.array_equal(counts[:-1], found.histogram[:-1])
        best = np.sort(due.reshape(len(x), due.shape[1], -1).max(2).T, 1)[:, ::-1]
        assert np.array_equal(found.topk[:, :len(x)], best.astype(np.float32))
        for c in range(due.shape[1]):
            for rank in range(len(x)):
                place = (found.topk_samples[c, rank], c, *found.topk_positions[c, rank][:due.ndim - 2])
                assert due[place].astype(np.float32) == found.topk[c, rank]


def test_gradients_are_what_autograd_gives():
    model, x = net().eval(), images()
    block = model[0]
    y1 = block.norm(block.conv(x))
    y2 = F.relu(y1)
    rest = F.relu(block.norm(block.conv(y2)))
    out = model[3](model[2](model[1](F.relu(rest + x + 1.0))))
    slopes = torch.autograd.grad(out[:, 3].sum(), [y1, y2, rest])
    recording = archviz.record(model, x, reduce=("values", "norm"), target=3)
    for node, due in zip(("0.norm", "0.relu", "0/relu"), slopes, strict=True):
        assert recording[node].gradient.values == pytest.approx(due.numpy(), abs=1e-6)
    assert recording.by("gradient.norm").unit == "norm of the gradient"
    unit = archviz.record(model, x, reduce="values", target="3[3]")
    assert unit["0/relu"].gradient.values == pytest.approx(slopes[2].numpy(), abs=1e-6)


@given(st.data())
def test_totals_do_not_depend_on_how_the_data_are_split(data):
    seed, n = data.draw(st.integers(0, 99)), data.draw(st.integers(1, 12))
    scale = data.draw(st.sampled_from([1e-3, 1.0, 1e4]))
    shape = data.draw(st.sampled_from([(n, 3), (n, 3, 2, 5), (n, 4, 3)]))
    axis = 2 if len(shape) == 3 else 1
    x = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    x = (x * scale + data.draw(st.sampled_from([0.0, 1e3]))).relu()
    cuts = sorted(data.draw(st.sets(st.integers(1, n - 1)) if n > 1 else st.just(set())))
    for one in reductions(ALL, 4).values():
        def of(first, last, one=one):
            part = one.of(Seen(x[first:last], x[first:last], "sigmoid", axis, torch.arange(first, last)))
            return {name: tensor.numpy() for name, tensor in part.items()}

        total = of(0, (*cuts, n)[0])
        for first, last in zip(cuts, (*cuts, n)[1:], strict=False):
            total = one.merge(total, of(first, last))
        whole = one.result(of(0, n))
        for name, array in one.result(total).items():
            assert array == pytest.approx(whole[name], rel=1e-9, abs=1e-9 * scale, nan_ok=True), name
            if name in ("histogram", "edges", "min", "max", "values", "topk", "topk_samples", "topk_positions"):
                assert np.array_equal(array, whole[name], equal_nan=array.dtype.kind == "f"), name


def test_a_training_loop_is_not_touched():
    def train(watched):
        model = net().train()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        torch.manual_seed(3)
        watch = archviz.record(model, reduce=ALL, gradients=True) if watched else torch.enable_grad()
        with watch as recording:
            for _ in range(3):
                optimizer.zero_grad()
                F.cross_entropy(model(images()), torch.arange(6) % 5).backward()
                optimizer.step()
        assert model.training
        return model, recording

    (plain, _), (seen, recording) = train(False), train(True)
    assert all(torch.equal(a, b) and torch.equal(a.grad, b.grad)
               for a, b in zip(plain.parameters(), seen.parameters(), strict=True))
    assert recording.samples == 18 and recording["0/relu"].calls == 3
    assert recording["0.conv"].gradient.norm > 0
    assert recording["0.conv"].values.shape == (18, 3, 4, 4)


def test_paths_that_values_decide_are_each_counted():
    with archviz.record(model := Branch()) as recording:
        for sign in (1, -1, 1):
            model(sign * torch.ones(2, 4))
    assert (recording["left"].samples, recording["right"].samples, recording["/in:x"].samples) == (4, 2, 6)
    assert recording["/tanh"].saturation < 1
    assert not any(node.startswith("right") for node in archviz.record(model, torch.ones(1, 4)))


def test_nothing_is_kept_alive():
    alive = []

    class Net(nn.Module):
        def forward(self, x):
            y = x * 2
            alive.append(weakref.ref(y))
            z = y.relu_() + 1
            alive.append(weakref.ref(z))
            return z.sum(1)

    with archviz.record(model := Net(), reduce=ALL) as recording:
        result = model(torch.randn(3, 4))
        gc.collect()
        assert not any(one() is not None for one in alive)
        result.zero_()
    assert (recording["/sum"].values != 0).any(), "a copy, which later writes do not change"
    assert (recording["/mul"].values < 0).any() and (recording["/relu"].values >= 0).all()


def test_patterns_choose_nodes_and_a_wrong_one_is_told():
    assert set(archviz.record(net(), images(), nodes="0.re*")) == {"0.relu", "0.relu@1"}
    assert set(archviz.record(net(), images(), nodes=["3", "/out:*"])) == {"3", "/out:0"}
    with pytest.raises(ArchvizError, match="no node is named '0.rleu'") as error:
        archviz.record(net(), images(), nodes="0.rleu")
    assert "0.relu" in error.value.hint
    with pytest.raises(ArchvizError, match="nothing reduces to 'men'"):
        archviz.record(net(), images(), reduce="men")
    with pytest.raises(ArchvizError, match="not called in the block"), archviz.record(net()):
        pass
    for nothing in ({"nodes": ()}, {"reduce": ()}, {"k": 0}, {"budget": "lots"}):
        with pytest.raises(ArchvizError, match="nothing to record|k=0|'lots' is no amount"):
            archviz.record(net(), images(), **nothing)
    same(archviz.record(net(), images(), budget="1 MB"), archviz.record(net(), images(), budget=10**6))


@pytest.mark.parametrize("gradients", [False, True])
def test_a_model_may_write_into_its_input_which_stays_the_callers(gradients):
    class Writes(nn.Sequential):
        def forward(self, x):
            return super().forward(x.mul_(2))

    x = images()
    kept = x.clone()
    found = archviz.record(Writes(*net()), x, gradients=gradients, reduce="values")
    assert torch.equal(x, kept)
    assert np.array_equal(found["3"].values, archviz.record(net(), 2 * x, reduce="values")["3"].values)


def test_a_path_without_a_gradient_is_told():
    class Blind(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(4, 3)

        @torch.no_grad()
        def forward(self, x):
            return self.layer(x)

    with pytest.raises(ArchvizError, match="does not depend on the input in a way that has a gradient"):
        archviz.record(Blind(), torch.randn(2, 4), gradients=True)
    with pytest.raises(ArchvizError, match="no 'std' for"):
        archviz.record(net(), images(), reduce="min").by("std")


def test_the_model_is_given_back_as_it_was_also_after_an_exception():
    class Fails(nn.Module):
        def __init__(self):
            super().__init__()
            self.norm, self.frozen = nn.BatchNorm1d(4), nn.Linear(4, 4).requires_grad_(False)

        def forward(self, x, fail=False):
            x = self.frozen(F.dropout(self.norm(x), 0.5, True))
            self.state = x
            if len(x) > 2:
                raise ValueError("no")
            return x

    model = Fails().train()
    cases = (torch.randn(2, 4), True), (torch.randn(2, 4), False), (torch.randn(9, 4), True)
    before, rng = {name: value.clone() for name, value in model.state_dict().items()}, torch.get_rng_state()
    for x, gradients in cases:
        if len(x) > 2:
            with pytest.raises(ValueError, match="no"):
                archviz.record(model, [x[:2], (x[:0], 1), x], gradients=gradients, budget=1 << 40)
        else:
            archviz.record(model, x, gradients=gradients)
        assert model.training and model.norm.training and not hasattr(model, "state")
        assert torch.equal(torch.get_rng_state(), rng)
        assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
        assert [p.requires_grad for p in model.parameters()] == [True, True, False, False]
        assert all(p.grad is None for p in model.parameters())
    from torch.nn.modules import module
    assert not module._global_forward_hooks and not module._global_forward_pre_hooks


# ---------------------------------------------------------------------------------------------- data sets

def same(a, b, exact=True):
    assert list(a.nodes) == list(b.nodes) if exact else set(a.nodes) == set(b.nodes)
    for node in a:
        assert set(a[node]) == set(b[node])
        for name, array in a[node].items():
            if name == "calls":
                continue
            if exact:
                assert np.array_equal(array, b[node][name], equal_nan=array.dtype.kind == "f"), (node, name)
            else:
                assert array == pytest.approx(b[node][name], rel=1e-5, abs=1e-6, nan_ok=True), (node, name)


def test_a_data_set_gives_what_its_samples_give_at_once():
    model, x = net(), images(10)
    whole = archviz.record(model, x, reduce=ALL)
    y = torch.arange(10)
    for data in (DataLoader(TensorDataset(x, y), 3), [(x[:4], 1), [x[4:], 2]], (b for b in (x[:9], x[9:])),
                 [{"input": x[:7], "labels": y}, {"input": x[7:]}]):
        same(archviz.record(model, data, reduce=ALL, progress=False), whole, exact=False)
    shuffled = archviz.record(model, DataLoader(TensorDataset(x, y), 3, shuffle=True), reduce=ALL)
    same(shuffled, whole, exact=False)      # samples are known by their index in the data set


def test_chunks_keep_to_the_budget_and_do_not_change_the_result():
    rows = []

    class Counted(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net()

        def forward(self, x):
            rows.append(len(x))
            if len(x) > 4:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
            return self.inner(x)

    model, x = Counted(), images(16)
    found = archviz.record(model, x, reduce="mean")
    assert rows == [16, 8, 4, 4, 4, 4] and found.samples == 16
    for gradients, budget in ((False, 2000), (True, 5000)):
        rows.clear()
        whole = archviz.record(model, x[:4], reduce="mean", gradients=gradients)
        assert rows == [4]
        rows.clear()
        small = archviz.record(model, x[:4], reduce="mean", gradients=gradients, budget=budget)
        assert rows == [4, 2, 2]
        same(small, whole, exact=False)
    with pytest.raises(ArchvizError, match="take more than"):
        archviz.record(net(), x, reduce="values", budget=9000)
    model.forward = lambda x: (_ for _ in ()).throw(RuntimeError("DefaultCPUAllocator: can't allocate memory"))
    with pytest.raises(ArchvizError, match="too little memory"):
        archviz.record(model, x)


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_interrupted_recording_goes_on_where_it_stopped(tmp_path, shuffle):
    model, x = net(), images(20)
    path = tmp_path / "state.npz"

    class Stops(TensorDataset):
        read, after = 0, 100

        def __getitem__(self, index):
            self.read += 1
            if self.read > self.after:
                raise KeyboardInterrupt
            return super().__getitem__(index)

    def loader(data):
        return DataLoader(data, 3, shuffle=shuffle, generator=torch.Generator().manual_seed(5))

    def recorded(data, **more):
        return archviz.record(model, loader(data), reduce=ALL, gradients=True, **more)

    whole = recorded(Stops(x))
    stops = Stops(x)
    stops.after = 11
    with pytest.raises(KeyboardInterrupt):
        recorded(stops, resume=path, every=0)
    goes_on = Stops(x)
    same(recorded(goes_on, resume=path, every=0), whole)
    assert goes_on.read == 11, "what was done is not read again"
    same(recorded(Stops(x), resume=path), whole)
    with pytest.raises(ArchvizError, match="another recording"):
        archviz.record(model, loader(x), reduce="mean", resume=path)
    path.write_bytes(b"nothing")
    with pytest.raises(ArchvizError, match="no recording of archviz"):
        recorded(Stops(x), resume=path)
