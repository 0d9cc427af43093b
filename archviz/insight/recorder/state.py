"""A recording that can be put away and taken up again, and shared among processes.

In: a `Reducer` at work.  Out: a file with its totals; the totals of all processes in one.
"""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

from torch import distributed, nn

from archviz.core.errors import ArchvizError
from archviz.core.files import write
from archviz.insight.recorder.feeding import Feed
from archviz.insight.recorder.reducer import Reducer
from archviz.insight.results.recording import packed, unpacked


class State:
    """How far a recording has come, in a file that is replaced at once.

    path      each of several processes writes one of its own beside it; None: nothing is written
    every     seconds between two writes
    reducer   whose totals they are; those of an earlier run are put into it
    asked     what was asked for; a file that holds something else is refused
    done      batches whose values are in the totals
    order     which samples make each batch, where that was drawn: to go on with the same
    """

    def __init__(self, path: str | Path | None, every: float, reducer: Reducer, asked: object) -> None:
        self.path, self.every, self.reducer = _own(path), every, reducer
        self.done, self._since = 0, time.monotonic()
        self.order: Sequence[list[int]] | None = None
        self._print = "" if path is None else _fingerprint(reducer.model, asked)
        if self.path is not None and self.path.exists():
            self._read(self.path)

    def _read(self, path: Path) -> None:
        index, arrays = unpacked(path)
        if index.get("print") != self._print:
            raise ArchvizError(f"{path} is the state of another recording",
                               "another model, weights, nodes or statistics; delete it to begin anew")
        reducer = self.reducer
        for (node, name, key), array in zip(index["names"], arrays, strict=True):
            reducer.totals.setdefault((node, name), {})[key] = array
        reducer.samples, reducer.calls, reducer.ops = Counter(index["samples"]), Counter(index["calls"]), index["ops"]
        self.done, self.order = index["done"], index["order"]

    def finished(self) -> None:
        """Another batch is done."""
        self.done += 1
        if self.path is not None and time.monotonic() - self._since >= self.every:
            self.write()

    def write(self) -> None:
        """Write it, where it is to be written."""
        if self.path is None:
            return
        reducer = self.reducer
        reducer.arrive()
        index = {"print": self._print, "done": self.done, "order": self.order, "samples": reducer.samples,
                 "calls": reducer.calls, "ops": reducer.ops,
                 "names": [[node, name, key] for (node, name), total in reducer.totals.items() for key in total]}
        write(self.path, packed(index, [array for total in reducer.totals.values() for array in total.values()]))
        self._since = time.monotonic()


def _own(path: str | Path | None) -> Path | None:
    rank, world = place()
    whole = None if path is None else Path(path)
    return whole.with_name(f"{whole.stem}.{rank}-of-{world}{whole.suffix}") if whole and world > 1 else whole


def _fingerprint(model: nn.Module, asked: object) -> str:
    """What tells this recording from others: what was asked for, and of which weights."""
    weights = [(name, tuple(p.shape), str(p.dtype), p.detach().double().sum().item())
               for name, p in model.named_parameters()]
    return blake2b(repr((asked, weights)).encode(), digest_size=16).hexdigest()


def place() -> tuple[int, int]:
    """Which process this is, and of how many."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_rank(), distributed.get_world_size()
    return 0, 1


def shared_feed(model: nn.Module, inputs: Any, order: Sequence[list[int]] | None) -> Feed:
    """The batches of this process; in which order a loader gives them, the first process draws for all."""
    rank, world = place()
    feed = Feed(model, inputs, rank, world, order)
    if feed.world > 1 and order is None:
        drawn = [feed.order]
        distributed.broadcast_object_list(drawn)
        feed.order = drawn[0]
    return feed


def gather(reducer: Reducer) -> None:
    """Give each process the totals of all, merged in the order of their ranks."""
    reducer.arrive()
    if place()[1] == 1:
        return
    shares: list[Any] = [None] * place()[1]
    distributed.all_gather_object(shares, (reducer.totals, reducer.samples, reducer.calls, reducer.ops))
    reducer.totals, reducer.samples, reducer.calls, reducer.ops = {}, Counter(), Counter(), {}
    for totals, samples, calls, ops in shares:
        reducer.samples.update(samples)
        reducer.calls.update(calls)
        reducer.ops.update(ops)
        for key, total in totals.items():
            reducer.add(key, total)
