"""Themes: what every shipped one owes its readers in every style, and what laying one on top may and may not do."""
from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from archviz.core.errors import ArchvizError
from archviz.core.scene import Paint, Scene
from archviz.figure import compile
from archviz.figure.options import Options
from archviz.style.project import written_overrides
from archviz.style.show import resolved
from archviz.style.style import Kind, Style, layers, load_style, style_names, theme_names
from archviz.trace import read
from tests.conftest import ROOT
from tests.eyes import contrast, distance, lab
from tests.figure.test_zoo import graph
from tests.lint import LINTER, lint
from tests.zoo import CASES

BOTH = [(style, theme) for style in style_names() for theme in ("", *theme_names())]
both = pytest.mark.parametrize(("style", "theme"), BOTH)
PLAIN = ("wire",)   # styles that tell nothing by colours
coloured = pytest.mark.parametrize(("style", "theme"), [pair for pair in BOTH if pair[0] not in PLAIN])

COLOUR = 7.0        # three times what is just noticed where two colours touch (2.3): boxes stand apart
GREY = 3.0          # in L*, of 100
LABELS = 4.5        # WCAG AA
VEILS = ("top", "side", "deep")     # roles that are no marks
LINES = 3.0         # WCAG 1.4.11: what is no text


@cache
def made(style: str, theme: str) -> Style:
    return load_style(style, None, theme or None)


def page(style: Style) -> str:
    fill = style.roles["background"].fill
    assert fill, "a theme says what its page looks like"
    return fill


def shown(style: Style) -> dict[str, tuple[Kind, Paint]]:
    """The kinds that stand together in figures and are told apart by their looks: glyphs are by their sign, inputs and
    outputs by their words."""
    return {kind: (look, style.roles[look.role]) for kind, look in style.kinds.items()
            if kind not in style.hide and look.shape not in ("glyph", "text")}


# ------------------------------------------------------------------------------------------------ what is shipped

def test_the_themes_that_are_promised_are_there() -> None:
    assert {"paper", "mono", "dark", "print", "pastel"} <= set(theme_names())


def test_the_measures_of_colour() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert lab("#ffffff") == pytest.approx((100, 0, 0), abs=0.02)
    assert lab("#ff0000") == pytest.approx((53.24, 80.09, 67.20), abs=0.02)     # as colour tables have it
    red, green = "#c00000", "#587000"
    assert distance(red, green) > 70 and distance(red, green, "deuteranopia") < 25
    assert lab("#8090a0", "greyscale")[1:] == pytest.approx((0, 0), abs=0.02)


@coloured
@pytest.mark.parametrize("vision", ["all", "deuteranopia", "protanopia"])
def test_kinds_differ_for_every_eye(style: str, theme: str, vision: str) -> None:
    """Two kinds differ in shape, in hatch, or in colour, whoever looks.  Up and down are one shape as a cuboid."""
    made_ = made(style, theme)
    for (a, (look_a, paint_a)), (b, (look_b, paint_b)) in combinations(shown(made_).items(), 2):
        solids = style == "cube" and {look_a.shape, look_b.shape} == {"box", "trapezoid up"}
        if (look_a.shape == look_b.shape or solids) and paint_a.hatch == paint_b.hatch:
            apart = distance(paint_a.fill or page(made_), paint_b.fill or page(made_), vision)
            assert apart >= COLOUR, (a, b, apart)


@coloured
def test_kinds_differ_without_colour(style: str, theme: str) -> None:
    """Two kinds share a lightness only if their shape or hatch differs."""
    made_ = made(style, theme)
    for (a, (look_a, paint_a)), (b, (look_b, paint_b)) in combinations(shown(made_).items(), 2):
        if look_a.shape == look_b.shape and paint_a.hatch == paint_b.hatch:
            apart = distance(paint_a.fill or page(made_), paint_b.fill or page(made_), "greyscale")
            assert apart >= GREY, (a, b, apart)


@coloured
def test_stripes_show_on_their_boxes_without_colour(style: str, theme: str) -> None:
    made_ = made(style, theme)
    pairs = {(head, step) for rule in made_.fuse for head, *rest in [rule.split(" > ")] for step in rest}
    assert pairs
    for kind, step in sorted(pairs):
        band, under = made_.roles[f"{step} band"].fill, made_.roles[made_.kinds[kind].role].fill
        assert band and distance(band, under or page(made_), "greyscale") >= GREY, (kind, step)


@both
def test_labels_stand_out_from_everything_they_lie_on(style: str, theme: str) -> None:
    """Every word on the page and in frames, the words of boxes on the fill and the hatch of every kind."""
    made_ = made(style, theme)
    words = {role: paint for role, paint in made_.roles.items()     # on heat: insight/test_colormap.py
             if not paint.fill and not paint.stroke
             and role not in ("image", "token", "on heat light", "mark sign", *VEILS)}
    assert {"label", "sublabel", "shape", "legend", "title", "totals"} <= set(words)
    ground = [page(made_), *(made_.roles[frame].fill or page(made_) for frame in ("frame", "frame inner"))]
    for role, paint in words.items():
        for under in ground:
            assert contrast(paint.color, under) >= LABELS, (role, under)
    named = {kind.role for kind in made_.kinds.values() if kind.shape != "dots"}
    for under_it in named | {role for role in made_.roles if role.endswith(" band")}:
        paint = made_.roles[under_it]
        lies_on = [paint.fill or page(made_)]
        if paint.hatch:
            lies_on.append(paint.hatch_color or paint.stroke or "#000000")
        for role in ("label", "sublabel", "label module"):
            for under in lies_on:
                assert contrast(made_.roles[role].color, under) >= LABELS, (under_it, role, under)
    assert contrast(made_.roles["glyph text"].color, made_.roles["cat"].fill or page(made_)) >= LABELS
    assert contrast(made_.roles["mark sign"].color, made_.roles["mark"].fill or page(made_)) >= LABELS


@both
def test_lines_stand_out_from_the_page(style: str, theme: str) -> None:
    made_ = made(style, theme)
    lines = {role: paint for role, paint in made_.roles.items()
             if role in ("edge", "edge skip", "edge conditioning", "edge recurrent", "glyph sign")
             or (role in made_.kinds and paint.stroke)}
    for role, paint in lines.items():
        assert paint.stroke and contrast(paint.stroke, page(made_)) >= (2.0 if theme == "pastel" else LINES), role
        head = made_.roles.get(f"{role} head")
        assert head is None or head.fill == paint.stroke, role


@coloured
def test_the_faces_of_a_cuboid_differ_by_their_light(style: str, theme: str) -> None:
    """Top lighter than front, front lighter than side, for every kind, and the edges between them are seen."""
    made_ = made(style, theme)
    scene = Scene((), made_.roles, 1, 1)
    for kind, (look, paint) in shown(made_).items():
        front, top, side = (lab(face.fill or page(made_))[0]
                            for face in (paint, scene.paint(f"{look.role} top"), scene.paint(f"{look.role} side")))
        assert (top >= front + 2 or top >= 97) and front >= side + 2, (kind, top, front, side)


def test_mono_is_without_colour() -> None:
    for style in style_names():
        for role, paint in made(style, "mono").roles.items():
            for colour in (paint.fill, paint.stroke, paint.color, paint.hatch_color):
                assert colour is None or colour[1:3] == colour[3:5] == colour[5:], (style, role)


@both
def test_sizes_of_type_are_kept(style: str, theme: str) -> None:
    assert min(paint.size for paint in made(style, theme).roles.values()) >= made(style, theme).page.min_font


# ------------------------------------------------------------------------------------------------ figures

DRAWN = (("unet", "block"), ("inception", "block"), ("unet", "cube"), ("lstm", "node-link"), ("smallcnn", "node-link"))
OPENED = {"options.cell": "open", "options.unroll": "3"}
FIGURES = [(*drawn, theme, width) for drawn in DRAWN for theme in theme_names() for width in ("page", "column")]


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    if not LINTER.exists():
        pytest.skip("the linter is not beside this checkout")
    folder = tmp_path_factory.mktemp("themes")
    for model, style, theme, width in FIGURES:
        options = Options(style, settings=OPENED if model == "lstm" else {}, theme=theme, width=width)
        traced = graph(model) if model in CASES else read.read(str(ROOT / "gallery" / f"{model}.py"))
        compile.compile(traced, options).save(folder / f"{model}-{style}-{theme}-{width}.svg")
    return lint(sorted(folder.iterdir()))


@pytest.mark.parametrize("key", FIGURES, ids="-".join)
def test_the_linter_finds_nothing(key: tuple[str, ...], measured: dict[str, dict[str, Any]]) -> None:
    row = measured["-".join(key) + ".svg"]
    assert row["texts"] > 3 and row["shapes"] > 1 and not row["bad"], row["bad"]


def test_a_theme_changes_how_a_figure_looks_and_not_what_it_shows() -> None:
    plain, *themed = (compile.compile(graph("unet"), Options(theme=theme))
                      for theme in (None, *theme_names()))
    for figure in themed:
        assert figure.layout == plain.layout and figure.drawn == plain.drawn and figure.caption == plain.caption
    assert len({figure.svg for figure in themed}) == len(themed)


def test_a_colour_of_the_project_can_be_read_on_a_theme_it_was_not_chosen_for() -> None:
    bright = written_overrides({"layers": {"stem": {"color": "#ffcc66"}}})
    own = Options(overrides=bright).resolved().roles["color ffcc66"]
    dark = Options(overrides=bright, theme="dark").resolved().roles
    assert own.fill == "#ffcc66" and dark["color ffcc66"].fill
    assert contrast(dark["label"].color, dark["color ffcc66"].fill) >= LABELS
    assert Options(overrides=bright, theme="pastel").resolved().roles["color ffcc66"] == own


# ------------------------------------------------------------------------------------------------ laying one on top

@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(content: str, name: str = "mine.yaml") -> str:
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)
    return write


def test_a_theme_lies_on_the_style_and_under_the_settings(write: Callable[..., str]) -> None:
    mine = write('extends: dark\ncolors: {orange: "#ff8800"}\nroles: {linear: {stroke_width: 2}, label: {size: 9}}\n'
                 'sizes: {corner: 4}\ncaptions: {ReLU: rectifier}\nhide: []\nkinds: {act: {shape: box}}\n'
                 "fuse: []\npage: {min_font: 8}\nnarrow: {pad: 0.5}\ntitles: {fc: head}\n")
    style, base = load_style("block", {"roles.linear.fill": "#123456"}, mine), load_style("block")
    assert style.roles["linear"].fill == "#123456" and style.roles["linear"].stroke_width == 2
    assert style.roles["conv"] != base.roles["conv"] and style.roles["conv"] != made("block", "dark").roles["conv"]
    assert style.roles["label"].size == 9 and style.roles["sublabel"].size == 8
    assert style.sizes == {**base.sizes, "corner": 4} and style.captions["ReLU"] == "rectifier"
    assert style.hide == style.fuse == () and style.kinds["act"].shape == "box" and style.narrow["pad"] == 0.5
    assert style.titles["fc"] == "head" and style.name == "block" and style.form == base.form


def test_paper_is_how_the_styles_are() -> None:
    for style in style_names():
        assert made(style, "paper") == made(style, "")


def test_a_theme_may_speak_of_what_only_other_styles_have(write: Callable[..., str]) -> None:
    mine = write("roles: {symbol: {size: 9}, symbol index: {italic: true}}\n")
    assert load_style("node-link", None, mine).roles["symbol"].size == 9
    assert load_style("block", None, mine) == load_style("block")


@pytest.mark.parametrize(("content", "line", "says"), [
    ("colour: {}\n", 1, "unknown key 'colour'\n  did you mean colors?"),
    ("roles:\n  convv: {fill: none}\n", 2, "unknown role 'convv'\n  did you mean conv"),
    ("roles:\n  symbool: {size: 9}\n", 2, "unknown role 'symbool'"),
    ("roles:\n  symbol: {syze: 9}\n", 2, "unknown key 'syze'\n  did you mean size"),
    ("roles:\n  conv: {fill: orangge}\n", 2, "unknown colour 'orangge'\n  did you mean orange"),
    ("sizes:\n  cornr: 3\n", 2, "unknown size 'cornr'\n  did you mean corner"),
    ("narrow:\n  pads: 3\n", 2, "unknown size 'pads'\n  did you mean pad"),
    ("options: {egdes: all}\n", 1, "unknown option 'egdes'"),
    ("page: {widht: 3in}\n", 1, "unknown key 'widht'"),
    ("kinds:\n\n  conf: {shape: box}\n", 3, "unknown kind 'conf'"),
    ("hide: view\n", 1, "here must stand a list"),
    ("roles:\n  conv: {stroke_width: thick}\n", 2, "a number from 0"),
    ("form: block\n", 1, "a theme cannot set 'form'"),
    ("\npasses: []\n", 2, "a theme cannot set 'passes'"),
    ("extends: drak\n", 1, "there is no theme 'drak'\n  did you mean dark?"),
    ("extends: block\n", 1, "there is no theme 'block'"),
    ("extends: ./none.yaml\n", 1, "there is no theme file"),
    ("extends: ./mine.yaml\n", 1, "which in the end extends this file itself"),
    ("colors:\n  blue: !!python/object/apply:os.system ['touch x']\n", 2, "is refused"),
    ("roles: {conv: [\n", 2, "not valid YAML"),
])
def test_a_mistake_in_a_theme_is_answered_with_its_line(
        write: Callable[..., str], content: str, line: int, says: str) -> None:
    path = write(content)
    with pytest.raises(ArchvizError) as error:
        load_style("block", None, path)
    assert str(error.value).startswith(f"{path}:{line}: "), error.value
    assert says in str(error.value)


# ------------------------------------------------------------------------------------------------ style show

@both
def test_a_style_that_is_shown_is_the_style(style: str, theme: str, write: Callable[..., str]) -> None:
    shown = resolved(layers(style, {"sizes.margin": "1mm", "roles.conv.dash": "[3, 1]"}, theme or None))
    again = load_style(write(shown, f"{style}.yaml"))
    assert again == load_style(style, {"sizes.margin": "1mm", "roles.conv.dash": "[3, 1]"}, theme or None)
    assert resolved(layers(write(shown))) == shown


def test_a_style_is_shown_with_its_comments_and_its_palette() -> None:
    lines = resolved(layers("block")).splitlines()
    assert "  corner: 2   # radius of a box's corners" in lines
    assert any(line.startswith("  conv: {fill: orange!") for line in lines)
    assert '  orange: "#E69F00"' in lines and "form: block" in lines
