r"""A caption as an article has it: plain, ``\caption{…}\label{…}``, Markdown, or the alternative text.

In: a caption, an alternative text, and the name of the figure.  Out: one of these, as ``--caption`` prints it.
"""
from __future__ import annotations

import re
import unicodedata

from archviz.core import text
from archviz.core.latex import tex


def written(way: str, caption: str, alt: str, name: str) -> str:
    """`caption` as ``text``, ``latex``, ``md`` or ``alt``; the label is made of `name`, which also stands in bold."""
    match way:
        case "latex":
            return rf"\caption{{{tex(caption)}}}\label{{fig:{_label(name)}}}"
        case "md":
            lead = f"{text.clean(name).rstrip('.')}."
            return f"**{md(lead)}**{md(caption.removeprefix(lead))}" if caption.startswith(lead) else md(caption)
        case "alt":
            return alt or caption
    return caption


def _label(name: str) -> str:
    """``My Net-50`` → ``my-net-50``: letters, digits and hyphens, which every LaTeX takes."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub("[^a-z0-9]+", "-", plain).strip("-") or "model"


def md(words: str) -> str:
    """`words` with the signs escaped that mean something in the middle of a line of Markdown."""
    return re.sub(r"([\\`*_\[\]<>|~$#&])", r"\\\1", words)
