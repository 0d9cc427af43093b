"""The Sphinx extension: ``extensions = ["archviz.sphinxext"]``.

In: documents with ``.. archviz:: MODEL``.  Out: figures that follow the code, in every builder.

Configuration: ``archviz_width`` and ``archviz_max_height`` (the page, where nothing else says), ``archviz_options``
(what the directives of all figures say), ``archviz_dark`` (the theme for dark pages), ``archviz_latex`` (``"pdf"`` or
``"tikz"``), ``archviz_graphs`` (a folder of traced graphs to build from where there is no torch), ``archviz_cache``.
"""
from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.config import ENUM, Config

from archviz import __version__
from archviz.apps.sphinx import _autodoc, _directive, _nodes, _pages

STATIC = Path(__file__).parent / "static"


def setup(app: Sphinx) -> dict[str, Any]:
    app.add_config_value("archviz_width", "160mm", "env", [str])
    app.add_config_value("archviz_max_height", "200mm", "env", [str])
    app.add_config_value("archviz_options", {}, "env", [dict])
    app.add_config_value("archviz_dark", "dark", "env", [str, type(None)])
    app.add_config_value("archviz_latex", "pdf", "env", ENUM("pdf", "tikz"))
    app.add_config_value("archviz_graphs", None, "env", [str, type(None)])
    app.add_config_value("archviz_cache", None, "env", [str, type(None)])
    app.add_directive("archviz", _directive.ArchvizDirective)
    _nodes.setup(app)
    _autodoc.setup(app)
    app.connect("config-inited", prepare)
    app.connect("env-purge-doc", _pages.purge)
    app.connect("env-merge-info", _pages.merge)
    app.connect("env-get-outdated", _pages.outdated)
    app.connect("env-updated", _pages.unwritten)
    app.add_css_file("archviz.css")
    app.add_js_file("archviz.js", loading_method="defer")
    return {"version": __version__, "env_version": 1, "parallel_read_safe": True, "parallel_write_safe": True}


def prepare(app: Sphinx, config: Config) -> None:
    """The style sheet and script for HTML, and what TikZ needs in LaTeX."""
    config.html_static_path = [*config.html_static_path, str(STATIC)]
    if config.archviz_latex == "tikz":
        from archviz.backends._tex_head import LIBRARIES

        packages = config.latex_elements.get("extrapackages", "")
        config.latex_elements = {**config.latex_elements, "extrapackages": "\n".join(
            [packages, r"\usepackage{tikz}", rf"\usetikzlibrary{{{','.join(LIBRARIES)}}}"])}
