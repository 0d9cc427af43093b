"""Layouts: a graph and the sizes of its boxes → where everything goes.

Contract: a file ``archviz/drawing/layouts/<name>.py`` holds a function of its own name::

    <name>(graph, sizes, frames, spacing, direction, limit) -> Layout

`sizes` has a `Size` for each node, `frames` a `Frame` for each module that is to have one, `spacing` is
``style.sizes``, `direction` is ``"down"``, ``"right"`` or ``"up"``, and `limit` the room along the flow.  Lengths are
printed points, y grows downwards.  What else is to be known of it the file says in ``TRAITS``, a `Traits`.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archviz.core.graph import Graph
from archviz.core.plugins import find

SHARED = {"graphviz": ("circo", "dot", "fdp", "neato", "osage", "patchwork", "sfdp", "twopi")}
"""Files that hold several layouts, and the names of these."""


@dataclass(frozen=True)
class Traits:
    """What is to be known of the layouts of a file.

    Attributes
    ----------
    wraps : bool
        Whether they depend on the limit.
    aligns : callable
        Of one that puts several models on common rows: whether it can show this `Graph` so.
    """

    wraps: bool = True
    aligns: Callable[[Graph], bool] | None = None


def traits(name: str) -> Traits:
    """What is to be known of the layout `name`."""
    declared: Traits = getattr(find("layouts", name), "TRAITS", Traits())
    return declared
