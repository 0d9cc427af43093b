"""One level laid out as a single run: coordinates across the flow, then heights along it, then the lines.

In: the items of one frame, the nets among them, spacing.  Out: `Field`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archviz.core.geometry import Point
from archviz.drawing.layouts._coordinates import in_port, out_port, place, span, straighten
from archviz.drawing.layouts._level import IN, OUT, Item, Net, build
from archviz.drawing.layouts._tracks import pack

Points = tuple[Point, ...]

FORBIDDEN = 1000  # lines: what no cut may have to pay


@dataclass(slots=True)
class Field:
    """One level laid out, without border: where its items stand, and how its nets run.

    at      item → its corner; `ins` and `outs`: source → where its net crosses the upper and the lower border
    hops    (source, target) → the corners of the line
    wide    bar → its length
    breaks  (layer, where it ends along v); `layer` and `loose` as in `Layered`, for those who cut the run in pieces
    """

    width: float
    height: float
    at: dict[str, tuple[float, float]]
    ins: dict[str, float]
    outs: dict[str, float]
    hops: dict[tuple[str, str], Points]
    breaks: list[tuple[int, float]] = field(default_factory=list)  # layer → where it ends along v
    layer: dict[str, int] = field(default_factory=dict)
    loose: set[str] = field(default_factory=set)
    wide: dict[str, float] = field(default_factory=dict)


def solve(items: dict[str, Item], nets: list[Net], spacing: Mapping[str, float]) -> Field:
    """One level as a single run: coordinates across, then heights along, then the lines."""
    items = {key: replace(item) if item.spans else item for key, item in items.items()}     # bars grow, for this run
    layered_ = build(items, nets, spacing)
    width = place(layered_, spacing)
    wide = span(layered_)
    if wide:
        width = place(layered_, spacing, evenly=True)
        straighten(layered_)
    layers, count = layered_.layers, len(layered_.layers)
    tops, heights, tracks = [0.0] * count, [0.0] * count, [dict[str, float]() for _ in range(count)]
    v = 0.0
    for k in range(count):
        tops[k] = v
        heights[k] = max((e.item.height for e in layers[k] if e.item), default=0.0)
        v += heights[k]
        if k == count - 1:
            break
        spans: dict[str, tuple[float, list[float]]] = {}
        for wire in layered_.wires:
            if wire.upper.layer == k and wire.lower.layer == k + 1:
                spans.setdefault(wire.net, (wire.upper.u + out_port(wire), []))[1].append(wire.lower.u + in_port(wire))
        rows, depth = pack([(top, tuple(bottoms)) for top, bottoms in spans.values()])
        label = max((e.item.label[1] for e in layers[k + 1] if e.item), default=0.0)
        if (k == 0 and not layers[0]) or (k == count - 2 and not layers[-1]):
            continue
        border = k == 0 or k == count - 2
        lead = spacing["turn"] if depth else 0.0
        for source, row in zip(spans, rows, strict=True):
            if row is not None:
                tracks[k][source] = v + lead + row * spacing["track"]
        v += lead + (depth - 1) * spacing["track"] if depth else 0.0
        v += max(spacing["along"] * (0.45 if border and not depth else 1.0), label + 1.5 if label else 0.0)
        if k == count - 2 and not depth:
            v -= spacing["along"] * 0.45
    at: dict[str, tuple[float, float]] = {}
    for key, element in layered_.elements.items():
        slack = heights[element.layer] - items[key].height
        share = 1.0 if key in layered_.loose else 0.5 if slack < 24 else 0.0
        at[key] = (element.u, tops[element.layer] + slack * share)
    hops: dict[tuple[str, str], Points] = {}
    for net in nets:
        first = 0 if net.start == IN else layered_.elements[net.start].layer
        if net.start == IN:
            u = layered_.chains[net.source, 0].u
            line: list[Point] = [(u, 0.0)]
        else:
            item = items[net.start]
            u = at[net.start][0] + item.outs.get(net.source, item.width / 2)
            line = [(u, at[net.start][1] + item.height)]
        lines = {first: line}
        reach = first
        while (net.source, reach + 1) in layered_.chains:
            lines[reach + 1] = _hop(
                lines[reach], layered_.chains[net.source, reach + 1].u, tracks[reach].get(net.source)
            )
            reach += 1
        for target in net.targets:
            if target == OUT:
                u = layered_.chains[net.source, count - 1].u
                hops[net.source, OUT] = (*lines[count - 1], (u, v))
                continue
            element = layered_.elements[target]
            u, top = at[target]
            bend = layered_.sides.get((net.source, target))
            if bend is not None:
                middle = top + items[target].height / 2
                edge = u if bend.u < u else u + items[target].width
                hops[net.source, target] = (*lines[element.layer], (bend.u, middle), (edge, middle))
            else:
                u += items[target].ins.get(net.source, items[target].width / 2)
                hops[net.source, target] = (
                    *_hop(lines[element.layer - 1], u, tracks[element.layer - 1].get(net.source)),
                    (u, top),
                )
    ins = {e.net: e.u for e in layers[0]}
    outs = {e.net: e.u for e in layers[-1]}
    breaks = [(k - 1, tops[k] + heights[k]) for k in range(1, count - 1)]
    if breaks:
        breaks[-1] = (breaks[-1][0], v)
    return Field(
        width,
        v,
        at,
        ins,
        outs,
        hops,
        breaks,
        {key: e.layer - 1 for key, e in layered_.elements.items()},
        layered_.loose,
        wide,
    )


def _hop(line: list[Point], u: float, track: float | None) -> list[Point]:
    """The line so far, turned at `track` to go on at `u`."""
    if track is None or abs(line[-1][0] - u) <= 0.05:
        return line
    return [*line, (line[-1][0], track), (u, track)]


def cut(ends: Sequence[float], limit: float, bundles: Sequence[int]) -> list[int]:
    """After which layers to cut so that no run is longer than `limit`: few runs, few lines cut, runs about equally
    long.

    Dynamic programming over the layers; a layer that is too long by itself stands alone.
    """
    n = len(ends)
    goal = ends[-1] / math.ceil(ends[-1] / limit) if limit > 0 else ends[-1]
    best: list[tuple[float, list[int]]] = [(0.0, [])]  # for the layers before each index
    for stop in range(n):
        options = []
        for start in range(stop, -1, -1):
            length = ends[stop] - (ends[start - 1] if start else 0.0)
            if length > limit and start < stop:
                break
            cost, cuts = best[start]
            lines = 0.35 * (bundles[stop] - 1) if stop < n - 1 else 0.0
            options.append((cost + 1.0 + 0.3 * (1.0 - min(length / goal, 1.0)) ** 2 + lines, [*cuts, stop]))
        best.append(min(options))
    return best[-1][1][:-1] if best[-1][0] < FORBIDDEN / 4 else []
