"""Draw equal neighbours once, with ×N, but in a short chain each for itself.

In: a graph.  Out: what `fold` gives; a chain of at most `SHORT` nodes as it is, since there a reader follows every
layer.  Imports ir, style, fold.
"""
from __future__ import annotations

from typing import Any

from archviz.ir import Graph, is_chain
from archviz.passes.fold import fold
from archviz.style import Style

SHORT = 12
"""Nodes of a chain that are all drawn, its ends included."""


def foldlong(graph: Graph, style: Style, **options: Any) -> Graph:
    """Fold every run of equal neighbours, but none of a short chain.  Keeps ids, parameters and FLOPs."""
    return graph if len(graph.nodes) <= SHORT and is_chain(graph) else fold(graph, style, **options)
