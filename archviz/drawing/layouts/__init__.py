"""Layouts: a graph and the sizes of its boxes → where everything goes.

Contract: a file ``archviz/drawing/layouts/<name>.py`` holds a function of its own name::

    <name>(graph, sizes, frames, spacing, direction, limit) -> Layout

`sizes` has a `Size` for each node, `frames` a `Frame` for each module that is to have one, `spacing` is
``style.sizes``, `direction` is ``"down"``, ``"right"`` or ``"up"``, and `limit` the room along the flow.  Lengths are
printed points, y grows downwards.  Where the file holds ``WRAPS = False``, its layouts do not depend on the limit.
"""

SHARED = {"graphviz": ("circo", "dot", "fdp", "neato", "osage", "patchwork", "sfdp", "twopi")}
"""Files that hold several layouts, and the names of these."""
