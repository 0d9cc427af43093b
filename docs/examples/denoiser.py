"""A model with its own blocks, for the page about Sphinx."""
import torch
from torch import nn


class Gate(nn.Module):
    """Let through what a second convolution says."""

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.value = nn.Conv2d(channels, channels, 3, padding=1)
        self.gate = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.value(x) * torch.sigmoid(self.gate(x))


class Denoiser(nn.Module):
    """An image without its noise.

    Parameters
    ----------
    channels : int
        Width of the hidden layers.
    """

    example_inputs = torch.zeros(1, 3, 64, 64)

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.encode = nn.Conv2d(3, channels, 3, padding=1)
        self.gates = nn.Sequential(Gate(channels), Gate(channels), Gate(channels))
        self.decode = nn.Conv2d(channels, 3, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + self.decode(self.gates(torch.relu(self.encode(image))))
