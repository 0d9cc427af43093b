"""The input of a vision model as an image one can look at, and a map over it.

In: arrays as a model takes them.  Out: pixels (H, W, 3).
"""
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archviz.core.errors import ArchvizError
from archviz.insight.painting import colormap
from archviz.insight.painting.colormap import Pixels, Scale

COARSE = 0.15      # of a map's variance: with less detail than that at the level of pixels it is laid over the image


def photo(array: NDArray[Any], mean: Sequence[float] = (), std: Sequence[float] = ()) -> Pixels:
    """An image (C, H, W) or (H, W) as pixels.

    `mean` and `std` undo what the model's preparation did, channel by channel.  Without them values in [0, 1] and bytes
    are taken as they are, and others are stretched so that the darkest is black and the brightest white.
    """
    image = np.asarray(array, dtype=np.float64)
    image = image[None] if image.ndim == 2 else image
    if image.ndim != 3:
        raise ArchvizError(f"an array of shape {tuple(np.shape(array))} is not an image", "give (C, H, W)")
    values = np.nan_to_num(image)
    if len(mean) or len(std):
        add, by = (np.asarray(one, dtype=np.float64).reshape(-1, 1, 1) for one in (mean or (0.0,), std or (1.0,)))
        if {len(add), len(by)} - {1, len(image)}:
            raise ArchvizError(f"mean and std have {len(add)} and {len(by)} numbers, the image {len(image)} channels")
        values = np.clip(values * by + add, 0.0, 1.0)
    elif np.asarray(array).dtype == np.uint8:
        values = values / 255
    elif values.min() < 0 or values.max() > 1:
        low, high = values.min(), values.max()
        values = (values - low) / (high - low or 1.0)
    if len(values) != 3:     # grey, or more bands than one can see: their mean
        values = values.mean(0, keepdims=True).repeat(3, 0)
    pixels: Pixels = np.rint(255 * values).astype(np.uint8).transpose(1, 2, 0)
    return pixels


def coarse(maps: Sequence[NDArray[Any]]) -> bool:
    """Whether maps (H, W) have no detail at the level of pixels: neighbours are nearly equal, as in a class activation
    map enlarged to the image.  Such maps say where, and only over the image one sees what lies there.  All maps of a
    method are judged together, so that it looks the same for each image."""
    if any(min(np.shape(one)) < 16 for one in maps):
        return False
    steps = 0.0
    for one in maps:
        plain = np.nan_to_num(np.asarray(one, dtype=np.float64))
        steps += sum(np.mean(np.diff(plain, axis=axis) ** 2) for axis in (0, 1)) / (plain.var() or 1.0)
    return bool(steps <= COARSE * len(maps))


def over(image: Pixels, values: NDArray[Any], on: Scale, colours: bool = False) -> Pixels:
    """Heat over the image, which loses its own colours unless they are asked for."""
    return colormap.blended(image if colours else colormap.grey(image), values, on)
