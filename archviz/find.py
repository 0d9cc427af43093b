"""A folder is a registry: the names of what can be plugged in, and how to get one by name.

In: a kind (``"passes"``, ``"layouts"``, ``"forms"``, ``"backends"``, ``"methods"``) and a name.  Out: the module.  A
file in ``archviz/<kind>/`` is found without being registered; other packages join through entry points
``archviz.<kind>``.
"""
from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from types import ModuleType
from typing import Any

from archviz.errors import ArchvizError


@cache
def names(kind: str) -> tuple[str, ...]:
    """The names one may ask `find` for."""
    package = importlib.import_module(f"archviz.{kind}")
    own = {info.name for info in pkgutil.iter_modules(package.__path__) if not info.name.startswith("_")}
    return tuple(sorted(own | set(_plugged(kind).names)))


@cache
def _installed() -> Any:
    """What every installed package announces, read once as it opens many files; its type differs among Pythons."""
    return entry_points()


def _plugged(kind: str) -> EntryPoints:
    found: EntryPoints = _installed().select(group=f"archviz.{kind}")
    return found


@cache
def find(kind: str, name: str) -> ModuleType:
    """The module that implements `name`.  Raises `ArchvizError` with the nearest names for an unknown one."""
    for entry in _plugged(kind):
        if entry.name == name:
            loaded = entry.load()
            assert isinstance(loaded, ModuleType), f"the entry point archviz.{kind}:{name} must name a module"
            return loaded
    if name not in names(kind):
        raise ArchvizError(f"there is no {name!r} among the {kind}", did_you_mean(name, names(kind)))
    return importlib.import_module(f"archviz.{kind}.{name}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A hint that names the nearest known words, or all of them when they are few."""
    known = sorted(known)
    near = get_close_matches(word, known, n=2, cutoff=0.6)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(known)}" if len(known) <= 30 else ""
