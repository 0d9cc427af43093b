"""The first node that gives NaN or infinity: whose fault it is.

In: a model and its inputs.  Out: `NonFinite`, or None.
"""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from archviz.core.graph import NodeId
from archviz.insight.recorder.feeding import Feed
from archviz.trace.borrow import borrowed
from archviz.trace.kinds import kind_of_function
from archviz.trace.recorder import watching
from archviz.trace.tape import Ref, Tape
from archviz.trace.watcher import Watcher

_MASKS = ("mask", "constant", "index")


@dataclass(frozen=True)
class NonFinite:
    """Where numbers go wrong.

    Attributes
    ----------
    node : NodeId
        The first node that gives NaN, or an infinity that the result goes wrong by.
    what : str
        ``"NaN"`` or ``"infinity"``.
    finite_inputs : bool
        Whether everything it was given was finite, its weights included: then the operation itself is at fault.
    weights : tuple of str
        Its weights that are not finite.
    """

    node: NodeId
    what: str
    finite_inputs: bool
    weights: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.node.startswith("/in:"):
            return f"the input {self.node.removeprefix('/in:')} holds {self.what}"
        why = (f", as its {' and '.join(self.weights)} do{'es' if len(self.weights) == 1 else ''}" if self.weights
               else ", of finite inputs" if self.finite_inputs else ", of inputs that are not finite")
        return f"{self.node} is the first to give {self.what}{why}"


def first_nonfinite(model: nn.Module, inputs: Any) -> NonFinite | None:
    """The first node that gives NaN or infinity, or None.

    Infinities that mean something (a mask's −∞ before a softmax) are none: only a NaN anywhere, or a result that is not
    finite, is looked into, and followed back to where it comes from.  The `model` runs once, with `inputs` (a tensor,
    tuple or dict), in evaluation mode, and is afterwards what it was.
    """
    seeker = _Seeker()
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with torch.random.fork_rng(devices=devices), borrowed(model, ghosts=False), torch.inference_mode():
        for batch in Feed(model, inputs).batches(0):
            with watching(model, seeker):
                model(*batch.args, **batch.kwargs)
            break
    return seeker.first()


class _Seeker(Watcher):
    """Keeps for each call whether what it gave holds NaN, or infinities."""

    keeps = False

    def begin(self, tape: Tape) -> None:
        self.tape = tape
        self.states: dict[int, Tensor] = {}

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        if tensor.is_floating_point() and tensor.numel() and tensor.device.type != "meta":
            state = torch.stack([tensor.isnan().any(), tensor.isinf().any()])
            before = self.states.get(ref.call)
            self.states[ref.call] = state if before is None else before | state.to(before.device)

    def first(self) -> NonFinite | None:
        """Follow what is not finite back to who began with it."""
        nan, inf = _flags(self.states)
        calls = self.tape.calls
        source: dict[int, int] = {}     # call → the call that its NaN or infinity comes from
        for number, call in enumerate(calls):
            sources = [source[ref.call] for ref in call.operands() if ref.call in source]
            if number in nan or number in inf:
                weights = call.how == "parameter"
                # Whether an infinity is what the call is there to give: a mask's.
                masks = call.how in ("constant", "attribute") or kind_of_function(call.op) in _MASKS
                if sources:
                    source[number] = sources[0]
                elif number in nan or weights or not masks:
                    source[number] = number
            elif call.how == "output" and sources and any(ref.call in nan | inf for ref in call.operands()):
                source[number] = sources[0]
        result = next((n for n, call in enumerate(calls) if call.how == "output" and n in source), None)
        wrong = min(nan, default=result)
        return None if wrong is None else self._fault(source[wrong], nan | inf, nan)

    def _fault(self, number: int, bad: set[int], nan: set[int]) -> NonFinite:
        call = self.tape.calls[number]
        if call.how == "parameter":     # of a function: who reads it is the node
            reader = next(c for c in self.tape.calls if any(ref.call == number for ref in c.operands()))
            return NonFinite(reader.node, "NaN" if number in nan else "infinity", False, call.weights)
        weights = tuple(name for name in call.weights if not self.tape.parameters[name].detach().isfinite().all())
        clean = not weights and not any(ref.call in bad for ref in call.operands())
        return NonFinite(call.node, "NaN" if number in nan else "infinity", clean, weights)


def _flags(states: dict[int, Tensor]) -> tuple[set[int], set[int]]:
    """The calls that gave NaN, and those that gave infinities."""
    pairs = torch.stack([state.cpu() for state in states.values()]).tolist() if states else []
    flags = list(zip(states, pairs, strict=True))
    return {number for number, (nan, _) in flags if nan}, {number for number, (_, inf) in flags if inf}
