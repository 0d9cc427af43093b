"""What differs between two models: `archviz.diff`.

In: two models, in whatever way one is named, and `Options`.  Out: a `Difference` with its figure; files.
"""
from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from glob import escape
from pathlib import Path
from typing import Any

from archviz.backends import traits
from archviz.compare import git
from archviz.compare.annotate import mark, quiet
from archviz.compare.changes import Difference, of_twins
from archviz.compare.pairs import join
from archviz.compare.union import union
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph
from archviz.core.graph_json import GRAPH
from archviz.core.plugins import find
from archviz.core.progress import Step, in_notebook, no_step, progress
from archviz.core.scene import Group, Link, Mark, Scene
from archviz.figure import stages
from archviz.figure.draw import graph_of
from archviz.figure.figure import Figure
from archviz.figure.fit import Detail, fit
from archviz.figure.options import DECLARED, Options, flag, with_options
from archviz.figure.rendered import Finished, described

WORDS = {"md": Difference.markdown, GRAPH: Difference.to_json}
"""Suffixes of files that hold no drawing."""


@dataclass(frozen=True, repr=False)
class Compared(Figure):
    """A figure of two models, which shows their `difference`."""

    difference: Difference = Difference("", "")

    def __repr__(self) -> str:
        return f"<archviz figure of {self.difference.name}, {len(self.difference.changes)} changes>"

    def render(self, suffix: str, **options: Any) -> bytes:
        """The bytes of a file: as `Figure.render`, but ``"json"`` and ``"md"`` hold the difference."""
        if suffix in WORDS:
            return WORDS[suffix](self.difference).encode("utf-8", "surrogatepass")
        return Finished.render(self, suffix, **options) if traits(suffix).renders else super().render(suffix, **options)


def compare(old: Graph, new: Graph, options: Options, step: Step = no_step, draw: bool = True) -> Difference:
    """What differs between two traces, with a figure where anything does and `draw` says so."""
    step("compare")
    both = join(old, new)
    difference = of_twins(both)
    if not difference or not draw:
        return difference
    style = options.resolved()
    step("arrange")
    graph = union(both)
    drawn = mark(stages.plain(stages.passed(graph, style, options.overrides), style))
    options = stages.openable([graph], drawn, options)
    title = difference.name if options.title is None else options.title
    drawing = fit(drawn, style, _detail(drawn, options), title)
    caption = _caption(difference)
    scene = described(_lined(drawing.scene, drawing.graph), caption, stages.facts(new))
    figure = Compared(graph, replace(drawing, scene=scene), caption, f"Diagram of two models. {caption}", title,
                      difference=difference)
    return replace(difference, figure=figure)


def _detail(drawn: Graph, options: Options) -> Detail:
    """What to open and close: what is the same stays closed, unless it is to be opened."""
    detail = stages.detail(drawn, options)
    opened = set(find("passes", "collapse").select(drawn, detail.expand)) if detail.expand else set()
    opened |= {frame for key in opened for frame in drawn.modules[key].scope}
    closed = [escape(key) for key in quiet(drawn) if key not in opened]
    return replace(detail, collapse=(*detail.collapse, *closed))


def _lined(scene: Scene, drawn: Graph) -> Scene:
    """The scene with lines from and to what only one model has painted so."""
    change = {node.id: str(node.attrs.get("change")) for node in drawn.nodes}

    def painted(mark: Mark, role: str = "") -> Mark:
        if isinstance(mark, Group):
            ends = [change.get(end) for end in mark.edge or ()]
            role = next((f"edge {one}" for one in ("removed", "added") if one in ends), role)
            return replace(mark, marks=tuple(painted(one, role) for one in mark.marks))
        return replace(mark, role=role) if role in scene.sheet and isinstance(mark, Link) else mark

    return replace(scene, marks=tuple(painted(mark) for mark in scene.marks))


def _caption(difference: Difference) -> str:
    counts = [f"{one.old} → {one.new} {one.op} in {one.path}" if one.path else f"{one.old} → {one.new} {one.op}"
              for one in difference.counts]
    blocks = f" Blocks: {', '.join(counts)}." if counts else ""
    return f"{difference.summary()}.{blocks} What is grey is the same in both models."


@with_options([name for name, declared in DECLARED.items() if declared.of_pairs])
def diff(old: Any, new: Any, inputs: Any = None, *, new_inputs: Any = None,
         overrides: Mapping[str, Any] | None = None, **options: Any) -> Difference:
    """What differs between two models, and one figure of both.  A notebook shows the figure.

    Parameters
    ----------
    old, new : torch.nn.Module, callable, Graph, str or Path
        Models as for `draw`; of a target also at a git revision: ``"HEAD~1:model.py"``.
    inputs : Tensor, tuple, dict, str or None
        What to call both with, as for `draw`.
    new_inputs : optional
        What to call the new one with, where that is something else.
    overrides : Mapping, optional
        What a project file would say about single layers, as for `draw`.
    {options}

    Returns
    -------
    Difference
        False where nothing differs; its ``figure`` is then None.

    Raises
    ------
    ArchvizError
        As `draw`, and for a revision that cannot be read.
    """
    asked = Options.of(overrides, **options)
    check(asked)
    asked.resolved()
    with progress(in_notebook()) as step:
        graphs = []
        for model, fed in ((old, inputs), (new, inputs if new_inputs is None else new_inputs)):
            revision, target = git.parse(str(model)) if isinstance(model, (str, Path)) else ("", model)
            with at(revision, target) as place:
                graph = graph_of(place, fed, asked, step)
            graphs.append(of_revision(graph, revision))
        return compare(graphs[0], graphs[1], asked, step)


def check(options: Options) -> None:
    """Raise `ArchvizError` for options that a figure of two models does not have."""
    wrong = [f"--{flag(name)}" for name, declared in DECLARED.items()
             if not declared.of_pairs and getattr(options, name)]
    if wrong:
        raise ArchvizError("a figure of two models is not cut, has no insets, and nothing in it opens in place",
                           f"leave out {' and '.join(wrong)}")


def at(revision: str, target: Any) -> contextlib.AbstractContextManager[Any]:
    """The target at that revision, if one is named."""
    return git.at_revision(revision, target) if revision else contextlib.nullcontext(target)


def of_revision(graph: Graph, revision: str) -> Graph:
    return replace(graph, name=f"{graph.name} ({revision})") if revision else graph
