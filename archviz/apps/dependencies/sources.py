"""Which files a figure was made from, so that documentation is built anew when one of them changes.

In: a target and the graph that was traced of it in this process.  Out: paths.  No code of the
user's runs: modules are looked up among those that are loaded, values in their dictionaries.

The names that a model needs are followed from file to file: its class, what its methods and bases name, what those
name.  A file counts when something is defined or handed on there that is needed, so that of a package which imports all
of its models in ``__init__.py`` only one model's files count.  With a definition counts what its file does besides
defining names (calls, assignments to attributes), and outside ``__init__.py`` what it imports for nothing but effect.
Files of the project count, and those of the target's own package wherever it is installed.  Data files do not, nor does
what is found by a name that is computed.
"""
from __future__ import annotations

import re
import sys
import sysconfig
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from archviz.apps.dependencies.statements import Chain, Import, Statement, read
from archviz.core.files import PACKAGE
from archviz.core.graph import Graph

LIBRARIES = frozenset({"site-packages", "dist-packages"})
STANDARD = Path(sysconfig.get_paths()["stdlib"]).resolve()
FRAMEWORKS = frozenset({"torch"})       # counts as a library also where it is installed from a checkout
EXAMPLES = "example_inputs"             # what a model's file may say is run through it


def sources(target: str, graph: Graph) -> tuple[Path, ...]:
    """The files that the figure of `target` was made from, absolute and sorted.

    Call it right after `Job.trace`, in the same process: `graph` is what that gave.  A saved graph has one, itself.
    """
    if Path(target).suffix == ".json":
        return (Path(target).resolve(),)
    named = re.fullmatch(r"(.*\.py)(?::(.*))?", target, re.DOTALL)
    if named:
        file, name = Path(named[1]).resolve(), named[2] or ""
        starts = sorted(_running(file))
    else:
        place, _, name = target.partition(":")
        file, starts = None, [place]
    search = _Search(frozenset(start.partition(".")[0] for start in starts))
    if file is not None and file.is_file():
        search.files.add(file)
    for start in starts:
        search.go(start, tuple(name.split(".")) if name else ())
    for home in {*starts, _split(str(graph.attrs.get("class", "")))[0]}:
        if EXAMPLES in (_values(home) or {}):
            search.go(home, (EXAMPLES,))
    for cls in sorted(_classes(graph)):
        search.defined(cls)
    return search.found()


def loaded(target: str) -> tuple[Path, ...]:
    """The files of all modules that are loaded and may be the project's: more than `sources`, but without a graph."""
    search = _Search(frozenset([target.partition(":")[0].partition(".")[0]]))
    modules = [search.module(name) for name in list(sys.modules)]
    return tuple(sorted({module.file for module in modules if module is not None and module.file is not None}))


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


def _classes(graph: Graph) -> set[str]:
    places = [graph.attrs, *(node.attrs for node in graph.nodes), *(module.attrs for module in graph.modules.values())]
    return {str(attrs["class"]) for attrs in places if "class" in attrs}


@dataclass(frozen=True)
class _Module:
    """A loaded module of the project: `file` is None for a namespace package."""

    name: str
    file: Path | None
    package: bool

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """Those of its file as it is now; none where it cannot be read, which the figure's next run will tell."""
        if self.file is None or self.file.suffix != ".py":
            return ()
        try:
            return read(self.file.read_bytes(), self.name if self.package else self.name.rpartition(".")[0])
        except (OSError, SyntaxError, ValueError, RecursionError):
            return ()

    @cached_property
    def bound(self) -> Mapping[str, list[Statement]]:
        statements: dict[str, list[Statement]] = {}
        for statement in self.statements:
            for name in statement.binds:
                statements.setdefault(name, []).append(statement)
        return statements

    @cached_property
    def used(self) -> frozenset[Chain]:
        return frozenset(chain for statement in self.statements for chain in statement.uses)

    def unused(self, one: Import) -> bool:
        """An import that nothing in the file refers to, and that hands nothing on by intent."""
        if one.alias and one.bound == one.name:
            return False
        dotted = (one.bound,) if one.name or one.alias else tuple(one.module.split("."))
        return not any(chain[:len(dotted)] == dotted for chain in self.used)


class _Search:
    """Follows names from file to file; `files` is what it came by."""

    def __init__(self, tops: frozenset[str]) -> None:
        self.own = tops                      # the top-level packages whose files count wherever they are
        self.files: set[Path] = set()
        self.modules: dict[str, _Module | None] = {}
        self.done: set[object] = set()
        self.todo: list[tuple[Callable[..., None], tuple[Any, ...]]] = []   # a stack of calls, since code nests deep

    def module(self, name: str) -> _Module | None:
        if name not in self.modules:
            self.modules[name] = self._module(name)
        return self.modules[name]

    def _module(self, name: str) -> _Module | None:
        values = _values(name)
        top = name.partition(".")[0]
        if values is None or (top in FRAMEWORKS and top not in self.own):
            return None
        package = "__path__" in values
        if not isinstance(values.get("__file__"), str):
            return _Module(name, None, True) if package else None
        file = Path(values["__file__"]).resolve()
        library = file.is_relative_to(STANDARD) or not LIBRARIES.isdisjoint(file.parts)
        if not file.parent.is_dir() or file.is_relative_to(PACKAGE) or (library and top not in self.own):
            return None
        return _Module(name, file, package)

    def first(self, *key: object) -> bool:
        """True the first time it is asked."""
        fresh = key not in self.done
        self.done.add(key)
        return fresh

    def go(self, module: str, chain: Chain) -> None:
        """Follow what `chain` names in a module, or the whole module."""
        self.todo.append((self.need, (module, chain)) if chain else (self.whole, (module,)))

    def found(self) -> tuple[Path, ...]:
        """All files, once everything is followed."""
        while self.todo:
            step, arguments = self.todo.pop()
            step(*arguments)
        return tuple(sorted(self.files))

    def need(self, name: str, chain: Chain) -> None:
        """Follow one name of a module, which may be a module below it, or stand for something of another."""
        module = self.module(name)
        if module is None or not self.first(name, chain):
            return
        wanted, rest = chain[0], chain[1:]
        values = _values(name) or {}
        below = sys.modules.get(f"{name}.{wanted}")
        if below is not None and values.get(wanted, below) is below:
            self.go(f"{name}.{wanted}", rest)
            return
        if wanted in module.bound:
            self.read(module, chain)
        elif self.by_star(module, chain) and module.file is not None:
            self.files.add(module.file)
        else:
            self.by_value(module, wanted, values)

    def read(self, module: _Module, chain: Chain) -> None:
        """Follow a name as it is read in a module's own file."""
        if chain[0] not in module.bound:
            self.by_star(module, chain)
        elif self.first(module.name, "read", chain):
            assert module.file is not None
            self.files.add(module.file)
            for statement in module.bound[chain[0]]:
                if statement.is_import:
                    self.decided(module, statement)
                    self.follow(statement.imports[0], chain[1:])
                else:
                    self.todo.append((self.include, (module, statement)))

    def by_star(self, module: _Module, chain: Chain) -> bool:
        """Follow a name that came by ``from … import *``."""
        stars = [s.imports[0].module for s in module.bound.get("*", ())]
        modules = [star for star in stars if chain[0] in (_values(star) or {})]
        for star in modules:
            self.go(star, chain)
        return bool(modules)

    def by_value(self, module: _Module, wanted: str, values: Mapping[str, Any]) -> None:
        """Follow a name that no statement binds: put there from outside, or made when it was asked for."""
        homes = {_home(values[wanted])} if wanted in values else set()
        if not homes and "__getattr__" in module.bound:
            below = [name for name in sys.modules if name.startswith(f"{module.name}.")]
            homes = {(name, wanted) for name in below if _home((_values(name) or {}).get(wanted)) == (name, wanted)}
            self.read(module, ("__getattr__",))
        for home in homes:
            if home is None or home[0] == module.name:
                self.go(module.name, ())
            else:
                self.files |= {module.file} if module.file else set()
                self.go(home[0], (home[1],))

    def whole(self, name: str) -> None:
        """Follow all that a module says."""
        module = self.module(name)
        if module is None or module.file is None or not self.first(name):
            return
        self.files.add(module.file)
        for statement in module.statements:
            if not statement.is_import:
                self.todo.append((self.include, (module, statement)))
            else:
                self.decided(module, statement)
                if statement.imports[0].name == "*" or module.unused(statement.imports[0]):
                    self.follow(statement.imports[0], ())

    def include(self, module: _Module, statement: Statement) -> None:
        """Follow all that a statement takes, and what its file does besides."""
        if module.file is None or not self.first(module.name, statement):
            return
        self.files.add(module.file)
        for chain in statement.uses:
            inside = [one for one in statement.imports if one.bound == chain[0]]
            for one in inside:
                self.follow(one, chain[1:])
            if not inside:
                self.read(module, chain)
        used = {chain[0] for chain in statement.uses}
        for one in statement.imports:
            if one.bound not in used:
                self.follow(one, ())
        if not self.first(module.name, "effects"):
            return
        for other in module.statements:
            if other.effect:
                self.todo.append((self.include, (module, other)))
            elif other.is_import and not module.package and other.binds != {"*"} and module.unused(other.imports[0]):
                self.follow(other.imports[0], ())

    def decided(self, module: _Module, statement: Statement) -> None:
        """Follow what decides whether an import is made."""
        for chain in statement.uses:
            self.read(module, chain)

    def follow(self, one: Import, rest: Chain) -> None:
        """Follow an import, of which ``rest`` is read."""
        if one.name == "*":
            self.go(one.module, ())
        elif one.name:
            self.go(one.module, (one.name, *rest))
        elif one.alias or not rest:
            self.go(one.module, rest)
        else:
            self.go(one.module.partition(".")[0], rest)

    def defined(self, cls: str) -> None:
        """Follow a class by its full name, and its bases."""
        module, names = _split(cls)
        if self.module(module) is None:
            return
        self.go(module, names[:1])
        value: Any = None
        for name in names:
            value = ((_values(module) or {}) if value is None else _inside(value)).get(name)
            if not issubclass(type(value), type):
                return
        for base in type.__getattribute__(value, "__mro__"):
            if home := _home(base):
                self.go(home[0], (home[1],))


def _running(file: Path) -> Iterator[str]:
    """The modules that were loaded from `file`."""
    for name in list(sys.modules):
        loaded = (_values(name) or {}).get("__file__")
        if isinstance(loaded, str) and loaded.endswith(file.name) and Path(loaded).resolve() == file:
            yield name


def _values(module: str) -> Mapping[str, Any] | None:
    """The names of a loaded module, without asking it: a lazy one would begin to import."""
    return _inside(sys.modules[module]) if module in sys.modules else None


def _inside(value: object) -> Mapping[str, Any]:
    try:
        attributes: Mapping[str, Any] = object.__getattribute__(value, "__dict__")
    except AttributeError:
        return {}
    return attributes


def _split(cls: str) -> tuple[str, Chain]:
    """The loaded module of a full class name, and the names in it."""
    parts = cls.split(".")
    for i in range(len(parts) - 1, 0, -1):
        if ".".join(parts[:i]) in sys.modules:
            return ".".join(parts[:i]), tuple(parts[i:])
    return "", ()


def _home(value: object) -> tuple[str, str] | None:
    """The module where a class or function is defined, and its outermost name there."""
    if not issubclass(type(value), (type, FunctionType)):
        return None
    ask = type.__getattribute__ if issubclass(type(value), type) else object.__getattribute__
    return str(ask(value, "__module__")), str(ask(value, "__qualname__")).partition(".")[0]
