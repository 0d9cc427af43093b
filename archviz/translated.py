"""An encoder and a decoder with attention between them in words, as `archviz.passes.unroll` finds them.

In: the graph that is drawn.  Out: sentences.  Imports ir, parts, phrases, passes.
"""
from __future__ import annotations

from collections.abc import Iterable

from archviz.ir import Graph, Node, NodeId, split
from archviz.parts import leaf
from archviz.passes.unroll import parts
from archviz.phrases import listed, phrases

WORDS = ("linear", "embedding", "recurrent", "conv", "attention")
"""Kinds that are told; what is between them is not."""


def translated(drawn: Graph, inputs: list[str]) -> str:
    """What an encoder and a decoder do, step by step; empty for a graph that is anything else."""
    together = [node for node in drawn.nodes if "unrolled" in node.attrs]
    graph = split(drawn, [together[0].id]) if together else drawn
    found = together[0].attrs["unrolled"] if together else parts(graph)
    if found is None or not inputs:
        return ""

    def through(keys: Iterable[NodeId]) -> str:
        return listed([_phrase(node) for node in map(graph.by_id.__getitem__, keys) if node.kind in WORDS])

    encoder, decoder = (graph.by_id[found[key]] for key in ("encoder", "decoder"))
    source, target, handed, head = (through(found[key]) for key in ("source", "target", "handed", "head"))
    shape = decoder.out[0].shape
    steps = decoder.repeat if decoder.repeat > 1 else shape[int(len(shape) == 3 and decoder.attrs["batch_first"])]
    before = found["query"] == "before"
    first = f"; its first state comes from the encoder's through {handed}" if handed else ""
    words = any(graph.by_id[key].out[0].dtype.startswith("int") for key in found["target"][:1])
    taken = f" (through {target})" if target else ""
    given = f", with the {'token' if words else 'input'} given to the decoder{taken}," if found["target"] else ""
    if before:
        last = f" makes the next state{f', which goes to the output through {head}' if head else ''}"
    else:
        given, last = "", f" and that state make the output{f', through {head}' if head else ''}"
    return (f"The encoder, {_phrase(encoder)}, reads {inputs[0]}{f' through {source}' if source else ''}. "
            f"The decoder, {_phrase(decoder)}, takes {steps} steps{first}. "
            f"At each step, attention weighs the encoder's outputs by how well they fit the "
            f"{'state before' if before else 'new state'}. Their sum{given}{last}.")


def _phrase(node: Node) -> str:
    return phrases([leaf(node)])[0]
