"""Small strips of feature maps beside the boxes of a figure, where there is room for them.

In: a scene, the channels to show of each node.  Out: the strips, as large as most nodes have room for.  Imports scene.

Nothing moves for them: a strip stands to the right or to the left of its box, above it or below it, and covers no mark.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from archviz.overlay._bounds import Room, body, rooms
from archviz.overlay._pixels import Tile
from archviz.scene import Box, Group, Image, Mark, Scene

SIDES = (20.0, 17.0, 14.5, 12.0, 10.0, 8.5)     # of a tile, in points
MOST = 4            # channels in one strip
NEARLY = 0.8        # smaller tiles have to find room beside so many more nodes
GAP = 1.0           # between two tiles
AWAY = 2.6          # between a box and its strip
CLEAR = 1.2         # between a strip and any other mark
EDGE = 2.0          # between a strip and the edge of the page



def placed(scene: Scene, tiles: Mapping[str, Sequence[Tile]]) -> list[Group]:
    """A group for each strip."""
    groups = {group.node: group for group in _nodes(scene.marks) if tiles.get(group.node)}
    boxes = {node: room for node, group in groups.items() if (room := body(group, scene)) is not None}
    taken, frames = _taken(scene)
    page = Room(EDGE, EDGE, scene.width - EDGE, scene.height - EDGE)
    best: dict[str, Room] = {}
    for size in SIDES:
        found = _places(boxes, size, taken, frames, page)
        if len(found) * NEARLY > len(best):
            best = found
    for node in best:
        best[node] = _longer(best[node], boxes[node], len(tiles[node]), [*taken, *_others(best, node)], frames, page)
    return [_strip(node, room, tiles[node]) for node, room in best.items()]


def _places(boxes: Mapping[str, Room], size: float, taken: Sequence[Room], frames: Sequence[Room], page: Room
            ) -> dict[str, Room]:
    """Where each node has room for one tile."""
    found: dict[str, Room] = {}
    for node, box in boxes.items():
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        choices = [Room(box.x1 + AWAY, y - size / 2, box.x1 + AWAY + size, y + size / 2),
                   Room(box.x0 - AWAY - size, y - size / 2, box.x0 - AWAY, y + size / 2),
                   Room(x - size / 2, box.y0 - AWAY - size, x + size / 2, box.y0 - AWAY),
                   Room(x - size / 2, box.y1 + AWAY, x + size / 2, box.y1 + AWAY + size)]
        free = (room for room in choices if _free(room, box, [*taken, *found.values()], frames, page))
        if (room := next(free, None)) is not None:
            found[node] = room
    return found


def _free(room: Room, box: Room, taken: Sequence[Room], frames: Sequence[Room], page: Room) -> bool:
    """Whether a strip of `box` may stand there: on the page, in the frames that the box is in, and on nothing."""
    return (page.holds(room) and not any(room.meets(other, CLEAR) for other in taken)
            and all(frame.holds(room, CLEAR) and frame.holds(box) for frame in frames if frame.meets(room)))


def _longer(room: Room, box: Room, most: int, taken: Sequence[Room], frames: Sequence[Room], page: Room) -> Room:
    """The strip with as many tiles as there are and there is room for, away from its box, or about its middle."""
    size = room.x1 - room.x0
    for many in range(min(most, MOST), 1, -1):
        more = (many - 1) * (size + GAP)
        before = more if room.x1 < box.x0 else 0.0 if room.x0 > box.x1 else more / 2
        longer = room._replace(x0=room.x0 - before, x1=room.x1 + more - before)
        if _free(longer, box, taken, frames, page):
            return longer
    return room


def _others(places: Mapping[str, Room], node: str) -> list[Room]:
    return [room for key, room in places.items() if key != node]


def _nodes(marks: Sequence[Mark]) -> Iterator[Group]:
    """The groups that draw a node, wherever they are."""
    for mark in marks:
        if isinstance(mark, Group) and mark.role != "legend":
            if mark.node and "->" not in mark.node and mark.role != "frame":
                yield mark
            yield from _nodes(mark.marks)


def _taken(scene: Scene) -> tuple[list[Room], list[Room]]:
    """What a strip may not cover, and the frames, which it may be in."""
    taken: list[Room] = []
    frames: list[Room] = []

    def walk(marks: Sequence[Mark]) -> None:
        for mark in marks:
            if isinstance(mark, Group) and mark.role in ("frame", "inset"):
                boxes = [inner for inner in mark.marks if isinstance(inner, Box)]
                frames.extend(room for box in boxes for room in rooms(box, scene))
                walk([inner for inner in mark.marks if inner not in boxes])
            elif isinstance(mark, Group):
                walk(mark.marks)
            else:
                taken.extend(rooms(mark, scene))

    walk(scene.marks)
    return taken, frames


def _strip(node: str, room: Room, tiles: Sequence[Tile]) -> Group:
    marks: list[Mark] = []
    side = room.y1 - room.y0
    many = round((room.x1 - room.x0 + GAP) / (side + GAP))
    for i, tile in enumerate(tiles[:many]):
        rows, columns = tile.shape
        wide, high = side * min(1.0, columns / rows), side * min(1.0, rows / columns)
        left, top = room.x0 + i * (side + GAP) + (side - wide) / 2, room.y0 + (side - high) / 2
        marks += [Image(left, top, wide, high, tile.png, cells=tile.cells), Box(left, top, wide, high, "legend box")]
    return Group(tuple(marks), "maps", title=node)
