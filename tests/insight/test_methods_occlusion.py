"""Occlusion, regions and receptive fields: against loops over single windows, other libraries and closed formulas."""
from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import tests.peers  # noqa: F401  # before what imports torchvision
from archviz.core.errors import ArchvizError
from archviz.insight.engine.subject import Subject
from archviz.insight.methods import occlusion, receptive_field, regions
from archviz.insight.methods._perturbation.increment import Unable
from archviz.insight.methods._perturbation.perturb import followed, perturbed, sources, under
from archviz.insight.methods._perturbation.windows import filling, inside, slid, spread


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


class Shuffled(nn.Module):
    """Channels last, parts of channels, another use of the input: places move among a tensor's axes."""

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1, stride=2)
        self.norm, self.mix, self.scale = nn.LayerNorm(8), nn.Linear(8, 8), nn.Parameter(torch.full((8, 1, 1), 0.3))
        self.place = nn.Parameter(torch.randn(1, 8, 24, 24))
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        y = self.a(x) + self.place
        z = self.mix(functional.gelu(self.norm(y.permute(0, 2, 3, 1)))).permute(0, 3, 1, 2)
        y = y + self.scale * z
        left, right = y.chunk(2, dim=1)
        y = torch.cat([self.b(left), self.b(right)], dim=1)
        y = functional.softmax(y, dim=1) * 4
        return self.head(functional.adaptive_avg_pool2d(y, 1).flatten(1))


class Squeezed(nn.Module):
    """A gate that looks at the whole map: what is behind it is not local any more."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.gate = nn.Conv2d(3, 6, 3), nn.Conv2d(6, 6, 3), nn.Linear(6, 6)
        self.head = nn.Linear(6, 4)

    def forward(self, x):
        y = torch.relu(self.a(x))
        y = torch.relu(self.b(y))
        n, c, _, _ = y.shape
        y = y * torch.sigmoid(self.gate(y.mean((2, 3)))).view(n, c, 1, 1)
        return self.head(y.amax((2, 3)))


@pytest.mark.parametrize("make", [Shuffled, Squeezed])
def test_following_windows_over_moved_axes_and_to_what_sees_all(make):
    both_ways(make(), torch.randn(1, 3, 24, 24))


@pytest.mark.parametrize("mode", ["reflect", "replicate", "circular"])
def test_a_mirrored_border_is_computed_whole(mode):
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=2, padding_mode=mode),
                          nn.ReLU(), nn.Conv2d(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    both_ways(model, torch.randn(1, 3, 15, 18))


def test_borders_that_are_added_are_followed():
    class Bordered(nn.Module):
        def __init__(self):
            super().__init__()
            self.pad, self.a, self.b = nn.ZeroPad2d((0, 1, 0, 2)), nn.Conv2d(3, 4, 3, stride=2), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            y = functional.pad(torch.relu(self.a(self.pad(x))), (2, 1, -1, 1), value=0.7)
            return self.b(y).amax((2, 3))

    both_ways(Bordered(), torch.randn(1, 3, 19, 22))


def test_an_op_that_is_told_its_size_gets_whole_maps():
    """A pooling to the size that a map has already, as VGG-16 does at 224 × 224, looks like no pooling at all."""
    both_ways(nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(4), nn.AdaptiveAvgPool2d(7), nn.Conv2d(4, 4, 2),
                            nn.Flatten(), nn.Linear(144, 3)), torch.randn(1, 3, 30, 30))


def test_a_signal_is_followed_too():
    model = nn.Sequential(nn.Conv1d(2, 4, 5, padding=2), nn.BatchNorm1d(4), nn.ReLU(), nn.MaxPool1d(2),
                          nn.Conv1d(4, 4, 3, padding="same"), nn.AdaptiveAvgPool1d(1), nn.Flatten())
    found = both_ways(model, torch.randn(2, 2, 50), window=7, stride=4)
    assert found[0].input_map.shape == (2, 50)


@st.composite
def chains(draw):
    """Random small networks of everything that slides or works place by place."""
    layers, channels = [], 3
    for _ in range(draw(st.integers(2, 5))):
        kind = draw(st.sampled_from(["conv", "conv", "conv", "max", "avg", "norm", "act"]))
        size, stride = draw(st.integers(1, 4)), draw(st.integers(1, 3))
        padding = draw(st.integers(0, size // 2))
        if kind == "conv":
            out, groups = draw(st.sampled_from([3, 6])), draw(st.sampled_from([1, 3]))
            layers.append(nn.Conv2d(channels, out, (size, draw(st.integers(1, 3))), stride, padding,
                                    draw(st.integers(1, 2)), groups, bias=draw(st.booleans())))
            channels = out
        elif kind == "max":
            layers.append(nn.MaxPool2d(size, stride, padding, ceil_mode=draw(st.booleans())))
        elif kind == "avg":
            layers.append(nn.AvgPool2d(size, stride, padding, draw(st.booleans()), draw(st.booleans())))
        else:
            layers.append(nn.BatchNorm2d(channels) if kind == "norm"
                          else draw(st.sampled_from([nn.ReLU(True), nn.Tanh(), nn.Identity()])))
    return nn.Sequential(*layers, nn.AdaptiveMaxPool2d(1), nn.Flatten()), draw(st.integers(0, 2**16))


@settings(max_examples=60, deadline=None)
@given(chains(), st.integers(14, 26), st.integers(1, 6), st.integers(2, 7))
def test_random_networks_are_followed_exactly(made, size, window, stride):
    model, seed = made
    torch.manual_seed(seed)
    x = torch.randn(1, 3, size, size + 3)
    model.eval()
    try:
        model(x)
    except RuntimeError:    # it leaves no place of so small an image
        assume(False)
    with Subject(model, (x,), target="top2") as subject:
        source = sources(subject)[0]
        boxes = slid(source.shape, (window, window), (stride, stride))
        fill = filling("random", source.maps, (window, window))
        due = perturbed(subject, subject.targets, source, len(boxes), under(boxes, source), fill)
        try:
            found, _ = followed(subject, subject.targets, source, boxes, fill)
        except Unable as error:
            assert "reach" in str(error)
            return
        assert float((found - due).abs().max()) <= 1e-5 * max(1.0, float(due.abs().max()))


def test_what_cannot_be_followed_goes_through_the_whole_model():
    class Written(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3)

        def forward(self, x):
            y = self.a(x)
            y[:, 0].mul_(2)
            return self.b(y).mean((2, 3))

    model, x = Written(), torch.randn(1, 3, 12, 12)
    found = occluded(model, x, window=4, stride=4, fill=0.3, target=1)[0]
    assert "whole model" in found.notes[0]
    assert np.abs(found.input_map - by_hand(model, x, lambda y: y[0, 1], 4, 4, lambda s: 0.3)).max() < 1e-5


# ---------------------------------------------------------------------------------------------- what must not matter

@pytest.mark.parametrize("fill", ["random", "blurred"])
def test_neither_batches_nor_company_change_a_map(fill):
    model, x = Residual(), torch.randn(3, 3, 24, 24)
    options = {"window": 6, "stride": 4, "fill": fill, "target": 0}
    whole = occluded(model, x, incremental=False, **options)[0]
    tight = occluded(model, x, incremental=False, budget=1, **options)[0]
    followed = occluded(model, x, budget=1, **options)[0]
    for other in (tight, followed):
        assert np.abs(whole.input_map - other.input_map).max() < 1e-6
    other = occluded(model, x, seed=1, **options)[0]
    assert (np.abs(whole.input_map - other.input_map).max() > 1e-4) == (fill == "random")


def test_model_and_random_numbers_are_left_as_they_were():
    model, x = Residual().train(), torch.randn(1, 3, 24, 24)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    occluded(model, x, window=6, fill="random")
    assert model.training and torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("incremental", [True, False])
def test_too_little_memory_halves_the_batch(monkeypatch, incremental):
    model, x = cnn(), torch.randn(1, 3, 16, 16)
    due = occluded(model, x, window=5, stride=2, target=1, incremental=False)[0]
    real, most = functional.conv2d, []

    def small(x, *args, **kwargs):
        if len(x) > 3:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        most.append(len(x))
        return real(x, *args, **kwargs)

    class Small(nn.Conv2d):
        def _conv_forward(self, x, weight, bias):
            return small(x, weight, bias, self.stride, self.padding)

    monkeypatch.setattr(functional, "conv2d", small)
    if not incremental:
        for module in model:
            module.__class__ = Small if isinstance(module, nn.Conv2d) else module.__class__
    found = occluded(model, x, window=5, stride=2, target=1, incremental=incremental)[0]
    assert ("reaches" in found.notes[0]) == incremental
    assert max(most) > 1 and np.abs(found.input_map - due.input_map).max() < 1e-6


def test_half_precision_is_followed():
    model, x = cnn().bfloat16(), torch.randn(1, 3, 24, 24).bfloat16()
    found = occluded(model, x, window=5, target=1)[0]
    assert "reaches" in found.notes[0] and found.checks[0].kept


# ---------------------------------------------------------------------------------------------- other inputs

class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words = nn.Embedding(20, 8, padding_idx=0)
        self.head = nn.Linear(8, 3)

    def forward(self, ids, scale=None):
        y = torch.tanh(self.words(ids)).sum(1)
        return self.head(y if scale is None else y * scale.sum(1, keepdim=True))


def test_tokens_are_hidden_at_their_embedding():
    model = Reader().eval()
    ids = torch.randint(1, 20, (2, 6))
    with Subject(model, (ids,), target=1) as subject:
        found = occlusion.attribute(subject, token=7)[0]
        padded = occlusion.attribute(subject)[0]
        pairs = occlusion.attribute(subject, window=2, stride=1)[0]
    name, = found.inputs
    for at in range(6):
        other = ids.clone()
        other[:, at] = 7
        assert np.allclose(found.inputs[name][:, at], (model(ids) - model(other))[:, 1].detach(), atol=1e-5)
        other[:, at] = 0
        assert np.allclose(padded.inputs[name][:, at], (model(ids) - model(other))[:, 1].detach(), atol=1e-5)
    assert pairs.extra["drops"].shape == (2, 5) and (found.shown[name] == ids.numpy()).all()
    with Subject(model, (ids,)) as subject, pytest.raises(ArchvizError, match="token 99"):
        occlusion.attribute(subject, token=99)


def test_each_of_several_inputs_has_its_map():
    model = Reader().eval()
    ids, scale = torch.randint(1, 20, (2, 6)), torch.rand(2, 4)
    with Subject(model, (ids, scale), target=0) as subject:
        found = occlusion.attribute(subject, fill=0.0)[0]
    assert {name: one.shape for name, one in found.inputs.items()} == {"/in:scale": (2, 4), "words": (2, 6)}
    other = scale.clone()
    other[:, 2] = 0
    due = (model(ids, scale) - model(ids, other))[:, 0].detach()
    assert np.allclose(found.inputs["/in:scale"][:, 2], due, atol=1e-5)


@pytest.mark.parametrize("wrong", [{"fill": "pink"}, {"window": (3, 3, 3)}, {"stride": 0}])
def test_wrong_options_are_named(wrong):
    with pytest.raises(ArchvizError, match=next(iter(wrong))):
        occluded(cnn(), torch.randn(1, 3, 16, 16), **wrong)


# ---------------------------------------------------------------------------------------------- other libraries

def test_agrees_with_captum():
    from captum import attr

    model, x = cnn().eval(), torch.randn(1, 3, 16, 19)
    found = occluded(model, x, target=3, window=(5, 4), stride=(3, 2), fill=0.0)[0]
    due = attr.Occlusion(model).attribute(x, (3, 5, 4), (3, 3, 2), baselines=0, target=3)
    assert np.abs(found.input_map - due[0, 0].detach().numpy()).max() < 1e-5
    tiles = slid((16, 19), (4, 5), (4, 5))
    mask = (inside(tiles, (16, 19)) * torch.arange(len(tiles)).view(-1, 1, 1)).sum(0)
    ablated = attr.FeatureAblation(model).attribute(x, baselines=0, target=3, feature_mask=mask[None, None])
    found = occluded(model, x, target=3, window=(4, 5), stride=(4, 5), fill=0.0)[0]
    assert np.abs(found.input_map - ablated[0, 0].detach().numpy()).max() < 1e-5


def test_a_window_at_the_border_does_not_wrap_round_as_zennits_does():
    """A model that reads the first column alone: only windows over that column may matter."""
    from zennit import attribution

    model = nn.Sequential(nn.Flatten(), nn.Linear(11 * 11, 1, bias=False))
    nn.init.zeros_(model[1].weight)
    with torch.no_grad():
        model[1].weight.view(11, 11)[:, 0] = 1
    x = torch.ones(1, 1, 11, 11)
    found = occluded(model, x, target=0, window=4, stride=3, fill=0.0)[0]
    assert (found.input_map[0, :, 4:] == 0).all() and (found.input_map[0, :, :3] > 0).all()
    masks = []

    def occlude(given, mask):
        masks.append(mask[0, 0, 0].nonzero().flatten().tolist())
        return given * ~mask

    with attribution.Occlusion(model, occlusion_fn=occlude, window=(4, 4), stride=(3, 3)) as other:
        other(x, torch.ones(1, 1))
    assert [0, 1, 9, 10] in masks     # the fault: both ends of a row under one window
    ours = inside(slid((11,), (4,), (3,)), (11,))
    assert all(row.nonzero().flatten().diff().eq(1).all() for row in ours)


# ---------------------------------------------------------------------------------------------- receptive fields

def field_of_unit(model, x, target, **options):
    with Subject(model, (x,), target=target) as subject:
        return receptive_field.attribute(subject, **options)[0]


def test_a_unit_sees_its_theoretical_field_and_nothing_else():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1))
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.1, 1)
    x = torch.rand(1, 3, 20, 20)
    found = field_of_unit(model, x, "3[1,5,6]", window=1, stride=1)
    assert found.extra["boxes"].tolist() == [[[7, 15], [9, 17]]]       # 8 = 3 + (2 − 1) + (3 − 1)·2
    there = np.zeros((20, 20), bool)
    there[7:15, 9:17] = True
    assert found.input_map[0][~there].max() < 1e-5 * found.input_map.max()
    assert (found.extra["gradient"][0][~there] == 0).all()
    assert (found.extra["gradient"][0][there] > 0).sum() > 12 and found.extra["sizes"][0, 0] == 8
    assert all(check.kept for check in found.checks) and not found.signed


def test_a_channel_is_seen_at_its_most_active_place():
    model, x = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.randn(3, 3, 12, 12)
    found = field_of_unit(model, x, "1[2]")
    values = model(x)[:, 2].detach()
    assert np.allclose(found.output, values.flatten(1).amax(1), atol=1e-6)
    at = [values[n][tuple(place)].item() for n, place in enumerate(found.extra["place"])]
    assert at == values.flatten(1).amax(1).tolist()
    with pytest.raises(ArchvizError, match="no receptive field"):
        field_of_unit(cnn(), x, "top1")


# ---------------------------------------------------------------------------------------------- regions

def proposed(model, x, target=0, **options):
    with Subject(model, (x,), target=target) as subject:
        return regions.attribute(subject, **options)[0]


def test_regions_of_the_user_by_hand():
    model, x = cnn().eval(), torch.randn(2, 3, 12, 14)
    boxes = torch.tensor([[[0, 5], [2, 9]], [[3, 12], [6, 14]]])
    found = proposed(model, x, proposals=boxes, fill=0.0, top=1)
    total = np.zeros((2, 12, 14))
    for number, ((top, bottom), (left, right)) in enumerate(boxes.tolist()):
        alone, without = torch.zeros_like(x), x.clone()
        alone[:, :, top:bottom, left:right] = x[:, :, top:bottom, left:right]
        without[:, :, top:bottom, left:right] = 0
        kept, removed, whole = (model(one)[:, 0].detach().numpy() for one in (alone, without, x))
        assert np.allclose(found.extra["kept"][:, number], kept, atol=1e-6)
        assert np.allclose(found.extra["removed"][:, number], removed, atol=1e-6)
        area = (bottom - top) * (right - left)
        total[:, top:bottom, left:right] += ((whole - removed) / area)[:, None, None]
    assert np.abs(found.input_map - total).max() < 1e-6
    assert (found.extra["boxes"] == boxes.numpy()).all()
    masks = inside(boxes, (12, 14))
    assert (proposed(model, x, proposals=masks, fill=0.0).input_map == found.input_map).all()


def test_warped_regions_are_crops_resized():
    model, x = cnn().eval(), torch.randn(1, 3, 12, 12)
    found = proposed(model, x, proposals=torch.tensor([[[0, 6], [3, 9]], [[0, 12], [0, 12]]]), warp=True)
    crop = functional.interpolate(x[:, :, 0:6, 3:9], size=(12, 12), mode="bilinear", align_corners=False)
    inner = (slice(None), slice(None), slice(1, -1), slice(1, -1))
    seen = []
    with Subject(model, (x,), target=0) as subject:
        hook = model[0].register_forward_pre_hook(lambda module, args: seen.append(args[0]))
        regions.attribute(subject, proposals=torch.tensor([[[0, 6], [3, 9]]]), warp=True)
        hook.remove()
    assert any(torch.allclose(one[:1][inner], crop[inner], atol=1e-5) for one in seen)
    assert np.allclose(found.extra["kept"][0, 1], found.output, atol=1e-5)


def test_superpixels_follow_colours_and_cover_every_pixel():
    x = torch.zeros(1, 3, 24, 24)
    x[:, 0, 5:14, 6:17] = 1
    found = proposed(cnn(), x, segments=(4, 16))
    masks = regions._superpixels(x, (16,))
    assert (masks.sum(1) == 1).all()
    inside_square = x[:, :1].bool() & masks
    mixed = (inside_square.flatten(2).any(2) & (masks & ~x[:, :1].bool()).flatten(2).any(2)).float().mean()
    assert mixed < 0.1
    assert found.checks[0].name == "kept" and found.extra["top"].shape == (1, 5)


@pytest.mark.parametrize("wrong", [torch.zeros(2, 5, 5, dtype=torch.bool), torch.zeros(1, 12, 12, dtype=torch.bool)])
def test_wrong_proposals_are_named(wrong):
    with pytest.raises(ArchvizError, match="proposals"):
        proposed(cnn(), torch.randn(1, 3, 12, 12), proposals=wrong)


@pytest.mark.gpu
def test_a_gpu_gives_what_a_cpu_gives():
    model, x = Residual(), torch.randn(2, 3, 40, 37)
    options = {"window": 5, "stride": 3, "fill": "random", "target": 1}
    here, there = occluded(model, x, **options)[0], occluded(model.cuda(), x.cuda(), **options)[0]
    assert "reaches" in there.notes[0] and there.checks[0].kept
    assert np.abs(here.input_map - there.input_map).max() < 1e-3 * np.abs(here.output).max()
    region = proposed(model, x.cuda())
    assert np.abs(proposed(model.cpu(), x).input_map - region.input_map).max() < 1e-3 * np.abs(region.output).max()
    assert all(check.kept for check in field_of_unit(model.cuda(), x.cuda(), "down[1,2,2]").checks)


@pytest.mark.parametrize("incremental", [True, False])
def test_several_targets_cost_what_one_does(monkeypatch, incremental):
    model, x, real, rows = Residual(), torch.randn(1, 3, 40, 37), functional.conv2d, []

    def counted(x, *args, **kwargs):
        rows.append(len(x))
        return real(x, *args, **kwargs)

    monkeypatch.setattr(functional, "conv2d", counted)
    options = {"window": 5, "stride": 3, "incremental": incremental}
    one, alone = occluded(model, x, target="top1", **options), sum(rows)
    rows.clear()
    three, together = occluded(model, x, target="top3", **options), sum(rows)
    assert len(three) == 3 and abs(together - alone) <= 20      # the check may look at other windows
    assert np.abs(one[0].input_map - three[0].input_map).max() < 1e-6
