"""One run of a model, kept whole: what ran, and every value as it was when it was read.

In: a `Subject` and some of its samples, or a small program of plain operations.  Out: `Film`.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archviz.core.graph import NodeId
from archviz.insight.engine.subject import Given, Run, Subject
from archviz.trace.recorder import watching
from archviz.trace.tape import Ref, Tape, tensors
from archviz.trace.watcher import Watcher

Place = tuple[torch.Size, tuple[int, ...], Any]
"""Where a tensor lies in its memory: sizes, strides, offset."""


class TooMuch(Exception):
    """A run takes more memory than it may."""


class Film(Watcher):
    """A run in which nothing is lost: what is written in place is copied before.

    Attributes
    ----------
    tape : Tape
        What ran.
    values : dict
        `Ref` → the tensor, with the values it had from then until the next write into it.
    places : dict
        `Ref` → where that tensor lay in memory, by which what was written through a view is found again.
    before : dict
        `Ref` that a write made → the one that stood for the same tensor until then.
    readers : dict
        Call → the calls that read what it gave.
    named : dict
        A node, or a module call that contains others → what stands for what it gave.
    result, given
        What the run returned, and what the model was called with.
    """

    def __init__(self, limit: int | None = None) -> None:
        self.limit = limit
        self._reset(Tape())
        self.result: Any = None
        self.given: Given | None = None

    def _reset(self, tape: Tape) -> None:
        self.tape = tape
        self.bytes = 0
        self.values: dict[Ref, Tensor] = {}
        self.places: dict[Ref, Place] = {}
        self.before: dict[Ref, Ref] = {}
        self.readers: dict[int, list[int]] = {}
        self.named: dict[NodeId, Ref] = {}
        self._stored: dict[int, set[Ref]] = {}
        self._known: dict[int, Ref] = {}        # id of a tensor, which the recorder keeps → what stands for it now

    def begin(self, tape: Tape) -> None:
        self._reset(tape)

    def write(self, tensor: Tensor) -> None:
        for ref in self._stored.pop(tensor.untyped_storage().data_ptr(), ()):
            self.values[ref] = self.values[ref].clone()

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        earlier = self._known.get(id(tensor))
        if earlier is not None and earlier.call != ref.call:
            self.before[ref] = earlier
        self._known[id(tensor)] = ref
        self.values[ref] = tensor
        self.places[ref] = (tensor.shape, tensor.stride(), tensor.storage_offset())
        storage = tensor.untyped_storage()
        there = self._stored.setdefault(storage.data_ptr(), set())
        if not there and self.tape.calls[ref.call].how != "parameter":
            self.bytes += storage.nbytes()
            if self.limit is not None and self.bytes > self.limit:
                raise TooMuch
        there.add(ref)
        if ref.made is None and self.tape.calls[ref.call].how not in ("parameter", "constant"):
            self.named[self.tape.calls[ref.call].node] = ref

    def left(self, module: NodeId, output: Any) -> None:
        found = [self._known[id(tensor)] for _, tensor in tensors(output) if id(tensor) in self._known]
        if found:
            self.named[module] = found[0]

    def end(self, result: Any) -> None:
        self.result = result
        for number, call in enumerate(self.tape.calls):
            for ref in call.operands():
                self.readers.setdefault(ref.call, []).append(number)
        self._stored.clear()
        self._known.clear()

    def run(self, rows: Tensor) -> Run:
        """The same as a `Run`, for targets to be read from."""
        return Run(self.result, rows, self.tape, values={name: self.values[ref] for name, ref in self.named.items()})

    @property
    def outputs(self) -> list[tuple[Ref, Tensor]]:
        """What stands for each tensor that the run returned, in their order."""
        refs = [call.operands()[0] for call in self.tape.calls if call.how == "output"]
        return [(ref, tensor) for ref, (_, tensor) in zip(refs, tensors(self.result), strict=True)]


def film_of(subject: Subject, rows: Tensor, limit: int | None = None) -> Film:
    """The model at work on some of its samples, without gradients.  Raises `TooMuch` beyond `limit` bytes."""
    film = Film(limit)
    film.given = subject.given.take(rows)       # a copy, as a model may write into its input
    with torch.no_grad(), watching(subject.model, film):
        subject.model(*film.given.args, **film.given.kwargs)
    return film


class _Program(nn.Module):
    """A function of tensors as a module, so that the recorder can watch it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, *args: Any) -> Any:
        return self.function(*args)


def film_of_program(function: Callable[..., Any], args: Sequence[Any]) -> Film:
    """What `function` does with `args` in plain operations."""
    film = Film()
    program = _Program(function)
    with torch.no_grad(), watching(program, film):
        program(*args)
    return film


class Base(Watcher):
    """All values of one run, as they were when they were given, by what stands for them on the tape.

    values    ref → tensor
    nodes     id of a node or module call → the ref of what it gave
    result    what the model returned
    """

    def __init__(self, subject: Subject, given: Given) -> None:
        self.tape = Tape()
        self.values: dict[Ref, Tensor] = {}
        self.nodes: dict[NodeId, Ref] = {}
        self.result: Any = None
        self.refs: dict[int, Ref] = {}
        self.stored: dict[int, set[Ref]] = {}
        with torch.no_grad(), watching(subject.model, self):
            self.result = subject.model(*given.args, **given.kwargs)
        self.refs.clear()
        self.stored.clear()

    def begin(self, tape: Tape) -> None:
        self.tape = tape

    def write(self, tensor: Tensor) -> None:
        for ref in self.stored.pop(tensor.untyped_storage().data_ptr(), ()):
            self.values[ref] = self.values[ref].clone()

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        self.values[ref] = tensor
        self.refs[id(tensor)] = ref
        self.nodes[self.tape.calls[ref.call].node] = ref
        self.stored.setdefault(tensor.untyped_storage().data_ptr(), set()).add(ref)

    def left(self, module: NodeId, output: Any) -> None:
        for _, tensor in tensors(output)[:1]:
            if id(tensor) in self.refs:
                self.nodes[module] = self.refs[id(tensor)]
