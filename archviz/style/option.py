"""A choice that a form leaves to the style.

In: a word.  Out: what it says.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
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
