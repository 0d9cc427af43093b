"""What a model did with one input: model, input, methods, target → attributions.

In: a model as `archviz.draw` takes it, an input, the names of methods, a target.  Out: `Attribution`, `Attributions`.
"""
from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import NodeId
from archviz.core.plugins import find, names
from archviz.core.progress import Step, in_notebook, no_step, progress
from archviz.insight.inputs.memory import ran_out, size_of
from archviz.insight.inputs.prepare import Ready, no_torch, prepare
from archviz.insight.methods import options_of
from archviz.insight.results.attribution import Attribution, Attributions

Asked = Mapping[str, tuple[ModuleType, Mapping[str, Any]]]
"""Methods by name: the file of each, and its options."""

RETRIES = 3     # times that the budget is cut to a quarter where memory runs out


class NotFinite(ArchvizError):
    """The model computes a number that is none; `node` is the first that does, `what` it gives NaN or infinity."""

    exit_code = 1

    def __init__(self, message: str, hint: str = "", node: NodeId | None = None, what: str = "") -> None:
        super().__init__(message, hint)
        self.node, self.what = node, what


def explain(
    model: Any, x: Any = None, *, method: str | Sequence[str] = "gradcam", target: Any = "top1",
    nodes: str | Sequence[str] | None = None, budget: int | str | None = None, weights: str | Path | None = None,
    preprocess: Any = None, tokenizer: Any = None, class_names: Any = None, device: str | None = None,
    dtype: str | None = None, position: int = -1, axis: int = 0, **options: Any,
) -> Attribution | Attributions:
    """How much each part of an input, and of the network, has to do with what the model says.

    The model is as it was afterwards: its mode, hooks, gradients and buffers, and the state of the random numbers.

    Parameters
    ----------
    model : torch.nn.Module, callable, str or Path
        A module; a function or class that makes one; a target as on the command line (``"model.py:Net"``).
    x : object, optional
        A tensor or array as the model takes it; an image (Pillow's, a path, an array of bytes, height × width ×
        colours) or a text; a list of images or texts, one for each sample; a tuple of arguments; a dict of named
        inputs.  None: the ``example_inputs`` of the model's file.
    method : str or sequence of str
        The names of methods, as ``archviz --list methods`` prints them.  Several share their passes.
    target : str, int, sequence or callable
        ``"top1"``, ``"top5"``, a class, a class for each sample, ``"layer4.1[7]"`` for a channel or unit of a node, or
        a function of what the model returns that gives one number for each sample.
    nodes : str or sequence of str, optional
        Globs of the nodes that get a map, for methods that make one at nodes; None leaves it to the method.
    budget : int or str, optional
        Memory that the work may take besides the weights: bytes, or ``"2GB"``; None: half of what is free.
    weights : str or Path, optional
        A ``.pt``, ``.pth`` or ``.safetensors`` to fill a model with that is built here.
    preprocess : object, optional
        How the model wants its images: ``{"size": 224, "mean": …, "std": …}``, ``"imagenet"``, an image processor of
        transformers or its ``.json``, a function from a Pillow image to a tensor; None: what the model's file says.
    tokenizer : object, optional
        Of transformers, of tokenizers or its ``.json``, or a function from a text to token ids; None: that of the
        model's file.
    class_names : sequence, Mapping or Path, optional
        The names of the classes, for captions; of a file: one a line, or JSON.
    device, dtype : str, optional
        ``"cuda"``, ``"bfloat16"``: where and in what a model that is built here is run; a module is run as it is.
    position : int
        The token whose logits are meant, where there is one row of logits for each.
    axis : int
        The axis of the inputs that counts samples: 1 for a recurrent model as PyTorch makes them by default, whose
        inputs are (steps, samples, features).
    **options
        Go to the methods that have them; ``ig={"steps": 200}`` is meant for one method alone.

    Returns
    -------
    Attribution or Attributions
        One for one method's name and one target; else all, method by method.

    Raises
    ------
    ArchvizError
        For whatever the user can mend: unknown methods, options, classes and nodes; inputs that the model does not
        take; a target that no gradient reaches; a model that computes NaN (the first node that does is named); too
        little memory.
    """
    asked = methods_of(method, {**options, **({} if nodes is None else {"nodes": nodes})})
    limit = size_of(budget)
    with progress(in_notebook()) as step:
        ready = prepare(model, x, weights=weights, preprocess=preprocess, tokenizer=tokenizer, class_names=class_names,
                        device=device, dtype=dtype, step=step)
        results = attributions(ready, asked, target, budget=limit, position=position, axis=axis, step=step)
    return results[0] if isinstance(method, str) and len(asked) == len(results) == 1 else results


def methods_of(method: str | Sequence[str], options: Mapping[str, Any]) -> Asked:
    """The methods that are named, each with those of `options` that it knows.  Raises `ArchvizError` for others."""
    wanted = method.split(",") if isinstance(method, str) else list(method)
    wanted = [name.strip() for name in wanted]
    if not any(wanted):
        raise ArchvizError("no method was named", f"known: {', '.join(names('methods'))}")
    try:
        modules = {name: find("methods", name) for name in wanted}
    except ModuleNotFoundError as error:
        raise no_torch(error) from None
    defaults = {name: options_of(module) for name, module in modules.items()}
    chosen: dict[str, dict[str, Any]] = {name: {} for name in modules}
    for key, value in options.items():
        if isinstance(value, Mapping) and key in names("methods"):
            if key not in defaults:
                raise ArchvizError(f"options for {key}, which is not among the methods: {', '.join(modules)}",
                                   f"add it: {','.join([*modules, key])}")
            for inner, item in value.items():
                if inner not in defaults[key]:
                    raise ArchvizError(f"{key} has no option {inner!r}", _options_of({key: defaults[key]}, inner))
                chosen[key][inner] = _typed(f"{key}.{inner}", item, defaults[key][inner])
            continue
        takers = [name for name in modules if key in defaults[name]]
        if not takers:
            raise ArchvizError(f"no option {key!r} of {', '.join(modules)}", _options_of(defaults, key))
        for name in takers:
            if key not in chosen[name]:
                chosen[name][key] = _typed(key, value, defaults[name][key])
    return {name: (module, {**defaults[name], **chosen[name]}) for name, module in modules.items()}


def _options_of(defaults: Mapping[str, Mapping[str, Any]], key: str) -> str:
    """What could have been meant, or else all options there are."""
    near = did_you_mean(key, {option for options in defaults.values() for option in options})
    if near.startswith("did"):
        return near
    return "; ".join(f"{name} has {', '.join(options) or 'none'}" for name, options in defaults.items())


def _typed(key: str, value: Any, default: Any) -> Any:
    """`value`, if it can stand where `default` stands: numbers for numbers, truths for truths."""
    kind = type(default)
    if kind is bool and not isinstance(value, bool):
        raise ArchvizError(f"option {key} is {value!r}, and must be true or false")
    if kind in (int, float) and (isinstance(value, (bool, str)) or (kind is int and isinstance(value, float))):
        raise ArchvizError(f"option {key} is {value!r}, and must be a{' whole' if kind is int else ''} number")
    if isinstance(value, float) and not math.isfinite(value):
        raise ArchvizError(f"option {key} is {value!r}, and must be finite")
    return value


def attributions(ready: Ready, asked: Asked, target: Any, *, budget: int | None = None, position: int = -1,
                 axis: int = 0, step: Step = no_step) -> Attributions:
    """What each method says of each target, method by method; all in one visit to the model.

    Where memory runs out, the work is done again in smaller pieces.  Raises `ArchvizError` as `explain` does.
    """
    for _ in range(RETRIES + 1):
        try:
            results, budget = _attempt(ready, asked, target, budget, position, axis, step)
        except NotFinite as error:
            raise _blamed(error, ready, step) from None
        if results is not None:
            return Attributions(_dressed(one, ready) for one in results)
        step("begin again, in smaller pieces")
    raise ArchvizError(f"memory runs out, also in pieces of {(budget or 0) / 2**20:.3g} MiB",
                       "use a smaller input, fewer samples at once, --dtype bfloat16, or a device with more memory")


def _attempt(ready: Ready, asked: Asked, target: Any, budget: int | None, position: int,
             axis: int, step: Step) -> tuple[list[Attribution] | None, int | None]:
    """What was found; or None, the exception and the tensors that it holds being gone, and a smaller budget to try."""
    from archviz.insight.engine.subject import Subject

    with Subject(ready.module, ready.args, ready.kwargs, target=target, budget=budget, position=position, axis=axis,
                 step=step) as subject:
        budget = subject.budget
        try:
            return _run(subject, ready, asked), budget
        except Exception as error:
            if not ran_out(error):
                raise
    return None, max(1, (budget or 1) // 4)


def _run(subject: Any, ready: Ready, asked: Asked) -> list[Attribution]:
    subject.alone = len(asked) == 1
    subject.grad = any(getattr(module, "GRAD", False) for module, _ in asked.values())
    for module, options in asked.values():
        if hasattr(module, "wants"):
            subject.wanted.update(module.wants(subject, **options))
    _first(subject, ready)
    results: list[Attribution] = []
    for name, (module, options) in asked.items():
        subject.step(str(getattr(module, "TITLE", name)))
        results += module.attribute(subject, **options)
    return results


def _first(subject: Any, ready: Ready) -> None:
    """The first run.  Raises `ArchvizError` for inputs that the model does not take, and a target that is no number."""
    from archviz.insight.engine.target import unit_of
    from archviz.trace.source.load import blamed

    try:
        result = subject.base
    except ArchvizError:
        raise
    except Exception as error:
        if ran_out(error):
            raise
        raised = blamed(error, ready.source)
        raise ArchvizError(f"the model raised at this input: {raised.message}",
                           raised.hint or "give it what it takes: --size, --input, or another --image") from error
    unit = unit_of(subject.spec)
    if unit is not None and unit[0] not in result.values:
        subject.matching(unit[0])       # which raises, with the nearest of all names there are
    scores = subject.scores(result)
    if not scores.isfinite().all():
        raise NotFinite(f"{subject.targets[0].name} is {scores[~scores.isfinite()][0].item()}")


def _blamed(error: NotFinite, ready: Ready, step: Step) -> NotFinite:
    """The same with the node that begins with it."""
    from archviz.insight.recorder.nonfinite import first_nonfinite
    from archviz.trace.modules import named_arguments

    step("look for the first node that is not finite")
    named = dict(named_arguments(ready.module, ready.args, ready.kwargs))
    culprit = first_nonfinite(ready.module, named if ready.kwargs else ready.args)
    if culprit is None:
        return error
    hint = "look at how it was trained, or at what was loaded" if culprit.weights else ""
    return NotFinite(f"{error.message}: {culprit}", hint, culprit.node, culprit.what)


def _dressed(one: Attribution, ready: Ready) -> Attribution:
    """`one` with the pixels and words that were given, the names of classes, and how the input came about."""
    shown = {key: ready.shown.get(key, value) for key, value in one.shown.items()}
    words = {"words": np.array(ready.words)} if ready.words else {}
    return replace(one, target=named(one.target, ready.classes), shown=shown, notes=(*one.notes, *ready.notes),
                   extra={**one.extra, **words})


def named(target: str, classes: Mapping[int, str]) -> str:
    """``top 1 (class 281)`` → ``top 1 (class 281: tabby)``."""
    def name(match: re.Match[str]) -> str:
        called = classes.get(int(match[0]))
        return match[0] if called is None else f"{match[0]}: {called}"

    return re.sub(r"\bclass(es)? \d+(, \d+)*", lambda classes_named: re.sub(r"\d+", name, classes_named[0]), target)
