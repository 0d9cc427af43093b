"""Tape → `torch.fx.GraphModule`: what ran, as a program that runs again.

In: a `Tape` that did not fail.  Out: a module whose nodes carry their NodeId in ``meta["archviz"]``.  Control flow and
sizes are those of the run that was watched.
"""
from __future__ import annotations

from typing import Any, cast

import torch
from torch import fx, nn

from archviz.trace.tape import Call, Path, Ref, Tape


def program(tape: Tape, model: nn.Module) -> fx.GraphModule:
    """The calls of `tape` as a `torch.fx` program over the weights of `model`."""
    graph = fx.Graph()
    root: dict[str, Any] = {}
    made: dict[int, fx.Node] = {}
    items: dict[tuple[int, Path], fx.Node] = {}
    names: set[str] = set()

    def held(name: str, value: Any) -> str:
        """A place for `value` in the module, under a name that is a valid path and free."""
        name = ".".join("".join(c if c.isalnum() else "_" for c in part) for part in name.split(".")) or "root"
        while name in names or any((other.startswith(f"{name}.") or name.startswith(f"{other}.")) for other in names):
            name += "_"
        names.add(name)
        root[name] = value
        return name

    places: dict[int, str] = {}

    def place(name: str, value: Any) -> str:
        if id(value) not in places:
            places[id(value)] = held(name, value)
        return places[id(value)]

    def load(ref: Ref) -> fx.Node:
        number, path = ref.origin
        node = made[number]
        for n, key in enumerate(path):
            step = (number, path[: n + 1])
            if step not in items:
                items[step] = graph.call_function(_item, (node, key))
            node = items[step]
        return node

    def fill(value: Any) -> Any:
        if isinstance(value, Ref):
            return load(value)
        if isinstance(value, tuple):
            return tuple(fill(item) for item in value)
        if isinstance(value, list):
            return [fill(item) for item in value]
        if isinstance(value, dict):
            return {key: fill(item) for key, item in value.items()}
        if isinstance(value, slice):
            return slice(fill(value.start), fill(value.stop), fill(value.step))
        return value

    for number, call in enumerate(tape.calls):
        if call.how == "output":
            continue
        if call.how == "input":
            node = graph.placeholder(_identifier(call.id.removeprefix("/in:")))
        elif call.how in ("parameter", "constant"):
            node = graph.get_attr(place(call.id.replace("/", ".").replace("@", "_").strip("."), _find(model, call)))
        elif call.how == "module":
            module = place(call.target or call.op, call.module)
            node = graph.call_module(module, fill(call.args), fill(dict(call.kwargs)))
        elif call.how == "method":
            node = graph.call_method(call.target, fill(call.args), fill(dict(call.kwargs)))
        elif call.how == "attribute":
            node = graph.call_function(getattr, (fill(call.args[0]), call.target))
        else:
            node = graph.call_function(call.target, fill(call.args), fill(dict(call.kwargs)))
        node.meta["archviz"] = call.id
        made[number] = node
    graph.output(fill(tape.result))
    return fx.GraphModule(root, graph)


def _item(value: Any, key: Any) -> Any:
    return getattr(value, key) if isinstance(key, str) and not isinstance(value, dict) else value[key]


def _find(model: nn.Module, call: Call) -> torch.Tensor:
    """The tensor that `model` holds under the call's name; what was recorded may have been a stand-in for it."""
    found: Any = model
    for name in call.id.split("."):
        try:
            found = found[int(name)] if isinstance(found, (list, tuple)) else getattr(found, name)
        except (AttributeError, ValueError, IndexError):
            return cast(torch.Tensor, call.target)
    return found if isinstance(found, torch.Tensor) else cast(torch.Tensor, call.target)


def _identifier(name: str) -> str:
    name = "".join(c if c.isalnum() else "_" for c in name)
    return name if name and not name[0].isdigit() else f"input_{name}"
