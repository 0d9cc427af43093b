"""Styles, themes and forms of one's own, as a user meets them: every test runs ``archviz`` in a process of its own."""
from __future__ import annotations

import os
from pathlib import Path

import pytest

from archviz.style.style import style_names, theme_names
from tests.apps.test_cli import contents, refused, saved
from tests.conftest import ROOT, Run

__all__ = ["saved"]     # a fixture

HEXAGONS = '''
"""The block form with hexagons in the place of its boxes."""
from __future__ import annotations

from dataclasses import dataclass, replace

from archviz.core.scene import Box, Group, polygon
from archviz.drawing.forms import Traits, block
from archviz.style.option import Option

TRAITS = Traits(options={"point": Option(float, "4", "how far the corners stand out, in printed points")})
sizes, frames, legend = block.sizes, block.frames, block.legend


@dataclass
class Corner:
    out: float


def draw(graph, layout, style):
    return tuple(hexagonal(mark, Corner(style.options["point"] + style.sizes.get("more", 0))) for mark in
                 block.draw(graph, layout, style))


def hexagonal(mark, corner):
    if isinstance(mark, Group):
        return replace(mark, marks=tuple(hexagonal(inner, corner) for inner in mark.marks))
    if not isinstance(mark, Box) or mark.role != "conv":
        return mark
    x, y, w, h = mark.x, mark.y, mark.width, mark.height
    return polygon([(x, y + h / 2), (x + corner.out, y), (x + w - corner.out, y), (x + w, y + h / 2),
                    (x + w - corner.out, y + h), (x + corner.out, y + h)], "conv")
'''


def drawn(run: Run, folder: Path, *options: object, env: dict[str, str] | None = None) -> str:
    result = run("graph.json", "-o", "a.svg", "--quiet", *options, env=env)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    return (folder / "a.svg").read_text("utf-8")


@pytest.fixture
def plugin(tmp_path: Path) -> dict[str, str]:
    """An installed package that brings a style, a theme and a form; the environment in which it is found."""
    site = tmp_path / "site"
    package, info = site / "candy" / "looks", site / "candy-1.0.dist-info"
    package.mkdir(parents=True)
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: candy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[archviz.styles]\nhoneycomb = candy.looks\nlost = candy.looks\ngone = candy.nothing\n\n"
        "[archviz.themes]\nsweet = candy.looks\n\n[archviz.forms]\nhexagons = candy.hexagons\n"
        "torn = candy.torn\nnumber = candy.hexagons:TRAITS\n")
    (site / "candy" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (site / "candy" / "hexagons.py").write_text(HEXAGONS)
    (package / "honeycomb.yaml").write_text(
        "extends: block\nform: hexagons\noptions: {point: 6}\nsizes: {more: 1}\nroles: {comb: {fill: yellow}}\n")
    (package / "sweet.yaml").write_text('extends: pastel\ncolors: {orange: "#ff77cc"}\n')
    return {"PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}


# ------------------------------------------------------------------------------------------------ what goes right

def test_a_theme_is_one_file_in_a_folder(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "night.yaml").write_text('extends: dark\nroles: {conv: {fill: "#012345"}}\n')
    figure = drawn(run, tmp_path, "--theme", "own/night.yaml")
    assert "#012345" in figure and "#14171c" in figure
    assert "#14171c" not in drawn(run, tmp_path)
    assert "#abcdef" in drawn(run, tmp_path, "--theme", "own/night.yaml", "--set", "roles.conv.fill=#abcdef")


def test_a_project_has_a_theme(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "archviz.yaml").write_text("theme: dark\n")
    assert "#14171c" in drawn(run, tmp_path) and "#14171c" not in drawn(run, tmp_path, "--theme", "paper")
    (tmp_path / "archviz.yaml").write_text("\ntheme: drak\n")
    refused(run("graph.json"), "archviz.yaml:2", "did you mean dark?")
    (tmp_path / "night.yaml").write_text('extends: dark\nroles: {conv: {fill: "#012345"}}\n')
    (tmp_path / "archviz.yaml").write_text("theme: night.yaml\n")
    assert "#012345" in drawn(run, tmp_path)


def test_a_form_is_one_file_beside_the_style_that_names_it(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "hexagons.py").write_text(HEXAGONS)
    (tmp_path / "own" / "bees.yaml").write_text("extends: block\nform: ./hexagons.py\n")
    plain, wide = (drawn(run, tmp_path, "--style", "own/bees.yaml", *more)
                   for more in ([], ["--set", "options.point=8"]))
    assert len({plain, wide, drawn(run, tmp_path)}) == 3
    assert drawn(run, tmp_path, "--style", "own/bees.yaml", "--theme", "mono") not in (plain, wide)
    # only the user who names the file has it run
    assert "__pycache__" not in os.listdir(tmp_path / "own")


def test_a_package_brings_a_style_a_theme_and_a_form(
        run: Run, saved: Path, tmp_path: Path, plugin: dict[str, str]) -> None:
    own = drawn(run, tmp_path, "--style", "honeycomb", env=plugin)
    assert own != drawn(run, tmp_path, "--style", "block", env=plugin)
    sweet = drawn(run, tmp_path, "--style", "honeycomb", "--theme", "sweet", env=plugin)
    assert sweet != own and sweet != drawn(run, tmp_path, "--style", "honeycomb", "--theme", "pastel", env=plugin)
    (tmp_path / "mine.yaml").write_text("extends: honeycomb\nroles: {comb: {fill: none}}\noptions: {point: 2}\n")
    assert drawn(run, tmp_path, "--style", "mine.yaml", env=plugin) != own
    assert "honeycomb" in run("--list", "styles", env=plugin).stdout.split()
    assert "sweet" in run("--list", "themes", env=plugin).stdout.split()
    assert "hexagons" in run("--list", "forms", env=plugin).stdout.split()


def test_lists(run: Run) -> None:
    assert run("--list", "styles").stdout.split() == list(style_names())
    assert run("--list", "themes").stdout.split() == list(theme_names())
    listed = dict(line.split(":", 1) for line in run("--list").stdout.splitlines())
    assert set(listed["themes"].split()) >= {"paper", "mono", "dark", "print", "pastel"}
    refused(run("--list", "stiles"), "stiles", "styles, themes")


@pytest.mark.parametrize("style", style_names())
@pytest.mark.parametrize("theme", [[], ["--theme", "mono"]], ids=str)
def test_a_shown_style_draws_the_same_bytes(
        style: str, theme: list[str], run: Run, saved: Path, tmp_path: Path) -> None:
    shown = run("style", "show", style, *theme)
    assert shown.returncode == 0 and shown.stderr == "", shown.stderr
    (tmp_path / "copy.yaml").write_text(shown.stdout, "utf-8")
    assert drawn(run, tmp_path, "--style", "copy.yaml") == drawn(run, tmp_path, "--style", style, *theme)


def test_a_style_of_ones_own_is_shown_whole(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "hexagons.py").write_text(HEXAGONS)
    (tmp_path / "mine.yaml").write_text("extends: block\nform: hexagons.py\nsizes: {more: 2}   # beyond the corners\n")
    (tmp_path / "elsewhere").mkdir()
    shown = run("style", "show", "../mine.yaml", "--set", "roles.conv.fill=#123456", cwd=tmp_path / "elsewhere").stdout
    assert "  more: 2   # beyond the corners\n" in shown
    assert "  point: 4   # how far the corners stand out, in printed points\n" in shown
    (tmp_path / "elsewhere" / "copy.yaml").write_text(shown, "utf-8")
    assert drawn(run, tmp_path, "--style", "elsewhere/copy.yaml") == drawn(
        run, tmp_path, "--style", "mine.yaml", "--set", "roles.conv.fill=#123456")


def test_a_model_may_be_called_style(run: Run, tmp_path: Path) -> None:
    (tmp_path / "style.py").write_text("from torch import nn\nshow = nn.Linear(4, 4)\n")
    assert run("style.py", "--quiet").returncode == 0
    assert run("style:show", "--quiet").returncode == 0
    assert sorted(contents(tmp_path)) == ["show.svg", "style.py", "style.svg"]


# ------------------------------------------------------------------------------------------------ what goes wrong

FILES = {       # what is wrong → the file, the line it is on, what is said
    "an unknown key": ("roles:\n  conv:\n    fil: none\n", 3, ["unknown key 'fil'", "did you mean fill?"]),
    "an unknown section": ("\ncolours: {}\n", 2, ["unknown key 'colours'", "did you mean colors?"]),
    "a wrong type": ("roles:\n  conv: {stroke_width: [1]}\n", 2, ["here must stand a word, not a list"]),
    "a word for a number": ("sizes:\n  corner: round\n", 2, ["a number from 0"]),
    "a list for a table": ("sizes: [3]\n", 1, ["here must stand a table"]),
    "a missing parent": ("extends: ./parent.yaml\n", 1, ["parent.yaml"]),
    "a parent that nobody knows": ("extends: blokc\n", 1, ["there is no"]),
    "a cycle": ("extends: ./other.yaml\n", 1, ["extends this file itself"]),
    "a tag that asks for code": ("hide: !!python/object/apply:os.system ['touch pwned']\n", 1,
                                 ["!!python/object/apply:os.system", "refused"]),
    "a tag for a new object": ("roles: !!python/object/new:os.system {conv: {}}\n", 1, ["refused"]),
    "not YAML": ("roles: [\n", 2, ["not valid YAML"]),
}


@pytest.mark.parametrize("option", ["--style", "--theme"])
@pytest.mark.parametrize("mistake", FILES)
def test_a_mistake_in_a_file_is_one_line_with_its_place(
        mistake: str, option: str, run: Run, saved: Path, tmp_path: Path) -> None:
    content, line, words = FILES[mistake]
    begins = "" if "extends" in content or option == "--theme" else "extends: block\n"
    (tmp_path / "mine.yaml").write_text(begins + content)
    (tmp_path / "other.yaml").write_text("# a comment\nextends: ./mine.yaml\n")
    before = contents(tmp_path)
    found = "other.yaml:2" if mistake == "a cycle" else f"mine.yaml:{line + bool(begins)}"
    result = run("graph.json", option, "mine.yaml")
    refused(result, found, *words)
    assert result.stderr.splitlines()[0].count(".yaml:") == 1
    assert contents(tmp_path) == before
    if option == "--style":
        refused(run("style", "show", "mine.yaml"), found, *words)


def test_a_theme_that_is_not_there(run: Run, saved: Path, tmp_path: Path, plugin: dict[str, str]) -> None:
    refused(run("graph.json", "--theme", "drak"), "there is no theme 'drak'", "did you mean dark?")
    refused(run("graph.json", "--theme", "block"), "there is no theme 'block'")
    refused(run("graph.json", "--theme", "drak.yaml"), "there is no theme file 'drak.yaml'")
    refused(run("graph.json", "--style", "lost", env=plugin), "candy.looks", "no lost.yaml")
    refused(run("graph.json", "--style", "gone", env=plugin), "candy.nothing", "out of reach")
    refused(run("style", "show", "blok"), "there is no style 'blok'", "did you mean block?")
    refused(run("style", "show", "block", "--thme", "dark"), "--thme")


FORMS = {
    "missing": (None, "mine.yaml:2: there is no file"),
    "does not parse": ("def draw(:\n", "hexagons.py:1: SyntaxError"),
    "raises": ("x = 1\nraise ValueError('not today')\n", "hexagons.py:2: ValueError: not today"),
    "is no form": ("def draw(graph, layout, style): return ()\n", "has no function sizes"),
}


@pytest.mark.parametrize("mistake", FORMS)
def test_a_form_that_is_none(mistake: str, run: Run, saved: Path, tmp_path: Path) -> None:
    content, says = FORMS[mistake]
    if content is not None:
        (tmp_path / "hexagons.py").write_text(content)
    (tmp_path / "mine.yaml").write_text("extends: block\nform: ./hexagons.py\n")
    refused(run("graph.json", "--style", "mine.yaml"), "mine.yaml:2", says)


def test_a_form_of_a_package_that_is_none(run: Run, saved: Path, tmp_path: Path, plugin: dict[str, str]) -> None:
    (tmp_path / "mine.yaml").write_text("extends: block\nform: torn\n")
    refused(run("graph.json", "--style", "mine.yaml", env=plugin), "mine.yaml:2", "candy.torn cannot be loaded")
    refused(run("graph.json", "--set", "form=number", env=plugin), "candy.hexagons:TRAITS", "not a module")
    # who does not ask for it has nothing to do with it
    refused(run("graph.json", "--set", "options.egdes=all", env=plugin), "unknown option 'egdes'")


def test_a_theme_runs_nothing(run: Run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "form.py").write_text("open('pwned', 'w')\n")
    (tmp_path / "mine.yaml").write_text("form: ./form.py\n")
    refused(run("graph.json", "--theme", "mine.yaml"), "mine.yaml:1", "a theme cannot set 'form'")
    assert not (tmp_path / "pwned").exists()
