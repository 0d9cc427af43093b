"""A U-Net that takes the noise out of an image (Ho et al., 2020), told what to draw by a text (Rombach et al., 2022).

Every residual block gets the time, embedded by sines and a small perceptron; after it, every pixel of the latent image
attends to the words.  Widths are those of the first Stable Diffusion, which has two such pairs at each level.
"""
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ResidualBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int, time: int = 1280) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.GroupNorm(32, inputs), nn.GroupNorm(32, outputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.time = nn.Linear(time, outputs)
        self.shortcut = nn.Conv2d(inputs, outputs, 1) if inputs != outputs else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        y = self.conv1(F.silu(self.norm1(x))) + self.time(time)[:, :, None, None]
        return self.shortcut(x) + self.conv2(F.silu(self.norm2(y)))


class CrossAttention(nn.Module):
    def __init__(self, channels: int, text: int = 768, heads: int = 8) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, channels)
        self.attention = nn.MultiheadAttention(channels, heads, kdim=text, vdim=text, batch_first=True)

    def forward(self, x: Tensor, text: Tensor) -> Tensor:
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        attended, _ = self.attention(pixels, text, text, need_weights=False)
        return x + attended.transpose(1, 2).view_as(x)


class Level(nn.Module):
    """A residual block, and what makes it look at the text."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = ResidualBlock(inputs, outputs)
        self.attend = CrossAttention(outputs)

    def forward(self, x: Tensor, time: Tensor, text: Tensor) -> Tensor:
        return self.attend(self.residual(x, time), text)


class UNet(nn.Module):
    def __init__(self, channels: int = 4, widths: tuple[int, ...] = (320, 640, 1280)) -> None:
        super().__init__()
        self.time_embedding = nn.Sequential(nn.Linear(320, 1280), nn.SiLU(), nn.Linear(1280, 1280), nn.SiLU())
        self.first = nn.Conv2d(channels, widths[0], 3, padding=1)
        steps = list(zip((widths[0], *widths), widths, strict=False))
        self.encoder = nn.ModuleList(Level(a, b) for a, b in steps)
        self.down = nn.ModuleList(nn.Conv2d(w, w, 3, stride=2, padding=1) for w in widths)
        self.bottleneck = Level(widths[-1], widths[-1])
        self.up = nn.ModuleList(nn.ConvTranspose2d(w, w, 2, stride=2) for w in reversed(widths))
        self.decoder = nn.ModuleList(Level(2 * b, a) for a, b in reversed(steps))
        self.to_noise = nn.Sequential(
            nn.GroupNorm(32, widths[0]), nn.SiLU(), nn.Conv2d(widths[0], channels, 3, padding=1))

    def forward(self, noisy: Tensor, time: Tensor, text: Tensor) -> Tensor:
        rates = torch.exp(-math.log(10000) * torch.arange(160) / 160)
        angles = time[:, None] * rates
        embedded = self.time_embedding(torch.cat((angles.cos(), angles.sin()), dim=1))
        x, copies = self.first(noisy), []
        for level, down in zip(self.encoder, self.down, strict=True):
            x = level(x, embedded, text)
            copies.append(x)
            x = down(x)
        x = self.bottleneck(x, embedded, text)
        for up, level in zip(self.up, self.decoder, strict=True):
            x = level(torch.cat((up(x), copies.pop()), dim=1), embedded, text)
        return self.to_noise(x)


def example_inputs() -> tuple[Tensor, Tensor, Tensor]:
    return torch.zeros(1, 4, 64, 64), torch.tensor([500.0]), torch.zeros(1, 77, 768)
