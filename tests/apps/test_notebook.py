"""A notebook as its users run and publish it: one kernel for all cells, then nbconvert to HTML and to LaTeX."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
from base64 import b64decode
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbconvert import HTMLExporter, LatexExporter
from nbformat.v4 import new_code_cell, new_notebook
from torch import nn

from archviz.apps.notebook import meant, run, words
from archviz.core import progress
from archviz.core.errors import ArchvizError
from archviz.figure.draw import draw
from tests.conftest import ROOT
from tests.latex import compiled

SETUP = '''
import time
import torch
from torch import nn
import archviz
%load_ext archviz

class Net(nn.Module):
    def __init__(self, classes=10):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.head = nn.Linear(16, classes)
    def forward(self, x):
        return self.head(self.features(x).flatten(1))

class Slow(nn.Module):
    def forward(self, x):
        time.sleep(1.9)
        return torch.relu(x)

class Bad(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 4)
    def forward(self, x):
        return self.b(self.a(x))

class Unbuilt(nn.Module):
    def __init__(self):
        super().__init__()
        raise OSError("no disk")

def large():
    """267 billion weights, and no two of its 96 layers alike."""
    block = lambda i: nn.TransformerEncoderLayer(16384, 64, 49152 + 64 * i, batch_first=True)
    return nn.Sequential(*[nn.Sequential(*[block(8 * i + j) for j in range(8)]) for i in range(12)])

x = torch.zeros(1, 3, 32, 32)
shape = x.shape
'''
FIGURES = ['figure = archviz.draw(Net(), x)\nfigure',
           'archviz.draw(Net(), x, style="cube", theme="mono", width="column")',
           "%archviz Net(classes=4) --style node-link --input x --set roles.background.fill=none",
           "figure",
           "archviz.draw(large)"]
SLOW = 'print("before")\nslow = archviz.draw(Slow(), x)\nprint("after")'
SAID = {        # what is printed, and nothing else is: no figure, no error
    "%archviz --list styles": "block\ncube\nnode-link\n",
    "%archviz Net --input x --quiet;": "",
    "kept = %archviz Net --arg classes=3 --input x --caption -o kept.pdf": "archviz: wrote kept.pdf (",
    'print(kept.drawn.nodes[-1].id, open("kept.pdf", "rb").read(4))': "b'%PDF'\n",
    "%archviz --help": "usage: %archviz [-h] ",
    "%archviz --version": "archviz 0.1.0\n",
    """for line in ("%archviz --sty", "%archviz net --theme m", "%archviz figu"):
    print(get_ipython().complete("", line, len(line))[1])""": "['--style']\n['mono']\n['figure']\n",
    "%archviz style show cube": "\nroles:\n",
}
MISTAKES = {
    "%archviz": "no model was named\n  write %archviz net, or %archviz --help",
    "%archviz Net --no-such": "unrecognized arguments: --no-such\n  %archviz --help lists the options",
    "%archviz Nett": "there is no variable Nett, and no module\n  did you mean Net?",
    "%archviz Nett(3)": "Nett(3): NameError: name 'Nett' is not defined",
    "%archviz Net(1, 2)": "Net(1, 2): TypeError: Net.__init__() takes from 1 to 2 positional arguments but 3 were",
    "%archviz Net --input y": "--input y: there is no variable y",
    "%archviz x": "x is a Tensor, not a model",
    "%archviz Net(3) --arg classes=4": "Net is already built: --arg classes comes too late\n  name its class instead:",
    "%archviz Unbuilt": "Cell In[1], line 30: OSError: no disk",
    "%archviz model.py:Net": "there is no file model.py",
    "%archviz figure.json": "cannot read figure.json: No such file or directory",
    '%archviz "Net': "cannot read the line: No closing quotation",
    "%archviz Net --width 3pt": "the figure is ",
    "%archviz Net --input x -o no/where.pdf": "cannot write no/where.pdf: there is no folder no",
}
SHOWN = ["%archviz figure --style cube", "%archviz large --quiet", "%archviz Bad --input 1x3",
         "%archviz Net --input x --debug --set no.such=1"]
NOTHING = {"text/html": "", "text/latex": "", "text/plain": ""}


@dataclass(frozen=True)
class Ran:
    """The cells by their source, the messages of the kernel in their order, and the first cells as a notebook."""

    cells: dict[str, Any]
    messages: list[Any]
    notebook: Any


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("notebook")
    sources = [SETUP, *FIGURES, SLOW, *SAID, *MISTAKES, *SHOWN]
    cells = {source: new_code_cell(source) for source in sources}
    for source in (*MISTAKES, SHOWN[-1]):
        cells[source].metadata["tags"] = ["raises-exception"]
    notebook, messages = new_notebook(cells=[*cells.values()]), []
    client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(folder)}})
    process = client.process_message

    def heard(message: Any, cell: Any, index: int) -> Any:
        messages.append((cell.source, message["msg_type"], message["content"]))
        return process(message, cell, index)

    client.process_message = heard      # type: ignore[method-assign]
    client.execute(env={**os.environ, "PYTHONPATH": str(ROOT), "IPYTHONDIR": str(folder), "CUDA_VISIBLE_DEVICES": ""})
    nbformat.validate(notebook)
    return Ran(cells, messages, new_notebook(cells=[cells[source] for source in (SETUP, *FIGURES, SLOW)]))


def outputs(ran: Ran, source: str) -> tuple[str, str, list[Any]]:
    """What a cell wrote on stdout and stderr, and what else it shows; the line of progress shows nothing at the end."""
    cell = ran.cells[source]
    text = {name: "".join(o.text for o in cell.outputs if o.output_type == "stream" and o.name == name)
            for name in ("stdout", "stderr")}
    shown = [o for o in cell.outputs if o.output_type != "stream" and o.get("data") != NOTHING]
    return text["stdout"], text["stderr"], shown


@pytest.mark.parametrize("source", [*FIGURES, *SHOWN[:3]])
def test_a_figure_shows_itself_in_three_ways(ran: Ran, source: str) -> None:
    stdout, stderr, (shown,) = outputs(ran, source)
    assert not stdout and (not stderr or "Bad" in source)
    assert shown.output_type == "execute_result" and [*shown.data] == ["image/svg+xml", "application/pdf", "text/plain"]
    width, height = re.findall(r'(?<=\s)(?:width|height)="([\d.]+)mm"', shown.data["image/svg+xml"].partition(">")[0])
    assert float(height) <= 230 and float(width) <= 174 or "width" in source    # sorted: height comes first
    assert len(shown.data["image/svg+xml"]) < 100_000 and len(shown.data["application/pdf"]) < 100_000


def test_a_large_model_is_shown_with_what_fits_the_page(ran: Ran) -> None:
    svg = outputs(ran, FIGURES[4])[2][0].data["image/svg+xml"]
    assert 12 <= svg.count("data-node=") < 100 and "12 stages of eight transformer encoder layers each" in svg


def test_what_is_asked_for_in_words_is_printed(ran: Ran) -> None:
    for source, said in SAID.items():
        stdout, stderr, shown = outputs(ran, source)
        assert (said in stdout if said else not stdout) and not stderr and not shown, (source, stdout, stderr)
    assert "It has 499 parameters" in outputs(
        ran, [*SAID][2])[0]


def test_a_mistake_is_a_message_without_a_traceback(ran: Ran) -> None:
    for source, said in MISTAKES.items():
        stdout, stderr, shown = outputs(ran, source)
        assert stderr.startswith(f"UsageError: {said}") and stderr.count("\n") <= 3 and not stdout, source
        assert not shown
        failed = [content for cell, kind, content in ran.messages if cell == source and kind == "error"]
        assert not failed
        assert ran.cells[source].execution_count     # the kernel lives
    _, _, (error,) = outputs(ran, SHOWN[-1])         # --debug
    assert error.ename == "ArchvizError" and len(error.traceback) > 2


def test_a_model_that_raises_is_drawn_as_far_as_it_ran(ran: Ran) -> None:
    assert outputs(ran, "%archviz Bad --input 1x3")[1].startswith("archviz: error: b raised RuntimeError: mat1 and")


def test_what_takes_long_says_so_and_leaves_nothing_behind(ran: Ran) -> None:
    lines = [content["data"] for cell, kind, content in ran.messages
             if cell == SLOW and kind in ("display_data", "update_display_data")]
    assert lines[0] == {"text/plain": "archviz: trace … 1 s"} and lines[-1] == NOTHING
    assert outputs(ran, SLOW) == ("before\nafter\n", "", [])
    assert [o.data for o in ran.cells[SLOW].outputs if o.output_type == "display_data"] == [NOTHING]
    assert not [cell for cell, kind, _ in ran.messages if kind == "display_data" and cell in FIGURES[:4]]


def test_a_script_stays_silent(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    from torch import nn

    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    monkeypatch.setattr(progress, "TICK", 0.001)
    draw(nn.Linear(3, 4), "1x3")
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------------------------------------ published

class Ids(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.meant: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.meant += [m for name, value in attrs if name == "fill" for m in re.findall(r"url\(#(.*?)\)", value or "")]


def looked_at(page: str, folder: Path, script: str) -> Any:
    """What `script` finds in the page, dark and on a narrow screen."""
    from playwright.sync_api import sync_playwright

    (folder / "page.html").write_text(page, encoding="utf-8")
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        try:
            view = browser.new_page(viewport={"width": 480, "height": 900})
            view.route("https://**", lambda route: route.abort())       # nbconvert's page asks for MathJax
            view.goto((folder / "page.html").as_uri())
            return view.evaluate(script)
        finally:
            browser.close()


def test_html_holds_every_figure_and_its_ids_are_unique(ran: Ran, tmp_path: Path) -> None:
    """As nbconvert writes it, with a picture for each figure, and with the SVG in the page, as others write it."""
    page, _ = HTMLExporter(theme="dark").from_notebook_node(ran.notebook)
    inlined, count = re.subn(r'<img [^>]*src="data:image/svg\+xml;base64,([^"]*)"/?>',
                             lambda image: b64decode(image[1]).decode(), page)
    assert count == len(FIGURES) and "trace …" not in page
    found = Ids(inlined)
    assert len(found.ids) == len(set(found.ids)) and found.meant and set(found.meant) <= set(found.ids)
    first, again = (ran.cells[source].outputs[0].data["image/svg+xml"] for source in (FIGURES[0], FIGURES[3]))
    assert len(Ids(first).ids) == len(Ids(again).ids) > 3 and not {*Ids(first).ids} & {*Ids(again).ids}
    both = page.replace("</body>", inlined.partition("<body")[2].partition(">")[2], 1)
    shown, left = looked_at(both, tmp_path, """[
        [...document.querySelectorAll('.jp-RenderedSVG > *')].map(figure => {
            const box = figure.getBoundingClientRect(), ground = figure.querySelector('.av-background')
            const [width, height] = ground ? figure.getAttribute('viewBox').split(' ').slice(2)
                                           : [figure.naturalWidth, figure.naturalHeight]
            return [box.right, box.width / box.height / (width / height), ground && getComputedStyle(ground).fill]}),
        [...document.querySelectorAll('.jp-RenderedHTML')].map(
            html => html.closest('.jp-OutputArea-child').getBoundingClientRect().height)]""")
    assert [ground for _, _, ground in shown] == [None] * len(FIGURES) + ["rgb(255, 255, 255)"] * len(FIGURES)
    for right, distortion, ground in shown:
        assert distortion == pytest.approx(1, abs=0.02)
        assert right <= 480 or not ground           # a picture is as wide as nbconvert lets it be
    assert left and not any(left)           # of progress, nothing that takes room


def test_latex_sets_every_figure_as_vectors(ran: Ran, tmp_path: Path) -> None:
    tex, resources = LatexExporter().from_notebook_node(ran.notebook, {"unique_key": "files"})
    for name, content in resources["outputs"].items():
        (tmp_path / name).write_bytes(content)
    assert tex.count(r"\adjustimage") == len(FIGURES) == len([n for n in resources["outputs"] if n.endswith(".pdf")])
    document = compiled(tex, tmp_path, "xelatex")
    assert document.code == 0, document.log[-3000:]
    assert "Missing character" not in document.log and not re.findall("^!.*", document.log, re.MULTILINE)
    words = "".join(document.words())
    assert words.count("3×3conv,16") >= 3 and "trace…" not in words
    images = subprocess.run(["pdfimages", "-list", document.pdf], capture_output=True, text=True, check=True).stdout
    assert len(images.splitlines()) == 2        # the head of an empty table


# ------------------------------------------------------------------------------------------------ what a line means

@pytest.mark.parametrize(("line", "split"), [
    ("net --style cube", ["net", "--style", "cube"]),
    (" --title 'A (b'  net ", ["--title", "A (b", "net"]),
    ('Net("a b", [1, 2])  -o "my fig.pdf"', ['Net("a b", [1, 2])', "-o", "my fig.pdf"]),
    ("--arg sizes=[1, 2] --expand 'layers.[0-3]' --set roles.conv.fill=#56B4E9 Net",
     ["--arg", "sizes=[1, 2]", "--expand", "layers.[0-3]", "--set", "roles.conv.fill=#56B4E9", "Net"]),
    ('--arg name="a b" --arg empty=""', ["--arg", "name=a b", "--arg", "empty="]),
    ('Net(")") --title ""', ['Net(")")', "--title", ""]),
    (r"a\ b.py", ["a b.py"]),
    ("--title (open net", ["--title", "(open", "net"]),
    ("", []),
])
def test_a_line_is_split_as_by_a_shell_but_for_brackets(line: str, split: list[str]) -> None:
    assert words(line) == split


@pytest.mark.parametrize(("word", "name", "value"), [
    ("net", "net", 1), ("nets[0]", "nets[0]", 2), ("box.real", "real", 3), ("make(4)", "make", 4),
    ("graph", "graph", 5), ("path", "a.py:B", None),
    ("graph.json", "graph.json", None), ("model.py:Net", "model.py:Net", None),
    ("net.py", "net.py", None), ("package.module:net", "package.module:net", None), ("json", "json", None),
    ("json.decoder", "json.decoder", None), ("sub/graph.json", "sub/graph.json", None), ("os", "posixpath", None),
    ("my-model", "my-model", None), ("C:\\a.py", "C:\\a.py", None),
])
def test_a_word_is_an_expression_or_a_target(word: str, name: str, value: object) -> None:
    variables = {"net": 1, "nets": [2], "box": 3, "make": lambda n: n, "graph": 5, "os": os.path,
                 "path": Path("a.py:B")}
    assert meant(word, variables) == (name, value)


def test_a_model_that_is_called_for_is_not_built_with_its_weights() -> None:
    variables = {"nn": nn, "net": nn.Linear(3, 4), "sizes": {"out_features": 10**7}}
    figure = run(["nn.Linear(10**7, **sizes)", "--input", "1x10000000", "--quiet"], variables)     # 400 terabytes
    assert "100T parameters" in figure.caption
    name, around = meant("nn.Sequential(net, nn.ReLU())", variables, built=False)
    assert name == "Sequential" and around[0] is variables["net"]
    assert isinstance(meant("nn.Linear(3, 4)", variables)[1], nn.Linear)
    with pytest.raises(ArchvizError, match=r"^nn\.Linear\(3, 4, of=5\): TypeError: .*unexpected keyword argument 'of'"):
        meant("nn.Linear(3, 4, of=5)", variables, built=False)


def test_a_word_that_means_nothing_is_told_with_what_it_may_have_been() -> None:
    with pytest.raises(ArchvizError, match="no variable nte, and no module") as error:
        meant("nte", {"net": 1, "In": [], "_i1": ""})
    assert error.value.hint == "did you mean net?"
    with pytest.raises(ArchvizError, match=r"^nets\[9\]: IndexError: list index out of range$"):
        meant("nets[9]", {"nets": []})
