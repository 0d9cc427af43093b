"""The vision transformer ViT-B/16 (Dosovitskiy et al., 2021): an image as 14 × 14 words of 16 × 16 pixels each."""
import torch
from torch import Tensor, nn


class MLP(nn.Sequential):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width))


class EncoderBlock(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = MLP(width, 4 * width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attention(y, y, y, need_weights=False)[0]
        return x + self.mlp(self.norm2(x))


class MLPHead(nn.Sequential):
    def __init__(self, width: int, classes: int) -> None:
        super().__init__(nn.LayerNorm(width, eps=1e-6), nn.Linear(width, classes))


class ViT(nn.Module):
    def __init__(self, size: int = 224, patch: int = 16, width: int = 768, heads: int = 12, layers: int = 12,
                 classes: int = 1000) -> None:
        super().__init__()
        self.projection = nn.Conv2d(3, width, patch, stride=patch)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.position_embedding = nn.Parameter(torch.zeros(1, 1 + (size // patch) ** 2, width))
        self.encoder = nn.Sequential(*(EncoderBlock(width, heads) for _ in range(layers)))
        self.head = MLPHead(width, classes)

    def forward(self, image: Tensor) -> Tensor:
        patches = self.projection(image).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(image), -1, -1), patches], 1) + self.position_embedding
        return self.head(self.encoder(x)[:, 0])


def example_inputs() -> Tensor:
    return torch.zeros(1, 3, 224, 224)
