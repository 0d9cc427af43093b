"""What is said of single layers: rules for them, and bundles of them.

In: what a project file or a caller says.  Out: frozen values.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Rule(NamedTuple):
    """What is said about the layers that `pattern` names, and in which line (`where`): ``label``, ``kind``, ``color``,
    ``legend``, ``frozen``, ``hide``, ``collapse``, ``expand``."""

    pattern: str
    where: str
    changes: Mapping[str, Any]


class Bundle(NamedTuple):
    """Siblings, named by globs, that are drawn in one frame called `name`."""

    name: str
    where: str
    patterns: tuple[str, ...]


class Overrides(NamedTuple):
    """All that is said about single layers; of two rules for one layer the later one counts, key by key."""

    rules: tuple[Rule, ...] = ()
    groups: tuple[Bundle, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rules or self.groups)
