"""Layouts: a graph and the sizes of its boxes → where everything goes.

Contract: a file ``archviz/layouts/<name>.py`` holds ``<name>(graph, sizes, frames, spacing, direction, limit) ->
Layout``. Lengths are printed points, y grows downwards.  Where it holds ``WRAPS = False``, its layouts do not depend on
the limit.  May import ir and style.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archviz.ir import NodeId


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle on the page."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Size:
    """How much room a node's drawing needs.

    `joint` marks a small glyph (⊕, ⊗, concat) that edges may enter from its sides; `label` is the width × height kept
    free beside the arrow that enters the node (the shape of what flows in).

    A box in parallel projection is given by its front face, `width` × `height`, and the edge `back` into the depth; the
    front face sinks by `rise` over its width.  `abuts` is the node it stands against, and `parts` are the places of its
    labels, relative to the top left corner of the front face.
    """

    width: float
    height: float
    joint: bool = False
    label: tuple[float, float] = (0.0, 0.0)
    back: tuple[float, float] = (0.0, 0.0)
    rise: float = 0.0
    abuts: NodeId = ""
    parts: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame needs beside its content: the width of its title, the width of its ×N (with the
    space before it), the height of that row.

    A `whole` frame is never cut into columns: a block that stands for many must be seen in one piece.  `skirt` is the
    room that the copies drawn behind it need along the flow.
    """

    title: float = 0.0
    count: float = 0.0
    bar: float = 0.0
    whole: bool = False
    skirt: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """The corners of an orthogonal line from the border of `src` to the border of `dst`."""

    src: NodeId
    dst: NodeId
    points: tuple[tuple[float, float], ...]
    skip: bool = False


@dataclass(frozen=True)
class Layout:
    """Where every node and every frame stands, and how the edges run."""

    nodes: Mapping[NodeId, Place]
    frames: Mapping[NodeId, Place]
    routes: tuple[Route, ...]
    width: float
    height: float
    titles: Mapping[NodeId, tuple[float, float]] = field(default_factory=dict)  # baseline start of a frame's title
    direction: str = "down"
    # where a run was wrapped: how many frames deep, and how many lines turn back there
    cuts: tuple[tuple[int, int], ...] = ()
