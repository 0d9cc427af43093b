"""LRP of real models, made small: every cut conserves, whatever they are built of; recurrent layers by hand."""
from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from archviz.insight.engine.subject import Subject
from archviz.insight.methods import lrp
from archviz.trace.ladder import Inputs, trace
from tests import zoo
from tests.insight.test_methods_lrp import conserves, relevance

IDS = torch.randint(3, 90, (2, 9), generator=torch.Generator().manual_seed(0))
IMAGES = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
SMALL = {"vocab_size": 90, "bos_token_id": 0, "eos_token_id": 0, "pad_token_id": 0}
IMAGE = {"pixel_values": IMAGES}
BOTH = {"input_ids": IDS, "decoder_input_ids": IDS[:, :4]}

MODELS = {
    "resnet": (lambda: transformers.ResNetForImageClassification(transformers.ResNetConfig(
        embedding_size=8, layer_type="basic", hidden_sizes=[8, 16], depths=[2, 2], num_labels=7)), IMAGE),
    "vgg": (lambda: nn.Sequential(*[part for a, b in ((3, 8), (8, 12), (12, 16)) for part in (
        nn.Conv2d(a, b, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2))], nn.AdaptiveAvgPool2d(2), nn.Flatten(),
        nn.Linear(64, 20), nn.ReLU(True), nn.Dropout(), nn.Linear(20, 7)), {"input": IMAGES}),
    "densenet": (lambda: zoo.DenseNet((2, 2), 8, 7), {"x": IMAGES}),
    "inception": (lambda: zoo.InceptionBlock(3, 4, (4, 6), (3, 4), 4), {"x": IMAGES[:, :, :8, :8]}),
    "unet": (lambda: zoo.UNet(3, 4, 4), {"x": IMAGES}),
    "convnext": (lambda: transformers.ConvNextForImageClassification(transformers.ConvNextConfig(
        hidden_sizes=[8, 16], depths=[2, 2], num_stages=2, num_labels=7, layer_scale_init_value=1.0)), IMAGE),
    "vit": (lambda: transformers.ViTForImageClassification(transformers.ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, image_size=32, patch_size=8,
        num_labels=7)), IMAGE),
    "swin": (lambda: transformers.SwinForImageClassification(transformers.SwinConfig(
        image_size=32, patch_size=2, embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=4, num_labels=7)),
        IMAGE),
    "bert": (lambda: transformers.BertForSequenceClassification(transformers.BertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, num_labels=4, **SMALL)),
        {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}),
    "gpt2": (lambda: transformers.GPT2LMHeadModel(transformers.GPT2Config(
        n_embd=32, n_layer=2, n_head=4, **SMALL)), {"input_ids": IDS}),
    "llama": (lambda: transformers.LlamaForCausalLM(transformers.LlamaConfig(
        hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        **SMALL)), {"input_ids": IDS}),
    "t5": (lambda: transformers.T5ForConditionalGeneration(transformers.T5Config(
        d_model=32, d_ff=48, num_layers=2, num_heads=4, d_kv=8, feed_forward_proj="gated-gelu", **SMALL)), BOTH),
    "lstm": (lambda: zoo.LSTMClassifier(90, 12), {"x": IDS}),
    "encoder": (lambda: nn.Sequential(nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 24, batch_first=True), 2),
                                      nn.Flatten(), nn.Linear(80, 3)),
                {"input": torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))}),
}


def built(name):
    torch.manual_seed(0)
    make, inputs = MODELS[name]
    model = make().eval()
    with torch.no_grad():       # biases, shifts and statistics as after training, not 0 and 1
        for part in (*model.parameters(), *model.buffers()):
            if part.is_floating_point() and part.dim() == 1 and part.numel() < 1000:
                part.add_(torch.rand_like(part) * 0.2 if bool((part > 0.9).all()) else torch.randn_like(part) * 0.05)
    return model, inputs


@pytest.mark.parametrize("attention", ["constant", "softmax"])
@pytest.mark.parametrize("name", MODELS)
def test_real_models_conserve_at_every_cut(name, attention):
    model, inputs = built(name)
    for composite in ("epsilon", "epsilon-plus-flat"):
        found = relevance(model, kwargs=inputs, composite=composite, attention=attention)
        assert conserves(found, 1e-5)
        assert all(np.isfinite(one).all() and one.any() for one in found.inputs.values())


@pytest.mark.parametrize("name", ["resnet", "unet", "gpt2", "swin"])
def test_flows_run_along_the_edges_of_the_figure(name):
    model, inputs = built(name)
    found, graph = relevance(model, kwargs=inputs, composite="epsilon"), trace(model, Inputs((), inputs)).graph
    assert set(found.flows) <= {(edge.src, edge.dst) for edge in graph.edges}
    assert set(found.scores) <= {node.id for node in graph.nodes}
    for node, score in found.scores.items():        # what a node gave is what its readers took
        given = [flow for (source, _), flow in found.flows.items() if source == node]
        if given:
            np.testing.assert_allclose(sum(given), score, rtol=1e-4, atol=1e-6)


def test_no_relevance_is_lost_where_nothing_adds_a_constant():
    for name in ("llama", "t5"):        # no biases; attention weights, norms and gates are held constant
        found = relevance(built(name)[0], kwargs=MODELS[name][1], composite="epsilon", epsilon=0)
        arrived = sum(one.sum(1) for one in found.inputs.values())
        np.testing.assert_allclose(arrived, found.output, rtol=1e-4)


@pytest.mark.parametrize("kind", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("steps", [3, 6, 7])        # as many as samples, twice as many: neither may be taken for them
@pytest.mark.parametrize("both", [True, False])
def test_recurrent_layers_of_any_form_conserve(kind, first, steps, both):
    torch.manual_seed(0)

    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = kind(6, 5, num_layers=2, bidirectional=both, batch_first=first)
            self.head = nn.Linear(10 if both else 5, 3)
            for name, one in self.layer.named_parameters():
                if "bias" in name:
                    nn.init.normal_(one, 0, 0.3)

        def forward(self, x):
            return self.head(self.layer(x if first else x.transpose(0, 1))[0].select(1 if first else 0, -1))

    model, x = Reader(), torch.randn(3, steps, 6)
    found = relevance(model, x, composite="epsilon")
    assert conserves(found, 1e-5) and np.abs(found.inputs["/in:x"]).sum((0, 2)).min() > 0     # every step of time
    alone = relevance(model, x[1:2], composite="epsilon")
    np.testing.assert_allclose(found.inputs["/in:x"][1:2], alone.inputs["/in:x"], atol=1e-6)
    assert all(found.scores[name][1] == pytest.approx(one[0], abs=1e-5) for name, one in alone.scores.items())


def test_samples_are_told_apart_where_time_comes_first_and_is_as_long():
    """(time, sample, feature) with as many of one as of the other: seen by what each sample's cuts hold."""
    torch.manual_seed(0)

    class Turned(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x):
            return self.two(self.one(x.transpose(0, 1)).relu()).transpose(0, 1)[:, -1]

    model, x = Turned(), torch.randn(4, 4, 4)
    found = relevance(model, x, composite="epsilon")
    assert conserves(found, 1e-5)
    for row in range(4):
        alone = relevance(model, x[row:row + 1], composite="epsilon")
        assert all(found.scores[name][row] == pytest.approx(one[0], abs=1e-5) for name, one in alone.scores.items())


def test_an_lstm_shares_by_the_signal_takes_all_rule():
    """One cell by hand: R of c and of the candidate in proportion, nothing through the gates (Arras et al. 2019)."""
    torch.manual_seed(0)
    cell = nn.LSTMCell(4, 3, bias=False).double()
    x, h, c = (torch.randn(1, n).double() for n in (4, 3, 3))
    with Subject(cell, (x, (h, c)), target=lambda out: out[0][:, 1]) as subject:
        found = lrp.attribute(subject, composite="epsilon", epsilon=0)[0]
    i, f, g, o = (x @ cell.weight_ih.t() + h @ cell.weight_hh.t()).chunk(4, 1)
    new = f.sigmoid() * c + i.sigmoid() * g.tanh()
    top = (o.sigmoid() * new.tanh())[0, 1]
    kept, fresh = ((part[0, 1] / new[0, 1] * top).item() for part in (f.sigmoid() * c, i.sigmoid() * g.tanh()))
    assert found.inputs["/in:hx.1"].sum() == pytest.approx(kept)
    assert found.inputs["/in:input"].sum() + found.inputs["/in:hx.0"].sum() == pytest.approx(fresh)
    shares = (x * cell.weight_ih[7] / g[0, 1] * fresh).detach()       # row 7 is that of the candidate's unit 1
    np.testing.assert_allclose(found.inputs["/in:input"], shares, rtol=1e-6)


def test_attention_by_its_published_rules():
    """One head by hand: with constant weights R goes by A·V; with the Taylor rule half of it to A, by R − s ΣR."""
    torch.manual_seed(0)
    q, k, v = (torch.randn(1, 1, 4, 5).double() for _ in range(3))

    class Head(nn.Module):
        def forward(self, q, k, v):
            return nn.functional.scaled_dot_product_attention(q, k, v)[:, 0, 2]

    s = (q @ k.transpose(2, 3) / 5 ** 0.5).softmax(-1)
    row, scores = s[0, 0, 2], (q @ k.transpose(2, 3) / 5 ** 0.5)[0, 0, 2]
    held, taylor = (relevance(Head(), q, k, v, target=3, attention=one) for one in ("constant", "softmax"))
    due = row * v[0, 0, :, 3]
    np.testing.assert_allclose(held.inputs["/in:v"][0, :, 3], due, rtol=1e-9)
    assert not held.inputs["/in:q"].any() and not held.inputs["/in:k"].any()
    np.testing.assert_allclose(taylor.inputs["/in:v"][0, :, 3], due / 2, rtol=1e-9)
    half = due / 2
    on_scores = scores * (half - row * half.sum())
    np.testing.assert_allclose(taylor.inputs["/in:q"].sum(), on_scores.sum() / 2, rtol=1e-9)
    np.testing.assert_allclose(taylor.inputs["/in:k"][0].sum(1), on_scores / 2, rtol=1e-9)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["resnet", "swin", "gpt2", "lstm"])
def test_a_gpu_gives_what_a_cpu_gives(name):
    model, inputs = built(name)
    here = relevance(model, kwargs=inputs, target=1, composite="epsilon", epsilon=0)
    there = relevance(model.cuda(), kwargs={key: one.cuda() for key, one in inputs.items()}, target=1,
                      composite="epsilon", epsilon=0)
    assert conserves(there)
    for key, one in here.inputs.items():
        np.testing.assert_allclose(there.inputs[key], one, atol=1e-3 * np.abs(one).max())
