"""Tape → `ir.Graph`: nodes with kinds, attributes, parameters and FLOPs, and the edges between them.

In: a `Tape`.  Out: a torch-free `Graph`.  May import torch's types, ir, tape, kinds, attrs.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn
from torch.nn.parameter import UninitializedTensorMixin

from archviz.ir import Edge, Graph, Node, NodeId, TensorSpec
from archviz.trace import attrs, kinds
from archviz.trace.tape import Call, Ref, Tape

BOOKKEEPING = frozenset({"view", "cast", "index", "size", "mask", "constant", "identity", "dropout"})


def graph(tape: Tape, name: str, facts: Mapping[str, Any] | None = None) -> Graph:
    """The graph of what is on `tape`; `facts` go to its `attrs`."""
    content = _content(tape)
    kind = [_kind(call, tape, content) for call in tape.calls]
    kept = _alive(tape, kind)
    read: dict[int, list[tuple[int, Ref]]] = {}
    for number in sorted(kept):
        for ref in tape.calls[number].operands():
            read.setdefault(ref.call, []).append((number, ref))
    counted: dict[str, NodeId] = {}
    nodes: list[Node] = []
    edges: list[Edge] = []
    for numbers in _together(tape, kept):
        calls = [tape.calls[number] for number in numbers]
        call = calls[-1]
        params, shared = _parameters(calls, tape, counted)
        node_id, op, sort = call.group or (call.id, call.op, kind[numbers[-1]])
        node = Node(node_id, call.scope, op, sort, _attrs(calls, tape), _out(calls, numbers, tape, read), params,
                    sum(c.flops for c in calls), index=len(nodes), shared=shared)
        nodes.append(node)
        outside = [ref for c in calls for ref in c.operands() if tape.calls[ref.call].group != call.group or not call.group]
        for slot, ref in enumerate(dict.fromkeys(outside) if call.group else outside):
            source = tape.calls[ref.call]
            edges.append(Edge(source.group[0] if source.group else source.id, node_id, _spec(tape, ref), slot=slot))
    nodes.extend(_unused(tape, counted, {node.id for node in nodes}, len(nodes)))
    used = {id for node in nodes for id in node.scope}
    return Graph(name, tuple(nodes), tuple(edges), {id: m for id, m in tape.modules.items() if id in used}, dict(facts or {}))


def _alive(tape: Tape, kind: Sequence[str]) -> set[int]:
    """The calls a figure can show: all but bookkeeping whose result no operation reads (only the code did)."""
    if tape.calls and tape.calls[-1].error:
        return set(range(len(tape.calls)))
    kept: set[int] = set()
    for number in range(len(tape.calls) - 1, -1, -1):
        call = tape.calls[number]
        needed = call.how in ("input", "output", "parameter", "module") or call.flops or call.wrote
        if number in kept or needed or kind[number] not in BOOKKEEPING:
            kept.add(number)
            kept.update(ref.call for ref in call.operands())
    return kept


def _together(tape: Tape, kept: set[int]) -> Iterator[list[int]]:
    """The calls that are one node: the calls of one composite function, where the last of them was; each other call."""
    open: list[int] = []
    for number, call in enumerate(tape.calls):
        if number not in kept:
            continue
        if open and call.how not in ("parameter", "constant") and call.group != tape.calls[open[-1]].group:
            yield open
            open = []
        if call.group:
            open.append(number)
        else:
            yield [number]
    if open:
        yield open


def _spec(tape: Tape, ref: Ref) -> TensorSpec | None:
    number, path = ref.origin
    return tape.calls[number].out.get(path)


def _out(calls: list[Call], numbers: list[int], tape: Tape, read: Mapping[int, list[tuple[int, Ref]]]) -> tuple[TensorSpec, ...]:
    """What a node gives: all that a single call gave; of a composite function, what others read."""
    if len(calls) > 1:
        used = sorted({(number, ref) for number in numbers for reader, ref in read.get(number, ()) if reader > numbers[-1]},
                      key=lambda pair: pair[0])
        if used:
            return tuple(_spec(tape, ref) for _, ref in used)
    return tuple(calls[-1].out.values())


def _content(tape: Tape) -> list[bool]:
    """For each call, whether it carries what the network computes: numbers that depend on its inputs or its weights.

    Whole numbers and truth values, and what is made of nothing else, are bookkeeping until they meet a weight.
    """
    found: list[bool] = []
    for call in tape.calls:
        if call.how == "input":
            found.append(_numbers(call.out))
        elif call.how in ("parameter", "module"):
            found.append(True)
        elif call.how == "constant" or not call.operands():
            found.append(False)
        else:
            found.append(any(found[ref.call] for ref in call.operands()) and (_numbers(call.out) or call.how == "output"))
    return found


def _numbers(out: Mapping[Any, TensorSpec]) -> bool:
    return any(spec.dtype.startswith(("float", "bfloat", "complex")) for spec in out.values())


def _kind(call: Call, tape: Tape, content: list[bool]) -> str:
    if call.error:
        return "failed"
    if call.how in ("input", "output", "parameter", "constant"):
        return call.how
    if call.module is not None:
        return kinds.kind_of(call.module)
    kind = kinds.kind_of_function(call.op)
    operands = call.operands()
    live = [ref for ref in operands if content[ref.call]]
    if not operands:
        return "constant"
    if not live:
        specs = list(call.out.values())
        if kind in BOOKKEEPING:
            return kind
        if any(spec.dtype == "bool" for spec in specs):
            return "mask"
        if all(tape.calls[ref.call].how == "constant" or not _from_input(tape, ref, {}) for ref in operands):
            return "constant"
        return "mask" if _numbers(call.out) else "index"
    if not _numbers(call.out):
        return kind if kind in BOOKKEEPING else "index"
    if kind in ("add", "mul") and len(live) < 2:
        return "mask" if kind == "add" and any(_from_input(tape, ref, {}) for ref in operands if ref not in live) else "math"
    return kind


def _from_input(tape: Tape, ref: Ref, memo: dict[int, bool]) -> bool:
    """Whether what `ref` names depends on an input of the model."""
    if ref.call not in memo:
        call = tape.calls[ref.call]
        memo[ref.call] = call.how == "input" or any(_from_input(tape, source, memo) for source in call.operands())
    return memo[ref.call]


def _attrs(calls: list[Call], tape: Tape) -> dict[str, Any]:
    call = calls[-1]
    if call.group:
        call = next((c for c in calls if c.op == call.group[1]), Call(call.id, (), "function", call.group[1], args=tuple(
            ref for c in calls for ref in c.operands() if tape.calls[ref.call].group != call.group)))
    if call.module is not None:
        found = attrs.of_layer(call.module)
    elif call.how in ("function", "method"):
        found = attrs.of_function(call.op, call.args, call.kwargs)
        weight = next((tape.calls[r.call].out.get(r.path) for r in call.operands()[1:2]), None)
        if weight is not None and call.op.startswith("conv") and len(weight.shape) > 2:
            first, second = ("in_channels", "out_channels") if "transpose" in call.op else ("out_channels", "in_channels")
            groups = int(found.get("groups", 1))
            found |= {first: weight.shape[0], second: weight.shape[1] * groups, "kernel_size": list(weight.shape[2:])}
        elif weight is not None and call.op == "scaled_dot_product_attention" and len(weight.shape) == 4:
            found |= {"num_heads": weight.shape[1], "head_dim": weight.shape[3]}
        elif weight is not None and call.op == "linear" and len(weight.shape) == 2:
            found |= {"out_features": weight.shape[0], "in_features": weight.shape[1]}
        elif weight is not None and call.op == "embedding":
            found |= {"num_embeddings": weight.shape[0], "embedding_dim": weight.shape[1]}
    else:
        found = {}
    if call.error:
        found["error"] = call.error
    return found


def _parameters(calls: list[Call], tape: Tape, counted: dict[str, NodeId]) -> tuple[int, NodeId | None]:
    """The parameters that `calls` are the first to use, and who used their weights before."""
    total, shared = 0, None
    node = calls[-1].group[0] if calls[-1].group else calls[-1].id
    for name in [name for call in calls for name in call.weights]:
        if name not in counted:
            counted[name] = node
            total += _numel(tape.parameters[name])
        elif counted[name] != node:
            shared = shared or counted[name]
    return total, shared


def _numel(parameter: nn.Parameter) -> int:
    return 0 if isinstance(parameter, UninitializedTensorMixin) else parameter.numel()


def _unused(tape: Tape, counted: Mapping[str, NodeId], taken: set[NodeId], index: int) -> list[Node]:
    """A node for each module whose parameters nothing used, so that the totals are those of the model."""
    left: dict[str, int] = {}
    for name, parameter in tape.parameters.items():
        if name not in counted:
            module = name.rpartition(".")[0]
            left[module] = left.get(module, 0) + _numel(parameter)
    nodes = []
    for path, total in left.items():
        name = f"{path}/unused" if path in taken or path in tape.modules or not path else path
        scope = next(((*tape.modules[p].scope, p) for p in _ancestors(path) if p in tape.modules), ())
        nodes.append(Node(name, scope, "unused", "constant", {"unused": True}, params=total, index=index + len(nodes)))
    return nodes


def _ancestors(path: str) -> list[str]:
    parts = path.split(".")
    return [".".join(parts[:n]) for n in range(len(parts), 0, -1)]
