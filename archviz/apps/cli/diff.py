"""``archviz diff``: two models, in whatever way they are named, compared; files and what is printed.

In: answers of the command line.  Out: the `Difference`, files, written all or none, and what is to be said.
"""
from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from archviz.apps.request.job import Job, asked
from archviz.compare import git
from archviz.compare.diff import WORDS, _at, _of, compare
from archviz.compare.difference import Difference
from archviz.core.errors import ArchvizError
from archviz.core.files import write
from archviz.core.graph import Graph
from archviz.core.progress import progress
from archviz.figure.options import Options
from archviz.figure.output import check_output
from archviz.trace.read import Step


def sides(targets: Sequence[str]) -> list[tuple[str, str]]:
    """The old and the new model that the words of a command line name, each as a revision (or none) and a target."""
    found = [git.parse(target) for target in targets]
    files = [target for _, target in found if target]
    shape = [(bool(revision), bool(target)) for revision, target in found]
    if not files:
        raise ArchvizError("a revision was named, but no file", "write archviz diff HEAD~1: model.py")
    if len(found) == 1:
        return [found[0], ("", files[0])]
    if len(found) == 2:
        return [(revision, target or files[0]) for revision, target in found]
    if len(found) == 3 and shape[:2] == [(True, False)] * 2:
        return [(found[0][0], files[0]), (found[1][0], files[0])]
    raise ArchvizError(f"{len(found)} models were named, and two are compared",
                       "write archviz diff old.py new.py, or archviz diff v1.0: v2.0: model.py")


def outputs_of(o: argparse.Namespace, default: Callable[[argparse.Namespace], Path]) -> list[Path]:
    """The files to write: those asked for; without any, `default`, unless something is printed instead."""
    if o.output:
        return list(dict.fromkeys(o.output))
    return [] if o.markdown or o.json else [default(o)]


def carry_out(o: argparse.Namespace, outputs: Sequence[Path]) -> Difference:
    """Compare, showing progress unless ``o.quiet``, and write `outputs` where anything differs."""
    pair = sides(o.model)
    own = [(tuple(o.arg) + tuple(o.old_arg), tuple(o.input) + tuple(o.old_input)),
           (tuple(o.arg) + tuple(o.new_arg), tuple(o.input) + tuple(o.new_input))]
    if len(o.model) == 1 and pair[0] == pair[1] and own[0] == own[1]:
        raise ArchvizError("there is one model only, and nothing to compare it with",
                           "name two, or a revision (HEAD~1: model.py), or what differs: --new-arg width=512")
    for path in outputs:
        check_output(path, o.engine or "", also=tuple(WORDS))
    base = asked(argparse.Namespace(**{**vars(o), "model": pair[1][1], "arg": own[1][0], "input": own[1][1]}))
    _check(base.options)
    base.check()
    jobs = [replace(base, target=target, args=args, inputs=inputs)
            for (_, target), (args, inputs) in zip(pair, own, strict=True)]
    with progress(not o.quiet) as step:
        graphs = []
        for (revision, target), job in zip(pair, jobs, strict=True):
            with _at(revision, target) as place:
                graphs.append(_of(_traced(replace(job, target=place), step, o.verbose), revision))
        drawn = [path for path in outputs if path.suffix.removeprefix(".") not in WORDS]
        found = compare(graphs[0], graphs[1], jobs[1].configured(graphs[1]), step, draw=bool(drawn))
        step("write")
        _written(found, outputs, o)
    return found


def _check(options: Options) -> None:
    if options.inset or options.cut or options.append:
        raise ArchvizError("a figure of two models has no insets, and is not cut",
                           "leave out --inset, --cut and --append")
    if options.in_place:
        raise ArchvizError("in a figure of two models nothing opens in place", "leave out --in-place")


def _traced(job: Job, step: Step, noisy: bool) -> Graph:
    """The graph of one of the models.  Of one that fails in the middle nothing can be said."""
    graph = job.trace(step, noisy)
    failed = (graph.attrs.get("report") or {}).get("failed")
    if failed:
        raise ArchvizError(f"{job.target}: {failed[0]} raised {' '.join(str(failed[1]).split())}",
                           "mend it, or compare what runs; archviz alone draws the part that ran")
    return graph


def _written(found: Difference, outputs: Sequence[Path], o: argparse.Namespace) -> None:
    """Write all files; a drawing only where there is one."""
    options = {key: value for key, value in (("dpi", o.dpi), ("engine", o.engine), ("standalone", o.standalone))
               if value}
    contents: dict[Path, bytes] = {}
    for path in outputs:
        suffix = path.suffix.removeprefix(".")
        if suffix in WORDS:
            contents[path] = WORDS[suffix](found).encode("utf-8", "surrogatepass")
        elif found.figure is not None:
            contents[path] = found.figure.render(suffix, **options)
    for path, content in contents.items():
        try:
            write(path, content)
        except OSError as error:
            raise ArchvizError(f"cannot write {path}: {error.strerror}") from None


def remark(found: Difference, outputs: Sequence[Path]) -> str:
    """What is said of the files."""
    written = [path for path in outputs if found or path.suffix.removeprefix(".") in WORDS]
    if not written:
        return ""
    size = ""
    if found.figure is not None:
        scene = found.figure.scene
        size = " ({} mm × {} mm)".format(*(round(side / 72.27 * 25.4) for side in (scene.width, scene.height)))
    return f"wrote {', '.join(map(str, written))}{size}"
