"""``archviz.draw``: the figure of whatever holds a model.

In: a module, a target or a graph, and options.  Out: a `Figure`.
"""
from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from archviz.core.errors import ArchvizError
from archviz.core.garbage import sparing
from archviz.core.graph import Graph
from archviz.core.progress import Step, in_notebook, progress
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import DECLARED, Options, with_options
from archviz.figure.side_by_side import check, compile_together
from archviz.figure.stages import weights
from archviz.trace.read import read, traced


@sparing()
@with_options([*DECLARED])
def draw(model: Any, inputs: Any = None, *, name: str | None = None, align: bool = False,
         overrides: Mapping[str, Any] | None = None, **options: Any) -> Figure:
    """The figure of a model, or of several.  A notebook shows what takes long.

    Parameters
    ----------
    model : torch.nn.Module, callable, Graph, str or Path
        A module; a function or class that makes one (its weights then take no memory); a graph; or a target as on the
        command line (``"model.py:Net"``, ``"graph.json"``).
    inputs : Tensor, tuple, dict, str or None
        What to call it with: a tensor of any shape the model takes, a tuple of arguments, a dict of named ones, specs
        like ``"1x3x224x224"``, or None for a guess.
    name : str, optional
        What the caption calls the model.  Of several models the title names them: ``"a | b"``.
    align : bool
        `model` is a list of models, drawn in one figure on one scale; `inputs` then a list with what each is given.
    overrides : Mapping, optional
        What a project file would say about it: ``{"layers": {"stem": {"frozen": True}}, "groups": {"backbone":
        ["stem", "layer1"]}}``.  No file is read.
    {options}

    Returns
    -------
    Figure
        Of a model that raises in the middle: as far as it ran, with a warning.

    Raises
    ------
    ArchvizError
        For whatever the user can mend; `DoesNotFit` for a page that is too small.
    """
    asked = Options.of(overrides, **options)
    models = list(model) if align and isinstance(model, (list, tuple)) else [model]
    several = list(inputs) if align and isinstance(inputs, (list, tuple)) else [inputs] * len(models)
    if align:
        if name or len(several) != len(models):
            raise ArchvizError("what is said of one model does not go with several",
                               "write title='a | b', and inputs=[…] with as many as there are models")
        check(asked, len(models))
    resolved = asked.resolved()
    with progress(in_notebook()) as step:
        graphs = [graph_of(one, values, asked, step) for one, values in zip(models, several, strict=True)]
        if align:
            figure = compile_together(graphs, [asked] * len(graphs), step)
        else:
            figure = compile(replace(graphs[0], name=name) if name else graphs[0], asked, resolved, step)
    if figure.failed:
        where, error = figure.failed
        warnings.warn(f"{where} raised {error}; the figure shows what ran until then", stacklevel=3)
    return figure


def graph_of(model: Any, inputs: Any, options: Options, step: Step) -> Graph:
    """The graph of whatever `draw` takes."""
    specs = _specs(inputs)
    if isinstance(model, Graph):
        return model
    if isinstance(model, (str, Path)):
        return read(str(model), (), specs or (), step, weights(options))
    step("load torch")
    from archviz.trace.source import guess, values
    from archviz.trace.source.specs import from_specs

    example: Any = guess.from_model
    if specs is not None:
        example = partial(from_specs, specs=specs)
    elif inputs is not None:
        example = inputs if callable(inputs) else values.from_value(inputs, "")
    step("trace")
    return traced(model, example, getattr(model, "__name__", type(model).__name__), weights(options))


def _specs(inputs: Any) -> tuple[str, ...] | None:
    """`inputs` as specs of the command line, if that is what they are."""
    words = [inputs] if isinstance(inputs, str) else inputs
    if isinstance(words, (list, tuple)) and words and all(isinstance(word, str) for word in words):
        return tuple(words)
    return None
