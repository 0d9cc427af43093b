"""The colour bar beside a picture or an overlay: which number has which colour, in which unit, and what is clipped.

In: a `Scale`, the length of the bar, a style.  Out: marks from the origin, and their size.
"""
from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

from archviz.core import text
from archviz.core.scene import Box, Image, Mark, Path, Text, moved
from archviz.insight.painting import colormap
from archviz.insight.painting.colormap import Scale
from archviz.style.style import Style

THICK = 5.0         # of the bar, in printed points
TICK = 1.6          # length of a tick
GAP = 1.4           # between a tick and its number
WIDER = 1.2         # a document may set its words in a font that is wider by so much, and another bar stands beside
BETWEEN = 4.0       # least room between two numbers
STEPS = 256         # colours along it


@dataclass(frozen=True)
class Bar:
    """Marks from the origin in `width` × `height` printed points; the bar itself begins `before` the left edge, or
    `above` the upper one, where a number at its end stands out."""

    marks: tuple[Mark, ...]
    width: float
    height: float
    before: float = 0.0
    above: float = 0.0


def flat(on: Scale, length: float, style: Style, most: int = 5, ends: tuple[str, str] | None = None) -> Bar:
    """A bar that lies, its numbers below it, at most `most` and fewer where they would touch, its unit below these.

    With `ends`, words stand at the two ends instead of numbers: ``("0", "max of each map")``.
    """
    size = style.roles["bar label"].size
    marks: list[Mark] = [_colours(on, length, THICK), Box(0, 0, length, THICK, "bar")]
    ticks = _chosen(on, length, size, most) if ends is None else [
        (on.low, ends[0]), *([(0.0, "0")] if on.signed else []), (on.high, ends[1])]
    low = high = 0.0
    for value, label in ticks:
        x = length * float(on.parts(value))
        wide = text.width(label, size)
        low, high = min(low, x - wide / 2), max(high, x + wide / 2 - length)
        marks.append(Path((("M", (x, THICK)), ("L", (x, THICK + TICK))), "bar"))
        marks.append(Text(x, THICK + TICK + GAP + 0.72 * size, label, "bar label", "middle"))
    bottom = THICK + TICK + GAP + size
    for words in lines(on.said, length / WIDER, size):
        bottom += 1.15 * size
        wide = text.width(words, size)
        low, high = min(low, (length - wide) / 2), max(high, (wide - length) / 2)
        marks.append(Text(length / 2, bottom - 0.25 * size, words, "bar label", "middle"))
    return Bar(tuple(moved(mark, -low, 0.0) for mark in marks), length - low + high, bottom, before=-low)


def upright(on: Scale, length: float, style: Style) -> Bar:
    """A bar that stands, high values at the top, its numbers to the right of it, its unit along these."""
    size = style.roles["bar label"].size
    marks: list[Mark] = [_colours(on, THICK, length, down=True), Box(0, 0, THICK, length, "bar")]
    ticks = on.ticks(max(2, min(5, int(length / (1.9 * size)))))
    wide = 0.0
    for value, label in ticks:
        y = length * (1 - float(on.parts(value)))
        wide = max(wide, text.width(label, size))
        marks.append(Path((("M", (THICK, y)), ("L", (THICK + TICK, y))), "bar"))
        marks.append(Text(THICK + TICK + GAP, y + 0.35 * size, label, "bar label"))
    right = THICK + TICK + GAP + wide
    high = 0.5 * size
    for words in lines(on.said, length + size, size):
        right += 1.25 * size
        high = max(high, (text.width(words, size) - length) / 2)
        marks.append(Text(right - 0.2 * size, length / 2, words, "bar label", "middle", -90.0))
    return Bar(tuple(moved(mark, 0.0, high) for mark in marks), right, length + 2 * high, above=high)


def lines(words: str, room: float, size: float) -> list[str]:
    """The words in lines no wider than `room` where blanks allow it."""
    broken: list[str] = []
    for word in words.split(" "):       # not at spaces that do not break
        if broken and text.width(f"{broken[-1]} {word}", size) <= room:
            broken[-1] += f" {word}"
        else:
            broken.append(word)
    return broken


def _colours(on: Scale, width: float, height: float, down: bool = False) -> Image:
    return Image(0.0, 0.0, width, height, colormap.png(on.bar(STEPS, down).repeat(2, 1 if down else 0)), "tile",
    cells=True)


def _chosen(on: Scale, length: float, size: float, most: int) -> list[tuple[float, str]]:
    """As many ticks as have room, at least zero and the roundest number near each end, which has the shortest label."""
    for count in range(most, 2, -1):
        ticks = on.ticks(count)
        spans = [(length * float(on.parts(value)), text.width(label, size) / 2) for value, label in ticks]
        if all(b - a - q - p >= BETWEEN for (a, p), (b, q) in zip(spans, spans[1:], strict=False)):
            return ticks
    power = 10.0 ** floor(log10(on.high) + 1e-9)
    end = max(digit for digit in (1, 2, 4, 5, 6, 8) if digit <= on.high / power + 1e-9) * power
    at = [-end, 0.0, end] if on.signed else [0.0, end]
    return list(zip(at, colormap.labels(at, end), strict=True))
