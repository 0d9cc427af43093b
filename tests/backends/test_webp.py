"""WebP: the pixels of the PNG, in fewer bytes."""
from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from archviz.backends import png, webp
from archviz.core.errors import ArchvizError
from archviz.core.paint import Paint
from archviz.core.scene import Box, Scene, Text

SCENE = Scene((Box(5, 5, 60, 20, "box"), Text(10, 18, "3×3 conv", "label")),
              {"box": Paint(fill="#E69F00"), "label": Paint(size=8, color="#000000")}, 72.27, 36.0)


def test_no_pixel_is_lost() -> None:
    of_png, of_webp = (np.asarray(Image.open(io.BytesIO(backend.render(SCENE, 100))).convert("RGBA"))
                       for backend in (png, webp))
    assert of_webp.shape == (50, 100, 4) and np.array_equal(of_png, of_webp)
    assert webp.render(SCENE) == webp.render(SCENE) and len(webp.render(SCENE)) < len(png.render(SCENE))


def test_what_the_format_cannot_hold_is_told() -> None:
    with pytest.raises(ArchvizError, match="WebP holds 16383"):
        webp.render(Scene((), {}, 7227.0, 10.0), 300)
