"""The options of a figure, each declared once, as a field of `Options`.

In: options as they are written, or Python values.  Out: `Options`, and the `Style` they make.

Whoever offers them reads `DECLARED`.  What reads YAML or signatures is imported late, and `Options` is no dataclass,
which would bring the second, so that ``archviz --help`` stays light.
"""
from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from archviz.core.errors import did_you_mean
from archviz.style.option import Declaration
from archviz.style.overrides import Overrides

if TYPE_CHECKING:
    from pathlib import Path

    from archviz.style.style import Settings, Style

Function = TypeVar("Function", bound=Callable[..., Any])


_in_order: list[Declaration] = []


def _declared(default: Any, help: str, type: str = "str, optional", **more: Any) -> Any:
    """The default of a field that is an option; see `Declaration`."""
    _in_order.append(Declaration(help, type, **more))
    return default


def _names(kind: str) -> Sequence[str]:
    from archviz.core.plugins import names
    from archviz.style.style import style_names, theme_names

    return style_names() if kind == "styles" else theme_names() if kind == "themes" else names(kind)


class Options(NamedTuple):
    """What a figure shall be like; None leaves it to the style.  Lengths are strings with a unit, or printed points.

    Attributes
    ----------
    {options}
    """

    style: str | Path | None = _declared(
        None, "a style's name or a YAML file (default: block)", "str or Path, optional", metavar="NAME|FILE",
        names=partial(_names, "styles"))
    theme: str | Path | None = _declared(
        None, "how it looks, on top of any style: paper, mono, dark, print, pastel, or a YAML file",
        "str or Path, optional", metavar="NAME|FILE", names=partial(_names, "themes"))
    settings: Mapping[str, str] = _declared(
        MappingProxyType({}), "one setting of the style, as in --set sizes.margin=6; may be repeated",
        "Mapping, optional", kind="settings", metavar="KEY=VALUE")
    width: str | float | None = _declared(
        None, "column (84mm), page (174mm), or 90mm, 3.4in, 240pt (default: page)", "str or float, optional",
        kind="length", metavar="LENGTH", setting="page.width")
    max_height: str | float | None = _declared(
        None, "the figure is at most so high (default: 230mm)", "str or float, optional",
        kind="length", metavar="LENGTH", setting="page.max_height")
    min_font: str | float | None = _declared(
        None, "no label prints smaller (default: 6pt)", "str or float, optional",
        kind="length", metavar="LENGTH", setting="page.min_font")
    depth: int | None = _declared(
        None, "how many levels of modules to open (default: auto, what fits)", "int, optional",
        kind="levels", metavar="N|auto", echoed=False)
    collapse: tuple[str, ...] = _declared(
        (), "draw these modules closed, by path or class; may be repeated", "str or sequence of str, optional",
        kind="words", metavar="GLOB", echoed=False)
    expand: tuple[str, ...] = _declared(
        (), "draw these modules open, or recurrent layers from inside; may be repeated",
        "str or sequence of str, optional", kind="words", metavar="GLOB", echoed=False)
    in_place: bool = _declared(
        False, "open modules, and boxes of several operations, where they stand, on a page that grows: those that "
        "--depth and --expand name, or else those that the page has room for", "bool", kind="switch", echoed=False,
        of_pairs=False)
    inset: tuple[str, ...] = _declared(
        (), "draw this module opened up beside the figure, also in another style; may be repeated",
        "str or sequence of str, optional", kind="words", metavar="GLOB[=STYLE]", echoed=False, of_pairs=False)
    cut: str | None = _declared(
        None, "the last layer that is drawn, by path or class; what comes after it is left out", metavar="NODE",
        of_pairs=False)
    append: tuple[str, ...] = _declared(
        (), "a block after the end with this written on it; may be repeated", "str or sequence of str, optional",
        kind="words", metavar="TEXT", of_pairs=False)
    direction: str | None = _declared(
        None, "which way the data flows", choices=("auto", "down", "right", "up"), setting="direction", echoed=False)
    edges: str | None = _declared(
        None, "which weights a node-link figure draws: all, or the strongest as in top50% (default: all)",
        metavar="all|none|topN%", setting="options.edges")
    streams: str | None = _declared(
        None, "divide layers into the streams that the model runs side by side: those of grouped convolutions, of "
        "devices, or whichever it has (default: none; auto in the wire style)",
        choices=("none", "auto", "groups", "devices"), setting="streams")
    title: str | None = _declared(
        None, "what stands above the figure (default: the model's name; '' for nothing)")
    unroll: str | None = _declared(
        None, "over how many steps of time a node-link figure draws recurrent layers (default: 0, folded)",
        "str or int, optional", metavar="N", setting="options.unroll")
    legend: str | None = _declared(
        None, "where the legend stands: below the drawing, right of it, or nowhere (default: auto, which is below); a "
        "page in which things open has it below", choices=("auto", "none", "below", "right"), setting="legend",
        echoed=False)
    layout: str | None = _declared(
        None, "where everything goes: dot, neato or another engine of the Graphviz on this machine, or one of ours, "
        "see archviz --list layouts (default: the style's)", metavar="NAME", names=partial(_names, "layouts"),
        setting="layout")
    overrides: Overrides = Overrides()

    @classmethod
    def of(cls, overrides: Mapping[str, Any] | None = None, **values: Any) -> Options:
        """Options as `archviz.draw` takes them: a sequence of one as itself, None for nothing.

        Parameters
        ----------
        overrides : Mapping, optional
            What a project file would say of single layers.
        **values
            By the names of the fields.

        Returns
        -------
        Options
            Unchecked, but for their names and `overrides`.

        Raises
        ------
        TypeError
            For a name that is none of an option.
        ArchvizError
            For what is wrong in `overrides`.
        """
        for name in values.keys() - DECLARED.keys():
            raise TypeError(f"there is no option {name!r} of a figure; {did_you_mean(name, DECLARED)}")
        read = {name: _of_python(DECLARED[name].kind, value) for name, value in values.items() if value is not None}
        if overrides:
            from archviz.style.project import written_overrides

            read["overrides"] = written_overrides(overrides)
        return cls(**read)

    @staticmethod
    def declared() -> Mapping[str, Declaration]:
        """Every option by its name in Python."""
        return DECLARED

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
        from pathlib import PurePath

        from archviz.style.layer_colours import painted

        return painted(self.layers().style(PurePath(self.style or "block").stem), self.overrides, bool(self.theme))

    def layers(self) -> Settings:
        """The same, with every setting still as it is written in its file."""
        from archviz.core.plugins import find
        from archviz.style.style import layers, length

        settings = dict(self.settings)
        for name, declared in DECLARED.items():
            value = getattr(self, name)
            if declared.setting and value is not None:
                if declared.kind == "length":
                    length(str(value))          # so that a mistake is told without the setting's dotted name
                settings[declared.setting] = str(value)
        if self.layout is not None:
            find("layouts", self.layout)
        return layers(self.style or "block", settings, self.theme)


def _of_python(kind: str, value: Any) -> Any:
    if kind == "words":
        return (value,) if isinstance(value, str) else tuple(value)
    return dict(value) if kind == "settings" else value


DECLARED: Mapping[str, Declaration] = dict(zip(Options._fields, _in_order, strict=False))
"""Every option by its name in Python, in the order in which they are told."""


def flag(name: str) -> str:
    """What an option is called on the command line, in project files and in directives."""
    return "set" if name == "settings" else name.replace("_", "-")


def _documented(names: Sequence[str], indent: str) -> str:
    """The options as numpydoc has them."""
    lines = []
    for name in names:
        lines += [f"{name} : {DECLARED[name].type}",
                  *textwrap.wrap(DECLARED[name].sentence, 100, initial_indent="    ", subsequent_indent="    ")]
    return f"\n{indent}".join(lines)


def with_options(names: Sequence[str]) -> Callable[[Function], Function]:
    """Tell a function's ``**options`` one by one: in its signature, and where its docstring says ``{options}``."""
    def documented(function: Function) -> Function:
        import inspect

        signature = inspect.signature(function)
        kept = [one for one in signature.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
        defaults = {name: None if DECLARED[name].kind == "settings" else Options._field_defaults[name]
                    for name in DECLARED}
        options = [inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=defaults[name]) for name in names]
        function.__signature__ = signature.replace(parameters=[*kept, *options])        # type: ignore[attr-defined]
        function.__doc__ = (function.__doc__ or "").replace("{options}", _documented(names, "    "))
        return function

    return documented


Options.__doc__ = (Options.__doc__ or "").replace("{options}", _documented([*DECLARED], "    ") + """
    overrides : Overrides
        What is said about single layers, as a project file does.""")
