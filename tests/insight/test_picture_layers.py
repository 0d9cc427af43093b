"""The picture layers, from a recording made by hand: a column for each layer, in the colours of its own numbers."""
from __future__ import annotations

import numpy as np
import pytest

from archviz.core.errors import ArchvizError
from archviz.core.scene import Box, Group, Scene
from archviz.insight.painting import colormap
from archviz.insight.pictures.layers import draw
from archviz.insight.results.recording import Recording
from tests.pictures import HOSTILE, MARGIN, STYLE, bars, every, pixels, said, texts, tiles

IMAGE = (np.arange(2 * 3 * 8 * 8) * 37 % 256 / 255).reshape(2, 3, 8, 8).astype(np.float32)
CONV = np.linspace(-1, 1, 2 * 5 * 4 * 4).reshape(2, 5, 4, 4).astype(np.float32)
LINEAR = np.array([[0.5, -1.0, 2.0], [3.0, 1.0, 2.0]], np.float32)
MAPS = {**STYLE.heat, "unsigned": STYLE.heat.get("maps", STYLE.heat["unsigned"])}


def recording(**more: np.ndarray) -> Recording:
    arrays = {"/in:x": IMAGE, "conv": CONV, **more, "fc": LINEAR}
    return Recording({key: {"values": values} for key, values in arrays.items()},
                     {"/in:x": "input", "conv": "conv2d", "fc": "linear", **dict.fromkeys(more, "relu")})


def columns(scene: Scene) -> dict[str, Group]:
    return {mark.node: mark for mark in scene.marks if isinstance(mark, Group)}


def of(scene: Scene, key: str) -> Scene:
    """One column as a scene of its own."""
    return Scene(columns(scene)[key].marks, scene.sheet, scene.width, scene.height)


def test_a_column_for_each_layer_from_left_to_right_apart() -> None:
    scene = draw([recording()], STYLE)
    assert list(columns(scene)) == ["/in:x", "conv", "fc"]
    assert columns(scene)["conv"].title.endswith(": 5@4×4")
    assert said(of(scene, "conv"), "note")[0] == "5@4×4" and said(of(scene, "/in:x"), "heading") == ["x"]
    ends = [(min(tile.x for tile in tiles(of(scene, key))), max(tile.x + tile.width for tile in tiles(of(scene, key))))
            for key in ("/in:x", "conv")]
    assert ends[0][0] >= MARGIN - 0.01 and ends[1][0] - ends[0][1] == pytest.approx(8)


def test_tiles_are_channels_two_abreast_on_the_layers_own_scale() -> None:
    scene = draw([recording()], STYLE, sample=1)
    found, on = tiles(of(scene, "conv")), colormap.scale(CONV[1].astype(float), MAPS, bool((CONV[1] < 0).any()))
    assert len(found) == 5 and all(tile.cells for tile in found)
    for tile, values in zip(found, CONV[1], strict=True):
        assert np.array_equal(pixels(tile, 4, 4), on.rgb(values.astype(float)))
    assert [(tile.x == found[0].x, tile.y == found[0].y) for tile in found] == [
        (True, True), (False, True), (True, False), (False, False), (True, False)]
    assert found[1].x - found[0].x - found[0].width == pytest.approx(1.6)
    (bar,) = bars(of(scene, "conv"))
    assert tuple(pixels(bar)[0, -1]) == tuple(on.rgb(on.high)) and bar.y > found[-1].y + found[-1].height


def test_the_input_is_its_picture_and_has_no_bar() -> None:
    scene = of(draw([recording()], STYLE, sample=1), "/in:x")
    (tile,) = tiles(scene)
    assert np.array_equal(pixels(tile, 8, 8), np.rint(255 * IMAGE[1].astype(float)).astype(np.uint8).transpose(1, 2, 0))
    assert not bars(scene)
    other = draw([recording()], STYLE, images={"/in:x": np.full((2, 3, 8, 8), 7, np.uint8)})
    assert (pixels(tiles(of(other, "/in:x"))[0]) == 7).all()


def test_scores_are_bars_in_proportion_with_names_and_the_largest_stands_out() -> None:
    scene = of(draw([recording()], STYLE, names={0: "cat", 1: HOSTILE}), "fc")
    found = [mark for mark in every(scene.marks) if isinstance(mark, Box) and mark.role.startswith("score")]
    assert [mark.role for mark in found] == ["score", "score", "score best"]
    assert [mark.width / found[0].width for mark in found] == pytest.approx([1, 2, 4])
    zero = found[0].x
    assert (found[1].x + found[1].width, found[2].x) == pytest.approx((zero, zero))       # −1 to the left
    words = [word.string for word in texts(scene, "note")]
    assert {"cat", "2", "0.50", "−1.00", "2.00"} <= set(words) and not bars(scene)
    assert any(word.startswith(HOSTILE[:3]) for word in words)


def test_what_is_left_out_is_said() -> None:
    scene = draw([recording()], STYLE, channels=3)
    assert "3 of 5" in said(of(scene, "conv")) and "the first 3 channels are shown" in scene.description
    assert len(tiles(of(scene, "conv"))) == 3
    many = Recording({"conv": {"values": CONV}, "fc": {"values": np.arange(40.0)[None].repeat(2, 0)}}, {"fc": "linear"})
    best = of(draw([many], STYLE), "fc")
    assert any(word.endswith(" of 40") for word in said(best)) and "39" in said(best) and "20" not in said(best)


def test_the_caption_says_what_came_out() -> None:
    caption = draw([recording()], STYLE, names=["cat", "dog", "hen"]).description
    assert "Bars are the 3 values that come out, the largest that of class 2 (hen, 2)." in caption
    assert "Each layer has a colour scale of its own, the bar below it." in caption


def test_a_layer_that_changes_nothing_is_none_and_nodes_choose() -> None:
    assert list(columns(draw([recording(again=CONV)], STYLE))) == ["/in:x", "conv", "fc"]
    other = recording(relu=np.maximum(CONV, 0))
    assert list(columns(draw([other], STYLE))) == ["/in:x", "conv", "relu", "fc"]
    assert list(columns(draw([other], STYLE, nodes="re*"))) == ["/in:x", "relu"]
    with pytest.raises(ArchvizError, match="no layer with values is named cnv\n  did you mean conv"):
        draw([other], STYLE, nodes="cnv")


def test_where_the_page_is_narrow_layers_go_on_below() -> None:
    more = {f"relu{i}": CONV * (i + 2) for i in range(12)}
    scene = draw([recording(**more)], STYLE)
    tops = {key: min(tile.y for tile in tiles(of(scene, key))) for key in columns(scene) if key != "fc"}
    assert len({round(y) for key, y in tops.items() if key != "/in:x"}) > 1
    assert scene.width <= STYLE.page.width + 0.01 and "and row by row" in scene.description
