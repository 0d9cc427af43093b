"""A figure whose modules open in place, down to the last operation, whatever room that takes.

In: a drawing, its title and caption.  Out: `Unfolded`, and the `Scene` of any state.

The paper's figure has what its page has room for; here the page grows, and what is not touched stays as it is.  A state
is the set of ids that are open.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import Edge, Graph, Node, NodeId
from archviz.core.plugins import find
from archviz.core.scene import Cuboid, Mark, Paint, Scene, lower, roles
from archviz.drawing import sheet as page
from archviz.drawing.badges import entries
from archviz.drawing.forms import traits
from archviz.drawing.sheet import Entry
from archviz.figure.expand.plates import STUB, Plate, plates, plates_of
from archviz.figure.expand.stretch import view
from archviz.figure.fit import Drawing
from archviz.figure.foreign_roles import paints, renamed
from archviz.style.style import Style


@dataclass(frozen=True)
class Unfolded:
    """All that a figure can show.

    drawing  what the paper's figure shows of it
    title    what stands above it; empty: nothing
    inner    in which style what opens is drawn, where the figure's form has no frames
    """

    drawing: Drawing
    title: str
    inner: Style

    @property
    def style(self) -> Style:
        """In which it is drawn."""
        return self.drawing.style

    @property
    def direction(self) -> str:
        """Which way the data flows through the whole."""
        drawn = self.drawing.layout.direction
        return "down" if drawn == "around" else drawn       # a U is found again where there is one

    @property
    def nested(self) -> bool:
        """Whether the form draws frames: then modules that are open on paper may be closed."""
        return traits(self.style.form).nests

    @cached_property
    def plates(self) -> dict[NodeId, Plate]:
        """What stands in the place of each thing once it is open; the whole model under ``""``."""
        drawn = self.drawing
        if self.nested:
            collapse = find("passes", "collapse")
            return plates(collapse.expand(drawn.graph, ids=collapse.collapsed(drawn.graph)), self.style, self.direction)
        opening = plates_of(drawn.graph, drawn.layout, self.style, self.inner)
        return {key: replace(plate, items=tuple(
            replace(item, marks=tuple(renamed(mark, self._names) for mark in item.marks)) for item in plate.items))
            if key else plate for key, plate in opening.items()}

    @cached_property
    def _names(self) -> dict[str, str]:
        """The roles of what opens, in a figure of another style."""
        return {} if self.nested else {role: f"{self.inner.name} {role}" for role in self.inner.roles}

    @property
    def sheet(self) -> dict[str, Paint]:
        """How each role looks."""
        return {**self.style.roles, **paints(self._names, self.inner)}

    @cached_property
    def first(self) -> frozenset[NodeId]:
        """What is open in the paper's figure."""
        return frozenset({frame for node in self.drawing.graph.nodes for frame in node.scope} & self.plates.keys())

    @cached_property
    def heading(self) -> list[page.Line]:
        """The lines above the drawing."""
        return page.heading(self.plates[""].graph, self.style, self.title)

    @property
    def totals(self) -> str:
        """Its parameters and multiply-accumulates in words."""
        return page.totals(self.plates[""].graph)

    @cached_property
    def entries(self) -> list[Entry]:
        """What the legend may have to explain, in its order; of two of one name, the first that is seen."""
        explained: list[Entry] = []
        inside = [plate for key, plate in self.plates.items() if key]
        parts = [(self.style, self.plates.values())] if self.nested else [
            (self.style, [self.plates[""]]), (self.inner, inside)]
        for style, some in parts:
            shown = _together(some, self.drawing.graph, self.nested or style is self.inner)
            swatches: dict[str, tuple[Mark, ...]] = {}
            for name, swatch in entries(shown, style):
                names = self._names if style is self.inner else {}
                faces = (core for mark in swatch for core in (lower(mark) if isinstance(mark, Cuboid) else (mark,)))
                swatches.setdefault(name, tuple(renamed(core, names) for core in faces))
            explained += swatches.items()
        return explained

    def scene(self, opened: Collection[NodeId]) -> Scene:
        """The figure in which these ids are open, of which one in a closed thing does not show: as large as that is,
        with a legend of what is seen."""
        marks, width, height = view(self.plates, opened)
        # a stripe is shown as the box of its kind, or as itself
        seen = {name for role in roles(marks) for name in (role, role.removesuffix(" band"))}
        explained = page.ALONE.legend(entry for entry in self.entries if seen & set(roles(entry[1])))
        base = self.drawing.scene
        fresh = page.scene(marks, width, height, self.heading, explained, self.style, base.title,
                           base.description)
        return replace(fresh, uid=base.uid, facts=base.facts, sheet=self.sheet)

    def state(
        self, depth: int | None = None, expand: Sequence[str] = (), collapse: Sequence[str] = (),
    ) -> frozenset[NodeId]:
        """What is open where `depth` levels of modules are, and the things that `expand` names, but not those that
        `collapse` does; where none of these is given, in the paper's figure.

        Raises `ArchvizError` for a glob that names nothing that opens.
        """
        if depth is None and not expand and not collapse:
            return self.first
        modules = self.drawing.graph.modules
        levels = frozenset(key for key in self.plates.keys() & modules.keys() if len(modules[key].scope) < (depth or 0))
        return (levels | self._named(expand)) - self._named(collapse)

    def _named(self, patterns: Iterable[str]) -> frozenset[NodeId]:
        names = {key: set[str]() for key in self.plates if key}
        for plate in self.plates.values():
            for node in plate.nodes:
                if node.id in names:
                    module = self.drawing.graph.modules.get(node.id)
                    names[node.id] |= {node.op, *((module.cls, module.path, *module.copies) if module else ())} - {""}
        named: set[NodeId] = set()
        for pattern in patterns:
            # an id is meant where there is one: the path of two calls is the id of the first
            hits = {key for key in names if fnmatchcase(key, pattern)}
            hits = hits or {key for key, called in names.items() if any(fnmatchcase(name, pattern) for name in called)}
            if not hits:
                candidates = {name for key, called in names.items() for name in (key, *called)}
                raise ArchvizError(f"nothing that opens is called {pattern!r}, neither by path nor by class",
                                   did_you_mean(pattern, candidates))
            named |= hits
        return frozenset(named)


def _together(some: Iterable[Plate], drawn: Graph, loose: bool) -> Graph:
    """What is on `some` plates as one graph, for a legend; where they are `loose`, without what is around it."""
    nodes: dict[NodeId, Node] = {}
    edges: list[Edge] = []
    for plate in some:
        nodes |= {node.id: replace(node, scope=()) if loose else node for node in plate.nodes}
        edges += [edge for edge in plate.graph.edges if not edge.src.startswith(STUB) and not edge.dst.startswith(STUB)]
    return replace(drawn, nodes=tuple(nodes.values()), edges=tuple(edges))
