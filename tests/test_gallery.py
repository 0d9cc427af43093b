"""The gallery's figures in every form: what each shows is approved, and the linter finds no fault in any of them.

``pytest tests/test_gallery.py --accept`` takes the figures as they are; look at them first.
"""
from __future__ import annotations

from pathlib import Path

import pytest

from archviz.core.scene import Box, Group, Mark, Text
from tests.gallery import FIGURES, THEMES, WIDTHS, figure, outline
from tests.lint import lint

APPROVED = Path(__file__).parent / "approved"


@pytest.mark.parametrize("key", [f"{name}-{width}" for name in FIGURES for width in WIDTHS])
def test_the_figure_shows_what_was_approved(key: str, request: pytest.FixtureRequest) -> None:
    name, _, width = key.rpartition("-")
    path, text = APPROVED / f"{FIGURES[name].style}-{key}.txt", outline(figure(name, width))
    if request.config.getoption("--accept"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("theme", THEMES)
def test_the_linter_finds_no_fault(theme: str, tmp_path: Path) -> None:
    """At both widths, in colour and in greys."""
    paths = []
    for name in FIGURES:
        for width in WIDTHS:
            paths.append(tmp_path / f"{name}-{width}.svg")
            figure(name, width, theme).save(paths[-1])
    assert {name: row["bad"] for name, row in lint(paths).items() if row["bad"]} == {}


@pytest.mark.parametrize("name", ["mlp", "lstm", "lstm-open"])
def test_words_on_a_hatch_stand_on_a_plain_ground(name: str) -> None:
    drawn = figure(name, theme="mono").scene
    hatched = {role for role, paint in drawn.sheet.items() if paint.hatch}
    found = 0
    for group in (mark for mark in drawn.marks if isinstance(mark, Group) and mark.role in hatched):
        marks = flat(group)
        boxes = [box for box in marks if isinstance(box, Box) and box.role in hatched]
        for label in (mark for mark in marks if isinstance(mark, Text)):
            if any(b.x < label.x < b.x + b.width and b.y < label.y < b.y + b.height for b in boxes):
                before = marks[marks.index(label) - 1]
                assert isinstance(before, Box) and before.role.endswith(" plain") and not drawn.paint(before.role).hatch
                assert before.x < label.x < before.x + before.width and before.y < label.y < before.y + before.height
                found += 1
    assert found


def flat(mark: Mark) -> list[Mark]:
    return [m for inner in mark.marks for m in flat(inner)] if isinstance(mark, Group) else [mark]
