"""CAM: the channels of the last feature map, each weighted as the linear layer behind the global mean weights it.

Zhou, Khosla, Lapedriza, Oliva, Torralba: Learning deep features for discriminative localization, CVPR 2016, equation 2.
Only for a model whose head is just that.
"""
from __future__ import annotations

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.landmarks import HEAD, MAP
from archviz.insight.engine.subject import Run, Subject
from archviz.insight.methods import _gradients as shared
from archviz.insight.methods._places import channels_first, to_input
from archviz.insight.results.attribution import Attribution, Check

TITLE = "CAM"
GRAD = True


def wants(subject: Subject) -> tuple[NodeId, ...]:
    return (MAP, HEAD)


def attribute(subject: Subject) -> list[Attribution]:
    """The class activation map, signed, and brought to the input, for each target.

    Its mean over all places, and the bias, are the logit: that is the check.  Raises `ArchvizError` for a model without
    a linear layer on the mean of its last feature map.
    """
    subject.step("class activation map")
    run = shared.differentiated(subject, (MAP, HEAD))
    node, head, features, weight, bias = _head(subject, run)
    scores = subject.scores(run).detach()
    result = []
    for number, slopes in enumerate(shared.gradients(subject, run, [head])):
        if head not in slopes:
            raise ArchvizError(f"CAM: {subject.targets[number].name} does not read {head}", "use Grad-CAM")
        # Which logits the target is made of: for a class, a one in its place.
        classes = slopes[head].flatten(1).float()
        maps = {node: torch.einsum("nk,kc,nc...->n...", classes, weight, features)}
        sums = maps[node].flatten(1).mean(1) + classes @ bias
        worst = float(((sums - scores[number]).abs() / scores[number].abs().clamp_min(1e-12)).max())
        check = Check("completeness", worst,
                      f"its mean and the bias make {float((sums / scores[number])[0]):.4g} of the logit")
        result.append(shared.attribution(
            subject, number, "cam", TITLE, to_input(subject, node, maps[node]), maps=shared.numpy(maps),
            scores=shared.numpy({node: maps[node].flatten(1).sum(1)}), unit="logit at a place", checks=(check,),
            notes=(f"at {node}, weights of {head}",)))
    return result


def _head(subject: Subject, run: Run) -> tuple[NodeId, NodeId, Tensor, Tensor, Tensor]:
    """The map and the head, the map's value (N, C, places…), the head's weight (K, C) and bias (K,)."""
    hint = "Grad-CAM does not need such a head"
    if MAP not in run.landmarks or HEAD not in run.landmarks:
        lacking = "feature map" if MAP not in run.landmarks else "linear layer"
        raise ArchvizError(f"CAM: the model has no {lacking}", hint)
    node, head = run.landmarks[MAP], run.landmarks[HEAD]
    value = run.values[node].detach().movedim(subject.batch.axis, 0).float()
    read = channels_first(subject, node, tuple(value.shape))
    calls = subject.tape.calls
    call = next(call for call in calls if call.node == head)
    tensors = ([getattr(call.module, name, None) for name in ("weight", "bias")] if call.module is not None else
               [calls[ref.call].target for ref in call.operands() if calls[ref.call].how == "parameter"])
    weight, bias = (*[one.detach().float() if isinstance(one, Tensor) else None for one in tensors], None, None)[:2]
    if read is not None and weight is not None:
        features, weight = read[0](value), weight.flatten(1)
        bias = torch.zeros_like(weight[:, 0]) if bias is None else bias
        pooled = features.flatten(2).mean(2)
        if weight.shape[1] == pooled.shape[1]:
            logits = run.values[head].detach().flatten(1).float()
            made = pooled @ weight.T + bias
            if made.shape == logits.shape and bool((made - logits).abs().max() <= 1e-2 * logits.abs().max()):
                return node, head, features, weight, bias
    raise ArchvizError(f"CAM: {head} is not a linear layer on the mean of the last feature map, {node}", hint)
