"""The written caption: what the model is, part by part, and what it costs, in the few sentences a paper would print.

In: the traced graph, and the one that is drawn.  Out: plain text, also the figure's alternative text.
Imports ir, text, naming, marks.

Everything is said from structure: what follows what, what repeats, what kind each part is.  No model is known by name.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from archviz import text
from archviz.ir import Graph, Module, Node, NodeId
from archviz.marks import frozen_params
from archviz.naming import CONTAINERS, title

MOST = 6            # parts in one sentence; beyond, equal ones are counted together, then the lightest go
DOMINANT = 0.7      # a module that holds this part of the operations around it is a wrapper, told by what is inside
SILENT = frozenset({"input", "output", "parameter", "norm", "act", "add", "mul", "math", "dropout", "view", "cast",
                    "index", "size", "mask", "constant", "identity", "softmax", "reduce", "matmul"})
"""Kinds a caption leaves out: what stands between the parts one would name."""
UNITS = ("block", "layer", "stage", "unit", "cell", "module", "group", "level")
UNCOUNTED = ("pooling", "attention", "upsampling", "concatenation", "mean over positions")
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Part:
    """A piece of the model: a leaf operation, or a module call with its own parts inside."""

    id: NodeId
    one: str                        # "3×3 convolution"
    many: str                       # "3×3 convolutions"
    cls: str = ""
    path: str = ""
    size: int = 1                   # operations inside
    inside: tuple[Part, ...] = ()
    kinds: tuple[str, ...] = field(default=(), repr=False)


def describe(graph: Graph, drawn: Graph | None = None, insets: Sequence[Module] = ()) -> str:
    """The caption of `graph`; `drawn` (a cut of it) adds how to read what the figure repeats, `insets` what is drawn
    opened up."""
    parts = _opened(_parts(graph))
    whole = _listed(_phrases(_told_apart(parts)))
    name = text.clean(graph.name) or "Model"
    sentences = [f"{name}: {whole}." if whole else f"{name}."]
    costs = _costs(graph, drawn or graph)
    if costs:
        sentences.append(costs)
    if any(node.shared for node in graph.nodes):
        sentences.append("Weights used more than once are counted once.")
    if drawn is not None and _repeats(drawn):
        sentences.append("×N marks N equal blocks in a row, of which one is drawn.")
    if insets:
        shown = _listed([_opened_up(module, graph) for module in insets])
        sentences.append(f"The inset{'s show' if len(insets) > 1 else ' shows'} {shown} from inside.")
    if drawn is not None and (frozen := frozen_params(drawn)):
        sentences.append(f"A snowflake marks what is frozen: {text.units(frozen)} of the parameters.")
    report = graph.attrs.get("report") or {}
    if report.get("invented"):
        sentences.append("Values decide the path through this model; the figure shows one, taken with made-up values.")
    if report.get("failed"):
        where, error = (text.clean(str(part)) for part in report["failed"])
        sentences.append(f"Incomplete: {where} raised {error.rstrip('.')}.")
    return " ".join(sentences)


def _repeats(graph: Graph) -> bool:
    return any(node.repeat > 1 for node in graph.nodes) or any(
        graph.modules[frame].repeat > 1 for node in graph.nodes for frame in node.scope if frame in graph.modules)


def _opened_up(module: Module, graph: Graph) -> str:
    """What an inset shows: ``one of the 12 blocks``, ``the encoder``."""
    noun = str(module.attrs.get("label", "")) or _module_noun(module.cls, module.path, graph)
    count = len(module.copies) if len(module.copies) > 1 else 1
    alike = sum(other.cls == module.cls for other in graph.modules.values())
    return f"one of the {_number(count)} {_plural(noun)}" if count > 1 else f"the {noun}" if alike == 1 else \
        _with_article(noun)


def _costs(graph: Graph, drawn: Graph) -> str:
    numbers = [f"{text.units(graph.params)} parameters" if graph.params else "",
               f"{text.units(graph.flops / 2)} multiply-accumulates" if graph.flops else ""]
    known = [number for number in numbers if number]
    if not known:
        return ""
    inputs = [drawn.by_id.get(node.id, node) for node in graph.nodes if node.kind == "input" and node.out]
    sizes = list(dict.fromkeys(map(_input, inputs)))
    return f"{' and '.join(known)}{' for ' + _listed(sizes) if 0 < len(sizes) <= 3 else ''}."


def _input(node: Node) -> str:
    spec = node.out[0]
    if len(spec.shape) == 2 and spec.dtype.startswith("int"):
        return f"{spec.shape[1]} tokens" if spec.shape[1] != 1 else "one token"
    size = text.shape(spec)
    return f"{_article(size)} {size} input" if "×" in size else f"an input of length {size}"


# ------------------------------------------------------------------------------------------------ the parts of a model

def _parts(graph: Graph) -> tuple[Part, ...]:
    """The model as a tree of parts, in trace order, without what a caption never names."""
    children: dict[NodeId, list[NodeId]] = {"": []}
    sizes: dict[NodeId, int] = {}
    kinds: dict[NodeId, list[str]] = {}
    for node in graph.nodes:
        if node.kind in SILENT and node.op not in ("mean",):
            continue
        chain = ["", *node.scope]
        for outer, inner in zip(chain, [*node.scope, node.id], strict=True):
            if inner not in children.setdefault(outer, []):
                children[outer].append(inner)
        for scope in node.scope:
            sizes[scope] = sizes.get(scope, 0) + 1
            kinds.setdefault(scope, []).append(node.kind)

    def build(key: NodeId) -> Part:
        if key in graph.by_id and key not in children:
            return _leaf(graph.by_id[key])
        module = graph.modules.get(key)
        cls, path = (module.cls, module.path) if module else (key, key)
        one = _module_noun(cls, path, graph)
        inside = tuple(build(child) for child in children[key])
        return Part(key, one, _plural(one), cls, path, sizes[key], inside, tuple(kinds[key]))

    return tuple(build(key) for key in children[""])


def _module_noun(cls: str, path: str, graph: Graph) -> str:
    name = text.pretty(path.split(".")[-1]) if cls in CONTAINERS else title(text.clean(cls), graph)
    words = " ".join(word if word[1:] != word[1:].lower() else word[:1].lower() + word[1:] for word in name.split())
    words = re.sub(r"[ _]*\d+$", "", words) or "block"
    return words


def _leaf(node: Node) -> Part:
    one, many = _leaf_noun(node)
    return Part(node.id, one, many, node.op, node.id, kinds=(node.kind,))


def _leaf_noun(node: Node) -> tuple[str, str]:
    """A leaf operation as prose names it, singular and plural."""
    a = node.attrs
    kernel = _kernel(a.get("kernel_size"))
    match node.kind:
        case "conv" | "upconv":
            groups = a.get("groups", 1)
            depthwise = "depthwise " if groups not in (1, None) and groups == a.get("in_channels") else ""
            noun = f"{kernel}{depthwise}{'transposed ' if node.kind == 'upconv' else ''}convolution"
        case "pool":
            adaptive = node.op.lower().startswith("adaptive")
            globally = "global " if adaptive and set(_flat(a.get("output_size"))) == {1} else ""
            which = "max" if "max" in node.op.lower() else "average"
            return f"{globally}{which} pooling", f"{globally}{which}-pooling layers"
        case "reduce":
            return "mean over positions", "means"
        case "linear":
            noun = "linear layer"
        case "embedding":
            noun = "embedding"
        case "recurrent":
            layers = a.get("num_layers", 1)
            both = "bidirectional " if a.get("bidirectional") else ""
            noun = f"{f'{layers}-layer ' if layers > 1 else ''}{both}{text.clean(node.op)}"
        case "attention":
            heads = a.get("num_heads")
            noun = f"{heads}-head attention" if heads else "attention"
            return noun, f"{noun} layers"
        case "upsample":
            return "upsampling", "upsampling layers"
        case "cat":
            return "concatenation", "concatenations"
        case "scan":
            return "state-space scan", "state-space scans"
        case _:
            noun = text.pretty(node.op)
    return noun, _plural(noun)


def _plural(noun: str) -> str:
    if noun.endswith(UNCOUNTED):
        return f"{noun} layers"
    return noun if noun.endswith("s") else f"{noun}es" if noun.endswith(("ch", "sh", "x")) else f"{noun}s"


def _kernel(size: object) -> str:
    flat = _flat(size)
    return f"{'×'.join(map(str, flat))} " if len(flat) > 1 else f"{flat[0]}-wide " if flat else ""


def _flat(value: object) -> list[object]:
    return list(value) if isinstance(value, (list, tuple)) else [value] if value not in (None, 0) else []


def _opened(parts: Sequence[Part]) -> tuple[Part, ...]:
    """`parts` with wrappers replaced by what they hold: those that hold nearly everything, and small ones of leaves."""
    total = sum(part.size for part in parts)
    for i, part in enumerate(parts):
        alone = not any(_alike(part, other) for other in parts if other is not part)
        if part.inside and alone and part.size >= DOMINANT * total:
            return _opened((*parts[:i], *part.inside, *parts[i + 1:]))
    opened: list[Part] = []
    for part in parts:
        leaves = part.inside and not any(inner.inside for inner in part.inside)
        alone = not any(_alike(part, other) for other in parts if other is not part)
        opened.extend(part.inside if leaves and (len(part.inside) == 1 or (alone and part.size == 2)) else (part,))
    return tuple(opened)


def _alike(a: Part, b: Part) -> bool:
    """Whether a reader counts the two together: modules of one class that are numbered, or have the same insides."""
    if not a.inside or not b.inside or a.cls != b.cls:
        return False
    numbered = a.path[-1:].isdigit() and b.path[-1:].isdigit()
    return numbered or a.kinds == b.kinds


# ------------------------------------------------------------------------------------------------ in words

def _told_apart(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Neighbours of one class that are not alike go by their attribute's name: an encoder and a decoder."""
    def named(part: Part) -> Part:
        twins = [o for o in parts if o is not part and o.inside and o.cls == part.cls and not _alike(part, o)]
        name = text.pretty(part.path.split(".")[-1])
        return replace(part, one=name, many=_plural(name)) if part.inside and twins else part
    return tuple(map(named, parts))


def _runs(parts: Sequence[Part]) -> list[tuple[Part, ...]]:
    """Neighbours that are alike, together; leaves that are called the same, too."""
    runs: list[tuple[Part, ...]] = []
    for part in parts:
        last = runs[-1][-1] if runs else None
        if last and (_alike(last, part) or (not part.inside and not last.inside and last.one == part.one)):
            runs[-1] = (*runs[-1], part)
        else:
            runs.append((part,))
    return runs


def _phrases(parts: Sequence[Part]) -> list[str]:
    runs = _runs(parts)
    if len(runs) > MOST:
        runs = _joined(runs, lambda part: part.one)
    if len(runs) > MOST:
        runs = _joined(runs, lambda part: part.cls or part.one)
    if len(runs) > MOST:
        heavy = sorted(range(len(runs)), key=lambda i: (-sum(part.size for part in runs[i]), i))[:MOST]
        return [*(_run(runs[i]) for i in sorted(heavy)), "other layers"]
    return [_run(run) for run in runs]


def _joined(runs: Iterable[tuple[Part, ...]], key: Callable[[Part], str]) -> list[tuple[Part, ...]]:
    """Runs of the same key counted together, where the first one stands."""
    joined: dict[str, tuple[Part, ...]] = {}
    for run in runs:
        joined[key(run[0])] = (*joined.get(key(run[0]), ()), *run)
    return [tuple(_without_numbers(run)) for run in joined.values()]


def _without_numbers(run: tuple[Part, ...]) -> Iterable[Part]:
    """Leaves of one class but of different sizes lose the size: "convolutions"."""
    if len({part.one for part in run}) == 1:
        return run
    one, many = (re.sub(r"^\d[\d×]* ", "", noun) for noun in (run[0].one, run[0].many))
    return (replace(part, one=one, many=many) for part in run)


def _run(run: tuple[Part, ...]) -> str:
    """One phrase: "a 7×7 convolution", "four stages of 3, 4, 6 and 3 bottleneck blocks (…)"."""
    first = run[0]
    if not first.inside:
        if len(run) > 1:
            return f"{_number(len(run))} {first.many}"
        return _with_article(first.one)
    inner = [_main(part) for part in run]
    blocks = [found for found in inner if found]
    if len(run) > 1 and len(blocks) == len(run) and any(len(found) > 1 for found in blocks):
        counts = [len(found) for found in blocks]
        told = f"{counts[0]}" if len(set(counts)) == 1 else _listed(list(map(str, counts)))
        each = " each" if len(set(counts)) == 1 else ""
        return f"{_number(len(run))} stages of {told} {_block(blocks[-1][0], 2)}{each}{_contents(blocks[-1][-1])}"
    if len(run) > 1:
        return f"{_number(len(run))} {_block(first, len(run))}{_contents(run[-1])}"
    found = inner[0]
    if found and len(found) > 1:
        return f"{_with_article(first.one)} of {_run(found)}"
    return f"{_with_article(first.one)}{_contents(first)}"


def _main(part: Part) -> tuple[Part, ...]:
    """The run of numbered modules that makes up most of `part`, if there is one."""
    runs = [run for run in _runs(_opened(part.inside)) if run[0].inside and run[0].path[-1:].isdigit()]
    heaviest = max(runs, key=lambda run: sum(p.size for p in run), default=())
    return heaviest if sum(p.size for p in heaviest) >= 0.6 * part.size else ()


def _block(part: Part, count: int) -> str:
    noun = part.one if part.cls not in CONTAINERS else "block"
    if noun.split()[-1] not in UNITS:
        noun += " block"
    return noun if count == 1 else _plural(noun)


def _contents(part: Part) -> str:
    """What one block holds, in parentheses, when that can be said in a few words."""
    runs = _runs(part.inside)
    convs = [run for run in runs if run[0].kinds and set(run[0].kinds) <= {"conv"} and not run[0].inside]
    if runs and len(convs) == len(runs) and 1 < sum(map(len, convs)) <= 4:
        kernels = [p.one.removesuffix(" convolution") for run in convs for p in run]
        if len(set(kernels)) == 1:
            return f" ({_number(len(kernels))} {convs[0][0].many})"
        return f" ({_listed(kernels)} convolutions)" if "convolution" not in kernels else ""
    names = list(dict.fromkeys(run[0].one if len(run) == 1 else f"{_number(len(run))} {run[0].many}" for run in runs))
    return f" ({_listed(names)})" if 1 < len(names) <= 4 else ""


def _number(count: int) -> str:
    return NUMBERS[count] if count < len(NUMBERS) else str(count)


def _with_article(noun: str) -> str:
    return noun if noun.endswith((*UNCOUNTED, "s")) else f"{_article(noun)} {noun}"


def _article(noun: str) -> str:
    return "an" if re.match(r"[aeio]|8|11(?!\d)|18(?!\d)|[AEFILMNORSX](?=[A-Z\d])|u(?!ni)", noun) else "a"


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}" if items else ""
