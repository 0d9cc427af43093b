"""What a user names as on the command line, or holds in memory → its graph.

In: a target, arguments, inputs.  Out: a `Graph`.
"""
from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from archviz.core import graph_json
from archviz.core.errors import ArchvizError, NoTorch
from archviz.core.files import PACKAGE
from archviz.core.garbage import sparing
from archviz.core.graph import Graph
from archviz.core.graph_json import GRAPH
from archviz.core.naming import named
from archviz.core.progress import Step, no_step

MOST_TRIES = 4      # failed guesses that an error tells
BEFORE = frozenset({"input", "failed", "parameter", "constant", "view", "cast", "index", "size", "mask", "identity"})
"""Kinds that may stand before a model's first layer: where nothing else ran, there is no part to draw."""


def read(target: str, args: Sequence[str] = (), inputs: Sequence[str] = (), step: Step = no_step, values: int = 0,
         held: Any = None, variables: Mapping[str, Any] | None = None) -> Graph:
    """The graph of a model that is named as on the command line.

    Parameters
    ----------
    target : str
        ``graph.json``, ``model.py``, ``model.py:Name`` or ``package.module:Name``.
    args : sequence of str
        ``key=value`` for the constructor.
    inputs : sequence of str
        Specs like ``1x3x224x224``.
    step : callable
        Told the name of each step as it begins.
    values : int
        Linear layers of an instance with at most so many weights keep them in the graph, for forms that draw them.
    held : optional
        A model, class, factory or graph that is in memory; `target` is then only its name.
    variables : Mapping, optional
        What `inputs` may name.

    Returns
    -------
    Graph
        The trace; of a model that raises in the middle, the part that ran (`Figure.failed` then says where).

    Raises
    ------
    ArchvizError
        For whatever the user can mend: no such model, wrong arguments, inputs that it does not take.
    """
    if isinstance(held, Graph) or (held is None and Path(target).suffix == f".{GRAPH}"):
        for option, words in (("--arg", args), ("--input", inputs)):
            if words:
                raise ArchvizError(f"{option} means nothing for {target}, which is already traced",
                                   "trace its model again, or leave the option out")
        return held or _saved(Path(target))
    step("load torch and the model")
    try:
        from archviz.trace.source import load
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise NoTorch("PyTorch is not installed", f"install torch, or draw a graph that was saved where it is: "
                      f"archviz {target} -o graph.json") from None

    loaded = load.load(target, args) if held is None else load.held(held, target, args)
    step("trace")
    model = loaded.build if loaded.instance is None else loaded.instance
    graph = traced(model, lambda module: loaded.inputs(module, inputs, variables), loaded.source, values)
    failed = graph.attrs.get("report", {}).get("failed")
    if failed and all(node.kind in BEFORE for node in graph.nodes):
        raise ArchvizError(f"{graph.name} does not take these inputs: {failed[0]} raised {_one_line(failed[1])}",
                           "change --input, or the file's example_inputs")
    return replace(graph, name=named(target.rpartition(":")[2], graph.name))


def _saved(path: Path) -> Graph:
    try:
        return graph_json.from_json(path.read_bytes().decode("utf-8", "surrogatepass"))
    except OSError as error:
        raise ArchvizError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ArchvizError(f"{path} is not a graph that archviz wrote: {_one_line(error)}",
                           f"write one with: archviz model.py -o {path.name}") from None


@sparing()
def traced(model: Any, inputs: Any, source: str, values: int) -> Graph:
    """Run the front ends.  Whatever the user's own code raises while the model is built is the user's to mend."""
    from archviz.trace.ladder import NothingRan, trace

    built: list[Any] = []

    def given(module: Any) -> Any:
        built[:] = [module]
        return inputs(module)

    try:
        return trace(model, given if callable(inputs) else inputs, weights=values).graph
    except NothingRan as error:
        from archviz.trace.source.guess import suggest

        message, *tried = error.message.splitlines()
        if len(tried) > MOST_TRIES:
            tried[MOST_TRIES:] = [f"  … and {len(tried) - MOST_TRIES} more"]
        hint = f"say what goes in: {suggest(built[0])}" if built else "say what goes in with --input"
        raise ArchvizError("\n".join([message, *tried]), hint) from error
    except ArchvizError:
        raise
    except SystemExit as error:
        raise ArchvizError(f"{source} ends the process while it runs: SystemExit: {error}",
                           "a model that is to be drawn returns") from error
    except Exception as error:
        from archviz.trace.source.load import blamed

        if Path(traceback.extract_tb(error.__traceback__)[-1].filename).is_relative_to(PACKAGE):
            raise       # not the user's mistake
        raise blamed(error, source) from error


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
