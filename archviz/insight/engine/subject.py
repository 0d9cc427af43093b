"""The model, its batch and its targets, for methods to run: watched where they ask, restored when they are done.

In: a module, the arguments of one call, a target.  Out: `Subject`, whose runs give numbers under the figure's ids.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import NodeId
from archviz.insight.engine.hooks import Hooks, named
from archviz.insight.engine.kernels import hasten
from archviz.insight.engine.landmarks import Keeper, Seeker
from archviz.insight.engine.target import Spec, Target, resolve, unit_of
from archviz.insight.inputs.memory import ran_out
from archviz.trace.borrow import borrowed, frozen
from archviz.trace.hooks import quiet
from archviz.trace.kinds import unwrapped
from archviz.trace.ladder import free_memory
from archviz.trace.modules import named_arguments, walk
from archviz.trace.recorder import watching
from archviz.trace.tape import Call, Tape, mapped, tensors

INPUTS: NodeId = "/inputs"
"""Stands for all sources, among what methods want of the first run."""
_WHOLE = frozenset({torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8})


@dataclass(frozen=True)
class Arguments:
    """The arguments of one call.

    rows    (R,) long: which sample each row of the batch is (a copy of)
    axis    the axis of every batched tensor that counts samples
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    rows: Tensor
    axis: int = 0

    def take(self, rows: Tensor) -> Arguments:
        """The rows that `rows` (long) lists, each as often as it is listed, of every batched tensor."""
        n = len(self.rows)

        def taken(tensor: Tensor) -> Tensor:
            batched = tensor.dim() > self.axis and tensor.shape[self.axis] == n
            return tensor.index_select(self.axis, rows.to(tensor.device)) if batched else tensor

        args, kwargs = mapped((self.args, dict(self.kwargs)), taken)
        return replace(self, args=args, kwargs=kwargs, rows=self.rows[rows.to(self.rows.device)])


@dataclass
class Run:
    """One call of the model.

    rows      (R,): which sample each row is
    tape      what ran, where the run was watched
    reading   what ran and read whole numbers, where embeddings were looked for
    leaves    source id → the tensor gradients are taken for
    values    id → what the node gave, as it was then (later writes do not show); of a module call, its output
    edges     id → where the gradient of that value arrives; for ``torch.autograd.grad(..., inputs=[edge])``
    landmarks what was asked for by `archviz.insight.engine.landmarks.MAP` and `HEAD` → the node it turned out to be
    """

    result: Any
    rows: Tensor
    tape: Tape | None = None
    reading: Tape | None = None
    leaves: dict[NodeId, Tensor] = field(default_factory=dict)
    values: dict[NodeId, Tensor] = field(default_factory=dict)
    edges: dict[NodeId, GradientEdge] = field(default_factory=dict)
    landmarks: dict[NodeId, NodeId] = field(default_factory=dict)

    def value(self, node: NodeId) -> Tensor:
        """What `node` gave.  Raises `ArchvizError` with the nearest ids for one that did not run, or was not kept."""
        if node not in self.values:
            raise ArchvizError(f"no node {node!r} ran", did_you_mean(node, self.values))
        return self.values[node]


class Subject:
    """One model, one batch, one target, ready for methods.  A context manager: the model is as before afterwards.

    model         used in evaluation mode with its parameters frozen while the context lasts
    args, kwargs  what it is called with
    target        see `archviz.insight.engine.target`
    budget        bytes that the work may take besides weights and inputs; None: half of what is free on the device
    axis          which axis of the inputs counts samples
    position      which token's logits are meant, where there are several
    step          told the name of each step as it begins, for progress

    floats        the inputs of real numbers
    whole         whether there are inputs of whole numbers
    wanted, grad  what the first run keeps (ids, globs of ids, landmarks; `INPUTS`: gradients will be taken down to the
                  sources); said before it, so that methods share it
    alone         whether one method runs, which asks for the gradients of a run once: what they need is freed on the
                  way, and its memory serves again
    ahead         a method's own first run over all samples, taken where nobody wants values or gradients of it; None
                  where it gives None
    kept          what methods share (a method's own key → anything); dropped at the end
    """

    def __init__(self, model: nn.Module, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None, *,
                 target: Spec = "top1", budget: int | None = None, axis: int = 0, position: int = -1,
                 step: Callable[[str], None] = lambda name: None) -> None:
        self.model: nn.Module = unwrapped(model)
        self.spec, self.position, self.step, self._budget = target, position, step, budget
        inputs = [t for _, t in tensors((args, dict(kwargs or {})))]
        if not inputs:
            raise ArchvizError("there is no input to explain", "give the model at least one tensor")
        self.device = inputs[0].device
        if axis < 0:
            raise ArchvizError(f"axis={axis}: axes are counted from 0")
        n = inputs[0].shape[axis] if inputs[0].dim() > axis else 1
        if not n:
            raise ArchvizError(f"there is no sample to explain: the input is {'×'.join(map(str, inputs[0].shape))}")
        self.batch = Arguments(args, dict(kwargs or {}), torch.arange(n, device=self.device), axis)
        named = [("/in:" + ".".join([name, *map(str, path)]), tensor)
                 for name, value in named_arguments(self.model, args, kwargs or {}) for path, tensor in tensors(value)]
        self.named = dict(named)
        self.floats = tuple(name for name, tensor in named if tensor.is_floating_point())
        self.whole = any(tensor.dtype in _WHOLE for _, tensor in named)
        self.kept: dict[Any, Any] = {}
        self.wanted: set[NodeId] = set()
        self.ahead: Callable[[], Run | None] | None = None
        self.grad = self.alone = False
        # Stacks of images with their channels last: on a processor convolutions are faster so, but not what comes
        # after the one convolution that cuts an image into tokens.
        kinds = [isinstance(m, nn.Conv2d) - isinstance(m, nn.Linear) / 2 for m in self.model.modules()]
        self._laid = self.device.type == "cpu" and sum(kinds) >= 0
        self._stack = ExitStack()

    def __enter__(self) -> Subject:
        with ExitStack() as stack:
            devices = [self.device.index or 0] if self.device.type == "cuda" else []
            stack.enter_context(torch.random.fork_rng(devices=devices))
            stack.enter_context(torch.inference_mode(False))        # what is computed in it never has a gradient
            stack.enter_context(borrowed(self.model, ghosts=False))
            stack.enter_context(frozen(self.model))
            hasten(self.model)
            stack.enter_context(quiet())
            if self.device.type == "cuda" and any(isinstance(m, nn.RNNBase) for m in self.model.modules()):
                # cuDNN has no backward pass for recurrent layers in evaluation mode.
                stack.enter_context(torch.backends.cudnn.flags(enabled=False))
            stack.enter_context(torch.enable_grad())
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: Any) -> None:
        self.kept.clear()
        self._stack.__exit__(*error)

    @property
    def n(self) -> int:
        """Samples."""
        return len(self.batch.rows)

    @property
    def budget(self) -> int:
        """Bytes that may be taken now."""
        if self._budget is not None:
            return self._budget
        return (torch.cuda.mem_get_info(self.device)[0] if self.device.type == "cuda" else free_memory()) // 2

    @cached_property
    def base(self) -> Run:
        """The first run over the samples; with gradients, and the values of ``self.wanted``, where a method asked."""
        self.step("run the model")
        run = self.ahead() if self.ahead is not None and not self.grad and not self.wanted else None
        if run is not None:
            return run
        with torch.set_grad_enabled(self.grad):
            return self.run(nodes=self.wanted - {INPUTS}, grad=self.grad, watched=not self.grad)

    @cached_property
    def tape(self) -> Tape:
        """What ran over the samples."""
        if self.base.tape is None:
            with torch.no_grad():
                self.base.tape = self.run(watched=True).tape
        assert self.base.tape is not None
        return self.base.tape

    @cached_property
    def reading(self) -> Tape:
        """What ran over the samples and read whole numbers, if not more."""
        return self.base.reading or self.tape

    @cached_property
    def modules(self) -> dict[NodeId, nn.Module]:
        """The modules by their qualified names."""
        return dict(walk(self.model))

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """What is explained."""
        return resolve(self.spec, self.base, self.position)

    @cached_property
    def sources(self) -> tuple[NodeId, ...]:
        """Where maps of the input are drawn: inputs of real numbers, and embeddings that read whole-number ones."""
        embeddings: dict[NodeId, None] = {}
        if self.whole:
            seeker = Seeker(self.reading)
            embeddings = dict.fromkeys(call.node for n, call in enumerate(self.reading.calls) if seeker.reads(n, call))
        if not self.floats and not embeddings:
            raise ArchvizError("the model has no input that a map could be drawn for",
                               "it takes neither real numbers nor token ids that an embedding reads")
        return (*self.floats, *embeddings)

    @cached_property
    def shown(self) -> dict[NodeId, Tensor]:
        """Source id → what is under its map, samples first: an input as it was given, the token ids an embedding reads.

        An embedding whose ids are not an input's own (shifted, cut, made on the way) is not among them.
        """
        shown = {name: self.named[name] for name in self.floats}
        if self.whole:
            for call in self.reading.calls:
                if call.node in self.sources:
                    ids = self._ids(call)
                    shown |= {} if ids is None else {call.node: ids}
        return {name: tensor.detach().movedim(self.batch.axis, 0) if tensor.dim() > self.batch.axis else tensor.detach()
                for name, tensor in shown.items()}

    def _ids(self, call: Call) -> Tensor | None:
        """The input of whole numbers that `call` reads, at most reshaped on the way."""
        shapes = {spec.shape[:-1] for spec in call.out.values()}
        above = [self.reading.calls[ref.call] for ref in call.operands()]
        while above:
            one = above.pop()
            if one.how == "input":
                ids = self.named[one.id]
                return ids if tuple(ids.shape) in shapes and not ids.is_floating_point() else None
            above += [self.reading.calls[ref.call] for ref in one.operands()]
        return None

    def matching(self, patterns: str | Iterable[str]) -> tuple[NodeId, ...]:
        """The nodes and module calls that globs name, as they end.  Raises `ArchvizError` for a glob of nothing."""
        wanted = [patterns] if isinstance(patterns, str) else list(patterns)
        if len(wanted) == 1 and wanted[0] in self.base.values:
            return (wanted[0],)
        ids = self.ids
        for pattern in wanted:
            if not any(name == pattern or fnmatchcase(name, pattern) for name in ids):
                raise ArchvizError(f"no node is named {pattern!r}", did_you_mean(pattern, ids))
        return tuple(name for name in ids if any(name == p or fnmatchcase(name, p) for p in wanted))

    @cached_property
    def ids(self) -> tuple[NodeId, ...]:
        """The ids of all nodes and module calls, in the order in which they end."""
        ids: dict[NodeId, None] = {}
        for call, after in zip(self.tape.calls, [*self.tape.calls[1:], None], strict=True):
            ids[call.node] = None
            for frame in reversed(call.scope):
                if after is None or frame not in after.scope:
                    ids[frame] = None
        return tuple(ids)

    def run(self, batch: Arguments | None = None, *, nodes: Collection[NodeId] | None = (), grad: bool = False,
            replace: Mapping[NodeId, Tensor] | None = None, watched: bool = False) -> Run:
        """Call the model once.

        batch     what to call it with; None: the samples themselves
        nodes     the nodes and module calls whose values (and, with `grad`, gradient edges) are kept: ids, globs,
                  landmarks; None: all; the one that the target reads is always kept
        grad      whether sources become leaves that gradients are taken for
        replace   source id → what stands in its place: (R, …), of an input or of an embedding's output
        watched   keep a tape also where nothing else asks for one
        """
        if nodes is not None and (unit := unit_of(self.spec)) is not None:
            nodes = {*nodes, unit[0]}
        call = partial(self._run, batch or self.batch, nodes, grad, dict(replace or {}), watched)
        try:
            return call()
        except RuntimeError as error:
            if self._laid and "view size is not compatible" in str(error):
                self._laid = False      # a model that says view where reshape is meant
            elif batch is None or len(batch.rows) == self.n or ran_out(error):
                raise
            else:
                raise ArchvizError(f"the model raised on a batch of {len(batch.rows)}: {' '.join(str(error).split())}",
                                   f"it may take no other batch than one of {self.n}; methods that run it as it is "
                                   "(saliency, gradcam) do not mind") from error
        return call()

    def _run(self, batch: Arguments, nodes: Collection[NodeId] | None, grad: bool, replace: dict[NodeId, Tensor],
             watched: bool) -> Run:
        leaves: dict[NodeId, Tensor] = {}
        source = partial(self._source, leaves if grad else None, replace)
        args, kwargs = _with_inputs(self.model, batch, source)
        seek = self.whole and (grad or bool(replace))
        every = watched or nodes is None or bool(nodes)
        if not seek and not every:
            return Run(self.model(*args, **kwargs), batch.rows, leaves=leaves)
        modules = named(self.modules, nodes) if nodes and not seek and not watched else None
        if modules:
            with Hooks(modules, grad) as hooks:
                result = self.model(*args, **kwargs)
            if hooks.sure and hooks.values.keys() == modules.keys():
                return Run(result, batch.rows, leaves=leaves, values=hooks.values, edges=hooks.edges)
            args, kwargs = _with_inputs(self.model, batch, source)
        keeper = Keeper(nodes, grad, source if seek else None, every)
        with watching(self.model, keeper):
            result = self.model(*args, **kwargs)
        return Run(result, batch.rows, keeper.tape if every else None, keeper.tape, leaves, keeper.values,
                   keeper.edges, keeper.landmarks)

    def _source(self, leaves: dict[NodeId, Tensor] | None, replace: Mapping[NodeId, Tensor], name: NodeId,
                tensor: Tensor) -> Tensor:
        """What a source holds in a run: what replaces it, put among `leaves` where gradients are taken."""
        tensor = replace.get(name, tensor)
        if leaves is not None:
            tensor = tensor.clone() if tensor.is_inference() else tensor.detach()
            leaves[name] = tensor = tensor.requires_grad_()
        # A model may write into its input, which is the caller's, or a leaf.
        last = self._laid and tensor.dim() == 4 and len(tensor) > 1
        return tensor.clone(memory_format=torch.channels_last if last else torch.preserve_format)

    def scores(self, run: Run) -> Tensor:
        """(targets, rows): what the targets are in `run`, float32."""
        return torch.stack([target.read(run) for target in self.targets])


def _with_inputs(model: nn.Module, batch: Arguments, source: Callable[[NodeId, Tensor], Tensor]) -> Any:
    """(args, kwargs), with each tensor exchanged for what `source` makes of it under its id."""
    names: dict[int, NodeId] = {}
    for name, value in named_arguments(model, batch.args, batch.kwargs):
        for path, tensor in tensors(value):
            names[id(tensor)] = "/in:" + ".".join([name, *map(str, path)])

    def change(tensor: Tensor) -> Tensor:
        real = id(tensor) in names and tensor.is_floating_point()
        return source(names[id(tensor)], tensor) if real else tensor.clone()

    return mapped((batch.args, dict(batch.kwargs)), change)
