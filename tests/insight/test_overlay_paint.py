"""Colours of an overlay: each node in that of its number, its words legible on it, its kind told by its outline."""
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.core.scene import Box, Circle, Cuboid, Group, Paint, Path, Scene, Text, mixed
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.insight.overlay import overlay
from archviz.insight.overlay._paint import Colours, columns
from archviz.insight.painting import colormap
from archviz.style.layer_colours import contrast
from tests.graphs import Builder
from tests.pictures import STYLE, bars, pixels, result, said

SHEET = {"conv": Paint(fill="#ffddaa", stroke="#aa6600", stroke_width=0.4), "label": Paint(color="#202020", size=7.0),
         "glyph sign": Paint(stroke="#202020", stroke_width=0.6)}
ON = colormap.scale([-2.0, 2.0], STYLE.heat, True)
BOX, WORDS = Box(0, 0, 40, 12, "conv", 2.0), Text(20, 8, "conv", "label", "middle")
SCENE = Scene((), SHEET, 100, 100)


def node(*marks: object, key: str = "a", role: str = "conv") -> Group:
    return Group(marks or (BOX, WORDS), role, key)


def painted(group: Group, value: float | None, scene: Scene = SCENE) -> tuple[Group, Scene]:
    """A node's group after its number, and a scene with the roles it then has."""
    colours = Colours(scene, ON, {} if value is None else {group.node: value})
    done = colours.group(group)
    return done, replace(scene, marks=(done,), sheet={**scene.sheet, **colours.sheet})


@pytest.mark.parametrize("value", [-2.0, -0.7, 0.0, 0.01, 1.3, 2.0, 9.0])
def test_a_box_has_exactly_the_colour_of_its_number_and_words_that_read_on_it(value: float) -> None:
    group, scene = painted(node(), value)
    box, words = group.marks
    assert scene.paint(box.role).fill == ON.colour(value) and replace(box, role="conv") == BOX
    assert contrast(scene.paint(words.role).color, ON.colour(value)) >= 4.5
    assert replace(words, role="label") == WORDS


def test_its_kind_is_told_by_an_outline_that_is_thick_enough() -> None:
    group, scene = painted(node(), 1.0)
    paint = scene.paint(group.marks[0].role)
    assert paint.stroke_width == 1.1 and paint.opacity == 1.0
    vivid = mixed("#ffddaa", "#aa6600", 0.55)
    assert paint.stroke == (vivid if contrast(vivid, "#ffffff") > 3 else "#aa6600")
    thick = {**SHEET, "conv": replace(SHEET["conv"], stroke_width=2.0)}
    group, scene = painted(node(), 1.0, Scene((), thick, 100, 100))
    assert scene.paint(group.marks[0].role).stroke_width == 2.0


def test_words_beside_the_box_and_other_roles_stay_as_they_are() -> None:
    beside, line = Text(60, 8, "64", "label"), Box(0, 0, 40, 2, "band")
    scene = Scene((), {**SHEET, "band": Paint(fill="#123456")}, 100, 100)
    group, _ = painted(node(BOX, beside, line), -2.0, scene)
    assert group.marks[1:] == (beside, line)


def test_the_sign_of_a_glyph_is_seen_on_its_colour() -> None:
    dark = next(value for value in (-2.0, 2.0) if contrast("#202020", ON.colour(value)) < 4.5)
    sign = Path((("M", (0, 0)), ("L", (4, 0))), "glyph sign")
    group, scene = painted(node(Circle(0, 0, 4, "conv"), sign), dark)
    assert contrast(scene.paint(group.marks[1].role).stroke or "", ON.colour(dark)) >= 4.5


def test_what_has_no_number_is_grey_and_is_noticed() -> None:
    colours = Colours(SCENE, ON, {"b": 1.0})
    done = colours.group(node())
    fill = mixed("#202020", "#ffffff", 0.14)
    assert colours.sheet[done.marks[0].role].fill == fill == colours.unknown and colours.missing
    other = Colours(SCENE, ON, {"a": 1.0})
    other.group(node())
    other.group(node(WORDS, key="words alone"))
    assert not other.missing


def test_the_legend_shows_kinds_without_a_colour_of_numbers() -> None:
    colours = Colours(SCENE, ON, {"a": 1.0})
    colours.group(node())
    swatch = colours.swatch(Box(0, 0, 12, 7, "conv"))
    assert colours.sheet[swatch.role].fill == "#ffffff"
    stays = Box(0, 0, 12, 7, "norm")
    assert colours.swatch(stays) is stays and colours.swatch(WORDS) is WORDS


def test_faces_of_a_cuboid_are_shades_of_the_colour_and_bands_stay() -> None:
    cuboid = Cuboid(0, 0, (10, 0), (0, 30), (8, -6), "conv", ((0.8, 1.0, "act"), (0.2, 0.3, "norm")))
    scene = Scene((), {**SHEET, "act": Paint(fill="#cc0000"), "norm": Paint(fill="#00cc00")}, 100, 100)
    group, after = painted(node(cuboid, WORDS), 1.3, scene)
    solid = group.marks[0]
    assert isinstance(solid, Cuboid)
    fill = ON.colour(1.3)
    assert after.paint(solid.role).fill == fill and after.paint(f"{solid.role} side").fill == fill
    assert after.paint(f"{solid.role} top").fill == mixed(fill, "#ffffff", 0.75)
    (_, _, last), (_, _, inner) = solid.bands
    assert inner == "norm" and after.paint(last).fill == "#cc0000" and after.paint(f"{last} side").fill == fill
    assert group.marks[1] == WORDS and after.paint(solid.role).stroke_width == 0.8


def test_each_neuron_has_its_own_colour_the_first_and_the_last_of_a_long_column() -> None:
    sheet = {**SHEET, "conv neuron": SHEET["conv"], "dots": Paint(fill="#000000")}
    column = (*(Circle(5, 10 * i, 4, "conv neuron") for i in range(3)), Circle(5, 35, 1, "dots"),
              *(Circle(5, 50 + 10 * i, 4, "conv neuron") for i in range(2)))
    numbers = [-2.0, -1.0, 0.0, 0.7, 0.8, 0.9, 1.0, 2.0]
    assert columns(node(*column)) == 5
    scene = Scene((), sheet, 100, 100)
    colours = Colours(scene, ON, {}, {"a": numbers})
    done = colours.group(node(*column))
    after = replace(scene, sheet={**sheet, **colours.sheet})
    seen = [after.paint(mark.role).fill for mark in done.marks if mark.role != "dots"]
    assert seen == [ON.colour(value) for value in (-2.0, -1.0, 0.0, 1.0, 2.0)] and not colours.missing
    two = (*column, Circle(25, 0, 4, "conv neuron"))
    assert columns(node(*two)) == 0 and columns(node()) == 0


# ------------------------------------------------------------------------------------------------ a whole figure

@pytest.fixture(scope="module")
def small() -> Figure:
    build = Builder("Small")
    x = build.input("x", (1, 3, 8, 8))
    y = build.op("Conv2d", x, shape=(1, 4, 8, 8), name="a")
    y = build.op("Linear", y, shape=(1, 4, 8, 8), name="b")
    build.output(build.op("ReLU", y, shape=(1, 4, 8, 8), name="c"))
    return compile(build.graph(), Options())


def fill(figure: Figure, key: str) -> str | None:
    group = next(mark for mark in figure.scene.marks if isinstance(mark, Group) and mark.node == key)
    return next(figure.scene.paint(mark.role).fill for mark in group.marks if isinstance(mark, Box))


def test_numbers_of_a_sample_are_painted_on_one_scale_that_the_bar_shows(small: Figure) -> None:
    scores = {"a": np.array([9.0, 1.0]), "b": np.array([9.0, -0.5]), "c": np.array([9.0, 0.25])}
    done = overlay(small, result(scores=scores), 1)
    on = colormap.scale([1.0, -0.5, 0.25], small.drawing.style.heat, True, "max")
    drawn = {node.id: node.members for node in small.drawn.nodes if node.kind not in ("input", "output")}
    for key, members in drawn.items():
        assert fill(done, key) == on.colour(float(scores[members[-1]][1])), key
    (bar,) = bars(done.scene)
    assert [tuple(pixels(bar)[0, i]) for i in (0, -1)] == [tuple(on.rgb(-1.0)), tuple(on.rgb(1.0))]
    assert bar.y > small.scene.height - small.drawing.style.sizes["margin"] and done.scene.height > small.scene.height
    assert "Made: relevance" in said(done.scene, "bar label")
    assert done.caption == (
        small.caption + " Colours: Made, relevance for class 7; a box has that of its last operation.")


def test_a_limit_ends_the_scale_and_colours_may_be_left_out(small: Figure) -> None:
    what = result(scores={"a": np.array([1.0])}, flows={("/in:x", "a"): np.array([1.0])})
    weak = overlay(small, what, limit=4.0)
    assert fill(weak, "a") == colormap.scale([4.0], STYLE.heat, True).colour(1.0)
    plain = overlay(small, what, colours=False)
    assert fill(plain, "a") == fill(small, "a") and not bars(plain.scene) and "Colours:" not in plain.caption


def test_the_page_without_numbers_is_as_large(small: Figure) -> None:
    what = result(scores={"a": np.array([1.0])})
    done, blank = overlay(small, what), overlay(small, what, blank=True)
    assert blank.scene.marks == small.scene.marks and blank.caption == small.caption
    assert (blank.scene.width, blank.scene.height) == (done.scene.width, done.scene.height)


def test_what_is_not_there_is_said(small: Figure) -> None:
    with pytest.raises(ArchvizError, match="no id of it is among the figure's"):
        overlay(small, result(scores={"elsewhere": np.array([1.0])}))
    with pytest.raises(ArchvizError, match="has 1 samples, and no number 3"):
        overlay(small, result(scores={"a": np.array([1.0])}), 3)
