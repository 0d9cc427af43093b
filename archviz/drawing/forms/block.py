"""The block form: one box per operation, a colour and a shape per kind, frames around what belongs together.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archviz.core import text
from archviz.core.conditioning import conditioning
from archviz.core.geometry import Frame, Layout, Place, Route, Size
from archviz.core.graph import KINDS, Graph, Node, NodeId
from archviz.core.naming import known_as, titles
from archviz.core.scene import Box, Circle, Group, Link, Mark, Path, Text, polygon
from archviz.drawing.forms import Traits
from archviz.drawing.forms._lines import branching, line_entries, line_role
from archviz.drawing.forms._operands import operands
from archviz.drawing.forms._shapes import grounded
from archviz.drawing.labels import Look, frame_count, kind_of, looks, own_frame, own_role
from archviz.style.style import Style

TRAITS = Traits(opens=True, nests=True)

# ------------------------------------------------------------------------------------------------ how big


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Room for each node; nodes of one frame that are nearly equally wide get one width."""
    s = style.sizes
    found: dict[NodeId, Size] = {}
    for key, look in looks(graph, style).items():
        if look.glyph:
            found[key] = Size(s["glyph"], s["glyph"], joint=True)
            continue
        if look.kind.shape == "dots":
            found[key] = Size(2 * s["glyph"], 2 * s["glyph"])
            continue
        width = (
            max(
                (
                    text.width(line, style.roles[role].size, style.roles[role].weight, style.roles[role].italic)
                    for line, role in look.lines
                ),
                default=0.0,
            )
            + 2 * s["box_x"]
        )
        if look.kind.shape in ("trapezoid", "trapezoid up", "parallelogram", "stadium"):
            width += 2 * s["slant"]
        height = (
            2 * s["box_y"]
            + sum(style.roles[role].size * s["leading"] for _, role in look.lines)
            + s["band"] * len(look.bands)
        )
        height += 2 * s["stack"] * look.stack
        label = (
            (text.width(look.arrow, style.roles["shape"].size), style.roles["shape"].size) if look.arrow else (0.0, 0.0)
        )
        found[key] = Size(max(width, s["min_box"]), height, label=label, spans=look.bar)
    return _evened(graph, found, s["even"])


def _evened(graph: Graph, found: dict[NodeId, Size], most: float) -> dict[NodeId, Size]:
    """Boxes of one frame as wide as its widest, where that is no more than `most` times their own width."""
    siblings: dict[NodeId, list[NodeId]] = {}
    for node in graph.nodes:
        if not (found[node.id].joint or found[node.id].spans) and node.kind not in ("input", "output"):
            siblings.setdefault(node.scope[-1] if node.scope else "", []).append(node.id)
    for group in siblings.values():
        for key in group:
            size = found[key]
            wide = max(found[k].width for k in group if found[k].width <= size.width * most)
            found[key] = Size(wide, size.height, False, size.label)
    return found


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


# ------------------------------------------------------------------------------------------------ drawing


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Frames at the back, then lines, boxes, and labels of lines on top."""
    seen = looks(graph, style)
    names = titles(graph, style.titles)
    marks: list[Mark] = []
    for key, place in sorted(layout.frames.items(), key=lambda entry: len(graph.modules[entry[0]].scope)):
        marks.append(_frame(graph, key, place, layout, style, known_as(names[key], graph.modules[key])))
    dots = {node.id for node in graph.nodes if node.kind == "ellipsis"}  # no line leads to what is left out
    told = conditioning(graph)
    drawn = [route for route in layout.routes if not {route.src, route.dst} & dots]
    lines = list(branching([route for route in drawn if (route.src, route.dst) in told], style.sizes["bend"]))
    lines += [(route, route.points) for route in sorted(drawn, key=lambda route: not route.skip)
              if (route.src, route.dst) not in told]    # a shared line belongs to the main one
    for route, points in lines:
        marks.append(
            Group(
                (Link(points, line_role(route, told), style.sizes["bend"], True, style.sizes["arrow"]),),
                "link",
                edge=(route.src, route.dst),
            )
        )
    for node in graph.nodes:
        marks.append(node_mark(node, seen[node.id], layout.nodes[node.id], layout.direction, style))
    written: set[NodeId] = set()
    for route in layout.routes:
        label = seen[route.dst].arrow
        if label and route.dst not in written and not route.skip and (route.src, route.dst) not in told:
            written.add(route.dst)
            marks.append(_arrow_label(label, route.points, layout.direction, style))
    for route in layout.routes:
        if (route.src, route.dst) in told:
            marks += _letters(graph, route, layout, style)
    return tuple(marks)


def _letters(graph: Graph, route: Route, layout: Layout, style: Style) -> list[Mark]:
    """What a signal is to the attention that it enters, keys and values, written before the frames around that."""
    found = operands(graph, graph.by_id[route.dst]).get(route.src, "")
    (x0, y0), (x, y) = route.points[-2:]
    if not found or "Q" in found or layout.direction != "around":
        return []
    outer = [layout.frames[key] for key in graph.by_id[route.dst].scope if key in layout.frames]
    gap, size, words = style.sizes["label_gap"], style.roles["shape"].size, ", ".join(found)
    head = style.sizes["arrow"] if not outer else 0.0
    if x0 == x:
        low = max([y, *(p.bottom for p in outer)])
        return [Text(x + gap, low + size * 0.9 + gap / 2, words, "shape")] if y0 > y else []
    if x0 < x:
        return [Text(min([x - head, *(p.x for p in outer)]) - gap / 2, y - gap, words, "shape", "end")]
    return [Text(max([x + head, *(p.right for p in outer)]) + gap / 2, y - gap, words, "shape")]


def _frame(graph: Graph, key: NodeId, place: Place, layout: Layout, style: Style, name: str) -> Group:
    module, s = graph.modules[key], style.sizes
    role = "frame inner" if len(module.scope) % 2 else "frame"
    role = own_frame(module.attrs, style) or role
    marks: list[Mark] = []
    if module.repeat > 1:
        for i in (2, 1):
            marks.append(
                Box(place.x + i * s["stack"], place.y + i * s["stack"], place.width, place.height, role, s["corner"])
            )
    marks.append(Box(place.x, place.y, place.width, place.height, role, s["corner"]))
    paint = style.roles["frame title"]
    x, y = layout.titles[key]
    shown = text.fit(name, paint.size, s["max_label"], paint.weight)
    if shown:
        marks.append(Text(x, y, shown, "frame title"))
    count = frame_count(graph, module)
    if count:
        marks.append(
            Text(
                x + (text.width(shown, paint.size, paint.weight) + s["title_gap"] if shown else 0.0),
                y,
                count,
                "frame count",
            )
        )
    return Group(tuple(marks), "frame", key, title=text.clean(f"{module.path} ({module.cls})"))


def node_mark(node: Node, look: Look, place: Place, direction: str, style: Style) -> Group:
    s, role = style.sizes, look.kind.role
    marks: list[Mark] = []
    if look.stack:  # the copies behind it take the rest
        place = Place(place.x, place.y, place.width, place.height - 2 * s["stack"])
    tip = text.clean(f"{node.id} ({node.op})" + (f", {text.units(node.params)} parameters" if node.params else ""))
    if look.glyph:
        return Group(glyph(node.kind, place, role, style), role, node.id, title=tip)
    if look.kind.shape == "dots":
        return Group(_dots(place, direction, role), role, node.id, title=tip)
    banded = s["band"] * len(look.bands)
    slanted = look.kind.shape.startswith("trapezoid") and bool(look.bands)
    # the stripes of a slanted box are its plinth; those of any other lie inside its outline
    body = Place(place.x, place.y, place.width, place.height - banded) if slanted else place
    for i in (2, 1, 0) if look.stack else (0,):
        shift = i * s["stack"]
        if look.kind.shape != "text":
            copy = body.moved(shift, shift)
            marks.append(_outline(look, copy, direction, role, s))
    bottom = place.bottom - banded
    inset = _lean(body, s) if slanted and look.kind.shape == "trapezoid" and direction != "right" else 0.0
    stripe = Place(place.x + inset, place.y, place.width - 2 * inset, place.height)
    for i, band in enumerate(look.bands):
        last = i == len(look.bands) - 1 and not slanted
        marks.append(_band(stripe, bottom + i * s["band"], s["band"], band, last, s["corner"]))
    if look.bands and not slanted:
        marks.append(Box(place.x, place.y, place.width, place.height, "rim", s["corner"]))
    heights = [style.roles[r].size * s["leading"] for _, r in look.lines]
    y = (place.y + bottom) / 2 - sum(heights) / 2
    if look.bar and place.height > place.width:  # a bar that stands is read from below
        (line, r), x = look.lines[0], place.cx + style.roles[look.lines[0][1]].size * 0.35
        return Group((*marks, Text(x, place.cy, line, r, "middle", -90)), role, node.id, title=tip)
    for (line, r), height in zip(look.lines, heights, strict=True):
        size = style.roles[r].size
        marks += grounded(Text(place.cx, y + height / 2 + size * 0.35, line, r, "middle"), role, style)
        y += height
    return Group(tuple(marks), role, node.id, title=tip)


def _outline(look: Look, p: Place, direction: str, role: str, s: Mapping[str, float]) -> Mark:
    lean = _lean(p, s)
    match look.kind.shape:
        case "trapezoid":
            return _trapezoid(p, role, direction, lean, narrowing=True)
        case "trapezoid up":
            return _trapezoid(p, role, direction, lean, narrowing=False)
        case "parallelogram":
            return polygon(
                [
                    (p.x + s["slant"], p.y),
                    (p.right, p.y),
                    (p.right - s["slant"], p.bottom),
                    (p.x, p.bottom),
                ],
                role,
            )
        case "stadium":
            return Box(p.x, p.y, p.width, p.height, role, p.height / 2)
        case _:
            return Box(p.x, p.y, p.width, p.height, role, min(s["corner"], p.height / 4))


def _trapezoid(p: Place, role: str, direction: str, lean: float, narrowing: bool) -> Path:
    if direction == "right":
        a, b = (0.0, min(lean, p.height / 6)) if narrowing else (min(lean, p.height / 6), 0.0)
        return polygon(
            [(p.x, p.y + a), (p.right, p.y + b), (p.right, p.bottom - b), (p.x, p.bottom - a)],
            role,
        )
    a, b = (0.0, lean) if narrowing else (lean, 0.0)
    return polygon(
        [(p.x + a, p.y), (p.right - a, p.y), (p.right - b, p.bottom), (p.x + b, p.bottom)], role
    )


def _lean(p: Place, s: Mapping[str, float]) -> float:
    return min(s["slant"], p.height / 3)


def _band(p: Place, y: float, height: float, role: str, last: bool, corner: float) -> Mark:
    """A stripe across the box; the last one follows its rounded corners."""
    if not last:
        return polygon([(p.x, y), (p.right, y), (p.right, y + height), (p.x, y + height)], role)
    x0, x1, bottom, r = p.x, p.right, y + height, min(corner, height)
    k = r * 0.4477
    return Path(
        (
            ("M", (x0, y)),
            ("L", (x1, y)),
            ("L", (x1, bottom - r)),
            ("C", (x1, bottom - k, x1 - k, bottom, x1 - r, bottom)),
            ("L", (x0 + r, bottom)),
            ("C", (x0 + k, bottom, x0, bottom - k, x0, bottom - r)),
            ("Z", ()),
        ),
        role,
    )


def glyph(kind: str, p: Place, role: str, style: Style) -> tuple[Mark, ...]:
    """⊕, ⊗ and the concatenation sign, drawn as shapes: the font has none of them."""
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
    return Circle(x, y, r, role), *(Path((("M", a), ("L", b)), "glyph sign") for a, b in ends)


def _dots(p: Place, direction: str, role: str) -> tuple[Mark, ...]:
    """Three dots in the place of what is left out, side by side across the flow."""
    step = (0.0, p.height / 3) if direction == "right" else (p.width / 3, 0.0)
    x, y = p.centre
    return tuple(Circle(x + i * step[0], y + i * step[1], p.width / 16, role) for i in (-1, 0, 1))


def _arrow_label(label: str, points: Sequence[tuple[float, float]], direction: str, style: Style) -> Text:
    size, gap = style.roles["shape"].size, style.sizes["label_gap"]
    x, y = points[-1]
    before = points[-2] if len(points) > 1 else (x, y)
    upward = before[1] > y
    if direction != "right" and before[1] == y and before[0] < x:    # round a corner: beside what leads down to it
        return Text(before[0] - gap, y - gap, label, "shape", "end")
    if direction == "right":
        return Text(x - style.sizes["arrow"] - gap, y + size * 0.72 + gap, label, "shape", "end")
    return Text(x + gap, y + size * 0.72 + gap if upward else y - gap, label, "shape")


# ------------------------------------------------------------------------------------------------ legend


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for every kind, stripe and special line in the figure; swatches stand at the origin."""
    s = style.sizes
    swatch = Place(0.0, 0.0, s["swatch"], s["swatch_height"])
    seen = looks(graph, style)
    entries: dict[str, tuple[Mark, ...]] = {}
    for kind in KINDS:
        of_kind = [n for n in graph.nodes if kind_of(n) == kind and not own_role(n.attrs, style)]
        look = seen[of_kind[0].id] if of_kind else None
        if look is None or not look.kind.name or look.kind.shape == "text":
            continue
        if look.glyph or any(seen[n.id].glyph for n in of_kind):
            side = s["glyph"]
            spot = Place((swatch.width - side) / 2, (swatch.height - side) / 2, side, side)
            entries.setdefault(look.kind.name, glyph(kind, spot, look.kind.role, style))
        else:
            plain = Look(look.kind, ())
            entries.setdefault(look.kind.name, (_outline(plain, swatch, "right", look.kind.role, s),))
    for band in dict.fromkeys(band for look in seen.values() for band in look.bands):
        fused = style.kinds[band.removesuffix(" band")]
        if fused.name not in entries:
            stripe = Place(0.0, (swatch.height - s["band"]) / 2, swatch.width, s["band"])
            entries[fused.name] = (_band(stripe, stripe.y, stripe.height, band, True, 0.0),)
    middle = swatch.height / 2
    for name, role in line_entries(graph, style):
        entries[name] = (Link(((0.0, middle), (swatch.width, middle)), role, head=s["arrow"]),)
    return list(entries.items())
