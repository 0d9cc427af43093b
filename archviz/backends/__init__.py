"""Backends: a figure → the bytes of a file.

Contract: a file ``archviz/backends/<suffix>.py``, whose name is the suffix of what it writes, holds::

    render(scene, **options) -> bytes       # what is drawn, be it a figure or a picture
    TRAITS = Traits(...)                    # where it can do more, or less, than that
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archviz.core.plugins import find


@dataclass(frozen=True)
class Traits:
    """What a backend says of itself.

    Attributes
    ----------
    compose : callable, optional
        ``compose(figure, **options) -> bytes`` of a `Figure`: also its network, ``figure.drawn`` and ``figure.graph``.
        A figure is composed where it can be; pictures and overlays have only a scene.
    renders : bool
        Whether it holds ``render``; else only networks can be written so.
    ready : callable, optional
        ``ready(engine)``, which raises `ArchvizError` where the program that this engine needs is not there.
    """

    compose: Callable[..., bytes] | None = None
    renders: bool = True
    ready: Callable[[str], None] | None = None


def traits(suffix: str) -> Traits:
    """What the backend for files with this suffix says of itself."""
    said: Traits = getattr(find("backends", suffix), "TRAITS", Traits())
    return said
