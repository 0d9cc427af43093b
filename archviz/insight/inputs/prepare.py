"""A model that is built, filled and on its device, with one batch beside it: what methods and recordings run.

In: a model as `archviz.draw` takes it, an input as `samples` reads it, weights, a device.  Out: `Ready`.
"""
from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archviz.core.errors import ArchvizError, NoTorch, did_you_mean
from archviz.core.graph import NodeId
from archviz.core.progress import Step, no_step


@dataclass(frozen=True)
class Ready:
    """A model and its batch, on their device.

    shown, words, notes   see `archviz.insight.inputs.samples.Samples`
    classes               the names of the classes, if somebody said them
    source                the model as errors name it
    """

    module: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shown: Mapping[NodeId, Any]
    words: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...]
    classes: Mapping[int, str]
    source: str


def prepare(
    model: Any, x: Any, *, args: Sequence[str] = (), specs: Sequence[str] = (), weights: str | Path | None = None,
    preprocess: Any = None, tokenizer: Any = None, size: tuple[int, int] | None = None, class_names: Any = None,
    device: str | None = None, dtype: str | None = None, step: Step = no_step,
) -> Ready:
    """The model built, filled and moved, and its batch beside it.

    `args`, `specs` and `size` are ``--arg``, ``--input`` and ``--size`` of the command line; the rest is that of
    `explain`. Raises `ArchvizError` for whatever the user can mend.
    """
    step("load torch and the model")
    try:
        import torch
    except ModuleNotFoundError as error:
        raise no_torch(error) from None
    from torch.nn.parameter import is_lazy

    from archviz.insight.inputs.checkpoint import load_weights
    from archviz.insight.inputs.samples import samples
    from archviz.trace.source import load

    where = _device(torch, device)
    kind = _dtype(torch, dtype)
    classes = class_names_of(class_names)
    if isinstance(model, (str, Path)):
        loaded = load.load(str(model), args)
    else:
        loaded = load.held(model, getattr(model, "__name__", type(model).__name__), args)
        if loaded.instance is not None:
            for option, setting in (("weights", weights), ("device", device), ("dtype", dtype)):
                if setting is not None:
                    raise ArchvizError(f"{option}: {loaded.name} is already built",
                                       "a module is run as it is: fill and move it before, or give its class")
    module = loaded.instance
    if module is None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            try:
                module = loaded.build()
            except ArchvizError:
                raise
            except Exception as error:
                raise load.blamed(error, loaded.source) from error
    if weights is not None:
        step("load the weights")
        load_weights(module, Path(weights))
    if device is not None or dtype is not None:
        module = module.to(device=where, dtype=kind)
    step("read the input")
    batch = samples(module, x, loaded, specs=specs, preprocess=preprocess, tokenizer=tokenizer, size=size)
    if any(is_lazy(p) for p in module.parameters()):
        if not isinstance(model, (str, Path)) and loaded.instance is not None:
            raise ArchvizError(f"{loaded.name} has layers without weights, as it has not run yet", "run it once before")
        _materialised(torch, module, batch)
    home = next((p.device for p in module.parameters()), where)
    classes = classes or class_names_of(loaded.told.get("class_names")) or _labels(module)
    return Ready(module, _moved(batch.args, home), _moved(dict(batch.kwargs), home), batch.shown, batch.words,
                 batch.notes, classes, loaded.source)


def _materialised(torch: Any, module: Any, batch: Any) -> None:
    """Run a model once whose layers take their shapes from what comes in: always the same weights."""
    training = module.training
    # What it raises is told when it runs again.
    with torch.random.fork_rng(devices=[]), torch.no_grad(), contextlib.suppress(Exception):
        torch.manual_seed(0)
        module.eval()(*batch.args, **batch.kwargs)
    module.train(training)


def no_torch(error: ModuleNotFoundError) -> Exception:
    """What to say where PyTorch is not there; `error` itself where something else is missing."""
    if error.name != "torch":
        return error
    return NoTorch("PyTorch is not installed", "what a model does is seen by running it: install torch")


def _device(torch: Any, device: str | None) -> Any:
    """A device that is there."""
    try:
        place = torch.device(device or "cpu")
    except RuntimeError:
        raise ArchvizError(f"there is no device {device!r}", "say cpu, cuda, cuda:1 or mps") from None
    there = {"cpu": lambda: True, "cuda": torch.cuda.is_available, "mps": torch.backends.mps.is_available}
    if place.type not in there:
        raise ArchvizError(f"device {device!r} cannot be used", "say cpu, cuda, cuda:1 or mps")
    if not there[place.type]() or (place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count()):
        raise ArchvizError(f"there is no device {device} on this machine, or this PyTorch cannot use it",
                           "say cpu, or leave the option out")
    return place


def _dtype(torch: Any, dtype: str | None) -> Any:
    if dtype is None:
        return None
    from archviz.trace.source.values import DTYPES

    kind_of_number = DTYPES.get(dtype)
    if kind_of_number is None or not kind_of_number.is_floating_point:
        real = [name for name, kind in DTYPES.items() if kind.is_floating_point]
        raise ArchvizError(f"dtype {dtype!r} is no type of real numbers", did_you_mean(dtype, real))
    return kind_of_number


def _moved(value: Any, device: Any) -> Any:
    """`value` on `device`; unlike a tape's `mapped`, also what any mapping holds, as tokenizers give them."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.to(device)
    if type(value) in (tuple, list):
        return type(value)(_moved(item, device) for item in value)
    if isinstance(value, Mapping):
        return {key: _moved(item, device) for key, item in value.items()}
    return value


def class_names_of(value: Any) -> dict[int, str]:
    """Names by class, of a list, a dict, or a file: one a line, or JSON.  Raises `ArchvizError` for what is none."""
    if value is None:
        return {}
    if isinstance(value, (str, Path)):
        import json

        path = Path(value)
        try:
            text = path.read_text("utf-8")
            value = json.loads(text) if path.suffix == ".json" else text.splitlines()
        except (OSError, ValueError) as error:
            raise ArchvizError(f"cannot read the class names in {path}: {' '.join(str(error).split())}") from None
    try:
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        return {int(key): str(name[-1] if isinstance(name, (list, tuple)) else name) for key, name in items}
    except (TypeError, ValueError):
        raise ArchvizError("the class names are neither a list nor numbers with names") from None


def _labels(module: Any) -> dict[int, str]:
    """What the configuration of the model calls its classes, unless that is only numbers."""
    labels = getattr(getattr(module, "config", None), "id2label", None) or {}
    return {int(key): str(name) for key, name in labels.items() if not re.fullmatch(r"LABEL_\d+", str(name))}
