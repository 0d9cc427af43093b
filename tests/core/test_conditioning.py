"""What a network is conditioned on is told from structure, stands outside its U, and is called what it is."""
from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz import draw
from archviz.core.conditioning import conditioning, signals
from archviz.core.graph import Graph, skips
from archviz.core.scene import Link, Text
from archviz.drawing.layouts.ushape import ushape
from archviz.figure.figure import Figure
from archviz.style.style import load_style
from gallery import diffusion
from tests.drawing.test_cube import flat
from tests.graphs import Builder, graphs
from tests.layouts import SPACING, check, framed, sized

CLOSED = ("ResidualBlock", "CrossAttention", "Sequential")


def conditioned(
        levels: int = 3, told: int = 2, framed_: bool = True, gaps: tuple[int, ...] = (), heads: int = 1) -> Graph:
    """A U each of whose blocks reads `told` signals, but for the (numbers of) blocks in `gaps`."""
    build = Builder()
    x, kept, count = build.input(shape=(1, 3, 64, 64)), [], 0
    given_ = []
    for i in range(told):
        signal = build.input(f"signal{i}", shape=(1, 32))
        for _ in range(told - 1 - i + heads - 1):
            signal = build.op("Linear", signal, shape=(1, 32))
        given_.append(signal)

    def block(x: str, size: int) -> str:
        nonlocal count
        count += 1
        for signal in given_:
            x = build.op("Conv2d", x, *(() if count in gaps else (signal,)), shape=(1, 8, size, size))
        return x

    def level(x: str, size: int) -> str:
        if not framed_:
            return block(x, size)
        with build.module(f"level{count}", "Level"):
            return block(x, size)

    for i in range(levels):
        x = level(x, 64 >> i)
        kept.append(x)
        x = build.op("MaxPool2d", x, shape=(1, 8, 32 >> i, 32 >> i))
    x = level(x, 64 >> levels)
    for i in reversed(range(levels)):
        x = build.op("Conv2d", x, shape=(1, 8, 64 >> i, 64 >> i), kind="upconv")
        x = build.op("cat", x, kept[i], shape=(1, 16, 64 >> i, 64 >> i))
        x = level(x, 64 >> i)
    build.output(x)
    return build.graph()


# ------------------------------------------------------------------------------------------------ what is a signal

def test_what_all_blocks_read_beside_the_main_path_is_a_signal() -> None:
    graph = conditioned()
    found = signals(graph)
    assert [len(signal.nodes) for signal in found] == [2, 1]
    assert all(len(signal.edges) == 7 for signal in found)
    assert len(conditioning(graph)) == 14 and not any(src == "/in:x" for src, _ in conditioning(graph))


def test_a_skip_of_the_main_path_is_none() -> None:
    graph = conditioned()
    left = skips(graph) - conditioning(graph)
    assert len(left) == 3 and all(graph.by_id[dst].kind == "cat" for _, dst in left)
    assert signals(conditioned(told=0)) == ()


def test_what_is_read_once_is_none() -> None:
    build = Builder()
    x, y = build.input("x"), build.input("y")
    x = build.op("add", build.op("Conv2d", x), y)
    build.output(build.op("Conv2d", x))
    assert signals(build.graph()) == ()


def test_what_the_input_is_made_into_first_is_the_main_path_though_it_is_given_on() -> None:
    """As in a U whose first convolution is concatenated at the end: it has two readers, the time has more."""
    build = Builder()
    x, time = build.op("Conv2d", build.input("x")), build.input("time")
    y = x
    for _ in range(3):
        y = build.op("add", build.op("Conv2d", y), time)
    build.output(build.op("cat", y, x))
    assert [signal.source for signal in signals(build.graph())] == ["/in:time"]


def test_a_projection_of_its_own_in_every_block_is_read_through() -> None:
    build = Builder()
    x, time = build.input("x"), build.input("time")
    for _ in range(3):
        with build.module("block"):
            x = build.op("add", build.op("Conv2d", x), build.op("Linear", time))
    build.output(x)
    (signal,) = signals(build.graph())
    assert signal.source == "/in:time" and {dst.split("/")[-1] for _, dst in signal.edges} == {"Linear"}


def test_a_network_whose_ways_meet_is_no_signal() -> None:
    """An encoder that a second input joins at its end, in two steps, is the main path."""
    build = Builder()
    x, late = build.op("Conv2d", build.input("x")), build.input("late")
    y = build.op("add", build.op("Conv2d", x), x)
    y = build.op("cat", y, late)
    build.output(build.op("add", build.op("Conv2d", y), x))
    assert signals(build.graph()) == ()


def test_what_goes_around_a_layer_that_reads_something_else_too_is_none() -> None:
    build = Builder()
    x, text = build.input("x"), build.input("text")
    build.output(build.op("add", build.op("matmul", build.op("LayerNorm", x), text), x))
    assert signals(build.graph()) == ()
    build = Builder()
    x, text = build.input("x"), build.input("text")
    sides = [build.op("matmul", build.op("Linear", x), text) for _ in range(2)]
    build.output(build.op("add", build.op("add", *sides), x))
    assert signals(build.graph()) == ()


def test_a_decoder_is_conditioned_on_what_an_encoder_made() -> None:
    build = Builder()
    memory = build.op("Conv2d", build.op("Conv2d", build.input("source")))
    y = build.input("target")
    for _ in range(3):
        y = build.op("matmul", build.op("Linear", y), memory)
    build.output(y)
    (signal,) = signals(build.graph())
    assert signal.source == memory and len(signal.edges) == 3


def test_a_residual_connection_around_attention_conditions_nothing() -> None:
    build = Builder()
    memory, y = build.op("Conv2d", build.input("source")), build.op("Conv2d", build.input("target"))
    build.output(build.op("add", build.op("matmul", build.op("LayerNorm", y), memory), y))
    assert signals(build.graph()) == ()


@given(graphs())
def test_signals_begin_at_inputs_of_their_own(graph: Graph) -> None:
    inputs = {node.id for node in graph.nodes if node.kind == "input"}
    found = signals(graph)
    told = {key for signal in found for key in signal.nodes}
    assert not found or inputs & told and inputs - told
    for signal in found:
        assert all(edge.src in signal.nodes for key in signal.nodes for edge in graph.incoming[key])
        assert {src for src, _ in signal.edges} <= set(signal.nodes)


# ------------------------------------------------------------------------------------------------ where it stands

@pytest.mark.parametrize("told", [1, 2, 3])
@pytest.mark.parametrize("in_frames", [True, False])
def test_signals_fan_out_from_outside_the_u(told: int, in_frames: bool) -> None:
    graph = conditioned(told=told, framed_=in_frames)
    layout = ushape(graph, sized(graph), framed(graph), SPACING)
    assert layout.direction == "around"
    check(graph, layout)
    across = [route for route in layout.routes if route.skip and (route.src, route.dst) not in conditioning(graph)]
    assert len(across) == 3 and all(len(route.points) == 2 for route in across)
    first, *others = [layout.nodes[signal.source] for signal in sorted(signals(graph), key=lambda s: -len(s.nodes))]
    arms = [layout.nodes[key] for route in across for key in (route.src, route.dst)]
    assert first.y + first.height < min(place.y + place.height for place in arms)
    assert all(place.y > max(arm.y + arm.height for arm in arms) for place in others)


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.integers(1, 3), st.booleans(), st.sets(st.integers(1, 9)), st.integers(1, 3))
def test_no_line_of_a_signal_runs_through_a_box(
        levels: int, told: int, in_frames: bool, gaps: set[int], heads: int) -> None:
    graph = conditioned(levels, told, in_frames, tuple(gaps), heads)
    layout = ushape(graph, sized(graph), framed(graph), SPACING)
    check(graph, layout)
    assert layout == ushape(graph, sized(graph), framed(graph), SPACING)


# ------------------------------------------------------------------------------------------------ how it is drawn

@pytest.fixture(scope="module")
def figure() -> Figure:
    return draw(diffusion.UNet, diffusion.example_inputs(), collapse=CLOSED)


def test_conditioning_is_drawn_and_named_apart_from_skip_connections(figure: Figure) -> None:
    marks = list(flat(figure.scene.marks))
    lines = [mark.role for mark in marks if isinstance(mark, Link)]
    assert lines.count("edge conditioning") == 14 + 1 and lines.count("edge skip") == 3 + 1      # one in the legend
    words = [mark.string for mark in marks if isinstance(mark, Text)]
    assert {"skip connection", "conditioning"} <= set(words) and words.count("K, V") == 7


def test_the_caption_says_what_is_conditioned_on_what(figure: Figure) -> None:
    said = "The seven residual blocks are conditioned on time and the seven cross-attention layers on text."
    assert said in figure.caption and said in figure.scene.description
    assert "A 64×64×4 input passes through three rounds of a 3×3 convolution" in figure.caption
    assert "an encoder block" in figure.caption and "a decoder block" in figure.caption


def test_a_network_with_one_input_has_no_such_line_in_its_legend() -> None:
    style = load_style("block")
    assert style.captions["edge conditioning"] == "conditioning"
    from gallery import unet

    words = [mark.string for mark in flat(draw(unet.UNet, unet.example_inputs).scene.marks) if isinstance(mark, Text)]
    assert "skip connection" in words and "conditioning" not in words
