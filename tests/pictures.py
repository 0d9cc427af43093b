"""What tests of pictures share: a small result made by hand, and what a scene shows.

In: arrays, a scene.  Out: an `Attribution`; tiles as pixels, words.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image as Pillow

from archviz.core.scene import Group, Image, Mark, Scene, Text
from archviz.insight.results.attribution import Attribution
from archviz.style.style import load_style

STYLE = load_style("block")
MARGIN = STYLE.sizes["margin"]
HOSTILE = '<b>"&\\x{'


def result(**parts: Any) -> Attribution:
    """An attribution of one sample or of several, whatever is not said of it empty."""
    return Attribution(**{"method": "made", "title": "Made", "target": "class 7", "output": np.zeros(1), "inputs": {},
                          "shown": {}, "maps": {}, "scores": {}, "flows": {}, "signed": True, "unit": "relevance",
                          **parts})


def over_images(values: np.ndarray, images: np.ndarray | None = None, **more: Any) -> Attribution:
    """Maps (N, H, W) over images (N, 3, H, W), which are made up where none are given."""
    n, high, wide = values.shape
    made = (np.arange(n * 3 * high * wide) * 37 % 256).astype(np.uint8).reshape(n, 3, high, wide)
    return result(**{"inputs": {"/in:x": values}, "shown": {"/in:x": made if images is None else images},
                     "signed": bool((values < 0).any()), **more})


def every(marks: Sequence[Mark]) -> Iterator[Mark]:
    """All marks that are no groups."""
    for mark in marks:
        if isinstance(mark, Group):
            yield from every(mark.marks)
        else:
            yield mark


def tiles(scene: Scene) -> list[Image]:
    """The images that are no colour bars."""
    return [mark for mark in every(scene.marks) if isinstance(mark, Image) and mark.role == "image"]


def bars(scene: Scene) -> list[Image]:
    """The colours of the colour bars."""
    return [mark for mark in every(scene.marks) if isinstance(mark, Image) and mark.role == "tile"]


def pixels(image: Image, *shape: int) -> np.ndarray:
    """What an image shows, (H, W, 3); with a `shape` its cells, all of whose pixels are the same."""
    seen = np.asarray(Pillow.open(BytesIO(image.png)).convert("RGB"))
    if not shape:
        return seen
    times = seen.shape[0] // shape[0]
    cells = seen[::times, ::times]
    assert np.array_equal(cells.repeat(times, 0).repeat(times, 1), seen)
    return cells


def texts(scene: Scene, role: str = "") -> list[Text]:
    """The words of a role, or all."""
    return [mark for mark in every(scene.marks) if isinstance(mark, Text) and role in ("", mark.role)]


def said(scene: Scene, role: str = "") -> list[str]:
    return [mark.string for mark in texts(scene, role)]
