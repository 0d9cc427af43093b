"""The serpentine: rows that run to and fro; what is no chain is layered."""
from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.graph import Graph, is_chain
from archviz.drawing.layouts.layered import layered
from archviz.drawing.layouts.serpentine import serpentine
from tests.graphs import Builder, graphs
from tests.layouts import SPACING, check, framed, sized

WAYS = ("down", "right", "up")


@st.composite
def chains(draw: st.DrawFn) -> Graph:
    """Layers one after the other, in modules within modules."""
    build = Builder()
    value = build.input("x")

    def layers(depth: int) -> None:
        nonlocal value
        for number in range(draw(st.integers(1, 4))):
            if depth and draw(st.booleans()):
                with build.module(f"{build.stack[-1] if build.stack else 'm'}.{number}"):
                    layers(depth - 1)
            else:
                value = build.op(draw(st.sampled_from(("Conv2d", "ReLU", "MaxPool2d"))), value)

    for _ in range(draw(st.integers(1, 4))):
        layers(2)
    build.output(value)
    return build.graph()


@settings(max_examples=40)
@given(chains(), st.sampled_from(WAYS), st.sampled_from((math.inf, 400.0, 150.0)))
def test_a_serpentine_runs_to_and_fro_and_leads_no_line_back(graph: Graph, way: str, limit: float) -> None:
    layout = serpentine(graph, sized(graph), framed(graph), SPACING, way, limit)
    kept = replace(graph, nodes=tuple(
        replace(node, scope=tuple(key for key in node.scope if key in layout.frames)) for node in graph.nodes))
    check(kept, layout)
    for route in layout.routes:
        (ax, ay), (bx, by) = route.points[0], route.points[-1]
        ahead = {"right": bx > ax, "left": bx < ax, "down": by > ay, "rising": by < ay, "up": by < ay}
        if layout.way(route.src) == layout.way(route.dst):
            assert len(route.points) == 2 and ahead[layout.way(route.dst)], route
        else:
            assert len(route.points) == 4, route


@settings(max_examples=20)
@given(graphs())
def test_what_is_no_chain_is_no_serpentine(graph: Graph) -> None:
    if not is_chain(graph):
        assert serpentine(graph, sized(graph), framed(graph), SPACING, "down", 150.0) == layered(
            graph, sized(graph), framed(graph), SPACING, "down", 150.0)
