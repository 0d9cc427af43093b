"""Bring an encoder and a decoder with attention between them together, so that they can be drawn step by step.

In: a graph; ``style.options["unroll"]``.  Out: where steps of time are asked for and the network is two recurrent
layers, of which the second, step by step, weighs what the first one gave, the graph of one node: it stands for all of
them, and ``attrs["unrolled"]`` says which node has which part in it.  Any other graph as it is.  Parameters and FLOPs
are kept.

The second layer is a cell that is called in a loop (which `fold` has drawn once by now) or a layer over a sequence.
"""
from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from archviz.core.graph import Graph, Node, NodeId, hands_on
from archviz.core.regroup import merge, split
from archviz.passes import Traits
from archviz.style.style import Style

JOINS = frozenset(("cat", "add"))
PRODUCTS = frozenset(("matmul", "mul"))


def unroll(graph: Graph, style: Style, **options: Any) -> Graph:
    """Merge an encoder, a decoder and all around them into one node, if the style unrolls time."""
    roles = parts(graph) if style.options.get("unroll") else None
    if roles is None:
        return graph
    encoder, decoder = (graph.by_id[str(roles[key])] for key in ("encoder", "decoder"))
    node = Node(f"{encoder.id}+{decoder.id}", (), f"{encoder.op} + {decoder.op}", "recurrent", {"unrolled": roles})
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
    goes_on = "batch_first" in decoder.attrs if decoder.repeat == 1 else hands_on(graph, decoder)
    if encoder.repeat > 1 or "batch_first" not in encoder.attrs or not goes_on:
        return None
    mix = _mix(graph, encoder.id)
    return _around(graph, encoder, decoder.id, mix) if mix else None


def _around(graph: Graph, encoder: Node, decoder: NodeId, mix: list[NodeId]) -> Mapping[str, Any] | None:
    """The `parts`, of which the layers and what weighs are known; None where another one is not what it should be."""
    ends = {encoder.id, decoder, *mix}
    source = graph.ancestors([encoder.id])
    to_mix, to_decoder = graph.ancestors(mix, ends), graph.ancestors([decoder], ends)
    made, after = graph.descendants([encoder.id], mix), graph.descendants([mix[-1]])
    handed, entry = to_decoder & made, to_decoder & graph.descendants([mix[-1]], {decoder})
    chosen = {
        "source": source, "scores": to_mix - to_decoder - source, "target": to_decoder - handed - entry,
        "handed": handed, "entry": entry, "head": graph.by_id.keys() - ends - source - to_decoder - to_mix}
    ways = {part: [node.id for node in graph.nodes if node.id in keys] for part, keys in chosen.items()}
    ways["head"] = [key for key in ways["head"] if not _collects(graph, key)]
    query = _query(graph, decoder, {*to_mix, *mix})
    if not query or not _fits(graph, ways, decoder, query == "before", decoder in after):
        return None
    if decoder in source or not {*ways["head"]} <= graph.descendants([decoder]) | after:
        return None
    return {"source": ways["source"], "encoder": encoder.id, "scores": ways["scores"], "mix": mix, "query": query,
            "target": ways["target"], "handed": ways["handed"], "decoder": decoder, "entry": ways["entry"],
            "head": ways["head"], "starts": bool(handed) or decoder in made, "end": str(encoder.attrs.get("taken", ""))}


def _fits(graph: Graph, ways: Mapping[str, list[NodeId]], decoder: NodeId, asks_before: bool, fed: bool) -> bool:
    """Whether the ways between the layers are chains, and the sum makes the next state or joins the one that asked."""
    joined = fed or bool(ways["head"]) and graph.by_id[ways["head"][0]].kind in JOINS
    return (
        fed == asks_before and joined
        and not any(graph.modules[frame].repeat > 1 for key in ways["handed"] for frame in graph.by_id[key].scope)
        and all(_is_chain(graph, ways[part]) for part in ("source", "target", "handed"))
        and all(_is_chain(graph, ways[part], JOINS) for part in ("entry", "head"))
        # what else is handed on to the next step has no place here
        and all(edge.role != "recurrent" or edge.src == decoder for edge in graph.edges))


def _mix(graph: Graph, encoder: NodeId) -> list[NodeId]:
    """The nodes that weigh what the encoder gave and add it up: one of attention, or a product and a sum."""
    made = graph.descendants([encoder])
    ways = [[node.id] for node in graph.nodes if node.kind == "attention" and node.id in made]
    for node in graph.nodes:
        for edge in graph.outgoing[node.id] if node.kind == "softmax" and node.id in made else ():
            product = graph.by_id[edge.dst]
            others = [into.src for into in graph.incoming[product.id] if into.src != node.id]
            if product.kind not in PRODUCTS or not all(key == encoder or key in made for key in others) or not others:
                continue
            after = [out.dst for out in graph.outgoing[product.id] if graph.by_id[out.dst].kind == "reduce"]
            ways.append([product.id, *after[:1]] if product.kind == "mul" else [product.id])
    return ways[0] if len(ways) == 1 else []


def _query(graph: Graph, decoder: NodeId, asking: Collection[NodeId]) -> str:
    roles = {edge.role == "recurrent" for edge in graph.outgoing[decoder] if edge.dst in asking}
    return "" if len(roles) != 1 else "before" if True in roles else "same"


def _collects(graph: Graph, key: NodeId) -> bool:
    """Is it the output, or does it put what one node gave at each step end to end?"""
    node = graph.by_id[key]
    return node.kind == "output" or node.kind == "cat" and len(_sources(graph, key)) == 1


def _sources(graph: Graph, key: NodeId) -> set[NodeId]:
    return {edge.src for edge in graph.inflow[key]}


def _is_chain(graph: Graph, keys: list[NodeId], joins: Collection[str] = ()) -> bool:
    """Does each of `keys` take only the one before it, but for joins, which take more?"""
    for before, key in zip([None, *keys], keys, strict=False):
        sources = {each for src in _sources(graph, key)
                   for each in (_sources(graph, src) if _collects(graph, src) else (src,))}
        if before is not None and before not in sources or len(sources) > 1 and graph.by_id[key].kind not in joins:
            return False
    return True
