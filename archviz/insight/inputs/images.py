"""Image files → the pixels that a model is given, and what the user is told of how they came about.

In: paths, Pillow images, arrays of bytes; how a model wants its images (`Recipe`).  Out: (C, H, W) float32.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from archviz.core.errors import ArchvizError

Pixels = NDArray[np.float32]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm"})
_KEYS = frozenset({"size", "mean", "std", "image_mean", "image_std", "crop_size", "do_normalize", "do_center_crop"})

NORMALISATIONS = {
    "none": ((0.0,), (1.0,)),
    "half": ((0.5,), (0.5,)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
}
"""Means and standard deviations by name, of pixels from 0 to 1; ImageNet's are those of its training images."""


@dataclass(frozen=True)
class Recipe:
    """How a model wants its images.

    size        height and width; None: as they are
    mean, std   subtracted from, and divided out of, pixels from 0 to 1: one number, or one for each channel
    resize      the length of the shorter side before the middle is cut out; None: that of `size`
    call        does all of it instead: a Pillow image → a tensor (C, H, W)
    source      where this was found; empty where nobody said anything
    """

    size: tuple[int, int] | None = None
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resize: int | None = None
    call: Callable[[Any], Any] | None = None
    source: str = ""

    def normalised(self, pixels: Pixels) -> Pixels:
        """(N, C, H, W) from 0 to 1 → what the model is given."""
        mean, std = self._columns(pixels.shape[1])
        return ((pixels - mean) / std).astype(np.float32)

    def restored(self, values: Pixels) -> Pixels:
        """The other way round."""
        mean, std = self._columns(values.shape[1])
        shown: Pixels = np.clip(values * std + mean, 0, 1).astype(np.float32)
        return shown

    def _columns(self, channels: int) -> tuple[Pixels, Pixels]:
        for numbers in (self.mean, self.std):
            if len(numbers) not in (1, channels):
                raise ArchvizError(f"{self.source or 'the normalisation'} has {len(numbers)} numbers for images of "
                                   f"{channels} channel{'s' * (channels > 1)}", "give one, or one for each channel")
        mean, std = (np.asarray(numbers, np.float32).reshape(1, -1, 1, 1) for numbers in (self.mean, self.std))
        return mean, std

    def normalisation(self) -> str:
        """The normalisation in words."""
        if self.call is not None:
            return f"prepared by {self.source}"
        if (self.mean, self.std) == NORMALISATIONS["none"]:
            return "pixels from 0 to 1, not normalised"
        name = next((key for key, numbers in NORMALISATIONS.items() if numbers == (self.mean, self.std)), "")
        numbers = f"mean {', '.join(f'{n:g}' for n in self.mean)}, deviation {', '.join(f'{n:g}' for n in self.std)}"
        by = f" by {self.source}" if self.source else ""
        return f"normalised{by} ({'ImageNet: ' if name == 'imagenet' else ''}{numbers})"


def recipe_of(value: Any, source: str) -> Recipe:
    """What a model's file, a user or an image processor says of images; `source` is where, for messages.

    `value` is a `Recipe`; a mapping with ``size``, ``mean``, ``std``; the configuration of an image processor of
    transformers, as a mapping, an object or a ``preprocessor_config.json``; the name of a normalisation
    (``"imagenet"``), or ``"mean:std"``; a function that makes a tensor of a Pillow image.  Raises `ArchvizError` for
    what is none of these.
    """
    if isinstance(value, Recipe):
        return value
    if isinstance(value, (str, Path)):
        if str(value).endswith(".json"):
            return _recipe_of_file(Path(value))
        return _recipe_of_word(str(value), source)
    if isinstance(value, Mapping):
        unknown = set(value) - _KEYS if not _KEYS.intersection(value) else set()
        if unknown:
            raise ArchvizError(f"{source} says nothing of images: {', '.join(sorted(map(str, unknown))[:4])}",
                               "it has size, mean and std, or the keys of an image processor's configuration")
        return _recipe_of_keys(value, source)
    if hasattr(value, "image_mean"):        # an image processor of transformers
        return _recipe_of_keys({key: getattr(value, key, None) for key in _KEYS}, source)
    if callable(value):
        recipe = Recipe(call=value, source=source)
        mean, std = getattr(value, "mean", None), getattr(value, "std", None)
        return replace(recipe, mean=_numbers(mean, source), std=_numbers(std, source)) if mean and std else recipe
    raise ArchvizError(f"{source} is a {type(value).__name__}",
                       "it must be a function, a dict with size, mean and std, or a name like imagenet")


def _recipe_of_word(word: str, source: str) -> Recipe:
    mean, std = NORMALISATIONS.get(word, ((), ()))
    if not mean:
        halves = word.split(":")
        try:
            mean, std = (tuple(float(n) for n in half.split(",")) for half in halves)
        except ValueError:
            raise ArchvizError(f"{source}: {word!r} is no normalisation",
                               f"say {', '.join(NORMALISATIONS)}, or mean:std as in 0.13:0.31") from None
    if not all(std):
        raise ArchvizError(f"{source}: a deviation of 0 cannot be divided by")
    return Recipe(mean=mean, std=std)


def _recipe_of_file(path: Path) -> Recipe:
    try:
        configuration = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArchvizError(f"cannot read {path}: {' '.join(str(error).split())}") from None
    if not isinstance(configuration, dict):
        raise ArchvizError(f"{path} is no image processor's configuration")
    return recipe_of(configuration, path.name)


def _recipe_of_keys(keys: Mapping[str, Any], source: str) -> Recipe:
    crop = keys.get("crop_size") if keys.get("do_center_crop", True) else None
    size = _sides(crop or keys.get("size"), source)
    shorter = keys["size"].get("shortest_edge") if crop and isinstance(keys.get("size"), Mapping) else None
    mean, std = (keys.get(f"image_{key}") or keys.get(key) for key in ("mean", "std"))
    if keys.get("do_normalize") is False:
        mean = std = None
    return Recipe(size, _numbers(0.0 if mean is None else mean, source), _numbers(1.0 if std is None else std, source),
                  shorter, None, source)


def _numbers(value: Any, source: str) -> tuple[float, ...]:
    try:
        return tuple(float(n) for n in (value if isinstance(value, Sequence) else [value]))
    except (TypeError, ValueError):
        raise ArchvizError(f"{source}: {value!r} is no mean or deviation", "give one number for each channel") from None


def _sides(value: Any, source: str) -> tuple[int, int] | None:
    if isinstance(value, Mapping):
        value = (value["height"], value["width"]) if "height" in value else value.get("shortest_edge")
    if value is None:
        return None
    sides = tuple(value) if isinstance(value, Sequence) else (value, value)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise ArchvizError(f"{source}: {value!r} is no size of an image", "give a number, or height and width")
    return sides[0], sides[1]


def opened(value: Any) -> Image.Image:
    """A Pillow image, upright, of a path, an image or an (H, W[, C]) array of bytes."""
    if isinstance(value, Image.Image):
        return ImageOps.exif_transpose(value)
    if isinstance(value, np.ndarray):
        return Image.fromarray(value[..., 0] if value.ndim == 3 and value.shape[2] == 1 else value)
    path = Path(value)
    if not path.is_file():
        raise ArchvizError(f"there is no image {path}")
    try:
        with Image.open(path) as image:
            image.load()
            return ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise ArchvizError(f"{path} is not an image that can be read", "a PNG or JPEG file is wanted") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ArchvizError(f"cannot read {path}: {' '.join(str(error).split())}") from None


def is_image(value: Any) -> bool:
    """Whether `value` is meant as an image: one of Pillow's, a path, a word that names a file of that kind, or an array
    of bytes with few channels."""
    if isinstance(value, np.ndarray):
        return value.dtype == np.uint8 and (value.ndim == 2 or (value.ndim == 3 and value.shape[2] in (1, 3, 4)))
    if isinstance(value, str):
        return Path(value).suffix.lower() in SUFFIXES
    return isinstance(value, (Path, Image.Image))


def fitted(image: Image.Image, size: tuple[int, int] | None, resize: int | None = None) -> Image.Image:
    """The middle of `image`, (height, width) large, after its shorter side was brought to that (or to `resize`)."""
    if size is None or image.size == size[::-1]:
        return image
    height, width = size
    if resize:
        scale = max(resize / min(image.size), height / image.height, width / image.width)
        image = image.resize((max(width, round(image.width * scale)), max(height, round(image.height * scale))),
                             Image.Resampling.BILINEAR)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        return image.crop((left, top, left + width, top + height))
    return ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR)


def pixels(image: Image.Image, channels: int) -> Pixels:
    """(C, H, W), from 0 to 1: one channel of grey, three of colours, or four with opacity; else white is behind all."""
    if channels not in (1, 3, 4):
        raise ArchvizError(f"an image has 1, 3 or 4 channels, and the model takes {channels}",
                           "give it a tensor or an array instead")
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) / 257).astype(np.uint8))
    if channels != 4 and (image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info):
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    array = np.asarray(image.convert({1: "L", 3: "RGB", 4: "RGBA"}[channels]), np.float32) / 255
    return np.ascontiguousarray(array[None] if channels == 1 else array.transpose(2, 0, 1))
