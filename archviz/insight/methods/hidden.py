"""Hidden states: what each unit of a recurrent layer holds while it reads a text (Karpathy, Johnson & Li, 2015,
"Visualizing and Understanding Recurrent Networks", figure 2).

In: a subject.  Out: for each target an `Attribution` with ``extra["hidden:<node id>"]`` and ``maps[<node id>]``, both
(N, units, steps), for every LSTM, GRU and RNN of the run (a cell that the model calls step by step is one, under the id
of its first call), and ``extra["units:<node id>"]``, which units they are.  The states do not depend on the target.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.operands import Operands
from archviz.insight.engine.subject import Subject
from archviz.insight.methods._gradients import attribution
from archviz.insight.methods._recurrent import at_rest, directions, unrolled
from archviz.insight.results.attribution import Array, Attribution, Check
from archviz.trace.recorder import watching
from archviz.trace.tape import Call

TITLE = "Hidden states"
_REPEAT = re.compile(r"@\d+$")


def attribute(subject: Subject, *, nodes: str | Iterable[str] = "*", states: str = "output",
              units: int | Sequence[int] | None = None) -> list[Attribution]:
    """The states of every recurrent layer at every step, the same for each target.

    Raises `ArchvizError` where nothing is recurrent, nothing of that name, or no unit of that number; for ``"cell"`` of
    what has none.

    Parameters
    ----------
    nodes : str or iterable of str
        Globs on the ids of nodes: which layers.
    states : str
        ``"output"``: what the layer gives, h.  ``"cell"``: tanh c of an LSTM, which Karpathy et al. show; the kernel
        keeps it to itself, so that the last layer is unrolled with its own weights, and checked against its output.
    units : int, sequence of int or None
        So many of them, those whose states vary most; or these; or all.  Both directions count on: a backward unit k
        of a layer of h units is h + k.
    """
    if states not in ("output", "cell"):
        raise ArchvizError(f"states {states!r}", "output or cell")
    subject.step("watch the model read")
    patterns = [nodes] if isinstance(nodes, str) else list(nodes)
    eyes = _States(subject.n, patterns, states == "cell")
    with torch.no_grad(), watching(subject.model, eyes):
        subject.model(*subject.batch.args, **subject.batch.kwargs)
    if not eyes.layers:
        raise ArchvizError(f"no recurrent layer is named {', '.join(patterns)}" if eyes.passed else
                           "the model has no recurrent layer", ", ".join(eyes.passed))
    maps: dict[NodeId, Array] = {}
    extra: dict[str, Array] = {}
    for name, read in eyes.layers.items():
        whole = torch.cat(read.states, 2).numpy()
        which = _chosen(whole, units, name)
        maps[name] = whole[:, which]
        extra |= {f"hidden:{name}": maps[name], f"units:{name}": which}
    error = max(read.error for read in eyes.layers.values())
    checks = (Check("exact", error, f"unrolled as the layer itself within {error:.1e}", 1e-4),) if eyes.cell else ()
    return [attribution(subject, number, "hidden", TITLE, {}, maps=maps, extra=extra,
                        unit="tanh c" if eyes.cell else "h", checks=checks)
            for number in range(len(subject.targets))]


def _chosen(states: Array, units: int | Sequence[int] | None, name: NodeId) -> Array:
    """The numbers of the units to show, of states (N, units, steps)."""
    there = states.shape[1]
    if isinstance(units, int):
        order = np.argsort(-states.transpose(1, 0, 2).reshape(there, -1).var(1), kind="stable")
        return np.sort(order[:units])
    which = np.arange(there) if units is None else np.asarray(units, dtype=int)
    if which.size and not (0 <= which.min() and which.max() < there):
        raise ArchvizError(f"{name} has no unit {which.max()}, it has {there}", f"0 … {there - 1}")
    return which


@dataclass
class _Read:
    """A layer: its states (N, units, steps) call by call, and how far an unrolling is from the layer itself."""

    states: list[Tensor]
    error: float = 0.0


class _States(Operands):
    """Sees recurrent layers at work; `passed` are those that nobody asked for."""

    def __init__(self, samples: int, patterns: Sequence[str], cell: bool) -> None:
        super().__init__()
        self.samples, self.patterns, self.cell = samples, patterns, cell
        self.layers: dict[NodeId, _Read] = {}
        self.passed: list[NodeId] = []

    def gave(self, call: Call, output: Any) -> Any:
        module = call.module
        if isinstance(module, (nn.RNNBase, nn.RNNCellBase)):
            if not any(fnmatchcase(call.node, p) or call.node == p for p in self.patterns):
                self.passed.append(call.node)
            elif isinstance(module, nn.RNNBase):
                self._layer(call, module, output)
            else:
                self._step(call, module, output)
        return output

    def _layer(self, call: Call, module: nn.RNNBase, output: Any) -> None:
        output_states, error = output[0], 0.0
        if self.cell:
            args = dict(zip(("input", "hx"), self.filled(call.args), strict=False)) | self.filled(dict(call.kwargs))
            output_states, error = _cells(module, args["input"], args.get("hx"), output[0], call.node)
        states = _batch_first(module, output_states)
        self.layers[call.node] = _Read([states.transpose(1, 2).to("cpu", torch.float32)], error)

    def _step(self, call: Call, module: nn.RNNCellBase, output: Any) -> None:
        if self.cell and not isinstance(module, nn.LSTMCell):
            raise ArchvizError(f"{call.node} has no cell state, it is a {type(module).__name__}", "states=output")
        state = output[1].tanh() if self.cell else output[0] if isinstance(output, tuple) else output
        state = state if state.dim() == 2 else state[None]
        first = _REPEAT.sub("", call.node)
        self.layers.setdefault(first, _Read([])).states.append(state[:, :, None].to("cpu", torch.float32))


def _batch_first(module: nn.RNNBase, states: Tensor | PackedSequence) -> Tensor:
    """(N, steps, units), zeros after the end of a sequence that is shorter."""
    if isinstance(states, PackedSequence):
        padded: Tensor = pad_packed_sequence(states, batch_first=True)[0]
        return padded
    if states.dim() == 2:
        return states[None]
    return states if module.batch_first else states.transpose(0, 1)


def _cells(module: nn.RNNBase, read: Any, first: Any, output: Any, name: NodeId) -> tuple[Tensor, float]:
    """tanh c of the last layer at every step, laid out as `output`, and how far h is from what the module gave."""
    if not isinstance(module, nn.LSTM):
        raise ArchvizError(f"{name} has no cell state, it is a {type(module).__name__}", "states=output")
    if isinstance(output, PackedSequence):
        raise ArchvizError(f"{name} reads packed sequences, whose cell states are not unrolled", "states=output")
    x = read[:, None] if read.dim() == 2 else read.transpose(0, 1) if module.batch_first else read
    start = at_rest(module, x, x.shape[1]) if first is None else [
        one.reshape(len(one), x.shape[1], one.shape[-1]) for one in first]
    again, states = unrolled(module, x, start, 0)
    cells = [torch.stack([c for _, c in side]) for side in states[-directions(module):]]
    cell = torch.cat(cells, -1).tanh()           # (steps, N, units)
    if module.batch_first:
        again, cell = again.transpose(0, 1), cell.transpose(0, 1)
    error = float((again.reshape(output.shape) - output).abs().amax() / output.abs().amax().clamp_min(1e-30))
    return cell.reshape(*output.shape[:-1], -1), error
