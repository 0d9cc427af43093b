"""An encoder and a decoder with attention between them, step by step: the encoder's steps below, the decoder's above.

In: the node that the pass `unroll` made, its graph, a style.  Out: its `Interior`, and entries of the legend.

Time runs to the right.  From below: the words, what each goes through, the encoder's cells; a bar for the scores, since
the softmax in it is over all positions; from the bar a line for each weight to the sum that one step of the decoder
takes; the decoder's cells with the words that they are given; what comes out.  What takes part at every step is drawn
at every step, but the weights at one.
"""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from archviz.core import text
from archviz.core.geometry import Place
from archviz.core.graph import Graph, Node
from archviz.core.regroup import split
from archviz.core.scene import Box, Circle, Group, Link, Mark, Point, Text, moved
from archviz.drawing.forms._inside import sign
from archviz.drawing.forms._shapes import grounded, line_swatch
from archviz.drawing.forms._steps import Canvas, Interior, Recurrence, Step, Unrolling, closed_cell
from archviz.drawing.forms._symbols import symbol, width
from archviz.drawing.labels import looks, role_of
from archviz.style.style import Style

TARGET = "T′"
"""The number of the decoder's steps, as T is that of the encoder's."""

JOINS = ("cat", "add")


@dataclass(frozen=True)
class Parts:
    """What the pass found, as nodes: see `archviz.passes.unroll.parts`."""

    graph: Graph
    keys: Mapping[str, Any]

    def of(self, part: str) -> list[Node]:
        """The nodes of a part, in order."""
        keys = self.keys[part]
        return [self.graph.by_id[key] for key in ([keys] if isinstance(keys, str) else keys)]

    def boxes(self, part: str) -> list[Node]:
        """Those of them that are drawn as boxes."""
        return [node for node in self.of(part) if node.kind not in ("input", *JOINS)]

    def join(self, part: str) -> str:
        """How several things come together in a part: ``cat``, ``add``, or nothing."""
        return next((node.kind for node in self.of(part) if node.kind in JOINS), "")


def opened(node: Node, graph: Graph) -> Parts:
    """The parts of the node that the pass made."""
    return Parts(split(graph, [node.id]), node.attrs["unrolled"])


class Translation(Canvas):
    """A picture while it is drawn: y = 0 is the line below the encoder's x, everything above it has a smaller y."""

    def __init__(self, parts: Parts, encoder: Recurrence, decoder: Recurrence, columns: Sequence[Step],
                 style: Style) -> None:
        super().__init__(style)
        self.parts, self.layer, self.columns = parts, decoder, columns
        self.notes = list[tuple[float, Sequence[tuple[str, str]]]]()
        self.looks = looks(parts.graph, style)
        self.seen = [(i, column) for i, column in enumerate(columns) if not column.dots]
        # the step whose weights are drawn: the second, where nothing is left out before it
        self.at = int(len(columns) > 1 and not columns[1].dots)
        self.wide = max((text.width(self._short(node), self.size("sublabel")) + 5.0
                         for part in ("source", "target", "entry", "head", "handed") for node in parts.boxes(part)),
                        default=0.0)
        self.before = parts.keys["query"] == "before"
        half = max(self.wide, style.sizes["cell_width"]) / 2
        self.aside = 0.0 if self.before else half + style.sizes["step_beside"]   # of the sums, from the cells they pass
        self.low = self._encoder(replace(encoder, alone=True, last=False))

    def _encoder(self, layer: Recurrence) -> Unrolling:
        """The encoder's steps, so far apart that what belongs to the decoder's has room between them."""
        s = self.s
        apart = s["cell_width"] / 2 + self.wide + s["step_beside"] + s["step_query"] if self.before else \
            2 * self.aside + s["step_query"] + width("s", self.style, sub="1")
        lift = len(self.parts.boxes("source")) * (s["step_box"] + s["step_gap"])
        return Unrolling(layer, self.columns, self.style, 0.0, apart, lift)

    def picture(self) -> Interior:
        """Everything, moved to the origin."""
        right, _ = self.low.draw()
        self.marks += self.low.marks
        self.xs = [x for _, x in self.low.where("h")]
        self.left, self.right = 0.0, right
        self.note(self.low.middle(), self.looks[self.parts.keys["encoder"]].lines)
        self._sources()
        bar = self._bar()
        self._decoder(bar)
        return self._finished()

    def _sources(self) -> None:
        """What each word goes through on its way to the encoder."""
        xs = [x for _, x in self.low.where("x")]
        y = -self.s["cell_rise"] - 2 * self.low.r
        for node in self.parts.boxes("source"):
            y = self._row(node, xs, y - self.s["step_gap"])
        self.bottom = self.low.bottom
        for port in self._ports("source"):
            self.note(self.bottom - self.low.r, self.looks[port.id].lines[:1])

    def _ports(self, part: str) -> list[Node]:
        return [node for node in self.parts.of(part) if node.kind == "input"]

    def _row(self, node: Node, xs: Sequence[float], below: float) -> float:
        """A box for `node` at each step, and the line into it from `step_gap` below; its upper edge."""
        high, gap = self.s["step_box"], self.s["step_gap"]
        top = below - high
        for i, column in enumerate(self.columns):
            if column.dots:
                self.dots(self.xs[i], top + high / 2)
            else:
                self._box(node, xs[i], top)
                self.line([(xs[i], below + gap), (xs[i], below)])
        self.note(top + high / 2, self.looks[node.id].lines)
        return top

    def _bar(self) -> float:
        """The scores of all positions; the height of its upper edge."""
        gap, high = self.s["cell_rise"], self.s["step_box"] + 2.0
        hs = [self.xs[i] for i, _ in self.seen]
        bottom = self.low.crown - gap
        nodes = self.parts.of("scores") or self.parts.of("mix")[:1]
        role = role_of(nodes[-1], self.style)
        left, right = self._asking() - 6.0, hs[-1] + max(self.wide, self.low.wide) / 2
        words = ", ".join(word for word, _ in groupby(self._short(node) for node in nodes if node.kind not in JOINS))
        label = Text((left + right) / 2, bottom - high / 2 + 0.35 * self.size("label"), words, "label", "middle")
        for x in hs:
            self.line([(x, self.low.crown), (x, bottom)])
        self.marks.append(Box(left, bottom - high, right - left, high, role, self.s["corner"]))
        self.marks += grounded(label, role, self.style)
        self.ends = left, right
        if words != "attention":
            self.note(bottom - high / 2, [("attention", "label")])
        return bottom - high

    def _decoder(self, bar: float) -> None:
        s, r, ring = self.s, self.s["glyph"] / 2, self.low.r
        sums = bar - s["fan"]
        self._fan(bar, sums, r)
        above = sums - r            # the words that the decoder is given
        fed = bool(self.parts.of("target"))
        ws = [x - (s["step_beside"] + self.wide / 2 if self.before else 0.0) for x in self.xs]
        if fed:
            low = sums + r - ring
            self._rings("y", ws, low, before=True)
            above = low - ring
            for node in self.parts.boxes("target"):
                above = self._row(node, ws, above - s["step_gap"])
            for port in self._ports("target"):
                self.note(low, self.looks[port.id].lines[:1])
            self.left = min(self.left, ws[0] - self.wide / 2)
        enter = above if fed else above - self.size("symbol")
        if self.before and fed:
            kind, joint = self.parts.join("entry") or "cat", above - s["step_gap"] - r / 2
            for i, _ in self.seen:
                x = self.xs[i]
                self.line([(x, sums - r), (x, joint + r)])
                self.line([(ws[i], above), (ws[i], joint), (x - r, joint)])
                self.marks.append(Group(sign(kind, x, joint, self.style), kind))
            enter = joint - r
        self.leaves = enter if fed else above
        for node in self.parts.boxes("entry"):
            enter = self.leaves = self._row(node, self.xs, enter - s["step_gap"])
        bottom = enter - s["step_gap"] - 2.0
        self._cells(bottom, bottom - s["cell_height"])
        self._head(bottom - s["cell_height"], sums, bar, r)

    def _fan(self, bar: float, sums: float, r: float) -> None:
        """The weights of one step, and the sums of all."""
        size = self.size("symbol")
        for k, (i, column) in enumerate(self.seen):
            x, name = self.xs[i] + self.aside, TARGET if column.index == "T" else column.index
            self.marks.append(Group(sign("add", x, sums, self.style), "add"))
            self.marks += symbol(x + 2.5, sums - r - 3.5, "c", self.style, sub=name)
            if k == self.at:
                for j, other in self.seen:
                    self._weight((self.xs[j], bar), (x, sums), r)
                    sub = f"{name},{other.index}"
                    outer = self.xs[j] < x
                    beside = self.xs[j] + (-2.5 if outer else 3.0)
                    self.marks += symbol(beside, bar - 4.0, "α", self.style, sub=sub,
                                         anchor="end" if outer else "start")
            else:
                for turn in (-50.0, 0.0, 50.0):
                    dx, dy = math.sin(math.radians(turn)), math.cos(math.radians(turn))
                    self.marks.append(Link(((x + 2.4 * r * dx, sums + 2.4 * r * dy), (x + r * dx, sums + r * dy)),
                                           "attends", 0.0, False))
        for i, column in enumerate(self.columns):
            if column.dots:
                self.dots(self.xs[i], bar - 4.0 - 0.3 * size)
                if not self.parts.of("target"):     # whose dots stand for both
                    self.dots(self.xs[i], sums)

    def _weight(self, start: Point, centre: Point, r: float) -> None:
        dx, dy = centre[0] - start[0], centre[1] - start[1]
        far = math.hypot(dx, dy)
        end = (centre[0] - dx / far * r, centre[1] - dy / far * r)
        self.marks.append(Link((start, end), "attends", 0.0, True, self.s["cell_arrow"]))

    def _cells(self, bottom: float, top: float) -> None:
        """The decoder's cells, the states between them, and the first one, from the encoder."""
        s, wide, line = self.s, self.low.wide, (bottom + top) / 2
        count = f"{self.layer.layers} layers" if self.layer.layers > 1 else ""
        for i, _ in self.seen:
            x = self.xs[i]
            self.line([(x, self.leaves), (x, bottom)])
            place = Place(x - wide / 2, top, wide, bottom - top)
            self.marks += closed_cell(place, (x, line), self.layer.name, count, self.style)
        self.note(line, self.looks[self.parts.keys["decoder"]].lines)
        places = [(self.xs[i] - wide / 2, self.xs[i] + wide / 2) if not column.dots else
                  (self.xs[i] - 6.0, self.xs[i] + 6.0) for i, column in enumerate(self.columns)]
        for i, column in enumerate(self.columns):
            name = column.index.replace("T", TARGET) or TARGET + "−1"
            start = places[i][1]
            if i + 1 < len(places):
                head = not self.columns[i + 1].dots
                self.line([(start, line), (places[i + 1][0], line)], "state", head)
                clear = 0.0 if self.before or column.dots else self.aside - wide / 2
                asked = self.aside - wide / 2 if not self.before and head else s["cell_arrow"] if head else 0.0
                middle = (start + clear + places[i + 1][0] - asked) / 2
                self.marks += symbol(middle, line - 4.2, "s", self.style, sub=name, anchor="middle")
            else:
                end = start + s["cell_reach"] + (0.0 if self.before else self.aside - wide / 2)
                self.line([(start, line), (end, line)], "state")
                end += 2.0
                self.marks += symbol(end, line + 0.28 * self.size("symbol"), "s", self.style, sub=name)
                self.right = max(self.right, end + width("s", self.style, sub=name))
            if column.dots:
                self.dots(self.xs[i], line, "state")
        self._first(places[0][0], line)
        self.runs = [((places[0][0] - 99.0, line), (self.xs[-1] + 99.0, line))]

    def _asking(self) -> float:
        """Where the state that is compared comes into the bar: left of the first step."""
        beside = self.wide + self.s["step_beside"] if self.before and self.parts.of("target") and not self.at else 0.0
        return self.xs[0] - max(self.low.wide / 2, self.wide / 2, beside) - 6.0

    def _query(self, y: float, bar: float) -> None:
        """The state that is compared with every position, past the sum before and left of all weights into the bar;
        y is the height of the decoder's line of states, or between its cells and what follows."""
        aside, low = self._asking(), bar - 0.6 * self.s["fan"]
        if not self.before:
            start = self.xs[self.at]
            x = start - max(self.low.wide, self.wide) / 2 - 6.0
        else:
            x = self.xs[self.at - 1] + self.low.wide / 2 + 4.0 if self.at else aside
            start = x - 3.0
        points = [(start, y), (x, y), (x, low), (aside, low), (aside, bar)] if self.at else [
            (start, y), (x, y), (x, bar)]
        self.line(points, "state", gaps=True)

    def _first(self, end: float, line: float) -> None:
        """The state that the decoder begins with."""
        s = self.s
        boxes, source = self.parts.boxes("handed"), self.parts.keys["end"]
        if source == "first" and self.low.layer.both:
            x0, y0 = self.low.handed()
            x = min(x0 - 6.0, self.left - 6.0, self._asking() - 12.0) - (self.wide / 2 if boxes else 0.0)
            self.left = min(self.left, x - self.wide / 2)
            points: list[Point] = [(x0, y0), (x, y0)]
            low = (y0 + line) / 2 + len(boxes) * (s["step_box"] + s["step_gap"]) / 2
            for node in boxes:
                self.line([*points, (x, low)], "state")
                points, low = [(x, low - s["step_box"])], low - s["step_box"] - s["step_gap"]
                self._box(node, x, points[0][1])
            self.line([*points, (x, line), (end, line)], "state")
            named = (end + max(x, end - 40.0)) / 2 if self.at or not self.before else (x + self._asking()) / 2
            self.marks += symbol(named, line - 4.2, "s", self.style, sub="0", anchor="middle")
            return
        near = end - s["cell_reach"] - (0.0 if self.before else self.aside - self.low.wide / 2)
        near = min(near, self._asking() - s["cell_reach"]) if self.before and not self.at else near
        if not self.parts.keys["starts"]:
            self._named("s", "0", near, line, end)
            return
        if boxes:
            self.line([(near + s["step_gap"] / 2, line), (end, line)], "state")
            near -= self.wide - s["step_gap"] / 2
            for node in reversed(boxes):
                self._box(node, near + self.wide / 2, line - s["step_box"] / 2)
                end, near = near, near - s["cell_reach"]
        self._named("h", "" if self.low.layer.both else "T", near, line, end)

    def _named(self, letter: str, index: str, start: float, line: float, end: float) -> None:
        """A state by its name, which comes from `start` to `end`."""
        self.line([(start, line), (end, line)], "state")
        base = line + 0.28 * self.size("symbol")
        self.marks += symbol(start - 2.0, base, letter, self.style, sub=index, anchor="end")
        self.left = min(self.left, start - 2.0 - width(letter, self.style, sub=index))

    def _head(self, top: float, sums: float, bar: float, r: float) -> None:
        """What each state goes through on its way out."""
        s, y = self.s, top
        if self.before:
            self._query(top + s["cell_height"] / 2, bar)
        else:
            kind = self.parts.join("head")
            tap = top - s["step_gap"] + 1.0
            y = tap - s["step_gap"] - r
            self._query(tap, bar)
            for i, _ in self.seen:
                x = self.xs[i]
                self.line([(x, top), (x, y + r)])
                self.line([(x + self.aside, sums - r), (x + self.aside, y), (x + r, y)], gaps=True)
                self.marks.append(Group(sign(kind, x, y, self.style), kind))
            y -= r
        for node in self.parts.boxes("head"):
            y = self._row(node, self.xs, y - s["step_gap"])
        for i, _ in self.seen:
            self.line([(self.xs[i], y), (self.xs[i], y - s["step_gap"] - 2.0)])
        y -= s["step_gap"] + 2.0 + self.low.r
        self._rings("y", self.xs, y)
        self.top = y - self.low.r

    def _rings(self, letter: str, xs: Sequence[float], y: float, before: bool = False) -> None:
        """A quantity at each step; with `before` that of the step before it."""
        for i, column in enumerate(self.columns):
            if column.dots:
                self.dots(xs[i] if not before else self.xs[i], y)
                continue
            index = column.index.replace("T", TARGET)
            if before:
                index = f"{index}−1" if column.index == "T" else str(int(index) - 1) if index.isdigit() else "t−1"
            r, wide = self.low.r, width(letter, self.style, sub=index) + 4.0
            self.marks.append(Circle(xs[i], y, r, "step") if wide <= 2 * r + 2.0 else
                              Box(xs[i] - wide / 2, y - r, wide, 2 * r, "step", r))
            self.marks += symbol(xs[i], y + 0.28 * self.size("symbol"), letter, self.style, sub=index, anchor="middle")

    def _box(self, node: Node, x: float, top: float) -> None:
        role, size = role_of(node, self.style), self.size("sublabel")
        high = self.s["step_box"]
        self.marks.append(Box(x - self.wide / 2, top, self.wide, high, role, self.s["corner"]))
        self.marks += grounded(Text(x, top + high / 2 + 0.35 * size, self._short(node), "sublabel", "middle"), role,
                               self.style)

    def _short(self, node: Node) -> str:
        """What stands in the small boxes: no numbers."""
        ops = [node.op, *node.attrs.get("fused", ())]
        return ", ".join(text.caption(self.style.captions, op, {}) for op in ops)

    def note(self, y: float, lines: Iterable[tuple[str, str]]) -> None:
        """Something written beside what stands at this height."""
        self.notes.append((y, tuple(lines)))

    def _finished(self) -> Interior:
        """The notes on the right, and everything moved to the origin."""
        x = self.right + self.s["step_note"]
        right = x
        for y, lines in self.notes:
            high = sum(self.size(role) * 1.15 for _, role in lines)
            at = y - high / 2
            for words, role in lines:
                self.marks.append(Text(x, at + 0.9 * self.size(role), words, role))
                right = max(right, x + text.width(words, self.size(role), self.style.roles[role].weight))
                at += 1.15 * self.size(role)
        wide, high = right - self.left + 2.0, self.bottom - self.top + 2.0
        marks = tuple(moved(mark, 1.0 - self.left, 1.0 - self.top) for mark in self.marks)
        return Interior(wide, high, marks, high / 2)


def legend(node: Node, graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for what the lines and signs are; swatches stand at the origin."""
    words, s = style.captions, style.sizes
    wide, middle = s["swatch"], s["swatch_height"] / 2
    parts = opened(node, graph)
    entries = [(words["attends"], line_swatch("attends", style, "cell_arrow", 0.0)),
               (words["context"], sign("add", wide / 2, middle, style))]
    both = parts.of("encoder")[0].attrs.get("bidirectional")
    if both or "cat" in (parts.join("entry"), parts.join("head")):
        entries.append((style.kinds["cat"].name, sign("cat", wide / 2, middle, style)))
    return entries
