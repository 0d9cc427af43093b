"""The whole way, from what a user names to files: target → Graph → `Figure` → bytes.

In: a target, an `nn.Module` or a graph, and `Options`.  Out: a `Figure`, which saves itself and shows itself in a
notebook.  Imports all of ours; torch, load and trace only inside the functions that read a model, so that a saved graph
is drawn without.
"""
from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from glob import escape
from pathlib import Path
from typing import Any

from archviz import __version__
from archviz.caption import alternative, describe, reading
from archviz.errors import ArchvizError
from archviz.figure import Figure as Figure
from archviz.files import check_output as check_output
from archviz.files import is_ours as is_ours
from archviz.files import save as save
from archviz.files import suffixes
from archviz.find import find, names
from archviz.finished import stamped
from archviz.fit import Detail, fit
from archviz.garbage import sparing
from archviz.inset import Wanted, fit_with
from archviz.ir import Graph, split
from archviz.marks import painted
from archviz.passes.override import Overrides, chosen, override
from archviz.progress import in_notebook, progress
from archviz.project import Project, written_overrides
from archviz.project import configured as configured
from archviz.project import project_of as project_of
from archviz.reading import Step, no_step, traced
from archviz.reading import read as read
from archviz.style import Settings, Style, layers, length, style_names, theme_names

PLUGINS = ("forms", "layouts", "passes", "backends", "methods", "pictures")


@dataclass(frozen=True)
class Options:
    """What a figure shall be like; None leaves it to the style.

    Attributes
    ----------
    style : str, Path or None
        A style's name, or the path of a YAML file; None: block, or for several models what suits them.
    settings : Mapping
        Single settings on top, by dotted name: ``{"roles.conv.fill": "#56B4E9"}``.
    width, max_height, min_font : str, float or None
        ``"column"``, ``"84mm"``, ``"3.4in"``; a bare number is printed points.
    depth : int or None
        How many levels of modules to open; None: as many as the page has room for.
    collapse, expand : tuple of str
        Modules to close and to open, by globs on path or class.
    direction : str or None
        ``"down"``, ``"right"`` or ``"auto"``.
    title : str or None
        What stands above the figure; None: the model's name, empty: nothing.
    theme : str, Path or None
        A theme laid on top of the style, by name or path.
    inset : tuple of str
        Modules to draw opened up beside the figure, by globs; ``"layer1=node-link"`` in another style.
    cut : str or None
        The last layer that is drawn, by id, or by a glob on path or class; what comes after it is left out, and counts
        nowhere.
    append : tuple of str
        Blocks after the end, by the names to write on them: ``("SVM",)``.
    overrides : Overrides
        What is said about single layers, as a project file does.
    in_place : bool
        Whether things open where they stand, on a page that grows: those of `depth`, `expand` and `collapse`, where one
        of these is given, else those that the page has room for.
    layout : str or None
        Where everything goes: an engine of Graphviz (``"dot"``, ``"neato"``), or another layout by its name.
    """

    style: str | Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    width: str | float | None = None
    max_height: str | float | None = None
    min_font: str | float | None = None
    depth: int | None = None
    collapse: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    direction: str | None = None
    title: str | None = None
    theme: str | Path | None = None
    inset: tuple[str, ...] = ()
    cut: str | None = None
    append: tuple[str, ...] = ()
    overrides: Overrides = Overrides()
    in_place: bool = False
    layout: str | None = None

    def resolved(self) -> Style:
        """The style with these options on top.

        Returns
        -------
        Style
            With everything read and checked.

        Raises
        ------
        ArchvizError
            For whatever it does not know.
        """
        return painted(self.layers().style(Path(self.style or "block").stem), self.overrides, bool(self.theme))

    def layers(self) -> Settings:
        """The same, with every setting still as it is written in its file."""
        asked = {"width": self.width, "max_height": self.max_height, "min_font": self.min_font}
        page = {name: str(value) for name, value in asked.items() if value is not None}
        for value in page.values():
            length(value)       # so that a mistake is told without the setting's dotted name
        own = {f"page.{name}": value for name, value in page.items()}
        if self.direction is not None:
            own["direction"] = self.direction
        if self.layout is not None:
            find("layouts", self.layout)
            own["layout"] = self.layout
        return layers(self.style or "block", {**self.settings, **own}, self.theme)


# ------------------------------------------------------------------------------------------------ reading

def weights(options: Options, project: Project | None = None) -> int:
    """The largest linear layer whose values a figure may draw, or an inset of it in another style; 0: of none."""
    styles = {options.style, *(spec.partition("=")[2] for spec in options.inset)}
    sections = project.models if project else ()
    styles |= {section.options["style"] for section in sections if "style" in section.options}
    forms = {find("forms", _styled(options, style).resolved().form) for style in styles if style != ""}
    return max(int(getattr(form, "WEIGHTS", 0)) for form in forms)


def _styled(options: Options, style: str | Path | None) -> Options:
    """`options` in another style, without what is set of its own style's form."""
    if style == options.style:
        return options
    shared = {key: value for key, value in options.settings.items() if not key.startswith("options.")}
    return replace(options, style=style, settings=shared, layout=None)


# ------------------------------------------------------------------------------------------------ compiling

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
        closed = replace(options, depth=None, expand=(), collapse=(), in_place=False)
        return compile(graph, closed, style, step).opened(options.depth, options.expand, options.collapse)
    step("arrange")
    trace, graph = graph, find("passes", "cut").cut(graph, ends=options.cut or "", append=options.append)
    drawn = passed(graph, style, options.overrides)
    if options.inset or options.expand or options.collapse or options.depth is not None:    # said of what is inside
        drawn = apart(drawn)
    style, main = cells(drawn, style, options)
    if options.inset:
        wanted = [_wanted(graph, spec, drawn, style, options) for spec in options.inset]
        drawing = fit_with(drawn, style, detail(drawn, main), options.title, wanted)
    else:
        drawing = fit(drawn, style, detail(drawn, main), options.title)
        if apart(drawing.graph) is drawing.graph and apart(drawn) is not drawn:     # no room for the steps
            drawn = apart(drawn)
            drawing = fit(drawn, style, detail(drawn, main), options.title)
    known = find("passes", "annotate").annotate(graph, style)
    caption = describe(known, drawing.graph, [drawn.modules[key] for key, _ in drawing.insets],
                       reading(drawing.style, drawing.scene, drawing.graph), options.title)
    scene = replace(drawing.scene, description=caption)
    scene = replace(stamped(scene, caption), facts=facts(graph))
    return Figure(trace, replace(drawing, scene=scene), caption, alternative(known, drawing.graph, options.title),
                  graph.name if options.title is None else options.title, _inner(style, options))


def passed(graph: Graph, style: Style, overrides: Overrides) -> Graph:
    """`graph` after what is said of its layers and after the passes of `style`."""
    drawn = override(graph, style, overrides=overrides)
    for name in ("streams", *style.passes):     # which divides what the others only merge
        drawn = getattr(find("passes", name), name)(drawn, style)
    return drawn


def apart(graph: Graph) -> Graph:
    """`graph` with an encoder and a decoder that are to be unrolled together as they are without."""
    together = [node.id for node in graph.nodes if "unrolled" in node.attrs]
    return split(graph, together) if together else graph


def _inner(style: Style, options: Options) -> Style | None:
    """The style in which things open: its own where that draws frames, else block; None where they do not open."""
    form = find("forms", style.form)
    if not getattr(form, "OPENS", False):
        return None
    return style if getattr(form, "NESTS", False) else _styled(options, "block").resolved()


def _wanted(graph: Graph, spec: str, drawn: Graph, style: Style, options: Options) -> Wanted:
    """The inset that `spec` asks for: a module's glob, or ``glob=style``."""
    pattern, equals, name = spec.partition("=")
    if not equals:
        return Wanted(pattern, drawn, style)
    other = _styled(options, name).resolved()
    inside = apart(passed(graph, other, options.overrides))
    return Wanted(pattern, inside, cells(inside, other, options)[0])


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
    return replace(style, options={**style.options, "cell": cells}), replace(options, expand=kept)


def detail(graph: Graph, options: Options) -> Detail:
    """What to open and close: as the options say, and as the project says of layers they do not name."""
    select = find("passes", "collapse").select
    own = {what: set(chosen(graph, options.overrides, what)) for what in ("collapse", "expand")}
    given = {what: set(select(graph, getattr(options, what))) for what in own}
    closed, opened = own["collapse"] - given["expand"], own["expand"] - given["collapse"]
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
    return facts


@sparing()
def draw(
    model: Any, inputs: Any = None, *, style: str | Path | None = None, width: str | float | None = None,
    max_height: str | float | None = None, min_font: str | float | None = None, depth: int | None = None,
    collapse: Sequence[str] = (), expand: Sequence[str] = (), direction: str | None = None, title: str | None = None,
    name: str | None = None, settings: Mapping[str, str] | None = None, theme: str | Path | None = None,
    inset: str | Sequence[str] = (), cut: str | None = None, append: str | Sequence[str] = (),
    overrides: Mapping[str, Any] | None = None, align: bool = False, streams: str | None = None,
    in_place: bool = False, layout: str | None = None,
) -> Figure:
    """The figure of a model, or of several.  A notebook shows what takes long.

    Parameters
    ----------
    model : torch.nn.Module, callable, Graph, str or Path
        A module; a function or class that makes one (its weights then take no memory); a graph; or a target as on the
        command line (``"model.py:Net"``, ``"graph.json"``).
    inputs : Tensor, tuple, dict, str or None
        What to call it with: a tensor of any shape the model takes, a tuple of arguments, a dict of named ones, specs
        like ``"1x3x224x224"``, or None for a guess.
    style, width, max_height, min_font, depth, collapse, expand, direction, title
        What the figure shall be like, see `Options`.  Lengths are strings with a unit, or printed points.
    name : str, optional
        What the caption calls the model.  Of several models the title names them: ``"a | b"``.
    settings, theme, inset, cut, append
        See `Options`, too.
    overrides : Mapping, optional
        What a project file would say about it: ``{"layers": {"stem": {"frozen": True}}, "groups": {"backbone":
        ["stem", "layer1"]}}``.  No file is read.
    align : bool
        `model` is a list of models, drawn in one figure on one scale; `inputs` then a list with what each is given.
    streams : str, optional
        ``"groups"``, ``"devices"``, ``"auto"`` or ``"none"``: which streams to draw side by side.
    in_place : bool
        See `Options`.
    layout : str, optional
        See `Options`.

    Returns
    -------
    Figure
        Of a model that raises in the middle: as far as it ran, with a warning.

    Raises
    ------
    ArchvizError
        For whatever the user can mend; `DoesNotFit` for a page that is too small.
    """
    settings = {**(settings or {}), **({} if streams is None else {"streams": streams})}
    options = Options(style, settings, width, max_height, min_font, depth, tuple(collapse), tuple(expand),
                      direction, title, theme, (inset,) if isinstance(inset, str) else tuple(inset),
                      cut, (append,) if isinstance(append, str) else tuple(append), written_overrides(overrides or {}),
                      in_place, layout)
    if align:
        models = list(model) if isinstance(model, (list, tuple)) else [model]
        given = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs] * len(models)
        if name or len(given) != len(models):
            raise ArchvizError("what is said of one model does not go with several",
                               "write title='a | b', and inputs=[…] with as many as there are models")
        from archviz.align import check, compile_together

        check(options, len(models))
    resolved = options.resolved()
    with progress(in_notebook()) as step:
        if align:
            graphs = [graph_of(one, own, options, step) for one, own in zip(models, given, strict=True)]
            figure = compile_together(graphs, [options] * len(graphs), step)
        else:
            graph = graph_of(model, inputs, options, step)
            figure = compile(replace(graph, name=name) if name else graph, options, resolved, step)
    if figure.failed:
        where, error = figure.failed
        warnings.warn(f"{where} raised {error}; the figure shows what ran until then", stacklevel=2)
    return figure


def graph_of(model: Any, inputs: Any, options: Options, step: Step) -> Graph:
    """The graph of whatever `draw` takes."""
    specs = _specs(inputs)
    if isinstance(model, Graph):
        return model
    if isinstance(model, (str, Path)):
        return read(str(model), (), specs or (), step, weights(options))
    step("load torch")
    from archviz import guess

    given: Any = guess.from_model
    if specs is not None:
        given = lambda module: guess.from_specs(module, specs)  # noqa: E731
    elif inputs is not None:
        given = inputs if callable(inputs) else guess.from_value(inputs, "")
    step("trace")
    return traced(model, given, getattr(model, "__name__", type(model).__name__), weights(options))


def _specs(inputs: Any) -> tuple[str, ...] | None:
    """`inputs` as specs of the command line, if that is what they are."""
    if isinstance(inputs, str):
        return (inputs,)
    if isinstance(inputs, (list, tuple)) and inputs and all(isinstance(item, str) for item in inputs):
        return tuple(inputs)
    return None


# ------------------------------------------------------------------------------------------------ what there is

def catalogue() -> dict[str, tuple[str, ...]]:
    """The names of everything that can be asked for or plugged in."""
    return {"styles": style_names(), "themes": theme_names(), "outputs": suffixes(),
            **{kind: names(kind) for kind in PLUGINS}}


def show(options: Options) -> str:
    """The style with everything it extends and the options on top, as one YAML file that draws the same figures."""
    from archviz.show import resolved

    return resolved(options.layers())
