"""Numbers → colours: the scale of a picture or of an overlay, its colour bar's ticks, heat over an image, PNG bytes.

In: arrays (numpy), and which colour maps a style names.  Out: a `Scale`, which gives RGB, ``#rrggbb``, ticks; images.

Colours come from maps of the cmap library: one for values that have no sign, from zero up, and a diverging one for
those that have, whose middle is zero and whose ends are equally far from it.  Same numbers, same bytes.
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from math import floor, log10
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from archviz.core.errors import ArchvizError, did_you_mean

Floats = NDArray[np.float64]
Pixels = NDArray[np.uint8]

ROBUST = "99.5%"        # the limit that `scale` takes for a map with many values: beyond it lies 0.5 % of them
MANY = 1024             # a map with fewer values has no stray ones: all are shown
STRAY = 1.5             # nor has one whose largest value is no more than so many times that limit
LEVELS = 1024           # steps in which a colour map is read
MISSING = (150, 150, 150)   # a NaN: a grey that no map of the styles has
STRENGTH = 0.85         # how opaque the strongest heat over an image is …
FADED = 0.3             # … and how far the image fades towards the colour of zero, so that heat keeps its own


@dataclass(frozen=True)
class Scale:
    """From numbers to colours.

    Attributes
    ----------
    low, high : float
        What the two ends of the colour bar stand for.  Zero and the limit, or equally far below and above zero.
    map : str
        The colour map, by its name in the cmap library.
    unit : str
        What the numbers are, for the colour bar.
    clipped : float
        Which part of the values (0 to 1) lies beyond the ends, and has the end's colour.
    """

    low: float
    high: float
    map: str
    unit: str = ""
    clipped: float = 0.0

    @property
    def signed(self) -> bool:
        """Whether zero is in the middle."""
        return self.low < 0

    @property
    def plain(self) -> bool:
        """Whether it is one of greys, which cannot be told from an image below them."""
        return bool(np.ptp(_ramp(self.map).astype(int), axis=-1).max() < 8)

    def parts(self, values: ArrayLike) -> Floats:
        """Where values lie on the bar: 0 at its lower end, 1 at its upper; what is beyond is at the end, NaN stays."""
        with np.errstate(invalid="ignore"):
            return np.clip((_floats(values) - self.low) / (self.high - self.low), 0.0, 1.0)

    def strengths(self, values: ArrayLike) -> Floats:
        """How far values are from zero, from 0 to 1 at the limit; 0 for NaN."""
        parts = self.parts(values)
        return np.nan_to_num(abs(2 * parts - 1) if self.signed else parts)

    def rgb(self, values: ArrayLike) -> Pixels:
        """The colours of `values` of any shape S, as bytes (S, 3)."""
        parts = self.parts(values)
        colours: Pixels = _ramp(self.map)[np.rint(np.nan_to_num(parts) * (LEVELS - 1)).astype(int)]
        return np.where(np.isnan(parts)[..., None], np.array(MISSING, np.uint8), colours)

    def colours(self, values: ArrayLike) -> NDArray[np.str_]:
        """The same as ``#rrggbb``, in the shape of the `values`."""
        r, g, b = np.moveaxis(self.rgb(values).astype(int), -1, 0)
        words: NDArray[np.str_] = np.vectorize("#{:02x}{:02x}{:02x}".format, otypes=[str])(r, g, b)
        return words

    def colour(self, value: float) -> str:
        """The colour of one `value`, ``#rrggbb``."""
        return str(self.colours(value))

    def ticks(self, most: int = 5) -> list[tuple[float, str]]:
        """At most `most` round numbers on the bar, zero among them, with their labels."""
        return ticks(self.low, self.high, most)

    def bar(self, steps: int = 256, down: bool = False) -> Pixels:
        """The bar itself, (1, steps, 3) from low to high; `down`: (steps, 1, 3), high at the top."""
        row = self.rgb(np.linspace(self.low, self.high, steps))
        return row[::-1, None] if down else row[None]

    @property
    def said(self) -> str:
        """The words at the bar: the unit, and what is clipped."""
        cut = f"{percent(self.clipped)}\N{NO-BREAK SPACE}clipped" if self.clipped else ""
        return ", ".join(filter(None, (self.unit, cut)))


def scale(values: Any, maps: Mapping[str, str], signed: bool = True,
          limit: float | str | None = None, unit: str = "") -> Scale:
    """The scale on which values are drawn.

    Parameters
    ----------
    values : array or sequence of arrays
        All that shall share it; shapes may differ.
    maps : Mapping
        ``signed`` and ``unsigned`` → name of a colour map; ``style.heat``.
    signed : bool
        Whether values below zero mean something.
    limit : float or str, optional
        What the bar's end stands for: a number, ``"max"`` for the largest magnitude, ``"99%"`` for the magnitude that
        99 % of the values do not exceed.  By default `ROBUST` for `MANY` values and more of which some are far beyond
        it, else ``"max"``.
    unit : str
        What the numbers are.

    Returns
    -------
    Scale
        From 0 to the limit, or from −limit to the limit.  Where all values are zero, or there are none, the limit is 1.

    Raises
    ------
    ArchvizError
        For a limit that is none, and a colour map that the library does not have.
    """
    arrays = values if isinstance(values, (list, tuple)) else [values]
    flat = np.concatenate([np.zeros(0), *(_floats(one).ravel() for one in arrays)])
    flat = flat[~np.isnan(flat)]
    sizes = abs(flat) if signed else flat
    finite = sizes[np.isfinite(sizes)]
    high = _limit(finite, "max" if limit is None else limit)
    if limit is None and finite.size >= MANY and high > STRAY * (robust := _limit(finite, ROBUST)):
        high = robust
    kind = "signed" if signed else "unsigned"
    if kind not in maps:
        raise ArchvizError(f"the style names no colour map for {kind} values", f"write heat: {{{kind}: …}}")
    _ramp(maps[kind])
    beyond = float((sizes > high * (1 + 1e-9)).mean()) if sizes.size else 0.0
    return Scale(-high if signed else 0.0, high, maps[kind], unit, beyond)


def _limit(sizes: Floats, limit: float | str) -> float:
    if isinstance(limit, str):
        percent = 100.0 if limit == "max" else _percent(limit)
        limit = float(np.percentile(sizes, percent)) if sizes.size else 0.0
        # Where nearly all are zero, a percentile of them is no limit.
        limit = limit if limit > 0 else float(sizes.max(initial=0.0))
        return limit if limit > 0 else 1.0
    if not (np.isfinite(limit) and limit > 0):
        raise ArchvizError(f"a scale cannot end at {limit}", 'give a number above zero, "max", or a share like "99%"')
    return float(limit)


def _percent(limit: str) -> float:
    try:
        percent = float(limit.removesuffix("%")) if limit.endswith("%") else -1.0
    except ValueError:
        percent = -1.0
    if not 0 < percent <= 100:
        raise ArchvizError(f"{limit!r} is not a limit of a scale", 'give a number, "max", or a share like "99%"')
    return percent


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)


@lru_cache(maxsize=32)
def _ramp(name: str) -> Pixels:
    """`LEVELS` colours of a map, (LEVELS, 3).  Raises `ArchvizError` for an unknown one."""
    import cmap

    try:
        colours = cmap.Colormap(name)
    except ValueError:
        hint = did_you_mean(name, cmap.Catalog().unique_keys())
        raise ArchvizError(f"there is no colour map {name!r}", hint) from None
    return np.rint(255 * np.asarray(colours(np.linspace(0, 1, LEVELS)))[:, :3]).astype(np.uint8)


def colourless(maps: Mapping[str, str]) -> bool:
    """Whether the colour maps are greys, as for printing in black: then images are, too."""
    ramps = [_ramp(name).astype(int) for name in maps.values()]
    return all(abs(ramp - ramp[:, :1]).max() <= 2 for ramp in ramps)


def ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Round numbers (1, 2 or 5 times a power of ten, apart) from low to high, at most `most`, with their labels."""
    span = high - low
    exponent = floor(log10(span / max(most - 1, 1)))
    step = next(factor * 10.0**(exponent + more) for more in range(3) for factor in (1, 2, 2.5, 5)
                if _within(low, high, factor * 10.0**(exponent + more)).size <= most)
    at = _within(low, high, step) * step + 0.0     # no minus zero
    return list(zip(at.tolist(), labels(at.tolist(), step), strict=True))


def _within(low: float, high: float, step: float) -> Floats:
    slack = 1e-9 * (high - low)
    return np.arange(np.ceil((low - slack) / step), np.floor((high + slack) / step) + 1)


def labels(values: Sequence[float], step: float) -> list[str]:
    """Numbers, `step` apart, with as many decimals as that needs: ``−0.05``, ``2e−4`` (few fonts raise a minus)."""
    largest = max((abs(value) for value in values), default=0.0)
    if largest and not 1e-3 <= largest < 1e5:
        power = floor(log10(largest) + 1e-9)
        heads = labels([value / 10.0**power for value in values], step / 10.0**power)
        return [head if head == "0" else f"{head}e{power}".replace("-", "−") for head in heads]
    decimals = next((d for d in range(8) if abs(step * 10**d - round(step * 10**d)) < 1e-6 * step * 10**d), 8)
    return ["0" if abs(value) < 1e-9 * step else f"{value:.{decimals}f}".replace("-", "−") for value in values]


def percent(part: float) -> str:
    """A part of a whole for a reader, on one line: ``0.5 %``, ``12 %``."""
    return f"{100 * part:{'.1g' if part < 0.0095 else '.0f'}}\N{NO-BREAK SPACE}%"


def number(value: float) -> str:
    """One value for a reader, in three digits: ``0.0314``, ``−12.5``, ``2.1e−5``."""
    if not np.isfinite(value):
        return str(float(value)).replace("-", "−")
    rounded = float(f"{value:.3g}")
    digits = f"{rounded:e}".split("e")[0].rstrip("0").partition(".")[2]
    power = floor(log10(abs(rounded)) + 1e-9) if rounded else 0
    return labels([rounded], 10.0**(power - len(digits)))[0]


def resized(values: ArrayLike, height: int, width: int, smooth: bool = True) -> NDArray[np.float32]:
    """A map (H, W) at another size.

    `smooth`: bicubic, for heat over a photograph, kept within the range of the values, which bicubic would leave.
    Else the nearest, for a map whose cells are meant as cells.
    """
    from PIL import Image

    plain = np.asarray(values, dtype=np.float32)
    if plain.shape == (height, width):
        return plain
    finite = np.nan_to_num(plain, nan=0.0, posinf=np.finfo(np.float32).max, neginf=np.finfo(np.float32).min)
    how = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
    heat: NDArray[np.float32] = np.asarray(Image.fromarray(finite).resize((width, height), how))
    return heat.clip(finite.min(), finite.max())


def enlarged(pixels: Pixels, least: int) -> Pixels:
    """Pixels (H, W, 3), each repeated so that the shorter side has at least `least`: programs that smooth what they
    enlarge then leave edges where they were."""
    times = max(1, -(-least // max(1, min(pixels.shape[:2]))))
    return pixels.repeat(times, 0).repeat(times, 1)


def grey(image: Pixels) -> Pixels:
    """An image (H, W, 3) without its colours, so that heat is the only one: luma of ITU-R BT.601."""
    luma: Pixels = np.rint(image @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    return luma[..., None].repeat(3, -1)


def blended(image: Pixels, values: ArrayLike, on: Scale, strength: float = STRENGTH, faded: float = FADED) -> Pixels:
    """Heat over an image (H, W, 3): as opaque as it is far from zero, at most `strength`, so that the image is seen.

    The image fades towards the colour of zero by the part `faded`.  A map (h, w) of another size is enlarged smoothly.
    """
    heat = resized(values, *image.shape[:2])
    alpha = strength * on.strengths(heat)[..., None]
    below = image * (1 - faded) + faded * on.rgb(0.0)
    pixels: Pixels = np.rint(below * (1 - alpha) + on.rgb(heat) * alpha).astype(np.uint8)
    return pixels


def png(pixels: Pixels) -> bytes:
    """The PNG file of an image (H, W, 3), or (H, W) in greys; of few colours with a palette, which is as exact."""
    from PIL import Image

    pixels = np.ascontiguousarray(pixels, dtype=np.uint8)
    image = Image.fromarray(pixels)
    if pixels.ndim == 3:
        whole = pixels.astype(np.uint32) @ np.array([65536, 256, 1], np.uint32)
        colours, index = np.unique(whole, return_inverse=True)
        if len(colours) <= 256:
            image = Image.fromarray(index.reshape(whole.shape).astype(np.uint8), mode="L")
            image.putpalette(colours.astype(">u4").view(np.uint8).reshape(-1, 4)[:, 1:].tobytes())
    file = BytesIO()
    image.save(file, "png", optimize=False, compress_level=6)
    return file.getvalue()
