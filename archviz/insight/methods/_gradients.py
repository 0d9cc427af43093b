"""What gradient methods share: one forward pass and as few backward ones as can be, and averages over many inputs.

In: a subject.  Out: gradients of each target with respect to sources and nodes; maps over places; attributions.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, saved_tensors_hooks

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.subject import INPUTS, Run, Subject
from archviz.insight.inputs.memory import ran_out
from archviz.insight.methods._rectifiers import Apart, census, rectified
from archviz.insight.results.attribution import Attribution, Check

Gradients = dict[NodeId, Tensor]
_SLACK = 2      # what a pass takes, by what it keeps for the backward one: the gradients on their way, and workspaces
_FIRST, _CACHED, _MANY = 1, 8, 256
"""Rows of the first pass, which is weighed; rows at which a processor's caches serve best (measured on ResNet-18 and
VGG-16: more rows are slower, fewer too); and rows from which a GPU gains nothing more."""


def differentiated(subject: Subject, nodes: Iterable[NodeId] = ()) -> Run:
    """The first run, if it was made with gradients and kept all of `nodes`; else one more that is."""
    missing = set(nodes) - subject.wanted
    if subject.base.leaves and not missing:
        return subject.base
    run: Run | None = subject.kept.get("differentiated")
    had: set[NodeId] = subject.kept.get("differentiated nodes", set())
    if run is None or not missing <= had:
        had = had | missing | subject.wanted - {INPUTS}
        run = subject.run(nodes=had, grad=True)
        subject.kept.update({"differentiated": run, "differentiated nodes": had})
    return run


def visible(subject: Subject) -> Run:
    """The same, or one more where a write into a view hides what was done there from the rules at rectifiers."""
    run = differentiated(subject)
    if not census(subject.scores(run).sum()).hidden:
        return run
    if "visible" not in subject.kept:
        with Apart():
            subject.kept["visible"] = subject.run(grad=True)
    return subject.kept["visible"]  # type: ignore[no-any-return]


def gradients(subject: Subject, run: Run, names: Sequence[NodeId], rule: str = "plain") -> list[Gradients]:
    """For each target the gradients with respect to `names`, sources or nodes that `run` kept, as far as there are any.

    What other methods asked of the same run is computed along with it, and kept for them.  `rule` says how gradients
    pass rectifiers: see `archviz.insight.methods._rectifiers`.
    """
    kept: list[Gradients] | None = subject.kept.get(("gradients", id(run), rule))
    asked: set[NodeId] = subject.kept.get(("asked", id(run), rule), set())
    missing = dict.fromkeys(name for name in names if name not in asked)
    if kept is None or missing:
        if rule == "plain" and kept is None:
            missing |= dict.fromkeys([*(name for name in run.edges if not name.startswith("/in:")),
                                      *(run.leaves if INPUTS in subject.wanted else ())])
        scores = subject.scores(run)
        with rectified(scores, rule):
            fresh = [backward(row, {name: run.leaves.get(name, run.edges.get(name)) for name in missing},
                             keep=not subject.alone or number < len(scores) - 1)
                    for number, row in enumerate(scores)]
        kept = [{**old, **new} for old, new in zip(kept or [{} for _ in fresh], fresh, strict=True)]
        subject.kept[("gradients", id(run), rule)] = kept
        subject.kept[("asked", id(run), rule)] = asked | set(missing)
    return [{name: of_target[name] for name in names if name in of_target} for of_target in kept]


def backward(scores: Tensor, to: Mapping[NodeId, Tensor | GradientEdge | None], keep: bool) -> Gradients:
    """The gradients of the sum of `scores` that there are; `keep`: the graph serves once more."""
    ends = {name: one for name, one in to.items() if one is not None}
    if not ends or not scores.requires_grad:
        return {}
    try:
        slopes = torch.autograd.grad(scores.sum(), [*ends.values()],  # type: ignore[arg-type]  # edges may be mixed in
                                     retain_graph=keep, allow_unused=True)
    except RuntimeError as error:
        raise _told(error) from error
    return {name: gradient for name, gradient in zip(ends, slopes, strict=True) if gradient is not None}


def _told(error: RuntimeError) -> Exception:
    """What the user can do where the model itself forbids a gradient; else the error as it is."""
    message = str(error)
    if "modified by an inplace operation" in message:
        return ArchvizError("the model has no gradient: it writes into a value that the gradient needs",
                            message.partition("Hint")[0])
    if "use_reentrant" in message:
        return ArchvizError("the model checkpoints its activations in a way that allows no gradient of single nodes",
                            "call torch.utils.checkpoint with use_reentrant=False, or switch checkpoints off")
    return error


def at_sources(subject: Subject, rule: str = "plain") -> tuple[Run, list[Gradients]]:
    """A run and, for each target, the gradients at the sources, samples first, float32; `ArchvizError` for none."""
    run = differentiated(subject) if rule == "plain" else visible(subject)
    slopes = gradients(subject, run, subject.sources, rule)
    reached(subject, slopes)
    return run, [{name: one.movedim(subject.batch.axis, 0).float() for name, one in each.items()} for each in slopes]


def reached(subject: Subject, by_target: Sequence[Gradients]) -> None:
    """Raise `ArchvizError` for a target that no source has a gradient for."""
    for target, one in zip(subject.targets, by_target, strict=True):
        if not one:
            named = " or ".join(subject.sources)
            run = subject.run(nodes=None, grad=True, watched=True)
            last = next(reversed(run.edges), None)
            where = f"the last node with a gradient is {last}" if last and last not in subject.sources else \
                "the first operation on it has no gradient already"
            raise ArchvizError(f"{target.name} does not depend on {named} in a way that has a gradient: {where}",
                               "explain a node before that with target='node[unit]', or use a method that takes no "
                               "gradients, such as occlusion")


Place = Callable[[Tensor, Tensor], dict[NodeId, Tensor]]
"""(samples, copies), both long (rows,) → source id → what stands in its place, samples first."""


def summed(subject: Subject, samples: Tensor, weights: Tensor, place: Place, squares: bool = False,
           ) -> tuple[list[Gradients], list[Gradients]]:
    """Put `place`'s inputs through the model, and sum the gradients at them over the copies of each sample.

    Of each target: source id → (samples, …), float32; the same of their squares, where asked for.  `samples` (S,) are
    their numbers, `weights` (C,) those of the copies.  Rows are stacked, as many at once as the memory allows.
    """
    first: list[Gradients] = [{} for _ in subject.targets]
    second: list[Gradients] = [{} for _ in subject.targets]

    def take(some: slice, copies: slice) -> bool:
        """Add the gradients of a block; False where the memory did not last for it."""
        rows, again = samples[some], torch.arange(len(weights), device=samples.device)[copies]
        try:
            by_target = _stack(subject, rows.repeat(len(again)), again.repeat_interleave(len(rows)), place)
        except (RuntimeError, MemoryError) as error:
            if not ran_out(error) or len(rows) * len(again) == 1:
                raise
            subject.kept["rows"] = len(rows) * len(again) // 2
            return False
        share = weights[copies].to(samples.device)
        for number, one in enumerate(by_target):
            for name, gradient in one.items():
                by_copy = gradient.movedim(subject.batch.axis, 0).float()
                by_copy = by_copy.view(len(again), len(rows), *by_copy.shape[1:])
                _add(first[number], name, samples, some, torch.tensordot(share, by_copy, 1))
                if squares:
                    _add(second[number], name, samples, some, torch.tensordot(share, by_copy.square(), 1))
        return True

    # Blocks of all samples at some copies; where not even the samples fit, of some samples at one copy.
    copy = sample = 0
    while copy < len(weights):
        most = max(1, subject.kept.get("rows", _FIRST))
        end = min(sample + most, len(samples))
        several = max(1, most // len(samples)) if sample == 0 else 1
        if take(slice(sample, end), slice(copy, copy + several)):
            sample = end % len(samples)
            copy += several if not sample else 0
    reached(subject, first)
    return first, second


def _add(sums: Gradients, name: NodeId, samples: Tensor, some: slice, more: Tensor) -> None:
    if name not in sums:
        sums[name] = torch.zeros((len(samples), *more.shape[1:]), device=more.device)
    sums[name][some] += more


def _stack(subject: Subject, samples: Tensor, copies: Tensor, place: Place) -> list[Gradients]:
    """One forward pass over the rows, and a backward one for each target."""
    axis = subject.batch.axis
    placed = {name: tensor.movedim(0, axis) for name, tensor in place(samples, copies).items()}
    batch = subject.batch.take(samples)
    if "bytes" in subject.kept:
        run = subject.run(batch, grad=True, replace=placed)
    else:
        budget, saved = subject.budget, dict[int, int]()

        def weigh(tensor: Tensor) -> Tensor:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        weights = {p.untyped_storage().data_ptr() for p in subject.model.parameters()}
        with saved_tensors_hooks(weigh, lambda tensor: tensor):
            run = subject.run(batch, grad=True, replace=placed)
        total = sum(size for where, size in saved.items() if where not in weights)
        subject.kept["bytes"] = max(1, _SLACK * total // len(samples))
        most = _MANY if subject.device.type == "cuda" else _CACHED
        subject.kept["rows"] = max(1, min(most, budget // subject.kept["bytes"]))
    scores = subject.scores(run)
    return [backward(row, run.leaves, keep=number < len(scores) - 1) for number, row in enumerate(scores)]


def points(subject: Subject) -> dict[NodeId, Tensor]:
    """Source id → its values at the samples themselves, samples first: inputs, and what embeddings gave."""
    run = differentiated(subject)
    return {name: run.leaves[name].detach().movedim(subject.batch.axis, 0) for name in subject.sources}


def sums(subject: Subject, maps: Mapping[NodeId, Tensor]) -> dict[NodeId, Tensor]:
    """One number for each place: summed over the channels of images and the features of embeddings.  Samples first."""
    return {name: tensor if (axis := _joined(subject, name, tensor)) is None else tensor.sum(axis)
            for name, tensor in maps.items()}


def sizes(subject: Subject, maps: Mapping[NodeId, Tensor]) -> dict[NodeId, Tensor]:
    """The same of absolute values: the largest over channels, the L2 norm over features."""
    result = {}
    for name, tensor in maps.items():
        axis = _joined(subject, name, tensor)
        result[name] = tensor.abs() if axis is None else tensor.norm(dim=axis) if axis < 0 else tensor.abs().amax(axis)
    return result


def _joined(subject: Subject, name: NodeId, tensor: Tensor) -> int | None:
    """The axis that a map leaves out: 1, the channels of an image; −1, the features of an embedding."""
    if name not in subject.floats:
        return -1 if tensor.dim() > 2 else None
    return 1 if tensor.dim() >= 4 else None


def joined_notes(subject: Subject, maps: Mapping[NodeId, Tensor], how: str) -> tuple[str, ...]:
    """What is said of maps over tokens."""
    named = ", ".join(name for name in maps if name not in subject.floats)
    return (f"{how} over the features of {named}",) if named else ()


def over_all(maps: Mapping[NodeId, Tensor]) -> Tensor:
    """The sum of all maps: (N,)."""
    return torch.stack([tensor.reshape(len(tensor), -1).sum(1) for tensor in maps.values()]).sum(0)


def finite(maps: Mapping[NodeId, Tensor]) -> Check:
    """Whether the map has a number at every place: half precision overflows, and models divide by zero."""
    whole = sum(tensor.numel() for tensor in maps.values())
    wrong = whole - sum(int(tensor.isfinite().sum()) for tensor in maps.values())
    verdict = "a finite number at every place" if not wrong else f"{wrong} of {whole} places are not a number"
    return Check("finite", wrong / max(whole, 1), verdict, 0.0)


def numpy(tensors: Mapping[NodeId, Tensor]) -> dict[NodeId, Any]:
    return {name: (t.float() if t.is_floating_point() else t).detach().cpu().numpy() for name, t in tensors.items()}


def attribution(subject: Subject, number: int, method: str, title: str, inputs: Mapping[NodeId, Tensor],
                **more: Any) -> Attribution:
    """`Attribution` of target `number`: maps of inputs, samples first, and with them what all methods say of it."""
    output = subject.scores(subject.base)[number]
    return Attribution(method, title, subject.targets[number].name, output.detach().cpu().numpy(), numpy(inputs),
                       numpy({name: tensor for name, tensor in subject.shown.items() if name in inputs}), **more)
