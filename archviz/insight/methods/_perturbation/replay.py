"""The calls of a run again, with other values.

In: a `Snapshot`.  Out: `again`, one call with other operands; `tail`, the last calls over many rows.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from archviz.insight.engine.snapshot import Snapshot
from archviz.trace.tape import Call, Ref, Tape, mapped, tensors


class Unable(Exception):
    """A tape cannot serve for what is wanted; whoever asked goes another way.  The message says why."""


def again(call: Call, put: Callable[[Ref], Any]) -> Any:
    """What `call` gives for the operands that `put` gives."""
    args, kwargs = mapped((call.args, dict(call.kwargs)), put, Ref)
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


def tail(base: Snapshot, numbers: Sequence[int], cut: Sequence[Ref], ends: Sequence[Ref],
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
