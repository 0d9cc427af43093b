"""The node-link form: what is inside a layer, neuron by neuron; a box for what has no such drawing.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.  May import ir, style, scene, labels, the types
of layouts, and the other forms.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping

from archviz.forms import Option, _recurrent, block
from archviz.forms._picture import Picture
from archviz.ir import Graph, Node, NodeId
from archviz.layouts import Frame, Layout, Size
from archviz.scene import Group, Link, Mark, Point, moved
from archviz.style import Style

OPTIONS: Mapping[str, Option] = {**_recurrent.OPTIONS}

PICTURES: Mapping[str, Callable[[Node, Graph, Style], Picture | None]] = {"recurrent": _recurrent.picture}
"""Kind of node → its picture; None where this one has none, and is a box."""


def variants(style: Style) -> tuple[Style, ...]:
    """The style with fewer and fewer steps of time."""
    return _recurrent.variants(style)


def pictures(graph: Graph, style: Style) -> dict[NodeId, Picture]:
    """The nodes of `graph` that are drawn from inside."""
    drawn = {node.id: PICTURES[node.kind](node, graph, style) for node in graph.nodes if node.kind in PICTURES}
    return {key: picture for key, picture in drawn.items() if picture is not None}


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Room for each node: that of its picture, or of its box."""
    found = block.sizes(graph, style)
    for key, picture in pictures(graph, style).items():
        found[key] = Size(picture.width, _height(picture), label=found[key].label)
    return found


def _height(picture: Picture) -> float:
    """The height of a place in whose middle the lines of `picture` come in, or as near as can be."""
    return 2 * max(picture.enters[1], picture.height - picture.enters[1])


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """Room for the frames, as in the block form."""
    return block.frames(graph, style)


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """The block figure, with the pictures in place of boxes."""
    drawn = pictures(graph, style)
    marks: list[Mark] = []
    for mark in block.draw(graph, layout, style):
        key = mark.node if isinstance(mark, Group) else ""
        if key in drawn and key in graph.by_id:
            marks.append(_placed(graph.by_id[key], drawn[key], layout, style, mark))
        else:
            marks.append(mark)
    return tuple(marks)


def _placed(node: Node, picture: Picture, layout: Layout, style: Style, box: Mark) -> Group:
    assert isinstance(box, Group)
    place = layout.nodes[node.id]
    x, y = place.x, place.y + place.height / 2 - picture.enters[1]
    leaves = (x + picture.leaves[0], y + picture.leaves[1])
    marks = [moved(mark, x, y) for mark in picture.marks]
    if abs(picture.leaves[1] - picture.enters[1]) > 0.01 and layout.direction == "right":
        end: Point = (x + picture.width, place.y + place.height / 2)
        marks.append(Link((leaves, end), "edge", 0.0, False))
    return Group(tuple(marks), box.role, node.id, box.title)


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """Names for what is drawn as a box."""
    drawn = pictures(graph, style)
    boxes = [node for node in graph.nodes if node.id not in drawn]
    kinds = {style.kinds[node.kind].name for node in boxes if node.kind in style.kinds}
    return [*(entry for entry in block.legend(graph, style) if entry[0] in kinds), *_recurrent.legend(graph, style)]
