"""A ring of discs in the order in which they run, with a lobe outwards for each part that a connection passes by.

In: a graph, the discs of its nodes, the labels around the rim, spacing.  Out: `Layout`.

A node whose `Size.abuts` names another is a ring around that one's disc and has its centre.  A disc stands as far
around as the ones before it let it, so that no two touch; the radius of the ring follows from all of them.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby, takewhile

from archviz.core.geometry import Frames, Layout, Place, Route, Sizes, Spacing, bounds, united
from archviz.core.graph import Graph, NodeId, skips
from archviz.drawing.layouts import Traits

TRAITS = Traits(wraps=False)
STEPS = 40          # halvings of the ring's radius: far below a hundredth of a point
NEAR = 60           # so many discs before one may stand in its way


def radial(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "down",
           limit: float = math.inf) -> Layout:
    """Lay a network out clockwise from the top, however it is directed and whatever the limit.

    `sizes` has for each node the diameter of its disc, or of its ring around the disc it abuts, and the room of its
    label at the rim, `frames` that of each module with one (`title` wide, `bar` high).  In the layout the frame ``""``
    is the square around the rim, and `titles` has the top left corner of each label.
    """
    discs = _discs(graph, sizes)
    lifts = _lifts(graph, discs, spacing)
    ring, turns = _fitted(discs, lifts, spacing)
    out = [ring + lift * ring for lift in lifts]
    rim = max((rho + disc.radius for rho, disc in zip(out, discs, strict=True)), default=0.0) + spacing["rim"]
    centre = {key: (rho * math.sin(turn), -rho * math.cos(turn))
              for disc, turn, rho in zip(discs, turns, out, strict=True) for key in disc.nodes}
    labels = _labels(graph, sizes, frames, centre, rim + spacing["label_gap"], spacing)
    left, top, right, bottom = bounds([Place(-rim, -rim, 2 * rim, 2 * rim), *labels.values()])
    places = {node.id: Place(x - left - size.width / 2, y - top - size.height / 2, size.width, size.height)
              for node in graph.nodes for (x, y), size in [(centre[node.id], sizes[node.id])]}
    boxes = {"": Place(-left - rim, -top - rim, 2 * rim, 2 * rim)}
    boxes |= {key: united(places[node.id] for node in graph.nodes if key in node.scope) for key in frames if key}
    passing = skips(graph)
    routes = tuple(Route(edge.src, edge.dst, (places[edge.src].centre, places[edge.dst].centre),
                         (edge.src, edge.dst) in passing) for edge in graph.edges)
    titles = {key: (place.x - left, place.y - top) for key, place in labels.items()}
    return Layout(places, boxes, routes, right - left, bottom - top, titles, "around")


@dataclass
class _Disc:
    """Nodes that share a centre, and how far the outermost of them reaches."""

    nodes: list[NodeId]
    radius: float


def _discs(graph: Graph, sizes: Sizes) -> list[_Disc]:
    discs: dict[NodeId, _Disc] = {}
    for node in graph.nodes:
        size = sizes[node.id]
        if size.abuts:
            disc = discs[node.id] = discs[size.abuts]
            disc.nodes.append(node.id)
            disc.radius = max(disc.radius, size.width / 2)
        else:
            discs[node.id] = _Disc([node.id], size.width / 2)
    return [discs[node.id] for node in graph.nodes if not sizes[node.id].abuts]


def _lifts(graph: Graph, discs: Sequence[_Disc], spacing: Spacing) -> list[float]:
    """How far each disc stands outside the ring, as a part of the ring's radius.

    What a connection passes by rises in an arch; where it branches, each way in an arch of its own.  A connection over
    more than ``spacing["span"]`` of the network makes no arch, else there would be nothing but one.
    """
    at = {key: i for i, disc in enumerate(discs) for key in disc.nodes}
    flows = sorted({(at[e.src], at[e.dst]) for e in graph.flows if at[e.src] < at[e.dst]})
    longest = max(spacing["span"] * len(discs), 3.0)
    passed = [False] * len(discs)
    for a, b in flows:
        if b - a <= longest:
            passed[a + 1:b] = [True] * (b - a - 1)
    lifts = [0.0] * len(discs)
    scale = sum(2 * disc.radius + spacing["across"] for disc in discs) / (2 * math.pi)     # about the ring's radius
    many = min(sum(passed) / max(len(passed) * spacing["many"], 1e-9), 1.0)     # a single lobe would be all one sees
    for way in _ways(passed, flows):
        length = sum(2 * discs[i].radius for i in way)
        height = many * min(spacing["rise"] * math.sqrt(length / scale), spacing["lobe"])
        for k, i in enumerate(way):
            lifts[i] = height * math.sin(math.pi * (k + 1) / (len(way) + 1))
    return lifts


def _ways(passed: Sequence[bool], flows: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Each run of discs that are passed by, as the longest way through it, the longest through the rest, and so on."""
    ways: list[list[int]] = []
    into: dict[int, list[int]] = {}
    for a, b in flows:
        into.setdefault(b, []).append(a)
    for run in (list(run) for one, run in groupby(range(len(passed)), lambda i: passed[i]) if one):
        free = set(run)
        while free:
            best: dict[int, list[int]] = {}
            for j in run:
                if j in free:
                    before = max((best[a] for a in into.get(j, ()) if a in best), key=len, default=[])
                    best[j] = [*before, j]
            way = max(best.values(), key=len)
            ways.append(way)
            free -= set(way)
    return ways


def _fitted(discs: Sequence[_Disc], lifts: Sequence[float], spacing: Spacing) -> tuple[float, list[float]]:
    """The radius of the smallest ring that has room for all, and how far around each stands, in radians."""
    if not discs:
        return 0.0, []
    low = max(disc.radius for disc in discs) + spacing["across"]
    high = low + sum(2 * disc.radius + max(spacing["along"], spacing["across"]) for disc in discs)
    opening = math.radians(spacing["opening"])
    for _ in range(STEPS):
        middle = (low + high) / 2
        _, whole = _turned(discs, lifts, middle, spacing)
        low, high = (low, middle) if whole <= 2 * math.pi - opening else (middle, high)
    turns, whole = _turned(discs, lifts, high, spacing)
    start = (2 * math.pi - whole) / 2       # half of the opening on either side of the top
    return high, [start + turn for turn in turns]


def _turned(discs: Sequence[_Disc], lifts: Sequence[float], ring: float, spacing: Spacing) -> tuple[list[float], float]:
    """How far around each disc stands behind the first, and after which turn the first could stand again."""
    out = [ring * (1 + lift) for lift in lifts]

    def angle(i: int, j: int, gap: float) -> float:
        """That at which the discs `i` and `j` are `gap` apart."""
        near = discs[i].radius + discs[j].radius + gap
        a, b = out[i], out[j]
        cosine = (a * a + b * b - near * near) / (2 * a * b)
        return math.acos(max(cosine, -1.0)) if cosine < 1 else 0.0

    # further apart no two discs touch
    near = (2 * max((disc.radius for disc in discs), default=0.0) + spacing["across"]) / (2 * min(out, default=1.0))
    reach, turns = 2 * math.asin(min(near, 1.0)), [0.0]
    for i in range(1, len(discs)):
        least = turns[-1] + spacing["step"] * (discs[i - 1].radius + discs[i].radius) / max(out[i - 1], out[i])
        behind = takewhile(lambda j: turns[-1] - turns[j] <= reach, range(i - 2, max(0, i - NEAR) - 1, -1))
        others = [turns[j] + angle(i, j, spacing["across"]) for j in behind]
        turns.append(max(least, turns[-1] + angle(i - 1, i, spacing["along"]), *others))
    first, last = range(min(NEAR, len(discs))), range(max(0, len(discs) - NEAR), len(discs))
    # the ends stay clear of each other, as the whole breadth of a disc shows from the middle
    half = [math.asin(min(disc.radius / rho, 1.0)) for disc, rho in zip(discs, out, strict=True)]
    whole = max((turns[j] + half[j] + half[i] - turns[i] for i in first for j in last), default=0.0)
    return turns, whole


def _labels(graph: Graph, sizes: Sizes, frames: Frames, centre: Mapping[NodeId, tuple[float, float]], radius: float,
            spacing: Spacing) -> dict[NodeId, Place]:
    """Where each label stands outside a circle, as near as it can be to the middle of what it names; on each side in
    their order, without overlap."""
    rooms = {key: (frame.title, frame.bar) for key, frame in frames.items() if key}
    rooms |= {node.id: sizes[node.id].label for node in graph.nodes if sizes[node.id].label[0] > 0}
    sides: tuple[list[tuple[float, NodeId]], list[tuple[float, NodeId]]] = [], []
    for key in rooms:
        named = [centre[node.id] for node in graph.nodes if key == node.id or key in node.scope]
        turns = [math.atan2(x, -y) % (2 * math.pi) for x, y in named]
        turn = (min(turns) + max(turns)) / 2
        sides[turn > math.pi].append((turn, key))
    labels: dict[NodeId, Place] = {}
    for right, side in ((True, sorted(sides[0])), (False, sorted(sides[1], reverse=True))):
        wanted = [-radius * math.cos(turn) - rooms[key][1] * (1 + math.cos(turn)) / 2 for turn, key in side]
        tops = _spread(wanted, [rooms[key][1] + spacing["between"] for _, key in side])
        for (turn, key), y in zip(side, tops, strict=True):
            w, h = rooms[key]
            near = 0.0 if y <= 0 <= y + h else min(abs(y), abs(y + h))
            x = max(math.sqrt(max(radius * radius - near * near, 0.0)), radius * abs(math.sin(turn)))
            labels[key] = Place(x if right else -x - w, y, w, h)
    return labels


def _spread(wanted: Sequence[float], heights: Sequence[float]) -> list[float]:
    """The positions nearest to those wanted at which what is so high, one below the other, does not overlap."""
    above = [sum(heights[:i]) for i in range(len(heights))]
    pools: list[tuple[float, int]] = []     # (mean of what is wanted less what is above, how many)
    for want, before in zip(wanted, above, strict=True):
        pools.append((want - before, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (a, n), (b, m) = pools[-2:]
            pools[-2:] = [((a * n + b * m) / (n + m), n + m)]
    shifts = [mean for mean, count in pools for _ in range(count)]
    return [before + shift for before, shift in zip(above, shifts, strict=True)]
