"""A run kept whole, and its calls again with other values.

In: a subject and a sample.  Out: `Base`, all that was computed for it; `again`, one call with other operands; `tail`,
the last calls over many rows.  May import torch, trace, ir, the rest of this folder.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from archviz.ir import NodeId
from archviz.methods._subject import Given, Subject
from archviz.trace.record import watching
from archviz.trace.tape import Call, Ref, Tape, tensors
from archviz.trace.watch import Watcher


class Unable(Exception):
    """A tape cannot serve for what is wanted; whoever asked goes another way.  The message says why."""


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


def filled(value: Any, put: Callable[[Ref], Any]) -> Any:
    """Arguments as they stand on a tape, with what `put` gives for every `Ref`."""
    if isinstance(value, Ref):
        return put(value)
    if isinstance(value, (tuple, list)):
        return type(value)(filled(item, put) for item in value)
    if isinstance(value, dict):
        return {key: filled(item, put) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(filled(value.start, put), filled(value.stop, put), filled(value.step, put))
    return value


def again(call: Call, put: Callable[[Ref], Any]) -> Any:
    """What `call` gives for the operands that `put` gives."""
    args, kwargs = filled(call.args, put), filled(dict(call.kwargs), put)
    if call.how == "module":
        assert call.module is not None
        return call.module(*args, **kwargs)
    if call.how == "method":
        found = getattr(args[0], call.target)(*args[1:], **kwargs)
    elif call.how == "attribute":
        found = getattr(args[0], call.target)
    else:
        found = call.target(*args, **kwargs)
    return args[0] if call.silent else found


def writes(call: Call) -> bool:
    """Whether it changes an operand."""
    return bool(call.wrote) or bool(getattr(call.module, "inplace", False))


def parts(call: Call, number: int, output: Any) -> dict[Ref, Tensor]:
    """What a call gave, by what stands for it."""
    found = {Ref(number, path): tensor for path, tensor in tensors(output)}
    if set(found) != {Ref(number, path) for path in call.out}:
        raise Unable(f"{call.id} gave something else than before")
    return found


def needed(tape: Tape, start: int, ends: Iterable[Ref]) -> list[int]:
    """The calls, in order, through which the source `start` acts on `ends`.

    Raises `Unable` where one reads what was written through a view.
    """
    acted = {start}
    for number in range(start + 1, len(tape.calls)):
        if any(ref.call in acted for ref in tape.calls[number].operands()):
            acted.add(number)
    wanted = {ref.call for ref in ends}
    for number in range(len(tape.calls) - 1, start, -1):
        if number in wanted and number in acted:
            call = tape.calls[number]
            if any(ref.made for ref in call.operands()):
                raise Unable(f"{call.id} reads what was written through a view")
            wanted |= {ref.call for ref in call.operands()}
    return sorted((wanted & acted) - {start})


def tail(base: Base, numbers: Sequence[int], cut: Sequence[Ref], ends: Sequence[Ref],
         ) -> Callable[[Sequence[Tensor]], list[Tensor]]:
    """The calls `numbers` over many rows at once: the values of `cut`, rows before their own shapes → those of `ends`.

    Each row is a run of its own under `torch.vmap`, so that sizes which the tape holds stay true.
    """
    def one(given: Sequence[Tensor]) -> list[Tensor]:
        values = dict(zip(cut, given, strict=True))

        def put(ref: Ref) -> Tensor:
            return values[ref] if ref in values else base.values[ref]

        for number in numbers:
            call = base.tape.calls[number]
            values.update(parts(call, number, again(call, put)))
        return [put(ref) for ref in ends]

    return torch.vmap(one)
