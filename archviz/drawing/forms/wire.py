"""The wire form: unfilled cuboids, the kernels inside them, and the lines along which these project.

In: a graph, its layout, a style.  Out: sizes for the layout, and marks.

A convolution reads along its kernel, a dense layer all of its input; vectors stand upright.  What only rescales or
selects (pooling, an activation of its own) is a note below the line, and so is a stride.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from archviz.core import text
from archviz.core.geometry import Frame, Layout, Route, Size
from archviz.core.graph import Graph, Node, NodeId
from archviz.core.naming import titles
from archviz.core.scene import Cuboid, Link, Mark, Text
from archviz.drawing.forms import Traits, block
from archviz.drawing.forms._blocks import ELEMENTWISE, Labels, Title, kernel_of
from archviz.drawing.forms._latest import latest
from archviz.drawing.forms._shapes import link_group, node_group, rays
from archviz.drawing.forms._volumes import SCALED, Anchor, Scale, Volumes, law, projection, scaled
from archviz.drawing.forms.cube import STEP, STEPS
from archviz.drawing.labels import role_of
from archviz.style.option import Option
from archviz.style.style import Style

NOTED = frozenset(("pool", "upsample", *ELEMENTWISE))
TOLD = 2        # kernels in one volume whose sizes are all told
ENDS = 0.94     # from where on a side lines go to a dense layer, clear of the number below
DEEP = 0.8     # how far behind the front a kernel is, of the room there is
DENSE = frozenset(("linear", "reduce"))


def variants(style: Style) -> tuple[Style, ...]:
    """The style with its volumes, and the room between them, ever smaller; text keeps its size."""
    return tuple(replace(style, sizes=scaled(style.sizes, (*SCALED, "along"), STEP**i)) for i in range(STEPS))


TRAITS = Traits(alike=True, variants=variants, options={
    "space": Option(law, "power 0.62", "law of heights and widths: log, linear, power 0.5"),
    "channels": Option(law, "power 0.72", "law of the thickness: log, linear, power 0.55"),
    "projection": Option(projection, "cabinet 42 0.4", "cabinet, angle and depth; or isometric"),
})


@latest
def volumes(graph: Graph, style: Style) -> Volumes:
    """What a wire figure shows of each node."""
    p = Volumes(style)
    scale = Scale((n.out[0] for n in graph.nodes if n.out), style)
    for node in graph.nodes:
        if style.kinds[node.kind].shape == "glyph":
            p.glyphs.add(node.id)
        elif node.kind == "output":
            p.ports[node.id] = (0.0, 0.0)
        elif node.kind in NOTED and graph.incoming[node.id]:
            p.notes.add(node.id)
        else:
            v = scale.volume(node.out[0] if node.out else None)
            # a vector stands, its features from top to bottom
            p.volumes[node.id] = replace(v, height=v.depth, depth=v.height) if v.kind == "rod" else v
            p.copies[node.id] = 1
            p.fused[node.id] = ()
            p.blocks.append([node.id])
    names = titles(graph, style.titles)
    for key in p.volumes:
        _number(graph, graph.by_id[key], p, names)
    for node in graph.nodes:
        _note(graph, node, p)
    return p


def _source(graph: Graph, p: Volumes, key: NodeId) -> NodeId:
    """The volume that `key` is a note on, or itself."""
    while key in p.notes:
        key = next(edge.src for edge in graph.incoming[key])
    return key


def _sources(graph: Graph, p: Volumes, key: NodeId) -> list[NodeId]:
    """The volumes that the node `key` reads."""
    keys = (_source(graph, p, edge.src) for edge in graph.inflow[key])
    return [source for source in dict.fromkeys(keys) if source in p.volumes]


def _number(graph: Graph, node: Node, p: Volumes, names: Mapping[NodeId, str]) -> None:
    """Channels below each volume; height and width where they are new."""
    labels = Labels(p, p.style, [node.id], [node.id])
    volume = p.volumes[node.id]
    before = [p.volumes[source].extent for source in _sources(graph, p, node.id)]
    if volume.kind != "rod" and volume.extent not in before:
        # where no line enters that comes from the other streams
        stream = node.attrs.get("stream")
        labels.around(None, 0.86 if stream is None else 0.97 if stream else 0.14)
    title = names.get(node.id, "") if node.kind == "module" else ""
    labels.below(Title(str(node.attrs.get("label", title))), 0)


def _note(graph: Graph, node: Node, p: Volumes) -> None:
    """What is done on the way: in the last stream, as it is done in all."""
    s = p.style.sizes
    if node.attrs.get("stream", 0) + 1 < node.attrs.get("streams", 1):
        return
    size = p.style.roles["note"].size
    if node.id in p.notes:
        if node.kind in ELEMENTWISE:
            return      # every layer has one; a reader knows
        words = text.caption(p.style.captions, node.op, node.attrs).split(" ")
        source = _source(graph, p, node.id)
        if source in p.volumes:     # on the line on which the number of channels stands below it
            _, down, back = p.edges(source)
            low = (down[1] - back[1]) / 2 + s["label_gap"] + 0.8 * p.style.roles["number"].size
            if down[1] < s["kernel"]:       # clear of the lines of what is not high
                low += (len(words) - 1) * size * s["leading"]
            _stack(p, node.id, words, s["note_gap"], low, "start", size)
    elif node.id in p.volumes and (sources := _sources(graph, p, node.id)):
        if node.kind in DENSE:
            words, last = [text.caption(p.style.captions, node.op, node.attrs)], sources[-1]
            if p.volumes[last].kind == "rod" and all(edge.src == _source(graph, p, edge.src)
                                                     for edge in graph.incoming[node.id]):
                along, down, back = p.edges(last)      # below the lines that come down from the other streams
                _stack(p, last, words, along[0] + back[0] + s["note_gap"] / 2, down[1], "start", size)
            else:
                _stack(p, node.id, words, -s["note_gap"], p.edges(node.id)[1][1], "end", size)
        elif kernel_of(node)[0].count("\n"):
            stride = kernel_of(node)[0].split("/")[1]
            words = [text.caption(p.style.captions, "stride", {**node.attrs, "stride": stride})]
            number = next((label for label in p.labels[node.id] if label.anchor == "middle" and not label.rotate), None)
            low = (number.y if number else p.edges(node.id)[1][1]) + size * s["leading"]
            _stack(p, node.id, words, number.box.right if number else 0.0, low, "end", size)


def _stack(p: Volumes, key: NodeId, words: Sequence[str], x: float, low: float, anchor: Anchor, size: float) -> None:
    """Words below each other, the last one's baseline at `low`."""
    for i, word in enumerate(words):
        p.label(key, x, low - (len(words) - 1 - i) * size * p.style.sizes["leading"], word, "note", anchor)


def sizes(graph: Graph, style: Style) -> dict[NodeId, Size]:
    """The front face of each node's volume, its edge into the depth, and the places of its labels."""
    p = volumes(graph, style)
    return {node.id: p.size(node.id) if node.id in p.glyphs or node.id in p.volumes else
            Size(0.0, 0.0, joint=True, parts=p.boxes(node.id)) for node in graph.nodes}


def frames(graph: Graph, style: Style) -> dict[NodeId, Frame]:
    """None: the volumes speak for themselves."""
    return {}


def draw(graph: Graph, layout: Layout, style: Style) -> tuple[Mark, ...]:
    """Wires of volumes, then kernels and their lines."""
    p, marks = volumes(graph, style), list[Mark]()
    links = {(route.src, route.dst): _link(graph, p, layout, route) for route in layout.routes}
    on = _lines_on(graph, p, layout, links)
    for node in graph.nodes:
        place, role = layout.nodes[node.id], role_of(node, style)
        written = p.written(node.id, place)
        if node.id in p.glyphs:
            marks.append(node_group(node, role, block.glyph(node.kind, place, role, style)))
        elif node.id in p.volumes:
            marks.append(node_group(node, role, (p.cuboid(node.id, place, role), *written)))
        else:
            marks.append(node_group(node, "note", (*on.get(node.id, ()), *written)))
    marks += [link_group(route, line) for route in layout.routes if (line := links[route.src, route.dst])]
    return tuple(marks)


def _lines_on(graph: Graph, p: Volumes, layout: Layout, links: dict[tuple[NodeId, NodeId], Sequence[Mark]],
              ) -> dict[NodeId, Sequence[Mark]]:
    """The line on which each note stands from which one goes on; what leads there, into `links`."""
    lines: dict[NodeId, Sequence[Mark]] = {}
    bend, into, out = p.style.sizes["bend"], dict[NodeId, Route](), dict[NodeId, list[Route]]()
    for route in layout.routes:
        into[route.dst] = route
        out.setdefault(route.src, []).append(route)
    for node in reversed(graph.nodes):
        leaving = [route.points[0] for route in out.get(node.id, ())
                   if any(isinstance(mark, Link) for mark in links[route.src, route.dst])]
        if leaving and node.id in p.notes and node.id in into:
            points = into[node.id].points
            (x0, y0), (x1, y1) = points[-2:]
            middle = (x0 + x1) / 2, (y0 + y1) / 2
            links[into[node.id].src, node.id] = [Link((*points[:-1], middle), "edge", bend, False)]
            lines[node.id] = [Link((middle, points[-1], max(leaving)), "edge", bend, False)]
    return lines


def _link(graph: Graph, p: Volumes, layout: Layout, route: Route) -> Sequence[Mark]:
    """How `route` is drawn: along a kernel, from a whole volume, or as an arrow; nothing into a note."""
    source, s = _source(graph, p, route.src), p.style.sizes
    if route.dst in p.notes or route.dst in p.ports:
        return []
    node = graph.by_id[route.dst]
    if source in p.volumes and route.dst in p.volumes:
        a, b = (p.cuboid(key, layout.nodes[key]) for key in (source, route.dst))
        if node.kind in DENSE:
            return rays([a.at(1, 1 - ENDS, 0.5), a.at(1, ENDS, 0.5)], b.at(0, 0.5, 0.5))
        _, kernel = kernel_of(node)
        if kernel and p.volumes[source].height_of:
            return _kernel(graph, p, layout, route, source, kernel)
    return [Link(route.points, "edge", s["bend"], True, s["arrow"])]


def _kernel(graph: Graph, p: Volumes, layout: Layout, route: Route, source: NodeId, kernel: tuple[float, ...],
            ) -> tuple[Mark, ...]:
    """The kernel as deep as the volume it reads, and lines from the corners of its face to a point of what it makes."""
    s = p.style.sizes
    a, b = (p.cuboid(key, layout.nodes[key]) for key in (source, route.dst))
    volume, seen = p.volumes[source], graph.by_id[route.src].out[0].shape       # a note may have made it smaller
    high = _share(kernel[0], seen[-2] if len(seen) > 3 else seen[-1], volume.height, s["kernel_least"])
    wide = _share(kernel[-1], seen[-1], volume.depth, s["kernel_least"])
    ends = _readers(graph, layout, route.src)
    # several are spread over the side, below its upper edge
    part = 0.2 + 0.84 * (2 * ends.index(layout.nodes[route.dst].y) + 1) / (2 * len(ends))
    top = min(max(part - high / 2, 0.0), 1 - high)
    front = DEEP * (1 - wide)
    corner = a.at(0, top, front)
    down, back = (a.down[0] * high, a.down[1] * high), (a.back[0] * wide, a.back[1] * wide)
    inner = Cuboid(*corner, a.along, down, back, "kernel", hidden=False)
    faces = [inner.at(1, 0, 0), inner.at(1, 0, 1), inner.at(1, 1, 1), inner.at(1, 1, 0)]
    # where the kernels of what is made, and their numbers, are not in the way
    t = 0.56 if len(_readers(graph, layout, _last(graph, p, route.dst))) > 1 else 0.74
    t = 0.3 if t > 0.6 and graph.by_id[route.dst].attrs.get("stream", 0) else t
    point = b.at(0, t, 0.3)
    measured = volume.height > s["kernel"] and (len(ends) <= TOLD or ends[-1] == layout.nodes[route.dst].y)
    numbers = _measured(inner, a, kernel, p.style) if measured else ()
    return (inner, *numbers, *rays(faces, point))


def _last(graph: Graph, p: Volumes, key: NodeId) -> NodeId:
    """The last of the notes on `key`."""
    while (after := [edge.dst for edge in graph.outgoing[key]]) and after[0] in p.notes:
        key = after[0]
    return key


def _readers(graph: Graph, layout: Layout, key: NodeId) -> list[float]:
    """Where those stand that read `key`, from top to bottom; a dense layer needs no kernel in it."""
    return sorted({layout.nodes[edge.dst].y for edge in graph.outgoing[key] if graph.by_id[edge.dst].kind not in DENSE})


def _measured(c: Cuboid, volume: Cuboid, kernel: tuple[float, ...], style: Style) -> tuple[Mark, ...]:
    """The size of a kernel, its height to the left and its width above, clear of the edge of the `volume` in front."""
    size, gap = style.roles["number"].size, style.sizes["label_gap"] / 2
    edge, numbers = volume.at(1, 0, 0)[0], [f"{kernel[0]:g}", f"{kernel[-1]:g}"][: len(kernel)]
    (x, y), (over, up) = c.at(0, 0.5, 0), c.at(0.5, 0, 1)
    spots = ((x - gap - text.width(numbers[0], size) / 2, y + 0.36 * size), (over, up - gap))
    marks = []
    for number, (middle, low) in zip(numbers, spots, strict=False):
        clear = text.width(number, size) / 2 + gap
        middle = edge - clear if abs(middle - edge) < clear else middle
        marks.append(Text(middle, low, number, "number", "middle"))
    return tuple(marks)


def _share(kernel: float, of: int, length: float, least: float) -> float:
    """The part of a side that a kernel covers; never too small to be seen."""
    return min(max(kernel / of, least / length), 0.9)


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """None: nothing is told by colours."""
    return []
