"""A figure on a page, as each builder shows it: SVG in HTML, PDF or TikZ in LaTeX, an image or words elsewhere.

In: `drawing` nodes and the store.  Out: what the writers write.
"""
from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.addnodes import translatable
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator
from sphinx.writers.latex import rstdim_to_latexdim

from archviz.apps.sphinx._links import linked, links
from archviz.apps.sphinx._pages import store_of
from archviz.apps.sphinx.store import DARK, LIGHT, PDF, TEX, Facts
from archviz.backends.svg import apart, prefixed

PT = 72 / 72.27         # a printed point in CSS's
LOOKS = {"light": LIGHT, "dark": DARK}


class drawing(translatable, nodes.General, nodes.Inline, nodes.Element):
    """A figure of the store: ``key``, ``facts``, ``alt``; ``width``, ``height`` and ``scale`` as of an image; ``href``
    where it is a link as a whole.  Translators are given the author's own alternative text, as of an image."""

    def preserve_original_messages(self) -> None:
        self["rawalt"] = self["alt"]

    def extract_original_messages(self) -> list[str]:
        return [self.get("rawalt", self["alt"])] if self["own_alt"] else []

    def apply_translated_message(self, original_message: str, translated_message: str) -> None:
        self["alt"] = translated_message


class ForBuilder(SphinxPostTransform):
    """What is no HTML takes the figure as a file."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        builder = self.app.builder
        if builder.name == "gettext":       # which asks the figure itself what is to be translated
            return
        if builder.format == "html" and builder.name != "epub":
            # Sphinx writes no link around anything but an image.
            for node in list(self.document.findall(drawing)):
                if isinstance(node.parent, nodes.reference):
                    node["href"] = node.parent.get("refuri") or f"#{node.parent['refid']}"
                    node.parent.replace_self(node)
            return
        store = store_of(self.env)
        for node in list(self.document.findall(drawing)):
            if builder.format in ("text", "man"):
                paragraph = nodes.paragraph("", f"[{node['alt']}]")
                (node.parent if isinstance(node.parent, nodes.reference) else node).replace_self(paragraph)
            elif builder.format == "latex" and store.tikz:
                text = store.path(node["key"], TEX).read_text("utf-8")
                node.replace_self(nodes.raw("", scaled(text, node), format="latex"))
            else:
                file = store.path(node["key"], PDF if builder.format == "latex" else LIGHT)
                node.replace_self(self.image(node, file))

    def image(self, node: drawing, path: Path) -> nodes.image:
        attributes = {key: node[key] for key in ("alt", "width", "height", "scale", "classes") if key in node}
        if self.app.builder.format == "latex":
            attributes |= {key: in_tex(attributes[key]) for key in ("width", "height") if key in attributes}
        image = nodes.image("", uri=str(path), candidates={"*": str(path)}, **attributes)
        image.source, image.line = node.source, node.line
        self.env.images.add_file(self.env.docname, str(path))
        return image


def scaled(tex: str, node: drawing) -> str:
    """TikZ as wide as the author says, or as it is; always so that it fits the line.  A link ends at an empty line."""
    facts, length, factor = node["facts"], r"\wd0", node.get("scale", 100) / 100
    if "width" in node:
        length = rstdim_to_latexdim(in_tex(node["width"]))
    elif "height" in node:
        length, factor = rstdim_to_latexdim(in_tex(node["height"])), factor * facts.width / facts.height
    return "\n".join([
        r"\leavevmode\begingroup\setbox0=\hbox{%", re.sub(r"\n\s*\n", "\n", tex.rstrip()),
        rf"}}\dimen0={length}\relax\dimen0={factor:.4f}\dimen0",
        r"\ifdim\dimen0>\linewidth\dimen0=\linewidth\fi",
        r"\ifdim\dimen0=\wd0\box0\else\resizebox{\dimen0}{!}{\box0}\fi\endgroup{}"])


def in_tex(length: str) -> str:
    """A length with a unit that TeX has, too."""
    return re.sub("vw$", "%", re.sub("rem$", "em", length))


def visit_html(self: HTML5Translator, node: drawing) -> None:
    """The SVG itself, once for light and once for dark pages; which one shows is the style sheet's choice."""
    builder: StandaloneHTMLBuilder = self.builder
    store, facts = store_of(builder.env), node["facts"]
    # in a figure that is a link as a whole, there can be no others
    leads = {} if "href" in node else links(builder, builder.current_docname, facts.classes)
    looks = [look for look, name in LOOKS.items() if store.path(node["key"], name).is_file()]
    both = len(looks) == len(LOOKS)
    shown = ""
    for look in looks:
        svg = _own(self, linked(store.path(node["key"], LOOKS[look]).read_text("utf-8"), leads), node)
        clear = " archviz-clear" if both and _ground(svg) == look else ""
        shown += f'<div class="archviz-{look}{clear}">{prefixed(svg)}</div>'
    classes = " ".join(["archviz", *(["archviz-both"] if both else []), *node.get("classes", ())])
    if "href" in node:
        shown = f'<a class="reference image-reference" href="{html.escape(node["href"])}">{shown}</a>'
    self.body.append(f'<div class="{html.escape(classes)}" style="{_size(node, facts)}">{shown}</div>')
    raise nodes.SkipNode


def _own(self: HTML5Translator, svg: str, node: drawing) -> str:
    """The SVG under ids that no other figure of the page has, with the author's alternative text."""
    svg = apart(svg, self.__dict__.setdefault("archviz_ids", {}))
    if node["own_alt"]:
        svg = svg.replace("<svg ", f'<svg aria-label="{html.escape(node["alt"])}" ', 1)
    return svg


def _ground(svg: str) -> str:
    """Whether a figure is drawn for light or for dark pages, by the colour behind it."""
    colour = re.search(r'<path class="background"[^<>]* fill="#(..)(..)(..)"', svg)
    return "dark" if colour and sum(int(part, 16) for part in colour.groups()) < 3 * 128 else "light"


def _size(node: drawing, facts: Facts) -> str:
    """How large the figure is shown: as an author says it, else at most a quarter larger than it prints."""
    scale = node.get("scale", 100) / 100
    style = f"--archviz-width: {facts.width * PT * scale:.2f}pt"
    for key, factor in (("width", scale), ("height", scale * facts.width / facts.height)):
        if key in node:
            length = f"{node[key]}px" if re.fullmatch(r"[\d.]+", node[key]) else node[key]
            style += f"; width: {length if factor == 1 else f'calc({length} * {factor:.4g})'}"
    return style


def setup(app: Sphinx) -> None:
    app.add_node(drawing, html=(visit_html, None))
    app.add_post_transform(ForBuilder)
