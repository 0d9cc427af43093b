"""Insets: a block of the figure drawn opened up beside it or below it, with lines to where it belongs.

In: a graph after its passes, and which modules to draw so, each from a graph after the passes of its own style.
Out: a `Drawing` in which these modules are closed boxes, and each inset in a frame of its own under the same heading
and above the same legend.

The main figure and the insets share one page: every size an inset can be drawn in is tried on each side, and what is
left of the page is what the main figure has.  Nothing is scaled.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from archviz.core import text
from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.graph import Edge, Graph, Node, NodeId, TensorSpec
from archviz.core.naming import known_as, titles
from archviz.core.plugins import find
from archviz.core.scene import Box, Group, Mark, Text, changed, moved
from archviz.drawing.badges import badges
from archviz.figure.fit import BARE, Detail, Drawing, Judge, Try, bare, fit, scale, search, tightened
from archviz.figure.foreign_roles import foreign, paints, renamed
from archviz.figure.insets.leaders import GAP, Framed, Zoomed
from archviz.style.style import Page, Style

SHARE = {"right": (0.66, 1.0), "below": (1.0, 0.66)}    # of the page's width and height that insets may take
CLOSED = 60.0       # what it costs to leave a module in an inset closed, in points of height
PAIRED = 2          # of so many insets every size is tried with every size of the others


@dataclass(frozen=True)
class Wanted:
    """An inset that is asked for: the module (a glob), and the graph and the style in which it is drawn."""

    pattern: str
    graph: Graph
    style: Style


def fit_with(graph: Graph, style: Style, detail: Detail, title: str | None, wanted: Sequence[Wanted]) -> Drawing:
    """Draw `graph` as `fit` does, with insets.

    Raises `ArchvizError` for a pattern that names no module, and for a module that is not seen as it lies in a closed
    one; `DoesNotFit` when there is no room for both.
    """
    # the first module that a pattern names is the outermost; a folded copy names its block
    keys: list[NodeId] = [find("passes", "collapse").select(graph, [one.pattern])[0] for one in wanted]
    detail = replace(detail, inset=tuple(dict.fromkeys(keys)))
    best: tuple[float, Drawing] | None = None
    refused: DoesNotFit | None = None
    for body, tries in _bodies(graph, keys, wanted, tightened(style)):
        try:
            drawing = fit(graph, style, detail, title, body=body)
        except DoesNotFit as error:
            refused = error
            continue
        missing = [key for key in keys if key not in drawing.graph.by_id]
        if missing:
            raise ArchvizError(f"{graph.modules[missing[0]].path} is not seen in the figure: it lies in a module "
                               "that is closed", "leave out --collapse or --depth, or expand what holds it")
        closed = [sum(node.kind == "module" for node in tried.cut.graph.nodes) for tried in tries]
        cost = drawing.cost + sum(CLOSED * count + tried.score - tried.height
                                  for count, tried in zip(closed, tries, strict=True))
        if best is None or cost < best[0]:
            sheet = {**drawing.scene.sheet, **{role: paint for one in body.frames for role, paint in one.sheet.items()}}
            insets = tuple((key, tried.cut.graph) for key, tried in zip(keys, tries, strict=True))
            best = cost, replace(drawing, scene=replace(drawing.scene, sheet=sheet), insets=insets)
    if best is None:
        names = ", ".join(graph.modules[key].path for key in keys)
        what = refused.message if refused else "the page has no room for it from inside"
        raise DoesNotFit(f"with the inset of {names}, {what}",
                         "allow more with --width and --max-height, or choose a smaller block")
    return best[1]


def _bodies(
    graph: Graph, keys: Sequence[NodeId], wanted: Sequence[Wanted], style: Style,
) -> Iterator[tuple[Zoomed, Sequence[Try]]]:
    """The insets on each side of the drawing, in all sizes together that leave it any room, and what each shows."""
    subs = [_inside(*_same(one, key)) for one, key in zip(wanted, keys, strict=True)]
    for side in SHARE:
        options = [_sizes(sub, tightened(one.style), side) for sub, one in zip(subs, wanted, strict=True)]
        for chosen in product(*options) if len(subs) <= PAIRED else zip(*options, strict=False):
            framed = tuple(_framed(graph, key, judge, tried, style)
                           for key, (judge, tried) in zip(keys, chosen, strict=True))
            body = Zoomed(tuple(entry for one in framed for entry in one.legend), side, framed, style.roles)
            if body.taken()[0] <= style.page.width and body.taken()[1] <= style.page.max_height:
                yield body, [tried for _, tried in chosen]


def _same(one: Wanted, key: NodeId) -> tuple[Graph, NodeId]:
    same = next((k for k, m in one.graph.modules.items() if key == k or key in m.copies), None)
    if same is None:
        raise ArchvizError(f"{one.pattern} is not a module of its own in the style {one.style.name}",
                           "leave out the style of this inset")
    return one.graph, same


STUB = "/inset:"
"""How the ids of the places begin where data enters or leaves the block: they are no nodes of the trace."""


def _inside(graph: Graph, key: NodeId) -> Graph:
    """The graph of what is inside the module `key`, with stubs where edges cross its border."""
    nodes = [node for node in graph.nodes if key in node.scope]
    level = nodes[0].scope.index(key) + 1
    times = prod(graph.modules[frame].repeat for frame in nodes[0].scope[:level])
    within = {node.id for node in nodes}
    edges = graph.flows
    wires = [edge for edge in edges if edge.src in within and edge.dst in within]
    entering = _by_source(edge for edge in edges if edge.dst in within and edge.src not in within)
    leaving = _by_source(edge for edge in edges if edge.src in within and edge.dst not in within)
    stubs, joints = _stubs(graph, key, entering, leaving)
    inner = [replace(node, scope=node.scope[level:], repeat=node.repeat // times) for node in nodes]
    ordered = sorted((*inner, *stubs), key=lambda node: (node.index, node.id))
    rank = {node.id: i for i, node in enumerate(ordered)}
    modules = {k: replace(module, scope=module.scope[level:]) for k, module in graph.modules.items()
               if key in module.scope}
    return replace(graph, nodes=tuple(ordered), modules=modules,
                   edges=tuple(sorted((*wires, *joints), key=lambda edge: (rank[edge.src], rank[edge.dst]))))


def _stubs(
    graph: Graph, key: NodeId, entering: Mapping[NodeId, Sequence[Edge]], leaving: Mapping[NodeId, Sequence[Edge]],
) -> tuple[list[Node], list[Edge]]:
    """A place for each source of data from outside, and for each that data leaves from, with the edges that join them
    to what is inside."""
    stubs: list[Node] = []
    wires: list[Edge] = []
    names = _names(graph, key, {src: src for src in entering}, "input")
    for i, (src, ends) in enumerate(entering.items()):
        stubs.append(Node(f"{STUB}{key} in {i}", (), "input", "input", {"label": names[src]}, _tensors(ends),
                          index=i - len(entering)))
        wires += [Edge(stubs[-1].id, edge.dst, edge.tensor, "data", edge.slot) for edge in ends]
    names = _names(graph, key, {src: ends[0].dst for src, ends in leaving.items()}, "output")
    last = max(node.index for node in graph.nodes) + 1
    for i, (src, ends) in enumerate(leaving.items()):
        out = graph.by_id[src].out[:1] or _tensors(ends)        # not how the next layer folds or picks from it
        stubs.append(Node(f"{STUB}{key} out {i}", (), "output", "output", {"label": names[src]}, out, index=last + i))
        wires.append(Edge(src, stubs[-1].id, ends[0].tensor))
    return stubs, wires


def _by_source(edges: Iterable[Edge]) -> dict[NodeId, list[Edge]]:
    grouped: dict[NodeId, list[Edge]] = {}
    for edge in edges:
        grouped.setdefault(edge.src, []).append(edge)
    return grouped


def _tensors(edges: Sequence[Edge]) -> tuple[TensorSpec, ...]:
    return tuple(edge.tensor for edge in edges[:1] if edge.tensor is not None)


def _names(graph: Graph, key: NodeId, ends: Mapping[NodeId, NodeId], plain: str) -> dict[NodeId, str]:
    """What to write where data enters or leaves: the input's own name, or, if there are several, where it is from."""
    around = (*graph.modules[key].scope, key)
    called = titles(graph)
    names = {}
    for source, end in ends.items():
        node = graph.by_id[end]
        if node.kind in ("input", "output") and ":" in node.id:
            names[source] = text.clean(node.id.split(":", 1)[1]).replace("_", " ")
        elif len(ends) == 1:
            names[source] = plain
        else:
            frame = next((frame for frame in node.scope if frame not in around), None)
            name = called[frame] if frame else text.pretty(node.op)
            names[source] = f"{'from' if plain == 'input' else 'to'} {name}"
        if names[source] in ("0", ""):
            names[source] = plain
    return names


def _sizes(sub: Graph, style: Style, side: str) -> list[tuple[Judge, Try]]:
    """The sizes in which the block can be drawn on this side, opened as far as there is room: what reads best, what is
    narrowest, and what is lowest."""
    pad, page, margin = style.sizes["pad"], style.page, 2 * style.sizes["margin"]
    across, along = SHARE[side]
    width = (page.width - margin) * across - 2 * pad - (GAP if side == "right" else 0.0)
    height = (page.max_height - margin) * along - 4 * pad - 2 * style.roles["title"].size - style.sizes["legend"]
    inner = bare(style, Page(max(width, 1.0), max(height, 1.0), page.min_font))
    judge = Judge(sub, inner, "", BARE)
    best = search(judge, scale(sub, judge.alike), set())
    if not best.fits(inner):
        return []
    shut = find("passes", "collapse").collapsed(best.cut.graph)
    opened = frozenset(sub.modules.keys() - shut)
    tries = [tried for size in range(len(judge.sized)) for tried in judge.tries(opened, size)]
    fitting = [best, *(tried for tried in tries if tried.fits(inner) and tried.reads())]
    chosen = [best, min(fitting, key=lambda t: (round(t.width, 2), t.height)),
              min(fitting, key=lambda t: (round(t.height, 2), t.width))]
    unique = {(round(tried.width, 2), round(tried.height, 2)): tried for tried in chosen}
    return [(judge, tried) for tried in unique.values()]


def _framed(graph: Graph, key: NodeId, judge: Judge, tried: Try, style: Style) -> Framed:
    """The inset in its frame, titled as the block is, at the origin."""
    s, module = style.sizes, graph.modules[key]
    title, count = style.roles["frame title"], style.roles["frame count"]
    called = known_as(titles(graph, style.titles)[key], module)
    name = text.fit(called, title.size, s["max_label"], title.weight)
    times = f"×{module.repeat}{', shared weights' if module.shared else ''}" if module.repeat > 1 else ""
    named = text.width(name, title.size, title.weight)
    bar = named + (s["title_gap"] + text.width(times, count.size, count.weight) if times else 0.0)
    top = s["pad"] + title.size * s["leading"] + 2.0
    layout, cut = tried.layout, tried.cut
    width, height = max(layout.width, bar) + 2 * s["pad"], top + layout.height + s["pad"]
    drawn = (*judge.form.draw(cut.graph, layout, cut.style), *badges(cut.graph, layout))
    swatches = [] if cut.style.form == style.form else judge.form.legend(cut.graph, cut.style)
    theirs = foreign((*drawn, *(mark for _, swatch in swatches for mark in swatch)), cut.style, style)
    inside = tuple(moved(renamed(changed(mark, _unnamed), theirs), (width - layout.width) / 2, top) for mark in drawn)
    words: list[Mark] = [Text(s["pad"], s["pad"] + title.size, name, "frame title")]
    if times:
        words.append(Text(s["pad"] + named + s["title_gap"], s["pad"] + title.size, times, "frame count"))
    marks = (Box(0.0, 0.0, width, height, "inset"), *words, *inside)
    entries = tuple((name, tuple(renamed(mark, theirs) for mark in swatch)) for name, swatch in swatches)
    sheet = paints(theirs, cut.style)
    explained = replace(cut.graph, nodes=() if swatches else cut.graph.nodes, edges=() if swatches else cut.graph.edges)
    return Framed(key, marks, width, height, explained, entries, sheet)


def _unnamed(mark: Mark) -> Mark:
    """`mark` without the names of stubs: only nodes of the trace have one."""
    if not isinstance(mark, Group) or not any(STUB in name for name in mark.edge or (mark.node,)):
        return mark
    return replace(mark, node="", title="", edge=None)
