"""Figure → DOT, the language of Graphviz, which then places everything: ``dot -Tsvg fig.dot``.

In: a `Figure`.  Out: the bytes of a file that dot, neato, fdp and sfdp draw without a warning.

``\\N`` in a label or tooltip is the node's name, even as an entity or, in a tooltip, with its backslash escaped.  pydot
takes what begins and ends with a quote or with angle brackets for quoted already, reads ``a:b`` as a port, and leaves a
backslash before the closing quote: everything reaches it quoted.
"""
from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from archviz.backends import Traits
from archviz.backends._network import Box, Entry, Frame, Line, Network, network
from archviz.backends._number import number
from archviz.core import text
from archviz.core.errors import ArchvizError
from archviz.core.graph import NodeId
from archviz.core.scene import Paint

FONT = "Liberation Sans,Arial,Helvetica,sans-serif"     # three fonts of the same widths
SCALE = 2.0     # fonts of twice the size: Graphviz rounds the heights of letters to whole points
LONGEST_NAME = 120      # letters: fdp hangs on names of some hundreds
LONGEST = 1600          # of other words in quotes: Graphviz reads 16384 bytes, and letters may take several
APART = "\u200b"       # without width: what stands between a backslash and the letter that it would give a meaning
SHAPES: Mapping[str, Mapping[str, str]] = {     # what a style calls a shape → how Graphviz draws it
    "box": {"shape": "box"}, "bar": {"shape": "box"}, "dashed": {"shape": "box"},
    "stadium": {"shape": "box", "style": "rounded"},
    "trapezoid": {"shape": "polygon", "sides": "4", "distortion": "0.1", "fixedsize": "shape"},
    "trapezoid up": {"shape": "polygon", "sides": "4", "distortion": "-0.1", "fixedsize": "shape"},
    "parallelogram": {"shape": "polygon", "sides": "4", "skew": "0.1", "fixedsize": "shape"},
    "glyph": {"shape": "circle", "fixedsize": "shape"}, "text": {"shape": "plaintext"}, "dots": {"shape": "plaintext"},
}


def compose(figure: Any) -> bytes:
    """The DOT file: a cluster for each frame, a node for each box, in the figure's words and colours."""
    try:
        import pydot
    except ImportError as error:
        raise ArchvizError(f"DOT needs the package pydot: {error}", "pip install pydot") from None

    drawn = network(figure)
    s, names = drawn.style.sizes, _names(box.key for frame in drawn.whole.all() for box in frame.boxes)
    edge, label = drawn.paint("edge"), drawn.style.roles["label"]
    arrow = s.get("arrow", 3.4)
    dot = pydot.Dot(
        _quoted(drawn.name or "network"), graph_type="digraph", comment=_said(f"made by {drawn.maker}"),
        rankdir=drawn.direction, bgcolor=_color(drawn.paint("background").fill), fontname=_quoted(FONT),
        fontsize=_points(label.size), label=_heading(drawn), labelloc="t", tooltip=_said(drawn.caption),
        nodesep=_inches(s.get("across", 11.0)), ranksep=_inches(s.get("along", 9.0) + 1.6 * arrow),
        overlap="false", sep=_quoted("+16,16"), esep=_quoted("+8,8"), forcelabels="true")
    dot.set_node_defaults(fontname=_quoted(FONT), fontsize=_points(label.size), width="0", height="0",
                          margin=_quoted(f"{_inches(s.get('box_x', 5.0))},{_inches(s.get('box_y', 1.6))}"))
    dot.set_edge_defaults(fontname=_quoted(FONT), fontsize=_points(drawn.style.roles["shape"].size),
                          fontcolor=_color(drawn.style.roles["shape"].color), arrowsize=_points(arrow / 10),
                          color=_color(edge.stroke), penwidth=_points(edge.stroke_width))
    _fill(dot, drawn.whole, drawn, names)
    for line in drawn.lines:
        dot.add_edge(pydot.Edge(names[line.src], names[line.dst], **_line(line, drawn)))
    return str(dot.to_string()).encode()


TRAITS = Traits(compose=compose, renders=False)


def _fill(parent: Any, frame: Frame, drawn: Network, names: Mapping[NodeId, str]) -> None:
    """Put what `frame` holds into the graph `parent`, a cluster for each frame in it."""
    import pydot

    widths = _widths(frame.boxes, drawn)
    for box in frame.boxes:
        parent.add_node(pydot.Node(names[box.key], **_box(box, drawn, widths.get(box.key, 0.0))))
    clusters = _names((inner.key for inner in frame.frames), "cluster_")
    for inner in frame.frames:
        paint = drawn.paint(inner.role)
        cluster = pydot.Subgraph(
            clusters[inner.key], label=_html(_title(inner, drawn)), labeljust="l", style="filled",
            fillcolor=_color(paint.fill), color=_color(paint.stroke), penwidth=_points(paint.stroke_width),
            margin=_points(drawn.style.sizes.get("pad", 6.0)), tooltip=_said(inner.tip))
        _fill(cluster, inner, drawn, names)
        parent.add_subgraph(cluster)


def _box(box: Box, drawn: Network, width: float) -> dict[str, Any]:
    paint = drawn.paint(box.role)
    written = "<BR/>".join(_written(line, role, drawn) for line, role in box.lines if line) or "&#160;"
    look = {"label": _html(written), "tooltip": _said(box.tip)}
    if box.shape in ("text", "dots"):
        return {**SHAPES["text"], **look, "margin": _quoted("0.04,0.04")}
    shape = dict(SHAPES["box" if box.bands else box.shape])
    styles = [word for word in (shape.pop("style", ""), "filled" if paint.fill else "",
                                "dashed" if paint.dash or box.shape == "dashed" else "") if word]
    look |= {"style": _quoted(",".join(styles)), "color": _color(paint.stroke), "penwidth": _points(paint.stroke_width)}
    if paint.fill:
        look["fillcolor"] = _color(paint.fill)
    if box.shape == "glyph":
        return {**shape, **look, "margin": "0", "width": _inches(drawn.style.sizes.get("glyph", 9.0))}
    if box.bands:
        bands = [drawn.paint(band) for band in box.bands]
        return {**shape, **look, "label": _html(_striped(written, bands, drawn, width)), "margin": "0"}
    if "fixedsize" in shape:    # Graphviz would make it large enough for a label in any of its corners
        s, roles = drawn.style.sizes, drawn.style.roles
        width += 2 * s.get("slant", 4.0)
        height = 2 * s.get("box_y", 1.6) + sum(roles[role].size * s["leading"] for _, role in box.lines)
        look["height"] = _inches(height)
    return {**shape, **look, "width": _inches(width)}


def _striped(written: str, bands: Sequence[Paint], drawn: Network, width: float) -> str:
    """The inside of a box with stripes at its foot."""
    s = drawn.style.sizes
    rows = "".join(f'<TR><TD HEIGHT="{_whole(s.get("band", 2.8))}"{_ground(band)}></TD></TR>' for band in bands)
    return (f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="0"><TR><TD WIDTH="{_whole(width)}" '
            f'CELLPADDING="{_whole(s.get("box_y", 1.6))}">{written}</TD></TR>{rows}</TABLE>')


def _ground(paint: Paint) -> str:
    return f" BGCOLOR={_color(paint.fill)}" if paint.fill else ""


def _line(line: Line, drawn: Network) -> dict[str, Any]:
    look = {"tooltip": _said(line.tip)}
    if line.role != "edge":
        paint = drawn.paint(line.role)
        look |= {"color": _color(paint.stroke), "penwidth": _points(paint.stroke_width)}
        if paint.dash:
            look["style"] = "dashed"
    if line.role == "edge recurrent":
        look["constraint"] = "false"
    if line.label:
        look |= {"label": _html(f"&#160;{_escaped(line.label)}&#160;&#160;"), "labeltooltip": _said(line.tip)}
    return look


def _widths(boxes: Sequence[Box], drawn: Network) -> dict[NodeId, float]:
    """How wide boxes are, at least: as wide as the widest beside them that is nearly as wide, as in the block form."""
    s, roles = drawn.style.sizes, drawn.style.roles
    widths = {box.key: max([s.get("min_box", 30.0), *(
        text.width(line, roles[role].size, roles[role].weight) + 2 * s.get("box_x", 5.0) for line, role in box.lines)])
        for box in boxes if box.shape not in ("glyph", "text", "dots")}
    even = s.get("even", 1.5)
    return {key: max(other for other in widths.values() if other <= width * even) for key, width in widths.items()}


def _heading(drawn: Network) -> str:
    """Title and totals above everything, and below them the legend."""
    title = [(word, role) for word, role in ((drawn.title, "title"), (drawn.totals, "totals")) if word]
    rows = [f'<TR><TD>{"&#160; ".join(_written(word, role, drawn) for word, role in title)}</TD></TR>'] if title else []
    rows += [f"<TR><TD>{_swatches(row, drawn)}</TD></TR>" for row in _rows(drawn)]
    return _html(f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="2">{"".join(rows)}</TABLE>') if rows else _quoted("")


def _rows(drawn: Network) -> list[list[Entry]]:
    """The legend in rows, none wider than what is drawn is on its page."""
    size, s, rows, room = drawn.style.roles["legend"].size, drawn.style.sizes, list[list[Entry]](), 0.0
    limit = min(max(drawn.width, 150.0), drawn.style.page.width)
    for entry in drawn.legend:
        wide = text.width(entry.name, size) + s.get("swatch", 12.0) + s.get("legend_between", 14.0)
        if not rows or room + wide > limit:
            rows.append([])
            room = 0.0
        rows[-1].append(entry)
        room += wide
    return rows


def _swatches(entries: Sequence[Entry], drawn: Network) -> str:
    s, cells = drawn.style.sizes, []
    wide = _whole(s.get("swatch", 12.0))
    for entry in entries:
        paint = drawn.paint(entry.role)
        if entry.shape == "line":
            swatch = f"<FONT COLOR={_color(paint.stroke)}><B>{'- -' if paint.dash else '—'}</B></FONT>"
            cells.append(f'<TD ALIGN="RIGHT">{swatch}</TD>')
        else:
            high = _whole(s.get("band", 2.8) if entry.shape == "band" else s.get("swatch_height", 7.4))
            rounded = ' STYLE="ROUNDED"' if entry.shape == "stadium" else ""
            cells.append(f'<TD ALIGN="RIGHT"><TABLE BORDER="1" CELLBORDER="0" CELLSPACING="0" CELLPADDING="0" '
                         f'COLOR={_color(paint.stroke)}{_ground(paint)}{rounded}><TR><TD WIDTH="{wide}" '
                         f'HEIGHT="{high}"></TD></TR></TABLE></TD>')
        cells.append(f'<TD ALIGN="LEFT">&#160;{_written(entry.name, "legend", drawn)}&#160;&#160;</TD>')
    return f'<TABLE BORDER="0" CELLSPACING="0" CELLPADDING="1"><TR>{"".join(cells)}</TR></TABLE>'


def _title(frame: Frame, drawn: Network) -> str:
    words = [(frame.title, "frame title"), (frame.count, "frame count")]
    title = "&#160; ".join(_written(word, role, drawn) for word, role in words if word) or "&#160;"
    if drawn.direction != "LR":     # the line that enters would run through it: it stands in the left half
        wide = sum(text.width(word, drawn.style.roles[role].size, "bold") for word, role in words)
        title += "&#160;" * round((wide + 2 * drawn.style.sizes.get("pad", 6.0)) / text.width(" ", 7.0))
    return title


def _written(word: str, role: str, drawn: Network) -> str:
    """`word` in the type of `role`."""
    paint = drawn.style.roles[role]
    label = _escaped(word)
    if paint.weight == "bold":
        label = f"<B>{label}</B>"
    if paint.italic:
        label = f"<I>{label}</I>"
    return f'<FONT POINT-SIZE="{_points(paint.size)}" COLOR={_color(paint.color)}>{label}</FONT>'


def _names(keys: Iterable[NodeId], prefix: str = "") -> dict[NodeId, str]:
    """A name in quotes for each id: the id itself, its backslashes doubled, without what no file may hold."""
    names: dict[NodeId, str] = {}
    taken: set[str] = set()
    for key in keys:
        name = plain = prefix + (_short(text.clean(key), LONGEST_NAME) or "node")
        count = 1
        while name in taken:
            count += 1
            name = f"{plain} ({count})"
        taken.add(name)
        names[key] = _quoted(name)
    return names


def _quoted(string: str) -> str:
    escaped = string.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _said(string: str) -> str:
    """A tooltip or comment: there, an ampersand begins a letter's name, and a backslash an escape."""
    return _quoted(_short(string, LONGEST).replace("&", "&amp;").replace("\\", f"\\{APART}"))


def _short(string: str, most: int) -> str:
    return string if len(string) <= most else string[:most] + "…"


def _html(content: str) -> str:
    return f"<{content}>"


def _escaped(string: str) -> str:
    return html.escape(text.clean(string)).replace("\\", f"\\{APART}") or "&#160;"


def _color(color: str | None) -> str:
    return f'"{color or "transparent"}"'


def _points(points: float) -> str:
    return number(points * SCALE)


def _whole(points: float) -> str:
    return str(round(points * SCALE))


def _inches(points: float) -> str:
    return f"{points * SCALE / 72:.3f}"
