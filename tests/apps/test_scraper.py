"""A gallery of sphinx-gallery with archviz as its scraper: built for real, once for pages and once for LaTeX."""
from __future__ import annotations

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.conftest import ROOT

# Without matplotlib, which sphinx-gallery's own list of what to reset between examples would import.
CONF = '''
extensions = ["sphinx_gallery.gen_gallery"]
exclude_patterns = ["examples"]
sphinx_gallery_conf = {
    "examples_dirs": "examples", "gallery_dirs": "shown", "image_scrapers": ("archviz",), "reset_modules": ()}
'''
EXAMPLE = r'''
"""
Nets
====
"""
from torch import nn
import archviz

net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2))
first = archviz.draw(net, "1x8", name=r"*A* `net`_ |of| \n :ref:`mine` <b>")
print("drawn")

# %%
# The same under another name, and a second one as the last value.
same = first
archviz.draw(net, "1x8", style="node-link", name="Second")

# %%
# Nothing new.
first.caption[-1]
'''


class Pictures(HTMLParser):
    """The pictures of a page: (file, alternative text), and its words."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.words = ""
        self.feed(page.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.found.append((Path(dict(attrs)["src"] or "").name, dict(attrs).get("alt") or ""))

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the documentation, with html/ and latex/ in it."""
    folder = tmp_path_factory.mktemp("gallery")
    (folder / "examples").mkdir()
    for name, text in {"conf.py": CONF, "index.rst": "Docs\n====\n\n.. toctree::\n\n   shown/index\n",
                       "examples/README.rst": "Gallery\n=======\n", "examples/plot_nets.py": EXAMPLE}.items():
        (folder / name).write_text(text, encoding="utf-8")
    for builder in ("html", "latex"):       # the second finds the example unchanged, and does not run it
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", "-q", "-W", "-b", builder, ".", builder], cwd=folder, timeout=120,
            capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"})
        assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_each_figure_of_an_example_is_shown_once_with_its_caption_as_alternative_text(built: Path) -> None:
    page = Pictures(built / "html/shown/plot_nets.html")
    assert [name for name, _ in page.found] == ["sphx_glr_plot_nets_001.svg", "sphx_glr_plot_nets_002.svg"]
    alts = [alt for _, alt in page.found]
    said = "An input of length 8 passes through two linear layers"
    assert alts[0].startswith(rf"*A* `net`_ |of| \n :ref:`mine` <b>. {said}") and "46 parameters" in alts[0]
    assert alts[1].startswith(f"Second. {said}")
    for name, alt in page.found:
        root = ElementTree.parse(built / "html/_images" / name).getroot()
        assert root.findtext("{http://www.w3.org/2000/svg}desc") == alt


def test_what_an_example_prints_is_there_and_no_repr_of_a_figure(built: Path) -> None:
    words = Pictures(built / "html/shown/plot_nets.html").words
    assert "drawn" in words and "'.'" in words and "<archviz figure" not in words


def test_the_thumbnail_is_the_first_figure(built: Path) -> None:
    assert [name for name, _ in Pictures(built / "html/shown/index.html").found] == ["sphx_glr_plot_nets_thumb.svg"]
    thumb, first = (built / "html/_images" / f"sphx_glr_plot_nets_{name}.svg" for name in ("thumb", "001"))
    assert thumb.read_bytes() == first.read_bytes()


def test_latex_gets_vectors(built: Path) -> None:
    tex = next((built / "latex").glob("*.tex")).read_text("utf-8")
    for name in ("sphx_glr_plot_nets_001", "sphx_glr_plot_nets_002"):
        assert rf"\sphinxincludegraphics{{{{{name}}}.pdf}}" in tex
        assert (built / "latex" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
