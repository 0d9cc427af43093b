"""The picture maps: a tile for each channel, filter or unit, with its number, in colours of one scale."""
from __future__ import annotations

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.insight.painting import colormap
from archviz.insight.pictures.maps import draw
from archviz.insight.results.recording import Recording
from tests.pictures import MARGIN, STYLE, bars, pixels, result, said, texts, tiles

VALUES = np.linspace(0, 1, 2 * 6 * 3 * 4).reshape(2, 6, 3, 4) * np.array([1, 50, 2, 40, 3, 0.5])[:, None, None]


def test_channels_are_tiles_in_their_order_with_their_numbers_on_one_scale() -> None:
    scene = draw([result(maps={"conv": VALUES}, unit="activation", signed=False)], STYLE, sample=1)
    found, on = tiles(scene), colormap.scale(VALUES[1], STYLE.heat, False, unit="activation")
    assert len(found) == 6 and all(tile.cells for tile in found)
    for k, tile in enumerate(found):
        assert np.array_equal(pixels(tile, 3, 4), on.rgb(VALUES[1, k]))
        assert tile.height == pytest.approx(tile.width * 3 / 4)
    numbers = texts(scene, "note")
    assert [word.string for word in numbers] == list("012345")
    assert all(word.x == pytest.approx(tile.x + tile.width / 2) and word.y < tile.y
               for word, tile in zip(numbers, found, strict=True))
    assert found[0].x == MARGIN and found[1].x - found[0].x == pytest.approx(found[0].width + 2)
    (bar,) = bars(scene)
    assert tuple(pixels(bar)[0, -1]) == tuple(on.rgb(on.high)) and "activation" in said(scene, "bar label")
    assert scene.description == "Made of conv: all 6 channels, on one scale."


def test_so_many_are_the_strongest_and_these_are_those() -> None:
    one = result(maps={"conv": VALUES}, signed=False)
    strongest = draw([one], STYLE, channels=2)
    assert said(strongest, "note") == ["1", "3"] and "channels 1, 3 of 6" in strongest.description
    on = colormap.scale(VALUES[0, [1, 3]], STYLE.heat, False)
    assert np.array_equal(pixels(tiles(strongest)[1], 3, 4), on.rgb(VALUES[0, 3]))
    assert said(draw([one], STYLE, channels=[4, 0]), "note") == ["4", "0"]
    many = result(maps={"conv": np.ones((1, 80, 2, 2))}, signed=False)
    scene = draw([many], STYLE)
    assert len(tiles(scene)) == 64 and "the 64 of 80 channels with the strongest maps" in scene.description


def test_a_layer_is_the_first_with_maps_or_the_one_that_is_named() -> None:
    maps = {"fc": np.ones((1, 4)), "a.conv": VALUES, "b.conv": -VALUES}
    one = Recording({key: {"values": values} for key, values in maps.items()}, {})
    assert draw([one], STYLE).description == "Activations of a.conv: all 6 channels, on one scale."
    negative = draw([one], STYLE, node="b.*")
    assert "b.conv" in negative.description
    on = colormap.scale(-VALUES[0], STYLE.heat, True)       # below zero: a scale with two sides
    assert np.array_equal(pixels(tiles(negative)[5], 3, 4), on.rgb(-VALUES[0, 5]))
    with pytest.raises(ArchvizError, match="no maps of 'a.con'\n  did you mean a.conv"):
        draw([one], STYLE, node="a.con")


def test_filters_of_three_inputs_are_in_colours_and_others_are_summed() -> None:
    weights = np.linspace(-1, 1, 5 * 3 * 2 * 2).reshape(5, 3, 2, 2)
    coloured = draw([], STYLE, weights=weights)
    low, high = weights[2].min(), weights[2].max()
    expected = np.rint(255 * (weights[2] - low) / (high - low)).astype(np.uint8).transpose(1, 2, 0)
    assert len(tiles(coloured)) == 5 and not bars(coloured)
    assert np.array_equal(pixels(tiles(coloured)[2], 2, 2), expected)
    assert coloured.description.startswith("5 filters of 2×2, each in colours of its own")
    summed = draw([], STYLE, weights=weights[:, :2])
    on = colormap.scale(weights[:, :2].sum(1), STYLE.heat, True)
    assert np.array_equal(pixels(tiles(summed)[4], 2, 2), on.rgb(weights[4, :2].sum(0))) and len(bars(summed)) == 1
    assert summed.description == "5 filters of 2×2, each summed over its 2 inputs, on one scale."
    with pytest.raises(ArchvizError, match="are no filters"):
        draw([], STYLE, weights=weights[0])


def test_patches_stand_in_squares_under_their_unit_and_what_was_cut_off_is_grey() -> None:
    whole, cut = np.full((3, 4, 4), 200, np.uint8), np.full((3, 2, 4), 100, np.uint8)
    scene = draw([], STYLE, patches=[[whole, cut, whole], [whole]], units=[7, 11])
    assert said(scene) == ["unit 7", "unit 11"]
    first, second, third, other = tiles(scene)
    assert first.y == second.y < third.y and first.x == third.x < second.x and other.y == first.y
    assert first.width == first.height == second.width
    seen = pixels(second, 4, 4)
    assert (seen[[0, 3]] == 127).all() and (seen[1:3] == 100).all() and (pixels(first) == 200).all()
    assert "For each of 2 units the 3 parts" in scene.description
    with pytest.raises(ArchvizError, match="there are 1 units for the patches of 2"):
        draw([], STYLE, patches=[[whole], [whole]], units=[7])
    with pytest.raises(ArchvizError, match="no patches"):
        draw([], STYLE, patches=[])


@pytest.mark.parametrize("count", [37, 43, 50, 57])
def test_many_tiles_stand_in_rows_of_nearly_equal_length(count: int) -> None:
    scene = draw([result(maps={"conv": np.ones((1, count, 4, 4))}, signed=False)], STYLE)
    found = tiles(scene)
    rows = [sum(tile.y == y for tile in found) for y in sorted({tile.y for tile in found})]
    assert len(rows) > 1 and max(rows) - rows[-1] < len(rows) and len(set(rows[:-1])) == 1
    assert scene.width <= STYLE.page.width + 0.01 and scene.height <= STYLE.page.max_height


def test_what_is_not_there_is_said() -> None:
    with pytest.raises(ArchvizError, match="no channel 9\n  there are 6"):
        draw([result(maps={"conv": VALUES})], STYLE, channels=[9])
    with pytest.raises(ArchvizError, match="holds no maps of channels"):
        draw([result(maps={"fc": np.ones((1, 4))})], STYLE)
    with pytest.raises(ArchvizError, match="no sample 2"):
        draw([result(maps={"conv": VALUES})], STYLE, sample=2)
