"""What tests of layouts share: sizes for any graph, and the laws that places and lines keep.

In: a graph, a layout.  Out: sizes, frames, judgements.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Edge, Graph, Node
from archviz.style.style import load_style
from tests.graphs import Builder

SPACING = load_style("block").sizes
ROOM = {"along": 10.0, "across": 8.0, "beside": 6.0, "lane": 5.0, "track": 4.0, "turn": 4.0, "pad": 6.0, "gutter": 8.0,
        "arrow": 3.0, "label_gap": 2.0, "title_gap": 4.0, "fork": 11.0, "column": 24.0, "row": 7.0, "drop": 16.0,
        "tuck": 0.0, "glyph": 9.0}
"""Round numbers, each another one where a test is to tell them apart."""


def sized(graph: Graph) -> dict[str, Size]:
    """Boxes of several widths and heights, glyphs for joins."""
    return {
        node.id: Size(9, 9, joint=True)
        if node.kind in ("add", "mul") and len(graph.incoming[node.id]) < 4
        else Size(
            30 + 7 * (node.index % 5), 11 + 4 * (node.index % 3), label=(24, 6) if node.index % 4 == 0 else (0, 0)
        )
        for node in graph.nodes
    }


def framed(graph: Graph) -> dict[str, Frame]:
    return {key: Frame(10 + 3 * (len(key) % 9), 8 if len(key) % 2 else 0, 9) for key in graph.modules}


def apart(a: Place, b: Place) -> bool:
    return (
        a.x + a.width <= b.x + 0.01
        or b.x + b.width <= a.x + 0.01
        or a.y + a.height <= b.y + 0.01
        or b.y + b.height <= a.y + 0.01
    )


def holds(outer: Place, inner: Place) -> bool:
    return (
        outer.x <= inner.x + 0.01
        and inner.x + inner.width <= outer.x + outer.width + 0.01
        and outer.y <= inner.y + 0.01
        and inner.y + inner.height <= outer.y + outer.height + 0.01
    )


def on_border(place: Place, point: tuple[float, float]) -> bool:
    x, y = point
    across = (
        min(abs(x - place.x), abs(x - place.x - place.width)) < 0.02
        and place.y - 0.02 <= y <= place.y + place.height + 0.02
    )
    along = (
        min(abs(y - place.y), abs(y - place.y - place.height)) < 0.02
        and place.x - 0.02 <= x <= place.x + place.width + 0.02
    )
    return across or along


def through(place: Place, a: tuple[float, float], b: tuple[float, float]) -> bool:
    """Does the stroke from a to b run through the inside of `place`?"""
    margin = 0.05
    return (
        min(a[0], b[0]) < place.x + place.width - margin
        and max(a[0], b[0]) > place.x + margin
        and min(a[1], b[1]) < place.y + place.height - margin
        and max(a[1], b[1]) > place.y + margin
    )


def check(graph: Graph, layout: Layout) -> None:
    assert set(layout.nodes) == {node.id for node in graph.nodes}
    places = list(layout.nodes.items())
    for i, (a, pa) in enumerate(places):
        assert 0 <= pa.x + 0.01 and pa.x + pa.width <= layout.width + 0.01, a
        assert 0 <= pa.y + 0.01 and pa.y + pa.height <= layout.height + 0.01, a
        for b, pb in places[i + 1 :]:
            assert apart(pa, pb), (a, b)
    for node in graph.nodes:
        for scope in node.scope:
            assert holds(layout.frames[scope], layout.nodes[node.id]), (scope, node.id)
        for key, frame in layout.frames.items():
            assert key in node.scope or apart(frame, layout.nodes[node.id]), (key, node.id)
    flows = {(edge.src, edge.dst) for edge in graph.edges if edge.role != "recurrent"}
    assert {(route.src, route.dst) for route in layout.routes} == flows
    for route in layout.routes:
        assert on_border(layout.nodes[route.src], route.points[0]), route
        assert on_border(layout.nodes[route.dst], route.points[-1]), route
        for a, b in zip(route.points, route.points[1:], strict=False):
            assert min(abs(a[0] - b[0]), abs(a[1] - b[1])) < 0.06, route
            for key, place in places:
                assert not through(place, a, b), (route, key)


def chain(length: int) -> Graph:
    nodes = tuple(Node(f"n{i}", (), "x", "conv", index=i) for i in range(length))
    return Graph("chain", nodes, tuple(Edge(f"n{i}", f"n{i + 1}") for i in range(length - 1)))


def residual() -> Graph:
    build = Builder()
    x = build.input()
    with build.module("block"):
        y = build.op("Conv2d", x)
        y = build.op("Conv2d", y)
        y = build.op("add", y, x)
    build.output(y)
    return build.graph()


def wired(*ways: str) -> Graph:
    """Nodes of one letter or word each, an edge from each to the next of its way: ``wired("a b c", "a c")`` is a chain
    of three with a skip.  They are in the order in which they are named, but each after what it reads."""
    steps = list(dict.fromkeys(step for way in ways for step in pairwise(way.split())))
    left, order = list(dict.fromkeys(key for way in ways for key in way.split())), list[str]()
    while left:
        order.append(next(key for key in left if not any(b == key and a in left for a, b in steps)))
        left.remove(order[-1])
    slots = {step: [one for one in steps if one[1] == step[1]].index(step) for step in steps}
    return Graph("wired", tuple(Node(key, op=key, index=i) for i, key in enumerate(order)),
                 tuple(Edge(a, b, slot=slots[a, b]) for a, b in steps))


def placed(layout: Layout) -> dict[str, tuple[float, float]]:
    """The corners of all nodes, to the hundredth of a point."""
    return {key: (round(p.x, 2), round(p.y, 2)) for key, p in layout.nodes.items()}


def reordered(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """The same entries, the last first."""
    return dict(reversed(mapping.items()))


def flat(graph: Graph) -> Graph:
    """It without its modules."""
    return replace(graph, nodes=tuple(replace(node, scope=()) for node in graph.nodes), modules={})


@st.composite
def stacks(draw: st.DrawFn, longest: int = 8, sources: bool = True) -> Graph:
    """A chain in which some nodes are sums that a skip enters and, with `sources`, some have a source of their own."""
    length = draw(st.integers(3, longest))
    skips = {to: draw(st.integers(0, to - 2)) for to in range(2, length) if draw(st.booleans())}
    fed = {to for to in range(1, length) if sources and to not in skips and draw(st.integers(0, 3)) == 0}
    build = Builder("Stack")
    main = list[str]()
    for i in range(length):
        inputs = main[-1:] + ([main[skips[i]]] if i in skips else [])
        if i in fed:
            inputs.append(build.op("parameter", name=f"w{i}"))
        main.append(build.op("add" if i in skips else "Linear", *inputs, name=f"n{i}"))
    return build.graph()
