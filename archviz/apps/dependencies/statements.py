"""What the top of a Python file says: which statement binds a name, and which names that takes.

In: the source of a file and the name of its package.  Out: `Statement`s, compound ones taken apart.
"""
from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Chain = tuple[str, ...]
"""A name with the attributes that are read off it: ``layers.Conv`` is ``("layers", "Conv")``."""


@dataclass(frozen=True)
class Import:
    """One name that an import statement binds.

    bound   the local name; ``*`` for all names, empty where nothing is bound
    module  the module named, absolute
    name    what is taken from it; empty for ``import module``
    alias   bound by ``as``, which for ``import a.b as c`` is a.b, not a
    """

    bound: str
    module: str
    name: str = ""
    alias: bool = False


@dataclass(frozen=True)
class Statement:
    """A simple statement at the top of a file, a definition among them.

    binds    the names it binds in the file
    uses     the names it reads, those of function bodies in it, and those that decide whether it runs
    imports  what it imports: the one name of an import statement, or whatever functions in it import when they run
    effect   it does more than bind names: a call, an assignment to an attribute or an item
    """

    binds: frozenset[str] = frozenset()
    uses: frozenset[Chain] = frozenset()
    imports: tuple[Import, ...] = ()
    effect: bool = False

    @property
    def is_import(self) -> bool:
        return not self.effect and len(self.imports) == 1 and self.binds == {self.imports[0].bound}


def read(source: str | bytes, package: str) -> tuple[Statement, ...]:
    """The statements of a file.  Raises `SyntaxError` and `ValueError` for what is no Python."""
    return tuple(_statements(ast.parse(source).body, frozenset(), package))


def _statements(body: Iterable[ast.AST], deciding: frozenset[Chain], package: str) -> Iterator[Statement]:
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            for one in _imports(node, package):
                yield Statement(frozenset({one.bound}), deciding, (one,))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield _simple([node], {node.name}, deciding, package)
        elif any(isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)
                 for child in ast.iter_child_nodes(node)):
            yield from _compound(node, deciding, package)
        else:
            yield _simple([node], set(), deciding, package)


def _compound(node: ast.AST, deciding: frozenset[Chain], package: str) -> Iterator[Statement]:
    """An ``if``, ``for``, ``try``, ``with`` …: its head, and what stands in its blocks."""
    inside = list(ast.iter_child_nodes(node))
    if isinstance(node, ast.If) and _never(node.test):
        yield from _statements(node.orelse, deciding, package)
        return
    blocks = [child for child in inside if isinstance(child, ast.stmt | ast.ExceptHandler | ast.match_case)]
    head = _simple([child for child in inside if child not in blocks], set(), deciding, package)
    yield Statement(head.binds, head.uses, head.imports)
    yield from _statements(blocks, deciding | head.uses, package)


def _never(test: ast.expr) -> bool:
    """A condition that is false while a figure is drawn: the file is no script, and no type checker reads it."""
    return ast.unparse(test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING", "__name__ == '__main__'")


def _simple(nodes: list[ast.AST], binds: set[str], deciding: frozenset[Chain], package: str) -> Statement:
    """A statement without blocks, or the definition that binds the one name in `binds`."""
    uses: set[Chain] = set()
    imports: list[Import] = []
    defines = bool(binds)
    effect = any(isinstance(node, ast.Delete) or isinstance(node, ast.Expr) and not isinstance(node.value, ast.Constant)
                 for node in nodes)
    todo = list(nodes)
    while todo:
        one = todo.pop()
        stored = not defines and isinstance(getattr(one, "ctx", None), ast.Store)
        if isinstance(one, ast.Name) and stored:
            binds.add(one.id)
            continue
        effect |= stored and isinstance(one, ast.Attribute | ast.Subscript)
        if isinstance(one, ast.Attribute | ast.Name) and (chain := _chain(one)):
            uses.add(chain)
            continue
        if isinstance(one, ast.Import | ast.ImportFrom):
            imports += _imports(one, package)
        elif isinstance(one, ast.Global):
            binds |= set(one.names)
        elif isinstance(one, ast.Call):
            imports += _called(one, package)
        elif isinstance(one, ast.AugAssign) and isinstance(one.target, ast.Name):
            uses.add((one.target.id,))
        todo += ast.iter_child_nodes(one)
    if "__all__" in binds:
        texts = [one for node in nodes for one in ast.walk(node) if isinstance(one, ast.Constant)]
        uses |= {(one.value,) for one in texts if isinstance(one.value, str)}
    return Statement(frozenset(binds), frozenset(uses) | deciding, tuple(imports), effect)


def _chain(node: ast.expr) -> Chain:
    """``a.b.c`` as ("a", "b", "c"); () where it is read off something that has no name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _imports(node: ast.Import | ast.ImportFrom, package: str) -> list[Import]:
    if isinstance(node, ast.Import):
        return [Import(alias.asname or alias.name.partition(".")[0], alias.name, alias=alias.asname is not None)
                for alias in node.names]
    module = _absolute("." * node.level + (node.module or ""), package)
    return [Import(alias.asname or alias.name, module, alias.name, alias.asname is not None) for alias in node.names
            ] if module else []


def _called(node: ast.Call, package: str) -> list[Import]:
    """``import_module("pkg.name")``, where the name stands there."""
    name = _chain(node.func)[-1:]
    first = node.args[0] if node.args else None
    if name in (("import_module",), ("__import__",)) and isinstance(first, ast.Constant):
        if isinstance(first.value, str) and (module := _absolute(first.value, package)):
            return [Import("", module)]
    return []


def _absolute(name: str, package: str) -> str:
    """The full name of a module; empty for one above the topmost package."""
    plain = name.lstrip(".")
    up = len(name) - len(plain)
    if not up:
        return plain
    parts = package.split(".") if package else []
    if up > len(parts):
        return ""
    return ".".join([*parts[:len(parts) - up + 1], *([plain] if plain else [])])
