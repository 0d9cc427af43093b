"""A pass: say of each layer how much of the model's computation it is."""
from dataclasses import replace


def share(graph, style, **options):
    """Add ``attrs["share"]``, percent of all FLOPs.  Keeps ids, edges, params and FLOPs."""
    return replace(graph, nodes=tuple(told(node, graph.flops) for node in graph.nodes))


def told(node, whole):
    percent = round(100 * node.flops / whole) if whole else 0
    return replace(node, attrs={**node.attrs, "share": percent}) if percent else node
