"""A folder is a registry: the names of what can be plugged in, and how to get one by name.

In: a kind (``"passes"``, ``"layouts"``, ``"forms"``, ``"backends"``, ``"methods"``) and a name.  Out: the module.  A
file in ``archviz/<kind>/`` is found without being registered; other packages join through entry points
``archviz.<kind>``.  A form may also be named by the path of its Python file, which is then run.
"""
from __future__ import annotations

import importlib
import pkgutil
import sys
import traceback
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from archviz.errors import ArchvizError


@cache
def names(kind: str) -> tuple[str, ...]:
    """The names one may ask `find` for."""
    package = importlib.import_module(f"archviz.{kind}")
    own = {info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")}
    return tuple(sorted({*own, *plugged(kind)}))


@cache
def _installed() -> Any:
    """What every installed package announces, read once as it opens many files; its type differs among Pythons."""
    return entry_points()


@cache
def plugged(kind: str) -> Mapping[str, EntryPoint]:
    """What other packages add, by name: the entry points of the group ``archviz.<kind>``."""
    return {entry.name: entry for entry in _installed().select(group=f"archviz.{kind}")}


@cache
def find(kind: str, name: str) -> ModuleType:
    """The module that implements `name`.  Raises `ArchvizError` with the nearest names for an unknown one."""
    if name.endswith(".py"):
        return _file(Path(name))
    if name in plugged(kind):
        return _loaded(kind, plugged(kind)[name])
    if name not in names(kind):
        raise ArchvizError(f"there is no {name!r} among the {kind}", did_you_mean(name, names(kind)))
    return importlib.import_module(f"archviz.{kind}.{name}")


def _loaded(kind: str, entry: EntryPoint) -> ModuleType:
    """What another package adds.  Raises `ArchvizError` when it cannot be imported, or is no module."""
    try:
        loaded = entry.load()
    except Exception as error:
        raise ArchvizError(f"archviz.{kind}: {entry.name!r} of {entry.value} cannot be loaded: {type(error).__name__}: "
                           + " ".join(str(error).split())) from error
    if not isinstance(loaded, ModuleType):
        raise ArchvizError(f"archviz.{kind}: {entry.name!r} is {entry.value}, which is not a module")
    return loaded


def _file(path: Path) -> ModuleType:
    """Run a Python file as a module of its own.  Raises `ArchvizError` when it is not there or does not run."""
    if not path.is_file():
        raise ArchvizError(f"there is no file {str(path)!r}")
    module = ModuleType(str(path))
    module.__file__ = str(path)
    sys.modules[str(path)] = module     # dataclasses look their module up there
    try:
        exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)
    except Exception as error:
        del sys.modules[str(path)]
        lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
        line = lines[-1] if lines else getattr(error, "lineno", None) or 1
        raise ArchvizError(f"{path}:{line}: {type(error).__name__}: {' '.join(str(error).split())}") from error
    return module


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known words, or all of them when they are few."""
    known = sorted(known)
    near = get_close_matches(word, known, n=2, cutoff=0.6)
    if not near:        # a longer or a shorter form of it
        near = [one for one in known if min(len(one), len(word)) > 2 and (word.startswith(one) or one.startswith(word))]
        near = sorted(near, key=len)[-2:]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(known)}" if 0 < len(known) <= 30 else ""
