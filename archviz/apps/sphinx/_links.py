"""From a layer in a figure to the page that documents its class.

In: the classes behind the drawn ids, and what Sphinx knows of the project's own pages and of other projects'
inventories.  Out: where each id leads, and an SVG with those links in it.

A class is often documented under a shorter name than where it is defined: ``torch.nn.modules.conv.Conv2d`` as
``torch.nn.Conv2d``.  So the modules it is in are left out one by one, innermost first, until the name is documented.
A link opens in the same frame, as all of Sphinx's do, and keeps the tooltip of what it is on.  A frame in a figure is
linked by its title alone, so that a click between its layers leads nowhere.
"""
from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.builders import Builder
from sphinx.domains.python import PythonDomain

CLASSES = "class"       # the role whose objects a layer may be: classes and what else is called like one
TAG = re.compile(r"<(/?)(svg|g|a|text)\b([^<>]*?)(/?)>")
NODE = re.compile(r'\bdata-node="([^"]*)"')


def links(builder: Builder, docname: str, classes: Mapping[str, str]) -> dict[str, str]:
    """Where the ids of a figure lead from the page `docname`, as `builder` writes it.

    `classes` is what `Figure.classes` says: the full class name by id.  An id whose class is documented nowhere is not
    in the answer.
    """
    places = {cls: _place(builder, docname, cls) for cls in sorted(set(classes.values()))}
    return {key: place for key, cls in classes.items() if (place := places[cls])}


def _place(builder: Builder, docname: str, cls: str) -> str:
    """The address of what documents a class; empty for none."""
    for name in names(cls):
        if address := _own(builder, docname, name) or _other(builder, docname, name):
            return address if safe(address) else ""
    return ""


def names(cls: str) -> Iterator[str]:
    """The names that a class may be documented under, the most exact first.

    Of a class within a class, the outer one stays in the name.  Nothing is left out of a class in a function.
    """
    *modules, name = cls.split(".")
    yield cls
    if "<locals>" in modules:
        return
    outer = len(modules)
    while outer and re.match("_*[A-Z]", modules[outer - 1]) and modules[outer - 1] != name:
        outer -= 1
    called = ".".join([*modules[outer:], name])
    for end in range(outer - 1, 0, -1):
        yield f"{'.'.join(modules[:end])}.{called}"


def _own(builder: Builder, docname: str, name: str) -> str:
    """Where this project documents the class `name`."""
    domain = builder.env.domains["py"]
    entry = domain.objects.get(name) if isinstance(domain, PythonDomain) else None
    if entry is None or entry.objtype not in (domain.objtypes_for_role(CLASSES) or ()):
        return ""
    uri = f"{builder.get_relative_uri(docname, entry.docname)}#{entry.node_id}"
    # Where all documents are one page, their own anchors stand before that of the object.
    return f"#{entry.node_id}" if uri.count("#") > 1 else uri


def _other(builder: Builder, docname: str, name: str) -> str:
    """Where another project documents it, of those that intersphinx knows."""
    if "intersphinx_mapping" not in builder.config:     # the extension is not loaded
        return ""
    from sphinx.ext.intersphinx import resolve_reference_any_inventory

    asked = pending_xref("", refdomain="py", reftype=CLASSES, reftarget=name, refdoc=docname, refexplicit=True)
    reference = resolve_reference_any_inventory(builder.env, True, asked, nodes.literal())
    return str(reference["refuri"]) if reference is not None else ""


def safe(href: str) -> bool:
    """A link to a page of the web or of these pages, and to no script or file."""
    plain = re.sub(r"[\0- \x7f]", "", href)     # what a browser leaves out, too
    scheme = re.match(r"([^/?#:]*):", plain)
    return bool(plain) and (not scheme or scheme[1].lower() in ("http", "https"))


def linked(svg: str, links: Mapping[str, str]) -> str:
    """An SVG of our own backend, in which what draws an id is a link to where `links` says.

    A box becomes a link as a whole; a frame, which may hold linked boxes, has a link on its title.  Nothing else
    changes, but that a picture with links in it is a group to a screen reader, which would not tell them in a picture.
    """
    safe_links = {key: href for key, href in links.items() if safe(href)}
    tags = [tag for tag in TAG.finditer(svg) if not tag[4]]
    ends = _ends(tags)
    edits: dict[int, tuple[int, str]] = {}
    for i, tag in enumerate(tags):
        match = NODE.search(tag[3])
        href = safe_links.get(html.unescape(match[1])) if match and tag[2] == "g" and not tag[1] else None
        if href is None:
            continue
        opened = f'<a href="{html.escape(href)}"'
        inside = range(i + 1, ends[i])
        if 'class="frame"' not in tag[3] and not any(tags[j][2] == "a" or NODE.search(tags[j][3]) for j in inside):
            edits[tag.start()] = (tag.end(), f"{opened}{tag[3]}>")
            edits[tags[ends[i]].start()] = (tags[ends[i]].end(), "</a>")
            continue
        j = i + 1
        while j < ends[i]:
            if tags[j][2] == "text":
                edits[tags[j].start()] = (tags[j].start(), f"{opened}>")
                edits[tags[ends[j]].end()] = (tags[ends[j]].end(), "</a>")
            j = ends[j] + 1
    if not edits:
        return svg
    done, parts = 0, []
    for start, (end, text) in sorted(edits.items()):
        parts += [svg[done:start], text]
        done = end
    return re.sub(r'(<svg [^<>]*?\brole=")img"', r'\1group"', "".join([*parts, svg[done:]]), count=1)


def _ends(tags: list[re.Match[str]]) -> dict[int, int]:
    """Where each opened element is closed, by their numbers among the tags."""
    ends: dict[int, int] = {}
    open_: list[int] = []
    for i, tag in enumerate(tags):
        if tag[1]:
            ends[open_.pop()] = i
        else:
            open_.append(i)
    return ends
