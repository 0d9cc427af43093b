"""Scene → an HTML page that needs nothing else: the figure, its caption below, and how it came to be.

In: a `Scene`.  Out: the bytes of one page.  Imports the SVG backend, scene, text.  Everything that a model's names say
is data; no script runs.  What the mouse points at tells its id (and its score, where the figure has heat) as the
browser shows the figure's own tooltips.
"""
from __future__ import annotations

from html import escape

from archviz.backends import svg
from archviz.scene import Paint, Scene
from archviz.text import clean

LARGER = 1.4    # than in print, where one holds it nearer

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
