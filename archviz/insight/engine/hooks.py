"""What a few modules give, kept by hooks on them: where no more is asked, a model need not be watched as a whole.

In: a model, ids of its modules.  Out: `Hooks`.
"""
from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from archviz.core.graph import NodeId
from archviz.trace.kinds import composite, is_leaf
from archviz.trace.mutation import version


class Hooks:
    """While it lasts, keeps what the first call of some modules gives, and where the gradient of that arrives.

    sure      whether that is what `archviz.insight.engine.landmarks.Keeper` would have kept: not so where a module did
              not run, is a part of a composite operation, gave no bare tensor, or gave one that was written into later
    """

    def __init__(self, modules: Mapping[NodeId, nn.Module], grad: bool) -> None:
        self.modules, self.grad = modules, grad
        self.values: dict[NodeId, Tensor] = {}
        self.edges: dict[NodeId, GradientEdge] = {}
        self._odd = False
        self._versions: dict[NodeId, int] = {}

    def __enter__(self) -> Hooks:
        self._handles = [module.register_forward_hook(self._hook(name)) for name, module in self.modules.items()]
        return self

    def __exit__(self, *error: Any) -> None:
        for handle in self._handles:
            handle.remove()

    @property
    def sure(self) -> bool:
        return not self._odd and self._versions == {name: version(tensor) for name, tensor in self.values.items()}

    def _hook(self, name: NodeId) -> Any:
        def keep(module: nn.Module, args: Any, output: Any) -> None:
            if name in self.values:
                return
            same = any(output is one for one in args) and not getattr(module, "inplace", False)
            if not isinstance(output, Tensor) or same or _composed():
                self._odd = True
                return
            self.values[name], self._versions[name] = output, version(output)
            if self.grad and output.requires_grad:
                self.edges[name] = get_gradient_edge(output)
        return keep


def _composed() -> bool:
    """Whether a function that a reader takes for one operation is under way."""
    code = sys._getframe(1)
    while code.f_back is not None and composite(code.f_code.co_name) is None:
        code = code.f_back
    return code.f_back is not None


def named(modules: Mapping[NodeId, nn.Module], nodes: Collection[NodeId]) -> dict[NodeId, nn.Module] | None:
    """The modules that `nodes` name; None unless each names one that nothing hides from a reader."""
    kept = {}
    for name in nodes:
        module = modules.get(name)
        above = name.split(".")[:-1]
        inside = ["", *(".".join(above[:n + 1]) for n in range(len(above)))]
        if not name or module is None or any(outer in modules and is_leaf(modules[outer]) for outer in inside):
            return None
        kept[name] = module
    return kept
