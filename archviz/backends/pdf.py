"""Scene → PDF, by way of the SVG: vectors, selectable text, fonts subset.

In: a `Scene`.  Out: the bytes of a one-page PDF of exactly the figure's size, with its title and alternative text.
Only the package's own fonts are used, and no clock: same scene, same bytes.  Where it is asked for, the TeX of the
machine sets the figure in its fonts instead.
"""
from __future__ import annotations

from archviz.backends import Traits, _tex_engine, svg, tex
from archviz.core.errors import ArchvizError
from archviz.core.scene import Scene
from archviz.core.text import FONTS, clean

PAGE = """
#set document(title: sys.inputs.title, date: none)
#set page(width: {width}in, height: {height}in, margin: 0pt, fill: none)
#set text(font: "Liberation Sans")
#image(bytes(sys.inputs.svg), format: "svg", width: 100%, height: 100%, alt: sys.inputs.alt)
"""


def ready(engine: str) -> None:
    """Raise `ArchvizError` where `engine` needs a program that is not there."""
    if engine != "typst":
        _tex_engine.which(engine)


TRAITS = Traits(ready=ready)


def render(scene: Scene, engine: str = "typst") -> bytes:
    """The PDF file.  `engine` is ``"typst"``, ``"latex"`` (whichever TeX there is) or one of `_tex_engine.ENGINES`.

    Raises `ArchvizError` without it.
    """
    if engine != "typst":
        return _tex_engine.run(tex.render(scene, standalone=True), engine)
    try:
        import typst
    except ImportError as error:
        raise ArchvizError(f"PDF needs the package typst: {error}", "pip install typst") from None
    page = PAGE.format(width=f"{scene.width / 72.27:.5f}", height=f"{scene.height / 72.27:.5f}")
    inputs = {"title": clean(scene.title), "alt": clean(scene.description), "svg": svg.render(scene).decode()}
    # Its stubs want the font folders to be of the type of the input.
    return bytes(typst.compile(  # type: ignore[call-overload]
        page.encode(), format="pdf", font_paths=[str(FONTS)], ignore_system_fonts=True, sys_inputs=inputs))
