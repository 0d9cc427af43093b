"""BERT-base (Devlin et al., 2019): twelve blocks of encoder over the sum of three embeddings, and a pooler."""
import torch
from torch import Tensor, nn


class FeedForward(nn.Sequential):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))


class EncoderBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=0.1, batch_first=True)
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.feed_forward = FeedForward(width, 4 * width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x, x, need_weights=False)[0]))
        return self.norm2(x + self.dropout(self.feed_forward(x)))


class Pooler(nn.Module):
    """The first token, [CLS], stands for the whole text."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.dense(x[:, 0]).tanh()


class BERT(nn.Module):
    def __init__(self, vocabulary: int = 30522, longest: int = 512, width: int = 768, heads: int = 12,
                 layers: int = 12) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(vocabulary, width)
        self.segment_embedding = nn.Embedding(2, width)
        self.position_embedding = nn.Embedding(longest, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(0.1)
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.pooler = Pooler(width)

    def forward(self, tokens: Tensor, segments: Tensor) -> dict[str, Tensor]:
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.token_embedding(tokens) + self.segment_embedding(segments) + self.position_embedding(positions)
        x = self.dropout(self.norm(x))
        for block in self.encoder:
            x = block(x)
        return {"hidden": x, "pooled": self.pooler(x)}


def example_inputs() -> tuple[Tensor, Tensor]:
    return torch.zeros(1, 128, dtype=torch.long), torch.zeros(1, 128, dtype=torch.long)
