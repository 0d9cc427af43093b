"""Forms: how big a node is, and how it and its links are drawn.

Contract: a file ``archviz/drawing/forms/<name>.py`` holds::

    sizes(graph, style) -> Mapping[NodeId, Size]      # the room each node takes
    frames(graph, style) -> Mapping[NodeId, Frame]    # which modules have one
    draw(graph, layout, style) -> tuple[Mark, ...]    # as the layout places them
    legend(graph, style) -> list[(name, marks)]       # swatches at the origin

and may say in ``TRAITS = Traits(...)`` what else it can do::

    options    what a style may choose for it, by name: Option(read, default, help)
    variants   style -> the style in several sizes, the largest first
    alike      True: one of many like modules is not opened to stand for all
    opens      True: its things can open in place, as its lines are `Link`s
    nests      True: and modules, as it draws a frame around each
    weights    the largest layer whose values it wants

A form knows shapes and never colours: marks carry roles, and the style's sheet paints them.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from archviz.core import plugins
from archviz.style.option import Option
from archviz.style.style import Style


@dataclass(frozen=True)
class Traits:
    """What a form can do besides drawing, and what it leaves to choose."""

    options: Mapping[str, Option] = field(default_factory=dict)
    variants: Callable[[Style], tuple[Style, ...]] = lambda style: (style,)
    alike: bool = False
    opens: bool = False
    nests: bool = False
    weights: int = 0


def traits(name: str) -> Traits:
    """Those of the form `name`.  Raises `ArchvizError` where there is no such form."""
    own: Traits = plugins.traits("forms", name)
    return own
