"""Which files a figure was made from, so that documentation is built anew when one of them changes.

In: a target and the graph that was traced of it in this process.  Out: paths.  No code of the
user's runs: modules are looked up among those that are loaded, values in their dictionaries.

They are the files of the target's module, of those where the classes of the figure are defined, and of all that these
import, be it late, as far as it is loaded.  With a module counts the ``__init__.py`` of its package, but what that
imports only where a name is taken from the package: of a package that imports all of its models there, only one model's
files count.  Files of the project count, and those of the target's own package wherever it is installed.  Data files do
not, nor does what is found by a name that is computed, unless it is a class or a function.
"""
from __future__ import annotations

import ast
import re
import sys
import sysconfig
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from importlib.util import resolve_name
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from archviz.core.files import PACKAGE
from archviz.core.graph import Graph

LIBRARIES = frozenset({"site-packages", "dist-packages"})
STANDARD = Path(sysconfig.get_paths()["stdlib"]).resolve()
FRAMEWORKS = frozenset({"torch"})       # counts as a library also where it is installed from a checkout


def sources(target: str, graph: Graph) -> tuple[Path, ...]:
    """The files that the figure of `target` was made from, absolute and sorted.

    Call it right after `Job.trace`, in the same process: `graph` is what that gave.  A saved graph has one, itself.
    """
    if Path(target).suffix == ".json":
        return (Path(target).resolve(),)
    files: set[Path] = set()
    todo = [target.partition(":")[0]]
    if named := re.fullmatch(r"(.*\.py)(?::.*)?", target, re.DOTALL):
        file = Path(named[1]).resolve()
        files |= {file} if file.is_file() else set()
        todo = sorted(_running(file))
    tops = frozenset(name.partition(".")[0] for name in todo)
    todo += _homes(graph)
    reached: set[str] = set()
    while todo:
        name = todo.pop()
        if name in reached:
            continue
        reached.add(name)
        if (own := _file(name, tops)) is not None:
            files |= {own, *filter(None, (_file(package, tops) for package in _above(name)))}
            todo += _imports(name, own)
            todo += map(_home, list(_values(name).values()))
    return tuple(sorted(files))


def loaded(target: str) -> tuple[Path, ...]:
    """The files of all modules that are loaded and may be the project's: more than `sources`, but without a graph."""
    tops = frozenset([target.partition(":")[0].partition(".")[0]])
    return tuple(sorted({file for name in list(sys.modules) if (file := _file(name, tops)) is not None}))


def note_loaded() -> None:
    """Note which modules are loaded.  Call it before and after a trace, so that `changed` can tell."""
    for name, module in list(sys.modules.items()):
        if name not in _loaded or _loaded[name][0] is not module:
            _loaded[name] = (module, _noted[-1])
    _noted[:] = [time.time()]


def changed(files: Iterable[Path]) -> tuple[Path, ...]:
    """Those of `files` that were written, or removed, after they were loaded, as far as can be known.

    Whoever edits while documentation is built would else keep a figure of the old code for one of the new.
    """
    newer = []
    for file in files:
        since = min((_loaded[name][1] for name in _running(file) if name in _loaded), default=_noted[-1])
        try:
            written = file.stat().st_mtime
        except OSError:
            written = time.time()
        if since < written <= time.time():      # a later time is that of another machine's clock
            newer.append(file)
    return tuple(newer)


_noted = [time.time()]                              # when the loaded modules were last looked at
_loaded: dict[str, tuple[ModuleType, float]] = {}   # each with a time at which it was not loaded yet


def _file(name: str, tops: frozenset[str]) -> Path | None:
    """The file of a loaded module that is the project's, or of one of the top-level packages `tops`."""
    file, top = _values(name).get("__file__"), name.partition(".")[0]
    if not isinstance(file, str) or (top in FRAMEWORKS and top not in tops):
        return None
    path = Path(file).resolve()
    library = path.is_relative_to(STANDARD) or not LIBRARIES.isdisjoint(path.parts)
    apart = path.is_relative_to(PACKAGE) or not path.parent.is_dir() or (library and top not in tops)
    return None if apart else path


def _imports(name: str, file: Path) -> Iterator[str]:
    """The modules that a module's file, as it is now, may import; none where it cannot be read."""
    package = name if "__path__" in _values(name) else name.rpartition(".")[0]
    try:
        nodes = [*ast.walk(ast.parse(file.read_bytes()))] if file.suffix == ".py" else []
    except (OSError, SyntaxError, ValueError, RecursionError):      # which the figure's next run will tell
        return
    for node in nodes:
        match node:
            case ast.Import(names):
                for alias in names:
                    yield from (alias.name, *_above(alias.name))
            case ast.ImportFrom(start, names, level):
                with suppress(ImportError):         # of what is above the topmost package
                    home = resolve_name("." * level + (start or ""), package)
                    for alias in names:
                        below = f"{home}.{alias.name}"
                        handed = below in sys.modules and _values(home).get(alias.name, sys.modules[below])
                        yield below if handed is sys.modules.get(below) else home
            case ast.Call(ast.Name(called) | ast.Attribute(attr=called), [ast.Constant(str(text)), *_]):
                if called in ("import_module", "__import__"):
                    with suppress(ImportError):
                        yield resolve_name(text, package)


def _above(name: str) -> Iterator[str]:
    """The packages that a module is in."""
    while name := name.rpartition(".")[0]:
        yield name


def _homes(graph: Graph) -> Iterator[str]:
    """The modules where the classes of a graph and their bases are defined."""
    places = [graph.attrs, *(node.attrs for node in graph.nodes), *(module.attrs for module in graph.modules.values())]
    for name in {str(attrs["class"]) for attrs in places if "class" in attrs}:
        home = next((above for above in _above(name) if above in sys.modules), "")
        value: object = sys.modules.get(home)
        for part in name.removeprefix(f"{home}.").split("."):
            value = _inside(value).get(part)
        bases = type.__getattribute__(value, "__mro__") if issubclass(type(value), type) else ()
        yield from (home, *map(_home, bases))


def _home(value: object) -> str:
    """The module that a value is, or where the class or function that it is stands; empty for other values."""
    if issubclass(type(value), ModuleType):
        return str(_inside(value).get("__name__"))
    if not issubclass(type(value), (type, FunctionType)):
        return ""
    ask = type.__getattribute__ if issubclass(type(value), type) else object.__getattribute__
    return str(ask(value, "__module__"))


def _running(file: Path) -> Iterator[str]:
    """The modules that were loaded from `file`."""
    for name in list(sys.modules):
        loaded = _values(name).get("__file__")
        if isinstance(loaded, str) and loaded.endswith(file.name) and Path(loaded).resolve() == file:
            yield name


def _values(module: str) -> Mapping[str, Any]:
    """The names of a loaded module, without asking it: a lazy one would begin to import."""
    return _inside(sys.modules.get(module))


def _inside(value: object) -> Mapping[str, Any]:
    try:
        attributes: Mapping[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return attributes
