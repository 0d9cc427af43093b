"""LRP: conserved at every cut, against its formulas written slowly, against zennit and captum, and where they fail."""
from __future__ import annotations

import tests.peers  # noqa: F401  # isort: skip  (first: see there)
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from captum.attr import LRP as TheirLRP
from torch import nn
from zennit import canonizers
from zennit import composites as their_composites
from zennit import rules as theirs

import archviz
from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import lrp

ALL = ("epsilon", "z+", "gamma", "epsilon-plus-flat", "epsilon-alpha2beta1-flat", "epsilon-gamma-box")


def explained(model, *args, target="top1", budget=None, kwargs=None, **options):
    with Subject(model.eval(), args, kwargs, target=target, budget=budget) as subject:
        return lrp.attribute(subject, **options)


def relevance(model, *args, **options):
    return explained(model, *args, **options)[0]


def conserves(found, tolerance=1e-4):
    (check,) = [check for check in found.checks if check.name == "conservation"]
    return check.error <= tolerance


def cnn(bias=True):
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=bias), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 12, 3, stride=2, bias=bias),
        nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(12, 20, bias=bias), nn.ReLU(),
        nn.Linear(20, 5, bias=bias)).double()


class Residual(nn.Module):
    """Two blocks with a sum around each, the second through a functional ReLU in place, and one module used twice."""

    def __init__(self, bias=True):
        super().__init__()
        torch.manual_seed(2)
        self.stem, self.norm = nn.Conv2d(3, 6, 3, padding=1, bias=bias), nn.BatchNorm2d(6)
        self.one, self.two = (nn.Conv2d(6, 6, 3, padding=1, bias=bias) for _ in range(2))
        self.act, self.head = nn.ReLU(inplace=True), nn.Linear(6, 4, bias=bias)
        with torch.no_grad():
            self.norm.running_var.uniform_(0.5, 2)
            if bias:
                self.norm.running_mean.normal_()
                self.norm.bias.normal_()

    def forward(self, x):
        x = self.act(self.norm(self.stem(x)))
        x = self.act(self.one(x) + x)
        y = self.two(x)
        y += x
        return self.head(F.relu(y, True).mean((2, 3)))


IMAGE = torch.randn(2, 3, 10, 10, generator=torch.Generator().manual_seed(0)).double()


@pytest.mark.parametrize("composite", ALL)
def test_every_cut_conserves_where_a_residual_network_adds(composite):
    found = relevance(Residual(), IMAGE.float(), composite=composite)
    assert conserves(found, 1e-5)
    assert max(check.error for check in found.checks if check.name == "kept") > 1e-3    # the biases took their part


def test_a_residual_sum_is_split_in_proportion_and_drawn_on_its_edges():
    model = nn.Module()
    model.f, model.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 2, bias=False)
    model.forward = lambda x: model.head(x + model.f(x))
    torch.manual_seed(0)
    x = torch.randn(3, 4)
    found = relevance(model, x, composite="epsilon", target=1, epsilon=0)
    weight = model.head.weight[1]
    np.testing.assert_allclose(found.flows["/in:x", "/add"], (x * weight).sum(1).detach(), rtol=1e-5)
    np.testing.assert_allclose(found.flows["f", "/add"], (model.f(x) * weight).sum(1).detach(), rtol=1e-5)
    np.testing.assert_allclose(found.flows["/in:x", "f"], found.flows["f", "/add"], rtol=1e-4)
    np.testing.assert_allclose(found.scores["/in:x"], found.output, rtol=1e-5)
    np.testing.assert_allclose(found.input_map.sum(1), found.output, rtol=1e-5)


def test_without_epsilon_and_biases_it_is_gradient_times_input():
    for model in (cnn(bias=False), Residual(bias=False).double()):
        found = relevance(model, IMAGE, composite="epsilon", epsilon=0)
        x = IMAGE.clone().requires_grad_()
        model(x).amax(1).sum().backward()
        np.testing.assert_allclose(found.input_map, (x.grad * IMAGE).sum(1), atol=1e-12)
        np.testing.assert_allclose(found.input_map.sum((1, 2)), found.output, rtol=1e-6)


RULES = {"epsilon": theirs.Epsilon, "gamma": theirs.Gamma, "alpha2beta1": theirs.AlphaBeta, "z+": theirs.ZPlus}
FIRST = {"flat": theirs.Flat, "w2": lambda: theirs.WSquare(zero_params="bias"), "box": lambda: theirs.ZBox(-4.0, 4.0)}


@pytest.mark.parametrize("first", [None, *FIRST])
@pytest.mark.parametrize("rule", RULES)
def test_rules_agree_with_zennit(rule, first):
    model = cnn().eval()
    layers = [((nn.Conv2d, nn.Linear), RULES[rule]()), ((nn.AvgPool2d,), theirs.Norm(1e-12))]
    names = [(["0"], FIRST[first]())] if first else []
    x = IMAGE.clone().requires_grad_()
    with their_composites.NameLayerMapComposite(name_map=names, layer_map=layers).context(model):
        out = model(x)
        due, = torch.autograd.grad(out, x, out.detach() * F.one_hot(out.argmax(1), 5))
    composite = {"conv": rule, "linear": rule} | ({"first": first} if first else {})
    found = relevance(model, IMAGE, composite=composite, low=-4.0, high=4.0)
    np.testing.assert_allclose(found.input_map, due.sum(1), rtol=1e-6, atol=1e-9)


def test_an_operation_without_a_rule_is_named_and_can_be_given_one():
    model = nn.Module()
    model.f = nn.Linear(4, 3)
    model.forward = lambda x: torch.special.i0(model.f(x))
    x = torch.randn(2, 4)
    weights = model.f.weight
    with pytest.raises(ArchvizError, match=r"/special_i0 \(special_i0\).*'epsilon'") as caught:
        explained(model, x, composite="epsilon")
    assert "register_rule('special_i0'" in caught.value.hint
    assert model.training is False and not model._forward_hooks and weights.requires_grad
    archviz.register_rule("special_i0", "gelu")
    try:
        assert conserves(relevance(model, x, composite="epsilon"))
    finally:
        del lrp._OTHERS["special_i0"]


# ---------------------------------------------------------------------------------------------- the formulas, slowly

def slowly(rule, x, w, b, r, epsilon=1e-6, gamma=0.25, low=-4.0, high=4.0):
    """R of each input by the formula in the paper, term by term: x (I,), w (J, I), b (J,), r (J,)."""
    found = np.zeros_like(x)
    for j in range(len(w)):
        z = x * w[j]
        total = z.sum() + b[j]
        if rule == "epsilon":
            found += z / (total + (epsilon if total >= 0 else -epsilon)) * r[j]
        elif rule == "gamma":
            liked = np.maximum(z, 0) if total > 0 else np.minimum(z, 0)
            bias = max(b[j], 0) if total > 0 else min(b[j], 0)
            parts = z + gamma * liked
            below = parts.sum() + b[j] + gamma * bias
            found += parts / (below + (epsilon if below >= 0 else -epsilon)) * r[j]
        elif rule in ("alpha2beta1", "z+"):
            alpha, beta = (2, 1) if rule == "alpha2beta1" else (1, 0)
            plus, minus = np.maximum(z, 0), np.minimum(z, 0)
            found += alpha * plus / (plus.sum() + max(b[j], 0) + epsilon) * r[j]
            found -= beta * minus / (minus.sum() + min(b[j], 0) - epsilon) * r[j]
        elif rule == "w2":
            found += w[j] ** 2 / (w[j] ** 2).sum() * r[j]
        elif rule == "flat":
            found += r[j] / len(x)
        else:
            box = z - low * np.maximum(w[j], 0) - high * np.minimum(w[j], 0)
            found += box / box.sum() * r[j]
    return found


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "alpha2beta1", "z+", "w2", "flat", "box"])
def test_each_rule_is_its_formula(rule):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 3)).double()     # values of either sign
    x = torch.randn(1, 5).double()
    composite = {"linear": rule} if rule in ("epsilon", "gamma", "alpha2beta1", "z+") else {"first": rule}
    found = relevance(model, x, composite=composite, target=1, low=-4.0, high=4.0)
    (w1, b1), (w2, b2) = [(layer.weight.detach().numpy(), layer.bias.detach().numpy()) for layer in model[::2]]
    hidden = np.tanh(w1 @ x[0].numpy() + b1)
    top = np.zeros(3)
    top[1] = (w2 @ hidden + b2)[1]
    middle = slowly(rule if "linear" in composite else "epsilon", hidden, w2, b2, top)
    np.testing.assert_allclose(found.input_map[0], slowly(rule, x[0].numpy(), w1, b1, middle), rtol=1e-5)
    np.testing.assert_allclose(found.scores["1"], middle.sum(), rtol=1e-6)


def test_a_convolution_shares_as_the_matrix_that_it_is():
    torch.manual_seed(0)
    conv = nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2).double()
    up = nn.ConvTranspose2d(2, 4, 3, stride=2, padding=1, output_padding=1, groups=2).double()
    for layer in (conv, up, nn.Conv2d(2, 3, 3, padding="same", padding_mode="circular").double()):
        x = torch.randn(1, 2, 5, 6).double()
        start = layer(torch.zeros_like(x)).detach()
        matrix = torch.stack([(layer(one.reshape(x.shape)) - start).flatten() for one in torch.eye(x.numel()).double()])
        dense = nn.Linear(*matrix.shape).double()
        with torch.no_grad():
            dense.weight.copy_(matrix.t())
            dense.bias.copy_(start.flatten())
        for rule in ("epsilon", "gamma", "alpha2beta1", "z+", "w2", "flat"):
            if rule == "flat" and layer is not conv:
                continue        # there a weight that is shared, or lies in the border, counts as more than one
            one, other = (relevance(nn.Sequential(*parts), x, composite={"conv": rule, "upconv": rule, "linear": rule},
                                    target=3) for parts in ((layer, nn.Flatten()), (nn.Flatten(), dense)))
            if rule == "flat":
                assert conserves(one)
            else:
                np.testing.assert_allclose(one.input_map, other.inputs["/in:input"].reshape(one.input_map.shape) if
                                           other.input_map.ndim == 2 else other.input_map, rtol=1e-6, atol=1e-12)


# ---------------------------------------------------------------------------------------------- other forms of a model

def norm(channels):
    made = nn.BatchNorm2d(channels)
    with torch.no_grad():
        made.running_mean.normal_()
        made.running_var.uniform_(0.01, 1)
        made.weight.normal_()
        made.bias.normal_()
    return made


@pytest.mark.parametrize("composite", ALL)
def test_a_batch_norm_is_merged_with_its_epsilon_into_the_layer_before(composite):
    torch.manual_seed(0)
    conv, after = nn.Conv2d(3, 4, 3), norm(4)
    merged = nn.utils.fusion.fuse_conv_bn_eval(conv.eval(), after.eval())
    rest = (nn.ReLU(), nn.Flatten(), nn.Linear(4 * 64, 3))
    one, other = (relevance(nn.Sequential(*parts).double(), IMAGE, composite=composite)
                  for parts in ((conv, after, *rest), (merged, *rest)))
    np.testing.assert_allclose(one.input_map, other.input_map, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(one.scores["0"], one.scores["1"], rtol=1e-9)


def test_a_batch_norm_by_itself_shares_with_its_shift():
    torch.manual_seed(0)
    model = nn.Sequential(norm(3), nn.ReLU(), nn.Flatten(), nn.Linear(300, 3)).double().eval()
    found, x = relevance(model, IMAGE, composite="epsilon", epsilon=0), IMAGE.clone().requires_grad_()
    model(x).amax(1).sum().backward()       # gradient × input, as the layer is linear there
    np.testing.assert_allclose(found.input_map, (x.grad * IMAGE).sum(1), atol=1e-12)
    assert conserves(found)


class Forms(nn.Module):
    """The same network as modules, or as functions that write in place, through views, into slices."""

    def __init__(self, plain):
        super().__init__()
        torch.manual_seed(5)
        self.one, self.two, self.head = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Linear(4, 3)
        self.plain = plain

    def forward(self, x):
        if self.plain:
            x = nn.functional.relu(self.one(x))
            left, right = x[:, :2], x[:, 2:]
            x = torch.cat([left + right, right * 0.5], 1)
            return self.head(nn.functional.relu(self.two(x) + x).mean((2, 3)))
        x = F.relu_(F.conv2d(x, self.one.weight, self.one.bias, padding=1))
        x[:, :2] += x[:, 2:]
        x[:, 2:].mul_(0.5)
        y = torch.empty_like(x)
        y[:] = x
        return self.head(F.relu(F.conv2d(x, self.two.weight, self.two.bias, 1, 1).add_(y), inplace=True).mean((2, 3)))


@pytest.mark.parametrize("composite", ["epsilon", "epsilon-plus-flat", "gamma"])
def test_functions_in_place_share_as_modules_do(composite):
    one, other = (relevance(Forms(plain).double(), IMAGE, composite=composite) for plain in (True, False))
    assert conserves(one) and conserves(other)
    np.testing.assert_allclose(one.input_map, other.input_map, rtol=1e-9, atol=1e-12)


def test_what_is_asked_for_changes_nothing_else():
    x = torch.randn(5, 3, 10, 10, generator=torch.Generator().manual_seed(1))
    model = Residual()
    whole = relevance(model, x, nodes="*")
    single = relevance(model, x, budget=300_000)        # one or two samples at once
    np.testing.assert_allclose(whole.input_map, single.input_map, rtol=1e-4, atol=1e-7)
    assert whole.scores.keys() == single.scores.keys() and whole.flows.keys() == single.flows.keys()
    for name in ("one", "/mean", "act@1"):
        np.testing.assert_allclose(whole.maps[name].reshape(5, -1).sum(1), whole.scores[name], rtol=1e-4, atol=1e-6)
    first, second = explained(model, x, target="top2")
    np.testing.assert_allclose(first.input_map, whole.input_map, rtol=1e-5, atol=1e-8)
    assert conserves(second) and (second.output < first.output).all()
    with pytest.raises(ArchvizError, match="does not fit"):
        explained(model, x, budget=1000)


def test_targets_inside_of_the_model_and_of_ones_own():
    found = relevance(Residual(), IMAGE.float(), target="one[2]", epsilon=0, composite="epsilon")
    assert conserves(found) and "head" not in found.scores
    np.testing.assert_allclose(found.scores["one"], found.output, rtol=1e-4)
    found = relevance(Residual(), IMAGE.float(), target=lambda out: out[:, 1] - out[:, 0])
    assert conserves(found)
    with pytest.raises(ArchvizError, match="does not depend"):
        explained(Residual(), IMAGE.float(), target=lambda out: out.argmax(1).float())


def test_relevance_starts_before_a_softmax_at_the_end():
    model = Residual()
    plain, soft = relevance(model, IMAGE.float()), relevance(nn.Sequential(model, nn.Softmax(1)), IMAGE.float())
    np.testing.assert_allclose(plain.input_map, soft.input_map, rtol=1e-6)
    np.testing.assert_allclose(plain.output, soft.output, rtol=1e-6)
    assert any("before 1" in note for note in soft.notes)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_conserves(dtype):
    model = nn.Sequential(Residual(), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 3)).to(dtype)
    for composite in ALL:
        assert conserves(relevance(model, IMAGE.to(dtype), composite=composite), 1e-4)


def test_relevance_that_is_not_finite_names_a_node():
    model = Residual()
    with torch.no_grad():
        model.two.weight[0] = float("nan")
    with pytest.raises(ArchvizError, match="not finite"):
        explained(model, IMAGE.float(), target=0)


@pytest.mark.parametrize("wrong", [{"composite": "epsilon-plus-flt"}, {"composite": {"conv": "zz"}},
                                   {"attention": "no"}, {"composite": {"conv": "alpha2beta2"}}])
def test_unknown_rules_are_told(wrong):
    with pytest.raises(ArchvizError):
        explained(cnn(), IMAGE, **wrong)


def test_rules_by_node_go_before_those_by_kind():
    by_kind = relevance(cnn(), IMAGE, composite={"conv": "z+", "first": "flat"})
    by_name = relevance(cnn(), IMAGE, composite={"3": "z+", "0": "flat"})
    np.testing.assert_array_equal(by_kind.input_map, by_name.input_map)
    other = relevance(cnn(), IMAGE, composite={"conv": "z+", "first": "flat", "[0]": "gamma=0.5"})
    assert not np.allclose(other.input_map, by_kind.input_map)


def test_a_rule_of_ones_own():
    class Twice(nn.Module):
        def forward(self, x, y):
            return torch.special.i1(x) + y

    model = nn.Module()
    model.f, model.twice = nn.Linear(4, 3), Twice()
    model.forward = lambda x: model.twice(model.f(x), x[:, :3])
    archviz.register_rule(Twice, lambda step: (step.relevance / 4, step.relevance * 3 / 4))
    archviz.register_rule("special_i1", lambda step: step.relevance)
    try:
        found = relevance(model, torch.randn(2, 4), composite="epsilon", epsilon=0)
    finally:
        lrp._OTHERS.clear()
    assert conserves(found)
    with pytest.raises(ArchvizError, match="no operation named"):
        archviz.register_rule("x", "nothing like it")


# ---------------------------------------------------------------------------------------------- where others fail

class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.f, self.head = nn.Linear(4, 4, bias=False), nn.Linear(4, 2, bias=False)
        with torch.no_grad():
            self.f.weight.copy_(torch.eye(4))

    def forward(self, x):
        return self.head(x + self.f(x))


def test_at_a_residual_sum_others_give_more_than_there_is():
    torch.manual_seed(0)
    model, x = Sum(), torch.rand(1, 4)
    logit = model(x)[0, 0].item()
    given = x.clone().requires_grad_()
    with their_composites.EpsilonPlus().context(model):
        out = model(given)
        zennit, = torch.autograd.grad(out, given, F.one_hot(torch.tensor([0]), 2) * out.detach())
    assert zennit.sum().item() / logit == pytest.approx(2, rel=1e-3)
    ours = relevance(model, x, target=0, composite="epsilon")
    assert ours.input_map.sum() / logit == pytest.approx(1, rel=1e-4) and conserves(ours)


def test_captum_is_far_off_in_a_residual_network_and_says_nothing():
    from torchvision.models import resnet18
    torch.manual_seed(0)
    model, x = resnet18().eval(), torch.randn(1, 3, 64, 64)
    ours = relevance(model, x, target=0, composite="epsilon")
    assert conserves(ours) and 0.5 < ours.input_map.sum() / ours.output[0] < 1.5
    for module in model.modules():
        module.inplace = False
    theirs = TheirLRP(model).attribute(x.requires_grad_(), target=0).sum().item()
    assert abs(theirs / ours.output[0]) > 1e3


def test_captum_leaves_its_state_on_a_model_that_it_has_no_rule_for():
    torch.manual_seed(0)
    model, x = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2)), torch.randn(1, 4)
    before = {name: set(vars(module)) for name, module in model.named_modules()}
    with pytest.raises(ArchvizError):
        explained(model, x, target=9)
    relevance(model, x, target=0)
    assert before == {name: set(vars(module)) for name, module in model.named_modules()}
    with pytest.raises(TypeError):
        TheirLRP(model).attribute(x.requires_grad_(), target=0)
    assert before != {name: set(vars(module)) for name, module in model.named_modules()}


def test_agrees_with_captum_on_a_plain_chain():
    model = nn.Module()
    model.convolutions, model.head = cnn()[:6], cnn()[7:]       # captum has no rule for Flatten
    model.forward = lambda x: model.head(model.convolutions(x).flatten(1))
    due = TheirLRP(model).attribute(IMAGE.clone().requires_grad_(), target=1).detach()
    found = relevance(model, IMAGE, target=1, composite="epsilon", epsilon=1e-9)
    np.testing.assert_allclose(found.input_map, due.sum(1), rtol=1e-5, atol=1e-9)


def test_merging_batch_norms_the_others_way_drifts():
    torch.manual_seed(0)
    model = nn.Sequential(*[part for _ in range(20) for part in (nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))]).eval()
    with torch.no_grad():
        for module in model[1::2]:
            module.bias.uniform_(1, 2)
    x = torch.randn(1, 4, 4, 4)
    before = model(x)
    with their_composites.EpsilonPlus(canonizers=[canonizers.SequentialMergeBatchNorm()]).context(model):
        drift = (model(x) - before).abs().max() / before.abs().max()
    assert drift > 3e-6
    assert conserves(relevance(model, x, target=lambda out: out.flatten(1)[:, 0]), 1e-5)
