"""``.. settings:: STYLE TABLE``: what a style's file says in one of its tables, with the comments that stand there.

In: ``styles/STYLE.yaml`` and the options of its form.  Out: a table of keys, values and meanings, read from the file
itself when the page is built.  A key without a comment is a warning, which the build takes for an error.
"""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from archviz.find import find
from archviz.stylefiles import shipped

logger = logging.getLogger(__name__)

SILENT = ("captions", "colors", "kinds", "titles")       # tables whose keys and values say it all
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
    if table == "options":
        for name, option in find("forms", content["form"]).OPTIONS.items():
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


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("settings", Settings)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
