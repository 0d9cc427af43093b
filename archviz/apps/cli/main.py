"""The command line: ``archviz MODEL``, and ``archviz explain``, ``record``, ``diff``, ``serve``, ``style show``.

In: arguments.  Out: files, and what was asked for on stdout; everything said to the user is on stderr.  Exit codes:
0 done, 1 the model raised and the figure is a part (or two models differ), 2 a mistake in what was asked, 3 a fault of
archviz, 130 stopped.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archviz.apps.request.arguments import compared, explained, parser, recorded, served, shown
from archviz.core.errors import ArchvizError, fault
from archviz.core.progress import say


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        if arguments[:2] == ["style", "show"]:
            return show(shown().parse_args(arguments[2:]))
        if arguments[:1] == ["explain"]:
            return explain(explained().parse_args(arguments[1:]))
        if arguments[:1] == ["record"]:
            return record(recorded().parse_args(arguments[1:]))
        if arguments[:1] == ["diff"]:
            return diff(compared().parse_args(arguments[1:]))
        if arguments[:1] == ["serve"]:
            return serve(served().parse_args(arguments[1:]), arguments[1:])
        return run(parser().parse_args(arguments))
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


def run(o: argparse.Namespace) -> int:
    from archviz.apps.request.job import asked, carry_out, failure, listing, remarks
    from archviz.figure import output

    if o.list is not None:
        print(listing(o.list))
        return 0
    if o.model is None:
        raise ArchvizError("no model was named", "write archviz model.py, or archviz --help")
    outputs = _outputs(o, output.is_ours)
    job = asked(o)
    figure = carry_out(job, o, outputs)
    for remark in () if o.quiet else remarks(job, figure, outputs, o.verbose):
        say(remark)
    if o.caption:
        print(figure.captioned(o.caption))
    if o.emit:
        print(figure.emit(o.emit))
    sys.stdout.flush()
    if figure.failed:
        say(failure(figure))
        return 1
    return 0


def explain(o: argparse.Namespace) -> int:
    from archviz.apps.cli import explain as insight
    from archviz.figure import output

    outputs, overlays = list(dict.fromkeys(o.output)), list(dict.fromkeys(o.overlay))
    if not outputs and not overlays and not o.caption:
        outputs = [_default(o, "-explained", output.is_ours)]
    return _told(insight.carry_out(insight.asked(o), o, outputs, overlays), o)


def record(o: argparse.Namespace) -> int:
    from archviz.apps.cli import record as recorded
    from archviz.figure import output

    outputs = list(dict.fromkeys(o.output))
    if not outputs and not o.caption:
        outputs = [_default(o, "-recorded", output.is_ours)]
    return _told(recorded.carry_out(o, outputs), o)


def diff(o: argparse.Namespace) -> int:
    from archviz.apps.cli.diff import carry_out, outputs_of, remark, sides
    from archviz.compare import diff as differ
    from archviz.figure import output

    outputs = outputs_of(o, lambda o: _default(argparse.Namespace(
        model=sides(o.model)[1][1], force=o.force), "-diff", output.is_ours))
    found = carry_out(o, outputs)
    print(differ.said(found, o), end="")
    sys.stdout.flush()
    if not o.quiet and (line := remark(found, outputs)):
        say(line)
    return 1 if found else 0


def serve(o: argparse.Namespace, arguments: Sequence[str]) -> int:
    from archviz.apps.serve.session import serve

    serve(o, arguments)
    return 0


def _told(done: Any, o: argparse.Namespace) -> int:
    """Say what came of a run of the model."""
    for remark in () if o.quiet else done.remarks:
        say(remark)
    if o.caption:
        print(done.caption)
    sys.stdout.flush()
    if done.failed:
        say(f"error: {done.failed}")
        return 1
    return 0


def show(o: argparse.Namespace) -> int:
    from archviz.apps.request.job import styled

    print(styled(o), end="")
    return 0


def _outputs(o: argparse.Namespace, is_ours: Callable[[Path], bool]) -> list[Path]:
    """The files to write: those asked for, or ``<model>.svg`` unless something is printed instead."""
    if o.output:
        return list(dict.fromkeys(o.output))
    if o.caption or o.emit:
        return []
    return [_default(o, "", is_ours)]


def _default(o: argparse.Namespace, what: str, is_ours: Callable[[Path], bool]) -> Path:
    """``<model><what>.svg``, if archviz may write there."""
    name = o.model.rpartition(":")[2] if ":" in Path(o.model).name else Path(o.model).stem
    path = Path(f"{name.rpartition('.')[2] or 'model'}{what}.svg")
    if path.exists() and not o.force and not is_ours(path):
        raise ArchvizError(f"{path} is there, and archviz did not write it", f"to replace it, name it: -o {path}")
    return path
