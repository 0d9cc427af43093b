"""The directive ``.. archviz:: MODEL``, with the options of the command line and those of ``figure``.

In: what an author writes.  Out: a figure node that holds a `drawing`, or says what could not be drawn; the files it was
made from as dependencies of the page.
"""
from __future__ import annotations

import re
import shlex
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.directives.patches import Figure
from sphinx.environment import BuildEnvironment
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from archviz.apps.request.arguments import parser
from archviz.apps.request.job import Job, asked
from archviz.apps.sphinx._nodes import PT, drawing
from archviz.apps.sphinx._pages import Kept, figures_of, store_of, warn
from archviz.apps.sphinx.store import Drawn
from archviz.core.errors import ArchvizError, did_you_mean
from archviz.figure.options import DECLARED, Options, flag

logger = logging.getLogger(__name__)

FIGURE: dict[str, Callable[[str], Any]] = {
    **(Figure.option_spec or {}), "width": directives.unchanged_required,
    "loading": lambda word: directives.choice(word, ("embed", "link", "lazy"))}
OWN = ("dark",)
FILES = ("style", "theme", "inset", "set")          # options that may name a file
SHOWN = re.compile(r"(?:\d+\.?\d*|\.\d+)\s*(?:%|px|em|ex|rem|vw|)")
"""A width as it is shown on a page; any other one is a width to lay the figure out for."""


SHARED = {"input": "words", "arg": "words", **{flag(name): declared.kind for name, declared in DECLARED.items()},
          "no-project": "switch"}
"""The options that the directive has from the command line, and of which kind each is (see `Declaration`)."""
SEVERAL = ("words", "settings")     # kinds of which there may be several


class Known(dict[str, Callable[[str], Any]]):
    """How each option is read: not yet, so that a mistake is told in our words, and again by the next build."""

    def __missing__(self, name: str) -> Callable[[str], Any]:
        return directives.unchanged


class ArchvizDirective(Figure, SphinxDirective):
    """``.. archviz:: models.py:Net``: the figure of a model, with a caption by archviz where the author writes none.

    An option that may be repeated on the command line holds several words here, split as in a shell.
    """

    option_spec = Known.fromkeys((*FIGURE, *OWN), directives.unchanged)

    def run(self) -> list[nodes.Node]:
        env: BuildEnvironment = self.env
        written, content, drawn = dict(self.options), list(self.content), None
        try:
            self.options, wrong = figure_options(written)
            if SHOWN.fullmatch(written.get("width", "")):
                self.options["width"] = re.sub(r"\s", "", written.pop("width"))
            if wrong:
                raise wrong
            job = self.job(written)
            drawn = self.drawn(job, written)
        except KeyboardInterrupt:
            raise
        except BaseException as error:                  # a model's own code may do anything
            logger.debug("archviz: %s", traceback.format_exc())
            warn(self, in_words(error))
        if drawn is not None and self.options.get("figwidth") == "image":
            self.options["figwidth"] = f"{drawn.facts.width * PT:.0f}pt"
        # The drawing takes the image's place, once `figure` has done the rest.
        made = super().run()
        for figure in made:
            if isinstance(figure, nodes.figure):
                self.fill(figure, drawn, bool(content))
        if drawn is not None:
            for file in drawn.files:
                env.note_dependency(str(file))
            for warning in drawn.warnings:
                warn(self, warning)
            figures_of(env).setdefault(env.docname, set()).add(
                Kept(drawn.key, drawn.dark, job.target, job.alone, job.project_file))
        return made

    def drawn(self, job: Job, options: Mapping[str, str]) -> Drawn:
        """The figure that is asked for.  Raises `ArchvizError`."""
        config = self.env.config
        page = Options(width=config.archviz_width, max_height=config.archviz_max_height)
        dark = self.near(options["dark"]) if "dark" in options else None
        return store_of(self.env).draw(job, page, dark, self.near(config.archviz_dark or "none", "/"))

    def job(self, options: Mapping[str, str]) -> Job:
        """What the options ask for, read as on a command line.  Raises `ArchvizError`."""
        config = self.env.config
        names_here = (*SHARED, *FIGURE, *OWN)
        for source, names, where in ((options, names_here, "archviz"),
                                     (config.archviz_options, tuple(SHARED), "archviz_options in conf.py")):
            for name in source:
                if name not in names:
                    raise ArchvizError(f"{where} has no option {name!r}", did_you_mean(name, sorted({*names})))
        common = config.archviz_options
        words = []
        for name, kind in SHARED.items():
            if name not in options and name not in common:
                continue
            value, folder = (options[name], "") if name in options else (common[name], "/")
            if kind == "switch":
                words += [f"--{name}"] if value is not False else []
            elif kind in SEVERAL:
                words += [f"--{name}={self.near(word, folder, name)}" for word in split(name, value)]
            else:
                words.append(f"--{name}={self.near(str(value), folder, name)}")
        words += ["--", self.near(self.arguments[0])]       # which is no option, whatever it looks like
        return replace(asked(parser().parse_args(words)), folder=Path(self.env.srcdir))

    def near(self, word: str, folder: str = "", option: str = "") -> str:
        """A word that names a file, as seen from the page; with a slash in front, from the documentation's folder."""
        match = re.fullmatch(r"((?:.*=)?)(.*\.(?:py|json|ya?ml))((?::.*)?)", word, re.DOTALL)
        if not match or option and option not in FILES:
            return word
        name = folder + match[2].lstrip("/") if folder else match[2]
        return match[1] + self.env.relfn2path(name)[1] + match[3]

    def fill(self, figure: nodes.figure, drawn: Drawn | None, content: bool) -> None:
        """Put the drawing into `figure`, and a caption below it."""
        image = next(iter(figure.findall(nodes.image)))
        caption = next(iter(figure.findall(nodes.caption)), None)
        if drawn is None:
            link = image.parent if isinstance(image.parent, nodes.reference) else image
            missing = nodes.literal("", f"(no figure of {self.arguments[0]})")
            link.replace_self(nodes.paragraph("", "", missing, classes=["archviz-missing"]))
            written = self.arguments[0]
        else:
            ours = caption is None and not content      # our own words, below the figure
            alt = image.get("alt") or (f"Architecture of {drawn.facts.title}" if ours else drawn.facts.caption)
            fresh = drawing(key=drawn.key, facts=drawn.facts, alt=alt, own_alt="alt" in image)
            # Of a width and a height the width counts, since no figure is distorted.
            for name in ("width", "scale", "classes", *(("height",) if "width" not in image else ())):
                if image.get(name):
                    fresh[name] = image[name]
            fresh.source, fresh.line = figure.source, figure.line
            image.parent.replace(image, fresh)
            written = drawn.facts.caption
        if caption is None and not content:
            made = nodes.caption(written, written)
            made.source, made.line = figure.source, figure.line
            figure += made


def figure_options(written: Mapping[str, str]) -> tuple[dict[str, Any], ArchvizError | None]:
    """Those of `written` that `figure` has, as it reads them, and the first mistake among them."""
    read: dict[str, Any] = {}
    wrong = None
    for name, reader in FIGURE.items():
        try:
            if name in written:
                read[name] = reader(written[name])
        except (ValueError, TypeError) as error:
            wrong = wrong or ArchvizError(f"option {name!r}: {error}")
    # The width may be that of the page to draw for; nothing is loaded, and older docutils does not know the word.
    for name in ("width", "loading"):
        read.pop(name, None)
    return read, wrong


def split(name: str, value: object) -> list[str]:
    """The words of an option that may be repeated.  Raises `ArchvizError`."""
    if not isinstance(value, str):
        return list(map(str, value)) if isinstance(value, list | tuple) else [str(value)]
    try:
        return shlex.split(value)
    except ValueError as error:
        raise ArchvizError(f"option {name!r}: {error} in {value!r}", "it is read as in a shell") from None


def in_words(error: BaseException) -> str:
    """What went wrong, in one line, with options as a directive has them."""
    if isinstance(error, ArchvizError):
        lines = "; ".join(line.strip() for line in f"{error.message}\n{error.hint}".strip().split("\n"))
        lines = re.sub(r"\bargument --([a-z-]+):", r"option '\1':", lines)
        lines = re.sub(rf"(?<!\S)--({'|'.join(SHARED)})(?![\w-])", r":\1:", lines)
        # What is repeated on a command line is several words here.
        return re.sub(r"(?<!\S)(:[a-z-]+:)( \S+(?: \1 \S+)+)", lambda m: m[1] + m[2].replace(f" {m[1]}", ""), lines)
    whose = "a fault of archviz" if isinstance(error, Exception) else "the model ended the process"
    return f"{whose}: {' '.join(f'{type(error).__name__}: {error}'.split())}"
