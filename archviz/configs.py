"""Classes that are built from one configuration object, whose fields are then their arguments.

In: a class and arguments.  Out: a function that builds the model, or None for a class that takes its arguments itself.
Imports errors and find; the model's own library is imported already.

``config_class`` names it in models of transformers; elsewhere the one argument that the constructor needs is annotated
with a dataclass.
"""
from __future__ import annotations

import dataclasses
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any

from archviz.errors import ArchvizError
from archviz.find import did_you_mean


def configured(cls: type, source: str, args: Mapping[str, Any]) -> Callable[[], Any] | None:
    """A function that builds `cls` from its configuration with the fields `args`.

    Raises `ArchvizError` for a field that the configuration has not, and where it refuses them.
    """
    found = _parameter(cls, args)
    if found is None:
        return None
    name, kind = found
    own = {key: value for key, value in args.items() if key in inspect.signature(cls).parameters}
    fields = {key: value for key, value in args.items() if key not in own}
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
    return lambda: cls(**{name: config}, **own)


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
