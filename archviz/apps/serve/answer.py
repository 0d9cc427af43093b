"""What came of drawing once: written by the process that drew, read by the server.

In: a figure's page, errors, a folder.  Out: `Answer`, whose `Mistake` says what is wrong, where, and what to do.
"""
from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from archviz.core.errors import is_users

PAGE, TOLD, STACK = "page.html", "told.json", "stack.txt"       # files of an answer's folder
STEP, READY = "step.txt", "ready.txt"                           # while there is none yet
AROUND = 2                  # lines of a file that are shown before and after the one that is meant
LONGEST = 400               # characters of a line that are shown
PLACE = re.compile(r"([^\s:'\"]+\.(?:py|ya?ml|toml|json)):(\d+)")


@dataclass(frozen=True)
class Mistake:
    """What is wrong.

    place    file and line, where they are known: ``model.py:7``
    lines    those of the file around it, each with its number
    partial  whether the figure shows what ran until then
    """

    message: str
    hint: str = ""
    place: str = ""
    lines: tuple[tuple[int, str], ...] = ()
    partial: bool = False


@dataclass(frozen=True)
class Answer:
    """What came of drawing once: a page, a mistake, or of a model that raises in the middle both.

    files    those that the figure depends on, or may depend on where there is none
    certain  whether they are all
    remarks  what the user should know of how the figure came about
    """

    page: bytes | None = None
    mistake: Mistake | None = None
    files: tuple[Path, ...] = ()
    certain: bool = False
    remarks: tuple[str, ...] = ()

    def write(self, folder: Path) -> None:
        """Leave it in `folder`: what says that it is there comes last, and at once."""
        if self.page is not None:
            (folder / PAGE).write_bytes(self.page)
        record = {"mistake": self.mistake and asdict(self.mistake), "files": [str(file) for file in self.files],
                  "certain": self.certain, "remarks": self.remarks}
        (folder / f"{TOLD}.tmp").write_text(json.dumps(record), "ascii")
        os.replace(folder / f"{TOLD}.tmp", folder / TOLD)


def read(folder: Path) -> Answer | None:
    """What a process left in its folder; None where it left nothing."""
    try:
        record = json.loads((folder / TOLD).read_text("ascii"))
    except FileNotFoundError:
        return None
    mistake = record["mistake"]
    if mistake is not None:
        mistake = Mistake(**{**mistake, "lines": tuple((number, text) for number, text in mistake["lines"])})
    page = (folder / PAGE).read_bytes() if (folder / PAGE).exists() else None
    return Answer(page, mistake, tuple(map(Path, record["files"])), record["certain"], tuple(record["remarks"]))


def step(folder: Path) -> str:
    """What the process in `folder` is at."""
    with contextlib.suppress(OSError):
        return (folder / STEP).read_text("utf-8")
    return ""


def pointed(message: str, hint: str, at: tuple[Path, int] | None, partial: bool = False) -> Mistake:
    """A mistake at a line of a file, with what stands there."""
    if at is None:
        return Mistake(message, hint, partial=partial)
    path, line = at
    message = re.sub(rf"^\S*{re.escape(path.name)}:{line}: ", "", message)     # which is told beside it
    return Mistake(message, hint, f"{told(path)}:{line}", excerpt(path, line), partial)


def named(message: str, files: Iterable[Path]) -> tuple[Path, int] | None:
    """The place that `message` names, ``mine.yaml:3``, if one of `files` alone is called so."""
    for name, line in PLACE.findall(message):
        matches = {file for file in files if file.as_posix().endswith(f"/{name.lstrip('./')}")}
        if len(matches) == 1:
            return matches.pop(), int(line)
    return None


def excerpt(path: Path, line: int) -> tuple[tuple[int, str], ...]:
    """The lines around one, without the space that all of them begin with."""
    try:
        text = path.read_text("utf-8", "replace").split("\n")       # as Python counts them
    except OSError:
        return ()
    first = max(0, line - 1 - AROUND)
    near = [one.expandtabs(4).rstrip() for one in text[first:line + AROUND]]
    while near and not near[-1]:
        near.pop()
    margin = min((len(one) - len(one.lstrip()) for one in near if one), default=0)
    return tuple((first + 1 + n, one[margin:][:LONGEST]) for n, one in enumerate(near))


def told(path: Path) -> str:
    """A file's name for the user: from the current folder where it lies below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def died(target: str, code: int, folder: Path) -> Answer:
    """What is said where the process ended without an answer."""
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = f"signal {-code}"
        hint = ("this machine may have run out of memory" if name == "SIGKILL" else
                "what crashed is not Python code, but something that is called from it")
        return Answer(mistake=pointed(f"the process that drew {target} was ended by {name}", hint, _stood(folder)))
    return Answer(mistake=pointed(f"{target} ended the process that drew it, with exit code {code}",
                                  "a model that is to be drawn returns", _stood(folder)))


def late(target: str, limit: float, folder: Path) -> Answer:
    """What is said where it took longer than it may."""
    return Answer(mistake=pointed(f"{target} was not drawn within {limit:g} s, and was stopped",
                                  "save it again to try again; --time-limit gives it longer", _stood(folder)))


def _stood(folder: Path) -> tuple[Path, int] | None:
    """Where in the user's code a process stood when it crashed or was late, as far as it could tell."""
    try:
        stack = (folder / STACK).read_text("utf-8", "replace")
    except OSError:
        return None
    for file, line in re.findall(r'^  File "(.*)", line (\d+) in ', stack, re.MULTILINE):
        if is_users(file):
            return Path(file), int(line)
    return None
