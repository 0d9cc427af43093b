"""Max pooling goes another way through memory on a processor, and gives the same numbers."""
from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archviz.insight.engine.kernels import hasten
from archviz.insight.engine.subject import Subject
from archviz.trace.borrow import borrowed

OPTIONS: list[tuple[Any, ...]] = [(2,), (3, 2, 1), ((3, 2), (2, 1)), (3, 1, 1, 2), (3, 2, 0, 1, True)]


@pytest.mark.parametrize("options", OPTIONS)
def test_pooling_and_its_gradient_are_the_same_to_the_bit(options: tuple[Any, ...]) -> None:
    x = torch.randn(2, 16, 13, 11).relu().requires_grad_()      # many ties, at zero
    layer = nn.MaxPool2d(*options[:4], ceil_mode=options[-1] is True)

    def both() -> tuple[Tensor, Tensor]:
        out = layer(x)
        return out, torch.autograd.grad((out * torch.arange(out.numel()).view_as(out)).sum(), x)[0]

    plain = both()
    with borrowed(layer, ghosts=False):
        hasten(layer)
        assert layer(x).grad_fn.name() == "_PoolBackward"      # it does go the other way
        found = both()
    assert layer(x).grad_fn.name().startswith("MaxPool2D")
    assert torch.equal(found[0], plain[0]) and torch.equal(found[1], plain[1])
    assert found[0].is_contiguous() and found[1].is_contiguous()


def test_what_it_does_not_serve_is_left_alone() -> None:
    x = torch.randn(2, 16, 8, 8)
    layer, both = nn.MaxPool2d(2), nn.MaxPool2d(2, return_indices=True)
    hasten(layer)
    hasten(both)
    assert layer(x[:, :3].clone().requires_grad_()).grad_fn.name().startswith("MaxPool2D")
    assert torch.equal(both(x)[1], F.max_pool2d(x, 2, return_indices=True)[1])
    assert torch.equal(torch.vmap(layer)(x[:, None])[:, 0], F.max_pool2d(x, 2))


def nodes_before(end: Tensor) -> set[Any]:
    found: set[Any] = set()
    stack = [end.grad_fn]
    while stack:
        node = stack.pop()
        if node is not None and node not in found:
            found.add(node)
            stack += [before for before, _ in node.next_functions]
    return found


@pytest.mark.parametrize("asked", [True, False])
def test_attention_multiplies_all_tokens_at_once_and_its_weights_are_as_before(asked: bool) -> None:
    """A weight that asks for no gradient makes PyTorch multiply token by token, of a batch that comes first."""
    model = nn.TransformerEncoderLayer(32, 4, batch_first=True).eval().requires_grad_(asked)
    x = torch.randn(3, 7, 32)
    with Subject(model, (x,), target=lambda y: y.sum((1, 2))) as subject:
        subject.grad = True
        result, leaf = subject.base.result, subject.base.leaves["/in:src"]
        made = {node.name() for node in nodes_before(result)}
        found = torch.autograd.grad(result.sum(), leaf)[0]
    leaf = x.clone().requires_grad_()
    assert torch.allclose(found, torch.autograd.grad(model(leaf).sum(), leaf)[0], atol=1e-6)
    assert not any(name.startswith("Bmm") for name in made), made
    assert all(p.requires_grad is asked for p in model.parameters())
    assert not model.self_attn._forward_pre_hooks
