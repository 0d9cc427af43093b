"""The figures of the gallery: each is a file of commands in ``gallery/figures``, with what they draw beside it.

In: the files.  Out: their commands, and what they draw in a folder of its own.
"""
from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest

from archviz.apps.cli import main
from tests.conftest import ROOT

FIGURES = ROOT / "gallery" / "figures"
TEXT = (".svg", ".tex")     # what is drawn as text is approved


def commands(path: Path) -> list[list[str]]:
    """Those of a file, as words."""
    text = re.sub(r"\\\n\s*", "", path.read_text("utf-8"))
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


def outputs(path: Path) -> list[str]:
    """The files that the commands of a figure write."""
    return [after for words in commands(path) for word, after in zip(words, words[1:], strict=False)
            if word in ("-o", "--output")]


def draw(path: Path, folder: Path) -> None:
    """Run the commands of a figure in `folder`, as a reader runs them in a clone of the repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        if not Path("gallery").exists():
            os.symlink(ROOT / "gallery", "gallery")
        for program, *words in commands(path):
            assert program == "archviz"
            assert main.main([*words, "--quiet"]) == 0, f"{path.name}: archviz {shlex.join(words)}"
