"""archviz diff: what differs between two models, in values, in words, and in one figure."""
from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archviz
from archviz.apps.cli.main import main
from archviz.compare.changes import difference
from archviz.compare.pairs import join
from archviz.compare.union import union
from archviz.core import graph_json, text
from archviz.core.graph import Edge, Graph, Node
from archviz.drawing import badges
from archviz.style.style import style_names, theme_names
from tests import peers  # noqa: F401  transformers imports torchvision where that is installed
from tests.conftest import ROOT
from tests.graphs import Builder, graphs
from tests.lint import lint

KINDS = {"added": "removed", "removed": "added", "changed": "changed", "renamed": "renamed"}
EXAMPLES = settings(max_examples=40)


# ------------------------------------------------------------------------------------------------ laws, of any graph

def accounted(old: Graph, new: Graph) -> None:
    """Every operation of both is told once, and what has changed adds up."""
    found = difference(old, new)
    pairs = [*found.same, *(pair for change in found.changes for pair in change.ids)]
    for at, graph in enumerate((old, new)):
        told = Counter(pair[at] for pair in pairs if pair[at])
        assert told == Counter(node.id for node in graph.nodes)
    assert old.params + sum(change.params[1] - change.params[0] for change in found.changes) == new.params
    for change in found.changes:
        assert change.kind != "added" or all(not pair[0] for pair in change.ids)
        assert change.kind != "removed" or all(not pair[1] for pair in change.ids)


@EXAMPLES
@given(graphs(12))
def test_a_model_does_not_differ_from_itself(graph):
    found = difference(graph, graph)
    assert not found and not found.counts
    assert found.same == tuple((node.id, node.id) for node in graph.nodes)


@EXAMPLES
@given(graphs(12), graphs(12))
def test_everything_is_accounted_for_and_both_directions_say_the_same(one, other):
    accounted(one, other)
    there, back = difference(one, other), difference(other, one)
    assert Counter(there.same) == Counter((b, a) for a, b in back.same)
    told = Counter((KINDS[c.kind], frozenset((b, a) for a, b in c.ids), c.params[::-1]) for c in there.changes)
    assert told == Counter((c.kind, frozenset(c.ids), c.params) for c in back.changes)


@EXAMPLES
@given(graphs(12), graphs(12))
def test_both_models_are_in_their_union(one, other):
    whole = union(join(one, other))
    graph_json.check(replace(whole, attrs={}))
    assert {node.id for node in other.nodes} <= set(whole.by_id)
    ends = {(edge.src, edge.dst) for edge in whole.edges}
    assert {(edge.src, edge.dst) for edge in other.edges} <= ends
    gone = sum(len(c.ids) for c in difference(one, other).changes if c.kind == "removed")
    assert len(whole.nodes) <= len(other.nodes) + gone


@settings(max_examples=6)
@given(graphs(12), graphs(12))
def test_any_two_models_are_drawn(one, other):
    found = archviz.diff(one, other)
    if found:
        drawn = found.figure.drawn
        assert {node.id for node in other.nodes} <= {member for node in drawn.nodes for member in node.members}
        assert {node.attrs["change"] for node in drawn.nodes} <= {*KINDS, "same"}


def layered(graph: Graph) -> list[Node]:
    """The layers that a user has named, as traces name them."""
    return [node for node in graph.nodes if node.kind in ("conv", "linear", "norm", "embedding")]


@EXAMPLES
@given(graphs(12), st.data())
def test_a_changed_layer_is_found_as_just_that(graph, data):
    layers = layered(graph)
    if layers:
        victim = data.draw(st.sampled_from(layers))
        nodes = tuple(replace(n, attrs={**n.attrs, "groups": 7}, params=n.params + 5) if n is victim else n
                      for n in graph.nodes)
        found = difference(graph, replace(graph, nodes=nodes))
        told, = found.changes
        assert (told.kind, told.ids) == ("changed", ((victim.id, victim.id),))
        assert [(d.name, d.old, d.new) for d in told.details] == [("groups", None, 7)]


@EXAMPLES
@given(graphs(12), st.data())
def test_a_new_layer_is_found_as_just_that(graph, data):
    if not graph.edges:
        return
    edge = data.draw(st.sampled_from(graph.edges))
    scope = graph.by_id[edge.src].scope
    fresh = Node(".".join((*scope[-1:], "fresh")), scope, "Fresh", "module", {}, (), 11, index=0)
    nodes = list(graph.nodes)
    nodes.insert(nodes.index(graph.by_id[edge.src]) + 1, fresh)
    nodes = [replace(node, index=i) for i, node in enumerate(nodes)]
    through = (Edge(edge.src, fresh.id, edge.tensor), replace(edge, src=fresh.id))
    new = replace(graph, nodes=tuple(nodes), edges=(*(e for e in graph.edges if e is not edge), *through))
    told, = difference(graph, new).changes
    assert (told.kind, told.ids, told.params) == ("added", (("", fresh.id),), (0, 11))
    told, = difference(new, graph).changes
    assert (told.kind, told.ids, told.params) == ("removed", ((fresh.id, ""),), (11, 0))


@EXAMPLES
@given(graphs(12), st.data())
def test_a_renamed_module_is_found_as_just_that(graph, data):
    modules = sorted(graph.modules)
    if not modules:
        return
    old = data.draw(st.sampled_from(modules))

    def called(key: str) -> str:
        return re.sub(rf"^{re.escape(old)}(?=$|[./@])", "quite-another", key)

    nodes = tuple(replace(n, id=called(n.id), scope=tuple(map(called, n.scope)), members=()) for n in graph.nodes)
    edges = tuple(replace(e, src=called(e.src), dst=called(e.dst)) for e in graph.edges)
    held = {called(k): replace(m, id=called(k), path=called(m.path), scope=tuple(map(called, m.scope)))
            for k, m in graph.modules.items()}
    found = difference(graph, Graph(graph.name, nodes, edges, held))
    if not any(old in node.scope for node in graph.nodes):
        assert not found
        return
    assert [change.kind for change in found.changes] == ["renamed"]
    assert (found.changes[0].was, found.changes[0].path) == (old, "quite-another")


# ------------------------------------------------------------------------------------------------ models

SMALL = {"vocab_size": 40, "num_hidden_layers": 2, "intermediate_size": 64, "max_position_embeddings": 16}


def traced(target, *args):
    from archviz.trace.read import read

    return read(str(target), args, ())


@pytest.fixture(scope="module")
def resnets():
    return tuple(traced(f"{ROOT}/gallery/resnet.py:resnet{n}") for n in (18, 34))


@pytest.fixture(scope="module")
def berts():
    from transformers import BertConfig, BertModel


    found = []
    for width, heads in ((32, 4), (24, 3)):
        config = BertConfig(**SMALL, hidden_size=width, num_attention_heads=heads)
        found.append(archviz.draw(lambda config=config: BertModel(config), "1x8:int64", name="BertModel").graph)
    return tuple(found)


@pytest.fixture(scope="module")
def figures(resnets, berts):
    """Differences of three pairs of models, in both widths."""
    pairs = {"resnet": resnets, "bert": berts, "renamed": (net(), net(stem="entry", act=nn_gelu(), extra=True))}
    return {f"{name}-{width}": archviz.diff(*pair, width=width) for name, pair in pairs.items()
            for width in ("column", "page")}


def nn_gelu():
    import torch

    return torch.nn.GELU()


def net(stem="stem", act=None, extra=False, width=8, head="head"):
    """A small network whose parts can be called otherwise, changed and added."""
    import torch
    from torch import nn

    layers = {stem: nn.Conv2d(3, width, 3), "norm": nn.BatchNorm2d(width), "act": act or nn.ReLU()}
    layers |= {"more": nn.Sequential(nn.Conv2d(width, width, 1), nn.Sigmoid())} if extra else {}
    layers |= {"pool": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten(), head: nn.Linear(width, 10)}
    model = nn.Sequential(OrderedDict(layers))
    return archviz.draw(model, torch.zeros(1, 3, 16, 16)).graph


def test_more_blocks_read_as_counts(resnets):
    found = archviz.diff(*resnets)
    assert [(one.op, one.old, one.new) for one in found.counts] == [
        ("BasicBlock", 2, 3), ("BasicBlock", 2, 4), ("BasicBlock", 2, 6), ("BasicBlock", 2, 3)]
    assert {change.kind for change in found.changes} == {"added"} and len(found.changes) == 8
    assert found.params == (11_689_512, 21_797_672)
    words = text_of(found)
    assert "Basic block ×2 → 3" in words and "2 → 4 blocks" in words and "2 → 6 blocks" in words
    assert "2 → 3 blocks" in words
    drawn = found.figure.drawn
    assert Counter(node.attrs["change"] for node in drawn.nodes) == {"same": 8, "changed": 4}
    back = archviz.diff(*resnets[::-1])
    assert "4 → 2 blocks" in text_of(back) and {change.kind for change in back.changes} == {"removed"}


def text_of(found) -> str:
    """All words of the figure, one line each."""
    return "\n".join(re.findall(r">([^<>\n]+)</t", found.figure.svg))


def test_another_width_reads_as_changed_hyper_parameters(berts):
    found = archviz.diff(*berts)
    assert {change.kind for change in found.changes} == {"changed"}
    details = [(d.name, d.old, d.new) for change in found.changes for d in change.details]
    for told in (("out_features", 32, 24), ("num_attention_heads", 4, 3), ("normalized_shape", [32], [24])):
        assert told in details
    words = text_of(found)
    assert "64 → " not in words and "linear, 32 → 24" in words and "attention, 4 → 3 heads" in words


def test_a_renamed_layer_is_renamed_and_equal_models_draw_nothing():
    found = archviz.diff(net(), net(stem="entry"))
    told, = found.changes
    assert (told.kind, told.was, told.path) == ("renamed", "stem", "entry")
    assert "stem → entry" in text_of(found)
    same = archviz.diff(net(), net())
    assert not same and same.figure is None and same.table() == "no difference: Sequential and Sequential are the same"


def test_a_module_around_layers_that_were_there_leaves_them_the_same():
    import torch
    from torch import nn

    flat = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(576, 5))
    deep = nn.Sequential(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3)), nn.Flatten(),
                         nn.Linear(576, 5))
    graphs = [archviz.draw(model, torch.zeros(1, 3, 16, 16)).graph for model in (flat, deep)]
    found = difference(*graphs)
    assert {change.kind for change in found.changes} == {"renamed"}
    assert [(c.was, c.path) for c in found.changes] == [("0", "0.0"), ("1", "0.1"), ("2", "0.2")]
    accounted(*graphs)


def test_a_replaced_operation_is_changed_and_a_shared_weight_is_told():
    found = difference(net(), net(act=nn_gelu()))
    told, = found.changes
    assert (told.kind, [(d.name, d.old, d.new) for d in told.details]) == ("changed", [("class", "ReLU", "GELU")])
    build = [Builder(), Builder()]
    for one, shared in zip(build, (None, "first"), strict=True):
        x = one.op("Linear", one.input(), name="first", params=9)
        one.output(one.op("Linear", x, name="second", params=0 if shared else 9, shared=shared))
    told, = difference(*(one.graph() for one in build)).changes
    assert ("weights of", None, "first") in [(d.name, d.old, d.new) for d in told.details]


def test_blocks_that_are_new_beside_changed_ones_are_added():
    build = [Builder(), Builder()]
    for one, blocks, norm in zip(build, (2, 4), (True, False), strict=True):
        x = one.input()
        for i in range(blocks):
            with one.module(f"blocks.{i}"):
                x = one.op("Linear", x, name=f"blocks.{i}.fc", params=4)
                x = one.op("LayerNorm" if norm else "BatchNorm2d", x, name=f"blocks.{i}.norm", params=2)
                x = one.op("Linear", x, name=f"blocks.{i}.out", params=4)
        one.output(x)
    found = archviz.diff(*(one.graph() for one in build))
    assert [(c.kind, c.path) for c in found.changes] == [
        ("changed", "blocks.0.norm"), ("changed", "blocks.1.norm"), ("added", "blocks.2"), ("added", "blocks.3")]
    assert "×2 → 4" in text_of(found) and "LayerNorm → BatchNorm2d" in text_of(found)


def residual(blocks, squeezed=False, normalised=True):
    """Blocks of a convolution and a sum; each with what squeezes and excites, or without its norm."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(8, 8, 3, padding=1), nn.GroupNorm(2, 8) if squeezed else nn.BatchNorm2d(8)
            self.se = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1),
                                    nn.Sigmoid()) if squeezed else None

        def forward(self, x):
            y = torch.relu(self.norm(self.conv(x))) if normalised else self.conv(x)
            return nn.functional.gelu(y * self.se(y) + x) if squeezed else torch.relu(y + x)

    model = nn.Sequential(OrderedDict(stem=nn.Conv2d(3, 8, 3), blocks=nn.Sequential(*(Block() for _ in range(blocks)))))
    return archviz.draw(model, torch.zeros(1, 3, 16, 16)).graph


def test_the_same_edit_in_a_stack_that_grows_reads_the_same_in_every_block():
    found = archviz.diff(residual(3), residual(5, squeezed=True))
    edits = {}
    for change in found.changes:
        edits.setdefault((change.kind, re.sub(r"\d", "N", change.path)), []).append(change.path)
    assert {key: len(paths) for key, paths in edits.items()} == {
        ("changed", "blocks.N.norm"): 3, ("added", "blocks.N.se"): 3, ("added", "blocks.N/mul"): 3,
        ("changed", "blocks.N/gelu"): 3, ("added", "blocks.N"): 2}
    words = text_of(found)
    assert "×3 → 5" in words and "ReLU → GELU" in words and "+ ReLU" in words and "+ sigmoid" in words


def test_what_is_removed_is_in_the_figure():
    found = archviz.diff(residual(1), residual(1, normalised=False))
    assert [(change.kind, change.path) for change in found.changes] == [
        ("removed", "blocks.0.norm"), ("removed", "blocks.0/relu"), ("added", "blocks.0.norm")]      # it is unused now
    gone = [node for node in found.figure.drawn.nodes if node.attrs["change"] == "removed"]
    assert {member.rstrip("~") for node in gone for member in node.members} == {"blocks.0.norm", "blocks.0/relu"}
    assert "BN" in text_of(found) and "+ ReLU" in text_of(found)


def test_what_is_one_box_in_both_is_closed_already():
    build = [Builder(), Builder()]
    for one, width in zip(build, (4, 5), strict=True):
        x = one.input()
        for i in range(3):
            with one.module(f"{i}", "Wrapped"):
                x = one.op("Linear", x, name=f"{i}.inner", params=width)
        one.output(x)
    old, new = (one.graph() for one in build)
    assert archviz.diff(old, new, collapse="Wrapped").figure.svg == archviz.diff(old, new).figure.svg


def test_another_source_of_an_input_is_told():
    graphs_ = []
    for skip in (False, True):
        one = Builder()
        x = one.op("Linear", one.input(), name="first")
        y = one.op("Linear", x, name="second")
        one.output(one.op("Linear", x if skip else y, name="third"))
        graphs_.append(one.graph())
    told, = difference(*graphs_).changes
    assert (told.path, [(d.name, d.old, d.new) for d in told.details]) == (
        "third", [("inputs", ["second"], ["first"])])


# ------------------------------------------------------------------------------------------------ the figure

@pytest.mark.parametrize(("old", "new", "said"), [
    ("linear, 768", "linear, 512", "linear, 768 → 512"),
    ("3×3 conv, 64, /2", "5×5 conv, 64, /2", "3×3 → 5×5 conv, 64, /2"),
    ("3×3 conv, 512", "3×3 conv, 512, dilation 2", "3×3 conv, 512, none → dilation 2"),
    ("3×3 conv, 64, /2", "3×3 conv, 32", "3×3 conv, 64, /2 → 32"),
    ("ReLU", "GELU", "ReLU → GELU"), ("LN", "LN", "LN"), ("", "LN", "none → LN"),
    ("attention, 12 heads", "attention, 8 heads", "attention, 12 → 8 heads"),
])
def test_two_captions_read_as_one(old, new, said):
    assert text.both(old, new) == said


def test_a_long_run_of_what_is_the_same_is_one_box():
    build = [Builder(), Builder()]
    for one, groups in zip(build, (1, 2), strict=True):
        x = one.input()
        for i in range(12):
            x = one.op("Linear", x, name=f"fc{i}", params=1, out_features=i, groups=groups if i == 5 else 1)
        one.output(x)
    found = archviz.diff(*(one.graph() for one in build))
    words = text_of(found).splitlines()
    assert "3 unchanged layers" in words and "4 unchanged layers" in words and "groups 1 → 2" in words
    assert sum(line.startswith("linear") for line in words) >= 5        # what is next to it, and the ends, are seen
    assert "linear, 2" in text_of(archviz.diff(*(one.graph() for one in build), expand=["/same:*"]))


@pytest.mark.parametrize("less", [0, 40])
def test_long_models_without_modules_are_matched_layer_by_layer(less):
    build = [Builder(), Builder()]
    for one, width, many in zip(build, (8, 4), (700, 700 - less), strict=True):
        x = one.input()
        for i in range(many):
            x = one.op("Linear", x, name=f"fc{i}", params=width, out_features=width)
        one.output(x)
    found = difference(*(one.graph() for one in build))
    assert Counter(change.kind for change in found.changes) == Counter(changed=700 - less, removed=less)


def test_signs_tell_apart_what_colours_do_and_the_legend_explains_them():
    found = archviz.diff(net(), net(head="classifier", act=nn_gelu(), extra=True))
    back = archviz.diff(net(stem="entry", extra=True), net(), theme="mono")
    for one, kinds in ((found, ("added", "changed", "renamed")), (back, ("removed", "renamed"))):
        words = text_of(one)
        for kind in kinds:
            assert kind in words.splitlines() and f'sign {kind}' in repr(one.figure.scene.marks)
        assert "unchanged" in words
    assert "edge added" in repr(found.figure.scene.marks) and "edge removed" in repr(back.figure.scene.marks)
    shapes = {kind: repr(badges._sign(kind, 0.0, 0.0)[0]).partition("(")[0] for kind in KINDS}
    assert shapes["added"] == "Circle" and shapes["removed"] == "Box" and shapes["changed"] == "Path"


def test_the_figures_are_legible_in_a_column_and_on_a_page(figures, tmp_path):
    for name, found in figures.items():
        found.figure.save(tmp_path / f"{name}.svg")
        limit = 84 if "column" in name else 174
        assert found.figure.scene.width <= limit / 25.4 * 72.27 + 0.1
    for theme in theme_names():
        for name, pair in (("new", (net(), net("entry", nn_gelu(), True))), ("old", (net("entry", extra=True), net()))):
            archviz.diff(*pair, theme=theme).figure.save(tmp_path / f"{name}-{theme}.svg")
    for name, row in lint(sorted(tmp_path.glob("*.svg"))).items():
        assert not row["bad"], f"{name}: {row['bad']}"


@pytest.mark.parametrize("style", sorted({*style_names()} - {"base"}))
def test_every_style_draws_it(style):
    for pair in ((net(), net(head="end", act=nn_gelu(), extra=True)), (net(stem="first", extra=True), net())):
        found = archviz.diff(*pair, style=style)
        kind = "added" if pair[0] == net() else "removed"
        told = repr(found.figure.scene.marks)
        assert f"sign {kind}" in told and f"change {kind}" in told
        assert f"edge {kind}" in told or style in ("radial", "wire")        # whose lines are cones and channels


def test_what_is_the_same_is_closed_unless_it_is_to_be_opened(resnets):
    assert "conv" not in text_of(archviz.diff(*resnets))
    assert "conv" in text_of(archviz.diff(*resnets, expand=["stem"]))


def test_it_is_written_in_all_formats(figures):
    figure = figures["renamed-page"].figure
    assert figure.render("pdf").startswith(b"%PDF") and figure.render("png").startswith(b"\x89PNG")
    tex = figure.render("tex").decode()
    assert "tikzpicture" in tex and r"\begin{document}" not in tex
    assert b"<svg" in figure.render("html")
    parsed = json.loads(figure.render("json"))
    assert parsed["params"] == list(figures["renamed-page"].params) and parsed["changes"][0]["kind"] == "renamed"
    assert figure.render("svg") == archviz.diff(net(), net("entry", nn_gelu(), True), width="page").figure.render("svg")


def test_markdown_is_a_table_and_what_users_write_is_data():
    build = [Builder("A|B <b>"), Builder("A|B <b>")]
    for one, groups in zip(build, (1, 2), strict=True):
        one.output(one.op("Conv2d", one.input(), name="a|`b`<script>", params=5 * groups, groups=groups))
    found = difference(*(one.graph() for one in build))
    lines = found.markdown().splitlines()
    assert lines[0] == r"### A\|B \<b\>"
    assert r"| `` a\|`b`<script> `` | groups 1 → 2 | 5 → 10 | +5 |" in lines
    assert "| parameters | 5 | 10 | +5 (+100.0 %) |" in lines


def test_a_notebook_shows_the_figure(figures):
    shown = figures["renamed-page"]._repr_mimebundle_(include=["image/svg+xml", "text/plain"])
    assert shown["image/svg+xml"].lstrip().startswith("<svg") and "entry" in shown["text/plain"]


# ------------------------------------------------------------------------------------------------ the command line

def test_saved_graphs_need_no_torch(run, tmp_path):
    for name, graph in (("old", net()), ("new", net(act=nn_gelu(), extra=True))):
        (tmp_path / f"{name}.json").write_text(graph_json.to_json(graph))
    without = {"PYTHONPATH": f"{ROOT / 'tests' / 'no_torch'}:{ROOT}"}
    done = run("diff", "old.json", "new.json", "-o", "d.svg", "-o", "d.md", env=without)
    assert done.returncode == 1, done.stderr
    assert "ReLU → GELU" in done.stdout and re.search(r"^\+  more +Sequential +\+72", done.stdout, re.M)
    assert (tmp_path / "d.svg").read_text().startswith("<svg") and "**Added**" in (tmp_path / "d.md").read_text()
    done = run("diff", "old.json", "old.json", "-o", "same.svg", "--markdown", env=without)
    assert (done.returncode, done.stdout) == (0, "### Sequential\n\nNo difference.\n")
    assert not (tmp_path / "same.svg").exists()


@pytest.mark.parametrize(("arguments", "told"), [
    (["one.json"], "there is one model only"),
    (["one.json", "two.json", "three.json"], "3 models were named"),
    (["one.json", "none.json"], "cannot read none.json"),
    (["HEAD:"], "a revision was named, but no file"),
    (["one.json", "one.json", "-o", "x.nope"], "no output has the suffix nope"),
    (["one.json", "two.json", "--inset", "x"], "has no insets"),
    (["one.json", "two.json", "--in-place"], "nothing in it opens in place"),
    (["one.json", "two.json", "--new-arg", "a=1"], "--arg means nothing for two.json"),
])
def test_mistakes_are_told(arguments, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(graph_json.to_json(net()))
    assert main(["diff", *arguments]) == 2
    assert told in capsys.readouterr().err
