"""What the strongest units saw: places on a node's map → boxes of the input image.

In: a `Tape`, places.  Out: boxes.
"""
from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.trace.receptive_field import Axis, field_of
from archviz.trace.tape import Tape


def field(tape: Tape, node: NodeId) -> tuple[Axis, ...] | None:
    """The receptive field of the units of `node` in the input image; None where there is no such image."""
    try:
        axes = field_of(tape, node)
    except ArchvizError:
        return None
    return axes if len(axes) == 2 and image_size(tape) else None


def image_size(tape: Tape) -> tuple[int, ...]:
    """(H, W) of the first input (N, C, H, W); empty where there is none."""
    shapes = [call.out[()].shape for call in tape.calls if call.how == "input"]
    return next((shape[2:] for shape in shapes if len(shape) == 4), ())


def boxes(axes: Sequence[Axis], places: NDArray[Any], size: Sequence[int]) -> NDArray[Any] | None:
    """(C, k, 4): top, left, bottom and right of what the units at `places` (C, k, d) see of an image of this size.

    −1 for a place that is none; None where places are not the image's.
    """
    whole = all(axis.stride == 0 for axis in axes)
    if not whole and places.shape[-1] != len(axes):
        return None
    first, last = [], []
    for number, (axis, most) in enumerate(zip(axes, size, strict=True)):
        stride, offset = Fraction(axis.stride), Fraction(axis.offset)
        at = places[..., 0 if whole else number]
        over = stride.denominator * offset.denominator
        start = -((-at * stride.numerator * offset.denominator - offset.numerator * stride.denominator) // over)
        first.append(np.clip(start, 0, most))
        last.append(np.clip(start + axis.size, 0, most))
    corners = np.stack([*first, *last], -1)
    corners[places[..., 0] < 0] = -1
    return corners
