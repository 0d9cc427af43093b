"""What a picture takes of attributions: arrays over images, over tokens and at nodes, which samples.

In: attributions.  Out: arrays, the names of samples and nodes.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from archviz.core.errors import ArchvizError


def over_images(one: Any) -> tuple[Any, Any]:
    """The images (N, C, H, W) of the first input with a map over them, and the map (N, H, W); or `ArchvizError`."""
    for key, values in one.inputs.items():
        image = one.shown.get(key)
        if image is not None and np.ndim(image) == 4 and np.ndim(values) in (3, 4):
            values = np.asarray(values)
            return np.asarray(image), values.sum(1) if values.ndim == 4 else values
    raise ArchvizError(f"{one.title} has no map over an image", _what(one))


def over_tokens(one: Any) -> tuple[Any, Any]:
    """The same of tokens: their ids (N, L), None where they are not known, and the map (N, L); or `ArchvizError`."""
    for key, values in one.inputs.items():
        if np.ndim(values) == 2:
            ids = one.shown.get(key)
            return (np.asarray(ids) if ids is not None and np.ndim(ids) == 2 else None), np.asarray(values)
    raise ArchvizError(f"{one.title} has no map over tokens", _what(one))


def parts_by_node(one: Any, name: str, ndim: int) -> dict[str, Any]:
    """What the attribution's `extra` holds of one name: node id → array.  Raises `ArchvizError` where there is none."""
    parts = {key.partition(":")[2]: np.asarray(value) for key, value in getattr(one, "extra", {}).items()
             if key.partition(":")[0] == name and np.ndim(value) == ndim}
    if not parts:
        raise ArchvizError(f"{one.title} holds no {name} to draw", f"explain with the method {name}")
    return parts


def short(ids: Sequence[str]) -> list[str]:
    """Ids without the parts that all of them share; a number alone is that of a layer."""
    split = [re.split(r"[./]", key) for key in ids]
    if len(ids) < 2 or len({len(parts) for parts in split}) > 1:
        return list(ids)
    differ = [i for i, parts in enumerate(zip(*split, strict=True)) if len(set(parts)) > 1]
    shortened = [".".join(parts[i] for i in differ) for parts in split]
    return [f"layer {name}" if name.isdecimal() else name for name in shortened]


def _what(one: Any) -> str:
    sizes = ", ".join(f"{key} {'×'.join(map(str, np.shape(value)))}" for key, value in one.inputs.items())
    return f"its maps over inputs: {sizes}" if sizes else "it has no maps over inputs"


def chosen(count: int, samples: Sequence[int] | None, most: int | None = None) -> list[int]:
    """Which samples to draw: by default the first `most`.  Raises `ArchvizError` for one that is not there."""
    numbers = list(range(count))[:most] if samples is None else list(samples)
    for i in numbers:
        if not -count <= i < count:
            raise ArchvizError(f"there is no sample {i}", f"there are {count}, counted from 0")
    return [i % count for i in numbers]


def name(i: int, count: int, names: Sequence[str]) -> str:
    """What a sample is called; nothing where there is only one, and it has no name."""
    return names[i] if i < len(names) else f"input {i}" if count > 1 else ""
