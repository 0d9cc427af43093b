"""An encoder and a decoder with attention between them: found by structure, drawn step by step, told in words."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from archviz.core.regroup import split
from archviz.core.scene import Box, Group, Link, Mark, Text
from archviz.figure import draw
from archviz.figure.figure import Figure
from archviz.passes.unroll import parts
from tests.conftest import ROOT
from tests.lint import lint


class Translator(nn.Module):
    """What the models below share: words in, words out."""

    def __init__(self, hidden: int = 24, both: bool = False, given: int = 0) -> None:
        super().__init__()
        self.hidden = hidden
        self.source, self.target = nn.Embedding(50, 16), nn.Embedding(60, 12)
        self.encoder = nn.GRU(16, hidden, batch_first=True, bidirectional=both)
        self.decoder: nn.Module = nn.GRUCell(12 + given, hidden)
        self.out = nn.Linear(hidden, 60)


class Before(Translator):
    """The state before asks; the sum makes the next state.  All in one hand-written loop of ten operations."""

    def __init__(self, last: int = -1) -> None:
        super().__init__(given=24)
        self.last = last
        self.state, self.position, self.score = nn.Linear(24, 8), nn.Linear(24, 8), nn.Linear(8, 1)

    def forward(self, source: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        memory, _ = self.encoder(self.source(source))
        state, words, weights = memory[:, self.last], [], []
        for i in range(target.shape[1]):
            scores = self.score(torch.tanh(self.state(state)[:, None] + self.position(memory)))
            weights.append(scores.softmax(1))
            read = (weights[-1] * memory).sum(1)
            state = self.decoder(torch.cat((self.target(target[:, i]), read), 1), state)
            words.append(self.out(state))
        return torch.stack(words, 1), torch.stack(weights, 1)


class After(Translator):
    """The new state asks; the sum joins it on its way out.  LSTMs, and the encoder's last state is handed over."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.LSTM(16, 24, 2, batch_first=True)
        self.decoder = nn.LSTMCell(12, 24)
        self.mix = nn.Linear(48, 24)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, (h, c) = self.encoder(self.source(source))
        h, c, words = h[-1], c[-1], []
        for i in range(target.shape[1]):
            h, c = self.decoder(self.target(target[:, i]), (h, c))
            weights = torch.softmax(torch.bmm(memory, h[:, :, None]), 1)
            read = torch.bmm(weights.transpose(1, 2), memory)[:, 0]
            words.append(self.out(torch.tanh(self.mix(torch.cat((read, h), 1)))))
        return torch.stack(words, 1)


class Whole(Translator):
    """Both layers are called on their whole sequence; attention is a module."""

    def __init__(self) -> None:
        super().__init__(both=True)
        self.encoder = nn.GRU(16, 12, batch_first=True, bidirectional=True)
        self.decoder = nn.GRU(12, 24, batch_first=True)
        self.attention = nn.MultiheadAttention(24, 4, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        memory, _ = self.encoder(self.source(source))
        states, _ = self.decoder(self.target(target))
        read, _ = self.attention(states, memory, memory, need_weights=False)
        return self.out(states + read)


class Feeding(Before):
    """What one step read goes into the next one, besides its state."""

    def forward(self, source: Tensor, target: Tensor) -> Tensor:    # type: ignore[override]
        memory, _ = self.encoder(self.source(source))
        state = read = memory[:, -1]
        words = []
        for i in range(target.shape[1]):
            state = self.decoder(torch.cat((self.target(target[:, i]), read), 1), state)
            scores = self.score(torch.tanh(self.state(state)[:, None] + self.position(memory)))
            read = (scores.softmax(1) * memory).sum(1)
            words.append(self.out(state + read))
        return torch.stack(words, 1)


class Without(Translator):
    """No attention: all that the decoder knows is the encoder's last state."""

    def __init__(self) -> None:
        super().__init__()
        self.decoder = nn.GRU(12, 24, batch_first=True)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        _, last = self.encoder(self.source(source))
        return self.out(self.decoder(self.target(target), last)[0])


MODELS: dict[str, Callable[[], nn.Module]] = {"before": Before, "after": After, "whole": Whole}
WORDS = torch.zeros(1, 9, dtype=torch.long), torch.zeros(1, 7, dtype=torch.long)


@cache
def drawn(model: Callable[[], nn.Module], unroll: int = 3) -> Figure:
    return draw.draw(model, WORDS, style="node-link", settings={"options.unroll": str(unroll)}, title="")


def found(figure: Figure) -> dict[str, Any]:
    (node,) = figure.drawn.nodes
    return dict(node.attrs["unrolled"])


def flat(marks: tuple[Mark, ...]) -> Iterator[Mark]:
    for mark in marks:
        yield mark
        if isinstance(mark, Group):
            yield from flat(mark.marks)


def strings(figure: Figure) -> list[str]:
    return [mark.string for mark in flat(figure.scene.marks) if isinstance(mark, Text)]


def count(figure: Figure, role: str) -> int:
    return sum(isinstance(mark, Box) and mark.role == role and mark.width > 30 for mark in flat(figure.scene.marks))


# ------------------------------------------------------------------------------------------------ what is found

@pytest.mark.parametrize(("name", "facts"), [
    ("before", {"query": "before", "encoder": "encoder", "decoder": "decoder", "mix": ["/mul", "/sum"],
                "source": ["/in:source", "source"], "target": ["/in:target", "target"], "head": ["out"],
                "entry": ["/cat"], "starts": True, "end": "last"}),
    ("after", {"query": "same", "scores": [], "entry": [], "head": ["/cat", "mix", "out"], "starts": True, "end": ""}),
    ("whole", {"query": "same", "mix": ["attention"], "head": ["/add", "out"], "starts": False, "handed": []}),
])
def test_each_node_has_its_part(name: str, facts: dict[str, Any]) -> None:
    said = found(drawn(MODELS[name]))
    assert {key: said[key] for key in facts} == facts


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_lost_where_all_is_one_node(name: str) -> None:
    figure = drawn(MODELS[name])
    (node,) = figure.drawn.nodes
    assert (node.params, node.flops) == (figure.graph.params, figure.graph.flops)
    assert sorted(node.members) == sorted(each.id for each in figure.graph.nodes)
    opened = split(figure.drawn, [node.id])
    assert parts(opened) == node.attrs["unrolled"]


@pytest.mark.parametrize("model", [Feeding, Without])
def test_what_is_wired_otherwise_is_drawn_as_before(model: Callable[[], nn.Module]) -> None:
    assert not any("unrolled" in node.attrs for node in drawn(model).drawn.nodes)


def test_folded_without_steps() -> None:
    nodes = drawn(Before, 0).drawn.nodes
    assert len(nodes) > 1 and not any("unrolled" in node.attrs for node in nodes)


def test_a_long_loop_is_folded_and_its_state_goes_on_to_the_next_round() -> None:
    figure = draw.draw(Before, WORDS, title="")
    cell = next(node for node in figure.drawn.nodes if node.op == "GRUCell")
    assert cell.repeat == 7 and figure.drawn.modules[cell.scope[0]].shared
    assert {edge.dst for edge in figure.drawn.outgoing["decoder"] if edge.role == "recurrent"} == {"state"}
    assert {(edge.src, edge.dst) for edge in cell.wires} >= {("decoder", "decoder@1"), ("decoder@5", "decoder@6")}


@pytest.mark.parametrize(("at", "taken"), [(0, "first"), (-1, "last"), (8, "last"), (4, "")])
def test_which_state_is_handed_over(at: int, taken: str) -> None:
    assert found(draw.draw(lambda: Before(at), WORDS, style="node-link", settings={"options.unroll": "1"}))[
        "end"] == taken


# ------------------------------------------------------------------------------------------------ the picture

@pytest.mark.parametrize(("name", "rows"), [("before", 1), ("after", 2), ("whole", 2)])
def test_every_step_has_its_cells_and_one_has_its_weights(name: str, rows: int) -> None:
    figure = drawn(MODELS[name])
    assert count(figure, "recurrent") == 4 * (rows + 1)     # steps 1, 2, 3 and the last one
    weights = [m for m in flat(figure.scene.marks) if isinstance(m, Link) and m.role == "attends" and m.arrow]
    swatch, *fan = sorted(weights, key=lambda m: -m.points[0][1])
    assert len(fan) == 4 and swatch.points[0][1] == swatch.points[1][1]
    bar = {round(m.points[0][1], 6) for m in fan}
    assert len(bar) == 1, "all weights leave the bar"
    words = strings(figure)
    assert [words.count(f"2,{j}") for j in ("1", "2", "3", "T")] == [1] * 4
    assert (words.count("y"), words.count("c") >= 4, words.count("α")) == (8, True, 4)
    assert {"T′", "T′−1"} <= set(words)


@pytest.mark.parametrize(("lengths", "shown"), [((9, 4), "1 2 T"), ((4, 9), "1 2 T"), ((3, 3), "1 2 3"),
                                                 ((4, 4), "1 2 3 T")])
def test_no_more_steps_are_drawn_than_the_shorter_one_takes(lengths: tuple[int, int], shown: str) -> None:
    given = tuple(torch.zeros(1, length, dtype=torch.long) for length in lengths)
    words = strings(draw.draw(Before, given, style="node-link", settings={"options.unroll": "3"}))
    steps = [words[i + 1] for i, word in enumerate(words) if word == "x"]
    assert " ".join(steps) == shown


def test_the_legend_explains_every_sign() -> None:
    for name in MODELS:     # in "whole" only the two directions of the encoder are put end to end
        assert {"concatenation", "state, passed on in time", "α: how much each position counts"} <= set(
            strings(drawn(MODELS[name])))


def test_the_first_state_comes_from_the_encoder_by_name_or_by_a_line() -> None:
    assert "h" in strings(drawn(Before)) and "s" in strings(drawn(Before))
    handed = [m for m in flat(drawn(Before).scene.marks) if isinstance(m, Text) and m.string in ("h", "s")]
    first = min((m for m in handed if m.string == "s"), key=lambda m: m.x)
    assert any(m.string == "h" and m.x < first.x and abs(m.y - first.y) < 15 for m in handed)


def test_no_faults(tmp_path: Path) -> None:
    files = []
    for name in MODELS:
        for unroll in (1, 3):
            files.append(tmp_path / f"{name}{unroll}.svg")
            drawn(MODELS[name], unroll).save(files[-1])
    assert {name: row["bad"] for name, row in lint(files).items() if row["bad"]} == {}


def test_a_page_that_is_too_narrow_for_the_steps_has_fewer(tmp_path: Path) -> None:
    figure = draw.draw(Before, WORDS, style="node-link", settings={"options.unroll": "3"}, width="column")
    assert figure.scene.width <= 239.2 and figure.svg


# ------------------------------------------------------------------------------------------------ in words

class Signals(Before):
    """The same without words."""

    def __init__(self) -> None:
        super().__init__()
        self.source, self.target = nn.Linear(5, 16), nn.Linear(3, 12)     # type: ignore[assignment]


def test_what_is_no_word_is_not_called_one() -> None:
    caption = draw.draw(Signals, (torch.zeros(1, 9, 5), torch.zeros(1, 7, 3)), style="node-link",
                            settings={"options.unroll": "2"}).caption
    assert "reads a 9×5 input through a linear layer with 16 outputs" in caption
    assert "with the input given to the decoder (through a linear layer with 12 outputs)" in caption


@pytest.mark.parametrize(("name", "facts"), [
    ("before", ["The encoder, a GRU with 24 units, reads a sequence of 9 tokens through an embedding of width 16.",
                "The decoder, a GRU cell with 24 units, takes 7 steps.", "fit the state before", "60 outputs"]),
    ("after", ["a 2-layer LSTM with 24 units", "an LSTM cell with 24 units, takes 7 steps", "fit the new state",
               "through a linear layer with 24 outputs and a linear layer with 60 outputs"]),
    ("whole", ["a bidirectional GRU with 12 units", "The decoder, a GRU with 24 units, takes 7 steps."]),
])
def test_the_caption_tells_the_steps(name: str, facts: list[str]) -> None:
    figure = drawn(MODELS[name])
    assert [fact for fact in facts if fact not in figure.caption] == []
    assert "weights of attention are drawn for one step" in figure.caption
    assert "The encoder, " in figure.alt


# ------------------------------------------------------------------------------------------------ folded

class Cell(nn.Module):
    """A cell alone in its loop."""

    def __init__(self) -> None:
        super().__init__()
        self.cell = nn.GRUCell(8, 8)

    def forward(self, x: Tensor, state: Tensor) -> Tensor:
        for i in range(x.shape[1]):
            state = self.cell(x[:, i], state)
        return state


def test_a_folded_loop_is_steps_in_time() -> None:
    assert "×7 steps in time" in strings(draw.draw(Before, WORDS, title=""))
    assert "GRU cell, 8 ×5 steps" in strings(draw.draw(Cell, (torch.zeros(1, 5, 8), torch.zeros(1, 8)), title=""))
    again = nn.Linear(8, 8)
    plain = strings(draw.draw(nn.Sequential(*[nn.Sequential(again, nn.ReLU())] * 5), torch.zeros(1, 8), title=""))
    assert any("×5" in line for line in plain) and not any("steps" in line for line in plain)


@pytest.mark.parametrize("asked", [{"expand": ["encoder"]}, {"collapse": ["attention"]}, {"inset": "attention"}])
def test_what_is_asked_for_inside_is_drawn_where_the_parts_are(asked: dict[str, Any]) -> None:
    figure = draw.draw(str(ROOT / "gallery" / "seq2seq.py"), style="node-link", settings={"options.unroll": "2"},
                           **asked)
    assert "encoder" in figure.drawn.by_id


def test_beside_another_model_there_is_no_room_for_the_steps() -> None:
    figure = draw.draw([Before, Without], [WORDS, WORDS], style="node-link", settings={"options.unroll": "1"},
                           align=True)
    assert sum(node.kind == "input" for node in figure.drawn.nodes) == 4
