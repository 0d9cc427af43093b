"""The figures of the gallery: each command draws what was approved, without a fault, and TeX sets it.

``pytest tests/test_figures.py --accept`` takes the figures as they are drawn; look at them first.
"""
from __future__ import annotations

import ast
import re
import shutil
from functools import cache
from pathlib import Path

import pytest

from tests import sheet
from tests.conftest import ROOT
from tests.figures import FIGURES, TEXT, commands, draw, outputs
from tests.latex import together
from tests.lint import detached, lint

FILES = {path.stem: path for path in sorted(FIGURES.glob("*.sh"))}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("figures")


@cache
def drawn(name: str, folder: Path) -> dict[str, bytes]:
    """What the commands of a figure write: file → bytes."""
    draw(FILES[name], folder)
    return {output: (folder / output).read_bytes() for output in outputs(FILES[name])}


@pytest.mark.parametrize("name", FILES)
def test_each_says_what_it_shows_and_draws_what_was_approved(
        name: str, folder: Path, request: pytest.FixtureRequest) -> None:
    text = FILES[name].read_text("utf-8")
    assert text.startswith("# ") and all(words[0] == "archviz" for words in commands(FILES[name]))
    found = drawn(name, folder)
    assert f"{name}.svg" in found
    for output, content in found.items():
        approved = FIGURES / output
        if approved.suffix not in TEXT:
            assert content
            continue
        if request.config.getoption("--accept"):
            approved.write_bytes(content)
        assert approved.read_bytes() == content, f"{output} is not what was approved"


def test_nothing_lies_there_that_no_command_draws() -> None:
    known = {output for path in FILES.values() for output in outputs(path)} | {path.name for path in FILES.values()}
    assert {path.name for path in FIGURES.iterdir() if not path.name.startswith(".")} <= known


def test_the_linter_finds_no_fault(folder: Path) -> None:
    paths = [folder / output for name in FILES for output in drawn(name, folder) if output.endswith(".svg")]
    assert {name: row["bad"] for name, row in lint(paths).items() if row["bad"]} == {}
    assert detached(paths) == {}


def test_tex_sets_all_of_them(folder: Path, tmp_path: Path) -> None:
    found = [content for name in FILES for output, content in drawn(name, folder).items() if output.endswith(".tex")]
    document = together(found, tmp_path)
    assert document.code == 0 and not document.complaints, document.complaints[:5]
    assert len(document.sizes()) == len(found)


def test_the_sheet_shows_what_changed_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn_before = (FIGURES / "vgg16.svg").read_text("utf-8")
    for name in ("vgg16", "unet"):
        shutil.copy(FILES[name], tmp_path)
        shutil.copy(FILES[name].with_suffix(".svg"), tmp_path)
    (tmp_path / "vgg16.svg").write_text(drawn_before.replace("224", "225"), "utf-8")
    monkeypatch.setattr(sheet, "FIGURES", tmp_path)
    assert sheet.main([str(tmp_path / "out")]) == 0
    page = (tmp_path / "out" / "index.html").read_text("utf-8")
    assert page.index("class='changed'") < page.index("class='same'")
    assert page.count("class='blink'") == 1 and page.count("no fault") == 2
    assert (tmp_path / "out" / "new" / "vgg16.svg").read_text("utf-8") == drawn_before


def test_the_readme_names_the_command_of_each_figure_it_shows() -> None:
    readme = re.sub(r"\s*\\\n\s*", " ", (ROOT / "README.md").read_text("utf-8")).replace("'", "")
    shown = re.findall(r'src="gallery/figures/([\w-]+)\.svg"', readme)
    assert shown
    for name in shown:
        [words, *_] = commands(FILES[name])
        assert re.sub(r" -o \S+", "", " ".join(words)) in readme


LAYERS = {"LSTM", "MLP", "RNN", "lstm", "lstm_cell", "mlp", "rnn", "digits", "residual", "dates", "topics",
          "transformer"}
"""Names of files and classes that are words of the field, or layers of torch.nn, too."""


def test_the_engine_knows_no_model_by_name() -> None:
    """Neither a file of the gallery nor a model in one is named in the code or in a style."""
    names: set[str] = set()
    asked = {f":{word.rpartition(':')[2]}" for one in FILES.values() for words in commands(one) for word in words}
    for path in (ROOT / "gallery").glob("*.py"):
        names.add(path.stem)
        names |= {node.name for node in ast.parse(path.read_text("utf-8")).body
                  if isinstance(node, ast.ClassDef) and f":{node.name}" in asked}
    code = [*(ROOT / "archviz").rglob("*.py"), *(ROOT / "styles").rglob("*.yaml")]
    assert {f"{path.name}: {name}" for path in code for name in names - LAYERS
            if re.search(rf"\b{re.escape(name)}\b", path.read_text("utf-8"))} == set()
