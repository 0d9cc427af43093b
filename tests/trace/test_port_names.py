"""What goes in and what comes out is called what the model calls it; no two have one name."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Normal

from archviz.trace.ladder import Inputs, trace


class State(NamedTuple):
    h: Tensor
    c: Tensor


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.head, self.value = nn.Linear(4, 4), nn.Linear(4, 1)


class Variables(Model):
    def forward(self, x):
        logits = self.head(x)
        features = (x + 1, x + 2)
        return logits, self.value(x), features, (x * 2).sum()


class Keys(Model):
    def forward(self, x):
        return {"cls": [self.head(x), self.head(x + 1)], "box": self.value(x)}


class Spread(Model):
    def forward(self, x):
        return Normal(self.head(x), self.value(x).exp()), Categorical(logits=x)


class Alike(Model):
    def forward(self, x):
        return self.head(x), self.head(x + 1)


class Branches(Model):
    def forward(self, x, flag=True):
        def inner():
            return x, x
        if flag:
            return self.head(x), x + 1
        return self.head(x), None


class Unpacked(Model):
    def forward(self, x, state, fields, pair):
        hidden, cell = state
        return self.head(x + hidden + cell + fields.h + fields.c + pair[0] + pair[1])


def ports(model: nn.Module, kind: str, *inputs: object) -> list[str]:
    graph = trace(model, Inputs(inputs)).graph
    return [node.attrs.get("name", "") for node in graph.nodes if node.kind == kind]


@pytest.mark.parametrize(("model", "names"), [
    (Variables, ["logits", "value", "features 0", "features 1", "output 4"]), (Keys, ["cls 0", "cls 1", "box"]),
    (Spread, ["loc", "scale", "logits"]), (Alike, ["output 1", "output 2"]), (Branches, ["head", "output 2"])])
def test_results_have_the_names_they_are_returned_under(model: type[nn.Module], names: list[str]) -> None:
    assert ports(model(), "output", torch.zeros(1, 4)) == names


def test_parts_of_an_argument_have_the_names_they_are_unpacked_to() -> None:
    x = torch.zeros(1, 4)
    assert ports(Unpacked(), "input", x, (x, x + 1), State(x + 2, x + 3), (x + 4, x + 5)) == [
        "", "state.hidden", "state.cell", "fields.h", "fields.c", "pair 0", "pair 1"]


class Held(NamedTuple):
    policy: Normal
    value: Tensor


@dataclass
class Step:
    policy: Categorical
    value: Tensor


class Plain:
    def __init__(self, policy: Normal, value: Tensor) -> None:
        self.policy, self.value, self.name = policy, value, "plain"


@pytest.mark.parametrize("made", [
    lambda a, b: Held(Normal(a, b), b), lambda a, b: Plain(Normal(a, b), b), lambda a, b: [Normal(a, b), b],
    lambda a, b: {"policy": Normal(a, b), "v": b}, lambda a, b: Step(Categorical(logits=a), b)])
def test_what_is_returned_is_opened_whatever_holds_it(made: Callable[[Tensor, Tensor], Any]) -> None:
    class Net(Model):
        def forward(self, x):
            return made(self.head(x), self.value(x).exp())

    names = ports(Net(), "output", torch.zeros(1, 4))
    assert len(names) == len(set(names)) >= 2
    assert any(name.endswith(("loc", "logits")) for name in names)
