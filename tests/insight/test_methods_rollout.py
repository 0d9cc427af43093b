"""Attention rollout against the paper's product of matrices, written out slowly."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import rollout
from archviz.insight.results.attribution import Attribution
from tests import trained
from tests.insight.test_methods_attention import Stepwise, bert, t5


def seen(model: nn.Module, *args: Tensor, options: dict[str, object] | None = None, target: object = "top1",
         **kwargs: Tensor) -> Attribution:
    with Subject(model, args, kwargs, target=target) as subject:
        (found,) = rollout.attribute(subject, **options or {})
    assert all(check.kept for check in found.checks), found.checks
    return found


def product(layers: list[Tensor], heads: str = "mean", residual: float = 0.5) -> Tensor:
    """Abnar & Zuidema (2020): the layers' matrices, the last in front."""
    result = torch.eye(layers[0].shape[-1])
    for weights in layers:
        w = weights.mean(1) if heads == "mean" else weights.amax(1) if heads == "max" else weights.amin(1)
        w = w / w.sum(-1, keepdim=True)
        result = (residual * torch.eye(w.shape[-1]) + (1 - residual) * w) @ result
    return result


IDS, MASK = torch.arange(14).view(2, 7), torch.tensor([[1] * 7, [1] * 4 + [0] * 3])


@pytest.mark.parametrize("how", ["sdpa", "eager"])
@pytest.mark.parametrize("heads, residual", [("mean", 0.5), ("max", 0.5), ("min", 0.2)])
def test_an_encoder_is_the_paper_s_product(how: str, heads: str, residual: float):
    found = seen(bert(how), input_ids=IDS, attention_mask=MASK, options={"heads": heads, "residual": residual})
    with torch.no_grad():
        due = product([*bert("eager")(IDS, attention_mask=MASK, output_attentions=True).attentions], heads, residual)
    np.testing.assert_allclose([*found.maps.values()][-1], due, atol=1e-6)
    np.testing.assert_allclose(found.input_map, due[:, 0], atol=1e-6)       # the class token, which the head reads
    assert "from token 0" in found.notes and not found.input_map[1, 4:].any()


def test_a_token_can_be_named():
    found = seen(bert("sdpa"), input_ids=IDS, options={"token": 3})
    np.testing.assert_allclose(found.input_map, [*found.maps.values()][-1][:, 3], atol=1e-6)
    with pytest.raises(ArchvizError, match="no token 9"):
        seen(bert("sdpa"), input_ids=IDS, options={"token": 9})


@pytest.mark.parametrize("how", ["sdpa", "eager"])
def test_a_decoder_is_made_of_both_inputs(how: str):
    """Self attention mixes the decoder's tokens, cross attention mixes the encoder's in: written out here."""
    written = torch.arange(8).view(2, 4)
    found = seen(t5(how), input_ids=IDS, decoder_input_ids=written)
    with torch.no_grad():
        ran = t5("eager")(input_ids=IDS, decoder_input_ids=written, output_attentions=True)
    encoder = product([*ran.encoder_attentions])
    own, other = torch.eye(4).expand(2, 4, 4), torch.zeros(2, 4, 7)
    for within, across in zip(ran.decoder_attentions, ran.cross_attentions, strict=True):
        mix = 0.5 * torch.eye(4) + 0.5 * within.mean(1)
        own, other = mix @ own, mix @ other
        own, other = 0.5 * own, 0.5 * other + 0.5 * across.mean(1) @ encoder
    np.testing.assert_allclose(found.inputs["decoder.embed_tokens"], own[:, -1], atol=1e-6)
    np.testing.assert_allclose(found.inputs["encoder.embed_tokens"], other[:, -1], atol=1e-6)
    np.testing.assert_allclose([*found.maps.values()][-1], torch.cat([own, other], -1), atol=1e-6)


class Pooled(nn.Module):
    """Patches of an image, one encoder layer, the mean of all tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(1, 8, 4, 4)
        self.layer = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
        self.head = nn.Linear(8, 3)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.layer(self.patches(image).flatten(2).transpose(1, 2)).mean(1))


def test_patches_are_folded_and_a_mean_reads_all_tokens():
    torch.manual_seed(0)
    found = seen(Pooled(), torch.randn(2, 1, 12, 16))
    matrix = found.maps["layer.self_attn"]
    assert matrix.shape == (2, 12, 12) and found.input_map.shape == (2, 12, 16)
    small = torch.tensor(matrix.mean(1)).view(2, 1, 3, 4)
    due = nn.functional.interpolate(small, (12, 16), mode="bilinear", align_corners=False)[:, 0]
    np.testing.assert_allclose(found.input_map, due, atol=1e-6)
    assert "from 12 tokens, in equal parts" in found.notes


def test_a_unit_of_the_model_may_be_the_target():
    found = seen(trained.chapter_reader(), trained.pieces(2)[0], target="layers.1.linear2[3,7]")
    np.testing.assert_allclose(found.input_map, found.maps["layers.1.self_attn"][:, 3], atol=1e-6)


def test_time_first_attention_is_read_as_such():
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(8, 2, 8)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x.transpose(0, 1))[2]

    found = seen(Net(), torch.randn(3, 5, 8))
    assert "from token 2" in found.notes
    np.testing.assert_allclose(found.input_map, found.maps["layer.self_attn"][:, 2], atol=1e-6)


def test_what_cannot_be_rolled_out_is_said():
    from transformers import SwinConfig, SwinForImageClassification
    swin = SwinForImageClassification(SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[1], num_heads=[2], window_size=4))
    with pytest.raises(ArchvizError, match="within windows"):
        seen(swin, torch.randn(2, 3, 32, 32))
    with pytest.raises(ArchvizError, match="step by step"):
        seen(Stepwise(), torch.randn(2, 5, 8))
    with pytest.raises(ArchvizError, match="does not attend"):
        seen(nn.Linear(4, 2), torch.randn(2, 4))
    with pytest.raises(ArchvizError, match="heads 'sum'"):
        seen(bert("sdpa"), input_ids=IDS, options={"heads": "sum"})
