"""Results known from shapes alone are what PyTorch gives: shape, layout and type, operation by operation."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from archviz.trace import fake_shapes

M = torch.device("meta")


def empty(*size: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.empty(*size, dtype=dtype, device=M)


class Compare(TorchDispatchMode):
    """Run every operation both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.known: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        ours = fake_shapes.shortcut(func, args, kwargs)
        theirs = func(*args, **kwargs)
        if ours is not None:
            self.known.append(func.overloadpacket.__name__)
            for a, b in zip(*[r if isinstance(r, tuple) else (r,) for r in (ours, theirs)], strict=True):
                assert (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device), func
                if a.numel():
                    assert a.stride() == b.stride(), func
        return theirs


x4, x3, x2 = empty(2, 8, 9, 7), empty(2, 5, 8), empty(5, 8)
turned = empty(2, 5, 8).transpose(1, 2)
last = empty(2, 9, 7, 8).permute(0, 3, 1, 2)
gaps = empty(2, 8, 9, 7)[:, :, 3]

CASES: dict[str, Callable[[], Any]] = {
    "conv": lambda: F.conv2d(x4, empty(6, 4, 3, 3), empty(6), stride=2, padding=(1, 2), dilation=(2, 1), groups=2),
    "conv1d": lambda: F.conv1d(x3, empty(4, 5, 3), padding=1),
    "conv3d": lambda: F.conv3d(empty(1, 2, 5, 6, 7), empty(4, 2, 3, 3, 3), stride=2),
    "upconv": lambda: F.conv_transpose2d(x4, empty(8, 3, 3, 3), stride=2, padding=1, output_padding=1, groups=2),
    "conv of another layout": lambda: F.conv2d(last, empty(6, 8, 3, 3)),
    "max_pool": lambda: F.max_pool2d(x4, 3, 2, 1),
    "max_pool rounded up": lambda: (F.max_pool2d(x4, 2, 2, ceil_mode=True), F.max_pool2d(x4, 2, 3, 1, ceil_mode=True)),
    "avg_pool": lambda: (F.avg_pool2d(x4, (3, 2)), F.avg_pool2d(x4, 2, 2, ceil_mode=True)),
    "adaptive": lambda: (F.adaptive_avg_pool2d(x4, 1), F.adaptive_avg_pool2d(x4, (3, 2))),
    "batch_norm": lambda: torch.ops.aten._native_batch_norm_legit_no_training(
        x4, empty(8), empty(8), empty(8), empty(8), 0.1, 1e-5),
    "layer_norm": lambda: (F.layer_norm(x3, (8,), empty(8), empty(8)), F.layer_norm(turned, (8, 5))),
    "linear": lambda: (F.linear(x2, empty(3, 8), empty(3)), F.linear(x3, empty(3, 8), empty(3)), x2 @ empty(8, 2)),
    "bmm": lambda: torch.bmm(x3, turned),
    "act": lambda: [f(t) for f in (F.relu, F.gelu, F.silu, torch.tanh, F.hardswish, F.leaky_relu)
                    for t in (x4, turned, last, gaps, gaps.mT)],
    "in place": lambda: (empty(3).relu_(), empty(3).normal_(), empty(3).add_(1), empty(3, 4).mul_(empty(4))),
    "binary": lambda: (x3 + x3, x3 * empty(8), empty(8) * x3, x3 - 1, x3 / empty(5, 1),
                       x3 + empty(2, 1, 1), turned + x3.mT),
    "binary of two types": lambda: (x3 + x3.half(), x3 * torch.ones((), device=M, dtype=torch.int64),
                                    x3 + empty(1, 5, 8).double()),
    "with gaps": lambda: (gaps + gaps, gaps * empty(7), gaps.mT - 1, gaps.mT * gaps.mT.clone(), gaps[:, ::2].exp()),
    "broadcast both ways": lambda: empty(3, 1) + empty(1, 4),
    "expanded": lambda: empty(3, 1).expand(3, 4) + empty(3, 4),
    "whole numbers": lambda: (empty(3, dtype=torch.int64).tanh(), empty(3, dtype=torch.int64) / 2),
    "cat": lambda: (torch.cat([x3, x3], -1), torch.cat([x3, empty(2, 1, 8)], 1), torch.stack([x3, x3], 1),
                    torch.cat([turned, turned])),
    "mean": lambda: (x3.mean(-1, keepdim=True), x4.mean((2, 3)), x3.mean(1), x3.mean()),
    "softmax": lambda: (x3.softmax(-1), x3.half().softmax(-1, dtype=torch.float32), turned.softmax(1)),
    "embedding": lambda: F.embedding(empty(2, 3, dtype=torch.int64), empty(10, 4)),
    "clone": lambda: (turned.clone(), turned.contiguous(), x4.clone(memory_format=torch.channels_last)),
    "power": lambda: (x3.pow(2), x3**0.5, turned.rsqrt(), x3.clamp(min=0), x3.tril(), x3.neg()),
}


@pytest.mark.parametrize("case", CASES)
def test_known_results_are_those_of_pytorch(case: str) -> None:
    with Compare(), torch.no_grad():
        CASES[case]()


def test_most_of_a_network_is_known() -> None:
    with Compare() as compare, torch.no_grad():
        F.relu(F.layer_norm(F.conv2d(x4, empty(8, 8, 3, 3), padding=1), (7,)) + x4)
    assert compare.known == ["convolution", "native_layer_norm", "add", "relu"]


def test_what_does_not_fit_is_left_for_pytorch_to_word() -> None:
    wrongs: list[Callable[[], Any]] = [
        lambda: F.conv2d(x4, empty(6, 3, 3, 3)), lambda: F.linear(x2, empty(3, 7)), lambda: torch.cat([x3, x2])]
    for wrong in wrongs:
        with pytest.raises(RuntimeError), Compare():
            wrong()
