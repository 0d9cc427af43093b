"""One style's marks in another style's figure: their roles under names of their own, where both paint them differently.

In: marks and two styles.  Out: new names of roles, marks under these names, and their paints.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from archviz.core.scene import Cuboid, Mark, Paint, Scene, changed, walk
from archviz.style.style import Style


def foreign(marks: Iterable[Mark], own: Style, style: Style) -> dict[str, str]:
    """New names for the roles in `marks` that `own` paints differently from `style`, the figure's."""
    theirs, ours = Scene((), own.roles, 0.0, 0.0), Scene((), style.roles, 0.0, 0.0)
    every = list(walk(marks))
    used = {mark.role for mark in every} - {""}
    used |= {role for mark in every if isinstance(mark, Cuboid) for _, _, role in mark.bands} - {""}
    used |= {role for role in own.roles if any(role.startswith(f"{base} ") for base in used)}    # a cuboid's sides

    def differs(role: str) -> bool:
        try:
            return theirs.paint(role) != ours.paint(role)
        except LookupError:
            return role in own.roles

    return {role: f"{own.name} {role}" for role in sorted(used) if differs(role)}


def renamed(mark: Mark, names: Mapping[str, str]) -> Mark:
    """`mark` with its roles under their new `names`."""
    def new(one: Mark) -> Mark:
        if isinstance(one, Cuboid):
            one = replace(one, bands=tuple((start, end, names.get(role, role)) for start, end, role in one.bands))
        return replace(one, role=names.get(one.role, one.role))

    return changed(mark, new) if names else mark


def paints(names: Mapping[str, str], own: Style) -> dict[str, Paint]:
    """The paints of roles of `own` under their new `names`."""
    sheet = Scene((), own.roles, 0.0, 0.0)
    return {new: sheet.paint(old) for old, new in names.items()}
