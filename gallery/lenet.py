"""LeNet-5 (LeCun et al., 1998), as its figure 2 has it.

Each map of C3 sees all maps of S2, where the original left some out (its table I); the trained factors of the
subsampling and the radial basis functions of the output are left out, too.
"""
import torch
from torch import Tensor, nn


class LeNet5(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(1, 6, 5)
        self.s2 = nn.AvgPool2d(2)
        self.c3 = nn.Conv2d(6, 16, 5)
        self.s4 = nn.AvgPool2d(2)
        self.c5 = nn.Conv2d(16, 120, 5)
        self.f6 = nn.Linear(120, 84)
        self.output = nn.Linear(84, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.s2(self.c1(image).tanh())
        x = self.s4(self.c3(x).tanh())
        x = self.c5(x).tanh().flatten(1)
        return self.output(self.f6(x).tanh())


def example_inputs() -> Tensor:
    return torch.zeros(1, 1, 32, 32)
