"""What a planes figure shows of each node: a stack of planes, a bar or a glyph, and the words around it.

In: a graph, a style.  Out: a `Plan`.

A feature map is one plane, a layer a stack of them along the diagonal, the first one behind.  Where a stack has more
planes than can be told apart, its first and its last ones are drawn, with dots between them.
"""
from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archviz.core import text
from archviz.core.geometry import Place
from archviz.core.graph import SOURCES, Graph, Node, NodeId, TensorSpec, is_chain, own_repeat, skips
from archviz.core.naming import titles
from archviz.core.scene import Point
from archviz.drawing.forms._latest import latest
from archviz.drawing.forms._volumes import axes_of
from archviz.drawing.labels import Look, count_of, looks, own_role
from archviz.style.style import Style

ELEMENTWISE = frozenset({"act", "softmax", "norm"})
STEPS_TOLD = 3  # so many operations of a closed module are written below it, else its name


@dataclass(frozen=True, slots=True)
class Reading:
    """A tensor as a reader sees it: `kind` is map, signal, sheet or vector; so many planes, their height and width.

    A vector is as long as it has `planes`.  `size` is what is written: ``6@28×28``, ``120``.
    """

    kind: str
    planes: int
    height: int = 1
    width: int = 1
    size: str = ""


def reading(spec: TensorSpec | None) -> Reading:
    """What a tensor is drawn as; a vector of one number where it is not known."""
    if spec is None or not spec.shape:
        return Reading("vector", 1)
    axes = axes_of(spec)
    size = dict(zip(axes, spec.shape, strict=True))
    channels = size.get("C", 1) * size.get("h", 1)
    spatial = [size[axis] for axis in axes if axis in "DTHWL"]
    if all(n == 1 for n in spatial) or not spatial:
        n = channels if "C" in size else math.prod(spec.shape[1:])
        return Reading("vector", n, size=str(n))
    extent = "×".join(map(str, spatial))
    written = f"{channels}@{extent}" if channels > 1 else extent
    if "H" in size and "W" in size:
        return Reading("map", channels, size["H"], size["W"], written)
    length = size.get("L", size.get("W", size.get("H", 1)))
    if "L" in size and axes.rfind("C") > axes.find("L"):
        return Reading("sheet", 1, length, channels, f"{length}×{channels}")
    return Reading("signal", channels, length, 1, written)


@dataclass(frozen=True, slots=True)
class Shape:
    """The drawing of one node: planes of one size whose corners lie at `at`, or a bar that leans by `lean`.

    planes   corners at the top left, from the farthest to the nearest; of a bar only the first
    dots     between these points dots stand for planes that are not drawn
    """

    kind: str
    side: tuple[float, float]
    at: tuple[Point, ...] = ((0.0, 0.0),)
    lean: float = 0.0
    dots: tuple[tuple[Point, Point], ...] = ()

    @property
    def width(self) -> float:
        """Of all of it."""
        return self.side[0] + self.at[-1][0] + self.lean

    @property
    def height(self) -> float:
        """Of all of it."""
        return self.side[1] + self.at[-1][1]


@dataclass(frozen=True, slots=True)
class Words:
    """Lines of one role, centred about x, the first one's baseline at y; both relative to the node's corner."""

    x: float
    y: float
    lines: tuple[str, ...]
    role: str
    box: Place


@dataclass
class Stacks:
    """Everything a planes figure draws, but for where."""

    readings: dict[NodeId, Reading] = field(default_factory=dict)
    shapes: dict[NodeId, Shape] = field(default_factory=dict)
    roles: dict[NodeId, str] = field(default_factory=dict)
    glyphs: set[NodeId] = field(default_factory=set)
    ends: dict[NodeId, NodeId] = field(default_factory=dict)  # an output that is told at what gives it
    ports: dict[NodeId, Words] = field(default_factory=dict)  # and one that is not
    cards: dict[NodeId, Words] = field(default_factory=dict)  # a box with its name
    above: dict[NodeId, list[Words]] = field(default_factory=dict)
    below: dict[NodeId, Words] = field(default_factory=dict)  # what is computed, left of what it gives
    kernels: dict[NodeId, tuple[int, int]] = field(default_factory=dict)  # of those that look through a window
    whole: set[NodeId] = field(default_factory=set)  # and of those that see all at once
    braces: dict[NodeId, str] = field(default_factory=dict)

    def words(self, key: NodeId) -> list[Words]:
        """All words around a node."""
        return [*self.above.get(key, ()), *(words[key] for words in (self.below, self.ports) if key in words)]


@latest
def stacks(graph: Graph, style: Style) -> Stacks:
    """Shapes and words of `graph`."""
    p, seen = Stacks(), looks(graph, style)
    for node in graph.nodes:
        before = [e.src for e in graph.inflow[node.id]]
        if style.kinds[node.kind].shape == "glyph":
            p.glyphs.add(node.id)
        elif node.attrs.get("appended"):  # said by hand, so nothing is known of its tensors
            p.cards[node.id] = _card([line for line, _ in seen[node.id].lines], style)
        elif node.kind == "output":
            if len(before) == 1 and before[0] in p.readings and len(graph.outgoing[before[0]]) == 1:
                p.ends[node.id] = before[0]
        else:
            p.readings[node.id] = reading(node.out[0] if node.out else None)
            plain = "plane input" if node.kind in SOURCES else "plane"
            p.roles[node.id] = own_role(node.attrs, style) or plain
    _shape(p, style)
    for node in graph.nodes:
        _see(graph, node, p)
    _name(graph, p, style)
    _compute(graph, p, style)
    names = titles(graph, style.titles)
    counts = {key: count_of(module.repeat, module.attrs) for key, module in graph.modules.items()
              if any(key in node.scope for node in graph.nodes)}
    p.braces = {key: f"{names[key]} {count}" for key, count in counts.items() if count}
    return p


def _card(lines: Sequence[str], style: Style) -> Words:
    """Words in a box around them, whose corner is the node's."""
    pad = style.sizes["card"]
    one = words(lines, "name", 0.0, pad, style)
    wide, high = one.box.width + 2 * pad, one.box.height + 2 * pad
    return replace(one, x=wide / 2, box=Place(0.0, 0.0, wide, high))


def _shape(p: Stacks, style: Style) -> None:
    """One scale for all planes, one for all bars."""
    s, law = style.sizes, style.options["space"]
    flat = [r for r in p.readings.values() if r.kind != "vector"]
    largest = max((n for r in flat for n in (r.height, r.width)), default=1)
    longest = max((r.planes for r in p.readings.values() if r.kind == "vector"), default=1)
    most = s["planes"] if all(r.planes <= s["planes"] for r in flat) else s["few"]

    def extent(n: int) -> float:
        return max(s["unit"] * float(law(n) / law(largest)), s["least"])

    for key, r in p.readings.items():
        if r.kind == "vector":
            high = max(s["length"] * math.sqrt(r.planes / max(longest, s["long"])), s["shortest"])
            p.shapes[key] = Shape("bar", (s["bar"], high), lean=s["lean"] * high)
        else:
            wide = s["strip"] if r.kind == "signal" else extent(r.width)
            p.shapes[key] = _stack((wide, extent(r.height)), r.planes, int(most), s)


def _stack(side: tuple[float, float], n: int, most: int, s: Mapping[str, float]) -> Shape:
    shown = n if n <= most else min(max(int(s["ends"]), round(math.log2(n))), most)
    step = max(min(s["step"], s["reach"] * max(side) / max(shown - 1, 1)), s["least_step"])
    gap = max(s["elided"], 7 * s["dot"])
    first = shown if shown == n else (shown + 1) // 2  # those before the dots
    ways = [i * step + (gap - step if i >= first else 0.0) for i in range(shown)]
    at = tuple((way, way) for way in ways)
    if shown == n:
        return Shape("stack", side, at)
    (a, _), (b, _) = at[first - 1], at[first]
    return Shape("stack", side, at, dots=(((a + side[0], a), (b + side[0], b)), ((a, a + side[1]), (b, b + side[1]))))


def _see(graph: Graph, node: Node, p: Stacks) -> None:
    """Through which window a node looks at the map before it, or whether it sees all of it."""
    entering = [e.src for e in graph.inflow[node.id]]
    if node.id not in p.readings or len(entering) != 1 or entering[0] not in p.readings:
        return
    source, result = p.readings[entering[0]], p.readings[node.id]
    if node.kind == "linear" and result.kind == "vector":
        p.whole.add(node.id)
        return
    window = _window(node)
    if window is None or source.kind not in ("map", "signal"):
        return
    high, wide = window if source.kind == "map" else (window[-1], 1)
    first = node.inside[0] if node.inside and node.kind != "module" else node   # of what is fused into one box
    if result.kind == "vector" and (high, wide) >= (source.height, source.width) and first.kind == "conv":
        p.whole.add(node.id)
    elif result.kind != "vector" or node.kind == "pool":
        p.kernels[node.id] = (min(high, source.height), min(wide, source.width))


def _window(node: Node) -> tuple[int, int] | None:
    """Height and width of what one unit of `node` sees, through all that is done in it one after the other."""
    steps = [_spelt(leaf) for leaf in node.leaves() if leaf.kind not in ELEMENTWISE]
    seen, jump = [1, 1], [1, 1]
    for step in steps * node.repeat if node.kind == "module" else steps:
        size = step.attrs.get("kernel_size")
        if step.kind not in ("conv", "pool") or size is None:
            return None
        stride = step.attrs.get("stride")
        kernel, move, apart = (_pair(one) for one in (size, size if stride is None else stride,
                                                      step.attrs.get("dilation", 1)))
        for _ in range(step.repeat // node.repeat):
            for i in (0, 1):
                seen[i] += (kernel[i] - 1) * apart[i] * jump[i]
                jump[i] *= move[i]
    return (seen[0], seen[1]) if steps else None


def _pair(size: object) -> tuple[int, int]:
    """The numbers for height and width, of one or several."""
    sizes = tuple(size) if isinstance(size, (list, tuple)) else (size,)
    return int(sizes[-2:][0]), int(sizes[-1])


def _operation(graph: Graph, node: Node, p: Stacks, style: Style, seen: Mapping[NodeId, Look]) -> str:
    """What is computed, in the words of the style."""
    if node.kind in SOURCES | {"output"}:
        return ""
    if node.kind == "module":
        return _summed(node, style) or seen[node.id].lines[0][0]
    if node.id in p.whole and node.kind == "conv" and "label" not in node.attrs:
        return f"{style.captions['whole']} {count_of(own_repeat(graph, node), node.attrs)}".rstrip()
    return " ".join(line for line, _ in seen[node.id].lines)


def _summed(node: Node, style: Style) -> str:
    """The few different operations inside a closed module, in their order; nothing where there are many."""
    steps: list[tuple[str, int]] = []
    for part in map(_spelt, node.leaves()):
        if part.kind in ELEMENTWISE or part.kind in style.hide:
            continue
        if style.kinds[part.kind].shape == "glyph":
            return ""  # where ways meet, it is more than one operation after the other
        string = text.caption(style.captions, part.op, part.attrs)
        times = steps[-1][1] if steps and steps[-1][0] == string else 0
        steps[-1:] = [*([] if times else steps[-1:]), (string, times + part.repeat // node.repeat)]
    if len(steps) > STEPS_TOLD or node.repeat > 1:
        return ""
    return ", ".join(f"{string} ×{times}" if times > 1 else string for string, times in steps)


def _spelt(node: Node) -> Node:
    """With a kernel's size told for each axis, where it is one number for all of them."""
    size, rank = node.attrs.get("kernel_size"), re.search(r"([23])d$", node.op)
    if not isinstance(size, int) or not rank:
        return node
    return replace(node, attrs={**node.attrs, "kernel_size": [size] * int(rank[1])})


def _wrapped(string: str, size: float, limit: float) -> list[str]:
    """`string` in lines no longer than `limit`, as far as its words allow; no line begins with a ×N alone."""
    lines: list[str] = []
    for word in re.sub(r" (×|\d+$)", "\N{NO-BREAK SPACE}\\1", string).split(" "):
        if lines and text.width(f"{lines[-1]} {word}", size) <= limit:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def words(lines: Sequence[str], role: str, x: float, y: float, style: Style, upward: bool = False) -> Words:
    """Lines centred about x that begin at y, or end there."""
    paint = style.roles[role]
    line = paint.size * style.sizes["leading"]
    wide = max(text.width(one, paint.size, paint.weight) for one in lines)
    top = y - line * len(lines) if upward else y
    return Words(x, top + line / 2 + 0.36 * paint.size, tuple(lines), role,
                 Place(x - wide / 2, top, wide, line * len(lines)))


def _name(graph: Graph, p: Stacks, style: Style) -> None:
    """Above each node what it is, and how large."""
    s, font, gap = style.sizes, style.roles["name"], style.sizes["label_gap"]
    seen = looks(graph, style)
    passed = {end for skip in skips(graph) for end in skip}  # a line stands on these
    high, row = 0.0, 1
    before = (0.0, math.inf)  # how wide what is written above the one before is, and this itself
    for key, title in _titles(graph, p, style, seen).items():
        shape, size = p.shapes[key], p.readings[key].size
        middle = shape.width / 2 if shape.kind == "stack" else shape.side[0] / 2
        wide = max((text.width(line, font.size) for line in (size, title)), default=0.0)
        if key in passed:
            middle += wide / 2 + gap
        meets = (wide + before[0]) / 2 + s["beside"] > (shape.width + before[1]) / 2 + s["along"]
        row, before = 1 - row if meets else 0, (wide, shape.width)
        lift = high + s["beside"] if s["rows"] > 1 and row else 0.0
        lines = [words([size], "number", middle, -gap - lift, style, upward=True)] if size else []
        if title:
            lines.append(words([title], "name", middle, lines[0].box.y if lines else -gap - lift, style, upward=True))
        p.above[key] = lines
        high = max(high, sum(line.box.height for line in lines))
    for node in graph.nodes:
        if node.kind == "output" and node.id not in p.ends:
            string = seen[node.id].lines[0][0]
            wide = text.width(string, font.size)
            p.ports[node.id] = words([string], "name", wide / 2 + 2.0, -font.size * s["leading"] / 2, style)


def _titles(graph: Graph, p: Stacks, style: Style, seen: Mapping[NodeId, Look]) -> dict[NodeId, str]:
    """What is written above each stack and bar; feature maps are spelt out once."""
    font, captions, level = style.roles["name"], style.captions, int(style.sizes["words"])
    inputs = sum(node.kind == "input" for node in graph.nodes)
    titles: dict[NodeId, str] = {}
    spelt = False
    for node in (node for node in graph.nodes if node.id in p.shapes):
        name, last = _called(node), node.id in p.ends.values()
        what = "output" if last else _sort(p.readings[node.id], spelt and level < 2)
        if node.kind in SOURCES:
            name = captions["input"] if inputs == 1 and node.kind == "input" else seen[node.id].lines[0][0]
            what = ""
        elif last and name.lower() in ("", "out", "output", "logits"):
            name, what = _large(captions["output"]), ""
        elif not level and (name or not last):
            what = ""
        spelt = spelt or what == "feature maps"
        title = ": ".join(part for part in (name, captions[what] if what else "") if part)
        titles[node.id] = text.fit(title, font.size, style.sizes["max_label"], font.weight)
    return titles


def _sort(r: Reading, short: bool) -> str:
    """What sort of numbers it is."""
    sorts = {"vector": "layer", "map": "f. maps" if short else "feature maps"}
    return sorts.get(r.kind, "") if r.planes > 1 else ""


def _called(node: Node) -> str:
    """The name of a layer, if it says something; one of a letter and a number as it stands in figures: ``C1``."""
    if "label" in node.attrs:
        return text.clean(str(node.attrs["label"]))
    name = node.id.split("@")[0].rsplit(".", 1)[-1]
    if "/" in name or name.isdigit() or ":" in name:
        return ""
    return text.clean(_large(name) if name[1:].isdigit() or name.isupper() else name.replace("_", " "))


def _large(string: str) -> str:
    return string[:1].upper() + string[1:]


def _compute(graph: Graph, p: Stacks, style: Style) -> None:
    """Below, what is computed: in a chain all on one line (or two), between the stacks; else below each stack."""
    s, size = style.sizes, style.roles["operation"].size
    unbroken = replace(style, sizes={**s, "break_label": math.inf, "max_label": math.inf})
    seen = looks(replace(graph, nodes=tuple(map(_spelt, graph.nodes))), unbroken)
    chain = is_chain(graph)
    half = max((shape.height / 2 for shape in p.shapes.values()), default=0.0)
    deep, row, before = 0.0, 1, 0.0
    for node in graph.nodes:
        if node.id not in p.shapes or not (string := _operation(graph, node, p, unbroken, seen)):
            continue
        shape = p.shapes[node.id]
        lines = [text.fit(line, size, s["max_label"]) for piece in string.split(", ")
                 for line in _wrapped(piece, size, s["op_label"])]
        x = -s["along"] / 2 if chain else shape.width / 2
        y = (shape.height / 2 + half if chain else shape.height) + s["label_gap"]
        wide = max(text.width(line, size) for line in lines)
        source = next((p.shapes[e.src].width for e in graph.incoming[node.id] if e.src in p.shapes), 0.0)
        row, before = 1 - row if (wide + before) / 2 + 3 * s["beside"] > source + s["along"] else 0, wide
        low = deep + s["beside"] if s["op_rows"] > 1 and row else 0.0
        one = words(lines, "operation", x, y + low, style)
        room = s["beside"]  # more than around other words, as they stand in one line
        p.below[node.id] = replace(one, box=replace(one.box, x=one.box.x - room, width=one.box.width + 2 * room))
        deep = max(deep, one.box.height)
