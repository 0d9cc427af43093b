"""A backend: a page with the figure and its caption below it, as one HTML file."""
from html import escape

from archviz.backends import svg


def render(scene, language="en"):
    """The page.  `language` is what ``figure.save("a.html", language="de")`` says."""
    head = f'<!doctype html><html lang="{escape(language)}"><meta charset="utf-8"><title>{escape(scene.title)}</title>'
    return f"{head}<figure>{svg.render(scene).decode()}<figcaption>{escape(scene.description)}</figcaption>".encode()
