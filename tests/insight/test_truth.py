"""Maps of a trained network show what it looks at: they lie on the digit's ink, and change with what it has learnt.

The score of Kohlbrenner et al. (2020): the share of positive relevance that lies inside, which a map of random numbers
gets by the size of the inside alone; and Adebayo et al. (2018), "Sanity checks for saliency maps": weights are
randomised from the head on, and a map that shows what was learnt no longer looks the same.
"""
from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import nn

import archviz
from archviz.core.plugins import find, names
from archviz.insight.methods import options_of
from tests import peers, trained

Maps = NDArray[np.float32]
MATRICES = ("attention", "rollout", "hidden", "receptive_field")       # not of images, or not of what is in one
METHODS = tuple(name for name in names("methods") if name not in MATRICES)
FAST = {"ig": {"steps": 16}, "smoothgrad": {"samples": 16}, "vargrad": {"samples": 16},
        "occlusion": {"window": 6, "stride": 3}}


@cache
def maps(state: str, count: int) -> dict[str, Maps]:
    """The maps of every method for the digits' own classes; of the network as it was ``"trained"``, or with its
    ``"head"`` or ``"all"`` of its layers randomised."""
    torch.manual_seed(0)
    model, (images, labels) = trained.digits_cnn(), trained.digit_images(count)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    for layer in {"trained": [], "head": layers[-1:], "all": layers}[state]:
        layer.reset_parameters()
    options = {name: {key: value for key, value in given.items() if key in options_of(find("methods", name))}
               for name, given in FAST.items()}
    return {one.method: one.input_map for one in archviz.explain(
        model, images, method=METHODS, target=labels.tolist(), **options)}


@cache
def ink(count: int) -> NDArray[np.bool_]:
    return (trained.digit_images(count)[0][:, 0] > 0.3).numpy()


def mass(heat: Maps, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) share of the positive relevance that lies inside."""
    positive = np.clip(heat.astype(float), 0, None)
    return (positive * inside).sum((1, 2)) / positive.sum((1, 2)).clip(1e-12)


def rank(heat: Maps, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(N,) share of the inside among as many of the highest places."""
    return np.array([within.ravel()[np.argsort(-one.ravel(), kind="stable")[:within.sum()]].mean()
                     for one, within in zip(heat, inside, strict=True)])


# ---------------------------------------------------------------------------------------------- where heat lies

@pytest.mark.parametrize("method", METHODS)
def test_heat_lies_on_the_ink(method: str):
    """By both scores further above maps of random numbers than those are from one another.

    Regions are wider than strokes, and have one value each: no rank is claimed for the places in one.
    """
    heat, inside = maps("trained", 16)[method], ink(16)
    for score in (mass,) if method == "regions" else (mass, rank):
        chance = np.array([score(np.random.default_rng(seed).random(heat.shape), inside).mean() for seed in range(20)])
        assert score(heat, inside).mean() > chance.mean() + 5 * chance.std(), (method, score.__name__)


@pytest.mark.parametrize("method, least", [("ig", 0.8), ("gradient_input", 0.8), ("occlusion", 0.5), ("lrp", 0.5),
                                           ("gradcam", 0.5), ("guided", 0.6)])
def test_so_much_of_it_does(method: str, least: float):
    """The ink is two fifths of a picture."""
    assert 0.4 < ink(16).mean() < 0.45 and mass(maps("trained", 16)[method], ink(16)).mean() > least


def test_the_scores_are_those_of_quantus():
    assert peers
    from quantus import RelevanceMassAccuracy, RelevanceRankAccuracy
    model, (images, labels) = trained.digits_cnn(), trained.digit_images(16)
    heat, inside = np.abs(maps("trained", 16)["ig"]), ink(16)
    for score, theirs in ((mass, RelevanceMassAccuracy), (rank, RelevanceRankAccuracy)):
        due = theirs(abs=False, normalise=False, disable_warnings=True, display_progressbar=False)(
            model=model, x_batch=images.numpy(), y_batch=labels.numpy(), a_batch=heat[:, None],
            s_batch=inside[:, None].astype(int))
        np.testing.assert_allclose(score(heat, inside), due, atol=1e-6)


# ---------------------------------------------------------------------------------------------- what was learnt

def alike(first: Maps, second: Maps, absolute: bool = False) -> float:
    """The mean over pictures of Spearman's rank correlation; a map that is empty is like no other."""
    change = np.abs if absolute else np.asarray
    found = [0.0 if np.ptp(a) == 0 or np.ptp(b) == 0 else abs(float(spearmanr(change(a).ravel(), change(b).ravel())[0]))
             for a, b in zip(first, second, strict=True)]
    return float(np.mean(found))


@pytest.mark.parametrize("method", METHODS)
def test_random_weights_change_the_map(method: str):
    """All layers randomised."""
    assert alike(maps("trained", 8)[method], maps("all", 8)[method]) < 0.55


def test_what_is_known_not_to_change():
    """Adebayo et al., figures 2 and 4: without its sign, what multiplies by the input keeps the input's outline
    whatever was learnt; guided backpropagation hardly notices another head, which plain gradients do."""
    before, head, every = maps("trained", 8), maps("head", 8), maps("all", 8)
    for method in ("gradient_input", "ig"):
        assert alike(before[method], every[method], absolute=True) > 0.7
    assert alike(before["guided"], head["guided"]) > 0.55 > 0.4 > alike(before["saliency"], head["saliency"])
