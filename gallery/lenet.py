"""LeNet-5 (LeCun et al., 1998), with the layers as most courses teach it."""
import torch
from torch import Tensor, nn


class LeNet5(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 6, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2),
            nn.Conv2d(16, 120, 5), nn.Tanh())
        self.classifier = nn.Sequential(nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, classes))

    def forward(self, image: Tensor) -> Tensor:
        return self.classifier(self.features(image).flatten(1))


def example_inputs() -> Tensor:
    return torch.zeros(1, 1, 32, 32)
