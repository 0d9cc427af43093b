"""Scene → TikZ: a picture to ``\\input``, or a whole document, written to be read and restyled.

In: a `Scene`.  Out: the bytes of a .tex file for pdflatex, lualatex and xelatex.

Rich marks are drawn as an author would draw them: a box with its words is one named ``\\node``, a cuboid one
``\\pic``, a line one ``\\draw``.  Colours and looks stand once at the top, as ``av-<role>`` and ``av/<role>``;
``av/user`` comes after them, so that what an author's preamble says there wins and survives the next run.  Coordinates
are the SVG's: printed points, y downwards.  Same scene, same bytes.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from archviz.backends import _tex_head as head
from archviz.backends import _tex_image as images
from archviz.backends import _tex_path as paths
from archviz.backends._number import number
from archviz.backends._tex_head import LEADING, Sheet
from archviz.backends._tex_room import measured, rooms
from archviz.core import text
from archviz.core.geometry import Place, around, bounds
from archviz.core.latex import Names, tex
from archviz.core.scene import Box, Circle, Command, Cuboid, Group, Image, Link, Mark, Paint, Path, Scene, Text, lower

NEAR = 0.005        # half a hundredth of a point: what two decimals cannot tell apart


def render(scene: Scene, standalone: bool = False) -> bytes:
    """The TikZ picture, or with `standalone` a document of one page of its size.

    Raises `ArchvizError` for a role the scene's sheet does not paint.
    """
    writer = _Writer(scene)
    body = writer.picture()
    return head.file(scene, writer.sheet, body, standalone).encode()


class _Writer:
    """Turns the marks of one scene into lines; remembers the roles it needs and the names it gave."""

    def __init__(self, scene: Scene) -> None:
        self.scene, self.sheet, self.names = scene, Sheet(scene), Names()
        self.rooms = rooms(scene)
        self.page = scene.sheet.get("background", Paint()).fill or "#ffffff"

    def picture(self) -> list[str]:
        """The lines of the picture, under a heading for each sort of mark."""
        lines: list[str] = []
        background = self.scene.sheet.get("background")
        if background and background.fill:
            lines += self.mark(Box(0, 0, self.scene.width, self.scene.height, "background"))
        for heading, run in groupby(self.scene.marks, _heading):
            if heading:
                lines += ["", f"% {heading}"]
            lines += head.aligned(self.marks(run))
        return lines

    def marks(self, marks: Iterable[Mark]) -> Iterator[str]:
        for mark in _joined(marks, self.scene):
            yield from self.mark(mark)

    def mark(self, mark: Mark, name: str = "") -> Iterator[str]:
        match mark:
            case Group(marks):
                yield from self.node(mark) if mark.node else self.plain(marks, mark.name)
            case Text():
                yield from self.text(mark, name)
            case Path(commands, role):
                if drawn := paths.source(commands):
                    yield rf"\path[{self.sheet.outline(role)}{drawn.options}] {drawn.points};"
            case Box(x, y, w, h, role, radius):
                corner = paths.rounded(min(radius, w / 2, h / 2))
                yield (rf"\path[{self.sheet.outline(role)}{corner}] ({number(x)},{number(y)}) rectangle "
                       f"({number(x + w)},{number(y + h)});")
            case Circle(x, y, r, role):
                apart = max(abs(round(v, 2) - v) for v in (x, y)) + abs(round(r, 2) - r)
                reach = number(r, 2 if apart < 0.008 else 3)    # two roundings could add up to a hundredth
                yield rf"\path[{self.sheet.outline(role)}] ({number(x)},{number(y)}) circle[radius={reach}pt];"
            case Link():
                yield from self.link(mark)
            case Cuboid():
                yield self.cuboid(mark, name)
            case Image(role=role):
                faint = self.scene.paint(role).opacity
                picture = images.lines(mark, self.page)
                if faint < 1:
                    picture = [rf"\begin{{scope}}[opacity={number(faint)}]", *picture, r"\end{scope}"]
                yield from picture

    def plain(self, marks: Sequence[Mark], name: str) -> Iterator[str]:
        """Marks of no node, with what they are as a comment behind the last."""
        lines = list(self.marks(marks))
        if lines and name:
            lines[-1] += f" % {text.clean(name)}"
        yield from lines

    def link(self, link: Link) -> Iterator[str]:
        """One ``\\draw``; where the head is not as TikZ draws it, line and head for themselves."""
        core = lower(link)
        line = core[0] if core else None
        if not isinstance(line, Path):
            return
        if link.arrow:
            tip = link.points[-1]
            paint, ahead = self.scene.paint(link.role), self.scene.paint(f"{link.role} head")
            drawn = paths.source((*line.commands[:-1], ("L", tip)))
            (ax, ay), (bx, by) = line.commands[-2][1][-2:], tip
            if (drawn and ((bx - ax) ** 2 + (by - ay) ** 2) ** 0.5 > 1.2 * link.head and not ahead.hatch
                    and (ahead.fill, ahead.stroke, ahead.opacity) == (paint.stroke, None, paint.opacity)):
                yield (rf"\draw[{self.sheet.outline(link.role)}, av/arrow={number(link.head)}{drawn.options}] "
                       f"{drawn.points};")
                return
        for mark in core:
            yield from self.mark(mark)

    def text(self, mark: Text, name: str = "") -> Iterator[str]:
        words = tex(mark.string)
        if not words:
            return
        anchor = {"start": ", anchor=base west", "middle": "", "end": ", anchor=base east"}[mark.anchor]
        rotate = f", rotate={number(-mark.rotate)}" if mark.rotate else ""
        named = f" ({name})" if name else ""
        yield (rf"\node[{self.sheet.words(mark.role)}, av/text={number(self.rooms[mark])}{anchor}{rotate}]{named} "
               f"at ({number(mark.x)},{number(mark.y)}) {{{words}}};")

    def area(self, mark: Text) -> Place:
        """Where a line of text stands, from its tallest to its deepest letter."""
        paint = self.scene.paint(mark.role)
        size, w = paint.size, measured(mark, paint)
        x = mark.x - {"start": 0.0, "middle": 0.5, "end": 1.0}[mark.anchor] * w
        return Place.between(x, mark.y - (LEADING / 2 + 0.35) * size, x + w, mark.y + (LEADING / 2 - 0.35) * size)

    def node(self, group: Group) -> Iterator[str]:
        """What draws one node of the graph: its largest outline has its name, and the words in its middle."""
        marks = list(_joined(group.marks, self.scene))
        at, area = self.body(marks)
        words = self.label(marks, at, area)
        body = marks[at] if at >= 0 else None
        solid = isinstance(body, Cuboid)
        name = self.names.new(group.node, ("", "-in", "-out", "-top") if solid else ("",))
        lines: list[str] = []
        rest = [mark for mark in marks if mark not in words or not area]
        if area is None:        # nothing to give the name to, but a first word
            first = next((i for i, mark in enumerate(rest) if isinstance(mark, Text)), -1)
            for i, mark in enumerate(rest):
                lines += self.mark(mark, name if i == first else "")
        else:
            for mark in rest:
                lines += self.named(mark, name, area, words) if mark is body else self.mark(mark)
            if body is None:
                lines.insert(0, self.outlined(name, area, words, None))
        if lines:
            at_name = next((i for i, line in enumerate(lines) if f"({name})" in line), 0)
            lines[at_name] += f" % {text.clean(group.node)}"
        yield from lines

    def named(self, body: Mark, name: str, area: Place, words: Sequence[Text]) -> Iterator[str]:
        """The outline of a node under its name: what TikZ has no node for, with an empty one over it."""
        if isinstance(body, Box | Circle):
            yield self.outlined(name, area, words, body)
        elif isinstance(body, Cuboid):
            yield from self.mark(body, name)
        else:
            yield from self.mark(body)
            yield self.outlined(name, area, words, None)

    def body(self, marks: Sequence[Mark]) -> tuple[int, Place | None]:
        """Which mark is the node's outline, and the area the node covers; (-1, area) where it is words alone."""
        areas = {i: _area(mark) for i, mark in enumerate(marks) if not isinstance(mark, Group | Text | Link | Image)}
        if areas:
            largest = max(area.width * area.height for area in areas.values())
            # Copies behind it come before, stripes and the rim on it after.
            last = max(i for i, area in areas.items() if area.width * area.height >= 0.999 * largest)
            edges = bounds([areas[last]])
            same = [i for i, area in areas.items()
                    if all(abs(a - b) <= NEAR for a, b in zip(bounds([area]), edges, strict=True))]
            return same[0], areas[last]
        return -1, self.worded([mark for mark in marks if isinstance(mark, Text) and text.clean(mark.string)])

    def worded(self, words: Sequence[Text]) -> Place | None:
        """What lines one above the other cover; None of any others."""
        if not words or any(
                mark.anchor != "middle" or mark.rotate or abs(mark.x - words[0].x) > NEAR for mark in words):
            return None
        each = [self.area(mark) for mark in words]
        half = max(self.rooms[mark] for mark in words) / 2 / head.INSIDE
        _, top, _, bottom = bounds(each)
        return Place.between(words[0].x - half, top, words[0].x + half, bottom)

    def label(self, marks: Sequence[Mark], at: int, area: Place | None) -> list[Text]:
        """The lines of text in the middle of the node that may be set with it: nothing between covers them."""
        label: list[Text] = []
        if area is None or (at >= 0 and isinstance(marks[at], Cuboid)):
            return label
        between: list[Place] = []
        for mark in marks[at + 1:]:
            if isinstance(mark, Text):
                here = self.area(mark)
                if (mark.anchor == "middle" and not mark.rotate and abs(mark.x - area.cx) <= NEAR
                        and area.y <= mark.y <= area.bottom and tex(mark.string)
                        and (not label or mark.y > label[-1].y) and not any(here.meets(other) for other in between)):
                    label.append(mark)
                else:
                    between.append(here)
            elif isinstance(mark, Group | Link | Image):
                return label
            elif not (isinstance(mark, Box) and not self.scene.paint(mark.role).fill):
                between.append(_area(mark))
        return label

    def outlined(self, name: str, area: Place, words: Sequence[Text], body: Box | Circle | None) -> str:
        """The ``\\node``: outline, size, where the last baseline lies, name, place, label."""
        options = [self.sheet.outline(body.role)] if body else []
        if words:
            options.append(self.sheet.words(words[0].role))
        w, h = area.width, area.height
        x, y = _centre((area.x + area.right) / 2, w), _centre((area.y + area.bottom) / 2, h)
        if isinstance(body, Circle):
            options.append(f"av/circle={number(w)}")
        else:
            radius = min(body.radius, w / 2, h / 2) if body else 0.0
            options.append(f"av/box={{{number(w)}}}{{{number(h)}}}{{{number(radius)}}}")
        label = ""
        if words:
            base = words[-1].y - float(y)
            if abs(base - 0.35 * self.scene.paint(words[0].role).size) > NEAR:
                options.append(f"av/base={number(base)}")
            label = self.lines(words)
        return rf"\node[{', '.join(options)}] ({name}) at ({x},{y}) {{{label}}};"

    def lines(self, words: Sequence[Text]) -> str:
        """The label; a line in another role than the first says which."""
        first = self.scene.paint(words[0].role)
        written = tex(words[0].string)
        for above, mark in zip(words, words[1:], strict=False):
            gap = (mark.y - above.y) - LEADING * first.size
            skip = f"[{number(gap / head.scale(first.size))}pt]" if abs(gap) > NEAR else ""
            line = tex(mark.string)
            if mark.role != words[0].role:
                line = rf"\avline{{{self.sheet.words(mark.role).removeprefix('av/')}}}{{{line}}}"
                self.sheet.lines = True
            written += rf" \\{skip} {line}" if not line.startswith("[") or skip else rf" \\ {{}}{line}"
        return written

    def cuboid(self, c: Cuboid, name: str) -> str:
        def short(role: str) -> str:
            return self.sheet.outline(role).removeprefix("av/")

        for part in ("", " top", " side", *([" hidden"] if c.hidden else [])):
            self.sheet.outline(c.role + part)
        for _, end, role in c.bands:
            for part in ("", " top", *([" side"] if number(end, 4) == "1" else [])):
                self.sheet.outline(role + part)
        bands = ", ".join(f"{number(a, 4)}/{number(b, 4)}/{short(r)}" for a, b, r in c.bands)
        seam = min(max(-c.back[1] / c.down[1], 0.0), 1.0) if c.down[1] else 0.0
        options = [*([f"av/hidden={number(seam, 4)}"] if c.hidden else []),
                   *([f"av/bands={{{bands}}}"] if bands else [])]
        # Two decimals, but where their roundings could add up to a hundredth.
        edges = (c.along, c.down, c.back)
        apart = max(sum(abs(round(v[i], 2) - v[i]) for v in ((c.x, c.y), *edges)) for i in (0, 1))
        vectors = "".join(f"{{{','.join(number(value, 2 if apart < 0.006 else 3) for value in v)}}}" for v in edges)
        self.sheet.cuboids = True
        return (r"\pic" + (f"[{', '.join(options)}]" if options else "") + (f" ({name})" if name else "")
                + f" at ({number(c.x)},{number(c.y)}) {{av/cuboid={{{short(c.role)}}}{vectors}}};")


def _heading(mark: Mark) -> str:
    match mark:
        case Group(node=node, role="frame") if node:
            return "frames"
        case Group(edge=edge) if edge:
            return "links"
        case Group(node=node) if node:
            return "layers"
    return "words and legend"


def _joined(marks: Iterable[Mark], scene: Scene) -> Iterator[Mark]:
    """Straight strokes of one solid role that follow each other are one path."""
    def strokes(mark: Mark) -> str:
        if not isinstance(mark, Path) or any(letter in "CZ" for letter, _ in mark.commands):
            return ""
        paint = scene.paint(mark.role)
        return mark.role if paint.fill is None and paint.opacity == 1 and not paint.dash else ""

    for role, run in groupby(marks, strokes):
        if role:
            commands: list[Command] = []
            for path in run:
                assert isinstance(path, Path)
                commands += path.commands
            yield Path(tuple(commands), role)
        else:
            yield from run


def _area(mark: Mark) -> Place:
    match mark:
        case Box(x, y, w, h):
            return Place.between(x, y, x + w, y + h)
        case Circle(x, y, r):
            return Place.between(x - r, y - r, x + r, y + r)
        case Cuboid():
            return around(mark.at(a, d, b) for a in (0, 1) for d in (0, 1) for b in (0, 1))
        case Path(commands):
            corners = [(x, y) for _, values in commands for x, y in zip(values[::2], values[1::2], strict=True)]
            return around(corners) if corners else Place(0.0, 0.0, 0.0, 0.0)
    raise TypeError(f"no outline: {mark!r}")


def _centre(middle: float, length: float) -> str:
    """The middle; with a third decimal where its rounding and that of the length would add up to a hundredth."""
    apart = abs(round(middle, 2) - middle) + abs(round(length, 2) - length) / 2
    return number(middle, 2 if apart < 0.006 else 3)
