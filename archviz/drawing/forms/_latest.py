"""The latest result of a function, kept: sizes, frames, legend and drawing of one try are asked for in a row.

In: a function of a graph and a style.  Out: the same function.
"""
from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TypeVar

from archviz.core.graph import Graph
from archviz.style.style import Style

Result = TypeVar("Result")


def latest(make: Callable[[Graph, Style], Result]) -> Callable[[Graph, Style], Result]:
    """`make`, which is not run again for the same two objects as the last time."""
    kept: list[tuple[Graph, Style, Result]] = []

    @wraps(make)
    def made(graph: Graph, style: Style) -> Result:
        last = kept[0] if kept else None
        if last is None or last[0] is not graph or last[1] is not style:
            last = (graph, style, make(graph, style))
            kept[:] = [last]
        return last[2]

    return made
