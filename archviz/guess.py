"""What to call a model with: ``--input`` specs and example values as tensors, and guesses from what the model is.

In: a module (its parameters may be on meta) and, where known, specs or values.  Out: `Inputs`, best first.  Tensors are
real, on the CPU, and always the same.  May import torch, errors, find, trace.
"""
from __future__ import annotations

import ast
import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from archviz import configured
from archviz.errors import ArchvizError
from archviz.find import did_you_mean
from archviz.trace import Inputs

Shape = tuple[int, ...]
Wish = tuple[Shape, torch.dtype, str]
"""A tensor to try: shape, dtype, and the layer that asks for it."""

DTYPES = {str(t).removeprefix("torch."): t for t in (
    torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint8, torch.bool, torch.complex64)}
DTYPES |= {"float": torch.float32, "half": torch.float16, "double": torch.float64,
           "int": torch.int64, "long": torch.int64}

IMAGE_SIZES = (224, 32, 64, 28, 128, 256, 512, 227, 299, 84, 96, 160, 192, 240, 300, 384, 448, 48, 572, 16, 8)
DIGIT_SIZES = (28, 32, 64, 224, 128, 256, 512, 48, 16, 8)
LENGTHS = (128, 64, 32, 16, 8, 1)

_SIZE = r"\d+(\s*[x×*,]\s*\d+)*"
_WHOLE = frozenset(name for name in DTYPES if "int" in name) | {"long"}


# ---------------------------------------------------------------------------------------------- what the user said

def from_specs(module: nn.Module, specs: Sequence[str], variables: Mapping[str, Any] | None = None) -> Inputs:
    """``1x3x224x224``, ``input_ids=1x128:int64``, ``batch.image=1x3x32x32``, ``use_cache=False`` → one call.

    Where there are `variables`, a spec may name one: ``x``, ``input_ids=x``.  Raises `ArchvizError` for a spec that
    cannot be read and for a name that `module.forward` does not take.
    """
    accepted = _parameters(module)
    takes_any = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    said = [spec.partition("=")[0].rpartition(".")[2] for spec in specs if "=" in spec]
    tokens = any(spec.rpartition(":")[2] in _WHOLE for spec in specs) or "tokens" in map(family_of_name, said)
    for spec in specs:
        name, equals, text = spec.partition("=")
        if not equals:
            names = [n for n, p in accepted.items() if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
            name = names[len(args)] if len(args) < len(names) else ""
            args.append(_value(module, name, spec, spec, variables, tokens))
            continue
        name, *keys = name.split(".")           # batch.image=…: an entry of a dict
        if name not in accepted and not takes_any:
            hint = did_you_mean(name, accepted)
            raise ArchvizError(f"--input {spec}: {type(module).__name__} takes no input {name!r}",
                               hint or f"it takes {', '.join(accepted)}")
        holder = kwargs
        for outer, inner in zip((name, *keys), keys, strict=False):
            name, holder = inner, holder.setdefault(outer, {})
        holder[name] = _value(module, name, text, spec, variables, tokens)
    masks = [spec for spec in specs if "mask" in spec.partition("=")[0] and ":" not in spec and _is_size(spec)]
    return Inputs(tuple(args), kwargs, f"guessed int64 for {masks[0]}" if masks else "")


def _is_size(spec: str) -> bool:
    return re.fullmatch(_SIZE, spec.rpartition("=")[2].strip()) is not None


def _value(module: nn.Module, name: str, text: str, spec: str, variables: Mapping[str, Any] | None, tokens: bool,
           ) -> Any:
    """What a spec says; `tokens` tells that another one is known to hold them."""
    shape, colon, dtype = text.strip().partition(":")
    if re.fullmatch(_SIZE, shape):
        sizes = tuple(int(n) for n in re.findall(r"\d+", shape))
        if min(sizes) < 1:
            raise ArchvizError(f"--input {spec}: a size must be 1 or more")
        if colon and dtype not in DTYPES:
            raise ArchvizError(f"--input {spec}: there is no dtype {dtype!r}", did_you_mean(dtype, DTYPES))
        return fill(sizes, DTYPES[dtype] if colon else _dtype(module, name, tokens), name)
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        if variables is not None and text.isidentifier():
            if text in variables:
                return _real(variables[text])
            raise ArchvizError(f"--input {spec}: there is no variable {text}", did_you_mean(text, variables)) from None
        raise ArchvizError(f"cannot read --input {spec!r}",
                           "write sizes with x between: --input 1x3x224x224, --input input_ids=1x128:int64") from None


def from_value(value: Any, note: str) -> Inputs:
    """Example inputs as people write them: a tensor, a tuple or list of arguments, or a dict of named ones."""
    value = _real(value)
    if isinstance(value, Inputs):
        return value
    if isinstance(value, Mapping):
        return Inputs((), dict(value), note)
    if isinstance(value, tuple | list):
        if len(value) == 2 and isinstance(value[0], tuple | list) and isinstance(value[1], dict):
            return Inputs(tuple(value[0]), value[1], note)
        if len(value) > 1 and all(type(one) is int for one in value):
            raise ArchvizError(f"{note or 'the input'} is {len(value)} whole numbers", "write a shape as "
                               f'"{"x".join(map(str, value))}", or give a tensor of it')
        return Inputs(tuple(value), {}, note)
    if isinstance(value, torch.Tensor):
        return Inputs((value,), {}, note)
    raise ArchvizError(f"{note} is a {type(value).__name__}",
                       "it must be a tensor, a tuple of arguments or a dict of named ones")


def _real(value: Any) -> Any:
    """`value`, with tensors that were made on meta (in a constructor) filled with numbers."""
    if isinstance(value, torch.Tensor):
        fake = value.is_meta or type(value) is not torch.Tensor
        return fill(tuple(value.shape), value.dtype) if fake else value.detach()
    if isinstance(value, Mapping):
        return {key: _real(item) for key, item in value.items()}
    if type(value) in (tuple, list):
        return type(value)(_real(item) for item in value)
    return value


def fill(shape: Shape, dtype: torch.dtype, name: str = "") -> torch.Tensor:
    """Always the same numbers: a ripple from -1 to 1, zeros for integers (every vocabulary has it), ones for masks."""
    with torch.device("cpu"):
        if dtype is torch.bool or "mask" in name:
            return torch.ones(shape, dtype=dtype)
        if not (dtype.is_floating_point or dtype.is_complex):
            return torch.zeros(shape, dtype=dtype)
        return (torch.arange(math.prod(shape), dtype=torch.float32).remainder(17) / 8 - 1).reshape(shape).to(dtype)


# ---------------------------------------------------------------------------------------------- what the model says

def from_model(module: nn.Module) -> list[Inputs]:
    """What to try when nothing is given: the model's own examples, its config, its first layers.  Best first."""
    found: list[Inputs] = []
    late: list[Inputs] = []
    for name in ("example_input_array", "example_inputs", "dummy_inputs"):
        try:
            value = getattr(module, name, None)
            if callable(value):
                value = value()
            if value is None:
                continue
            given = from_value(value, f"{name} of {type(module).__name__}")
        except Exception:       # a property that needs a trainer, a data set, weights
            continue
        if given.args or set(given.kwargs) <= set(_parameters(module)):
            # A library's base class gives every model the same five tokens: its config knows better.
            (late if name == "dummy_inputs" and hasattr(module, "config") else found).append(given)
    for shapes, why in configured.shapes(module):
        kwargs = {name: fill(shape, float_of(module) if dtype is None else DTYPES[dtype], name)
                  for name, (shape, dtype) in shapes.items()}
        found.append(Inputs((), kwargs, f"guessed {_named(kwargs)} from {why}"))
    return found + late + list(_from_layers(module))


def suggest(module: nn.Module) -> str:
    """The ``--input`` options to write for `module`: its required arguments with the likeliest shapes."""
    guesses = from_model(module)
    required = [p.name for p in _required(module)]
    if not guesses:
        return " ".join(f"--input {name}=1x3x224x224" for name in required) or "--input 1x3x224x224"
    given = guesses[0]
    values = dict(zip(required, given.args, strict=False)) | dict(given.kwargs)
    if len(values) == 1 and given.args:
        return f"--input {_spec(given.args[0])}"
    return " ".join(f"--input {name}={_spec(value)}" for name, value in values.items())


def _spec(value: Any) -> str:
    if not isinstance(value, torch.Tensor):
        return repr(value)
    dtype = "" if value.dtype is torch.float32 else f":{str(value.dtype).removeprefix('torch.')}"
    return "x".join(map(str, value.shape)) + dtype


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {'×'.join(map(str, value.shape))}" for name, value in values.items())


# ---------------------------------------------------------------------------------------------- first layers

def _from_layers(module: nn.Module) -> Iterator[Inputs]:
    required = _required(module)
    if not required:
        yield Inputs((), {}, "called without inputs: its forward takes none")
    seen: set[tuple[Any, ...]] = set()
    for attempt in _attempts(module, [p.name for p in required]):
        key = tuple((shape, dtype) for shape, dtype, _ in attempt)
        if key in seen or not attempt:
            continue
        seen.add(key)
        values = [fill(shape, dtype, p.name) for p, (shape, dtype, _) in zip(required, attempt, strict=True)]
        sizes = ", ".join("×".join(map(str, shape)) + " int64" * (dtype is torch.int64) for shape, dtype, _ in attempt)
        whys = list(dict.fromkeys(why for *_, why in attempt))
        named = {p.name: v for p, v in zip(required, values, strict=True) if p.kind is p.KEYWORD_ONLY}
        yield Inputs(tuple(values[:len(values) - len(named)]), named, f"guessed {sizes} from {' and '.join(whys)}")


def _attempts(module: nn.Module, names: Sequence[str]) -> Iterator[tuple[Wish, ...]]:
    """What to give each required argument: alternatives for all of them in step, so that lengths agree."""
    leaves = list(_entries(module))
    firsts: dict[str, tuple[str, nn.Module]] = {}
    for path, layer in leaves:
        firsts.setdefault(_family(layer), (path, layer))
    order = list(firsts.values())
    floats = float_of(module)
    dense = any(isinstance(layer, nn.Linear) for _, layer in leaves)
    choices: list[list[list[Wish]]] = []        # per argument, per layer to start from: shapes
    for name in names:
        if (fixed := _by_name(name)) is not None:
            choices.append([[(fixed[0], fixed[1] or floats, f"the name {name}")]])
            continue
        wanted = family_of_name(name)
        entry = sorted(order, key=lambda item: _family(item[1]) != wanted) if wanted in firsts else order
        lists = [[(shape, dtype or floats, why) for shape, dtype, why in _shapes(path, layer, dense)]
                 for path, layer in entry]
        choices.append(lists or [[(shape, floats, "no layer that tells") for shape in
                                  ((1, 3, 224, 224), (1, 128), (1, 16, 128), (1, 1, 28, 28), (16,))]])
    for start in range(max((len(lists) for lists in choices), default=0)):
        rows = [lists[min(start, len(lists) - 1)] for lists in choices]
        for step in range(max(map(len, rows))):
            yield tuple(row[min(step, len(row) - 1)] for row in rows)


def _entries(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Layers that say what they take, in the order in which they were made; attention counts as one layer."""
    whole = (nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)
    inside: tuple[str, ...] = ()
    for path, layer in module.named_modules():
        if any(path.startswith(prefix) for prefix in inside):
            continue
        if isinstance(layer, whole):
            inside = (*inside, f"{path}." if path else "")
        if _family(layer):
            yield path, layer


_FAMILIES: tuple[tuple[str, tuple[type[nn.Module], ...]], ...] = (
    ("image", (nn.Conv2d, nn.LazyConv2d, nn.ConvTranspose2d, nn.BatchNorm2d)),
    ("tokens", (nn.Embedding, nn.EmbeddingBag)),
    ("signal", (nn.Conv1d, nn.ConvTranspose1d)),
    ("volume", (nn.Conv3d, nn.ConvTranspose3d)),
    ("sequence", (nn.RNNBase, nn.MultiheadAttention, nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)),
    ("cell", (nn.RNNCellBase,)),
    ("features", (nn.Linear, nn.Bilinear, nn.BatchNorm1d)),
    ("norm", (nn.LayerNorm,)),
)


def _family(layer: nn.Module) -> str:
    return next((family for family, types in _FAMILIES if isinstance(layer, types)), "")


def _shapes(path: str, layer: nn.Module, dense: bool) -> Iterator[tuple[Shape, torch.dtype | None, str]]:
    """What a layer can be given, likeliest first, and why; dtype None is the model's own float type.

    `dense`: the model has linear layers, so a grey picture is rather a digit than a scan.
    """
    match layer:
        case nn.Conv2d() | nn.BatchNorm2d() | nn.Conv1d() | nn.Conv3d() | \
                nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            channels = layer.num_features if isinstance(layer, nn.BatchNorm2d) else layer.in_channels
            why = f"the first convolution ({path or 'the model'}: {channels} channels)"
            for sizes in _sizes(layer, digits=channels == 1 and dense):
                yield (1, channels or 3, *sizes), None, why
        case nn.Embedding() | nn.EmbeddingBag():
            why = f"the first embedding ({path or 'the model'}: {layer.num_embeddings} entries)"
            for length in LENGTHS:
                yield (1, length), torch.int64, why
            yield (1,), torch.int64, why
        case nn.RNNBase():
            shape = (1, 32, layer.input_size) if layer.batch_first else (32, 1, layer.input_size)
            yield shape, None, f"the first recurrent layer ({path or 'the model'}: {layer.input_size} features)"
        case nn.RNNCellBase():
            why = f"the first recurrent cell ({path or 'the model'}: {layer.input_size} features)"
            yield (1, layer.input_size), None, why
        case nn.MultiheadAttention() | nn.TransformerEncoderLayer() | nn.TransformerDecoderLayer():
            attention = layer if isinstance(layer, nn.MultiheadAttention) else layer.self_attn
            width = attention.embed_dim
            shape = (1, 32, width) if attention.batch_first else (32, 1, width)
            yield shape, None, f"the first attention layer ({path or 'the model'}: {width} features)"
        case nn.LayerNorm():
            why = f"the first normalisation ({path or 'the model'}: {layer.normalized_shape})"
            yield (1, 32, *layer.normalized_shape), None, why
        case nn.Linear() | nn.Bilinear() | nn.BatchNorm1d():
            width = layer.num_features if isinstance(layer, nn.BatchNorm1d) else \
                layer.in1_features if isinstance(layer, nn.Bilinear) else layer.in_features
            why = f"the first linear layer ({path or 'the model'}: {width} features)"
            for lead in ((1,), (1, 32), ()):
                yield (*lead, width or 64), None, why
            side = math.isqrt(width)
            if side * side == width > 1:
                yield (1, 1, side, side), None, why     # a picture that is flattened first


def _sizes(layer: nn.Module, digits: bool) -> Iterable[Shape]:
    """Picture sizes, signal lengths and volumes, likeliest first."""
    match layer:
        case nn.ConvTranspose2d():
            return ((1, 1), (7, 7), (8, 8), (16, 16), (32, 32))     # what a generator starts from
        case nn.Conv1d() | nn.ConvTranspose1d():
            return ((16000,), (1024,), (256,)) if layer.in_channels == 1 else ((128,), (1000,), (3000,), (16,))
        case nn.Conv3d() | nn.ConvTranspose3d():
            return ((16, 112, 112), (64, 64, 64), (32, 224, 224), (8, 32, 32))
        case _:
            return ((size, size) for size in (DIGIT_SIZES if digits else IMAGE_SIZES))


# ---------------------------------------------------------------------------------------------- names of arguments

_NAMES: tuple[tuple[str, Shape, torch.dtype | None], ...] = (
    (r"(.*_)?(attention_|padding_)?mask", (1, 128), torch.int64),
    (r"t|time|timesteps?|sigma|noise_level|diffusion_steps?", (1,), None),
    (r"lengths?|seq_lens?", (1,), torch.int64),
)
_WORDS = {"image": "images?|img|pixel|picture|frame|rgb|photo|depth",
          "tokens": "ids?|idx|tokens?|text|words?|sentence|captions?|prompt",
          "signal": "audio|wave|wav|waveform|speech|signal|sound",
          "volume": "video|clip|volume|voxels?|scan"}


def _by_name(name: str) -> tuple[Shape, torch.dtype | None] | None:
    return next(((shape, dtype) for pattern, shape, dtype in _NAMES if re.fullmatch(pattern, name)), None)


def family_of_name(name: str) -> str:
    """What an input of that name holds: ``image``, ``tokens``, ``signal``, ``volume``, or nothing known."""
    words = name.lower().split("_")
    return next((family for family, pattern in _WORDS.items() if any(re.fullmatch(pattern, w) for w in words)), "")


def _dtype(module: nn.Module, name: str, tokens: bool = False) -> torch.dtype:
    """The type of a tensor whose spec names none: integers where the name says tokens or a mask, and where the first
    layer reads tokens, unless others are known to be these `tokens`."""
    family = family_of_name(name) if name else ""
    first = next((_family(layer) for _, layer in _entries(module)), "")
    if family == "tokens" or "mask" in name or (not family and first == "tokens" and not tokens):
        return torch.int64
    return float_of(module)


def image_channels(module: nn.Module) -> int | None:
    """How many channels the first layer for images takes."""
    layer = next((layer for _, layer in _entries(module) if _family(layer) == "image"), None)
    channels = getattr(layer, "in_channels", None) or getattr(layer, "num_features", None)
    return int(channels) if channels else None


def float_of(module: nn.Module) -> torch.dtype:
    """The type of its real numbers."""
    return next((p.dtype for p in module.parameters() if p.dtype.is_floating_point), torch.float32)


def _parameters(module: nn.Module) -> Mapping[str, inspect.Parameter]:
    forward: Callable[..., Any] = module.forward
    return inspect.signature(forward).parameters


def _required(module: nn.Module) -> list[inspect.Parameter]:
    """The arguments forward cannot do without; ``*inputs`` counts as one, and where all are optional, the first."""
    parameters = _parameters(module).values()
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    return needed or [p for p in parameters if p.kind is not p.VAR_KEYWORD][:1]
