"""How calls without weights share relevance: views, sums, products, activations, pooling, normalisation, softmax.

In: a `Step`.  Out: what it gives to its operands.  An operation of a kind that is here is one more word in a list.
"""
from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from archviz.insight.methods._lrp.step import LAYERS, Step, exact, rule_for, times
from archviz.trace.kinds import canonical
from archviz.trace.tape import Ref

MOVES = frozenset(
    "view reshape flatten Flatten unflatten Unflatten transpose permute t T mT H mH squeeze unsqueeze expand "
    "expand_as view_as reshape_as movedim ravel unfold fold Unfold Fold pixel_unshuffle PixelUnshuffle pixel_shuffle "
    "PixelShuffle channel_shuffle ChannelShuffle as_strided unbind chunk split split_with_sizes tensor_split hsplit "
    "vsplit narrow select diagonal repeat repeat_interleave tile roll flip fliplr flipud rot90 atleast_1d atleast_2d "
    "atleast_3d broadcast_to broadcast_tensors slice adjoint getitem index index_select gather take take_along_dim "
    "sort topk msort kthvalue masked_select tril triu max_pool1d max_pool2d max_pool3d adaptive_max_pool1d "
    "adaptive_max_pool2d adaptive_max_pool3d MaxPool1d MaxPool2d MaxPool3d AdaptiveMaxPool1d AdaptiveMaxPool2d "
    "AdaptiveMaxPool3d max_unpool1d max_unpool2d max_unpool3d MaxUnpool1d MaxUnpool2d MaxUnpool3d amax amin max min "
    "maximum minimum median".split())
"""What only picks values and moves them; of max pooling the winner takes all."""

LINEAR = frozenset(
    "mean sum nanmean nansum cumsum neg avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d "
    "adaptive_avg_pool3d AvgPool1d AvgPool2d AvgPool3d AdaptiveAvgPool1d AdaptiveAvgPool2d AdaptiveAvgPool3d "
    "interpolate upsample upsample_nearest upsample_bilinear Upsample UpsamplingNearest2d UpsamplingBilinear2d "
    "grid_sample diff trace fft_fft view_as_real view_as_complex real imag".split())
"""Linear in one signal."""

AFFINE = frozenset(
    "sub stack hstack vstack dstack column_stack where masked_fill setitem pad index_put index_add index_copy "
    "index_fill scatter scatter_add slice_scatter lerp copy masked_scatter ZeroPad1d ZeroPad2d ZeroPad3d "
    "ConstantPad1d ConstantPad2d ConstantPad3d ReflectionPad1d ReflectionPad2d ReflectionPad3d ReplicationPad1d "
    "ReplicationPad2d ReplicationPad3d CircularPad1d CircularPad2d CircularPad3d zero fill".split())
"""Linear in its signals together, with constants among its operands."""

SAME = frozenset(
    "identity Identity dropout dropout1d dropout2d dropout3d alpha_dropout feature_dropout feature_alpha_dropout "
    "Dropout Dropout1d Dropout2d Dropout3d AlphaDropout FeatureAlphaDropout contiguous clone detach to float double "
    "half bfloat16 type type_as cpu cuda data alias requires_grad conj resolve_conj".split())
"""What leaves values as they are, in evaluation."""

ELEMENTWISE = frozenset(
    "relu6 leaky_relu prelu rrelu elu celu selu gelu silu mish sigmoid tanh softplus softsign softshrink hardshrink "
    "hardswish hardsigmoid hardtanh threshold logsigmoid tanhshrink log_sigmoid expit ReLU6 LeakyReLU PReLU RReLU ELU "
    "CELU SELU GELU SiLU Mish Sigmoid Tanh Softplus Softsign Softshrink Hardshrink Hardswish Hardsigmoid Hardtanh "
    "Threshold LogSigmoid Tanhshrink abs sqrt rsqrt exp expm1 log log1p sin cos square erf clamp clamp_min clamp_max "
    "reciprocal pow nan_to_num sign".split())
"""Functions of one value at a time."""

STATISTICS = frozenset(
    "rsqrt sqrt std var std_mean var_mean norm vector_norm reciprocal linalg_norm linalg_vector_norm".split())
"""What a normalisation divides by."""


@rule_for(" ".join(SAME))
def same(step: Step) -> None:
    """R passes unchanged."""
    for path, share in step.got.items():
        step.rounded(path, step.value(step.signal))
        step.give(step.signal, share.g, share.r)


@rule_for("relu ReLU")
def relu(step: Step) -> None:
    """R passes unchanged; where the output is 0 there is none (Bach et al. 2015, eq. 56)."""
    if step.snapshot.tape.calls[step.signal.call].op in LAYERS | {"batch_norm", "BatchNorm1d", "BatchNorm2d"}:
        step.give(step.signal, r=step.relevance, all=True)      # which is what their rules share out
    else:
        step.give(step.signal, step.g * (step.out > 0), all=True)


@rule_for(" ".join(ELEMENTWISE))
def elementwise(step: Step) -> None:
    """R passes unchanged through a function of one value (the identity rule: Achtibat et al. 2024, section 3.2.1)."""
    x, out, g = step.value(step.signal), step.out, step.g
    none = (x == 0).to(g.dtype)
    step.absorb(out * g * none)
    step.give(step.signal, g * out / (x + none))     # where x is 0 it may be anything


@rule_for(" ".join(MOVES))
def moved(step: Step) -> None:
    """Each value takes its relevance along to where it came from."""
    transpose(step)


@rule_for("max_pool2d MaxPool2d")
def max_pool(step: Step) -> None:
    """The winner takes all.  Found again with channels last, for which processors take a tenth of the time."""
    x = step.value(step.signal)
    if x.dim() != 4 or () not in step.got or len(step.got) > 1:
        return transpose(step)
    options = step.arguments(kernel_size=None, stride=None, padding=0, dilation=1, ceil_mode=False)
    winners = F.max_pool2d(x.contiguous(memory_format=torch.channels_last), *options, return_indices=True)[1].flatten(2)
    share = step.got[()].each(lambda part: part.new_zeros(x.shape).flatten(2).scatter_add_(2, winners, part.flatten(2))
                              .reshape(x.shape))
    step.give(step.signal, share.g, share.r)


@rule_for(" ".join(LINEAR))
def linear(step: Step) -> None:
    """R is split in proportion to what each value adds (LRP-0: Montavon et al. 2019, eq. 10.1)."""
    _ = step.g
    transpose(step)


@rule_for(" ".join(AFFINE))
def affine(step: Step) -> None:
    """As `linear`; the constants among what is added absorb their share."""
    _ = step.g
    _constants(step)
    transpose(step)


@rule_for("add")
def add(step: Step) -> None:
    """A sum, residual ones included: R is split in proportion to the terms."""
    operands, g = step.call.operands(), step.g
    if len(operands) != 2 or step.call.kwargs or any(step.value(ref).shape != g.shape for ref in operands):
        return affine(step)
    for ref in operands:
        _give_or_absorb(step, ref, g)
    for path in step.got:
        step.rounded(path, step.value(operands[0]) + step.value(operands[1]))


@rule_for("cat")
def cat(step: Step) -> None:
    """Each part takes what came for it."""
    operands, g = step.call.operands(), step.g
    dim, = step.arguments(dim=0)
    parts = [step.value(ref) for ref in operands]
    if not isinstance(dim, int) or any(part.dim() != g.dim() for part in parts):
        return affine(step)
    for ref, taken in zip(operands, torch.split(g, [part.shape[dim] for part in parts], dim), strict=True):
        _give_or_absorb(step, ref, taken)


def _give_or_absorb(step: Step, ref: Ref, g: Tensor) -> None:
    """`g` goes to a signal; what a constant has of it ends here."""
    if step.live(ref):
        step.give(ref, g)
    else:
        step.absorb(times(step.value(ref), g))


@rule_for("mul div matmul mm bmm mv dot einsum tensordot outer inner baddbmm true_divide")
def product(step: Step) -> None:
    """A product of signals: R is split ½–½ (Achtibat et al. 2024, eq. 13 f.); a gate, attention weight or norm takes
    none (Arras et al. 2017; Ali et al. 2022), and neither does a divisor.  With one signal it is a linear map."""
    operands, _ = step.call.operands(), step.g
    live = [i for i, ref in enumerate(operands) if step.live(ref)]
    if step.call.op == "div" and len(live) == 2:
        weights = [1.0, 0.0]
    elif step.call.op == "div" and live == [1] or step.call.op == "div" and step.call.target == "__rtruediv__":
        return elementwise(step)
    elif len(live) == 1:
        weights = [float(i in live) for i in range(len(operands))]
    elif len(live) == 2:
        low, high = (level(step, operands[i]) for i in live)
        halves = (0.5, 0.5) if low == high else (1.0, 0.0) if low < high else (0.0, 1.0)
        weights = [dict(zip(live, halves, strict=True)).get(i, 0.0) for i in range(len(operands))]
    else:
        step.refuse(f"multiplies {len(live)} signals")
    if step.call.op == "baddbmm":
        if live and live[0] == 0:
            step.refuse("adds a signal to a product in one call")
        _constants(step)
    transpose(step, weights)


def level(step: Step, ref: Ref) -> float:
    """How much `ref` is a factor rather than a signal: 3 a norm, 2 attention weights, 1 a sigmoid, 0 a signal."""
    number, levels, policy = ref.call, step.sweep.levels, step.policy
    if number not in levels:
        call = step.snapshot.tape.calls[number]
        op = canonical(call.op.lower())
        live = [one for one in call.operands() if step.live(one)]
        if op in STATISTICS or op == "pow" and isinstance(call.args[-1], (int, float)) and call.args[-1] < 0:
            levels[number] = 3
        elif op.startswith("softmax"):
            levels[number] = 2 if policy.attention == "constant" else 0
        elif op in ("sigmoid", "hardsigmoid", "expit"):
            levels[number] = 1
        elif op in ELEMENTWISE and policy.gates == "signal":
            levels[number] = 0.5
        elif live and (call.op in SAME | MOVES | LINEAR | AFFINE or call.op in ("add", "cat", "mul", "div", "clamp")):
            levels[number] = min(level(step, one) for one in live)
        else:
            levels[number] = 0
    return levels[number]


@rule_for("softmax Softmax Softmax2d log_softmax LogSoftmax")
def softmax(step: Step) -> None:
    """Relevance starts before a softmax at the end; inside, its Taylor expansion: R_i = x_i (R_i − s_i Σ R)
    (Achtibat et al. 2024, eq. 14), whose bias absorbs the rest."""
    ref, g = step.signal, step.g
    if step.number in step.sweep.tail:
        step.before_softmax = True
        step.give(ref, g)
        return
    if "log" in step.call.op.lower():
        step.refuse("is a logarithm amid the network")
    s, x = step.out, step.value(ref)
    dim, = step.arguments(dim=None)
    dim = dim if dim is not None else -3 if step.call.op == "Softmax2d" else -1
    back = s * (g - (s * g).sum(dim, keepdim=True))
    step.absorb(s * g - times(x, back))
    step.give(ref, back)


@rule_for("layer_norm LayerNorm")
def layer_norm(step: Step) -> None:
    """The variance is held constant, centring is linear (Ali et al. 2022, eq. 13)."""
    shape, weight, bias, eps = step.arguments(normalized_shape=(), weight=None, bias=None, eps=1e-5)
    _normed(step, step.value(step.signal), tuple(range(-len(shape), 0)), weight, bias, eps, True)


@rule_for("rms_norm RMSNorm")
def rms_norm(step: Step) -> None:
    """The mean square is held constant (Ali et al. 2022)."""
    x = step.value(step.signal)
    shape, weight, eps = step.arguments(normalized_shape=(), weight=None, eps=None)
    eps = torch.finfo(x.dtype).eps if eps is None else eps
    _normed(step, x, tuple(range(-len(shape), 0)), weight, None, eps, False)


@rule_for("group_norm GroupNorm instance_norm InstanceNorm1d InstanceNorm2d InstanceNorm3d")
def group_norm(step: Step) -> None:
    """As `layer_norm`, over the places of each group of channels."""
    x = step.value(step.signal)
    if step.call.op == "group_norm" or hasattr(step.call.module, "num_groups"):
        groups, weight, bias, eps = step.arguments(num_groups=None, weight=None, bias=None, eps=1e-5)
    else:
        groups = x.shape[1]
        _, _, weight, bias, fresh, _, eps = step.arguments(
            running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5)
        if not fresh or getattr(step.call.module, "track_running_stats", False):
            step.refuse("normalises by running statistics")
    split = (x.shape[0], groups, x.shape[1] // groups, *x.shape[2:])
    along = (1, groups, x.shape[1] // groups, *[1] * (x.dim() - 2))
    weight, bias = (None if one is None else one.reshape(along) for one in (weight, bias))
    _normed(step, x.reshape(split), tuple(range(2, len(split))), weight, bias, float(eps), True)


def _normed(step: Step, x: Tensor, dims: tuple[int, ...], weight: Tensor | None, bias: Tensor | None, eps: float,
            centred: bool) -> None:
    g = step.g.reshape(x.shape)
    mean = x.mean(dims, keepdim=True) if centred else torch.zeros((), dtype=x.dtype, device=x.device)
    rate = ((x - mean).square().mean(dims, keepdim=True) + eps).rsqrt()
    back = g * rate if weight is None else g * rate * weight
    if bias is not None:
        step.absorb(times((g * bias).reshape(step.g.shape), step.g.new_ones(())))
    if centred:
        back = back - back.mean(dims, keepdim=True)
    shape = step.value(step.signal).shape
    for path in step.got:
        whole = (x - mean) * rate if weight is None else (x - mean) * rate * weight
        step.rounded(path, (whole if bias is None else whole + bias).reshape(shape))
    step.give(step.signal, back.reshape(shape))


def _constants(step: Step) -> None:
    """Absorb the part of an affine call that does not depend on its signals."""
    operands = [torch.zeros_like(step.value(ref)) if step.live(ref) else step.value(ref)
                for ref in step.call.operands()]
    with torch.no_grad():
        outputs = step.again(operands)
    for path, share in step.got.items():
        if share.g is not None:
            step.absorb(times(outputs[path], share.g))


def transpose(step: Step, weights: Sequence[float] | None = None) -> None:
    """Give each signal what the transpose of the call, linear in it, takes back, times the weight of its slot."""
    operands = step.call.operands()
    leaves = [exact(step.snapshot.values[ref]) for ref in operands]
    asked: list[int] = []
    for i, ref in enumerate(operands):
        if step.live(ref):
            leaves[i] = leaves[i].detach().clone() if leaves[i].is_inference() else leaves[i].detach()
            if weights is None or weights[i]:
                leaves[i].requires_grad_()
                asked.append(i)
    with torch.enable_grad():
        outputs = step.again(leaves)
    for path in step.got:
        step.rounded(path, outputs[path])
    for part in ("g", "r"):
        sent = [(outputs[path], getattr(share, part)) for path, share in step.got.items()
                if getattr(share, part) is not None]
        if not sent:
            continue
        back = torch.autograd.grad([end for end, _ in sent], [leaves[i] for i in asked],
                                   [one.reshape(end.shape).to(end.dtype) for end, one in sent],
                                   retain_graph=part == "g", allow_unused=True)
        for i, grad in zip(asked, back, strict=True):
            if grad is not None:
                grad = grad if weights is None or weights[i] == 1 else grad * weights[i]
                step.give(operands[i], *((grad, None) if part == "g" else (None, grad)))
