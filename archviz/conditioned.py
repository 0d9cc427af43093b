"""What a caption says of the signals that a network is conditioned on.

In: the traced graph, and the one that is drawn.  Out: the graph without them, and a sentence.  Imports ir, text,
conditions, parts, phrases.
"""
from __future__ import annotations

from dataclasses import replace

from archviz import text
from archviz.conditions import Signal, signals
from archviz.ir import Graph, Node
from archviz.parts import module_noun, plural
from archviz.phrases import listed, number

OWN = frozenset(("conv", "attention", "recurrent", "scan", "module"))
"""Kinds of which a signal is made that is a network of its own, and told among the stages."""


def _signals(drawn: Graph) -> list[Signal]:
    return [signal for signal in signals(drawn)
            if not any(drawn.by_id[key].kind in OWN and drawn.by_id[key].scope for key in signal.nodes)]


def main_path(graph: Graph, drawn: Graph) -> Graph:
    """`graph` without what makes the signals it is conditioned on."""
    beside = {member for signal in _signals(drawn) for key in signal.nodes for member in drawn.by_id[key].members}
    if not beside:
        return graph
    return replace(graph, nodes=tuple(node for node in graph.nodes if node.id not in beside),
                   edges=tuple(edge for edge in graph.edges if not {edge.src, edge.dst} & beside))


def conditioned(drawn: Graph) -> list[str]:
    """What reads what from beside the main path: ``The seven residual blocks are conditioned on time.``"""
    found: dict[str, list[str]] = {}
    for signal in sorted(_signals(drawn), key=lambda signal: drawn.by_id[signal.nodes[0]].index):
        given = [_word(drawn.by_id[key]) for key in signal.nodes if drawn.by_id[key].kind == "input"]
        readers = [drawn.by_id[key] for key in dict.fromkeys(dst for _, dst in signal.edges)]
        nouns = {module_noun(node.op, node.id, drawn) for node in readers if node.kind == "module"}
        every = [node for node in drawn.nodes if node.op == readers[0].op]
        if len(nouns) == 1 and len({node.op for node in readers}) == 1:
            them = f"{'the ' if len(every) == len(readers) else ''}{number(len(readers))} {plural(nouns.pop())}"
        else:
            them = f"{number(len(readers))} layers"
        found.setdefault(them, []).extend(given)
    words = listed([f"{them} {'' if i else 'are conditioned '}on {listed(given)}"
                    for i, (them, given) in enumerate(found.items())])
    return [f"{words[0].upper()}{words[1:]}."] if found else []


def _word(node: Node) -> str:
    return text.clean(node.id.split(":", 1)[-1]).rsplit(".", 1)[-1].replace("_", " ")
