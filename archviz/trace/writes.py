"""What a call writes into: in-place operations, told before they run and after.

In: a function and its arguments.  Out: tensors.  May import torch, tape.
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
    first = tensors(args[:1]) if in_place(name) or _said_inplace(func, args, kwargs) else []
    return [tensor for _, tensor in (*first, *out)]


def _said_inplace(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Whether `inplace` is among the arguments, by name or by place, as in ``F.relu(x, True)``."""
    if "inplace" in kwargs:
        return bool(kwargs["inplace"])
    code = getattr(func, "__code__", None)
    names = code.co_varnames[:code.co_argcount] if code is not None else ()
    at = names.index("inplace") if "inplace" in names else len(args)
    return at < len(args) and bool(args[at])


def version(tensor: torch.Tensor) -> int:
    try:
        return int(tensor._version)
    except RuntimeError:  # inference tensors do not count
        return 0
