"""Graphs for tests: a builder that reads like a forward pass, and a hypothesis strategy for hierarchical graphs.

In: nothing.  Out: `Builder`, `graphs()`.  Imports ir; hypothesis for the strategy.
"""
from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from archviz.core.graph import Edge, Graph, Module, Node, TensorSpec

KINDS = {"Conv2d": "conv", "Linear": "linear", "BatchNorm2d": "norm", "LayerNorm": "norm", "ReLU": "act",
         "MaxPool2d": "pool", "Embedding": "embedding",
         "add": "add", "mul": "mul", "cat": "cat", "matmul": "matmul", "softmax": "softmax",
         "view": "view", "dropout": "dropout", "mean": "reduce", "arange": "constant", "sin": "math", "tanh": "act",
         "sigmoid": "act", "pow": "math", "rsqrt": "math", "lt": "mask", "transpose": "view", "div": "math",
         "split": "view",
         "zeros": "constant", "scaled_dot_product_attention": "attention", "parameter": "parameter", "topk": "index",
         "input": "input", "output": "output"}


@dataclass(frozen=True)
class Style:
    """What passes need of a style."""

    fuse: tuple[str, ...] = ("conv > norm > act", "conv > act", "conv > norm", "linear > act")
    hide: tuple[str, ...] = ("dropout", "view", "cast", "index", "size", "mask", "constant", "identity")
    sizes: dict[str, float] = field(default_factory=dict)
    options: dict[str, str] = field(default_factory=dict)


STYLE = Style()


class Builder:
    """Writes a graph as one would write a forward pass: every call adds a node and gives its id."""

    def __init__(self, name: str = "Net") -> None:
        self.name = name
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.modules: dict[str, Module] = {}
        self.stack: list[str] = []
        self.counts: dict[str, int] = {}

    def unique(self, name: str) -> str:
        n = self.counts[name] = self.counts.get(name, -1) + 1
        return f"{name}@{n}" if n else name

    @contextmanager
    def module(self, path: str, cls: str = "Block", **attrs: Any):
        key = self.unique(path)
        self.modules[key] = Module(key, cls, path, tuple(self.stack), attrs=attrs)
        self.stack.append(key)
        yield key
        self.stack.pop()

    def op(self, op: str, *inputs: str, shape: tuple[int, ...] = (1, 8, 16), params: int = 0, flops: int = 0,
           dtype: str = "float32", name: str = "", kind: str = "", outs: int = 1, shared: str | None = None,
           **attrs: Any) -> str:
        key = name or self.unique(f"{self.stack[-1] if self.stack else ''}/{op}")
        out = (TensorSpec(shape, dtype),) * outs
        self.nodes.append(Node(key, tuple(self.stack), op, kind or KINDS[op], attrs, out, params, flops,
                               index=len(self.nodes), shared=shared))
        known = {node.id: node for node in self.nodes}
        for slot, src in enumerate(inputs):
            self.edges.append(Edge(src, key, known[src].out[0], slot=slot))
        return key

    def input(self, name: str = "x", shape: tuple[int, ...] = (1, 8, 16), dtype: str = "float32") -> str:
        return self.op("input", shape=shape, dtype=dtype, name=f"/in:{name}")

    def output(self, src: str, name: str = "0") -> str:
        shape = next(node for node in self.nodes if node.id == src).out[0].shape
        return self.op("output", src, name=f"/out:{name}", shape=shape)

    def graph(self) -> Graph:
        return Graph(self.name, tuple(self.nodes), tuple(self.edges), dict(self.modules))


def drawn(graph: Graph) -> list[str]:
    """The ops that are drawn, in order, without the ends of the network."""
    return [node.op for node in graph.nodes if node.kind not in ("input", "output")]


def sources(graph: Graph, op: str) -> list[str]:
    """The ops that feed the first node of this op."""
    node = next(node for node in graph.nodes if node.op == op)
    return [graph.by_id[edge.src].op for edge in graph.incoming[node.id]]


OPS = ("Conv2d", "Linear", "BatchNorm2d", "LayerNorm", "ReLU", "MaxPool2d", "add", "mul", "cat", "view", "dropout",
       "mean", "arange", "sin", "softmax", "matmul", "lt", "pow", "parameter", "tanh", "sigmoid", "transpose", "div",
       "topk", "zeros", "Embedding")
SHAPES = ((1, 8, 16), (1, 4, 8, 8), (8,), (1, 16))
JOINS = ("add", "mul", "cat", "matmul")
SOURCES = ("arange", "parameter", "zeros")


@st.composite
def graphs(draw: st.DrawFn, size: int = 30) -> Graph:
    """A random hierarchical graph: nested module calls, repeated blocks, skips, constants, weights; always acyclic."""
    build = Builder()
    values = [build.input("x"), build.input("ids", (1, 8), "int64")][:draw(st.integers(1, 2))]
    left = draw(st.integers(1, size))

    def add(op: str, shape: tuple[int, ...], picks: tuple[int, ...]) -> None:
        count = 0 if op in SOURCES else 2 if op in JOINS else 1
        chosen = [values[-1 - pick % len(values)] for pick in picks[:count]]
        heavy = op in ("Conv2d", "Linear", "BatchNorm2d", "parameter", "Embedding")
        values.append(build.op(op, *chosen, shape=shape, params=picks[2] if heavy else 0, flops=picks[3],
                               dtype="bool" if op == "lt" else "float32"))

    recipe = st.tuples(st.sampled_from(OPS), st.sampled_from(SHAPES), st.tuples(*[st.integers(0, 9)] * 4))

    def body(depth: int) -> None:
        nonlocal left
        while left > 0:
            left -= 1
            choice = draw(st.sampled_from(("op", "op", "op", "module", "block", "end")))
            if choice == "end" and depth:
                return
            if choice == "module" and depth < 4:
                with build.module(f"m{len(build.modules)}", draw(st.sampled_from(("Block", "Sequential", "Stage")))):
                    body(depth + 1)
            elif choice == "block" and depth < 4:       # the same few ops in several modules in a row
                inner = draw(st.lists(recipe, min_size=1, max_size=3))
                for _ in range(draw(st.integers(2, 4))):
                    with build.module(f"b{len(build.modules)}"):
                        for op, shape, picks in inner:
                            add(op, shape, tuple(p % 3 for p in picks))
            else:
                add(*draw(recipe))

    body(0)
    for i in range(draw(st.integers(1, 2))):
        build.output(values[-1 - i % len(values)], str(i))
    return build.graph()
