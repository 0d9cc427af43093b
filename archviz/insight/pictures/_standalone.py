"""A finished picture that stands by itself, beside an architecture: what it shows, and what to write below it.

In: attributions, and which picture of them.  Out: a `Picture`, to be saved and seen like a figure.
"""
from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archviz import __version__
from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.plugins import find
from archviz.core.scene import Scene
from archviz.figure.rendered import Finished


@dataclass(frozen=True, repr=False)
class Picture(Finished):
    """A finished picture.  A notebook shows it by itself; `save` writes it, `render` gives its bytes.

    Attributes
    ----------
    scene : Scene
        What is drawn, free of any output format; its width and height are printed points.
    caption : str
        What to write below it; also its alternative text.
    """

    scene: Scene
    caption: str

    def __repr__(self) -> str:
        return f"<archviz picture of {self.scene.title}>"


def picture(shown: Sequence[Any], kind: str, *, width: str | float | None = None, theme: str | Path | None = None,
            settings: Mapping[str, str] | None = None, **options: Any) -> Picture:
    """Draw attributions by themselves.

    Parameters
    ----------
    shown : sequence of Attribution or Recording
        What is drawn.
    kind : str
        The name of a file in ``archviz/insight/pictures``: ``"heat"``, ``"grid"``, ``"words"``, ``"matrix"`` …
    width : str or float, optional
        How wide the picture may be: ``"column"``, ``"page"``, ``"84mm"``; a bare number is printed points.
    theme : str or Path, optional
        A theme, by name or path.
    settings : Mapping, optional
        Single settings of the style by dotted name: ``{"heat.signed": "crameri:vik"}``.
    **options
        What the picture leaves to choose: what is its own, see there, and what pictures have in common:
        ``samples``, or ``sample`` where one is drawn: which of the N (by default all, or the first);
        ``names``: what the samples are called;
        ``limit``: the end of the colour bars, as `archviz.insight.painting.colormap.scale` takes it;
        ``mean``, ``std``: what the model's preparation subtracted from each channel of an image, and divided it by;
        ``colours``: whether an image below heat keeps its colours.

    Returns
    -------
    Picture
        No wider than the page.

    Raises
    ------
    ArchvizError
        For a picture, a setting or an option that is none, and where there is nothing of that kind to draw.
    """
    from archviz.figure.fit import tightened
    from archviz.figure.options import Options

    draw = find("pictures", kind).draw
    options_of_it = [name for name, one in inspect.signature(draw).parameters.items() if one.kind is one.KEYWORD_ONLY]
    for name in options:
        if name not in options_of_it:
            raise ArchvizError(f"the picture {kind} has no option {name!r}", did_you_mean(name, options_of_it))
    style = tightened(Options(settings=settings or {}, width=width, theme=theme).resolved())
    scene = draw(shown, style, **options)
    facts = {"generator": f"archviz {__version__}", "picture": kind}
    return Picture(replace(scene, facts=facts), scene.description)


def fitting(shown: Sequence[Any]) -> str:
    """The picture that shows what the first of them holds.  Raises `ArchvizError` where there is nothing to show."""
    if not shown:
        raise ArchvizError("there is nothing to draw: no attribution was given")
    one = shown[0]
    extra = {key.partition(":")[0] for key in getattr(one, "extra", {})}
    if "attention" in extra:
        return "matrix"
    if "hidden" in extra:
        return "strip"
    for key, values in getattr(one, "inputs", {}).items():
        shown_input = one.shown.get(key)
        if shown_input is not None and shown_input.ndim == 4 and values.ndim in (3, 4):
            return "grid" if len(shown) > 1 else "heat"
        if values.ndim == 2:
            return "words"
    if one.maps:
        return "maps"
    raise ArchvizError(f"{one.title} holds no map to draw by itself", "paint it on the figure: .overlay(figure)")
