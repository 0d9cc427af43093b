"""Fit keeps the page's promises: width, height, smallest font; and shows as much as there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core.errors import DoesNotFit
from archviz.core.graph import Graph
from archviz.core.plugins import find
from archviz.core.scene import Group, Mark, Scene, Text
from archviz.figure.fit import Detail, fit, scale
from archviz.style.style import Style, load_style
from tests.graphs import Builder, graphs


def passed(graph: Graph, style: Style) -> Graph:
    for name in style.passes:
        graph = getattr(find("passes", name), name)(graph, style)
    return graph


def page(width: str = "174mm", height: str = "230mm", **settings: str) -> Style:
    return load_style("block", {"page.width": width, "page.max_height": height, **settings})


def texts(marks: tuple[Mark, ...]) -> list[Text]:
    return [
        t
        for mark in marks
        for t in (texts(mark.marks) if isinstance(mark, Group) else [mark] if isinstance(mark, Text) else [])
    ]


def words(scene: Scene) -> list[str]:
    return [text.string for text in texts(scene.marks)]


def encoder(layers: int = 12, wide: int = 1) -> Graph:
    """A stack of equal blocks of attention and MLP, between an embedding and a head."""
    build = Builder("Encoder")
    x = build.op(
        "Embedding", build.input("ids", (1, 16), "int64"), params=100, name="embed", num_embeddings=99, embedding_dim=8
    )
    with build.module("layers", "ModuleList"):
        for i in range(layers):
            with build.module(f"layers.{i}", "Block"):
                with build.module(f"layers.{i}.attention", "Attention"):
                    qkv = [build.op("Linear", x, params=5, out_features=8) for _ in range(3 * wide)]
                    y = build.op("scaled_dot_product_attention", *qkv, num_heads=4)
                x = build.op("add", x, y)
                with build.module(f"layers.{i}.mlp", "MLP"):
                    y = build.op("ReLU", build.op("Linear", x, params=7, out_features=32))
                    y = build.op("Linear", y, params=7, out_features=8)
                x = build.op("add", x, y)
    build.output(build.op("Linear", x, params=9, out_features=2, name="head"))
    return build.graph()


@settings(max_examples=40)
@given(graphs(), st.sampled_from(("84mm", "174mm")))
def test_whatever_is_drawn_fits_the_page_in_legible_type(graph: Graph, width: str) -> None:
    style = page(width)
    try:
        drawing = fit(passed(graph, style), style)
    except DoesNotFit as error:
        assert error.hint
        return
    scene = drawing.scene
    assert scene.width <= style.page.width + 0.02 and scene.height <= style.page.max_height + 0.02
    assert all(scene.sheet[text.role].size >= style.page.min_font for text in texts(scene.marks))
    # nothing is lost on the way to the page
    assert sorted(m for node in drawing.graph.nodes for m in node.members) == sorted(node.id for node in graph.nodes)
    assert (drawing.graph.params, drawing.graph.flops) == (graph.params, graph.flops)


def test_a_repeated_block_is_shown_once_from_inside() -> None:
    style = page()
    drawing = fit(passed(encoder(), style), style)
    assert "×12" in " ".join(words(drawing.scene))
    assert sum(node.kind == "attention" for node in drawing.graph.nodes) == 1
    assert not any(node.kind == "module" for node in drawing.graph.nodes)


def test_less_room_means_less_detail_but_never_smaller_type() -> None:
    counts = []
    for height in ("230mm", "90mm", "45mm"):
        style = page("84mm", height)
        drawing = fit(passed(encoder(), style), style)
        assert drawing.scene.height <= style.page.max_height
        counts.append(len(drawing.graph.nodes))
    assert counts == sorted(counts, reverse=True) and counts[0] > counts[-1]


def test_the_scale_opens_every_module_once_parents_first() -> None:
    graph = passed(encoder(), page())
    seen: set[str] = set()
    for step in scale(graph):
        for key in step:
            assert set(graph.modules[key].scope) <= seen | step and key not in seen
        seen |= step
    assert seen == set(graph.modules)


def test_depth_collapse_and_expand_say_what_is_open() -> None:
    style = page()
    graph = passed(encoder(), style)
    closed = fit(graph, style, Detail(depth=0)).graph
    assert [node.op for node in closed.nodes if node.kind == "module"] == ["Block"]
    one = fit(graph, style, Detail(depth=1)).graph
    assert sorted(node.op for node in one.nodes if node.kind == "module") == ["Attention", "MLP"]
    mlp = fit(graph, style, Detail(depth=0, expand=("*.mlp",))).graph
    assert [node.op for node in mlp.nodes if node.kind == "module"] == ["Attention"]
    auto = fit(graph, style, Detail(collapse=("Attention",))).graph
    assert [node.op for node in auto.nodes if node.kind == "module"] == ["Attention"]


def test_an_explicit_depth_that_does_not_fit_names_what_to_collapse() -> None:
    style = page("84mm")
    graph = passed(encoder(wide=4), style)
    with pytest.raises(DoesNotFit) as error:
        fit(graph, style, Detail(depth=9))
    assert "84 mm" in error.value.message and "--collapse 'layers.0.attention'" in error.value.hint
    assert fit(graph, style, Detail(depth=9, collapse=("layers.0.attention",))).graph


def test_a_page_too_small_for_a_single_box_is_an_error_that_says_how_much_is_needed() -> None:
    with pytest.raises(DoesNotFit) as error:
        style = page("8mm", "8mm")
        fit(passed(encoder(), style), style)
    assert "8 mm" in error.value.message and "--width" in error.value.hint


def test_heading_and_legend_say_what_is_there_and_nothing_else() -> None:
    style = page()
    said = words(fit(passed(encoder(), style), style).scene)
    assert said[:2] == ["Encoder", "457 parameters"]
    assert {"linear", "embedding", "attention", "sum", "activation"} <= set(said)
    assert not {"convolution", "pooling", "concatenation", "module"} & set(said)
    untitled = words(fit(passed(encoder(), style), style, title="").scene)
    assert "Encoder" not in untitled and "457 parameters" not in untitled


def test_a_long_title_puts_the_totals_on_a_line_of_their_own() -> None:
    style = page("84mm")
    drawing = fit(passed(encoder(), style), style, title="A model with quite a long name to print above it")
    first, second = texts(drawing.scene.marks)[:2]
    assert first.x == second.x and first.y < second.y


def test_a_page_with_room_for_one_box_gets_one_box() -> None:
    style = page("50mm", "28mm")
    build = Builder("Wide")
    x = build.input()
    branches = [build.op("Linear", x, out_features=8) for _ in range(9)]
    build.output(build.op("cat", *branches))
    drawing = fit(passed(build.graph(), style), style)
    assert [node.op for node in drawing.graph.nodes if node.kind == "module"] == ["Wide"]


def test_one_column_is_set_tighter_as_the_style_says() -> None:
    def sizes(style: Style) -> dict[str, float]:
        drawing = fit(passed(encoder(), style), style)
        return {role: paint.size for role, paint in drawing.scene.sheet.items()}

    wide, narrow, loose = sizes(page()), sizes(page("84mm")), sizes(page("84mm", **{"narrow.page": "0"}))
    assert narrow["label"] < wide["label"] == loose["label"]
