"""What a user wants explained → the arguments of one call, and what a picture of it shows.

In: images, texts, arrays, tensors, dicts of them, ``--input`` specs; what the model's file says.  Out: `Samples`.
"""
from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archviz.core.errors import ArchvizError
from archviz.insight.inputs.images import Recipe, fitted, is_image, opened, pixels, recipe_of
from archviz.insight.inputs.texts import Words, read_text, tokenizer_of
from archviz.trace.ladder import Inputs
from archviz.trace.source import guess
from archviz.trace.source.load import Loaded
from archviz.trace.source.specs import from_specs

_STAR = "0"     # what a forward(*inputs) calls its first input


@dataclass(frozen=True)
class Samples:
    """One batch, ready to call the model with.

    args, kwargs   of the call, on the CPU
    shown          id of an input → the pixels under its map, (N, C, H, W) from 0 to 1
    words          the tokens of each text, as a reader knows them
    notes          how all that came about
    """

    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    shown: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    words: Words = ()
    notes: tuple[str, ...] = ()


def samples(module: Any, x: Any, loaded: Loaded, *, specs: Sequence[str] = (), preprocess: Any = None,
            tokenizer: Any = None, size: tuple[int, int] | None = None) -> Samples:
    """The batch that `x` stands for, or, where that is None, what `specs` or the model's file say.

    `x` is as for `archviz.explain`, `loaded` what the model's file says, `specs` are those of ``--input``:
    ``1x3x224x224``, ``ids=[[1, 2, 3]]``, ``x=array.npy``.  `preprocess` and `tokenizer` stand in the place of those
    that the model's file names; `size` is (height, width) for images.  Raises `ArchvizError` for an image that is none,
    a text without a tokenizer, and where there is nothing to explain.
    """
    spoken = _spoken(module, specs)
    if x is None:
        return _without(module, loaded, spoken, specs)
    named = _named(module, x)
    if not any(_image_like(value) or _text_like(value) for value in named.values()):
        return _tensors(module, x, named, spoken, preprocess)
    # What the file gives as an example says how large images are, and what else the model takes.
    others = dict(spoken)
    if loaded.examples is not None and any(_image_like(value) for value in named.values()):
        example = loaded.inputs(module)
        others = {**_arguments(module, example if isinstance(example, Inputs) else Inputs()), **spoken}
    arguments, shown, notes = dict(others), {}, []
    words: Words = ()
    for name, value in named.items():
        if _image_like(value):
            recipe = recipe_of(preprocess, "preprocess") if preprocess is not None else _recipe(loaded)
            batch, seen, remarks = _images(module, name, value, others.get(name), recipe, size)
            arguments[name] = batch
            if seen is not None:
                shown[f"/in:{name}"] = seen
            notes += remarks
        elif _text_like(value):
            texts = value if isinstance(value, list) else [value]
            encoded, words = read_text(texts, tokenizer_of(tokenizer, loaded.told), name, loaded.told.get("decode"))
            accepted = inspect.signature(module.forward).parameters
            arguments |= {key: item for key, item in encoded.items() if key == name or key in accepted}
        else:
            arguments[name] = _tensor(module, value)
    return Samples(*_call(module, arguments), shown, words, tuple(notes))


def one_of(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Inputs:
    """The first sample of a batch: what the figure of the model is traced with."""
    import torch

    rows = next((len(t) for t in (*args, *kwargs.values()) if isinstance(t, torch.Tensor) and t.dim()), 1)

    def first(value: Any) -> Any:
        whole = isinstance(value, torch.Tensor) and value.dim() and len(value) == rows
        return value[:1] if whole else value

    return Inputs(tuple(first(one) for one in args), {key: first(value) for key, value in kwargs.items()})


def _arguments(module: Any, inputs: Inputs) -> dict[str, Any]:
    """The arguments of a call by name."""
    try:
        bound = inspect.signature(module.forward).bind(*inputs.args, **inputs.kwargs)
    except TypeError:
        return dict(inputs.kwargs)
    by_name: dict[str, Any] = {}
    for name, value in bound.arguments.items():
        kind = bound.signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            by_name |= value
        elif kind is not inspect.Parameter.VAR_POSITIONAL:
            by_name[name] = value
    return by_name


def _call(module: Any, arguments: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments by name → those in order that can stand so, and the others."""
    args: list[Any] = []
    rest = dict(arguments)
    for name, parameter in inspect.signature(module.forward).parameters.items():
        if name not in rest or parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            break
        args.append(rest.pop(name))
    if rest.keys() == {_STAR}:
        return (*args, rest.pop(_STAR)), {}
    return tuple(args), rest


def _named(module: Any, x: Any) -> dict[str, Any]:
    """`x` by the name of the input it is for."""
    if isinstance(x, Mapping):
        accepted = inspect.signature(module.forward).parameters
        for key in x:
            if key not in accepted and not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
                raise ArchvizError(f"{type(module).__name__} takes no input {key!r}", f"it takes {', '.join(accepted)}")
        return dict(x)
    if isinstance(x, tuple):
        return _arguments(module, Inputs(x)) or {_STAR: x}
    return {_name(module, "image" if _image_like(x) else "tokens" if _text_like(x) else ""): x}


def _name(module: Any, family: str) -> str:
    """The input of `module` that a thing of that family is for: the one that is called so, or else the first."""
    parameters = [p for p in inspect.signature(module.forward).parameters.values() if p.kind is not p.VAR_KEYWORD]
    named = next((p for p in parameters if family and guess.family_of_name(p.name) == family), None)
    first = named or next(iter(parameters), None)
    return _STAR if first is None or first.kind is first.VAR_POSITIONAL else first.name


def _image_like(value: Any) -> bool:
    return bool(value) and all(map(is_image, value)) if isinstance(value, list) else is_image(value)


def _text_like(value: Any) -> bool:
    items = value if isinstance(value, list) else [value]
    return bool(items) and all(isinstance(item, str) for item in items)


def _tensor(module: Any, value: Any) -> Any:
    """Arrays and lists of numbers as tensors, of the model's own type where they are real; all else as it is."""
    import torch

    if isinstance(value, np.ndarray) or (isinstance(value, (list, tuple)) and value and _numbers(value)):
        try:
            value = torch.as_tensor(value)
        except (TypeError, ValueError) as error:
            raise ArchvizError(f"cannot make a tensor of this input: {' '.join(str(error).split())}") from None
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.detach().to(guess.float_of(module))
    return value


def _numbers(value: Any) -> bool:
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _tensors(module: Any, x: Any, named: Mapping[str, Any], spoken: Mapping[str, Any], preprocess: Any) -> Samples:
    """A batch that is as the model takes it; where the normalisation is known, its pixels can still be shown."""
    if isinstance(x, Mapping):
        args, kwargs = _call(module, {**spoken, **{key: _tensor(module, value) for key, value in x.items()}})
    else:
        items = x if isinstance(x, tuple) else (x,)
        args, kwargs = tuple(_tensor(module, item) for item in items), dict(spoken)
    shown = {}
    recipe = None if preprocess is None else recipe_of(preprocess, "preprocess")
    for name, value in named.items():
        if recipe is not None and getattr(value, "ndim", 0) == 4:
            array = np.asarray(value.detach().cpu().float() if hasattr(value, "detach") else value, np.float32)
            shown[f"/in:{name}"] = recipe.restored(array)
    return Samples(args, kwargs, shown)


def _spoken(module: Any, specs: Sequence[str]) -> dict[str, Any]:
    """What ``--input`` says, by name; ``x=array.npy`` is read from the file."""
    if not specs:
        return {}
    variables: dict[str, Any] = {}
    written = []
    for spec in specs:
        name, equals, word = spec.rpartition("=")
        if word.endswith(".npy"):
            variables[f"_{len(variables)}"] = _array(Path(word))
            word = f"_{len(variables) - 1}"
        written.append(f"{name}{equals}{word}")
    inputs = from_specs(module, written, variables)
    if inputs.args and _STAR == _name(module, ""):
        return {_STAR: _tensor(module, inputs.args[0])}
    return {name: _tensor(module, value) for name, value in _arguments(module, inputs).items()}


def _array(path: Path) -> Any:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ArchvizError(f"cannot read {path}: {' '.join(str(error).split())}", "an .npy file is wanted") from None


def _without(module: Any, loaded: Loaded, spoken: Mapping[str, Any], specs: Sequence[str]) -> Samples:
    """Nothing was given but `specs`, or what the model's file holds."""
    if spoken:
        made = any("x" in spec.rpartition("=")[2] and spec.rpartition("=")[2][:1].isdigit() for spec in specs)
        return Samples(*_call(module, spoken), notes=("the input is made up",) if made else ())
    if loaded.examples is None:
        raise ArchvizError("there is nothing to explain",
                           "give --image FILE, --text TEXT or --input name=file.npy (in Python: x), or example_inputs "
                           "in the model's file")
    example = loaded.inputs(module)
    assert isinstance(example, Inputs)
    kwargs = {key: _tensor(module, value) for key, value in example.kwargs.items()}
    return Samples(tuple(_tensor(module, one) for one in example.args), kwargs, notes=(f"input: {example.note}",))


def _recipe(loaded: Loaded) -> Recipe:
    if "preprocess" in loaded.told:
        return recipe_of(loaded.told["preprocess"], f"preprocess of {Path(loaded.source).name.partition(':')[0]}")
    return Recipe()


def _images(module: Any, name: str, value: Any, example: Any, recipe: Recipe, size: tuple[int, int] | None,
            ) -> tuple[Any, NDArray[Any] | None, list[str]]:
    """The batch of images for one input, what is shown of it, and what is said."""
    import torch

    images = [opened(item) for item in (value if isinstance(value, list) else [value])]
    if recipe.call is not None:
        return *_prepared(module, images, recipe), [recipe.normalisation()]
    shape = tuple(getattr(example, "shape", ()))
    channels, *sides = shape[1:] if len(shape) == 4 else [guess.image_channels(module) or 3]     # of its first layer
    wanted = size or tuple(sides) or recipe.size or _configured_size(module)
    if wanted is None and len({image.size for image in images}) > 1:
        raise ArchvizError("the images differ in size, and nobody said which one the model takes", _say_size(module))
    notes = _notes_of_size(images, wanted)
    resize = recipe.resize if wanted == recipe.size else None
    shown = np.stack([pixels(fitted(image, wanted, resize), channels) for image in images])
    batch = torch.from_numpy(recipe.normalised(shown)).to(guess.float_of(module))
    if wanted is None:
        _refuse_size(module, name, batch)
    return batch, shown, [*notes, recipe.normalisation()]


def _notes_of_size(images: Sequence[Any], wanted: tuple[int, int] | None) -> list[str]:
    """That images are resized, where some have another size than is wanted."""
    cut = [image.size for image in images if wanted is not None and image.size != wanted[::-1]]
    if not cut or wanted is None:
        return []
    many = "an image" if len(cut) == 1 else f"{len(cut)} images"
    return [f"{many} of {cut[0][0]}×{cut[0][1]} pixels resized and cut to {wanted[1]}×{wanted[0]}"]


def _prepared(module: Any, images: Sequence[Any], recipe: Recipe) -> tuple[Any, NDArray[Any] | None]:
    """Images after a function of the user's own."""
    import torch

    from archviz.trace.source.load import blamed

    assert recipe.call is not None
    made = []
    for image in images:
        try:
            made.append(torch.as_tensor(recipe.call(image if image.mode in ("L", "RGB") else image.convert("RGB"))))
        except Exception as error:
            raise blamed(error, recipe.source) from error
    made = [tensor[0] if tensor.dim() == 4 and len(tensor) == 1 else tensor for tensor in made]
    if {tensor.dim() for tensor in made} != {3} or len({tuple(tensor.shape) for tensor in made}) > 1:
        raise ArchvizError(f"{recipe.source} gave {', '.join(str(tuple(t.shape)) for t in made[:3])} for an image",
                           "it must give a tensor (channels, height, width)")
    batch = torch.stack(made).to(guess.float_of(module))
    invertible = (recipe.mean, recipe.std) != ((0.0,), (1.0,))
    return batch, recipe.restored(batch.float().numpy()) if invertible else None


def _configured_size(module: Any) -> tuple[int, int] | None:
    """What the configuration of the model says of its images' size."""
    size = getattr(getattr(module, "config", None), "image_size", None)
    if isinstance(size, int):
        return size, size
    return (int(size[0]), int(size[1])) if isinstance(size, (list, tuple)) and len(size) == 2 else None


def _say_size(module: Any) -> str:
    """What to say about size, with the likeliest as an example."""
    for inputs in guess.from_model(module):
        for value in (*inputs.args, *inputs.kwargs.values()):
            if getattr(value, "ndim", 0) == 4:
                return f"say --size, as in --size {value.shape[2]}; images are resized and cut to it"
    return "say --size; images are resized and cut to it"


def _refuse_size(module: Any, name: str, batch: Any) -> None:
    """Raise where the model does not take images of this size, before anything is computed."""
    from archviz.trace.ladder import trace

    args, kwargs = _call(module, {name: batch[:1]})
    report = trace(module, Inputs(args, kwargs)).report
    if report.failed is not None:
        raise ArchvizError(f"{type(module).__name__} does not take images of {batch.shape[3]}×{batch.shape[2]} pixels: "
                           f"{report.failed[0]} raised {' '.join(report.failed[1].split())[:160]}", _say_size(module))
