"""Translation by a recurrent encoder and decoder with attention (Bahdanau, Cho and Bengio, 2015).

The encoder reads the source in both directions.  For every word, the decoder weighs all that the encoder made of it by
how well it fits its own state, and reads the sum.
"""
import torch
from torch import Tensor, nn


class Attention(nn.Module):
    """Scores each position of the source with a small perceptron, and adds them up by their softmax."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.state = nn.Linear(hidden, hidden, bias=False)
        self.source = nn.Linear(2 * hidden, hidden, bias=False)
        self.score = nn.Linear(hidden, 1, bias=False)

    def forward(self, state: Tensor, source: Tensor) -> Tensor:
        scores = self.score(torch.tanh(self.state(state)[:, None] + self.source(source)))
        return (scores.softmax(dim=1) * source).sum(dim=1)


class Seq2Seq(nn.Module):
    def __init__(self, words: int = 30000, width: int = 620, hidden: int = 1000) -> None:
        super().__init__()
        self.source_embedding = nn.Embedding(words, width)
        self.target_embedding = nn.Embedding(words, width)
        self.encoder = nn.GRU(width, hidden, batch_first=True, bidirectional=True)
        self.attention = Attention(hidden)
        self.start = nn.Linear(hidden, hidden)
        self.decoder = nn.GRUCell(width + 2 * hidden, hidden)
        self.output = nn.Linear(hidden, words)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        annotations, _ = self.encoder(self.source_embedding(source))
        state = torch.tanh(self.start(annotations[:, 0, self.decoder.hidden_size:]))
        scores = []
        for word in self.target_embedding(target).unbind(1):
            context = self.attention(state, annotations)
            state = self.decoder(torch.cat((word, context), dim=1), state)
            scores.append(self.output(state))
        return torch.stack(scores, dim=1)


def example_inputs() -> tuple[Tensor, Tensor]:
    return torch.zeros(1, 30, dtype=torch.long), torch.zeros(1, 30, dtype=torch.long)
