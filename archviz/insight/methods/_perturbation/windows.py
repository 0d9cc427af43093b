"""Windows that slide over an input, what they are filled with, and the map that their effects make.

In: the shape of a map, an input.  Out: boxes, fillings, averages.

Maps lie samples first, channels second, places after: (N, C, *S).  Boxes are (W, axes, 2) long: where each begins and
ends along each axis of places.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional

from archviz.core.errors import ArchvizError

Fill = Callable[[Tensor, Tensor, Tensor, Sequence[int]], Tensor]
"""(samples (R,), windows (R,), where it begins (R, axes), its size) → what stands there instead: (R, C, *size)."""


def slid(shape: Sequence[int], size: Sequence[int], stride: Sequence[int]) -> Tensor:
    """Windows of `size` that begin at 0, `stride`, 2·`stride` … up to the last place, cut off at the border."""
    ranges = []
    for n, k, s in zip(shape, size, stride, strict=True):
        count = math.ceil(max(0, n - k) / s) + 1
        ranges.append([(at * s, min(at * s + k, n)) for at in range(count) if at * s < n])
    return torch.tensor(list(product(*ranges)), dtype=torch.long)


def inside(boxes: Tensor, shape: Sequence[int]) -> Tensor:
    """(W, *shape) bool: which places lie in each box."""
    covered = torch.ones((), dtype=torch.bool, device=boxes.device)
    for axis, n in enumerate(shape):
        covered = covered[..., None] & _along(boxes, axis, n).view(len(boxes), *[1] * axis, n)
    return covered


def _along(boxes: Tensor, axis: int, n: int) -> Tensor:
    places = torch.arange(n, device=boxes.device)
    return (places >= boxes[:, axis, :1]) & (places < boxes[:, axis, 1:])


def spread(values: Tensor, boxes: Tensor, shape: Sequence[int]) -> Tensor:
    """(..., *shape) float64: each place's mean of the values (..., W) of the boxes that cover it; 0 where none does."""
    masks = [_along(boxes, axis, n).double() for axis, n in enumerate(shape)]
    letters = "abcd"[:len(shape)]
    how = f"tw,{','.join('w' + letter for letter in letters)}->t{letters}"
    flat = values.double().reshape(-1, len(boxes))
    times = torch.einsum(how, torch.ones_like(flat[:1]), *masks).clamp(min=1)
    return (torch.einsum(how, flat, *masks) / times).reshape(*values.shape[:-1], *shape)


def gathered(maps: Tensor, samples: Tensor, first: Tensor, size: Sequence[int]) -> Tensor:
    """(R, C, *size): patches that begin at `first` (R, axes) in the maps of `samples`, whose borders go on outside."""
    shape = maps.shape[2:]
    at = samples.view(-1, *[1] * len(size))
    for axis, (n, k) in enumerate(zip(shape, size, strict=True)):
        places = (first[:, axis, None] + torch.arange(k, device=first.device)).clamp(0, n - 1)
        at = at * n + places.view(len(first), *[1] * axis, k, *[1] * (len(size) - axis - 1))
    rows = maps.movedim(1, -1).reshape(-1, maps.shape[1])
    return rows.index_select(0, at.flatten()).view(*at.shape, maps.shape[1]).movedim(-1, 1)


def filling(fill: str | float, maps: Tensor, window: Sequence[int], seed: int = 0) -> Fill:
    """What occluded places of `maps` (N, C, *S) hold.

    `fill` is a number, or ``gray``: the mean of the sample over all channels and places (Zeiler and Fergus 2014);
    ``mean``: that of each channel; ``blurred``: the sample, smoothed by a Gaussian of half the window (Fong and Vedaldi
    2017); ``random``: independent numbers between the sample's smallest and largest of each channel, seeded by `seed`,
    sample, window and place (Zhou et al. 2015).
    """
    axes = list(range(2, maps.dim()))
    if fill == "random":
        low, high = maps.amin(axes, keepdim=True), maps.amax(axes, keepdim=True)

        def random(samples: Tensor, windows: Tensor, first: Tensor, size: Sequence[int]) -> Tensor:
            noise = _noise(seed, samples, windows, maps.shape[1], maps.shape[2:], first, size).to(maps.dtype)
            return torch.lerp(low[samples], high[samples], noise)
        return random
    if fill == "blurred":
        stand_in = _blurred(maps, window)
    elif fill == "gray":
        stand_in = maps.mean(list(range(1, maps.dim())), keepdim=True).expand(-1, maps.shape[1], *[1] * len(axes))
    elif fill == "mean":
        stand_in = maps.mean(axes, keepdim=True)
    elif isinstance(fill, (int, float)):
        stand_in = maps.new_full((len(maps), maps.shape[1], *[1] * len(axes)), float(fill))
    else:
        raise ArchvizError(f"fill: {fill!r} is nothing to fill a window with",
                           "one of gray, mean, blurred, random, or a number")

    def constant(samples: Tensor, windows: Tensor, first: Tensor, size: Sequence[int]) -> Tensor:
        return gathered(stand_in, samples, first, size)     # one place stands for all: its border is repeated
    return constant


def _blurred(maps: Tensor, window: Sequence[int]) -> Tensor:
    """The maps convolved with a Gaussian along each axis, their borders repeated."""
    smoothed = maps.float()
    for axis, k in enumerate(window, 2):
        sigma = k / 2
        reach = min(math.ceil(3 * sigma), 4 * maps.shape[axis])
        kernel = torch.exp(-torch.arange(-reach, reach + 1, device=maps.device, dtype=torch.float32) ** 2
                           / (2 * sigma ** 2))
        smoothed = convolved(smoothed, axis, kernel / kernel.sum())
    return smoothed.to(maps.dtype)


def convolved(maps: Tensor, axis: int, kernel: Tensor) -> Tensor:
    """Maps convolved with a kernel along one axis, their borders repeated."""
    lines, reach = maps.movedim(axis, -1), len(kernel) // 2
    padded = functional.pad(lines.reshape(-1, 1, lines.shape[-1]), (reach, reach), mode="replicate")
    return functional.conv1d(padded, kernel.view(1, 1, -1)).view(lines.shape).movedim(-1, axis)


def _noise(seed: int, samples: Tensor, windows: Tensor, channels: int, shape: Sequence[int], first: Tensor,
           size: Sequence[int]) -> Tensor:
    """Uniform numbers in [0, 1), each a function of its seed, sample, window, channel and place alone.

    So that no grouping of windows into batches changes them.  A generator by counters: each step folds one of the
    counters in, multiplies and shifts, as SplitMix64's finalizer does (Steele, Lea and Flood 2014).
    """
    dims = len(size)
    code = _stir(_stir(torch.full_like(samples, seed), samples), windows).view(-1, *[1] * (dims + 1))
    code = _stir(code, torch.arange(channels, device=samples.device).view(1, -1, *[1] * dims))
    place = torch.zeros((), dtype=torch.long, device=samples.device)
    for axis, (n, k) in enumerate(zip(shape, size, strict=True)):
        along = first[:, axis, None] + torch.arange(k, device=samples.device)
        place = place * n + along.view(len(along), 1, *[1] * axis, k, *[1] * (dims - axis - 1))
    return ((_stir(code, place) >> 11) & ((1 << 24) - 1)).float() / (1 << 24)


def _stir(code: Tensor, counter: Tensor) -> Tensor:
    for shift, factor in ((30, -0x40A7B892E31B1A47), (27, -0x6B2FB644ECCEEE15)):
        code = code + (counter + 1) * -0x61C8864680B583EB
        code = (code ^ ((code >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return code ^ ((code >> 31) & ((1 << 33) - 1))
