"""Operations that are made of others: the same in plain operations, by whose rules they share relevance.

In: a `Step` of attention, a recurrent layer, a gated unit.  Out: what it gives, found inside.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archviz.insight.methods._lrp.step import Step, rule_for

State = tuple[Tensor, ...]
"""What a recurrent cell hands on: h, or h and c."""


@rule_for("scaled_dot_product_attention")
def attention(step: Step) -> None:
    """softmax(QKᵀ/√d) V, product by product."""
    step.inside(attend, samples_first=True)


def attend(query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
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
        inputs = [one.movedim(axis, 0) if batched else one[None] for one in (query, key, value)]
        whole = module.in_proj_weight
        weights = whole.chunk(3) if whole is not None else (
            module.q_proj_weight, module.k_proj_weight, module.v_proj_weight)
        biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
        n, heads = inputs[0].shape[0], module.num_heads
        q, k, v = (F.linear(one, weight.to(one.dtype), None if bias is None else bias.to(one.dtype))
                   .reshape(n, one.shape[1], heads, -1).transpose(1, 2)
                   for one, weight, bias in zip(inputs, weights, biases, strict=True))
        mask = _additive(attn_mask, q)
        if mask is not None and mask.dim() == 3:
            mask = mask.reshape(n, heads, *mask.shape[1:])
        padding = _additive(key_padding_mask, q)
        if padding is not None:
            padding = padding.reshape(n, 1, 1, -1)
            mask = padding if mask is None else mask + padding
        attended = _weights(q, k, mask, False)
        joined = (attended @ v).transpose(1, 2).reshape(n, q.shape[2], -1)
        last = module.out_proj
        out = F.linear(joined, last.weight.to(q.dtype), None if last.bias is None else last.bias.to(q.dtype))
        shown = attended.mean(1) if average_attn_weights else attended
        return (out.movedim(0, axis) if batched else out[0]), (shown if batched else shown[0]) if need_weights else None

    step.inside(run, samples_first=True)


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


# ---------------------------------------------------------------------------------------------- recurrent layers

def _lstm(read: Tensor, held: Tensor, state: State) -> State:
    i, f, g, o = (read + held).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru(read: Tensor, held: Tensor, state: State) -> State:
    (r, z, n), (hr, hz, hn) = read.chunk(3, -1), held.chunk(3, -1)
    update = (z + hz).sigmoid()
    return ((1 - update) * (n + (r + hr).sigmoid() * hn).tanh() + update * state[0],)


def _tanh(read: Tensor, held: Tensor, state: State) -> State:
    return ((read + held).tanh(),)


def _relu(read: Tensor, held: Tensor, state: State) -> State:
    return ((read + held).relu(),)


Cell = Callable[[Tensor, Tensor, State], State]
_CELLS: dict[str, Cell] = {"LSTM": _lstm, "GRU": _gru, "RNN_TANH": _tanh, "RNN_RELU": _relu, "LSTMCell": _lstm,
                           "GRUCell": _gru, "tanh": _tanh, "relu": _relu}


def _layer(cell: Cell, steps: Sequence[Tensor], state: State, weight: Tensor, bias: Tensor | None,
           projection: Tensor | None) -> tuple[list[Tensor], State]:
    """One direction of one layer over what it reads at each time, already multiplied by the weights."""
    found = []
    for read in steps:
        state = cell(read, F.linear(state[0], weight, bias), state)
        if projection is not None:
            state = (F.linear(state[0], projection), *state[1:])
        found.append(state[0])
    return found, state


@rule_for("LSTM GRU RNN")
def recurrent(step: Step) -> None:
    """Unrolled over time; a gate takes nothing, what it lets through takes all (Arras et al. 2019, "LRP-all")."""
    module = step.call.module
    assert isinstance(module, nn.RNNBase)
    if len([one for one in step.call.operands() if step.live(one)]) and isinstance(step.call.args[0], tuple):
        step.refuse("reads a packed sequence")
    double = module.mode == "LSTM"
    ways = ("", "_reverse") if module.bidirectional else ("",)

    def run(x: Tensor, hx: Any = None) -> tuple[Tensor, Any]:
        whole = x.dim() == 3
        axis = 0 if module.batch_first or not whole else 1
        x = x.movedim(axis, 0) if whole else x[None]       # samples first, as the sweep tells them apart
        if hx is None:
            sizes = (module.proj_size or module.hidden_size, module.hidden_size)[:2 if double else 1]
            initial = [x.new_zeros(module.num_layers * len(ways), x.shape[0], size) for size in sizes]
        else:
            initial = [one if whole else one[:, None] for one in (hx if double else (hx,))]
        starts = [one.unbind(0) for one in initial]
        last: list[State] = []
        for depth in range(module.num_layers):
            sides = []
            for back in ways:
                ih, bias_ih, hh, bias_hh, projection = (
                    None if (one := getattr(module, f"{part}_l{depth}{back}", None)) is None else one.to(x.dtype)
                    for part in ("weight_ih", "bias_ih", "weight_hh", "bias_hh", "weight_hr"))
                assert ih is not None and hh is not None
                steps = F.linear(x, ih, bias_ih).unbind(1)
                start = tuple(one[len(last)] for one in starts)
                found, end = _layer(_CELLS[module.mode], steps[::-1] if back else steps, start, hh, bias_hh, projection)
                sides.append(torch.stack(found[::-1] if back else found, 1))
                last.append(end)
            x = torch.cat(sides, -1) if len(sides) > 1 else sides[0]
        ends = [torch.stack([state[i] for state in last]) for i in range(2 if double else 1)]
        out = x.movedim(0, axis) if whole else x[0]
        if not whole:
            ends = [one[:, 0] for one in ends]
        return out, tuple(ends) if double else ends[0]

    step.inside(run, samples_first=True)


@rule_for("LSTMCell GRUCell RNNCell")
def cell(step: Step) -> None:
    """As `recurrent`, one step."""
    module = step.call.module
    assert isinstance(module, nn.RNNCellBase)
    double = isinstance(module, nn.LSTMCell)
    advance = _CELLS[getattr(module, "nonlinearity", type(module).__name__)]

    def run(x: Tensor, hx: Any = None) -> Any:
        if hx is None:
            zero = x.new_zeros(*x.shape[:-1], module.hidden_size)
            hx = (zero, zero) if double else zero
        state = tuple(hx) if double else (hx,)
        weights = (None if one is None else one.to(x.dtype) for one in (
            module.weight_ih, module.bias_ih, module.weight_hh, module.bias_hh))
        ih, bias_ih, hh, bias_hh = weights
        assert ih is not None and hh is not None
        found = advance(F.linear(x, ih, bias_ih), F.linear(state[0], hh, bias_hh), state)
        return found if double else found[0]

    step.inside(run, samples_first=True)
