"""What part of the input a unit sees: kernel, stride, padding and dilation along every path of a tape.

In: a `Tape`.  Out: `Axis` for each axis of the input, and the crop of one unit.

An op is described by what one place of its output reads along each axis: the places from ``stride · i + first`` to
``stride · i + first + extent``, in whole numbers or fractions (upsampling).  Composing these along the paths gives the
closed formula of Araujo, Norris and Sim (Distill 2019), and covers sums and concatenations too.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from inspect import unwrap
from typing import Any, NamedTuple

from torch import nn

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId, TensorSpec
from archviz.trace.kinds import class_of, kind_of
from archviz.trace.tape import Call, Ref, Tape

Number = int | Fraction


class Kernel(NamedTuple):
    """What place i of an output reads along one axis: ``stride · i + first`` … ``stride · i + first + extent``."""

    stride: Number = 1
    first: Number = 0
    extent: Number = 0


ONE = Kernel()


class Axis(NamedTuple):
    """What the units of a node see along one axis of the input: unit i the `size` places from ``stride · i + offset``.

    A stride of 0: every unit sees all of it.
    """

    size: int
    stride: Number
    offset: Number


class Sight(NamedTuple):
    """How a tensor sees one axis of the input: which of its own axes runs along it (None: none does), and how."""

    along: int | None
    kernel: Kernel


def field_of(tape: Tape, node: NodeId, source: NodeId | None = None) -> tuple[Axis, ...]:
    """The theoretical receptive field of the units of `node`, along each axis of the input after batch and channels.

    `node` may be a module call that holds others; `source` is the input, None: the first of real numbers.  Raises
    `ArchvizError` where there is no such node or input, or the node does not depend on the input.
    """
    inputs = [(n, call) for n, call in enumerate(tape.calls) if call.how == "input"]
    start = next((n for n, call in inputs if call.id == source or source is None
                  and call.out[()].dtype.startswith(("float", "bfloat"))), None)
    if start is None:
        raise ArchvizError(f"there is no input {source!r}" if source else "there is no input of real numbers",
                           "one of " + ", ".join(call.id for _, call in inputs))
    shape = tape.calls[start].out[()].shape
    last = next((n for n in reversed(range(len(tape.calls)))
                 if node in (tape.calls[n].node, tape.calls[n].id, *tape.calls[n].scope)), None)
    if last is None:
        raise ArchvizError(f"no node {node!r} ran")
    seen = _sights(tape, start, last)
    path = next((path for path in tape.calls[last].out if (last, path) in seen), None)
    if path is None:
        raise ArchvizError(f"{node} does not depend on {tape.calls[start].id}, so that it sees nothing of it")
    return tuple(Axis(math.floor(kernel.extent) + 1, _plain(kernel.stride), _plain(kernel.first))
                 if along is not None else Axis(size, 0, 0)
                 for (along, kernel), size in zip(seen[last, path], shape[2:], strict=True))


def crop(field: Sequence[Axis], place: Sequence[int], shape: Sequence[int]) -> tuple[slice, ...]:
    """The part of the input that the unit at `place` sees, clipped to the input.

    `field` is from `field_of`; `place` is where the unit is on its map, (y, x), and empty for a unit that has none;
    `shape` is the input's size along the same axes, (H, W).
    """
    places = place or (0,) * len(field)
    if not len(field) == len(places) == len(shape):
        raise ArchvizError(f"a place of {len(places)} numbers, where the input has {len(shape)} axes")
    bounds = []
    for axis, at, size in zip(field, places, shape, strict=True):
        first = math.ceil(axis.stride * at + axis.offset)
        bounds.append(slice(min(max(first, 0), size), max(min(first + axis.size, size), 0)))
    return tuple(bounds)


def _plain(number: Number) -> Number:
    return int(number) if number == int(number) else number


def _sights(tape: Tape, start: int, last: int) -> dict[tuple[int, Any], tuple[Sight, ...]]:
    """How every tensor on the tape up to `last` sees the input `start`; those that do not are not there."""
    shape = tape.calls[start].out[()].shape
    seen = {(start, ()): tuple(Sight(axis, ONE) for axis in range(2, len(shape)))}
    for n in range(start + 1, last + 1):
        call = tape.calls[n]
        for path, out in call.out.items():
            looks: list[tuple[Sight, ...]] = []
            for ref in call.operands():
                if (ref.call, ref.path) in seen:
                    links = axes_of(call, ref, tape, out.shape)
                    looks.append(tuple(_through(sight, links) for sight in seen[ref.call, ref.path]))
            if looks:
                seen[n, path] = tuple(_together(sights) for sights in zip(*looks, strict=True))
    return seen


ALL = Sight(None, ONE)


def _through(sight: Sight, links: Links) -> Sight:
    """Looking at what sees `sight`: kernels compose."""
    if sight.along is None or sight.along not in links:
        return ALL
    at, look = links[sight.along]
    stride, first, extent = sight.kernel
    return Sight(at, Kernel(stride * look.stride, stride * look.first + first, stride * look.extent + extent))


def _together(sights: Sequence[Sight]) -> Sight:
    """What is seen over several paths; all, where they do not run in step."""
    if any(s.along is None for s in sights) or len({(s.along, s.kernel.stride) for s in sights}) > 1:
        return ALL
    first = min(s.kernel.first for s in sights)
    end = max(s.kernel.first + s.kernel.extent for s in sights)
    return Sight(sights[0].along, Kernel(sights[0].kernel.stride, first, end - first))


ELEMENTWISE = frozenset(
    "relu relu6 leaky_relu prelu elu celu selu gelu silu mish sigmoid tanh softplus softsign softshrink hardshrink "
    "hardswish hardsigmoid hardtanh threshold logsigmoid tanhshrink expit log_sigmoid add sub mul div pow sqrt rsqrt "
    "exp expm1 log log1p abs neg clamp clamp_min clamp_max square sin cos erf reciprocal sign maximum minimum where "
    "lerp addcmul addcdiv identity clone detach contiguous to type float half double bfloat16 type_as view_as "
    "dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout floor ceil round "
    "masked_fill nan_to_num batch_norm".split())
"""Functions whose output at a place needs the inputs at that place alone (in evaluation)."""

_ACROSS = {"softmax": 1, "log_softmax": 1, "mean": 1, "sum": 1, "amax": 1, "amin": 1, "cat": 1, "normalize": 2,
           "cumsum": 1, "std": 1, "var": 1, "chunk": 2, "glu": 1, "split": 2, "unbind": 1, "max": 1, "min": 1}
"""Functions that mix places along the axes of one argument, which is this one by position."""


def is_plain(module: nn.Module) -> bool:
    """Whether a layer of torch.nn does just what that class does: nothing overridden, no hooks of the user."""
    home = class_of(module)
    forward = vars(module).get("forward", home.forward)
    return (home.__module__.startswith("torch.nn.") and unwrap(forward) is home.forward     # the same by another way
            and not (module._forward_hooks or module._forward_pre_hooks))


def is_pointwise(call: Call) -> bool:
    """Whether each place of the output needs only that place of the inputs."""
    module = call.module
    if module is None:
        return call.op in ELEMENTWISE and not (call.op == "batch_norm" and argument(call, 5, "training", False))
    if not is_plain(module):
        return False
    if isinstance(module, nn.modules.batchnorm._BatchNorm):
        return module.running_mean is not None and not module.training
    kind = kind_of(module)
    return (kind == "act" and not isinstance(module, nn.GLU)) or (kind == "dropout" and not module.training) or (
        isinstance(module, (nn.Identity, nn.LocalResponseNorm)))


_ADAPTIVE = (nn.modules.pooling._AdaptiveAvgPoolNd, nn.modules.pooling._AdaptiveMaxPoolNd)
_TOLD = (*_ADAPTIVE, nn.Upsample, nn.Flatten, nn.Unflatten)
_AS = (((nn.Linear,), "linear"), ((nn.LayerNorm, nn.RMSNorm), "layer_norm"), (_ADAPTIVE, "adaptive_avg_pool"),
       ((nn.Upsample,), "interpolate"), ((nn.Flatten, nn.Unflatten), "flatten"))
"""Layers, and a function that treats axes as they do."""

Links = Mapping[int, tuple[int, Kernel]]
"""Axis of what goes in → the axis of what comes out that it becomes, and through which windows."""


def is_told_its_size(call: Call) -> bool:
    """Whether the call holds the size of its output, so that it does something else to a part of its input."""
    if call.module is not None:
        return isinstance(call.module, _TOLD)
    return call.op.startswith("adaptive") or call.op in ("interpolate", "upsample", "view", "reshape", "flatten",
                                                         "unflatten")


def argument(call: Call, place: int, name: str, default: Any = None) -> Any:
    """An argument of a function call, by name or by place."""
    return call.kwargs.get(name, call.args[place] if place < len(call.args) else default)


def option(call: Call, name: str, place: int, default: Any = None) -> Any:
    """The setting of a layer, or the same argument of a function call."""
    return getattr(call.module, name, default) if call.module is not None else argument(call, place, name, default)


@dataclass(frozen=True)
class Slide:
    """A window that slides over the axes after batch and channels: convolution, its transpose, or pooling.

    what       ``conv``, ``upconv``, ``max``, ``avg``; or ``pad``, a border of constants around single places
    mode       how it is padded
    value      the constant of a border
    """

    what: str
    size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    mode: str = "zeros"
    value: float = 0.0

    @property
    def kernels(self) -> tuple[Kernel, ...]:
        """What one place of the output reads along each axis (Dumoulin and Visin 2016)."""
        kernels = []
        for k, s, p, d in zip(self.size, self.stride, self.padding, self.dilation, strict=True):
            if self.what == "upconv":       # j reaches i = s·j − p + d·t, for t = 0 … k − 1
                kernels.append(Kernel(Fraction(1, s), Fraction(p - d * (k - 1), s), Fraction(d * (k - 1), s)))
            else:
                kernels.append(Kernel(s, -p, d * (k - 1)))
        return tuple(kernels)


_SLIDING = {**{f"conv{n}d": "conv" for n in (1, 2, 3)}, **{f"conv_transpose{n}d": "upconv" for n in (1, 2, 3)},
            **{f"{kind}_pool{n}d": kind for n in (1, 2, 3) for kind in ("max", "avg")}}
_WINDOWS = ((nn.modules.conv._ConvTransposeNd, "upconv"), (nn.modules.conv._ConvNd, "conv"),
            (nn.modules.pooling._MaxPoolNd, "max"), (nn.modules.pooling._AvgPoolNd, "avg"))


def slide(call: Call, tape: Tape) -> Slide | None:
    """How a convolution, a pooling or a border slides; None for any other call, or a layer that does more."""
    module: Any = call.module
    axes = len(next(iter(call.out.values()), TensorSpec(())).shape) - 2
    if call.op == "pad" or isinstance(module, nn.modules.padding._ConstantPadNd):
        return _border(call, axes)
    what = _SLIDING.get(call.op) if module is None else next(
        (name for cls, name in _WINDOWS if isinstance(module, cls) and is_plain(module)), None)
    weight = argument(call, 1, "weight") if module is None and what in ("conv", "upconv") else None
    if what is None or module is None and what in ("conv", "upconv") and not isinstance(weight, Ref):
        return None
    places = {"conv": (3, 4, 5), "upconv": (3, 4, 7)}.get(what, (2, 3, 4))
    size = _each(tape.calls[weight.call].out[weight.path].shape[2:] if weight else option(call, "kernel_size", 1), axes)
    stride = _each(option(call, "stride", places[0]) or (size if what in ("max", "avg") else 1), axes)
    dilation = _each(1 if what == "avg" else option(call, "dilation", places[2], 1), axes)
    padding = option(call, "padding", places[1], 0)
    if padding == "same":      # what is left over goes to the end
        padding = tuple(d * (k - 1) // 2 for k, d in zip(size, dilation, strict=True))
    return Slide(what, size, stride, _each(0 if padding == "valid" else padding, axes), dilation,
                 getattr(module, "padding_mode", "zeros"))


def _border(call: Call, axes: int) -> Slide | None:
    module: Any = call.module
    pad = module.padding if module is not None else argument(call, 1, "pad")
    constant = is_plain(module) if module is not None else argument(call, 2, "mode", "constant") == "constant"
    if not constant or len(pad) > 2 * axes or not all(isinstance(n, int) for n in pad):
        return None
    before = tuple(pad[2 * n] if 2 * n < len(pad) else 0 for n in reversed(range(axes)))
    value = module.value if module is not None else argument(call, 3, "value")
    ones = (1,) * axes
    return Slide("pad", ones, ones, before, ones, value=float(value or 0.0))


def _each(value: Any, axes: int) -> tuple[int, ...]:
    return tuple(value) * (axes if len(value) == 1 else 1) if isinstance(value, (tuple, list)) else (value,) * axes


def axes_of(call: Call, ref: Ref, tape: Tape, out: Sequence[int]) -> Links:
    """Each axis of the operand `ref` that goes on in the output: to which of its axes, and how it is read.

    An axis that is not there is seen as a whole by every unit, as are all of an op that nobody here knows.
    """
    shape = tape.calls[ref.call].out[ref.path].shape
    sliding = slide(call, tape)
    if sliding is not None:
        if ref != next(iter(call.operands())) or sliding.mode == "circular":
            return {}
        return {0: (0, ONE), **{axis + 2: (axis + 2, kernel) for axis, kernel in enumerate(sliding.kernels)}}
    same = {axis: (axis, ONE) for axis in range(len(shape))}
    if is_pointwise(call):
        shift = len(out) - len(shape)
        return {axis: (axis + shift, ONE) for axis, n in enumerate(shape) if n == out[axis + shift]}
    op, axes, module = call.op, len(shape), call.module
    if module is not None:
        op = next((op for classes, op in _AS if isinstance(module, classes) and is_plain(module)), "")
    if op in ("linear", "addmm"):
        return {axis: link for axis, link in same.items() if axis < axes - 1}
    if op in ("layer_norm", "rms_norm"):
        return {axis: link for axis, link in same.items() if axis < axes - len(option(call, "normalized_shape", 1))}
    if op.startswith(("adaptive_avg_pool", "adaptive_max_pool")):
        return _pooled(shape, out)
    if op in ("interpolate", "upsample"):
        return _resized(shape, out, option(call, "mode", 3, "nearest"), option(call, "align_corners", 4))
    if op in ("permute", "transpose"):
        return _turned(call, axes, same)
    if op in _ACROSS:
        return _across(call, axes, out)
    if op in ("view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze"):
        return _kept(shape, out)
    if op == "pad" and argument(call, 2, "mode", "constant") != "circular":
        pad = argument(call, 1, "pad")
        before = {axes - 1 - n: pad[2 * n] for n in range(len(pad) // 2)}
        return {axis: (axis, Kernel(1, -before.get(axis, 0), 0)) for axis in range(axes)}
    return {}


def _turned(call: Call, axes: int, same: Links) -> Links:
    """Axes that change their places."""
    if call.op == "transpose":
        pair = [argument(call, place, name) % axes for place, name in ((1, "dim0"), (2, "dim1"))]
        return {**same, pair[0]: (pair[1], ONE), pair[1]: (pair[0], ONE)}
    order = argument(call, 1, "dims")
    order = order if isinstance(order, (tuple, list)) else call.args[1:]
    return {axis % axes: (at, ONE) for at, axis in enumerate(order)}


def _across(call: Call, axes: int, out: Sequence[int]) -> Links:
    """What works along some axes, and leaves the others as they are."""
    dims = argument(call, _ACROSS[call.op], "dim", 0 if call.op in ("cat", "chunk", "split", "unbind") else None)
    mixed = {d % axes for d in (dims if isinstance(dims, (tuple, list)) else [dims]) if isinstance(d, int)}
    kept = [axis for axis in range(axes) if axis not in mixed] if mixed else []
    return {axis: (axis if len(out) == axes else at, ONE) for at, axis in enumerate(kept)}


def _kept(shape: Sequence[int], out: Sequence[int]) -> Links:
    """The axes that a new shape leaves as they are: those in front and those at the end."""
    front = next((n for n, (a, b) in enumerate(zip(shape, out, strict=False)) if a != b), min(len(shape), len(out)))
    room = min(len(shape), len(out)) - front
    back = next((n for n in range(room) if shape[-1 - n] != out[-1 - n]), room)
    return {**{axis: (axis, ONE) for axis in range(front)},
            **{len(shape) - 1 - n: (len(out) - 1 - n, ONE) for n in range(back)}}


def _pooled(shape: Sequence[int], out: Sequence[int]) -> Links:
    """Adaptive pooling: place i takes the mean or the largest from ⌊i·step⌋ to ⌈(i + 1)·step⌉ − 1."""
    links = {0: (0, ONE), 1: (1, ONE)}
    for axis in range(2, len(shape)):
        step = Fraction(shape[axis], out[axis])
        rest = 1 - Fraction(1, step.denominator)
        links[axis] = (axis, Kernel(step, -rest, step - 1 + 2 * rest))
    return links


_LOOK = {"linear": 1, "bilinear": 1, "trilinear": 1, "bicubic": 2}


def _resized(shape: Sequence[int], out: Sequence[int], mode: str, corners: bool | None) -> Links:
    """Interpolation: the places around the one that the middle of a place of the output lies on."""
    if mode == "area":
        return _pooled(shape, out)
    links = {0: (0, ONE), 1: (1, ONE)}
    for axis in range(2, len(shape)):
        step = Fraction(shape[axis], out[axis])
        if mode == "nearest":       # place ⌊i·step⌋
            rest = 1 - Fraction(1, step.denominator)
            links[axis] = (axis, Kernel(step, -rest, rest))
        elif mode in _LOOK and not corners:
            links[axis] = (axis, Kernel(step, step / 2 - Fraction(1, 2) - _LOOK[mode], 2 * _LOOK[mode]))
    return links
