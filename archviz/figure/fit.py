"""How much of the model a figure shows, and how it is laid out, so that it fits its page with legible text.

In: a graph after its passes, a style, how much detail is asked for.  Out: `Drawing`: the cut, its layout, its scene.

Detail is one monotone scale: a list of steps, each opening the modules of one kind, from a single box to every
operation. The real layout judges which steps fit; nothing is ever scaled down to fit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from types import ModuleType

from archviz.core import text
from archviz.core.errors import ArchvizError, DoesNotFit
from archviz.core.geometry import Frame, Layout, Size
from archviz.core.graph import Graph, NodeId
from archviz.core.plugins import find
from archviz.core.regroup import subgraph
from archviz.core.scene import POINTS_PER_MM, Scene
from archviz.drawing import forms, layouts, sheet
from archviz.drawing.badges import badges, entries
from archviz.drawing.sheet import ALONE, Body, Entry
from archviz.style.style import Page, Style

ONE_BOX = frozenset(("",))  # in the place of the modules to open: not even the model itself
FOLDS = 7  # lines that may turn back to the next column or row, each frame deep counting as one more
FRACTIONS = (1.0, 0.7, 0.5, 0.36, 0.25, 0.16)  # of the page's height, tried as height of a column


@dataclass(frozen=True)
class Detail:
    """How far modules are opened: `depth` levels (None: as far as fits), and globs of modules to close and to open.

    Those in `inset`, and others of their class, are seen, and closed: one of them is shown opened up elsewhere.
    """

    depth: int | None = None
    collapse: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    inset: tuple[NodeId, ...] = ()


@dataclass(frozen=True)
class Drawing:
    """A finished figure: what is drawn (`graph`, a cut of the one given), where, and the marks.

    style    in which style, in the size that fits the page
    cost     how far from good it is, in points of height: to choose among drawings of one graph
    insets   which modules are drawn opened up beside it, and what is drawn of each
    """

    graph: Graph
    layout: Layout
    scene: Scene
    style: Style
    cost: float = 0.0
    insets: tuple[tuple[NodeId, Graph], ...] = ()


@dataclass(frozen=True)
class Cut:
    """One level of detail at one size: the graph, and what its form asks for."""

    graph: Graph
    style: Style
    sizes: Mapping[NodeId, Size]
    frames: Mapping[NodeId, Frame]
    legend: list[Entry]


@dataclass(frozen=True)
class Try:
    cut: Cut
    layout: Layout
    width: float
    height: float
    score: float

    def fits(self, style: Style) -> bool:
        return self.width <= style.page.width + 0.01 and self.height <= style.page.max_height + 0.01

    def reads(self) -> bool:
        """Is it one figure still, not a ribbon folded over and over?"""
        return sum(lines + deep for deep, lines in self.layout.cuts) <= FOLDS


def fit(
    graph: Graph, style: Style, detail: Detail = Detail(), title: str | None = None, description: str = "",
    body: Body = ALONE, least: int = 0,
) -> Drawing:
    """Draw `graph` with as much detail as `detail` asks for or as the page has room for.

    Of the sizes in which its form can draw, the first `least` are not tried.

    Raises `DoesNotFit`, naming what to collapse, when an explicit depth or expansion is larger than the page, and when
    the page has no room even for a single box.
    """
    style = tightened(style)
    judge = Judge(graph, style, graph.name if title is None else title, body, least)
    pinned, closed = _asked(graph, detail)
    if detail.depth is not None:
        opened = {key for key, module in graph.modules.items() if len(module.scope) < detail.depth} | pinned
        best = judge.best(opened - closed)
        if not best.fits(style):
            raise _too_large(best, style, f"at depth {detail.depth}")
    else:
        best = search(judge, [step - closed - pinned for step in scale(graph, judge.alike)], pinned - closed)
        if not best.fits(style) and not pinned and not detail.inset:
            best = judge.best(ONE_BOX)
        if not best.fits(style):
            raise _too_large(best, style, "with what is to be expanded" if pinned else "even with everything collapsed")
    return Drawing(best.cut.graph, best.layout, judge.scene(best, description), best.cut.style, best.score)


def _asked(graph: Graph, detail: Detail) -> tuple[set[NodeId], set[NodeId]]:
    """The modules that have to be open, and those that must not be."""
    select = find("passes", "collapse").select
    selected, closed = (set[NodeId](select(graph, patterns)) for patterns in (detail.expand, detail.collapse))
    pinned = {key for chosen in selected for key in (*graph.modules[chosen].scope, chosen)}
    pinned |= {outer for key in detail.inset for outer in graph.modules[key].scope}
    alike = {graph.modules[key].cls for key in detail.inset} - {""}
    closed |= {key for key, module in graph.modules.items() if module.cls in alike and key not in pinned}
    return pinned, closed | set(detail.inset)


def tightened(style: Style) -> Style:
    """`style` for its page: on one as narrow as a column smaller type where the page allows it, and less air."""
    if style.page.width >= style.narrow.get("page", 0.0):
        return style
    smaller, least = style.narrow.get("type", 1.0), style.page.min_font
    roles = {role: replace(paint, size=max(least, paint.size * smaller)) for role, paint in style.roles.items()}
    return replace(style, roles=roles, sizes={k: size * style.narrow.get(k, 1.0) for k, size in style.sizes.items()})


def _kinds(graph: Graph) -> Graph:
    """What the legend explains: not the blocks that were named by hand, which say themselves what they are."""
    if not any("appended" in node.attrs for node in graph.nodes):
        return graph
    return subgraph(graph, (node.id for node in graph.nodes if "appended" not in node.attrs))


def scale(graph: Graph, alike: bool = False) -> list[set[NodeId]]:
    """The steps of the scale of detail: first the way to what repeats, then one of each repeated block (unless all are
    to be drawn `alike`), then the rest.

    Modules of one class at one depth open together, so that like is drawn like.
    """
    modules = graph.modules
    repeated = [key for key, module in modules.items() if module.repeat > 1]
    if not repeated:
        classes = Counter((m.cls, len(m.scope)) for m in modules.values())
        repeated = [key for key, m in modules.items() if classes[m.cls, len(m.scope)] > 1]
    to_repeats = {scope for key in repeated for scope in modules[key].scope}
    shown = {modules[key].cls: key for key in reversed(repeated)}.values()
    inside = {key for key, module in modules.items() if key in shown or any(scope in shown for scope in module.scope)}
    steps: dict[tuple[int, int, str], set[NodeId]] = {}
    for key, module in modules.items():
        tier = 0 if key in to_repeats else 1 if key in inside and not alike else 2
        steps.setdefault((tier, len(module.scope), module.cls), set()).add(key)
    order = {module.cls: i for i, module in reversed(list(enumerate(modules.values())))}
    return [steps[key] for key in sorted(steps, key=lambda k: (k[0], k[1], order[k[2]]))]


def search(judge: Judge, steps: list[set[NodeId]], pinned: set[NodeId]) -> Try:
    """The longest prefix of the scale that fits, by bisection; then whichever later steps still fit, one by one."""

    def upto(n: int) -> set[NodeId]:
        return pinned.union(*steps[:n])

    if judge.fits(upto(len(steps))):
        return judge.best(upto(len(steps)))
    low, high = 0, len(steps)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if judge.fits(upto(middle)) else (low, middle)
    opened = upto(low)
    for step in steps[low : low + 12]:
        ready = {key for key in step if all(s in opened for s in judge.graph.modules[key].scope)}
        if ready and judge.fits(opened | ready):
            opened |= ready
            continue
        # like is drawn like, but where it cannot be, one stands for all
        for key in sorted(ready)[: 0 if judge.alike else 1]:
            if len(ready) > 1 and judge.fits(opened | {key}):
                opened.add(key)
    return judge.best(opened)


def _too_large(tried: Try, style: Style, when: str) -> DoesNotFit:
    mm = [round(v / POINTS_PER_MM) for v in (tried.width, tried.height, style.page.width, style.page.max_height)]
    graph = tried.cut.graph
    holds = Counter(node.scope[-1] for node in graph.nodes if node.scope and graph.modules[node.scope[-1]].path)
    hint = f"allow more with --width {mm[0] + 1}mm --max-height {mm[1] + 1}mm"
    if min(mm[2:]) < 10:
        hint += "; a number without a unit is in points"
    if holds:
        fullest = max(holds, key=lambda key: holds[key])
        hint = f"collapse more: --collapse '{graph.modules[fullest].path}', or leave out --depth; or {hint}"
    return DoesNotFit(f"the figure is {mm[0]} mm × {mm[1]} mm {when}, but its page is {mm[2]} mm × {mm[3]} mm", hint)


class _Bare(Body):
    """A drawing without heading and legend, which it shares with others."""

    def legend(self, entries: Iterable[Entry]) -> list[Entry]:
        return []


BARE = _Bare()


def bare(style: Style, page: Page) -> Style:
    """`style` for such a drawing, on this part of a page."""
    return replace(style, page=page, narrow={}, sizes={**style.sizes, "margin": 0.0, "legend": 0.0})


class Sizes(dict[str, float]):
    """The sizes of a style for a layout that may be another one's, and may need others."""

    def __init__(self, sizes: Mapping[str, float], style: Style) -> None:
        super().__init__(sizes)
        self.style = style

    def __missing__(self, name: str) -> float:
        raise ArchvizError(f"the layout {self.style.layout} needs the size {name!r}, which the style {self.style.name} "
                           "does not have", "leave out --layout, or take another style or a layout of Graphviz's: dot")


class Judge:
    """Lays out cuts of one graph on one page, remembering what it tried."""

    def __init__(self, graph: Graph, style: Style, title: str, body: Body, least: int = 0) -> None:
        self.graph, self.style, self.title = graph, style, text.clean(title)
        self.heading, self.body = sheet.heading(graph, style, self.title), body
        self.form: ModuleType = find("forms", style.form)
        form = forms.traits(style.form)
        self.layout = getattr(find("layouts", style.layout), style.layout)
        self.wraps = layouts.traits(style.layout).wraps
        self.collapse = find("passes", "collapse")
        # a form whose drawings can be larger or smaller (its text cannot) says so; the largest comes first
        self.sized: tuple[Style, ...] = form.variants(style)[least:]
        self.alike = form.alike
        self.graphs: dict[frozenset[NodeId], Graph] = {}
        self.cuts: dict[tuple[frozenset[NodeId], int], Cut] = {}
        self.tried: dict[tuple[frozenset[NodeId], int, str, float], Try] = {}

    def cut(self, opened: Iterable[NodeId], size: int) -> Cut:
        """The graph with everything closed but `opened` (and what a closed module holds), in one of the sizes."""
        key = frozenset(opened)
        if key not in self.graphs:
            modules = self.graph.modules.items()
            closed = [k for k, module in modules if k not in key and all(s in key for s in module.scope)]
            if key == ONE_BOX:
                closed = [self.collapse.WHOLE]
            self.graphs[key] = self.collapse.collapse(self.graph, self.style, ids=closed)
        if (key, size) not in self.cuts:
            graph, style = self.graphs[key], self.sized[size]
            self.cuts[key, size] = Cut(graph, style, self.form.sizes(graph, style), self.form.frames(graph, style),
                                       self.legend(graph, style))
        return self.cuts[key, size]

    def legend(self, graph: Graph, style: Style) -> list[Entry]:
        return self.body.legend(entries(_kinds(self.body.subject(graph)), style))

    def directions(self) -> tuple[str, ...]:
        return ("down", "right") if self.style.direction == "auto" else (self.style.direction,)

    def attempt(self, opened: frozenset[NodeId], size: int, direction: str, fraction: float) -> Try:
        key = (opened, size, direction, fraction)
        if key not in self.tried:
            cut, s, limits = self.cut(opened, size), self.sized[size].sizes, self.style.page
            high = limits.max_height - sheet.heading_height(self.heading, self.style) - s["legend"]
            left = (limits.width - self.body.taken()[0], high - self.body.taken()[1])
            room = max(left[direction != "right"] - 2 * s["margin"], 1.0)
            layout = self.layout(cut.graph, cut.sizes, cut.frames, Sizes(s, self.style), direction, room * fraction)
            width, height = sheet.extent(*self.body.size(layout, cut.sizes), self.heading, cut.legend, self.style)
            score = self.score(layout, height) + self.body.cost(layout, cut.sizes)
            self.tried[key] = Try(cut, layout, width, height, score)
        return self.tried[key]

    def fits(self, opened: Iterable[NodeId]) -> bool:
        key, limits, along = frozenset(opened), self.style.page, self.style.sizes["along"]
        smallest = len(self.sized) - 1
        area = sum(box.width * (box.height + along) for box in self.cut(key, smallest).sizes.values())
        if area > limits.width * limits.max_height:     # no need to try: the boxes alone are larger than the page
            return False
        tries = (self.attempt(key, smallest, direction, 1.0) for direction in self.directions())
        return any(tried.fits(self.style) and tried.reads() for tried in tries)

    def tries(self, opened: frozenset[NodeId], size: int) -> list[Try]:
        """Every layout of one cut in one size."""
        return [self.attempt(opened, size, direction, fraction) for direction in self.directions()
                for fraction in (FRACTIONS if direction != "right" else FRACTIONS[:2])[:None if self.wraps else 1]]

    def best(self, opened: Iterable[NodeId]) -> Try:
        """The layout that reads best among those that fit; the smallest one when none does."""
        key, limits = frozenset(opened), self.style.page
        for size in range(len(self.sized)):
            tries = self.tries(key, size)
            fitting = [t for t in tries if t.fits(self.style)]
            if fitting:
                return min(fitting, key=lambda t: (not t.reads(), t.score))
        return min(tries, key=lambda t: max(t.width / limits.width, t.height / limits.max_height))

    def score(self, layout: Layout, height: float) -> float:
        """Lower is better: little of the page's height, short lines, few turns back."""
        lines = sum(abs(ax - bx) + abs(ay - by) for route in layout.routes
                    for (ax, ay), (bx, by) in pairwise(route.points))
        bends = sum(len(route.points) - 2 for route in layout.routes)
        if layout.direction == "around":  # a U says more about its network than anything it could be wrapped into
            return height * 0.5
        # a run that turns back is harder to follow, a frame cut in two still more
        turns = sum((65.0 + 65.0 * deep) * (0.5 + 0.5 * crossing) for deep, crossing in layout.cuts)
        return height + turns + 0.25 * lines / max(len(layout.routes), 1) + 0.5 * bends

    def scene(self, tried: Try, description: str) -> Scene:
        cut, layout, name = tried.cut, tried.layout, self.title or self.graph.name
        marks = (*self.form.draw(cut.graph, layout, cut.style), *badges(cut.graph, layout))
        whole, (width, height) = self.body.marks(layout, cut.sizes, marks), self.body.size(layout, cut.sizes)
        return sheet.scene(whole, width, height, self.heading, cut.legend, self.style, name, description)
