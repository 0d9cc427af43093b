"""Draws once, in a process of its own: a model that hangs, crashes or ends its process takes nothing else with it.

In: a folder, the arguments of ``archviz serve``; once there is something to draw, a line on stdin with the time until
which it may take.  Out: an `Answer` in that folder.

It may wait long for that line, with torch loaded, so that what is saved is drawn at once.  When its stdin ends, whoever
wanted an answer has gone.
"""
from __future__ import annotations

import argparse
import contextlib
import faulthandler
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterable
from importlib import import_module
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any, BinaryIO

from archviz.apps import dependencies
from archviz.apps.request.arguments import command, parser
from archviz.apps.request.job import PARTIAL, Job, asked, raised, remarks
from archviz.apps.serve.answer import READY, STACK, STEP, Answer, Mistake, named, pointed
from archviz.core.errors import ArchvizError, culprit, fault, is_users
from archviz.style.project import places


def main() -> None:
    folder, o = Path(sys.argv[1]), parser("serve").parse_args(sys.argv[2:])
    begin = _stdin()
    _warm_up(asked(o))
    (folder / READY).touch()
    if not (until := begin.readline()):
        return
    threading.Thread(target=_end_with, args=(begin,), daemon=True).start()
    with (folder / STACK).open("w") as stack:
        faulthandler.enable(stack)
        faulthandler.dump_traceback_later(max(0.1, float(until) - time.time()), file=stack)
        drawn(o, folder).write(folder)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)         # whatever threads the model has begun


def drawn(o: argparse.Namespace, folder: Path) -> Answer:
    """The answer for what `o` asks for."""
    def step(name: str) -> None:
        (folder / STEP).write_text(name, "utf-8")

    job = asked(o)
    jobs, certain = (job, *job.beside), True
    try:
        job.check()
        figure = job.draw(step, noisy=o.verbose)
        step("write")
        page: bytes | None = figure.render("html", command=command(o))
        remarked = tuple(remarks(job, figure, o.verbose))
        files = [file for one in jobs for file in dependencies.sources(one.target, figure.graph)]
        files += job.style_files(job.configured(figure.graph))
        mistake = None
        if failed := raised(figure):
            mistake = pointed(failed[0], PARTIAL, named(failed[1], _loaded(jobs)), partial=True)
            certain = False     # a file that the rest needs may be missing here
    except (Exception, SystemExit) as error:
        if o.debug:
            sys.excepthook(type(error), error, error.__traceback__)
        page, remarked, certain = None, (), False
        files = [*_loaded(jobs), *_styles(job), *wanted(error, jobs)]
        mistake = _mistake(error, o.model, [*files, *beside(job)])
    else:
        files += _loaded(jobs) if not certain else ()
    return Answer(page, mistake, tuple(dict.fromkeys((*files, *beside(job)))), certain, remarked)


def beside(job: Job) -> tuple[Path, ...]:
    """The files that `job` names, and those of the project, be they there or not; no code of the user's runs."""
    files = [file for one in (job, *job.beside) for file in (*_files(one.target), *places(one.target))]
    return tuple(dict.fromkeys((*files, *own_looks(job))))


def own_looks(job: Job) -> Iterable[Path]:
    """The styles and themes that are named by their file."""
    looks = (job.options.style, job.options.theme, *(spec.partition("=")[2] for spec in job.options.inset))
    return (Path(name).resolve() for name in map(str, filter(None, looks)) if Path(name).suffix in (".yaml", ".yml"))


def _styles(job: Job) -> Iterable[Path]:
    """All files of styles, as far as they can be read; runs a form of the user's own."""
    try:
        return job.style_files(job.options)
    except ArchvizError:
        return ()


def file_of(target: str) -> Path | None:
    """The file that a target names; None for a module's name."""
    match = re.fullmatch(r"(.*\.(?:py|json))(?::.*)?", target, re.DOTALL)
    return Path(match[1]) if match else None


def _files(target: str) -> Iterable[Path]:
    file = file_of(target)
    return (file.resolve(),) if file else _of_module(target.partition(":")[0], Path.cwd())


def _of_module(name: str, folder: Path) -> Iterable[Path]:
    """Where a module is looked for first."""
    within = folder.resolve().joinpath(*name.split("."))
    return (within.with_name(f"{within.name}.py"), within / "__init__.py")


def _loaded(jobs: Iterable[Job]) -> list[Path]:
    return [file for one in jobs for file in dependencies.loaded(one.target)]


def wanted(error: BaseException, jobs: Iterable[Job]) -> Iterable[Path]:
    """The files that an error has to do with: those where it was raised, and those of modules that were not found."""
    folders = {Path.cwd(), *(file.resolve().parent for one in jobs if (file := file_of(one.target)))}
    cause: BaseException | None = error
    while cause is not None:
        at = culprit(cause)
        if at is not None and at[0].is_file():
            yield at[0].resolve()
        if isinstance(cause, ImportError) and cause.name:
            for folder in sorted(folders):
                yield from _of_module(cause.name, folder)
        trace = cause.__traceback__
        while trace is not None:
            if is_users(trace.tb_frame.f_code.co_filename):
                yield Path(trace.tb_frame.f_code.co_filename).resolve()
            trace = trace.tb_next
        cause = cause.__cause__


def _mistake(error: BaseException, target: str, files: Iterable[Path]) -> Mistake:
    """What is said of an error, with the line that it is about."""
    at, cause = None if isinstance(error, ArchvizError) else culprit(error), error.__cause__
    while cause is not None and at is None:
        at, cause = culprit(cause), cause.__cause__
    if isinstance(error, ArchvizError):
        return pointed(error.message, error.hint, at or named(error.message, files))
    if isinstance(error, SystemExit):
        return pointed(f"{target} ends the process that draws it", "a model that is to be drawn returns", at)
    message, _, hint = fault(error).partition("\n")     # type: ignore[arg-type]  # no SystemExit, so an Exception
    return pointed(message, hint.strip(), at)


def _stdin() -> BinaryIO:
    """Our stdin; that of the model is empty."""
    begin, nothing = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return os.fdopen(begin, "rb", buffering=0)


def _end_with(begin: BinaryIO) -> None:
    """End this process, and those it has begun, when there is nobody left to answer."""
    begin.read()
    if hasattr(os, "killpg"):
        os.killpg(os.getpgid(0), signal.SIGKILL)
    os._exit(1)


def _warm_up(job: Job) -> None:
    """Import now what takes long, and leave what is compiled of the user's files nowhere.

    Python tells by the second, and by the length, whether a file is newer than what was compiled of it: one that is
    saved twice in a second would be drawn as it was.
    """
    if not all(one.saved for one in (job, *job.beside)):
        with contextlib.suppress(ImportError):      # which is told when the model is drawn
            import_module("archviz.trace.source.load")
            import_module("archviz.trace")
    for name in ("drawing.layouts.layered", "drawing.forms.block", "passes.collapse", "backends.html"):
        import_module(f"archviz.{name}")
    keep = SourceFileLoader.set_data

    def set_data(self: SourceFileLoader, path: str, data: Any, **how: Any) -> None:
        if not is_users(path):
            keep(self, path, data, **how)

    SourceFileLoader.set_data = set_data        # type: ignore[method-assign]


if __name__ == "__main__":
    main()
