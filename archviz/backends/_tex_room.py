"""How wide a line of text may get: the document's font is another than the one the layout measured with.

In: a `Scene`.  Out: for each of its texts the printed points it may take without touching anything.

Computer Modern is up to a third wider than Liberation Sans.  A line may grow into the free space on the side where it
grows; only what is wider still will be squeezed.
"""
from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from archviz.core import text
from archviz.core.scene import Paint, Path, Scene, Text, lowered, walk

ASCENT, DESCENT = 0.75, 0.22    # of a line of text, as parts of its font size
GAP = 1.6                       # to a line that is drawn beside it
SPACE = 4.0                     # to other words beside it
MOST = 1.4                      # no font is wider than this

Span = tuple[float, float, float, float]        # left, right, top, bottom


def measured(mark: Text, paint: Paint) -> float:
    """How wide the layout takes this line to be."""
    return text.width(text.clean(mark.string), paint.size, paint.weight, paint.italic)


def rooms(scene: Scene) -> dict[Text, float]:
    """The room of every text."""
    words, lines = list[Text](), list[Span]()
    for mark in walk(lowered(scene).marks):
        if isinstance(mark, Text):
            words.append(mark)
        elif isinstance(mark, Path):
            lines += _segments(mark)
    spans = [_span(mark, scene.paint(mark.role)) for mark in words]
    lines += [(0.0, 0.0, 0.0, scene.height), (scene.width, scene.width, 0.0, scene.height)]
    lines.sort(key=lambda span: span[2])
    room = {}
    for mark, (left, right, top, bottom) in zip(words, spans, strict=True):
        beside = [(x0, x1, GAP) for x0, x1, y0, y1 in lines[:bisect_left(lines, bottom, key=lambda span: span[2])]
                  if y1 > top]
        # What another line of text may itself grow into is shared.
        beside += [((x0 + right) / 2, x1, SPACE / 2) if x0 >= right else (x0, (x1 + left) / 2, SPACE / 2)
                   for x0, x1, y0, y1 in spans if y0 < bottom and y1 > top and (x0 >= right or x1 <= left)]
        after = min((x0 - right - gap for x0, x1, gap in beside if x0 >= right), default=0.0)
        before = min((left - x1 - gap for x0, x1, gap in beside if x1 <= left), default=0.0)
        grows = {"start": after, "middle": 2 * min(before, after), "end": before}[mark.anchor]
        wide = right - left
        room[mark] = wide if mark.rotate else min(max(wide, wide + grows), MOST * wide)
    return room


def _segments(path: Path) -> Iterator[Span]:
    """The rectangle around each straight or curved step."""
    start = here = (0.0, 0.0)
    for letter, n in path.commands:
        goal = start if letter == "Z" else (n[-2], n[-1])
        if letter == "M":
            start = goal
        else:
            yield min(here[0], goal[0]), max(here[0], goal[0]), min(here[1], goal[1]), max(here[1], goal[1])
        here = goal


def _span(mark: Text, paint: Paint) -> Span:
    size, wide = paint.size, measured(mark, paint)
    left = mark.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor] * wide
    return left, left + wide, mark.y - ASCENT * size, mark.y + DESCENT * size
