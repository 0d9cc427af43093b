"""The picture matrix: a cell for each query and key in the colour of its weight, tokens on both axes."""
from __future__ import annotations

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.insight.painting import colormap
from archviz.insight.pictures.matrix import draw
from archviz.insight.results.attribution import Attribution
from tests.pictures import HOSTILE, STYLE, bars, pixels, result, said, texts, tiles

WORDS = ("I", "am", "elsewhere")


def attention(*shape: int, **more: np.ndarray) -> Attribution:
    """Weights (samples, heads, queries, keys) of a layer ``a``, whose rows sum to 1."""
    weights = np.exp(np.sin(np.arange(np.prod(shape)) * 1.3)).reshape(shape)
    extra = {"attention:a": weights / weights.sum(-1, keepdims=True), **more}
    return result(title="Attention", signed=False, unit="", extra=extra)


def test_each_cell_has_the_colour_of_its_weight() -> None:
    one = attention(2, 1, 3, 3)
    scene = draw([one], STYLE, words=WORDS, sample=1)
    (tile,) = tiles(scene)
    weights = one.extra["attention:a"][1, 0]
    on = colormap.scale(weights, STYLE.heat, False, unit="attention")
    assert np.array_equal(pixels(tile, 3, 3), on.rgb(weights)) and tile.cells and tile.width == tile.height == 39
    assert on.low == 0 and "attention" in said(scene, "bar label")
    (bar,) = bars(scene)
    assert bar.x > tile.x + tile.width and bar.height > bar.width
    assert tuple(pixels(bar)[0, 0]) == tuple(on.rgb(on.high))      # high values at the top
    assert scene.description == "Attention of a. Rows are the tokens that look, columns those that are looked at."


def test_tokens_stand_beside_their_rows_and_above_their_columns() -> None:
    scene = draw([attention(1, 1, 3, 3)], STYLE, words=WORDS)
    (tile,), notes = tiles(scene), texts(scene, "note")
    rows, columns = ([word for word in notes if (word.anchor == "end") is beside] for beside in (True, False))
    assert [word.string for word in rows] == [word.string for word in columns] == list(WORDS)
    cell, size = tile.width / 3, STYLE.roles["note"].size
    for i, word in enumerate(rows):
        assert word.x == tile.x - 2 and word.y == pytest.approx(tile.y + (i + 0.5) * cell + 0.35 * size)
    for i, word in enumerate(columns):      # wider than a cell: they lean
        assert word.rotate == -60 and word.y < tile.y and abs(word.x - tile.x - (i + 0.5) * cell) < 0.2 * size
    short = [word for word in texts(draw([attention(1, 1, 3, 3)], STYLE, words="abc"), "note") if word.anchor != "end"]
    assert {(word.anchor, word.rotate) for word in short} == {("middle", 0.0)}


def test_queries_may_be_other_tokens_than_keys() -> None:
    scene = draw([attention(1, 1, 2, 3)], STYLE, words=WORDS, queries=[HOSTILE, "ja"])
    (tile,) = tiles(scene)
    assert tile.width / tile.height == pytest.approx(3 / 2)
    assert [word.string for word in texts(scene, "note") if word.anchor == "end"] == [HOSTILE, "ja"]
    numbered = draw([attention(1, 1, 2, 3)], STYLE, words=WORDS)
    assert [word.string for word in texts(numbered, "note") if word.anchor == "end"] == ["0", "1"]


def test_heads_are_matrices_side_by_side_and_may_be_averaged() -> None:
    one = attention(1, 4, 3, 3)
    weights = one.extra["attention:a"][0]
    every = draw([one], STYLE, words=WORDS)
    assert said(every, "heading") == ["head 0", "head 1", "head 2", "head 3"]
    found, on = tiles(every), colormap.scale(weights, STYLE.heat, False)
    assert all(np.array_equal(pixels(tile, 3, 3), on.rgb(head)) for tile, head in zip(found, weights, strict=True))
    gaps = [b.x - a.x - a.width for a, b in zip(found, found[1:], strict=False)]
    assert gaps == pytest.approx([7] * 3)
    assert [word.x for word in texts(every, "heading")] == pytest.approx([tile.x + tile.width / 2 for tile in found])
    assert len([word for word in texts(every, "note") if word.anchor == "end"]) == 3       # only beside the first
    mean = draw([one], STYLE, words=WORDS, heads="mean")
    on = colormap.scale(weights.mean(0), STYLE.heat, False)
    assert np.array_equal(pixels(tiles(mean)[0], 3, 3), on.rgb(weights.mean(0))) and not said(mean, "heading")
    assert said(draw([one], STYLE, heads=[2, 0]), "heading") == ["head 2", "head 0"]
    assert said(draw([one], STYLE, heads=1), "heading") == ["head 1"]


def test_of_several_layers_each_shows_the_mean_of_its_heads() -> None:
    other = attention(1, 2, 3, 3).extra["attention:a"][:, ::-1]
    one = attention(1, 2, 3, 3, **{"attention:blocks.1.attn": other, "attention:blocks.0.attn": other})
    scene = draw([one], STYLE, nodes="blocks.*")
    assert said(scene, "heading") == ["layer 1", "layer 0"]
    assert "Each matrix is the mean over the heads of a layer." in scene.description
    on = colormap.scale(other[0].mean(0), STYLE.heat, False)
    assert np.array_equal(pixels(tiles(scene)[0], 3, 3), on.rgb(other[0].mean(0)))
    named = draw([one], STYLE, nodes=["blocks.0.attn", "blocks.1.attn"], heads=[1])
    assert [word[:7] for word in said(named, "heading")] == ["layer 1", "layer 0"]
    on = colormap.scale(other[0, 1], STYLE.heat, False)
    assert np.array_equal(pixels(tiles(named)[0], 3, 3), on.rgb(other[0, 1]))


def test_padding_has_no_row_and_no_column() -> None:
    scene = draw([attention(1, 1, 4, 4)], STYLE, words=["a", "b", "[PAD]", "[PAD]"])
    (tile,) = tiles(scene)
    assert pixels(tile, 2, 2).shape == (2, 2, 3) and "[PAD]" not in said(scene)
    assert "Padding is left out." in scene.description


def test_cells_too_small_for_words_are_counted() -> None:
    scene = draw([attention(1, 1, 150, 150)], STYLE, words=["word"] * 150)
    beside = [word.string for word in texts(scene, "note") if word.anchor == "end" and word.string]
    assert set(map(int, beside)) == set(range(0, 150, int(beside[1]))) and "word" not in said(scene)
    size = STYLE.roles["note"].size
    ys = [word.y for word in texts(scene, "note") if word.anchor == "end" and word.string]
    assert min(b - a for a, b in zip(ys, ys[1:], strict=False)) >= size


@pytest.mark.parametrize(("options", "message"), [
    ({"heads": 5}, "no head 5\n  there are 2"), ({"heads": "men"}, "heads 'men'"),
    ({"nodes": "b"}, "no attention is named b"),
    ({"words": ["one"]}, "1 words for 3 tokens"), ({"sample": 1}, "no sample 1")])
def test_what_is_none_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArchvizError, match=message):
        draw([attention(1, 2, 3, 3)], STYLE, **options)
