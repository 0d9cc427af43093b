"""The project file: what the figures of a project have in common, and what is said about single layers of its models.

In: a target as on the command line, or a table of Python values.  Out: a `Project`, and `Options` with its wishes below
those of the command line.

The file is ``archviz.yaml``, or the table ``[tool.archviz]`` of a ``pyproject.toml``: options of the command line by
their long names, and below ``models``, by glob on the model's name, its class or factory, or its file, options,
``layers`` and ``groups`` (an example is in docs/project-file.rst).  It is looked for beside the model's file (for
``package.module`` in the current folder), then in each folder above, up to the first that holds a ``pyproject.toml`` or
``.git``; without one, up to the current folder.  Nothing in it is run.
"""
from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol, TypeVar

from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import JOINTS, KINDS, SOURCES
from archviz.style import located_yaml
from archviz.style.located_yaml import Written
from archviz.style.option import Declaration
from archviz.style.overrides import Bundle, Overrides, Rule
from archviz.style.style import length, load_style

NAME, SHARED = "archviz.yaml", "pyproject.toml"
ROOTS = (SHARED, ".git")            # what marks the topmost folder of a project
DRAWN_AS = tuple(kind for kind in KINDS[:KINDS.index("failed")]
                 if kind not in SOURCES | JOINTS | {"output"})
"""Kinds that a layer may be said to be: those drawn as a box."""

class _Options(Protocol):
    """A value of options that say what they are, a named tuple."""

    @staticmethod
    def declared() -> Mapping[str, Declaration]: ...

    @property
    def _replace(self) -> Callable[..., Any]: ...


AnyOptions = TypeVar("AnyOptions", bound=_Options)


@dataclass(frozen=True)
class Section:
    """What is said about one model: options by the name of their field, and what is said of its layers."""

    pattern: str
    options: Mapping[str, Any] = field(default_factory=dict)
    overrides: Overrides = Overrides()


@dataclass(frozen=True)
class Project:
    """One project file: `options` for all models, `models` for those whose name fits their pattern, in its order."""

    path: Path
    options: Mapping[str, Any]
    models: tuple[Section, ...] = ()

    def sections(self, names: Iterable[str]) -> tuple[Section, ...]:
        """The sections about the model of these names."""
        names = tuple(names)
        return tuple(s for s in self.models if any(fnmatchcase(name, s.pattern) for name in names))


def project_of(target: str, options: AnyOptions, folder: Path | None = None) -> Project | None:
    """The project file that holds for `target`; `options` is any value of the options it may set.  Raises
    `ArchvizError`, with file and line, for whatever is wrong in the file."""
    path = find_project(target, folder)
    if path is None:
        return None
    if path.name == SHARED:
        table = _shared(path)
        assert table is not None
        return _project(table, path, options)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArchvizError(f"{path} cannot be read: {error.strerror}") from None
    return _project(located_yaml.read(content, _short(path)), path, options)


def find_project(target: str, folder: Path | None = None) -> Path | None:
    """The file that holds for `target`: the nearest one, see above; `folder` stands for the current one."""
    return next((path for path in places(target, folder)
                 if path.is_file() and (path.name == NAME or _shared(path) is not None)), None)


def places(target: str, folder: Path | None = None) -> tuple[Path, ...]:
    """The files that may hold for `target`, the nearest first, be they there or not."""
    file = re.fullmatch(r"(.*\.(?:py|json))(?::.*)?", target, re.DOTALL)
    here = (folder or Path.cwd()).resolve()
    start = Path(file[1]).resolve().parent if file else here
    above = [start, *start.parents]
    roots = (i for i, one in enumerate(above) if any((one / root).exists() for root in ROOTS))
    last = next(roots, above.index(here) if here in above else 0)
    return tuple(folder / name for folder in above[:last + 1] for name in (NAME, SHARED))


def configured(options: AnyOptions, project: Project | None, target: str = "", name: str = "") -> AnyOptions:
    """`options` with what the project says wherever they say nothing.

    `target`, as on the command line, and `name`, which the model has in its figure, choose what is said about one
    model; without them, what is said about all.  A list that is given replaces the project's; ``set`` is merged key by
    key.
    """
    if project is None:
        return options
    sections = project.sections({name, *_called(target)} - {""})
    below: dict[str, Any] = {}
    for layer in (project.options, *(section.options for section in sections)):
        _lay(below, layer)
    short = {name: declared.setting for name, declared in _declarations(options).values()}
    changed: dict[str, Any] = {}
    for key, value in below.items():
        asked = getattr(options, key)
        if isinstance(value, Mapping):
            changed[key] = {**value, **asked}
        elif (asked is None or asked is False or asked == ()) \
                and short[key] not in getattr(options, "settings", {}):
            changed[key] = value
    rules = tuple(rule for section in sections for rule in section.overrides.rules)
    groups = tuple(group for section in sections for group in section.overrides.groups)
    filled: AnyOptions = options._replace(**changed, overrides=Overrides(rules, groups))
    return filled


def _called(target: str) -> set[str]:
    """The names a target gives its model: the class or factory, and the file or module it is in."""
    file = re.fullmatch(r"(.*\.(?:py|json))(?::(.*))?", target, re.DOTALL)
    place, _, name = (file[1], "", file[2] or "") if file else target.partition(":")
    return {name, Path(place).stem if file else place.rpartition(".")[2]}


def written_overrides(table: Mapping[str, Any]) -> Overrides:
    """``{"layers": …, "groups": …}`` as in a model's section of the file, but written in Python."""
    return _section("", _from_python(table, "overrides"), {}, None).overrides


def _short(path: Path) -> str:
    """The file's name in messages: from the current folder where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _shared(path: Path) -> Written | None:
    """The table ``[tool.archviz]`` of a ``pyproject.toml``, if it has one."""
    content = path.read_bytes()
    if b"archviz" not in content:
        return None
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tables = tomllib.loads(content.decode()).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ArchvizError(f"{_short(path)}: not valid TOML: {error}") from None
    table = tables.get("archviz") if isinstance(tables, dict) else None
    return None if table is None else _from_python(table, f"{_short(path)}: tool.archviz")


def _from_python(value: Any, where: str) -> Written:
    """Plain values as if they had been written in a file; each knows the keys that lead to it."""
    if isinstance(value, Mapping):
        return Written({Written(str(key), where): _from_python(item, f"{where}.{key}") for key, item in value.items()},
                       where)
    if isinstance(value, (list, tuple)):
        return Written(tuple(_from_python(item, where) for item in value), where)
    if isinstance(value, bool):
        return Written("true" if value else "false", where)
    return Written(None if value is None else str(value), where)


Declarations = Mapping[str, tuple[str, Declaration]]
"""What an option is called in the file → its field, and what is declared of it."""


def _declarations(options: _Options) -> Declarations:
    return {"set" if name == "settings" else name.replace("_", "-"): (name, declared)
            for name, declared in options.declared().items()}


def _project(at: Written, path: Path, options: Any) -> Project:
    known = _declarations(options)
    common: dict[str, Any] = {}
    sections = []
    for key, name, value in located_yaml.items(at):
        if name == "models":
            for _, pattern, content in located_yaml.items(value):
                sections.append(_section(pattern, content, known, path))
        elif name in ("layers", "groups"):
            raise located_yaml.mistake(key, f"{name} are those of a model", f'write them below models: "*": {name}: …')
        else:
            _lay(common, _option(key, name, value, known, path, "models"))
    return Project(path, _checked(common, common, known), tuple(
        replace(section, options=_checked(section.options, {**common, **section.options}, known))
        for section in sections))


def _checked(options: Mapping[str, Any], common: Mapping[str, Any], known: Declarations) -> dict[str, Any]:
    """`options` with what the style's form reads as text, each tried on that style: a mistake is told with its line."""
    def tried(name: str, at: Written) -> str:
        value = located_yaml.string(at)
        with located_yaml.blamed(at):
            load_style(common.get("style") or "block", {name: value})
        return value

    short = {name: declared.setting for name, declared in known.values()}
    checked = {**options}
    for name, value in options.items():
        if isinstance(value, Written):
            checked[name] = tried(short[name], value)
        elif name == "settings":
            checked[name] = {setting: tried(setting, at) for setting, at in value.items()}
    return checked


def _section(pattern: str, at: Written, known: Declarations, path: Path | None) -> Section:
    options: dict[str, Any] = {}
    rules: list[Rule] = []
    groups: list[Bundle] = []
    for key, name, value in located_yaml.items(at):
        if name == "layers":
            rules += [_rule(k, glob, settings) for k, glob, settings in located_yaml.items(value)]
        elif name == "groups":
            for k, called, members in located_yaml.items(value):
                listed = tuple(located_yaml.word(member) for member in located_yaml.listed(members))
                if not listed:
                    raise located_yaml.mistake(k, f"the group {called!r} is empty")
                groups.append(Bundle(text.clean(called), k.where, listed))
        else:
            _lay(options, _option(key, name, value, known, path, "layers", "groups"))
    return Section(pattern, options, Overrides(tuple(rules), tuple(groups)))


def _rule(key: Written, pattern: str, at: Written) -> Rule:
    changes: dict[str, Any] = {}
    for k, name, value in located_yaml.items(at):
        if name not in LAYER:
            located_yaml.refuse(k, "key", name, LAYER)
        changes[name] = LAYER[name](value)
    if "color" in changes:
        changes.setdefault("legend", changes.get("label") or text.clean(pattern))
    return Rule(pattern, key.where, changes)


def _color(at: Written) -> str:
    digits = located_yaml.word(at).lower() if at.value is not None else ""
    if not re.fullmatch(r"#([0-9a-f]{3}|[0-9a-f]{6})", digits):
        raise located_yaml.mistake(at, f"{at.value or 'nothing'} is not a colour", 'write it as "#rrggbb", in quotes')
    return digits[1:] if len(digits) == 7 else "".join(2 * digit for digit in digits[1:])


def _words(at: Written) -> str:
    return text.clean(located_yaml.word(at))


LAYER: Mapping[str, Callable[[Written], Any]] = {
    "label": _words, "kind": lambda at: located_yaml.one_of(at, "kind", DRAWN_AS), "color": _color, "legend": _words,
    **dict.fromkeys(("frozen", "hide", "collapse", "expand"), located_yaml.truth)}
"""What may be said of a layer, and how it is read."""


def _lay(options: dict[str, Any], more: Mapping[str, Any]) -> None:
    for key, value in more.items():
        options[key] = {**options.get(key, {}), **value} if isinstance(value, Mapping) else value


def _option(key: Written, name: str, at: Written, known: Declarations, path: Path | None, *others: str
            ) -> dict[str, Any]:
    """One option as ``{field: value}``; its `Declaration` says what may stand there."""
    if name not in known:
        located_yaml.refuse(key, "key", name, (*known, *others))
    option, declared = known[name]
    return {} if declared.kind == "levels" and at.value == "auto" else {option: _value(at, option, declared, path)}


def _value(at: Written, name: str, declared: Declaration, path: Path | None) -> Any:
    match declared.kind:
        case "words":
            one = isinstance(at.value, str)
            return tuple(located_yaml.word(item) for item in ((at,) if one else located_yaml.listed(at)))
        case "settings":
            return {setting: value for _, setting, value in located_yaml.items(at)}
        case "levels":
            if not re.fullmatch(r"\d+", located_yaml.word(at)):
                raise located_yaml.mistake(at, f"here must stand a number or auto, not {at}")
            return int(located_yaml.word(at))
        case "switch":
            return located_yaml.truth(at)
    value = located_yaml.string(at)
    if declared.kind == "length":
        with located_yaml.blamed(at):
            length(value)
    elif declared.names is not None and path is not None and value.endswith((".yaml", ".yml")):
        value = str(path.parent / Path(value).expanduser())       # as seen from the project file
        if not Path(value).is_file():
            raise located_yaml.mistake(at, f"there is no {name} file {value!r}")
    elif declared.names is not None:
        located_yaml.one_of(at, name, declared.names())
    elif declared.setting.startswith("options."):
        return at               # for the form to read, in whatever style it will be
    elif declared.choices:
        located_yaml.one_of(at, name, declared.choices)
    return value
