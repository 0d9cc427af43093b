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
    """Smooths a level, then says classes and boxes at every place of it; `head` is the same at all levels."""

    def __init__(self, channels: int, head: nn.Module) -> None:
        super().__init__()
        self.smooth = nn.Conv2d(channels, channels, 3, padding=1)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.smooth(x))


class FeaturePyramid(nn.Module):
    """Up the backbone, down the pyramid: what is coarse is doubled, and what is as fine as that added to it."""

    def __init__(self, width: int = 256, anchors: int = 3, classes: int = 80) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
                                  nn.MaxPool2d(3, 2, 1))
        self.c2, self.c3 = Stage(64, 64, 3, 1), Stage(256, 128, 4, 2)
        self.c4, self.c5 = Stage(512, 256, 6, 2), Stage(1024, 512, 3, 2)
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, 1) for c in (256, 512, 1024, 2048))
        head = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
                             nn.Conv2d(width, anchors * (classes + 4), 1))
        self.predict = nn.ModuleList(Predict(width, head) for _ in range(4))

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        maps = [self.c2(self.stem(image))]
        for stage in (self.c3, self.c4, self.c5):
            maps.append(stage(maps[-1]))
        levels = [lateral(c) for lateral, c in zip(self.lateral, maps, strict=True)]
        for i in (2, 1, 0):
            levels[i] = levels[i] + F.interpolate(levels[i + 1], scale_factor=2)
        return {f"p{i + 2}": self.predict[i](levels[i]) for i in range(4)}


example_inputs = torch.zeros(1, 3, 512, 512)
