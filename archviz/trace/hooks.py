"""Where calls are seen: those of modules through hooks, those of functions through a mode that can look away.

In: what PyTorch calls.  Out: `Lookout`, which `archviz.trace.recorder.Recorder` is one of.
"""
from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode, _get_current_function_mode, _pop_mode, _push_mode

from archviz.core.graph import NodeId


class Lookout(TorchFunctionMode):
    """A mode with hooks on every module call; what they do is for a class of its own to say."""

    away = False

    def _before(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        raise NotImplementedError

    def _after(self, module: nn.Module, args: Any, *rest: Any) -> Any:
        raise NotImplementedError

    @contextmanager
    def hooked(self) -> Iterator[Lookout]:
        """While it lasts, what runs is seen; everything is as it was afterwards."""
        before = register_module_forward_pre_hook(self._before)
        after = register_module_forward_hook(self._after, always_call=True, **NAMED_TOO)
        try:
            with self:
                try:
                    yield self
                finally:
                    self.look(True)
        finally:
            before.remove()
            after.remove()

    def look(self, on: bool) -> None:
        """See functions, or not: what a leaf module does inside is its own, what is done here is ours, and both are
        faster while nobody looks."""
        if on and self.away:
            _push_mode(self)  # type: ignore[no-untyped-call]
        elif on or self.away or _get_current_function_mode() is not self:  # type: ignore[no-untyped-call]
            return      # another mode was put over this one, which cannot be taken out from under it
        else:
            _pop_mode()  # type: ignore[no-untyped-call]
        self.away = not on


@contextmanager
def quiet() -> Iterator[None]:
    """The run as it is meant: no fused fast path that hides the insides of attention, nothing compiled."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


MODULE_FILE = nn.Module.__call__.__code__.co_filename
CALLING = frozenset({MODULE_FILE, inspect.getfile(GraphModule)})
"""Where a call of a module is under way and its forward has not begun: a `torch.fx.GraphModule` wraps its calls."""
Group = tuple[NodeId, str, str]
"""A composite function that is under way: its id, its name, its kind."""
NAMED_TOO: dict[str, Any] = (
    {"with_kwargs": True} if "with_kwargs" in inspect.signature(register_module_forward_hook).parameters else {})
"""What makes a global hook see keyword arguments; the first releases of torch 2 cannot (2.4 cannot, 2.13 can)."""


def named_arguments_above(code: FrameType | None) -> Mapping[str, Any]:
    """The keyword arguments of the module call that runs the hook called from `code`, for a torch that does not say."""
    while code is not None and code.f_code.co_filename == MODULE_FILE:
        if "kwargs" in code.f_locals:
            arguments: Mapping[str, Any] = code.f_locals["kwargs"]
            return arguments
        code = code.f_back
    return {}


class Frame:
    """A module call that is under way; `code` is the Python frame it runs in, once that was seen.

    A method other than forward that is called on another module has a frame too, which only `code` knows.
    """

    __slots__ = ("args", "code", "counts", "group", "id", "inner", "leaf", "module", "scope")

    def __init__(self, module: nn.Module, id: NodeId, scope: tuple[NodeId, ...], leaf: bool, code: FrameType | None,
                 group: Group | None, args: tuple[Any, ...]) -> None:
        self.args = args
        self.module, self.id, self.scope, self.leaf, self.code, self.group = module, id, scope, leaf, code, group
        self.inner = (*scope, id) if id else scope
        self.counts: Counter[str] = Counter()
