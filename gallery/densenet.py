"""DenseNet (Huang et al., 2017) in plain torch: ``densenet.py:densenet121``."""
from __future__ import annotations

import torch
from torch import Tensor, nn


class DenseLayer(nn.Module):
    """1×1 down to four growths, 3×3 to one, which joins what came before."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.norm1, self.relu1 = nn.BatchNorm2d(channels), nn.ReLU()
        self.conv1 = nn.Conv2d(channels, 4 * growth, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(4 * growth), nn.ReLU()
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(self.relu1(self.norm1(x)))
        y = self.conv2(self.relu2(self.norm2(y)))
        return torch.cat([x, y], 1)


class DenseBlock(nn.Sequential):
    def __init__(self, channels: int, growth: int, layers: int) -> None:
        super().__init__(*(DenseLayer(channels + i * growth, growth) for i in range(layers)))


class Transition(nn.Sequential):
    """Half the channels, half the resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels // 2, 1, bias=False),
                         nn.AvgPool2d(2))


class DenseNet(nn.Module):
    def __init__(self, layers: tuple[int, ...] = (6, 12, 24, 16), growth: int = 32, classes: int = 1000) -> None:
        super().__init__()
        channels = 2 * growth
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 7, 2, 3, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
                                  nn.MaxPool2d(3, 2, 1))
        stages: list[nn.Module] = []
        for i, count in enumerate(layers):
            stages.append(DenseBlock(channels, growth, count))
            channels += count * growth
            if i < len(layers) - 1:
                stages.append(Transition(channels))
                channels //= 2
        self.stages = nn.Sequential(*stages)
        self.norm, self.relu = nn.BatchNorm2d(channels), nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.relu(self.norm(self.stages(self.stem(image))))
        return self.classifier(self.pool(x).flatten(1))


def densenet121() -> DenseNet:
    return DenseNet((6, 12, 24, 16))


example_inputs = torch.zeros(1, 3, 224, 224)
