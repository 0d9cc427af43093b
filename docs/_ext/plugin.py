"""Make a package that lies in a folder look installed, as ``pip install`` would.

In: a folder with a pyproject.toml.  Out: a folder to put on the path, with metadata that announces its entry points.
"""
from __future__ import annotations

import os
import sys
from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def announced(package: Path, site: Path) -> Path:
    """Write ``<name>.dist-info`` for `package` into `site`, and return `site`."""
    project = tomllib.loads((package / "pyproject.toml").read_text("utf-8"))["project"]
    info = site / f"{project['name']}-{project['version']}.dist-info"
    info.mkdir(parents=True, exist_ok=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n", "utf-8")
    fresh = info / f".{os.getpid()}.tmp"
    lines = [line for group, entries in project["entry-points"].items()
             for line in (f"[{group}]", *(f"{name} = {place}" for name, place in entries.items()))]
    fresh.write_text("\n".join(lines) + "\n", "utf-8")
    os.replace(fresh, info / "entry_points.txt")
    return site
