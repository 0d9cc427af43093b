"""What the convolutional classics of the gallery must convey, measured on their figures."""
from __future__ import annotations

from typing import Any

import pytest

from archviz import pipeline
from archviz.figure import Figure
from tests.conftest import ROOT


def drawn(target: str, **options: Any) -> Figure:
    return pipeline.draw(str(ROOT / "gallery" / target), **options)


@pytest.mark.parametrize("direction", ["down", "right"])
def test_a_concatenation_lies_across_all_its_branches(direction: str) -> None:
    figure = drawn("inception.py:Inception", direction=direction)
    [bar] = [node.id for node in figure.drawn.nodes if node.kind == "cat"]
    places, down = figure.layout.nodes, direction == "down"
    entering = [route for route in figure.layout.routes if route.dst == bar]
    assert len(entering) == 4
    for route in entering:
        assert len(route.points) == 2, "straight from its branch"
        box, whole = places[route.src], places[bar]
        start, end, low, high = ((box.x, box.x + box.width, whole.x, whole.x + whole.width) if down else
                                 (box.y, box.y + box.height, whole.y, whole.y + whole.height))
        assert low - 0.1 <= start and end <= high + 0.1
    around = [places[key] for key in ("/in:previous_layer", "/out:0", bar)]
    middles = [p.x + p.width / 2 if down else p.y + p.height / 2 for p in around]
    assert max(middles) - min(middles) < 1.0
