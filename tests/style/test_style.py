"""Styles: what is shipped reads well, and every mistake in a YAML file is answered with its line."""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import KINDS
from archviz.core.scene import HATCHES, Paint
from archviz.style import located_yaml
from archviz.style.style import Kind, Style, length, load_style, style_names

SHIPPED = style_names()


# ------------------------------------------------------------------------------------------------ what is shipped

@pytest.mark.parametrize("name", SHIPPED)
def test_every_kind_is_drawn_and_named(name: str) -> None:
    style = load_style(name)
    assert set(style.kinds) == set(KINDS)
    assert all(look.role in style.roles and look.name for look in style.kinds.values())
    assert min(paint.size for paint in style.roles.values()) >= style.page.min_font


@pytest.mark.parametrize("name", SHIPPED)
def test_every_caption_can_do_without_values(name: str) -> None:
    style = load_style(name)
    for op in style.captions:
        # what stands below a module's own name may have nothing to say; others are asked where there is a value
        assert text.caption(style.captions, op, {}) or op in ("default", "module", "reading", "stride", "feed_forward")


def test_captions_of_torch_nn() -> None:
    from torch import nn

    captions = load_style("block").captions
    expected = {
        nn.Conv1d(3, 8, 5): "conv k=5, 8", nn.Conv2d(3, 64, 7, stride=2): "7×7 conv, 64, /2",
        nn.Conv2d(64, 64, 3, groups=64): "3×3 depthwise conv, 64",
        nn.Conv2d(8, 8, (1, 7), groups=4): "1×7 conv, 8, g=4",
        nn.Conv2d(1, 6, 5): "5×5 conv, 6", nn.ConvTranspose2d(64, 32, 2, stride=2): "2×2 up-conv, 32, ×2",
        nn.Linear(10, 1000): "linear, 1000", nn.MultiheadAttention(768, 12): "attention, 12 heads",
        nn.LSTM(8, 256, 2, bidirectional=True): "biLSTM, 256, 2 layers",
        nn.GRU(3, 5): "GRU, 5", nn.MaxPool2d(3, 2): "3×3 max pool, /2", nn.AvgPool3d(2): "2³ avg pool, /2",
        nn.AdaptiveAvgPool2d(1): "global avg pool", nn.AdaptiveAvgPool2d((1, 1)): "global avg pool",
        nn.AdaptiveAvgPool2d((7, 7)): "avg pool to 7×7", nn.GroupNorm(4, 8): "GN, 4 groups", nn.BatchNorm2d(3): "BN",
        nn.Upsample(scale_factor=2, mode="bilinear"): "bilinear upsample ×2",
        nn.Upsample(scale_factor=2): "upsample ×2",
        nn.Softmax(-1): "softmax", nn.GELU(): "GELU", nn.PixelShuffle(2): "pixel shuffle ×2",
    }
    for layer, caption in expected.items():
        assert text.caption(captions, type(layer).__name__, vars(layer)) == caption


# ------------------------------------------------------------------------------------------------ layers of settings

@pytest.fixture
def write(tmp_path: Path) -> Callable[..., str]:
    def write(content: str, name: str = "mine.yaml") -> str:
        (tmp_path / name).write_text(content)
        return str(tmp_path / name)
    return write


def test_a_style_says_only_what_it_changes(write: Callable[..., str]) -> None:
    base, mine = load_style("block"), load_style(write(
        'extends: block\nroles:\n  conv: {fill: "#abc", stroke: blue!50!black}\npage: {width: 3.5in}\nhide: [view]\n'
        'captions: {Linear: "FC[ {out_features}]"}\nsizes: {corner: 1mm}\nkinds: {conv: {shape: stadium}}\n'))
    assert mine.roles["conv"] == Paint("#aabbcc", "#003959", stroke_width=base.roles["conv"].stroke_width)
    assert mine.roles["linear"] == base.roles["linear"]
    assert mine.page.width == pytest.approx(3.5 * 72.27) and mine.page.max_height == base.page.max_height
    assert mine.hide == ("view",)
    assert mine.captions["Linear"] == "FC[ {out_features}]" and mine.captions["ReLU"] == "ReLU"
    assert mine.sizes["corner"] == pytest.approx(72.27 / 25.4)
    assert mine.kinds["conv"] == Kind("conv", "stadium", base.kinds["conv"].name)
    assert mine.name == "mine" and mine.form == base.form


def test_styles_extend_their_neighbours(write: Callable[..., str]) -> None:
    write("extends: block\nroles: {conv: {fill: red}}\ncolors: {red: '#ff0000'}\n", "parent.yaml")
    child = load_style(write("extends: ./parent.yaml\ncolors: {red: '#ee0000'}\n", "child.yaml"))
    assert child.roles["conv"].fill == "#ee0000"    # a palette is looked up once all layers lie


def test_overrides_go_on_top() -> None:
    style = load_style("block", {
        "page.width": "column", "page.min_font": "8", "roles.conv.fill": "#f00", "roles.edge skip.dash": "[3, 1]",
        "captions.Conv2d": "[{kernel_size:x}]", "direction": "right", "hide": "[view, cast]", "sizes.corner": "0",
        "roles.label.weight": "bold", "kinds.conv.name": "conv."})
    assert style.page.width == pytest.approx(84 / 25.4 * 72.27)
    assert style.roles["conv"].fill == "#ff0000" and style.roles["edge skip"].dash == (3.0, 1.0)
    assert style.captions["Conv2d"] == "[{kernel_size:x}]"
    assert style.direction == "right" and style.hide == ("view", "cast")
    assert style.sizes["corner"] == 0 and style.roles["label"].weight == "bold" and style.kinds["conv"].name == "conv."
    assert min(paint.size for paint in style.roles.values()) == 8      # the promise of the page binds every role


@pytest.mark.parametrize(("content", "line", "says"), [
    ("extends: block\ncolour: {}\n", 2, r"unknown key 'colour'\n  did you mean colors\?"),
    ("extends: block\nroles:\n  conv:\n    fil: none\n", 4, r"unknown key 'fil'\n  did you mean fill\?"),
    ("extends: block\nroles:\n  convv: {fill: none}\n", 3, r"unknown role 'convv'\n  did you mean conv"),
    ("extends: block\nkinds:\n  conf: {shape: box}\n", 3, r"unknown kind 'conf'\n  did you mean conv"),
    ("extends: block\nsizes: {cornr: 3}\n", 2, r"unknown size 'cornr'\n  did you mean corner\?"),
    ("extends: block\npage: {widht: 3in}\n", 2, r"unknown key 'widht'\n  did you mean width\?"),
    ("extends: block\nform: blok\n", 2, r"unknown form 'blok'\n  did you mean block\?"),
    ("extends: block\npasses: [hidde]\n", 2, r"unknown pass 'hidde'\n  did you mean hide\?"),
    ("extends: block\nhide: [views]\n", 2, r"unknown kind 'views'\n  did you mean view\?"),
    ("extends: block\nhide: view\n", 2, r"here must stand a list, not 'view'"),
    ("extends: block\nhide: [[view]]\n", 2, r"here must stand a word, not a list"),
    ("extends: block\nroles: [conv]\n", 2, r"here must stand a table"),
    ("extends: block\nroles:\n  conv: red\n", 3, r"here must stand a table \(key: value\), not 'red'"),
    ("extends: block\nroles:\n  conv: {fill: redd}\n", 3, r"unknown colour 'redd'"),
    ("extends: block\nroles:\n  conv: {fill: '#12345'}\n", 3, r"'#12345' is not a colour"),
    ("extends: block\nroles:\n  conv:\n    fill: #123456\n", 4, r"a colour is missing\n  .*quotes"),
    ("extends: block\nroles:\n  conv: {fill: blue!350}\n", 3, r"'blue!350' is not a colour"),
    ("extends: block\nroles:\n  conv: {stroke_width: thick}\n", 3, r"a number from 0 .* not 'thick'"),
    ("extends: block\nroles:\n  conv: {stroke_width: -1}\n", 3, r"a number from 0"),
    ("extends: block\nroles:\n  conv: {size: .nan}\n", 3, r"a number from 0"),
    ("extends: block\nroles:\n  conv: {opacity: 2}\n", 3, r"a number from 0 to 1,"),
    ("extends: block\nroles:\n  conv: {weight: heavy}\n", 3, r"unknown weight 'heavy'"),
    ("extends: block\nroles:\n  conv: {italic: 1}\n", 3, r"unknown truth value '1'"),
    ("extends: block\nkinds:\n  conv: {shape: hexagon}\n", 3, r"unknown shape 'hexagon'"),
    ("extends: block\nkinds:\n  conv: {role: convo}\n", 3, r"unknown role 'convo'"),
    ("extends: block\npage: {width: 12 parsecs}\n", 2, r"'12 parsecs' is not a length\n  write it as 174mm"),
    ("extends: block\npage: {width: 0mm}\n", 2, r"is not a length"),
    ("extends: block\ncaptions:\n  Linear: '{n'\n", 3, r"the caption '\{n' has a field that cannot be read"),
    ("extends: block\ncaptions:\n  Linear:\n", 3, r"here must stand text, not nothing"),
    ("extends: block\ndirection: sideways\n", 2, r"unknown direction 'sideways'"),
    ("extends: block\ndirection: down\ndirection: right\n", 3, r"the key 'direction' stands here twice"),
    ("extends: block\n\nextends: base\n", 3, r"stands here twice"),
    ("extends: &a block\ncaptions: {*a : x,\n  *a : y}\n", 1, r"the key 'block' stands here twice"),
    ("- extends\n", 1, r"here must stand a table"),
    ("extends: block\nroles: {conv: {fill: none}\n", 3, r"not valid YAML"),
    ("extends: blok\n", 1, r"there is no style 'blok'\n  did you mean block\?"),
    ("extends: ./other.yaml\n", 1, r"there is no style file '.*other.yaml'"),
    ("extends: ./mine.yaml\n", 1, r"which in the end extends this file itself"),
    ("extends: block\nroles: &a {conv: *a}\n", 2, r"an alias stands inside its own anchor"),
    ("extends: block\nhide: !!python/object/apply:os.system ['touch /tmp/x']\n", 2,
     r"the tag '!!python/object/apply:os\.system' is refused"),
    ("extends: block\ndirection: !!python/name:os.system down\n", 2, r"the tag '!!python/name:os.system' is refused"),
    ("extends: block\n!mine roles: {}\n", 2, r"the tag '!mine' is refused"),
    ("extends: block\nsizes: {corner: !!binary aGk=}\n", 2, r"the tag '!!binary' is refused"),
    ("!!set {extends: block}\n", 1, r"the tag '!!set' is refused"),
    ("extends: block\nroles:\n  conv: {hatch: north est lines}\n", 3,
     r"unknown hatch .north est lines.\n  did you mean .*north east lines"),
    ("extends: block\nroles:\n  conv: {hatch_color: redd}\n", 3, r"unknown colour 'redd'"),
    ("extends: block\nroles:\n  conv tpo: {fill: none}\n", 3, r"unknown role 'conv tpo'"),
    ("extends: block\noptions: {egdes: all}\n", 2, r"unknown option 'egdes'"),
    ("form: block\nlayout: ushape\nsizes: {margin: 3}\n", 1,
     r"this style lacks the size .* more\n  say 'extends: block'"),
    ("extends: base\nform: ./none.py\nlayout: layered\n", 1, r"this style lacks the size"),
    ("extends: block\nform: ./none.py\n", 2, r"there is no file '.*none.py'"),
    ("extends: block\n? [a, b]\n: c\n", 2, r"here must stand a word, not a list"),
])
def test_a_mistake_is_answered_with_its_line(write: Callable[..., str], content: str, line: int, says: str) -> None:
    path = write(content)
    with pytest.raises(ArchvizError) as error:
        load_style(path)
    assert str(error.value).startswith(f"{path}:{line}: "), error.value
    assert re.search(says, str(error.value)), error.value


@pytest.mark.parametrize(("key", "value", "says"), [
    ("roles.convv.fill", "none", "unknown role 'convv'"), ("rolls.conv.fill", "none", "unknown key 'rolls'"),
    ("roles.conv", "none", "there is no setting 'roles.conv'\n  write it as roles.conv.fill"),
    ("page", "3", "there is no setting 'page'"), ("direction.x", "up", "there is no setting 'direction.x'"),
    ("page.width", "wide", "'wide' is not a length"), ("sizes.x", "3", "unknown size 'x'"),
    ("hide", "[view", "not valid YAML"), ("", "3", "must stand a word, not ''"),
])
def test_a_mistaken_override_is_named(key: str, value: str, says: str) -> None:
    with pytest.raises(ArchvizError) as error:
        load_style("block", {key: value})
    assert says in str(error.value)


@pytest.mark.parametrize(("name", "says"), [
    ("blok", r"there is no style 'blok'\n  did you mean block\?"), ("", "there is no style ''"),
    ("./none.yaml", r"there is no style file 'none.yaml'"),
])
def test_a_style_that_is_not_there(name: str, says: str) -> None:
    with pytest.raises(ArchvizError, match=says):
        load_style(name)


def test_a_style_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00\xd8")
    with pytest.raises(ArchvizError, match="not valid YAML"):
        load_style(tmp_path / "x.yaml")
    (tmp_path / "y.yaml").write_text("")
    with pytest.raises(ArchvizError, match="names no form"):
        load_style(tmp_path / "y.yaml")


@pytest.mark.parametrize(("string", "points"), [
    ("174mm", 495.08), ("8.4cm", 239.0), ("1in", 72.27), ("10pt", 10), ("10", 10), ("column", 239.0), ("page", 495.08)])
def test_length(string: str, points: float) -> None:
    assert length(string) == pytest.approx(points, abs=0.01)


@pytest.mark.parametrize("string", ["", "mm", "-3mm", "0", "1e9mm", "nan", "inf", "3 mm wide", "3px", "1,5cm"])
def test_not_a_length(string: str) -> None:
    with pytest.raises(ArchvizError, match="is not a length"):
        length(string)


def test_aliases_of_aliases_are_read_once() -> None:
    laughs = "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else 'ha'] * 9)}]\n" for i in range(40))
    content = located_yaml.read(laughs, "laughs.yaml")
    assert isinstance(content.value, dict) and len(content.value) == 40


@given(st.text())
def test_what_is_quoted_is_read_again(string: str) -> None:
    content = located_yaml.read(f"{{a: {located_yaml.quoted(string)}, {located_yaml.quoted(string)}: b}}", "any.yaml")
    assert isinstance(content.value, dict)
    (_, value), (key, _) = content.value.items()
    assert value.value == key.value == string


@given(st.text("{}[]:,&*!#'\"- \nab", max_size=30))
def test_any_file_is_read_or_refused_with_its_name(content: str) -> None:
    try:
        assert isinstance(located_yaml.read(content, "any.yaml"), located_yaml.Written)
    except ArchvizError as error:
        assert error.message.startswith("any.yaml")


def test_roles_take_a_hatch_and_leave_it_again(write: Callable[..., str]) -> None:
    parent = write("extends: block\nroles: {conv: {hatch: dots, hatch_color: black!50}, linear: {hatch: crosshatch}}\n")
    child = load_style(write(f"extends: {parent}\nroles: {{conv: {{hatch: none}}}}\n", "child.yaml"))
    assert child.roles["conv"].hatch == "" and child.roles["conv"].hatch_color == "#808080"
    assert child.roles["linear"].hatch == "crosshatch" in HATCHES and child.roles["linear"].hatch_color is None


def test_a_part_of_a_role_may_be_painted_for_itself(write: Callable[..., str]) -> None:
    style = load_style(write("extends: block\nroles: {conv top: {fill: '#123456'}}\n"))
    assert style.roles["conv top"] == Paint("#123456")


def test_styles_cannot_be_changed() -> None:
    style = load_style("block")
    with pytest.raises(AttributeError):
        style.form = "cube"  # type: ignore[misc]
    assert isinstance(style, Style) and "base" not in style_names()


def test_narrow_knows_the_sizes_and_nothing_else() -> None:
    assert load_style("block", {"narrow.pad": "0.5"}).narrow["pad"] == 0.5
    with pytest.raises(ArchvizError, match="did you mean pad"):
        load_style("block", {"narrow.pads": "0.5"})
