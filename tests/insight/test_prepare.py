"""A model with its input, where it will run."""
from __future__ import annotations

from collections import UserDict

import torch

from archviz.insight.inputs.prepare import _moved


def test_all_that_any_mapping_holds_goes_to_the_device_of_the_model() -> None:
    tokens = UserDict(ids=torch.zeros(2), more=(torch.ones(1), {"last": [torch.ones(3)]}))
    moved = _moved((tokens, "text"), "meta")
    assert moved[1] == "text" and moved[0]["ids"].is_meta
    assert moved[0]["more"][0].is_meta and moved[0]["more"][1]["last"][0].is_meta
