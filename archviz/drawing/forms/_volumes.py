"""How large a tensor is drawn: scale laws, and the kinds of volume a tensor can be.

In: a `TensorSpec`, a style.  Out: a `Volume` in printed points; the `Volumes` of a figure, and what is written at them.

A feature map is a cuboid: its face from height × width, its thickness from the channels.  A sequence of N tokens is a
flat sheet, N high and d deep; a signal of L samples a strip, L high and as thick as it has channels; a vector a rod
along the depth.
"""
from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from archviz.core import text
from archviz.core.geometry import Place, Size
from archviz.core.graph import NodeId, TensorSpec
from archviz.core.scene import Cuboid, Point, Text
from archviz.style.style import Style

Anchor = Literal["start", "middle", "end"]

Extent = tuple[str, int | None, int | None, int | None]
"""The kind of a volume, and the numbers at its height, depth and thickness."""


@dataclass(frozen=True, slots=True)
class Volume:
    """A tensor as a solid: `kind` is map, clip (space and time), signal, sheet or rod.

    thickness, height, depth   printed points, the depth not yet projected
    height_of, depth_of, thick_of   the numbers that stand at these edges; None where there is none to tell
    channels                   what stands below
    """

    kind: str
    thickness: float
    height: float
    depth: float
    channels: int | None = None
    height_of: int | None = None
    depth_of: int | None = None
    thick_of: int | None = None

    @property
    def extent(self) -> Extent:
        """What is the same for all feature maps of one resolution."""
        return self.kind, self.height_of, self.depth_of, self.thick_of


SCALED = ("unit", "channels", "rod_length", "rod", "slab", "strip", "sheet", "thickest")
"""The sizes of volumes."""


def scaled(sizes: Mapping[str, float], keys: Collection[str], factor: float) -> dict[str, float]:
    """`sizes` with those of `keys` larger or smaller."""
    return {key: size * factor if key in keys else size for key, size in sizes.items()}


@dataclass(frozen=True, slots=True)
class Law:
    """How a drawn length follows from a size, 0 at 0."""

    name: str
    power: float = 1.0

    def __call__(self, n: float) -> float:
        return math.log1p(n) if self.name == "log" else math.pow(n, self.power)


def law(written: str) -> Law:
    """``"log"``, ``"linear"`` or ``"power 0.55"``.  Raises `ValueError` for others."""
    word, _, exponent = written.partition(" ")
    if word in ("log", "linear") and not exponent:
        return Law(word)
    if word == "power":
        try:
            power = float(exponent)
        except ValueError:
            power = 0.0
        if 0 < power <= 3:
            return Law(word, power)
    raise ValueError("must be log, linear, or power and an exponent from 0 to 3 (power 0.55)")


def projection(written: str) -> tuple[str, float, float]:
    """``"cabinet 45 0.4"`` (degrees, factor of the depth) or ``"isometric"``.  Raises `ValueError` for others."""
    word, *numbers = written.split() or [""]
    if word == "isometric" and not numbers:
        return "isometric", 30.0, 0.7
    try:
        angle, factor = map(float, numbers or ("45", "0.4"))
    except ValueError:
        angle = factor = 0.0
    if word == "cabinet" and 5 <= angle <= 85 and 0 < factor <= 1:
        return "cabinet", angle, factor
    raise ValueError("must be isometric, or cabinet with an angle from 5 to 85 and a depth up to 1 (cabinet 45 0.4)")


class Scale:
    """The scale of one figure: its largest extent is as high as the style says, everything else follows its laws."""

    def __init__(self, specs: Iterable[TensorSpec], style: Style) -> None:
        self.sizes: Mapping[str, float] = style.sizes
        self.space, self.channels = style.options["space"], style.options["channels"]
        self.largest: float = max((n for spec in specs for axis, n in zip(axes_of(spec), spec.shape, strict=True)
                                   if axis in "HWDTL"), default=1)

    def _extent(self, n: float) -> float:
        share: float = self.space(n) / self.space(self.largest)
        return max(share * self.sizes["unit"], self.sizes["least"])

    def _thickness(self, n: float) -> float:
        """A map of 512 channels is as thick as ``sizes.channels``."""
        thick: float = self.sizes["channels"] * self.channels(n) / self.channels(512)
        return min(max(thick, self.sizes["thinnest"]), self.sizes["thickest"])

    def _length(self, n: float) -> float:
        """Of a vector's rod: on the law of channels up to the depth of the figure's largest map."""
        share: float = min(math.log1p(n) / math.log1p(4096), 1.0)
        return self.sizes["rod_length"] * share

    def volume(self, spec: TensorSpec | None) -> Volume:
        """The solid for one tensor; a small cube for one that is not known."""
        s = self.sizes
        if spec is None or not spec.shape:
            return Volume("rod", s["rod"], s["rod"], s["rod"])
        axes = axes_of(spec)
        size = dict(zip(axes, spec.shape, strict=True))
        if "h" in size:  # heads side by side
            size["C"] *= size["h"]
        channels = size.get("C")
        if all(size.get(axis, 1) == 1 for axis in "HWDT" + ("L" if channels else "")):
            n = channels or size.get("L") or 1
            return Volume("rod", s["rod"], s["rod"], self._length(n), n)
        if "H" in size and "W" in size:
            deep = size.get("D", size.get("T"))
            if deep is not None:
                thick = max(self._extent(deep) * 0.5, s["thinnest"])
                return Volume("clip", thick, self._extent(size["H"]), self._extent(size["W"]), channels, size["H"],
                              size["W"], deep)
            return Volume("map", self._thickness(channels or 1), self._extent(size["H"]), self._extent(size["W"]),
                          channels, size["H"], size["W"])
        length = size.get("L", size.get("W", size.get("H", 1)))
        if "L" in size and axes.rfind("C") > axes.index("L"):
            return Volume("sheet", s["sheet"], self._extent(length), self._length(channels or 1) * 1.4,
                          height_of=length, depth_of=channels)
        return Volume("signal", self._thickness(channels or 1), self._extent(length), s["strip"], channels, length)


def axes_of(spec: TensorSpec) -> str:
    """What each axis is; by their number, where the trace does not know them."""
    shape = spec.shape
    if len(spec.axes) == len(shape):
        return spec.axes
    if len(shape) == 4:  # a map, its channels first or last, or head by head
        return "NCHW" if shape[2] == shape[3] else "NHWC" if shape[1] == shape[2] else "NhLC"
    return {1: "C", 2: "NC", 3: "NLC", 5: "NCDHW"}.get(len(shape), "N" + "X" * (len(shape) - 2) + "C")


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
    """Everything a figure of volumes draws, but for where."""

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
    notes: set[NodeId] = field(default_factory=set)  # nodes that are only words beside what they follow

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
        bands = [(1.0 - s["band"], 1.0, f"{role} deep")] if {"act", "softmax"} & set(fused) else []
        start = bands[0][0] if bands else 1.0
        if "norm" in fused:
            bands = [(start - min(s["line"] / self.volumes[key].thickness, 0.25), start, "norm band"), *bands]
        return tuple(bands)

    def cuboid(self, key: NodeId, place: Place, role: str = "") -> Cuboid:
        """A volume whose front stands at `place`."""
        return Cuboid(place.x, place.y, *self.edges(key), role, hidden=False)

    def label(self, key: NodeId, x: float, y: float, string: str, role: str, anchor: Anchor = "middle",
              rotate: float = 0.0) -> Label:
        """Write beside a volume, relative to the top left corner of its front face."""
        paint = self.style.roles[role]
        wide, high = text.width(string, paint.size, paint.weight), paint.size
        left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
        box = Place(left, y - 0.76 * high, wide, 0.98 * high)
        if rotate:
            a, tall, middle = math.radians(-rotate), 1.15 * high, 0.36 * high   # from baseline to middle of the digits
            w, h = wide * math.cos(a) + tall * math.sin(a), wide * math.sin(a) + tall * math.cos(a)
            box = Place(x - middle * math.sin(a) - w / 2, y - middle * math.cos(a) - h / 2, w, h)
        self.labels.setdefault(key, []).append(Label(x, y, string, role, anchor, box, rotate))
        return self.labels[key][-1]

    def boxes(self, key: NodeId) -> tuple[Place, ...]:
        """The room of a node's labels, and what else is kept free around it."""
        return (*(label.box for label in self.labels.get(key, ())), *self.rooms.get(key, ()))

    def size(self, key: NodeId) -> Size:
        """Room for a glyph, a port, or the front face of a volume with its edge into the depth; and for the labels."""
        if key in self.glyphs:
            return Size(self.style.sizes["glyph"], self.style.sizes["glyph"], joint=True)
        labels, abuts = self.boxes(key), self.abutting.get(key, "")
        if key in self.ports:
            return Size(*self.ports[key], parts=labels, abuts=abuts)
        along, down, back = self.edges(key)
        return Size(along[0], down[1], back=back, rise=along[1], abuts=abuts, parts=labels)

    def written(self, key: NodeId, place: Place) -> tuple[Text, ...]:
        """The labels of a node that stands at `place`."""
        return tuple(Text(place.x + label.x, place.y + label.y, label.string, label.role, label.anchor, label.rotate)
                     for label in self.labels.get(key, ()))
