"""Classes that are built from one configuration object, whose fields are then their arguments.

In: a class and arguments.  Out: a function that builds the model, or None for a class that takes its arguments itself.

``config_class`` names it in models of transformers; elsewhere the one argument that the constructor needs is annotated
with a dataclass.
"""
from __future__ import annotations

import ast
import contextlib
import dataclasses
import inspect
import sys
import typing
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

import torch
from torch import nn

from archviz.core.errors import ArchvizError, NoTorch, did_you_mean

Build = Callable[[], nn.Module]


def configured(cls: type, source: str, args: Mapping[str, Any]) -> Callable[[], Any] | None:
    """A function that builds `cls` from its configuration with the fields `args`.

    Raises `ArchvizError` for a field that the configuration has not, and where it refuses them.
    """
    parameter = _parameter(cls, args)
    if parameter is None:
        return None
    name, kind = parameter
    direct = {key: value for key, value in args.items() if key in inspect.signature(cls).parameters}
    fields = {key: value for key, value in args.items() if key not in direct}
    try:
        known = _fields(kind)
        unknown = [key for key in fields if key not in known and key not in inspect.signature(kind).parameters]
        if unknown:
            raise ArchvizError(f"{kind.__name__} has no argument {unknown[0]!r}", did_you_mean(unknown[0], known))
        config = kind(**fields)
    except ArchvizError:
        raise
    except Exception as error:
        raise ArchvizError(f"{kind.__name__}: {' '.join(str(error).split())}",
                           f"write a function that builds {source} and name that") from error
    return lambda: cls(**{name: config}, **direct)


def _parameter(cls: type, args: Mapping[str, Any]) -> tuple[str, type] | None:
    """Which argument is the configuration, and its class."""
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):
        return None
    kind = getattr(cls, "config_class", None)
    if kind is not None:
        return ("config", kind) if "config" in parameters and "config" not in args else None
    needed = [name for name, p in parameters.items() if p.default is p.empty and name not in args
              and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
    if len(needed) != 1:
        return None
    try:
        kind = typing.get_type_hints(cls.__init__).get(needed[0])  # type: ignore[misc]     # of this very class
    except Exception:       # an annotation may name what is imported for type checkers only
        return None
    return (needed[0], kind) if isinstance(kind, type) and dataclasses.is_dataclass(kind) else None


def _fields(kind: Any) -> set[str]:
    if dataclasses.is_dataclass(kind) and not hasattr(kind, "to_dict"):
        return {field.name for field in dataclasses.fields(kind) if field.init}
    settable = {name for base in kind.__mro__ for name, value in vars(base).items()
                if isinstance(value, property) and value.fset}      # num_labels is one
    return {*kind().to_dict(), *getattr(kind, "attribute_map", {}), *settable}


def parse_arguments(args: Sequence[str]) -> dict[str, Any]:
    """``["width=64"]`` → ``{"width": 64}``: Python literals, else words.  Raises `ArchvizError` for what is neither."""
    parsed: dict[str, Any] = {}
    for text in args:
        key, equals, value = text.partition("=")
        if not equals or not key.strip().isidentifier():
            raise ArchvizError(f"cannot read --arg {text!r}", "write --arg key=value, as in --arg num_classes=10")
        try:
            parsed[key.strip()] = ast.literal_eval(value.strip())
        except (ValueError, SyntaxError):
            parsed[key.strip()] = value
    return parsed


def builder(value: Any, name: str, source: str, args: dict[str, Any]) -> tuple[Build, nn.Module | None]:
    if isinstance(value, nn.Module):
        if args:
            raise ArchvizError(f"{source} is already built: --arg {next(iter(args))} comes too late",
                               f"name its class instead: {source.removesuffix(name)}{type(value).__name__}")
        return (lambda: value), value
    if isinstance(value, type) and issubclass(value, nn.Module):
        build = configured(value, source, args)
        if build is not None:
            return _guarded(build, source), None
    elif isinstance(value, type) and any("__sphinx_mock__" in vars(base) for base in value.__mro__):
        raise NoTorch(f"{source} was imported by autodoc with a stand-in for PyTorch",
                      "take torch out of autodoc_mock_imports")
    elif isinstance(value, ModuleType) or not callable(value) or isinstance(value, type):
        what = "a class" if isinstance(value, type) else f"a {type(value).__name__}"
        raise ArchvizError(f"{source} is {what}, not a model",
                           "a model is an nn.Module class, an instance of one, or a function that gives one")
    _check_args(value, source, args)
    return _guarded(lambda: value(**args), source), None


def _guarded(build: Build, source: str) -> Build:
    """Build with the user's output on stderr, and make sure that a model came out."""

    def guarded() -> nn.Module:
        with contextlib.redirect_stdout(sys.stderr):
            built = build()
        built = built.module() if isinstance(built, torch.export.ExportedProgram) else built
        if not isinstance(built, nn.Module):
            raise ArchvizError(f"{source} gave a {type(built).__name__}, not a model", "it must return an nn.Module")
        return built

    return guarded


def _check_args(value: Callable[..., Any], source: str, args: dict[str, Any]) -> None:
    """Refuse arguments the constructor does not take, and say which ones it still needs."""
    try:
        parameters = inspect.signature(value).parameters
    except (TypeError, ValueError):             # built in: no signature to check
        return
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    named = [n for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    for key in args:
        if key not in named and not takes_any:
            accepted = f"{source} takes {', '.join(named) if named else 'no arguments'}"
            near = did_you_mean(key, named)
            hint = f"{near} ({accepted})" if near.startswith("did") else accepted
            raise ArchvizError(f"{source} has no argument {key!r}", hint)
    missing = [n for n in named if parameters[n].default is inspect.Parameter.empty and n not in args]
    if missing:
        needs = "an argument" if len(missing) == 1 else f"{len(missing)} arguments"
        raise ArchvizError(f"{source} needs {needs}: {', '.join(missing)}",
                           "give " + " ".join(f"--arg {n}=…" for n in missing)
                           + ", or write a function that builds it and name that: model.py:build")
