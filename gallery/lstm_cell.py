"""Long short-term memory (Hochreiter and Schmidhuber, 1997), with the forget gate of Gers et al. (2000).

Input, forget and output gates are linear layers with a sigmoid, what is written to the cell is one with a tanh.
"""
import torch
from torch import Tensor, nn


class LSTM(nn.Module):
    def __init__(self, features: int = 128, hidden: int = 256) -> None:
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x)
        return states


def example_inputs() -> Tensor:
    return torch.zeros(1, 1, 128)
