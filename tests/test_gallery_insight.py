"""What the gallery shows of what models do: each command of ``gallery/insight`` draws what it is there for."""
from __future__ import annotations

import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import save_file
from skimage import data
from torch import nn

from archviz.apps.cli import main
from tests.conftest import ROOT
from tests.latex import together
from tests.lint import lint
from tests.trained import chapter_reader, digits_cnn, residual_net

COMMANDS = ROOT / "gallery" / "insight"
TRAINED: dict[str, Callable[[], nn.Module]] = {
    "digits": digits_cnn, "residual": residual_net, "topics": chapter_reader}
HOLDS = {
    "cubes": ["<image", "138M parameters", "conv1.0"],
    "methods": ["Saliency", "SmoothGrad", "Gradient × input", "Integrated gradients", "Guided backpropagation",
                "Deconvnet", "LRP", "Grad-CAM", "CAM", "Occlusion"],
    "grid": ["<image", "3×3 conv, 16", "BN, ReLU", "16@32×32", "64@8×8", "16 of 64", "global", "linear, 10"],
    "flow": ["LRP: relevance", ">flow ", "Block 1", "stage2.0.shortcut"],
    "dead": ["share of zeros", "dead"],
    "words": ["exception", "relevance", "|∂f/∂x|"],
    "attention": ["head 3", "exception", "attention"],
}


def commands(path: Path) -> list[list[str]]:
    """Those of a file, as words."""
    text = re.sub(r"\\\n\s*", "", path.read_text("utf-8"))
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def test_every_file_is_tested() -> None:
    assert {path.stem for path in COMMANDS.glob("*.sh")} == set(HOLDS)
    assert all(path.read_text("utf-8").startswith("# ") for path in COMMANDS.glob("*.sh"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which all commands were run, as a reader runs them."""
    folder = tmp_path_factory.mktemp("insight")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        os.symlink(ROOT / "gallery", "gallery")
        shutil.copy(Path(data.__file__).parent / "astronaut.png", folder)
        for name, make in TRAINED.items():
            save_file(make().state_dict(), f"{name}.safetensors")
        for path in sorted(COMMANDS.glob("*.sh")):
            [(program, *words)] = commands(path)
            assert program == "archviz" and f"{path.stem}.svg" in words
            assert main.main([*words, "--quiet"]) == 0
    return folder


def test_the_grid_is_set_by_tex_and_says_the_digit(drawn: Path, tmp_path: Path) -> None:
    document = together([(drawn / "grid.tex").read_bytes()], tmp_path)
    assert (document.code, document.complaints) == (0, [])
    assert [word for word in ("3×3conv,16", "BN,ReLU", "64@8×8", "16of64", "linear,10") if word not in
            document.words()[0]] == []
    assert "the largest that of class 4" in (drawn / "grid.svg").read_text("utf-8")
    assert (drawn / "grid.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize("name", HOLDS)
def test_a_figure_shows_what_it_is_for(name: str, drawn: Path) -> None:
    figure = (drawn / f"{name}.svg").read_text("utf-8")
    assert [word for word in HOLDS[name] if word not in figure] == []


def test_the_linter_finds_no_fault(drawn: Path) -> None:
    rows = lint(sorted(drawn.glob("*.svg")))
    assert len(rows) == len(HOLDS) and {name: row["bad"] for name, row in rows.items() if row["bad"]} == {}
