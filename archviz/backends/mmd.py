"""Figure → Mermaid, the flowcharts that code hosts draw in a README: ``fig.mmd``, or its text in a ``mermaid`` fence.

In: a `Figure`.  Out: the bytes of a file that Mermaid draws under its strictest security level.

Every letter of the model's that might mean something to Mermaid, to its Markdown or to HTML is written as an entity,
``#34;``: quotes, backticks, ``1.`` at the beginning, ``%%`` and ``fa:``.  The ids in the file are its own.
"""
from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from archviz.backends import Traits
from archviz.backends._network import Box, Frame, Network, network
from archviz.backends._number import number
from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.core.scene import Paint

SHAPES = {      # what a style calls a shape → what stands around the label
    "stadium": ("([", "])"), "trapezoid": ("[\\", "/]"), "trapezoid up": ("[/", "\\]"), "parallelogram": ("[/", "/]"),
    "glyph": ("((", "))"),
}
PLAIN = frozenset(" ,×·−…()=")
"""What may stand in a label as it is, besides letters and digits."""
MOST_LINES, MOST_LETTERS = 500, 50_000      # its limits, which a page cannot raise where others write on it
PIXELS = 2.0        # per printed point: Mermaid's labels have 16, ours 7


def compose(figure: Any) -> bytes:
    """The Mermaid file: a subgraph for each frame, a node for each box, in the figure's words and colours."""
    drawn = network(figure)
    content = "\n".join(_written(drawn)) + "\n"
    if len(drawn.lines) > MOST_LINES or len(content) > MOST_LETTERS:
        raise ArchvizError(f"Mermaid draws no more than {MOST_LINES} lines and {MOST_LETTERS} letters, and this figure "
                           f"has {len(drawn.lines)} lines and {len(content)} letters",
                           "show less with --depth or --collapse, or write it as .svg or .dot")
    return content.encode()


TRAITS = Traits(compose=compose, renders=False)


def _written(drawn: Network) -> Iterator[str]:
    frames = list(drawn.whole.all())
    boxes = [box for frame in frames for box in frame.boxes]
    names = {box.key: f"n{i}" for i, box in enumerate(boxes)}
    groups = {frame.key: f"m{i}" for i, frame in enumerate(frames)}
    title = " · ".join(word for word in (drawn.title, drawn.totals) if word)
    yield "---"
    if title:
        yield f"title: {json.dumps(text.clean(title), ensure_ascii=False)}"     # as it is: YAML reads strings of JSON
    yield from ("config:", "  flowchart:", "    subGraphTitleMargin: {top: 4, bottom: 10}", "---")
    yield f"%% made by {_bare(drawn.maker)}"
    yield f"flowchart {drawn.direction}"
    if drawn.caption:
        yield f"accTitle: {_bare(drawn.title or drawn.name)}"
        yield f"accDescr: {_bare(drawn.caption)}"
    yield from _inside(drawn.whole, names, groups, "  ")
    special: dict[str, list[int]] = {}
    for i, line in enumerate(drawn.lines):
        arrow = "-.->" if drawn.paint(line.role).dash else "-->"
        label = f'|"{_said(line.label)}"|' if line.label else ""
        yield f"  {names[line.src]} {arrow}{label} {names[line.dst]}"
        if line.role != "edge":
            special.setdefault(line.role, []).append(i)
    for role, numbers in special.items():
        paint = drawn.paint(role)
        yield f"  linkStyle {','.join(map(str, numbers))} stroke:{paint.stroke},stroke-width:{_pixels(paint)}"
    yield from _classes(drawn, boxes, frames[1:], names, groups)


def _inside(frame: Frame, names: dict[NodeId, str], groups: dict[NodeId, str], indent: str) -> Iterator[str]:
    for box in frame.boxes:
        left, right = SHAPES.get(box.shape, ("[", "]"))
        lines = [line for line, _ in box.lines] + [", ".join(box.fused)]      # which our figure tells by stripes
        label = "<br/>".join(_said(line) for line in lines if line) or "#160;"
        yield f'{indent}{names[box.key]}{left}"{label}"{right}'
    for inner in frame.frames:
        title = " ".join(word for word in (inner.title, inner.count) if word)
        yield f'{indent}subgraph {groups[inner.key]}["{_said(title) or "#160;"}"]'
        yield from _inside(inner, names, groups, indent + "  ")
        yield f"{indent}end"


def _classes(drawn: Network, boxes: list[Box], frames: list[Frame], names: dict[NodeId, str],
             groups: dict[NodeId, str]) -> Iterator[str]:
    """A class for each look, with what looks so."""
    looks: dict[str, list[str]] = {}
    for box in boxes:
        looks.setdefault(_look(box, drawn), []).append(names[box.key])
    for frame in frames:
        paint, words = drawn.paint(frame.role), drawn.style.roles["frame title"]
        looks.setdefault(_css(paint, words), []).append(groups[frame.key])
    for i, (look, members) in enumerate(looks.items()):
        yield f"  classDef c{i} {look}"
        yield f"  class {','.join(members)} c{i}"


def _look(box: Box, drawn: Network) -> str:
    words = drawn.style.roles[box.lines[0][1]] if box.lines else drawn.style.roles["label"]
    if box.shape in ("text", "dots"):
        return "fill:none,stroke:none"      # in the colour of the page's text: it may be a dark one
    return _css(drawn.paint(box.role), words, box.shape == "dashed")


def _css(paint: Paint, words: Paint, dashed: bool = False) -> str:
    look = [f"fill:{paint.fill or 'none'}", f"stroke:{paint.stroke or 'none'}", f"stroke-width:{_pixels(paint)}",
            f"color:{words.color}"]
    if words.weight == "bold":
        look.append("font-weight:bold")
    if paint.dash or dashed:
        look.append("stroke-dasharray:4 3")
    return ",".join(look)


def _pixels(paint: Paint) -> str:
    return f"{number(paint.stroke_width * PIXELS)}px"


def _said(string: str) -> str:
    """A label: in quotes, and with entities for what is neither a letter nor a digit."""
    return "".join(c if c.isalnum() or c in PLAIN else f"#{ord(c)};" for c in text.clean(string))


def _bare(string: str) -> str:
    """A line without quotes, for which there are no entities: what would end it goes."""
    return " ".join("".join(" " if c in "#;%{}<>\"`\\&" else c for c in text.clean(string)).split())
