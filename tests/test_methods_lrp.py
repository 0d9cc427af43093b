"""LRP: conserved at every cut, against its formulas written slowly, against zennit and captum, and where they fail."""
from __future__ import annotations

import tests.peers  # noqa: F401  # isort: skip  (first: see there)
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from zennit import composites as their_composites
from zennit import rules as theirs

import archviz
from archviz.errors import ArchvizError
from archviz.methods import lrp
from archviz.methods._subject import Subject

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
