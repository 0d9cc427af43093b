"""Occlusion, regions and receptive fields: against loops over single windows, other libraries and closed formulas."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

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
