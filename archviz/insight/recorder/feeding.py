"""Batches, one after the other: their samples numbered, shared among processes, and cut to what fits into memory.

In: a tensor, the arguments of one call, or any iterable of batches.  Out: `Batch` after `Batch`.
"""
from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torch.utils.data.distributed import DistributedSampler

from archviz.core.errors import ArchvizError
from archviz.trace.ladder import Inputs
from archviz.trace.tape import mapped, tensors


@dataclass(frozen=True)
class Batch:
    """The arguments of one call.

    numbers   (N,) long: the number of each sample; of a data set with an order its index there
    whole     whether it cannot be cut, as no argument says how many samples there are
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    numbers: Tensor
    whole: bool = False

    def rows(self, first: int, last: int) -> Batch:
        """Some of the samples."""
        n = len(self.numbers)

        def cut(tensor: Tensor) -> Tensor:
            return tensor[first:last] if tensor.dim() and len(tensor) == n else tensor

        return replace(self, args=mapped(self.args, cut), kwargs=mapped(dict(self.kwargs), cut),
                       numbers=self.numbers[first:last])


class Feed:
    """The batches of `inputs` that are for this process, brought to the device of the model that takes them.

    inputs        what to call it with once, a tensor, a tuple, a mapping, `Inputs`; or an iterable of batches: tensors,
                  tuples or lists that begin with the input, dicts of named arguments, of which those are given that the
                  model takes
    rank, world   which process this is, of how many; a loader whose sampler shares its data out already stays as it is
    order         the samples of each batch of all processes, where an earlier run settled it
    """

    def __init__(self, model: nn.Module, inputs: Any, rank: int = 0, world: int = 1,
                 order: Sequence[list[int]] | None = None) -> None:
        self.model, self.inputs = model, inputs
        self.single = isinstance(inputs, (Tensor, tuple, Mapping, Inputs))
        self.shared = isinstance(getattr(inputs, "sampler", None), DistributedSampler)
        self.rank, self.world = (0, 1) if self.single or self.shared else (rank, world)
        self.order = order if order is not None else order_of(inputs)
        if not self.single and not isinstance(inputs, Iterable):
            raise ArchvizError(f"inputs: a {type(inputs).__name__} is neither a tensor nor gives batches",
                               "give a tensor, a tuple or dict of arguments, or a DataLoader")

    def __len__(self) -> int:
        """How many batches there are; 0 where nobody knows."""
        if self.single:
            return 1
        try:
            total = len(self.order if self.order is not None else self.inputs)
        except TypeError:
            return 0
        return len(range(self.rank, total, self.world))

    def batches(self, skip: int) -> Iterator[Batch]:
        """The batches of this process but the first `skip`."""
        if self.single:
            if not skip:
                yield self._batch(*_call(self.inputs), None, 0)
            return
        if self.order is not None:
            orders = self.order[self.rank::self.world][skip:]
            for batch, numbers in zip(_ordered(self.inputs, orders), orders, strict=True):
                yield self._batch(*self._arguments(batch), torch.tensor(numbers), 0)
            return
        first = 0
        for at, batch in enumerate(self.inputs):
            numbered = self._batch(*self._arguments(batch), None, first)
            first += len(numbered.numbers)
            if at % self.world == self.rank and at // self.world >= skip:
                yield numbered

    def _batch(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], numbers: Tensor | None, first: int) -> Batch:
        device = next((t.device for t in [*self.model.parameters(), *self.model.buffers()]), torch.device("cpu"))
        counted = [value for value in [*args, *kwargs.values()] if isinstance(value, Tensor) and value.dim()]
        n = len(counted[0]) if counted else 1
        if numbers is None or len(numbers) != n:
            numbers = torch.arange(n) + first

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Batch(mapped(args, moved), mapped(dict(kwargs), moved), numbers, whole=not counted)

    def _arguments(self, batch: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        if isinstance(batch, (tuple, list)) and batch:
            batch = batch[0]
        if isinstance(batch, Mapping):
            takes = inspect.signature(self.model.forward).parameters
            everything = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
            return (), {name: value for name, value in batch.items() if everything or name in takes}
        if not tensors(batch):
            raise ArchvizError(f"inputs: a batch is a {type(batch).__name__}, which holds no tensor",
                               "a batch is a tensor, a tuple that begins with one, or a dict of named arguments")
        return (batch,), {}


def _call(inputs: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    if isinstance(inputs, Inputs):
        return inputs.args, inputs.kwargs
    if isinstance(inputs, Mapping):
        return (), dict(inputs)
    return (inputs,) if isinstance(inputs, Tensor) else inputs, {}


def order_of(inputs: Any) -> list[list[int]] | None:
    """Which samples make each batch, drawn once, where a loader draws them from a data set with an order."""
    if type(inputs) is not DataLoader or inputs.batch_sampler is None or not hasattr(inputs.dataset, "__getitem__"):
        return None
    order = [list(numbers) for numbers in inputs.batch_sampler]
    return order if all(type(number) is int for numbers in order for number in numbers) else None


def _ordered(loader: DataLoader[Any], order: Sequence[list[int]]) -> DataLoader[Any]:
    """The same loader, which gives these samples."""
    return DataLoader(loader.dataset, batch_sampler=order, num_workers=loader.num_workers, collate_fn=loader.collate_fn,
                      pin_memory=loader.pin_memory, timeout=loader.timeout, worker_init_fn=loader.worker_init_fn,
                      multiprocessing_context=loader.multiprocessing_context, generator=loader.generator,
                      prefetch_factor=loader.prefetch_factor)
