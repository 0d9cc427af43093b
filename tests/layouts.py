"""What tests of layouts share: sizes for any graph, and the laws that places and lines keep.

In: a graph, a layout.  Out: sizes, frames, judgements.
"""
from __future__ import annotations

from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Edge, Graph, Node
from archviz.style.style import load_style
from tests.graphs import Builder

SPACING = load_style("block").sizes


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
