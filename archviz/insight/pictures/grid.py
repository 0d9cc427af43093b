"""Methods × images: what each method says about each input and target, beside the input itself.

In: attributions of the same images, by several methods, for one target or several.  Out: a `Scene`.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.scene import Scene
from archviz.insight.painting import colormap
from archviz.insight.painting.colormap import Scale
from archviz.insight.pictures._arrays import chosen, name, over_images
from archviz.insight.pictures._board import Board
from archviz.insight.pictures._photo import coarse, over, photo
from archviz.insight.pictures._sentences import of_all, sentences
from archviz.insight.pictures._table import Key, Panel, Table, most_rows, place
from archviz.style.style import Style

SCALES = ("method", "map", "all")
PANELS = ("auto", "heat", "over")
LEAST = 62.0        # narrowest tile of a single row before it goes on below: room for a bar that one can read


def draw(shown: Sequence[Any], style: Style, *, scale: str = "method", panel: str = "auto",
         samples: Sequence[int] | None = None, limit: float | str | None = None, mean: Sequence[float] = (),
         std: Sequence[float] = (), colours: bool = False, names: Sequence[str] = ()) -> Scene:
    """Rows are inputs and targets, columns are methods; a single row goes on below where it is long.

    Of one input and one method the targets are the columns.

    Parameters
    ----------
    shown : sequence of Attribution
        With maps (N, H, W) over the same images (N, C, H, W).
    scale : str
        What shares a scale: the maps of one ``method``; ``map``: each has its own, from zero to its largest magnitude;
        ``all``, where all have the same unit and sign.
    panel : str
        ``heat`` alone, heat ``over`` the image, or ``auto``: a map without detail at the level of pixels lies over the
        image, any other stands alone, as all do in a theme of greys.

    Raises
    ------
    ArchvizError
        Where there is no map over an image, and for a choice that is none.
    """
    _refuse(shown, scale, panel)
    methods = list(dict.fromkeys(one.title for one in shown))
    targets = list(dict.fromkeys(one.target for one in shown))
    maps = {(one.title, one.target): over_images(one)[1] for one in shown}
    images = over_images(shown[0])[0]
    board = Board(style)
    which = chosen(len(images), samples, most_rows(board, images.shape, len(targets)))
    scales = _scales(shown, maps, which, style, scale, limit)
    photos = {i: photo(images[i], mean, std) for i in which}
    laid = _laid(methods, maps, which, scales, panel)

    def tile(method: str, target: str, i: int) -> Panel | None:
        if (method, target) not in maps:
            return None
        values, on = np.asarray(maps[method, target][i]), scales[method, target, i]
        if method in laid or panel == "auto" and values.shape != photos[i].shape[:2]:
            return Panel(over(photos[i], values, on, colours))
        return Panel(on.rgb(values), cells=True)

    asked = [(i, target) for i in which for target in targets]
    rows = [[Panel(photos[i]) if target == targets[0] else None, *(tile(method, target, i) for method in methods)]
            for i, target in asked]
    labels = [", ".join(filter(None, (name(i, len(which), names), target if len(targets) > 1 else "")))
              for i, target in asked]
    table = Table(rows, ["input", *methods], labels, _keys(scales, methods, scale))
    if len(which) == len(methods) == 1 < len(targets):      # one picture, asked several things: side by side
        table = Table([[rows[0][0], *(row[1] for row in rows)]], ["input", *targets], methods,
                      [replace(key, last=len(targets)) for key in table.keys])
    alone = len(table.rows) == 1
    width, height = place(board, replace(table, least=LEAST) if alone else table)
    sharing = {"map": "Each map has its own scale, up to its largest magnitude", "all": "All maps share one scale",
               "method": "" if alone else "The maps of a method share its scale"}[scale]
    return board.scene(width, height, f"{len(methods)} methods, {targets[0] if len(targets) == 1 else 'targets'}",
                       [*sentences(shown, list(scales.values())), sharing, of_all(len(which), len(images), samples)])


def _refuse(shown: Sequence[Any], scale: str, panel: str) -> None:
    """Raise `ArchvizError` for a choice that is none, and for one scale of what has no unit in common."""
    for what, word, choices in (("scale", scale, SCALES), ("panel", panel, PANELS)):
        if word not in choices:
            raise ArchvizError(f"there is no {what} {word!r}", did_you_mean(word, choices))
    if scale == "all" and len({(one.signed, one.unit) for one in shown}) > 1:
        raise ArchvizError("these maps have no unit in common, so that they cannot share a scale",
                           'draw them with scale="method"')


def _scales(shown: Sequence[Any], maps: dict[tuple[str, str], Any], which: Sequence[int], style: Style, share: str,
            limit: float | str | None) -> dict[tuple[str, str, int], Scale]:
    """The scale of each map: (method, target, sample) → `Scale`."""
    scales = {}
    for one in shown:
        for i in which:
            if share == "map":
                values = [maps[one.title, one.target][i]]
            else:
                values = [maps[other.title, other.target][which] for other in shown
                          if share == "all" or other.title == one.title]
            scales[one.title, one.target, i] = colormap.scale(values, style.heat, one.signed, limit, one.unit)
    return scales


def _laid(methods: Sequence[str], maps: dict[tuple[str, str], Any], which: Sequence[int],
          scales: dict[tuple[str, str, int], Scale], panel: str) -> set[str]:
    """The methods whose maps lie over the image."""
    if panel == "over":
        return set(methods)
    if panel != "auto" or any(on.plain for on in scales.values()):
        return set()
    return {method for method in methods if coarse([maps[key][i] for key in maps if key[0] == method for i in which])}


def _keys(scales: dict[tuple[str, str, int], Scale], methods: Sequence[str], share: str) -> list[Key]:
    """The bars: below each method, or one below all that are read alike."""
    by_method = {method: next(on for (title, _, _), on in scales.items() if title == method) for method in methods}
    if share == "method":
        return [Key(on, k + 1, k + 1) for k, on in enumerate(by_method.values())]
    if share == "all":
        return [Key(by_method[methods[0]], 1, len(methods))]
    ends = {True: ("−max", "max"), False: ("0", "max")}
    kinds = {on.signed: on for on in by_method.values()}
    if len(kinds) == 1:
        on = by_method[methods[0]]
        return [Key(_plain(on), 1, len(methods), ends[on.signed])]
    return [Key(_plain(on), k + 1, k + 1, ends[on.signed]) for k, on in enumerate(by_method.values())]


def _plain(on: Scale) -> Scale:
    """The same colours where the numbers differ from map to map: of no unit."""
    return Scale(on.low, on.high, on.map)
