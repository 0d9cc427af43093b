"""Make a package that lies in a folder look installed, as ``pip install`` would.

In: a folder with a pyproject.toml.  Out: a folder to put on the path, with the metadata that announces its entry points.
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
    groups = project["entry-points"].items()
    fresh = info / f".{os.getpid()}.tmp"
    fresh.write_text("".join(
        f"[{group}]\n" + "".join(f"{name} = {place}\n" for name, place in entries.items()) for group, entries in groups),
        "utf-8")
    os.replace(fresh, info / "entry_points.txt")
    return site
