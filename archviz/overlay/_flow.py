"""What runs along the links, as their width.

In: a link's mark, the flow of its edge, the largest flow.  Out: the link in a role as wide, its head as large, and the
paints of these roles.  Imports scene, heat.
"""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from archviz.heat import Scale, number
from archviz.scene import Group, Link, Mark, Paint, Point, Scene

WIDEST = 1.7        # points: two lines side by side, 4.5 apart, stay two, and words beside a line keep clear of it
THINNEST = 0.35
STEP = 0.05         # widths are told apart by so much
HEAD = 4.4          # the longest arrow head, where the largest flow arrives
AGAINST = (2.0, 1.3)        # dashes of what is negative


@dataclass
class Widths:
    """The roles and paints of links with a flow."""

    scene: Scene
    scale: Scale
    flows: Mapping[str, float]
    sheet: dict[str, Paint] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)

    @property
    def largest(self) -> float:
        return max((abs(value) for value in self.flows.values()), default=0.0)

    def group(self, group: Group) -> Group:
        """The link's group, as wide as its flow."""
        lines = [mark for mark in group.marks if isinstance(mark, Link)]
        # Several lines are weights, or a window: they say something else.
        if group.node not in self.flows or not self.largest or len(lines) != 1 or lines[0].role.split()[0] != "edge":
            return group
        self.seen.add(group.node)
        flow = self.flows[group.node]
        wide = replace(lines[0], role=self.role(lines[0].role, flow),
                       head=max(lines[0].head, abs(flow) / self.largest * HEAD))
        return replace(group, marks=tuple(wide if mark is lines[0] else mark for mark in group.marks))

    def trunks(self, marks: Sequence[Mark]) -> list[Group]:
        """What lies over links that leave one node together, up to where they part: as wide as all of them."""
        together: dict[tuple[str, Point, Point], list[tuple[float, float]]] = {}
        for group in marks:
            if isinstance(group, Group) and group.node in self.seen:
                link = next(mark for mark in group.marks if isinstance(mark, Link))
                (ax, ay), (bx, by) = link.points[:2]
                length = math.hypot(bx - ax, by - ay)
                if length > link.radius:
                    way = round((bx - ax) / length, 3), round((by - ay) / length, 3)
                    straight = length - (link.radius if len(link.points) > 2 else link.head)
                    key = group.node.partition("->")[0], (ax, ay), way
                    together.setdefault(key, []).append((straight, self.flows[group.node]))
        found = []
        for (source, (x, y), (dx, dy)), links in together.items():
            begun = 0.0
            links.sort()
            for n, (end, _) in enumerate(links[:-1]):
                if end > begun:
                    total = sum(flow for _, flow in links[n:])
                    points = (x + begun * dx, y + begun * dy), (x + end * dx, y + end * dy)
                    found.append(Group((Link(points, self.role("edge", total), 0.0, False),), "trunk",
                                       title=f"{source}: {number(total)}"))
                    begun = end
        return found

    def role(self, base: str, flow: float) -> str:
        """`base` in the width of this flow; in the colour of what is negative where it is."""
        steps = max(round(WIDEST * min(abs(flow) / self.largest, 1.0) / STEP), round(THINNEST / STEP))
        name = f"{base} flow {steps}" if flow >= 0 else f"{base} against {steps}"
        paint = self.scene.paint(base)
        if flow < 0:
            low = self.scale.colour(self.scale.low) if self.scale.signed else paint.stroke
            paint = replace(paint, stroke=low, dash=AGAINST)
        self.sheet[name] = replace(paint, stroke_width=steps * STEP)
        return name

    def entries(self, wide: float, high: float) -> list[tuple[str, tuple[Mark, ...]]]:
        """What the legend says of the widths: a round number, half of it and a tenth; and of what is negative."""
        def line(flow: float) -> tuple[Mark, ...]:
            return (Link(((0.0, high / 2), (wide, high / 2)), self.role("edge", flow), 0.0, False),)

        drawn = [self.flows[key] for key in sorted(self.seen)]
        if not drawn:
            return []
        top = _rounded(self.largest)
        found = [(f"{'flow ' if not i else ''}{number(part * top)}", line(part * top))
                 for i, part in enumerate((1.0, 0.5, 0.1))]
        if min(drawn) < 0:
            found.append(("negative flow", line(-0.5 * top)))
        return found


def _rounded(value: float) -> float:
    """1, 2 or 5 times a power of ten, the largest such number that is not above `value`."""
    power = 10.0 ** math.floor(math.log10(value) + 1e-9)
    return next(factor for factor in (5 * power, 2 * power, power) if factor <= value * (1 + 1e-9))
