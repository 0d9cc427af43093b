"""Hidden states: those of the layer itself, and cell states that an unrolling with its own weights gives."""
from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import hidden
from archviz.insight.results.attribution import Attribution
from tests import trained


def seen(model: nn.Module, *args: Tensor, axis: int = 0, **options: object) -> Attribution:
    with Subject(model, args, axis=axis) as subject:
        (found,) = hidden.attribute(subject, **options)
    assert all(check.kept for check in found.checks), found.checks
    return found


class Reads(nn.Module):
    def __init__(self, layer: nn.RNNBase, first: bool = False) -> None:
        super().__init__()
        self.layer, self.first = layer, first

    def forward(self, x: Tensor) -> Tensor:
        if self.first:
            shape = (self.layer.num_layers * (2 if self.layer.bidirectional else 1), x.shape[0])
            h, c = self.layer.proj_size or self.layer.hidden_size, self.layer.hidden_size
            states, _ = self.layer(x, (torch.full((*shape, h), 0.3), torch.full((*shape, c), -0.2)))
        else:
            states, _ = self.layer(x)
        return states.mean(1)


@pytest.mark.parametrize("cls", [nn.LSTM, nn.GRU, nn.RNN])
def test_outputs_are_the_layer_s_own(cls: type[nn.RNNBase]):
    torch.manual_seed(0)
    layer, x = cls(4, 6, 2, bidirectional=True, batch_first=True), torch.randn(3, 7, 4)
    found = seen(Reads(layer), x)
    np.testing.assert_allclose(found.maps["layer"], layer(x)[0].detach().transpose(1, 2), atol=1e-6)
    assert found.extra["hidden:layer"] is found.maps["layer"] and found.extra["units:layer"].tolist() == [*range(12)]


@pytest.mark.parametrize("layers, both, bias, project, first",
                         [*itertools.product((1, 2), (False, True), (True,), (0, 3), (False, True)),
                          (2, True, False, 0, False)])
def test_the_cell_is_unrolled_as_the_layer_runs(layers: int, both: bool, bias: bool, project: int, first: bool):
    """The check says so; and the last step's is the one that the layer tells."""
    torch.manual_seed(0)
    layer = nn.LSTM(4, 6, layers, bias, batch_first=True, bidirectional=both, proj_size=project)
    x = torch.randn(3, 7, 4)
    found = seen(Reads(layer, first), x, states="cell").maps["layer"]
    assert found.shape == (3, 12 if both else 6, 7)
    if not first:
        told = layer(x)[1][1].detach().tanh()
        np.testing.assert_allclose(found[:, :6, -1], told[-2 if both else -1], atol=1e-6)
        if both:
            np.testing.assert_allclose(found[:, 6:, 0], told[-1], atol=1e-6)


def test_time_first_and_no_batch():
    torch.manual_seed(0)
    layer, x = nn.LSTM(4, 6), torch.randn(7, 4)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)[0].mean(0).reshape(-1, 6)

    due = layer(x)[0].detach().T
    np.testing.assert_allclose(seen(Net(), x[:, None], axis=1).maps["layer"][0], due, atol=1e-6)
    cells = seen(Net(), x[:, None], axis=1, states="cell").maps["layer"]
    alone = seen(Net(), x, axis=2, states="cell").maps["layer"]         # there is no such axis: one sample
    np.testing.assert_allclose(alone, cells, atol=1e-6)


def test_packed_sequences_end_in_zeros():
    torch.manual_seed(0)
    layer, x = nn.GRU(4, 6, batch_first=True), torch.randn(2, 5, 4)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            states, _ = self.layer(pack_padded_sequence(x, torch.tensor([5, 3]), batch_first=True))
            return pad_packed_sequence(states, batch_first=True)[0][:, -1]

    found = seen(Net(), x).maps["layer"]
    np.testing.assert_allclose(found[0], layer(x[:1])[0][0].detach().T, atol=1e-6)
    np.testing.assert_allclose(found[1, :, :3], layer(x[1:, :3])[0][0].detach().T, atol=1e-6)
    assert not found[1, :, 3:].any()


class Steps(nn.Module):
    def __init__(self, cell: nn.RNNCellBase) -> None:
        super().__init__()
        self.cell = cell

    def forward(self, x: Tensor) -> Tensor:
        state = None
        for step in x.unbind(1):
            state = self.cell(step, state)
        return state[0] if isinstance(state, tuple) else state


def test_a_cell_that_is_called_step_by_step_is_one_layer():
    torch.manual_seed(0)
    cell, x, state = nn.LSTMCell(4, 6), torch.randn(2, 5, 4), None
    outs = []
    for step in x.unbind(1):
        state = cell(step, state)
        outs.append(torch.stack([state[0], state[1].tanh()]))
    h, c = torch.stack(outs, -1).detach()
    np.testing.assert_allclose(seen(Steps(cell), x).maps["cell"], h, atol=1e-6)
    np.testing.assert_allclose(seen(Steps(cell), x, states="cell").maps["cell"], c, atol=1e-6)
    assert seen(Steps(nn.GRUCell(4, 6)), x).maps["cell"].shape == (2, 6, 5)


def test_units_are_those_that_vary_or_those_named():
    torch.manual_seed(0)
    layer, x = nn.LSTM(4, 6, batch_first=True), torch.randn(3, 7, 4)
    whole = seen(Reads(layer), x).maps["layer"]
    best = np.sort(np.argsort(-whole.transpose(1, 0, 2).reshape(6, -1).var(1))[:2])
    found = seen(Reads(layer), x, units=2)
    assert found.extra["units:layer"].tolist() == best.tolist()
    np.testing.assert_array_equal(found.maps["layer"], whole[:, best])
    assert np.array_equal(seen(Reads(layer), x, units=[4, 1]).maps["layer"], whole[:, [4, 1]])


def test_what_cannot_be_is_said():
    layer, x = nn.GRU(4, 6, batch_first=True), torch.randn(3, 7, 4)
    for options, words in (({"states": "cell"}, "layer has no cell state, it is a GRU"),
                           ({"states": "h"}, "states 'h'"), ({"units": [6]}, "layer has no unit 6, it has 6"),
                           ({"nodes": "lstm"}, "no recurrent layer is named lstm")):
        with pytest.raises(ArchvizError, match=words):
            seen(Reads(layer), x, **options)
    with pytest.raises(ArchvizError, match="no recurrent layer"):
        seen(nn.Linear(4, 2), x[:, 0])


def test_a_unit_of_the_trained_model_follows_quotations():
    """Seen through the method, in paragraphs it was not trained on: tanh c of one unit tells inside from outside."""
    ids, inside, states = trained.gallery("lstm").ids, [], []
    for text in trained.quoting()[:20]:
        given = ids(text)[None]
        states.append(seen(trained.char_lstm(), given, states="cell").maps["lstm"][0])
        inside.append((given[0] == ord('"') - 32).cumsum(0) % 2)
    quoted = torch.cat(inside).numpy()
    assert np.abs(np.corrcoef(quoted, np.concatenate(states, 1))[0, 1:]).max() > 0.5
