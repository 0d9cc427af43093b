"""Draw a depthwise convolution and the pointwise one behind it as one box: a depthwise separable convolution.

In: a graph after fuse, before fold.  Out: each such pair, with the norms and activations that are fused into them, as
one node of op ``separable_conv1d``, ``…2d``, ``…3d``: kernel and stride of the first, width and what follows of the
second.  A frame around only one of the two is gone.  Members, parameters and FLOPs are kept.  Of its own no style has
it: list it in ``passes``.
"""
from __future__ import annotations

from dataclasses import replace
from typing import Any

from archviz.core.graph import Graph, Node
from archviz.core.regroup import merge
from archviz.passes._marks import marks_of, one_layer, stays
from archviz.style.style import Style

FIRST = ("in_channels", "kernel_size", "stride", "padding", "dilation", "receptive_field")
"""What the pair has of the depthwise one."""


def separable(graph: Graph, style: Style, **options: Any) -> Graph:
    """Draw pairs that nothing is between, that nothing leaves midway and of which nothing different was said."""
    groups = []
    for node in graph.nodes:
        if _depthwise(node) and len(leaving := graph.outgoing[node.id]) == 1:
            after = graph.by_id[leaving[0].dst]
            if _pointwise(after) and len(graph.incoming[after.id]) == 1 and _together(graph, node, after):
                groups.append((_joined(node, after), [node.id, after.id]))
    graph = merge(graph, groups) if groups else graph
    return replace(graph, modules={key: module for key, module in graph.modules.items() if key in graph.content})


def _depthwise(node: Node) -> bool:
    groups = node.attrs.get("groups", 1)
    return node.kind == "conv" and groups == node.attrs.get("in_channels") != 1


def _pointwise(node: Node) -> bool:
    sides = (node.attrs.get(key, 1) for key in ("kernel_size", "stride", "groups"))
    return node.kind == "conv" and all({*(side if isinstance(side, list) else [side])} == {1} for side in sides)


def _together(graph: Graph, node: Node, after: Node) -> bool:
    """Whether they are one layer to a reader: each run once, nothing else in a frame that only one of them is in."""
    alone = {*node.scope} ^ {*after.scope}
    return (one_layer(node, after) and node.repeat == after.repeat == 1 and not node.shared and not after.shared
            and "changed" not in (node.attrs.get("change"), after.attrs.get("change"))
            and not any(len(graph.content[key]) > 1 or stays(graph.modules[key].attrs) for key in alone))


def _joined(node: Node, after: Node) -> Node:
    first = {key: value for key, value in node.attrs.items() if key in FIRST} | dict(marks_of(node.attrs))
    return replace(node, scope=tuple(key for key in node.scope if key in after.scope), out=after.out,
                   op=f"separable_conv{len(node.out[0].shape) - 2}d", attrs={**after.attrs, **first})
