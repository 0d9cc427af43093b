"""How gradients pass rectifiers: as they do, by guided backpropagation, or by the deconvnet.

In: scores, the end of a graph that autograd recorded.  Out: while a context lasts, another rule at its ReLUs.  The
rule is switched on the recorded graph, not on the model: functions, modules, in-place and reused ones are alike to it,
and one forward pass serves all rules.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import Node
from torch.overrides import TorchFunctionMode

SMOOTH = {"Gelu": "GELU", "Silu": "SiLU", "Mish": "Mish", "Elu": "ELU", "LeakyRelu": "leaky ReLU",
          "PreluKernel": "PReLU", "RreluWithNoise": "RReLU", "Hardswish": "hard swish", "Softplus": "softplus",
          "Glu": "GLU", "Tanh": "tanh", "Sigmoid": "sigmoid"}
"""Activations that neither paper has a rule for, as autograd calls them (less ``Backward0``)."""


def _is_rectifier(node: Node) -> bool:
    """Whether negative values become zero and those right above pass: ReLU, ReLU6, and clamps that say the same."""
    name = node.name().partition("Backward")[0]
    saved: Callable[[str], Any] = lambda field: getattr(node, f"_saved_{field}", None)  # noqa: E731
    return (name == "Relu" or name == "Hardtanh" and saved("min_val") == 0
            or name in ("ClampMin", "Clamp") and saved("min") == 0 or name == "Threshold" and saved("threshold") == 0)


@dataclass(frozen=True)
class Census:
    """The activations of a recorded graph.

    rectifiers   the nodes that the rules change
    others       name → how many there are of activations without a rule
    hidden       writes into a view, which hide what was done there
    """

    rectifiers: tuple[Node, ...]
    others: dict[str, int]
    hidden: int


def census(end: Tensor) -> Census:
    """Walk the graph that ends in `end`."""
    rectifiers: list[Node] = []
    others: Counter[str] = Counter()
    hidden = 0
    seen: set[Node] = set()
    stack = [end.grad_fn]
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        stack += [before for before, _ in node.next_functions]
        name = node.name().partition("Backward")[0]
        hidden += name.endswith("CopySlices")
        if _is_rectifier(node):
            rectifiers.append(node)
        elif name in SMOOTH:
            others[SMOOTH[name]] += 1
    return Census(tuple(rectifiers), others, hidden)


@contextmanager
def rectified(end: Tensor, rule: str) -> Iterator[None]:
    """While it lasts, gradients pass the rectifiers before `end` by `rule`.

    ``plain``      ∂: what came, where the rectifier's input was positive
    ``deconvnet``  what came, where *that* is positive (Zeiler and Fergus 2014, section 2.1)
    ``guided``     what came, where both are (Springenberg et al. 2015, section 3.4)
    """
    with ExitStack() as stack:
        for node in census(end).rectifiers if rule != "plain" else ():
            hook = node.register_prehook(_positive) if rule == "guided" else node.register_hook(_unmasked)
            stack.callback(hook.remove)
        yield


class Apart(TorchFunctionMode):
    """While it lasts, a rectifier that writes into a view computes beside it and copies: autograd hides the first way
    in a single node, where no rule could reach it."""

    OUT_OF_PLACE: Mapping[str, Callable[..., Tensor]] = {
        "relu_": torch.relu, "clamp_": torch.clamp, "clamp_min_": torch.clamp_min, "hardtanh_": F.hardtanh,
        "relu": F.relu, "relu6": F.relu6, "hardtanh": F.hardtanh}

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (),
                           kwargs: Mapping[str, Any] | None = None) -> Any:
        kwargs, name = dict(kwargs or {}), getattr(func, "__name__", "")
        writes = name.endswith("_") or kwargs.get("inplace") is True or args[1:] and args[-1] is True
        if not writes or name not in self.OUT_OF_PLACE or args[0]._base is None:
            return func(*args, **kwargs)
        kwargs.pop("inplace", None)
        return args[0].copy_(self.OUT_OF_PLACE[name](*[one for one in args if one is not True], **kwargs))


def _positive(came: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(None if one is None else one.relu() for one in came)


def _unmasked(gone: tuple[Tensor, ...], came: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return (*_positive(came[:1]), *gone[1:])
