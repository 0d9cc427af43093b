"""Streams that the model itself places: layers that run side by side on different devices.

In: a trace graph whose layers say where their weights are (``attrs["device"]``).  Out: the same network with the
streams marked, or None.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from archviz.core.graph import Graph, NodeId
from archviz.core.regroup import merge

JOINS = frozenset(("cat", "stack"))
"""Operations that gather the streams for a reader."""


def by_device(graph: Graph) -> Graph | None:
    """Mark the nodes of each stream; None where no layer of one device runs beside one of another.

    What has no weights is in the stream that its operands are in.  What all streams come from or end in is in none, and
    a layer that reads several streams put together takes what gathers them for it.
    """
    at = {node.id: str(node.attrs["device"]) for node in graph.nodes if "device" in node.attrs}
    if len(set(at.values())) < 2:
        return None
    beside = _beside(graph, at)
    if not beside:
        return None
    devices = sorted({at[key] for key in beside})
    stream = {key: devices.index(at[key]) for key in beside}
    for node in graph.nodes:
        rows = {stream.get(edge.src) for edge in graph.inflow[node.id]}
        if node.id not in at and node.kind != "output" and len(rows) == 1 and (row := rows.pop()) is not None:
            stream[node.id] = row
    marked = (replace(node, attrs={**node.attrs, "stream": stream[node.id], "streams": len(devices)})
              if node.id in stream else node for node in graph.nodes)
    return _gathered(replace(graph, nodes=tuple(marked)))


def _beside(graph: Graph, at: Mapping[NodeId, str]) -> set[NodeId]:
    """The layers that run beside one of another device: neither of the two leads to the other."""
    above = {key: graph.ancestors([key]) for key in at}
    layers = list(at)
    return {key for i, a in enumerate(layers) for b in layers[i + 1:] if at[a] != at[b] and a not in above[b]
            for key in (a, b)}


def _gathered(graph: Graph) -> Graph:
    """What gathers streams for a single reader is a part of it."""
    groups = []
    for node in graph.nodes:
        joins = [edge.src for edge in graph.incoming[node.id] if graph.by_id[edge.src].op in JOINS
                 and "stream" not in graph.by_id[edge.src].attrs and len(graph.outgoing[edge.src]) == 1
                 and any("stream" in graph.by_id[into.src].attrs for into in graph.incoming[edge.src])]
        if joins and node.kind != "output":
            groups.append((node, [*joins, node.id]))
    return merge(graph, groups)
