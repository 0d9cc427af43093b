"""What is said of single layers: paints for those with a colour of their own, the badge of frozen ones, and the signs
at what differs between two models.

In: a style and `Overrides`; a graph, its layout.  Out: the style with those paints; marks over the drawing of any form;
their entries in the legend.
"""
from __future__ import annotations

from collections.abc import Collection
from math import cos, pi, sin

from archviz.core.geometry import Layout, Place
from archviz.core.graph import Graph, Node, NodeId
from archviz.core.scene import Box, Circle, Group, Mark, Path, polygon
from archviz.style.style import Style

BADGE = 3.6         # radius of the badge of a frozen layer
OUTSIDE = 0.25      # part of it by which a sign of change stands off the corner, away from the label
SPAN = 3.1          # of the snowflake on it
CHANGES = {"added": "added", "removed": "removed", "changed": "changed", "renamed": "renamed", "same": "unchanged"}
"""How two models differ → what the legend calls it."""
Entry = tuple[str, tuple[Mark, ...]]


# ------------------------------------------------------------------------------------------------ frozen layers

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
    places = [(key, layout.frames[key]) for key in sorted(outer)] + [(key, layout.nodes[key]) for key in alone]
    found: list[Mark] = [Group(_badge(place.right, place.y), "frozen") for _, place in places]
    return [*found, *changes(graph, layout)]


def _all_frozen(graph: Graph, frame: NodeId, cold: set[NodeId]) -> bool:
    heavy = [node.id for node in graph.nodes if frame in node.scope and (node.params or node.shared is not None)]
    return bool(heavy) and cold.issuperset(heavy)


def _badge(x: float, y: float) -> tuple[Mark, ...]:
    """A disc with a snowflake of six feathered arms, drawn as shapes: few fonts have one."""
    def at(turn: float, out: float) -> tuple[float, float]:
        return x + out * sin(turn * pi / 6), y - out * cos(turn * pi / 6)

    arms: list[Mark] = []
    for turn in range(0, 12, 2):
        arms.append(Path((("M", (x, y)), ("L", at(turn, SPAN))), "frozen sign"))
        feather = (("M", at(turn - 0.6, 0.95 * SPAN)), ("L", at(turn, 0.62 * SPAN)), ("L", at(turn + 0.6, 0.95 * SPAN)))
        arms.append(Path(feather, "frozen sign"))
    return Circle(x, y, BADGE, "frozen"), *arms


# ------------------------------------------------------------------------------------------------ two models

def changes(graph: Graph, layout: Layout) -> list[Mark]:
    """At the upper left corner of all that differs between two models how it does, by shape; once at a frame of which
    everything is new, or gone."""
    frames = {key: place for key, place in sorted(layout.frames.items()) if key in graph.modules}
    whole = {key for key in frames if graph.modules[key].attrs.get("change") in ("added", "removed")}
    told: list[tuple[str, Place]] = []
    for key, place in frames.items():
        attrs = graph.modules[key].attrs
        if "change" in attrs and "within" not in attrs and not whole & set(graph.modules[key].scope):
            told.append((str(attrs["change"]), place))
    told += [(str(node.attrs["change"]), layout.nodes[node.id]) for node in graph.nodes
             if "change" in node.attrs and node.id in layout.nodes and not whole & set(node.scope)]
    out = BADGE * OUTSIDE
    return [Group(_sign(change, place.x - out, place.y - out), f"sign {change}") for change, place in told
            if change != "same"]


def _sign(change: str, x: float, y: float) -> tuple[Mark, ...]:
    """A plus on a disc, a minus on a square, a triangle (a capital delta), a label with its hole; nothing for what is
    the same."""
    r, role = BADGE * 0.92, f"sign {change}"
    minus = Path((("M", (x - 0.55 * r, y)), ("L", (x + 0.55 * r, y))), f"{role} line")
    match change:
        case "added":
            plus = Path((("M", (x, y - 0.55 * r)), ("L", (x, y + 0.55 * r))), f"{role} line")
            return Circle(x, y, r, role), minus, plus
        case "removed":
            return Box(x - 0.9 * r, y - 0.9 * r, 1.8 * r, 1.8 * r, role), minus
        case "changed":
            return (polygon([(x, y - 1.15 * r), (x + 1.15 * r, y + 0.85 * r), (x - 1.15 * r, y + 0.85 * r)], role),)
        case "renamed":
            outline = [(x - 1.2 * r, y - 0.8 * r), (x + 0.5 * r, y - 0.8 * r), (x + 1.3 * r, y),
                       (x + 0.5 * r, y + 0.8 * r), (x - 1.2 * r, y + 0.8 * r)]
            return polygon(outline, role), Circle(x + 0.45 * r, y, 0.25 * r, f"{role} line")
    return ()


# ------------------------------------------------------------------------------------------------ legend

def legend(graph: Graph, style: Style, seen: Collection[NodeId]) -> list[Entry]:
    """Entries for colours of layers' own, and for the badge where a layer is frozen; `seen` are the frames that the
    form draws."""
    s = style.sizes
    swatch = Place(0.0, 0.0, s["swatch"], s["swatch_height"])
    entries: dict[str, tuple[Mark, ...]] = {}
    frames = [graph.modules[key] for key in dict.fromkeys(f for node in graph.nodes for f in node.scope) if key in seen]
    for role, attrs in [*(("", node.attrs) for node in graph.nodes), *((" frame", m.attrs) for m in frames)]:
        if "color" in attrs and f"color {attrs['color']}" in style.roles and attrs.get("legend"):
            box = Box(0.0, 0.0, swatch.width, swatch.height, f"color {attrs['color']}{role}", s.get("corner", 0.0))
            entries.setdefault(str(attrs["legend"]), (box,))
    found = list(entries.items())
    if any(frozen(node) for node in graph.nodes):
        found.append(("frozen", _badge(swatch.width / 2, swatch.height / 2)))
    boxes = [node for node in graph.nodes if node.attrs.get("change") != "same" or (
        node.kind in style.kinds and style.kinds[node.kind].shape not in ("glyph", "text"))]
    told = {str(attrs.get("change")) for attrs in (*(node.attrs for node in boxes), *(f.attrs for f in frames))
            if "within" not in attrs}
    for change, name in CHANGES.items():
        if change in told and f"change {change}" in style.roles:
            box = Box(0.0, 0.0, swatch.width, swatch.height, f"change {change}", s.get("corner", 0.0))
            found.append((name, (box, *_sign(change, swatch.width / 2, swatch.height / 2))))
    return found
