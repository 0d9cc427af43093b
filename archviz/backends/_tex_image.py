"""Images for TikZ: PNG → inline images of PDF, which every TeX that writes PDF takes as they are: no file beside it.

In: an `Image`, the colour of the page below it.  Out: lines of TeX.

A picture is at most as fine as `DPI` in print.  An inline image has no alpha channel: it is laid on the page's colour.
What PNG packs, PDF unpacks by the same rules (PDF 32000-1, 7.4.4.4), so that Pillow's own file is what is written; a
photograph is a JPEG, as TeX keeps each digit of a page in a memory that it cannot enlarge.
"""
from __future__ import annotations

import io
import math
import struct
from functools import lru_cache

from PIL import Image as Picture

from archviz.backends._number import number
from archviz.core.scene import Image

DPI = 300.0
PACKED = 16_384     # bytes of pixels from which on a photograph is a JPEG
LINE = 108          # characters of one line of numbers
PART = 100          # lines that TeX reads at once

MACRO = r"""
% A picture on a parallelogram: \avimage(its top left corner)(upper edge)(left edge){what of pixels}, then the pixels in
% \avhex{...}, as they are in a PDF, and \avshown.  What writes no PDF shows a grey area.
\def\avimage(#1,#2)(#3,#4)(#5,#6)#7{\begin{scope}
  \csname pgftransformtriangle\endcsname
    {\pgfpointxy{#1+#5}{#2+#6}}{\pgfpointxy{#1+#3+#5}{#2+#4+#6}}{\pgfpointxy{#1}{#2}}%
  \ifcsname av@\pgfsysdriver\endcsname \pgflowlevelsynccm
    \expandafter\let\expandafter\avhex\csname pgfsys@invoke\endcsname
  \else\fill[gray] (0pt,0pt) rectangle (1pt,1pt);\def\avhex##1{}\fi
  \avhex{q .99626401 0 0 .99626401 0 0 cm BI #7 ID}}
\def\avshown{\avhex{> EI Q}\end{scope}}
\def\do#1{\expandafter\let\csname av@pgfsys-#1.def\endcsname\empty}
\do{pdftex}\do{luatex}\do{xetex}\do{dvipdfmx}
""".strip("\n")


def lines(mark: Image, page: str) -> list[str]:
    """The picture, `page` (``#rrggbb``) seen where it lets something through."""
    edges = ((mark.x, mark.y), mark.along, mark.down)
    # Two decimals, but where their roundings could add up to a hundredth.
    apart = max(sum(abs(round(v[i], 2) - v[i]) for v in edges) for i in (0, 1))
    places = "".join(f"({','.join(number(value, 2 if apart < 0.006 else 3) for value in v)})" for v in edges)
    across, high = (max(round(math.hypot(*edge) / 72.27 * DPI), 1) for edge in (mark.along, mark.down))
    dictionary, pixels = _inline(mark.png, page, across, high, mark.cells)
    digits = [pixels[i:i + LINE] for i in range(0, len(pixels), LINE)]
    return [rf"\avimage{places}{{%", *_broken(dictionary), "}%",
            *(line for i in range(0, len(digits), PART) for line in (
                r"\avhex{%", *(f"{line}%" for line in digits[i:i + PART]), "}%")), r"\avshown"]


@lru_cache(maxsize=64)
def _inline(png: bytes, page: str, across: int, high: int, cells: bool) -> tuple[str, str]:
    """The keys and the packed pixels of the picture, no larger than `across` × `high`, in hexadecimal digits."""
    with Picture.open(io.BytesIO(png)) as opened:
        seen = opened.convert("RGBA")
    flat = Picture.alpha_composite(Picture.new("RGBA", seen.size, page), seen).convert("RGB")
    size = min(flat.width, across), min(flat.height, high)
    if size != flat.size:
        flat = flat.resize(size, Picture.Resampling.BOX if cells else Picture.Resampling.LANCZOS)
    raw = flat.tobytes()
    dots = [raw[i:i + 3] for i in range(0, len(raw), 3)]
    table = sorted(set(dots))
    if len(table) <= 256 and 4 * len(table) < len(dots):     # a table of few colours takes less than the pixels do
        index = {rgb: i for i, rgb in enumerate(table)}
        flat = Picture.frombytes("P", size, bytes(index[rgb] for rgb in dots))
        flat.putpalette(b"".join(table))
        space, parts = f"[/I /RGB {len(table) - 1} <{b''.join(table).hex()}>]", 1
    else:
        space, parts = "/RGB", 3
    bits, packed = _packed(flat)
    if len(packed) > PACKED and not cells and parts == 3:
        return f"/W {size[0]} /H {size[1]} /BPC 8 /CS /RGB /F [/AHx /DCT]", _photograph(flat).hex()
    keys = (f"/W {size[0]} /H {size[1]} /BPC {bits} /CS {space} /F [/AHx /Fl] "
            f"/DP [null << /Predictor 15 /Colors {parts} /BitsPerComponent {bits} /Columns {size[0]} >>]")
    return keys, packed.hex()


def _packed(picture: Picture.Image) -> tuple[int, bytes]:
    """Bits of one number, and the pixels as a PNG file has them."""
    out = io.BytesIO()
    picture.save(out, "png", optimize=True)
    data, at, pieces = out.getvalue(), 8, []
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IDAT":
            pieces.append(data[at + 8:at + 8 + length])
        at += 12 + length
    return data[24], b"".join(pieces)


def _photograph(picture: Picture.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "jpeg", quality=90, subsampling=0)
    return out.getvalue()


def _broken(long: str) -> list[str]:
    """In lines of hexadecimal digits, or of keys, each ended so that TeX adds no space to the digits."""
    words = long.split(" ")
    lines, line = [], ""
    for word in words:
        while len(word) > LINE:
            lines += [line.rstrip()] if line else []
            lines.append(word[:LINE] + "%")
            line, word = "", word[LINE:]
        if len(line) + len(word) > LINE:
            lines.append(line.rstrip())
            line = ""
        line += word + " "
    return [*lines, line.rstrip() + "%"]
