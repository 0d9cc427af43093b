"""The graph of a network: frozen values and the pure functions that regroup them.

In: nodes and edges from a front end or from JSON (graphfile).  Out: `Graph`.

A graph is a *cut* through the trace.  Every drawn `Node` stands for one or more ids of the trace (`members`), and
every drawn `Edge` for one or more edges of the trace (`parts`).  Passes regroup with `merge` and `split`; the drawn
edges follow from who owns which member, so regrouping can be undone in any order.
"""
from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

Key = TypeVar("Key", bound=Hashable)
NodeId = str
"""``"layers.0.relu@1"`` (module path, ``@call`` from the second call on), ``"layers.0/add"`` (a function called in the
forward of ``layers.0``), ``"/in:x"`` (an input), ``"/out:logits"`` (an output)."""

KINDS = (
    "input", "output", "parameter", "buffer", "noise", "conv", "upconv", "linear", "embedding", "norm", "act", "pool",
    "upsample", "attention", "recurrent", "add", "sub", "mul", "cat", "matmul", "softmax", "reduce", "math", "scan",
    "module", "opaque", "failed", "ellipsis",
    # without meaning to a reader, hidden by default:
    "dropout", "view", "cast", "index", "size", "mask", "constant", "identity",
)
"""What a node is to a reader; a style gives each kind a paint and a shape."""
SUMS = frozenset({"add", "sub"})
"""Kinds in which what goes around layers meets what went through them."""
SOURCES = frozenset({"input", "parameter", "buffer", "noise"})
"""Kinds that data flows from, and that nothing flows into."""
JOINTS = SUMS | {"mul", "cat"}
"""Kinds in which values meet, drawn as glyphs on the line."""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One tensor.

    Attributes
    ----------
    shape : tuple of int
        Its sizes, the batch included.
    dtype : str
        As torch names it: ``"float32"``.
    axes : str
        Where it is known, a letter for each axis, ``"NCHW"`` or ``"NLC"``; else empty.
    """

    shape: tuple[int, ...]
    dtype: str = "float32"
    axes: str = ""


REAL = ("float", "bfloat", "complex", "double", "half", "qint", "quint")
"""How the names of the dtypes begin that carry activations, quantized ones too: no counts, indices, truth values."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A tensor that flows from one node to another.

    Attributes
    ----------
    src, dst : str
        Ids of the two nodes.
    tensor : TensorSpec or None
        What flows; None where it is not known.
    role : str
        ``data``, ``skip`` or ``recurrent`` (back to an earlier node: the next copy of a folded block).
    slot : int
        Which operand of `dst` it is, from 0.
    parts : tuple of Edge
        The edges of the trace it stands for; empty for an edge of the trace itself.
    """

    src: NodeId
    dst: NodeId
    tensor: TensorSpec | None = None
    role: str = "data"
    slot: int = 0
    parts: tuple[Edge, ...] = ()

    @property
    def base(self) -> tuple[Edge, ...]:
        """The edges of the trace this edge stands for: its parts, or itself."""
        return self.parts or (self,)


@dataclass(frozen=True, slots=True)
class Node:
    """One thing that may be drawn: an operation, a leaf module, or a group of them.

    Attributes
    ----------
    id : str
        Its NodeId, unique in the graph.
    scope : tuple of str
        The enclosing module calls, outermost first; the root module is not among them.
    op : str
        What ran: ``"Conv2d"``, ``"relu"``, ``"add"``; a class name for a collapsed module.
    kind : str
        One of `KINDS`.
    attrs : Mapping
        JSON values: hyper-parameters as the module names them (``kernel_size``, ``stride``, ``num_heads`` …); after
        fusing, ``fused``: the ops that follow in the same box.
    out : tuple of TensorSpec
        The tensors it gives.
    params : int
        Parameters, each counted at the node that uses it first.
    flops : int
        As `torch.utils.flop_counter` counts: two for a multiply-add.
    members : tuple of str
        The ids of the trace it stands for, in trace order; its own for a node of the trace.
    index : int
        Position in the trace, of its first member.
    repeat : int
        How many equal copies it stands for in the whole model; see `own_repeat` for the ×N at the node itself.
    shared : str or None
        The node that used the same weights before, if any.
    inside, wires : tuple
        The nodes it replaced, and the trace edges among them.
    """

    id: NodeId
    scope: tuple[NodeId, ...] = ()
    op: str = ""
    kind: str = "math"
    attrs: Mapping[str, Any] = field(default_factory=dict)
    out: tuple[TensorSpec, ...] = ()
    params: int = 0
    flops: int = 0
    members: tuple[NodeId, ...] = ()
    index: int = 0
    repeat: int = 1
    shared: NodeId | None = None
    inside: tuple[Node, ...] = ()
    wires: tuple[Edge, ...] = ()

    def __post_init__(self) -> None:
        if not self.members:
            object.__setattr__(self, "members", (self.id,))

    def leaves(self) -> Iterator[Node]:
        """The innermost of the nodes that it replaced, in their order; itself where it replaced none."""
        if not self.inside:
            yield self
        for part in self.inside:
            yield from part.leaves()


@dataclass(frozen=True, slots=True)
class Module:
    """One call of a module that contains others: a frame in the figure, or a box once collapsed.

    Attributes
    ----------
    id : str
        The call's NodeId, as it stands in `Node.scope`.
    cls : str
        Class name; empty for a frame that folding made around several siblings.
    path : str
        The qualified module path, equal for two calls of one module.
    scope : tuple of str
        The module calls around it, outermost first.
    repeat : int
        The ×N drawn at the frame, within the frame around it.
    copies : tuple of str
        The ids of all calls it stands for, its own first; in nested repeats more than `repeat`.
    shared : bool
        True when those copies use one set of weights.
    attrs : Mapping
        JSON values worth a caption (``num_heads``, ``embed_dim`` …), and ``layer`` / ``public`` facts of the class.
    """

    id: NodeId
    cls: str = ""
    path: str = ""
    scope: tuple[NodeId, ...] = ()
    repeat: int = 1
    copies: tuple[NodeId, ...] = ()
    shared: bool = False
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """A network, or a cut through it.

    Attributes
    ----------
    name : str
        Class name of the model.
    nodes : tuple of Node
        In trace order.
    edges : tuple of Edge
        All tensors that flow among them.
    modules : Mapping
        The module calls the nodes sit in, by id.
    attrs : Mapping
        JSON facts of the whole model: ``report`` (how it was traced), ``shared_params`` …
    """

    name: str
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    modules: Mapping[NodeId, Module] = field(default_factory=dict)
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def by_id(self) -> dict[NodeId, Node]:
        """Its nodes by their ids."""
        return {node.id: node for node in self.nodes}

    @cached_property
    def owner(self) -> dict[NodeId, NodeId]:
        """Which drawn node stands for each id of the trace."""
        return {member: node.id for node in self.nodes for member in node.members}

    @cached_property
    def outgoing(self) -> dict[NodeId, tuple[Edge, ...]]:
        """The edges that leave each node."""
        return _by(self.nodes, self.edges, "src")

    @cached_property
    def incoming(self) -> dict[NodeId, tuple[Edge, ...]]:
        """The edges that enter each node."""
        return _by(self.nodes, self.edges, "dst")

    @cached_property
    def flows(self) -> tuple[Edge, ...]:
        """The edges that lead on: all but the recurrent ones.  Without a loop, as a trace is."""
        return tuple(edge for edge in self.edges if edge.role != "recurrent")

    @cached_property
    def outflow(self) -> dict[NodeId, tuple[Edge, ...]]:
        """The flows that leave each node."""
        return _by(self.nodes, self.flows, "src")

    @cached_property
    def inflow(self) -> dict[NodeId, tuple[Edge, ...]]:
        """The flows that enter each node."""
        return _by(self.nodes, self.flows, "dst")

    def ancestors(self, ids: Iterable[NodeId], until: Collection[NodeId] = ()) -> set[NodeId]:
        """The nodes whose flows lead to one of `ids`, as far as `until`, which is left out."""
        return reached(ids, lambda key: (edge.src for edge in self.inflow[key]), until)

    def descendants(self, ids: Iterable[NodeId], until: Collection[NodeId] = ()) -> set[NodeId]:
        """The nodes to which flows lead from one of `ids`, as far as `until`, which is left out."""
        return reached(ids, lambda key: (edge.dst for edge in self.outflow[key]), until)

    @cached_property
    def children(self) -> dict[NodeId, dict[NodeId, bool]]:
        """What lies directly in each frame that holds nodes, in trace order, and whether it is a frame itself.

        What lies in no frame is in ``""``.
        """
        frames: dict[NodeId, dict[NodeId, bool]] = {"": {}}
        for node in self.nodes:
            around = ("", *node.scope)
            for outer, inner in zip(around, node.scope, strict=False):
                frames.setdefault(outer, {}).setdefault(inner, True)
            frames.setdefault(around[-1], {})[node.id] = False
        return frames

    @cached_property
    def content(self) -> dict[NodeId, list[Node]]:
        """The nodes in each frame, also those in frames within it."""
        frames: dict[NodeId, list[Node]] = {}
        for node in self.nodes:
            for frame in node.scope:
                frames.setdefault(frame, []).append(node)
        return frames

    @cached_property
    def scopes(self) -> dict[NodeId, tuple[NodeId, ...]]:
        """The frames around each module call and each node, outermost first."""
        return {**{key: module.scope for key, module in self.modules.items()},
                **{node.id: node.scope for node in self.nodes}}

    @property
    def params(self) -> int:
        """Parameters of all nodes."""
        return sum(node.params for node in self.nodes)

    @property
    def flops(self) -> int:
        """FLOPs of all nodes, two for a multiply-add."""
        return sum(node.flops for node in self.nodes)


def _by(nodes: Iterable[Node], edges: Iterable[Edge], end: str) -> dict[NodeId, tuple[Edge, ...]]:
    ends: dict[NodeId, list[Edge]] = {node.id: [] for node in nodes}
    for edge in edges:
        ends[getattr(edge, end)].append(edge)
    return {key: tuple(value) for key, value in ends.items()}


def reached(starts: Iterable[Key], after: Callable[[Key], Iterable[Key]], until: Collection[Key] = ()) -> set[Key]:
    """All that is one or more steps away from `starts`; `after` says where a step may lead, but never to `until`."""
    seen: set[Key] = set()
    waiting = list(starts)
    while waiting:
        for key in after(waiting.pop()):
            if key not in seen and key not in until:
                seen.add(key)
                waiting.append(key)
    return seen


def part(key: NodeId, stream: int) -> NodeId:
    """The id of what is left of `key` in one of the streams that it is divided into, counted from 0."""
    return f"{key}#{stream + 1}"


def whole(key: NodeId) -> NodeId:
    """The id of the trace that `key` is, or is a `part` of."""
    before, sign, number = key.rpartition("#")
    return before if sign and number.isdecimal() else key


def base_edges(graph: Graph) -> Iterator[Edge]:
    """The trace edges behind the drawn edges (not those inside merged nodes)."""
    for edge in graph.edges:
        yield from edge.base


def own_repeat(graph: Graph, node: Node) -> int:
    """The ×N to write at the node itself.

    Parameters
    ----------
    graph : Graph
        The graph it is in.
    node : Node
        One of its nodes.

    Returns
    -------
    int
        Its copies, over the ×N of the frames around it; at least 1.
    """
    times = node.repeat
    for frame in node.scope:
        times //= graph.modules[frame].repeat
    return max(times, 1)


def hands_on(graph: Graph, node: Node) -> bool:
    """Does `node`, one of several equal steps, give the next step the state that it has come to?"""
    return node.kind == "recurrent" and node.repeat > 1 and (
        bool(node.wires) or len(graph.outflow[node.id]) < len(graph.outgoing[node.id]))


def skips(graph: Graph) -> set[tuple[NodeId, NodeId]]:
    """The edges of `graph`, as (src, dst), that pass by what another way between their ends goes through."""
    return {(source, node.id) for node in graph.nodes for source in _passing(graph, node.id)}


def _passing(graph: Graph, key: NodeId) -> set[NodeId]:
    """The sources of a node that lead to it by way of another source, too."""
    sources = {edge.src for edge in graph.inflow[key]}
    if len(sources) < 2:
        return set()
    first = min(graph.by_id[source].index for source in sources)
    above: set[NodeId] = reached(sources, lambda each: (
        edge.src for edge in graph.inflow[each] if graph.by_id[edge.src].index >= first))
    return sources & above


def is_chain(graph: Graph) -> bool:
    """Does each node of `graph` feed the next one, and nothing else?"""
    ids = [node.id for node in graph.nodes]
    return [(edge.src, edge.dst) for edge in graph.flows] == list(zip(ids, ids[1:], strict=False))
