"""Where styles and themes lie: those that archviz brings, those of other packages, and a user's own files.

In: a name or a path.  Out: the file and those it extends, as values that know where they were written.

A package adds a style ``fancy`` by an entry point ``fancy = "its.package"`` in the group ``archviz.styles`` (themes:
``archviz.themes``); the file is ``fancy.yaml`` in the folder of that package.
"""
from __future__ import annotations

from functools import cache, lru_cache
from importlib import resources
from pathlib import Path

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.files import PACKAGE
from archviz.core.plugins import plugged
from archviz.style import located_yaml
from archviz.style.located_yaml import Written

KINDS = {"styles": "style", "themes": "theme"}      # group → what one of them is called


def shipped(group: str) -> Path:
    """The folder of what archviz brings: inside the installed package, or beside it in a checkout."""
    folder = PACKAGE / "styles" if (PACKAGE / "styles").is_dir() else PACKAGE.parent / "styles"
    return folder / "themes" if group == "themes" else folder


def own_names(group: str) -> tuple[str, ...]:
    """The styles, or the themes, that archviz brings."""
    return tuple(sorted(path.stem for path in shipped(group).glob("*.yaml") if path.stem != "base"))


@cache
def own_files() -> tuple[Path, ...]:
    """All files that archviz draws with: its code, and the styles and themes it brings."""
    code = PACKAGE.rglob("*.py")
    return tuple(sorted({*code, *shipped("styles").resolve().rglob("*.yaml")}))


def known_names(group: str) -> tuple[str, ...]:
    """The names one may ask `locate` for."""
    return tuple(sorted({*own_names(group), *plugged(group)}))


def locate(group: str, name: str, near: Path = Path()) -> Path:
    """The file of the style or theme called `name`, or at the path `name`, seen from the folder `near`.

    Raises `ArchvizError` where there is none.
    """
    what = KINDS[group]
    if name.endswith((".yaml", ".yml")) or "/" in name or "\\" in name:
        path = near / Path(name).expanduser()
        if not path.is_file():
            raise ArchvizError(f"there is no {what} file {str(path)!r}")
        return path.resolve()
    if name in own_names(group) or (group, name) == ("styles", "base"):
        return shipped(group) / f"{name}.yaml"
    if name not in plugged(group):
        raise ArchvizError(f"there is no {what} {name!r}", did_you_mean(name, known_names(group)))
    entry = plugged(group)[name]
    try:
        path = Path(str(resources.files(entry.value).joinpath(f"{name}.yaml")))
    except (ImportError, TypeError) as error:
        raise ArchvizError(f"the {what} {name!r} of the package {entry.value} is out of reach: {error}") from None
    if not path.is_file():
        raise ArchvizError(f"the package {entry.value} announces a {what} {name!r}, but has no {name}.yaml")
    return path.resolve()


def chain(group: str, path: Path) -> list[tuple[Path, Written]]:
    """The files to read and what is in them, the one that extends nothing first."""
    files: list[tuple[Path, Written]] = []
    while True:
        content = content_of(path, KINDS[group])
        files.append((path, content))
        parent = next((value for _, name, value in located_yaml.items(content) if name == "extends"), None)
        if parent is None:
            return files[::-1]
        name = located_yaml.word(parent)
        with located_yaml.blamed(parent):
            path = locate(group, name, path.parent)
        if any(path == file for file, _ in files):
            raise located_yaml.mistake(parent, f"extends {parent}, which in the end extends this file itself")


def content_of(path: Path, what: str) -> Written:
    """What is in one file.  Raises `ArchvizError`."""
    try:
        return _read(path.read_bytes(), str(path))
    except OSError as error:
        raise ArchvizError(f"the {what} {str(path)!r} cannot be read: {error.strerror}") from None


@lru_cache(maxsize=64)
def _read(content: bytes, name: str) -> Written:
    """The same bytes are asked for several times a figure, and for all figures of a document."""
    return located_yaml.read(content, name)
