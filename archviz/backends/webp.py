"""Scene → WebP, for web pages: the pixels of the PNG, without loss, in fewer bytes.

In: a `Scene`, and how many pixels an inch has.  Out: the bytes of a WebP file, which cannot declare its resolution.
"""
from __future__ import annotations

import io

from archviz.backends import png
from archviz.core.errors import ArchvizError
from archviz.core.scene import Scene

LARGEST = 16383     # pixels of a side, by the format


def render(scene: Scene, dpi: int = 300) -> bytes:
    """The WebP file, `dpi` pixels per inch.  Raises `ArchvizError` as PNG does, and for a side it cannot hold."""
    from PIL import Image

    longest = max(scene.width, scene.height) * dpi / 72.27
    if longest > LARGEST:
        raise ArchvizError(f"at {dpi:g} dpi a side has {longest:.0f} pixels, and WebP holds {LARGEST}",
                           "choose a smaller --dpi, or write PNG")
    file = io.BytesIO()
    Image.open(io.BytesIO(png.render(scene, dpi))).save(file, "webp", lossless=True, quality=100, exact=True)
    return file.getvalue()
