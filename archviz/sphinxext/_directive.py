"""The directive ``.. archviz:: MODEL``, with the options of the command line and those of ``figure``.

In: what an author writes.  Out: a figure node that holds a `drawing`, or says what could not be drawn; the files it was
made from as dependencies of the page.  Imports arguments, job, pipeline, errors, and our _nodes, and store.
"""
from __future__ import annotations

import argparse
import re
import shlex
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from archviz.sphinxext._nodes import PT, drawing
from archviz.store import Drawn, Store, engine

logger = logging.getLogger(__name__)

OF_FILES = ("dpi", "standalone", "engine")          # options of the command line about a file, which a page has none of
FIGURE: dict[str, Callable[[str], Any]] = {
    **(Figure.option_spec or {}), "width": directives.unchanged_required,
    "loading": lambda word: directives.choice(word, ("embed", "link", "lazy"))}
OWN = ("dark",)
FILES = ("style", "theme", "inset", "set")          # options that may name a file
SHOWN = re.compile(r"(?:\d+\.?\d*|\.\d+)\s*(?:%|px|em|ex|rem|vw|)")
"""A width as it is shown on a page; any other one is a width to lay the figure out for."""


@cache
def shared() -> dict[str, argparse.Action]:
    """The options that the directive has from the command line, by name."""
    groups = {group.title: group._group_actions for group in parser()._action_groups}
    return {action.option_strings[-1].removeprefix("--"): action
            for title in ("the model", "the figure") for action in groups[title] if action.dest not in OF_FILES}


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
        given, content, drawn = dict(self.options), list(self.content), None
        try:
            self.options, wrong = figure_options(given)
            if SHOWN.fullmatch(given.get("width", "")):
                self.options["width"] = re.sub(r"\s", "", given.pop("width"))
            if wrong:
                raise wrong
            job = self.job(given)
            drawn = self.drawn(job, given)
        except KeyboardInterrupt:
            raise
        except BaseException as error:                  # a model's own code may do anything
            logger.debug("archviz: %s", traceback.format_exc())
            self.warn(in_words(error))
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
                self.warn(warning)
            figures_of(env).setdefault(env.docname, set()).add(
                Kept(drawn.key, drawn.dark, job.target, job.alone, job.project_file))
        return made

    def warn(self, message: str) -> None:
        """One warning, at the directive's own line; the page is read again by the next build, until it is mended."""
        failed(self.env).add(self.env.docname)
        logger.warning("%s", message, location=self.get_location(), type="archviz")

    def drawn(self, job: Job, options: Mapping[str, str]) -> Drawn:
        """The figure that is asked for.  Raises `ArchvizError`."""
        config = self.env.config
        page = Options(width=config.archviz_width, max_height=config.archviz_max_height)
        dark = self.near(options["dark"]) if "dark" in options else None
        return store_of(self.env).draw(job, page, dark, self.near(config.archviz_dark or "none", "/"))

    def job(self, options: Mapping[str, str]) -> Job:
        """What the options ask for, read as on a command line.  Raises `ArchvizError`."""
        config = self.env.config
        known = (*shared(), *FIGURE, *OWN)
        for given, names, where in ((options, known, "archviz"),
                                    (config.archviz_options, tuple(shared()), "archviz_options in conf.py")):
            for name in given:
                if name not in names:
                    raise ArchvizError(f"{where} has no option {name!r}", did_you_mean(name, sorted({*names})))
        common = config.archviz_options
        words = []
        for name, action in shared().items():
            if name not in options and name not in common:
                continue
            value, folder = (options[name], "") if name in options else (common[name], "/")
            if action.nargs == 0:
                words += [f"--{name}"] if value is not False else []
            elif isinstance(action, argparse._AppendAction):
                words += [f"--{name}={self.near(word, folder, name)}" for word in split(name, value)]
            else:
                words.append(f"--{name}={self.near(str(value), folder, name)}")
        words += ["--", self.near(self.arguments[0])]       # which is no option, whatever it looks like
        return replace(asked(parser().parse_args(words)), folder=Path(self.env.srcdir))

    def near(self, word: str, folder: str = "", option: str = "") -> str:
        """A word that names a file, as seen from the page; with a slash in front, from the documentation's folder."""
        found = re.fullmatch(r"((?:.*=)?)(.*\.(?:py|json|ya?ml))((?::.*)?)", word, re.DOTALL)
        if not found or option and option not in FILES:
            return word
        name = folder + found[2].lstrip("/") if folder else found[2]
        return found[1] + self.env.relfn2path(name)[1] + found[3]

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
            said = caption is None and not content      # our own words, below the figure
            alt = image.get("alt") or (f"Architecture of {drawn.facts.title}" if said else drawn.facts.caption)
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


def figure_options(given: Mapping[str, str]) -> tuple[dict[str, Any], ArchvizError | None]:
    """Those of `given` that `figure` has, as it reads them, and the first mistake among them."""
    read: dict[str, Any] = {}
    wrong = None
    for name, reader in FIGURE.items():
        try:
            if name in given:
                read[name] = reader(given[name])
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
        lines = re.sub(rf"(?<!\S)--({'|'.join(shared())})(?![\w-])", r":\1:", lines)
        # What is repeated on a command line is several words here.
        return re.sub(r"(?<!\S)(:[a-z-]+:)( \S+(?: \1 \S+)+)", lambda m: m[1] + m[2].replace(f" {m[1]}", ""), lines)
    whose = "a fault of archviz" if isinstance(error, Exception) else "the model ended the process"
    return f"{whose}: {' '.join(f'{type(error).__name__}: {error}'.split())}"


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


@dataclass(frozen=True)
class Kept:
    """A figure on a page: its `key` in the store, whether it has a `dark` variant, which `project` file held for it."""

    key: str
    dark: bool
    target: str
    alone: bool
    project: Path | None

    def stale(self, env: BuildEnvironment) -> bool:
        """Whether it is gone from the store, or another project file holds by now."""
        try:
            project = Job(self.target, alone=self.alone, folder=Path(env.srcdir)).project_file
        except ArchvizError:
            return True
        return project != self.project or not store_of(env).holds(self.key, self.dark)


def figures_of(env: BuildEnvironment) -> dict[str, set[Kept]]:
    """What figures are on each page."""
    found: dict[str, set[Kept]] = env.__dict__.setdefault("archviz_figures", {})
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

    Those that failed, those whose figures are gone or fall under another project file, and all with figures after
    archviz itself has changed.
    """
    known = env.__dict__.get("archviz_engine")
    env.__dict__["archviz_engine"] = engine()
    if known != engine():
        return failed(env) | set(figures_of(env))
    return failed(env) | {name for name, figures in figures_of(env).items() if any(one.stale(env) for one in figures)}


def unwritten(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Pages that another builder's run read anew, since a file of a figure changed, after this builder wrote them.

    Sphinx itself looks at the pages' own files only.
    """
    builder = app.builder
    place = getattr(builder, "get_output_path", None) or getattr(builder, "get_outfilename", None)     # before Sphinx 8
    suffix = getattr(builder, "out_suffix", "")
    if not place and not suffix:
        return []               # what is one file is written anew each time

    def older(name: str) -> bool:
        written = Path(place(name) if place else Path(builder.outdir) / f"{name}{suffix}")
        read = Path(env.doctreedir) / f"{name}.doctree"
        return written.is_file() and read.is_file() and written.stat().st_mtime_ns < read.stat().st_mtime_ns

    return [name for name in sorted(figures_of(env)) if older(name)]
