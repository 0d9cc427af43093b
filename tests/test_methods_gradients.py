"""Gradient methods: against captum, pytorch-grad-cam and their defining rules, and what they owe the model."""
from __future__ import annotations

import copy
from importlib import import_module
from typing import Any

import captum.attr as captum
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archviz.attribution import Attribution
from archviz.errors import ArchvizError
from archviz.methods._subject import Subject
from tests import peers  # noqa: F401  what pytorch-grad-cam imports

METHODS = ("saliency", "gradient_input", "smoothgrad", "ig", "guided", "deconvnet", "gradcam", "cam")
pytestmark = pytest.mark.filterwarnings("ignore")       # captum tells of every hook it sets
QUICK: dict[str, dict[str, Any]] = {"smoothgrad": {"samples": 6}, "ig": {"steps": 8}}


class Functional(nn.Module):
    """Rectified by a function, in place, by a reused module and by a clamp; no bias anywhere; a pooled linear head."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 6, 3, padding=1, bias=bias), nn.Conv2d(6, 8, 3, padding=1, bias=bias)
        self.three = nn.Conv2d(8, 8, 3, padding=1, bias=bias)
        self.act = nn.ReLU(inplace=True)
        self.head = nn.Linear(8, 5, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.one(x)), 2)
        x = self.act(self.two(x))
        x = self.act(self.three(x) + x).clamp(min=0)
        return self.head(x.mean((2, 3)))


class Modular(nn.Sequential):
    """The same kind of network in modules alone, which all peers can see into."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
                         nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(),
                         nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))


class Tokens(nn.Module):
    """A text model: embedding, attention by `nn.MultiheadAttention`, GELU; read from the first token."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(30, 16, padding_idx=0), nn.Embedding(12, 16)
        layer = nn.TransformerEncoderLayer(16, 2, 24, activation="gelu", batch_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(16, 4)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids) + self.place(torch.arange(ids.shape[1], device=ids.device))
        return self.head(self.blocks(x)[:, 0])


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed, self.cells, self.head = nn.Embedding(30, 8), nn.LSTM(8, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.cells(self.embed(ids))[0][:, -1])


class Both(nn.Module):
    """An image and a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.see, self.read, self.head = nn.Conv2d(3, 4, 3), nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, image: Tensor, more: Tensor) -> Tensor:
        return self.head(self.see(image).relu().mean((2, 3)) * self.read(more).tanh())


def made(model: type[nn.Module], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    found = model()
    for module in found.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    return found.eval()


def images(n: int = 2, size: int = 12, seed: int = 1) -> Tensor:
    return torch.randn(n, 3, size, size, generator=torch.Generator().manual_seed(seed))


def texts(n: int = 2, length: int = 7) -> Tensor:
    return torch.randint(1, 30, (n, length), generator=torch.Generator().manual_seed(2))


def run(model: nn.Module, *args: Tensor, methods: Any = ("saliency",), target: Any = "top1", budget: int | None = None,
        **options: Any) -> dict[str, list[Attribution]]:
    """What the methods give together; options are passed to a single method, or by name to several."""
    names = [methods] if isinstance(methods, str) else list(methods)
    files = {name: import_module(f"archviz.methods.{name}") for name in names}
    given = {name: options if len(names) == 1 else {**QUICK.get(name, {}), **options.get(name, {})} for name in names}
    with Subject(model, args, target=target, budget=budget) as subject:
        subject.grad = True
        for name, file in files.items():
            subject.wanted |= set(getattr(file, "wants", lambda subject, **_: ())(subject, **given[name]))
        return {name: file.attribute(subject, **given[name]) for name, file in files.items()}


def one(model: nn.Module, *args: Tensor, method: str, **options: Any) -> Attribution:
    return run(model, *args, methods=method, **options)[method][0]


def close(ours: Any, theirs: Any, tolerance: float = 1e-5) -> None:
    theirs = np.asarray(theirs.detach() if isinstance(theirs, Tensor) else theirs)
    assert ours.shape == theirs.shape and np.abs(theirs).max() > 0
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


# ---------------------------------------------------------------------------------------------- against the peers

def test_saliency_and_gradient_times_input_are_captums():
    model, x = made(Modular), images()
    top = model(x).argmax(1)
    found = run(model, x, methods=("saliency", "gradient_input"))
    close(found["saliency"][0].input_map, captum.Saliency(model).attribute(x, top).amax(1))
    close(found["gradient_input"][0].input_map, captum.InputXGradient(model).attribute(x, top).sum(1))


def test_integrated_gradients_are_captums_for_every_target_at_once():
    model, x = made(Modular), images()
    found = run(model, x, methods="ig", steps=20, target="top3")["ig"]
    for place, top in enumerate(model(x).topk(3).indices.T):
        theirs = captum.IntegratedGradients(model).attribute(x, target=top, n_steps=20)     # Gauss-Legendre, too
        close(found[place].input_map, theirs.sum(1))


def test_guided_and_deconvnet_are_captums_where_it_sees_the_rectifiers():
    model, x = made(Modular), images()
    top = model(x).argmax(1)
    found = run(model, x, methods=("guided", "deconvnet"))
    close(found["guided"][0].input_map, captum.GuidedBackprop(copy.deepcopy(model)).attribute(x, top).sum(1))
    close(found["deconvnet"][0].input_map, captum.Deconvolution(copy.deepcopy(model)).attribute(x, top).sum(1))


def test_gradcam_is_captums_and_pytorch_grad_cams():
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
    model, x = made(Modular), images()
    top = model(x).argmax(1)
    ours = one(model, x, method="gradcam", relu=False)
    assert list(ours.maps) == ["5"], "the last convolution's map, rectified"
    close(ours.maps["5"], captum.LayerGradCam(model, model[5]).attribute(x, top)[:, 0])
    other = copy.deepcopy(model)
    with GradCAM(other, [other[5]]) as peer:
        drawn = peer(x, [ClassifierOutputTarget(int(i)) for i in top])
    rectified = one(model, x, method="gradcam").input_map
    low, high = rectified.min((1, 2), keepdims=True), rectified.max((1, 2), keepdims=True)
    close((rectified - low) / (high - low), drawn, 1e-4)        # theirs is scaled, and resized by OpenCV in float32


def test_embeddings_are_explained_as_captum_explains_them():
    model, ids = made(Tokens), texts()
    top = model(ids).argmax(1)
    found = run(model, ids, methods=("gradient_input", "saliency", "ig"), ig={"steps": 12})
    layer = captum.LayerIntegratedGradients(model, model.embed)
    theirs = layer.attribute(ids, baselines=torch.zeros_like(ids), target=top, n_steps=12)
    assert list(found["ig"][0].inputs) == ["embed"]
    # Token 0 pads, and its vector is zero: their baseline is ours.
    close(found["ig"][0].input_map, theirs.sum(-1))
    close(found["gradient_input"][0].input_map,
          captum.LayerGradientXActivation(model, model.embed).attribute(ids, top).sum(-1))


# ---------------------------------------------------------------------------------------------- by their definitions

def by_hand(model: Functional, x: Tensor, rule: str, top: Tensor) -> Tensor:
    """Guided backpropagation and the deconvnet, layer by layer."""
    def rectify(came: Tensor, value: Tensor) -> Tensor:
        shown = (value > 0).to(came)
        return {"plain": came * shown, "guided": came.clamp_min(0) * shown, "deconvnet": came.clamp_min(0)}[rule]

    one = model.one(x)
    pooled, switches = F.max_pool2d(one.clamp_min(0), 2, return_indices=True)
    two = model.two(pooled)
    three = model.three(two.clamp_min(0)) + two.clamp_min(0)
    came = model.head.weight[top][:, :, None, None].expand_as(three) / three[0, 0].numel()
    came = rectify(rectify(came, three.clamp_min(0) + (three >= 0)), three)      # the clamp, then the ReLU
    came = F.conv_transpose2d(came, model.three.weight, padding=1) + came
    came = F.conv_transpose2d(rectify(came, two), model.two.weight, padding=1)
    came = F.max_unpool2d(came, switches, 2, output_size=one.shape)
    return F.conv_transpose2d(rectify(came, one), model.one.weight, padding=1)


@pytest.mark.parametrize(("rule", "method"), [("plain", "saliency"), ("guided", "guided"), ("deconvnet", "deconvnet")])
def test_rules_at_rectifiers_are_as_defined_however_a_relu_is_written(rule, method):
    model, x = made(Functional), images()
    with torch.no_grad():
        theirs = by_hand(model, x, rule, model(x).argmax(1))
    close(one(model, x, method=method).input_map, theirs.abs().amax(1) if rule == "plain" else theirs.sum(1))


def test_one_forward_pass_serves_the_rules_and_leaves_each_as_it_is_alone():
    model, x = made(Functional), images()
    calls = []
    model.one.register_forward_hook(lambda *_: calls.append(1))
    names = ("saliency", "gradient_input", "gradcam", "guided", "deconvnet")
    together = run(model, x, methods=names)
    assert len(calls) == 1
    for name in names:
        assert (together[name][0].input_map == one(model, x, method=name).input_map).all(), name


def test_integrated_gradients_are_complete_and_refine_until_they_are():
    model, x = made(Functional), images(3, 16)
    rough = one(model, x, method="ig", steps=2, baseline="random")
    fine = one(model, x, method="ig", steps=2, baseline="random", tolerance=1e-3)
    assert not rough.checks[0].kept and rough.checks[0].error > 1e-2
    assert fine.checks[0].kept and fine.checks[0].tolerance == 1e-3
    assert "steps" in fine.notes[1] and fine.notes[1] != rough.notes[1]


@pytest.mark.parametrize("baseline", ["zero", "black", "blur", "mean", "random", 0.5, torch.ones(3, 12, 12)])
def test_every_baseline_is_complete(baseline):
    model, x = made(Functional), images()
    found = one(model, x, method="ig", steps=16, baseline=baseline, tolerance=1e-3)
    assert found.checks[0].kept, found.checks[0]


def test_a_pad_token_is_a_baseline_by_name_and_by_number():
    model, ids = made(Tokens), texts()
    named = one(model, ids, method="ig", steps=12, baseline="pad")
    given = one(model, ids, method="ig", steps=12, baseline=torch.tensor([0]))
    assert (named.input_map == given.input_map).all() and named.checks[0].kept
    with pytest.raises(ArchvizError, match="no padding token"):
        one(made(Recurrent), ids, method="ig", baseline="pad")


def test_gradient_times_input_sums_to_the_output_without_biases():
    model, x = made(Functional), images()
    found = one(model, x, method="gradient_input")
    assert np.allclose(found.input_map.sum((1, 2)), found.output, rtol=1e-4)
    assert found.notes[0].startswith("sums to 1 of f(x)")


def test_cam_is_gradcam_on_a_pooled_linear_head():
    for kind in (Functional, Modular):
        model, x = made(kind), images()
        found = run(model, x, methods=("cam", "gradcam"), gradcam={"relu": False})
        cam, grad = found["cam"][0], found["gradcam"][0]
        (node,) = cam.maps
        assert cam.checks[0].kept
        close(grad.maps[node] * grad.maps[node][0].size, cam.maps[node])


def test_cam_says_where_it_does_not_apply():
    with pytest.raises(ArchvizError, match="not a linear layer on the mean"):
        one(made(Tokens), texts(), method="cam")
    with pytest.raises(ArchvizError, match="does not read"):
        one(made(Functional), images(), method="cam", target="two[1]")
