"""The directive ``.. archviz:: MODEL``, with the options of the command line and those of ``figure``.

In: what an author writes.  Out: a figure node that holds a `drawing`, or says what could not be drawn; the files it was
made from as dependencies of the page.  Imports arguments, job, pipeline, errors, and our _nodes, and store.
"""
from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.directives.patches import Figure
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from archviz.arguments import parser
from archviz.errors import ArchvizError
from archviz.find import did_you_mean
from archviz.job import Job, asked
from archviz.pipeline import Options
from archviz.sphinxext._nodes import drawing
from archviz.store import Drawn, Store, engine

logger = logging.getLogger(__name__)

OF_FILES = ("dpi", "standalone", "engine")          # options of the command line about a file, which a page has none of
FIGURE: dict[str, Callable[[str], Any]] = dict(Figure.option_spec or {})
OWN: dict[str, Callable[[str], Any]] = {"dark": directives.unchanged}
SHOWN = re.compile(r"[\d.]+\s*(%|px|em|ex|rem|vw|)")
"""A width as it is shown on a page; any other one is a width to lay the figure out for."""


@cache
def shared() -> dict[str, argparse.Action]:
    """The options that the directive has from the command line, by name."""
    groups = {group.title: group._group_actions for group in parser()._action_groups}
    return {action.option_strings[-1].removeprefix("--"): action
            for title in ("the model", "the figure") for action in groups[title] if action.dest not in OF_FILES}


class Known(dict[str, Callable[[str], Any]]):
    """How each option is read.  Unknown ones are let in, to be refused in our words."""

    def __missing__(self, name: str) -> Callable[[str], Any]:
        return directives.unchanged


class ArchvizDirective(Figure, SphinxDirective):
    """``.. archviz:: models.py:Net``: the figure of a model, with a caption by archviz where the author writes none.

    An option that may be repeated on the command line holds several words here, split as in a shell.
    """

    option_spec = Known({**FIGURE, **OWN, "width": directives.unchanged_required})

    def run(self) -> list[nodes.Node]:
        env: BuildEnvironment = self.env
        options, content = dict(self.options), list(self.content)
        # The drawing takes the image's place, once `figure` has done the rest.
        self.options = {key: value for key, value in options.items() if key in FIGURE}
        try:
            shown = options.get("width") if SHOWN.fullmatch(options.get("width", "")) else None
            drawn = self.drawn({key: value for key, value in options.items() if not (key == "width" and shown)})
        except (Exception, SystemExit) as error:        # a model's own code may do anything
            message = str(error) if isinstance(error, ArchvizError) else \
                f"a fault of archviz: {type(error).__name__}: {' '.join(str(error).split())}"
            self.warn(message)
            drawn = None
        if "width" in self.options:
            self.options["width"] = directives.length_or_percentage_or_unitless(shown) if shown else None
            self.options = {key: value for key, value in self.options.items() if value is not None}
        made = super().run()
        figures = [node for node in made if isinstance(node, nodes.figure)]
        for figure in figures:
            self.fill(figure, drawn, bool(content), "target" in options)
        if drawn is not None:
            for file in drawn.files:
                env.note_dependency(str(file))
            for warning in drawn.warnings:
                self.warn(warning)
            figures_of(env).setdefault(env.docname, {})[drawn.key] = drawn.dark
        return made

    def warn(self, message: str) -> None:
        """One warning, at the directive's own line; the page is read again by the next build, until it is mended."""
        failed(self.env).add(self.env.docname)
        logger.warning("%s", "; ".join(message.replace("\n  ", "\n").split("\n")), location=self.get_location(),
                       type="archviz")

    def drawn(self, options: dict[str, str]) -> Drawn:
        """The figure that is asked for.  Raises `ArchvizError`."""
        config = self.env.config
        known = (*shared(), *FIGURE, *OWN)
        for given, names, where in ((options, known, "archviz"),
                                    (config.archviz_options, tuple(shared()), "archviz_options in conf.py")):
            for name in given:
                if name not in names:
                    raise ArchvizError(f"{where} has no option {name!r}", did_you_mean(name, names))
        page = Options(width=config.archviz_width, max_height=config.archviz_max_height)
        return store_of(self.env).draw(self.job(options), page, options.get("dark"), config.archviz_dark or "none")

    def job(self, options: dict[str, str]) -> Job:
        """What the options ask for, read as on a command line."""
        common = self.env.config.archviz_options
        words = [self.near(self.arguments[0])]
        for name, action in shared().items():
            if name not in options and name not in common:
                continue
            value, folder = (options[name], "") if name in options else (common[name], "/")
            if action.nargs == 0:
                words += [f"--{name}"] if value is not False else []
            elif isinstance(action, argparse._AppendAction):
                several = shlex.split(value) if isinstance(value, str) else map(str, value)
                words += [f"--{name}={self.near(word, folder)}" for word in several]
            else:
                words.append(f"--{name}={self.near(str(value), folder)}")
        return replace(asked(parser().parse_args(words)), folder=Path(self.env.srcdir))

    def near(self, word: str, folder: str = "") -> str:
        """A word that names a file, as seen from the page; with a slash in front, from the documentation's folder."""
        found = re.fullmatch(r"((?:.*=)?)(.*\.(?:py|json|ya?ml))((?::.*)?)", word, re.DOTALL)
        if not found:
            return word
        name = folder + found[2].lstrip("/") if folder else found[2]
        return found[1] + self.env.relfn2path(name)[1] + found[3]

    def fill(self, figure: nodes.figure, drawn: Drawn | None, content: bool, target: bool) -> None:
        """Put the drawing into `figure`, and a caption below it."""
        image = next(iter(figure.findall(nodes.image)))
        caption = next(iter(figure.findall(nodes.caption)), None)
        if isinstance(image.parent, nodes.reference):       # outside of text, writers know it around images only
            place = figure.index(image.parent)
            figure[place] = nodes.inline("", "", image.parent)
        if drawn is None:
            image.parent.replace(image, nodes.literal("", f"(no figure of {self.arguments[0]})",
                                                      classes=["archviz-missing"]))
            written = self.arguments[0]
        else:
            said = caption is None and not content      # our own words, below the figure
            alt = image.get("alt") or (f"Architecture of {drawn.facts.title}" if said else drawn.facts.caption)
            fresh = drawing(key=drawn.key, facts=drawn.facts, alt=alt, own_alt="alt" in image, target=target)
            for name in ("width", "height", "scale", "classes", "loading"):
                if image.get(name):
                    fresh[name] = image[name]
            fresh.source, fresh.line = figure.source, figure.line
            image.parent.replace(image, fresh)
            written = drawn.facts.caption
        if caption is None and not content:
            made = nodes.caption(written, written)
            made.source, made.line = figure.source, figure.line
            figure += made


# ---------------------------------------------------------------------------------- what the environment keeps

def store_of(env: BuildEnvironment) -> Store:
    """The store that the configuration names."""
    base, config = Path(env.srcdir), env.config
    return Store(
        base / config.archviz_cache if config.archviz_cache else Path(env.doctreedir) / "archviz", base,
        base / config.archviz_graphs if config.archviz_graphs else None, config.archviz_latex == "tikz",
        lambda what, target: logger.info("archviz: %s %s", what, target))


def failed(env: BuildEnvironment) -> set[str]:
    """The pages with a figure that could not be drawn, or only in part."""
    found: set[str] = env.__dict__.setdefault("archviz_failed", set())
    return found


def figures_of(env: BuildEnvironment) -> dict[str, dict[str, bool]]:
    """Page → key of each figure on it → whether it has a dark variant."""
    found: dict[str, dict[str, bool]] = env.__dict__.setdefault("archviz_figures", {})
    return found


def purge(app: Sphinx, env: BuildEnvironment, docname: str) -> None:
    failed(env).discard(docname)
    figures_of(env).pop(docname, None)


def merge(app: Sphinx, env: BuildEnvironment, docnames: list[str], other: BuildEnvironment) -> None:
    """What a process that read some of the pages found out."""
    failed(env).update(failed(other) & set(docnames))
    figures_of(env).update({name: keys for name, keys in figures_of(other).items() if name in docnames})


def outdated(app: Sphinx, env: BuildEnvironment, *_: set[str]) -> set[str]:
    """Pages to read again though nothing was edited.

    Those that failed, those whose figures are gone, and all with figures after archviz itself has changed.
    """
    store, known = store_of(env), env.__dict__.get("archviz_engine")
    env.__dict__["archviz_engine"] = engine()
    if known != engine():
        return failed(env) | set(figures_of(env))
    gone = {name for name, keys in figures_of(env).items()
            if not all(store.holds(key, dark) for key, dark in keys.items())}
    return failed(env) | gone
