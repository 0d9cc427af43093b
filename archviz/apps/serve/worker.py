"""Processes that draw: begun ahead, told to go, ended with all that they have begun.

In: arguments of ``archviz serve``, a folder for their answers.  Out: `Worker`.
"""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archviz.apps.serve.answer import READY, Answer, died, late, read, step

GRACE = 0.5     # seconds beyond its limit in which a process says where it stands

# As multiprocessing does: the new process finds modules where this one does, and nothing in the current folder before.
CODE = "import json, sys; sys.path[:] = json.loads(sys.argv.pop(1)); from archviz.apps.serve.redraw import main; main()"


@dataclass
class Worker:
    """A process that draws `target` once it is told to, and leaves its answer in `folder`.

    asked   when it was first wanted
    begun   when it was told to go; 0 while it gets ready, and has read none of the user's files
    """

    process: subprocess.Popen[bytes]
    folder: Path
    target: str
    limit: float
    asked: float = 0.0
    begun: float = 0.0

    def go(self) -> None:
        assert self.process.stdin is not None
        with contextlib.suppress(OSError):      # it has ended already, which `answer` tells
            self.process.stdin.write(f"{time.time() + self.limit}\n".encode())
            self.process.stdin.flush()
        self.begun = time.monotonic()

    @property
    def ready(self) -> bool:
        return (self.folder / READY).exists()

    @property
    def seconds(self) -> float:
        """Since it was wanted."""
        return time.monotonic() - self.asked

    @property
    def step(self) -> str:
        """What it is at."""
        return step(self.folder)

    def answer(self) -> Answer | None:
        """What came of it; None while it works.  Call `end` afterwards."""
        code = self.process.poll()
        if code is not None:
            return read(self.folder) or died(self.target, code, self.folder)
        if time.monotonic() - (self.begun or self.asked) > self.limit + GRACE:
            return late(self.target, self.limit, self.folder)
        return None

    def end(self) -> None:
        """End the process, those it has begun, and its folder."""
        with contextlib.suppress(OSError):      # it may have ended by itself, and its processes with it
            if hasattr(os, "killpg"):
                os.killpg(self.process.pid, signal.SIGKILL)     # which it leads
            else:
                self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def begin(arguments: Sequence[str], target: str, limit: float, within: Path) -> Worker:
    """A process that gets ready to draw what `arguments` say.

    A terminal's Ctrl-C is not for it: it leads processes of its own.  What the model prints goes to stderr.
    """
    folder = Path(tempfile.mkdtemp(dir=within))
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, json.dumps(sys.path), str(folder), *arguments],
        stdin=subprocess.PIPE, stdout=2, start_new_session=True)
    return Worker(process, folder, target, limit)
