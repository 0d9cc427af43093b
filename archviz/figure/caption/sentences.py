"""What a model is, in sentences: what goes in, what each strand of it goes through, and where strands meet.

In: `Strand`s.  Out: sentences.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from archviz.core import text
from archviz.core.graph import Node
from archviz.drawing.labels import port_name
from archviz.figure.caption.parts import Part
from archviz.figure.caption.phrases import listed, loose, number, phrases
from archviz.figure.caption.strands import Strand, module_path


class _Ambiguous(Exception):
    """Two things are called the same, of which one is meant."""


@dataclass
class _Text:
    """The sentences so far; `name` and `kind` as `sentences` has them.

    said     modules that have been told, by their paths
    nouns    what has been told, each time
    waiting  strands that have been told and of which nothing has been said since
    last     the strands that the last sentence tells
    done     all strands that have been told
    """

    strands: Sequence[Strand]
    name: Callable[[Node], str]
    kind: Callable[[Node], str]
    said: set[str] = field(default_factory=set)
    nouns: list[str] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)
    done: set[int] = field(default_factory=set)

    def told(self) -> list[str]:
        """All sentences: of the strands in order, then of outputs in which several meet."""
        made = [words for i in range(len(self.strands)) if (words := self.sentence(i))]
        given: dict[tuple[int, ...], list[Strand]] = {}
        for strand in self.strands:
            if not strand.parts and len(strand.before) > 1 and made:
                given.setdefault(strand.before, []).append(strand)
        made += map(self.meeting, given.values())
        return [f"{words[0].upper()}{words[1:]}." for words in made]

    def sentence(self, i: int) -> str:
        """What is said of strand `i` and those told with it; nothing where that is told already, or named later."""
        strand = self.strands[i]
        if i in self.done or not strand.parts:
            return ""
        if not strand.begins and not strand.before:
            return "" if self.read(i) else f"{self.through(i)} gives {listed(self.names(i)) or 'an output'}"
        beside = [j for j, other in enumerate(self.strands) if other.parts and j not in self.done and (
            other.before == strand.before if len(strand.before) == 1 else j == i or _twins(strand, other))]
        words = self.begun(beside) if strand.begins else self.parted(beside) if len(beside) > 1 else self.gone_on(i)
        if len(beside) == 1 and (names := self.names(i)):
            words += f", which gives {listed(names)}"
        self.waiting = [j for j in self.waiting if j not in strand.before] + beside
        self.last = beside
        self.done |= {*beside}
        return words

    def begun(self, beside: Sequence[int]) -> str:
        """Of strands that begin with an input, each with one, and go through the same."""
        several = len(beside) > 1
        inputs = [node for j in beside for node in self.strands[j].begins]
        subject = f"{self.inputs(inputs)} each pass" if several else f"{self.input(inputs[0])} passes"
        return f"{subject} through {self.through(beside[0])}"

    def parted(self, beside: Sequence[int]) -> str:
        """Of strands that read the same one."""
        source = self.strands[beside[0]].before[0]
        ways = "; ".join(f"{f'for {listed(names)}, ' if (names := self.names(j)) else ''}{self.through(j)}"
                         for j in beside)
        what = f"{number(len(beside))} {'branches' if any(map(self.read, beside)) else 'heads'}"
        if not self.strands[source].parts:
            return f"{self.noun(source)} goes to {what}: {ways}"
        return f"{what} follow{'' if self.last == [source] else f' {self.noun(source)}'}: {ways}"

    def gone_on(self, i: int) -> str:
        """Of a strand that goes on from others."""
        subject, ending = self.subject(self.strands[i])
        return f"{subject} pass{ending} through {self.through(i)}"

    def meeting(self, together: Sequence[Strand]) -> str:
        """Of outputs that are made of the same several strands."""
        subject, ending = self.subject(together[0])
        names = [word for strand in together for node in strand.ends if (word := self.name(node))]
        return f"{subject} give{ending[1:]} {listed(names) or 'the output'}"

    def read(self, i: int) -> bool:
        """Whether something goes on from strand `i`, or meets others there."""
        return any(i in other.before and (other.parts or len(other.before) > 1) for other in self.strands)

    def input(self, node: Node) -> str:
        """What an input is, and its name where another is the same."""
        words, name = self.kind(node), self.name(node)
        same = sum(self.kind(other) == words for strand in self.strands for other in strand.begins)
        return f"{words} ({name})" if same > 1 and name and name not in words.split() else words

    def inputs(self, nodes: Sequence[Node]) -> str:
        """``two 32×32×3 images (left and right)``."""
        noun = re.sub(r"^an? ", "", self.kind(nodes[0]))
        many = re.sub(r"^(input|sequence)\b", r"\1s", noun) if " of " in noun else f"{noun}s"
        names = listed([name for node in nodes if (name := self.name(node))])
        return f"{number(len(nodes))} {many}{f' ({names})' if names else ''}"

    def names(self, i: int) -> list[str]:
        """What the outputs are called that are nothing but what comes out of strand `i`; nothing for the only one."""
        if sum(len(strand.ends) for strand in self.strands) < 2:
            return []
        bare = [strand for strand in self.strands if strand.before == (i,) and not strand.parts]
        return [word for strand in (self.strands[i], *bare) for node in strand.ends if (word := self.name(node))]

    def through(self, i: int) -> str:
        """What strand `i` goes through."""
        parts = [self._again(part, len([part, *more])) for part, *more in _calls(self.strands[i].parts)]
        self.nouns += map(_noun, self.strands[i].parts)
        words = phrases(parts)
        return f"a network of {listed(words)}" if loose(parts) else listed(words)

    def _again(self, part: Part, times: int) -> Part:
        """`part`, or ``the same encoder`` where its module has been told; ``applied two times``, if it is in a row."""
        path = module_path(part)
        if path in self.said:
            part = replace(part, one=f"the same {part.one}", many=f"the same {part.many}", whole=True, inside=())
        self.said |= {path} if path else set()
        if times == 1:
            return part
        return replace(part, one=f"{phrases([part])[0]}, applied {number(times)} times", whole=True, inside=())

    def noun(self, i: int) -> str:
        """What comes out of strand `i`."""
        strand = self.strands[i]
        if not strand.parts:
            return listed([self.input(node) for node in strand.begins])
        if not strand.begins and not strand.before:     # learned, or the same for every input
            return self.through(i)
        noun = _noun(strand.parts[-1])
        waiting = [j for j in self.waiting if _noun(self.strands[j].parts[-1]) == noun]
        if self.nouns.count(noun) > 1 and waiting != [i]:
            raise _Ambiguous
        return f"the output of the {noun}"

    def subject(self, strand: Strand) -> tuple[str, str]:
        """What `strand` reads, and the ending of "pass" behind it."""
        told = [i for i in strand.before if self._told(i)]
        nouns = [self.noun(i) for i in strand.before if i not in told]
        if len(told) == 1 and self.last == told:
            nouns.insert(0, "its output")
        elif len(told) > 1 and sorted(told) == sorted(self.waiting):
            nouns.insert(0, "both outputs" if len(told) == 2 else "their outputs")
        else:
            nouns = [*map(self.noun, told), *nouns]
        several = len(strand.before) > 1
        if strand.meeting:
            them = "their" if nouns[0] in ("both outputs", "their outputs") and len(nouns) == 1 else "the"
            of = "" if them == "their" else f" of {listed(nouns)}"
            return f"{them} {strand.meeting}{of}", "es"
        return f"{'together, ' if several else ''}{listed(nouns)}", "" if several else "es"

    def _told(self, i: int) -> bool:
        strand = self.strands[i]
        return bool(strand.parts and (strand.begins or strand.before))


def _noun(part: Part) -> str:
    if part.whole:
        return "embeddings" if set(part.kinds) == {"embedding"} else "parallel branches"
    return part.one


def sentences(strands: Sequence[Strand], name: Callable[[Node], str], kind: Callable[[Node], str]) -> list[str]:
    """One for each strand, or for those that begin at one place; none where words do not tell these apart.

    `kind` says what an input is, ``a 32×32×3 image``, `name` what the model calls an input or an output, empty where
    that says nothing.
    """
    try:
        return _Text(strands, name, kind).told()
    except _Ambiguous:
        return []


def _twins(a: Strand, b: Strand) -> bool:
    """Whether two inputs go through the same modules."""
    paths = [module_path(part) for part in a.parts]
    return bool(a.begins and b.begins and all(paths)) and paths == [module_path(part) for part in b.parts]


def _calls(parts: Sequence[Part]) -> list[list[Part]]:
    """`parts` with calls of one module in a row together."""
    return [[*run] for _, run in groupby(parts, lambda part: (module_path(part), "" if module_path(part) else part.id))]


def port(node: Node) -> str:
    """What an input or an output is called; nothing for a number or where the model gives it no name."""
    words = text.clean(str(node.attrs.get("label") or port_name(node)))
    return "" if words.isdigit() or words in ("input", "output") else words
