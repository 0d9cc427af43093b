"""The block form: one box per operation, a colour and a shape per kind, frames around what belongs together.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.  May import ir, style, text, naming, scene and the types
of layouts.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archviz import text
from archviz.ir import KINDS, Edge, Graph, Node, NodeId, TensorSpec
from archviz.layouts import Frame, Layout, Place, Size
from archviz.naming import titles
from archviz.scene import Box, Circle, Group, Link, Mark, Path, Text
from archviz.style import Kind, Style

SLANT = 4.0     # how far the slanted sides of a trapezoid or parallelogram lean in, at most


@dataclass(frozen=True, slots=True)
class Look:
    """What is drawn for one node: its lines of text (string, role), its shape, the stripes of what is fused into it."""

    kind: Kind
    lines: tuple[tuple[str, str], ...]
    glyph: bool = False
    bands: tuple[str, ...] = ()
    stack: bool = False
    arrow: str = ""             # written beside the arrow that enters


# ------------------------------------------------------------------------------------------------ what to say

def looks(graph: Graph, style: Style) -> dict[NodeId, Look]:
    names = titles(graph, style.titles)
    arrows = arrow_labels(graph)
    return {node.id: _look(node, graph, style, names, arrows.get(node.id, "")) for node in graph.nodes}


def _look(node: Node, graph: Graph, style: Style, names: Mapping[NodeId, str], arrow: str) -> Look:
    kind = style.kinds.get(node.kind) or Kind("module")
    incoming = graph.incoming[node.id]
    if kind.shape == "glyph" and len(incoming) <= 3:
        return Look(kind, (), glyph=True)
    times = node.repeat
    for scope in node.scope:
        times //= max(graph.modules[scope].repeat, 1)
    count = f" ×{times}" if times > 1 else ""
    values = {**node.attrs, "out": text.shape(node.out[0]) if node.out else "", "params": node.params or None}
    if node.kind == "module":
        main = names.get(node.id) or style.titles.get(node.op, node.op)
        sub = text.caption(style.captions, "module", values) if "module" in style.captions else ""
        shared = bool(graph.modules[node.id].shared) if node.id in graph.modules else False
        lines = [(main + count + (", shared weights" if shared and times > 1 else ""), "label module"), (sub, "sublabel")]
    elif node.kind in ("input", "output"):
        lines = [(_port_name(node), "label"), (values["out"], "sublabel")]
    elif node.kind == "parameter":
        path = node.id.split(".")
        own = path[-2] if path[-1] in ("weight", "bias") and len(path) > 1 else path[-1]
        lines = [(text.pretty(own.rsplit("/", 1)[-1].removesuffix("_like")), "label"), (values["out"], "sublabel")]
    else:
        called = _called(node, incoming, style)
        values = {"output_size": 1, **values} if _pools(node, incoming) else values
        lines = [(called + text.caption(style.captions, _known(node, incoming, style), values) + count, "label")]
    lines = [piece for line in lines for piece in _broken(*line, style)]
    limit = style.sizes["max_label"]
    kept = tuple((text.fit(line, style.roles[role].size, limit, style.roles[role].weight), role) for line, role in lines if line)
    bands = tuple(f"{kind} band" for kind in node.attrs.get("fused_kinds", ()) if f"{kind} band" in style.roles)
    return Look(kind, kept, False, bands, times > 1, arrow)


def _broken(line: str, role: str, style: Style) -> list[tuple[str, str]]:
    """A long label in two: numbers after the first comma, or else words after the space nearest to the middle."""
    if text.width(line, style.roles[role].size, style.roles[role].weight) <= style.sizes["break_label"]:
        return [(line, role)]
    head, comma, rest = line.partition(", ")
    if comma:
        return [(head, role), (rest, "sublabel")]
    spaces = [i for i, character in enumerate(line) if character == " "]
    if not spaces:
        return [(line, role)]
    at = min(spaces, key=lambda i: (abs(2 * i - len(line)), i))
    return [(line[:at], role), (line[at + 1:], role)]


def _known(node: Node, incoming: Sequence[Edge], style: Style) -> str:
    """The op itself, or the layer its class is named after: ``LlamaRMSNorm`` → ``RMSNorm``, ``GELUActivation`` → ``GELU``."""
    if _pools(node, incoming):
        return "AdaptiveAvgPool2d"
    if node.op in style.captions or not node.op[:1].isupper():
        return node.op
    bare = node.op.removesuffix("Activation")
    return max((key for key in style.captions if key[:1].isupper() and bare.endswith(key)), key=len, default=node.op)


def _pools(node: Node, incoming: Sequence[Edge]) -> bool:
    """Is this a mean over all pixels, which readers know as global average pooling?"""
    entering = incoming[0].tensor if incoming else None
    return node.op == "mean" and entering is not None and set("HW") <= set(entering.axes) and bool(node.out) and (
        len(node.out[0].shape) <= 2 or set(node.out[0].shape[-2:]) == {1})


def _called(node: Node, incoming: Sequence[Edge], style: Style) -> str:
    """What an embedding or a projection is called beside its kind: ``position``, ``Q``; with a space after it, or nothing."""
    own = node.id.split("@")[0].rsplit(".", 1)[-1]
    if own in style.titles and node.kind == "linear":
        return style.titles[own] + " "
    if node.kind != "embedding":
        return ""
    spelt = own.lower().split("_")
    if len(spelt) > 1 and spelt[-1].startswith("embedding"):
        return " ".join(spelt[:-1]) + " "
    return "" if incoming else "position "


def _port_name(node: Node) -> str:
    name = text.clean(node.id.split(":", 1)[-1])
    spelt = name.rsplit(".", 1)[-1].replace("_", " ")
    return {"0": "output", "": node.kind}.get(spelt, spelt) if node.kind == "output" else spelt or "input"


def arrow_labels(graph: Graph) -> dict[NodeId, str]:
    """The shape to write at the arrow into a node: once, after the operation that changed the resolution."""
    labels: dict[NodeId, str] = {}
    for node in graph.nodes:
        if node.kind in ("input", "parameter") or not node.out:
            continue
        entering = [_carried(graph, edge) for edge in graph.incoming[node.id] if edge.role != "recurrent" and edge.tensor]
        if not entering or _extent(entering[0]) == _extent(node.out[0]):
            continue
        leaving = [edge for edge in graph.outgoing[node.id] if edge.role != "recurrent" and edge.tensor
                   and graph.by_id[edge.dst].kind not in ("add", "mul", "cat", "output")
                   and sum(e.role != "recurrent" for e in graph.incoming[edge.dst]) == 1]
        if leaving and leaving[0].dst not in labels:
            labels[leaving[0].dst] = text.shape(_carried(graph, leaving[0]))
    return labels


def _carried(graph: Graph, edge: Edge) -> TensorSpec:
    """What a reader takes to flow along an edge: what its source gives, unless it arrives with other axes (not just padded)."""
    out = graph.by_id[edge.src].out
    tensor = edge.tensor or TensorSpec(())
    return out[0] if out and len(out[0].shape) == len(tensor.shape) else tensor


def _extent(spec: TensorSpec) -> tuple[int, ...]:
    """The sizes of a tensor but for batch and channels."""
    if len(spec.axes) == len(spec.shape):
        return tuple(size for axis, size in zip(spec.axes, spec.shape, strict=True) if axis not in "NC")
    return spec.shape[1:] if "int" in spec.dtype else spec.shape[1:-1]


# ------------------------------------------------------------------------------------------------ how big

def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Room for each node; nodes of one frame that are nearly equally wide get one width."""
    s = style.sizes
    found: dict[NodeId, Size] = {}
    for key, look in looks(graph, style).items():
        if look.glyph:
            found[key] = Size(s["glyph"], s["glyph"], joint=True)
            continue
        width = max((text.width(line, style.roles[role].size, style.roles[role].weight, style.roles[role].italic)
                     for line, role in look.lines), default=0.0) + 2 * s["box_x"]
        if look.kind.shape in ("trapezoid", "trapezoid up", "parallelogram", "stadium"):
            width += 2 * SLANT
        height = 2 * s["box_y"] + sum(style.roles[role].size * s["leading"] for _, role in look.lines) + s["band"] * len(look.bands)
        height += 2 * s["stack"] * look.stack
        label = (text.width(look.arrow, style.roles["shape"].size), style.roles["shape"].size) if look.arrow else (0.0, 0.0)
        found[key] = Size(max(width, s["min_box"]), height, label=label)
    return _evened(graph, found, s["even"])


def _evened(graph: Graph, found: dict[NodeId, Size], most: float) -> dict[NodeId, Size]:
    """Boxes of one frame as wide as its widest, where that is no more than `most` times their own width."""
    siblings: dict[NodeId, list[NodeId]] = {}
    for node in graph.nodes:
        if not found[node.id].joint and node.kind not in ("input", "output"):
            siblings.setdefault(node.scope[-1] if node.scope else "", []).append(node.id)
    for group in siblings.values():
        for key in group:
            size = found[key]
            wide = max(found[k].width for k in group if found[k].width <= size.width * most)
            found[key] = Size(wide, size.height, False, size.label)
    return found


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    paint = style.roles["frame title"]
    bold = style.roles["frame count"]
    names = titles(graph, style.titles)
    room = {}
    for key, module in graph.modules.items():
        name = text.fit(names[key], paint.size, style.sizes["max_label"], paint.weight)
        room[key] = Frame(text.width(name, paint.size, paint.weight), text.width(_count(module.repeat, module.shared), bold.size, bold.weight),
                          paint.size * style.sizes["leading"] + 1.0, module.repeat > 1,
                          2 * style.sizes["stack"] if module.repeat > 1 else 0.0)
    return room


def _count(repeat: int, shared: bool) -> str:
    return f"×{repeat}{', shared weights' if shared else ''}" if repeat > 1 else ""


# ------------------------------------------------------------------------------------------------ drawing

def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Frames at the back, then lines, boxes, and labels of lines on top."""
    seen = looks(graph, style)
    names = titles(graph, style.titles)
    marks: list[Mark] = []
    for key, place in sorted(layout.frames.items(), key=lambda entry: len(_depth(graph, entry[0]))):
        marks.append(_frame(graph, key, place, layout, style, names[key]))
    for route in sorted(layout.routes, key=lambda route: not route.skip):      # where both share a line, the main one is on top
        role = "edge skip" if route.skip else "edge"
        marks.append(Group((Link(route.points, role, style.sizes["bend"], True, style.sizes["arrow"]),),
                           "link", f"{route.src}->{route.dst}"))
    for node in graph.nodes:
        marks.append(_node(node, seen[node.id], layout.nodes[node.id], layout.direction, style))
    written: set[NodeId] = set()
    for route in layout.routes:
        label = seen[route.dst].arrow
        if label and route.dst not in written and not route.skip:
            written.add(route.dst)
            marks.append(_arrow_label(label, route.points, layout.direction, style))
    return tuple(marks)


def _depth(graph: Graph, key: NodeId) -> tuple[NodeId, ...]:
    return next((node.scope[:node.scope.index(key)] for node in graph.nodes if key in node.scope), ())


def _frame(graph: Graph, key: NodeId, place: Place, layout: Layout, style: Style, name: str) -> Group:
    module, s = graph.modules[key], style.sizes
    role = "frame inner" if len(_depth(graph, key)) % 2 else "frame"
    marks: list[Mark] = []
    if module.repeat > 1:
        for i in (2, 1):
            marks.append(Box(place.x + i * s["stack"], place.y + i * s["stack"], place.width, place.height, role, s["corner"]))
    marks.append(Box(place.x, place.y, place.width, place.height, role, s["corner"]))
    paint = style.roles["frame title"]
    x, y = layout.titles[key]
    shown = text.fit(name, paint.size, s["max_label"], paint.weight)
    if shown:
        marks.append(Text(x, y, shown, "frame title"))
    count = _count(module.repeat, module.shared)
    if count:
        marks.append(Text(x + (text.width(shown, paint.size, paint.weight) + 4.0 if shown else 0.0), y, count, "frame count"))
    return Group(tuple(marks), "frame", key, title=text.clean(f"{module.path} ({module.cls})"))


def _node(node: Node, look: Look, place: Place, direction: str, style: Style) -> Group:
    s, role = style.sizes, look.kind.role
    marks: list[Mark] = []
    if look.stack:      # the copies behind it take the rest
        place = Place(place.x, place.y, place.width, place.height - 2 * s["stack"])
    tip = text.clean(f"{node.id} ({node.op})" + (f", {text.units(node.params)} parameters" if node.params else ""))
    if look.glyph:
        return Group(_glyph(node.kind, place, role, style), role, node.id, title=tip)
    if look.stack:
        for i in (2, 1):
            marks.append(_outline(look, Place(place.x + i * s["stack"], place.y + i * s["stack"], place.width, place.height),
                                  direction, role, s["corner"]))
    if look.kind.shape != "text":
        marks.append(_outline(look, place, direction, role, s["corner"]))
    bottom = place.y + place.height - s["band"] * len(look.bands)
    for i, band in enumerate(look.bands):
        marks.append(_band(place, bottom + i * s["band"], s["band"], band, last=i == len(look.bands) - 1, corner=s["corner"]))
    if look.bands:
        marks.append(Box(place.x, place.y, place.width, place.height, "rim", s["corner"]))
    heights = [style.roles[r].size * s["leading"] for _, r in look.lines]
    y = (place.y + bottom) / 2 - sum(heights) / 2
    for (line, r), height in zip(look.lines, heights, strict=True):
        size = style.roles[r].size
        marks.append(Text(place.x + place.width / 2, y + height / 2 + size * 0.35, line, r, "middle"))
        y += height
    return Group(tuple(marks), role, node.id, title=tip)


def _outline(look: Look, p: Place, direction: str, role: str, corner: float) -> Mark:
    match look.kind.shape:
        case "trapezoid":
            return _trapezoid(p, role, direction, narrowing=True)
        case "trapezoid up":
            return _trapezoid(p, role, direction, narrowing=False)
        case "parallelogram":
            return _polygon([(p.x + SLANT, p.y), (p.x + p.width, p.y), (p.x + p.width - SLANT, p.y + p.height), (p.x, p.y + p.height)], role)
        case "stadium":
            return Box(p.x, p.y, p.width, p.height, role, p.height / 2)
        case _:
            return Box(p.x, p.y, p.width, p.height, role, corner)


def _trapezoid(p: Place, role: str, direction: str, narrowing: bool) -> Path:
    lean = min(SLANT, p.height / 3)
    if direction == "right":
        a, b = (0.0, min(lean, p.height / 6)) if narrowing else (min(lean, p.height / 6), 0.0)
        return _polygon([(p.x, p.y + a), (p.x + p.width, p.y + b), (p.x + p.width, p.y + p.height - b), (p.x, p.y + p.height - a)], role)
    a, b = (0.0, lean) if narrowing else (lean, 0.0)
    return _polygon([(p.x + a, p.y), (p.x + p.width - a, p.y), (p.x + p.width - b, p.y + p.height), (p.x + b, p.y + p.height)], role)


def _polygon(points: Sequence[tuple[float, float]], role: str) -> Path:
    return Path((("M", points[0]), *(("L", point) for point in points[1:]), ("Z", ())), role)


def _band(p: Place, y: float, height: float, role: str, last: bool, corner: float) -> Mark:
    """A stripe across the box; the last one follows its rounded corners."""
    if not last:
        return _polygon([(p.x, y), (p.x + p.width, y), (p.x + p.width, y + height), (p.x, y + height)], role)
    x0, x1, bottom, r = p.x, p.x + p.width, y + height, min(corner, height)
    k = r * 0.4477
    return Path((("M", (x0, y)), ("L", (x1, y)), ("L", (x1, bottom - r)), ("C", (x1, bottom - k, x1 - k, bottom, x1 - r, bottom)),
                 ("L", (x0 + r, bottom)), ("C", (x0 + k, bottom, x0, bottom - k, x0, bottom - r)), ("Z", ())), role)


def _glyph(kind: str, p: Place, role: str, style: Style) -> tuple[Mark, ...]:
    """⊕, ⊗ and the concatenation sign, drawn as shapes: the font has none of them."""
    r = p.width / 2
    x, y = p.x + r, p.y + p.height / 2
    arm = r * 0.58
    if kind == "cat":
        paint = style.roles["glyph text"]
        return Circle(x, y, r, role), Text(x, y + paint.size * 0.36, "C", "glyph text", "middle")
    if kind == "mul":
        arm *= 0.7071
        ends = ((x - arm, y - arm), (x + arm, y + arm)), ((x - arm, y + arm), (x + arm, y - arm))
    else:
        ends = ((x - arm, y), (x + arm, y)), ((x, y - arm), (x, y + arm))
    return Circle(x, y, r, role), *(Path((("M", a), ("L", b)), "glyph sign") for a, b in ends)


def _arrow_label(label: str, points: Sequence[tuple[float, float]], direction: str, style: Style) -> Text:
    size = style.roles["shape"].size
    x, y = points[-1]
    upward = len(points) > 1 and points[-2][1] > y
    if direction == "right":
        return Text(x - style.sizes["arrow"] - 1.5, y + size * 0.72 + 1.5, label, "shape", "end")
    return Text(x + 2.5, y + size * 0.72 + 2.0 if upward else y - 2.2, label, "shape")


# ------------------------------------------------------------------------------------------------ legend

def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for every kind and stripe in the figure; swatches stand at the origin, `swatch` points wide."""
    s = style.sizes
    swatch = Place(0.0, 0.0, s["swatch"], s["swatch"] * 0.62)
    seen = looks(graph, style)
    entries: dict[str, tuple[Mark, ...]] = {}
    for kind in KINDS:
        look = next((seen[n.id] for n in graph.nodes if n.kind == kind), None)
        if look is None or not look.kind.name or look.kind.shape == "text":
            continue
        if look.glyph or any(seen[n.id].glyph for n in graph.nodes if n.kind == kind):
            side = s["glyph"]
            glyph = Place((swatch.width - side) / 2, (swatch.height - side) / 2, side, side)
            entries.setdefault(look.kind.name, _glyph(kind, glyph, look.kind.role, style))
        else:
            plain = Look(look.kind, ())
            entries.setdefault(look.kind.name, (_outline(plain, swatch, "right", look.kind.role, s["corner"] * 0.7),))
    for band in dict.fromkeys(band for look in seen.values() for band in look.bands):
        kind = style.kinds[band.removesuffix(" band")]
        if kind.name not in entries:
            stripe = Place(0.0, (swatch.height - s["band"]) / 2, swatch.width, s["band"])
            entries[kind.name] = (_band(stripe, stripe.y, stripe.height, band, True, 0.0),)
    return list(entries.items())
