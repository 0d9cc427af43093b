"""The layers of a network that a picture shows one after the other: what each is called, and what it gave.

In: a recording, and the figure of the model where there is one.  Out: `Activation`, in the order of the network.

With a figure the layers are its boxes, in its words; a box shows what its last operation gives.  Without one they are
what was recorded, each under the name of its operation.  What changes no number is no layer: an identity, a dropout at
inference, a view, an output.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archviz.core import text
from archviz.core.errors import ArchvizError, did_you_mean
from archviz.core.graph import Node, NodeId
from archviz.drawing.labels import looks
from archviz.insight.painting.of_drawn import mapped
from archviz.insight.painting.pixels import shaped
from archviz.style.style import Style

Array = NDArray[Any]
MOVED = frozenset(("output", "parameter", "cat"))     # kinds that compute nothing, or are no layer
SCORES = frozenset(("linear", "softmax", "conv", "pool", "reduce", "act", "math", "add", "module", "opaque"))


@dataclass(frozen=True)
class Activation:
    """One of them.

    words     what is written above it
    more      what else is computed before its values are there: BN, ReLU
    form      ``map`` (C, H, W), ``table`` (rows, columns) or ``vector``
    values    of one sample
    copies    for how many equal ones it stands
    deep      of maps that are slices of volumes: how many slices there are
    scores    whether what it gives, as the last one, may be the scores of classes
    """

    id: str
    words: tuple[str, ...]
    more: str
    form: str
    values: Array
    is_input: bool = False
    copies: int = 1
    deep: int = 0
    scores: bool = True

    @property
    def size(self) -> str:
        """``16@32×32``, ``197×768``, ``10``."""
        shape = self.values.shape
        if self.form != "map":
            return "×".join(map(str, shape))
        return f"{shape[0]}@{f'{self.deep}×' if self.deep else ''}{shape[1]}×{shape[2]}"

    @property
    def picture(self) -> bool:
        """Whether it is an image one can look at."""
        return self.is_input and self.form == "map" and len(self.values) in (1, 3)


def layers(one: Any, style: Style, figure: Any, nodes: str, sample: int) -> list[Activation]:
    """The inputs, and the layers with values that `nodes`, a glob, names; `ArchvizError` where there are none."""
    maps = {key: np.asarray(array) for key, array in one.maps.items()}
    if not maps:
        raise ArchvizError(f"{one.title} holds no values to draw", 'record them: reduce=["values"]')
    every = list(_distinct(_boxes(maps, figure, style, sample) if figure else _recorded(one, maps, style, sample)))
    inner = [layer for layer in every if not layer.is_input]
    chosen = [layer for layer in inner if layer.id == nodes or fnmatchcase(layer.id, nodes)]
    if not chosen:
        raise ArchvizError(f"no layer with values is named {nodes}", did_you_mean(nodes, [one.id for one in inner]))
    # Ids are numbers without an order: a strip of them would say nothing.
    inputs = [layer for layer in every if layer.is_input and (layer.picture or layer.values.dtype.kind == "f")]
    return [*inputs, *chosen]


def _boxes(maps: Mapping[str, Array], figure: Any, style: Style, sample: int) -> Iterator[Activation]:
    """What the figure draws, where its values are known."""
    graph = figure.drawn
    arrays, look = mapped([graph], maps), looks(graph, figure.drawing.style)
    for node in sorted(graph.nodes, key=lambda node: node.index):
        if node.kind in MOVED or node.id not in arrays:
            continue
        values = arrays[node.id]
        key = next(key for key, array in maps.items() if array is values or np.may_share_memory(array, values))
        axes = next((spec.axes for spec in node.out if len(spec.shape) == values.ndim), "")
        layer = _layer(node.id, _words(node, look[node.id].lines), _more(node, key, style), values[sample], axes,
                       node.kind == "input")
        # Where an activation follows in its box, more layers are to come.
        act = "act" in node.attrs.get("fused_kinds", ()) and not {"sigmoid", "Sigmoid"} & set(node.attrs["fused"])
        yield replace(layer, copies=node.repeat, scores=node.kind in SCORES and not act)


def _words(node: Node, lines: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What its box says, without the size of an input; where it goes on below in smaller type, after a comma."""
    if not lines:
        return (text.pretty(node.op),)
    kept = lines[:1] if node.kind == "input" else lines
    return tuple(f"{line}," if role != "sublabel" and after == "sublabel" else line
                 for (line, role), (_, after) in zip(kept, [*kept[1:], ("", "")], strict=True))


def _more(node: Node, key: NodeId, style: Style) -> str:
    """The operations in a box after its first one, as far as the one whose values are known."""
    ops = node.attrs.get("fused", ())
    last = next((i for i, part in enumerate(node.inside) if key in part.members), len(node.inside))
    done = ops if last + 1 >= len(node.inside) else ops[:last]
    return ", ".join(text.caption(style.captions, op, {}) for op in done)


def _recorded(one: Any, maps: Mapping[str, Array], style: Style, sample: int) -> Iterator[Activation]:
    """All that was recorded, in the order in which it ran."""
    ops = getattr(one, "ops", {})
    spelt = {key.lower(): key for key in style.captions}      # a recording spells layers in lower case
    for key, values in maps.items():
        op = "output" if key.startswith("/out:") else ops.get(key, "")
        if op not in MOVED and key:
            is_input = key.startswith("/in:")
            caption = text.caption(style.captions, spelt.get(op.lower(), op), {}) if op else key
            word = text.clean(key.removeprefix("/in:")) if is_input else caption
            yield _layer(key, (word,), "", values[sample], "NCDHW" if values.ndim == 5 else "", is_input)


def _layer(key: str, words: tuple[str, ...], more: str, values: Array, axes: str, is_input: bool) -> Activation:
    deep = values.shape[1] if axes == "NCDHW" else 0
    if deep:
        values, axes = values[:, deep // 2], "NCHW"
    form, plain = shaped(values, axes if axes or values.ndim != 2 else "NLC")
    plain = plain if values.dtype.kind == "f" else plain.astype(values.dtype)
    return Activation(key, words, more, form, plain, is_input, deep=deep if form == "map" else 0)


def _distinct(candidates: Iterator[Activation]) -> Iterator[Activation]:
    """Without layers that give the numbers of the one before them."""
    before: Activation | None = None
    for layer in candidates:
        if before is not None and np.array_equal(before.values.ravel(), layer.values.ravel(), equal_nan=True):
            continue
        yield layer
        before = layer


def scored(shown: list[Activation]) -> Activation | None:
    """The layer that holds the scores of classes: the last one, if it is a vector that nothing has squashed."""
    last = shown[-1]
    return last if last.form == "vector" and last.scores and last.values.size > 1 and not last.is_input else None
