"""The graph: regrouping and its undoing, JSON, and what is refused."""
from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archviz.core import graph_json
from archviz.core.graph import Edge, Graph, Module, Node, TensorSpec, own_repeat, reached, skips
from archviz.core.regroup import merge, split
from tests.graphs import Builder, graphs


def small() -> Graph:
    build = Builder()
    x = build.input()
    with build.module("block"):
        a = build.op("Linear", x, params=3, flops=5, out_features=16)
        b = build.op("add", a, x)
    build.output(b)
    return merge(build.graph(), ())


def test_merge_joins_edges_and_sums():
    g = small()
    one = merge(g, [(Node("block", (), "Block", "module"), ["block/Linear", "block/add"])])
    box = one.by_id["block"]
    assert box.members == ("block/Linear", "block/add") and (box.params, box.flops) == (3, 5)
    assert [(e.src, e.dst) for e in one.edges] == [("/in:x", "block"), ("block", "/out:0")]
    assert {(p.src, p.dst) for p in one.edges[0].parts} == {("/in:x", "block/Linear"), ("/in:x", "block/add")}
    assert [(w.src, w.dst) for w in box.wires] == [("block/Linear", "block/add")]


def test_merge_refuses_groups_that_overlap_or_are_empty():
    g = small()
    with pytest.raises(ValueError, match="overlap or are empty at 'b'"):
        merge(g, [(Node("a"), ["block/Linear"]), (Node("b"), ["block/Linear"])])
    with pytest.raises(ValueError, match="empty at 'a'"):
        merge(g, [(Node("a"), [])])


def test_a_joined_edge_is_recurrent_only_if_all_parts_are():
    g = small()
    edges = tuple(replace(e, role="recurrent") if e.dst == "block/add" and e.src == "/in:x" else e for e in g.edges)
    g = replace(g, edges=edges)
    one = merge(g, [(Node("block", (), "Block", "module"), ["block/Linear", "block/add"])])
    assert one.edges[0].role == "data"
    assert {e.role for e in split(one, ["block"]).edges if e.dst == "block/add" and e.src == "/in:x"} == {"recurrent"}


def looped(graph: Graph, random) -> Graph:
    """`graph` with a few recurrent edges, each back to an earlier node."""
    ids = [node.id for node in graph.nodes]
    pairs = {tuple(random.sample(ids, 2)) for _ in range(3)} if len(ids) > 1 else set()
    back = tuple(Edge(max(pair, key=ids.index), min(pair, key=ids.index), role="recurrent") for pair in pairs)
    return replace(graph, edges=(*graph.edges, *back))


def slowly(pairs: set[tuple[str, str]], starts: set[str], until: set[str]) -> set[str]:
    """What is reached by `pairs`, by trying all of them until nothing is added."""
    ends: set[str] = set()
    while more := {b for a, b in pairs if a in starts | ends and b not in until} - ends:
        ends |= more
    return ends


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_walks_follow_all_edges_but_the_recurrent_ones(graph, random):
    graph = looped(graph, random)
    ids = [node.id for node in graph.nodes]
    starts, until = ({key for key in ids if random.random() < share} for share in (0.2, 0.1))
    pairs = {(edge.src, edge.dst) for edge in graph.edges if edge.role != "recurrent"}
    assert {(edge.src, edge.dst) for edge in graph.flows} == pairs
    assert graph.descendants(starts) == slowly(pairs, starts, set())
    assert graph.ancestors(starts, until) == slowly({(b, a) for a, b in pairs}, starts, until)
    assert reached(starts, dict.fromkeys(ids, ()).__getitem__) == set()
    for key in ids:
        assert graph.inflow[key] == tuple(edge for edge in graph.incoming[key] if edge.role != "recurrent")
        assert graph.outflow[key] == tuple(edge for edge in graph.outgoing[key] if edge.role != "recurrent")
    assert skips(graph) == {(a, b) for a, b in pairs for c, d in pairs
                            if d == b and c != a and a in slowly({(y, x) for x, y in pairs}, {c}, set())}


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_frames_hold_what_the_scopes_of_nodes_say(graph, random):
    frames = {frame for node in graph.nodes for frame in node.scope}
    assert set(graph.children) == {"", *frames} and set(graph.content) == frames
    inside: dict[str, list[str]] = {}
    for frame, children in graph.children.items():
        for child, is_frame in children.items():
            assert (child in graph.content) is is_frame and child not in inside
            inside[child] = [*inside.get(frame, []), frame] if frame else []
    assert {node.id: list(node.scope) for node in graph.nodes} == {
        key: scope for key, scope in inside.items() if key not in frames}
    assert all(graph.content[frame] == [node for node in graph.nodes if frame in node.scope] for frame in frames)
    assert graph.scopes == {**{key: module.scope for key, module in graph.modules.items()},
                            **{node.id: node.scope for node in graph.nodes}}
    ids = random.sample([node.id for node in graph.nodes], len(graph.nodes))
    one = merge(graph, [(Node("first"), ids[:2]), *([(Node("second"), ids[2:])] if ids[2:] else [])])
    whole = merge(one, [(Node("all"), [node.id for node in one.nodes])]).nodes[0]
    assert {node.id for node in whole.leaves()} == set(ids) and len(list(whole.leaves())) == len(ids)


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_split_undoes_merge(graph, random):
    graph = merge(graph, ())
    ids = [node.id for node in graph.nodes]
    random.shuffle(ids)
    cut = random.randint(0, len(ids))
    groups = [(Node(f"group{i}"), part) for i, part in enumerate((ids[:cut // 2], ids[cut // 2:cut])) if part]
    merged = merge(graph, groups)
    assert merged.params == graph.params and merged.flops == graph.flops
    assert sorted(m for n in merged.nodes for m in n.members) == sorted(ids)
    assert split(merged, [node.id for node, _ in groups]) == graph


def test_own_repeat_leaves_out_the_frames():
    modules = {"a": Module("a", repeat=3), "b": Module("b", scope=("a",), repeat=2)}
    node = Node("n", ("a", "b"), repeat=12)
    assert own_repeat(Graph("g", (node,), (), modules), node) == 2


# ----------------------------------------------------------------------------------------------------- JSON

@given(graphs())
@settings(max_examples=60, deadline=None)
def test_json_brings_back_the_same_graph(graph):
    text = graph_json.to_json(graph)
    assert graph_json.from_json(text) == graph
    assert graph_json.to_json(graph_json.from_json(text)) == text
    merged = merge(graph, [(Node("all", kind="module"), [node.id for node in graph.nodes[1:]])])
    assert graph_json.from_json(graph_json.to_json(merged)) == merged


def test_json_keeps_every_field():
    tensor = TensorSpec((1, 2), "int64", "NC")
    inner = Node("a", ("m",), "Conv2d", "conv", {"kernel_size": [3, 3]}, (tensor,), 7, 8, index=4)
    outer = replace(inner, id="m", kind="module", scope=(), repeat=3, shared="z", inside=(inner,), members=("a",),
                    wires=(Edge("a", "a", None, "recurrent", 2),))
    other = Node("b", index=9)
    edge = Edge("m", "b", TensorSpec((1,)), "skip", 1, (Edge("a", "b", None, "data", 1),))
    module = Module("m", "Blk", "m", (), 3, ("m", "n"), True, {"h": 1})
    g = Graph("Näme \u202e\"</script>", (outer, other), (edge,), {"m": module}, {"report": {"rung": "ghost"}})
    assert graph_json.from_json(graph_json.to_json(g)) == g


def broken(change) -> str:
    value = json.loads(graph_json.to_json(small()))
    change(value)
    return json.dumps(value)


@pytest.mark.parametrize(("text", "message"), [
    ("{", "not JSON"),
    ("[]", "not a graph of archviz"),
    ('{"format": "other"}', "not a graph of archviz"),
    ("[" * 100_000, "not JSON"),
    (broken(lambda v: v.update(version=99)), "version 99"),
    (broken(lambda v: v.update(extra=1)), "unknown entries in the graph: extra"),
    (broken(lambda v: v["nodes"][0].update(colour="red")), "unknown entry 'colour' in node '/in:x'"),
    (broken(lambda v: v["nodes"][0].update(params="many")), "params of node '/in:x' should be a number"),
    (broken(lambda v: v["nodes"][0].update(params=True)), "should be a number"),
    (broken(lambda v: v["nodes"][0].update(kind="magic")), "unknown kind 'magic'"),
    (broken(lambda v: v["nodes"][0].update(repeat=0)), "repeated 0 times"),
    (broken(lambda v: v["nodes"][0].pop("id")), "has no id"),
    (broken(lambda v: v["nodes"].append(dict(v["nodes"][0]))), "used twice"),
    (broken(lambda v: v["nodes"][1].update(scope=["nowhere"])), "'nowhere', which is not among the modules"),
    (broken(lambda v: v["edges"].append({"src": "/in:x", "dst": "gone"})), "ends at 'gone'"),
    (broken(lambda v: v["edges"][0].update(parts=[{"src": "/out:0", "dst": "/in:x"}])), "belongs elsewhere"),
    (broken(lambda v: v["nodes"][0].update(attrs={"p": float("nan")})), "NaN is not a JSON value"),
    (broken(lambda v: v.update(nodes=5)), "nodes should be a list"),
    (broken(lambda v: v.update(attrs={"report": []})), "the report should be a table"),
    (broken(lambda v: v.update(attrs={"report": {"notes": "none"}})), "notes of the report should be a list"),
    (broken(lambda v: v.update(attrs={"report": {"failed": ["conv1"]}})), "should be a node and an error"),
])
def test_json_that_is_no_graph_is_told_why(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        graph_json.from_json(text)
    assert len(str(caught.value)) < 300


def test_attributes_that_are_not_json_are_told_by_node():
    node = Node("conv1", attrs={"weight": object()})
    with pytest.raises(ValueError, match="'conv1' are not JSON values"):
        graph_json.to_json(Graph("g", (node,)))
    with pytest.raises(ValueError, match="'conv2' are not JSON values"):
        graph_json.to_json(Graph("g", (Node("conv2", attrs={"p": float("inf")}),)))
