"""Follows windows through the front part of a run, in patches, to the maps that the rest of it reads whole.

In: an `Increment`.  Out: those maps for many windows.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from archviz.insight.engine.operands import again
from archviz.insight.engine.snapshot import Snapshot
from archviz.insight.methods._perturbation.increment import Increment, Ints, LocalCall, Region, Unable, in_patches
from archviz.insight.methods._perturbation.windows import Fill, gathered, inside
from archviz.trace.receptive_field import argument, is_pointwise, option
from archviz.trace.tape import Call, Ref, tensors

WHOLE = 0.9     # the part of a map from which it is computed as a whole: a patch saves less than its handling costs

PatchLayer = Callable[[Tensor, tuple[int, ...]], Tensor]
"""(an input with what is around it, the padding left to do) → the output."""


def layer(base: Snapshot, step: LocalCall) -> PatchLayer:
    """A convolution, with the batch norm behind it folded in, a pooling, or a border."""
    call, sliding = step.call, step.sliding
    assert sliding is not None
    axes = len(sliding.size)
    if sliding.what == "conv":
        weight, bias = _weights(base, call)
        if step.fold is not None:
            weight, bias = _folded(weight, bias, step.fold)
        groups = option(call, "groups", 6, 1)
        conv = (functional.conv1d, functional.conv2d, functional.conv3d)[axes - 1]
        return lambda x, padding: conv(x, weight, bias, sliding.stride, padding, sliding.dilation, groups)
    if sliding.what == "pad":
        return lambda x, padding: x.clone()     # the border is around it already
    ceil = option(call, "ceil_mode", 5 if sliding.what == "max" else 4, False)
    if sliding.what == "max":
        largest = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[axes - 1]
        return lambda x, padding: largest(x, sliding.size, sliding.stride, padding, sliding.dilation, ceil)
    average = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[axes - 1]
    more = [option(call, "count_include_pad", 5, True)]
    more += [option(call, "divisor_override", 6, None)] if axes > 1 else []
    return lambda x, padding: average(x, sliding.size, sliding.stride, padding, ceil, *more)


def _weights(base: Snapshot, call: Call) -> tuple[Tensor, Tensor | None]:
    module: Any = call.module
    if module is not None:
        return module.weight, module.bias
    bias = argument(call, 2, "bias")
    return base.values[argument(call, 1, "weight")], base.values[bias] if isinstance(bias, Ref) else None


def _folded(weight: Tensor, bias: Tensor | None, norm: Any) -> tuple[Tensor, Tensor]:
    """γ·(W∗x + b − μ)/√(σ² + ε) + β as one convolution."""
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight.double()
    shift = (0 if bias is None else bias.double()) - norm.running_mean.double()
    shift = shift * scale if norm.bias is None else shift * scale + norm.bias.double()
    return (weight.double() * scale.view(-1, *[1] * (weight.dim() - 1))).to(weight.dtype), shift.to(weight.dtype)


def _writes(call: Call) -> bool:
    """Whether it changes an operand."""
    return bool(call.wrote) or bool(getattr(call.module, "inplace", False))


def _parts(call: Call, number: int, output: Any) -> dict[Ref, Tensor]:
    """What a call gave, by what stands for it."""
    outputs = {Ref(number, path): tensor for path, tensor in tensors(output)}
    if set(outputs) != {Ref(number, path) for path in call.out}:
        raise Unable(f"{call.id} gave something else than before")
    return outputs


def _tail(base: Snapshot, numbers: Sequence[int], cut: Sequence[Ref], ends: Sequence[Ref],
         ) -> Callable[[Sequence[Tensor]], list[Tensor]]:
    """The calls `numbers` over many rows at once: the values of `cut`, rows before their own shapes → those of `ends`.

    Each row is a run of its own under `torch.vmap`, so that sizes which the tape holds stay true.
    """
    def one(rows: Sequence[Tensor]) -> list[Tensor]:
        values = dict(zip(cut, rows, strict=True))

        def put(ref: Ref) -> Tensor:
            return values[ref] if ref in values else base.values[ref]

        for number in numbers:
            call = base.tape.calls[number]
            values.update(_parts(call, number, again(call, put)))
        return [put(ref) for ref in ends]

    return torch.vmap(one)


class Follower:
    """Runs an `Increment`, batch by batch; its maps have rows first, channels second and places last."""

    def __init__(self, plan: Increment, sample: int) -> None:
        self.plan, self.base, self.sample = plan, plan.base, sample
        self.layers = {step.number: layer(plan.base, step) for step in plan.steps if step.sliding is not None}
        calls = self.base.tape.calls
        late = {ref for number in plan.rest for ref in calls[number].operands()} | {*plan.ends}
        self.cut = [ref for ref in plan.places if ref in late]
        self.readers = Counter([*(ref for step in plan.steps for ref in step.changed), *self.cut])
        self.padded: dict[Any, Tensor] = {}
        self.rest = _tail(plan.base, plan.rest, self.cut, plan.ends)

    def front(self, windows: Tensor, patch: Fill) -> list[Tensor]:
        """The whole maps, (R, *shape in the model), of what the rest reads."""
        plan, left = self.plan, Counter(self.readers)
        regions = self._regions(windows.cpu().numpy())
        values = {plan.source: self._occluded(windows, regions[plan.source], patch)}
        for step in plan.steps:
            if step.sliding is not None:
                values[step.gives[0]] = self._slide(step, values, regions)
            else:
                values.update(self._point(step, values, regions, left))
            for ref in step.changed:
                left[ref] -= 1
                if not left[ref]:
                    del values[ref]
        return [self._as_in_model(ref, self._whole(ref, values[ref], regions[ref])).unsqueeze(1) for ref in self.cut]

    def _regions(self, windows: Ints) -> dict[Ref, Region]:
        """Where the patches are in each map, all of one size: those of windows at a border reach further in."""
        regions = {}
        for ref in self.plan.places:
            low, high, shape = self.plan.low[ref][windows], self.plan.high[ref][windows], np.array(self.plan.shape(ref))
            size = (high - low + 1).max(0)
            if size.prod() >= WHOLE * shape.prod():
                size = shape
            regions[ref] = Region(np.clip(low, 0, shape - size), tuple(size.tolist()))
        return regions

    def _map(self, ref: Ref) -> Tensor:
        """What the sample itself gave: (1, C, *S)."""
        return self.base.values[ref].movedim(self.plan.places[ref], self._last)

    @property
    def _last(self) -> tuple[int, ...]:
        return tuple(range(-self.plan.boxes.shape[1], 0))

    def _as_in_model(self, ref: Ref, value: Tensor) -> Tensor:
        return value.movedim(self._last, self.plan.places[ref])

    def _occluded(self, windows: Tensor, region: Region, patch: Fill) -> Tensor:
        maps = self._map(self.plan.source)
        first = torch.from_numpy(region.first).to(maps.device)
        zero = torch.zeros_like(windows)
        covered = inside(self.plan.boxes[windows] - first[..., None], region.size)
        there = gathered(maps, zero, first, region.size)
        return torch.where(covered[:, None], patch(zero + self.sample, windows, first, region.size), there)

    def _around(self, ref: Ref, value: Tensor, here: Region, want: Region, fill: float = 0.0) -> Tensor:
        """The patches `want`: `value` where it is, around it what the sample gave, outside the map `fill`."""
        if want.size == here.size and np.array_equal(want.first, here.first):
            return value
        shape = np.array(self.plan.shape(ref))
        before = np.maximum(0, -want.first.min(0))
        after = np.maximum(0, (want.first + want.size).max(0) - shape)
        key = (ref, fill, *before.tolist(), *after.tolist())
        if key not in self.padded:
            pads = [int(n) for pair in zip(before[::-1], after[::-1], strict=True) for n in pair]
            wide = functional.pad(self._map(ref), pads, value=fill)
            self.padded[key] = wide.movedim(1, -1).contiguous().movedim(-1, 1)
        first = torch.from_numpy(want.first + before).to(value.device)
        patches = gathered(self.padded[key], first.new_zeros(len(first)), first, want.size)
        _paste(patches, value, here.first - want.first)
        return patches

    def _whole(self, ref: Ref, value: Tensor, here: Region) -> Tensor:
        return self._around(ref, value, here, Region(np.zeros_like(here.first), self.plan.shape(ref)))

    def _slide(self, step: LocalCall, values: dict[Ref, Tensor], regions: dict[Ref, Region]) -> Tensor:
        ref, out, sliding = step.changed[0], step.gives[0], step.sliding
        assert sliding is not None
        here, there = regions[ref], regions[out]
        if not in_patches(self.base, step):
            whole = self._whole(ref, values[ref], here)
            output: Tensor = again(step.call, lambda one: whole if one == ref else self.base.values[one])
            return output if step.fold is None else step.fold(output)
        inner, outer = self.plan.shape(ref), self.plan.shape(out)
        first, size, padding = np.zeros_like(there.first), list(inner), [0] * len(inner)
        for axis, kernel in enumerate(sliding.kernels):
            stride, start, extent = (int(number) for number in kernel)
            fits = (inner[axis] - 2 * start - extent - 1) // stride + 1 == outer[axis]
            padded = sliding.what in ("max", "avg") or sliding.what == "conv" and fits
            if there.size[axis] == outer[axis] and padded:
                padding[axis] = -start      # as the layer itself does it
            else:
                first[:, axis] = there.first[:, axis] * stride + start
                size[axis] = (there.size[axis] - 1) * stride + extent + 1
        fill = -math.inf if sliding.what == "max" else sliding.value
        x = self._around(ref, values[ref], here, Region(first, tuple(size)), fill)
        return self.layers[step.number](x, tuple(padding))

    def _point(self, step: LocalCall, values: dict[Ref, Tensor], regions: dict[Ref, Region], left: Counter[Ref],
               ) -> dict[Ref, Tensor]:
        want, call, change = regions[step.gives[0]], step.call, _writes(step.call)
        changed = {}
        for ref in step.changed:
            patches = self._around(ref, values[ref], regions[ref], want)
            shared = patches is values[ref] and left[ref] > 1
            changed[ref] = self._as_in_model(ref, patches.clone() if change and shared else patches)

        def put(ref: Ref) -> Tensor:
            return changed[ref] if ref in changed else self._still(step, ref, want, change)

        outputs = _parts(call, step.number, again(call, put))
        return {ref: value.movedim(self.plan.places[ref], self._last) for ref, value in outputs.items()}

    def _still(self, step: LocalCall, ref: Ref, want: Region, change: bool) -> Tensor:
        """An operand that no window acts on; where it has places, those of the patches."""
        value, places = self.base.values[ref], self.plan.places[step.gives[0]]
        rank = len(want.size) + 2
        wide = value[(None,) * (rank - value.dim())] if value.dim() <= rank else value
        alike = value.dim() == rank or is_pointwise(step.call)
        if alike and any(wide.shape[axis] > 1 for axis in places):
            maps = wide.movedim(places, self._last)
            first = torch.from_numpy(want.first).to(value.device)
            patches = gathered(maps, first.new_zeros(len(first)), first, want.size)
            return patches.movedim(self._last, places)
        return value.clone() if change else value


def _paste(maps: Tensor, patches: Tensor, offset: Ints) -> None:
    """Write patches into maps, each at its own place; what lies outside is left out."""
    sizes = list(zip(patches.shape[2:], maps.shape[2:], strict=True))
    if (offset == offset[0]).all():
        to, of = [slice(None)] * 2, [slice(None)] * 2
        for at, (k, n) in zip(offset[0].tolist(), sizes, strict=True):
            to.append(slice(max(at, 0), max(min(at + k, n), 0)))
            of.append(slice(max(-at, 0), max(min(k, n - at), 0)))
        maps[tuple(to)] = patches[tuple(of)]
        return
    rows = torch.arange(len(maps), device=maps.device).view(-1, *[1] * len(sizes))
    kept = torch.ones((), dtype=torch.bool, device=maps.device)
    for axis, (k, n) in enumerate(sizes):
        along = torch.from_numpy(offset[:, axis, None]).to(maps.device) + torch.arange(k, device=maps.device)
        along = along.view(len(maps), *[1] * axis, k, *[1] * (len(sizes) - axis - 1))
        rows, kept = rows * n + along, kept & (along >= 0) & (along < n)
    flat = maps.movedim(1, -1).view(-1, maps.shape[1])
    pixels = patches.movedim(1, -1).reshape(-1, maps.shape[1])
    if kept.all():
        flat.index_copy_(0, rows.flatten(), pixels)
    else:
        kept = kept.expand(rows.shape).flatten()
        flat.index_copy_(0, rows.flatten()[kept], pixels[kept])
