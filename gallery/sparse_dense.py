"""One layer, twice: a convolution, whose few weights are shared by all positions, and a dense layer, which has a weight
for each pair (Goodfellow, Bengio and Courville, 2016, chapter 9): ``sparse_dense.py:Convolution``, ``:Dense``.
"""
from __future__ import annotations

import torch
from torch import Tensor, nn


class Convolution(nn.Module):
    """Each output sees three neighbours, through the same three weights."""

    example_inputs = torch.zeros(1, 1, 6)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv1d(1, 1, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)


class Dense(nn.Module):
    """Each output sees every input, each through a weight of its own."""

    example_inputs = torch.zeros(1, 6)

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 6, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x)
