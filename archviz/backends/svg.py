"""Scene → SVG.

In: a `Scene`.  Out: the bytes of an SVG 1.1 file, its size in millimetres, one user unit a printed point.
`renamed` puts such a file under another uid, `embedded` makes it part of a page.

Looks are presentation attributes, so that renderers without CSS (PowerPoint, Inkscape, converters) draw it right; every
element also has its role as a class, and a group the node it draws as ``data-node``.  Marks of one role that follow
each other share one group.  A hatch is a pattern over the fill, drawn as a second outline: a renderer that knows no
patterns leaves it out.  Same scene, same bytes.
"""
from __future__ import annotations

import json
import re
from base64 import b64encode
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any
from xml.etree import ElementTree

import svgwrite
from svgwrite.base import BaseElement
from svgwrite.container import Group as SvgGroup
from svgwrite.container import Hyperlink
from svgwrite.image import Image as SvgImage
from svgwrite.path import Path as SvgPath
from svgwrite.pattern import Pattern
from svgwrite.text import Text as SvgText

from archviz.backends._number import number
from archviz.core.scene import POINTS_PER_MM, Core, Group, Image, Mark, Paint, Path, Scene, Text, lower, polygon
from archviz.core.text import clean

FAMILY = "Liberation Sans, Arial, Helvetica, sans-serif"    # three fonts of the same widths, none embedded

TILE = 3.0      # side of a hatch's tile in printed points, and the width of its lines, as in TikZ
HATCH_WIDTH = 0.4
TILES = {       # hatch → its lines in one tile; what leaves it at a corner comes in at the opposite one
    "north east lines": "M-1 1L1 -1M0 3L3 0M2 4L4 2",
    "north west lines": "M-1 2L1 4M0 0L3 3M2 -1L4 1",
    "horizontal lines": "M0 1.5L3 1.5",
    "vertical lines": "M1.5 0L1.5 3",
    "crosshatch": "M-1 1L1 -1M0 3L3 0M2 4L4 2M-1 2L1 4M0 0L3 3M2 -1L4 1",
    "dots": "M1 1.5A.5 .5 0 0 1 2 1.5A.5 .5 0 0 1 1 1.5Z",
}
LETTERS = str.maketrans("0123456789", "ghijklmnop")


def render(scene: Scene) -> bytes:
    """The SVG file.  Raises `ArchvizError` for a role the scene's sheet does not paint."""
    drawing = svgwrite.Drawing(
        debug=False, size=(f"{number(scene.width / POINTS_PER_MM)}mm", f"{number(scene.height / POINTS_PER_MM)}mm"),
        viewBox=f"0 0 {number(scene.width)} {number(scene.height)}")
    # Without hinting and rounding to pixels, text prints as wide as it was measured.
    _set(drawing, role="img", id=scene.uid, **{
        "font-family": FAMILY, "text-rendering": "geometricPrecision", "stroke-linejoin": "round"})
    if scene.title or scene.description:
        drawing.set_desc(clean(scene.title) or None, clean(scene.description) or None)
    if scene.facts:
        facts = ElementTree.Element("facts", {"xmlns": "urn:archviz"})
        facts.text = clean(json.dumps(dict(sorted(scene.facts.items())), ensure_ascii=False))
        drawing.set_metadata(facts)
    writer = _Writer(scene)
    background = scene.sheet.get("background")
    if background and background.fill:
        corners = [(0, 0), (scene.width, 0), (scene.width, scene.height), (0, scene.height)]
        drawing.add(writer.element(polygon(corners, "background")))
    for element in writer.elements(scene.marks):
        drawing.add(element)
    for pattern in writer.patterns.values():
        drawing.defs.add(pattern)
    # svgwrite writes <defs/> even where no mark of ours uses it.
    written: str = drawing.tostring()
    return written.replace("<defs />", "", 1).encode()


def renamed(svg: str, uid: str) -> str:
    """The SVG file that `render` would have written for a scene of this `uid`, so that one page can hold it twice.

    Every id and every reference to one changes, and nothing else, whatever the words say.  `uid` is letters, digits,
    ``-`` and ``_``, with a letter first.  Raises `ValueError` for a file that has no id of its own.
    """
    root = _uid(svg)
    # Signs that mean something in XML are escaped in words and values: what looks like a tag with an id is one.
    ids = re.compile(rf'(<(?!pattern\b)[^<>]*?\sid="){re.escape(root)}(?=[-"])')
    hatch = re.compile(rf'(<pattern\b[^<>]*?\sid="|<[^<>]*?\sfill="url\(#){re.escape(root.translate(LETTERS))}(?=-)')
    return hatch.sub(lambda at: at[1] + uid.translate(LETTERS), ids.sub(lambda at: at[1] + uid, svg))


def looks(scene: Scene, role: str) -> dict[str, Any]:
    """How marks of this role are written, for a program that writes as `render` does.

    Their ``class``; the attributes of a ``shape`` and of ``words``; of a hatched shape also the ``fill`` under the
    hatch and the ``hatch``: the id of its pattern, and the pattern.  Raises `ArchvizError` as `render`.
    """
    writer = _Writer(scene)
    paint = scene.paint(role)
    look: dict[str, Any] = {"class": _class(role), "shape": _outline(paint), "words": _text(paint)}
    if paint.hatch:
        name = writer.pattern(paint)
        look |= {"fill": paint.fill, "hatch": [name, writer.patterns[name].tostring()]}
    return look


def apart(svg: str, shown: dict[str, int]) -> str:
    """The SVG under ids that nothing on the same page has.

    `shown` counts how often a figure of each uid is there, and counts this one.
    """
    uid = _uid(svg)
    shown[uid] = count = shown.get(uid, 0) + 1
    return svg if count == 1 else renamed(svg, f"{uid}x{count}")        # with a dash it could be the id of a node


def _uid(svg: str) -> str:
    root = re.search(r'<svg\b[^>]*?\sid="([^"]*)"', svg)
    if root is None:
        raise ValueError("not an SVG file that archviz wrote: it has no id")
    return root[1]


def prefixed(svg: str) -> str:
    """The SVG for a page of others, in classes ``av-…`` that no other style sheet means.

    (Bootstrap 3, and with it the classic notebook, sets every ``label`` bold and small.)
    """
    return re.sub(r"<[^<>]*>", lambda tag: tag[0].replace(' class="', ' class="av-', 1), svg)


def embedded(svg: str) -> str:
    """The SVG for a page that has no style sheet of ours: also never wider than its place."""
    return prefixed(svg).replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)


class _Writer:
    """Turns the marks of one scene into elements; remembers which ids are taken and which patterns are used."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.ids = scene, Counter[str]()
        self.patterns: dict[str, BaseElement] = {}

    def elements(self, marks: Iterable[Mark]) -> Iterator[BaseElement]:
        core = [c for mark in marks for c in lower(mark)]
        for key, run in groupby(core, _look):
            same = list(run)
            if key is None:
                yield from map(self.group, (mark for mark in same if isinstance(mark, Group)))
            elif isinstance(same[0], Path) and self.scene.paint(same[0].role).hatch:
                yield self.hatched(same)
            elif len(same) == 1:
                yield self.element(same[0])
            else:
                shared = SvgGroup(debug=False)
                self.paint(shared, same[0])
                for mark in same:
                    shared.add(_bare(mark))
                yield shared

    def group(self, group: Group) -> BaseElement:
        href = clean(group.href)
        element: BaseElement = Hyperlink(href, target="_self", debug=False) if _safe(href) else SvgGroup(debug=False)
        if group.role:
            _set(element, **{"class": _class(group.role)})
        if group.name:
            _set(element, id=self.id(group.name), **{"data-node": clean(group.name)})
        if title := clean(group.title):
            element.set_desc(title)
        for child in self.elements(group.marks):
            element.add(child)
        return element

    def id(self, node: str) -> str:
        """``<uid>-<node>`` in characters that need no escaping in CSS or a URL, and once in the file."""
        name = f"{self.scene.uid}-{re.sub('[^A-Za-z0-9_-]+', '-', node).strip('-')}"
        self.ids[name] += 1
        return name if self.ids[name] == 1 else self.id(f"{node}-{self.ids[name]}")

    def element(self, mark: Core) -> BaseElement:
        element = _bare(mark)
        self.paint(element, mark)
        return element

    def hatched(self, same: Sequence[Core]) -> BaseElement:
        """Each mark twice: its fill, then its hatch and outline; the next mark may cover both."""
        shared, paint = SvgGroup(debug=False), self.scene.paint(same[0].role)
        self.paint(shared, same[0])
        _set(shared, fill=f"url(#{self.pattern(paint)})")
        for mark in same:
            if paint.fill:
                under = _bare(mark)
                _set(under, fill=paint.fill, stroke="none")
                shared.add(under)
            shared.add(_bare(mark))
        return shared

    def pattern(self, paint: Paint) -> str:
        """The id of the pattern for a hatch in its colour."""
        lines = paint.hatch_color or paint.stroke or "#000000"
        # Without digits, which some readers of url(#…) take for a colour.
        name = f"{self.scene.uid}-{_class(paint.hatch)}-{lines.removeprefix('#')}".translate(LETTERS)
        if name not in self.patterns:
            tile = SvgPath(d=TILES[paint.hatch], debug=False)
            _set(tile, **({"fill": lines} if paint.hatch == "dots" else
                          {"fill": "none", "stroke": lines, "stroke-width": number(HATCH_WIDTH)}))
            pattern = self.patterns[name] = Pattern(debug=False)
            _set(pattern, id=name, patternUnits="userSpaceOnUse", width=number(TILE), height=number(TILE))
            pattern.add(tile)
        return name

    def paint(self, element: BaseElement, mark: Core) -> None:
        paint = self.scene.paint(mark.role)
        match mark:
            case Text(anchor=anchor):
                look = _text(paint)
                if anchor != "start":
                    look["text-anchor"] = anchor
            case Image():
                look = {"opacity": number(paint.opacity)} if paint.opacity < 1 else {}
            case _:
                look = _outline(paint)
        _set(element, **{"class": _class(mark.role)}, **look)


def _look(mark: Core) -> tuple[str, ...] | None:
    """Marks of equal look may share their attributes; None for a group, which stands alone."""
    if isinstance(mark, Group):
        return None
    return type(mark).__name__, mark.role, mark.anchor if isinstance(mark, Text) else ""


def _bare(mark: Core) -> BaseElement:
    """The element without its look."""
    match mark:
        case Path(commands):
            return SvgPath(d="".join(letter + " ".join(map(number, at)) for letter, at in commands), debug=False)
        case Text(x, y, string, rotate=rotate):
            text = SvgText(clean(string), debug=False)
            _set(text, x=number(x), y=number(y))
            if rotate:
                _set(text, transform=f"rotate({number(rotate)} {number(x)} {number(y)})")
            return text
        case Image():
            return _image(mark)
    raise TypeError(f"not a core mark: {mark!r}")


def _image(mark: Image) -> BaseElement:
    """The picture upright in its rectangle, or, as one unit square, mapped onto its parallelogram."""
    image = SvgImage(f"data:image/png;base64,{b64encode(mark.png).decode()}", debug=False)
    (ax, ay), (bx, by) = mark.along, mark.down
    if ay or bx or ax < 0 or by < 0:
        matrix = " ".join(map(number, (ax, ay, bx, by, mark.x, mark.y)))
        _set(image, width="1", height="1", transform=f"matrix({matrix})")
    else:
        _set(image, x=number(mark.x), y=number(mark.y), width=number(ax), height=number(by))
    _set(image, preserveAspectRatio="none")
    if mark.cells:
        _set(image, style="image-rendering:pixelated")      # as an attribute, some renderers do not know the word
    return image


def _outline(paint: Paint) -> dict[str, str]:
    look = {"fill": paint.fill or "none"}
    if paint.stroke:
        look |= {"stroke": paint.stroke, "stroke-width": number(paint.stroke_width)}
        if paint.dash:
            look["stroke-dasharray"] = " ".join(map(number, paint.dash))
        if paint.cap != "butt":
            look["stroke-linecap"] = paint.cap
    if paint.opacity < 1:
        # Not `opacity`, which on a shared group would let marks shine through each other differently than alone.
        look |= {"fill-opacity": number(paint.opacity), "stroke-opacity": number(paint.opacity)}
    return look


def _text(paint: Paint) -> dict[str, str]:
    look = {"fill": paint.color, "font-size": number(paint.size)}
    if paint.weight != "normal":
        look["font-weight"] = paint.weight
    if paint.italic:
        look["font-style"] = "italic"
    if paint.opacity < 1:
        look["fill-opacity"] = number(paint.opacity)
    return look


def _class(role: str) -> str:
    return "-".join(role.split())


def _safe(href: str) -> bool:
    """A link to a place, not to a script."""
    return bool(href) and (":" not in href.split("/")[0] or href.split(":")[0].lower() in ("http", "https", "mailto"))


def _set(element: BaseElement, **attributes: str) -> None:
    """Past svgwrite's own setters, which know no ``data-*``."""
    element.attribs.update(attributes)
