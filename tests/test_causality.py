"""The law of truth: what a figure draws is what changes when something is disturbed (`tests.causality`)."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import nn

from archviz.trace.ladder import Inputs, trace
from tests import random_modules
from tests.causality import by_module, by_operation, drawn, examined
from tests.random_modules import NAMES, Program
from tests.real_models import MODELS


def checked(model: nn.Module, *args: Any, most: int = 10**6, still: bool = False, **kwargs: Any) -> Any:
    """The boxes of `model`, which are true at module and at operation depth; where it is `still`, nothing may flow."""
    boxes, modules, operations = examined(model, args, kwargs, most)
    for faults in (modules, operations):
        assert not faults, (sorted(faults.missing), sorted(faults.false))
    assert operations.effects or still
    return boxes


@pytest.mark.parametrize("name", NAMES)
def test_each_thing_that_models_do_is_drawn_as_it_flows(name: str) -> None:
    torch.manual_seed(0)
    steps = [("linear", 1, 1, 0), ("linear", 1, 1, 1), (name, 1, 0, 2), ("linear", 0, 0, 2)]
    checked(Program(steps, [], "tuple"), *random_modules.inputs())


def runs(program: Program) -> bool:
    try:
        program(*random_modules.inputs())
    except (RuntimeError, ValueError):
        return False
    return True


@settings(max_examples=60)
@given(random_modules.programs.filter(runs))
def test_random_modules_are_drawn_as_they_flow(program: Program) -> None:
    checked(program, *random_modules.inputs(), still=True)      # as in x - x


@pytest.mark.parametrize("name", MODELS)
def test_real_models_are_drawn_as_they_flow(name: str) -> None:
    torch.manual_seed(0)
    checked(MODELS[name].build(), most=12, **MODELS[name].inputs())


def test_a_model_with_a_missing_or_a_false_arrow_is_found() -> None:
    """The oracle sees both, at both depths."""
    torch.manual_seed(0)
    steps = [("linear", 1, 1, 0), ("linear", 1, 1, 1), ("add", 1, 0, 2), ("linear", 0, 0, 2)]
    model = Program(steps, [], "tuple").eval()
    inputs = random_modules.inputs()
    traced = trace(model, Inputs(inputs))
    boxes = drawn(traced.graph)
    first = next(edge for edge in boxes.edges if edge.src == "linear.0")
    without = replace(boxes, edges=tuple(edge for edge in boxes.edges if edge != first))
    astray = replace(boxes, edges=(*boxes.edges, replace(first, src="/in:y", dst="linear.0")))
    for found in (by_module(model, inputs, {}, without), by_operation(traced, inputs, {}, without)):
        assert found.missing and not found.false
    for found in (by_module(model, inputs, {}, astray), by_operation(traced, inputs, {}, astray)):
        assert found.false == {("/in:y", "linear.0")} and not found.missing
