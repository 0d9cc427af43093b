"""``archviz diff``: two models, in whatever way they are named, compared.

In: the answers of the command line.  Out: the difference as a table, Markdown or JSON, and as a figure.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace

from archviz.apps.cli.run import Files, Outcome, rendered
from archviz.apps.request.job import Job, asked
from archviz.compare import git
from archviz.compare.changes import Difference
from archviz.compare.diff import WORDS, at, check, compare, of_revision
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph
from archviz.core.progress import Step

FILES = Files("-diff", ("markdown", "json"), tuple(WORDS))


def prepare(o: argparse.Namespace) -> Callable[[Step], Outcome]:
    pair = sides(o.model)
    outputs = FILES.of(o, pair[1][1])
    of_sides = [(tuple(o.arg) + tuple(o.old_arg), tuple(o.input) + tuple(o.old_input)),
                (tuple(o.arg) + tuple(o.new_arg), tuple(o.input) + tuple(o.new_input))]
    if len(o.model) == 1 and pair[0] == pair[1] and of_sides[0] == of_sides[1]:
        raise ArchvizError("there is one model only, and nothing to compare it with",
                           "name two, or a revision (HEAD~1: model.py), or what differs: --new-arg width=512")
    base = asked(argparse.Namespace(**{**vars(o), "model": pair[1][1]}))
    check(base.options)
    base.check()
    jobs = [replace(base, target=target, args=args, inputs=inputs)
            for (_, target), (args, inputs) in zip(pair, of_sides, strict=True)]

    def work(step: Step) -> Outcome:
        graphs = []
        for (revision, target), job in zip(pair, jobs, strict=True):
            with at(revision, target) as place:
                graphs.append(of_revision(_traced(replace(job, target=place), step, o.verbose), revision))
        drawn = [path for path in outputs if path.suffix.removeprefix(".") not in WORDS]
        difference = compare(graphs[0], graphs[1], jobs[1].configured(graphs[1]), step, draw=bool(drawn))
        step("write")
        files = {path: WORDS[path.suffix.removeprefix(".")](difference).encode("utf-8", "surrogatepass")
                 for path in outputs if path not in drawn}
        figure = difference.figure
        files |= rendered(figure, drawn, o) if figure is not None else {}
        return Outcome({path: files[path] for path in outputs if path in files}, printed(difference, o),
                       code=1 if difference else 0, size=(figure.scene.width, figure.scene.height) if figure else None)

    return work


def printed(difference: Difference, o: argparse.Namespace) -> str:
    """What goes to stdout."""
    words = difference.markdown() if o.markdown else difference.to_json() if o.json else difference.table()
    return words.removesuffix("\n")


def sides(targets: Sequence[str]) -> list[tuple[str, str]]:
    """The old and the new model that the words of a command line name, each as a revision (or none) and a target."""
    named = [git.parse(target) for target in targets]
    files = [target for _, target in named if target]
    shape = [(bool(revision), bool(target)) for revision, target in named]
    if not files:
        raise ArchvizError("a revision was named, but no file", "write archviz diff HEAD~1: model.py")
    if len(named) == 1:
        return [named[0], ("", files[0])]
    if len(named) == 2:
        return [(revision, target or files[0]) for revision, target in named]
    if len(named) == 3 and shape[:2] == [(True, False)] * 2:
        return [(named[0][0], files[0]), (named[1][0], files[0])]
    raise ArchvizError(f"{len(named)} models were named, and two are compared",
                       "write archviz diff old.py new.py, or archviz diff v1.0: v2.0: model.py")


def _traced(job: Job, step: Step, noisy: bool) -> Graph:
    """The graph of one of the models.  Of one that fails in the middle nothing can be said."""
    graph = job.trace(step, noisy)
    failed = (graph.attrs.get("report") or {}).get("failed")
    if failed:
        raise ArchvizError(f"{job.target}: {failed[0]} raised {' '.join(str(failed[1]).split())}",
                           "mend it, or compare what runs; archviz alone draws the part that ran")
    return graph
