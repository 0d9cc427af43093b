"""Where values become fewer: sums of sums, concatenations that grow, means over places.

In: nodes by position, and the drawn operands of each.  Out: what stands for what.
"""
from __future__ import annotations

from archviz.core.graph import Edge, Node, reached
from archviz.passes._values import Operand

GATHERED = frozenset("index_add scatter_add scatter_reduce index_reduce segment_reduce".split())
"""Functions that sum what an index sends to one place: messages along the edges of a graph, if it is an input."""

ADDED = frozenset(("index_add", "scatter_add"))
"""Those of them that add one value to some places of another: several make a sum."""


def pools(node: Node, operands: list[Operand]) -> bool:
    """A mean or sum over the image or over the tokens, not one over the channels."""
    if node.op not in ("mean", "sum", "max", "amax", "logsumexp") or len(operands) != 1 or not node.out:
        return False
    before = operands[0][1].tensor
    if before is None or len(before.shape) not in (3, 4, 5):
        return False
    after, sizes = node.out[0].shape, before.shape
    # where nothing else is known, tokens have their channels last and images either way
    channels = (before.axes.find("C"),) if "C" in before.axes else (2,) if len(sizes) == 3 else (1, len(sizes) - 1)
    kept = [(sizes[0], sizes[c]) for c in channels]
    ones = [tuple(size if i in (0, c) else 1 for i, size in enumerate(sizes)) for c in channels]
    return after in kept or after in ones


def joined_sums(nodes: list[Node], inputs: dict[int, list[Operand]], sums: set[int]) -> dict[int, int]:
    """Let a + b + c be one sum: one that feeds nothing but a sum beside it joins that one; what joined what."""
    users: dict[int, set[int]] = {}
    for i, operands in inputs.items():
        for source, _ in operands:
            users.setdefault(source, set()).add(i)
    into: dict[int, int] = {}
    for i in sorted(inputs):
        after = next(iter(users.get(i, ())), None)
        if (i in sums and after is not None and len(users[i]) == 1 and after in sums
                and nodes[after].scope == nodes[i].scope and sum(source == i for source, _ in inputs[after]) == 1):
            inputs[after] = [pair for source, edge in inputs[after]
                             for pair in (inputs[i] if source == i else [(source, edge)])]
            for source, _ in inputs[i]:
                users[source] = {after if user == i else user for user in users[source]}
            del inputs[i]
            into = {key: after if value == i else value for key, value in into.items()} | {i: after}
    return into


def running_cats(nodes: list[Node], inputs: dict[int, list[Operand]]) -> None:
    """Let cat(a, b, c) continue an earlier cat(a, b) that leads to c: dense connections read as one growing value."""
    cats: dict[tuple[int, ...], int] = {}
    for i in sorted(inputs):
        if nodes[i].kind != "cat":
            continue
        sources = tuple(source for source, _ in inputs[i])
        cats.setdefault(sources, i)
        for length in range(len(sources) - 1, 1, -1):
            before = cats.get(sources[:length])
            if before is not None and nodes[before].attrs.get("dim") == nodes[i].attrs.get("dim"):
                if _leads(inputs, before, [source for source, _ in inputs[i][length:]]):
                    tensor = nodes[before].out[0] if nodes[before].out else None
                    inputs[i] = [(before, Edge("", "", tensor)), *inputs[i][length:]]
                break


def _leads(inputs: dict[int, list[Operand]], start: int, goals: list[int]) -> bool:
    """Whether a path runs from `start` to one of `goals`."""
    return start in {*goals} | reached(goals, lambda i: (src for src, _ in inputs.get(i, ()) if src >= start))
