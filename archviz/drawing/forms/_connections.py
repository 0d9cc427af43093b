"""Which numbers feed which, as straight lines: every one (a linear layer), or those under a window (a convolution).

In: the numbers drawn of two nodes that follow each other, the node that computes.  Out: `Line`s, and marks.

The weights of a linear layer set width and colour of its lines where the graph holds them; the lines of a convolution
have the same colour wherever they stand for the same weight.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from archviz.core.graph import Node
from archviz.core.scene import Box, Link, Mark, Point
from archviz.drawing.forms._units import BIAS, Units

LEVELS = 5      # steps of width and colour for the strength of a weight
SHARED = 9      # colours for the weights of a window
MOST_TAPS = {"conv": 18, "pool": 9}
"""Lines into one cell; a window of more cells has lines from its corners."""


@dataclass(frozen=True, slots=True)
class Connection:
    """From the number `src` of one node to the number `dst` of the next, with its weight where that is known."""

    src: int
    dst: int
    weight: float | None = None


def dense(node: Node, src: Units, dst: Units) -> list[Connection]:
    """Every number drawn to every number drawn."""
    rows, offsets = weights(node, src.count, dst.count)
    return [Connection(i, j, (offsets[j] if offsets else None) if i == BIAS else rows[j][i] if rows else None)
            for j in dst.at if j != BIAS for i in src.at]


def weights(node: Node, inputs: int, outputs: int) -> tuple[list[list[float]] | None, list[float] | None]:
    """The values of a linear layer, outputs × inputs and outputs, where the graph holds them in this shape."""
    values = node.attrs.get("weights")
    rows, offsets = (values.get("weight"), values.get("bias")) if isinstance(values, Mapping) else (None, None)
    if not _numbers(rows, outputs, inputs):
        return None, None
    return rows, offsets if _numbers(offsets, outputs) else None


def _numbers(value: Any, size: int, *rest: int) -> bool:
    return isinstance(value, list) and len(value) == size and all(
        _numbers(item, *rest) if rest else isinstance(item, int | float) and math.isfinite(item) for item in value)


def strongest(lines: Sequence[Connection], share: float) -> list[Connection]:
    """The given share of `lines` with the largest weights, at least one; all where the weights are not known."""
    weighted = [line for line in lines if line.weight is not None]
    if not weighted or share >= 1:
        return list(lines)
    ranked = sorted(weighted, key=lambda line: (-abs(line.weight or 0.0), line.src, line.dst))
    strong = set(ranked[: max(1, math.ceil(share * len(ranked) - 1e-9))])
    return [line for line in lines if line in strong]


def bundle(lines: Iterable[Connection], src: Units, dst: Units, largest: float) -> list[Mark]:
    """The lines, weak ones first so that strong ones lie on top."""
    def strength(line: Connection) -> int:
        return 0 if line.weight is None else level(line.weight, largest)

    marks: list[Mark] = []
    for line in sorted(lines, key=lambda line: (strength(line), (line.weight or 0.0) < 0, line.src, line.dst)):
        ends = _between(src.at[line.src], src.reach, dst.at[line.dst], dst.reach)
        marks.append(Link(ends, role(line.weight or 0.0, strength(line)), 0.0, False))
    return marks


def level(weight: float, largest: float) -> int:
    """How strong a weight is beside the largest drawn, from 1 to `LEVELS`."""
    return max(1, math.ceil(LEVELS * abs(weight) / largest - 1e-9)) if largest else 1


def role(weight: float, level: int) -> str:
    """The paint of a line of that level, which is 0 where weights are not known."""
    sign = "negative" if weight < 0 else "positive"
    return f"weight {sign} {100 * level // LEVELS}" if level else "weight"


def ones(src: Units, dst: Units, head: float) -> list[Mark]:
    """Each number to the same number of the next node, with an arrow."""
    pairs = ((at, dst.at[i]) for i, at in src.at.items() if i in dst.at and i != BIAS)
    return [Link(((ax + src.reach, ay), (bx - dst.reach, by)), "edge", 0.0, True, head) for (ax, ay), (bx, by) in pairs]


def _between(a: Point, ra: float, b: Point, rb: float) -> tuple[Point, Point]:
    """The line between two centres, from border to border."""
    dx, dy = b[0] - a[0], b[1] - a[1]
    length = math.hypot(dx, dy) or 1.0
    return ((a[0] + dx / length * ra, a[1] + dy / length * ra), (b[0] - dx / length * rb, b[1] - dy / length * rb))


@dataclass(frozen=True)
class Window:
    """The numbers that feed the number `out`, each with the number of its weight in the kernel."""

    out: int
    taps: tuple[tuple[int, int], ...]


def windows(node: Node, src: Units, dst: Units) -> list[Window]:
    """Windows to draw for a convolution or a pooling: the first and the last that lie in what is drawn, where these do
    not overlap; of a signal of one channel, all.  None where the sizes of the node are not those of its numbers.
    """
    if len(dst.shape) not in (2, 3) or len(src.shape) != len(dst.shape):
        return []
    if (sizes := _kernel(node, src.shape[1:], dst.shape[1:])) is None:
        return []
    every = len(src.shape) == 2 and len({i // src.shape[1] for i in src.at}) == 1
    channel = min(dst.at) // math.prod(dst.shape[1:])
    inputs = _channels(node, channel, src, dst)
    drawn: list[Window] = []
    for place in product(*map(range, dst.shape[1:])):
        out = _flat((channel, *place), dst.shape)
        if out in dst.at:
            indices = _under(place, inputs, sizes, src)
            taps = tuple((index, number) for number, index in enumerate(indices) if index in src.at)
            if taps and (every or len(taps) == len(indices)):
                drawn.append(Window(out, taps))
    if every or len(drawn) < 2:
        return drawn
    first, last = drawn[0], drawn[-1]
    return [first] if {i for i, _ in first.taps} & {i for i, _ in last.taps} else [first, last]


def _under(place: Sequence[int], channels: Sequence[int], sizes: Sequence[tuple[int, int, int, int]], src: Units,
           ) -> list[int]:
    """The positions in `src` under the window that gives `place`; -1 outside of it."""
    indices = []
    for channel, *offset in product(channels, *(range(size) for size, *_ in sizes)):
        spot = [o * step - pad + k * spread for o, k, (_, step, pad, spread) in zip(place, offset, sizes, strict=True)]
        inside = all(0 <= p < size for p, size in zip(spot, src.shape[1:], strict=True))
        indices.append(_flat((channel, *spot), src.shape) if inside else -1)
    return indices


def _channels(node: Node, channel: int, src: Units, dst: Units) -> list[int]:
    """The input channels that feed an output channel, of those that are drawn."""
    size = math.prod(src.shape[1:])
    drawn = sorted({index // size for index in src.at})
    if node.kind != "conv":
        return [channel] if channel in drawn else []
    groups = node.attrs.get("groups", 1)
    groups = groups if isinstance(groups, int) and groups > 0 else 1
    each = max(src.shape[0] // groups, 1)
    group = channel // max(dst.shape[0] // groups, 1)
    return [c for c in drawn if c // each == group]


def _flat(place: Sequence[int], shape: Sequence[int]) -> int:
    index = 0
    for p, size in zip(place, shape, strict=True):
        index = index * size + p
    return index


def _kernel(node: Node, taken: tuple[int, ...], out: tuple[int, ...]) -> list[tuple[int, int, int, int]] | None:
    """Size, stride, padding and dilation per axis; None where they do not make `out` of `taken`."""
    a, rank = node.attrs, len(taken)
    if "kernel_size" not in a and node.kind != "conv" and all(g % o == 0 for g, o in zip(taken, out, strict=True)):
        return [(g // o, g // o, 0, 1) for g, o in zip(taken, out, strict=True)]    # adaptive
    kernel, stride = _each(a.get("kernel_size"), rank), _each(a.get("stride") or a.get("kernel_size"), rank)
    if node.kind == "conv" and "stride" not in a:
        stride = (1,) * rank
    padding, dilation = _each(a.get("padding", 0), rank), _each(a.get("dilation", 1), rank)
    if a.get("padding") == "same" and kernel and dilation:
        padding = tuple(d * (k - 1) // 2 for k, d in zip(kernel, dilation, strict=True))
    if not (kernel and stride and padding is not None and dilation) or min(*kernel, *stride, *dilation) < 1:
        return None
    for g, o, k, s, p, d in zip(taken, out, kernel, stride, padding, dilation, strict=True):
        covered = g + 2 * p - d * (k - 1) - 1
        if o not in (covered // s + 1, -(-covered // s) + 1):
            return None
    return list(zip(kernel, stride, padding, dilation, strict=True))


def _each(value: Any, rank: int) -> tuple[int, ...] | None:
    values = value if isinstance(value, list | tuple) else [value] * rank
    if len(values) == 1:
        values = list(values) * rank
    return tuple(values) if len(values) == rank and all(type(v) is int for v in values) else None


def _corners(window: Window, src: Units) -> set[int]:
    """The outermost cells of a window, in each channel."""
    size = math.prod(src.shape[1:])
    channels: dict[int, list[int]] = {}
    for index, _ in window.taps:
        channels.setdefault(index // size, []).append(index)
    return {end(cells, key=lambda i: src.at[i][0] + sign * src.at[i][1])
            for cells in channels.values() for sign in (1, -1) for end in (min, max)}


def taps(seen: Sequence[Window], node: Node, src: Units, dst: Units) -> tuple[list[Mark], list[Mark]]:
    """The cells under each window in the colours of their weights with the lines to what they feed; and that, outlined.

    Windows that overlap colour lines only.  Of a window of many cells only the corners have lines, which then say what
    the window sees.
    """
    most = MOST_TAPS["conv" if node.kind == "conv" else "pool"]
    under = [index for window in seen for index, _ in window.taps]
    apart = len(set(under)) == len(under)
    cells, lines, fed = list[Mark](), list[Mark](), list[Mark]()
    for window in seen:
        x, y = dst.at[window.out]
        if apart:
            fed.append(_cell(x, y, dst.reach, "fed"))
        drawn = _corners(window, src) if len(window.taps) > most else {index for index, _ in window.taps}
        for index, number in window.taps:
            paint = f"shared {number % SHARED + 1}" if node.kind == "conv" else "window"
            ax, ay = src.at[index]
            if apart:
                cells.append(_cell(ax, ay, src.reach, f"{paint} head"))
            if index in drawn:
                lines.append(Link(((ax if apart else ax + src.reach, ay), (x - dst.reach, y)), paint, 0.0, False))
    lines.sort(key=lambda mark: mark.role if isinstance(mark, Link) else "")
    return [*cells, *lines], fed


def _cell(x: float, y: float, r: float, role: str) -> Box:
    return Box(x - r, y - r, 2 * r, 2 * r, role)
