"""YAML text → values that know where they were written, and readers that turn them into words, numbers and lists.

In: the bytes of a YAML file.  Out: `Written` trees; what is wrong is an `ArchvizError` that begins with
``file:line:``.  Nothing is constructed from the YAML: every scalar stays a string, and a tag, which would ask for
something to be made of its value, is refused.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

import yaml

from archviz.core.errors import ArchvizError, did_you_mean

POINTS = {"mm": 72.27 / 25.4, "cm": 72.27 / 2.54, "in": 72.27, "pt": 1.0}
"""Printed points (1/72.27 inch) in each unit of length."""
YAML = "tag:yaml.org,2002:"
PLAIN = frozenset(YAML + name for name in "str int float bool null timestamp seq map merge value".split())
"""The tags that YAML itself gives to values without one."""


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """One YAML value: a scalar's text (None for nothing or null), the items of a list, or the pairs of a mapping."""

    value: str | None | tuple[Written, ...] | dict[Written, Written]
    where: str      # "style.yaml:12"

    def __str__(self) -> str:
        if self.value is None:
            return "nothing (a value that begins with # or { needs quotes)"
        if isinstance(self.value, str):
            return repr(self.value)
        return "a list" if isinstance(self.value, tuple) else "a table"


def read(data: bytes | str, name: str) -> Written:
    """The one document in `data`; `name` is the file's name in messages.  An empty file is an empty table."""
    try:
        # The C parser is ten times as fast, where libyaml is there.
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(data)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        return Written({}, f"{name}:1") if node is None else _written(node, name, (), {})
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{name}:{mark.line + 1}" if mark else name
        problem = getattr(error, "problem", None) or "not readable text"
        raise ArchvizError(f"{where}: not valid YAML: {problem}") from None


def _written(node: yaml.Node, name: str, outside: tuple[int, ...], done: dict[int, Written]) -> Written:
    if id(node) in done:    # an alias: read once, or aliases of aliases of aliases would take for ever
        return done[id(node)]
    where = f"{name}:{node.start_mark.line + 1}"
    if id(node) in outside:
        raise ArchvizError(f"{where}: an alias stands inside its own anchor")
    if node.tag not in PLAIN:
        tag = node.tag.replace(YAML, "!!", 1)
        raise ArchvizError(f"{where}: the tag {tag!r} is refused", "a style is data: words, numbers, lists, tables")
    outside += (id(node),)
    if len(outside) > 8:
        raise ArchvizError(f"{where}: nested too deeply")
    if isinstance(node, yaml.SequenceNode):
        written = Written(tuple(_written(child, name, outside, done) for child in node.value), where)
    elif isinstance(node, yaml.MappingNode):
        # Keys are read each for itself, so that a repeated alias stays two keys, and `items` can refuse the second.
        written = Written({_written(key, name, outside, {}): _written(value, name, outside, done)
                           for key, value in node.value}, where)
    else:
        written = Written(None if node.tag.endswith(":null") else str(node.value), where)
    done[id(node)] = written
    return written


def mistake(at: Written, message: str, hint: str = "") -> ArchvizError:
    """The error that says where `at` was written."""
    return ArchvizError(f"{at.where}: {message}", hint)


@contextmanager
def blamed(at: Written) -> Iterator[None]:
    """Whatever the user can mend in what is done within was written at `at`, and is told with that place."""
    try:
        yield
    except ArchvizError as error:
        raise mistake(at, error.message, error.hint) from None


def refuse(at: Written, what: str, name: str, known: Iterable[str]) -> NoReturn:
    raise mistake(at, f"unknown {what} {name!r}", did_you_mean(name, known))


def items(at: Written) -> Iterator[tuple[Written, str, Written]]:
    """The pairs of a table: the key, its word, the value.  Every key is a word and stands once."""
    if not isinstance(at.value, dict):
        raise mistake(at, f"here must stand a table (key: value), not {at}")
    seen = set()
    for key, value in at.value.items():
        name = word(key)
        if name in seen:
            raise mistake(key, f"the key {name!r} stands here twice")
        seen.add(name)
        yield key, name, value


def word(at: Written) -> str:
    if not isinstance(at.value, str) or not at.value:
        raise mistake(at, f"here must stand a word, not {at}")
    return at.value


def string(at: Written) -> str:
    """Text, which may be empty when it is written in quotes."""
    if not isinstance(at.value, str):
        raise mistake(at, f"here must stand text, not {at}")
    return at.value


def one_of(at: Written, what: str, known: Iterable[str]) -> str:
    known = tuple(known)
    if word(at) not in known:
        refuse(at, what, word(at), known)
    return word(at)


def truth(at: Written) -> bool:
    return one_of(at, "truth value", ("true", "false")) == "true"


def listed(at: Written) -> tuple[Written, ...]:
    if not isinstance(at.value, tuple):
        raise mistake(at, f"here must stand a list, not {at}")
    return at.value


def number(at: Written, low: float = 0.0, high: float = 1e5) -> float:
    """A number, or a length with its unit as printed points."""
    value = points(word(at))
    if value is None or not low <= value <= high:
        raise mistake(at, f"here must stand a number from {low:g} to {high:g}, not {at}")
    return value


def points(string: str) -> float | None:
    """Printed points of ``"174mm"``, ``"3.4in"``, ``"8cm"``, ``"240pt"`` or a bare number of them, else None."""
    match = re.fullmatch(r"([+-]?(?:\d+\.?\d*|\.\d+))\s*(mm|cm|in|pt)?", string.strip())
    return float(match[1]) * POINTS[match[2] or "pt"] if match else None


def quoted(string: str) -> str:
    """`string` as a YAML scalar on one line, which `read` reads as the same string."""
    if re.fullmatch(r"[\w./]([\w ./!-]*[\w./!-])?", string) and string.lower() != "null":
        return string
    return re.sub("[\x7f-\x9f\u2028\u2029\ufeff]", lambda match: f"\\u{ord(match[0]):04x}",
                  json.dumps(string, ensure_ascii=False))
