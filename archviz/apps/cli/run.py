"""The runner of every command: outputs are checked, the work is done, files are written all or none, words are said.

In: a command of this folder and the answers of its parser.  Out: files, what was asked for on stdout, all else on
stderr; the exit code.
"""
from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from archviz.core.errors import ArchvizError
from archviz.core.progress import Step, progress, say
from archviz.figure.output import Rendered, check_output, is_ours, write_all


@dataclass(frozen=True)
class Files:
    """What a command writes where nobody names a file.

    ending    of the default file, behind the model's name; ``model<ending>.svg``
    unless    options that are asked for in place of a file
    undrawn   suffixes of files that hold no drawing
    default   whether there is a default file
    """

    ending: str = ""
    unless: tuple[str, ...] = ()
    undrawn: tuple[str, ...] = ()
    default: bool = True

    def of(self, o: argparse.Namespace, target: str) -> list[Path]:
        """The files to write, each of which can be written.  Raises `ArchvizError`."""
        paths = list(dict.fromkeys(o.output))
        if self.default and not paths and not any(getattr(o, option) for option in self.unless):
            paths = [self.named_after(target, o.force)]
        check(paths, o, self.undrawn)
        return paths

    def named_after(self, target: str, force: bool) -> Path:
        """``<model><ending>.svg``, if archviz may write there."""
        name = target.rpartition(":")[2] if ":" in Path(target).name else Path(target).stem
        path = Path(f"{name.rpartition('.')[2] or 'model'}{self.ending}.svg")
        if path.exists() and not force and not is_ours(path):
            raise ArchvizError(f"{path} is there, and archviz did not write it", f"to replace it, name it: -o {path}")
        return path


@dataclass(frozen=True)
class Outcome:
    """What came of a command.

    files     what to write
    printed   what was asked for on stdout
    remarks   what the user should know
    failed    what went wrong though there is something to show
    code      the exit code
    size      how large the drawing is, in printed points; None: not said
    listed    whether it is said which files were written, which `failed` may have done
    value     the figure, for a notebook
    """

    files: Mapping[Path, bytes] = field(default_factory=dict)
    printed: str = ""
    remarks: tuple[str, ...] = ()
    failed: str = ""
    code: int = 0
    size: tuple[float, float] | None = None
    listed: bool = True
    value: Any = None

    def lines(self) -> Iterator[str]:
        """The remarks, and at last which files were written."""
        yield from self.remarks
        if self.files and self.listed:
            mm = [round(side / 72.27 * 25.4) for side in self.size or ()]
            yield f"wrote {', '.join(map(str, self.files))}{' ({} mm × {} mm)'.format(*mm) if mm else ''}"


def carry_out(work: Callable[[Step], Outcome], o: argparse.Namespace, tell: Callable[[str], None] = say) -> Outcome:
    """Do the work, write its files, and print what was asked for; progress and remarks are shown unless ``o.quiet``."""
    with progress(not o.quiet) as step:
        outcome = work(step)
        write_all(outcome.files)
    for remark in () if o.quiet else outcome.lines():
        tell(remark)
    if outcome.printed:
        print(outcome.printed)
    sys.stdout.flush()
    if outcome.failed:
        say(f"error: {outcome.failed}")
    return outcome


def check(paths: Sequence[Path], o: argparse.Namespace, undrawn: tuple[str, ...] = ()) -> None:
    """Raise `ArchvizError` for a file that cannot be written."""
    for path in paths:
        check_output(path, o.engine or "", undrawn)


def rendered(drawing: Rendered, paths: Sequence[Path], o: argparse.Namespace, **more: Any) -> dict[Path, bytes]:
    """What `drawing` is in each of the files; `more` are options of backends that no command line has."""
    options = {"dpi": o.dpi, "engine": o.engine, "standalone": o.standalone, **more}
    options = {key: value for key, value in options.items() if value}
    return {path: drawing.render(path.suffix.removeprefix("."), **options) for path in paths}
