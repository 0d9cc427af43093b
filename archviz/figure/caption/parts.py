"""The parts of a model as its caption names them: a tree of modules and layers, in trace order.

In: a graph.  Out: `Part`s.

Everything follows from structure: what holds what, what is numbered, what kind each layer is.  No model is known by
name.
"""
from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from archviz.core import text
from archviz.core.graph import SOURCES, Graph, Node, NodeId, TensorSpec
from archviz.core.naming import CONTAINERS, title

DOMINANT = 0.7      # a module that holds this part of the operations around it is a wrapper, told by what is inside
SILENT = SOURCES | frozenset({"output", "norm", "act", "add", "sub", "mul", "math", "dropout", "view", "cast",
                                "index", "size", "mask", "constant", "identity", "softmax", "reduce", "matmul"})
"""Kinds a caption leaves out: what stands between the parts one would name."""
UNCOUNTED = ("pooling", "attention", "upsampling", "concatenation")


@dataclass(frozen=True)
class Part:
    """A piece of the model: a leaf operation, or a module call with its own parts inside.

    one, many   what it is called: "3×3 convolution", "3×3 convolutions"
    size        operations inside
    nodes       these operations
    out         what comes out of it
    whole       whether `one` is a whole phrase, to be left as it is
    named       whether `one` is what the user calls it
    """

    id: NodeId
    one: str
    many: str
    cls: str = ""
    path: str = ""
    size: int = 1
    inside: tuple[Part, ...] = ()
    nodes: tuple[Node, ...] = field(default=(), repr=False)
    out: TensorSpec | None = None
    whole: bool = False
    named: bool = False

    @property
    def kinds(self) -> tuple[str, ...]:
        """What kind each of its operations is."""
        return tuple(node.kind for node in self.nodes)

    @property
    def ids(self) -> frozenset[NodeId]:
        """The ids of its operations."""
        return frozenset(node.id for node in self.nodes)

    @property
    def channels(self) -> int | None:
        """How many channels come out of it, where that is known."""
        spec = self.out
        if spec is None or "C" not in spec.axes or len(spec.axes) != len(spec.shape):
            return None
        return spec.shape[spec.axes.index("C")]


def parts(graph: Graph) -> tuple[Part, ...]:
    """The model as a tree of parts, in trace order, without what a caption never names."""
    children: dict[NodeId, list[NodeId]] = {"": []}
    leaves: dict[NodeId, list[Node]] = {}
    outputs: dict[NodeId, TensorSpec] = {}
    for node in graph.nodes:
        for scope in node.scope if node.out else ():
            outputs[scope] = node.out[0]
        if {"appended", "hidden"} & node.attrs.keys() or node.kind in SILENT and node.op not in ("mean",):
            continue
        chain = ["", *node.scope]
        for outer, inner in zip(chain, [*node.scope, node.id], strict=True):
            if inner not in children.setdefault(outer, []):
                children[outer].append(inner)
        for scope in node.scope:
            leaves.setdefault(scope, []).append(node)

    def build(key: NodeId) -> Part:
        if key in graph.by_id and key not in children:
            return leaf(graph.by_id[key])
        module = graph.modules.get(key)
        cls, path = (module.cls, module.path) if module else (key, key)
        label = text.clean(str(module.attrs.get("label", ""))) if module else ""
        one = _lowered(label) or module_noun(cls, path, graph)
        inside = tuple(build(child) for child in children[key])
        if len(inside) == 1 and not inside[0].inside and not label:       # a layer with its normalisation is that layer
            return inside[0]
        if len(inside) == 1:        # a wrapper by the name that the model gives it
            inside = inside[0].inside
        nodes = tuple(leaves[key])
        return Part(key, one, plural(one), cls, path, len(nodes), inside, nodes, outputs.get(key), named=bool(label))

    return tuple(build(key) for key in children[""])


def module_noun(cls: str, path: str, graph: Graph) -> str:
    name = text.pretty(path.split(".")[-1]) if cls in CONTAINERS else title(text.clean(cls), graph)
    words = re.sub(r"[ _]*\d+$", "", _lowered(name)) or "block"
    return re.sub(r"\b(self|cross) (attention)\b", r"\1-\2", words)


def _lowered(name: str) -> str:
    """`name` as it stands within a sentence: its words small, but for those that have capitals of their own."""
    return " ".join(word[:1].lower() + word[1:] if word[1:2].isalpha() and word[1:] == word[1:].lower() else word
                    for word in name.split())


def leaf(node: Node) -> Part:
    """The part that one operation is."""
    label = _lowered(text.clean(str(node.attrs.get("label", ""))))
    one, many = (label, plural(label)) if label else _leaf_noun(node)
    one, many = (one, many) if one.strip() else ("layer", "layers")
    return Part(node.id, one, many, node.op, node.id, nodes=(node,), out=node.out[0] if node.out else None,
                named=bool(label))


NOUNS = {
    "linear": ("linear layer", "linear layers"), "embedding": ("embedding", "embeddings"),
    "reduce": ("average over all positions", "averages over all positions"),
    "upsample": ("upsampling", "upsampling layers"), "cat": ("concatenation", "concatenations"),
    "scan": ("state-space scan", "state-space scans"),
}
"""Kinds of operations that have the same name whatever they do: one of them, and several."""


def _leaf_noun(node: Node) -> tuple[str, str]:
    """A leaf operation as prose names it, singular and plural."""
    if node.kind in NOUNS:
        return NOUNS[node.kind]
    match node.kind:
        case "conv" | "upconv":
            noun = _convolution(node)
        case "pool":
            adaptive = node.op.lower().startswith("adaptive")
            globally = "global " if adaptive and set(flat(node.attrs.get("output_size"))) == {1} else ""
            which = "max" if "max" in node.op.lower() else "average"
            return f"{globally}{which} pooling", f"{globally}{which}-pooling layers"
        case "recurrent":
            noun = _recurrent(node)
        case "attention":
            heads = node.attrs.get("num_heads") or _heads(node)
            noun = f"{heads}-head attention" if heads else "attention"
        case _:
            noun = text.pretty(node.op)
    return noun, plural(noun)


def _convolution(node: Node) -> str:
    sides, groups = flat(node.attrs.get("kernel_size")), node.attrs.get("groups", 1)
    kernel = f"{'×'.join(map(str, sides))} " if len(sides) > 1 else f"{sides[0]}-wide " if sides else ""
    depthwise = "depthwise " if groups not in (1, None) and groups == node.attrs.get("in_channels") else ""
    return f"{kernel}{depthwise}{'transposed ' if node.kind == 'upconv' else ''}convolution"


def _recurrent(node: Node) -> str:
    layers = node.attrs.get("num_layers", 1)
    both = "bidirectional " if node.attrs.get("bidirectional") else ""
    name = re.sub(r"(?<=[A-Z])Cell$", " cell", text.clean(node.op)) or "recurrent layer"
    return f"{f'{layers}-layer ' if layers > 1 else ''}{both}{name}"


def _heads(node: Node) -> int:
    """Of attention that is a function of queries, keys and values with their heads side by side."""
    spec = node.out[0] if node.out else None
    return spec.shape[1] if spec and len(spec.shape) == 4 and spec.axes[1:2] in ("h", "") else 0


def plural(noun: str) -> str:
    if noun.endswith(UNCOUNTED):
        return f"{noun} layers"
    return noun if noun.endswith("s") else f"{noun}es" if noun.endswith(("ch", "sh", "x")) else f"{noun}s"


def flat(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value] if value not in (None, 0) else []


def opened(parts: Sequence[Part]) -> tuple[Part, ...]:
    """`parts` with wrappers replaced by what they hold: those that hold nearly everything, and small ones of leaves."""
    def alone(part: Part) -> bool:
        return not any(alike(part, other) or part.path == other.path for other in parts if other is not part)

    total = sum(part.size for part in parts)
    for i, part in enumerate(parts):
        if part.inside and not part.named and part.size >= DOMINANT * total and alone(part):
            return opened((*parts[:i], *part.inside, *parts[i + 1:]))
    kept: list[Part] = []
    for part in parts:
        leaves = part.inside and not part.named and not any(inner.inside for inner in part.inside)
        kept.extend(part.inside if leaves and (len(part.inside) == 1 or (alone(part) and part.size == 2)) else (part,))
    return tuple(kept)


def alike(a: Part, b: Part) -> bool:
    """Whether a reader counts the two together: modules of one class that are numbered, or have the same insides."""
    if not a.inside or not b.inside or a.cls != b.cls:
        return False
    numbered = a.path[-1:].isdigit() and b.path[-1:].isdigit()
    return numbered or a.kinds == b.kinds
