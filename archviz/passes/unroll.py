"""Bring an encoder and a decoder with attention between them together, so that they can be drawn step by step.

In: a graph; ``style.options["unroll"]``.  Out: where steps of time are asked for and the network is two recurrent
layers, of which the second, step by step, weighs what the first one gave, the graph of one node: it stands for all of
them, and ``attrs["unrolled"]`` says which node has which part in it.  Any other graph as it is.  Parameters and FLOPs
are kept.

The second layer is a cell that is called in a loop (which `fold` has drawn once by now) or a layer over a sequence.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from archviz.core.graph import Edge, Graph, Node, NodeId, merge, split
from archviz.passes import Traits
from archviz.style.style import Style

JOINS = frozenset(("cat", "add"))
PRODUCTS = frozenset(("matmul", "mul"))


def unroll(graph: Graph, style: Style, **options: Any) -> Graph:
    """Merge an encoder, a decoder and all around them into one node, if the style unrolls time."""
    found = parts(graph) if style.options.get("unroll") else None
    if found is None:
        return graph
    encoder, decoder = (graph.by_id[str(found[key])] for key in ("encoder", "decoder"))
    node = Node(f"{encoder.id}+{decoder.id}", (), f"{encoder.op} + {decoder.op}", "recurrent", {"unrolled": found})
    return merge(graph, [(node, [each.id for each in graph.nodes])])


def undone(graph: Graph) -> Graph:
    """`graph` with an encoder and a decoder that are drawn together as they are without."""
    together = [node.id for node in graph.nodes if "unrolled" in node.attrs]
    return split(graph, together) if together else graph


TRAITS = Traits(undone=undone)


def parts(graph: Graph) -> Mapping[str, Any] | None:
    """The nodes of `graph` by their part in it; None where it is anything else.

    source, encoder   what each word goes through, its input first, and the recurrent layer that reads them
    scores, mix       how well every position fits, and the sum that is weighted by it
    query             whether it is the state ``before`` that is compared with them, and the sum makes the next one, or
                      that of the ``same`` step, which the sum then joins
    target, decoder   as for the encoder, and ``handed``, what its first state goes through on its way from there
    entry, head       what is between the sum, or the target, and the decoder; and between the decoder and the output
    starts            whether the encoder gives the decoder its first state
    end               which of its states that is: ``first`` or ``last`` in time, or empty where that is not known
    """
    layers = [node for node in graph.nodes if node.kind == "recurrent"]
    if len(layers) != 2 or any(node.kind in ("failed", "opaque") for node in graph.nodes):
        return None
    encoder, decoder = layers
    if encoder.repeat > 1 or "batch_first" not in encoder.attrs or not _many(decoder, graph):
        return None
    mix = _mix(graph, encoder.id)
    if not mix:
        return None
    ends = {encoder.id, decoder.id, *mix}
    below = _above(graph, encoder.id, set())
    to_mix = {key for each in mix for key in _above(graph, each, ends)} - ends
    to_decoder = _above(graph, decoder.id, ends)
    made = _below(graph, encoder.id, mix)
    summed = _below(graph, mix[-1], {decoder.id})
    handed = to_decoder & made
    entry = to_decoder & summed
    scores = to_mix - to_decoder - below
    target = to_decoder - handed - entry
    taken = ends | below | handed | entry | scores | target
    head = {node.id for node in graph.nodes} - taken
    shown = [key for key in _ordered(graph, head) if not _collects(graph, key)]
    if not {*shown} <= _below(graph, decoder.id, set()) | _below(graph, mix[-1], set()):
        return None
    if decoder.id in below or entry & made - summed or any(_looped(graph.by_id[key], graph) for key in handed):
        return None
    query = _query(graph, decoder.id, {*to_mix, *mix})
    chains = (_ordered(graph, below), _ordered(graph, target), _ordered(graph, handed))
    fed = decoder.id in _below(graph, mix[-1], set())
    joined = fed or bool(shown) and graph.by_id[shown[0]].kind in JOINS
    if fed != (query == "before") or not joined or any(     # what else is handed on to the next step has no place here
            edge.role == "recurrent" and edge.src != decoder.id for edge in graph.edges):
        return None
    if not query or not all(_is_chain(graph, chain) for chain in chains):
        return None
    if not _is_chain(graph, [*_ordered(graph, entry)], JOINS) or not _is_chain(graph, shown, JOINS):
        return None
    return {"source": chains[0], "encoder": encoder.id, "scores": _ordered(graph, scores), "mix": mix, "query": query,
            "target": chains[1], "handed": chains[2], "decoder": decoder.id, "entry": _ordered(graph, entry),
            "head": shown, "starts": bool(handed) or decoder.id in made,
            "end": str(encoder.attrs.get("taken", ""))}


def _many(decoder: Node, graph: Graph) -> bool:
    """Does it go on from its own state, called again and again or over a sequence?"""
    if decoder.repeat == 1:
        return "batch_first" in decoder.attrs
    return bool(decoder.wires) or any(edge.role == "recurrent" for edge in graph.outgoing[decoder.id])


def _looped(node: Node, graph: Graph) -> bool:
    return any(graph.modules[frame].repeat > 1 for frame in node.scope)


def _mix(graph: Graph, encoder: NodeId) -> list[NodeId]:
    """The nodes that weigh what the encoder gave and add it up: one of attention, or a product and a sum."""
    made = _below(graph, encoder, set())
    found = [[node.id] for node in graph.nodes if node.kind == "attention" and node.id in made]
    for node in graph.nodes:
        for edge in graph.outgoing[node.id] if node.kind == "softmax" and node.id in made else ():
            product = graph.by_id[edge.dst]
            others = [into.src for into in graph.incoming[product.id] if into.src != node.id]
            if product.kind not in PRODUCTS or not all(key == encoder or key in made for key in others) or not others:
                continue
            after = [out.dst for out in graph.outgoing[product.id] if graph.by_id[out.dst].kind == "reduce"]
            found.append([product.id, *after[:1]] if product.kind == "mul" else [product.id])
    return found[0] if len(found) == 1 else []


def _query(graph: Graph, decoder: NodeId, asking: Collection[NodeId]) -> str:
    roles = {edge.role == "recurrent" for edge in graph.outgoing[decoder] if edge.dst in asking}
    return "" if len(roles) != 1 else "before" if True in roles else "same"


def _collects(graph: Graph, key: NodeId) -> bool:
    """Is it the output, or does it put what one node gave at each step end to end?"""
    node = graph.by_id[key]
    return node.kind == "output" or node.kind == "cat" and len(_sources(graph, key)) == 1


# ------------------------------------------------------------------------------------------------ walks

def _flows(edges: Iterable[Edge]) -> Iterable[Edge]:
    return (edge for edge in edges if edge.role != "recurrent")


def _sources(graph: Graph, key: NodeId) -> set[NodeId]:
    return {edge.src for edge in _flows(graph.incoming[key])}


def _above(graph: Graph, key: NodeId, ends: Collection[NodeId]) -> set[NodeId]:
    """All that `key` is made of, up to `ends`."""
    found: set[NodeId] = set()
    waiting = [key]
    while waiting:
        new = _sources(graph, waiting.pop()) - found - set(ends)
        found |= new
        waiting += new
    return found


def _below(graph: Graph, key: NodeId, ends: Collection[NodeId]) -> set[NodeId]:
    """All that is made of `key`, up to `ends`."""
    found: set[NodeId] = set()
    waiting = [key]
    while waiting:
        new = {edge.dst for edge in _flows(graph.outgoing[waiting.pop()])} - found - set(ends)
        found |= new
        waiting += new
    return found


def _ordered(graph: Graph, keys: Collection[NodeId]) -> list[NodeId]:
    return [node.id for node in graph.nodes if node.id in keys]


def _is_chain(graph: Graph, keys: list[NodeId], joins: Collection[str] = ()) -> bool:
    """Does each of `keys` take only the one before it, but for joins, which take more?"""
    for before, key in zip([None, *keys], keys, strict=False):
        sources = {each for src in _sources(graph, key)
                   for each in (_sources(graph, src) if _collects(graph, src) else (src,))}
        if before is not None and before not in sources or len(sources) > 1 and graph.by_id[key].kind not in joins:
            return False
    return True
