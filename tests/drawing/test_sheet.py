"""The page around a drawing: where the legend stands."""
from __future__ import annotations

from functools import cache

import pytest

from archviz import Figure
from archviz.core.graph import Graph
from archviz.core.scene import Box, Group, Mark, Text
from archviz.figure.compile import compile
from archviz.figure.options import Options
from archviz.trace.read import read
from tests.conftest import ROOT


@cache
def graph() -> Graph:
    return read(f"{ROOT / 'gallery' / 'resnet.py'}:resnet18")


def drawn(legend: str) -> Figure:
    return compile(graph(), Options(legend=legend))


def parts(figure: Figure) -> tuple[list[Mark], list[Mark]]:
    """The marks of the drawing, and those of the legend."""
    groups = [mark for mark in figure.scene.marks if isinstance(mark, Group)]
    return ([mark for one in groups if one.role != "legend" for mark in one.marks],
            [mark for one in groups if one.role == "legend" for mark in one.marks])


def names(figure: Figure) -> list[str]:
    return [mark.string for mark in parts(figure)[1] if isinstance(mark, Text)]


@pytest.mark.parametrize("legend", ["below", "right", "none"])
def test_the_legend_stands_where_it_is_asked_to(legend: str) -> None:
    plain, figure = drawn("auto"), drawn(legend)
    boxes = [mark for mark in parts(figure)[0] if isinstance(mark, Box)]
    words = [mark for mark in parts(figure)[1] if isinstance(mark, Text)]
    assert names(plain) and names(figure) == ([] if legend == "none" else names(plain))
    for word in words:
        assert 0 < word.x < figure.scene.width and 0 < word.y < figure.scene.height
        if legend == "right":
            assert word.x > max(box.x + box.width for box in boxes)
        else:
            assert word.y > max(box.y + box.height for box in boxes)
    assert figure.scene.height <= plain.scene.height
    assert (figure.svg == plain.svg) == (legend == "below")
