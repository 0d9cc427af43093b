"""A cube figure whose volumes are maps, all alike, and whose arrows are coloured by the operation they stand for.

In: a graph, its `Volumes`, a style.  Out: these completed: what is copied and concatenated is a volume of two parts,
sizes stand beside volumes where they change, channels above them; and what each colour means.
"""
from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from archviz.core import text
from archviz.core.geometry import Place
from archviz.core.graph import SOURCES, Edge, Graph, Node, NodeId, skips
from archviz.drawing.forms._volumes import Label, Scale, Volume, Volumes
from archviz.drawing.labels import Look, kind_of
from archviz.style.style import Style

SIZES = frozenset({"out_channels", "out_features", "stride", "padding", "groups"})  # what a colour does not tell apart
SEVERAL = ("", " 2", " 3")  # colours of one kind, by what they are called in a style


def arrange(graph: Graph, p: Volumes, style: Style, scale: Scale, seen: Mapping[NodeId, Look]) -> None:
    """Complete `p`, which has volumes, glyphs and ports: parts of concatenations, arrows, labels, blocks."""
    copied = _copied(graph, p)
    for key, part in copied.items():
        out = graph.by_id[key].out[0]
        given = (p.volumes[key].channels or 0) - (p.volumes[part].channels or 0)
        at = out.axes.find("C") if len(out.axes) == len(out.shape) else 1
        narrowed = (*out.shape[:at], max(given, 1), *out.shape[at + 1:])
        thickness = scale.volume(replace(out, shape=narrowed)).thickness
        p.volumes[key] = replace(p.volumes[key], thickness=thickness)
        p.abutting[part] = key
        p.paints[key] = "map copied"
    for node in graph.nodes:
        if node.kind == "output" and len(graph.incoming[node.id]) == 1:
            p.abutting[node.id] = graph.incoming[node.id][0].src
    p.arrows.update(_arrows(graph, p, style))
    _label(graph, p, style, seen)
    runs: dict[NodeId, list[NodeId]] = {}
    for key in p.volumes:
        runs.setdefault(p.abutting.get(key, key), []).append(key)
    p.blocks += runs.values()


def _copied(graph: Graph, p: Volumes) -> dict[NodeId, NodeId]:
    """Concatenations of what comes from far with what comes from right before them → the latter."""
    passing, copied = skips(graph), {}
    for node in graph.nodes:
        into = graph.inflow[node.id]
        near = [e.src for e in into if (e.src, e.dst) not in passing]
        if node.kind == "cat" and node.id in p.volumes and len(into) == 2 and len(near) == 1:
            leaving = graph.outgoing[near[0]]
            if near[0] in p.volumes and graph.by_id[near[0]].kind != "input" and len(leaving) == 1:
                copied[node.id] = near[0]
    return copied


def _words(node: Node, style: Style) -> str:
    """What an operation is called, without the sizes that stand beside its map: ``3×3 conv, ReLU``."""
    values = {key: value for key, value in node.attrs.items() if key not in SIZES}
    after = [text.caption(style.captions, op, {}) for op in node.attrs.get("fused", ())]
    return ", ".join([text.caption(style.captions, node.op, values), *after])


def operations(graph: Graph, style: Style) -> dict[NodeId, tuple[str, str]]:
    """For each node the role of the arrow into it, and what its colour means; more operations of one kind than the
    style has colours for have one colour."""
    worded = [(node.id, kind_of(node), _words(node, style)) for node in graph.nodes
              if node.kind not in SOURCES | {"output"}]
    painted = {}
    for key, kind, word in worded:
        roles = [role for number in SEVERAL if (role := f"arrow {kind}{number}") in style.roles]
        words = list(dict.fromkeys(word for _, other, word in worded if other == kind))
        if not roles:
            painted[key] = ("arrow other", "any other operation")
        elif len(words) > len(roles):
            painted[key] = (roles[0], style.kinds[kind].name)
        else:
            painted[key] = (roles[words.index(word)], word)
    return painted


def _arrows(graph: Graph, p: Volumes, style: Style) -> dict[tuple[NodeId, NodeId], tuple[str, str]]:
    """For each edge that is an arrow into a volume its role, and what its colour means."""
    painted, arrows = operations(graph, style), {}
    cropped = any(_crops(edge, p) for edge in graph.edges)
    for edge in graph.flows:
        if edge.dst not in p.volumes or p.abutting.get(edge.src) == edge.dst:
            continue
        if graph.by_id[edge.dst].kind == "cat" and edge.src in p.volumes:
            arrows[edge.src, edge.dst] = ("arrow copy", "copy and crop" if cropped else "copy")
        else:
            arrows[edge.src, edge.dst] = painted[edge.dst]
    return arrows


def _crops(edge: Edge, p: Volumes) -> bool:
    """Is more given than what is concatenated?"""
    a, b = p.volumes.get(edge.src), p.volumes.get(edge.dst)
    if a is None or b is None or p.paints.get(edge.dst) != "map copied" or a.kind != b.kind:
        return False
    return (a.height_of or 0, a.depth_of or 0) > (b.height_of or 0, b.depth_of or 0)


def _label(graph: Graph, p: Volumes, style: Style, seen: Mapping[NodeId, Look]) -> None:
    before: Volume | None = None
    halves = {part: whole for part, whole in p.abutting.items() if part in p.volumes}
    # lines rise from volumes where something passes others by, but in a U, where they end at them
    above = any(node.kind in ("upconv", "upsample") for node in graph.nodes)
    for node in graph.nodes:
        if node.kind == "output":
            _port(node, p, style, seen[node.id])
        if node.id not in p.volumes or node.id in halves:
            continue
        p.labels.setdefault(node.id, [])
        v = p.volumes[node.id]
        same = before is not None and v.kind == before.kind and v.channels == before.channels
        if v.channels and v.kind != "rod" and (node.id in halves.values() or not same):
            _across(p, node.id, str(v.channels), "number", halves, (0.0, 0.8), above)
        if v.height_of is not None and (before is None or before.extent != v.extent):
            _resolution(p, node.id, v, v.height_of)
        if node.kind == "input":
            _across(p, node.id, seen[node.id].lines[0][0], "name", halves, (1.2, 2.2), above)
        if any(dst == node.id for _, dst in p.arrows):  # an arrow has its least length
            (_, down, back), long = p.edges(node.id), style.sizes["operation"]
            p.rooms[node.id] = [Place(min(back[0] / 2, 0.0) - long, (down[1] + back[1]) / 2 - 1.0, long, 2.0)]
        before = v


def _across(p: Volumes, key: NodeId, string: str, role: str, halves: Mapping[NodeId, NodeId],
            lines: tuple[float, float], above: bool) -> None:
    """Words in the middle of a volume and what abuts it, so many `lines` of numbers above or else below it."""
    number, gap = p.style.roles["number"].size, p.style.sizes["label_gap"]
    along, down, back = p.edges(key)
    whole = along[0] + sum(p.edges(part)[0][0] for part, base in halves.items() if base == key)
    x = whole / 2 + (back[0] * 0.8 if above else 0.0)
    p.label(key, x, back[1] - gap - number * lines[0] if above else down[1] + gap + number * lines[1], string, role)


def _resolution(p: Volumes, key: NodeId, v: Volume, height: int) -> None:
    """Height and width, upright at the left edge."""
    number, gap = p.style.roles["number"].size, p.style.sizes["label_gap"]
    _, down, back = p.edges(key)
    string = f"{height}²" if v.depth_of == height else "×".join(str(n) for n in (height, v.depth_of) if n)
    wide, middle = text.width(string, number), (down[1] + back[1]) / 2
    y = max(down[1] - wide, middle + p.style.sizes["arrow"])
    box = Place(-gap - 0.76 * number, y, 0.98 * number, wide)
    p.labels[key].append(Label(-gap, y, string, "number", "end", box, -90.0))


def _port(node: Node, p: Volumes, style: Style, look: Look) -> None:
    """What is given is named beside its volume."""
    name, gap = style.roles["name"], style.sizes["label_gap"]
    string = look.lines[0][0]
    wide, high = text.width(string, name.size, name.weight), name.size * 1.2
    start = math.ceil(p.edges(p.abutting[node.id])[2][0] / 2 + gap) if p.abutting.get(node.id) in p.volumes else gap
    p.ports[node.id] = (start + wide, high)
    box = Place(start, 0.0, wide, high)
    p.labels[node.id] = [Label(start, name.size * 0.95, string, "name", "start", box)]
