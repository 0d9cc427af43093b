"""Region proposals: what the target owes to whole regions of an image, rather than to windows.

Regions are proposed, and each is put through the model as in Girshick et al., "Rich feature hierarchies for accurate
object detection and semantic segmentation" (R-CNN), CVPR 2014, section 2.1: by itself, here with everything else
filled, or warped to the size of the input.  Without proposals of the user they are superpixels at several scales:
Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods", TPAMI 2012, algorithm 1.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from archviz.core.errors import ArchvizError
from archviz.insight.engine.batches import in_batches, rows_at_once
from archviz.insight.engine.subject import Subject
from archviz.insight.engine.target import Target
from archviz.insight.methods._gradients import attribution, numpy
from archviz.insight.methods._perturbation.perturb import Source, perturbed, scored, sources
from archviz.insight.methods._perturbation.windows import Fill, filling, inside
from archviz.insight.results.attribution import Attribution, Check

TITLE = "Region proposals"


def attribute(subject: Subject, *, proposals: Any = None, segments: Sequence[int] = (9, 36),
              fill: str | float = "gray", warp: bool = False, top: int = 5, seed: int = 0) -> list[Attribution]:
    """What the target is with one region alone, and what it loses without it.

    The map of a target sums, over the regions that cover a place, what the target loses without the region,
    f(x) − f(x without it), divided by the region's area.  ``extra`` has ``boxes`` (N, W, 2, 2); ``kept`` and
    ``removed`` (N, W), the target with the region alone and without it; and ``top`` (N, top), the regions whose
    first and last contribution, f(region) − f(filled) and f(x) − f(x without it), are largest, best first.  Raises
    `ArchvizError` where there is no image, or the proposals are of another size or empty.

    Parameters
    ----------
    proposals : array, optional
        Boxes (W, 2, 2), the first and the end of rows and of columns, or masks, (W, H, W') or (N, W, H, W') bool.
        None: superpixels.
    segments : sequence of int
        About how many superpixels there are at each scale.
    fill, seed
        What stands where nothing is kept: see `archviz.insight.methods._perturbation.windows.filling`.
    warp : bool
        Show each region's bounding box by itself at the size of the input, as R-CNN does, instead of the region in its
        place on a filled image.
    top : int
        How many regions ``extra["top"]`` lists.
    """
    source = next((one for one in sources(subject) if not one.tokens and one.maps.dim() == 4), None)
    if source is None:
        raise ArchvizError("regions are proposed for images, and the model takes none", "use occlusion")
    masks = _superpixels(source.maps, segments) if proposals is None else _given(proposals, source)
    count, targets = masks.shape[1], subject.targets
    stand_in = filling(fill, source.maps, source.shape, seed)
    subject.step(f"regions of {source.name}: {count}")
    base = subject.scores(subject.base).detach()
    removed = perturbed(subject, targets, source, count, lambda rows, at: masks[rows, at], stand_in)
    whole = masks.new_ones((subject.n, *source.shape))
    empty = perturbed(subject, targets, source, 1, lambda rows, at: whole[rows], stand_in)
    boxes = _boxes(masks)
    kept = (_warped(subject, source, boxes) if warp else
            perturbed(subject, targets, source, count, lambda rows, at: ~masks[rows, at], stand_in))
    areas, drops = masks.flatten(2).sum(2), base[..., None] - removed
    worth = (kept - empty + drops) * (areas > 0)
    kinds = "superpixels at scales " + ", ".join(map(str, segments)) if proposals is None else "proposed by the user"
    notes = (f"{count} regions: {kinds}",
             f"filled with {fill}" + ("; kept regions are warped to the input's size" if warp else ""))
    attributions = []
    for number, target in enumerate(targets):
        maps = torch.einsum("nw,nwyx->nyx", drops[number] / areas.clamp(min=1), masks.to(drops.dtype))
        best = worth[number].topk(min(top, count), dim=1).indices
        union = torch.stack([one[at].any(0) for one, at in zip(masks, best, strict=True)])
        check = _kept(subject, target, source, union, stand_in, base[number], empty[number, :, 0])
        attributions.append(attribution(
            subject, number, "regions", TITLE, {source.name: maps}, unit="drop of the target per place",
            checks=(check,), notes=notes,
            extra=numpy({"boxes": boxes, "kept": kept[number], "removed": removed[number], "top": best})))
    return attributions


def _kept(subject: Subject, target: Target, source: Source, union: Tensor, stand_in: Fill, whole: Tensor,
          empty: Tensor) -> Check:
    """How much of the target the best regions keep by themselves: 0 as the filled image, 1 as the whole one."""
    left = perturbed(subject, [target], source, 1, lambda samples, parts: ~union[samples], stand_in)[0, :, 0]
    span = whole - empty
    part = float(((left - empty) / span.where(span.abs() > 1e-12, torch.ones_like(span))).mean())
    area = 100 * float(union.float().mean())
    verdict = f"the best regions, {area:.0f} % of the image, keep {100 * part:.0f} % of the target"
    return Check("kept", max(0.0, 1 - part), verdict, 0.5)


def _given(proposals: Any, source: Source) -> Tensor:
    """(N, W, H, W') bool of the user's boxes or masks."""
    masks = torch.as_tensor(proposals, device=source.maps.device)
    if masks.dim() == 3 and tuple(masks.shape[1:]) == (2, 2) and masks.dtype != torch.bool:
        masks = inside(masks.long(), source.shape)
    masks = masks.bool() if masks.dim() == 4 else masks.bool()[None]
    n = len(source.maps)
    if masks.dim() != 4 or tuple(masks.shape[2:]) != source.shape or len(masks) not in (1, n):
        raise ArchvizError(f"proposals: {tuple(torch.as_tensor(proposals).shape)} is neither boxes nor masks of this "
                           f"image", f"boxes (W, 2, 2) or masks (W, {source.shape[0]}, {source.shape[1]})")
    if not masks.shape[1] or not masks.flatten(2).any(2).all():
        raise ArchvizError("proposals: there is none, or one that is empty", "leave out those without a pixel")
    return masks.expand(n, -1, -1, -1)


def _boxes(masks: Tensor) -> Tensor:
    """(N, W, 2, 2): the bounding box of each mask."""
    sides = []
    for axis in (3, 2):
        there = masks.any(axis).to(torch.int8)
        sides.append(torch.stack([there.argmax(2), there.shape[2] - there.flip(2).argmax(2)], -1))
    return torch.stack(sides, 2)


def _warped(subject: Subject, source: Source, boxes: Tensor) -> Tensor:
    """(targets, N, W): the targets of each box, resized to the whole input without keeping its proportions."""
    count = boxes.shape[1]
    shape = torch.tensor(source.shape, device=boxes.device)

    def work(numbers: Tensor) -> Tensor:
        rows, box = numbers // count, boxes[numbers // count, numbers % count].float()
        scale, middle = (box[..., 1] - box[..., 0]) / shape, (box[..., 1] + box[..., 0]) / shape - 1
        theta = torch.stack([torch.stack([scale[:, 1], 0 * scale[:, 0], middle[:, 1]], 1),
                             torch.stack([0 * scale[:, 0], scale[:, 0], middle[:, 0]], 1)], 1)
        whole = source.maps[rows].float()
        grid = functional.affine_grid(theta, list(whole.shape), align_corners=False)
        maps = functional.grid_sample(whole, grid, padding_mode="border", align_corners=False).to(source.maps.dtype)
        return scored(subject, subject.targets, rows, {source.name: source.tensor(maps, subject.batch.axis)})

    with torch.no_grad():
        scores = in_batches(len(boxes) * count, rows_at_once(subject), work, boxes.device)
    return scores.view(-1, len(boxes), count)


def _superpixels(images: Tensor, segments: Sequence[int]) -> Tensor:
    """(N, W, H, W') bool: the superpixels of all scales.  Some may be empty, which then contribute nothing."""
    masks = [functional.one_hot(*_slic(images.float(), wanted)).movedim(-1, 1).bool() for wanted in segments]
    return torch.cat(masks, 1)


def _slic(images: Tensor, wanted: int, steps: int = 10, compact: float = 2.0) -> tuple[Tensor, int]:
    """The superpixel of each pixel, (N, H, W'), and how many there are: k-means over colour and place, begun on a grid,
    where a pixel chooses among the nine centres around it.

    Colours are the input's own, in units of each channel's deviation; places in units of the grid, times `compact`.
    """
    n, channels, height, width = images.shape
    side = (height * width / max(1, wanted)) ** 0.5
    down, along = max(1, round(height / side)), max(1, round(width / side))
    colour = (images - images.mean((2, 3), keepdim=True)) / images.std((2, 3), keepdim=True).clamp(min=1e-6)
    y, x = torch.meshgrid(torch.arange(height, device=images.device), torch.arange(width, device=images.device),
                          indexing="ij")
    place = torch.stack([y, x]) * (compact * channels ** 0.5 / side)
    points = torch.cat([colour, place.expand(n, -1, -1, -1)], 1).flatten(2)
    row, column = y * down // height, x * along // width
    near = torch.stack([(row + dy).clamp(0, down - 1) * along + (column + dx).clamp(0, along - 1)
                        for dy in (-1, 0, 1) for dx in (-1, 0, 1)]).flatten(1)
    labels = (row * along + column).flatten().expand(n, -1)
    for _ in range(steps):
        total = points.new_zeros((n, points.shape[1], down * along))
        total = total.scatter_add(2, labels[:, None].expand_as(points), points)
        size = points.new_zeros((n, down * along)).scatter_add(1, labels, torch.ones_like(points[:, 0]))
        centres = total / size.clamp(min=1)[:, None]
        apart = torch.stack([(points - centres[:, :, which]).square().sum(1) for which in near], 1)
        labels = near.expand(n, -1, -1).gather(1, apart.argmin(1, keepdim=True))[:, 0]
    return labels.view(n, height, width), down * along
