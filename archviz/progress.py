"""What the user is told while something takes long, on stderr.

In: the names of steps as they begin.  Out: lines, or a running clock on a terminal.  Imports nothing of ours.
"""
from __future__ import annotations

import contextlib
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator

PATIENCE = 1.0      # seconds before progress is shown
TICK = 0.2          # seconds between two looks at it


def say(message: str) -> None:
    print(f"archviz: {message}", file=sys.stderr)


@contextlib.contextmanager
def progress(show: bool) -> Iterator[Callable[[str], None]]:
    """A function to tell the steps to.  After a second: a running clock on a terminal, else a line a step."""
    step, since, stop = "", time.monotonic(), threading.Event()

    def tell(name: str) -> None:
        nonlocal step, since
        step, since = name, time.monotonic()

    def lines() -> None:
        told = ""
        while not stop.wait(TICK):
            if step != told and time.monotonic() - since > PATIENCE:
                told = step
                say(f"{step} …")

    def clock() -> None:
        if stop.wait(PATIENCE):
            return
        from tqdm import tqdm

        size = shutil.get_terminal_size()       # a terminal that does not say its size is none to tqdm
        with tqdm(bar_format="archviz: {desc} … {elapsed}", leave=False, file=sys.stderr,
                  ncols=size.columns, nrows=size.lines) as bar:
            bar.start_t -= PATIENCE
            while not stop.wait(TICK):
                bar.set_description_str(step)

    thread = threading.Thread(target=clock if sys.stderr.isatty() else lines, daemon=True)
    if show:
        thread.start()
    try:
        yield tell
    finally:
        stop.set()
        if show:
            thread.join()
