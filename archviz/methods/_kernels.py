"""Max pooling on a processor, in the layout of memory that its kernel is fast in.

In: nothing.  Out: `Kernels`, a mode: while it lasts, max pooling of images gives the same numbers in less time.
May import torch.

PyTorch's kernel takes three to six times as long for channels first as for channels last, changes of layout counted
in; its backward pass takes longer for channels last.  So each goes its own way; convolutions stay as they are.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

_NAMES = ("kernel_size", "stride", "padding", "dilation", "ceil_mode", "return_indices")
_LEAST = 16
"""Channels; of fewer the other kernel fills no vectors."""


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


class Kernels(TorchFunctionMode):
    """While it lasts, images whose channels come first are pooled as if they came last."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        if func is not F.max_pool2d and func is not torch.max_pool2d or not args or not _serves(args[0]):
            return func(*args, **kwargs)
        said: dict[str, Any] = {"stride": None, "padding": 0, "dilation": 1, "ceil_mode": False,
                                "return_indices": False, **dict(zip(_NAMES, args[1:], strict=False)), **kwargs}
        if said.keys() != set(_NAMES) or said["return_indices"]:
            return func(*args, **kwargs)
        size = _pair(said["kernel_size"])
        options = (size, _pair(said["stride"]) or size, _pair(said["padding"]), _pair(said["dilation"]),
                   said["ceil_mode"])
        return _Pool.apply(args[0], *options)  # type: ignore[no-untyped-call]


def _serves(x: Any) -> bool:
    return (type(x) is Tensor and x.dim() == 4 and x.dtype is torch.float32 and x.device.type == "cpu"
            and x.shape[1] >= _LEAST and x.is_contiguous()
            and torch._C._functorch.peek_interpreter_stack() is None)     # no vmap, whose tensors are wrapped


def _pair(given: Any) -> list[int]:
    return [] if given is None else [given] * 2 if isinstance(given, int) else list(given) * (2 // max(len(given), 1))
