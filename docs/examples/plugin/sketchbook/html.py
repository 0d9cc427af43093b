"""A backend: a page with the figure and its caption below it, as one HTML file."""
from html import escape

from archviz.backends import svg

PAGE = """<!doctype html>
<html lang="{language}"><meta charset="utf-8"><title>{title}</title>
<figure>{figure}<figcaption>{caption}</figcaption></figure></html>
"""


def render(scene, language="en"):
    """The page; `language` is what ``figure.save("a.html", language="de")`` says."""
    return PAGE.format(
        language=escape(language), title=escape(scene.title),
        figure=svg.render(scene).decode(), caption=escape(scene.description)).encode()
