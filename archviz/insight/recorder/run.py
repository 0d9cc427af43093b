"""``archviz.record``: activations, and gradients on request, of every node, over one batch or a whole data set.

In: a module and its inputs, or a module that runs in someone else's loop.  Out: `Recording`.
"""
from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any, overload

import torch
from torch import Tensor, nn
from tqdm import tqdm

from archviz.core.errors import ArchvizError
from archviz.core.progress import in_notebook
from archviz.insight.engine.subject import Run
from archviz.insight.engine.target import Spec, resolve, unit_of
from archviz.insight.inputs.memory import ran_out, size_of
from archviz.insight.methods._gradients import backward
from archviz.insight.recorder.feeding import Batch
from archviz.insight.recorder.reducer import Reducer, reductions
from archviz.insight.recorder.state import State, gather, shared_feed
from archviz.insight.results.recording import Recording
from archviz.trace.borrow import borrowed, frozen
from archviz.trace.kinds import unwrapped
from archviz.trace.ladder import free_memory
from archviz.trace.recorder import watching
from archviz.trace.tape import mapped

REDUCE = ("mean", "std", "sparsity", "saturation")
"""What is made of a node's values where nobody says."""


@overload
def record(model: nn.Module, inputs: None = None, nodes: str | Sequence[str] = ..., reduce: str | Sequence[str] = ...,
           *, gradients: bool = ..., target: Spec | None = ..., k: int = ..., budget: int | str | None = ...,
           resume: str | Path | None = ..., every: float = ..., progress: bool = ...,
           ) -> AbstractContextManager[Recording]: ...


@overload
def record(model: nn.Module, inputs: Any, nodes: str | Sequence[str] = ..., reduce: str | Sequence[str] = ...,
           *, gradients: bool = ..., target: Spec | None = ..., k: int = ..., budget: int | str | None = ...,
           resume: str | Path | None = ..., every: float = ..., progress: bool = ...) -> Recording: ...


def record(model: nn.Module, inputs: Any = None, nodes: str | Sequence[str] = "*",
           reduce: str | Sequence[str] = REDUCE, *, gradients: bool = False, target: Spec | None = None, k: int = 9,
           budget: int | str | None = None, resume: str | Path | None = None, every: float = 60.0,
           progress: bool = True) -> Recording | AbstractContextManager[Recording]:
    """Statistics of what every node of the figure gives, functions, in-place and repeated calls included.

    Values are reduced on the device as soon as they are there, and merged exactly over batches, so that a data set of
    any size takes the memory of one batch.  The model runs in evaluation mode and is afterwards what it was.  Under
    ``torchrun``, with torch.distributed initialised, each process takes its share of the batches, and all return the
    whole recording.

    Parameters
    ----------
    model : nn.Module
        Of any floating type, on any device.
    inputs : Tensor, tuple, dict, or iterable of batches, optional
        One batch: a tensor, a tuple of arguments, a dict of named ones.  A data set: a DataLoader, or anything that
        gives batches; of a tuple or list the first element is the input, of a dict what the model takes.  None: watch
        the calls that others make, see below.
    nodes : str or sequence of str
        Globs of ids: ``"layer*.*"``.
    reduce : str or sequence of str
        ``mean``, ``std``, ``min``, ``max``, ``norm``, ``per_channel``, ``sparsity``, ``saturation``, ``histogram``,
        ``topk``, ``values``; see `archviz.insight.results.recording.Statistics`.
    gradients : bool
        The same of the gradient at each node: of `target`, or in a with-block of whatever is differentiated there.
    target : optional
        As for `archviz.explain`; None: ``"top1"``.
    k : int
        How many samples ``topk`` keeps for each channel.
    budget : int or str, optional
        Memory that the work may take besides weights and inputs: bytes, or ``"2GB"``; None: half of what is free.
        Batches are cut to it.
    resume : str or Path, optional
        A file to which the state is written every so often, and from which an interrupted recording goes on, to the
        very same result.
    every : float
        Seconds between two writes of that file.
    progress : bool
        Show a bar on a terminal where it takes longer than a second.

    Returns
    -------
    Recording
        Or, without `inputs`, a context manager that gives one, which is filled when the block ends::

            with archviz.record(model, nodes="layer*") as recording:
                for batch in loader:
                    loss(model(batch)).backward()

        There the mode and the gradients are the loop's own, to the bit.

    Raises
    ------
    ArchvizError
        For a pattern that names no node, an unknown reduction, too little memory for a single sample, or a state that
        another recording wrote.
    """
    patterns = (nodes,) if isinstance(nodes, str) else tuple(nodes)
    wanted = (reduce,) if isinstance(reduce, str) else tuple(reduce)
    if not patterns or not wanted:
        raise ArchvizError("there is nothing to record", "name nodes, as in '*', and what is made of them: mean")
    if k < 1:
        raise ArchvizError(f"k={k}: topk keeps that many samples", "at least 1")
    limit = size_of(budget)
    gradients = gradients or target is not None
    model = unwrapped(model)
    reducer = Reducer(model, patterns, reductions(wanted, k), gradients=gradients,
                      budget=free_memory() // 2 if limit is None else limit)
    if inputs is None:
        if target is not None or resume is not None:
            raise ArchvizError("a target and resume go with inputs", "in a with-block the loop is your own")
        return _watched(reducer, wanted[0])
    work = _Work(reducer, target if target is not None else "top1", limit)
    with _lent(model, gradients):
        state = State(resume, every, reducer, (patterns, wanted, gradients, str(target), k))
        _all_batches(work, inputs, state, progress)
    if not reducer.calls:
        raise ArchvizError("nothing was recorded: there was not one batch")
    return _filled(Recording(statistic=wanted[0]), reducer)


@contextmanager
def _watched(reducer: Reducer, statistic: str) -> Iterator[Recording]:
    """Watches the calls that others make: ``with archviz.record(model) as recording: …``"""
    recording = Recording(statistic=statistic)
    try:
        with watching(reducer.model, reducer):
            yield recording
    finally:
        _filled(recording, reducer)
    if not reducer.calls:
        raise ArchvizError("nothing was recorded: the model was not called in the block",
                           "give the module that is called, not what wraps it; what torch.compile made is not seen")


def _filled(recording: Recording, reducer: Reducer) -> Recording:
    """Put into `recording` what was reduced."""
    recording.nodes.update(reducer.nodes())
    recording.ops.update({node: op for node, op in reducer.ops.items() if node in recording.nodes})
    return recording


class _Work:
    """Runs batches in pieces that fit into the budget."""

    def __init__(self, reducer: Reducer, target: Spec, budget: int | None) -> None:
        self.reducer, self.target, self.budget = reducer, target, budget
        unit = unit_of(target)
        reducer.keep = unit[0] if unit else None
        self.most: int | None = None    # samples at once; None: all of a batch

    def run(self, batch: Batch) -> None:
        done, total = 0, len(batch.numbers)
        self.reducer.limit = self._budget()
        while done < total:
            size = total if batch.whole else min(self.most or total, total - done)
            piece = batch if size == total else batch.rows(done, done + size)
            try:
                self._call(piece)
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
                if size == 1 or batch.whole:
                    raise ArchvizError("there is too little memory to run the model on a single sample",
                                       "give a larger budget or smaller inputs, or take another device") from error
                self.most = size // 2
                continue
            done += size

    def _budget(self) -> int:
        if self.budget is not None:
            return self.budget
        device = next((p.device for p in self.reducer.model.parameters()), torch.device("cpu"))
        return (torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()) // 2

    def _call(self, batch: Batch) -> None:
        reducer = self.reducer
        reducer.numbers = batch.numbers
        if not reducer.gradients:
            with torch.inference_mode():
                args, kwargs = mapped((batch.args, dict(batch.kwargs)), torch.clone)   # a model may write into them
                reducer.model(*args, **kwargs)
            return
        leaves: list[Tensor] = []
        reducer.leaves = leaves

        def leaf(tensor: Tensor) -> Tensor:
            if tensor.is_floating_point():
                leaves.append(tensor.detach().requires_grad_())
                tensor = leaves[-1]
            return tensor.clone()

        with torch.enable_grad():
            args, kwargs = mapped((batch.args, dict(batch.kwargs)), leaf)
            result = reducer.model(*args, **kwargs)
            run = Run(result, torch.arange(len(batch.numbers)), values=reducer.kept)
            targets = resolve(self.target, run)
            if len(targets) > 1:
                raise ArchvizError(f"target: {self.target} is {len(targets)} targets, and a gradient is of one")
            if not backward(targets[0].read(run), {str(n): leaf for n, leaf in enumerate(leaves)}, keep=False):
                raise ArchvizError(f"{targets[0].name} does not depend on the input in a way that has a gradient",
                                   "record without gradients, or of another target")
        reducer.leaves = None
        reducer.kept.clear()
        reducer.arrive()


def _all_batches(work: _Work, inputs: Any, state: State, progress: bool) -> None:
    """Run what this process has to do of `inputs`, and put together what all processes did."""
    reducer = work.reducer
    feed = shared_feed(reducer.model, inputs, state.order)
    state.order = feed.order
    with watching(reducer.model, reducer), _bar(len(feed), state.done, progress and feed.rank == 0) as bar:
        for batch in feed.batches(state.done):
            work.run(batch)
            state.finished()
            bar.update()
    reducer.arrive()        # while the model is in evaluation mode, by which receptive fields go
    state.write()
    if not feed.single:
        gather(reducer)


@contextmanager
def _lent(model: nn.Module, gradients: bool) -> Iterator[None]:
    """The model in evaluation mode, with frozen weights; afterwards it and the generators of numbers are as before."""
    devices = sorted({p.device.index for p in model.parameters() if p.device.type == "cuda"})
    with (torch.random.fork_rng(devices=devices), borrowed(model, ghosts=False),
          frozen(model) if gradients else nullcontext()):
        yield


def _bar(total: int, done: int, show: bool) -> tqdm[Any]:
    """A bar on stderr, where someone looks, once it takes longer than a second."""
    return tqdm(desc="archviz: record", total=total or None, initial=done, unit="batch", leave=False, delay=1.0,
                file=sys.stderr, disable=not (show and (sys.stderr.isatty() or in_notebook())))
