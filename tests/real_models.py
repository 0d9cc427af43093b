"""Which method runs on which real model, without an edit to it: the table that tests check and the documentation shows.

In: the models that everybody knows, at their published shape but with few and narrow layers.  Out: `MODELS`, name →
how to build it and a batch of two; `REASONS`, (model, method) → why a method makes no sense there; `SHORT`, where one
runs and says that its promise is not kept, and why.  Everything else runs, and keeps its promises.
Imports torch; transformers only once one of its models is built.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tests import trained, zoo


@dataclass(frozen=True)
class Model:
    """`build` makes it, with weights of the size of trained ones; `inputs` are a batch of two.

    Fresh weights are tiny, and biases zero: what such a model says hardly depends on what it reads.
    """

    make: Callable[[], nn.Module]
    inputs: Callable[[], dict[str, Tensor]]

    def build(self) -> nn.Module:
        model = self.make()
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.data.normal_(0, (2 / parameter[0].numel()) ** 0.5)
            elif name.endswith("bias"):
                parameter.data.normal_(0, 0.1)
        return model.eval()


def _images(size: int, name: str = "pixel_values") -> Callable[[], dict[str, Tensor]]:
    return lambda: {name: torch.rand(2, 3, size, size)}


def _tokens(*lengths: int, names: tuple[str, ...] = ("input_ids",)) -> Callable[[], dict[str, Tensor]]:
    return lambda: {name: torch.randint(2, 50, (2, length)) for name, length in zip(names, lengths, strict=True)}


def _resnet() -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification
    return ResNetForImageClassification(ResNetConfig(
        layer_type="basic", embedding_size=8, hidden_sizes=[8, 8, 16, 16], depths=[2, 2, 2, 2], num_labels=10))


def _vgg() -> nn.Module:
    stage = trained.gallery("vgg16").stage
    return nn.Sequential(stage(3, 8, 2), stage(8, 8, 2), stage(8, 16, 3), stage(16, 16, 3), stage(16, 16, 3),
                         nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 32), nn.ReLU(),
                         nn.Dropout(), nn.Linear(32, 10))


def _convnext() -> nn.Module:
    from transformers import ConvNextConfig, ConvNextForImageClassification
    return ConvNextForImageClassification(ConvNextConfig(
        hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 2, 1], num_labels=10))


def _vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification
    return ViTForImageClassification(ViTConfig(
        image_size=32, patch_size=8, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        num_labels=10))


def _swin() -> nn.Module:
    from transformers import SwinConfig, SwinForImageClassification
    return SwinForImageClassification(SwinConfig(
        image_size=32, patch_size=4, embed_dim=8, depths=[2, 2], num_heads=[2, 2], window_size=4, num_labels=10))


def _bert() -> nn.Module:
    from transformers import BertConfig, BertForSequenceClassification
    return BertForSequenceClassification(BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=3))


def _gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel
    return GPT2LMHeadModel(GPT2Config(vocab_size=50, n_positions=16, n_embd=16, n_layer=2, n_head=2, bos_token_id=0,
                                      eos_token_id=1))


def _t5() -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration
    return T5ForConditionalGeneration(T5Config(
        vocab_size=50, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2))


MODELS: dict[str, Model] = {
    "ResNet-18": Model(_resnet, _images(64)),
    "VGG-16": Model(_vgg, _images(64, "input")),
    "DenseNet": Model(lambda: zoo.DenseNet((2, 2), 8, 10), _images(64, "x")),
    "ConvNeXt": Model(_convnext, _images(64)),
    "ViT": Model(_vit, _images(32)),
    "Swin": Model(_swin, _images(32)),
    "BERT": Model(_bert, _tokens(8)),
    "GPT-2": Model(_gpt2, _tokens(8)),
    "T5": Model(_t5, _tokens(8, 4, names=("input_ids", "decoder_input_ids"))),
    "LSTM": Model(lambda: zoo.LSTMClassifier(50, 16), _tokens(8, names=("x",))),
}

UNITS = {       # a unit with a receptive field, of the models that have such
    "ResNet-18": "resnet.encoder.stages.1.layers.0.layer.0.convolution[0,4,4]", "VGG-16": "1.2[0,16,16]",
    "DenseNet": "stages.0.layers.0.conv2[0,8,8]", "ConvNeXt": "convnext.encoder.stages.1.layers.0.dwconv[0,4,4]",
}
_NO_ATTENTION, _NO_CELLS, _NO_RELU = "it does not attend", "it has no recurrent layer", "it has no ReLU"
_NO_POOL = "its head is not one linear layer on the mean of a feature map"

REASONS: dict[tuple[str, str], str] = {
    **{(name, method): _NO_ATTENTION for name in ("ResNet-18", "VGG-16", "DenseNet", "ConvNeXt", "LSTM")
       for method in ("attention", "rollout")},
    **{(name, "hidden"): _NO_CELLS for name in MODELS if name != "LSTM"},
    **{(name, method): _NO_RELU for name in ("ConvNeXt", "ViT", "Swin", "BERT", "GPT-2", "LSTM")
       for method in ("deconvnet", "guided")},
    **{(name, "cam"): _NO_POOL for name in MODELS if name not in ("ResNet-18", "DenseNet")},
    **{(name, "regions"): "it takes no image" for name in ("BERT", "GPT-2", "T5", "LSTM")},
    **{(name, "receptive_field"): "what it gives sees the whole input" for name in MODELS if name not in UNITS},
    ("Swin", "rollout"): "it attends within windows, of which one does not know the others",
}
SHORT: dict[tuple[str, str], str] = {
    ("T5", "ig"): "without a bias anywhere it jumps at a zero embedding, where the way begins: take another baseline",
}
