"""Input shapes from the config object that a model carries (as transformers models do).

In: a module with ``config`` and ``main_input_name``.  Out: named shapes to try, best first.  Imports nothing of ours.
"""
from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

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
            found: Named = {}
            facts: list[str] = []
            for name, alternatives in zip(names, options, strict=True):
                if alternatives:
                    shape, dtype, fact = alternatives[min(step, len(alternatives) - 1)]
                    found[name] = (shape, dtype)
                    facts += [fact] if fact else []
            if _fact(config, "is_encoder_decoder") and "decoder_input_ids" in takes:
                found["decoder_input_ids"] = ((1, min(TOKENS, _longest(config, "decoder"))), "int64")
            if found:
                told = f" ({', '.join(facts)})" if facts else ""
                yield found, f"the config's main input{told}"


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
    told = _fact(config, "image_size", "input_size", "crop_size")
    sizes = [_pair(told)] if told else [(224, 224), (512, 512), (640, 640), (800, 800)]
    for height, width in sizes:
        fact = f"image_size {height}" if told else f"{channels} channels"
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
    own = "max_target_positions" if side == "decoder" else "max_source_positions"
    most = _fact(config, own, "max_position_embeddings", "n_positions", "n_ctx")
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
