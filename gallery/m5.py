"""M5 (Dai et al., 2017), a convolutional network on raw sound: ``m5.py``."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class M5(nn.Module):
    """One second at 8 kHz → one of 10 classes."""

    def __init__(self, classes: int = 10, width: int = 128) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(1, width, 80, stride=4, padding=38)
        self.bn1 = nn.BatchNorm1d(width)
        self.conv2 = nn.Conv1d(width, width, 3, padding=1)
        self.bn2 = nn.BatchNorm1d(width)
        self.conv3 = nn.Conv1d(width, 2 * width, 3, padding=1)
        self.bn3 = nn.BatchNorm1d(2 * width)
        self.conv4 = nn.Conv1d(2 * width, 4 * width, 3, padding=1)
        self.bn4 = nn.BatchNorm1d(4 * width)
        self.fc = nn.Linear(4 * width, classes)

    def forward(self, sound: Tensor) -> Tensor:
        x = F.max_pool1d(F.relu(self.bn1(self.conv1(sound))), 4)
        x = F.max_pool1d(F.relu(self.bn2(self.conv2(x))), 4)
        x = F.max_pool1d(F.relu(self.bn3(self.conv3(x))), 4)
        x = F.max_pool1d(F.relu(self.bn4(self.conv4(x))), 4)
        return F.log_softmax(self.fc(x.mean(dim=2)), dim=1)


example_inputs = torch.zeros(1, 1, 8000)
