"""Integrated gradients: the gradient along the straight way from a baseline to the input, times that way.

Sundararajan, Taly, Yan: Axiomatic attribution for deep networks, ICML 2017, equation 1.  The parts sum to
f(x) − f(baseline): completeness, the check of every map.
"""
from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.methods._baselines import Baseline, baselines
from archviz.insight.results.attribution import Attribution, Check

TITLE = "Integrated gradients"
GRAD = True

_TOLERANCE = 1e-3       # how complete a map is meant to be, where the user does not say
_NEAR = 1e-2            # part of the way within which the model is said to jump at the baseline
_SUDDEN = 0.25          # part of the difference that is a jump, if it lies so near the baseline


def attribute(subject: Subject, *, steps: int = 50, baseline: Baseline = "zero", tolerance: float | None = None,
              most: int = 1600, seed: int = 0, first: int = 0) -> list[Attribution]:
    """The integrated gradient, summed over channels, one map for each target.

    Parameters
    ----------
    steps : int
        Points of the way at which the gradient is taken.
    baseline
        Where the way begins; see `archviz.insight.methods._baselines.Baseline`.
    tolerance : float, optional
        Refine until the map sums to f(x) − f(baseline) to this part: twice the steps, for the samples that need it.
    most : int
        Steps at which refining ends; the check then says what is missing.
    seed : int
        Of a random baseline, which depends on it and on the number of the sample.
    first : int
        The number of the batch's first sample, for one that is explained in parts.
    """
    if steps < 1:
        raise ArchvizError(f"ig: steps={steps}", "at least one step")
    subject.step(f"integrated gradients, {steps} steps")
    points = shared.points(subject)
    start, origin = baselines(subject, points, baseline, seed, first)
    begin = _at(subject, start)
    end = subject.scores(subject.base).detach()
    due = end - begin
    # Below this nobody knows what is due: the model's own rounding.
    least = torch.finfo(next(iter(points.values())).dtype).eps * (end.abs() + begin.abs()) + 1e-12
    way = {name: points[name].float() - start[name].float() for name in points}
    samples = torch.arange(subject.n, device=subject.device)
    by_target = integrated(subject, samples, steps, start, way)
    taken = torch.full_like(samples, steps)
    off = missing(by_target, due, least)
    while tolerance is not None and steps < most:
        samples = torch.nonzero((off > tolerance).any(0))[:, 0]
        if not len(samples):
            break
        steps = min(2 * steps, most)
        subject.step(f"integrated gradients, {steps} steps for {len(samples)} of {subject.n} samples")
        for one, finer in zip(by_target, integrated(subject, samples, steps, start, way), strict=True):
            for name in one:
                one[name][samples] = finer[name]
        taken[samples] = steps
        off = missing(by_target, due, least)
    jump = None if bool((off <= (tolerance or _TOLERANCE)).all()) else _jump(subject, start, way, begin, due, least)
    result = []
    for number, maps in enumerate(by_target):
        worst = float(off[number].max())
        whole = shared.over_all(maps) / due[number]
        kept = Check("completeness", worst, f"sums to {float(whole[off[number].argmax()]):.4g} of f(x) − f(baseline)",
                     tolerance if tolerance is not None else _TOLERANCE)
        result.append(shared.attribution(
            subject, number, "ig", TITLE, {name: maps[name] for name in maps}, unit="part of f(x) − f(baseline)",
            checks=(kept,), notes=(f"baseline: {origin}", f"{int(taken.max())} steps",
                                   *([] if kept.kept or jump is None else [
                                       _advice(float(jump[number].max()), origin, tolerance, steps)]),
                                   *shared.joined_notes(subject, maps, "sum"))))
    return result


def _at(subject: Subject, place: Mapping[NodeId, Tensor]) -> Tensor:
    """(targets, N): what the targets are with the sources exchanged."""
    with torch.no_grad():
        return subject.scores(subject.run(replace={
            name: one.movedim(0, subject.batch.axis) for name, one in place.items()}))


def _jump(subject: Subject, start: Mapping[NodeId, Tensor], way: Mapping[NodeId, Tensor], begin: Tensor, due: Tensor,
          least: Tensor) -> Tensor:
    """(targets, N): the part of what is due, or of more than that, by which the targets change on the first of the way.

    A model without biases whose norms divide by the size of what they read gives nothing at zero, and as much as ever
    right beside it, which hardly any number of steps finds.
    """
    near = _at(subject, {name: (start[name].float() + _NEAR * one).to(start[name].dtype) for name, one in way.items()})
    return (near - begin).abs() / torch.maximum(due.abs(), least)


def _advice(jump: float, origin: str, tolerance: float | None, steps: int) -> str:
    """What the user can do about a map that is not complete."""
    if jump > _SUDDEN:
        other = "mean" if origin != "mean" else "random"
        return (f"incomplete, as the model jumps at the baseline {origin}: {jump:.0%} of the difference within "
                f"{_NEAR:.0%} of the way; say baseline={other!r} or another")
    if tolerance is None:
        return "incomplete: more steps, or tolerance=1e-3, would refine it"
    return f"incomplete: refining ended at most={steps} steps; raise it, or say another baseline"


def integrated(subject: Subject, samples: Tensor, steps: int, start: Mapping[NodeId, Tensor],
               way: Mapping[NodeId, Tensor]) -> list[dict[NodeId, Tensor]]:
    """The maps of `samples` for each target, by Gauss-Legendre quadrature with `steps` points.

    Of the rules that were measured (trapezoid, midpoint, Riemann) it alone is exact to 1e-6 with 8 points on an LSTM
    and on BERT, where the trapezoid is 2e-3 to 6e-3 off, and 3e-6 against 0.1 with 64 on a ViT; on ReLU networks, whose
    gradient jumps, none is better than another.
    """
    at, weights = (torch.from_numpy((one / 2).astype(np.float32)) for one in np.polynomial.legendre.leggauss(steps))
    at = (at + 0.5).to(subject.device)

    def along(rows: Tensor, copies: Tensor) -> dict[NodeId, Tensor]:
        return {name: (start[name][rows].float() + at[copies].view(-1, *[1] * (one.dim() - 1)) * one[rows]
                       ).to(start[name].dtype) for name, one in way.items()}

    means, _ = shared.summed(subject, samples, weights, along)
    return [shared.sums(subject, {name: mean * way[name][samples] for name, mean in one.items()}) for one in means]


def missing(by_target: list[dict[NodeId, Tensor]], due: Tensor, least: Tensor) -> Tensor:
    """(targets, N): how far the maps' sums are from what is due, relative to it or to the least that is of any size."""
    sums = torch.stack([shared.over_all(maps) for maps in by_target]).to(due.device)
    return (sums - due).abs() / torch.maximum(due.abs(), least)
