"""Remove the plumbing: what is left are the values a reader follows and the operations that make them.

In: a trace graph; ``style.hide``, the kinds without meaning to a reader.  Out: the same network without them: an edge
u → hidden → v becomes u → v, edges that carry only masks, positions, sizes or caches vanish, and the ids of what is
hidden join the members of a visible neighbour (producer first).  Parameters and FLOPs keep their sums.  Imports ir, style.
"""
from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from archviz.ir import Edge, Graph, Node, merge
from archviz.passes._idioms import Idiom, heads, idioms
from archviz.passes._values import DATA, INDEX, WEIGHT, WEIGHTED, Flow, flow, is_float
from archviz.style import Style

JUNCTIONS = frozenset(("add", "mul", "cat", "math", "reduce", "index", "mask", "view"))
"""Kinds that are drawn only where two values of different origin meet."""

MEETING = frozenset("add sub mul div cat stack where maximum minimum pow matmul".split())
"""Functions in which two values meet as equals."""

SIDE_OUTPUT = re.compile(
    r"(?:^|[./:])(?:past_key_values|(?!last_)\w+_hidden_states?|hidden_states|(?:\w+_)?attentions|cache_params|mems|\w+_output)"
    r"(?:[./@\d]|$)")
"""Outputs that a library hands out beside its result: caches, every layer's state, attention maps."""


def hide(graph: Graph, style: Style, **options: Any) -> Graph:
    """Bypass what tells a reader nothing.  Keeps ids, parameters, FLOPs; every drawn edge is a path of the trace."""
    if not graph.nodes:
        return graph
    return _Cut(flow(graph), graph, frozenset(style.hide)).result()


class _Cut:
    """One run of `hide` over `flow`: which positions are drawn, and which drawn positions each value comes from."""

    def __init__(self, values: Flow, graph: Graph, hidden: frozenset[str]) -> None:
        self.flow, self.graph, self.hidden = values, graph, hidden
        self.idioms = idioms(values, graph.modules)
        self.group: dict[int, Idiom] = {i: idiom for idiom in self.idioms for i in idiom.parts}
        self.sources: list[tuple[int, ...]] = []            # per position: the drawn positions its value comes from
        self.drawn: set[int] = set()                        # idioms at their last position
        self.edges: dict[int, list[tuple[int, Edge]]] = {}  # per drawn position: (source, operand)
        for i in range(len(values.nodes)):
            self._visit(i)

    # ------------------------------------------------------------------------------------ what is drawn

    def _visit(self, i: int) -> None:
        node, idiom = self.flow.nodes[i], self.group.get(i)
        if idiom is not None:
            found = [(src, edge) for src, edge in self.flow.operands[i]
                     if src not in idiom.parts and self.flow.bits[src] & DATA and self._carries(edge)]
            self._draw(idiom.last, found)
            self.sources.append((idiom.last,))
            return
        operands = self._operands(i)
        origins = [self.sources[src] for src, _ in operands]
        if self._visible(node, i, operands, origins):
            self._draw(i, operands)
            self.sources.append((i,))
        else:
            self.sources.append(tuple(dict.fromkeys(s for origin in origins for s in origin)))

    def _draw(self, i: int, operands: list[tuple[int, Edge]]) -> None:
        self.drawn.add(i)
        found = self.edges.setdefault(i, [])
        found.extend((source, edge) for src, edge in operands for source in self.sources[src] if source != i)

    def _operands(self, i: int) -> list[tuple[int, Edge]]:
        """The operands through which something a reader follows flows into position `i`."""
        node, bits = self.flow.nodes[i], self.flow.bits
        operands = self.flow.operands[i]
        data = [o for o in operands if bits[o[0]] & DATA and self._carries(o[1])]
        data = data or [o for o in operands if bits[o[0]] & DATA]
        weights = [o for o in operands if not bits[o[0]] & DATA and bits[o[0]] & WEIGHT]
        if node.kind == "output":
            return data or weights or list(operands)
        if node.kind == "attention" and node.op != "attention":
            weights = [o for o in weights if o[1].slot < 3]
        elif node.kind in WEIGHTED:
            inputs = [o for o in operands if bits[o[0]] & INDEX and not bits[o[0]] & (DATA | WEIGHT)]
            return data or inputs or [o for o in weights if o[1].slot == (1 if node.op == "addmm" else 0)]
        elif data:
            weights = [o for o in weights if node.kind != "mul" and self._substantial(node, o)]
        if data or weights:
            return sorted((*data, *weights), key=lambda o: (o[1].slot, o[0]))
        return [o for o in operands if bits[o[0]] & INDEX]

    def _carries(self, edge: Edge) -> bool:
        """Not a mask and not an index."""
        return edge.tensor is None or is_float(edge.tensor.dtype)

    def _substantial(self, node: Node, operand: tuple[int, Edge]) -> bool:
        """Whether a weight is worth an arrow where it meets data: position embeddings, class tokens; not biases or scales."""
        if node.kind == "cat" or operand[1].tensor is None:
            return node.kind in ("cat", "add")
        looked_up = any(self.flow.nodes[s].kind != "parameter" for s in self.sources[operand[0]])
        return node.kind == "add" and (looked_up or sum(size > 1 for size in operand[1].tensor.shape) > 1)

    def _visible(self, node: Node, i: int, operands: list[tuple[int, Edge]], origins: list[tuple[int, ...]]) -> bool:
        if node.kind in ("input", "output", "parameter", "opaque", "failed"):
            return True
        if not self.flow.bits[i] & (DATA | WEIGHT) or (node.kind in self.hidden and node.op not in MEETING):
            return False
        if node.kind == "reduce" and self._pools(node, operands):
            return True
        if node.kind in JUNCTIONS:
            return node.op in MEETING and len(set(origins)) > 1 and all(origins)
        if node.kind in ("matmul", "softmax", "scan"):
            return bool(self.flow.bits[i] & DATA) and (node.kind != "scan" or node.op not in ("cumsum", "cumprod"))
        return True

    def _pools(self, node: Node, operands: list[tuple[int, Edge]]) -> bool:
        """A mean or sum over the image or over the tokens, not one over the channels."""
        if node.op not in ("mean", "sum", "max", "amax", "logsumexp") or len(operands) != 1 or not node.out:
            return False
        before = operands[0][1].tensor
        if before is None or len(before.shape) not in (3, 4, 5):
            return False
        after, sizes = node.out[0].shape, before.shape
        if len(sizes) == 3:
            kept = [size for size in after if size != 1]
            return len(after) in (2, 3) and after[-1] == sizes[-1] and len(kept) < sum(s != 1 for s in sizes)
        spatial = len(sizes) - 2
        return after[:2] == sizes[:2] and (len(after) == 2 or after[2:] == (1,) * spatial) or (
            len(sizes) == 4 and len(after) in (2, 4) and after[0] == sizes[0] and after[-1] == sizes[-1]
            and after[1:-1] in ((), (1, 1)))

    # ----------------------------------------------------------------------------------- what is alive

    def _alive(self) -> set[int]:
        """The drawn positions from which an output or an operation with weights on data is reached."""
        nodes, bits = self.flow.nodes, self.flow.bits
        outputs = [i for i in self.drawn if nodes[i].kind == "output"]
        main = [i for i in outputs if self.edges[i] and not SIDE_OUTPUT.search(nodes[i].id)
                and any(bits[s] & DATA for s, _ in self.edges[i])]
        seeds = main or [i for i in outputs if self.edges[i]] or outputs
        seeds = seeds + [i for i in self.drawn if nodes[i].kind in (*WEIGHTED, "pool") and bits[i] & DATA]
        alive: set[int] = set()
        waiting = sorted(seeds)
        while waiting:
            i = waiting.pop()
            if i not in alive:
                alive.add(i)
                waiting.extend(source for source, _ in self.edges[i])
        inputs = [i for i in self.drawn if nodes[i].kind == "input"]
        if inputs and not alive & set(inputs):
            alive.update(inputs)
        return alive or set(self.drawn) or {0}

    def _owners(self, alive: set[int]) -> list[int]:
        """For each position the drawn position that takes its id: itself, its producer, its user, or the nearest."""
        nodes = self.flow.nodes
        own: list[int | None] = [None] * len(nodes)
        for i in range(len(nodes)):
            idiom = self.group.get(i)
            if i in alive:
                own[i] = i
            elif idiom is not None and idiom.last in alive:
                own[i] = idiom.last
            else:
                bits = self.flow.bits
                data = [own[s] for s, _ in self.flow.operands[i] if bits[s] & DATA] if bits[i] & DATA else []
                own[i] = next((o for o in data if o is not None), None)
        for i in reversed(range(len(nodes))):
            if own[i] is None:
                own[i] = next((own[u] for u in self.flow.users[i] if own[u] is not None), None)
        for i in range(len(nodes)):
            if own[i] is None:
                own[i] = next((own[s] for s, _ in self.flow.operands[i] if own[s] is not None), None)
        order = sorted(alive)
        return [o if o is not None else order[0] for o in own]

    def result(self) -> Graph:
        alive = self._alive()
        nodes = self.flow.nodes
        members: dict[int, list[int]] = {}
        for i, own in enumerate(self._owners(alive)):
            members.setdefault(own, []).append(i)
        drawn = []
        for i, parts in members.items():
            idiom = self.group.get(i)
            base = nodes[i]
            if idiom is not None:
                base = replace(base, op=idiom.op, kind=idiom.kind, scope=idiom.scope, attrs=dict(idiom.attrs),
                               index=nodes[min(idiom.parts)].index)
            elif base.kind == "attention" and "num_heads" not in base.attrs:
                base = replace(base, attrs={**base.attrs, **heads(self.flow, i, i)})
            drawn.append(replace(base, members=tuple(m for p in parts for m in nodes[p].members),
                                 params=sum(nodes[p].params for p in parts), flops=sum(nodes[p].flops for p in parts)))
        edges = {}
        for i in sorted(alive):
            for source, edge in self.edges[i]:
                if source in alive:
                    composed = Edge(nodes[source].id, nodes[i].id, edge.tensor, "data", edge.slot)
                    edges.setdefault((composed.src, composed.dst, composed.slot), composed)
        bare = replace(self.graph, nodes=tuple(sorted(drawn, key=lambda n: (n.index, n.id))), edges=tuple(edges.values()))
        return merge(bare, ())


