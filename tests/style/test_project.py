"""The project file and what it says about single layers: names, colours, frozen layers, hidden ones, groups."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz import draw
from archviz.apps.request import catalogue
from archviz.core import graph_json
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph
from archviz.core.plugins import find
from archviz.core.scene import Circle, Group, Mark, Text
from archviz.drawing.badges import frozen, frozen_params
from archviz.figure import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.passes.override import override
from archviz.style.layer_colours import contrast
from archviz.style.overrides import Bundle, Overrides, Rule
from archviz.style.project import configured, find_project, project_of, written_overrides
from archviz.style.style import load_style
from tests.conftest import ROOT, Run
from tests.graphs import Builder, graphs
from tests.lint import LINTER, lint

BLOCK = load_style("block")
NOTHING = Overrides()


def net(blocks: int = 4) -> Graph:
    """stem → blocks.0 … → an auxiliary head and a head."""
    build = Builder("Net")
    image = {"shape": (1, 8, 16, 16)}
    with build.module("stem", "Stem"):
        x = build.op("Conv2d", build.input("image", (1, 3, 32, 32)), params=50, flops=9, name="stem.conv",
                     kernel_size=[3, 3], **image)
        x = build.op("BatchNorm2d", x, params=16, name="stem.norm", **image)
        x = build.op("ReLU", x, name="stem.act", **image)
    with build.module("blocks", "ModuleList"):
        for i in range(blocks):
            with build.module(f"blocks.{i}", "Block"):
                y = build.op("Conv2d", x, params=70, flops=7, name=f"blocks.{i}.conv", kernel_size=[3, 3], **image)
                y = build.op("ReLU", y, name=f"blocks.{i}.act", **image)
                x = build.op("add", x, y, **image)
    with build.module("aux", "Aux"):
        y = build.op("mean", x, shape=(1, 8))
        build.op("Linear", y, params=3, name="aux.fc", shape=(1, 2))
    build.output("aux.fc", "aux")
    build.output(build.op("Linear", build.op("mean", x, shape=(1, 8)), params=9, name="head", shape=(1, 4)))
    return build.graph()


def passed(graph: Graph, overrides: Overrides = NOTHING) -> Graph:
    graph = override(graph, BLOCK, overrides=overrides)
    for name in BLOCK.passes:
        graph = getattr(find("passes", name), name)(graph, BLOCK)
    return graph


def words(figure: Figure) -> list[str]:
    def texts(many: tuple[Mark, ...]) -> list[str]:
        return [t for m in many for t in (texts(m.marks) if isinstance(m, Group) else
                                          [m.string] if isinstance(m, Text) else [])]
    return texts(figure.scene.marks)


def drawn_with(**overrides: object) -> Figure:
    return draw(net(), overrides=overrides)


# ------------------------------------------------------------------------------------------------ single layers

def test_a_label_renames_a_module_and_a_layer():
    figure = drawn_with(layers={"stem": {"label": "Patchify"}, "head": {"label": "Classifier <1>"}})
    assert {"Patchify", "Classifier <1>"} <= set(words(figure))
    assert "linear, 4" not in words(figure) and "Stem" not in words(figure)


def test_labels_of_alike_modules_are_not_numbered():
    said = words(drawn_with(layers={"blocks.*": {"label": "Unit"}}))
    assert "Unit" in said and not [word for word in said if re.match(r"Unit \d", word)]


def test_what_is_said_of_one_copy_takes_it_out_of_the_fold():
    assert {m.repeat for m in passed(net()).modules.values()} == {1, 4}
    rules = written_overrides({"layers": {"blocks.0": {"label": "First"}}})
    assert sorted(m.repeat for m in passed(net(), rules).modules.values() if m.cls == "Block") == [1, 3]
    every = written_overrides({"layers": {"blocks.*": {"color": "#ffcc00"}}})
    assert sorted(m.repeat for m in passed(net(), every).modules.values() if m.cls == "Block") == [4]


def test_freezing_the_first_two_blocks_splits_the_run_and_marks_them():
    figure = drawn_with(layers={"blocks.[01]": {"frozen": True}, "stem": {"frozen": True}})
    assert sorted(m.repeat for m in figure.drawn.modules.values() if m.cls == "Block") == [2, 2]
    badges = [m for m in figure.scene.marks if isinstance(m, Group) and m.role == "frozen"]
    assert len(badges) == 2 and "frozen" in words(figure)
    assert frozen_params(figure.drawn) == 50 + 16 + 2 * 70
    assert "206 of the parameters" in figure.caption
    assert "frozen" not in words(draw(net())) and "snowflake" not in draw(net()).caption


def test_a_norm_left_free_is_not_drawn_in_the_box_of_a_frozen_convolution():
    figure = drawn_with(layers={"Conv2d": {"frozen": True}})
    stem = {node.id: frozen(node) for node in figure.drawn.nodes if node.id.startswith("stem.")}
    assert stem == {"stem.conv": True, "stem.norm": False}


def test_a_colour_of_its_own_is_painted_and_told():
    figure = drawn_with(layers={"head": {"color": "#FC0", "legend": "new here"}, "blocks.*": {"color": "#aaddff"}})
    assert figure.scene.sheet["color ffcc00"].fill == "#ffcc00"
    head = next(m for m in figure.scene.marks if isinstance(m, Group) and m.node == "head")
    assert head.role == "color ffcc00"
    assert {"new here", "blocks.*"} <= set(words(figure))


def test_the_swatch_of_a_kind_keeps_the_kinds_colour():
    figure = drawn_with(layers={"stem.conv": {"color": "#ffcc00"}})
    legend = next(m for m in figure.scene.marks if isinstance(m, Group) and m.role == "legend")
    assert "conv" in {getattr(m, "role", "") for m in legend.marks}


def test_a_colour_that_no_label_can_be_read_on_is_refused():
    with pytest.raises(ArchvizError, match=r"overrides.*cannot be read on #000080") as error:
        drawn_with(layers={"head": {"color": "#000080"}})
    better = re.search("#[0-9a-f]{6}", error.value.hint)
    assert better and contrast(better[0], BLOCK.roles["label"].color) >= 4.5


def test_a_kind_changes_shape_colour_and_legend():
    figure = drawn_with(layers={"head": {"kind": "attention"}})
    assert "attention" in words(figure)
    assert next(m for m in figure.scene.marks if isinstance(m, Group) and m.node == "head").role == "attention"


def test_hiding_takes_a_layer_out_and_lets_the_data_through():
    figure = drawn_with(layers={"aux": {"hide": True}, "/out:aux": {"hide": True}, "stem.norm": {"hide": True}})
    assert not [n.id for n in figure.drawn.nodes if "aux" in n.id or n.id == "stem.norm"]
    assert sorted(m for n in figure.drawn.nodes for m in n.members) == sorted(n.id for n in net().nodes)
    assert figure.drawn.params == net().params


def test_collapse_and_expand_by_layer_and_the_options_above_them():
    asked = {"layers": {"stem": {"collapse": True}}}
    assert [n.op for n in draw(net(), overrides=asked).drawn.nodes if n.kind == "module"] == ["Stem"]
    assert not [n for n in draw(net(), overrides=asked, expand=["stem"]).drawn.nodes if n.kind == "module"]
    opened = {"layers": {"stem": {"expand": True}}}
    assert "Stem" not in [n.op for n in draw(net(), overrides=opened, depth=0).drawn.nodes]
    assert "Stem" in [n.op for n in draw(net(), overrides=opened, depth=0, collapse=["stem"]).drawn.nodes]


@pytest.mark.parametrize("style", catalogue.catalogue()["styles"])
def test_every_style_shows_what_is_said(style: str):
    said = {"stem.conv": {"frozen": True}, "head": {"color": "#99ddff", "legend": "new here"},
            "blocks.*": {"color": "#ffcc66", "legend": "ours", "label": "Unit"}, "aux": {"hide": True}}
    for collapse in ((), ("Block",)):
        figure = draw(net(), style=style, collapse=collapse, overrides={"layers": said})
        assert "frozen" in words(figure) and (style == "radial" or "new here" in words(figure))
        legend = next(m for m in figure.scene.marks if isinstance(m, Group) and m.role == "legend")
        painted = {role for m in figure.scene.marks if m is not legend for role in roles(m)}
        for color, name in (("color 99ddff", "new here"), ("color ffcc66", "ours")):
            seen = any(role == color or role.startswith(f"{color} ") for role in painted)
            assert seen == (name in words(figure))      # what the legend names is there to be seen
            # These draw a frame as a brace, as a band or not at all; and the radial view has colours for stages.
            bare = style in ("cube", "planes", "tower", "wire") and name == "ours" and not collapse
            assert seen or bare or style == "radial"
        figure.render("svg")


def roles(mark: Mark) -> set[str]:
    return {mark.role}.union(*(roles(m) for m in mark.marks)) if isinstance(mark, Group) else {mark.role}


# ------------------------------------------------------------------------------------------------ groups

def test_a_group_is_one_frame_around_siblings():
    figure = drawn_with(groups={"backbone": ["stem", "blocks"]})
    frame = figure.drawn.modules["/group:backbone"]
    inside = {n.id for n in figure.drawn.nodes if frame.id in n.scope}
    assert "stem.conv" in inside and "head" not in inside and "backbone" in words(figure)
    closed = draw(net(), overrides={"groups": {"backbone": ["stem", "blocks"]}}, collapse=["backbone"])
    assert "backbone" in [n.op for n in closed.drawn.nodes]


def test_a_group_takes_in_what_lies_between_its_members():
    graph = override(net(), BLOCK, overrides=Overrides((), (Bundle("ends", "x:1", ("stem", "head")),)))
    inside = {n.id for n in graph.nodes if "/group:ends" in n.scope}
    assert {"stem.conv", "blocks.2.conv", "head"} <= inside and "aux.fc" not in inside


def test_a_group_of_no_siblings_says_who_lies_where():
    with pytest.raises(ArchvizError, match="groups: the group 'odd' holds stem and blocks.1.*lies in blocks"):
        drawn_with(groups={"odd": ["stem", "blocks.1"]})


# ------------------------------------------------------------------------------------------------ laws

KEYS = st.sampled_from(({"label": "L"}, {"kind": "conv"}, {"color": "ffcc00", "legend": "c"}, {"frozen": True},
                        {"hide": True}, {"collapse": True}, {"expand": True}, {"frozen": True, "label": "M"}))


@settings(max_examples=120)
@given(graphs(), st.data())
def test_whatever_is_said_the_laws_hold(graph: Graph, data: st.DataObject) -> None:
    names = sorted([*graph.modules, *(n.id for n in graph.nodes if n.kind not in ("input", "output"))])
    picked = data.draw(st.lists(st.tuples(st.sampled_from(names), KEYS), max_size=4))
    overrides = Overrides(tuple(Rule(name, "t:1", changes) for name, changes in picked))
    siblings: dict[tuple[str, ...], list[str]] = {}
    for key, scope in [*((k, m.scope) for k, m in graph.modules.items()), *((n.id, n.scope) for n in graph.nodes)]:
        siblings.setdefault(scope, []).append(key)
    if data.draw(st.booleans()):
        near = data.draw(st.sampled_from(sorted(siblings.values())))
        members = data.draw(st.lists(st.sampled_from(near), min_size=1, max_size=3, unique=True))
        overrides = Overrides(overrides.rules, (Bundle("group", "t:2", tuple(members)),))
    first = override(graph, BLOCK, overrides=overrides)
    assert [n.id for n in first.nodes] == [n.id for n in graph.nodes] and first.edges == graph.edges
    graph_json.check(first)
    after = passed(graph, overrides)
    graph_json.check(after)
    assert sorted(m for n in after.nodes for m in n.members) == sorted(n.id for n in graph.nodes)
    assert (after.params, after.flops) == (graph.params, graph.flops)
    ahead: dict[str, set[str]] = {}
    for node in reversed(graph.nodes):
        ahead[node.id] = {node.id}.union(*(ahead[edge.dst] for edge in graph.outgoing[node.id]))
    for edge in after.edges:
        goals = set(after.by_id[edge.dst].members)
        assert any(ahead[member] & goals for member in after.by_id[edge.src].members), (edge.src, edge.dst)


@settings(max_examples=30)
@given(graphs())
def test_saying_nothing_changes_nothing(graph: Graph) -> None:
    assert override(graph, BLOCK) == graph


# ------------------------------------------------------------------------------------------------ the file

@pytest.fixture
def saved(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    path = tmp_path / "models" / "net.json"
    path.parent.mkdir()
    path.write_text(graph_json.to_json(net()), "utf-8")
    return path


def test_the_file_beside_the_model_is_read_and_named(saved: Path, run: Run):
    (saved.parent / "archviz.yaml").write_text(
        "width: column\nset: {sizes.margin: 9}\nmodels:\n  Net:\n    title: Ours\n    layers:\n"
        "      stem: {label: Patchify}\n", "utf-8")
    done = run(saved, "-o", "x.svg", "--verbose")
    assert done.returncode == 0, done.stderr
    assert f"project: {saved.parent / 'archviz.yaml'}" in done.stderr
    svg = (saved.parents[1] / "x.svg").read_text("utf-8")
    assert ">Ours<" in svg and ">Patchify<" in svg
    plain = run(saved, "-o", "y.svg", "--no-project", "--verbose")
    svg = (saved.parents[1] / "y.svg").read_text("utf-8")
    assert ">Net<" in svg and ">Patchify<" not in svg and "project:" not in plain.stderr


def test_the_command_line_is_above_the_model_above_the_file_above_the_style(saved: Path):
    (saved.parent / "archviz.yaml").write_text(
        "title: common\nwidth: column\ncollapse: [aux]\nset: {sizes.margin: 9, sizes.pad: 7}\nmodels:\n"
        "  N*: {title: own, depth: 2, set: {sizes.pad: 8}}\n  Other: {title: other}\n", "utf-8")
    project = project_of(str(saved), Options())
    found = configured(Options(), project, str(saved), "Net")
    assert (found.title, found.width, found.depth, found.collapse) == ("own", "column", 2, ("aux",))
    assert found.settings == {"sizes.margin": "9", "sizes.pad": "8"}
    asked = Options(title="", depth=0, collapse=("stem",), settings={"sizes.pad": "1"}, style="block")
    found = configured(asked, project, str(saved), "Net")
    assert (found.title, found.depth, found.collapse) == ("", 0, ("stem",))
    assert found.settings == {"sizes.margin": "9", "sizes.pad": "1"}
    assert configured(Options(), project, "other.py:Other", "X").title == "other"
    assert configured(Options(), project, "some.Nothing", "X").title == "own"
    assert configured(Options(), project).title == "common"


def test_where_the_file_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    model = tmp_path / "repo" / "src" / "net.py"
    model.parent.mkdir(parents=True)
    (tmp_path / "archviz.yaml").write_text("title: above\n")
    assert find_project(str(model)) is None                     # no project around: only the model's own folder
    assert find_project(str(model), tmp_path / "repo") is None
    assert find_project(str(model), tmp_path) == tmp_path / "archviz.yaml"      # and those up to the current one
    (tmp_path / "repo" / ".git").mkdir()
    assert find_project(str(model)) is None                     # not above the project
    (tmp_path / "repo" / "pyproject.toml").write_text("[tool.other]\n")
    assert find_project(f"{model}:Net") is None
    (tmp_path / "repo" / "pyproject.toml").write_text('[tool.archviz]\ntitle = "toml"\n')
    assert find_project(f"{model}:Net") == tmp_path / "repo" / "pyproject.toml"
    (tmp_path / "repo" / "archviz.yaml").write_text("title: top\n")
    assert find_project(str(model)) == tmp_path / "repo" / "archviz.yaml"
    monkeypatch.chdir(model.parent)
    assert find_project("package.module:Net") == tmp_path / "repo" / "archviz.yaml"
    (model.parent / "archviz.yaml").write_text("title: near\n")
    assert find_project("package.module:Net") == model.parent / "archviz.yaml"


def test_pyproject_says_the_same(saved: Path, run: Run):
    (saved.parents[1] / "pyproject.toml").write_text(
        '[tool.archviz]\nwidth = "column"\n[tool.archviz.models.Net]\ntitle = "Ours"\ndepth = 1\n'
        '[tool.archviz.models.Net.layers]\nstem = {label = "Patchify", frozen = true}\n'
        '[tool.archviz.models.Net.groups]\nbackbone = ["stem", "blocks"]\n', "utf-8")
    done = run(saved, "-o", "x.svg")
    assert done.returncode == 0, done.stderr
    svg = (saved.parents[1] / "x.svg").read_text("utf-8")
    assert all(f">{word}<" in svg for word in ("Ours", "Patchify", "frozen", "backbone"))


MISTAKES = {
    "titel: x": r"archviz.yaml:1: unknown key 'titel'\n.*did you mean title",
    "width: 3 furlongs": r"archviz.yaml:1: '3 furlongs' is not a length",
    "depth: deep": r"archviz.yaml:1: here must stand a number or auto",
    "style: blok": r"archviz.yaml:1: .*'blok'\n.*block",
    "style: own.yaml": r"archviz.yaml:1: there is no style file",
    "direction: sideways": r"archviz.yaml:1: unknown direction 'sideways'",
    "set: {sizes.margin: x}": r"archviz.yaml:1: ",
    "set: {sizes.margn: 3}": r"archviz.yaml:1: .*margn.*\n.*margin",
    "title: !!python/object/apply:os.system [true]": r"archviz.yaml:1: the tag '!!python.* is refused",
    "layers: {}": r"archviz.yaml:1: layers are those of a model",
    "models:\n  Net:\n    layers:\n      stem: {frozen: maybe}": r"archviz.yaml:4: unknown truth value 'maybe'",
    "models:\n  Net:\n    layers:\n      stem: {colour: '#fff'}": r"archviz.yaml:4: unknown key 'colour'\n.*color",
    "models:\n  Net:\n    layers:\n      stem: {color: #fff}": r"archviz.yaml:\d: ",
    "models:\n  Net:\n    layers:\n      stem: {color: red}": r"archviz.yaml:4: red is not a colour",
    "models:\n  Net:\n    layers:\n      stem: {kind: add}": r"archviz.yaml:4: unknown kind 'add'",
    "models:\n  Net:\n    layers:\n\n      stm: {hide: true}":
        r"archviz.yaml:5: no layer is called 'stm', neither by path nor by class\n.*did you mean stem",
    "models:\n  Net:\n    groups:\n      a: [stem, hed]": r"archviz.yaml:4: no layer is called 'hed'.*\n.*head",
    "models:\n  Net:\n    groups:\n      a: []": r"archviz.yaml:4: the group 'a' is empty",
    "models:\n  Net: {leyers: {}}": r"archviz.yaml:2: unknown key 'leyers'\n.*did you mean layers",
    "models: [a]": r"archviz.yaml:1: here must stand a table",
}


@pytest.mark.parametrize("content", MISTAKES)
def test_a_mistake_is_told_with_file_and_line(content: str, saved: Path):
    (saved.parent / "archviz.yaml").write_text(content + "\n", "utf-8")
    with pytest.raises(ArchvizError) as error:
        project = project_of(str(saved), Options())
        compile.compile(net(), configured(Options(), project, str(saved), "Net"))
    assert re.search(MISTAKES[content], str(error.value)), str(error.value)


def test_a_mistake_in_toml_names_the_file_and_the_key(saved: Path):
    path = saved.parents[1] / "pyproject.toml"
    for content, told in (("[tool.archviz\n", "not valid TOML"),
                          ("[tool.archviz]\nwidht = 3\n", "tool.archviz: unknown key 'widht'"),
                          ("[tool.archviz.models.Net.layers.stem]\nfrozen = 3\n",
                           "tool.archviz.models.Net.layers.stem.frozen: unknown truth value '3'")):
        path.write_text(content)
        with pytest.raises(ArchvizError, match=f"pyproject.toml: .*{re.escape(told)}"):
            project_of(str(saved), Options())


def test_a_style_is_looked_for_beside_the_project_file(saved: Path):
    (saved.parent / "own.yaml").write_text("extends: block\n")
    (saved.parent / "archviz.yaml").write_text("style: own.yaml\n")
    found = configured(Options(), project_of(str(saved), Options()))
    assert found.style == str(saved.parent / "own.yaml") and found.resolved().form == "block"


def test_every_option_of_the_figure_may_stand_in_the_file(saved: Path):
    """And none is forgotten when an option is added to the command line."""
    from archviz.apps.request.arguments import parser

    group = next(g for g in parser()._action_groups if g.title == "the figure")
    names = {action.option_strings[0].removeprefix("--") for action in group._group_actions}
    names -= {"no-project", "dpi", "standalone", "engine"}     # how a file is written, not what is drawn
    (saved.parent / "archviz.yaml").write_text("nothing: 1\n")
    with pytest.raises(ArchvizError) as error:
        project_of(str(saved), Options())
    assert names <= set(re.findall(r"[\w-]+", error.value.hint.partition("known:")[2]))


# ------------------------------------------------------------------------------------------------ the figure

def test_the_linter_finds_nothing_in_a_figure_with_everything(tmp_path: Path):
    if not LINTER.exists():
        pytest.skip(f"no figure linter at {LINTER}")
    everything = {"layers": {"stem": {"frozen": True, "label": "Stem of the network"}, "stages.0": {"frozen": True},
                             "stages.1.*": {"color": "#ffcc66", "legend": "new here"}, "classifier": {"kind": "conv"},
                             "pool": {"hide": True}}, "groups": {"backbone": ["stem", "stages"]}}
    for width in ("column", "page"):
        figure = draw(f"{ROOT / 'gallery' / 'resnet.py'}:resnet50", width=width, overrides=everything)
        figure.save(tmp_path / f"{width}.svg")
    rows = lint(sorted(tmp_path.glob("*.svg")))
    assert len(rows) == 2 and not [row["bad"] for row in rows.values() if row["bad"]]


def test_the_badge_stands_at_the_corner_of_its_box():
    figure = drawn_with(layers={"head": {"frozen": True}})
    badge = next(m for m in figure.scene.marks if isinstance(m, Group) and m.role == "frozen")
    place = figure.layout.nodes["head"]
    head = next(m for m in figure.scene.marks if isinstance(m, Group) and m.node == "head")
    box = head.marks[0]
    disc = badge.marks[0]
    assert isinstance(disc, Circle)
    assert abs(disc.x - (box.x + place.width)) < 0.01 and abs(disc.y - box.y) < 0.01    # type: ignore[union-attr]
