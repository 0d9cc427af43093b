"""A network that was initialised badly: biases far below zero, so that half of the ReLUs never open."""
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn


def stage(before: int, after: int, gain: float, bias: float) -> nn.Sequential:
    conv = nn.Conv2d(before, after, 3, padding=1)
    nn.init.normal_(conv.weight, std=gain / (9 * before) ** 0.5)
    nn.init.constant_(conv.bias, bias)
    return nn.Sequential(conv, nn.ReLU(), nn.MaxPool2d(2))


class Dying(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stage1 = stage(1, 32, 1.0, -0.05)
        self.stage2 = stage(32, 64, 1.0, -0.9)
        self.stage3 = stage(64, 64, 1.0, -0.3)
        self.head = nn.Sequential(nn.Flatten(), nn.Linear(64, 10), nn.Softmax(dim=1))

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.stage3(self.stage2(self.stage1(image))))


def example_inputs() -> Tensor:
    return torch.tensor(load_digits().images[:256], dtype=torch.float32)[:, None] / 16
