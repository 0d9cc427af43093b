"""Where the way of integrated gradients begins: an input that says nothing.

In: a subject and what its sources hold.  Out: the same shapes, samples first.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.subject import Subject
from archviz.insight.methods._perturbation.windows import convolved

Baseline = str | float | Tensor | Mapping[NodeId, Any]
"""A baseline as a user says it.

``"zero"``           zeros; of embeddings the zero vector
``"black"``          each channel's smallest value in the sample
``"blur"``           the sample under a Gaussian of a tenth of its size
``"mean"``           each channel's mean over the sample; of embeddings the mean vector
``"random"``         uniform between the sample's smallest and largest value, seeded for each sample
``"pad"``            of embeddings the vector of the padding token (the module's ``padding_idx``, or the
                     ``pad_token_id`` of the model's ``config``); inputs of real numbers are zero
a number             everywhere
a tensor             of an input's own shape, or of one sample's; token ids where an embedding reads them
a mapping            source id → any of these; a source that is not named keeps its value
"""


def baselines(subject: Subject, points: Mapping[NodeId, Tensor], wanted: Baseline, seed: int = 0,
              first: int = 0) -> tuple[dict[NodeId, Tensor], str]:
    """Source id → its baseline, and how a reader is told.  Raises `ArchvizError` for one that does not fit."""
    if isinstance(wanted, Mapping):
        if unknown := [name for name in wanted if name not in points]:
            raise ArchvizError(f"baseline: the model has no source {unknown[0]!r}", f"it has {', '.join(points)}")
        starts = {name: _baseline(subject, name, point, wanted[name], seed, first) if name in wanted else point
                  for name, point in points.items()}
        return starts, "given for " + ", ".join(wanted)
    return ({name: _baseline(subject, name, point, wanted, seed, first) for name, point in points.items()},
            wanted if isinstance(wanted, str) else f"{wanted:g}" if isinstance(wanted, (int, float)) else "given")


def _baseline(subject: Subject, name: NodeId, point: Tensor, wanted: Any, seed: int, first: int) -> Tensor:
    if isinstance(wanted, Tensor):
        return _given(subject, name, point, wanted)
    if isinstance(wanted, (int, float)):
        return torch.full_like(point, wanted)
    tokens = name not in subject.floats
    flat = point.float().reshape(len(point), -1)
    # The axes of places: of an image behind its channels, of embeddings before their features.
    places = tuple(range(1, point.dim() - 1)) if tokens else tuple(range(2 if point.dim() >= 3 else 1, point.dim()))
    if wanted == "zero" or wanted == "pad" and not tokens:
        return torch.zeros_like(point)
    if wanted == "pad":
        return _embedded(subject, name, torch.tensor([_pad(subject, name)], device=point.device)).expand_as(point)
    if wanted == "black":
        return point.amin(places, keepdim=True).expand_as(point)
    if wanted == "mean":
        return point.float().mean(places, keepdim=True).to(point.dtype).expand_as(point)
    if wanted == "random":
        noise = torch.empty_like(flat)
        for number, row in enumerate(noise, first):
            row.uniform_(generator=torch.Generator(point.device).manual_seed(seed * 1_000_003 + number))
        low, high = flat.amin(1, keepdim=True), flat.amax(1, keepdim=True)
        return (low + (high - low) * noise).view_as(point).to(point.dtype)
    if wanted == "blur" and not tokens and point.dim() == 4:
        return blurred(point)
    raise ArchvizError(f"baseline {wanted!r} means nothing for {name}",
                       "say zero, black, blur (images), mean, random, pad (tokens), a number or a tensor")


def blurred(image: Tensor, part: float = 0.1) -> Tensor:
    """(N, C, H, W) under a Gaussian with a standard deviation of `part` of each side, edges repeated."""
    result = image.float()
    for axis in (2, 3):
        sigma = max(part * image.shape[axis], 1e-3)
        reach = int(3 * sigma + 0.5)
        kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, device=image.device) / sigma) ** 2)
        result = convolved(result, axis, kernel / kernel.sum())
    return result.to(image.dtype)


def _given(subject: Subject, name: NodeId, point: Tensor, wanted: Tensor) -> Tensor:
    if name not in subject.floats and not wanted.is_floating_point():
        wanted = _embedded(subject, name, wanted.to(point.device))
    try:
        return wanted.to(point).expand_as(point)
    except RuntimeError:
        raise ArchvizError(f"baseline: {tuple(wanted.shape)} does not fit {name}, which is {tuple(point.shape)}",
                           "give one of the input's shape") from None


def _module(subject: Subject, name: NodeId) -> torch.nn.Module | None:
    return next((call.module for call in subject.reading.calls if call.node == name), None)


def _embedded(subject: Subject, name: NodeId, ids: Tensor) -> Tensor:
    """What the embedding `name` gives for `ids`."""
    module = _module(subject, name)
    if module is None:
        raise ArchvizError(f"baseline: {name} is a function, so that its token ids cannot be exchanged",
                           "give its baseline as a vector")
    with torch.no_grad():
        return torch.as_tensor(module(ids))


def _pad(subject: Subject, name: NodeId) -> int:
    for token in (getattr(_module(subject, name), "padding_idx", None),
                  getattr(getattr(subject.model, "config", None), "pad_token_id", None)):
        if token is not None:
            return int(token)
    raise ArchvizError(f"baseline 'pad': no padding token is known for {name}",
                       "give the token as a tensor, baseline=torch.tensor([0])")
