"""One level laid out as a single run: coordinates across the flow, then heights along it, then the lines.

In: the items of one frame, the nets among them, spacing.  Out: `Field`.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archviz.core.geometry import Point, Spacing
from archviz.drawing.layouts._coordinates import in_port, out_port, place, span, straighten
from archviz.drawing.layouts._level import IN, OUT, Item, Layered, Net, build
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


def solve(items: dict[str, Item], nets: list[Net], spacing: Spacing) -> Field:
    """One level as a single run: coordinates across, then heights along, then the lines."""
    items = {key: replace(item) if item.spans else item for key, item in items.items()}     # bars grow, for this run
    layered = build(items, nets, spacing)
    width = place(layered, spacing)
    wide = span(layered)
    if wide:
        width = place(layered, spacing, evenly=True)
        straighten(layered)
    rows = _rows(layered, spacing)
    at: dict[str, Point] = {}
    for key, element in layered.elements.items():
        slack = rows.heights[element.layer] - items[key].height
        share = 1.0 if key in layered.loose else 0.5 if slack < 24 else 0.0
        at[key] = (element.u, rows.tops[element.layer] + slack * share)
    hops: dict[tuple[str, str], Points] = {}
    for net in nets:
        lines = _lines(net, items, layered, at, rows)
        for target in net.targets:
            hops[net.source, target] = _last_hop(net, target, lines, items, layered, at, rows)
    breaks = [(k - 1, rows.tops[k] + rows.heights[k]) for k in range(1, len(layered.layers) - 1)]
    if breaks:
        breaks[-1] = (breaks[-1][0], rows.end)
    return Field(
        width, rows.end, at, {e.net: e.u for e in layered.layers[0]}, {e.net: e.u for e in layered.layers[-1]}, hops,
        breaks, {key: e.layer - 1 for key, e in layered.elements.items()}, layered.loose, wide)


@dataclass(slots=True)
class _Rows:
    """Of each layer, where it begins along v, how high it is, and at which heights nets turn below it; and the end."""

    tops: list[float]
    heights: list[float]
    tracks: list[dict[str, float]]
    end: float = 0.0


def _rows(layered: Layered, spacing: Spacing) -> _Rows:
    """Layers one after the other, as far apart as the nets and labels between them need."""
    layers, count = layered.layers, len(layered.layers)
    heights = [max((e.item.height for e in layer if e.item), default=0.0) for layer in layers]
    rows = _Rows([], heights, [{} for _ in layers])
    v = 0.0
    for k in range(count):
        rows.tops.append(v)
        v += heights[k]
        if k == count - 1 or (k == 0 and not layers[0]) or (k == count - 2 and not layers[-1]):
            continue
        spans = _spans(layered, k)
        tracks, depth = pack([(top, tuple(bottoms)) for top, bottoms in spans.values()])
        label = max((e.item.label[1] for e in layers[k + 1] if e.item), default=0.0)
        border = k == 0 or k == count - 2
        lead = spacing["turn"] if depth else 0.0
        rows.tracks[k] = {source: v + lead + track * spacing["track"]
                          for source, track in zip(spans, tracks, strict=True) if track is not None}
        v += lead + (depth - 1) * spacing["track"] if depth else 0.0
        v += max(spacing["along"] * (0.45 if border and not depth else 1.0), label + 1.5 if label else 0.0)
        v -= spacing["along"] * 0.45 if k == count - 2 and not depth else 0.0
    rows.end = v
    return rows


def _spans(layered: Layered, k: int) -> dict[str, tuple[float, list[float]]]:
    """Where each net comes from in layer `k`, and where it goes on to in the next."""
    spans: dict[str, tuple[float, list[float]]] = {}
    for wire in layered.wires:
        if wire.upper.layer == k and wire.lower.layer == k + 1:
            spans.setdefault(wire.net, (wire.upper.u + out_port(wire), []))[1].append(wire.lower.u + in_port(wire))
    return spans


def _lines(net: Net, items: Mapping[str, Item], layered: Layered, at: Mapping[str, Point],
           rows: _Rows) -> dict[int, list[Point]]:
    """The net's line down to each layer that it passes, from where it starts."""
    if net.start == IN:
        reach, line = 0, [(layered.chains[net.source, 0].u, 0.0)]
    else:
        item, (u, v) = items[net.start], at[net.start]
        reach, line = layered.elements[net.start].layer, [
            (u + item.outs.get(net.source, item.width / 2), v + item.height)]
    lines = {reach: line}
    while (bend := layered.chains.get((net.source, reach + 1))) is not None:
        lines[reach + 1] = _hop(lines[reach], bend.u, rows.tracks[reach].get(net.source))
        reach += 1
    return lines


def _last_hop(net: Net, target: str, lines: Mapping[int, list[Point]], items: Mapping[str, Item], layered: Layered,
              at: Mapping[str, Point], rows: _Rows) -> Points:
    """The net's whole line to one of its targets."""
    if target == OUT:
        last = len(layered.layers) - 1
        return (*lines[last], (layered.chains[net.source, last].u, rows.end))
    item, (u, top), layer = items[target], at[target], layered.elements[target].layer
    bend = layered.sides.get((net.source, target))
    if bend is not None:
        middle = top + item.height / 2
        return (*lines[layer], (bend.u, middle), (u if bend.u < u else u + item.width, middle))
    u += item.ins.get(net.source, item.width / 2)
    return (*_hop(lines[layer - 1], u, rows.tracks[layer - 1].get(net.source)), (u, top))


def _hop(line: list[Point], u: float, track: float | None) -> list[Point]:
    """The line so far, turned at `track` to go on at `u`."""
    if track is None or abs(line[-1][0] - u) <= 0.05:
        return line
    return [*line, (line[-1][0], track), (u, track)]


def cut(ends: Sequence[float], limit: float, bundles: Sequence[int]) -> list[int]:
    """After which layers to cut so that no run is longer than `limit`: few runs, few lines cut, runs about equally
    long.  A layer that is too long by itself stands alone."""
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
