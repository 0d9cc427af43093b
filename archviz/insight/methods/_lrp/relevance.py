"""Relevance, swept backwards over a run: one rule for each call, every share accounted for.

In: a `Snapshot`, relevance at some of its tensors, a `Policy` (which rule where).  Out: `Relevance`: that of nodes and
edges, what reached the sources, what biases and stabilisers absorbed, and how far each cut is from conserving.

What is carried is not the relevance R of a value x but its quotient g = R/x (the modified gradient: Samek et al. 2021,
"Explaining deep neural networks and beyond", section III), for which sums, views, averages and every linear map are
plain transposes, exact also where x = 0.  Rules that give a value relevance whatever it is (flat, w², zᴮ) carry R
itself beside it.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.snapshot import Program, Snapshot
from archviz.insight.methods._lrp.step import LAYERS, Policy, Share, Step, exact, find_rule, times
from archviz.trace.kinds import kind_of_function
from archviz.trace.tape import Ref, tensors

_MIXED = 1e-4       # the conservation check's tolerance


class Unclear(Exception):
    """It cannot be said which axis of a tensor counts the samples."""


@dataclass
class Relevance:
    """What one sweep found; vectors have one number for each sample.

    due         the relevance at the start
    shares      call of a source → its relevance
    kept        the same for other tensors, where asked
    scores      node → the relevance of what it gave
    flows       (source node, destination node) → the relevance that runs along that edge
    absorbed    node → what ended there: in biases, constants, stabilisers
    excess      node → what its call gave and absorbed beyond what it got; in the order of the sweep
    softened    the softmax at the end that relevance started before, if so
    """

    due: Tensor
    shares: dict[int, Share] = field(default_factory=dict)
    kept: dict[Ref, Tensor] = field(default_factory=dict)
    scores: dict[NodeId, Tensor] = field(default_factory=dict)
    flows: dict[tuple[NodeId, NodeId], Tensor] = field(default_factory=dict)
    absorbed: dict[NodeId, Tensor] = field(default_factory=dict)
    excess: list[tuple[NodeId, Tensor]] = field(default_factory=list)
    softened: NodeId | None = None

    @property
    def error(self) -> Tensor:
        """(N,): how far the worst cut is off what is due, relative to that."""
        return self._cuts().abs().amax(0) / self.due.abs().clamp_min(torch.finfo(self.due.dtype).tiny)

    @property
    def mixed(self) -> bool:
        """Whether a cut conserves over all samples but not for each: then some tensor's axis was taken for another."""
        if len(self.due) == 1:
            return False
        cuts, due = self._cuts(), self.due.abs()
        wrong = (cuts.abs() > _MIXED * due) & (cuts.abs() > _MIXED / 10 * due.max())    # beyond rounding
        return bool((wrong.any(1) & (cuts.sum(1).abs() < cuts.abs().amax(1) / 10)).any())

    def _cuts(self) -> Tensor:
        """(cuts, N): what each holds beyond what is due."""
        rows = [amount for _, amount in self.excess] or [torch.zeros_like(self.due)]
        return torch.stack(rows).cumsum(0)


class Sweep:
    """One way back over a snapshot.

    sources, inputs   the calls whose output relevance is meant to reach, and which of them a first layer is one after
    n, axis           how many samples there are, and which axis counts them where it is not the first
    policy            how to share
    within            the call that this run is the inside of; then nothing is counted but what is absorbed
    """

    def __init__(self, snapshot: Snapshot, sources: Iterable[int], inputs: Iterable[int], n: int, axis: int,
                 policy: Policy, within: Step | None = None) -> None:
        self.snapshot, self.policy, self.within, self.n, self.axis = snapshot, policy, within, n, axis
        self.sources = frozenset(sources)
        self.live = self._live()
        self.first = self._first(frozenset(inputs))
        self.merged: dict[int, tuple[Tensor, Tensor, Tensor]] = {}     # a layer that a batch norm is merged into
        self.levels: dict[int, float] = {}
        self.tail: set[int] = set()     # calls with nothing but views between them and the start
        self._pending: dict[int, dict[Ref, Share]] = {}
        self._amounts: dict[int, Tensor] = {}
        self._scratch: Tensor | None = None

    def _live(self) -> list[bool]:
        """Which calls give numbers that depend on a source."""
        live: list[bool] = []
        for number, call in enumerate(self.snapshot.tape.calls):
            real = any(spec.dtype.startswith(("float", "bfloat", "complex")) for spec in call.out.values())
            made = call.module is None and kind_of_function(call.op) == "constant" and not call.wrote   # zeros_like(x)
            live.append(number in self.sources or real and not made and any(live[ref.call] for ref in call.operands()))
        return live

    def _first(self, inputs: frozenset[int]) -> list[bool]:
        """Which calls read an input with no layer between."""
        behind: list[bool] = []
        first: list[bool] = []
        for number, call in enumerate(self.snapshot.tape.calls):
            first.append(not any(behind[ref.call] for ref in call.operands()))
            behind.append(self.live[number] and number not in inputs and (
                number in self.sources or call.op in LAYERS or not first[-1]))
        return first

    def per_sample(self, tensor: Tensor) -> Tensor:
        """(N,): the sum over all axes but that of the samples.  Raises `Unclear` where none counts them."""
        if self.n == 1:
            return tensor.sum().reshape(1)
        if tensor.dim() > self.axis and tensor.shape[self.axis] == self.n:
            return tensor.movedim(self.axis, 0).flatten(1).sum(1) if tensor.dim() > 1 else tensor
        if tensor.dim() and tensor.shape[0] and tensor.shape[0] % self.n == 0:
            return tensor.reshape(self.n, -1).sum(1)
        raise Unclear

    def amount(self, ref: Ref, share: Share) -> Tensor:
        """(N,): the relevance of a share of `ref`."""
        total = share.amount
        if total is not None:
            return total
        if share.g is not None:
            x = exact(self.snapshot.values[ref])
            total = self.per_sample(self._times(x, share.g))
            if not bool(total.isfinite().all()):
                total = self.per_sample(times(x, share.g))
        if share.r is not None:
            more = self.per_sample(share.r)
            total = more if total is None else total + more
        assert total is not None
        return total

    def _times(self, x: Tensor, g: Tensor) -> Tensor:
        """x · g, to be summed at once: always in the same memory, as fresh pages cost more than the product."""
        if self._scratch is None or self._scratch.numel() < g.numel() or self._scratch.dtype != g.dtype:
            self._scratch = torch.empty(g.numel(), dtype=g.dtype, device=g.device)
        return torch.mul(x, g, out=self._scratch[:g.numel()].view(g.shape)) if x.shape == g.shape else x * g

    def run(self, starts: Mapping[Ref, Share], keep: Iterable[Ref] = ()) -> Relevance:
        """Sweep from `starts` to the sources, keeping that of `keep`; `ArchvizError` where no rule leads on."""
        swept, keep, calls = Relevance(torch.zeros(self.n)), frozenset(keep), self.snapshot.tape.calls
        amounts = {ref: self._send(ref, share) for ref, share in starts.items()}
        if self.within is None:
            swept.due = torch.stack([*amounts.values()]).sum(0)
            for ref, part in amounts.items():
                _count(swept.scores, calls[ref.call].node, part)
            for call in calls:
                for ref in call.operands() if call.how == "output" else ():
                    if ref in amounts:
                        _count(swept.flows, (calls[ref.call].node, call.node), amounts[ref])
        self.tail = {ref.call for ref in starts}
        for number in range(len(calls) - 1, -1, -1):
            arrived, amount = self._pending.pop(number, {}), self._amounts.pop(number, None)
            if not arrived:
                continue
            for ref in keep.intersection(arrived):
                swept.kept[ref] = arrived[ref].relevance(exact(self.snapshot.values[ref]))
            if number in self.sources:
                swept.shares[number] = arrived[Ref(number)]
                continue
            self._pass(number, arrived, amount, swept)
        if self.within is None:
            _finite(swept)
        return swept

    def _pass(self, number: int, arrived: dict[Ref, Share], amount: Tensor | None, swept: Relevance) -> None:
        """Share what arrived at one call among its operands."""
        call = self.snapshot.tape.calls[number]
        step = Step(self, number, amount)
        for ref, share in arrived.items():
            step.take(ref, share)
        if not self.live[number]:
            step.lost.extend([] if amount is None else [amount])
        elif step.got:
            (find_rule(call, self.policy.others) or Step.inside)(step)
        sent = []
        for ref, share in step.shares.items():
            sent.append(part := self._send(ref, share))
            source = self.snapshot.tape.calls[ref.call].node
            if self.within is None and source != call.node:
                _count(swept.flows, (source, call.node), part)
                _count(swept.scores, source, part)
        if step.lost:
            _count(swept.absorbed, call.node, torch.stack(step.lost).sum(0))
        if self.within is not None:
            return
        assert amount is not None
        spent = torch.stack([torch.zeros_like(amount), *sent, *step.lost]).sum(0)
        if step.before_softmax:
            swept.due, swept.softened = swept.due + spent - amount, call.node
            swept.scores[call.node] = spent
        else:
            swept.excess.append((call.node, spent - amount))

    def _send(self, ref: Ref, share: Share) -> Tensor:
        """Put a share where its call will find it; how much it is."""
        self._pending.setdefault(ref.call, {}).setdefault(ref, Share()).add(share)
        if self.within is not None:
            return torch.zeros(0)
        amount = self.amount(ref, share)
        _count(self._amounts, ref.call, amount)
        return amount

    def inside(self, step: Step, function: Callable[..., Any], first: bool = False) -> None:
        """Share the relevance of a call by the rules of the plain operations that `function` does the same with; where
        `first`, with the samples on the first axis."""
        operands = step.call.operands()
        snapshot = Snapshot(Program(function), [step.value(ref) for ref in operands], {})
        inputs = [n for n, call in enumerate(snapshot.tape.calls) if call.how == "input"]
        sources = {n: ref for n, ref in zip(inputs, operands, strict=True) if self.live[ref.call]}
        way_in = sources if self.first[step.number] else ()
        sweep = Sweep(snapshot, sources, way_in, self.n, 0 if first else self.axis, self.policy, step)
        starts: dict[Ref, Share] = {}
        for (path, _), (ref, tensor) in zip(tensors(snapshot.result), snapshot.outputs, strict=True):
            if path in step.got:
                step.rounded(path, tensor)
                starts[ref] = step.got[path]
        swept = sweep.run(starts)
        step.lost.extend(swept.absorbed.values())
        for n, share in swept.shares.items():
            step.give(sources[n], share.g, share.r)


def _count(totals: dict[Any, Tensor], key: Any, amount: Tensor) -> None:
    totals[key] = totals[key] + amount if key in totals else amount


def _finite(swept: Relevance) -> None:
    """Raise for the first node, on the way back, whose relevance is not finite."""
    named = [*swept.scores.items()]
    good = torch.stack([amount for _, amount in named]).isfinite().all(1).tolist()
    bad = next((name for (name, _), fine in zip(named, good, strict=True) if not fine), None)
    if bad is not None:
        raise ArchvizError(f"relevance is not finite from {bad} on",
                           "the model gives NaN or infinite numbers, or a rule divides by 0: try a larger epsilon")
