"""What pictures are composed on: marks, the roles of their tints, and the scene that holds them.

In: a style.  Out: a `Board` that collects marks, and gives the `Scene`.
"""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import blake2b

from archviz.core import text
from archviz.core.errors import DoesNotFit
from archviz.core.scene import POINTS_PER_MM, Box, Image, Mark, Paint, Path, Scene, Text, moved
from archviz.insight.painting import colormap
from archviz.insight.painting.colorbar import Bar, lines
from archviz.insight.painting.colormap import Pixels, Scale
from archviz.style.layer_colours import contrast
from archviz.style.style import Style

ROUGH = 150 / 72.27     # pixels to a printed point below which one sees whether edges of cells are smoothed …
FINE = 300 / 72.27      # … and that of what is drawn instead
LEADING = 1.18          # from line to line, as a part of the font size
TINTS = 100             # steps in which a word's ground is coloured, so that a document has few colours


class Board:
    """Marks and tints of one picture; one that only `measures` leaves images out."""

    def __init__(self, style: Style, measures: bool = False) -> None:
        self.style, self.measures = style, measures
        self.marks: list[Mark] = []
        self.tints: dict[str, Paint] = {}

    def size(self, role: str) -> float:
        """The font size of a role."""
        return self.style.roles[role].size

    def width(self, words: str, role: str) -> float:
        """How wide words of a role print."""
        paint = self.style.roles[role]
        return text.width(text.clean(words), paint.size, paint.weight, paint.italic)

    def fit(self, words: str, role: str, room: float, middle: bool = False) -> str:
        """The words, shortened to the room."""
        paint = self.style.roles[role]
        return text.fit(text.clean(words), paint.size, room, paint.weight, paint.italic, middle=middle)

    def lines(self, words: str, role: str, room: float, most: int = 2) -> list[str]:
        """The words in at most `most` lines, the last shortened where they need more; a long word is broken."""
        broken: list[str] = []
        for line in lines(text.clean(words), room, self.size(role)):
            while self.width(line, role) > room and len(broken) + 1 < most and len(line) > 5:
                keep = next((k for k in range(len(line) - 2, 2, -1) if self.width(line[:k] + "-", role) <= room), 3)
                broken.append(line[:keep] + "-")
                line = line[keep:]
            broken.append(line)
        if len(broken) > most:
            broken = [*broken[:most - 1], " ".join(broken[most - 1:])]
        return [self.fit(line, role, room) for line in broken]

    def text(self, x: float, y: float, words: str, role: str, anchor: str = "start", rotate: float = 0.0) -> None:
        """One line; (x, y) on its baseline."""
        if words:
            self.marks.append(Text(x, y, words, role, anchor, rotate))     # type: ignore[arg-type]

    def image(self, x: float, y: float, width: float, height: float, pixels: Pixels, cells: bool = False,
              rim: bool = True) -> None:
        """An image (H, W, 3), in greys where the style has no colours; with `cells` its pixels have sharp edges."""
        if self.measures:
            return
        if colormap.colourless(self.style.heat):
            pixels = colormap.grey(pixels)
        if cells and min(pixels.shape[:2]) < ROUGH * min(width, height):
            pixels = colormap.enlarged(pixels, round(FINE * min(width, height)))
        self.marks.append(Image(x, y, width, height, colormap.png(pixels), cells=cells))
        if rim:
            self.marks.append(Box(x, y, width, height, "tile"))

    def tint(self, on: Scale, value: float) -> str:
        """The role of a ground that has the colour of a number."""
        part = float(on.parts(value))
        if part != part:
            role, shade = "heat none", value
        else:
            step = round(TINTS * (2 * part - 1 if on.signed else part))
            sign = "" if not on.signed else "minus " if step < 0 else "plus "
            role, shade = f"heat {sign}{abs(step)}", on.high * step / TINTS
        self.tints[role] = replace(self.style.roles["token"], fill=on.colour(shade))
        return role

    def ink(self, tint: str) -> str:
        """The role of words, dark or light, that reads better on a tint."""
        fill = self.tints[tint].fill or "#ffffff"
        return max(("on heat", "on heat light"), key=lambda one: contrast(self.style.roles[one].color, fill))

    def bar(self, bar: Bar, x: float, y: float) -> None:
        """A colour bar whose colours begin at (x, y)."""
        self.marks += [moved(mark, x - bar.before, y - bar.above) for mark in bar.marks]

    def line(self, points: Sequence[tuple[float, float]], role: str) -> None:
        """A line from point to point."""
        self.marks.append(Path((("M", points[0]), *(("L", point) for point in points[1:])), role))

    def scene(self, width: float, height: float, title: str, sentences: Iterable[str]) -> Scene:
        """The whole picture, `width` × `height` within the margin.  Raises `DoesNotFit` where the page is too small."""
        margin = self.style.sizes["margin"]
        if height > self.room[1] + 0.1:
            high, room = (length / POINTS_PER_MM for length in (height, self.room[1]))
            raise DoesNotFit(f"this picture is {high:.0f} mm high, the page {room:.0f} mm",
                             "draw less of it, samples=[0], or on a wider page")
        marks = tuple(moved(mark, margin, margin) for mark in self.marks)
        caption = " ".join(_sentence(one) for one in sentences if one)
        scene = Scene(marks, {**self.style.roles, **self.tints}, width + 2 * margin, height + 2 * margin,
                      text.clean(title), caption)
        uid = f"av{blake2b(repr((marks, scene.painted(), caption)).encode(), digest_size=4).hexdigest()}"
        return replace(scene, uid=uid)

    @property
    def room(self) -> tuple[float, float]:
        """Width and height that marks may take."""
        margin, page = self.style.sizes["margin"], self.style.page
        return page.width - 2 * margin, page.max_height - 2 * margin


def _sentence(words: str) -> str:
    words = text.clean(words)
    words = words[0].upper() + words[1:] if words[:2].isalpha() else words      # but not f(x)
    return words if words.endswith((".", "?", "!")) else f"{words}."
