"""What is written in a figure: the lines of each box, and the shapes beside the arrows.

In: a graph, a style.  Out: a `Look` per node, which a form then draws.
"""
from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archviz.core import text
from archviz.core.graph import (
    JOINTS,
    SOURCES,
    Edge,
    Graph,
    Module,
    Node,
    NodeId,
    TensorSpec,
    hands_on,
    own_repeat,
    skips,
)
from archviz.core.naming import titles
from archviz.style.style import Kind, Style

WIDTH_OF_INPUT = frozenset(("in_channels", "in_features", "num_features", "input_size"))
"""Hyper-parameters that follow from the layer before."""

SHORT = {"normalized_shape": "", "num_features": "", "num_channels": "", "embed_dim": "width", "hidden_size": "width",
         "in_channels": "in", "in_features": "in", "input_size": "in", "num_heads": "heads", "bias": "bias",
         "num_attention_heads": "heads", "elementwise_affine": "affine"}
"""What a hyper-parameter is called in a label; empty where its values say it."""


@dataclass(frozen=True, slots=True)
class Look:
    """What is drawn for one node: its lines of text (string, role), its shape, the stripes of what is fused into it."""

    kind: Kind
    lines: tuple[tuple[str, str], ...]
    glyph: bool = False
    bands: tuple[str, ...] = ()
    stack: bool = False
    arrow: str = ""  # written beside the arrow that enters
    bar: bool = False  # across all that enters
    names: Mapping[str, str] = field(default_factory=dict)  # of stripes that stand for one activation among several


def looks(graph: Graph, style: Style) -> dict[NodeId, Look]:
    """What to draw for each node, in the words and shapes of `style`."""
    names = titles(graph, style.titles)
    arrows = arrow_labels(graph)
    several = len({name for node in graph.nodes for _, name in _activations(node, style)}) > 1
    drawn = {node.id: _look(node, graph, style, names, arrows.get(node.id, ""), several) for node in graph.nodes}
    for node, look in ((graph.by_id[key], drawn[key]) for key in _bars(graph, style)):
        lines = look.lines or ((text.caption(style.captions, node.op, node.attrs), "label"),)
        drawn[node.id] = replace(look, glyph=False, bar=True, lines=lines)
    for key, word in _reused(graph).items():
        (first, role), *rest = drawn[key].lines or (("", ""),)
        words = style.captions[word]
        if word == "tied" and first:
            drawn[key] = replace(drawn[key], lines=((first, role), *rest, (words, "sublabel")))
        elif first and words not in first:
            drawn[key] = replace(drawn[key], lines=((f"{first}, {words}", role), *rest))
    return drawn


def _reused(graph: Graph) -> dict[NodeId, str]:
    """Boxes whose weights are those of another box as well, and the caption for it; not where their frames say so."""
    calls = Counter(module.path for module in graph.modules.values())
    words: dict[NodeId, str] = {}
    for node in graph.nodes:
        owner = graph.by_id.get(graph.owner.get(node.shared or "", ""))
        told = any(calls[graph.modules[key].path] > 1 for key in node.scope)
        if owner is not None and owner.id != node.id and not told:
            tied = "embedding" in (owner.kind, node.kind)
            words |= dict.fromkeys((owner.id, node.id), "tied" if tied else "shared")
    return words


def _bars(graph: Graph, style: Style) -> list[NodeId]:
    """The concatenations of several branches side by side, of which none passes another by."""
    least = style.sizes.get("bar_from", math.inf)
    joins = [n.id for n in graph.nodes if kind_of(n) == "cat" and style.kinds["cat"].shape == "glyph"
             and len(graph.inflow[n.id]) >= least]
    passing = {dst for _, dst in skips(graph)} if joins else set()
    return [key for key in joins if key not in passing]


GATES = re.compile(r"(hard)?(swish|silu)|.*gelu.*|.*silu|mish|quick_gelu", re.I)
SQUASHES = re.compile(r"(hard)?(sigmoid|tanh)|log_?sigmoid|softsign", re.I)
"""Activations that share a stripe, apart from all that are like ReLU."""


def _activations(node: Node, style: Style) -> list[tuple[str, str]]:
    """The stripe and the name of each activation that is fused into a box."""
    fused = zip(node.attrs.get("fused", ()), node.attrs.get("fused_kinds", ()), strict=False)
    return [("gate band" if GATES.fullmatch(op) else "squash band" if SQUASHES.fullmatch(op) else "act band",
             text.caption(style.captions, op, {})) for op, kind in fused if kind == "act"]


def _look(node: Node, graph: Graph, style: Style, names: Mapping[NodeId, str], arrow: str, several: bool) -> Look:
    kind = style.kinds.get(kind_of(node)) or Kind("module")
    incoming = graph.inflow[node.id]
    if kind.shape == "glyph" and sum(graph.by_id[edge.src].kind != "ellipsis" for edge in incoming) <= 3:
        return Look(kind, (), glyph=True)
    if kind.shape == "dots":
        return Look(replace(kind, name=""), ())
    times = own_repeat(graph, node)
    number = count_of(times, node.attrs)
    count = (f" {number} steps" if hands_on(graph, node) else f" {number}") if number else ""
    if _pools(node, incoming):
        kind = style.kinds["pool"]
    if own_role(node.attrs, style):
        kind = replace(kind, role=own_role(node.attrs, style))
    lines = _lines(node, graph, style, names, count, times)
    lines += [(line, "sublabel") for line in _untold(node, lines[0][0])]
    if node.attrs.get("change") in ("added", "removed") and node.attrs.get("fused"):     # which has no bands
        then = " + ".join(text.caption(style.captions, op, {}) for op in node.attrs["fused"])
        lines.append((f"+ {then}", "sublabel"))
    if "label" in node.attrs:
        lines = [(str(node.attrs["label"]) + count, lines[0][1]), *lines[1:]]
    fonts = [(line, role, style.roles[role]) for long in lines for line, role in _broken(*long, style)]
    fitting = tuple((text.fit(line, font.size, style.sizes["max_label"], font.weight), role)
                    for line, role, font in fonts if line)
    compared = "change" in node.attrs      # colours say how it differs, and nothing else
    bands = () if compared else tuple(
        f"{kind} band" for kind in node.attrs.get("fused_kinds", ()) if f"{kind} band" in style.roles)
    acts = _activations(node, style) if several and "act band" in bands else []
    told = iter(band for band, _ in acts)
    bands = tuple(next(told, band) if band == "act band" else band for band in bands)
    return Look(kind, fitting, False, bands, times > 1, arrow, names=dict(acts))


def _lines(node: Node, graph: Graph, style: Style, names: Mapping[NodeId, str], count: str, times: int,
           ) -> list[tuple[str, str]]:
    """The words of a box: what it is, and a second line for what that gives, with `count` how often it is there."""
    out = text.shape(node.out[0]) if node.out else ""
    values = {**node.attrs, "out": out, "params": node.params or None}
    match node.kind:
        case "module":
            name = names.get(node.id) or style.titles.get(node.op, node.op)
            shared = times > 1 and node.id in graph.modules and bool(graph.modules[node.id].shared)
            return [(name + count + (", shared weights" if shared else ""), "label module"),
                    (text.caption(style.captions, "module", values) if "module" in style.captions else "", "sublabel")]
        case "input" | "output":
            return [(port_name(node), "label"), (text.both(_former(node) or out, out), "sublabel")]
        case "noise":
            uniform = node.op in ("rand", "rand_like")
            return [(text.caption(style.captions, "uniform noise" if uniform else "noise", values), "label"),
                    (out, "sublabel")]
        case "parameter" | "buffer":
            path = node.id.split(".")
            name = path[-2] if path[-1] in ("weight", "bias") and len(path) > 1 else path[-1]
            return [(text.pretty(name.rsplit("/", 1)[-1].removesuffix("_like")), "label"), (out, "sublabel")]
    incoming = graph.inflow[node.id]
    if _pools(node, incoming):
        values = {"output_size": 1, **values}
    words = text.caption(style.captions, _layer(node, incoming, style), values)
    if "was" in node.attrs:
        before = replace(node, op=str(node.attrs["was"].get("op", node.op)))
        former = text.caption(style.captions, _layer(before, incoming, style), {**values, **node.attrs["was"]})
        words = text.both(former, words)
    return [(_called(node, graph, style) + words + count, "label")]


def frame_count(graph: Graph, module: Module) -> str:
    """How often a frame is gone through, and what all the times have in common."""
    count = count_of(module.repeat, module.attrs)
    if count and module.shared and any(module.id in node.scope and hands_on(graph, node) for node in graph.nodes):
        return f"{count} steps in time"
    return f"{count}{', shared weights' if count and module.shared else ''}"


def _former(node: Node) -> str:
    """The shape of an input in the old one of two models, where it was another one."""
    shape = node.attrs.get("was", {}).get("shape")
    return text.shape(replace(node.out[0], shape=tuple(shape))) if shape and node.out else ""


def _untold(node: Node, label: str) -> list[str]:
    """Of what has changed in a layer the first thing that its label does not say; its input's width counts last."""
    words = set(re.findall(r"\d+(?:\.\d+)?|[^\W\d]+", label))
    unsaid = [(key, old, new) for key, old, new in node.attrs.get("told", ()) if not {old, new} <= words
              and (key not in WIDTH_OF_INPUT or " → " not in label)]
    first = sorted(unsaid, key=lambda change: change[0] in WIDTH_OF_INPUT)[:1]
    return [f"{SHORT.get(key, key.replace('_', ' '))} {old} → {new}".strip() for key, old, new in first]


def kind_of(node: Node) -> str:
    """What a node is drawn as: its kind, or the one that the project file says."""
    return str(node.attrs.get("kind", node.kind))


def own_role(attrs: Mapping[str, Any], style: Style) -> str:
    """The role in which a layer is painted to which the project file gave a colour of its own, or which says how two
    models differ; or nothing."""
    role = f"change {attrs['change']}" if "change" in attrs else f"color {attrs['color']}" if "color" in attrs else ""
    return role if role in style.roles else ""


def own_frame(attrs: Mapping[str, Any], style: Style) -> str:
    """The same of a frame."""
    role = f"{own_role(attrs, style)} frame"
    return role if role in style.roles and "within" not in attrs else ""


def count_of(repeat: int, attrs: Mapping[str, Any]) -> str:
    """``×3``; where two models are compared ``×2 → 3``, or ``2 → 3 blocks`` of what holds them; nothing for one."""
    if "times" in attrs:
        return "×{} → {}".format(*attrs["times"])
    if "blocks" in attrs:
        return "{} → {} blocks".format(*attrs["blocks"])
    return f"×{repeat}" if repeat > 1 else ""


def role_of(node: Node, style: Style) -> str:
    """The role in which a node is painted: its kind's, or that of a colour of its own."""
    return own_role(node.attrs, style) or (style.kinds.get(kind_of(node)) or Kind("module")).role


def _broken(line: str, role: str, style: Style) -> list[tuple[str, str]]:
    """A long label in two: numbers after the first comma, or else words after the space nearest to the middle."""
    if text.width(line, style.roles[role].size, style.roles[role].weight) <= style.sizes["break_label"]:
        return [(line, role)]
    head, comma, rest = line.partition(", ")
    if comma:
        return [(head, role), (rest, "sublabel")]
    spaces = [i for i, character in enumerate(line) if character == " "]
    if not spaces:
        return [(line, role)]
    at = min(spaces, key=lambda i: (abs(2 * i - len(line)), i))
    return [(line[:at], role), (line[at + 1 :], role)]


def _layer(node: Node, incoming: Sequence[Edge], style: Style) -> str:
    """The op itself, or the layer its class is named after: ``LlamaRMSNorm`` → ``RMSNorm``, ``GELUActivation`` →
    ``GELU``."""
    if _pools(node, incoming):
        return "AdaptiveAvgPool2d"
    if "experts" in node.attrs and "router" in style.captions:
        return "router"
    if node.op in style.captions or not node.op[:1].isupper():
        return node.op
    bare = node.op.removesuffix("Activation")
    return max((key for key in style.captions if key[:1].isupper() and bare.endswith(key)), key=len, default=node.op)


def _pools(node: Node, incoming: Sequence[Edge]) -> bool:
    """Is this a mean over all pixels, however it is written, which readers know as global average pooling?"""
    entering = incoming[0].tensor if incoming else None
    if entering is None or not node.out or not set("HW") <= set(entering.axes):
        return False
    mean = node.op == "mean" or (node.kind == "pool" and "avg" in node.op.lower())
    return mean and (len(node.out[0].shape) <= 2 or set(node.out[0].shape[-2:]) == {1})


def _called(node: Node, graph: Graph, style: Style) -> str:
    """What an embedding or a projection is called beside its kind: ``position``, ``Q``; with a space after it, or
    nothing."""
    home, name = _home(node.id)
    if name in style.titles and node.kind == "linear":
        # a critic's `v` has nothing beside it to be told from
        peers = (_home(leaf.id) for one in graph.nodes for leaf in one.leaves())
        letters = {style.titles.get(peer, "") for place, peer in peers if place == home} - {""}
        return style.titles[name] + " " if len(letters) > 1 else ""
    if node.kind != "embedding":
        return ""
    spelt = name.lower().split("_")
    if len(spelt) > 1 and spelt[-1].startswith("embedding"):
        return " ".join(spelt[:-1]) + " "
    return "" if graph.inflow[node.id] else "position "


def _home(key: NodeId) -> tuple[str, str]:
    """The module that holds a layer, and what it is called there."""
    home, _, name = key.split("@")[0].rpartition(".")
    return home, name


def port_name(node: Node) -> str:
    """What an input or an output is called where it stands."""
    if "name" in node.attrs:
        return text.pretty(node.attrs["name"])
    name = text.clean(node.id.split(":", 1)[-1])
    spelt = name.rsplit(".", 1)[-1].replace("_", " ")
    return {"0": "output", "": node.kind}.get(spelt, spelt) if node.kind == "output" else spelt or "input"


def arrow_labels(graph: Graph) -> dict[NodeId, str]:
    """What to write at the arrow into a node: the shape, once, after the operation that changed the resolution; or
    which part it takes of what its source gives."""
    labels = {node.id: part for node in graph.nodes if node.kind not in JOINTS | {"output", "module"}
              if len(graph.inflow[node.id]) == 1 and (part := _part(graph, graph.inflow[node.id][0]))}
    for node in graph.nodes:
        if node.kind in SOURCES or not node.out:
            continue
        entering = [e for e in graph.inflow[node.id] if e.tensor]
        leaving = [e for e in graph.outflow[node.id] if e.tensor and len(graph.inflow[e.dst]) == 1
                   and graph.by_id[e.dst].kind not in JOINTS | {"output"}]
        if not entering or not leaving or leaving[0].dst in labels:
            continue
        after = _carried(graph, leaving[0])
        if _extent(after) != _extent(_carried(graph, entering[0])):
            labels[leaving[0].dst] = text.shape(after)
    return labels


def _part(graph: Graph, edge: Edge) -> str:
    """``58 of 116``, where an edge carries a part of what its source gives, along one axis; else nothing."""
    source, tensor = graph.by_id[edge.src], edge.tensor
    out = source.out if source.repeat == 1 else ()      # copies may give more and more
    if tensor is None or len(out) != 1 or len(out[0].shape) != len(tensor.shape):
        return ""
    less = [(part, whole) for part, whole in zip(tensor.shape, out[0].shape, strict=True) if part != whole]
    whole = tensor.shape[:1] == out[0].shape[:1]        # else it is another batch: one of windows
    return "{} of {}".format(*less[0]) if whole and len(less) == 1 and less[0][0] < less[0][1] else ""


def _carried(graph: Graph, edge: Edge) -> TensorSpec:
    """What a reader takes to flow along an edge: what its source gives, however it is padded or split into heads on
    the way, unless it arrives flattened."""
    out = graph.by_id[edge.src].out
    tensor = edge.tensor or TensorSpec(())
    return out[0] if out and len(out[0].shape) <= len(tensor.shape) else tensor


def _extent(spec: TensorSpec) -> tuple[int, ...]:
    """The sizes of a tensor but for batch and channels."""
    if len(spec.axes) == len(spec.shape):
        return tuple(size for axis, size in zip(spec.axes, spec.shape, strict=True) if axis not in "NC")
    return spec.shape[1:] if "int" in spec.dtype else spec.shape[1:-1]
