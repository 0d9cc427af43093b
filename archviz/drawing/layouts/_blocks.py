"""Blocks of a chain: volumes that touch each other, and how close two blocks may come.

In: the sizes of volumes.  Out: `Block`s.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from archviz.core.geometry import Place, Size, Sizes, Spacing, bounds
from archviz.core.graph import Graph, NodeId

SLICES = 6  # of a slanted outline, each a rectangle


@dataclass
class Block:
    """Nodes that touch each other, on an axis at v = 0; `at` says where the front face of each begins."""

    nodes: tuple[NodeId, ...]
    at: dict[NodeId, tuple[float, float]]
    solid: list[Place]  # its outline in slices
    tucked: list[Place]  # and without what the next block may cover
    soft: list[Place]  # its labels
    enter: float  # the left end of its outline on the axis
    leave: float  # the centre of its last face
    x: float = 0.0
    y: float = 0.0
    room: float = 0.0   # below all that, for braces

    def places(self) -> list[Place]:
        return [p.moved(self.x, self.y) for p in (*self.solid, *self.soft)]

    def takes(self) -> list[Place]:
        """Its places, and the room for braces."""
        first, *others = self.places()
        return [first, *others, Place(first.x, self.low, first.width, self.room)]

    @property
    def low(self) -> float:
        """How far down it reaches, without room for braces."""
        return self.y + bounds([*self.solid, *self.soft])[3]

    @cached_property
    def reach(self) -> tuple[float, float]:
        """From its x to its left and its right end, labels included."""
        left, _, right, _ = bounds([*self.solid, *self.soft])
        return left, right

    @property
    def right(self) -> float:
        return self.x + self.reach[1]


def blocks_of(graph: Graph, sizes: Sizes, spacing: Spacing) -> list[Block]:
    follows: dict[NodeId, NodeId] = {}
    for node in graph.nodes:
        if sizes[node.id].abuts:
            follows.setdefault(sizes[node.id].abuts, node.id)
    later = set(follows.values())
    runs = [[node.id] for node in graph.nodes if node.id not in later]
    for run in runs:
        while run[-1] in follows:
            run.append(follows[run[-1]])
    return [_block(run, sizes, spacing["tuck"]) for run in runs]


def _block(run: Sequence[NodeId], sizes: Sizes, tuck: float) -> Block:
    """Volumes side by side, the centres of their faces on the axis."""
    at: dict[NodeId, tuple[float, float]] = {}
    solid, tucked, soft = list[Place](), list[Place](), list[Place]()
    x, sunk = 0.0, -sum(sizes[key].rise for key in run) / 2
    for key in run:
        size = sizes[key]
        left, top = x - size.back[0] / 2, sunk - (size.height + size.back[1]) / 2
        at[key] = (left, top)
        solid += [p.moved(left, top) for p in outline(size)]
        if size.back[0] > 2 * size.width:  # a label beside a slender rod is taken for one on it, unless below a rod
            low = size.height if size.height > 2 * size.width else 0.0
            solid.append(Place(left + size.width, top + size.back[1], size.back[0], low - size.back[1]))
        tucked += [p.moved(left, top) for p in outline(size, tuck)]
        soft += [p.moved(left, top) for p in size.parts]
        x, sunk = x + size.width, sunk + size.rise
    enter = min((p.x for p in solid if p.y <= 0.0 <= p.bottom), default=0.0)
    left, top = at[run[0]]
    if top > 0.0 > top + sizes[run[0]].back[1]:     # on the edge that slants into the depth, and not on a slice of it
        enter = max(enter, left - sizes[run[0]].back[0] * top / sizes[run[0]].back[1])
    return Block(tuple(run), at, solid, tucked, soft, enter, x)


def outline(size: Size, tuck: float = 0.0) -> list[Place]:
    """The outline of a volume in upright slices, relative to the top left corner of its front face."""
    (bx, by), w, h = size.back, size.width, size.height
    if bx <= 0:
        return [Place(0.0, min(0.0, size.rise), w, h + abs(size.rise))]
    wide = w + bx
    slices = []
    for i in range(SLICES):
        a, b = wide * i / SLICES, wide * (i + 1) / SLICES
        top = min(_edge(a, w, bx, size.rise, by, first="back"), _edge(b, w, bx, size.rise, by, first="back"))
        low = h + max(_edge(a, w, bx, size.rise, by, first="along"), _edge(b, w, bx, size.rise, by, first="along"))
        face = w + bx / 2  # what lies behind the centre of the side may be covered, as far as `tuck` says
        a, b = (v if v <= face else face + (v - face) * (1 - tuck) for v in (a, b))
        slices.append(Place(a, top, b - a, low - top))
    return slices


def _edge(x: float, w: float, bx: float, rise: float, by: float, first: str) -> float:
    """The height of a path of two edges at `x`: into the depth and then along, or the other way round."""
    (n1, d1), (n2, d2) = ((bx, by), (w, rise)) if first == "back" else ((w, rise), (bx, by))
    return d1 * x / n1 if x <= n1 and n1 > 0 else d1 + d2 * (x - n1) / max(n2, 1e-9)


def clearance(left: Block, right: Block, spacing: Spacing) -> float:
    """The least x of `right` so that nothing of it touches `left`, which stands already."""
    least = -math.inf
    pairs = ((left.tucked, right.solid, "along"), (left.solid, right.soft, "beside"),
             (left.soft, right.solid, "beside"), (left.soft, right.soft, "beside"))
    margin = spacing["beside"] / 2
    for mine, its, gap in pairs:
        for p in mine:
            for q in its:
                py, qy = p.y + left.y, q.y + right.y
                if py < qy + q.height + margin and qy < py + p.height + margin:
                    least = max(least, left.x + p.x + p.width + spacing[gap] - q.x)
    if left.y != right.y:
        return least
    # Volumes of one row do not pass each other, even where one would fit below the other.
    return max(least, left.x + left.leave + spacing["along"] / 2 - right.enter)
