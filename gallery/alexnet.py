"""AlexNet (Krizhevsky, Sutskever and Hinton, 2012), whose convolutions were divided between two GPUs: ``alexnet.py``.

Of five convolutions three read only the half of the channels that lies on their own GPU; ``--arg groups=1`` is one
tower.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class AlexNet(nn.Module):
    def __init__(self, classes: int = 1000, groups: int = 2) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 96, 11, stride=4, padding=2)
        self.conv2 = nn.Conv2d(96, 256, 5, padding=2, groups=groups)
        self.conv3 = nn.Conv2d(256, 384, 3, padding=1)
        self.conv4 = nn.Conv2d(384, 384, 3, padding=1, groups=groups)
        self.conv5 = nn.Conv2d(384, 256, 3, padding=1, groups=groups)
        self.fc6 = nn.Linear(256 * 6 * 6, 4096)
        self.fc7 = nn.Linear(4096, 4096)
        self.fc8 = nn.Linear(4096, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = F.max_pool2d(F.local_response_norm(F.relu(self.conv1(image)), 5), 3, 2)
        x = F.max_pool2d(F.local_response_norm(F.relu(self.conv2(x)), 5), 3, 2)
        x = F.relu(self.conv4(F.relu(self.conv3(x))))
        x = F.max_pool2d(F.relu(self.conv5(x)), 3, 2)
        x = F.dropout(F.relu(self.fc6(x.flatten(1))), training=self.training)
        x = F.dropout(F.relu(self.fc7(x)), training=self.training)
        return F.softmax(self.fc8(x), dim=1)


example_inputs = torch.zeros(1, 3, 224, 224)
