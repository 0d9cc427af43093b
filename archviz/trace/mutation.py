"""What a call writes into: in-place operations, told before they run and after.

In: a function and its arguments.  Out: tensors.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from archviz.trace.tape import tensors


def in_place(name: str) -> bool:
    """Whether a function of this name writes into its first argument."""
    if name.startswith("__"):
        return name == "__setitem__" or name.startswith("__i") and name not in ("__invert__", "__index__", "__int__")
    return name.endswith("_")


def may_write(func: Callable[..., Any], name: str, args: Sequence[Any], kwargs: Mapping[str, Any],
               ) -> list[torch.Tensor]:
    """The arguments that this call of a function may write into."""
    out = tensors(kwargs["out"]) if "out" in kwargs else []
    writes = in_place(name) or _said("inplace", func, args, kwargs, False)
    if writes and "dropout" in name and not _said("training", func, args, kwargs, True):
        writes = False
    return [tensor for _, tensor in (*(tensors(args[:1]) if writes else ()), *out)]


def _said(what: str, func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any], default: bool) -> bool:
    """The argument of this name, given by name or by place, as in ``F.relu(x, True)``."""
    if what in kwargs:
        return bool(kwargs[what])
    code = getattr(func, "__code__", None)
    names = code.co_varnames[:code.co_argcount] if code is not None else ()
    at = names.index(what) if what in names else len(args)
    return bool(args[at]) if at < len(args) else default


def version(tensor: torch.Tensor) -> int:
    try:
        return int(tensor._version)
    except RuntimeError:  # inference tensors do not count
        return 0
