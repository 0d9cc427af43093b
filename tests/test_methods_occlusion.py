"""Occlusion, regions and receptive fields: against loops over single windows, other libraries and closed formulas."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from archviz.methods import occlusion
from archviz.methods._subject import Subject
from archviz.methods._windows import inside, slid, spread


def cnn(**more):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(inplace=True), nn.MaxPool2d(2),
                         nn.Conv2d(6, 8, 3, padding=1, **more), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                         nn.Linear(8, 5))


def occluded(model, x, target="top1", budget=None, **options):
    with Subject(model, (x,), target=target, budget=budget) as subject:
        return occlusion.attribute(subject, **options)


def by_hand(model, x, read, window, stride, value):
    """The map by its definition: one window at a time, one pass each."""
    model.eval()
    maps = []
    with torch.no_grad():
        for sample in x.split(1):
            height, width = sample.shape[2:]
            total, count = np.zeros((height, width)), np.zeros((height, width))
            base = read(model(sample))
            for top in range(0, height + stride - window, stride):
                for left in range(0, width + stride - window, stride):
                    other = sample.clone()
                    other[:, :, top:top + window, left:left + window] = value(sample)
                    total[top:top + window, left:left + window] += float(base - read(model(other)))
                    count[top:top + window, left:left + window] += 1
            maps.append(total / np.maximum(count, 1))
    return np.stack(maps)


VALUES = {"gray": lambda x: x.mean(), "mean": lambda x: x.mean((2, 3), keepdim=True), 0.3: lambda x: 0.3}


@pytest.mark.parametrize("fill", VALUES)
@pytest.mark.parametrize(("window", "stride"), [(5, 5), (7, 3), (4, 4)])
def test_the_map_is_that_of_a_loop_over_windows(fill, window, stride):
    model, x = cnn(), torch.randn(2, 3, 16, 19)
    found = occluded(model, x, target=2, window=window, stride=stride, fill=fill)[0]
    due = by_hand(model, x, lambda y: y[0, 2], window, stride, VALUES[fill])
    assert np.abs(found.input_map - due).max() < 1e-5 * np.abs(found.output).max()
    assert found.checks[0].name == "exact" and found.checks[0].kept


def test_windows_end_at_the_border():
    boxes = slid((10,), (4,), (3,))
    assert boxes[:, 0].tolist() == [[0, 4], [3, 7], [6, 10]]
    assert slid((11,), (4,), (3,))[:, 0].tolist() == [[0, 4], [3, 7], [6, 10], [9, 11]]
    assert inside(slid((6, 5), (2, 2), (2, 2)), (6, 5)).any(0).all()
    drops = torch.arange(4.0)
    assert spread(drops, slid((11,), (4,), (3,)), (11,)).tolist() == [0, 0, 0, .5, 1, 1, 1.5, 2, 2, 2.5, 3]


# ---------------------------------------------------------------------------------------------- following windows

class Residual(nn.Module):
    """Branches, sums, concatenations, functional and in-place operations, a module that is used twice."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 5, stride=2, padding=2)
        self.norm = nn.BatchNorm2d(8)
        self.twice = nn.Conv2d(8, 8, 3, padding=1)
        self.wide = nn.Conv2d(8, 8, 3, padding=2, dilation=2, groups=4)
        self.down = nn.Conv2d(16, 8, 3, stride=2, padding=1)
        self.skip = nn.Conv2d(16, 8, 1, stride=2)
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        x = functional.relu(self.norm(self.stem(x * 2 - 0.1)), inplace=True)
        y = self.twice(functional.relu(self.twice(x)))
        y += x
        y = torch.cat([y.relu_(), torch.sigmoid(self.wide(x))], 1)
        y = functional.max_pool2d(y, 3, 2, 1, ceil_mode=True)
        y = self.down(y) + self.skip(y)
        y = functional.avg_pool2d(y, 2)
        return self.head(y.mean((2, 3)).view(1 if len(y) == 1 else len(y), -1))


def both_ways(model, x, target="top1", window=5, stride=3, **options):
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2)
    given = {"target": target, "window": window, "stride": stride, "fill": "random", **options}
    whole = occluded(model, x, incremental=False, **given)
    followed = occluded(model, x, **given)
    assert "reaches" in followed[0].notes[0], followed[0].notes
    assert "reaches" not in whole[0].notes[0]
    for one, due in zip(followed, whole, strict=True):
        scale = np.abs(due.output).max()
        assert np.abs(one.extra["drops"] - due.extra["drops"]).max() < 1e-5 * scale
        assert np.abs(one.input_map - due.input_map).max() < 1e-5 * scale
    return followed


@pytest.mark.parametrize("target", ["top3", "twice@1[2,3,4]", "down[1]", "norm[0,0,0]"])
def test_following_windows_changes_nothing(target):
    both_ways(Residual(), torch.randn(2, 3, 40, 37), target=target)
