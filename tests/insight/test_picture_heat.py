"""The picture heat: image, map, and map over the image, side by side, in the colours of the bar below."""
from __future__ import annotations

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.insight.painting import colormap
from archviz.insight.pictures.heat import draw
from archviz.style.style import load_style
from tests.pictures import HOSTILE, MARGIN, STYLE, bars, over_images, pixels, said, texts, tiles

VALUES = np.linspace(-1, 2, 2 * 4 * 6).reshape(2, 4, 6)


def test_one_sample_is_three_tiles_of_one_size_beside_each_other() -> None:
    scene = draw([over_images(VALUES[:1])], STYLE)
    image, heat, over = tiles(scene)
    assert len({(tile.y, tile.width, tile.height) for tile in (image, heat, over)}) == 1
    assert image.x == MARGIN and heat.x - image.x == over.x - heat.x == image.width + 3
    assert image.height == pytest.approx(image.width * 4 / 6) and image.width == 122      # as wide as a tile may be
    assert scene.width == pytest.approx(over.x + over.width + MARGIN)
    titles = texts(scene, "heading")
    assert [word.string for word in titles] == ["input", "Made", "over the input"]
    assert [word.x for word in titles] == [tile.x + tile.width / 2 for tile in (image, heat, over)]
    assert all(word.y < image.y for word in titles)


def test_every_pixel_is_the_colour_of_its_number() -> None:
    one = over_images(VALUES[:1])
    scene = draw([one], STYLE)
    on = colormap.scale(VALUES[0], STYLE.heat, True)
    assert -on.low == on.high == abs(VALUES[0]).max()
    photo = one.shown["/in:x"][0].transpose(1, 2, 0)
    image, heat, over = tiles(scene)
    assert np.array_equal(pixels(image), photo)
    assert np.array_equal(pixels(heat, 4, 6), on.rgb(VALUES[0])) and heat.cells and not image.cells
    assert np.array_equal(pixels(over), colormap.blended(colormap.grey(photo), VALUES[0], on))
    coloured = tiles(draw([one], STYLE, colours=True))[2]
    assert np.array_equal(pixels(coloured), colormap.blended(photo, VALUES[0], on))


def test_the_bar_stands_below_what_has_colours_and_has_its_ends() -> None:
    scene = draw([over_images(VALUES[:1])], STYLE)
    (bar,), (_, heat, over) = bars(scene), tiles(scene)
    on = colormap.scale(VALUES[0], STYLE.heat, True, unit="relevance")
    assert bar.y > heat.y + heat.height and heat.x <= bar.x and bar.x + bar.width <= over.x + over.width
    assert (bar.x - heat.x) == pytest.approx(over.x + over.width - bar.x - bar.width)
    seen = pixels(bar)
    assert [tuple(seen[0, at]) for at in (0, -1)] == [tuple(on.rgb(on.low)), tuple(on.rgb(on.high))]
    labels = texts(scene, "bar label")
    assert [label.string for label in labels] == [*(word for _, word in on.ticks()), "relevance"]
    for (value, _), label in zip(on.ticks(), labels, strict=False):
        assert label.x == pytest.approx(bar.x + bar.width * (value - on.low) / (on.high - on.low))


def test_samples_are_rows_with_their_names_on_one_scale() -> None:
    scene = draw([over_images(VALUES)], STYLE)
    found = tiles(scene)
    assert len(found) == 6 and [tile.y for tile in found[:3]] != [tile.y for tile in found[3:]]
    assert found[3].y - found[0].y == pytest.approx(found[0].height + 3)
    on = colormap.scale(VALUES, STYLE.heat, True)
    assert np.array_equal(pixels(found[4], 4, 6), on.rgb(VALUES[1]))
    beside = [word for word in texts(scene, "heading") if word.rotate]
    assert [word.string for word in beside] == ["input 0", "input 1"]
    assert all(word.x < found[0].x for word in beside)
    named = draw([over_images(VALUES)], STYLE, names=["cat", HOSTILE], samples=[1, 0])
    assert {"cat", HOSTILE} <= set(said(named))
    first = pixels(tiles(named)[1], 4, 6)
    assert np.array_equal(first, on.rgb(VALUES[1]))


def test_panels_are_those_that_were_asked_for_in_their_order() -> None:
    one = over_images(VALUES[:1])
    assert said(draw([one], STYLE, panels="over, image"), "heading") == ["over the input", "input"]
    alone = draw([one], STYLE, panels="image")
    assert len(tiles(alone)) == 1 and not bars(alone)
    grey = draw([one], load_style("block", theme="mono"))
    assert said(grey, "heading") == ["input", "Made"]      # greys over greys could not be told apart
    seen = pixels(tiles(grey)[0])
    assert (seen == seen[..., :1]).all()


def test_the_caption_says_the_target_the_signs_and_what_is_left_out() -> None:
    both = draw([over_images(VALUES)], STYLE)
    assert both.description == "Made for class 7. Values above zero speak for the target, those below zero against it."
    assert "above zero" not in draw([over_images(abs(VALUES))], STYLE).description
    many = draw([over_images(np.linspace(0, 1, 90 * 4 * 4).reshape(90, 4, 4))], STYLE)
    count = len(tiles(many)) // 3
    assert f"The first {count} of 90 inputs are shown." in many.description
    assert "lie beyond" not in both.description and "have the colour of the bar's end" in draw(
        [over_images(VALUES)], STYLE, limit=1.0).description


@pytest.mark.parametrize(("options", "message"), [
    ({"panels": "heet"}, "no panel 'heet'\n  did you mean heat"), ({"samples": [2]}, "no sample 2\n  there are 2")])
def test_what_is_none_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArchvizError, match=message):
        draw([over_images(VALUES)], STYLE, **options)
    with pytest.raises(ArchvizError, match="shows one map, not 2"):
        draw([over_images(VALUES)] * 2, STYLE)
