"""One style's marks in another style's figure: their roles under names of their own, where both paint them differently.

In: marks and two styles.  Out: new names of roles, marks under these names, and their paints.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from archviz.core.paint import Paint, look
from archviz.core.scene import Cuboid, Mark, changed, walk
from archviz.style.style import Style


def foreign(marks: Iterable[Mark], origin: Style, style: Style) -> dict[str, str]:
    """New names for the roles in `marks` that `origin` paints differently from `style`, the figure's."""
    every = list(walk(marks))
    used = {mark.role for mark in every} - {""}
    used |= {role for mark in every if isinstance(mark, Cuboid) for _, _, role in mark.bands} - {""}
    used |= {role for role in origin.roles if any(role.startswith(f"{base} ") for base in used)}    # a cuboid's sides

    def differs(role: str) -> bool:
        try:
            return look(origin.roles, role) != look(style.roles, role)
        except LookupError:
            return role in origin.roles

    return {role: f"{origin.name} {role}" for role in sorted(used) if differs(role)}


def renamed(mark: Mark, names: Mapping[str, str]) -> Mark:
    """`mark` with its roles under their new `names`."""
    def new(one: Mark) -> Mark:
        if isinstance(one, Cuboid):
            one = replace(one, bands=tuple((start, end, names.get(role, role)) for start, end, role in one.bands))
        return replace(one, role=names.get(one.role, one.role))

    return changed(mark, new) if names else mark


def paints(names: Mapping[str, str], style: Style) -> dict[str, Paint]:
    """The paints of roles of `style` under their new `names`."""
    return {new: look(style.roles, old) for old, new in names.items()}
