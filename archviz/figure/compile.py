"""The whole way, from what a user names to files: target → Graph → `Figure` → bytes.

In: a target, an `nn.Module` or a graph, and `Options`.  Out: a `Figure`, which saves itself and shows itself in a
notebook.
"""
from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from archviz.core.garbage import sparing
from archviz.core.graph import Graph
from archviz.core.plugins import find
from archviz.core.progress import Step, no_step
from archviz.drawing.forms import traits
from archviz.figure.caption.describe import alternative, describe, reading
from archviz.figure.figure import Figure
from archviz.figure.fit import fit
from archviz.figure.options import Options
from archviz.figure.rendered import described
from archviz.figure.stages import cells, detail, facts, in_style, openable, passed, plain
from archviz.passes.override import override
from archviz.style.style import Style

if TYPE_CHECKING:
    from archviz.figure.insets.inset import Wanted


@sparing()
def compile(graph: Graph, options: Options = Options(), style: Style | None = None, step: Step = no_step) -> Figure:
    """Draw a graph.

    Parameters
    ----------
    graph : Graph
        A trace.
    options : Options
        What the figure shall be like.
    style : Style, optional
        ``options.resolved()``, where the caller has it already.
    step : callable
        Told the name of each step as it begins.

    Returns
    -------
    Figure
        No larger than its page.

    Raises
    ------
    ArchvizError
        For options that mean nothing here; `DoesNotFit` for a page that is too small.
    """
    style = style or options.resolved()
    if options.in_place:
        closed = options._replace(depth=None, expand=(), collapse=(), in_place=False)
        return compile(graph, closed, style, step).opened(options.depth, options.expand, options.collapse)
    step("arrange")
    trace, graph = graph, find("passes", "cut").cut(graph, ends=options.cut or "", append=options.append)
    drawn = passed(graph, style, options.overrides)
    if options.inset or options.expand or options.collapse or options.depth is not None:    # said of what is inside
        drawn = plain(drawn, style)
        options = openable([graph], drawn, options)
    style, main = cells(drawn, style, options)
    if options.inset:
        from archviz.figure.insets.inset import fit_with

        wanted = [_wanted(graph, spec, drawn, style, options) for spec in options.inset]
        drawing = fit_with(drawn, style, detail(drawn, main), options.title, wanted)
    else:
        drawing = fit(drawn, style, detail(drawn, main), options.title)
        opened = plain(drawn, style)
        if opened is not drawn and plain(drawing.graph, style) is drawing.graph:   # no room for what a pass merged
            drawn = opened
            drawing = fit(drawn, style, detail(drawn, main), options.title)
    annotated = override(find("passes", "annotate").annotate(graph, style), style, overrides=options.overrides)
    caption = describe(annotated, drawing.graph, [drawn.modules[key] for key, _ in drawing.insets],
                       reading(drawing.style, drawing.scene, drawing.graph), options.title)
    scene = described(drawing.scene, caption, facts(drawing.graph))
    return Figure(trace, replace(drawing, scene=scene), caption, alternative(annotated, drawing.graph, options.title),
                  graph.name if options.title is None else options.title, _inner(style, options))


def _inner(style: Style, options: Options) -> Style | None:
    """The style in which things open: its own where that draws frames, else block; None where they do not open."""
    form = traits(style.form)
    if not form.opens:
        return None
    return style if form.nests else in_style(options, "block").resolved()


def _wanted(graph: Graph, spec: str, drawn: Graph, style: Style, options: Options) -> Wanted:
    """The inset that `spec` asks for: a module's glob, or ``glob=style``."""
    from archviz.figure.insets.inset import Wanted

    pattern, equals, name = spec.partition("=")
    if not equals:
        return Wanted(pattern, drawn, style)
    other = in_style(options, name).resolved()
    inside = plain(passed(graph, other, options.overrides), other)
    return Wanted(pattern, inside, cells(inside, other, options)[0])
