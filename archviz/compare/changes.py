"""What differs between two models, as values, and in words: a table, a summary in Markdown, JSON.

In: `Twins`, or two traces.  Out: `Difference`.

Every operation of both models is accounted for once, in a change or among what is the same; so the parameters of the
old model and those of all changes add up to those of the new one.
"""
from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from archviz.compare.pairs import Count, Property, Twin, Twins, counts, join, leaves
from archviz.compare.tree import unnumbered
from archviz.core import text
from archviz.core.graph import Graph, NodeId
from archviz.figure.caption.markup import md

SIGNS = {"added": "+", "removed": "−", "changed": "~", "renamed": "→"}
LONGEST = 60        # characters of a module's path in the table


@dataclass(frozen=True)
class Change:
    """One thing that differs: a layer, or a module that is new or gone as a whole.

    Attributes
    ----------
    kind : str
        ``added``, ``removed``, ``changed`` or ``renamed``.
    path : str
        The qualified path in the new model; of what is removed, in the old one.
    was : str
        The path in the old model, where it is another one, else empty.
    op : str
        The class, or the function.
    details : tuple of Property
        What has changed: name, old and new value.
    params, macs : tuple of int
        In the old model and in the new one.
    ids : tuple of (str, str)
        The operations it accounts for: old and new id, empty for what one of the models has not.
    """

    kind: str
    path: str
    was: str = ""
    op: str = ""
    details: tuple[Property, ...] = ()
    params: tuple[int, int] = (0, 0)
    macs: tuple[int, int] = (0, 0)
    ids: tuple[tuple[NodeId, NodeId], ...] = ()


@dataclass(frozen=True)
class Difference:
    """What differs between two models; false where nothing does.

    Attributes
    ----------
    old, new : str
        What the two models are called.
    changes : tuple of Change
        In the order of the new model.
    counts : tuple of Count
        Where there are more or fewer equal blocks; these are among the changes, too.
    same : tuple of (str, str)
        The operations that are the same: old and new id.
    params, macs : tuple of int
        Of the old and of the new model.
    figure : Figure or None
        Both models as one figure; None where nothing differs, and in what `difference` gives.
    """

    old: str
    new: str
    changes: tuple[Change, ...] = ()
    counts: tuple[Count, ...] = ()
    same: tuple[tuple[NodeId, NodeId], ...] = ()
    params: tuple[int, int] = (0, 0)
    macs: tuple[int, int] = (0, 0)
    figure: Any = field(default=None, compare=False)

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def name(self) -> str:
        """Both models: ``ResNet-18 → ResNet-34``, or what they are both called."""
        return self.old if self.old == self.new else f"{self.old} → {self.new}"

    def summary(self) -> str:
        """One line: how many layers were added, removed, changed and renamed."""
        if not self.changes:
            return f"no difference: {_named(self.old)} and {_named(self.new)} are the same"
        counts = Counter(change.kind for change in self.changes)
        numbers = [f"{counts[kind]} {kind}" for kind in SIGNS if counts[kind]]
        return f"{_named(self.name)}: {', '.join(numbers)}; {_both(self.params)} parameters, {_both(self.macs)} MACs"

    def table(self) -> str:
        """What differs as aligned lines: changes, block counts, parameters and multiply-accumulates (MACs)."""
        if not self:
            return self.summary()
        head = ("", "layer", "what", "parameters", "", "MACs", "")
        lines = [head]
        for row in rows(self.changes):
            times = f" ×{row.times}" if row.times > 1 else ""
            path = row.path if len(row.path) <= LONGEST else f"…{row.path[1 - LONGEST:]}"
            lines.append((SIGNS[row.change.kind], path + times, row.what, *_numbers(row.params), *_numbers(row.macs)))
        if rest := self._elsewhere:
            lines.append(("", "other layers", "other sizes of tensors", "", "", "", _delta((0, rest))))
        lines.append(("", "total", "", *_numbers(self.params, True), *_numbers(self.macs, True)))
        widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
        shown = ["  ".join(word.rjust(wide) if i > 2 and i != 3 and i != 5 else word.ljust(wide)
                           for i, (word, wide) in enumerate(zip(line, widths, strict=True))).rstrip() for line in lines]
        counts = [f"{one.path or 'blocks'}: {one.op} ×{one.old} → {one.new}" for one in self.counts]
        return "\n".join([self.summary(), "", *([*counts, ""] if counts else []), *shown])

    def markdown(self) -> str:
        """What differs as Markdown, as code hosts show it."""
        title = f"### {md(_named(self.name))}"
        if not self:
            return f"{title}\n\nNo difference.\n"
        lines = [title, "", "| | old | new | |", "|---|---:|---:|---:|"]
        for name, (old, new) in (("parameters", self.params), ("MACs", self.macs)):
            share = f" ({(new / old - 1) * 100:+.1f} %)".replace("-", "−") if old and old != new else ""
            lines.append(f"| {name} | {old:,} | {new:,} | {_delta((old, new))}{share} |")
        if self.counts:
            lines += ["", "| blocks | | old | new |", "|---|---|---:|---:|"]
            lines += [f"| {_code(one.path or 'model')} | {md(one.op)} | {one.old} | {one.new} |" for one in self.counts]
        told = rows(self.changes)
        for kind in SIGNS:
            if group := [row for row in told if row.change.kind == kind]:
                lines += ["", f"**{kind.capitalize()}**", "", *_section(kind, group)]
        if rest := self._elsewhere:
            lines += ["", f"Layers that are the same work on tensors of another size: {_delta((0, rest))} MACs."]
        return "\n".join(lines) + "\n"

    @property
    def _elsewhere(self) -> int:
        """MACs that layers cost more, or less, which are the same but work on tensors of another size."""
        return self.macs[1] - self.macs[0] - sum(change.macs[1] - change.macs[0] for change in self.changes)

    def to_json(self) -> str:
        """All of it but the figure, as JSON text."""
        value = asdict(replace(self, figure=None))
        ordered = {key: value[key] for key in ("old", "new", "params", "macs", "counts", "changes", "same")}
        return json.dumps({"format": "archviz-diff", "version": 1, **ordered}, ensure_ascii=False, indent=1) + "\n"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        """What a notebook shows: the figure, and the table where it shows only words."""
        shown = self.figure._repr_mimebundle_(include, exclude) if self.figure is not None else {}
        return {**shown, "text/plain": self.table()}


def difference(old: Graph, new: Graph) -> Difference:
    """What differs between two traces."""
    return of_twins(join(old, new))


def of_twins(both: Twins) -> Difference:
    """The same of two models that are side by side already."""
    changes = tuple(_changes(both.root))
    changed = {pair for change in changes for pair in change.ids}
    same = tuple((one.old.id, one.new.id) for one in leaves(both.root)
                 if one.old and one.new and (one.old.id, one.new.id) not in changed)
    old, new = both.one, both.other
    return Difference(text.clean(old.name), text.clean(new.name), changes, tuple(counts(both)), same,
                      (old.params, new.params), (old.flops // 2, new.flops // 2))


def _changes(twin: Twin) -> Iterator[Change]:
    if twin.kind in ("added", "removed") and twin.whole:
        yield _change(twin, list(leaves(twin)))
        return
    inner = [change for one in twin.inner for change in _changes(one)]
    if twin.kind in ("changed", "renamed"):
        changed = {pair for change in inner for pair in change.ids}
        rest = [one for one in leaves(twin) if _ids(one) not in changed]
        yield _change(twin, rest if twin.kind == "renamed" or twin.either.leaf is not None else [])
    yield from inner        # of a module put around layers that were there: that these are renamed


def _ids(twin: Twin) -> tuple[NodeId, NodeId]:
    return twin.old.id if twin.old else "", twin.new.id if twin.new else ""


def _change(twin: Twin, operations: Sequence[Twin]) -> Change:
    before = [node for one in operations if one.old for node in one.old.nodes]
    after = [node for one in operations if one.new for node in one.new.nodes]
    old, new, details = twin.old, twin.new, twin.details
    if old and new and twin.kind == "renamed" and old.op != new.op and old.leaf is None:
        details = (Property("class", old.op, new.op),)
    path = _path(twin.either.id, twin.either.path)
    was = _path(old.id, old.path) if old and twin.renamed and old.path != twin.either.path else ""
    return Change(twin.kind, path, was, twin.either.op, details,
                  (sum(node.params for node in before), sum(node.params for node in after)),
                  (sum(node.flops for node in before) // 2, sum(node.flops for node in after) // 2),
                  tuple(_ids(one) for one in operations))


def _path(key: NodeId, path: str) -> str:
    return text.clean(path if "@" not in key or "/" not in key else key)


@dataclass(frozen=True)
class _Row:
    """Changes that are told together, as they differ in the numbers of their paths only."""

    change: Change
    times: int
    path: str
    was: str

    @property
    def params(self) -> tuple[int, int]:
        return self.change.params[0] * self.times, self.change.params[1] * self.times

    @property
    def macs(self) -> tuple[int, int]:
        return self.change.macs[0] * self.times, self.change.macs[1] * self.times

    @property
    def what(self) -> str:
        """What has changed: ``kernel_size 3 → 5``; a renaming has its old path."""
        change = self.change
        words = [f"was {self.was}"] if self.was else []
        words += [in_words(detail) for detail in change.details]
        return ", ".join(words) or (change.op if change.kind in ("added", "removed") else "")


def rows(changes: Iterable[Change]) -> list[_Row]:
    """The changes, with equal ones of several layers together."""
    groups: dict[tuple[Any, ...], list[Change]] = {}
    for change in changes:
        key = (change.kind, unnumbered(change.path), unnumbered(change.was), change.op, repr(change.details),
               change.params, change.macs)
        groups.setdefault(key, []).append(change)
    return [_Row(group[0], len(group), _spread([change.path for change in group]),
                 _spread([change.was for change in group])) for group in groups.values()]


def _spread(paths: Sequence[str]) -> str:
    """Paths as one: ``layers.{0..11}.norm``; a number that is any of several is given as a range, or as a list."""
    parts = [re.findall(r"\d+|\D+", path) for path in paths]     # numbers, and what is between them
    spread = []
    for column in zip(*parts, strict=True):
        seen = list(dict.fromkeys(column))
        numbers = sorted(int(one) for one in seen) if len(seen) > 1 else []
        if not numbers:
            spread.append(seen[0])
        elif numbers == list(range(numbers[0], numbers[-1] + 1)) and len(numbers) > 2:
            spread.append(f"{{{numbers[0]}..{numbers[-1]}}}")
        else:
            spread.append(f"{{{','.join(map(str, numbers))}}}")
    return "".join(spread)


def in_words(detail: Property) -> str:
    """``num_heads 12 → 8``."""
    return f"{detail.name} {value(detail.old)} → {value(detail.new)}"


def value(of: Any) -> str:
    """A hyper-parameter as a reader writes it: lists of equal numbers as one."""
    if of is None or of == []:
        return "none"
    if isinstance(of, bool):
        return "yes" if of else "no"
    if isinstance(of, (list, tuple)):
        each = [value(one) for one in of]
        return each[0] if len(set(each)) == 1 and len(each) > 1 else "×".join(each) if all(
            isinstance(one, int) for one in of) else ", ".join(each)
    return f"{of:.4g}" if isinstance(of, float) else text.clean(str(of))


def _named(name: str) -> str:
    return name or "the model"


def _both(numbers: tuple[int, int]) -> str:
    """``11.7M → 21.8M``, or one number where both are the same."""
    return text.units(numbers[0]) if numbers[0] == numbers[1] else " → ".join(map(text.units, numbers))


def _delta(numbers: tuple[int, int]) -> str:
    more = numbers[1] - numbers[0]
    return f"+{text.units(more)}" if more > 0 else text.units(more) if more else "0"


def _numbers(numbers: tuple[int, int], always: bool = False) -> tuple[str, str]:
    """The two columns about parameters, or MACs; what is new or gone as a whole needs only the second."""
    if not always and not all(numbers):
        return "", _delta(numbers) if any(numbers) else ""
    return _both(numbers), _delta(numbers)


def _section(kind: str, group: Sequence[_Row]) -> Iterator[str]:
    counted = any(any(row.params) for row in group)
    heads = ["old name", "new name"] if kind == "renamed" else ["layer", "what"]
    yield "| " + " | ".join([*heads, *(["parameters", ""] if counted and kind != "renamed" else [])]) + " |"
    yield "|---|---|" + ("---:|---:|" if counted and kind != "renamed" else "")
    for row in group:
        times = f" ×{row.times}" if row.times > 1 else ""
        if kind == "renamed":
            classes = [md(in_words(detail)) for detail in row.change.details]
            cells = [_code(row.was or row.path), ", ".join([f"{_code(row.path)}{times}", *classes])]
        else:
            cells = [f"{_code(row.path)}{times}", md(row.what)]
            cells += list(_numbers(row.params)) if counted else []
        yield f"| {' | '.join(cells)} |"


def _code(words: str) -> str:
    """A path as code, within a table."""
    fence = "``" if "`" in words else "`"
    padded = f" {words} " if "`" in words else words
    return fence + padded.replace("|", "\\|") + fence
