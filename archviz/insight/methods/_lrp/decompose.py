"""Operations that are made of others: the same in plain operations, by whose rules they share relevance.

In: a `Step` of attention, a recurrent layer, a gated unit.  Out: what it gives, found inside.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archviz.insight.methods._lrp.step import Step, rule_for
from archviz.insight.methods._recurrent import CELLS, at_rest, directions, unrolled


@rule_for("scaled_dot_product_attention")
def attention(step: Step) -> None:
    """softmax(QKᵀ/√d) V, product by product."""
    step.inside(_attend, samples_first=True)


def _attend(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
           is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False) -> Tensor:
    if enable_gqa:
        key, value = (one.repeat_interleave(query.shape[-3] // one.shape[-3], -3) for one in (key, value))
    return _weights(query, key, attn_mask, is_causal, scale) @ value


def _weights(query: Tensor, key: Tensor, mask: Tensor | None, causal: bool, scale: float | None = None) -> Tensor:
    scores = (query * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)) @ key.transpose(-2, -1)
    if causal:
        seen = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~seen, -math.inf)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else scores + mask
    return scores.softmax(-1)


@rule_for("MultiheadAttention")
def multihead(step: Step) -> None:
    """The projections by the rule for linear layers, the rest as `attention`."""
    module = step.call.module
    assert isinstance(module, nn.MultiheadAttention)
    if module.bias_k is not None or module.add_zero_attn:
        step.refuse("adds keys of its own")

    def run(query: Tensor, key: Tensor, value: Tensor, key_padding_mask: Tensor | None = None,
            need_weights: bool = True, attn_mask: Tensor | None = None, average_attn_weights: bool = True,
            is_causal: bool = False) -> tuple[Tensor, Tensor | None]:
        batched = query.dim() == 3
        axis = 0 if module.batch_first or not batched else 1
        q, k, v = _projected(module, [one.movedim(axis, 0) if batched else one[None] for one in (query, key, value)])
        attended = _weights(q, k, _masks(attn_mask, key_padding_mask, q), False)
        joined = (attended @ v).transpose(1, 2).reshape(q.shape[0], q.shape[2], -1)
        out = _linear(joined, module.out_proj.weight, module.out_proj.bias)
        shown = attended.mean(1) if average_attn_weights else attended
        return (out.movedim(0, axis) if batched else out[0]), (shown if batched else shown[0]) if need_weights else None

    step.inside(run, samples_first=True)


def _projected(module: nn.MultiheadAttention, inputs: Sequence[Tensor]) -> list[Tensor]:
    """Queries, keys and values of every head, (N, heads, tokens, features)."""
    whole = module.in_proj_weight
    weights = whole.chunk(3) if whole is not None else (
        module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
    biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
    return [_linear(one, weight, bias).reshape(inputs[0].shape[0], one.shape[1], module.num_heads, -1).transpose(1, 2)
            for one, weight, bias in zip(inputs, weights, biases, strict=True)]


def _linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return F.linear(x, weight.to(x.dtype), None if bias is None else bias.to(x.dtype))


def _masks(mask: Tensor | None, padding: Tensor | None, q: Tensor) -> Tensor | None:
    """Both masks as one that is added to the scores of every head."""
    n, heads = q.shape[:2]
    mask, padding = _additive(mask, q), _additive(padding, q)
    if mask is not None and mask.dim() == 3:
        mask = mask.reshape(n, heads, *mask.shape[1:])
    if padding is None:
        return mask
    padding = padding.reshape(n, 1, 1, -1)
    return padding if mask is None else mask + padding


def _additive(mask: Tensor | None, like: Tensor) -> Tensor | None:
    if mask is None or mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape, dtype=like.dtype, device=like.device).masked_fill(mask, -math.inf)


@rule_for("glu GLU")
def gated(step: Step) -> None:
    """a · σ(b): the gate takes nothing."""
    axis = getattr(step.call.module, "dim", None)

    def run(x: Tensor, dim: int = -1) -> Tensor:
        a, b = x.chunk(2, dim if axis is None else axis)
        return a * b.sigmoid()

    step.inside(run)


@rule_for("LSTM GRU RNN")
def recurrent(step: Step) -> None:
    """Unrolled over time; a gate takes nothing, what it lets through takes all (Arras et al. 2019, "LRP-all")."""
    module = step.call.module
    assert isinstance(module, nn.RNNBase)
    if isinstance(step.call.args[0], tuple) and any(step.live(one) for one in step.call.operands()):
        step.refuse("reads a packed sequence")
    double = module.mode == "LSTM"

    def run(x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        whole = x.dim() == 3
        axis = 0 if module.batch_first or not whole else 1
        x = x.movedim(axis, 0) if whole else x[None]       # samples first, as the sweep tells them apart
        start = at_rest(module, x, x.shape[0]) if hx is None else [
            one if whole else one[:, None] for one in (hx if double else (hx,))]
        x, states = unrolled(module, x, start, 1)
        last = [one[0 if number % directions(module) else -1] for number, one in enumerate(states)]
        ends = [torch.stack(one) for one in zip(*last, strict=True)]
        if not whole:
            ends = [one[:, 0] for one in ends]
        return x.movedim(0, axis) if whole else x[0], tuple(ends) if double else ends[0]

    step.inside(run, samples_first=True)


@rule_for("LSTMCell GRUCell RNNCell")
def cell(step: Step) -> None:
    """As `recurrent`, one step."""
    module = step.call.module
    assert isinstance(module, nn.RNNCellBase)
    double = isinstance(module, nn.LSTMCell)
    advance = CELLS[getattr(module, "nonlinearity", type(module).__name__)]

    def run(x: Tensor, hx: Any = None) -> Any:
        if hx is None:
            zero = x.new_zeros(*x.shape[:-1], module.hidden_size)
            hx = (zero, zero) if double else zero
        state = tuple(hx) if double else (hx,)
        after = advance(_linear(x, module.weight_ih, module.bias_ih),
                        _linear(state[0], module.weight_hh, module.bias_hh), state)
        return after if double else after[0]

    step.inside(run, samples_first=True)
