"""What goes wrong in a documentation build: one warning at the directive's line, and never more than that."""
from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.sphinxes import SAMPLE, Project

CONF = """
import sys
from pathlib import Path
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
project = "Wrong"
extensions = ["archviz.sphinxext"]
numfig = True
"""
MODELS = """
import torch
from torch import nn


class Base(nn.Module):
    example_inputs = torch.zeros(1, 4)

    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 8)
        self.b = nn.Linear(8, 2)

    def forward(self, x):
        return self.b(self.a(x))


class Raises(Base):
    def forward(self, x):
        x = self.a(x)
        raise RuntimeError("no more" + chr(10) + "than this")


class Unborn(Base):
    def __init__(self):
        super().__init__()
        raise ValueError("never built")


class Exits(Base):
    def forward(self, x):
        raise SystemExit(3)


class Strange(Base):
    def __init__(self):
        raise BaseException("neither error nor exit")


class Rows(nn.Module):
    example_inputs = torch.zeros(1, 4)

    def __init__(self):
        super().__init__()
        self.rows = nn.ModuleList([nn.Linear(4, 4) if i % 2 else nn.Conv1d(1, 1, 1) for i in range(20)])

    def forward(self, x):
        for row in self.rows:
            x = row(x[None])[0]
        return x


class Needs(Base):
    def __init__(self, rows, columns):
        super().__init__()
"""
FINE = "models:Base"

# page → what is drawn, with which options, and what the warning says
WRONG: dict[str, tuple[str, str]] = {
    "forward": ("models:Raises", "Raises raised RuntimeError: no more than this; the figure shows what ran until then"),
    "init": ("models:Unborn", "models.py:27: ValueError: never built"),
    "exit": ("models:Exits", "models:Exits ends the process while it runs: SystemExit: 3; "),
    "strange": ("models:Strange", "the model ended the process: BaseException: neither error nor exit"),
    "leaves": ("leaves:Net", "leaves: SystemExit: the file ends the program while it is imported"),
    "syntax": ("syntax:Net", "syntax.py:1: SyntaxError: "),
    "module": ("nowhere.at_all:Net", "there is no module nowhere"),
    "file": ("/../nofile.py", "there is no file "),
    "class": ("models:Bases", "there is no Bases in models; did you mean Base"),
    "option": (f"{FINE}\n   :stile: cube", "archviz has no option 'stile'; did you mean "),
    "value": (f"{FINE}\n   :depth: deep", "option 'depth': 'deep' is neither a number nor auto"),
    "align": (f"{FINE}\n   :align: nowhere\n   :name: kept", "option 'align': \"nowhere\" unknown"),
    "quote": (f"{FINE}\n   :arg: \"a=b", "option 'arg': No closing quotation"),
    "dashes": ("--help", "'--help' is neither a Python file nor a module; "),
    "needs": ("models:Needs", "models:Needs needs 2 arguments: rows, columns; give :arg: rows=… columns=…"),
    "style": (f"{FINE}\n   :style: cubist\n   :target: https://example.org", "there is no style 'cubist'; did you"),
    "theme": (f"{FINE}\n   :dark: neon", "there is no theme 'neon'"),
    "shape": (f"{FINE}\n   :input: 1x5", "Base does not take these inputs: a raised RuntimeError: "),
    "large": ("models:Rows\n   :width: 10mm\n   :depth: 3", "allow more with :width: "),
    "project": ("/../own/net.py:Base", "archviz.yaml:2: not valid YAML"),
    "graph": ("broken.json", "broken.json is not a graph that archviz wrote"),
}


def page(name: str, directive: str) -> str:
    return f"{name}\n{'=' * len(name)}\n\n.. archviz:: {directive}\n\nThe rest of {name}.\n"


@pytest.fixture
def wrong(tmp_path: Path) -> Project:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "conf.py").write_text(CONF)
    (docs / "index.rst").write_text("Wrong\n=====\n\n:numref:`kept`\n\n.. toctree::\n   :glob:\n\n   *\n")
    (docs / "broken.json").write_text('{"name": 3')
    (tmp_path / "models.py").write_text(MODELS)
    (tmp_path / "leaves.py").write_text('import sys\nsys.exit("no")\n')
    (tmp_path / "syntax.py").write_text("def (\n")
    (tmp_path / "own").mkdir()
    (tmp_path / "own/net.py").write_text(MODELS)
    (tmp_path / "own/archviz.yaml").write_text("style: block\n  bad: [\n")
    for name, (directive, _) in WRONG.items():
        (docs / f"{name}.rst").write_text(page(name, directive))
    return Project(tmp_path)


def test_each_mistake_is_one_warning_until_it_is_mended(wrong):
    first = wrong.build("html", "-j2", strict=False, ok=False)
    assert first.code == 0
    again = wrong.build("html", ok=False)
    assert again.code != 0                              # -W
    for built in (first, again):
        lines = {match[1]: match[2] for line in built.warnings
                 if (match := re.fullmatch(r".*/docs/(\w+)\.rst:4: WARNING: (.*) \[archviz\]", line))}
        assert len(lines) == len(built.warnings)
        assert sorted(lines) == sorted(WRONG)
        for name, (_, said) in WRONG.items():
            assert said in lines[name], name
            assert "fault of archviz" not in lines[name]
            html = built.page(f"{name}.html")
            assert f"The rest of {name}." in html
            assert ("<svg" in html) is (name == "forward")
            assert ("archviz-missing" in html) is (name != "forward")
    assert "linear, 8" in again.page("forward.html")

    models = wrong.folder / "models.py"
    models.write_text(MODELS.replace("raise RuntimeError", "return x  #").replace("raise ValueError", "0  #"))
    (wrong.folder / "own/archviz.yaml").write_text("style: cube\n")
    for name in WRONG:
        if name not in ("forward", "init", "project"):
            (wrong.folder / f"docs/{name}.rst").write_text(page(name, FINE + "\n   :name: kept" * (name == "align")))
    mended = wrong.build("html")
    assert all(mended.page(f"{name}.html").count("<svg") == 2 for name in WRONG)


def test_a_store_that_cannot_be_written_is_one_warning_a_figure(wrong):
    for path in (wrong.folder / "docs").glob("*.rst"):
        path.unlink()
    shutil.copy(SAMPLE / "docs/pair.json", wrong.folder / "docs")
    (wrong.folder / "docs/index.rst").write_text(page("index", "pair.json"))
    (wrong.folder / "taken").write_text("a file, and no folder")
    built = wrong.build("html", "-D", "archviz_cache=../taken/store", strict=False, ok=False)
    assert built.code == 0
    (line,) = built.warnings
    assert re.search(r"index\.rst:4: WARNING: cannot keep figures in .*/taken/store/figures: Not a directory", line)


def test_a_model_that_computes_does_not_hang_after_conf_py_has_computed(tmp_path):
    """The threads of the first process, as sphinx-gallery uses them, are not there in those that read pages."""
    docs = tmp_path / "docs"
    docs.mkdir()
    busy = "torch.ones(1_000_000).exp().sum()"
    (docs / "conf.py").write_text(f"{CONF}import torch\ntorch.set_num_threads(2)\n{busy}\n")
    (tmp_path / "models.py").write_text(MODELS + f"""

class Asks(Base):
    def forward(self, x):
        return self.b(self.a(x)) if {busy} > 0 else x
""")
    names = ("index", "b", "c", "d", "e", "f")          # Sphinx starts no process for less
    for name in names:
        (docs / f"{name}.rst").write_text(f":orphan:\n\n{page(name, 'models:Asks')}")
    built = Project(tmp_path).build("html", "-j2")
    assert all("linear, 8" in built.page(f"{name}.html") for name in names)


# ------------------------------------------------------------------------------------------------ without torch

@pytest.fixture
def graphs(wrong: Project) -> Project:
    """A project that keeps its traced graphs in docs/graphs, built once."""
    docs = wrong.folder / "docs"
    for path in docs.glob("*.rst"):
        path.unlink()
    (docs / "conf.py").write_text(CONF + 'archviz_graphs = "graphs"\n')
    (docs / "index.rst").write_text(page("index", FINE) + "\n.. toctree::\n\n   rows\n")
    (docs / "rows.rst").write_text(page("rows", "models:Rows"))
    wrong.build("html")
    return wrong


def test_what_was_traced_once_is_drawn_without_torch(graphs):
    kept = sorted((graphs.folder / "docs/graphs").iterdir())
    assert [re.sub(r"-\w{8}\.json$", "", path.name) for path in kept] == ["models.Base", "models.Rows"]
    shutil.rmtree(graphs.folder / "doctrees")

    elsewhere = graphs.build("html", torch=False)
    assert "torch was asked for" not in elsewhere.complaints
    assert not elsewhere.traced and elsewhere.drawn == ["models:Base", "models:Rows"]

    # Older than its source: drawn all the same, and said until it is traced again.
    models = graphs.folder / "models.py"
    models.write_text(MODELS.replace("nn.Linear(8, 2)", "nn.Linear(8, 3)"))
    for _ in range(2):
        built = graphs.build("html", torch=False, strict=False, ok=False)
        assert built.code == 0 and "<svg" in built.page("index.html")
        assert all("was traced from an older ../models.py, and " in line for line in built.warnings)
        assert [re.search(r"(\w+)\.rst:4", line)[1] for line in built.warnings] == ["index", "rows"]
    assert "linear, 3" in graphs.build("html").page("index.html")

    # Without its graph, it is one warning.
    kept[0].unlink()
    shutil.rmtree(graphs.folder / "doctrees")
    built = graphs.build("html", torch=False, strict=False, ok=False)
    (line,) = built.warnings
    assert built.code == 0 and "index.rst:4: WARNING: " in line and "torch" in line
    assert "<svg" in built.page("rows.html")
