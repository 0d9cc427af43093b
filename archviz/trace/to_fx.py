"""Tape → `torch.fx.GraphModule`: what ran, as a program that runs again.

In: a `Tape` that did not fail.  Out: a module whose nodes carry their NodeId in ``meta["archviz"]``.  Control flow and
sizes are those of the run that was watched.
"""
from __future__ import annotations

from typing import Any, cast

import torch
from torch import fx, nn

from archviz.trace.tape import Call, Path, Ref, Tape, mapped


def program(tape: Tape, model: nn.Module) -> fx.GraphModule:
    """The calls of `tape` as a `torch.fx` program over the weights of `model`."""
    writer = _Writer(model)
    for number, call in enumerate(tape.calls):
        if call.how != "output":
            node = writer.node(call)
            node.meta["archviz"] = call.id
            writer.nodes[number] = node
    writer.graph.output(mapped(tape.result, writer.load, Ref))
    return fx.GraphModule(writer.root, writer.graph)


class _Writer:
    """A program as far as it is written.

    root     what its nodes find by name: modules, parameters, constants
    nodes    the node of each call, by its number on the tape
    items    the nodes that pick something out of what a call gave
    places   the name of each thing in `root`, by its identity
    """

    def __init__(self, model: nn.Module) -> None:
        self.model, self.graph = model, fx.Graph()
        self.root: dict[str, Any] = {}
        self.nodes: dict[int, fx.Node] = {}
        self.items: dict[tuple[int, Path], fx.Node] = {}
        self.places: dict[int, str] = {}

    def node(self, call: Call) -> fx.Node:
        match call.how:
            case "input":
                return self.graph.placeholder(_identifier(call.id.removeprefix("/in:")))
            case "parameter" | "constant":
                name = call.id.replace("/", ".").replace("@", "_").strip(".")
                return self.graph.get_attr(self.place(name, _find(self.model, call)))
            case "attribute":
                return self.graph.call_function(getattr, (mapped(call.args[0], self.load, Ref), call.target))
        target: Any = self.place(call.target or call.op, call.module) if call.how == "module" else call.target
        args, kwargs = mapped((call.args, dict(call.kwargs)), self.load, Ref)
        return self.graph.create_node(f"call_{call.how}", target, args, kwargs)

    def place(self, name: str, value: Any) -> str:
        """A place for `value` in the module, under a name that is a valid path and free."""
        if id(value) not in self.places:
            name = ".".join("".join(c if c.isalnum() else "_" for c in part) for part in name.split(".")) or "root"
            while any(one == name or one.startswith(f"{name}.") or name.startswith(f"{one}.") for one in self.root):
                name += "_"
            self.root[name] = value
            self.places[id(value)] = name
        return self.places[id(value)]

    def load(self, ref: Ref) -> fx.Node:
        """The node of what the tape refers to."""
        number, path = ref.origin
        node = self.nodes[number]
        for n, key in enumerate(path):
            step = (number, path[: n + 1])
            if step not in self.items:
                self.items[step] = self.graph.call_function(_item, (node, key))
            node = self.items[step]
        return node


def _item(value: Any, key: Any) -> Any:
    return getattr(value, key) if isinstance(key, str) and not isinstance(value, dict) else value[key]


def _find(model: nn.Module, call: Call) -> torch.Tensor:
    """The tensor that `model` holds under the call's name; what was recorded may have been a stand-in for it."""
    value: Any = model
    for name in call.id.split("."):
        try:
            value = value[int(name)] if isinstance(value, (list, tuple)) else getattr(value, name)
        except (AttributeError, ValueError, IndexError):
            return cast(torch.Tensor, call.target)
    return value if isinstance(value, torch.Tensor) else cast(torch.Tensor, call.target)


def _identifier(name: str) -> str:
    name = "".join(c if c.isalnum() else "_" for c in name)
    return name if name and not name[0].isdigit() else f"input_{name}"
