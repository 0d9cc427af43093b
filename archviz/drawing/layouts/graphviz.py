"""Placed by an engine of Graphviz, each a layout of its own name.

In: a graph, sizes, frames, spacing.  Out: `Layout`.
"""
from __future__ import annotations

import math
from collections.abc import Callable

from archviz.core.geometry import Frames, Layout, Sizes, Spacing
from archviz.core.graph import Graph
from archviz.drawing.layouts import Traits
from archviz.drawing.layouts._free import free

TRAITS = Traits(wraps=False)


def _engine(name: str) -> Callable[..., Layout]:
    def layout(graph: Graph, sizes: Sizes, frames: Frames, spacing: Spacing, direction: str = "down",
               limit: float = math.inf) -> Layout:
        return free(name, graph, sizes, frames, spacing, direction, limit)

    layout.__name__ = layout.__qualname__ = name
    layout.__doc__ = f"Lay `graph` out by {name}.  Raises `ArchvizError` where there is no Graphviz."
    return layout


dot = _engine("dot")                # in layers along the flow, frames in frames
neato = _engine("neato")            # as if edges were springs
fdp = _engine("fdp")
sfdp = _engine("sfdp")
twopi = _engine("twopi")
circo = _engine("circo")
osage = _engine("osage")
patchwork = _engine("patchwork")
