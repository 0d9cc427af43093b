"""How layers with weights share relevance: ε, γ, αβ, z⁺, w², flat, zᴮ; batch norms, merged into them where they follow.

In: a `Step`.  Out: what it gives to what the layer read, and what biases and stabilisers absorb.  A new rule is a
frozen dataclass with one method.

Sources: Bach et al. 2015 (ε, αβ), Montavon et al. 2017 (z⁺, w², zᴮ), Montavon et al. 2019 (γ), Lapuschkin et al. 2019
(flat), Andéol et al. 2021 (γ for inputs and outputs of either sign), Guillemot et al. 2020 (batch norm merged).
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from archviz.insight.methods._lrp.linear_maps import LinearMap, Terms, layer_of
from archviz.insight.methods._lrp.step import Share, Step, rule_for, times

_BEFORE_NORM = ("Conv1d", "Conv2d", "Conv3d", "conv1d", "conv2d", "conv3d")


class Rule(Protocol):
    """How one layer shares."""

    def share(self, layer: LinearMap) -> Share: ...


def divided(layer: LinearMap, relevance: Tensor, terms: Terms, bias: Tensor | None, epsilon: float,
            factor: float = 1.0, bare: bool = False) -> Sequence[Tensor]:
    """Share `relevance`, `factor` times, in proportion to what `terms` add to their sum with `bias`: R/x of each.

    The bias takes its part of the relevance, and the stabiliser ε, which is added to the sum with its sign.
    """
    z = layer.sum(terms, bare)
    if bias is not None:
        z += bias
    s = _quotient(layer, relevance, z, bias, epsilon, factor)
    return layer.backs(s if factor == 1 else s * factor, [weight for _, weight in terms], bare)


def _quotient(layer: LinearMap, relevance: Tensor, z: Tensor, bias: Tensor | None, epsilon: float,
              factor: float = 1.0) -> Tensor:
    """R ÷ (z + ε sign z), the parts of ε and the bias absorbed."""
    stabiliser = torch.copysign(torch.tensor(epsilon, dtype=z.dtype, device=z.device), z)
    s = relevance / (z + stabiliser)
    layer.step.absorb(stabiliser * s, factor)
    if bias is not None:
        places = tuple(range(2, s.dim())) if bias.dim() == s.dim() - 1 > 1 else ()
        layer.step.absorb((s.sum(places, keepdim=True) if places else s) * bias, factor)
    return s


def _half(layer: LinearMap, positive: bool, bias: Tensor | None, epsilon: float, factor: float) -> Tensor:
    """R/x where the positive (else the negative) part of what adds up to z shares R, `factor` times."""
    plus, minus = layer.sides
    one = layer.up if positive else layer.down
    if minus is None:
        return divided(layer, layer.relevance, [(plus, one)], bias, epsilon, factor)[0]
    terms = [(plus, one), (minus, layer.down if positive else layer.up)]
    above, below = divided(layer, layer.relevance, terms, bias, epsilon, factor)
    return torch.where(layer.x < 0, below, above)


def _sided(layer: LinearMap, s: Tensor, up: Tensor, down: Tensor) -> Tensor:
    """Wᵀ s with the weights `up` where x ≥ 0, `down` where it is below."""
    if layer.sides[1] is None:
        return layer.back(s, up)
    above, below = layer.backs(s, (up, down))
    return torch.where(layer.x < 0, below, above)


@dataclass(frozen=True)
class Epsilon:
    """R_i = Σ_j x_i w_ij / (z_j + ε sign z_j) R_j (Bach et al. 2015, eq. 58); with ε = 0 LRP-0."""

    epsilon: float = 1e-6

    def share(self, layer: LinearMap) -> Share:
        return Share(layer.back(_quotient(layer, layer.relevance, layer.z, layer.bias, self.epsilon)))


@dataclass(frozen=True)
class Gamma:
    """R_i = Σ_j x_i (w_ij + γ w_ij⁺) / Σ… R_j (Montavon et al. 2019, table 10.1); where z_j < 0 the other signs
    (Andéol et al. 2021, appendix)."""

    gamma: float = 0.25
    epsilon: float = 1e-6

    def share(self, layer: LinearMap) -> Share:
        w, b, z, gamma = layer.weight, layer.bias, layer.z, self.gamma
        plus, minus = layer.sides
        more = layer.sum([(plus, layer.up)] if minus is None else [(plus, layer.up), (minus, layer.down)])
        if b is not None:
            more += b.clamp(min=0)
        below = z < 0
        mixed = bool((layer.relevance * below).count_nonzero())      # never before a ReLU
        if mixed:
            more = torch.where(below, z - more, more)
        favoured = None
        if b is not None:
            favoured = b + gamma * (torch.where(below, b.clamp(max=0), b.clamp(min=0)) if mixed else b.clamp(min=0))
        s = _quotient(layer, layer.relevance, more.mul_(gamma).add_(z), favoured, self.epsilon)
        # w + γ w⁻, and w + γ w⁺ divided by 1 + γ, in one pass over the weights each.
        up = F.leaky_relu(w, 1 / (1 + gamma)).mul_(1 + gamma)
        down = F.leaky_relu(w, 1 + gamma) if mixed or minus is not None else up
        g = _sided(layer, s * ~below if mixed else s, up, down)
        return Share(g + _sided(layer, s * below, down, up) if mixed else g)


@dataclass(frozen=True)
class AlphaBeta:
    """R_i = Σ_j (α (x_i w_ij)⁺ / Σ(…)⁺ − β (x_i w_ij)⁻ / Σ(…)⁻) R_j, α − β = 1 (Bach et al. 2015, eq. 60)."""

    alpha: float = 2.0
    beta: float = 1.0
    epsilon: float = 1e-6

    def share(self, layer: LinearMap) -> Share:
        b = layer.bias
        g = _half(layer, True, None if b is None else b.clamp(min=0), self.epsilon, self.alpha)
        if self.beta:
            less = None if b is None else b.clamp(max=0)
            g = g + _half(layer, False, less, self.epsilon, -self.beta)
        return Share(g)


def z_plus(epsilon: float = 1e-6) -> AlphaBeta:
    """R_i = Σ_j (x_i w_ij)⁺ / Σ(…)⁺ R_j (Montavon et al. 2017, eq. 17)."""
    return AlphaBeta(1.0, 0.0, epsilon)


@dataclass(frozen=True)
class WSquare:
    """R_i = Σ_j w_ij² / Σ w² R_j (Montavon et al. 2017, eq. 12): for inputs of any real value."""

    epsilon: float = 1e-6

    def share(self, layer: LinearMap) -> Share:
        terms = [(torch.ones_like(layer.x[:1]), layer.weight.square())]
        return Share(r=divided(layer, layer.relevance, terms, None, self.epsilon)[0])


@dataclass(frozen=True)
class Flat:
    """R_i = Σ_j 1 / Σ 1 R_j (Lapuschkin et al. 2019): every input that a unit reads has the same part."""

    epsilon: float = 1e-6

    def share(self, layer: LinearMap) -> Share:
        terms = [(torch.ones_like(layer.x[:1]), torch.ones_like(layer.used))]     # the same for every sample
        return Share(r=divided(layer, layer.relevance, terms, None, self.epsilon, bare=True)[0])


@dataclass(frozen=True)
class ZBox:
    """R_i = Σ_j (x_i w_ij − l_i w_ij⁺ − h_i w_ij⁻) / Σ… R_j, l ≤ x ≤ h (Montavon et al. 2017, eq. 14).

    low, high : the bounds, a number or one for each channel; None: the least and largest of each channel.
    """

    low: float | Sequence[float] | None = None
    high: float | Sequence[float] | None = None
    epsilon: float = 1e-6

    def share(self, layer: LinearMap) -> Share:
        x = layer.x
        low, high = (_bound(x, one, least) for one, least in ((self.low, True), (self.high, False)))
        terms = [(x, layer.weight), (-low, layer.up), (-high, layer.down)]
        back = divided(layer, layer.relevance, terms, None, self.epsilon)
        return Share(r=sum((part * slope for (part, _), slope in zip(terms, back, strict=True)), torch.zeros_like(x)))


def _bound(x: Tensor, bound: float | Sequence[float] | None, least: bool) -> Tensor:
    if bound is None:
        # Of each sample by itself, so that how the batch is cut never shows.
        dims = tuple(range(2, x.dim())) or (1,)
        limit = x.amin(dims, keepdim=True) if least else x.amax(dims, keepdim=True)
    else:
        limit = torch.as_tensor(bound, dtype=x.dtype, device=x.device)
        limit = limit.reshape(-1, *[1] * (x.dim() - 2)) if limit.dim() == 1 else limit
    return limit.expand_as(x)


@rule_for("conv1d conv2d conv3d conv_transpose1d conv_transpose2d conv_transpose3d linear addmm Conv1d Conv2d Conv3d "
          "ConvTranspose1d ConvTranspose2d ConvTranspose3d Linear NonDynamicallyQuantizableLinear")
def layer(step: Step) -> None:
    """Share by the rule that the composite has for this layer."""
    linear = layer_of(step)
    if linear is None:
        if step.call.module is not None:
            return step.inside(step.call.module.forward)
        step.refuse("has weights that depend on the input, or takes one sample without a batch")
    half = step.snapshot.values[linear.ref].dtype in (torch.float16, torch.bfloat16)
    merged = step.sweep.merged.pop(step.number, None)
    if merged is not None:
        linear.scale, shift, linear.z = merged
        linear.bias = shift if linear.bias is None else linear.bias * linear.scale + shift
    if half:
        z = linear.sum([(linear.x, linear.weight)])
        linear.z = z if linear.bias is None else z + linear.bias
        for path in step.got:
            step.rounded(path, linear.z)
    call = step.outermost
    share = step.policy.rule(call.node, call.scope, step.call.kind, step.first).share(linear)
    step.give(linear.ref, share.g, share.r)


@rule_for("batch_norm BatchNorm1d BatchNorm2d BatchNorm3d SyncBatchNorm")
def batch_norm(step: Step) -> None:
    """In evaluation an affine map of each channel; merged, with its own ε, into a layer that nobody else reads."""
    ref, call = step.signal, step.call
    mean, var, weight, bias, training, _, eps = step.arguments(
        running_mean=None, running_var=None, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5)
    if mean is None or training and call.module is None:
        step.refuse("normalises by the statistics of the batch, which mixes samples")
    along = (-1, *[1] * (step.out.dim() - 2))
    mean, var = mean.reshape(along), var.reshape(along)
    weight, bias = (None if one is None else one.reshape(along) for one in (weight, bias))
    scale = (var + eps).rsqrt() if weight is None else weight * (var + eps).rsqrt()
    shift = -mean * scale if bias is None else bias - mean * scale
    before = step.snapshot.tape.calls[ref.call].op
    merges = before in ("Linear", "linear", "addmm") if step.out.dim() == 2 else before in _BEFORE_NORM
    if merges and step.snapshot.readers[ref.call] == [step.number]:
        step.sweep.merged[ref.call] = (scale, shift, step.out)
        step.give(ref, r=step.relevance, all=True)
        return
    for path in step.got:
        step.rounded(path, step.value(ref) * scale + shift)
    step.absorb(times(shift.expand_as(step.g), step.g))
    step.give(ref, step.g * scale)
