"""The block form: one box per operation, a colour and a shape per kind, frames around what belongs together.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archviz.core import text
from archviz.core.conditioning import conditioning
from archviz.core.geometry import Frame, Layout, Place, Route, Size
from archviz.core.graph import KINDS, Graph, Node, NodeId
from archviz.core.naming import known_as, titles
from archviz.core.scene import Circle, Group, Link, Mark, Path, Text, polygon
from archviz.drawing.forms import Traits
from archviz.drawing.forms._lines import branching, line_entries, line_role
from archviz.drawing.forms._operands import operands
from archviz.drawing.forms._shapes import box, grounded, line_swatch, link_group, node_group, polyline, three_dots
from archviz.drawing.labels import Look, frame_count, kind_of, looks, own_frame, own_role
from archviz.style.style import Style

TRAITS = Traits(opens=True, nests=True)

NodeMark = Callable[[Node, Look, Place, str, Style], Group]
"""Draws a node at its place, by the way in which data flows there."""


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Room for each node; nodes of one frame that are nearly equally wide get one width."""
    s, shape = style.sizes, style.roles["shape"]
    sized: dict[NodeId, Size] = {}
    for key, look in looks(graph, style).items():
        if look.glyph:
            sized[key] = Size(s["glyph"], s["glyph"], joint=True)
        elif look.kind.shape == "dots":
            sized[key] = Size(2 * s["glyph"], 2 * s["glyph"])
        else:
            width, height = words_room(look.lines, style)
            width += 2 * s["box_x"]
            if look.kind.shape in ("trapezoid", "trapezoid up", "parallelogram", "stadium"):
                width += 2 * s["slant"]
            height = 2 * s["box_y"] + height + s["band"] * len(look.bands)
            height += 2 * s["stack"] * look.stack
            label = (text.width(look.arrow, shape.size), shape.size) if look.arrow else (0.0, 0.0)
            sized[key] = Size(max(width, s["min_box"]), height, label=label, spans=look.bar)
    return _evened(graph, sized, s["even"])


def words_room(lines: Sequence[tuple[str, str]], style: Style) -> tuple[float, float]:
    """Width and height of (string, role) below each other."""
    paints = [(line, style.roles[role]) for line, role in lines]
    wide = max((text.width(line, paint.size, paint.weight, paint.italic) for line, paint in paints), default=0.0)
    return wide, sum(paint.size * style.sizes["leading"] for _, paint in paints)


def words_below(lines: Sequence[tuple[str, str]], x: float, y: float, style: Style) -> list[Text]:
    """(string, role) below each other from y down, the middle of each at x."""
    written = []
    for line, role in lines:
        size = style.roles[role].size
        written.append(Text(x, y + size * style.sizes["leading"] / 2 + size * 0.35, line, role, "middle"))
        y += size * style.sizes["leading"]
    return written


def _evened(graph: Graph, sized: dict[NodeId, Size], most: float) -> dict[NodeId, Size]:
    """Boxes of one frame as wide as its widest, where that is no more than `most` times their own width."""
    siblings: dict[NodeId, list[NodeId]] = {}
    for node in graph.nodes:
        if not (sized[node.id].joint or sized[node.id].spans) and node.kind not in ("input", "output"):
            siblings.setdefault(node.scope[-1] if node.scope else "", []).append(node.id)
    for group in siblings.values():
        for key in group:
            size = sized[key]
            wide = max(sized[k].width for k in group if sized[k].width <= size.width * most)
            sized[key] = Size(wide, size.height, False, size.label)
    return sized


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """Room for the title of each frame, its ×N and the copies behind it."""
    paint = style.roles["frame title"]
    bold = style.roles["frame count"]
    names = titles(graph, style.titles)
    room = {}
    for key, module in graph.modules.items():
        name = text.fit(known_as(names[key], module), paint.size, style.sizes["max_label"], paint.weight)
        count = frame_count(graph, module)
        room[key] = Frame(
            text.width(name, paint.size, paint.weight),
            text.width(count, bold.size, bold.weight) + (style.sizes["title_gap"] if count else 0.0),
            paint.size * style.sizes["leading"] + 1.0,
            module.repeat > 1,
            2 * style.sizes["stack"] if module.repeat > 1 else 0.0,
        )
    return room


def draw(graph: Graph, layout: Layout, style: Style, mark: NodeMark | None = None) -> tuple[Mark, ...]:
    """Frames at the back, then lines, boxes (each as `mark` draws it, or as this form does), and labels of lines."""
    seen = looks(graph, style)
    names = titles(graph, style.titles)
    marks: list[Mark] = []
    for key, place in sorted(layout.frames.items(), key=lambda entry: len(graph.modules[entry[0]].scope)):
        marks.append(_frame(graph, key, place, layout, style, known_as(names[key], graph.modules[key])))
    marks += _lines(graph, layout, style)
    one = mark or node_mark
    marks += [one(node, seen[node.id], layout.nodes[node.id], layout.way(node.id), style) for node in graph.nodes]
    conditions = conditioning(graph)
    written: set[NodeId] = set()
    for route in layout.routes:
        label = seen[route.dst].arrow
        if label and route.dst not in written and not route.skip and (route.src, route.dst) not in conditions:
            written.add(route.dst)
            marks.append(_arrow_label(label, route.points, layout.way(route.dst), style))
    for route in layout.routes:
        if (route.src, route.dst) in conditions:
            marks += _letters(graph, route, layout, style)
    return tuple(marks)


def _lines(graph: Graph, layout: Layout, style: Style) -> list[Mark]:
    """Signals first, then what passes by others: a shared line belongs to the main one."""
    bend, arrow, conditions = style.sizes["bend"], style.sizes["arrow"], conditioning(graph)
    dots = {node.id for node in graph.nodes if node.kind == "ellipsis"}  # no line leads to what is left out
    drawn = [route for route in layout.routes if not {route.src, route.dst} & dots]
    lines = list(branching([route for route in drawn if (route.src, route.dst) in conditions], bend))
    lines += [(route, route.points) for route in sorted(drawn, key=lambda route: not route.skip)
              if (route.src, route.dst) not in conditions]
    return [link_group(route, [Link(points, line_role(route, conditions), bend, True, arrow)])
            for route, points in lines]


def _letters(graph: Graph, route: Route, layout: Layout, style: Style) -> list[Mark]:
    """What a signal is to the attention that it enters, keys and values, written before the frames around that."""
    letters = operands(graph, graph.by_id[route.dst]).get(route.src, "")
    (x0, y0), (x, y) = route.points[-2:]
    if not letters or "Q" in letters or layout.direction != "around":
        return []
    outer = [layout.frames[key] for key in graph.by_id[route.dst].scope if key in layout.frames]
    gap, size, words = style.sizes["label_gap"], style.roles["shape"].size, ", ".join(letters)
    head = style.sizes["arrow"] if not outer else 0.0
    if x0 == x:
        low = max([y, *(p.bottom for p in outer)])
        return [Text(x + gap, low + size * 0.9 + gap / 2, words, "shape")] if y0 > y else []
    if x0 < x:
        return [Text(min([x - head, *(p.x for p in outer)]) - gap / 2, y - gap, words, "shape", "end")]
    return [Text(max([x + head, *(p.right for p in outer)]) + gap / 2, y - gap, words, "shape")]


def _frame(graph: Graph, key: NodeId, place: Place, layout: Layout, style: Style, name: str) -> Group:
    module, s = graph.modules[key], style.sizes
    role = own_frame(module.attrs, style) or ("frame inner" if len(module.scope) % 2 else "frame")
    copies = (2, 1, 0) if module.repeat > 1 else (0,)
    marks: list[Mark] = [box(place.moved(i * s["stack"], i * s["stack"]), role, s["corner"]) for i in copies]
    paint = style.roles["frame title"]
    x, y = layout.titles[key]
    shown = text.fit(name, paint.size, s["max_label"], paint.weight)
    if shown:
        marks.append(Text(x, y, shown, "frame title"))
        x += text.width(shown, paint.size, paint.weight) + s["title_gap"]
    if count := frame_count(graph, module):
        marks.append(Text(x, y, count, "frame count"))
    return Group(tuple(marks), "frame", key, title=text.clean(f"{module.path} ({module.cls})"))


def node_mark(node: Node, look: Look, place: Place, direction: str, style: Style) -> Group:
    s, role = style.sizes, look.kind.role
    if look.stack:  # the copies behind it take the rest
        place = Place(place.x, place.y, place.width, place.height - 2 * s["stack"])
    if look.glyph:
        return node_group(node, role, glyph(node.kind, place, role, style))
    if look.kind.shape == "dots":       # for what is left out, side by side across the flow
        step = (0.0, place.height / 3) if direction in ("right", "left") else (place.width / 3, 0.0)
        return node_group(node, role, three_dots(*place.centre, place.width / 16, step, role))
    marks, bottom = _body(look, place, direction, s), place.bottom - s["band"] * len(look.bands)
    if look.bar and place.height > place.width:  # a bar that stands is read from below
        line, of_line = look.lines[0]
        x = place.cx + style.roles[of_line].size * 0.35
        return node_group(node, role, (*marks, Text(x, place.cy, line, of_line, "middle", -90)))
    words = label_marks(look, place.cx, (place.y + bottom) / 2, style)
    return node_group(node, role, [*marks, *words])


def label_marks(look: Look, x: float, y: float, style: Style) -> list[Mark]:
    """The lines of a label below each other, their middle at (x, y)."""
    _, high = words_room(look.lines, style)
    return [mark for line in words_below(look.lines, x, y - high / 2, style)
            for mark in grounded(line, look.kind.role, style)]


def _body(look: Look, place: Place, direction: str, s: Mapping[str, float]) -> list[Mark]:
    """A box, the copies behind it and its stripes: of a slanted box these are its plinth; those of any other lie inside
    its outline."""
    banded, shape = s["band"] * len(look.bands), look.kind.shape
    slanted = shape.startswith("trapezoid") and bool(look.bands)
    body = Place(place.x, place.y, place.width, place.height - banded) if slanted else place
    shifts = [i * s["stack"] for i in ((2, 1, 0) if look.stack else (0,))] if shape != "text" else []
    back = -1.0 if direction == "left" else 1.0    # copies do not hide the head of the line that enters
    marks = [_outline(look, body.moved(back * shift, shift), direction, look.kind.role, s) for shift in shifts]
    below = shape == ("trapezoid up" if direction == "rising" else "trapezoid")     # narrow there, where a plinth is
    inset = _lean(body, s) if slanted and below and direction not in ("right", "left") else 0.0
    stripe = Place(place.x + inset, place.y, place.width - 2 * inset, place.height)
    for i, band in enumerate(look.bands):
        last = i == len(look.bands) - 1 and not slanted
        marks.append(_band(stripe, place.bottom - banded + i * s["band"], s["band"], band, last, s["corner"]))
    return [*marks, box(place, "rim", s["corner"])] if look.bands and not slanted else marks


def _outline(look: Look, p: Place, direction: str, role: str, s: Mapping[str, float]) -> Mark:
    match look.kind.shape:
        case "trapezoid" | "trapezoid up":
            return _trapezoid(p, role, direction, _lean(p, s), narrowing=look.kind.shape == "trapezoid")
        case "parallelogram":
            slant = s["slant"]
            return polygon([(p.x + slant, p.y), (p.right, p.y), (p.right - slant, p.bottom), (p.x, p.bottom)], role)
        case "stadium":
            return box(p, role, p.height / 2)
        case _:
            return box(p, role, min(s["corner"], p.height / 4))


def _trapezoid(p: Place, role: str, direction: str, lean: float, narrowing: bool) -> Path:
    if direction in ("right", "left"):
        lean = min(lean, p.height / 6)
    a, b = (0.0, lean) if narrowing is (direction not in ("left", "rising")) else (lean, 0.0)
    return polygon([(p.x, p.y + a), (p.right, p.y + b), (p.right, p.bottom - b), (p.x, p.bottom - a)]
                   if direction in ("right", "left") else
                   [(p.x + a, p.y), (p.right - a, p.y), (p.right - b, p.bottom), (p.x + b, p.bottom)], role)


def _lean(p: Place, s: Mapping[str, float]) -> float:
    return min(s["slant"], p.height / 3)


def _band(p: Place, y: float, height: float, role: str, last: bool, corner: float) -> Mark:
    """A stripe across the box; the last one follows its rounded corners."""
    if not last:
        return polygon([(p.x, y), (p.right, y), (p.right, y + height), (p.x, y + height)], role)
    x0, x1, bottom, r = p.x, p.right, y + height, min(corner, height)
    k = r * 0.4477
    return Path((
        ("M", (x0, y)), ("L", (x1, y)), ("L", (x1, bottom - r)),
        ("C", (x1, bottom - k, x1 - k, bottom, x1 - r, bottom)), ("L", (x0 + r, bottom)),
        ("C", (x0 + k, bottom, x0, bottom - k, x0, bottom - r)), ("Z", ())), role)


def glyph(kind: str, p: Place, role: str, style: Style) -> tuple[Mark, ...]:
    """⊕, ⊖, ⊗ and the concatenation sign, drawn as shapes: the font has none of them."""
    r = p.width / 2
    x, y = p.x + r, p.cy
    arm = r * 0.58
    if kind == "cat":
        paint = style.roles["glyph text"]
        return Circle(x, y, r, role), Text(x, y + paint.size * 0.36, "C", "glyph text", "middle")
    if kind == "mul":
        arm *= 0.7071
        ends = ((x - arm, y - arm), (x + arm, y + arm)), ((x - arm, y + arm), (x + arm, y - arm))
    else:
        ends = ((x - arm, y), (x + arm, y)), ((x, y - arm), (x, y + arm))
    return Circle(x, y, r, role), *(polyline(line, "glyph sign") for line in ends[:1 if kind == "sub" else 2])


def glyph_swatch(kind: str, role: str, style: Style) -> tuple[Mark, ...]:
    """A glyph as it stands in the legend."""
    s, side = style.sizes, style.sizes["glyph"]
    return glyph(kind, Place((s["swatch"] - side) / 2, (s["swatch_height"] - side) / 2, side, side), role, style)


def _arrow_label(label: str, points: Sequence[tuple[float, float]], direction: str, style: Style) -> Text:
    size, gap = style.roles["shape"].size, style.sizes["label_gap"]
    x, y = points[-1]
    before = points[-2] if len(points) > 1 else (x, y)
    upward = before[1] > y
    if direction == "left":
        return Text(x + style.sizes["arrow"] + gap, y + size * 0.72 + gap, label, "shape")
    if direction != "right" and before[1] == y and before[0] < x:    # round a corner: beside what leads down to it
        return Text(before[0] - gap, y - gap, label, "shape", "end")
    if direction == "right":
        return Text(x - style.sizes["arrow"] - gap, y + size * 0.72 + gap, label, "shape", "end")
    return Text(x + gap, y + size * 0.72 + gap if upward else y - gap, label, "shape")


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for every kind, stripe and special line in the figure; swatches stand at the origin."""
    s = style.sizes
    swatch = Place(0.0, 0.0, s["swatch"], s["swatch_height"])
    seen = looks(graph, style)
    entries: dict[str, tuple[Mark, ...]] = {}
    for kind in KINDS:
        drawn = [seen[n.id] for n in graph.nodes if kind_of(n) == kind and not own_role(n.attrs, style)]
        look = drawn[0].kind if drawn else None
        if look and look.name and look.shape != "text":
            entries.setdefault(look.name, glyph_swatch(kind, look.role, style) if any(one.glyph for one in drawn) else
                               (_outline(Look(look, ()), swatch, "right", look.role, s),))
    stripes = [(band, look.names.get(band, "")) for look in seen.values() for band in look.bands]
    for band, name in dict.fromkeys(stripes):
        stripe = _band(swatch, (swatch.height - s["band"]) / 2, s["band"], band, True, 0.0)
        entries.setdefault(name or style.kinds[band.removesuffix(" band")].name, (stripe,))
    for name, role in line_entries(graph, style):
        entries[name] = line_swatch(role, style)
    return list(entries.items())
