"""archviz diff: what differs between two models, in values, in words, and in one figure."""
from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import archviz
from archviz import graphfile
from archviz.difference import difference
from archviz.ir import Edge, Graph, Node
from archviz.twins import twins
from archviz.union import union
from archviz.units import signature
from tests.graphs import Builder, graphs

KINDS = {"added": "removed", "removed": "added", "changed": "changed", "renamed": "renamed"}
EXAMPLES = settings(max_examples=15)


# ------------------------------------------------------------------------------------------------ laws, of any graph

def accounted(old: Graph, new: Graph) -> None:
    """Every operation of both is told once, and what has changed adds up."""
    found = difference(old, new)
    pairs = [*found.same, *(pair for change in found.changes for pair in change.ids)]
    for at, graph in enumerate((old, new)):
        told = Counter(pair[at] for pair in pairs if pair[at])
        assert told == Counter(node.id for node in graph.nodes)
    assert old.params + sum(change.params[1] - change.params[0] for change in found.changes) == new.params
    for change in found.changes:
        assert change.kind != "added" or all(not pair[0] for pair in change.ids)
        assert change.kind != "removed" or all(not pair[1] for pair in change.ids)


@EXAMPLES
@given(graphs(12))
def test_a_model_does_not_differ_from_itself(graph):
    found = difference(graph, graph)
    assert not found and not found.counts
    assert found.same == tuple((node.id, node.id) for node in graph.nodes)


@EXAMPLES
@given(graphs(12), graphs(12))
def test_everything_is_accounted_for_and_both_directions_say_the_same(one, other):
    accounted(one, other)
    there, back = difference(one, other), difference(other, one)
    assert Counter(there.same) == Counter((b, a) for a, b in back.same)
    told = Counter((KINDS[c.kind], frozenset((b, a) for a, b in c.ids), c.params[::-1]) for c in there.changes)
    assert told == Counter((c.kind, frozenset(c.ids), c.params) for c in back.changes)


@EXAMPLES
@given(graphs(12), graphs(12))
def test_both_models_are_in_their_union(one, other):
    whole = union(twins(one, other))
    graphfile.check(replace(whole, attrs={}))
    assert {node.id for node in other.nodes} <= set(whole.by_id)
    ends = {(edge.src, edge.dst) for edge in whole.edges}
    assert {(edge.src, edge.dst) for edge in other.edges} <= ends
    gone = sum(len(c.ids) for c in difference(one, other).changes if c.kind == "removed")
    assert len(whole.nodes) <= len(other.nodes) + gone


def layered(graph: Graph) -> list[Node]:
    """The layers that a user has named, as traces name them."""
    return [node for node in graph.nodes if node.kind in ("conv", "linear", "norm", "embedding")]


@EXAMPLES
@given(graphs(12), st.data())
def test_a_changed_layer_is_found_as_just_that(graph, data):
    layers = layered(graph)
    if layers:
        victim = data.draw(st.sampled_from(layers))
        nodes = tuple(replace(n, attrs={**n.attrs, "groups": 7}, params=n.params + 5) if n is victim else n
                      for n in graph.nodes)
        found = difference(graph, replace(graph, nodes=nodes))
        told, = found.changes
        assert (told.kind, told.ids) == ("changed", ((victim.id, victim.id),))
        assert [(d.name, d.old, d.new) for d in told.details] == [("groups", None, 7)]


@EXAMPLES
@given(graphs(12), st.data())
def test_a_new_layer_is_found_as_just_that(graph, data):
    if not graph.edges:
        return
    edge = data.draw(st.sampled_from(graph.edges))
    scope = graph.by_id[edge.src].scope
    fresh = Node(".".join((*scope[-1:], "fresh")), scope, "Fresh", "module", {}, (), 11, index=0)
    nodes = list(graph.nodes)
    nodes.insert(nodes.index(graph.by_id[edge.src]) + 1, fresh)
    nodes = [replace(node, index=i) for i, node in enumerate(nodes)]
    through = (Edge(edge.src, fresh.id, edge.tensor), replace(edge, src=fresh.id))
    new = replace(graph, nodes=tuple(nodes), edges=(*(e for e in graph.edges if e is not edge), *through))
    told, = difference(graph, new).changes
    assert (told.kind, told.ids, told.params) == ("added", (("", fresh.id),), (0, 11))
    told, = difference(new, graph).changes
    assert (told.kind, told.ids, told.params) == ("removed", ((fresh.id, ""),), (11, 0))


@EXAMPLES
@given(graphs(12), st.data())
def test_a_renamed_module_is_found_as_just_that(graph, data):
    modules = sorted(graph.modules)
    if not modules:
        return
    old = data.draw(st.sampled_from(modules))

    def called(key: str) -> str:
        return re.sub(rf"^{re.escape(old)}(?=$|[./@])", "quite-another", key)

    nodes = tuple(replace(n, id=called(n.id), scope=tuple(map(called, n.scope)), members=()) for n in graph.nodes)
    edges = tuple(replace(e, src=called(e.src), dst=called(e.dst)) for e in graph.edges)
    held = {called(k): replace(m, id=called(k), path=called(m.path), scope=tuple(map(called, m.scope)))
            for k, m in graph.modules.items()}
    found = difference(graph, Graph(graph.name, nodes, edges, held))
    if not any(old in node.scope for node in graph.nodes):
        assert not found
        return
    assert [change.kind for change in found.changes] == ["renamed"]
    assert (found.changes[0].was, found.changes[0].path) == (old, "quite-another")
