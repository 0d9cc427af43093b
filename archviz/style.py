"""Styles: YAML → `Style`, the data that says which form, layout, passes, colours, captions and sizes a figure has.

In: the name of a style that archviz brings, or the path of a YAML file; single settings to override.  Out: a `Style`.
Imports ir, scene, text, written, find, errors.  Lengths are printed points (1/72.27 in); in YAML also "174mm", "3.4in".

A file may say ``extends: base``; what it says itself goes on top, role by role and setting by setting (lists are
replaced whole).  Colours are written as in LaTeX: "#0072B2", a name of the table ``colors``, ``blue!35`` (35 % blue in
white), ``blue!60!black``, or none.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from archviz import text, written
from archviz.errors import ArchvizError
from archviz.find import did_you_mean, find, names
from archviz.forms import Option
from archviz.ir import KINDS
from archviz.scene import POINTS_PER_MM, Paint
from archviz.written import Written

WIDTHS = {"column": 84 * POINTS_PER_MM, "page": 174 * POINTS_PER_MM}
DIRECTIONS = ("auto", "down", "right")
SHAPES = ("box", "stadium", "trapezoid", "trapezoid up", "glyph", "text", "parallelogram", "dashed")


@dataclass(frozen=True, slots=True)
class Page:
    """The room a figure may take and its smallest font size, in printed points."""

    width: float = WIDTHS["page"]
    max_height: float = 230 * POINTS_PER_MM
    min_font: float = 6.0


@dataclass(frozen=True, slots=True)
class Kind:
    """How a kind of node is drawn: the role of its outline, one of `SHAPES`, and its name in the legend."""

    role: str
    shape: str = "box"
    name: str = ""


@dataclass(frozen=True)
class Style:
    """Everything about a figure that is data.

    passes    names of passes in the order they run
    fuse      rules like ``conv > norm > act``
    hide      kinds that are not drawn
    roles     role → Paint: the sheet of the scene
    captions  op → template (see `text.fill`), ``default`` for the others
    kinds     kind of node → how it is drawn
    titles    class name → a reader's name for it, or a template
    sizes     every padding and gap by name, printed points
    options   what the form leaves to choose (its ``OPTIONS``), as it reads them
    narrow    how a page narrower than ``page`` points is set tighter: a factor for the ``type`` and for sizes by name
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


WORDS = ("form", "layout", "direction")                             # key → one word
LISTS = ("passes", "fuse", "hide")                                  # key → a list of words
TABLES = ("page", "colors", "captions", "titles", "sizes", "options", "narrow")    # key → name → value
RECORDS = {"roles": tuple(f.name for f in fields(Paint)),           # key → name → setting → value
           "kinds": tuple(f.name for f in fields(Kind))}
KEYS = ("extends", *WORDS, *LISTS, *TABLES, *RECORDS)


def style_names() -> tuple[str, ...]:
    """The styles that archviz brings."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml") if path.stem != "base"))


def load_style(name_or_path: str | Path, overrides: Mapping[str, str] | None = None) -> Style:
    """The style of that name, or in that file, with `overrides` on top.

    Overrides are named by their place, and written as in YAML: ``{"page.width": "84mm", "roles.conv.fill": "#f00"}``.
    Raises `ArchvizError`, with file and line, for anything it does not know or cannot read.
    """
    path = _find(str(name_or_path), Path())
    settings = _Settings()
    for file, content in _chain(path):
        settings.add(content, own=file.parent != _folder())
    for key, value in (overrides or {}).items():
        settings.override(key, value)
    return settings.style(path.stem)


def length(string: str) -> float:
    """Printed points of ``"174mm"``, ``"3.4in"``, ``"8cm"``, ``"240pt"``, ``"240"`` (points), ``"column"``, ``"page"``.

    Raises `ArchvizError` for anything else, and for what is not a positive size.
    """
    value = WIDTHS.get(string) or written.points(string)
    if value is None or not 0 < value < 1e5:
        raise ArchvizError(f"{string!r} is not a length", "write it as 174mm, 3.4in, 8cm, 240pt, column or page")
    return value


# ------------------------------------------------------------------------------------------------ files

def _folder() -> Path:
    """Where the shipped styles lie: inside the installed package, or beside it in a checkout."""
    here = Path(__file__).resolve().parent
    return here / "styles" if (here / "styles").is_dir() else here.parent / "styles"


def _find(name: str, near: Path) -> Path:
    if name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        path = near / Path(name).expanduser()
        if not path.is_file():
            raise ArchvizError(f"there is no style file {str(path)!r}")
        return path.resolve()
    if name not in (*style_names(), "base"):
        raise ArchvizError(f"there is no style {name!r}", did_you_mean(name, style_names()))
    return _folder() / f"{name}.yaml"


def _chain(path: Path) -> list[tuple[Path, Written]]:
    """The files to read and what is in them, the one that extends nothing first."""
    chain: list[tuple[Path, Written]] = []
    while True:
        try:
            content = written.read(path.read_bytes(), str(path))
        except OSError as error:
            raise ArchvizError(f"the style {str(path)!r} cannot be read: {error.strerror}") from None
        chain.append((path, content))
        parent = next((value for _, name, value in written.items(content) if name == "extends"), None)
        if parent is None:
            return chain[::-1]
        try:
            path = _find(written.word(parent), path.parent)
        except ArchvizError as error:
            raise written.mistake(parent, error.message, error.hint) from None
        if any(path == file for file, _ in chain):
            raise written.mistake(parent, f"extends {parent}, which in the end extends this file itself")


# ------------------------------------------------------------------------------------------------ colours

def _hex(at: Written, name: str) -> tuple[int, int, int]:
    if not re.fullmatch(r"#([0-9a-fA-F]{3}|[0-9a-fA-F]{6})", name):
        raise written.mistake(at, f"{name!r} is not a colour", 'write it as "#rrggbb", in quotes')
    digits = "".join(d * (2 if len(name) == 4 else 1) for d in name[1:])
    return int(digits[:2], 16), int(digits[2:4], 16), int(digits[4:], 16)


def _colour(at: Written, colors: Mapping[str, Written]) -> str | None:
    if at.value is None:
        raise written.mistake(at, "a colour is missing", 'write "#rrggbb" in quotes (# begins a comment), or none')
    whole = written.word(at)
    if whole == "none":
        return None

    def base(name: str) -> tuple[int, int, int]:
        if name.startswith("#"):
            return _hex(at, name)
        if name not in colors:
            raise written.mistake(at, f"unknown colour {name!r}", did_you_mean(name, colors))
        return _hex(colors[name], written.word(colors[name]))

    name, *mixes = whole.split("!")
    rgb: tuple[float, ...] = base(name)
    for i in range(0, len(mixes), 2):
        if not re.fullmatch(r"\d{1,2}|100", mixes[i]):
            raise written.mistake(at, f"{whole!r} is not a colour", "write a mixture as blue!35 or blue!60!black")
        part = int(mixes[i]) / 100
        other = base(mixes[i + 1]) if i + 1 < len(mixes) else (255, 255, 255)
        rgb = tuple(part * a + (1 - part) * b for a, b in zip(rgb, other, strict=True))
    return "#" + "".join(f"{round(value):02x}" for value in rgb)


# ------------------------------------------------------------------------------------------------ layers of settings

class _Settings:
    """The settings of all layers by name, each still a value that knows where it was written."""

    def __init__(self) -> None:
        self.plain: dict[str, Written] = {}
        self.mine: dict[str, Written] = {}      # the options that the user wrote
        self.tables: dict[str, dict[str, Written]] = {key: {} for key in TABLES}
        self.records: dict[str, dict[str, dict[str, Written]]] = {key: {} for key in RECORDS}

    def add(self, layer: Written, own: bool) -> None:
        """Lay one file on top.  `own`: it is the user's, who can change but not add a size or a role."""
        for key, name, value in written.items(layer):
            if name in TABLES:
                known = {"page": tuple(f.name for f in fields(Page)),
                         "sizes": tuple(self.tables["sizes"]) if own else None,
                         "narrow": ("page", "type", *self.tables["sizes"])}.get(name)
                _lay(value, self.tables[name], "size" if name in ("sizes", "narrow") else "key", known)
                if own and name == "options":
                    self.mine |= self.tables[name]
            elif name in RECORDS:
                records = self.records[name]
                allowed = KINDS if name == "kinds" else tuple(records) if own else None
                for k, record, settings in written.items(value):
                    if allowed is not None and record not in allowed:
                        written.refuse(k, name.rstrip("s"), record, allowed)
                    _lay(settings, records.setdefault(record, {}), "key", RECORDS[name])
            elif name in KEYS:
                self.plain[name] = value
            else:
                written.refuse(key, "key", name, KEYS)

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
            value = written.read(string, where)
        for name in reversed([section, *parts]):
            value = Written({Written(name, where): value}, where)
        self.add(value, own=True)

    def style(self, name: str) -> Style:
        """All settings read and checked."""
        for key in ("form", "layout"):
            if key not in self.plain:
                raise ArchvizError(f"the style {name!r} names no {key}", "add 'extends: block', or name one")
        words = {key: written.word(self.plain[key]) for key in WORDS if key in self.plain}
        for key, known in (("form", names("forms")), ("layout", names("layouts")), ("direction", DIRECTIONS)):
            if key in words:
                written.one_of(self.plain[key], key, known)
        colors = self.tables["colors"]
        for at in colors.values():
            _hex(at, written.word(at))
        page = Page(**{key: _length(at) for key, at in self.tables["page"].items()})
        roles = {role: _paint(settings, colors, page.min_font) for role, settings in self.records["roles"].items()}
        return Style(
            name=name, **words, page=page, roles=roles, kinds=self._kinds(roles),
            passes=self._list("passes", "pass", names("passes")), fuse=self._list("fuse"),
            hide=self._list("hide", "kind", KINDS),
            captions={key: _template(at) for key, at in self.tables["captions"].items()},
            titles={key: _template(at) for key, at in self.tables["titles"].items()},
            sizes={key: written.number(at) for key, at in self.tables["sizes"].items()},
            options=self._options(words["form"]),
            narrow={key: written.number(at) for key, at in self.tables["narrow"].items()})

    def _list(self, key: str, what: str = "word", known: Iterable[str] | None = None) -> tuple[str, ...]:
        listed = written.listed(self.plain[key]) if key in self.plain else ()
        return tuple(written.word(at) if known is None else written.one_of(at, what, known) for at in listed)

    def _options(self, form: str) -> dict[str, Any]:
        """What the form leaves to choose.  A style may extend one of another form, whose options then mean nothing."""
        known: Mapping[str, Option] = getattr(find("forms", form), "OPTIONS", {})
        for name, at in self.mine.items():
            if name not in known:
                hint = did_you_mean(name, known) if known else f"the form {form} has no options"
                raise written.mistake(at, f"unknown option {name!r}", hint)
        found = {}
        for name, option in known.items():
            at = self.tables["options"].get(name) or Written(option.default, f"the form {form}")
            try:
                found[name] = option.read(written.word(at))
            except ValueError as error:
                raise written.mistake(at, f"the option {name} {error}, not {at}") from None
        return found

    def _kinds(self, roles: Mapping[str, Paint]) -> dict[str, Kind]:
        found = {}
        for kind, settings in self.records["kinds"].items():
            role = written.one_of(settings["role"], "role", roles) if "role" in settings else kind
            if role not in roles:
                raise ArchvizError(f"the kind {kind!r} has no paint", f"add a role {kind!r}, or name another: role: …")
            shape = written.one_of(settings["shape"], "shape", SHAPES) if "shape" in settings else "box"
            found[kind] = Kind(role, shape, written.string(settings["name"]) if "name" in settings else kind)
        return found


def _lay(table: Written, onto: dict[str, Written], what: str, known: tuple[str, ...] | None) -> None:
    for key, name, value in written.items(table):
        if known is not None and name not in known:
            written.refuse(key, what, name, known)
        onto[name] = value


def _length(at: Written) -> float:
    string = written.word(at)
    try:
        return length(string)
    except ArchvizError as error:
        raise written.mistake(at, error.message, error.hint) from None


def _template(at: Written) -> str:
    template = written.string(at)
    try:
        text.check(template)
    except ArchvizError as error:
        raise written.mistake(at, error.message, error.hint) from None
    return template


def _paint(settings: Mapping[str, Written], colors: Mapping[str, Written], min_font: float) -> Paint:
    read: dict[str, Any] = {}
    for key, at in settings.items():
        match key:
            case "fill" | "stroke":
                read[key] = _colour(at, colors)
            case "color":
                read[key] = _colour(at, colors) or "#000000"
            case "dash":
                read[key] = tuple(written.number(part) for part in written.listed(at))
            case "opacity":
                read[key] = written.number(at, 0.0, 1.0)
            case "weight":
                read[key] = written.one_of(at, "weight", ("normal", "bold"))
            case "italic":
                read[key] = written.truth(at)
            case _:
                read[key] = written.number(at)
    paint = Paint(**read)
    # The page's smallest font size is a promise: no role prints below it.
    return replace(paint, size=max(paint.size, min_font))
