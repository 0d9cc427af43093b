"""TikZ → PDF with the TeX that is on the machine.

In: a whole LaTeX document.  Out: the bytes of its PDF.  TeX runs in a folder of its own, may start no
other program, and is stopped when it takes too long.
"""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from archviz.core.errors import ArchvizError

ENGINES = ("pdflatex", "lualatex", "xelatex")
PATIENCE = 180.0        # seconds; the first run of lualatex reads every font there is
INSTALL = ("install TeX with the packages tikz and preview (Debian: texlive-latex-base texlive-pictures "
           "preview-latex-style), or leave --engine out, which needs no TeX")

# No clock and no folder's name in the file: same figure, same bytes.
SAME = r"""\ifdefined\pdftrailerid \pdftrailerid{}\fi
\ifdefined\pdfvariable \pdfvariable trailerid{[<00000000000000000000000000000000><00000000000000000000000000000000>]}\fi
"""


def which(engine: str) -> str:
    """The program for ``"latex"`` (the first of `ENGINES` there is) or for one of them.  Raises `ArchvizError`."""
    wanted = ENGINES if engine == "latex" else (engine,)
    program = next(filter(None, map(shutil.which, wanted)), None)
    if program is None:
        names = " or ".join(filter(None, [", ".join(wanted[:-1]), wanted[-1]]))
        raise ArchvizError(f"there is no {names} on this machine's PATH", INSTALL)
    return program


def run(document: bytes, engine: str) -> bytes:
    """The PDF that `engine` makes of `document`.  Raises `ArchvizError`, with TeX's own words where it failed."""
    program = which(engine)
    name = Path(program).name
    with TemporaryDirectory(prefix="archviz-") as folder:
        place = Path(folder)
        (place / "figure.tex").write_bytes(SAME.encode() + document)
        try:
            done = subprocess.run(
                [program, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "figure.tex"], cwd=place,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE,
                env={**os.environ, "SOURCE_DATE_EPOCH": "0", "FORCE_SOURCE_DATE": "1", "max_print_line": "1000"})
        except subprocess.TimeoutExpired:
            raise ArchvizError(f"{name} was still running after {PATIENCE:.0f} seconds and was stopped") from None
        except OSError as error:
            raise ArchvizError(f"{program} cannot be run: {error.strerror}", INSTALL) from None
        pdf = place / "figure.pdf"
        if done.returncode or not pdf.is_file():
            raise ArchvizError(f"{name} failed: {_said(done.stdout, done.returncode)}", INSTALL)
        return pdf.read_bytes()


def _said(output: bytes, code: int) -> str:
    """TeX's first error, in one line."""
    lines = output.decode("utf-8", "replace").splitlines()
    error = next((line for line in lines if line.startswith("!")), "")
    last = next((line for line in reversed(lines) if line.strip()), f"exit code {code}")
    return " ".join((error.removeprefix("!") or last).split())
