"""A node's map as pixels: single channels, all of them together, a vector, or the picture that went in.

In: the array of one sample at one node, its axes, the colour maps of a style.  Out: `Tile`, a PNG with its shape.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archviz.insight.painting import colormap

FINE = 64           # a map with no more cells a side is seen cell by cell
SHARP = 160         # pixels a side that a map of few cells is enlarged to
LONG = 128          # the most cells of a vector, and of each side of a table
Array = NDArray[Any]


@dataclass(frozen=True)
class Tile:
    """A picture, `cells` where its pixels are to be seen as cells, of `shape` (rows, columns)."""

    png: bytes
    cells: bool
    shape: tuple[int, int]


def shaped(array: Array, axes: str) -> tuple[str, Array]:
    """What an array of one sample is, and its values: a ``map`` (C, H, W), a ``table`` (rows, columns), a ``vector``.

    `axes` are the axes of the node's tensor, batch included, where they are known: a signal (C, L) is turned, so that
    its channels lie side by side.
    """
    plain = np.asarray(array, dtype=np.float64)
    places = axes[1:] if len(axes) == plain.ndim + 1 else ""
    if places == "HWC":
        plain, places = np.moveaxis(plain, -1, 0), "CHW"
    if plain.size == max(plain.shape, default=1):
        return "vector", plain.ravel()
    if places and not {"H", "W"} <= set(places):          # tokens, or a signal; of several heads their mean
        table = plain.reshape(-1, *plain.shape[-2:]).mean(axis=0)
        return "table", table.T if places == "CL" else table
    return "map", plain.reshape(-1, *plain.shape[-2:])


def tile(array: Array, axes: str, maps: Mapping[str, str], signed: bool | None, is_input: bool = False,
         over: Array | None = None) -> Tile | None:
    """One picture: the mean of the channels, or, where `signed` is None, the one that varies most from place to place;
    of an input (`is_input`) its colours, with what is found there `over` it.  None for one number."""
    kind, values = shaped(array, axes)
    if kind == "vector" and values.size < 2:
        return None
    if is_input and kind == "map" and values.shape[0] in (1, 3):
        return photograph(values, over, None if over is None else colormap.scale(over, maps, bool(signed)))
    flat = (values.mean(axis=0) if signed is not None else values[_order(values)[0]]) if kind == "map" else shrunk(
        np.atleast_2d(values))
    return _tile(flat, _scale(flat, maps, signed))


def several(array: Array, axes: str, maps: Mapping[str, str], signed: bool | None, most: int) -> list[Tile]:
    """The channels that vary most, on one scale, or, as for `tile`, their mean; none of what is no map."""
    kind, values = shaped(array, axes)
    if kind != "map":
        return []
    chosen = values.mean(axis=0)[None] if signed is not None else values[_order(values)[:most]]
    scale = _scale(chosen, maps, signed)
    return [_tile(one, scale) for one in chosen]


def _order(values: Array) -> Array:
    """The channels of a map, those that vary most from place to place first."""
    return np.argsort(-np.nan_to_num(values).std(axis=(1, 2)), kind="stable")


def _scale(values: Array, maps: Mapping[str, str], signed: bool | None) -> colormap.Scale:
    """Of single channels: in the colours for them, diverging where anything is below zero."""
    if signed is not None:
        return colormap.scale(values, maps, signed)
    return colormap.scale(values, {**maps, "unsigned": maps.get("maps", maps["unsigned"])}, bool((values < 0).any()))


def photograph(values: Array, over: Array | None = None, on: colormap.Scale | None = None) -> Tile:
    """An image (C, H, W) as it was given to the model, from its darkest to its lightest value; in greys, with a map
    (H, W) `over` it, where there is one."""
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    bright = np.rint(255 * (np.nan_to_num(values, nan=low) - low) / max(high - low, 1e-12)).astype(np.uint8)
    pixels = np.moveaxis(bright, 0, -1)
    if pixels.shape[-1] == 1:
        pixels = pixels.repeat(3, -1)
    if over is not None and on is not None:
        pixels = colormap.blended(colormap.grey(pixels), over, on)
    return Tile(colormap.png(pixels), max(pixels.shape[:2]) <= FINE, (pixels.shape[0], pixels.shape[1]))


def _tile(values: Array, scale: colormap.Scale) -> Tile:
    times = max(1, SHARP // max(values.shape))      # what smooths pixels that it enlarges leaves the cells' edges sharp
    pixels = scale.rgb(values).repeat(times, 0).repeat(times, 1)
    return Tile(colormap.png(pixels), max(values.shape) <= FINE, (values.shape[0], values.shape[1]))


def shrunk(table: Array, most: int = LONG) -> Array:
    """The table with neighbours averaged, so that each cell can be seen: at most so many a side."""
    for axis in (0, 1):
        size = table.shape[axis]
        if size > most:
            starts = np.arange(most) * size // most
            counts = np.diff([*starts, size])
            sums = np.add.reduceat(table, starts, axis=axis)
            table = sums / (counts[:, None] if axis == 0 else counts)
    return table
