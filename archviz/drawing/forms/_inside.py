"""A recurrent cell drawn from inside, made of its wiring table and nothing else.

In: a `Wiring`, a style.  Out: marks and the places of its ports.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from archviz.core import text
from archviz.core.scene import Box, Circle, Group, Link, Mark, Path, Point, Text
from archviz.drawing.forms._cells import Glyph, Wire, Wiring
from archviz.drawing.forms._symbols import symbol
from archviz.style.style import Style

MATHS = {"mul": "mul", "add": "add", "rest": "mul", "cat": "cat"}     # glyph → role of its circle
LETTERS = {"rest": "1−", "cat": "C"}
BOXES = ("gate", "linear", "act")      # their roles, too


@dataclass(frozen=True)
class Inside:
    """An opened cell with its top left corner at the origin; `ports` are on its border."""

    width: float
    height: float
    marks: tuple[Mark, ...]
    ports: Mapping[str, Point]


def inside(wiring: Wiring, style: Style) -> Inside:
    """Draw what `wiring` says: body, lines, glyphs."""
    gate = _box("tanh", style)
    # of the grid: as wide as a gate and the gap beside it, as high as a gate and a short line
    step = (gate[0] + style.sizes["cell_across"], gate[1] + style.sizes["cell_along"])
    width, height = wiring.width * step[0], wiring.height * step[1]
    at = {glyph.name: (glyph.x * step[0], glyph.y * step[1]) for glyph in wiring.glyphs}
    glyphs = {glyph.name: glyph for glyph in wiring.glyphs}
    runs = {wire: _run(wire, glyphs, at, step, style) for wire in wiring.wires}
    made: list[Mark] = [Box(0.0, 0.0, width, height, "cell", style.sizes["cell_corner"])]
    for wire, points in runs.items():
        role = "state" if wire.state else "edge"
        head = glyphs[wire.dst].op not in ("port", "join")
        crossed = [p for other, run in runs.items() if other.src != wire.src for p in crossings(points, run)]
        pieces = broken(points, crossed if wire.gap else (), style.sizes["cell_gap"])
        lines = tuple(Link(piece, role, style.sizes["cell_bend"], head and piece is pieces[-1],
                           style.sizes["cell_arrow"]) for piece in pieces)
        made.append(Group(lines, "wire", title=f"{_called(glyphs[wire.src])} → {_called(glyphs[wire.dst])}"))
    made += [_drawn(glyph, at[glyph.name], style) for glyph in wiring.glyphs if glyph.op not in ("port", "join")]
    made += [mark for glyph in wiring.glyphs if glyph.value for mark in _value(glyph, at, style)]
    return Inside(width, height, tuple(made), {g.name: at[g.name] for g in wiring.glyphs if g.op == "port"})


def _called(glyph: Glyph) -> str:
    return glyph.value or glyph.tip or glyph.name


def _box(label: str, style: Style) -> tuple[float, float]:
    """Width and height of a gate with this label; all labels that are shorter than tanh have one width."""
    paint = style.roles["gate label"]
    wide = max(text.width(string, paint.size, paint.weight) for string in ("tanh", label))
    return wide + 2 * style.sizes["gate_x"], paint.size * 1.22 + 2 * style.sizes["gate_y"]


def _half(glyph: Glyph, style: Style) -> tuple[float, float]:
    """Half the width and height of what is drawn of a glyph."""
    if glyph.op in BOXES:
        width, height = _box(glyph.label, style)
        return width / 2, height / 2
    r = _radius(glyph.op, style) if glyph.op in MATHS else 0.0
    return r, r


def _radius(op: str, style: Style) -> float:
    paint = style.roles["glyph text"]
    return max(style.sizes["glyph"] / 2, text.width(LETTERS.get(op, ""), paint.size, paint.weight) / 2 + 1.5)


def _drawn(glyph: Glyph, at: Point, style: Style) -> Group:
    (x, y), (half, tall) = at, _half(glyph, style)
    if glyph.op in MATHS:
        return Group(sign(glyph.op, x, y, style), MATHS[glyph.op], title=glyph.tip)
    radius = tall if glyph.op == "act" else style.sizes["corner"]
    label = style.roles["gate label"]
    tip = f"{glyph.value} = {glyph.tip}" if glyph.value else glyph.tip
    return Group((
        Box(x - half, y - tall, 2 * half, 2 * tall, glyph.op, radius),
        Text(x, y + label.size * 0.35, glyph.label, "gate label", "middle"),
    ), glyph.op, title=tip)


def sign(op: str, x: float, y: float, style: Style) -> tuple[Mark, ...]:
    """⊙, ⊕, 1− or C (concatenation) in a circle: the font has no such characters."""
    r = _radius(op, style)
    circle = Circle(x, y, r, MATHS[op])
    if op in LETTERS:
        paint = style.roles["glyph text"]
        return circle, Text(x, y + paint.size * 0.36, LETTERS[op], "glyph text", "middle")
    if op == "mul":
        return circle, Circle(x, y, r * 0.24, "glyph sign head")
    arm = r * 0.58
    ends = (((x - arm, y), (x + arm, y)), ((x, y - arm), (x, y + arm)))
    return circle, *(Path((("M", a), ("L", b)), "glyph sign") for a, b in ends)


def _value(glyph: Glyph, at: Mapping[str, Point], style: Style) -> tuple[Mark, ...]:
    """The name of what a gate gives, right of the line that leaves it upwards."""
    x, y = at[glyph.name]
    base, _, lower = glyph.value.partition("_")
    return symbol(x + 2.0, y - _half(glyph, style)[1] - 3.2, base, style, sub=lower)


def _run(wire: Wire, glyphs: Mapping[str, Glyph], at: Mapping[str, Point], step: Point,
         style: Style) -> tuple[Point, ...]:
    """The corners of a line from border to border."""
    via = [(x * step[0], y * step[1]) for x, y in wire.via]
    points = [*([] if wire.fork else [at[wire.src]]), *via, at[wire.dst]]
    if not wire.fork:
        points[0] = _toward(points[0], points[1], _half(glyphs[wire.src], style))
    points[-1] = _toward(points[-1], points[-2], _half(glyphs[wire.dst], style))
    return tuple(points)


def _toward(centre: Point, other: Point, half: tuple[float, float]) -> Point:
    """Where the border of something around `centre` is met on the way to `other`, which is beside or above it."""
    dx, dy = other[0] - centre[0], other[1] - centre[1]
    if abs(dx) > abs(dy):
        return centre[0] + (half[0] if dx > 0 else -half[0]), centre[1]
    return centre[0], centre[1] + (half[1] if dy > 0 else -half[1])


def crossings(run: Sequence[Point], other: Sequence[Point]) -> Iterable[Point]:
    """Where two orthogonal lines cross, not touching with an end."""
    for ((ax, ay), (bx, by)), ((cx, cy), (dx, dy)) in product(pairwise(run), pairwise(other)):
        if ax == bx and cy == dy and min(ay, by) < cy < max(ay, by) and min(cx, dx) < ax < max(cx, dx):
            yield ax, cy
        if ay == by and cx == dx and min(ax, bx) < cx < max(ax, bx) and min(cy, dy) < ay < max(cy, dy):
            yield cx, ay


def broken(run: Sequence[Point], crossed: Iterable[Point], gap: float) -> list[tuple[Point, ...]]:
    """`run` in pieces, with a gap on either side of each point of `crossed`."""
    pieces: list[tuple[Point, ...]] = []
    piece: list[Point] = [run[0]]
    points = list(crossed)
    for a, b in pairwise(run):
        length = max(abs(b[0] - a[0]) + abs(b[1] - a[1]), 1e-9)
        ux, uy = (b[0] - a[0]) / length, (b[1] - a[1]) / length
        on = sorted(t for x, y in points if abs(t := (x - a[0]) * ux + (y - a[1]) * uy) < length
                    and t > 0 and abs((x - a[0]) * uy - (y - a[1]) * ux) < 1e-6)
        for t in on:
            pieces.append((*piece, (a[0] + (t - gap) * ux, a[1] + (t - gap) * uy)))
            piece = [(a[0] + (t + gap) * ux, a[1] + (t + gap) * uy)]
        piece.append(b)
    return [*pieces, tuple(piece)]
