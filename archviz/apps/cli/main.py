"""The command line: ``archviz MODEL``, and ``archviz COMMAND``.

In: words.  Out: what the command does; the exit code: 0 done, 1 the model raised and the figure is a part (or two
models differ), 2 a mistake in what was asked, 3 a fault of archviz, 130 stopped.

A command is a file of this folder and a parser of `archviz.apps.request.arguments`; the file is imported, with all that
it needs, once its words are read.  Drawing is the command that needs no name, which is why argparse's own subparsers,
whose first word is always a command, are not used.
"""
from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from archviz.apps.request.arguments import COMMANDS, parser
from archviz.core.errors import ArchvizError, did_you_mean, fault
from archviz.core.progress import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    gc.set_threshold(20_000, 10, 10)   # torch and a graph make many objects and little garbage: a tenth of a run
    words = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in words
    try:
        return run(words)
    except ArchvizError as error:
        if debug:
            raise
        say(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        say("interrupted")
        return 130
    except BrokenPipeError:     # whoever read stdout has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            raise
        say(fault(error))
        return 3


def run(words: Sequence[str]) -> int:
    """Do what the words ask for.  Raises `ArchvizError`."""
    if words[:1] == ["help"]:
        words = [*words[1:2], "--help"]
    name, rest = (words[0], words[1:]) if words and words[0] in ("draw", *COMMANDS) else ("draw", words)
    if name == "draw" and rest:
        _check_command(rest[0])
    answers = parser(name).parse_args(rest)
    command = import_module(f"archviz.apps.cli.{name}")
    if name == "serve":         # which ends when it is told to
        return int(command.run(answers, rest))
    from archviz.apps.cli.run import carry_out

    return carry_out(command.prepare(answers), answers).code


def _check_command(word: str) -> None:
    """Raise `ArchvizError` for a word that looks like a command and is no model."""
    if not word.isidentifier() or os.path.exists(word):
        return
    from importlib.util import find_spec

    near = did_you_mean(word, COMMANDS)
    if near.startswith("did you mean") and find_spec(word) is None:
        raise ArchvizError(f"there is no command {word!r}, and no model of this name",
                           f"{near} archviz --help lists the commands")
