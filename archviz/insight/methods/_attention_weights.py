"""Every attention of a run as a matrix of weights, whoever wrote it: watched as it happens, the model untouched.

In: a subject.  Out: `Attention`, one for each call.  Three ways of writing it are known: PyTorch's module and its
functional form, asked again with the same arguments for their weights; `scaled_dot_product_attention`, whose weights
are computed from what it took; and any softmax whose result multiplies values, additive attention included.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from archviz.core.graph import NodeId
from archviz.insight.engine.operands import Operands
from archviz.insight.engine.subject import Run, Subject
from archviz.trace.recorder import watching
from archviz.trace.tape import Call, Ref, Tape, refs, tensors

SUM = 0.02      # how far from 1 a row may be that still is one of weights: bfloat16 rounds so much


@dataclass(frozen=True)
class Attention:
    """One call.

    node      where a figure shows the weights: the attention's node, or that of the softmax
    weights   (N, heads, queries, keys) float32, on the CPU; where the input is cut in windows that attend each by
              itself, those of one window after those of another
    heads     of one window
    error     how far weights · values is from what the model went on with, relative to its largest number; 0 where the
              weights were read, and not computed
    made      calls that the weights were made from
    values    the call that gave what they sum
    output    what the model went on with; with `leaves`, a leaf
    axis      which axis of that counts queries; None where there is one query, and no axis
    """

    node: NodeId
    weights: Tensor
    heads: int
    error: float
    made: tuple[int, ...]
    values: int
    output: Tensor
    axis: int | None

    @property
    def off(self) -> float:
        """How far the worst row is from a sum of 1; a token that may see nothing has a row of zeros, which is none."""
        sums = self.weights.sum(-1)
        return float((sums[sums != 0] - 1).abs().amax()) if bool((sums != 0).any()) else 0.0


@dataclass(frozen=True)
class AttentionRun:
    """A run: its attentions in order, the nodes of those whose weights nobody can tell, and the run itself."""

    attentions: tuple[Attention, ...]
    missed: tuple[NodeId, ...]
    tape: Tape
    run: Run


def attended(subject: Subject, leaves: bool = False) -> AttentionRun:
    """Run the model over the samples and watch it attend; with `leaves` gradients can be taken for what each gives."""
    eyes = _Watcher(subject.n, leaves, {target.node for target in subject.targets})
    with torch.set_grad_enabled(leaves), watching(subject.model, eyes):
        result = subject.model(*subject.batch.args, **subject.batch.kwargs)
    seen = {one.node for one in eyes.attentions}
    return AttentionRun(tuple(eyes.attentions), tuple(name for name in eyes.missed if name not in seen), eyes.tape,
                    Run(result, subject.batch.rows, eyes.tape, values=eyes.values))


def weights_of(query: Tensor, key: Tensor, attn_mask: Tensor | None = None, is_causal: bool = False,
               scale: float | None = None, enable_gqa: bool = False) -> Tensor:
    """Float32 weights (…, queries, keys) of `scaled_dot_product_attention`; zeros for a query that may see no key."""
    key = _grouped(key, query, enable_gqa)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query.float() @ key.float().transpose(-1, -2) * scale
    if is_causal:
        scores = scores.masked_fill(torch.ones_like(scores, dtype=torch.bool).tril().logical_not(), -math.inf)
    if attn_mask is not None:
        scores = (scores.masked_fill(attn_mask.logical_not(), -math.inf) if attn_mask.dtype == torch.bool
                  else scores + attn_mask.float())
    return scores.softmax(-1).nan_to_num(0.0)


def _grouped(keys: Tensor, queries: Tensor, enable_gqa: bool) -> Tensor:
    """Keys or values for every head of queries, where several heads share one."""
    return keys.repeat_interleave(queries.shape[-3] // keys.shape[-3], -3) if enable_gqa else keys


class _Watcher(Operands):
    """Sees attention as it happens.

    carried   number of a call → that of the softmax whose weights it still holds, masked or in another shape
    weighted  number of a product of weights and values, which may be summed → softmax, weights, values
    values    what the nodes gave that targets are read from
    """

    def __init__(self, samples: int, leaves: bool, read: Collection[NodeId | None]) -> None:
        super().__init__()
        self.samples, self.leaves, self.read = samples, leaves, read
        self.values: dict[NodeId, Tensor] = {}
        self.attentions: list[Attention] = []
        self.missed: list[NodeId] = []
        self.carried: dict[int, int] = {}
        self.weighted: dict[int, tuple[int, Tensor, int]] = {}

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        super().holds(ref, tensor)
        if (node := self.tape.calls[ref.call].node) in self.read:
            self.values[node] = tensor

    def left(self, module: NodeId, output: Any) -> None:
        if module in self.read:
            self.values[module] = tensors(output)[0][1]

    def gave(self, call: Call, output: Any) -> Any:
        see = _SEEN.get(call.op if call.kind == "math" else call.kind)
        if see is None:
            return output
        before = len(self.attentions)
        with torch.no_grad():
            see(self, call, output)
        if len(self.attentions) == before or not self.leaves:
            return output
        leaf = self.attentions[-1].output.detach().requires_grad_()
        self.attentions[-1] = replace(self.attentions[-1], output=leaf)
        return (leaf, *output[1:]) if isinstance(output, tuple) else leaf

    def attention(self, call: Call, output: Any) -> None:
        try:
            args, options = self.filled(call.args), self.filled(dict(call.kwargs))
        except LookupError:
            self.missed.append(call.node)
            return
        whole = {"need_weights": True, "average_attn_weights": False}
        if call.op == "scaled_dot_product_attention":
            options |= dict(zip(("query", "key", "value", "attn_mask", "dropout_p", "is_causal"), args, strict=False))
            value = options.pop("value").float()
            weights = weights_of(**{name: one for name, one in options.items() if name != "dropout_p"})
            again = weights @ _grouped(value, weights, options.get("enable_gqa", False))
        elif isinstance(call.module, nn.MultiheadAttention):
            names = ("query", "key", "value", "key_padding_mask", "need_weights", "attn_mask", "average_attn_weights",
                     "is_causal")
            again, maybe = call.module.forward(**{**dict(zip(names, args, strict=False)), **options, **whole})
            assert maybe is not None
            weights = maybe
        elif call.op == "multi_head_attention_forward":
            again, weights = call.target(*args, **{**options, **whole})
        else:
            self.missed.append(call.node)
            return
        given_on = output[0] if isinstance(output, tuple) else output
        error = (again.float() - given_on.float()).abs().amax() / given_on.float().abs().amax().clamp_min(1e-30)
        query, key, values = call.operands()[:3]
        time_first = (call.module is not None and not call.module.batch_first if call.op == "MultiheadAttention"
                      else call.op == "multi_head_attention_forward")
        self._found(call.node, weights, given_on, (query.call, key.call), values.call, float(error),
                    0 if time_first else -2)

    def softmax(self, call: Call, output: Any) -> None:
        self.carried[len(self.tape.calls)] = len(self.tape.calls)

    def carry(self, call: Call, output: Any) -> None:
        """A mask, dropout, another shape or type: what comes out still are the weights, or the weights times values."""
        number = len(self.tape.calls)
        weights, other = self._split(call.operands())
        if weights is not None:
            self.carried[number] = self.carried[weights.call]
            if other is not None and call.op == "mul":
                self.weighted[number] = self.carried[weights.call], self.tensor(weights), other.call

    def matmul(self, call: Call, output: Any) -> None:
        """Weights times values."""
        operands = refs(call.args)
        ref, other = self._split(operands)
        if ref is None or other is None or len(operands) != 2:
            return
        weights, first = self.tensor(ref), ref is operands[0]
        axis: int | None = -2 if first else -1
        if call.op == "einsum":
            weights, axis = _einsum_keys_last(call.args[0], 0 if first else 1, weights)
        elif not first:
            weights = weights.transpose(-1, -2)
        self._by_hand(self.carried[ref.call], weights, output, other.call, axis)

    def total(self, call: Call, output: Any) -> None:
        """The sum of weights times values over the keys."""
        product = next((ref for ref in call.operands() if ref.call in self.weighted), None)
        axis = call.kwargs.get("dim", call.args[1] if len(call.args) > 1 else None)
        axis = axis[0] if isinstance(axis, (tuple, list)) and len(axis) == 1 else axis
        if product is None or call.op != "sum" or not isinstance(axis, int):
            return
        softmax, weights, values = self.weighted[product.call]
        shape = self.tensor(product).shape
        weights = weights.reshape((1,) * (len(shape) - weights.dim()) + tuple(weights.shape))
        rest = [n for n in range(len(shape)) if n != axis % len(shape) and not weights.shape[n] == 1 < shape[n]]
        weights = weights.movedim([*rest, axis % len(shape)], [*range(len(rest) + 1)]).flatten(len(rest))
        one = len(rest) < 2
        after = None if one else rest[-1] - (rest[-1] > axis % len(shape) and output.dim() < len(shape))
        self._by_hand(softmax, weights.unsqueeze(-2) if one else weights, output, values, after)

    def _split(self, operands: tuple[Ref, ...] | list[Ref]) -> tuple[Ref | None, Ref | None]:
        """The operand that holds weights, and the one that holds values: neither weights nor the model's own."""
        weights = next((ref for ref in operands if ref.call in self.carried), None)
        other = next((ref for ref in operands if ref.call not in self.carried
                      and self.tape.calls[ref.call].how not in ("parameter", "constant")), None)
        return weights, other

    def _by_hand(self, softmax: int, weights: Tensor, output: Tensor, values: int, axis: int | None) -> None:
        """Weights (…, queries, keys) that were read, if they are: softmax over another axis is no attention."""
        sums = weights.float().sum(-1)
        node = self.tape.calls[softmax].node
        rows = bool(((sums - 1).abs() < SUM).logical_or(sums == 0).all())
        if rows and all(node != one.node for one in self.attentions):
            self._found(node, weights, output, (softmax,), values, 0.0, axis)

    def _found(self, node: NodeId, weights: Tensor, output: Tensor, made: tuple[int, ...], values: int, error: float,
               axis: int | None) -> None:
        n = self.samples
        if weights.dim() == 2:      # one sample without an axis for it, or one query for each
            weights = weights[None] if n == 1 else weights[:, None]
        if weights.shape[0] == 1:   # the same for every sample
            weights = weights.expand(n, *weights.shape[1:])
        if weights.shape[0] % n:
            self.missed.append(node)
            return
        every = weights.detach().reshape(n, -1, *weights.shape[-2:]).to("cpu", torch.float32)
        heads = weights.shape[-3] if weights.dim() > 3 else every.shape[1]
        self.attentions.append(Attention(node, every, heads, error, made, values, output, axis))


def _einsum_keys_last(equation: str, side: int, weights: Tensor) -> tuple[Tensor, int | None]:
    """The weights of an einsum, with the letter it sums over as the last axis; which axis of the sum counts queries."""
    taken, _, out = equation.replace(" ", "").partition("->")
    letters = taken.split(",")[side]
    gone = [n for n, letter in enumerate(letters) if letter not in out]
    if len(gone) != 1 or "." in letters:
        return weights, None
    left = letters.replace(letters[gone[0]], "")
    return weights.movedim(gone[0], -1), out.index(left[-1])


_SEEN: dict[str, Callable[[_Watcher, Call, Any], None]] = {
    "attention": _Watcher.attention, "softmax": _Watcher.softmax, "matmul": _Watcher.matmul, "reduce": _Watcher.total,
    **dict.fromkeys(("dropout", "cast", "view", "mask", "identity", "index", "mul", "div"), _Watcher.carry),
}
"""What is looked at, by kind (of the rest by the name of the function)."""
