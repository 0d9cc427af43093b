"""What every style owes at one column and at two: each line leaves what it comes from and reaches what it goes to, and
what stands for several says for how many, and in a sum there meets more than one."""
from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings

from archviz.backends import svg
from archviz.core.errors import DoesNotFit
from archviz.core.graph import JOINTS, Graph
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from archviz.trace.ladder import Inputs, trace
from tests.conftest import ROOT
from tests.graphs import graphs
from tests.lint import detached
from tests.zoo import CASES

# radial has chords between the dots of its discs, and no lines
STYLES = sorted(path.stem for path in (ROOT / "styles").glob("*.yaml") if path.stem not in ("base", "radial"))
MODELS = ("resnet18", "detr", "transformer", "segformer", "densenet", "unet", "whisper", "inception", "swin")


@cache
def traced(name: str) -> Graph:
    return trace(CASES[name].build, Inputs(*CASES[name].inputs())).graph


def drawn(graph: Graph, style: str) -> Iterator[Figure]:
    for width in ("84mm", "174mm"):
        try:
            yield compile(graph, Options(style=style, width=width))
        except DoesNotFit:
            continue


def written(folder: Path, name: str, graph: Graph, style: str) -> Iterator[Path]:
    for i, figure in enumerate(drawn(graph, style)):
        path = folder / f"{name}-{style}-{i}.svg"
        path.write_bytes(svg.render(figure.scene))
        yield path


@pytest.mark.parametrize("style", STYLES)
def test_what_stands_for_several_says_so(style: str) -> None:
    for name in MODELS:
        for figure in drawn(traced(name), style):
            graph = figure.drawn
            homes = {frame for node in graph.nodes for frame in (*node.scope, node.id)} & graph.modules.keys()
            words = " ".join(figure.scene.strings())
            said = Counter(int(a or b) for a, b in re.findall(r"×(\d+)\b|\b(\d+)×(?!\d)", words))
            wanted = Counter(graph.modules[home].repeat for home in homes if graph.modules[home].repeat > 1)
            assert not wanted - said, (name, figure.scene.width)
            alone = [node.id for node in graph.nodes if node.kind in JOINTS and len(graph.incoming[node.id]) < 2]
            assert not alone, (name, figure.scene.width)


@pytest.mark.parametrize("style", STYLES)
def test_no_line_of_a_real_model_hangs_in_the_air(style: str, tmp_path: Path) -> None:
    paths = [path for name in MODELS for path in written(tmp_path, name, traced(name), style)]
    assert detached(paths) == {}


def test_no_line_of_a_random_graph_hangs_in_the_air(tmp_path: Path) -> None:
    paths: list[Path] = []

    @settings(max_examples=36, deadline=None)
    @given(graphs())
    def draw(graph: Graph) -> None:
        paths.extend(written(tmp_path, str(len(paths)), graph, STYLES[len(paths) // 2 % len(STYLES)]))

    draw()
    assert detached(paths) == {}


def test_a_line_that_was_cut_is_found(tmp_path: Path) -> None:
    path, *_ = written(tmp_path, "resnet18", traced("resnet18"), "block")
    text = path.read_text("utf-8")
    line = text.index('class="edge" d="M')
    end = text.index('"', line + 18)
    path.write_text(f'{text[:line]}class="edge" d="M-90 -90L-80 -80{text[end:]}', "utf-8")
    assert detached([path])
