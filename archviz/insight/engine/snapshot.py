"""One run of a model, kept whole: what ran, and every value as it was when it was read.

In: a `Subject` and some of its samples, or a small program of plain operations.  Out: `Snapshot`.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archviz.core.graph import NodeId
from archviz.insight.engine.subject import Run, Subject
from archviz.trace.recorder import watching
from archviz.trace.tape import Ref, Tape, tensors
from archviz.trace.watcher import Watcher


class TooMuch(MemoryError):
    """A run takes more memory than it may."""


class Snapshot(Watcher):
    """A run in which nothing is lost: what is written in place is copied before.

    tape      what ran
    values    `Ref` → the tensor, with the values it had from then until the next write into it
    strided   `Ref` → the sizes, strides and offset of that tensor in its memory, by which what was written through a
              view is found again
    before    `Ref` that a write made → the one that stood for the same tensor until then
    readers   call → the calls that read what it gave
    named     a node, or a module call that contains others → what stands for what it gave
    result    what the run returned
    """

    def __init__(self, model: nn.Module, args: Sequence[Any], kwargs: dict[str, Any], limit: int | None = None) -> None:
        """Call the model, without gradients.  Raises `TooMuch` beyond `limit` bytes."""
        self.limit = limit
        self.result: Any = None
        with torch.no_grad(), watching(model, self):
            model(*args, **kwargs)

    def begin(self, tape: Tape) -> None:
        self.tape = tape
        self.bytes = 0
        self.values: dict[Ref, Tensor] = {}
        self.strided: dict[Ref, tuple[torch.Size, tuple[int, ...], Any]] = {}
        self.before: dict[Ref, Ref] = {}
        self.readers: dict[int, list[int]] = {}
        self.named: dict[NodeId, Ref] = {}
        self._stored: dict[int, set[Ref]] = {}      # address of a memory → what lies in it
        self._latest: dict[int, Ref] = {}           # id of a tensor, which the recorder keeps → what stands for it now

    def write(self, tensor: Tensor) -> None:
        for ref in self._stored.pop(tensor.untyped_storage().data_ptr(), ()):
            self.values[ref] = self.values[ref].clone()

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        call = self.tape.calls[ref.call]
        earlier = self._latest.get(id(tensor))
        if earlier is not None and earlier.call != ref.call:
            self.before[ref] = earlier
        self._latest[id(tensor)] = ref
        self.values[ref] = tensor
        self.strided[ref] = (tensor.shape, tensor.stride(), tensor.storage_offset())
        storage = tensor.untyped_storage()
        there = self._stored.setdefault(storage.data_ptr(), set())
        if not there and call.how != "parameter":
            self.bytes += storage.nbytes()
            if self.limit is not None and self.bytes > self.limit:
                raise TooMuch
        there.add(ref)
        if ref.made is None and call.how not in ("parameter", "constant"):
            self.named[call.node] = ref

    def left(self, module: NodeId, output: Any) -> None:
        ref = next((self._latest[id(tensor)] for _, tensor in tensors(output) if id(tensor) in self._latest), None)
        if ref is not None:
            self.named[module] = ref

    def end(self, result: Any) -> None:
        self.result = result
        for number, call in enumerate(self.tape.calls):
            for ref in call.operands():
                self.readers.setdefault(ref.call, []).append(number)
        self._stored.clear()
        self._latest.clear()

    def run(self, rows: Tensor) -> Run:
        """The same as a `Run`, for targets to be read from."""
        return Run(self.result, rows, self.tape, values={name: self.values[ref] for name, ref in self.named.items()})

    @property
    def outputs(self) -> list[tuple[Ref, Tensor]]:
        """What stands for each tensor that the run returned, in their order."""
        refs = [call.operands()[0] for call in self.tape.calls if call.how == "output"]
        return [(ref, tensor) for ref, (_, tensor) in zip(refs, tensors(self.result), strict=True)]


def snapshot_of(subject: Subject, rows: Tensor, limit: int | None = None) -> Snapshot:
    """The model at work on some of its samples."""
    batch = subject.batch.take(rows)       # a copy, as a model may write into its input
    return Snapshot(subject.model, batch.args, dict(batch.kwargs), limit)


class Program(nn.Module):
    """A function of tensors as a module, so that the recorder can watch it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


