"""What a reader sees of published models after the passes: the blocks and how often, and no thicket.

The numbers are those of the papers.  Tracing is shared by all tests of a model.
"""
from __future__ import annotations

from functools import cache

import pytest

from archviz.core.graph import Graph
from archviz.core.plugins import find
from archviz.style.style import load_style
from archviz.trace.ladder import Inputs, trace
from tests.zoo import CASES


@cache
def passed(name: str) -> Graph:
    args, kwargs = CASES[name].inputs()
    style, graph = load_style("block"), trace(CASES[name].build, Inputs(args, kwargs)).graph
    for step in style.passes:
        graph = getattr(find("passes", step), step)(graph, style)
    return graph


REPEATS = {     # class of the block → how often, in order
    "resnet50": ("ResNetBottleNeckLayer", [1, 2, 1, 3, 1, 5, 1, 2]),
    "resnet18": ("ResNetBasicLayer", [2, 1, 1, 1, 1, 1, 1]),
    "swin": ("SwinLayer", [1, 1, 1, 1, 1, 1, 2]),
    "convnext": ("ConvNextLayer", [3, 3, 9, 3]),
    "densenet": ("DenseLayer", [1, 5, 1, 11, 1, 23, 1, 15]),
    "gpt2": ("GPT2Block", [12]),
    "bert": ("BertLayer", [12]),
    "t5": ("T5Block", [12, 12]),
    "bart": ("BartEncoderLayer", [12]),
    "detr": ("DetrDecoderLayer", [6]),
    "llama_8b": ("LlamaDecoderLayer", [32]),
}


@pytest.mark.parametrize("name", REPEATS)
def test_blocks_are_told_as_in_the_paper(name):
    cls, repeats = REPEATS[name]
    assert [module.repeat for module in passed(name).modules.values() if module.cls == cls] == repeats


INSIDE = {      # what is drawn inside one block, by kind, in order
    "gpt2": ("GPT2Block", "norm linear attention linear add norm linear linear add"),
    "llama_8b": ("LlamaDecoderLayer",
                 "norm linear linear linear attention linear add norm linear linear mul linear add"),
    "bert": ("BertLayer", "linear linear linear attention linear add norm linear linear add norm"),
    "t5": ("T5Block", "norm linear linear linear attention linear add norm linear linear add"),
    "mixtral": ("MixtralSparseMoeBlock", "linear softmax linear act mul linear mul reduce"),
    "vit": ("ViTEmbeddings", "conv parameter cat parameter add"),
}


@pytest.mark.parametrize("name", INSIDE)
def test_a_block_holds_what_its_paper_draws(name):
    cls, kinds = INSIDE[name]
    graph = passed(name)
    block = next(key for key, module in graph.modules.items() if module.cls == cls)
    assert [node.kind for node in graph.nodes if block in node.scope] == kinds.split()


def test_the_first_thing_in_gpt2_is_its_tokens():
    graph = passed("gpt2")
    assert [(node.kind, node.op) for node in graph.nodes[:4]] == [
        ("input", "input"), ("embedding", "Embedding"), ("embedding", "Embedding"), ("add", "add")]
    tokens, positions = graph.nodes[1:3]
    assert graph.incoming[tokens.id] and not graph.incoming[positions.id]


def test_the_cross_attention_of_every_decoder_block_reads_the_encoder():
    graph = passed("t5")
    encoded = next(node for node in reversed(graph.nodes) if node.scope and node.scope[0] == "encoder")
    readers = {edge.dst.rpartition(".")[2] for edge in graph.outgoing[encoded.id]}
    assert readers == {"k", "v"}


def test_queries_of_a_detector_come_from_a_table_and_positions_reach_every_layer():
    graph = passed("detr")
    encoding = next(node for node in graph.nodes if node.op == "DetrSinePositionEmbedding")
    assert {graph.by_id[edge.dst].kind for edge in graph.outgoing[encoding.id]} == {"add"}
    queries = [node for node in graph.nodes if node.id.endswith("query_position_embeddings.weight")]
    assert [node.kind for node in queries] == ["parameter"]
