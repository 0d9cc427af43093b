"""Streams that the model itself places: layers that run side by side on different devices.

In: a trace graph whose nodes say where their weights are (``attrs["device"]``).  Out: the same graph with the streams
marked, or None.  Imports ir.
"""
from __future__ import annotations

from dataclasses import replace

from archviz.ir import Graph, NodeId

JOINS = frozenset(("cat", "stack"))
"""Operations that gather streams for one reader, whatever they run on."""


def by_device(graph: Graph) -> Graph | None:
    """Mark the nodes of each stream; None where nothing runs on one device while something else runs on another.

    What has no weights is where its operands are; what reads several streams, and is no layer of one, is in none.
    """
    place: dict[NodeId, str] = {}
    above: dict[NodeId, set[NodeId]] = {}
    for node in graph.nodes:
        taken = [edge.src for edge in graph.incoming[node.id] if edge.role != "recurrent" and edge.src in above]
        above[node.id] = set(taken).union(*(above[src] for src in taken)) if taken else set()
        own = node.attrs.get("device")
        operands = {place[src] for src in taken if src in place}
        if isinstance(own, str):
            place[node.id] = own
        elif len(operands) == 1 and node.kind not in ("output", *JOINS):
            place[node.id] = operands.pop()
    layers = [node for node in graph.nodes if isinstance(node.attrs.get("device"), str)]
    beside: set[NodeId] = set()
    for i, a in enumerate(layers):
        for b in layers[i + 1:]:
            if a.attrs["device"] != b.attrs["device"] and a.id not in above[b.id]:
                beside |= {a.id, b.id}
    devices = sorted({place[key] for key in beside})
    if not devices:
        return None
    # what all streams come from and what they end in belongs to none of them
    inner = {key for key, device in place.items() if device in devices and (
        key in beside or any(first in above[key] for first in beside) and any(
            key in above[last] for last in beside))}
    for node in graph.nodes:        # what follows a layer within its stream
        operands = {edge.src for edge in graph.incoming[node.id]}
        if node.id in place and "device" not in node.attrs and operands and operands <= inner:
            inner.add(node.id)
    nodes = tuple(
        replace(node, attrs={**node.attrs, "stream": devices.index(place[node.id]), "streams": len(devices)})
        if node.id in inner else node for node in graph.nodes)
    return replace(graph, nodes=nodes)
