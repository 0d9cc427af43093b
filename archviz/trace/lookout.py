"""Where calls are seen: those of modules through hooks, those of functions through a mode that can look away.

In: what PyTorch calls.  Out: `Lookout`, which `archviz.trace.record.Recorder` is one of.  May import torch, frames.
"""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook
from torch.overrides import TorchFunctionMode, _get_current_function_mode, _pop_mode, _push_mode

from archviz.trace.frames import NAMED_TOO


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
