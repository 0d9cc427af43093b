"""The models every figure is judged by: published architectures at their published sizes, and classics in plain torch.

In: nothing.  Out: `CASES`, name → `Case`: how to build the model (with random weights, so call it under
``torch.device("meta")`` or hand it to `archviz.trace.trace`) and the inputs it is drawn with.  Each builder is also a
target for the command line, ``archviz tests.zoo:resnet50``, and carries its inputs as ``example_inputs``.
Imports torch; transformers only once one of its models is built.
"""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import tests.peers  # noqa: F401  transformers imports torchvision where that is installed

Build = Callable[[], nn.Module]
Inputs = tuple[tuple[Any, ...], dict[str, Any]]


@dataclass(frozen=True)
class Case:
    name: str
    build: Build
    inputs: Callable[[], Inputs]


CASES: dict[str, Case] = {}


def case(inputs: Callable[[], Inputs]) -> Callable[[Build], Build]:
    """List a builder among the cases, under its own name, with the inputs it is drawn with."""

    def listed(build: Build) -> Build:
        CASES[build.__name__] = Case(build.__name__, build, inputs)
        build.example_inputs = lambda: inputs()[0] or inputs()[1]  # type: ignore[attr-defined]
        return build

    return listed


def image(size: int = 224, channels: int = 3, name: str = "pixel_values") -> Callable[[], Inputs]:
    return lambda: ((), {name: torch.zeros(1, channels, size, size)})


def tokens(length: int = 128, *names: str) -> Callable[[], Inputs]:
    """Token ids for each of `names` (``input_ids`` if none is given); mask inputs are ones."""
    return lambda: ((), {n: (torch.ones if "mask" in n else torch.zeros)(1, length, dtype=torch.int64)
                         for n in names or ("input_ids",)})


def positional(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float32) -> Callable[[], Inputs]:
    return lambda: (tuple(torch.zeros(shape, dtype=dtype) for shape in shapes), {})


# ---------------------------------------------------------------------------------------------- vision

@case(image())
def resnet18() -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification
    return ResNetForImageClassification(ResNetConfig(
        layer_type="basic", hidden_sizes=[64, 128, 256, 512], depths=[2, 2, 2, 2], num_labels=1000))


@case(image())
def resnet50() -> nn.Module:
    from transformers import ResNetConfig, ResNetForImageClassification
    return ResNetForImageClassification(ResNetConfig(num_labels=1000))


@case(image())
def convnext() -> nn.Module:
    from transformers import ConvNextConfig, ConvNextForImageClassification
    return ConvNextForImageClassification(ConvNextConfig(num_labels=1000))


@case(image())
def mobilenet_v2() -> nn.Module:
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification
    return MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=1000))


@case(image())
def regnet() -> nn.Module:
    from transformers import RegNetConfig, RegNetForImageClassification
    return RegNetForImageClassification(RegNetConfig(num_labels=1000))


@case(image())
def vit() -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification
    return ViTForImageClassification(ViTConfig(num_labels=1000))


@case(image())
def swin() -> nn.Module:
    from transformers import SwinConfig, SwinForImageClassification
    return SwinForImageClassification(SwinConfig(num_labels=1000))


@case(image())
def deit() -> nn.Module:
    from transformers import DeiTConfig, DeiTForImageClassification
    return DeiTForImageClassification(DeiTConfig(num_labels=1000))


@case(image(800))
def detr() -> nn.Module:
    from transformers import DetrConfig, DetrForObjectDetection, ResNetConfig
    backbone = ResNetConfig(out_features=["stage4"])
    return DetrForObjectDetection(DetrConfig(
        use_timm_backbone=False, use_pretrained_backbone=False, backbone=None, backbone_config=backbone, num_labels=91))


@case(image(512))
def segformer() -> nn.Module:
    from transformers import SegformerConfig, SegformerForSemanticSegmentation
    return SegformerForSemanticSegmentation(SegformerConfig(num_labels=150))


# ---------------------------------------------------------------------------------------------- text

@case(tokens(128, "input_ids", "attention_mask"))
def bert() -> nn.Module:
    from transformers import BertConfig, BertForMaskedLM
    return BertForMaskedLM(BertConfig())


@case(tokens(128))
def roberta() -> nn.Module:
    from transformers import RobertaConfig, RobertaForSequenceClassification
    return RobertaForSequenceClassification(RobertaConfig(
        vocab_size=50265, max_position_embeddings=514, type_vocab_size=1, layer_norm_eps=1e-5))


@case(tokens(128))
def gpt2() -> nn.Module:
    from transformers import GPT2Config, GPT2LMHeadModel
    return GPT2LMHeadModel(GPT2Config())


@case(tokens(128))
def llama_8b() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=128256, hidden_size=4096, intermediate_size=14336, num_hidden_layers=32,
        num_attention_heads=32, num_key_value_heads=8, max_position_embeddings=8192))


@case(tokens(128))
def llama_70b() -> nn.Module:
    from transformers import LlamaConfig, LlamaForCausalLM
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=128256, hidden_size=8192, intermediate_size=28672, num_hidden_layers=80,
        num_attention_heads=64, num_key_value_heads=8, max_position_embeddings=8192))


@case(tokens(128))
def mixtral() -> nn.Module:
    from transformers import MixtralConfig, MixtralForCausalLM
    return MixtralForCausalLM(MixtralConfig())


@case(tokens(128, "input_ids", "decoder_input_ids"))
def t5() -> nn.Module:
    from transformers import T5Config, T5ForConditionalGeneration
    return T5ForConditionalGeneration(T5Config(d_model=768, d_ff=3072, num_layers=12, num_heads=12))


@case(tokens(128, "input_ids", "decoder_input_ids"))
def bart() -> nn.Module:
    from transformers import BartConfig, BartForConditionalGeneration
    return BartForConditionalGeneration(BartConfig())


@case(tokens(128))
def mamba() -> nn.Module:
    from transformers import MambaConfig, MambaForCausalLM
    return MambaForCausalLM(MambaConfig(num_hidden_layers=24))


# ---------------------------------------------------------------------------------------------- audio, several inputs

@case(lambda: ((), {"input_features": torch.zeros(1, 80, 3000),
                    "decoder_input_ids": torch.zeros(1, 64, dtype=torch.int64)}))
def whisper() -> nn.Module:
    from transformers import WhisperConfig, WhisperForConditionalGeneration
    return WhisperForConditionalGeneration(WhisperConfig(
        d_model=768, encoder_layers=12, decoder_layers=12, encoder_attention_heads=12, decoder_attention_heads=12,
        encoder_ffn_dim=3072, decoder_ffn_dim=3072))


@case(lambda: ((), {"input_values": torch.zeros(1, 16000)}))
def wav2vec2() -> nn.Module:
    from transformers import Wav2Vec2Config, Wav2Vec2ForCTC
    return Wav2Vec2ForCTC(Wav2Vec2Config())


@case(lambda: ((), {"input_ids": torch.zeros(1, 77, dtype=torch.int64), "pixel_values": torch.zeros(1, 3, 224, 224)}))
def clip() -> nn.Module:
    from transformers import CLIPConfig, CLIPModel
    return CLIPModel(CLIPConfig())


# ---------------------------------------------------------------------------------------------- plain torch

@case(positional((1, 64, 512), (1, 32, 512)))
def transformer() -> nn.Module:
    """Attention Is All You Need, base size, without the embeddings."""
    return nn.Transformer(batch_first=True)


class LSTMClassifier(nn.Module):
    """Embedding, two LSTM layers, and a linear layer on the last step."""

    def __init__(self, vocabulary: int = 20000, width: int = 256, classes: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width)
        self.lstm = nn.LSTM(width, width, num_layers=2, batch_first=True, dropout=0.2)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(x))
        return self.classifier(states[:, -1])


@case(positional((1, 80), dtype=torch.int64))
def lstm() -> nn.Module:
    return LSTMClassifier()


class DoubleConv(nn.Sequential):
    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(nn.Conv2d(cin, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(inplace=True),
                         nn.Conv2d(cout, cout, 3, padding=1), nn.BatchNorm2d(cout), nn.ReLU(inplace=True))


class UNet(nn.Module):
    """Ronneberger et al. 2015 with padded convolutions: four levels down, four up, skips by concatenation."""

    def __init__(self, channels: int = 1, classes: int = 2, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2 ** i for i in range(5)]
        self.down = nn.ModuleList(DoubleConv(a, b) for a, b in zip([channels, *widths], widths[:4], strict=False))
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = DoubleConv(widths[3], widths[4])
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:4]))
        self.merge = nn.ModuleList(DoubleConv(2 * w, w) for w in reversed(widths[:4]))
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        skips = []
        for block in self.down:
            x = block(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, merge, skip in zip(self.up, self.merge, reversed(skips), strict=True):
            x = merge(torch.cat([skip, up(x)], dim=1))
        return self.head(x)


@case(positional((1, 1, 512, 512)))
def unet() -> nn.Module:
    return UNet()


class ConvBNReLU(nn.Module):
    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(cout)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class InceptionBlock(nn.Module):
    """Four branches side by side, joined by concatenation (Szegedy et al. 2015)."""

    def __init__(self, cin: int, one: int, three: tuple[int, int], five: tuple[int, int], pool: int) -> None:
        super().__init__()
        self.branch1 = ConvBNReLU(cin, one, 1)
        self.branch3 = nn.Sequential(ConvBNReLU(cin, three[0], 1), ConvBNReLU(*three, 3))
        self.branch5 = nn.Sequential(ConvBNReLU(cin, five[0], 1), ConvBNReLU(*five, 5))
        self.branch_pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), ConvBNReLU(cin, pool, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.branch1(x), self.branch3(x), self.branch5(x), self.branch_pool(x)], dim=1)


class Inception(nn.Module):
    """GoogLeNet without its auxiliary heads."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            ConvBNReLU(3, 64, 7, 2), nn.MaxPool2d(3, 2, ceil_mode=True),
            ConvBNReLU(64, 64, 1), ConvBNReLU(64, 192, 3), nn.MaxPool2d(3, 2, ceil_mode=True))
        self.inception3a = InceptionBlock(192, 64, (96, 128), (16, 32), 32)
        self.inception3b = InceptionBlock(256, 128, (128, 192), (32, 96), 64)
        self.pool3 = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.inception4a = InceptionBlock(480, 192, (96, 208), (16, 48), 64)
        self.inception4b = InceptionBlock(512, 160, (112, 224), (24, 64), 64)
        self.inception4c = InceptionBlock(512, 128, (128, 256), (24, 64), 64)
        self.inception4d = InceptionBlock(512, 112, (144, 288), (32, 64), 64)
        self.inception4e = InceptionBlock(528, 256, (160, 320), (32, 128), 128)
        self.pool4 = nn.MaxPool2d(2, 2, ceil_mode=True)
        self.inception5a = InceptionBlock(832, 256, (160, 320), (32, 128), 128)
        self.inception5b = InceptionBlock(832, 384, (192, 384), (48, 128), 128)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.4)
        self.fc = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.inception3b(self.inception3a(self.stem(x)))
        x = self.inception4a(self.pool3(x))
        x = self.inception4e(self.inception4d(self.inception4c(self.inception4b(x))))
        x = self.inception5b(self.inception5a(self.pool4(x)))
        return self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))


@case(positional((1, 3, 224, 224)))
def inception() -> nn.Module:
    return Inception()


class DenseLayer(nn.Module):
    def __init__(self, cin: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(cin), nn.Conv2d(cin, 4 * growth, 1, bias=False)
        self.norm2, self.conv2 = nn.BatchNorm2d(4 * growth), nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, features: list[Tensor]) -> Tensor:
        x = self.conv1(F.relu(self.norm1(torch.cat(features, 1))))
        return self.conv2(F.relu(self.norm2(x)))


class DenseBlock(nn.Module):
    def __init__(self, layers: int, cin: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(cin + i * growth, growth) for i in range(layers))

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)


class Transition(nn.Sequential):
    def __init__(self, cin: int, cout: int) -> None:
        super().__init__(nn.BatchNorm2d(cin), nn.ReLU(inplace=True), nn.Conv2d(cin, cout, 1, bias=False),
                         nn.AvgPool2d(2))


class DenseNet(nn.Module):
    """DenseNet-121 (Huang et al. 2017): every layer reads all the layers before it in its block."""

    def __init__(self, blocks: tuple[int, ...] = (6, 12, 24, 16), growth: int = 32, classes: int = 1000) -> None:
        super().__init__()
        width = 2 * growth
        self.stem = nn.Sequential(nn.Conv2d(3, width, 7, 2, 3, bias=False), nn.BatchNorm2d(width),
                                  nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1))
        stages: list[nn.Module] = []
        for i, layers in enumerate(blocks):
            stages.append(DenseBlock(layers, width, growth))
            width += layers * growth
            if i + 1 < len(blocks):
                stages.append(Transition(width, width // 2))
                width //= 2
        self.stages = nn.Sequential(*stages)
        self.norm = nn.BatchNorm2d(width)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.stages(self.stem(x))))
        return self.classifier(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@case(positional((1, 3, 224, 224)))
def densenet() -> nn.Module:
    return DenseNet()
