"""Passes: Graph → Graph.

Contract: a file ``archviz/passes/<name>.py`` holds a function of its own name, ``<name>(graph, style, **options) ->
Graph``.  Its docstring says what it keeps.  Whatever it does, the members of the drawn nodes still partition the ids of
the trace, and parameters and FLOPs still sum to the same totals.  It may hold ``TRAITS = Traits(...)``.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archviz.core.graph import Graph
from archviz.core.plugins import find


@dataclass(frozen=True)
class Traits:
    """What a pass says of itself.

    Attributes
    ----------
    undone : callable, optional
        ``undone(graph) -> Graph``: a graph with what it drew as one as it was before, the same graph where there is
        nothing.  A figure asks for it that shows what is inside, beside another one, or has no room for the whole.
    """

    undone: Callable[[Graph], Graph] | None = None


def traits(name: str) -> Traits:
    """What the pass of this name says of itself."""
    said: Traits = getattr(find("passes", name), "TRAITS", Traits())
    return said
