"""Styles and themes: YAML → `Style`, the data that says which form, layout, passes, colours and sizes a figure has.

In: the name of a style that archviz brings, or the path of a YAML file; a theme likewise; single settings to
override.  Out: a `Style`.  Lengths are printed points (1/72.27 in); in YAML also "174mm", "3.4in".

A file may say ``extends: base``; what it says itself goes on top, role by role and setting by setting (lists are
replaced whole).  A theme is laid on top of any style: it changes how a figure looks, and names no form, layout or
passes.  It may speak of a role, size or option that only some styles have.  Colours are written as in LaTeX.

``form: ./hexagons.py`` in a style runs that Python file, which lies beside it: a style from someone else is to be
trusted as much as their code.  Nothing else in a style or theme can run anything.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from archviz.core import text
from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import KINDS
from archviz.core.plugins import find, names, plugged, traits
from archviz.core.scene import HATCHES, PARTS, POINTS_PER_MM, Paint
from archviz.style import located_yaml
from archviz.style.colour import colour, rgb
from archviz.style.files import chain, content_of, known_names, locate, own_names, shipped
from archviz.style.located_yaml import Written
from archviz.style.option import Option

WIDTHS = {"column": 84 * POINTS_PER_MM, "page": 174 * POINTS_PER_MM}
DIRECTIONS = ("auto", "down", "right", "up")
STREAMS = ("none", "auto", "groups", "devices")
LEGENDS = ("auto", "none", "below", "right")
HEAT = ("signed", "unsigned", "maps")
SHAPES = ("box", "stadium", "trapezoid", "trapezoid up", "glyph", "text", "parallelogram", "dashed", "dots")


@dataclass(frozen=True, slots=True)
class Page:
    """The room a figure may take.

    Attributes
    ----------
    width, max_height : float
        The largest figure there may be, in printed points.
    min_font : float
        No label prints smaller, in printed points.
    """

    width: float = WIDTHS["page"]
    max_height: float = 230 * POINTS_PER_MM
    min_font: float = 6.0


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of node is drawn.

    Attributes
    ----------
    role : str
        The role that paints its outline.
    shape : str
        One of `SHAPES`.
    name : str
        What the legend calls it.
    """

    role: str
    shape: str = "box"
    name: str = ""


@dataclass(frozen=True)
class Style:
    """Everything about a figure that is data.

    Attributes
    ----------
    name : str
        What the style is called.
    form : str
        How nodes and their links are drawn: the name of a form, or the path of its Python file.
    layout : str
        Where everything goes: the name of a layout.
    direction : str
        Which way the data flows: ``down``, ``right``, ``up`` or ``auto``, whichever of the first two fits the page
        better.
    page : Page
        The room the figure may take.
    passes : tuple of str
        Names of passes in the order they run.
    fuse : tuple of str
        What is drawn as one box: rules like ``conv > norm > act``.
    hide : tuple of str
        Kinds that are not drawn.
    roles : Mapping
        Role → `Paint`: the sheet of the scene.
    captions : Mapping
        Op → template of its label (see `archviz.core.text.fill`); ``default`` for the others.
    kinds : Mapping
        Kind of node → `Kind`, how it is drawn.
    titles : Mapping
        Class name → a reader's name for it, or a template.
    sizes : Mapping
        Every padding and gap by name, in printed points.
    options : Mapping
        What the form leaves to choose (the options of its traits), as it reads them.
    narrow : Mapping
        How a page narrower than ``page`` points is set tighter: a factor for the ``type`` and for sizes by name.
    heat : Mapping
        ``signed``, ``unsigned`` and ``maps``, of activations → the name of a colour map (see
        `archviz.insight.painting.colormap`).
    streams : str
        What is divided into streams that run side by side: one of `STREAMS`.
    legend : str
        Where the legend stands, one of `LEGENDS`; ``auto`` is below.
    """

    name: str
    form: str
    layout: str
    direction: str = "auto"
    page: Page = field(default_factory=Page)
    passes: tuple[str, ...] = ()
    fuse: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    roles: Mapping[str, Paint] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, float] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    narrow: Mapping[str, float] = field(default_factory=dict)
    heat: Mapping[str, str] = field(default_factory=dict)
    streams: str = "none"
    legend: str = "auto"


WORDS = ("form", "layout", "direction", "streams", "legend")                   # key → one word
LISTS = ("passes", "fuse", "hide")                                  # key → a list of words
TABLES = ("page", "colors", "captions", "titles", "sizes", "options", "narrow", "heat")    # key → name → value
RECORDS = {"roles": tuple(f.name for f in fields(Paint)),           # key → name → setting → value
           "kinds": tuple(f.name for f in fields(Kind))}
KEYS = ("extends", *WORDS, *LISTS, *TABLES, *RECORDS)
NOT_OF_A_THEME = ("form", "layout", "passes")


def style_names() -> tuple[str, ...]:
    """The styles that archviz and other installed packages bring."""
    return known_names("styles")


def theme_names() -> tuple[str, ...]:
    """The themes that archviz and other installed packages bring."""
    return known_names("themes")


def load_style(name_or_path: str | Path, overrides: Mapping[str, str] | None = None,
               theme: str | Path | None = None) -> Style:
    """The style of a name, or in a file, with a theme and then single settings on top.

    Parameters
    ----------
    name_or_path : str or Path
        A style's name, or a YAML file.
    overrides : Mapping, optional
        Settings by their place, written as in YAML: ``{"page.width": "84mm", "roles.conv.fill": "#f00"}``.
    theme : str or Path, optional
        A theme's name, or a YAML file.

    Returns
    -------
    Style
        With everything read and checked.

    Raises
    ------
    ArchvizError
        With file and line, for anything it does not know or cannot read.
    """
    return layers(name_or_path, overrides, theme).style(Path(name_or_path).stem)


def layers(name_or_path: str | Path, overrides: Mapping[str, str] | None = None,
           theme: str | Path | None = None) -> Settings:
    """The same, not yet read: every setting still as it is written in its file."""
    files = chain("styles", locate("styles", str(name_or_path)))
    settings = Settings(dict(files))
    for path, content in files:
        settings.add(content, "shipped" if path.parent == shipped("styles") else "own", path.parent)
    if all(path.parent != shipped("styles") or path.stem == "base" for path, _ in files):
        settings.complete(files[-1][0])
    for path, content in chain("themes", locate("themes", str(theme))) if theme else ():
        settings.add(content, "theme", path.parent)
    for key, value in (overrides or {}).items():
        settings.override(key, value)
    return settings


def length(string: str) -> float:
    """Printed points of ``"174mm"``, ``"3.4in"``, ``"8cm"``, ``"240pt"``, ``"240"`` (points), ``"column"``, ``"page"``.

    Raises `ArchvizError` for anything else, and for what is not a positive size.
    """
    value = WIDTHS.get(string) or located_yaml.points(string)
    if value is None or not 0 < value < 1e5:
        raise ArchvizError(f"{string!r} is not a length", "write it as 174mm, 3.4in, 8cm, 240pt, column or page")
    return value


class Settings:
    """The settings of all layers by name, each still a value that knows where it was written."""

    def __init__(self, files: Mapping[Path, Written]) -> None:
        self.files = files
        self.plain: dict[str, Written] = {}
        self.asked: dict[str, tuple[Written, str]] = {}     # option → where the user or a theme wrote it, and which
        self.tables: dict[str, dict[str, Written]] = {key: {} for key in TABLES}
        self.records: dict[str, dict[str, dict[str, Written]]] = {key: {} for key in RECORDS}

    def add(self, layer: Written, whose: str, folder: Path = Path()) -> None:
        """Lay one file, which lies in `folder`, on top.

        whose    "shipped" adds sizes and roles; what is the user's "own" changes them, and adds its own where it
                 extends nothing or brings a form; a "theme" changes them, and may name those of other styles
        """
        table = list(located_yaml.items(layer))
        adds = whose == "shipped" or (whose == "own" and (
            not self.plain or any(name == "form" and _brought(value) for _, name, value in table)))
        for key, name, value in table:
            if name not in KEYS:
                located_yaml.refuse(key, "key", name, KEYS)
            if whose == "theme" and name in NOT_OF_A_THEME:
                raise located_yaml.mistake(key, f"a theme cannot set {name!r}", f"a style does: extends: …, {name}: …")
            if name == "form" and isinstance(value.value, str) and value.value.endswith(".py"):
                value = Written(str((folder / Path(value.value).expanduser()).resolve()), value.where)
            if name in TABLES:
                self._table(name, value, whose, adds)
            elif name in RECORDS:
                for k, record, settings in located_yaml.items(value):
                    known: Iterable[str] = KINDS if name == "kinds" else self.records[name]
                    if record in known or (name == "roles" and (adds or _derived(record, known))):
                        _lay(settings, self.records[name].setdefault(record, {}), RECORDS[name])
                    elif whose == "theme" and name == "roles" and _derived(record, self._others["roles"], True):
                        _lay(settings, {}, RECORDS[name])
                    else:
                        located_yaml.refuse(k, name.rstrip("s"), record, known)
            else:
                self.plain[name] = value

    def _table(self, name: str, table: Written, whose: str, adds: bool) -> None:
        known = {"page": tuple(f.name for f in fields(Page)), "sizes": self.tables["sizes"],
                 "narrow": ("page", "type", *self.tables["sizes"]), "heat": HEAT}.get(name)
        for key, entry, value in located_yaml.items(table):
            if known is None or entry in known or (adds and name == "sizes"):
                self.tables[name][entry] = value
                if name == "options" and whose != "shipped":
                    self.asked[entry] = value, whose
            elif not (whose == "theme" and name in ("sizes", "narrow") and entry in self._others["sizes"]):
                located_yaml.refuse(key, "size" if name in ("sizes", "narrow") else "key", entry, known)

    @cached_property
    def _others(self) -> dict[str, set[str]]:
        """The sizes and roles of all that archviz brings: read only when a theme names one that this style has not."""
        names: dict[str, set[str]] = {"sizes": set(), "roles": set()}
        for style in ("base", *own_names("styles")):
            path = shipped("styles") / f"{style}.yaml"
            for _, section, table in located_yaml.items(self.files.get(path) or content_of(path, "style")):
                if section in names:
                    names[section].update(name for _, name, _ in located_yaml.items(table))
        return names

    def complete(self, path: Path) -> None:
        """Refuse a style that stands on none of ours, and lacks what its form or the page around it needs."""
        ours = {name: layers(name) for name in own_names("styles")}
        form = self.plain["form"].value if "form" in self.plain else None
        like = [name for name, style in ours.items() if style.plain["form"].value == form] or list(ours)
        for what, have, all_needed in (
                ("size", self.tables["sizes"], [set(ours[name].tables["sizes"]) for name in like]),
                ("role", self.records["roles"], [set(ours[name].records["roles"]) for name in like])):
            lacking = sorted(set.intersection(*all_needed) - set(have))
            if form and lacking:
                more = f" and {len(lacking) - 1} more" if lacking[1:] else ""
                raise ArchvizError(f"{path}:1: this style lacks the {what} {lacking[0]!r}{more}",
                                   f"say 'extends: {like[0]}', which has all it needs")

    def override(self, key: str, string: str) -> None:
        """One setting by its dotted name; its value needs no quotes, a list is written ``[a, b]``."""
        section, _, rest = key.partition(".")
        parts = rest.rsplit(".", 1) if section in RECORDS else [rest] if rest else []
        if section in KEYS and len(parts) != (2 if section in RECORDS else 1 if section in TABLES else 0):
            example = {"roles": "roles.conv.fill", "kinds": "kinds.conv.shape", "page": "page.width"}.get(
                section, f"{section}.<name>" if section in TABLES else section)
            raise ArchvizError(f"there is no setting {key!r}", f"write it as {example}")
        where = f"setting {key}"
        value = Written(string, where)
        if section in LISTS or parts[-1:] == ["dash"]:
            value = located_yaml.read(string, where)
        for name in reversed([section, *parts]):
            value = Written({Written(name, where): value}, where)
        self.add(value, "own")

    def style(self, name: str) -> Style:
        """All settings read and checked."""
        for key in ("form", "layout"):
            if key not in self.plain:
                raise ArchvizError(f"the style {name!r} names no {key}", "add 'extends: block', or name one")
        words = {key: located_yaml.word(self.plain[key]) for key in WORDS if key in self.plain}
        for key, known in zip(WORDS, (names("forms"), names("layouts"), DIRECTIONS, STREAMS, LEGENDS), strict=True):
            if key in words and not (key == "form" and words[key].endswith(".py")):
                located_yaml.one_of(self.plain[key], key, known)
        palette = self.tables["colors"]
        for at in palette.values():
            rgb(at, located_yaml.word(at))
        page = Page(**{key: _length(at) for key, at in self.tables["page"].items()})
        roles = {role: _paint(settings, palette, page.min_font) for role, settings in self.records["roles"].items()}
        return Style(
            name=name, **words, page=page, roles=roles, kinds=self._kinds(roles),
            passes=self._list("passes", "pass", names("passes")), fuse=self._list("fuse"),
            hide=self._list("hide", "kind", KINDS),
            captions={key: _template(at) for key, at in self.tables["captions"].items()},
            titles={key: _template(at) for key, at in self.tables["titles"].items()},
            sizes={key: located_yaml.number(at) for key, at in self.tables["sizes"].items()},
            options=self._options(self.plain["form"]),
            narrow={key: located_yaml.number(at) for key, at in self.tables["narrow"].items()},
            heat={key: located_yaml.word(at) for key, at in self.tables["heat"].items()})

    def _list(self, key: str, what: str = "word", known: Iterable[str] | None = None) -> tuple[str, ...]:
        listed = located_yaml.listed(self.plain[key]) if key in self.plain else ()
        return tuple(located_yaml.word(at) if known is None else located_yaml.one_of(at, what, known) for at in listed)

    def choices(self, form: Written) -> Mapping[str, Option]:
        """What the form leaves to choose.  Raises `ArchvizError`, with the line of `form`, where that is no form."""
        with located_yaml.blamed(form):
            module = find("forms", located_yaml.word(form))
        for function in ("sizes", "frames", "draw", "legend"):
            if not callable(getattr(module, function, None)):
                raise located_yaml.mistake(form, f"the form {form} has no function {function}",
                                           "see archviz/drawing/forms/__init__.py")
        options: Mapping[str, Option] = traits("forms", located_yaml.word(form)).options
        return options

    def _options(self, form: Written) -> dict[str, Any]:
        """The options of the form.  A style may extend one of another form, whose options then mean nothing."""
        known = self.choices(form)
        for name, (at, whose) in self.asked.items():
            if name not in known and not (whose == "theme" and name in _options_of_forms()):
                others = _options_of_forms().get(name)
                hint = f"only the form {others} has it, not {form}" if others else (
                    did_you_mean(name, known) if known else f"the form {form} has no options")
                raise located_yaml.mistake(at, f"unknown option {name!r}", hint)
        choices = {}
        for name, option in known.items():
            at = self.tables["options"].get(name) or Written(option.default, f"the form {form}")
            try:
                choices[name] = option.read(located_yaml.word(at))
            except ValueError as error:
                raise located_yaml.mistake(at, f"the option {name} {error}, not {at}") from None
        return choices

    def _kinds(self, roles: Mapping[str, Paint]) -> dict[str, Kind]:
        kinds = {}
        for kind, settings in self.records["kinds"].items():
            role = located_yaml.one_of(settings["role"], "role", roles) if "role" in settings else kind
            if role not in roles:
                raise ArchvizError(f"the kind {kind!r} has no paint", f"add a role {kind!r}, or name another: role: …")
            shape = located_yaml.one_of(settings["shape"], "shape", SHAPES) if "shape" in settings else "box"
            kinds[kind] = Kind(role, shape, located_yaml.string(settings["name"]) if "name" in settings else kind)
        return kinds


def _brought(form: Written) -> bool:
    """Is this a form of the user's, or of another package?"""
    return form.value in plugged("forms") or (isinstance(form.value, str) and form.value.endswith(".py"))


def _derived(role: str, known: Iterable[str], itself: bool = False) -> bool:
    """Is it a part of a known role, as `Scene.paint` names them (with `itself`: or a known role)?"""
    base, _, part = role.rpartition(" ")
    return (itself and role in known) or (part in PARTS and base in known)


def _options_of_forms() -> dict[str, str]:
    """Option → a form that has it, as far as the forms of other packages can be loaded."""
    forms: dict[str, str] = {}
    for form in names("forms"):
        with suppress(ArchvizError):
            forms.update(dict.fromkeys(traits("forms", form).options, form))
    return forms


def _lay(table: Written, onto: dict[str, Written], known: tuple[str, ...]) -> None:
    for key, name, value in located_yaml.items(table):
        if name not in known:
            located_yaml.refuse(key, "key", name, known)
        onto[name] = value


def _length(at: Written) -> float:
    string = located_yaml.word(at)
    with located_yaml.blamed(at):
        return length(string)


def _template(at: Written) -> str:
    template = located_yaml.string(at)
    with located_yaml.blamed(at):
        text.check(template)
    return template


LOOKS: Mapping[str, Callable[[Written], Any]] = {
    "hatch": lambda at: "" if at.value == "none" else located_yaml.one_of(at, "hatch", HATCHES[1:]),
    "cap": lambda at: located_yaml.one_of(at, "cap", ("butt", "round")),
    "dash": lambda at: tuple(map(located_yaml.number, located_yaml.listed(at))),
    "opacity": lambda at: located_yaml.number(at, 0.0, 1.0),
    "weight": lambda at: located_yaml.one_of(at, "weight", ("normal", "bold")),
    "italic": located_yaml.truth,
}
"""How the settings of a role are read that are neither colours nor plain numbers."""


def _paint(settings: Mapping[str, Written], palette: Mapping[str, Written], min_font: float) -> Paint:
    colours = ("fill", "stroke", "hatch_color", "color")
    read: dict[str, Any] = {key: colour(at, palette) if key in colours else LOOKS.get(key, located_yaml.number)(at)
                            for key, at in settings.items()}
    paint = Paint(**{key: value for key, value in read.items() if value is not None})
    # The page's smallest font size is a promise: no role prints below it.
    return replace(paint, size=max(paint.size, min_font))
