"""Several models in one figure: what is equally large at equal height, ids that stay unique, and nothing lost."""
from __future__ import annotations

from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor, nn

import archviz
from archviz import ArchvizError, Figure
from archviz.apps import notebook
from archviz.core.bands import bands, extent
from archviz.core.disjoint_union import keys, model_of, models, united
from archviz.core.graph import Graph, base_edges
from archviz.core.regroup import merge
from archviz.core.scene import Group
from archviz.core.scene import Path as Outline
from archviz.drawing.layouts.towers import towers
from archviz.figure.options import Options
from archviz.figure.side_by_side import compile_together
from archviz.passes.bypass import bypass
from archviz.style.style import load_style
from archviz.trace.read import read
from tests.conftest import ROOT, Run
from tests.graphs import graphs
from tests.layouts import apart, sized

IMAGE = torch.zeros(1, 3, 32, 32)


def conv(before: int, after: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.BatchNorm2d(after), nn.ReLU())


class Plain(nn.Sequential):
    """Sizes 32, 16, 8."""

    def __init__(self) -> None:
        super().__init__(conv(3, 4), conv(4, 4, 2), conv(4, 4), conv(4, 4), conv(4, 8, 2), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(8, 5))


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.first, self.second = conv(before, after, stride), conv(after, after)
        self.side = nn.Conv2d(before, after, 1, stride) if before != after else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        side = self.side(x)
        return self.second(self.first(x)) + side


class Residual(nn.Sequential):
    """Sizes 16, 8, 4; three blocks, of which two change the shape."""

    def __init__(self) -> None:
        super().__init__(conv(3, 4, 2), Block(4, 4, 1), Block(4, 8, 2), Block(8, 16, 2), nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(16, 5))


@cache
def both() -> Figure:
    return archviz.draw([Plain(), Residual()], [IMAGE, IMAGE], align=True)


def groups(figure: Figure) -> list[Group]:
    return [mark for mark in figure.scene.marks if isinstance(mark, Group)]


def test_what_is_equally_large_stands_at_equal_height() -> None:
    figure = both()
    rows: dict[str, dict[tuple[int, ...], list[float]]] = defaultdict(lambda: defaultdict(list))
    for node in figure.drawn.nodes:
        place = figure.layout.nodes[node.id]
        if node.kind not in ("add", "output"):
            rows[model_of(node)][extent(node.out[0])].append(place.y)
    plain, residual = rows["Plain"], rows["Residual"]
    assert set(plain) == {(32, 32), (16, 16), (8, 8), ()} and set(residual) == {*plain, (4, 4)}
    for size in plain:
        assert min(plain[size]) == pytest.approx(min(residual[size])), size
    spans = {size: (min(*plain[size], *residual[size]), max(*plain[size], *residual[size])) for size in plain}
    spans[4, 4] = min(residual[4, 4]), max(residual[4, 4])
    order = sorted(spans.values())
    assert list(spans) and all(a[1] < b[0] for a, b in zip(order, order[1:], strict=False))
    assert [spans[size] for size in ((32, 32), (16, 16), (8, 8), (4, 4), ())] == order


def test_no_two_nodes_share_an_id_and_none_is_lost() -> None:
    figure = both()
    assert models(figure.graph) == ("Plain", "Residual")
    for key, model in (("Plain", Plain()), ("Residual", Residual())):
        alone = archviz.draw(model, IMAGE).graph
        whole, drawn = ([node for node in graph.nodes if model_of(node) == key]
                        for graph in (figure.graph, figure.drawn))
        assert sum(node.params for node in whole) == alone.params == sum(node.params for node in drawn)
        assert sum(node.flops for node in whole) == alone.flops == sum(node.flops for node in drawn)
        assert sorted(m for node in drawn for m in node.members) == sorted(node.id for node in whole)
    shown = [group.node for group in groups(figure) if group.role not in ("frame", "link") and group.node]
    assert sorted(shown) == sorted(node.id for node in figure.drawn.nodes)
    assert figure.svg.count('data-node="Residual.1.first.0"') == 1 and len(keys(["A b", "A b", "A-b"])) == 3


def test_a_shortcut_is_dotted_where_the_shape_changes() -> None:
    curves = {group.edge: mark.role for group in groups(both()) if group.role == "link"
              for mark in group.marks if isinstance(mark, Outline) and not mark.role.endswith("head")}
    assert sorted(curves.values()) == ["edge projected", "edge projected", "edge skip"]
    assert both().scene.paint("edge projected").dash and not both().scene.paint("edge skip").dash


def test_the_caption_tells_of_each_by_its_title() -> None:
    figure = archviz.draw([Plain(), Residual()], [IMAGE, IMAGE], align=True, title="one | other")
    assert figure.caption.startswith("one. ") and " other. " in figure.caption and "equal height" in figure.caption
    assert ">one<" in figure.svg and ">other<" in figure.svg


@settings(max_examples=40)
@given(graphs())
def test_a_projection_that_joins_its_sum_changes_no_sum(graph: Graph) -> None:
    after = bypass(graph, load_style("tower"))
    assert (after.params, after.flops) == (graph.params, graph.flops)
    assert sorted(m for node in after.nodes for m in node.members) == sorted(m for n in graph.nodes for m in n.members)
    inside = [wire for node in after.nodes for wire in node.wires]
    assert len(list(base_edges(after))) + len(inside) >= len(graph.edges)


@settings(max_examples=15)
@given(graphs(), graphs())
def test_rows_of_any_graphs_do_not_overlap(one: Graph, other: Graph) -> None:
    graph = united([one, other], ["one", "other"])
    layout = towers(graph, sized(graph), {}, load_style("tower").sizes)
    places = [layout.nodes[node.id] for node in graph.nodes if not sized(graph)[node.id].joint]
    assert all(apart(a, b) for i, a in enumerate(places) for b in places[i + 1:])
    known = bands(graph)
    assert {key for column in known.columns.values() for key in column} == {node.id for node in graph.nodes}
    assert all(known.of[a] <= known.of[b] for ids in known.columns.values() for a, b in zip(ids, ids[1:], strict=False))
    assert len(layout.routes) == sum(edge.role != "recurrent" for edge in graph.edges)


def test_models_that_branch_stand_in_panels() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.ways = nn.ModuleList(nn.Sequential(conv(3, 4), conv(4, 4)) for _ in range(3))

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([way(x) for way in self.ways], 1)

    figure = archviz.draw([Branching(), Plain()], [IMAGE, IMAGE], align=True)
    assert figure.drawing.style.form == "block"
    spans = [(min(p.x for p in own), max(p.x + p.width for p in own)) for key in models(figure.graph)
             for own in [[figure.layout.nodes[n.id] for n in figure.drawn.nodes if model_of(n) == key]]]
    assert spans[0][1] < spans[1][0]


@pytest.mark.parametrize("style", ["block", "cube", "node-link", "tower"])
def test_panels_of_any_style_are_on_one_scale(style: str) -> None:
    small, large = (nn.Sequential(nn.Linear(4, n), nn.ReLU(), nn.Linear(n, 3)) for n in (3, 7))
    figure = archviz.draw([small, large], ["1x4", "1x4"], align=True, style=style)
    first, second = (figure.layout.nodes[f"{key}/in:input"] for key in models(figure.graph))
    assert (first.width, first.height) == pytest.approx((second.width, second.height)) or style == "node-link"
    assert figure.scene.width <= Options(style).resolved().page.width + 0.01
    for suffix in ("svg", "tex"):
        assert figure.render(suffix)


def test_a_signal_may_be_drawn_as_neurons() -> None:
    model = nn.Conv1d(1, 1, 3, padding=1)
    cells, neurons = (archviz.draw(model, "1x1x6", style="node-link", settings={"options.signals": how}).svg
                      for how in ("cells", "neurons"))
    assert cells.count("<circle") == 0 and neurons != cells
    with pytest.raises(ArchvizError, match="must be cells or neurons"):
        Options("node-link", settings={"options.signals": "dots"}).resolved()


# ------------------------------------------------------------------------------------------------ mistakes

@pytest.mark.parametrize(("said", "told"), [
    ({"title": "a | b | c"}, "names 3 models of 2"),
    ({"inset": "1"}, "no insets"),
    ({"cut": "1"}, "not cut"),
    ({"name": "Net"}, "does not go with several"),
    ({"inputs": [IMAGE]}, "does not go with several")])
def test_what_does_not_go_with_several_models_is_told(said: dict[str, object], told: str) -> None:
    with pytest.raises(ArchvizError, match=told):
        archviz.draw([Plain, Residual], **{"inputs": [IMAGE, IMAGE], **said}, align=True)  # type: ignore[arg-type]


def test_one_model_has_nothing_to_be_aligned_with() -> None:
    with pytest.raises(ArchvizError, match="one model only"):
        archviz.draw([Plain()], [IMAGE], align=True)


def test_on_the_command_line(run: Run, tmp_path: Path) -> None:
    target = ROOT / "gallery" / "sparse_dense.py"
    named = (f"{target}:Convolution", f"{target}:Dense")
    done = run(*named, "--align", "--style", "node-link", "-o", "a.svg", "--caption")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Convolution. ") and " Dense. " in done.stdout
    assert 'data-node="Dense.layer"' in (tmp_path / "a.svg").read_text("utf-8")
    for words, told in (((f"{target}:Dense", "--align"), "one model only"),
                        (named, "2 models were named")):
        done = run(*words, "-o", "b.svg")
        assert done.returncode == 2 and told in done.stderr and not (tmp_path / "b.svg").exists()


def test_in_a_notebook() -> None:
    small, large = (nn.Sequential(nn.Linear(4, n), nn.Linear(n, 3)) for n in (3, 7))
    figure = notebook.run(["small", "large", "--align", "--input", "1x4"], {"small": small, "large": large})
    assert models(figure.graph) == ("small", "large")


def test_a_saved_graph_stands_beside_a_model(tmp_path: Path) -> None:
    archviz.draw(Plain(), IMAGE).save(tmp_path / "plain.json")
    saved = read(str(tmp_path / "plain.json"))
    figure = compile_together([saved, saved], [Options(), Options()])
    assert models(figure.graph) == ("Plain", "Plain-no2")
    assert merge(figure.graph, []).params == 2 * saved.params
