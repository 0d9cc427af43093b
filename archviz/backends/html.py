"""Figure → an HTML page that needs nothing else.

In: a `Figure`, on whose page everything opens, is found and tells of itself (`compose`); or a `Scene`, whose page shows
it, its caption below, and how it came to be (`render`).  Out: the bytes of one page.  Everything that a model's names
say is data: the scripts are those of the folder ``page``, known to the page's policy by their hash; no other runs, and
nothing asks for a file.
"""
from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Any

from archviz.backends import Traits, _page, svg
from archviz.core.scene import Paint, Scene
from archviz.core.text import clean

LARGER = 1.4    # than in print, where one holds it nearer
PARTS = Path(__file__).parent / "page"
SCRIPTS = ("marks", "writer", "view", "sheet", "core", "model", "colours", "state", "canvas", "look", "panel", "card",
           "finder", "pointer", "keys", "save", "app", "start")

STYLE = """
body{{margin:2em auto;padding:0 1em;max-width:60em;background:{page};color:{ink};font:15px/1.5 {fonts}}}
figure{{margin:0}} figcaption{{margin-top:1em}}
svg{{display:block;margin:0 auto;width:{wide}px;max-width:100%;height:auto}}
[data-node]:hover{{filter:drop-shadow(0 0 1.5px {ink})}}
dl{{display:grid;grid-template-columns:max-content 1fr;gap:.1em 1em;font-size:13px;opacity:.85}} dd{{margin:0}}
"""

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<figure>{figure}<figcaption>{caption}</figcaption></figure>
{facts}</body>
</html>
"""


def compose(figure: Any, command: Sequence[str] = ("archviz", "model.py")) -> bytes:
    """The page in which everything opens; in a style whose drawings do not nest, the still one.

    `command` is what was typed to draw the figure, as far as it does not say what is open.  Raises `ArchvizError` as
    `render`.
    """
    if figure.unfolded is None:
        return render(figure.scene)
    return _opening(_page.data(figure, command), svg.render(figure.scene).decode())


TRAITS = Traits(compose=compose)


def _opening(data: Mapping[str, Any], picture: str) -> bytes:
    """The page of this `data`; a browser without scripts shows the `picture`."""
    style = (PARTS / "page.css").read_text("utf-8")
    script = "".join((PARTS / f"{name}.js").read_text("utf-8") for name in SCRIPTS)
    policy = ("default-src 'none'", f"script-src {_hash(script)}", f"style-src {_hash(style)}", "img-src data: blob:",
              "base-uri 'none'", "form-action 'none'")
    # An element ends at its end tag, whatever a JSON string says: so none holds a `<`.
    told = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    parts = {"policy": "; ".join(policy), "title": _words(str(data["title"])) or "A figure", "style": style,
             "family": svg.FAMILY, "picture": svg.prefixed(picture), "data": told, "script": script}
    page = re.sub(r"\{\{(\w+)\}\}", lambda at: parts[at[1]], (PARTS / "page.html").read_text("utf-8"))
    return page.encode("utf-8", "backslashreplace")     # half of a letter, as JSON writes it


def _hash(inline: str) -> str:
    return f"'sha256-{b64encode(sha256(inline.encode()).digest()).decode()}'"


def render(scene: Scene) -> bytes:
    """The page.  Raises `ArchvizError` for a role the scene's sheet does not paint."""
    page = scene.sheet.get("background", Paint()).fill or "#ffffff"
    ink = scene.sheet.get("legend", Paint()).color
    facts = "".join(f"<dt>{_words(key)}</dt><dd>{_words(value)}</dd>" for key, value in sorted(scene.facts.items()))
    return PAGE.format(
        title=_words(scene.title) or "A figure", caption=_words(scene.description),
        style=STYLE.format(page=page, ink=ink, fonts=svg.FAMILY, wide=round(scene.width / 72.27 * 96 * LARGER)),
        figure=svg.prefixed(svg.render(scene).decode()),
        facts=f"<dl>{facts}</dl>\n" if facts else "").encode()


def _words(said: str) -> str:
    return escape(clean(said))
