"""Occlusion: how much the target drops where a window slides over the input and hides what is under it.

Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014, section 4.2; with a unit as the
target ("layer3[17]") the discrepancy maps of Zhou et al., "Object detectors emerge in deep scene CNNs", ICLR 2015,
section 3.2.  Over token sequences one token (or as many as `window` says) is replaced at its embedding (Li, Monroe and
Jurafsky, "Understanding neural networks through representation erasure", 2016).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.methods._gradients import attribution, numpy
from archviz.insight.methods._perturbation.perturb import EXACT, Source, effects, sources, token_filling
from archviz.insight.methods._perturbation.windows import filling, slid, spread
from archviz.insight.results.attribution import Attribution, Check

TITLE = "Occlusion"

Sides = int | Sequence[int] | None


def attribute(subject: Subject, *, window: Sides = None, stride: Sides = None, fill: str | float = "gray",
              token: int | None = None, seed: int = 0, incremental: bool = True) -> list[Attribution]:
    """Slide a window over each input, and see what the targets lose.

    The map is the drop f(x) − f(x with the window filled), in the target's unit, averaged over the windows that cover a
    place; ``extra["boxes"]`` (W, axes, 2) and ``extra["drops"]`` (N, W) hold the drops one by one (of several inputs
    one after the other).

    Parameters
    ----------
    window : int or sequence of int, optional
        Its sides in places, (height, width); None: a seventh of the input (32 of 224), one token, one feature.
    stride : int or sequence of int, optional
        Steps in places; None: half the window.  A window that reaches over the border is cut off there.
    fill : str or float
        ``gray``, ``mean``, ``blurred``, ``random`` or a number: see
        `archviz.insight.methods._perturbation.windows.filling`.
    token : int, optional
        The id whose embedding stands in for hidden tokens; None: the embedding's padding token, else zeros.
    seed : int
        Of the random filling.
    incremental : bool
        Whether layers compute only what a window can reach, where the graph allows that; the map is the same, and the
        check says how far from whole passes a few windows are.
    """
    base = subject.scores(subject.base).detach()
    drops_of: list[tuple[Source, Tensor, Tensor]] = []
    notes, errors = [], []
    for source in sources(subject):
        sides = _sides(window, source, None, "window")
        steps = _sides(stride, source, sides, "stride")
        boxes = slid(source.shape, sides, steps)
        stand_in = (token_filling(subject, source, token) if source.tokens
                    else filling(fill, source.maps, sides, seed))
        subject.step(f"occlude {source.name}: {len(boxes)} windows")
        scores, error, how = effects(subject, subject.targets, source, boxes, stand_in, incremental)
        errors.append(error)
        drops_of.append((source, boxes, (base[:, :, None] - scores).cpu()))
        notes.append(f"{source.name}: {len(boxes)} windows of {_times(sides)} at stride {_times(steps)}, filled with "
                     + ("an embedding" if source.tokens else str(fill)) + f"; {how}")
    check = Check("exact", max(errors), f"windows run again by themselves differ by {max(errors):.0e} of the target",
                  EXACT if all(one.maps.dtype == torch.float32 for one, _, _ in drops_of) else 1e-2)
    return [_attribution(subject, number, base[number], drops_of, check, tuple(notes))
            for number in range(len(subject.targets))]


def _sides(wanted: Sides, source: Source, window: Sequence[int] | None, what: str) -> tuple[int, ...]:
    """One number for each axis of places."""
    if wanted is None:
        single = source.tokens or source.channel is None
        return tuple(max(1, w // 2) for w in window) if window else tuple(1 if single else max(1, n // 7)
                                                                           for n in source.shape)
    sides = (wanted,) * len(source.shape) if isinstance(wanted, int) else tuple(wanted)
    if len(sides) != len(source.shape) or any(k < 1 for k in sides):
        raise ArchvizError(f"{what}: {_times(sides)} over {source.name}, whose places are {_times(source.shape)}",
                           "give one number of at least 1, or one for each axis")
    return sides if window else tuple(min(k, n) for k, n in zip(sides, source.shape, strict=True))


def _times(numbers: Sequence[int]) -> str:
    return "×".join(map(str, numbers))


def _attribution(subject: Subject, number: int, output: Tensor, drops_of: Sequence[tuple[Source, Tensor, Tensor]],
                 check: Check, notes: tuple[str, ...]) -> Attribution:
    inputs = {source.name: spread(drops[number], boxes, source.shape).float() for source, boxes, drops in drops_of}
    drops = torch.cat([drops[number] for _, _, drops in drops_of], -1)
    strongest = f"the strongest window takes {drops.amax(1).mean():.3g} of {output.mean():.3g}"
    extra: dict[str, Any] = {"drops": drops}
    if len({boxes.shape[1] for _, boxes, _ in drops_of}) == 1:
        extra["boxes"] = torch.cat([boxes for _, boxes, _ in drops_of])
    return attribution(subject, number, "occlusion", TITLE, inputs, unit="drop of the target", checks=(check,),
                       notes=(*notes, strongest), extra=numpy(extra))
