"""What to call a model with: ``--input`` specs and example values as tensors, and guesses from what the model is.

In: a module (its parameters may be on meta) and, where known, specs or values.  Out: `Inputs`, best first.  Tensors are
real, on the CPU, and always the same.
"""
from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from archviz.trace.ladder import Inputs
from archviz.trace.ladder import shape as written
from archviz.trace.modules import walk
from archviz.trace.source.values import DTYPES, Shape, fill, from_value

Wish = tuple[Shape, torch.dtype, str]
"""A tensor to try: shape, dtype, and the layer that asks for it."""

IMAGE_SIZES = (224, 32, 64, 28, 128, 256, 512, 227, 299, 84, 96, 160, 192, 240, 300, 384, 448, 48, 572, 16, 8)
DIGIT_SIZES = (28, 32, 64, 224, 128, 256, 512, 48, 16, 8)
_PLAIN: Mapping[str, Any] = {"bool": True, "int": 1, "float": 1.0}
"""What is tried for an argument that is no tensor, by the name of its type."""
LENGTHS = (128, 64, 32, 16, 8, 1)


def from_model(module: nn.Module) -> list[Inputs]:
    """What to try when nothing is given: the model's own examples, its config, its first layers.  Best first."""
    examples: list[Inputs] = []
    late: list[Inputs] = []
    for name in ("example_input_array", "example_inputs", "dummy_inputs"):
        try:
            value = getattr(module, name, None)
            if callable(value):
                value = value()
            if value is None:
                continue
            example = from_value(value, f"{name} of {type(module).__name__}")
        except Exception:       # a property that needs a trainer, a data set, weights
            continue
        if example.args or set(example.kwargs) <= set(accepted_by(module)):
            # A library's base class gives every model the same five tokens: its config knows better.
            (late if name == "dummy_inputs" and hasattr(module, "config") else examples).append(example)
    for likely, why in shapes(module):
        kwargs = {name: fill(shape, float_of(module) if dtype is None else DTYPES[dtype], name)
                  for name, (shape, dtype) in likely.items()}
        named = ", ".join(f"{name} {'×'.join(map(str, value.shape))}" for name, value in kwargs.items())
        examples.append(Inputs((), kwargs, f"guessed {named} from {why}"))
    return examples + late + list(_from_layers(module))


def suggest(module: nn.Module) -> str:
    """The ``--input`` options to write for `module`: its required arguments with the likeliest shapes."""
    guesses = from_model(module)
    required = [p.name for p in _required(module)]
    if not guesses:
        return " ".join(f"--input {name}=1x3x224x224" for name in required) or "--input 1x3x224x224"
    inputs = guesses[0]
    values = dict(zip(required, inputs.args, strict=False)) | dict(inputs.kwargs)
    if len(values) == 1 and inputs.args:
        return f"--input {written(inputs.args[0])}"
    return " ".join(f"--input {name}={written(value)}" for name, value in values.items())


def _from_layers(module: nn.Module) -> Iterator[Inputs]:
    required = _required(module)
    if not required:
        yield Inputs((), {}, "called without inputs: its forward takes none")
    plain = {p.name: value for p in required
             if (value := _PLAIN.get(str(getattr(p.annotation, "__name__", p.annotation))))}
    tensors = [p for p in required if p.name not in plain]
    seen: set[tuple[Any, ...]] = set()
    for attempt in _attempts(module, [p.name for p in tensors]):
        key = tuple((shape, dtype) for shape, dtype, _ in attempt)
        if key in seen or not attempt:
            continue
        seen.add(key)
        values = [fill(shape, dtype, p.name) for p, (shape, dtype, _) in zip(tensors, attempt, strict=True)]
        sizes = ", ".join("×".join(map(str, shape)) + " int64" * (dtype is torch.int64) for shape, dtype, _ in attempt)
        whys = list(dict.fromkeys(why for *_, why in attempt))
        by_name = (inspect.Parameter.KEYWORD_ONLY, *([inspect.Parameter.POSITIONAL_OR_KEYWORD] if plain else []))
        named = {p.name: v for p, v in zip(tensors, values, strict=True) if p.kind in by_name}
        also = "".join(f", {name}={value}" for name, value in plain.items())
        yield Inputs(tuple(v for p, v in zip(tensors, values, strict=True) if p.name not in named), {**named, **plain},
                     f"guessed {sizes} from {' and '.join(whys)}{also}")


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
        fixed = next(((shape, dtype) for pattern, shape, dtype in _NAMES if re.fullmatch(pattern, name)), None)
        if fixed is not None:
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
    for path, layer in walk(module):
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
    shapes: list[Shape]
    match layer:
        case nn.Conv2d() | nn.BatchNorm2d() | nn.Conv1d() | nn.Conv3d() | \
                nn.ConvTranspose1d() | nn.ConvTranspose2d() | nn.ConvTranspose3d():
            channels = layer.num_features if isinstance(layer, nn.BatchNorm2d) else layer.in_channels
            what, size = "convolution", f"{channels} channels"
            shapes = [(1, channels or 3, *sizes) for sizes in _sizes(layer, digits=channels == 1 and dense)]
        case nn.Embedding() | nn.EmbeddingBag():
            what, size = "embedding", f"{layer.num_embeddings} entries"
            shapes = [*((1, length) for length in LENGTHS), (1,)]
        case nn.RNNBase():
            what, size = "recurrent layer", f"{layer.input_size} features"
            shapes = [(1, 32, layer.input_size) if layer.batch_first else (32, 1, layer.input_size)]
        case nn.RNNCellBase():
            what, size, shapes = "recurrent cell", f"{layer.input_size} features", [(1, layer.input_size)]
        case nn.MultiheadAttention() | nn.TransformerEncoderLayer() | nn.TransformerDecoderLayer():
            attention = layer if isinstance(layer, nn.MultiheadAttention) else layer.self_attn
            what, size = "attention layer", f"{attention.embed_dim} features"
            shapes = [(1, 32, attention.embed_dim) if attention.batch_first else (32, 1, attention.embed_dim)]
        case nn.LayerNorm():
            what, size, shapes = "normalisation", f"{layer.normalized_shape}", [(1, 32, *layer.normalized_shape)]
        case nn.Linear() | nn.Bilinear() | nn.BatchNorm1d():
            width = layer.num_features if isinstance(layer, nn.BatchNorm1d) else \
                layer.in1_features if isinstance(layer, nn.Bilinear) else layer.in_features
            what, size, side = "linear layer", f"{width} features", math.isqrt(width)
            shapes = [(*lead, width or 64) for lead in ((1,), (1, 32), ())]
            shapes += [(1, 1, side, side)] if side * side == width > 1 else []      # a picture that is flattened first
        case _:
            return
    for shape in shapes:
        dtype = torch.int64 if what == "embedding" else None
        yield shape, dtype, f"the first {what} ({path or 'the model'}: {size})"


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


_NAMES: tuple[tuple[str, Shape, torch.dtype | None], ...] = (
    (r"(.*_)?(attention_|padding_)?mask", (1, 128), torch.int64),
    (r"t|time|timesteps?|sigma|noise_level|diffusion_steps?", (1,), None),
    (r"lengths?|seq_lens?", (1,), torch.int64),
)
_WORDS = {"image": "images?|img|pixel|picture|frame|rgb|photo|depth",
          "tokens": "ids?|idx|tokens?|text|words?|sentence|captions?|prompt",
          "signal": "audio|wave|wav|waveform|speech|signal|sound",
          "volume": "video|clip|volume|voxels?|scan"}


def family_of_name(name: str) -> str:
    """What an input of that name holds: ``image``, ``tokens``, ``signal``, ``volume``, or nothing known."""
    words = name.lower().split("_")
    return next((family for family, pattern in _WORDS.items() if any(re.fullmatch(pattern, w) for w in words)), "")


def dtype_of(module: nn.Module, name: str, tokens: bool = False) -> torch.dtype:
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


def accepted_by(module: nn.Module) -> Mapping[str, inspect.Parameter]:
    forward: Callable[..., Any] = module.forward
    return inspect.signature(forward).parameters


def _required(module: nn.Module) -> list[inspect.Parameter]:
    """The arguments forward cannot do without; ``*inputs`` counts as one if there is no other, and where all are
    optional, the first."""
    parameters = accepted_by(module).values()
    needed = [p for p in parameters if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    needed = [p for p in needed if p.kind is not p.VAR_POSITIONAL] or needed
    return needed or [p for p in parameters if p.kind is not p.VAR_KEYWORD][:1]


Named = dict[str, tuple[tuple[int, ...], str | None]]
"""Argument → shape and dtype; None is the model's own float type."""
PARTS = ("text_config", "vision_config", "audio_config", "backbone_config", "encoder", "encoder_config")
CONTENT = ("input_ids", "pixel_values", "input_values", "input_features")
TOKENS = 128
SAMPLES = 16000     # a second of speech


def shapes(module: Any) -> Iterator[tuple[Named, str]]:
    """Shapes for the main input, and for the others its kind of model needs, with the facts they were told from."""
    config = getattr(module, "config", None)
    main = getattr(module, "main_input_name", None)
    if config is None or main is None:
        return
    takes = inspect.signature(module.forward).parameters
    mains = [name for name in ([main] if isinstance(main, str) else main) if name in takes] or \
        [name for name in CONTENT if name in takes][:1]
    every = [name for name in CONTENT if name in takes]
    two_towers = getattr(config, "vision_config", None) is not None and {"input_ids", "pixel_values"} <= takes.keys()
    groups = [every, mains] if two_towers else [mains, every]
    for names in groups if groups[0] != groups[1] else groups[:1]:
        options = [list(_options(name, config)) for name in names]
        for step in range(max(map(len, options), default=0)):
            named: Named = {}
            facts: list[str] = []
            for name, alternatives in zip(names, options, strict=True):
                if alternatives:
                    shape, dtype, fact = alternatives[min(step, len(alternatives) - 1)]
                    named[name] = (shape, dtype)
                    facts += [fact] if fact else []
            if _fact(config, "is_encoder_decoder") and "decoder_input_ids" in takes:
                named["decoder_input_ids"] = ((1, min(TOKENS, _longest(config, "decoder"))), "int64")
            if named:
                because = f" ({', '.join(facts)})" if facts else ""
                yield named, f"the config's main input{because}"


def _options(name: str, config: Any) -> Iterator[tuple[tuple[int, ...], str | None, str]]:
    if name in ("input_ids", "decoder_input_ids"):
        yield (1, min(TOKENS, _longest(config, "encoder"))), "int64", ""
        yield (1, 8), "int64", ""
    elif name in ("pixel_values", "pixel_values_videos"):
        yield from _pictures(config)
    elif name == "input_features":
        mels = _fact(config, "num_mel_bins")
        if mels and (frames := _fact(config, "max_source_positions")):
            yield (1, mels, 2 * frames), None, f"num_mel_bins {mels}, max_source_positions {frames}"
        width = _fact(config, "input_feat_per_channel", "feature_projection_input_dim", "num_mel_bins") or 80
        yield (1, 256, width), None, f"{width} features"
        yield (1, width, 256), None, f"{width} features"
    elif name == "input_values":
        if (mels := _fact(config, "num_mel_bins")) and (frames := _fact(config, "max_length", "max_source_positions")):
            yield (1, frames, mels), None, f"max_length {frames}, num_mel_bins {mels}"
        yield (1, SAMPLES), None, "a second of audio"
        yield (1, _fact(config, "audio_channels") or 1, SAMPLES), None, "a second of audio"
    elif name == "past_values":
        length, channels = _fact(config, "context_length") or 64, _fact(config, "num_input_channels", "input_size") or 1
        yield (1, length, channels), None, f"context_length {length}"
        yield (1, length), None, f"context_length {length}"


def _pictures(config: Any) -> Iterator[tuple[tuple[int, ...], str | None, str]]:
    channels = _fact(config, "num_channels", "in_channels", "in_chans") or 3
    frames = _fact(config, "num_frames")
    size = _fact(config, "image_size", "input_size", "crop_size")
    sizes = [_pair(size)] if size else [(224, 224), (512, 512), (640, 640), (800, 800)]
    for height, width in sizes:
        fact = f"image_size {height}" if size else f"{channels} channels"
        if frames:
            yield (1, frames, channels, height, width), None, f"{fact}, num_frames {frames}"
        yield (1, channels, height, width), None, fact


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, Mapping):
        size = tuple(size.values())
    if isinstance(size, list | tuple):
        return int(size[0]), int(size[-1])
    return int(size), int(size)


def _longest(config: Any, side: str) -> int:
    """How many tokens the model has positions for; two are kept for models that count from after the padding."""
    limit = "max_target_positions" if side == "decoder" else "max_source_positions"
    most = _fact(config, limit, "max_position_embeddings", "n_positions", "n_ctx")
    if not isinstance(most, int) or most <= 0:
        return TOKENS
    return most - 2 if most > TOKENS else most


def _fact(config: Any, *names: str) -> Any:
    """The first of `names` that the config, or one of the configs inside it, has a value for."""
    for holder in (config, *(getattr(config, part, None) for part in PARTS)):
        for name in names:
            value = holder.get(name) if isinstance(holder, Mapping) else getattr(holder, name, None)
            if value is not None and not callable(value):
                return value
    return None
