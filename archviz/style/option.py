"""Choices: what a form leaves to the style, and what a figure leaves to whoever asks for it.

In: words.  Out: what they say.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple


class Option(NamedTuple):
    """A choice that a form leaves to the style (``options:`` in YAML) and to the command line.

    Attributes
    ----------
    read : callable
        Makes a value of what is written there; raises `ValueError`, saying what may stand there, for anything else.
    default : str
        As it would be written in YAML.
    help : str
        One line.
    """

    read: Callable[[str], Any]
    default: str
    help: str


def one_of(*words: str) -> Callable[[str], str]:
    """How an option is read that may be any of `words`."""
    def read(written: str) -> str:
        if written not in words:
            raise ValueError(f"must be {' or '.join(words)}")
        return written

    return read


class Declaration(NamedTuple):
    """An option of a figure, declared once for whoever offers it: the parser, `archviz.draw`, the directive, the magic,
    project files, the command line that a page shows, `archviz.diff`, and the documentation.

    help      what ``--help`` and the documentation say of it; other options as on the command line: ``--depth``
    type      what it is in Python, in numpydoc's words
    kind      ``word``; ``words`` (may be repeated); ``settings`` (``KEY=VALUE``, may be repeated); ``length``;
              ``levels`` (a number, or ``auto``); ``switch``
    metavar   what stands for its value in ``--help``
    choices   the only words it may be, if not empty
    names     the names it may have in a project file, or those of files where that is said; None: any word
    setting   the setting of the style that it is short for
    echoed    whether a page repeats it in its command line, in which the page itself says what is open
    of_pairs  whether a figure of two models has it
    """

    help: str
    type: str = "str, optional"
    kind: Literal["word", "words", "settings", "length", "levels", "switch"] = "word"
    metavar: str = ""
    choices: tuple[str, ...] = ()
    names: Callable[[], Sequence[str]] | None = None
    setting: str = ""
    echoed: bool = True
    of_pairs: bool = True

    @property
    def sentence(self) -> str:
        """`help` for a docstring, where options are called by their names in Python."""
        text = re.sub(r"--([a-z-]+)", lambda match: f"`{match[1].replace('-', '_')}`", self.help)
        return text[0].upper() + text[1:] + "."
