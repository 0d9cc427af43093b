"""Layers with weights as linear maps: y = W x + b, and its transpose, whatever form the call has.

In: a `Step` of a convolution, a linear layer, a product with a weight.  Out: `LinearMap`.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn import grad as transposes

from archviz.insight.methods._lrp.step import Step, exact
from archviz.trace.tape import Ref

Terms = Sequence[tuple[Tensor, Tensor]]
"""(values, weights): a layer's output seen as a sum of maps of parts."""

Map = Callable[[Tensor, Tensor], Tensor]
Back = Callable[[Tensor, Tensor, torch.Size], Tensor]

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_CONV = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_UP = ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
_ARGUMENTS: dict[str, tuple[str, ...]] = {
    "linear": ("input", "weight", "bias"), "addmm": ("bias", "input", "weight"),
    **{f"conv{n}d": _CONV for n in (1, 2, 3)}, **{f"conv_transpose{n}d": _UP for n in (1, 2, 3)}}


@dataclass
class LinearMap:
    """A linear map with a bias, as a rule sees it.

    step, ref    the call, and its operand
    used         the weights that the call used
    plain        (x, weights) → W x, without bias
    plain_back   (s, weights, shape of x) → Wᵀ s
    bias         as it is added to the output, in a shape that broadcasts
    z            what the layer, and a batch norm merged into it, gave
    scale        what a batch norm that follows multiplies the outputs by, in such a shape
    joins        the axis along which several inputs can be laid side by side, their weights along axis 1
    """

    step: Step
    ref: Ref
    used: Tensor
    plain: Map
    plain_back: Back
    bias: Tensor | None
    z: Tensor
    scale: Tensor | None = None
    joins: int | None = None

    @cached_property
    def x(self) -> Tensor:
        """What it read."""
        return self.step.value(self.ref)

    @cached_property
    def outer(self) -> Tensor | None:
        """What `weight`, `up` and `down` are to be multiplied by, output by output: the size of `scale`.  Outputs are
        multiplied instead, which are fewer."""
        return None if self.scale is None else self.scale.abs()

    @cached_property
    def weight(self) -> Tensor:
        """The weights, less `outer`."""
        if self.scale is None or bool((self.scale >= 0).all()):
            return self.used
        return self.used * self.scale.sign().reshape(-1, *[1] * (self.used.dim() - 1))

    @cached_property
    def up(self) -> Tensor:
        """Those above 0."""
        return self.weight.clamp(min=0)

    @cached_property
    def down(self) -> Tensor:
        """Those below 0."""
        return self.weight.clamp(max=0)

    @cached_property
    def sides(self) -> tuple[Tensor, Tensor | None]:
        """x⁺, and x⁻ unless it is 0 everywhere, as it is after a ReLU."""
        return (self.x, None) if float(self.x.amin()) >= 0 else (self.x.clamp(min=0), self.x.clamp(max=0))

    def sum(self, terms: Terms, bare: bool = False) -> Tensor:
        """Σ W x over several (x, W), times `outer` unless `bare`."""
        if self.joins is not None and len(terms) > 1:
            total = self.plain(torch.cat([x for x, _ in terms], self.joins), torch.cat([w for _, w in terms], 1))
        else:
            total = self.plain(*terms[0])
            for x, w in terms[1:]:
                total += self.plain(x, w)
        return total if bare or self.outer is None else total.mul_(self.outer)

    def backs(self, s: Tensor, weights: Sequence[Tensor], bare: bool = False) -> Sequence[Tensor]:
        """Wᵀ s for several W, times `outer` unless `bare`."""
        if not bare and self.outer is not None:
            s = s * self.outer
        if self.joins is None or len(weights) == 1:
            return [self.plain_back(s, weight, self.x.shape) for weight in weights]
        shape = list(self.x.shape)
        shape[self.joins] *= len(weights)
        return self.plain_back(s, torch.cat(list(weights), 1), torch.Size(shape)).chunk(len(weights), self.joins)

    def back(self, s: Tensor, weight: Tensor | None = None) -> Tensor:
        """The transpose; of the layer's own weights by default."""
        return self.backs(s, [self.weight if weight is None else weight])[0]

    @cached_property
    def relevance(self) -> Tensor:
        """R of its output."""
        (share,) = self.step.got.values()
        return share.relevance(self.z)


def layer_of(step: Step) -> LinearMap | None:
    """The call as a `LinearMap`; None where its weights depend on a source, or its form is not one of those here."""
    call = step.call
    module = call.module
    if module is not None:
        if isinstance(module, nn.Linear):
            return _linear(step, module.weight, module.bias)
        if isinstance(module, _CONVOLUTIONS) and module.padding_mode == "zeros":
            options = {name: getattr(module, name) for name in (_UP if module.transposed else _CONV)[3:]}
            return _convolution(step, module.weight, module.bias, module.transposed, options)
        return None
    args = dict(zip(_ARGUMENTS[call.op], call.args, strict=False)) | dict(call.kwargs)
    weights = [args.get(name) for name in ("weight", "bias")]
    if any(isinstance(one, Ref) and step.live(one) for one in weights):
        return None
    weight, bias = (step.value(one) if isinstance(one, Ref) else None for one in weights)
    if weight is None:
        return None
    if call.op == "linear":
        return _linear(step, weight, bias)
    if call.op == "addmm":
        return None if call.kwargs else _linear(step, weight.t(), bias)
    options = {name: args.get(name, 0 if "padding" in name else 1) for name in _ARGUMENTS[call.op][3:]}
    return _convolution(step, weight, bias, "transpose" in call.op, options)


def _linear(step: Step, weight: Tensor, bias: Tensor | None) -> LinearMap:
    weight = exact(weight.detach())
    return LinearMap(step, step.signal, weight, F.linear, lambda s, w, shape: s @ w, None if bias is None else
                 exact(bias.detach()), step.out, joins=-1)


def _convolution(step: Step, weight: Tensor, bias: Tensor | None, transposed: bool, options: Mapping[str, Any],
                 ) -> LinearMap | None:
    weight = exact(weight.detach())
    n = weight.dim() - 2
    ref = step.signal
    if step.value(ref).dim() != n + 2:
        return None     # one sample without a batch axis
    plain: Any = partial(getattr(F, f"conv{'_transpose' * transposed}{n}d"), **options)
    without = {name: value for name, value in options.items() if name != "output_padding"}
    back: Any
    if transposed:
        down: Any = partial(getattr(F, f"conv{n}d"), **without)
        back = lambda s, w, shape: down(s, w)  # noqa: E731
    elif isinstance(options["padding"], str):
        back = partial(_by_gradient, plain)
    else:
        up: Any = partial(getattr(transposes, f"conv{n}d_input"), **without)
        back = lambda s, w, shape: up(shape, w, s)  # noqa: E731
    shaped = None if bias is None else exact(bias.detach()).reshape(-1, *[1] * n)
    return LinearMap(step, ref, weight, plain, back, shaped, step.out,
                     joins=1 if options["groups"] == 1 and not transposed else None)


def _by_gradient(plain: Map, s: Tensor, w: Tensor, shape: torch.Size) -> Tensor:
    with torch.enable_grad():
        x = torch.zeros(shape, dtype=s.dtype, device=s.device, requires_grad=True)
        return torch.autograd.grad(plain(x, w), x, s)[0]
