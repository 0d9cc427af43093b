"""One call on the way back: what a rule of relevance may read, and how it gives; the list of rules.

In: a call of a `Snapshot` and the relevance of what it gave.  Out: `Step`, `Share`; `rule_for`, which lists a rule.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import torch
from torch import Tensor, nn

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.operands import again
from archviz.insight.engine.snapshot import Snapshot
from archviz.trace.kinds import class_of, kind_of
from archviz.trace.mutation import in_place
from archviz.trace.tape import Call, Path, Ref, mapped, tensors

LAYERS = frozenset({
    "Conv1d", "Conv2d", "Conv3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "Linear", "Conv1D", "conv1d",
    "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "linear", "addmm", "LSTM", "GRU",
    "RNN", "LSTMCell", "GRUCell", "RNNCell", "MultiheadAttention"})
"""Operations with weights; the first of them after an input may have a rule of its own."""

StepRule = Callable[["Step"], None]


def exact(tensor: Tensor) -> Tensor:
    """Half precision as float32, the rest as it is."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def times(x: Tensor, g: Tensor) -> Tensor:
    """x · g; nothing where g is 0, whatever x is (a mask's −∞)."""
    product = x * g
    return product if bool(product.sum().isfinite()) else torch.where(g == 0, torch.zeros_like(product), product)


@dataclass
class Share:
    """The relevance of a tensor x: g · x + r, either may be missing; `amount` (N,), the sum, where it is known."""

    g: Tensor | None = None
    r: Tensor | None = None
    amount: Tensor | None = None

    def add(self, other: Share) -> None:
        self.amount = other.amount if self.g is None and self.r is None else None
        self.g = other.g if self.g is None else self.g if other.g is None else self.g + other.g
        self.r = other.r if self.r is None else self.r if other.r is None else self.r + other.r

    def each(self, change: Callable[[Tensor], Tensor]) -> Share:
        """The same change of both, for a map that only moves values around."""
        return Share(None if self.g is None else change(self.g), None if self.r is None else change(self.r))

    def relevance(self, x: Tensor) -> Tensor:
        """What it is, for the value `x`."""
        if self.g is None:
            assert self.r is not None
            return self.r
        product = times(exact(x), self.g)
        return product if self.r is None else product + self.r


@dataclass(frozen=True)
class Policy:
    """How relevance is to be shared out.

    name        what the user called the composite
    rule        the id of a layer's call, the module calls it sits in, its kind, whether it is the first after an input
                → a rule of `archviz.insight.methods._lrp.rules_linear`
    attention   ``"constant"``: attention weights are held constant; ``"softmax"``: they take their part
    gates       ``"half"``: the two factors of a product share alike; ``"signal"``: an activation is a gate
    others      the rules that users registered
    """

    name: str
    rule: Callable[[NodeId, tuple[NodeId, ...], str, bool], Any]
    attention: str = "constant"
    gates: str = "half"
    others: Mapping[Any, StepRule] = field(default_factory=dict)


class Sweeping(Protocol):
    """The sweep that a step is part of: see `archviz.insight.methods._lrp.relevance.Sweep`."""

    snapshot: Snapshot
    policy: Policy
    within: Step | None
    live: list[bool]
    first: list[bool]
    tail: set[int]
    merged: dict[int, tuple[Tensor, Tensor, Tensor]]
    levels: dict[int, float]

    def per_sample(self, tensor: Tensor) -> Tensor: ...
    def inside(self, step: Step, function: Callable[..., Any], first: bool = False) -> None: ...


class Step:
    """One call on the way back.

    got      where in what the call gave → the `Share` that came for it
    shares   operand → its `Share`
    lost     what ended here, each (N,)
    """

    def __init__(self, sweep: Sweeping, number: int, amount: Tensor | None = None) -> None:
        self.sweep, self.number, self.amount = sweep, number, amount
        self.snapshot, self.policy = sweep.snapshot, sweep.policy
        self.call: Call = self.snapshot.tape.calls[number]
        self.got: dict[Path, Share] = {}
        self.outs: dict[Path, Ref] = {}
        self.shares: dict[Ref, Share] = {}
        self.lost: list[Tensor] = []
        self.before_softmax = False

    def take(self, ref: Ref, share: Share) -> None:
        """Relevance comes for `ref`, which the call gave, or wrote into through a view.

        Of a tensor that was written in part, the rest goes to what it was before.
        """
        returned = Ref(self.number, ref.path)   # what was written; if nothing was returned, it has another name
        written = returned if returned in self.snapshot.strided else next(iter(self.call.wrote), ref)
        if self.snapshot.strided[ref] == self.snapshot.strided[written]:
            self.outs[ref.path] = ref
            self.got.setdefault(ref.path, Share()).add(share)
            return
        here, there = self.snapshot.strided[ref], self.snapshot.strided[written]
        start = min(here[2], there[2])
        extent = max(offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
                     for size, stride, offset in (here, there)) - start + 1

        def split(part: Tensor) -> tuple[Tensor, Tensor]:
            memory = part.new_zeros(extent)
            rest, window = (memory.as_strided(size, stride, offset - start) for size, stride, offset in (here, there))
            rest.copy_(part)
            inside = window.clone()
            window.zero_()
            return inside, rest.clone()

        self.outs[ref.path] = returned
        self.snapshot.values.setdefault(returned, split(self.snapshot.values[ref])[0])
        self.got.setdefault(ref.path, Share()).add(share.each(lambda part: split(part)[0]))
        rest, before = share.each(lambda part: split(part)[1]), self.snapshot.before[ref]
        if self.live(before):
            self.give(before, rest.g, rest.r)
        else:
            self.absorb(rest.relevance(self.value(before)))

    def value(self, ref: Ref) -> Tensor:
        """What stood at `ref` when it was read, in float32 at least."""
        return exact(self.snapshot.values[ref])

    def live(self, ref: Ref) -> bool:
        """Whether `ref` depends on a source."""
        return self.sweep.live[ref.call]

    @property
    def signals(self) -> list[Ref]:
        """The operands that depend on a source, each once."""
        return [ref for ref in dict.fromkeys(self.call.operands()) if self.live(ref)]

    @property
    def signal(self) -> Ref:
        """The only such operand.  Raises `ArchvizError` where there are several."""
        signals = self.signals
        if len(signals) != 1:
            self.refuse(f"reads {len(signals)} signals where its rule knows one")
        return signals[0]

    @property
    def out(self) -> Tensor:
        """The value of the only output that relevance came for."""
        return self.value(self.outs[self._path])

    @property
    def g(self) -> Tensor:
        """Relevance ÷ value of the only output that relevance came for; what a value of 0 holds is absorbed."""
        share = self.got[self._path]
        if share.r is not None:
            none = self.out == 0
            self.absorb(share.r * none)
            quotient = share.r / (self.out + none.to(share.r.dtype))    # at 0 it may be anything
            share.g, share.r = quotient if share.g is None else share.g + quotient, None
        assert share.g is not None
        return share.g

    @property
    def relevance(self) -> Tensor:
        """The relevance of the only output it came for."""
        return self.got[self._path].relevance(self.out)

    @property
    def _path(self) -> Path:
        if len(self.got) != 1:
            self.refuse(f"gives {len(self.got)} tensors that matter, where its rule knows one")
        return next(iter(self.got))

    @property
    def first(self) -> bool:
        """Whether no layer lies between an input and this call."""
        outer = self.sweep.within
        return self.sweep.first[self.number] and (outer is None or outer.first)

    @property
    def outermost(self) -> Call:
        """The call of the model that this is, or is inside of."""
        return self.sweep.within.outermost if self.sweep.within is not None else self.call

    def give(self, ref: Ref, g: Tensor | None = None, r: Tensor | None = None, *, all: bool = False) -> None:
        """Share out to the operand `ref`: `g` times its value, and `r`; `all` says that this is what the call got."""
        if self.live(ref) and (g is not None or r is not None):
            self.shares.setdefault(ref, Share()).add(Share(g, r, self.amount if all else None))

    def absorb(self, relevance: Tensor, factor: float = 1.0) -> None:
        """Count `factor` times `relevance`, of any shape that samples can be told apart in, as ended here."""
        amount = self.sweep.per_sample(relevance)
        self.lost.append(amount if factor == 1 else amount * factor)

    def refuse(self, why: str) -> NoReturn:
        """Raise: the node, the operation, the composite, and what to do."""
        call = self.outermost
        inside = "" if call is self.call else f", {self.call.op} inside it"
        raise ArchvizError(f"relevance: {call.node} ({call.op}{inside}) {why}; composite {self.policy.name!r}",
                           f"archviz.register_rule({self.call.op!r}, …) says how it shares relevance")

    def inside(self, function: Callable[..., Any] | None = None, *, samples_first: bool = False) -> None:
        """Share by the rules of the plain operations that the call is made of.

        `function` is called as the call was, with tensors in the places of its operands; None: the forward method of
        the module.  `samples_first`: its operations have the samples on the first axis, wherever the call has them.
        Raises `ArchvizError` where it is made of nothing else.
        """
        module = self.call.module
        if function is None:
            if module is None or class_of(module).__module__.startswith("torch.nn"):
                self.refuse("has no rule")
            function = lambda *args, **kwargs: type(module).forward(module, *args, **kwargs)  # noqa: E731
        made = function
        self.sweep.inside(self, lambda *operands: self.filled(operands, made), samples_first)

    def arguments(self, **defaults: Any) -> list[Any]:
        """What the call has for these names: of a function its arguments after the first, by place or by name, of a
        module what it holds; tensors in float32 at least."""
        call = self.call
        if call.module is not None:
            values = [getattr(call.module, name, default) for name, default in defaults.items()]
        else:
            values = [call.args[place] if place < len(call.args) else call.kwargs.get(name, default)
                      for place, (name, default) in enumerate(defaults.items(), 1)]
        values = [self.value(one) if isinstance(one, Ref) else one for one in values]
        return [exact(one.detach()) if isinstance(one, Tensor) else one for one in values]

    def filled(self, operands: Sequence[Any], function: Callable[..., Any]) -> Any:
        """`function` called as the call was, with `operands` in the places of its own."""
        slots = iter(operands)
        args, kwargs = mapped((self.call.args, dict(self.call.kwargs)), lambda ref: next(slots), Ref)
        return function(*args, **kwargs)

    def again(self, operands: Sequence[Any]) -> dict[Path, Tensor]:
        """What the call gives with `operands` in the places of its own; those that it writes into are copied."""
        call = self.call
        if call.wrote or in_place(getattr(call.target, "__name__", str(call.target))):
            operands = [one.clone() for one in operands]
        slots = iter(operands)
        result = again(call, lambda ref: next(slots))
        return dict.fromkeys(self.got, result) if call.silent else dict(tensors(result))

    def rounded(self, path: Path, value: Tensor) -> None:
        """Absorb what a half-precision output differs by from `value`, which is the same in float32."""
        kept, g = self.snapshot.values[self.outs[path]], self.got[path].g
        if g is not None and kept.dtype in (torch.float16, torch.bfloat16):
            self.absorb(times(exact(kept) - value.detach(), g))


RULES: dict[str, StepRule] = {}
"""Operation (canonical name), or class of torch.nn → how its relevance is shared out."""


def rule_for(names: str) -> Callable[[StepRule], StepRule]:
    """Make a function the rule of the operations and classes that `names` lists."""

    def listed(treat: StepRule) -> StepRule:
        RULES.update(dict.fromkeys(names.split(), treat))
        return treat

    return listed


def find_rule(call: Call, others: Mapping[Any, StepRule]) -> StepRule | None:
    """The rule for a call: by its module's class, or one above whose ``forward`` it keeps; by a function's name."""
    if call.module is None:
        return others.get(call.target if callable(call.target) else "") or others.get(call.op) or RULES.get(call.op)
    cls = class_of(call.module)
    for base in cls.__mro__:
        if base in others or base.__name__ in others:
            return others.get(base) or others[base.__name__]
        if base is nn.Module:
            break
        if base.__module__.startswith("torch.nn."):
            rule = RULES.get(base.__name__)
            if rule is not None and getattr(cls, "forward", None) is getattr(base, "forward", None):
                return rule
    elementwise = len(call.out) == len(call.operands()) == 1 and call.op != "GLU"
    return RULES["gelu"] if kind_of(call.module) == "act" and elementwise else None
