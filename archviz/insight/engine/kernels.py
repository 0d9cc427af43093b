"""Layers on a processor, by the kernels that are fast there.

In: a borrowed, frozen model.  Out: the same, which gives the same numbers in less time.

PyTorch's kernel of max pooling takes three to six times as long for channels first as for channels last, changes of
layout counted in; its backward pass takes longer for channels last.  So each goes its own way; convolutions stay as
they are.

A product with a weight whose left side is transposed, as in `torch.nn.MultiheadAttention` with its batch first, is one
for each token and not one for all where the weight asks for no gradient (``should_fold`` in ATen), which takes twice
the time.
"""
from __future__ import annotations

from functools import partial, update_wrapper
from typing import Any

import torch
from torch import Tensor, nn

_LEAST = 16     # channels; of fewer the other kernel fills no vectors


class _Pool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, *options: Any) -> Tensor:
        last = x.contiguous(memory_format=torch.channels_last)
        out, places = torch.ops.aten.max_pool2d_with_indices(last, *options)
        ctx.options = options
        ctx.save_for_backward(x, places.contiguous())
        return out.contiguous()  # type: ignore[no-any-return]

    @staticmethod
    def backward(ctx: Any, *came: Tensor) -> Any:
        x, places = ctx.saved_tensors
        back = torch.ops.aten.max_pool2d_with_indices_backward(came[0].contiguous(), x, *ctx.options, places)
        return (back, *[None] * len(ctx.options))


def hasten(model: nn.Module) -> None:
    """From now on its layers take the faster way, which `borrowed` and `frozen` take away again.

    Pooling gets a ``forward`` of its own, as a mode that sees functions too would cost a small model more than it
    saves; the weights of attention ask for a gradient where what they are multiplied with does.
    """
    for module in model.modules():
        if type(module) is nn.MaxPool2d and not module.return_indices and "forward" not in vars(module):
            module.forward = update_wrapper(partial(_pooled, module), nn.MaxPool2d.forward)  # type: ignore[method-assign]
        elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
            module.register_forward_pre_hook(_folded)


def _folded(layer: nn.MultiheadAttention, args: tuple[Any, ...]) -> None:
    weight = layer.in_proj_weight
    if args and weight.is_leaf:
        weight.requires_grad_(torch.is_grad_enabled() and args[0].requires_grad)


def _pooled(layer: nn.MaxPool2d, x: Tensor) -> Tensor:
    if not _serves(x):
        return nn.MaxPool2d.forward(layer, x)  # type: ignore[no-any-return]
    size = _pair(layer.kernel_size)
    options = (size, _pair(layer.stride) or size, _pair(layer.padding), _pair(layer.dilation), layer.ceil_mode)
    return _Pool.apply(x, *options)  # type: ignore[no-any-return, no-untyped-call]


def _serves(x: Any) -> bool:
    return (type(x) is Tensor and x.dim() == 4 and x.dtype is torch.float32 and x.device.type == "cpu"
            and x.shape[1] >= _LEAST and x.is_contiguous()
            and torch._C._functorch.peek_interpreter_stack() is None)     # no vmap, whose tensors are wrapped


def _pair(size: Any) -> list[int]:
    return [] if size is None else [size] * 2 if isinstance(size, int) else list(size) * (2 // max(len(size), 1))
