"""The picture strip: each character on the colour of what a unit holds there, and units × time as cells."""
from __future__ import annotations

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.core.scene import Box, Group, Scene, Text
from archviz.insight.painting import colormap
from archviz.insight.pictures.strip import draw
from archviz.insight.results.attribution import Attribution
from tests.pictures import HOSTILE, MARGIN, STYLE, bars, pixels, result, said, texts, tiles

STATES = np.array([[[-1.0, -0.5, 0.0, 0.5, 1.0], [0.2, 0.2, 0.2, 0.2, 0.1], [0.5, -0.5, 0.5, -0.5, 0.5]]])


def states(values: np.ndarray = STATES, **more: object) -> Attribution:
    return result(title="Hidden states", unit="tanh c", extra={"hidden:lstm": values, **more})


def characters(scene: Scene) -> list[Group]:
    return [mark for mark in scene.marks if isinstance(mark, Group) and mark.role == "token"]


def ground(scene: Scene, group: Group) -> str | None:
    return scene.paint(group.marks[0].role).fill


def test_each_character_stands_on_the_colour_of_the_state_after_it() -> None:
    scene = draw([states()], STYLE, words="abcde", units=[0])
    found, on = characters(scene), colormap.scale(STATES[0, :1], STYLE.heat, True)
    assert [group.node for group in found] == [f"lstm/0/{i}" for i in range(5)]
    for group, character, value in zip(found, "abcde", STATES[0, 0], strict=True):
        assert ground(scene, group) == on.colour(value)
        box, word = group.marks
        assert isinstance(box, Box) and isinstance(word, Text)
        assert (word.string, word.anchor) == (character, "middle") and box.x < word.x < box.x + box.width
        assert group.title == f"{character}: {colormap.number(value)}"
    for one, other in zip(found, found[1:], strict=False):      # without gaps: the ground laps under the next one
        assert one.marks[0].x < other.marks[0].x < one.marks[0].x + one.marks[0].width
    assert said(scene, "heading") == ["unit 0"]
    (bar,) = bars(scene)
    assert tuple(pixels(bar)[0, 0]) == tuple(on.rgb(-1.0)) and "tanh c" in said(scene, "bar label")
    assert scene.description == "Hidden states of lstm. Each colour is the state after that character."


def test_white_space_has_a_ground_and_no_word_and_ends_its_line() -> None:
    scene = draw([states()], STYLE, words="a b\nc", units=[0])
    found = characters(scene)
    assert [len(group.marks) for group in found] == [2, 1, 2, 2, 2]
    assert [group.marks[-1].string for group in found if len(group.marks) > 1] == ["a", "b", "¶", "c"]
    tops = [group.marks[0].y for group in found]
    assert tops[0] == tops[3] < tops[4] == pytest.approx(tops[0] + 1.42 * STYLE.roles["on heat"].size)
    assert found[4].marks[0].x == MARGIN


def test_units_are_those_that_were_asked_for_under_their_own_numbers() -> None:
    one = states(**{"units:lstm": np.array([40, 41, 42])})
    assert said(draw([one], STYLE, units=[42, 40]), "heading") == ["unit 42", "unit 40"]
    assert said(draw([one], STYLE, units=2), "heading") == ["unit 40", "unit 42"]       # 41 hardly varies
    with pytest.raises(ArchvizError, match="no state of unit 3\n  there are 40 … 42"):
        draw([one], STYLE, units=[3])


def test_cells_are_units_by_time_on_one_scale() -> None:
    scene = draw([states()], STYLE, words="abcde", form="cells")
    (tile,), on = tiles(scene), colormap.scale(STATES[0], STYLE.heat, True)
    assert np.array_equal(pixels(tile, 3, 5), on.rgb(STATES[0])) and tile.cells and not characters(scene)
    assert tile.height == pytest.approx(3 * 7)
    beside = [word for word in texts(scene, "note") if word.anchor == "end"]
    assert [word.string for word in beside] == (["unit 0", "unit 1", "unit 2"] if 7 >= 1.02 * STYLE.roles["note"].size
                                                else ["unit 0", "unit 2"])
    below = [word for word in texts(scene, "note") if word.anchor == "middle"]
    assert [word.string for word in below] == list("abcde")
    assert [word.x for word in below] == pytest.approx([tile.x + (i + 0.5) * tile.width / 5 for i in range(5)])
    assert all(word.y > tile.y + tile.height for word in below)


def test_steps_without_words_are_counted() -> None:
    long = np.sin(np.arange(200.0)).reshape(1, 1, 200)
    scene = draw([states(long)], STYLE, form="cells")
    below = [int(word.string) for word in texts(scene, "note") if word.anchor == "middle"]
    assert below == list(range(0, 200, below[1])) and scene.description.endswith("state after that step.")


def test_both_forms_show_both_and_one_bar() -> None:
    scene = draw([states()], STYLE, words="abcde", form="both", units=[0, 2])
    assert len(characters(scene)) == 10 and len(tiles(scene)) == 1 == len(bars(scene))
    assert tiles(scene)[0].y > max(group.marks[0].y for group in characters(scene))


def test_a_long_text_goes_on_in_lines_within_the_page() -> None:
    scene = draw([states(np.sin(np.arange(400.0)).reshape(1, 1, 400))], STYLE, words="abcdefg " * 50)
    grounds = [group.marks[0] for group in characters(scene)]
    assert len({box.y for box in grounds}) > 2
    assert max(box.x + box.width for box in grounds) <= STYLE.page.width - MARGIN + 0.01


def test_words_are_the_attributions_own_where_none_are_given() -> None:
    words = [HOSTILE, "b", "c", "d", "e"]
    scene = draw([states(words=[words])], STYLE, units=[0])
    assert [group.marks[-1].string for group in characters(scene)] == words
    assert "state after that token" in scene.description


@pytest.mark.parametrize(("options", "message"), [
    ({"form": "cels"}, "no form 'cels'\n  did you mean cells"), ({"nodes": "gru"}, "no recurrent layer is named gru"),
    ({"words": "ab"}, "2 words for 5 tokens"), ({"sample": 4}, "no sample 4")])
def test_what_is_none_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArchvizError, match=message):
        draw([states()], STYLE, **options)
