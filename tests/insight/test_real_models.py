"""Real models run every method that makes sense for them, untouched; the others say why not: `tests.real_models`."""
from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import archviz
from archviz.core.errors import ArchvizError
from archviz.core.plugins import names
from tests.real_models import MODELS, REASONS, SHORT, UNITS

SAID = {        # a word of the reason → what the error says
    "not attend": "does not attend", "recurrent": "no recurrent layer", "no ReLU": "no ReLU lies",
    "takes no image": "takes none", "sees the whole": "sees the whole input",
    "head": "is not a linear layer on the mean|has no feature map", "windows": "within windows",
}
OWN = {"ig": {"tolerance": 1e-2}}


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    torch.manual_seed(0)
    return str(request.param)


def test_all_methods_that_make_sense_run_together(name: str):
    model, inputs = MODELS[name].build(), MODELS[name].inputs()
    methods = [method for method in names("methods") if (name, method) not in REASONS and method != "receptive_field"]
    options = {method: given for method, given in OWN.items() if (name, method) not in SHORT}
    with torch.no_grad():
        before = model(**inputs)
    state = {key: value.clone() for key, value in model.state_dict().items()}
    found = archviz.explain(model, inputs, method=methods, **options)
    assert [one.method for one in found] == methods
    for one in found:
        assert one.inputs or one.maps, one.method
        for values in (*one.inputs.values(), *one.maps.values(), *one.scores.values()):
            assert np.isfinite(values).all() and len(values) == 2, one.method
        promises = [check for check in one.checks if check.name != "kept"]      # how much is kept is not promised
        assert all(check.kept for check in promises) == ((name, one.method) not in SHORT), (one.method, one.checks)
    assert all(torch.equal(state[key], value) for key, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters()) and not model.training
    with torch.no_grad():
        after = model(**inputs)
    torch.testing.assert_close(getattr(before, "logits", before), getattr(after, "logits", after), atol=0, rtol=0)


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_has_a_receptive_field(name: str):
    torch.manual_seed(0)
    found = archviz.explain(MODELS[name].build(), MODELS[name].inputs(), method="receptive_field", target=UNITS[name])
    seen = found.input_map > 1e-3 * found.input_map.max()
    assert seen.any() and not seen.all() and all(check.kept for check in found.checks), found.checks


def test_the_others_say_why_not(name: str):
    model, inputs = MODELS[name].build(), MODELS[name].inputs()
    for method in names("methods"):
        if reason := REASONS.get((name, method)):
            with pytest.raises(ArchvizError) as error:
                archviz.explain(model, inputs, method=method)
            due = next(said for word, said in SAID.items() if word in reason)
            assert re.search(due, str(error.value)), (method, error.value)


def test_the_table_names_what_there_is():
    assert {method for _, method in (*REASONS, *SHORT)} <= set(names("methods"))
