"""Every number of a caption is found in the graph: all models of the gallery, and published ones of transformers."""
from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph
from archviz.core.plugins import find
from archviz.figure.caption.describe import alternative, describe
from archviz.figure.caption.phrases import NUMBERS
from archviz.figure.caption.sentences import port
from archviz.style.style import load_style
from archviz.trace import read
from archviz.trace.ladder import Inputs, trace
from tests.conftest import ROOT
from tests.zoo import CASES

ZOO = ("resnet50", "convnext", "vit", "bert", "gpt2", "llama_8b", "t5", "whisper", "wav2vec2", "clip")
KINDS = {"convolution": ("conv", "upconv"), "linear layer": ("linear",), "embedding": ("embedding",),
         "pooling layer": ("pool",), "concatenation": ("cat",), "attention layer": ("attention",),
         "upsampling layer": ("upsample",)}
LIST = r"(\d+(?:, \d+)*(?:,? and \d+)?)"
WORDS = "|".join(NUMBERS[1:])


def targets() -> Iterator[str]:
    """Every model of the gallery, as it is named on the command line."""
    for path in sorted((ROOT / "gallery").glob("*.py")):
        source = path.read_text("utf-8")
        if "nn.Module" not in source and "nn.Sequential" not in source:
            continue        # data
        try:
            from archviz.trace.source.load import load
            load(str(path))
            yield f"gallery/{path.name}"
        except ArchvizError as error:
            names = re.search(r"has \d+ models: (.*)", error.message)
            if names:
                yield from (f"gallery/{path.name}:{name}" for name in names[1].split(", "))


def annotated(graph: Graph) -> Graph:
    return find("passes", "annotate").annotate(graph, load_style("block"))


@pytest.fixture(scope="module", params=[*targets(), *ZOO])
def graph(request: pytest.FixtureRequest) -> Graph:
    if request.param in CASES:
        args, kwargs = CASES[request.param].inputs()
        return annotated(trace(CASES[request.param].build, Inputs(args, kwargs)).graph)
    return annotated(read.read(str(ROOT / request.param)))


def numbers(words: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", words)]


def sizes(value: object) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,) if isinstance(value, int) else ()


def in_order(values: list[int], known: list[set[int]]) -> bool:
    """Do `values` occur in this order along the model?"""
    rest = iter(known)
    return all(any(value in one for one in rest) for value in values)


def known(graph: Graph, noun: str) -> list[set[int]]:
    """What each node in turn has of `noun`."""
    if noun == "filters":
        return [{int(n.attrs["out_channels"])} for n in graph.nodes if "out_channels" in n.attrs]
    if noun == "outputs":
        return [{n.attrs.get("out_features", n.out[0].shape[-1])} for n in graph.nodes if n.kind == "linear" and n.out]
    if noun == "units":
        return [{n.attrs["hidden_size"]} for n in graph.nodes if n.kind == "recurrent"]
    return [{size for spec in n.out for size in spec.shape[1:]} for n in graph.nodes]


def listed_children(graph: Graph) -> set[int]:
    """How many numbered children each module has."""
    found: dict[str, set[str]] = {}
    for key in {*graph.by_id, *(module.path for module in graph.modules.values())}:
        parts = key.partition("@")[0].split("/")[0].split(".")
        for i, part in enumerate(parts):
            if re.search(r"\d+$", part):
                found.setdefault(".".join([*parts[:i], re.sub(r"\d+$", "", part)]), set()).add(part)
    return {len(children) for children in found.values()} | {len(of_class) for of_class in classes(graph).values()}


def classes(graph: Graph) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module in graph.modules.values():
        found.setdefault(module.cls, set()).add(module.id)
    return found


def checked(caption: str, graph: Graph) -> str:
    """`caption` without every number that the graph has; an assertion for one that it has not."""
    left = caption.removeprefix(f"{graph.name}.").removeprefix(f"Diagram of the architecture of {graph.name}.")

    def take(pattern: str, right: object) -> None:
        nonlocal left
        for match in re.finditer(pattern, left):
            assert right(match), f"{match[0]!r} is not in the graph: {caption}"     # type: ignore[operator]
        left = re.sub(pattern, lambda match: "~" * len(match[0]), left)

    for name in filter(None, (port(node) for node in graph.nodes if node.kind in ("input", "output"))):
        left = left.replace(f"for {name},", "").replace(f"({name})", "").replace(f"gives {name}", "gives")
    inputs = [node.out[0] for node in graph.nodes if node.kind == "input" and node.out]
    shapes = {text.shape(spec) for spec in inputs} | {"×".join(map(str, spec.shape[1:])) for spec in inputs}
    kernels = {"×".join(map(str, sizes(n.attrs.get("kernel_size")))) for n in graph.nodes}
    kernels |= {f"{k}×{k}" for k in kernels if k.isdigit()}
    heads = {n.attrs.get("num_heads") or n.out[0].shape[1] for n in graph.nodes if n.kind == "attention" and n.out}
    widths = {size for n in graph.nodes for spec in n.out for size in spec.shape[-1:]}
    children = listed_children(graph)

    take(r"[\d.]+[KMGTP]? parameters", lambda m: m[0] == f"{text.units(graph.params)} parameters")
    take(r"[\d.]+[KMGTP]? multiply-accumulates", lambda m: m[0].split()[0] == text.units(graph.flops / 2))
    take(r"(\d+(?:×\d+)+) (?:image|clip|input)", lambda m: m[1] in shapes)
    take(r"(?:length|sequence of) (\d+)", lambda m: any(int(m[1]) in spec.shape for spec in inputs))
    take(r"\d+(?:×\d+)+", lambda m: m[0] in kernels)
    take(r"(\d+)-wide", lambda m: m[1] in kernels)
    take(r"(\d+)-head", lambda m: int(m[1]) in heads)
    take(r"(\d+)-layer", lambda m: any(n.attrs.get("num_layers") == int(m[1]) for n in graph.nodes))
    steps = {spec.shape[1] for n in graph.nodes if n.kind == "recurrent" for spec in n.out if len(spec.shape) == 3}
    take(r"takes (\d+) steps", lambda m: int(m[1]) in steps)
    take(r"of width (\d+)", lambda m: int(m[1]) in widths)
    take(r"with (\d+) to (\d+) (\w+)", lambda m: {int(m[1]), int(m[2])} <= set().union(*known(graph, m[3])))
    take(rf"with {LIST} (filter|channel|output|unit)s?", lambda m: in_order(numbers(m[1]), known(graph, f"{m[2]}s")))
    take(rf"of {LIST} ", lambda m: set(numbers(m[1])) <= children)
    take(rf"\b(?:{WORDS}|\d+) (?:[\w~-]+ )*?(?:{'|'.join(KINDS)})s?\b", lambda m: count(m[0]) <= sum(
        n.kind in next(kinds for noun, kinds in KINDS.items() if noun in m[0]) for n in graph.nodes))
    take(r"\b\d+ \w+", lambda m: count(m[0]) in children)
    return left


def count(words: str) -> int:
    first = words.split()[0]
    return int(first) if first.isdigit() else NUMBERS.index(first)


def test_every_number_is_in_the_graph(graph: Graph) -> None:
    left = checked(describe(graph, graph), graph)
    assert not re.search(r"\d", left), left
    assert not re.search(r"\d", checked(alternative(graph, graph), graph))


def test_it_reads_as_sentences(graph: Graph) -> None:
    caption = describe(graph, graph)
    sentences = re.split(r"(?<=[.])\s+(?=[A-Z×])", caption)
    assert 2 <= len(sentences) <= 7         # the model's name, what it costs, and up to five of its parts
    assert not re.search(r"\b(\w+) \1\b|\(\)|  |,,| ,| \.|\ba [aeio]\w|\ban [bcdfgk]\w", caption), caption
    assert caption.count("(") == caption.count(")")


@pytest.mark.parametrize(("wrong", "right"), [
    ("1×1, 3×3 and", "1×1, 5×5 and"), ("with 64 filters", "with 65 filters"), ("3, 4, 6", "3, 4, 7"),
    ("25.6M", "25.7M"), ("1024 and 2048", "2048 and 1024"), ("4.09G", "4.1G"), ("1000 outputs", "1001 outputs")])
def test_a_wrong_number_is_found(wrong: str, right: str) -> None:
    known = annotated(read.read(str(Path(ROOT, "gallery", "resnet.py:resnet50"))))
    caption = describe(known, known)
    assert wrong in caption, caption
    with pytest.raises(AssertionError, match="not in the graph"):
        checked(caption.replace(wrong, right), known)
