"""The module calls that are under way while a model runs.

In: what the hooks of PyTorch say.  Out: `Frame`, and the keyword arguments that old releases keep from hooks.
May import torch, ir.
"""
from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Mapping
from types import FrameType
from typing import Any

from torch import nn
from torch.fx import GraphModule
from torch.nn.modules.module import register_module_forward_hook

from archviz.ir import NodeId

MODULE_FILE = nn.Module.__call__.__code__.co_filename
CALLING = frozenset({MODULE_FILE, inspect.getfile(GraphModule)})
"""Where a call of a module is under way and its forward has not begun: a `torch.fx.GraphModule` wraps its calls."""

Group = tuple[NodeId, str, str]
"""A composite function that is under way: its id, its name, its kind."""


NAMED_TOO: dict[str, Any] = (
    {"with_kwargs": True} if "with_kwargs" in inspect.signature(register_module_forward_hook).parameters else {})
"""What makes a global hook see keyword arguments; the first releases of torch 2 cannot (2.4 cannot, 2.13 can)."""


def named_arguments_above(code: FrameType | None) -> Mapping[str, Any]:
    """The keyword arguments of the module call that runs the hook called from `code`, for a torch that does not say."""
    while code is not None and code.f_code.co_filename == MODULE_FILE:
        if "kwargs" in code.f_locals:
            found: Mapping[str, Any] = code.f_locals["kwargs"]
            return found
        code = code.f_back
    return {}


class Frame:
    """A module call that is under way; `code` is the Python frame it runs in, once that was seen.

    A method other than forward that is called on another module has a frame too, which only `code` knows.
    """

    __slots__ = ("args", "code", "counts", "group", "id", "inner", "leaf", "module", "scope")

    def __init__(self, module: nn.Module, id: NodeId, scope: tuple[NodeId, ...], leaf: bool, code: FrameType | None,
                 group: Group | None, args: tuple[Any, ...]) -> None:
        self.args = args
        self.module, self.id, self.scope, self.leaf, self.code, self.group = module, id, scope, leaf, code, group
        self.inner = (*scope, id) if id else scope
        self.counts: Counter[str] = Counter()
