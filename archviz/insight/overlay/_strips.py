"""Small strips of feature maps beside the boxes of a figure, where there is room for them.

In: a scene, the channels to show of each node.  Out: the strips, as large as most nodes have room for.

Nothing moves for them.  They stand in a column to the right of the drawing, each at the height of its box, from where a
dotted line leads to it; or, where fewer would have a free way to there, each beside its box, on no other mark.  A
single one stands beside its box wherever there is room.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from archviz.core.scene import Box, Group, Image, Link, Mark, Path, Scene
from archviz.insight.overlay._bounds import Room, body, nodes, rooms
from archviz.insight.painting.pixels import Tile

SIDES = (20.0, 17.0, 14.5, 12.0, 10.0, 8.5)     # of a tile, in points
ALONE = (34.0, 30.0, 26.0, 23.0)                # of the only tile of a figure, which is that of its input
MOST = 4            # channels in one strip
NEARLY = 0.8        # smaller tiles have to find room beside so many more nodes
GAP = 1.0           # between two tiles
AWAY = 2.6          # between a box and its strip
CLEAR = 1.2         # between a strip and any other mark
EDGE = 2.0          # between a strip and the edge of the page

LINE = 3.0          # from the drawing to the column


def placed(scene: Scene, tiles: Mapping[str, Sequence[Tile]], widest: float) -> tuple[list[Group], float]:
    """A group for each strip, and how wide the page has to be, at most `widest` where it is not wider already."""
    groups = {group.node: group for group in nodes(scene.marks) if tiles.get(group.node)}
    boxes = {node: _box(group, scene) for node, group in groups.items()}
    taken, frames = _taken(scene)
    page = Room(EDGE, EDGE, scene.width - EDGE, scene.height - EDGE)
    best: dict[str, Room] = {}
    for size in (*ALONE, *SIDES) if len(boxes) == 1 else SIDES:
        places = _places(boxes, size, taken, frames, page)
        if len(places) * NEARLY > len(best):
            best = places
    column = _column(scene, boxes, max(scene.width, widest))
    if len(column) >= max(len(best), 2) or column and not best:
        marks: list[Group] = []
        for node, room in column.items():
            most = max(1, int((max(scene.width, widest) - EDGE - room.x0 + GAP) / (room.y1 - room.y0 + GAP)))
            many = min(most, MOST, len(tiles[node]))
            long = room._replace(x1=room.x0 + many * (room.y1 - room.y0 + GAP) - GAP)
            y = (room.y0 + room.y1) / 2
            lead = Path((("M", (boxes[node].x1 + 1.0, y)), ("L", (room.x0 - 1.0, y))), "strip")
            strip = _strip(node, long, tiles[node])
            marks.append(Group((lead, *strip.marks), strip.role, title=node))
        reach = max(_reach(group, scene) for group in marks)
        return marks, max(scene.width, reach + EDGE)
    for node in best:
        others = [room for key, room in best.items() if key != node]
        best[node] = _longer(best[node], boxes[node], len(tiles[node]), [*taken, *others], frames, page)
    return [_strip(node, room, tiles[node]) for node, room in best.items()], scene.width


def _reach(group: Group, scene: Scene) -> float:
    """The right edge of a group."""
    return max(room.x1 for mark in group.marks for room in rooms(mark, scene))


def _box(group: Group, scene: Scene) -> Room:
    """What a node fills: its outline, or its words."""
    outline = body(group, scene)
    every = [outline] if outline is not None else list(rooms(group, scene))
    return Room(min(r.x0 for r in every), min(r.y0 for r in every), max(r.x1 for r in every), max(r.y1 for r in every))


def _column(scene: Scene, boxes: Mapping[str, Room], widest: float) -> dict[str, Room]:
    """One tile to the right of the drawing for each node whose way there leads over no box and along no link, the
    lower of two at one height left out; as large as the least distance of two."""
    drawn = [mark for mark in scene.marks if isinstance(mark, Group) and mark.role not in ("legend", "zoom")]
    if any(group.role == "inset" for group in drawn):       # it stands in the way
        return {}
    solid = [_box(group, scene) for group in nodes(scene.marks) if group.marks]
    # And the horizontal parts of links.
    solid += [room for group in drawn for link in group.marks if isinstance(link, Link) for room in rooms(link, scene)
              if room.x1 - room.x0 > 3 * (room.y1 - room.y0)]
    x = max((_reach(group, scene) for group in drawn if group.marks), default=0.0) + LINE
    levels: dict[str, float] = {}
    for node, box in sorted(boxes.items(), key=lambda item: (item[1].y0 + item[1].y1, item[1].x0)):
        y = (box.y0 + box.y1) / 2
        way = Room(box.x1 + 0.5, y - 0.5, x, y + 0.5)
        free = not any(way.meets(other) for other in solid)
        if free and all(abs(y - other) > SIDES[-1] for other in levels.values()):
            levels[node] = y
    heights = sorted(levels.values())
    least = min((b - a for a, b in zip(heights, heights[1:], strict=False)), default=SIDES[0])
    side = min(SIDES[0], least - GAP)
    if x + side + EDGE > widest:
        return {}
    return {node: Room(x, y - side / 2, x + side, y + side / 2) for node, y in levels.items()}


def _places(boxes: Mapping[str, Room], size: float, taken: Sequence[Room], frames: Sequence[Room], page: Room
            ) -> dict[str, Room]:
    """Where each node has room for one tile."""
    places: dict[str, Room] = {}
    for node, box in boxes.items():
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        choices = [Room(box.x1 + AWAY, y - size / 2, box.x1 + AWAY + size, y + size / 2),
                   Room(box.x0 - AWAY - size, y - size / 2, box.x0 - AWAY, y + size / 2),
                   Room(x - size / 2, box.y0 - AWAY - size, x + size / 2, box.y0 - AWAY),
                   Room(x - size / 2, box.y1 + AWAY, x + size / 2, box.y1 + AWAY + size)]
        free = (room for room in choices if _free(room, box, [*taken, *places.values()], frames, page))
        if (room := next(free, None)) is not None:
            places[node] = room
    return places


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
