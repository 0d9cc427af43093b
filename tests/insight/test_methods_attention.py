"""Attention matrices: those of the libraries themselves, however a model writes attention."""
from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import attention
from archviz.insight.methods._attention_weights import weights_of
from archviz.insight.results.attribution import Attribution
from tests import trained, zoo  # noqa: F401  zoo: transformers imports torchvision


def seen(model: nn.Module, *args: Tensor, nodes: str = "*", **kwargs: Tensor) -> Attribution:
    with Subject(model, args, kwargs) as subject:
        (found,) = attention.attribute(subject, nodes=nodes)
    assert all(check.kept for check in found.checks), found.checks
    assert all(found.extra[f"attention:{name}"] is values for name, values in found.maps.items())
    return found


def only(found: Attribution) -> np.ndarray:
    (values,) = found.maps.values()
    return values


# ---------------------------------------------------------------------------------------------- PyTorch's own

@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("masks", [{}, {"attn_mask": torch.ones(5, 5).triu(1).bool()},
                                   {"key_padding_mask": torch.tensor([[0, 0, 0, 0, 1], [0, 0, 1, 1, 1]]).bool()}])
def test_the_module_gives_its_own_weights(first: bool, masks: dict[str, Tensor]):
    torch.manual_seed(0)
    layer = nn.MultiheadAttention(8, 2, batch_first=first)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attend = layer

        def forward(self, x: Tensor) -> Tensor:
            y, none = self.attend(x, x, x, need_weights=False, **masks)
            assert none is None
            return y.mean(1 if first else 0)

    x = torch.randn(2, 5, 8)
    given = x if first else x.transpose(0, 1)
    with Subject(Net(), (given,), axis=0 if first else 1) as subject:
        (found,) = attention.attribute(subject)
    due = layer.eval()(given, given, given, average_attn_weights=False, **masks)[1]
    np.testing.assert_allclose(found.maps["attend"], due.detach(), atol=1e-6)
    assert all(check.kept for check in found.checks)


def test_the_encoder_layer_of_pytorch_attends_in_the_open():
    """Its fast path, which runs all of it as one kernel, would hide the weights."""
    found = seen(trained.chapter_reader(), trained.pieces(3)[0])
    assert {name: values.shape for name, values in found.maps.items()} == {
        f"layers.{n}.self_attn": (3, 4, 25, 25) for n in (0, 1)}


GIVEN = {"plain": {}, "causal": {"is_causal": True}, "scaled": {"scale": 0.3}, "grouped": {"enable_gqa": True},
         "seen": {"attn_mask": torch.ones(4, 6).tril(1).bool()},
         "biased": {"attn_mask": torch.linspace(-2, 2, 24).view(4, 6)},
         "blind": {"attn_mask": torch.tensor([[True] * 6, [False] * 6, [True] * 6, [True] * 6])}}


@pytest.mark.parametrize("name", GIVEN)
def test_weights_times_values_are_what_scaled_dot_product_attention_gives(name: str):
    torch.manual_seed(0)
    heads = 2 if name == "grouped" else 4
    q, k, v = torch.randn(2, 4, 4, 8), torch.randn(2, heads, 6, 8), torch.randn(2, heads, 6, 3)
    weights = weights_of(q, k, **GIVEN[name])
    due = F.scaled_dot_product_attention(q, k, v, **GIVEN[name])
    torch.testing.assert_close(weights @ v.repeat_interleave(4 // heads, 1), due.nan_to_num(0.0), atol=1e-6, rtol=1e-5)
    assert weights.shape == (2, 4, 4, 6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_keeps_the_promise_to_its_own_precision(dtype: torch.dtype):
    class Net(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.scaled_dot_product_attention(x, x, x).mean(1)[:, 0]

    torch.manual_seed(0)
    assert only(seen(Net(), torch.randn(2, 3, 5, 8, dtype=dtype))).shape == (2, 3, 5, 5)


# ---------------------------------------------------------------------------------------------- transformers

def bert(how: str) -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification
    torch.manual_seed(0)
    return BertForSequenceClassification(BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        attn_implementation=how)).eval()


def t5(how: str) -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration
    torch.manual_seed(0)
    return T5ForConditionalGeneration(T5Config(
        vocab_size=50, d_model=16, d_kv=8, d_ff=16, num_layers=2, num_heads=2, attn_implementation=how)).eval()


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_bert_s_weights_are_those_that_it_gives_itself(how: str):
    ids = torch.arange(14).view(2, 7)
    mask = torch.tensor([[1] * 7, [1] * 4 + [0] * 3])
    found = seen(bert(how), input_ids=ids, attention_mask=mask)
    with torch.no_grad():
        due = bert("eager")(ids, attention_mask=mask, output_attentions=True).attentions
    assert len(found.maps) == 2
    for one, theirs in zip(found.maps.values(), due, strict=True):
        np.testing.assert_allclose(one, theirs, atol=1e-6)


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_an_encoder_decoder_has_three_kinds(how: str):
    ids, written = torch.arange(14).view(2, 7), torch.arange(8).view(2, 4)
    found = seen(t5(how), input_ids=ids, decoder_input_ids=written)
    with torch.no_grad():
        due = t5("eager")(input_ids=ids, decoder_input_ids=written, output_attentions=True)
    cross = [values for name, values in found.maps.items() if "EncDec" in name]
    own = [values for name, values in found.maps.items() if "EncDec" not in name]
    for one, theirs in zip([*own, *cross], [*due.encoder_attentions, *due.decoder_attentions, *due.cross_attentions],
                           strict=True):
        np.testing.assert_allclose(one, theirs, atol=1e-6)


# ---------------------------------------------------------------------------------------------- by hand

KEPT: list[Tensor] = []
"""The weights of the models below, which are left as they were, of the last run."""


class ByHand(nn.Module):
    """Softmax of scores, which sums values in the manner of `way`."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way, self.qkv, self.softmax = way, nn.Linear(8, 24), nn.Softmax(-1)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        w = self.dropout(self.softmax(q @ k.transpose(-1, -2)))
        KEPT[:] = [w]
        y = {"matmul": lambda: w @ v, "bmm": lambda: torch.bmm(w, v),
             "einsum": lambda: torch.einsum("bij,bjd->bid", w, v),
             "einsum turned": lambda: torch.einsum("bdj,bji->bid", v.transpose(1, 2), w.transpose(1, 2)),
             "values first": lambda: (v.transpose(1, 2) @ w.transpose(1, 2)).transpose(1, 2),
             "sum": lambda: (w.unsqueeze(-1) * v.unsqueeze(1)).sum(2),
             "sum turned": lambda: (v.unsqueeze(1) * w[..., None]).sum(dim=-2)}[self.way]()
        return y.mean(1)


@pytest.mark.parametrize("way", ["matmul", "bmm", "einsum", "einsum turned", "values first", "sum", "sum turned"])
def test_a_softmax_that_sums_values_is_attention(way: str):
    torch.manual_seed(0)
    model = ByHand(way)
    found = seen(model, torch.randn(2, 5, 8))
    assert list(found.maps) == ["softmax"]
    np.testing.assert_allclose(only(found), KEPT[0][:, None], atol=1e-6)


class Other(nn.Module):
    """Attention over features in two steps (Shen et al., 2021); softmaxes that choose from a code book, and classes."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.codes, self.head = nn.Linear(8, 24), nn.Parameter(torch.randn(8, 8)), nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).chunk(3, -1)
        x = q.softmax(-1) @ (k.softmax(-2).transpose(-1, -2) @ v)
        x = x.softmax(-1) @ self.codes
        return self.head(x.mean(1)).softmax(-1)


def test_other_softmaxes_are_none():
    """The first two are: features gather from tokens, and tokens gather from features."""
    found = seen(Other(), torch.randn(2, 5, 8))
    assert {name: values.shape for name, values in found.maps.items()} == {
        "/softmax@1": (2, 1, 8, 5), "/softmax": (2, 1, 5, 8)}
    with pytest.raises(ArchvizError, match="does not attend"):
        seen(nn.Sequential(nn.Linear(3, 3), nn.Softmax(-1)), torch.randn(2, 3))


class Stepwise(nn.Module):
    """Bahdanau, Cho & Bengio (2015) as they wrote it: the decoder looks back once for each word it writes."""

    def __init__(self) -> None:
        super().__init__()
        self.attend, self.cell = nn.Linear(16, 1), nn.GRUCell(8, 8)

    def forward(self, keys: Tensor) -> Tensor:
        state = keys[:, 0]
        KEPT.clear()
        for _ in range(3):
            scores = self.attend(torch.cat([keys, state[:, None].expand_as(keys)], -1)).tanh()
            weights = F.softmax(scores, dim=1)
            KEPT.append(weights[..., 0])
            state = self.cell((weights * keys).sum(1), state)
        return state


def test_steps_of_a_decoder_make_one_matrix():
    torch.manual_seed(0)
    model = Stepwise()
    found = seen(model, torch.randn(2, 5, 8))
    assert list(found.maps) == ["/softmax"]
    np.testing.assert_allclose(only(found)[:, 0], torch.stack(KEPT, 1), atol=1e-6)


def test_the_date_reader_reads_the_year_where_it_stands():
    """Each digit of the year, which ends the text, is read there; two places off at most, as in 1919."""
    (text, written), _ = trained.date_pairs(64)
    weights = only(seen(trained.date_reader(), text, written))[:, 0]
    length = (text != 0).sum(1)
    best = torch.tensor(weights[:, :4].argmax(-1))
    assert ((best - (length[:, None] - 4 + torch.arange(4))).abs() <= 2).all()


# ---------------------------------------------------------------------------------------------- and the rest

def test_the_model_is_as_before():
    model, (text, _) = trained.chapter_reader(), trained.pieces(2)
    before = copy.deepcopy(model.state_dict())
    model.train()
    seen(model, text)
    assert model.training and all(p.requires_grad and p.grad is None for p in model.parameters())
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_a_glob_chooses_and_a_wrong_one_says_what_there_is():
    text = trained.pieces(1)[0]
    assert list(seen(trained.chapter_reader(), text, nodes="*.1.*").maps) == ["layers.1.self_attn"]
    with pytest.raises(ArchvizError, match="no attention is named layer") as error:
        seen(trained.chapter_reader(), text, nodes="layer")
    assert "layers.0.self_attn" in str(error.value.hint)
