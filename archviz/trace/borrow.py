"""Use a model for a while and give it back as it was.

In: a module.  Out: while the context lasts, the same module in evaluation mode, its parameters (if asked) replaced by
ghosts; afterwards every attribute of every module is what it was, also when an exception ended it.
"""
from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import jit, nn
from torch.nn.parameter import is_lazy

from archviz.trace.fake import KNOWN, ghost_of, is_ghost
from archviz.trace.modules import walk


@contextmanager
def borrowed(model: nn.Module, *, ghosts: bool) -> Iterator[nn.Module]:
    """`model` in evaluation mode and without a generation cache; with `ghosts`, without its weights."""
    modules = [module for _, module in walk(model)]
    kept = [(module, type(module), *_copy(vars(module))) for module in modules]
    compiled = [(module, name, tensor) for module in modules if isinstance(module, jit.ScriptModule)  # not in vars()
                for name, tensor in _tensors(module)]
    configs = _cached_configs(modules)
    try:
        for config in configs:
            config.use_cache = False
        if any(module.training for module in modules):
            _evaluate(model, modules)
        _stand_ins(modules, ghosts)
        yield model
    finally:
        for config in configs:
            config.use_cache = True
        for script, name, tensor in compiled:
            setattr(script, name, tensor)
        for owner, cls, attributes, inner in kept:
            if type(owner) is not cls:
                owner.__class__ = cls  # a lazy layer changes its class when it first runs
            _restore(vars(owner), attributes, inner)


def _evaluate(model: nn.Module, modules: list[nn.Module]) -> None:
    """Evaluation mode; what `torch.export` gives has one mode, which is said to its parts alone."""
    try:
        model.eval()
    except NotImplementedError:
        for module in modules:
            module.training = False


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """No gradient for any weight, which saves a third of a pass; afterwards they ask for one as before.

    Weights made in inference mode, which no gradient can be taken through, are copied; `borrowed` puts them back.
    """
    asked: list[tuple[nn.Parameter, bool]] = []
    for _, module in walk(model):
        for name, parameter in [*module._parameters.items()]:
            if parameter is None:
                continue
            if parameter.is_inference():
                setattr(module, name, nn.Parameter(parameter.clone(), requires_grad=False))
            else:
                asked.append((parameter, parameter.requires_grad))
    try:
        for parameter, _ in asked:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, before in asked:
            parameter.requires_grad_(before)


def _stand_ins(modules: list[nn.Module], ghosts: bool) -> None:
    """Let the model run on tensors it may write to; what is shared stays shared.

    With `ghosts` parameters, and buffers too large to be a table, have no values.
    """
    made: dict[int, torch.Tensor] = {}
    for module in modules:
        for name, tensor in _tensors(module):
            if id(tensor) not in made:
                made[id(tensor)] = _stand_in(tensor, ghosts)
            if made[id(tensor)] is tensor:
                continue
            if name in module._buffers and not isinstance(module, jit.ScriptModule):
                module._buffers[name] = made[id(tensor)]    # what setattr does, in a tenth of its time
            else:
                setattr(module, name, made[id(tensor)])


def _stand_in(tensor: torch.Tensor, ghosts: bool) -> torch.Tensor:
    if is_lazy(tensor):
        return type(tensor)(requires_grad=tensor.requires_grad)
    if isinstance(tensor, nn.Parameter):
        return ghost_of(tensor) if ghosts else tensor
    return ghost_of(tensor) if ghosts and (is_ghost(tensor) or tensor.numel() > KNOWN) else tensor.clone()


def _tensors(module: nn.Module) -> list[tuple[str, torch.Tensor]]:
    """Its own parameters and buffers, by name."""
    return [(name, tensor) for kept in (module._parameters, module._buffers) for name, tensor in kept.items()
            if tensor is not None]


def _cached_configs(modules: list[nn.Module]) -> list[Any]:
    """The configurations that ask for a generation cache: a figure shows one pass over one input, which has none."""
    configs = (getattr(module, "config", None) for module in modules)
    return list({id(config): config for config in configs if getattr(config, "use_cache", False) is True}.values())


def _copy(attributes: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[Any, Any]]]:
    """A module's attributes; and its own lists, dicts and sets, each with a copy of one level, None of an empty one."""
    return dict(attributes), [(value, type(value)(value) if value else None) for value in attributes.values()
                              if type(value) in _PLAIN]


_PLAIN = frozenset({list, dict, set, OrderedDict})


def _restore(attributes: dict[str, Any], kept: dict[str, Any], inner: list[tuple[Any, Any]]) -> None:
    attributes.clear()
    attributes.update(kept)
    for value, was in inner:
        if value:
            value.clear()
        if was:
            value.extend(was) if isinstance(value, list) else value.update(was)
