"""Use a model for a while and give it back as it was.

In: a module.  Out: while the context lasts, the same module in evaluation mode, its parameters (if asked) replaced by
ghosts; afterwards every attribute of every module is what it was, also when an exception ended it.
May import torch, ghost, model.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from archviz.trace.ghost import KNOWN, ghost_of
from archviz.trace.model import walk


@contextmanager
def borrowed(model: nn.Module, *, ghosts: bool, caches: bool = False) -> Iterator[nn.Module]:
    """`model` in evaluation mode; with `ghosts`, without its weights; unless `caches`, without a generation cache."""
    modules = [module for _, module in walk(model)]
    kept = [(module, _copy(vars(module))) for module in modules]
    configs = [] if caches else _cached_configs(modules)
    try:
        for config in configs:
            config.use_cache = False
        model.eval()
        if ghosts:
            haunt(modules)
        else:
            _own_buffers(modules)
        yield model
    finally:
        for config in configs:
            config.use_cache = True
        for module, held in kept:
            _restore(vars(module), held)


def haunt(modules: list[nn.Module]) -> None:
    """Replace parameters, and buffers too large to be a table, by ghosts; what is shared stays shared."""
    ghosts: dict[int, Any] = {}
    for module in modules:
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if not is_lazy(parameter):
                if id(parameter) not in ghosts:
                    ghosts[id(parameter)] = ghost_of(parameter)
                setattr(module, name, ghosts[id(parameter)])
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            if buffer.device.type != "meta":
                if id(buffer) not in ghosts:
                    ghosts[id(buffer)] = ghost_of(buffer) if buffer.numel() > KNOWN else buffer.clone()
                setattr(module, name, ghosts[id(buffer)])


def _own_buffers(modules: list[nn.Module]) -> None:
    """Let the model write into copies of its buffers (running statistics, counters, caches)."""
    copies: dict[int, torch.Tensor] = {}
    for module in modules:
        for name, buffer in module.named_buffers(recurse=False, remove_duplicate=False):
            if id(buffer) not in copies:
                copies[id(buffer)] = buffer.clone()
            setattr(module, name, copies[id(buffer)])


def _cached_configs(modules: list[nn.Module]) -> list[Any]:
    """The configurations that ask for a generation cache: a figure shows one pass over one input, which has none."""
    found: dict[int, Any] = {}
    for module in modules:
        config = getattr(module, "config", None)
        if getattr(config, "use_cache", False) is True:
            found[id(config)] = config
    return list(found.values())


def _copy(held: dict[str, Any]) -> dict[str, Any]:
    """A copy of a module's attributes, one level into their own lists, dicts and sets."""
    return {name: (value, type(value)(value)) if type(value) in (list, dict, set, OrderedDict) else (value, None)
            for name, value in held.items()}


def _restore(held: dict[str, Any], kept: dict[str, Any]) -> None:
    for name in [name for name in held if name not in kept]:
        del held[name]
    for name, (value, inner) in kept.items():
        held[name] = value
        if isinstance(inner, list):
            value[:] = inner
        elif inner is not None:
            value.clear()
            value.update(inner)
