"""``.. settings:: STYLE TABLE``: what a style's file says in one of its tables, with the comments that stand there.
``.. stylekeys::`` and ``.. paintkeys::``: what a file and a role may say, from the docstrings of `Style` and `Paint`.

In: ``styles/STYLE.yaml``, the options of its form, docstrings.  Out: tables of keys, values and meanings, read when the
page is built.  A key without a meaning is a warning, which the build takes for an error.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from docutils import nodes
from docutils.statemachine import StringList
from numpydoc.docscrape import ClassDoc
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from archviz.core.plugins import traits
from archviz.core.scene import HATCHES, Paint
from archviz.style.files import shipped
from archviz.style.style import KEYS, LISTS, RECORDS, SHAPES, Style

logger = logging.getLogger(__name__)

SILENT = ("captions", "colors", "kinds", "lists", "titles")       # tables whose keys and values say it all
ENTRY = re.compile(r"  (?P<key>[^\s#:][^:]*|\"[^\"]+\"):(?P<rest>.*)")


class Entry(NamedTuple):
    key: str
    value: str
    meaning: str


def loaded(style: str) -> dict[str, Any]:
    return yaml.safe_load((shipped("styles") / f"{style}.yaml").read_text("utf-8"))


def entries(style: str, table: str) -> Iterator[Entry | str]:
    """The entries of a table of the style's own file in their order, and the comment lines between them."""
    content = loaded(style)
    if table == "lists":
        for name in LISTS:
            yield Entry(name, "\n".join(content[name]) if name == "fuse" else ", ".join(content[name]), "")
        return
    if table == "options":
        for name, option in traits("forms", content["form"]).options.items():
            yield Entry(name, content.get("options", {}).get(name, option.default), option.help)
        return
    heading, inside = "", False
    for line in (shipped("styles") / f"{style}.yaml").read_text("utf-8").splitlines():
        if re.match(r"\w", line):
            inside, heading = line.startswith(f"{table}:"), ""
        elif inside and line.startswith("  #"):
            heading = f"{heading} {line.strip(' #')}".strip()
        elif inside and (found := ENTRY.match(line)):
            if heading:
                yield heading
                heading = ""
            key = found["key"].strip('"')
            comment = found["rest"].partition(" # ")[2].strip()
            yield Entry(key, _plain(content[table][key]), comment or _known(style, table, key))


def _known(style: str, table: str, key: str) -> str:
    """What a key means whose own line does not say."""
    if table == "narrow":
        return {"page": "a page narrower than this, in points, is set tighter", "type": "factor for font sizes"}.get(
            key, f"factor for the size {key}")
    if table == "roles":
        kinds = loaded("base")["kinds"]
        of = next((kind for kind in kinds if kinds[kind].get("role", kind) == key), "")
        return kinds[of]["name"] if of else ""
    return ""


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, list):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


class Settings(SphinxDirective):
    required_arguments = 2
    has_content = False

    def run(self) -> list[nodes.Node]:
        style, table = self.arguments
        path = shipped("styles") / f"{style}.yaml"
        self.env.note_dependency(str(path))
        known = list(entries(style, table))
        for entry in known:
            if isinstance(entry, Entry) and not entry.meaning and table not in SILENT:
                logger.warning("%s: %s.%s has no comment that says what it is", path.name, table, entry.key,
                               location=self.get_location())
        wide = 2 if table in SILENT else 3
        group = nodes.tgroup(cols=wide)
        for width in (26, 26, 48)[:wide]:
            group += nodes.colspec(colwidth=width)
        head = ("key", "value", "meaning")[:wide]
        group += nodes.thead("", self.row([nodes.Text(word) for word in head]))
        body = nodes.tbody()
        for entry in known:
            if isinstance(entry, str):
                cell = nodes.entry("", nodes.paragraph("", "", nodes.emphasis("", entry)), morecols=wide - 1)
                body += nodes.row("", cell)
            else:
                body += self.row([nodes.literal("", entry.key), nodes.literal("", entry.value),
                                  nodes.Text(entry.meaning)][:wide])
        group += body
        return [nodes.table("", group, classes=["settings"])]

    @staticmethod
    def row(cells: list[nodes.Node]) -> nodes.row:
        return nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell)) for cell in cells))


class Keys(SphinxDirective):
    """A list of keys, each with what the docstring of `described` says of the attribute of that name."""

    described: type = Style
    keys: tuple[str, ...] = KEYS
    more = {"extends": "The style, or the file, that this one starts from.",
            "colors": "The palette: names that colours are mixed of."}

    def run(self) -> list[nodes.Node]:
        said = {name.strip(): " ".join(part.desc) for part in ClassDoc(self.described)["Attributes"]
                for name in part.name.split(",")} | self.more
        lines = []
        for key in self.keys:
            if key not in said:
                logger.warning("%s.%s has no docstring", self.described.__name__, key, location=self.get_location())
            lines += [f"``{key}``", f"   {said.get(key, '')}"]
        holder = nodes.container()
        self.state.nested_parse(StringList(lines, "docstring"), 0, holder)
        return holder.children


class PaintKeys(Keys):
    described = Paint
    keys = RECORDS["roles"]
    more = {}


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("settings", Settings)
    app.add_directive("stylekeys", Keys)
    app.add_directive("paintkeys", PaintKeys)
    words = {"shapes": SHAPES, "hatches": HATCHES[1:]}
    app.config.rst_epilog = "\n".join(
        [*(f".. |{name}| replace:: {', '.join(f'``{word}``' for word in listed)}" for name, listed in words.items())])
    return {"parallel_read_safe": True, "parallel_write_safe": True}
