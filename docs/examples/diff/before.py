"""A small network for images, before it was revised."""
import torch
from torch import Tensor, nn


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.act(self.norm(self.conv(x)))


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 32, 7, stride=2, padding=3)
        self.pool = nn.MaxPool2d(2)
        self.body = nn.Sequential(*[Block(32) for _ in range(3)])
        self.mix = nn.Conv2d(32, 32, 1)
        self.dropout = nn.Dropout(0.1)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.mix(self.body(self.pool(self.stem(x))))
        return self.head(self.dropout(x.mean((2, 3))))


example_inputs = torch.zeros(1, 3, 64, 64)
