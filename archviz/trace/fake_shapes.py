"""Results of common operations on tensors without values, known from shapes alone.

In: an ATen operation and its arguments, tensors on the meta device.  Out: what PyTorch's own rules would give, many
times faster: those rules are Python and answer much that nobody asks here.  None where this file has no rule.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    "clamp", "clamp_min"})
_BINARY = frozenset({"add", "sub", "mul", "div"})


def shortcut(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What ``func(*args, **kwargs)`` gives on meta tensors, or None to let PyTorch say."""
    name: str = func.overloadpacket.__name__
    if name in _IN_PLACE:
        return args[0] if not any(isinstance(arg, Tensor) for arg in args[1:]) else None
    if name in _LIKE_FIRST:
        return _same(*args)
    rule = _RULES.get(name.rstrip("_") if name.rstrip("_") in _BINARY else name)
    result = rule(*args, **kwargs) if rule is not None and "out" not in kwargs else None
    return args[0] if result is not None and name.endswith("_") else result


def _plain(tensor: Any) -> bool:
    return isinstance(tensor, Tensor) and tensor.device == META and tensor.dtype.is_floating_point


def _same(x: Any, *others: Any) -> Tensor | None:
    """Elementwise operations of one operand that keep its dtype."""
    more = any(isinstance(arg, Tensor) for arg in others) or torch.float32 in others or torch.float64 in others
    return _like(x) if _plain(x) and not more else None


def _binary(a: Any, b: Any, alpha: Any = 1, *, rounding_mode: str | None = None) -> Tensor | None:
    """Elementwise operations of two operands of one dtype, one of which has the shape of the result."""
    if not _plain(a) or rounding_mode:
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
    if 0 in tensor.stride():
        return torch.empty_like(tensor)
    strides, dense = [0] * tensor.dim(), 1
    for i in sorted(range(tensor.dim()), key=lambda i: (tensor.stride(i), -i)):
        strides[i], dense = dense, dense * max(tensor.shape[i], 1)
    return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=META)


def _empty(shape: tuple[int, ...], like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=META)


def _batch_norm(x: Tensor, *others: Any) -> Any:
    return (_like(x), _empty((x.shape[1],), x), _empty((x.shape[1],), x)) if _plain(x) and x.dim() > 1 else None


def _layer_norm(x: Tensor, shape: Sequence[int], *others: Any) -> Any:
    if not _plain(x) or tuple(x.shape[x.dim() - len(shape):]) != tuple(shape):
        return None
    moments = (*x.shape[: x.dim() - len(shape)], *([1] * len(shape)))
    return _empty(tuple(x.shape), x), _empty(moments, x), _empty(moments, x)


def _product(a: Tensor, b: Tensor, *dtype: Any) -> Tensor | None:
    """mm, bmm: the last two shapes multiply."""
    if dtype or not _plain(a) or not _plain(b) or a.dtype != b.dtype or a.dim() != b.dim() or a.dim() not in (2, 3):
        return None
    if a.shape[-1] != b.shape[-2] or a.shape[:-2] != b.shape[:-2]:
        return None  # PyTorch words the error
    return _empty((*a.shape[:-1], b.shape[-1]), a)


def _addmm(bias: Tensor, a: Tensor, b: Tensor, *dtype: Any, **factors: Any) -> Tensor | None:
    result = _product(a, b, *dtype)
    if result is None or not _plain(bias) or bias.dtype != result.dtype:
        return None
    return result if bias.dim() == 1 and bias.shape[0] == result.shape[1] else None


def _cat(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0]
    if not all(_plain(t) and t.dtype == first.dtype and t.dim() == first.dim() and t.is_contiguous() for t in tensors):
        return None
    dim %= first.dim()
    shape = [t.shape for t in tensors]
    if any(s[:dim] != shape[0][:dim] or s[dim + 1:] != shape[0][dim + 1:] for s in shape):
        return None
    return _empty((*first.shape[:dim], sum(s[dim] for s in shape), *first.shape[dim + 1:]), first)


def _mean(x: Tensor, dims: Sequence[int] | None = None, keep: bool = False, *, dtype: Any = None) -> Tensor | None:
    if not _plain(x) or not dims or dtype is not None or any(not -x.dim() <= d < x.dim() for d in dims):
        return None
    gone = {d % x.dim() for d in dims}
    return _empty(tuple(1 if i in gone else n for i, n in enumerate(x.shape) if keep or i not in gone), x)


def _power(x: Any, exponent: Any) -> Tensor | None:
    return _like(x) if _plain(x) and isinstance(exponent, (int, float)) else None


def _pair(value: Any, n: int) -> tuple[int, ...]:
    return (value,) * n if isinstance(value, int) else tuple(value) * n if len(value) == 1 else tuple(value)


def _convolution(x: Tensor, weight: Tensor, bias: Any, stride: Any, padding: Any, dilation: Any, transposed: bool,
                 more: Any, groups: int) -> Tensor | None:
    n = weight.dim() - 2
    if not _plain(x) or not _plain(weight) or x.dtype != weight.dtype or x.dim() != n + 2:
        return None
    stride, padding, dilation, more = (_pair(value, n) for value in (stride, padding, dilation, more))
    ins, outs = weight.shape[0 if transposed else 1], weight.shape[1 if transposed else 0]
    ins, outs = (ins, outs * groups) if transposed else (ins * groups, outs)
    reach = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if transposed:
        sizes = [(x.shape[i + 2] - 1) * stride[i] - 2 * padding[i] + reach[i] + more[i] + 1 for i in range(n)]
    else:
        sizes = [(x.shape[i + 2] + 2 * padding[i] - reach[i] - 1) // stride[i] + 1 for i in range(n)]
    if x.shape[1] != ins or min(sizes) < 1 or not x.is_contiguous():
        return None
    return _empty((x.shape[0], outs, *sizes), x)


def _max_pool(x: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, dilation: Any = 1, up: bool = False) -> Any:
    values = _avg_pool(x, kernel, stride, padding, up, dilation=dilation)
    return (values, torch.empty(values.shape, dtype=torch.int64, device=META)) if values is not None else None


def _avg_pool(x: Tensor, kernel: Any, stride: Any = None, padding: Any = 0, up: bool = False, *others: Any,
              dilation: Any = 1) -> Tensor | None:
    if not _plain(x) or x.dim() != 4 or not x.is_contiguous():
        return None
    kernel, stride, padding, dilation = (_pair(value, 2) for value in (kernel, stride or kernel, padding, dilation))
    sizes = []
    for i in (0, 1):
        span = x.shape[i + 2] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1
        size = -(-span // stride[i]) + 1 if up else span // stride[i] + 1
        if up and (size - 1) * stride[i] >= x.shape[i + 2] + padding[i]:
            size -= 1  # the last window would start in the padding
        sizes.append(size)
    fits = min(sizes) >= 1 and all(2 * padding[i] <= kernel[i] for i in (0, 1))
    return _empty((*x.shape[:2], *sizes), x) if fits else None


def _adaptive_pool(x: Tensor, size: Sequence[int]) -> Tensor | None:
    fits = _plain(x) and x.dim() == 4 and x.is_contiguous() and min(size) > 0
    return _empty((*x.shape[:2], *size), x) if fits else None


def _softmax(x: Tensor, *others: Any) -> Tensor | None:
    return _same(x, *others) if x.is_contiguous() else None


def _embedding(table: Tensor, indices: Tensor, *others: Any) -> Tensor | None:
    return _empty((*indices.shape, table.shape[1]), table) if _plain(table) and table.dim() == 2 else None


def _stack(tensors: Sequence[Tensor], dim: int = 0) -> Tensor | None:
    first = tensors[0]
    if not all(_plain(t) and t.dtype == first.dtype and t.shape == first.shape for t in tensors):
        return None
    dim %= first.dim() + 1
    return _empty((*first.shape[:dim], len(tensors), *first.shape[dim:]), first)


def _clone(x: Tensor, *, memory_format: Any = None) -> Tensor | None:
    if not _plain(x) or memory_format not in (None, torch.preserve_format, torch.contiguous_format):
        return None
    return _empty(tuple(x.shape), x) if memory_format is torch.contiguous_format else _like(x)


_RULES: dict[str, Callable[..., Any]] = {
    **dict.fromkeys(_BINARY, _binary),
    "_native_batch_norm_legit_no_training": _batch_norm, "native_layer_norm": _layer_norm, "convolution": _convolution,
    "max_pool2d_with_indices": _max_pool, "avg_pool2d": _avg_pool, "_adaptive_avg_pool2d": _adaptive_pool,
    "mm": _product, "bmm": _product, "addmm": _addmm, "cat": _cat, "stack": _stack, "mean": _mean, "pow": _power,
    "_softmax": _softmax, "_log_softmax": _softmax, "_safe_softmax": _softmax, "embedding": _embedding, "clone": _clone,
}
