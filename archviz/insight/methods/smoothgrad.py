"""SmoothGrad: the gradient averaged over copies of the input with noise.

Smilkov, Thorat, Kim, Viégas, Wattenberg: SmoothGrad: removing noise by adding noise, arXiv:1706.03825, 2017: Gaussian
noise whose standard deviation is a part of the range of the input's values.
"""
from __future__ import annotations

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.results.attribution import Attribution, Check

TITLE = "SmoothGrad"
GRAD = True


def attribute(subject: Subject, *, samples: int = 25, noise: float = 0.15, seed: int = 0, first: int = 0,
              ) -> list[Attribution]:
    """The size of the mean gradient over noisy copies, one map for each target.

    Parameters
    ----------
    samples : int
        Copies of each input.
    noise : float
        Standard deviation of the noise, as a part of the range of the sample's values.
    seed : int
        The noise of a copy depends on it, on the number of the sample and on that of the copy, and on nothing else.
    first : int
        The number of the batch's first sample, for one that is explained in parts: these get the noise of the whole.
    """
    both = moments(subject, TITLE, samples, noise, seed, first)
    result = []
    for number, (mean, square) in enumerate(zip(*both, strict=True)):
        maps = shared.sizes(subject, mean)
        result.append(shared.attribution(
            subject, number, "smoothgrad", TITLE, maps, signed=False, unit="|mean ∂f/∂x|",
            checks=(_spread(mean, square, samples), shared.finite(maps)),
            notes=(f"{samples} copies, noise {noise:g} of the range of the values",
                   *shared.joined_notes(subject, maps, "L2 norm"))))
    return result


def moments(subject: Subject, title: str, samples: int, noise: float, seed: int, first: int,
            ) -> tuple[list[shared.Gradients], list[shared.Gradients]]:
    """For each target the mean of the gradients over noisy copies, and of their squares: once for all who ask."""
    if samples < 2 or noise < 0:
        raise ArchvizError(f"{title.lower()}: samples={samples}, noise={noise}",
                           "at least 2 samples, and noise from 0 up")
    if (key := ("noisy copies", samples, noise, seed, first)) in subject.kept:
        return subject.kept[key]  # type: ignore[no-any-return]
    subject.step(f"{title}, {samples} copies")
    points = shared.points(subject)
    flat = {name: point.float().reshape(len(point), -1) for name, point in points.items()}
    sigma = {name: noise * (values.amax(1) - values.amin(1)) for name, values in flat.items()}

    def noisy(rows: Tensor, copies: Tensor) -> dict[NodeId, Tensor]:
        pairs = list(zip((rows + first).tolist(), copies.tolist(), strict=True))
        return {name: (point[rows] + _normal(point, pairs, place, seed)
                       * sigma[name][rows].view(-1, *[1] * (point.dim() - 1))).to(point.dtype)
                for place, (name, point) in enumerate(points.items())}

    weights = torch.full((samples,), 1 / samples)
    sums = shared.summed(subject, torch.arange(subject.n, device=subject.device), weights, noisy, squares=True)
    subject.kept[key] = sums
    return sums


def _normal(like: Tensor, pairs: list[tuple[int, int]], place: int, seed: int) -> Tensor:
    """Standard normal noise (rows, …) for pairs (sample, copy) of source number `place`, each seeded by itself."""
    generator = torch.Generator(like.device)
    noise = torch.empty((len(pairs), *like.shape[1:]), device=like.device)
    for row, (sample, copy) in zip(noise, pairs, strict=True):
        generator.manual_seed(((seed * 1_000_003 + place) * 1_000_003 + sample) * 1_000_003 + copy & (1 << 63) - 1)
        row.normal_(generator=generator)
    return noise


def _spread(mean: shared.Gradients, square: shared.Gradients, samples: int) -> Check:
    """The standard error of the mean over copies, against the mean's own size (root mean squares over all places)."""
    error = sum(float((square[name] - mean[name].square()).clamp_min(0).sum()) for name in mean) / (samples - 1)
    size = sum(float(one.square().sum()) for one in mean.values())
    part = (error / size) ** 0.5 if size else float("inf")
    return Check("spread", part, f"standard error {100 * part:.2g} % of the mean gradient", 1.0)
