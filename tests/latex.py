"""Compile TikZ pictures, many in one run as TeX is slow to start: a page of the figure's size each.

In: the bytes of .tex files.  Out: a `Document`, with the log, the PDF and how to look at them.
"""
from __future__ import annotations

import os
import re
import subprocess
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image as Picture

PREAMBLE = r"""\documentclass{article}
\usepackage{tikz}
\usetikzlibrary{arrows.meta,patterns}
\usepackage[active,tightpage]{preview}
\PreviewEnvironment{tikzpicture}
\setlength\PreviewBorder{0pt}
\setlength\textwidth{20cm}
"""
COMPLAINTS = re.compile(r"^(?:!.*|Overfull.*|Underfull.*|.*Warning:.*|Missing character.*|Runaway.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Document:
    pdf: Path
    log: str
    code: int

    @property
    def complaints(self) -> list[str]:
        """What TeX says is wrong; nothing of it may come from a figure of ours."""
        return COMPLAINTS.findall(self.log)

    def sizes(self) -> list[tuple[float, float]]:
        """Width and height of each page in printed points."""
        told = subprocess.run(["pdfinfo", "-l", "-1", str(self.pdf)], capture_output=True, text=True, check=True).stdout
        return [(float(w) * 72.27 / 72, float(h) * 72.27 / 72)
                for w, h in re.findall(r"Page.*size:\s+([\d.]+) x ([\d.]+) pts", told)]

    def words(self) -> list[str]:
        """The text of each page, without spaces, as other programs read it."""
        read = subprocess.run(["pdftotext", "-raw", str(self.pdf), "-"], capture_output=True, check=True).stdout
        return [re.sub(r"\s", "", unicodedata.normalize("NFKC", page)) for page in read.decode().split("\f")]

    def pixels(self, page: int, dpi: int = 144) -> np.ndarray:
        out = self.pdf.with_name(f"page-{page}")
        subprocess.run(["pdftoppm", "-r", str(dpi), "-f", str(page + 1), "-l", str(page + 1), "-singlefile", "-png",
                        str(self.pdf), str(out)], check=True)
        return np.asarray(Picture.open(out.with_suffix(".png")).convert("RGB")).astype(int)


def compiled(source: str, folder: Path, engine: str = "pdflatex", **files: bytes) -> Document:
    """`source` as it is, with `files` beside it, set without compressing, so that the page can be read."""
    for name, content in files.items():
        (folder / f"{name}.tex").write_bytes(content)
    plain = {"pdflatex": r"\pdfcompresslevel=0 \pdfobjcompresslevel=0 ",
             "lualatex": r"\pdfvariable compresslevel=0 \pdfvariable objcompresslevel=0 "}.get(engine, "")
    (folder / "main.tex").write_text(plain + source, encoding="utf-8")
    done = subprocess.run([engine, "-interaction=nonstopmode", "-no-shell-escape", "main.tex"], cwd=folder, timeout=200,
                          stdin=subprocess.DEVNULL, capture_output=True, env={**os.environ, "max_print_line": "10000"})
    log = (folder / "main.log").read_text("utf-8", "replace") if (folder / "main.log").exists() else ""
    return Document(folder / "main.pdf", log, done.returncode)


def together(figures: Sequence[bytes], folder: Path, engine: str = "pdflatex", before: str = "") -> Document:
    """All `figures` in one document, each on a page of its own size; `before` is said in the preamble."""
    files = {f"figure{i}": figure for i, figure in enumerate(figures)}
    body = "\n".join(rf"\input{{{name}}}" for name in files)
    return compiled(f"{PREAMBLE}{before}\\begin{{document}}\n{body}\n\\end{{document}}\n", folder, engine, **files)
