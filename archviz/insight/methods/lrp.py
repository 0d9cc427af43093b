"""LRP: the target's value, handed back layer by layer until it lies on the input (Bach et al. 2015).

In: a `Subject`.  Out: relevance of the input, of every node and along every edge of the figure, checked at every cut.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.snapshot import Snapshot, TooMuch, snapshot_of
from archviz.insight.engine.subject import Run, Subject
from archviz.insight.engine.target import Target
from archviz.insight.inputs.memory import ran_out
from archviz.insight.methods._lrp import composites, decompose, rules_linear, rules_mix  # noqa: F401  (rules list themselves)
from archviz.insight.methods._lrp.composites import Composite
from archviz.insight.methods._lrp.relevance import Relevance, Sweep, Unclear
from archviz.insight.methods._lrp.step import RULES, Policy, Share, Step, StepRule, exact
from archviz.insight.results.attribution import Array, Attribution, Check
from archviz.trace.tape import Ref

TITLE = "LRP"

_OTHERS: dict[Any, StepRule] = {}


def register_rule(op: str | type[nn.Module] | Callable[..., Any], rule: str | Callable[[Step], Any]) -> None:
    """Say how LRP shares the relevance of an operation it has no rule for, or share it in another way.

    Parameters
    ----------
    op : str, class of nn.Module, or function
        The name of a function as error messages spell it (``"erf"``), the function itself, or a class of modules.
    rule : str or callable
        The name of an operation that shares in the same way (``"relu"``: unchanged, ``"mean"``: linear,
        ``"mul"``: a product, ``"reshape"``: values move), or a function of the `Step`, which returns the relevance of
        each tensor among the arguments (None: none), or a single one.  ``step.value(ref) for ref in
        step.call.operands()`` are their values, ``step.out`` is what the call gave, ``step.relevance`` its relevance.

    Raises
    ------
    ArchvizError
        For a name that no operation with a rule has.

    Examples
    --------
    >>> register_rule(Snake, "relu")
    >>> register_rule("my_gate", lambda step: (step.relevance, None))
    """
    if isinstance(rule, str):
        if rule not in RULES:
            raise ArchvizError(f"no operation named {rule!r} has a rule", "say relu, mean, mul, reshape, or a function")
        _OTHERS[op] = RULES[rule]
        return
    function = rule

    def treat(step: Step) -> None:
        relevance = function(step)
        shares = relevance if isinstance(relevance, Sequence) else (relevance,)
        for ref, share in zip(step.call.operands(), shares, strict=True):
            step.give(ref, r=share)
        step.absorb(step.relevance - step.relevance)

    _OTHERS[op] = treat


def wants(subject: Subject, **options: Any) -> Iterable[NodeId]:
    """No values, but that the first run is kept whole, so that no second one is needed."""
    subject.ahead = partial(_ahead, subject)
    return ()


def _ahead(subject: Subject) -> Run | None:
    rows = torch.arange(subject.n, device=subject.device)
    try:
        snapshot = subject.kept[Snapshot] = snapshot_of(subject, rows, subject.budget // 2)
    except TooMuch:
        return None
    return snapshot.run(rows)


def attribute(subject: Subject, *, composite: Composite = "epsilon-plus-flat", epsilon: float = 1e-6,
              gamma: float = 0.25, low: float | Sequence[float] | None = None,
              high: float | Sequence[float] | None = None, nodes: str | Iterable[str] = (), attention: str = "constant",
              gates: str = "half") -> list[Attribution]:
    """Layer-wise relevance propagation.

    Of each attribution ``inputs`` sum over channels (features, for tokens), ``scores`` and ``flows`` over all values;
    the checks are conservation (over all cuts, absorbed parts counted in) and the kept fraction.  Raises `ArchvizError`
    for an operation without a rule (`register_rule` adds one), and relevance that is not finite.

    Parameters
    ----------
    composite : str or Mapping
        Which rule where: a name (`archviz.insight.methods._lrp.composites.COMPOSITES`), or kinds and globs of nodes →
        rules.
    epsilon, gamma : float
        ε of every rule's stabiliser, γ of the γ rule.
    low, high : float or sequence, optional
        The box of ``"box"`` (zᴮ): bounds of the input, one number or one for each channel; None: those of each image.
    nodes : str or iterable of str
        Globs of the nodes whose maps are kept; ``"all"`` keeps every one.
    attention : {"constant", "softmax"}
        Attention weights held constant (CP-LRP: Ali et al. 2022), or sharing by the softmax's Taylor expansion with
        products split ½–½ (AttnLRP: Achtibat et al. 2024).
    gates : {"half", "signal"}
        Products of a signal and an activation (SwiGLU) split ½–½, or the signal takes all (Arras et al. 2019).
    """
    return _Propagation(subject, _policy(composite, epsilon, gamma, low, high, attention, gates), nodes).done()


def _policy(composite: Composite, epsilon: float, gamma: float, low: Any, high: Any, attention: str, gates: str,
            ) -> Policy:
    for value, name, words in ((attention, "attention", ("constant", "softmax")), (gates, "gates", ("half", "signal"))):
        if value not in words:
            raise ArchvizError(f"{name}: {value!r} is unknown", f"say {' or '.join(words)}")
    name, rule = composites.composite(composite, epsilon=epsilon, gamma=gamma, low=low, high=high)
    return Policy(name, rule, attention, gates, _OTHERS)


class _Propagation:
    """One batch, chunk by chunk."""

    def __init__(self, subject: Subject, policy: Policy, nodes: str | Iterable[str]) -> None:
        self.subject, self.policy, self.nodes = subject, policy, "*" if nodes == "all" else nodes

    def done(self) -> list[Attribution]:
        """Everything; in one go where memory allows and it is clear of every tensor which axis counts the samples."""
        subject, chunks, at, size = self.subject, [], 0, self.subject.n
        while at < subject.n:
            rows = torch.arange(at, min(at + size, subject.n), device=subject.device)
            try:
                chunks.append(self._chunk(rows))
                at += len(rows)
            except Unclear:
                size = 1
            except (MemoryError, RuntimeError) as error:
                if not ran_out(error):
                    raise
                if len(rows) == 1:
                    raise ArchvizError(f"LRP of one sample does not fit in {subject.budget / 2 ** 20:.3g} MiB",
                                       "it keeps every value of a run: give it more memory, or a smaller input"
                                       ) from error
                size = len(rows) // 2
        return [self._joined(target, [chunk[i] for chunk in chunks]) for i, target in enumerate(subject.targets)]

    def _chunk(self, rows: Tensor) -> list[dict[str, Any]]:
        subject = self.subject
        whole = len(rows) == subject.n
        if whole and subject.ahead is None:
            wants(subject)
        if whole and not subject.wanted and not subject.grad:
            _ = subject.base        # which is kept whole, unless it ran before
        snapshot = subject.kept.get(Snapshot) if whole else None
        snapshot = snapshot or snapshot_of(subject, rows, subject.budget // 2)
        run = snapshot.run(rows)
        calls = snapshot.tape.calls
        sources = {n: call.node for n, call in enumerate(calls) if call.node in subject.sources and call.how not in (
            "parameter", "constant")}
        inputs = [n for n in sources if calls[n].how == "input"]
        asked = subject.matching(self.nodes) if self.nodes else ()
        keep = {snapshot.named[name]: name for name in asked if name in snapshot.named}
        subject.step("propagate relevance")
        results = []
        for target in subject.targets:
            sweep = Sweep(snapshot, sources, inputs, len(rows), subject.batch.axis, self.policy)
            swept = sweep.run(_starts(target, snapshot, run), keep)
            if swept.mixed:
                raise Unclear
            results.append(self._numbers(snapshot, swept, sources, keep) | {"output": target.read(run)})
        return results

    def _numbers(self, snapshot: Snapshot, swept: Relevance, sources: Mapping[int, NodeId], keep: Mapping[Ref, NodeId],
                 ) -> dict[str, Any]:
        """What a caption and a figure need of a sweep, as tensors with samples first."""
        axis = self.subject.batch.axis
        inputs: dict[NodeId, Tensor] = {}
        shown: dict[NodeId, Tensor] = {}
        for n, name in sources.items():
            call, value = snapshot.tape.calls[n], exact(snapshot.values[Ref(n)])
            share = swept.shares.get(n)
            relevance = (torch.zeros_like(value) if share is None else share.relevance(value)).movedim(axis, 0)
            embeds = call.how != "input"
            inputs[name] = relevance.sum(-1) if embeds else relevance.sum(1) if relevance.dim() > 3 else relevance
            seen = snapshot.values[call.operands()[0]] if embeds else snapshot.values[Ref(n)]
            shown[name] = seen.movedim(axis, 0) if seen.dim() > axis else seen
        maps = {keep[ref]: relevance if relevance.dim() > 3 or relevance.dim() < 3 else relevance.sum(-1)
                for ref, relevance in swept.kept.items()}
        arrived = torch.stack([one.flatten(1).sum(1) if one.dim() > 1 else one for one in inputs.values()]).sum(0)
        return {"inputs": inputs, "shown": shown, "maps": maps, "scores": swept.scores, "flows": swept.flows,
                "due": swept.due, "arrived": arrived, "error": swept.error, "softened": swept.softened}

    def _joined(self, target: Target, chunks: Sequence[Mapping[str, Any]]) -> Attribution:
        def arrays(name: str) -> dict[Any, Array]:
            return {key: _array([chunk[name][key] for chunk in chunks]) for key in chunks[0][name]}

        due, arrived, output, error = (_array([chunk[name] for chunk in chunks])
                                       for name in ("due", "arrived", "output", "error"))
        softened = chunks[0]["softened"]
        notes = [f"composite {self.policy.name}"]
        if softened:
            notes.append(f"relevance starts at the logits, before {softened}")
        elif np.abs(due - output).max() > 1e-3 * np.abs(output).max():
            notes.append("relevance starts from the gradient of the target at the model's result")
        worst, kept = float(error.max()), arrived / np.where(due == 0, 1, due)
        part = 100 * float(kept.mean())
        rest = f", {_part(100 - part)} ends in biases" if part < 99.95 else (
            f": biases take {_part(part - 100)} from it" if part > 100.05 else "")
        checks = (Check("conservation", worst, f"each cut holds the target's value to {worst:.0e}", 1e-4),
                  Check("kept", float(np.abs(1 - kept).max()), f"{_part(part)} of it reaches the input{rest}",
                        float("inf")))
        return Attribution("lrp", TITLE, target.name, due if softened else output, arrays("inputs"), arrays("shown"),
                           arrays("maps"), arrays("scores"), arrays("flows"), True, "relevance", checks, tuple(notes))


def _part(percent: float) -> str:
    return f"{percent:.1f}".replace("-", "−").removesuffix(".0") + " %"


def _starts(target: Target, snapshot: Snapshot, run: Run) -> dict[Ref, Share]:
    """The target's gradient at what the run gave: times the values, the relevance that is to be shared."""
    ends = {ref: tensor for ref, tensor in snapshot.outputs if tensor.is_floating_point()}
    if target.node is not None:
        ends = {snapshot.named[target.node]: run.value(target.node)}
    try:
        for tensor in ends.values():
            tensor.requires_grad_()
        with torch.enable_grad():
            value = target.read(run)
            grads = torch.autograd.grad(value.sum(), [*ends.values()], allow_unused=True) if value.requires_grad else ()
    finally:
        for tensor in ends.values():
            tensor.requires_grad_(False)
    starts = {ref: Share(exact(grad)) for ref, grad in zip(ends, grads, strict=False) if grad is not None}
    if not starts:
        raise ArchvizError(f"relevance: target {target.name} does not depend on what the model returns by its values",
                           "give a class, a unit, or a function of the result that has a gradient")
    return starts


def _array(parts: Sequence[Tensor]) -> Array:
    return np.concatenate([exact(part.detach()).cpu().numpy() for part in parts])
