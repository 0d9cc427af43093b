"""The figures that the gallery is drawn as: model, style and options; and what such a figure says, as text.

Each is traced once, and drawn once per width and theme.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from archviz.core.graph import Graph
from archviz.core.scene import Group, Mark, Text
from archviz.figure import compile, draw
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from tests.conftest import ROOT

WIDTHS = ("174mm", "84mm")
THEMES = ("", "mono")


@dataclass(frozen=True)
class Case:
    target: str         # as on the command line, in gallery/
    style: str
    settings: Mapping[str, str] = field(default_factory=dict)


FIGURES = {
    "vgg16": Case("vgg16.py", "cube"),
    "alexnet": Case("alexnet.py", "cube"),
    "resnet18": Case("resnet.py:resnet18", "cube"),
    "unet": Case("unet.py", "cube"),
    "c3d": Case("c3d.py", "cube"),
    "m5": Case("m5.py", "cube"),
    "mlp": Case("mlp.py", "node-link"),
    "smallcnn": Case("smallcnn.py", "node-link"),
    "lstm": Case("lstm.py", "node-link"),
    "lstm-unrolled": Case("lstm.py", "node-link", {"options.unroll": "3"}),
    "lstm-open": Case("lstm.py", "node-link", {"options.cell": "open"}),
}


@cache
def traced(target: str, style: str) -> Graph:
    """The graph of a gallery model, as `style` asks for it (with weights or without)."""
    return draw.draw(str(ROOT / "gallery" / target), style=style).graph


@cache
def figure(name: str, width: str = "174mm", theme: str = "") -> Figure:
    case = FIGURES[name]
    options = Options(case.style, settings=case.settings, width=width, theme=theme or None)
    return compile.compile(traced(case.target, case.style), options)


def outline(drawn: Figure) -> str:
    """What a figure says, in the order it is drawn: each node with its words, then the arrows."""
    nodes, arrows = [f"{drawn.scene.title}, laid out {drawn.layout.direction}"], []
    for mark in drawn.scene.marks:
        if not isinstance(mark, Group) or not mark.name:
            continue
        if mark.edge:
            arrows.append(" → ".join(mark.edge))
        else:
            nodes.append(f"[{mark.role}] {mark.node}: {' · '.join(words(mark))}".rstrip(": "))
    return "\n".join([*nodes, *arrows]) + "\n"


def words(mark: Mark) -> list[str]:
    if isinstance(mark, Group):
        return [word for inner in mark.marks for word in words(inner)]
    return [mark.string] if isinstance(mark, Text) else []
