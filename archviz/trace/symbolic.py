"""The last rung: `torch.fx` symbolic tracing, for a model whose inputs nobody knows.

In: a module.  Out: a graph without shapes and FLOPs, and the `fx.GraphModule`.  A submodule that cannot be traced
becomes an opaque leaf.
"""
from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from archviz.core.graph import Edge, Graph, Module, Node, NodeId
from archviz.trace import hyperparameters, kinds
from archviz.trace.modules import walk


def symbolic(model: nn.Module, name: str) -> tuple[Graph, fx.GraphModule, tuple[str, ...]]:
    """The graph of `model` as `torch.fx` sees it, its program, and the paths that could not be looked into."""
    tracer = _Tracer(model)
    program = tracer.trace(model)
    weights = {path: {id(p): p.numel() for p in module.parameters()} for path, module in walk(model)}
    parameters = dict(model.named_parameters())
    nodes: list[Node] = []
    edges: list[Edge] = []
    counted: dict[int, NodeId] = {}
    ids: dict[fx.Node, NodeId] = {}
    for node in program.nodes:
        scope, place = tracer.where.get(node, ((), ""))
        call, op, kind, facts = _describe(node, model, place, tracer)
        ids[node] = call
        mine = weights.get(str(node.target), {}) if node.op == "call_module" else {}
        if node.op == "get_attr" and str(node.target) in parameters:
            parameter = parameters[str(node.target)]
            mine = {id(parameter): parameter.numel()}
        fresh = {key: count for key, count in mine.items() if key not in counted}
        shared = next((counted[key] for key in mine if key in counted), None)
        counted.update(dict.fromkeys(fresh, call))
        nodes.append(Node(call, scope, op, kind, facts, params=sum(fresh.values()), index=len(nodes), shared=shared))
        edges.extend(Edge(ids[source], call, slot=slot) for slot, source in enumerate(node.all_input_nodes))
    left = sum(p.numel() for p in model.parameters() if id(p) not in counted)
    if left:
        nodes.append(Node("/unused", (), "unused", "constant", {"unused": True}, params=left, index=len(nodes)))
    return Graph(name, tuple(nodes), tuple(edges), tracer.modules), fx.GraphModule(model, program), tuple(tracer.opaque)


def _describe(node: fx.Node, model: nn.Module, place: str, tracer: _Tracer) -> tuple[NodeId, str, str, dict[str, Any]]:
    """Its id, what ran, its kind and attributes."""
    target = node.target
    if node.op == "placeholder":
        return f"/in:{target}", "input", "input", {}
    if node.op == "output":
        return "/out:0", "output", "output", {}
    if node.op == "get_attr":
        path = str(target)
        parameter = path in dict(model.named_parameters())
        return tracer.numbered(path), *(("parameter",) * 2 if parameter else ("constant",) * 2), {}
    if node.op == "call_module":
        module = model.get_submodule(str(target))
        opaque = str(target) in tracer.opaque
        kind = "opaque" if opaque else kinds.kind_of(module)
        return tracer.ids[node], kinds.class_of(module).__name__, kind, hyperparameters.of_layer(module)
    op = kinds.canonical(target if isinstance(target, str) else getattr(target, "__name__", str(target)))
    facts = hyperparameters.of_function(op, node.args, node.kwargs)
    return tracer.numbered(f"{place}/{op}"), op, kinds.kind_of_function(op), facts


class _Tracer(fx.Tracer):
    """Remembers where each node was made, and turns what it cannot trace into a leaf."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self.modules: dict[NodeId, Module] = {}
        self.where: dict[fx.Node, tuple[tuple[NodeId, ...], NodeId]] = {}
        self.ids: dict[fx.Node, NodeId] = {}
        self.opaque: list[str] = []
        self.stack: list[NodeId] = []
        self.counts: Counter[str] = Counter()

    def numbered(self, name: str) -> NodeId:
        """`name`, with ``@n`` from its second use on."""
        n = self.counts[name]
        self.counts[name] += 1
        return f"{name}@{n}" if n else name

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return kinds.is_leaf(m)

    def create_node(self, *args: Any, **kwargs: Any) -> fx.Node:
        node = super().create_node(*args, **kwargs)
        self.where[node] = tuple(self.stack), self.stack[-1] if self.stack else ""
        return node

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...],
                    kwargs: dict[str, Any]) -> Any:
        path = self.path_of_module(m)
        call = self.numbered(path)
        if self.is_leaf_module(m, path):
            return self._leaf(path, call, args, kwargs)
        before = list(self.graph.nodes)
        cls = kinds.class_of(m).__name__
        self.modules[call] = Module(call, cls, path, tuple(self.stack), attrs=hyperparameters.of_container(m))
        self.stack.append(call)
        try:
            return forward(*args, **kwargs)
        except Exception:
            for node in reversed([node for node in self.graph.nodes if node not in set(before)]):
                self.graph.erase_node(node)
            for inner in [inner for inner in self.modules if inner == call or call in self.modules[inner].scope]:
                del self.modules[inner]
            self.opaque.append(path)
        finally:
            self.stack.pop()
        return self._leaf(path, call, args, kwargs)

    def _leaf(self, path: str, call: NodeId, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        proxy = self.create_proxy("call_module", path, args, kwargs)
        self.ids[proxy.node] = call
        return proxy

    def trace(self, root: Any, concrete_args: dict[str, Any] | None = None) -> fx.Graph:
        """The graph of `root`; of one opaque call, if its own forward cannot be traced."""
        with torch.no_grad():
            return super().trace(root, concrete_args)
