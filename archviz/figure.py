"""A finished figure: what is drawn, what to write below it, and how it saves and shows itself.

In: a graph, and the drawing that was made of it.  Out: bytes by suffix, files, what a notebook shows.  Imports errors,
find, files, graphfile, and the values: ir, layouts, scene, fit.
"""
from __future__ import annotations

import inspect
import json
from base64 import b64encode
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from archviz import graphfile
from archviz.files import GRAPH, save
from archviz.find import find
from archviz.fit import Drawing
from archviz.ir import Graph, NodeId
from archviz.layouts import Layout
from archviz.scene import Paint, Scene


@dataclass(frozen=True, repr=False)
class Figure:
    """A finished figure.  A notebook shows it by itself.

    Attributes
    ----------
    graph : Graph
        The whole trace.
    drawing : Drawing
        What is shown of it: the cut that is drawn, its layout and its scene.
    caption : str
        What to write below it; also its alternative text.
    """

    graph: Graph
    drawing: Drawing
    caption: str

    def __repr__(self) -> str:
        return f"<archviz figure of {self.graph.name}, {len(self.drawn.nodes)} of {len(self.graph.nodes)} nodes>"

    @property
    def scene(self) -> Scene:
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

    @property
    def classes(self) -> dict[NodeId, str]:
        """The class behind each drawn id that is a module: ``{"conv1": "torch.nn.modules.conv.Conv2d"}``."""
        drawn = {item.id: item.attrs for items in (self.drawn.modules.values(), self.drawn.nodes) for item in items}
        return {key: str(attrs["class"]) for key, attrs in drawn.items() if "class" in attrs}

    @property
    def failed(self) -> tuple[NodeId, str] | None:
        """Where the model raised while it was traced, and what; None for a model that ran."""
        failed = (self.graph.attrs.get("report") or {}).get("failed")
        return (str(failed[0]), str(failed[1])) if failed else None

    @cached_property
    def svg(self) -> str:
        """The text of an SVG file."""
        return self.render("svg").decode()

    def render(self, suffix: str, **options: Any) -> bytes:
        """The bytes of a file.

        Parameters
        ----------
        suffix : str
            ``"svg"``, ``"pdf"``, ``"png"``, ``"tex"``, ``"html"``, that of another backend, or ``"json"`` for the
            traced graph.
        **options
            Go to the backend that knows them: ``dpi`` of png (pixels per inch, 300), ``engine`` of pdf
            (``"typst"``), ``standalone`` of tex.

        Returns
        -------
        bytes
            The same for the same figure and options.

        Raises
        ------
        ArchvizError
            For an unknown suffix, and where a program or package that a backend needs is not there.
        """
        if suffix == GRAPH:
            return graphfile.to_json(self.graph).encode("utf-8", "surrogatepass")
        backend = find("backends", suffix).render
        known = inspect.signature(backend).parameters
        written: bytes = backend(self.scene, **{key: value for key, value in options.items() if key in known})
        return written

    def save(self, path: str | Path, **options: Any) -> None:
        """Write the figure.

        Parameters
        ----------
        path : str or Path
            The file; its suffix says as what.  It is replaced whole or not at all.
        **options
            As for `render`.

        Raises
        ------
        ArchvizError
            As for `render`, and for a file that cannot be written.
        """
        save(self, [path], **options)

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
            return graphfile.to_json(self.drawn)
        return json.dumps(_plain(self.layout if what == "layout" else self.scene), ensure_ascii=False, indent=1)

    def _repr_svg_(self) -> str:
        """The SVG for a page that may be dark or narrow, under ids that nothing shown before in this process has."""
        backend, scene, svg = find("backends", "svg"), self.scene, self.svg
        if not scene.sheet.get("background", Paint()).fill:
            svg = backend.render(replace(scene, sheet={**scene.sheet, "background": Paint(fill="#ffffff")})).decode()
        shown: str = backend.embedded(backend.apart(svg, _times_shown))
        return shown

    def _repr_mimebundle_(self, include: Container[str] | None = None, exclude: Container[str] | None = None
                          ) -> dict[str, str | bytes]:
        """What a front end may choose from: SVG for pages, PDF for LaTeX, the caption where there are only words."""
        known: dict[str, Callable[[], str | bytes]] = {
            "image/svg+xml": self._repr_svg_, "application/pdf": lambda: self.render("pdf"),
            "text/plain": lambda: self.caption}
        return {kind: make() for kind, make in known.items()
                if (include is None or kind in include) and (exclude is None or kind not in exclude)}


def stamped(scene: Scene, caption: str) -> Scene:
    """The scene under an id that follows from what is drawn and from its caption."""
    drawn = repr((scene.marks, scene.painted(), caption)).encode()
    return replace(scene, uid=f"av{blake2b(drawn, digest_size=4).hexdigest()}")


_times_shown: dict[str, int] = {}       # by uid


def _plain(value: Any) -> Any:
    """`value` as JSON values; a dataclass says its type."""
    if is_dataclass(value) and not isinstance(value, type):
        return {"type": type(value).__name__, **{f.name: _plain(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return round(value, 4) if isinstance(value, float) else value
