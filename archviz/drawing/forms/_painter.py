"""Which solid is drawn before which: the painter's order of boxes in parallel projection.

In: axis-parallel boxes in space.  Out: their order, the farthest first.

The eye looks from the right, from above and from in front.  Between two boxes that do not meet lies a plane parallel to
the axes, and the one on the eye's side of it is in front (as in Newell, Newell and Sancha, 1972).  Where one is nearer
along one axis and farther along another, no line of sight meets both.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

EPSILON = 1e-6


@dataclass(frozen=True, slots=True)
class Solid:
    """A box in space: x along the flow, y upwards, z away from the eye; each from low to high."""

    x: tuple[float, float]
    y: tuple[float, float]
    z: tuple[float, float]


def painters_order(solids: Sequence[Solid], back: tuple[float, float] = (0.7, 0.7)) -> list[int]:
    """Indices into `solids`, each after those it hides; one unit of depth shifts the picture by `back`, right and up.

    Equal ones stay in their order.  Boxes that hide each other in a circle, which no order can draw, are taken as they
    come.
    """
    hides: list[list[int]] = [[] for _ in solids]  # i is before (farther than) each of hides[i]
    waiting = [0] * len(solids)
    for (i, a), (j, b) in combinations(enumerate(solids), 2):
        front = _in_front(a, b) if _overlap(a, b, back) else 0
        if front:
            far, near = (j, i) if front > 0 else (i, j)
            hides[far].append(near)
            waiting[near] += 1
    order: list[int] = []
    left = list(range(len(solids)))
    while left:
        i = next((i for i in left if not waiting[i]), left[0])    # or the first of a circle
        left.remove(i)
        order.append(i)
        for j in hides[i]:
            waiting[j] -= 1
    return order


def _in_front(a: Solid, b: Solid) -> int:
    """1 where `a` is nearer to the eye than `b`, -1 where it is farther, 0 where they meet."""
    if a.x[0] >= b.x[1] - EPSILON or a.y[0] >= b.y[1] - EPSILON or a.z[1] <= b.z[0] + EPSILON:
        return 1
    if b.x[0] >= a.x[1] - EPSILON or b.y[0] >= a.y[1] - EPSILON or b.z[1] <= a.z[0] + EPSILON:
        return -1
    return 0


def _overlap(a: Solid, b: Solid, back: tuple[float, float]) -> bool:
    """Do the two pictures overlap?  Both are hexagons with edges in the same three directions."""
    kx, ky = back
    spans = ((_span(a, *way), _span(b, *way)) for way in ((1.0, 0.0, kx), (0.0, 1.0, ky), (-ky, kx, 0.0)))
    return all(high_a > low_b + EPSILON and high_b > low_a + EPSILON for (low_a, high_a), (low_b, high_b) in spans)


def _span(s: Solid, cx: float, cy: float, cz: float) -> tuple[float, float]:
    ends = [(min(c * v[0], c * v[1]), max(c * v[0], c * v[1])) for c, v in ((cx, s.x), (cy, s.y), (cz, s.z))]
    return sum(low for low, _ in ends), sum(high for _, high in ends)
