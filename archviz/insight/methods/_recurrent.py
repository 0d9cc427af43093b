"""Recurrent layers in plain operations, by the equations of torch.nn: what their kernels keep to themselves.

In: a module, what it reads.  Out: what it gives, and its state at every step.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

State = tuple[Tensor, ...]
"""What a recurrent cell hands on: h, or h and c."""

Cell = Callable[[Tensor, Tensor, State], State]
"""(the input times its weights, h times its weights, the state) → the next state."""


def lstm(read: Tensor, hidden: Tensor, state: State) -> State:
    i, f, g, o = (read + hidden).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gru(read: Tensor, hidden: Tensor, state: State) -> State:
    (r, z, n), (hr, hz, hn) = read.chunk(3, -1), hidden.chunk(3, -1)
    update = (z + hz).sigmoid()
    return ((1 - update) * (n + (r + hr).sigmoid() * hn).tanh() + update * state[0],)


def tanh(read: Tensor, hidden: Tensor, state: State) -> State:
    return ((read + hidden).tanh(),)


def relu(read: Tensor, hidden: Tensor, state: State) -> State:
    return ((read + hidden).relu(),)


CELLS: dict[str, Cell] = {"LSTM": lstm, "GRU": gru, "RNN_TANH": tanh, "RNN_RELU": relu, "LSTMCell": lstm,
                          "GRUCell": gru, "tanh": tanh, "relu": relu}
"""By the mode of a layer; of cells by their class or nonlinearity."""


def directions(module: nn.RNNBase) -> int:
    return 2 if module.bidirectional else 1


def at_rest(module: nn.RNNBase, x: Tensor, samples: int) -> list[Tensor]:
    """The state that a layer begins from where none is given: h, of an LSTM also c, (layers · directions, N, units)."""
    sizes = (module.proj_size or module.hidden_size, module.hidden_size)[:2 if module.mode == "LSTM" else 1]
    return [x.new_zeros(module.num_layers * directions(module), samples, size) for size in sizes]


def unrolled(module: nn.RNNBase, x: Tensor, start: Sequence[Tensor], time: int) -> tuple[Tensor, list[list[State]]]:
    """What the layers give for `x`, whose axis `time` counts steps; and of every layer and direction, in PyTorch's
    order, the state at each step of `x`: read backwards, the last state is the first."""
    starts = [one.unbind(0) for one in start]
    states: list[list[State]] = []
    for depth in range(module.num_layers):
        sides = []
        for back in (False, True)[:directions(module)]:
            states.append(_direction(module, f"l{depth}{'_reverse' if back else ''}", x,
                                     tuple(one[len(states)] for one in starts), time, back))
            sides.append(torch.stack([state[0] for state in states[-1]], time))
        x = torch.cat(sides, -1) if len(sides) > 1 else sides[0]
    return x, states


def _direction(module: nn.RNNBase, name: str, x: Tensor, state: State, time: int, back: bool) -> list[State]:
    """The state of one layer in one direction at each step of `x`."""
    inner, bias, hidden, hidden_bias, projection = (
        None if (one := getattr(module, f"{part}_{name}", None)) is None else one.to(x.dtype)
        for part in ("weight_ih", "bias_ih", "weight_hh", "bias_hh", "weight_hr"))
    assert inner is not None and hidden is not None
    steps = F.linear(x, inner, bias).unbind(time)
    states = []
    for read in steps[::-1] if back else steps:
        state = CELLS[module.mode](read, F.linear(state[0], hidden, hidden_bias), state)
        if projection is not None:
            state = (F.linear(state[0], projection), *state[1:])
        states.append(state)
    return states[::-1] if back else states
