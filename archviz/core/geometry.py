"""Where things are on the page: sizes, places, frames, routes, layouts.  Lengths are printed points, y grows downwards.

In: numbers.  Out: frozen values.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archviz.core.graph import NodeId


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle on the page.

    Attributes
    ----------
    x, y : float
        Its top left corner.
    width, height : float
        Its sides.
    """

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Size:
    """How much room a node's drawing needs.

    Attributes
    ----------
    width, height : float
        Of its outline; of a box in parallel projection, of its front face.
    joint : bool
        True for a small glyph (⊕, ⊗, concat) that edges may enter from its sides.
    label : (float, float)
        Width and height kept free beside the arrow that enters the node (the shape of what flows in).
    back : (float, float)
        Of a box in parallel projection, the edge into the depth.
    rise : float
        How far its front face sinks over its width.
    abuts : str
        The node it stands against; empty: none.
    spans : bool
        True for a bar across the flow, at least `width` long and `height` thick, that reaches over all that enters it.
    parts : tuple of Place
        Where its labels are, relative to the top left corner of the front face.
    ports : Mapping
        Source → where its lines end along the side that the flow enters, where one edge stands for several operands.
    """

    width: float
    height: float
    joint: bool = False
    label: tuple[float, float] = (0.0, 0.0)
    back: tuple[float, float] = (0.0, 0.0)
    rise: float = 0.0
    abuts: NodeId = ""
    spans: bool = False
    parts: tuple[Place, ...] = ()
    ports: Mapping[NodeId, tuple[float, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Frame:
    """What a frame needs beside its content.

    Attributes
    ----------
    title, count : float
        Width of its title, and of its ×N with the space before it.
    bar : float
        Height of the row in which they stand.
    whole : bool
        True for one that is never cut into columns: a block that stands for many must be seen in one piece.
    skirt : float
        Room that the copies drawn behind it need along the flow.
    """

    title: float = 0.0
    count: float = 0.0
    bar: float = 0.0
    whole: bool = False
    skirt: float = 0.0


@dataclass(frozen=True, slots=True)
class Route:
    """How an edge runs.

    Attributes
    ----------
    src, dst : str
        The ids of the nodes at its ends.
    points : tuple of (float, float)
        Corners of an orthogonal line from the border of one to the border of the other.
    skip : bool
        Whether it passes by what another way between its ends goes through.
    """

    src: NodeId
    dst: NodeId
    points: tuple[tuple[float, float], ...]
    skip: bool = False


@dataclass(frozen=True)
class Layout:
    """Where every node and every frame stands, and how the edges run.

    Attributes
    ----------
    nodes, frames : Mapping
        NodeId → `Place`.
    routes : tuple of Route
        One for each edge that is drawn as a line.
    width, height : float
        Room that all of it takes, from the origin.
    titles : Mapping
        Frame → start of the baseline of its title.
    direction : str
        How the data flows in it: ``down``, ``right``, ``up`` or, in a U, ``around``.
    cuts : tuple of (int, int)
        Where a run was wrapped: how many frames deep, and how many lines turn back there.
    """

    nodes: Mapping[NodeId, Place]
    frames: Mapping[NodeId, Place]
    routes: tuple[Route, ...]
    width: float
    height: float
    titles: Mapping[NodeId, tuple[float, float]] = field(default_factory=dict)
    direction: str = "down"
    cuts: tuple[tuple[int, int], ...] = ()
