"""Remove the plumbing: what is left are the values a reader follows and the operations that make them.

In: a trace graph; ``style.hide``, the kinds without meaning to a reader.  Out: the same network without them: an edge
u → hidden → v becomes u → v, edges that carry only masks, positions, sizes or caches vanish, and the ids of what is
hidden join the members of a visible neighbour (producer first).  Parameters and FLOPs keep their sums.
"""
from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from archviz.core.graph import Edge, Graph, Node, NodeId, reached
from archviz.core.regroup import merge
from archviz.passes._idioms import PRODUCTS, Idiom, common, heads, idioms
from archviz.passes._joins import ADDED, GATHERED, joined_sums, pools, running_cats
from archviz.passes._marks import differs, gone, marks_of
from archviz.passes._values import (
    BIAS,
    DATA,
    INDEX,
    MAKERS,
    NOISE,
    WAVE,
    WEIGHT,
    WEIGHTED,
    Flow,
    Operand,
    flow,
    is_float,
    origin,
    told_of_attention,
)
from archviz.style.style import Style

JUNCTIONS = frozenset(("add", "mul", "cat", "math", "reduce", "index", "mask", "view"))
"""Kinds that are drawn only where two values of different origin meet."""

MEETING = frozenset("add sub mul div cat stack where maximum minimum pow matmul index_add scatter_add".split())
"""Functions in which two values meet as equals."""

SIDE_OUTPUT = re.compile(
    r"(?:^|[./:])(?:past_key_values|(?!last_)\w+_hidden_states?|hidden_states|(?:\w+_)?attentions|cache_params|mems"
    r"|\w+_model_output)"
    r"(?:[./@\d]|$)")
"""Outputs that a library hands out beside its result: caches, every layer's state, attention maps."""


HUSHED = frozenset(
    "add sub mul div rdiv neg pow rpow sqrt rsqrt exp exp2 expm1 log log1p log2 log10 abs sin cos tan asin acos atan "
    "atan2 sinh cosh clamp square reciprocal sign floor ceil round trunc frac remainder fmod floor_divide maximum "
    "minimum addcmul addcdiv lerp rotary erf erfc erfinv hypot isclose nan_to_num".split())
"""Arithmetic a reader looks past; what is not listed here, a Fourier transform for instance, is drawn."""

ASIDE = re.compile(r"(?P<mask>mask)|(?P<position>(?:^|[/:._])pos(?:ition)?(?:s|_|$))|(?P<cache>cache|past)", re.I)
"""In the name of an input of whole numbers: it says where to look, and is no one's data."""

POSITION = re.compile("[Pp]osition")
"""In the class name of an embedding: it looks up where a token stands, not what it is."""


def hide(graph: Graph, style: Style, **options: Any) -> Graph:
    """Bypass what tells a reader nothing.  Keeps ids, parameters, FLOPs; every drawn edge is a path of the trace."""
    if not graph.nodes:
        return graph
    return _Cut(flow(graph), graph, frozenset(style.hide)).result()


class _Cut:
    """One run of `hide` over `flow`: which positions are drawn, and which drawn positions each value comes from."""

    def __init__(self, values: Flow, graph: Graph, hidden: frozenset[str]) -> None:
        self.flow, self.graph, self.hidden = values, graph, hidden
        self.group: dict[int, Idiom] = {
            i: idiom for idiom in idioms(values, graph.modules)
            if not any(values.nodes[part].attrs.get("hidden") for part in idiom.parts) for i in idiom.parts}
        self.sources: list[tuple[int, ...]] = []            # per position: the drawn positions its value comes from
        self.drawn: set[int] = set()                        # idioms at their last position
        self.edges: dict[int, list[Operand]] = {}           # per drawn position: (source, operand)
        self.begun: dict[int, Node] = {}                    # constants that are drawn, and as what
        self.beneath: list[frozenset[int]] = []             # per position: what reaches it by nothing drawn
        self.asides: dict[int, set[int]] = {}               # per drawn position: what it reads and has no arrow from
        for i in range(len(values.nodes)):
            self._visit(i)
            self._pass_on(i)

    def _visit(self, i: int) -> None:
        node, idiom = self.flow.nodes[i], self.group.get(i)
        if node.attrs.get("hidden"):        # the project file says so, whatever it is
            self.sources.append(tuple(dict.fromkeys(s for src, _ in self._operands(i) for s in self.sources[src])))
            return
        if idiom is not None:
            # of what an attention multiplies also learned queries count; between its products only data, not a bias
            wanted = DATA | (WEIGHT if idiom.kind == "attention" and node.op in PRODUCTS else
                             INDEX if idiom.kind == "embedding" else 0)
            beside = [(src, edge) for src, edge in self.flow.operands[i]
                     if src not in idiom.parts and self.flow.bits[src] & wanted and self._carries((src, edge))]
            self._draw(idiom.last, beside)
            self.sources.append((idiom.last,))
            return
        if i in self.flow.starts:
            self.sources.append((i,))
            self._begin(i, i)
            return
        operands = self._operands(i)
        origins = [self.sources[src] for src, _ in operands]
        if self._visible(node, i, operands, origins):
            self._draw(i, operands)
            self.sources.append((i,))
        else:
            self.sources.append(tuple(dict.fromkeys(s for origin in origins for s in origin)))

    def _aside(self, operand: Operand) -> bool:
        """Whether whole numbers that came in only say where to look: which tokens count, where one stands."""
        return any(ASIDE.search(self.flow.nodes[i].id) for i in self.sources[operand[0]])

    def _pass_on(self, i: int) -> None:
        """Know which inputs, and which boxes that say where to look, reach position `i` by nothing that is drawn."""
        node, idiom = self.flow.nodes[i], self.group.get(i)
        at = idiom.last if idiom is not None else i
        read = frozenset(s for src, edge in self.flow.operands[i] for s in (
            *self.beneath[src], *(() if self._carries((src, edge)) or not self.flow.bits[src] & DATA
                                  else self.sources[src])))
        if at in self.drawn and node.kind != "input":
            self.asides.setdefault(at, set()).update(read - {source for source, _ in self.edges[at]})
        self.beneath.append(frozenset((i,)) if node.kind == "input" else frozenset()
                            if at in self.drawn or node.op in MAKERS or node.kind == "size" else read)

    def _draw(self, i: int, operands: list[Operand]) -> None:
        self.drawn.add(i)
        edges = self.edges.setdefault(i, [])
        edges.extend((source, edge) for src, edge in operands for source in self.sources[src] if source != i)

    def _operands(self, i: int) -> list[Operand]:
        """The operands through which something a reader follows flows into position `i`."""
        node, operands = self.flow.nodes[i], self.flow.operands[i]
        weights, carried = self._made_of(i, WEIGHT, DATA), [o for o in self._made_of(i, DATA) if self._carries(o)]
        data = carried or self._made_of(i, DATA)
        if node.kind == "output":
            return data or weights or list(operands)
        if node.op in GATHERED and data:
            indices = self._made_of(i, INDEX, DATA | WEIGHT)
            return [operand for operand in operands if operand in data or operand in indices]
        if node.kind == "embedding":        # looks up integers; by position, when its name says so: no one's data
            return [] if POSITION.search(node.op) else [
                (src, edge) for src, edge in self._made_of(i, INDEX | DATA)
                if edge.tensor is not None and not is_float(edge.tensor.dtype)]
        if node.kind == "attention":
            weights = weights[:max(3 - len(data), 0)]       # learned queries; beside three of data it is a bias
        elif node.kind in WEIGHTED:
            first = 1 if node.op == "addmm" else 0
            return data or self._made_of(i, INDEX, DATA | WEIGHT) or [o for o in weights if o[1].slot == first]
        elif data:
            weights = self._beside_data(i, weights)
        return sorted((*data, *weights), key=lambda operand: (operand[1].slot, operand[0])) or self._made_of(i, INDEX)

    def _beside_data(self, i: int, weights: list[Operand]) -> list[Operand]:
        """Of what meets data at position `i`, the weights, encodings and indices that are worth an arrow."""
        node = self.flow.nodes[i]
        return [*(o for o in weights if node.kind not in ("mul", "math") and self._substantial(node, o)),
                *(o for o in self.flow.operands[i] if self._encodes(node, o)),
                *(o for o in self._made_of(i, INDEX, DATA | WEIGHT) if not self._aside(o))]

    def _made_of(self, i: int, what: int, but: int = 0) -> list[Operand]:
        """The operands of position `i` that derive from `what`, and not from `but`."""
        bits = self.flow.bits
        return [operand for operand in self.flow.operands[i] if bits[operand[0]] & what and not bits[operand[0]] & but]

    def _carries(self, operand: Operand) -> bool:
        """Numbers, or a choice that was computed from data; not a mask and not an index."""
        src, edge = operand
        return edge.tensor is None or is_float(edge.tensor.dtype) or (
            edge.tensor.dtype == "bool" and bool(self.flow.bits[src] & DATA))

    def _substantial(self, node: Node, operand: Operand) -> bool:
        """Whether a weight is worth an arrow where it meets data: position embeddings, learned tokens; not biases."""
        if node.kind == "cat" or operand[1].tensor is None:
            return node.kind in ("cat", "add")
        sources = [self.flow.nodes[source] for source in self.sources[operand[0]]]
        plain = all(source.kind == "parameter" and BIAS.search(source.id) for source in sources)
        return node.kind == "add" and (not plain or sum(size > 1 for size in operand[1].tensor.shape) > 1)

    def _encodes(self, node: Node, operand: Operand) -> bool:
        """Whether a constant is an encoding of positions that is added to data: a table of its shape, or sines."""
        src, edge = operand
        bits = self.flow.bits[src]
        if bits & (DATA | WEIGHT) or edge.tensor is None or not node.out or not is_float(edge.tensor.dtype):
            return False
        root = origin(self.flow, src)
        if src in self.group or root in self.group:
            return True
        if node.op == "mul" and self.flow.nodes[root].op in NOISE:
            self._begin(root, src)
            return True
        if node.op != "add":
            return False
        shape, sum_shape = edge.tensor.shape[-2:], node.out[0].shape[-2:]
        if len(shape) < 2 or shape != sum_shape or min(shape) < 2 or not (bits & WAVE or shape[0] != shape[1]):
            return False
        if not bits & WAVE and self.flow.nodes[root].kind != "constant":
            return False
        self._begin(root, src)
        return True

    def _begin(self, root: int, end: int) -> None:
        """Draw the constant `root` as something data flows from, through views up to position `end`.

        It gets the name of the module that made it.
        """
        for i in range(root + 1, end + 1):
            if self.sources[i] == () and any(s == root or self.sources[s] == (root,) for s, _ in self.flow.operands[i]):
                self.sources[i] = (root,)
        if root in self.begun:
            return
        node = self.flow.nodes[root]
        self.drawn.add(root)
        self.edges[root] = []
        self.sources[root] = (root,)
        made = next((f for f in node.scope if f in self.graph.modules and all(
            f not in self.flow.nodes[u].scope or not self.flow.bits[u] & DATA for u in self.flow.users[root])
            and self._constant(f)), None)
        wave = {"wave": True} if self.flow.bits[root] & WAVE else {}
        if made is None:
            scopes = [self.flow.nodes[user].scope for user in self.flow.users[root]]
            self.begun[root] = replace(node, kind="noise" if node.op in NOISE else "buffer",
                                       scope=common((node.scope, *scopes)), attrs={**node.attrs, **wave})
        else:
            module = self.graph.modules[made]
            self.begun[root] = replace(node, kind="embedding", op=module.cls, scope=module.scope, attrs=wave)

    def _constant(self, frame: NodeId) -> bool:
        """Whether nothing in the module is data."""
        return not any(bits & (DATA | WEIGHT) and frame in node.scope
                       for node, bits in zip(self.flow.nodes, self.flow.bits, strict=True))

    def _visible(self, node: Node, i: int, operands: list[Operand], origins: list[tuple[int, ...]]) -> bool:
        bits, meeting = self.flow.bits[i], bool(origins) and all(origins)
        if node.kind in ("input", "output", "parameter", "opaque", "failed"):
            return True
        if node.op in GATHERED and any(self.flow.bits[src] & (INDEX | DATA) == INDEX for src, _ in operands):
            return True
        # what is done to a weight before it meets data is not drawn
        if not bits & (DATA if node.kind not in WEIGHTED else DATA | WEIGHT) or self._hushed(node):
            return False
        if node.kind == "reduce" and (
                pools(node, [o for o in operands if not gone(self.flow.nodes[o[0]].attrs)])
                or len(operands) == 1 and not self._normalises(i) and not self._ends_stack(operands[0][0])):
            return True
        if node.kind == "math" and node.op not in HUSHED and meeting:
            return True
        if node.kind in JUNCTIONS:
            return node.op in MEETING and len(set(origins)) > 1 and meeting
        return node.kind not in ("matmul", "softmax", "scan") or (
            bool(bits & DATA) and (node.kind != "scan" or node.op not in ("cumsum", "cumprod")))

    def _hushed(self, node: Node) -> bool:
        """Whether its kind is hidden, and nothing meets in it; a dropout that one of two models has not is shown."""
        return node.kind in self.hidden and node.op not in MEETING and not (node.kind == "dropout" and differs(node))

    def _normalises(self, i: int) -> bool:
        """Whether what position `i` sums up only scales or shifts the values it was taken of, as a norm's mean does."""
        inside, todo, base = {i}, list(self.flow.users[i]), self._from(self.flow.operands[i])
        while todo:
            user = todo.pop()
            if user in inside:
                continue
            node, idiom = self.flow.nodes[user], self.group.get(user)
            if idiom is not None or node.op not in HUSHED | MEETING and node.kind not in (*self.hidden, "reduce"):
                return idiom is not None and idiom.kind == "norm"
            beside = [operand for operand in self.flow.operands[user]
                      if operand[0] not in inside and self.flow.bits[operand[0]] & DATA]
            if beside and node.op in MEETING | HUSHED:
                if not self._from(beside) & base:
                    return False
                continue
            inside.add(user)
            todo += self.flow.users[user]
        return True

    def _from(self, operands: Iterable[Operand]) -> set[int]:
        """The drawn positions that `operands` come from, also those that were not looked at yet."""
        return {source for src, _ in operands for source in (
            self.sources[src] if src < len(self.sources) else self._from(self.flow.operands[src]) or {src})}

    def _alive(self) -> set[int]:
        """The drawn positions from which an output or an operation with weights on data is reached."""
        outputs = [i for i in self.drawn if self.flow.nodes[i].kind == "output"]
        alive = self._above([*self._results(outputs), *(i for i in self.drawn if self._works(i))])
        used = {source for i in alive for source, _ in self.edges[i]}
        # what nothing else uses must end somewhere
        alive |= self._above(i for i in outputs if any(s in alive and s not in used for s, _ in self.edges[i]))
        inputs = {i for i in self.drawn if self.flow.nodes[i].kind == "input"}
        return (alive if alive & inputs else alive | inputs) or set(self.drawn) or {0}

    def _results(self, outputs: list[int]) -> list[int]:
        """The outputs that a reader looks for: of data or weights, and not what a library hands out beside; or all."""
        fed = [i for i in outputs if self.edges[i]]
        return [i for i in fed if not SIDE_OUTPUT.search(self.flow.nodes[i].id)
                and any(self.flow.bits[source] & (DATA | WEIGHT) for source, _ in self.edges[i])] or fed or outputs

    def _works(self, i: int) -> bool:
        """Whether a drawn position has weights, or pools, and works on data; or failed."""
        kind = self.flow.nodes[i].kind
        return kind == "failed" or (
            kind in (*WEIGHTED, "pool") and bool(self.flow.bits[i] & DATA) and bool(self.edges[i]))

    def _above(self, ends: Iterable[int]) -> set[int]:
        """The drawn positions from which one of `ends` is reached, with them."""
        ends = set(ends)
        return ends | reached(ends, lambda i: (source for source, _ in self.edges[i]))

    def _owners(self, alive: set[int]) -> list[int]:
        """For each position the drawn position that takes its id: itself, its producer, its user, or the nearest."""
        owners: list[int | None] = [None] * len(self.flow.nodes)
        for i in range(len(owners)):
            owners[i] = self._maker(i, alive, owners)
        for i in reversed(range(len(owners))):
            if owners[i] is None:
                owners[i] = _first(owners, self.flow.users[i])
        for i in range(len(owners)):
            if owners[i] is None:
                owners[i] = _first(owners, (src for src, _ in self.flow.operands[i]))
        nearest = min(alive)
        return [nearest if owner is None else owner for owner in owners]

    def _maker(self, i: int, alive: set[int], owners: list[int | None]) -> int | None:
        """What is drawn for position `i`: itself, the idiom or the constant it belongs to, or what made its data."""
        idiom, source = self.group.get(i), self.sources[i][0] if self.sources[i] else -1
        if i in alive:
            return i
        if idiom is not None and idiom.last in alive:
            return idiom.last
        if source in self.begun and source in alive:
            return source
        return _first(owners, (src for src, _ in self._made_of(i, DATA))) if self.flow.bits[i] & DATA else None

    def _drawn_as(self, i: int) -> Node:
        """The node drawn at position `i`, without members."""
        node, idiom = self.flow.nodes[i], self.group.get(i)
        told = {}
        if (idiom or node).kind == "attention":
            told = told_of_attention(self.flow, idiom.parts if idiom else {i}, (idiom or node).scope)
        if idiom is not None:
            wave = {"wave": True} if idiom.op == "sinusoidal" else {}
            return replace(node, op=idiom.op, kind=idiom.kind, scope=idiom.scope, out=idiom.out or node.out,
                           attrs={**idiom.attrs, **wave, **told, **dict(marks_of(node.attrs))})
        if i in self.begun:
            return self.begun[i]
        if node.kind == "attention":
            width = node.out[0].shape[-1] if node.out and node.out[0].shape else None
            return replace(node, attrs={**node.attrs, **heads(self.flow, i, width), **told})
        if node.kind == "matmul" and "matmul" not in self.hidden and self._projects(i):
            # a weight on the left of a vector leaves one axis only
            axis = -1 if self.flow.bits[self.flow.operands[i][0][0]] & DATA or len(node.out[0].shape) < 2 else -2
            return replace(node, op="linear", kind="linear", attrs={"out_features": node.out[0].shape[axis]})
        return self._as_junction(node, i)

    def _as_junction(self, node: Node, i: int) -> Node:
        """A node in which values meet, as a sum or a product where it is one; of a hidden kind it is arithmetic."""
        if node.kind in ("math", "add") and node.op in ("add", "sub", "mul") and len(self.edges[i]) > 1:
            return replace(node, kind=node.op)
        if self._ends_stack(i) or (node.op in ADDED and self._adds(i)):
            return replace(node, op="add", kind="add")
        if node.kind in self.hidden:
            return replace(node, kind="reduce" if node.op in GATHERED else "math")
        return node

    def _summed(self, i: int) -> bool:
        """Whether what is stacked at position `i` is summed again over the new axis."""
        shapes = {edge.tensor.shape for _, edge in self.flow.operands[i] if edge.tensor is not None}
        users = [self.flow.nodes[user] for user in self.flow.users[i]]
        return bool(users) and all(
            user.op in ("sum", "mean") and len(user.out) == 1 and {user.out[0].shape} == shapes for user in users)

    def _ends_stack(self, i: int) -> bool:
        """Whether position `i` stacks values that are summed at once."""
        return self.flow.nodes[i].op == "stack" and self._summed(i)

    def _adds(self, i: int) -> bool:
        """Whether position `i` is a sum of values: not one of messages to where an index that came in says."""
        added = self.flow.nodes[i].op in ADDED and len(self.edges[i]) > 1
        return self.flow.nodes[i].op == "add" or (
            added and all(self.flow.bits[src] & DATA for src, _ in self._operands(i)))

    def _projects(self, i: int) -> bool:
        """Whether a matrix product of known shape multiplies data with a weight."""
        node = self.flow.nodes[i]
        bits = [self.flow.bits[src] for src, _ in self.flow.operands[i]]
        return bool(node.out and node.out[0].shape) and sum(bool(b & DATA) for b in bits) == 1 and any(
            b & WEIGHT and not b & DATA for b in bits)

    def result(self) -> Graph:
        alive = self._alive()
        inputs = {i: [(source, edge) for source, edge in self.edges[i] if source in alive] for i in alive}
        into = joined_sums(self.flow.nodes, inputs, {i for i in inputs if self._adds(i)})
        running_cats(self.flow.nodes, inputs)
        members: dict[int, list[int]] = {}
        for i, owner in enumerate(self._owners(alive)):
            members.setdefault(into.get(owner, owner), []).append(i)
        drawn = (self._holding(i, parts) for i, parts in members.items())
        nodes = sorted(drawn, key=lambda node: (node.index, node.id))
        frames = {frame for node in nodes for frame in node.scope}
        aside = self._said(alive)
        bare = replace(self.graph, nodes=tuple(nodes), edges=self._joined(inputs),
                       modules={key: module for key, module in self.graph.modules.items() if key in frames},
                       attrs={**self.graph.attrs, "aside": aside} if aside else self.graph.attrs)
        return merge(bare, ())

    def _said(self, alive: set[int]) -> dict[NodeId, str]:
        """What something drawn reads without an arrow, and as what; of what is not drawn, what it is made of, too."""
        read = {source for i in alive for source in self.asides.get(i, ())}
        of = sorted(read | (self._above(read - alive) & alive))
        return {node.id: next((m.lastgroup or "" for m in ASIDE.finditer(node.id)), "mask")
                if node.kind == "input" and i in read and not any(is_float(out.dtype) for out in node.out) else "index"
                for i in of for node in [self.flow.nodes[i]]}

    def _holding(self, i: int, parts: list[int]) -> Node:
        """The node drawn at position `i`, which stands for the positions `parts`."""
        node, stood_for = self._drawn_as(i), [self.flow.nodes[part] for part in parts]
        chosen = [part.attrs["k"] for part in stood_for if part.op == "topk" and "k" in part.attrs]
        return replace(
            node, members=tuple(member for part in stood_for for member in part.members),
            params=sum(part.params for part in stood_for), flops=sum(part.flops for part in stood_for),
            attrs={**node.attrs, "top_k": chosen[0]} if chosen else node.attrs)

    def _joined(self, inputs: dict[int, list[Operand]]) -> tuple[Edge, ...]:
        """An edge for each operand of what is drawn; those of sums and idioms are counted anew."""
        nodes = self.flow.nodes
        edges: dict[tuple[NodeId, NodeId, int], Edge] = {}
        for i in sorted(inputs):
            for place, (source, edge) in enumerate(inputs[i]):
                slot = place if nodes[i].kind in ("add", "cat") or i in self.group else edge.slot
                edges.setdefault((nodes[source].id, nodes[i].id, slot),
                                 Edge(nodes[source].id, nodes[i].id, edge.tensor, "data", slot))
        return tuple(edges.values())


def _first(owners: Sequence[int | None], positions: Iterable[int]) -> int | None:
    """The owner of the first of `positions` that has one."""
    return next((owners[i] for i in positions if owners[i] is not None), None)
