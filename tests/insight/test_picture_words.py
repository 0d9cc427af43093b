"""The picture words: each token in a box of its colour, set as the text is read."""
from __future__ import annotations

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.core.scene import Box, Group, Path, Scene
from archviz.insight.painting import colormap
from archviz.insight.pictures._standalone import picture
from archviz.insight.pictures.words import draw
from archviz.insight.results.attribution import Attribution
from archviz.style.layer_colours import contrast
from tests.pictures import HOSTILE, MARGIN, STYLE, bars, pixels, result, said

VALUES = np.array([[-2.0, -0.5, 0.0, 1.0, 2.0]])
WORDS = ["The", "Ġquick", "Ġbrow", "nies", "."]
SIZE = STYLE.roles["on heat"].size


def over_tokens(values: np.ndarray = VALUES, **more: object) -> Attribution:
    return result(**{"inputs": {"/in:ids": values}, **more})


def tokens(scene: Scene) -> list[Group]:
    return [mark for mark in scene.marks if isinstance(mark, Group) and mark.role == "token"]


def box(group: Group) -> Box:
    assert isinstance(group.marks[0], Box)
    return group.marks[0]


def test_each_token_stands_on_the_colour_of_its_number_in_ink_that_reads_on_it() -> None:
    scene = draw([over_tokens()], STYLE, words=WORDS)
    found, on = tokens(scene), colormap.scale(VALUES, STYLE.heat, True)
    assert [group.marks[1].string for group in found] == ["The", "quick", "brow", "nies", "."]
    assert [group.node for group in found] == [f"made 0/{i}" for i in range(5)]
    for group, value in zip(found, VALUES[0], strict=True):
        fill = scene.paint(box(group).role).fill
        assert fill == on.colour(value) and group.title.endswith(f": {colormap.number(value)}")
        assert contrast(scene.paint(group.marks[1].role).color, fill) >= 4.5
    (bar,) = bars(scene)
    assert [tuple(pixels(bar)[0, i]) for i in (0, -1)] == [tuple(on.rgb(-2.0)), tuple(on.rgb(2.0))]
    assert "relevance" in said(scene, "bar label")


def test_a_number_in_between_has_one_of_a_hundred_tints_and_none_has_grey() -> None:
    scene = draw([over_tokens(np.array([[0.333, np.nan, 1.0]]), signed=False)], STYLE, words=["a", "b", "c"])
    on = colormap.scale([1.0], STYLE.heat, False)
    assert [box(group).role for group in tokens(scene)] == ["heat 33", "heat none", "heat 100"]
    assert [scene.paint(box(group).role).fill for group in tokens(scene)] == [on.colour(0.33), "#969696", on.colour(1)]


def test_words_stand_apart_and_their_pieces_together() -> None:
    first, quick, brow, nies, stop = map(box, tokens(draw([over_tokens()], STYLE, words=WORDS)))
    gaps = [b.x - a.x - a.width for a, b in ((first, quick), (quick, brow), (brow, nies), (nies, stop))]
    assert gaps == pytest.approx([0.30 * SIZE, 0.30 * SIZE, 0.03 * SIZE, 0.03 * SIZE])
    assert first.x == MARGIN and {one.y for one in (first, quick, brow, nies, stop)} == {first.y}


def test_lines_break_before_words_within_the_page_and_behind_line_ends() -> None:
    words = ["word", "Ġanother"] * 60
    scene = draw([over_tokens(np.sin(np.arange(120.0))[None])], STYLE, words=words)
    boxes = [box(group) for group in tokens(scene)]
    assert max(one.x + one.width for one in boxes) <= STYLE.page.width - MARGIN + 0.01
    lines = sorted({one.y for one in boxes})
    assert len(lines) > 2 and np.diff(lines) == pytest.approx(1.72 * SIZE)
    starts = [i for i in range(1, 120) if boxes[i].y > boxes[i - 1].y]
    assert all(words[i] == "Ġanother" for i in starts)      # "word" goes on with the one before it
    broken = [box(group).y for group in tokens(draw([over_tokens()], STYLE, words=["a", "b", "\n", "c", "d"]))]
    assert broken[0] == broken[2] < broken[3] == broken[4]


def test_a_text_from_right_to_left_begins_at_the_right() -> None:
    scene = draw([over_tokens()], STYLE, words=["שלום", "עולם", "טוב", "שלום", "עולם"])
    lefts = [box(group).x for group in tokens(scene)]
    assert lefts == sorted(lefts, reverse=True)


def test_a_space_is_a_sign_without_a_font() -> None:
    scene = draw([over_tokens()], STYLE, words=list("ab cd"))
    marks = tokens(scene)[2].marks
    assert len(marks) == 2 and isinstance(marks[1], Path)
    assert scene.paint(marks[1].role).stroke == scene.paint("on heat").color


def test_without_words_ids_are_shown_and_padding_is_not() -> None:
    with_ids = over_tokens(shown={"/in:ids": np.array([[5, 17, 3, 9, 1]])})
    assert [group.marks[1].string for group in tokens(draw([with_ids], STYLE))] == ["5", "17", "3", "9", "1"]
    assert [group.marks[1].string for group in tokens(draw([over_tokens()], STYLE))] == list("01234")
    padded = draw([over_tokens()], STYLE, words=["a", "[PAD]", "b", "[PAD]", "[PAD]"])
    assert [group.marks[1].string for group in tokens(padded)] == ["a", "[PAD]", "b"]


def test_maps_of_one_kind_share_a_bar_and_others_have_their_own() -> None:
    one, other = over_tokens(target="class 7"), over_tokens(2 * VALUES, target="class 8")
    scene = draw([one, other], STYLE, words=WORDS)
    on = colormap.scale([VALUES, 2 * VALUES], STYLE.heat, True)
    assert said(scene, "heading") == ["class 7", "class 8"] and len(bars(scene)) == 1 and len(tokens(scene)) == 10
    assert scene.paint(box(tokens(scene)[4]).role).fill == on.colour(2.0)
    third = over_tokens(abs(VALUES), title="Other", signed=False)
    assert len(bars(draw([one, third], STYLE, words=WORDS))) == 2


def test_samples_are_paragraphs_with_their_names() -> None:
    two = over_tokens(np.vstack([VALUES, -VALUES]))
    scene = draw([two], STYLE, words=[WORDS, list("abcde")], names=["one", HOSTILE])
    assert said(scene, "heading") == ["one", HOSTILE]
    assert [group.marks[1].string for group in tokens(scene)[5:]] == list("abcde")
    assert box(tokens(scene)[5]).y > box(tokens(scene)[0]).y


def test_hostile_words_are_escaped_in_every_file() -> None:
    hostile = ["<script>", "&amp;", '"', "\\input{x}", "]]>"]
    drawn = picture([over_tokens()], "words", words=hostile)
    svg, tex = drawn.render("svg").decode(), drawn.render("tex").decode()
    assert "<script>" not in svg and "&lt;script&gt;" in svg and "&amp;amp;" in svg
    assert "\\input{" not in tex and "textbackslash" in tex
    assert [group.marks[1].string for group in tokens(drawn.scene)] == hostile


def test_another_number_of_words_than_tokens_is_refused() -> None:
    with pytest.raises(ArchvizError, match="2 words for 5 tokens"):
        draw([over_tokens()], STYLE, words=["a", "b"])
    with pytest.raises(ArchvizError, match="none for sample 1"):
        draw([over_tokens(np.vstack([VALUES, VALUES]))], STYLE, words=[WORDS])
