"""--layout dot and its like: boxes placed by Graphviz, lines run among them: no overlaps, no line through a box, in
every form; and what is said where there is no Graphviz, or where it fails."""
from __future__ import annotations

import itertools
import os
import shutil
import stat
import subprocess
import sys
import types
from pathlib import Path

import pytest
from hypothesis import given, settings

from archviz.apps.cli import main
from archviz.core.errors import ArchvizError
from archviz.core.geometry import Layout, Place
from archviz.core.graph import Graph
from archviz.core.graph_json import to_json
from archviz.core.plugins import find
from archviz.drawing.layouts import _graphviz
from archviz.figure.compile import compile
from archviz.figure.draw import draw
from archviz.figure.options import Options
from archviz.style.style import load_style
from tests.backends.test_mermaid import residual
from tests.graphs import Builder, graphs
from tests.lint import lint

ENGINES = ("dot", "neato", "fdp", "sfdp", "twopi", "circo", "osage", "patchwork")
STYLE = load_style("block")


@pytest.fixture(scope="module", autouse=True)
def graphviz() -> None:
    if not shutil.which("dot"):
        pytest.skip("Graphviz is not installed")


def laid_out(graph: Graph, engine: str, direction: str = "down") -> Layout:
    form = find("forms", "block")
    return getattr(find("layouts", engine), engine)(
        graph, form.sizes(graph, STYLE), form.frames(graph, STYLE), STYLE.sizes, direction)


def overlap(a: Place, b: Place) -> bool:
    return a.x + 0.01 < b.x + b.width and b.x + 0.01 < a.x + a.width and (
        a.y + 0.01 < b.y + b.height and b.y + 0.01 < a.y + a.height)


def within(inner: Place, outer: Place) -> bool:
    return outer.x - 0.01 <= inner.x and outer.y - 0.01 <= inner.y and (
        inner.x + inner.width <= outer.x + outer.width + 0.01) and (
        inner.y + inner.height <= outer.y + outer.height + 0.01)


def faults(graph: Graph, layout: Layout) -> list[str]:
    """What breaks a law: boxes that overlap, frames that do not hold just what is in them, lines through boxes."""
    found = [f"{a} on {b}" for (a, p), (b, q) in itertools.combinations(layout.nodes.items(), 2) if overlap(p, q)]
    for key, frame in layout.frames.items():
        for node in graph.nodes:
            if (key in node.scope) != within(layout.nodes[node.id], frame) or (
                    key not in node.scope and overlap(layout.nodes[node.id], frame)):
                found.append(f"{node.id} and frame {key}")
    for route in layout.routes:
        for (x0, y0), (x1, y1) in itertools.pairwise(route.points):
            if abs(x0 - x1) > 0.01 and abs(y0 - y1) > 0.01:
                found.append(f"slanted {route.src}->{route.dst}")
            line = Place(min(x0, x1), min(y0, y1), abs(x1 - x0) + 0.02, abs(y1 - y0) + 0.02)
            found += [f"{route.src}->{route.dst} through {key}" for key, place in layout.nodes.items()
                      if overlap(line, place) and key not in (route.src, route.dst)]
        for key, point in ((route.src, route.points[0]), (route.dst, route.points[-1])):
            p = layout.nodes[key]
            inside = within(Place(*point, 0.0, 0.0), p)
            sides = (point[0] - p.x, p.x + p.width - point[0], point[1] - p.y, p.y + p.height - point[1])
            if not inside or min(map(abs, sides)) > 0.01:
                found.append(f"{route.src}->{route.dst} does not end at {key}")
    return found


def through_titles(graph: Graph, layout: Layout) -> list[str]:
    frames, found = find("forms", "block").frames(graph, STYLE), []
    for key, (x, base) in layout.titles.items():
        title = Place(x, base - 0.7 * frames[key].bar, frames[key].title + frames[key].count, 0.6 * frames[key].bar)
        for route in layout.routes:
            for (x0, y0), (x1, y1) in itertools.pairwise(route.points):
                if overlap(Place(min(x0, x1), min(y0, y1), abs(x1 - x0) + 0.02, abs(y1 - y0) + 0.02), title):
                    found.append(f"{route.src}->{route.dst} through the title of {key}")
    return found


@settings(max_examples=10)
@given(graphs(size=20))
def test_dot_breaks_no_law(graph: Graph):
    drawn = compile(graph, Options(width="900mm", max_height="2500mm", depth=9)).drawn
    for direction in ("down", "right"):
        layout = laid_out(drawn, "dot", direction)
        assert set(layout.nodes) == {node.id for node in drawn.nodes}
        assert not faults(drawn, layout) and not through_titles(drawn, layout)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_engine_breaks_no_law(engine):
    graph = residual().drawn
    layout = laid_out(graph, engine)
    assert not faults(graph, layout)
    assert set(layout.frames) == {key for node in graph.nodes for key in node.scope}
    assert layout == laid_out(graph, engine)


def test_a_line_keeps_its_distance_from_others():
    graph = residual().drawn
    layout = laid_out(graph, "dot")
    lines = [(route.src, a, b) for route in layout.routes for a, b in itertools.pairwise(route.points)]
    for (one, a, b), (other, c, d) in itertools.combinations(lines, 2):
        for n in (0, 1):
            if one != other and abs(a[n] - b[n]) < 0.01 and abs(c[n] - d[n]) < 0.01 and abs(a[n] - c[n]) < 2.5:
                m = 1 - n
                assert min(a[m], b[m]) >= max(c[m], d[m]) - 0.01 or min(c[m], d[m]) >= max(a[m], b[m]) - 0.01


def small() -> Graph:
    """Something that all forms draw: an image, two convolutions around which one passes, a vector."""
    build = Builder("Small")
    x = build.input("image", (1, 3, 32, 32))
    x = y = build.op("Conv2d", x, shape=(1, 8, 32, 32), out_channels=8, kernel_size=[3, 3], params=224)
    y = build.op("MaxPool2d", y, shape=(1, 8, 16, 16), kernel_size=2)
    y = build.op("Conv2d", y, shape=(1, 16, 16, 16), out_channels=16, kernel_size=[3, 3], params=1168)
    z = build.op("Conv2d", x, shape=(1, 16, 16, 16), out_channels=16, kernel_size=[1, 1], params=144)
    x = build.op("add", y, z, shape=(1, 16, 16, 16))
    x = build.op("mean", x, shape=(1, 16))
    build.output(build.op("Linear", x, shape=(1, 10), out_features=10, params=170))
    return build.graph()


FORMS = ("block", "cube", "planes", "tower", "wire", "sublayers", "node-link", "radial", "trapezoid")


def test_dot_in_every_form_passes_the_linter(tmp_path: Path):
    for style in FORMS:
        figure = compile(small(), Options(style, layout="dot"))
        assert figure.render("tex") and figure.render("pdf")
        figure.save(tmp_path / f"{style}.svg")
    bad = {name: row["bad"] for name, row in lint(sorted(tmp_path.glob("*.svg"))).items() if row["bad"]}
    assert not bad


def test_positions_are_those_of_graphviz():
    sheet = _graphviz.Sheet({"a": (20.0, 10.0), "b": (40.0, 10.0)}, (("a", "b", 1),), along=30.0)
    at = _graphviz.placed("dot", [sheet])[0]
    assert at["a"].x + 10 == pytest.approx(at["b"].x + 20, abs=0.6)        # Graphviz counts in whole points
    assert at["b"].y - at["a"].y == pytest.approx(40.0, abs=0.6)
    assert (at["a"].width, at["b"].width) == (20.0, 40.0)


def test_a_page_that_is_too_small_closes_modules():
    figure = compile(residual().graph, Options(layout="dot", max_height="60mm", width="60mm"))
    assert any(node.kind == "module" for node in figure.drawn.nodes)
    assert figure.scene.height <= 60 / 25.4 * 72.27 + 0.1


# ------------------------------------------------------------------------------------------------ asking for it

def test_in_python_and_in_a_style_of_ones_own(tmp_path: Path):
    assert draw(small(), layout="dot").svg == draw(small(), settings={"layout": "dot"}).svg
    assert draw(small(), layout="dot").svg != draw(small()).svg
    (tmp_path / "mine.yaml").write_text("extends: block\nlayout: neato\n")
    assert draw(small(), style=tmp_path / "mine.yaml").svg == draw(small(), layout="neato").svg


def test_our_own_layouts_by_name():
    assert draw(small(), layout="layered").svg
    with pytest.raises(ArchvizError, match="no 'dto' among the layouts") as caught:
        draw(small(), layout="dto")
    assert "dot" in caught.value.hint
    with pytest.raises(ArchvizError, match="needs the size 'tuck'"):
        draw(small(), layout="chain")


@pytest.fixture
def saved(tmp_path: Path, monkeypatch) -> Path:
    """A folder, the working one, with a graph in it."""
    (tmp_path / "graph.json").write_text(to_json(small()), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_on_the_command_line_and_in_a_project_file(saved: Path, capsys):
    assert main.main(["graph.json", "--layout", "dot", "-o", "a.svg"]) == 0
    (saved / "archviz.yaml").write_text("layout: dot\n")
    assert main.main(["graph.json", "-o", "b.svg"]) == 0
    assert (saved / "a.svg").read_bytes() == (saved / "b.svg").read_bytes()
    (saved / "archviz.yaml").write_text("layout: dto\n")
    capsys.readouterr()
    assert main.main(["graph.json", "-o", "c.svg"]) == 2
    said = capsys.readouterr().err
    assert "archviz.yaml:1" in said and "dot" in said


def test_without_graphviz_it_says_what_to_install(saved: Path, monkeypatch, capsys):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    _graphviz._answers.cache_clear()
    assert main.main(["graph.json", "--layout", "dot", "-o", "a.svg"]) == 2
    said = capsys.readouterr().err
    assert "apt install graphviz" in said and "pygraphviz" in said
    assert "Traceback" not in said and not (saved / "a.svg").exists()


def test_the_graphviz_that_pygraphviz_brings(monkeypatch):
    """Stood in for by the program of this machine, called where archviz cannot see it."""
    dot, asked = shutil.which("dot"), []

    class AGraph:
        def __init__(self, source: str) -> None:
            self.source = source

        def draw(self, format: str, prog: str) -> bytes:
            asked.append(prog)
            return subprocess.run([dot, f"-K{prog}", f"-T{format}"], input=self.source.encode(), capture_output=True,
                                  check=True).stdout

        def close(self) -> None:
            pass

    expected = compile(small(), Options(layout="neato")).svg
    monkeypatch.setitem(sys.modules, "pygraphviz", types.SimpleNamespace(AGraph=AGraph))
    monkeypatch.setenv("PATH", "")
    _graphviz._answers.cache_clear()
    assert compile(small(), Options(layout="neato")).svg == expected
    assert set(asked) == {"neato"}
    _graphviz._answers.cache_clear()


def program(folder: Path, text: str) -> None:
    path = folder / "dot"
    path.write_text(f"#!{sys.executable}\n{text}")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.mark.parametrize(("text", "said"), [
    ("import sys\nprint('first\\nsecond', file=sys.stderr)\nsys.exit(3)", "failed with the layout dot: first second"),
    ("import time\ntime.sleep(30)", "not come to an end"),
    ("print('plain 1 2')", "not JSON"),
])
def test_a_program_that_fails(tmp_path: Path, monkeypatch, text, said):
    program(tmp_path, text)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(_graphviz, "PATIENCE", 0.5 if "sleep" in text else 60.0)
    _graphviz._answers.cache_clear()
    with pytest.raises(ArchvizError, match=said):
        compile(small(), Options(layout="dot"))
    _graphviz._answers.cache_clear()
