"""Inputs from example values: tensors of the same shapes and types, filled with what a model can take.

In: values.  Out: arguments for a call.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from archviz.core.errors import ArchvizError
from archviz.trace.ladder import Inputs

Shape = tuple[int, ...]
DTYPES = {name: getattr(torch, name) for name in (
    "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 float half double int long").split()}


def from_value(value: Any, note: str) -> Inputs:
    """Example inputs as people write them: a tensor, a tuple or list of arguments, or a dict of named ones."""
    value = on_cpu(value)
    if isinstance(value, Inputs):
        return value
    if isinstance(value, Mapping):
        return Inputs((), dict(value), note)
    if isinstance(value, tuple | list):
        if len(value) == 2 and isinstance(value[0], tuple | list) and isinstance(value[1], dict):
            return Inputs(tuple(value[0]), value[1], note)
        if len(value) > 1 and all(type(one) is int for one in value):
            raise ArchvizError(f"{note or 'the input'} is {len(value)} whole numbers", "write a shape as "
                               f'"{"x".join(map(str, value))}", or give a tensor of it')
        return Inputs(tuple(value), {}, note)
    if isinstance(value, torch.Tensor):
        return Inputs((value,), {}, note)
    raise ArchvizError(f"{note} is a {type(value).__name__}",
                       "it must be a tensor, a tuple of arguments or a dict of named ones")


def on_cpu(value: Any) -> Any:
    """`value`, with tensors that were made on meta (in a constructor) filled with numbers."""
    if isinstance(value, torch.Tensor):
        fake = value.is_meta or type(value) is not torch.Tensor
        return fill(tuple(value.shape), value.dtype) if fake else value.detach()
    if isinstance(value, Mapping):
        return {key: on_cpu(item) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(on_cpu(item) for item in value)
    return value


def fill(shape: Shape, dtype: torch.dtype, name: str = "") -> torch.Tensor:
    """Always the same numbers: a ripple from -1 to 1, zeros for integers (every vocabulary has it), ones for masks."""
    with torch.device("cpu"):
        if dtype is torch.bool or "mask" in name:
            return torch.ones(shape, dtype=dtype)
        if not (dtype.is_floating_point or dtype.is_complex):
            return torch.zeros(shape, dtype=dtype)
        return (torch.arange(math.prod(shape), dtype=torch.float32).remainder(17) / 8 - 1).reshape(shape).to(dtype)
