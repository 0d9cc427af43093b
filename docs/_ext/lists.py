"""``.. themes::`` and ``.. gallery::``: every theme, and every model of the gallery, drawn.
``.. catalogue::``: all names.  ``.. directiveoptions::``: what ``.. archviz::`` shares with the command line.

In: what archviz lists, and the files of ``gallery/`` with their docstrings.  Out: a section for each, with its figure.
A theme or a model that is added is on its page at the next build.
"""
from __future__ import annotations

import ast
import re
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from archviz.find import plugged
from archviz.pipeline import catalogue
from archviz.sphinxext._directive import shared
from archviz.stylefiles import own_names, shipped

GALLERY = Path(__file__).resolve().parents[2] / "gallery"
DRAWN = {       # model of the gallery → how it is drawn, where not in boxes
    "alexnet": ":style: cube", "c3d": ":style: cube", "lenet": ":style: planes", "vgg16": ":style: cube",
    "unet": ":style: cube", "m5": ":style: cube", "lstm": ":style: node-link", "mlp": ":style: node-link",
    "smallcnn": ":style: node-link",
}
NAMES = {"resnet": (":resnet18", ":resnet50")}      # where a file has several, those that are shown


class Sections(SphinxDirective):
    def section(self, title: str, lines: list[str]) -> nodes.section:
        made = nodes.section(ids=[nodes.make_id(title)], names=[nodes.fully_normalize_name(title)])
        made += nodes.title(title, "", *self.parse_inline(title)[0])
        self.state.document.note_implicit_target(made, made)
        self.state.nested_parse(StringList(lines, self.name), 0, made)
        return made


class Themes(Sections):
    def run(self) -> list[nodes.Node]:
        made = []
        for name in own_names("themes"):
            text = (shipped("themes") / f"{name}.yaml").read_text("utf-8")
            said = " ".join(line.strip("# ") for line in text.split("\n\n")[0].splitlines() if line.startswith("#"))
            figure = [said, "", ".. archviz:: examples/tutorial/model.py", f"   :theme: {name}",
                      "   :style: block", "   :class: themed", "", f"   ``--theme {name}``", ""]
            cube = [".. archviz:: ../gallery/lenet.py", f"   :theme: {name}", "   :style: cube",
                    "   :width: 100mm", "   :class: themed", "", f"   ``--style cube --theme {name}``"]
            made.append(self.section(name, figure + cube))
        return made


class Gallery(Sections):
    def run(self) -> list[nodes.Node]:
        made = []
        for path in sorted(GALLERY.glob("*.py")):
            self.env.note_dependency(str(path))
            said = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
            look = DRAWN.get(path.stem, "")
            lines = [*said.splitlines(), ""]
            for name in NAMES.get(path.stem, ("",)):
                lines += [f".. archviz:: ../gallery/{path.name}{name}", *([f"   {look}"] if look else []), ""]
                command = f"$ archviz gallery/{path.name}{name} {look.replace(': ', ' ').replace(':', '--')}".rstrip()
                lines += [".. code-block:: console", "", f"   {command}", ""]
            made.append(self.section(f"``{path.name}``", lines))
        return made


class DirectiveOptions(SphinxDirective):
    """The options that the directive shares with the command line, as argparse tells them."""

    def run(self) -> list[nodes.Node]:
        items = []
        for name, action in sorted(shared().items()):
            said = (action.help or "").replace("%%", "%").replace(
                "may be repeated", "several are words as in a shell").replace("'' for nothing", "empty for nothing")
            if name in ("width", "max-height"):
                said = re.sub(r"default: .*\)", f"default: archviz_{name.replace('-', '_')})", said)
            value = action.metavar or "|".join(action.choices or ()) or ""
            items.append(nodes.definition_list_item(
                "", nodes.term("", "", nodes.literal("", f":{name}:{f' {value}' if value else ''}")),
                nodes.definition("", nodes.paragraph("", f"{said[:1].upper()}{said[1:]}."))))
        return [nodes.definition_list("", *items)]


class Catalogue(SphinxDirective):
    def run(self) -> list[nodes.Node]:
        own = {kind: [name for name in names if name not in plugged("backends" if kind == "outputs" else kind)]
               for kind, names in catalogue().items()}      # without the example of the page about extending
        text = "\n".join(f"{kind + ':':<10} {' '.join(names)}" for kind, names in own.items())
        return [nodes.literal_block(text, text, language="text")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("themes", Themes)
    app.add_directive("gallery", Gallery)
    app.add_directive("catalogue", Catalogue)
    app.add_directive("directiveoptions", DirectiveOptions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
