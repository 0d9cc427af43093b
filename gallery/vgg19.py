"""VGG-19 (Simonyan and Zisserman, 2015), configuration E: ``vgg19.py``."""
from __future__ import annotations

import torch
from torch import Tensor, nn


def stage(channels_in: int, channels: int, layers: int) -> nn.Sequential:
    """3×3 convolutions of one width, then half the resolution."""
    modules: list[nn.Module] = []
    for i in range(layers):
        modules += [nn.Conv2d(channels if i else channels_in, channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*modules, nn.MaxPool2d(2))


class VGG19(nn.Module):
    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.conv1 = stage(3, 64, 2)
        self.conv2 = stage(64, 128, 2)
        self.conv3 = stage(128, 256, 4)
        self.conv4 = stage(256, 512, 4)
        self.conv5 = stage(512, 512, 4)
        self.fc6 = nn.Linear(512 * 7 * 7, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)
        self.dropout = nn.Dropout()

    def forward(self, image: Tensor) -> Tensor:
        x = self.conv5(self.conv4(self.conv3(self.conv2(self.conv1(image)))))
        x = self.dropout(self.fc6(x.flatten(1)).relu())
        x = self.dropout(self.fc7(x).relu())
        return self.fc8(x)


example_inputs = torch.zeros(1, 3, 224, 224)
