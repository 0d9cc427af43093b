"""What was seen while a model ran: a tape of calls.

In: nothing.  Out: `Tape`, written by `record` and read by `build` (→ `ir.Graph`) and `program` (→ `fx.GraphModule`).
"""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import nn
from torch.distributions import Distribution

from archviz.core.graph import Module, NodeId, TensorSpec
from archviz.trace.kinds import kind_of, kind_of_function

Path = tuple[Any, ...]
"""Where a tensor sits in a structure: ``("hidden_states", 3)``; empty for a bare tensor."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A tensor on the tape: what call number `call` gave at `path`, or wrote into; `made` is where it came into being,
    if that is elsewhere."""

    call: int
    path: Path = ()
    made: tuple[int, Path] | None = None

    @property
    def origin(self) -> tuple[int, Path]:
        """The call that gave this very tensor, and where in what it gave."""
        return self.made or (self.call, self.path)


@dataclass(slots=True)
class Call:
    """One thing that ran.

    how       ``input``, ``parameter``, ``constant``, ``module``, ``function``, ``method``, ``attribute`` or ``output``
    args      the call's own, as `kwargs`, with a `Ref` in the place of every tensor
    out       what it gave, and where in what it returned; a `silent` call returned nothing and wrote in place
    weights   the names of the parameters it holds
    lent      what it computes with in the place of its own: name → tensor
    wrote     what it changed in place
    group     the composite function it is part of: id, name, kind
    error     how it failed
    taken     the answer of `operands`, once asked for
    """

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
    lent: Mapping[str, Ref] = field(default_factory=dict)
    wrote: tuple[Ref, ...] = ()
    group: tuple[NodeId, str, str] | None = None
    error: str = ""
    silent: bool = False
    taken: tuple[Ref, ...] | None = None

    @property
    def node(self) -> NodeId:
        """The id of the node that stands for it."""
        return self.group[0] if self.group else self.id

    @property
    def kind(self) -> str:
        """What its module, or its function, is to a reader."""
        return kind_of_function(self.op) if self.module is None else kind_of(self.module)

    def operands(self) -> tuple[Ref, ...]:
        """The tensors it takes, in the order of its arguments."""
        if self.taken is None:
            self.taken = (*refs(self.args), *refs(self.kwargs), *self.lent.values())
        return self.taken


@dataclass
class Tape:
    """The calls in order, the module calls they sit in, and the model's own tensors by qualified name."""

    calls: list[Call] = field(default_factory=list)
    modules: dict[NodeId, Module] = field(default_factory=dict)
    parameters: dict[str, nn.Parameter] = field(default_factory=dict)
    paths: dict[int, str] = field(default_factory=dict)
    result: Any = None
    notes: list[str] = field(default_factory=list)
    invented: bool = False


def refs(value: Any) -> list[Ref]:
    """Every `Ref` in what `swap` made, in order."""
    found: list[Ref] = []
    mapped(value, found.append, Ref)
    return found


_ATOMS = frozenset({str, int, float, bool, type(None), torch.dtype, torch.device, torch.Size})


def swap(value: Any, tensor: Callable[[torch.Tensor], Any]) -> Any:
    """`value` with every tensor replaced; containers become plain tuples, lists, dicts, whatever class they were of."""
    if type(value) in _ATOMS:
        return value
    if isinstance(value, torch.Tensor):
        return tensor(value)
    if isinstance(value, tuple):
        return tuple([swap(item, tensor) for item in value])
    if isinstance(value, (list, set, frozenset)):
        return [swap(item, tensor) for item in value]
    if isinstance(value, slice):
        return slice(swap(value.start, tensor), swap(value.stop, tensor), swap(value.step, tensor))
    if isinstance(value, Mapping):
        return {key: swap(item, tensor) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: swap(getattr(value, f.name, None), tensor) for f in dataclasses.fields(value)}
    return value


def mapped(value: Any, change: Callable[[Any], Any], leaf: type = torch.Tensor) -> Any:
    """`value` with every tensor (or `Ref`: every `leaf`) changed, in order, and all else as it was; only plain tuples,
    lists, dicts and slices are looked into, which is all that a tape holds."""
    kind = type(value)
    if isinstance(value, leaf):
        return change(value)
    if kind is tuple or kind is list:
        return kind([mapped(item, change, leaf) for item in value])
    if kind is dict:
        return {key: mapped(item, change, leaf) for key, item in value.items()}
    return slice(*mapped((value.start, value.stop, value.step), change, leaf)) if kind is slice else value


def tensors(value: Any, path: Path = ()) -> list[tuple[Path, torch.Tensor]]:
    """Every tensor in nested tuples, lists, dicts and dataclasses, and where it is."""
    if type(value) in _ATOMS:
        return []
    if isinstance(value, torch.Tensor):
        return [(path, value)]
    if isinstance(value, (tuple, list)):
        keys: Iterable[Any] = getattr(value, "_fields", range(len(value)))
        items = zip(keys, value, strict=True)
    elif isinstance(value, Mapping):
        items = zip(value.keys(), value.values(), strict=True)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        items = zip(names, [getattr(value, name, None) for name in names], strict=True)
    else:
        return []
    return [tensor for key, item in items for tensor in tensors(item, (*path, key))]


def opened(value: Any) -> Any:
    """`value` with a dict of its tensors in place of every object that has some: a distribution, a user's own."""
    if type(value) in _ATOMS or isinstance(value, torch.Tensor | nn.Module | type):
        return value
    if isinstance(value, Mapping):
        return {key: opened(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        fields = getattr(value, "_fields", None)
        return (list if isinstance(value, list) else tuple)(map(opened, value)) if fields is None else {
            name: opened(getattr(value, name)) for name in fields}
    if dataclasses.is_dataclass(value):
        return {field.name: opened(getattr(value, field.name, None)) for field in dataclasses.fields(value)}
    held = {name.strip("_"): opened(item) for name, item in getattr(value, "__dict__", {}).items()
            if isinstance(item, Distribution) or isinstance(item, torch.Tensor) and not name.startswith("_")}
    return held or value


def reads_whole_numbers(operands: Any) -> bool:
    """Whether there is a tensor of whole numbers among the arguments of a call."""
    for value in operands.values() if isinstance(operands, Mapping) else operands:
        if isinstance(value, torch.Tensor):
            if not (value.is_floating_point() or value.is_complex() or value.dtype is torch.bool):
                return True
        elif isinstance(value, (tuple, list, dict)) and reads_whole_numbers(value):
            return True
    return False


def spec(tensor: torch.Tensor) -> TensorSpec:
    """Its shape and the name of its dtype."""
    shape = _longest(tensor) if tensor.is_nested else tensor.shape
    return TensorSpec(tuple([int(n) for n in shape]), dtype_name(tensor.dtype))


def _longest(nested: torch.Tensor) -> tuple[int, ...]:
    """How many tensors a nested one holds, and the largest of their sizes; nothing where it has no values to tell."""
    try:
        return nested.size(0), *map(max, zip(*(part.shape for part in nested.unbind()), strict=True))
    except NotImplementedError:
        return ()


@cache
def dtype_name(dtype: torch.dtype) -> str:
    """As torch spells it: ``float32``."""
    return str(dtype).removeprefix("torch.")
