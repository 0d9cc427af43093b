"""Grad-CAM: the channels of a feature map, each weighted by its mean gradient, summed and rectified.

Selvaraju, Cogswell, Das, Vedantam, Parikh, Batra: Grad-CAM, ICCV 2017, equations 1 and 2.  At any node; all nodes share
one backward pass, which stops at the first of them.  On transformers over tokens, folded to the grid that they are
patches of.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.landmarks import MAP
from archviz.insight.engine.subject import Run, Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.methods._places import channels_first, to_input
from archviz.insight.results.attribution import Attribution

TITLE = "Grad-CAM"
GRAD = True

Nodes = str | Sequence[str] | None


def wants(subject: Subject, *, nodes: Nodes = None, **options: Any) -> tuple[NodeId, ...]:
    if nodes is None:
        return (MAP,)
    several = [nodes] if isinstance(nodes, str) else nodes
    # A single node is brought to the input whatever it is.
    return tuple(several) if len(several) == 1 and not set("*?[") & set(several[0]) else (MAP, *several)


def attribute(subject: Subject, *, nodes: Nodes = None, relu: bool = True) -> list[Attribution]:
    """Maps at nodes, and one of them brought to the input, for each target.

    The one over the input is the last feature map, where it is among them; else the last that has places.

    Parameters
    ----------
    nodes : str or sequence of str, optional
        Ids or globs, ``"*"`` for all.  None: the last convolutional feature map; of a transformer the tokens that its
        last attention reads (what it gives need not reach the output, where that is read from a class token).
    relu : bool
        Leave out what speaks against the target, as the paper does.
    """
    subject.step("Grad-CAM")
    wanted = wants(subject, nodes=nodes)
    run = shared.differentiated(subject, wanted)
    names = _names(subject, run, nodes)
    by_target = shared.gradients(subject, run, names)
    shared.reached(subject, by_target)
    result = []
    for number, gradients in enumerate(by_target):
        maps: dict[NodeId, Tensor] = {}
        scores: dict[NodeId, Tensor] = {}
        notes: list[str] = []
        for name, gradient in gradients.items():
            value = run.leaves[name] if name in run.leaves else run.values[name]
            parts, note = weighted(subject, name, value, gradient)
            scores[name] = parts.reshape(len(parts), -1).sum(1)
            if parts.dim() > 1:
                maps[name] = parts
                notes += [note] if note and note not in notes else []
        last = next((name for name in reversed(maps) if name == run.landmarks.get(MAP)), None) or next(
            (name for name in reversed(maps) if maps[name][0].numel() > 1), None)
        signed = maps[last] if last else None
        if relu:
            maps = {name: one.relu() for name, one in maps.items()}
            if signed is not None and not bool((signed > 0).any()):
                notes.append(f"nothing at {last} speaks for the target: the map is empty")
        inputs = to_input(subject, last, maps[last]) if last else {}
        at = names[0] if len(names) == 1 else f"{len(maps)} nodes" + (f"; over the input from {last}" if last else "")
        result.append(shared.attribution(
            subject, number, "gradcam", TITLE, inputs, maps=shared.numpy(maps), scores=shared.numpy(scores),
            signed=not relu, unit="weighted activation", checks=(shared.finite(maps),), notes=(f"at {at}", *notes)))
    return result


def _names(subject: Subject, run: Run, nodes: Nodes) -> list[NodeId]:
    if nodes is None:
        if MAP in run.landmarks:
            return [run.landmarks[MAP]]
        if tokens := [name for name in subject.sources if name not in subject.floats]:
            return tokens
        raise ArchvizError("Grad-CAM: the model has no feature map, neither of a convolution nor before an attention",
                           "name a node: nodes='encoder.*'")
    axis, n = subject.batch.axis, subject.n
    names = [name for name in subject.matching(nodes) if name in run.edges and not name.startswith(("/in:", "/out:"))
             and run.values[name].dim() > max(axis, 1) and run.values[name].shape[axis] == n]
    if not names:
        raise ArchvizError(f"Grad-CAM: no gradient can reach {nodes!r}", "name nodes between the input and the target")
    return names


def weighted(subject: Subject, node: NodeId, value: Tensor, gradient: Tensor) -> tuple[Tensor, str]:
    """(N, places…) at `node`, before the ReLU, and what is to say of the places; (N,) where it has none."""
    value, gradient = (one.detach().movedim(subject.batch.axis, 0).float() for one in (value, gradient))
    read = channels_first(subject, node, tuple(value.shape))
    if read is None:
        return (value * gradient).flatten(1).sum(1), ""
    value, gradient = read[0](value), read[0](gradient)
    weights = gradient.flatten(2).mean(2)
    return torch.einsum("nc,nc...->n...", weights, value), read[1]
