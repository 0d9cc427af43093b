"""Our own documentation: it builds without a warning or a network, its links resolve, and what it tells a reader works.

The pages are built once.  What a reader would type is taken from the built pages themselves.
"""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache, reduce
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from bs4 import BeautifulSoup, Tag
from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate

from archviz.apps import sphinx
from archviz.apps.request import arguments, catalogue
from archviz.apps.sphinx import _directive
from archviz.core.plugins import names
from archviz.style.files import shipped
from archviz.style.project import LAYER
from archviz.style.style import KEYS, RECORDS
from tests.conftest import ROOT, Run

DOCS = ROOT / "docs"
NOWHERE = "http://127.0.0.1:9"      # a proxy that is none


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built as CI builds them, from nothing."""
    out = tmp_path_factory.mktemp("docs")
    environment = {key: value for key, value in os.environ.items() if key != "ARCHVIZ_DOCS_ONLINE"}
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-j2", "-d", out / "doctrees", DOCS, out / "html"],
        capture_output=True, text=True, timeout=280, env={
            **environment, "PYTHONPATH": str(ROOT), "http_proxy": NOWHERE, "https_proxy": NOWHERE, "PYTHONUTF8": "1"})
    assert done.returncode == 0, done.stderr
    return out / "html"


@cache
def pages(site: Path) -> dict[Path, BeautifulSoup]:
    found = {path: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in sorted(site.rglob("*.html"))}
    assert len(found) > 20
    return found


def page(site: Path, name: str) -> BeautifulSoup:
    return pages(site)[site / f"{name}.html"]


def codes(soup: BeautifulSoup) -> set[str]:
    """What is set as code, word for word."""
    return {tag.get_text().strip() for tag in soup.select("article code, article kbd")}


# ------------------------------------------------------------------------------------------------ the pages

def test_every_link_of_ours_leads_somewhere_and_nothing_is_fetched(site: Path) -> None:
    all_pages = pages(site)
    anchors = {path: {str(tag["id"]) for tag in soup.select("[id]")} for path, soup in all_pages.items()}
    seen = 0
    for path, soup in all_pages.items():
        for tag in soup.select("[href], [src]"):
            link = urlsplit(unquote(str(tag.get("href") or tag.get("src") or "")))
            if link.scheme in ("http", "https"):
                assert tag.name in ("a", "link") and "stylesheet" not in (tag.get("rel") or ()), f"{path}: {tag}"
                continue
            target = (path.parent / link.path).resolve() if link.path else path
            assert target.is_file(), f"{path.name} leads to {link.path}, which is not there"
            if link.fragment and target in anchors:
                assert link.fragment in anchors[target], f"{path.name} leads to {target.name}#{link.fragment}"
                seen += 1
    assert seen > 300


def test_the_gallery_shows_every_figure_with_its_files(site: Path) -> None:
    shown = page(site, "gallery")
    for path in (ROOT / "gallery" / "figures").glob("*.sh"):
        files = [str(tag["href"]) for tag in shown.select("a.download") if Path(str(tag["href"])).stem == path.stem]
        assert sorted(Path(file).suffix for file in files) == [".pdf", ".svg", ".tex"], path.name


def test_every_figure_is_there_with_an_alternative_text(site: Path) -> None:
    figures = [tag for soup in pages(site).values() for tag in soup.select(".archviz")]
    assert len(figures) > 30
    for figure in figures:
        drawings = figure.select("svg")
        assert drawings and all(svg.find("desc") for svg in drawings)
        assert len(drawings) == ("archviz-both" in figure["class"]) + 1
    assert not [path for path, soup in pages(site).items() if soup.select(".archviz-missing")]


def test_ids_are_unique_on_each_page(site: Path) -> None:
    for path, soup in pages(site).items():
        ids = [str(tag["id"]) for tag in soup.select("[id]")]
        assert len(ids) == len(set(ids)), f"{path.name}: {sorted(i for i in set(ids) if ids.count(i) > 1)[:3]}"


# ------------------------------------------------------------------------------------------------ nothing is left out

def test_every_option_of_the_command_line_is_told(site: Path) -> None:
    told = {word for code in codes(page(site, "command-line")) for word in re.split(r"[ ,]+", code)}
    for parser in map(arguments.parser, ("draw", *arguments.COMMANDS)):
        assert {word for action in parser._actions for word in action.option_strings} - told <= {"-h", "--help"}


def test_every_name_that_is_listed_occurs(site: Path) -> None:
    told = set(re.findall(r"[\w-]+", page(site, "command-line").get_text()))
    assert {name for names in catalogue.catalogue().values() for name in names} <= told


def test_every_method_is_told(site: Path) -> None:
    told = {str(tag.get_text()).strip("¶#") for tag in page(site, "methods").select("h3")}
    assert told == set(names("methods"))


@pytest.mark.parametrize("style", [
    "base", "block", "cube", "planes", "node-link", "radial", "tower", "sublayers", "wire",
    "trapezoid"])
def test_every_setting_of_a_style_is_told(style: str, site: Path) -> None:
    content = yaml.safe_load((shipped("styles") / f"{style}.yaml").read_text("utf-8"))
    told = codes(page(site, "style-files" if style == "base" else f"style-{style}"))
    told |= codes(page(site, "labels")) if style == "base" else set()
    for key, value in content.items():
        assert key in codes(page(site, "style-files"))
        assert not isinstance(value, dict) or set(value) <= told, (key, set(value) - told)
    assert set(KEYS) | set(RECORDS["roles"]) <= codes(page(site, "style-files"))


def test_every_key_of_a_project_file_is_told(site: Path) -> None:
    told = codes(page(site, "project-file"))
    assert {*LAYER, "models", "layers", "groups", "set"} <= told


def test_every_option_of_the_extension_is_told(site: Path) -> None:
    told = {code.split(" ")[0] for code in codes(page(site, "sphinx"))}
    options = {*_directive.SHARED, *_directive.FIGURE, *_directive.OWN}
    assert {f":{name}:" for name in options} <= told
    app = MagicMock()
    sphinx.setup(app)
    values = {call.args[0] for call in app.add_config_value.call_args_list}
    assert len(values) > 5 and values <= told


def documented(site: Path) -> Iterator[tuple[str, str]]:
    """What the pages about Python describe: (kind, full name)."""
    for name in ("api", "api-insight", "api-values", "labels", "diff"):
        for kind in ("function", "class", "method", "exception"):
            for tag in page(site, name).select(f"dl.py.{kind} > dt"):
                yield kind, str(tag["id"])


def _found(name: str) -> Any:
    """The function or method of that full name."""
    for parts in (1, 2):
        module, *own = name.rsplit(".", parts)
        with suppress(ModuleNotFoundError):
            return reduce(getattr, own, import_module(module))
    raise LookupError(name)


def test_public_docstrings_say_what_goes_in_and_what_comes_out(site: Path) -> None:
    found = list(documented(site))
    names = {name for _, name in found}
    assert {"archviz.draw", "archviz.Figure", "archviz.Figure.save", "archviz.figure.options.Options",
            "archviz.core.regroup.merge", "archviz.explain", "archviz.record", "archviz.Attribution",
            "archviz.Recording", "archviz.core.geometry.Size", "archviz.style.style.Style", "archviz.ArchvizError",
            "archviz.DoesNotFit"} <= names
    for kind, name in found:
        if kind in ("function", "method"):
            told = validate(name)
            mistakes = {code for code, _ in told["errors"]} & {"GL08", "PR01", "PR02", "PR03", "RT03"}
            if mistakes == {"PR01"}:        # a sentence may name them all
                mistakes = set(signature(_found(name)).parameters) - set(re.findall(r"`(\w+)`", told["docstring"]))
            assert mistakes <= {"self"}, (name, mistakes)
        elif is_dataclass(described := _found(name)) and "----\n" in str(described.__doc__):
            listed = [word.strip() for part in ClassDoc(described)["Attributes"] for word in part.name.split(",")]
            assert listed == [field.name for field in fields(described)], name


# ------------------------------------------------------------------------------------------------ what a reader does

def steps(soup: BeautifulSoup) -> Iterator[tuple[str, str]]:
    """Files to type (name, content), commands ("$", command) and what is said ("", text), in the order of the page."""
    for block in soup.select("article pre"):
        text, caption = block.get_text(), block.find_previous(class_="code-block-caption")
        wrapper = block.find_parent(class_="literal-block-wrapper")
        if wrapper is not None and isinstance(caption, Tag) and caption.find_parent() is wrapper:
            yield caption.select_one(".caption-text").get_text(), text      # type: ignore[union-attr]
        elif block.find_parent(class_="highlight-console") is not None:
            yield from (("$", line[2:]) for line in text.splitlines())
        else:
            yield "", text


@pytest.mark.skipif(not shutil.which("pdflatex"), reason="pdflatex is not installed")
def test_the_tutorial_word_for_word(site: Path, tmp_path: Path) -> None:
    """All but the installation, whose place this environment takes."""
    tools, folder = tmp_path / "bin", tmp_path / "first-figure"
    tools.mkdir()
    folder.mkdir()
    (tools / "archviz").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m archviz "$@"\n')
    (tools / "archviz").chmod(0o755)
    todo = list(steps(page(site, "tutorial")))
    start = todo.index(("$", "cd first-figure"))
    assert [command for kind, command in todo[:start] if kind == "$"] == [
        "python -m venv venv", ". venv/bin/activate", "pip install .", "mkdir first-figure"]
    said = ""
    for kind, text in todo[start + 1:]:
        if kind == "$":
            done = subprocess.run(text, shell=True, cwd=folder, capture_output=True, text=True, timeout=120,
                                  stdin=subprocess.DEVNULL, env={
                                      **os.environ, "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
                                      "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", "max_print_line": "1000"})
            assert done.returncode == 0, f"$ {text}\n{done.stdout}{done.stderr}"
            said = done.stdout + done.stderr
        elif kind:
            (folder / kind).write_text(text, "utf-8")
        else:
            assert text.strip() in said
    assert {path.name for path in folder.iterdir()} >= {
        "model.py", "model.svg", "large.svg", "closed.svg", "net.pdf", "net.tex", "article.tex", "article.pdf"}
    log = (folder / "article.log").read_text("utf-8", "replace")
    assert not re.findall(r"^(?:!.*|Overfull.*|.*Warning:.*)$", log, re.MULTILINE)
    said = subprocess.run(["pdftotext", folder / "article.pdf", "-"], capture_output=True, text=True, check=True).stdout
    assert all(word in said for word in ("Figure 1: Our network", "Block", "7 conv, 64, /2", "global avg pool"))


@pytest.fixture
def installed(tmp_path: Path) -> dict[str, str]:
    """The environment in which the package of the page about extending archviz is installed."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        from plugin import announced
    finally:
        sys.path.remove(str(DOCS / "_ext"))
    package = DOCS / "examples" / "plugin"
    return {"PYTHONPATH": os.pathsep.join(map(str, (ROOT, package, announced(package, tmp_path / "site")))),
            "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def at_home(tmp_path: Path) -> dict[str, str]:
    """The environment of a copy of archviz, into whose folders the files of that page were put."""
    home, book = tmp_path / "copy", DOCS / "examples" / "plugin" / "sketchbook"
    shutil.copytree(ROOT / "archviz", home / "archviz", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "styles", home / "styles")
    for name, folder in {
            "hexagons.py": "archviz/drawing/forms", "share.py": "archviz/passes",
            "staircase.py": "archviz/drawing/layouts", "html.py": "archviz/backends",
            "comb.yaml": "styles", "shares.yaml": "styles", "stairs.yaml": "styles",
            "evening.yaml": "styles/themes"}.items():
        shutil.copy(book / name, home / folder)
    return {"PYTHONPATH": str(home)}


def test_each_way_to_extend_archviz_works(
        run: Run, tmp_path: Path, installed: dict[str, str], at_home: dict[str, str]) -> None:
    """As an installed package, as a file in its folder, and where there is such a way by a path."""
    run(DOCS / "examples" / "tutorial" / "model.py", "-o", "graph.json")

    def drawn(*options: object, env: dict[str, str] = installed) -> str:
        done = run("graph.json", "-o", "a.svg", "-o", "a.html", "--quiet", *options, env=env)
        assert done.returncode == 0 and not done.stderr, done.stderr
        assert "<figcaption>Net. " in (tmp_path / "a.html").read_text("utf-8")
        return (tmp_path / "a.svg").read_text("utf-8")

    looks = [("--style", "comb"), ("--style", "shares"), ("--style", "stairs", "--theme", "evening")]
    comb, shares, stairs = (drawn(*look) for look in looks)
    assert [drawn(*look, env=at_home) for look in looks] == [comb, shares, stairs]
    plain, book = drawn(), DOCS / "examples" / "plugin" / "sketchbook"
    assert comb not in (plain, drawn("--style", "comb", "--set", "options.point=9"))
    assert "44 %" in shares and "44 %" not in plain
    assert 'class="frame"' in plain and 'class="frame"' not in stairs
    assert "#1d1a16" in stairs and "#1d1a16" in drawn("--theme", book / "evening.yaml") and "#1d1a16" not in plain
    listed = run("--list", env=installed).stdout
    assert {"comb", "evening", "hexagons", "share", "staircase", "html"} <= set(listed.split())


def test_the_style_file_that_is_shown_draws(site: Path, run: Run, tmp_path: Path) -> None:
    shown = dict(steps(page(site, "style-files")))["mine.yaml"]
    (tmp_path / "mine.yaml").write_text(shown, "utf-8")
    done = run(DOCS / "examples" / "tutorial" / "model.py", "--style", "mine.yaml", "-o", "a.svg", "--quiet")
    assert done.returncode == 0, done.stderr
    assert ">conv 3×3, 64</text>" in (tmp_path / "a.svg").read_text("utf-8")
