"""Approved figures, as text: what each shows, in reading order.  A change is a diff of words, not of coordinates.

``pytest tests/figure/test_approved.py --accept`` takes the figures as they are; look at them first, all on one sheet:
``python tests/contact_sheet.py OUT``.
"""
from __future__ import annotations

import pytest

from archviz.core.naming import titles
from archviz.drawing.labels import looks
from archviz.figure.figure import Figure
from archviz.style.style import load_style
from tests.conftest import ROOT
from tests.figure.test_zoo import WIDTHS, figure

APPROVED = ROOT / "tests" / "approved"
# Plain torch: what a new release of transformers changes in its models is not for these texts to say.
NAMES = ("transformer", "lstm", "unet", "inception", "densenet")


def outline(drawn: Figure) -> str:
    """Frames by indentation; each box with its words, what is fused into it, and where its arrows come from."""
    style = load_style("block")
    graph = drawn.drawn
    seen, names = looks(graph, style), titles(graph, style.titles)
    number = {node.id: i + 1 for i, node in enumerate(graph.nodes)}
    lines = [f"{drawn.scene.title}, laid out {drawn.layout.direction}, {len(drawn.layout.cuts)} cuts"]
    inside: tuple[str, ...] = ()
    for node in graph.nodes:
        for depth, scope in enumerate(node.scope):
            if inside[depth:depth + 1] != (scope,):
                module = graph.modules[scope]
                count = f" ×{module.repeat}" if module.repeat > 1 else ""
                shared = ", shared weights" if module.shared else ""
                lines.append(f"{'    ' * depth}[{names[scope]}{count}{shared}]")
                inside = node.scope[:depth + 1]
        inside = node.scope
        look = seen[node.id]
        words = " / ".join(line for line, _ in look.lines) or f"({node.kind})"
        bands = "".join(f" + {band.removesuffix(' band')}" for band in look.bands)
        arrows = [f"{number[e.src]}" for e in graph.incoming[node.id] if e.role != "recurrent"]
        carries = f" ({look.arrow})" if look.arrow else ""
        lines.append(f"{'    ' * len(node.scope)}{number[node.id]} {words}{bands}"
                     + (f"  ← {', '.join(arrows)}{carries}" if arrows else ""))
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("key", [f"{name}-{width}" for name in NAMES for width in WIDTHS])
def test_the_figure_shows_what_was_approved(key: str, request: pytest.FixtureRequest) -> None:
    path, text = APPROVED / f"{key}.txt", outline(figure(key))
    if request.config.getoption("--accept"):
        path.write_text(text, encoding="utf-8")
    assert path.read_text(encoding="utf-8") == text
