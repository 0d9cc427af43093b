"""The plain network of 34 layers that residual learning was compared with (He et al., 2016): ``plain34.py``."""
from __future__ import annotations

import torch
from torch import Tensor, nn


def layer(channels_in: int, channels: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """A convolution with what follows it."""
    convolution = nn.Conv2d(channels_in, channels, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels), nn.ReLU())


class Plain34(nn.Module):
    def __init__(self, blocks: tuple[int, ...] = (3, 4, 6, 3), classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(layer(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1))
        stages, width = [], 64
        for i, count in enumerate(blocks):
            channels = 64 << i
            stage = []
            for j in range(2 * count):
                stage.append(layer(width, channels, stride=2 if i and not j else 1))
                width = channels
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.pool(self.stages(self.stem(image))).flatten(1))


example_inputs = torch.zeros(1, 3, 224, 224)
