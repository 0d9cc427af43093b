"""Towers: each model a column of thin rows from top to bottom, what is equally large at equal height.

In: a graph of one model or of several, sizes, frames, spacing.  Out: `Layout`.

A band (`_bands`) begins at one height in all columns and is as high as its fullest column.  Lines from row to row are
straight; all others run beside the column, on lanes of their own where they overlap.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from archviz.core.bands import bands
from archviz.core.geometry import Frames, Layout, Place, Places, Route, Size, Sizes, Spacing
from archviz.core.graph import Graph, NodeId, skips
from archviz.drawing.layouts import Traits
from archviz.drawing.layouts._tracks import lanes

JOIN, LEAVE = 0.25, 0.5
"""Where in the gap below a row a line joins the flow, and where one leaves it."""


@dataclass
class _Model:
    """One model: where each of its nodes is, from top to bottom, as parts of a row."""

    ids: tuple[NodeId, ...]
    rows: dict[NodeId, float] = field(default_factory=dict)
    lanes: dict[tuple[NodeId, NodeId], int] = field(default_factory=dict)
    width: float = 0.0


def towers(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "down",
           limit: float = math.inf) -> Layout:
    """Lay each model out as a column.  A node that is a joint stands in the gap below the row before it.

    `spacing` says the gap between rows (``along``), between columns (``apart``), from a column to its first lane and
    from lane to lane (``lane``), and beside the words in the margin (``margin_gap``), which `Size.label` keeps room
    for, with as much room at the other side as is before them (``margin_pad``).
    """
    banded = bands(graph)
    high = max((size.height for size in sizes.values() if not size.joint), default=0.0)
    pitch = high + spacing["along"]
    columns = {key: _Model(ids) for key, ids in banded.columns.items()}
    used = [0] * len(banded.extents)
    for column in columns.values():
        for key, row in _rows(column.ids, banded.of, sizes).items():
            column.rows[key] = row
            used[banded.of[key]] = max(used[banded.of[key]], math.floor(row) + 1)
    starts = [sum(used[:band]) for band in range(len(used))]
    passing = skips(graph)
    for column in columns.values():
        for node in column.ids:
            column.rows[node] += starts[banded.of[node]]
        column.width = max((sizes[node].width for node in column.ids), default=0.0)
        column.lanes = _lanes(graph, column.ids)
    top = max((frame.bar for frame in frames.values()), default=0.0)
    margin = max((size.label[0] for size in sizes.values()), default=0.0)
    x = margin + spacing["margin_gap"] if margin else 0.0
    places, routes, heads = dict[NodeId, Place](), list[Route](), dict[NodeId, tuple[float, float]]()
    for key, column in columns.items():
        side = spacing["lane"] * (max(column.lanes.values(), default=-1) + 1)
        head = frames[key].title if key in frames else 0.0
        before = max((head - column.width) / 2, 0.0)    # a title stands over the middle of the boxes
        middle = x + before + column.width / 2
        for node in column.ids:
            places[node] = _place(sizes[node], middle, top, column.rows[node], high, pitch, spacing)
        if key in frames:
            heads[key] = (middle - head / 2, top - frames[key].bar + frames[key].skirt)
        routes += _routes(graph, column, places, sizes, middle, spacing, passing)
        x = middle + max(column.width / 2 + side, head / 2) + spacing["apart"]
    bottom = max((place.bottom for place in places.values()), default=0.0)
    strays = _strays(graph, banded.columns.values())
    width = max(x - spacing["apart"] + (spacing["margin_pad"] if margin else 0.0), 0.0)
    return Layout(places, {}, tuple(routes), width, bottom, heads, "down",
                  ((0, strays),) if strays else ())


def _rows(ids: Sequence[NodeId], of: Mapping[NodeId, int], sizes: Sizes) -> dict[NodeId, float]:
    """For each node its row in its band; a joint has the row before and a half, but a row of its own where it is the
    first of a band or follows another joint."""
    rows: dict[NodeId, float] = {}
    last: float | None = None
    for before, key in zip((None, *ids), ids, strict=False):
        if sizes[key].abuts:
            rows[key] = math.floor(last or 0.0)
            continue
        if before is None or of[before] != of[key]:
            last = None
        if sizes[key].joint and last is not None and last == math.floor(last):
            rows[key] = last + 0.5
        else:
            rows[key] = 0.0 if last is None else math.floor(last) + 1.0
            rows[key] += 0.5 if sizes[key].joint else 0.0
        last = rows[key]
    return rows


def _place(size: Size, middle: float, top: float, row: float, high: float, pitch: float, spacing: Spacing) -> Place:
    y = top + math.floor(row) * pitch
    if size.abuts:
        y += high
    elif size.joint:      # in the gap
        y = y + high + JOIN * spacing["along"] - size.height / 2
    else:
        y += (high - size.height) / 2
    return Place(middle - size.width / 2, y, size.width, size.height)


def aligns(graph: Graph) -> bool:
    """Whether each model of `graph` is a chain with ways around parts of it, of which columns of rows say all."""
    return not _strays(graph, bands(graph).columns.values())


TRAITS = Traits(wraps=False, aligns=aligns)


def _strays(graph: Graph, columns: Iterable[Sequence[NodeId]]) -> int:
    """How many lines beside the columns pass nothing by: they are branches."""
    passing = skips(graph)
    return sum(ends not in passing for ids in columns for ends, _ in _beside(graph, ids))


def _beside(graph: Graph, ids: Sequence[NodeId]) -> list[tuple[tuple[NodeId, NodeId], tuple[int, int]]]:
    """The edges that do not lead to the next row, and between which places of the column they run."""
    at = {key: i for i, key in enumerate(ids)}
    return [((edge.src, edge.dst), (at[edge.src], at[edge.dst])) for key in ids for edge in graph.outflow[key]
            if at[edge.dst] != at[key] + 1]


def _lanes(graph: Graph, ids: Sequence[NodeId]) -> dict[tuple[NodeId, NodeId], int]:
    """A lane for each line beside a column, short ones near to it; two that overlap have different ones."""
    lines = sorted(_beside(graph, ids), key=lambda line: (line[1][1] - line[1][0], line[1][0]))
    on = lanes([span for _, span in lines])
    return {ends: lane for (ends, _), lane in zip(lines, on, strict=True)}


def _routes(graph: Graph, column: _Model, places: Places, sizes: Sizes, middle: float, spacing: Spacing,
            passing: set[tuple[NodeId, NodeId]]) -> list[Route]:
    """The lines of one column: from row to row, and beside it from the gap below one row to the gap above another."""
    routes = []
    edge_of = middle + column.width / 2
    for edge in (edge for key in column.ids for edge in graph.outflow[key] if sizes[edge.dst].abuts != edge.src):
        start, dst = places[edge.src].bottom, places[edge.dst]
        lane = column.lanes.get((edge.src, edge.dst))
        if lane is None:
            routes.append(Route(edge.src, edge.dst, ((middle, start), (middle, dst.y))))
            continue
        # just above the next row, however far down that is
        after = next((one for one in column.ids[column.ids.index(edge.src) + 1:] if not sizes[one].abuts), edge.dst)
        leave = (start + places[after].y) / 2 if sizes[after].joint else (
            places[after].y - (1 - LEAVE) * spacing["along"])
        x, end = edge_of + spacing["lane"] * (lane + 1), dst.cy
        points = ((middle, start), (middle, leave), (edge_of, leave), (x, leave), (x, end), (edge_of, end),
                  (middle + dst.width / 2, end))
        routes.append(Route(edge.src, edge.dst, points, (edge.src, edge.dst) in passing))
    return routes
