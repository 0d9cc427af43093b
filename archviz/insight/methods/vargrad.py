"""VarGrad: how much the gradient varies among copies of the input with noise.

Adebayo, Gilmer, Goodfellow, Kim: Local explanation methods for deep neural networks lack sensitivity to parameter
values, arXiv:1810.03307, 2018.  The copies are SmoothGrad's: asked for together, the two share their passes.
"""
from __future__ import annotations

import torch

from archviz.insight.engine.subject import Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.methods import smoothgrad
from archviz.insight.results.attribution import Attribution

TITLE = "VarGrad"
GRAD = True


def attribute(subject: Subject, *, samples: int = 25, noise: float = 0.15, seed: int = 0, first: int = 0,
              ) -> list[Attribution]:
    """The variance of the gradient over noisy copies, summed over channels or features: one map for each target.

    Parameters
    ----------
    samples : int
        Copies of each input.
    noise, seed, first
        The copies of SmoothGrad: see there.
    """
    both = smoothgrad.moments(subject, TITLE, samples, noise, seed, first)
    result = []
    for number, (mean, square) in enumerate(zip(*both, strict=True)):
        variance = {}
        for name, whole in square.items():
            spread = whole - mean[name].square()
            # what rounding alone leaves of a gradient that is the same in all copies is no variance
            rounded = spread <= samples * torch.finfo(spread.dtype).eps * whole
            variance[name] = spread.masked_fill(rounded, 0) * samples / (samples - 1)
        maps = shared.sums(subject, variance)
        result.append(shared.attribution(
            subject, number, "vargrad", TITLE, maps, signed=False, unit="Var ∂f/∂x", checks=(shared.finite(maps),),
            notes=(f"{samples} copies, noise {noise:g} of the range of the values",
                   *shared.joined_notes(subject, maps, "sum"))))
    return result
