"""The caption of a picture: what is shown of which target, on which scale, what was checked, and what is to be noted.

In: attributions, scales.  Out: sentences.
"""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from archviz.insight.painting import colormap
from archviz.insight.painting.colormap import Scale

OBVIOUS = ("finite",)       # checks that a caption names only where they fail


def sentences(shown: Sequence[Any], scales: Sequence[Scale] = (), of: str = "") -> Iterator[str]:
    """The caption; `of` says of what it is where no target has to do with it."""
    titles = list(dict.fromkeys(one.title for one in shown))
    targets = list(dict.fromkeys(one.target for one in shown))
    yield f"{_listed(titles)} of {of}" if of else f"{_listed(titles)} for {_listed(targets)}"
    if not of and any(one.signed for one in shown):
        whose = "" if all(one.signed for one in shown) else "Where maps have a sign, "
        words = "values above zero speak for the target, those below zero against it"
        yield whose + (words if whose else words.capitalize())
    cut = max((on.clipped for on in scales), default=0.0)
    if cut:
        most = "at most " if len(scales) > 1 else ""
        yield f"The strongest values, {most}{colormap.percent(cut)} of all, have the colour of the bar's end"
    yield from checks(shown)


def checks(shown: Sequence[Any]) -> Iterator[str]:
    """What was checked and is to be noted: a sentence for each method, or for those of which the same is said."""
    notes = [list(dict.fromkeys(one.notes)) for one in shown]
    common = [note for note in notes[0] if all(note in other for other in notes)] if notes else []
    titles = list(dict.fromkeys(one.title for one in shown))
    whose_facts: dict[tuple[str, ...], list[str]] = {}
    for title in titles:
        maps = [one for one in shown if one.title == title]
        remarks = dict.fromkeys(note for one in maps for note in one.notes if note not in common)
        whose_facts.setdefault((*_checked(maps), *remarks), []).append(title)
    for facts, whose in whose_facts.items():
        if len(titles) == 1:
            yield from (_sentence(fact) for fact in facts)
        elif facts:
            yield f"{_listed(whose)}: {'; '.join(facts)}"
    yield from (_sentence(note) for note in common)


def of_all(drawn: int, count: int, samples: Sequence[int] | None) -> str:
    """That more samples are there than are drawn, if nobody chose."""
    return f"The first {drawn} of {count} inputs are shown" if samples is None and drawn < count else ""


def _checked(maps: Sequence[Any]) -> Iterator[str]:
    """What was checked of one method's maps; of several targets, where it was worst."""
    by_name: dict[str, list[tuple[Any, Any]]] = {}
    for one in maps:
        for check in one.checks:
            by_name.setdefault(check.name, []).append((check, one))
    for name, every in by_name.items():
        check, one = max(every, key=lambda pair: (not pair[0].kept, pair[0].error))
        if name in OBVIOUS and check.kept:
            continue
        where = f" for {one.target}, the worst of {len(every)}" if len({pair[0].said for pair in every}) > 1 else ""
        failed = "" if check.kept else f", which is more than {check.tolerance:g} off"
        yield f"{check.said}{where}{failed}"


def _sentence(fact: str) -> str:
    return fact[:1].upper() + fact[1:]


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "nothing"
