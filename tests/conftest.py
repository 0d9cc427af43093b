"""What all tests share: the command line in its own process, documentation that is built once, and property tests that
find the same every time."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings

from archviz import ArchvizError
from tests.forked import USUAL, nursery
from tests.sphinxes import OLD, Project, install_oldest, sample

ROOT = Path(__file__).resolve().parent.parent
Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)
NO_GPU = "there is no GPU"
PROGRAMS = {"git", "latex", "latexmk", "lualatex", "pdfinfo", "pdflatex", "pdftoppm", "pdftotext", "xelatex"}
LONGEST = ("backends/test_tex", "apps/test_cli", "figure/test_zoo", "insight/test_methods_occlusion",
           "insight/test_real_models", "drawing/test_recurrent", "insight/test_truth", "drawing/test_nodelink",
           "apps/test_sphinx", "style/test_themes", "apps/test_plugged", "backends/test_page", "apps/test_serve",
           "insight/test_record", "test_figures", "test_docs")
"""Files of tests by the time they take."""
Run = Callable[..., "subprocess.CompletedProcess[str]"]

# A failure on one machine must be one on every other, and two slow cores must not turn a deadline into a failure.
settings.register_profile("archviz", deadline=None, derandomize=True, database=None,
                          suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
settings.load_profile("archviz")

os.environ.setdefault("OMP_NUM_THREADS", "1")   # each core has a process of tests; also in what they start


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, as `playwright.sync_api.Browser`."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--accept", action="store_true", help="take the figures as they are drawn for the approved ones")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that no core is idle at the end.  Tests marked ``gpu`` need one; where there is
    none they are skipped, and say so, on CI too."""
    rank = {str(ROOT / "tests" / f"{name}.py"): i for i, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(str(item.path), len(rank)))
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if not marked:
        return
    import torch

    if not torch.cuda.is_available():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=NO_GPU))


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """``run("model.py", "-o", "x.svg", env={…})``: archviz in a fresh process, in the test's own folder; where what the
    environment says to Python must be known before torch is imported, in one that begins with it."""

    def archviz(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None,
                timeout: float = 120) -> subprocess.CompletedProcess[str]:
        words, around = [*map(str, args)], {**os.environ, **USUAL, **(env or {})}
        early = {name for name in env or {} if name.startswith("PYTHON")} - {"PYTHONPATH", "PYTHONDONTWRITEBYTECODE"}
        folders = [Path(folder) for folder in around["PYTHONPATH"].split(os.pathsep)]
        hooks = [folder / name for folder in folders for name in ("torch", "sitecustomize.py")]
        if not early and not any(hook.exists() for hook in hooks):
            return nursery().run("archviz", words, cwd or tmp_path, around, timeout)
        return subprocess.run(
            [sys.executable, "-m", "archviz", *words], cwd=cwd or tmp_path, capture_output=True, text=True,
            encoding="utf-8", timeout=timeout, stdin=subprocess.DEVNULL, env=around)

    return archviz


@pytest.fixture(scope="session")
def newest(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The sample documentation, built as HTML by the newest Sphinx: other builders find all of it read and drawn."""
    project = sample(tmp_path_factory.mktemp("newest") / "sample")
    first = project.build("html", "-j2")
    assert len(first.drawn) >= 15 and "alpha.nets:Net" in first.traced
    return project


@pytest.fixture(scope="session")
def oldest(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Project:
    """The same by the oldest, with the options `OLD`."""
    assert request.config.cache is not None
    project = sample(tmp_path_factory.mktemp("oldest") / "sample", install_oldest(request.config.cache.mkdir("sphinx")))
    first = project.build("html", "-j2", *OLD)
    assert "Running Sphinx v7.2.6" in first.said and len(first.drawn) >= 15
    return project


def _skipped_without(report: pytest.TestReport, error: BaseException | None) -> pytest.TestReport:
    """A test that lacks a program, or a browser, is skipped."""
    program = None
    if isinstance(error, OSError | ArchvizError):
        words = set(re.findall(r"\w+", str(error)))
        program = next((name for name in sorted(PROGRAMS & words) if not shutil.which(name)), None)
    elif type(error).__module__.startswith("playwright.") and "Executable doesn't exist" in str(error):
        program = "chromium"
    if report.failed and program:
        report.outcome, report.longrepr = "skipped", (*report.location[:2], f"{program} is not installed")
    return report


def _not_on_ci(report: Report) -> Report:
    """A skip hides a missing tool; where everything is meant to be there, it is a failure."""
    excused = hasattr(report, "wasxfail") or NO_GPU in report.longreprtext
    if os.environ.get("CI") and report.skipped and not excused:
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    return _not_on_ci(_skipped_without((yield), call.excinfo and call.excinfo.value))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    return _not_on_ci((yield))
