"""Several models in one figure, on one scale.

In: the graphs of models, `Options` for each.  Out: one `Figure`, of one graph whose ids say of which model they are.

A layout that `aligns` puts the models on common rows.  In any other style each model is a panel of its own: side by
side where they can be read so, else one below the other, all in one of the sizes that the form can draw.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from archviz.core import text
from archviz.core.bands import bands
from archviz.core.disjoint_union import keys, prefixed, united
from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.geometry import Layout
from archviz.core.graph import Graph, NodeId
from archviz.core.plugins import find
from archviz.core.progress import Step, no_step
from archviz.core.scene import Group, Mark, Text, changed, moved
from archviz.drawing import forms, layouts, sheet
from archviz.drawing.badges import entries
from archviz.drawing.sheet import Body
from archviz.figure import stages
from archviz.figure.caption.describe import alternative, describe, reading
from archviz.figure.figure import Figure
from archviz.figure.fit import BARE, Detail, Drawing, bare, fit, tightened
from archviz.figure.options import Options
from archviz.figure.rendered import described
from archviz.style.style import Page, Style

ROWS, PANELS = "tower", "block"
"""The styles where none is asked for: models that are chains on common rows, others in panels."""


def compile_together(graphs: Sequence[Graph], options: Sequence[Options], step: Step = no_step) -> Figure:
    """Draw several traces in one figure, from left to right: ``conv1`` of the first model is ``VGG-19.conv1`` there.

    Each of `options` says what the layers of one shall be like; style, page and title of the first count for all.
    Raises `ArchvizError` as `archviz.figure.compile.compile`, and as `check`.
    """
    main = options[0]
    check(main, len(graphs))
    step("arrange")
    titles, above = _titles(graphs, main)
    style = main._replace(style=main.style or ROWS).resolved()
    drawn = _passed(graphs, style, options)
    aligns = layouts.traits(style.layout).aligns
    if main.style is None and aligns is not None and not aligns(united(drawn, titles)):
        style, aligns = main._replace(style=PANELS).resolved(), None
        drawn = _passed(graphs, style, options)
    if aligns is not None:
        whole = united(drawn, titles)
        drawing = fit(whole, style, stages.detail(whole, stages.openable(graphs, whole, main)), above)
    else:
        sizes = [tensor for one in drawn for node in one.nodes for tensor in node.out[:1]]
        scaled = [replace(one, attrs={**one.attrs, "beside": sizes}) for one in drawn]
        options = [stages.openable([graph], one, asked)
                   for graph, one, asked in zip(graphs, drawn, options, strict=True)]
        drawing = _panels(scaled, titles, above, style, options)
    annotated = [find("passes", "annotate").annotate(graph, style) for graph in graphs]
    sentences = [describe(graph, one, title=title) for graph, one, title in zip(annotated, drawn, titles, strict=True)]
    sentences += reading(drawing.style, drawing.scene, drawing.graph)
    if aligns is not None and len(set(bands(drawing.graph).extents)) > 1:
        sentences.append("Layers at equal height give outputs of one height and width, which the margin says.")
    caption = " ".join(sentences)
    graph = united(graphs, titles)
    scene = described(drawing.scene, caption, stages.facts(graph))
    alt = " ".join(alternative(*one) for one in zip(annotated, drawn, titles, strict=True))
    return Figure(graph, replace(drawing, scene=scene), caption, alt)


def check(options: Options, count: int) -> None:
    """Raise `ArchvizError` where `count` models cannot be drawn together so."""
    if count < 2:
        raise ArchvizError("there is one model only, and nothing to align it with",
                           "name several models, or leave out --align")
    if options.inset:
        raise ArchvizError("a figure of several models has no insets", "leave out --inset, or draw them one by one")
    if options.in_place:
        raise ArchvizError("several models in one figure do not open in place", "leave out --in-place")
    if options.cut or options.append:
        raise ArchvizError("several models are not cut in one figure", "leave out --cut and --append")
    if options.title and "|" in options.title and options.title.count("|") != count - 1:
        raise ArchvizError(f"the title {options.title!r} names {options.title.count('|') + 1} models of {count}",
                           "write a name for each, with | between them, or one title without |")


def _titles(graphs: Sequence[Graph], options: Options) -> tuple[list[str], str]:
    """What to write above each model, and above the whole figure."""
    title = options.title or ""
    if "|" in title:
        return [text.clean(part) for part in title.split("|")], ""
    return [graph.name for graph in graphs], title


def _passed(graphs: Sequence[Graph], style: Style, options: Sequence[Options]) -> list[Graph]:
    passed = [stages.passed(graph, style, one.overrides) for graph, one in zip(graphs, options, strict=True)]
    return [stages.plain(graph, style) for graph in passed]


@dataclass(frozen=True)
class _Panel:
    """One model, drawn: its marks from the origin, with its title above, and how large it is with that."""

    drawing: Drawing
    title: tuple[Mark, ...]
    width: float
    top: float

    @property
    def height(self) -> float:
        return self.top + self.drawing.layout.height


def _panels(
    graphs: Sequence[Graph], titles: Sequence[str], above: str, style: Style, options: Sequence[Options],
) -> Drawing:
    """Each graph in a panel of its own, in whichever arrangement shows more of them."""
    tight = tightened(style)
    best: tuple[tuple[float, ...], Drawing] | None = None
    refused: DoesNotFit | None = None
    for beside in (True, False):
        try:
            panels = _drawn(graphs, titles, above, tight, options, beside)
        except DoesNotFit as error:
            refused = refused or error
            continue
        closed = sum(node.kind == "module" for one in panels for node in one.drawing.graph.nodes)
        drawing = _composed(panels, graphs, titles, above, tight, beside)
        cost = (float(closed), float(not beside))
        fits = drawing.scene.width <= style.page.width + 0.01 and drawing.scene.height <= style.page.max_height + 0.01
        if fits and (best is None or cost < best[0]):
            best = cost, drawing
    if best is None:
        what = refused.message if refused else "the page has no room for them"
        raise DoesNotFit(f"with {len(graphs)} models in one figure, {what}",
                         "allow more with --width and --max-height, or collapse more with --depth 1")
    return best[1]


def _drawn(
    graphs: Sequence[Graph], titles: Sequence[str], above: str, style: Style, options: Sequence[Options], beside: bool,
) -> list[_Panel]:
    """All panels in one of the sizes of the form: the largest in which each has room."""
    s, count = style.sizes, len(graphs)
    gap = (count - 1) * _gap(style)
    heading = sheet.heading_height(sheet.heading(graphs[0], style, above), style)
    width = style.page.width - 2 * s["margin"] - (gap if beside else 0.0)
    height = style.page.max_height - 2 * s["margin"] - heading - s["legend"] - (0.0 if beside else gap)
    room = Page(width / (count if beside else 1), height / (1 if beside else count), style.page.min_font)
    heads = [_head(graph, title, style, room.width) for graph, title in zip(graphs, titles, strict=True)]
    top = max(high for _, _, high in heads)
    inner = bare(style, replace(room, max_height=max(room.max_height - top, 1.0)))
    variants = forms.traits(style.form).variants(inner)
    least, drawn = 0, list[Drawing]()
    for _ in range(2):      # the second time in the size of the smallest
        drawn = [fit(graph, *_asked(graph, inner, one), "", body=BARE, least=least)
                 for graph, one in zip(graphs, options, strict=True)]
        used = [next((k for k, variant in enumerate(variants) if variant.sizes == one.style.sizes), 0) for one in drawn]
        if len(set(used)) == 1:
            break
        least = max(used)
    return [_Panel(one, marks, max(one.layout.width, wide), top)
            for one, (marks, wide, _) in zip(drawn, heads, strict=True)]


def _asked(graph: Graph, style: Style, options: Options) -> tuple[Style, Detail]:
    styled, opened = stages.cells(graph, style, options)
    return styled, stages.detail(graph, opened)


def _head(graph: Graph, title: str, style: Style, room: float) -> tuple[tuple[Mark, ...], float, float]:
    """Title and totals of one panel, about the middle; how wide and how high they are."""
    lines = sheet.heading(graph, replace(style, page=replace(style.page, width=room)), title)
    marks: list[Mark] = []
    y = wide = 0.0
    for string, role in (word for line in lines for word in line):
        paint = style.roles[role]
        y += paint.size * style.sizes["leading"]
        marks.append(Text(0.0, y - 0.25 * paint.size, string, role, "middle"))
        wide = max(wide, text.width(string, paint.size, paint.weight))
    return tuple(marks), wide, y + style.sizes.get("label_gap", 2.2) * 2 if marks else 0.0


def _composed(
    panels: Sequence[_Panel], graphs: Sequence[Graph], titles: Sequence[str], above: str, style: Style, beside: bool,
) -> Drawing:
    """The panels on one page."""
    gap, names = _gap(style), keys([graph.name for graph in graphs])
    widest, highest = max(one.width for one in panels), max(one.height for one in panels)
    level = beside and all(one.drawing.layout.direction == "right" for one in panels)
    marks: list[Mark] = []
    layouts: list[tuple[NodeId, Layout, float, float]] = []
    x = y = 0.0
    for key, one in zip(names, panels, strict=True):
        wide = one.width if beside else widest
        left = x + (wide - one.drawing.layout.width) / 2
        top = y + one.top + ((highest - one.height) / 2 if level else 0.0)
        marks.append(Group(tuple(moved(mark, x + wide / 2, y) for mark in one.title), "frame", key))
        marks += [moved(changed(mark, partial(_of_model, key=key)), left, top) for mark in one.drawing.scene.marks]
        layouts.append((key, one.drawing.layout, left, top))
        x, y = (x + wide + gap, y) if beside else (x, y + one.height + gap)
    width, height = (x - gap, highest) if beside else (widest, y - gap)
    explained = Body().legend(entry for one in panels for entry in entries(one.drawing.graph, one.drawing.style))
    cut = united([one.drawing.graph for one in panels], titles)
    scene = sheet.scene(marks, width, height, sheet.heading(cut, style, above), explained, style, above or cut.name)
    return Drawing(cut, _joined(layouts, width, height), scene, style)


def _gap(style: Style) -> float:
    """Between two panels; a style of someone's own need not say it."""
    return style.sizes.get("panels", 2 * style.sizes["legend_between"])


def _of_model(mark: Mark, key: NodeId) -> Mark:
    """`mark` under ids that say which model it is of."""
    if not isinstance(mark, Group):
        return mark
    return replace(mark, node=prefixed(key, mark.node) if mark.node else "",
                   edge=mark.edge and (prefixed(key, mark.edge[0]), prefixed(key, mark.edge[1])))


def _joined(layouts: Sequence[tuple[NodeId, Layout, float, float]], width: float, height: float) -> Layout:
    """One layout of all panels."""
    whole = Layout({}, {}, (), width, height, direction=layouts[0][1].direction)
    for key, one, x, y in layouts:
        panel = one.moved(x, y)
        routes = (replace(route, src=prefixed(key, route.src), dst=prefixed(key, route.dst)) for route in panel.routes)
        whole = whole.joined(replace(
            panel, nodes={prefixed(key, node): place for node, place in panel.nodes.items()},
            frames={prefixed(key, frame): place for frame, place in panel.frames.items()}, routes=tuple(routes),
            titles={prefixed(key, frame): at for frame, at in panel.titles.items()}))
    return whole
