"""What was seen while a model ran: a tape of calls.

In: nothing.  Out: `Tape`, written by `record` and read by `build` (→ `ir.Graph`) and `program` (→ `fx.GraphModule`).
May import torch, ir.
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from archviz.ir import Module, NodeId, TensorSpec

Path = tuple[Any, ...]
"""Where a tensor sits in a structure: ``("hidden_states", 3)``; empty for a bare tensor."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor on the tape: what call number `call` gave at `path`."""

    call: int
    path: Path = ()


@dataclass(slots=True)
class Call:
    """One thing that ran.  `how` is ``input``, ``parameter``, ``constant``, ``module``, ``function``, ``method``,
    ``attribute`` or ``output``; `args` and `kwargs` are the call's own, with a `Ref` in the place of every tensor; `weights` names the
    parameters it holds, `wrote` what it changed in place, `group` the composite function it is part of
    (id, name, kind), `error` how it failed."""

    id: NodeId
    scope: tuple[NodeId, ...]
    how: str
    op: str
    target: Any = None
    module: nn.Module | None = None
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    out: dict[Path, TensorSpec] = field(default_factory=dict)
    flops: int = 0
    weights: tuple[str, ...] = ()
    wrote: tuple[Ref, ...] = ()
    group: tuple[NodeId, str, str] | None = None
    error: str = ""

    def operands(self) -> Iterator[Ref]:
        """The tensors it takes, in the order of its arguments."""
        yield from refs(self.args)
        yield from refs(self.kwargs)


@dataclass
class Tape:
    """The calls in order, the module calls they sit in, and the model's own tensors by qualified name."""

    calls: list[Call] = field(default_factory=list)
    modules: dict[NodeId, Module] = field(default_factory=dict)
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    result: Any = None
    notes: list[str] = field(default_factory=list)


def refs(value: Any) -> Iterator[Ref]:
    """Every `Ref` in nested tuples, lists, dicts and slices."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from refs(item)
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from refs(item)
    elif isinstance(value, slice):
        yield from refs((value.start, value.stop, value.step))


def swap(value: Any, tensor: Callable[[torch.Tensor], Any]) -> Any:
    """`value` with every tensor replaced; containers become plain tuples, lists, dicts, whatever class they were of."""
    if isinstance(value, torch.Tensor):
        return tensor(value)
    if isinstance(value, (str, int, float, bool, type(None), torch.dtype)):
        return value
    if isinstance(value, tuple):
        return tuple([swap(item, tensor) for item in value])
    if isinstance(value, (list, set, frozenset)):
        return [swap(item, tensor) for item in value]
    if isinstance(value, Mapping):
        return {key: swap(item, tensor) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(swap(value.start, tensor), swap(value.stop, tensor), swap(value.step, tensor))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: swap(getattr(value, f.name, None), tensor) for f in dataclasses.fields(value)}
    return value


def tensors(value: Any, path: Path = ()) -> Iterator[tuple[Path, torch.Tensor]]:
    """Every tensor in nested tuples, lists, dicts and dataclasses, and where it is."""
    if isinstance(value, torch.Tensor):
        yield path, value
    elif isinstance(value, (str, int, float, bool, type(None))):
        return
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for name in value._fields:
            yield from tensors(getattr(value, name), (*path, name))
    elif isinstance(value, (tuple, list)):
        for i, item in enumerate(value):
            yield from tensors(item, (*path, i))
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from tensors(item, (*path, key))
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for f in dataclasses.fields(value):
            yield from tensors(getattr(value, f.name, None), (*path, f.name))


_NAMES: dict[torch.dtype, str] = {}


def spec(tensor: torch.Tensor) -> TensorSpec:
    """Its shape and the name of its dtype."""
    dtype = tensor.dtype
    name = _NAMES.get(dtype)
    if name is None:
        name = _NAMES[dtype] = str(dtype).removeprefix("torch.")
    return TensorSpec(tuple([int(n) for n in tensor.shape]), name)
