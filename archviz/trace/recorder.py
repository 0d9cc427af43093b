"""Run a model once and watch: module calls through hooks, everything else through a ``__torch_function__`` mode.

In: a module and the arguments of one call.  Out: a `Tape`.

The ids are made here and nowhere else: the qualified path of a module, ``@call`` from its second call on; for a
function ``enclosing-call/op[@n]``; ``/in:name`` and ``/out:name`` for what goes in and out.
"""
from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from types import FrameType
from typing import Any
from weakref import ref as weak

import torch
from torch import nn
from torch._ops import HigherOrderOperator

from archviz.core.graph import Module, NodeId
from archviz.trace import flops, hyperparameters, kinds, passages
from archviz.trace.hooks import CALLING, MODULE_FILE, Frame, Group, Lookout, named_arguments_above, quiet
from archviz.trace.modules import named_arguments, walk
from archviz.trace.mutation import may_write, version
from archviz.trace.port_names import input_name, result_names
from archviz.trace.tape import Call, Ref, Tape, opened, reads_whole_numbers, spec, swap, tensors
from archviz.trace.watcher import Held, Watcher, held

_QUIET = frozenset({"size", "dim", "__len__", "stride", "numel", "is_floating_point", "is_contiguous", "storage_offset",
                    "_set_grad_enabled", "__set__", "__repr__", "__format__", "__hash__", "nelement", "is_complex",
                    "set_default_dtype", "is_inference", "untyped_storage", "data_ptr", "element_size", "get_device"})
"""Functions that never give a tensor."""

_TENSOR_ATTRIBUTES = frozenset({"T", "mT", "H", "mH", "real", "imag", "data", "grad"})


def record(model: nn.Module, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None, *,
           count: bool = True) -> tuple[Tape, BaseException | None]:
    """Call ``model(*args, **kwargs)`` and return what was seen, and the exception that ended the call, if one did.

    A tape that ended early holds what ran, and as its last call what failed (``error`` is set).  FLOPs are counted
    where `count` is true, for which PyTorch has no rules for nested tensors.
    """
    recorder = Recorder(model, Watcher())
    error = recorder.trace(args, dict(kwargs or {}), count)
    return recorder.tape, error


@contextmanager
def watching(model: nn.Module, watcher: Watcher) -> Iterator[None]:
    """While it lasts, `watcher` sees every call of `model`, under the ids that a trace gives; each has its own tape.

    Gradients, modes and devices are as the caller has them; what runs between two calls is not seen.
    """
    recorder = Recorder(model, watcher)
    with quiet(), recorder.hooked(), passages.watched(recorder._passed):
        yield


Site = tuple[Frame | None, Group | None]


class Recorder(Lookout):
    """The mode and the hooks that watch a model run, each call of it on a tape of its own.

    Use `record`; or `watching`, for calls that others make.
    """

    def __init__(self, model: nn.Module, watcher: Watcher) -> None:
        super().__init__()
        self.model, self.watcher = model, watcher
        self.counter: Any = None
        self.running = self.paused = False
        self._begin()

    def _begin(self) -> None:
        """A fresh tape."""
        self.fresh = True
        self.tape = Tape()
        self.values: dict[int, tuple[Held, Ref]] = {}
        self.owned: dict[int, tuple[torch.Tensor, str, str]] = {}
        self.views: dict[int, Held] = {}  # id of a view → what it was taken from
        self.calls: Counter[str] = Counter()
        self.frames: list[Frame] = []
        self.outside: Counter[str] = Counter()
        self.counted = 0
        self.composite: tuple[FrameType, Group] | None = None
        self.unwound: tuple[Frame, tuple[Any, ...]] | None = None
        self.failing: Call | None = None
        for path, module in walk(self.model):
            self._adopt(path, module)

    def trace(self, args: tuple[Any, ...], kwargs: dict[str, Any], count: bool) -> BaseException | None:
        """Call the model once, count its FLOPs, and return the exception that ended the call, if one did."""
        self._inputs(args, kwargs)
        self.running = True
        try:
            with torch.no_grad(), flops.counted() if count else nullcontext() as self.counter, self.hooked(), \
                    passages.watched(self._passed):
                result = self.model(*args, **kwargs)
        except Exception as error:
            self._fail(error)
            return error
        self._end(result)
        return None

    def _inputs(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        for name, value in named_arguments(self.model, args, kwargs):
            for path, tensor in tensors(value):
                ref = self._source("/in:" + ".".join([name, *map(str, path)]), "input", "input", tensor, ())
                if path:
                    self.tape.calls[ref.call].kwargs = {"name": input_name(self.model, name, path)}

    def _end(self, result: Any) -> None:
        result = opened(result)
        found = tensors(result)
        names = result_names(self.model, [path for path, _ in found]) if len(found) > 1 else [""]
        for (path, tensor), name in zip(found, names, strict=False):
            ref, key = self._ref(tensor), ".".join(map(str, path)) or "0"
            self.tape.calls.append(Call(f"/out:{key}", (), "output", "output", args=(ref,),
                                        kwargs={"name": name} if name else {}, out={(): spec(tensor)}))
        unknown = sum(call.how == "constant" and "/constant" in call.id for call in self.tape.calls)
        if unknown:
            self.tape.notes.append(f"{unknown} tensors were made where nothing is seen (literals, NumPy)")
        self.tape.result = swap(result, self._known)

    def _hold(self, tensor: torch.Tensor, ref: Ref) -> None:
        """Know `tensor` as `ref`."""
        self.values[id(tensor)] = (tensor if self.watcher.keeps else weak(tensor), ref)
        self.watcher.holds(ref, tensor)

    def _known(self, tensor: torch.Tensor) -> Ref | None:
        entry = self.values.get(id(tensor))
        return entry[1] if entry and held(entry[0]) is tensor else None

    def _fail(self, error: BaseException) -> None:
        """Put what failed at the end of the tape: the call that raised, or the module whose own code did."""
        call = self.failing
        if call is None:
            frame, args = self.unwound or (None, ())
            if frame is not None and frame.leaf:
                call = self._module_call(frame, args, {})
            else:
                inside, scope = (frame.id, frame.inner) if frame else ("", ())
                last = tuple(Ref(n, path) for n, ran in [*enumerate(self.tape.calls)][-1:] for path in ran.out)
                call = Call(f"{inside}/failed", scope, "function", type(error).__name__, args=last[:1])
        call.error = f"{type(error).__name__}: {error}"
        self.tape.calls.append(call)

    def _adopt(self, path: str, module: nn.Module) -> None:
        """Know `module` and its tensors under the qualified name `path`."""
        if self.tape.paths.setdefault(id(module), path) != path:
            return
        dot = f"{path}." if path else ""
        for name, parameter in module._parameters.items():
            if parameter is not None and id(parameter) not in self.owned:
                self.owned[id(parameter)] = (parameter, dot + name, "parameter")
                self.tape.parameters[dot + name] = parameter
        for name, buffer in module._buffers.items():
            if buffer is not None:
                self.owned.setdefault(id(buffer), (buffer, dot + name, "constant"))
        for name, value in vars(module).items():
            if isinstance(value, torch.Tensor):
                self.owned.setdefault(id(value), (value, dot + name, "constant"))

    def _before(self, module: nn.Module, args: tuple[Any, ...]) -> None:
        if self.paused or self.frames and self.frames[-1].leaf:
            return
        if not self.running and module is not self.model:
            return
        self.paused = True
        self.look(False)
        try:
            if not self.running:  # a call that others make
                if not self.fresh:
                    self._begin()
                self.fresh = False
                self.watcher.begin(self.tape)
                self._inputs(args, named_arguments_above(sys._getframe(1)))
                self.running = True
            self._enter(module, self._site(sys._getframe(1)), args)
            if self.frames[-1].leaf and args and getattr(module, "inplace", False):
                for _, tensor in tensors(args[:1]):
                    self.watcher.write(tensor)
        finally:
            self.paused = False
            self.look(not self.frames or not self.frames[-1].leaf)

    def _enter(self, module: nn.Module, site: Site, args: tuple[Any, ...], code: FrameType | None = None) -> None:
        """Begin a call of `module` at `site`; `code` is the Python frame of a method other than forward."""
        top, group = site
        path = self.tape.paths.get(id(module))
        leaf = code is None and kinds.is_leaf(module)
        cls = kinds.class_name(kinds.unwrapped(module))
        if path is None:  # made while the model runs
            name = self._count(top, cls)
            for inner, child in walk(module):
                self._adopt(f"{name}.{inner}" if inner else name, child)
        elif path == "" and leaf:
            name = self._count(None, cls)
        else:
            n = self.calls[path]
            self.calls[path] += 1
            name = f"{path}@{n}" if n else path
        frame = Frame(module, name, top.inner if top else (), leaf, code, group, args)
        self.frames.append(frame)
        if not leaf and name and self.watcher.reals:
            attrs = hyperparameters.of_container(module)
            self.tape.modules[name] = Module(name, cls, path or name, frame.scope, attrs=attrs)

    def _site(self, code: FrameType | None) -> Site:
        """Where the Python frame `code` is: in which module call, and in which composite function.

        Between it and the forward of the innermost module call there may be methods of other modules, which count as
        calls of these, and functions that a reader takes for one operation.
        """
        while code is not None and code.f_code.co_filename in CALLING:  # the call that is being entered
            code = code.f_back
        between: list[FrameType] = []
        homes = [frame.code for frame in self.frames]
        while code is not None and code not in homes:
            if code.f_code.co_filename == MODULE_FILE:
                if self.frames and self.frames[-1].code is None and between:
                    self.frames[-1].code = between.pop()
                break
            between.append(code)
            code = code.f_back
        if code in homes:
            while self.frames[-1].code is not code:  # methods that have returned
                self.frames.pop()
        for frame in reversed(between):
            self._method(frame)
        top = self.frames[-1] if self.frames else None
        if top is not None and top.group is not None:
            return top, top.group
        for frame in reversed(between):
            composite = kinds.composite(frame.f_code.co_name)
            if composite is not None:
                if self.composite is None or self.composite[0] is not frame:
                    self.composite = frame, (self._count(top, composite[0]), *composite)
                return top, self.composite[1]
        self.composite = None
        return top, None

    def _method(self, code: FrameType) -> None:
        """Count a running method of a module as a call of that module, unless it is one that is called already."""
        names = code.f_code.co_varnames
        if not code.f_code.co_argcount or names[0] != "self":
            return
        module = code.f_locals.get("self")
        if (isinstance(module, nn.Module) and id(module) in self.tape.paths
                and all(frame.module is not module for frame in self.frames)):
            self._enter(module, (self.frames[-1] if self.frames else None, None), (), code)

    def _after(self, module: nn.Module, args: Any, *rest: Any) -> Any:
        if self.paused or not self.frames:
            return None
        if self.frames[-1].module is not module:
            if self.frames[-1].leaf or all(frame.module is not module for frame in self.frames):
                return None
            while self.frames[-1].module is not module:  # methods that returned, an exception that the model caught
                self.frames.pop()
        frame = self.frames.pop()
        output = rest[-1]
        others = self.counter is None and not self.frames  # the end of a call that others made
        self.paused = True
        self.look(False)
        try:
            if output is None:
                self.unwound = self.unwound or (frame, args)
                self.running = self.running and not others
                return None
            if frame.leaf:
                kwargs = rest[0] if len(rest) == 2 else named_arguments_above(sys._getframe(1))
                if self.watcher.reals or reads_whole_numbers((args, kwargs)):
                    output = self._leaf(frame, args, kwargs, output)
            elif frame.id:
                self.watcher.left(frame.id, output)
            if others:
                self.running = False
                self._end(output)
                self.watcher.end(output)
        finally:
            self.paused = False
            self.look(True)
        return output if frame.leaf else None

    def _leaf(self, frame: Frame, args: Any, kwargs: Mapping[str, Any], output: Any) -> Any:
        """Put the call of a leaf module on the tape, and return what it gives."""
        operands = [tensor for _, tensor in tensors((args, kwargs))]
        if isinstance(output, torch.Tensor) and not getattr(frame.module, "inplace", False):
            if any(output is tensor for tensor in operands):
                output = output.view_as(output)  # its own tensor, so that each reader is linked to what it read
        return self._add(self._module_call(frame, args, kwargs), output, operands)

    def _module_call(self, frame: Frame, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Call:
        path = self.tape.paths[id(frame.module)]
        if any(self._known(tensor) is None and id(tensor) not in self.owned for _, tensor in tensors(args)):
            args = frame.args  # the module's own hooks made the rest of them, as a part of it
        module, own = frame.module, frame.module._parameters
        held = module.parameters() if module._modules else own.values()
        weights = tuple(self.owned[id(p)][1] for p in held if id(p) in self.owned)
        lent = {name: ref for name, tensor in own.items()
                if tensor is not None and id(tensor) not in self.owned and (ref := self._known(tensor))}
        return Call(frame.id, frame.scope, "module", kinds.class_name(module), path, module,
                    swap(args, self._ref), swap(dict(kwargs), self._ref), weights=weights, lent=lent, group=frame.group)

    def _scope(self) -> tuple[NodeId, ...]:
        return self.frames[-1].inner if self.frames else ()

    def _count(self, top: Frame | None, name: str) -> NodeId:
        counts, place = (top.counts, top.id) if top is not None else (self.outside, "")
        n = counts[name]
        counts[name] += 1
        return f"{place}/{name}@{n}" if n else f"{place}/{name}"

    def __torch_function__(self, func: Callable[..., Any], types: Sequence[type], args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs = kwargs or {}
        name: str = getattr(func, "__name__", "")
        if self.paused or not self.running or name in _QUIET or self.frames and self.frames[-1].leaf:
            return func(*args, **kwargs)
        if not self.watcher.reals and not reads_whole_numbers((args, kwargs)):
            return func(*args, **kwargs)
        if name in passages.HIGHER and isinstance(func, HigherOrderOperator):
            with self:
                return passages.HIGHER[name](*args, **kwargs)
        if name == "__get__":
            name = getattr(getattr(func, "__self__", None), "__name__", "")
            if name not in _TENSOR_ATTRIBUTES:
                return func(*args, **kwargs)
            how = "attribute"
        else:
            how = "method" if getattr(torch.Tensor, name, None) is func else "function"
        self.paused = True
        try:
            return self._function(func, name, how, args, kwargs, sys._getframe(1))
        finally:
            self.paused = False

    def _passed(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any],
                code: FrameType) -> Any:
        """A call that no mode sees."""
        if self.paused or not self.running or self.frames and self.frames[-1].leaf:
            return func(*args, **kwargs)
        self.paused = True
        try:
            if not any(tensors((args, kwargs))):
                self.tape.calls.append(self._function_call(func, name, "function", args, kwargs, code))
                return func(*args, **kwargs)
            return self._function(func, name, "function", args, kwargs, code)
        finally:
            self.paused = False

    def _function(self, func: Callable[..., Any], name: str, how: str, args: tuple[Any, ...],
                  kwargs: Mapping[str, Any], code: FrameType) -> Any:
        operands = [tensor for _, tensor in tensors((args, kwargs))]
        versions = [version(tensor) for tensor in operands]
        writes = may_write(func, name, args, kwargs)
        for tensor in writes:
            self.watcher.write(tensor)
        try:
            result = func(*args, **kwargs)
        except Exception:
            self.failing = self._function_call(func, name, how, args, kwargs, code)
            raise
        wrote = [tensor for tensor, before in zip(operands, versions, strict=True) if version(tensor) != before]
        wrote += [tensor for tensor in writes if tensor.is_inference()]  # these do not count what is written to them
        if not wrote:
            if isinstance(result, torch.Tensor):
                if any(result is tensor for tensor in operands):
                    return result  # ``x.contiguous()``, dropout in evaluation: nothing happened
            elif not tensors(result):
                self.failing = None
                return result  # an answer about a tensor
        call = self._function_call(func, name, how, args, kwargs, code)
        call.silent = result is None
        recorded = self._add(call, wrote[0] if call.silent else result, operands, wrote)
        return None if call.silent else recorded

    def _function_call(self, func: Callable[..., Any], name: str, how: str, args: tuple[Any, ...],
                       kwargs: Mapping[str, Any], code: FrameType) -> Call:
        top, group = self._site(code)
        op = kinds.canonical(name)
        operands, named = swap(args, self._ref), swap(dict(kwargs), self._ref)
        return Call(self._count(top, op) if group is None else group[0], top.inner if top else (), how, op,
                    name if how != "function" else func, None, operands, named, group=group)

    def _add(self, call: Call, output: Any, operands: Sequence[torch.Tensor], wrote: Sequence[torch.Tensor] = (),
             ) -> Any:
        """Put `call` on the tape: its output, the FLOPs since the last one, and what it wrote in place.

        Who reads a tensor that was written, or a tensor that the written one is a view of, reads what the call gave.
        Returns the output, or what the watcher puts in its place.
        """
        self.failing = self.unwound = None
        number = len(self.tape.calls)
        if self.counter is not None:
            total = self.counter.get_total_flops()
            call.flops, self.counted = total - self.counted, total
        output = self.watcher.gave(call, output)
        self.tape.calls.append(call)
        for path, tensor in tensors(output):
            call.out[path] = spec(tensor)
            if tensor._base is not None and not wrote:
                parent = next((t for t in operands if t is tensor._base or t._base is tensor._base), None)
                if parent is not None and parent is not tensor:
                    self.views[id(tensor)] = parent if self.watcher.keeps else weak(parent)
            if not call.silent:
                self._hold(tensor, Ref(number, path))
        first = next(iter(call.out), ())
        for tensor in wrote:
            call.wrote += tuple(ref for ref in (self._known(tensor),) if ref and ref.call != number)
            written: torch.Tensor | None = tensor
            while written is not None:
                before = self._known(written)
                made = None if before is None else before.origin if before.call != number else before.made
                self._hold(written, Ref(number, first, made))
                above = self.views.get(id(written))
                written = held(above) if above is not None else None
        return output

    def _source(self, name: NodeId, how: str, op: str, tensor: torch.Tensor, scope: tuple[NodeId, ...]) -> Ref:
        """Put a tensor that nothing on the tape gave on it: an input, a parameter, a constant."""
        ref = Ref(len(self.tape.calls))
        weights = (name,) if how == "parameter" else ()
        target = None if how == "input" else tensor
        self.tape.calls.append(Call(name, scope, how, op, target, out={(): spec(tensor)}, weights=weights))
        self._hold(tensor, ref)
        return ref

    def _ref(self, tensor: torch.Tensor) -> Ref:
        known = self._known(tensor)
        if known is not None:
            return known
        owned = self.owned.get(id(tensor))
        if owned is not None:
            return self._source(owned[1], owned[2], owned[2], tensor, self._scope())
        base = tensor._base
        known = self._known(base) if base is not None else None
        if known is not None:
            return known
        top = self.frames[-1] if self.frames else None
        return self._source(self._count(top, "constant"), "constant", "constant", tensor, self._scope())
