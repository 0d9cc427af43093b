"""Watches a model run: reduces what each node gives as soon as it gives it, and merges that with what it gave before.

In: calls, as the recorder sees them.  Out: `Reducer`, whose totals become a `Recording`.

Nothing of a run is kept alive: a value is reduced before the model can write into it, and what is kept raw is a copy on
the host.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any
from weakref import finalize
from weakref import ref as weak

import numpy as np
import torch
from torch import Tensor, nn

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import NodeId
from archviz.insight.engine.snapshot import TooMuch
from archviz.insight.recorder.fields import boxes, field, image_size
from archviz.insight.recorder.shipping import Shipment
from archviz.insight.recorder.statistics import REDUCTIONS, Array, Partial, Reduction, Seen, Total
from archviz.insight.results.recording import GRADIENT
from archviz.trace.kinds import class_of
from archviz.trace.modules import walk
from archviz.trace.receptive_field import Axis
from archviz.trace.tape import Call, Ref, Tape, tensors
from archviz.trace.watcher import Watcher

Slot = tuple[NodeId, str]
"""A node, and who reduces what: the name of a reduction's class, after `GRADIENT` for gradients."""


def reductions(names: Iterable[str], k: int) -> dict[str, Reduction]:
    """Who makes the statistics of these names.  Raises `ArchvizError` for one that nobody makes."""
    by_class: dict[str, Reduction] = {}
    for name in names:
        if name not in REDUCTIONS:
            raise ArchvizError(f"nothing reduces to {name!r}", did_you_mean(name, REDUCTIONS))
        made = REDUCTIONS[name]() if name != "topk" else REDUCTIONS[name](k)
        by_class[type(made).__name__] = made
    return by_class


class Reducer(Watcher):
    """Totals of every node of `model` that `patterns`, globs of ids, name.

    reduce           see `reductions`
    gradients        reduce the gradient that arrives at each node, too, whenever a backward pass comes through
    budget           bytes that values kept raw may take

    totals           what was merged so far; `arrive` first, for all of it
    samples, calls   how many samples came to each node, in how many calls of the model
    ops              what ran at each node
    numbers          the numbers of the samples of the next call; None: they follow those before
    tape             the last call
    limit            bytes that a call may hold at once; `TooMuch` ends one that takes more
    keep, kept       a node whose value, with its gradient, is wanted after a call, and that value
    leaves           where given: embeddings begin to need gradients there, and are put on the list
    """

    keeps = False

    def __init__(self, model: nn.Module, patterns: Sequence[str], reduce: Mapping[str, Reduction], *,
                 gradients: bool = False, budget: int | None = None) -> None:
        self.model, self.patterns, self.reduce, self.gradients, self.budget = model, patterns, reduce, gradients, budget
        self.totals: dict[Slot, Total] = {}
        self.samples: Counter[NodeId] = Counter()
        self.calls: Counter[NodeId] = Counter()
        self.ops: dict[NodeId, str] = {}
        self.numbers: Tensor | None = None
        self.tape: Tape | None = None
        self.limit: int | None = None
        self.leaves: list[Tensor] | None = None
        self.keep: NodeId | None = None
        self.kept: dict[NodeId, Tensor] = {}
        self._wanted: dict[NodeId, bool] = {}
        self._fields: dict[NodeId, tuple[Axis, ...] | None] = {}
        self._next = self._kept = 0
        self._checked = False
        self._slopes: list[tuple[list[NodeId], dict[str, Partial]]] = []
        self._away: list[Shipment[tuple[NodeId, str, str]]] = []
        self._forget()

    def _forget(self) -> None:
        """Be ready for a call."""
        self._rows: Tensor | None = None
        self._last, self._bytes = -1, 0
        self._open: tuple[Call, Tensor] | None = None
        self._parts: dict[NodeId, dict[str, Partial]] = {}
        self._axes: dict[int, tuple[int | None, int]] = {}              # call → its axis of channels, and how many
        self._axis_of: dict[int, tuple[weak[Tensor], int | None]] = {}  # id of a tensor → its axis of channels
        self._done: dict[int, list[NodeId]] = {}                        # id of a tensor → whose value it is now

    def begin(self, tape: Tape) -> None:
        self.arrive()
        self._forget()
        self.tape = tape

    def write(self, tensor: Tensor) -> None:
        self._close()
        self._done.clear()
        for node, value in self.kept.items():
            if value.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr():
                self.kept[node] = value.clone()

    def gave(self, call: Call, output: Any) -> Any:
        if self.leaves is None or not isinstance(output, Tensor) or output.requires_grad or call.kind != "embedding":
            return output
        self.leaves.append(output.detach().requires_grad_())
        return self.leaves[-1].view_as(output)      # which the model may write into, as it may not into a leaf

    def holds(self, ref: Ref, tensor: Tensor) -> None:
        assert self.tape is not None
        call = self.tape.calls[ref.call]
        if call.how in ("parameter", "constant") or ref.call == self._last:     # a node's first output is its value
            return
        if self._open is not None and call.group != self._open[0].group:
            self._close()
        self._last = ref.call
        if call.how == "input" and self._rows is None and tensor.dim():
            self._rows = self.numbers if self.numbers is not None else torch.arange(len(tensor)) + self._next
        self._weigh(tensor)
        axis = self._axis(call, tensor)
        self._axis_of[id(tensor)] = weak(tensor), axis
        self._axes[ref.call] = axis, tensor.shape[axis] if axis is not None else 1
        self._done.pop(id(tensor), None)
        if call.group is not None:
            self._open = call, tensor       # the last call of a composite function gives what its node gives
        else:
            self._take(call.node, _op(call), tensor)

    def left(self, module: NodeId, output: Any) -> None:
        self._close()
        assert self.tape is not None
        for _, tensor in tensors(output)[:1]:
            self._take(module, self.tape.modules[module].cls, tensor)

    def end(self, result: Any) -> None:
        self._close()
        assert self.tape is not None
        outputs = [call for call in self.tape.calls if call.how == "output"]
        for call, (_, tensor) in zip(outputs, tensors(result), strict=True):
            self._take(call.node, call.op, tensor)
        self._check()
        rows = 0 if self._rows is None else len(self._rows)
        self._next += rows
        for node in self._parts:
            self.calls[node] += 1
            self.samples[node] += rows
        self._send(self._parts, "")
        self._forget()

    def _weigh(self, tensor: Tensor) -> None:
        """Count the memory that the call holds, until it lets go of it; a gradient needs all of it to the end."""
        weighed = self._axis_of.get(id(tensor))
        if self.limit is None or tensor._base is not None or weighed and weighed[0]() is tensor:
            return
        size = tensor.numel() * tensor.element_size()
        self._bytes += size
        if self._bytes > self.limit:
            raise TooMuch(f"more than {self.limit} bytes")
        if not self.gradients:
            finalize(tensor, self._release, size).atexit = False

    def _release(self, size: int) -> None:
        self._bytes -= size

    def _close(self) -> None:
        """The composite function that was open has given what it gives."""
        if self._open is not None:
            (call, tensor), self._open = self._open, None
            self._take(call.node, _op(call), tensor)

    def _take(self, node: NodeId, op: str, tensor: Tensor) -> None:
        if node == self.keep:
            self.kept[node] = tensor
        if node not in self._wanted:
            self._wanted[node] = any(node == p or fnmatchcase(node, p) for p in self.patterns)
        if not self._wanted[node] or not _reducible(tensor):
            return
        self.ops[node] = op
        current, axis = self._axis_of.get(id(tensor), (None, None))
        if current is None or current() is not tensor:
            axis = _usual(tensor)
        elif id(tensor) in self._done:      # what a module gives that contains others, one of these gave
            same = self._done[id(tensor)]
            self._parts[node] = self._parts[same[0]]
            same.append(node)
            return
        self._parts[node] = self._reduced(tensor, op, axis, self._rows)
        names = self._done[id(tensor)] = [node]
        if self.gradients and tensor.requires_grad:
            rows = self._rows       # the hook must not keep the tensor

            def arrives(slope: Tensor) -> None:
                self._slopes.append((names, self._reduced(slope, "", axis, rows)))

            tensor.register_hook(arrives)  # type: ignore[no-untyped-call]

    def _reduced(self, tensor: Tensor, op: str, axis: int | None, rows: Tensor | None) -> dict[str, Partial]:
        with torch.no_grad():
            raw = tensor.detach()
            x = raw.abs() if raw.is_complex() else raw
            x = x if x.dtype in (torch.float32, torch.float64) else x.float()
            seen = Seen(x, raw, op, axis, rows if rows is not None else torch.arange(0))
            return {name: part for name, one in self.reduce.items() if (part := one.of(seen)) is not None}

    def _axis(self, call: Call, tensor: Tensor) -> int | None:
        """Which axis counts channels: as the layer says, else as its operand had it."""
        assert self.tape is not None
        if tensor.dim() < 2:
            return None
        kind = call.kind
        if kind in ("linear", "embedding", "recurrent") or kind == "attention" and call.module is not None:
            return tensor.dim() - 1
        if kind in ("conv", "upconv", "pool"):
            return 1
        for ref in call.operands():
            axis, channels = self._axes.get(ref.call, (None, 0))
            if axis is None:
                continue
            if kind != "view" and len(self.tape.calls[ref.call].out[ref.path].shape) == tensor.dim():
                return axis
            as_many = [at for at in range(1, tensor.dim()) if tensor.shape[at] == channels]
            return as_many[0] if len(as_many) == 1 else _usual(tensor)
        return _usual(tensor)

    def _check(self) -> None:
        """Raise `ArchvizError` for a pattern that names nothing in the model; later calls may take other paths."""
        if self._checked or self.tape is None:
            return
        self._checked = True
        ids = {*self._wanted, *(path for path, _ in walk(self.model))}
        for pattern in self.patterns:
            if not any(name == pattern or fnmatchcase(name, pattern) for name in ids):
                raise ArchvizError(f"no node is named {pattern!r}", did_you_mean(pattern, list(filter(None, ids))))

    def _send(self, parts_of: Mapping[NodeId, Mapping[str, Partial]], prefix: str) -> None:
        results = {(node, prefix + name, key): tensor for node, parts in parts_of.items()
                   for name, part in parts.items() for key, tensor in part.items()}
        raw = {id(tensor): tensor for (_, name, _), tensor in results.items() if name.endswith("Values")}
        self._kept += sum(tensor.numel() * tensor.element_size() for tensor in raw.values())
        if self.budget is not None and self._kept > self.budget:
            raise ArchvizError(f"the values of {len(parts_of)} nodes take more than {self.budget / 2 ** 20:.4g} MiB",
                               "name fewer nodes, give a larger budget, or reduce them on the way")
        devices = {torch.device("cuda", n) for n in range(torch.cuda.device_count())} if raw else set()
        self._away.append(Shipment(results, devices))

    def arrive(self) -> None:
        """Merge what is still on its way."""
        for names, parts in self._slopes:
            self._send(dict.fromkeys(names, parts), GRADIENT)
        self._slopes.clear()
        for shipment in self._away:
            landed: dict[Slot, Total] = {}
            for (node, name, key), array in shipment.opened().items():
                landed.setdefault((node, name), {})[key] = array
            for slot, total in landed.items():
                if "positions" in total and (seen := self._seen(slot[0], total["positions"])) is not None:
                    total["fields"] = seen
                self.add(slot, total)
        self._away.clear()

    def _seen(self, node: NodeId, places: Array) -> Array | None:
        """The parts of the input image that the units of a node at these places see, as the first call had it."""
        assert self.tape is not None
        if node not in self._fields:
            self._fields[node] = field(self.tape, node)
        axes = self._fields[node]
        return boxes(axes, places, image_size(self.tape)) if axes is not None else None

    def add(self, slot: Slot, part: Total) -> None:
        """Merge a total into that of a node."""
        reduction = self.reduce[slot[1].removeprefix(GRADIENT)]
        self.totals[slot] = reduction.merge(self.totals[slot], part) if slot in self.totals else part

    def nodes(self) -> dict[NodeId, dict[str, Array]]:
        """The statistics of each node."""
        self.arrive()
        statistics: dict[NodeId, dict[str, Array]] = {node: {} for node in self.calls}
        for (node, name), total in self.totals.items():
            prefix = GRADIENT if name.startswith(GRADIENT) else ""
            result = self.reduce[name.removeprefix(GRADIENT)].result(total)
            statistics[node] |= {prefix + key: np.asarray(array) for key, array in result.items()}
        for node, arrays in statistics.items():
            arrays |= {"samples": np.array(self.samples[node]), "calls": np.array(self.calls[node])}
        return statistics


def _op(call: Call) -> str:
    """What ran, in one spelling for modules and functions."""
    if call.group is not None:
        return call.group[1]
    return class_of(call.module).__name__.lower() if call.module is not None else call.op


def _usual(tensor: Tensor) -> int | None:
    """Where channels are in (N, C), (N, L, C), (N, C, H, W)."""
    return {0: None, 1: None, 3: 2}.get(tensor.dim(), 1)


def _reducible(tensor: Tensor) -> bool:
    return (tensor.numel() > 0 and tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_quantized
            and tensor.device.type != "meta")
