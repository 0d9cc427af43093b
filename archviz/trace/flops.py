"""Counting FLOPs, also of operations that `torch.utils.flop_counter` does not know yet.

In: nothing.  Out: a context, and in it a counter of what runs.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from archviz.trace.fake import without_compiler

Shape = tuple[int, ...]


@contextmanager
def counted() -> Iterator[FlopCounterMode]:
    """A counter of the FLOPs of what runs meanwhile."""
    counter = FlopCounterMode(display=False, custom_mapping=_formulas())
    with counter, without_compiler(getattr(counter, "mode", counter)):
        # Its hooks serve counts per module, which nobody reads here, and break models that use gradients.
        counter.mod_tracker.__exit__()  # type: ignore[no-untyped-call]
        yield counter


@cache
def _formulas() -> dict[Any, Callable[..., int]]:
    """Attention and recurrent layers on the CPU, counted as elsewhere, and grouped products (mixtures of experts)."""
    aten = torch.ops.aten
    counters: dict[Any, Callable[..., int]] = {}
    for name, formula in (("_scaled_dot_product_flash_attention_for_cpu", _attention), ("_grouped_mm", _grouped),
                          ("mkldnn_rnn_layer", _recurrent)):
        if hasattr(aten, name):
            counters[getattr(aten, name)] = formula
    return counters


def _attention(query: Shape, key: Shape, value: Shape, *args: Any, **kwargs: Any) -> int:
    batch, heads, length, dim = query
    return 2 * batch * heads * length * key[2] * (dim + value[3])


def _grouped(a: Shape, b: Shape, *args: Any, **kwargs: Any) -> int:
    rows = a[0] if len(a) == 2 else a[0] * a[1]
    return 2 * rows * a[-1] * b[-1]


def _recurrent(x: Shape, weight_in: Shape, weight_hidden: Shape, *args: Any, **kwargs: Any) -> int:
    return 2 * x[0] * x[1] * (weight_in[0] * weight_in[1] + weight_hidden[0] * weight_hidden[1])
