"""Placed by Graphviz's twopi: in rings around one box.

In: a graph, sizes, frames, spacing.  Out: `Layout`.  May import ir and the other files of this folder.
"""
from __future__ import annotations

import math
from collections.abc import Mapping

from archviz.ir import Graph, NodeId
from archviz.layouts import Frame, Layout, Size
from archviz.layouts._free import free

WRAPS = False


def twopi(
    graph: Graph, sizes: Mapping[NodeId, Size], frames: Mapping[NodeId, Frame], spacing: Mapping[str, float],
    direction: str = "down", limit: float = math.inf,
) -> Layout:
    """Lay `graph` out by twopi.  Raises `ArchvizError` where there is no Graphviz."""
    return free("twopi", graph, sizes, frames, spacing, direction, limit)
