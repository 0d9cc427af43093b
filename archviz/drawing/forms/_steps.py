"""A recurrent layer at one or more steps of time: cells, the states that pass between them, x below and h above.

In: what a picture needs to know of a layer, the steps to draw, a caption, a style.  Out: `Interior`.

Time runs to the right, layers are stacked upwards: x enters from below, h leaves above, states pass to the right (those
of the backward direction to the left).  The line of the figure comes in on the left and feeds x; h leads to the right
border.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from archviz.core import text
from archviz.core.geometry import Place
from archviz.core.scene import Circle, Group, Link, Mark, Point, Text, moved
from archviz.drawing.forms._cells import MINUS, Wiring
from archviz.drawing.forms._inside import Inside, broken, crossings, inside, sign
from archviz.drawing.forms._shapes import box, grounded, three_dots
from archviz.drawing.forms._symbols import symbol, width
from archviz.style.style import Style

MOST_LAYERS = 3
DOTS, DOT, BETWEEN = 12.0, 0.8, 3.0     # room for three dots, the radius of one, from one to the next
EDGE = 8.0                              # from the border to what is drawn: room for the lines up and down


@dataclass(frozen=True)
class Interior:
    """A picture of a node in a rectangle of `width` × `height` printed points, its top left corner at the origin.

    axis     how far down the line from the node before ends at the left border, and that to the next one begins
    through  whether both lines go on inside, without a head or a gap at the border
    """

    width: float
    height: float
    marks: tuple[Mark, ...]
    axis: float
    through: bool = False


@dataclass(frozen=True)
class Recurrence:
    """What a picture needs to know of a recurrent node.

    name     of its cell: ``LSTM``;  `wiring`: its inside
    layers   how many are stacked;  `both`: forward and backward
    length   of the sequence, None where not known;  `single`: a cell that is called once for each step
    last     whether only the last step's output goes on
    alone    whether no line comes to it and none leaves it: it is all there is
    """

    name: str
    wiring: Wiring
    layers: int = 1
    both: bool = False
    length: int | None = None
    single: bool = False
    last: bool = False
    alone: bool = False

    @property
    def states(self) -> tuple[str, ...]:
        """The letters of what is passed on in time, from top to bottom."""
        return tuple(letter for letter in ("c", "h") if any(g.name == f"{letter} in" for g in self.wiring.glyphs))


@dataclass(frozen=True)
class Step:
    """One step of time: its index, or dots for many; `opened` where its lowest cell is seen from inside."""

    index: str
    opened: bool = False
    dots: bool = False


def equation(layer: Recurrence, columns: Sequence[Step], caption: Sequence[tuple[str, str]], style: Style) -> Interior:
    """The folded `layer`, =, and the same at the steps `columns`: side by side, the cells in one row."""
    many = Unrolling(layer, columns, style)
    once = Unrolling(layer, (Step("t"),), style, many.r)
    gap, size = style.sizes["cell_equals"], style.roles["equals"].size
    (left, _), (right, top) = once.draw(), many.draw()
    x = left + 2 * gap + text.width("=", size)
    marks = [*once.marks, Text(left + gap, many.middle() + 0.33 * size, "=", "equals"),
             *(moved(mark, x, 0.0) for mark in many.marks)]
    return _captioned(marks, x + right, top, many.bottom, caption, style)


def _captioned(marks: Sequence[Mark], right: float, top: float, bottom: float, caption: Sequence[tuple[str, str]],
               style: Style) -> Interior:
    """What is drawn from `top` to `bottom`, with the lines of `caption` below, moved to the origin."""
    drawn, y = list(marks), bottom
    for line, role in caption:
        y += style.roles[role].size * style.sizes["leading"]
        drawn.append(Text(right / 2, y + 3.0, line, role, "middle"))
    height = (y + 5.0 if caption else bottom + 1.0) - top
    return Interior(right, height, tuple(moved(mark, 0.0, -top) for mark in drawn), -top / 2, through=True)


@dataclass(frozen=True)
class Lane:
    """The cells of one layer in one direction: heights of its top, of itself and of the states' lines.

    Rows for layers that are left out have the number 0.
    """

    number: int
    back: bool
    top: float
    height: float
    states: tuple[float, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One cell of a row, or dots in the place of many: its sides, where x enters and h leaves."""

    left: float
    right: float
    enter: float = 0.0
    leave: float = 0.0
    opened: bool = False
    dots: bool = False


class Canvas:
    """A picture of cells while it is drawn; `runs` are the lines of the states, which others give way to."""

    def __init__(self, style: Style) -> None:
        self.style, self.s = style, style.sizes
        self.marks: list[Mark] = []
        self.runs: list[tuple[Point, ...]] = []

    def size(self, role: str) -> float:
        return self.style.roles[role].size

    def line(self, points: Sequence[Point], role: str = "edge", head: bool = True, gaps: bool = False) -> None:
        """A line; with `gaps` where it crosses those of the states."""
        crossed = [p for run in self.runs if gaps for p in crossings(points, run)]
        pieces = broken(points, crossed, self.s["cell_gap"])
        bend, arrow = self.s["cell_bend"], self.s["cell_arrow"]
        self.marks.extend(Link(piece, role, bend, head and piece is pieces[-1], arrow) for piece in pieces)

    def dots(self, x: float, y: float, role: str = "edge", down: bool = False) -> None:
        """In the place of what is left out."""
        self.marks += three_dots(x, y, DOT, (0.0, BETWEEN) if down else (BETWEEN, 0.0), f"{role} head")


class Unrolling(Canvas):
    """A layer at some steps of time.  The line that feeds x is at y = 0, everything else is above it."""

    def __init__(self, layer: Recurrence, columns: Sequence[Step], style: Style, least: float = 0.0, apart: float = 0.0,
                 lift: float = 0.0) -> None:
        """`least` is the radius of x and h, `apart` how far one step is from the next, `lift` room above x."""
        super().__init__(style)
        self.layer, self.columns, self.apart, self.lift = layer, columns, apart, lift
        self.inside: Inside | None = inside(layer.wiring, style) if any(c.opened for c in columns) else None
        self.folded = not layer.single and len(columns) == 1 and columns[0].index == "t" and self.inside is None
        label = style.roles["label"]
        self.wide = max(self.s["cell_width"], text.width(layer.name, label.size, label.weight) + self.s["box_x"])
        self.aside = self.wide / 6      # from a cell to a line that passes by it; so what joins again is above x again
        self.r = max(least, 1.6 + max(width(letter, style, sub=c.index) for letter in "xh" for c in columns) / 2)
        self.bottom = -self.s["cell_rise"] if layer.alone else 0.0      # without the line that feeds x
        self.floors, self.top = self._floors()
        self.cells = self._cells()

    def _floors(self) -> tuple[list[tuple[Lane, ...]], float]:
        """From the lowest layer to the highest: its row, or rows of both directions; and where lines to h begin."""
        s, rise, count = self.s, self.s["cell_rise"], self.layer.layers
        floors: list[tuple[Lane, ...]] = []
        y = -2 * rise - 2 * self.r - self.lift
        for number in range(1, count + 1) if count <= MOST_LAYERS else (1, 0, count):
            if not number:
                floors.append((Lane(0, False, y - DOTS, DOTS),))
                y -= DOTS + rise
                continue
            opened = self.inside is not None and number == 1
            forward = self._row(number, False, y, opened)
            floors.append((forward,))
            y = forward.top - rise
            if self.layer.both:
                back = self._row(number, True, y, False)
                floors[-1] = (forward, back)
                y = back.top - 1.5 * rise - s["glyph"]
        return floors, y + rise

    def _row(self, number: int, back: bool, bottom: float, opened: bool) -> Lane:
        if opened:
            assert self.inside
            top = bottom - self.inside.height
            lines = [self.inside.ports[f"{letter} in"][1] for letter in self.layer.states]
            return Lane(number, back, top, self.inside.height, tuple(top + y for y in lines))
        height = self.s["cell_height"]
        parts = (0.27, 0.77) if len(self.layer.states) == 2 else (0.5,)
        return Lane(number, back, bottom - height, height, tuple(bottom - height + part * height for part in parts))

    def _cells(self) -> list[dict[Lane, Cell]]:
        """Per column, the cells of all rows; columns stand as far apart as the names of the states need."""
        columns: list[dict[Lane, Cell]] = []
        x, gap = EDGE + self._beside(left=True), self.s["cell_reach"] + 2.0
        for column in self.columns:
            x = max(x, columns[-1][self.floors[0][0]].left + self.apart) if columns and not column.dots else x
            columns.append(self._column(column, x))
            x = max(cell.right for cell in columns[-1].values()) + self._name((column.index or "T−1",)) + gap
        return columns

    def _column(self, column: Step, x: float) -> dict[Lane, Cell]:
        if column.dots:
            return {row: Cell(x, x + DOTS, dots=True) for rows in self.floors for row in rows}
        cells: dict[Lane, Cell] = {}
        enter = x + self.wide / 2
        for forward, *others in self.floors:
            if not forward.number:
                cells[forward] = Cell(enter - DOTS / 2, enter + DOTS / 2, enter, enter, dots=True)
                continue
            if column.opened and forward.number == 1:
                assert self.inside
                ports = self.inside.ports
                cell = Cell(x, x + self.inside.width, x + ports["x"][0], x + ports["y"][0], opened=True)
            else:
                left = enter - self.wide / 2
                cell = Cell(left, left + self.wide, enter, left + self.aside if others else enter)
            cells[forward], enter = cell, cell.leave
            for back in others:
                left = cell.leave + self.aside
                cells[back] = Cell(left, left + self.wide, cell.right + self.aside, left + self.wide / 2)
                enter = (cell.leave + cells[back].leave) / 2
        return cells

    def _sup(self, row: Lane) -> str:
        """The upper index of a state: its layer, where there are several."""
        return f"({row.number})" if self.layer.layers > 1 else ""

    def _before(self, back: bool) -> str:
        """The lower index of the state that comes to the first cell."""
        return "0" if self.columns[0].index != "t" else "t+1" if back else MINUS

    def _name(self, indices: Sequence[str]) -> float:
        """How wide the name of a state with one of these indices prints at most."""
        return max(width(letter, self.style, sub=index, sup=self._sup(row)) for letter in self.layer.states
                   for index in indices for rows in self.floors for row in rows if row.number)

    def _beside(self, left: bool) -> float:
        """Room for what stands at the left or the right end of the rows."""
        ends = [self._before(False), self._before(True), self.columns[0 if left else -1].index]
        if not self.folded:
            return self._name(ends) + self.s["cell_reach"] + 3.0
        return self._name(ends) + self.s["cell_loop"] + 3.0 if self.layer.both or not left else 0.0

    def picture(self, caption: Sequence[tuple[str, str]]) -> Interior:
        """Everything, moved to the origin."""
        right, top = self.draw()
        return _captioned(self.marks, right, top, self.bottom, caption, self.style)

    def draw(self) -> tuple[float, float]:
        """Make the marks; how far they reach to the right, and up."""
        right = max(cell.right for cell in self.cells[-1].values()) + self._beside(left=False) + EDGE
        for row in (row for rows in self.floors for row in rows if row.number):
            self._states(row)
        for column, cells in zip(self.columns, self.cells, strict=True):
            if not column.dots:
                self._upwards(cells)
        return right, self._ends(right)

    @property
    def crown(self) -> float:
        """The upper edge of the h of each step."""
        return self.top - self.s["cell_rise"] - 2 * self.r

    def handed(self) -> Point:
        """Where the name of the last state of the highest layer stands, that of the backward direction if there is one:
        the side that looks away from the cells."""
        row = self.floors[-1][-1]
        letter = self.layer.states[-1]
        way = -1.0 if row.back else 1.0
        index = self.columns[0 if row.back else -1].index
        far = min(cell.left for cell in self.cells[0].values()) if row.back else max(
            cell.right for cell in self.cells[-1].values())
        wide = width(letter, self.style, sub=index, sup=self._sup(row))
        return far + way * (self.s["cell_reach"] + 4.0 + wide), row.states[-1]

    def middle(self) -> float:
        """The height of the middle of all cells."""
        low = self.floors[0][0]
        return (self.floors[-1][-1].top + low.top + low.height) / 2

    def _symbol(self, letter: str, index: str, row: Lane, x: float, y: float, way: float = 0.0) -> None:
        """The name of a state, which ends or begins at x, or has its middle there; an arrow above says which of two
        directions it belongs to."""
        sup = self._sup(row)
        x -= (0.5 - 0.5 * way) * width(letter, self.style, sub=index, sup=sup)
        self.marks.extend(symbol(x, y, letter, self.style, sub=index, sup=sup))
        if self.layer.both:
            size = self.size("symbol")
            ends = ((x + 0.06 * size, y - 0.9 * size), (x + 0.7 * size, y - 0.9 * size))
            self.marks.append(Link(ends[::-1] if row.back else ends, "symbol arrow", 0.0, True, 0.24 * size))

    def _states(self, row: Lane) -> None:
        """What is passed on in time along a row."""
        cells = [cells[row] for cells in self.cells]
        if self.folded:
            self._loop(row, cells[0])
            return
        way, reach, low = -1.0 if row.back else 1.0, self.s["cell_reach"], 0.28 * self.size("symbol")
        first = min(cell.left for cell in self.cells[0].values()) - reach
        last = max(cell.right for cell in self.cells[-1].values()) + reach
        indices = [column.index for column in self.columns]
        if row.back:
            cells, indices, first, last = cells[::-1], indices[::-1], last, first
        for letter, y in zip(self.layer.states, row.states, strict=True):
            self._symbol(letter, self._before(row.back), row, first - 2.0 * way, y + low, -way)
            self._state(first, _side(cells[0], -way), y, not cells[0].opened)
            for (a, b), index in zip(pairwise(cells), indices, strict=False):
                start, end = _side(a, way), _side(b, -way)
                self._state(start, end, y, not (b.opened or b.dots))
                if a.dots:
                    self.dots((a.left + a.right) / 2, y, "state")
                clear = self.aside + 1.0 if self.layer.both else 0.0     # lines that pass by the cell on its way up
                middle = (start + way * clear + end - way * (0.0 if b.opened or b.dots else self.s["cell_arrow"])) / 2
                name = index or ("" if row.back else "T−1")
                if name:
                    self._symbol(letter, name, row, middle, y - 4.2)
            self._state(_side(cells[-1], way), last, y, True)
            self._symbol(letter, indices[-1], row, last + 2.0 * way, y + low, way)

    def _state(self, start: float, end: float, y: float, head: bool) -> None:
        self.line(((start, y), (end, y)), "state", head)
        self.runs.append(((start, y), (end, y)))

    def _loop(self, row: Lane, cell: Cell) -> None:
        """The way of the states from one step to the next, where all steps are one cell."""
        way = -1.0 if self.layer.both and not row.back else 1.0
        out = _side(cell, way) + way * self.s["cell_loop"]
        above, below = (row.top + part * row.height for part in (0.22, 0.78))
        self.line([(_side(cell, way), above), (out, above), (out, below), (_side(cell, way), below)], "state")
        letter, index = (self.style.roles[role].size for role in ("symbol", "symbol index"))
        between = 1.2 * letter + (0.7 * index if self._sup(row) or self.layer.both else 0.0)
        for k, name in enumerate(self.layer.states):
            y = (above + below) / 2 + (k - (len(self.layer.states) - 1) / 2) * between
            self._symbol(name, self._before(row.back), row, out + 2.5 * way, y + 0.28 * letter, way)

    def _upwards(self, cells: dict[Lane, Cell]) -> None:
        """The cells of one step, and what flows up through them from x to h."""
        rise, r = self.s["cell_rise"], self.s["glyph"] / 2
        x, y = cells[self.floors[0][0]].enter, -rise - 2 * self.r - self.lift
        for rows in self.floors:
            row, cell = rows[0], cells[rows[0]]
            bottom = row.top + row.height
            self.line(((x, y), (x, bottom)), head=not cell.opened)
            x, y = cell.leave, row.top
            for back in rows[1:]:
                other, fork = cells[back], bottom + rise / 2
                join = ((cell.leave + other.leave) / 2, back.top - rise / 2 - r)
                self.line(((cell.enter, fork + 3.0), (cell.enter, fork), (other.enter, fork),
                            (other.enter, back.top + back.height)), gaps=True)
                self.line(((cell.leave, row.top), (cell.leave, join[1]), (join[0] - r, join[1])), gaps=True)
                self.line(((other.leave, back.top), (other.leave, join[1]), (join[0] + r, join[1])))
                self.marks.append(Group(sign("cat", *join, self.style), "cat", title="both directions, end to end"))
                x, y = join[0], join[1] - r
            for each in rows:
                self._body(each, cells[each])
        self.line(((x, y), (x, self.top - rise)))

    def _body(self, row: Lane, cell: Cell) -> None:
        if cell.dots:
            self.dots(cell.enter, row.top + row.height / 2, down=True)
            return
        if cell.opened:
            assert self.inside
            marks = tuple(moved(mark, cell.left, row.top) for mark in self.inside.marks)
            self.marks.append(Group(marks, "cell", title=self.layer.name))
            return
        place = Place(cell.left, row.top, cell.right - cell.left, row.height)
        middle = (cell.left + cell.right) / 2, row.top + row.height / 2
        number = f"layer {row.number}" if self.layer.layers > 1 else ""
        self.marks += closed_cell(place, middle, self.layer.name, number, self.style)

    def _ends(self, right: float) -> float:
        """The x below and the h above, and the lines that bring the one and take the other; returns the top."""
        rise, r = self.s["cell_rise"], self.r
        low, high = -rise - r, self.top - rise - r
        top = high - r - rise
        for letter, y in (("x", low), ("h", high)):
            for column, x in self.where(letter):
                if column.dots:
                    self.dots(x, y)
                else:
                    self.marks.append(Circle(x, y, r, "step"))
                    at = y + 0.28 * self.size("symbol")
                    self.marks.extend(symbol(x, at, letter, self.style, sub=column.index, anchor="middle"))
        if self.layer.alone:
            return high - r - 1.0
        xs = [x for column, x in self.where("x") if not column.dots]
        self.line(((0.0, top / 2), (EDGE / 2, top / 2), (EDGE / 2, 0.0), (xs[-1], 0.0), (xs[-1], low + r)))
        for x in xs[:-1]:
            self.line(((x - 6.0, 0.0), (x, 0.0), (x, low + r)))
        hs = [x for column, x in self.where("h") if not column.dots][-1 if self.layer.last else 0:]
        out = right - EDGE / 2
        self.line(((hs[0], high - r), (hs[0], top), (out, top), (out, top / 2), (right, top / 2)), head=False)
        for x in hs[1:]:
            self.line(((x, high - r), (x, top), (x + 6.0, top)), head=False)
        return top

    def where(self, letter: str) -> Iterator[tuple[Step, float]]:
        """Where x or h of each step stands."""
        for column, cells in zip(self.columns, self.cells, strict=True):
            first, leaves = cells[self.floors[0][0]], [cells[row].leave for row in self.floors[-1]]
            if column.dots:
                yield column, (first.left + first.right) / 2
            else:
                yield column, first.enter if letter == "x" else sum(leaves) / len(leaves)


def closed_cell(place: Place, middle: Point, name: str, number: str, style: Style) -> list[Mark]:
    """A cell with its name, and below it which layer it is of or how many there are."""
    marks: list[Mark] = [box(place, "recurrent", style.sizes["cell_corner"])]
    lines = [(words, role, style.roles[role].size) for words, role in ((name, "label"), (number, "sublabel")) if words]
    y = middle[1] - sum(size for _, _, size in lines) * 0.6
    for words, role, size in lines:
        marks += grounded(Text(middle[0], y + size * 0.95, words, role, "middle"), "recurrent", style)
        y += size * 1.2
    return marks


def _side(cell: Cell, way: float) -> float:
    return cell.right if way > 0 else cell.left
