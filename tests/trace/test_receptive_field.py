"""The receptive field: against the closed formula, published numbers, and the support of gradients."""
from __future__ import annotations

import pytest
import torch
from torch import nn

from archviz.core.errors import ArchvizError
from archviz.trace.receptive_field import crop, field_of
from archviz.trace.recorder import record


def traced(model, *shape):
    model.eval()
    tape, error = record(model, (torch.randn(*shape),))
    assert error is None
    return tape


def seen(model, shape, place):
    """The box of the input that the units at `place` of the output depend on, by their gradient."""
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)
    x = torch.rand(shape).requires_grad_()
    model.eval().double()(x.double())[(0, slice(None), *place)].sum().backward()
    found = x.grad[0].abs().sum(0).nonzero()
    return tuple(slice(int(low), int(high) + 1) for low, high in zip(found.amin(0), found.amax(0), strict=True))


class Branches(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Conv2d(2, 2, 5, padding=2)
        self.b = nn.Conv2d(2, 2, 1)
        self.c = nn.Conv2d(4, 2, 3, padding=1, stride=2)

    def forward(self, x):
        y = torch.cat([self.a(x), self.b(x) + x], 1)
        return torch.relu(self.c(y))


def conv(**more):
    return nn.Conv2d(2, 2, **more)


MODELS = {
    "conv": lambda: conv(kernel_size=(3, 5), stride=(2, 1), padding=(1, 2)),
    "dilated": lambda: nn.Sequential(conv(kernel_size=3, dilation=3, padding=3), nn.ReLU(),
                                     conv(kernel_size=2, stride=2)),
    "same": lambda: nn.Sequential(conv(kernel_size=4, padding="same"), conv(kernel_size=3, stride=3)),
    "pooled": lambda: nn.Sequential(conv(kernel_size=3), nn.AvgPool2d(3, 2, 1), conv(kernel_size=3, padding=1)),
    "ceil": lambda: nn.Sequential(nn.AvgPool2d(3, 2, ceil_mode=True), conv(kernel_size=3, padding=1)),
    "branches": Branches,
    "upconv": lambda: nn.Sequential(conv(kernel_size=3, stride=2), nn.ConvTranspose2d(2, 2, 4, 2, 1)),
    "nearest": lambda: nn.Sequential(conv(kernel_size=3, stride=4), nn.Upsample(scale_factor=3), conv(kernel_size=3)),
    "bilinear": lambda: nn.Sequential(conv(kernel_size=3, stride=2),
                                      nn.Upsample(scale_factor=2, mode="bilinear"), conv(kernel_size=3)),
    "adaptive": lambda: nn.Sequential(conv(kernel_size=3), nn.AdaptiveAvgPool2d((5, 7)), conv(kernel_size=1)),
    "permuted": lambda: nn.Sequential(conv(kernel_size=3), nn.BatchNorm2d(2), nn.Unflatten(1, (1, 2)), nn.Flatten(1, 2),
                                      conv(kernel_size=3)),
}
LOOSE = {"dilated", "nearest", "bilinear", "adaptive", "upconv"}    # holes, and units that see less than the widest do


@pytest.mark.parametrize("name", MODELS)
def test_the_field_is_the_support_of_the_gradient(name):
    model = MODELS[name]()
    tape = traced(model, 1, 2, 31, 29)
    node = tape.calls[-1].args[0]
    height, width = tape.calls[node.call].out[()].shape[2:]
    field = field_of(tape, tape.calls[node.call].node)
    for place in ((0, 0), (height // 2, width // 2), (height - 1, width - 1), (0, width - 1)):
        got, due = crop(field, place, (31, 29)), seen(model, (1, 2, 31, 29), place)
        if name in LOOSE:
            assert all(a.start <= b.start and b.stop <= a.stop for a, b in zip(got, due, strict=True))
            assert all(a.stop - a.start <= b.stop - b.start + 6 for a, b in zip(got, due, strict=True))
        else:
            assert got == due


def test_published_fields():
    """VGG-16 ends at 212, ResNet-18 at 435 (Araujo, Norris and Sim 2019, table 1): the sums of their kernels."""
    layers: list[nn.Module] = []
    for depth in (2, 2, 3, 3, 3):
        layers += [*[nn.Conv2d(1, 1, 3, padding=1) for _ in range(depth)], nn.MaxPool2d(2)]
    tape = traced(nn.Sequential(*layers), 1, 1, 64, 64)
    assert field_of(tape, str(len(layers) - 1)) == ((212, 32, -90), (212, 32, -90))
    assert field_of(tape, "0") == ((3, 1, -1), (3, 1, -1))


def test_what_mixes_all_places_sees_everything():
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 3))
    tape = traced(model, 1, 2, 8, 8)
    assert field_of(tape, "2") == ((8, 0, 0), (8, 0, 0))
    assert crop(field_of(tape, "2"), (), (8, 8)) == (slice(0, 8), slice(0, 8))
    wrapped = traced(nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), 1, 2, 8, 8)
    assert field_of(wrapped, wrapped.calls[-2].node) == ((8, 0, 0), (8, 0, 0))


def test_a_sequence_has_one_axis_and_a_stranger_is_named():
    tape = traced(nn.Sequential(nn.Conv1d(2, 2, 5, stride=2), nn.MaxPool1d(3)), 1, 2, 40)
    assert field_of(tape, "1") == ((9, 6, 0),)
    with pytest.raises(ArchvizError, match="nowhere"):
        field_of(tape, "nowhere")
    with pytest.raises(ArchvizError, match="no input"):
        field_of(tape, "1", "/in:y")
