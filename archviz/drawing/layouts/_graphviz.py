"""Where Graphviz puts boxes: the program of this machine, or the one that pygraphviz brings.

In: boxes in frames, and the edges among them, as `Sheet`s.  Out: their places.

Graphviz counts 72 points to an inch and from the bottom up, archviz 72.27 and from the top down.
"""
from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from archviz.core.errors import ArchvizError
from archviz.core.geometry import Place, bounds

POINT = 72 / 72.27
PATIENCE = 60.0     # seconds for one call; what takes longer is not drawn any better
NONE = '""'
DIRECTIONS = {"down": "TB", "right": "LR", "up": "BT"}


@dataclass(frozen=True)
class Sheet:
    """What one call places.

    boxes                    key → width and height
    edges                    ends, and how straight each should be
    inside                   key of a box or cluster → the cluster that it is in
    clusters                 key → width and height of the title that it needs room for; the outer ones first
    direction                which way edges lead
    apart, along, pad        room beside boxes, along edges, and inside of a cluster
    """

    boxes: Mapping[str, tuple[float, float]]
    edges: tuple[tuple[str, str, int], ...] = ()
    inside: Mapping[str, str] = field(default_factory=dict)
    clusters: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    direction: str = "down"
    apart: float = 0.0
    along: float = 0.0
    pad: float = 0.0

    def source(self) -> str:
        """It in DOT.  Names are numbers: nothing of the model's is in it."""
        inch = 72.27
        out = [f"digraph {{ graph [rankdir={DIRECTIONS[self.direction]}, nodesep={self.apart / inch:.4f}, "
               f"ranksep={self.along / inch:.4f}, splines=none, overlap=false, sep=\"+0.1\", K=0.3, mindist=0.05, "
               f"margin={self.apart * POINT:.2f}];",     # between clusters side by side
               "node [shape=box, fixedsize=true, label=\"\", margin=0]; edge [len=0.3];"]
        top = "b" if self.direction == "up" else "t"       # Graphviz turns the titles of clusters over, too
        numbers = {key: i for i, key in enumerate(self.boxes)}
        frames = {key: i for i, key in enumerate(self.clusters)}

        def fill(parent: str) -> None:
            for key, (width, height) in self.boxes.items():
                if self.inside.get(key, "") == parent:
                    out.append(f"n{numbers[key]} [width={width / inch:.4f}, height={height / inch:.4f}];")
            for key, (width, height) in self.clusters.items():
                if self.inside.get(key, "") == parent:
                    size = f'WIDTH="{width * POINT:.0f}" HEIGHT="{height * POINT:.0f}"'
                    title = f'<<TABLE BORDER="0" FIXEDSIZE="TRUE" {size}><TR><TD></TD></TR></TABLE>>'
                    out.append(f"subgraph cluster_{frames[key]} {{ margin={self.pad * POINT:.2f}; labelloc={top}; "
                               f"label={title if height else NONE};")
                    fill(key)
                    out.append("}")

        fill("")
        out += [f"n{numbers[a]} -> n{numbers[b]} [weight={weight}];" for a, b, weight in self.edges]
        return "\n".join([*out, "}"])


def placed(engine: str, sheets: Sequence[Sheet]) -> list[dict[str, Place]]:
    """Where `engine` puts the boxes and clusters of each of `sheets`, the upper left corner of all at the origin.

    Raises `ArchvizError` without Graphviz, and for what it says where it fails.
    """
    wanted = [sheet for sheet in sheets if len(sheet.boxes) > 1 or sheet.clusters]
    answers = iter(_answers(engine, tuple(sheet.source() for sheet in wanted)) if wanted else ())
    return [_read(sheet, next(answers)) if sheet in wanted else
            {key: Place(0.0, 0.0, *size) for key, size in sheet.boxes.items()} for sheet in sheets]


def _read(sheet: Sheet, answer: Mapping[str, Any]) -> dict[str, Place]:
    places: dict[str, Place] = {}
    named = {**{f"n{i}": key for i, key in enumerate(sheet.boxes)},
             **{f"cluster_{i}": key for i, key in enumerate(sheet.clusters)}}
    for thing in answer.get("objects", ()):
        key = named.get(thing["name"])
        if key is None:
            continue
        if key in sheet.boxes:
            x, y = (float(word) / POINT for word in thing["pos"].rstrip("!").split(",")[:2])
            width, height = sheet.boxes[key]
            places[key] = Place(x - width / 2, -y - height / 2, width, height)
        elif "bb" in thing:
            left, low, right, high = (float(word) / POINT for word in thing["bb"].split(","))
            places[key] = Place(left, -high, right - left, high - low)
    left, top, *_ = bounds(places.values())
    return {key: p.moved(-left, -top) for key, p in places.items()}


@lru_cache(maxsize=128)
def _answers(engine: str, sources: tuple[str, ...]) -> tuple[Mapping[str, Any], ...]:
    """What Graphviz says to each of `sources`, as JSON."""
    if shutil.which("dot", path=os.environ.get("PATH", "")):
        return _decoded(_by_program(engine, "\n".join(sources)))
    try:
        import pygraphviz
    except ImportError:
        raise ArchvizError(f"the layout {engine} needs Graphviz, and no program dot was found on this machine",
                           "install it (apt install graphviz, brew install graphviz, graphviz.org), or pip install "
                           "pygraphviz, which brings its own") from None
    answers = list[Mapping[str, Any]]()
    for source in sources:
        graph = pygraphviz.AGraph(source)
        answers += _decoded(graph.draw(format="json0", prog=engine).decode())
        graph.close()
    return tuple(answers)


def _by_program(engine: str, source: str) -> str:
    from graphviz.backend.execute import CalledProcessError, ExecutableNotFound, run_check

    try:
        done = run_check(["dot", f"-K{engine}", "-Tjson0"], input=source, capture_output=True, encoding="utf-8",
                         quiet=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise ArchvizError(f"Graphviz has not come to an end with the layout {engine} in {PATIENCE:.0f} seconds",
                           "show less with --depth or --collapse, or take another layout") from None
    except (CalledProcessError, ExecutableNotFound, OSError) as error:
        words = " ".join(str(getattr(error, "stderr", "") or error).split())
        raise ArchvizError(f"Graphviz failed with the layout {engine}: {words[:300]}",
                           "does it run by itself? try: dot -V") from None
    return str(done.stdout)


def _decoded(answer: str) -> tuple[Mapping[str, Any], ...]:
    """The values of JSON that stand one after the other."""
    decoder, values, at = json.JSONDecoder(), list[Mapping[str, Any]](), 0
    try:
        while at < len(answer.rstrip()):
            value, at = decoder.raw_decode(answer, at)
            values.append(value)
            at += len(answer[at:]) - len(answer[at:].lstrip())
    except ValueError:
        raise ArchvizError("Graphviz answered something that is not JSON",
                           "a version from 2.40 on is needed: dot -V says which this is") from None
    return tuple(values)
