"""What is explained: any number the model computes, one for each sample.

In: what a user says (``"top1"``, ``281``, ``"features.3[5]"``, a function) and a first run.  Out: `Target`.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.trace.tape import tensors

Spec = str | int | Callable[[Any], Tensor] | Sequence[int] | Tensor
"""A target as a user says it.

``"top1"``, ``"top5"``     the classes with the largest logits, for each sample its own; k targets of one pass
``281``, ``"281"``         a class
``[281, 282]``, a tensor   a class for each sample
``"layer4.1[7]"``          channel 7 (or feature 7) of a node, its mean over all places
``"layer4.1[7,3,3]"``      one unit of it, at a place
a function                 of what the model returns, giving (N,)
"""
_UNIT = re.compile(r"(?P<node>.+)\[(?P<index>-?\d+(?:\s*,\s*-?\d+)*)\]$")


class Ran(Protocol):
    """A run that a target reads its number from."""

    result: Any
    rows: Tensor

    def value(self, node: NodeId) -> Tensor: ...


@dataclass(frozen=True)
class Target:
    """One number for each sample.

    name    what a caption calls it
    node    the node whose value must be kept to read it; None where the model's result is enough
    read    a run → (rows,) float32, differentiable; `Ran.rows` says which sample each row is a copy of
    """

    name: str
    node: NodeId | None
    read: Callable[[Ran], Tensor]


def unit_of(spec: Spec) -> tuple[NodeId, tuple[int, ...]] | None:
    """The node and the index of a target inside the model, if `spec` names one."""
    match = _UNIT.match(spec) if isinstance(spec, str) else None
    return (match["node"], tuple(int(i) for i in match["index"].split(","))) if match else None


def resolve(spec: Spec, run: Ran, position: int = -1) -> tuple[Target, ...]:
    """The targets that `spec` means, given a run over the samples themselves.

    `position` is the token of a sequence whose logits are meant.  Raises `ArchvizError` for a class, node or unit that
    is not there.
    """
    if callable(spec) and not isinstance(spec, Tensor):
        return (Target(getattr(spec, "__name__", "target"), None, _from_function(spec)),)
    unit = unit_of(spec)
    if unit is not None:
        return (_unit(*unit, run),)
    logits = _logits(run.result, position)
    n, classes = logits.shape
    if n != len(run.rows):
        raise ArchvizError(f"target: the model gives {n} rows of logits for {len(run.rows)} samples",
                           "say axis=1 if the second axis of the inputs counts samples, or give a function of what the "
                           "model returns as target")
    top = re.fullmatch(r"top(\d+)", spec) if isinstance(spec, str) else None
    if top is not None:
        k = int(top[1])
        if not 1 <= k <= classes:
            raise ArchvizError(f"target {spec}: the model has {classes} classes", f"top1 … top{classes}")
        best = logits.detach().topk(k, dim=1).indices
        return tuple(_class(best[:, i], f"top {i + 1}", position) for i in range(k))
    try:
        single = isinstance(spec, str) or (hasattr(spec, "__index__") and not getattr(spec, "shape", ()))
        wanted = torch.as_tensor([int(spec)] * n if single else list(spec),  # type: ignore[arg-type]
                                 dtype=torch.long, device=logits.device)
    except (ValueError, TypeError):
        raise ArchvizError(f"target {spec!r} means nothing",
                           "say top1, a class as in 281, or a unit as in 'layer4.1[7]'") from None
    if wanted.shape != (n,):
        raise ArchvizError(f"target: {tuple(wanted.shape)} classes for {n} samples", "give one class for each sample")
    wrong = [int(c) for c in wanted.tolist() if not 0 <= c < classes]
    if wrong:
        raise ArchvizError(f"target: there is no class {wrong[0]}, the model has {classes}", f"0 … {classes - 1}")
    return (_class(wanted, "", position),)


def _class(classes: Tensor, rank: str, position: int) -> Target:
    named = ", ".join(str(c) for c in dict.fromkeys(classes.tolist()))
    which = f"class {named}" if len(set(classes.tolist())) == 1 else f"classes {named}"

    def read(run: Ran) -> Tensor:
        logits = _logits(run.result, position)
        return logits.gather(1, classes.to(logits.device)[run.rows.to(logits.device)][:, None])[:, 0]

    return Target(f"{rank} ({which})" if rank else which, None, read)


def _unit(node: NodeId, index: tuple[int, ...], run: Ran) -> Target:
    value = run.value(node)
    if not value.dim() or len(value) != len(run.rows):
        raise ArchvizError(f"target: {node} gives {'×'.join(map(str, value.shape)) or 'one number'} for "
                           f"{len(run.rows)} samples", "its first axis must count samples")
    inner = tuple(value.shape[1:])
    if len(index) > len(inner) or any(not -size <= i < size for i, size in zip(index, inner, strict=False)):
        raise ArchvizError(f"target: {node} has no unit {list(index)}, it gives {'×'.join(map(str, inner))} a sample",
                           "one number for a channel, as many as it has axes for one unit")

    def read(run: Ran) -> Tensor:
        value = run.value(node)
        for i in index:
            value = value.select(1, i)
        return value.float().flatten(1).mean(1) if value.dim() > 1 else value.float()

    return Target(f"{'unit' if len(index) == len(inner) else 'channel'} {','.join(map(str, index))} of {node}", node,
                  read)


def _from_function(function: Callable[[Any], Tensor]) -> Callable[[Ran], Tensor]:
    def read(run: Ran) -> Tensor:
        value = function(run.result)
        if not isinstance(value, Tensor) or value.shape not in ((len(run.rows),), (len(run.rows), 1)):
            got = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ArchvizError(f"the target function gave {got} for {len(run.rows)} samples",
                               "it must give one number for each sample, a tensor of shape (N,)")
        return value.float().reshape(-1)
    return read


def _logits(result: Any, position: int) -> Tensor:
    """(N, classes) float32: of a sequence those at `position`, of a map the mean over all places."""
    logits = getattr(result, "logits", None)
    if logits is None and isinstance(result, dict):
        logits = result.get("logits")
    if not isinstance(logits, Tensor):
        logits = next((t for _, t in tensors(result) if t.is_floating_point() and t.dim() >= 2), None)
    if logits is None:
        raise ArchvizError("the model returns no logits to take a class of",
                           "give a function of its result as target (target=lambda y: y where it gives one number for "
                           "each sample), or a unit as in 'layer4.1[7]'")
    if logits.dim() == 3:
        if not -logits.shape[1] <= position < logits.shape[1]:
            raise ArchvizError(f"there is no position {position} among {logits.shape[1]}")
        logits = logits[:, position]
    return logits.float().flatten(2).mean(2) if logits.dim() > 2 else logits.float()
