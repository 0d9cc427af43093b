"""Weights in a file → into a model that was just built; a checkpoint never runs code.

In: a module, the path of a ``.pt``, ``.pth`` or ``.safetensors``.  Out: the module, filled.
"""
from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from archviz.core.errors import ArchvizError

NESTED = ("state_dict", "model", "model_state_dict")    # where training scripts put the weights among other things
SHOWN = 4       # keys that an error names before it counts the rest


def load_weights(model: Any, path: Path) -> None:
    """Fill `model` with the weights in `path`, all of them, in place; where they do not fit, perhaps in part.

    They are a state dict by itself, or below ``state_dict`` or ``model`` of what a training script saved; names that
    all begin with ``module.`` (as DataParallel writes them) or another prefix lose it.  Raises `ArchvizError` for a
    file that is missing, broken, or holds more than data, and for weights that are not those of this model: names
    missing and unexpected keys, and shapes that differ.
    """
    saved = _unwrapped(_read(path))
    if not saved:
        raise ArchvizError(f"{path} holds no weights", "a state dict is wanted: torch.save(model.state_dict(), path)")
    wanted = model.state_dict()
    state = _stripped(saved, wanted)
    shapes = [f"{key} is {_size(state[key])}, the model has {_size(wanted[key])}" for key in wanted
              if key in state and _size(state[key]) != _size(wanted[key]) != ""]
    unexpected = [key for key in state if key not in wanted]
    missing = [key for key in wanted if key not in state]
    if not shapes and not unexpected:
        # What loads fills in (counters of old norms, say) is not missing; nor is what shares its memory with another.
        missing = list(model.load_state_dict(state, strict=False).missing_keys)
        filled = {wanted[key].data_ptr() for key in wanted if key not in missing}
        missing = [key for key in missing if wanted[key].data_ptr() not in filled]
    differences = [f"{what}: {_few(keys)}" for what, keys in (
        ("missing", missing), ("unexpected", unexpected), ("of another shape", shapes)) if keys]
    if differences:
        name = type(model).__name__
        raise ArchvizError("\n  ".join([f"the weights in {path} are not those of {name}", *differences]),
                           "build the model as it was trained: --arg key=value, or another class")


def _read(path: Path) -> Any:
    if not path.is_file():
        raise ArchvizError(f"there is no file {path}", "--weights takes a .pt, .pth or .safetensors file")
    if path.suffix.lower() == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ArchvizError(f"{path} is not a safetensors file: {' '.join(str(error).split())}") from None
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:        # whose long text says which global was refused
        words = str(error).split("Unsupported global: GLOBAL ")
        refused = f"it asks for {words[1].split()[0]}" if len(words) > 1 else "it is no plain state dict"
        raise ArchvizError(
            f"{path} holds more than weights, and a checkpoint is never run: {refused}",
            "save the weights alone where it comes from: torch.save(model.state_dict(), path)") from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError, AttributeError) as error:
        reason = " ".join(str(error).split())
        raise ArchvizError(f"{path} cannot be read as weights: {reason[:200] or type(error).__name__}",
                           "a .pt, .pth or .safetensors file is wanted") from None


def _unwrapped(saved: Any) -> dict[str, Any]:
    """The tensors by name."""
    while isinstance(saved, Mapping):
        inner = next((saved[key] for key in NESTED if isinstance(saved.get(key), Mapping)), None)
        if inner is None:
            return {str(key): value for key, value in saved.items() if hasattr(value, "shape") or "_extra_state" in key}
        saved = inner
    return {}


def _stripped(state: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """`state` without the prefixes that all its names begin with, if that makes them names of `wanted`."""
    stripped = dict(state)
    while not wanted.keys() & stripped.keys():
        prefixes = {key.partition(".")[0] for key in stripped if "." in key}
        if len(prefixes) != 1 or not all("." in key for key in stripped):
            return dict(state)
        stripped = {key.partition(".")[2]: value for key, value in stripped.items()}
    return stripped


def _size(tensor: Any) -> str:
    """``64×3×7×7``; empty for a layer that has no shape yet, and for what is no tensor."""
    from torch.nn.parameter import is_lazy

    if is_lazy(tensor) or not hasattr(tensor, "shape"):
        return ""
    return "×".join(map(str, tensor.shape)) or "one number"


def _few(keys: Iterable[str]) -> str:
    listed = list(keys)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more
