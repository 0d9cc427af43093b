"""The Transformer (Vaswani et al., 2017), the base model: six layers of encoder and six of decoder, of width 512."""
import torch
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    """Adds sines and cosines of the position, of wavelengths from 2π to 20000π."""

    def forward(self, x: Tensor) -> Tensor:
        position = torch.arange(x.shape[1], device=x.device)
        angle = position[:, None] * 10000 ** (-torch.arange(0, x.shape[2], 2, device=x.device) / x.shape[2])
        return x + torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


class FeedForward(nn.Sequential):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__(nn.Linear(width, inner), nn.ReLU(), nn.Linear(inner, width))


class EncoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.feed_forward = FeedForward(width, inner)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x, x, need_weights=False)[0]))
        return self.norm2(x + self.dropout(self.feed_forward(x)))


class DecoderLayer(nn.Module):
    def __init__(self, width: int, heads: int, inner: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.self_attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)
        self.feed_forward = FeedForward(width, inner)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.self_attention(x, x, x, attn_mask=mask, need_weights=False)[0]))
        x = self.norm2(x + self.dropout(self.attention(x, memory, memory, need_weights=False)[0]))
        return self.norm3(x + self.dropout(self.feed_forward(x)))


class Transformer(nn.Module):
    def __init__(self, vocabulary: int = 37000, width: int = 512, heads: int = 8, inner: int = 2048,
                 layers: int = 6) -> None:
        super().__init__()
        self.width = width
        self.input_embedding = nn.Embedding(vocabulary, width)
        self.output_embedding = nn.Embedding(vocabulary, width)
        self.input_position, self.output_position = PositionalEncoding(), PositionalEncoding()
        self.dropout = nn.Dropout(0.1)
        self.encoder = nn.ModuleList(EncoderLayer(width, heads, inner) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderLayer(width, heads, inner) for _ in range(layers))
        self.linear = nn.Linear(width, vocabulary, bias=False)
        self.output_embedding.weight = self.input_embedding.weight
        self.linear.weight = self.input_embedding.weight

    def forward(self, inputs: Tensor, outputs: Tensor) -> Tensor:
        memory = self.dropout(self.input_position(self.input_embedding(inputs) * self.width**0.5))
        for layer in self.encoder:
            memory = layer(memory)
        x = self.dropout(self.output_position(self.output_embedding(outputs) * self.width**0.5))
        mask = nn.Transformer.generate_square_subsequent_mask(outputs.shape[1])
        for layer in self.decoder:
            x = layer(x, memory, mask)
        return self.linear(x).softmax(-1)


def example_inputs() -> tuple[Tensor, Tensor]:
    return torch.zeros(1, 64, dtype=torch.long), torch.zeros(1, 48, dtype=torch.long)
