"""What is said of single layers: paints for those with a colour of their own, the badge of frozen ones, and the signs
at what differs between two models.

In: a style and `Overrides`; a graph, its layout.  Out: the style with those paints; marks over the drawing of any form;
their entries in the legend.
"""
from __future__ import annotations

from collections.abc import Collection, Iterable
from math import cos, pi, sin

from archviz.core.geometry import Layout, Place
from archviz.core.graph import Graph, Module, Node, NodeId
from archviz.core.plugins import find
from archviz.core.scene import Box, Circle, Group, Mark, polygon
from archviz.drawing.forms._shapes import polyline
from archviz.drawing.sheet import Entry
from archviz.style.style import Style

BADGE = 3.6         # radius of the badge of a frozen layer
OUTSIDE = 0.25      # part of it by which a sign of change stands off the corner, away from the label
SPAN = 3.1          # of the snowflake on it
CHANGES = {"added": "added", "removed": "removed", "changed": "changed", "renamed": "renamed", "same": "unchanged"}
"""How two models differ → what the legend calls it."""


def frozen(node: Node) -> bool:
    """Whether all weights of what `node` stands for are frozen, and there are some."""
    heavy = [part for part in node.leaves() if part.params or part.shared is not None]
    return bool(heavy) and all(part.attrs.get("frozen") for part in heavy)


def frozen_params(graph: Graph) -> int:
    """How many parameters of `graph` are frozen."""
    return sum(part.params for node in graph.nodes for part in node.leaves() if part.attrs.get("frozen"))


def badges(graph: Graph, layout: Layout) -> list[Mark]:
    """A snowflake at the upper right corner of every frozen layer, and once at a frame in which everything is."""
    cold = {node.id for node in graph.nodes if frozen(node)}
    whole = {frame for frame in layout.frames if _all_frozen(graph, frame, cold)}
    outer = [frame for frame in whole if not whole & set(graph.modules[frame].scope)]
    alone = [node.id for node in graph.nodes if node.id in cold and not whole & set(node.scope)]
    places = [layout.frames[key] for key in sorted(outer)] + [layout.nodes[key] for key in alone]
    return [*(Group(_badge(place.right, place.y), "frozen") for place in places), *changes(graph, layout)]


def _all_frozen(graph: Graph, frame: NodeId, cold: set[NodeId]) -> bool:
    heavy = [node.id for node in graph.nodes if frame in node.scope and (node.params or node.shared is not None)]
    return bool(heavy) and cold.issuperset(heavy)


def _badge(x: float, y: float) -> tuple[Mark, ...]:
    """A disc with a snowflake of six feathered arms, drawn as shapes: few fonts have one."""
    def at(turn: float, out: float) -> tuple[float, float]:
        return x + out * sin(turn * pi / 6), y - out * cos(turn * pi / 6)

    lines = [line for turn in range(0, 12, 2) for line in (
        ((x, y), at(turn, SPAN)), (at(turn - 0.6, 0.95 * SPAN), at(turn, 0.62 * SPAN), at(turn + 0.6, 0.95 * SPAN)))]
    return Circle(x, y, BADGE, "frozen"), *(polyline(line, "frozen sign") for line in lines)


def changes(graph: Graph, layout: Layout) -> list[Mark]:
    """At the upper left corner of all that differs between two models how it does, by shape; once at a frame of which
    everything is new, or gone."""
    frames = {key: place for key, place in sorted(layout.frames.items()) if key in graph.modules}
    whole = {key for key in frames if graph.modules[key].attrs.get("change") in ("added", "removed")}
    items: list[tuple[Module | Node, Place]] = [
        (graph.modules[key], place) for key, place in frames.items() if "within" not in graph.modules[key].attrs]
    items += [(node, layout.nodes[node.id]) for node in graph.nodes if node.id in layout.nodes]
    out = BADGE * OUTSIDE
    return [Group(_sign(change, place.x - out, place.y - out), f"sign {change}")
            for item, place in items if not whole & set(item.scope)
            and (change := str(item.attrs.get("change", "same"))) != "same"]


def _sign(change: str, x: float, y: float) -> tuple[Mark, ...]:
    """A plus on a disc, a minus on a square, a triangle (a capital delta), a label with its hole; nothing for what is
    the same."""
    r, role = BADGE * 0.92, f"sign {change}"
    minus = polyline(((x - 0.55 * r, y), (x + 0.55 * r, y)), f"{role} line")
    match change:
        case "added":
            return Circle(x, y, r, role), minus, polyline(((x, y - 0.55 * r), (x, y + 0.55 * r)), f"{role} line")
        case "removed":
            return Box(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r, role), minus
        case "changed":
            return (polygon([(x, y - 1.15 * r), (x + 1.15 * r, y + 0.85 * r), (x - 1.15 * r, y + 0.85 * r)], role),)
        case "renamed":
            outline = [(x - 1.2 * r, y - 0.8 * r), (x + 0.5 * r, y - 0.8 * r), (x + 1.3 * r, y),
                       (x + 0.5 * r, y + 0.8 * r), (x - 1.2 * r, y + 0.8 * r)]
            return polygon(outline, role), Circle(x + 0.45 * r, y, 0.25 * r, f"{role} line")
    return ()


def entries(graph: Graph, style: Style) -> list[Entry]:
    """All that the legend of a figure explains: what its form says, and what is said of single layers."""
    form = find("forms", style.form)
    return [*form.legend(graph, style), *legend(graph, style, form.frames(graph, style))]


def legend(graph: Graph, style: Style, seen: Collection[NodeId]) -> list[Entry]:
    """Entries for colours of layers' own, and for the badge where a layer is frozen; `seen` are the frames that the
    form draws."""
    middle = style.sizes["swatch"] / 2, style.sizes["swatch_height"] / 2
    frames = [graph.modules[key] for key in dict.fromkeys(f for node in graph.nodes for f in node.scope) if key in seen]
    swatches: dict[str, tuple[Mark, ...]] = {}
    for part, attrs in (*(("", node.attrs) for node in graph.nodes), *((" frame", frame.attrs) for frame in frames)):
        role, name = f"color {attrs.get('color')}", attrs.get("legend")
        if role in style.roles and name:
            swatches.setdefault(str(name), (_swatch(role + part, style),))
    shown = list(swatches.items())
    if any(frozen(node) for node in graph.nodes):
        shown.append(("frozen", _badge(*middle)))
    drawn = _changes(graph, frames, style)
    return shown + [(name, (_swatch(f"change {change}", style), *_sign(change, *middle)))
                      for change, name in CHANGES.items() if change in drawn and f"change {change}" in style.roles]


def _changes(graph: Graph, frames: Iterable[Module], style: Style) -> set[str]:
    """How what is seen of two models differs; what is the same counts where it is a box."""
    boxes = [node for node in graph.nodes if node.attrs.get("change") != "same" or (
        node.kind in style.kinds and style.kinds[node.kind].shape not in ("glyph", "text"))]
    attrs = [*(node.attrs for node in boxes), *(frame.attrs for frame in frames)]
    return {str(one.get("change")) for one in attrs if "within" not in one}


def _swatch(role: str, style: Style) -> Box:
    s = style.sizes
    return Box(0.0, 0.0, s["swatch"], s["swatch_height"], role, s.get("corner", 0.0))
