"""Attention rollout: how much of each input token there is in the token that the target is read from.

Abnar & Zuidema (2020), "Quantifying Attention Flow in Transformers", section 4: Ã = ½ W + ½ I for every layer, W the
weights of its heads joined, multiplied from the first layer to the last.  Cross attention mixes what an encoder's
tokens are made of into those of a decoder, whose rows are over the inputs of both.
In: a subject.  Out: for each target maps over the tokens, folded to a grid over the image where they are patches of it,
and the rolled out matrix (N, tokens, input tokens) at every attention.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.operands import sources_of
from archviz.insight.engine.subject import Subject
from archviz.insight.engine.target import Target
from archviz.insight.methods import _gradients as shared
from archviz.insight.methods._attention_weights import Attention, AttentionRun, attended
from archviz.insight.methods._places import channels_first, to_input
from archviz.insight.methods.attention import checks, chosen
from archviz.insight.results.attribution import Attribution, Check

TITLE = "Attention rollout"
_JOINED = {"mean": lambda weights: weights.mean(1), "max": lambda weights: weights.amax(1),
           "min": lambda weights: weights.amin(1)}

Stream = tuple[frozenset[NodeId], int]
"""Tokens side by side: which sources they are made of, and how many they are."""
Made = dict[Stream, Tensor]
"""What the tokens of a stream are made of: (N, tokens, first tokens) of each stream that began at an input."""


def attribute(subject: Subject, *, heads: str = "mean", residual: float = 0.5, token: int | None = None,
              ) -> list[Attribution]:
    """Roll out the attention of one run.

    Raises `ArchvizError` where nothing attends, or attention does not go from all tokens to all: in windows, or step by
    step.

    Parameters
    ----------
    heads : str
        How the heads of a layer are joined: ``"mean"`` as in the paper, ``"max"`` or ``"min"``, whose rows are brought
        to a sum of 1.
    residual : float
        The share of the residual connection in a layer.
    token : int, optional
        The token that is explained; None: those that the target is read from, by its gradient, in equal parts (a class
        token, the last token, or all of them where a head takes their mean).
    """
    if heads not in _JOINED:
        raise ArchvizError(f"heads {heads!r}", "mean, max or min")
    subject.step("roll out attention")
    with torch.enable_grad():
        seen = attended(subject, leaves=True)
        scores = torch.stack([target.read(seen.run) for target in subject.targets])
    attentions = chosen(seen, ["*"])
    _allowed(seen)
    rolled = _rolled(subject, seen, heads, residual)
    maps = shared.numpy({one.node: torch.cat([*made.values()], 2)
                         for one, made in zip(attentions, rolled, strict=True)})
    result = []
    for number, target in enumerate(subject.targets):
        last, rows = _rows(subject, attentions, target, scores[number], token)
        inputs: dict[NodeId, Tensor] = {}
        for stream, matrix in rolled[last].items():
            inputs |= _over_input(subject, attentions[last].node, stream, (rows[:, None] @ matrix)[:, 0])
        off = float((torch.cat([*rolled[last].values()], 2).sum(2) - 1).abs().amax())
        read = [n for n in range(rows.shape[1]) if bool((rows[:, n] > 0).any())]
        tokens = f"token {read[0]}" if len(read) == 1 else f"{len(read)} tokens, in equal parts"
        result.append(shared.attribution(
            subject, number, "rollout", TITLE, inputs, signed=False, unit="share of attention",
            maps=maps, checks=(Check("rows", off, f"rows sum to 1 within {off:.1e}", 1e-4), checks(attentions)[1]),
            notes=(f"the {heads} of the heads, {residual:g} for the residual", f"from {tokens}")))
    return result


def _allowed(seen: AttentionRun) -> None:
    """Raises `ArchvizError` for attention that does not go from all tokens to all."""
    if seen.missed:
        raise ArchvizError(f"rollout: the weights of {seen.missed[0]} cannot be read",
                           "set attn_implementation to eager")
    for one in seen.attentions:
        if one.weights.shape[1] > one.heads:
            raise ArchvizError(f"rollout: {one.node} attends within windows, of which one does not know the others",
                               "use method=attention, or a gradient method")
    steps = [one for one in seen.attentions if one.axis is None]
    if len(steps) > 1:
        raise ArchvizError(f"rollout: {steps[0].node} attends step by step, its tokens are not side by side",
                           "use method=attention")


def _rolled(subject: Subject, seen: AttentionRun, heads: str, residual: float) -> list[Made]:
    """What the tokens are made of after each attention."""
    above = sources_of(seen.tape, subject.sources)
    streams: dict[Stream, Made] = {}

    def begun(stream: Stream) -> Made:
        return streams.get(stream) or {stream: torch.eye(stream[1]).expand(subject.n, -1, -1)}

    result = []
    for one in seen.attentions:
        queries, keys = one.weights.shape[2:]
        origins = above[one.values]
        every = origins.union(*(above[number] for number in one.made))
        weights = _JOINED[heads](one.weights)
        sums = weights.sum(-1, keepdim=True)
        weights = weights / torch.where(sums > 0, sums, 1)
        shares = (1 - residual) * (sums > 0)            # a token that may see nothing stays as it is
        asked: Stream = (every, queries)
        if queries != keys or origins != every:
            asked = next((stream for stream in reversed(streams)
                          if stream[1] == queries and stream[0] <= every and stream != (origins, keys)),
                         (every - origins or every, queries))
        before, read = begun(asked), begun((origins, keys))
        after = {stream: (1 - shares) * before[stream] for stream in before}
        for stream, matrix in read.items():
            after[stream] = after.get(stream, 0) + shares * (weights @ matrix)
        streams.pop((every, queries), None)             # the latest is the last
        streams[every, queries] = after
        result.append(after)
    return result


def _rows(subject: Subject, attentions: Sequence[Attention], target: Target, score: Tensor, token: int | None,
          ) -> tuple[int, Tensor]:
    """The last attention that the target depends on, and the share (N, queries) of each of its tokens in the target."""
    slopes = torch.autograd.grad(score.sum(), [one.output for one in attentions], retain_graph=True, allow_unused=True)
    last = max((n for n, slope in enumerate(slopes) if slope is not None), default=None)
    if last is None:
        raise ArchvizError(f"rollout: {target.name} does not depend on any attention")
    slope, one = slopes[last], attentions[last]
    assert slope is not None
    queries = one.weights.shape[2]
    if token is not None:
        if not -queries <= token < queries:
            raise ArchvizError(f"rollout: there is no token {token}, {one.node} has {queries}")
        rows = torch.zeros(subject.n, queries)
        rows[:, token] = 1
    elif one.axis is None:
        rows = torch.ones(subject.n, queries)
    else:
        rows = (slope.movedim(one.axis, -1).reshape(subject.n, -1, queries).abs().amax(1) > 0).float().cpu()
    return last, rows / rows.sum(1, keepdim=True).clamp_min(1)


def _over_input(subject: Subject, node: NodeId, stream: Stream, shares: Tensor) -> dict[NodeId, Tensor]:
    """The shares (N, tokens) of a stream's first tokens, over the input that they are of; empty where none is known."""
    for name in subject.sources:
        if name not in stream[0] or name not in subject.shown:
            continue
        shown = subject.shown[name]
        if shown.dim() < 4 and shown.shape[1] == stream[1]:         # tokens, or a sequence of vectors
            return {name: shares}
        read = channels_first(subject, node, (subject.n, stream[1], 1)) if shown.dim() == 4 else None
        places = read[0](shares[..., None])[:, 0] if read else shares
        if places.dim() == 3:
            return {name: to_input(subject, name, places)[name]}
    return {}
