"""A small convolutional network."""
import torch
from torch import Tensor, nn


class Net(nn.Module):
    """Two convolutions and a linear layer."""

    example_inputs = torch.zeros(1, 3, 32, 32)

    def __init__(self, classes: int = 10, name: str = "") -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3)
        self.conv2 = nn.Conv2d(16, 32, 3)
        self.head = nn.Linear(32, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv2(self.conv1(x).relu()).relu()
        return self.head(x.mean((2, 3)))


class Pair(nn.Module):
    """Two inputs, which are shown to the same layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 16)
        self.score = nn.Linear(32, 1)

    def forward(self, left: Tensor, right: Tensor) -> Tensor:
        return self.score(torch.cat([self.embed(left), self.embed(right)], 1))
