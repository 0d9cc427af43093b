"""What went wrong, where, and what to do: the only errors a user meets."""
from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:       # what is imported late here is for errors, and most runs have none to tell
    from pathlib import Path


@cache
def _libraries() -> tuple[str, ...]:
    """What is in the file names of code that is not the user's."""
    import sysconfig

    ours = os.path.dirname(os.path.dirname(__file__))
    return ours, sysconfig.get_paths()["stdlib"], "site-packages", "dist-packages", "<"


class ArchvizError(Exception):
    """A mistake the user can mend.  The command line then exits with 2.

    Attributes
    ----------
    message : str
        What is wrong, and where.
    hint : str
        What to do; may be empty.
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message, self.hint = message, hint

    def __str__(self) -> str:
        return f"{self.message}\n  {self.hint}" if self.hint else self.message


class DoesNotFit(ArchvizError):
    """The figure is larger than its page; `hint` names what to collapse."""


class NoLook(ArchvizError, LookupError):
    """A role that the style does not paint."""


class NoTorch(ArchvizError):
    """PyTorch is not installed, and a model is to be traced."""


def fault(error: Exception) -> str:
    """What to tell the user of an error that is none of theirs."""
    return (f"this is a fault of archviz: {type(error).__name__}: {' '.join(str(error).split())}\n"
            "  run it again with --debug, and report what it prints")


def is_users(file: str) -> bool:
    """Whether a file with code is the user's own."""
    return not any(part in file for part in _libraries())


def culprit(error: BaseException) -> tuple[Path, int] | None:
    """Where the user's own code raised `error`: the file and line of the innermost frame that is theirs."""
    import traceback
    from pathlib import Path

    if isinstance(error, SyntaxError) and error.filename:
        return Path(error.filename), error.lineno or 1
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return (Path(frames[-1].filename), frames[-1].lineno or 1) if frames else None


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """A hint that names the nearest known words, or all of them when they are few."""
    from difflib import get_close_matches

    words = sorted(words)
    near = get_close_matches(word, words, n=2, cutoff=0.6)
    if not near:        # a longer or a shorter form of it
        near = [one for one in words if min(len(one), len(word)) > 2 and (word.startswith(one) or one.startswith(word))]
        near = sorted(near, key=len)[-2:]
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"known: {', '.join(words)}" if 0 < len(words) <= 30 else ""
