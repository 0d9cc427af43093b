"""U-Net (Ronneberger et al., 2015), with padded convolutions: ``unet.py``; as printed: ``unet.py --arg padding=0``."""
from __future__ import annotations

import torch
from torch import Tensor, nn


def double_conv(channels_in: int, channels: int, padding: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, 3, padding=padding), nn.ReLU(),
        nn.Conv2d(channels, channels, 3, padding=padding), nn.ReLU())


def cropped(maps: Tensor, like: Tensor) -> Tensor:
    """The middle of `maps`, as high and wide as `like`."""
    (h, w), (high, wide) = maps.shape[2:], like.shape[2:]
    return maps[:, :, (h - high) // 2:(h + high) // 2, (w - wide) // 2:(w + wide) // 2]


class UNet(nn.Module):
    def __init__(
        self, channels: int = 1, classes: int = 2, width: int = 64, depth: int = 4, padding: int = 1,
    ) -> None:
        super().__init__()
        widths = [width * 2 ** i for i in range(depth + 1)]
        ins = [channels, *widths[:-2]]
        self.encoder = nn.ModuleList(double_conv(a, b, padding) for a, b in zip(ins, widths[:-1], strict=True))
        self.pool = nn.MaxPool2d(2)
        self.bottleneck = double_conv(widths[-2], widths[-1], padding)
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in widths[-2::-1])
        self.decoder = nn.ModuleList(double_conv(2 * w, w, padding) for w in widths[-2::-1])
        self.head = nn.Conv2d(width, classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        x, skips = image, []
        for stage in self.encoder:
            x = stage(x)
            skips.append(x)
            x = self.pool(x)
        x = self.bottleneck(x)
        for up, stage, skip in zip(self.up, self.decoder, reversed(skips), strict=True):
            x = up(x)
            x = stage(torch.cat([skip if skip.shape[2:] == x.shape[2:] else cropped(skip, x), x], dim=1))
        return self.head(x)


example_inputs = torch.zeros(1, 1, 512, 512)
