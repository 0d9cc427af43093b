"""Colours for nodes: the same marks in roles whose fill says a number, with labels that can still be read.

In: marks, the number of each drawn node, a scale of colours.  Out: the marks in new roles, and the paints of these.

A kind is still told by its outline, which is thicker and in the kind's own colour, by hatches, and by bands, which stay
as they are; the swatches of the legend have the same outline and no number.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archviz.core.graph import NodeId
from archviz.core.scene import PARTS, Box, Circle, Cuboid, Group, Mark, Paint, Path, Scene, Text, mixed
from archviz.insight.overlay._bounds import rooms
from archviz.insight.painting.colormap import Scale
from archviz.style.layer_colours import CONTRAST, contrast

OUTLINE, EDGES = 1.1, 0.8      # least widths of an outline that tells the kind, in points: of a box, of a cuboid
FACES = {"top": 0.75, "side": 1.0}
"""How much of its colour a face has, the rest is white; of a sheet one sees the side."""
UNKNOWN = 0.14      # part of the ink in the ground of what has no number
VIVID = 0.55        # part of the kind's own fill in its outline


@dataclass
class Colours:
    """The roles and paints that a figure gains; `dots` are the numbers of single units by node."""

    scene: Scene
    scale: Scale
    scores: Mapping[NodeId, float]
    dots: Mapping[NodeId, Sequence[float]] = field(default_factory=dict)
    sheet: dict[str, Paint] = field(default_factory=dict)
    heated: set[str] = field(default_factory=set)         # kinds' roles that have heat
    missing: bool = False                               # is something drawn without a number?

    def group(self, group: Group) -> Group:
        """The group of one node, in the colour of its number."""
        number = self.scores.get(group.node)
        fill = self.unknown if number is None else self.scale.colour(number)
        if number is None and group.node not in self.dots:
            self.missing |= any(isinstance(mark, (Box, Circle, Cuboid)) or isinstance(mark, Path)
                                and bool(self.scene.paint(mark.role).fill) for mark in group.marks)
        self.heated.add(group.role)
        if group.node in self.dots:
            return replace(group, marks=self._dotted(group, self.dots[group.node]))
        return replace(group, marks=tuple(self._on(mark, group, fill) for mark in group.marks))

    def swatch(self, mark: Mark) -> Mark:
        """A mark of the legend, without the fill of a kind that has heat."""
        base = next((role for role in sorted(self.heated, key=len, reverse=True) if _of(mark.role, role)), None)
        if base is None or isinstance(mark, (Group, Text)):
            return mark
        return self._heated(mark, base, self.page)

    @property
    def page(self) -> str:
        return self.scene.sheet.get("background", Paint()).fill or "#ffffff"

    @property
    def ink(self) -> str:
        return self.scene.sheet.get("label", Paint()).color

    @property
    def unknown(self) -> str:
        """The ground of what has no number."""
        return mixed(self.ink, self.page, UNKNOWN)

    def _on(self, mark: Mark, group: Group, fill: str) -> Mark:
        if isinstance(mark, Group):
            return replace(mark, marks=tuple(self._on(inner, group, fill) for inner in mark.marks))
        if isinstance(mark, Text):
            return self._legible(mark, group, fill)
        if isinstance(mark, Path) and mark.role == "glyph sign":
            return replace(mark, role=self._inked("glyph sign", fill, "stroke"))
        return self._heated(mark, group.role, fill)

    def _heated(self, mark: Mark, base: str, fill: str) -> Mark:
        """`mark` in a role of its own, if it is in that of the kind or one that derives from it."""
        assert not isinstance(mark, Group)
        if not _of(mark.role, base):
            return mark
        solid = isinstance(mark, Cuboid)
        name = f"{base}{' solid' if solid else ''} heat {fill[1:]}"
        if name not in self.sheet:
            paint = self.scene.paint(base)
            ground = paint.fill or self.page
            edge = paint.stroke or self.ink
            if contrast(mixed(ground, edge, VIVID), self.page) > 3:    # as vivid as is still seen on the page
                edge = mixed(ground, edge, VIVID)
            ink = max(("#ffffff", "#000000"), key=lambda end: contrast(end, fill))
            lines = mixed(ink, fill, 0.22) if paint.hatch else None    # seen, while the fill stays as light as it is
            self.sheet[name] = replace(paint, fill=fill, stroke=edge, opacity=1.0, hatch_color=lines,
                                       stroke_width=max(EDGES if solid else OUTLINE, paint.stroke_width))
            for part, share in FACES.items() if solid else ():
                self.sheet[f"{name} {part}"] = replace(self.sheet[name], fill=mixed(fill, "#ffffff", share))
        if isinstance(mark, Cuboid):
            mark = replace(mark, bands=tuple((a, b, self._ended(band, name) if b >= 1 else band)
                                             for a, b, band in mark.bands))
        return replace(mark, role=name + mark.role[len(base):])

    def _ended(self, band: str, name: str) -> str:
        """A band that ends a cuboid, whose side is not the band's but has the colour of the number."""
        role = f"{name} {band}"
        self.sheet[role], self.sheet[f"{role} top"] = self.scene.paint(band), self.scene.paint(f"{band} top")
        self.sheet[f"{role} side"] = self.sheet[f"{name} side"]
        return role

    def _legible(self, mark: Text, group: Group, fill: str) -> Text:
        """Words that stand on the fill, in a colour that can be read on it."""
        under = [room for other in group.marks if not isinstance(other, (Text, Group)) and _of(other.role, group.role)
                 for room in rooms(other, self.scene)]
        x, y = mark.x, mark.y - 0.3 * self.scene.paint(mark.role).size
        if isinstance(group.marks[0], Cuboid) or not any(
                room.x0 < x < room.x1 and room.y0 < y < room.y1 for room in under):
            return mark
        return replace(mark, role=self._inked(mark.role, fill, "color"))

    def _inked(self, role: str, fill: str, what: str) -> str:
        paint = self.scene.paint(role)
        own = getattr(paint, what) or self.ink
        if contrast(own, fill) >= CONTRAST:
            return role
        best = max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, fill))
        name = f"{role} ink {best[1:]}"
        self.sheet[name] = replace(paint, color=best) if what == "color" else replace(paint, stroke=best)
        return name

    def _dotted(self, group: Group, numbers: Sequence[float]) -> tuple[Mark, ...]:
        """A column of neurons, each in the colour of its own number; of a long one the first and the last are drawn."""
        cut = next((i for i, mark in enumerate(group.marks) if mark.role == "dots"), len(group.marks))
        units = [i for i, mark in enumerate(group.marks) if mark.role in (f"{group.role} neuron", f"{group.role} cell")]
        last = [i for i in units if i > cut]
        index = {i: k for k, i in enumerate(i for i in units if i < cut)}
        index |= {i: len(numbers) - len(last) + k for k, i in enumerate(last)}
        return tuple(self._heated(mark, group.role, self.scale.colour(numbers[index[i]])) if i in index else mark
                     for i, mark in enumerate(group.marks))


def _of(role: str, base: str) -> bool:
    """Whether a role is `base` or derived from it."""
    return role == base or (role.startswith(f"{base} ") and role[len(base) + 1:] in PARTS)


def columns(group: Group) -> int:
    """How many neurons a node's group shows in one column; 0 where it shows none."""
    units = [mark for mark in group.marks if mark.role in (f"{group.role} neuron", f"{group.role} cell")]
    across = {round(mark.x, 3) for mark in units if isinstance(mark, (Circle, Box))}
    return len(units) if len(across) == 1 else 0
