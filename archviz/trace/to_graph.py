"""Tape → `ir.Graph`: nodes with kinds, attributes, parameters and FLOPs, and the edges between them.

In: a `Tape`.  Out: a torch-free `Graph`.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from archviz.core.graph import REAL, Edge, Graph, Node, NodeId, TensorSpec
from archviz.trace import devices, hyperparameters
from archviz.trace.tape import Call, Ref, Tape

BOOKKEEPING = frozenset({"view", "cast", "index", "size", "mask", "constant", "identity", "dropout"})
APART = frozenset({"broadcast_tensors", "meshgrid"})
"""Functions of several tensors whose n-th result is the n-th of them in another shape."""


def graph(tape: Tape, name: str, facts: Mapping[str, Any] | None = None,
          values: Mapping[str, nn.Parameter] | None = None) -> Graph:
    """The graph of what is on `tape`; `facts` go to its `attrs`, `values` (weights by name) to its linear layers."""
    carries = _carries(tape)
    kind = [_kind(call, carries) for call in tape.calls]
    kept = _alive(tape, kind)
    read: dict[int, list[tuple[int, Ref]]] = {}
    for number in sorted(kept):
        for ref in _read(tape.calls[number], tape):
            read.setdefault(ref.call, []).append((number, ref))
    counted: dict[str, NodeId] = {}
    homes: dict[NodeId, str] = {}
    nodes: list[Node] = []
    edges: list[Edge] = []
    for numbers in _together(tape, kept):
        calls = [tape.calls[number] for number in numbers]
        call = calls[-1]
        params, shared = _parameters(calls, tape, counted)
        node_id, op, sort = call.group or (call.id, call.op, kind[numbers[-1]])
        weights = _values(calls, tape, values) if values and sort == "linear" else {}
        attrs = _attrs(calls, tape) | weights | _reused(calls, tape, counted, shared)
        node = Node(node_id, call.scope, op, sort, attrs, _out(calls, numbers, tape, read), params,
                    sum(c.flops for c in calls), index=len(nodes), shared=shared)
        nodes.append(node)
        home = devices.home(call.module) if call.module is not None else None
        homes |= {node_id: home} if home else {}
        for slot, ref in enumerate(_operands(calls, tape)):
            source = tape.calls[ref.call]
            edges.append(Edge(source.node, node_id, _spec(tape, ref), slot=slot))
    nodes.extend(_unused(tape, counted, {node.id for node in nodes}, len(nodes)))
    if len(set(homes.values())) > 1:
        nodes = [replace(n, attrs={**n.attrs, "device": homes[n.id]}) if n.id in homes else n for n in nodes]
    used = {frame for node in nodes for frame in node.scope}
    modules = {frame: module for frame, module in tape.modules.items() if frame in used}
    return Graph(name, tuple(nodes), tuple(edges), modules, dict(facts or {}))


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
            kept.update(ref.call for ref in _read(call, tape))
    return kept


def _read(call: Call, tape: Tape) -> Iterator[Ref]:
    """The tensors that `call` takes; what another one only put into shape is taken from where that got it."""
    for ref in call.operands():
        while tape.calls[ref.call].op in APART:
            ref = tape.calls[ref.call].operands()[ref.path[-1]]
        yield ref


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


def _operands(calls: list[Call], tape: Tape) -> list[Ref]:
    """The tensors a node takes: of a composite function each once, and only from outside."""
    group = calls[-1].group
    if group is None:
        return list(_read(calls[-1], tape))
    return list(dict.fromkeys(ref for c in calls for ref in _read(c, tape) if tape.calls[ref.call].group != group))


def _out(calls: list[Call], numbers: list[int], tape: Tape, read: Mapping[int, list[tuple[int, Ref]]],
         ) -> tuple[TensorSpec, ...]:
    """What a node gives: all that a single call gave; of a composite function, what others read."""
    if len(calls) > 1:
        used = dict.fromkeys(ref for number in numbers for reader, ref in read.get(number, ()) if reader > numbers[-1])
        if used:
            return tuple(spec for spec in (_spec(tape, ref) for ref in used) if spec is not None)
    return tuple(calls[-1].out.values())


@dataclass(frozen=True)
class _Carries:
    """For each call: whether its result depends on an input, and whether it is content.

    Content is what the network computes: numbers that depend on an input or a weight.  Whole numbers and truth values,
    and what is made of nothing else, are bookkeeping until they meet a weight.
    """

    input: list[bool]
    content: list[bool]


def _carries(tape: Tape) -> _Carries:
    carries = _Carries([], [])
    for call in tape.calls:
        operands = call.operands()
        carries.input.append(call.how == "input" or any(carries.input[ref.call] for ref in operands))
        if call.how == "input":
            carries.content.append(_numbers(call.out))
        elif call.how in ("parameter", "module"):
            carries.content.append(True)
        else:
            numbers = _numbers(call.out) or call.how == "output"
            carries.content.append(numbers and any(carries.content[ref.call] for ref in operands))
    return carries


def _numbers(out: Mapping[Any, TensorSpec]) -> bool:
    return any(spec.dtype.startswith(REAL) for spec in out.values())


def _kind(call: Call, carries: _Carries) -> str:
    if call.error:
        return "failed"
    if call.how in ("input", "output", "parameter", "constant"):
        return call.how
    kind = call.kind
    if call.module is not None:
        return kind
    operands = call.operands()
    live = [ref for ref in operands if carries.content[ref.call]]
    numbers = _numbers(call.out)
    if not live:
        if kind in BOOKKEEPING and operands:
            return kind
        if not any(carries.input[ref.call] for ref in operands):
            return "constant"
        return "mask" if numbers or any(spec.dtype == "bool" for spec in call.out.values()) else "index"
    if not numbers:
        return kind if kind in BOOKKEEPING else "index"
    if kind in ("add", "mul") and len(live) < 2:
        masked = any(carries.input[ref.call] for ref in operands if ref not in live)
        return "mask" if kind == "add" and masked else "math"
    return kind


def _attrs(calls: list[Call], tape: Tape) -> dict[str, Any]:
    call = calls[-1]
    if call.group:
        stand_in = Call(call.id, (), "function", call.group[1], args=tuple(_operands(calls, tape)))
        call = next((c for c in calls if c.op == stand_in.op), stand_in)
    if call.module is not None:
        attrs = hyperparameters.of_layer(call.module)
    elif call.how in ("function", "method"):
        attrs = hyperparameters.of_function(call.op, call.args, call.kwargs)
        query, weight = [*(_spec(tape, ref) for ref in call.operands()[:2]), None, None][:2]
        if weight is not None and call.op.startswith("conv") and len(weight.shape) > 2:
            first, second = ("in_channels", "out_channels")[:: 1 if "transpose" in call.op else -1]
            groups = int(attrs.get("groups", 1))
            attrs |= {first: weight.shape[0], second: weight.shape[1] * groups, "kernel_size": list(weight.shape[2:])}
        elif query is not None and call.op == "scaled_dot_product_attention" and len(query.shape) == 4:
            attrs |= {"num_heads": query.shape[1], "head_dim": query.shape[3]}
        elif weight is not None and call.op == "linear" and len(weight.shape) == 2:
            attrs |= {"out_features": weight.shape[0], "in_features": weight.shape[1]}
        elif weight is not None and call.op == "embedding":
            attrs |= {"num_embeddings": weight.shape[0], "embedding_dim": weight.shape[1]}
    else:
        attrs = dict(call.kwargs)
    if call.error:
        attrs["error"] = call.error
    return attrs


def _values(calls: list[Call], tape: Tape, known: Mapping[str, nn.Parameter]) -> dict[str, Any]:
    """The weights of a linear layer, outputs × inputs, and its biases; nothing where they have no values."""
    call = calls[-1]
    names = [*call.weights, *(name for ref in call.operands() for name in tape.calls[ref.call].weights
                              if tape.calls[ref.call].how == "parameter")]
    weights = {}
    for name in names:
        weight = known.get(name)
        if weight is not None and 1 <= weight.dim() <= 2 and (values := hyperparameters.values(weight)) is not None:
            weights["weight" if weight.dim() == 2 else "bias"] = values
    return {"weights": weights} if "weight" in weights else {}


def _parameters(calls: list[Call], tape: Tape, counted: dict[str, NodeId]) -> tuple[int, NodeId | None]:
    """The parameters that `calls` are the first to use, and who used their weights before."""
    total, shared = 0, None
    node = calls[-1].node
    for name in [name for call in calls for name in call.weights]:
        if name not in counted:
            counted[name] = node
            total += _numel(tape.parameters[name])
        elif counted[name] != node:
            shared = shared or counted[name]
    return total, shared


def _reused(calls: list[Call], tape: Tape, counted: Mapping[str, NodeId], owner: NodeId | None) -> dict[str, int]:
    """As an attribute, how many parameters `calls` share with the node `owner`, where those are not all it has."""
    if owner is None:
        return {}
    every = {name for name, node in counted.items() if node == owner}
    used = every & {name for call in calls for name in call.weights}
    return {"reused": sum(_numel(tape.parameters[name]) for name in used)} if used != every else {}


def _numel(parameter: nn.Parameter) -> int:
    return 0 if is_lazy(parameter) else parameter.numel()


def _unused(tape: Tape, counted: Mapping[str, NodeId], taken: set[NodeId], index: int) -> list[Node]:
    """A node for each module whose parameters nothing used, so that the totals are those of the model."""
    left: dict[str, int] = {}
    for name, parameter in tape.parameters.items():
        if name not in counted:
            module = name.rpartition(".")[0]
            left[module] = left.get(module, 0) + _numel(parameter)
    nodes: list[Node] = []
    for path, total in left.items():
        name = f"{path}/unused" if path in taken or path in tape.modules or not path else path
        parts = path.split(".")
        above = (".".join(parts[:n]) for n in range(len(parts), 0, -1))
        scope = next(((*tape.modules[p].scope, p) for p in above if p in tape.modules), ())
        nodes.append(Node(name, scope, "unused", "constant", {"unused": True}, params=total, index=index + len(nodes)))
    return nodes
