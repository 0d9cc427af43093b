"""Who looks on while a model runs: the contract between the recorder and what is built on it.

In: calls as they happen.  Out: `Watcher`; `archviz.trace.recorder.watching` shows it the calls that others make.
"""
from __future__ import annotations

from typing import Any
from weakref import ref as weak

import torch

from archviz.core.graph import NodeId
from archviz.trace.tape import Call, Ref, Tape


class Watcher:
    """Looks on while a model runs, and may step in.  Each method does nothing; override what is needed.

    keeps     whether every tensor of a call is kept until the next one, so that no operand is ever lost
    reals     whether calls that read no whole numbers are seen, too; without them little time is taken
    """

    keeps = True
    reals = True

    def begin(self, tape: Tape) -> None:
        """A call of the model begins; what runs will be put on `tape`."""

    def write(self, tensor: torch.Tensor) -> None:
        """`tensor` may be written into next: the last moment to copy what it, or what shares its memory, holds."""

    def gave(self, call: Call, output: Any) -> Any:
        """`call` gave `output`; what is returned takes its place (the same shapes)."""
        return output

    def holds(self, ref: Ref, tensor: torch.Tensor) -> None:
        """From now on `tensor` is what `ref` stands for, until the next `write` into its memory."""

    def left(self, module: NodeId, output: Any) -> None:
        """The call `module` of a module that contains others gave `output`."""

    def end(self, result: Any) -> None:
        """The call of the model gave `result`, and `tape` is whole.  Not called where it raised."""


Held = torch.Tensor | weak[torch.Tensor]
"""A tensor that is kept, or one that others keep."""


def held(one: Held) -> torch.Tensor | None:
    """The tensor, while it is there."""
    return one() if isinstance(one, weak) else one
