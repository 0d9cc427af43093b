"""What the targets become when parts of an input are something else.

In: a subject, one of its sources, boxes, a filling.  Out: the targets' values.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.insight.engine.batches import in_batches, rows_at_once
from archviz.insight.engine.snapshot import Snapshot, snapshot_of
from archviz.insight.engine.subject import Run, Subject
from archviz.insight.engine.target import Ran, Target
from archviz.insight.inputs.memory import ran_out
from archviz.insight.methods._perturbation.follow import Follower
from archviz.insight.methods._perturbation.increment import Increment, Unable, increment
from archviz.insight.methods._perturbation.windows import Fill, inside
from archviz.trace.receptive_field import slide
from archviz.trace.tape import Ref, mapped, refs

Targets = Sequence[Target]
Covered = Callable[[Tensor, Tensor], Tensor]
"""(samples (R,), parts (R,)) → which places are filled: (R, *S) bool."""

EXACT = 1e-4            # how far a window may be from a whole pass over it, relative to the target, in float32
_PAYS = 0.9             # the part of the work that may be left for following windows to pay
_CACHED = 16 << 20      # bytes of patches that stay near a processor
_BEHIND = 4             # batches whose maps are gathered before the layers behind them run, to read weights less often
_FOLLOWED, _FOLLOWED_ON_DEVICE = (32, 96), (256, 1024)
"""Windows followed at once, from and to: more are less alike, so that more is computed than they reach; fewer fill no
processor, and patches that are small want more of them."""


@dataclass(frozen=True)
class Source:
    """One source of a subject as maps.

    maps      (N, C, *S): an image; a sequence with its features as channels; (N, 1, F) for a row of features
    channel   where the channels are in the tensor itself, samples first; None where it has none
    tokens    whether it is what an embedding gave
    """

    name: NodeId
    maps: Tensor
    channel: int | None
    tokens: bool

    @property
    def shape(self) -> tuple[int, ...]:
        """Its places."""
        return tuple(self.maps.shape[2:])

    def tensor(self, maps: Tensor, axis: int) -> Tensor:
        """Maps like its own, as the model takes them."""
        tensor = maps.flatten(1, 2) if self.channel is None else maps.movedim(1, self.channel)
        return tensor.movedim(0, axis)


def sources(subject: Subject) -> list[Source]:
    """The sources of a subject, with their values at its samples."""
    values: dict[NodeId, Tensor] = dict(subject.named)
    read = [name for name in subject.sources if name not in values]
    if read:
        with torch.no_grad():
            values |= subject.run(nodes=read).values
    result = []
    for name in subject.sources:
        value = values[name].detach().movedim(subject.batch.axis, 0)
        tokens = name not in subject.floats
        if value.dim() < 2 and len(subject.sources) > 1:
            continue        # a number for each sample, as a step in time: it has no places
        if value.dim() < 2 or len(value) != subject.n:
            raise ArchvizError(f"{name} has nothing to slide a window over: its shape is {tuple(values[name].shape)}")
        channel = None if value.dim() == 2 else 1 if value.dim() > 3 or _convolved(subject, name) else value.dim() - 1
        maps = value[:, None] if channel is None else value.movedim(channel, 1)
        result.append(Source(name, maps, channel, tokens))
    return result


def _convolved(subject: Subject, name: NodeId) -> bool:
    """Whether a convolution reads that input: then its channels come before its places."""
    calls = subject.tape.calls
    return any(slide(call, subject.tape) is not None for call in calls
               if any(calls[ref.call].id == name for ref in call.operands()))


def read(targets: Targets, run: Ran) -> Tensor:
    """(targets, R): what the targets are in a run."""
    return torch.stack([target.read(run) for target in targets])


def perturbed(subject: Subject, targets: Targets, source: Source, count: int, covered: Covered, fill: Fill) -> Tensor:
    """(targets, N, W) float32: each sample with each of its `count` parts filled, put through the whole model."""
    def work(numbers: Tensor) -> Tensor:
        rows, parts = numbers // count, numbers % count
        first = torch.zeros((len(rows), len(source.shape)), dtype=torch.long, device=rows.device)
        maps = torch.where(covered(rows, parts)[:, None], fill(rows, parts, first, source.shape), source.maps[rows])
        return scored(subject, targets, rows, {source.name: source.tensor(maps, subject.batch.axis)})

    with torch.no_grad():
        scores = in_batches(subject.n * count, rows_at_once(subject), work, source.maps.device)
    return scores.view(-1, subject.n, count)


def under(boxes: Tensor, source: Source) -> Covered:
    """What lies under boxes (W, axes, 2)."""
    there = boxes.to(source.maps.device)
    return lambda samples, parts: inside(there[parts], source.shape)


def scored(subject: Subject, targets: Targets, rows: Tensor, replace: dict[NodeId, Tensor]) -> Tensor:
    """(targets, R): the targets of copies of samples with some sources replaced."""
    nodes = {target.node for target in targets if target.node}
    # Images with their channels last, which convolutions on processors are faster for.
    placed = {name: tensor.contiguous(memory_format=torch.channels_last if tensor.dim() == 4 else
                                      torch.contiguous_format) for name, tensor in replace.items()}
    return read(targets, subject.run(subject.batch.take(rows), nodes=nodes, replace=placed))


def token_filling(subject: Subject, source: Source, token: int | None) -> Fill:
    """What an occluded token's embedding is: that of `token`, else of the embedding's padding token, else zeros."""
    call = next(call for call in subject.tape.calls if call.node == source.name)
    weight = getattr(call.module, "weight", None)
    at = getattr(call.module, "padding_idx", None) if token is None else token
    if token is not None and (not isinstance(weight, Tensor) or not 0 <= token < len(weight)):
        raise ArchvizError(f"token: {source.name} holds no embedding of token {token}")
    row = weight[at].detach() if isinstance(weight, Tensor) and at is not None else source.maps.new_zeros(
        source.maps.shape[1])

    def fill(samples: Tensor, windows: Tensor, first: Tensor, size: Sequence[int]) -> Tensor:
        return row.to(source.maps.dtype).view(1, -1, 1).expand(len(samples), -1, *size)
    return fill


def followed(subject: Subject, targets: Targets, source: Source, boxes: Tensor, fill: Fill) -> tuple[Tensor, float]:
    """The same as `perturbed`, computing of each layer only what a box can reach; and the part of the work that is.

    Raises `Unable` where the graph does not allow that, or it would not pay.
    """
    if subject.batch.axis or source.channel != 1:
        raise Unable("its samples or channels are not in front")
    boxes = boxes.to(source.maps.device)
    scores, shares = [], []
    with torch.no_grad():
        for sample in range(subject.n):
            base = snapshot_of(subject, torch.tensor([sample]))
            plan = increment(base, source.name, boxes, _ends(subject, targets, base))
            if plan.share > _PAYS:
                raise Unable(f"windows reach {100 * plan.share:.0f} % of the work")
            scores.append(_one(subject, targets, plan, sample, fill))
            shares.append(plan.share)
    return torch.stack(scores, 1), sum(shares) / len(shares)


def _ends(subject: Subject, targets: Targets, base: Snapshot) -> tuple[Ref, ...]:
    """What the targets read."""
    if not all(target.node is None or target.node in base.named for target in targets):
        raise Unable("the target reads what was written through a view")
    nodes = [base.named[target.node] for target in targets if target.node]
    if all(target.node for target in targets):
        return tuple(dict.fromkeys(nodes))
    if callable(subject.spec) and type(base.result) not in (Tensor, tuple, list, dict):
        raise Unable("the target is a function of a result that a tape does not hold")
    return tuple(dict.fromkeys([*refs(base.tape.result), *nodes]))


def _one(subject: Subject, targets: Targets, plan: Increment, sample: int, fill: Fill) -> Tensor:
    """(targets, W) for one sample: patches in batches of few windows, what comes behind them in batches of more."""
    base, follower = plan.base, Follower(plan, sample)
    scores = torch.empty((len(targets), len(plan.boxes)), device=plan.boxes.device)

    def behind(windows: Tensor, cut: list[Tensor]) -> None:
        ends = dict(zip(plan.ends, (_rows(one) for one in follower.rest(cut)), strict=True))
        nodes = {target.node: ends[base.named[target.node]] for target in targets if target.node}
        ran = Run(mapped(base.tape.result, ends.get, Ref), torch.full_like(windows, sample), values=nodes)
        scores[:, windows] = read(targets, ran)

    def work(most: int) -> None:
        behind_at_once = min(_BEHIND * most, room)
        waiting: list[tuple[Tensor, list[Tensor]]] = []
        batches = plan.batches(most)
        for number, batch in enumerate(batches, 1):
            windows = batch.to(plan.boxes.device)
            waiting.append((windows, follower.front(windows, fill)))
            if number == len(batches) or sum(len(done) for done, _ in waiting) >= behind_at_once:
                done, cuts = zip(*waiting, strict=True)
                behind(torch.cat(done), [torch.cat(parts) for parts in zip(*cuts, strict=True)])
                waiting.clear()

    few, many = _FOLLOWED if subject.device.type == "cpu" else _FOLLOWED_ON_DEVICE
    room = subject.budget // plan.bytes
    most = max(1, min(max(few, min(many, _CACHED // plan.bytes)), room))
    while True:
        try:
            work(most)
            return scores
        except (MemoryError, RuntimeError) as error:
            if not ran_out(error):
                raise
            if most == 1:
                raise Unable("the patches of one window do not fit into memory") from None
        most = (most + 1) // 2


def _rows(value: Tensor) -> Tensor:
    if value.shape[1:2] != (1,):
        raise Unable("what the target reads does not count samples")
    return value.flatten(0, 1)


def effects(subject: Subject, targets: Targets, source: Source, boxes: Tensor, fill: Fill, incremental: bool = True,
            ) -> tuple[Tensor, float, str]:
    """The targets, (targets, N, W) float32, for each sample and box by the fastest way; how far a few are from whole
    passes; and what was done."""
    if incremental and not source.tokens:
        try:
            scores, share = followed(subject, targets, source, boxes, fill)
            error = _error(subject, targets, source, boxes, fill, scores)
            if error <= EXACT or source.maps.dtype != torch.float32:
                return scores, error, f"layers computed what a window reaches, {100 * share:.0f} % of the work"
            why = f"followed windows were {error:.0e} off"
        except Unable as reason:
            why = str(reason)
        except RuntimeError as reason:      # an op that torch.vmap has no rule for, too little memory
            why = str(reason).splitlines()[0]
        subject.step(f"occlude {source.name}: whole passes, as {why}")
    scores = perturbed(subject, targets, source, len(boxes), under(boxes, source), fill)
    error = _error(subject, targets, source, boxes, fill, scores)
    return scores, error, "every window went through the whole model"


def _error(subject: Subject, targets: Targets, source: Source, boxes: Tensor, fill: Fill, scores: Tensor) -> float:
    """The largest difference of `scores`, relative to the targets, to whole passes over three boxes."""
    most = int((scores - scores.mean(-1, keepdim=True)).abs().amax((0, 1)).argmax())
    some = torch.tensor(sorted({0, len(boxes) // 2, most}), device=scores.device)

    def chosen(samples: Tensor, windows: Tensor, first: Tensor, size: Sequence[int]) -> Tensor:
        return fill(samples, some[windows], first, size)

    due = perturbed(subject, targets, source, len(some), under(boxes[some.cpu()], source), chosen)
    return float((scores[..., some] - due).abs().amax() / due.abs().amax().clamp(min=1e-12))
