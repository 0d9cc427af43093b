"""A figure that is asked for in words: on the command line, in a notebook's magic, in a document's directive.

In: a target with the arguments and inputs of its model, and `Options`.  Out: its graph and its `Figure`, with what the
project file says.  Imports arguments, files, pipeline, project, stylefiles.
"""
from __future__ import annotations

import argparse
import contextlib
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from archviz import pipeline
from archviz.arguments import settings
from archviz.files import GRAPH
from archviz.ir import Graph
from archviz.pipeline import Figure, Options
from archviz.project import Project, configured, project_of
from archviz.stylefiles import chain, locate, own_files


def _no_step(name: str) -> None:
    pass


@dataclass(frozen=True)
class Job:
    """One figure to draw.

    target      ``model.py``, ``model.py:Name``, ``package.module:Name`` or ``graph.json``
    args        ``key=value`` for the model's constructor; `inputs` specs like ``1x3x224x224``
    options     what the figure shall be like; a project file is asked for what they leave open
    alone       look for no project file
    folder      where the project file of a ``package.module`` is looked for; None: the current folder
    """

    target: str
    args: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    options: Options = Options()
    alone: bool = False
    folder: Path | None = None

    @cached_property
    def project(self) -> Project | None:
        """The project file that holds for the target.  Raises `ArchvizError` for what is wrong in it."""
        return None if self.alone else project_of(self.target, self.options, self.folder)

    def check(self) -> None:
        """Raise `ArchvizError` for any mistake in the options, before any work is done."""
        configured(self.options, self.project).resolved()

    @property
    def values(self) -> int:
        """The largest linear layer whose weights the figure may draw."""
        return pipeline.weights(configured(self.options, self.project), self.project)

    @property
    def saved(self) -> bool:
        """Whether the target is a traced graph already."""
        return Path(self.target).suffix == f".{GRAPH}"

    def style_files(self, options: Options) -> tuple[Path, ...]:
        """The files of the user's own that say how the figure looks: styles, themes, and the forms they name."""
        asked = [("styles", options.style), ("themes", options.theme),
                 *(("styles", spec.partition("=")[2]) for spec in options.inset)]
        found = [path for group, name in asked if name for path, _ in chain(group, locate(group, str(name)))]
        form = Path(options.resolved().form)
        found += [form] if form.suffix == ".py" else []
        return tuple(dict.fromkeys(path.resolve() for path in found if path.resolve() not in own_files()))

    def trace(self, step: Callable[[str], None] = _no_step, noisy: bool = False) -> Graph:
        """The graph of the model.  What the model prints goes to stderr; its warnings are shown where `noisy`."""
        values = self.values
        with contextlib.redirect_stdout(sys.stderr), warnings.catch_warnings():
            if not noisy:
                warnings.simplefilter("ignore")
            return pipeline.read(self.target, self.args, self.inputs, step, values)

    def configured(self, graph: Graph) -> Options:
        """The options for the model of `graph`, with what the project says about it."""
        return configured(self.options, self.project, self.target, graph.name)

    def draw(self, step: Callable[[str], None] = _no_step, noisy: bool = False) -> Figure:
        """The figure.  Raises `ArchvizError`; a model that raises in the middle gives its part, `Figure.failed`."""
        graph = self.trace(step, noisy)
        return pipeline.compile(graph, self.configured(graph), step=step)


def asked(o: argparse.Namespace) -> Job:
    """What the answers of `archviz.arguments.parser` ask for."""
    given = settings(o.set)
    if o.edges is not None:
        given["options.edges"] = o.edges
    if o.unroll is not None:
        given["options.unroll"] = o.unroll
    return Job(o.model, tuple(o.arg), tuple(o.input), Options(
        o.style, given, o.width, o.max_height, o.min_font, o.depth, tuple(o.collapse), tuple(o.expand), o.direction,
        o.title, o.theme, tuple(o.inset)), o.no_project)
