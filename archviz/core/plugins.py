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
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from archviz.core.errors import ArchvizError, did_you_mean

FOLDERS = {"forms": "archviz.drawing.forms", "layouts": "archviz.drawing.layouts", "passes": "archviz.passes",
           "backends": "archviz.backends", "methods": "archviz.insight.methods",
           "pictures": "archviz.insight.pictures"}
"""The package of each kind of plug-in; the entry points of other packages are in the groups ``archviz.<kind>``."""


@cache
def names(kind: str) -> tuple[str, ...]:
    """The names one may ask `find` for."""
    return tuple(sorted({*_own(kind), *plugged(kind)}))


@cache
def _own(kind: str) -> Mapping[str, str]:
    """What archviz brings: each name, and the file of the folder that holds it, which may be shared by several."""
    package = importlib.import_module(FOLDERS[kind])
    shared: Mapping[str, tuple[str, ...]] = getattr(package, "SHARED", {})
    files = [info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")]
    return {name: file for file in files for name in shared.get(file, (file,))}


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
    return importlib.import_module(f"{FOLDERS[kind]}.{_own(kind)[name]}")


def traits(kind: str, name: str) -> Any:
    """What a plug-in says of itself: its ``TRAITS``, or the defaults of the contract of its folder, ``Traits()``."""
    return getattr(find(kind, name), "TRAITS", None) or importlib.import_module(FOLDERS[kind]).Traits()


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
