"""What the convolutional classics of the gallery must convey, measured on their figures."""
from __future__ import annotations

from typing import Any

import pytest

from archviz.core.errors import ArchvizError
from archviz.core.geometry import Place
from archviz.core.scene import Group, Link, Text
from archviz.figure import draw
from archviz.figure.figure import Figure
from tests.conftest import ROOT
from tests.figures import FIGURES, commands


def drawn(target: str, **options: Any) -> Figure:
    return draw.draw(str(ROOT / "gallery" / target), **options)


OPERATIONS = {"options.arrows": "operations"}


def arrows(figure: Figure) -> dict[tuple[str, str], tuple[Link, ...]]:
    """The lines of a figure by the nodes they join."""
    found = {}
    for mark in figure.scene.marks:
        if isinstance(mark, Group) and mark.edge:
            found[mark.edge] = tuple(link for link in mark.marks if isinstance(link, Link))
    return found


def in_legend(figure: Figure) -> set[str]:
    """The roles of lines outside of the drawing proper."""
    return {mark.role for group in figure.scene.marks if isinstance(group, Group) and group.role == "legend"
            for mark in group.marks if isinstance(mark, Link)}


def test_each_colour_of_an_arrow_is_in_the_legend_and_says_what_is_done() -> None:
    figure = drawn("unet.py", style="cube", settings=OPERATIONS)
    lines = arrows(figure)
    roles = {line.role for group in lines.values() for line in group}
    assert roles == {"arrow conv", "arrow conv 2", "arrow pool", "arrow upconv", "arrow copy"} == in_legend(figure)
    assert {figure.drawn.by_id[dst].kind for (_, dst), [line] in lines.items() if line.role == "arrow pool"} == {"pool"}
    assert sum(line.role == "arrow conv" for [line] in lines.values()) == 18
    assert sum(line.role == "arrow copy" for [line] in lines.values()) == 4


def test_a_u_of_volumes_goes_down_across_and_up_in_straight_lines() -> None:
    figure = drawn("unet.py", style="cube", settings=OPERATIONS)
    places, lines = figure.layout.nodes, arrows(figure)
    for [line] in lines.values():
        (ax, ay), (bx, by) = line.points
        assert abs(ax - bx) < 0.01 or abs(ay - by) < 0.01
        if line.role in ("arrow pool", "arrow upconv"):
            assert (by > ay) == (line.role == "arrow pool")
        else:
            assert bx > ax
    joined = [node for node in figure.drawn.nodes if node.kind == "cat"]
    for node in joined:     # the copied part stands against the other one, of the same height
        [part] = [e.src for e in figure.drawn.incoming[node.id] if (e.src, node.id) not in lines]
        assert places[part].x == pytest.approx(places[node.id].x + places[node.id].width)
        assert places[part].height == places[node.id].height
    said = {mark.string for group in figure.scene.marks if isinstance(group, Group) for mark in group.marks
            if isinstance(mark, Text)}
    assert {"512²", "256²", "128²", "64²", "32²", "64", "1024", "image", "output"} <= said


def test_an_unknown_choice_of_arrows_is_an_error() -> None:
    with pytest.raises(ArchvizError, match="plain or operations"):
        drawn("unet.py", style="cube", settings={"options.arrows": "thick"})


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


def middle(place: Place) -> tuple[float, float]:
    return place.x + place.width / 2, place.y + place.height / 2


def test_a_feature_pyramid_predicts_at_every_level_and_its_lateral_lines_are_level() -> None:
    figure = drawn("fpn.py", direction="down", depth=0)
    places, graph = figure.layout.nodes, figure.drawn
    assert figure.layout.direction == "around"
    outputs = [node.id for node in graph.nodes if node.kind == "output"]
    assert outputs == ["/out:p2", "/out:p3", "/out:p4", "/out:p5"]
    assert [places[key].y for key in outputs] == sorted(places[key].y for key in outputs), "the finest on top"
    sums = [node.id for node in graph.nodes if node.kind == "add"]
    lateral = [route for route in figure.layout.routes if route.dst in sums and graph.by_id[route.src].kind == "conv"]
    assert len(lateral) == len(sums) == 3
    for route in lateral:
        [(ax, ay), (bx, by)] = route.points
        assert ay == by and ax < bx
    ends = {round(places[route.src].x + places[route.src].width, 3) for route in lateral}
    assert len(ends) == 1, "the convolutions beside the backbone end at one line"
    assert not any(route.skip for route in figure.layout.routes), "what is added is no way around anything"


def test_nine_modules_are_open_and_auxiliary_heads_stand_beside_the_next_module() -> None:
    [words, *_] = commands(FIGURES / "googlenet.sh")
    values = [words[i + 1] for i, word in enumerate(words) if word == "--set"]
    settings = dict(value.split("=", 1) for value in values)
    figure = drawn("inception.py:GoogLeNet", direction="right", depth=1, collapse=("auxiliary*",), settings=settings)
    places, graph = figure.layout.nodes, figure.drawn
    assert sum(node.kind == "cat" for node in graph.nodes) == 9
    assert [node.id for node in graph.nodes if node.kind == "output"] == [
        "/out:softmax2", "/out:softmax1", "/out:softmax0"]
    for head, beside in (("auxiliary1", "inception4b"), ("auxiliary2", "inception4e")):
        frame = figure.layout.frames[beside]
        end = places[graph.outgoing[head][0].dst]
        assert places[head].x >= frame.x - 1 and places[head].y + places[head].height < frame.y, "above it"
        assert abs(middle(end)[1] - middle(places[head])[1]) < 0.1, "its result in the same row"


def test_dense_blocks_are_drawn_once_with_their_number_and_joined_by_transitions() -> None:
    figure = drawn("densenet.py:densenet121")
    graph = figure.drawn
    framed = [module for key, module in graph.modules.items() if key in figure.layout.frames]
    assert [module.repeat for module in framed if module.repeat > 1] == [6, 12, 24, 16]
    assert sum(module.cls == "Transition" for module in framed) == 3
    assert graph.params == 7_978_856
