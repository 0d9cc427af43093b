"""Where the places of a node's value are: grids of images, of patches and windows, lengths of texts and signals.

In: a subject, the shape of what a node gave.  Out: how it is read as (N, C, places…); maps brought to the input.
"""
from __future__ import annotations

from collections.abc import Callable
from os.path import commonprefix

import torch.nn.functional as F
from torch import Tensor

from archviz.core.graph import NodeId
from archviz.insight.engine.landmarks import kind
from archviz.insight.engine.subject import Subject
from archviz.trace.kinds import class_of, is_leaf, kind_of

MOST_PREFIXES = 8       # tokens without a place (class, distillation, registers) that may stand before those of a grid
_RESIZED = {2: "linear", 3: "bilinear", 4: "trilinear"}
_SLIDING = ("conv", "upconv", "pool")
_NORMS = ("LayerNorm", "layer_norm", "RMSNorm", "rms_norm")


def channels_first(subject: Subject, node: NodeId, shape: tuple[int, ...],
                   ) -> tuple[Callable[[Tensor], Tensor], str] | None:
    """How a node's value (N, …) of this shape is read as (N, C, places…), and what is to say of that; or None."""
    image = _image(subject)
    if len(shape) == 5 or len(shape) == 4 and not _channels_last(shape, image):
        return (lambda value: value), ""
    if len(shape) == 4:
        return (lambda value: value.movedim(-1, 1)), ""
    if len(shape) != 3:
        return None
    tokens = [shown for name, shown in subject.shown.items() if name not in subject.floats and shown.dim() == 2]
    if any(shape[1] == shown.shape[1] for shown in tokens):
        return (lambda value: value.movedim(-1, 1)), ""
    grid = _grid(shape[1], image) if image and not _slides(subject, node) else None
    if grid is None:
        return ((lambda value: value.movedim(-1, 1)) if _features_last(subject, node) else (lambda value: value)), ""
    left, high, wide = grid
    note = f"{left} token{'s' * (left > 1)} without a place left out" if left else ""
    return (lambda value: value[:, left:].movedim(-1, 1).unflatten(2, (high, wide))), note


def to_input(subject: Subject, node: NodeId, places: Tensor) -> dict[NodeId, Tensor]:
    """A map (N, places…) at `node` as one over an input: resized bilinearly to an image, or over the tokens it is for.

    Where several inputs have such places, over the one whose id is most like the node's: a decoder's tokens for a node
    of the decoder.  Empty where none has.
    """
    for name in sorted(subject.shown, key=lambda name: -len(commonprefix([name, node]))):
        shown = subject.shown[name]
        vectors = name in subject.floats and shown.dim() == 3 and _features_last(subject, node)     # as tokens
        if name not in subject.floats or vectors:
            if places.shape[1:] == (shown.shape[1:2] if vectors else shown.shape[1:]):
                return {name: places}
        elif shown.dim() == places.dim() + 1 and places.dim() in _RESIZED:
            return {name: F.interpolate(places[:, None], shown.shape[2:], mode=_RESIZED[places.dim()],
                                        align_corners=False)[:, 0]}
    return {}


def _image(subject: Subject) -> tuple[int, int] | None:
    """Height and width of the first input that is an image."""
    return next(((shown.shape[2], shown.shape[3]) for name, shown in subject.shown.items()
                 if name in subject.floats and shown.dim() == 4), None)


def _channels_last(shape: tuple[int, ...], image: tuple[int, int] | None) -> bool:
    """Whether the second and third axes look more like the image than the third and fourth do."""
    if image is None:
        return False
    first, last = (abs(high * image[1] / (wide * image[0]) - 1) for high, wide in (shape[2:], shape[1:3]))
    return last < first


def _slides(subject: Subject, node: NodeId) -> bool:
    """Whether the node is one of a signal's convolutions, whose channels come before its places."""
    module = subject.modules.get(node)
    if module is not None:
        return is_leaf(module) and kind_of(module) in _SLIDING
    return any(call.node == node and kind(call) in _SLIDING for call in subject.tape.calls)


def _features_last(subject: Subject, node: NodeId) -> bool:
    """Whether the node normalises each token's features, which then are the last axis."""
    module = subject.modules.get(node)
    if module is not None:
        return class_of(module).__name__ in _NORMS
    return any(call.node == node and call.op in _NORMS for call in subject.tape.calls)


def _grid(length: int, image: tuple[int, int]) -> tuple[int, int, int] | None:
    """Tokens in front, rows and columns, if `length` tokens are a grid of square patches over the image."""
    for left in range(min(MOST_PREFIXES + 1, length)):
        high = round(((length - left) * image[0] / image[1]) ** 0.5)
        if high and (length - left) % high == 0:
            wide = (length - left) // high
            if abs(image[0] / high - image[1] / wide) < 0.05 * image[0] / high:
                return left, high, wide
    return None
