"""Lines side by side: which one runs on which track, so that they cross little and never lie on each other.

In: the nets that pass a gap between two layers, as where they come from and where they go across the flow; or between
which places of a column lines run beside it.  Out: a track number each.
"""
from __future__ import annotations

from collections.abc import Sequence

Span = tuple[float, tuple[float, ...]]
"""Where a net comes down from the layer above, and where it goes on to below."""

NEAR = 2.0  # points; lines closer than this read as one


def pack(spans: Sequence[Span]) -> tuple[list[int | None], int]:
    """A track for each net that turns (None for one that goes straight on), and how many tracks are needed."""
    turning = [i for i, (top, bottoms) in enumerate(spans) if any(abs(b - top) > 0.05 for b in bottoms)]
    order: list[int] = []
    rest = sorted(turning, key=lambda i: spans[i][0])
    while rest:
        best = rest[0] if len(rest) > 60 else min(rest, key=lambda i: (
            sum(_cost(spans[i], spans[j]) - _cost(spans[j], spans[i]) for j in rest if j != i), spans[i][0], i))
        order.append(best)
        rest.remove(best)
    tracks: list[int | None] = [None] * len(spans)
    for n, i in enumerate(order):
        tracks[i] = max(((tracks[j] or 0) + 1 for j in order[:n] if _meet(spans[i], spans[j])), default=0)
    return tracks, max((t + 1 for t in tracks if t is not None), default=0)


def lanes(spans: Sequence[tuple[int, int]]) -> list[int]:
    """For each line, from where it leaves a column to where it comes back, the first lane on which it meets none."""
    taken: list[int] = []
    for low, high in spans:
        used = {lane for (a, b), lane in zip(spans, taken, strict=False) if a < high and low < b}
        taken.append(next(lane for lane in range(len(spans)) if lane not in used))
    return taken


def _extent(span: Span) -> tuple[float, float]:
    return min(span[0], *span[1]), max(span[0], *span[1])


def _meet(a: Span, b: Span) -> bool:
    (a0, a1), (b0, b1) = _extent(a), _extent(b)
    return a0 <= b1 + NEAR and b0 <= a1 + NEAR


def _cost(upper: Span, lower: Span) -> float:
    """Crossings, and lines on top of each other, when `upper` turns above `lower`."""
    (u0, u1), (l0, l1) = _extent(upper), _extent(lower)
    on_top = sum(abs(bottom - lower[0]) < NEAR and abs(bottom - upper[0]) > 0.05 for bottom in upper[1])
    return (u0 < lower[0] < u1) + sum(l0 < bottom < l1 for bottom in upper[1]) + 100.0 * on_top
