"""The command line: ``archviz MODEL [options]``, and ``archviz style show STYLE``.

In: arguments.  Out: files, and what was asked for on stdout; everything said to the user is on stderr.  Exit codes:
0 done, 1 the model raised and the figure is a part, 2 a mistake in what was asked, 3 a fault of archviz, 130 stopped.
Imports arguments, errors, progress; job and pipeline once the arguments are read.
"""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from archviz.arguments import parser, settings, shown
from archviz.errors import ArchvizError
from archviz.progress import progress, say


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        if arguments[:2] == ["style", "show"]:
            return show(shown().parse_args(arguments[2:]))
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
        say(f"this is a fault of archviz: {type(error).__name__}: {' '.join(str(error).split())}\n"
            "  run it again with --debug, and report what it prints")
        return 3


def run(o: argparse.Namespace) -> int:
    from archviz import pipeline
    from archviz.job import asked

    if o.list is not None:
        return _list(o.list, pipeline.catalogue())
    if o.model is None:
        raise ArchvizError("no model was named", "write archviz model.py, or archviz --help")
    outputs = _outputs(o, pipeline.is_ours)
    for path in outputs:
        pipeline.check_output(path, o.engine or "")
    job = asked(o)
    job.check()
    with progress(not o.quiet) as step:
        figure = job.draw(step, noisy=o.verbose)
        step("write")
        written = {"dpi": o.dpi, "engine": o.engine, "standalone": o.standalone}
        pipeline.save(figure, outputs, **{key: value for key, value in written.items() if value})
    if not o.quiet:
        if o.verbose and job.project is not None:
            say(f"project: {job.project.path}")
        _report(figure, outputs, o.verbose)
    if o.caption:
        print(figure.caption)
    if o.emit:
        print(figure.emit(o.emit))
    sys.stdout.flush()
    if figure.failed:
        say(f"error: {figure.failed[0]} raised {' '.join(figure.failed[1].split())}\n"
            "  the figure shows what ran until then, with the failing call marked")
        return 1
    return 0


def show(o: argparse.Namespace) -> int:
    from archviz import pipeline

    print(pipeline.show(pipeline.Options(o.style, settings(o.set), theme=o.theme)), end="")
    return 0


def _list(kind: str, known: Mapping[str, Sequence[str]]) -> int:
    """All names by kind, or those of one kind, one a line."""
    if kind and kind not in known:
        raise ArchvizError(f"cannot list {kind!r}", f"known: {', '.join(known)}")
    for name in known[kind] if kind else ():
        print(name)
    for each, names in () if kind else known.items():
        print(f"{each + ':':<10} {' '.join(names)}")
    return 0


def _outputs(o: argparse.Namespace, is_ours: Callable[[Path], bool]) -> list[Path]:
    """The files to write: those asked for, or ``<model>.svg`` unless something is printed instead."""
    if o.output:
        return list(dict.fromkeys(o.output))
    if o.caption or o.emit:
        return []
    name = o.model.rpartition(":")[2] if ":" in Path(o.model).name else Path(o.model).stem
    path = Path(f"{name.rpartition('.')[2] or 'model'}.svg")
    if path.exists() and not o.force and not is_ours(path):
        raise ArchvizError(f"{path} is there, and archviz did not write it", f"to replace it, name it: -o {path}")
    return [path]


def _report(figure: object, outputs: Sequence[Path], verbose: bool) -> None:
    """What the user should know of how the figure came about."""
    from archviz.pipeline import Figure

    assert isinstance(figure, Figure)
    report = figure.graph.attrs.get("report") or {}
    for note in report.get("notes", ()):
        if note.startswith("guessed"):
            say(f"input: {note}; say --input to change")
        elif verbose or report.get("invented"):
            say(note)
    if verbose:
        say(f"traced: {report.get('rung', 'not said')}; "
            f"{len(figure.graph.nodes)} operations, {len(figure.drawn.nodes)} drawn")
    if outputs:
        mm = [round(size / 72.27 * 25.4) for size in (figure.scene.width, figure.scene.height)]
        say(f"wrote {', '.join(map(str, outputs))} ({mm[0]} mm × {mm[1]} mm)")
