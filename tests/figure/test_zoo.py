"""Every model of the zoo: its graph obeys the laws, and its figure can be read at both widths.

Each model is traced once and drawn once per width; the linter measures all figures in one browser session.
"""
from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from typing import Any

import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

from archviz.core import graph_json
from archviz.core.graph import KINDS, Graph
from archviz.core.plugins import find
from archviz.figure import compile, options
from archviz.figure.figure import Figure
from archviz.style.style import load_style
from archviz.trace.ladder import Inputs, trace
from tests.conftest import ROOT
from tests.lint import FAULTS, LINTER, MIN_FONT, lint
from tests.zoo import CASES

WIDTHS = {"page": 174, "column": 84}
each_model = pytest.mark.parametrize("name", CASES)
each_figure = pytest.mark.parametrize("key", [f"{name}-{width}" for name in CASES for width in WIDTHS])


@cache
def graph(name: str) -> Graph:
    args, kwargs = CASES[name].inputs()
    found = trace(CASES[name].build, Inputs(args, kwargs))
    assert found.report.failed is None, found.report.failed
    return found.graph


@cache
def figure(key: str) -> Figure:
    name, _, width = key.rpartition("-")
    return compile.compile(graph(name), options.Options(width=width))


@cache
def passed(name: str) -> Graph:
    """The graph after the passes of the block style, before anything is collapsed to fit."""
    style = load_style("block")
    found = graph(name)
    for step in style.passes:
        found = getattr(find("passes", step), step)(found, style)
    return found


# ---------------------------------------------------------------------------------------------- accounting

def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return CASES[name].build().eval()


class Unmasked(TorchFunctionMode):
    """Answer "is the whole mask set?" with yes, as it is here: tensors on meta have no values to look at."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return True if func is torch.Tensor.__bool__ else func(*args, **(kwargs or {}))


@each_model
def test_parameters_are_those_of_the_model(name):
    distinct = {id(p): p.numel() for p in on_meta(name).parameters()}
    assert graph(name).params == sum(distinct.values())


@pytest.mark.parametrize("name", [name for name in CASES if name != "mixtral"])
def test_flops_are_what_the_counter_counts(name):
    """Without Mixtral: its grouped products do not run on meta, and the counter does not know them."""
    args, kwargs = CASES[name].inputs()
    with torch.device("meta"), torch.no_grad(), Unmasked(), FlopCounterMode(display=False) as counter:
        on_meta(name)(*(a.to("meta") for a in args), **{k: v.to("meta") for k, v in kwargs.items()})
    assert graph(name).flops == counter.get_total_flops()


def test_flops_of_a_mixture_of_experts():
    """Two per weight and token, for the two experts of eight that a token visits, and attention's products."""
    width, tokens, layers, inner, heads, pairs = 4096, 128, 32, 14336, 32, 8
    attention = 2 * width * width + 2 * width * width * pairs // heads
    weights = layers * (attention + 8 * width + 2 * 3 * width * inner) + width * 32000
    assert graph("mixtral").flops == 2 * tokens * weights + layers * 4 * tokens * tokens * width


# ---------------------------------------------------------------------------------------------- laws of the graph

@each_model
def test_the_trace_is_sound(name):
    g = graph(name)
    assert len(g.by_id) == len(g.nodes)
    assert all(node.members == (node.id,) and node.kind in KINDS for node in g.nodes)
    assert all(edge.src in g.by_id and edge.dst in g.by_id for edge in g.edges)
    assert all(g.by_id[edge.src].index < g.by_id[edge.dst].index for edge in g.edges)
    assert all(scope in g.modules for node in g.nodes for scope in node.scope)
    assert {node.kind for node in g.nodes} >= {"input", "output"}
    assert not [node.id for node in g.nodes if node.kind in ("failed", "opaque")]


@each_model
def test_json_brings_back_the_same_graph(name):
    assert graph_json.from_json(graph_json.to_json(graph(name))) == graph(name)
    assert graph_json.from_json(graph_json.to_json(passed(name))) == passed(name)


def keeps(before: Graph, after: Graph) -> None:
    """The drawn nodes hold every id of the trace once, and the same totals."""
    members = [member for node in after.nodes for member in node.members]
    assert sorted(members) == sorted(before.by_id)
    assert (after.params, after.flops) == (before.params, before.flops)


@each_model
def test_passes_keep_ids_and_totals(name):
    style = load_style("block")
    found = graph(name)
    for step in style.passes:
        found = getattr(find("passes", step), step)(found, style)
        keeps(graph(name), found)


@each_figure
def test_what_is_drawn_keeps_ids_and_totals(key):
    keeps(graph(key.rpartition("-")[0]), figure(key).drawn)


@cache
def reach(name: str) -> dict[str, int]:
    """Per node of the trace, the nodes it leads to, as the bits of a number."""
    g = graph(name)
    place = {node.id: 1 << i for i, node in enumerate(g.nodes)}
    found: dict[str, int] = {}
    for node in reversed(g.nodes):
        found[node.id] = place[node.id]
        for edge in g.outgoing[node.id]:
            found[node.id] |= found[edge.dst]
    return found


@each_figure
def test_every_drawn_edge_is_a_path_of_the_trace(key):
    name = key.rpartition("-")[0]
    bits = {node.id: 1 << i for i, node in enumerate(graph(name).nodes)}
    drawn = figure(key).drawn
    goals = {node.id: sum(bits[m] for m in node.members) for node in drawn.nodes}
    for edge in drawn.edges:
        members = drawn.by_id[edge.src].members
        assert any(reach(name)[member] & goals[edge.dst] for member in members), (edge.src, edge.dst)


@each_model
def test_expand_undoes_collapse(name):
    collapse = find("passes", "collapse")
    g = passed(name)
    for depth in {len(module.scope) for module in g.modules.values()}:
        ids = [key for key, module in g.modules.items() if len(module.scope) == depth]
        closed = collapse.collapse(g, ids=ids)
        keeps(graph(name), closed)
        assert collapse.expand(closed, ids=ids) == g


# ---------------------------------------------------------------------------------------------- the figures

@each_figure
def test_boxes_never_overlap_and_stay_in_their_frames(key):
    layout, drawn = figure(key).layout, figure(key).drawn
    places = sorted(layout.nodes.items(), key=lambda item: item[1].x)
    slack = 0.01
    for i, (one, a) in enumerate(places):
        for other, b in places[i + 1:]:
            if b.x > a.x + a.width - slack:
                break
            assert b.y > a.y + a.height - slack or a.y > b.y + b.height - slack, (one, other)
    for node in drawn.nodes:
        a = layout.nodes[node.id]
        for frame in (layout.frames[s] for s in node.scope if s in layout.frames):
            assert frame.x - slack <= a.x and a.x + a.width <= frame.x + frame.width + slack, node.id
            assert frame.y - slack <= a.y and a.y + a.height <= frame.y + frame.height + slack, node.id


@each_figure
def test_a_figure_is_no_larger_than_its_page(key):
    scene, page = figure(key).scene, options.Options(width=key.rpartition("-")[2]).resolved().page
    assert scene.width <= page.width + 0.01 and scene.height <= page.max_height + 0.01


@pytest.fixture(scope="session")
def measured(tmp_path_factory) -> dict[str, dict[str, Any]]:
    if not LINTER.exists():
        if os.environ.get("CI") == "true":
            pytest.fail(f"the figure linter is missing: {LINTER}")
        pytest.skip(f"no figure linter at {LINTER}")
    folder = tmp_path_factory.mktemp("figures")
    paths = []
    for name in CASES:
        for width in WIDTHS:
            key = f"{name}-{width}"
            try:
                figure(key).save(folder / f"{key}.svg")
            except Exception:       # told by the tests that draw it
                continue
            paths.append(folder / f"{key}.svg")
    return lint(paths)


@each_figure
def test_the_linter_finds_nothing(key, measured):
    row = measured.get(f"{key}.svg")
    assert row is not None, f"{key} was not drawn"
    assert row["texts"] > 3 and row["shapes"] > 1
    assert not row["bad"], row["bad"]


def test_every_model_is_drawn_in_cubes_without_a_fault(tmp_path):
    """Every other model on a column, the rest on a page: each form of the linter's tests has both."""
    paths = []
    for i, name in enumerate(CASES):
        for width in [*WIDTHS][i % 2:i % 2 + 1]:
            drawn = compile.compile(graph(name), options.Options("cube", width=width))
            assert drawn.scene.width <= WIDTHS[width] / 25.4 * 72.27 + 0.02
            assert sum(node.params for node in drawn.drawn.nodes) == graph(name).params
            drawn.save(tmp_path / f"{name}-{width}.svg")
            paths.append(tmp_path / f"{name}-{width}.svg")
    assert {name: row["bad"] for name, row in lint(paths).items() if row["bad"]} == {}


def test_the_linter_would_find_something(measured, tmp_path):
    """A figure with a label over another, a label out of its box, and print too small is told for all three."""
    bad = tmp_path / "bad.svg"
    bad.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="174mm" viewBox="0 0 495 100">'
                   '<rect x="10" y="10" width="30" height="20" fill="#ffffff" stroke="#000"/>'
                   '<text x="0" y="25" font-size="12">too long</text><text x="2" y="26" font-size="12">over it</text>'
                   '<text x="200" y="60" font-size="3">small</text></svg>')
    row = lint([bad])["bad.svg"]
    assert {"text_text", "text_spill", "min_pt"} <= set(row["bad"]) and row["min_pt"] < MIN_FONT
    assert set(FAULTS) <= set(row)


@each_model
def test_a_wider_page_shows_no_less(name):
    """Automatic detail is monotone in the page: what fits the column fits the page."""
    assert len(figure(f"{name}-page").drawn.nodes) >= len(figure(f"{name}-column").drawn.nodes)


DRAW = """
import sys
sys.path.insert(0, sys.argv[1])
from hashlib import sha256
from archviz.figure.compile import compile
from archviz.figure.options import Options
from archviz.trace.ladder import Inputs, trace
from tests.zoo import CASES
for name in sys.argv[2:]:
    args, kwargs = CASES[name].inputs()
    graph = trace(CASES[name].build, Inputs(args, kwargs)).graph
    figure = compile(graph, Options(width="column"))
    print(name, *(sha256(figure.render(suffix)).hexdigest() for suffix in ("svg", "json")))
"""


def test_two_runs_give_the_same_bytes():
    names = ["bert", "lstm", "mixtral"]
    runs = [subprocess.run([sys.executable, "-c", DRAW, str(ROOT), *names], capture_output=True, text=True,
                           env={**os.environ, "PYTHONHASHSEED": seed}) for seed in ("1", "2")]
    assert all(run.returncode == 0 for run in runs), runs[0].stderr[-2000:]
    assert runs[0].stdout == runs[1].stdout and len(runs[0].stdout.split()) == 3 * len(names)
