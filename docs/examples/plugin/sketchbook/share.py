"""A pass: say of each layer how much of the model's computation it is."""
from dataclasses import replace


def share(graph, style, **options):
    """Add ``attrs["share"]``, in percent of all FLOPs.  Keeps ids, edges, parameters and FLOPs."""
    whole = graph.flops or 1
    return replace(graph, nodes=tuple(
        replace(node, attrs={**node.attrs, "share": round(100 * node.flops / whole)}) if 100 * node.flops >= whole
        else node for node in graph.nodes))
