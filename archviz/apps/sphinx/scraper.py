"""The pictures of a sphinx-gallery example, for ``"image_scrapers": ("archviz",)`` in ``sphinx_gallery_conf``.

In: what a block of an example has left behind.  Out: files, and the reStructuredText that shows them.  sphinx-gallery
is whoever calls.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from archviz.figure.figure import Figure
from archviz.figure.output import save

LAST = "___"        # where sphinx-gallery keeps the value of a block's last line

_scraped: WeakKeyDictionary[Any, list[Figure]] = WeakKeyDictionary()
"""The figures that an example has shown already, by its iterator over picture files."""


def _get_sg_image_scraper() -> Callable[[Any, Mapping[str, Any], Mapping[str, Any]], str]:
    """Called by sphinx-gallery, which looks for this name."""
    return scrape


def scrape(block: Any, block_vars: Mapping[str, Any], gallery_conf: Mapping[str, Any]) -> str:
    """Save every `Figure` that is new to the example's names, or the value of the block's last line, each once.

    SVG for pages and thumbnails and PDF for LaTeX: of a picture named ``.*`` every builder takes what it shows best.
    """
    names, paths = block_vars["example_globals"], block_vars["image_path_iterator"]
    seen = _scraped.setdefault(paths, [])
    shown = []
    for value in list(names.values()):
        if isinstance(value, Figure) and not any(value is figure for figure in seen):
            seen.append(value)
            path = Path(next(paths))
            save(value, [path.with_suffix(".svg"), path.with_suffix(".pdf")])
            place = Path(os.path.relpath(path, gallery_conf["src_dir"])).with_suffix("").as_posix()
            # An option's value is plain text to the end of its line, which is all that could need escaping.
            alt = " ".join(value.caption.split())
            shown.append(f"\n.. image:: /{place}.*\n   :alt: {alt}\n   :class: sphx-glr-single-img\n")
    if isinstance(names.get(LAST), Figure):
        names[LAST] = None          # its picture is there; what would be printed below it says less
    return "".join(shown)
