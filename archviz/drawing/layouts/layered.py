"""Layered layout with nested frames: layers along the flow, orthogonal lines, long runs wrapped into columns or rows.

In: a graph, the sizes of its nodes, what its frames need, spacing.  Out: `Layout` in printed points.

Each frame is laid out by itself, from the inside out, with ports on its border for what enters and leaves; its parent
then places it like a node.  Everything is computed along the flow (v) and across it (u); a figure that reads from left
to right is the same computation with the axes swapped.
"""
from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from archviz.core.geometry import Frame, Frames, Layout, Place, Point, Route, Size, Sizes, Spacing, cleaned
from archviz.core.graph import Graph, NodeId, skips
from archviz.drawing.layouts._field import FORBIDDEN, Field, Points, cut, solve
from archviz.drawing.layouts._level import IN, OUT, Item, Net


@dataclass(slots=True)
class Enclosed:
    """A frame laid out: its content at (du, dv) inside its border."""

    field: Field
    width: float
    height: float
    du: float
    dv: float
    title: tuple[float, float]
    children: dict[str, Enclosed]
    skirt: float = 0.0


def layered(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "down",
            limit: float = math.inf) -> Layout:
    """Lay `graph` out, `direction` "down", "right" or "up"; whatever is longer than `limit` along the flow wraps.

    spacing: along (between layers), across (between neighbours), beside (a line and a box), lane (between lines),
    track (between turns), pad (inside a frame), gutter (between wrapped columns).
    """
    return _Nest(graph, sizes, frames, spacing, direction).layout(limit)


class _Nest:
    """The frames of one graph, and the nets of each."""

    def __init__(self, graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str) -> None:
        self.graph, self.sizes, self.frames, self.spacing, self.direction = graph, sizes, frames, spacing, direction
        self.turned, self.upward, self.length = direction == "right", direction == "up", 0.0
        self.scope = {node.id: node.scope for node in graph.nodes}
        self.children = {_frame(key) if key else "": [_frame(k) if framed else k for k, framed in inner.items()]
                         for key, inner in graph.children.items()}
        self.index = {node.id: node.index for node in graph.nodes}
        self.deep: dict[str, int] = {"": 0}
        for node in graph.nodes:
            for deep, scope in enumerate(node.scope, 1):
                self.index.setdefault(_frame(scope), node.index)
                self.deep.setdefault(_frame(scope), deep)
        self.nets = self._nets()
        self.fields: dict[str, Field] = {}
        self.cuts: list[tuple[int, int]] = []

    def _nets(self) -> dict[str, list[Net]]:
        """Per frame, everything that flows between its children and across its border, one net per source."""
        ends: dict[str, dict[tuple[str, str], dict[str, None]]] = {key: {} for key in self.children}
        for edge in self.graph.flows:
            for frame, start, target in self.path(edge.src, edge.dst):
                ends[frame].setdefault((edge.src, start), {})[target] = None
        return {frame: [Net(source, start, tuple(targets)) for (source, start), targets in nets.items()]
                for frame, nets in ends.items()}

    def path(self, src: NodeId, dst: NodeId) -> list[tuple[str, str, str]]:
        """The hops (frame, start, target) of an edge, from the inside of one frame out and into another."""
        a = [*map(_frame, self.scope[src]), src]
        b = [*map(_frame, self.scope[dst]), dst]
        common = 0
        while a[common] == b[common]:
            common += 1
        hops = [(a[i - 1], a[i], OUT) for i in range(len(a) - 1, common, -1)]
        hops.append((a[common - 1] if common else "", a[common], b[common]))
        hops += [(b[i - 1], IN, b[i]) for i in range(common + 1, len(b))]
        return hops

    def layout(self, limit: float) -> Layout:
        root = self._block("", limit)
        self.length = root.height
        nodes, boxes = dict[NodeId, Place](), dict[NodeId, Place]()
        titles, origin = dict[NodeId, Point](), dict[str, Point]()

        def settle(key: str, block: Enclosed, u: float, v: float) -> None:
            u0, v0 = u + block.du, v + block.dv
            origin[key] = (u0, v0)
            if key:
                boxes[_bare(key)] = self._place(u, v, block.width, block.height)
                titles[_bare(key)] = (boxes[_bare(key)].x + block.title[0], boxes[_bare(key)].y + block.title[1])
            for child, (cu, cv) in block.field.at.items():
                if child in block.children:
                    settle(child, block.children[child], u0 + cu, v0 + cv)
                else:
                    width, height = self._across(self.sizes[child])
                    width = block.field.wide.get(child, width)
                    nodes[child] = self._place(u0 + cu, v0 + cv, width, height)

        settle("", root, 0.0, 0.0)
        fields = self.fields
        routes, passing = [], skips(self.graph)
        for edge in self.graph.flows:
            points: list[Point] = []
            for frame, _, target in self.path(edge.src, edge.dst):
                u0, v0 = origin[frame]
                hops = [(u + u0, v + v0) for u, v in fields[frame].hops[edge.src, target]]
                points += [(u, self.length - v) if self.upward else self._turned(u, v) for u, v in hops]
            routes.append(Route(edge.src, edge.dst, cleaned(points, 0.01), (edge.src, edge.dst) in passing))
        width, height = self._turned(root.width, root.height)
        return Layout(nodes, boxes, tuple(routes), width, height, titles, self.direction, tuple(self.cuts))

    def _label(self, width: float, height: float) -> tuple[float, float]:
        """Room across and along the flow for what is written beside an arrow."""
        if self.turned and width:
            return height, width + self.spacing["arrow"] + 2 * self.spacing["label_gap"]
        return width, height

    def _across(self, size: Size) -> tuple[float, float]:
        """How far a box reaches across the flow and along it; a bar always lies across."""
        return (size.width, size.height) if size.spans else self._turned(size.width, size.height)

    def _turned(self, a: float, b: float) -> tuple[float, float]:
        return (b, a) if self.turned else (a, b)

    def _place(self, u: float, v: float, width: float, height: float) -> Place:
        if self.upward:
            return Place(u, self.length - v - height, width, height)
        return Place(*self._turned(u, v), *self._turned(width, height))

    def _block(self, key: str, limit: float) -> Enclosed:
        pad, frame = self.spacing["pad"] if key else 0.0, self.frames.get(_bare(key), Frame()) if key else Frame()
        before, after, left = pad, pad, pad
        # the title's row is the frame's upper edge, whichever way the flow runs
        if key and self.turned:
            left = pad * 0.5 + frame.bar
        elif key and self.upward:
            after = frame.bar + self.spacing["along"] * 0.4
        elif key:
            before = max(before, frame.bar)
        room = math.inf if frame.whole else limit - before - after
        items: dict[str, Item] = {}
        children: dict[str, Enclosed] = {}
        # what stands beside inner frames needs room in their column too, unless it is a long run of its own
        beside = sum(self._across(self.sizes[c])[1] + self.spacing["along"]
                     for c in self.children[key] if c not in self.children)
        inner = room - beside if beside < 0.35 * room else room
        for child in self.children[key]:
            if child in self.children:
                block = children[child] = self._block(child, inner)
                ins, outs = ({s: u + block.du for s, u in ports.items()}
                             for ports in (block.field.ins, block.field.outs))
                items[child] = Item(
                    child, block.width, block.height + block.skirt, self.index[child], ins, outs, rigid=True)
            else:
                size = self.sizes[child]
                width, height = self._across(size)
                items[child] = Item(
                    child, width, height, self.index[child], joint=size.joint, label=self._label(*size.label),
                    spans=size.spans)
        content = self._wrapped(items, self.nets[key], room, self.deep[key])
        self.fields[key] = content
        if not key:
            return Enclosed(content, content.width, content.height, 0.0, 0.0, (0.0, 0.0), children)
        _extend(content, before, after + frame.skirt)
        text = frame.title + frame.count
        baseline = frame.bar * 0.78 + 1.0
        if self.turned:
            height = max(content.height + before + after, text + 2 * pad)
            return Enclosed(
                content, content.width + left + pad, height, left, before, (pad, baseline), children, frame.skirt)
        width, du, x = _title_room(content, content.outs if self.upward else content.ins, text, pad)
        return Enclosed(
            content, width, content.height + before + after, du, before, (x, baseline), children, frame.skirt)

    def _wrapped(self, items: dict[str, Item], nets: list[Net], limit: float, deep: int) -> Field:
        whole = solve(items, nets, self.spacing)
        if whole.height <= limit or len(whole.breaks) < 3 or limit <= 0:
            return whole
        ends = [v for _, v in whole.breaks]
        bundles = self._bundles(whole, nets, len(ends))
        cuts = cut(ends, limit - 2 * self.spacing["gutter"], [b if b < 3 or not deep else FORBIDDEN for b in bundles])
        if not cuts:
            return whole
        self.cuts += [(deep, bundles[c]) for c in cuts]
        segment, parts = _segments(whole, nets, cuts), []
        for n in range(len(cuts) + 1):
            inside = {key: replace(item, ins=dict(item.ins), outs=dict(item.outs))
                      for key, item in items.items() if segment[key] == n}
            parts.append(solve(inside, _portion(nets, segment, n, len(cuts) + 1), self.spacing))
        return _Columns(parts, self.spacing).joined()

    @staticmethod
    def _bundles(whole: Field, nets: list[Net], layers: int) -> list[int]:
        """How many nets pass below each layer."""
        passing = [0] * layers
        for net in nets:
            first = whole.layer.get(net.start, 0)
            last = max((whole.layer.get(t, layers) for t in net.targets), default=first)
            for k in range(first, min(last, layers)):
                passing[k] += 1
        return passing


class _Columns:
    """Segments of a run side by side, and the lines that lead from the foot of one to the top of the next."""

    def __init__(self, parts: Sequence[Field], spacing: Spacing) -> None:
        s = spacing
        self.parts, self.s = parts, spacing
        self.joins = [[source for source in a.outs if source in b.ins] for a, b in pairwise(parts)]
        self.top = s["along"] + (max((len(j) for j in self.joins), default=0) - 1) * s["lane"]
        self.x, self.offsets = 0.0, list[float]()
        for n, part in enumerate(parts):
            self.offsets.append(self.x)
            self.x += part.width + self._turning(n, s["gutter"] * 2)
        self.height = max(part.height + self._turning(n, s["gutter"] * 0.7) for n, part in enumerate(parts)) + self.top

    def _turning(self, n: int, gutter: float) -> float:
        """Room for what goes on from segment `n`."""
        return gutter + (len(self.joins[n]) - 1) * self.s["lane"] if n < len(self.joins) else 0.0

    def joined(self) -> Field:
        hops, at, wide = dict[tuple[str, str], Points](), dict[str, Point](), dict[str, float]()
        reach: dict[str, Points] = {}  # net → its line up to the column at hand
        last = len(self.parts) - 1
        for n, (part, dx) in enumerate(zip(self.parts, self.offsets, strict=True)):
            wide |= part.wide
            at.update({key: (u + dx, v + self.top) for key, (u, v) in part.at.items()})
            lines = {(source, target): (reach.get(source, ()) if source in part.ins else ())
                     + tuple((u + dx, v + self.top) for u, v in points)
                     for (source, target), points in part.hops.items()}
            if n == 0:
                lines = {(source, target): (((part.ins[source] + dx, 0.0),) if source in part.ins else ()) + points
                         for (source, target), points in lines.items()}
            hops |= {ends: points for ends, points in lines.items() if ends[1] != OUT or n == last}
            if n < last:
                reach |= {source: lines[source, OUT] + turn for source, turn in self._turns(n).items()}
        first, end = self.parts[0], self.parts[-1]
        outs = {source: u + self.offsets[-1] for source, u in end.outs.items()}
        for source, u in outs.items():
            hops[source, OUT] += ((u, self.height),)
        ins = {source: u + self.offsets[0] for source, u in first.ins.items()}
        return Field(self.x, self.height, at, ins, outs, hops, wide=wide)

    def _turns(self, n: int) -> dict[str, Points]:
        """The corners of each line from segment `n` to the next, the outermost one first."""
        part, s, dx, turns = self.parts[n], self.s, self.offsets[n], dict[str, Points]()
        for i, source in enumerate(sorted(self.joins[n], key=lambda source: -part.outs[source])):
            low = self.top + part.height + s["gutter"] * 0.5 + i * s["lane"]
            lane = dx + part.width + s["gutter"] + i * s["lane"]
            high = i * s["lane"] + 1.0
            into = self.offsets[n + 1] + self.parts[n + 1].ins[source]
            turns[source] = ((part.outs[source] + dx, low), (lane, low), (lane, high), (into, high))
        return turns


def _segments(whole: Field, nets: Sequence[Net], cuts: Sequence[int]) -> dict[str, int]:
    """In which piece of a run that is cut after these layers each item stands; a source in that which it feeds."""
    segment = {key: bisect_left(cuts, layer) for key, layer in whole.layer.items()}
    feeds = {net.start: [segment[t] for t in net.targets if t != OUT] for net in nets}
    for key in sorted(whole.loose, key=lambda key: -whole.layer[key]):
        segment[key] = max(segment[key], min(feeds.get(key) or [0]))
        feeds.update({net.start: [segment[t] for t in net.targets if t != OUT] for net in nets if key in net.targets})
    return segment


def _portion(nets: Sequence[Net], segment: Mapping[str, int], n: int, count: int) -> list[Net]:
    """The part of the nets that runs through segment `n` of `count`: what enters it, what it feeds, what goes on."""
    portion = []
    for net in nets:
        first = segment[net.start] if net.start != IN else 0
        spots = [count - 1 if t == OUT else segment[t] for t in net.targets]
        targets = [t for t, spot in zip(net.targets, spots, strict=True) if spot == n]
        if max(spots) > n and OUT not in targets:
            targets.append(OUT)
        if first <= n <= max(spots) and targets:
            portion.append(Net(net.source, net.start if first == n else IN, tuple(targets)))
    return portion


def _frame(scope: NodeId) -> str:
    return f"▣{scope}"  # a frame may share its id with nothing else in a level


def _bare(key: str) -> NodeId:
    return key[1:]


def _title_room(content: Field, crossing: Mapping[str, float], text: float, pad: float) -> tuple[float, float, float]:
    """Width of the frame, where its content starts, and where its title starts: beside the lines that cross its row."""
    width = content.width + 2 * pad
    if not text:
        return width, pad, pad
    ports = [u + pad for u in crossing.values()]
    if not ports:
        return max(width, text + 2 * pad), max(pad, (text + 2 * pad - content.width) / 2), pad
    left = max(pad + text + 3.0 - min(ports), 0.0)
    right = max(text + pad + 3.0 - (width - max(ports)), 0.0)
    if left <= right or left < 20.0:  # a little more room goes to both sides: the content stays in the middle
        both = left if left < 20.0 else 0.0
        return width + left + both, pad + left, pad
    return width + right, pad, width + right - pad - text


def _extend(content: Field, before: float, after: float) -> None:
    """Carry lines from the frame's border through its padding (the content starts `before` below the border)."""
    for (source, target), points in list(content.hops.items()):
        if source in content.ins and abs(points[0][1]) < 1e-6 and abs(points[0][0] - content.ins[source]) < 1e-6:
            points = ((points[0][0], -before), *points)
        if target == OUT:
            points = (*points, (points[-1][0], content.height + after))
        content.hops[source, target] = points
