"""What a caption says of order, branches, meetings and outputs is so: on random models with branches, whose
dependencies the test keeps by itself, and on published ones.

A random model is made of convolutions that no two have the same kernel, and of modules of classes of their own, so that
each mention in the text is of one module.  A claim is read from the text and compared with what was run.
"""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from archviz import draw
from archviz.core.graph import Graph, NodeId
from archviz.figure.caption.describe import describe
from archviz.figure.caption.phrases import NUMBERS
from archviz.trace.ladder import Inputs, trace
from tests.figure.test_caption_numbers import annotated, graph, sizes
from tests.zoo import CASES

__all__ = ["graph"]     # a fixture: every model of the gallery, and published ones

NAMES = ("Alpha", "Beta", "Gamma", "Delta")
OUTPUTS = ("crimson", "amber", "violet")
MEETINGS = {"add": "sum", "sub": "difference", "mul": "product", "cat": "concatenation"}
FUNCTIONS = {"add": torch.add, "sub": torch.sub, "mul": torch.mul, "cat": lambda a, b: torch.cat([a, b], 1)}
LAYERS = r"(?:layers|[\w×]+ (?:convolution|block)s)"
Use = str       # "input:left"; "m3#0", the first call of the fourth module


class Stem(nn.Module):
    """Three convolutions, which a caption may say of it."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(channels, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.c(torch.relu(self.b(torch.relu(self.a(x)))))


@dataclass(frozen=True)
class Value:
    """What a step gives: the uses it comes from, the operation in which these met, and how many channels it has."""

    uses: frozenset[Use]
    met: str = ""
    channels: int = 4


@dataclass(frozen=True)
class Step:
    """Run a module (a new one, or one that was run) on a value; where `meets`, on two that meet."""

    module: int
    again: bool
    left: int
    meets: str
    right: int


STEPS = st.lists(st.builds(Step, st.integers(0, 5), st.booleans(), st.integers(0, 9),
                           st.sampled_from(["", "", "", *FUNCTIONS]), st.integers(0, 9)), min_size=1, max_size=7)


class Branched(nn.Module):
    """Runs steps; keeps what depends on what.

    before  use → the uses its operand comes from
    met     use → the operation in which these met
    gives   output → the uses it comes from
    """

    def __init__(self, steps: Sequence[Step], inputs: int, outputs: int) -> None:
        super().__init__()
        self.before: dict[Use, frozenset[Use]] = {}
        self.met: dict[Use, str] = {}
        self.plan: list[tuple[str, int, str, int]] = []
        values = [Value(frozenset({f"input:{name}"})) for name in ("left", "right")[:inputs]]
        made: list[tuple[str, int]] = []
        calls: dict[str, int] = {}
        for step in steps:
            a, b = step.left % len(values), step.right % len(values)
            value = values[a]
            if step.meets and values[a].uses.isdisjoint(values[b].uses):
                value = Value(values[a].uses | values[b].uses, step.meets, 8 if step.meets == "cat" else 4)
                operation = step.meets
            else:
                operation = ""
            fitting = [name for name, channels in made if channels == value.channels and calls[name] < 2]
            if step.again and fitting:
                name = fitting[step.module % len(fitting)]
            else:
                name = f"m{len(made)}"
                self.add_module(name, self.new(len(made), step.module, value.channels))
                made.append((name, value.channels))
            use = f"{name}#{calls.get(name, 0)}"
            calls[name] = calls.get(name, 0) + 1
            self.before[use], self.met[use] = value.uses, value.met
            self.plan.append((operation, a, name, b))
            values.append(Value(frozenset({use})))
        read = frozenset[Use]().union(*self.before.values())
        ends = [i for i, value in enumerate(values) if value.uses.isdisjoint(read)]
        self.ends = dict(zip(OUTPUTS, ends[:outputs] + ends[outputs:][:3 - outputs], strict=False))
        self.values, self.inputs = values, inputs
        self.gives = {name: values[i].uses for name, i in self.ends.items()}

    def new(self, place: int, choice: int, channels: int) -> nn.Module:
        if choice == 5 and place < len(NAMES):
            return type(NAMES[place], (Stem,), {})(channels)
        return nn.Conv2d(channels, 4, (2 * place + 3, 1), padding=(place + 1, 0))

    def forward(self, left: Tensor, right: Tensor | None = None) -> dict[str, Tensor]:
        values = [left, right][:self.inputs]
        for operation, a, name, b in self.plan:
            x = FUNCTIONS[operation](values[a], values[b]) if operation else values[a]
            values.append(torch.relu(self.get_submodule(name)(x)))
        return {name: values[i] for name, i in self.ends.items()}

    def noun(self, use: Use) -> str:
        """What the text calls the module of a use."""
        module = self.get_submodule(use.partition("#")[0])
        conv = isinstance(module, nn.Conv2d)
        return f"{module.kernel_size[0]}×1 convolution" if conv else type(module).__name__.lower()


def reduced(before: Mapping[Use, frozenset[Use]]) -> dict[Use, frozenset[Use]]:
    """`before` without what arrives on a longer way as well."""
    above: dict[Use, frozenset[Use]] = {}

    def over(use: Use) -> frozenset[Use]:
        if use not in above:
            above[use] = before.get(use, frozenset()).union(*map(over, before.get(use, frozenset())))
        return above[use]

    return {use: frozenset(src for src in sources if not any(src in over(other) for other in sources))
            for use, sources in before.items()}


class Wrong(AssertionError):
    """The text says what is not so."""


def want(true: bool, said: str) -> None:
    if not true:
        raise Wrong(said)


@dataclass
class Reader:
    """Reads the sentences of a caption against a model; `first` says which call of each module its first mention is."""

    model: Branched
    first: Mapping[str, int]
    text: str = ""
    alone: set[Use] = field(default_factory=set)
    before: dict[Use, frozenset[Use]] = field(default_factory=dict)
    told: list[Use] = field(default_factory=list)
    waiting: list[Use] = field(default_factory=list)
    last: list[Use] = field(default_factory=list)

    def read(self, caption: str) -> None:
        self.text = caption
        self.alone = {"input:left", "input:right"} if self.model.inputs == 2 else {"input:left"}
        sentences = [one.removesuffix(".") for one in re.split(r"(?<=\.) (?=[A-Z])", caption)]
        before = self.model.before
        for words in sentences:
            if found := re.fullmatch(rf"(?:The )?(\w+) {LAYERS} are conditioned on (\w+)", words):
                sign = f"input:{found[2]}"
                want(sum(sign in sources for sources in before.values()) == NUMBERS.index(found[1].lower()), words)
                before = {use: sources - {sign} for use, sources in before.items()}
                self.alone -= {sign}
        self.before = reduced(before)
        for words in sentences:
            if " conditioned on " not in words:
                self.sentence(words)
        want(sorted(self.told) == sorted(self.before), f"{self.told} are told of {list(self.before)}")

    def sentence(self, words: str) -> None:
        if found := re.fullmatch(r"The network consists of (.*?)(, some used more than once)?", words):
            once = [use.partition("#")[0] for _, use in self.mentions(found[1])]
            self.told = [use for use in self.before if use.partition("#")[0] in once]
            want(len(once) == len(set(once)) and bool(found[2]) == (len(once) < len(self.told)), words)
        elif found := re.fullmatch(
                r"(?:(.*) goes to )?(\w+) (heads|branches)(?: follow)?(?: (the output of .*?))?: (.*)", words):
            source = self.named(found[4]) if found[4] else frozenset(self.last)
            source = self.subject(found[1])[0] if found[1] else source
            apart = re.split(r"; (?![^()]*\))", found[5])
            ways = [re.fullmatch(r"(?:for ((?!an? )[\w ,]+?), )?(.*)", way) for way in apart]
            want(len(ways) == NUMBERS.index(found[2].lower()), words)
            tails = [self.chain(way[2], source, "", way[1]) for way in ways if way]
            if found[3] == "heads":
                want(not any(set(tails) & sources for sources in self.before.values()), words)
            self.ended(source, tails)
        elif found := re.fullmatch(r"(.*?) (each )?pass(?:es)? through (.*?)(?:, which gives (.*))?", words):
            if found[2]:
                names = re.search(r"\((.*)\)", found[1])
                sources = [frozenset({f"input:{name}"}) for name in (names[1] if names else "").split(" and ")]
                again = re.sub(r"\b(an?|the) (?!same)", "the same ", found[3])
                tails = [self.chain(again if i else found[3], source, "", None) for i, source in enumerate(sources)]
                self.ended(frozenset(), tails)
            else:
                source, met = self.subject(found[1])
                self.ended(source, [self.chain(found[3], source, met, found[4])])
        else:
            found = re.fullmatch(r"(.*) gives? (.*)", words)
            if found is None:
                raise ValueError(f"a sentence that this reader does not know: {words}")
            source, _ = self.subject(found[1])
            if not source:      # reads nothing but what the others are conditioned on
                source = frozenset({self.chain(found[1][0].lower() + found[1][1:], frozenset(), "", None)})
            for name in re.split(", | and ", found[2]):
                want(self.model.gives.get(name) == source or name in ("the output", "an output"), words)

    def ended(self, source: frozenset[Use], tails: list[Use]) -> None:
        self.waiting = [use for use in self.waiting if use not in source] + tails
        self.last = tails

    def subject(self, words: str) -> tuple[frozenset[Use], str]:
        """The uses that a subject names, and the operation in which they are said to meet."""
        words = words[0].lower() + words[1:]
        met = re.match(r"(?:the|their) (sum|difference|product|concatenation)( of )?", words)
        words = words.removeprefix(met[0] if met else "together, ")
        found = frozenset[Use]()
        if words.startswith(("both outputs", "their outputs")) or met and not met[2]:
            found |= frozenset(self.waiting)
        if "its output" in words:
            found |= frozenset(self.last)
        found |= frozenset(f"input:{name}" for name in re.findall(r"input \((\w+)\)", words))
        if re.search(r"\ban? 9×9×4 input(?! \()", words):
            want(len(self.alone) == 1, words)
            found |= self.alone
        for noun in re.findall(r"the output of (the [\w×]+(?: convolution| parallel branches)?)", words):
            found |= self.named(f"the output of {noun}")
        return found, met[1] if met else ""

    def named(self, words: str) -> frozenset[Use]:
        noun = words.removeprefix("the output of the ")
        found = frozenset(use for use in self.told if self.model.noun(use) == noun)
        want(bool(found), words)
        return found if len(found) < 2 else frozenset(use for use in found if use in self.waiting) or found

    def mentions(self, words: str) -> Iterator[tuple[int, Use]]:
        """Where uses are told in a text, and which they are."""
        nouns = {self.model.noun(use): use.partition("#")[0] for use in self.model.before}
        words = re.sub(r"\((?:\d|two|three|1×1)[^()]*\)", lambda m: " " * len(m[0]), words)     # contents
        stems = [noun for noun in nouns if noun not in self.text and "conv" not in noun]
        if len(stems) == 1:     # told by what is inside
            words = words.replace("three 1×1 convolutions with 4 filters each", f"a {stems[0]}".ljust(42))
        every = "|".join(map(re.escape, nouns))
        for match in re.finditer(rf"(the same )?\b({every})\b(?=[^,;]*(, applied two times)?)", words):
            name = nouns[match[2]]
            if match[3]:
                yield from ((match.start(), f"{name}#{i}") for i in (0, 1))
            else:
                yield match.start(), f"{name}#{1 - self.first[name] if match[1] else self.first[name]}"

    def chain(self, words: str, source: frozenset[Use], met: str, gives: str | None) -> Use:
        """Check that `words` tell what follows `source`, one after the other; the last of these."""
        group = re.search(r"\w+ parallel branches \((.*?)\), whose outputs are (\w+)", words)
        here = source
        for i, use in self.mentions(words):
            if group and group.start() <= i < group.end():
                continue
            if group and i >= group.end():
                here, met = self.branches(group, here)
                group = None
            want(self.before.get(use) == here, f"{use} follows {set(here)}: {words}")
            want(not met or MEETINGS.get(self.model.met[use]) == met, f"{use} reads a {met}: {words}")
            self.told.append(use)
            here, met = frozenset({use}), ""
        if group:
            here, _ = self.branches(group, here)
        for name in re.split(", | and ", gives or ""):
            want(not name or self.model.gives.get(name) == here, f"{name} is given by {set(here)}: {words}")
        return next(iter(here)) if len(here) == 1 else "|".join(sorted(here))

    def branches(self, group: re.Match[str], source: frozenset[Use]) -> tuple[frozenset[Use], str]:
        tails = [self.chain(branch, source, "", None) for branch in group[1].split("; ")]
        words = {"added": "sum", "multiplied": "product", "concatenated": "concatenation"}
        return frozenset(tails), words.get(group[2], "")


def check(model: Branched, caption: str) -> None:
    """Raise `Wrong` if `caption` is false, whichever of two calls of a module is told first."""
    text = caption.removeprefix("Branched. ").partition(" It has ")[0]
    twice = sorted({use.partition("#")[0] for use in model.before if use.endswith("#1")})
    names = {use.partition("#")[0]: 0 for use in model.before}
    failed: list[Wrong] = []
    for choice in product((0, 1), repeat=len(twice)):
        try:
            Reader(model, {**names, **dict(zip(twice, choice, strict=True))}).read(text)
            return
        except Wrong as wrong:
            failed.append(wrong)
    raise Wrong(f"{failed[0]}\n{text}")


def said(model: Branched) -> str:
    inputs = [torch.randn(1, 4, 9, 9) for _ in range(model.inputs)]
    return draw(model, tuple(inputs), max_height="900mm", width="600mm").caption


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(STEPS, st.integers(1, 2), st.integers(1, 3))
def test_what_is_said_of_random_models_is_so(steps: list[Step], inputs: int, outputs: int) -> None:
    model = Branched(steps, inputs, outputs).eval()
    read = frozenset[Use]().union(*model.before.values())
    if all(f"input:{name}" in read for name in ("left", "right")[:inputs]):
        check(model, said(model))


BRANCHES = [Step(0, False, 0, "", 0), Step(0, False, 1, "", 0), Step(0, False, 1, "", 0), Step(0, False, 2, "cat", 3),
            Step(5, False, 4, "", 0), Step(0, False, 4, "", 0)]


@pytest.mark.parametrize(("right", "wrong"), [
    ("a 5×1 convolution", "a 7×1 convolution"), ("crimson", "amber"), ("concatenated", "added"), ("3×1", "9×1"),
    ("Two heads", "Three heads"), (" follow:", " follow the output of the 3×1 convolution:")])
def test_a_false_sentence_is_found(right: str, wrong: str) -> None:
    model = Branched(BRANCHES, 1, 2).eval()
    caption = said(model)
    check(model, caption)
    assert right in caption, caption
    with pytest.raises(Wrong):
        check(model, caption.replace(right, wrong))


# ------------------------------------------------------------------------------------------------- published models

SMALL = set("with each width layer block round stage filter channel output then same some".split())
PATTERNS = {r"([\d×]+|\d+-wide) (depthwise )?(transposed )?convolution": ("conv", "upconv"),
            "linear layer": ("linear",), "pooling": ("pool",), "embedding": ("embedding",),
            "[LG][SR][TU]": ("recurrent",), "upsampling": ("upsample",)}
SIZE = r"(?:an?|\w+|global) (?:average |max |global )*"


def told(item: str, graph: Graph) -> set[NodeId]:
    """The operations that a phrase tells: layers by their kind and kernel, or what is in modules of that name."""
    item = re.sub(r" \([^()]*\)", "", item)
    for pattern, kinds in PATTERNS.items():
        if re.match(rf"{SIZE}{pattern}|(?:global )?(?:max|average) {pattern}", item):
            sides = re.search(r"\d+(?:×\d+)+", item)
            return {node.id for node in graph.nodes if node.kind in kinds and (
                not sides or "×".join(map(str, sizes(node.attrs.get("kernel_size")))) in (sides[0], sides[0][:1]))}
    words = {re.sub(r"s$", "", word) for word in re.findall(r"[a-z]{4,}", item.lower())} - SMALL
    homes = {key for key, module in graph.modules.items()
             if any(word in f"{module.cls} {module.path}".lower().replace("_", "") for word in words)}
    return {node.id for node in graph.nodes if homes & set(node.scope)}


def in_turn(caption: str, graph: Graph) -> int:
    """How many pairs of phrases, of which the second is said to follow the first, were found in `graph` to do so."""
    found = 0
    for sentence in re.split(r"(?<=\.) (?=[A-Z])", caption.partition(" It has ")[0]):
        if " through " not in sentence:
            continue
        flat = re.sub(r"\([^()]*\)", "", sentence.removesuffix(".").partition(" through ")[2])
        flat = re.sub(r" with [\d, and]+ (?=filter|channel|output|unit)", " with ", flat)
        words = re.split(r"(?:;|,)?(?: and)? (?=an? |two |three |four |max |global )", flat)
        for a, b in pairwise([item for word in words if (item := told(word, graph))]):
            if a != b:
                want(not b.isdisjoint(graph.descendants(a)), sentence)
                found += 1
    return found


def test_what_is_said_to_follow_does(graph: Graph) -> None:
    in_turn(describe(graph, graph), graph)


def test_what_does_not_follow_is_found() -> None:
    case = CASES["resnet50"]
    graph = annotated(trace(case.build, Inputs(*case.inputs())).graph)
    caption = describe(graph, graph)
    assert in_turn(caption, graph) >= 4
    wrong = caption.replace("global average pooling", "~").replace("max pooling", "global average pooling")
    with pytest.raises(Wrong):
        in_turn(wrong.replace("a 7×7 convolution", "a linear layer with 1000 outputs"), graph)
