"""A character-level language model: an embedding, a two-layer LSTM, and a score for every next character."""
import torch
from torch import Tensor, nn


class CharLSTM(nn.Module):
    def __init__(self, characters: int = 96, width: int = 128, hidden: int = 256, layers: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, width)
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, characters)

    def forward(self, text: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(text))
        return self.head(states)


def example_inputs() -> Tensor:
    return torch.zeros(1, 64, dtype=torch.long)
