"""A feature pyramid on ResNet-50 that predicts at every level (Lin et al., 2017; heads as in RetinaNet): ``fpn.py``."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Bottleneck(nn.Module):
    """1×1 down, 3×3, 1×1 up, and the way around them."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        out = 4 * channels
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
            nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        self.shortcut = None if channels_in == out and stride == 1 else nn.Sequential(
            nn.Conv2d(channels_in, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + (x if self.shortcut is None else self.shortcut(x)))


class Stage(nn.Sequential):
    def __init__(self, channels_in: int, channels: int, blocks: int, stride: int) -> None:
        super().__init__(*(Bottleneck(4 * channels if i else channels_in, channels, 1 if i else stride)
                           for i in range(blocks)))


class Predict(nn.Module):
    """Classes and boxes at every place of a level; one set of weights for all levels."""

    def __init__(self, channels: int, anchors: int, classes: int) -> None:
        super().__init__()
        self.hidden = nn.Conv2d(channels, channels, 3, padding=1)
        self.out = nn.Conv2d(channels, anchors * (classes + 4), 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(F.relu(self.hidden(x)))


class FeaturePyramid(nn.Module):
    def __init__(self, width: int = 256, anchors: int = 3, classes: int = 80) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                                  nn.MaxPool2d(3, 2, 1))
        self.c2, self.c3 = Stage(64, 64, 3, 1), Stage(256, 128, 4, 2)
        self.c4, self.c5 = Stage(512, 256, 6, 2), Stage(1024, 512, 3, 2)
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in (256, 512, 1024, 2048))
        self.smooth = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in range(4))
        self.predict = Predict(width, anchors, classes)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        c2 = self.c2(self.stem(image))
        c3 = self.c3(c2)
        c4 = self.c4(c3)
        c5 = self.c5(c4)
        p5 = self.lateral[3](c5)
        p4 = self.lateral[2](c4) + F.interpolate(p5, scale_factor=2)
        p3 = self.lateral[1](c3) + F.interpolate(p4, scale_factor=2)
        p2 = self.lateral[0](c2) + F.interpolate(p3, scale_factor=2)
        levels = [smooth(p) for smooth, p in zip(self.smooth, (p2, p3, p4, p5), strict=True)]
        return {f"p{i}": self.predict(p) for i, p in enumerate(levels, 2)}


example_inputs = torch.zeros(1, 3, 512, 512)
