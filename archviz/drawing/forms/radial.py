"""The radial form: a whole network at the level of its operations, each as many dots as its output has channels.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

An operation is a disc of dots; what follows it channel by channel (normalisation, activation) is a ring around it.  A
line joins two dots of which one depends on the other: a sample of all such pairs, the same in every run.  A part
of the network has one colour, and its name at the rim.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Literal

from archviz.core import text
from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import Graph, Node, NodeId, skips
from archviz.core.scene import Command, Group, Mark, Path, Point, Text
from archviz.drawing.forms import Traits
from archviz.drawing.forms._latest import latest
from archviz.drawing.forms._shapes import box, link_group, polyline
from archviz.drawing.forms._stages import Stage, stages
from archviz.drawing.forms._vertices import GOLDEN, channels, dealt, outer, pairs, seeds
from archviz.drawing.forms._volumes import law
from archviz.style.option import Option
from archviz.style.style import Style

COLOURS = 6         # roles "stage 1" … of a style
RINGS = frozenset({"norm", "act", "softmax", "pool", "dropout", "math", "identity", "output"})
"""Kinds that are drawn around what they follow, where they give as many channels."""
PITCHES = (1.0, 0.9, 0.8)
COUNTS = (0.85, 0.7, 0.58, 0.48, 0.4, 0.33)
FEWEST = (0.58, 0.48, 0.4, 0.33, 0.27, 0.22, 0.17, 0.13, 0.1, 0.07, 0.05, 0.03)      # with few names
DOT = 0.01          # length of the line that is a dot: none at all, some programs leave out
ARC = math.pi / 8   # longest arc that is drawn as one curve


def variants(style: Style) -> tuple[Style, ...]:
    """Dots closer and closer together, then fewer and fewer; then with fewer names, and less between them."""
    s = style.sizes
    pitches = [max(s["pitch"] * part, s["closest"]) for part in PITCHES]
    close = [replace(style, sizes={**s, "pitch": pitch}) for pitch in dict.fromkeys([*pitches, s["closest"]])]
    fewer = [{"dots": s["dots"] * part} for part in COUNTS]
    fewest = [{"dots": s["dots"] * part, "labels": s["few"], "along": 0.6 * s["along"], "across": 0.6 * s["across"]}
              for part in FEWEST]
    return (*close, *(replace(style, sizes={**s, "pitch": s["closest"], **less}) for less in (*fewer, *fewest)))


TRAITS = Traits(alike=True, variants=variants, options={
    "vertices": Option(law, "power 0.7", "how many dots n channels are: linear, log, power 0.5 (a square root)"),
})


@dataclass
class Discs:
    """What is drawn of each node: its number of dots, between which radii, around which other's disc."""

    stages: list[Stage]
    counts: dict[NodeId, int] = field(default_factory=dict)
    inner: dict[NodeId, float] = field(default_factory=dict)
    outer: dict[NodeId, float] = field(default_factory=dict)
    core: dict[NodeId, NodeId] = field(default_factory=dict)
    stage: dict[NodeId, int] = field(default_factory=dict)
    colour: list[int] = field(default_factory=list)
    lines: dict[NodeId, list[tuple[str, str]]] = field(default_factory=dict)    # key of a stage → (words, role)

    def role(self, key: NodeId, part: str = "") -> str:
        """The role of a node's dots, or of its lines or rim."""
        return f"stage {self.colour[self.stage[key]]}{' ' if part else ''}{part}"


@latest
def discs(graph: Graph, style: Style) -> Discs:
    """The dots of `graph`."""
    s = style.sizes
    drawn = Discs(stages(graph, style, int(s["labels"])))
    drawn.colour = _colours(drawn.stages)
    for i, stage in enumerate(drawn.stages):
        drawn.stage.update(dict.fromkeys(stage.nodes, i))
        drawn.lines[stage.key] = _lines(stage, style)
    last: dict[NodeId, NodeId] = {}     # core → the outermost around it
    area = s["pitch"] ** 2 * math.sqrt(3) / 2
    for node in graph.nodes:
        key = node.id
        drawn.counts[key] = count = _count(channels(node), style)
        before = [edge.src for edge in graph.inflow[key]]
        around = before[0] if len(before) == 1 and before[0] in drawn.core else ""
        core = drawn.core.get(around, "")
        if (node.kind in RINGS and around and last[core] == around and drawn.counts[around] == count
                and drawn.stage[around] == drawn.stage[key]):
            drawn.core[key], drawn.inner[key] = core, drawn.outer[around] + s["collar"]
        else:
            drawn.core[key], drawn.inner[key] = key, 0.0
        last[drawn.core[key]] = key
        drawn.outer[key] = outer(count, drawn.inner[key], area)
    return drawn


def _colours(parts: Sequence[Stage]) -> list[int]:
    """Which colour each part has: modules in turn; operations none (0), where there are modules to tell apart."""
    plain = sum(bool(part.cls) for part in parts) > 1
    coloured = [bool(part.cls) or not plain for part in parts]
    turns = accumulate(coloured, initial=0)     # how many are coloured before each
    return [turn % COLOURS + 1 if one else 0 for one, turn in zip(coloured, turns, strict=False)]


def _count(number: int, style: Style) -> int:
    """How many dots so many channels are."""
    s = style.sizes
    wanted: float = s["dots"] * style.options["vertices"](number)
    return round(min(max(wanted, min(s["least"], number)), s["most"], number))


def _lines(stage: Stage, style: Style) -> list[tuple[str, str]]:
    lines = [(words, role, style.roles[role]) for words, role in ((stage.name, "name"), (stage.detail, "number"))]
    return [(text.fit(words, paint.size, style.sizes["max_label"], paint.weight), role)
            for words, role, paint in lines if words]


def _room(lines: Sequence[tuple[str, str]], style: Style) -> tuple[float, float]:
    roles = style.roles
    return (max(text.width(words, roles[role].size, roles[role].weight) for words, role in lines),
            sum(roles[role].size for _, role in lines) * style.sizes["leading"])


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """The disc of each node, or its ring around the one it abuts; and the label of one that is a part of its own."""
    drawn, sized = discs(graph, style), dict[NodeId, Size]()
    edge = max(style.roles["stage 1"].stroke_width, style.roles["stage 1 ring"].stroke_width)
    for node in graph.nodes:
        wide = 2 * drawn.outer[node.id] + edge
        label = _room(lines, style) if (lines := drawn.lines.get(node.id)) else (0.0, 0.0)
        core = drawn.core[node.id]
        sized[node.id] = Size(wide, wide, label=label, abuts=core if core != node.id else "")
    return sized


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """The labels of the modules that are named at the rim; ``""`` is the rim itself."""
    drawn = discs(graph, style)
    rooms = {key: _room(lines, style) for key, lines in drawn.lines.items()
             if lines and key in graph.modules and key not in graph.by_id}
    return {"": Frame(), **{key: Frame(title=wide, bar=high) for key, (wide, high) in rooms.items()}}


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Lines first, dots on them, then the rim with its names."""
    drawn = discs(graph, style)
    area = style.sizes["pitch"] ** 2 * math.sqrt(3) / 2
    order = {key: i for i, key in enumerate(dict.fromkeys(drawn.core.values()))}
    dots: dict[NodeId, list[Point]] = {}
    for node in graph.nodes:
        x, y = layout.nodes[node.id].centre
        turn = order[drawn.core[node.id]] * GOLDEN
        dots[node.id] = [(x + dx, y + dy) for dx, dy in seeds(drawn.counts[node.id], drawn.inner[node.id], area, turn)]
    roles = {key: drawn.role(key, "" if core == key else "ring") for key, core in drawn.core.items()}
    spots = [Group(_spots(dots[node.id], 0.0, 0.0, roles[node.id]), "dots", node.id) for node in graph.nodes]
    inner = (*_edges(graph, layout, style, drawn, dots), *spots)
    if "" not in layout.frames:     # no ring: discs as another layout places them
        return (*_frames(layout, style, drawn), *inner, *_names(layout, style, drawn))
    return (*inner, *_rim(layout, style, drawn))


def _frames(layout: Layout, style: Style, drawn: Discs) -> list[Mark]:
    """Around the parts of a network that stand in no ring."""
    role = {stage.key: drawn.role(stage.nodes[0], "rim grid") for stage in drawn.stages}
    return [Group((box(place, role[key], style.sizes.get("corner", 2.0)),), "frame", key)
            for key, place in layout.frames.items() if key in role]


def _names(layout: Layout, style: Style, drawn: Discs) -> list[Mark]:
    marks: list[Mark] = []
    for stage in drawn.stages:
        if stage.key in layout.titles and (lines := drawn.lines[stage.key]):
            x, y = layout.titles[stage.key]
            marks += _written(lines, x + _room(lines, style)[0] / 2, y, "middle", style)
    return marks


def _written(lines: Sequence[tuple[str, str]], x: float, y: float, anchor: Literal["start", "middle", "end"],
             style: Style) -> list[Text]:
    """Lines below each other from y down."""
    texts, leading = list[Text](), style.sizes["leading"]
    for words, role in lines:
        size = style.roles[role].size
        y += size * leading
        texts.append(Text(x, y - size * (leading - 0.7) / 2, words, role, anchor))
    return texts


def _edges(graph: Graph, layout: Layout, style: Style, drawn: Discs, dots: Mapping[NodeId, Sequence[Point]],
           ) -> list[Mark]:
    """The lines of each edge in some paths, so that they darken each other, in the colour of where they lead."""
    marks: list[Mark] = []
    ring = layout.frames.get("")
    centre, passing = (ring or Place(0.0, 0.0, layout.width, layout.height)).centre, skips(graph)
    for edge in graph.edges:
        here, there = dots[edge.src], dots[edge.dst]
        across = (edge.src, edge.dst) in passing or drawn.stage[edge.dst] - drawn.stage[edge.src] > 1
        bent = across and ring is not None
        role, lines = drawn.role(edge.src if across else edge.dst, "line"), list[Mark]()
        for hand in dealt(list(pairs(graph, edge, drawn.counts, style.sizes["share"])), int(style.sizes["veils"])):
            commands: list[Command] = []
            for i, j in hand:
                commands += _chord(here[i], there[j], centre, style) if bent else (("M", here[i]), ("L", there[j]))
            lines.append(Path(tuple(commands), role))
        marks.append(link_group(edge, lines))
    return marks


def _chord(a: Point, b: Point, centre: Point, style: Style) -> tuple[Command, ...]:
    """A line through the inside: its middle is drawn towards the centre, the more the farther its ends are apart."""
    (ax, ay), (bx, by), (cx, cy) = a, b, centre
    apart = math.dist(a, b)
    far = max(math.dist(a, centre), math.dist(b, centre), 1e-6)
    pull = min(style.sizes["dip"] * apart / far, 0.9)
    one = ax + (cx - ax) * pull + (bx - ax) * 0.12, ay + (cy - ay) * pull + (by - ay) * 0.12
    two = bx + (cx - bx) * pull + (ax - bx) * 0.12, by + (cy - by) * pull + (ay - by) * 0.12
    return ("M", a), ("C", (*one, *two, bx, by))


def _rim(layout: Layout, style: Style, drawn: Discs) -> list[Mark]:
    """An arc for each part of the network, and its name outside of it."""
    (cx, cy), radius = layout.frames[""].centre, layout.frames[""].width / 2
    spans = _spans(layout, drawn, (cx, cy))
    marks: list[Mark] = [Path(_arc(cx, cy, radius, *span), drawn.role(stage.nodes[0], "rim"))
                         for stage, span in zip(drawn.stages, spans, strict=True)]
    for stage, (start, end) in zip(drawn.stages, spans, strict=True):
        lines, at = drawn.lines[stage.key], layout.titles.get(stage.key)
        if not lines or at is None:
            continue
        wide, high = _room(lines, style)
        right = at[0] + wide / 2 > cx
        x = at[0] if right else at[0] + wide
        marks += _leader((cx, cy), radius + style.roles["stage 1 rim"].stroke_width / 2, (start + end) / 2,
                         Place(at[0], at[1], wide, high), style)
        marks += _written(lines, x, at[1], "start" if right else "end", style)
    return marks


def _leader(centre: Point, radius: float, turn: float, label: Place, style: Style) -> list[Mark]:
    """From the rim to the nearest side of a name, where that is not close by anyway."""
    x, y = centre[0] + (radius + 0.5) * math.sin(turn), centre[1] - (radius + 0.5) * math.cos(turn)
    clear = 1.5
    if label.x <= x <= label.right:       # above or below it
        goal = x, (label.y - clear if label.y > y else label.bottom + clear)
    else:
        low, high = label.y + 0.3 * label.height, label.y + 0.7 * label.height
        goal = (label.x - clear if label.x > x else label.right + clear), min(max(y, low), high)
    if math.dist((x, y), goal) < style.sizes["leader"]:
        return []
    return [polyline(((x, y), goal), "leader")]


def _spans(layout: Layout, drawn: Discs, centre: Point) -> list[tuple[float, float]]:
    """From which angle to which each part of the network reaches; neighbours that interlock meet in the middle."""
    spans: list[tuple[float, float]] = []
    for stage in drawn.stages:
        ends: list[float] = []
        for key in stage.nodes:
            x, y = layout.nodes[key].centre
            turn = math.atan2(x - centre[0], centre[1] - y) % (2 * math.pi)
            half = math.asin(min(layout.nodes[key].width / 2 / max(math.dist((x, y), centre), 1e-6), 1.0))
            ends += [turn - half, turn + half]
        spans.append((min(ends), max(ends)))
    clear = 2.5 / max(layout.frames[""].width / 2, 1.0)
    for i, ((a, b), (c, d)) in enumerate(zip(spans, spans[1:], strict=False)):
        if b + clear > c:
            meet = (b + c) / 2
            spans[i], spans[i + 1] = (a, max(meet - clear / 2, a)), (min(meet + clear / 2, d), d)
    return spans


def _arc(cx: float, cy: float, radius: float, start: float, end: float) -> tuple[Command, ...]:
    """A part of a circle, angles clockwise from the top."""
    steps = max(1, math.ceil((end - start) / ARC))
    step = (end - start) / steps
    reach = radius * 4 / 3 * math.tan(step / 4)
    commands: list[Command] = [("M", (cx + radius * math.sin(start), cy - radius * math.cos(start)))]
    for k in range(steps):
        a, b = start + k * step, start + (k + 1) * step
        (ax, ay), (bx, by) = ((cx + radius * math.sin(t), cy - radius * math.cos(t)) for t in (a, b))
        commands.append(("C", (ax + reach * math.cos(a), ay + reach * math.sin(a),
                               bx - reach * math.cos(b), by - reach * math.sin(b), bx, by)))
    return tuple(commands)


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """What a dot, a ring of dots and a line are."""
    drawn, s = discs(graph, style), style.sizes
    if not graph.nodes:
        return []
    wide, middle = s["swatch"], s["swatch_height"] / 2
    entries: list[tuple[str, tuple[Mark, ...]]] = [(_meaning(graph.nodes, drawn), _spots(
        seeds(7, 0.0, s["pitch"] ** 2, 0.0), wide / 2, middle, "plain dot"))]
    if any(core != key for key, core in drawn.core.items()):
        spots = (*_spots(seeds(3, 0.0, s["pitch"] ** 2, 0.0), wide / 2, middle, "stage 1"),
                 *_spots(seeds(9, s["pitch"] * 1.4, s["pitch"] ** 2, 0.0), wide / 2, middle, "stage 1 ring"))
        entries.append(("rings: what follows it channel by channel (normalisation, activation)", spots))
    if graph.edges:
        marks = tuple(polyline(((0.0, middle + d), (wide, middle - d)), "plain line")
                      for d in (-2.0, -1.0, 0.0, 1.0, 2.0))
        entries.append(("lines: a sample of which channels a channel is computed from", marks))
    return entries


def _meaning(nodes: Sequence[Node], drawn: Discs) -> str:
    """What a dot is, with how many there are of the most channels."""
    many, dots = max((channels(node), drawn.counts[node.id]) for node in nodes)
    return f"dots: channels of an operation's output{f' ({many} drawn as {dots})' if many > dots else ''}"


def _spots(points: Sequence[Point], x: float, y: float, role: str) -> tuple[Mark, ...]:
    """A dot at each of `points`, all moved by (x, y), in one path."""
    commands: list[Command] = []
    for dx, dy in points:
        commands += [("M", (x + dx, y + dy)), ("L", (x + dx + DOT, y + dy))]
    return (Path(tuple(commands), role),)
