"""The written caption: what the model is, stage by stage, and what it costs, in the few sentences a paper would print.

In: the traced graph, and the one that is drawn.  Out: plain text.

Everything is said from structure: what follows what, what repeats, what kind each part is.  No model is known by name.
"""
from __future__ import annotations

import re
from collections.abc import Sequence

from archviz.core import text
from archviz.core.conditioning import Signal, signals
from archviz.core.graph import Graph, Module, Node, NodeId
from archviz.core.regroup import split, subgraph
from archviz.core.scene import Scene
from archviz.drawing.badges import frozen_params
from archviz.figure.caption.parts import Part, leaf, module_noun, opened, parts, plural
from archviz.figure.caption.phrases import article, counted, listed, number, phrases, told_apart, with_article
from archviz.figure.caption.sentences import port, sentences
from archviz.figure.caption.strands import module_path, strands
from archviz.passes import unroll
from archviz.style.style import Style


def describe(graph: Graph, drawn: Graph | None = None, insets: Sequence[Module] = (), reading: Sequence[str] = (),
             title: str | None = None) -> str:
    """The caption of `graph`; `drawn` (a cut of it) is what the figure shows, `insets` what is drawn opened up,
    `reading` what colours and sizes mean, `title` what the model is called above it."""
    shown = drawn or graph
    inputs = _inputs(graph, shown)
    name = text.clean(title or graph.name).rstrip(".") or "Model"
    sentences = [f"{name}.", *_told(graph, shown), *_appended(graph)]
    costs = _costs(graph, inputs)
    sentences += [costs] if costs else []
    sentences += _divided(shown)
    sentences += [text.clean(sentence) for sentence in reading if sentence.strip() and shown.nodes]
    if insets:
        seen = listed([_opened_up(module, graph) for module in insets])
        sentences.append(f"The inset{'s show' if len(insets) > 1 else ' shows'} {seen} from inside.")
    if drawn is not None and (frozen := frozen_params(drawn)):
        sentences.append(f"A snowflake marks what is frozen: {text.units(frozen)} of the parameters.")
    report = graph.attrs.get("report") or {}
    if report.get("invented"):
        sentences.append("Values decide the path through this model; the figure shows one, taken with made-up values.")
    if report.get("failed"):
        where, error = (text.clean(str(part)) for part in report["failed"])
        sentences.append(f"Incomplete: {where} raised {error.rstrip('.')}.")
    return " ".join(sentences)


def alternative(graph: Graph, drawn: Graph, title: str | None = None) -> str:
    """What a screen reader says in the place of the figure: what it is, and its stages in order."""
    name = text.clean(title or graph.name).rstrip(".") or "a model"
    return " ".join([f"Diagram of the architecture of {name}.", *_told(graph, drawn), *_appended(graph)])


def reading(style: Style, scene: Scene, drawn: Graph) -> list[str]:
    """How the figure of `drawn` is read: as its style says, the captions ``reading``, and ``reading <word>`` where a
    role that is drawn has that word (templates may use the style's options); and what its ×N means."""
    roles = {word for role in scene.painted() for word in role.split()}
    values = {key: _law(value) for key, value in style.options.items()}
    sentences = [text.fill(template, values) for key, template in style.captions.items()
                 if key == "reading" or key.startswith("reading ") and key.removeprefix("reading ") in roles]
    return [*sentences, *_repeats(drawn, scene)]


def _law(value: object) -> str:
    """An option of a style in words: a scale law as one says it."""
    name, power = getattr(value, "name", None), getattr(value, "power", 1.0)
    words = {"log": "on a logarithmic scale", "linear": "to scale", "power": f"raised to the power {power:g}"}
    return words.get(str(name), str(value))


MOST = 7        # sentences; beyond, the parts are only counted


def _told(graph: Graph, drawn: Graph) -> list[str]:
    """What it is, in the words that suit it."""
    steps = translated(drawn, _inputs(graph, drawn))
    if steps:
        return [steps]
    main = main_path(graph, drawn)
    told = _followed(main, drawn)
    if main is not graph and told is not None:
        return [told, *conditioned(drawn)]
    return [words] if (words := told or _followed(graph, drawn, whole=True)) else []


def _followed(graph: Graph, drawn: Graph, whole: bool = False) -> str | None:
    """What goes through what; None where a part of `graph` that is not the `whole` reads nothing that is in it."""
    flow, inputs = told_apart(opened(parts(graph))), _read(graph, drawn)
    outputs = [node for node in graph.nodes if node.kind == "output" and node.id in drawn.by_id]
    found = strands(flow, graph, inputs, outputs)
    if not whole and any(strand.parts and not strand.begins and not strand.before for strand in found):
        return None
    told = sentences(found, lambda node: port(drawn.by_id.get(node.id, node)), lambda node: _input(node, graph))
    if flow and not 0 < len(told) <= MOST:
        once: dict[str, Part] = {}
        for part in flow:
            once.setdefault(module_path(part) or part.id, part)
        again = ", some used more than once" if len(once) < len(flow) else ""
        told = [f"The network consists of {listed(counted([*once.values()]))}{again}."]
    return _once(" ".join(told), {port(drawn.by_id.get(node.id, node)) for node in inputs})


def _once(words: str, names: set[str]) -> str:
    """`words` with what stands in parentheses said only the first time, unless it is one of `names`."""
    seen: set[str] = set()

    def first(match: re.Match[str]) -> str:
        again = match[0] in seen and match[0][2:-1] not in names
        seen.add(match[0])
        return "" if again else match[0]

    return re.sub(r" \([^()]*\)", first, words)


def _appended(graph: Graph) -> list[str]:
    """What was put behind the end by hand."""
    names = [text.clean(str(node.attrs["label"])) for node in graph.nodes if "appended" in node.attrs]
    return [f"What comes out goes to {', then to '.join(names)}."] if names else []


def _divided(graph: Graph) -> list[str]:
    """What is said of streams that run side by side, and of a router that divides tokens among experts."""
    sentences = []
    if (streams := max((node.attrs.get("streams", 1) for node in graph.nodes), default=1)) > 1:
        sentences.append(f"Its layers are divided into {number(streams)} streams.")
    routers = {(node.attrs["active"], node.attrs["experts"]) for node in graph.nodes
               if {"active", "experts"} <= set(node.attrs)}
    return [*sentences, *(f"A router sends each token to {number(active)} of {number(experts)} experts."
                          for active, experts in sorted(routers))]


def _repeats(graph: Graph, scene: Scene) -> list[str]:
    """What ×N or N× means, where one of them is drawn."""
    counts = {node.repeat for node in graph.nodes} | {
        graph.modules[frame].repeat for node in graph.nodes for frame in node.scope if frame in graph.modules}
    words = {word.strip(",") for string in scene.strings() for word in string.split()}
    signs = [sign for sign in ("×N", "N×") if {sign.replace("N", str(n)) for n in counts if n > 1} & words]
    return [f"{sign} marks N equal blocks in a row, of which one is drawn." for sign in signs]


def _opened_up(module: Module, graph: Graph) -> str:
    """What an inset shows: ``one of the 12 blocks``, ``the encoder``."""
    noun = str(module.attrs.get("label", "")) or module_noun(module.cls, module.path, graph)
    count = max(len(module.copies), 1)
    same = sum(other.cls == module.cls for other in graph.modules.values())
    return f"one of the {number(count)} {plural(noun)}" if count > 1 else f"the {noun}" if same == 1 else \
        with_article(noun)


def _costs(graph: Graph, inputs: Sequence[str]) -> str:
    tied = " (weights used more than once are counted once)" if any(node.shared for node in graph.nodes) else ""
    counted = f" for {listed(inputs)}" if 1 < len(inputs) <= 3 else ""
    has = f"has {text.units(graph.params)} parameters{tied}" if graph.params else ""
    takes = f"takes {text.units(graph.flops / 2)} multiply-accumulates{counted}" if graph.flops else ""
    return f"It {' and '.join(filter(None, [has, takes]))}." if has or takes else ""


def _inputs(graph: Graph, drawn: Graph) -> list[str]:
    """What goes in, each kind of input once."""
    return list(dict.fromkeys(_input(node, graph) for node in _read(graph, drawn)))


def _read(graph: Graph, drawn: Graph) -> list[Node]:
    """The inputs that are drawn; all, where none is."""
    every = [node for node in graph.nodes if node.kind == "input" and node.out]
    return [node for node in every if node.id in drawn.by_id] or every


def _input(node: Node, graph: Graph) -> str:
    spec = node.out[0]
    if len(spec.shape) == 2 and spec.dtype.startswith("int") and _embedded(node.id, graph):
        return f"a sequence of {spec.shape[1]} tokens" if spec.shape[1] != 1 else "one token"
    size = text.shape(spec)
    channels = spec.shape[spec.axes.index("C")] if "C" in spec.axes and len(spec.axes) == len(spec.shape) else 0
    image = "H" in spec.axes and "W" in spec.axes and channels in (1, 3)
    noun = "clip" if image and len(spec.shape) == 5 else "image" if image and len(spec.shape) == 4 else "input"
    return f"{article(size)} {size} {noun}" if "×" in size else f"an input of length {size}"


def _embedded(key: NodeId, graph: Graph) -> bool:
    """Whether a layer looks rows up with what comes from `key`, however its shape is changed on the way."""
    readers = [graph.by_id[edge.dst] for edge in graph.outgoing[key]]
    return any(node.kind == "embedding" or node.kind in ("view", "cast") and _embedded(node.id, graph)
               for node in readers)


OWN = frozenset(("conv", "attention", "recurrent", "scan", "module"))
"""Kinds of which a signal is made that is a network of its own, and told among the stages."""


def _signals(drawn: Graph) -> list[Signal]:
    return [signal for signal in signals(drawn)
            if not any(drawn.by_id[key].kind in OWN and (drawn.by_id[key].scope or drawn.by_id[key].kind != "module")
                       for key in signal.nodes)]


def main_path(graph: Graph, drawn: Graph) -> Graph:
    """`graph` without what makes the signals it is conditioned on; itself where there are none."""
    beside = {member for signal in _signals(drawn) for key in signal.nodes for member in drawn.by_id[key].members}
    return subgraph(graph, (node.id for node in graph.nodes if node.id not in beside)) if beside else graph


def conditioned(drawn: Graph) -> list[str]:
    """What reads what from beside the main path: ``The seven residual blocks are conditioned on time.``"""
    sources: dict[str, list[str]] = {}
    for signal in sorted(_signals(drawn), key=lambda signal: drawn.by_id[signal.nodes[0]].index):
        names = [text.clean(key.split(":", 1)[-1]).rsplit(".", 1)[-1].replace("_", " ") for key in signal.nodes
                 if drawn.by_id[key].kind == "input"]
        readers = [drawn.by_id[key] for key in dict.fromkeys(dst for _, dst in signal.edges)]
        nouns = {module_noun(node.op, node.id, drawn) for node in readers if node.kind == "module"}
        every = [node for node in drawn.nodes if node.op == readers[0].op]
        if len(nouns) == 1 and len({node.op for node in readers}) == 1:
            them = f"{'the ' if len(every) == len(readers) else ''}{number(len(readers))} {plural(nouns.pop())}"
        else:
            them = f"{number(len(readers))} layers"
        sources.setdefault(them, []).extend(names)
    words = listed([f"{them} {'' if i else 'are conditioned '}on {listed(words_of)}"
                    for i, (them, words_of) in enumerate(sources.items())])
    return [f"{words[0].upper()}{words[1:]}."] if sources else []


WORDS = ("linear", "embedding", "recurrent", "conv", "attention")
"""Kinds that are told; what is between them is not."""


def translated(drawn: Graph, inputs: list[str]) -> str:
    """What an encoder and a decoder do, step by step; empty for a graph that is anything else."""
    together = [node for node in drawn.nodes if "unrolled" in node.attrs]
    graph = split(drawn, [together[0].id]) if together else drawn
    roles = together[0].attrs["unrolled"] if together else unroll.parts(graph)
    if roles is None or not inputs:
        return ""

    def through(role: str, template: str) -> str:
        """`template` with what the data goes through there; empty where that is nothing one would name."""
        words = listed([_phrase(node) for node in map(graph.by_id.__getitem__, roles[role]) if node.kind in WORDS])
        return template.format(words) if words else ""

    encoder, decoder = (graph.by_id[roles[role]] for role in ("encoder", "decoder"))
    shape = decoder.out[0].shape
    steps = decoder.repeat if decoder.repeat > 1 else shape[int(len(shape) == 3 and decoder.attrs["batch_first"])]
    first = through("handed", "; its first state comes from the encoder's through {}")
    before = roles["query"] == "before"
    if before:
        tokens = any(graph.by_id[key].out[0].dtype.startswith("int") for key in roles["target"][:1])
        target = f"the {'token' if tokens else 'input'} given to the decoder{through('target', ' (through {})')}"
        made = (f"{f', with {target},' if roles['target'] else ''} makes the next state"
                f"{through('head', ', which goes to the output through {}')}")
    else:
        made = f" and that state make the output{through('head', ', through {}')}"
    return (f"The encoder, {_phrase(encoder)}, reads {inputs[0]}{through('source', ' through {}')}. "
            f"The decoder, {_phrase(decoder)}, takes {steps} steps{first}. "
            f"At each step, attention weighs the encoder's outputs by how well they fit the "
            f"{'state before' if before else 'new state'}. Their sum{made}.")


def _phrase(node: Node) -> str:
    return phrases([leaf(node)])[0]
