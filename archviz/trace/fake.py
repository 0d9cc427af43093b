"""Tensors without values: build and run a model without compute and without memory for its weights.

In: nothing; enter `without_values` around a constructor or a forward.  Out: tensors with a shape and a dtype only.

A *ghost* is a tensor on PyTorch's meta device that is told to say it lives on the CPU.  Within `without_values`

- an operation that meets a ghost runs on ghosts only, and gives ghosts; everything else runs for real, so position ids,
  masks and tables keep their values, and code that looks at them goes the way it always goes;
- a ghost answers ``x.device`` with ``cpu``: what code makes "on the same device" is real;
- writing a ghost into a real tensor makes that tensor a ghost from then on;
- while a model is being built (``building=True``) its large random or unset tensors are ghosts from birth, so that
  filling them costs nothing.

Where code asks a ghost for a value PyTorch raises, as for any meta tensor; with ``invent=True`` the value is made up,
from data of the same shape and type, and the operations that were answered this way are named.
"""
from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from archviz.trace import devices, fake_shapes
from archviz.trace.tape import mapped

CPU = torch.device("cpu")
META = torch.device("meta")

SMALL = 4096
"""A tensor that is born unset or random and has at least this many elements is taken for a weight."""

KNOWN = 4_000_000
"""A tensor of known values (zeros, arange …) up to this many elements stays real: it may be a mask or a table."""

BUDGET = 64_000_000
"""How many elements of large real tables one model may hold; what comes after is a ghost."""

_UNSET = frozenset({"empty", "rand", "randn", "randint", "normal", "empty_strided"})
_VALUED = frozenset({"zeros", "ones", "full", "eye", "arange", "linspace", "tensor", "randperm"})
_LIKE = frozenset({"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full", "empty_like",
                   "new_empty", "rand_like", "randn_like", "new_tensor"})
_READS = frozenset({"_local_scalar_dense", "nonzero", "masked_select", "equal", "unique_dim", "_unique2", "bincount",
                    "unique_consecutive", "repeat_interleave", "is_nonzero"})


def is_ghost(value: object) -> bool:
    """Whether `value` is a tensor without values."""
    return isinstance(value, torch.Tensor) and value.device.type == "meta"


def ghost_of(tensor: torch.Tensor) -> torch.Tensor:
    """A ghost with the shape, dtype and strides of `tensor`; a `Parameter` stays one, without gradients."""
    try:
        bare = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=META)
    except RuntimeError:  # sparse, quantised …: no strides
        bare = torch.empty(tensor.shape, dtype=tensor.dtype, device=META)
    return torch.nn.Parameter(bare, requires_grad=False) if isinstance(tensor, torch.nn.Parameter) else bare


@contextmanager
def without_compiler(*modes: object) -> Iterator[None]:
    """Keep PyTorch from importing its compiler for the dispatch modes `modes`, which it does the first time each runs.

    That import takes seconds, and serves only programs that are being compiled, which nothing is here.
    """
    methods = [getattr(type(mode), "__torch_dispatch__", None) for mode in modes]
    raws = [getattr(method, "__wrapped__", None) for method in methods]
    raws = [raw for raw in raws if raw is not None and not hasattr(raw, _DISABLED)]
    for raw in raws:
        setattr(raw, _DISABLED, raw)
    try:
        yield
    finally:
        for raw in raws:
            delattr(raw, _DISABLED)


_DISABLED = "__dynamo_disable"


@contextmanager
def without_values(*, building: bool = False, invent: bool = False) -> Iterator[list[str]]:
    """See the module's docstring; gives the names of the operations whose values were made up, as it goes on."""
    invented: list[str] = []
    values = _Values(invent, invented)
    with without_compiler(values), values, _Device(building, values):
        yield invented


class _Device(TorchFunctionMode):
    """Makes ghosts say that they live on the CPU, and decides what is born a ghost."""

    def __init__(self, building: bool, values: _Values) -> None:
        super().__init__()
        self.building, self.values = building, values
        self.left = BUDGET
        self.asked = False  # whether the code is building on meta of its own accord, and so wants to hear of it

    def __torch_function__(self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        name: str = getattr(func, "__name__", "")
        if name == "__get__":
            return self._attribute(func, args)
        kwargs = dict(kwargs) if kwargs else {}
        if name in _UNSET or name in _VALUED or name in _LIKE:
            return self._factory(name, func, args, kwargs)
        if name in ("to", "cuda") and args and isinstance(args[0], torch.Tensor) \
                and (device := devices.asked(name, args[1:], kwargs)):
            devices.mark(args[0], device)
            return args[0] if name == "cuda" else _move(name, func, args, kwargs)
        if args and is_ghost(args[0]):
            if name in ("to", "type_as", "cpu", "type"):
                return _move(name, func, args, kwargs)
            if name in ("tolist", "numpy") and self.values.invent:
                self.values.invented.append(name)
                return func(_made_up(args[0]), *args[1:], **kwargs)
            if name == "__bool__" and self.building and sys._getframe(1).f_globals.get("__name__") == "torch.nn.init":
                return False  # "is any random number out of bounds?": a weight without values is as good as filled
        elif name == "to" and len(args) > 1 and is_ghost(args[1]):
            return func(args[0], args[1].dtype, *args[2:], **kwargs)
        return _tried(func, args, kwargs)

    def _attribute(self, func: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """What an attribute of a tensor is: a ghost says it lives on the CPU."""
        value = func(*args)
        if isinstance(value, torch.device):
            return META if self.asked else CPU if value.type == "meta" else value
        if value is True and getattr(getattr(func, "__self__", None), "__name__", "") == "is_meta":
            return self.asked
        return value

    def _factory(self, name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if name in _LIKE:
            return _like(name, func, args, kwargs)
        self.asked = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "meta"
        if kwargs.get("device") is not None:
            kwargs["device"] = CPU  # whatever this machine has; what is large becomes a ghost below, tables keep values
        if name in ("tensor", "arange", "linspace", "randperm") or any(isinstance(arg, torch.Tensor) for arg in args):
            return func(*args, **kwargs)
        count = _count(args[:1] if name == "full" else args, kwargs)
        if self.building and (count >= SMALL if name in _UNSET else count > KNOWN or count > self.left):
            kwargs["device"] = META
            kwargs.pop("generator", None)
            kwargs.pop("pin_memory", None)
        elif self.building and name not in _UNSET and count > SMALL:
            self.left -= count
        return func(*args, **kwargs)


def _like(name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``zeros_like(x)`` and its relatives: of a ghost, a table of known values up to a size, or a ghost."""
    if is_ghost(args[0]) and "device" not in kwargs:
        count = args[0].numel() if name.endswith("_like") else _count(args[1:], kwargs)
        kwargs["device"] = CPU if count <= KNOWN // 4 and name not in ("empty_like", "new_empty") else META
    return func(*args, **kwargs)


def _tried(func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What a function gives, with ghosts in place of all tensors if it refuses a mixture: some look at devices
    themselves, before what meets a ghost has become one."""
    try:
        return func(*args, **kwargs)
    except RuntimeError:
        if len({is_ghost(tensor) for tensor in _tensors((args, kwargs))}) < 2:
            raise
        args, kwargs = mapped((args, kwargs), lambda tensor: tensor if is_ghost(tensor) else ghost_of(tensor))
        return func(*args, **kwargs)


def _count(args: Sequence[Any], kwargs: Mapping[str, Any]) -> int:
    """How many elements ``torch.zeros(*args, **kwargs)`` has."""
    size = kwargs.get("size", args)
    while isinstance(size, (tuple, list)) and len(size) == 1 and isinstance(size[0], (tuple, list)):
        size = size[0]
    try:
        return math.prod(int(n) for n in size if hasattr(n, "__index__"))
    except TypeError:
        return 0


def _move(name: str, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``ghost.to(…)`` and its relatives: dtypes change, devices do not."""
    ghost, rest = args[0], list(args[1:])
    if name == "cpu":
        return ghost
    if name == "type_as":
        return ghost.to(rest[0].dtype)
    if name == "type":
        return func(*args, **kwargs) if rest or kwargs else torch.empty(0, dtype=ghost.dtype).type()
    targets = [*rest, *kwargs.values()]
    dtype = next((value if isinstance(value, torch.dtype) else value.dtype for value in targets
                  if isinstance(value, (torch.dtype, torch.Tensor))), ghost.dtype)
    layout = {"memory_format": kwargs["memory_format"]} if kwargs.get("memory_format") is not None else {}
    return func(ghost, dtype, **layout) if layout or dtype != ghost.dtype else ghost


class _Values(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Below the public functions: what meets a ghost becomes one."""

    def __init__(self, invent: bool, invented: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.invent, self.invented = invent, invented
        self.turned: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}  # id of a storage's first tensor → it, its ghost

    def __torch_dispatch__(self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = dict(kwargs) if kwargs else {}
        tensors = _tensors((args, kwargs)) if kwargs else _tensors(args)
        haunted = [t for t in tensors if t.device.type == "meta" or self.turned and self._turned(t)]
        if not haunted:
            return func(*args, **kwargs)
        name: str = func.overloadpacket.__name__
        if name in _LIKE and kwargs.get("device") == CPU:
            return func(*args, **kwargs)
        if self.invent and (name in _READS or name == "index" and _by_mask(args)):
            return self._made_up(name, func, args, kwargs)
        if name == "_grouped_mm":
            return self._grouped(func, args, kwargs)
        if not self.turned:
            if (result := fake_shapes.shortcut(func, args, kwargs)) is not None:
                return result
            if len(haunted) == len(tensors):
                return func(*args, **_on_meta(kwargs))
        return self._haunted(name, func, args, _on_meta(kwargs))

    def _grouped(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Without values PyTorch takes it in one dtype only, though it runs in others."""
        dtype = kwargs.pop("out_dtype", None) or args[0].dtype
        halves = [_as_ghost(arg, torch.bfloat16) if getattr(arg, "dtype", None) == args[0].dtype
                  else mapped(arg, self._twin) for arg in args]
        return func(*halves, **mapped(kwargs, self._twin)).to(dtype)

    def _haunted(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What an operation gives that meets ghosts and real tensors."""
        if name in ("index", "index_put", "index_put_"):
            args = (args[0], _positions(args[1]), *args[2:])
        elif name == "masked_select" and not is_ghost(args[1]):
            return torch.empty(int(args[1].expand_as(args[0]).sum()), dtype=args[0].dtype, device=META)
        twins, named = mapped((args, kwargs), self._twin)
        result = fake_shapes.shortcut(func, twins, named)
        if result is None:
            result = func(*twins, **named)
        written = kwargs.get("out", args[0] if name.endswith("_") and args else None)
        if isinstance(written, torch.Tensor) and written.device.type != "meta":
            self._turn(written)
            return written
        if isinstance(result, torch.Tensor) and func.is_view and args[0].device.type != "meta":
            # A view of a tensor that was turned: PyTorch wants a view of the very tensor, whose values nobody may read.
            return func(*args, **kwargs)
        return result

    def _turned(self, tensor: torch.Tensor) -> bool:
        return id(_owner(tensor)) in self.turned

    def _turn(self, tensor: torch.Tensor) -> None:
        owner = _owner(tensor)
        self.turned[id(owner)] = (owner, ghost_of(owner))

    def _twin(self, tensor: torch.Tensor) -> torch.Tensor:
        """A ghost of the same kind."""
        if tensor.device.type == "meta":
            return tensor
        if self._turned(tensor):
            base = self.turned[id(_owner(tensor))][1]
            return base.as_strided(tensor.shape, tensor.stride(), tensor.storage_offset())
        if tensor.dim() == 0:
            return tensor  # numbers mix with every device
        return ghost_of(tensor.detach() if isinstance(tensor, torch.nn.Parameter) else tensor)

    def _made_up(self, name: str, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.invented.append(name)
        args, kwargs = mapped((args, kwargs), _made_up)
        result = func(*args, **kwargs)
        return mapped(result, _as_ghost) if name in ("index", "masked_select") else result


def _on_meta(kwargs: dict[str, Any]) -> dict[str, Any]:
    """`kwargs` with whatever device they name replaced by the one of ghosts."""
    return kwargs if kwargs.get("device") is None else {**kwargs, "device": META}


def _owner(tensor: torch.Tensor) -> torch.Tensor:
    """The tensor that `tensor` is a view of, or itself."""
    base = tensor._base
    return tensor if base is None else base


def _tensors(value: Any) -> list[torch.Tensor]:
    """Every tensor in nested tuples, lists and dicts."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [tensor for item in value for tensor in _tensors(item)]
    return [tensor for item in value.values() for tensor in _tensors(item)] if isinstance(value, dict) else []


def _by_mask(args: Sequence[Any]) -> bool:
    return any(isinstance(i, torch.Tensor) and i.dtype in (torch.bool, torch.uint8) and is_ghost(i) for i in args[1])


def _positions(indices: Sequence[torch.Tensor | None]) -> list[torch.Tensor | None]:
    """Indices with every real mask replaced by the positions where it is true, as indexing itself would."""
    positions: list[torch.Tensor | None] = []
    for index in indices:
        mask = index is not None and index.dtype in (torch.bool, torch.uint8) and not is_ghost(index)
        positions += index.nonzero().unbind(1) if mask else [index]     # type: ignore[union-attr]
    return positions


def _made_up(tensor: torch.Tensor) -> torch.Tensor:
    """Made-up data in place of a ghost: coins for integers and masks, fractions for other numbers."""
    if not is_ghost(tensor):
        return tensor
    numbers = torch.arange(tensor.numel(), dtype=torch.int64)
    if tensor.dtype.is_floating_point:
        numbers = numbers.to(torch.float64).mul(0.7548776662).frac() + 0.01
    else:
        numbers = numbers.mul(2654435761).remainder(4294967296) >> 31
    return numbers.to(tensor.dtype).reshape(tensor.shape)


def _as_ghost(tensor: torch.Tensor, dtype: torch.dtype | None = None) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=dtype or tensor.dtype, device=META)
