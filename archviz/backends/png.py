"""Scene → PNG, by way of the SVG.

In: a `Scene`, and how many pixels an inch has.  Out: the bytes of a PNG file that declares its resolution.  Only the
package's own fonts are used, so that the picture is the same on every machine, and on one without fonts the words are
there.
"""
from __future__ import annotations

import struct
import zlib

from archviz.backends import svg
from archviz.core.errors import ArchvizError
from archviz.core.scene import Scene
from archviz.core.text import FONTS


def render(scene: Scene, dpi: int = 300) -> bytes:
    """The PNG file, `dpi` pixels per inch.  Raises `ArchvizError` without resvg, and for a size it cannot draw."""
    try:
        from resvg_py import svg_to_bytes
    except ImportError as error:
        raise ArchvizError(f"PNG needs the package resvg-py: {error}", "pip install resvg-py") from None
    pixels = scene.width * scene.height * (dpi / 72.27) ** 2
    if not dpi > 0 or not 1 <= pixels <= 2e8:
        raise ArchvizError(f"a PNG of {dpi:g} dpi would have {max(pixels, 0) / 1e6:.3g} million pixels",
                           "choose a --dpi between 50 and 1200, or write SVG or PDF")
    drawn = svg_to_bytes(svg_string=svg.render(scene).decode(), dpi=dpi, skip_system_fonts=True,
                         font_files=[str(path) for path in sorted(FONTS.glob("*.ttf"))],
                         font_family="Liberation Sans", sans_serif_family="Liberation Sans")
    return _with_resolution(bytes(drawn), dpi)


def _with_resolution(png: bytes, dpi: int) -> bytes:
    """The file with a pHYs chunk after its header, so that a page sets it at its true size."""
    per_metre = round(dpi / 0.0254)
    body = b"pHYs" + struct.pack(">IIB", per_metre, per_metre, 1)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    header = 8 + 4 + 4 + 13 + 4     # signature; length, name, content and checksum of IHDR
    return png[:header] + chunk + png[header:]
