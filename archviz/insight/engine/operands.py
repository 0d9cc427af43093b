"""What a call took, while it runs: a watcher that knows the tensors behind the references of the tape.

In: calls as they happen.  Out: `Operands`; what every call was made of; one call again, with other operands.
"""
from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any
from weakref import ref as weak

from torch import Tensor

from archviz.core.graph import NodeId
from archviz.trace.tape import Call, Path, Ref, Tape, mapped
from archviz.trace.watcher import Watcher


class Operands(Watcher):
    """Knows the tensor of every reference that is still alive: the operands of a call are, until it has given."""

    keeps = False

    def __init__(self) -> None:
        self.tape = Tape()
        self.alive: dict[tuple[int, Path], weak[Tensor]] = {}

    def begin(self, tape: Tape) -> None:
        self.tape = tape
        self.alive.clear()

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        self.alive[ref.call, ref.path] = weak(tensor)

    def tensor(self, ref: Ref) -> Tensor:
        """What `ref` stands for.  Raises `LookupError` for a tensor that is gone."""
        tensor = self.alive[ref.call, ref.path]()
        if tensor is None:
            raise LookupError(ref)
        return tensor

    def filled(self, value: Any) -> Any:
        """Arguments as the call took them, with tensors in the place of references."""
        return mapped(value, self.tensor, Ref)


def sources_of(tape: Tape, sources: Collection[NodeId]) -> list[frozenset[NodeId]]:
    """For every call of `tape`, which of `sources` (inputs, or the nodes of embeddings) what it gave is made of."""
    origins: list[frozenset[NodeId]] = []
    for call in tape.calls:
        above = frozenset().union(*(origins[ref.call] for ref in call.operands()))
        origins.append(above | {call.node} if call.node in sources else above)
    return origins


def again(call: Call, put: Callable[[Ref], Any]) -> Any:
    """What `call` gives for the operands that `put` gives."""
    args, kwargs = mapped((call.args, dict(call.kwargs)), put, Ref)
    if call.how == "module":
        assert call.module is not None
        return call.module(*args, **kwargs)
    if call.how == "method":
        output = getattr(args[0], call.target)(*args[1:], **kwargs)
    elif call.how == "attribute":
        output = getattr(args[0], call.target)
    else:
        output = call.target(*args, **kwargs)
    return args[0] if call.silent else output
