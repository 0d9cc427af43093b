"""What a call took, while it runs: a watcher that knows the tensors behind the references of the tape.

In: calls as they happen.  Out: `Operands`; `sources_of`, which says what every call was made of.
"""
from __future__ import annotations

from collections.abc import Collection
from typing import Any
from weakref import ref as weak

from torch import Tensor

from archviz.core.graph import NodeId
from archviz.trace.tape import Path, Ref, Tape, mapped
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
        found = self.alive[ref.call, ref.path]()
        if found is None:
            raise LookupError(ref)
        return found

    def filled(self, value: Any) -> Any:
        """Arguments as the call took them, with tensors in the place of references."""
        return mapped(value, self.tensor, Ref)


def sources_of(tape: Tape, sources: Collection[NodeId]) -> list[frozenset[NodeId]]:
    """For every call of `tape`, which of `sources` (inputs, or the nodes of embeddings) what it gave is made of."""
    found: list[frozenset[NodeId]] = []
    for call in tape.calls:
        above = frozenset().union(*(found[ref.call] for ref in call.operands()))
        found.append(above | {call.node} if call.node in sources else above)
    return found
