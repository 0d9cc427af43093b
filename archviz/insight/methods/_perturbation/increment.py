"""Exact incremental inference: a change of the input is followed through the only places it can reach.

Nakandala, Kumar and Papakonstantinou, "Incremental and approximate inference for faster occlusion-based deep CNN
explanations", SIGMOD 2019, sections 3 and 4: of each layer only the patch that a window reaches is computed again,
with what the sample gave around it; all windows of a batch have patches of one size.  Where this leaves that paper: the
graph is any recorded tape, batches are made of windows whose patches are alike (at a border they are smaller), and
batch norms are folded into the convolutions before them.

In: a run kept whole (`Snapshot`), boxes.  Out: `Increment`, what they reach in each map;
`archviz.insight.methods._perturbation.follow` runs it.
"""
from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from archviz.insight.engine.snapshot import Snapshot
from archviz.trace.receptive_field import ONE, Slide, axes_of, is_pointwise, is_told_its_size, option, slide
from archviz.trace.tape import Call, Ref, Tape

Ints = NDArray[np.int64]
Axes = tuple[int, ...]
"""Which axes of a tensor are places."""


class Unable(Exception):
    """A tape cannot serve for what is wanted; whoever asked goes another way.  The message says why."""


@dataclass(frozen=True)
class LocalCall:
    """One call of the front part.

    sliding    how it slides, if it does
    changed    its operands that windows act on
    fold       the batch norm behind a convolution that is computed with it
    """

    number: int
    call: Call
    sliding: Slide | None
    changed: tuple[Ref, ...]
    gives: tuple[Ref, ...]
    fold: nn.Module | None = None


@dataclass(frozen=True)
class Region:
    """Patches of one size in a map: where they begin, (R, axes), and their size."""

    first: Ints
    size: tuple[int, ...]


@dataclass
class Increment:
    """What is needed to follow windows from a source to `ends`.

    places     ref → which axes of its tensor are places
    low, high  ref → the first and the last place along each axis that each window can change, (W, axes)
    """

    base: Snapshot
    source: Ref
    ends: tuple[Ref, ...]
    steps: list[LocalCall]
    rest: list[int]
    places: dict[Ref, Axes]
    low: dict[Ref, Ints]
    high: dict[Ref, Ints]
    boxes: Tensor

    def shape(self, ref: Ref) -> tuple[int, ...]:
        """The places of a map."""
        whole = self.base.tape.calls[ref.call].out[ref.path].shape
        return tuple(whole[axis] for axis in self.places[ref])

    @property
    def bytes(self) -> int:
        """What one window takes: its largest patches, and the whole maps behind them."""
        sizes = sorted((float((self.high[ref] - self.low[ref] + 1).prod(-1).mean() / math.prod(self.shape(ref)))
                        * self._bytes(ref) for ref in self.low), reverse=True)
        late = sorted((self._bytes(Ref(number, path)) for number in self.rest
                       for path in self.base.tape.calls[number].out), reverse=True)
        return int(2 * sum(sizes[:4]) + sum(late[:4])) + 1

    def _bytes(self, ref: Ref) -> int:
        return 4 * math.prod(self.base.tape.calls[ref.call].out[ref.path].shape)

    @property
    def share(self) -> float:
        """The part of the multiplications, of all convolutions and linear layers, that is left to do."""
        done = whole = 0.0
        for step in self.steps:
            if step.sliding is not None and step.sliding.what == "conv":
                work = self._work(step.call)
                sides = (self.high[step.gives[0]] - self.low[step.gives[0]] + 1).prod(-1).mean()
                whole += work
                done += work * float(sides) / math.prod(self.shape(step.gives[0]))
        late = sum(self._work(self.base.tape.calls[number]) for number in self.rest)
        return (done + late) / max(whole + late, 1.0)

    def _work(self, call: Call) -> float:
        weight = getattr(call.module, "weight", None)
        if weight is None and call.how == "function":
            weight = next((self.base.values[ref] for ref in call.operands()[1:2]), None)
        out = math.prod(next(iter(call.out.values())).shape)
        return float(out * weight[0].numel()) if isinstance(weight, Tensor) and weight.dim() > 1 else float(out)

    def batches(self, most: int) -> list[Tensor]:
        """The windows in groups of at most `most`, those together whose patches are alike in size."""
        count, axes = self.boxes.shape[:2]
        sides = [np.sum([(self.high[ref] - self.low[ref] + 1)[:, axis] / self.shape(ref)[axis] for ref in self.low], 0)
                 for axis in range(axes)]
        groups = [np.arange(count)]
        for axis in range(axes):
            share = math.ceil((len(groups[0]) / most) ** (1 / (axes - axis)))
            groups = [part for group in groups
                      for part in np.array_split(group[np.argsort(sides[axis][group], kind="stable")],
                                                 max(1, min(share, len(group))))]
        return [torch.from_numpy(np.ascontiguousarray(part)) for group in groups
                for part in np.array_split(group, math.ceil(len(group) / most))]


def increment(base: Snapshot, source: str, boxes: Tensor, ends: Sequence[Ref]) -> Increment:
    """Plan how `boxes` of a source act on `ends`.  Raises `Unable` where no layer's reach is known."""
    calls = base.tape.calls
    start = next(number for number, call in enumerate(calls) if call.how == "input" and call.id == source)
    numbers = _needed(base.tape, start, ends)
    origin = Ref(start)
    axes = boxes.shape[1]
    places = {origin: tuple(range(2, 2 + axes))}
    ours = boxes.cpu().numpy()
    low, high = {origin: ours[..., 0]}, {origin: ours[..., 1] - 1}
    steps: list[LocalCall] = []
    readers = Counter(ref for number in numbers for ref in set(calls[number].operands()))
    readers.update(ends)
    skipped: set[int] = set()
    for number in numbers:
        if number in skipped:
            continue
        step = _step(base, number, places)
        if step is None:
            break
        for ref in step.gives:
            low[ref], high[ref] = _reached(base, step, low, high, places, ref)
        fold = _norm_behind(base, step, numbers, readers)
        if fold is not None:
            before, after = step.gives[0], Ref(fold)
            places[after], low[after], high[after] = places[before], low[before], high[before]
            step = replace(step, gives=(after,), fold=calls[fold].module)
            skipped.add(fold)
        steps.append(step)
    if not any(step.sliding is not None for step in steps):
        raise Unable("no layer's reach is known")
    done = {step.number for step in steps} | skipped
    return Increment(base, origin, tuple(ends), steps, [n for n in numbers if n not in done], places, low, high, boxes)


def _needed(tape: Tape, start: int, ends: Iterable[Ref]) -> list[int]:
    """The calls, in order, through which the source `start` acts on `ends`; `Unable` where one reads a written view."""
    acted = {start}
    for number in range(start + 1, len(tape.calls)):
        if any(ref.call in acted for ref in tape.calls[number].operands()):
            acted.add(number)
    wanted = {ref.call for ref in ends}
    for number in range(len(tape.calls) - 1, start, -1):
        if number in wanted and number in acted:
            call = tape.calls[number]
            if any(ref.made for ref in call.operands()):
                raise Unable(f"{call.id} reads what was written through a view")
            wanted |= {ref.call for ref in call.operands()}
    return sorted((wanted & acted) - {start})


def _step(base: Snapshot, number: int, places: dict[Ref, Axes]) -> LocalCall | None:
    """How a call is followed, and into `places` where it has them; None where its reach is not known."""
    call, tape = base.tape.calls[number], base.tape
    changed = tuple(dict.fromkeys(ref for ref in call.operands() if ref in places))
    gives = tuple(Ref(number, path) for path in call.out)
    shapes = [tape.calls[ref.call].out[ref.path].shape for ref in (*changed, *gives)]
    axes = len(next(iter(places.values())))
    if not changed or any(len(shape) != axes + 2 or shape[0] != 1 for shape in shapes):
        return None
    sliding = slide(call, tape)
    if sliding is not None:
        front = places[changed[0]] == tuple(range(2, axes + 2))     # behind samples and channels, as a window wants it
        if not front or sliding.what == "upconv" or len(gives) > 1 or changed != call.operands()[:1]:
            return None
        places[gives[0]] = places[changed[0]]
    elif is_told_its_size(call):
        return None
    else:
        for ref in gives:
            after = {_places_after(base, call, operand, places[operand], ref) for operand in changed}
            if len(after) != 1 or None in after:
                return None
            places[ref] = after.pop() or ()
    return LocalCall(number, call, sliding, changed, gives)


def _places_after(base: Snapshot, call: Call, operand: Ref, places: Axes, ref: Ref) -> Axes | None:
    """Which axes of `ref`, which the call gave, an operand's places are; None where it does more than move them."""
    links = axes_of(call, operand, base.tape, call.out[ref.path].shape)
    moves = {axis: at for axis, (at, kernel) in links.items() if kernel == ONE}
    return tuple(moves[axis] for axis in places) if moves.get(0) == 0 and moves.keys() >= {*places} else None


def _reached(base: Snapshot, step: LocalCall, low: Mapping[Ref, Ints], high: Mapping[Ref, Ints],
             places: Mapping[Ref, Axes], ref: Ref) -> tuple[Ints, Ints]:
    """The first and last places of `ref` that a change of the step's operands can reach."""
    whole = base.tape.calls[ref.call].out[ref.path].shape
    last = np.array([whole[axis] for axis in places[ref]]) - 1
    if step.sliding is None:
        return (np.minimum.reduce([low[one] for one in step.changed]),
                np.maximum.reduce([high[one] for one in step.changed]))
    start, end = low[step.changed[0]], high[step.changed[0]]
    if not in_patches(base, step):
        return np.zeros_like(start), np.broadcast_to(last, end.shape)
    stride, first, extent = (np.array([int(kernel[i]) for kernel in step.sliding.kernels]) for i in range(3))
    begin = np.clip(-((first + extent - start) // stride), 0, last)
    return begin, np.clip((end - first) // stride, begin, last)


def in_patches(base: Snapshot, step: LocalCall) -> bool:
    """Whether a patch with what is around it tells the output: not where padding mirrors, or means count places."""
    sliding = step.sliding
    assert sliding is not None
    if sliding.mode != "zeros" or sliding.what != "avg":
        return sliding.mode == "zeros"
    shape = base.tape.calls[step.changed[0].call].out[step.changed[0].path].shape[2:]
    out = base.tape.calls[step.number].out[()].shape[2:]
    over = any((o - 1) * s + k > n + 2 * p for o, s, k, n, p
               in zip(out, sliding.stride, sliding.size, shape, sliding.padding, strict=True))
    padded = any(sliding.padding) and not option(step.call, "count_include_pad", 5, True)
    return not over and not padded


def _norm_behind(base: Snapshot, step: LocalCall, numbers: Sequence[int], readers: Mapping[Ref, int]) -> int | None:
    """The call of a batch norm that alone reads what this convolution gives."""
    if step.sliding is None or step.sliding.what != "conv" or readers[step.gives[0]] != 1:
        return None
    number = next((n for n in numbers if step.gives[0] in base.tape.calls[n].operands()), None)
    if number is None:
        return None
    call = base.tape.calls[number]
    norm = isinstance(call.module, nn.modules.batchnorm._BatchNorm) and is_pointwise(call)
    return number if norm and tuple(call.out) == ((),) else None
