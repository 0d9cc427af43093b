"""``.. themes::`` and ``.. gallery::``: every theme, and every figure of the gallery, drawn.
``.. catalogue::``: all names.  ``.. directiveoptions::``: what ``.. archviz::`` shares with the command line.

In: what archviz lists, and the files of ``gallery/figures``.  Out: a section for each, with its figure.
A theme or a figure that is added is on its page at the next build.
"""
from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from insight import inside, workplace
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from archviz.apps.cli import main
from archviz.apps.request.arguments import parser
from archviz.apps.request.catalogue import catalogue
from archviz.apps.sphinx._directive import SEVERAL, SHARED
from archviz.core.plugins import plugged
from archviz.style.files import own_names, shipped

FIGURES = Path(__file__).resolve().parents[2] / "gallery" / "figures"


class Sections(SphinxDirective):
    def section(self, title: str, lines: list[str], name: str = "") -> nodes.section:
        made = nodes.section(ids=[nodes.make_id(name or title)], names=[nodes.fully_normalize_name(name or title)])
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
    """A section for each file of commands: what it says, the commands, the figure, and the files to take along."""

    def run(self) -> list[nodes.Node]:
        made = []
        for path in sorted(FIGURES.glob("*.sh")):
            self.env.note_dependency(str(path))
            said = " ".join(line.strip("# ") for line in path.read_text("utf-8").splitlines() if line.startswith("#"))
            commands = re.sub(r"\\\n\s*", "", path.read_text("utf-8")).splitlines()
            shown = [shlex.split(line) for line in commands if line and not line.startswith("#")]
            lines = [said, "", ".. code-block:: console", "", *(f"   $ {shlex.join(words)}" for words in shown), ""]
            for words in shown:
                lines += directive(words[1:], path.stem)
            files = {"SVG": path.with_suffix(".svg"), "TikZ": path.with_suffix(".tex"),
                     "PDF": self.pdf(path.stem, shown)}
            lines.append(" · ".join(f":download:`{name} <{os.path.relpath(file, self.env.srcdir)}>`"
                                    for name, file in files.items()))
            name = re.match(r"[^(:.]{3,60}(?=[(:.])", said)
            made.append(self.section(name[0].strip() if name else path.stem, lines, path.stem))
        return made

    def pdf(self, name: str, commands: list[list[str]]) -> Path:
        """The figure as a PDF, drawn now."""
        folder = workplace(Path(self.env.doctreedir).parent / "ran" / self.env.docname)
        for _, *words in commands:
            with inside(folder), contextlib.redirect_stderr(io.StringIO()):
                main.main([*without_outputs(words), "-o", f"{name}.pdf", "--quiet"])
        return folder / f"{name}.pdf"


def without_outputs(words: list[str]) -> list[str]:
    return [word for before, word in zip(["", *words], words, strict=False) if "-o" not in (before, word)]


def directive(words: list[str], name: str) -> list[str]:
    """The directive that draws what a command draws: of one model ``.. archviz::``, else the command itself."""
    target, *options = without_outputs(words)
    if not target.startswith("gallery/") or any(word.startswith("gallery/") for word in options):
        return [".. ran::", f"   :figure: {name}.svg", "   :silent:", "", f"   $ {shlex.join(['archviz', *words])}", ""]
    found: dict[str, list[str]] = {}
    last = ""
    for word in options:
        if word.startswith("--"):
            last = word.removeprefix("--")
            found.setdefault(last, [])
        else:
            found[last].append(word)
    # One that may be repeated holds words as in a shell, another is taken as it is.
    said = {key: shlex.join(values) if SHARED[key] in SEVERAL else " ".join(values) for key, values in found.items()}
    return [f".. archviz:: ../{target}", *(f"   :{key}: {value}".rstrip() for key, value in said.items()), ""]


class DirectiveOptions(SphinxDirective):
    """The options that the directive shares with the command line, as argparse tells them."""

    def run(self) -> list[nodes.Node]:
        items = []
        actions = {action.option_strings[-1].removeprefix("--"): action for action in parser()._actions[1:]
                   if action.option_strings}
        for name, action in sorted((name, actions[name]) for name in SHARED):
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
