"""What a figure shall be like: the options that every way of asking for one shares.

In: options as they are written.  Out: `Options`, and the `Style` they make.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from archviz.core.plugins import find
from archviz.style.layer_colours import painted
from archviz.style.overrides import Overrides
from archviz.style.style import Settings, Style, layers, length


@dataclass(frozen=True)
class Options:
    """What a figure shall be like; None leaves it to the style.

    Attributes
    ----------
    style : str, Path or None
        A style's name, or the path of a YAML file; None: block, or for several models what suits them.
    settings : Mapping
        Single settings on top, by dotted name: ``{"roles.conv.fill": "#56B4E9"}``.
    width, max_height, min_font : str, float or None
        ``"column"``, ``"84mm"``, ``"3.4in"``; a bare number is printed points.
    depth : int or None
        How many levels of modules to open; None: as many as the page has room for.
    collapse, expand : tuple of str
        Modules to close and to open, by globs on path or class.
    direction : str or None
        ``"down"``, ``"right"`` or ``"auto"``.
    title : str or None
        What stands above the figure; None: the model's name, empty: nothing.
    theme : str, Path or None
        A theme laid on top of the style, by name or path.
    inset : tuple of str
        Modules to draw opened up beside the figure, by globs; ``"layer1=node-link"`` in another style.
    cut : str or None
        The last layer that is drawn, by id, or by a glob on path or class; what comes after it is left out, and counts
        nowhere.
    append : tuple of str
        Blocks after the end, by the names to write on them: ``("SVM",)``.
    overrides : Overrides
        What is said about single layers, as a project file does.
    in_place : bool
        Whether things open where they stand, on a page that grows: those of `depth`, `expand` and `collapse`, where one
        of these is given, else those that the page has room for.
    layout : str or None
        Where everything goes: an engine of Graphviz (``"dot"``, ``"neato"``), or another layout by its name.
    """

    style: str | Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    width: str | float | None = None
    max_height: str | float | None = None
    min_font: str | float | None = None
    depth: int | None = None
    collapse: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()
    direction: str | None = None
    title: str | None = None
    theme: str | Path | None = None
    inset: tuple[str, ...] = ()
    cut: str | None = None
    append: tuple[str, ...] = ()
    overrides: Overrides = Overrides()
    in_place: bool = False
    layout: str | None = None

    def resolved(self) -> Style:
        """The style with these options on top.

        Returns
        -------
        Style
            With everything read and checked.

        Raises
        ------
        ArchvizError
            For whatever it does not know.
        """
        return painted(self.layers().style(Path(self.style or "block").stem), self.overrides, bool(self.theme))

    def layers(self) -> Settings:
        """The same, with every setting still as it is written in its file."""
        asked = {"width": self.width, "max_height": self.max_height, "min_font": self.min_font}
        page = {name: str(value) for name, value in asked.items() if value is not None}
        for value in page.values():
            length(value)       # so that a mistake is told without the setting's dotted name
        own = {f"page.{name}": value for name, value in page.items()}
        if self.direction is not None:
            own["direction"] = self.direction
        if self.layout is not None:
            find("layouts", self.layout)
            own["layout"] = self.layout
        return layers(self.style or "block", {**self.settings, **own}, self.theme)
