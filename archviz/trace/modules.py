"""What a model holds and takes: its modules with their names, its arguments with theirs.

In: a module.  Out: names.
"""
from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Every module with its qualified name, also those that a module keeps in plain lists, tuples and dicts."""
    seen: set[int] = set()
    stack: list[tuple[str, nn.Module]] = [("", model)]
    while stack:
        path, module = stack.pop()
        if id(module) in seen:
            continue
        seen.add(id(module))
        yield path, module
        dot = f"{path}." if path else ""
        inner = [(dot + name, child) for name, child in module._modules.items() if child is not None]
        for name, value in vars(module).items():
            if name in _OWN or not isinstance(value, (list, tuple, dict)):
                continue
            items = value.items() if isinstance(value, dict) else enumerate(value)
            inner += [(f"{dot}{name}.{key}", item) for key, item in items if isinstance(item, nn.Module)]
        stack.extend(reversed(inner))


def parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Its parameters by qualified name; one that is shared has several."""
    return {f"{path}.{name}" if path else name: parameter for path, module in walk(model)
            for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False)}


_OWN = frozenset(vars(nn.Module()))
"""What every module keeps for itself: its registered children, hooks …"""


def named_arguments(model: nn.Module, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The arguments of one call under the names that `forward` gives them."""
    try:
        signature = inspect.signature(model.forward)
        bound = signature.bind(*args, **kwargs).arguments
    except (TypeError, ValueError):
        return [*((str(i), arg) for i, arg in enumerate(args)), *kwargs.items()]
    arguments: list[tuple[str, Any]] = []
    for name, value in bound.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            arguments.extend(value.items())
        else:
            arguments.append((name, value))
    return arguments
