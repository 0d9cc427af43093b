"""The stages between a trace and a drawing: passes, the cells of recurrent layers, what is open, facts for the file.

In: a graph, a style, options.  Out: graphs, styles, `Detail`.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any

from archviz import __version__
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph
from archviz.core.plugins import find
from archviz.drawing import forms
from archviz.figure.fit import Detail
from archviz.figure.options import DECLARED, Options
from archviz.passes import traits
from archviz.passes.collapse import matches, names_of
from archviz.passes.override import chosen, override
from archviz.style.overrides import Overrides
from archviz.style.project import Project
from archviz.style.style import Style


def weights(options: Options, project: Project | None = None) -> int:
    """The largest linear layer whose values a figure may draw, or an inset of it in another style; 0: of none."""
    styles = {options.style, *(spec.partition("=")[2] for spec in options.inset)}
    sections = project.models if project else ()
    styles |= {section.options["style"] for section in sections if "style" in section.options}
    return max(forms.traits(in_style(options, style).resolved().form).weights for style in styles if style != "")


def in_style(options: Options, style: str | Path | None) -> Options:
    """`options` in another style, without what is set of its own style's form."""
    if style == options.style:
        return options
    shared = {key: value for key, value in options.settings.items() if not key.startswith("options.")}
    form: dict[str, Any] = {name: None for name, declared in DECLARED.items()
                            if declared.setting.startswith("options.") or declared.setting == "layout"}
    return options._replace(style=style, settings=shared, **form)


def passed(graph: Graph, style: Style, overrides: Overrides) -> Graph:
    """`graph` after what is said of its layers and after the passes of `style`."""
    drawn = override(graph, style, overrides=overrides)
    for name in ("streams", *style.passes):     # which divides what the others only merge
        drawn = getattr(find("passes", name), name)(drawn, style)
    return drawn


def plain(graph: Graph, style: Style) -> Graph:
    """`graph` without what the passes of `style` drew as one that is to be seen from inside; itself without any."""
    for name in style.passes:
        if undone := traits(name).undone:
            graph = undone(graph)
    return graph


def cells(graph: Graph, style: Style, options: Options) -> tuple[Style, Options]:
    """What `options.expand` names of recurrent layers, which are no modules with others in them, said to the form."""
    if "cell" not in style.options:
        return style, options
    layers = [node for node in graph.nodes if node.kind == "recurrent"]
    opened = [p for p in options.expand if any(fnmatchcase(name, p) for node in layers for name in (node.id, node.op))]
    if not opened:
        return style, options
    names = {name for module in graph.modules.values() for name in (module.id, module.cls, module.path)}
    kept = tuple(p for p in options.expand if p not in opened or any(fnmatchcase(name, p) for name in names))
    cells = (*style.options["cell"], *opened)
    return replace(style, options={**style.options, "cell": cells}), options._replace(expand=kept)


def openable(traced: Sequence[Graph], drawn: Graph, options: Options) -> Options:
    """`options` without what they close that is a module of a model `traced`, but one box of `drawn` already.  Raises
    `ArchvizError` where they open such a box."""
    def single(pattern: str) -> bool:
        of_models, of_figure = (any(matches(pattern, names_of(module)) for graph in graphs
                                    for module in graph.modules.values()) for graphs in (traced, [drawn]))
        return of_models and not of_figure

    for pattern in (*options.expand, *options.inset):
        if single(pattern.partition("=")[0]):
            raise ArchvizError(f"{pattern.partition('=')[0]!r} is drawn as one box, in which there is nothing to open",
                               "open a module that holds several layers")
    return options._replace(collapse=tuple(pattern for pattern in options.collapse if not single(pattern)))


def detail(graph: Graph, options: Options) -> Detail:
    """What to open and close: as the options say, and as the project says of layers they do not name."""
    select = find("passes", "collapse").select
    of_project = {what: set(chosen(graph, options.overrides, what)) for what in ("collapse", "expand")}
    of_user = {what: set(select(graph, getattr(options, what))) for what in of_project}
    closed, opened = of_project["collapse"] - of_user["expand"], of_project["expand"] - of_user["collapse"]
    return Detail(options.depth, (*options.collapse, *map(escape, sorted(closed))),
                  (*options.expand, *map(escape, sorted(opened))))


def facts(graph: Graph) -> dict[str, str]:
    report = graph.attrs.get("report") or {}
    facts = {"generator": f"archviz {__version__}", "model": graph.name}
    if report.get("rung"):
        facts["traced"] = str(report["rung"])
    if report.get("notes"):
        # An object's address in a message would make every run's bytes its own.
        facts["notes"] = re.sub(r" at 0x[0-9a-f]+", "", "; ".join(map(str, report["notes"])))
    if aside := graph.attrs.get("aside"):
        facts["not drawn"] = "; ".join(f"{source.removeprefix('/in:')} ({role})" for source, role in aside.items())
    return facts
