"""Where a model puts its layers: the devices that its own code names, whether this machine has them or not.

In: tensors as they are moved, layers as they are once built.  Out: the names of devices.

Nothing is ever moved here: a ghost has no values to move, and what is real stays where it is.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

MARK = "_archviz_device"
HERE = frozenset(("cpu", "meta"))


def asked(name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> str | None:
    """The device that ``tensor.to(…)`` or ``tensor.cuda(…)`` asks for, unless it is the CPU."""
    operands = [*args, *kwargs.values()]
    device = next((value for value in operands if isinstance(value, (str, torch.device))), None)
    number = next((value for value in operands if type(value) is int), None)
    if name == "cuda":
        return str(device or f"cuda:{number or 0}")
    if number is not None and number is operands[0]:
        return f"cuda:{number}"     # a bare number is one of the accelerators
    device = torch.device(device or "cpu")
    return str(device) if device.type not in HERE else None


def mark(tensor: torch.Tensor, device: str) -> None:
    """Remember where a weight was to go."""
    if isinstance(tensor, nn.Parameter):
        setattr(tensor, MARK, device)


def home(layer: nn.Module) -> str | None:
    """Where the weights of `layer` are, or were to go; None for one that has none.

    One device is no place: meta, where weights without values are, of which the code may know nothing.
    """
    weights = [*layer.parameters()]
    if not weights:
        return None
    marked = next((str(getattr(weight, MARK)) for weight in weights if hasattr(weight, MARK)), None)
    return marked or ("cpu" if weights[0].device.type in HERE else str(weights[0].device))
