"""A finished picture that stands by itself, beside the figure of an architecture: what it shows, what to write below it.

In: a scene and a caption.  Out: the same bytes, files and notebook display as a figure's.  Imports finished, scene.
"""
from __future__ import annotations

from dataclasses import dataclass

from archviz.finished import Finished
from archviz.scene import Scene


@dataclass(frozen=True, repr=False)
class Picture(Finished):
    """A finished picture.  A notebook shows it by itself; `save` writes it, `render` gives its bytes.

    Attributes
    ----------
    scene : Scene
        What is drawn, free of any output format; its width and height are printed points.
    caption : str
        What to write below it; also its alternative text.
    """

    scene: Scene
    caption: str

    def __repr__(self) -> str:
        return f"<archviz picture of {self.scene.title}>"
