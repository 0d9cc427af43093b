"""The receptive field of a unit: the places it could see, those it does see, and how much.

Zhou et al., "Object detectors emerge in deep scene CNNs", ICLR 2015, section 3.2: small occluders slide over the input,
and the discrepancy of the unit is drawn where they were.  Luo et al., "Understanding the effective receptive field in
deep convolutional neural networks", NeurIPS 2016: how the unit's gradient is spread.  The theoretical field is that of
`archviz.trace.receptive_field.field_of`.
"""
from __future__ import annotations

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.subject import Subject
from archviz.insight.engine.target import Ran, Target, unit_of
from archviz.insight.methods._gradients import numpy
from archviz.insight.methods._perturbation.perturb import EXACT, Source, effects, read, sources
from archviz.insight.methods._perturbation.windows import filling, inside, slid, spread
from archviz.insight.results.attribution import Attribution, Check
from archviz.trace.receptive_field import crop, field_of

TITLE = "Receptive field"

SEEN = 0.0455
"""The part of the largest value from which a place counts as seen: Luo et al., section 4, take 1 − 95.45 %."""


def attribute(subject: Subject, *, window: int | None = None, stride: int | None = None,
              fill: str | float = "random", seed: int = 0) -> list[Attribution]:
    """Where a unit looks.  The target is one unit, ``"layer3[17,5,5]"``, or a channel, ``"layer3[17]"``.

    The map is the discrepancy |u(x) − u(x occluded)|, averaged over the occluders that cover a place; of a channel the
    unit is the one with the largest activation, each sample's own.  ``extra`` has ``place`` (N, axes), the theoretical
    field ``boxes`` (N, axes, 2), ``gradient``, the sum of |∂u/∂x| over channels, and ``sizes`` (N, 3): the sides of
    squares as large as the theoretical field, what the occluders find and what the gradient finds.  Raises
    `ArchvizError` for a target that is not a unit of a map, or an input without places.

    Parameters
    ----------
    window, stride : int, optional
        Of the occluders, in places; None: a twentieth of the input and half of that (11 and 5 of 224).
    fill, seed
        See `archviz.insight.methods._perturbation.windows.filling`.
    """
    name = subject.targets[0].name      # raises for a unit that is not there
    node, channel, source, places = _unit(subject)
    target = _at(node, channel, places, name)
    shape = source.shape
    field = field_of(subject.tape, node, source.name)
    boxes = torch.tensor([[(part.start, part.stop) for part in crop(field, place, shape)]
                          for place in places.tolist()])
    sides = tuple(min(n, window or max(1, n // 20)) for n in shape)
    steps = tuple(stride or max(1, side // 2) for side in sides)
    occluders = slid(shape, sides, steps)
    subject.step(f"occlude {source.name}: {len(occluders)} windows")
    with torch.no_grad():
        run = subject.run(nodes={node})
        base = read([target], run)
    values, error, how = effects(subject, [target], source, occluders, filling(fill, source.maps, sides, seed))
    drops = (base[..., None] - values)[0].abs().cpu()
    maps, gradient = spread(drops, occluders, shape).float(), _gradient(subject, target, source)
    checks = [Check("exact", error, f"windows run again by themselves differ by {error:.0e} of the unit",
                    EXACT if source.maps.dtype == torch.float32 else 1e-2),
              _contained(drops, occluders, boxes)]
    seen = [inside(boxes, shape).flatten(1).sum(1).float(), *(_seen(one) for one in (maps, gradient))]
    sizes = torch.stack(seen, 1).pow(1 / len(shape))
    mean = [f"{size:.0f}" for size in sizes.mean(0).tolist()]
    notes = (f"side of the field: in theory {mean[0]}, by occluders {mean[1]}, by the gradient {mean[2]} places",
             f"{len(occluders)} occluders of {'×'.join(map(str, sides))} at "
             f"stride {'×'.join(map(str, steps))}, filled with {fill}; {how}")
    return [Attribution("receptive_field", TITLE, target.name, base[0].cpu().numpy(), numpy({source.name: maps}),
                        numpy({source.name: subject.shown[source.name]}), signed=False, unit="discrepancy of the unit",
                        checks=tuple(checks), notes=notes,
                        extra=numpy({"place": places, "boxes": boxes, "gradient": gradient, "sizes": sizes}))]


def _unit(subject: Subject) -> tuple[NodeId, int, Source, Tensor]:
    """The node, the channel, the input, and where the unit is for each sample, (N, axes)."""
    unit = unit_of(subject.spec)
    if unit is None:
        raise ArchvizError(f"target {subject.spec!r} has no receptive field: every output sees the whole input",
                           "name a channel or a unit of a map, as in target='layer3[17]' or 'layer3[17,5,5]'")
    node, index = unit
    source = next((one for one in sources(subject) if not one.tokens and one.channel == 1), None)
    with torch.no_grad():
        value = subject.run(nodes={node}).value(node)
    if source is None or value.dim() != source.maps.dim():
        raise ArchvizError(f"{node} is no map over an input: its shape is {tuple(value.shape)}")
    if len(index) == value.dim() - 1:
        places = torch.tensor(index[1:]) % torch.tensor(value.shape[2:])
        return node, index[0], source, places.expand(len(value), -1)
    best = value[:, index[0]].flatten(1).argmax(1).cpu()
    return node, index[0], source, torch.stack(torch.unravel_index(best, value.shape[2:]), 1)


def _at(node: NodeId, channel: int, places: Tensor, name: str) -> Target:
    """The unit at each sample's own place."""
    def value(run: Ran) -> Tensor:
        values = run.value(node)[:, channel]
        rows = torch.arange(len(values), device=values.device)
        where = (rows, *places.to(values.device)[run.rows.to(values.device)].unbind(1))
        return values[where].float()

    return Target(name, node, value)


def _gradient(subject: Subject, target: Target, source: Source) -> Tensor:
    """(N, *S): the sum of |∂u/∂x| over channels."""
    run = subject.run(nodes={target.node} if target.node else (), grad=True)
    value = target.read(run).sum()
    if not value.requires_grad:
        raise ArchvizError(f"{target.name} does not depend on {source.name} in a way that has a gradient")
    slope, = torch.autograd.grad(value, [run.leaves[source.name]])
    return slope.movedim(subject.batch.axis, 0).abs().sum(1).detach().float().cpu()


def _seen(maps: Tensor) -> Tensor:
    """(N,): the number of places whose value is a `SEEN` part of the largest, or more."""
    flat = maps.flatten(1)
    return ((flat >= SEEN * flat.amax(1, keepdim=True)) & (flat > 0)).sum(1).float()


def _contained(drops: Tensor, occluders: Tensor, boxes: Tensor) -> Check:
    """Whether no occluder outside the theoretical field changes the unit."""
    after, before = occluders[None, ..., 0] >= boxes[:, None, :, 1], occluders[None, ..., 1] <= boxes[:, None, :, 0]
    apart = (after | before).any(-1)
    outside = float((drops * apart).amax() / drops.amax().clamp(min=1e-12))
    return Check("inside", outside, f"outside the field at most {outside:.0e} of the largest discrepancy", 1e-4)
