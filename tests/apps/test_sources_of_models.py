"""What a map of the input is drawn over, and where Grad-CAM looks, in real models made small."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import archviz
from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from tests import peers  # noqa: F401  transformers imports torchvision, where there is one

SMALL = {"vocab_size": 50, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1}
LAYERS = {f"{side}_{what}": n for side in ("encoder", "decoder")
          for what, n in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 32))}
BERT = {"vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
        "max_position_embeddings": 20}


def tokens(length: int = 8, rows: int = 2) -> Tensor:
    return torch.randint(3, 50, (rows, length))


def both(rows: int = 2) -> dict[str, Tensor]:
    return {"input_ids": tokens(8, rows), "decoder_input_ids": tokens(4, rows)}


def built(name: str, **more: object) -> nn.Module:
    """``"Whisper" "Bart" …``: a model of transformers, two narrow layers deep."""
    import transformers as hub
    torch.manual_seed(0)
    kinds = {
        "Whisper": (hub.WhisperForConditionalGeneration, hub.WhisperConfig, SMALL | LAYERS | {
            "d_model": 16, "num_mel_bins": 8, "max_source_positions": 16, "max_target_positions": 12}),
        "Bart": (hub.BartForConditionalGeneration, hub.BartConfig, SMALL | LAYERS | {
            "d_model": 16, "max_position_embeddings": 32}),
        "T5": (hub.T5ForConditionalGeneration, hub.T5Config, SMALL | {
            "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}),
        "GPT2": (hub.GPT2LMHeadModel, hub.GPT2Config, {
            "vocab_size": 50, "n_positions": 16, "n_embd": 16, "n_layer": 2, "n_head": 2, "bos_token_id": 0,
            "eos_token_id": 1}),
        "Bert": (hub.BertForSequenceClassification, hub.BertConfig, BERT),
        "Roberta": (hub.RobertaForSequenceClassification, hub.RobertaConfig, BERT),
        "OPT": (hub.OPTForCausalLM, hub.OPTConfig, {
            "vocab_size": 50, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "ffn_dim": 32,
            "max_position_embeddings": 20, "word_embed_proj_dim": 16}),
        "ViT": (hub.ViTForImageClassification, hub.ViTConfig, {
            "image_size": 32, "patch_size": 8, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 32}),
        "Swin": (hub.SwinForImageClassification, hub.SwinConfig, {
            "image_size": 32, "patch_size": 4, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 4}),
    }
    model, config, options = kinds[name]
    return model(config(**options | more)).eval()


def sources(model: nn.Module, inputs: dict[str, Tensor]) -> tuple[str, ...]:
    with Subject(model, (), inputs) as subject:
        return subject.sources


SPOKEN = {"input_features": torch.randn(2, 8, 32), "decoder_input_ids": tokens(4)}


@pytest.mark.parametrize(("name", "inputs", "due"), [
    ("Whisper", SPOKEN, ("/in:input_features", "model.decoder.embed_tokens")),
    ("Bart", both(), ("model.encoder.embed_tokens", "model.decoder.embed_tokens")),
    ("Bart", both(1), ("model.encoder.embed_tokens", "model.decoder.embed_tokens")),
    ("T5", both(), ("encoder.embed_tokens", "decoder.embed_tokens")),
    ("GPT2", {"input_ids": tokens()}, ("transformer.wte",)),
    ("Bert", {"input_ids": tokens()}, ("bert.embeddings.word_embeddings",)),
    ("Roberta", {"input_ids": tokens()}, ("roberta.embeddings.word_embeddings",)),
    ("OPT", {"input_ids": tokens(), "attention_mask": torch.ones(2, 8).long()}, ("model.decoder.embed_tokens",)),
    ("GPT2", {"input_ids": tokens(), "position_ids": torch.arange(8).repeat(2, 1)},       # an input as others are
     ("transformer.wte", "transformer.wpe")),
])
def test_sources_are_the_embeddings_of_what_was_given(name, inputs, due):
    """Not those of places, whether they are counted from the tokens or only as many."""
    assert sources(built(name), inputs) == due


def test_ids_with_an_offset_for_each_table_are_still_the_inputs():
    class Tables(nn.Module):
        def __init__(self):
            super().__init__()
            self.all, self.head = nn.Embedding(12, 4), nn.Linear(4, 2)
            self.register_buffer("offsets", torch.tensor([0, 4, 8]))

        def forward(self, x):
            return self.head(self.all((x % 4 + self.offsets).clamp(0, 11)).sum(1))

    assert sources(Tables(), {"x": torch.randint(0, 4, (2, 3))}) == ("all",)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_gradcam_takes_the_tokens_not_the_scores_or_their_mask(attention):
    """The last window of this Swin is shifted, so that a mask is added to its scores, in the open where it is eager."""
    found = archviz.explain(built("Swin", attn_implementation=attention), torch.rand(2, 3, 32, 32), method="gradcam")
    assert [*found.maps] == ["swin.encoder.layers.0.blocks.1.layernorm_before"] and found.input_map.shape == (2, 32, 32)
    found = archviz.explain(built("Bert", attn_implementation=attention), {
        "input_ids": tokens(), "attention_mask": torch.ones(2, 8).long()}, method="gradcam")
    assert [*found.maps] == ["bert.encoder.layer.0.output.LayerNorm"]


class Twofold(nn.Module):
    def __init__(self):
        super().__init__()
        self.all, self.head = nn.Transformer(16, 2, 2, 2, 32, batch_first=True), nn.Linear(16, 4)

    def forward(self, src, tgt):
        return self.head(self.all(src, tgt))[:, -1]


def test_gradcam_of_vectors_as_tokens_has_a_number_for_each_of_them():
    torch.manual_seed(0)
    model, inputs = Twofold().eval(), {"src": torch.randn(2, 6, 16), "tgt": torch.randn(2, 3, 16)}
    found = archviz.explain(model, inputs, method="gradcam", relu=False)
    assert {name: one.shape for name, one in found.inputs.items()} == {"/in:tgt": (2, 3)}
    node, = found.maps
    kept = {}
    hook = model.get_submodule(node).register_forward_hook(lambda module, args, out: kept.update(value=out))
    score = model(**inputs).amax(1).sum()
    hook.remove()
    weights = torch.autograd.grad(score, kept["value"])[0].mean(1, keepdim=True)     # of each feature
    np.testing.assert_allclose(found.inputs["/in:tgt"], (weights * kept["value"]).sum(-1).detach(), atol=1e-5)


SEEN = {
    "Whisper": (lambda: built("Whisper"), SPOKEN, 6), "BART": (lambda: built("Bart"), both(), 6),
    "ViT": (lambda: built("ViT"), {"pixel_values": torch.rand(2, 3, 32, 32)}, 2),
    "Swin": (lambda: built("Swin"), {"pixel_values": torch.rand(2, 3, 32, 32)}, 2),
    "nn.Transformer": (Twofold, {"src": torch.randn(2, 6, 16), "tgt": torch.randn(2, 3, 16)}, 6),
}


@pytest.mark.parametrize("name", SEEN)
def test_attention_is_seen_and_followed_and_hidden_states_are_refused(name):
    make, inputs, attentions = SEEN[name]
    model = make().eval()
    seen = archviz.explain(model, inputs, method="attention")
    assert len(seen.maps) == attentions and all(check.kept for check in seen.checks)
    assert all(np.allclose(one.sum(-1), 1, atol=1e-5) for one in seen.maps.values())
    with pytest.raises(ArchvizError, match="no recurrent layer"):
        archviz.explain(model, inputs, method="hidden")
    if name == "Swin":
        with pytest.raises(ArchvizError, match="within windows"):
            archviz.explain(model, inputs, method="rollout")
    else:
        followed = archviz.explain(model, inputs, method="rollout")
        assert followed.inputs and all(check.kept for check in followed.checks)
