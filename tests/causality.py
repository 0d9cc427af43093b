"""Is a figure the causal graph of its boxes?  Measured by disturbing what runs.

Every value but one is held as it was, that one is disturbed, and what changes is compared with the drawn paths.  Twice:
`by_operation` disturbs the traced `torch.fx` program at every drawn operation; `by_module` the running model, through
hooks of its own that know nothing of the trace, at every drawn module call.  Concatenations are looked through, as one
may be drawn as an earlier one and what was added.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from archviz.core.graph import Graph
from archviz.figure.options import Options
from archviz.figure.stages import passed
from archviz.passes._values import MAKERS
from archviz.trace.borrow import frozen
from archviz.trace.ladder import Inputs, Trace, trace
from archviz.trace.mutation import in_place
from archviz.trace.tape import mapped, opened, tensors

TRIALS = 12
Pairs = frozenset[tuple[str, str]]


@dataclass(frozen=True)
class Faults:
    """Pairs of ids: `missing` are effects that no path tells, `false` are paths along which nothing was measured."""

    missing: Pairs
    false: Pairs
    effects: int

    def __bool__(self) -> bool:
        return bool(self.missing or self.false)


def drawn(graph: Graph) -> Graph:
    """The boxes of a figure before anything is fused, folded or closed."""
    options = Options()
    look = options.resolved()
    return passed(graph, replace(look, passes=("annotate", "hide")), options.overrides)


# ---------------------------------------------------------------------------------------------------- values

def noisy(value: Any, trial: int) -> Any:
    """`value` with every tensor disturbed: noise of its own size and, as trials go on, of more; other whole numbers,
    other truth values."""
    generator = torch.Generator().manual_seed(trial)

    def disturb(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.is_complex():
            return torch.complex(disturb(tensor.real), disturb(tensor.imag))
        if tensor.is_floating_point():
            size = tensor.float().std(unbiased=False).nan_to_num(1).clamp(min=0.1)
            return (tensor + torch.randn(tensor.shape, generator=generator) * size * trial).to(tensor.dtype)
        coins = torch.rand(tensor.shape, generator=generator) < 0.5
        if tensor.dtype == torch.bool or not tensor.numel():
            return tensor ^ coins
        return torch.where(coins, (tensor + 1) % max(int(tensor.max()) + 1, 2), tensor)
    return mapped(value, disturb)


def copied(value: Any) -> Any:
    """The same in tensors of its own: what comes after may write in place."""
    return mapped(value, lambda tensor: tensor.detach().clone())


def live(value: Any) -> Any:
    """The same in tensors whose gradient is asked for, which shows where they flow."""
    return mapped(value, lambda t: t.detach().clone().requires_grad_(t.is_floating_point() or t.is_complex()))


def flows(value: Any) -> bool:
    """Whether a tensor in `value` depends on a live one."""
    return any(tensor.requires_grad for _, tensor in tensors(value))


def _batched(value: Any) -> bool:
    """Whether a tensor in `value` cannot leave the `torch.vmap` that it was made in."""
    return any(torch._C._functorch.is_batchedtensor(tensor) for _, tensor in tensors(value))


def same(one: Any, other: Any) -> bool:
    """Whether two results hold the same numbers, but for rounding."""
    pairs = list(zip(tensors(one), tensors(other), strict=False))
    return len(tensors(one)) == len(tensors(other)) and all(
        a.shape == b.shape and a.dtype == b.dtype and torch.allclose(a, b, rtol=1e-5, atol=1e-6, equal_nan=True)
        for (_, a), (_, b) in pairs)


# ---------------------------------------------------------------------------------------------------- by operation

def by_operation(traced: Trace, args: tuple[Any, ...], kwargs: Mapping[str, Any], boxes: Graph | None = None,
                 most: int = 10**6) -> Faults:
    """Disturb each drawn operation of `traced` in its program."""
    boxes = boxes or drawn(traced.graph)
    program = traced.module
    assert program is not None and traced.model is not None
    last = {}                                   # id → the node of the program that gives the box's value
    for node in program.graph.nodes:
        if "archviz" in node.meta:
            last[node.meta["archviz"]] = node
    inside = False                              # of a vmap, where values cannot leave
    for node in program.graph.nodes:
        inside = inside or getattr(node.target, "__name__", "") == "_vmap_increment_nesting"
        if inside:
            last.pop(node.meta.get("archviz"), None)
        inside = inside and getattr(node.target, "__name__", "") != "_vmap_decrement_nesting"
    held = {id_: last[id_] for id_ in boxes.by_id if id_ in last and boxes.by_id[id_].kind != "cat"}
    sources = {node.meta["archviz"]: node for node in program.graph.nodes if node.op == "placeholder"}
    run = _Program(program, args, kwargs, traced)
    before, result = run({})
    fixed = {node: before[node] for node in held.values()}
    again, ended = run(fixed)
    for id_, node in held.items():
        assert same(again[node], before[node]), f"not repeatable: {id_}"
    assert same(ended, result)

    def effects(u: str, trial: int) -> set[str]:
        node = held.get(u, sources.get(u))
        if trial > TRIALS:
            values, result_ = run({**fixed, node: live(before[node])}, grad=True)
            return {v for v, at in held.items() if v != u and flows(values[at])} | _live_outputs(result_)
        changed = noisy(before[node], trial)
        values, result_ = run({**fixed, node: changed})
        hit = {v for v, at in held.items() if v != u and not same(values[at], before[at])}
        return hit | _changed_outputs(result, result_)

    touched = [*held, *(i for i in sources if i not in held)]
    return _compared(boxes, effects, touched, set(held), most, flowing(program, {**sources, **held}))


def flowing(program: Any, nodes: Mapping[str, Any]) -> set[tuple[str, str]]:
    """Which of `nodes` the program computes from which others, or its outputs, without passing a third one."""
    ids = {node: id_ for id_, node in nodes.items()}
    from_: dict[Any, set[str]] = {}
    pairs: set[tuple[str, str]] = set()
    for node in program.graph.nodes:
        name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
        above = set() if name in MAKERS else {u for one in node.all_input_nodes for u in from_[one]}
        pairs |= {(u, ids[node]) for u in above} if node in ids else set()
        from_[node] = {ids[node]} if node in ids else above
        if node.op == "output":
            for path, one in _leaves(node.args[0]):
                pairs |= {(u, "/out:" + (".".join(map(str, path)) or "0")) for u in from_[one]}
    return pairs


def _leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, torch.fx.Node):
        yield path, value
    elif isinstance(value, tuple | list | dict):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(item, (*path, key))


class _Program:
    """A traced program, run with some values replaced."""

    def __init__(self, program: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], traced: Trace) -> None:
        self.program = program
        given = dict(_named(traced.model, args, kwargs))
        self.inputs = [given[node.meta["archviz"]] for node in program.graph.nodes if node.op == "placeholder"]

    def __call__(self, replaced: Mapping[Any, Any], grad: bool = False) -> tuple[dict[Any, Any], Any]:
        """What each node computed (before it was replaced), and the result."""
        computed: dict[Any, Any] = {}
        values: dict[Any, Any] = {}
        inputs = iter(copied(self.inputs))
        modules = dict(self.program.named_modules())
        torch.manual_seed(0)
        with frozen(self.program), torch.set_grad_enabled(grad):
            for node in self.program.graph.nodes:
                a = torch.fx.node.map_arg(node.args, values.__getitem__)
                k = torch.fx.node.map_arg(node.kwargs, values.__getitem__)
                if node.op == "placeholder":
                    value = next(inputs)
                elif node.op == "get_attr":
                    value = _attribute(self.program, node.target)
                elif node.op == "call_module":
                    value = modules[node.target](*a, **k)
                elif node.op == "call_method":
                    value = getattr(a[0], node.target)(*a[1:], **k)
                elif node.op == "call_function":
                    value = node.target(*a, **k)
                else:
                    return computed, a[0]
                computed[node] = mapped(value, torch.clone) if node in replaced or not replaced else None
                if node in replaced:
                    wanted = mapped(replaced[node], torch.clone)
                    name = node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")
                    if node.op in ("call_method", "call_function") and in_place(name) and value is not None:
                        value.copy_(wanted)
                    else:
                        value = wanted
                values[node] = value
        raise AssertionError("a program without an output")


def _attribute(program: Any, target: str) -> Any:
    value = program
    for name in target.split("."):
        value = getattr(value, name)
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _named(model: nn.Module | None, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    from archviz.trace.modules import named_arguments

    for name, value in named_arguments(model, args, kwargs):
        for path, tensor in tensors(value):
            yield "/in:" + ".".join([name, *map(str, path)]), tensor


def _changed_outputs(one: Any, other: Any) -> set[str]:
    return {"/out:" + (".".join(map(str, path)) or "0")
            for (path, a), (_, b) in zip(tensors(one), tensors(other), strict=True) if not same(a, b)}


def _live_outputs(result: Any) -> set[str]:
    return {"/out:" + (".".join(map(str, path)) or "0") for path, tensor in tensors(result) if tensor.requires_grad}


def _compared(boxes: Graph, effects: Callable[[str, int], set[str]], touched: Iterable[str], held: set[str],
              most: int, flowing: Collection[tuple[str, str]] = ()) -> Faults:
    after: dict[str, set[str]] = {}
    for edge in boxes.edges:
        after.setdefault(edge.src, set()).add(edge.dst)
    outputs = {node.id for node in boxes.nodes if node.kind == "output"}

    def told(u: str) -> set[str]:
        reached, todo, done = set(), list(after.get(u, ())), set()
        while todo:
            v = todo.pop()
            if v not in done:
                done.add(v)
                if v in held or v in outputs:
                    reached.add(v)
                else:
                    todo.extend(after.get(v, ()))
        return reached

    missing, false, count = set(), set(), 0
    said = boxes.attrs.get("aside", {})         # masks, positions, indices: not drawn, and said
    touched = list(touched)
    for u in touched[:: max(1, -(-len(touched) // most))]:
        want, real = told(u), set()
        for trial in range(1, TRIALS + 1):
            real |= effects(u, trial)
            if real >= want and trial > 1:
                break
        if want - real:     # what trials did not flip may flow all the same: a dead unit, a sign that is squared away
            want = want - {v for v in want - real if (u, v) in flowing or v in effects(u, TRIALS + 1)}
        missing |= {(u, v) for v in real - want if (v in held or v in outputs) and u not in said}
        false |= {(u, v) for v in want - real}
        count += len(real | want)
    return Faults(frozenset(missing), frozenset(false), count)


# ---------------------------------------------------------------------------------------------------- by module

def by_module(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], boxes: Graph, most: int = 10**6,
              flowing: Collection[tuple[str, str]] = ()) -> Faults:
    """Disturb each drawn call of a module in the running `model`; along `flowing` data flows, changed or not."""
    names = {module: name for name, module in model.named_modules() if name}
    calls = {i for node in boxes.nodes for i in (node.members or (node.id,))}
    owner = {member: node.id for node in boxes.nodes for member in (node.members or (node.id,))}
    run = _Watched(model, names, calls)
    seen, _ = run(args, kwargs, {})
    groups: dict[str, list[str]] = {}
    for call in seen:
        groups.setdefault(owner[call], []).append(call)
    groups = {box: parts for box, parts in groups.items() if box in parts}
    hold = {part: seen[part][1] for parts in groups.values() for part in parts}
    first, result = run(args, kwargs, hold)
    again, ended = run(args, kwargs, hold)
    assert same(result, ended), "not repeatable"
    given = dict(_named(model, args, kwargs))

    def effects(u: str, trial: int) -> set[str]:
        if trial > TRIALS:
            if u in groups:
                values, result_ = run(args, kwargs, {**hold, **{part: live(hold[part]) for part in groups[u]}}, True)
            else:
                a, k = _disturbed(model, args, kwargs, u, 0)
                values, result_ = run(a, k, hold, True)
            return {box for box, parts in groups.items() if box != u and any(
                part in values and flows(values[part][0]) for part in parts)} | _live_outputs(result_)
        if u in groups:
            changed = {part: noisy(hold[part], trial) for part in groups[u]}
            values, result_ = run(args, kwargs, {**hold, **changed})
        else:
            a, k = _disturbed(model, args, kwargs, u, trial)
            values, result_ = run(a, k, hold)
        hit = {box for box, parts in groups.items() if box != u and any(
            part in values and not same(values[part][0], first[part][0]) for part in parts)}
        return hit | _changed_outputs(result, result_)

    return _compared(boxes, effects, [*groups, *given], set(groups), most, flowing)


class _Watched:
    """A model whose module calls are watched, and their results replaced."""

    def __init__(self, model: nn.Module, names: Mapping[nn.Module, str], calls: Collection[str]) -> None:
        self.model, self.names, self.calls = model, names, calls

    def __call__(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], hold: Mapping[str, Any], grad: bool = False,
                 ) -> tuple[dict[str, tuple[Any, Any]], Any]:
        seen: dict[str, tuple[Any, Any]] = {}
        count: dict[str, int] = {}
        open_: list[tuple[str, Any]] = []

        def before(module: nn.Module, a: Any, k: Any) -> None:
            name = self.names[module]
            n = count.get(name, 0)
            count[name] = n + 1
            key = f"{name}@{n}" if n else name
            taken = None
            if key in self.calls and not _batched([a, k]):
                lent = [p.detach() for p in module._parameters.values() if p is not None]
                taken = mapped([list(a), dict(k), lent], torch.clone)
            open_.append((key, taken))

        def after(module: nn.Module, a: Any, out: Any) -> Any:
            key, taken = open_.pop()
            if key not in self.calls or _batched(out):
                return None
            seen[key] = (taken, copied(out))
            return mapped(hold[key], torch.clone) if key in hold else None

        handles = []
        for module in self.names:
            handles += [module.register_forward_pre_hook(before, with_kwargs=True), module.register_forward_hook(after)]
        try:
            with frozen(self.model), torch.set_grad_enabled(grad):
                torch.manual_seed(0)
                result = self.model(*mapped(args, torch.clone), **mapped(dict(kwargs), torch.clone))
        finally:
            for handle in handles:
                handle.remove()
        return seen, mapped(opened(result), torch.clone)


def _disturbed(model: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], id_: str,
               trial: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments with the tensor of one input disturbed, or live."""
    given = dict(_named(model, args, kwargs))
    wanted = given[id_]

    def change(tensor: torch.Tensor) -> torch.Tensor:
        if tensor is not wanted:
            return tensor
        return noisy(tensor, trial) if trial else live(tensor)

    return mapped(args, change), mapped(dict(kwargs), change)


def examined(model: nn.Module, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None, most: int = 10**6,
             ) -> tuple[Graph, Faults, Faults]:
    """The boxes of `model`, and what is wrong with them by module and by operation."""
    kwargs = dict(kwargs or {})
    model = model.eval()
    traced = trace(model, Inputs(copied(args), copied(kwargs)))
    boxes = drawn(traced.graph)
    last = {node.meta["archviz"]: node for node in traced.module.graph.nodes if "archviz" in node.meta}
    calls = {node.id: last[node.id] for node in boxes.nodes if node.id in last and (
        node.kind == "input" or last[node.id].op == "call_module")}
    return (boxes, by_module(model, args, kwargs, boxes, most, flowing(traced.module, calls)),
            by_operation(traced, args, kwargs, boxes, most))
