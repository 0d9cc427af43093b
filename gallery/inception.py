"""The Inception module and GoogLeNet (Szegedy et al., 2015): ``inception.py:Inception``, ``inception.py:GoogLeNet``."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Conv(nn.Module):
    """A convolution and its activation."""

    def __init__(self, channels_in: int, channels: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, size, stride, padding=size // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv(x))


class Inception(nn.Module):
    """Four ways of looking at the same maps, side by side; the 1×1 convolutions before the others save work."""

    def __init__(
        self, channels: int = 192, one: int = 64, three: tuple[int, int] = (96, 128), five: tuple[int, int] = (16, 32),
        pool: int = 32,
    ) -> None:
        super().__init__()
        self.conv1 = Conv(channels, one, 1)
        self.reduce3, self.conv3 = Conv(channels, three[0], 1), Conv(*three, 3)
        self.reduce5, self.conv5 = Conv(channels, five[0], 1), Conv(*five, 5)
        self.pool, self.project = nn.MaxPool2d(3, 1, 1), Conv(channels, pool, 1)

    def forward(self, previous_layer: Tensor) -> Tensor:
        x = previous_layer
        return torch.cat([self.conv1(x), self.conv3(self.reduce3(x)), self.conv5(self.reduce5(x)),
                          self.project(self.pool(x))], 1)

    example_inputs = torch.zeros(1, 192, 28, 28)


class Auxiliary(nn.Module):
    """A classifier half-way, which brings the gradient to the layers below it while the network is trained."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(5, 3)
        self.conv = Conv(channels, 128, 1)
        self.fc1 = nn.Linear(128 * 4 * 4, 1024)
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.fc1(self.conv(self.pool(x)).flatten(1)))
        return self.fc2(self.dropout(x)).softmax(1)


class GoogLeNet(nn.Module):
    """Nine Inception modules; beside the fourth and the seventh, a classifier of its own."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            Conv(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1), nn.LocalResponseNorm(5),
            Conv(64, 64, 1), Conv(64, 192, 3), nn.LocalResponseNorm(5), nn.MaxPool2d(3, 2, 1))
        self.inception3a = Inception(192, 64, (96, 128), (16, 32), 32)
        self.inception3b = Inception(256, 128, (128, 192), (32, 96), 64)
        self.pool3 = nn.MaxPool2d(3, 2, 1)
        self.inception4a = Inception(480, 192, (96, 208), (16, 48), 64)
        self.inception4b = Inception(512, 160, (112, 224), (24, 64), 64)
        self.inception4c = Inception(512, 128, (128, 256), (24, 64), 64)
        self.inception4d = Inception(512, 112, (144, 288), (32, 64), 64)
        self.inception4e = Inception(528, 256, (160, 320), (32, 128), 128)
        self.pool4 = nn.MaxPool2d(3, 2, 1)
        self.inception5a = Inception(832, 256, (160, 320), (32, 128), 128)
        self.inception5b = Inception(832, 384, (192, 384), (48, 128), 128)
        self.pool5 = nn.AvgPool2d(7)
        self.dropout = nn.Dropout(0.4)
        self.classifier = nn.Linear(1024, classes)
        self.auxiliary1 = Auxiliary(512, classes)
        self.auxiliary2 = Auxiliary(528, classes)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        x = self.pool3(self.inception3b(self.inception3a(self.stem(image))))
        x = self.inception4a(x)
        softmax0 = self.auxiliary1(x)
        x = self.inception4d(self.inception4c(self.inception4b(x)))
        softmax1 = self.auxiliary2(x)
        x = self.inception5b(self.inception5a(self.pool4(self.inception4e(x))))
        x = self.dropout(self.pool5(x).flatten(1))
        return {"softmax2": self.classifier(x).softmax(1), "softmax1": softmax1, "softmax0": softmax0}

    example_inputs = torch.zeros(1, 3, 224, 224)
