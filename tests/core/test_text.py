"""Widths, numbers, shapes and caption templates."""
from __future__ import annotations

import json
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import TensorSpec
from archviz.core.scene import Paint, Scene, Text


def drawn_width(words: str, weight: str = "normal", italic: bool = False) -> float:
    """How far apart a renderer puts two bars with `words` between them, as a part of the font size.

    From the left edge of one bar to the left edge of the other: the width of the bar and the words, as drawn.
    """
    import io

    import numpy as np
    from PIL import Image as Picture

    from archviz.backends import png

    size = 100.0
    # The bars are set apart by spaces: no kerning with them.
    line = f"| {words} |"
    scene = Scene((Text(20, 120, line, "t"),), {"t": Paint(size=size, weight=weight, italic=italic)},  # type: ignore[arg-type]
                  text.width(line, size, weight, italic) + 200, 160)
    ink = np.asarray(Picture.open(io.BytesIO(png.render(scene, dpi=144))))[..., 3] > 128
    # At the height of a bar's middle only; an italic bar leans the same on both sides.
    columns = np.flatnonzero(ink[:, :].any(axis=0))
    left = columns[0]
    right_bar = columns[-1]
    bar = 1
    while ink[:, right_bar - bar].any():
        bar += 1
    return float((right_bar - bar + 1 - left) / (144 / 72.27) / size)


@pytest.mark.parametrize(("weight", "italic"), [("normal", False), ("bold", False), ("normal", True)])
@pytest.mark.parametrize("words", ["3×3 conv, 64, /2", "self-attention, 12 heads", "AVAToTeYoLT", "Wil", "25.6M ·"])
def test_nothing_is_drawn_wider_than_predicted(words: str, weight: str, italic: bool) -> None:
    predicted = text.width(f"| {words} ", 1.0, weight, italic)
    drawn = drawn_width(words, weight, italic)
    assert drawn <= predicted + 0.01
    assert drawn >= predicted * 0.85    # kerning pulls even AVATo together by less


def test_the_table_is_the_one_of_the_fonts() -> None:
    table = json.loads((text.FONTS / "advances.json").read_text())
    assert {face: table[face]["em"] for face in table} == {"bold": 2048, "italic": 2048, "regular": 2048}
    # Arial's published metrics: space, digits, M, W.
    for character, advance in {" ": 569, "0": 1139, "M": 1706, "W": 1933, "×": 1196, "…": 2048}.items():
        assert text.width(character, 2048) == advance
    assert text.width("W", 2048, "bold") == 1933 and text.width("a", 2048, "bold") == 1139


def test_only_characters_beyond_ascii_are_pushed_apart() -> None:
    table = json.loads((text.FONTS / "advances.json").read_text())
    pairs = [pair for face in table.values() for pair in face["kern"]]
    assert pairs and not any(pair.isascii() for pair in pairs)
    assert text.width("r’", 1.0) > text.width("r", 1.0) + text.width("’", 1.0)


@given(st.text(string.printable), st.text(string.printable), st.floats(1, 20))
def test_width_is_additive_and_scales(a: str, b: str, size: float) -> None:
    assert text.width(a + b, size) == pytest.approx(text.width(a, size) + text.width(b, size))
    assert text.width(a, 2 * size) == pytest.approx(2 * text.width(a, size))


def test_characters_of_other_fonts_take_a_square_and_marks_take_none() -> None:
    assert text.width("層", 10) == 10
    assert text.width("⊕", 10) == 10
    assert text.width("e\u20d7", 10) == text.width("e", 10)   # a combining arrow


@given(st.text(min_size=1), st.floats(0, 60), st.booleans())
@example("layers.encoder.self_attention", 40, True)
def test_what_is_fitted_fits(words: str, limit: float, middle: bool) -> None:
    fitted = text.fit(words, 7, limit, middle=middle)
    assert text.width(fitted, 7) <= limit
    assert fitted == words or fitted == "" or "…" in fitted
    if text.width(words, 7) <= limit:
        assert fitted == words


def test_fit_keeps_as_much_as_it_can() -> None:
    fixed: text.Measure = lambda s, size=7.0, weight="normal", italic=False: float(len(s))  # noqa: E731
    assert text.fit("attention", 7, 6, measure=fixed) == "atten…"
    assert text.fit("attention", 7, 6, measure=fixed, middle=True) == "att…on"
    assert text.fit("conv, 64", 7, 6, measure=fixed) == "conv…"      # no comma before the ellipsis
    assert text.fit("attention", 7, 0.5, measure=fixed) == ""


@pytest.mark.parametrize(("number", "written"), [
    (0, "0"), (7, "7"), (640, "640"), (999, "999"), (1000, "1K"), (1536, "1.54K"), (999_499, "999K"), (999_999, "1M"),
    (25_557_032, "25.6M"), (4.09e9, "4.09G"), (70e9, "70G"), (1.5e12, "1.5T"), (2e15, "2P"), (0.5, "0.5"),
    (-1500, "−1.5K")])
def test_units(number: float, written: str) -> None:
    assert text.units(number) == written


@given(st.integers(0, 10**18))
def test_units_have_three_digits_and_are_close(number: int) -> None:
    written = text.units(number)
    scale = {"K": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}.get(written[-1], 1)
    assert float(written.rstrip("KMGTP")) * scale == pytest.approx(number, rel=0.0051)
    assert "e" not in written


@pytest.mark.parametrize(("shape", "axes", "written"), [
    ((1, 64, 112, 112), "NCHW", "112×112×64"), ((2, 3, 8, 16, 16), "NCDHW", "8×16×16×3"),
    ((1, 197, 768), "NLC", "197×768"),
    ((1, 768, 50), "NCL", "50×768"), ((1, 56, 56, 96), "NHWC", "56×56×96"), ((8, 1000), "NC", "1000"),
    ((1, 12, 128, 128), "", "12×128×128"), ((4, 10), "", "4×10"), ((1,), "", "1"), ((), "", "1"), ((3,), "N", "1"),
    ((1, 5, 7), "NCHW", "5×7")])      # axes that do not match are not believed
def test_shape(shape: tuple[int, ...], axes: str, written: str) -> None:
    assert text.shape(TensorSpec(shape, axes=axes)) == written


@given(st.text())
@example("a\x00b\u202eevil\u2028c\ud800\ufffe\n\td")
def test_clean_leaves_one_printable_line(words: str) -> None:
    cleaned = text.clean(words)
    cleaned.encode()
    assert not any(c in cleaned for c in "\n\r\t\x00\x1b\u2028\u2029\u202a\u202e\u2066\u200f\ufeff\ufffe\uffff")
    assert "  " not in cleaned and cleaned == cleaned.strip()
    assert text.clean(cleaned) == cleaned


def test_clean_keeps_what_can_be_read() -> None:
    assert text.clean(" head\n norm <&> ]]> 'שלום' 層 ") == "head norm <&> ]]> 'שלום' 層"


CONV = ("[{kernel_size:x} ][depthwise {groups=in_channels}{groups!1?}]conv[, {out_channels}][, /{stride!1}]"
        "[, g={groups!1!in_channels}]")


@pytest.mark.parametrize(("template", "values", "written"), [
    (CONV, {"kernel_size": [3, 3], "out_channels": 64, "stride": [2, 2], "groups": 1, "in_channels": 1},
     "3×3 conv, 64, /2"),
    (CONV, {"kernel_size": [1, 7], "out_channels": 64, "stride": [2, 1], "groups": 4, "in_channels": 8},
     "1×7 conv, 64, /2×1, g=4"),
    (CONV, {"kernel_size": 3, "out_channels": 8, "groups": 8, "in_channels": 8, "stride": 1}, "3×3 depthwise conv, 8"),
    (CONV, {}, "conv"),
    ("{n:si}×{d}", {"n": 50257, "d": 768}, "50.3K×768"),
    ("{k} pool", {"k": (2, 2)}, "2 pool"), ("{k:x} pool", {"k": (2, 2)}, "2×2 pool"), ("{k:x}", {"k": [5]}, "5"),
    ("[bi{b?}]LSTM", {"b": True}, "biLSTM"), ("[bi{b?}]LSTM", {"b": False}, "LSTM"),
    ("[{a}]-[{b}]", {"a": None, "b": []}, "-"), ("a[ {x}[ of {y}]]", {"x": 1}, "a 1"),
    ("a[ {x}[ of {y}]]", {"y": 2}, "a"), ("a[ {x}[ of {y}]]", {"x": 1, "y": 2}, "a 1 of 2"),
    (r"\[{a}\] \{x\} 5\\", {"a": 1}, "[1] {x} 5\\"), ("{p}", {"p": 0.10000000149}, "0.1"), ("{p}", {"p": 2.0}, "2"),
    ("[{p!2}]", {"p": 2.0}, ""), ("{zero}", {"zero": 0}, "0"), ("{s}", {"s": "a\nb"}, "a b"), ("", {}, ""),
    ("[global {o=1}]avg pool[ to {o:x!1}]", {"o": [1, 1]}, "global avg pool"),
    ("[global {o=1}]avg pool[ to {o:x!1}]", {"o": [7, 7]}, "avg pool to 7×7"),
    ("{s} is {t}", {"s": "{t} [x]", "t": 1}, "{t} [x] is 1"),     # values are data, never templates
])
def test_fill(template: str, values: dict[str, object], written: str) -> None:
    assert text.fill(template, values) == written


@pytest.mark.parametrize("template", ["a]", "[a", "{a", "a}", "{}", "{a:y}", "{a b}", "[{a]}"])
def test_a_template_that_cannot_be_read_is_named(template: str) -> None:
    with pytest.raises(ArchvizError) as error:
        text.check(template)
    assert repr(template) in error.value.message


def test_a_field_that_is_not_there_is_named_with_its_template() -> None:
    with pytest.raises(ArchvizError) as error:
        text.fill("linear, {out_feature}", {"out_features": 10})
    assert "'linear, {out_feature}'" in error.value.message and "'out_feature'" in error.value.message
    assert "out_features" in error.value.hint


@given(st.text("ab{}[]!=:?\\x ", max_size=14))
def test_any_template_is_filled_or_refused(template: str) -> None:
    try:
        text.fill(template, {"a": [1, 2], "b": "text"})
    except ArchvizError as error:
        assert repr(template) in error.message


def test_unknown_operations_are_called_by_their_name() -> None:
    assert text.caption({}, "scaled_softplus_", {}) == "scaled softplus"
    assert text.caption({}, "SwiGLU", {}) == "SwiGLU"
    assert text.caption({"default": "op {op}", "Linear": "lin[ {n}]"}, "Linear", {"n": 3}) == "lin 3"
    assert text.caption({"default": "op {op}"}, "x_y", {}) == "op x y"
