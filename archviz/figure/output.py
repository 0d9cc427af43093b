"""Figures → files: which can be written, and writing them whole or not at all.

In: paths, and a figure that renders itself.  Out: files.
"""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from archviz.backends import traits
from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.files import write
from archviz.core.graph_json import GRAPH
from archviz.core.plugins import names


class Rendered(Protocol):
    """Anything that gives the bytes of a file with this suffix."""

    def render(self, suffix: str, **options: Any) -> bytes: ...


def check_output(path: Path, engine: str = "", also: tuple[str, ...] = ()) -> None:
    """Raise `ArchvizError` for a file that could not be written, before any work is done for it.

    `engine` is what shall set a .pdf; its program must be there.  `also` are suffixes of what is not drawn.
    """
    suffix, known = path.suffix.removeprefix("."), sorted({*suffixes(), *also})
    if not suffix:
        raise ArchvizError(f"{path} has no suffix to say what to write", f"use one of {', '.join(known)}")
    if suffix not in known:
        raise ArchvizError(f"cannot write {path}: no output has the suffix {suffix}", did_you_mean(suffix, known))
    if path.is_dir():
        raise ArchvizError(f"cannot write {path}: it is a folder")
    folder = path.parent
    if not folder.is_dir():
        raise ArchvizError(f"cannot write {path}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise ArchvizError(f"cannot write {path}: no permission to write in {folder}")
    if engine and suffix in names("backends") and (ready := traits(suffix).ready):
        ready(engine)


def suffixes() -> tuple[str, ...]:
    """What `Figure.save` can write."""
    return tuple(sorted({*names("backends"), GRAPH}))


def is_ours(path: Path) -> bool:
    """Whether the file at `path` was written by archviz (or holds nothing), so that it may be replaced unasked."""
    try:
        with path.open("rb") as file:
            head = file.read(65536)
    except OSError:
        return False
    return not head or b"archviz" in head


def save(figure: Rendered, paths: Sequence[str | Path], **options: Any) -> None:
    """Write `figure` to all of `paths`: everything is drawn before the first file is touched."""
    targets = [Path(path) for path in paths]
    for path in targets:
        check_output(path)
    write_all({path: figure.render(path.suffix.removeprefix("."), **options) for path in targets})


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write files of which everything is drawn.  Raises `ArchvizError` for one that cannot be written."""
    for path, content in files.items():
        try:
            write(path, content)
        except OSError as error:
            raise ArchvizError(f"cannot write {path}: {error.strerror}") from None
