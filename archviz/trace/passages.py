"""Where PyTorch hands values on past the mode that watches: each such place is watched by itself.

In: what is to be told of a call.  Out: while the context lasts, these calls are told as well:

- ``torch.vmap`` wraps what it maps over, and unwraps what comes out, below every public function;
- a `torch.autograd.Function` is one operation, whatever its ``forward`` does;
- a nested tensor is made of others by a function that copies them;
- ``torch.compile`` within a forward (``torch.cond`` and ``flex_attention`` begin with it) gives way to the code itself,
  and ``torch.cond`` runs both of its ways.
"""
from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from types import FrameType
from typing import Any

import torch
from torch import nn

Tell = Callable[[Callable[..., Any], str, tuple[Any, ...], dict[str, Any], FrameType], Any]
"""What is to call ``func(*args, **kwargs)`` under a name, in a Python frame."""

WRAPPING = ("_add_batch_dim", "_remove_batch_dim", "_vmap_increment_nesting", "_vmap_decrement_nesting")


@contextmanager
def watched(tell: Tell) -> Iterator[None]:
    """While it lasts, `tell` makes the calls that no mode sees."""
    with ExitStack() as stack:
        vmap = sys.modules.get("torch._functorch.vmap")
        for name in WRAPPING:
            if hasattr(vmap, name):
                stack.enter_context(_put(vmap, name, _told(getattr(vmap, name), tell)))
        for name in ("nested_tensor", "as_nested_tensor"):
            stack.enter_context(_put(torch.nested, name, _told(getattr(torch.nested, name), tell)))
        stack.enter_context(_put(torch.autograd.Function, "apply", _as_one(tell)))
        stack.enter_context(_uncompiled())
        yield


@contextmanager
def _put(owner: Any, name: str, value: Any) -> Iterator[None]:
    before = vars(owner)[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _told(func: Callable[..., Any], tell: Tell) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return tell(func, func.__name__, args, kwargs, sys._getframe(1))
    return call


def _as_one(tell: Tell) -> Any:
    """The ``apply`` of every autograd function: one call, but of PyTorch's own, and of those that run modules."""
    apply = torch.autograd.Function.__dict__["apply"].__func__

    def call(cls: Any, *args: Any, **kwargs: Any) -> Any:
        def alone(*args: Any, **kwargs: Any) -> Any:
            result = apply(cls, *args, **kwargs)
            # what it only hands through is its own all the same
            return result.view_as(result) if any(result is arg for arg in args) else result
        if cls.__module__.startswith("torch.") or any(isinstance(arg, nn.Module) or callable(arg) for arg in args):
            return apply(cls, *args, **kwargs)
        return tell(alone, cls.__name__, args, kwargs, sys._getframe(1))
    return classmethod(call)


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Code in place of what would be compiled from it."""
    def same(model: Any = None, **options: Any) -> Any:
        return (lambda code: code) if model is None else model
    with _put(torch, "compile", same), ExitStack() as stack:
        stance = getattr(torch.compiler, "set_stance", None)     # torch 2.6 has it
        if stance is not None and "torch._dynamo" in sys.modules:
            stack.enter_context(stance("force_eager"))
        yield


def both_ways(pred: torch.Tensor, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any) -> Any:
    """``torch.cond`` as data flows through it: what either way gives, and what chooses."""
    from torch.utils._pytree import tree_map

    return tree_map(lambda one, other: torch.where(pred, one, other), true_fn(*operands), false_fn(*operands))


def _attention(*args: Any, **kwargs: Any) -> Any:
    """``flex_attention`` as matrix products, with what its functions do to the scores."""
    home = import_module("torch._higher_order_ops.flex_attention")      # the package has an operator of that name
    return home.math_attention(*args, **kwargs)


HIGHER: dict[str, Callable[..., Any]] = {"cond": both_ways, "flex_attention": _attention}
"""Operators that call functions → the same in plain operations."""
