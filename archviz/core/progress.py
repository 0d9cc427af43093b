"""What the user is told while something takes long, on stderr or in a notebook's cell.

In: the names of steps as they begin.  Out: lines, or a running clock on a terminal and in a notebook.
"""
from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from importlib import import_module

PATIENCE = 1.0      # seconds before progress is shown
TICK = 0.2          # seconds between two looks at it

Step = Callable[[str], None]
"""Told the name of each step as it begins."""


def no_step(name: str) -> None:
    """Tell nobody."""


def say(message: str) -> None:
    print(f"archviz: {message}", file=sys.stderr)


def in_notebook() -> bool:
    """Whether this is the process behind a notebook."""
    ipython = sys.modules.get("IPython")        # which whoever runs in a notebook has imported already
    return ipython is not None and hasattr(ipython.get_ipython(), "kernel")


@contextlib.contextmanager
def progress(show: bool) -> Iterator[Step]:
    """A function to tell the steps to.  After a second: a running clock, gone when done, or else a line a step."""
    import contextvars  # here, as `archviz --help` is to be quick
    import threading

    step, since, stop = "", time.monotonic(), threading.Event()

    def tell(name: str) -> None:
        nonlocal step, since
        step, since = name, time.monotonic()

    def lines() -> None:
        shown = ""
        while not stop.wait(TICK):
            if step != shown and time.monotonic() - since > PATIENCE:
                shown = step
                say(f"{step} …")

    def clock() -> None:
        if stop.wait(PATIENCE):
            return
        import shutil

        from tqdm import tqdm

        size = shutil.get_terminal_size()       # a terminal that does not say its size is none to tqdm
        with tqdm(bar_format="archviz: {desc} … {elapsed}", leave=False, file=sys.stderr,
                  ncols=size.columns, nrows=size.lines) as bar:
            bar.start_t -= PATIENCE
            while not stop.wait(TICK):
                bar.set_description_str(step)

    def cell() -> None:
        if stop.wait(PATIENCE):
            return
        display = import_module("IPython.display").display

        def line() -> dict[str, str]:
            return {"text/plain": f"archviz: {step} … {round(time.monotonic() - begun)} s"}

        shown = line()
        handle = display(shown, raw=True, display_id=True)
        while not stop.wait(TICK):
            if (fresh := line()) != shown:
                handle.update(shown := fresh, raw=True)
        # Nothing in each way that someone shows it; tools that publish complain of an output that is not there at all.
        handle.update({"text/html": "", "text/latex": "", "text/plain": ""}, raw=True)

    begun = since
    # In the context of the cell, which is where a kernel looks up below which cell to show something.
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=(cell if in_notebook() else clock if sys.stderr.isatty() else lines,),
                              daemon=True)
    if show:
        thread.start()
    try:
        yield tell
    finally:
        stop.set()
        if show:
            thread.join()
