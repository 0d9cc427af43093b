"""Numbers → colours: what the bar's ends mean, which colours may stand for numbers, and that the image stays seen."""
from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from skimage.color import rgb2lab

from archviz.core.errors import ArchvizError
from archviz.insight.painting import colormap
from archviz.style.style import load_style, theme_names
from tests.eyes import VISIONS, contrast, distance

MAPS = load_style("block").heat
THEMES = [None, *theme_names()]
floats = st.floats(-1e6, 1e6, allow_subnormal=False)


def lightness(colours: np.ndarray) -> np.ndarray:
    return rgb2lab(colours.reshape(1, -1, 3))[0, :, 0]


@pytest.mark.parametrize("theme", THEMES)
def test_unsigned_heat_changes_its_lightness_one_way(theme):
    on = colormap.scale([1.0], load_style("block", theme=theme).heat, signed=False)
    steps = np.diff(lightness(on.bar(33)))
    assert (steps < 0.3).all() or (steps > -0.3).all()
    assert abs(steps.sum()) > 45


@pytest.mark.parametrize("theme", [theme for theme in THEMES if theme != "mono"])
def test_signed_heat_is_as_strong_on_both_sides_of_zero(theme):
    on = colormap.scale([-1.0, 1.0], load_style("block", theme=theme).heat)
    bar = lightness(on.bar(65))
    assert abs(bar - bar[::-1]).max() < 12          # of 100
    assert int(abs(bar - bar[[0, -1]].mean()).argmax()) in range(28, 37)
    for vision in set(VISIONS) - {"greyscale"}:     # who sees no difference of red and green sees this one
        assert distance(on.colour(-1), on.colour(1), vision) > 40


@pytest.mark.parametrize("theme", THEMES)
def test_a_label_reads_on_every_colour_in_one_of_two_inks(theme):
    style = load_style("block", theme=theme)
    inks = [style.roles[role].color for role in ("on heat", "on heat light")]
    for signed in (False, True):
        on = colormap.scale([1.0], style.heat, signed)
        for colour in on.colours(np.linspace(on.low, on.high, 101)):
            assert max(contrast(ink, colour) for ink in inks) >= 4.5


def test_mono_has_no_colours():
    maps = load_style("block", theme="mono").heat
    for signed in (False, True):
        bar = colormap.scale([1.0], maps, signed).bar(101).astype(int)
        assert abs(bar - bar[..., :1]).max() <= 1


@given(arrays(float, st.integers(1, 40), elements=floats))
def test_a_signed_scale_is_symmetric_around_zero_and_ends_at_the_largest_magnitude(values):
    on = colormap.scale(values, MAPS)
    assert on.low == -on.high
    assert on.high == (abs(values).max() or 1.0)
    assert on.clipped == 0 and on.signed
    assert on.parts(0.0) == 0.5 and on.strengths(0.0) == 0
    assert np.allclose(on.parts(values) + on.parts(-values), 1)


@given(arrays(float, st.integers(1, 40), elements=st.floats(0, 1e6, allow_subnormal=False)))
def test_an_unsigned_scale_begins_at_zero(values):
    on = colormap.scale(values, MAPS, signed=False)
    assert (on.low, on.high) == (0.0, values.max() or 1.0)
    assert np.array_equal(on.bar(7)[0], on.rgb(np.linspace(0, on.high, 7)))
    assert np.array_equal(on.bar(7, down=True)[:, 0], on.bar(7)[0, ::-1])


def test_of_many_values_the_stray_ones_are_clipped_and_the_bar_says_so():
    values = np.concatenate([np.linspace(0, 1, 2000), [1e6] * 4])
    robust, full = colormap.scale(values, MAPS, False, unit="drop"), colormap.scale(values, MAPS, False, "max", "drop")
    assert 0.99 < robust.high < 1.0 and robust.said == "drop, 0.5\N{NO-BREAK SPACE}%\N{NO-BREAK SPACE}clipped"
    assert (full.high, full.said) == (1e6, "drop")
    assert colormap.scale(values[-1000:], MAPS, False).clipped == 0         # few: all are shown
    assert colormap.scale(values[:2000], MAPS, False).clipped == 0          # none stray
    assert colormap.scale(values, MAPS, False, "50%").high == pytest.approx(0.5, abs=0.01)
    assert colormap.scale(values, MAPS, False, 0.25).clipped == pytest.approx(0.75, abs=0.01)


def test_a_map_that_is_nearly_all_zero_still_has_a_scale():
    values = np.zeros(5000)
    values[7] = 3.0
    assert colormap.scale(values, MAPS).high == 3.0
    assert colormap.scale(np.zeros(5000), MAPS).high == colormap.scale([], MAPS).high == 1.0


def test_what_is_no_number_has_a_colour_of_its_own():
    on = colormap.scale([np.nan, np.inf, -np.inf, 2.0, -1.0], MAPS)
    assert on.high == 2.0
    assert list(on.colours([np.nan, np.inf, -np.inf])) == ["#969696", on.colour(2), on.colour(-2)]
    assert "#969696" not in on.colours(np.linspace(-2, 2, 999))


@pytest.mark.parametrize("limit", ["most", "0%", "101%", "x%", -1.0, 0.0, float("nan"), float("inf")])
def test_a_limit_that_is_none_is_refused(limit):
    with pytest.raises(ArchvizError):
        colormap.scale([1.0], MAPS, limit=limit)


def test_a_colour_map_that_is_none_is_refused_with_the_nearest():
    with pytest.raises(ArchvizError, match="no colour map 'virids'\n  did you mean viridis"):
        colormap.scale([1.0], {"signed": "virids"})
    with pytest.raises(ArchvizError, match="unsigned"):
        colormap.scale([1.0], {"signed": "viridis"}, signed=False)
    with pytest.raises(ArchvizError, match="did you mean signed"):
        load_style("block", {"heat.sined": "viridis"})
    assert load_style("block", {"heat.signed": "crameri:vik"}).heat["signed"] == "crameri:vik"


@given(st.floats(1e-12, 1e12), st.integers(2, 7), st.booleans())
def test_ticks_are_few_round_and_on_the_bar(high, most, signed):
    low = -high if signed else 0.0
    found = colormap.ticks(low, high, most)
    assert 1 <= len(found) <= most
    assert all(low - 1e-6 * high <= value <= high * (1 + 1e-6) for value, _ in found)
    assert "0" in [label for _, label in found]
    assert len({label for _, label in found}) == len(found)
    assert all(len(label) <= 10 for _, label in found)


def test_ticks_read_as_an_author_writes_them():
    def said(low: float, high: float, most: int = 5) -> list[str]:
        return [label for _, label in colormap.ticks(low, high, most)]

    assert said(0, 0.0314) == ["0", "0.01", "0.02", "0.03"]
    assert said(-0.0314, 0.0314, 3) == ["−0.02", "0", "0.02"]
    assert said(0, 1) == ["0", "0.25", "0.50", "0.75", "1.00"]
    assert said(0, 3e-4) == ["0", "1e−4", "2e−4", "3e−4"]
    assert said(0, 12345) == ["0", "2500", "5000", "7500", "10000"]
    assert [colormap.number(v) for v in (0.031415, -12.5, 2.1e-5, 0, 1234.5, float("nan"))] == [
        "0.0314", "−12.5", "2.1e−5", "0", "1230", "nan"]


def test_heat_over_an_image_leaves_the_image_where_there_is_none():
    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    values = np.zeros((24, 32))
    values[:, 16:] = 1.0
    on = colormap.scale(values, MAPS, signed=False)
    drawn = colormap.blended(image, values, on, faded=0.0)
    assert np.array_equal(drawn[:, :16], image[:, :16])
    faint = colormap.blended(image, values, on, faded=0.5)[:, :16].astype(int)
    assert abs(2 * faint - image[:, :16] - on.rgb(0.0)).max() <= 1
    assert len(np.unique(drawn[:, 16:].reshape(-1, 3), axis=0)) > 100       # one still sees the image
    assert np.array_equal(colormap.blended(image, values, on, strength=1.0)[0, 20], on.rgb(1.0))


def test_a_small_map_is_enlarged_smoothly_within_its_range_or_in_cells():
    small = np.array([[0.0, 1.0], [0.0, 0.0]])
    smooth, cells = colormap.resized(small, 20, 20), colormap.resized(small, 20, 20, smooth=False)
    assert smooth.min() >= 0 and smooth.max() <= 1 and len(np.unique(smooth)) > 50
    assert np.array_equal(cells, small.repeat(10, 0).repeat(10, 1))


@pytest.mark.parametrize("colours", [2, 256, 4096])
def test_a_png_has_the_same_pixels_and_the_same_bytes(colours):
    rng = np.random.default_rng(1)
    pixels = rng.integers(0, 256, (colours, 3), np.uint8)[rng.integers(0, colours, (65, 63))]
    written = colormap.png(pixels)
    assert np.array_equal(np.asarray(Image.open(BytesIO(written)).convert("RGB")), pixels)
    assert colormap.png(pixels.copy()) == written
    large = colormap.enlarged(pixels, 200)
    assert large.shape == (260, 252, 3) and np.array_equal(large[::4, ::4], pixels)
