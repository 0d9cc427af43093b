"""Maps on the faces of cuboids: height × width on the right side, as the model would be looked into.

In: the marks of a figure, what to show on which node.  Out: the marks, a picture on each face that is seen.

A face counts as seen where no more than a part of it is behind volumes that are drawn later, as those of a block are
that stand against each other: the last one's face shows what the block gives.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from archviz.core.graph import NodeId
from archviz.core.scene import Cuboid, Group, Image, Mark, polygon
from archviz.insight.overlay._bounds import faces, inside
from archviz.insight.painting.pixels import Tile

HIDDEN = 0.35       # part of a face that may be behind others
GRID = 8            # points a side at which that is looked at
LEAST = 3.0         # height and width of a face that shows something, in points
LEAST_ROD = 1.5     # the same of the side of a rod

Drawn = NodeId | tuple[NodeId, NodeId]      # a node, or the ends of an edge


def painted(marks: Sequence[Mark], show: Callable[[str], Tile | None]) -> tuple[tuple[Mark, ...], set[str]]:
    """The marks with pictures, and the nodes that have one."""
    solids = list(_solids(marks))
    faced: dict[NodeId, Image] = {}
    for i, (node, cuboid) in enumerate(solids):
        later = [other for name, other in solids[i + 1:] if name != node]
        if not isinstance(node, str) or any(name == node for name, _ in solids[i + 1:]):
            continue
        tile = show(node) if _covered(cuboid, later) <= HIDDEN else None
        if tile is not None and (image := _on(cuboid, tile)) is not None:
            faced[node] = image
    return tuple(_drawn(mark, faced) for mark in marks), set(faced)


def _solids(marks: Sequence[Mark], node: Drawn = "") -> Iterator[tuple[Drawn, Cuboid]]:
    """Every cuboid with the node or edge it draws, in the order in which they are drawn."""
    for mark in marks:
        if isinstance(mark, Group) and mark.role != "legend":
            yield from _solids(mark.marks, mark.edge or mark.node or node)
        elif isinstance(mark, Cuboid) and node:
            yield node, mark


def _covered(c: Cuboid, later: Sequence[Cuboid]) -> float:
    """The part of the right side that lies behind `later` ones."""
    steps = [(i + 0.5) / GRID for i in range(GRID)]
    points = [c.at(1, v, w) for v in steps for w in steps]
    outlines = [face for other in later for face in faces(other)]
    return sum(any(inside(point, face) for face in outlines) for point in points) / len(points)


def _on(c: Cuboid, tile: Tile) -> Image | None:
    """The picture on the right side, its left edge in front."""
    x, y = c.at(1, 0, 0)
    least = LEAST if min(tile.shape) > 1 else LEAST_ROD
    if min(abs(c.back[0]), abs(c.down[1])) < least:
        return None
    return Image(x, y, c.back[0], c.down[1], tile.png, rise=c.back[1], lean=c.down[0], cells=tile.cells)


def _drawn(mark: Mark, faced: dict[str, Image]) -> Mark:
    if not isinstance(mark, Group):
        return mark
    image = faced.get(mark.node)
    last = max((i for i, inner in enumerate(mark.marks) if isinstance(inner, Cuboid)), default=-1)
    if image is None or last < 0:
        return replace(mark, marks=tuple(_drawn(inner, faced) for inner in mark.marks))
    role = mark.marks[last].role
    rim = polygon(image.corners, f"{role} rim")
    return replace(mark, marks=(*mark.marks[:last + 1], image, rim, *mark.marks[last + 1:]))
