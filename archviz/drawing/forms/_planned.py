"""The values of a cube figure's plan: labels, and all that is drawn of each node.

In: what `plan` finds.  Out: `Label` and `Plan`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

from archviz.core.geometry import Place
from archviz.core.graph import NodeId
from archviz.core.scene import Point
from archviz.drawing.forms._volumes import Volume
from archviz.style.style import Style

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Label:
    """Text beside a volume; (x, y) and the `box` it fills are relative to the top left corner of the front face."""

    x: float
    y: float
    string: str
    role: str
    anchor: Anchor
    box: Place
    rotate: float = 0.0


@dataclass
class Volumes:
    """Everything a cube figure draws, but for where."""

    style: Style
    volumes: dict[NodeId, Volume] = field(default_factory=dict)
    glyphs: set[NodeId] = field(default_factory=set)
    ports: dict[NodeId, tuple[float, float]] = field(default_factory=dict)
    abutting: dict[NodeId, NodeId] = field(default_factory=dict)  # what each stands against
    copies: dict[NodeId, int] = field(default_factory=dict)
    blocks: list[list[NodeId]] = field(default_factory=list)
    fused: dict[NodeId, tuple[str, ...]] = field(default_factory=dict)
    labels: dict[NodeId, list[Label]] = field(default_factory=dict)
    braces: dict[NodeId, str] = field(default_factory=dict)
    kernels: dict[NodeId, tuple[float, ...]] = field(default_factory=dict)
    arrows: dict[tuple[NodeId, NodeId], tuple[str, str]] = field(default_factory=dict)  # role, and what it stands for
    paints: dict[NodeId, str] = field(default_factory=dict)  # roles other than those of kinds
    rooms: dict[NodeId, list[Place]] = field(default_factory=dict)  # what is kept free beside the labels

    @property
    def depth(self) -> Point:
        """How one point of depth shifts the picture: right, and up."""
        _, angle, factor = self.style.options["projection"]
        return factor * math.cos(math.radians(angle)), factor * math.sin(math.radians(angle))

    def edges(self, key: NodeId) -> tuple[Point, Point, Point]:
        """The three edges of a volume on the page: along, down, back."""
        volume, (kx, ky) = self.volumes[key], self.depth
        thick = volume.thickness * self.copies[key]
        rise = thick * math.tan(math.radians(30)) if self.style.options["projection"][0] == "isometric" else 0.0
        return (thick, rise), (0.0, volume.height), (volume.depth * kx, -volume.depth * ky)

    def bands(self, key: NodeId, role: str) -> tuple[tuple[float, float, str], ...]:
        """The activation as a darker band at the end of the thickness, and the normalisation as a line before it."""
        s, fused = self.style.sizes, self.fused[key] if not self.arrows else ()
        dark = any(kind in ("act", "softmax") for kind in fused)
        start = 1.0 - s["band"] if dark else 1.0
        bands = []
        if "norm" in fused:
            line = min(s["line"] / self.volumes[key].thickness, 0.25)
            bands.append((start - line, start, "norm band"))
        if dark:
            bands.append((start, 1.0, f"{role} deep"))
        return tuple(bands)
