"""Heat over the input image: the image, its map, and the map over the image, side by side with a colour bar.

In: one attribution of images.  Out: a `Scene`.
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.scene import Scene
from archviz.insight.painting import colormap
from archviz.insight.pictures._arrays import chosen, name, over_images
from archviz.insight.pictures._board import Board
from archviz.insight.pictures._photo import over, photo
from archviz.insight.pictures._sentences import of_all, sentences
from archviz.insight.pictures._table import Key, Panel, Table, most_rows, place
from archviz.style.style import Style

PANELS = {"image": "input", "heat": "", "over": "over the input"}
"""What may stand side by side, and what stands above it; above the map alone the method's title."""


def draw(shown: Sequence[Any], style: Style, *, panels: str = "", samples: Sequence[int] | None = None,
         limit: float | str | None = None, mean: Sequence[float] = (), std: Sequence[float] = (),
         colours: bool = False, names: Sequence[str] = ()) -> Scene:
    """One row for each sample.

    Parameters
    ----------
    shown : sequence of Attribution
        One, with a map (N, H, W) over images (N, C, H, W).
    panels : str
        Which of ``image``, ``heat`` and ``over`` (heat over the image), with commas, in this order; by default
        all three, in a theme of greys the first two.

    Raises
    ------
    ArchvizError
        Where there is no map over an image, and for a panel or a sample that is none.
    """
    if len(shown) != 1:
        raise ArchvizError(f"this picture shows one map, not {len(shown)}", "the picture grid shows several")
    one, board = shown[0], Board(style)
    images, maps = over_images(one)
    which = chosen(len(maps), samples, most_rows(board, images.shape))
    on = colormap.scale(maps[which], style.heat, one.signed, limit, one.unit)
    wanted = [panel.strip() for panel in (panels or ("image,heat" if on.plain else "image,heat,over")).split(",")]
    for panel in wanted:
        if panel not in PANELS:
            raise ArchvizError(f"there is no panel {panel!r}", did_you_mean(panel, PANELS))
    rows = []
    for i in which:
        image = photo(images[i], mean, std)
        made = {"image": image, "heat": on.rgb(maps[i]), "over": over(image, maps[i], on, colours)}
        rows.append([Panel(made[panel], panel == "heat") for panel in wanted])
    coloured = [k for k, panel in enumerate(wanted) if panel != "image"]
    keys = [Key(on, coloured[0], coloured[-1])] if coloured else []
    labels = [name(i, len(which), names) for i in which]
    width, height = place(board, Table(rows, [PANELS[panel] or one.title for panel in wanted], labels, keys))
    return board.scene(width, height, f"{one.title}, {one.target}",
                       [*sentences(shown, [on]), of_all(len(which), len(maps), samples)])
