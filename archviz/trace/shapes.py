"""Results of common operations on tensors without values, known from shapes alone.

In: an ATen operation and its arguments, tensors on the meta device.  Out: what PyTorch's own rules would give, many
times faster: those rules are Python and answer much that nobody asks here.  None where this file has no rule.
May import torch only.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

META = torch.device("meta")

_IN_PLACE = frozenset({
    "normal_", "uniform_", "zero_", "fill_", "clamp_", "clamp_min_", "sigmoid_", "tanh_", "relu_", "silu_",
    "hardswish_", "hardtanh_", "leaky_relu_", "elu_", "exponential_", "bernoulli_", "erfinv_", "log_normal_"})
_LIKE_FIRST = frozenset({
    "relu", "gelu", "silu", "sigmoid", "tanh", "hardswish", "hardsigmoid", "hardtanh", "leaky_relu", "elu", "softplus",
    "mish", "neg", "exp", "rsqrt", "sqrt", "sin", "cos", "erf", "log", "tril", "triu", "abs", "square", "reciprocal",
    "clamp", "clamp_min", "_softmax", "_log_softmax", "_safe_softmax"})
_BINARY = frozenset({"add", "sub", "mul", "div"})


def shortcut(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What ``func(*args, **kwargs)`` gives on meta tensors, or None to let PyTorch say."""
    name: str = func.overloadpacket.__name__
    if name in _IN_PLACE:
        return args[0] if not any(isinstance(arg, Tensor) for arg in args[1:]) else None
    first = args[0] if args else None
    if name in _LIKE_FIRST:
        return _like(args[0]) if _plain(first) and not _more(args) else None
    if name in _BINARY:
        return _binary(args, kwargs)
    rule = _RULES.get(name)
    return rule(args, kwargs) if rule is not None else None


def _plain(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and tensor.device == META and tensor.dtype.is_floating_point


def _more(args: tuple[Any, ...]) -> bool:
    return any(isinstance(arg, Tensor) for arg in args[1:]) or torch.float32 in args or torch.float64 in args


def _binary(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """Elementwise operations of two operands of one dtype, one of which has the shape of the result."""
    a, b = args[0], args[1]
    if not _plain(a) or kwargs.get("rounding_mode"):
        return None
    if not isinstance(b, Tensor):
        return _like(a) if isinstance(b, (int, float)) else None
    if not _plain(b) or a.dtype != b.dtype:
        return None
    whole = a if a.shape == b.shape else None
    if whole is None:
        shape = torch.broadcast_shapes(a.shape, b.shape)  # type: ignore[no-untyped-call]
        whole = a if a.shape == shape else b if b.shape == shape else None
    return _like(whole) if whole is not None and 0 not in whole.stride() else None


def _like(tensor: Tensor) -> Tensor:
    """An operand's shape and layout; a layout with gaps or repeats is made dense, as PyTorch does."""
    if tensor.is_contiguous():
        return torch.empty(tensor.shape, dtype=tensor.dtype, device=META)
    return torch.empty_like(tensor)


def _empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=META)


def _batch_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x = args[0]
    return (_like(x), _empty((0,), x), _empty((0,), x)) if _plain(x) else None


def _layer_norm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    x, shape = args[0], args[1]
    if not _plain(x) or tuple(x.shape[x.dim() - len(shape):]) != tuple(shape):
        return None
    moments = (*x.shape[: x.dim() - len(shape)], *([1] * len(shape)))
    return _empty(tuple(x.shape), x), _empty(moments, x), _empty(moments, x)


def _product(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """mm, bmm: the last two shapes multiply."""
    a, b = args[0], args[1]
    if not _plain(a) or not _plain(b) or a.dtype != b.dtype or a.dim() != b.dim() or a.dim() not in (2, 3):
        return None
    if a.shape[-1] != b.shape[-2] or a.shape[:-2] != b.shape[:-2]:
        return None  # PyTorch words the error
    return _empty((*a.shape[:-1], b.shape[-1]), a)


def _addmm(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    result = _product(args[1:], kwargs)
    bias = args[0]
    if result is None or not _plain(bias) or bias.dtype != result.dtype:
        return None
    return result if bias.dim() == 1 and bias.shape[0] == result.shape[1] else None


def _cat(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    tensors, dim = args[0], args[1] if len(args) > 1 else 0
    first = tensors[0]
    if not all(_plain(t) and t.dtype == first.dtype and t.dim() == first.dim() and t.is_contiguous() for t in tensors):
        return None
    dim %= first.dim()
    shape = [t.shape for t in tensors]
    if any(s[:dim] != shape[0][:dim] or s[dim + 1:] != shape[0][dim + 1:] for s in shape):
        return None
    return _empty((*first.shape[:dim], sum(s[dim] for s in shape), *first.shape[dim + 1:]), first)


def _mean(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    x, dims, keep = args[0], args[1] if len(args) > 1 else None, args[2] if len(args) > 2 else False
    if not _plain(x) or not dims or kwargs.get("dtype") is not None or any(not -x.dim() <= d < x.dim() for d in dims):
        return None
    gone = {d % x.dim() for d in dims}
    if keep:
        return _empty(tuple(1 if i in gone else n for i, n in enumerate(x.shape)), x)
    return _empty(tuple(n for i, n in enumerate(x.shape) if i not in gone), x)


def _power(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    return _like(args[0]) if _plain(args[0]) and isinstance(args[1], (int, float)) else None


_RULES: dict[str, Callable[[tuple[Any, ...], Mapping[str, Any]], Any]] = {
    "_native_batch_norm_legit_no_training": _batch_norm, "native_layer_norm": _layer_norm,
    "mm": _product, "bmm": _product, "addmm": _addmm, "cat": _cat, "mean": _mean, "pow": _power,
}
