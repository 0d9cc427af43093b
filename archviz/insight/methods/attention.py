"""Attention: what each query looked at, head by head, as matrices of weights (Bahdanau, Cho & Bengio, 2015, figure 3;
Vaswani et al., 2017).

In: a subject.  Out: for each target an `Attribution` with ``extra["attention:<node id>"]`` and ``maps[<node id>]``,
both (N, heads, queries, keys), for every attention of the run; where the input is cut in windows that attend each by
itself, the heads of one window follow those of another.  The weights do not depend on the target.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.subject import Subject
from archviz.insight.methods._attention_weights import Attention, AttentionRun, attended
from archviz.insight.methods._gradients import attribution
from archviz.insight.results.attribution import Attribution, Check

TITLE = "Attention"
_REPEAT = re.compile(r"@\d+")


def attribute(subject: Subject, *, nodes: str | Iterable[str] = "*") -> list[Attribution]:
    """The weights of every attention of one run, the same for each target.

    A decoder that attends once for each step has one matrix of all of its steps, under the id of the first.  Raises
    `ArchvizError` where nothing attends, or nothing of that name.

    Parameters
    ----------
    nodes : str or iterable of str
        Globs on the ids of nodes: which of them.
    """
    subject.step("watch the model attend")
    run = attended(subject)
    attentions = chosen(run, [nodes] if isinstance(nodes, str) else list(nodes))
    steps: dict[NodeId, list[Tensor]] = {}
    for one in attentions:
        steps.setdefault(_first(one, attentions), []).append(one.weights)
    maps = {name: torch.cat(weights, 2).numpy() for name, weights in steps.items()}
    notes = tuple(f"the weights of {name} cannot be read" for name in run.missed)
    windows = sum(one.weights.shape[1] > one.heads for one in attentions)
    if windows:
        notes += (f"{windows} attentions are within windows, whose heads follow one another",)
    return [attribution(subject, number, "attention", TITLE, {}, maps=maps, signed=False, unit="attention",
                        checks=checks(attentions), notes=notes,
                        extra={f"attention:{name}": values for name, values in maps.items()})
            for number in range(len(subject.targets))]


def chosen(run: AttentionRun, patterns: Sequence[str]) -> list[Attention]:
    """The attentions whose node one of the globs names.  Raises `ArchvizError` where there is none."""
    attentions = [one for one in run.attentions if any(fnmatchcase(one.node, p) or one.node == p for p in patterns)]
    if not attentions and run.attentions:
        raise ArchvizError(f"no attention is named {', '.join(patterns)}",
                           "there are " + ", ".join(one.node for one in run.attentions))
    if not attentions and run.missed:
        raise ArchvizError(f"the weights of {', '.join(run.missed)} cannot be read",
                           "fused kernels keep them: set attn_implementation to sdpa or eager")
    if not attentions:
        raise ArchvizError("the model does not attend: no softmax of it multiplies values")
    return attentions


def checks(attentions: Sequence[Attention]) -> tuple[Check, ...]:
    """That rows are weights, and that weights · values is what the model went on with."""
    off, error = max(one.off for one in attentions), max(one.error for one in attentions)
    half = any(one.output.dtype in (torch.float16, torch.bfloat16) for one in attentions)
    within, tolerance = f" within {error:.1e}" if error else "", 0.02 if half else 1e-4
    return (Check("rows", off, f"rows sum to 1 within {off:.1e}", tolerance),
            Check("exact", error, f"weights × values are the model's own output{within}", tolerance))


def _first(one: Attention, attentions: Sequence[Attention]) -> NodeId:
    """The node under which its matrix is given: where a call of one query is repeated, that of the first."""
    if one.weights.shape[2] > 1:
        return one.node
    place = _REPEAT.sub("", one.node)
    return next(other.node for other in attentions
                if _REPEAT.sub("", other.node) == place and other.weights.shape == one.weights.shape)
