"""``.. ran::``: commands that are run while the page is built, and the pictures they write.
``.. methodoptions:: NAME``: what a method's file says of its options.

In: commands as a reader types them, in a folder of their own for each page that holds copies of ``:with:``.  Out: the
commands and their pictures.  A command that fails is a warning, which the build takes for an error.
"""
from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from numpydoc.docscrape import FunctionDoc
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from archviz.apps.cli import main
from archviz.backends.svg import apart, embedded
from archviz.core.plugins import find
from archviz.insight.methods import options_of

KEPT = Path(tempfile.gettempdir()) / "archviz-docs"     # what a script trained, by the script


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def workplace(folder: Path) -> Path:
    """A folder to run commands in, as if it were a clone of the repository."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "gallery").exists():
        (folder / "gallery").symlink_to(Path(__file__).resolve().parents[2] / "gallery")
    return folder


def trained(script: Path, out: Path) -> None:
    """``python script out``, on one thread; a script that has not changed gives again what it gave."""
    kept = KEPT / f"{hashlib.sha256(script.read_bytes()).hexdigest()[:16]}{out.suffix}"
    if not kept.exists():
        subprocess.run([sys.executable, script, out], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
        KEPT.mkdir(exist_ok=True)
        half = kept.with_suffix(f".{os.getpid()}")
        shutil.copy(out, half)
        half.replace(kept)
    shutil.copy(kept, out)


class Ran(SphinxDirective):
    """The content is commands; ``:figure:`` names those of their files that are shown, ``:files:`` those to take along.
    What they print is shown; they themselves are not where ``:silent:``."""

    has_content = True
    option_spec = {"figure": directives.unchanged, "with": directives.unchanged, "class": directives.class_option,
                   "caption": directives.unchanged, "silent": directives.flag, "files": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        folder = workplace(Path(self.env.doctreedir).parent / "ran" / self.env.docname)
        for name in self.options.get("with", "").split():
            path = (Path(self.env.srcdir) / name).resolve()
            self.env.note_dependency(str(path))
            shutil.copy(path, folder)
        shown = "\n".join(self.content)
        made: list[nodes.Node] = [] if "silent" in self.options else [
            nodes.literal_block(shown, shown, language="console")]
        commands = shown.replace("\\\n", " ").splitlines()
        said = "".join(self.carry_out(command.removeprefix("$ "), folder) for command in commands)
        if said:
            made.append(nodes.literal_block(said, said, language="text", classes=["said"]))
        made += [self.figure(folder / name) for name in self.options.get("figure", "").split()]
        files = " · ".join(f":download:`{name} <{os.path.relpath(folder / name, self.env.srcdir)}>`"
                           for name in self.options.get("files", "").split())
        return made + self.parse_text_to_nodes(files) if files else made

    def carry_out(self, command: str, folder: Path) -> str:
        """What it printed, without what it said on stderr."""
        program, *words = shlex.split(command)
        printed, said = io.StringIO(), io.StringIO()
        if program == "python":
            trained(folder / words[0], folder / words[1])
        else:
            with inside(folder), contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
                code = main.main(words)
            if code and (words[0], code) != ("diff", 1):     # which says that two models differ
                logging.getLogger(__name__).warning(
                    "$ %s: %s", command, said.getvalue(), location=self.get_location(), type="archviz")
        return printed.getvalue()

    def figure(self, path: Path) -> nodes.Node:
        svg = embedded(apart(path.read_text("utf-8"), self.env.temp_data.setdefault("ran", {})))
        figure = nodes.figure("", classes=["ran", *self.options.get("class", [])])
        figure += nodes.raw("", f'<div class="ran">{svg}</div>', format="html")
        if "caption" in self.options:
            said, messages = self.parse_inline(self.options["caption"])
            figure += nodes.caption("", "", *said, *messages)
        return figure


class MethodOptions(SphinxDirective):
    """The options of a method, their defaults, and what its docstring says of each."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module = find("methods", self.arguments[0])
        self.env.note_dependency(str(module.__file__))
        told = {name.strip(): part.desc for part in FunctionDoc(module.attribute)["Parameters"]
                for name in part.name.split(",")}
        items = []
        for name, default in options_of(module).items():
            if not told.get(name):
                logging.getLogger(__name__).warning("the option %s of %s has no meaning", name, self.arguments[0],
                                                    location=self.get_location(), type="archviz")
            value = "()" if default == () else str(default).lower() if isinstance(default, bool) else str(default)
            term = nodes.term("", "", nodes.literal("", name), nodes.Text(f"  ({value})"))
            body = self.parse_text_to_nodes("\n".join(told.get(name, [])))
            items.append(nodes.definition_list_item("", term, nodes.definition("", *body)))
        return [nodes.definition_list("", *items)] if items else [nodes.paragraph("", "It has no options.")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("ran", Ran)
    app.add_directive("methodoptions", MethodOptions)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
