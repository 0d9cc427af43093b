"""The sublayers style: what its figures of the gallery convey."""
from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from archviz.core.graph import Graph
from archviz.core.scene import Box, Group, Mark, Text
from archviz.drawing.forms._operands import operands
from archviz.figure import draw
from archviz.figure.figure import Figure
from tests.conftest import ROOT


@cache
def drawn(name: str, **options: object) -> Figure:
    return draw.draw(str(ROOT / "gallery" / f"{name}.py"), style="sublayers", **options)


def texts(marks: tuple[Mark, ...], role: str = "") -> list[str]:
    found = []
    for mark in marks:
        if isinstance(mark, Group):
            found += texts(mark.marks, role)
        elif isinstance(mark, Text) and role in ("", mark.role):
            found.append(mark.string)
    return found


def said(figure: Figure) -> dict[str, str]:
    """Node → what is written in it."""
    return {mark.node: " ".join(texts(mark.marks)) for mark in figure.scene.marks
            if isinstance(mark, Group) and mark.node and mark.role not in ("link", "frame")}


def shown(figure: Figure) -> Graph:
    return figure.drawing.graph


def test_an_encoder_stands_left_of_the_decoder_that_reads_it() -> None:
    figure = drawn("transformer")
    layout, graph = figure.layout, shown(figure)
    encoder, decoder = layout.frames["encoder.0"], layout.frames["decoder.0"]
    assert encoder.x + encoder.width < decoder.x and layout.direction == "up"
    assert layout.nodes["/in:inputs"].y > encoder.y + encoder.height
    last = max((node for node in graph.nodes if "encoder.0" in node.scope), key=lambda node: node.index)
    across = [route for route in layout.routes if (route.src in encoder_nodes(graph)) and "decoder" in route.dst]
    assert {(route.src, route.dst) for route in across} == {(last.id, "decoder.0.attention")}
    assert len(across) == 2     # keys and values
    assert all(encoder.x + encoder.width < route.points[2][0] < decoder.x for route in across)


def encoder_nodes(graph: Graph) -> set[str]:
    return {node.id for node in graph.nodes if "encoder.0" in node.scope}


def test_queries_keys_and_values_stand_at_arrow_heads() -> None:
    figure = drawn("transformer")
    graph = shown(figure)
    assert texts(figure.scene.marks, "operand") == list("VKQ") * 3
    brought = operands(graph, graph.by_id["decoder.0.attention"])
    assert sorted(brought.values()) == ["KV", "Q"]
    assert {graph.by_id[source].scope[0]: letters for source, letters in brought.items()} == {
        "encoder.0": "KV", "decoder.0": "Q"}
    for key in ("encoder.0.attention", "decoder.0.self_attention", "decoder.0.attention"):
        place = figure.layout.nodes[key]
        heads = [route.points[-1] for route in figure.layout.routes if route.dst == key]
        assert len({x for x, _ in heads}) == 3 and all(abs(y - place.y - place.height) < 0.01 for _, y in heads)


def test_sublayers_are_single_boxes_in_frames_with_their_count() -> None:
    figure = drawn("transformer")
    words = list(said(figure).values())
    assert words.count("Add & Norm") == 5 and words.count("Feed Forward") == 2
    assert [word for word in words if "Masked" in word] == ["Masked Multi-Head Attention"]
    assert said(figure)["decoder.0.self_attention"].startswith("Masked")
    assert texts(figure.scene.marks, "frame count") == ["6×", "6×"]
    assert words.count("Positional Encoding") == 2
    assert sum("tied weights" in word for word in words) == 3
    assert (shown(figure).params, shown(figure).flops) == (figure.graph.params, figure.graph.flops)


def test_residuals_pass_on_the_outer_sides() -> None:
    figure = drawn("transformer")
    for route in figure.layout.routes:
        if route.skip:
            frame = figure.layout.frames["encoder.0" if "encoder" in route.dst else "decoder.0"]
            lane = route.points[2][0]
            assert (lane < frame.x + frame.width / 2) == ("encoder" in route.dst)
            assert frame.x < lane < frame.x + frame.width
    assert sum(route.skip for route in figure.layout.routes) == 5


def test_an_image_is_cut_into_patches_and_they_are_a_row_with_the_class_token() -> None:
    figure = drawn("vit", inset="encoder.0", collapse=("head",))
    words = said(figure)
    assert words["projection"] == "Linear Projection of 16×16 Patches"
    assert words["/cat"] == "0* 1 2 3 4 … 196"
    picture = next(mark for mark in figure.scene.marks if isinstance(mark, Group) and mark.node == "/in:image")
    patches = [mark for mark in picture.marks if isinstance(mark, Box)]
    assert len(patches) == 14 * 14 and {mark.role for mark in patches} == {"patch", "patch hill", "patch sun"}
    inset = next(mark for mark in figure.scene.marks if isinstance(mark, Group) and mark.role == "inset")
    assert texts((inset,), "operand") == list("VKQ") and "MLP" in texts((inset,))


def test_three_embeddings_stand_abreast_in_the_order_of_the_sum() -> None:
    figure = drawn("bert", collapse=("pooler",))
    places = [figure.layout.nodes[f"{name}_embedding"] for name in ("token", "segment", "position")]
    assert [p.x for p in places] == sorted(p.x for p in places)
    assert len({round(p.y + p.height / 2, 3) for p in places}) == 1
    assert texts(figure.scene.marks, "frame count") == ["12×"] and "Pooler" in said(figure).values()


def test_attention_written_with_one_projection_is_one_box_that_reads_all_three() -> None:
    figure = drawn("gpt")
    graph = shown(figure)
    attention = next(node for node in graph.nodes if node.kind == "attention")
    assert attention.repeat == 12 and said(figure)[attention.id] == "Masked Multi-Head Attention"
    assert list(operands(graph, attention).values()) == ["QKV"]
    assert [key for key, word in said(figure).items() if "tied weights" in word] == ["token_embedding", "head"]


def test_it_turns_over_and_lies_down() -> None:
    up, down, right = (drawn("gpt", direction=way).layout for way in ("up", "down", "right"))
    assert up.nodes["/in:tokens"].y > up.nodes["head"].y and down.nodes["/in:tokens"].y < down.nodes["head"].y
    assert right.direction == "right" and right.nodes["/in:tokens"].x < right.nodes["head"].x


@pytest.mark.parametrize(("way", "code"), [("up", 0), ("sideways", 2)])
def test_the_command_line_knows_upwards(way: str, code: int, tmp_path: Path) -> None:
    graph = str(ROOT / "tests/sphinx/docs/pair.json")
    done = subprocess.run([sys.executable, "-m", "archviz", graph, "--direction", way, "-o", "out.svg"], cwd=tmp_path,
                          capture_output=True, text=True)
    assert done.returncode == code and (tmp_path / "out.svg").exists() == (code == 0)


def test_what_is_no_transformer_and_has_modules_in_modules_is_columns_too() -> None:
    residual = draw.draw(str(ROOT / "gallery" / "resnet.py:resnet50"), style="sublayers")
    assert residual.layout.direction == "up" and "2×" in texts(residual.scene.marks, "frame count")
    assert not {"1×"} & {*texts(residual.scene.marks)}      # a frame around one block says nothing
    layout = residual.layout
    (route,) = (route for route in layout.routes if route.dst == "stages.0.0.shortcut.0")
    assert route.points[1][1] < layout.nodes[route.src].y        # it turns off above the box, not along it


def test_what_is_added_stands_on_both_sides() -> None:
    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.word, self.kind, self.place = nn.Embedding(9, 8), nn.Embedding(2, 8), nn.Embedding(5, 8)
            self.out = nn.Linear(8, 3)

        def forward(self, ids: Tensor) -> Tensor:
            zero = torch.zeros_like(ids)
            return self.out(self.word(ids) + self.kind(zero) + self.place(zero))

    figure = draw.draw(Sums(), torch.zeros(1, 5, dtype=torch.int64), style="sublayers")
    kind, word, place = (figure.layout.nodes[key] for key in ("kind", "word", "place"))
    assert figure.layout.direction == "up"
    assert max(kind.x, place.x) > word.x + word.width and min(kind.x, place.x) < word.x - word.width
