"""What a model calls what goes in and what comes out, as the source of its ``forward`` says it.

In: a model, and where the tensors are in its arguments or in what it returned.  Out: names for a reader.
"""
from __future__ import annotations

import ast
import inspect
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence

import torch
from torch import nn

from archviz.trace.tape import Path


def result_names(model: nn.Module, paths: Sequence[Path]) -> list[str]:
    """A name for each of several results: the key or field it has, or the variable or layer that is returned there.

    What has none of these is counted.  No two are equal.
    """
    code = _forward(model)
    returned = [node.value for node in _own(code) if isinstance(node, ast.Return) and node.value] if code else []
    names = []
    for path in paths:
        said = {_named(value, path) for value in returned}
        field = next((n for n, key in enumerate(path) if isinstance(key, str)), 0)
        names.append((said.pop() if len(said) == 1 else "") or _counted(path[field:]))
    twice = {name for name, times in Counter(names).items() if times > 1}
    return [_counted(path) if name in twice else name for name, path in zip(names, paths, strict=True)]


def input_name(model: nn.Module, name: str, path: Path) -> str:
    """The name of a tensor at `path` in the argument `name`: ``state.h`` where ``forward`` unpacks it so."""
    code = _forward(model)
    if len(path) == 1 and isinstance(path[0], int) and code:
        for node in _own(code):
            if (isinstance(node, ast.Assign) and isinstance(node.value, ast.Name) and node.value.id == name
                    and isinstance(target := node.targets[0], ast.Tuple) and path[0] < len(target.elts)
                    and isinstance(part := target.elts[path[0]], ast.Name)):
                return f"{name}.{part.id}"
    return _joined((name, *path))


def _forward(model: nn.Module) -> ast.AST | None:
    try:
        return ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(type(model).forward)))).body[0]
    except (OSError, TypeError, SyntaxError, IndexError):       # compiled, made by a program, cut out of an expression
        return None


def _own(code: ast.AST) -> Iterator[ast.AST]:
    """What stands in a function, but not in functions within it."""
    for node in ast.iter_child_nodes(code):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            yield node
            yield from _own(node)


def _named(value: ast.expr, path: Path) -> str:
    """What the expression `value` calls what lies at `path` in it; nothing where it does not say."""
    match value:
        case ast.Tuple(elts=parts) | ast.List(elts=parts) if path and isinstance(path[0], int):
            plain = not any(isinstance(part, ast.Starred) for part in parts[:path[0] + 1]) and path[0] < len(parts)
            return _named(parts[path[0]], path[1:]) if plain else ""
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return _joined((name, *path))
        case ast.Call(func=ast.Attribute(value=ast.Name(id="self"), attr=name)):
            return _joined((name, *path))
        case ast.Call(func=ast.Attribute(value=whole, attr=name)) if not path:
            return _named(whole, path) if hasattr(torch.Tensor, name) and not isinstance(whole, ast.Name) else (
                "" if hasattr(torch.Tensor, name) or hasattr(nn.functional, name) else name)
    return ""


def _counted(path: Path) -> str:
    if path and all(isinstance(key, int) for key in path):
        return "output " + ".".join(str(key + 1) for key in path)
    return _joined(path)


def _joined(path: Path) -> str:
    """``cls 0``, ``state.h``."""
    first, *rest = map(str, path or ("output",))
    return first + "".join(f" {key}" if key.isdigit() else f".{key}" for key in rest)
