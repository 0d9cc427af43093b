"""What a finished drawing can do, whatever it shows: give the bytes of a file, save itself, show itself in a notebook.

In: a scene and its caption.  Out: bytes by suffix, files, what a notebook shows.
"""
from __future__ import annotations

import inspect
from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from archviz.backends import traits
from archviz.core.errors import ArchvizError
from archviz.core.plugins import find
from archviz.core.scene import Paint, Scene, named
from archviz.figure.output import save


class Finished:
    """A scene with a caption; a subclass says where both come from.

    Attributes
    ----------
    scene : Scene
        What is drawn, free of any output format; its width and height are printed points.
    caption : str
        What to write below it; also its alternative text.
    """

    scene: Scene
    caption: str

    @cached_property
    def svg(self) -> str:
        """The text of an SVG file."""
        return self.render("svg").decode()

    def render(self, suffix: str, **options: Any) -> bytes:
        """The bytes of a file.

        Parameters
        ----------
        suffix : str
            ``"svg"``, ``"pdf"``, ``"png"``, ``"tex"``, ``"html"``, or that of another backend.
        **options
            Go to the backend that knows them: ``dpi`` of png (pixels per inch, 300), ``engine`` of pdf
            (``"typst"``), ``standalone`` of tex.

        Returns
        -------
        bytes
            The same for the same drawing and options.

        Raises
        ------
        ArchvizError
            For an unknown suffix, one that only a network can be written as, and where a program or package that a
            backend needs is not there.
        """
        if not traits(suffix).renders:
            raise ArchvizError(f"a .{suffix} file holds a network, and this is a picture", "write it as .svg or .pdf")
        return called(find("backends", suffix).render, self.scene, options)

    def save(self, path: str | Path, **options: Any) -> None:
        """Write it to a file.

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


def called(backend: Callable[..., bytes], drawn: Any, options: Mapping[str, Any]) -> bytes:
    """What `backend` makes of `drawn`, given those of the options that it knows."""
    known = inspect.signature(backend).parameters
    return backend(drawn, **{key: value for key, value in options.items() if key in known})


def stamped(scene: Scene, caption: str) -> Scene:
    """The scene under an id that follows from what is drawn and from its caption."""
    drawn = repr((tuple(map(named, scene.marks)), scene.painted(), caption)).encode()
    return replace(scene, uid=f"av{blake2b(drawn, digest_size=4).hexdigest()}")


_times_shown: dict[str, int] = {}       # by uid
