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
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

import archviz
from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.results.attribution import Attribution
from tests import peers  # noqa: F401  what pytorch-grad-cam imports

METHODS = ("saliency", "gradient_input", "smoothgrad", "vargrad", "ig", "guided", "deconvnet", "gradcam", "cam")
pytestmark = pytest.mark.filterwarnings("ignore")       # captum tells of every hook it sets
QUICK: dict[str, dict[str, Any]] = {"smoothgrad": {"samples": 6}, "vargrad": {"samples": 6}, "ig": {"steps": 8}}


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
    files = {name: import_module(f"archviz.insight.methods.{name}") for name in names}
    chosen = {name: options if len(names) == 1 else {**QUICK.get(name, {}), **options.get(name, {})} for name in names}
    with Subject(model, args, target=target, budget=budget) as subject:
        subject.grad = True
        for name, file in files.items():
            subject.wanted |= set(getattr(file, "wants", lambda subject, **_: ())(subject, **chosen[name]))
        return {name: file.attribute(subject, **chosen[name]) for name, file in files.items()}


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


def test_vargrad_is_the_variance_of_the_gradients_at_smoothgrads_copies(monkeypatch):
    """Against a slow loop over the copies that the model was really shown."""
    model, x, shown = made(Modular), images(), []
    stack = shared._stack

    def watched(subject, samples, copies, place):
        shown.append((samples, next(iter(place(samples, copies).values())).clone()))
        return stack(subject, samples, copies, place)

    monkeypatch.setattr(shared, "_stack", watched)
    found = run(model, x, methods=("smoothgrad", "vargrad"))
    assert sum(len(samples) for samples, _ in shown) == 2 * 6, "the two share their passes"
    top = model(x).argmax(1)
    for sample in range(2):
        copies = [row for samples, rows in shown for number, row in zip(samples, rows, strict=True) if number == sample]
        slopes = []
        for copy_ in copies:
            leaf = copy_[None].clone().requires_grad_()
            slopes.append(torch.autograd.grad(model(leaf)[0, top[sample]], leaf)[0][0])
        close(found["vargrad"][0].input_map[sample], torch.stack(slopes).var(0).sum(0))
        close(found["smoothgrad"][0].input_map[sample], torch.stack(slopes).mean(0).abs().amax(0))


def test_a_gradient_that_is_the_same_everywhere_does_not_vary():
    linear = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(400, 5))
    assert not one(linear, images(), method="vargrad").input_map.any()


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


class Jumps(nn.Module):
    """Nothing at zero, and as much as ever right beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(6, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(x * (x.square().mean(-1, keepdim=True) + 1e-12).rsqrt()).tanh()


def test_a_model_that_jumps_at_the_baseline_is_said_to_and_refining_ends():
    model, x = made(Jumps), torch.randn(2, 6)
    for options in ({}, {"tolerance": 1e-3, "most": 120}):
        found = one(model, x, method="ig", **options)
        said = "; ".join(found.notes)
        assert not found.checks[0].kept and "jumps at the baseline zero" in said and "baseline='mean'" in said
        assert f"{options.get('most', 50)} steps" in found.notes
    away = one(model, x, method="ig", baseline=torch.full((6,), 2.0), tolerance=1e-3)
    assert away.checks[0].kept and not any("incomplete" in note for note in away.notes)


def test_a_map_that_steps_would_complete_says_so_and_one_that_ran_out_of_them_too():
    model, x = made(Functional), images(2, 16)
    rough = one(model, x, method="ig", steps=2, baseline="random")
    assert any("tolerance=1e-3" in note for note in rough.notes), rough.notes
    ended = one(model, x, method="ig", steps=2, baseline="random", tolerance=1e-7, most=8)
    assert any("most=8" in note for note in ended.notes), ended.notes


@pytest.mark.parametrize("baseline", ["zero", "black", "blur", "mean", "random", 0.5, torch.ones(3, 12, 12)])
def test_every_baseline_is_complete(baseline):
    model, x = made(Functional), images()
    found = one(model, x, method="ig", steps=16, baseline=baseline, tolerance=1e-3)
    assert found.checks[0].kept, found.checks[0]


def test_a_pad_token_is_a_baseline_by_name_and_by_number():
    model, ids = made(Tokens), texts()
    named = one(model, ids, method="ig", steps=12, baseline="pad")
    told = one(model, ids, method="ig", steps=12, baseline=torch.tensor([0]))
    assert (named.input_map == told.input_map).all() and named.checks[0].kept
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


class Patches(nn.Module):
    """A small ViT: patches by a convolution, a class token in front, attention written out, ReLU."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 8, 4, 4), nn.LayerNorm(8)
        self.cls = nn.Parameter(torch.zeros(1, 1, 8))
        self.attention, self.head = nn.MultiheadAttention(8, 2, batch_first=True), nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).mT
        x = self.norm(torch.cat([self.cls.expand(len(x), -1, -1), x], 1))
        return self.head((x + self.attention(x, x, x)[0]).relu()[:, 0])


def test_gradcam_on_a_vit_is_folded_as_pytorch_grad_cam_is_told_to():
    from pytorch_grad_cam import GradCAM
    model, x = made(Patches), images(2, 16)
    ours = one(model, x, method="gradcam")
    assert list(ours.maps) == ["norm"] and ours.maps["norm"].shape == (2, 4, 4)
    assert "1 token without a place left out" in ours.notes
    other = copy.deepcopy(model)
    fold = lambda t: t[:, 1:].unflatten(1, (4, 4)).movedim(-1, 1)      # noqa: E731
    with GradCAM(other, [other.norm], reshape_transform=fold) as peer:
        drawn = peer(x, None)
    low, high = ours.input_map.min((1, 2), keepdims=True), ours.input_map.max((1, 2), keepdims=True)
    close((ours.input_map - low) / (high - low), drawn, 1e-4)


def test_gradcam_at_every_node_takes_one_backward_pass_and_says_the_same():
    model, x = made(Functional), images()
    every = one(model, x, method="gradcam", nodes="*")
    assert {"one", "two", "act", "act@1", "/add", "/clamp"} <= set(every.maps) and "head" in every.scores
    assert not any(name.startswith(("/in:", "/out:")) for name in every.scores)
    for name in ("one", "act", "/add"):
        alone = one(model, x, method="gradcam", nodes=name)
        close(every.maps[name], alone.maps[name], 1e-6)
        assert list(alone.maps) == [name]
    assert (every.input_map == one(model, x, method="gradcam").input_map).all()
    with pytest.raises(ArchvizError, match="no node is named"):
        one(model, x, method="gradcam", nodes="layer*")


# ---------------------------------------------------------------------------------------------- all kinds of models

def test_several_inputs_each_have_a_map_and_are_complete_together():
    found = one(made(Both), images(), torch.randn(2, 6), method="ig", tolerance=5e-3)
    assert [*found.inputs] == ["/in:image", "/in:more"] and found.inputs["/in:more"].shape == (2, 6)
    assert found.checks[0].kept, found.checks[0]


def test_a_recurrent_net_is_explained_over_its_tokens():
    found = run(made(Recurrent), texts(), methods=("saliency", "ig", "smoothgrad", "gradcam"))
    for name, (each,) in found.items():
        assert each.input_map.shape == (2, 7) and (each.shown["embed"] == texts().numpy()).all(), name
    assert found["ig"][0].checks[0].kept


@pytest.mark.parametrize("target", ["top2", "two[3]", "two[3,1,1]", [4, 0], lambda result: result[:, 1] - result[:, 0]])
def test_any_number_the_model_computes_is_a_target(target):
    model, x = made(Functional), images()
    found = run(model, x, methods="saliency", target=target)["saliency"]
    leaf = x.clone().requires_grad_()
    logits, two = model(leaf), model.two(F.max_pool2d(F.relu(model.one(leaf)), 2))
    due = {"top2": lambda: logits.topk(2).values.T, "two[3]": lambda: two[:, 3].mean((1, 2))[None],
           "two[3,1,1]": lambda: two[:, 3, 1, 1][None]}.get(target if isinstance(target, str) else "", lambda: (
               logits[[0, 1], [4, 0]] if isinstance(target, list) else target(logits))[None])()
    assert len(found) == len(due)
    for each, row in zip(found, due, strict=True):
        gradient = torch.autograd.grad(row.sum(), leaf, retain_graph=True)[0]
        close(each.input_map, gradient.abs().amax(1))


class Written(nn.Module):
    """Says view where reshape is meant, writes into its input, into a view and into slices."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.more = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.head = nn.Linear(4 * 36, 5)

    def forward(self, x: Tensor) -> Tensor:
        x.mul_(0.5)
        x[:, 0] += 0.1
        x = self.conv(x)
        F.relu(x[:, 1:], inplace=True)
        x = self.more(x)
        x.view(x.size(0), -1).relu_()
        return self.head(x.view(x.size(0), -1))


def test_writes_into_views_hide_no_rectifier_and_the_input_is_the_callers():
    model, x = made(Written), images(3, 6)
    before = x.clone()
    found = run(model, x, methods=("saliency", "guided"))
    assert (x == before).all()

    def slow(rule: str) -> Tensor:
        scaled = x * 0.5
        scaled[:, 0] += 0.1
        first = model.conv(scaled)
        second = model.more(torch.cat([first[:, :1], first[:, 1:].relu()], 1))
        came = model.head.weight[model.head(second.relu().flatten(1)).argmax(1)].view_as(first)
        guide = (lambda t: t.clamp_min(0)) if rule == "guided" else lambda t: t
        came = F.conv_transpose2d(guide(came) * (second > 0), model.more.weight, padding=1)
        came = torch.cat([came[:, :1], guide(came[:, 1:]) * (first[:, 1:] > 0)], 1)
        return 0.5 * F.conv_transpose2d(came, model.conv.weight, padding=1)

    with torch.no_grad():
        close(found["saliency"][0].input_map, slow("plain").abs().amax(1))
        close(found["guided"][0].input_map, slow("guided").sum(1))
    assert found["guided"][0].checks[0].said == "the rule is applied at 2 ReLUs, all there are"


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_summed_in_float32(dtype):
    model, x = made(Functional), images()
    top = model(x).argmax(1).tolist()
    names = ("saliency", "ig", "smoothgrad", "gradcam", "cam")
    whole = run(model, x, methods=names, target=top)
    half = run(copy.deepcopy(model).to(dtype), x.to(dtype), methods=names, target=top)
    for name in names:
        close(half[name][0].input_map, whole[name][0].input_map, 0.1)
        assert half[name][0].input_map.dtype == np.float32
    assert abs(half["ig"][0].checks[0].error) < 0.05


def test_inference_mode_and_frozen_weights_change_nothing():
    model, x = made(Modular), images()
    due = {name: found[0].input_map for name, found in run(model, x, methods=METHODS).items()}
    with torch.inference_mode():
        born = made(Modular)
        inside = run(born, images(), methods=METHODS)
    outside = run(born, images().requires_grad_(), methods=METHODS)
    frozen = run(copy.deepcopy(model).requires_grad_(False), x, methods=METHODS)
    for name, value in due.items():
        for found in (inside, outside, frozen):
            assert (found[name][0].input_map == value).all(), name
    assert all(p.is_inference() for p in born.parameters())


# ---------------------------------------------------------------------------------------------- what is left untouched

def state(model: nn.Module) -> list[Any]:
    """All that a method could leave behind."""
    return [[(m.training, *(sorted(map(str, getattr(m, f"_{kind}")))
                            for kind in ("forward_hooks", "forward_pre_hooks", "backward_hooks", "backward_pre_hooks")))
             for m in model.modules()],
            [(id(p), p.requires_grad, p.grad, p._version, p.double().sum().item()) for p in model.parameters()],
            [(id(b), b.double().sum().item()) for b in model.buffers()],
            torch.get_rng_state().tolist(), torch.is_grad_enabled(), torch.backends.mha.get_fastpath_enabled()]


@pytest.mark.parametrize("method", METHODS)
def test_the_model_is_as_it_was_also_after_an_exception(method):
    model, x = made(Modular), images()
    model.train()
    model[0].requires_grad_(False)
    before = state(model)
    run(model, x, methods=method)
    assert state(model) == before
    calls = []

    def fail(result: Tensor) -> Tensor:
        calls.append(1)
        if len(calls) > 1:
            raise ValueError("on purpose")
        return result[:, 0]

    with pytest.raises(ValueError, match="on purpose"):
        run(model, x, methods=method, target=fail)
    assert state(model) == before


# ---------------------------------------------------------------------------------------------- chunks and batches

@settings(max_examples=12)
@given(rows=st.integers(1, 17), n=st.integers(1, 4), method=st.sampled_from(["ig", "smoothgrad"]))
def test_chunks_never_change_a_result(rows, n, method):
    model, x = made(Functional), images(n)
    options = {"steps": 7, "tolerance": 0.02} if method == "ig" else {"samples": 5}
    whole = one(model, x, method=method, **options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "_FIRST", rows)
        patch.setattr(shared, "_CACHED", rows)
        close(one(model, x, method=method, **options).input_map, whole.input_map)


@pytest.mark.parametrize("method", METHODS)
def test_a_batch_is_its_samples_one_by_one(method):
    model, x = made(Modular), images(3)
    whole = one(model, x, method=method).input_map
    for number in range(3):
        noisy = method in ("smoothgrad", "vargrad")     # whose noise is seeded by a sample's number
        own = {"first": number} if noisy else {}
        close(one(model, x[number:number + 1], method=method, **own).input_map, whole[number:number + 1])


def test_a_batch_explained_in_parts_has_the_noise_and_the_random_baselines_of_the_whole():
    model, x = made(Modular), images(3)
    for method, options in (("smoothgrad", {"samples": 4}), ("ig", {"baseline": "random", "steps": 8})):
        whole = one(model, x, method=method, **options).input_map
        close(one(model, x[1:], method=method, first=1, **options).input_map, whole[1:])
        assert not np.allclose(one(model, x[1:], method=method, **options).input_map, whole[1:], rtol=1e-2), method


def test_where_memory_runs_out_fewer_rows_are_taken_and_at_last_it_is_said():
    model, x = made(Functional), images()
    due = one(model, x, method="ig", steps=9).input_map
    sizes = []

    def small(most: int) -> Any:
        def look(module: nn.Module, args: Any) -> None:
            sizes.append(len(args[0]))
            if len(args[0]) > most:
                raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 2 bytes")
        return model.register_forward_pre_hook(look)

    hook = small(2)
    close(one(model, x, method="ig", steps=9).input_map, due)
    hook.remove()
    assert max(sizes) > 2 and sizes.count(max(sizes)) <= 2
    small(0)
    with pytest.raises(RuntimeError, match="allocate memory"):      # which `explain` turns into an ArchvizError
        one(model, x[:1], method="ig", steps=9)


def test_a_budget_is_kept():
    model, x = made(Functional), images(1, 32)
    sizes: list[int] = []
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    one(model, x, method="ig", steps=20, budget=1)
    assert set(sizes[3:]) == {1}, "after the first pass, which is weighed"
    sizes.clear()
    one(model, x, method="ig", steps=20, budget=1 << 30)
    assert max(sizes) == shared._CACHED


# ---------------------------------------------------------------------------------------------- what cannot be

class Broken(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.conv(x).amax((2, 3)) > 0).float())


@pytest.mark.parametrize("method", ["saliency", "gradient_input", "smoothgrad", "ig", "gradcam"])
def test_a_path_without_a_gradient_is_named(method):
    with pytest.raises(ArchvizError, match=r"class \d.* /in:x .*the last node with a gradient is /amax"):
        one(made(Broken), images(), method=method)


def test_rules_need_a_relu_and_say_where_other_activations_are():
    with pytest.raises(ArchvizError, match="no ReLU lies on the way.*gelu"):
        one(made(Tokens), texts(), method="guided")
    found = one(made(Both), images(), torch.randn(2, 6), method="deconvnet")
    assert not found.checks[0].kept and "not at 1 tanh" in found.checks[0].said
    assert "gradients pass 1 tanh as they are" in found.notes


def test_relu6_and_clamps_are_rectifiers():
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.more, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.clamp(self.more(F.relu6(self.conv(x))), min=0).mean((2, 3)))

    found = one(made(Net), images(), method="guided")
    assert found.checks[0].said == "the rule is applied at 2 ReLUs, all there are"


class Timed(nn.Module):
    """An image, and one number for each sample, as a model of diffusion has them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        return self.head(F.relu(self.conv(x)).mean((2, 3)) * time[:, None])


@pytest.mark.parametrize("method", ["saliency", "gradient_input", "smoothgrad", "ig", "guided", "gradcam", "lrp",
                                    "occlusion", "regions"])
def test_a_number_for_each_sample_is_an_input_too(method):
    found = archviz.explain(made(Timed), (images(), torch.tensor([0.5, 2.0])), method=method)
    assert found.input_map.shape == (2, 12, 12)
    assert found.inputs.get("/in:time", np.zeros(2)).shape == (2,)


class Steps(nn.Module):
    """A recurrent net as torch has them by default, the samples on the second axis; of fewer logits than steps."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.head = nn.GRU(4, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0][-1])


class Kept(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 4, 3), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(checkpoint(self.conv, x, use_reentrant=True).mean((2, 3)))


@pytest.mark.parametrize("method", ["saliency", "ig", "occlusion", "lrp"])
def test_samples_on_the_second_axis_and_logits_that_do_not_count_them_and_no_samples_at_all(method):
    with pytest.raises(ArchvizError, match="2 rows of logits for 7 samples"):
        archviz.explain(made(Steps), torch.randn(7, 2, 4), method=method)
    with pytest.raises(ArchvizError, match="head gives 2×3 for 7 samples"):
        archviz.explain(made(Steps), torch.randn(7, 2, 4), method=method, target="head[1]")
    x = torch.randn(7, 2, 4)
    model, found = made(Steps), archviz.explain(made(Steps), x, method=method, axis=1)
    for sample in range(2):
        due = archviz.explain(model, x[:, sample:sample + 1], method=method, axis=1)
        close(found.input_map[sample:sample + 1], due.input_map)
    with pytest.raises(ArchvizError, match="no sample to explain.*0×3×12×12"):
        archviz.explain(made(Broken), torch.randn(0, 3, 12, 12), method=method)


def test_a_checkpoint_that_allows_no_gradient_is_told():
    with pytest.raises(ArchvizError, match="checkpoints") as told:
        one(made(Kept), images(), method="saliency")
    assert "use_reentrant=False" in told.value.hint
    with pytest.raises(ArchvizError, match="checkpoints"):
        archviz.record(made(Kept), images(), gradients=True)


def test_a_number_of_numpy_or_torch_is_a_class_and_half_a_class_is_not():
    x = images()
    due = one(made(Functional), x, method="saliency", target=2).input_map
    for target in (np.int64(2), torch.tensor(2), np.array([2] * len(x)), (2,) * len(x)):
        assert np.array_equal(one(made(Functional), x, method="saliency", target=target).input_map, due)
    with pytest.raises(ArchvizError, match="means nothing"):
        one(made(Functional), x, method="saliency", target=1.5)


@pytest.mark.parametrize("options", [{"steps": 0}, {"baseline": "grey"}, {"baseline": torch.ones(7)},
                                     {"baseline": {"/in:y": 0}}])
def test_options_of_integrated_gradients_that_mean_nothing_are_told(options):
    with pytest.raises(ArchvizError):
        one(made(Functional), images(), method="ig", **options)


# ---------------------------------------------------------------------------------------------- faults of the peers

class FunctionalOnly(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(F.relu(self.two(F.relu(self.one(x)))).mean((2, 3)))


def test_the_peers_guided_backpropagation_is_the_plain_gradient_where_a_relu_is_a_function():
    from pytorch_grad_cam import GuidedBackpropReLUModel
    from zennit.attribution import Gradient
    from zennit.composites import GuidedBackprop
    model, x = made(FunctionalOnly), images(1)
    leaf = x.clone().requires_grad_()
    logits = model(leaf)
    top = int(logits.argmax())
    plain = torch.autograd.grad(logits[0, top], leaf)[0]
    close(captum.GuidedBackprop(copy.deepcopy(model)).attribute(x, top).numpy(), plain)
    with Gradient(copy.deepcopy(model), composite=GuidedBackprop()) as attributor:
        close(attributor(x, torch.eye(5)[[top]])[1].numpy(), plain)
    peer = GuidedBackpropReLUModel(copy.deepcopy(model), "cpu")(x, target_category=top)
    close(np.moveaxis(np.asarray(peer), -1, 0)[None], plain)
    ours = one(model, x, method="guided").input_map
    assert np.abs(ours - plain.sum(1).numpy()).max() > 0.1 * np.abs(ours).max()


def test_pytorch_grad_cam_leaves_gradients_behind_and_rewires_rectifiers():
    from pytorch_grad_cam import GradCAM, GuidedBackpropReLUModel
    model, x = made(Modular), images(1)
    theirs, rewired = copy.deepcopy(model), copy.deepcopy(model)
    GradCAM(theirs, [theirs[5]])(x, None)
    assert any(p.grad is not None for p in theirs.parameters())
    guided = GuidedBackpropReLUModel(rewired, "cpu")
    kinds: list[set[str]] = []
    rewired[0].register_forward_hook(lambda *_: kinds.append({type(m).__name__ for m in rewired}))
    guided(x, target_category=0)
    assert "ReLU" not in kinds[0], "while it runs, the user's model has none"
    run(model, x, methods=("gradcam", "guided"))
    assert all(p.grad is None for p in model.parameters()) and isinstance(model[2], nn.ReLU)


def test_fifty_steps_fall_short_unsaid_and_ours_say_so_and_refine():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.LayerNorm(432), nn.Linear(432, 32), nn.GELU(), nn.Linear(32, 5)).eval()
    x = images(1)
    top = int(model(x).argmax())
    theirs = captum.IntegratedGradients(model).attribute(x, target=top)     # 50 steps, as it comes
    due = float((model(x) - model(torch.zeros_like(x)))[0, top])
    assert 0.004 < abs(float(theirs.sum()) - due) / abs(due)
    ours = one(model, x, method="ig")
    assert not ours.checks[0].kept and abs(ours.checks[0].error - abs(float(theirs.sum()) - due) / abs(due)) < 1e-3
    assert one(model, x, method="ig", tolerance=1e-3, most=12800).checks[0].kept


@pytest.mark.gpu
def test_a_gpu_says_the_same():
    model, x = made(Modular), images()
    here, there = run(model, x, methods=METHODS), run(copy.deepcopy(model).cuda(), x.cuda(), methods=METHODS)
    for name in METHODS:
        if name not in ("smoothgrad", "vargrad"):       # whose noise is the device's own
            close(there[name][0].input_map, here[name][0].input_map, 1e-3)
    run(made(Recurrent).cuda(), texts().cuda(), methods=("ig", "smoothgrad"))


class Counted(nn.Module):
    """Its forward takes two samples, and no other number."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x) + torch.zeros(2, 1)


def test_a_model_that_fixes_its_batch_is_told_apart_from_a_fault_of_ours():
    model, x = Counted(), torch.randn(2, 3)
    assert archviz.explain(model, x, method="saliency").inputs["/in:x"].shape[0] == 2
    with pytest.raises(ArchvizError, match="raised on a batch of .*must match") as caught:
        archviz.explain(model, x, method="ig")
    assert "no other batch than one of 2" in str(caught.value)
