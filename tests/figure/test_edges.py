"""An edge is a pair of ids: a module whose name looks like ``src->dst`` is drawn, found and painted as any other."""
from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from typing import Any

import pytest
import torch
from bs4 import BeautifulSoup
from torch import Tensor, nn

import archviz
from archviz.core.scene import Group, Mark
from archviz.figure.figure import Figure
from tests.graphs import Builder
from tests.insight.test_overlay import numbers

PLAIN, ODD = "inner", "a->b"
STYLES = ("block", "cube", "planes", "node-link", "tower", "wire", "sublayers", "radial", "trapezoid")


class Net(nn.Module):
    """A chain with a block of the name `name` in it; its nodes and edges have that name in their ids."""

    def __init__(self, name: str, width: int = 8) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.name = name
        self.first = nn.Conv2d(3, 4, 3)
        self.add_module(name, nn.Sequential(nn.Conv2d(4, width, 3), nn.ReLU(), nn.Conv2d(width, 4, 3, padding=1)))
        self.add_module(f"{name}2", nn.Conv2d(4, 4, 3))
        self.last = nn.Linear(4 * 10 * 10, 5)

    def forward(self, image: Tensor) -> Tensor:
        x = self.get_submodule(self.name)(self.first(image))
        out: Tensor = self.last(self.get_submodule(f"{self.name}2")(x).flatten(1))
        return out


def plain(value: Any) -> Any:
    """`value` with the odd name as the plain one everywhere."""
    if isinstance(value, str):
        return value.replace(ODD, PLAIN)
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def seen(marks: tuple[Mark, ...]) -> list[Any]:
    """Every group with what it draws and the roles of what is in it, under plain names."""
    return [(mark.role, plain(mark.node), plain(mark.edge), plain(mark.title), seen(mark.marks))
            if isinstance(mark, Group) else mark.role for mark in marks]


@cache
def drawn(name: str, style: str = "block") -> Figure:
    return archviz.draw(Net(name), "1x3x16x16", style=style, depth=3)


def both(make: Any) -> tuple[Any, Any]:
    return make(PLAIN), make(ODD)


def ids(svg: str) -> Counter[str]:
    tags = BeautifulSoup(svg, "html.parser").find_all(attrs={"data-node": True})
    return Counter(plain(str(tag["data-node"])) for tag in tags)


# ------------------------------------------------------------------------------------------------ files

@pytest.mark.parametrize("style", STYLES)
def test_every_form_draws_the_same(style: str) -> None:
    usual, odd = both(lambda name: drawn(name, style))
    assert seen(usual.scene.marks) == seen(odd.scene.marks)
    nodes = [mark.node for mark in odd.scene.marks if isinstance(mark, Group) and mark.node and mark.role != "frame"]
    assert set(nodes) == {node.id for node in odd.drawn.nodes} and any(ODD in node for node in nodes)
    assert ids(usual.svg) == ids(odd.svg)


def test_a_node_has_its_name_in_tikz_and_only_an_edge_is_a_link() -> None:
    def names(name: str) -> list[str]:
        lines = drawn(name).render("tex").decode().splitlines()
        return [plain(line.rpartition(" % ")[2]) for line in lines if re.match(r"\\node\[.*\] \([\w.-]+\) at", line)]

    usual, odd = both(names)
    assert usual == odd and f"{PLAIN}.2" in usual
    headings = both(lambda name: [line for line in drawn(name).render("tex").decode().splitlines()
                                  if line in ("% frames", "% links", "% layers", "% words and legend")])
    assert headings[0] == headings[1]


def test_what_is_emitted_is_the_same() -> None:
    def named(value: Any) -> Any:
        if isinstance(value, dict) and value.get("type") == "Group":
            return plain([value["role"], value["node"], sorted(value), named(value["marks"])])
        return [named(item) for item in value if isinstance(item, dict)] if isinstance(value, list) else value["role"]

    usual, odd = both(lambda name: plain(json.loads(drawn(name).emit("graph"))))
    assert usual == odd
    usual, odd = both(lambda name: named(json.loads(drawn(name).emit("scene"))["marks"]))
    assert usual == odd and any("->" in entry[1] for entry in usual if isinstance(entry, list))


def test_the_page_knows_it() -> None:
    def data(name: str) -> Any:
        page = BeautifulSoup(drawn(name).render("html").decode(), "html.parser")
        found = json.loads(page.find("script", type="application/json").string)     # type: ignore[union-attr,arg-type]
        things = {key: {**thing, "label": thing["label"].replace(name.capitalize(), "")}
                  for key, thing in found["things"].items()}
        plates = {key: [(item["what"], item.get("node"), item.get("src"), item.get("dst"), [mark[:3] for mark in
                        item["marks"] if mark[0] == "G"]) for item in plate["items"]]
                  for key, plate in found["plates"].items()}
        return plain([things, plates, found["edges"], found["open"]])

    usual, odd = both(data)
    assert usual == odd
    assert f"{PLAIN}.0" in odd[0] and PLAIN in odd[1] and odd[2]


def test_of_a_graph_by_hand() -> None:
    def by_hand(name: str) -> Figure:
        b = Builder()
        x = b.op("Conv2d", b.op("input", name="/in:x"), shape=(1, 4, 8, 8), name="a")
        y = b.op("Conv2d", x, shape=(1, 4, 8, 8), name=name)
        z = b.op("Linear", y, shape=(1, 4, 8, 8), name="b")
        b.op("output", b.op("add", z, x, shape=(1, 4, 8, 8)), name="/out:0")
        return archviz.draw(b.graph())

    usual, odd = both(by_hand)
    assert seen(usual.scene.marks) == seen(odd.scene.marks)
    edges = [mark.edge for mark in odd.scene.marks if isinstance(mark, Group) and mark.edge]
    assert ("a", ODD) in edges and (ODD, "b") in edges


# ------------------------------------------------------------------------------------------------ several, insets, diff

@pytest.mark.parametrize("style", ["tower", "block"])
def test_beside_another_model(style: str) -> None:
    def aligned(name: str) -> Figure:
        return archviz.draw([Net(name), Net(name, 6)], "1x3x16x16", align=True, style=style, title="One | Two", depth=4)

    usual, odd = both(aligned)
    assert seen(usual.scene.marks) == seen(odd.scene.marks)
    shown = {mark.node for mark in odd.scene.marks if isinstance(mark, Group) and mark.role not in ("frame", "link")}
    assert {node.id for node in odd.drawn.nodes} <= shown


def test_in_an_inset() -> None:
    usual, odd = both(lambda name: archviz.draw(Net(name), "1x3x16x16", inset=name, width="180mm"))
    assert seen(usual.scene.marks) == seen(odd.scene.marks)
    assert ids(usual.svg) == ids(odd.svg) and f"{PLAIN}.0" in ids(odd.svg)


def test_opened_in_place() -> None:
    usual, odd = both(lambda name: drawn(name).opened(expand=[name]))
    assert seen(usual.scene.marks) == seen(odd.scene.marks)


def test_what_differs_is_marked() -> None:
    usual, odd = both(lambda name: archviz.diff(Net(name), Net(name, 6), "1x3x16x16"))
    assert usual.figure is not None and odd.figure is not None
    assert seen(usual.figure.scene.marks) == seen(odd.figure.scene.marks)


# ------------------------------------------------------------------------------------------------ numbers

@pytest.mark.parametrize("style", ["block", "cube"])
def test_numbers_are_painted_on_it(style: str) -> None:
    def painted(name: str) -> Figure:
        return numbers(drawn(name, style).graph).overlay(drawn(name, style))

    usual, odd = both(painted)
    assert seen(usual.scene.marks) == seen(odd.scene.marks)
    hot = [mark for mark in odd.scene.marks if isinstance(mark, Group) and mark.node == f"{ODD}.2"]
    assert any(" heat " in inner.role for inner in hot[0].marks)
    assert any(" flow " in inner.role or " against " in inner.role for mark in odd.scene.marks
               if isinstance(mark, Group) and mark.edge and mark.edge[0] == f"{ODD}.2" for inner in mark.marks)


def test_an_explanation_is_painted_on_it() -> None:
    found = archviz.explain(Net(ODD), torch.rand(1, 3, 16, 16), method="lrp")
    assert any(ODD in node for node in found.scores)
    svg = found.overlay(drawn(ODD)).svg
    assert ids(svg) == ids(drawn(PLAIN).svg)
