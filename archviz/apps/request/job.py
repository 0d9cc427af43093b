"""A figure that is asked for in words: on the command line, in a notebook's magic, in a document's directive.

In: a target with the arguments and inputs of its model, and `Options`.  Out: its graph and its `Figure`, with what the
project file says, files, and what is to be said of how it came about.
"""
from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from archviz.apps.request.arguments import options
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph, reached
from archviz.core.graph_json import GRAPH
from archviz.core.progress import Step, no_step
from archviz.figure import compile, stages
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.style.files import chain, locate, own_files
from archviz.style.project import Project, configured, find_project, project_of
from archviz.trace import read


@dataclass(frozen=True)
class Job:
    """One figure to draw.

    target      ``model.py``, ``model.py:Name``, ``package.module:Name`` or ``graph.json``
    args        ``key=value`` for the model's constructor; `inputs` specs like ``1x3x224x224``
    options     what the figure shall be like; a project file is asked for what they leave open
    alone       look for no project file
    folder      where the project file of a ``package.module`` is looked for; None: the current folder
    held        the model, class, factory or graph, where it is in memory; `target` is then only its name
    variables   what `inputs` may name, besides being specs
    beside      the other models of a figure of several, whose style, page and title are this one's
    """

    target: str
    args: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    options: Options = Options()
    alone: bool = False
    folder: Path | None = None
    held: Any = None
    variables: Mapping[str, Any] | None = None
    beside: tuple[Job, ...] = ()

    @cached_property
    def project(self) -> Project | None:
        """The project file that holds for the target.  Raises `ArchvizError` for what is wrong in it."""
        return None if self.alone else project_of(self.target, self.options, self.folder)

    @property
    def project_file(self) -> Path | None:
        """The project file as it is found now, unread.  Raises `ArchvizError` for one that cannot be read."""
        return None if self.alone else find_project(self.target, self.folder)

    def check(self) -> None:
        """Raise `ArchvizError` for any mistake in the options, before any work is done."""
        configured(self.options, self.project).resolved()
        for job in self.beside:
            job.check()

    @property
    def values(self) -> int:
        """The largest linear layer whose weights the figure may draw; a saved graph has those it was saved with."""
        return 0 if self.saved else stages.weights(configured(self.options, self.project), self.project)

    @property
    def saved(self) -> bool:
        """Whether the target is a traced graph already."""
        return Path(self.target).suffix == f".{GRAPH}"

    def style_files(self, options: Options) -> tuple[Path, ...]:
        """The files of the user's own that say how the figure looks: styles, themes, and the forms they name."""
        asked = [("styles", options.style), ("themes", options.theme),
                 *(("styles", spec.partition("=")[2]) for spec in options.inset)]
        paths = [path for group, name in asked if name for path, _ in chain(group, locate(group, str(name)))]
        form = Path(options.resolved().form)
        paths += [form] if form.suffix == ".py" else []
        return tuple(dict.fromkeys(path.resolve() for path in paths if path.resolve() not in own_files()))

    def trace(self, step: Step = no_step, noisy: bool = False) -> Graph:
        """The graph of the model.  What the model prints goes to stderr; its warnings are shown where `noisy`."""
        values = self.values
        with hushed(noisy):
            return read.read(self.target, self.args, self.inputs, step, values, self.held, self.variables)

    def configured(self, graph: Graph) -> Options:
        """The options for the model of `graph`, with what the project says about it."""
        return configured(self.options, self.project, self.target, graph.name)

    def draw(self, step: Step = no_step, noisy: bool = False) -> Figure:
        """The figure.  Raises `ArchvizError`; a model that raises in the middle gives its part, `Figure.failed`."""
        graph = self.trace(step, noisy)
        if not self.beside:
            return compile.compile(graph, self.configured(graph), step=step)
        from archviz.figure.side_by_side import compile_together

        jobs, graphs = (self, *self.beside), [graph, *(job.trace(step, noisy) for job in self.beside)]
        return compile_together(graphs, [job.configured(one) for job, one in zip(jobs, graphs, strict=True)], step)


@contextlib.contextmanager
def hushed(noisy: bool) -> Iterator[None]:
    """What the model prints goes to stderr; its warnings are shown where `noisy`."""
    with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
        if not noisy:
            warnings.simplefilter("ignore")
        yield


def asked(o: argparse.Namespace, model: Any = None, variables: Mapping[str, Any] | None = None) -> Job:
    """What the answers of `archviz.apps.request.arguments.parser` ask for."""
    more, align = getattr(o, "more", ()), getattr(o, "align", False)    # explain, record and diff have none
    if more and not align:
        raise ArchvizError(f"{1 + len(more)} models were named", "add --align to draw them in one figure")
    job = Job(o.model, tuple(o.arg), tuple(o.input), options(o), o.no_project, held=model, variables=variables)
    if align:
        from archviz.figure.side_by_side import check

        check(job.options, 1 + len(more))
    return replace(job, beside=tuple(replace(job, target=target, held=None) for target in more))


def remarks(job: Job, figure: Figure, verbose: bool) -> Iterator[str]:
    """What the user should know of how the figure came about."""
    if verbose and job.project is not None:
        yield f"project: {job.project.path}"
    report = figure.graph.attrs.get("report") or {}
    for note in report.get("notes", ()):
        if note.startswith("guessed"):
            yield f"input: {note}; say --input to change"
        elif verbose or report.get("invented"):
            yield str(note)
    inputs = {node.id for node in figure.graph.nodes if node.kind == "input"}
    for node in (node for node in figure.graph.nodes if node.kind == "output" and inputs):
        above = reached({node.id}, lambda key: (edge.src for edge in figure.graph.incoming[key]))
        if not inputs & above and any(key.rpartition("/")[2].startswith("constant") for key in above):
            yield (f"output {node.id.removeprefix('/out:')} depends on no input that can be seen: what lies between "
                   "was computed by NumPy, or from numbers that were read out of tensors")
    if verbose:
        yield (f"traced: {report.get('rung', 'not said')}; "
               f"{len(figure.graph.nodes)} operations, {len(figure.drawn.nodes)} drawn")
        for source, role in figure.drawn.attrs.get("aside", {}).items():
            yield f"not drawn: {source.removeprefix('/in:')} is read as {'an' if role == 'index' else 'a'} {role}"


def raised(figure: Figure) -> tuple[str, str] | None:
    """What raised while the model was traced, in words, and the file and line, where they are known."""
    if figure.failed is None:
        return None
    where, error = figure.failed
    name = where.removesuffix("/failed") or figure.graph.name       # the model's own code, and no call that has an id
    return f"{name} raised {' '.join(error.split())}", str((figure.graph.attrs.get("report") or {}).get("raised", ""))


PARTIAL = "the figure shows what ran until then, with the failing call marked"


def failure(figure: Figure) -> str:
    """Where the model raised while it was traced, in words; empty for one that ran."""
    error, at = raised(figure) or ("", "")
    return f"{error}{f', at {at}' if at else ''}\n  {PARTIAL}" if error else ""
