"""The sublayers form: sublayers as wide boxes of one width, the way they stand in papers on attention.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

An attention is entered by an arrow head each for values, keys and queries; an encoding by sines is a circle with a
wave; an image that is cut into patches shows them; a frame has its ×N at its side.
"""
from __future__ import annotations

from dataclasses import replace
from math import pi, sin

from archviz.core import text
from archviz.core.geometry import Frame, Layout, Place, Size
from archviz.core.graph import SUMS, Graph, Module, Node, NodeId
from archviz.core.scene import Box, Circle, Group, Link, Mark, Text
from archviz.drawing.forms import Traits, block
from archviz.drawing.forms._lines import branching
from archviz.drawing.forms._operands import operands
from archviz.drawing.forms._shapes import box, node_group, polyline
from archviz.drawing.forms.block import words_room
from archviz.drawing.labels import Look, count_of, kind_of, looks, own_frame
from archviz.style.style import Style

ORDER = "VKQ"       # from left to right: values and keys come from the encoder on the left
TOKENS = 7          # cells of a row of tokens
MOST_PATCHES = 16   # a side cut into more is shown as so many
TRAITS = Traits(opens=True)


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """Room for each node; boxes have one width, as wide as the widest of them."""
    s = style.sizes
    seen = _looks(graph, style)
    sized: dict[NodeId, Size] = {}
    for node in graph.nodes:
        look = seen[node.id]
        wide, high = words_room(look.lines, style)
        if look.glyph:
            sized[node.id] = Size(s["glyph"], s["glyph"], joint=True)
        elif _waves(node):
            sized[node.id] = Size(s["wave"] + s["label_gap"] + wide, max(s["wave"], high))
        elif _cut(graph, node):
            sized[node.id] = Size(max(s["picture"], wide), s["picture"] + s["label_gap"] + high)
        elif look.kind.shape == "text":
            sized[node.id] = Size(wide, high)
        else:
            slant = 2 * s["slant"] if look.kind.shape not in ("box", "dashed") else 0.0
            high += 2 * s["box_y"] + s["band"] * len(look.bands) + 2 * s["stack"] * look.stack
            sized[node.id] = Size(max(wide + 2 * s["box_x"] + slant, s["min_box"]), high)
    boxes = [key for key, size in sized.items() if _boxed(graph.by_id[key], seen[key])]
    widest = max((sized[key].width for key in boxes), default=0.0)
    for node in graph.nodes:
        if _tokens(node):
            sized[node.id] = Size(max(widest, s["token"] * TOKENS), s["token"])
    for key in boxes:
        sized[key] = replace(sized[key], width=widest, ports=_ports(graph, graph.by_id[key], widest, s["port"]))
    return sized


def _boxed(node: Node, look: Look) -> bool:
    return not _tokens(node) and not look.glyph and look.kind.shape != "text" and not _waves(node)


def _ports(graph: Graph, node: Node, width: float, apart: float) -> dict[NodeId, tuple[float, ...]]:
    """Where the lines of each source end, from the left edge of the box."""
    brought = operands(graph, node) if node.kind == "attention" else {}
    letters = "".join(brought.values())
    if sorted(letters) != sorted(ORDER):
        return {}
    at = {letter: width / 2 + (i - 1) * apart for i, letter in enumerate(ORDER)}
    return {source: tuple(at[letter] for letter in ORDER if letter in part) for source, part in brought.items()}


def _looks(graph: Graph, style: Style) -> dict[NodeId, Look]:
    """As every form's, with the ways of this one: a sum is a glyph however many it joins, words are broken to lines."""
    seen = looks(graph, style)
    for node in graph.nodes:
        look = seen[node.id]
        if kind_of(node) in SUMS and not look.glyph:
            look = Look(look.kind, (), glyph=True)
        if _waves(node):
            look = replace(look, lines=((style.captions["sinusoidal"], "label"),))
        if _boxed(node, look) and "label" not in node.attrs:
            look = replace(look, lines=tuple((line[:1].upper() + line[1:], role) if role == "label" and i == 0 else
                                             (line, role) for i, (line, role) in enumerate(look.lines)))
        lines = tuple((piece, role) for line, role in look.lines for piece in _wrapped(line, role, style))
        seen[node.id] = replace(look, lines=lines)
    return seen


def _wrapped(line: str, role: str, style: Style) -> list[str]:
    """A line in as many as it takes to be no wider than ``break_label``, as evenly as its words allow."""
    paint, limit = style.roles[role], style.sizes["break_label"]
    pieces = [""]
    for word in line.split(" "):
        longer = f"{pieces[-1]} {word}".strip()
        if pieces[-1] and text.width(longer, paint.size, paint.weight, paint.italic) > limit:
            pieces.append(word)
        else:
            pieces[-1] = longer
    return pieces


def _waves(node: Node) -> bool:
    return bool(node.attrs.get("wave")) and "label" not in node.attrs


def _tokens(node: Node) -> int:
    """How many tokens there are behind a concatenation of tokens; 0 for another."""
    if node.kind != "cat" or not node.out or "label" in node.attrs:
        return 0
    shape = node.out[0].shape
    return shape[1] if len(shape) == 3 and node.attrs.get("dim") in (1, -2) and shape[1] >= TOKENS else 0


def _cut(graph: Graph, node: Node) -> tuple[int, int] | None:
    """Into how many patches, down and across, all that reads an image cuts it."""
    readers = [graph.by_id[edge.dst] for edge in graph.outgoing[node.id]]
    if node.kind != "input" or len(readers) != 1 or not node.out or len(node.out[0].shape) != 4:
        return None
    kernel, stride = readers[0].attrs.get("kernel_size"), readers[0].attrs.get("stride")
    if readers[0].op != "patches" or not isinstance(kernel, list) or kernel != stride:
        return None
    height, width = node.out[0].shape[-2:]
    return max(height // kernel[0], 1), max(width // kernel[1], 1)


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """A frame around what stands for many; its ×N stands at its side."""
    paint = style.roles["frame count"]
    return {key: Frame(0.0, text.width(_count(module), paint.size, paint.weight),
                       paint.size * style.sizes["leading"], whole=True)
            for key, module in graph.modules.items() if _framed(module)}


def _count(module: Module) -> str:
    return f"{count_of(module.repeat, module.attrs).removeprefix('×') or 1}×{' shared' if module.shared else ''}"


def _framed(module: Module) -> bool:
    """What stands for many, or of two models that are compared for more or fewer in one of them."""
    return module.repeat > 1 or "times" in module.attrs


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Frames at the back, then lines, boxes, and the letters of operands on top."""
    s, seen = style.sizes, _looks(graph, style)
    outward = sorted(layout.frames, key=lambda key: len(graph.modules[key].scope))
    marks: list[Mark] = [_frame(graph, key, layout, style) for key in outward if _framed(graph.modules[key])]
    links: dict[tuple[NodeId, NodeId], list[Mark]] = {}
    for route, points in branching(layout.routes, s["bend"]):
        if seen[route.src].kind.shape == "parallelogram" and points[0][1] == points[1][1]:     # its side is slanted
            inwards = s["slant"] / 2 if points[0][0] > points[1][0] else -s["slant"] / 2
            points = ((points[0][0] + inwards, points[0][1]), *points[1:])
        role = "edge skip" if route.skip else "edge"
        links.setdefault((route.src, route.dst), []).append(Link(points, role, s["bend"], True, s["arrow"]))
    marks += [Group(tuple(lines), "link", edge=ends) for ends, lines in links.items()]
    marks += [_node(graph, node, seen[node.id], layout, style) for node in graph.nodes]
    return (*marks, *(letter for node in graph.nodes for letter in _letters(graph, node, layout, style)))


def _frame(graph: Graph, key: NodeId, layout: Layout, style: Style) -> Group:
    module, inner = graph.modules[key], sum(k in layout.frames for k in graph.modules[key].scope) % 2
    role = own_frame(module.attrs, style) or ("frame inner" if inner else "frame")
    count = [Text(*layout.titles[key], _count(module), "frame count")] if key in layout.titles else []
    outline: Mark = box(layout.frames[key], role, style.sizes["frame_corner"])
    return Group((outline, *count), "frame", key, title=text.clean(f"{module.path} ({module.cls})"))


def _node(graph: Graph, node: Node, look: Look, layout: Layout, style: Style) -> Group:
    place, s, role = layout.nodes[node.id], style.sizes, look.kind.role
    if _boxed(node, look):
        return block.node_mark(node, look, place, layout.way(node.id), style)
    if _tokens(node):
        return node_group(node, role, _row(graph, node, place, style))
    if look.glyph:
        return node_group(node, role, block.glyph(kind_of(node), place, role, style))
    (wide, high), centre, middle = words_room(look.lines, style), place.cx, place.cy
    marks: list[Mark] = []
    if _waves(node):
        fed = [layout.nodes[edge.dst] for edge in graph.outgoing[node.id] if edge.dst in layout.nodes]
        ahead, r = bool(fed) and fed[0].x > place.x, s["wave"] / 2
        marks += _wave(place.right - r if ahead else place.x + r, middle, r, role)
        centre = (place.x if ahead else place.x + s["wave"] + s["label_gap"]) + wide / 2
    elif cut := _cut(graph, node):
        side = s["picture"]
        marks += _patches(place.x + (place.width - side) / 2, place.y, side, *(min(n, MOST_PATCHES) for n in cut))
        middle = place.y + side + s["label_gap"] + high / 2
    y = middle - high / 2
    for line, of_line in look.lines:
        size = style.roles[of_line].size
        marks.append(Text(centre, y + size * (s["leading"] / 2 + 0.35), line, of_line, "middle"))
        y += size * s["leading"]
    return node_group(node, role, marks)


def _wave(x: float, y: float, r: float, role: str) -> list[Mark]:
    """A circle with one period of a sine."""
    wide, high, steps = 0.72 * r, 0.5 * r, 16
    points = [(x - wide + 2 * wide * i / steps, y - high * sin(2 * pi * i / steps)) for i in range(steps + 1)]
    return [Circle(x, y, r, role), polyline(points, "glyph sign")]


def _row(graph: Graph, node: Node, place: Place, style: Style) -> list[Mark]:
    """The tokens that a concatenation gives, as a row without its middle; those that are weights differ."""
    marks: list[Mark] = []
    count, side, size = _tokens(node), place.width / TOKENS, style.roles["token"].size
    gap = style.sizes["token_gap"]
    learned, at = set[int](), 0
    for edge in sorted(graph.incoming[node.id], key=lambda edge: edge.slot):
        length = edge.tensor.shape[1] if edge.tensor is not None and len(edge.tensor.shape) == 3 else 1
        learned |= set(range(at, at + length)) if graph.by_id[edge.src].kind == "parameter" else set()
        at += length
    shown = [*range(TOKENS - 2), None, count - 1]
    for i, number in enumerate(shown):
        x, y = place.x + i * side, place.cy + size * 0.35
        if number is None:
            marks.append(Text(x + side / 2, y, "…", "token", "middle"))
            continue
        role = "token learned" if number in learned else "token cell"
        marks.append(Box(x + gap / 2, place.y, side - gap, place.height, role, style.sizes["corner"]))
        marks.append(Text(x + side / 2, y, f"{number}{'*' * (number in learned)}", "token", "middle"))
    return marks


def _patches(x: float, y: float, side: float, down: int, across: int) -> list[Mark]:
    """A picture of a hill under the sun, cut into patches."""
    marks: list[Mark] = []
    for i in range(down * across):
        u, v = (i % across + 0.5) / across, (i // across + 0.5) / down
        hill, sun = v > 0.66 + 0.14 * sin(5 * u + 2.2), (u - 0.714) ** 2 + (v - 0.286) ** 2 < 0.017
        role = "patch hill" if hill else "patch sun" if sun else "patch"
        marks.append(Box(x + (u - 0.5 / across) * side, y + (v - 0.5 / down) * side, side / across, side / down, role))
    return marks


def _letters(graph: Graph, node: Node, layout: Layout, style: Style) -> list[Mark]:
    """Q, K and V beside the arrow heads that bring them."""
    place, s = layout.nodes[node.id], style.sizes
    ports = _ports(graph, node, place.width, s["port"])
    size, sign = style.roles["operand"].size, 1.0 if layout.direction == "up" else -1.0
    foot = place.bottom if sign > 0 else place.y
    at = sorted({x for xs in ports.values() for x in xs})
    if layout.direction not in ("up", "down") or not at:
        return []
    y = foot + sign * (s["arrow"] * 0.5 + size * 0.5) + size * 0.35
    return [Text(place.x + x + s["operand_gap"], y, letter, "operand") for x, letter in zip(at, ORDER, strict=True)]


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """Nothing: every box says what it is."""
    return []
