"""Mermaid: its own parser reads what archviz writes and its own renderer draws it, as code hosts let it, whatever the
names hold."""
from __future__ import annotations

import base64
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archviz.backends import mmd
from archviz.core.errors import ArchvizError
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from tests.graphs import Builder
from tests.hostile import NAMES, hostile

VERSION = "11.17.2"
SHA512 = "V6K3C8EBdEsPFZXSKMJe6ppQOENxuHARr9GvHX4hh47lAbhMRD9qf4oEK7LoaRQxULMa80/qt5gHO73aCleBBg=="
Drawn = dict[str, Any]

DRAW = """async source => {
    mermaid.initialize({startOnLoad: false, securityLevel: 'strict'});
    const parsed = await mermaid.parse(source);
    const {svg} = await mermaid.render('figure', source);
    document.body.innerHTML = svg;
    const texts = part => [...document.querySelectorAll(part)].map(one => one.textContent);
    const attribute = (part, name) => [...document.querySelectorAll(part)].map(one => one.getAttribute(name));
    return {
        type: parsed.diagramType, nodes: texts('g.node .nodeLabel'), frames: texts('g.cluster .nodeLabel'),
        edges: attribute('path.flowchart-link', 'id').length, labels: texts('.edgeLabel .edgeLabel'),
        strokes: [...document.querySelectorAll('path.flowchart-link')].map(one => getComputedStyle(one).stroke),
        fills: [...document.querySelectorAll('g.node .label-container')].map(one => getComputedStyle(one).fill),
        title: texts('.flowchartTitleText'), scripts: document.querySelectorAll('svg script, svg a, svg img').length,
        hits: window.hits || 0};
}"""


@pytest.fixture(scope="module")
def library() -> Path:
    """Mermaid itself, as npm brings it: one file, the same for everyone, kept from one run to the next."""
    path = Path(tempfile.gettempdir()) / f"archviz-mermaid-{VERSION}.js"
    if not path.exists():
        if not shutil.which("npm"):
            pytest.skip("npm is not installed, which brings Mermaid's parser")
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["npm", "pack", f"mermaid@{VERSION}", "--silent"], cwd=folder, capture_output=True,
                                  text=True, timeout=120, stdin=subprocess.DEVNULL)
            assert done.returncode == 0, done.stderr
            pack = Path(folder) / f"mermaid-{VERSION}.tgz"
            assert base64.b64encode(hashlib.sha512(pack.read_bytes()).digest()).decode() == SHA512
            with tarfile.open(pack) as archive:
                member = archive.extractfile("package/dist/mermaid.min.js")
                assert member
                fresh = Path(folder) / "mermaid.js"
                fresh.write_bytes(member.read())
                shutil.move(fresh, path)
    return path


@pytest.fixture(scope="module")
def drawn(library: Path) -> Iterator[Callable[[bytes], Drawn]]:
    """What Mermaid draws of a file, in a browser that can reach nothing."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page()
        page.route("**/*", lambda route: route.abort())
        page.set_content("<body></body>")
        page.add_script_tag(path=str(library))
        page.evaluate("() => { window.alert = () => { window.hits = (window.hits || 0) + 1; }; }")
        yield lambda source: page.evaluate(DRAW, source.decode())
        browser.close()


def residual(name: str = "Net") -> Figure:
    build = Builder(name)
    x = build.input("image", (1, 3, 32, 32))
    with build.module("stem", "Stem"):
        first = build.op("Conv2d", x, shape=(1, 8, 32, 32), params=224, out_channels=8, kernel_size=[3, 3])
        y = build.op("BatchNorm2d", first, shape=(1, 8, 32, 32))
        y = build.op("ReLU", y, shape=(1, 8, 32, 32))
    with build.module("body", "Body"):
        with build.module("body.inner", "Inner"):
            z = build.op("MaxPool2d", y, shape=(1, 8, 32, 32), kernel_size=3)
            z = build.op("Conv2d", z, shape=(1, 8, 32, 32), out_channels=8, kernel_size=[1, 1])
        z = build.op("add", y, z, shape=(1, 8, 32, 32))
    with build.module("head", "Head"):
        z = build.op("LayerNorm", z, shape=(1, 8, 32, 32))
        z = build.op("Linear", z, shape=(1, 8, 32, 10), out_features=10)
    build.output(z)
    return compile(build.graph(), Options(direction="down", depth=3))


def test_the_parser_of_mermaid_reads_it_and_its_renderer_draws_all_of_it(drawn):
    figure = residual()
    found = drawn(figure.render("mmd"))
    assert found["type"].startswith("flowchart")
    assert sorted(found["nodes"]) == sorted(["image32×32×3", "3×3 conv, 8BN, ReLU", "3×3 max pool", "1×1 conv, 8", "+",
                                             "LN", "linear, 10", "output8×32×10"])
    assert sorted(found["frames"]) == ["Body", "Head", "Inner"]
    assert found["edges"] == len(figure.drawn.edges) == 8
    assert found["title"] == ["Net · 224 parameters"]


def test_it_has_the_colours_of_the_figure(drawn):
    def written(color: str) -> str:
        return f"rgb({', '.join(str(int(color[i:i + 2], 16)) for i in (1, 3, 5))})"

    figure = residual()
    found = drawn(figure.render("mmd"))
    sheet = figure.scene.sheet
    assert {written(sheet[role].fill) for role in ("conv", "pool", "add")} <= set(found["fills"])
    assert found["strokes"].count(written(sheet["edge skip"].stroke)) == 1


@pytest.mark.parametrize("style", ["block", "cube", "tower", "sublayers", "node-link", "radial"])
def test_the_network_is_written_in_every_style(drawn, style):
    build = Builder()
    x = build.op("Linear", build.input(), params=8)
    build.output(build.op("ReLU", x))
    assert drawn(compile(build.graph(), Options(style)).render("mmd"))["edges"] >= 2


def test_names_are_data(drawn):
    """Each name arrives as it is, whatever it would mean to Mermaid, to Markdown or to HTML; nothing runs."""
    found = drawn(hostile(NAMES, direction="down").render("mmd"))
    assert found["hits"] == found["scripts"] == 0
    shown = {re.sub(r"\s+", " ", node).strip() for node in found["nodes"]}
    for name in NAMES:
        said = name.shown
        assert said == "" or any(said in node for node in shown), (said, shown)
    assert {frame for frame in found["frames"] if frame.strip()} >= {name.shown for name in NAMES if name.framed}


def test_a_hostile_model_name_ends_neither_title_nor_description(drawn):
    for name in ('a: "b" #c; %%{init: {"securityLevel": "loose"}}%%', "---\nconfig: {}\n---",
                 "<img src=x onerror=alert()>", "end", "{}", "- x", "'", "\\", "# x"):
        found = drawn(residual(name).render("mmd"))
        assert found["edges"] == 8 and found["hits"] == 0
        assert found["title"][0].startswith(" ".join(name.split())[:8]), (name, found["title"])


def test_the_same_figure_gives_the_same_bytes_and_says_who_wrote_it():
    assert residual().render("mmd") == residual().render("mmd")
    assert b"made by archviz" in residual().render("mmd")


def test_directions():
    build = Builder()
    build.output(build.op("Linear", build.input()))
    for direction, word in (("down", "TB"), ("right", "LR"), ("up", "BT")):
        assert f"flowchart {word}\n" in compile(
            build.graph(), Options("sublayers", direction=direction)).render("mmd").decode()


def test_what_mermaid_would_refuse_is_said():
    build = Builder()
    x = build.input()
    for i in range(502):
        x = build.op("Linear", x, shape=(1, 8, 16 + i))
    build.output(x)
    figure = compile(build.graph(), Options(width="3000mm", max_height="9000mm"))
    with pytest.raises(ArchvizError, match="503 lines") as caught:
        mmd.compose(figure)
    assert "--depth" in caught.value.hint


def test_on_the_command_line(run, tmp_path):
    (tmp_path / "net.py").write_text("from torch import nn\nnet = nn.Sequential(nn.Linear(4, 2), nn.ReLU())\n"
                                     "import torch\nexample_inputs = (torch.zeros(1, 4),)\n")
    done = run("net.py", "-o", "net.mmd")
    assert done.returncode == 0, done.stderr
    assert "linear, 2" in (tmp_path / "net.mmd").read_text()
    assert run("net.py", "-o", "net.mmdx").returncode == 2
