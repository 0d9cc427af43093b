"""Layers lead to the pages that document them: real builds, and the links read and followed."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from textwrap import dedent
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree

import pytest

import archviz
from archviz.apps.sphinx._links import linked, names, safe
from tests.conftest import ROOT

TORCH = "https://docs.example.org/torch/"

INVENTORY = """\
torch.nn.Conv2d py:class 1 generated/torch.nn.Conv2d.html#$ -
torch.nn.MaxPool2d py:method 1 generated/torch.nn.MaxPool2d.html#$ -
Linear py:class 1 wrong.html#$ -
"""
MODEL = """
    from torch import nn
    class Block(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.one, self.two = nn.Conv2d(n, n, 3, padding=1), nn.Sequential(nn.Conv2d(n, n, 1), nn.Linear(8, 8))
        def forward(self, x): return x + self.two(self.one(x))
    class Hidden(Block): pass
    class Fails(Exception): pass
    class Net(nn.Module):
        example_inputs = __import__("torch").zeros(1, 3, 8, 8)
        class Head(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)
            def forward(self, x): return self.second(self.first(x).relu())
        def __init__(self):
            super().__init__()
            self.stem, self.block, self.other = nn.Conv2d(3, 4, 3, padding=1), Block(4), Hidden(4)
            self.pool, self.head = nn.MaxPool2d(2), Net.Head()
        def forward(self, x): return self.head(self.pool(self.other(self.block(self.stem(x)))))
    """
BUILDERS = ("html", "dirhtml", "singlehtml")


class Page(HTMLParser):
    """The ids of a page, and by node the links of its first figure."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: dict[str, str] = {}
        self.open: list[tuple[str, str]] = []
        self.roles: list[str | None] = []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {key: value or "" for key, value in attrs}
        self.ids.add(given.get("id", ""))
        if tag == "svg":
            self.roles.append(given.get("role"))
        if tag in ("g", "a"):
            self.open.append((tag, given.get("data-node", "")))
        if tag == "a" and self.roles and "href" in given and (node := "".join(node for _, node in self.open[-2:])):
            assert [tag for tag, _ in self.open].count("a") == 1
            self.links.setdefault(node, given["href"])

    def handle_endtag(self, tag: str) -> None:
        if tag in ("g", "a"):
            assert self.open.pop()[0] == tag


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with its API documented on two pages, built by three builders; one figure, drawn once."""
    root = tmp_path_factory.mktemp("links")
    files = {
        "shop/__init__.py": "from .parts.net import Net, Block",
        "shop/parts/__init__.py": "",
        "shop/parts/net.py": MODEL,
        "docs/conf.py": f"""
            import sys
            sys.path.insert(0, {str(root)!r})
            extensions = ["archviz.sphinxext", "sphinx.ext.intersphinx"]
            intersphinx_mapping = {{"torch": ({TORCH!r}, "torch.inv")}}
            """,
        "docs/index.rst": """
            Top
            ===
            .. toctree::

               guide/start
               guide/whole
               api
            """,
        "docs/guide/start.rst": """
            Start
            =====
            .. archviz:: shop:Net
               :depth: 2
            .. py:class:: shop.parts.Net.Head

            :py:class:`shop.Block` and :py:class:`shop.parts.Net.Head` and :py:class:`torch.nn.Conv2d`
            """,
        "docs/guide/whole.rst": """
            Whole
            =====
            .. archviz:: shop:Net
               :depth: 2
               :target: https://example.org
            """,
        "docs/api.rst": """
            API
            ===
            .. py:class:: shop.Block
            .. py:class:: shop.Net
            .. py:function:: shop.parts.net.Hidden
            """,
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(dedent(text), "utf-8")
    head = b"# Sphinx inventory version 2\n# Project: torch\n# Version: 2\n# The rest is compressed using zlib.\n"
    (root / "docs/torch.inv").write_bytes(head + zlib.compress(INVENTORY.encode()))
    script = "import sys; from sphinx.cmd.build import main\nfor b in sys.argv[1:]:\n" \
             "    if code := main(['-W', '-q', '-b', b, '-d', 'doctrees', 'docs', b]): sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", script, *BUILDERS], cwd=root, capture_output=True, text=True,
                          env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""})
    assert done.returncode == 0, done.stderr
    return root


PAGES: Mapping[str, str] = {"html": "guide/start.html", "dirhtml": "guide/start/index.html", "singlehtml": "index.html"}


@pytest.mark.parametrize("builder", BUILDERS)
def test_layers_lead_to_where_their_classes_are_documented(site, builder):
    path = site / builder / PAGES[builder]
    page = Page(path)
    assert page.roles[:2] == ["group", "group"]
    assert page.links["stem"] == f"{TORCH}generated/torch.nn.Conv2d.html#torch.nn.Conv2d"
    # neither what is documented as no class, nor what has only its bare name in common
    assert set(page.links) == {"stem", "block", "block.one", "block.two.0", "other.one", "other.two.0", "head"}
    for node, anchor in (("block", "shop.Block"), ("head", "shop.parts.Net.Head")):
        place = urlsplit(urljoin(path.as_uri(), page.links[node]))
        assert place.fragment == anchor
        target = Path(place.path)
        assert anchor in Page(target / "index.html" if target.is_dir() else target).ids


def test_the_links_are_those_that_the_text_has(site):
    """The same places as roles in the text lead to."""
    text = (site / "html/guide/start.html").read_text("utf-8")
    figure, prose = text.split("</figcaption>")
    for node, name in (("block", "shop.Block"), ("stem", "torch.nn.Conv2d")):
        written = re.search(rf'href="([^"]*)"[^>]*><code[^>]*>\s*<span[^>]*>{re.escape(name)}<', prose)
        assert written and Page(site / "html/guide/start.html").links[node] == written[1]
    assert figure.count("<title>stem (Conv2d)") == 2      # a tooltip in light and in dark


def test_a_figure_that_leads_somewhere_as_a_whole_has_no_other_links(site):
    text = (site / "html/guide/whole.html").read_text("utf-8")
    assert Page(site / "html/guide/whole.html").roles == ["img", "img"]
    figure = text[text.index("<figure"):text.index("</figure>")]
    assert re.findall(r'<a [^>]*href="([^"]*)"[^>]*>', figure.split("<figcaption>")[0]) == ["https://example.org"]


def test_links_are_followed_in_a_browser(site):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.route(re.compile("^https:"), lambda route: route.fulfill(body="there", content_type="text/html"))
        start = (site / "html/guide/start.html").as_uri()
        away = f"{TORCH}generated/torch.nn.Conv2d.html#torch.nn.Conv2d"
        page.goto(start)
        page.locator(".archviz-light a[data-node='stem'] > path").first.click()
        page.wait_for_url(away)
        page.goto(start)
        page.locator(".archviz-light g[data-node='block'] > path").first.click(position={"x": 3, "y": 3})
        page.locator(".archviz-light g[data-node='block'] > a").first.click()
        page.wait_for_url((site / "html/api.html").as_uri() + "#shop.Block")
        page.goto(start)
        page.locator(".archviz-light a[data-node='stem']").focus()
        page.keyboard.press("Enter")
        page.wait_for_url(away)
        browser.close()


@pytest.mark.parametrize("cls, expected", [
    ("torch.nn.modules.conv.Conv2d", ["torch.nn.modules.conv.Conv2d", "torch.nn.modules.Conv2d", "torch.nn.Conv2d",
                                      "torch.Conv2d"]),
    ("pkg.m.Outer.Inner", ["pkg.m.Outer.Inner", "pkg.Outer.Inner"]),
    ("pkg.ResNet.ResNet", ["pkg.ResNet.ResNet", "pkg.ResNet"]),
    ("pkg.m._Net", ["pkg.m._Net", "pkg._Net"]),
    ("pkg.m.make.<locals>.Net", ["pkg.m.make.<locals>.Net"]),
    ("net.Net", ["net.Net"]),
    ("Net", ["Net"]),
])
def test_the_names_a_class_may_have(cls, expected):
    assert list(names(cls)) == expected


@pytest.mark.parametrize("href, good", [
    ("https://x.org/a#b", True), ("../a.html#b", True), ("#b", True), ("a.html?x=1:2", True), ("HTTP://x.org", True),
    ("", False), ("javascript:alert(1)", False), (" java\nscript:alert(1)", False), ("\x01javascript:x", False),
    ("file:///etc/passwd", False), ("data:text/html,x", False), ("mailto:a@b.c", False),
])
def test_only_pages_are_linked(href, good):
    assert safe(href) == good
    figure = '<svg role="img"><g class="conv" data-node="a"><path d="M0 0" /></g></svg>'
    assert ("<a " in linked(figure, {"a": href})) == good


def test_nothing_else_changes():
    import torch
    from torch import nn

    model = nn.Sequential()
    model.add_module("a<b", nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)))
    model.add_module("c", nn.Linear(4, 4))
    for style in ("block", "cube", "planes", "node-link"):
        figure = archviz.draw(model, torch.zeros(1, 3, 8, 8), style=style, depth=2)
        leads = {key: f"a.html?x=1&y=\"{i}\"" for i, key in enumerate(figure.classes)}
        made = linked(figure.svg, leads)
        assert linked(figure.svg, {}) == linked(figure.svg, {"nowhere": "x"}) == figure.svg
        before, after = (ElementTree.fromstring(text) for text in (figure.svg, made))
        drawn = {element.get("data-node") for element in before.iter() if element.get("data-node") in leads}
        assert drawn
        found = set()
        parents = {child: parent for parent in after.iter() for child in parent}
        for element in list(after.iter("{http://www.w3.org/2000/svg}a")):
            node = element.get("data-node") or parents[element].get("data-node")
            assert node is not None and element.attrib.pop("href") == leads[node]
            assert not element.findall(".//{http://www.w3.org/2000/svg}a")
            found.add(node)
            if element.get("data-node"):
                element.tag = "{http://www.w3.org/2000/svg}g"
            else:
                (inner,) = element
                parents[element][list(parents[element]).index(element)] = inner
        assert found == drawn
        assert after.attrib.pop("role") == "group" and before.attrib.pop("role") == "img"
        assert ElementTree.tostring(after) == ElementTree.tostring(before)
