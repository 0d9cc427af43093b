"""What opens in place keeps the laws of the design: ids, sums, no overlap, straight lines; and the browser computes the
same bytes as Python."""
from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Browser, Page

from archviz.backends import _page, html, svg
from archviz.core.errors import ArchvizError
from archviz.core.graph import Graph, NodeId
from archviz.core.scene import Box, Group, Link, Mark, lower
from archviz.figure.compile import compile
from archviz.figure.draw import draw
from archviz.figure.expand.expandable import Unfolded
from archviz.figure.expand.plates import STUB
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from tests.conftest import ROOT
from tests.graphs import graphs
from tests.lint import lint

GALLERY = ROOT / "gallery"
MODELS = ("resnet.py:resnet18", "unet.py", "transformer.py", "inception.py", "diffusion.py", "moe.py")
ROOMY = Options(max_height="9000mm", width="3000mm")
Rectangle = tuple[float, float, float, float]


def unfolded(graph: Graph, options: Options = ROOMY) -> Unfolded:
    found = compile(graph, options).unfolded
    assert found is not None
    return found


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    return {name: draw(str(GALLERY / name)) for name in MODELS}


def states(one: Unfolded) -> st.SearchStrategy[frozenset[NodeId]]:
    keys = sorted(one.plates.keys() - {""})
    return st.frozensets(st.sampled_from(keys)) if keys else st.just(frozenset())


# ------------------------------------------------------------------------------------------------ what is there

@settings(max_examples=15, deadline=None)
@given(graphs())
def test_every_operation_is_reached_once(graph: Graph) -> None:
    one = unfolded(graph)
    last = [node for plate in one.plates.values() for node in plate.nodes if node.id not in one.plates]
    members = [member for node in last for member in node.members]
    traced = {member for node in one.plates[""].graph.nodes for member in node.members}
    assert traced == {node.id for node in graph.nodes}
    # a folded copy is reached through the one that stands for all: what it holds is a member above
    inside = {member for plate in one.plates.values() for node in plate.nodes for member in node.members}
    assert inside == traced
    assert len(members) == len(set(members))
    ids = [node.id for plate in one.plates.values() for node in plate.nodes]
    assert len(ids) == len(set(ids))


@settings(max_examples=15, deadline=None)
@given(graphs())
def test_what_opens_holds_what_it_stood_for(graph: Graph) -> None:
    one = unfolded(graph)
    for above in one.plates.values():
        for node in above.nodes:
            if node.id in one.plates:
                inside = list(one.plates[node.id].nodes)
                held = [member for inner in inside for member in inner.members]
                assert set(held) <= set(node.members)
                copies, rest = divmod(len(node.members), len(held))
                assert not rest
                # of copies that share weights, the first one counts them
                assert sum(inner.params for inner in inside) in (node.params / copies, node.params)
                assert sum(inner.flops for inner in inside) * copies == node.flops


# ------------------------------------------------------------------------------------------------ where it is

@settings(max_examples=15, deadline=None)
@given(graphs(), st.data())
def test_nothing_overlaps_and_lines_are_straight(graph: Graph, data: st.DataObject) -> None:
    one = unfolded(graph)
    opened = data.draw(states(one))
    scene = one.scene(opened)
    boxes = {key: box for key, box in rectangles(scene.marks) if isinstance(key, str)}
    seen = set(visible(one, opened))
    assert seen <= boxes.keys()
    closed = sorted(seen - opened)
    for i, a in enumerate(closed):
        for b in closed[i + 1:]:
            assert not meet(boxes[a], boxes[b]), (a, b)
    for key in sorted(seen & opened & one.plates.keys()):
        for node in one.plates[key].nodes:
            if node.id in boxes:
                assert holds(boxes[key], boxes[node.id]), (key, node.id)
    for link in links(scene.marks):
        for (ax, ay), (bx, by) in zip(link.points, link.points[1:], strict=False):
            assert abs(ax - bx) < 0.01 or abs(ay - by) < 0.01, link
    for _, (x0, y0, x1, y1) in rectangles(scene.marks):
        assert -0.01 <= x0 and -0.01 <= y0 and x1 <= scene.width + 0.01 and y1 <= scene.height + 0.01


@settings(max_examples=15, deadline=None)
@given(graphs(), st.data())
def test_lines_end_at_what_they_join(graph: Graph, data: st.DataObject) -> None:
    one = unfolded(graph)
    opened = data.draw(states(one))
    boxes = dict(rectangles(one.scene(opened).marks))
    for key in {"", *visible(one, opened)} & ({""} | (opened & one.plates.keys())):
        for edge in one.plates[key].graph.edges:
            name = edge.src, edge.dst
            ends = {end for end in (edge.src, edge.dst) if end in boxes and end[0] != "/"}      # words have no box
            if any(STUB in end for end in name) or edge.role == "recurrent" or ends & opened or name not in boxes:
                continue
            for end in ends:
                assert meet(grown(boxes[name]), boxes[end]), (name, end)


def visible(one: Unfolded, opened: Iterable[NodeId]) -> Iterator[NodeId]:
    """The things that are seen, open or closed."""
    waiting = [""]
    while waiting:
        for node in one.plates[waiting.pop()].nodes:
            yield node.id
            if node.id in opened and node.id in one.plates:
                waiting.append(node.id)


def rectangles(marks: Iterable[Mark]) -> Iterator[tuple[Any, Rectangle]]:
    """What each node's and edge's group covers with its outlines; of a frame, without the copies behind it."""
    for mark in marks:
        if isinstance(mark, Group):
            if mark.name:
                boxes = [inner for inner in mark.marks if isinstance(inner, Box)]
                own = boxes[-1:] if mark.role == "frame" else mark.marks
                points = [point for inner in own for point in corners(inner)]
                if points:
                    xs, ys = [x for x, _ in points], [y for _, y in points]
                    yield mark.edge or mark.node, (min(xs), min(ys), max(xs), max(ys))
            else:
                yield from rectangles(mark.marks)


def corners(mark: Mark) -> Iterator[tuple[float, float]]:
    for core in lower(mark):
        if isinstance(core, Group):
            for inner in core.marks:
                yield from corners(inner)
        elif hasattr(core, "commands"):
            for _, values in core.commands:
                yield from zip(values[::2], values[1::2], strict=True)
        elif hasattr(core, "string"):
            yield core.x, core.y


def links(marks: Iterable[Mark]) -> Iterator[Link]:
    for mark in marks:
        if isinstance(mark, Group):
            yield from links(mark.marks)
        elif isinstance(mark, Link):
            yield mark


def meet(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] - 0.01 and b[0] < a[2] - 0.01 and a[1] < b[3] - 0.01 and b[1] < a[3] - 0.01


def holds(a: Rectangle, b: Rectangle) -> bool:
    return a[0] <= b[0] + 0.01 and a[1] <= b[1] + 0.01 and b[2] <= a[2] + 0.01 and b[3] <= a[3] + 0.01


def grown(a: Rectangle) -> Rectangle:
    return a[0] - 1.0, a[1] - 1.0, a[2] + 1.0, a[3] + 1.0


# ------------------------------------------------------------------------------------------------ real models

def test_no_fault_in_any_state(drawn: dict[str, Figure], tmp_path: Path) -> None:
    paths = []
    for name, figure in drawn.items():
        one = figure.unfolded
        assert one is not None
        keys = sorted(one.plates.keys() - {""})
        for label, opened in (("closed", []), ("paper", one.first), ("half", keys[::2]), ("all", keys)):
            path = tmp_path / f"{name.replace(':', '-')}-{label}.svg"
            path.write_bytes(svg.render(one.scene(opened)))
            paths.append(path)
    # how small the words would print on a page is not asked: the page grows
    bad = {name: {k: v for k, v in row["bad"].items() if k != "min_pt"} for name, row in lint(paths).items()}
    assert {name: row for name, row in bad.items() if row} == {}


def test_closing_gives_back_what_was_there(drawn: dict[str, Figure]) -> None:
    one = drawn["unet.py"].unfolded
    assert one is not None
    before = svg.render(one.scene(one.first))
    svg.render(one.scene(one.plates))
    assert svg.render(one.scene(one.first)) == before


def test_a_folded_frame_shows_one_copy_and_counts_all(drawn: dict[str, Figure]) -> None:
    one = drawn["transformer.py"].unfolded
    assert one is not None
    plate = one.plates["encoder.0"]
    assert {node.id.split(".")[1].split("/")[0] for node in plate.nodes} == {"0"}
    assert {node.repeat for node in plate.nodes} == {6}
    assert one.plates["encoder.0.feed_forward"].times == 6


def test_the_legend_tells_what_is_seen(drawn: dict[str, Figure]) -> None:
    one = drawn["resnet.py:resnet18"].unfolded
    assert one is not None
    closed, opened = (set(one.scene(state).strings()) for state in ([], one.plates))
    assert "normalisation" in opened and "normalisation" not in closed
    assert "module" in closed and "module" not in opened


def test_globs_and_ids(drawn: dict[str, Figure]) -> None:
    one = drawn["resnet.py:resnet18"].unfolded
    assert one is not None
    assert one.state() == one.first
    assert one.state(0) == frozenset()
    assert one.state(1) == {"stem", "stages"}
    assert one.state(None, ["stages.?"], ["stages.2"]) == {"stages.1", "stages.3"}
    assert one.state(0, ["BasicBlock"]) == {key for key in one.plates if key.count(".") == 2}
    with pytest.raises(ArchvizError, match="nothing that opens is called 'stagse'") as told:
        one.state(0, ["stagse"])
    assert "did you mean stages" in told.value.hint


def test_styles_whose_things_do_not_open_say_so() -> None:
    with pytest.raises(ArchvizError, match="nothing opens in place in style radial"):
        draw(str(GALLERY / "lenet.py"), style="radial", in_place=True)


@pytest.mark.parametrize(("model", "style"), [("vgg16.py", "cube"), ("unet.py", "cube"), ("bert.py", "sublayers")])
def test_other_styles_open_into_boxes(model: str, style: str, core: Page, tmp_path: Path) -> None:
    figure = draw(str(GALLERY / model), style=style)
    one = figure.unfolded
    keys = sorted(one.plates.keys() - {""})
    assert keys and one.first == frozenset()
    closed = one.scene([])
    assert set(closed.strings()) <= set(figure.scene.strings())
    opened = [[], keys, keys[::2]]
    assert written(core, figure, opened) == [svg.render(one.scene(state)).decode() for state in opened]
    path = tmp_path / "open.svg"
    path.write_bytes(svg.render(one.scene(keys[::3])))
    bad = lint([path])["open.svg"]["bad"]
    assert {key: row for key, row in bad.items() if key != "min_pt"} == {}


# ------------------------------------------------------------------------------------------------ in the browser

CORE = "".join((html.PARTS / f"{name}.js").read_text() for name in html.SCRIPTS[:html.SCRIPTS.index("core") + 1])


@pytest.fixture(scope="module")
def core(browser: Browser) -> Page:
    """A page with nothing in it but the page's core."""
    page = browser.new_page()
    page.add_script_tag(content=f"{CORE}; window.Core = Core;")
    return page


def written(page: Page, figure: Figure, opened: list[list[NodeId]]) -> list[str]:
    data = json.loads(json.dumps(_page.data(figure, ["archviz", "model.py"])))
    return page.evaluate("""([data, states]) => {
        const core = Core.load(data);
        return states.map(opened => core.svg(new Set(opened)));
    }""", [data, opened])


def test_the_browser_writes_the_same_bytes(drawn: dict[str, Figure], core: Page) -> None:
    for figure in drawn.values():
        one = figure.unfolded
        keys = sorted(one.plates.keys() - {""})
        opened = [[], sorted(one.first), keys, keys[::2], keys[1::3], keys[:len(keys) // 2]]
        assert written(core, figure, opened) == [svg.render(one.scene(state)).decode() for state in opened]


@settings(max_examples=10, deadline=None)
@given(graphs(), st.data())
def test_the_browser_writes_the_same_bytes_of_any_graph(core: Page, graph: Graph, data: st.DataObject) -> None:
    figure = compile(graph, ROOMY)
    opened = [sorted(data.draw(states(figure.unfolded))) for _ in range(3)]
    assert written(core, figure, opened) == [svg.render(figure.unfolded.scene(one)).decode() for one in opened]
