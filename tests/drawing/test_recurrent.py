"""Recurrent layers: the wiring of each cell computes what torch computes, and the pictures show that wiring."""
from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph
from archviz.core.scene import Box, Circle, Group, Link, Mark, Text
from archviz.drawing.forms._cells import Glyph, Wiring, gru, lstm, rnn
from archviz.drawing.forms._inside import inside
from archviz.drawing.forms._recurrent import columns, layer, legend, picture
from archviz.drawing.forms._steps import Recurrence
from archviz.figure import compile, draw
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.style.style import Style, load_style
from tests.conftest import ROOT, Run
from tests.graphs import Builder
from tests.lint import lint

GALLERY = ROOT / "gallery" / "lstm.py"
HERE = "t−1"
PORTS = frozenset({"x", "h in", "c in", "h out", "c out", "y"})


class Tagger(nn.Module):
    """A bidirectional GRU that gives each word a tag."""

    def __init__(self, layers: int = 1) -> None:
        super().__init__()
        self.words = nn.Embedding(5000, 64)
        self.gru = nn.GRU(64, 128, layers, batch_first=True, bidirectional=True)
        self.tags = nn.Linear(256, 17)

    def forward(self, sentence: Tensor) -> Tensor:
        return self.tags(self.gru(self.words(sentence))[0])


class Last(nn.Module):
    """A plain RNN whose last step is classified."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(28, 64, batch_first=True, nonlinearity="relu")
        self.head = nn.Linear(64, 10)

    def forward(self, rows: Tensor) -> Tensor:
        return self.head(self.rnn(rows)[0][:, -1])


class Cells(nn.Module):
    """One cell of each kind, called once."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.gru, self.rnn = nn.LSTMCell(8, 16), nn.GRUCell(16, 16), nn.RNNCell(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.rnn(self.gru(self.lstm(x)[0]))


MODELS: dict[str, tuple[Callable[[], nn.Module], Tensor]] = {
    "tagger": (Tagger, torch.zeros(1, 20, dtype=torch.long)),
    "deep tagger": (lambda: Tagger(2), torch.zeros(1, 20, dtype=torch.long)),
    "last": (Last, torch.zeros(1, 28, 28)),
    "cells": (Cells, torch.zeros(1, 8)),
    "projected": (lambda: nn.LSTM(8, 32, 5, proj_size=4), torch.zeros(9, 1, 8)),
}
WAYS: dict[str, dict[str, str]] = {
    "folded": {}, "unrolled": {"options.unroll": "3"}, "opened": {"options.cell": "open"},
    "both": {"options.unroll": "3", "options.cell": "open"},
}


def drawn(name: str, way: str, width: str = "page") -> Figure:
    model, x = MODELS[name]
    return draw.draw(model, (x,), style="node-link", settings=WAYS[way], width=width)


# ------------------------------------------------------------------------------------------------ what a cell computes

SIGNS: dict[str, Callable[[Tensor], Tensor]] = {"σ": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu}


def weights(cell: nn.Module, gates: str) -> dict[str, Tensor]:
    """The parts of a cell's weights, named as in the documentation: W_if, b_hf …"""
    found: dict[str, Tensor] = {}
    for name, value in cell.named_parameters():
        kind, way = re.fullmatch(r"(weight|bias)_(ih|hh|hr)(?:_l0)?", name).groups()  # type: ignore[union-attr]
        letter = "W" if kind == "weight" else "b"
        if way == "hr":
            found["W_hr"] = value.detach()
        else:
            found |= {f"{letter}_{way[0]}{gate}": part for gate, part in zip(gates, value.detach().chunk(len(gates)),
                                                                           strict=True)}
    return found


def computed(wiring: Wiring, w: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> dict[str, Any]:
    """The value at every glyph, worked out along the wires."""
    into = {glyph.name: [wire.src for wire in wiring.wires if wire.dst == glyph.name] for glyph in wiring.glyphs}
    values: dict[str, Any] = dict(given)

    def affine(name: str, side: str, x: Tensor) -> Tensor:
        return w[f"W_{side}{name}"] @ x + w.get(f"b_{side}{name}", torch.zeros(()))

    def value(glyph: Glyph) -> Any:
        at = {src: of(src) for src in into[glyph.name]}
        operands = list(at.values())
        match glyph.op:
            case "join":
                assert set(at) == {"x", "h in"}
                return at
            case "gate":
                (joined,) = operands
                x, h = affine(glyph.name, "i", joined["x"]), affine(glyph.name, "h", joined["h in"])
                return SIGNS[glyph.label](x + h)
            case "linear":
                (x,) = operands
                matrix = re.search(r"W_(\w+)", glyph.tip)[1]  # type: ignore[index]
                return affine(matrix[1:], matrix[0], x)
            case "act":
                (x,) = operands
                return SIGNS[glyph.label](x)
            case "rest":
                (x,) = operands
                return 1 - x
            case "mul":
                a, b = operands
                return a * b
            case "add":
                a, b = operands
                return a + b
            case "port":
                (x,) = operands
                return x
        raise AssertionError(glyph.op)

    by_name = {glyph.name: glyph for glyph in wiring.glyphs}

    def of(name: str) -> Any:
        if name not in values:
            values[name] = value(by_name[name])
        return values[name]

    for glyph in wiring.glyphs:
        of(glyph.name)
    return values


def spelt(tip: str, known: dict[str, Any]) -> Tensor:
    """The value of an equation's right side as it is written in a tooltip."""
    code = tip.rpartition(" = ")[2].replace("h_{t−1}", "h_0").replace("c_{t−1}", "c_0")
    code = re.sub(r"(W_\w+) ", r"\1 @ ", code).replace("⊙", "*").replace("−", "-").replace("σ", "sigma")
    result = eval(code, {"sigma": torch.sigmoid, "tanh": torch.tanh, "ReLU": torch.relu, "__builtins__": {}}, known)
    assert isinstance(result, Tensor)
    return result


CELLS = [
    pytest.param(nn.RNNCell(5, 7), "h", rnn(), id="rnn"),
    pytest.param(nn.RNNCell(5, 7, bias=False, nonlinearity="relu"), "h", rnn("ReLU", bias=False), id="rnn-relu"),
    pytest.param(nn.LSTMCell(5, 7), "ifgo", lstm(), id="lstm"),
    pytest.param(nn.LSTMCell(5, 7, bias=False), "ifgo", lstm(bias=False), id="lstm-no-bias"),
    pytest.param(nn.LSTM(5, 7, proj_size=3), "ifgo", lstm(projected=True), id="lstm-projected"),
    pytest.param(nn.GRUCell(5, 7), "rzn", gru(), id="gru"),
    pytest.param(nn.GRUCell(5, 7, bias=False), "rzn", gru(bias=False), id="gru-no-bias"),
]


def states_of(cell: nn.Module) -> dict[str, Tensor]:
    torch.manual_seed(0)
    small = getattr(cell, "proj_size", 0) or 7
    return {"x": torch.randn(5), "h in": torch.randn(small), "c in": torch.randn(7)}


@pytest.mark.parametrize(("cell", "gates", "wiring"), CELLS)
def test_the_wiring_computes_what_torch_computes(cell: nn.Module, gates: str, wiring: Wiring) -> None:
    given = states_of(cell)
    ports = {glyph.name for glyph in wiring.glyphs if glyph.op == "port"}
    values = computed(wiring, weights(cell, gates), {k: v for k, v in given.items() if k in ports})
    with torch.no_grad():
        x, h, c = (given[key][None] for key in ("x", "h in", "c in"))
        if isinstance(cell, nn.LSTM):
            _, (hs, cs) = cell(x, (h, c))
            wanted = {"h out": hs[0], "c out": cs[0]}
        elif isinstance(cell, nn.LSTMCell):
            hs, cs = cell(x, (h, c))
            wanted = {"h out": hs[0], "c out": cs[0]}
        else:
            wanted = {"h out": cell(x, h)[0]}
    wanted["y"] = wanted["h out"]
    assert set(wanted) | (set(given) & ports) == ports <= PORTS
    for port, value in wanted.items():
        torch.testing.assert_close(values[port], value)


@pytest.mark.parametrize(("cell", "gates", "wiring"), CELLS)
def test_each_tooltip_says_what_its_glyph_computes(cell: nn.Module, gates: str, wiring: Wiring) -> None:
    given, w = states_of(cell), weights(cell, gates)
    ports = {glyph.name for glyph in wiring.glyphs if glyph.op == "port"}
    values = computed(wiring, w, {k: v for k, v in given.items() if k in ports})
    named = {g.value: values[g.name] for g in wiring.glyphs if g.value}
    known = {**w, **named, "x_t": given["x"], "h_0": given["h in"], "c_0": given["c in"], "c_t": values.get("c out")}
    glyphs = [glyph for glyph in wiring.glyphs if glyph.op not in ("port", "join")]
    assert all(glyph.tip for glyph in glyphs)
    for glyph in glyphs:
        torch.testing.assert_close(spelt(glyph.tip, known), values[glyph.name], msg=glyph.tip)


# ------------------------------------------------------------------------------------------------ how a cell is drawn

WIRINGS = [pytest.param(w, id=i) for w, i in (
    (rnn(), "rnn"), (rnn("ReLU"), "relu"), (lstm(), "lstm"), (lstm(projected=True), "projected"), (gru(), "gru"))]
NARROW = Options(style="node-link", width="column", settings={"page.min_font": "9"})
STYLES = [pytest.param(load_style("node-link"), id="page"), pytest.param(NARROW.resolved(), id="large-type")]
Rect = tuple[float, float, float, float]
Point = tuple[float, float]


def flat(marks: Any) -> Iterator[Mark]:
    for mark in marks:
        yield from flat(mark.marks) if isinstance(mark, Group) else (mark,)


def rect(mark: Mark, style: Style) -> Rect:
    """Left, top, right, bottom; of text, of what its letters cover."""
    match mark:
        case Box(x, y, w, h):
            return x, y, x + w, y + h
        case Circle(x, y, r):
            return x - r, y - r, x + r, y + r
        case Text(x, y, string, role, anchor):
            paint = style.roles[role]
            wide = text.width(string, paint.size, paint.weight, paint.italic)
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            return left, y - 0.7 * paint.size, left + wide, y + 0.05 * paint.size
    raise AssertionError(mark)


def meet(a: Rect, b: Rect, by: float = 0.0) -> bool:
    return a[0] + by < b[2] and b[0] + by < a[2] and a[1] + by < b[3] and b[1] + by < a[3]


def runs_through(points: tuple[Point, ...], area: Rect) -> bool:
    return any(meet((min(a[0], b[0]) - 0.01, min(a[1], b[1]) - 0.01, max(a[0], b[0]) + 0.01, max(a[1], b[1]) + 0.01),
                    area, 0.02) for a, b in pairwise(points))


def on_border(point: Point, area: Rect) -> bool:
    x, y = point
    inside_x, inside_y = area[0] - 0.01 <= x <= area[2] + 0.01, area[1] - 0.01 <= y <= area[3] + 0.01
    return inside_x and inside_y and min(abs(x - area[0]), abs(x - area[2]), abs(y - area[1]), abs(y - area[3])) < 0.01


def passes(point: Point, points: tuple[Point, ...]) -> bool:
    x, y = point
    return any(min(a[0], b[0]) - 0.01 <= x <= max(a[0], b[0]) + 0.01 and min(a[1], b[1]) - 0.01 <= y
               <= max(a[1], b[1]) + 0.01 for a, b in pairwise(points))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("wiring", WIRINGS)
def test_lines_join_what_the_table_joins_and_touch_nothing_else(wiring: Wiring, style: Style) -> None:
    found = inside(wiring, style)
    groups = [mark for mark in found.marks if isinstance(mark, Group)]
    wires = [group for group in groups if group.role == "wire"]
    shown = [glyph for glyph in wiring.glyphs if glyph.op not in ("port", "join")]
    areas = {glyph.name: rect(group.marks[0], style)
             for glyph, group in zip(shown, (g for g in groups if g.role != "wire"), strict=True)}
    names = [mark for mark in found.marks if isinstance(mark, Text)]
    assert not [(a, b) for a, b in combinations(areas.values(), 2) if meet(a, b)]
    assert not [(n, a) for n in names for a in areas.values() if meet(rect(n, style), a)]
    runs: dict[int, tuple[Point, ...]] = {}
    for i, group in enumerate(wires):
        links = [mark for mark in group.marks if isinstance(mark, Link)]
        assert [link.arrow for link in links[:-1]] == [False] * (len(links) - 1)
        runs[i] = tuple(point for link in links for point in link.points)
    for i, wire in enumerate(wiring.wires):
        start, end = runs[i][0], runs[i][-1]
        siblings = [runs[j] for j, other in enumerate(wiring.wires) if other.src == wire.src and j != i]
        if wire.fork:
            assert any(passes(start, run) for run in siblings)
        elif wire.src in areas:
            assert on_border(start, areas[wire.src])
        elif wire.src in found.ports:
            assert start == pytest.approx(found.ports[wire.src])
        if wire.dst in areas:
            assert on_border(end, areas[wire.dst])
        elif wire.dst in found.ports:
            assert end == pytest.approx(found.ports[wire.dst])
        for name, area in areas.items():
            assert not runs_through(runs[i], area), (wire, name)
        for mark in names:
            assert not runs_through(runs[i], rect(mark, style)), (wire, mark)
    for area in areas.values():
        assert meet(area, (0.0, 0.0, found.width, found.height))


@pytest.mark.parametrize("wiring", WIRINGS)
def test_lines_of_different_values_meet_only_where_one_has_a_gap(wiring: Wiring) -> None:
    style = load_style("node-link")
    found = inside(wiring, style)
    wires = [mark for mark in found.marks if isinstance(mark, Group) and mark.role == "wire"]
    joins = {glyph.name for glyph in wiring.glyphs if glyph.op == "join"}
    for (a, first), (b, second) in combinations(zip(wiring.wires, wires, strict=True), 2):
        if a.src == b.src or a.dst == b.dst or {a.src, a.dst} & {b.src, b.dst} & (joins | set(found.ports)):
            continue
        for one in flat(first.marks):
            for other in flat(second.marks):
                assert isinstance(one, Link) and isinstance(other, Link)
                for p, q in pairwise(one.points):
                    box = (min(p[0], q[0]), min(p[1], q[1]), max(p[0], q[0]), max(p[1], q[1]))
                    assert not runs_through(other.points, box), (a, b)


# ------------------------------------------------------------------------------------------------ steps of time

@pytest.mark.parametrize(("unroll", "length", "indices"), [
    (0, 10, "t"), (3, 10, "1 2 3 … T"), (3, 4, "1 2 3 T"), (3, 3, "1 2 3"), (3, 2, "1 2"), (1, None, "1 … T"),
])
def test_the_steps_that_are_drawn(unroll: int, length: int | None, indices: str) -> None:
    found = columns(Recurrence("LSTM", lstm(), length=length), unroll, False)
    assert [column.index or "…" for column in found] == indices.split()


@pytest.mark.parametrize(("unroll", "which"), [(0, [0]), (1, [0]), (2, [0]), (3, [1]), (5, [2])])
def test_the_middle_one_of_the_steps_is_opened(unroll: int, which: list[int]) -> None:
    found = columns(Recurrence("GRU", gru(), length=100), unroll, True)
    assert [i for i, column in enumerate(found) if column.opened] == which


def build(op: str = "LSTM", hidden: int = 16, layers: int = 1, both: bool = False, length: int = 10) -> Graph:
    """A recurrent layer and a linear one."""
    b = Builder("Net")
    x = b.input(shape=(1, length, 8))
    wide = hidden * (1 + both)
    y = b.op(op, x, kind="recurrent", name="seq", shape=(1, length, wide), hidden_size=hidden, num_layers=layers,
             bidirectional=both, batch_first=True, bias=True)
    b.output(b.op("Linear", y, name="head", shape=(1, length, 5), out_features=5))
    return b.graph()


@pytest.mark.parametrize(("name", "facts"), [
    ("tagger", {"name": "GRU", "both": True, "length": 20, "last": False, "layers": 1, "single": False}),
    ("deep tagger", {"layers": 2, "both": True}),
    ("last", {"name": "RNN", "last": True, "both": False, "length": 28}),
    ("projected", {"name": "LSTM", "layers": 5, "length": 9, "wiring": lstm(projected=True)}),
])
def test_what_a_picture_knows_of_a_traced_layer(name: str, facts: dict[str, Any]) -> None:
    graph = drawn(name, "folded").drawn
    node = next(node for node in graph.nodes if node.kind == "recurrent")
    found = layer(node, graph)
    assert {key: getattr(found, key) for key in facts} == facts


def test_a_cell_called_by_hand_is_one_step_whatever_is_asked_for() -> None:
    graph = drawn("cells", "unrolled").drawn
    found = [layer(node, graph) for node in graph.nodes if node.kind == "recurrent"]
    assert [one and (one.name, one.single, one.length) for one in found] == [
        ("LSTM", True, None), ("GRU", True, None), ("RNN", True, None)]
    for one in found:
        assert one is not None
        assert [column.index for column in columns(one, 3, False)] == ["t"]


def test_what_is_no_recurrent_layer_of_torch_has_no_picture() -> None:
    graph = build("Mamba")
    assert picture(graph.by_id["seq"], graph, load_style("node-link")) is None
    assert legend(graph, load_style("node-link")) == []


def strings(marks: Any) -> list[str]:
    return [mark.string for mark in flat(marks) if isinstance(mark, Text)]


def test_states_run_from_cell_to_cell_and_each_step_has_its_x_and_its_h() -> None:
    style = load_style("node-link", {"options.unroll": "3"})
    for both in (False, True):
        graph = build(layers=2, both=both)
        found = picture(graph.by_id["seq"], graph, style)
        assert found is not None
        marks = list(flat(found.marks))
        cells = [rect(m, style) for m in marks if isinstance(m, Box) and m.role == "recurrent"]
        steps = [rect(m, style) for m in marks if isinstance(m, Circle) and m.role == "step"]
        assert (len(cells), len(steps)) == (4 * 2 * (1 + both), 8)
        states = [m.points for m in marks if isinstance(m, Link) and m.role == "state"]
        ends = [(m.points[0], m.points[-1], m.arrow) for m in marks if isinstance(m, Link) and m.role == "state"]
        for cell in cells:      # two states come in with a head on one side, and two go out on the other
            into = [end[0] for _, end, head in ends if head and on_border(end, cell)]
            out = [start[0] for start, _, _ in ends if on_border(start, cell)]
            assert len(into) == len(out) == 2
            assert sorted({round(x, 6) for x in (*into, *out)}) == pytest.approx([cell[0], cell[2]])
            back = into[0] > out[0]
            rows = sorted({round(c[1], 3) for c in cells}, reverse=True)
            assert back == (both and rows.index(round(cell[1], 3)) % 2 == 1)
        flows = [m for m in marks if isinstance(m, Link) and m.role == "edge"]
        top = min(c[1] for c in cells)
        for step in steps:
            arrows = [m for m in flows if m.arrow and on_border(m.points[-1], step)]
            leaves = [m for m in flows if on_border(m.points[0], step)]
            assert len(arrows) == len(leaves) == 1, "each x and each h has one line in and one out"
        assert sum(step[1] < top for step in steps) == 4
        assert len(states) >= 2 * 2 * 5 * (1 + both)
        words = strings(found.marks)
        assert [words.count(letter) for letter in ("x", "h")] == [4, 4 + words.count("c")]
        assert {"0", "1", "2", "3", "T", "T−1"} <= set(words)


def test_only_the_last_h_goes_on_where_the_model_takes_only_the_last() -> None:
    style = load_style("node-link", {"options.unroll": "2"})
    graph = drawn("last", "folded").drawn
    one = next(node for node in graph.nodes if node.kind == "recurrent")
    found = picture(one, graph, style)
    assert found is not None
    end = pytest.approx((found.width, found.axis))
    out = [m for m in flat(found.marks) if isinstance(m, Link) and m.points[-1] == end]
    steps = [rect(m, style) for m in flat(found.marks) if isinstance(m, Circle) and m.role == "step"]
    last = max(steps, key=lambda area: (area[0], -area[1]))
    assert len(out) == 1 and on_border(out[0].points[0], last)


@settings(max_examples=20)
@given(op=st.sampled_from(["LSTM", "GRU", "RNN"]), hidden=st.integers(1, 100_000), layers=st.integers(1, 7),
       both=st.booleans(), length=st.integers(1, 40), unroll=st.integers(0, 8), opened=st.booleans(),
       width=st.sampled_from(["column", "page", "120mm"]), font=st.sampled_from(["6", "8"]))
def test_every_picture_fits_its_page_and_nothing_overlaps(
    op: str, hidden: int, layers: int, both: bool, length: int, unroll: int, opened: bool, width: str, font: str
) -> None:
    graph = build(op, hidden, layers, both, length)
    options = Options(style="node-link", width=width, min_font=f"{font}pt", settings={
        "options.unroll": str(unroll), "options.cell": "open" if opened else "closed"})
    style = options.resolved()
    found = compile.compile(graph, options, style)
    scene = found.scene
    assert scene.width <= style.page.width + 0.01 and scene.height <= style.page.max_height + 0.01
    ids = [mark.node for mark in scene.marks if isinstance(mark, Group) and mark.node and mark.role != "link"]
    assert sorted(ids) == sorted(node.id for node in found.drawn.nodes)
    marks = list(flat(scene.marks))
    painted = replace(style, roles=dict(scene.sheet))
    words = [(m, rect(m, painted)) for m in marks if isinstance(m, Text)]
    assert all(scene.sheet[m.role].size >= float(font) for m, _ in words)
    assert not [(a, b) for (a, one), (b, other) in combinations(words, 2) if meet(one, other, 0.3)]
    solid = [rect(m, style) for m in marks if isinstance(m, Box) and m.role in ("recurrent", "gate", "linear", "act")]
    assert not [pair for pair in combinations(solid, 2) if meet(*pair, 0.01)]
    assert compile.compile(graph, options, style).svg == found.svg


# ------------------------------------------------------------------------------------------------ whole figures

def test_figures_have_no_faults_at_either_width(tmp_path: Path) -> None:
    files = []
    for width in ("page", "column"):
        for way, chosen in WAYS.items():
            for name in MODELS:
                files.append(tmp_path / f"{name.replace(' ', '-')}-{way}-{width}.svg")
                drawn(name, way, width).save(files[-1])
            files.append(tmp_path / f"lstm-{way}-{width}.svg")
            draw.draw(str(GALLERY), style="node-link", settings=chosen, width=width).save(files[-1])
    assert {name: row["bad"] for name, row in lint(files).items() if row["bad"]} == {}


def test_the_picture_stands_between_the_embedding_and_the_linear_layer() -> None:
    found = draw.draw(str(GALLERY), style="node-link", settings=WAYS["unrolled"])
    assert [node.kind for node in found.drawn.nodes] == ["input", "embedding", "recurrent", "linear", "output"]
    groups = {mark.node: mark for mark in found.scene.marks if isinstance(mark, Group)}
    words = strings(groups["lstm"].marks)
    assert words.count("LSTM") == 8 and "LSTM, 256, 2 layers" in words


def test_expand_opens_a_recurrent_layer_by_path_or_class() -> None:
    for name in ("lstm", "LSTM", "l*m"):
        found = draw.draw(str(GALLERY), style="node-link", expand=[name])
        groups = [mark for mark in flat_groups(found.scene.marks) if mark.role == "gate"]
        assert [group.title.partition(" = ")[0] for group in groups] == ["f_t", "i_t", "g_t", "o_t"], name
    with pytest.raises(ArchvizError, match="no module is called 'lstn'"):
        draw.draw(str(GALLERY), style="node-link", expand=["lstn"])


def flat_groups(marks: Any) -> Iterator[Group]:
    for mark in marks:
        if isinstance(mark, Group):
            yield mark
            yield from flat_groups(mark.marks)


def test_the_legend_says_what_the_pictures_are_made_of() -> None:
    style = load_style("node-link", {"options.cell": "open"})
    words = {op: [name for name, _ in legend(build(op, both=op == "GRU"), style)] for op in ("LSTM", "GRU", "RNN")}
    assert words["LSTM"][0].startswith("gate") and words["LSTM"][1:] == [
        "activation", "product", "sum", "state, passed on in time"]
    assert words["GRU"][1:] == [
        "linear map", "activation", "product", "sum", "concatenation", "state, passed on in time"]
    assert words["RNN"][1:] == ["state, passed on in time"]
    assert [name for name, _ in legend(build(), load_style("node-link"))] == ["state, passed on in time"]


def test_a_saved_graph_is_unrolled_as_the_model_is(tmp_path: Path) -> None:
    first = draw.draw(str(GALLERY), style="node-link", settings={"options.unroll": "2"})
    first.save(tmp_path / "graph.json")
    again = draw.draw(str(tmp_path / "graph.json"), style="node-link", settings={"options.unroll": "2"})
    assert again.svg == first.svg


# ------------------------------------------------------------------------------------------------ the command line

def test_unroll_on_the_command_line(run: Run, tmp_path: Path) -> None:
    done = run(GALLERY, "--style", "node-link", "--unroll", 3, "--expand", "lstm", "-o", "lstm.svg")
    assert done.returncode == 0, done.stderr
    drawn_ = (tmp_path / "lstm.svg").read_text("utf-8")
    assert drawn_.count('data-node="lstm"') == 1 and "f_t = σ(W_if x_t" in drawn_


@pytest.mark.parametrize(("given_", "said"), [
    (["--unroll", "3"], "unknown option 'unroll'\n  only the form nodelink has it, not 'block'"),
    (["--style", "node-link", "--unroll", "-1"], "is a number of time steps from 0 (folded) to 99, not '-1'"),
    (["--style", "node-link", "--unroll", "many"], "is a number of time steps from 0 (folded) to 99, not 'many'"),
    (["--style", "node-link", "--unroll", "1000"], "is a number of time steps from 0 (folded) to 99, not '1000'"),
])
def test_a_mistake_in_unroll_is_said_in_one_line(given_: list[str], said: str, run: Run, tmp_path: Path) -> None:
    done = run(GALLERY, *given_, "-o", "x.svg")
    assert done.returncode == 2 and said in done.stderr and len(done.stderr.splitlines()) <= 2
    assert not list(tmp_path.iterdir())
