"""Max pooling goes another way through memory on a processor, and gives the same numbers."""
from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archviz.methods._kernels import pool_fast
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
        pool_fast(layer)
        assert layer(x).grad_fn.name() == "_PoolBackward"      # it does go the other way
        found = both()
    assert layer(x).grad_fn.name().startswith("MaxPool2D")
    assert torch.equal(found[0], plain[0]) and torch.equal(found[1], plain[1])
    assert found[0].is_contiguous() and found[1].is_contiguous()


def test_what_it_does_not_serve_is_left_alone() -> None:
    x = torch.randn(2, 16, 8, 8)
    layer, both = nn.MaxPool2d(2), nn.MaxPool2d(2, return_indices=True)
    pool_fast(layer)
    pool_fast(both)
    assert layer(x[:, :3].clone().requires_grad_()).grad_fn.name().startswith("MaxPool2D")
    assert torch.equal(both(x)[1], F.max_pool2d(x, 2, return_indices=True)[1])
    assert torch.equal(torch.vmap(layer)(x[:, None])[:, 0], F.max_pool2d(x, 2))
