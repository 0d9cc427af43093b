"""What is kept of a run that is watched: values of nodes and where their gradients arrive; landmarks found on the way.

In: calls as they happen.  Out: `Keeper`, and the names `MAP` and `HEAD` of what is only known once it ran.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from archviz.core.graph import NodeId
from archviz.trace.kinds import class_of
from archviz.trace.tape import Call, Ref, Tape, mapped, tensors
from archviz.trace.watcher import Watcher

MAP: NodeId = "/map"
"""Stands for the last feature map with places: what the last convolution gives, followed as far as its size stays the
same (normalisation, activation, residual sum, concatenation, no pooling); where attention comes after that, the tokens
that the last attention reads, since later ones need not all reach the output."""

HEAD: NodeId = "/head"
"""Stands for the last linear layer, or convolution of a single place."""


def kind(call: Call) -> str:
    """What a call is to a reader, one of `ir.KINDS`."""
    return call.group[2] if call.group else call.kind


class Seeker:
    """Finds the embeddings of whole-number inputs, call by call in the order of the tape.

    What they look up is the input's numbers, shifted, cut or offset; not places counted or flags set by a look at them,
    nor what merely has their shape.
    """

    def __init__(self, tape: Tape) -> None:
        self.tape, self.done = tape, 0
        self.numbers: set[int] = set()     # calls that hold the whole numbers of an input
        self.places: set[int] = set()   # calls that hold places counted from them

    def reads(self, number: int, call: Call) -> bool:
        """Whether `call`, which is (or will be) number `number` of the tape, embeds such an input."""
        for at in range(self.done, min(number, len(self.tape.calls))):
            earlier = self.tape.calls[at]
            fed = earlier.how == "input" or any(ref.call in self.numbers for ref in earlier.operands())
            if kind(earlier) == "scan" or any(ref.call in self.places for ref in earlier.operands()):
                self.places.add(at)
            elif fed and _hands_on(earlier):
                self.numbers.add(at)
        self.done = max(self.done, min(number, len(self.tape.calls)))
        return (kind(call) == "embedding" and any(ref.call in self.numbers for ref in call.operands())
                and self._looks_up(call))

    def _looks_up(self, call: Call) -> bool:
        """Whether what it gives depends on the numbers it reads: of a class with a forward method of its own, tried."""
        module = call.module
        if module is None or class_of(module).forward in (nn.Embedding.forward, nn.EmbeddingBag.forward):
            return True
        device = next((tensor.device for tensor in (*module.parameters(), *module.buffers())), None)

        def embedded(number: int) -> Any:
            def stand_in(ref: Ref) -> Tensor:
                spec = self.tape.calls[ref.origin[0]].out[ref.origin[1]]
                value = number if ref.call in self.numbers else 0
                return torch.full(spec.shape, value, dtype=getattr(torch, spec.dtype), device=device)

            args, kwargs = mapped((call.args, dict(call.kwargs)), stand_in, Ref)
            return module.forward(*args, **kwargs)

        try:
            with torch.no_grad():
                return not torch.equal(embedded(0), embedded(1))
        except Exception:       # it does not take such numbers: they matter
            return True


def _hands_on(call: Call) -> bool:
    """Whether a call gives the whole numbers that it reads: no real ones, flags or constants."""
    types = [spec.dtype for spec in call.out.values()]
    if any(one.startswith(("float", "bfloat", "complex")) for one in types):
        return False
    made = call.how in ("function", "method") and kind(call) == "constant" and not call.wrote
    return call.how == "input" or not made and any(one != "bool" for one in types)


@dataclass(frozen=True)
class _Mark:
    """A value, and the node that gave it; of a copy, where the gradient of the original arrives."""

    node: NodeId
    value: Tensor
    original: GradientEdge | None = None

    def edge(self) -> GradientEdge | None:
        """Where its gradient arrives; asked only of what is kept, as it takes time."""
        return self.original or (get_gradient_edge(self.value) if self.value.requires_grad else None)


class _Landmarks:
    """`MAP` and `HEAD`, followed call by call: at any time the best so far, and nothing more, is held."""

    def __init__(self) -> None:
        self.map: _Mark | None = None
        self.before: _Mark | None = None       # the map that the last convolution began from
        self.tokens: _Mark | None = None       # what an attention that comes next would read
        self.earlier: _Mark | None = None      # the last one before it of another shape, where it may be its scores
        self.head: _Mark | None = None
        self.places: tuple[int, ...] = ()

    def marks(self) -> dict[NodeId, _Mark]:
        return {name: one for name, one in ((MAP, self.map), (HEAD, self.head)) if one is not None}

    def see(self, call: Call, tensor: Tensor) -> None:
        if not tensor.is_floating_point():
            return
        what, shape, mark = kind(call), tuple(tensor.shape), _Mark(call.node, tensor)
        self._follow_map(what, shape, mark)
        made = torch.is_grad_enabled() and not tensor.requires_grad         # a mask, positions: not of the input
        if what in ("norm", "add", "embedding") and len(shape) in (3, 4) and not made:
            if self.tokens is not None and self.tokens.value.shape != shape:
                self.earlier = self.tokens
            self.tokens = mark
        if what == "linear" or what == "conv" and max(shape[2:], default=2) == 1:       # a 1×1 convolution of one place
            self.head = mark

    def _follow_map(self, what: str, shape: tuple[int, ...], mark: _Mark) -> None:
        if what == "conv" and max(shape[2:], default=1) > 1:
            self.before, self.map, self.places = self.map, mark, shape[2:]
        elif self.places and shape[2:] == self.places and what not in ("pool", "softmax", "attention"):
            self.map = mark
        elif what in ("attention", "softmax") and len(shape) >= 3 and self.tokens is not None:
            scores = what == "softmax" and self.tokens.value.shape == shape
            read = self.earlier if scores and self.earlier is not None else self.tokens
            self.before, self.map, self.places = self.map, read, ()

    def write(self, tensor: Tensor) -> None:
        """A map that is written in place is followed, as `see` is shown what becomes of it; unless through a view of
        another shape, which it would not know.  Others are copied."""
        memory = _memory(tensor)

        def kept(one: _Mark | None, follows: bool = False) -> _Mark | None:
            if one is None or _memory(one.value) != memory or follows and one.value.shape == tensor.shape:
                return one
            return _Mark(one.node, one.value.clone(), one.edge())

        if self.tokens is not None and self.map is not None and self.tokens.value is self.map.value:
            self.tokens = None if _memory(self.map.value) == memory else self.tokens    # followed as the map
        self.map, self.tokens = kept(self.map, follows=True), kept(self.tokens)
        self.before, self.head, self.earlier = kept(self.before), kept(self.head), kept(self.earlier)

    def end(self, result: Any) -> None:
        """A map that is the result itself (a segmentation's logits) explains nothing: the one before it stands."""
        if self.map is not None and any(self.map.value is tensor for _, tensor in tensors(result)):
            self.map = self.before


def _memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


class Keeper(Watcher):
    """Keeps the values of some nodes as they were when they were given, and where their gradients arrive.

    nodes     ids, globs of ids, `MAP`, `HEAD`; None for all nodes
    source    exchanges what an embedding of whole-number inputs gave
    reals     whether the tape has calls that read real numbers alone, too
    """

    keeps = False

    def __init__(self, nodes: Iterable[NodeId] | None, grad: bool,
                 source: Callable[[NodeId, Tensor], Tensor] | None, reals: bool = True) -> None:
        self.reals = reals
        self.all = nodes is None
        self.nodes = frozenset(nodes or ())
        self.globs = tuple(name for name in self.nodes if any(mark in name for mark in "*?["))
        self.grad, self.source = grad, source
        self._wants = cache(lambda name: any(fnmatchcase(name, glob) for glob in self.globs))
        self.begin(Tape())

    def begin(self, tape: Tape) -> None:
        self.tape, self.seeker = tape, Seeker(tape)
        self.values: dict[NodeId, Tensor] = {}
        self.edges: dict[NodeId, GradientEdge] = {}
        self.landmarks: dict[NodeId, NodeId] = {}
        self.stored: dict[int, set[NodeId]] = {}
        self.marks = _Landmarks() if self.nodes & {MAP, HEAD} else None

    def write(self, tensor: Tensor) -> None:
        for name in self.stored.pop(_memory(tensor), ()):
            self.values[name] = self.values[name].clone()
        if self.marks:
            self.marks.write(tensor)

    def gave(self, call: Call, output: Any) -> Any:
        if self.source and isinstance(output, Tensor) and self.seeker.reads(len(self.tape.calls), call):
            return self.source(call.node, output)
        return output

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        call = self.tape.calls[ref.call]
        if call.how not in ("parameter", "constant"):
            self._keep(call.node, tensor)
            if self.marks and ref.path == next(iter(call.out), ()):
                self.marks.see(call, tensor)

    def left(self, module: NodeId, output: Any) -> None:
        for _, tensor in tensors(output)[:1]:
            self._keep(module, tensor)

    def end(self, result: Any) -> None:
        if self.marks:
            self.marks.end(result)
            for mark, one in self.marks.marks().items():
                self.landmarks[mark] = one.node
                self.values[one.node] = one.value
                if self.grad and (edge := one.edge()) is not None:
                    self.edges[one.node] = edge

    def _keep(self, name: NodeId, tensor: Tensor) -> None:
        if not (self.all or name in self.nodes or self._wants(name)):
            return
        self.values[name] = tensor
        self.stored.setdefault(_memory(tensor), set()).add(name)
        if self.grad and tensor.requires_grad:
            self.edges[name] = get_gradient_edge(tensor)
