"""What a model does, painted on what it is: an `Attribution` or a `Recording` on the figure of its model.

In: a `Figure`, and numbers by trace id.  Out: the figure with them, a `Figure` like any other.

Nothing that is drawn moves: nodes, links and words stand where they stood, so that the two figures lie upon each other;
the page grows at its lower edge by what explains the colours, or to the right where it may not be higher.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph, NodeId
from archviz.core.scene import Box, Cuboid, Group, Mark, Paint, Scene
from archviz.figure.figure import Figure
from archviz.figure.rendered import stamped
from archviz.insight.overlay import _faces, _key, _strips
from archviz.insight.overlay._bounds import body, nodes
from archviz.insight.overlay._flow import Widths
from archviz.insight.overlay._paint import Colours, columns
from archviz.insight.painting import colormap, of_drawn, pixels

LISTED = 6            # remarks of one sort that a caption lists


class Numbers(Protocol):
    """What can be painted: an `Attribution` or a `Recording`.

    scores, maps   trace id → array, its first axis the samples
    flows          (source id, destination id) → array, likewise
    signed         whether values below zero have a meaning of their own
    unit, title    what the numbers are, and what gave them
    """

    @property
    def scores(self) -> Mapping[NodeId, Any]: ...
    @property
    def maps(self) -> Mapping[NodeId, Any]: ...
    @property
    def flows(self) -> Mapping[tuple[NodeId, NodeId], Any]: ...
    @property
    def signed(self) -> bool: ...
    @property
    def unit(self) -> str: ...
    @property
    def title(self) -> str: ...


def overlay(figure: Figure, what: Numbers, sample: int = 0, *, colours: bool = True, maps: bool = True,
            flows: bool = True, marks: bool = True, limit: float | str | None = None, blank: bool = False) -> Figure:
    """Paint what a model did on its figure, in any style.

    Every node stays at its place; the page is higher by the colour bar and what else has to be explained.  Raises
    `ArchvizError` for a sample that is not there, and where no id of `what` is drawn.

    Parameters
    ----------
    figure : Figure
        Of the same model.
    what : Attribution or Recording
        Numbers that carry the figure's ids.
    sample : int
        Which of its samples.
    colours : bool
        Whether a node has the colour of its score.  A box has that of its last operation, a closed module its own; what
        stands for N copies their mean.
    maps : bool
        Whether maps are shown: on the faces of cuboids, as strips beside boxes where there is room.
    flows : bool
        Whether links are as wide as what runs along them.
    marks : bool
        Whether what is remarkable (``what.marks``: dead units, saturated layers) has a badge.
    limit : float or str, optional
        Where the scale of the colours ends: a number, ``"max"``, ``"99%"``; by default the largest score that is drawn.
    blank : bool
        Return the figure as it was, on the page of the one with numbers: two pages that lie upon each other.
    """
    scene = figure.scene
    graphs = [figure.drawn, *(inner for _, inner in figure.drawing.insets)]
    numbers = _Sample(what, sample)
    scores = of_drawn.scored(graphs, numbers.scores) if colours else {}
    arrays = of_drawn.mapped(graphs, {**numbers.maps, **numbers.shown}) if maps else {}
    running = of_drawn.flowing(graphs, numbers.flows) if flows else {}
    remarks = of_drawn.marked(graphs, getattr(what, "marks", {})) if marks else {}
    if not (scores or arrays or running or remarks):
        raise ArchvizError(f"{what.title} has nothing for what this figure draws: no id of it is among the figure's",
                           "draw and explain the same model, and leave colours, maps or flows on")
    painted = _Painted(figure, graphs, what, scores, arrays, running, remarks, numbers.over,
                       "max" if limit is None else limit)
    drawn, caption = painted.scene(), " ".join([figure.caption, *painted.sentences()])
    if blank:
        return replace(figure, inner=None, drawing=replace(
            figure.drawing, scene=stamped(replace(scene, width=drawn.width, height=drawn.height), figure.caption)))
    checks = "; ".join(f"{check.name}: {check.said}" for check in getattr(what, "checks", ()))
    facts = {**scene.facts, "painted": f"{what.title}: {what.unit}", **({"checks": checks} if checks else {})}
    done = stamped(replace(drawn, description=caption, facts=facts), caption)
    return replace(figure, drawing=replace(figure.drawing, scene=done), caption=caption, inner=None)


class _Sample:
    """The numbers of one sample.  Raises `ArchvizError` where it is not there."""

    def __init__(self, what: Numbers, sample: int) -> None:
        groups = what.scores, what.flows, what.maps, getattr(what, "shown", {}), getattr(what, "inputs", {})
        try:
            self.scores, self.flows, self.maps, shown, inputs = (of_drawn.of_sample(one, sample) for one in groups)
        except IndexError:
            least = min(len(array) for group in groups[:3] for array in group.values())
            raise ArchvizError(f"{what.title} has {least} samples, and no number {sample}",
                               "samples are counted from 0") from None
        self.shown = {key: array for key, array in shown.items() if array.ndim == 3}
        self.over = {key: array for key, array in inputs.items() if array.ndim == 2 and key in self.shown}


class _Painted:
    """One figure being painted."""

    def __init__(self, figure: Figure, graphs: Sequence[Graph], what: Numbers, scores: Mapping[NodeId, float],
                 arrays: Mapping[NodeId, Any], flows: Mapping[tuple[NodeId, NodeId], float],
                 remarks: Mapping[NodeId, Sequence[str]], over: Mapping[NodeId, Any], limit: float | str) -> None:
        self.figure, self.graphs, self.what = figure, graphs, what
        self.scores, self.arrays, self.flows, self.remarks = scores, arrays, flows, remarks
        self.style, self.before = figure.drawing.style, figure.scene
        self.nodes = {node.id: node for graph in reversed(graphs) for node in graph.nodes}
        dots = self._dots() if scores else {}
        drawn = [value for node, value in scores.items() if node not in dots]
        unit = ": ".join(filter(None, (what.title, what.unit)))
        # What a relevance is of all channels is their sum; activations of different channels have nothing in common.
        self.signed = what.signed if hasattr(what, "target") else None
        shades = colormap.scale([drawn, *dots.values()], self.style.heat, what.signed, limit, unit)
        self.scale = shades if scores else None
        self.over = {} if shades.plain else over      # in greys the input is shown without its map
        self.colours = Colours(self.before, shades, scores, dots)
        self.widths = Widths(self.before, shades, flows)
        self.letters = _key.letters(remarks)
        self.mapped: set[NodeId] = set()

    def scene(self) -> Scene:
        marks = tuple(self._mark(mark) for mark in self.before.marks)
        links = [at for at, mark in enumerate(marks) if isinstance(mark, Group) and mark.edge]
        if links:
            marks = (*marks[:links[-1] + 1], *self.widths.trunks(marks), *marks[links[-1] + 1:])
        marks, self.mapped = _faces.painted(marks, self._tile)
        sheet = {**self.before.sheet, **self.colours.sheet, **self.widths.sheet}
        drawn = replace(self.before, marks=marks, sheet=sheet)
        strips, wide = _strips.placed(drawn, self._strips(), self.style.page.width)
        self.mapped |= {strip.title for strip in strips}
        marks = (*marks, *strips, *self._badges(marks, drawn))
        whole = replace(self.before, width=wide)
        key, wider, higher = _key.key(whole, self.style, self.scale, self._entries())
        sheet |= self.colours.sheet | self.widths.sheet
        return replace(drawn, marks=(*marks, Group(key, "legend")) if key else marks, sheet=sheet,
                       width=wide + wider, height=self.before.height + higher)

    def _mark(self, mark: Mark) -> Mark:
        if not isinstance(mark, Group):
            return mark
        if mark.role == "legend":
            return replace(mark, marks=tuple(map(self.colours.swatch, mark.marks))) if self.scale else mark
        if mark.edge:
            return self.widths.group(mark)
        if not mark.node or mark.role == "frame" or mark.node not in self.nodes:
            return replace(mark, marks=tuple(map(self._mark, mark.marks)))
        named = self._tip(mark)
        if self.scale is None or self.nodes[mark.node].kind in ("input", "output") and mark.node not in self.scores:
            return named
        return self.colours.group(named)

    def _tip(self, group: Group) -> Group:
        """What the mouse tells of a node: its score, and what is remarkable."""
        score = self.scores.get(group.node)
        facts = [] if score is None else [f"{colormap.number(score)} {self.what.unit}".strip()]
        facts += self.remarks.get(group.node, ())
        words = [group.title, text.clean("; ".join(facts))]
        return replace(group, title=": ".join(filter(None, words))) if facts else group

    def _tile(self, node: NodeId) -> pixels.Tile | None:
        if node not in self.arrays:
            return None
        return pixels.tile(self.arrays[node], self._axes(node), self.style.heat, self.signed,
                            self.nodes[node].kind == "input", self.over.get(node))

    def _strips(self) -> dict[NodeId, list[pixels.Tile]]:
        """What to show beside boxes; where there are cuboids, nothing but on their faces."""
        if any(isinstance(mark, Cuboid) for group in nodes(self.before.marks) for mark in group.marks):
            return {}
        strips = {}
        for node, array in self.arrays.items():
            if self.nodes[node].kind == "input":
                tile = self._tile(node)
                strips[node] = [tile] if tile and min(tile.shape) > 1 else []
            else:
                strips[node] = pixels.several(array, self._axes(node), self.style.heat, self.signed, _strips.MOST)
        return strips

    def _dots(self) -> dict[NodeId, Sequence[float]]:
        """The numbers of neurons that are drawn one by one, where there is one for each."""
        dots: dict[NodeId, Sequence[float]] = {}
        for group in nodes(self.before.marks):
            array = self.arrays.get(group.node)
            if array is not None and 0 < columns(group) <= array.size == max(array.shape, default=0):
                dots[group.node] = [float(value) for value in array.ravel()]
        return dots

    def _axes(self, node: NodeId) -> str:
        out = self.nodes[node].out
        return out[0].axes if out else ""

    def _badges(self, marks: Sequence[Mark], scene: Scene) -> Iterator[Group]:
        taken: list[tuple[float, float]] = []
        for group in nodes(marks):
            room = body(group, scene) if group.node in self.remarks else None
            if room is not None:
                yield _key.badges(group, room, self.remarks[group.node], self.letters, taken)

    def _entries(self) -> list[tuple[str, tuple[Mark, ...]]]:
        wide, high = self.style.sizes["swatch"], self.style.sizes["swatch_height"]
        entries = self.widths.entries(wide, high)
        if self.colours.missing:
            self.colours.sheet["heat none"] = Paint(fill=self.colours.unknown)
            entries.append(("no value", (Box(0.0, 0.0, wide, high, "heat none"),)))
        for word, letter in self.letters.items():
            entries.append((_key.meaning(word, self.remarks), tuple(_key.badge(wide / 2, high / 2, letter))))
        return entries

    def sentences(self) -> list[str]:
        """What the caption adds."""
        what, target = self.what, getattr(self.what, "target", "")
        of = f" for {target}" if target else ""
        sentences = []
        if self.scores:
            mean = ", a block that stands for several their mean" if of_drawn.averaged(self.graphs, self.scores) else ""
            unit = ", ".join(filter(None, (what.title, what.unit)))
            sentences.append(f"Colours: {unit}{of}; a box has that of its last operation{mean}.")
        if self.widths.seen:
            sentences.append("The wider a link, the more runs along it.")
        if self.mapped:
            sentences.append(self._of_maps("" if self.scores else f" of {what.title}{of}"))
        sentences += self._of_remarks()
        checks = [check.said for check in getattr(what, "checks", ()) if check.name != "finite" or not check.kept]
        if checks:
            sentences.append(f"Checks: {'; '.join(checks)}.")
        return [text.clean(sentence) for sentence in sentences]

    def _of_maps(self, of: str) -> str:
        """What the caption says of the maps, which are `of` something that was not yet named."""
        if all(self.nodes[node].kind == "input" for node in self.mapped if node in self.nodes):
            return (f"Over the input: its own map{of}, on a scale of its own." if self.over else
                    "The input is shown beside its name.")
        return (f"The maps{of} have a scale each; of several channels they show "
                f"{'those that vary most' if self.signed is None else 'the mean'}.")

    def _of_remarks(self) -> Iterator[str]:
        """What the caption says of each sort of remark: where, and how much."""
        for word in self.letters:
            where = [f"{key} ({remark.removeprefix(word).strip()})"
                     for key, remark in getattr(self.what, "marks", {}).items() if remark.split()[0] == word]
            more = f" and {len(where) - LISTED} more" if len(where) > LISTED else ""
            yield f"{word.capitalize()}: {', '.join(where[:LISTED])}{more}."
