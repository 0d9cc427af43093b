"""Recurrent layers: folded into a cell with its loop, unrolled over time, or opened to show the inside of a cell.

In: a node of kind ``recurrent``, its graph, a style.  Out: its `Interior`, and entries of the legend.
"""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any

from archviz.core.graph import Graph, Node
from archviz.core.scene import Box, Mark
from archviz.drawing.forms._cells import gru, lstm, rnn
from archviz.drawing.forms._inside import sign
from archviz.drawing.forms._shapes import line_swatch
from archviz.drawing.forms._steps import Interior, Recurrence, Step, Unrolling, equation
from archviz.drawing.forms._unrolled import Translation, opened
from archviz.drawing.forms._unrolled import legend as unrolled_legend
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


def picture(node: Node, graph: Graph, style: Style) -> Interior | None:
    """The picture of a recurrent node, as the options say; None for what is none of RNN, LSTM and GRU."""
    if "unrolled" in node.attrs:
        return _together(node, graph, style)
    recurrence = layer(node, graph)
    if recurrence is None:
        return None
    shown = columns(recurrence, style.options["unroll"], is_open(node, style))
    caption = looks(graph, style)[node.id].lines
    if recurrence.alone and len(shown) > 1:
        return equation(recurrence, shown, caption, style)
    return Unrolling(recurrence, shown, style).picture(caption)


def _together(node: Node, graph: Graph, style: Style) -> Interior | None:
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
    return Translation(parts, encoder, decoder, columns(encoder, shown, False), style).picture()


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


def legend(graph: Graph, style: Style) -> list[tuple[str, tuple[Mark, ...]]]:
    """(name, swatch) for what the pictures of recurrent nodes are made of; swatches stand at the origin."""
    state = (style.captions["state"], line_swatch("state", style, "cell_arrow"))
    together = [node for node in graph.nodes if "unrolled" in node.attrs]
    if together:
        return [*unrolled_legend(together[0], graph, style), state]
    drawn = [(one, is_open(node, style)) for node in graph.nodes
             if node.kind == "recurrent" and (one := layer(node, graph))]
    if not drawn:
        return []
    ops = {glyph.op for one, opened in drawn if opened for glyph in one.wiring.glyphs}
    ops |= {"cat"} if any(one.both for one, _ in drawn) else set()
    s, width, height = style.sizes, style.sizes["swatch"], style.sizes["swatch_height"]
    boxes = (("gate", "gate", s["corner"]), ("linear", "cell linear", s["corner"]), ("act", "cell act", height / 2))
    entries: dict[str, tuple[Mark, ...]] = {
        style.captions[name]: (Box(0.0, 0.0, width, height, op, radius),) for op, name, radius in boxes if op in ops}
    entries |= {style.kinds[op].name: sign(op, width / 2, height / 2, style)
                for op in ("mul", "add", "cat") if op in ops}
    return [*entries.items(), state]
