"""What a recording is for: dead and saturated units, strongest patches, the first NaN; several processes, half
precision, files, GPUs."""
from __future__ import annotations

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

import archviz
from archviz.core.errors import ArchvizError
from archviz.insight.recorder.nonfinite import first_nonfinite
from archviz.insight.recorder.shipping import Shipment
from archviz.insight.results.recording import Recording
from archviz.trace.ladder import Inputs
from tests.conftest import ROOT
from tests.insight.test_record import ALL, images, net, same

# ---------------------------------------------------------------------------------------------- what is found

def badly_initialised():
    """Half of the first ReLU's channels never fire, and the sigmoid gets far too large numbers."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 6), nn.Sigmoid(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].bias[:4] = -100.0
        model[0].bias[4:] = 100.0
        model[3].weight.mul_(50)
    return model


def test_dead_and_saturated_units_are_found_and_said():
    recording = archviz.record(badly_initialised(), images(20))
    assert recording.marks["1"] == "dead 4/8"
    assert recording.marks["4"].startswith("saturated ") and recording.marks["4"].endswith(" %")
    dead, full = recording.findings
    assert dead == "1: 4 of 8 channels are dead: zero everywhere in all 20 samples"
    assert full.startswith("4: ") and "of what sigmoid can give" in full
    assert "1: dead 4/8" in repr(recording)
    assert np.array_equal(recording["1"].active, [0] * 4 + [1] * 4)
    assert "few" in archviz.record(badly_initialised(), images(2)).findings[0]
    healthy = archviz.record(nn.Sequential(nn.Linear(4, 4), nn.Tanh()), torch.randn(50, 4))
    assert not healthy.marks and not healthy.findings


def test_saturated_is_what_lies_near_the_ends():
    class Gate(nn.Module):
        def forward(self, x):
            return torch.tanh(x) + torch.sigmoid(2 * x)

    recording = archviz.record(Gate(), 2 * torch.randn(50, 4), reduce=("saturation", "values"))
    due = (np.abs(recording["/tanh"].values) > 0.97).mean()
    assert 0 < recording["/tanh"].saturation == recording["/sigmoid"].saturation == pytest.approx(due)
    assert "saturation" not in recording["/add"]


@pytest.mark.parametrize("channel", range(8))
def test_patches_are_where_the_strongest_values_come_from(channel):
    torch.manual_seed(1)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3)).eval()
    data = torch.randn(12, 3, 16, 16)
    recording = archviz.record(model, [data[:5], data[5:]], nodes="2", reduce="topk", k=3)
    found = recording["2"]
    crops = recording.patches("2", channel, [(image, 0) for image in data])
    with torch.no_grad():
        values = model(data)[:, channel].flatten(1).amax(1)
    order = values.argsort(descending=True)[:3]
    assert found.topk_samples[channel].tolist() == order.tolist()
    assert found.topk[channel] == pytest.approx(values[order].numpy(), rel=1e-5)
    for crop, sample, (top, left, bottom, right) in zip(crops, order, found.topk_fields[channel], strict=True):
        assert np.array_equal(crop, data[sample][:, top:bottom, left:right])
        assert crop.shape[1] <= 7 and crop.shape[2] <= 7       # 3 + 2 · 2
        other = torch.randn(1, 3, 16, 16)
        other[0, :, top:bottom, left:right] = torch.from_numpy(crop)
        y, x = found.topk_positions[channel][order.tolist().index(int(sample))]
        with torch.no_grad():       # all that the unit sees
            assert model(other)[0, channel, y, x] == pytest.approx(values[sample].item(), rel=1e-4)


def test_patches_of_what_is_no_map_are_refused():
    recording = archviz.record(net(), images(), reduce="mean")
    with pytest.raises(ArchvizError, match="not known"):
        recording.patches("0", 0, images())


class Masked(nn.Module):
    """−∞ that means something."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x, scale=1.0):
        hidden = self.a(x).masked_fill(torch.tensor([False, True, False, True]), float("-inf"))
        x = self.b(torch.softmax(hidden, -1)) * scale
        return (x - x.amax()).exp().log()


def test_the_first_node_that_computes_nan_is_named():
    model, x = Masked(), torch.randn(2, 4)
    assert first_nonfinite(model, x) is None
    found = first_nonfinite(model, (x, torch.tensor(float("inf"))))
    assert (found.node, found.what, str(found)) == ("/in:scale", "infinity", "the input scale holds infinity")
    found = first_nonfinite(model, (x, torch.tensor(1e30)))
    assert (found.node, found.what, found.finite_inputs) == ("/log", "infinity", True)
    assert str(found) == "/log is the first to give infinity, of finite inputs"
    found = first_nonfinite(model, Inputs((x * float("nan"),)))
    assert (found.node, found.what, found.finite_inputs) == ("/in:x", "NaN", True)
    with torch.no_grad():
        model.b.weight[1, 2] = float("nan")
    found = first_nonfinite(model, x)
    assert (found.node, found.finite_inputs, found.weights) == ("b", False, ("b.weight",))
    assert str(found) == "b is the first to give NaN, as its b.weight does"


# ---------------------------------------------------------------------------------------------- the value

def test_a_recording_is_saved_without_code_and_read_without_torch(tmp_path):
    recording = archviz.record(net(), images(), reduce=ALL, gradients=True).by("std")
    recording.save(tmp_path / "r.npz")
    again = Recording.load(tmp_path / "r.npz")
    same(again, recording)
    assert (again.statistic, again.ops, again.marks, repr(again)) == (
        "std", recording.ops, recording.marks, repr(recording))
    code = ("import sys; from archviz import Recording; r = Recording.load(sys.argv[1]); print(r['0.conv'].std); "
            "assert 'torch' not in sys.modules")
    said = subprocess.run([sys.executable, "-c", code, str(tmp_path / "r.npz")], capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True).stdout
    assert float(said) == again["0.conv"].std
    with open(tmp_path / "bad.npz", "wb") as file:
        np.savez(file, np.array([{}], dtype=object), index=np.frombuffer(b"{}", np.uint8))
    with pytest.raises(ArchvizError, match="no recording"):
        Recording.load(tmp_path / "bad.npz")
    with open(tmp_path / "pickle.npz", "wb") as file:
        pickle.dump({}, file)
    with pytest.raises(ArchvizError, match="no recording"):
        Recording.load(tmp_path / "pickle.npz")
    with pytest.raises(ArchvizError, match="No such file"):
        Recording.load(tmp_path / "none.npz")


def test_what_is_drawn_follows_the_chosen_statistic():
    recording = archviz.record(net(), images(), nodes=["0.*", "3"], reduce=("mean", "sparsity", "values"))
    assert recording.scores["0.conv"].shape == (6,) and recording.signed and recording.flows == {}
    assert recording.unit == "mean activation" and recording.maps["0.conv"].shape == (6, 3, 4, 4)
    assert recording.scores["3"][0] == recording["3"].mean
    zeros = recording.by("sparsity")
    assert zeros.scores["0.relu"][3] == recording["0.relu"].sparsity and zeros.unit == "share of zeros"
    with pytest.raises(AttributeError, match="'histogram' of 0.conv was not recorded"):
        recording["0.conv"].histogram  # noqa: B018
    with pytest.raises(KeyError, match="did you mean"):
        recording["0.covn"]


# ---------------------------------------------------------------------------------------------- precision, processes

@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_reduced_in_full(dtype):
    model = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 8)).to(dtype)
    x = torch.randn(256, 64).to(dtype)
    recording = archviz.record(model, x, reduce=ALL, target=2)
    with torch.no_grad():
        due = model[1](model[0](x)).double().numpy()
    assert recording["1"].mean == pytest.approx(due.mean(), rel=1e-6)
    assert recording["1"].std == pytest.approx(due.std(), rel=1e-6)
    assert np.array_equal(recording["1"].values.astype(np.float64), due)
    assert recording["0"].gradient.norm > 0


PROCESSES = """
import sys, torch
from torch import distributed
from torch.utils.data import DataLoader, TensorDataset
import archviz
from tests.insight.test_record import ALL, images, net
distributed.init_process_group("gloo")
data = TensorDataset(images(23), torch.arange(23))
torch.manual_seed(distributed.get_rank())       # each would shuffle in its own way
for name, given in (("loader", DataLoader(data, 3, shuffle=True)), ("list", [images(23)[:9], images(23)[9:]])):
    found = archviz.record(net(), given, reduce=ALL, gradients=True)
    found.save(f"{sys.argv[1]}/{name}{distributed.get_rank()}.npz")
distributed.destroy_process_group()
"""


def test_two_processes_share_the_data_and_get_what_one_gets(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(PROCESSES)
    own = "127.0.0.1"       # as --standalone does, but on a machine that does not know its own name, too
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--local-addr", own,
               "--rdzv-backend", "c10d", "--rdzv-endpoint", f"{own}:0", script, tmp_path]
    own_only = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, env={**os.environ, **own_only}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    whole = archviz.record(net(), images(23), reduce=ALL, gradients=True)
    for name in ("loader", "list"):
        first, second = (Recording.load(tmp_path / f"{name}{rank}.npz") for rank in (0, 1))
        same(first, second)
        same(first, whole, exact=False)
        assert first["0.conv"].samples == 23


# ---------------------------------------------------------------------------------------------- GPUs

@pytest.mark.gpu
@pytest.mark.parametrize("gradients", [False, True])
def test_a_gpu_gives_what_a_cpu_gives(gradients):
    model = net()
    there = archviz.record(model.cuda(), [images(10)[:6], images(10)[6:]], reduce=ALL, gradients=gradients)
    here = archviz.record(model.cpu(), images(10), reduce=ALL, gradients=gradients)
    assert set(there) == set(here)
    for node in here:
        for name in ("mean", "std", "norm", "per_channel", "values", "topk"):
            assert there[node][name] == pytest.approx(here[node][name], rel=1e-3, abs=1e-4), (node, name)


@pytest.mark.gpu
def test_copies_from_a_gpu_do_not_wait_and_are_whole():
    parts = {n: torch.full((n,), float(n), device="cuda") for n in range(1, 200)}
    shipment = Shipment(parts)
    parts.clear()
    assert all((array == n).all() and array.shape == (n,) for n, array in shipment.opened().items())


@pytest.mark.gpu
def test_the_budget_of_a_gpu_is_kept():
    model = nn.Sequential(*(layer for _ in range(6) for layer in (nn.Conv2d(16, 16, 3, padding=1), nn.ReLU()))).cuda()
    x = torch.randn(64, 16, 64, 64, device="cuda")
    budget = 64 << 20
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    recording = archviz.record(model, x, reduce=("mean", "std"), budget=budget)
    assert recording.samples == 64
    # Beside values that nodes give there are what a convolution works in, and what is reduced.
    assert torch.cuda.max_memory_allocated() - before < 3 * budget


def test_a_recording_says_where_nan_began():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.Linear(3, 3), torch.nn.ReLU())
    with torch.no_grad():
        model[1].weight[0, 0] = torch.nan
    recording = archviz.record(model, torch.ones(2, 3))
    assert recording.marks["1"] == "NaN" and "0" not in recording.marks
    assert recording.findings[0].startswith("1 is the first of ")
