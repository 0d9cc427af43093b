"""Run the figure linter, which measures legibility in a browser, on many SVG files in one browser session.

In: SVG files.  Out: per file, what the linter counted.  The linter lies beside the checkout, in ``../shared/figlint``.
"""
from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

LINTER = Path(__file__).resolve().parents[2] / "shared" / "figlint" / "figlint.py"
ATTACHED = LINTER.with_name("attached.py")
FAULTS = ("text_text", "text_spill", "edge_text", "edge_box", "off_canvas", "low_contrast")
MIN_FONT = 6.0


def lint(figures: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The linter's measurements per file name, and under ``bad`` what is wrong with it."""
    if not figures:
        return {}
    if not LINTER.exists():
        pytest.skip(f"no figure linter at {LINTER}")
    done = subprocess.run([sys.executable, str(LINTER), "--json", *map(str, figures)], capture_output=True, text=True)
    if "Executable doesn't exist" in done.stderr:
        pytest.skip("chromium is not installed")
    if done.returncode:
        raise RuntimeError(f"figlint: {done.stderr.strip().splitlines()[-1:]}")
    found: dict[str, dict[str, Any]] = {Path(path).name: row for path, row in json.loads(done.stdout).items()}
    for row in found.values():
        row["bad"] = faults(row)
    return found


def faults(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a figure may not have: any of `FAULTS`, or a label under `MIN_FONT` points (as the linter rounds it)."""
    bad = {key: row[key] for key in FAULTS if row[key]}
    if row["min_pt"] is not None and row["min_pt"] < MIN_FONT:
        bad["min_pt"] = row["min_pt"]
    return bad


def detached(figures: Sequence[Path]) -> dict[str, list[str]]:
    """Per file name the lines that do not touch what they join, where there are any."""
    if not ATTACHED.exists():
        pytest.skip(f"no figure linter at {LINTER}")
    done = subprocess.run([sys.executable, str(ATTACHED), "--json", *map(str, figures)], capture_output=True, text=True)
    found = json.loads(done.stdout)
    assert sum(row["links"] for row in found.values()), "no lines at all"
    return {Path(path).name: row["detached"] for path, row in found.items() if row["detached"]}
