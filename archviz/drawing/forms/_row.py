"""A chain of layers neuron by neuron, from left to right: what each node is drawn as, and how wide that is.

In: a graph, a style, the pictures of what has one.  Out: `Row`.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from archviz.core import text
from archviz.core.geometry import Size
from archviz.core.graph import Graph, Node, NodeId, is_chain
from archviz.core.scene import Box, Mark, Text
from archviz.drawing.forms import _connections, block
from archviz.drawing.forms._shapes import grounded
from archviz.drawing.forms._steps import Interior
from archviz.drawing.forms._symbols import symbol
from archviz.drawing.forms._symbols import width as symbol_width
from archviz.drawing.forms._units import BIAS, Units, column, grids, rows_of, strips
from archviz.drawing.labels import looks, role_of
from archviz.style.style import Style

EACH = frozenset(("act", "math", "dropout", "identity", "cast"))
"""Kinds that compute each number from the one number at its place."""

MIXED = frozenset(("softmax", "norm"))
"""Kinds that give as many numbers as they take, each from all of them."""


@dataclass(frozen=True)
class Part:
    """One node: its core (units, a picture, or a box), and what is written around it.

    left, right   room beside the core, for labels
    link          how it is fed: ``dense``, ``window``, ``one``, ``arrow``, or "" for the first
    head          marks above the core, about x = 0, up from y = 0; `pill` what is applied on the way in, and its role
    """

    node: Node
    width: float
    height: float
    units: Units | None = None
    picture: Interior | None = None
    left: float = 0.0
    right: float = 0.0
    lines: tuple[tuple[str, str], ...] = ()
    link: str = ""
    windows: tuple[_connections.Window, ...] = ()
    head: tuple[Mark, ...] = ()
    pill: tuple[str, str] = ("", "")

    @property
    def axis(self) -> float:
        """How far below the top of the core the flow goes through it."""
        return self.picture.axis if self.picture else self.height / 2


@dataclass(frozen=True)
class Row:
    """Parts in order, all of one height, their cores on one axis; `gaps` is the room before each.

    `labels` is where what is written below begins, `weights` are those of the lines drawn, as far as they are known.
    """

    parts: tuple[Part, ...]
    gaps: tuple[float, ...]
    axis: float
    labels: float
    height: float
    weights: tuple[float, ...]

    @property
    def largest(self) -> float:
        """The largest weight, whatever its sign; 0 without any."""
        return max(map(abs, self.weights), default=0.0)

    def sizes(self) -> dict[NodeId, Size]:
        return {part.node.id: Size(part.left + part.width + part.right, self.height, label=(gap, 0.0))
                for part, gap in zip(self.parts, self.gaps, strict=True)}


def row(graph: Graph, style: Style, pictures: Mapping[NodeId, Interior]) -> Row | None:
    """The row that `graph` is drawn as; None where it is no chain, or has no layer to show neuron by neuron."""
    if not is_chain(graph) or any(module.repeat > 1 for module in graph.modules.values()):
        return None
    shapes = _shapes(graph)
    parts = _parts(graph, shapes, _with_cells(shapes, style), pictures)
    if not any(part.units and part.node.kind in ("linear", "conv", "pool") for part in parts):
        return None
    gaps = [0.0, *(_gap(a, b, style) for a, b in pairwise(parts))]
    s = style.sizes
    above = max(part.axis for part in parts)
    if any(part.head or part.pill[0] for part in parts):
        above += s["head"]
    below = max(part.height - part.axis for part in parts)
    written = max(sum(style.roles[role].size * s["leading"] for _, role in part.lines) for part in parts)
    below += s["label_gap"] if written else 0.0
    weights = tuple(line.weight for a, b in pairwise(parts) if b.link == "dense"
                    for line in lines(a, b, style) if line.weight is not None)
    return Row(tuple(parts), tuple(gaps), above, above + below, above + below + written, weights)


def lines(a: Part, b: Part, style: Style) -> list[_connections.Connection]:
    """The lines of a dense link that are drawn."""
    assert a.units is not None and b.units is not None
    return _connections.strongest(_connections.dense(b.node, a.units, b.units), style.options["edges"])


def _gap(a: Part, b: Part, style: Style) -> float:
    """Room between two parts so that their cores stand as far apart as their link asks for."""
    s = style.sizes
    apart = s[{"dense": "dense", "window": "local"}.get(b.link, "apart")]
    if b.pill[0]:
        apart = max(apart, text.width(b.pill[0], style.roles["sublabel"].size) + 12.0)
    return max(apart - a.right - b.left, s["least_apart"])


def _with_cells(shapes: Mapping[NodeId, tuple[int, ...]], style: Style) -> Style:
    """The style with cells so large that the highest feature map is as high as the style asks for."""
    s = style.sizes
    high = max((rows_of(shape, style) for shape in shapes.values() if len(shape) == 3), default=1)
    side = min(max(s["map"] / high, s["cell"]), s["largest_cell"])
    return replace(style, sizes={**s, "cell": side})


def _parts(graph: Graph, shapes: Mapping[NodeId, tuple[int, ...]], style: Style, pictures: Mapping[NodeId, Interior],
           ) -> list[Part]:
    boxes = block.sizes(graph, style)
    seen = looks(graph, replace(style, sizes={**style.sizes, "break_label": style.sizes["column_label"]}))
    parts: list[Part] = []
    hidden = [node.id for node in graph.nodes if node.kind == "linear"][:-1]
    flat = not any(len(shape) > 1 and not _as_neurons(shape, style) for shape in shapes.values())
    for node, follows in zip(graph.nodes, (*graph.nodes[1:], None), strict=True):
        before = parts[-1] if parts else None
        if node.id in pictures:
            part = Part(node, pictures[node.id].width, pictures[node.id].height, None, pictures[node.id])
        elif units := _units(node, shapes.get(node.id), before, follows, style):
            part = _with_words(node, units, seen[node.id].lines, flat, style)
            if flat and node.id in hidden:
                number = f"({hidden.index(node.id) + 1})" if len(hidden) > 1 else ""
                part = replace(part, head=symbol(0.0, 0.0, "h", style, sup=number, anchor="middle"))
            part = replace(part, pill=_pill(node, style) if before else ("", ""))
        else:
            part = Part(node, boxes[node.id].width, boxes[node.id].height)
        link, windows = _link(before, part)
        parts.append(replace(part, link=link, windows=windows))
    return parts


def _with_words(node: Node, units: Units, lines: tuple[tuple[str, str], ...], flat: bool, style: Style) -> Part:
    """Numbers with the words below them, and room for these."""
    if node.kind in MIXED:      # their name is in them
        lines = ()
    if len(units.shape) > 1 and not units.round and node.kind not in ("input", "output") and node.out:
        lines = (*lines, (text.shape(node.out[0]), "sublabel"))
    fonts = [(line, style.roles[role]) for line, role in lines]
    wide = max((text.width(line, font.size, font.weight) for line, font in fonts), default=0.0)
    beside = max((wide - units.width) / 2, 0.0)
    left = max(beside, _names(units, style) if node.kind == "input" and flat and units.round else 0.0)
    return Part(node, units.width, units.height, units, None, left, beside, lines)


def _names(units: Units, style: Style) -> float:
    """Room for the names of the numbers of a column, to its left."""
    widths = (symbol_width("x", style, sub=str(i + 1) if units.count > 1 else "") for i in units.at if i != BIAS)
    return max(widths, default=0.0) + 3.0


def _pill(node: Node, style: Style) -> tuple[str, str]:
    """What follows within the node, and the role it is painted in."""
    ops, kinds = node.attrs.get("fused", ()), node.attrs.get("fused_kinds", ())
    return ", ".join(text.caption(style.captions, op, {}) for op in ops), (
        style.kinds[kinds[-1]].role if kinds and kinds[-1] in style.kinds else "math")


def _units(node: Node, shape: tuple[int, ...] | None, before: Part | None, follows: Node | None, style: Style
           ) -> Units | None:
    if shape is None:
        return None
    role = role_of(node, style)
    taken = before.units if before else None
    if node.kind == "output":
        return _outputs(taken, style) if taken else None
    if node.kind in MIXED:
        return _bar(node, taken, role, style) if taken and len(shape) == 1 else None
    if len(shape) == 3:
        return grids((shape[0], shape[1], shape[2]), role, style)
    if _as_neurons(shape, style):
        named = node.kind == "input" and follows is not None and follows.kind == "conv"
        return replace(column(shape[1], role, style, "x" if named else ""), shape=shape)
    if len(shape) == 2:
        return strips((shape[0], shape[1]), role, style)
    biased = bool(style.options["bias"] and follows and follows.kind == "linear"
                  and follows.attrs.get("bias") is not False)
    named = node.kind == "input" and follows is not None and follows.kind == "linear"
    return column(shape[0], role, style, "x" if named else "", biased)


def _as_neurons(shape: tuple[int, ...], style: Style) -> bool:
    """Is it a signal of one channel, and are these drawn as neurons?"""
    return len(shape) == 2 and shape[0] == 1 and style.options["signals"] == "neurons"


def _outputs(taken: Units, style: Style) -> Units | None:
    """Names beside the numbers before."""
    if not taken.side_by_side or (len(taken.shape) > 1 and not taken.round):
        return None
    subs = {key: str(key + 1) if taken.count > 1 else "" for key in taken.at if key != BIAS}
    wide = max(symbol_width("ŷ", style, sub=sub) for sub in subs.values())
    marks = tuple(mark for key, sub in subs.items() for mark in symbol(
        0.0, taken.at[key][1] + 0.3 * style.roles["symbol"].size, "ŷ", style, sub=sub))
    return Units(wide, taken.height, taken.shape, marks, {key: (0.0, taken.at[key][1]) for key in subs}, 1.5)


def _bar(node: Node, taken: Units, role: str, style: Style) -> Units | None:
    """A tall box that all numbers go through together, its name along it."""
    if not taken.side_by_side:
        return None
    size = style.roles["label"].size
    wide, radius = size + 5.0, style.sizes["neuron"] / 2
    name = text.caption(style.captions, node.op, node.attrs)
    high = max(taken.height, text.width(name, size) + 8.0)
    top = (high - taken.height) / 2
    marks = (Box(0.0, 0.0, wide, high, role, min(style.sizes["corner"], radius)),
             *grounded(Text(wide / 2 + 0.35 * size, high / 2, name, "label", "middle", -90.0), role, style))
    at = {key: (wide / 2, y + top) for key, (_, y) in taken.at.items() if key != BIAS}
    return Units(wide, high, taken.shape, marks, at, wide / 2)


def _shapes(graph: Graph) -> dict[NodeId, tuple[int, ...]]:
    """The shape of what each node gives, where it can be drawn number by number: (n,), (channels, length), (channels,
    height, width)."""
    shapes: dict[NodeId, tuple[int, ...]] = {}
    before: tuple[int, ...] | None = None
    for k, node in enumerate(graph.nodes):
        out = node.out[0].shape if len(node.out) == 1 else ()
        shape = _shape(node, out, before, graph.nodes[k + 1:]) if out else None
        if shape is not None and min(shape) > 0:
            shapes[node.id] = shape
        before = shapes.get(node.id)
    return shapes


def _shape(node: Node, out: tuple[int, ...], before: tuple[int, ...] | None, after: Sequence[Node],
           ) -> tuple[int, ...] | None:
    """`out` as it is drawn after something drawn as `before`."""
    match node.kind:
        case "input":
            reader = next((n for n in after if n.kind not in (*EACH, *MIXED)), None)
            return _read(out, reader) if reader else None
        case "linear":
            return out[-1:]
        case "conv":
            return _maps(out)
    return _kept(node, out, before) if before else None


def _kept(node: Node, out: tuple[int, ...], before: tuple[int, ...]) -> tuple[int, ...] | None:
    """The same, of what has the axes of what it takes."""
    match node.kind:
        case "pool":
            return out[-len(before):] if len(out) >= len(before) > 1 else None
        case "reduce" if len(before) > 1:
            return (before[0], *(1 for _ in before[1:])) if math.prod(out) == before[0] else None
        case "output":
            return before if math.prod(out) % math.prod(before) == 0 else None
    same = node.kind in (*EACH, *MIXED) and out[-len(before):] == before
    return before if same else None


def _maps(out: tuple[int, ...]) -> tuple[int, ...] | None:
    """Feature maps or signals, without the batch."""
    return out[1:] if len(out) in (3, 4) else None


def _read(out: tuple[int, ...], reader: Node) -> tuple[int, ...] | None:
    """An input as its first reader takes it."""
    if reader.kind in ("conv", "pool"):
        return _maps(out)
    if reader.kind == "linear":
        wanted = reader.attrs.get("in_features")
        if wanted in (None, out[-1]):
            return out[-1:]
        return (wanted,) if isinstance(wanted, int) and math.prod(out[1:]) == wanted else None
    return None


def _link(before: Part | None, part: Part) -> tuple[str, tuple[_connections.Window, ...]]:
    if before is None:
        return "", ()
    node, src, dst = part.node, before.units, part.units
    if src is None or dst is None or not src.at or not dst.at:
        return "arrow", ()
    if node.kind == "linear":
        wanted = node.attrs.get("in_features", src.count)
        return ("dense" if wanted == src.count else "arrow"), ()
    if node.kind in ("conv", "pool", "reduce"):
        windows = tuple(_connections.windows(node, src, dst))
        return ("window" if windows else "arrow"), windows
    if src.shape == dst.shape and src.side_by_side:
        return "one", ()
    return "arrow", ()
