"""C3D (Tran et al., 2015), convolutions over space and time, on clips of 16 frames: ``c3d.py``."""
from __future__ import annotations

import torch
from torch import Tensor, nn


def stage(channels_in: int, channels: int, layers: int, pool: nn.Module) -> nn.Sequential:
    modules: list[nn.Module] = []
    for i in range(layers):
        modules += [nn.Conv3d(channels if i else channels_in, channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*modules, pool)


class C3D(nn.Module):
    def __init__(self, classes: int = 487) -> None:
        super().__init__()
        self.conv1 = stage(3, 64, 1, nn.MaxPool3d((1, 2, 2)))
        self.conv2 = stage(64, 128, 1, nn.MaxPool3d(2))
        self.conv3 = stage(128, 256, 2, nn.MaxPool3d(2))
        self.conv4 = stage(256, 512, 2, nn.MaxPool3d(2))
        self.conv5 = stage(512, 512, 2, nn.MaxPool3d(2, padding=(0, 1, 1)))
        self.fc6 = nn.Linear(512 * 4 * 4, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)

    def forward(self, clip: Tensor) -> Tensor:
        x = self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(clip)))))
        x = self.fc7(self.fc6(x.flatten(1)).relu()).relu()
        return self.fc8(x).softmax(dim=1)


example_inputs = torch.zeros(1, 3, 16, 112, 112)
