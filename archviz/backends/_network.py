"""A drawn network in words and roles, for backends that leave it to another program where everything goes.

In: a `Figure`.  Out: `Network`: frames in frames, boxes with their lines of text, lines between them, and a legend, all
painted by the roles of the figure's sheet.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archviz.core import text
from archviz.core.conditioning import conditioning
from archviz.core.graph import KINDS, Graph, Module, Node, NodeId, skips
from archviz.core.naming import known_as, titles
from archviz.core.scene import Paint
from archviz.drawing.labels import Look, frame_count, kind_of, looks, own_frame, own_role
from archviz.drawing.sheet import totals
from archviz.style.style import Style

ENTERS = {"down": "TB", "right": "LR", "up": "BT"}
"""The word for a direction that Graphviz and Mermaid share."""


@dataclass(frozen=True)
class Box:
    """A node: the lines in it with their roles, its shape as a style names it, stripes of what is fused into it, and
    what that is in words."""

    key: NodeId
    lines: tuple[tuple[str, str], ...]
    shape: str
    role: str
    bands: tuple[str, ...]
    fused: tuple[str, ...]
    tip: str


@dataclass
class Frame:
    """A module, its title and how often it is gone through; the outermost, without a key, is the whole network."""

    key: NodeId = ""
    title: str = ""
    count: str = ""
    role: str = ""
    tip: str = ""
    frames: list[Frame] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)

    def all(self) -> Iterator[Frame]:
        """Itself and all frames in it, the outer ones first."""
        yield self
        for frame in self.frames:
            yield from frame.all()


@dataclass(frozen=True)
class Line:
    """An edge, its role, and what is written beside it: the shape of what flows, where it changes."""

    src: NodeId
    dst: NodeId
    role: str
    label: str
    tip: str


@dataclass(frozen=True)
class Entry:
    """A line of the legend: what it names, and a box, a stripe (shape ``band``) or a line (``line``) of this role."""

    name: str
    role: str
    shape: str


@dataclass(frozen=True)
class Network:
    """All of it; `direction` is ``TB``, ``LR`` or ``BT``, and `width` that of our own drawing of it."""

    name: str
    title: str
    totals: str
    caption: str
    maker: str
    direction: str
    whole: Frame
    lines: tuple[Line, ...]
    legend: tuple[Entry, ...]
    style: Style
    width: float

    def paint(self, role: str) -> Paint:
        """How a role looks; what the sheet has no look for is plain."""
        return self.style.roles.get(role) or self.style.roles["module"]


def network(figure: Any) -> Network:
    """What `figure`, a `Figure`, shows of its network: the cut that is drawn, in the words of its style."""
    graph, drawing = figure.drawn, figure.drawing
    style, scene = drawing.style, drawing.scene
    seen = looks(graph, style)
    headed = any(getattr(mark, "role", "") == "title" for mark in scene.marks)
    return Network(
        text.clean(graph.name), text.clean(scene.title) if headed else "", totals(graph) if headed else "",
        text.clean(figure.caption), scene.facts.get("generator", "archviz"),
        ENTERS.get(drawing.layout.direction, "TB"), _frames(graph, style, seen), _lines(graph, seen),
        _legend(graph, style, seen), style, drawing.layout.width)


def _frames(graph: Graph, style: Style, seen: Mapping[NodeId, Look]) -> Frame:
    names, whole = titles(graph, style.titles), Frame()
    frames = {"": whole}
    for node in graph.nodes:
        parent = whole
        for key in node.scope:
            if key not in frames:
                frames[key] = _frame(graph, graph.modules[key], names[key], style)
                parent.frames.append(frames[key])
            parent = frames[key]
        parent.boxes.append(_box(node, seen[node.id], style))
    return whole


def _frame(graph: Graph, module: Module, name: str, style: Style) -> Frame:
    paint = style.roles["frame title"]
    title = text.fit(text.clean(known_as(name, module)), paint.size, style.sizes["max_label"], paint.weight)
    role = own_frame(module.attrs, style) or ("frame inner" if len(module.scope) % 2 else "frame")
    return Frame(module.id, title, frame_count(graph, module), role, text.clean(f"{module.path} ({module.cls})"))


def _box(node: Node, look: Look, style: Style) -> Box:
    shape = "bar" if look.bar else "glyph" if look.glyph else look.kind.shape
    lines = tuple((text.clean(line), role) for line, role in look.lines)
    if look.glyph:
        lines = (({"add": "+", "sub": "−", "mul": "×"}.get(node.kind, "C"), "glyph text"),)
    elif shape == "dots":
        lines = (("· · ·", "label"),)
    out = text.shape(node.out[0]) if node.out else ""
    costs = [f"{text.units(node.params)} parameters"] if node.params else []
    tip = ", ".join([text.clean(f"{node.id} ({node.op})"), *([out] if out else []), *costs])
    fused = tuple(text.clean(text.caption(style.captions, op, {})) for op in node.attrs.get("fused", ()))
    return Box(node.id, lines, shape, look.kind.role, look.bands, fused, tip)


def _lines(graph: Graph, seen: Mapping[NodeId, Look]) -> tuple[Line, ...]:
    passing, conditioned = skips(graph), conditioning(graph)
    lines = []
    for edge in graph.edges:
        ends = (edge.src, edge.dst)
        role = "edge recurrent" if edge.role == "recurrent" else "edge conditioning" if ends in conditioned else (
            "edge skip" if ends in passing else "edge")
        label = seen[edge.dst].arrow if role != "edge recurrent" else ""
        flows = f": {text.shape(edge.tensor)}" if edge.tensor and edge.tensor.shape else ""
        lines.append(Line(edge.src, edge.dst, role, label, text.clean(f"{edge.src} → {edge.dst}{flows}")))
    return tuple(lines)


def _legend(graph: Graph, style: Style, seen: Mapping[NodeId, Look]) -> tuple[Entry, ...]:
    """What the block figure's legend says: kinds, stripes, layers with a colour of their own, special lines."""
    entries: dict[str, Entry] = {}
    for kind in KINDS:
        look = next((seen[n.id] for n in graph.nodes if kind_of(n) == kind and not own_role(n.attrs, style)), None)
        if look and look.kind.name and look.kind.shape not in ("text", "glyph"):
            entries.setdefault(look.kind.name, Entry(look.kind.name, look.kind.role, look.kind.shape))
    for band in dict.fromkeys(band for look in seen.values() for band in look.bands):
        name = style.kinds[band.removesuffix(" band")].name
        entries.setdefault(name, Entry(name, band, "band"))
    for attrs in [one.attrs for one in graph.nodes] + [one.attrs for one in graph.modules.values()]:
        role, name = own_role(attrs, style), text.clean(str(attrs.get("legend", "")))
        if role and name:
            entries.setdefault(name, Entry(name, role, "box"))
    roles = {line.role for line in _lines(graph, seen)}
    for role in ("edge skip", "edge conditioning", "edge recurrent"):
        if role in roles and style.captions.get(role):
            entries.setdefault(style.captions[role], Entry(style.captions[role], role, "line"))
    return tuple(entries.values())
