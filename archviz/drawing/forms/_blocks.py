"""What a cube figure shows of each node: its volume, what it stands against, and the labels around it.

In: a graph, a style.  Out: `Volumes`.

A *block* is a run of volumes of one resolution that abut, with the pooling slab on its last face.  Numbers stand once
per change: channels below a block, height and width where the resolution is new, kernel and stride at the arrow.
"""
from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

from archviz.core import text
from archviz.core.geometry import Place
from archviz.core.graph import SOURCES, Graph, Node, NodeId, TensorSpec, own_repeat, skips
from archviz.core.naming import titles
from archviz.drawing.forms._arrows import arrange
from archviz.drawing.forms._latest import latest
from archviz.drawing.forms._volumes import Extent, Label, Scale, Volumes
from archviz.drawing.labels import Look, count_of, looks
from archviz.style.style import Style

SEVERAL = 4  # copies of one layer are drawn one by one up to here
ELEMENTWISE = frozenset({"act", "softmax", "norm"})


@latest
def volumes(graph: Graph, style: Style) -> Volumes:
    """Volumes, blocks and labels of `graph`."""
    p, coloured = Volumes(style), style.options["arrows"] == "operations"
    # models that stand beside this one in one figure are drawn on its scale
    scale = Scale((*(n.out[0] for n in graph.nodes if n.out), *graph.attrs.get("beside", ())), style)
    seen = looks(graph, style)
    for node in graph.nodes:
        p.fused[node.id] = tuple(node.attrs.get("fused_kinds", ()))
        if style.kinds[node.kind].shape == "glyph" and not (coloured and node.kind == "cat"):
            p.glyphs.add(node.id)
        elif node.kind == "output":  # an arrow that leads out; its name where there are several
            line, role = seen[node.id].lines[0]
            size, several = style.roles[role].size, sum(n.kind == "output" for n in graph.nodes) > 1
            wide = text.width(line, size, style.roles[role].weight) if several else 0.0
            p.ports[node.id] = (wide, size * 1.2 if several else 0.0)
            if several:
                p.labels[node.id] = [Label(2.0, size * 0.95, line, role, "start", Place(2.0, 0.0, wide, size * 1.2))]
        elif node.attrs.get("appended"):  # said by hand, so nothing is known of its tensors: a box with its name
            p.ports[node.id], p.labels[node.id] = _card(seen[node.id], style)
        else:
            volume = scale.volume(_shown(graph, node))
            if node.kind in ("pool", *ELEMENTWISE) and not coloured and volume.kind != "rod":
                volume = replace(volume, thickness=style.sizes["slab"])
            p.volumes[node.id] = volume
            times = own_repeat(graph, node)
            p.copies[node.id] = times if times <= SEVERAL and node.kind != "module" else 1
    if coloured:
        arrange(graph, p, style, scale, seen)
        return p
    _abut(graph, p)
    _name(graph, p, style, seen)
    return p


def _card(look: Look, style: Style) -> tuple[tuple[float, float], list[Label]]:
    """The size of a box with words in it, and the words."""
    s = style.sizes
    fonts = [(line, role, style.roles[role]) for line, role in look.lines]
    wide = max(text.width(line, paint.size, paint.weight) for line, _, paint in fonts) + 2 * s["card"]
    high, labels = s["card"], []
    for line, role, paint in fonts:
        box = Place(0.0, high, wide, paint.size * s["leading"])
        labels.append(Label(wide / 2, high + 0.95 * paint.size, line, role, "middle", box))
        high += box.height
    return (wide, high + s["card"]), labels


def _shown(graph: Graph, node: Node) -> TensorSpec | None:
    """The tensor a node is drawn as; what attention gives head by head is, put together, as large as what it takes."""
    if node.kind == "attention" and node.out and len(node.out[0].shape) == 4:
        taken = (out for e in graph.incoming[node.id] for out in graph.by_id[e.src].out if len(out.shape) == 3)
        return next(taken, node.out[0])
    return node.out[0] if node.out else None


def _abut(graph: Graph, p: Volumes) -> None:
    """Which volumes stand against the one before them."""
    passing = skips(graph)
    runs: dict[NodeId, list[NodeId]] = {}
    for node in graph.nodes:
        into = [e.src for e in graph.inflow[node.id] if (e.src, e.dst) not in passing]
        if len(into) == 1 and _joins(graph, p, into[0], node):
            before = into[0]
            out = [e for e in graph.outflow[before] if (e.src, e.dst) not in passing]
            if len(out) == 1 and before in runs and runs[before][-1] == before:
                p.abutting[node.id] = before
                runs[node.id] = runs[before]
                runs[node.id].append(node.id)
                continue
        if node.id in p.volumes:
            runs[node.id] = [node.id]
            p.blocks.append(runs[node.id])


def _joins(graph: Graph, p: Volumes, before: NodeId, node: Node) -> bool:
    if before not in p.volumes or node.id not in p.volumes:
        return False
    a, b, first = p.volumes[before], p.volumes[node.id], graph.by_id[before]
    if first.kind in SOURCES | {"pool", "embedding"} or node.kind in ("module", "upconv", "upsample"):
        return False
    if a.kind == "rod" or b.kind == "rod":
        return a.kind == b.kind and node.kind in ELEMENTWISE and a.channels == b.channels
    if node.kind == "pool":
        return a.kind == b.kind
    if first.kind == "module" or first.scope != node.scope and first.kind not in ELEMENTWISE:
        return False
    if node.kind not in ELEMENTWISE and _called(graph, first) != _called(graph, node):
        return False        # side by side there is no room for their names
    return a.extent == b.extent and a.kind in ("map", "clip", "signal")


def _called(graph: Graph, node: Node) -> list[NodeId]:
    """What the user gave a name of which `node` is a part."""
    return [key for key in node.scope if "label" in graph.modules[key].attrs] + [node.id] * ("label" in node.attrs)


def _name(graph: Graph, p: Volumes, style: Style, seen: Mapping[NodeId, Look]) -> None:
    names = titles(graph, style.titles)
    named = _frames(graph, p)
    before: Extent | None = None
    written: set[Extent] = set()
    kernels: dict[str, str] = {}
    row = 0
    for block in p.blocks:
        main = _heavy(graph, block)
        if graph.by_id[main[0]].kind in ELEMENTWISE:
            continue  # a slab between two blocks has nothing to say that they do not
        labels = Labels(p, style, main, block, bool(kernel_of(graph.by_id[main[0]])[0]))
        frame = named.get(block[0])
        own = _own(graph, main[0], names, style, seen[main[0]]) if len(main) == 1 else Title(_range(graph, main))
        title = _titled(names[frame], graph.modules[frame].repeat, graph.modules[frame].attrs) if frame else own
        if frame and own.times:       # what is in it is there several times
            title = Title(f"{title}: {own.name}", own.times)
        volume = p.volumes[main[0]]
        names_in = style.sizes["rows"]
        same = volume.extent in written if not names_in else volume.extent == before
        written.add(volume.extent)
        if volume.kind != "rod" and not same:
            labels.around(before)
        before = volume.extent if volume.kind != "rod" else before
        wide = labels.wide(str(title))
        labels.below(title if names_in or not wide else Title(times=title.times), row)
        row = 1 - row if wide and names_in > 1 else 0
        arrow, size = kernel_of(graph.by_id[main[0]])
        kind = graph.by_id[main[0]].kind
        if arrow and arrow != kernels.get(kind) and names_in:
            labels.arrow(arrow.split("\n"), block)
            kernels[kind] = arrow
        if size and max(size) > 1:
            p.kernels[block[0]] = size
    _brace(graph, p, names, set(named.values()))


def _heavy(graph: Graph, block: Sequence[NodeId]) -> list[NodeId]:
    """What a block is there for: not the slabs at its ends, unless it is nothing else."""
    return [key for key in block if graph.by_id[key].kind not in ("pool", *ELEMENTWISE)] or list(block)


def _brace(graph: Graph, p: Volumes, names: Mapping[NodeId, str], taken: set[NodeId]) -> None:
    """What repeats, and the outermost frames around several blocks; one around nearly everything says nothing."""
    leads = [graph.by_id[_heavy(graph, block)[0]] for block in p.blocks]
    holds = {key: sum(key in lead.scope for lead in leads) for key in graph.modules}
    outer: set[NodeId] = set()
    for key, module in sorted(graph.modules.items(), key=lambda item: len(item[1].scope)):
        several = 1 < holds[key] <= 0.6 * len(p.blocks) and not outer & set(module.scope)
        if several:
            outer.add(key)
        if key not in taken and holds[key] and (module.repeat > 1 or several):
            p.braces[key] = str(_titled(names[key], module.repeat, module.attrs))


class Title(NamedTuple):
    """What a block is called, and how often it is there, which is said even where the name has no room."""

    name: str = ""
    times: str = ""

    def __str__(self) -> str:
        return f"{self.name} {self.times}".strip()


def _titled(name: str, times: int, attrs: Mapping[str, Any]) -> Title:
    return Title(name, count_of(times, attrs))


def _frames(graph: Graph, p: Volumes) -> dict[NodeId, NodeId]:
    """For the first node of a block, the frame that holds this block and no other: the block has its name."""
    holds: dict[NodeId, list[int]] = {}
    for i, block in enumerate(p.blocks):
        for key in block:
            for frame in graph.by_id[key].scope:
                holds.setdefault(frame, []).append(i)
    named = {}
    for i, block in enumerate(p.blocks):
        heavy = [graph.by_id[key] for key in _heavy(graph, block)]
        frames = [frame for frame in heavy[0].scope if set(holds[frame]) == {i}]
        whole = [frame for frame in frames if all(frame in node.scope for node in heavy)]
        if whole:
            named[block[0]] = whole[0]
    return named


def _own(graph: Graph, key: NodeId, names: Mapping[NodeId, str], style: Style, look: Look) -> Title:
    """What one layer is called: its attribute, if that says something, or what it does."""
    node = graph.by_id[key]
    times = own_repeat(graph, node)
    if "label" in node.attrs:
        return _titled(str(node.attrs["label"]), times, node.attrs)
    if node.kind == "module":
        return _titled(names.get(key) or style.titles.get(node.op, node.op), times, node.attrs)
    name = key.split("#")[0].split("@")[0].rsplit(".", 1)[-1]     # not which of its streams this is
    if "/" not in name and not name.isdigit() and ":" not in name:
        return _titled(text.clean(name), times if times > SEVERAL else 1, node.attrs)
    if node.kind in ("conv", "upconv", "linear") or not look.lines:     # the legend tells the kind, numbers the size
        return _titled("", times if times > SEVERAL else 1, node.attrs)
    return _titled(text.clean(look.lines[0][0].split(", ")[0]), times if times > SEVERAL else 1, node.attrs)


def _range(graph: Graph, keys: Sequence[NodeId]) -> str:
    """``conv3–5`` for layers of the model itself; those inside a module are named by their frame."""
    if any(graph.by_id[key].scope for key in keys):
        return ""
    numbered = [match for key in keys if (match := re.fullmatch(r"([^/]*?)(\d+)", text.clean(key.split("@")[0])))]
    if len(numbered) < len(keys) or len({match[1] for match in numbered}) > 1:
        return ""
    return f"{numbered[0][0]}–{numbered[-1][2]}"


def kernel_of(node: Node) -> tuple[str, tuple[float, ...]]:
    """What stands above the arrow into a convolution: ``"3×3"``, and below that its stride; the sizes of the kernel."""
    size = node.attrs.get("kernel_size")
    if node.kind not in ("conv", "upconv") or size is None:
        return "", ()
    sizes = tuple(size) if isinstance(size, (list, tuple)) else (size,)
    if len(sizes) == 1 and node.op in ("Conv2d", "ConvTranspose2d", "conv2d", "conv_transpose2d"):
        sizes *= 2
    stride = node.attrs.get("stride", 1)
    steps = tuple(stride) if isinstance(stride, (list, tuple)) else (stride,)
    shown = "×".join(map(str, sizes)) if len(set(sizes)) > 1 or len(sizes) < 3 else f"{sizes[0]}³"
    if max(steps) > 1:
        shown += f"\n/{steps[0]}" if len(set(steps)) == 1 else "\n/" + "×".join(map(str, steps))
    return shown, sizes


class Labels:
    """Puts the labels of one block around its volumes."""

    def __init__(self, p: Volumes, style: Style, main: Sequence[NodeId], block: Sequence[NodeId],
                 kernel: bool = False) -> None:
        self.p, self.style, self.main, self.volume = p, style, main, p.volumes[main[0]]
        self.gap = style.sizes["label_gap"]
        # up to the last volume as high as the others, as a pooling slab is not
        run = [key for key in block[block.index(main[0]) :] if p.volumes[key].extent == self.volume.extent]
        self.last = run[-1]
        self.reach = sum(p.edges(key)[0][0] for key in run)
        self.width = sum(p.edges(key)[0][0] for key in main)
        self.rise = sum(p.edges(key)[0][1] for key in main)
        self.new = False  # of another resolution than the block before
        self.corner: Place | None = None  # what stands along the edge into the depth, relative to the last volume
        self.first = main[0] == p.blocks[0][0]
        self.named = kernel  # words stand above the arrow into it
        self.low = False  # the width stands at the corner, as the edge is too short for it

    def wide(self, title: str) -> bool:
        """Is the name wider than what it names?"""
        paint = self.style.roles["name"]
        return text.width(title, paint.size, paint.weight) > self.width + self.p.edges(self.main[-1])[2][0] + 4.0

    def below(self, title: Title, row: int) -> None:
        """Channels once per run of equal ones, then the name in bold, in one of two rows."""
        number, bold = self.style.roles["number"].size, self.style.roles["name"].size
        first = self.main[0]
        y = self.volume.height + max(self.rise, 0.0) + self.gap + number * 0.8
        x, row_end, spots = 0.0, -math.inf, list[tuple[float, str]]()
        for string, keys in groupby(self.main, self._channels):
            start = x
            for key in keys:
                x += self.p.edges(key)[0][0]
            if string:
                half = text.width(string, number) / 2
                spots.append((max((start + x) / 2, row_end + half + 1.5), string))
                row_end = spots[-1][0] + half
        # make room for what stands at the corner
        shift = max(row_end - self.reach + 3.0, 0.0) if self.low and spots else 0.0
        for middle, string in spots:
            self.p.label(first, middle - shift, y, string, "number")
        y += number * 1.1 if spots else 0.0
        limit = max(self.width + 24.0, self.style.sizes["max_label"] * 0.7)
        room = limit - text.width(f" {title.times}", bold, "bold") if title.times else limit
        shown = str(title._replace(name=text.fit(title.name, bold, room, "bold")))
        if shown and self.corner:  # below what stands along the edge into the depth
            half = text.width(shown, bold, "bold") / 2
            offset = self.reach - self.p.edges(self.last)[0][0]     # from the first volume's front to the last one's
            if self.width / 2 + half > self.corner.x + offset and not row:
                y = max(y, self.corner.bottom + bold * 0.7)
        if shown:
            self.p.label(first, self.width / 2, y + bold * (0.15 + 1.15 * row), shown, "name")

    def _channels(self, key: NodeId) -> str:
        """What stands below a volume, with so many frames in a new one."""
        v = self.p.volumes[key]
        channels = f"{v.channels}@{v.thick_of}" if v.thick_of is not None and self.new else v.channels
        return "" if channels is None else str(channels)

    def around(self, before: Extent | None, at: float | None = None) -> None:
        """Height at the left edge, as far down as `at` says (None: in the middle, or where no arrow is in the way), and
        width along the edge into the depth, each where it differs from what is `before`."""
        number = self.style.roles["number"].size
        v, self.new = self.volume, True
        same = before is not None and before[0] == v.kind
        square = v.depth_of == v.height_of
        if v.height_of is not None and not (same and (square or before and before[1] == v.height_of)):
            # the first one's in the middle, others below the arrow and what stands above it
            central = self.first or v.depth_of is not None
            middle = at if at is not None else 0.5 if central else 0.84
            _, down, back = self.p.edges(self.main[0])
            axis, y = (down[1] + back[1]) / 2, v.height * middle
            if not self.first and abs(y - axis) < 0.75 * number:    # of a small one, clear of the arrow and its words
                y = axis + (0.75 if self.named else -0.75) * number
            self.p.label(self.main[0], -self.gap, y + number * 0.36, str(v.height_of), "number", "end")
        if v.depth_of is not None and not (same and before and before[2] == v.depth_of):
            last, string = self.last, str(v.depth_of)
            along, down, back = self.p.edges(last)
            angle = math.atan2(-back[1], back[0])
            off = number * 0.9 + 1.2
            x = along[0] + back[0] / 2 + off * math.sin(angle)
            y = down[1] + along[1] + back[1] / 2 + off * math.cos(angle)
            self.low = back[0] < text.width(string, number) * math.cos(angle) + 4 * off
            if self.low:
                x, y = along[0] + off - 1.4, down[1] + along[1] + 2.8
            self.corner = self.p.label(last, x, y, string, "number", "middle", -math.degrees(angle)).box

    def arrow(self, lines: Sequence[str], block: Sequence[NodeId]) -> None:
        """Kernel and stride above the arrow that enters `block`."""
        number = self.style.roles["number"].size
        _, down, back = self.p.edges(block[0])
        axis = (down[1] + back[1]) / 2  # the axis runs through the centres of the faces, not through the front's
        x, y = -self.style.sizes["arrow"] - 1.0, axis - 1.0 - self.gap
        for i, line in enumerate(reversed(lines)):
            self.p.label(block[0], x, y - i * number * 1.05, line, "number", "end")
