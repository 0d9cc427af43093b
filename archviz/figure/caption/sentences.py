"""What a model is, in sentences: what goes in, what each strand of it goes through, and where strands meet.

In: `Strand`s.  Out: sentences.
"""
from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

from archviz.core import text
from archviz.core.graph import Node
from archviz.figure.caption.parts import Part
from archviz.figure.caption.phrases import listed, loose, number, phrases
from archviz.figure.caption.strands import Strand, module_path


class _Ambiguous(Exception):
    """Two things are called the same, of which one is meant."""


@dataclass
class _Text:
    """The sentences so far.

    input    what an input is called
    names    what the outputs of each strand are called
    said     modules that have been told, by their paths
    nouns    what has been told, each time
    waiting  strands that have been told and of which nothing has been said since
    last     the strands that the last sentence tells
    """

    strands: Sequence[Strand]
    input: Callable[[Node], str]
    names: Mapping[int, Sequence[str]]
    said: set[str] = field(default_factory=set)
    nouns: list[str] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    last: list[int] = field(default_factory=list)

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
        return _sentences(strands, name, kind)
    except _Ambiguous:
        return []


def _sentences(strands: Sequence[Strand], name: Callable[[Node], str], kind: Callable[[Node], str]) -> list[str]:
    kinds = [kind(node) for strand in strands for node in strand.begins]

    def called(node: Node) -> str:
        words = kind(node)
        return f"{words} ({name(node)})" if kinds.count(words) > 1 and name(node) else words

    ends = [node for strand in strands for node in strand.ends]
    names = {i: _names(strands, i, name) if len(ends) > 1 else [] for i in range(len(strands))}
    so_far, made, done = _Text(strands, called, names), list[str](), set[int]()
    for i, strand in enumerate(strands):
        if i in done or not strand.parts:
            continue
        if not strand.begins and not strand.before:
            if not any(i in other.before and (other.parts or len(other.before) > 1) for other in strands):
                words = so_far.through(i)
                made.append(f"{words[0].upper()}{words[1:]} gives {listed(names[i]) or 'an output'}.")
            continue
        beside = [j for j, other in enumerate(strands) if other.parts and j not in done and (
            other.before == strand.before if len(strand.before) == 1 else j == i or _twins(strand, other))]
        if strand.begins:
            inputs = [node for j in beside for node in strands[j].begins]
            some = _several(inputs, called, kind, name)
            words = f"{some} {'each pass' if len(beside) > 1 else 'passes'} through {so_far.through(i)}"
        elif len(beside) > 1:
            ways = "; ".join(f"{f'for {listed(names[j])}, ' if names[j] else ''}{so_far.through(j)}" for j in beside)
            heads = not any(j in other.before for other in strands if other.parts for j in beside)
            what = f"{number(len(beside))} {'heads' if heads else 'branches'}"
            source = strand.before[0]
            if not strands[source].parts:
                words = f"{so_far.noun(source)} goes to {what}: {ways}"
            else:
                words = f"{what} follow{'' if so_far.last == [source] else f' {so_far.noun(source)}'}: {ways}"
        else:
            what, ending = so_far.subject(strand)
            words = f"{what} pass{ending} through {so_far.through(i)}"
        if names[i] and len(beside) == 1:
            words += f", which gives {listed(names[i])}"
        so_far.waiting = [j for j in so_far.waiting if j not in strand.before] + beside
        so_far.last = beside
        done |= {*beside}
        made.append(f"{words[0].upper()}{words[1:]}.")
    given: dict[tuple[int, ...], list[Strand]] = {}
    for strand in strands:
        if not strand.parts and len(strand.before) > 1 and made:
            given.setdefault(strand.before, []).append(strand)
    for together in given.values():
        what, ending = so_far.subject(together[0])
        called_so = [word for strand in together for node in strand.ends if (word := name(node))] or ["the output"]
        made.append(f"{what[0].upper()}{what[1:]} give{ending[1:]} {listed(called_so)}.")
    return made


def _several(inputs: Sequence[Node], called: Callable[[Node], str], kind: Callable[[Node], str],
             name: Callable[[Node], str]) -> str:
    """``an image``; ``two images (left and right)``."""
    if len(inputs) == 1:
        return called(inputs[0])
    noun = re.sub(r"^an? ", "", kind(inputs[0]))
    many = re.sub(r"^(input|sequence)\b", r"\1s", noun) if " of " in noun else f"{noun}s"
    named = listed([name(node) for node in inputs if name(node)])
    return f"{number(len(inputs))} {many}{f' ({named})' if named else ''}"


def _twins(a: Strand, b: Strand) -> bool:
    """Whether two inputs go through the same modules."""
    paths = [module_path(part) for part in a.parts]
    return bool(a.begins and b.begins and all(paths)) and paths == [module_path(part) for part in b.parts]


def _names(strands: Sequence[Strand], i: int, name: Callable[[Node], str]) -> list[str]:
    """What the outputs are called that are nothing but what comes out of strand `i`."""
    bare = [strand for strand in strands if strand.before == (i,) and not strand.parts]
    return [word for strand in (strands[i], *bare) for node in strand.ends if (word := name(node))]


def _calls(parts: Sequence[Part]) -> list[list[Part]]:
    """`parts` with calls of one module in a row together."""
    return [[*run] for _, run in groupby(parts, lambda part: (module_path(part), "" if module_path(part) else part.id))]


def port(node: Node) -> str:
    """What an input or an output is called; nothing for a number or where the model gives it no name."""
    if "label" in node.attrs or "name" in node.attrs:
        return text.clean(str(node.attrs.get("label") or text.pretty(node.attrs["name"])))
    words = text.clean(node.id.rpartition(":")[2]).rsplit(".", 1)[-1].replace("_", " ")
    return "" if words.isdigit() or words in ("input", "output") else words
