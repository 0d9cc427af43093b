"""One style's marks in another style's figure: their roles under names of their own, where both paint them differently.

In: marks and two styles.  Out: new names of roles, marks under these names, and their paints.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from archviz.core.scene import Cuboid, Group, Mark, Paint, Scene
from archviz.style.style import Style


def foreign(marks: Iterable[Mark], own: Style, style: Style) -> dict[str, str]:
    """New names for the roles in `marks` that `own` paints differently from `style`, the figure's."""
    theirs, ours = Scene((), own.roles, 0.0, 0.0), Scene((), style.roles, 0.0, 0.0)
    used = {role for mark in marks for role in _roles(mark)} - {""}
    used |= {role for role in own.roles if any(role.startswith(f"{base} ") for base in used)}    # a cuboid's sides

    def differs(role: str) -> bool:
        try:
            return theirs.paint(role) != ours.paint(role)
        except LookupError:
            return role in own.roles

    return {role: f"{own.name} {role}" for role in sorted(used) if differs(role)}


def _roles(mark: Mark) -> Iterable[str]:
    yield mark.role
    if isinstance(mark, Group):
        for inner in mark.marks:
            yield from _roles(inner)
    elif isinstance(mark, Cuboid):
        yield from (role for _, _, role in mark.bands)


def renamed(mark: Mark, names: Mapping[str, str]) -> Mark:
    """`mark` with its roles under their new `names`."""
    if not names:
        return mark
    role = names.get(mark.role, mark.role)
    if isinstance(mark, Group):
        return replace(mark, role=role, marks=tuple(renamed(inner, names) for inner in mark.marks))
    if isinstance(mark, Cuboid):
        return replace(mark, role=role, bands=tuple((a, b, names.get(own, own)) for a, b, own in mark.bands))
    return replace(mark, role=role)


def paints(names: Mapping[str, str], own: Style) -> dict[str, Paint]:
    """The paints of roles of `own` under their new `names`."""
    sheet = Scene((), own.roles, 0.0, 0.0)
    return {new: sheet.paint(old) for old, new in names.items()}
