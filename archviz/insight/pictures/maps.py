"""What a layer computes or looks for: its feature maps, its filters, the patches that excite its units most.

In: a recording or an attribution with maps (N, C, H, W); weights (C, D, h, w); patches of images.  Out: a `Scene`.

After the figures of Krizhevsky, Sutskever & Hinton (2012; filters), and of Zeiler & Fergus (2014) and Yosinski et al.
(2015; a unit's top nine).
"""
from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from math import ceil, sqrt
from typing import Any

import numpy as np

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.scene import Scene
from archviz.insight.painting import colorbar, colormap
from archviz.insight.painting.colormap import Pixels, Scale
from archviz.insight.pictures._arrays import chosen
from archviz.insight.pictures._board import LEADING, Board
from archviz.insight.pictures._photo import photo
from archviz.style.style import Style

MOST = 64           # tiles, if nobody says which channels
LARGEST, SMALLEST = 46.0, 15.0      # sides of a tile, in printed points
GAP, APART, THIN = 2.0, 7.0, 0.8    # between tiles, between units with several patches, and between these
SLIM = 1.15         # a picture of many tiles is at most so many times as high as wide
BAR_GAP = 6.0
LENGTH = 130.0      # of the colour bar


def draw(shown: Sequence[Any], style: Style, *, node: str | None = None, channels: int | Sequence[int] | None = None,
         weights: Any = None, patches: Any = None, units: Sequence[int] = (), sample: int = 0,
         limit: float | str | None = None, mean: Sequence[float] = (), std: Sequence[float] = ()) -> Scene:
    """A tile for each channel; with `weights` for each filter, with `patches` several for each unit.

    Parameters
    ----------
    shown : sequence of Recording or Attribution
        The first of them has the maps.
    node : str, optional
        The id of the layer, or a glob; by default the first with maps.
    channels : int or sequence of int, optional
        So many channels, those with the strongest maps; or these.
    weights : array, (C, D, h, w), optional
        Filters to show in the place of maps: of three input channels (D) in colours, each from its least to its
        largest weight; else one tile for each filter, summed over D.
    patches : sequence of sequences of array, (D, h, w), optional
        For each unit the parts of images that excite it most, as `Recording.patches` gives them.
    units : sequence of int
        The numbers of the units that `patches` belong to.

    Raises
    ------
    ArchvizError
        Where there are no maps (N, C, H, W) of such a layer, no such channel or sample.
    """
    board = Board(style)
    if patches is not None:
        return _patches(board, patches, units, mean, std)
    if weights is not None:
        return _filters(board, weights, limit)
    one = shown[0]
    key, maps = _layer(one, node)
    sample = chosen(len(maps), [sample])[0]
    values = np.asarray(maps[sample], dtype=np.float64)
    which = _channels(values, channels)
    signed = bool((values[which] < 0).any())
    unit = one.unit if hasattr(one, "method") else "activation"     # the unit of a recording is that of its scores
    on = colormap.scale(values[which], style.heat, signed, limit, unit)
    width, height = _tiles(board, [on.rgb(values[i]) for i in which], [str(i) for i in which], on)
    sentences = [f"{one.title} of {key}: {_said(which, len(values))}, on one scale"]
    return board.scene(width, height, f"{one.title}, {key}", sentences)


def _layer(one: Any, node: str | None) -> tuple[str, Any]:
    """The first layer with maps (N, C, H, W), or the first that the glob names."""
    by_id = {key: values for key, values in one.maps.items() if np.ndim(values) == 4}
    if not by_id:
        raise ArchvizError(f"{one.title} holds no maps of channels", 'record the values: reduce=["values"]')
    matching = [key for key in by_id if node is None or key == node or fnmatchcase(key, node)]
    if not matching:
        raise ArchvizError(f"there are no maps of {node!r}", did_you_mean(str(node), by_id))
    return matching[0], by_id[matching[0]]


def _channels(values: Any, channels: int | Sequence[int] | None) -> list[int]:
    """Which channels of (C, H, W) are shown, in their order."""
    if channels is None or isinstance(channels, int):
        most = MOST if channels is None else channels
        strength = np.abs(np.nan_to_num(values)).reshape(len(values), -1).mean(1)
        return sorted(int(i) for i in np.argsort(-strength, kind="stable")[:most])
    for i in channels:
        if not 0 <= i < len(values):
            raise ArchvizError(f"there is no channel {i}", f"there are {len(values)}, counted from 0")
    return list(channels)


def _said(which: Sequence[int], count: int) -> str:
    """Which channels of how many."""
    if len(which) == count:
        return f"all {count} channels"
    if len(which) > 12:
        return f"the {len(which)} of {count} channels with the strongest maps"
    return f"{'channel' if len(which) == 1 else 'channels'} {', '.join(map(str, which))} of {count}"


def _filters(board: Board, weights: Any, limit: float | str | None) -> Scene:
    """The filters (C, D, h, w) of a convolution."""
    filters = np.asarray(weights, dtype=np.float64)
    if filters.ndim != 4:
        raise ArchvizError(f"weights of shape {filters.shape} are no filters", "give (channels, inputs, height, width)")
    count, inputs, high, wide = filters.shape
    names = [str(i) for i in range(count)]
    if inputs == 3:
        tiles = [photo((one - one.min()) / (np.ptp(one) or 1.0)) for one in filters]
        width, height = _tiles(board, tiles, names, None)
        how = "each in colours of its own, from its least to its largest weight"
    else:
        on = colormap.scale(filters.sum(1), board.style.heat, True, limit, "weight")
        width, height = _tiles(board, [on.rgb(one) for one in filters.sum(1)], names, on)
        how = "on one scale" if inputs == 1 else f"each summed over its {inputs} inputs, on one scale"
    return board.scene(width, height, "Filters", [f"{count} filters of {high}×{wide}, {how}"])


def _tiles(board: Board, tiles: Sequence[Pixels], names: Sequence[str], on: Scale | None) -> tuple[float, float]:
    """Tiles in rows, each with its name above where it has room; the bar below."""
    room, high = board.room
    size = board.size("note")
    shape = tiles[0].shape[0] / tiles[0].shape[1]
    below = 0.0 if on is None else colorbar.flat(on, LENGTH, board.style).height + BAR_GAP
    across, side, words = len(tiles), 1.0, False
    for count in range(1, len(tiles) + 1):      # the fewest in a row, and so the largest, that leave it low enough
        wide = min((room + GAP) / count - GAP, LARGEST)
        named = wide >= 2.2 * size
        tall = (wide * shape + GAP + (1.15 * size if named else 0.0)) * ceil(len(tiles) / count) - GAP
        across, side, words = count, wide, named
        if tall <= min(high - below, SLIM * (count * (wide + GAP) - GAP)) or wide < SMALLEST:
            break
    across = ceil(len(tiles) / ceil(len(tiles) / across))       # rows of nearly equal length
    above = 1.15 * size if words else 0.0
    tall = side * shape + GAP + above
    for k, (tile, word) in enumerate(zip(tiles, names, strict=True)):
        x, y = (k % across) * (side + GAP), (k // across) * tall
        if words:
            board.text(x + side / 2, y + 0.85 * size, word, "note", "middle")
        board.image(x, y + above, side, side * shape, tile, cells=True)
    width, bottom = min(across, len(tiles)) * (side + GAP) - GAP, ceil(len(tiles) / across) * tall - GAP
    if on is None:
        return width, bottom
    drawn = colorbar.flat(on, min(LENGTH, 0.8 * room), board.style)
    board.bar(drawn, max(0.0, (width - drawn.width) / 2) + drawn.before, bottom + BAR_GAP)
    return max(width, drawn.width), bottom + BAR_GAP + drawn.height


def _patches(board: Board, patches: Any, units: Sequence[int], mean: Sequence[float], std: Sequence[float]) -> Scene:
    """A square of patches for each unit, the strongest first, under the unit's number."""
    several = [[np.asarray(patch) for patch in each] for each in patches]
    if not several or not any(several):
        raise ArchvizError("there are no patches to draw", "Recording.patches(node, channel, data) cuts them out")
    numbers = list(units) or list(range(len(several)))
    if len(numbers) != len(several):
        raise ArchvizError(f"there are {len(numbers)} units for the patches of {len(several)}")
    size, (room, high) = board.size("heading"), board.room
    each = ceil(sqrt(max(map(len, several))))
    large = max(max(patch.shape[-2:]) for unit in several for patch in unit)
    across, block = 1, LARGEST
    for count in range(1, len(several) + 1):
        wide = min((room + APART) / count - APART, each * LARGEST)
        if (wide + LEADING * size + APART) * ceil(len(several) / count) <= high + APART:
            across, block = count, wide
            if wide < each * LARGEST or count * (wide + APART) > 0.98 * room:
                break
    side = (block - (each - 1) * THIN) / each
    tall = LEADING * size + 1.0 + block + APART
    for k, (unit, number) in enumerate(zip(several, numbers, strict=True)):
        x, y = (k % across) * (block + APART), (k // across) * tall
        board.text(x + block / 2, y + 0.85 * size, board.fit(f"unit {number}", "heading", block + APART), "heading",
                   "middle")
        for i, patch in enumerate(unit):
            pixels = _whole(photo(patch, mean, std), large)
            left, top = x + (i % each) * (side + THIN), y + LEADING * size + 1.0 + (i // each) * (side + THIN)
            board.image(left, top, side, side, pixels, cells=large < 40, rim=False)
    most = max(map(len, several))
    sentence = f"For each of {len(several)} units the {most} parts of images that it answers most, the strongest first"
    return board.scene(min(across, len(several)) * (block + APART) - APART, ceil(len(several) / across) * tall - APART,
                       "What units look for", [sentence])


def _whole(pixels: Pixels, side: int) -> Pixels:
    """A patch that was cut off at the image's border, in the middle of a grey square."""
    rims = [((side - size) // 2, (side - size + 1) // 2) for size in pixels.shape[:2]]
    return np.pad(pixels, [*rims, (0, 0)], constant_values=127)
