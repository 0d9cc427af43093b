"""``python -m archviz``, or another module, in a process of its own that need not wait for torch: forked from one that
has imported it, and nothing of archviz.

``python tests/forked.py`` reads requests, a line of JSON each (module, arguments, folder, environment, files for what
is written), and answers each with the exit code.  The child is then what ``python -m`` starts: its own modules of
archviz, folders of ``PYTHONPATH``, working folder, environment, streams and end.
"""
from __future__ import annotations

import atexit
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
USUAL = {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "CUDA_VISIBLE_DEVICES": ""}
TIMED_OUT = -1000


class Nursery:
    """The process that children are forked from."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, env=dict(env))

    def run(self, module: str, args: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float,
            ) -> subprocess.CompletedProcess[str]:
        """As `subprocess.run`, of ``python -m <module>`` with `args`."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            files = [os.path.join(folder, name) for name in ("out", "err")]
            print(json.dumps({"module": module, "args": args, "cwd": str(cwd), "env": dict(env), "files": files,
                              "timeout": timeout}), file=self.process.stdin)
            self.process.stdin.flush()
            code = json.loads(self.process.stdout.readline())
            said = [Path(file).read_text("utf-8") for file in files]
        if code == TIMED_OUT:
            raise subprocess.TimeoutExpired(args, timeout, *said)
        return subprocess.CompletedProcess(args, code, *said)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


@cache
def nursery() -> Nursery:
    """The one of this process."""
    made = Nursery({**os.environ, **USUAL})
    atexit.register(made.close)
    return made


def _serve() -> None:
    """Answer requests until there are none."""
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        request = json.loads(line)
        child = os.fork()
        if not child:
            code = _module(**request)
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)      # without the half second in which torch is taken down
        end = time.monotonic() + request["timeout"]
        while not (ended := os.waitpid(child, os.WNOHANG))[0]:
            if time.monotonic() > end:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
                break
            time.sleep(0.005)
        print(os.waitstatus_to_exitcode(ended[1]) if ended[0] else TIMED_OUT, file=answers, flush=True)


def _module(module: str, args: list[str], cwd: str, env: dict[str, str], files: list[str], timeout: float) -> int:
    """``python -m <module>`` with `args`."""
    import runpy

    for fd, file in enumerate((os.devnull, *files)):
        opened = os.open(file, os.O_WRONLY | os.O_CREAT if fd else os.O_RDONLY)
        os.dup2(opened, fd)
        os.close(opened)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.path[:1] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    sys.dont_write_bytecode = bool(env.get("PYTHONDONTWRITEBYTECODE"))
    sys.argv[1:] = args
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    import numpy  # noqa: F401
    import torch.utils.flop_counter  # noqa: F401

    _serve()
