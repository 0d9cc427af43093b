"""Collect garbage sparingly: a sweep through all of torch takes as long as drawing a figure.

In: nothing.  Out: a context.
"""
from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_under_way = False


@contextmanager
def sparing() -> Iterator[None]:
    """Look for garbage among new objects only.  Leaves alone whoever froze theirs already."""
    global _under_way
    ours = not _under_way and not gc.get_freeze_count()    # which counts them one by one: asked once, not when nested
    if ours:
        gc.freeze()
        _under_way = True
    try:
        yield
    finally:
        if ours:
            gc.unfreeze()
            _under_way = False
