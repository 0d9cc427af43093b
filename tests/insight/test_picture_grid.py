"""The picture grid: a row for each input and target, a column for each method, scales shared as asked."""
from __future__ import annotations

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.insight.painting import colormap
from archviz.insight.pictures.grid import draw
from archviz.insight.results.attribution import Attribution
from tests.pictures import HOSTILE, STYLE, bars, over_images, pixels, said, texts, tiles

FINE = np.sin(np.arange(2 * 20 * 20) * 2.0).reshape(2, 20, 20)      # no two neighbours alike
SMOOTH = np.stack([np.outer(np.hanning(20), np.hanning(20)) * k for k in (1, 2)])


def one(title: str = "A", target: str = "class 7", values: np.ndarray = FINE, **more: object) -> Attribution:
    return over_images(values, title=title, target=target, **more)


def test_rows_are_inputs_and_columns_are_methods() -> None:
    scene = draw([one("A"), one("B", values=0.5 * FINE)], STYLE)
    found = tiles(scene)
    assert len(found) == 6 and len({tile.y for tile in found}) == 2 and len({tile.x for tile in found}) == 3
    assert said(scene, "heading")[:3] == ["input", "A", "B"]
    for i, row in enumerate((found[:3], found[3:])):
        assert np.array_equal(pixels(row[0]), one().shown["/in:x"][i].transpose(1, 2, 0))
        for tile, values in zip(row[1:], (FINE, 0.5 * FINE), strict=True):      # each method on its own scale
            assert np.array_equal(pixels(tile, 20, 20), colormap.scale(values, STYLE.heat, True).rgb(values[i]))
    assert len(bars(scene)) == 2 and scene.description.endswith("The maps of a method share its scale.")


def test_all_maps_or_each_alone_may_have_a_scale() -> None:
    both = [one("A"), one("B", values=0.5 * FINE)]
    shared = draw(both, STYLE, scale="all")
    on = colormap.scale([FINE, 0.5 * FINE], STYLE.heat, True)
    assert np.array_equal(pixels(tiles(shared)[2], 20, 20), on.rgb(0.5 * FINE[0])) and len(bars(shared)) == 1
    alone = draw([one("A", values=np.stack([FINE[0], 0.1 * FINE[0]]))], STYLE, scale="map")
    first, second = tiles(alone)[1], tiles(alone)[3]
    assert np.array_equal(pixels(first), pixels(second)) and {"−max", "0", "max"} <= set(said(alone, "bar label"))
    mixed = draw([one("A"), one("B", values=abs(FINE))], STYLE, scale="map")
    assert len(bars(mixed)) == 2
    with pytest.raises(ArchvizError, match="no unit in common"):
        draw([one("A"), one("B", unit="other")], STYLE, scale="all")


def test_of_several_targets_each_input_has_a_row_and_is_shown_once() -> None:
    scene = draw([one(target="cat"), one(target="dog"), one("B", "dog")], STYLE, names=["first", HOSTILE])
    found = tiles(scene)
    assert len(found) == 2 * (1 + 1 + 2)       # the input, A and nothing; nothing, A and B
    labels = [word.string for word in texts(scene, "heading") if word.rotate]
    assert labels[:2] == ["first, cat", "first, dog"] and any(label.startswith(HOSTILE) for label in labels)
    xs = sorted({round(tile.x, 3) for tile in found})
    rows = [[xs.index(round(tile.x, 3)) for tile in found if tile.y == y] for y in sorted({tile.y for tile in found})]
    assert rows == [[0, 1], [1, 2], [0, 1], [1, 2]]


def test_one_input_asked_several_things_is_one_row_of_targets() -> None:
    scene = draw([one(target="cat", values=FINE[:1]), one(target="dog", values=FINE[:1])], STYLE)
    assert len({tile.y for tile in tiles(scene)}) == 1 and len(tiles(scene)) == 3
    assert [word.string for word in texts(scene, "heading") if not word.rotate] == ["input", "cat", "dog", "A"]
    assert len(bars(scene)) == 1


def test_a_map_without_detail_lies_over_the_image_and_a_fine_one_stands_alone() -> None:
    scene = draw([one("fine"), one("smooth", values=SMOOTH)], STYLE, samples=[1])
    image, fine, smooth = tiles(scene)
    on = colormap.scale(SMOOTH[1:], STYLE.heat, False)
    assert np.array_equal(pixels(smooth), colormap.blended(colormap.grey(pixels(image)), SMOOTH[1], on))
    assert np.array_equal(pixels(fine, 20, 20), colormap.scale(FINE[1:], STYLE.heat, True).rgb(FINE[1]))
    heat = tiles(draw([one("smooth", values=SMOOTH)], STYLE, samples=[1], panel="heat"))[1]
    assert np.array_equal(pixels(heat, 20, 20), on.rgb(SMOOTH[1]))
    over = tiles(draw([one("fine")], STYLE, samples=[1], panel="over"))[1]
    assert np.array_equal(pixels(over), colormap.blended(
        colormap.grey(pixels(image)), FINE[1], colormap.scale(FINE[1:], STYLE.heat, True)))


def test_a_single_row_goes_on_below_where_it_is_long() -> None:
    methods = [one(f"method {i}", values=FINE[:1]) for i in range(9)]
    scene = draw(methods, STYLE)
    found = tiles(scene)
    assert len(found) == 10 and len({tile.y for tile in found}) == 2 and len({tile.x for tile in found}) == 5
    assert found[0].width >= 62 and [word for word in said(scene, "heading") if word == "method 8"]


@pytest.mark.parametrize(("options", "message"), [
    ({"panel": "ovr"}, "no panel 'ovr'\n  did you mean over"), ({"scale": "maps"}, "no scale 'maps'"),
    ({"samples": [5]}, "there is no sample 5")])
def test_a_choice_that_is_none_is_said(options: dict[str, object], message: str) -> None:
    with pytest.raises(ArchvizError, match=message):
        draw([one()], STYLE, **options)
