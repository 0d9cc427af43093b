"""Recurrent layers: folded into a cell with its loop, unrolled over time, or opened to show the inside of a cell.

In: a node of kind ``recurrent``, its graph, a style.  Out: its `Picture`, and entries of the legend.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from archviz.core.graph import Graph, Node
from archviz.core.scene import Box, Link, Mark
from archviz.drawing.forms._cells import gru, lstm, rnn
from archviz.drawing.forms._inside import sign
from archviz.drawing.forms._picture import Picture
from archviz.drawing.forms._steps import Recurrence, Step, equation, steps
from archviz.drawing.forms._unrolled import legend as unrolled_legend
from archviz.drawing.forms._unrolled import opened, unrolled
from archviz.drawing.labels import looks
from archviz.style.option import Option
from archviz.style.style import Style

MOST_STEPS = 99


def _unroll(word: str) -> int:
    if not word.isdigit() or int(word) > MOST_STEPS:
        raise ValueError(f"is a number of time steps from 0 (folded) to {MOST_STEPS}")
    return int(word)


def _cells(word: str) -> tuple[str, ...]:
    return () if word == "closed" else ("*",) if word == "open" else tuple(word.replace(",", " ").split())


def truth(word: str) -> bool:
    """What ``true`` and ``false`` say; `ValueError` for anything else."""
    if word not in ("true", "false"):
        raise ValueError("is true or false")
    return word == "true"


OPTIONS: Mapping[str, Option] = {
    "unroll": Option(_unroll, "0", "draw recurrent layers over this many steps of time; 0: folded, with a loop"),
    "lone": Option(truth, "false", "true: a recurrent layer that is the whole model is drawn without the model's input "
                   "and output, and unrolled only after it is drawn folded: folded = unrolled"),
    "cell": Option(_cells, "closed", "open: show recurrent cells from inside; or globs: only those of these layers"),
}


def picture(node: Node, graph: Graph, style: Style) -> Picture | None:
    """The picture of a recurrent node, as the options say; None for what is none of RNN, LSTM and GRU."""
    if "unrolled" in node.attrs:
        return _together(node, graph, style)
    found = layer(node, graph)
    if found is None:
        return None
    shown = columns(found, style.options["unroll"], is_open(node, style))
    caption = looks(graph, style)[node.id].lines
    return equation(found, shown, caption, style) if found.alone and len(shown) > 1 else steps(
        found, shown, caption, style)


def _together(node: Node, graph: Graph, style: Style) -> Picture | None:
    """The picture of an encoder and a decoder that are one node."""
    parts = opened(node, graph)
    encoder, decoder = (layer(parts.of(key)[0], parts.graph) for key in ("encoder", "decoder"))
    if encoder is None or decoder is None:
        return None
    many = parts.of("decoder")[0].repeat
    lengths = {encoder.length, many if many > 1 else decoder.length} - {None}
    shown = max(style.options["unroll"], 1)
    if len(lengths) > 1:        # the steps of both stand below each other, and what is left out, is left out of both
        shown = max(min(shown, *(length - 2 for length in lengths if length)), 1)
    return unrolled(parts, encoder, decoder, columns(encoder, shown, False), style)


def shorter(style: Style) -> Iterator[Mapping[str, Any]]:
    """The options of `style` with fewer and fewer steps of time: from what may fit its page to the folded cell."""
    most = int(style.page.width / (style.sizes["cell_width"] + style.sizes["cell_reach"]))
    for count in range(min(style.options["unroll"], most), -1, -1):
        yield {**style.options, "unroll": count}


def is_open(node: Node, style: Style) -> bool:
    """Is `node` among those whose cells are shown from inside?"""
    return any(fnmatchcase(name, pattern) for name in (node.id, node.op) for pattern in style.options["cell"])


def layer(node: Node, graph: Graph) -> Recurrence | None:
    """What a picture needs to know of `node`; None for what is none of RNN, LSTM and GRU."""
    op, attrs = node.op.lower(), node.attrs
    bias = bool(attrs.get("bias", True))
    if "lstm" in op:
        name, wiring = "LSTM", lstm(bias, bool(attrs.get("proj_size")))
    elif "gru" in op:
        name, wiring = "GRU", gru(bias)
    elif "rnn" in op:
        name, wiring = "RNN", rnn("ReLU" if "relu" in op + str(attrs.get("nonlinearity", "")) else "tanh", bias)
    else:
        return None
    single = op.endswith("cell")
    out = node.out[0].shape if node.out else ()
    length = None
    if not single and "batch_first" in attrs and len(out) in (2, 3):
        length = out[1] if attrs["batch_first"] and len(out) == 3 else out[0]
    both = bool(attrs.get("bidirectional"))
    carried = [edge.tensor for edge in graph.outgoing.get(node.id, ()) if edge.tensor]
    last = not single and not both and bool(carried) and all(len(tensor.shape) < len(out) for tensor in carried)
    alone = not graph.incoming.get(node.id) and not graph.outgoing.get(node.id)
    return Recurrence(name, wiring, max(int(attrs.get("num_layers", 1)), 1), both, length, single, last, alone)


def columns(layer: Recurrence, unroll: int, opened: bool) -> tuple[Step, ...]:
    """The time steps that are drawn: those asked for, then dots and the last one where there are more."""
    if not unroll or layer.single:
        return (Step("t", opened),)
    shown = min(unroll, layer.length or unroll)
    first = tuple(Step(str(i + 1), opened and i == (shown - 1) // 2) for i in range(shown))
    if layer.length == shown:
        return first
    return (*first, Step("T")) if layer.length == shown + 1 else (*first, Step("", dots=True), Step("T"))


# ------------------------------------------------------------------------------------------------ legend

def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for what the pictures of recurrent nodes are made of; swatches stand at the origin."""
    together = [node for node in graph.nodes if "unrolled" in node.attrs]
    if together:
        state = (style.captions["state"], _state(style))
        return [*unrolled_legend(together[0], graph, style), state]
    found = [(one, is_open(node, style)) for node in graph.nodes
             if node.kind == "recurrent" and (one := layer(node, graph))]
    if not found:
        return []
    s, words = style.sizes, style.captions
    width, height = s["swatch"], s["swatch_height"]
    middle = (width / 2, height / 2)
    entries: dict[str, tuple[Mark, ...]] = {}

    def add(name: str, *swatch: Mark) -> None:
        entries.setdefault(name, swatch)

    ops = {glyph.op for one, opened in found if opened for glyph in one.wiring.glyphs}
    if ops:
        add(words["gate"], Box(0.0, 0.0, width, height, "gate", s["corner"]))
        if "linear" in ops:
            add(words["cell linear"], Box(0.0, 0.0, width, height, "linear", s["corner"]))
        if "act" in ops:
            add(words["cell act"], Box(0.0, 0.0, width, height, "act", height / 2))
        for op in ("mul", "add"):
            if op in ops:
                add(style.kinds[op].name, *sign(op, *middle, style))
    if any(one.both for one, _ in found):
        add(style.kinds["cat"].name, *sign("cat", *middle, style))
    add(words["state"], *_state(style))
    return list(entries.items())


def _state(style: Style) -> tuple[Mark, ...]:
    """The swatch of a state."""
    middle = style.sizes["swatch_height"] / 2
    return (Link(((0.0, middle), (style.sizes["swatch"], middle)), "state", head=style.sizes["cell_arrow"]),)
