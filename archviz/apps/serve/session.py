"""A session of ``archviz serve``: what is watched is drawn, and what is drawn is shown, until Ctrl-C.

In: the answers of `archviz.apps.request.arguments.serve`.  Out: an address on stdout, a line on stderr for each time
the figure is drawn.
"""
from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
import webbrowser
from collections.abc import Iterator, Sequence
from pathlib import Path

from archviz.apps.request.job import Job, asked
from archviz.apps.serve.answer import Answer, told
from archviz.apps.serve.redraw import beside, file_of, own_looks
from archviz.apps.serve.watch import TICK, Watch
from archviz.apps.serve.web import Board, Busy, Server, listen
from archviz.apps.serve.worker import Worker, begin
from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.progress import say


def serve(o: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Serve until Ctrl-C, which ends it in silence.  Raises `ArchvizError` for what no saved file will mend."""
    job = asked(o)
    _check(job)
    board = Board(o.model)
    server = listen(o.port, board)
    with contextlib.suppress(KeyboardInterrupt), tempfile.TemporaryDirectory(prefix="archviz-") as folder, \
            _listening(server, board), _terminated():
        print(server.address, flush=True)
        if not o.quiet:
            say("draws again whenever a file is saved; Ctrl-C ends it")
        display = sys.platform in ("darwin", "win32") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
        if display and not o.no_browser:
            webbrowser.open(server.address_once)
        with contextlib.closing(Session(o, arguments, job, board, Path(folder))) as session:
            while True:
                session.look()
                time.sleep(TICK)


class Session:
    """What is being drawn, and what will be."""

    def __init__(self, o: argparse.Namespace, arguments: Sequence[str], job: Job, board: Board, folder: Path) -> None:
        self.o, self.arguments, self.board, self.folder = o, arguments, board, folder
        self.watch = Watch()
        self.watch.follow(beside(job), time.time(), True)
        self.working: Worker | None = None
        self.spare: Worker | None = None
        self.since = 0.0                    # when the files were taken for those that are drawn
        self.reason = ""                    # why they are drawn
        self.remarks: tuple[str, ...] = ()  # what was last said of how the figure came about
        self.step = ""
        self.draw()

    def look(self) -> None:
        """Draw again if something was saved; show what has come of drawing."""
        if changed := self.watch.changed(time.monotonic()):
            self.reason = f"{', '.join(map(told, changed[:2]))}{' and others' * (len(changed) > 2)} changed: "
            self.draw()
        if self.working is None:
            return
        if not self.working.begun and self.working.ready:
            self.since = self.watch.take()
            self.working.go()
        answer = self.working.answer()
        if answer is not None:
            seconds = self.working.seconds
            self.working.end()
            self.working = None
            self.show(answer, seconds)
            self.spare = self.spare or self.begin()     # not before, when it would slow down what is waited for
        elif self.working.step != self.step:
            self.step = self.working.step
            self.board.put(busy=Busy(self.working.seconds, self.o.time_limit, self.step))

    def begin(self) -> Worker:
        return begin(self.arguments, self.o.model, self.o.time_limit, self.folder)

    def draw(self) -> None:
        """Draw the files as they are now; what was being drawn is of no use any more.

        A process that has not begun to read them is, and who saves all the time sees something now and then.
        """
        if self.working is not None and self.working.begun:
            self.working.end()
            self.working = None
        if self.working is None:
            self.working, self.spare = self.spare or self.begin(), None
            self.working.asked = time.monotonic()
        self.watch.take()
        self.step = ""
        self.board.put(busy=Busy(0.0, self.o.time_limit))

    def show(self, answer: Answer, seconds: float) -> None:
        self.watch.follow(answer.files, self.since, answer.certain)
        self.board.put(answer.page, busy=None, mistake=answer.mistake)
        took = f"{self.reason}{'drawn in' if answer.page else 'not drawn, after'} {seconds:.1f} s"
        if answer.mistake:
            at = f"{answer.mistake.place}: " if answer.mistake.place else ""
            say(f"{took}: error: {at}{ArchvizError(answer.mistake.message, answer.mistake.hint)}")
        elif not self.o.quiet:
            say(took)
        if answer.page and not self.o.quiet:
            for remark in answer.remarks:
                if remark not in self.remarks:
                    say(remark)
            self.remarks = answer.remarks

    def close(self) -> None:
        for worker in (self.working, self.spare):
            if worker is not None:
                worker.end()


def _check(job: Job) -> None:
    """Raise for what is wrong with the command line itself; what stands in files is shown in the page instead."""
    for one in (job, *job.beside):
        path = file_of(one.target)
        if path is not None and not path.is_file():
            near = sorted(p.name for p in path.parent.glob(f"*{path.suffix}")) if path.parent.is_dir() else []
            raise ArchvizError(f"there is no file {path}", did_you_mean(path.name, near) if near else "")
    if not _has_project(job) and not any(path.is_file() for path in own_looks(job)):    # which may have code run
        job.check()


def _has_project(job: Job) -> bool:
    try:
        return job.project_file is not None
    except ArchvizError:        # there is one that cannot be read
        return True


@contextlib.contextmanager
def _listening(server: Server, board: Board) -> Iterator[None]:
    """The server at work, in threads."""
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": TICK}, daemon=True).start()
    try:
        yield
    finally:
        board.close()
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """Whoever ends this process, or closes its terminal, ends it as Ctrl-C does: nothing is left behind."""
    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, stop) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
