"""Read what a PDF of pdfTeX draws: outlines and words with their place on the page, in printed points, y downwards.

In: the bytes of a PDF written without compression.  Out: a `Page` each.  Knows the operators that TikZ and TeX write.
"""
from __future__ import annotations

import re
from dataclasses import dataclass, field

BIG = 1 / 0.99627      # printed points of a PDF's unit, as TikZ has it: six in a million too few
Matrix = tuple[float, float, float, float, float, float]
Step = tuple[str, tuple[float, ...]]


@dataclass
class Outline:
    """A painted path: `paint` is PDF's operator (f fills, S strokes, B both); colours are 0 to 1, red green blue."""

    paint: str
    steps: tuple[Step, ...]
    fill: tuple[float, ...]
    stroke: tuple[float, ...]
    width: float
    dash: tuple[float, ...]


@dataclass
class Word:
    """A run of characters: its start on the base line, its height in points and how much it is squeezed."""

    x: float
    y: float
    size: float
    squeezed: float
    codes: bytes


@dataclass
class Page:
    outlines: list[Outline] = field(default_factory=list)
    words: list[Word] = field(default_factory=list)


_TOKEN = re.compile(rb"\((?:\\.|[^\\()])*\)|<[0-9A-Fa-f\s]*>|\[|\]|/[^\s/\[\]()<>]*|[^\s/\[\]()<>]+", re.DOTALL)


def pages(pdf: bytes) -> list[Page]:
    """The pages in their order."""
    streams = {m[1]: m[2] for m in re.finditer(rb"(\d+) 0 obj\s*<<[^>]*>>\s*stream\n(.*?)\nendstream", pdf, re.DOTALL)}
    found = re.findall(rb"/Type /Page\n/Contents (\d+) 0 R.*?/MediaBox \[0 0 [\d.]+ ([\d.]+)\]", pdf, re.DOTALL)
    return [_page(streams[content], float(height)) for content, height in found]


def _page(stream: bytes, height: float) -> Page:
    page = Page()
    state: dict[str, tuple[float, ...]] = {
        "cm": (1, 0, 0, 1, 0, 0), "rg": (0.0,) * 3, "RG": (0.0,) * 3, "w": (1.0,), "d": ()}
    stack: list[dict[str, tuple[float, ...]]] = []
    operands: list[bytes] = []
    steps: list[Step] = []
    size, line = 0.0, (0.0, 0.0)

    def place(x: float, y: float) -> tuple[float, float]:
        a, b, c, d, e, f = state["cm"]
        return (a * x + c * y + e) * BIG, (height - (b * x + d * y + f)) * BIG

    for token in _TOKEN.findall(stream):
        operator = token.decode("latin-1")
        if re.fullmatch(r"[-+.\d]+|[\[\]]|[/(<].*", operator, re.DOTALL):
            operands.append(token)
            continue
        n = [float(o) for o in operands if re.fullmatch(rb"[-+.\d]+", o)]
        match operator:
            case "q":
                stack.append(dict(state))
            case "Q":
                state = stack.pop()
            case "cm":
                state["cm"] = _times(n, state["cm"])
            case "w":
                a, b, c, d, *_ = state["cm"]
                state["w"] = (n[0] * abs(a * d - b * c) ** 0.5 * BIG,)
            case "d":
                state["d"] = tuple(v * BIG for v in n[:-1])
            case "g" | "rg":
                state["rg"] = tuple(n * 3)[:3]
            case "G" | "RG":
                state["RG"] = tuple(n * 3)[:3]
            case "m":
                steps.append(("M", place(*n)))
            case "l":
                steps.append(("L", place(*n)))
            case "c":
                steps.append(("C", (*place(*n[:2]), *place(*n[2:4]), *place(*n[4:]))))
            case "re":
                x, y, w, h = n
                corners = [place(x, y), place(x + w, y), place(x + w, y + h), place(x, y + h)]
                steps += [("M", corners[0]), *(("L", corner) for corner in corners[1:]), ("Z", ())]
            case "h":
                steps.append(("Z", ()))
            case "f" | "f*" | "S" | "B" | "b" | "s" | "n":
                while steps and steps[-1][0] == "M":        # a move that leads nowhere
                    steps.pop()
                if steps and operator != "n":
                    page.outlines.append(Outline(operator, tuple(steps), state["rg"], state["RG"], state["w"][0],
                                                 state["d"]))
                steps = []
            case "Tf":
                size = n[0]
            case "BT":
                line = (0.0, 0.0)
            case "Td":
                line = (line[0] + n[0], line[1] + n[1])
            case "TJ" | "Tj":
                a, b, c, d, *_ = state["cm"]
                up = (c * c + d * d) ** 0.5
                page.words.append(Word(*place(*line), size * up * BIG, (a * a + b * b) ** 0.5 / up,
                                       b"".join(o for o in operands if o[:1] == b"(")))
        operands = []
    return page


def _times(n: list[float], m: tuple[float, ...]) -> Matrix:
    a, b, c, d, e, f = n
    p, q, r, s, t, u = m
    return (a * p + b * r, a * q + b * s, c * p + d * r, c * q + d * s, e * p + f * r + t, e * q + f * s + u)
