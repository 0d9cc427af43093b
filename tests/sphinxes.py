"""Real runs of sphinx-build, on the newest Sphinx and on the oldest that pyproject.toml names.

In: a project's folder and a builder.  Out: a `Built`: what was written, what was said, what was read, traced and drawn.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.forked import nursery

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "tests" / "sphinx"
NO_TORCH = ROOT / "tests" / "no_torch"

# MyST-Parser is the one of that time; docutils is held by the two.
OLDEST = ("sphinx==7.2.6", "myst-parser==2.0.0")
OLD = ("-D", "html_theme=alabaster", "-D", "archviz_latex=tikz")
"""What the sample is built with by the oldest Sphinx: a theme that is never dark, and TikZ in LaTeX."""


@dataclass(frozen=True)
class Built:
    """A finished build: exit status, the folder it wrote, and what it said on stdout and stderr."""

    code: int
    out: Path
    said: str
    complaints: str

    @property
    def warnings(self) -> list[str]:
        """The warnings, one line each."""
        return [line for line in self.complaints.splitlines() if re.search(r"\b(WARNING|ERROR|CRITICAL)\b", line)]

    @property
    def traced(self) -> list[str]:
        return sorted(re.findall(r"archviz: trace (\S+)", self.said))

    @property
    def drawn(self) -> list[str]:
        return sorted(re.findall(r"archviz: draw (\S+)", self.said))

    @property
    def read(self) -> set[str]:
        """The pages that were read, of a build without -j."""
        return set(re.findall(r"reading sources\.\.\. \[ *\d+%\] ([\w/]+)", self.said))

    @property
    def written(self) -> set[str]:
        return set(re.findall(r"writing output\.\.\. \[ *\d+%\] ([\w/]+)", self.said))

    def page(self, name: str) -> str:
        return (self.out / name).read_text("utf-8")


@dataclass(frozen=True)
class Project:
    """A documentation project in `folder`/docs, built by the newest Sphinx, or the oldest where it is installed."""

    folder: Path
    oldest: Path | None = None

    def build(self, builder: str, *options: str, torch: bool = True, doctrees: str = "doctrees", out: str = "",
              strict: bool = True, ok: bool = True) -> Built:
        """Run sphinx-build; all builders share the doctrees unless other ones are named.

        `strict` takes warnings for errors.  Where `ok`, anything but success fails the test.
        """
        path = [*([NO_TORCH] if not torch else []), *([self.oldest] if self.oldest else []), ROOT]
        folder = self.folder / "out" / (out or builder)
        strictly = ["-W", "--keep-going"] if strict else []
        words = ["-v", "-N", *strictly, "-b", builder, "-d", doctrees, *options, "docs", str(folder)]
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path)), "PYTHONUTF8": "1",
               "PYTHONDONTWRITEBYTECODE": "1", "CUDA_VISIBLE_DEVICES": "", "SOURCE_DATE_EPOCH": "0"}
        done = nursery().run("sphinx", words, self.folder, env, 200) if torch else subprocess.run(
            [sys.executable, "-m", "sphinx", *words], cwd=self.folder, capture_output=True, text=True,
            encoding="utf-8", timeout=200, stdin=subprocess.DEVNULL, env=env)
        built = Built(done.returncode, folder, done.stdout, done.stderr)
        assert not ok or done.returncode == 0 and not built.warnings, done.stderr + done.stdout[-2000:]
        return built


def sample(folder: Path, oldest: Path | None = None) -> Project:
    """A fresh copy of the sample project."""
    shutil.copytree(SAMPLE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return Project(folder, oldest)


def install_oldest(cache: Path) -> Path:
    """The folder with the oldest Sphinx, installed once."""
    home = cache / "-".join(OLDEST).replace("==", "-")
    if not home.is_dir():
        fresh = cache / f"fresh-{os.getpid()}"
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", str(fresh),
             *OLDEST], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{' '.join(OLDEST)} cannot be installed: {done.stderr.strip().splitlines()[-1:]}")
        fresh.rename(home)
    return home


def pdf_of(out: Path) -> tuple[Path, str]:
    """Set what the LaTeX builder wrote; the PDF and TeX's log."""
    (tex,) = out.glob("*.tex")
    done = subprocess.run(
        ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", tex.name], cwd=out, capture_output=True,
        text=True, errors="replace", timeout=200, stdin=subprocess.DEVNULL,
        env={**os.environ, "max_print_line": "10000"})
    assert done.returncode == 0, done.stdout[-3000:]
    return tex.with_suffix(".pdf"), tex.with_suffix(".log").read_text("utf-8", "replace")
