"""What a project file may say about one layer, and how to tell that it did.

In: attributes of a node or module.  Out: the part of them that `override` wrote.
"""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from archviz.core.graph import Node

OWN = ("label", "kind", "color", "legend", "frozen")
"""Attributes that `override` writes: a layer that has one is drawn differently from a layer that has not."""


def marks_of(attrs: Mapping[str, Any]) -> tuple[tuple[str, Any], ...]:
    """What was said about a layer; two layers of which different things were said are never drawn as one."""
    return tuple((key, attrs[key]) for key in OWN if key in attrs)


def stays(attrs: Mapping[str, Any]) -> bool:
    """Whether the frame of a module is drawn however little it says otherwise."""
    return bool(marks_of(attrs)) or "pinned" in attrs


def differs(node: Node) -> bool:
    """Whether it is not the same in two models that are compared."""
    return "change" in node.attrs


def gone(attrs: Mapping[str, Any]) -> bool:
    """Of two models that are compared, only in the old one."""
    return attrs.get("change") == "removed"


def presence(attrs: Mapping[str, Any]) -> str:
    """In which of two models that are compared it is: ``added``, in the new one only; ``removed``, in the old one only;
    else empty."""
    change = attrs.get("change")
    return change if change in ("added", "removed") else ""


def one_layer(node: Node, after: Node) -> bool:
    """Whether nothing was said about `after` that its box must show, both are frozen, or neither, and of two models
    that are compared they are in the same ones."""
    marks = dict(marks_of(after.attrs))
    frozen = marks.pop("frozen", False)
    return not marks and presence(node.attrs) == presence(after.attrs) and (
        not after.params or frozen == node.attrs.get("frozen", False))
