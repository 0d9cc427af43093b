"""A finished figure: what is drawn, what to write below it, and how it saves and shows itself.

In: a graph, and the drawing that was made of it.  Out: bytes by suffix, files, what a notebook shows.
"""
from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from archviz.backends import traits
from archviz.core import graph_json
from archviz.core.errors import ArchvizError
from archviz.core.geometry import Layout
from archviz.core.graph import Graph, NodeId
from archviz.core.graph_json import GRAPH
from archviz.core.scene import Scene, named
from archviz.figure.caption.markup import written
from archviz.figure.fit import Drawing
from archviz.figure.rendered import Finished, called
from archviz.style.style import Style

if TYPE_CHECKING:
    from archviz.figure.expand.expandable import Unfolded  # which most figures have no use for


@dataclass(frozen=True, repr=False)
class Figure(Finished):
    """A finished figure.  A notebook shows it by itself.

    Attributes
    ----------
    graph : Graph
        The whole trace.
    drawing : Drawing
        What is shown of it: the cut that is drawn, its layout and its scene.
    caption : str
        What to write below it; also the description inside of an SVG.
    alt : str
        What a screen reader says in its place: what it is, and its stages in order.
    title : str
        What stands above it.
    inner : Style, optional
        In which its things are drawn from inside, where its own form draws no frames; None: they do not open.
    state : frozenset of str, optional
        What is open in place, where something is.
    """

    graph: Graph
    drawing: Drawing
    caption: str
    alt: str = ""
    title: str = ""
    inner: Style | None = None
    state: frozenset[NodeId] | None = None

    def __repr__(self) -> str:
        return f"<archviz figure of {self.graph.name}, {len(self.drawn.nodes)} of {len(self.graph.nodes)} nodes>"

    @property
    def scene(self) -> Scene:      # type: ignore[override]  # read-only here, as it is part of the drawing
        """What is drawn, free of any output format; its width and height are printed points."""
        return self.drawing.scene

    @property
    def layout(self) -> Layout:
        """Where it is drawn, in printed points."""
        return self.drawing.layout

    @property
    def drawn(self) -> Graph:
        """The cut of the trace that is drawn."""
        return self.drawing.graph

    @cached_property
    def unfolded(self) -> Unfolded | None:
        """All that it can show once things are opened in place; None where that is not known, as of several models."""
        from archviz.figure.expand.expandable import Unfolded

        return Unfolded(self.drawing, self.title, self.inner) if self.inner and not self.drawing.insets else None

    def opened(self, depth: int | None = None, expand: Sequence[str] = (), collapse: Sequence[str] = ()) -> Figure:
        """The figure with things opened in place, on a page that grows.

        Parameters
        ----------
        depth : int, optional
            How many levels of modules to open.
        expand, collapse : sequence of str
            Globs of what to open, besides these, and of what not to; by id, path or class.  Where none of the three is
            given, what the page had room for is open.

        Returns
        -------
        Figure
            Of the same network, in the same style.

        Raises
        ------
        ArchvizError
            For a glob that names nothing that opens, and for a figure in which nothing does: in some styles, and beside
            insets.
        """
        if self.unfolded is None:
            raise ArchvizError(f"nothing opens in place in style {self.drawing.style.name}, or beside insets",
                               "draw it with --style block, and without --inset")
        state = self.unfolded.state(depth, expand, collapse)
        return replace(self, drawing=replace(self.drawing, scene=self.unfolded.scene(state)), state=state)

    @property
    def classes(self) -> dict[NodeId, str]:
        """The class behind each drawn id that is a module: ``{"conv1": "torch.nn.modules.conv.Conv2d"}``."""
        drawn = {item.id: item.attrs for items in (self.drawn.modules.values(), self.drawn.nodes) for item in items}
        return {key: str(attrs["class"]) for key, attrs in drawn.items() if "class" in attrs}

    @property
    def failed(self) -> tuple[NodeId, str] | None:
        """Where the model raised while it was traced, and what; None for a model that ran."""
        failed = (self.drawn.attrs.get("report") or {}).get("failed")      # which a cut may have left out
        return (str(failed[0]), str(failed[1])) if failed else None

    def captioned(self, way: str = "text") -> str:
        r"""The caption as an article has it.

        Parameters
        ----------
        way : str
            ``"text"``; ``"latex"`` for ``\caption{…}\label{…}``; ``"md"`` for Markdown; ``"alt"`` for what a screen
            reader says in the place of the figure.

        Returns
        -------
        str
            One line, escaped for what it is to stand in.
        """
        return written(way, self.caption, self.alt, self.graph.name)

    def render(self, suffix: str, **options: Any) -> bytes:
        """The bytes of a file.

        Parameters
        ----------
        suffix : str
            ``"svg"``, ``"pdf"``, ``"png"``, ``"tex"``, ``"html"``, ``"dot"``, ``"mmd"``, that of another backend, or
            ``"json"`` for the traced graph.
        **options
            As for `Finished.render`.

        Returns
        -------
        bytes
            The same for the same figure and options.

        Raises
        ------
        ArchvizError
            As `Finished.render`.
        """
        if suffix == GRAPH:
            return graph_json.to_json(self.graph).encode("utf-8", "surrogatepass")
        compose = traits(suffix).compose
        return called(compose, self, options) if compose else super().render(suffix, **options)

    def emit(self, what: str) -> str:
        """An inner value as JSON.

        Parameters
        ----------
        what : str
            The ``graph`` that is drawn, its ``layout``, or the ``scene``.

        Returns
        -------
        str
            JSON; of the graph in the format of a saved one.
        """
        if what == "graph":
            return graph_json.to_json(self.drawn)
        scene = replace(self.scene, marks=tuple(map(named, self.scene.marks)))
        return json.dumps(_plain(self.layout if what == "layout" else scene), ensure_ascii=False, indent=1)


def _plain(value: Any) -> Any:
    """`value` as JSON values; a dataclass says its type."""
    if is_dataclass(value) and not isinstance(value, type):
        shown = [one.name for one in fields(value) if one.repr]
        return {"type": type(value).__name__, **{name: _plain(getattr(value, name)) for name in shown}}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return round(value, 4) if isinstance(value, float) else value
