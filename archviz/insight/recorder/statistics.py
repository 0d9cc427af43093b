"""What is made of a node's values: a table of reductions, each of which runs on the device and merges on the host.

In: `Seen`, one value of one node.  Out: partial results (tensors), running totals and statistics (arrays by name).

A new reduction is one class and its row in `REDUCTIONS`.  Totals merge exactly: however the data are split into
batches, the result is that of one pass (Chan, Golub & LeVeque 1983 for mean and variance, in float64).
"""
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.insight.recorder.shipping import sent

Array = NDArray[Any]
Partial = dict[str, Tensor]
Total = dict[str, Array]

ENDS: dict[str, tuple[float, float]] = {"sigmoid": (0, 1), "tanh": (-1, 1), "hardsigmoid": (0, 1), "hardtanh": (-1, 1)}
"""Operations that saturate: what they give lies between these two."""

NEAR = 0.015    # of the range, from an end on, is saturated: |tanh| > 0.97, where its slope is less than 0.06
BINS = 512      # of a running histogram; those that are used are given
_AT_ONCE = 1 << 22      # values counted in one go: counts are exact in float32 up to 2 ** 24
_SMALLEST = -100        # the exponent of the range of a value that is zero everywhere


@dataclass(frozen=True)
class Seen:
    """One value of one node.

    x         real numbers, at least float32, without a gradient
    raw       the same as the model gave it
    op        what gave it: ``"relu"``
    channel   the axis that counts channels; None for a value that has none, which then is one channel
    samples   (N,) long, on the host: the number of each sample of the batch
    """

    x: Tensor
    raw: Tensor
    op: str
    channel: int | None
    samples: Tensor

    @cached_property
    def maps(self) -> Tensor:
        """(R, C, P): rows, channels, places; a value without channels is one row of one."""
        if self.channel is None:
            return self.x.reshape(1, 1, -1)
        x = self.x.movedim(self.channel, 1)
        return x.reshape(len(x), x.shape[1], -1)

    def rows(self, make: Callable[[Tensor, Tensor], Sequence[Tensor]]) -> list[Tensor]:
        """What `make` makes of some rows after the other, (rows, C) each, of all rows and in float64.

        It is given rows, and room for as many numbers.  On a CPU these are as many as its cache holds, so that they may
        be read several times at the price of one.
        """
        most = 1 << 20 if self.x.device.type == "cpu" else 1 << 27
        parts = torch.split(self.maps, max(most // self.maps[0].numel(), 1))
        room = torch.empty_like(parts[0])
        made = [torch.cat(each) for each in zip(*(make(part, room[:len(part)]) for part in parts), strict=True)]
        return made if self.x.device.type == "mps" else [each.double() for each in made]    # which that device lacks


class Reduction(ABC):
    """What is made of values.  Totals are arrays by name, so that they can be stored and sent."""

    @abstractmethod
    def of(self, seen: Seen) -> Partial | None:
        """What one value gives, on its device; None where the reduction says nothing about such a node."""

    def merge(self, a: Total, b: Total) -> Total:
        """The total of both: of counts their sums."""
        a, b = _as_long(a, b)
        return {name: a[name] + b[name] for name in a}

    def result(self, total: Total) -> dict[str, Array]:
        """The statistics."""
        return total


class Moments(Reduction):
    """Mean, standard deviation and norm, of all values and of each channel."""

    def of(self, seen: Seen) -> Partial:
        means, off = seen.rows(_moments)
        mean, places = means.mean(0), seen.maps.shape[2]
        return {"n": torch.full(mean.shape, len(means) * places), "mean": mean,
                "off": off.sum(0) + places * (means - mean).square().sum(0), "samples": torch.tensor(len(seen.samples))}

    def merge(self, a: Total, b: Total) -> Total:
        a, b = _as_long(a, b)
        n = a["n"] + b["n"]
        part = b["n"] / np.maximum(n, 1)
        apart = b["mean"] - a["mean"]
        return {"n": n, "mean": a["mean"] + apart * part, "off": a["off"] + b["off"] + apart ** 2 * a["n"] * part,
                "samples": a["samples"] + b["samples"]}

    def result(self, total: Total) -> dict[str, Array]:
        n, mean, off = total["n"], total["mean"], total["off"]
        whole = (n * mean).sum() / n.sum()
        spread = off.sum() + (n * (mean - whole) ** 2).sum()
        return {"mean": whole, "std": np.sqrt(spread / n.sum()),
                "per_channel": mean, "per_channel_std": np.sqrt(off / n),
                "norm": np.sqrt((spread + n.sum() * whole ** 2) / total["samples"])}


def _moments(part: Tensor, room: Tensor) -> tuple[Tensor, Tensor]:
    mean = part.mean(2, keepdim=True)
    return mean[..., 0], torch.sub(part, mean, out=room).square_().sum(2)


class Range(Reduction):
    """The smallest and the largest value."""

    def of(self, seen: Seen) -> Partial:
        low, high = seen.x.aminmax()
        return {"min": low, "max": high}

    def merge(self, a: Total, b: Total) -> Total:
        return {"min": np.minimum(a["min"], b["min"]), "max": np.maximum(a["max"], b["max"])}


class Sparsity(Reduction):
    """The share of zeros, and for each channel that of values which are not zero: a dead channel has none."""

    def of(self, seen: Seen) -> Partial:
        active, = seen.rows(lambda part, room: [torch.ne(part, 0, out=room).sum(2)])
        return {"n": torch.full(active[0].shape, seen.x.numel() // active.shape[1]), "active": active.sum(0)}

    def result(self, total: Total) -> dict[str, Array]:
        return {"sparsity": 1 - total["active"].sum() / total["n"].sum(), "active": total["active"] / total["n"]}


class Saturation(Reduction):
    """The share of values at the ends of what a sigmoid or tanh can give."""

    def of(self, seen: Seen) -> Partial | None:
        if seen.op not in ENDS:
            return None
        low, high = ENDS[seen.op]
        edge = NEAR * (high - low)
        return {"n": torch.tensor(seen.x.numel()), "full": ((seen.x < low + edge) | (seen.x > high - edge)).sum()}

    def result(self, total: Total) -> dict[str, Array]:
        return {"saturation": total["full"] / total["n"]}


class Histogram(Reduction):
    """Counts of finite values over ±2**e, the least such range that holds them: as it grows, bins fall together."""

    def of(self, seen: Seen) -> Partial:
        values = seen.x.reshape(-1)
        largest = values.abs().nan_to_num_(0, 0, 0).amax()
        exponent = torch.frexp(largest).exponent
        exponent = torch.where(largest > 0, exponent.clamp(min=_SMALLEST), _SMALLEST)
        scale = torch.ldexp(torch.ones_like(largest), (BINS // 2).bit_length() - 1 - exponent)
        counts = torch.zeros(BINS, dtype=torch.int64, device=values.device)
        for part in torch.split(values, _AT_ONCE):
            bins = (part * scale).floor_()
            counts += torch.histc(bins, BINS, -BINS // 2, BINS // 2).long()
        return {"counts": counts, "exponent": exponent}

    def merge(self, a: Total, b: Total) -> Total:
        exponent = max(int(a["exponent"]), int(b["exponent"]))
        counts = np.zeros(BINS, np.int64)
        for one in (a, b):
            shift = min(exponent - int(one["exponent"]), BINS.bit_length())
            np.add.at(counts, ((np.arange(BINS) - BINS // 2) >> shift) + BINS // 2, one["counts"])
        return {"counts": counts, "exponent": np.array(exponent)}

    def result(self, total: Total) -> dict[str, Array]:
        edges = np.ldexp(np.arange(-BINS // 2, BINS // 2 + 1) / (BINS // 2), int(total["exponent"]))
        used = total["counts"].nonzero()[0]
        first, last = (used[0], used[-1] + 1) if len(used) else (0, 0)
        return {"histogram": total["counts"][first:last], "edges": edges[first:last + 1]}


@dataclass(frozen=True)
class TopK(Reduction):
    """The samples that make each channel give the most, and where in them: one place of each sample, at most `k`.

    Zeiler & Fergus 2014, figure 2; Yosinski et al. 2015 ("top nine").  Of equal values the first sample counts.
    """

    k: int = 9

    def of(self, seen: Seen) -> Partial | None:
        n = len(seen.samples)
        if seen.channel is None or not n or len(seen.x) % n:        # nothing tells which sample a value belongs to
            return None
        x, rows = seen.x.movedim(seen.channel, 1), len(seen.x) // n
        places = ((rows,) if rows > 1 else ()) + tuple(x.shape[2:])     # several rows of a sample: tokens, windows
        maps = seen.maps.reshape(n, rows, *seen.maps.shape[1:]).movedim(1, 2).flatten(2)
        best, at = maps.max(2)
        best, order = torch.sort(best, dim=0, descending=True, stable=True)
        best, order = best[:self.k], order[:self.k]
        positions = torch.stack(torch.unravel_index(at.gather(0, order), places or (1,)), -1)
        samples = seen.samples.to(order.device)[order]
        return {"values": _filled(best, self.k, float("nan")).T, "samples": _filled(samples, self.k, -1).T,
                "positions": _filled(positions, self.k, -1).movedim(0, 1)}

    def merge(self, a: Total, b: Total) -> Total:
        whole = {name: np.concatenate([a[name], b[name]], 1) for name in a}
        order = np.lexsort((whole["samples"], -whole["values"], whole["samples"] < 0), axis=1)[:, :self.k]
        return {name: np.take_along_axis(array, order if array.ndim == 2 else order[..., None], 1)
                for name, array in whole.items()}

    def result(self, total: Total) -> dict[str, Array]:
        return {"topk" if name == "values" else f"topk_{name}": array for name, array in total.items()}


class Values(Reduction):
    """The values themselves, copied before anything writes into them."""

    def of(self, seen: Seen) -> Partial:
        return {"0": sent(seen.raw if seen.raw.dim() else seen.raw.reshape(1)), "samples": seen.samples}

    def merge(self, a: Total, b: Total) -> Total:
        blocks = [*_blocks(a), *_blocks(b)]
        return {"samples": np.concatenate([a["samples"], b["samples"]]), **{str(i): b for i, b in enumerate(blocks)}}

    def result(self, total: Total) -> dict[str, Array]:
        blocks, samples = _blocks(total), total["samples"]
        if len({block.shape[1:] for block in blocks}) > 1:
            raise ArchvizError("values of a node differ in shape from batch to batch: "
                               + ", ".join(dict.fromkeys("×".join(map(str, block.shape)) for block in blocks)),
                               "keep values of equal batches only, or reduce them")
        values = np.concatenate(blocks) if len(blocks) > 1 else blocks[0]
        # In the order of the samples, whichever process saw them.
        return {"values": values[np.argsort(samples, kind="stable")] if len(samples) == len(values) else values}


REDUCTIONS: Mapping[str, Callable[..., Reduction]] = {
    "mean": Moments, "std": Moments, "norm": Moments, "per_channel": Moments,
    "min": Range, "max": Range,
    "sparsity": Sparsity, "saturation": Saturation, "histogram": Histogram, "topk": TopK, "values": Values,
}
"""What a user may ask for → who makes it."""


def _blocks(total: Total) -> list[Array]:
    return [total[str(i)] for i in range(len(total) - 1)]


def _filled(x: Tensor, k: int, empty: float) -> Tensor:
    """`x` with its first axis filled up to `k`."""
    return x if len(x) == k else torch.cat([x, x.new_full((k - len(x), *x.shape[1:]), empty)])


def _as_long(a: Total, b: Total) -> tuple[Total, Total]:
    """Both with as many channels as the one that has more; channels that were not seen count nothing."""
    channels = max(a["n"].size, b["n"].size)

    def filled(total: Total) -> Total:
        missing = channels - total["n"].size
        return {name: np.pad(array, (0, missing)) if array.ndim and missing else array for name, array in total.items()}

    return filled(a), filled(b)
