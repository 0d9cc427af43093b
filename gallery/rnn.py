"""A recurrent network of one layer (Elman, 1990): the state of each step is made of the input and of the state before.

As in Goodfellow, Bengio and Courville, "Deep Learning" (2016), figure 10.2, and in LeCun, Bengio and Hinton (2015),
figure 5.
"""
import torch
from torch import Tensor, nn


class RNN(nn.Module):
    def __init__(self, features: int = 64, hidden: int = 128) -> None:
        super().__init__()
        self.rnn = nn.RNN(features, hidden, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.rnn(x)
        return states


def example_inputs() -> Tensor:
    return torch.zeros(1, 20, 64)
