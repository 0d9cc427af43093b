"""A model as a tree of plates: what stands in the place of each thing once it is opened, down to the last operation.

In: a graph after its passes, a style.  Out: `Plate` by the id of what it shows, the whole model's under ``""``.

A plate shows one thing from inside, with everything on it closed.  Lines cross its border at ports, on the sides and in
the order in which they reach the closed thing on the plate around it, so that it can be put in its place (see view).
"""
from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod

from archviz.core import text
from archviz.core.geometry import Layout, Place, Route, Size
from archviz.core.graph import Edge, Graph, Module, Node, NodeId
from archviz.core.naming import known_as, titles
from archviz.core.plugins import find
from archviz.core.regroup import lift
from archviz.core.scene import Box, Group, Mark, Path, Point, changed, lower, walk
from archviz.drawing.badges import badges
from archviz.drawing.labels import looks
from archviz.figure.expand.ports import End, Port, bordered, side_of
from archviz.style.style import Style

ENDLESS = 1e6       # the room that a plate has along the flow: it never turns back
NEAR = 0.5          # a line that ends so near to a thing ends at it
LAST = 1 << 40      # after every node of a trace
STUB = "/port:"
"""How the ids of the places begin where data enters or leaves what a plate shows: they are no nodes of the trace."""

FLOWS = {"top": "down", "bottom": "up", "left": "right"}
"""How the data flows on a plate that it enters from this side."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something on a plate.

    what    ``node``, ``frame``, ``link``, ``label``, or ``ray``: what shows as long as nothing on the plate is open
    marks   how it is drawn, at rest
    place   of a node, where it is, at rest; of a solid, its front face
    reach   what else of the page it takes, to the back: from there to (x, y) further
    node    what a ``node`` or the ``frame`` draws
    src, dst    what a ``link`` joins: things on the plate, or stubs
    spans   whether a node is a bar over all that enters it, which grows with that
    """

    what: str
    marks: tuple[Mark, ...]
    place: Place = Place(0.0, 0.0, 0.0, 0.0)
    node: NodeId = ""
    src: NodeId = ""
    dst: NodeId = ""
    spans: bool = False
    reach: Point = (0.0, 0.0)


@dataclass(frozen=True)
class Plate:
    """One thing from inside.

    key     what it shows; empty: the whole model
    width, height   its size at rest, in printed points
    items   what is on it, in the order in which it is drawn
    ports   where lines cross its border
    graph   what it draws, with a stub for each port
    times   how many copies the frames around it stand for, its own not counted
    """

    key: NodeId
    width: float
    height: float
    items: tuple[Item, ...]
    ports: tuple[Port, ...]
    graph: Graph
    times: int = 1

    @property
    def nodes(self) -> Iterator[Node]:
        """The things on it."""
        return (node for node in self.graph.nodes if not node.id.startswith(STUB))


@dataclass(frozen=True)
class _Closed:
    """A closed thing on a plate.

    node    what it is, with all that it stands for
    times   how many copies of it the frames around it stand for
    depth   how many frames there are around it
    flow    which way the data flows around it
    place   where it is
    ends    line by line: whether data enters there, the edge, how it runs
    margin      what it has to keep from its neighbours once it is open, as they reach over it
    """

    node: Node
    times: int
    depth: int
    flow: str
    place: Place
    ends: tuple[tuple[bool, Edge, Route], ...]
    margin: Point = (0.0, 0.0)


def plates(graph: Graph, style: Style, direction: str) -> dict[NodeId, Plate]:
    """All plates of a model, each before those of the things on it: by the id of what opens, the whole model's first.

    `graph` is what its passes give, nothing collapsed; `direction` is that of the whole, one that the layout knows.
    """
    levels = _levels(graph, style)
    closed = find("passes", "collapse").collapse(graph, style, ids=graph.modules)
    closed = replace(closed, modules=levels.get((), {}))
    form, layout = find("forms", style.form), getattr(find("layouts", style.layout), style.layout)
    sizes = form.sizes(closed, style)
    laid = layout(closed, sizes, {}, style.sizes, direction, ENDLESS)
    whole = Plate("", laid.width, laid.height, _items(closed, laid, sizes, style, 0), (), closed)
    return _all(whole, _closed(closed.nodes, closed, laid, 1, 0), levels, style)


def plates_of(graph: Graph, laid: Layout, style: Style, inner: Style) -> dict[NodeId, Plate]:
    """All plates, as above, of a figure in a form that draws no frames: the figure as it is, and what its things hold,
    which is drawn in the style `inner`."""
    sizes = find("forms", style.form).sizes(graph, style)
    items = [item if item.what == "link" else replace(item, marks=tuple(c for mark in item.marks for c in lower(mark)))
             for item in _items(graph, laid, sizes, style, 0)]
    items = _attached([_whole(item, items) for item in items])
    whole = Plate("", laid.width, laid.height, tuple(items), (), graph)
    depth = max((abs(size.back[0]) for size in sizes.values()), default=0.0)
    rise = max((abs(size.back[1]) for size in sizes.values()), default=0.0)
    places = {item.node: item.place for item in items if item.what == "node"}
    closed = [replace(one, times=prod(graph.modules[frame].repeat for frame in one.node.scope),
                      place=places[one.node.id], margin=(depth, rise))
              for one in _closed((node for node in graph.nodes if node.id in places), graph, laid, 1, 0)]
    return _all(whole, closed, _levels(graph, inner), inner)


def _whole(item: Item, items: Iterable[Item]) -> Item:
    """A solid that stands by itself takes all the room it is seen on; what abuts others, that of its front."""
    p, (bx, by) = item.place, item.reach
    if item.what != "node" or not (bx or by):
        return item
    room = Place(p.x + min(bx, 0.0), p.y + min(by, 0.0), p.width + abs(bx), p.height + abs(by))
    others = [other for other in items if other.what == "node" and other is not item]
    solids = [other.place for other in others if any(other.reach)]
    if any(room.x < solid.cx < room.right for solid in solids):
        slender = room.cy < p.y     # its axis runs behind its front
        return replace(item, place=Place(p.x, room.y, p.width, room.height), reach=(bx, 0.0)) if slender else item
    right = min([room.right, *(o.place.x for o in others if o.place.x >= p.right)])
    return replace(item, place=replace(room, width=right - room.x), reach=(0.0, 0.0))


def _attached(items: Sequence[Item]) -> list[Item]:
    """Outlines that lie on a thing, as a kernel does, as a part of it; others, as rays from one to the next, by
    themselves."""
    kept, on = list[Item](), dict[NodeId, tuple[Mark, ...]]()
    nodes = [item for item in items if item.what == "node"]
    for item in items:
        points = list(_corners(item.marks)) if item.what == "label" else []
        if not points:
            kept.append(item)
            continue
        under = next((node for node in reversed(nodes) if all(touches(node, point) for point in points)), None)
        if under is None:
            kept.append(replace(item, what="ray"))
        else:
            on[under.node] = (*on.get(under.node, ()), *item.marks)
    return [replace(item, marks=(*item.marks, *on[item.node])) if item.what == "node" and item.node in on else item
            for item in kept]


def touches(item: Item, point: Point) -> bool:
    """Is `point` on a thing, or at its border?  A line that leaves another one on its way begins elsewhere."""
    p, (bx, by) = item.place, item.reach
    return (p.x + min(bx, 0.0) - NEAR <= point[0] <= p.right + max(bx, 0.0) + NEAR
            and p.y + min(by, 0.0) - NEAR <= point[1] <= p.bottom + max(by, 0.0) + NEAR)


def _corners(marks: Iterable[Mark]) -> Iterator[Point]:
    for mark in walk(marks):
        for _, values in mark.commands if isinstance(mark, Path) else ():
            yield from zip(values[::2], values[1::2], strict=True)


def _levels(graph: Graph, style: Style) -> dict[tuple[NodeId, ...], dict[NodeId, Module]]:
    """The modules of each scope, with their names, which are told apart once, from all that are beside them."""
    levels: dict[tuple[NodeId, ...], dict[NodeId, Module]] = {}
    names = titles(graph, style.titles)
    for key, module in graph.modules.items():
        attrs = {**module.attrs, "label": names[key], "frame": known_as(names[key], module)}
        levels.setdefault(module.scope, {})[key] = replace(module, attrs=attrs)
    return levels


def _all(
    whole: Plate, closed: Iterable[_Closed], levels: Mapping[tuple[NodeId, ...], Mapping[NodeId, Module]], style: Style,
) -> dict[NodeId, Plate]:
    """`whole`, and the plates of what is `closed` on it, and of what is closed on these."""
    opened, waiting = {"": whole}, deque(closed)
    named = {node.id for node in whole.graph.nodes}
    while waiting:
        closed_thing = waiting.popleft()
        node, times = shown(closed_thing.node, closed_thing.times)
        if node.inside:
            parts = tuple(_named(part, named) for part in node.inside)
            module, around = _module(closed_thing.node, levels, style)
            graph = _inside(closed_thing, replace(node, inside=parts), times, module, around)
            plate, laid = _opened(closed_thing, graph, style)
            opened[closed_thing.node.id] = replace(plate, times=times)
            waiting += _closed(parts, graph, laid, times * module.repeat, closed_thing.depth + 1)
    return opened


def shown(node: Node, times: int) -> tuple[Node, int]:
    """What is shown of `node`, which stands for `times` copies in frames: the first of them, and how many copies frames
    still stand for inside of it."""
    while times > 1 and node.inside and node.repeat > node.inside[0].repeat:
        times //= node.repeat // node.inside[0].repeat
        node = node.inside[0]
    return node, times


def _named(node: Node, named: set[NodeId]) -> Node:
    """`node` under an id of its own: the first of several that one box stands for has that box's."""
    key = node.id
    while key in named:
        key = f"{key}/{node.op}"
    named.add(key)
    return node if key == node.id else replace(node, id=key)


def _opened(thing: _Closed, graph: Graph, style: Style) -> tuple[Plate, Layout]:
    """The plate of `thing`, which `graph` is drawn on, and how it is laid out."""
    key, form = thing.node.id, find("forms", style.form)
    sizes = {k: Size(0.0, 0.0) if k.startswith(STUB) else size for k, size in form.sizes(graph, style).items()}
    at = [_reached(thing.place, route.points) if into else route.points[0] for into, _, route in thing.ends]
    flow = _flow({side_of(thing.place, point) for point, end in zip(at, thing.ends, strict=True) if end[0]}, thing.flow)
    frame = form.frames(graph, style)[key]
    laid = find("layouts", "layered").layered(graph, sizes, {key: frame}, style.sizes, flow, ENDLESS)
    ends = [End(f"{STUB}{i}", edge.src, edge.dst, point, route.skip)
            for i, (point, (_, edge, route)) in enumerate(zip(at, thing.ends, strict=True))]
    laid, ports = bordered(laid, key, ends, thing.place, frame.skirt, style.sizes["track"], thing.margin)
    return Plate(key, laid.width, laid.height, _items(graph, laid, sizes, style, thing.depth), ports, graph), laid


def _reached(place: Place, points: Sequence[Point]) -> Point:
    """Where a line reaches the border of `place`, also one that ends at a slanted side of what stands there."""
    (ax, ay), (bx, by) = points[-2:]
    if not (place.x + 1.0 < bx < place.right - 1.0 and place.y + 1.0 < by < place.bottom - 1.0):
        return bx, by
    level = abs(ay - by) < abs(ax - bx)
    return (place.x if ax < bx else place.right, by) if level else (bx, place.y if ay < by else place.bottom)


def _flow(sides: Collection[str], around: str) -> str:
    """How the data flows on a plate that is entered from `sides`: as around it, where it may."""
    ways = [flow for side, flow in FLOWS.items() if side in sides]
    return around if around in ways or not ways else ways[0]


def _module(
    node: Node, levels: Mapping[tuple[NodeId, ...], Mapping[NodeId, Module]], style: Style,
) -> tuple[Module, dict[NodeId, Module]]:
    """The frame that `node` has once it is open, with that of each module in it."""
    module = levels.get(node.scope, {}).get(node.id)
    if module is None:
        frame = Module(node.id, node.op, node.id, attrs={"label": _called(node, style)})
    else:
        frame = replace(module, attrs={**module.attrs, "label": module.attrs["frame"]})
    return frame, {**levels.get((*node.scope, node.id), {}), node.id: frame}


def _inside(thing: _Closed, node: Node, times: int, frame: Module, modules: Mapping[NodeId, Module]) -> Graph:
    """What is drawn of the inside of `node`, with a stub for each line that reaches the closed thing."""
    inner_of = {member: node.members[i % len(node.members)] for i, member in enumerate(thing.node.members)}
    inner = [replace(part, scope=(frame.id,), repeat=part.repeat // times) for part in node.inside]
    stubs, wires = list[Node](), list(node.wires)
    for i, (into, edge, _) in enumerate(thing.ends):
        kind, out = ("input" if into else "output"), (edge.tensor,) if edge.tensor else ()
        stub = Node(f"{STUB}{i}", (), kind, kind, out=out, index=i - len(thing.ends) if into else LAST + i)
        stubs.append(stub)
        for base in edge.base:
            if into and base.dst in inner_of:
                wires.append(Edge(stub.id, inner_of[base.dst], base.tensor, "data", base.slot))
            elif not into and base.src in inner_of:
                wires.append(Edge(inner_of[base.src], stub.id, base.tensor, "data", base.slot))
    if node.repeat > node.inside[0].repeat:     # copies in a row, each of which feeds the next
        order = {member: part.index for part in inner for member in part.members}
        wires = [replace(edge, role="data") if order.get(edge.src, LAST) < order.get(edge.dst, -LAST) else edge
                 for edge in wires]
    nodes, edges, _ = lift((*stubs, *inner), [edge for edge in dict.fromkeys(wires) if edge.role != "recurrent"])
    return Graph(frame.id, nodes, edges, modules)


def _called(node: Node, style: Style) -> str:
    """The title of what several operations make, as it is on the closed thing."""
    lines = looks(Graph("", (replace(node, scope=(), repeat=1),)), style)[node.id].lines
    return lines[0][0] if lines else text.pretty(node.op)


def _closed(nodes: Iterable[Node], graph: Graph, laid: Layout, times: int, depth: int) -> Iterator[_Closed]:
    """What is closed on a plate that `graph` draws, with all that it stands for, and the lines that reach it."""
    lines = {(route.src, route.dst): route for route in laid.routes}
    for node in nodes:
        ends = [(into, edge, lines[edge.src, edge.dst]) for into, edges in (
            (True, graph.incoming[node.id]), (False, graph.outgoing[node.id]))
            for edge in edges if (edge.src, edge.dst) in lines]
        yield _Closed(node, times, depth, laid.direction, laid.nodes[node.id], tuple(ends))


def _items(
    graph: Graph, laid: Layout, sizes: Mapping[NodeId, Size], style: Style, depth: int,
) -> tuple[Item, ...]:
    """What the form draws, told apart."""
    items = []
    form = find("forms", style.form)
    lines = {(route.src, route.dst) for route in laid.routes}
    for mark in (*form.draw(graph, laid, style), *badges(graph, laid)):
        name, ends = (mark.node, mark.edge) if isinstance(mark, Group) else ("", None)
        if name in graph.by_id and name.startswith(STUB):
            continue
        if name in graph.by_id:
            items.append(Item("node", (mark,), laid.nodes[name], name, spans=sizes[name].spans, reach=sizes[name].back))
        elif name in laid.frames:
            items.append(Item("frame", (_deep(mark, depth),), laid.frames[name], name))
        elif ends in lines:
            items.append(Item("link", (mark,), src=ends[0], dst=ends[1]))
        else:
            items.append(Item("label", (mark,)))
    return tuple(items)


def _deep(mark: Mark, depth: int) -> Mark:
    """A frame's mark in the paint of its depth: neighbours in depth are told apart."""
    role = "frame inner" if depth % 2 else "frame"
    return changed(mark, lambda one: replace(one, role=role) if isinstance(one, Box) and one.role in (
        "frame", "frame inner") else one)
