"""Names that mean something to DOT, Mermaid, Markdown, HTML or a shell, and a network that bears them everywhere.

In: nothing.  Out: `NAMES`, `hostile`.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archviz.core.text import clean
from archviz.figure.compile import compile
from archviz.figure.figure import Figure
from archviz.figure.options import Options
from tests.graphs import Builder


@dataclass(frozen=True)
class Name:
    """A name, whether it is short enough to be drawn whole, and whether a frame is called so."""

    raw: str
    whole: bool = True

    @property
    def shown(self) -> str:
        """As a reader sees it, as far as it is shown."""
        return clean(self.raw) if self.whole else clean(self.raw)[:8]

    @property
    def framed(self) -> bool:
        return self.whole


NAMES = (
    Name('say "hi"'), Name("back\\slash"), Name("ends in \\"), Name("two\nlines\r\tthere"), Name("<b>bold</b>"),
    Name("<whole>"), Name('"whole"'), Name("\\N \\G \\l"), Name("&amp; &lt;"), Name("a:b"), Name("a -> b; c"),
    Name("node"), Name("subgraph"), Name("end"), Name("層 ünïcode 𝔘"), Name("\x00\x07\x1b\ud800x"), Name("`code`"),
    Name("*a* _b_ **c**"), Name("1. one"), Name("- item"), Name("# head"), Name("%%{init: {}}%%"), Name("fa:fa-car"),
    Name("$$x$$"), Name("style x: #fff;"), Name("</script><script>alert(1)</script>", whole=False),
    Name("<img src=x onerror=alert(1)>"), Name("long " * 5000, whole=False), Name("²"), Name("#quot;"),
    Name("{}[]()|~^"), Name("\u202eleft"), Name("]]>"), Name("$(touch x)"),
)


def hostile(names: Sequence[Name], **options: str) -> Figure:
    """A chain in which each name is the id of a node and of a frame, the title of the frame, and a label."""
    build = Builder("<Net> \"x\" \\N")
    x = build.input('x"\\N<>')
    for name in names:
        with build.module(name.raw, "Block", label=name.raw):
            x = build.op("Linear", x, name=f"{name.raw}.{name.raw}", label=clean(name.raw), params=3)
            x = build.op("LayerNorm", x, name=f"{name.raw}.norm")
    build.output(x, "y\\")
    return compile(build.graph(), Options(
        "block", settings={"sizes.max_label": "400", "sizes.break_label": "400"}, width="900mm", max_height="3000mm",
        depth=9, **options))
