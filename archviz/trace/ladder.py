"""The ladder of front ends: record without compute, then on real tensors, then with made-up answers, then symbolically.

In: a model, or a function that makes one, and what to call it with.  Out: `Trace`.
"""
from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn
from torch.nn.parameter import is_lazy

from archviz.core.errors import ArchvizError, culprit
from archviz.core.graph import Graph, NodeId
from archviz.trace import to_fx, to_graph
from archviz.trace.borrow import borrowed
from archviz.trace.fake import without_values
from archviz.trace.hooks import quiet
from archviz.trace.hyperparameters import full_name, lines
from archviz.trace.kinds import class_name, class_of, unwrapped
from archviz.trace.modules import parameters, walk
from archviz.trace.recorder import record
from archviz.trace.symbolic import symbolic
from archviz.trace.tape import Tape, dtype_name, mapped

SHARE_OF_MEMORY = 0.6
"""A real run is tried when the weights take at most this part of the memory that is free."""


@dataclass(frozen=True)
class Inputs:
    """The arguments of one call; `note` says how they were found."""

    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What was seen, how, and what was not.

    rung      ``ghost`` (no compute), ``real``, ``invented`` (values made up where code asked for them), ``symbolic``
    notes     sentences for a reader
    failed    the node at which the model raised, and the error
    invented  True when made-up values may have decided the path
    seconds   time taken, with building the model
    """

    rung: str
    notes: tuple[str, ...] = ()
    failed: tuple[NodeId, str] | None = None
    invented: bool = False
    seconds: float = 0.0


@dataclass(frozen=True)
class Trace:
    """A graph, the tape it was made from, and how that went."""

    graph: Graph
    report: Report
    tape: Tape | None = None
    model: nn.Module | None = None
    symbolic: fx.GraphModule | None = None

    @cached_property
    def module(self) -> fx.GraphModule | None:
        """What ran as a `torch.fx` program; its nodes carry their NodeId in ``meta["archviz"]``."""
        if self.tape is None or self.model is None or self.report.failed is not None:
            return self.symbolic
        return to_fx.program(self.tape, self.model)


class NothingRan(ArchvizError):
    """None of the inputs that were guessed can be given to the model."""


Model = nn.Module | Callable[[], nn.Module]
Given = Inputs | Sequence[Inputs] | Callable[[nn.Module], Inputs | Sequence[Inputs]]


def trace(model: Model, inputs: Given, *, weights: int = 0) -> Trace:
    """Run `model` once without compute where that is possible, and return what it did.

    `model` is an instance, which is given back as it was, or a function that builds one, which is then built without
    memory for its weights.  `inputs` are what to call it with, or a function from the model to that; several are
    guesses that are tried in turn.  Linear layers of an instance with at most `weights` values hold these in
    ``attrs["weights"]``.  Raises `NothingRan` when no guess runs.  A model that raises in the middle, with inputs that
    are not guesses, gives the part that ran, and ``report.failed``.
    """
    start = time.perf_counter()
    with quiet():
        return _Climb(model, inputs, start, weights).run()


class _Climb:
    """One walk up the ladder."""

    def __init__(self, model: Model, inputs: Given, start: float, weights: int) -> None:
        self.model, self.inputs, self.start, self.weights = model, inputs, start, weights
        self.notes: list[str] = []
        self.guessed = False

    def run(self) -> Trace:
        module = self._build(ghosts=True)
        tries = self._tries(module)
        if not tries:
            return self._symbolic(module)
        failed: list[tuple[Tape, BaseException]] = []
        for inputs in tries:
            tape, error = self._record(module, inputs, ghosts=True)
            if error is None:
                return self._trace(module, tape, "ghost", inputs)
            failed.append((tape, error))
        rung, fits = "ghost", self._fits(module)
        # A wrong guess is as wrong with values; inputs that are no guess get every chance.
        worth = [n for n, (_, error) in enumerate(failed) if _wants_values(error) or fits and not self.guessed]
        if worth and fits:
            rung = "real"
            if not isinstance(self.model, nn.Module):
                module = self._build(ghosts=False)
                tries = self._tries(module)
        elif worth:
            rung = "invented"
            self.notes.append(f"its weights ({_bytes(module) / 2**30:.0f} GiB) do not fit in memory")
        for n in worth:
            tape, error = self._record(module, tries[n], ghosts=not fits, invent=not fits)
            if error is None:
                self.notes.append(f"values decide its path ({_said(failed[n][1])})")
                return self._trace(module, tape, rung, tries[n])
            failed[n] = tape, error
        if not self.guessed:
            return self._trace(module, failed[0][0], rung, tries[0], failed[0][1])
        raise NothingRan(
            f"none of the inputs tried can be given to {type(module).__name__}\n" + "\n".join(
                f"  {inputs.note or shapes(inputs)}: {_said(error)}"
                for inputs, (_, error) in zip(tries, failed, strict=True))) from failed[0][1]

    def _fits(self, module: nn.Module) -> bool:
        """Whether there are weights to run with, and memory for them."""
        bare = isinstance(self.model, nn.Module) and any(parameter.is_meta for parameter in module.parameters())
        return not bare and _bytes(module) < SHARE_OF_MEMORY * free_memory()

    def _tries(self, module: nn.Module) -> list[Inputs]:
        inputs = self.inputs(module) if callable(self.inputs) else self.inputs
        self.guessed = not isinstance(inputs, Inputs)
        return [inputs] if isinstance(inputs, Inputs) else list(inputs)

    def _build(self, *, ghosts: bool) -> nn.Module:
        module = self.model if isinstance(self.model, nn.Module) else self._made(self.model, ghosts)
        module = unwrapped(module)
        if isinstance(module, torch.jit.ScriptModule):
            raise ArchvizError(f"{class_name(module)} is TorchScript, which does not show what runs inside",
                               "name the Python class that it was made from")
        return module

    def _made(self, build: Callable[[], nn.Module], ghosts: bool) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            if not ghosts:
                return build()
            try:
                with without_values(building=True):
                    return build()
            except Exception as error:
                if not _wants_values(error):
                    raise  # it would fail as well with its weights, after taking the memory for them
                self.notes.append(f"it could not be built without weights ({_said(error)})")
                return build()

    def _record(self, module: nn.Module, inputs: Inputs, *, ghosts: bool, invent: bool = False,
                ) -> tuple[Tape, BaseException | None]:
        args, kwargs = mapped(inputs.args, _own), mapped(dict(inputs.kwargs), _own)
        with borrowed(module, ghosts=ghosts), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            if not ghosts:
                tape, error = record(module, args, kwargs)
                if error is not None and any(word in str(error) for word in ("FlopCounterMode", "NestedTensorImpl")):
                    tape, error = record(module, *(mapped(given, _own) for given in (inputs.args, dict(inputs.kwargs))),
                                         count=False)
                    tape.notes.append("it computes with nested tensors, whose multiply-accumulates are not counted")
                return tape, error
            with without_values(invent=invent) as invented:
                tape, error = record(module, args, kwargs)
            if invented:
                tape.invented = True
                tape.notes.append(f"made-up values answered {', '.join(sorted(set(invented)))}")
            return tape, error

    def _trace(self, module: nn.Module, tape: Tape, rung: str, inputs: Inputs,
               error: BaseException | None = None) -> Trace:
        notes = [*([inputs.note] if inputs.note else []), *self.notes, *tape.notes]
        failed = (tape.calls[-1].id, tape.calls[-1].error) if error is not None else None
        report = Report(rung, tuple(notes), failed, tape.invented, time.perf_counter() - self.start)
        facts: dict[str, Any] = {"class": full_name(class_of(module)), "lines": lines(module),
                                 "report": {"rung": rung, "notes": notes, "invented": report.invented}}
        if failed and error is not None:
            facts["report"]["failed"] = list(failed)
            if at := culprit(error):
                facts["report"]["raised"] = f"{at[0].name}:{at[1]}"
        # what a constructor leaves in the weights of a model that was built here is chance
        weights = parameters(module) if self.weights and isinstance(self.model, nn.Module) else {}
        graph = to_graph.graph(tape, type(module).__name__, facts,
                            {key: p for key, p in weights.items() if not is_lazy(p) and p.numel() <= self.weights})
        return Trace(graph, report, tape, module)

    def _symbolic(self, module: nn.Module) -> Trace:
        name = type(module).__name__
        try:
            with borrowed(module, ghosts=False):
                graph, module_, opaque = symbolic(module, name)
        except Exception as error:
            raise NothingRan(f"no input is known for {name}, and torch.fx cannot trace it without one: {_said(error)}",
                             "give an input, such as --input 1x3x224x224") from error
        notes = (*self.notes, "no input is known: traced symbolically, without shapes",
                 *(f"{path} could not be looked into" for path in opaque))
        report = Report("symbolic", notes, seconds=time.perf_counter() - self.start)
        facts = {"class": full_name(class_of(module)), "lines": lines(module),
                 "report": {"rung": "symbolic", "notes": list(notes), "invented": False}}
        return Trace(replace(graph, attrs=facts), report, symbolic=module_)


def free_memory() -> int:
    """Bytes of memory that are free; 8 GiB where the system does not say."""
    try:
        with open("/proc/meminfo") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (ValueError, OSError, AttributeError):
        return 8 * 2**30


def shapes(inputs: Inputs) -> str:
    """The inputs as a reader would write them: ``input_ids=1x128:int64``."""
    named = [f"{key}={shape(value)}" for key, value in inputs.kwargs.items()]
    return ", ".join([*map(shape, inputs.args), *named]) or "no input"


def shape(value: Any) -> str:
    """One input as a reader would write it."""
    if not isinstance(value, torch.Tensor):
        return repr(value)
    sizes = "x".join(map(str, value.shape)) or "()"
    return sizes if value.dtype == torch.float32 else f"{sizes}:{dtype_name(value.dtype)}"


def _own(tensor: torch.Tensor) -> torch.Tensor:
    """A copy, so that a model that writes into its input does not write into the caller's."""
    return tensor.detach().clone()


def _bytes(module: nn.Module) -> int:
    """What the weights of `module` take in memory."""
    return sum(p.numel() * p.element_size() for _, m in walk(module) for p in m.parameters(recurse=False)
               if not is_lazy(p))


def _wants_values(error: BaseException) -> bool:
    """Whether `error` says that there was no value where code asked for one, or no rule for tensors without values."""
    words = ("meta", "unallocated storage", "as a constant")        # the last of torch.jit.trace
    return isinstance(error, NotImplementedError) or any(word in str(error) for word in words)


def _said(error: BaseException) -> str:
    text = f"{type(error).__name__}: {(str(error).strip().splitlines() or [''])[0]}"
    return text if len(text) <= 160 else text[:159] + "…"
