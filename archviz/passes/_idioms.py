"""Thickets of operations that have one name: attention, an activation or a norm written by hand.

In: a `Flow`.  Out: `Idiom` values: which positions form one node, and how that node is called.
Patterns are about operations and shapes; no class of a known model is named.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from math import isqrt, prod
from os.path import commonprefix
from typing import Any

from archviz.core.graph import Module, NodeId, TensorSpec
from archviz.passes._rotary import rotated
from archviz.passes._values import DATA, INDEX, WEIGHT, Flow

PRODUCTS = frozenset("matmul bmm baddbmm einsum mm".split())
"""Functions that multiply two computed matrices."""

PLAIN = frozenset("dropout view cast index mask identity math add mul".split())
"""Kinds that may stand between the parts of an idiom."""

ELEMENTARY = PLAIN | {"act", "reduce", "parameter", "constant", "size", "softmax"}
"""Kinds of which a norm or an activation is written."""

CURVES = frozenset("exp tanh erf sigmoid log1p softplus relu gelu silu clamp pow square".split())


SELF_GATED = {"sigmoid": "silu", "Sigmoid": "SiLU", "hardsigmoid": "hardswish"}
"""What x · f(x) is called, by f; by default it is a GELU."""


@dataclass(frozen=True)
class Idiom:
    """Positions `parts` read as one node of this `op` and `kind`, whose value is that of `last`.

    `out` is what a reader takes that value to be, where it is split into heads and the like on the way.
    """

    op: str
    kind: str
    parts: frozenset[int]
    last: int
    scope: tuple[NodeId, ...]
    attrs: Mapping[str, Any] = field(default_factory=dict)
    out: tuple[TensorSpec, ...] = ()


def idioms(flow: Flow, modules: Mapping[NodeId, Module]) -> list[Idiom]:
    """All idioms, without overlaps."""
    disjoint: list[Idiom] = []
    taken: set[int] = set()
    for idiom in (*_attentions(flow), *_rotations(flow), *_waves(flow), *_elementary(flow, modules),
                  *_activations(flow), *_patches(flow)):
        if not taken & idiom.parts and _convex(flow, idiom.parts):
            disjoint.append(idiom)
            taken |= idiom.parts
    return disjoint


def heads(flow: Flow, product: int, width: int | None = None) -> dict[str, Any]:
    """How many heads an attention has, from four axes [N, heads, length, dim] of queries and keys.

    `width` leaves out operands of another last axis: a bias that was handed in among them.
    """
    shapes = [edge.tensor.shape for _, edge in flow.operands[product] if edge.tensor is not None]
    shapes = [shape for shape in shapes if width is None or shape[-1:] == (width,)]
    if len(shapes) < 2 or len(shapes[0]) != 4 or len(shapes[1]) != 4:
        return {}
    counts = {"num_heads": shapes[0][1], "head_dim": shapes[0][3]}
    return counts if shapes[1][1] == shapes[0][1] else {**counts, "num_key_value_heads": shapes[1][1]}


def _attentions(flow: Flow) -> Iterable[Idiom]:
    """softmax(q kᵀ) v, whatever scaling, mask, bias and dropout stand in between."""
    for i, node in enumerate(flow.nodes):
        if node.kind != "softmax" or not flow.bits[i] & DATA:
            continue
        before = _up(flow, i, 12, set())
        after = _down(flow, i, 8, set())
        if before is None or after is None:
            continue
        parts = frozenset((*before, i, *after))
        scope = common(flow.nodes[j].scope for j in parts)
        yield Idiom("attention", "attention", parts, after[-1], scope, heads(flow, before[-1]))


def _patches(flow: Flow) -> Iterable[Idiom]:
    """Places that become channels: slices of one tensor, each every second place, one behind the other."""
    for i, node in enumerate(flow.nodes):
        slices = [source for source, _ in flow.operands[i]] if node.kind == "cat" else []
        side = isqrt(len(slices))
        if side < 2 or side ** 2 != len(slices) or any(flow.nodes[source].kind != "index" for source in slices):
            continue
        whole = [flow.operands[source] for source in slices]
        shapes = {edge.tensor.shape for operands in whole for _, edge in operands if edge.tensor is not None}
        alone = len({source for operands in whole for source, _ in operands}) == 1 and flow.bits[i] & DATA
        if alone and node.out and {prod(shape) for shape in shapes} == {prod(node.out[0].shape)}:
            parts = frozenset((i, *slices))
            yield Idiom("space_to_depth", "math", parts, i, common(flow.nodes[j].scope for j in parts), {"size": side})


def _computed(flow: Flow, i: int) -> list[int]:
    return [src for src, _ in flow.operands[i] if flow.bits[src] & DATA]


def _up(flow: Flow, i: int, steps: int, seen: set[int]) -> list[int] | None:
    """From `i` up to the product it derives from, through plain operations."""
    for src in dict.fromkeys(_computed(flow, i)):
        if src in seen:
            continue
        seen.add(src)
        if flow.nodes[src].op in PRODUCTS and flow.nodes[src].kind in ("matmul", "linear"):
            if sum(bool(flow.bits[s] & (DATA | WEIGHT)) for s, _ in flow.operands[src]) >= 2:
                return [src]
        elif steps and flow.nodes[src].kind in PLAIN:
            above = _up(flow, src, steps - 1, seen)
            if above is not None:
                return [src, *above]
    return None


def _down(flow: Flow, i: int, steps: int, seen: set[int]) -> list[int] | None:
    """From `i` down to the product that uses it, through plain operations."""
    for user in flow.users[i]:
        node = flow.nodes[user]
        if user in seen:
            continue
        seen.add(user)
        if node.op in PRODUCTS and node.kind in ("matmul", "linear"):
            return [user]
        if steps and node.kind in PLAIN and node.kind not in ("add",) and len(_computed(flow, user)) == 1:
            below = _down(flow, user, steps - 1, seen)
            if below is not None:
                return [user, *below]
    return None


def _elementary(flow: Flow, modules: Mapping[NodeId, Module]) -> Iterable[Idiom]:
    """A module of one data input and one output that holds nothing but elementwise work: a norm, or an activation."""
    inside: dict[NodeId, list[int]] = {}
    plain: dict[NodeId, bool] = {}
    for i, node in enumerate(flow.nodes):
        for frame in node.scope:
            inside.setdefault(frame, []).append(i)
            plain[frame] = plain.get(frame, True) and (node.kind in ELEMENTARY or not flow.bits[i] & (DATA | WEIGHT))
    frames = [frame for frame in inside if plain[frame] and frame in modules]
    for frame in sorted(frames, key=lambda frame: (len(modules[frame].scope), inside[frame][0])):
        parts = frozenset(i for i in inside[frame] if flow.bits[i] & (DATA | WEIGHT))
        if idiom := _written(flow, modules[frame], parts):
            yield idiom


def _written(flow: Flow, module: Module, parts: frozenset[int]) -> Idiom | None:
    """What a module of elementwise work is, if it makes one value of another of the same shape."""
    sources = {src for i in parts for src in _computed(flow, i) if src not in parts}
    leaving = [i for i in sorted(parts) if flow.bits[i] & DATA and any(u not in parts for u in flow.users[i])]
    if len(sources) != 1 or len(leaving) != 1:
        return None
    ends = flow.nodes[sources.pop()], flow.nodes[leaving[0]]
    if not all(end.out for end in ends) or ends[0].out[0].shape != ends[1].out[0].shape:
        return None
    kind = _nature({flow.nodes[i].op for i in parts}, {flow.nodes[i].kind for i in parts})
    work = sum(flow.nodes[i].kind in ("math", "mul", "add", "act", "reduce") for i in parts)
    return Idiom(module.cls, kind, parts, leaving[0], module.scope) if kind and work > 1 else None


def _nature(ops: set[str], kinds: set[str]) -> str:
    if "softmax" in kinds:
        return ""
    spread = ops & {"sqrt", "var", "std", "norm", "vector_norm", "linalg_vector_norm"}
    if ops & {"rsqrt", "normalize"} or (spread and "div" in ops):
        return "norm"
    if "reduce" in kinds:
        return ""
    return "act" if "act" in kinds or ops & CURVES else ""


def _activations(flow: Flow) -> Iterable[Idiom]:
    """x · f(x): swish, mish, GELU by hand."""
    for i, node in enumerate(flow.nodes):
        if node.op != "mul" or not flow.bits[i] & DATA:
            continue
        computed = _computed(flow, i)
        if len(computed) != 2:
            continue
        for curved, plain in (computed, computed[::-1]):
            if len(flow.nodes[plain].out) > 1:      # one half gates the other: not one value
                break
            anchors = {plain, *_trail(flow, plain, node.scope)}
            line = _trail(flow, curved, node.scope, anchors)
            curve = [j for j in line if flow.nodes[j].kind == "act"]
            if len(curve) != 1 or not anchors & set(_computed(flow, line[-1])):
                continue
            parts = frozenset((i, *line))
            if all(set(flow.users[j]) <= parts for j in line):
                yield Idiom(SELF_GATED.get(flow.nodes[curve[0]].op, "gelu"), "act", parts, i, node.scope)
            break


def _trail(flow: Flow, i: int, scope: tuple[NodeId, ...], until: Collection[int] = ()) -> list[int]:
    """`i` and what lies above it in one line of elementwise work, as far as `until`."""
    trail: list[int] = []
    while i not in until and flow.nodes[i].scope == scope and len(flow.nodes[i].out) == 1 and len(trail) < 8:
        above = dict.fromkeys(_computed(flow, i))
        if flow.nodes[i].kind not in ("math", "act", "add", "mul", "cast", "identity") or len(above) != 1:
            break
        trail.append(i)
        i = next(iter(above))
    return trail


def _waves(flow: Flow) -> Iterable[Idiom]:
    """Sines and cosines of one value, joined: the embedding of a time or of coordinates."""
    for i, node in enumerate(flow.nodes):
        if node.op not in ("cat", "stack") or not flow.bits[i] & (DATA | INDEX):
            continue
        parts = {i, *(part for src, _ in flow.operands[i] for part in _to_wave(flow, src))}
        waves = {j for j in parts if flow.nodes[j].op in ("sin", "cos")}
        if len({flow.nodes[j].op for j in waves}) == 2:
            between = {j for j in parts if min(waves) <= j and flow.bits[j] & (DATA | INDEX)}
            inside = frozenset(j for j in between if j in waves or any(s in between for s, _ in flow.operands[j]))
            yield Idiom("sinusoidal", "embedding", inside, i, node.scope)


def _to_wave(flow: Flow, i: int) -> Iterable[int]:
    """`i` and what lies above it, as far as a sine or cosine, but four at most."""
    for _ in range(4):
        yield i
        if flow.nodes[i].op in ("sin", "cos") or flow.nodes[i].kind not in PLAIN or not flow.operands[i]:
            break
        i = flow.operands[i][0][0]


def _rotations(flow: Flow) -> Iterable[Idiom]:
    """Pairs of features that are turned by angles: the rotary embedding of positions."""
    for source, parts, last in rotated(flow):
        scope = common((flow.nodes[source].scope, flow.nodes[last].scope))
        yield Idiom("rotary", "embedding", parts, last, scope, {}, flow.nodes[source].out)


def common(scopes: Iterable[tuple[NodeId, ...]]) -> tuple[NodeId, ...]:
    """The longest scope that holds all of them."""
    return tuple(commonprefix([*scopes]))


def _convex(flow: Flow, parts: frozenset[int]) -> bool:
    """Whether no path leaves `parts` and comes back: only then can one node stand for them."""
    outside: set[int] = set()
    for i in range(min(parts), max(parts) + 1):
        sources = {src for src, _ in flow.operands[i]}
        if i not in parts and not (sources.isdisjoint(parts) and sources.isdisjoint(outside)):
            outside.add(i)
        elif i in parts and sources & outside:
            return False
    return True
