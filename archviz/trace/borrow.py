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
from torch import jit, nn
from torch.nn.parameter import is_lazy

from archviz.trace.ghost import KNOWN, ghost_of, is_ghost
from archviz.trace.model import walk


@contextmanager
def borrowed(model: nn.Module, *, ghosts: bool) -> Iterator[nn.Module]:
    """`model` in evaluation mode and without a generation cache; with `ghosts`, without its weights."""
    modules = [module for _, module in walk(model)]
    kept = [(module, type(module), _copy(vars(module))) for module in modules]
    compiled = [(module, name, tensor) for module in modules if isinstance(module, jit.ScriptModule)  # not in vars()
                for name, tensor in _tensors(module)]
    configs = _cached_configs(modules)
    try:
        for config in configs:
            config.use_cache = False
        model.eval()
        _stand_ins(modules, ghosts)
        yield model
    finally:
        for config in configs:
            config.use_cache = True
        for script, name, tensor in compiled:
            setattr(script, name, tensor)
        for owner, cls, held in kept:
            owner.__class__ = cls  # a lazy layer changes its class when it first runs
            _restore(vars(owner), held)


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No gradient for any weight, which saves a third of a pass; afterwards they ask for one as before.

    Weights made in inference mode, which no gradient can be taken through, are copied; `borrowed` puts them back.
    """
    wanted = [p for p in model.parameters() if p.requires_grad and not p.is_inference()]
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
            if parameter.is_inference():
                setattr(module, name, nn.Parameter(parameter.clone(), requires_grad=False))
    try:
        for parameter in wanted:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)


def _stand_ins(modules: list[nn.Module], ghosts: bool) -> None:
    """Let the model run on tensors it may write to; what is shared stays shared.

    With `ghosts` parameters, and buffers too large to be a table, have no values.
    """
    made: dict[int, torch.Tensor] = {}
    for module in modules:
        for name, tensor in _tensors(module):
            if id(tensor) not in made:
                made[id(tensor)] = _stand_in(tensor, ghosts)
            if made[id(tensor)] is not tensor:
                setattr(module, name, made[id(tensor)])


def _stand_in(tensor: torch.Tensor, ghosts: bool) -> torch.Tensor:
    if is_lazy(tensor):
        return type(tensor)(requires_grad=tensor.requires_grad)
    if isinstance(tensor, nn.Parameter):
        return ghost_of(tensor) if ghosts else tensor
    return ghost_of(tensor) if ghosts and (is_ghost(tensor) or tensor.numel() > KNOWN) else tensor.clone()


def _tensors(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Its own parameters and buffers, by name."""
    return [*module.named_parameters(recurse=False, remove_duplicate=False),
            *module.named_buffers(recurse=False, remove_duplicate=False)]


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
