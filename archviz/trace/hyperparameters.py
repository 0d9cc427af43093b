"""Hyper-parameters worth a caption, by the names their constructors use.

In: a module, or a function's arguments.  Out: JSON values only.
"""
from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from archviz.trace.kinds import class_of
from archviz.trace.modules import walk

_LAYER = ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups", "in_features",
          "out_features", "num_embeddings", "embedding_dim", "normalized_shape", "num_features", "num_groups",
          "num_channels", "hidden_size", "input_size", "num_layers", "bidirectional", "batch_first", "embed_dim",
          "num_heads", "p", "scale_factor", "size", "mode", "dim", "output_size", "start_dim", "end_dim",
          "negative_slope", "upscale_factor", "downscale_factor", "ceil_mode", "eps", "affine", "nf", "nx",
          "padding_idx", "approximate", "inplace", "nonlinearity", "proj_size", "elementwise_affine", "drop_prob")
_CONTAINER = ("num_heads", "embed_dim", "hidden_size", "head_dim", "num_attention_heads", "n_head", "n_heads", "nhead",
              "d_model", "dim", "in_channels", "out_channels", "in_features", "out_features", "num_experts", "top_k",
              "window_size", "shift_size", "stride", "groups", "num_key_value_groups", "num_key_value_heads",
              "intermediate_size", "layer_idx", "num_layers", "is_decoder", "is_cross_attention", "is_causal", "depth",
              "patch_size", "image_size", "vocab_size", "all_head_size", "attention_head_size", "hidden_dim", "d_state",
              "d_conv", "num_labels", "num_classes", "kernel_size", "expansion")


def json_value(value: Any) -> Any:
    """`value` if JSON can hold it (tuples become lists), else None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (tuple, list)) and len(value) <= 8:
        items = [json_value(item) for item in value]
        return None if any(item is None for item in items) else items
    return None


def values(weight: torch.Tensor) -> list[Any] | None:
    """The numbers of a small tensor as nested lists, to five digits; None where it has none, or they are not finite."""
    if weight.is_meta or not weight.is_floating_point() or not bool(weight.isfinite().all()):
        return None

    def rounded(value: Any) -> Any:
        return [rounded(item) for item in value] if isinstance(value, list) else float(f"{value:.5g}")

    numbers: list[Any] = rounded(weight.detach().double().tolist())
    return numbers


def _named(module: nn.Module, names: tuple[str, ...]) -> dict[str, Any]:
    attributes = vars(module)
    return {name: value for name in names if (value := json_value(attributes.get(name))) is not None}


def full_name(cls: type) -> str:
    """Where a class is defined: ``"torch.nn.modules.conv.Conv2d"``."""
    return f"{cls.__module__}.{cls.__qualname__}"


def lines(module: nn.Module) -> dict[str, str]:
    """Where the classes of `module` and of what it holds compute, but for torch's own: class → ``"model.py:59"``."""
    places = {}
    for cls in dict.fromkeys(class_of(part) for _, part in walk(module)):
        code = getattr(inspect.unwrap(inspect.getattr_static(cls, "forward", None)), "__code__", None)
        if code is not None and not cls.__module__.startswith("torch."):
            places[full_name(cls)] = f"{Path(code.co_filename).name}:{code.co_firstlineno}"
    return places


def of_layer(module: nn.Module) -> dict[str, Any]:
    """What a caption may say of a leaf module, and its class."""
    cls = class_of(module)
    attrs = {"class": full_name(cls), **_named(module, _LAYER)}
    if cls.__module__.startswith("torch.ao.nn.intrinsic") and "ReLU" in cls.__name__:
        attrs |= {"fused": ["relu"], "fused_kinds": ["act"]}
    if "bias" in module._parameters:
        attrs["bias"] = module.bias is not None
    elif isinstance(vars(module).get("bias"), bool):
        attrs["bias"] = bool(module.bias)
    return attrs


def of_container(module: nn.Module) -> dict[str, Any]:
    """What a caption may say of a module that holds others, and its class."""
    attrs = {"class": full_name(class_of(module)), **_named(module, _CONTAINER)}
    if isinstance(module, (nn.Sequential, nn.ModuleList, nn.ModuleDict)):
        attrs["container"] = True
    if type(module).__module__.startswith("torch.nn."):
        attrs["layer"] = True
    return attrs


_CONV = ("stride", "padding", "dilation", "groups")
_POSITIONAL: dict[str, tuple[str, ...]] = {
    **{f"conv{n}d": ("input", "weight", "bias", "stride", "padding", "dilation", "groups") for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": ("input", "weight", "bias", "stride", "padding", "output_padding", "groups", "dilation")
       for n in (1, 2, 3)},
    **{f"{kind}_pool{n}d": ("input", "kernel_size", "stride", "padding") for n in (1, 2, 3) for kind in ("max", "avg")},
    **{f"adaptive_{kind}_pool{n}d": ("input", "output_size") for n in (1, 2, 3) for kind in ("max", "avg")},
    "interpolate": ("input", "size", "scale_factor", "mode"),
    "softmax": ("input", "dim"), "log_softmax": ("input", "dim"),
    "cat": ("tensors", "dim"), "stack": ("tensors", "dim"), "mean": ("input", "dim"), "sum": ("input", "dim"),
    "transpose": ("input", "dim0", "dim1"), "flatten": ("input", "start_dim", "end_dim"), "dropout": ("input", "p"),
    "layer_norm": ("input", "normalized_shape"), "group_norm": ("input", "num_groups"),
    "leaky_relu": ("input", "negative_slope"),
    "permute": ("input", "dims"), "squeeze": ("input", "dim"), "unsqueeze": ("input", "dim"), "max": ("input", "dim"),
    "pixel_shuffle": ("input", "upscale_factor"), "pad": ("input", "pad", "mode"), "chunk": ("input", "chunks", "dim"),
    "split": ("input", "split_size", "dim"), "einsum": ("equation",), "topk": ("input", "k"),
    "cumsum": ("input", "dim"),
    "scaled_dot_product_attention": ("query", "key", "value", "attn_mask", "dropout_p", "is_causal"),
}
_OPERANDS = frozenset({"input", "weight", "bias", "tensors", "query", "key", "value", "attn_mask", "dropout_p"})


def of_function(op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """What a caption may say of a function call: its named arguments that are not tensors."""
    arguments = dict(zip(_POSITIONAL.get(op, ()), args, strict=False)) | dict(kwargs)
    if op in ("add", "sub", "mul", "div", "pow") and len(args) > 1:
        arguments["scalar"] = next((a for a in args if isinstance(a, (int, float))), None)
    attrs = {name: value for name, given in arguments.items()
             if name not in _OPERANDS and (value := json_value(given)) is not None}
    if op == "getitem" and len(args) > 1 and (at := _at(args[1])) is not None:
        attrs["at"] = at
    return attrs


def _at(index: Any) -> list[Any] | None:
    """What an index takes of each axis, a slice as [start, stop]; None for one that is more than numbers and slices."""
    parts: list[Any] = []
    for one in index if isinstance(index, tuple) else (index,):
        if isinstance(one, slice) and all(end is None or type(end) is int for end in (one.start, one.stop, one.step)):
            parts.append([one.start, one.stop] if one.step in (None, 1) else [one.start, one.stop, one.step])
        elif type(one) is int:
            parts.append(one)
        else:
            return None
    return parts
