"""What differs between two models: `diff` in Python, ``archviz diff`` on the command line.

In: two models, in whatever way one is named, and `Options`.  Out: a `Difference` with its figure; files.  Imports
arguments, caption's words, difference, files, fit, job, pipeline, revisions, twins, union and what they give.
"""
from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import Any

from archviz import pipeline, revisions
from archviz.difference import Difference, of_twins
from archviz.errors import ArchvizError
from archviz.figure import Figure
from archviz.files import GRAPH, check_output, write
from archviz.find import find
from archviz.finished import called, stamped
from archviz.fit import Detail, fit
from archviz.ir import Graph
from archviz.job import Job, asked
from archviz.passes.compared import compared, quiet
from archviz.pipeline import Options
from archviz.progress import in_notebook, progress
from archviz.project import written_overrides
from archviz.reading import Step, no_step
from archviz.scene import Group, Link, Mark, Scene
from archviz.twins import twins
from archviz.union import union

WORDS = {"md": Difference.markdown, GRAPH: Difference.to_json}
"""Suffixes of files that hold no drawing."""


@dataclass(frozen=True, repr=False)
class Compared(Figure):
    """A figure of two models.

    Attributes
    ----------
    difference : Difference
        What it shows.
    """

    difference: Difference = Difference("", "")

    def __repr__(self) -> str:
        return f"<archviz figure of {self.difference.name}, {len(self.difference.changes)} changes>"

    def render(self, suffix: str, **options: Any) -> bytes:
        """The bytes of a file: as `Figure.render`, but ``"json"`` and ``"md"`` hold the difference."""
        if suffix in WORDS:
            return WORDS[suffix](self.difference).encode("utf-8", "surrogatepass")
        backend = getattr(find("backends", suffix), "render", None)
        return called(backend, self.scene, options) if backend is not None else super().render(suffix, **options)


def compare(old: Graph, new: Graph, options: Options, step: Step = no_step, draw: bool = True) -> Difference:
    """What differs between two traces, with a figure where anything does and `draw` says so."""
    step("compare")
    both = twins(old, new)
    found = of_twins(both)
    if not found or not draw:
        return found
    style = options.resolved()
    step("arrange")
    graph = union(both)
    drawn = compared(pipeline.apart(pipeline.passed(graph, style, options.overrides)), style)
    title = found.name if options.title is None else options.title
    drawing = fit(drawn, style, _detail(drawn, options), title)
    caption = _caption(found)
    scene = replace(_lined(drawing.scene, drawing.graph), description=caption)
    scene = replace(stamped(scene, caption), facts=pipeline.facts(new))
    figure = Compared(graph, replace(drawing, scene=scene), caption, f"Diagram of two models. {caption}", title,
                      difference=found)
    return replace(found, figure=figure)


def _detail(drawn: Graph, options: Options) -> Detail:
    """What to open and close: what is the same stays closed, unless it is to be opened."""
    said = pipeline.detail(drawn, options)
    opened = set(find("passes", "collapse").select(drawn, said.expand)) if said.expand else set()
    opened |= {frame for key in opened for frame in drawn.modules[key].scope}
    closed = [escape(key) for key in quiet(drawn) if key not in opened]
    return replace(said, collapse=(*said.collapse, *closed))


def _lined(scene: Scene, drawn: Graph) -> Scene:
    """The scene with lines from and to what only one model has painted so."""
    change = {node.id: str(node.attrs.get("change")) for node in drawn.nodes}

    def painted(mark: Mark, role: str = "") -> Mark:
        if isinstance(mark, Group):
            ends = [change.get(end) for end in mark.node.split("->")] if mark.role == "link" else []
            role = next((f"edge {one}" for one in ("removed", "added") if one in ends), role)
            return replace(mark, marks=tuple(painted(one, role) for one in mark.marks))
        return replace(mark, role=role) if role in scene.sheet and isinstance(mark, Link) else mark

    return replace(scene, marks=tuple(painted(mark) for mark in scene.marks))


def _caption(found: Difference) -> str:
    counts = [f"{one.old} → {one.new} {one.op} in {one.path}" if one.path else f"{one.old} → {one.new} {one.op}"
              for one in found.counts]
    blocks = f" Blocks: {', '.join(counts)}." if counts else ""
    return f"{found.summary()}.{blocks} What is grey is the same in both models."


# ------------------------------------------------------------------------------------------------ in Python

def diff(
    old: Any, new: Any, inputs: Any = None, *, new_inputs: Any = None, style: str | Path | None = None,
    width: str | float | None = None, max_height: str | float | None = None, min_font: str | float | None = None,
    depth: int | None = None, collapse: Sequence[str] = (), expand: Sequence[str] = (), direction: str | None = None,
    title: str | None = None, settings: Mapping[str, str] | None = None, theme: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None, layout: str | None = None,
) -> Difference:
    """What differs between two models, and one figure of both.  A notebook shows the figure.

    Parameters
    ----------
    old, new : torch.nn.Module, callable, Graph, str or Path
        Models as for `draw`; of a target also at a git revision: ``"HEAD~1:model.py"``.
    inputs : Tensor, tuple, dict, str or None
        What to call both with, as for `draw`.
    new_inputs : optional
        What to call the new one with, where that is something else.
    style, width, max_height, min_font, depth, collapse, expand, direction, title, settings, theme, overrides, layout
        What the figure shall be like, as for `draw`.

    Returns
    -------
    Difference
        False where nothing differs; its ``figure`` is then None.

    Raises
    ------
    ArchvizError
        As `draw`, and for a revision that cannot be read.
    """
    options = Options(style, settings or {}, width, max_height, min_font, depth, tuple(collapse), tuple(expand),
                      direction, title, theme, overrides=written_overrides(overrides or {}), layout=layout)
    options.resolved()
    with progress(in_notebook()) as step:
        graphs = []
        for model, given in ((old, inputs), (new, inputs if new_inputs is None else new_inputs)):
            revision, target = revisions.parse(str(model)) if isinstance(model, (str, Path)) else ("", model)
            with _at(revision, target) as place:
                graph = pipeline.graph_of(place, given, options, step)
            graphs.append(_of(graph, revision))
        return compare(graphs[0], graphs[1], options, step)


@contextlib.contextmanager
def _at(revision: str, target: Any) -> Any:
    if not revision:
        yield target
        return
    with revisions.at_revision(revision, target) as place:
        yield place


def _of(graph: Graph, revision: str) -> Graph:
    return replace(graph, name=f"{graph.name} ({revision})") if revision else graph


# ------------------------------------------------------------------------------------------------ on the command line

def sides(targets: Sequence[str]) -> list[tuple[str, str]]:
    """The old and the new model that the words of a command line name, each as a revision (or none) and a target."""
    found = [revisions.parse(target) for target in targets]
    files = [target for _, target in found if target]
    shape = [(bool(revision), bool(target)) for revision, target in found]
    if not files:
        raise ArchvizError("a revision was named, but no file", "write archviz diff HEAD~1: model.py")
    if len(found) == 1:
        return [found[0], ("", files[0])]
    if len(found) == 2:
        return [(revision, target or files[0]) for revision, target in found]
    if len(found) == 3 and shape[:2] == [(True, False)] * 2:
        return [(found[0][0], files[0]), (found[1][0], files[0])]
    raise ArchvizError(f"{len(found)} models were named, and two are compared",
                       "write archviz diff old.py new.py, or archviz diff v1.0: v2.0: model.py")


def outputs_of(o: argparse.Namespace, default: Callable[[argparse.Namespace], Path]) -> list[Path]:
    """The files to write: those asked for; without any, `default`, unless something is printed instead."""
    if o.output:
        return list(dict.fromkeys(o.output))
    return [] if o.markdown or o.json else [default(o)]


def carry_out(o: argparse.Namespace, outputs: Sequence[Path]) -> Difference:
    """Compare, showing progress unless ``o.quiet``, and write `outputs` where anything differs."""
    pair = sides(o.model)
    own = [(tuple(o.arg) + tuple(o.old_arg), tuple(o.input) + tuple(o.old_input)),
           (tuple(o.arg) + tuple(o.new_arg), tuple(o.input) + tuple(o.new_input))]
    if len(o.model) == 1 and pair[0] == pair[1] and own[0] == own[1]:
        raise ArchvizError("there is one model only, and nothing to compare it with",
                           "name two, or a revision (HEAD~1: model.py), or what differs: --new-arg width=512")
    for path in outputs:
        check_output(path, o.engine or "", also=tuple(WORDS))
    base = asked(argparse.Namespace(**{**vars(o), "model": pair[1][1], "arg": own[1][0], "input": own[1][1]}))
    _check(base.options)
    base.check()
    jobs = [replace(base, target=target, args=args, inputs=inputs)
            for (_, target), (args, inputs) in zip(pair, own, strict=True)]
    with progress(not o.quiet) as step:
        graphs = []
        for (revision, target), job in zip(pair, jobs, strict=True):
            with _at(revision, target) as place:
                graphs.append(_of(_traced(replace(job, target=place), step, o.verbose), revision))
        drawn = [path for path in outputs if path.suffix.removeprefix(".") not in WORDS]
        found = compare(graphs[0], graphs[1], jobs[1].configured(graphs[1]), step, draw=bool(drawn))
        step("write")
        _written(found, outputs, o)
    return found


def _check(options: Options) -> None:
    if options.inset or options.cut or options.append:
        raise ArchvizError("a figure of two models has no insets, and is not cut",
                           "leave out --inset, --cut and --append")
    if options.in_place:
        raise ArchvizError("in a figure of two models nothing opens in place", "leave out --in-place")


def _traced(job: Job, step: Step, noisy: bool) -> Graph:
    """The graph of one of the models.  Of one that fails in the middle nothing can be said."""
    graph = job.trace(step, noisy)
    failed = (graph.attrs.get("report") or {}).get("failed")
    if failed:
        raise ArchvizError(f"{job.target}: {failed[0]} raised {' '.join(str(failed[1]).split())}",
                           "mend it, or compare what runs; archviz alone draws the part that ran")
    return graph


def _written(found: Difference, outputs: Sequence[Path], o: argparse.Namespace) -> None:
    """Write all files; a drawing only where there is one."""
    options = {key: value for key, value in (("dpi", o.dpi), ("engine", o.engine), ("standalone", o.standalone))
               if value}
    contents: dict[Path, bytes] = {}
    for path in outputs:
        suffix = path.suffix.removeprefix(".")
        if suffix in WORDS:
            contents[path] = WORDS[suffix](found).encode("utf-8", "surrogatepass")
        elif found.figure is not None:
            contents[path] = found.figure.render(suffix, **options)
    for path, content in contents.items():
        try:
            write(path, content)
        except OSError as error:
            raise ArchvizError(f"cannot write {path}: {error.strerror}") from None


def said(found: Difference, o: argparse.Namespace) -> str:
    """What goes to stdout."""
    return found.markdown() if o.markdown else found.to_json() if o.json else f"{found.table()}\n"


def remark(found: Difference, outputs: Sequence[Path]) -> str:
    """What is said of the files."""
    written = [path for path in outputs if found or path.suffix.removeprefix(".") in WORDS]
    if not written:
        return ""
    size = ""
    if found.figure is not None:
        scene = found.figure.scene
        size = " ({} mm × {} mm)".format(*(round(side / 72.27 * 25.4) for side in (scene.width, scene.height)))
    return f"wrote {', '.join(map(str, written))}{size}"
