"""Writing a file whole or not at all.

In: a path and bytes.  Out: the file.
"""
from __future__ import annotations

import os
import stat
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
"""The folder of archviz itself."""


def write(path: Path, content: bytes) -> None:
    """Replace the file at once: whoever reads it sees the old bytes or the new ones."""
    path = Path(os.path.realpath(path))
    if path.exists() and not stat.S_ISREG(path.stat().st_mode):     # a pipe or a device is written to, not replaced
        path.write_bytes(content)
        return
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(fresh, "xb") as file:
            file.write(content)
        os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
