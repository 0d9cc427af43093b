"""What an interactive page has to know of a figure, as JSON values: its plates, its things, their looks.

In: a figure that opens in place (`unfolded`).  Out: a dict for `json.dumps`.
Every string of the model's is cleaned here and escaped where it is written.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any

from archviz.backends import svg
from archviz.core.graph import Graph, Node, NodeId, TensorSpec, own_repeat
from archviz.core.scene import Box, Circle, Group, Link, Mark, Paint, Path, Scene, Text, lower, roles
from archviz.core.text import clean, units, width

HIDDEN = {"activations", "at", "call", "contains", "container", "fused", "fused_kinds", "layer", "layer_idx", "public",
          "receptive_field", "class", "weights", "inplace", "training"}
"""Attributes that are told in other words, or that tell a reader nothing."""

BYTES = {"float64": 8, "int64": 8, "complex64": 8, "complex128": 16, "float32": 4, "int32": 4, "float16": 2,
         "bfloat16": 2, "int16": 2}


def data(figure: Any, command: Sequence[str]) -> dict[str, Any]:
    """All of it.  `command` is the command line that drew the figure."""
    unfolded = figure.unfolded
    base, style = figure.scene, unfolded.style
    sheet = Scene((), unfolded.sheet, 1.0, 1.0, base.title, base.description, base.uid, base.facts)
    plates = {key: _plate(plate) for key, plate in unfolded.plates.items()}
    network = _Told(figure.graph, unfolded)
    drawn: list[Mark] = [mark for plate in unfolded.plates.values() for item in plate.items for mark in item.marks]
    used = _roles([*drawn, *(mark for _, swatch in unfolded.entries for mark in swatch)])
    used |= {role for line in unfolded.heading for _, role in line} | {"legend", "background"} & style.roles.keys()
    background = style.roles.get("background", Paint()).fill
    empty = svg.render(replace(sheet, sheet={}))
    s = style.sizes
    return {
        "uid": base.uid, "title": clean(base.title), "caption": clean(base.description),
        "totals": unfolded.totals, "background": background, "ink": style.roles["legend"].color,
        "dark": bool(background) and _dark(background),
        "plates": plates, "things": network.things(), "edges": network.edges(),
        "open": sorted(unfolded.first if figure.state is None else figure.state), "nested": unfolded.nested,
        "command": [*command, "--direction", unfolded.direction],
        "head": empty.decode().removesuffix("</svg>"), "roles": {r: svg.looks(sheet, r) for r in sorted(used)},
        "heading": [[_word(string, role, style.roles[role]) for string, role in line] for line in unfolded.heading],
        "legend": [{"name": name, "marks": [_mark(mark) for mark in swatch],
                    "roles": sorted(_roles(swatch)),
                    "wide": width(name, style.roles["legend"].size)} for name, swatch in unfolded.entries],
        "sizes": {"margin": s["margin"], "legend_row": s["legend_row"], "legend_gap": s["legend_gap"],
                  "legend_between": s["legend_between"], "swatch": s["swatch"], "swatch_height": s["swatch_height"],
                  "legend": style.roles["legend"].size, "page": style.page.width},
    }


def _word(string: str, role: str, paint: Paint) -> dict[str, Any]:
    return {"string": string, "role": role, "size": paint.size, "width": width(string, paint.size, paint.weight)}


def _plate(plate: Any) -> dict[str, Any]:
    items = []
    for item in plate.items:
        one: dict[str, Any] = {"what": item.what, "marks": [_mark(mark) for mark in item.marks]}
        if item.node:
            p = item.place
            one |= {"node": item.node, "place": [p.x, p.y, p.width, p.height]}
        if item.spans:
            one["spans"] = True
        if any(item.reach):
            one["reach"] = list(item.reach)
        if item.src or item.dst:
            one |= {"src": item.src, "dst": item.dst}
        items.append(one)
    ports = [[port.side, port.at, port.closed, port.src, port.dst] for port in plate.ports]
    return {"width": plate.width, "height": plate.height, "items": items, "ports": ports}


def _mark(mark: Mark) -> list[Any]:
    match mark:
        case Group(marks, role, title=title):
            return ["G", role, clean(mark.name), clean(title), [_mark(inner) for inner in marks]]
        case Path(commands, role):
            return ["P", role, [[letter, *values] for letter, values in commands]]
        case Text(x, y, string, role, anchor, rotate):
            return ["T", role, x, y, clean(string), anchor, rotate]
        case Box(x, y, wide, high, role, radius):
            return ["B", role, x, y, wide, high, radius]
        case Circle(x, y, r, role):
            return ["O", role, x, y, r]
        case Link(points, role, radius, arrow, head):
            return ["L", role, [list(point) for point in points], radius, arrow, head]
    raise TypeError(f"a page does not draw {type(mark).__name__}")


def _roles(marks: Iterable[Mark]) -> set[str]:
    """The roles of the core marks that draw `marks`."""
    return set(roles(core for mark in marks for core in lower(mark)))


def _dark(colour: str) -> bool:
    r, g, b = (int(colour[i:i + 2], 16) for i in (1, 3, 5))
    return 0.299 * r + 0.587 * g + 0.114 * b < 128


class _Told:
    """What there is to say of each thing, and what flows between them."""

    def __init__(self, trace: Graph, unfolded: Any) -> None:
        self.lines: Mapping[str, str] = trace.attrs.get("lines", {})
        self.modules = unfolded.drawing.graph.modules
        self.plates = unfolded.plates
        self.traced = trace

    def things(self) -> dict[NodeId, dict[str, Any]]:
        return {node.id: self._thing(key, plate, node) for key, plate in self.plates.items() for node in plate.nodes}

    def _thing(self, key: NodeId, plate: Any, node: Node) -> dict[str, Any]:
        module = self.modules.get(node.id)
        copies = node.repeat * plate.times
        # under which ids these were traced, its own first
        copied = module.copies if module else node.members[::max(len(node.members) // copies, 1)]
        drawn = next((item for item in plate.items if item.node == node.id and item.what == "node"), None)
        words = list(Scene(drawn.marks, {}, 0.0, 0.0).strings()) if drawn else []
        entering = [edge.tensor for edge in plate.graph.inflow[node.id] if edge.tensor]
        return {
            "plate": key, "label": clean(" · ".join(words) or node.op), "path": clean(node.id),
            "op": clean(module.cls if module else node.op), "kind": node.kind,
            "role": drawn.marks[0].role if drawn else node.kind, "opens": node.id in self.plates,
            "module": module is not None, "repeat": own_repeat(plate.graph, node), "params": node.params // copies,
            "macs": node.flops // 2 // copies, "memory": _memory(node) // copies,
            "members": len(node.members) // copies,
            "in": ", ".join(map(_shape, entering)), "out": ", ".join(map(_shape, node.out)),
            "facts": [[clean(name), clean(value)] for name, value in self._facts(node, copies)],
            **({"copies": [clean(key) for key in copied]} if copies > 1 else {}),
        }

    def _facts(self, node: Node, copies: int) -> Iterator[tuple[str, str]]:
        for name, value in node.attrs.items():
            if name not in HIDDEN and value is not None and value != "":
                yield name.replace("_", " "), _value(value)
        if "fused" in node.attrs:
            yield "then", ", ".join(map(str, node.attrs["fused"]))
        if field := node.attrs.get("receptive_field"):
            yield "receptive field", _value(field)
        if copies > 1:
            yield "copies", f"{copies}, with {units(node.params)} parameters in all"
        if node.shared:
            yield "weights of", node.shared
        if cls := str(node.attrs.get("class", "")):
            yield "class", cls
            if cls in self.lines:
                yield "source", self.lines[cls]

    def edges(self) -> list[list[NodeId]]:
        """Between things that do not open, each once, in the order of the trace.

        None leads from one of several equal blocks to the next, which would be back into the one that is drawn.
        """
        owner: dict[NodeId, Node] = {}
        for plate in self.plates.values():
            for node in plate.nodes:
                if node.id not in self.plates:
                    owner |= dict.fromkeys(node.members, node)
        edges: dict[tuple[NodeId, NodeId], None] = {}
        for edge in self.traced.flows:
            src, dst = owner.get(edge.src), owner.get(edge.dst)
            if src and dst and src.index < dst.index:
                edges[src.id, dst.id] = None
        return [list(ends) for ends in edges]


def _memory(node: Node) -> int:
    """Bytes of what all operations in it give."""
    if node.inside:
        return sum(map(_memory, node.inside))
    return sum(prod(tensor.shape) * BYTES.get(tensor.dtype, 1) for tensor in node.out)


def _shape(tensor: TensorSpec) -> str:
    shape = "×".join(map(str, tensor.shape)) or "scalar"
    return shape if tensor.dtype == "float32" else f"{shape} {tensor.dtype}"


def _value(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return "×".join(map(str, value)) if all(isinstance(v, int) for v in value) else ", ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
